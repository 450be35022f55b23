/* bench_vec.c - what the vector kernels reach at every level this machine has.
 *
 *     bench_vec [--json]
 *
 * attn_page: GFLOP/s (4 * D * 32 a query) and the share of the f32 fma peak, which is measured
 * here (AVX2's for ref).  The others: elements/s over a vector that
 * stays in the caches, and bytes/s read plus written.  One thread; the best of several.  --json
 * prints one object a number: "ratio" is the share of the peak for attn_page, the speed relative
 * to the scalar reference for the rest (tools/bench reads it). */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rung/kernel/kernel.h"
#include "rung/kernel/peak.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

enum { MAX_M = 224, MAX_D = 128, PAGES = 4, LONG = 4864, VOCAB = 151936, REPEATS = 15 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

enum { PEAK_ROUNDS = 200000 };

static double peak_flops(rg_isa isa)
{
    double best = 0;
    for (size_t r = 0; r < REPEATS; r++) {
        const double t = now();
        const double ops = rg_k_peak_f32(isa, PEAK_ROUNDS);
        best = fmax(best, ops / (now() - t));
    }
    return best;
}

/* ---- attention --------------------------------------------------------------------------- */

static float *floats(size_t n)
{
    float *x = aligned_alloc(64, (n * sizeof *x + 63) / 64 * 64);
    if (!x)
        exit(1);
    uint32_t s = 12345;
    for (size_t i = 0; i < n; i++) {
        s = s * 1664525u + 1013904223u;
        x[i] = (float)(s >> 8) * 0x1p-23f - 1.0f;
    }
    return x;
}

static void put_attn(const rg_kernels *k, size_t D, size_t M, double rate, double peak, bool json)
{
    if (!json)
        printf("%-6s attn_page  D %3zu  M %3zu  %7.2f GFLOP/s  %3.0f %% of peak\n", k->name, D, M,
               rate * 1e-9, 100 * rate / peak);
    else if (k->isa != RG_ISA_REF)
        printf("{\"row\":\"%s attn_page D%zu M%zu\",\"gflops\":%.4g,\"ratio\":%.4g,\"of\":\"f32\"}\n",
               k->name, D, M, rate * 1e-9, rate / peak);
}

static void bench_attn(const rg_kernels *k, double peak, bool json)
{
    static const size_t dims[] = { 64, 128 }, crowds[] = { 1, 7, 28, 112, 224 };
    float *const kp = floats(PAGES * MAX_D * RG_PAGE), *const vp = floats(PAGES * MAX_D * RG_PAGE);
    float *const qs = floats(MAX_M * MAX_D), *const sts = floats(MAX_M * (MAX_D + 16));
    float *st[MAX_M];
    const float *q[MAX_M];
    uint8_t from[MAX_M] = { 0 }, to[MAX_M];
    memset(to, RG_PAGE, sizeof to);
    for (size_t i = 0; i < COUNT(dims) * COUNT(crowds); i++) {
        const size_t D = dims[i / COUNT(crowds)], M = crowds[i % COUNT(crowds)];
        const size_t loops = (k->isa == RG_ISA_REF ? 1 : 100) + (k->isa == RG_ISA_REF ? 100 : 20000) / M;
        for (size_t m = 0; m < M; m++) {
            st[m] = sts + m * (D + 16);
            q[m] = qs + m * D;
            memset(st[m], 0, (D + 2) * sizeof(float));
            st[m][D] = -INFINITY;
        }
        double best = 0;
        for (size_t r = 0; r < REPEATS; r++) {
            const double t = now();
            for (size_t l = 0; l < loops; l++)
                k->attn_page(st, q, from, to, M, kp + l % PAGES * D * RG_PAGE, vp + l % PAGES * D * RG_PAGE,
                             D);
            best = fmax(best, 4.0 * (double)(D * RG_PAGE * M * loops) / (now() - t));
        }
        put_attn(k, D, M, best, peak, json);
    }
    free(kp), free(vp), free(qs), free(sts);
}

/* ---- the rest ----------------------------------------------------------------------------- */

typedef struct vectors {
    const rg_kernels *k;
    float *x, *y, *w;
    int32_t *idx;
} vectors;

static void run_rmsnorm(vectors *v)
{
    v->k->rmsnorm(v->y, v->x, v->w, 4, 896, 1e-6f);
}
static void run_add(vectors *v)
{
    v->k->add(v->y, v->x, v->w, LONG);
}
static void run_gelu(vectors *v)
{
    v->k->gelu_mul(v->y, v->x, v->w, LONG);
}

static void run_silu(vectors *v)
{
    v->k->silu_mul(v->y, v->x, v->w, LONG);
}
static void run_rope(vectors *v)
{
    v->k->rope(v->x, v->w, 14, 64, 64, true);
}
static void run_rope_pairs(vectors *v)
{
    v->k->rope(v->x, v->w, 14, 64, 64, false);
}
static void run_exp(vectors *v)
{
    v->k->exp_shift(v->y, v->x, LONG, 1.0f, 1.0f);
}
static void run_sums(vectors *v)
{
    v->k->exp_sums(v->y, v->x, VOCAB, 1.0f, 1.0f);
}
static void run_max(vectors *v)
{
    size_t at;
    v->y[0] = v->k->max(v->x, VOCAB, &at);
}
static void run_at_least(vectors *v)
{
    v->y[0] = (float)v->k->at_least(v->idx, 4096, v->x, VOCAB, 0.999f);
}
static void run_nonfinite(vectors *v)
{
    v->y[0] = (float)v->k->nonfinite(v->w, LONG);
}
static void run_widen(vectors *v)
{
    v->k->kv_widen(v->y, v->y + 64 * RG_PAGE, v->idx, v->idx + 16 * RG_PAGE, RG_F16, 64);
}
static void run_put(vectors *v)
{
    v->k->kv_put(v->idx, v->idx + 64 * RG_PAGE, RG_F16, v->x, v->w, 64, 5);
}
static void run_widen_q8(vectors *v)
{
    v->k->kv_widen(v->y, v->y + 64 * RG_PAGE, v->idx, v->idx + 20 * RG_PAGE, RG_Q8_0, 64);
}
static void run_put_q8(vectors *v)
{
    v->k->kv_put(v->idx, v->idx + 64 * RG_PAGE, RG_Q8_0, v->x, v->w, 64, 5);
}

static const struct {
    const char *name;
    void (*run)(vectors *v);
    double elements, bytes; /* a call; bytes read and written an element */
} row[] = {
    { "rmsnorm 4 x 896", run_rmsnorm, 4 * 896, 12 },
    { "add 4864", run_add, LONG, 12 },
    { "silu_mul 4864", run_silu, LONG, 12 },
    { "gelu_mul 4864", run_gelu, LONG, 12 },
    { "rope 14 x 64 neox", run_rope, 14 * 64, 8 },
    { "rope 14 x 64 pairs", run_rope_pairs, 14 * 64, 8 },
    { "exp_shift 4864", run_exp, LONG, 8 },
    { "exp_sums 151936", run_sums, VOCAB, 4 },
    { "max 151936", run_max, VOCAB, 4 },
    { "at_least 151936", run_at_least, VOCAB, 4 },
    { "nonfinite 4864", run_nonfinite, LONG, 4 },
    { "kv_widen f16 D 64", run_widen, 2 * 64 * RG_PAGE, 6 },
    { "kv_put f16 D 64", run_put, 2 * 64, 6 },
    { "kv_widen q8 D 64", run_widen_q8, 2 * 64 * RG_PAGE, 5.06 },
    { "kv_put q8 D 64", run_put_q8, 2 * 64, 5.06 },
};

static void put_rest(const rg_kernels *k, size_t i, double rate, double reference, bool json)
{
    if (!json)
        printf("%-6s %-20s %8.3f G elements/s  %7.2f GB/s\n", k->name, row[i].name, rate * 1e-9,
               rate * row[i].bytes * 1e-9);
    else if (k->isa != RG_ISA_REF)
        printf("{\"row\":\"%s %s\",\"elements_per_s\":%.4g,\"ratio\":%.4g,\"of\":\"reference\"}\n", k->name,
               row[i].name, rate, rate / reference);
}

/* Rates of all rows; reference[] is written by the reference level, which runs first. */
static void bench_rest(const rg_kernels *k, double reference[], bool json)
{
    vectors v = { k, floats(VOCAB), floats(LONG * 2), floats(LONG), calloc(8192, sizeof(int32_t)) };
    if (!v.idx)
        exit(1);
    for (size_t i = 0; i < COUNT(row); i++) {
        const size_t loops = 1 + (size_t)((k->isa == RG_ISA_REF ? 2e5 : 2e6) / row[i].elements);
        double best = 0;
        for (size_t r = 0; r < REPEATS; r++) {
            const double t = now();
            for (size_t l = 0; l < loops; l++)
                row[i].run(&v);
            best = fmax(best, row[i].elements * (double)loops / (now() - t));
        }
        if (k->isa == RG_ISA_REF)
            reference[i] = best;
        put_rest(k, i, best, reference[i], json);
    }
    free(v.x), free(v.y), free(v.w), free(v.idx);
}

int main(int argc, char **argv)
{
    const bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
    double reference[COUNT(row)];
    for (int isa = 0; isa < RG_N_ISA; isa++) {
        if (!rg_isa_available((rg_isa)isa))
            continue;
        rg_kernels k;
        rg_kernels_init(&k, (rg_isa)isa);
        const double peak = peak_flops((rg_isa)isa);
        if (!json)
            printf("%-6s f32 fma peak %.1f GFLOP/s, one thread\n", k.name, peak * 1e-9);
        bench_attn(&k, peak, json);
        bench_rest(&k, reference, json);
    }
    return 0;
}
