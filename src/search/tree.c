/* tree.c - the tree that strategies grow, and what its nodes are worth. */
#include <math.h>
#include <string.h>

#include "rung/base/mem.h"

#include "search_int.h"

void rg_tree_free(rg_tree *t)
{
    for (size_t i = 0; i < t->n; i++)
        rg_free(t->node[i].step);
    rg_free(t->node);
    rg_free(t->final);
    rg_free(t->vote);
    memset(t, 0, sizeof *t);
}

rg_status rg__push(rg_tree *t, rg_node v, rg_err *e)
{
    if (t->n == t->cap) {
        const size_t cap = t->cap ? 2 * t->cap : 32;
        rg_node *node = rg_realloc(t->node, cap, sizeof *node);
        if (node == NULL)
            RG_FAIL(e, RG_ENOMEM, "no memory for %zu nodes", cap);
        t->node = node;
        t->cap = cap;
    }
    v.id = t->n;
    t->node[t->n++] = v;
    return RG_OK;
}

rg_status rg__finalist(rg_search *s, size_t v, rg_err *e)
{
    rg_tree *t = s->t;
    if (t->n_final == t->final_cap) {
        const size_t cap = t->final_cap ? 2 * t->final_cap : 16;
        size_t *final = rg_realloc(t->final, cap, sizeof *final);
        if (final == NULL)
            RG_FAIL(e, RG_ENOMEM, "no memory for %zu answers", cap);
        t->final = final;
        t->final_cap = cap;
    }
    t->final[t->n_final++] = v;
    t->used = t->n_final;
    return RG_OK;
}

/* ---- events ---- */

static void emit(const rg_search *s, rg_event_kind kind, size_t v, double value, const char *why)
{
    const rg_event ev = { .kind = kind,
                          .room = "search",
                          .node = v,
                          .parent = s->t->node[v].parent,
                          .value = value,
                          .text = rg_str_of(why) };
    rg_call_emit(s->call, &ev);
}

void rg__keep(rg_search *s, size_t v, const char *why)
{
    s->t->node[v].kept = true;
    s->t->node[v].reason = why;
    emit(s, RG_EV_NODE_KEEP, v, s->t->node[v].value, why);
}

void rg__prune(rg_search *s, size_t v, const char *why)
{
    s->t->node[v].kept = false;
    s->t->node[v].reason = why;
    emit(s, RG_EV_NODE_PRUNE, v, s->t->node[v].value, why);
    if (s->p->release != NULL)
        s->p->release(s->p->self, &s->t->node[v]);
    if (s->sc != NULL && s->sc->release != NULL)
        s->sc->release(s->sc->self, &s->t->node[v]);
}

void rg__stop(rg_search *s, size_t v, const char *why)
{
    s->t->stop = why;
    emit(s, RG_EV_STOP, v, (double)s->t->used, why);
}

void rg__dead_end(rg_search *s, size_t v, rg_finish finish, const char *why)
{
    rg_node *x = &s->t->node[v];
    x->terminal = true;
    x->finish = finish;
    x->answer_class = RG_NO_CLASS;
    rg__prune(s, v, why);
}

bool rg__dead_if_cut(rg_search *s, size_t v)
{
    const rg_node *x = &s->t->node[v];
    if (x->terminal || x->finish == RG_F_STOP)
        return false;
    rg__dead_end(s, v, x->finish, x->finish == RG_F_LENGTH ? "cut short at the token limit" : "says nothing");
    return true;
}

/* ---- scores ---- */

rg_status rg_node_set_steps(rg_node *v, const double *r, size_t n, rg_err *e)
{
    rg_free(v->step);
    v->n_steps = 0;
    v->step = rg_alloc(RG_MAX(n, (size_t)1), sizeof *v->step);
    if (v->step == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu scores", n);
    for (size_t i = 0; i < n; i++)
        v->step[i] = r[i];
    v->n_steps = n;
    v->score = n > 0 ? r[n - 1] : NAN;
    return RG_OK;
}

size_t rg_tree_path_scores(const rg_tree *t, size_t v, double *r, size_t cap)
{
    size_t n = 0;
    for (size_t i = v; i != 0; i = t->node[i].parent) /* how many, then from the end */
        n += t->node[i].step != NULL ? t->node[i].n_steps : 1;
    size_t at = n;
    for (size_t i = v; i != 0; i = t->node[i].parent) {
        const rg_node *x = &t->node[i];
        const size_t own = x->step != NULL ? x->n_steps : 1;
        for (size_t k = own; k-- > 0;)
            if (--at < cap)
                r[at] = x->step != NULL ? x->step[k] : x->score;
    }
    return n;
}

static double clip(double p)
{
    return fmin(fmax(p, 1e-7), 1 - 1e-7);
}

static double fold(rg_agg agg, double acc, double r)
{
    switch (agg) {
    case RG_AGG_MIN: return fmin(acc, r);
    case RG_AGG_MAX: return fmax(acc, r);
    case RG_AGG_PROD: return acc + log(r);
    case RG_AGG_LOGIT_MEAN: return acc + log(clip(r) / (1 - clip(r)));
    case RG_AGG_LAST: return r;
    default: return acc + r;
    }
}

double rg_aggregate(rg_agg agg, const double *r, size_t n)
{
    size_t counted = 0;
    double acc = agg == RG_AGG_MIN ? INFINITY : agg == RG_AGG_MAX ? -INFINITY : 0;
    for (size_t i = 0; i < n; i++) {
        if (isnan(r[i]))
            continue;
        acc = fold(agg, acc, r[i]);
        counted++;
    }
    if (counted == 0)
        return NAN;
    if (agg == RG_AGG_PROD)
        return exp(acc);
    return agg == RG_AGG_MEAN || agg == RG_AGG_LOGIT_MEAN ? acc / (double)counted : acc;
}
