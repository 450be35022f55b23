/* search.h - strategies over two ports.  Search knows nodes and scores, nothing else: text,
 * video frames and toy digits enter by the same two doors.
 *
 * A strategy is a plain function on its caller's thread; port calls block.  Stop rules see
 * candidates in index order only: a decision at candidate k uses 1..k, so the result does not
 * depend on which branch happened to finish first. */
#ifndef RUNG_SEARCH_SEARCH_H
#define RUNG_SEARCH_SEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rung/base/call.h"
#include "rung/base/err.h"

#define RG_NO_NODE SIZE_MAX
#define RG_NO_CLASS (-1)

/* ---- nodes ---- */

typedef struct rg_node {
    size_t     id;              /* order of creation, the root is 0 */
    size_t     parent;          /* RG_NO_NODE at the root */
    size_t     depth, index;    /* index among its siblings */
    uint64_t   stream;          /* its own random stream: hash of the path from the root */
    size_t     tokens;          /* own */
    double     logp;            /* sum of their log-probabilities, nats */
    double     flops;
    rg_finish  finish;
    bool       terminal;
    int64_t    answer_class;    /* terminal nodes that answer: equal answers, equal class */
    double     score;           /* the scorer's, NaN before */
    bool       kept;
    const char *reason;         /* why kept, pruned or stopped at, in words; static */
    void      *handle;          /* the proposer's */
    void      *note;            /* scorer -> proposer, for critique */
} rg_node;

/* ---- ports ---- */

typedef struct rg_job {
    rg_node *at;
    size_t   first, n;          /* children first .. first + n - 1 are wanted */
    bool     greedy;            /* the likeliest, not a sample */
} rg_job;

/* A child as the proposer hands it over; the search makes the node. */
typedef struct rg_child {
    size_t    index;
    uint64_t  stream;
    size_t    tokens;
    double    logp, flops;
    rg_finish finish;           /* CANCELLED: not a candidate, only its cost counts */
    bool      terminal;
    int64_t   answer_class;
    void     *handle;
} rg_child;

typedef rg_go (*rg_on_child)(void *arg, size_t job, const rg_child *child);

typedef struct rg_proposer {
    void *self;
    /* Extends jobs[0..n) together, in one batch; each child is handed over as soon as it and
     * all before it are finished, in index order per job.  RG_ENOUGH cancels the rest. */
    rg_status (*expand)(void *self, const rg_job *jobs, size_t n, rg_on_child on, void *arg,
                        const rg_call *call, rg_err *e);
    void      (*release)(void *self, rg_node *at);      /* nobody will extend it again; may be NULL */
} rg_proposer;

typedef enum rg_scale { RG_PROBABILITY, RG_LOGIT, RG_RAW } rg_scale;

typedef struct rg_scorer {
    void       *self;
    const char *name;
    rg_scale    scale;
    rg_status (*score)(void *self, rg_node **v, size_t n, const rg_call *call, rg_err *e);  /* sets v[i]->score */
    void      (*release)(void *self, rg_node *at);      /* may be NULL */
} rg_scorer;

/* ---- results ---- */

typedef struct rg_vote {
    int64_t answer_class;
    size_t  count;
    double  weight;             /* what decided: count, or a sum or maximum of scores */
    size_t  first;              /* node of its first appearance */
} rg_vote;

typedef struct rg_tree {
    rg_node *node;              /* node[0] is the root */
    size_t   n, cap;
    rg_vote *vote;              /* best first; ties in order of first appearance */
    size_t   n_votes;
    int64_t  answer_class;      /* RG_NO_CLASS: nobody answered */
    size_t   chosen;            /* a node that gave it: the best scored, else the first */
    size_t   used;              /* candidates 1..k that decided */
    const char *stop;           /* why it stopped there, in words; static */
    size_t   overshoot_tokens;  /* of branches that were cancelled */
    double   overshoot_flops;
} rg_tree;
void rg_tree_free(rg_tree *t);

/* ---- strategies ---- */

typedef struct rg_search_opt {
    size_t N;                   /* whole answers at most */
} rg_search_opt;

typedef struct rg_search rg_search;

typedef struct rg_strategy {
    const char *name;
    const char *summary;        /* one line */
    const char *budget;         /* how N and tokens relate, one line */
    bool        needs_scorer;
    bool        only_one;       /* N is 1 whatever is asked */
    rg_status (*run)(rg_search *s, rg_err *e);
} rg_strategy;

/* NULL-terminated, in order of the help. */
const rg_strategy *const *rg_strategies(void);
const rg_strategy        *rg_strategy_find(const char *name);   /* NULL = unknown */

/* Runs one search from a root whose handle and stream are given.  t is filled even when the
 * call was cancelled half way (then with what was there). */
rg_status rg_search_run(rg_tree *t, const rg_strategy *strategy, const rg_search_opt *o,
                        const rg_proposer *p, const rg_scorer *sc, void *root_handle, uint64_t root_stream,
                        const rg_call *call, rg_err *e);

#endif
