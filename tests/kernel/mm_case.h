/* mm_case.h - random weight matrices as GGUF stores them, for the tests of the matrix kernels. */
#ifndef RUNG_MM_CASE_H
#define RUNG_MM_CASE_H

#include "../test.h"

#include "rung/base/mem.h"
#include "rung/base/rng.h"
#include "rung/kernel/kernel.h"

static const uint32_t all_types[] = { RG_F32,  RG_F16,  RG_BF16, RG_Q4_0, RG_Q4_1,
                                      RG_Q5_0, RG_Q5_1, RG_Q8_0, RG_Q2_K, RG_Q3_K,
                                      RG_Q4_K, RG_Q5_K, RG_Q6_K, RG_IQ4_NL, RG_IQ4_XS };

typedef struct mm_case {
    uint32_t type;
    size_t R, K, row_bytes;
    uint8_t *rows; /* R rows of row_bytes */
    rg_panels w;
    void *panels;
    size_t panels_bytes;
} mm_case;

static inline uint64_t case_bits(uint64_t seed, uint64_t i)
{
    return rg_draw_u64(seed, i, RG_DRAW_NOISE);
}

/* A scale between 2^-9 and 2^-5 of either sign: products of realistic size. */
static inline uint16_t case_half(uint64_t bits)
{
    return (uint16_t)((bits & 0x83ffu) | (6 + (bits >> 16) % 4) << 10);
}

static inline void case_put_half(uint8_t *p, uint64_t bits)
{
    const uint16_t h = case_half(bits);
    memcpy(p, &h, 2);
}

/* Random bits everywhere, then sane numbers where the format keeps floats. */
static inline void case_block(uint8_t *p, uint32_t type, uint64_t seed)
{
    const size_t bytes = rg_type_info_of(type)->bytes;
    for (size_t i = 0; i < bytes; i++)
        p[i] = (uint8_t)(case_bits(seed, i / 8) >> 8 * (i % 8));
    const uint64_t h = case_bits(seed, 1000);
    const float f = (float)rg_draw_normal(seed, 1001, RG_DRAW_NOISE) * 0.25f;
    switch (type) {
    case RG_F32: memcpy(p, &f, 4); break;
    case RG_F16: memcpy(p, &(uint16_t){ rg_f16_from_f32(f) }, 2); break;
    case RG_BF16: memcpy(p, &(uint16_t){ rg_bf16_from_f32(f) }, 2); break;
    case RG_Q6_K: case_put_half(p + 208, h); break;
    case RG_Q3_K: case_put_half(p + 108, h); break;
    case RG_Q2_K:
        case_put_half(p + 80, h);
        case_put_half(p + 82, h >> 32);
        break;
    case RG_Q4_1:
    case RG_Q5_1:
    case RG_Q4_K:
    case RG_Q5_K: case_put_half(p + 2, h >> 32); /* fall through */
    default: case_put_half(p, h);
    }
}

static inline mm_case case_new(uint32_t type, size_t R, size_t K, uint64_t seed)
{
    const rg_type_info *info = rg_type_info_of(type);
    mm_case m = { .type = type, .R = R, .K = K, .row_bytes = K / info->block * info->bytes };
    m.rows = rg_alloc(R, m.row_bytes);
    for (size_t i = 0; i < R * (K / info->block); i++)
        case_block(m.rows + i * info->bytes, type, rg_stream_child(seed, i));
    const size_t n = (R + RG_PANEL_ROWS - 1) / RG_PANEL_ROWS, bytes = rg_panel_bytes(type, K);
    m.panels_bytes = n * bytes;
    m.panels = rg_alloc_aligned(m.panels_bytes);
    CHECK(m.rows && m.panels);
    for (size_t p = 0; p < n; p++)
        rg_k_pack((uint8_t *)m.panels + p * bytes, m.rows + p * RG_PANEL_ROWS * m.row_bytes, m.row_bytes,
                  RG_MIN(R - p * RG_PANEL_ROWS, (size_t)RG_PANEL_ROWS), type, K);
    m.w = (rg_panels){ type, R, K, bytes, m.panels };
    return m;
}

static inline void case_free(mm_case *m)
{
    rg_free(m->rows);
    rg_free_aligned(m->panels, m->panels_bytes);
}

static inline float *case_floats(size_t n, uint64_t seed)
{
    float *x = rg_alloc(n, sizeof *x);
    CHECK(x != NULL);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)rg_draw_normal(seed, i, RG_DRAW_NOISE);
    return x;
}

/* y (N, ldy) for panels [p0, p1) of quantised or float activations, from x (N, K). */
static inline void case_mm(const rg_kernels *k, float *y, size_t ldy, const mm_case *m, const float *x,
                           size_t ldx, size_t N, size_t p0, size_t p1)
{
    const rg_act kind = rg_act_of(m->type);
    const size_t bytes = rg_act_bytes(kind, N, m->K), scratch_bytes = rg_mm_scratch_bytes(N, m->K);
    void *act = rg_alloc_aligned(bytes), *scratch = rg_alloc_aligned(scratch_bytes);
    CHECK(act && scratch);
    memset(act, 0xa5, bytes);
    memset(scratch, 0xa5, scratch_bytes);
    k->quantize(act, kind, x, ldx, N, m->K, 0, rg_act_tiles(N));
    k->mm(y, ldy, &m->w, act, N, p0, p1, scratch);
    rg_free_aligned(act, bytes);
    rg_free_aligned(scratch, scratch_bytes);
}

static inline void case_mm_f32(const rg_kernels *k, float *y, size_t ldy, const mm_case *m, const float *x,
                               size_t ldx, size_t N, size_t p0, size_t p1)
{
    const size_t scratch_bytes = rg_mm_scratch_bytes(N, m->K);
    void *scratch = rg_alloc_aligned(scratch_bytes);
    CHECK(scratch != NULL);
    memset(scratch, 0xa5, scratch_bytes);
    k->mm_f32(y, ldy, &m->w, x, ldx, N, p0, p1, scratch);
    rg_free_aligned(scratch, scratch_bytes);
}

#endif
