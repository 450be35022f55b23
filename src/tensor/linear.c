/* linear.c - y = x W^T + b for several matrices over one input.
 *
 * Columns (tokens) are cut into pieces of PIECE, each with its own quantised activations:
 * a piece's outputs and activations stay in the caches while the panels pass by.  Threads
 * take runs of panels, over all matrices together, so q, k and v are one region. */
#include <assert.h>

#include "ops_int.h"

enum { PIECE = 128, MAX_MATRICES = 4, N_ACT = RG_N_ACT };

size_t rg_ops_scratch_bytes(size_t K)
{
    return rg_mm_scratch_bytes(PIECE, K);
}

static size_t act_bytes(rg_act kind, size_t T, size_t K)
{
    const size_t whole = T / PIECE, rest = T % PIECE;
    return whole * rg_act_bytes(kind, PIECE, K) + (rest ? rg_act_bytes(kind, rest, K) : 0);
}

/* Each matrix may want its own kind, so the largest MAX_MATRICES kinds. */
size_t rg_ops_linear_bytes(size_t T, size_t K)
{
    size_t most[MAX_MATRICES] = { 0 }, total = 0; /* greatest first */
    for (int kind = 0; kind < N_ACT; kind++) {
        size_t n = RG_ROUND_UP(act_bytes((rg_act)kind, T, K), (size_t)64);
        for (size_t i = 0; i < MAX_MATRICES; i++)
            if (n > most[i]) {
                const size_t less = most[i];
                most[i] = n;
                n = less;
            }
    }
    for (size_t i = 0; i < MAX_MATRICES; i++)
        total += most[i];
    return total;
}

/* ---- activations ---- */

typedef struct act_job {
    const rg_kernels *k;
    rg_tensor x;
    rg_act kind;
    char *act;
    size_t piece_bytes; /* of a full piece */
} act_job;

static size_t piece_n(size_t T, size_t piece)
{
    return RG_MIN(T - piece * PIECE, (size_t)PIECE);
}

/* [begin, end) counts tiles of RG_TILE_COLS columns; PIECE is a multiple of it. */
static void quantize_tiles(void *arg, size_t begin, size_t end, size_t thread)
{
    (void)thread;
    const act_job *j = arg;
    const size_t per_piece = PIECE / RG_TILE_COLS;
    while (begin < end) {
        const size_t piece = begin / per_piece, t0 = begin % per_piece;
        const size_t n = piece_n(j->x.T, piece);
        const size_t t1 = RG_MIN(t0 + (end - begin), rg_act_tiles(n));
        j->k->quantize(j->act + piece * j->piece_bytes, j->kind, j->x.x + piece * PIECE * j->x.ld, j->x.ld, n,
                       j->x.C, t0, t1);
        begin += t1 - t0;
    }
}

static char *quantize(rg_ops *o, rg_tensor x, rg_act kind)
{
    act_job j = { .k = o->k,
                  .x = x,
                  .kind = kind,
                  .piece_bytes = rg_act_bytes(kind, PIECE, x.C),
                  .act = rg_arena_push(o->step, act_bytes(kind, x.T, x.C)) };
    const size_t tiles = rg_act_tiles(x.T);
    const size_t threads = rg_pool_threads(o->pool);
    const size_t grain = x.T * x.C < 32768 ? tiles : (tiles + threads - 1) / threads;
    rg_parallel(o->pool, tiles, grain, quantize_tiles, &j);
    return j.act;
}

/* ---- products ---- */

typedef struct mm_job {
    const rg_ops *o;
    rg_tensor x;
    rg_tensor *y;
    const rg_weight *const *W;
    const float *const *b;
    char *act[N_ACT];
    size_t first[MAX_MATRICES + 1]; /* panel at which each matrix starts */
    size_t n;
} mm_job;

static void add_bias(const mm_job *j, size_t m, size_t p0, size_t p1, size_t t0, size_t n)
{
    const size_t r0 = p0 * RG_PANEL_ROWS, r1 = RG_MIN(p1 * RG_PANEL_ROWS, j->W[m]->R);
    float *y = j->y[m].x + t0 * j->y[m].ld + r0;
    j->o->k->add_row(y, y, j->b[m] + r0, n, r1 - r0, j->y[m].ld);
}

static void matrix_panels(const mm_job *j, size_t m, size_t p0, size_t p1, size_t thread)
{
    const rg_weight *W = j->W[m];
    const rg_kernels *k = j->o->k;
    const rg_act kind = rg_act_of(W->type);
    const rg_tensor y = j->y[m];
    void *scratch = rg_ops_scratch(j->o, thread);
    for (size_t piece = 0; piece * PIECE < j->x.T; piece++) {
        const size_t t0 = piece * PIECE, n = piece_n(j->x.T, piece);
        if (j->o->exact)
            k->mm_f32(y.x + t0 * y.ld, y.ld, &W->panels, j->x.x + t0 * j->x.ld, j->x.ld, n, p0, p1, scratch);
        else
            k->mm(y.x + t0 * y.ld, y.ld, &W->panels, j->act[kind] + piece * rg_act_bytes(kind, PIECE, W->K),
                  n, p0, p1, scratch);
        if (j->b != NULL && j->b[m] != NULL)
            add_bias(j, m, p0, p1, t0, n);
    }
}

static void mm_panels(void *arg, size_t begin, size_t end, size_t thread)
{
    const mm_job *j = arg;
    for (size_t m = 0; m < j->n; m++) {
        const size_t p0 = RG_MAX(begin, j->first[m]), p1 = RG_MIN(end, j->first[m + 1]);
        if (p0 < p1)
            matrix_panels(j, m, p0 - j->first[m], p1 - j->first[m], thread);
    }
}

/* Few long runs: the streams of a run are prefetched, and panels go in twos and threes. */
static size_t panel_grain(size_t panels, size_t threads)
{
    const size_t parts = panels >= 96 * threads ? 4 * threads : threads;
    return RG_ROUND_UP((panels + parts - 1) / parts, (size_t)2);
}

void rg_op_linear(rg_ops *o, rg_tensor *y, rg_tensor x, const rg_weight *const *W, const float *const *b,
                  size_t n)
{
    assert(n <= MAX_MATRICES);
    mm_job j = { .o = o, .x = x, .y = y, .W = W, .b = b, .n = n };
    for (size_t m = 0; m < n; m++) {
        assert(W[m]->K == x.C && W[m]->panels.data != NULL && W[m]->panels_version == W[m]->version);
        const rg_act kind = rg_act_of(W[m]->type);
        if (!o->exact && j.act[kind] == NULL)
            j.act[kind] = quantize(o, x, kind);
        y[m] = rg_op_new(o, x.T, W[m]->R);
        j.first[m + 1] = j.first[m] + rg_panels_of(W[m]->R);
    }
    rg_parallel(o->pool, j.first[n], panel_grain(j.first[n], rg_pool_threads(o->pool)), mm_panels, &j);
}
