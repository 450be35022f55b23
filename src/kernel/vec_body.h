/* vec_body.h - the vector kernels, written once over vf and included once per instruction set
 * (vec_avx2.c, vec_avx512.c).  vec_ref.c is the definition; names and the order of ideas are
 * the same.  A vector of 16 lanes is one vf at every level, so what the definition sums in
 * lanes is one accumulator here; padding lanes add 0, which changes no sum. */

#include <math.h>
#include <string.h>

#include "kernel_int.h"
#include "vec_exp.h"

enum { SUM_RUN = 1024 };

VF_INLINE vf vf_load_n(const float *p, size_t n)
{
    return vf_load_or(p, n, vf_set(0.0f));
}

VF_INLINE vf vf_exp(vf x)
{
    const vf round = vf_set(RG_EXP_ROUND);
    const vf t = vf_fma(x, vf_set(RG_EXP_LOG2E), round);
    const vf n = vf_sub(t, round);
    const vf r = vf_fma(n, vf_set(-RG_EXP_LN2_2), vf_fma(n, vf_set(-RG_EXP_LN2), x));
    vf p = vf_set(RG_EXP_E6);
    p = vf_fma(p, r, vf_set(RG_EXP_E5));
    p = vf_fma(p, r, vf_set(RG_EXP_E4));
    p = vf_fma(p, r, vf_set(RG_EXP_E3));
    p = vf_fma(p, r, vf_set(RG_EXP_E2));
    p = vf_fma(p, r, vf_set(1.0f));
    p = vf_fma(p, r, vf_set(1.0f));
    p = vf_scale2(p, t);
    p = vf_if_lt(x, vf_set(RG_EXP_LO), vf_set(0.0f), p);
    p = vf_if_lt(vf_set(RG_EXP_HI), x, vf_set(INFINITY), p);
    return vf_if_nan(x, p);
}

/* ---- rows ---------------------------------------------------------------------------- */

static float sum_squares(const float *x, size_t n)
{
    vf a = vf_set(0.0f);
    size_t i = 0;
    for (; i + VF <= n; i += VF) {
        const vf p = vf_load(x + i);
        a = vf_fma(p, p, a);
    }
    const vf p = vf_load_n(x + i, n - i);
    return vf_sum(vf_fma(p, p, a));
}

static void rmsnorm(float *y, const float *x, const float *w, size_t T, size_t C, float eps)
{
    for (size_t t = 0; t < T; t++, x += C, y += C) {
        const vf s = vf_set(1.0f / sqrtf(sum_squares(x, C) / (float)C + eps));
        size_t i = 0;
        for (; i + VF <= C; i += VF)
            vf_store(y + i, vf_mul(vf_load(w + i), vf_mul(vf_load(x + i), s)));
        if (i < C)
            vf_store_n(y + i, vf_mul(vf_load_n(w + i, C - i), vf_mul(vf_load_n(x + i, C - i), s)), C - i);
    }
}

static void add(float *y, const float *a, const float *b, size_t n)
{
    size_t i = 0;
    for (; i + VF <= n; i += VF)
        vf_store(y + i, vf_add(vf_load(a + i), vf_load(b + i)));
    if (i < n)
        vf_store_n(y + i, vf_add(vf_load_n(a + i, n - i), vf_load_n(b + i, n - i)), n - i);
}

static void add_row(float *y, const float *x, const float *b, size_t T, size_t C, size_t ld)
{
    for (size_t t = 0; t < T; t++)
        add(y + t * ld, x + t * ld, b, C);
}

VF_INLINE vf vf_silu_mul(vf g, vf u)
{
    const vf e = vf_exp(vf_sub(vf_set(-0.0f), g)); /* -0 - g is -g, zeros too */
    return vf_mul(vf_div(g, vf_add(vf_set(1.0f), e)), u);
}

static void silu_mul(float *y, const float *g, const float *u, size_t n)
{
    size_t i = 0;
    for (; i + VF <= n; i += VF)
        vf_store(y + i, vf_silu_mul(vf_load(g + i), vf_load(u + i)));
    if (i < n)
        vf_store_n(y + i, vf_silu_mul(vf_load_n(g + i, n - i), vf_load_n(u + i, n - i)), n - i);
}

VF_INLINE vf vf_gelu_mul(vf g, vf u)
{
    const vf t = vf_fma(vf_mul(g, g), vf_set(RG_GELU_B), vf_set(RG_GELU_A));
    const vf e = vf_exp(vf_sub(vf_set(-0.0f), vf_mul(g, t)));
    return vf_mul(vf_div(g, vf_add(vf_set(1.0f), e)), u);
}

