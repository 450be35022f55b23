/* sched.c - the scheduler: one step after another, each a batch of whatever can go on.
 *
 *   admit    queued jobs, while slots and pages last (admit.c)
 *   plan     one row per decoding branch; the rest of the step for prompts, oldest first
 *   run      forward; hidden rows go to the jobs and nodes they belong to
 *   sample   every branch that has a hidden row: logits once per distinct row, then draws
 *   file     ends, failures, wake-ups
 *
 * A node that several jobs wait for is computed once.  Siblings that start from one node share
 * its hidden row, so its logits are computed once too. */
#include <assert.h>
#include <string.h>

#include "rung/base/mem.h"

#include "lm_int.h"

/* ---- planning ---- */

static void add_span(local_lm *lm, rg_state *st, const int32_t *id, size_t n, size_t want, job *j,
                     local_node *node)
{
    lm->span[lm->n_span] = (rg_span_in){ st, id, n, want };
    lm->target[lm->n_span] = (target){ j, node, n };
    lm->n_span++;
}

/* Pages that a state takes come out of what was reserved for it. */
static rg_status grow(local_lm *lm, size_t *reserve, rg_state *st, size_t n, rg_err *e)
{
    const size_t before = rg_store_pages_used(lm->store);
    const rg_status s = rg_state_extend(st, n, e);
    const size_t took = RG_MIN(rg_store_pages_used(lm->store) - before, *reserve);
    *reserve -= took;
    lm->reserved -= took;
    return s;
}

static void plan_decode(local_lm *lm, job *j)
{
    rg_err e = RG_ERR_INIT;
    const rg_status s = grow(lm, &j->reserved, j->state, 1, &e);
    if (s != RG_OK)
        rg__job_fail(j, s, &e);
    else
        add_span(lm, j->state, &j->id[j->n - 1], 1, 1, j, NULL);
}

/* The node's state: forked from its parent's, which is computed. */
static rg_state *node_state(local_node *node)
{
    if (node->state != NULL)
        return node->state;
    local_node *p = node->parent;
    while (p != NULL && p->state == NULL)
        p = p->parent;
    node->state = p != NULL ? rg_state_fork(p->state) : rg_state_root(node->lm->store);
    return node->state;
}

static size_t plan_prefill(local_lm *lm, job *j, local_node *node, size_t left)
{
    rg_err e = RG_ERR_INIT;
    const size_t own_done = node->n - (node->len - node->computed);
    const size_t n = RG_MIN(left, node->n - own_done);
    rg_state *st = node_state(node);
    rg_status s = RG_OK;
    if (node->hidden == NULL) /* before the tokens run: a computed node always has it */
        node->hidden = rg_alloc(lm->n_embd, sizeof *node->hidden);
    if (st == NULL || node->hidden == NULL)
        s = rg_err_set(&e, RG_ENOMEM, __FILE__, __LINE__, "no memory for a state");
    if (s == RG_OK)
        s = grow(lm, &node->reserved, st, n, &e);
    if (s != RG_OK) {
        rg__job_fail(j, s, &e);
        return 0;
    }
    node->in_step = true;
    j->group->prefilled += n;
    j->group->prefill_flops += rg_model_flops(lm->m, node->computed, n, 0);
    add_span(lm, st, node->id + own_done, n, node->computed + n == node->len ? 1 : 0, NULL, node);
    return n;
}

/* Is the row behind token i - 1 of a scoring job wanted? */
static bool wants_row(const rg_score *sc, size_t i)
{
    size_t k;
    return rg__score_wants_logits(sc, i) || (sc->keep && i == sc->n) ||
           (sc->at_value != NULL && rg__score_wants_value(sc, i, &k));
}

/* Hidden rows come as the last ones of a span: from the first that is wanted on. */
static size_t plan_score(local_lm *lm, job *j, size_t left)
{
    rg_score *sc = j->score;
    const size_t n = RG_MIN(RG_MIN(left, rg__score_feed(sc) - j->done), (size_t)LOGIT_ROWS * 8);
    const size_t end = j->done + n; /* rows behind tokens done .. end - 1 predict done + 1 .. end */
    size_t first = j->done + 1;
    while (first <= end && !wants_row(sc, first))
        first++;
    rg_err e = RG_ERR_INIT;
    const rg_status s = grow(lm, &j->reserved, j->state, n, &e);
    if (s != RG_OK) {
        rg__job_fail(j, s, &e);
        return 0;
    }
    add_span(lm, j->state, sc->id + j->done, n, end + 1 - first, j, NULL);
    return n;
}

