/* local.c - the port over our own engine: open and close; calls.c has the two calls. */
#include <string.h>
#include <time.h>

#include "rung/base/mem.h"

#include "lm_int.h"

enum { SLOTS = 64, MAX_ROWS = 512 };

/* ---- open and close ---- */

static void fill_in(rg_lm_opt *o, const rg_model_config *c)
{
    if (o->slots == 0)
        o->slots = SLOTS;
    if (o->max_rows == 0)
        o->max_rows = MAX_ROWS;
    o->max_rows = RG_MAX(o->max_rows, o->slots);
    if (o->ctx == 0 || o->ctx > c->n_ctx)
        o->ctx = c->n_ctx;
    if (o->kv_bytes == 0) {
        const uint64_t half = rg_memory_available() / 2;
        o->kv_bytes = half == 0 ? (size_t)1 << 30 : (size_t)half;
    }
}

static rg_status alloc_tables(local_lm *lm, rg_err *e)
{
    const size_t spans = lm->opt.max_rows + lm->opt.slots, threads = rg_pool_threads(lm->pool);
    lm->span = rg_calloc(spans, sizeof *lm->span);
    lm->target = rg_calloc(spans, sizeof *lm->target);
    lm->ready = rg_calloc(lm->opt.slots, sizeof(job *));
    lm->row = rg_calloc(LOGIT_ROWS, sizeof(const float *));
    lm->row_of = rg_calloc(lm->opt.slots, sizeof *lm->row_of);
    lm->logits = rg_alloc_aligned(LOGIT_ROWS * lm->ld * sizeof *lm->logits);
    lm->scratch = rg_calloc(threads, sizeof *lm->scratch);
    if (lm->span == NULL || lm->target == NULL || lm->ready == NULL || lm->row == NULL ||
        lm->row_of == NULL || lm->logits == NULL || lm->scratch == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for the scheduler's tables");
    for (size_t i = 0; i < threads; i++)
        RG_TRY(rg__scratch_init(&lm->scratch[i], lm->n_vocab, lm->opt.ctx, e));
    return RG_OK;
}

static rg_status start(local_lm *lm, rg_err *e)
{
    const rg_page_shape shape = rg_model_page_shape(lm->m, rg_cache_type(lm->opt.cache, lm->opt.exact));
    RG_TRY(alloc_tables(lm, e));
    RG_TRY(
        rg_runner_new(&lm->runner, lm->m, lm->k, lm->pool, lm->opt.exact, lm->opt.ctx, lm->opt.max_rows, e));
    RG_TRY(rg_store_new(&lm->store, &shape, lm->opt.kv_bytes, e));
    if (lm->opt.lock)
        RG_TRY(rg_store_lock(lm->store, e));
    lm->stats.page_bytes = rg_store_page_bytes(lm->store);
    if (pthread_create(&lm->thread, NULL, rg__sched_main, lm) != 0)
        RG_FAIL(e, RG_EIO, "the scheduler's thread cannot be started");
    lm->started = true;
    return RG_OK;
}

static rg_status local_identity(char out[65], const rg_lm *lm, rg_err *e)
{
    return rg_bundle_hash(out, lm->bundle, e);
}

static double local_flops(const rg_lm *lm, size_t past, size_t n, size_t k)
{
    return rg_model_flops(local_of_const(lm)->m, past, n, k);
}

/* The lock is not part of the value. */
static local_lm *unconst(const rg_lm *lm)
{
    return (local_lm *)(uintptr_t)lm;
}

static void local_stats(const rg_lm *lm, rg_lm_stats *out)
{
    local_lm *l = unconst(lm);
    pthread_mutex_lock(&l->lock);
    *out = l->stats;
    out->pages_used = rg_store_pages_used(l->store);
    out->pages_peak = rg_store_pages_peak(l->store);
    out->slots = l->opt.slots;
    out->occupancy = l->stats.decode_steps == 0 ? 0
                                                : (double)l->stats.decode_rows /
                                                      (double)l->stats.decode_steps / (double)l->opt.slots;
    pthread_mutex_unlock(&l->lock);
}

static size_t local_kv_bytes(const rg_lm *lm)
{
    local_lm *l = unconst(lm);
    pthread_mutex_lock(&l->lock);
    const size_t n = rg_store_pages_max(l->store) * l->stats.page_bytes;
    pthread_mutex_unlock(&l->lock);
    return n;
}

static void local_set_kv_bytes(rg_lm *lm, size_t bytes)
{
    local_lm *l = local_of(lm);
    pthread_mutex_lock(&l->lock);
    rg_store_set_max(l->store, bytes);
    rg__memory_freed(l);
    pthread_mutex_unlock(&l->lock);
}

static size_t local_token_bytes(const rg_lm *lm)
{
    return local_of_const(lm)->stats.page_bytes / RG_PAGE;
}

static void local_close(rg_lm *port)
{
    local_lm *lm = local_of(port);
    if (lm->started) {
        pthread_mutex_lock(&lm->lock);
        lm->quit = true;
        pthread_cond_signal(&lm->work);
        pthread_mutex_unlock(&lm->lock);
        pthread_join(lm->thread, NULL);
    }
    rg_runner_free(lm->runner);
    rg_store_free(lm->store);
    for (size_t i = 0; lm->scratch != NULL && i < rg_pool_threads(lm->pool); i++)
        rg__scratch_free(&lm->scratch[i]);
    rg_free(lm->scratch);
    rg_free(lm->span);
    rg_free(lm->target);
    rg_free(lm->ready);
    rg_free(lm->row);
    rg_free(lm->row_of);
    rg_free_aligned(lm->logits, LOGIT_ROWS * lm->ld * sizeof *lm->logits);
    pthread_cond_destroy(&lm->work);
    pthread_mutex_destroy(&lm->lock);
    rg_free(lm);
}

static const rg_lm_ops local_ops = {
    .close = local_close,
    .identity = local_identity,
    .root = rg__local_root,
    .retain = rg__local_retain,
    .release = rg__local_release,
    .node_len = rg__local_node_len,
    .node_hash = rg__local_node_hash,
    .extend = rg__local_extend,
    .node_for = rg__local_node_for,
    .score = rg__local_score,
    .generate = rg__local_generate,
    .stats = local_stats,
    .flops = local_flops,
    .kv_bytes = local_kv_bytes,
    .set_kv_bytes = local_set_kv_bytes,
    .token_bytes = local_token_bytes,
};

rg_status rg_lm_open_local(rg_lm **out, const rg_bundle *b, const rg_kernels *k, rg_pool *pool,
                           const rg_lm_opt *o, rg_err *e)
{
    *out = NULL;
    if (rg_bundle_model(b) == NULL)
        RG_FAIL(e, RG_EARG, "%s holds a vocabulary only, no model", rg_bundle_path(b));
    local_lm *lm = rg_calloc(1, sizeof *lm);
    if (lm == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for the scheduler");
    lm->port = (rg_lm){ .ops = &local_ops, .bundle = b, .name = rg_bundle_name(b) };
    lm->b = b;
    lm->m = rg_bundle_model(b);
    lm->tok = rg_bundle_tokenizer(b);
    lm->k = k;
    lm->pool = pool;
    if (o != NULL)
        lm->opt = *o;
    const rg_model_config *c = rg_model_get_config(lm->m);
    fill_in(&lm->opt, c);
    lm->port.ctx = lm->opt.ctx;
    lm->port.n_values = rg_model_n_values(lm->m);
    lm->n_embd = c->n_embd;
    lm->n_vocab = c->n_vocab;
    lm->ld = RG_ROUND_UP(c->n_vocab, (size_t)RG_PANEL_ROWS);
    pthread_mutex_init(&lm->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&lm->work, &monotonic);
    pthread_condattr_destroy(&monotonic);
    const rg_status s = start(lm, e);
    if (s != RG_OK) {
        local_close(&lm->port);
        return s;
    }
    *out = &lm->port;
    return RG_OK;
}
