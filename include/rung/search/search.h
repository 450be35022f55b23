/* search.h - strategies over two ports.  Search knows nodes and scores, nothing else: text,
 * video frames and toy digits enter by the same two doors.
 *
 * A node is one step, or a whole answer where a strategy asks for whole ones.  The proposer
 * extends nodes, the scorer judges them; a strategy decides which are kept.  A frontier is
 * expanded and scored in one call each, so that both ports can work on it as one batch.
 *
 * A strategy is a plain function on its caller's thread; port calls block.  Stop rules see
 * candidates in index order only: a decision at candidate k uses 1..k, so the result does not
 * depend on which branch happened to finish first.
 *
 * Sources: Snell et al. 2024 (arXiv 2408.03314) and Liu et al. 2025 (arXiv 2502.06703) for the
 * strategies, Puri et al. 2025 (arXiv 2502.01618) for particles; docs/papers/. */
#ifndef RUNG_SEARCH_SEARCH_H
#define RUNG_SEARCH_SEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rung/base/api.h"
#include "rung/base/call.h"
#include "rung/base/err.h"
#include "rung/base/opt.h"

RG_API_BEGIN

#define RG_NO_NODE SIZE_MAX
#define RG_NO_CLASS (-1)

/* ---- nodes ---- */

typedef struct rg_node {
    size_t     id;              /* order of creation, the root is 0 */
    size_t     parent;          /* RG_NO_NODE at the root */
    size_t     depth, index;    /* index among its siblings */
    uint64_t   stream;          /* its own random stream: hash of the path from the root */
    uint64_t   content;         /* hash of what it says: equal siblings are duplicates; 0 = unknown */
    size_t     tokens;          /* own */
    double     logp;            /* sum of their log-probabilities, nats */
    double     flops;
    rg_finish  finish;
    bool       terminal;
    int64_t    answer_class;    /* terminal nodes that answer: equal answers, equal class */
    double     score;           /* the scorer's for its (last) step; NaN before */
    double    *step;            /* a whole answer judged step by step: n_steps scores; else NULL */
    size_t     n_steps;
    double     value;           /* scores of the path, aggregated; NaN before */
    bool       kept;
    const char *reason;         /* why kept, pruned or stopped at, in words; static */
    uint32_t   sampled, unique, cut;    /* children asked of it; of those different; cut short */
    void      *handle;          /* the proposer's */
    void      *note;            /* scorer -> proposer, for critique */
} rg_node;

/* For scorers: the scores of a whole answer's steps (copied); sets score to the last one. */
rg_status rg_node_set_steps(rg_node *v, const double *r, size_t n, rg_err *e);

/* ---- ports ---- */

typedef enum rg_want {
    RG_WANT_STEP,               /* one more step */
    RG_WANT_WHOLE,              /* everything up to the end */
    RG_WANT_REVISION            /* a new whole answer that takes `at` and its note into account */
} rg_want;

typedef struct rg_job {
    rg_node *at;
    size_t   first, n;          /* children first .. first + n - 1 are wanted */
    rg_want  want;
    bool     greedy;            /* the likeliest, not a sample */
} rg_job;