/* Moves a job whose node is complete on to its own work. */
static void begin_own(local_lm *lm, job *j)
{
    local_node *from = j->from;
    rg_err e = RG_ERR_INIT;
    if (from->len == 0 && j->gen != NULL) {
        rg__job_fail(
            j,
            rg_err_set(&e, RG_EARG, __FILE__, __LINE__, "an empty prompt: there is no token to go on from"),
            &e);
        return;
    }
    assert(from->len == 0 || from->hidden != NULL);
    while (from != NULL && from->state == NULL)
        from = from->parent;
    j->state = from != NULL ? rg_state_fork(from->state) : rg_state_root(lm->store);
    if (j->state == NULL)
        rg__job_fail(j, rg_err_set(&e, RG_ENOMEM, __FILE__, __LINE__, "no memory for a branch"), &e);
    else
        j->phase = j->gen != NULL ? PH_SAMPLE : PH_SCORE;
}

static void plan(local_lm *lm)
{
    size_t left = lm->opt.max_rows;
    lm->n_span = 0;
    for (job *j = lm->active; j != NULL; j = j->next) {
        if (j->phase == PH_WAIT && rg__node_pending(j->from) == NULL)
            begin_own(lm, j);
        if (j->phase == PH_STEP && j->status == RG_OK && left > 0) {
            plan_decode(lm, j);
            left--;
        }
    }
    for (job *j = lm->active; j != NULL && left > 0; j = j->next) {
        if (j->status != RG_OK)
            continue;
        if (j->phase == PH_WAIT) {
            local_node *node = rg__node_pending(j->from);
            if (!node->in_step)
                left -= plan_prefill(lm, j, node, left);
        } else if (j->phase == PH_SCORE && j->done < rg__score_feed(j->score)) {
            left -= plan_score(lm, j, left);
        }
    }
}

/* ---- after the forward ---- */

static void store_node(local_lm *lm, local_node *node, size_t n, const float *hidden)
{
    node->in_step = false;
    node->computed += n;
    if (node->computed < node->len)
        return;
    memcpy(node->hidden, hidden, lm->n_embd * sizeof *hidden);
    rg__node_unreserve(node);
}

static rg_status not_finite(rg_err *e)
{
    RG_FAIL(e, RG_EFORMAT,
            "the model gave logits that are not finite: its weights are damaged "
            "(rung model check --check-tensors finds where)");
}

/* Logits of a scoring job's rows, LOGIT_ROWS at a time; index[i] is the token that row i predicts. */
typedef struct score_job {
    local_lm *lm;
    job *j;
    const size_t *index;
} score_job;

static void score_rows(void *arg, size_t begin, size_t end, size_t thread)
{
    const score_job *s = arg;
    for (size_t i = begin; i < end; i++)
        rg__job_score(s->j, s->index[i], s->lm->logits + i * s->lm->ld, &s->lm->scratch[thread]);
}

static void score_some(local_lm *lm, job *j, const float *const *row, const size_t *index, size_t n)
{
    rg_err e = RG_ERR_INIT;
    rg_status st = rg_runner_logits(lm->runner, row, n, lm->logits, lm->ld, lm->bad, &e);
    for (size_t i = 0; i < n && st == RG_OK; i++)
        if (lm->bad[i])
            st = not_finite(&e);
    if (st != RG_OK) {
        rg__job_fail(j, st, &e);
        return;
    }
    score_job s = { lm, j, index };
    j->n_logits += n;
    /* a callback sees tokens in order, on this thread */
    rg_parallel(lm->pool, n, j->score->on_logits != NULL ? n : 1, score_rows, &s);
}

/* rows: n of them, ld apart; they predict tokens first.. of the job. */
static void score_span(local_lm *lm, job *j, const float *rows, size_t ld, size_t n, size_t first)
{
    const float *row[LOGIT_ROWS];
    size_t index[LOGIT_ROWS], some = 0, k;
    const rg_score *sc = j->score;
    for (size_t i = 0; i < n && j->status == RG_OK; i++) {
        const float *h = rows + i * ld;
        if (sc->keep && first + i == sc->n)
            memcpy(j->hidden, h, lm->n_embd * sizeof *h);
        if (sc->at_value != NULL && rg__score_wants_value(sc, first + i, &k))
            rg_model_values(lm->m, h, sc->at_value + k * lm->port.n_values);
        if (rg__score_wants_logits(sc, first + i)) {
            row[some] = h;
            index[some++] = first + i;
        }
        if (some == LOGIT_ROWS || (some > 0 && i + 1 == n)) {
            score_some(lm, j, row, index, some);
            some = 0;
        }
    }
}

