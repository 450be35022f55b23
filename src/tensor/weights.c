#include "rung/tensor/weights.h"

#include <string.h>

#include "rung/base/mem.h"

struct rg_weights {
    rg_weight *w;
    size_t n, cap;
    void *block; /* all panels */
    size_t block_bytes;
    bool locked;
};

rg_status rg_weights_new(rg_weights **out, rg_err *e)
{
    *out = rg_calloc(1, sizeof **out);
    if (*out == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for the table of weights");
    return RG_OK;
}

void rg_weights_free(rg_weights *ws)
{
    if (ws == NULL)
        return;
    for (size_t i = 0; i < ws->n; i++) {
        rg_free(ws->w[i].name);
        rg_free(ws->w[i].vec);
    }
    if (ws->locked)
        rg_memory_unlock(ws->block, ws->block_bytes);
    rg_free_aligned(ws->block, ws->block_bytes);
    rg_free(ws->w);
    rg_free(ws);
}

static rg_status grow(rg_weights *ws, rg_err *e)
{
    if (ws->n < ws->cap)
        return RG_OK;
    const size_t cap = ws->cap ? 2 * ws->cap : 64;
    rg_weight *w = rg_realloc(ws->w, cap, sizeof *w);
    if (w == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu weights", cap);
    ws->w = w;
    ws->cap = cap;
    return RG_OK;
}

rg_status rg_weights_add(rg_weights *ws, const char *name, uint32_t type, size_t R, size_t K, const void *src,
                         rg_err *e)
{
    const rg_type_info *t = rg_type_info_of(type);
    uint64_t row_bytes;
    if (!t->runs)
        RG_FAIL(e, RG_EFORMAT, "tensor %s has type %s, which this engine does not run", name,
                t->name ? t->name : "unknown");
    if (R == 0 || K == 0 || !rg_type_row_bytes(&row_bytes, type, K))
        RG_FAIL(e, RG_EFORMAT, "tensor %s is (%zu, %zu): rows of %s come in blocks of %u", name, R, K,
                t->name, t->block);
    RG_TRY(grow(ws, e));
    rg_weight *w = &ws->w[ws->n];
    memset(w, 0, sizeof *w);
    w->name = rg_strdup(name);
    if (w->name == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for the name of %s", name);
    w->type = type;
    w->R = R;
    w->K = K;
    w->row_bytes = row_bytes;
    w->src = src;
    w->version = 1;
    ws->n++;
    return RG_OK;
}

size_t rg_weights_n(const rg_weights *ws)
{
    return ws->n;
}

rg_weight *rg_weights_at(rg_weights *ws, size_t i)
{
    return &ws->w[i];
}

rg_weight *rg_weights_find(rg_weights *ws, const char *name)
{
    for (size_t i = 0; i < ws->n; i++)
        if (strcmp(ws->w[i].name, name) == 0)
            return &ws->w[i];
    return NULL;
}

rg_status rg_weights_get(rg_weight **out, rg_weights *ws, const char *name, size_t R, size_t K, rg_err *e)
{
    *out = rg_weights_find(ws, name);
    if (*out == NULL)
        RG_FAIL(e, RG_EFORMAT, "tensor %s is missing: is this file whole, and of this architecture?", name);
    if ((*out)->R != R || (*out)->K != K)
        RG_FAIL(e, RG_EFORMAT, "tensor %s is (%zu, %zu), the model's keys ask for (%zu, %zu): they disagree",
                name, (*out)->R, (*out)->K, R, K);
    return RG_OK;
}

static float *widen(const rg_weight *w)
{
    size_t n;
    float *x = rg_mul_size(&n, w->R, w->K) ? rg_alloc(n, sizeof *x) : NULL;
    for (size_t r = 0; r < w->R && x != NULL; r++)
        rg_weight_row(x + r * w->K, w, r);
    return x;
}

rg_status rg_weights_floats(const float **out, rg_weights *ws, const char *name, size_t R, size_t K,
                            rg_err *e)
{
    rg_weight *w;
    *out = NULL;
    RG_TRY(rg_weights_get(&w, ws, name, R, K, e));
    if (w->vec == NULL)
        w->vec = widen(w);
    if (w->vec == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %s", name);
    *out = w->vec;
    return RG_OK;
}

rg_status rg_weights_vector(const float **out, rg_weights *ws, const char *name, size_t K, rg_err *e)
{
    return rg_weights_floats(out, ws, name, 1, K, e);
}

void rg_weight_row(float *y, const rg_weight *w, size_t row)
{
    rg_k_dequant_row(y, (const char *)w->src + row * w->row_bytes, w->type, w->K);
}

/* ---- packing ---- */

typedef struct pack_job {
    const rg_weight *w;
    char *to;
} pack_job;

static void pack_panels(void *arg, size_t begin, size_t end, size_t thread)
{
    (void)thread;
    const pack_job *j = arg;
    for (size_t p = begin; p < end; p++) {
        const size_t row = p * RG_PANEL_ROWS;
        rg_k_pack(j->to + p * j->w->panels.panel_bytes, (const char *)j->w->src + row * j->w->row_bytes,
                  j->w->row_bytes, RG_MIN(j->w->R - row, (size_t)RG_PANEL_ROWS), j->w->type, j->w->K);
    }
}

static rg_status block_new(rg_weights *ws, rg_weight *const *list, size_t n, rg_err *e)
{
    size_t total = 0;
    for (size_t i = 0; i < n; i++) {
        size_t bytes;
        if (!rg_mul_size(&bytes, rg_panels_of(list[i]->R), rg_panel_bytes(list[i]->type, list[i]->K)) ||
            !rg_add_size(&total, total, bytes))
            RG_FAIL(e, RG_ELIMIT, "the packed weights do not fit an address space");
    }
    ws->block = rg_alloc_aligned(total);
    if (ws->block == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu MiB of packed weights", total >> 20);
    ws->block_bytes = total;
    return RG_OK;
}

rg_status rg_weights_pack(rg_weights *ws, rg_weight *const *list, size_t n, rg_pool *pool,
                          void (*packed)(void *arg, const rg_weight *w), void *arg, rg_err *e)
{
    RG_TRY(block_new(ws, list, n, e));
    char *at = ws->block;
    for (size_t i = 0; i < n; i++) {
        rg_weight *w = list[i];
        w->panels = (rg_panels){
            .type = w->type, .R = w->R, .K = w->K, .panel_bytes = rg_panel_bytes(w->type, w->K), .data = at
        };
        w->panels_version = w->version;
        pack_job job = { w, at };
        rg_parallel(pool, rg_panels_of(w->R), 16, pack_panels, &job);
        at += rg_panels_of(w->R) * w->panels.panel_bytes;
        if (packed != NULL)
            packed(arg, w);
    }
    return RG_OK;
}

rg_status rg_weights_lock(rg_weights *ws, rg_err *e)
{
    if (ws->locked || ws->block == NULL)
        return RG_OK;
    RG_TRY(rg_memory_lock(ws->block, ws->block_bytes, "the packed weights", e));
    ws->locked = true;
    return RG_OK;
}
