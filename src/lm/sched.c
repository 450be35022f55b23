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

static void add_span(rg_lm *lm, rg_state *st, const int32_t *id, size_t n, size_t want, job *j,
                     rg_lm_node *node)
{
    lm->span[lm->n_span] = (rg_span_in){ st, id, n, want };
    lm->target[lm->n_span] = (target){ j, node, n };
    lm->n_span++;
}

/* Pages that a state takes come out of what was reserved for it. */
static rg_status grow(rg_lm *lm, size_t *reserve, rg_state *st, size_t n, rg_err *e)
{
    const size_t before = rg_store_pages_used(lm->store);
    const rg_status s = rg_state_extend(st, n, e);
    const size_t took = RG_MIN(rg_store_pages_used(lm->store) - before, *reserve);
    *reserve -= took;
    lm->reserved -= took;
    return s;
}

static void plan_decode(rg_lm *lm, job *j)
{
    rg_err e = RG_ERR_INIT;
    const rg_status s = grow(lm, &j->reserved, j->state, 1, &e);
    if (s != RG_OK)
        rg__job_fail(j, s, &e);
    else
        add_span(lm, j->state, &j->id[j->n - 1], 1, 1, j, NULL);
}

/* The node's state: forked from its parent's, which is computed. */
static rg_state *node_state(rg_lm_node *node)
{
    if (node->state != NULL)
        return node->state;
    rg_lm_node *p = node->parent;
    while (p != NULL && p->state == NULL)
        p = p->parent;
    node->state = p != NULL ? rg_state_fork(p->state) : rg_state_root(node->lm->store);
    return node->state;
}

static size_t plan_prefill(rg_lm *lm, job *j, rg_lm_node *node, size_t left)
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

/* A scoring job feeds all but its last token; hidden rows from first-1 on are wanted. */
static size_t plan_score(rg_lm *lm, job *j, size_t left)
{
    rg_score *sc = j->score;
    const size_t n = RG_MIN(RG_MIN(left, sc->n - 1 - j->done), (size_t)LOGIT_ROWS * 8);
    const size_t end = j->done + n; /* tokens [done, end) predict (done, end] */
    const size_t first = RG_MAX(sc->first, (size_t)1);
    rg_err e = RG_ERR_INIT;
    const rg_status s = grow(lm, &j->reserved, j->state, n, &e);
    if (s != RG_OK) {
        rg__job_fail(j, s, &e);
        return 0;
    }
    add_span(lm, j->state, sc->id + j->done, n, end >= first ? RG_MIN(n, end - first + 1) : 0, j, NULL);
    return n;
}

/* Moves a job whose node is complete on to its own work. */
static void begin_own(rg_lm *lm, job *j)
{
    rg_lm_node *from = j->from;
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

static void plan(rg_lm *lm)
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
            rg_lm_node *node = rg__node_pending(j->from);
            if (!node->in_step)
                left -= plan_prefill(lm, j, node, left);
        } else if (j->phase == PH_SCORE && j->done + 1 < j->score->n) {
            left -= plan_score(lm, j, left);
        }
    }
}

/* ---- after the forward ---- */

static void store_node(rg_lm *lm, rg_lm_node *node, size_t n, const float *hidden)
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

/* Logits of a scoring job's rows, LOGIT_ROWS at a time.  rows: (n, n_embd) ld apart, and they
 * predict tokens first.. of the job. */
typedef struct score_job {
    rg_lm *lm;
    job *j;
    size_t first;
} score_job;

static void score_rows(void *arg, size_t begin, size_t end, size_t thread)
{
    const score_job *s = arg;
    for (size_t i = begin; i < end; i++)
        rg__job_score(s->j, s->first + i, s->lm->logits + i * s->lm->ld, &s->lm->scratch[thread]);
}

static void score_some(rg_lm *lm, job *j, const float *const *row, size_t n, size_t first)
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
    score_job s = { lm, j, first };
    /* a callback sees tokens in order, on this thread */
    rg_parallel(lm->pool, n, j->score->on_logits != NULL ? n : 1, score_rows, &s);
}

static void score_span(rg_lm *lm, job *j, const float *rows, size_t ld, size_t n, size_t first)
{
    const float *row[LOGIT_ROWS];
    for (size_t done = 0; done < n && j->status == RG_OK;) {
        const size_t some = RG_MIN(n - done, (size_t)LOGIT_ROWS);
        for (size_t i = 0; i < some; i++)
            row[i] = rows + (done + i) * ld;
        score_some(lm, j, row, some, first + done);
        done += some;
    }
}

/* Hidden rows live in the step arena, which the logits reuse: scoring rows are copied. */
static void take_hidden(rg_lm *lm, rg_tensor hidden, float *copy)
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

static void finish_score(rg_lm *lm, job *j)
{
    if (j->done + 1 < j->score->n || j->status != RG_OK)
        return;
    const rg_lm_node *from = j->from;
    if (j->score->first == 0 && from->hidden != NULL && from->len > 0) {
        const float *row = from->hidden;
        score_some(lm, j, &row, 1, 0);
    } else if (j->score->first == 0 && j->score->logp != NULL) {
        j->score->logp[0] = __builtin_nanf("");
    }
    j->score->flops = rg_model_flops(lm->m, from->len, j->score->n - 1, j->score->n - j->score->first);
    j->flops = j->score->flops;
    j->phase = PH_DONE;
}

static void run_scores(rg_lm *lm, const float *copy)
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
static size_t distinct_rows(rg_lm *lm, size_t begin, size_t *n_rows)
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
    rg_lm *lm = arg;
    for (size_t i = begin; i < end; i++)
        if (!lm->bad[lm->row_of[i]])
            rg__job_sample(lm->ready[i], lm->logits + lm->row_of[i] * lm->ld, &lm->scratch[thread]);
}

typedef struct sample_range {
    rg_lm *lm;
    size_t begin;
} sample_range;

static void sample_shifted(void *arg, size_t begin, size_t end, size_t thread)
{
    const sample_range *r = arg;
    sample_jobs(r->lm, r->begin + begin, r->begin + end, thread);
}

/* Siblings of one call follow each other: one event a call and step. */
static void tell_tokens(const rg_lm *lm)
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

static void sample(rg_lm *lm)
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

static void count_step(rg_lm *lm, size_t decode, size_t rows, int64_t ns)
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

static void fail_step(rg_lm *lm, rg_status s, const rg_err *e)
{
    for (job *j = lm->active; j != NULL; j = j->next)
        rg__job_fail(j, s, e);
    for (size_t i = 0; i < lm->n_span; i++)
        if (lm->target[i].node != NULL) {
            rg_lm_node *node = lm->target[i].node;
            node->in_step = false;
            rg_state_truncate(node->state, node->computed);
        }
}

static void step(rg_lm *lm)
{
    const int64_t t0 = rg_now_ns();
    size_t rows = 0, decode = 0, scored = 0;
    for (size_t i = 0; i < lm->n_span; i++) {
        rows += lm->span[i].n;
        decode += lm->target[i].job != NULL && lm->target[i].job->phase == PH_STEP;
        scored += lm->target[i].job != NULL && lm->target[i].job->phase == PH_SCORE ? lm->span[i].want : 0;
    }
    pthread_mutex_unlock(&lm->lock);
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
    rg_free(copy);
    count_step(lm, decode, rows, rg_now_ns() - t0);
}

void *rg__sched_main(void *arg)
{
    rg_lm *lm = arg;
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
