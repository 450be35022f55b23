/* grade_int.h - what the files of the grade room share.
 *
 *     response --extract--> answer --clean--> one spelling --parse--> tree --compare--> verdict
 *                                                                        \--canon--> vote
 *
 * Nothing here depends on time: work is bounded by bytes, depth, nodes, digits and a count of
 * arithmetic steps, so the same pair always gets the same verdict. */
#ifndef RG_GRADE_INT_H
#define RG_GRADE_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <flint/fmpq.h>
#if __has_include(<flint/acb.h>)
#include <flint/acb.h> /* FLINT 3 holds Arb */
#else
#include <acb.h>
#endif

#include "rung/grade/grade.h"

#define RG__ANSWER_MAX 65536      /* bytes of one answer that are looked at */
#define RG__DEPTH_MAX  64         /* nested groups */
#define RG__NODES_MAX  10000      /* nodes of one tree */
#define RG__DIGITS_MAX 10000      /* digits of one number */
#define RG__EXP_MAX    10000      /* power of ten written after e; argument of a factorial */
#define RG__BITS_MAX   (1L << 18) /* size of an exact rational */
#define RG__ELEMS_MAX  256        /* elements of a list or matrix */
#define RG__WORK_MAX   400000L    /* arithmetic steps of one comparison, about 50 ms */

/* ---- words.c: what a run of letters means ---------------------------------------------- */

typedef enum rg__fn {
    RG__F_NONE,
    RG__F_SIN,
    RG__F_COS,
    RG__F_TAN,
    RG__F_COT,
    RG__F_SEC,
    RG__F_CSC,
    RG__F_ASIN,
    RG__F_ACOS,
    RG__F_ATAN,
    RG__F_SINH,
    RG__F_COSH,
    RG__F_TANH,
    RG__F_LN,
    RG__F_LG,
    RG__F_EXP,
    RG__F_ABS,
    RG__F_FLOOR,
    RG__F_CEIL,
    RG__F_GCD,
    RG__F_LCM,
    RG__F_MAX,
    RG__F_MIN
} rg__fn;

rg__fn rg__fn_find(rg_str name);
bool rg__is_greek(rg_str name);        /* \alpha ... \Omega, without the constants */
bool rg__is_unit(rg_str word);         /* plain words that may follow a number */
bool rg__is_unit_text(rg_str content); /* the inside of \text{...} likewise */
int rg__number_word(rg_str folded);    /* "seven" -> 7; -1 */
/* Lower case, without \text, articles and punctuation.  False when s is not made of words. */
bool rg__fold_words(rg_buf *out, rg_str s);
bool rg__means_empty(rg_str folded); /* "no solution" ... */
bool rg__means_reals(rg_str folded); /* "all real numbers" ... */
/* The letter of a choice: "C", "(C)", "\text{(C)}"; loose also "C.", "C) 12".  0 = none. */
char rg__choice_letter(rg_str s, bool loose);

/* ---- clean.c: one spelling (section 16.2) ----------------------------------------------- */

/* Appends s without layout, with one command per meaning and without digit separators. */
void rg__clean(rg_buf *out, rg_str s);

/* Its later passes (groups.c), over text in which these bytes mark what may part digits. */
enum { RG__MARK_SEP = 1, RG__MARK_THIN = 2 };
void rg__join_groups(rg_buf *out, rg_str s);
void rg__squeeze(rg_buf *out, rg_str s);

/* ---- parse.c: the tree (section 16.3) --------------------------------------------------- */

typedef enum rg__kind {
    RG__BAD,
    RG__NUM, /* text = digits, a = digits after the point (-1: no point), b = power of ten, rep */
    RG__PI,
    RG__E,
    RG__I,
    RG__INF,
    RG__VAR, /* text = name with subscript */
    RG__NEG,
    RG__ADD,
    RG__MUL,
    RG__DIV,
    RG__POW,
    RG__ROOT, /* radicand, index (absent: 2) */
    RG__FUNC, /* a = rg__fn; log: argument, base */
    RG__FACT,
    RG__BINOM,
    RG__PM, /* op '+' for +-, '-' for -+ */
    RG__PCT,
    RG__DEG,
    RG__BASE, /* text = digits, a = base */
    RG__RATIO,
    RG__CALL,  /* f(x) on the left of a definition; text = name */
    RG__TUPLE, /* op = opening, ops[0] = closing bracket; intervals too */
    RG__SET,
    RG__LIST,   /* LIST: op = ',' '|' (or) '&' (and) */
    RG__MATRIX, /* a rows, b columns, children by rows */
    RG__UNION,
    RG__REL, /* ops: = < > l (<=) g (>=) n (!=) i (in), one fewer than children */
    RG__EMPTY,
    RG__REALS
} rg__kind;

