/* encode_search.c - the scale, or scale and min, that stores a run with the least weighted error.
 *
 * For fixed integers q the best scale has a closed form (weighted least squares), and for a
 * fixed scale the best q is the rounded quotient.  So: try some scales around the one that just
 * spans the run, round, solve for the best scale of those q, and keep the solution with the
 * least error.  With S = sum w x^2 the error of the solution is S - gain,
 *
 *     x ~ s q         s = sum w x q / sum w q^2                gain = s sum w x q
 *     x ~ s q + m     (s, m) of the 2 x 2 normal equations     gain = s sum w x q + m sum w x
 *
 * so the greatest gain wins and no second pass is needed.  Plain loops; a vectoriser may use any
 * width, because the lanes of each sum are written out. */
#include "encode_int.h"

#include <math.h>
#include <stdbool.h>

#include "rung/kernel/kernel.h"

enum { LANES = 8, TURNS = 4 };

#define TINY     1e-15f /* a run of smaller numbers has a scale that f16 cannot hold */
#define HALF_MAX 65504.0f

static float join(const float a[LANES])
{
    return ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]));
}

/* Round half to even for |v| < 2^22: the sum has no room for a fraction. */
static inline float nearest(float v)
{
    return (v + 0x1.8p23f) - 0x1.8p23f;
}

/* NaN gives lo, so that what follows is a number. */
static inline float between(float v, float lo, float hi)
{
    const float a = v > lo ? v : lo;
    return a < hi ? a : hi;
}

uint16_t rg__enc_half(float v)
{
    return rg_f16_from_f32(between(v, -HALF_MAX, HALF_MAX));
}

/* ---- weights ---------------------------------------------------------------------------- */

float rg__enc_mean_square(const float *x, size_t n)
{
    float a[LANES] = { 0 };
    for (size_t i = 0; i < n; i += LANES)
        for (size_t l = 0; l < LANES; l++)
            a[l] += x[i + l] * x[i + l];
    return join(a) / (float)n;
}

float rg__enc_weights(float *w, const float *x, const float *importance, size_t n, float sigma2,
                      rg__weighing how)
{
    const float sigma = sqrtf(sigma2);
    if (importance != NULL && how == RG__W_IMPORTANCE_ONLY)
        for (size_t i = 0; i < n; i++)
            w[i] = importance[i];
    else if (importance != NULL)
        for (size_t i = 0; i < n; i++)
            w[i] = importance[i] * sqrtf(sigma2 + x[i] * x[i]);
    else if (how == RG__W_AFFINE)
        for (size_t i = 0; i < n; i++)
            w[i] = sigma + fabsf(x[i]);
    else
        for (size_t i = 0; i < n; i++)
            w[i] = x[i] * x[i];
    float sum[LANES] = { 0 };
    for (size_t i = 0; i < n; i += LANES)
        for (size_t l = 0; l < LANES; l++)
            sum[l] += w[i + l];
    return join(sum);
}

/* ---- x ~ s q ---------------------------------------------------------------------------- */

typedef struct best {
    float gain, s;
} best;

static bool consider(best *b, float xq, float qq)
{
    if (!(qq > 0 && xq * xq > b->gain * qq))
        return false;
    b->s = xq / qq;
    b->gain = b->s * xq;
    return true;
}

static bool try_scale(best *b, const float *x, const float *w, size_t n, float inv, float lo, float hi)
{
    float xq[LANES] = { 0 }, qq[LANES] = { 0 };
    for (size_t i = 0; i < n; i += LANES)
        for (size_t l = 0; l < LANES; l++) {
            const float q = between(nearest(x[i + l] * inv), lo, hi), wq = w[i + l] * q;
            xq[l] += wq * x[i + l];
            qq[l] += wq * q;
        }
    return consider(b, join(xq), join(qq));
}

/* The best scale of those q rounds to other q; a few turns of that settle. */
static void settle(best *b, const float *x, const float *w, size_t n, float lo, float hi)
{
    for (int i = 0; i < TURNS && try_scale(b, x, w, n, 1 / b->s, lo, hi); i++) {
    }
}

/* The element of greatest magnitude, with its sign. */
static float extreme(const float *x, size_t n)
{
    float at = 0;
    for (size_t i = 0; i < n; i++)
        at = fabsf(x[i]) > fabsf(at) ? x[i] : at;
    return at;
}

/* The extreme goes to -top, which has one level more than the other side. */
float rg__enc_symmetric(const float *x, const float *w, size_t n, float top)
{
    const float at = extreme(x, n);
    if (!(fabsf(at) >= TINY))
        return 0;
    best b = { 0, -at / top };
    for (int k = -9; k <= 9; k++)
        try_scale(&b, x, w, n, -(top + 0.1f * (float)k) / at, -top, top - 1);
    settle(&b, x, w, n, -top, top - 1);
    return b.s;
}

float rg__enc_levels(const float *x, const float *w, size_t n, float top)
{
    const float at = extreme(x, n);
    if (!(at >= TINY))
        return 0;
    best b = { 0, at / top };
    for (int k = -4; k <= 4; k++)
        try_scale(&b, x, w, n, (top + 0.1f * (float)k) / at, 0, top);
    settle(&b, x, w, n, 0, top);
    return b.s;
}

/* ---- x ~ s q + m ------------------------------------------------------------------------ */

typedef struct affine {
    float gain, s, m;
} affine;

typedef struct run {
    const float *x, *w;
    size_t n;
    float min, max, sum_w, sum_x; /* sums of w and of w x */
} run;

