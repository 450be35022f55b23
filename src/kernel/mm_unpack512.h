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

static RG__INLINE __m512 u8x16(const uint8_t *p)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)));
}

static RG__INLINE __m512 s8x16(const uint8_t *p)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)));
}

/* The bit at position g of each byte, or the two bits at 2g (n = 2), moved to bits 4 (and 5);
 * the other bits of the result are zero. */
static RG__INLINE __m512i high_bits(__m512i h, int n, int g)
{
#if defined(__GFNI__)
    /* One 8x8 bit matrix a lane: byte 7-k of it selects the source of result bit k. */
    const unsigned at = (unsigned)(n * g);
    uint64_t m = (uint64_t)1 << at << 8 * (7 - 4);
    if (n == 2)
        m |= (uint64_t)2 << at << 8 * (7 - 5);
    return _mm512_gf2p8affine_epi64_epi8(h, _mm512_set1_epi64((int64_t)m), 0);
#else
    const int shift = 4 - n * g; /* bits that cross into the next byte are masked away */
    h = shift >= 0 ? _mm512_slli_epi32(h, (unsigned)shift) : _mm512_srli_epi32(h, (unsigned)-shift);
    return _mm512_and_si512(h, _mm512_set1_epi8(n == 1 ? 0x10 : 0x30));
#endif
}

/* (v & 15) | h */
static RG__INLINE __m512i join(__m512i v, __m512i h)
{
    return _mm512_ternarylogic_epi64(v, _mm512_set1_epi8(15), h, 0xea);
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
    low += 64 * j;
    if (stream)
        prefetch(low + RG__AHEAD);
    const __m512i v = _mm512_loadu_si512(low), w = _mm512_srli_epi16(v, 4);
    if (L.high_bits == 0) {
        *lo = _mm512_and_si512(v, _mm512_set1_epi8(15));
        *hi = _mm512_and_si512(w, _mm512_set1_epi8(15));
    } else {
        const int per = 8 / L.high_bits; /* groups in one plane */
        const __m512i h = _mm512_loadu_si512(high + 64 * (2 * j / per));
        *lo = join(v, high_bits(h, L.high_bits, 2 * j % per));
        *hi = join(w, high_bits(h, L.high_bits, 2 * j % per + 1));
    }
}

/* Scales of block b; *m is what rg__block calls extra. */
static RG__INLINE void block_scales(vf *d, vf *m, const uint8_t *unit, size_t b, size_t half, rg__layout L)
{
    (void)half;
    if (L.d_step == sizeof(rg__block)) { /* expanded */
        *d = _mm512_loadu_ps((const float *)(const void *)(unit + b * sizeof(rg__block) + 512));
        *m = _mm512_loadu_ps((const float *)(const void *)(unit + b * sizeof(rg__block) + 576));
        return;
    }
    *d = f16x16(unit + L.d + b * L.d_step);
    *m = *d;
    if (L.fold == RG__FOLD_32_MIN)
        *m = f16x16(unit + L.dm + b * L.d_step);
    if (L.fold == RG__FOLD_256_MIN) {
        *d = _mm512_mul_ps(u8x16(unit + L.sc + 16 * b), *d);
        *m = _mm512_mul_ps(u8x16(unit + L.m + 16 * b), f16x16(unit + L.dm));
    }
    if (L.fold == RG__FOLD_256_16) {
        *m = _mm512_mul_ps(s8x16(unit + L.sc + 32 * b + 16), *d);
        *d = _mm512_mul_ps(s8x16(unit + L.sc + 32 * b), *d);
    }
}

/* Blocks [b0, b0 + n) of a panel. */
static RG__INLINE void expand_blocks(rg__block *out, const uint8_t *panel, size_t b0, size_t n, rg__layout L)
{
    for (size_t b = 0; b < n; b++, out++) {
        size_t in;
        const uint8_t *u = rg__unit_at(panel, L, b0 + b, &in);
        __m512 d, m;
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
        block_scales(&d, &m, u, in, 0, L);
        _mm512_storeu_ps(out->scale, d);
        _mm512_storeu_ps(out->extra, m);
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
        if (L.fold == RG__FOLD_32_MIN)                                                                       \
            f = _mm512_add_ps(f, m);                                                                         \
        if (L.fold == RG__FOLD_256_MIN)                                                                      \
            f = _mm512_sub_ps(f, m);                                                                         \
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
