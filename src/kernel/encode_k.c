/* encode_k.c - super-blocks of 256: runs of 16 or 32 whose scales (and mins) are themselves
 * stored as a few bits under one f16 (or two).  dequant.c and rawblock.c read them back.
 *
 *   Q2_K  runs of 16, q in 0..3,   value d sc q - dmin m, sc and m of 4 bits
 *         16 bytes sc | m << 4 | 64 bytes q | f16 d | f16 dmin
 *   Q3_K  runs of 16, q in -4..3,  value d sc q,          sc in -32..31
 *         32 bytes: bit 2 of q + 4 | 64 bytes: its low bits | 12 bytes sc + 32 | f16 d
 *   Q4_K  runs of 32, q in 0..15,  value d sc q - dmin m, sc and m of 6 bits
 *         f16 d | f16 dmin | 12 bytes sc, m | 128 bytes q
 *   Q5_K  the same with q in 0..31 and 32 bytes of fifth bits before the 128
 *   Q6_K  runs of 16, q in -32..31, value d sc q,         sc s8
 *         128 bytes: low 4 bits of q + 32 | 64 bytes: high 2 | 16 sc | f16 d
 *   IQ4_XS  runs of 32, q one of 16 uneven levels, value d sc level, sc in -32..31
 *         f16 d | u16: high 2 bits of sc + 32 | 4 bytes: low 4 | 128 bytes q
 *
 * Source: the GGUF format as published by the ggml project. */
#include <string.h>

#include "encode_int.h"
#include "rung/kernel/kernel.h"

enum { SUPER = 256 };

static void put16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

/* A rounded factor: its f16 bits, and the value those have. */
static float put_half(uint8_t *p, float v)
{
    const uint16_t h = rg__enc_half(v);
    put16(p, h);
    return rg_f16_to_f32(h);
}

/* Two runs of n elements into n bytes: low nibbles, then high ones. */
static void put_nibbles(uint8_t *p, const uint8_t *q, size_t n)
{
    for (size_t j = 0; j < n; j++)
        p[j] = (uint8_t)((q[j] & 15) | q[j + n] << 4);
}

/* Two bits of every element: byte j of a half of 128 holds elements j, j+32, j+64, j+96. */
static void put_pairs(uint8_t *p, const uint8_t *q, int shift)
{
    memset(p, 0, 64);
    for (size_t k = 0; k < SUPER; k++)
        p[32 * (k / 128) + k % 32] |= (uint8_t)((q[k] >> shift & 3) << 2 * (k / 32 % 4));
}

/* ---- scale and min: Q2_K, Q4_K, Q5_K ----------------------------------------------------- */

typedef struct mins {
    size_t run;           /* elements under one scale */
    float top, top_scale; /* greatest q, greatest stored scale and min */
    float d, dmin;
    uint8_t sc[16], m[16];
    uint8_t q[SUPER];
} mins;

static void fit_mins(mins *b, uint8_t *at_d, uint8_t *at_dmin, const float *x, const float *importance)
{
    const size_t n = SUPER / b->run;
    const float sigma2 = 2 * rg__enc_mean_square(x, SUPER);
    float w[RG__RUN_MAX], s[16], m[16], sum_w[16];
    for (size_t j = 0; j < n; j++) {
        const float *xj = x + j * b->run, *v = importance ? importance + j * b->run : NULL;
        const float own = v ? sigma2 : rg__enc_mean_square(xj, b->run);
        sum_w[j] = rg__enc_weights(w, xj, v, b->run, own, RG__W_AFFINE);
        rg__enc_affine(&s[j], &m[j], xj, w, b->run, b->top, 1);
        m[j] = -m[j];
    }
    b->d = put_half(at_d, rg__enc_levels(s, sum_w, n, b->top_scale));
    b->dmin = put_half(at_dmin, rg__enc_levels(m, sum_w, n, b->top_scale));
    rg__enc_round(b->sc, s, n, b->d, 0, 0, b->top_scale, 0);
    rg__enc_round(b->m, m, n, b->dmin, 0, 0, b->top_scale, 0);
    for (size_t j = 0; j < n; j++)
        rg__enc_round(b->q + j * b->run, x + j * b->run, b->run, b->d * (float)b->sc[j],
                      -(b->dmin * (float)b->m[j]), 0, b->top, 0);
}

static void encode_q2k(uint8_t *out, const float *x, const float *importance)
{
    mins b = { .run = 16, .top = 3, .top_scale = 15 };
    fit_mins(&b, out + 80, out + 82, x, importance);
    for (size_t j = 0; j < 16; j++)
        out[j] = (uint8_t)(b.sc[j] | b.m[j] << 4);
    put_pairs(out + 16, b.q, 0);
}

/* The reverse of scales_6bit() in rawblock.c. */
static void put_6bit(uint8_t *s, const uint8_t *sc, const uint8_t *m)
{
    for (size_t j = 0; j < 4; j++) {
        s[j] = (uint8_t)(sc[j] | sc[j + 4] >> 4 << 6);
        s[j + 4] = (uint8_t)(m[j] | m[j + 4] >> 4 << 6);
        s[j + 8] = (uint8_t)((sc[j + 4] & 15) | (m[j + 4] & 15) << 4);
    }
}

