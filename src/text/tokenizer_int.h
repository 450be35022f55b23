/* tokenizer_int.h - the parts of the tokenizer and how a text passes through them:
 *
 *     text --specials.c--> plain pieces and special ids
 *          --tok_norm.c--> normalised text --tok_pre.c, pretok.c--> words
 *          --bpe.c, tok_unigram.c, tok_wordpiece.c--> ids
 *
 * vocab.c holds what a token is (bytes, kind) and finds a token by its bytes; merges.c holds
 * the table (left id, right id) -> (rank, merged id); tok_encode.c leads a text through. */
#ifndef RUNG_TEXT_TOKENIZER_INT_H
#define RUNG_TEXT_TOKENIZER_INT_H

#include "rung/text/tokenizer.h"
#include "tok_decl.h"
#include "tok_steps.h"

/* Caps (product conventions, section 11.2); the last one bounds the matching of specials. */
enum {
    TOK_MAX_VOCAB = 1048576,
    TOK_MAX_TOKEN = 65536,
    TOK_MAX_MERGES = 4194304,
    TOK_MAX_SPECIAL = 512,
    TOK_MAX_PIECE = 512, /* unigram and WordPiece look so far ahead from every character */
    TOK_MAX_PROBES = 1024 /* steps in a hash table before a file is called hostile */
};
#define TOK_MAX_TEXT ((size_t)1 << 30)

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
    uint8_t *foreign; /* a bit a token: its file spells it outside the alphabet of the spelling */
    vocab_slot *slot;
    size_t mask;
    int32_t byte_id[256];     /* the token that words of one byte become, -1 = none */
    int32_t fallback_id[256]; /* the byte token, -1 = none */
    size_t longest;
    bool twins; /* two tokens have the same bytes */
} vocab;

rg_status rg__vocab_read(vocab *v, const tok_decl *d, rg_err *e);
void rg__vocab_free(vocab *v);
static inline rg_str rg__vocab_text(const vocab *v, int32_t id)
{
    return rg_str_n(v->bytes + v->at[id], v->at[id + 1] - v->at[id]);
}
static inline bool rg__vocab_foreign(const vocab *v, size_t id)
{
    return v->foreign[id / 8] >> id % 8 & 1;
}
/* The token that plain text may become, or -1; the special (or unused) one, or -1. */
int32_t rg__vocab_word(const vocab *v, rg_str text);
int32_t rg__vocab_special(const vocab *v, rg_str text);
/* The same, unless its file spells it with a space where the spelling has U+2581: such a token
 * is found in a text, but not made by merging. */
int32_t rg__vocab_piece(const vocab *v, tok_spelling spelling, rg_str text);
/* Writes the bytes that a byte-level text stands for (never longer than it); SIZE_MAX when it
 * has a character outside that alphabet. */
size_t rg__vocab_decode(char *out, rg_str text);
/* Writes a token's bytes as a spelling has them (SPELL_WORDS: with the prefix). */
void rg__vocab_spell(rg_buf *out, tok_spelling spelling, rg_str bytes);
/* U+2581 becomes a space, in place; returns the new length. */
size_t rg__unescape_spaces(char *p, size_t n);
/* "<0x0A>" -> 10, or -1. */
int rg__byte_token(rg_str s);

/* Some files call the tokens that end a turn user-defined; then text from outside could end
 * one.  Like llama.cpp we make them control tokens, before anything is built on the kinds. */
void rg__ends_retype(vocab *v);
bool rg__is_end_name(rg_str text);
/* One flag a token, yours to rg_free: EOS, EOT and EOM as declared, and control tokens with a
 * known end name. */
rg_status rg__ends_read(uint8_t **out, const vocab *v, const tok_decl *d, rg_err *e);

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

/* From the declared merges, or (SentencePiece) from the scores: every way to make a token of
 * two others, the best score first. */
rg_status rg__merges_read(merges *m, const vocab *v, const tok_decl *d, rg_err *e);
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

/* Where the word that begins at p[at] ends; at < n, the result is in (at, n]. */
size_t rg__pretok_next(pretok_rule rule, const char *p, size_t n, size_t at);

/* A list of patterns that cut one after the other, as GGUF files name them. */
typedef struct pretok_entry {
    const char *name;
    pretok_rule rule; /* the same by hand, PRETOK_NONE = by the patterns */
    bool whole_words;
    bool adds_bos; /* where the file does not say */
    const char *pattern[6];
} pretok_entry;
const pretok_entry *rg__pretok_named(rg_str name); /* NULL = unknown */
/* The first entry with these patterns, or NULL. */
const pretok_entry *rg__pretok_with(const rg_str *pattern, size_t n, bool whole_words);
const char *rg__pretok_names(void);

/* Pieces of a text, in order. */
typedef struct cut {
    size_t begin, end;
} cut;
typedef struct cuts {
    cut *c;
    size_t n, cap;
} cuts;
rg_status rg__cuts_push(cuts *c, size_t begin, size_t end, rg_err *e);

/* One entry a word that was seen in this text: where, and where its ids are. */
typedef struct seen_word {
    const char *p;
    size_t id_at;
    uint32_t n, n_ids;
} seen_word;
enum { SEEN_WORDS = 4096, SEEN_LONGEST = 32 };

typedef struct unigram_cell unigram_cell;

/* Working memory of one call of rg_tokenize; zero-initialise, rg__tok_scratch_free. */
typedef struct scratch {
    struct bpe_symbol *symbols;
    uint64_t *heap;
    int32_t *start; /* the symbols that a long word begins with */
    size_t cap;
    seen_word *seen;
    bool remembers;
    size_t begun; /* how many ids there were before the word at hand */
    rg_buf text, other, late;
    cuts words, pieces;
    struct unigram_cell *cells;
    size_t n_cells;
    regex_run *run;
} scratch;
#define SCRATCH_INIT                                                                                         \
    { .text = RG_BUF_MAX(TOK_MAX_WORK), .other = RG_BUF_MAX(TOK_MAX_WORK), .late = RG_BUF_MAX(TOK_MAX_WORK) }
