/* verifier.h - models that judge reasoning: one port for every kind.
 *
 * A verifier judges paths: a problem and the steps of a solution so far.  It gives exactly one
 * number a step and says at which token of its own input it was read.  Paths of one session
 * share prefixes: the steps that a path adds to one judged before are all that is computed, plus
 * what the format asks for around them.
 *
 * Kinds (spec of test-time scaling, section 4); kinds.h has them by name:
 *   direct    a chat model answers Yes or No about each step; r = P(Yes)
 *   prm       a scalar reward read at marked tokens: seven public formats, value or label heads
 *   orm       a value head at the last token: one number for a whole answer */
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
    const rg_str *step;         /* n of them, trimmed: how a reader sees them; at least one */
    size_t        n;
    size_t        first;        /* steps first .. n - 1 are to be judged; first < n */
    uint64_t      key;          /* name of this path within the session, so that others can extend it;
                                 * 0 = nothing will, its state need not be kept */
    uint64_t      parent;       /* name of the path judged before that ends with step first - 1; 0 = none:
                                 * then steps 0 .. first - 1 are read, not judged */
    bool          whole;        /* an answer up to its end */
    uint64_t      stream;       /* of whatever the verifier draws */
} rg_path;

enum {                          /* rg_judgement.flags, rg_rationale.flags */
    RG_VF_FORCED = 1,           /* the decision had to be asked for (section 10.4, D) */
    RG_VF_NO_DECISION = 2,      /* none was given: r = 0.5 */
    RG_VF_BUDGET = 4,           /* the rationale was cut at its limit */
    RG_VF_EXEC_ERROR = 8,       /* code failed */
    RG_VF_NO_CODE = 16,         /* code was wanted, and no interpreter is there */
    RG_VF_BOUND = 32,           /* r is a bound: the server told only its likeliest tokens */
    RG_VF_TEXT = 64,            /* r is 0 or 1 from the text: the server tells no log-probabilities */
    RG_VF_SCORE_MISSING = 128   /* the verifier gave fewer scores than steps (rg_mismatch) */
};
/* "forced", "no decision", ... of one flag; NULL for 0. */
const char *rg_verdict_flag_name(unsigned flag);

typedef struct rg_code_run {    /* one block of a rationale's code */
    const char *source, *output;        /* output as the model saw it */
    const char *status;         /* "ok", "error", ...: spec section 15.2.6 */
    double      cpu_s;
} rg_code_run;

typedef struct rg_rationale {   /* one chain's words on one step */
    const char *text;           /* code outputs included */
    double      r;
    int         decision;       /* 1 Yes, 0 No, -1 none */
    size_t      tokens;         /* generated */
    unsigned    flags;
    const rg_code_run *code;
    size_t      n_code;
} rg_rationale;

typedef struct rg_judgement {     /* of one step; what it points to is the session's */
    double      r;              /* on the verifier's scale; NaN: it could not tell */
    size_t      token;          /* where it was read, counted in the verifier's input; SIZE_MAX = nowhere */
    unsigned    flags;
    const rg_rationale *rationale;      /* one a chain; NULL: this kind writes none */
    size_t      n_rationales;
    const char *critique;       /* what is wrong, for a reviser (section 13); NULL = nothing to say */
} rg_judgement;

typedef struct rg_verifier rg_verifier;
typedef struct rg_judging rg_judging;   /* a session: one problem's search, or one solution */

/* The parts of a kind.  A struct that begins with rg_verifier is a verifier, one that begins with
 * rg_judging its session.  Sessions of one verifier run on many threads at once; one session on
 * one at a time. */
struct rg_verifier {
    const char *name;           /* for records; lives as long as the verifier */
    rg_scale    scale;
    bool        whole_only;     /* judges whole answers: one number, the other steps' are NaN */
    /* What decides its verdicts: its models' identities and its settings, for the hash of a config. */
    rg_status (*describe)(rg_verifier *v, rg_buf *b, rg_err *e);
    rg_status (*open)(rg_judging **out, rg_verifier *v, rg_err *e);
    /* out[i] has room for p[i].n - p[i].first verdicts.  All paths in one batch; a path and the
     * one it extends never stand in the same batch.  call->role is RG_VERIFIER. */
    rg_status (*judge)(rg_judging *j, const rg_path *p, size_t n, rg_judgement *const *out,
                       const rg_call *call, rg_err *e);
    void (*forget)(rg_judging *j, uint64_t key);    /* nothing will extend this path; may be NULL */
    void (*close)(rg_judging *j);
    void (*free)(rg_verifier *v);
};

struct rg_judging {
    rg_verifier *v;
};

static inline void rg_verifier_free(rg_verifier *v)     /* NULL is fine */
{
    if (v != NULL)
        v->free(v);
}

/* ---- as a search's scorer ---- */

/* How the search's nodes read as text, by their handles: the steps that a handle adds to its
 * parent's path (views that live as long as the search; one for a step, several for a whole answer,
 * none for the root), and its parent's handle (NULL above the root). */
typedef struct rg_step_reader {
    void *arg;
    rg_status   (*steps)(void *arg, const void *handle, const rg_str **step, size_t *n, rg_err *e);
    const void *(*up)(void *arg, const void *handle);
} rg_step_reader;

/* What scored nodes carry as their note when a step did not pass and the verifier says why. */
typedef struct rg_critique {
    size_t      index;          /* of the step, from 0 */
    rg_str      step;
    const char *text;
} rg_critique;

typedef struct rg_verifying rg_verifying;

/* One search's use of a verifier.  v and problem are borrowed.  Verdicts stay until close. */
rg_status rg_verifying_open(rg_verifying **out, rg_verifier *v, rg_str problem, const rg_step_reader *reader,
                            rg_err *e);
void      rg_verifying_close(rg_verifying *y);                  /* NULL is fine */
rg_scorer rg_verifying_scorer(rg_verifying *y);
/* The verdicts on a handle's own steps; NULL when it was not judged. */
const rg_judgement *rg_verifying_of(const rg_verifying *y, const void *handle, size_t *n);
/* What judging cost so far. */
const rg_ledger  *rg_verifying_cost(const rg_verifying *y);

RG_API_END
#endif
