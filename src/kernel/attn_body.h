/* attn_body.h - attention over pages, written once over vf and included after vec_body.h.
 * attn_ref.h is the definition.
 *
 * Both halves of attention are one small matrix product, C += A * B with B read row by row:
 *
 *             scores                       values
 *   A (nq, n) queries, n = D               weights p, n = seen positions
 *   B (n, w)  K page, n = D, w = 32        V page, w = 32 or 16 of its D columns
 *   C         32 scores a query            the running sums acc
 *
 * so one register tile serves both: TILE_Q queries x TILE_W vectors of columns, every output
 * one fma chain in ascending n.
 *
 *             B  row k: [ 16 floats ][ 16 floats ]     AVX-512: 8 x 2 zmm of sums
 *   a0[k] ->  C0        [ fma       ][ fma       ]     AVX2:    6 x 1 (two ymm)
 *   a1[k] ->  C1        [ fma       ][ fma       ]
 *   ...                                                loads a step 10 (8), fmas 16 (12) */

enum { MAX_Q = 8 };

/* Rows spelled out: clang keeps an array of accumulators in memory. */
#define ROWS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)

#define ROW_START(i)                                                                                         \
    const float *a##i = NULL;                                                                                \
    vf c##i##0 = vf_set(0.0f), c##i##1 = c##i##0;                                                            \
    if (i < nq) {                                                                                            \
        a##i = a[i];                                                                                         \
        if (scale) {                                                                                         \
            c##i##0 = vf_mul(vf_load(c[i] + at), vf_set(scale[i]));                                          \
            if (nw > 1)                                                                                      \
                c##i##1 = vf_mul(vf_load(c[i] + at + VF), vf_set(scale[i]));                                 \
        }                                                                                                    \
    }
