/* lm_int.h - what the files of the lm room share: nodes, jobs, the scheduler's tables.
 *
 * One lock guards nodes, states, queues and what is filed.  The scheduler's thread holds it while
 * it plans a step and while it files the results, never while the model runs.  A job belongs to
 * the scheduler from the queue until `filed` is set, then to the caller again. */
#ifndef RUNG_LM_INT_H
#define RUNG_LM_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "rung/lm/port.h"

typedef struct local_lm local_lm;
typedef struct local_node local_node;

struct local_node {
    rg_lm_node  port;
    local_lm   *lm;
    local_node *parent;     /* retained; NULL at a root */
    size_t      refs;
    int32_t    *id;         /* n own tokens */
    size_t      n, len;     /* len counts the ancestors' too */
    rg_state   *state;      /* holds the first `computed` positions; NULL until needed */
    size_t      computed;
    float      *hidden;     /* (n_embd) behind the last token, once computed == len > 0 */
    bool        in_step;    /* part of the step being planned */
    size_t      reserved;   /* pages promised for what is left to compute */
};

typedef enum phase {
    PH_QUEUED,              /* not admitted yet                                        */
    PH_WAIT,                /* `from` is not computed to its end                       */
    PH_SAMPLE,              /* hidden is there: a token can be drawn                   */
    PH_STEP,                /* the last drawn token must go through the model          */
    PH_SCORE,               /* a scoring job with tokens left                          */
    PH_DONE
} phase;

typedef struct group group;

typedef struct job {
    struct job   *next;             /* queue or active list */
    group        *group;
    size_t        index;
    phase         phase;            /* the scheduler's own while the job is active */
    bool          filed;            /* PH_DONE and off the active list: the caller's again */
    const rg_gen *gen;              /* one of the two */
    rg_score     *score;
    local_node   *from;             /* retained */
    rg_state     *state;            /* own, forked from `from` when it starts */
    size_t        reserved;         /* pages it may still take */
    float        *hidden;           /* (n_embd) behind the last own token; before the first one
                                     * from->hidden is meant */
    int32_t      *id;               /* own tokens */
    float        *logp;
    rg_logprob   *top;
    float        *named, *word;
    rg_doubt     *doubt;
    double        surety;           /* sum of the confidences in the window (gen->doubt_window) */
    size_t        n, cap;
    rg_buf        text;
    size_t        sent;             /* bytes of text already streamed */
    size_t        stop_at;
    bool          stopped;
    size_t        done, n_logits;   /* scoring: tokens through the model, rows of logits */
    int32_t      *history;          /* penalties' window (repeat_last_n or ctx), NULL = none */
    rg_finish     finish;
    rg_status     status;
    rg_err        err;
    double        flops;
} job;

struct group {                      /* one call */
    local_lm          *lm;
    const rg_call  *call;
    job            *jobs;
    size_t          n;
    bool            enough;         /* cancel what is left */
    size_t          prefilled;      /* prompt tokens computed on this call's account */
    double          prefill_flops;
    pthread_cond_t  cond;           /* something finished */
};

typedef struct target {             /* where a span came from */
    job        *job;                /* PH_STEP or PH_SCORE, or */
    local_node *node;               /* a prefill */
    size_t      n;
} target;

typedef struct sampler_scratch sampler_scratch;

enum { LOGIT_ROWS = 64 };

struct local_lm {
    rg_lm               port;
    const rg_bundle    *b;
    const rg_model     *m;
    const rg_tokenizer *tok;
    const rg_kernels   *k;
    rg_pool            *pool;
    rg_lm_opt           opt;
    size_t              n_embd, n_vocab, ld;    /* ld: n_vocab rounded up to 16 */

    rg_runner *runner;
    rg_store  *store;

    pthread_t       thread;
    bool            started;
    pthread_mutex_t lock;
    pthread_cond_t  work;
    bool            quit;

    job   *queue_head, *queue_tail;
    job   *active;                  /* in order of admission */
    size_t n_active, reserved;      /* pages promised to active jobs and to prompt nodes */
    int64_t swept_ns;               /* when the queue was last searched for cancelled jobs */
    int64_t blocked_since;          /* when the head of the queue began to wait with nothing running */

    /* the step being run: planned under the lock, used by the scheduler's thread alone */
    rg_span_in  *span;              /* max_rows + slots */
    target      *target;            /* what each span's hidden row is for */
    size_t       n_span;
    job        **ready;             /* slots */
    size_t       n_ready;
    const float **row;              /* LOGIT_ROWS: distinct hidden rows */
    size_t      *row_of;            /* slots: ready job -> row */
    float       *logits;            /* (LOGIT_ROWS, ld) */
    bool         bad[LOGIT_ROWS];   /* rows of it that are not finite */
    sampler_scratch *scratch;       /* one per thread */

    rg_lm_stats stats;
};

