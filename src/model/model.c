/* model.c - a model out of its configuration and its weights by name. */
#include "rung/model/model.h"

#include "rung/base/mem.h"

#include "model_int.h"

/* Every tensor must have a place: one that is not used means an architecture we would get wrong. */
static rg_status all_used(const rg_model *m, rg_weights *ws, rg_weight *const *used, size_t n_used, rg_err *e)
{
    for (size_t i = 0; i < rg_weights_n(ws); i++) {
        const rg_weight *w = rg_weights_at(ws, i);
        bool found = w == m->embed || w->vec != NULL;
        for (size_t j = 0; j < n_used && !found; j++)
            found = used[j] == w;
        if (!found)
            RG_FAIL(e, RG_EFORMAT, "tensor %s has no place in architecture %s: this file is of another kind",
                    w->name, m->c.arch);
    }
    return RG_OK;
}

static rg_status pack(rg_model *m, rg_weights *ws, rg_pool *pool, void (*packed)(void *, const rg_weight *),
                      void *arg, rg_err *e)
{
    const size_t n = m->c.n_layer * N_MATRICES + 1;
    rg_weight **list = rg_alloc(n, sizeof *list);
    if (list == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for a list of %zu weights", n);
    size_t at = 0;
    for (size_t i = 0; i < m->c.n_layer; i++)
        for (size_t j = 0; j < N_MATRICES; j++)
            if (m->blk[i].m[j] != NULL)
                list[at++] = rg_weights_find(ws, m->blk[i].m[j]->name);
    if (m->head != NULL)
        list[at++] = rg_weights_find(ws, m->head->name);
    rg_status s = all_used(m, ws, list, at, e);
    if (s == RG_OK)
        s = rg_weights_pack(ws, list, at, pool, packed, arg, e);
    rg_free(list);
    return s;
}

rg_status rg_model_new(rg_model **out, const rg_model_config *c, rg_weights *ws, rg_pool *pool,
                       void (*packed)(void *arg, const rg_weight *w), void *arg, rg_err *e)
{
    *out = NULL;
    RG_TRY(rg_model_config_check(c, e));
    rg_status s = RG_OK;
    rg_model *m = rg_calloc(1, sizeof *m);
    if (m == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for the model");
    m->c = *c;
    m->blk = rg_calloc(c->n_layer, sizeof *m->blk);
    if (m->blk == NULL)
        RG_FAIL_GO(s, fail, e, RG_ENOMEM, "no memory for %zu blocks", c->n_layer);
    RG_GO(s, fail, rg__find_ends(m, ws, e));
    RG_GO(s, fail, rg__rope_init(m, ws, e));
    for (size_t i = 0; i < c->n_layer; i++)
        RG_GO(s, fail, rg__find_block(&m->blk[i], c, ws, i, e));
    RG_GO(s, fail, pack(m, ws, pool, packed, arg, e));
    *out = m;
    return RG_OK;
fail:
    rg_model_free(m);
    return s;
}

void rg_model_free(rg_model *m)
{
    if (m == NULL)
        return;
    rg__rope_free(m);
    rg_free(m->blk);
    rg_free(m);
}

/* ---- queries ---- */

const rg_model_config *rg_model_get_config(const rg_model *m)
{
    return &m->c;
}

rg_page_shape rg_model_page_shape(const rg_model *m, uint32_t kv_type)
{
    const rg_page_shape s = { m->c.n_layer, m->c.n_head_kv, m->c.head_dim, kv_type };
    return s;
}

uint64_t rg_model_body_weights(const rg_model *m)
{
    const rg_model_config *c = &m->c;
    const uint64_t C = c->n_embd, Q = c->n_head * c->head_dim, KV = c->n_head_kv * c->head_dim;
    return c->n_layer * (2 * Q * C + 2 * KV * C + 3 * (uint64_t)c->n_ff * C);
}

uint64_t rg_model_head_weights(const rg_model *m)
{
    return m->head == NULL ? 0 : (uint64_t)m->c.n_vocab * m->c.n_embd;
}

static size_t panel_bytes(const rg_weight *w)
{
    return w == NULL ? 0 : rg_panels_of(w->R) * w->panels.panel_bytes;
}

size_t rg_model_head_bytes(const rg_model *m)
{
    return panel_bytes(m->head);
}

size_t rg_model_packed_bytes(const rg_model *m)
{
    size_t total = panel_bytes(m->head);
    for (size_t i = 0; i < m->c.n_layer; i++)
        for (size_t j = 0; j < N_MATRICES; j++)
            total += panel_bytes(m->blk[i].m[j]);
    return total;
}

/* Positions that n tokens behind `past` others see together in a layer with this window. */
static double seen(size_t window, size_t past, size_t n)
{
    const size_t growing = window == 0 ? n : window <= past ? 0 : RG_MIN(window - past, n);
    const double g = (double)growing;
    return g * (double)past + 0.5 * g * (g + 1) + (double)(n - growing) * (double)window;
}

double rg_model_flops(const rg_model *m, size_t past, size_t n, size_t k)
{
    const rg_model_config *c = &m->c;
    double context = 0;
    for (size_t i = 0; i < c->n_layer; i++)
        context += seen(rg__window(c, i), past, n);
    return 2.0 * (double)rg_model_body_weights(m) * (double)n +
           2.0 * (double)rg_model_head_weights(m) * (double)k +
           4.0 * (double)(c->n_head * c->head_dim) * context;
}
