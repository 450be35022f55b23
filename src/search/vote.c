/* vote.c - choosing an answer among finalists (spec of test-time scaling, section 5.2).
 *
 * Those without an answer take no part.  Groups stand in order of first appearance, and that
 * order breaks ties. */
#include <math.h>
#include <stdlib.h>

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

bool rg__better(const rg_node *a, const rg_node *b)
{
    if (isnan(a->value) || isnan(b->value) || a->value == b->value)
        return isnan(b->value) && !isnan(a->value);
    return a->value > b->value;
}

/* Shells need an order; equal values keep that of creation, so the result is stable. */
static void sift(const rg_tree *t, size_t *v, size_t at, size_t n)
{
    for (size_t kid; (kid = 2 * at + 1) < n; at = kid) {
        /* the worst on top: worse = the other is better, or equal and created later */
#define WORSE(a, b)                                                                                          \
    (rg__better(&t->node[b], &t->node[a]) || (!rg__better(&t->node[a], &t->node[b]) && (a) > (b)))
        if (kid + 1 < n && WORSE(v[kid + 1], v[kid]))
            kid++;
        if (!WORSE(v[kid], v[at]))
            return;
#undef WORSE
        const size_t x = v[kid];
        v[kid] = v[at];
        v[at] = x;
    }
}

void rg__rank(const rg_tree *t, size_t *v, size_t n)
{
    for (size_t i = n / 2; i-- > 0;)
        sift(t, v, i, n);
    for (size_t i = n; i-- > 1;) {
        const size_t worst = v[0];
        v[0] = v[i];
        v[i] = worst;
        sift(t, v, 0, i);
    }
}

/* Among the winners' nodes the best valued one speaks for them; without values the first. */
static size_t speaker(const rg_tree *t)
{
    size_t best = RG_NO_NODE;
    for (size_t i = 0; i < t->n_final; i++) {
        const rg_node *v = &t->node[t->final[i]];
        if (v->answer_class != t->answer_class)
            continue;
        if (best == RG_NO_NODE || rg__better(v, &t->node[best]))
            best = v->id;
    }
    return best;
}

static double best_value(const rg_tree *t)
{
    double best = -INFINITY;
    for (size_t i = 0; i < t->n_final; i++)
        best = fmax(best, t->node[t->final[i]].value);
    return best;
}

static double weight(const rg_node *v, rg_vote_rule rule, double tau, double best)
{
    const double p = fmin(fmax(v->value, 1e-7), 1 - 1e-7);
    switch (rule) {
    case RG_VOTE_MAX:
    case RG_VOTE_SUM: return v->value;
    case RG_VOTE_LOGIT: return log(p / (1 - p));
    case RG_VOTE_SOFTMAX: return exp((v->value - best) / tau);
    default: return 1;
    }
}

rg_status rg__vote_by(rg_tree *t, rg_vote_rule rule, double tau, rg_err *e)
{
    const double best = best_value(t);
    rg_free(t->vote);
    t->n_votes = 0;
    t->answer_class = RG_NO_CLASS;
    t->chosen = RG_NO_NODE;
    t->vote = rg_calloc(RG_MAX(t->n_final, (size_t)1), sizeof *t->vote);
    if (t->vote == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for the votes");
    for (size_t i = 0; i < t->n_final; i++) {
        const rg_node *v = &t->node[t->final[i]];
        const double w = weight(v, rule, tau, best);
        if (v->answer_class == RG_NO_CLASS || isnan(w))
            continue;
        rg_vote *g = group_of(t, v);
        g->weight = g->count == 0 ? w : rule == RG_VOTE_MAX ? fmax(g->weight, w) : g->weight + w;
        g->count++;
    }
    sort_votes(t);
    if (t->n_votes == 0)
        return RG_OK;
    t->answer_class = t->vote[0].answer_class;
    t->chosen = speaker(t);
    return RG_OK;
}

static rg_vote_rule rule_of(const rg_search *s)
{
    return s->o.vote == RG_VOTE_AUTO ? s->how->vote : (rg_vote_rule)s->o.vote;
}

rg_status rg__vote(rg_search *s, rg_err *e)
{
    return rg__vote_by(s->t, rule_of(s), s->o.tau, e);
}

rg_status rg__then_vote(rg_search *s, rg_status so_far, rg_err *e)
{
    const rg_status voted = rg__vote(s, so_far == RG_OK ? e : NULL);
    return so_far == RG_OK ? voted : so_far;
}

/* ---- another choice among the same finalists ---- */

static const char *const AGG[RG_N_AGGS] = { "last", "min", "mean", "prod", "max", "sum", "logit-mean" };
static const char *const VOTE[] = { "auto", "majority", "max", "vote", "logit-vote", "softmax-vote" };

rg_status rg__scale_fits(rg_agg agg, rg_vote_rule vote, rg_scale scale, const char *scorer, rg_err *e)
{
    const bool agg_asks = agg == RG_AGG_PROD || agg == RG_AGG_LOGIT_MEAN;
    const bool vote_asks = vote == RG_VOTE_SUM || vote == RG_VOTE_LOGIT;
    if (scale != RG_PROBABILITY && (agg_asks || vote_asks))
        RG_FAIL(e, RG_EARG, "%s needs probabilities, and scorer %s gives %s",
                agg_asks ? AGG[agg] : VOTE[vote], scorer, scale == RG_LOGIT ? "logits" : "raw scores");
    return RG_OK;
}

rg_status rg_tree_choose(rg_tree *t, rg_agg agg, rg_vote_rule vote, double tau, rg_scale scale, rg_err *e)
{
    RG_TRY(rg__scale_fits(agg, vote, scale, "of this tree", e));
    for (size_t i = 0; i < t->n_final; i++) {
        const size_t v = t->final[i], n = rg_tree_path_scores(t, v, NULL, 0);
        double *r = rg_alloc(RG_MAX(n, (size_t)1), sizeof *r);
        if (r == NULL)
            RG_FAIL(e, RG_ENOMEM, "no memory for %zu scores", n);
        rg_tree_path_scores(t, v, r, n);
        t->node[v].value = rg_aggregate(agg, r, n);
        rg_free(r);
    }
    return rg__vote_by(t, vote == RG_VOTE_AUTO ? RG_VOTE_MAX : vote, tau, e);
}
