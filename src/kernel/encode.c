/* encode.c - floats to the bytes that GGUF stores: the reverse of dequant.c.
 *
 * Here: plain floats and blocks of 32.  Super-blocks: encode_k.c.  The searches for scale and
 * min: encode_search.c.  Layouts: rawblock.c. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "encode_int.h"
#include "rung/kernel/kernel.h"

enum { BLOCK = 32 };

static void put16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static float put_half(uint8_t *p, float v)
{
    const uint16_t h = rg__enc_half(v);
    put16(p, h);
    return rg_f16_to_f32(h);
}

static void encode_float(uint8_t *out, const float *x, uint32_t type, size_t K)
{
    if (type == RG_F32)
        memcpy(out, x, K * sizeof *x);
    else
        for (size_t k = 0; k < K; k++)
            put16(out + 2 * k, type == RG_F16 ? rg_f16_from_f32(x[k]) : rg_bf16_from_f32(x[k]));
}

/* Eight bits need no search: the extreme goes to 127, ties away from zero. */
static void encode_q8(uint8_t *out, const float *x)
{
    float max = 0;
    for (size_t j = 0; j < BLOCK; j++)
        max = fabsf(x[j]) > max ? fabsf(x[j]) : max;
    const float d = max / 127, inv = d > 0 ? 1 / d : 0;
    put16(out, rg__enc_half(d));
    for (size_t j = 0; j < BLOCK; j++) {
        const float v = x[j] * inv;
        out[2 + j] = v >= -127.5f && v <= 127.5f ? (uint8_t)(int8_t)roundf(v) : 0;
    }
}

static void put_low_and_high(uint8_t *low, uint8_t *fifth, const uint8_t *q)
{
    for (size_t j = 0; j < 16; j++)
        low[j] = (uint8_t)((q[j] & 15) | q[j + 16] << 4);
    if (fifth == NULL)
        return;
    memset(fifth, 0, 4);
    for (size_t j = 0; j < BLOCK; j++)
        fifth[j / 8] |= (uint8_t)(q[j] >> 4 << j % 8);
}

/* Q4_0 and Q5_0: value (q - top) d.  w NULL: no search. */
static void encode_symmetric(uint8_t *out, const float *x, const float *w, bool five)
{
    const float top = five ? 16 : 8;
    uint8_t q[BLOCK];
    const float s = w ? rg__enc_symmetric(x, w, BLOCK, top) : rg__enc_span_symmetric(x, BLOCK, top);
    const float d = put_half(out, s);
    rg__enc_round(q, x, BLOCK, d, 0, -top, top - 1, top);
    put_low_and_high(out + (five ? 6 : 2), five ? out + 2 : NULL, q);
}

/* Q4_1 and Q5_1: value q d + m.  w NULL: no search. */
static void encode_affine(uint8_t *out, const float *x, const float *w, bool five)
{
    const float top = five ? 31 : 15;
    uint8_t q[BLOCK];
    float s, m;
    if (w != NULL)
        rg__enc_affine(&s, &m, x, w, BLOCK, top, 0);
    else
        rg__enc_span_affine(&s, &m, x, BLOCK, top);
    s = put_half(out, s);
    m = put_half(out + 2, m);
    rg__enc_round(q, x, BLOCK, s, m, 0, top, 0);
    put_low_and_high(out + (five ? 8 : 4), five ? out + 4 : NULL, q);
}

static void encode_iq4nl(uint8_t *out, const float *x, const float *w)
{
    uint8_t q[BLOCK];
    rg__enc_round_iq4(q, x, BLOCK, put_half(out, rg__enc_iq4(x, w, BLOCK)));
    put_low_and_high(out + 2, NULL, q);
}

/* Without importance the scale of Q4_0 to Q5_1 just spans the block: a search for the least squared
 * error stores the numbers 3 to 10 % better and the text worse (docs/results/quantize.md). */
static void encode_small(uint8_t *out, const float *x, const float *importance, float sigma2, uint32_t type)
{
    const bool with_min = type == RG_Q4_1 || type == RG_Q5_1;
    float w[BLOCK];
    if (type == RG_Q8_0) {
        encode_q8(out, x);
        return;
    }
    rg__enc_weights(w, x, importance, BLOCK, sigma2, with_min ? RG__W_AFFINE : RG__W_SQUARES);
    const float *how = importance ? w : NULL;
    if (type == RG_IQ4_NL)
        encode_iq4nl(out, x, w);
    else if (with_min)
        encode_affine(out, x, how, type == RG_Q5_1);
    else
        encode_symmetric(out, x, how, type == RG_Q5_0);
}

bool rg_k_can_quantize(uint32_t type)
{
    switch (type) {
    case RG_F32:
    case RG_F16:
    case RG_BF16:
    case RG_Q8_0:
    case RG_Q4_0:
    case RG_Q4_1:
    case RG_Q5_0:
    case RG_Q5_1:
    case RG_Q2_K:
    case RG_Q3_K:
    case RG_Q4_K:
    case RG_Q5_K:
    case RG_Q6_K:
    case RG_IQ4_NL:
    case RG_IQ4_XS: return true;
    default: return false;
    }
}

void rg_k_quantize_row(void *out, const float *x, const float *importance, uint32_t type, size_t K)
{
    const rg_type_info *info = rg_type_info_of(type);
    uint8_t *p = out;
    assert(rg_k_can_quantize(type) && K % info->block == 0);
    if (info->block == 1) {
        encode_float(p, x, type, K);
        return;
    }
    const float sigma2 = info->block == BLOCK ? rg__enc_mean_square(x, K) : 0;
    for (size_t k = 0; k < K; k += info->block, p += info->bytes) {
        const float *v = importance ? importance + k : NULL;
        if (info->block == BLOCK)
            encode_small(p, x + k, v, sigma2, type);
        else
            rg__enc_k(p, x + k, v, type);
    }
}
