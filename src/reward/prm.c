/* prm.c - sessions of a scalar process reward model.
 *
 * A session keeps, behind each judged path, the node that ends with the path's last mark.  A path that
 * extends it feeds its new steps; a whole solution is one job with all its marks.  All paths of a call are
 * one batch.  Engines promise that neither changes a bit. */
#include "rung/reward/prm.h"

#include <math.h>
#include <string.h>

#include "prm_int.h"
#include "rung/base/mem.h"
#include "rung/base/rng.h"

#define O(field) offsetof(rg_prm_opt, field)
const rg_opt rg_prm_table[] = {
    { "prm-format", NULL, RG_OPT_ENUM, O(format), "auto", 0, 0, RG_PRM_NAMES, NULL,
      "the wire format a process reward model was trained with" },
    { 0 },
};

typedef struct prm {
    rg_verifier v;
    rg_lm *lm;
    rg__prm f;
} prm;

typedef struct kept {
    uint64_t key;
    rg_lm_node *node; /* NULL: the path does not fit the context */
} kept;

typedef struct session {
    rg_judging j;
    rg__prefix head;
    uint64_t problem; /* what the head is of */
    kept *kept;
    size_t n, cap;
} session;

/* One path's work: new tokens behind a node, and which of them are read. */
typedef struct reading {
    const rg_path *p;
    rg_lm_node *from; /* NULL: nothing fits */
    rg_ids ids;
    size_t *at; /* one a judged step, as far as they fit */
    size_t n_at;
    float *out; /* (n_at, width) */
    bool cut;   /* a step did not fit */
} reading;

/* ---- kept paths ---- */

static kept *find(session *s, uint64_t key)
{
    for (size_t i = s->n; i-- > 0 && key != 0;)
        if (s->kept[i].key == key)
            return &s->kept[i];
    return NULL;
}

static rg_status keep(session *s, uint64_t key, rg_lm_node *node, rg_err *e)
{
    if (s->n == s->cap) {
        const size_t cap = s->cap ? 2 * s->cap : 16;
        kept *more = rg_realloc(s->kept, cap, sizeof *more);
        if (more == NULL)
            RG_FAIL(e, RG_ENOMEM, "no memory for %zu paths", cap);
        s->kept = more;
        s->cap = cap;
    }
    s->kept[s->n++] = (kept){ key, node == NULL ? NULL : rg_lm_retain(node) };
    return RG_OK;
}

static void forget(rg_judging *j, uint64_t key)
{
    session *s = (session *)j;
    kept *k = find(s, key);
    if (k == NULL)
        return;
    rg_lm_release(k->node);
    *k = s->kept[--s->n];
}

