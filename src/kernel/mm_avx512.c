/* mm_avx512.c - quantised matrix products with AVX-512 VNNI; built twice, without and with GFNI.
 *
 *   N = 1      one panel x one column, weights unpacked in registers: bound by memory
 *   N = 2..4   one panel x one tile of four columns, the same way
 *   N >= 5     two panels x four columns from expanded groups (mm_run.h) */
#include <cpuid.h>

#include "kernel_int.h"
#include "mm_unpack512.h"

#define RG__MOST_PANELS 2
#define RG__SUM(p, c)   (16 * ((p)*RG__NC + (c)))

#define RG__TILE     tile_1x1
#define RG__NC       1
#define RG__RUNS(X)  X(0)
#define RG__PAIRS(X) X(0, 0)
#include "mm_tile.h"

#define RG__TILE     tile_1x4
#define RG__NC       4
#define RG__RUNS(X)  X(0)
#define RG__PAIRS(X) X(0, 0) X(0, 1) X(0, 2) X(0, 3)
#include "mm_tile.h"

#define RG__TILE     tile_2x4
#define RG__NC       4
#define RG__RUNS(X)  X(0) X(1)
#define RG__PAIRS(X) X(0, 0) X(1, 0) X(0, 1) X(1, 1) X(0, 2) X(1, 2) X(0, 3) X(1, 3)
#include "mm_tile.h"

/* The tiles of one format, for mm_run.h. */
#define RG__ONE(a, L)     tile_1x1(a, L, true)
#define RG__FOUR(a, L)    tile_1x4(a, L, true)
#define RG__GROUP_1(a, L) tile_1x4(a, L, false)
#define RG__GROUP_2(a, L) tile_2x4(a, L, false)
#include "mm_run.h"

static void mm_avx512(float *y, size_t ldy, const rg_panels *w, const void *act, size_t N, size_t p0,
                      size_t p1, void *scratch)
{
    if (rg_act_of(w->type) == RG_ACT_F32)
        rg__mm_float_avx512(y, ldy, w, act, N, p0, p1, scratch);
    else
        run(y, ldy, w, act, N, p0, p1, scratch);
}

#if defined(__GFNI__)
void rg__mm_init_avx512_gfni(rg_kernels *k)
{
    k->mm = mm_avx512;
}
#else
void rg__mm_init_avx512_vnni(rg_kernels *k)
{
    k->mm = mm_avx512;
}

static bool has_gfni(void)
{
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (c & bit_GFNI);
}

void rg__mm_init_avx512(rg_kernels *k)
{
    rg__mmf_init_avx512(k);
    (has_gfni() ? rg__mm_init_avx512_gfni : rg__mm_init_avx512_vnni)(k);
}
#endif
