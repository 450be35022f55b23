/* mm_float.h - products of float activations, included once per vector level: mm_f32 for every
 * weight type, and mm for F32, F16 and BF16.
 *
 * Quantised weights of up to 128 k of a panel pair become floats in scratch, plain ones are
 * converted as they are loaded; then tiles of columns run over them.  One output is one chain of
 * fma in ascending k, so speed needs many outputs at once: 2 runs x 4 columns = 8 chains.  A
 * single column is one chain of 16 rows, 64 bytes of F32 in 4 cycles: more than memory gives.
 * Sums wait in scratch between chunks of k.
 *
 * A run is a panel (AVX-512) or half of one (AVX2).  Before: the level's mm_unpack*.h;
 * RG__MOST_PANELS; RG__FLOAT_TILES(T, BYTES), which makes `static const tile_fn tiles_T[3]` for
 * 1 column, 4 columns, and 4 columns of two panels; RG__RUN_AT and RG__RUN_SUM place run p. */

/* ---- weights to floats --------------------------------------------------------------------- */

/* Blocks [b0, b0 + n) of a panel as floats [32 n][16]. */
static RG__INLINE void floats_of_blocks(float *out, const uint8_t *panel, size_t b0, size_t n, rg__layout L)
{
    for (size_t i = 0; i < n * (16 / RG__LANES); i++) {
        const size_t b = b0 + i / (16 / RG__LANES), half = i % (16 / RG__LANES);
        float *to = out + 32 * 16 * (b - b0) + 8 * half;
        size_t in;
        const uint8_t *u = rg__unit_at(panel, L, b, &in);
        vi lo, hi;
        const scales s = block_scales(u, in, half, L);
#define GROUPS(j)                                                                                            \
    {                                                                                                        \
        const vf d = (j) < 2 ? s.d : s.d2, m = (j) < 2 ? s.m : s.m2;                                         \
        pair(&lo, &hi, u, in, j, half, L, true);                                                             \
        store_group(to + 128 * (j), lo, d, m, L);                                                            \
        store_group(to + 128 * (j) + 64, hi, d, m, L);                                                       \
    }
        GROUPS(0)
        GROUPS(1)
        GROUPS(2)
        GROUPS(3)
#undef GROUPS
    }
}

/* Weights [k, k + n) of a panel as floats [n][16]. */
static void floats_of(float *out, const uint8_t *panel, uint32_t type, size_t k, size_t n)
{
#define QUANTISED(T)                                                                                         \
    case RG_##T: floats_of_blocks(out, panel, k / 32, n / 32, rg__layout_of(RG_##T)); break;
    switch (type) {
        RG__PACKED_TYPES(QUANTISED)
        QUANTISED(Q8_0)
    default: break;
    }
#undef QUANTISED
}

/* ---- tiles ---------------------------------------------------------------------------------- */

/* sums [RV][NC][16] += w x over n elements; panels w_step bytes apart, element k of column c
 * is x[c][k * along]. */
typedef struct tile {
    float *sums;
    const uint8_t *w;
    const float *x[4];
    size_t w_step, along, n;
} tile;

typedef void (*tile_fn)(tile a);

/* clang-format off */
#define LOAD(T, NC, p, c)  vf s##p##c = vf_load(a.sums + RG__RUN_SUM(NC, p, c));
#define STORE(T, NC, p, c) vf_store(a.sums + RG__RUN_SUM(NC, p, c), s##p##c);
#define WEIGHT(T, BYTES, p) const vf w##p = load_##T(w + RG__RUN_AT(p, BYTES));
#define FMA(T, NC, p, c)   s##p##c = vf_fma(w##p, vf_set(x##c[at]), s##p##c);
#define TILE(NAME, T, BYTES, NC, RUNS, PAIRS, STREAM)                                            \
    static void NAME##_##T(tile a)                                                               \
    {                                                                                            \
        const uint8_t *w = a.w;                                                                  \
        const float   *x0 = a.x[0], *x1 = a.x[1], *x2 = a.x[2], *x3 = a.x[3];                    \
        const size_t   step = a.w_step, end = a.n * a.along;                                     \
        (void)step, (void)x1, (void)x2, (void)x3; /* not every shape has them */                 \
        PAIRS(LOAD, T, NC)                                                                       \
        for (size_t at = 0; at < end; at += a.along, w += (BYTES)) {                             \
            RUNS(WEIGHT, T, BYTES)                                                               \
            if (STREAM)                                                                          \
                prefetch(w + RG__AHEAD);                                                         \
            PAIRS(FMA, T, NC)                                                                    \
        }                                                                                        \
        PAIRS(STORE, T, NC)                                                                      \
    }
