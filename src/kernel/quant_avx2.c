/* quant_avx2.c - activations to 8 bits, four columns at a time; also used at the AVX-512 level,
 * where quantising is 2 % of the work of a prompt. */
#include "kernel_int.h"
#include "mm_common.h"

/* The record at hand: up to four columns, n of them present. */
typedef struct record {
    uint8_t *to;
    const float *x[4];
    size_t tc, n;
} record;

static uint32_t max_bits(const float *x, size_t n)
{
    const __m256i rest = _mm256_set1_epi32(0x7fffffff);
    __m256i m = _mm256_setzero_si256();
    for (size_t i = 0; i < n; i += 8)
        m = _mm256_max_epu32(m, _mm256_and_si256(rest, _mm256_castps_si256(_mm256_loadu_ps(x + i))));
    __m128i h = _mm_max_epu32(_mm256_castsi256_si128(m), _mm256_extracti128_si256(m, 1));
    h = _mm_max_epu32(h, _mm_shuffle_epi32(h, 0x4e));
    h = _mm_max_epu32(h, _mm_shuffle_epi32(h, 0xb1));
    return (uint32_t)_mm_cvtsi128_si32(h);
}

/* 32 floats to 32 bytes in order; inv == 0 gives zeros whatever x is. */
static __m256i quant_32(const float *x, float inv)
{
    if (inv == 0.0f)
        return _mm256_setzero_si256();
    const __m256 s = _mm256_set1_ps(inv);
#define INTS(i) _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 8 * (i)), s))
    const __m256i a = _mm256_packs_epi32(INTS(0), INTS(1)), b = _mm256_packs_epi32(INTS(2), INTS(3));
#undef INTS
    /* Packing works inside 128-bit lanes: dwords come out as 0 2 4 6 1 3 5 7. */
    return _mm256_permutevar8x32_epi32(_mm256_packs_epi16(a, b), _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

static void put_4(uint8_t *to, size_t at, size_t i, __m128i v, size_t tc)
{
    to += at * tc + 4 * i * tc;
    if (tc == 1)
        memcpy(to, &(int32_t){ _mm_cvtsi128_si32(v) }, 4);
    else
        _mm_storeu_si128((__m128i *)(void *)to, v);
}

/* 8 dwords of each of four columns, dword by dword: q [8][4][4]. */
static void store_columns(uint8_t *to, const __m256i q[4])
{
    const __m256i a = _mm256_unpacklo_epi32(q[0], q[1]), b = _mm256_unpackhi_epi32(q[0], q[1]);
    const __m256i c = _mm256_unpacklo_epi32(q[2], q[3]), d = _mm256_unpackhi_epi32(q[2], q[3]);
    const __m256i g04 = _mm256_unpacklo_epi64(a, c), g15 = _mm256_unpackhi_epi64(a, c);
    const __m256i g26 = _mm256_unpacklo_epi64(b, d), g37 = _mm256_unpackhi_epi64(b, d);
    _mm256_storeu_si256((__m256i *)(void *)to, _mm256_permute2x128_si256(g04, g15, 0x20));
    _mm256_storeu_si256((__m256i *)(void *)(to + 32), _mm256_permute2x128_si256(g26, g37, 0x20));
    _mm256_storeu_si256((__m256i *)(void *)(to + 64), _mm256_permute2x128_si256(g04, g15, 0x31));
    _mm256_storeu_si256((__m256i *)(void *)(to + 96), _mm256_permute2x128_si256(g26, g37, 0x31));
}

/* Quantises and stores block b; *lo and *hi are the sums of k 0..15 and 16..31, a column a lane. */
static void put_block(const record *r, size_t b, const float inv[4], __m128i *lo, __m128i *hi)
{
    __m256i q[4], s[4];
    for (size_t c = 0; c < 4; c++) {
        q[c] = c < r->n ? quant_32(r->x[c] + 32 * b, inv[c]) : _mm256_setzero_si256();
        s[c] = _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_set1_epi8(1), q[c]), _mm256_set1_epi16(1));
    }
    if (r->tc == 1)
        _mm256_storeu_si256((__m256i *)(void *)(r->to + 32 * b), q[0]);
    else
        store_columns(r->to + 128 * b, q);
    const __m256i sums = _mm256_hadd_epi32(_mm256_hadd_epi32(s[0], s[1]), _mm256_hadd_epi32(s[2], s[3]));
    *lo = _mm256_castsi256_si128(sums);
    *hi = _mm256_extracti128_si256(sums, 1);
}