typedef struct rg__node {
    rg__kind kind;
    char op, ops[4];
    int32_t a, b;
    uint32_t first, last, next, n; /* children; index 0 = none */
    rg_str text, rep;              /* borrowed from the tree's text */
} rg__node;

typedef struct rg__tree {
    rg__node *v;
    uint32_t n, cap, root;
    bool limit; /* refused because of a bound, not because of its form */
} rg__tree;

/* Parses cleaned text, which must outlive the tree.  False: not an answer of any known type
 * (or a limit).  The tree is to be freed in every case. */
bool rg__parse(rg__tree *t, rg_str clean);
void rg__tree_free(rg__tree *t);
static inline const rg__node *rg__at(const rg__tree *t, uint32_t id)
{
    return &t->v[id];
}
uint32_t rg__new(rg__tree *t, rg__kind kind); /* 0 when a limit was hit */
void rg__append(rg__tree *t, uint32_t parent, uint32_t child);

/* One value in a tree: a node, and the sign that its +- stands for. */
typedef struct rg__elem {
    const rg__tree *t;
    uint32_t id;
    int sign;
} rg__elem;

bool rg__contains(const rg__tree *t, uint32_t id, bool (*is)(const rg__node *n));
bool rg__is_var(const rg__node *n);
bool rg__is_pm(const rg__node *n);

/* ---- exact.c, eval.c: values ------------------------------------------------------------ */

/* The exact rational value; false when it is not rational by plain arithmetic or too large. */
bool rg__exact(fmpq_t q, rg__elem x);
/* What rg__exact may cost, in arithmetic steps: to be charged before it is called. */
long rg__weight(rg__elem x);
/* A decimal numeral (sign and power of ten allowed): its count of significant digits, else 0. */
int rg__decimal_digits(rg__elem x);

typedef enum rg__domain { RG__D_REAL, RG__D_COMPLEX, RG__D_INTEGER } rg__domain;
typedef enum rg__ev { RG__EV_OK, RG__EV_UNDEF, RG__EV_LIMIT, RG__EV_TYPE } rg__ev;

typedef struct rg__point { /* where variables have values */
    uint64_t index;
    rg__domain domain;
    bool strict; /* roots and logarithms of negative numbers are undefined */
    long prec;   /* bits */
} rg__point;

/* A ball that contains the value of x at the point.  Takes its steps from *work. */
rg__ev rg__eval(acb_t z, rg__elem x, const rg__point *at, long *work);

/* ---- sample.c: is a difference zero everywhere? ------------------------------------------ */

/* z = something that vanishes if the claim holds; scale = its size before cancellation. */
typedef rg__ev (*rg__zero_fn)(acb_t z, arb_t scale, void *arg, const rg__point *at, long *work);
rg_verdict rg__vanishes(rg__zero_fn fn, void *arg, rg__elem g, rg__elem p, long *work);

/* ---- compare.c, scalar.c, region.c, relation.c: the rules (section 16.4) ------------------- */

typedef struct rg__cmp {
    rg_grade_opt opt;
    long work;
    int depth;
} rg__cmp;

rg_grading rg__compare(rg__cmp *c, rg__elem g, rg__elem p);
rg_grading rg__compare_scalar(rg__cmp *c, rg__elem g, rg__elem p);
rg_grading rg__compare_relation(rg__cmp *c, rg__elem g, rg__elem p);
bool rg__is_region(rg__elem x);
rg_grading rg__compare_region(rg__cmp *c, rg__elem g, rg__elem p);
/* Unpacks lists, sets and +- into v; SIZE_MAX when there are more than RG__ELEMS_MAX. */
size_t rg__expand(rg__elem *v, rg__elem x);
/* x with membership prefixes, degrees and one-element lists taken off. */
rg__elem rg__bare(rg__elem x);
/* The right side of `v = expr` or `f(v) = expr`; false for anything else. */
bool rg__solved(rg__elem *rhs, rg__elem x);
/* +1, -1: plus or minus infinity; 0: something else. */
int rg__infinite(rg__elem x);

static inline rg_grading rg__say(rg_verdict v, const char *rule)
{
    const rg_grading r = { v, rule };
    return r;
}
static inline rg__elem rg__child(rg__elem x, uint32_t id)
{
    x.id = id;
    return x;
}

#endif