static void encode_q4k_q5k(uint8_t *out, const float *x, const float *importance, bool five)
{
    mins b = { .run = 32, .top = five ? 31 : 15, .top_scale = 63 };
    fit_mins(&b, out, out + 2, x, importance);
    put_6bit(out + 4, b.sc, b.m);
    uint8_t *low = out + (five ? 48 : 16);
    for (size_t c = 0; c < 4; c++)
        put_nibbles(low + 32 * c, b.q + 64 * c, 32);
    if (!five)
        return;
    memset(out + 16, 0, 32);
    for (size_t k = 0; k < SUPER; k++)
        out[16 + k % 32] |= (uint8_t)(b.q[k] >> 4 << k / 32);
}

/* ---- scale only: Q3_K, Q6_K, IQ4_XS ------------------------------------------------------- */

typedef struct scales {
    size_t run;
    float top, top_scale; /* q and stored scales are in [-top, top - 1] */
    rg__weighing how;
    float d;
    uint8_t sc[16]; /* plus top_scale */
    uint8_t q[SUPER];
} scales;

static void fit_scales(scales *b, uint8_t *at_d, const float *x, const float *importance)
{
    const size_t n = SUPER / b->run;
    const float sigma2 = 2 * rg__enc_mean_square(x, SUPER);
    float w[RG__RUN_MAX], s[16], sum_w[16];
    for (size_t j = 0; j < n; j++) {
        const float *xj = x + j * b->run;
        sum_w[j] =
            rg__enc_weights(w, xj, importance ? importance + j * b->run : NULL, b->run, sigma2, b->how);
        s[j] = b->top > 0 ? rg__enc_symmetric(xj, w, b->run, b->top) : rg__enc_iq4(xj, w, b->run);
    }
    b->d = put_half(at_d, rg__enc_symmetric(s, sum_w, n, b->top_scale));
    rg__enc_round(b->sc, s, n, b->d, 0, -b->top_scale, b->top_scale - 1, b->top_scale);
    for (size_t j = 0; j < n; j++) {
        const float dj = b->d * ((float)b->sc[j] - b->top_scale);
        if (b->top > 0)
            rg__enc_round(b->q + j * b->run, x + j * b->run, b->run, dj, 0, -b->top, b->top - 1, b->top);
        else
            rg__enc_round_iq4(b->q + j * b->run, x + j * b->run, b->run, dj);
    }
}

/* Sixteen 6-bit scales in 12 bytes: low nibbles of scales j and j + 8 in byte j, then the top two
 * bits of scales j, j+4, j+8, j+12 in byte 8 + j. */
static void put_q3k_scales(uint8_t *p, const uint8_t *sc)
{
    put_nibbles(p, sc, 8);
    memset(p + 8, 0, 4);
    for (size_t j = 0; j < 16; j++)
        p[8 + j % 4] |= (uint8_t)(sc[j] >> 4 << 2 * (j / 4));
}

static void encode_q3k(uint8_t *out, const float *x, const float *importance)
{
    scales b = { .run = 16, .top = 4, .top_scale = 32, .how = RG__W_SQUARES };
    fit_scales(&b, out + 108, x, importance);
    memset(out, 0, 32);
    for (size_t k = 0; k < SUPER; k++)
        out[k % 32] |= (uint8_t)(b.q[k] >> 2 << k / 32);
    put_pairs(out + 32, b.q, 0);
    put_q3k_scales(out + 96, b.sc);
}

static void encode_q6k(uint8_t *out, const float *x, const float *importance)
{
    scales b = { .run = 16, .top = 32, .top_scale = 128, .how = RG__W_IMPORTANCE_ONLY };
    fit_scales(&b, out + 208, x, importance);
    for (size_t h = 0; h < 2; h++)
        put_nibbles(out + 64 * h, b.q + 128 * h, 64);
    put_pairs(out + 128, b.q, 4);
    for (size_t j = 0; j < 16; j++)
        out[192 + j] = b.sc[j] ^ 0x80u; /* back to s8 */
}

static void encode_iq4xs(uint8_t *out, const float *x, const float *importance)
{
    scales b = { .run = 32, .top = 0, .top_scale = 32, .how = RG__W_SQUARES };
    fit_scales(&b, out, x, importance);
    uint16_t high = 0;
    for (size_t j = 0; j < 8; j++) {
        high = (uint16_t)(high | b.sc[j] >> 4 << 2 * j);
        if (j % 2 == 0)
            out[4 + j / 2] = (uint8_t)((b.sc[j] & 15) | b.sc[j + 1] << 4);
        put_nibbles(out + 8 + 16 * j, b.q + 32 * j, 16);
    }
    put16(out + 2, high);
}

void rg__enc_k(uint8_t *out, const float *x, const float *importance, uint32_t type)
{
    switch (type) {
    case RG_Q2_K: encode_q2k(out, x, importance); break;
    case RG_Q3_K: encode_q3k(out, x, importance); break;
    case RG_Q4_K: encode_q4k_q5k(out, x, importance, false); break;
    case RG_Q5_K: encode_q4k_q5k(out, x, importance, true); break;
    case RG_Q6_K: encode_q6k(out, x, importance); break;
    default: encode_iq4xs(out, x, importance); break;
    }
}
