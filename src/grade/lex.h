/* lex.h - tokens of cleaned answers; private to lex.c and the parser. */
#ifndef RG_GRADE_LEX_H
#define RG_GRADE_LEX_H

#include "grade_int.h"

typedef enum rg__tok_kind {
    RG__T_END,
    RG__T_NUM,
    RG__T_LETTER, /* one variable */
    RG__T_CMD,    /* \name, or a plain name that means the same */
    RG__T_WORD,   /* a plain word: a unit if it stands behind a value */
    RG__T_TEXT,   /* the content of \text{...} */
    RG__T_PUNCT   /* one sign, \{ \} \\ <= >= != */
} rg__tok_kind;

typedef struct rg__tok {
    rg__tok_kind kind;
    rg_str text, rep; /* rep: repeating digits of a number */
    int32_t point;    /* digits after the point, -1 = no point */
    int32_t e10;
    bool scientific;
    bool blank; /* a blank stood before it */
    size_t at;  /* offset in the text */
} rg__tok;

typedef struct rg__lexer {
    rg_str s;
    size_t i;
    bool after_value; /* a short unit may follow: "5 cm" */
} rg__lexer;

rg__tok rg__lex(rg__lexer *l);

#endif
