/* peak.c - twelve chains of one instruction each: more than latency times issue width anywhere.
 * The empty asm keeps the compiler from folding the loop. */
#include "rung/kernel/peak.h"

#if defined(__x86_64__)
#include <immintrin.h>

enum { N_CHAINS = 12 };

/* clang-format off */
#define CHAINS(V, ZERO, OP)                                                                        \
    V a0 = ZERO, a1 = ZERO, a2 = ZERO, a3 = ZERO, a4 = ZERO, a5 = ZERO;                            \
    V a6 = ZERO, a7 = ZERO, a8 = ZERO, a9 = ZERO, b0 = ZERO, b1 = ZERO;                            \
    for (size_t i = 0; i < rounds; i++) {                                                          \
        a0 = OP(a0); a1 = OP(a1); a2 = OP(a2); a3 = OP(a3); a4 = OP(a4); a5 = OP(a5);              \
        a6 = OP(a6); a7 = OP(a7); a8 = OP(a8); a9 = OP(a9); b0 = OP(b0); b1 = OP(b1);              \
        __asm__ volatile("" : "+x"(a0), "+x"(a1), "+x"(a2), "+x"(a3), "+x"(a4), "+x"(a5));         \
        __asm__ volatile("" : "+x"(a6), "+x"(a7), "+x"(a8), "+x"(a9), "+x"(b0), "+x"(b1));         \
    }
#define DOT512(a) _mm512_dpbusd_epi32(a, one, one)
#define BF16_512(a) _mm512_dpbf16_ps(a, one, one)
#define FMA512(a) _mm512_fmadd_ps(half, half, a)
#define FMA256(a) _mm256_fmadd_ps(half, half, a)
#define DOT256(a) _mm256_add_epi32(a, _mm256_madd_epi16(_mm256_maddubs_epi16(a, one), one))
/* clang-format on */

__attribute__((target("avx512f,avx512vnni"))) static void dot512(size_t rounds)
{
    const __m512i one = _mm512_set1_epi8(1);
    CHAINS(__m512i, one, DOT512)
}

__attribute__((target("avx512f,avx512bf16"))) static void bf16_512(size_t rounds)
{
    const __m512 zero = _mm512_setzero_ps();
    const __m512bh one = (__m512bh)_mm512_set1_epi16(0x3f80);
    CHAINS(__m512, zero, BF16_512)
}

__attribute__((target("avx512f"))) static void fma512(size_t rounds)
{
    const __m512 half = _mm512_set1_ps(0.5f);
    CHAINS(__m512, half, FMA512)
}

__attribute__((target("avx2"))) static void dot256(size_t rounds)
{
    const __m256i one = _mm256_set1_epi8(1);
    CHAINS(__m256i, one, DOT256)
}

__attribute__((target("avx2,fma"))) static void fma256(size_t rounds)
{
    const __m256 half = _mm256_set1_ps(0.5f);
    CHAINS(__m256, half, FMA256)
}

double rg_k_peak_i8(rg_isa isa, size_t rounds)
{
    if (isa == RG_ISA_AVX512)
        dot512(rounds);
    else if (rg_isa_available(RG_ISA_AVX2))
        dot256(rounds);
    else
        return 0;
    return (double)rounds * N_CHAINS * (isa == RG_ISA_AVX512 ? 128 : 64);
}

double rg_k_peak_f32(rg_isa isa, size_t rounds)
{
    if (isa == RG_ISA_AVX512)
        fma512(rounds);
    else if (rg_isa_available(RG_ISA_AVX2))
        fma256(rounds);
    else
        return 0;
    return (double)rounds * N_CHAINS * (isa == RG_ISA_AVX512 ? 32 : 16);
}

double rg_k_peak_bf16(rg_isa isa, size_t rounds)
{
    if (isa != RG_ISA_AVX512 || !__builtin_cpu_supports("avx512bf16"))
        return 0;
    bf16_512(rounds);
    return (double)rounds * N_CHAINS * 64;
}

#define PREFETCH(p) _mm_prefetch((const char *)(p) + 4096, _MM_HINT_T0)
#else

double rg_k_peak_i8(rg_isa isa, size_t rounds)
{
    (void)isa;
    (void)rounds;
    return 0;
}

double rg_k_peak_f32(rg_isa isa, size_t rounds)
{
    (void)isa;
    (void)rounds;
    return 0;
}

double rg_k_peak_bf16(rg_isa isa, size_t rounds)
{
    (void)isa;
    (void)rounds;
    return 0;
}

#define PREFETCH(p) ((void)(p))
#endif

uint64_t rg_k_peak_read(const void *p, size_t n)
{
    const uint64_t *x = p;
    uint64_t a = 0, b = 0, c = 0, d = 0;
    for (size_t i = 0; i < n / 8; i += 8) {
        PREFETCH(x + i);
        a ^= x[i] ^ x[i + 4];
        b ^= x[i + 1] ^ x[i + 5];
        c ^= x[i + 2] ^ x[i + 6];
        d ^= x[i + 3] ^ x[i + 7];
    }
    return a ^ b ^ c ^ d;
}