static run look_at(const float *x, const float *w, size_t n)
{
    run r = { x, w, n, x[0], x[0], 0, 0 };
    float sw[LANES] = { 0 }, sx[LANES] = { 0 };
    for (size_t i = 0; i < n; i += LANES)
        for (size_t l = 0; l < LANES; l++) {
            sw[l] += w[i + l];
            sx[l] += w[i + l] * x[i + l];
        }
    for (size_t i = 1; i < n; i++) {
        r.min = x[i] < r.min ? x[i] : r.min;
        r.max = x[i] > r.max ? x[i] : r.max;
    }
    r.sum_w = join(sw);
    r.sum_x = join(sx);
    return r;
}

static bool solve(affine *b, const run *r, float q, float qq, float xq, int below)
{
    const float det = r->sum_w * qq - q * q;
    if (!(det > 0 && qq > 0))
        return false;
    affine c = { 0, (r->sum_w * xq - r->sum_x * q) / det, (qq * r->sum_x - q * xq) / det };
    if (below && c.m > 0) {
        c.m = 0;
        c.s = xq / qq;
    }
    c.gain = c.s * xq + c.m * r->sum_x;
    if (!(c.gain > b->gain && c.s > 0))
        return false;
    *b = c;
    return true;
}

static bool try_affine(affine *b, const run *r, float inv, float min, float top, int below)
{
    float sq[LANES] = { 0 }, qq[LANES] = { 0 }, xq[LANES] = { 0 };
    for (size_t i = 0; i < r->n; i += LANES)
        for (size_t l = 0; l < LANES; l++) {
            const float x = r->x[i + l];
            const float q = between(nearest((x - min) * inv), 0, top), wq = r->w[i + l] * q;
            sq[l] += wq;
            qq[l] += wq * q;
            xq[l] += wq * x;
        }
    return solve(b, r, join(sq), join(qq), join(xq), below);
}

void rg__enc_affine(float *s, float *m, const float *x, const float *w, size_t n, float top, int below)
{
    run r = look_at(x, w, n);
    if (below && r.min > 0)
        r.min = 0;
    const float span = r.max - r.min;
    affine b = { 0, 0, r.min };
    if (span >= TINY) {
        b.s = span / top;
        for (int k = -10; k <= 10; k++)
            try_affine(&b, &r, (top + 0.1f * (float)k) / span, r.min, top, below);
        for (int i = 0; i < TURNS && try_affine(&b, &r, 1 / b.s, b.m, top, below); i++) {
        }
    }
    *s = b.s;
    *m = b.m;
}

/* ---- the uneven levels of IQ4 ----------------------------------------------------------- */

/* Source: the IQ4_NL format as published by the ggml project. */
static const float levels[16] = { -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113 };

/* The nearest level is the number of midpoints below v. */
static inline uint8_t level_of(float v)
{
    uint8_t i = 0;
    for (size_t k = 0; k < 15; k++)
        i = (uint8_t)(i + (v > 0.5f * (levels[k] + levels[k + 1])));
    return i;
}

static bool try_iq4(best *b, const float *x, const float *w, size_t n, float inv)
{
    float xq[LANES] = { 0 }, qq[LANES] = { 0 };
    for (size_t i = 0; i < n; i += LANES)
        for (size_t l = 0; l < LANES; l++) {
            const float q = levels[level_of(x[i + l] * inv)], wq = w[i + l] * q;
            xq[l] += wq * x[i + l];
            qq[l] += wq * q;
        }
    return consider(b, join(xq), join(qq));
}

float rg__enc_iq4(const float *x, const float *w, size_t n)
{
    const float at = extreme(x, n);
    if (!(fabsf(at) >= TINY))
        return 0;
    best b = { 0, at / levels[0] };
    for (int k = -7; k <= 7; k++) {
        try_iq4(&b, x, w, n, (levels[0] + (float)k) / at);
        try_iq4(&b, x, w, n, (levels[15] + 2 * (float)k) / at);
    }
    for (int i = 0; i < TURNS && try_iq4(&b, x, w, n, 1 / b.s); i++) {
    }
    return b.s;
}

/* ---- no search: the scale that just spans the run ------------------------------------------ */

float rg__enc_span_symmetric(const float *x, size_t n, float top)
{
    const float at = extreme(x, n);
    return fabsf(at) >= TINY ? -at / top : 0;
}

void rg__enc_span_affine(float *s, float *m, const float *x, size_t n, float top)
{
    float min = x[0], max = x[0];
    for (size_t i = 1; i < n; i++) {
        min = x[i] < min ? x[i] : min;
        max = x[i] > max ? x[i] : max;
    }
    *s = max - min >= TINY ? (max - min) / top : 0;
    *m = min;
}

/* ---- rounding with the scale that is stored ---------------------------------------------- */

void rg__enc_round(uint8_t *q, const float *x, size_t n, float s, float m, float lo, float hi, float add)
{
    const float inv = s != 0 ? 1 / s : 0;
    for (size_t i = 0; i < n; i++) {
        const float v = between((x[i] - m) * inv, lo - 1, hi + 1); /* in the range of nearest() */
        q[i] = (uint8_t)(between(nearest(v), lo, hi) + add);
    }
}

void rg__enc_round_iq4(uint8_t *q, const float *x, size_t n, float s)
{
    const float inv = s != 0 ? 1 / s : 0;
    for (size_t i = 0; i < n; i++)
        q[i] = level_of(x[i] * inv);
}
