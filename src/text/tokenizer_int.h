/* tokenizer_int.h - the parts of the tokenizer and how a text passes through them:
 *
 *     text --specials.c--> plain pieces and special ids --pretok.c--> words --bpe.c--> ids
 *
 * vocab.c holds what a token is (bytes, kind) and finds a token by its bytes; merges.c holds
 * the table (left id, right id) -> (rank, merged id). */
#ifndef RUNG_TEXT_TOKENIZER_INT_H
#define RUNG_TEXT_TOKENIZER_INT_H

#include "rung/text/tokenizer.h"

/* Caps (product conventions, section 11.2); the last one bounds the matching of specials. */
enum {
    TOK_MAX_VOCAB = 1048576,
    TOK_MAX_TOKEN = 65536,
    TOK_MAX_MERGES = 4194304,
    TOK_MAX_SPECIAL = 512,
    TOK_MAX_PROBES = 1024 /* steps in a hash table before a file is called hostile */
};
#define TOK_MAX_TEXT ((size_t)1 << 30)

typedef enum tok_kind { /* tokenizer.ggml.token_type */
                        TOK_UNDEFINED = 0,
                        TOK_NORMAL,
                        TOK_UNKNOWN,
                        TOK_CONTROL,
                        TOK_USER,
                        TOK_UNUSED,
                        TOK_BYTE
} tok_kind;

typedef struct vocab_slot {
    uint32_t tag; /* upper half of the hash */
    int32_t id;   /* -1 = free */
} vocab_slot;

/* Tokens as bytes, one after the other in `bytes`, and a hash table from bytes to id.  A text
 * has at most two entries there: the token that words may become and the special one. */
typedef struct vocab {
    size_t n;
    char *bytes;
    uint32_t *at; /* token i is bytes[at[i] .. at[i+1]) */
    uint8_t *kind;
    vocab_slot *slot;
    size_t mask;
    int32_t byte_id[256]; /* the token of a single byte, -1 = none */
} vocab;

rg_status rg__vocab_read(vocab *v, const rg_gguf *g, rg_err *e);
void rg__vocab_free(vocab *v);
static inline rg_str rg__vocab_text(const vocab *v, int32_t id)
{
    return rg_str_n(v->bytes + v->at[id], v->at[id + 1] - v->at[id]);
}
/* The token that plain text may become, or -1; the special (or unused) one, or -1. */
int32_t rg__vocab_word(const vocab *v, rg_str text);
int32_t rg__vocab_special(const vocab *v, rg_str text);
/* Writes the bytes that a byte-level text stands for (never longer than it); SIZE_MAX when it
 * has a character outside that alphabet. */
size_t rg__vocab_decode(char *out, rg_str text);

/* Some files call the tokens that end a turn user-defined; then text from outside could end
 * one.  Like llama.cpp we make them control tokens, before anything is built on the kinds. */
void rg__ends_retype(vocab *v);
/* One flag a token, yours to rg_free: EOS, EOT and EOM as declared, and control tokens with a
 * known end name. */
rg_status rg__ends_read(uint8_t **out, const vocab *v, const rg_gguf *g, rg_err *e);

typedef struct merge {
    uint64_t pair; /* left id << 32 | right id; UINT64_MAX = free */
    uint32_t rank;
    int32_t id;
} merge;

typedef struct merges {
    merge *slot;
    size_t mask;
    int shift;
} merges;

rg_status rg__merges_read(merges *m, const vocab *v, const rg_gguf *g, rg_err *e);
void rg__merges_free(merges *m);

static inline size_t rg__merge_home(const merges *m, uint64_t pair)
{
    return (size_t)((pair * UINT64_C(0x9E3779B97F4A7C15)) >> m->shift);
}

/* NULL when the pair does not merge. */
static inline const merge *rg__merge_find(const merges *m, int32_t left, int32_t right)
{
    const uint64_t pair = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    for (size_t at = rg__merge_home(m, pair);; at = (at + 1) & m->mask) {
        if (m->slot[at].pair == pair)
            return &m->slot[at];
        if (m->slot[at].pair == UINT64_MAX)
            return NULL;
    }
}

typedef enum pretok_rule { PRETOK_GPT2, PRETOK_LLAMA3, PRETOK_QWEN2, PRETOK_SMOLLM } pretok_rule;

/* Where the word that begins at p[at] ends; at < n, the result is in (at, n]. */
size_t rg__pretok_next(pretok_rule rule, const char *p, size_t n, size_t at);

/* Working memory of one call of rg_tokenize; zero-initialise. */
typedef struct bpe_scratch {
    struct bpe_symbol *symbols;
    uint64_t *heap;
    size_t cap;
} bpe_scratch;

/* Appends the ids of one word.  Words of at most BPE_SHORT bytes are merged by a scan, longer
 * ones by a heap, with the same result. */
enum { BPE_SHORT = 40 };
rg_status rg__bpe_word(const vocab *v, const merges *m, const char *p, size_t n, bpe_scratch *w, rg_ids *ids,
                       rg_err *e);
void rg__bpe_scratch_free(bpe_scratch *w);

/* Special tokens by their bytes, sorted, so that all that match at a place are found by
 * narrowing one range byte by byte. */
typedef struct specials {
    int32_t *id;
    size_t n;
    uint32_t first[257]; /* those that begin with byte b: [first[b], first[b+1]) */
    bool any_user;
} specials;

typedef struct special_match {
    uint32_t at, len;
    int32_t id;
} special_match;

typedef struct special_matches {
    special_match *m;
    size_t n, cap;
} special_matches;

rg_status rg__specials_build(specials *s, const vocab *v, rg_err *e);
void rg__specials_free(specials *s);
/* The specials in a text, in order, none overlapping; control tokens only if asked for.
 * Longer tokens go first wherever they are, as llama.cpp has it. */
rg_status rg__specials_match(const specials *s, const vocab *v, rg_str text, bool control,
                             special_matches *out, rg_err *e);

struct rg_tokenizer {
    vocab vocab;
    merges merges;
    specials specials;
    pretok_rule rule;
    bool whole_words; /* a word that is a token is that token, merges or not */
    bool adds_bos;
    int32_t bos, eos;
    uint8_t *ends; /* one flag a token */
    char kind[64];
};

#endif
