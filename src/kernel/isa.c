/* isa.c - which instruction sets this machine has, and the kernel table filled for one. */
#include "rung/kernel/kernel.h"

#include <assert.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "kernel_int.h"

static const char *const isa_names[RG_N_ISA] = { "ref", "avx2", "avx512" };

#if defined(__x86_64__)

/* The compiler's run-time library asks CPUID and, through XGETBV, whether the system saves
 * the wide registers; without that second half a bare CPUID bit would end in SIGILL. */
static bool has_avx2(void)
{
    unsigned a, b, c, d;
    __builtin_cpu_init();
    const bool f16c = __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C); /* clang 14 has no name for it */
    return f16c && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static bool has_avx512(void)
{
    __builtin_cpu_init();
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vnni");
}

#else

static bool has_avx2(void)
{
    return false;
}

static bool has_avx512(void)
{
    return false;
}

#endif

bool rg_isa_available(rg_isa isa)
{
    switch (isa) {
    case RG_ISA_REF: return true;
    case RG_ISA_AVX2: return has_avx2();
    case RG_ISA_AVX512: return has_avx512();
    default: return false;
    }
}

rg_isa rg_isa_best(void)
{
    return has_avx512() ? RG_ISA_AVX512 : has_avx2() ? RG_ISA_AVX2 : RG_ISA_REF;
}

const char *rg_isa_name(rg_isa isa)
{
    return (unsigned)isa < RG_N_ISA ? isa_names[isa] : "?";
}

bool rg_isa_parse(rg_isa *out, const char *name)
{
    for (int i = 0; i < RG_N_ISA; i++)
        if (strcmp(name, isa_names[i]) == 0) {
            *out = (rg_isa)i;
            return true;
        }
    return false;
}

void rg_kernels_init(rg_kernels *k, rg_isa isa)
{
    assert(rg_isa_available(isa));
    memset(k, 0, sizeof *k);
    rg__mm_init_ref(k);
    rg__vec_init_ref(k);
#if defined(__x86_64__)
    if (isa >= RG_ISA_AVX2) {
        rg__mm_init_avx2(k);
        rg__vec_init_avx2(k);
    }
    if (isa >= RG_ISA_AVX512) {
        rg__mm_init_avx512(k);
        rg__vec_init_avx512(k);
    }
#endif
    k->isa = isa;
    k->name = rg_isa_name(isa);
}
