/* tokenizer.h - text to token ids and back: byte-level BPE with the pre-tokenizers of GPT-2,
 * Llama 3, Qwen2 and SmolLM.
 *
 * A tokenizer is built from what a model file declares (rg_vocab); everything is checked
 * there.  It is immutable and safe to share between threads.  A pre-tokenizer or model kind
 * that is not implemented is an error, never a fallback. */
#ifndef RUNG_TEXT_TOKENIZER_H
#define RUNG_TEXT_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rung/base/buf.h"
#include "rung/base/err.h"
#include "rung/format/gguf.h"

typedef struct rg_tokenizer rg_tokenizer;

/* From the tokenizer.ggml.* keys of a GGUF file (vocabulary-only files included).  Copies
 * what it keeps: the file may be closed afterwards. */
rg_status rg_tokenizer_from_gguf(rg_tokenizer **out, const rg_gguf *g, rg_err *e);
void      rg_tokenizer_free(rg_tokenizer *t);               /* NULL is fine */

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
 * byte tokens (byte-level vocabularies have all 256); refused where the vocabulary lacks one. */
rg_status rg_tokenize(const rg_tokenizer *t, rg_str text, rg_special special, rg_ids *ids, rg_err *e);

/* A text made of spans, some scaffolding (control tokens parsed), some foreign text (never):
 * tokenised so that no control token can come from foreign bytes.  The spans cover the text in
 * order without gaps (else RG_EARG); neighbours are tokenised separately. */
typedef struct rg_span {
    size_t begin, end;          /* bytes [begin, end) of the text */
    bool   scaffold;
} rg_span;
rg_status rg_tokenize_spans(const rg_tokenizer *t, rg_str text, const rg_span *spans, size_t n,
                            rg_ids *ids, rg_err *e);

/* Appends the bytes of one id (control tokens: their text if with_special, else nothing). */
void rg_detokenize(const rg_tokenizer *t, int32_t id, bool with_special, rg_buf *b);

size_t  rg_vocab_size(const rg_tokenizer *t);
rg_str  rg_token_text(const rg_tokenizer *t, int32_t id);       /* its bytes, decoded; borrowed */
bool    rg_token_is_control(const rg_tokenizer *t, int32_t id);
/* -1 where the vocabulary has none. */
int32_t rg_token_bos(const rg_tokenizer *t);
int32_t rg_token_eos(const rg_tokenizer *t);
bool    rg_token_adds_bos(const rg_tokenizer *t);               /* the file asks for BOS in front */
/* Ends a turn or a text: EOS, EOT, EOM as declared, and <|im_end|>, <|eot_id|>, <|endoftext|>
 * ... where they are control tokens. */
bool    rg_token_ends(const rg_tokenizer *t, int32_t id);
/* The id whose text is exactly s (control tokens included), or -1. */
int32_t rg_token_find(const rg_tokenizer *t, rg_str s);
const char *rg_tokenizer_kind(const rg_tokenizer *t);           /* "gpt2/qwen2" */

#endif
