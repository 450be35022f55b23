/* lm.h - the language-model port: generate and score over a tree of token sequences.
 *
 * One door for a model in this process (rg_lm_open_local, engine.h) and for models elsewhere
 * (remote.h); port.h says what an implementation is made of.
 *
 * A node is a sequence of tokens: its parent's, then its own.  Nodes are made by extending a
 * node with given tokens or by generating; they are reference-counted and immutable once
 * made, so any number of searches may branch from one.  What a node's tokens cost to compute
 * is paid once, when the first call needs it, and kept until the node goes.
 *
 * Calls block and may come from many threads; the scheduler merges everything that waits
 * into one batch per step, and a finished branch's place is taken at once.  A continuation's
 * tokens depend on (model, its node's tokens, sampling, stream) and on nothing else: not on
 * the batch, the threads, or who else is running. */
#ifndef RUNG_LM_LM_H
#define RUNG_LM_LM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rung/base/api.h"
#include "rung/base/call.h"
#include "rung/base/err.h"
#include "rung/bundle/chat.h"
#include "rung/model/state.h"

RG_API_BEGIN

typedef struct rg_lm rg_lm;
typedef struct rg_lm_node rg_lm_node;

typedef struct rg_lm_opt {
    bool   exact;           /* the f32 path */
    size_t slots;           /* branches that run at once; 0 = 64 */
    size_t max_rows;        /* tokens in one step; 0 = 512 */
    size_t kv_bytes;        /* memory for attention state; 0 = half of what is free */
    size_t ctx;             /* longest sequence; 0 = the model's own */
    rg_cache cache;         /* what attention state is kept as */
    bool   lock;            /* keep attention state, and in an engine the weights, from being swapped */
} rg_lm_opt;

/* k, pool and b are borrowed and must outlive it; the pool is used by the scheduler alone. */
rg_status rg_lm_open_local(rg_lm **out, const rg_bundle *b, const rg_kernels *k, rg_pool *pool,
                           const rg_lm_opt *o, rg_err *e);
void      rg_lm_close(rg_lm *lm);               /* all its nodes must be released; NULL is fine */
const rg_bundle *rg_lm_bundle(const rg_lm *lm); /* NULL: a model elsewhere, whose tokens are not known here */
size_t           rg_lm_ctx(const rg_lm *lm);
const char      *rg_lm_name(const rg_lm *lm);   /* for records */
/* What the model is: of a file its SHA-256, of an endpoint a hash of its address and model; 64 hex digits. */
rg_status        rg_lm_identity(char out[65], const rg_lm *lm, rg_err *e);

/* Memory for attention state, when two models share what there is: a new limit, never below what
 * is in use.  Local models only; 0 from the others. */
size_t rg_lm_kv_bytes(const rg_lm *lm);
void   rg_lm_set_kv_bytes(rg_lm *lm, size_t bytes);
/* Bytes of attention state per token; 0 where there is none here. */
size_t rg_lm_token_bytes(const rg_lm *lm);

/* ---- nodes ---- */

rg_lm_node *rg_lm_root(rg_lm *lm);                                      /* empty; NULL = no memory */
rg_status   rg_lm_extend(rg_lm_node **out, rg_lm_node *from, const int32_t *id, size_t n, rg_err *e);
rg_lm_node *rg_lm_retain(rg_lm_node *node);
void        rg_lm_release(rg_lm_node *node);                            /* NULL is fine */
size_t      rg_lm_node_len(const rg_lm_node *node);
/* Hash of all its tokens (or of what is said, where tokens are not known). */
uint64_t    rg_lm_node_hash(const rg_lm_node *node);
/* A node that holds exactly id[0..n): branches off `near` (a conversation so far; NULL = root)
 * at the deepest node that is a prefix, so what was computed there is not computed again. */
rg_status   rg_lm_node_for(rg_lm_node **out, rg_lm *lm, rg_lm_node *near, const int32_t *id, size_t n,
                           rg_err *e);

/* ---- nodes by what they say: the same for models here and elsewhere ---- */

/* A conversation, ready to be gone on with (see rg_chat_opt).  near: as for rg_lm_node_for. */
rg_status rg_lm_chat(rg_lm_node **out, rg_lm *lm, rg_lm_node *near, const json_t *messages,
                     const rg_chat_opt *o, rg_err *e);
