/* tok_steps.h - what happens to a text before the model sees its words, and how the pieces of
 * tokens become text again; in the terms of tokenizer.json. */
#ifndef RUNG_TEXT_TOK_STEPS_H
#define RUNG_TEXT_TOK_STEPS_H

#include "rung/base/buf.h"
#include "rung/base/err.h"
#include "tok_regex.h"

/* ---- normalisers: text to text ---- */

typedef enum norm_kind {
    NORM_NFC,
    NORM_NFD,
    NORM_NFKC,
    NORM_NFKD,
    NORM_LOWER,
    NORM_STRIP,   /* white space at the ends: NORM_LEFT, NORM_RIGHT */
    NORM_ACCENTS, /* combining marks go */
    NORM_REPLACE, /* a (or what re matches) becomes b */
    NORM_PREPEND, /* a in front, unless the text is empty */
    NORM_NMT,
    NORM_BERT, /* NORM_CLEAN, NORM_CHINESE, NORM_NO_ACCENTS, NORM_LOWERCASE */
    NORM_CHARSMAP,
    NORM_SPACES /* NORM_MERGE, NORM_FRONT, NORM_BACK: what SentencePiece does around words */
} norm_kind;

enum {
    NORM_LEFT = 1,
    NORM_RIGHT = 2,
    NORM_CLEAN = 4,
    NORM_CHINESE = 8,
    NORM_NO_ACCENTS = 16,
    NORM_LOWERCASE = 32,
    NORM_MERGE = 64,
    NORM_FRONT = 128,
    NORM_BACK = 256
};

typedef struct norm_step {
    norm_kind kind;
    unsigned flags;
    rg_str a, b; /* owned */
    regex *re;
    struct charsmap *map;
} norm_step;

/* ---- pre-tokenizers: text to words ---- */

/* The rules that are written by hand. */
typedef enum pretok_rule { PRETOK_NONE, PRETOK_GPT2, PRETOK_LLAMA3, PRETOK_QWEN2, PRETOK_SMOLLM } pretok_rule;

typedef enum pre_kind {
    PRE_RULE,
    PRE_SPLIT,       /* a or re, with a behaviour */
    PRE_SPLIT_MISS,  /* the same, inverted */
    PRE_WORDS,       /* Whitespace: runs of word characters, runs of others, white space goes */
    PRE_BLANKS,      /* WhitespaceSplit */
    PRE_BERT,        /* white space goes, punctuation alone */
    PRE_METASPACE,   /* a = the replacement; flags: PRE_FIRST, PRE_ALWAYS, PRE_CUT */
    PRE_PUNCTUATION, /* with a behaviour */
    PRE_DIGITS,      /* runs of numbers */
    PRE_DIGIT,       /* each number */
    PRE_PREFIX       /* ByteLevel's add_prefix_space */
} pre_kind;

typedef enum cut_behaviour {
    CUT_REMOVED,
    CUT_ISOLATED,
    CUT_PREVIOUS, /* a delimiter goes with what is before it */
    CUT_NEXT,
    CUT_CONTIGUOUS /* neighbouring delimiters are one */
} cut_behaviour;

enum { PRE_FIRST = 1, PRE_ALWAYS = 2, PRE_CUT = 4 };

typedef struct pre_step {
    pre_kind kind;
    pretok_rule rule;
    cut_behaviour behaviour;
    unsigned flags;
    rg_str a; /* owned */
    regex *re;
} pre_step;

/* ---- decoders ---- */

typedef struct detok_rule {
    size_t strip;     /* so many spaces go from the start of a text */
    bool first_bare;  /* the first token loses all its spaces (Metaspace) */
    bool words;       /* WordPiece: the first token has no space in front, */
    bool cleanup;     /* and the space before punctuation goes */
    bool joined;      /* a space between any two tokens (no decoder at all) */
} detok_rule;

enum { TOK_MAX_STEPS = 16 };

typedef struct tok_steps {
    norm_step norm[TOK_MAX_STEPS];
    size_t n_norm;
    pre_step pre[TOK_MAX_STEPS];
    size_t n_pre;
    detok_rule detok;
} tok_steps;

void rg__steps_free(tok_steps *s);

#endif
