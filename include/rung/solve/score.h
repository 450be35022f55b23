/* score.h - given solutions, judged step by step. */
#ifndef RUNG_SOLVE_SCORE_H
#define RUNG_SOLVE_SCORE_H

#include "rung/format/solutions.h"
#include "rung/reward/verifier.h"
#include "rung/solve/solve.h"

RG_API_BEGIN

typedef struct rg_scored {
    const rg_solution *solution;        /* borrowed */
    const rg_str      *step;            /* n, as the verifier saw them */
    size_t             n;
    const rg_judgement *verdict;        /* n */
    int64_t            first_error;     /* first step below the threshold, from 0; -1 = none */
    size_t             n_nan;           /* steps that should have a number and have none */
} rg_scored;

typedef struct rg_score_opt {
    rg_step_kind step;          /* how a solution given as text is cut: blank or header */
    double       threshold;     /* a step is right from it on */
    uint64_t     seed;
    size_t       together;      /* solutions in one batch; 0 = 16 */
} rg_score_opt;

/* In order of the file, a batch at a time.  What `s` points to lives until the callback returns. */
typedef rg_status (*rg_on_scored)(void *arg, const rg_scored *s, rg_err *e);

/* Judges v's verdicts on all n solutions.  A solution without any step is RG_EFORMAT by its id. */
rg_status rg_score_all(rg_verifier *v, const rg_solution *const *solution, size_t n, const rg_score_opt *o,
                       rg_on_scored on, void *arg, const rg_call *call, rg_err *e);

/* {"id","step_scores":[...],"steps":[{"r","token",...}],"first_error","label","match"}: the record
 * of a verification (spec of test-time scaling, section 18.3), without a newline. */
void rg_scored_json(rg_buf *b, const rg_scored *s, const char *verifier);
/* One line a step; explain adds what the verifier wrote, its code and the code's output. */
void rg_scored_text(rg_buf *b, const rg_scored *s, size_t width, bool explain, bool color);

RG_API_END
#endif
