/* mm_avx2.c - quantised matrix products with AVX2.
 *
 *   N = 1    both halves of a panel x one column, weights unpacked in registers
 *   N >= 2   half a panel x four columns from expanded groups (mm_run.h): sixteen registers hold
 *            4 integer and 4 float sums, two weights, a constant and what the dots need */
#include "kernel_int.h"
#include "mm_unpack2.h"

#define RG__MOST_PANELS 1
#define RG__SUM(p, c)   (16 * (c) + 8 * (a.half + (p)))

#define RG__TILE     tile_2x1
#define RG__NC       1
#define RG__RUNS(X)  X(0) X(1)
#define RG__PAIRS(X) X(0, 0) X(1, 0)
#include "mm_tile.h"

#define RG__TILE     tile_1x4
#define RG__NC       4
#define RG__RUNS(X)  X(0)
#define RG__PAIRS(X) X(0, 0) X(0, 1) X(0, 2) X(0, 3)
#include "mm_tile.h"

/* Rows 0..7, then 8..15; the first fetches what is ahead for both. */
static RG__INLINE void both_halves(tile a, rg__layout L)
{
    tile_1x4(a, L, false);
    a.half = 1;
    a.ahead_lines = 0;
    tile_1x4(a, L, false);
}

#define RG__ONE(a, L)     tile_2x1(a, L, true)
#define RG__FOUR(a, L)    both_halves(a, L)
#define RG__GROUP_1(a, L) both_halves(a, L)
#define RG__GROUP_2(a, L) both_halves(a, L)
#include "mm_run.h"

static void mm_avx2(float *y, size_t ldy, const rg_panels *w, const void *act, size_t N, size_t p0, size_t p1,
                    void *scratch)
{
    if (rg_act_of(w->type) == RG_ACT_F32)
        rg__mm_float_avx2(y, ldy, w, act, N, p0, p1, scratch);
    else
        run(y, ldy, w, act, N, p0, p1, scratch);
}

void rg__mm_init_avx2(rg_kernels *k)
{
    rg__quant_init_avx2(k);
    rg__mmf_init_avx2(k);
    k->mm = mm_avx2;
}
