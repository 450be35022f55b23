/* half.c - half-precision floats, one at a time; the vector levels give the same bits.
 *
 *   f16   1 sign, 5 exponent (bias 15), 10 fraction      bf16   the upper half of an f32
 *
 * NaN keeps its sign and leading fraction bits and becomes quiet, as the conversion
 * instructions do it. */
#include "rung/kernel/kernel.h"

#include <string.h>

static uint32_t bits_of(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static float float_of(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

float rg_f16_to_f32(uint16_t h)
{
    const uint32_t sign = (uint32_t)(h & 0x8000u) << 16, e = (h >> 10) & 31u, m = h & 0x3ffu;
    if (e == 31)
        return float_of(sign | 0x7f800000u | (m ? 0x400000u : 0u) | m << 13);
    if (e == 0) { /* zero or subnormal: m * 2^-24 is exact in f32 */
        const float v = (float)m * 0x1p-24f;
        return sign ? -v : v;
    }
    return float_of(sign | (e + 112) << 23 | m << 13);
}

/* x / 2^n rounded to nearest even, 1 <= n <= 31. */
static uint32_t shift_round(uint32_t x, uint32_t n)
{
    const uint32_t half = 1u << (n - 1), odd = (x >> n) & 1u;
    return (x + half - 1 + odd) >> n;
}

uint16_t rg_f16_from_f32(float f)
{
    const uint32_t u = bits_of(f), sign = (u >> 16) & 0x8000u, a = u & 0x7fffffffu;
    if (a > 0x7f800000u)
        return (uint16_t)(sign | 0x7e00u | ((a >> 13) & 0x1ffu));
    if (a >= 0x47800000u) /* 65536 and up */
        return (uint16_t)(sign | 0x7c00u);
    if (a >= 0x38800000u) /* normal; a carry out of the fraction moves into the exponent, up to infinity */
        return (uint16_t)(sign | shift_round(a - 0x38000000u, 13));
    const uint32_t e = a >> 23;
    if (e < 102) /* below 2^-25 */
        return (uint16_t)sign;
    return (uint16_t)(sign | shift_round((a & 0x7fffffu) | 0x800000u, 126 - e));
}

float rg_bf16_to_f32(uint16_t h)
{
    return float_of((uint32_t)h << 16);
}

uint16_t rg_bf16_from_f32(float f)
{
    const uint32_t u = bits_of(f);
    if ((u & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)((u >> 16) | 0x40u);
    return (uint16_t)((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}
