/* calls.c - the port's two calls over our own engine: jobs go to the scheduler's queue, results come
 * back in order. */
#include <string.h>

#include "rung/base/mem.h"

#include "lm_int.h"

static rg_status group_new(group *g, local_lm *lm, size_t n, const rg_call *call, rg_err *e)
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
static void enqueue(local_lm *lm, group *g)
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
static local_node *job_node(job *j)
{
    local_node *node = rg__node_new(j->group->lm, j->from, j->id, j->n);
    if (node == NULL)
        return NULL;
    node->state = j->state; /* holds all but the last token */
    node->computed = node->len - 1;
    j->state = NULL;
    return node;
}

static void fill_out(rg_gen_out *out, job *j, local_node *node, bool cancelled)
{
    *out = (rg_gen_out){ .node = node == NULL ? NULL : &node->port,
                         .id = j->id,
                         .logp = j->logp,
                         .n = j->n,
                         .text = rg_buf_view(&j->text),
                         .finish = cancelled ? RG_F_CANCELLED : j->finish,
                         .top = j->top,
                         .named = j->named,
                         .word = j->gen->words == NULL ? NULL : j->word,
                         .doubt = j->gen->uncertainty ? j->doubt : NULL,
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

static rg_status collect(local_lm *lm, group *g, rg_on_gen on, void *arg, rg_err *e)
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
        local_node *node = cancel || j->status != RG_OK ? NULL : job_node(j);
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

static rg_status check_ids(const local_lm *lm, const int32_t *id, size_t n, rg_err *e)
{
    for (size_t i = 0; i < n; i++)
        if (id[i] < 0 || (size_t)id[i] >= lm->n_vocab)
            RG_FAIL(e, RG_EARG, "token id %d is outside the vocabulary of %zu", id[i], lm->n_vocab);
    return RG_OK;
}

static rg_status check_gen(const local_lm *lm, const rg_gen *g, rg_err *e)
{
    if (g->doubt_window > 0 && !g->uncertainty)
        RG_FAIL(e, RG_EARG, "a bound on confidence needs the uncertainty of each token");
    if (g->max_tokens == 0)
        RG_FAIL(e, RG_EARG, "nothing to generate: max_tokens is 0");
    if (own_node(g->from)->len >= lm->opt.ctx)
        RG_FAIL(e, RG_ELIMIT,
                "a prompt of %zu tokens leaves no room in a context of %zu: shorten it or raise -c",
                own_node(g->from)->len, lm->opt.ctx);
    for (size_t i = 0; i < g->sampling->n_bias; i++)
        RG_TRY(check_ids(lm, &g->sampling->bias[i].id, 1, e));
    return check_ids(lm, g->named, g->n_named, e);
}

rg_status rg__local_generate(rg_lm *port, const rg_gen *jobs, size_t n, rg_on_gen on, void *arg,
                             const rg_call *call, rg_err *e)
{
    local_lm *lm = local_of(port);
    for (size_t i = 0; i < n; i++)
        RG_TRY(check_gen(lm, &jobs[i], e));
    group g;
    RG_TRY(group_new(&g, lm, n, call, e));
    pthread_mutex_lock(&lm->lock);
    for (size_t i = 0; i < n; i++) {
        g.jobs[i].gen = &jobs[i];
        g.jobs[i].from = own_node(jobs[i].from);
    }
    enqueue(lm, &g);
    pthread_mutex_unlock(&lm->lock);
    rg_status s = collect(lm, &g, on, arg, e);
    if (s == RG_OK)
        s = rg_call_check(call, e);
    group_free(&g);
    return s;
}

static rg_status check_score(const local_lm *lm, const rg_score *sc, rg_err *e)
{
    const size_t len = own_node(sc->from)->len;
    if (sc->n == 0 || sc->first > sc->n || (sc->first == sc->n && sc->n_at == 0 && !sc->keep))
        RG_FAIL(e, RG_EARG, "nothing to score: %zu tokens, the first scored is number %zu", sc->n, sc->first);
    for (size_t i = 0; i < sc->n_at; i++)
        if (sc->at[i] >= sc->n || (i > 0 && sc->at[i] <= sc->at[i - 1]))
            RG_FAIL(e, RG_EARG, "read position %zu is token %zu of %zu: positions rise and lie inside", i,
                    sc->at[i], sc->n);
    if (sc->at_value != NULL && lm->port.n_values == 0)
        RG_FAIL(e, RG_EARG, "%s has no value head", lm->port.name);
    if (len + sc->n > lm->opt.ctx)
        RG_FAIL(e, RG_ELIMIT, "%zu tokens do not fit a context of %zu", len + sc->n, lm->opt.ctx);
    RG_TRY(check_ids(lm, sc->id, sc->n, e));
    return check_ids(lm, sc->named, sc->n_named, e);
}

/* Lock held: what a job read, as a node that can be gone on from. */
static rg_status keep_node(job *j, rg_err *e)
{
    local_node *node = rg__node_new(j->group->lm, j->from, j->score->id, j->score->n);
    if (node == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu tokens", j->score->n);
    node->state = j->state;
    node->hidden = j->hidden;
    node->computed = node->len;
    j->state = NULL;
    j->hidden = NULL;
    j->score->node = &node->port;
    return RG_OK;
}

/* Lock held. */
static rg_status collect_scores(local_lm *lm, group *g, size_t *prompt, double *flops, rg_err *e)
{
    rg_status s = RG_OK;
    for (size_t i = 0; i < g->n; i++) {
        job *j = &g->jobs[i];
        while (!j->filed)
            pthread_cond_wait(&g->cond, &lm->lock);
        if (j->status != RG_OK && s == RG_OK)
            s = rg_err_set(e, j->status, __FILE__, __LINE__, "%s",
                           j->err.code != RG_OK ? j->err.msg : "scoring ran out of memory");
        if (s == RG_OK && j->score->keep && j->finish != RG_F_CANCELLED)
            s = keep_node(j, e);
        *prompt += j->from->len + j->score->n;
        *flops += j->flops;
        j->score->flops = j->flops;
        g->prefilled += j->done;
        rg__job_free(j);
    }
    return s;
}

rg_status rg__local_score(rg_lm *port, rg_score *jobs, size_t n, const rg_call *call, rg_err *e)
{
    local_lm *lm = local_of(port);
    for (size_t i = 0; i < n; i++) {
        jobs[i].node = NULL;
        RG_TRY(check_score(lm, &jobs[i], e));
    }
    group g;
    RG_TRY(group_new(&g, lm, n, call, e));
    size_t prompt = 0;
    double flops = 0;
    pthread_mutex_lock(&lm->lock);
    for (size_t i = 0; i < n; i++) {
        g.jobs[i].score = &jobs[i];
        g.jobs[i].from = own_node(jobs[i].from);
    }
    enqueue(lm, &g);
    rg_status s = collect_scores(lm, &g, &prompt, &flops, e);
    pthread_mutex_unlock(&lm->lock);
    pay(call, &g, prompt, 0, flops);
    group_free(&g);
    if (s == RG_OK)
        s = rg_call_check(call, e);
    for (size_t i = 0; i < n && s != RG_OK; i++) {
        rg_lm_release(jobs[i].node);
        jobs[i].node = NULL;
    }
    return s;
}