static __m128i times(__m128i s, int factor)
{
    return _mm_mullo_epi32(s, _mm_set1_epi32(factor));
}

/* Scales of n elements from k on, a column each. */
static void scales(float d[4], float inv[4], const record *r, size_t k, size_t n)
{
    for (size_t c = 0; c < 4; c++) {
        d[c] = inv[c] = 0.0f;
        if (c < r->n)
            d[c] = rg__act_scale(&inv[c], max_bits(r->x[c] + k, n));
    }
}

static void record_q32(const record *r, size_t n)
{
    for (size_t b = 0; b < n / 32; b++) {
        float d[4], inv[4];
        __m128i lo, hi;
        scales(d, inv, r, 32 * b, 32);
        put_block(r, b, inv, &lo, &hi);
        const __m128i s = _mm_add_epi32(lo, hi);
        const __m128 d4 = _mm_loadu_ps(d);
        const __m128 fsum = _mm_mul_ps(d4, _mm_cvtepi32_ps(s));
        put_4(r->to, RG__ACT_SUMS, b, times(s, -8), r->tc);
        put_4(r->to, RG__ACT_SUMS, 8 + b, times(s, -16), r->tc);
        put_4(r->to, RG__ACT_SUMS, 16 + b, times(s, -128), r->tc);
        put_4(r->to, RG__ACT_32_FSUM, b, _mm_castps_si128(fsum), r->tc);
        put_4(r->to, RG__ACT_32_D, b, _mm_castps_si128(d4), r->tc);
    }
}

static void put_sums(const record *r, size_t i, __m128i s, rg__sums sums)
{
    if (sums.factor == 0)
        put_4(r->to, RG__ACT_SUMS, i, _mm_castps_si128(_mm_cvtepi32_ps(times(s, -1))), r->tc);
    else
        put_4(r->to, RG__ACT_SUMS, i, times(s, -(int)sums.factor), r->tc);
}

static void record_q256(const record *r, rg_act kind, size_t n)
{
    const rg__sums sums = rg__sums_of(kind);
    float d[4], inv[4];
    scales(d, inv, r, 0, n);
    for (size_t b = 0; b < n / 32; b++) {
        __m128i lo, hi;
        put_block(r, b, inv, &lo, &hi);
        if (sums.run == 32) {
            put_sums(r, b, _mm_add_epi32(lo, hi), sums);
        } else {
            put_sums(r, 2 * b, lo, sums);
            put_sums(r, 2 * b + 1, hi, sums);
        }
    }
    put_4(r->to, rg__act_256_d(kind), 0, _mm_castps_si128(_mm_loadu_ps(d)), r->tc);
}

static void record_f32(const record *r, size_t n)
{
    float *to = (float *)(void *)r->to;
    if (r->tc == 1) {
        memcpy(to, r->x[0], n * sizeof *to);
        return;
    }
    for (size_t k = 0; k < n; k++)
        for (size_t c = 0; c < 4; c++)
            to[4 * k + c] = c < r->n ? r->x[c][k] : 0.0f;
}

static void quantize_avx2(void *act, rg_act kind, const float *x, size_t ldx, size_t N, size_t K, size_t t0,
                          size_t t1)
{
    record r = { .tc = rg__act_cols(N) };
    for (size_t t = t0; t < t1; t++)
        for (size_t k = 0; k < K; k += RG__GROUP_K) {
            const size_t n = K - k < RG__GROUP_K ? K - k : RG__GROUP_K;
            r.to = (uint8_t *)act + rg__act_at(kind, N, k / RG__GROUP_K, t);
            r.n = N - t * r.tc < r.tc ? N - t * r.tc : r.tc;
            for (size_t c = 0; c < r.n; c++)
                r.x[c] = x + (t * r.tc + c) * ldx + k;
            if (kind == RG_ACT_F32)
                record_f32(&r, n);
            else if (kind == RG_ACT_Q32)
                record_q32(&r, n);
            else
                record_q256(&r, kind, n);
        }
}

void rg__quant_init_avx2(rg_kernels *k)
{
    k->quantize = quantize_avx2;
}