static void gelu_mul(float *y, const float *g, const float *u, size_t n)
{
    size_t i = 0;
    for (; i + VF <= n; i += VF)
        vf_store(y + i, vf_gelu_mul(vf_load(g + i), vf_load(u + i)));
    if (i < n)
        vf_store_n(y + i, vf_gelu_mul(vf_load_n(g + i, n - i), vf_load_n(u + i, n - i)), n - i);
}

/* ---- rotary positions ------------------------------------------------------------------ */

/* a' = a*c - b*s,  b' = b*c + a*s  (each: one product rounded, one fma). */
VF_INLINE void vf_turn(vf *a, vf *b, vf c, vf s)
{
    const vf bs = vf_mul(*b, s), as = vf_mul(*a, s);
    *a = vf_fms(*a, c, bs);
    *b = vf_fma(*b, c, as);
}

/* Pairs (i, i + half): two rows turn against each other, vector by vector. */
static void rope_halves(float *x, const float *cs, size_t half)
{
    size_t i = 0;
    for (; i + VF <= half; i += VF) {
        vf a = vf_load(x + i), b = vf_load(x + half + i);
        vf_turn(&a, &b, vf_load(cs + i), vf_load(cs + half + i));
        vf_store(x + i, a);
        vf_store(x + half + i, b);
    }
    if (i < half) {
        const size_t n = half - i;
        vf a = vf_load_n(x + i, n), b = vf_load_n(x + half + i, n);
        vf_turn(&a, &b, vf_load_n(cs + i, n), vf_load_n(cs + half + i, n));
        vf_store_n(x + i, a, n);
        vf_store_n(x + half + i, b, n);
    }
}

/* Pairs (2i, 2i + 1): y = x * (c, c) + (b, a) * (-s, s), eight pairs a vector. */
static void rope_pairs(float *x, const float *cs, size_t half)
{
    size_t i = 0;
    for (; i + VF / 2 <= half; i += VF / 2) {
        const vf c = vf_load_twice(cs + i), s = vf_negate_even(vf_load_twice(cs + half + i));
        const vf v = vf_load(x + 2 * i);
        vf_store(x + 2 * i, vf_fma(v, c, vf_mul(vf_swap_pairs(v), s)));
    }
    for (; i < half; i++) {
        const float a = x[2 * i], b = x[2 * i + 1], c = cs[i], s = cs[half + i];
        const float bs = b * s, as = a * s;
        x[2 * i] = fmaf(a, c, -bs);
        x[2 * i + 1] = fmaf(b, c, as);
    }
}

static void rope(float *x, const float *cs, size_t H, size_t D, size_t rot, bool neox)
{
    for (size_t h = 0; h < H; h++, x += D) {
        if (neox)
            rope_halves(x, cs, rot / 2);
        else
            rope_pairs(x, cs, rot / 2);
    }
}

/* ---- softmax and sampling -------------------------------------------------------------- */

VF_INLINE vf vf_exp_shift(vf x, vf shift, vf scale)
{
    return vf_exp(vf_mul(vf_sub(x, shift), scale));
}

static void exp_shift(float *y, const float *x, size_t n, float shift, float scale)
{
    const vf sh = vf_set(shift), sc = vf_set(scale);
    size_t i = 0;
    for (; i + VF <= n; i += VF)
        vf_store(y + i, vf_exp_shift(vf_load(x + i), sh, sc));
    if (i < n)
        vf_store_n(y + i, vf_exp_shift(vf_load_n(x + i, n - i), sh, sc), n - i);
}

static void exp_sums(float *sums, const float *x, size_t n, float shift, float scale)
{
    const vf sh = vf_set(shift), sc = vf_set(scale);
    for (size_t at = 0; at < n; at += SUM_RUN, sums++) {
        const size_t end = n - at < SUM_RUN ? n : at + SUM_RUN;
        vf a = vf_set(0.0f);
        size_t i = at;
        for (; i + VF <= end; i += VF)
            a = vf_add(a, vf_exp_shift(vf_load(x + i), sh, sc));
        if (i < end) {
            float pad[VF] = { 0 };
            vf_store_n(pad, vf_exp_shift(vf_load_n(x + i, end - i), sh, sc), end - i);
            a = vf_add(a, vf_load(pad));
        }
        *sums = vf_sum(a);
    }
}