static rg_status open_session(rg_judging **out, rg_verifier *v, rg_err *e)
{
    session *s = rg_calloc(1, sizeof *s);
    *out = NULL;
    if (s == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for a verifier");
    s->j.v = v;
    *out = &s->j;
    return RG_OK;
}

static void close_session(rg_judging *j)
{
    session *s = (session *)j;
    for (size_t i = 0; i < s->n; i++)
        rg_lm_release(s->kept[i].node);
    rg__prefix_free(&s->head);
    rg_free(s->kept);
    rg_free(s);
}

/* ---- which tokens ---- */

/* The problem's tokens.  In a conversation the first turn holds problem and step: what its beginning
 * shares with that of the problem alone. */
static rg_status set_head(session *s, const prm *m, const rg_path *p, rg_err *e)
{
    const uint64_t problem = rg_hash64(p->problem.p, p->problem.n, 1);
    rg_ids head = { 0 }, first = { 0 };
    if (s->head.node != NULL && s->problem == problem)
        return RG_OK;
    rg_status st = rg__prm_head(&head, &m->f, p->problem, e);
    size_t n = head.n;
    if (st == RG_OK && rg__prm_talks(&m->f)) {
        st = rg__prm_step(&first, &m->f, p, 0, e);
        n = RG_MIN(rg__common(&head, &first), first.n - (first.n > 0));
    }
    if (st == RG_OK)
        st = rg__prefix_set(&s->head, m->lm, head.id, n, e);
    s->problem = problem;
    rg_ids_free(&head);
    rg_ids_free(&first);
    return st;
}

/* Behind the session's head, or behind the empty sequence when a path begins otherwise. */
static rg_status start(session *s, const prm *m, reading *r, rg_err *e)
{
    rg_ids first = { 0 };
    RG_TRY(set_head(s, m, r->p, e));
    rg_status st = rg__prm_talks(&m->f) ? rg__prm_step(&first, &m->f, r->p, 0, e) : RG_OK;
    if (st == RG_OK && first.n > 0 && !rg__prefix_begins(&s->head, &first))
        st = rg__prefix_set(&s->head, m->lm, first.id, rg__common(&s->head.ids, &first), e);
    if (st == RG_OK)
        r->from = rg_lm_retain(s->head.node);
    if (first.n == 0)
        return st;
    if (st == RG_OK)
        st = rg_ids_append(&r->ids, first.id + s->head.ids.n, first.n - s->head.ids.n, e);
    rg_ids_free(&first);
    return st;
}

/* Step k, unless it does not fit: then it and what follows are not read. */
static rg_status add_step(const prm *m, reading *r, size_t k, bool begun, rg_err *e)
{
    const size_t before = r->ids.n;
    if (!begun)
        RG_TRY(rg__prm_step(&r->ids, &m->f, r->p, k, e));
    r->cut = rg_lm_node_len(r->from) + r->ids.n > rg_lm_ctx(m->lm);
    if (r->cut)
        r->ids.n = begun ? 0 : before;
    else if (k >= r->p->first)
        r->at[r->n_at++] = r->ids.n - 1;
    return RG_OK;
}

static rg_status prepare(session *s, const prm *m, const rg_path *p, size_t width, reading *r, rg_err *e)
{
    const kept *parent = find(s, p->parent);
    const size_t wanted = p->n - p->first;
    *r = (reading){ .p = p, .at = rg_calloc(wanted, sizeof *r->at) };
    size_t cells;
    if (r->at != NULL && rg_mul_size(&cells, wanted, width))
        r->out = rg_calloc(cells, sizeof *r->out);
    if (r->out == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu scores", wanted);
    if (parent != NULL)
        r->from = parent->node == NULL ? NULL : rg_lm_retain(parent->node);
    else
        RG_TRY(start(s, m, r, e));
    r->cut = r->from == NULL;
    for (size_t k = parent != NULL ? p->first : 0; k < p->n && !r->cut; k++)
        RG_TRY(add_step(m, r, k, k == 0 && r->ids.n > 0, e));
    return RG_OK;
}

/* ---- reading ---- */

static size_t width_of(const prm *m)
{
    return m->f.read == RG__LABELS ? 2 : rg_lm_n_values(m->lm);
}

/* good's share of exp(good) + exp(bad) */
static double share(float good, float bad)
{
    return 1 / (1 + exp((double)bad - (double)good));
}

static double score_of(const prm *m, const float *x)
{
    switch (m->f.read) {
    case RG__LABELS: return share(x[0], x[1]);
    case RG__CLASSES: return share(x[1], x[0]);
    case RG__SIGMOID: return share(x[0], 0);
    case RG__RAW: break;
    }
    return (double)x[0];
}

static void set_out(const prm *m, const reading *r, size_t width, rg_judgement *out)
{
    for (size_t i = 0; i < r->p->n - r->p->first; i++) {
        const bool has = i < r->n_at;
        out[i] = (rg_judgement){ .r = has ? score_of(m, r->out + i * width) : (double)NAN,
                                 .token = has ? rg_lm_node_len(r->from) + r->at[i] : SIZE_MAX };
    }
}

static rg_score job_of(const prm *m, const reading *r, const int32_t *named)
{
    const bool labels = m->f.read == RG__LABELS;
    return (rg_score){ .from = r->from,
                       .id = r->ids.id,
                       .n = r->ids.n,
                       .first = r->ids.n,
                       .named = labels ? named : NULL,
                       .n_named = labels ? 2 : 0,
                       .at = r->at,
                       .n_at = r->n_at,
                       .at_named = labels ? r->out : NULL,
                       .at_value = labels ? NULL : r->out,
                       .keep = r->p->key != 0 && !r->cut };
}

static rg_status read_all(session *s, const prm *m, const reading *r, size_t n, const rg_call *call,
                          rg_err *e)
{
    const int32_t named[2] = { m->f.good, m->f.bad };
    rg_score *job = rg_calloc(n, sizeof *job);
    size_t n_jobs = 0;
    if (job == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu paths", n);
    for (size_t i = 0; i < n; i++)
        if (r[i].n_at > 0)
            job[n_jobs++] = job_of(m, &r[i], named);
    rg_status st = n_jobs == 0 ? RG_OK : rg_lm_score(m->lm, job, n_jobs, call, e);
    for (size_t i = 0, at = 0; i < n && st == RG_OK; i++) {
        rg_lm_node *node = r[i].n_at > 0 ? job[at++].node : NULL;
        if (r[i].p->key != 0)
            st = keep(s, r[i].p->key, node, e);
    }
    for (size_t i = 0; i < n_jobs; i++)
        rg_lm_release(job[i].node);
    rg_free(job);
    return st;
}

static rg_status judge(rg_judging *j, const rg_path *p, size_t n, rg_judgement *const *out,
                       const rg_call *call, rg_err *e)
{
    session *s = (session *)j;
    const prm *m = (const prm *)j->v;
    const size_t width = width_of(m);
    rg_status st = RG_OK;
    reading *r = rg_calloc(n, sizeof *r);
    if (r == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu paths", n);
    for (size_t i = 0; i < n; i++)
        RG_GO(st, done, prepare(s, m, &p[i], width, &r[i], e));
    RG_GO(st, done, read_all(s, m, r, n, call, e));
    for (size_t i = 0; i < n; i++)
        set_out(m, &r[i], width, out[i]);
done:
    for (size_t i = 0; i < n; i++) {
        rg_lm_release(r[i].from);
        rg_ids_free(&r[i].ids);
        rg_free(r[i].at);
        rg_free(r[i].out);
    }
    rg_free(r);
    return st;
}

/* ---- the verifier ---- */

static rg_status describe(rg_verifier *v, rg_buf *b, rg_err *e)
{
    const prm *m = (const prm *)v;
    char sha[65];
    RG_TRY(rg_lm_identity(sha, m->lm, e));
    rg_buf_printf(b, "|prm|%s|%s", sha, rg__prm_name(&m->f));
    return RG_OK;
}

static void prm_free(rg_verifier *v)
{
    rg_free(v);
}

rg_status rg_prm_new(rg_verifier **out, rg_lm *lm, const rg_prm_opt *o, rg_err *e)
{
    *out = NULL;
    prm *m = rg_calloc(1, sizeof *m);
    if (m == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for a verifier");
    m->lm = lm;
    const rg_status s = rg__prm_format(&m->f, lm, (rg_prm_kind)o->format, e);
    if (s != RG_OK) {
        rg_free(m);
        return s;
    }
    m->v = (rg_verifier){ .name = "prm",
                          .scale = m->f.read == RG__RAW ? RG_RAW : RG_PROBABILITY,
                          .describe = describe,
                          .open = open_session,
                          .judge = judge,
                          .forget = forget,
                          .close = close_session,
                          .free = prm_free };
    *out = &m->v;
    return RG_OK;
}