#define RUNS_1(X, T, B) X(T, B, 0)
#define RUNS_2(X, T, B) X(T, B, 0) X(T, B, 1)
#define PAIRS_1x1(X, T, N) X(T, N, 0, 0)
#define PAIRS_2x1(X, T, N) X(T, N, 0, 0) X(T, N, 1, 0)
#define PAIRS_1x4(X, T, N) X(T, N, 0, 0) X(T, N, 0, 1) X(T, N, 0, 2) X(T, N, 0, 3)
#define PAIRS_2x4(X, T, N) PAIRS_1x4(X, T, N) X(T, N, 1, 0) X(T, N, 1, 1) X(T, N, 1, 2) X(T, N, 1, 3)
/* clang-format on */

RG__FLOAT_TILES(F32, 64)
RG__FLOAT_TILES(F16, 32)
RG__FLOAT_TILES(BF16, 32)

/* ---- panels over all columns ------------------------------------------------------------------ */

/* Element k of column n is x[k / 256 * group + k % 256 * along + n / tc * tile + n % tc * across]. */
typedef struct columns {
    const float *x;
    size_t N, tc, tile, across, along, group;
} columns;

/* Columns n .. n + 3 from k on; past the last one the last again, whose sums nobody reads. */
static void point_at(const float *x[4], const columns *c, size_t n, size_t k)
{
    for (size_t i = 0; i < 4; i++) {
        const size_t m = n + i < c->N ? n + i : c->N - 1;
        x[i] = c->x + k / RG__GROUP_K * c->group + k % RG__GROUP_K * c->along + m / c->tc * c->tile +
               m % c->tc * c->across;
    }
}

/* [k, k + n) of np panels for every tile of columns. */
static void run_chunk(float *sums, const rg_panels *m, const uint8_t *panel, size_t np, const columns *c,
                      size_t k, size_t n, float *expansion)
{
    const size_t cols = c->N == 1 ? 1 : 4;
    const tile_fn *f = m->type == RG_F16 ? tiles_F16 : m->type == RG_BF16 ? tiles_BF16 : tiles_F32;
    tile a = {
        .w = panel + k * rg__layout_of(m->type).bytes, .w_step = m->panel_bytes, .along = c->along, .n = n
    };
    if (rg_act_of(m->type) != RG_ACT_F32) {
        a.w = (const uint8_t *)expansion;
        a.w_step = 64 * n;
        for (size_t p = 0; p < np; p++)
            floats_of(expansion + p * 16 * n, panel + p * m->panel_bytes, m->type, k, n);
    }
    for (size_t t = 0; t * cols < c->N; t++) {
        point_at(a.x, c, t * cols, k);
        a.sums = sums + t * np * cols * 16;
        f[cols == 1 ? 0 : np](a);
    }
}

/* Chunks of 128 k: two panels of floats fill the expansion area. */
static void run_panels(float *y, size_t ldy, const rg_panels *m, const uint8_t *panel, size_t np,
                       const columns *c, void *scratch)
{
    const size_t cols = c->N == 1 ? 1 : 4, tiles = (c->N + cols - 1) / cols, step = 128;
    float *sums = (float *)(void *)((uint8_t *)scratch + RG__EXPAND_BYTES);
    memset(sums, 0, tiles * np * cols * 16 * sizeof *sums);
    for (size_t k = 0; k < m->K; k += step)
        run_chunk(sums, m, panel, np, c, k, m->K - k < step ? m->K - k : step, scratch);
    for (size_t n = 0; n < c->N; n++)
        for (size_t p = 0; p < np; p++)
            memcpy(y + n * ldy + 16 * p, sums + ((n / cols * np + p) * cols + n % cols) * 16, 64);
}

static void run(float *y, size_t ldy, const rg_panels *m, const columns *c, size_t p0, size_t p1,
                void *scratch)
{
    for (size_t p = p0, np; p < p1; p += np) {
        np = c->N <= 4 || p1 - p < RG__MOST_PANELS ? 1 : RG__MOST_PANELS;
        run_panels(y + 16 * p, ldy, m, (const uint8_t *)m->data + p * m->panel_bytes, np, c, scratch);
    }
}

static void mm_float(float *y, size_t ldy, const rg_panels *w, const void *act, size_t N, size_t p0,
                     size_t p1, void *scratch)
{
    const size_t tc = rg__act_cols(N), tile_floats = RG__GROUP_K * tc;
    const columns c = { act, N, tc, tile_floats, 1, tc, tile_floats * ((N + tc - 1) / tc) };
    run(y, ldy, w, &c, p0, p1, scratch);
}

static void mm_f32(float *y, size_t ldy, const rg_panels *w, const float *x, size_t ldx, size_t N, size_t p0,
                   size_t p1, void *scratch)
{
    const columns c = { x, N, 1, ldx, 0, 1, RG__GROUP_K };
    run(y, ldy, w, &c, p0, p1, scratch);
}
