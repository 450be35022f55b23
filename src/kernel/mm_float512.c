/* mm_float512.c - float activations with AVX-512: mm_float.h on whole panels. */
#include "kernel_int.h"
#include "mm_unpack512.h"

#define RG__MOST_PANELS       2
#define RG__RUN_AT(p, BYTES)  ((p)*step)
#define RG__RUN_SUM(NC, p, c) (16 * ((p) * (NC) + (c)))
#define RG__FLOAT_TILES(T, BYTES)                                                                            \
    TILE(tile_1x1, T, BYTES, 1, RUNS_1, PAIRS_1x1, true)                                                     \
    TILE(tile_1x4, T, BYTES, 4, RUNS_1, PAIRS_1x4, true)                                                     \
    TILE(tile_2x4, T, BYTES, 4, RUNS_2, PAIRS_2x4, false)                                                    \
    static const tile_fn tiles_##T[3] = { tile_1x1_##T, tile_1x4_##T, tile_2x4_##T };
#include "mm_float.h"

void rg__mm_float_avx512(float *y, size_t ldy, const rg_panels *w, const void *act, size_t N, size_t p0,
                         size_t p1, void *scratch)
{
    mm_float(y, ldy, w, act, N, p0, p1, scratch);
}

void rg__mmf_init_avx512(rg_kernels *k)
{
    k->mm_f32 = mm_f32;
}