static inline local_lm *local_of(rg_lm *lm)
{
    return (local_lm *)lm;
}

static inline const local_lm *local_of_const(const rg_lm *lm)
{
    return (const local_lm *)lm;
}

static inline local_node *own_node(rg_lm_node *node)
{
    return (local_node *)node;
}

/* ---- node.c: nodes of the port ---- */
rg_lm_node *rg__local_root(rg_lm *lm);
rg_status   rg__local_extend(rg_lm_node **out, rg_lm_node *from, const int32_t *id, size_t n, rg_err *e);
rg_status   rg__local_node_for(rg_lm_node **out, rg_lm *lm, rg_lm_node *near, const int32_t *id, size_t n, rg_err *e);
rg_lm_node *rg__local_retain(rg_lm_node *node);
void        rg__local_release(rg_lm_node *node);
size_t      rg__local_node_len(const rg_lm_node *node);
uint64_t    rg__local_node_hash(const rg_lm_node *node);

/* ---- calls.c ---- */
rg_status rg__local_generate(rg_lm *lm, const rg_gen *jobs, size_t n, rg_on_gen on, void *arg, const rg_call *call,
                             rg_err *e);
rg_status rg__local_score(rg_lm *lm, rg_score *jobs, size_t n, const rg_call *call, rg_err *e);

/* ---- node.c (lock held) ---- */
local_node *rg__node_new(local_lm *lm, local_node *parent, const int32_t *id, size_t n);
void        rg__node_release(local_node *node);
/* The last n tokens of the whole sequence, in order. */
void        rg__node_tail(const local_node *node, int32_t *out, size_t n);
/* The ancestor (or self) nearest the root that still has tokens to compute; NULL = all done. */
local_node *rg__node_pending(local_node *node);

/* ---- sampler.c ---- */
struct sampler_scratch {
    float   *work;          /* n_vocab */
    float   *sums;          /* 3 ceil(n_vocab / 1024) */
    float   *peaks;         /* ceil(n_vocab / 1024) */
    int32_t *idx;           /* n_vocab */
    float   *weight;        /* n_vocab: logits, then exps, of sorted candidates */
    struct by_logit *sorted;    /* n_vocab */
    int32_t *history;       /* ctx: penalties' window, sorted */
};
rg_status rg__scratch_init(sampler_scratch *s, size_t n_vocab, size_t ctx, rg_err *e);
void      rg__scratch_free(sampler_scratch *s);

/* log sum exp of the raw logits. */
double  rg__log_z(const rg_kernels *k, sampler_scratch *s, const float *logits, size_t n_vocab);
/* The same number, bit for bit, and how sure the model was; finite logits, n_vocab >= 1. */
double  rg__doubt(rg_doubt *out, const rg_kernels *k, sampler_scratch *s, const float *logits, size_t n_vocab);
/* Draws one id; u in [0, 1) is used unless temp is 0.  history: the penalties' window, at most
 * ctx tokens. */
int32_t rg__sample(const rg_kernels *k, sampler_scratch *s, const float *logits, size_t n_vocab,
                   const rg_sampling *o, const int32_t *history, size_t n_history, double u);
/* The k likeliest, best first, ties by lower id. */
void    rg__top(const rg_kernels *k, sampler_scratch *s, const float *logits, size_t n_vocab, double log_z,
                size_t n, rg_logprob *out);

/* ---- sched.c ---- */
void *rg__sched_main(void *lm);

/* ---- admit.c (lock held) ---- */
void rg__admit(local_lm *lm);
void rg__reap(local_lm *lm);           /* files what is done, failed or cancelled */
void rg__await_work(local_lm *lm);     /* nothing is active */
void rg__memory_freed(local_lm *lm);   /* a job or node gave pages back: somebody may go on */
void rg__node_unreserve(local_node *node);

/* ---- job.c: what a job does with its results (scheduler's thread) ---- */
rg_status rg__job_start(job *j, rg_err *e);                 /* lock held: its memory, first phase */
size_t    rg__job_tokens(const job *j);                     /* own tokens at most */
void      rg__job_sample(job *j, const float *logits, sampler_scratch *s);      /* no lock */
/* What the row behind token i - 1 is good for: logits that predict token i, or that are read there. */
bool      rg__score_wants_logits(const rg_score *sc, size_t i);
bool      rg__score_wants_value(const rg_score *sc, size_t i, size_t *k);   /* ... as position at[*k] */
size_t    rg__score_feed(const rg_score *sc);               /* tokens that must go through the model */
void      rg__job_score(job *j, size_t i, const float *logits, sampler_scratch *s);
void      rg__job_flush(job *j);                            /* streams text that was held back */
void      rg__job_fail(job *j, rg_status s, const rg_err *e);
void      rg__job_finish(job *j);                           /* lock held: PH_DONE, wakes the caller */
void      rg__job_free(job *j);                             /* lock held */

#endif
