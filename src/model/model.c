/* model.c - a model out of its configuration and its weights by name. */
#include "rung/model/model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "rung/base/mem.h"

#include "model_int.h"

/* ---- configuration ---- */

typedef struct arch {
    const char *name;
    bool rope_neox;
} arch;

static const arch ARCHES[] = {
    { "llama", false }, /* Llama 2 and 3, SmolLM2, Mistral-like: q and k rows permuted in the file */
    { "qwen2", true },  /* Qwen2 and Qwen2.5: biases on q, k, v */
};

rg_status rg_model_config_arch(rg_model_config *c, const char *name, rg_err *e)
{
    for (size_t i = 0; i < RG_COUNT(ARCHES); i++)
        if (strcmp(ARCHES[i].name, name) == 0) {
            snprintf(c->arch, sizeof c->arch, "%s", name);
            c->rope_neox = ARCHES[i].rope_neox;
            return RG_OK;
        }
    RG_FAIL(e, RG_EFORMAT, "architecture %.64s is not one this engine runs (llama, qwen2)", name);
}

typedef struct range {
    const char *what;
    size_t value, max;
} range;

rg_status rg_model_config_check(const rg_model_config *c, rg_err *e)
{
    const range ranges[] = {
        { "layers", c->n_layer, 1024 },
        { "embedding length", c->n_embd, 131072 },
        { "heads", c->n_head, 1024 },
        { "KV heads", c->n_head_kv, 1024 },
        { "head size", c->head_dim, 256 },
        { "feed-forward length", c->n_ff, 1048576 },
        { "vocabulary", c->n_vocab, 1048576 },
        { "context length", c->n_ctx, 16777216 },
        { "rope dimensions", c->rope_dim, c->head_dim },
    };
    for (size_t i = 0; i < RG_COUNT(ranges); i++)
        if (ranges[i].value == 0 || ranges[i].value > ranges[i].max)
            RG_FAIL(e, RG_EFORMAT, "%s: %zu is outside 1..%zu", ranges[i].what, ranges[i].value,
                    ranges[i].max);
    if (c->n_head % c->n_head_kv != 0)
        RG_FAIL(e, RG_EFORMAT, "%zu heads do not divide into %zu KV heads", c->n_head, c->n_head_kv);
    if (c->head_dim % 16 != 0 || c->rope_dim % 2 != 0)
        RG_FAIL(e, RG_EFORMAT, "head size %zu (rope %zu) is not a multiple of 16 (2), as the kernels need it",
                c->head_dim, c->rope_dim);
    if (!isfinite(c->norm_eps) || c->norm_eps < 0 || !isfinite(c->rope_base) || c->rope_base < 1 ||
        !isfinite(c->rope_factor) || c->rope_factor <= 0)
        RG_FAIL(e, RG_EFORMAT, "norm epsilon %g, rope base %g or rope factor %g makes no sense",
                (double)c->norm_eps, c->rope_base, c->rope_factor);
    return RG_OK;
}

/* ---- finding the tensors ---- */

static void block_name(char out[64], size_t layer, const char *rest)
{
    snprintf(out, 64, "blk.%zu.%s", layer, rest);
}

static rg_status get(const rg_weight **out, rg_weights *ws, size_t layer, const char *rest, size_t R,
                     size_t K, rg_err *e)
{
    char name[64];
    block_name(name, layer, rest);
    rg_weight *w;
    RG_TRY(rg_weights_get(&w, ws, name, R, K, e));
    *out = w;
    return RG_OK;
}

static rg_status get_vector(const float **out, rg_weights *ws, size_t layer, const char *rest, size_t K,
                            bool optional, rg_err *e)
{
    char name[64];
    block_name(name, layer, rest);
    *out = NULL;
    if (optional && rg_weights_find(ws, name) == NULL)
        return RG_OK;
    return rg_weights_vector(out, ws, name, K, e);
}

