/* rawblock.c - takes apart one quantised block as GGUF stores it.
 *
 *   Q4_0  f16 d, 16 bytes           byte j: element j low, j + 16 high; value (q - 8) d
 *   Q4_1  f16 d, f16 m, 16 bytes    likewise; value q d + m
 *   Q5_0  f16 d, u32 h, 16 bytes    likewise, bit 4 of element j = bit j of h; (q - 16) d
 *   Q5_1  f16 d, f16 m, u32 h, 16 bytes    likewise; value q d + m
 *   Q8_0  f16 d, 32 s8              value q d
 *   IQ4_NL  as Q4_0; value code[q] d
 *   IQ4_XS  f16 d, u16 and 4 bytes of 6-bit scales less 32, 8 x 16 bytes as Q4_0's
 *   Q2_K  16 bytes scale | min << 4, 64 bytes of 2-bit, f16 d, f16 dmin
 *   Q3_K  32 bytes of third bits, 64 bytes of 2-bit, 12 bytes of 6-bit scales less 32, f16 d
 *   Q4_K  f16 d, f16 dmin, 12 bytes of 6-bit scales and mins, 128 bytes
 *   Q5_K  the same with 32 bytes of fifth bits before the 128
 *   Q6_K  128 bytes low, 64 bytes high, 16 s8 scales, f16 d
 *
 * Source: the GGUF format as published by the ggml project. */
#include "mm_int.h"

static uint16_t read16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

/* Two runs of n elements out of n bytes: low nibbles, then high ones. */
static void nibbles(uint8_t *q, const uint8_t *p, size_t n)
{
    for (size_t j = 0; j < n; j++) {
        q[j] = p[j] & 15u;
        q[j + n] = p[j] >> 4;
    }
}

static void read_small(rg__raw *out, const uint8_t *p, uint32_t type)
{
    out->d = read16(p);
    if (type == RG_Q8_0) {
        for (size_t j = 0; j < 32; j++)
            out->q[j] = p[2 + j] ^ 0x80u; /* s8 + 128 */
        return;
    }
    p += 2;
    if (type == RG_Q4_1 || type == RG_Q5_1) {
        out->m = read16(p);
        p += 2;
    }
    const bool fifth = type == RG_Q5_0 || type == RG_Q5_1;
    nibbles(out->q, fifth ? p + 4 : p, 16);
    for (size_t j = 0; fifth && j < 32; j++)
        out->q[j] |= (uint8_t)((p[j / 8] >> j % 8 & 1) << 4);
}

/* ---- types of 256: scales ---------------------------------------------------------------- */

/* Eight 6-bit scales and eight 6-bit mins in 12 bytes: the first four of each lie in the low
 * six bits of bytes 0-3 and 4-7; the others have their low nibbles in bytes 8-11 and their
 * top two bits above the first four's. */
static void scales_q4k(rg__raw *out, const uint8_t *s)
{
    for (size_t j = 0; j < 4; j++) {
        out->sc[j] = s[j] & 63u;
        out->ms[j] = s[j + 4] & 63u;
        out->sc[j + 4] = (uint8_t)((s[j + 8] & 15u) | ((unsigned)s[j] >> 6) << 4);
        out->ms[j + 4] = (uint8_t)((unsigned)s[j + 8] >> 4 | ((unsigned)s[j + 4] >> 6) << 4);
    }
}

/* Sixteen 6-bit scales in 12 bytes: low nibbles of the first eight in the low halves of bytes
 * 0-7, of the others in the high halves; the top two bits of scale j in byte 8 + j % 4. */
static void scales_q3k(rg__raw *out, const uint8_t *s)
{
    for (size_t j = 0; j < 16; j++) {
        const unsigned low = (unsigned)s[j % 8] >> 4 * (j / 8) & 15u;
        const unsigned high = (unsigned)s[8 + j % 4] >> 2 * (j / 4) & 3u;
        out->sc[j] = (uint8_t)((low | high << 4) - 32u); /* s8 bits */
    }
}

