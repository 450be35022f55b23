/* dequant.c - the value of every element of a row as GGUF stores it.
 *
 * This is the definition of the formats for the rest of the tree.  Each product and sum is
 * rounded on its own, in the order written, which gives ggml's bits. */
#include "mm_int.h"

static uint16_t read16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

/* The integer that stands at element k. */
static float whole(const rg__raw *b, rg__layout L, size_t k)
{
    return (float)((L.codebook ? rg__iq4[b->q[k]] : b->q[k]) - L.offset);
}

static void dequant_small(float *y, const rg__raw *b, rg__layout L)
{
    const float d = rg_f16_to_f32(b->d), m = rg_f16_to_f32(b->m);
    for (size_t k = 0; k < 32; k++) {
        const float v = whole(b, L, k) * d;
        y[k] = L.mins ? v + m : v;
    }
}

/* Scale and min of element k of a block of 256, before d and dmin. */
static void scales_of(float *sc, float *m, const rg__raw *b, rg__layout L, size_t k)
{
    const uint8_t s = b->sc[L.fold == RG__FOLD_256_16 ? k / 16 : k / 32];
    if (!L.mins)
        *sc = (float)(int8_t)s, *m = 0.0f;
    else if (L.fold == RG__FOLD_256_16)
        *sc = (float)(s & 15), *m = (float)(s >> 4);
    else
        *sc = (float)s, *m = (float)b->ms[k / 32];
}

static void dequant_k(float *y, const rg__raw *b, rg__layout L)
{
    const float d = rg_f16_to_f32(b->d), dmin = rg_f16_to_f32(b->m);
    for (size_t k = 0; k < 256; k++) {
        float sc, m;
        scales_of(&sc, &m, b, L, k);
        const float s = d * sc, v = s * whole(b, L, k), less = dmin * m;
        y[k] = L.mins ? v - less : v;
    }
}

static void dequant_float(float *y, const uint8_t *p, uint32_t type, size_t K)
{
    if (type == RG_F32)
        memcpy(y, p, K * sizeof *y);
    else if (type == RG_F16)
        for (size_t k = 0; k < K; k++)
            y[k] = rg_f16_to_f32(read16(p + 2 * k));
    else
        for (size_t k = 0; k < K; k++)
            y[k] = rg_bf16_to_f32(read16(p + 2 * k));
}

void rg_k_dequant_row(float *y, const void *row, uint32_t type, size_t K)
{
    const rg_type_info *info = rg_type_info_of(type);
    const rg__layout L = rg__layout_of(type);
    if (L.fold == RG__FOLD_FLOAT) {
        dequant_float(y, row, type, K);
        return;
    }
    const uint8_t *p = row;
    assert(K % info->block == 0);
    for (size_t k = 0; k < K; k += info->block, p += info->bytes) {
        rg__raw b = { .m = 0 };
        rg__raw_read(&b, p, type);
        if (info->block == 32)
            dequant_small(y + k, &b, L);
        else
            dequant_k(y + k, &b, L);
    }
}
