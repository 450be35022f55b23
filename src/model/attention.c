/* attention.c - attention over pages: each page is read once for all rows that hold it.
 *
 * Work is cut into (KV head, block of rows).  Inside a piece, pages are visited in order of
 * position; rows that hold the same page follow each other (the scheduler keeps siblings
 * together), so a page shared by sixteen branches is widened once and met by the queries of
 * all their heads in one kernel call.  A row's own result is the same whatever its block. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "model_int.h"

enum { BLOCK = 32 }; /* rows in a piece */

typedef struct attn_job {
    const rg_ops *o;
    const rg_model_config *c;
    const row *rows;
    uint32_t kv_type;
    size_t layer, T, window;
    rg_tensor q, k, v, y;
} attn_job;

/* Scratch of a piece, in floats: k, v of a page; running state of each (row, head). */
static size_t state_floats(size_t D)
{
    return RG_ROUND_UP(D + 2, (size_t)16);
}

static size_t group(const rg_model_config *c)
{
    return c->n_head / c->n_head_kv;
}

size_t rg__attention_scratch_bytes(const rg_model_config *c)
{
    const size_t M = BLOCK * group(c);
    return sizeof(float) * (2 * RG_PAGE * c->head_dim + M * state_floats(c->head_dim)) +
           M * (sizeof(float *) * 2 + 2) + 192;
}

/* ---- putting K and V, scaling Q ---- */

static void put_rows(void *arg, size_t begin, size_t end, size_t thread)
{
    (void)thread;
    const attn_job *j = arg;
    const rg_kernels *k = rg_ops_kernels(j->o);
    const size_t D = j->c->head_dim;
    for (size_t t = begin; t < end; t++) {
        const row *r = &j->rows[t];
        for (size_t h = 0; h < j->c->n_head_kv; h++)
            k->kv_put(rg_state_k(r->state, r->pos / RG_PAGE, j->layer, h),
                      rg_state_v(r->state, r->pos / RG_PAGE, j->layer, h), j->kv_type,
                      j->k.x + t * j->k.ld + h * D, j->v.x + t * j->v.ld + h * D, D, r->pos % RG_PAGE);
        const float scale = j->c->attn_scale != 0 ? j->c->attn_scale : 1.0f / sqrtf((float)D);
        float *q = j->q.x + t * j->q.ld;
        for (size_t i = 0; i < j->q.C; i++)
            q[i] *= scale;
    }
}

/* ---- one piece: one KV head, rows [t0, t1) ---- */

typedef struct piece {
    float *k, *v, *st;
    float **stp;
    const float **qp;
    uint8_t *from, *to;
} piece;

static piece carve(void *scratch, const rg_model_config *c)
{
    const size_t D = c->head_dim, M = BLOCK * group(c);
    piece p;
    p.k = scratch;
    p.v = p.k + RG_PAGE * D;
    p.st = p.v + RG_PAGE * D;
    p.stp = (float **)(void *)(p.st + M * state_floats(D));
    p.qp = (const float **)(void *)(p.stp + M);
    p.from = (uint8_t *)(p.qp + M);
    p.to = p.from + M;
    return p;
}

/* The first position that a row sees. */
static size_t first_seen(const attn_job *j, size_t t)
{
    const size_t pos = j->rows[t].pos;
    return j->window == 0 || pos < j->window ? 0 : pos + 1 - j->window;
}

static bool sees(const attn_job *j, size_t t, size_t page)
{
    return page >= first_seen(j, t) / RG_PAGE && page <= j->rows[t].pos / RG_PAGE;
}

/* Queries of rows [a, b), which all see something of the same page, at index `page`. */
static size_t gather(const attn_job *j, piece *p, size_t h, size_t t0, size_t a, size_t b, size_t page)
{
    const size_t G = group(j->c), D = j->c->head_dim;
    size_t M = 0;
    for (size_t t = a; t < b; t++) {
        const size_t first = first_seen(j, t), at = page * RG_PAGE;
        for (size_t g = 0; g < G; g++, M++) {
            p->stp[M] = p->st + ((t - t0) * G + g) * state_floats(D);
            p->qp[M] = j->q.x + t * j->q.ld + (h * G + g) * D;
            p->from[M] = (uint8_t)(first > at ? first - at : 0);
            p->to[M] = (uint8_t)RG_MIN(j->rows[t].pos - at + 1, (size_t)RG_PAGE);
        }
    }
    return M;
}

