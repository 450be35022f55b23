/* mm_unpack512.h - weights of a panel into registers, AVX-512: byte vectors of 16 rows x 4 k
 * and scales as floats.  The bytes are unsigned; offsets leave through the integer sum. */
#ifndef RUNG_MM_UNPACK512_H
#define RUNG_MM_UNPACK512_H

#include <immintrin.h>

#include "mm_common.h"

#define RG__LANES 16

typedef __m512 vf;
typedef __m512i vi;

static RG__INLINE vf vf_load(const float *p)
{
    return _mm512_loadu_ps(p);
}

static RG__INLINE void vf_store(float *p, vf v)
{
    _mm512_storeu_ps(p, v);
}

static RG__INLINE vf vf_set(float v)
{
    return _mm512_set1_ps(v);
}

static RG__INLINE vf vf_zero(void)
{
    return _mm512_setzero_ps();
}

static RG__INLINE vi vi_zero(void)
{
    return _mm512_setzero_si512();
}

static RG__INLINE vf vf_mul(vf a, vf b)
{
    return _mm512_mul_ps(a, b);
}

static RG__INLINE vf vf_fma(vf a, vf b, vf c)
{
    return _mm512_fmadd_ps(a, b, c);
}

static RG__INLINE vf vf_of_int(vi a)
{
    return _mm512_cvtepi32_ps(a);
}

static RG__INLINE __m512i i32_at(const uint8_t *p, size_t at)
{
    int32_t v;
    memcpy(&v, p + at, sizeof v);
    return _mm512_set1_epi32(v);
}

static RG__INLINE __m512 f32_at(const uint8_t *p, size_t at)
{
    float v;
    memcpy(&v, p + at, sizeof v);
    return _mm512_set1_ps(v);
}

/* i + lo . x_lo + hi . x_hi: four k of one column each, the same for all rows. */
static RG__INLINE vi dot2(vi i, vi lo, vi hi, const uint8_t *x_lo, const uint8_t *x_hi, rg__layout L)
{
    (void)L;
    i = _mm512_dpbusd_epi32(i, lo, i32_at(x_lo, 0));
    return _mm512_dpbusd_epi32(i, hi, i32_at(x_hi, 0));
}

/* Does dot2 take the offset out of the weights by itself? */
static RG__INLINE bool dot_signed(rg__layout L)
{
    (void)L;
    return false;
}

static RG__INLINE __m512 f16x16(const uint8_t *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
}

static RG__INLINE vi bytes16(const uint8_t *p)
{
    return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
}

static RG__INLINE __m512 u8x16(const uint8_t *p)
{
    return _mm512_cvtepi32_ps(bytes16(p));
}

static RG__INLINE __m512 s8x16(const uint8_t *p)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)));
}

/* The bit at position g of each byte, or the two bits at 2g (n = 2), moved to bit `to` (and the
 * next); the other bits of the result are zero. */
static RG__INLINE __m512i high_bits(__m512i h, int n, int g, int to)
{
#if defined(__GFNI__)
    /* One 8x8 bit matrix a lane: byte 7-k of it selects the source of result bit k. */
    const unsigned at = (unsigned)(n * g);
    uint64_t m = (uint64_t)1 << at << 8 * (7 - to);
    if (n == 2)
        m |= (uint64_t)2 << at << 8 * (6 - to);
    return _mm512_gf2p8affine_epi64_epi8(h, _mm512_set1_epi64((int64_t)m), 0);
#else
    const int shift = to - n * g; /* bits that cross into the next byte are masked away */
    h = shift >= 0 ? _mm512_slli_epi32(h, (unsigned)shift) : _mm512_srli_epi32(h, (unsigned)-shift);
    return _mm512_and_si512(h, _mm512_set1_epi8((char)((n == 1 ? 1 : 3) << to)));
#endif
}

/* Field g of each byte, of L.low_bits bits, and garbage above it. */
static RG__INLINE __m512i low_field(__m512i v, int g, rg__layout L)
{
    return g == 0 ? v : _mm512_srli_epi32(v, (unsigned)(L.low_bits * g));
}

/* That without the garbage; what it stands for where it is a place in the codebook. */
static RG__INLINE __m512i low_value(__m512i v, rg__layout L)
{
    v = _mm512_and_si512(v, _mm512_set1_epi8((char)((1 << L.low_bits) - 1)));
    if (!L.codebook)
        return v;
    const __m128i code = _mm_loadu_si128((const __m128i *)(const void *)rg__iq4);
    return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(code), v);
}

/* (v & field) | h */
static RG__INLINE __m512i join(__m512i v, __m512i h, rg__layout L)
{
    return _mm512_ternarylogic_epi64(v, _mm512_set1_epi8((char)((1 << L.low_bits) - 1)), h, 0xea);
}

