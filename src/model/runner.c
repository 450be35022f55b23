/* runner.c - one forward: embed, blocks, final norm; and the head, apart, because a search
 * samples many branches from one hidden row and prompts need none. */
#include <assert.h>
#include <string.h>

#include "rung/base/mem.h"

#include "model_int.h"

struct rg_runner {
    const rg_model *m;
    rg_ops *o;
    size_t max_rows;
    row *rows;              /* max_rows */
    int32_t *id;            /* max_rows */
    uint32_t *wanted;       /* max_rows */
    rope_set global;        /* of layers that see everything, and where there is one set */
    float *cs[N_ROPE_SETS]; /* (max_rows, rope_dim) of the sets in use */
    uint32_t kv_type;       /* of the step's states */
};

static size_t max2(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Step arena for T rows: what lives through the step, and one layer's temporaries. */
static size_t step_bytes(const rg_model_config *c, size_t T)
{
    const size_t C = c->n_embd, Q = c->n_head * c->head_dim, KV = c->n_head_kv * c->head_dim, F = c->n_ff;
    const size_t attn = rg_ops_tensor_bytes(T, C) * 3 + rg_ops_tensor_bytes(T, Q) * 2 +
                        rg_ops_tensor_bytes(T, KV) * 2 + rg_ops_linear_bytes(T, C) +
                        rg_ops_linear_bytes(T, Q);
    const size_t mlp = rg_ops_tensor_bytes(T, C) * 3 + rg_ops_tensor_bytes(T, F) * 3 +
                       rg_ops_linear_bytes(T, C) + rg_ops_linear_bytes(T, F);
    return 3 * rg_ops_tensor_bytes(T, C) + max2(attn, mlp) + 4096;
}

static size_t head_bytes(const rg_model_config *c, size_t n)
{
    return rg_ops_tensor_bytes(n, c->n_embd) + rg_ops_tensor_bytes(n, c->n_vocab) +
           rg_ops_linear_bytes(n, c->n_embd) + 4096;
}

static bool in_use(const rg_runner *r, rope_set set)
{
    return set == r->global || (set == ROPE_LOCAL && r->m->freq[ROPE_LOCAL] != NULL);
}

rg_status rg_runner_new(rg_runner **out, const rg_model *m, const rg_kernels *k, rg_pool *pool, bool exact,
                        size_t ctx, size_t max_rows, rg_err *e)
{
    *out = NULL;
    rg_status s = RG_OK;
    const rg_model_config *c = &m->c;
    rg_runner *r = rg_calloc(1, sizeof *r);
    if (r == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for a runner");
    r->m = m;
    r->max_rows = max_rows;
    r->global = m->freq[ROPE_LONG] != NULL && ctx > c->rope_ctx_orig ? ROPE_LONG : ROPE_GLOBAL;
    const size_t widest = max2(max2(c->n_embd, c->n_ff), c->n_head * c->head_dim);
    const size_t scratch = max2(rg_ops_scratch_bytes(widest), rg__attention_scratch_bytes(c));
    RG_GO(s, fail, rg_ops_new(&r->o, k, pool, exact, scratch, e));
    r->rows = rg_alloc(max_rows, sizeof *r->rows);
    r->id = rg_alloc(max_rows, sizeof *r->id);
    r->wanted = rg_alloc(max_rows, sizeof *r->wanted);
    bool room = true;
    for (size_t i = 0; i < N_ROPE_SETS; i++)
        if (in_use(r, (rope_set)i)) {
            r->cs[i] = rg_alloc(max_rows * c->rope_dim, sizeof *r->cs[i]);
            room = room && r->cs[i] != NULL;
        }
    if (r->rows == NULL || r->id == NULL || r->wanted == NULL || !room)
        RG_FAIL_GO(s, fail, e, RG_ENOMEM, "no memory for steps of %zu tokens", max_rows);
    *out = r;
    return RG_OK;
fail:
    rg_runner_free(r);
    return s;
}

void rg_runner_free(rg_runner *r)
{
    if (r == NULL)
        return;
    rg_ops_free(r->o);
    rg_free(r->rows);
    rg_free(r->id);
    rg_free(r->wanted);
    for (size_t i = 0; i < N_ROPE_SETS; i++)
        rg_free(r->cs[i]);
    rg_free(r);
}

size_t rg_runner_peak(const rg_runner *r)
{
    return rg_ops_peak(r->o);
}

/* ---- blocks ---- */

typedef struct place_job {
    const rg_runner *r;
    const block *b;
    const float *cs; /* (T, rope_dim) */
    rg_tensor q, k;
} place_job;

/* One token's heads: normed where the model does that, then turned to their position. */
static void place(const place_job *j, float *x, size_t heads, const float *gain, const float *cs)
{
    const rg_model_config *c = &j->r->m->c;
    const rg_kernels *k = rg_ops_kernels(j->r->o);
    if (gain != NULL)
        k->rmsnorm(x, x, gain, heads, c->head_dim, c->norm_eps);
    k->rope(x, cs, heads, c->head_dim, c->rope_dim, c->rope_neox);
}

static void place_rows(void *arg, size_t begin, size_t end, size_t thread)
{
    (void)thread;
    const place_job *j = arg;
    const rg_model_config *c = &j->r->m->c;
    for (size_t t = begin; t < end; t++) {
        const float *cs = j->cs + t * c->rope_dim;
        place(j, j->q.x + t * j->q.ld, c->n_head, j->b->v[V_Q_NORM], cs);
        place(j, j->k.x + t * j->k.ld, c->n_head_kv, j->b->v[V_K_NORM], cs);
    }
}

/* Several linears as one matrix: its rows, and so the result's columns, follow each other. */
static void fused_linear(rg_ops *o, rg_tensor *y, rg_tensor x, const rg_weight *W, const size_t *C, size_t n)
{
    rg_tensor whole;
    rg_op_linear(o, &whole, x, &W, NULL, 1);
    for (size_t i = 0, at = 0; i < n; at += C[i++])
        y[i] = rg_tensor_columns(whole, at, C[i]);
}

static void add_back(rg_runner *r, rg_tensor x, rg_tensor y, const float *gain)
{
    rg_op_add(r->o, x, gain == NULL ? y : rg_op_rmsnorm(r->o, y, gain, r->m->c.norm_eps));
}

static void mixer(rg_runner *r, rg_tensor x, const block *b, size_t layer)
{
    const rg_model_config *c = &r->m->c;
    const size_t Q = c->n_head * c->head_dim, KV = c->n_head_kv * c->head_dim;
    rg_tensor qkv[3], y;
    const rg_tensor h = rg_op_rmsnorm(r->o, x, b->v[V_MIXER_NORM], c->norm_eps);
    if (c->fused)
        fused_linear(r->o, qkv, h, b->m[M_QKV], (const size_t[]){ Q, KV, KV }, 3);
    else
        rg_op_linear(r->o, qkv, h, &b->m[M_Q], &b->v[V_Q_BIAS], 3);
    const bool local = r->cs[ROPE_LOCAL] != NULL && rg__window(c, layer) != 0;
    place_job j = { r, b, r->cs[local ? ROPE_LOCAL : r->global], qkv[0], qkv[1] };
    const size_t threads = rg_pool_threads(rg_ops_pool(r->o));
    rg_parallel(rg_ops_pool(r->o), x.T, max2(x.T / threads, 8), place_rows, &j);
    const rg_tensor a = rg__attention(r->o, c, r->rows, r->kv_type, layer, qkv[0], qkv[1], qkv[2]);
    rg_op_linear(r->o, &y, a, &b->m[M_OUT], &b->v[V_OUT_BIAS], 1);
    add_back(r, x, y, b->v[V_MIXER_POST]);
}

static void mlp(rg_runner *r, rg_tensor x, const block *b)
{
    const rg_model_config *c = &r->m->c;
    rg_tensor gu[2], y;
    const rg_tensor h = rg_op_rmsnorm(r->o, x, b->v[V_MLP_NORM], c->norm_eps);
    if (c->fused)
        fused_linear(r->o, gu, h, b->m[M_GATE_UP], (const size_t[]){ c->n_ff, c->n_ff }, 2);
    else
        rg_op_linear(r->o, gu, h, &b->m[M_GATE], NULL, 2);
    const rg_tensor f = c->mlp_act == RG_MLP_GELU_TANH ? rg_op_gelu_mul(r->o, gu[0], gu[1])
                                                       : rg_op_silu_mul(r->o, gu[0], gu[1]);
    rg_op_linear(r->o, &y, f, &b->m[M_DOWN], NULL, 1);
    add_back(r, x, y, b->v[V_MLP_POST]);
}

/* ---- the step ---- */

static void angles(void *arg, size_t begin, size_t end, size_t thread)
{
    (void)thread;
    const rg_runner *r = arg;
    for (size_t i = 0; i < N_ROPE_SETS; i++)
        for (size_t t = begin; t < end && r->cs[i] != NULL; t++)
            rg__rope_angles(r->cs[i] + t * r->m->c.rope_dim, r->m, (rope_set)i, r->rows[t].pos);
}

/* Lays the spans out as rows; returns how many, and how many are wanted. */
static size_t lay_out(rg_runner *r, const rg_span_in *spans, size_t n, size_t *n_wanted)
{
    size_t T = 0, W = 0;
    for (size_t i = 0; i < n; i++) {
        const rg_span_in *s = &spans[i];
        const size_t first = rg_state_len(s->state) - s->n;
        for (size_t j = 0; j < s->n; j++, T++) {
            assert(T < r->max_rows);
            r->rows[T] = (row){ s->state, first + j };
            r->id[T] = s->id[j];
            if (j + s->want >= s->n)
                r->wanted[W++] = (uint32_t)T;
        }
    }
    *n_wanted = W;
    return T;
}

rg_status rg_runner_forward(rg_runner *r, const rg_span_in *spans, size_t n, rg_tensor *hidden, rg_err *e)
{
    const rg_model *m = r->m;
    size_t W;
    const size_t T = lay_out(r, spans, n, &W);
    r->kv_type = rg_state_kv_type(spans[0].state);
    rg_ops_reset(r->o);
    RG_TRY(rg_ops_reserve(r->o, step_bytes(&m->c, T), e));
    rg_parallel(rg_ops_pool(r->o), T, 16, angles, r);

    const rg_tensor x = rg_op_embed(r->o, m->embed, r->id, T);
    if (m->c.embd_scale != 0)
        rg_op_scale(r->o, x, m->c.embd_scale);
    const size_t layer_mark = rg_ops_mark(r->o);
    for (size_t i = 0; i < m->c.n_layer; i++) {
        mixer(r, x, &m->blk[i], i);
        rg_ops_rewind(r->o, layer_mark);
        mlp(r, x, &m->blk[i]);
        rg_ops_rewind(r->o, layer_mark);
    }
    *hidden = rg_op_rmsnorm(r->o, rg_op_rows(r->o, x, r->wanted, W), m->final_norm, m->c.norm_eps);
    return RG_OK;
}

rg_status rg_runner_logits(rg_runner *r, const float *const *rows, size_t n, float *logits, size_t ld,
                           bool *bad, rg_err *e)
{
    const rg_model_config *c = &r->m->c;
    if (r->m->head == NULL)
        RG_FAIL(e, RG_EARG,
                "the model has a value head and no output matrix (output.weight, lm_head.weight): it judges "
                "(verifiers prm, orm) and cannot say which token comes next");
    rg_ops_reset(r->o);
    RG_TRY(rg_ops_reserve(r->o, head_bytes(c, n), e));
    rg_tensor y;
    const rg_tensor h = rg_op_new(r->o, n, c->n_embd);
    for (size_t i = 0; i < n; i++)
        memcpy(h.x + i * h.ld, rows[i], c->n_embd * sizeof(float));
    rg_op_linear(r->o, &y, h, &r->m->head, NULL, 1);
    for (size_t i = 0; i < n; i++) {
        memcpy(logits + i * ld, y.x + i * y.ld, c->n_vocab * sizeof(float));
        bad[i] = rg_ops_kernels(r->o)->nonfinite(y.x + i * y.ld, c->n_vocab);
    }
    return RG_OK;
}
