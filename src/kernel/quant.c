/* quant.c - activations to 8 bits, one value at a time: the definition.
 *
 * Record layouts: mm_int.h. */
#include <math.h>

#include "mm_int.h"

/* Where column c of a record begins, and its strides. */
typedef struct column {
    uint8_t *rec;
    size_t tc, c;
} column;

static void put_i32(column at, size_t offset, size_t i, int32_t v)
{
    memcpy(at.rec + offset * at.tc + 4 * (i * at.tc + at.c), &v, sizeof v);
}

static void put_f32(column at, size_t offset, size_t i, float v)
{
    memcpy(at.rec + offset * at.tc + 4 * (i * at.tc + at.c), &v, sizeof v);
}

/* q of elements k0.. of the record from n floats; returns the scale. */
static float quant_run(column at, size_t k0, const float *x, size_t n)
{
    uint32_t max = 0;
    for (size_t k = 0; k < n; k++) {
        uint32_t u;
        memcpy(&u, x + k, sizeof u);
        u &= 0x7fffffffu;
        max = u > max ? u : max;
    }
    float inv;
    const float d = rg__act_scale(&inv, max);
    for (size_t k = k0; k < k0 + n; k++) {
        const int q = inv == 0.0f ? 0 : (int)nearbyintf(x[k - k0] * inv);
        at.rec[(k / 4 * at.tc + at.c) * 4 + k % 4] = (uint8_t)q;
    }
    return d;
}

static int32_t sum_q(column at, size_t k0, size_t n)
{
    int32_t s = 0;
    for (size_t k = k0; k < k0 + n; k++)
        s += (int8_t)at.rec[(k / 4 * at.tc + at.c) * 4 + k % 4];
    return s;
}

static void column_q32(column at, const float *x, size_t n)
{
    for (size_t b = 0; b < n / 32; b++) {
        const float d = quant_run(at, 32 * b, x + 32 * b, 32);
        const int32_t s = sum_q(at, 32 * b, 32);
        put_i32(at, RG__ACT_SUMS, b, -8 * s);
        put_i32(at, RG__ACT_SUMS, 8 + b, -16 * s);
        put_i32(at, RG__ACT_SUMS, 16 + b, -128 * s);
        put_f32(at, RG__ACT_32_FSUM, b, d * (float)s);
        put_f32(at, RG__ACT_32_D, b, d);
    }
}

static void column_q256(column at, rg_act kind, const float *x, size_t n)
{
    const rg__sums sums = rg__sums_of(kind);
    put_f32(at, rg__act_256_d(kind), 0, quant_run(at, 0, x, n));
    for (size_t i = 0; i < n / sums.run; i++) {
        const int32_t s = sum_q(at, i * sums.run, sums.run);
        if (sums.factor == 0)
            put_f32(at, RG__ACT_SUMS, i, (float)-s);
        else
            put_i32(at, RG__ACT_SUMS, i, -s * sums.factor);
    }
}

static void column_any(column at, rg_act kind, const float *x, size_t n)
{
    switch (kind) {
    case RG_ACT_Q32: column_q32(at, x, n); break;
    case RG_ACT_F32:
        for (size_t k = 0; k < n; k++)
            put_f32(at, 0, k, x[k]);
        break;
    default: column_q256(at, kind, x, n);
    }
}

static void quantize_ref(void *act, rg_act kind, const float *x, size_t ldx, size_t N, size_t K, size_t t0,
                         size_t t1)
{
    const size_t tc = rg__act_cols(N), bytes = rg__act_record_bytes(kind, tc);
    for (size_t t = t0; t < t1; t++)
        for (size_t k = 0; k < K; k += RG__GROUP_K) {
            uint8_t *rec = (uint8_t *)act + rg__act_at(kind, N, k / RG__GROUP_K, t);
            const size_t n = K - k < RG__GROUP_K ? K - k : RG__GROUP_K;
            memset(rec, 0, bytes);
            for (size_t c = 0; c < tc && t * tc + c < N; c++)
                column_any((column){ rec, tc, c }, kind, x + (t * tc + c) * ldx + k, n);
        }
}

void rg__quant_init_ref(rg_kernels *k)
{
    k->quantize = quantize_ref;
}
