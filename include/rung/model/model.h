/* model.h - a transformer as blocks over tensors: configuration, weights by name, one forward.
 *
 * The block is written once: x + mixer(norm(x)), then x + mlp(norm(x)).  The mixer here is
 * grouped-query attention with rotary positions; its state lives in pages (state.h).  Names of
 * tensors are GGUF's (token_embd.weight, blk.N.attn_q.weight, ...), the project's canonical
 * ones; docs/formats/gguf.md lists them. */
#ifndef RUNG_MODEL_MODEL_H
#define RUNG_MODEL_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rung/base/api.h"
#include "rung/base/err.h"
#include "rung/model/state.h"
#include "rung/tensor/ops.h"
#include "rung/tensor/weights.h"

RG_API_BEGIN

typedef enum rg_mlp_act { RG_MLP_SILU, RG_MLP_GELU_TANH } rg_mlp_act;

typedef struct rg_model_config {
    char   arch[32];            /* "llama", "qwen2", ...: docs/models.md lists them */
    size_t n_layer, n_embd, n_head, n_head_kv, head_dim, n_ff, n_vocab, n_ctx;
    float  norm_eps;
    size_t rope_dim;            /* dimensions of a head that turn */
    bool   rope_neox;           /* pairs (i, i + rope_dim/2), else (2i, 2i + 1) */
    double rope_base;
    double rope_factor;         /* positions are divided by it; 1 = none ("linear" scaling, YaRN) */
    double rope_base_local;     /* of layers with a window; 0 = rope_base; not scaled when given */
    double rope_attn_factor;    /* cos and sin are multiplied by it (LongRoPE, YaRN); 0 = 1 */
    size_t rope_ctx_orig;       /* the context of LongRoPE's short factors, or YaRN's first one; 0 = none */
    double rope_beta_fast;      /* YaRN: pairs that turn more often in rope_ctx_orig stay as they are, */
    double rope_beta_slow;      /* pairs that turn less often are divided by rope_factor; 0 = no YaRN */
    size_t window;              /* a layer with a window sees this many positions, itself included; 0 = none */
    size_t window_every;        /* layer i sees all when (i + 1) % window_every == 0; 0 = all have the window */
    bool   qk_norm;             /* RMS norm over each head of q and k before they turn (Qwen3, Gemma 3) */
    bool   post_norms;          /* the mixer's and the MLP's results are normed before they are added (Gemma) */
    bool   fused;               /* attn_qkv holds q, k, v, and ffn_up holds gate, up (Phi-3) */
    rg_mlp_act mlp_act;
    float  embd_scale;          /* the embedding is multiplied by it; 0 = 1 */
    float  attn_scale;          /* of q; 0 = 1 / sqrt(head_dim) */
} rg_model_config;

/* Divisors of the frequencies come as tensors, whatever the form of the files: rope_freqs.weight
 * (Llama 3), or rope_factors_short.weight and rope_factors_long.weight (LongRoPE); rope_dim/2
 * floats each. */

/* Sets the architecture's fixed choices (rope_neox, fused, ...); RG_EFORMAT names one that is not known. */
rg_status rg_model_config_arch(rg_model_config *c, const char *arch, rg_err *e);
/* Ranges and divisibility, each with its own sentence. */
rg_status rg_model_config_check(const rg_model_config *c, rg_err *e);

typedef struct rg_model rg_model;

/* Finds and checks every tensor, packs the matrices (see rg_weights_pack).  ws is borrowed and
 * must outlive the model. */
rg_status rg_model_new(rg_model **out, const rg_model_config *c, rg_weights *ws, rg_pool *pool,
                       void (*packed)(void *arg, const rg_weight *w), void *arg, rg_err *e);
void      rg_model_free(rg_model *m);
const rg_model_config *rg_model_get_config(const rg_model *m);
rg_page_shape          rg_model_page_shape(const rg_model *m, uint32_t kv_type);

/* Weights that take part in matrix products: per token through the blocks, and per logits row. */
uint64_t rg_model_body_weights(const rg_model *m);
uint64_t rg_model_head_weights(const rg_model *m);
/* Bytes of all packed matrices, and of the head's alone. */
size_t   rg_model_packed_bytes(const rg_model *m);
size_t   rg_model_head_bytes(const rg_model *m);
/* FLOPs of n tokens that follow `past` others, k of which get logits:
 * 2 x weights + 4 x heads x head size x positions seen, summed over layers and tokens. */
double   rg_model_flops(const rg_model *m, size_t past, size_t n, size_t k);

/* ---- running ---- */

typedef struct rg_runner rg_runner;     /* one model, one step arena: one thread at a time */

/* max_rows bounds the tokens of one forward.  exact: the f32 path.  ctx: no sequence will be longer;
 * beyond rope_ctx_orig it chooses LongRoPE's long factors, for all positions of all sequences. */
rg_status rg_runner_new(rg_runner **out, const rg_model *m, const rg_kernels *k, rg_pool *pool,
                        bool exact, size_t ctx, size_t max_rows, rg_err *e);
void      rg_runner_free(rg_runner *r);

typedef struct rg_span_in {     /* tokens that go to the end of one state */
    rg_state      *state;       /* already extended by n */
    const int32_t *id;          /* n ids */
    size_t         n;
    size_t         want;        /* hidden rows wanted: of the last `want` tokens */
} rg_span_in;

/* Runs all spans together; two spans never share a state.  *hidden: (sum of want, n_embd),
 * after the final norm, rows in order of spans; valid until the next forward.  The result of a
 * token depends on its own sequence only: bits are the same for any company, chunking and
 * number of threads.  Ids must be < n_vocab (checked by the caller). */
rg_status rg_runner_forward(rg_runner *r, const rg_span_in *spans, size_t n, rg_tensor *hidden, rg_err *e);

/* logits[i] (n_vocab floats, ld apart, ld >= n_vocab rounded up to 16) of hidden rows.  rows[i]
 * points to n_embd floats.  bad[i] says that row i holds a logit that is not finite.  RG_EARG when
 * the model has values only: a value head and no output matrix. */
rg_status rg_runner_logits(rg_runner *r, const float *const *rows, size_t n, float *logits, size_t ld,
                           bool *bad, rg_err *e);
size_t    rg_runner_peak(const rg_runner *r);

/* ---- value and label heads ---- */

/* Outputs of the head (a reward, two classes); 0 = the model has none.  Tensors: cls.output.weight
 * (n, n_embd) and bias, in front of it optionally cls.weight (n_embd, n_embd) and bias with a ReLU
 * between: docs/formats/verifiers.md. */
size_t rg_model_n_values(const rg_model *m);
/* out[0..n) from one hidden row, in f32. */
void   rg_model_values(const rg_model *m, const float *hidden, float *out);

RG_API_END
#endif
