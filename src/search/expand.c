/* expand.c - the two doors: growing nodes by the proposer, judging them by the scorer. */
#include <math.h>
#include <stdlib.h>

#include "rung/base/mem.h"

#include "search_int.h"

enum { MOST_TRIES = 3 }; /* for a node none of whose children can be used */

rg_status rg__list_add(rg__list *l, size_t v, rg_err *e)
{
    if (l->n == l->cap) {
        const size_t cap = l->cap ? 2 * l->cap : 32;
        size_t *list = rg_realloc(l->v, cap, sizeof *list);
        if (list == NULL)
            RG_FAIL(e, RG_ENOMEM, "no memory for a list of %zu nodes", cap);
        l->v = list;
        l->cap = cap;
    }
    l->v[l->n++] = v;
    return RG_OK;
}

void rg__list_free(rg__list *l)
{
    rg_free(l->v);
    *l = (rg__list){ 0 };
}

static rg_node node_of(const rg_node *parent, const rg_child *c)
{
    const rg_node v = { .parent = parent->id,
                        .depth = parent->depth + 1,
                        .index = c->index,
                        .stream = c->stream,
                        .content = c->content,
                        .tokens = c->tokens,
                        .logp = c->logp,
                        .flops = c->flops,
                        .finish = c->finish,
                        .terminal = c->terminal,
                        .answer_class = c->answer_class,
                        .score = NAN,
                        .value = NAN,
                        .handle = c->handle,
                        .kept = true,
                        .reason = "candidate" };
    return v;
}

static void tell_done(const rg_search *s, const rg_node *v)
{
    const rg_event ev = { .kind = RG_EV_NODE_DONE,
                          .room = "search",
                          .node = v->id,
                          .parent = v->parent,
                          .value = (double)v->tokens,
                          .text = rg_str_of(rg_finish_name(v->finish)) };
    rg_call_emit(s->call, &ev);
}

/* ---- a frontier ---- */

typedef struct kid {
    size_t job;
    rg_child c;
} kid;

typedef struct batch {
    rg_search *s;
    kid *kid;
    size_t n, cap;
    rg_status status;
    rg_err *e;
} batch;

static rg_go collect(void *arg, size_t job, const rg_child *c)
{
    batch *b = arg;
    if (c->finish == RG_F_CANCELLED) {
        b->s->t->overshoot_tokens += c->tokens;
        b->s->t->overshoot_flops += c->flops;
        return RG_GO_ON;
    }
    if (b->n == b->cap) { /* more than was asked for */
        b->status = rg_err_set(b->e, RG_EREMOTE, __FILE__, __LINE__,
                               "the proposer gave more than %zu children", b->cap);
        return RG_ENOUGH;
    }
    b->kid[b->n++] = (kid){ job, *c };
    return RG_GO_ON;
}

static int by_job(const void *a, const void *b)
{
    const kid *x = a, *y = b;
    if (x->job != y->job)
        return x->job < y->job ? -1 : 1;
    return x->c.index < y->c.index ? -1 : x->c.index > y->c.index;
}

static bool repeats_sibling(const rg_tree *t, const rg_node *v, size_t first)
{
    for (size_t i = first; i < v->id && v->content != 0; i++)
        if (t->node[i].parent == v->parent && t->node[i].content == v->content)
            return true;
    return false;
}

/* The node of a kid; usable: it may be scored and extended. */
static rg_status take_kid(rg_search *s, size_t parent, const kid *k, const rg__growth *how, size_t first,
                          bool *usable, rg_err *e)
{
    rg_tree *t = s->t;
    RG_TRY(rg__push(t, node_of(&t->node[parent], &k->c), e));
    rg_node *v = &t->node[t->n - 1], *up = &t->node[parent];
    tell_done(s, v);
    up->sampled++;
    *usable = true;
    if (!how->distinct)
        return RG_OK;
    if (rg__dead_if_cut(s, v->id)) {
        up->cut++;
        *usable = false;
    } else if (repeats_sibling(t, v, first)) {
        *usable = false;
        rg__prune(s, v->id, "says what a sibling says");
    } else
        up->unique++;
    return RG_OK;
}

