/* tensors.c - which tensors a model has: names, shapes, and what makes them part of it. */
#include <stdio.h>

#include "rung/base/mem.h"

#include "model_int.h"

typedef enum size { C, Q, KV, QKV, F, FF, D, N_SIZES } size; /* as in model_int.h; FF = 2 F, D head size */

static void sizes_of(size_t n[N_SIZES], const rg_model_config *c)
{
    n[C] = c->n_embd;
    n[Q] = c->n_head * c->head_dim;
    n[KV] = c->n_head_kv * c->head_dim;
    n[QKV] = n[Q] + 2 * n[KV];
    n[F] = c->n_ff;
    n[FF] = 2 * c->n_ff;
    n[D] = c->head_dim;
}

typedef enum part { ALWAYS, OPTIONAL, SPLIT, FUSED, QK_NORM, POST_NORM, N_PARTS } part;

typedef struct slot {
    const char *name; /* behind blk.N. */
    size R, K;        /* R of a vector is 1 */
    part of;
} slot;

static const slot MATRICES[N_MATRICES] = {
    [M_Q] = { "attn_q.weight", Q, C, SPLIT },         [M_K] = { "attn_k.weight", KV, C, SPLIT },
    [M_V] = { "attn_v.weight", KV, C, SPLIT },        [M_QKV] = { "attn_qkv.weight", QKV, C, FUSED },
    [M_OUT] = { "attn_output.weight", C, Q, ALWAYS }, [M_GATE] = { "ffn_gate.weight", F, C, SPLIT },
    [M_UP] = { "ffn_up.weight", F, C, SPLIT },        [M_GATE_UP] = { "ffn_up.weight", FF, C, FUSED },
    [M_DOWN] = { "ffn_down.weight", C, F, ALWAYS },
};

static const slot VECTORS[N_VECTORS] = {
    [V_MIXER_NORM] = { "attn_norm.weight", 0, C, ALWAYS },
    [V_MIXER_POST] = { "post_attention_norm.weight", 0, C, POST_NORM },
    [V_MLP_NORM] = { "ffn_norm.weight", 0, C, ALWAYS },
    [V_MLP_POST] = { "post_ffw_norm.weight", 0, C, POST_NORM },
    [V_Q_NORM] = { "attn_q_norm.weight", 0, D, QK_NORM },
    [V_K_NORM] = { "attn_k_norm.weight", 0, D, QK_NORM },
    [V_Q_BIAS] = { "attn_q.bias", 0, Q, OPTIONAL },
    [V_K_BIAS] = { "attn_k.bias", 0, KV, OPTIONAL },
    [V_V_BIAS] = { "attn_v.bias", 0, KV, OPTIONAL },
    [V_OUT_BIAS] = { "attn_output.bias", 0, C, OPTIONAL },
};

rg_status rg__find_block(block *b, const rg_model_config *c, rg_weights *ws, size_t layer, rg_err *e)
{
    const bool has[N_PARTS] = { [ALWAYS] = true,    [OPTIONAL] = true,      [SPLIT] = !c->fused,
                                [FUSED] = c->fused, [QK_NORM] = c->qk_norm, [POST_NORM] = c->post_norms };
    size_t n[N_SIZES];
    char name[64];
    sizes_of(n, c);
    for (size_t i = 0; i < N_MATRICES; i++) {
        const slot *s = &MATRICES[i];
        if (!has[s->of])
            continue;
        rg_weight *w;
        snprintf(name, sizeof name, "blk.%zu.%s", layer, s->name);
        RG_TRY(rg_weights_get(&w, ws, name, n[s->R], n[s->K], e));
        b->m[i] = w;
    }
    for (size_t i = 0; i < N_VECTORS; i++) {
        const slot *s = &VECTORS[i];
        snprintf(name, sizeof name, "blk.%zu.%s", layer, s->name);
        if (has[s->of] && (s->of != OPTIONAL || rg_weights_find(ws, name) != NULL))
            RG_TRY(rg_weights_vector(&b->v[i], ws, name, n[s->K], e));
    }
    return RG_OK;
}

rg_status rg__find_ends(rg_model *m, rg_weights *ws, rg_err *e)
{
    const rg_model_config *c = &m->c;
    rg_weight *w;
    RG_TRY(rg_weights_get(&w, ws, "token_embd.weight", c->n_vocab, c->n_embd, e));
    m->embed = m->head = w;
    RG_TRY(rg__find_values(&m->value, c, ws, e));
    if (rg_weights_find(ws, "output.weight") != NULL) {
        RG_TRY(rg_weights_get(&w, ws, "output.weight", c->n_vocab, c->n_embd, e));
        m->head = w;
    } else if (m->value.n > 0) {
        m->head = NULL; /* trained with its value head: what the embedding would say means nothing */
    }
    return rg_weights_vector(&m->final_norm, ws, "output_norm.weight", c->n_embd, e);
}