/* Hidden rows live in the step arena, which the logits reuse: scoring rows are copied. */
static void take_hidden(local_lm *lm, rg_tensor hidden, float *copy)
{
    const float *at = hidden.x;
    float *to = copy;
    for (size_t i = 0; i < lm->n_span; i++) {
        target *t = &lm->target[i];
        const size_t want = lm->span[i].want;
        if (t->node != NULL)
            store_node(lm, t->node, t->n, at);
        else if (t->job->phase == PH_STEP) {
            memcpy(t->job->hidden, at, lm->n_embd * sizeof *at);
            t->job->phase = PH_SAMPLE;
        } else if (want > 0) {
            for (size_t r = 0; r < want; r++)
                memcpy(to + r * lm->n_embd, at + r * hidden.ld, lm->n_embd * sizeof *at);
            to += want * lm->n_embd;
        }
        at += want * hidden.ld;
    }
}

static void finish_score(local_lm *lm, job *j)
{
    if (j->done < rg__score_feed(j->score) || j->status != RG_OK)
        return;
    const local_node *from = j->from;
    if (j->score->first == 0 && from->hidden != NULL && from->len > 0) {
        const float *row = from->hidden;
        score_some(lm, j, &row, &(size_t){ 0 }, 1);
    } else if (j->score->first == 0 && j->score->logp != NULL) {
        j->score->logp[0] = __builtin_nanf("");
    }
    j->phase = PH_DONE;
}

static void run_scores(local_lm *lm, const float *copy)
{
    for (size_t i = 0; i < lm->n_span; i++) {
        job *j = lm->target[i].job;
        if (j == NULL || j->phase != PH_SCORE)
            continue;
        const size_t n = lm->span[i].n, want = lm->span[i].want;
        j->done += n;
        if (want == 0)
            continue;
        score_span(lm, j, copy, lm->n_embd, want, j->done - want + 1);
        copy += want * lm->n_embd;
    }
    for (job *j = lm->active; j != NULL; j = j->next)
        if (j->phase == PH_SCORE)
            finish_score(lm, j);
}

/* ---- sampling ---- */

static const float *hidden_of(const job *j)
{
    return j->n == 0 ? j->from->hidden : j->hidden;
}

/* Up to LOGIT_ROWS distinct rows; returns the first ready job that had no place. */
static size_t distinct_rows(local_lm *lm, size_t begin, size_t *n_rows)
{
    size_t n = 0, i = begin;
    for (; i < lm->n_ready; i++) {
        const float *h = hidden_of(lm->ready[i]);
        if (n > 0 && lm->row[n - 1] == h) { /* siblings follow each other */
            lm->row_of[i] = n - 1;
            continue;
        }
        if (n == LOGIT_ROWS)
            break;
        lm->row[n] = h;
        lm->row_of[i] = n++;
    }
    *n_rows = n;
    return i;
}

static void sample_jobs(void *arg, size_t begin, size_t end, size_t thread)
{
    local_lm *lm = arg;
    for (size_t i = begin; i < end; i++)
        if (!lm->bad[lm->row_of[i]])
            rg__job_sample(lm->ready[i], lm->logits + lm->row_of[i] * lm->ld, &lm->scratch[thread]);
}

typedef struct sample_range {
    local_lm *lm;
    size_t begin;
} sample_range;

static void sample_shifted(void *arg, size_t begin, size_t end, size_t thread)
{
    const sample_range *r = arg;
    sample_jobs(r->lm, r->begin + begin, r->begin + end, thread);
}

/* Siblings of one call follow each other: one event a call and step. */
static void tell_tokens(const local_lm *lm)
{
    for (size_t i = 0; i < lm->n_ready;) {
        const group *g = lm->ready[i]->group;
        size_t n = 1;
        while (i + n < lm->n_ready && lm->ready[i + n]->group == g)
            n++;
        const rg_event ev = { .kind = RG_EV_TOKENS, .room = "lm", .value = (double)n };
        rg_call_emit(g->call, &ev);
        i += n;
    }
}

