/* particle.c - particle filtering and particle Gibbs (spec of test-time scaling, section 6.7).
 *
 * N particles take one step each, are weighed by the logit of their path's value, and N new
 * ones are drawn in proportion to softmax(weight / tau).  Finished particles keep their weight
 * and may be drawn or lost.  Gibbs: several rounds; some particles of a round are references of
 * the next one, where they walk their old path again, always survive, and may be drawn from.
 *
 * Sources: Puri et al., "A probabilistic inference approach to inference-time scaling", 2025,
 * algorithms 1 and 2; Andrieu, Doucet, Holenstein, "Particle Markov chain Monte Carlo", 2010. */
#include <math.h>
#include <string.h>

#include "rung/base/mem.h"
#include "rung/base/rng.h"

#include "search_int.h"

typedef struct particle {
    size_t v;    /* where it stands */
    size_t goal; /* of a reference: the end of its old path; else RG_NO_NODE */
} particle;

typedef struct filter {
    rg_search *s;
    particle *p, *drawn;
    double *weight; /* [N] */
    size_t N, refs; /* particles 0 .. refs - 1 are references */
    uint64_t draws; /* made so far */
    rg__list at, each, got, alone;
} filter;

static void filter_free(filter *f)
{
    rg_free(f->p);
    rg_free(f->drawn);
    rg_free(f->weight);
    rg__list_free(&f->at);
    rg__list_free(&f->each);
    rg__list_free(&f->got);
    rg__list_free(&f->alone);
}

