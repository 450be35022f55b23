/* layout.c - sizes: of panels, of activation buffers, of scratch. */
#include "mm_int.h"

#include "rung/base/mem.h"

size_t rg_panel_bytes(uint32_t type, size_t K)
{
    const rg__layout L = rg__layout_of(type);
    return RG_ROUND_UP((K + L.k - 1u) / L.k * L.bytes, 64u);
}

rg_act rg_act_of(uint32_t type)
{
    return (rg_act)rg__layout_of(type).act;
}

size_t rg_act_tiles(size_t N)
{
    return (N + RG_TILE_COLS - 1) / RG_TILE_COLS;
}

size_t rg_act_bytes(rg_act kind, size_t N, size_t K)
{
    return rg__act_at(kind, N, (K + RG__GROUP_K - 1) / RG__GROUP_K, 0);
}

/* An expansion (of the same size for every K), then running sums of two panels. */
size_t rg_mm_scratch_bytes(size_t N, size_t K)
{
    (void)K;
    return RG__EXPAND_BYTES + 2 * 64 * RG_ROUND_UP(N, RG_TILE_COLS);
}