static void sample(local_lm *lm)
{
    lm->n_ready = 0;
    for (job *j = lm->active; j != NULL; j = j->next)
        if (j->phase == PH_SAMPLE && j->status == RG_OK)
            lm->ready[lm->n_ready++] = j;
    for (size_t begin = 0; begin < lm->n_ready;) {
        size_t n_rows;
        rg_err e = RG_ERR_INIT;
        const size_t end = distinct_rows(lm, begin, &n_rows);
        const rg_status s = rg_runner_logits(lm->runner, lm->row, n_rows, lm->logits, lm->ld, lm->bad, &e);
        sample_range r = { lm, begin };
        if (s == RG_OK)
            rg_parallel(lm->pool, end - begin, 1, sample_shifted, &r);
        for (size_t i = begin; i < end; i++) {
            rg_err bad = e;
            if (s != RG_OK)
                rg__job_fail(lm->ready[i], s, &e);
            else if (lm->bad[lm->row_of[i]])
                rg__job_fail(lm->ready[i], not_finite(&bad), &bad);
        }
        begin = end;
    }
    lm->stats.sampled += lm->n_ready;
    tell_tokens(lm);
}

/* ---- the loop ---- */

static void count_step(local_lm *lm, size_t decode, size_t rows, int64_t ns)
{
    lm->stats.steps += rows > 0;
    lm->stats.rows += rows;
    lm->stats.prompt_rows += rows - decode;
    lm->stats.decode_rows += decode;
    lm->stats.decode_steps += decode > 0;
    lm->stats.busy_ns += ns;
    const int64_t dec = rows == 0 ? ns : (int64_t)((double)ns * (double)decode / (double)rows);
    lm->stats.decode_ns += dec;
    lm->stats.prompt_ns += ns - dec;
}

static void fail_step(local_lm *lm, rg_status s, const rg_err *e)
{
    for (job *j = lm->active; j != NULL; j = j->next)
        rg__job_fail(j, s, e);
    for (size_t i = 0; i < lm->n_span; i++)
        if (lm->target[i].node != NULL) {
            local_node *node = lm->target[i].node;
            node->in_step = false;
            rg_state_truncate(node->state, node->computed);
        }
}

static void step(local_lm *lm)
{
    const int64_t t0 = rg_now_ns();
    size_t rows = 0, decode = 0, scored = 0;
    for (size_t i = 0; i < lm->n_span; i++) {
        rows += lm->span[i].n;
        decode += lm->target[i].job != NULL && lm->target[i].job->phase == PH_STEP;
        scored += lm->target[i].job != NULL && lm->target[i].job->phase == PH_SCORE ? lm->span[i].want : 0;
    }
    pthread_mutex_unlock(&lm->lock);
    rg_pool_enter(lm->pool); /* another model may use the same threads */
    rg_err e = RG_ERR_INIT;
    rg_tensor hidden = { 0 };
    float *copy = scored == 0 ? NULL : rg_alloc(scored * lm->n_embd, sizeof *copy);
    rg_status s = scored > 0 && copy == NULL ? RG_ENOMEM : RG_OK;
    if (s == RG_OK && rows > 0)
        s = rg_runner_forward(lm->runner, lm->span, lm->n_span, &hidden, &e);
    if (rows > 0)
        rg_bundle_trim(lm->b); /* a row may have brought in as much as a large page of the file */
    pthread_mutex_lock(&lm->lock);
    if (s != RG_OK) {
        fail_step(lm, s, &e);
    } else {
        take_hidden(lm, hidden, copy);
        for (job *j = lm->active; j != NULL; j = j->next)
            if (j->phase == PH_WAIT && rg__node_pending(j->from) == NULL)
                begin_own(lm, j);
        pthread_mutex_unlock(&lm->lock);
        run_scores(lm, copy);
        sample(lm);
        pthread_mutex_lock(&lm->lock);
    }
    rg_pool_leave(lm->pool);
    rg_free(copy);
    count_step(lm, decode, rows, rg_now_ns() - t0);
}

void *rg__sched_main(void *arg)
{
    local_lm *lm = arg;
    pthread_mutex_lock(&lm->lock);
    while (!lm->quit) {
        rg__admit(lm);
        rg__reap(lm);
        if (lm->active == NULL) {
            rg__await_work(lm);
            continue;
        }
        plan(lm);
        step(lm);
        rg__reap(lm);
    }
    pthread_mutex_unlock(&lm->lock);
    return NULL;
}
