/* mm_int.h - the geometry that packing, quantising and every level of mm share.
 *
 * Weights.  A panel is 16 rows over all K, cut into units of 64 k (formats scaled per 32) or
 * 256 k (K-quants).  A vector holds 16 rows x 4 k: byte 4r+i = row r, k = 4g+i, where g (0..7)
 * is the group inside a block of 32.  docs/formats/panels.md draws every unit.
 *
 * Activations.  For each 256 k, for each tile of tc columns (4, or 1 when N is 1), one record:
 *
 *   RG_ACT_Q32    q s8 [64][tc][4] | isum i32 [3][8][tc] = -8, -16, -128 times sum(q)
 *                 | fsum f32 [8][tc] = d * sum(q) | d f32 [8][tc]
 *   RG_ACT_Q256.. q s8 [64][tc][4] | sums [8 or 16][tc] | d f32 [tc], where a sum over 32 or 16
 *                 elements is f32 -sum(q) for mins, or i32 -offset * sum(q): rg__sums_of
 *   RG_ACT_F32    x f32 [256][tc]
 *
 * The integer sum of a block starts at isum, which takes the offset of the unsigned weights
 * back out at no cost.  Only the parts of the last record that K reaches are defined. */
#ifndef RUNG_MM_INT_H
#define RUNG_MM_INT_H

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "rung/kernel/kernel.h"

#define RG__GROUP_K 256 /* k of one activation record, and of one expansion */

/* How the integer sum of a block joins the float sum: kernel.h, mm. */
typedef enum rg__fold {
    RG__FOLD_FLOAT,
    RG__FOLD_32,     /* acc = fma(isum, d*da, acc); with mins acc = fma(m, da*sum(q), acc)  */
    RG__FOLD_256,    /* t = fma(isum, d*sc, t); with mins t = fma(dmin*m, -sum(q), t);      */
    RG__FOLD_256_16, /* ... the same every 16 k;  acc = fma(t, da, acc) at the group's end  */
} rg__fold;

/* Byte offsets inside one unit; `x + b * x_step` is block b's. */
typedef struct rg__layout {
    uint16_t k, bytes;
    uint16_t low, low_step;   /* 2-bit planes (2 vectors a block), nibbles (4) or bytes (8) */
    uint16_t high, high_step; /* planes of the bits above low's: 1 or 2 vectors a block */
    uint16_t sc, m;           /* 8-bit scales [..][16] and mins [8][16], types per 256 only */
    uint16_t d, dm, d_step;   /* f16 [16] scale and min (dm: per block, or of K-quants dmin) */
    uint8_t low_bits, high_bits, offset, isum_row;
    uint8_t fold, act;
    bool mins, codebook;      /* codebook: a nibble stands for a value of rg__iq4 */
} rg__layout;

/* The values of IQ4_NL and IQ4_XS, 128 added.  Source: ggml's table of the two formats. */
static const uint8_t rg__iq4[16] = { 1,   24,  45,  63,  79,  93,  106, 118,
                                     129, 141, 153, 166, 181, 197, 217, 241 };

