/* vec_avx512.h - vf, sixteen floats, as one AVX-512 register.  The operations that vec_body.h
 * and attn_body.h are written in; vec_avx2.h has the same list. */
#ifndef RUNG_KERNEL_VEC_AVX512_H
#define RUNG_KERNEL_VEC_AVX512_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define VF_INLINE static inline __attribute__((always_inline))

typedef __m512 vf;

enum { VF = 16, TILE_Q = 8, TILE_W = 2 }; /* attn_body.h: 16 sums + 2 of B; q from memory */

VF_INLINE vf vf_set(float x)
{
    return _mm512_set1_ps(x);
}

VF_INLINE vf vf_load(const float *p)
{
    return _mm512_loadu_ps(p);
}

/* Lanes below n (0..16) from memory, the rest from `fill`. */
VF_INLINE vf vf_load_or(const float *p, size_t n, vf fill)
{
    return _mm512_mask_loadu_ps(fill, (__mmask16)((1u << n) - 1), p);
}

VF_INLINE void vf_store(float *p, vf a)
{
    _mm512_storeu_ps(p, a);
}

VF_INLINE void vf_store_n(float *p, vf a, size_t n)
{
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), a);
}

VF_INLINE vf vf_load_f16(const uint16_t *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}

VF_INLINE void vf_store_f16(uint16_t *p, vf a)
{
    _mm256_storeu_si256((__m256i *)p, _mm512_maskz_cvtps_ph(0xffff, a, _MM_FROUND_TO_NEAREST_INT));
}

VF_INLINE vf vf_set_f16(uint16_t h)
{
    return vf_set(_cvtsh_ss(h));
}

VF_INLINE vf vf_load_bf16(const uint16_t *p)
{
    const __m512i h = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(h, 16));
}

/* Rounded to nearest even, NaN made quiet. */
VF_INLINE void vf_store_bf16(uint16_t *p, vf a)
{
    const __m512i u = _mm512_castps_si512(a), top = _mm512_srli_epi32(u, 16);
    const __m512i odd = _mm512_and_si512(top, _mm512_set1_epi32(1));
    const __m512i up = _mm512_add_epi32(_mm512_add_epi32(u, _mm512_set1_epi32(0x7fff)), odd);
    const __m512i h = _mm512_mask_or_epi32(_mm512_srli_epi32(up, 16), _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q),
                                           top, _mm512_set1_epi32(0x40));
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtepi32_epi16(h));
}

VF_INLINE vf vf_load_s8(const int8_t *p)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)));
}

VF_INLINE vf vf_add(vf a, vf b)
{
    return _mm512_add_ps(a, b);
}

VF_INLINE vf vf_sub(vf a, vf b)
{
    return _mm512_sub_ps(a, b);
}

VF_INLINE vf vf_mul(vf a, vf b)
{
    return _mm512_mul_ps(a, b);
}

VF_INLINE vf vf_div(vf a, vf b)
{
    return _mm512_div_ps(a, b);
}

VF_INLINE vf vf_fma(vf a, vf b, vf c) /* a*b + c */
{
    return _mm512_fmadd_ps(a, b, c);
}

VF_INLINE vf vf_fms(vf a, vf b, vf c) /* a*b - c */
{
    return _mm512_fmsub_ps(a, b, c);
}

VF_INLINE vf vf_max(vf a, vf b) /* a > b ? a : b */
{
    return _mm512_max_ps(a, b);
}

/* a < b ? yes : no, no for NaN. */
VF_INLINE vf vf_if_lt(vf a, vf b, vf yes, vf no)
{
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), no, yes);
}

/* a where it is NaN, else b. */
VF_INLINE vf vf_if_nan(vf a, vf b)
{
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q), b, a);
}

/* Bit i: a[i] >= b[i]; a[i] == b[i]. */
VF_INLINE uint32_t vf_bits_ge(vf a, vf b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_GE_OQ);
}

VF_INLINE uint32_t vf_bits_eq(vf a, vf b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ);
}

/* p * 2^n where n is in the low bits of t (vec_exp.h). */
VF_INLINE vf vf_scale2(vf p, vf t)
{
    const __m512i n = _mm512_slli_epi32(_mm512_castps_si512(t), 23);
    return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(p), n));
}

/* (x0, x1, x2, x3, ...) to (x1, x0, x3, x2, ...). */
VF_INLINE vf vf_swap_pairs(vf a)
{
    return _mm512_permute_ps(a, 0xb1);
}

/* The signs of lanes 0, 2, 4, ... turned. */
VF_INLINE vf vf_negate_even(vf a)
{
    const __m512i sign = _mm512_set1_epi64(0x80000000);
    return _mm512_castsi512_ps(_mm512_xor_si512(_mm512_castps_si512(a), sign));
}

/* Eight floats, each twice: (p0, p0, p1, p1, ...). */
VF_INLINE vf vf_load_twice(const float *p)
{
    const __m512i at = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    return _mm512_permutexvar_ps(at, _mm512_castps256_ps512(_mm256_loadu_ps(p)));
}

/* Lanes joined by halving: 8 + 8, 4 + 4, 2 + 2, 1 + 1. */
VF_INLINE float vf_sum(vf a)
{
    const __m256 b = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    const __m128 c = _mm_add_ps(_mm256_castps256_ps128(b), _mm256_extractf128_ps(b, 1));
    const __m128 d = _mm_add_ps(c, _mm_movehl_ps(c, c));
    return _mm_cvtss_f32(_mm_add_ss(d, _mm_movehdup_ps(d)));
}

VF_INLINE float vf_greatest(vf a)
{
    const __m256 b = _mm256_max_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    const __m128 c = _mm_max_ps(_mm256_castps256_ps128(b), _mm256_extractf128_ps(b, 1));
    const __m128 d = _mm_max_ps(c, _mm_movehl_ps(c, c));
    return _mm_cvtss_f32(_mm_max_ss(d, _mm_movehdup_ps(d)));
}

#endif
