/* vec_ref.c - the definition of the vector kernels, in scalar C, one rounding at a time.  Every
 * faster level (vec_body.h) is bit-equal to this one (tests/kernel/).
 *
 * Where lanes are summed there are 16 of them: lane i takes elements i, i + 16, ..., and
 * halved() joins them.  Contracts: kernel.h. */
#include "rung/kernel/kernel.h"

#include <math.h>
#include <string.h>

#include "kernel_int.h"
#include "vec_exp.h"

enum { LANES = 16, SUM_RUN = 1024 };

/* 8 + 8, 4 + 4, 2 + 2, 1 + 1. */
static float halved_sum(float a[LANES])
{
    for (size_t h = LANES / 2; h > 0; h /= 2)
        for (size_t i = 0; i < h; i++)
            a[i] = a[i] + a[i + h];
    return a[0];
}

static float exp_one(float x)
{
    if (isnan(x))
        return x;
    if (x < RG_EXP_LO)
        return 0.0f;
    if (x > RG_EXP_HI)
        return INFINITY;
    const float t = fmaf(x, RG_EXP_LOG2E, RG_EXP_ROUND);
    const float n = t - RG_EXP_ROUND;
    const float r = fmaf(n, -RG_EXP_LN2_2, fmaf(n, -RG_EXP_LN2, x));
    float p = RG_EXP_E6;
    p = fmaf(p, r, RG_EXP_E5);
    p = fmaf(p, r, RG_EXP_E4);
    p = fmaf(p, r, RG_EXP_E3);
    p = fmaf(p, r, RG_EXP_E2);
    p = fmaf(p, r, 1.0f);
    p = fmaf(p, r, 1.0f);

    uint32_t bits, shift;
    memcpy(&bits, &p, sizeof bits);
    memcpy(&shift, &t, sizeof shift);
    bits += shift << 23;
    memcpy(&p, &bits, sizeof p);
    return p;
}

static void rmsnorm(float *y, const float *x, const float *w, size_t T, size_t C, float eps)
{
    for (size_t t = 0; t < T; t++) {
        const float *xt = x + t * C;
        float *yt = y + t * C;

        float ss[LANES] = { 0 };
        for (size_t i = 0; i < C; i++)
            ss[i % LANES] = fmaf(xt[i], xt[i], ss[i % LANES]);

        const float s = 1.0f / sqrtf(halved_sum(ss) / (float)C + eps);
        for (size_t i = 0; i < C; i++)
            yt[i] = w[i] * (xt[i] * s);
    }
}

static void add(float *y, const float *a, const float *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = a[i] + b[i];
}

static void add_row(float *y, const float *x, const float *b, size_t T, size_t C, size_t ld)
{
    for (size_t t = 0; t < T; t++)
        add(y + t * ld, x + t * ld, b, C);
}

static void silu_mul(float *y, const float *g, const float *u, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = g[i] / (1.0f + exp_one(-g[i])) * u[i];
}

static void gelu_mul(float *y, const float *g, const float *u, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const float z2 = g[i] * fmaf(g[i] * g[i], RG_GELU_B, RG_GELU_A);
        y[i] = g[i] / (1.0f + exp_one(-z2)) * u[i];
    }
}

/* (a, b) turns by the angle whose cosine and sine are c and s. */
static void turn(float *a, float *b, float c, float s)
{
    const float bs = *b * s, as = *a * s;
    *a = fmaf(*a, c, -bs);
    *b = fmaf(*b, c, as);
}

static void rope(float *x, const float *cs, size_t H, size_t D, size_t rot, bool neox)
{
    const size_t half = rot / 2;
    const float *sn = cs + half;
    for (size_t h = 0; h < H; h++, x += D)
        for (size_t i = 0; i < half; i++) {
            if (neox)
                turn(&x[i], &x[i + half], cs[i], sn[i]);
            else
                turn(&x[2 * i], &x[2 * i + 1], cs[i], sn[i]);
        }
}

static void exp_shift(float *y, const float *x, size_t n, float shift, float scale)
{
    for (size_t i = 0; i < n; i++)
        y[i] = exp_one((x[i] - shift) * scale);
}

static void exp_sums(float *sums, const float *x, size_t n, float shift, float scale)
{
    for (size_t at = 0; at < n; at += SUM_RUN) {
        const size_t len = n - at < SUM_RUN ? n - at : SUM_RUN;
        float a[LANES] = { 0 };
        for (size_t i = 0; i < len; i++)
            a[i % LANES] += exp_one((x[at + i] - shift) * scale);
        *sums++ = halved_sum(a);
    }
}

static void doubt_sums(float *sums, const float *x, size_t n, float shift)
{
    for (size_t at = 0; at < n; at += SUM_RUN, sums += 3) {
        const size_t len = n - at < SUM_RUN ? n - at : SUM_RUN;
        float a[LANES] = { 0 }, b[LANES] = { 0 }, c[LANES] = { 0 };
        for (size_t i = 0; i < len; i++) {
            const float d = x[at + i] - shift, e = exp_one(d);
            a[i % LANES] += e;
            b[i % LANES] = fmaf(e, d, b[i % LANES]);
            c[i % LANES] += d;
        }
        sums[0] = halved_sum(a);
        sums[1] = halved_sum(b);
        sums[2] = halved_sum(c);
    }
}

/* Nothing but NaN: -infinity at 0. */
static float max(const float *x, size_t n, size_t *at)
{
    float best = -INFINITY;
    *at = 0;
    bool found = false;
    for (size_t i = 0; i < n; i++)
        if (x[i] > best || (!found && x[i] == best)) {
            best = x[i];
            *at = i;
            found = true;
        }
    return best;
}

static size_t at_least(int32_t *idx, size_t cap, const float *x, size_t n, float bound)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        if (x[i] >= bound) {
            if (count < cap)
                idx[count] = (int32_t)i;
            count++;
        }
    return count;
}

static bool nonfinite(const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return true;
    return false;
}

#include "attn_ref.h"
#include "kv_ref.h"

void rg__vec_init_ref(rg_kernels *k)
{
    k->rmsnorm = rmsnorm;
    k->add = add;
    k->add_row = add_row;
    k->silu_mul = silu_mul;
    k->gelu_mul = gelu_mul;
    k->rope = rope;
    k->exp_shift = exp_shift;
    k->exp_sums = exp_sums;
    k->doubt_sums = doubt_sums;
    k->max = max;
    k->at_least = at_least;
    k->nonfinite = nonfinite;
    k->kv_put = kv_put;
    k->kv_widen = kv_widen;
    k->attn_page = attn_page;
    k->attn_end = attn_end;
}
