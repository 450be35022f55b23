/* mm_unpack2.h - weights of half a panel into registers, AVX2: byte vectors of 8 rows x 4 k and
 * scales as floats.  half (0, 1) picks rows 0..7 or 8..15.  Without VNNI a dot is pmaddubsw,
 * which adds two products in 16 bits and saturates:
 *
 *   4 to 6 bits   63 * 127 * 2 = 16,002, so two groups are added before they widen to 32 bits
 *   8 bits        255 * 127 * 2 is too much; |q - 128| * (x with q's sign) is at most 32,512 */
#ifndef RUNG_MM_UNPACK2_H
#define RUNG_MM_UNPACK2_H

#include "mm_common.h"

#define RG__LANES 8

typedef __m256 vf;
typedef __m256i vi;

static RG__INLINE vf vf_load(const float *p)
{
    return _mm256_loadu_ps(p);
}

static RG__INLINE void vf_store(float *p, vf v)
{
    _mm256_storeu_ps(p, v);
}

static RG__INLINE vf vf_set(float v)
{
    return _mm256_set1_ps(v);
}

static RG__INLINE vf vf_zero(void)
{
    return _mm256_setzero_ps();
}

static RG__INLINE vi vi_zero(void)
{
    return _mm256_setzero_si256();
}

static RG__INLINE vf vf_mul(vf a, vf b)
{
    return _mm256_mul_ps(a, b);
}

static RG__INLINE vf vf_fma(vf a, vf b, vf c)
{
    return _mm256_fmadd_ps(a, b, c);
}

static RG__INLINE vf vf_of_int(vi a)
{
    return _mm256_cvtepi32_ps(a);
}

static RG__INLINE vi i32_at(const uint8_t *p, size_t at)
{
    int32_t v;
    memcpy(&v, p + at, sizeof v);
    return _mm256_set1_epi32(v);
}

static RG__INLINE vf f32_at(const uint8_t *p, size_t at)
{
    float v;
    memcpy(&v, p + at, sizeof v);
    return _mm256_set1_ps(v);
}

static RG__INLINE vi bytes_at(const uint8_t *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

/* Does dot2 take the offset out of the weights by itself? */
static RG__INLINE bool dot_signed(rg__layout L)
{
    return L.offset == 128;
}

static RG__INLINE __m256i dot_s8(__m256i w, __m256i x)
{
    const __m256i q = _mm256_xor_si256(w, _mm256_set1_epi8(-128));
    return _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_abs_epi8(q), _mm256_sign_epi8(x, q)),
                             _mm256_set1_epi16(1));
}

/* i + lo . x_lo + hi . x_hi: four k of one column each, the same for all rows. */
static RG__INLINE vi dot2(vi i, vi lo, vi hi, const uint8_t *x_lo, const uint8_t *x_hi, rg__layout L)
{
    const __m256i a = i32_at(x_lo, 0), b = i32_at(x_hi, 0);
    if (dot_signed(L))
        return _mm256_add_epi32(_mm256_add_epi32(i, dot_s8(lo, a)), dot_s8(hi, b));
    const __m256i t = _mm256_add_epi16(_mm256_maddubs_epi16(lo, a), _mm256_maddubs_epi16(hi, b));
    return _mm256_add_epi32(i, _mm256_madd_epi16(t, _mm256_set1_epi16(1)));
}

static RG__INLINE vf f16x8(const uint8_t *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
}

static RG__INLINE vi bytes8(const uint8_t *p)
{
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p));
}

static RG__INLINE vf u8x8(const uint8_t *p)
{
    return _mm256_cvtepi32_ps(bytes8(p));
}

static RG__INLINE vf s8x8(const uint8_t *p)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p)));
}

/* The bit at position g of each byte, or the two bits at 2g (n = 2), moved to bit `to` (and the
 * next); bits that cross into the next byte are masked away. */
static RG__INLINE vi high_bits(vi h, int n, int g, int to)
{
    const int shift = to - n * g;
    h = shift >= 0 ? _mm256_slli_epi32(h, shift) : _mm256_srli_epi32(h, -shift);
    return _mm256_and_si256(h, _mm256_set1_epi8((char)((n == 1 ? 1 : 3) << to)));
}

/* Field g of each byte, of L.low_bits bits; what it stands for where it is a place in the codebook. */
static RG__INLINE vi low_value(vi v, int g, rg__layout L)
{
    v = g == 0 ? v : _mm256_srli_epi16(v, L.low_bits * g);
    v = _mm256_and_si256(v, _mm256_set1_epi8((char)((1 << L.low_bits) - 1)));
    if (!L.codebook)
        return v;
    const __m128i code = _mm_loadu_si128((const __m128i *)(const void *)rg__iq4);
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(code), v);
}

/* Groups 2j and 2j + 1 of a block, half of the rows. */
static RG__INLINE void pair(vi *lo, vi *hi, const uint8_t *unit, size_t b, int j, size_t half, rg__layout L,
                            bool stream)
{
    const int in_low = 8 / L.low_bits, field = 2 * j % in_low; /* groups in one vector */
    const uint8_t *low = unit + L.low + b * L.low_step + 32 * half + 64 * (2 * j / in_low);
    const uint8_t *high = unit + L.high + b * L.high_step + 32 * half;
    if (stream && half == 0 && field == 0)
        prefetch(low + RG__AHEAD);
    if (L.low_bits == 8) {
        if (stream && half == 0)
            prefetch(low + RG__AHEAD + 64);
        *lo = bytes_at(low);
        *hi = bytes_at(low + 64);
        return;
    }
    const __m256i v = bytes_at(low);
    *lo = low_value(v, field, L);
    *hi = low_value(v, field + 1, L);
    if (L.high_bits != 0) {
        const int per = 8 / L.high_bits;
        const __m256i h = bytes_at(high + 64 * (2 * j / per));
        *lo = _mm256_or_si256(*lo, high_bits(h, L.high_bits, 2 * j % per, L.low_bits));
        *hi = _mm256_or_si256(*hi, high_bits(h, L.high_bits, 2 * j % per + 1, L.low_bits));
    }
}