static void visit_page(const attn_job *j, piece *p, size_t h, size_t t0, size_t t1, size_t page)
{
    const rg_kernels *k = rg_ops_kernels(j->o);
    for (size_t a = t0; a < t1;) {
        if (!sees(j, a, page)) {
            a++;
            continue;
        }
        const void *kp = rg_state_k(j->rows[a].state, page, j->layer, h);
        size_t b = a + 1;
        while (b < t1 && sees(j, b, page) && rg_state_k(j->rows[b].state, page, j->layer, h) == kp)
            b++;
        k->kv_widen(p->k, p->v, kp, rg_state_v(j->rows[a].state, page, j->layer, h), j->kv_type,
                    j->c->head_dim);
        const size_t M = gather(j, p, h, t0, a, b, page);
        k->attn_page(p->stp, p->qp, p->from, p->to, M, p->k, p->v, j->c->head_dim);
        a = b;
    }
}

static void run_piece(const attn_job *j, size_t h, size_t t0, size_t t1, size_t thread)
{
    const size_t G = group(j->c), D = j->c->head_dim;
    piece p = carve(rg_ops_scratch(j->o, thread), j->c);
    size_t page = SIZE_MAX, last = 0;
    for (size_t i = 0; i < (t1 - t0) * G; i++) {
        float *st = p.st + i * state_floats(D);
        memset(st, 0, (D + 2) * sizeof *st);
        st[D] = -INFINITY;
    }
    for (size_t t = t0; t < t1; t++) {
        page = RG_MIN(page, first_seen(j, t) / RG_PAGE);
        last = RG_MAX(last, j->rows[t].pos / RG_PAGE);
    }
    for (; page <= last; page++)
        visit_page(j, &p, h, t0, t1, page);
    for (size_t t = t0; t < t1; t++)
        for (size_t g = 0; g < G; g++)
            rg_ops_kernels(j->o)->attn_end(j->y.x + t * j->y.ld + (h * G + g) * D,
                                           p.st + ((t - t0) * G + g) * state_floats(D), D);
}

static void run_pieces(void *arg, size_t begin, size_t end, size_t thread)
{
    const attn_job *j = arg;
    const size_t blocks = (j->T + BLOCK - 1) / BLOCK;
    for (size_t i = begin; i < end; i++) {
        /* later blocks see more pages: hand the long ones out first */
        const size_t h = i % j->c->n_head_kv, b = blocks - 1 - i / j->c->n_head_kv;
        run_piece(j, h, b * BLOCK, RG_MIN((b + 1) * BLOCK, j->T), thread);
    }
}

rg_tensor rg__attention(rg_ops *o, const rg_model_config *c, const row *rows, uint32_t kv_type, size_t layer,
                        rg_tensor q, rg_tensor k, rg_tensor v)
{
    assert(q.T == k.T && k.T == v.T && q.C == c->n_head * c->head_dim);
    attn_job j = { .o = o,
                   .c = c,
                   .rows = rows,
                   .kv_type = kv_type,
                   .layer = layer,
                   .T = q.T,
                   .window = rg__window(c, layer),
                   .q = q,
                   .k = k,
                   .v = v,
                   .y = rg_op_new(o, q.T, q.C) };
    const size_t threads = rg_pool_threads(rg_ops_pool(o));
    rg_parallel(rg_ops_pool(o), q.T, RG_MAX(q.T / threads, (size_t)4), put_rows, &j);
    rg_parallel(rg_ops_pool(o), (q.T + BLOCK - 1) / BLOCK * c->n_head_kv, 1, run_pieces, &j);
    return j.y;
}
