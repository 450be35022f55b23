/* verifying.c - a verifier as a search's scorer: nodes become paths, verdicts become scores.
 *
 * What a node's handle says is asked of the reader.  A path is judged from its nearest judged
 * ancestor on, whose state the verifier kept; paths whose ancestor waits in the same batch come in
 * a wave after it. */
#include <math.h>

#include "rung/base/mem.h"
#include "rung/base/rng.h"
#include "rung/reward/verifier.h"

typedef struct judged {
    const void *handle;
    rg_judgement *verdict; /* of its own n steps */
    size_t n;
    rg_critique *critique; /* NULL: nothing to say */
    bool kept;             /* the verifier still has its state */
} judged;

struct rg_verifying {
    rg_verifier *v;
    rg_judging *session;
    rg_str problem;
    rg_step_reader reader;
    judged *all;
    size_t n, cap;
    size_t *slot; /* open addressing over handles: index + 1; n_slots is a power of 2 */
    size_t n_slots;
    rg_ledger cost;
};

rg_status rg_verifying_open(rg_verifying **out, rg_verifier *v, rg_str problem, const rg_step_reader *reader,
                            rg_err *e)
{
    *out = NULL;
    rg_verifying *y = rg_calloc(1, sizeof *y);
    if (y == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for a verifier");
    y->v = v;
    y->problem = problem;
    y->reader = *reader;
    const rg_status s = v->open(&y->session, v, e);
    if (s != RG_OK) {
        rg_free(y);
        return s;
    }
    *out = y;
    return RG_OK;
}

static void judged_free(judged *j)
{
    rg_free(j->verdict);
    rg_free(j->critique);
}

void rg_verifying_close(rg_verifying *y)
{
    if (y == NULL)
        return;
    y->v->close(y->session);
    for (size_t i = 0; i < y->n; i++)
        judged_free(&y->all[i]);
    rg_free(y->all);
    rg_free(y->slot);
    rg_free(y);
}

/* ---- what has been judged, by handle ---- */

static size_t *slot_of(const rg_verifying *y, const void *handle)
{
    size_t at = (size_t)rg_hash64(&handle, sizeof handle, 0);
    for (;; at++) {
        size_t *slot = &y->slot[at & (y->n_slots - 1)];
        if (*slot == 0 || y->all[*slot - 1].handle == handle)
            return slot;
    }
}

static judged *find(const rg_verifying *y, const void *handle)
{
    if (y->n_slots == 0)
        return NULL;
    const size_t *slot = slot_of(y, handle);
    return *slot == 0 ? NULL : &y->all[*slot - 1];
}

static rg_status grow(rg_verifying *y, rg_err *e)
{
    const size_t cap = y->cap ? 2 * y->cap : 32;
    judged *all = rg_realloc(y->all, cap, sizeof *all);
    if (all != NULL)
        y->all = all;
    size_t *slot = rg_calloc(2 * cap, sizeof *slot);
    if (all == NULL || slot == NULL) {
        rg_free(slot);
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu verdicts", cap);
    }
    rg_free(y->slot);
    y->slot = slot;
    y->n_slots = 2 * cap;
    y->cap = cap;
    for (size_t i = 0; i < y->n; i++)
        *slot_of(y, y->all[i].handle) = i + 1;
    return RG_OK;
}

static rg_status add(rg_verifying *y, const judged *j, rg_err *e)
{
    if (y->n == y->cap)
        RG_TRY(grow(y, e));
    y->all[y->n] = *j;
    *slot_of(y, j->handle) = ++y->n;
    return RG_OK;
}

/* Names of paths: 0 is none. */
static uint64_t key_of(const rg_verifying *y, const judged *j)
{
    return (uint64_t)(j - y->all) + 1;
}

/* ---- one wave: nodes whose ancestors are all settled ---- */

typedef struct wave {
    rg_node **v; /* of the batch */
    rg_path *path;
    rg_judgement **out;
    size_t *own; /* own steps of the node: the last ones of its path */
    size_t n;
} wave;

static rg_status wave_new(wave *r, size_t n, rg_err *e)
{
    r->v = rg_calloc(n, sizeof(rg_node *));
    r->path = rg_calloc(n, sizeof *r->path);
    r->out = rg_calloc(n, sizeof(rg_judgement *));
    r->own = rg_calloc(n, sizeof *r->own);
    if (r->v == NULL || r->path == NULL || r->out == NULL || r->own == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory to judge %zu paths", n);
    return RG_OK;
}

static void wave_free(wave *r)
{
    for (size_t i = 0; i < r->n; i++) {
        rg_free((void *)(uintptr_t)r->path[i].step);
        rg_free(r->out[i]);
    }
    rg_free(r->v);
    rg_free(r->path);
    rg_free(r->out);
    rg_free(r->own);
}

/* All steps from the root to v, and where its nearest judged ancestor ends. */
static rg_status path_of(rg_path *p, size_t *own, const rg_verifying *y, const rg_node *v, rg_err *e)
{
    const rg_step_reader *r = &y->reader;
    const rg_str *step;
    size_t total = 0, n;
    const judged *from = NULL;
    for (const void *h = v->handle; h != NULL; h = r->up(r->arg, h)) {
        RG_TRY(r->steps(r->arg, h, &step, &n, e));
        if (h != v->handle && from == NULL && (from = find(y, h)) != NULL)
            p->first = total; /* counted from the end, for now */
        if (h == v->handle)
            *own = n;
        total += n;
    }
    rg_str *all = rg_alloc(RG_MAX(total, (size_t)1), sizeof *all);
    if (all == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu steps", total);
    p->step = all; /* from here on wave_free frees it */
    size_t at = total;
    for (const void *h = v->handle; h != NULL; h = r->up(r->arg, h)) {
        RG_TRY(r->steps(r->arg, h, &step, &n, e));
        at -= n;
        for (size_t i = 0; i < n; i++)
            all[at + i] = step[i];
    }
    p->problem = y->problem;
    p->n = total;
    p->first = from == NULL ? 0 : total - p->first;
    p->parent = from == NULL || !from->kept || p->first == 0 ? 0 : key_of(y, from);
    p->whole = v->terminal;
    p->stream = v->stream;
    return RG_OK;
}

static bool waits(const rg_verifying *y, const rg_node *v, rg_node *const *batch, const bool *done, size_t n)
{
    for (const void *h = y->reader.up(y->reader.arg, v->handle); h != NULL;
         h = y->reader.up(y->reader.arg, h))
        for (size_t i = 0; i < n; i++)
            if (!done[i] && batch[i]->handle == h)
                return true;
    return false;
}

static rg_status set_scores(rg_node *v, const judged *j, bool whole_only, rg_err *e)
{
    double *r = j->n < 2 ? NULL : rg_alloc(j->n, sizeof *r);
    rg_status s = RG_OK;
    if (j->n < 2 || whole_only) {
        v->score = j->n == 0 ? NAN : j->verdict[j->n - 1].r;
    } else if (r == NULL) {
        s = rg_err_set(e, RG_ENOMEM, __FILE__, __LINE__, "no memory for %zu scores", j->n);
    } else {
        for (size_t i = 0; i < j->n; i++)
            r[i] = j->verdict[i].r;
        s = rg_node_set_steps(v, r, j->n, e);
    }
    rg_free(r);
    return s;
}

/* What a reviser is told: the first step that does not pass (spec, section 13). */
static rg_status set_critique(judged *j, const rg_path *p, size_t own, rg_err *e)
{
    for (size_t i = 0; i < j->n; i++) {
        if (!(j->verdict[i].r < 0.5) || j->verdict[i].critique == NULL)
            continue;
        j->critique = rg_alloc(1, sizeof *j->critique);
        if (j->critique == NULL)
            RG_FAIL(e, RG_ENOMEM, "no memory for a critique");
        const size_t at = p->n - own + i;
        *j->critique = (rg_critique){ at, p->step[at], j->verdict[i].critique };
        return RG_OK;
    }
    return RG_OK;
}

/* Takes out[i] over. */
static rg_status settle(rg_verifying *y, wave *r, size_t i, rg_err *e)
{
    const rg_path *p = &r->path[i];
    const size_t fresh = p->n - p->first, skip = fresh - RG_MIN(r->own[i], fresh);
    judged j = { .handle = r->v[i]->handle, .n = fresh - skip, .kept = p->key != 0 };
    j.verdict = r->out[i];
    r->out[i] = NULL;
    for (size_t k = 0; k < j.n; k++) /* steps of ancestors that nobody had scored stand in front */
        j.verdict[k] = j.verdict[skip + k];
    rg_status s = set_critique(&j, p, r->own[i], e);
    if (s == RG_OK)
        s = add(y, &j, e);
    if (s != RG_OK) {
        judged_free(&j);
        return s;
    }
    return set_scores(r->v[i], &j, y->v->whole_only, e);
}

static rg_status judge_wave(rg_verifying *y, wave *r, const rg_call *call, rg_err *e)
{
    rg_call mine = call == NULL ? (rg_call){ 0 } : *call;
    rg_ledger *outer = mine.ledger, cost = { 0 };
    mine.ledger = &cost;
    mine.role = RG_VERIFIER;
    const rg_status s = y->v->judge(y->session, r->path, r->n, r->out, &mine, e);
    rg_ledger_add(&y->cost, &cost);
    if (outer != NULL)
        rg_ledger_add(outer, &cost);
    RG_TRY(s);
    for (size_t i = 0; i < r->n; i++)
        RG_TRY(settle(y, r, i, e));
    return RG_OK;
}

static rg_status put_in(rg_verifying *y, wave *r, rg_node *v, rg_err *e)
{
    const size_t i = r->n++;
    rg_path *p = &r->path[i];
    r->v[i] = v;
    RG_TRY(path_of(p, &r->own[i], y, v, e));
    if (p->n == p->first) { /* says nothing */
        rg_free((void *)(uintptr_t)p->step);
        p->step = NULL;
        r->n--;
        v->score = NAN;
        return RG_OK;
    }
    p->key = v->terminal ? 0 : y->n + r->n;
    r->out[i] = rg_calloc(p->n - p->first, sizeof **r->out);
    if (r->out[i] == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu verdicts", p->n - p->first);
    for (size_t k = 0; k < p->n - p->first; k++)
        r->out[i][k] = (rg_judgement){ .r = NAN, .token = SIZE_MAX };
    return RG_OK;
}

static rg_status score(void *self, rg_node **v, size_t n, const rg_call *call, rg_err *e)
{
    rg_verifying *y = self;
    bool *done = rg_calloc(n, sizeof *done), *now = rg_calloc(n, sizeof *now);
    rg_status s = RG_OK;
    if (done == NULL || now == NULL)
        s = rg_err_set(e, RG_ENOMEM, __FILE__, __LINE__, "no memory to judge %zu nodes", n);
    for (size_t left = n; left > 0 && s == RG_OK;) {
        wave r = { 0 };
        s = wave_new(&r, left, e);
        for (size_t i = 0; i < n; i++)
            now[i] = !done[i] && !waits(y, v[i], v, done, n);
        for (size_t i = 0; i < n && s == RG_OK; i++) {
            if (!now[i])
                continue;
            done[i] = true;
            left--;
            s = put_in(y, &r, v[i], e);
        }
        if (s == RG_OK && r.n > 0)
            s = judge_wave(y, &r, call, e);
        wave_free(&r);
    }
    for (size_t i = 0; i < n && s == RG_OK; i++) {
        const judged *j = find(y, v[i]->handle);
        v[i]->note = j == NULL ? NULL : j->critique;
    }
    rg_free(done);
    rg_free(now);
    return s;
}

static void release(void *self, rg_node *at)
{
    rg_verifying *y = self;
    judged *j = find(y, at->handle);
    if (j == NULL || !j->kept)
        return;
    if (y->v->forget != NULL)
        y->v->forget(y->session, key_of(y, j));
    j->kept = false;
}

rg_scorer rg_verifying_scorer(rg_verifying *y)
{
    return (
        rg_scorer){ .self = y, .name = y->v->name, .scale = y->v->scale, .score = score, .release = release };
}

const rg_judgement *rg_verifying_of(const rg_verifying *y, const void *handle, size_t *n)
{
    const judged *j = find(y, handle);
    *n = j == NULL ? 0 : j->n;
    return j == NULL ? NULL : j->verdict;
}

const rg_ledger *rg_verifying_cost(const rg_verifying *y)
{
    return &y->cost;
}