/* Eight 6-bit scales: nibbles in four bytes, their top two bits in a word. */
static void scales_iq4xs(rg__raw *out, unsigned high, const uint8_t *s)
{
    for (size_t j = 0; j < 8; j++) {
        const unsigned low = (unsigned)s[j / 2] >> 4 * (j % 2) & 15u;
        out->sc[j] = (uint8_t)((low | (high >> 2 * j & 3u) << 4) - 32u); /* s8 bits */
    }
}

void rg__raw_scales(rg__raw *out, const uint8_t *p, uint32_t type)
{
    const size_t at = type == RG_Q2_K ? 80 : type == RG_Q3_K ? 108 : type == RG_Q6_K ? 208 : 0;
    out->d = read16(p + at);
    out->m = 0;
    switch (type) {
    case RG_Q2_K: memcpy(out->sc, p, 16); break;
    case RG_Q3_K: scales_q3k(out, p + 96); break;
    case RG_Q6_K: memcpy(out->sc, p + 192, 16); break;
    case RG_IQ4_XS: scales_iq4xs(out, read16(p + 2), p + 4); break;
    default: scales_q4k(out, p + 4);
    }
    if (type == RG_Q2_K || type == RG_Q4_K || type == RG_Q5_K)
        out->m = read16(p + at + 2);
}

/* ---- types of 256: values ---------------------------------------------------------------- */

/* Two bits of element k: four runs of 32 elements share 32 bytes, from the low bits upward. */
static unsigned two_bits(const uint8_t *p, size_t k)
{
    return (unsigned)p[32 * (k / 128) + k % 32] >> 2 * (k / 32 % 4) & 3u;
}

/* One bit of element k: all eight runs share 32 bytes. */
static unsigned one_bit(const uint8_t *p, size_t k)
{
    return (unsigned)p[k % 32] >> k / 32 & 1u;
}

static void values_q2k_q3k(rg__raw *out, const uint8_t *low, const uint8_t *high)
{
    for (size_t k = 0; k < 256; k++)
        out->q[k] = (uint8_t)(two_bits(low, k) | (high ? one_bit(high, k) << 2 : 0));
}

static void values_q4k_q5k(rg__raw *out, const uint8_t *low, const uint8_t *high)
{
    for (size_t c = 0; c < 4; c++)
        nibbles(out->q + 64 * c, low + 32 * c, 32);
    for (size_t k = 0; high && k < 256; k++)
        out->q[k] |= (uint8_t)(one_bit(high, k) << 4);
}

static void values_q6k(rg__raw *out, const uint8_t *low, const uint8_t *high)
{
    for (size_t h = 0; h < 2; h++) /* halves of 128 elements */
        nibbles(out->q + 128 * h, low + 64 * h, 64);
    for (size_t k = 0; k < 256; k++)
        out->q[k] |= (uint8_t)(two_bits(high, k) << 4);
}

static void values_iq4xs(rg__raw *out, const uint8_t *p)
{
    for (size_t b = 0; b < 8; b++)
        nibbles(out->q + 32 * b, p + 16 * b, 16);
}

void rg__raw_read(rg__raw *out, const uint8_t *block, uint32_t type)
{
    if (rg_type_info_of(type)->block == 32) {
        read_small(out, block, type);
        return;
    }
    rg__raw_scales(out, block, type);
    switch (type) {
    case RG_Q2_K: values_q2k_q3k(out, block + 16, NULL); break;
    case RG_Q3_K: values_q2k_q3k(out, block + 32, block); break;
    case RG_Q4_K: values_q4k_q5k(out, block + 16, NULL); break;
    case RG_Q5_K: values_q4k_q5k(out, block + 48, block + 16); break;
    case RG_Q6_K: values_q6k(out, block, block + 128); break;
    default: values_iq4xs(out, block + 8);
    }
}
