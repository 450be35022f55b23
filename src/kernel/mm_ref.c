/* mm_ref.c - matrix products, one number at a time: the definition every level is equal to.
 *
 * A panel is expanded block by block (32 k); integer sums are exact, then each block joins its
 * output by fma in ascending k.  The running sum of an output waits in y. */
#include <math.h>

#include "kernel_int.h"
#include "mm_int.h"

static float f16_at(const uint8_t *p, size_t r)
{
    uint16_t h;
    memcpy(&h, p + 2 * r, sizeof h);
    return rg_f16_to_f32(h);
}

static void unpack_scales(rg__block *out, const uint8_t *unit, rg__layout L, size_t b)
{
    for (size_t r = 0; r < RG_PANEL_ROWS; r++) {
        const float d = f16_at(unit + L.d + b * L.d_step, r);
        const float m = L.mins ? f16_at(unit + L.dm + b * L.d_step, r) : 0.0f;
        for (size_t h = 0; h < 2; h++)
            switch (L.fold) {
            case RG__FOLD_32:
                out->scale[h][r] = d;
                out->min[h][r] = m;
                break;
            case RG__FOLD_256: {
                const uint8_t sc = unit[L.sc + 16 * b + r];
                out->scale[h][r] = (L.mins ? (float)sc : (float)(int8_t)sc) * d;
                out->min[h][r] = L.mins ? (float)unit[L.m + 16 * b + r] * m : 0.0f;
                break;
            }
            default: {
                const uint8_t sc = unit[L.sc + 32 * b + 16 * h + r];
                out->scale[h][r] = (L.mins ? (float)(sc & 15) : (float)(int8_t)sc) * d;
                out->min[h][r] = L.mins ? (float)(sc >> 4) * m : 0.0f;
            }
            }
    }
}

/* The `bits` bits of group g at byte i of a run of vectors. */
static unsigned bits_of(const uint8_t *p, size_t g, size_t i, unsigned bits)
{
    const size_t per = 8 / bits; /* groups in one vector */
    return (unsigned)p[64 * (g / per) + i] >> bits * (g % per) & ((1u << bits) - 1);
}

/* Block b of a panel. */
static void unpack(rg__block *out, const uint8_t *panel, rg__layout L, size_t b)
{
    const uint8_t *unit = rg__unit_at(panel, L, b, &b);
    const uint8_t *low = unit + L.low + b * L.low_step, *high = unit + L.high + b * L.high_step;
    for (size_t g = 0; g < 8; g++)
        for (size_t i = 0; i < 64; i++) {
            unsigned q = bits_of(low, g, i, L.low_bits);
            if (L.high_bits)
                q |= bits_of(high, g, i, L.high_bits) << L.low_bits;
            out->q[g][i] = L.codebook ? rg__iq4[q] : (uint8_t)q;
        }
    unpack_scales(out, unit, L, b);
}

/* ---- 8-bit activations ---------------------------------------------------------------- */

/* One column of a record. */
typedef struct column {
    const uint8_t *rec;
    size_t tc, c;
} column;

static int32_t get_i32(column a, size_t offset, size_t i)
{
    int32_t v;
    memcpy(&v, a.rec + offset * a.tc + 4 * (i * a.tc + a.c), sizeof v);
    return v;
}

static float get_f32(column a, size_t offset, size_t i)
{
    float v;
    memcpy(&v, a.rec + offset * a.tc + 4 * (i * a.tc + a.c), sizeof v);
    return v;
}

/* sum + dot of groups [g0, g1) of block b, row r. */
static float dot(const rg__block *w, column a, size_t b, size_t r, size_t g0, size_t g1, int32_t sum)
{
    for (size_t g = g0; g < g1; g++)
        for (size_t i = 0; i < 4; i++)
            sum += w->q[g][4 * r + i] * (int8_t)a.rec[((8 * b + g) * a.tc + a.c) * 4 + i];
    return (float)sum;
}

static float row_fold_32(float acc, const rg__block *w, column a, size_t nb, size_t r, rg__layout L)
{
    for (size_t b = 0; b < nb; b++) {
        const int32_t start = L.offset ? get_i32(a, RG__ACT_SUMS, 8u * L.isum_row + b) : 0;
        acc = fmaf(dot(w + b, a, b, r, 0, 8, start), w[b].scale[0][r] * get_f32(a, RG__ACT_32_D, b), acc);
        if (L.mins)
            acc = fmaf(w[b].min[0][r], get_f32(a, RG__ACT_32_FSUM, b), acc);
    }
    return acc;
}

static float row_fold_256(float acc, const rg__block *w, column a, size_t nb, size_t r, rg__layout L)
{
    float t = 0.0f;
    const size_t parts = L.fold == RG__FOLD_256_16 ? 2 : 1, groups = 8 / parts;
    for (size_t i = 0; i < nb * parts; i++) {
        const rg__block *x = w + i / parts;
        const size_t h = i % parts;
        const int32_t start = L.offset ? get_i32(a, RG__ACT_SUMS, i) : 0;
        t = fmaf(dot(x, a, i / parts, r, h * groups, (h + 1) * groups, start), x->scale[h][r], t);
        if (L.mins)
            t = fmaf(x->min[h][r], get_f32(a, RG__ACT_SUMS, i), t);
    }
    return fmaf(t, get_f32(a, rg__act_256_d((rg_act)L.act), 0), acc);
}

