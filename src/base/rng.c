#include "rung/base/rng.h"

#include <math.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* Philox4x32-10: ten rounds of two 32x32 -> 64 multiplications; Salmon et al. 2011, section 4. */
void rg_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        const uint64_t a = (uint64_t)0xD2511F53u * c0;
        const uint64_t b = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(b >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)b;
        c2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)a;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

static void draw(uint32_t out[4], uint64_t stream, uint64_t index, rg_purpose purpose)
{
    const uint32_t counter[4] = { (uint32_t)index, (uint32_t)(index >> 32), (uint32_t)purpose, 0 };
    const uint32_t key[2] = { (uint32_t)stream, (uint32_t)(stream >> 32) };
    rg_philox(out, counter, key);
}

uint64_t rg_draw_u64(uint64_t stream, uint64_t index, rg_purpose purpose)
{
    uint32_t r[4];
    draw(r, stream, index, purpose);
    return (uint64_t)r[1] << 32 | r[0];
}

double rg_draw_uniform(uint64_t stream, uint64_t index, rg_purpose purpose)
{
    return (double)(rg_draw_u64(stream, index, purpose) >> 11) * 0x1p-53;
}

/* Box-Muller on the two halves of one draw. */
double rg_draw_normal(uint64_t stream, uint64_t index, rg_purpose purpose)
{
    uint32_t r[4];
    draw(r, stream, index, purpose);
    const double u = ((double)(((uint64_t)r[1] << 32 | r[0]) >> 11) + 1.0) * 0x1p-53;
    const double v = (double)(((uint64_t)r[3] << 32 | r[2]) >> 11) * 0x1p-53;
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

uint64_t rg_hash64(const void *p, size_t n, uint64_t seed)
{
    return XXH3_64bits_withSeed(p, n, seed);
}

uint64_t rg_stream_root(uint64_t seed, const void *id, size_t id_bytes)
{
    return rg_hash64(id, id_bytes, seed);
}

uint64_t rg_stream_child(uint64_t parent, uint64_t child_index)
{
    return rg_hash64(&child_index, sizeof child_index, parent);
}