static rg_status get_block(block *b, const rg_model_config *c, rg_weights *ws, size_t i, rg_err *e)
{
    const size_t C = c->n_embd, Q = c->n_head * c->head_dim, KV = c->n_head_kv * c->head_dim;
    RG_TRY(get_vector(&b->mixer_norm, ws, i, "attn_norm.weight", C, false, e));
    RG_TRY(get_vector(&b->mlp_norm, ws, i, "ffn_norm.weight", C, false, e));
    RG_TRY(get(&b->attn.qkv[0], ws, i, "attn_q.weight", Q, C, e));
    RG_TRY(get(&b->attn.qkv[1], ws, i, "attn_k.weight", KV, C, e));
    RG_TRY(get(&b->attn.qkv[2], ws, i, "attn_v.weight", KV, C, e));
    RG_TRY(get_vector(&b->attn.bias[0], ws, i, "attn_q.bias", Q, true, e));
    RG_TRY(get_vector(&b->attn.bias[1], ws, i, "attn_k.bias", KV, true, e));
    RG_TRY(get_vector(&b->attn.bias[2], ws, i, "attn_v.bias", KV, true, e));
    RG_TRY(get(&b->attn.out, ws, i, "attn_output.weight", C, Q, e));
    RG_TRY(get_vector(&b->attn.out_bias, ws, i, "attn_output.bias", C, true, e));
    RG_TRY(get(&b->gate_up[0], ws, i, "ffn_gate.weight", c->n_ff, C, e));
    RG_TRY(get(&b->gate_up[1], ws, i, "ffn_up.weight", c->n_ff, C, e));
    return get(&b->down, ws, i, "ffn_down.weight", C, c->n_ff, e);
}

static rg_status get_ends(rg_model *m, rg_weights *ws, rg_err *e)
{
    const rg_model_config *c = &m->c;
    rg_weight *w;
    RG_TRY(rg_weights_get(&w, ws, "token_embd.weight", c->n_vocab, c->n_embd, e));
    m->embed = m->head = w;
    if (rg_weights_find(ws, "output.weight") != NULL) {
        RG_TRY(rg_weights_get(&w, ws, "output.weight", c->n_vocab, c->n_embd, e));
        m->head = w;
    }
    if (rg_weights_find(ws, "rope_freqs.weight") != NULL)
        RG_TRY(rg_weights_vector(&m->rope_factors, ws, "rope_freqs.weight", c->rope_dim / 2, e));
    return rg_weights_vector(&m->final_norm, ws, "output_norm.weight", c->n_embd, e);
}

/* Every tensor must have a place: one that is not used means an architecture we would get wrong. */
static rg_status all_used(const rg_model *m, rg_weights *ws, rg_weight *const *used, size_t n_used, rg_err *e)
{
    for (size_t i = 0; i < rg_weights_n(ws); i++) {
        const rg_weight *w = rg_weights_at(ws, i);
        bool found = w == m->embed || w->vec != NULL;
        for (size_t j = 0; j < n_used && !found; j++)
            found = used[j] == w;
        if (!found)
            RG_FAIL(e, RG_EFORMAT, "tensor %s has no place in architecture %s: this file is of another kind",
                    w->name, m->c.arch);
    }
    return RG_OK;
}

enum { MATRICES_PER_BLOCK = 7 };