/* clang-format off */
/* A constant type folds the whole struct away. */
static inline __attribute__((always_inline)) rg__layout rg__layout_of(uint32_t type)
{
    switch (type) {
    case RG_Q4_0:
        return (rg__layout){ .k = 64, .bytes = 576, .d_step = 32, .low = 64, .low_step = 256,
                             .low_bits = 4, .offset = 8, .isum_row = 0, .fold = RG__FOLD_32, .act = RG_ACT_Q32 };
    case RG_IQ4_NL:
        return (rg__layout){ .k = 64, .bytes = 576, .d_step = 32, .low = 64, .low_step = 256,
                             .low_bits = 4, .codebook = true, .offset = 128, .isum_row = 2,
                             .fold = RG__FOLD_32, .act = RG_ACT_Q32 };
    case RG_Q4_1:
        return (rg__layout){ .k = 64, .bytes = 640, .d_step = 32, .dm = 64, .low = 128, .low_step = 256,
                             .low_bits = 4, .mins = true, .fold = RG__FOLD_32, .act = RG_ACT_Q32 };
    case RG_Q5_0:
        return (rg__layout){ .k = 64, .bytes = 704, .d_step = 32, .high = 64, .high_step = 320, .low = 128,
                             .low_step = 320, .low_bits = 4, .high_bits = 1, .offset = 16, .isum_row = 1,
                             .fold = RG__FOLD_32, .act = RG_ACT_Q32 };
    case RG_Q5_1:
        return (rg__layout){ .k = 64, .bytes = 768, .d_step = 32, .dm = 64, .high = 128, .high_step = 320,
                             .low = 192, .low_step = 320, .low_bits = 4, .high_bits = 1, .mins = true,
                             .fold = RG__FOLD_32, .act = RG_ACT_Q32 };
    case RG_Q8_0:
        return (rg__layout){ .k = 64, .bytes = 1088, .d_step = 32, .low = 64, .low_step = 512,
                             .low_bits = 8, .offset = 128, .isum_row = 2, .fold = RG__FOLD_32,
                             .act = RG_ACT_Q32 };
    case RG_IQ4_XS:
        return (rg__layout){ .k = 256, .bytes = 2240, .sc = 64, .low = 192, .low_step = 256,
                             .low_bits = 4, .codebook = true, .offset = 128, .fold = RG__FOLD_256,
                             .act = RG_ACT_Q256_O128 };
    case RG_Q2_K:
        return (rg__layout){ .k = 256, .bytes = 1344, .dm = 32, .sc = 64, .low = 320, .low_step = 128,
                             .low_bits = 2, .mins = true, .fold = RG__FOLD_256_16,
                             .act = RG_ACT_Q256_16_MIN };
    case RG_Q3_K:
        return (rg__layout){ .k = 256, .bytes = 1856, .sc = 64, .high = 320, .high_step = 192, .low = 384,
                             .low_step = 192, .low_bits = 2, .high_bits = 1, .offset = 4,
                             .fold = RG__FOLD_256_16, .act = RG_ACT_Q256_16_O4 };
    case RG_Q4_K:
        return (rg__layout){ .k = 256, .bytes = 2368, .dm = 32, .sc = 64, .m = 192, .low = 320,
                             .low_step = 256, .low_bits = 4, .mins = true, .fold = RG__FOLD_256,
                             .act = RG_ACT_Q256 };
    case RG_Q5_K:
        return (rg__layout){ .k = 256, .bytes = 2880, .dm = 32, .sc = 64, .m = 192, .high = 320,
                             .high_step = 320, .low = 384, .low_step = 320, .low_bits = 4,
                             .high_bits = 1, .mins = true, .fold = RG__FOLD_256, .act = RG_ACT_Q256 };
    case RG_Q6_K:
        return (rg__layout){ .k = 256, .bytes = 3392, .sc = 64, .high = 320, .high_step = 384, .low = 448,
                             .low_step = 384, .low_bits = 4, .high_bits = 2, .offset = 32,
                             .fold = RG__FOLD_256_16, .act = RG_ACT_Q256_16 };
    case RG_F16:
    case RG_BF16: return (rg__layout){ .k = 1, .bytes = 32 };
    default:
        assert(type == RG_F32);
        return (rg__layout){ .k = 1, .bytes = 64 };
    }
}
/* clang-format on */

/* Where block b (32 k) of a quantised panel lives: its unit, and its index there. */
static inline __attribute__((always_inline)) const uint8_t *rg__unit_at(const uint8_t *panel, rg__layout L,
                                                                        size_t b, size_t *in_unit)
{
    const size_t per = L.k / 32u;
    *in_unit = b % per;
    return panel + b / per * L.bytes;
}

/* ---- activation records: offsets in bytes for one column, times tc ---------------------- */

enum {
    RG__ACT_SUMS = 256, /* of Q32: isum */
    RG__ACT_32_FSUM = 256 + 96,
    RG__ACT_32_D = 256 + 96 + 32
};

/* The sums of a record with one scale per 256: over `run` elements, times -factor as integers;
 * factor 0: as floats, times -1. */
typedef struct rg__sums {
    uint8_t run, factor;
} rg__sums;

static inline __attribute__((always_inline)) rg__sums rg__sums_of(rg_act kind)
{
    switch (kind) {
    case RG_ACT_Q256_16: return (rg__sums){ 16, 32 };
    case RG_ACT_Q256_16_O4: return (rg__sums){ 16, 4 };
    case RG_ACT_Q256_16_MIN: return (rg__sums){ 16, 0 };
    case RG_ACT_Q256_O128: return (rg__sums){ 32, 128 };
    default: return (rg__sums){ 32, 0 };
    }
}

/* Where such a record keeps its scale. */
static inline __attribute__((always_inline)) size_t rg__act_256_d(rg_act kind)
{
    return RG__ACT_SUMS + (size_t)4 * RG__GROUP_K / rg__sums_of(kind).run;
}

