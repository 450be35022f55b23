/* kernel.h - the table of numeric loops, one filled per instruction set.
 *
 * A kernel gets pointers, sizes and scalars; it allocates nothing, logs nothing, locks
 * nothing.  rg_kernels_init fills the table with the scalar definitions (_ref) and lets each
 * level the machine has overwrite what it improves.
 *
 * Bits.  Every entry gives the same bits at every level, for every N, every split over
 * threads and every tile: the order of float operations *on one output* is part of the
 * definition, written here and spelled out by the scalar code.  Where lanes are summed the
 * definition has 16 of them (lane i takes elements i, i+16, ...), joined by halving:
 * 8 + 8, 4 + 4, 2 + 2, 1 + 1.  The tree is compiled with -ffp-contract=off; "fma" below is
 * one rounding. */
#ifndef RUNG_KERNEL_KERNEL_H
#define RUNG_KERNEL_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rung/base/api.h"
#include "rung/base/numtype.h"

RG_API_BEGIN

/* ---- levels ------------------------------------------------------------------------- */

typedef enum rg_isa { RG_ISA_REF = 0, RG_ISA_AVX2 = 1, RG_ISA_AVX512 = 2, RG_N_ISA = 3 } rg_isa;

/* AVX2 means AVX2 + FMA + F16C; AVX512 means F, BW, DQ, VL and VNNI (GFNI is used where it is). */
bool        rg_isa_available(rg_isa isa);       /* this machine, and this build, have it */
rg_isa      rg_isa_best(void);                  /* highest available */
const char *rg_isa_name(rg_isa isa);            /* "ref", "avx2", "avx512" */
bool        rg_isa_parse(rg_isa *out, const char *name);

/* ---- panels: weights as the matrix kernels want them ---------------------------------- */

#define RG_PANEL_ROWS 16    /* one vector = 16 rows x 4 k of bytes, or 16 rows of floats */
#define RG_TILE_COLS  4     /* activation columns are stored in tiles of four */

/* A matrix (R, K) as ceil(R/16) panels; panel p holds rows 16p.. over all K, missing rows are
 * zero.  Layout per type: docs/formats/panels.md.  K is a multiple of the type's block. */
typedef struct rg_panels {
    uint32_t    type;           /* an rg_type with .runs */
    size_t      R, K;
    size_t      panel_bytes;    /* a multiple of 64 */
    const void *data;           /* 64-byte aligned */
} rg_panels;

size_t rg_panel_bytes(uint32_t type, size_t K);

static inline size_t rg_panels_of(size_t R)     /* panels of R rows */
{
    return (R + RG_PANEL_ROWS - 1) / RG_PANEL_ROWS;
}

/* Packs n_rows (1..16) rows as GGUF stores them, row_bytes apart, into one panel. */
void rg_k_pack(void *panel, const void *rows, size_t row_bytes, size_t n_rows, uint32_t type, size_t K);

/* y[k] = value of element k of one row as GGUF stores it: the definition of the format. */
void rg_k_dequant_row(float *y, const void *row, uint32_t type, size_t K);

/* The reverse: K floats to one row of bytes, of any type that rg_k_can_quantize (F32, F16, BF16,
 * Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K to Q6_K, IQ4_NL, IQ4_XS).  Scale and min of a block are
 * searched for the least weighted squared error (without importance not in Q8_0 and Q4_0 to Q5_1,
 * whose scale just spans the block); importance (K floats >= 0, NULL = none) says how much the
 * error of element k counts.  The bytes depend on the arguments alone.  A block that
 * holds a NaN or an infinity gets defined bytes of no meaning: look before. */
bool rg_k_can_quantize(uint32_t type);
void rg_k_quantize_row(void *out, const float *x, const float *importance, uint32_t type, size_t K);

/* ---- activations for the quantised path ------------------------------------------------ */

/* How a weight type wants its activations: as floats, or as 8-bit numbers with one scale per 32
 * or per 256 elements and the sums that take the weights' offsets and mins out again. */
typedef enum rg_act {
    RG_ACT_F32,         /* F32, F16, BF16 */
    RG_ACT_Q32,         /* Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, IQ4_NL */
    RG_ACT_Q256,        /* Q4_K, Q5_K: sums per 32, for mins */
    RG_ACT_Q256_16,     /* Q6_K: sums per 16, for the offset 32 */
    RG_ACT_Q256_16_O4,  /* Q3_K: ... for the offset 4 */
    RG_ACT_Q256_16_MIN, /* Q2_K: ... for mins */
    RG_ACT_Q256_O128,   /* IQ4_XS: sums per 32, for the offset 128 */
    RG_N_ACT
} rg_act;