#define TOK_MAX_WORK ((size_t)UINT32_MAX - 64)
void rg__tok_scratch_free(scratch *w);

/* Appends the ids of one word.  Words of at most BPE_SHORT symbols are merged by a scan, longer
 * ones by a heap, with the same result. */
enum { BPE_SHORT = 40 };
rg_status rg__bpe_word(const rg_tokenizer *t, const char *p, size_t n, scratch *w, rg_ids *ids, rg_err *e);

/* The tokens that words may become as a tree of bytes; nodes of one parent lie side by side. */
typedef struct trie_node {
    uint32_t child; /* the first of n_children */
    int32_t id;     /* -1 = no token ends here */
    uint16_t n_children;
    uint8_t byte;
} trie_node;
typedef struct unigram {
    trie_node *node;
    size_t n;
    uint32_t root[257]; /* the nodes of depth 1 by byte: [root[b], root[b + 1]) */
    double *score;
    double unknown; /* the score of a character that is no token */
} unigram;
rg_status rg__unigram_build(unigram *u, const vocab *v, const tok_decl *d, rg_err *e);
void rg__unigram_free(unigram *u);
rg_status rg__unigram_word(const rg_tokenizer *t, const char *p, size_t n, scratch *w, rg_ids *ids, rg_err *e);

rg_status rg__wordpiece_word(const rg_tokenizer *t, const char *p, size_t n, scratch *w, rg_ids *ids, rg_err *e);

/* Appends the unknown token (once for neighbours, where they fuse), or says what is missing. */
rg_status rg__push_unknown(const rg_tokenizer *t, const char *p, size_t n, const scratch *w, rg_ids *ids, rg_err *e);
/* Appends one character as byte tokens where there are such, else as the unknown token. */
rg_status rg__push_bytes(const rg_tokenizer *t, const char *p, size_t n, const scratch *w, rg_ids *ids, rg_err *e);

/* A charsmap of SentencePiece (checked whole when it is read). */
typedef struct charsmap charsmap;
rg_status rg__charsmap_new(charsmap **out, const void *p, size_t n, rg_err *e);
void rg__charsmap_free(charsmap *m);
rg_str rg__charsmap_bytes(const charsmap *m);
/* What the longest (or shortest) known prefix of p[0..n) becomes: its length, 0 = none. */
size_t rg__charsmap_find(const charsmap *m, const char *p, size_t n, bool shortest, rg_str *becomes);

/* text in, text out (w->other is overwritten). */
rg_status rg__norm_run(const tok_steps *steps, scratch *w, rg_err *e);
/* Cuts w->text (which it may rewrite) into w->words.  first: the text begins here. */
rg_status rg__pre_run(const tok_steps *steps, scratch *w, bool first, rg_err *e);
bool rg__is_white(uint32_t cp); /* Unicode White_Space */
bool rg__is_word(uint32_t cp);  /* \w: letters, marks, digits, connectors */

/* Special tokens by their bytes, sorted, so that all that match at a place are found by
 * narrowing one range byte by byte. */
typedef struct specials {
    int32_t *id;
    size_t n;
    uint32_t first[257]; /* those that begin with byte b: [first[b], first[b+1]) */
    bool any_user;
    bool leftmost;        /* else the longest, wherever it is */
    const uint8_t *added; /* ADDED_*, one a token of the vocabulary; NULL = none */
    char *bytes;          /* their spelling in normalised text, NULL = as the vocabulary has it */
    uint32_t *at;
} specials;

typedef struct special_match {
    uint32_t at, len; /* with the white space that it takes along */
    int32_t id;
} special_match;

typedef struct special_matches {
    special_match *m;
    size_t n, cap;
} special_matches;

/* Those to be found in the text as it is, or (late) those that are found once it is normalised. */
rg_status rg__specials_build(specials *s, const rg_tokenizer *t, bool late, rg_err *e);
void rg__specials_free(specials *s);
rg_status rg__special_add(special_matches *out, special_match x, rg_err *e);
/* The specials in a text, in order, none overlapping; control tokens only if asked for.  Longer
 * tokens go first wherever they are, as llama.cpp has it, or (leftmost) the first one does, as
 * the `tokenizers` package has it. */
rg_status rg__specials_match(const specials *s, const vocab *v, rg_str text, bool control,
                             special_matches *out, rg_err *e);

/* Byte pairs that stand side by side in some token: between two others no merge can cross. */
typedef struct byte_pairs {
    uint8_t bit[8192];
} byte_pairs;

struct rg_tokenizer {
    vocab vocab;
    merges merges;
    unigram unigram;
    byte_pairs *inner; /* models over characters only */
    specials specials, late;
    tok_model model;
    tok_spelling spelling;
    tok_steps steps;
    uint8_t *added; /* ADDED_*, one a token; NULL = none */
    size_t max_word;
    bool whole_words, byte_fallback, fuse_unk;
    bool adds_bos, adds_eos;
    int32_t id[ID_COUNT];
    int32_t unk; /* -1 = what the vocabulary cannot spell is refused */
    uint8_t *ends; /* one flag a token */
    char kind[64], pre[32];
};

/* Appends the ids of text[begin, end), specials of it included. */
rg_status rg__encode(const rg_tokenizer *t, rg_str text, const rg_span *spans, size_t n, rg_ids *ids, rg_err *e);

#endif
