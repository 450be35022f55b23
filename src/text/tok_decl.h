/* tok_decl.h - what a file says about its tokenizer, whatever the file's format.
 *
 *     GGUF           --tok_gguf.c--+
 *                                  +--> tok_decl --rg__tokenizer_build--> rg_tokenizer
 *     tokenizer.json --tok_json.c--+
 *
 * The readers translate; every check of what is said (caps, ids, byte tokens, merges) is made
 * once, by the parts that take the declaration over. */
#ifndef RUNG_TEXT_TOK_DECL_H
#define RUNG_TEXT_TOK_DECL_H

#include "rung/text/tokenizer.h"
#include "tok_steps.h"

typedef enum tok_kind { /* tokenizer.ggml.token_type */
                        TOK_UNDEFINED = 0,
                        TOK_NORMAL,
                        TOK_UNKNOWN,
                        TOK_CONTROL,
                        TOK_USER,
                        TOK_UNUSED,
                        TOK_BYTE
} tok_kind;

typedef enum tok_model {
    TOK_BPE,      /* merges by rank, over bytes (SPELL_BYTES) or characters */
    TOK_SPM,      /* SentencePiece BPE: merges by the score of what they make */
    TOK_UNIGRAM,  /* the split with the best sum of scores */
    TOK_WORDPIECE /* the longest token first */
} tok_model;

/* How a file spells its tokens; the spelling is undone once, in vocab.c. */
typedef enum tok_spelling {
    SPELL_RAW,   /* as they are */
    SPELL_BYTES, /* each byte as a printable character (GPT-2's alphabet) */
    SPELL_SPACE, /* a space as U+2581 */
    SPELL_WORDS  /* WordPiece: a token that goes on within a word begins with a prefix ("##") */
} tok_spelling;

typedef enum tok_special_id { /* one key tokenizer.ggml.*_token_id each */
                              ID_BOS,
                              ID_EOS,
                              ID_EOT,
                              ID_EOM,
                              ID_UNK,
                              ID_SEP,
                              ID_PAD,
                              ID_MASK,
                              ID_COUNT
} tok_special_id;
extern const char *const rg__special_keys[ID_COUNT];

enum { /* how an added token is found in a text */
       ADDED_LSTRIP = 1,
       ADDED_RSTRIP = 2,
       ADDED_WORD = 4,
       ADDED_NORMALIZED = 8
};

typedef struct tok_decl {
    char name[64]; /* rg_tokenizer_kind */
    char pre[32];  /* tokenizer.ggml.pre, "" = none */
    tok_model model;
    tok_spelling spelling;
    rg_str prefix; /* SPELL_WORDS */

    size_t n;
    const rg_str *token; /* borrowed from the file */
    uint8_t *kind;       /* tok_kind, one a token; NULL = all normal */
    uint8_t *added;      /* ADDED_*, one a token; NULL = none */
    double *score;       /* one a token; NULL = none */

    const rg_str *merge; /* borrowed: lines "left right", or left, right, left, right, ... */
    size_t n_merges;
    bool merge_pairs;

    int32_t id[ID_COUNT]; /* -1 = not declared */
    int32_t unk;          /* what the model makes of the unknown; -1 = the text is refused */
    bool adds_bos, adds_eos;
    bool whole_words;   /* a word that is a token is that token, merges or not */
    bool byte_fallback; /* what is no token is spelled with byte tokens */
    bool fuse_unk;      /* neighbours that are unknown become one */
    bool leftmost;      /* specials and unigram scores as the package has them; else as llama.cpp */
    size_t max_word;    /* WordPiece: characters of a word that is not unknown by its length */
    tok_steps steps;
} tok_decl;

/* Frees what the declaration owns (not what it borrows). */
void rg__decl_free(tok_decl *d);

/* Takes d->steps over. */
rg_status rg__tokenizer_build(rg_tokenizer **out, tok_decl *d, rg_err *e);

#endif
