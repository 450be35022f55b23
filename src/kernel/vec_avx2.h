/* vec_avx2.h - vf, sixteen floats, as two AVX2 registers (FMA and F16C beside it).  The
 * operations that vec_body.h and attn_body.h are written in; vec_avx512.h has the same list. */
#ifndef RUNG_KERNEL_VEC_AVX2_H
#define RUNG_KERNEL_VEC_AVX2_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define VF_INLINE static inline __attribute__((always_inline))

typedef struct vf {
    __m256 lo, hi; /* lanes 0..7, 8..15 */
} vf;

enum { VF = 16, TILE_Q = 6, TILE_W = 1 }; /* attn_body.h: 12 registers of sums + 2 of B + 1 of q */

VF_INLINE vf vf_set(float x)
{
    return (vf){ _mm256_set1_ps(x), _mm256_set1_ps(x) };
}

VF_INLINE vf vf_load(const float *p)
{
    return (vf){ _mm256_loadu_ps(p), _mm256_loadu_ps(p + 8) };
}

VF_INLINE void vf_store(float *p, vf a)
{
    _mm256_storeu_ps(p, a.lo);
    _mm256_storeu_ps(p + 8, a.hi);
}

/* All ones in the lanes first + i < n. */
VF_INLINE __m256i lanes_below(size_t n, int first)
{
    const __m256i lane =
        _mm256_add_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32(first));
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), lane);
}

/* Lanes below n (0..16) from memory, the rest from `fill`. */
VF_INLINE vf vf_load_or(const float *p, size_t n, vf fill)
{
    const __m256i lo = lanes_below(n, 0), hi = lanes_below(n, 8);
    const __m256 a = _mm256_maskload_ps(p, lo), b = _mm256_maskload_ps(p + 8, hi);
    return (vf){ _mm256_blendv_ps(fill.lo, a, _mm256_castsi256_ps(lo)),
                 _mm256_blendv_ps(fill.hi, b, _mm256_castsi256_ps(hi)) };
}

VF_INLINE void vf_store_n(float *p, vf a, size_t n)
{
    _mm256_maskstore_ps(p, lanes_below(n, 0), a.lo);
    _mm256_maskstore_ps(p + 8, lanes_below(n, 8), a.hi);
}

VF_INLINE vf vf_load_f16(const uint16_t *p)
{
    return (vf){ _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)),
                 _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(p + 8))) };
}

VF_INLINE void vf_store_f16(uint16_t *p, vf a)
{
    _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(a.lo, _MM_FROUND_TO_NEAREST_INT));
    _mm_storeu_si128((__m128i *)(p + 8), _mm256_cvtps_ph(a.hi, _MM_FROUND_TO_NEAREST_INT));
}

VF_INLINE vf vf_set_f16(uint16_t h)
{
    return vf_set(_cvtsh_ss(h));
}

VF_INLINE __m256 widen_bf16(const uint16_t *p)
{
    const __m256i h = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(h, 16));
}

VF_INLINE vf vf_load_bf16(const uint16_t *p)
{
    return (vf){ widen_bf16(p), widen_bf16(p + 8) };
}

/* In the low half of each lane: rounded to nearest even, NaN made quiet. */
VF_INLINE __m256i narrow_bf16(__m256 a)
{
    const __m256i u = _mm256_castps_si256(a), top = _mm256_srli_epi32(u, 16);
    const __m256i odd = _mm256_and_si256(top, _mm256_set1_epi32(1));
    const __m256i up = _mm256_add_epi32(_mm256_add_epi32(u, _mm256_set1_epi32(0x7fff)), odd);
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(a, a, _CMP_UNORD_Q));
    return _mm256_blendv_epi8(_mm256_srli_epi32(up, 16), _mm256_or_si256(top, _mm256_set1_epi32(0x40)), nan);
}

VF_INLINE void vf_store_bf16(uint16_t *p, vf a)
{
    const __m256i h = _mm256_packus_epi32(narrow_bf16(a.lo), narrow_bf16(a.hi));
    _mm256_storeu_si256((__m256i *)p, _mm256_permute4x64_epi64(h, 0xd8));
}

VF_INLINE vf vf_load_s8(const int8_t *p)
{
    const __m128i q = _mm_loadu_si128((const __m128i *)(const void *)p);
    return (vf){ _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(q)),
                 _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(q, 8))) };
}

VF_INLINE vf vf_add(vf a, vf b)
{
    return (vf){ _mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi) };
}

VF_INLINE vf vf_sub(vf a, vf b)
{
    return (vf){ _mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi) };
}

VF_INLINE vf vf_mul(vf a, vf b)
{
    return (vf){ _mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi) };
}

VF_INLINE vf vf_div(vf a, vf b)
{
    return (vf){ _mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi) };
}

