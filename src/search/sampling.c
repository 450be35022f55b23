/* sampling.c - the strategies that use scores only to choose among finished answers
 * (spec of test-time scaling, sections 6.1, 6.2 and 6.8). */
#include <math.h>

#include "search_int.h"

static double one(const rg_node *v)
{
    (void)v;
    return 1.0;
}

static double score_of(const rg_node *v)
{
    return v->score;
}

/* Geometric mean of the token probabilities, in (0, 1]. */
static double confidence(const rg_node *v)
{
    return v->tokens == 0 ? NAN : exp(v->logp / (double)v->tokens);
}

/* A search that was cut short votes with what it has: its partial record is worth reading. */
static rg_status then_vote(rg_search *s, rg_status so_far, vote_by by, weight_fn weight, rg_err *e)
{
    const rg_status voted = rg__vote(s, by, weight, so_far == RG_OK ? e : NULL);
    return so_far == RG_OK ? voted : so_far;
}

/* ---- greedy ---- */

static rg_status greedy_run(rg_search *s, rg_err *e)
{
    return then_vote(s, rg__sample_answers(s, 1, true, NULL, e), BY_SUM, one, e);
}

const rg_strategy rg__greedy = {
    .name = "greedy",
    .summary = "one answer, the likeliest token at each place",
    .only_one = true,
    .budget = "1 answer; tokens <= -n",
    .run = greedy_run,
};

/* ---- majority ---- */

static rg_status majority_run(rg_search *s, rg_err *e)
{
    return then_vote(s, rg__sample_answers(s, s->o.N, false, NULL, e), BY_SUM, one, e);
}

const rg_strategy rg__majority = {
    .name = "majority",
    .summary = "N answers, the most frequent one wins",
    .budget = "N answers; tokens <= N x -n",
    .run = majority_run,
};

/* ---- best of N ---- */

static rg_status best_run(rg_search *s, rg_err *e)
{
    const rg_status sampled = rg__sample_answers(s, s->o.N, false, NULL, e);
    const rg_status scored = rg__score_all(s, sampled == RG_OK ? e : NULL);
    return then_vote(s, sampled == RG_OK ? scored : sampled, BY_MAX, score_of, e);
}

const rg_strategy rg__best_of_n = {
    .name = "best-of-n",
    .summary = "N answers, the best scored one wins (--score)",
    .needs_scorer = true,
    .budget = "N answers; tokens <= N x -n, plus the scorer's",
    .run = best_run,
};

/* ---- confidence-weighted vote ---- */

static rg_status confidence_run(rg_search *s, rg_err *e)
{
    return then_vote(s, rg__sample_answers(s, s->o.N, false, NULL, e), BY_SUM, confidence, e);
}

const rg_strategy rg__confidence = {
    .name = "confidence",
    .summary = "N answers, each votes with its mean token probability",
    .budget = "N answers; tokens <= N x -n",
    .run = confidence_run,
};

/* ---- adaptive majority ---- */

/* The leader can no longer be caught by what is left of N: not by a group that stands (ties go
 * to the earlier one), nor by one yet to appear. */
static const char *decided(const rg_search *s)
{
    rg_err ignored = RG_ERR_INIT;
    if (rg__vote((rg_search *)(uintptr_t)s, BY_SUM, one, &ignored) != RG_OK || s->t->n_votes == 0)
        return NULL;
    const size_t left = s->o.N - s->t->used;
    const rg_vote *lead = &s->t->vote[0];
    if (left > lead->count)
        return NULL; /* an answer nobody gave yet could still win */
    for (size_t i = 1; i < s->t->n_votes; i++) {
        const rg_vote *v = &s->t->vote[i];
        const size_t most = v->count + left;
        if (most > lead->count || (most == lead->count && v->first < lead->first))
            return NULL;
    }
    return left == 0 ? NULL : "the leading answer cannot be caught";
}

static rg_status adaptive_run(rg_search *s, rg_err *e)
{
    return then_vote(s, rg__sample_answers(s, s->o.N, false, decided, e), BY_SUM, one, e);
}

const rg_strategy rg__adaptive = {
    .name = "adaptive",
    .summary = "majority of N that stops when the leader cannot be caught",
    .budget = "at most N answers, often about half; the answer is majority's",
    .run = adaptive_run,
};