/* A child as the proposer hands it over; the search makes the node. */
typedef struct rg_child {
    size_t    index;
    uint64_t  stream, content;
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

/* probability: in [0, 1]; logit: its log odds; raw: only an order. */
typedef enum rg_scale { RG_PROBABILITY, RG_LOGIT, RG_RAW } rg_scale;

typedef struct rg_scorer {
    void       *self;
    const char *name;
    rg_scale    scale;
    /* Sets v[i]->score, or all its steps' (rg_node_set_steps).  NaN: it could not tell. */
    rg_status (*score)(void *self, rg_node **v, size_t n, const rg_call *call, rg_err *e);
    void      (*release)(void *self, rg_node *at);      /* may be NULL */
} rg_scorer;

/* ---- scores of a path, and votes (spec of test-time scaling, section 5) ---- */

typedef enum rg_agg {           /* r_1..r_T to one number */
    RG_AGG_LAST, RG_AGG_MIN, RG_AGG_MEAN, RG_AGG_PROD, RG_AGG_MAX, RG_AGG_SUM,
    RG_AGG_LOGIT_MEAN, RG_N_AGGS
} rg_agg;
#define RG_AGG_NAMES "last,min,mean,prod,max,sum,logit-mean"

typedef enum rg_vote_rule {
    RG_VOTE_AUTO,               /* the strategy's own */
    RG_VOTE_MAJORITY,           /* each candidate counts 1 */
    RG_VOTE_MAX,                /* the best candidate's answer */
    RG_VOTE_SUM,                /* each counts its value */
    RG_VOTE_LOGIT,              /* each counts the logit of its value */
    RG_VOTE_SOFTMAX             /* each counts exp(value / tau), normalised */
} rg_vote_rule;
#define RG_VOTE_NAMES "auto,majority,max,vote,logit-vote,softmax-vote"

/* NaN scores are left out; of none at all NaN, which loses every comparison and takes no part in
 * a vote: a lost score is never a zero.
 * prod, logit-mean: on probabilities (clipped to [1e-7, 1 - 1e-7] before a logit). */
double rg_aggregate(rg_agg agg, const double *r, size_t n);

/* ---- results ---- */

typedef struct rg_vote {
    int64_t answer_class;
    size_t  count;
    double  weight;             /* what decided: count, or a sum or maximum of values */
    size_t  first;              /* node of its first appearance */
} rg_vote;

typedef struct rg_tree {
    rg_node *node;              /* node[0] is the root */
    size_t   n, cap;
    size_t  *final;             /* the nodes that vote, in order */
    size_t   n_final, final_cap;
    rg_vote *vote;              /* best first; ties in order of first appearance */
    size_t   n_votes;
    int64_t  answer_class;      /* RG_NO_CLASS: nobody answered */
    size_t   chosen;            /* a node that gave it: the best valued, else the first */
    size_t   used;              /* candidates 1..k that decided */
    const char *stop;           /* why it stopped there, in words; static */
    size_t   n_nan;             /* scores that were not a number */
    size_t   scored;            /* nodes that were scored */
    size_t   overshoot_tokens;  /* of branches that were cancelled */
    double   overshoot_flops;
} rg_tree;
void rg_tree_free(rg_tree *t);

/* Scores of all steps from the root to node v: up to cap of them into r; how many there are. */
size_t rg_tree_path_scores(const rg_tree *t, size_t v, double *r, size_t cap);

/* Another choice among the same finalists, without any port: value by agg, then the vote.  tau:
 * of softmax-vote.  Needs scores on a scale the rule can use (RG_EARG names both otherwise). */
rg_status rg_tree_choose(rg_tree *t, rg_agg agg, rg_vote_rule vote, double tau, rg_scale scale, rg_err *e);

/* ---- strategies ---- */

typedef enum rg_beam_finish {   /* what a finished beam does */
    RG_FINISH_RETIRE,           /* leaves with its slot: fewer beams go on */
    RG_FINISH_REFILL,           /* leaves, the frontier is filled up to N / M again */
    RG_FINISH_COMPETE           /* stays and competes with open ones for its slot */
} rg_beam_finish;
#define RG_BEAM_FINISH_NAMES "retire,refill,compete"

/* Every budget is a maximum: stop rules end a search before it. */
typedef struct rg_search_opt {
    int64_t N;                  /* answers at most (MCTS: paths; particles: particles) */
    int64_t M;                  /* children of a kept node */
    int64_t depth;              /* steps of one answer at most */
    int     agg;                /* rg_agg, of partial and whole paths */
    int     vote;               /* rg_vote_rule */
    double  tau;                /* of softmax-vote and of resampling */
    int64_t lookahead;          /* greedy steps that are scored but not kept */
    int     beam_finish;        /* rg_beam_finish */
    bool    dvts_all;           /* all candidates of a tree's last step vote, not the best alone */
    double  c_base, c_init;     /* PUCT */
    bool    rollout;            /* MCTS: value of a leaf from a greedy whole answer, not from its step */
    int64_t rounds, references; /* particle Gibbs: rounds in all; particles that survive between them */
    double  reject_below;       /* early rejection: bound on the running minimum */
    int64_t turns;              /* refinement: revisions of each chain at most */
    bool    select;             /* refinement: the best turn of a chain votes, not the last */
    double  good_enough;        /* refinement: a chain valued so is kept as it is */
    double  stop_lead;          /* stop when P(leader is the most likely answer) reaches it; 0 = off */
    double  stop_score;         /* stop at the first answer valued so; 0 = off */
} rg_search_opt;

/* The settings' table (names, defaults, ranges, help); a strategy names those it reads. */
extern const rg_opt rg_search_table[];

typedef struct rg_search rg_search;

typedef struct rg_strategy {
    const char *name;
    const char *summary;        /* one line */
    const char *budget;         /* how N, M, depth and tokens relate, one line */
    const char *uses;           /* names of rg_search_table it reads: "budget,width,depth" */
    bool        needs_scorer;
    bool        by_steps;       /* asks for steps (RG_WANT_STEP) */
    bool        only_one;       /* N is 1 whatever is asked */
    rg_vote_rule vote;          /* its own rule */
    rg_status (*run)(rg_search *s, rg_err *e);
} rg_strategy;

/* NULL-terminated, in order of the help. */
const rg_strategy *const *rg_strategies(void);
const rg_strategy        *rg_strategy_find(const char *name);   /* NULL = unknown */
bool                      rg_strategy_uses(const rg_strategy *s, const char *option);
void                      rg_search_defaults(rg_search_opt *o); /* the table's */

/* Runs one search from a root whose handle and stream are given.  t is filled even when the
 * call was cancelled half way (then with what was there).  Settings that do not fit together
 * (N not a multiple of M) are RG_EARG. */
rg_status rg_search_run(rg_tree *t, const rg_strategy *strategy, const rg_search_opt *o,
                        const rg_proposer *p, const rg_scorer *sc, void *root_handle, uint64_t root_stream,
                        const rg_call *call, rg_err *e);

RG_API_END
#endif
