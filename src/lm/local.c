/* local.c - the port over our own engine: open, close, and the two calls. */
#include <assert.h>
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

static rg_status alloc_tables(rg_lm *lm, rg_err *e)
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

static rg_status start(rg_lm *lm, rg_err *e)
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

rg_status rg_lm_open_local(rg_lm **out, const rg_bundle *b, const rg_kernels *k, rg_pool *pool,
                           const rg_lm_opt *o, rg_err *e)
{
    *out = NULL;
    if (rg_bundle_model(b) == NULL)
        RG_FAIL(e, RG_EARG, "%s holds a vocabulary only, no model", rg_bundle_path(b));
    rg_lm *lm = rg_calloc(1, sizeof *lm);
    if (lm == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for the scheduler");
    lm->b = b;
    lm->m = rg_bundle_model(b);
    lm->tok = rg_bundle_tokenizer(b);
    lm->k = k;
    lm->pool = pool;
    if (o != NULL)
        lm->opt = *o;
    const rg_model_config *c = rg_model_get_config(lm->m);
    fill_in(&lm->opt, c);
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
        rg_lm_close(lm);
        return s;
    }
    *out = lm;
    return RG_OK;
}

void rg_lm_close(rg_lm *lm)
{
    if (lm == NULL)
        return;
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

const rg_bundle *rg_lm_bundle(const rg_lm *lm)
{
    return lm->b;
}

size_t rg_lm_ctx(const rg_lm *lm)
{
    return lm->opt.ctx;
}

double rg_lm_flops(const rg_lm *lm, size_t past, size_t n, size_t k)
{
    return rg_model_flops(lm->m, past, n, k);
}

void rg_lm_get_stats(const rg_lm *lm, rg_lm_stats *out)
{
    rg_lm *l = (rg_lm *)(uintptr_t)lm; /* the lock is not part of the value */
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

/* ---- calls ---- */

static rg_status group_new(group *g, rg_lm *lm, size_t n, const rg_call *call, rg_err *e)
{
    memset(g, 0, sizeof *g);
    g->lm = lm;
    g->call = call;
    g->n = n;
    g->jobs = rg_calloc(n, sizeof *g->jobs);
    if (g->jobs == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu branches", n);
    pthread_cond_init(&g->cond, NULL);
    for (size_t i = 0; i < n; i++) {
        g->jobs[i].group = g;
        g->jobs[i].index = i;
    }
    return RG_OK;
}

static void group_free(group *g)
{
    pthread_cond_destroy(&g->cond);
    rg_free(g->jobs);
}

/* Lock held. */
static void enqueue(rg_lm *lm, group *g)
{
    for (size_t i = 0; i < g->n; i++) {
        job *j = &g->jobs[i];
        j->from->refs++;
        if (lm->queue_tail == NULL)
            lm->queue_head = j;
        else
            lm->queue_tail->next = j;
        lm->queue_tail = j;
    }
    pthread_cond_signal(&lm->work);
}

/* The finished branch as a node: what it generated, with the state that goes with it. */
static rg_lm_node *job_node(job *j)
{
    rg_lm_node *node = rg__node_new(j->group->lm, j->from, j->id, j->n);
    if (node == NULL)
        return NULL;
    node->state = j->state; /* holds all but the last token */
    node->computed = node->len - 1;
    j->state = NULL;
    return node;
}

static void fill_out(rg_gen_out *out, job *j, rg_lm_node *node, bool cancelled)
{
    *out = (rg_gen_out){ .node = node,
                         .id = j->id,
                         .logp = j->logp,
                         .n = j->n,
                         .text = rg_buf_view(&j->text),
                         .finish = cancelled ? RG_F_CANCELLED : j->finish,
                         .top = j->top,
                         .named = j->named,
                         .flops = j->flops };
    if (out->text.p == NULL)
        out->text.p = "";
    out->stop_at = j->stopped ? j->stop_at : out->text.n;
    for (size_t i = 0; i < j->n; i++)
        out->logp_sum += (double)j->logp[i];
}

static void pay(const rg_call *call, const group *g, size_t prompt, size_t gen, double flops)
{
    if (call == NULL || call->ledger == NULL)
        return;
    const rg_cost c = { .prompt_tokens = prompt,
                        .prompt_computed = g->prefilled,
                        .prompt_cached = prompt > g->prefilled ? prompt - g->prefilled : 0,
                        .gen_tokens = gen,
                        .calls = 1,
                        .flops = flops + g->prefill_flops };
    rg_cost_add(&call->ledger->role[call->role], &c);
}

static rg_status collect(rg_lm *lm, group *g, rg_on_gen on, void *arg, rg_err *e)
{
    rg_status s = RG_OK;
    size_t prompt = 0, gen = 0;
    double flops = 0;
    pthread_mutex_lock(&lm->lock);
    for (size_t i = 0; i < g->n; i++) {
        job *j = &g->jobs[i];
        while (!j->filed)
            pthread_cond_wait(&g->cond, &lm->lock);
        const bool cancel = g->enough || j->finish == RG_F_CANCELLED;
        rg_lm_node *node = cancel || j->status != RG_OK ? NULL : job_node(j);
        if (!cancel && node == NULL)
            rg__job_fail(j, RG_ENOMEM, NULL);
        prompt += j->from->len;
        gen += j->n;
        flops += j->flops;
        if (j->status != RG_OK && s == RG_OK) {
            s = rg_err_set(e, j->status, __FILE__, __LINE__, "%s",
                           j->err.code != RG_OK ? j->err.msg : "a branch ran out of memory");
            g->enough = true;
        }
        rg_gen_out out;
        fill_out(&out, j, node, cancel);
        pthread_mutex_unlock(&lm->lock);
        const rg_go go = s == RG_OK && on != NULL ? on(arg, i, &out) : RG_GO_ON;
        pthread_mutex_lock(&lm->lock);
        if (on == NULL || s != RG_OK)
            rg__node_release(node);
        g->enough |= go == RG_ENOUGH;
        rg__job_free(j);
    }
    pthread_mutex_unlock(&lm->lock);
    pay(g->call, g, prompt, gen, flops);
    return s;
}

static rg_status check_ids(const rg_lm *lm, const int32_t *id, size_t n, rg_err *e)
{
    for (size_t i = 0; i < n; i++)
        if (id[i] < 0 || (size_t)id[i] >= lm->n_vocab)
            RG_FAIL(e, RG_EARG, "token id %d is outside the vocabulary of %zu", id[i], lm->n_vocab);
    return RG_OK;
}

static rg_status check_gen(const rg_lm *lm, const rg_gen *g, rg_err *e)
{
    if (g->max_tokens == 0)
        RG_FAIL(e, RG_EARG, "nothing to generate: max_tokens is 0");
    if (g->from->len >= lm->opt.ctx)
        RG_FAIL(e, RG_ELIMIT,
                "a prompt of %zu tokens leaves no room in a context of %zu: shorten it or raise -c",
                g->from->len, lm->opt.ctx);
    for (size_t i = 0; i < g->sampling->n_bias; i++)
        RG_TRY(check_ids(lm, &g->sampling->bias[i].id, 1, e));
    return check_ids(lm, g->named, g->n_named, e);
}

rg_status rg_lm_generate(rg_lm *lm, const rg_gen *jobs, size_t n, rg_on_gen on, void *arg,
                         const rg_call *call, rg_err *e)
{
    if (n == 0)
        return RG_OK;
    for (size_t i = 0; i < n; i++)
        RG_TRY(check_gen(lm, &jobs[i], e));
    group g;
    RG_TRY(group_new(&g, lm, n, call, e));
    pthread_mutex_lock(&lm->lock);
    for (size_t i = 0; i < n; i++) {
        g.jobs[i].gen = &jobs[i];
        g.jobs[i].from = jobs[i].from;
    }
    enqueue(lm, &g);
    pthread_mutex_unlock(&lm->lock);
    rg_status s = collect(lm, &g, on, arg, e);
    if (s == RG_OK)
        s = rg_call_check(call, e);
    group_free(&g);
    return s;
}

static rg_status check_score(const rg_lm *lm, const rg_score *sc, rg_err *e)
{
    if (sc->n == 0 || sc->first >= sc->n)
        RG_FAIL(e, RG_EARG, "nothing to score: %zu tokens, the first scored is number %zu", sc->n, sc->first);
    if (sc->from->len + sc->n > lm->opt.ctx)
        RG_FAIL(e, RG_ELIMIT, "%zu tokens do not fit a context of %zu", sc->from->len + sc->n, lm->opt.ctx);
    RG_TRY(check_ids(lm, sc->id, sc->n, e));
    return check_ids(lm, sc->named, sc->n_named, e);
}

rg_status rg_lm_score(rg_lm *lm, rg_score *jobs, size_t n, const rg_call *call, rg_err *e)
{
    if (n == 0)
        return RG_OK;
    for (size_t i = 0; i < n; i++)
        RG_TRY(check_score(lm, &jobs[i], e));
    group g;
    RG_TRY(group_new(&g, lm, n, call, e));
    size_t scored = 0;
    pthread_mutex_lock(&lm->lock);
    for (size_t i = 0; i < n; i++) {
        g.jobs[i].score = &jobs[i];
        g.jobs[i].from = jobs[i].from;
        scored += jobs[i].n;
    }
    enqueue(lm, &g);
    rg_status s = RG_OK;
    double flops = 0;
    for (size_t i = 0; i < n; i++) {
        job *j = &g.jobs[i];
        while (!j->filed)
            pthread_cond_wait(&g.cond, &lm->lock);
        if (j->status != RG_OK && s == RG_OK)
            s = rg_err_set(e, j->status, __FILE__, __LINE__, "%s",
                           j->err.code != RG_OK ? j->err.msg : "scoring ran out of memory");
        flops += j->flops;
        rg__job_free(j);
    }
    pthread_mutex_unlock(&lm->lock);
    g.prefilled += scored;
    pay(call, &g, scored, 0, flops);
    group_free(&g);
    return s == RG_OK ? rg_call_check(call, e) : s;
}