/* Groups 2j and 2j + 1 of a block.  A vector is a whole panel wide: half is another level's. */
static RG__INLINE void pair(vi *lo, vi *hi, const uint8_t *unit, size_t b, int j, size_t half, rg__layout L,
                            bool stream)
{
    (void)half;
    const uint8_t *low = unit + L.low + b * L.low_step, *high = unit + L.high + b * L.high_step;
    if (L.low_bits == 8) {
        low += 128 * j;
        if (stream) {
            prefetch(low + RG__AHEAD);
            prefetch(low + RG__AHEAD + 64);
        }
        *lo = _mm512_loadu_si512(low);
        *hi = _mm512_loadu_si512(low + 64);
        return;
    }
    const int in_low = 8 / L.low_bits, field = 2 * j % in_low; /* groups in one vector */
    low += 64 * (2 * j / in_low);
    if (stream && field == 0)
        prefetch(low + RG__AHEAD);
    const __m512i x = _mm512_loadu_si512(low), v = low_field(x, field, L), w = low_field(x, field + 1, L);
    if (L.high_bits == 0) {
        *lo = low_value(v, L);
        *hi = low_value(w, L);
    } else {
        const int per = 8 / L.high_bits;
        const __m512i h = _mm512_loadu_si512(high + 64 * (2 * j / per));
        *lo = join(v, high_bits(h, L.high_bits, 2 * j % per, L.low_bits), L);
        *hi = join(w, high_bits(h, L.high_bits, 2 * j % per + 1, L.low_bits), L);
    }
}

/* Scales and mins of a block; the second of each is for k 16..31, where the type has one. */
typedef struct scales {
    vf d, d2, m, m2;
} scales;

static RG__INLINE scales expanded_scales(const uint8_t *block)
{
    const float *f = (const float *)(const void *)(block + offsetof(rg__block, scale));
    return (scales){ vf_load(f), vf_load(f + 16), vf_load(f + 32), vf_load(f + 48) };
}

/* Of block b. */
static RG__INLINE scales block_scales(const uint8_t *unit, size_t b, size_t half, rg__layout L)
{
    (void)half;
    if (L.d_step == sizeof(rg__block))
        return expanded_scales(unit + b * sizeof(rg__block));
    const vf d = f16x16(unit + L.d + b * L.d_step);
    const vf m = L.mins ? f16x16(unit + L.dm + b * L.d_step) : d;
    if (L.fold == RG__FOLD_32)
        return (scales){ d, d, m, m };
    if (L.fold == RG__FOLD_256) {
        const uint8_t *sc = unit + L.sc + 16 * b;
        const vf s = vf_mul(L.mins ? u8x16(sc) : s8x16(sc), d), n = vf_mul(u8x16(unit + L.m + 16 * b), m);
        return (scales){ s, s, n, n };
    }
    const uint8_t *sc = unit + L.sc + 32 * b;
    if (!L.mins)
        return (scales){ vf_mul(s8x16(sc), d), vf_mul(s8x16(sc + 16), d), d, d };
    const vi x = bytes16(sc), y = bytes16(sc + 16), low = _mm512_set1_epi32(15);
    return (scales){ vf_mul(vf_of_int(_mm512_and_si512(x, low)), d),
                     vf_mul(vf_of_int(_mm512_and_si512(y, low)), d),
                     vf_mul(vf_of_int(_mm512_srli_epi32(x, 4)), m),
                     vf_mul(vf_of_int(_mm512_srli_epi32(y, 4)), m) };
}

/* Blocks [b0, b0 + n) of a panel. */
static RG__INLINE void expand_blocks(rg__block *out, const uint8_t *panel, size_t b0, size_t n, rg__layout L)
{
    for (size_t b = 0; b < n; b++, out++) {
        size_t in;
        const uint8_t *u = rg__unit_at(panel, L, b0 + b, &in);
        __m512i lo, hi;
#define EXPAND(j)                                                                                            \
    pair(&lo, &hi, u, in, j, 0, L, false);                                                                   \
    _mm512_storeu_si512(out->q[2 * (j)], lo);                                                                \
    _mm512_storeu_si512(out->q[2 * (j) + 1], hi);
        EXPAND(0)
        EXPAND(1)
        EXPAND(2)
        EXPAND(3)
#undef EXPAND
        const scales s = block_scales(u, in, 0, L);
        vf_store(out->scale[0], s.d);
        vf_store(out->min[0], s.m);
        if (L.fold == RG__FOLD_256_16) {
            vf_store(out->scale[1], s.d2);
            vf_store(out->min[1], s.m2);
        }
    }
}

/* ---- weights as floats, for mm_float.h --------------------------------------------------- */

/* Four k of 16 rows: byte i of each 32-bit lane is row r, k = i. */
static RG__INLINE void store_group(float *out, vi q, vf d, vf m, rg__layout L)
{
    const __m512i low = _mm512_set1_epi32(255), offset = _mm512_set1_epi32(L.offset);
#define STORE(i)                                                                                             \
    {                                                                                                        \
        const __m512i v = _mm512_and_si512(_mm512_srli_epi32(q, 8 * (i)), low);                              \
        __m512 f = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_sub_epi32(v, offset)), d);                        \
        if (L.mins)                                                                                          \
            f = L.fold == RG__FOLD_32 ? _mm512_add_ps(f, m) : _mm512_sub_ps(f, m);                           \
        _mm512_storeu_ps(out + 16 * (i), f);                                                                 \
    }
    STORE(0)
    STORE(1)
    STORE(2)
    STORE(3)
#undef STORE
}

static RG__INLINE vf load_F32(const uint8_t *p)
{
    return _mm512_loadu_ps((const float *)(const void *)p);
}

static RG__INLINE vf load_F16(const uint8_t *p)
{
    return f16x16(p);
}

static RG__INLINE vf load_BF16(const uint8_t *p)
{
    const __m512i h = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(h, 16));
}

#endif