/* Scales and mins of a block; the second of each is for k 16..31, where the type has one. */
typedef struct scales {
    vf d, d2, m, m2;
} scales;

static RG__INLINE scales expanded_scales(const uint8_t *block, size_t half)
{
    const float *f = (const float *)(const void *)(block + offsetof(rg__block, scale)) + 8 * half;
    return (scales){ vf_load(f), vf_load(f + 16), vf_load(f + 32), vf_load(f + 48) };
}

/* Of block b, half of the rows. */
static RG__INLINE scales block_scales(const uint8_t *unit, size_t b, size_t half, rg__layout L)
{
    if (L.d_step == sizeof(rg__block))
        return expanded_scales(unit + b * sizeof(rg__block), half);
    const uint8_t *f16 = unit + 16 * half;
    const vf d = f16x8(f16 + L.d + b * L.d_step);
    const vf m = L.mins ? f16x8(f16 + L.dm + b * L.d_step) : d;
    if (L.fold == RG__FOLD_32)
        return (scales){ d, d, m, m };
    if (L.fold == RG__FOLD_256) {
        const uint8_t *sc = unit + L.sc + 16 * b + 8 * half;
        const vf s = vf_mul(L.mins ? u8x8(sc) : s8x8(sc), d);
        const vf n = vf_mul(u8x8(unit + L.m + 16 * b + 8 * half), m);
        return (scales){ s, s, n, n };
    }
    const uint8_t *sc = unit + L.sc + 32 * b + 8 * half;
    if (!L.mins)
        return (scales){ vf_mul(s8x8(sc), d), vf_mul(s8x8(sc + 16), d), d, d };
    const vi x = bytes8(sc), y = bytes8(sc + 16), low = _mm256_set1_epi32(15);
    return (scales){ vf_mul(vf_of_int(_mm256_and_si256(x, low)), d),
                     vf_mul(vf_of_int(_mm256_and_si256(y, low)), d),
                     vf_mul(vf_of_int(_mm256_srli_epi32(x, 4)), m),
                     vf_mul(vf_of_int(_mm256_srli_epi32(y, 4)), m) };
}

/* Blocks [b0, b0 + n) of a panel. */
static RG__INLINE void expand_blocks(rg__block *out, const uint8_t *panel, size_t b0, size_t n, rg__layout L)
{
    for (size_t i = 0; i < 2 * n; i++) {
        const size_t half = i % 2;
        rg__block *to = out + i / 2;
        size_t in;
        const uint8_t *u = rg__unit_at(panel, L, b0 + i / 2, &in);
        vi lo, hi;
#define EXPAND(j)                                                                                            \
    pair(&lo, &hi, u, in, j, half, L, false);                                                                \
    _mm256_storeu_si256((__m256i *)(void *)(to->q[2 * (j)] + 32 * half), lo);                                \
    _mm256_storeu_si256((__m256i *)(void *)(to->q[2 * (j) + 1] + 32 * half), hi);
        EXPAND(0)
        EXPAND(1)
        EXPAND(2)
        EXPAND(3)
#undef EXPAND
        const scales s = block_scales(u, in, half, L);
        vf_store(to->scale[0] + 8 * half, s.d);
        vf_store(to->min[0] + 8 * half, s.m);
        if (L.fold == RG__FOLD_256_16) {
            vf_store(to->scale[1] + 8 * half, s.d2);
            vf_store(to->min[1] + 8 * half, s.m2);
        }
    }
}

/* ---- weights as floats, for mm_float.h --------------------------------------------------- */

/* Four k of 8 rows: byte i of each 32-bit lane is row r, k = i; a row of out has 16. */
static RG__INLINE void store_group(float *out, vi q, vf d, vf m, rg__layout L)
{
    const __m256i low = _mm256_set1_epi32(255), offset = _mm256_set1_epi32(L.offset);
#define STORE(i)                                                                                             \
    {                                                                                                        \
        const __m256i v = _mm256_and_si256(_mm256_srli_epi32(q, 8 * (i)), low);                              \
        vf f = _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_sub_epi32(v, offset)), d);                            \
        if (L.mins)                                                                                          \
            f = L.fold == RG__FOLD_32 ? _mm256_add_ps(f, m) : _mm256_sub_ps(f, m);                           \
        vf_store(out + 16 * (i), f);                                                                         \
    }
    STORE(0)
    STORE(1)
    STORE(2)
    STORE(3)
#undef STORE
}

static RG__INLINE vf load_F32(const uint8_t *p)
{
    return _mm256_loadu_ps((const float *)(const void *)p);
}

static RG__INLINE vf load_F16(const uint8_t *p)
{
    return f16x8(p);
}

static RG__INLINE vf load_BF16(const uint8_t *p)
{
    const __m256i h = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(h, 16));
}

#endif