typedef struct frontier {
    const size_t *at, *each;
    size_t n;
    rg_node *copy; /* the tree may move while children arrive */
    rg_job *job;
    kid *kid;
    bool *served; /* has a usable child */
    size_t first; /* nodes from here on are this expansion's */
} frontier;

static void frontier_free(frontier *f)
{
    rg_free(f->copy);
    rg_free(f->job);
    rg_free(f->kid);
    rg_free(f->served);
}

static rg_status frontier_new(frontier *f, const rg_search *s, const size_t *at, const size_t *each, size_t n,
                              size_t *kids, rg_err *e)
{
    *f = (frontier){ .at = at, .each = each, .n = n, .first = s->t->n };
    *kids = 0;
    for (size_t i = 0; i < n; i++)
        *kids += each[i];
    f->copy = rg_alloc(n, sizeof *f->copy);
    f->job = rg_alloc(n, sizeof *f->job);
    f->kid = rg_alloc(RG_MAX(*kids, (size_t)1), sizeof *f->kid);
    f->served = rg_calloc(n, sizeof *f->served);
    if (f->copy == NULL || f->job == NULL || f->kid == NULL || f->served == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory to extend %zu nodes", n);
    return RG_OK;
}

/* One round: those not served yet are asked. */
static rg_status ask(rg_search *s, frontier *f, size_t kids, const rg__growth *how, rg__list *out, rg_err *e)
{
    batch b = { .s = s, .kid = f->kid, .cap = kids, .e = e };
    size_t n = 0;
    for (size_t i = 0; i < f->n; i++) {
        if (f->served[i])
            continue;
        f->copy[n] = s->t->node[f->at[i]];
        f->job[n] = (rg_job){ &f->copy[n], s->t->node[f->at[i]].sampled, f->each[i], how->want, how->greedy };
        n++;
    }
    const rg_status ran = s->p->expand(s->p->self, f->job, n, collect, &b, s->call, e);
    qsort(b.kid, b.n, sizeof *b.kid, by_job);
    for (size_t i = 0; i < b.n && b.status == RG_OK; i++) {
        bool usable;
        const size_t parent = f->copy[b.kid[i].job].id;
        b.status = take_kid(s, parent, &b.kid[i], how, f->first, &usable, ran == RG_OK ? e : NULL);
        if (b.status == RG_OK && usable)
            b.status = rg__list_add(out, s->t->n - 1, ran == RG_OK ? e : NULL);
    }
    return ran != RG_OK ? ran : b.status;
}

/* Which nodes have usable children now; how many have none. */
static size_t unserved(const rg_search *s, frontier *f, const rg__list *out, size_t from)
{
    size_t left = 0;
    for (size_t i = 0; i < f->n; i++) {
        for (size_t k = from; k < out->n && !f->served[i]; k++)
            f->served[i] = s->t->node[out->v[k]].parent == f->at[i];
        left += !f->served[i];
    }
    return left;
}

rg_status rg__grow(rg_search *s, const size_t *at, const size_t *each, size_t n, const rg__growth *how,
                   rg__list *out, rg_err *e)
{
    frontier f;
    size_t kids;
    const size_t from = out->n;
    rg_status st;
    if (n == 0)
        return RG_OK;
    RG_GO(st, done, frontier_new(&f, s, at, each, n, &kids, e));
    RG_GO(st, done, ask(s, &f, kids, how, out, e));
    for (int tries = 1; how->distinct && unserved(s, &f, out, from) > 0 && tries < MOST_TRIES; tries++)
        RG_GO(st, done, ask(s, &f, kids, how, out, e));
    for (size_t i = 0; how->distinct && i < n; i++)
        if (!f.served[i])
            rg__dead_end(s, at[i], RG_F_NO_CANDIDATE, "no usable next step in three tries");
done:
    frontier_free(&f);
    return st;
}

/* ---- whole answers from the root, one after the other ---- */

typedef struct taking {
    rg_search *s;
    enough_fn enough;
    bool over; /* the decision is made: what still comes is overshoot */
    rg_status status;
    rg_err *e;
} taking;

static rg_go take(void *arg, size_t job, const rg_child *c)
{
    (void)job;
    taking *k = arg;
    rg_tree *t = k->s->t;
    if (k->over || c->finish == RG_F_CANCELLED) {
        t->overshoot_tokens += c->tokens;
        t->overshoot_flops += c->flops;
        return k->over ? RG_ENOUGH : RG_GO_ON; /* cancelled from outside: others may have finished */
    }
    k->status = rg__push(t, node_of(&t->node[0], c), k->e);
    if (k->status == RG_OK)
        k->status = rg__finalist(k->s, t->n - 1, k->e);
    if (k->status != RG_OK)
        return RG_ENOUGH;
    t->node[0].sampled++;
    tell_done(k->s, &t->node[t->n - 1]);
    const char *why = k->enough == NULL ? NULL : k->enough(k->s);
    if (why == NULL)
        return RG_GO_ON;
    k->over = true;
    rg__stop(k->s, t->n - 1, why);
    return RG_ENOUGH;
}

rg_status rg__sample_answers(rg_search *s, size_t N, bool greedy, enough_fn enough, rg_err *e)
{
    taking k = { .s = s, .enough = enough, .e = e };
    rg_node root = s->t->node[0]; /* the table may move while children arrive */
    const rg_job want = {
        .at = &root, .first = root.sampled, .n = N, .want = RG_WANT_WHOLE, .greedy = greedy
    };
    RG_TRY(s->p->expand(s->p->self, &want, 1, take, &k, s->call, e));
    return k.status;
}

/* ---- scores ---- */

/* The path's scores as one number. */
static rg_status set_value(rg_search *s, size_t v, rg_err *e)
{
    double few[64], *r = few;
    const size_t n = rg_tree_path_scores(s->t, v, few, RG_COUNT(few));
    if (n > RG_COUNT(few)) {
        r = rg_alloc(n, sizeof *r);
        if (r == NULL)
            RG_FAIL(e, RG_ENOMEM, "no memory for %zu scores", n);
        rg_tree_path_scores(s->t, v, r, n);
    }
    s->t->node[v].value = rg_aggregate((rg_agg)s->o.agg, r, n);
    if (r != few)
        rg_free(r);
    return RG_OK;
}

static void tell_score(const rg_search *s, const rg_node *v)
{
    const rg_event ev = { .kind = RG_EV_NODE_SCORE,
                          .room = "search",
                          .node = v->id,
                          .parent = v->parent,
                          .value = v->score,
                          .text = rg_str_of(s->sc->name) };
    rg_call_emit(s->call, &ev);
}

static rg_status after_scoring(rg_search *s, const size_t *v, size_t n, rg_err *e)
{
    size_t nan = 0, zero = 0;
    for (size_t i = 0; i < n; i++) {
        const rg_node *x = &s->t->node[v[i]];
        nan += isnan(x->score) != 0;
        zero += x->score == 0;
        RG_TRY(set_value(s, v[i], e));
        tell_score(s, x);
    }
    s->t->n_nan += nan;
    s->t->scored += n;
    if (n > 3 && (nan == n || zero == n))
        rg_call_log(s->call, RG_WARN, "search", "scorer %s gave %s to all of %zu nodes: does it work?",
                    s->sc->name, nan == n ? "no number" : "0", n);
    return RG_OK;
}

rg_status rg__score(rg_search *s, const size_t *v, size_t n, rg_err *e)
{
    if (n == 0 || s->sc == NULL)
        return RG_OK;
    rg_node **x = rg_alloc(n, sizeof(rg_node *));
    if (x == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory to score %zu nodes", n);
    for (size_t i = 0; i < n; i++)
        x[i] = &s->t->node[v[i]];
    rg_status st = s->sc->score(s->sc->self, x, n, s->call, e);
    if (st == RG_OK)
        st = after_scoring(s, v, n, e);
    rg_free(x);
    return st;
}
