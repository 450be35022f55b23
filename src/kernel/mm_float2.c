/* mm_float2.c - float activations with AVX2: mm_float.h on the two halves of one panel. */
#include "kernel_int.h"
#include "mm_unpack2.h"

#define RG__MOST_PANELS       1
#define RG__RUN_AT(p, BYTES)  ((p) * (BYTES) / 2)
#define RG__RUN_SUM(NC, p, c) (16 * (c) + 8 * (p))
#define RG__FLOAT_TILES(T, BYTES)                                                                            \
    TILE(tile_1, T, BYTES, 1, RUNS_2, PAIRS_2x1, true)                                                       \
    TILE(tile_4, T, BYTES, 4, RUNS_2, PAIRS_2x4, false)                                                      \
    static const tile_fn tiles_##T[3] = { tile_1_##T, tile_4_##T, tile_4_##T };
#include "mm_float.h"

void rg__mm_float_avx2(float *y, size_t ldy, const rg_panels *w, const void *act, size_t N, size_t p0,
                       size_t p1, void *scratch)
{
    mm_float(y, ldy, w, act, N, p0, p1, scratch);
}

void rg__mmf_init_avx2(rg_kernels *k)
{
    k->mm_f32 = mm_f32;
}
