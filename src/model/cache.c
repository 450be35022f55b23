/* cache.c - the number formats that attention state can be kept in. */
#include <string.h>

#include "rung/base/mem.h"
#include "rung/base/numtype.h"
#include "rung/model/state.h"

rg_status rg_cache_parse(rg_cache *out, const char *name, rg_err *e)
{
    static const struct {
        const char *name;
        rg_cache is;
    } known[] = { { "", RG_CACHE_AUTO }, { "f16", RG_CACHE_F16 }, { "bf16", RG_CACHE_BF16 },
                  { "q8", RG_CACHE_Q8 }, { "q8_0", RG_CACHE_Q8 }, { "f32", RG_CACHE_F32 } };
    for (size_t i = 0; i < RG_COUNT(known); i++)
        if (strcmp(name == NULL ? "" : name, known[i].name) == 0) {
            *out = known[i].is;
            return RG_OK;
        }
    RG_FAIL(e, RG_EARG, "attention state cannot be kept as %s: --cache-type takes f16, bf16, q8 or f32",
            name);
}

uint32_t rg_cache_type(rg_cache c, bool exact)
{
    switch (c) {
    case RG_CACHE_F32: return RG_F32;
    case RG_CACHE_F16: return RG_F16;
    case RG_CACHE_BF16: return RG_BF16;
    case RG_CACHE_Q8: return RG_Q8_0;
    default: return exact ? RG_F32 : RG_F16;
    }
}

uint64_t rg_cache_bytes(uint32_t kv_type, uint64_t D)
{
    uint64_t bytes;
    const uint64_t runs = D / 32 + (D % 32 != 0); /* of Q8_0, each with a scale of two bytes */
    const bool fits = kv_type == RG_Q8_0 ? rg_add_u64(&bytes, D, 2 * runs)
                                         : rg_mul_u64(&bytes, D, kv_type == RG_F32 ? 4 : 2);
    return fits ? bytes : UINT64_MAX;
}
