/* dequant.c - the value of every element of a row as GGUF stores it.
 *
 * This is the definition of the formats for the rest of the tree.  Each product and sum is
 * rounded on its own, in the order written, which gives ggml's bits. */
#include "mm_int.h"

static uint16_t read16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static void dequant_small(float *y, const rg__raw *b, rg__layout L)
{
    const float d = rg_f16_to_f32(b->d), m = rg_f16_to_f32(b->m);
    for (size_t k = 0; k < 32; k++) {
        const float v = (float)((int)b->q[k] - L.offset) * d;
        y[k] = L.fold == RG__FOLD_32_MIN ? v + m : v;
    }
}

static void dequant_k(float *y, const rg__raw *b, rg__layout L)
{
    const float d = rg_f16_to_f32(b->d), dmin = rg_f16_to_f32(b->m);
    for (size_t k = 0; k < 256; k++) {
        const float q = (float)((int)b->q[k] - L.offset);
        if (L.fold == RG__FOLD_256_16) {
            const float s = d * (float)(int8_t)b->sc[k / 16];
            y[k] = s * q;
        } else {
            const float s = d * (float)b->sc[k / 32], m = dmin * (float)b->ms[k / 32];
            const float v = s * q;
            y[k] = v - m;
        }
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
