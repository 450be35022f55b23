/* sampling.c - the strategies that use scores only to choose among finished answers
 * (spec of test-time scaling, sections 6.1, 6.2 and 6.8). */
#include <math.h>

#include "rung/base/mem.h"

#include "search_int.h"

/* ---- when more answers cannot or need not change the vote ---- */

typedef struct lead {
    const rg_vote *first, *second; /* by count; ties to the earlier one; NULL = none */
} lead;

static bool ahead(const rg_vote *a, const rg_vote *b)
{
    return b == NULL || a->count > b->count || (a->count == b->count && a->first < b->first);
}

static lead lead_of(const rg_search *s)
{
    lead l = { 0 };
    rg_err ignored = RG_ERR_INIT;
    if (rg__vote_by(s->t, RG_VOTE_MAJORITY, 1, &ignored) != RG_OK)
        return l;
    for (size_t i = 0; i < s->t->n_votes; i++) {
        const rg_vote *v = &s->t->vote[i];
        if (ahead(v, l.first)) {
            l.second = l.first;
            l.first = v;
        } else if (ahead(v, l.second))
            l.second = v;
    }
    return l;
}

/* The leader can no longer be caught by what is left of N: not by a group that stands (ties go
 * to the earlier one), nor by one yet to appear. */
static bool out_of_reach(lead l, size_t left)
{
    if (l.first == NULL || left > l.first->count)
        return false; /* an answer nobody gave yet could still win */
    if (l.second == NULL)
        return true;
    const size_t most = l.second->count + left;
    return most < l.first->count || (most == l.first->count && l.first->first < l.second->first);
}

/* P(the leader is likelier than the runner-up) with a flat prior on their odds:
 * I(1/2; b + 1, a + 1) of counts a >= b, which is a sum of binomial terms.
 * Source: Aggarwal et al., "Let's sample step by step", 2023, section 3.2. */
static double lead_probability(size_t a, size_t b)
{
    const double n = (double)(a + b + 1);
    double term = n * log(0.5), sum = 0; /* log of C(n, k) / 2^n */
    for (size_t k = 0; k <= a; k++) {
        sum += exp(term);
        term += log((n - (double)k) / ((double)k + 1));
    }
    return sum;
}

static const char *decided(const rg_search *s)
{
    const size_t left = (size_t)s->o.N - s->t->used;
    const lead l = lead_of(s);
    if (left == 0 || l.first == NULL)
        return NULL;
    if (out_of_reach(l, left))
        return "the leading answer cannot be caught";
    if (s->o.stop_lead > 0 &&
        lead_probability(l.first->count, l.second == NULL ? 0 : l.second->count) >= s->o.stop_lead)
        return "the leading answer is probably the likeliest";
    return NULL;
}

/* ---- greedy, majority, adaptive ---- */

static rg_status greedy_run(rg_search *s, rg_err *e)
{
    return rg__then_vote(s, rg__sample_answers(s, 1, true, NULL, e), e);
}

const rg_strategy rg__greedy = {
    .name = "greedy",
    .summary = "one answer, the likeliest token at each place",
    .only_one = true,
    .budget = "1 answer; tokens <= -n",
    .uses = "",
    .vote = RG_VOTE_MAJORITY,
    .run = greedy_run,
};

static rg_status majority_run(rg_search *s, rg_err *e)
{
    return rg__then_vote(s, rg__sample_answers(s, (size_t)s->o.N, false, NULL, e), e);
}

const rg_strategy rg__majority = {
    .name = "majority",
    .summary = "N answers, the most frequent one wins",
    .budget = "N answers; tokens <= N x -n",
    .uses = "budget",
    .vote = RG_VOTE_MAJORITY,
    .run = majority_run,
};

static rg_status adaptive_run(rg_search *s, rg_err *e)
{
    return rg__then_vote(s, rg__sample_answers(s, (size_t)s->o.N, false, decided, e), e);
}

const rg_strategy rg__adaptive = {
    .name = "adaptive",
    .summary = "majority of N that stops when the leader cannot be caught",
    .budget = "at most N answers, often about half; the answer is majority's (--stop-lead P: fewer still)",
    .uses = "budget,stop-lead",
    .vote = RG_VOTE_MAJORITY,
    .run = adaptive_run,
};

/* ---- best of N ---- */

/* The finalists from `from` on; true when one of them is good enough to stop. */
static rg_status score_new(rg_search *s, size_t from, bool *good, rg_err *e)
{
    rg_tree *t = s->t;
    *good = false;
    RG_TRY(rg__score(s, t->final + from, t->n_final - from, e));
    for (size_t i = from; i < t->n_final && s->o.stop_score > 0; i++)
        if (t->node[t->final[i]].value >= s->o.stop_score &&
            t->node[t->final[i]].answer_class != RG_NO_CLASS) {
            *good = true;
            rg__stop(s, t->final[i], "an answer is valued as high as --stop-score asks");
            break;
        }
    return RG_OK;
}

/* With a bound to stop at, M at a time; else all at once. */
static rg_status best_run(rg_search *s, rg_err *e)
{
    const size_t N = (size_t)s->o.N, at_a_time = s->o.stop_score > 0 ? (size_t)s->o.M : N;
    rg_status st = RG_OK;
    bool good = false;
    while (st == RG_OK && s->t->n_final < N && !good) {
        const size_t from = s->t->n_final;
        st = rg__sample_answers(s, RG_MIN(at_a_time, N - from), false, NULL, e);
        const rg_status scored = score_new(s, from, &good, st == RG_OK ? e : NULL);
        st = st == RG_OK ? scored : st;
        if (s->t->n_final == from)
            break;
    }
    return rg__then_vote(s, st, e);
}

const rg_strategy rg__best_of_n = {
    .name = "best-of-n",
    .summary = "N answers, scored; the best one wins, or a vote weighted by scores (--vote)",
    .needs_scorer = true,
    .budget = "N answers; tokens <= N x -n, plus the scorer's (--stop-score: M at a time until one is good)",
    .uses = "budget,width,agg,vote,tau,stop-score",
    .vote = RG_VOTE_MAX,
    .run = best_run,
};

/* ---- confidence-weighted vote ---- */

/* Geometric mean of the token probabilities, in (0, 1]. */
static rg_status confidence_run(rg_search *s, rg_err *e)
{
    const rg_status st = rg__sample_answers(s, (size_t)s->o.N, false, NULL, e);
    for (size_t i = 0; i < s->t->n_final; i++) {
        rg_node *v = &s->t->node[s->t->final[i]];
        v->value = v->tokens == 0 ? NAN : exp(v->logp / (double)v->tokens);
    }
    return rg__then_vote(s, st, e);
}

const rg_strategy rg__confidence = {
    .name = "confidence",
    .summary = "N answers, each votes with its mean token probability",
    .budget = "N answers; tokens <= N x -n",
    .uses = "budget",
    .vote = RG_VOTE_SUM,
    .run = confidence_run,
};