rg_act rg_act_of(uint32_t type);
size_t rg_act_bytes(rg_act kind, size_t N, size_t K);       /* buffer for N columns, 64-aligned */
size_t rg_act_tiles(size_t N);                              /* ceil(N / 4) */
size_t rg_mm_scratch_bytes(size_t N, size_t K);             /* per thread, for mm and mm_f32 */

typedef struct rg_kernels {
    rg_isa      isa;
    const char *name;

    /* act <- x for tiles [t0, t1) of N columns.  Column n is x + n*ldx, K floats.
     *   d = max|x| over the scale's block / 127;  q = round half to even (x / d computed as
     *   x * (1/d)), |q| <= 127;  d == 0 gives zeros (as does a d below
     *   2^-126, whose inverse would overflow); a NaN or infinity in the block makes d NaN, so
     *   that every product shows it.  Missing columns of the last tile are 0.
     * For RG_ACT_F32 this is a copy into the tile layout mm wants. */
    void (*quantize)(void *act, rg_act kind, const float *x, size_t ldx, size_t N, size_t K,
                     size_t t0, size_t t1);

    /* y[n*ldy + r] = sum_k W[r,k] * x[n,k]  for panels [p0, p1) and n < N, from quantised
     * activations.  y rows hold 16 * p1 floats or more (the pad rows of the last panel are
     * written, as zeros).
     *   integer sums inside a block are exact; then one fma per block in ascending k:
     *   per 32:   acc = fma(isum, dw*da, acc)      [Q4_1, Q5_1: then acc = fma(m, da*sum(q), acc)]
     *   per 256:  t = fma(isum, d*sc, t) [with mins: then t = fma(dmin*m, -sum(q), t)], a block
     *             being what one sc scales, 32 elements (Q4_K, Q5_K, IQ4_XS) or 16 (Q2_K, Q3_K,
     *             Q6_K);  at the end of each 256 (or of K)  acc = fma(t, da, acc), t = 0
     *   floats:   acc = fma(w, x, acc) in ascending k
     * scratch: rg_mm_scratch_bytes(N, K), 64-aligned, of this thread.  Any N >= 1; the caller
     * cuts prompts into pieces of 64 to 256 columns. */
    void (*mm)(float *y, size_t ldy, const rg_panels *w, const void *act, size_t N,
               size_t p0, size_t p1, void *scratch);

    /* The exact path: the same product with every weight expanded to f32 (bit-equal to
     * rg_k_dequant_row) and float activations x (N rows, ldx apart):
     *   acc = 0;  acc = fma(w, x, acc) in ascending k. */
    void (*mm_f32)(float *y, size_t ldy, const rg_panels *w, const float *x, size_t ldx,
                   size_t N, size_t p0, size_t p1, void *scratch);

    /* ---- vectors (T rows of C floats; rows ld apart where ld is given) ------------------ */

    /* y[t,i] = w[i] * (x[t,i] * s),  s = 1 / sqrt(ss / C + eps);  ss: 16 fma lanes, halved, in
     * float; the rest in float.  y == x allowed.
     * Source: Zhang & Sennrich, "Root Mean Square Layer Normalization", 2019, eq. 4. */
    void (*rmsnorm)(float *y, const float *x, const float *w, size_t T, size_t C, float eps);
    /* y = a + b, y may be a or b. */
    void (*add)(float *y, const float *a, const float *b, size_t n);
    /* y[t,i] = x[t,i] + b[i] for T rows, ld apart, in place allowed. */
    void (*add_row)(float *y, const float *x, const float *b, size_t T, size_t C, size_t ld);
    /* y[i] = silu(g[i]) * u[i],  silu(g) = g / (1 + exp(-g)), with this table's exp. */
    void (*silu_mul)(float *y, const float *g, const float *u, size_t n);
    /* y[i] = gelu(g[i]) * u[i] in the tanh form, which is a sigmoid:
     *   gelu(g) = g/2 (1 + tanh z) = g / (1 + exp(-2z)),  2z = g * fma(g*g, b, a),
     *   a = 2 sqrt(2/pi), b = 0.044715 a, with this table's exp.
     * Source: Hendrycks & Gimpel, "Gaussian Error Linear Units", 2016, section 2. */
    void (*gelu_mul)(float *y, const float *g, const float *u, size_t n);
    /* Rotates H heads of D floats in place; the first `rot` dimensions turn, the rest stay.
     * cs = cos[rot/2] then sin[rot/2].  neox: pairs (i, i + rot/2); else pairs (2i, 2i+1).
     *   a' = a*cos - b*sin,  b' = b*cos + a*sin   (each: one product rounded, one fma)
     * Source: Su et al., "RoFormer", 2021, eq. 34. */
    void (*rope)(float *x, const float *cs, size_t H, size_t D, size_t rot, bool neox);
    /* y[i] = exp((x[i] - shift) * scale); the table's own exp: fma Horner, < 2 ulp, exactly 0
     * below -87.3, +inf above 88.7, NaN stays NaN.  y == x allowed. */
    void (*exp_shift)(float *y, const float *x, size_t n, float shift, float scale);
    /* sums[j] = sum over the j-th 1024 elements of exp((x - shift) * scale): 16 lanes, halved,
     * in float; ceil(n / 1024) sums. */
    void (*exp_sums)(float *sums, const float *x, size_t n, float shift, float scale);
    /* What entropies and mean log-probabilities are made of, with d = x - shift and e = exp(d):
     *   sums[3j], sums[3j+1], sums[3j+2] = sum of e, of e * d, of d over the j-th 1024 elements,
     * lanes and order as in exp_sums, so that the first is exp_sums' at scale 1 bit for bit. */
    void (*doubt_sums)(float *sums, const float *x, size_t n, float shift);
    /* Greatest element and its lowest index; NaN never wins; n >= 1. */
    float (*max)(const float *x, size_t n, size_t *at);
    /* Number of x[i] >= bound, their indices ascending in idx (at most cap are written). */
    size_t (*at_least)(int32_t *idx, size_t cap, const float *x, size_t n, float bound);
    /* Any NaN or infinity? */
    bool (*nonfinite)(const float *x, size_t n);

    /* ---- attention over pages of RG_PAGE positions ------------------------------------- */

    /* One token's K (D floats) and V (D floats) of one KV head into slot `at` of a page.
     * kv_type: F32; F16 or BF16, rounded to nearest even; Q8_0: 8-bit numbers with one f16 scale
     * h per 32 dimensions of this position,
     *   h = f16(max|x| / 127), d = f32(h);  q = round half to even (x * (1/d)), |q| <= 127;
     *   h == 0 gives zeros; a NaN, an infinity or more than f16 holds makes h no number, and
     *   all 32 are NaN when widened. */
    void (*kv_put)(void *kpage, void *vpage, uint32_t kv_type, const float *k, const float *v,
                   size_t D, size_t at);
    /* A page's K (D, RG_PAGE) and V (RG_PAGE, D) to float; of Q8_0, q * d. */
    void (*kv_widen)(float *k, float *v, const void *kpage, const void *vpage, uint32_t kv_type,
                     size_t D);
    /* Online softmax of M queries over one page.  q[i]: D floats, already scaled.
     * st[i]: D + 2 floats of running state: acc[0..D), m, l; start it with acc = 0,
     * m = -inf, l = 0.  Query i sees positions from[i] <= t < to[i] <= RG_PAGE, at least one.
     *   s_t = fma over d ascending of q[d]*k[d][t]           (one chain per position)
     *   mp = max s_t;  m' = max(m, mp);  c = exp(m - m')     (0 when m = -inf)
     *   p_t = exp(s_t - m'), 0 for unseen;  l = fma(l, c, sum p: 16 lanes, halved)
     *   acc[d] = acc[d]*c, then acc[d] = fma(p_t, v[t][d], acc[d]) for t ascending, seen only
     * Pages are given in ascending order of position, so one query's result depends on
     * nothing but its own positions.
     * Source: Milakov & Gimelshein, "Online normalizer calculation for softmax", 2018, alg. 3. */
    void (*attn_page)(float *const *st, const float *const *q, const uint8_t *from,
                      const uint8_t *to, size_t M, const float *k, const float *v, size_t D);
    /* out[d] = acc[d] / l. */
    void (*attn_end)(float *out, const float *st, size_t D);
} rg_kernels;

#define RG_PAGE 32          /* positions in a page of attention state */

/* Fills k for the given level (which must be available). */
void rg_kernels_init(rg_kernels *k, rg_isa isa);

/* Bytes of K (= bytes of V) of one KV head in one page: 4, 2 or 2 bytes a number, or of Q8_0 one
 * and 2/32.  Rounded up to whole runs of 32; a multiple of 64 where D is one of 16. */
size_t rg_kv_page_bytes(uint32_t kv_type, size_t D);

/* Half-precision conversions, exact where exact is possible, round to nearest even. */
float    rg_f16_to_f32(uint16_t h);
uint16_t rg_f16_from_f32(float f);
float    rg_bf16_to_f32(uint16_t h);
uint16_t rg_bf16_from_f32(float f);

RG_API_END
#endif
