/* mm_tile.h - one register tile of the integer kernels, included once per shape and level.
 *
 * An integer sum i and a float sum s for each pair of (run of rows, column), in registers.  A run
 * is a panel where a vector holds 16 rows (AVX-512), half a panel where it holds 8 (AVX2).
 *
 *            column 0   column 1   ...            one vpdpbusd = 16 rows x 4 k of one column
 *   panel 0  i00 s00    i01 s01
 *   panel 1  i10 s10    i11 s11
 *
 * Before: the level's mm_unpack*.h; RG__TILE is the name, RG__NC the columns, RG__RUNS(X) and
 * RG__PAIRS(X) list the runs and the pairs.  Everything is a named variable: clang 14 keeps
 * arrays of accumulators in memory whatever it is told, at four times the cost.
 *
 * 2 x 4 with scales per 32: 64 dots, 8 conversions, 8 products and 8 fma a block = 73 % dots
 * where all share two ports (Intel), 80 % where conversions have their own (Zen 4). */
#ifndef RUNG_MM_TILE_H
#define RUNG_MM_TILE_H

/* What a tile needs: sums are read and written, RG__SUM says where; w is the first panel (or its
 * expansion), others w_step apart; records of successive groups are rec_step apart;
 * ahead_lines lines from ahead on are prefetched per block; half: first half-panel (AVX2). */
typedef struct tile {
    float *sums;
    const uint8_t *w, *rec, *ahead;
    size_t w_step, rec_step, blocks, ahead_lines, half;
} tile;

/* Where the integer sum of run i of a record (32 k, or 16) starts. */
static RG__INLINE vi int_start(const uint8_t *rec, size_t nc, rg__layout L, size_t i, size_t c)
{
    if (L.offset == 0 || dot_signed(L))
        return vi_zero();
    return i32_at(rec, RG__ACT_SUMS * nc + 4 * (nc * (8u * L.isum_row + i) + c));
}

#endif

/* clang-format off */
#define LOAD(p, c)  vf s##p##c = vf_load(a.sums + RG__SUM(p, c));
#define CLEAR(p, c) s##p##c = vf_zero();
#define STORE(p, c) vf_store(a.sums + RG__SUM(p, c), s##p##c);
#define GROUP_END(p, c)                                                                          \
    vf_store(a.sums + RG__SUM(p, c), vf_fma(s##p##c, f32_at(rec, d_at * RG__NC + 4 * (c)),       \
                                            vf_load(a.sums + RG__SUM(p, c))));
#define SOURCE(p)                                                                                \
    size_t in##p;                                                                                \
    const uint8_t *u##p = rg__unit_at(a.w + (p) * a.w_step, L, b0 + b, &in##p);                  \
    if (stream) prefetch_head(u##p, L, in##p);
#define SCALES(p)   const scales f##p = block_scales(u##p, in##p, a.half + (p), L);
/* With mins the second scales are asked for where they are used: eight fewer registers wait. */
#define SECOND(p)   const scales g##p = block_scales(u##p, in##p, a.half + (p), L);
#define START(p, c) vi i##p##c = int_start(rec, RG__NC, L, i, c);
#define AGAIN(p, c) i##p##c = int_start(rec, RG__NC, L, i + 1, c);
#define PAIR(p, j)  vi lo##p, hi##p; pair(&lo##p, &hi##p, u##p, in##p, j, a.half + (p), L, stream);
#define PAIR0(p) PAIR(p, 0)
#define PAIR1(p) PAIR(p, 1)
#define PAIR2(p) PAIR(p, 2)
#define PAIR3(p) PAIR(p, 3)
#define DOTS(p, c) i##p##c = dot2(i##p##c, lo##p, hi##p, x + 4 * (c), x + 4 * (RG__NC + (c)), L);
#define STEP(j)                                                                                  \
    {                                                                                            \
        const uint8_t *x = rec + 4 * RG__NC * (8 * b + 2 * (j));                                 \
        RG__RUNS(PAIR##j)                                                                        \
        RG__PAIRS(DOTS)                                                                          \
    }
#define FOLD_D(p, c)                                                                             \
    s##p##c = vf_fma(vf_of_int(i##p##c),                                                         \
        vf_mul(f##p.d, f32_at(rec, RG__ACT_32_D * RG__NC + 4 * (RG__NC * b + (c)))), s##p##c);
#define FOLD_1(p, c) s##p##c = vf_fma(vf_of_int(i##p##c), f##p.d, s##p##c);
#define FOLD_2(p, c) s##p##c = vf_fma(vf_of_int(i##p##c), L.mins ? g##p.d2 : f##p.d2, s##p##c);
#define MIN_1(p, c)                                                                              \
    s##p##c = vf_fma(f##p.m, f32_at(rec, m_at * RG__NC + 4 * (RG__NC * i + (c))), s##p##c);
#define MIN_2(p, c)                                                                              \
    s##p##c = vf_fma(g##p.m2, f32_at(rec, m_at * RG__NC + 4 * (RG__NC * (i + 1) + (c))), s##p##c);
/* clang-format on */

static RG__INLINE void RG__TILE(tile a, rg__layout L, bool stream)
{
    const bool per_32 = L.fold == RG__FOLD_32, twice = L.fold == RG__FOLD_256_16;
    const size_t d_at = rg__act_256_d((rg_act)L.act);
    const size_t m_at = per_32 ? RG__ACT_32_FSUM : RG__ACT_SUMS;
    const uint8_t *rec = a.rec;
    RG__PAIRS(LOAD)
    for (size_t b0 = 0; b0 < a.blocks; b0 += 8, rec += a.rec_step) {
        const size_t nb = a.blocks - b0 < 8 ? a.blocks - b0 : 8;
        if (!per_32) {
            RG__PAIRS(CLEAR)
        }
        for (size_t b = 0; b < nb; b++) {
            RG__RUNS(SOURCE)
            for (size_t n = 0; n < a.ahead_lines; n++, a.ahead += 64)
                _mm_prefetch((const char *)a.ahead, _MM_HINT_T0);
            const size_t i = twice ? 2 * b : b; /* of the record's sums */
            RG__RUNS(SCALES)
            RG__PAIRS(START)
            STEP(0)
            STEP(1)
            if (twice) {
                RG__PAIRS(FOLD_1)
                if (L.mins) {
                    RG__PAIRS(MIN_1)
                }
                RG__PAIRS(AGAIN)
            }
            STEP(2)
            STEP(3)
            RG__RUNS(SECOND)
            if (per_32) {
                RG__PAIRS(FOLD_D)
            } else if (twice) {
                RG__PAIRS(FOLD_2)
            } else {
                RG__PAIRS(FOLD_1)
            }
            if (L.mins && twice) {
                RG__PAIRS(MIN_2)
            } else if (L.mins) {
                RG__PAIRS(MIN_1)
            }
        }
        if (!per_32) {
            RG__PAIRS(GROUP_END)
        }
    }
    if (per_32) {
        RG__PAIRS(STORE)
    }
}

#undef LOAD
#undef CLEAR
#undef STORE
#undef GROUP_END
#undef SOURCE
#undef SCALES
#undef SECOND
#undef START
#undef AGAIN
#undef PAIR
#undef PAIR0
#undef PAIR1
#undef PAIR2
#undef PAIR3
#undef DOTS
#undef STEP
#undef FOLD_D
#undef FOLD_1
#undef FOLD_2
#undef MIN_1
#undef MIN_2
#undef RG__TILE
#undef RG__NC
#undef RG__RUNS
#undef RG__PAIRS