#define ROW_STEP(i)                                                                                          \
    if (i < nq) {                                                                                            \
        const vf x = vf_set(a##i[k]);                                                                        \
        c##i##0 = vf_fma(x, b0, c##i##0);                                                                    \
        if (nw > 1)                                                                                          \
            c##i##1 = vf_fma(x, b1, c##i##1);                                                                \
    }
#define ROW_END(i)                                                                                           \
    if (i < nq) {                                                                                            \
        vf_store(c[i] + at, c##i##0);                                                                        \
        if (nw > 1)                                                                                          \
            vf_store(c[i] + at + VF, c##i##1);                                                               \
    }

/* For i < nq and the 16*nw columns from `at`:
 *   c[i][at..] = (scale ? c[i][at..] * scale[i] : 0) + sum over k < n of a[i][k] * b[k*ldb + at..]
 * nq and nw are constants where this is called, so every `if` but the scale's is gone. */
VF_INLINE void tile(const size_t nq, const size_t nw, float *const *c, const float *scale,
                    const float *const *a, const float *b, size_t ldb, size_t at, size_t n)
{
    ROWS(ROW_START)
    b += at;
    for (size_t k = 0; k < n; k++, b += ldb) {
        const vf b0 = vf_load(b), b1 = nw > 1 ? vf_load(b + VF) : b0;
        ROWS(ROW_STEP)
        (void)b1;
    }
    ROWS(ROW_END)
}

/* The columns [0, width), width a multiple of 16. */
VF_INLINE void tile_row(const size_t nq, float *const *c, const float *scale, const float *const *a,
                        const float *b, size_t ldb, size_t width, size_t n)
{
    size_t at = 0;
    for (; at + TILE_W * VF <= width; at += TILE_W * VF)
        tile(nq, TILE_W, c, scale, a, b, ldb, at, n);
    if (at < width)
        tile(nq, 1, c, scale, a, b, ldb, at, n);
}

/* tile_row with nq (1..TILE_Q) made a constant; 7 and 8 do not occur where TILE_Q is 6. */
static void product(size_t nq, float *const *c, const float *scale, const float *const *a, const float *b,
                    size_t ldb, size_t width, size_t n)
{
    switch (nq) {
    case 1: tile_row(1, c, scale, a, b, ldb, width, n); break;
    case 2: tile_row(2, c, scale, a, b, ldb, width, n); break;
    case 3: tile_row(3, c, scale, a, b, ldb, width, n); break;
    case 4: tile_row(4, c, scale, a, b, ldb, width, n); break;
    case 5: tile_row(5, c, scale, a, b, ldb, width, n); break;
    case 6: tile_row(6, c, scale, a, b, ldb, width, n); break;
    case 7: tile_row(TILE_Q < 7 ? 1 : 7, c, scale, a, b, ldb, width, n); break;
    default: tile_row(TILE_Q < 8 ? 1 : 8, c, scale, a, b, ldb, width, n); break;
    }
}

/* One tile of queries at work. */
typedef struct attn_tile {
    float p[MAX_Q][RG_PAGE]; /* scores, then weights */
    float c[VF];             /* what the old sums are worth, exp(m - m') */
    float *row[MAX_Q];       /* p, as rows of a product */
    size_t nq;
    size_t all_from, all_to; /* what every query sees: [all_from, all_to), empty when both are RG_PAGE */
    size_t any_to;
} attn_tile;

/* Scores to weights; m and l move on. */
static void softmax(attn_tile *w, float *const *st, const uint8_t *from, const uint8_t *to, size_t D)
{
    const vf none = vf_set(-INFINITY);
    vf s0[MAX_Q], s1[MAX_Q];
    float m[MAX_Q];
    for (size_t i = 0; i < w->nq; i++) {
        const size_t n = to[i];
        for (size_t t = 0; t < from[i]; t++)
            w->p[i][t] = -INFINITY;
        s0[i] = vf_load_or(w->p[i], n < VF ? n : VF, none);
        s1[i] = vf_load_or(w->p[i] + VF, n < VF ? 0 : n - VF, none);
        const float top = vf_greatest(vf_max(s0[i], s1[i])), old = st[i][D];
        m[i] = top > old ? top : old;
        w->c[i] = old - m[i];
    }
    vf_store(w->c, vf_exp(vf_load(w->c)));
    for (size_t i = 0; i < w->nq; i++) {
        const vf mi = vf_set(m[i]);
        const vf p0 = vf_exp(vf_sub(s0[i], mi)), p1 = vf_exp(vf_sub(s1[i], mi));
        vf_store(w->p[i], p0);
        vf_store(w->p[i] + VF, p1);
        st[i][D] = m[i];
        st[i][D + 1] = fmaf(st[i][D + 1], w->c[i], vf_sum(vf_add(p0, p1)));
    }
}

/* What each query sees, and what all of them see. */
static void set_tile(attn_tile *w, size_t nq, const uint8_t *from, const uint8_t *to)
{
    w->nq = nq;
    w->all_from = w->any_to = 0;
    w->all_to = RG_PAGE;
    for (size_t i = 0; i < nq; i++) {
        w->row[i] = w->p[i];
        w->all_from = from[i] > w->all_from ? from[i] : w->all_from;
        w->all_to = to[i] < w->all_to ? to[i] : w->all_to;
        w->any_to = to[i] > w->any_to ? to[i] : w->any_to;
    }
    if (w->all_from >= w->all_to)
        w->all_from = w->all_to = RG_PAGE;
}

/* st = st * scale + the values of positions [from, to) times their weights, for one query. */
static void add_values(const attn_tile *w, size_t i, float *const *st, const float *scale, const float *v,
                       size_t D, size_t from, size_t to)
{
    const float *p = w->p[i] + from;
    product(1, &st[i], scale, &p, v + from * D, D, D, to - from);
}

/* Every query's values in ascending order: what it sees before the others do, what all of them
 * see, as one product, and what it sees after the others. */
static void values(attn_tile *w, float *const *st, const uint8_t *from, const uint8_t *to, const float *v,
                   size_t D)
{
    static const float one = 1.0f;
    const float *rows[MAX_Q];
    for (size_t i = 0; i < w->nq; i++) {
        rows[i] = w->p[i] + w->all_from;
        if (from[i] < w->all_from) {
            add_values(w, i, st, &w->c[i], v, D, from[i], to[i] < w->all_from ? to[i] : w->all_from);
            w->c[i] = one;
        }
    }
    if (w->all_from < w->all_to)
        product(w->nq, st, w->c, rows, v + w->all_from * D, D, D, w->all_to - w->all_from);
    for (size_t i = 0; i < w->nq; i++)
        if (to[i] > w->all_to)
            add_values(w, i, st, &one, v, D, w->all_to, to[i]);
}

static void attn_few(size_t nq, float *const *st, const float *const *q, const uint8_t *from,
                     const uint8_t *to, const float *k, const float *v, size_t D)
{
    attn_tile w;
    memset(w.c, 0, sizeof w.c);
    set_tile(&w, nq, from, to);
    product(nq, w.row, NULL, q, k, RG_PAGE, w.any_to > VF ? RG_PAGE : VF, D);
    softmax(&w, st, from, to, D);
    values(&w, st, from, to, v, D);
}

/* Tiles of nearly equal size: 7 queries are 4 + 3 where the tile has 6, not 6 + 1. */
static void attn_page(float *const *st, const float *const *q, const uint8_t *from, const uint8_t *to,
                      size_t M, const float *k, const float *v, size_t D)
{
    for (size_t i = 0, nq; i < M; i += nq) {
        const size_t left = M - i, tiles = (left + TILE_Q - 1) / TILE_Q;
        nq = (left + tiles - 1) / tiles;
        attn_few(nq, st + i, q + i, from + i, to + i, k, v, D);
    }
}

static void attn_end(float *out, const float *st, size_t D)
{
    const vf l = vf_set(st[D + 1]);
    size_t d = 0;
    for (; d + VF <= D; d += VF)
        vf_store(out + d, vf_div(vf_load(st + d), l));
    if (d < D)
        vf_store_n(out + d, vf_div(vf_load_n(st + d, D - d), l), D - d);
}

static void fill_table(rg_kernels *k)
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
