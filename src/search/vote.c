/* vote.c - choosing an answer among candidates (spec of test-time scaling, section 5.2).
 *
 * Candidates without an answer take no part.  Groups stand in order of first appearance, and
 * that order breaks ties. */
#include <math.h>

#include "rung/base/mem.h"

#include "search_int.h"

static rg_vote *group_of(rg_tree *t, const rg_node *v)
{
    for (size_t i = 0; i < t->n_votes; i++)
        if (t->vote[i].answer_class == v->answer_class)
            return &t->vote[i];
    t->vote[t->n_votes] = (rg_vote){ .answer_class = v->answer_class, .first = v->id, .weight = -INFINITY };
    return &t->vote[t->n_votes++];
}

/* Insertion keeps equal weights in order of first appearance. */
static void sort_votes(rg_tree *t)
{
    for (size_t i = 1; i < t->n_votes; i++) {
        const rg_vote v = t->vote[i];
        size_t at = i;
        for (; at > 0 && t->vote[at - 1].weight < v.weight; at--)
            t->vote[at] = t->vote[at - 1];
        t->vote[at] = v;
    }
}

static bool better(const rg_node *a, const rg_node *b)
{
    return a->score > b->score || (isnan(b->score) && !isnan(a->score));
}

/* Among the winners' nodes the best scored one speaks for them; without scores the first. */
static size_t speaker(const rg_tree *t)
{
    size_t best = RG_NO_NODE;
    for (size_t i = 1; i < t->n; i++) {
        const rg_node *v = &t->node[i];
        if (v->answer_class != t->answer_class || !v->terminal)
            continue;
        if (best == RG_NO_NODE || better(v, &t->node[best]))
            best = i;
    }
    return best;
}

rg_status rg__vote(rg_search *s, vote_by by, weight_fn weight, rg_err *e)
{
    rg_tree *t = s->t;
    rg_free(t->vote);
    t->n_votes = 0;
    t->vote = rg_calloc(t->n, sizeof *t->vote);
    if (t->vote == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for the votes");
    for (size_t i = 1; i < t->n; i++) {
        const rg_node *v = &t->node[i];
        const double w = weight(v);
        if (!v->terminal || v->answer_class == RG_NO_CLASS || isnan(w))
            continue;
        rg_vote *g = group_of(t, v);
        g->weight = g->count == 0 ? w : by == BY_SUM ? g->weight + w : fmax(g->weight, w);
        g->count++;
    }
    sort_votes(t);
    if (t->n_votes == 0)
        return RG_OK;
    t->answer_class = t->vote[0].answer_class;
    t->chosen = speaker(t);
    return RG_OK;
}
