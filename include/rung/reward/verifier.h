/* verifier.h - models that judge reasoning: one port for every kind.
 *
 * A verifier judges paths: a problem and the steps of a solution so far.  It gives exactly one
 * number a step and says at which token of its own input it was read.  Paths of one session
 * share prefixes: the steps that a path adds to one judged before are all that is computed, plus
 * what the format asks for around them.
 *
 * Kinds (spec of test-time scaling, sections 4 and 10; of implicit rewards, 2.5):
 *   prm       a scalar reward read at marked tokens: seven public formats, value or label heads
 *   direct    a chat model answers Yes or No about each step; r = P(Yes)
 *   genprm    a chat model reasons, runs code in the sandbox, then answers; r = P(Yes)
 *   implicit  log-likelihood ratio of two models (or of one) over each step
 *   orm       one number for the whole answer
 *   judge     a chat model grades on a scale, by criteria, or in pairs: training-free
 *   ensemble  mean, minimum or vote of others */
#ifndef RUNG_REWARD_VERIFIER_H
#define RUNG_REWARD_VERIFIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rung/base/api.h"
#include "rung/base/buf.h"
#include "rung/base/call.h"
#include "rung/base/err.h"
#include "rung/search/search.h"

RG_API_BEGIN

typedef struct rg_path {
    rg_str        problem;
    const rg_str *step;         /* n of them, trimmed: how a reader sees them */
    size_t        n;
    size_t        first;        /* steps first .. n - 1 are to be judged */
    uint64_t      key, parent;  /* names, within the session, of this path and of the one that ends
                                 * with step first - 1; 0 = there is none */
    uint64_t      stream;       /* of whatever the verifier draws */
} rg_path;

enum {                          /* rg_verdict.flags */
    RG_VF_FORCED = 1,           /* the decision had to be asked for (section 10.4, D) */
    RG_VF_NO_DECISION = 2,      /* none was given: r = 0.5 */
    RG_VF_BUDGET = 4,           /* the rationale was cut at its limit */
    RG_VF_EXEC_ERROR = 8,       /* code failed */
    RG_VF_NO_CODE = 16,         /* code was wanted, and no interpreter is there */
    RG_VF_BOUND = 32            /* r is a bound: the server told only its likeliest tokens */
};

typedef struct rg_verdict {     /* of one step */
    double      r;              /* on the verifier's scale; NaN: it could not tell */
    size_t      token;          /* where it was read, in the verifier's input; SIZE_MAX = nowhere */
    unsigned    flags;
    const char *rationale;      /* with code and its output; NULL: this kind writes none.  The session's */
    const char *critique;       /* what is wrong, for a reviser; NULL = nothing to say.  The session's */
} rg_verdict;

typedef struct rg_verifier rg_verifier;
typedef struct rg_judging rg_judging;   /* a session: one problem's search, or one solution */

/* The parts of a kind.  A struct that begins with one of these is a verifier. */
struct rg_verifier {
    const char *name;           /* for records */
    rg_scale    scale;
    rg_status (*open)(rg_verifier *v, rg_judging **out, rg_err *e);
    /* out[i] has room for p[i].n - p[i].first verdicts.  All paths in one batch; a path and the
     * one it extends never stand in the same batch. */
    rg_status (*judge)(rg_judging *j, const rg_path *p, size_t n, rg_verdict *const *out,
                       const rg_call *call, rg_err *e);
    void (*forget)(rg_judging *j, uint64_t key);    /* nothing will extend this path; may be NULL */
    void (*close)(rg_judging *j);
    void (*free)(rg_verifier *v);
};

static inline void rg_verifier_free(rg_verifier *v)
{
    if (v != NULL)
        v->free(v);
}

/* ---- as a search's scorer ---- */

/* How the search's nodes read as text: the steps that node v adds to its parent's path (views
 * that live as long as the search; one for a step, several for a whole answer). */
typedef struct rg_step_reader {
    void *arg;
    rg_status (*steps)(void *arg, const rg_node *v, const rg_str **step, size_t *n, rg_err *e);
} rg_step_reader;

typedef struct rg_verifying rg_verifying;

/* One search's use of a verifier.  v and reader are borrowed.  Verdicts stay until close. */
rg_status rg_verifying_open(rg_verifying **out, rg_verifier *v, rg_str problem, const rg_step_reader *reader,
                            rg_err *e);
void      rg_verifying_close(rg_verifying *y);                  /* NULL is fine */
rg_scorer rg_verifying_scorer(rg_verifying *y);
/* The verdicts on the steps of node v; NULL when it was not judged. */
const rg_verdict *rg_verifying_of(const rg_verifying *y, size_t node, size_t *n);

RG_API_END
#endif