static rg_status pack(rg_model *m, rg_weights *ws, rg_pool *pool, void (*packed)(void *, const rg_weight *),
                      void *arg, rg_err *e)
{
    const size_t n = m->c.n_layer * MATRICES_PER_BLOCK + 1;
    rg_weight **list = rg_alloc(n, sizeof *list);
    if (list == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for a list of %zu weights", n);
    size_t at = 0;
    for (size_t i = 0; i < m->c.n_layer; i++) {
        const block *b = &m->blk[i];
        const rg_weight *const in_order[MATRICES_PER_BLOCK] = {
            b->attn.qkv[0], b->attn.qkv[1], b->attn.qkv[2], b->attn.out, b->gate_up[0], b->gate_up[1], b->down
        };
        for (size_t j = 0; j < MATRICES_PER_BLOCK; j++)
            list[at++] = rg_weights_find(ws, in_order[j]->name);
    }
    list[at++] = rg_weights_find(ws, m->head->name);
    rg_status s = all_used(m, ws, list, at, e);
    if (s == RG_OK)
        s = rg_weights_pack(ws, list, at, pool, packed, arg, e);
    rg_free(list);
    return s;
}

rg_status rg_model_new(rg_model **out, const rg_model_config *c, rg_weights *ws, rg_pool *pool,
                       void (*packed)(void *arg, const rg_weight *w), void *arg, rg_err *e)
{
    *out = NULL;
    RG_TRY(rg_model_config_check(c, e));
    rg_status s = RG_OK;
    rg_model *m = rg_calloc(1, sizeof *m);
    if (m == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for the model");
    m->c = *c;
    m->blk = rg_calloc(c->n_layer, sizeof *m->blk);
    if (m->blk == NULL)
        RG_FAIL_GO(s, fail, e, RG_ENOMEM, "no memory for %zu blocks", c->n_layer);
    RG_GO(s, fail, get_ends(m, ws, e));
    for (size_t i = 0; i < c->n_layer; i++)
        RG_GO(s, fail, get_block(&m->blk[i], c, ws, i, e));
    RG_GO(s, fail, pack(m, ws, pool, packed, arg, e));
    *out = m;
    return RG_OK;
fail:
    rg_model_free(m);
    return s;
}

void rg_model_free(rg_model *m)
{
    if (m == NULL)
        return;
    rg_free(m->blk);
    rg_free(m);
}

/* ---- queries ---- */

const rg_model_config *rg_model_get_config(const rg_model *m)
{
    return &m->c;
}

rg_page_shape rg_model_page_shape(const rg_model *m, uint32_t kv_type)
{
    const rg_page_shape s = { m->c.n_layer, m->c.n_head_kv, m->c.head_dim, kv_type };
    return s;
}

uint64_t rg_model_body_weights(const rg_model *m)
{
    const rg_model_config *c = &m->c;
    const uint64_t C = c->n_embd, Q = c->n_head * c->head_dim, KV = c->n_head_kv * c->head_dim;
    return c->n_layer * (2 * Q * C + 2 * KV * C + 3 * (uint64_t)c->n_ff * C);
}

uint64_t rg_model_head_weights(const rg_model *m)
{
    return (uint64_t)m->c.n_vocab * m->c.n_embd;
}

static size_t panel_bytes(const rg_weight *w)
{
    return rg_panels_of(w->R) * w->panels.panel_bytes;
}

size_t rg_model_head_bytes(const rg_model *m)
{
    return panel_bytes(m->head);
}

size_t rg_model_packed_bytes(const rg_model *m)
{
    size_t total = panel_bytes(m->head);
    for (size_t i = 0; i < m->c.n_layer; i++) {
        const block *b = &m->blk[i];
        total += panel_bytes(b->attn.qkv[0]) + panel_bytes(b->attn.qkv[1]) + panel_bytes(b->attn.qkv[2]) +
                 panel_bytes(b->attn.out) + panel_bytes(b->gate_up[0]) + panel_bytes(b->gate_up[1]) +
                 panel_bytes(b->down);
    }
    return total;
}

double rg_model_flops(const rg_model *m, size_t past, size_t n, size_t k)
{
    const rg_model_config *c = &m->c;
    const double context = (double)n * (double)past + 0.5 * (double)n * ((double)n + 1);
    return 2.0 * (double)rg_model_body_weights(m) * (double)n +
           2.0 * (double)rg_model_head_weights(m) * (double)k +
           4.0 * (double)(c->n_layer * c->n_head * c->head_dim) * context;
}

/* ---- positions ---- */

/* Su et al. 2021, eq. 15: pair i turns by pos / base^(2i/d); Llama 3.1 divides the slow
 * frequencies by factors that its files carry as rope_freqs.weight. */
void rg__rope_angles(float *cs, const rg_model *m, size_t pos)
{
    const size_t half = m->c.rope_dim / 2;
    for (size_t i = 0; i < half; i++) {
        double freq = pow(m->c.rope_base, -2.0 * (double)i / (double)m->c.rope_dim) / m->c.rope_factor;
        if (m->rope_factors != NULL)
            freq /= (double)m->rope_factors[i];
        const double angle = (double)pos * freq;
        cs[i] = (float)cos(angle);
        cs[half + i] = (float)sin(angle);
    }
}
