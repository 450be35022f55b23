/* kv_ref.h - the definition of pages of keys and values; part of vec_ref.c, which includes it.
 * Contracts: kernel.h. */

#include "kv_page.h"

size_t rg_kv_page_bytes(uint32_t kv_type, size_t D)
{
    switch (kv_type) {
    case RG_F16:
    case RG_BF16: return D * RG_PAGE * sizeof(uint16_t);
    case RG_Q8_0: return RG__KV_SCALES(D) + rg__kv_runs(D) * RG_PAGE * sizeof(uint16_t);
    default: return D * RG_PAGE * sizeof(float);
    }
}

static uint16_t half_of(float x, uint32_t kv_type)
{
    return kv_type == RG_F16 ? rg_f16_from_f32(x) : rg_bf16_from_f32(x);
}

static float of_half(uint16_t h, uint32_t kv_type)
{
    return kv_type == RG_F16 ? rg_f16_to_f32(h) : rg_bf16_to_f32(h);
}

/* q of at most 32 elements; returns the scale's f16 bits. */
static uint16_t kv_quant(int8_t *q, const float *x, size_t n)
{
    uint32_t max = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t u;
        memcpy(&u, x + i, sizeof u);
        u &= 0x7fffffffu;
        max = u > max ? u : max;
    }
    float inv;
    const uint16_t h = rg__kv_scale(&inv, max);
    for (size_t i = 0; i < n; i++) {
        const float v = inv == 0.0f ? 0.0f : nearbyintf(x[i] * inv);
        q[i] = (int8_t)(v > 127.0f ? 127.0f : v < -127.0f ? -127.0f : v);
    }
    return h;
}

static void kv_put_q8(void *kpage, void *vpage, const float *k, const float *v, size_t D, size_t at)
{
    int8_t *kq = kpage, *vq = (int8_t *)vpage + at * D, q[RG__KV_RUN];
    uint16_t *ks = rg__kv_scales(kpage, D), *vs = rg__kv_scales(vpage, D);
    for (size_t d = 0; d < D; d += RG__KV_RUN) {
        const size_t n = D - d < RG__KV_RUN ? D - d : RG__KV_RUN, run = d / RG__KV_RUN;
        ks[run * RG_PAGE + at] = kv_quant(q, k + d, n);
        for (size_t i = 0; i < n; i++)
            kq[(d + i) * RG_PAGE + at] = q[i];
        vs[at * rg__kv_runs(D) + run] = kv_quant(vq + d, v + d, n);
    }
}

static void kv_widen_q8(float *k, float *v, const void *kpage, const void *vpage, size_t D)
{
    const int8_t *kq = kpage, *vq = vpage;
    const uint16_t *ks = rg__kv_scales_of(kpage, D), *vs = rg__kv_scales_of(vpage, D);
    for (size_t t = 0; t < RG_PAGE; t++)
        for (size_t d = 0; d < D; d++) {
            const size_t run = d / RG__KV_RUN, i = d * RG_PAGE + t, j = t * D + d;
            k[i] = (float)kq[i] * rg_f16_to_f32(ks[run * RG_PAGE + t]);
            v[j] = (float)vq[j] * rg_f16_to_f32(vs[t * rg__kv_runs(D) + run]);
        }
}

static void kv_put(void *kpage, void *vpage, uint32_t kv_type, const float *k, const float *v, size_t D,
                   size_t at)
{
    if (kv_type == RG_Q8_0) {
        kv_put_q8(kpage, vpage, k, v, D, at);
        return;
    }
    uint16_t *kh = kpage, *vh = vpage;
    float *kf = kpage, *vf = vpage;
    for (size_t d = 0; d < D; d++)
        if (kv_type == RG_F32) {
            kf[d * RG_PAGE + at] = k[d];
            vf[at * D + d] = v[d];
        } else {
            kh[d * RG_PAGE + at] = half_of(k[d], kv_type);
            vh[at * D + d] = half_of(v[d], kv_type);
        }
}

static void kv_widen(float *k, float *v, const void *kpage, const void *vpage, uint32_t kv_type, size_t D)
{
    if (kv_type == RG_Q8_0) {
        kv_widen_q8(k, v, kpage, vpage, D);
        return;
    }
    if (kv_type == RG_F32) {
        memcpy(k, kpage, D * RG_PAGE * sizeof *k);
        memcpy(v, vpage, D * RG_PAGE * sizeof *v);
        return;
    }
    const uint16_t *kh = kpage, *vh = vpage;
    for (size_t i = 0; i < D * RG_PAGE; i++) {
        k[i] = of_half(kh[i], kv_type);
        v[i] = of_half(vh[i], kv_type);
    }
}
