/* Ops over the step arena: each is its kernel, row by row, whatever the number of threads and
 * rows; a linear over several matrices of several types is each of them alone. */
#include <math.h>

#include "kernel/mm_case.h"

#include "rung/tensor/ops.h"

typedef struct desk {
    rg_kernels k;
    rg_pool *pool;
    rg_ops *o; /* borrows k: a desk stays where it is */
} desk;

static void desk_open(desk *d, size_t threads, bool exact)
{
    rg_err e = RG_ERR_INIT;
    rg_kernels_init(&d->k, rg_isa_best());
    OK(rg_pool_new(&d->pool, threads, &e), e);
    OK(rg_ops_new(&d->o, &d->k, d->pool, exact, rg_ops_scratch_bytes(512), &e), e);
    CHECK(rg_ops_exact(d->o) == exact && rg_ops_pool(d->o) == d->pool &&
          rg_ops_kernels(d->o)->isa == d->k.isa);
}

static void desk_close(desk *d)
{
    rg_ops_free(d->o);
    rg_pool_free(d->pool);
}

static void reserve(desk *d, size_t bytes)
{
    rg_err e = RG_ERR_INIT;
    rg_ops_reset(d->o);
    OK(rg_ops_reserve(d->o, bytes, &e), e);
}

static void fill(rg_tensor x, uint64_t seed)
{
    for (size_t t = 0; t < x.T; t++)
        for (size_t i = 0; i < x.C; i++)
            x.x[t * x.ld + i] = (float)rg_draw_normal(seed, t * x.C + i, RG_DRAW_NOISE);
}

static bool same_row(const float *a, const float *b, size_t n)
{
    return memcmp(a, b, n * sizeof *a) == 0;
}

static const size_t THREADS[] = { 1, 2, 3 }, ROWS[] = { 1, 3, 4, 33 };

TEST(row_ops_are_their_kernels)
{
    enum { C = 100 };
    for (size_t i = 0; i < COUNT(THREADS) * COUNT(ROWS); i++) {
        const size_t T = ROWS[i / COUNT(THREADS)];
        desk d;
        desk_open(&d, THREADS[i % COUNT(THREADS)], false);
        float w[C], want[C];
        uint32_t row[40];
        reserve(&d, 9 * rg_ops_tensor_bytes(40, C));
        const rg_tensor a = rg_op_new(d.o, T, C), b = rg_op_new(d.o, T, C);
        CHECK(a.ld == 112 && (uintptr_t)a.x % 64 == 0);
        fill(a, 1);
        fill(b, 2);
        for (size_t c = 0; c < C; c++)
            w[c] = 0.5f + (float)c / C;
        for (size_t t = 0; t < T; t++)
            row[t] = (uint32_t)((t * 7 + 1) % T);
        const rg_tensor n = rg_op_rmsnorm(d.o, a, w, 1e-5f), s = rg_op_silu_mul(d.o, a, b);
        const rg_tensor ge = rg_op_gelu_mul(d.o, a, b);
        const rg_tensor g = rg_op_rows(d.o, a, row, T), sum = rg_op_rows(d.o, a, row, T);
        rg_op_add(d.o, sum, b);
        for (size_t t = 0; t < T; t++) {
            const float *at = a.x + t * a.ld, *bt = b.x + t * b.ld;
            d.k.rmsnorm(want, at, w, 1, C, 1e-5f);
            CHECK(same_row(n.x + t * n.ld, want, C));
            d.k.silu_mul(want, at, bt, C);
            CHECK(same_row(s.x + t * s.ld, want, C));
            d.k.gelu_mul(want, at, bt, C);
            CHECK(same_row(ge.x + t * ge.ld, want, C));
            CHECK(same_row(g.x + t * g.ld, a.x + row[t] * a.ld, C));
            d.k.add(want, a.x + row[t] * a.ld, bt, C);
            CHECK(same_row(sum.x + t * sum.ld, want, C));
        }
        const rg_tensor part = rg_tensor_columns(a, 17, 30);
        float *const end = a.x + (T - 1) * a.ld; /* the last row */
        const float before = end[16], first = end[17], last = end[46], behind = end[47];
        CHECK(part.x == a.x + 17 && part.C == 30 && part.T == T && part.ld == a.ld);
        rg_op_scale(d.o, part, -3.0f);
        CHECK(end[16] == before && end[17] == first * -3.0f && end[46] == last * -3.0f && end[47] == behind);
        CHECK(rg_ops_peak(d.o) > 0);
        desk_close(&d);
    }
}

/* ---- linear ---- */

enum { K = 256, N_W = 3, T_MAX = 300 };
static const size_t OUT[N_W] = { 48, 16, 277 };
static const uint32_t TYPES[N_W] = { RG_Q4_K, RG_Q6_K, RG_Q8_0 };

typedef struct layer {
    rg_weights *ws;
    mm_case c[N_W];
    const rg_weight *W[N_W];
    float bias[277];
    const float *b[N_W];
} layer;

static void layer_open(layer *l, rg_pool *pool)
{
    rg_err e = RG_ERR_INIT;
    rg_weight *list[N_W];
    OK(rg_weights_new(&l->ws, &e), e);
    for (size_t m = 0; m < N_W; m++) {
        l->c[m] = case_new(TYPES[m], OUT[m], K, 70 + m);
        OK(rg_weights_add(l->ws, "w", TYPES[m], OUT[m], K, l->c[m].rows, &e), e);
        l->b[m] = m == 1 ? NULL : l->bias;
    }
    for (size_t m = 0; m < N_W; m++)
        l->W[m] = list[m] = rg_weights_at(l->ws, m);
    for (size_t i = 0; i < COUNT(l->bias); i++)
        l->bias[i] = (float)sin((double)i);
    OK(rg_weights_pack(l->ws, list, N_W, pool, NULL, NULL, &e), e);
}