static rg_status filter_new(filter *f, rg_search *s, rg_err *e)
{
    *f = (filter){ .s = s, .N = (size_t)s->o.N };
    f->p = rg_calloc(f->N, sizeof *f->p);
    f->drawn = rg_calloc(f->N, sizeof *f->drawn);
    f->weight = rg_calloc(f->N, sizeof *f->weight);
    if (f->p == NULL || f->drawn == NULL || f->weight == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu particles", f->N);
    for (size_t i = 0; i < f->N; i++)
        f->p[i].goal = RG_NO_NODE;
    return RG_OK;
}

/* ---- a step ---- */

static size_t ancestor_at(const rg_tree *t, size_t v, size_t depth)
{
    while (t->node[v].depth > depth)
        v = t->node[v].parent;
    return v;
}

/* How many free particles stand on each open node: one job a node. */
static rg_status count_places(filter *f, rg_err *e)
{
    const rg_tree *t = f->s->t;
    f->at.n = f->each.n = f->got.n = 0;
    for (size_t i = f->refs; i < f->N; i++) {
        if (t->node[f->p[i].v].terminal)
            continue;
        size_t k = 0;
        while (k < f->at.n && f->at.v[k] != f->p[i].v)
            k++;
        if (k < f->at.n) {
            f->each.v[k]++;
            continue;
        }
        RG_TRY(rg__list_add(&f->at, f->p[i].v, e));
        RG_TRY(rg__list_add(&f->each, 1, e));
    }
    return RG_OK;
}

/* Each particle on node at[k] takes the next of its new children. */
static void move_particles(filter *f)
{
    const rg_tree *t = f->s->t;
    size_t next = 0;
    for (size_t k = 0; k < f->at.n; k++)
        for (size_t i = f->refs; i < f->N; i++)
            if (f->p[i].v == f->at.v[k] && next < f->got.n && t->node[f->got.v[next]].parent == f->at.v[k])
                f->p[i].v = f->got.v[next++];
}

static rg_status step(filter *f, size_t depth, rg_err *e)
{
    static const rg__growth steps = { .want = RG_WANT_STEP };
    const rg_tree *t = f->s->t;
    RG_TRY(count_places(f, e));
    RG_TRY(rg__grow(f->s, f->at.v, f->each.v, f->at.n, &steps, &f->got, e));
    RG_TRY(rg__score(f->s, f->got.v, f->got.n, e));
    move_particles(f);
    for (size_t i = 0; i < f->N; i++) {
        if (i < f->refs)
            f->p[i].v = ancestor_at(t, f->p[i].goal, depth);
        if (f->p[i].v != 0)
            (void)rg__dead_if_cut(f->s, f->p[i].v);
    }
    return RG_OK;
}

static bool all_done(const filter *f)
{
    for (size_t i = 0; i < f->N; i++)
        if (!f->s->t->node[f->p[i].v].terminal)
            return false;
    return true;
}

/* ---- resampling ---- */

static double log_weight(const rg_node *v, rg_scale scale)
{
    if (isnan(v->value) || (v->terminal && v->answer_class == RG_NO_CLASS))
        return -INFINITY; /* a dead end */
    if (scale == RG_LOGIT)
        return v->value;
    const double p = fmin(fmax(v->value, 1e-7), 1 - 1e-7);
    return log(p / (1 - p));
}

/* Cumulative softmax; false when nothing has any weight. */
static bool set_weights(filter *f)
{
    double top = -INFINITY, sum = 0;
    for (size_t i = 0; i < f->N; i++) {
        f->weight[i] = log_weight(&f->s->t->node[f->p[i].v], f->s->sc->scale);
        top = fmax(top, f->weight[i]);
    }
    if (isinf(top))
        return false;
    for (size_t i = 0; i < f->N; i++) {
        sum += exp((f->weight[i] - top) / f->s->o.tau);
        f->weight[i] = sum;
    }
    return true;
}

static size_t draw(filter *f)
{
    const uint64_t stream = f->s->t->node[0].stream;
    const double u = rg_draw_uniform(stream, f->draws++, RG_DRAW_CHOICE) * f->weight[f->N - 1];
    size_t i = 0;
    while (i + 1 < f->N && !(u < f->weight[i]))
        i++;
    return i;
}

static void resample(filter *f)
{
    if (!set_weights(f))
        return;
    for (size_t i = 0; i < f->N; i++) {
        f->drawn[i] = f->p[i];
        if (i >= f->refs)
            f->drawn[i] = (particle){ f->p[draw(f)].v, RG_NO_NODE };
    }
    memcpy(f->p, f->drawn, f->N * sizeof *f->p);
}

/* ---- a round, and rounds ---- */

static rg_status finish_round(filter *f, rg_err *e)
{
    rg_search *s = f->s;
    for (size_t i = f->refs; i < f->N; i++) { /* references voted in their own round */
        const size_t v = f->p[i].v;
        if (!s->t->node[v].terminal)
            rg__dead_end(s, v, RG_F_DEPTH, "the depth is used up");
        else if (s->t->node[v].answer_class != RG_NO_CLASS)
            rg__keep(s, v, "a particle that lasted");
        RG_TRY(rg__finalist(s, v, e));
    }
    return RG_OK;
}

static rg_status one_round(filter *f, rg_err *e)
{
    for (size_t i = 0; i < f->N; i++)
        f->p[i].v = 0;
    for (size_t depth = 1; depth <= (size_t)f->s->o.depth && !all_done(f); depth++) {
        RG_TRY(step(f, depth, e));
        if (!all_done(f))
            resample(f);
    }
    return finish_round(f, e);
}

/* References of the next round, drawn by weight. */
static void choose_references(filter *f)
{
    const size_t refs = RG_MIN((size_t)f->s->o.references, f->N - 1);
    if (!set_weights(f))
        return;
    for (size_t i = 0; i < refs; i++)
        f->drawn[i].goal = f->p[draw(f)].v;
    for (size_t i = 0; i < f->N; i++)
        f->p[i].goal = i < refs ? f->drawn[i].goal : RG_NO_NODE;
    f->refs = refs;
}

static rg_status particle_run(rg_search *s, rg_err *e)
{
    filter f;
    rg_status st = filter_new(&f, s, e);
    for (int64_t round = 0; round < s->o.rounds && st == RG_OK; round++) {
        if (round > 0)
            choose_references(&f);
        st = one_round(&f, e);
    }
    filter_free(&f);
    return rg__then_vote(s, st, e);
}

const rg_strategy rg__particle = {
    .name = "particle",
    .summary = "N particles, redrawn after every step in proportion to their scores (--rounds: Gibbs)",
    .budget = "N x --rounds answers; N steps a level, --depth levels",
    .uses = "budget,depth,agg,vote,tau,rounds,references",
    .needs_scorer = true,
    .by_steps = true,
    .vote = RG_VOTE_MAX,
    .run = particle_run,
};
