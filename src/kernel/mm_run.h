/* mm_run.h - the order of work of the quantised kernels, included once per vector level.
 *
 * Few columns: a panel at a time from beginning to end, one sequential stream that hardware
 * and software prefetch follow (two streams at once halve the bandwidth on Zen 4).
 *
 * More columns: a group (256 k) of RG__MOST_PANELS panels is expanded into scratch, which stays
 * in L1; then all tiles of four columns run over it.  Their running sums wait in scratch and are
 * touched once a group.  Meanwhile the next group is prefetched in slices.  Q8_0 is whole bytes
 * already and is used where it lies.
 *
 * Before: RG__MOST_PANELS; RG__ONE, RG__FOUR, RG__GROUP_1 and _2 run a tile for a layout. */

typedef void (*tile_fn)(tile a);
typedef void (*expand_fn)(rg__block *out, const uint8_t *panel, size_t b0, size_t n);

/* group[0]: one panel, [1]: two; they read expanded blocks, or the panel where expand is NULL. */
typedef struct kernels {
    tile_fn one, four, group[2];
    expand_fn expand;
} kernels;

#define FORMAT(T, GROUP_LAYOUT, EXPAND)                                                                      \
    static void T##_one(tile a)                                                                              \
    {                                                                                                        \
        RG__ONE(a, rg__layout_of(RG_##T));                                                                   \
    }                                                                                                        \
    static void T##_four(tile a)                                                                             \
    {                                                                                                        \
        RG__FOUR(a, rg__layout_of(RG_##T));                                                                  \
    }                                                                                                        \
    static void T##_group_1(tile a)                                                                          \
    {                                                                                                        \
        RG__GROUP_1(a, GROUP_LAYOUT(rg__layout_of(RG_##T)));                                                 \
    }                                                                                                        \
    static void T##_group_2(tile a)                                                                          \
    {                                                                                                        \
        RG__GROUP_2(a, GROUP_LAYOUT(rg__layout_of(RG_##T)));                                                 \
    }                                                                                                        \
    static const kernels T##_kernels = { T##_one, T##_four, { T##_group_1, T##_group_2 }, EXPAND };

#define EXPANDED_FORMAT(T)                                                                                   \
    static void T##_expand(rg__block *out, const uint8_t *panel, size_t b0, size_t n)                        \
    {                                                                                                        \
        expand_blocks(out, panel, b0, n, rg__layout_of(RG_##T));                                             \
    }                                                                                                        \
    FORMAT(T, expanded, T##_expand)

RG__PACKED_TYPES(EXPANDED_FORMAT)
FORMAT(Q8_0, , NULL)

#undef FORMAT
#undef EXPANDED_FORMAT

static const kernels *kernels_of(uint32_t type)
{
#define KERNELS(T)                                                                                           \
    case RG_##T: return &T##_kernels;
    switch (type) {
        RG__PACKED_TYPES(KERNELS)
    default: return &Q8_0_kernels;
    }
#undef KERNELS
}

/* One call of mm, and the panels of it at hand: np (1 or 2) of them from w on. */
typedef struct job {
    const kernels *f;
    const uint8_t *act, *w;
    float *y, *sums;   /* y: of the first row at hand */
    rg__block *blocks; /* [np][8] */
    size_t ldy, N, np, panel_bytes, group_bytes, n_blocks, tiles, rec_bytes;
} job;

/* One panel, one tile of columns: the only record of each group. */
static void run_stream(const job *j, tile_fn f, float *sums)
{
    f((tile){ .sums = sums, .w = j->w, .rec = j->act, .rec_step = j->rec_bytes, .blocks = j->n_blocks });
}

/* All tiles over group g.  The next group of the first panel, then of the second, is fetched
 * by the tiles in turn, `lines` a block each. */
static void run_group(const job *j, size_t g)
{
    const size_t nb = j->n_blocks - 8 * g < 8 ? j->n_blocks - 8 * g : 8;
    const size_t slices = 8 * ((j->tiles + j->np - 1) / j->np), all = j->group_bytes / 64;
    const size_t lines = (all + slices - 1) / slices;
    tile a = { .w = j->w + g * j->group_bytes, .w_step = j->panel_bytes, .blocks = nb };
    if (j->f->expand) {
        for (size_t p = 0; p < j->np; p++)
            j->f->expand(j->blocks + 8 * p, j->w + p * j->panel_bytes, 8 * g, nb);
        a.w = (const uint8_t *)j->blocks;
        a.w_step = 8 * sizeof(rg__block);
    }
    for (size_t t = 0; t < j->tiles; t++) {
        const size_t first = t / j->np * 8 * lines;
        a.ahead = j->w + t % j->np * j->panel_bytes + (g + 1) * j->group_bytes + 64 * first;
        a.ahead_lines = first < all ? lines : 0;
        a.sums = j->sums + t * j->np * 64;
        a.rec = j->act + (g * j->tiles + t) * j->rec_bytes;
        j->f->group[j->np - 1](a);
    }
}

/* sums [tiles][np][4][16] to y. */
static void write_out(const job *j)
{
    for (size_t n = 0; n < j->N; n++)
        for (size_t p = 0; p < j->np; p++)
            memcpy(j->y + n * j->ldy + 16 * p, j->sums + ((n / 4 * j->np + p) * 4 + n % 4) * 16, 64);
}

static void run_panels(const job *j)
{
    if (j->N == 1) {
        memset(j->y, 0, 16 * sizeof *j->y);
        run_stream(j, j->f->one, j->y);
        return;
    }
    memset(j->sums, 0, j->tiles * j->np * 64 * sizeof *j->sums);
    if (j->N <= 4)
        run_stream(j, j->f->four, j->sums);
    else
        for (size_t g = 0; 8 * g < j->n_blocks; g++)
            run_group(j, g);
    write_out(j);
}

static void run(float *y, size_t ldy, const rg_panels *w, const void *act, size_t N, size_t p0, size_t p1,
                void *scratch)
{
    const rg__layout L = rg__layout_of(w->type);

    job j = { .f = kernels_of(w->type),
              .act = act,
              .blocks = scratch,
              .ldy = ldy,
              .N = N,
              .sums = (float *)(void *)((uint8_t *)scratch + RG__EXPAND_BYTES),
              .panel_bytes = w->panel_bytes,
              .group_bytes = (size_t)L.bytes * (RG__GROUP_K / L.k),
              .n_blocks = w->K / 32,
              .tiles = rg_act_tiles(N),
              .rec_bytes = rg__act_record_bytes(rg_act_of(w->type), rg__act_cols(N)) };
    for (size_t p = p0; p < p1; p += j.np) {
        j.np = N <= 4 || p1 - p < RG__MOST_PANELS ? 1 : RG__MOST_PANELS;
        j.w = (const uint8_t *)w->data + p * w->panel_bytes;
        j.y = y + 16 * p;
        run_panels(&j);
    }
}