static void doubt_sums(float *sums, const float *x, size_t n, float shift)
{
    const vf sh = vf_set(shift);
    for (size_t at = 0; at < n; at += SUM_RUN, sums += 3) {
        const size_t end = n - at < SUM_RUN ? n : at + SUM_RUN;
        vf a = vf_set(0.0f), b = a, c = a;
        size_t i = at;
        for (; i + VF <= end; i += VF) {
            const vf d = vf_sub(vf_load(x + i), sh), e = vf_exp(d);
            a = vf_add(a, e);
            b = vf_fma(e, d, b);
            c = vf_add(c, d);
        }
        if (i < end) { /* lanes that have no element add 0 */
            float pad_e[VF] = { 0 }, pad_d[VF] = { 0 };
            const vf d = vf_sub(vf_load_n(x + i, end - i), sh);
            vf_store_n(pad_d, d, end - i);
            vf_store_n(pad_e, vf_exp(d), end - i);
            a = vf_add(a, vf_load(pad_e));
            b = vf_fma(vf_load(pad_e), vf_load(pad_d), b);
            c = vf_add(c, vf_load(pad_d));
        }
        sums[0] = vf_sum(a);
        sums[1] = vf_sum(b);
        sums[2] = vf_sum(c);
    }
}

/* Index of the first x[i] == value in [from, n); n when there is none. */
static size_t find(const float *x, size_t from, size_t n, float value)
{
    const vf v = vf_set(value), none = vf_set(NAN);
    for (size_t i = from; i < n; i += VF) {
        const vf p = n - i < VF ? vf_load_or(x + i, n - i, none) : vf_load(x + i);
        const uint32_t hits = vf_bits_eq(p, v);
        if (hits)
            return i + (size_t)__builtin_ctz(hits);
    }
    return n;
}

/* Greatest of x[0..n), -infinity for nothing but NaN: vf_max(NaN, a) is a. */
static float run_max(const float *x, size_t n)
{
    const vf low = vf_set(-INFINITY);
    vf a = low, b = low, c = low, d = low;
    size_t i = 0;
    for (; i + 4 * VF <= n; i += 4 * VF) {
        a = vf_max(vf_load(x + i), a);
        b = vf_max(vf_load(x + i + VF), b);
        c = vf_max(vf_load(x + i + 2 * VF), c);
        d = vf_max(vf_load(x + i + 3 * VF), d);
    }
    for (; i + VF <= n; i += VF)
        a = vf_max(vf_load(x + i), a);
    b = vf_max(vf_load_or(x + i, n - i, low), b);
    return vf_greatest(vf_max(vf_max(a, b), vf_max(c, d)));
}

/* One pass over x in runs; only the best run is searched for the place. */
static float max(const float *x, size_t n, size_t *at)
{
    float best = -INFINITY;
    size_t run = 0;
    for (size_t i = 0; i < n; i += SUM_RUN) {
        const float m = run_max(x + i, n - i < SUM_RUN ? n - i : SUM_RUN);
        if (m > best) {
            best = m;
            run = i;
        }
    }
    *at = find(x, run, n, best);
    if (*at == n) /* nothing but NaN */
        *at = 0;
    else
        best = x[*at]; /* its own sign, should it be a zero */
    return best;
}

static size_t at_least(int32_t *idx, size_t cap, const float *x, size_t n, float bound)
{
    const vf b = vf_set(bound), none = vf_set(NAN);
    size_t count = 0;
    for (size_t i = 0; i < n; i += VF) {
        const vf p = n - i < VF ? vf_load_or(x + i, n - i, none) : vf_load(x + i);
        for (uint32_t hits = vf_bits_ge(p, b); hits; hits &= hits - 1, count++)
            if (count < cap)
                idx[count] = (int32_t)(i + (size_t)__builtin_ctz(hits));
    }
    return count;
}

/* x * 0 is NaN for NaN and infinity and stays NaN in a sum. */
static bool nonfinite(const float *x, size_t n)
{
    const vf zero = vf_set(0.0f);
    vf a = zero, b = zero, c = zero, d = zero;
    size_t i = 0;
    for (; i + 4 * VF <= n; i += 4 * VF) {
        a = vf_fma(vf_load(x + i), zero, a);
        b = vf_fma(vf_load(x + i + VF), zero, b);
        c = vf_fma(vf_load(x + i + 2 * VF), zero, c);
        d = vf_fma(vf_load(x + i + 3 * VF), zero, d);
    }
    for (; i + VF <= n; i += VF)
        a = vf_fma(vf_load(x + i), zero, a);
    b = vf_fma(vf_load_n(x + i, n - i), zero, b);
    return isnan(vf_sum(vf_add(vf_add(a, b), vf_add(c, d))));
}
