/* toy_model.h - models of random weights, made in memory, of any architecture and shape. */
#ifndef RUNG_TEST_TOY_MODEL_H
#define RUNG_TEST_TOY_MODEL_H

#include "rung/base/mem.h"
#include "rung/base/rng.h"
#include "rung/model/model.h"
#include "test.h"

enum { TOY_LAYERS = 2, TOY_VOCAB = 37, TOY_FLOATS = 1 << 19, TOY_POS = 200 };

typedef struct toy {
    rg_model_config c;
    rg_weights *ws;
    float *data;         /* TOY_FLOATS random numbers; every tensor points into them */
    size_t used;
    const char *missing; /* a tensor that is left out; NULL = none */
    rg_model *m;
    rg_kernels k;
    rg_pool *pool;
    rg_store *store;
    rg_runner *r;
} toy;

static inline void toy_new(toy *t, const char *arch)
{
    rg_err e = RG_ERR_INIT;
    *t = (toy){ .c = { .n_layer = TOY_LAYERS,
                       .n_embd = 48,
                       .n_head = 4,
                       .n_head_kv = 2,
                       .head_dim = 16,
                       .n_ff = 40,
                       .n_vocab = TOY_VOCAB,
                       .n_ctx = 256,
                       .norm_eps = 1e-6f,
                       .rope_dim = 16,
                       .rope_base = 1e4,
                       .rope_factor = 1 } };
    OK(rg_model_config_arch(&t->c, arch, &e), e);
    OK(rg_weights_new(&t->ws, &e), e);
    t->data = rg_alloc(TOY_FLOATS, sizeof *t->data);
    CHECK(t->data != NULL);
    for (size_t i = 0; i < TOY_FLOATS; i++) /* near 0.1 in size, none of them 0 */
        t->data[i] = 0.2f * (float)((int64_t)(rg_draw_u64(7, i, RG_DRAW_NOISE) >> 40) - (1 << 23)) * 0x1p-23f;
}

static inline void toy_put(toy *t, const char *name, size_t R, size_t K, const float *x)
{
    rg_err e = RG_ERR_INIT;
    if (t->missing == NULL || strcmp(t->missing, name) != 0)
        OK(rg_weights_add(t->ws, name, RG_F32, R, K, x, &e), e);
}

/* R = 0: a vector. */
static inline void toy_add(toy *t, const char *name, size_t R, size_t K)
{
    CHECK(t->used + (R ? R : 1) * K <= TOY_FLOATS);
    toy_put(t, name, R ? R : 1, K, t->data + t->used);
    t->used += (R ? R : 1) * K;
}

static inline void toy_add_block(toy *t, size_t layer, const char *rest, size_t R, size_t K)
{
    char name[64];
    snprintf(name, sizeof name, "blk.%zu.%s", layer, rest);
    toy_add(t, name, R, K);
}

/* Every tensor of the configuration.  q, k, v and gate, up follow each other, so that a fused and
 * a split model of one shape have the same numbers. */
static inline void toy_add_all(toy *t)
{
    const rg_model_config *c = &t->c;
    const size_t C = c->n_embd, F = c->n_ff, D = c->head_dim, Q = c->n_head * D, KV = c->n_head_kv * D;
    toy_add(t, "token_embd.weight", c->n_vocab, C);
    toy_add(t, "output_norm.weight", 0, C);
    for (size_t i = 0; i < c->n_layer; i++) {
        toy_add_block(t, i, "attn_norm.weight", 0, C);
        toy_add_block(t, i, "ffn_norm.weight", 0, C);
        toy_add_block(t, i, "attn_output.weight", C, Q);
        toy_add_block(t, i, "ffn_down.weight", C, F);
        toy_add_block(t, i, c->fused ? "attn_qkv.weight" : "attn_q.weight", c->fused ? Q + 2 * KV : Q, C);
        if (!c->fused) {
            toy_add_block(t, i, "attn_k.weight", KV, C);
            toy_add_block(t, i, "attn_v.weight", KV, C);
            toy_add_block(t, i, "ffn_gate.weight", F, C);
        }
        toy_add_block(t, i, "ffn_up.weight", c->fused ? 2 * F : F, C);
        if (c->qk_norm) {
            toy_add_block(t, i, "attn_q_norm.weight", 0, D);
            toy_add_block(t, i, "attn_k_norm.weight", 0, D);
        }
        if (c->post_norms) {
            toy_add_block(t, i, "post_attention_norm.weight", 0, C);
            toy_add_block(t, i, "post_ffw_norm.weight", 0, C);
        }
    }
}

/* The model, and a runner with this many threads and room for sequences of ctx. */
static inline rg_status toy_start(toy *t, size_t threads, bool exact, size_t ctx, rg_err *e)
{
    rg_kernels_init(&t->k, rg_isa_best());
    RG_TRY(rg_pool_new(&t->pool, threads, e));
    RG_TRY(rg_model_new(&t->m, &t->c, t->ws, t->pool, NULL, NULL, e));
    const rg_page_shape shape = rg_model_page_shape(t->m, exact ? RG_F32 : RG_F16);
    RG_TRY(rg_store_new(&t->store, &shape, (size_t)16 << 20, e));
    return rg_runner_new(&t->r, t->m, &t->k, t->pool, exact, ctx, TOY_POS, e);
}

static inline void toy_free(toy *t)
{
    rg_runner_free(t->r);
    rg_store_free(t->store);
    rg_model_free(t->m);
    rg_weights_free(t->ws);
    rg_pool_free(t->pool);
    rg_free(t->data);
}

/* Runs ids [pos, pos + n) of one fixed sequence; the hidden row of the last one. */
static inline void toy_run(toy *t, rg_state *st, size_t n, float *hidden)
{
    rg_err e = RG_ERR_INIT;
    int32_t id[TOY_POS];
    const size_t pos = rg_state_len(st);
    for (size_t i = 0; i < n; i++)
        id[i] = (int32_t)(rg_draw_u64(11, pos + i, RG_DRAW_NOISE) % TOY_VOCAB);
    OK(rg_state_extend(st, n, &e), e);
    rg_tensor h;
    const rg_span_in span = { st, id, n, 1 };
    OK(rg_runner_forward(t->r, &span, 1, &h, &e), e);
    CHECK(h.T == 1 && h.C == t->c.n_embd);
    memcpy(hidden, h.x, h.C * sizeof *hidden);
}

#endif