/* What n conversations begin with, in tokens, as a node to give to rg_lm_chat as `near`: computed once
 * for all of them.  NULL when they share nothing, or tokens are not known. */
rg_status rg_lm_chat_common(rg_lm_node **out, rg_lm *lm, rg_lm_node *near, const json_t *const *messages,
                            size_t n, const rg_chat_opt *o, rg_err *e);
/* `from` and text behind it, tokenised by itself; control tokens in it are plain text. */
rg_status rg_lm_say(rg_lm_node **out, rg_lm_node *from, rg_str text, rg_err *e);
/* The conversation `after` behind a node that holds the conversation `before` up to the end of its
 * last, open assistant message, as it was generated: the turns that `after` adds are put behind it,
 * so that nothing is tokenised or computed again.  after begins with the messages of before.  Where
 * the template renders the older messages differently now, a node as rg_lm_chat makes it. */
rg_status rg_lm_chat_on(rg_lm_node **out, rg_lm_node *node, const json_t *before, const json_t *after,
                        const rg_chat_opt *o, rg_err *e);

/* ---- words that decide ---- */

/* Yes or No, + or -, A to T: for each word the tokens that spell it, alone or behind a blank, in
 * any of its three common cases (Yes, yes, YES); a word that no token spells whole is stood for by
 * its first token, if no other word begins so (else RG_EARG names both).  What is reported is the
 * logarithm of the tokens' total probability. */
typedef struct rg_words rg_words;
rg_status rg_words_new(rg_words **out, const rg_lm *lm, const char *const *word, size_t n, rg_err *e);
void      rg_words_free(rg_words *w);                                   /* NULL is fine */
size_t    rg_words_n(const rg_words *w);
const char *rg_words_text(const rg_words *w, size_t i);
/* Does this piece of text spell word i, alone or behind blanks? */
bool        rg_words_spells(const rg_words *w, size_t i, rg_str piece);

/* ---- generating ---- */

typedef struct rg_bias {
    int32_t id;
    float   add;            /* to the raw logit */
} rg_bias;

/* Order of work: logit bias, penalties, (temp 0: arg-max, no draw), top-k, top-p, min-p on
 * the untempered distribution, then temperature and one draw: the order of llama.cpp.
 * Log-probabilities reported are those of the raw model, before all of this. */
typedef struct rg_sampling {
    double  temp;               /* 0 (or < 1e-6) = greedy, lowest id on ties */
    int64_t top_k;              /* 0 = off */
    double  top_p;              /* 1 = off */
    double  min_p;              /* 0 = off */
    double  repeat_penalty;     /* 1 = off; Keskar et al. 2019, section 4.1 */
    double  presence_penalty, frequency_penalty;
    int64_t repeat_last_n;      /* window of the three penalties; -1 = all */
    const rg_bias *bias;
    size_t  n_bias;
} rg_sampling;

#define RG_SAMPLING_DEFAULTS { 0.8, 0, 1.0, 0.0, 1.0, 0.0, 0.0, 64, NULL, 0 }

typedef struct rg_gen {         /* one continuation */
    rg_lm_node        *from;    /* borrowed for the call */
    const rg_sampling *sampling;
    uint64_t           stream;  /* draw t = Philox(stream, t, RG_DRAW_TOKEN), t counts own tokens */
    size_t             max_tokens;
    const char *const *stop;    /* stop strings; the token that completes one ends the text */
    size_t             n_stop;
    bool               ignore_end;      /* go on after an end token */
    size_t             n_top;           /* log-probabilities of the k likeliest per token */
    const int32_t     *named;           /* ... and of these ids */
    size_t             n_named;
    const rg_words    *words;           /* ... and of these words */
    bool               uncertainty;     /* how sure it was of each token */
    /* With a window: ends (RG_F_DOUBT) at the first token at which the mean confidence of the last
     * doubt_window own tokens is below doubt_below; needs uncertainty.  Local models only. */
    size_t             doubt_window;
    double             doubt_below;
    bool               stream_text;     /* RG_EV_NODE_TOKEN events; whole characters until the end */
} rg_gen;

typedef struct rg_logprob {
    int32_t id;
    float   logp;               /* nats, raw */
} rg_logprob;

