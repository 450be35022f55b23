/* bench_mm.c - rates of the matrix kernels beside the limits of the machine.
 *
 *     bench_mm [--json] [TYPE|all] [SHAPE 0-3|all] [LEVEL]      e.g.  bench_mm Q5_0 1 avx2
 *
 * Each matrix is repeated until it fills 128 MiB, so that weights come from memory; every
 * number is the median of five passes.  GOP/s counts a multiplication and an addition as two;
 * GB/s counts the bytes of packed weights.  "of" names the limit that is nearer and the share
 * reached: b = bytes read, i = 8-bit dots, f = f32 fma, for that many threads.  --json prints one
 * object a number, with that share as "ratio" (tools/bench reads it). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rung/base/call.h"
#include "rung/base/mem.h"
#include "rung/base/pool.h"
#include "rung/base/rng.h"
#include "rung/kernel/kernel.h"
#include "rung/kernel/peak.h"

enum { PASSES = 5, MAX_N = 128, MAX_K = 4864 };
static const size_t weights_bytes = (size_t)128 << 20;
static const size_t shapes[][2] = { { 896, 896 }, { 4864, 896 }, { 896, 4864 }, { 151936, 896 } };
static const size_t widths[] = { 1, 4, 16, 128 };
static const uint32_t types[] = { RG_Q4_0, RG_Q4_1, RG_Q5_0, RG_Q5_1,   RG_Q8_0,   RG_Q2_K, RG_Q3_K,
                                  RG_Q4_K, RG_Q5_K, RG_Q6_K, RG_IQ4_NL, RG_IQ4_XS, RG_F16,  RG_F32 };

typedef struct limits {
    double read, dot, fma; /* bytes or operations a second */
} limits;

typedef struct bench {
    rg_pool *pool;
    rg_kernels k;
    uint8_t *weights, *scratch;
    float *x, *y;
    void *act;
    rg_panels w; /* the matrix at hand: data moves through `weights` */
    size_t N, scratch_bytes;
    limits lim;
} bench;