VF_INLINE vf vf_fma(vf a, vf b, vf c) /* a*b + c */
{
    return (vf){ _mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi) };
}

VF_INLINE vf vf_fms(vf a, vf b, vf c) /* a*b - c */
{
    return (vf){ _mm256_fmsub_ps(a.lo, b.lo, c.lo), _mm256_fmsub_ps(a.hi, b.hi, c.hi) };
}

VF_INLINE vf vf_max(vf a, vf b) /* a > b ? a : b */
{
    return (vf){ _mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi) };
}

/* a < b ? yes : no, no for NaN. */
VF_INLINE vf vf_if_lt(vf a, vf b, vf yes, vf no)
{
    return (vf){ _mm256_blendv_ps(no.lo, yes.lo, _mm256_cmp_ps(a.lo, b.lo, _CMP_LT_OQ)),
                 _mm256_blendv_ps(no.hi, yes.hi, _mm256_cmp_ps(a.hi, b.hi, _CMP_LT_OQ)) };
}

/* a where it is NaN, else b. */
VF_INLINE vf vf_if_nan(vf a, vf b)
{
    return (vf){ _mm256_blendv_ps(b.lo, a.lo, _mm256_cmp_ps(a.lo, a.lo, _CMP_UNORD_Q)),
                 _mm256_blendv_ps(b.hi, a.hi, _mm256_cmp_ps(a.hi, a.hi, _CMP_UNORD_Q)) };
}

/* Bit i of the mask: lane i is all ones. */
VF_INLINE uint32_t lane_bits(__m256 lo, __m256 hi)
{
    return (uint32_t)_mm256_movemask_ps(lo) | (uint32_t)_mm256_movemask_ps(hi) << 8;
}

/* Bit i: a[i] >= b[i]; a[i] == b[i]. */
VF_INLINE uint32_t vf_bits_ge(vf a, vf b)
{
    return lane_bits(_mm256_cmp_ps(a.lo, b.lo, _CMP_GE_OQ), _mm256_cmp_ps(a.hi, b.hi, _CMP_GE_OQ));
}

VF_INLINE uint32_t vf_bits_eq(vf a, vf b)
{
    return lane_bits(_mm256_cmp_ps(a.lo, b.lo, _CMP_EQ_OQ), _mm256_cmp_ps(a.hi, b.hi, _CMP_EQ_OQ));
}

VF_INLINE __m256 scale2(__m256 p, __m256 t)
{
    const __m256i n = _mm256_slli_epi32(_mm256_castps_si256(t), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), n));
}

/* p * 2^n where n is in the low bits of t (vec_exp.h). */
VF_INLINE vf vf_scale2(vf p, vf t)
{
    return (vf){ scale2(p.lo, t.lo), scale2(p.hi, t.hi) };
}

/* (x0, x1, x2, x3, ...) to (x1, x0, x3, x2, ...). */
VF_INLINE vf vf_swap_pairs(vf a)
{
    return (vf){ _mm256_permute_ps(a.lo, 0xb1), _mm256_permute_ps(a.hi, 0xb1) };
}

/* The signs of lanes 0, 2, 4, ... turned. */
VF_INLINE vf vf_negate_even(vf a)
{
    const __m256 sign = _mm256_castsi256_ps(_mm256_set1_epi64x(0x80000000));
    return (vf){ _mm256_xor_ps(a.lo, sign), _mm256_xor_ps(a.hi, sign) };
}

/* Eight floats, each twice: (p0, p0, p1, p1, ...). */
VF_INLINE vf vf_load_twice(const float *p)
{
    const __m256 a = _mm256_loadu_ps(p);
    return (vf){ _mm256_permutevar8x32_ps(a, _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3)),
                 _mm256_permutevar8x32_ps(a, _mm256_setr_epi32(4, 4, 5, 5, 6, 6, 7, 7)) };
}

/* Lanes joined by halving: 8 + 8, 4 + 4, 2 + 2, 1 + 1. */
VF_INLINE float vf_sum(vf a)
{
    const __m256 b = _mm256_add_ps(a.lo, a.hi);
    const __m128 c = _mm_add_ps(_mm256_castps256_ps128(b), _mm256_extractf128_ps(b, 1));
    const __m128 d = _mm_add_ps(c, _mm_movehl_ps(c, c));
    return _mm_cvtss_f32(_mm_add_ss(d, _mm_movehdup_ps(d)));
}

VF_INLINE float vf_greatest(vf a)
{
    const __m256 b = _mm256_max_ps(a.lo, a.hi);
    const __m128 c = _mm_max_ps(_mm256_castps256_ps128(b), _mm256_extractf128_ps(b, 1));
    const __m128 d = _mm_max_ps(c, _mm_movehl_ps(c, c));
    return _mm_cvtss_f32(_mm_max_ss(d, _mm_movehdup_ps(d)));
}

#endif
