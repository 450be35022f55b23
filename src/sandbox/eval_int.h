/* eval_int.h - the inside of the evaluator: tokens, values, and one machine that reads the tokens
 * and computes at once.  In "dry" mode it reads without computing (the side of `or` that is not
 * taken, the body of a sum before its range is known). */
#ifndef RUNG_EVAL_INT_H
#define RUNG_EVAL_INT_H

#include <gmp.h>

#include "rung/sandbox/evaluator.h"

enum {
    EV_MAX_BITS = 1 << 17,
    EV_MAX_DEPTH = 64,
    EV_MAX_NAMES = 256,
    EV_MAX_NAME = 63,
    EV_MAX_ARGS = 32,
    EV_MAX_CODE = 1 << 20,
    EV_STEPS = 1000000
};

typedef enum ev_tok_kind { EV_END, EV_LINE, EV_NUM, EV_NAME, EV_TEXT, EV_OP } ev_tok_kind;

typedef struct ev_tok {
    ev_tok_kind kind;
    rg_str      s;
} ev_tok;

typedef enum ev_kind { EV_RATIONAL, EV_BOOL, EV_STRING, EV_NONE } ev_kind;

typedef struct ev_val {
    ev_kind kind;
    mpq_t   q;          /* always initialised; 0 or 1 for EV_BOOL */
    rg_str  s;          /* EV_STRING: the inside of the quotes, in the code */
} ev_val;

typedef struct ev_name {
    char   name[EV_MAX_NAME + 1];
    ev_val v;
} ev_name;

struct rg_eval {
    ev_name *names;
    size_t   n_names;
    /* of the block under way */
    ev_tok  *tok;
    size_t   n_tok, at;
    int      depth, dry;
    size_t   steps;             /* left */
    rg_buf  *out;
    rg_eval_fault *fault;
};

/* Everything below returns false once a fault is recorded; the first one stays. */
bool ev_fail(rg_eval *v, const char *type, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Tokens of code, ended by EV_LINE and EV_END; v->tok is yours to rg_free. */
bool ev_lex(rg_eval *v, rg_str code);

void ev_val_init(ev_val *x);
void ev_val_clear(ev_val *x);
void ev_val_set(ev_val *to, const ev_val *from);
void ev_print(rg_eval *v, const ev_val *x);
bool ev_truth(const ev_val *x);

/* Takes the work of an operation on numbers of this many bits off the steps. */
bool ev_charge(rg_eval *v, size_t bits);
size_t ev_bits(const ev_val *x);
bool ev_number(rg_eval *v, ev_val *x, rg_str text);     /* a literal */
/* x = x op y */
bool ev_arith(rg_eval *v, ev_val *x, rg_str op, const ev_val *y);
bool ev_power(rg_eval *v, ev_val *x, const ev_val *y);
bool ev_compare(rg_eval *v, const ev_val *x, rg_str op, const ev_val *y, bool *out);
bool ev_need_integer(rg_eval *v, const ev_val *x, const char *who);

/* x = name(arg[0..n)); for functions of plain values. */
bool ev_function(rg_eval *v, ev_val *x, rg_str name, ev_val *arg, size_t n);
bool ev_is_function(rg_str name);

/* the machine, for calls that take more than plain values */
bool ev_expr(rg_eval *v, ev_val *x);
bool ev_is(const rg_eval *v, const char *op);
bool ev_take(rg_eval *v, const char *op);               /* steps over it if it is there */
bool ev_want(rg_eval *v, const char *op);
ev_val *ev_name_get(rg_eval *v, rg_str name, bool make);
/* x = sum or product over a range; the opening parenthesis has been read. */
bool ev_over_range(rg_eval *v, ev_val *x, bool product);

#endif
