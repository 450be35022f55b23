/* evaluator.h - a small exact calculator with Python's looks, for machines without Python and
 * for tests: integers and rationals of any size, no foreign code, bounded time and memory.
 *
 *     statement   name = expr | name op= expr | print(expr or "text", ...) | expr
 *                 import and from lines are read and ignored; # begins a comment; ; separates
 *     expr        + - * / // % ** and or not == != < <= > >= ( ) True False, names, integers, decimals
 *     functions   abs gcd lcm factorial binomial comb sqrt isqrt min max int sum prod
 *                 (math. and sympy. in front are fine)
 *     sum, prod   sum(expr for name in range(a, b, c)), with `if condition`
 *
 * Differences from Python: / is exact (1/2 prints 1/2, 6/2 prints 3), decimals are exact
 * rationals, sqrt of a number that is no square of a rational is an error. */
#ifndef RUNG_SANDBOX_EVALUATOR_H
#define RUNG_SANDBOX_EVALUATOR_H

#include "rung/base/api.h"
#include "rung/base/buf.h"
#include "rung/base/err.h"

RG_API_BEGIN

/* Why a block stopped: a Python-like exception type and a sentence.  type "" = it did not. */
typedef struct rg_eval_fault {
    char type[32];          /* "SyntaxError", "ZeroDivisionError", "LimitError", ... */
    char message[160];
} rg_eval_fault;

typedef struct rg_eval rg_eval;         /* variables; they live from block to block */

rg_status rg_eval_new(rg_eval **out, rg_err *e);
void      rg_eval_free(rg_eval *v);     /* NULL is fine */

/* Runs the statements in order up to the first fault; what they print goes to out.  `echo`: a
 * last statement that is a bare expression is printed.  `steps` bounds the work (0 = 1e6
 * operations); a number may have 2^17 bits.  RG_ENOMEM is its only failure. */
rg_status rg_eval_run(rg_eval *v, rg_str code, bool echo, size_t steps, rg_buf *out, rg_eval_fault *fault,
                      rg_err *e);

RG_API_END
#endif
