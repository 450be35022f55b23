/* chains.c - N chains that never mix: early rejection, and refinement with a critic
 * (spec of test-time scaling, sections 6.8 and 13). */
#include <math.h>

#include "rung/base/mem.h"

#include "search_int.h"

typedef struct chains {
    rg_search *s;
    rg__list tip;  /* of each chain that goes on */
    rg__list each; /* ones */
    rg__list grown;
} chains;

static void chains_free(chains *c)
{
    rg__list_free(&c->tip);
    rg__list_free(&c->each);
    rg__list_free(&c->grown);
}

/* A child of every tip (or n of the root), scored. */
static rg_status advance(chains *c, rg_want want, size_t n_of_root, rg_err *e)
{
    const rg__growth how = { .want = want };
    rg_search *s = c->s;
    const size_t root = 0;
    c->grown.n = c->each.n = 0;
    for (size_t i = 0; i < c->tip.n; i++)
        RG_TRY(rg__list_add(&c->each, 1, e));
    if (n_of_root > 0)
        RG_TRY(rg__grow(s, &root, &n_of_root, 1, &how, &c->grown, e));
    else
        RG_TRY(rg__grow(s, c->tip.v, c->each.v, c->tip.n, &how, &c->grown, e));
    return rg__score(s, c->grown.v, c->grown.n, e);
}

/* ---- early rejection ---- */

static double worst_so_far(const rg_search *s, size_t v)
{
    double least = INFINITY;
    for (size_t i = v; i != 0; i = s->t->node[i].parent)
        least = fmin(least, s->t->node[i].score); /* fmin passes over NaN */
    return least;
}

static rg_status sort_out(chains *c, rg_err *e)
{
    rg_search *s = c->s;
    c->tip.n = 0;
    for (size_t i = 0; i < c->grown.n; i++) {
        const size_t v = c->grown.v[i];
        const bool cut = rg__dead_if_cut(s, v);
        if (!cut && worst_so_far(s, v) < s->o.reject_below)
            rg__dead_end(s, v, RG_F_NO_CANDIDATE, "a step fell below --reject-below");
        else if (!s->t->node[v].terminal) {
            RG_TRY(rg__list_add(&c->tip, v, e));
            continue;
        } else if (!cut)
            rg__keep(s, v, "finished above the bound");
        RG_TRY(rg__finalist(s, v, e));
    }
    return RG_OK;
}

static rg_status reject_run(rg_search *s, rg_err *e)
{
    chains c = { .s = s };
    rg_status st = RG_OK;
    for (int64_t depth = 1; depth <= s->o.depth; depth++) {
        RG_GO(st, done, advance(&c, RG_WANT_STEP, depth == 1 ? (size_t)s->o.N : 0, e));
        RG_GO(st, done, sort_out(&c, e));
        if (c.tip.n == 0)
            break;
    }
    for (size_t i = 0; i < c.tip.n && st == RG_OK; i++) {
        rg__dead_end(s, c.tip.v[i], RG_F_DEPTH, "the depth is used up");
        st = rg__finalist(s, c.tip.v[i], e);
    }
done:
    chains_free(&c);
    return rg__then_vote(s, st, e);
}

const rg_strategy rg__reject = {
    .name = "reject",
    .summary = "N answers step by step; one is dropped as soon as a step scores below --reject-below",
    .budget = "at most N answers of --depth steps; what is dropped early saves its rest",
    .uses = "budget,depth,agg,vote,tau,reject-below",
    .needs_scorer = true,
    .by_steps = true,
    .vote = RG_VOTE_SUM,
    .run = reject_run,
};

/* ---- refinement ---- */

/* The best answer on the way from the root to tip, or the last one. */
static size_t speaker_of(const rg_search *s, size_t tip)
{
    size_t best = tip;
    for (size_t v = tip; v != 0 && s->o.select; v = s->t->node[v].parent)
        if (!rg__better(&s->t->node[best], &s->t->node[v]))
            best = v; /* of equals the earlier turn: no change without need */
    return best;
}

/* Chains whose answer is not good enough yet go on; the others are settled. */
static rg_status settle_good(chains *c, rg__list *settled, rg_err *e)
{
    const rg_tree *t = c->s->t;
    size_t left = 0;
    for (size_t i = 0; i < c->tip.n; i++)
        if (t->node[c->tip.v[i]].value >= c->s->o.good_enough)
            RG_TRY(rg__list_add(settled, c->tip.v[i], e));
        else
            c->tip.v[left++] = c->tip.v[i];
    c->tip.n = left;
    return RG_OK;
}

static rg_status take_grown(chains *c, rg_err *e)
{
    c->tip.n = 0;
    for (size_t i = 0; i < c->grown.n; i++)
        RG_TRY(rg__list_add(&c->tip, c->grown.v[i], e));
    return RG_OK;
}

static rg_status end_chain(rg_search *s, size_t tip, rg_err *e)
{
    const size_t v = speaker_of(s, tip);
    for (size_t u = tip; u != 0; u = s->t->node[u].parent)
        if (u == v)
            rg__keep(s, u, u == tip ? "the last turn" : "the best turn");
        else
            rg__prune(s, u, u > v ? "a revision that was no better" : "revised");
    return rg__finalist(s, v, e);
}

static rg_status refine_run(rg_search *s, rg_err *e)
{
    chains c = { .s = s };
    rg__list settled = { 0 };
    rg_status st = RG_OK;
    RG_GO(st, done, advance(&c, RG_WANT_WHOLE, (size_t)s->o.N, e));
    RG_GO(st, done, take_grown(&c, e));
    for (int64_t turn = 0; turn < s->o.turns; turn++) {
        RG_GO(st, done, settle_good(&c, &settled, e));
        if (c.tip.n == 0)
            break;
        RG_GO(st, done, advance(&c, RG_WANT_REVISION, 0, e));
        RG_GO(st, done, take_grown(&c, e));
    }
    for (size_t i = 0; i < c.tip.n; i++)
        RG_GO(st, done, rg__list_add(&settled, c.tip.v[i], e));
    for (size_t i = 0; i < settled.n; i++)
        RG_GO(st, done, end_chain(s, settled.v[i], e));
done:
    chains_free(&c);
    rg__list_free(&settled);
    return rg__then_vote(s, st, e);
}

const rg_strategy rg__refine = {
    .name = "refine",
    .summary = "N answers, each revised up to --turns times after the scorer's critique",
    .budget = "N x (1 + turns) answers at most; one valued --good-enough is left as it is",
    .uses = "budget,turns,select,good-enough,agg,vote,tau",
    .needs_scorer = true,
    .vote = RG_VOTE_SUM,
    .run = refine_run,
};
