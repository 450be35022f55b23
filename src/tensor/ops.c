/* ops.c - the context of a step, and the ops that are one kernel over rows. */
#include "rung/tensor/ops.h"

#include <assert.h>
#include <string.h>

#include "ops_int.h"

rg_status rg_ops_new(rg_ops **out, const rg_kernels *k, rg_pool *pool, bool exact, size_t scratch_bytes,
                     rg_err *e)
{
    *out = NULL;
    rg_ops *o = rg_calloc(1, sizeof *o);
    if (o == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for the op context");
    o->k = k;
    o->pool = pool;
    o->exact = exact;
    o->scratch_bytes = RG_ROUND_UP(scratch_bytes, (size_t)4096);
    o->n_scratch = rg_pool_threads(pool);
    rg_status s = rg_arena_new(&o->step, "step", SIZE_MAX, e);
    if (s == RG_OK) {
        o->scratch = rg_alloc_aligned(o->n_scratch * o->scratch_bytes);
        if (o->scratch == NULL)
            s = rg_err_set(e, RG_ENOMEM, __FILE__, __LINE__, "no memory for %zu threads' scratch",
                           o->n_scratch);
    }
    if (s != RG_OK) {
        rg_ops_free(o);
        return s;
    }
    *out = o;
    return RG_OK;
}

void rg_ops_free(rg_ops *o)
{
    if (o == NULL)
        return;
    rg_arena_free(o->step);
    rg_free_aligned(o->scratch, o->n_scratch * o->scratch_bytes);
    rg_free(o);
}

void rg_ops_reset(rg_ops *o)
{
    rg_arena_reset(o->step);
}

size_t rg_ops_mark(const rg_ops *o)
{
    return rg_arena_mark(o->step);
}

void rg_ops_rewind(rg_ops *o, size_t mark)
{
    rg_arena_rewind(o->step, mark);
}

rg_status rg_ops_reserve(rg_ops *o, size_t bytes, rg_err *e)
{
    return rg_arena_reserve(o->step, bytes, e);
}

const rg_kernels *rg_ops_kernels(const rg_ops *o)
{
    return o->k;
}

rg_pool *rg_ops_pool(const rg_ops *o)
{
    return o->pool;
}

bool rg_ops_exact(const rg_ops *o)
{
    return o->exact;
}

void *rg_ops_scratch(const rg_ops *o, size_t thread)
{
    assert(thread < o->n_scratch);
    return o->scratch + thread * o->scratch_bytes;
}

size_t rg_ops_peak(const rg_ops *o)
{
    return rg_arena_peak(o->step);
}

size_t rg_ops_tensor_bytes(size_t T, size_t C)
{
    return RG_ROUND_UP(T * RG_ROUND_UP(C, (size_t)RG_PANEL_ROWS) * sizeof(float), (size_t)64);
}

rg_tensor rg_op_new(rg_ops *o, size_t T, size_t C)
{
    const rg_tensor y = { .T = T,
                          .C = C,
                          .ld = RG_ROUND_UP(C, (size_t)RG_PANEL_ROWS),
                          .x = rg_arena_push(o->step, rg_ops_tensor_bytes(T, C)) };
    return y;
}

rg_tensor rg_tensor_columns(rg_tensor x, size_t from, size_t C)
{
    assert(from <= x.C && C <= x.C - from);
    const rg_tensor y = { .x = x.x + from, .T = x.T, .C = C, .ld = x.ld };
    return y;
}

/* Rows per piece: small steps stay on the calling thread, a region costs more than they do. */
static size_t row_grain(const rg_ops *o, size_t T)
{
    const size_t threads = rg_pool_threads(o->pool);
    return T < 4 ? T : (T + 2 * threads - 1) / (2 * threads);
}

typedef void gate_fn(float *y, const float *g, const float *u, size_t n);

typedef struct row_job {
    const rg_kernels *k;
    rg_tensor y, a, b;
    const rg_weight *E;
    const int32_t *id;
    const uint32_t *row;
    const float *w;
    float eps, s;
    gate_fn *gate;
} row_job;

static void embed_rows(void *arg, size_t begin, size_t end, size_t thread)
{
    (void)thread;
    const row_job *j = arg;
    for (size_t t = begin; t < end; t++)
        rg_weight_row(j->y.x + t * j->y.ld, j->E, (size_t)j->id[t]);
}

rg_tensor rg_op_embed(rg_ops *o, const rg_weight *E, const int32_t *id, size_t T)
{
    row_job j = { .k = o->k, .y = rg_op_new(o, T, E->K), .E = E, .id = id };
    rg_parallel(o->pool, T, row_grain(o, T), embed_rows, &j);
    return j.y;
}

static void copy_rows(void *arg, size_t begin, size_t end, size_t thread)
{
    (void)thread;
    const row_job *j = arg;
    for (size_t i = begin; i < end; i++)
        memcpy(j->y.x + i * j->y.ld, j->a.x + j->row[i] * j->a.ld, j->a.C * sizeof(float));
}

rg_tensor rg_op_rows(rg_ops *o, rg_tensor x, const uint32_t *row, size_t n)
{
    row_job j = { .k = o->k, .y = rg_op_new(o, n, x.C), .a = x, .row = row };
    rg_parallel(o->pool, n, row_grain(o, n), copy_rows, &j);
    return j.y;
}

static void rmsnorm_rows(void *arg, size_t begin, size_t end, size_t thread)
{
    (void)thread;
    const row_job *j = arg;
    for (size_t t = begin; t < end; t++)
        j->k->rmsnorm(j->y.x + t * j->y.ld, j->a.x + t * j->a.ld, j->w, 1, j->a.C, j->eps);
}

rg_tensor rg_op_rmsnorm(rg_ops *o, rg_tensor x, const float *w, float eps)
{
    row_job j = { .k = o->k, .y = rg_op_new(o, x.T, x.C), .a = x, .w = w, .eps = eps };
    rg_parallel(o->pool, x.T, row_grain(o, x.T), rmsnorm_rows, &j);
    return j.y;
}

static void add_rows(void *arg, size_t begin, size_t end, size_t thread)
{
    (void)thread;
    const row_job *j = arg;
    for (size_t t = begin; t < end; t++)
        j->k->add(j->a.x + t * j->a.ld, j->a.x + t * j->a.ld, j->b.x + t * j->b.ld, j->a.C);
}

void rg_op_add(rg_ops *o, rg_tensor x, rg_tensor y)
{
    assert(x.T == y.T && x.C == y.C);
    row_job j = { .k = o->k, .a = x, .b = y };
    rg_parallel(o->pool, x.T, row_grain(o, x.T), add_rows, &j);
}

static void scale_rows(void *arg, size_t begin, size_t end, size_t thread)
{
    (void)thread;
    const row_job *j = arg;
    for (size_t t = begin; t < end; t++)
        for (size_t i = 0; i < j->a.C; i++)
            j->a.x[t * j->a.ld + i] *= j->s;
}

void rg_op_scale(rg_ops *o, rg_tensor x, float s)
{
    row_job j = { .k = o->k, .a = x, .s = s };
    rg_parallel(o->pool, x.T, row_grain(o, x.T), scale_rows, &j);
}

static void gate_rows(void *arg, size_t begin, size_t end, size_t thread)
{
    (void)thread;
    const row_job *j = arg;
    for (size_t t = begin; t < end; t++)
        j->gate(j->y.x + t * j->y.ld, j->a.x + t * j->a.ld, j->b.x + t * j->b.ld, j->a.C);
}

static rg_tensor run_gate(rg_ops *o, gate_fn *gate, rg_tensor g, rg_tensor u)
{
    assert(g.T == u.T && g.C == u.C);
    row_job j = { .k = o->k, .y = rg_op_new(o, g.T, g.C), .a = g, .b = u, .gate = gate };
    rg_parallel(o->pool, g.T, row_grain(o, g.T), gate_rows, &j);
    return j.y;
}

rg_tensor rg_op_silu_mul(rg_ops *o, rg_tensor g, rg_tensor u)
{
    return run_gate(o, o->k->silu_mul, g, u);
}

rg_tensor rg_op_gelu_mul(rg_ops *o, rg_tensor g, rg_tensor u)
{
    return run_gate(o, o->k->gelu_mul, g, u);
}
