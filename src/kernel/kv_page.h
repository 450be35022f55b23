/* kv_page.h - 8-bit pages of attention state, as every level reads and writes them.
 *
 *   K   q s8 (D, RG_PAGE), then one f16 scale per 32 dimensions of one position (D/32, RG_PAGE)
 *   V   q s8 (RG_PAGE, D), then one f16 scale per 32 dimensions of one position (RG_PAGE, D/32)
 *
 * so that scales lie along the vectors that they scale.  D/32 rounds up. */
#ifndef RUNG_KERNEL_KV_PAGE_H
#define RUNG_KERNEL_KV_PAGE_H

#include <string.h>

#include "rung/kernel/kernel.h"

#define RG__KV_RUN       32
#define RG__KV_SCALES(D) ((D)*RG_PAGE) /* where the scales begin */

static inline size_t rg__kv_runs(size_t D)
{
    return (D + RG__KV_RUN - 1) / RG__KV_RUN;
}

static inline uint16_t *rg__kv_scales(void *page, size_t D)
{
    return (uint16_t *)(void *)((char *)page + RG__KV_SCALES(D));
}

static inline const uint16_t *rg__kv_scales_of(const void *page, size_t D)
{
    return (const uint16_t *)(const void *)((const char *)page + RG__KV_SCALES(D));
}

/* Scale of a run whose greatest |x| has these bits, as f16, and what to multiply x with; 0: q is 0
 * throughout.  Beyond f16 (8.3 million) the scale is infinite and the widened values are NaN, as
 * they are for a NaN or an infinity. */
static inline uint16_t rg__kv_scale(float *inv, uint32_t max_bits)
{
    float max;
    memcpy(&max, &max_bits, sizeof max);
    const uint16_t h = max_bits < 0x7f800000u ? rg_f16_from_f32(max / 127.0f) : 0x7e00u;
    *inv = h > 0 && h < 0x7c00u ? 1.0f / rg_f16_to_f32(h) : 0.0f;
    return h;
}

#endif