static double seconds(void)
{
    return (double)rg_now_ns() * 1e-9;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* ---- limits -------------------------------------------------------------------------------- */

typedef struct probe {
    const bench *b;
    double (*fn)(rg_isa isa, size_t rounds); /* NULL: read */
    double ops;                              /* of one piece */
    uint64_t seen[64];
} probe;

enum { ROUNDS = 2000000 };

static void probe_task(void *arg, size_t begin, size_t end, size_t thread)
{
    probe *p = arg;
    for (size_t i = begin; i < end; i++) {
        if (p->fn)
            p->ops = p->fn(p->b->k.isa, ROUNDS);
        else /* pieces of 1 MiB */
            p->seen[thread % 64] ^= rg_k_peak_read(p->b->weights + (i << 20), 1 << 20);
    }
}

static double best_rate(probe *p, size_t pieces)
{
    double best = 0.0;
    const size_t n = rg_pool_threads(p->b->pool);
    for (int i = 0; i < PASSES; i++) {
        const double t = seconds();
        rg_parallel(p->b->pool, pieces, pieces / n, probe_task, p);
        const double rate = (double)pieces * p->ops / (seconds() - t);
        best = rate > best ? rate : best;
    }
    return best;
}

static limits measure_limits(const bench *b)
{
    const size_t n = rg_pool_threads(b->pool);
    probe read = { .b = b, .ops = 1 << 20 }, dot = { .b = b, .fn = rg_k_peak_i8 },
          fma = { .b = b, .fn = rg_k_peak_f32 };
    return (limits){ best_rate(&read, weights_bytes >> 20), best_rate(&dot, n), best_rate(&fma, n) };
}

/* ---- products --------------------------------------------------------------------------------- */

/* One random panel, then copies of it all over. */
static void fill_weights(bench *b, uint32_t type, size_t K)
{
    const rg_type_info *info = rg_type_info_of(type);
    const size_t row = K / info->block * info->bytes, n = 16 * row;
    uint8_t *rows = rg_alloc(n, 1);
    if (!rows)
        return;
    for (size_t i = 0; i < n; i++) /* bytes below 0x40: no f16 or f32 here is NaN or infinite */
        rows[i] = (uint8_t)(rg_draw_u64(1, i, RG_DRAW_NOISE) & 0x3f);
    const size_t bytes = rg_panel_bytes(type, K);
    rg_k_pack(b->weights, rows, row, 16, type, K);
    for (size_t p = 1; (p + 1) * bytes <= weights_bytes; p++)
        memcpy(b->weights + p * bytes, b->weights, bytes);
    rg_free(rows);
}

static void mm_task(void *arg, size_t begin, size_t end, size_t thread)
{
    bench *b = arg;
    b->k.mm(b->y, b->w.R, &b->w, b->act, b->N, begin, end, b->scratch + thread * b->scratch_bytes);
}

/* Seconds of one pass over all copies of the matrix. */
static double pass(bench *b, size_t copies)
{
    const size_t panels = b->w.R / 16, bytes = panels * b->w.panel_bytes;
    const size_t n = rg_pool_threads(b->pool), grain = (panels / n + 1) / 2 * 2;
    const double t = seconds();
    for (size_t c = 0; c < copies; c++) {
        b->w.data = b->weights + c * bytes;
        rg_parallel(b->pool, panels, grain, mm_task, b);
    }
    return seconds() - t;
}

typedef struct rate {
    double gops, gbs, share;
    char limit;
} rate;

static rate measure(bench *b, uint32_t type, size_t R, size_t K, size_t N, const limits *lim)
{
    double t[PASSES];
    const rg_act kind = rg_act_of(type);
    b->N = N;
    b->w = (rg_panels){ type, R, K, rg_panel_bytes(type, K), b->weights };
    const size_t bytes = R / 16 * b->w.panel_bytes;
    size_t copies = weights_bytes / bytes;
    if (copies == 0) { /* the head in a wide type: as many rows as fit */
        b->w.R = R = weights_bytes / b->w.panel_bytes * 16;
        copies = 1;
    }
    b->k.quantize(b->act, kind, b->x, MAX_K, N, K, 0, rg_act_tiles(N));
    for (int i = 0; i < PASSES; i++)
        t[i] = pass(b, copies);
    qsort(t, PASSES, sizeof t[0], by_value);
    const double ops = 2.0 * (double)(R * K * N * copies) / t[PASSES / 2];
    const double got = (double)(R / 16 * b->w.panel_bytes * copies) / t[PASSES / 2];
    const double by_read = got / lim->read, by_ops = ops / (kind == RG_ACT_F32 ? lim->fma : lim->dot);
    return (rate){ ops * 1e-9, got * 1e-9, by_read > by_ops ? by_read : by_ops,
                   by_read > by_ops     ? 'b'
                   : kind == RG_ACT_F32 ? 'f'
                                        : 'i' };
}

static void put_json(const bench *b, uint32_t type, const size_t shape[2], size_t N, const rate *r)
{
    const char *of = r->limit == 'b' ? "read" : r->limit == 'i' ? "int8" : "f32";
    printf("{\"row\":\"mm %s %zux%zu N%zu t%zu\",\"gops\":%.4g,\"gb_per_s\":%.4g,\"ratio\":%.4g,"
           "\"of\":\"%s\"}\n",
           rg_type_info_of(type)->name, shape[0], shape[1], N, rg_pool_threads(b->pool), r->gops, r->gbs,
           r->share, of);
}

static void put_rows(bench b[2], uint32_t type, const size_t shape[2])
{
    fill_weights(&b[0], type, shape[1]);
    for (size_t n = 0; n < RG_COUNT(widths); n++)
        for (int i = 0; i < 2; i++) {
            const rate r = measure(&b[i], type, shape[0], shape[1], widths[n], &b[i].lim);
            put_json(&b[i], type, shape, widths[n], &r);
        }
}

static void table(bench b[2], uint32_t type, const size_t shape[2])
{
    printf("\n%s %zu x %zu\n   N | 1 thread GOP/s   GB/s   of   | 2 threads GOP/s   GB/s   of\n",
           rg_type_info_of(type)->name, shape[0], shape[1]);
    fill_weights(&b[0], type, shape[1]);
    for (size_t n = 0; n < RG_COUNT(widths); n++) {
        printf("%4zu |", widths[n]);
        for (int i = 0; i < 2; i++) {
            const rate r = measure(&b[i], type, shape[0], shape[1], widths[n], &b[i].lim);
            printf(" %12.1f %8.2f %4.0f%% %c |", r.gops, r.gbs, 100.0 * r.share, r.limit);
        }
        printf("\n");
        fflush(stdout);
    }
}

static bool open_bench(bench *b, size_t threads, rg_isa isa, bool json, const bench *share)
{
    rg_err e = RG_ERR_INIT;
    *b = share ? *share : (bench){ 0 };
    if (rg_pool_new(&b->pool, threads, &e) != RG_OK)
        return false;
    rg_kernels_init(&b->k, isa);
    b->scratch_bytes = RG_ROUND_UP(rg_mm_scratch_bytes(MAX_N, MAX_K), (size_t)4096);
    b->scratch = rg_alloc_aligned(b->scratch_bytes * threads);
    if (!share) {
        b->weights = rg_alloc_aligned(weights_bytes);
        b->x = rg_alloc_aligned((size_t)MAX_N * MAX_K * sizeof(float));
        b->y = rg_alloc_aligned((size_t)MAX_N * 151936 * sizeof(float));
        b->act = rg_alloc_aligned(rg_act_bytes(RG_ACT_F32, MAX_N, MAX_K));
        if (!b->weights || !b->x || !b->y || !b->act)
            return false;
        memset(b->weights, 1, weights_bytes);
        memset(b->y, 0, (size_t)MAX_N * 151936 * sizeof(float));
        for (size_t i = 0; i < (size_t)MAX_N * MAX_K; i++)
            b->x[i] = (float)rg_draw_uniform(2, i, RG_DRAW_NOISE) - 0.5f;
    }
    b->lim = measure_limits(b);
    if (!json)
        printf("%zu thread%s: read %.1f GB/s, 8-bit dots %.0f GOP/s, f32 fma %.0f GFLOP/s\n", threads,
               threads == 1 ? "" : "s", b->lim.read * 1e-9, b->lim.dot * 1e-9, b->lim.fma * 1e-9);
    return b->scratch != NULL;
}

static void bench_quantize(bench *b)
{
    static const char *const names[RG_N_ACT] = {
        "f32", "per 32", "per 256", "per 256, sums per 16", "... offset 4", "... mins", "... offset 128"
    };
    for (int kind = RG_ACT_F32; kind < RG_N_ACT; kind++) {
        const double t = seconds();
        for (int i = 0; i < 20; i++)
            b->k.quantize(b->act, (rg_act)kind, b->x, MAX_K, 16, MAX_K, 0, 4);
        printf("activations %-21s %.2f ns an element, 1 thread\n", names[kind],
               (seconds() - t) * 1e9 / (20.0 * 16 * MAX_K));
    }
}

int main(int argc, char **argv)
{
    bench b[2];
    rg_isa isa = rg_isa_best();
    const bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
    argc -= json;
    argv += json;
    const char *type = argc > 1 && strcmp(argv[1], "all") != 0 ? argv[1] : NULL;
    const char *shape = argc > 2 && strcmp(argv[2], "all") != 0 ? argv[2] : NULL;
    if (argc > 3 && (!rg_isa_parse(&isa, argv[3]) || !rg_isa_available(isa))) {
        fprintf(stderr, "bench_mm: level %s is not one this machine has\n", argv[3]);
        return 2;
    }
    if (!json)
        printf("level %s\n", rg_isa_name(isa));
    if (!open_bench(&b[0], 1, isa, json, NULL) || !open_bench(&b[1], 2, isa, json, &b[0])) {
        fprintf(stderr, "bench_mm: not enough memory\n");
        return 4;
    }
    if (!json)
        bench_quantize(&b[0]);
    for (size_t t = 0; t < RG_COUNT(types); t++)
        for (size_t s = 0; s < RG_COUNT(shapes); s++)
            if ((!type || strcmp(type, rg_type_info_of(types[t])->name) == 0) &&
                (!shape || (size_t)atoi(shape) == s) && shapes[s][1] % rg_type_info_of(types[t])->block == 0)
                (json ? put_rows : table)(b, types[t], shapes[s]);
    return 0;
}