static void layer_close(layer *l)
{
    for (size_t m = 0; m < N_W; m++)
        case_free(&l->c[m]);
    rg_weights_free(l->ws);
}

static rg_tensor input(desk *d, size_t T)
{
    reserve(d, rg_ops_tensor_bytes(T, K) + rg_ops_linear_bytes(T, K) + rg_ops_tensor_bytes(T, 48) +
                   rg_ops_tensor_bytes(T, 16) + rg_ops_tensor_bytes(T, 277));
    const rg_tensor x = rg_op_new(d->o, T, K);
    fill(x, 9);
    return x;
}

/* Every matrix, row by row of x: one column, one thread. */
static void one_by_one(float *y, const layer *l, bool exact)
{
    desk d;
    desk_open(&d, 1, exact);
    rg_tensor x = input(&d, T_MAX);
    float *copy = rg_alloc(T_MAX * K, sizeof *copy);
    for (size_t t = 0; t < T_MAX; t++)
        memcpy(copy + t * K, x.x + t * x.ld, K * sizeof *copy);
    for (size_t t = 0; t < T_MAX; t++)
        for (size_t m = 0, at = 0; m < N_W; at += OUT[m++]) {
            rg_tensor one;
            x = input(&d, 1);
            memcpy(x.x, copy + t * K, K * sizeof *copy);
            rg_op_linear(d.o, &one, x, &l->W[m], l->b[m] == NULL ? NULL : &l->b[m], 1);
            memcpy(y + t * (48 + 16 + 277) + at, one.x, OUT[m] * sizeof *y);
        }
    rg_free(copy);
    desk_close(&d);
}

TEST(a_linear_of_many_is_each_alone)
{
    static const size_t rows[] = { 1, 2, 5, 128, 129, T_MAX }; /* pieces of 128 */
    enum { ALL = 48 + 16 + 277 };
    for (int exact = 0; exact < 2; exact++) {
        float *want = rg_alloc(T_MAX * ALL, sizeof *want);
        desk first;
        desk_open(&first, 2, exact);
        layer l;
        layer_open(&l, first.pool);
        one_by_one(want, &l, exact);
        for (size_t i = 0; i < COUNT(rows) * COUNT(THREADS); i++) {
            const size_t T = rows[i / COUNT(THREADS)];
            desk d;
            desk_open(&d, THREADS[i % COUNT(THREADS)], exact);
            rg_tensor y[N_W];
            rg_op_linear(d.o, y, input(&d, T), l.W, l.b, N_W);
            for (size_t t = 0; t < T; t++)
                for (size_t m = 0, at = 0; m < N_W; at += OUT[m++])
                    CHECK(same_row(y[m].x + t * y[m].ld, want + t * ALL + at, OUT[m]));
            desk_close(&d);
        }
        rg_free(want);
        layer_close(&l);
        desk_close(&first);
    }
}

/* y = x W^T + b in double. */
TEST(an_exact_linear_is_the_product)
{
    desk d;
    desk_open(&d, 2, true);
    layer l;
    layer_open(&l, d.pool);
    rg_tensor y[N_W];
    const rg_tensor x = input(&d, 7);
    float w[K];
    double worst = 0;
    rg_op_linear(d.o, y, x, l.W, l.b, N_W);
    for (size_t m = 0; m < N_W; m++)
        for (size_t r = 0; r < OUT[m]; r++) {
            rg_weight_row(w, l.W[m], r);
            for (size_t t = 0; t < 7; t++) {
                double want = l.b[m] == NULL ? 0 : (double)l.b[m][r], size = fabs(want);
                for (size_t i = 0; i < K; i++) {
                    want += (double)w[i] * (double)x.x[t * x.ld + i];
                    size += fabs((double)w[i] * (double)x.x[t * x.ld + i]);
                }
                worst = fmax(worst, fabs((double)y[m].x[t * y[m].ld + r] - want) / size);
            }
        }
    print_message("# worst %.3g of the sum of magnitudes\n", worst);
    CHECK(worst < 1e-6); /* measured: 2.0e-7 */
    layer_close(&l);
    desk_close(&d);
}

TEST(a_mark_gives_the_arena_back)
{
    desk d;
    desk_open(&d, 1, false);
    reserve(&d, 4 * rg_ops_tensor_bytes(10, 64));
    rg_op_new(d.o, 10, 64);
    const size_t mark = rg_ops_mark(d.o);
    const rg_tensor a = rg_op_new(d.o, 10, 64);
    rg_ops_rewind(d.o, mark);
    for (int i = 0; i < 100; i++) { /* would run out of the reservation without it */
        const rg_tensor b = rg_op_new(d.o, 10, 64);
        CHECK(b.x == a.x);
        rg_ops_rewind(d.o, mark);
    }
    desk_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(row_ops_are_their_kernels),
        cmocka_unit_test(a_linear_of_many_is_each_alone),
        cmocka_unit_test(an_exact_linear_is_the_product),
        cmocka_unit_test(a_mark_gives_the_arena_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
