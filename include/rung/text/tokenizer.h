/* tokenizer.h - text to token ids and back: byte-level BPE, SentencePiece BPE and unigram,
 * WordPiece, as GGUF files and tokenizer.json declare them (docs/models.md lists the kinds).
 *
 * A tokenizer is built from what a model file declares; everything is checked there.  It is
 * immutable and safe to share between threads.  A kind that is not implemented (model,
 * normaliser, pre-tokenizer, decoder) is an error that names it, never a fallback. */
#ifndef RUNG_TEXT_TOKENIZER_H
#define RUNG_TEXT_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rung/base/api.h"
#include "rung/base/buf.h"
#include "rung/base/err.h"
#include "rung/format/gguf.h"
#include "rung/format/gguf_write.h"

RG_API_BEGIN

typedef struct rg_tokenizer rg_tokenizer;

/* From the tokenizer.ggml.* keys of a GGUF file (vocabulary-only files included).  Copies
 * what it keeps: the file may be closed afterwards. */
rg_status rg_tokenizer_from_gguf(rg_tokenizer **out, const rg_gguf *g, rg_err *e);
/* From the text of a tokenizer.json and of the tokenizer_config.json beside it, which names BOS
 * and EOS (p == NULL: there is none; then the post-processor and known spellings tell). */
rg_status rg_tokenizer_from_json(rg_tokenizer **out, rg_str tokenizer_json, rg_str tokenizer_config_json,
                                 rg_err *e);
void      rg_tokenizer_free(rg_tokenizer *t);               /* NULL is fine */

/* Adds unused tokens until there are `rows`: a model whose embedding has more rows than its files
 * have tokens.  Before the tokenizer is shared; RG_EFORMAT when it has more tokens than that. */
rg_status rg_tokenizer_pad(rg_tokenizer *t, size_t rows, rg_err *e);

/* Writes the tokenizer.ggml.* keys, so that llama.cpp gives the same ids.  RG_EARG, with the
 * reason, for a tokenizer that those keys cannot express. */
rg_status rg_tokenizer_put_gguf(const rg_tokenizer *t, rg_gguf_writer *w, rg_err *e);
/* The two files of a folder, so that the `tokenizers` package gives the same ids. */
rg_status rg_tokenizer_put_json(const rg_tokenizer *t, rg_buf *tokenizer_json, rg_buf *tokenizer_config_json,
                                rg_err *e);

typedef struct rg_ids {         /* a growing list of token ids; zero-initialise, rg_ids_free */
    int32_t *id;
    size_t   n, cap;
} rg_ids;
rg_status rg_ids_push(rg_ids *ids, int32_t id, rg_err *e);
rg_status rg_ids_append(rg_ids *ids, const int32_t *id, size_t n, rg_err *e);
void      rg_ids_free(rg_ids *ids);

typedef enum rg_special {
    RG_SPECIAL_NONE,    /* text like "<|im_end|>" is text: for users, data, tools, models    */
    RG_SPECIAL_ALL      /* it becomes the control token: for template scaffolding            */
} rg_special;

/* Appends the ids of text.  No BOS/EOS is added here.  Bytes that are not UTF-8 go through
 * byte tokens (byte-level vocabularies have all 256).  What the vocabulary cannot spell becomes
 * its unknown token; where it has none, the text is refused.  A SentencePiece vocabulary may ask
 * for a space in front (at the start and after each special token). */
rg_status rg_tokenize(const rg_tokenizer *t, rg_str text, rg_special special, rg_ids *ids, rg_err *e);

/* A text made of spans, some scaffolding (control tokens parsed), some foreign text (never):
 * tokenised so that no control token can come from foreign bytes.  The spans cover the text in
 * order without gaps (else RG_EARG).  Neighbours are tokenised separately, except that a
 * SentencePiece vocabulary, whose words begin with the space before them, reads neighbours
 * that are plain text as one. */
typedef struct rg_span {
    size_t begin, end;          /* bytes [begin, end) of the text */
    bool   scaffold;
} rg_span;
rg_status rg_tokenize_spans(const rg_tokenizer *t, rg_str text, const rg_span *spans, size_t n,
                            rg_ids *ids, rg_err *e);

/* Appends the bytes of one id in the middle of a text (control tokens: their text if
 * with_special, else nothing). */
void rg_detokenize(const rg_tokenizer *t, int32_t id, bool with_special, rg_buf *b);

/* The same from the start of a text, id by id: the space that the tokenizer put in front of the
 * first word is taken off again.  Byte tokens come out as their bytes, so a caller that shows
 * the text holds back an unfinished character. */
typedef struct rg_detok {
    bool begun;                 /* zero-initialise */
} rg_detok;
void rg_detokenize_next(const rg_tokenizer *t, rg_detok *d, int32_t id, bool with_special, rg_buf *b);

size_t  rg_vocab_size(const rg_tokenizer *t);
rg_str  rg_token_text(const rg_tokenizer *t, int32_t id);       /* its bytes, decoded; borrowed */
bool    rg_token_is_control(const rg_tokenizer *t, int32_t id);
/* -1 where the vocabulary has none. */
int32_t rg_token_bos(const rg_tokenizer *t);
int32_t rg_token_eos(const rg_tokenizer *t);
bool    rg_token_adds_bos(const rg_tokenizer *t);               /* the file asks for BOS in front */
bool    rg_token_adds_eos(const rg_tokenizer *t);               /* and for EOS behind */
/* Ends a turn or a text: EOS, EOT, EOM as declared, and <|im_end|>, <|eot_id|>, <|endoftext|>
 * ... where they are control tokens. */
bool    rg_token_ends(const rg_tokenizer *t, int32_t id);
/* This one too, says a file beside the vocabulary; before the tokenizer is shared.  An id outside
 * the vocabulary is left out. */
void    rg_token_add_end(rg_tokenizer *t, int32_t id);
/* The id whose text is exactly s (control tokens included), or -1. */
int32_t rg_token_find(const rg_tokenizer *t, rg_str s);
const char *rg_tokenizer_kind(const rg_tokenizer *t);           /* "gpt2/qwen2", "json/bpe" */

RG_API_END
#endif