/* How sure a model was of one token; p is its raw distribution over a vocabulary of V. */
typedef struct rg_doubt {
    float entropy;              /* -sum p log p, nats */
    float margin;               /* p of the likeliest - p of the second */
    float certainty;            /* KL(uniform || p) = -log V - mean log p, nats; Kang et al. 2025 */
    float confidence;           /* -mean log p of the RG_DOUBT_TOP likeliest; Fu et al. 2025 (DeepConf) */
} rg_doubt;
enum { RG_DOUBT_TOP = 20 };

typedef struct rg_gen_out {     /* valid until the callback returns; node is yours to release */
    rg_lm_node    *node;        /* from + tokens; NULL when cancelled or failed */
    const int32_t *id;          /* n tokens; an end token is the last of them */
    const float   *logp;        /* n, raw log-probability of each */
    size_t         n;
    double         logp_sum;    /* of all n */
    rg_str         text;        /* bytes of the tokens, end token left out, stop string kept */
    size_t         stop_at;     /* where the stop string begins in text; text.n without one */
    rg_finish      finish;
    const rg_logprob *top;      /* (n, n_top) */
    const float   *named;       /* (n, n_named) */
    const float   *word;        /* (n, rg_words_n): log-probabilities; NaN: the server did not tell */
    bool           word_bound;  /* some of them are bounds: the server told its likeliest tokens only */
    const rg_doubt *doubt;      /* (n); NULL unless asked for and known */
    double         flops;
} rg_gen_out;

/* Called on the caller's thread, in index order, each as soon as it and all before it are
 * done.  RG_ENOUGH cancels the rest, which are still reported (finish CANCELLED). */
typedef rg_go (*rg_on_gen)(void *arg, size_t job, const rg_gen_out *out);

rg_status rg_lm_generate(rg_lm *lm, const rg_gen *jobs, size_t n, rg_on_gen on, void *arg,
                         const rg_call *call, rg_err *e);

/* ---- scoring ---- */

typedef struct rg_score {       /* given tokens after a node: how likely they were, what is read at them */
    rg_lm_node    *from;
    const int32_t *id;          /* n tokens */
    size_t         n;
    size_t         first;       /* scores tokens first..n-1; n: none of them */
    size_t         n_top;
    const int32_t *named;
    size_t         n_named;
    /* Optional: the raw logits that predict token i, i in [first, n); on the scheduler's thread. */
    void         (*on_logits)(void *arg, size_t i, const float *logits, size_t n_vocab);
    void          *arg;
    /* Results, caller's memory; each may be NULL. */
    float         *logp;        /* (n): [first, n) are set; token 0 of an empty node has no
                                 * prediction and gets NaN */
    rg_logprob    *top;         /* (n, n_top) */
    float         *named_logp;  /* (n, n_named) */

    /* Read positions: behind token at[k] (indices into id, rising). */
    const size_t  *at;
    size_t         n_at;
    const rg_words *words;
    float         *at_named;    /* (n_at, n_named): log-probabilities of what would come next */
    float         *at_word;     /* (n_at, rg_words_n) */
    float         *at_value;    /* (n_at, rg_lm_n_values): the value head */

    bool           keep;        /* `node` becomes from + id with its state: yours to release */
    rg_lm_node    *node;        /* out */
    double         flops;       /* out */
} rg_score;

/* Outputs of the model's value or label head; 0 = it has none. */
size_t rg_lm_n_values(const rg_lm *lm);

/* Local models only: RG_EARG from the others. */

rg_status rg_lm_score(rg_lm *lm, rg_score *jobs, size_t n, const rg_call *call, rg_err *e);

/* ---- what the engine did ---- */

typedef struct rg_lm_stats {
    uint64_t steps;             /* forwards */
    uint64_t rows;              /* tokens computed in them */
    uint64_t decode_steps, decode_rows;         /* steps with at least one decoding branch */
    uint64_t prompt_rows;
    uint64_t sampled;
    int64_t  busy_ns;           /* inside forwards, logits and sampling */
    int64_t  prompt_ns, decode_ns;              /* split by rows of a step */
    size_t   pages_used, pages_peak, page_bytes;
    size_t   slots;
    double   occupancy;         /* mean decoding branches per decode step / slots */
} rg_lm_stats;
void rg_lm_get_stats(const rg_lm *lm, rg_lm_stats *out);

/* FLOPs of n tokens behind `past` others, k of them sampled from (see rg_model_flops). */
double rg_lm_flops(const rg_lm *lm, size_t past, size_t n, size_t k);

RG_API_END
#endif