static inline size_t rg__act_cols(size_t N)
{
    return N == 1 ? 1 : RG_TILE_COLS;
}

static inline size_t rg__act_record_bytes(rg_act kind, size_t tc)
{
    size_t bytes;
    switch (kind) {
    case RG_ACT_Q32: bytes = (RG__ACT_32_D + 32) * tc; break;
    case RG_ACT_F32: bytes = RG__GROUP_K * 4 * tc; break;
    default: bytes = (rg__act_256_d(kind) + 4) * tc; break;
    }
    return (bytes + 63) / 64 * 64; /* whole cache lines */
}

/* Scale of a run whose greatest |x| has these bits (sign cleared, so they order as the floats
 * do, NaN above all), and what to multiply x with; *inv == 0 means q = 0 throughout.  A NaN
 * or infinity makes the scale NaN, so that the product shows it; a scale below the normal
 * numbers counts as zero, because its inverse would overflow. */
static inline float rg__act_scale(float *inv, uint32_t max_bits)
{
    float max, d;
    memcpy(&max, &max_bits, sizeof max);
    d = max / 127.0f;
    if (max_bits >= 0x7f800000u || d < 0x1p-126f) {
        *inv = 0.0f;
        return max_bits >= 0x7f800000u ? __builtin_nanf("") : 0.0f;
    }
    *inv = 1.0f / d;
    return d;
}

/* The record of tile t of 256-k group g. */
static inline size_t rg__act_at(rg_act kind, size_t N, size_t g, size_t t)
{
    const size_t tc = rg__act_cols(N), tiles = (N + tc - 1) / tc;
    return (g * tiles + t) * rg__act_record_bytes(kind, tc);
}

/* ---- one block of a panel, expanded ----------------------------------------------------- */

/* 16 rows x 32 k as every tile kernel takes it: unsigned bytes in vector order, and scales (d or
 * d*sc) and mins (m or dmin*m) as floats.  The second of each belongs to k 16..31 of formats
 * that fold every 16; others leave it alone. */
typedef struct rg__block {
    uint8_t q[8][64];
    float scale[2][16];
    float min[2][16];
} rg__block;

/* Scratch of one thread: a group of two panels, then one float a row and column. */
#define RG__EXPAND_BYTES ((size_t)16384)
_Static_assert(2 * 8 * sizeof(rg__block) <= RG__EXPAND_BYTES, "a group of two panels fits");

/* ---- parts of rg__mm_init_* in files of their own --------------------------------------- */

void rg__quant_init_ref(rg_kernels *k);
void rg__quant_init_avx2(rg_kernels *k);
void rg__mm_init_avx512_vnni(rg_kernels *k); /* mm_avx512.c, and once more with GFNI */
void rg__mm_init_avx512_gfni(rg_kernels *k);
void rg__mmf_init_avx2(rg_kernels *k);
void rg__mmf_init_avx512(rg_kernels *k);

/* mm for float weights. */
void rg__mm_float_avx2(float *y, size_t ldy, const rg_panels *w, const void *act, size_t N, size_t p0,
                       size_t p1, void *scratch);
void rg__mm_float_avx512(float *y, size_t ldy, const rg_panels *w, const void *act, size_t N, size_t p0,
                         size_t p1, void *scratch);

/* ---- GGUF's own blocks ------------------------------------------------------------------ */

/* One block of a row as the file has it, taken apart: q unsigned (offset added, or a place in the
 * codebook), k ascending; scales of 16 or 32 elements.  A plain 32-block fills q[0..31] only. */
typedef struct rg__raw {
    uint8_t q[256];
    uint16_t d, m;         /* f16 bits: scale, and min or dmin */
    uint8_t sc[16], ms[8]; /* per 256; sc: u8, s8 bits, or Q2_K's scale | min << 4 */
} rg__raw;

void rg__raw_read(rg__raw *out, const uint8_t *block, uint32_t type);
/* d, m, sc and ms of a block of 256. */
void rg__raw_scales(rg__raw *out, const uint8_t *block, uint32_t type);

/* One row of K elements into row r of a panel: by way of rg__raw, for every type; and straight
 * from the file's words, with the same result, but for plain ones (false). */
void rg__pack_row(uint8_t *panel, const uint8_t *row, size_t r, uint32_t type, size_t K);
/* Row r's scales into a unit of 256 k. */
void rg__pack_scales(uint8_t *unit, rg__layout L, size_t r, const rg__raw *x);
bool rg__pack_words(uint8_t *panel, const uint8_t *row, size_t r, uint32_t type, size_t K);

#endif
