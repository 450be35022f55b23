/* kv_body.h - pages of keys and values, written once over vf and included after vec_body.h.
 * kv_ref.h is the definition.  D is a multiple of VF. */

#include "kv_page.h"

VF_INLINE vf load_half(const uint16_t *p, uint32_t kv_type)
{
    return kv_type == RG_F16 ? vf_load_f16(p) : vf_load_bf16(p);
}

VF_INLINE void store_half(uint16_t *p, vf a, uint32_t kv_type)
{
    if (kv_type == RG_F16)
        vf_store_f16(p, a);
    else
        vf_store_bf16(p, a);
}

VF_INLINE void put_half(uint16_t *kh, uint16_t *vh, uint32_t kv_type, const float *k, const float *v,
                        size_t D, size_t at)
{
    for (size_t d = 0; d < D; d += VF) {
        uint16_t h[VF];
        store_half(h, vf_load(k + d), kv_type);
        store_half(vh + at * D + d, vf_load(v + d), kv_type);
        for (size_t i = 0; i < VF; i++)
            kh[(d + i) * RG_PAGE + at] = h[i];
    }
}

VF_INLINE void widen_half(float *k, float *v, const uint16_t *kh, const uint16_t *vh, uint32_t kv_type,
                          size_t D)
{
    for (size_t i = 0; i < D * RG_PAGE; i += VF) {
        vf_store(k + i, load_half(kh + i, kv_type));
        vf_store(v + i, load_half(vh + i, kv_type));
    }
}

/* q of n (16 or 32) elements; returns the scale's f16 bits.  Adding 1.5 * 2^23 rounds to the
 * nearest even integer and leaves it in the low bits. */
static uint16_t quant_run(int8_t *q, const float *x, size_t n)
{
    const vf zero = vf_set(0.0f), round = vf_set(0x1.8p23f);
    vf top = zero, bad = zero;
    for (size_t i = 0; i < n; i += VF) {
        const vf v = vf_load(x + i);
        top = vf_max(v, vf_max(vf_sub(zero, v), top)); /* passes over NaN */
        bad = vf_fma(v, zero, bad);
    }
    const float max = isnan(vf_sum(bad)) ? NAN : vf_greatest(top);
    uint32_t bits, r[VF];
    float inv;
    memcpy(&bits, &max, sizeof bits);
    const uint16_t h = rg__kv_scale(&inv, bits & 0x7fffffffu);
    for (size_t i = 0; i < n; i += VF) {
        vf v = vf_mul(inv == 0.0f ? zero : vf_load(x + i), vf_set(inv));
        v = vf_max(v, vf_set(-127.0f));
        v = vf_sub(zero, vf_max(vf_sub(zero, v), vf_set(-127.0f)));
        vf_store((float *)(void *)r, vf_add(v, round));
        for (size_t j = 0; j < VF; j++)
            q[i + j] = (int8_t)(r[j] & 255u);
    }
    return h;
}

static void put_q8(void *kpage, void *vpage, const float *k, const float *v, size_t D, size_t at)
{
    int8_t *kq = kpage, *vq = (int8_t *)vpage + at * D, q[RG__KV_RUN];
    uint16_t *ks = rg__kv_scales(kpage, D), *vs = rg__kv_scales(vpage, D);
    for (size_t d = 0; d < D; d += RG__KV_RUN) {
        const size_t n = D - d < RG__KV_RUN ? D - d : RG__KV_RUN, run = d / RG__KV_RUN;
        ks[run * RG_PAGE + at] = quant_run(q, k + d, n);
        for (size_t i = 0; i < n; i++)
            kq[(d + i) * RG_PAGE + at] = q[i];
        vs[at * rg__kv_runs(D) + run] = quant_run(vq + d, v + d, n);
    }
}

static void widen_q8(float *k, float *v, const void *kpage, const void *vpage, size_t D)
{
    const int8_t *kq = kpage, *vq = vpage;
    const uint16_t *ks = rg__kv_scales_of(kpage, D), *vs = rg__kv_scales_of(vpage, D);
    for (size_t d = 0; d < D; d++)
        for (size_t t = 0; t < RG_PAGE; t += VF) {
            const vf s = vf_load_f16(ks + d / RG__KV_RUN * RG_PAGE + t);
            vf_store(k + d * RG_PAGE + t, vf_mul(vf_load_s8(kq + d * RG_PAGE + t), s));
        }
    for (size_t t = 0; t < RG_PAGE; t++, v += D, vq += D, vs += rg__kv_runs(D))
        for (size_t d = 0; d < D; d += VF)
            vf_store(v + d, vf_mul(vf_load_s8(vq + d), vf_set_f16(vs[d / RG__KV_RUN])));
}

static void kv_put(void *kpage, void *vpage, uint32_t kv_type, const float *k, const float *v, size_t D,
                   size_t at)
{
    switch (kv_type) {
    case RG_F16: put_half(kpage, vpage, RG_F16, k, v, D, at); return;
    case RG_BF16: put_half(kpage, vpage, RG_BF16, k, v, D, at); return;
    case RG_Q8_0: put_q8(kpage, vpage, k, v, D, at); return;
    default: break;
    }
    float *kf = kpage, *vrow = (float *)vpage + at * D;
    for (size_t d = 0; d < D; d++)
        kf[d * RG_PAGE + at] = k[d];
    memcpy(vrow, v, D * sizeof *v);
}

static void kv_widen(float *k, float *v, const void *kpage, const void *vpage, uint32_t kv_type, size_t D)
{
    switch (kv_type) {
    case RG_F16: widen_half(k, v, kpage, vpage, RG_F16, D); return;
    case RG_BF16: widen_half(k, v, kpage, vpage, RG_BF16, D); return;
    case RG_Q8_0: widen_q8(k, v, kpage, vpage, D); return;
    default: break;
    }
    memcpy(k, kpage, D * RG_PAGE * sizeof *k);
    memcpy(v, vpage, D * RG_PAGE * sizeof *v);
}