/* y[r] += the group's part of 16 rows and one column. */
static void group_column(float *y, const rg__block *w, column a, size_t nb, rg__layout L)
{
    for (size_t r = 0; r < RG_PANEL_ROWS; r++)
        y[r] = L.fold == RG__FOLD_32 ? row_fold_32(y[r], w, a, nb, r, L) : row_fold_256(y[r], w, a, nb, r, L);
}

static void panel_q(float *y, size_t ldy, const uint8_t *panel, const rg_panels *m, const uint8_t *act,
                    size_t N)
{
    const rg__layout L = rg__layout_of(m->type);
    const rg_act kind = rg_act_of(m->type);
    const size_t tc = rg__act_cols(N), blocks = m->K / 32;
    rg__block w[8];
    for (size_t g = 0; 8 * g < blocks; g++) {
        const size_t nb = blocks - 8 * g < 8 ? blocks - 8 * g : 8;
        for (size_t b = 0; b < nb; b++)
            unpack(&w[b], panel, L, 8 * g + b);
        for (size_t n = 0; n < N; n++)
            group_column(y + n * ldy, w, (column){ act + rg__act_at(kind, N, g, n / tc), tc, n % tc }, nb, L);
    }
}

/* ---- float activations ----------------------------------------------------------------- */

/* n (at most 32) times 16 weights from k on, as floats: w[i][r] is rg_k_dequant_row's value. */
static void expand(float w[32][16], const uint8_t *panel, uint32_t type, size_t k, size_t n)
{
    const rg__layout L = rg__layout_of(type);
    rg__block b;
    if (L.fold != RG__FOLD_FLOAT)
        unpack(&b, panel, L, k / 32);
    for (size_t i = 0; i < n; i++)
        for (size_t r = 0; r < RG_PANEL_ROWS; r++) {
            const size_t at = RG_PANEL_ROWS * (k + i) + r;
            if (type == RG_F32) {
                memcpy(&w[i][r], panel + 4 * at, 4);
            } else if (type == RG_F16) {
                w[i][r] = f16_at(panel, at);
            } else if (type == RG_BF16) {
                uint16_t h;
                memcpy(&h, panel + 2 * at, sizeof h);
                w[i][r] = rg_bf16_to_f32(h);
            } else {
                const float v = (float)((int)b.q[i / 4][4 * r + i % 4] - L.offset) * b.scale[i / 16][r];
                const float m = b.min[i / 16][r];
                w[i][r] = !L.mins ? v : L.fold == RG__FOLD_32 ? v + m : v - m;
            }
        }
}

/* One panel; element k of column n is x[n / tc * tile + n % tc * across + k * along], with
 * k counted from the start of its 256-group, groups `group` apart. */
typedef struct floats {
    const float *x;
    size_t tc, tile, across, along, group;
} floats;

static void panel_f(float *y, size_t ldy, const uint8_t *panel, const rg_panels *m, floats a, size_t N)
{
    float w[32][16];
    for (size_t k = 0; k < m->K; k += 32) {
        const size_t n_k = m->K - k < 32 ? m->K - k : 32;
        expand(w, panel, m->type, k, n_k);
        for (size_t n = 0; n < N; n++) {
            const float *x = a.x + k / RG__GROUP_K * a.group + k % RG__GROUP_K * a.along + n / a.tc * a.tile +
                             n % a.tc * a.across;
            for (size_t i = 0; i < n_k; i++)
                for (size_t r = 0; r < RG_PANEL_ROWS; r++)
                    y[n * ldy + r] = fmaf(w[i][r], x[i * a.along], y[n * ldy + r]);
        }
    }
}

/* ---- entries --------------------------------------------------------------------------- */

static void zero_rows(float *y, size_t ldy, size_t N)
{
    for (size_t n = 0; n < N; n++)
        memset(y + n * ldy, 0, RG_PANEL_ROWS * sizeof *y);
}

static void mm_ref(float *y, size_t ldy, const rg_panels *w, const void *act, size_t N, size_t p0, size_t p1,
                   void *scratch)
{
    (void)scratch;
    const size_t tc = rg__act_cols(N), tiles = (N + tc - 1) / tc;
    const floats a = { act, tc, RG__GROUP_K * tc, 1, tc, RG__GROUP_K * tc * tiles };
    for (size_t p = p0; p < p1; p++) {
        const uint8_t *panel = (const uint8_t *)w->data + p * w->panel_bytes;
        float *yp = y + p * RG_PANEL_ROWS;
        zero_rows(yp, ldy, N);
        if (rg_act_of(w->type) == RG_ACT_F32)
            panel_f(yp, ldy, panel, w, a, N);
        else
            panel_q(yp, ldy, panel, w, act, N);
    }
}

static void mm_f32_ref(float *y, size_t ldy, const rg_panels *w, const float *x, size_t ldx, size_t N,
                       size_t p0, size_t p1, void *scratch)
{
    (void)scratch;
    const floats a = { x, 1, ldx, 0, 1, RG__GROUP_K };
    for (size_t p = p0; p < p1; p++) {
        zero_rows(y + p * RG_PANEL_ROWS, ldy, N);
        panel_f(y + p * RG_PANEL_ROWS, ldy, (const uint8_t *)w->data + p * w->panel_bytes, w, a, N);
    }
}

void rg__mm_init_ref(rg_kernels *k)
{
    rg__quant_init_ref(k);
    k->mm = mm_ref;
    k->mm_f32 = mm_f32_ref;
}
