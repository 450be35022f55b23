/* toy.h - a proposer and a scorer without a model: a child is a hash of (seed, index). */
#ifndef RUNG_TEST_SEARCH_TOY_H
#define RUNG_TEST_SEARCH_TOY_H

#include <math.h>

#include "rung/base/rng.h"
#include "rung/search/search.h"
#include "test.h"

enum { TOY_MAX = 64 };

typedef struct toy {
    uint64_t seed;
    size_t N, classes;     /* classes 0 .. classes - 1 */
    double silent;         /* share of children without an answer */
    double scoreless;      /* share of scores that are NaN */
    bool coarse;           /* scores on a grid of four, so that ties happen */
    size_t die_at;         /* the port fails at this child; SIZE_MAX = never */
    size_t cancel_at;      /* this child and those behind it come back cancelled */
    size_t expanded, told; /* children handed over; those after RG_ENOUGH */
    size_t asked;          /* n of the last job */
    bool greedy;
    size_t scored;
} toy;

static inline double toy_u(const toy *t, size_t i, uint64_t what)
{
    return rg_draw_uniform(t->seed, i * 8 + what, RG_DRAW_NOISE);
}

static inline rg_child toy_child(const toy *t, size_t i)
{
    rg_child c = { .index = i,
                   .stream = t->seed + i,
                   .tokens = 1 + (size_t)(toy_u(t, i, 0) * 50),
                   .flops = 1000.0 * (double)(i + 1),
                   .finish = RG_F_END,
                   .terminal = true,
                   .answer_class = RG_NO_CLASS };
    c.logp = -toy_u(t, i, 1) * (double)c.tokens;
    if (toy_u(t, i, 2) >= t->silent)
        c.answer_class = (int64_t)(toy_u(t, i, 3) * (double)t->classes);
    if (i >= t->cancel_at)
        c.finish = RG_F_CANCELLED;
    return c;
}

static inline double toy_score(const toy *t, size_t i)
{
    const double x = toy_u(t, i, 4);
    return toy_u(t, i, 5) < t->scoreless ? NAN : t->coarse ? floor(x * 4) / 4 : x;
}

/* As the engine does: after RG_ENOUGH the rest come too, cancelled. */
static inline rg_status toy_expand(void *self, const rg_job *jobs, size_t n, rg_on_child on, void *arg,
                                   const rg_call *call, rg_err *e)
{
    toy *t = self;
    bool enough = false;
    (void)call;
    CHECK(n == 1 && jobs->first == 0 && jobs->at->id == 0 && jobs->want == RG_WANT_WHOLE);
    t->asked = jobs->n;
    t->greedy = jobs->greedy;
    for (size_t i = 0; i < jobs->n; i++) {
        if (i == t->die_at)
            RG_FAIL(e, RG_EREMOTE, "child %zu was lost", i);
        rg_child c = toy_child(t, i);
        if (enough)
            c.finish = RG_F_CANCELLED;
        t->told += enough;
        t->expanded++;
        enough |= on(arg, 0, &c) == RG_ENOUGH;
    }
    return t->cancel_at < jobs->n ? rg_err_set(e, RG_ECANCEL, __FILE__, __LINE__, "interrupted") : RG_OK;
}

static inline rg_status toy_score_all(void *self, rg_node **v, size_t n, const rg_call *call, rg_err *e)
{
    toy *t = self;
    (void)call;
    (void)e;
    for (size_t i = 0; i < n; i++)
        v[i]->score = toy_score(t, v[i]->index);
    t->scored += n;
    return RG_OK;
}

static inline rg_status toy_run(rg_tree *out, toy *t, const char *method, rg_err *e)
{
    const rg_proposer p = { .self = t, .expand = toy_expand };
    const rg_scorer sc = { .self = t, .name = "toy", .scale = RG_PROBABILITY, .score = toy_score_all };
    rg_search_opt o;
    rg_search_defaults(&o);
    o.N = (int64_t)t->N;
    return rg_search_run(out, rg_strategy_find(method), &o, &p, &sc, NULL, t->seed, NULL, e);
}

/* What the votes must be, slowly: class -> weight, best first, ties to the first to appear. */
typedef enum slow_by { SLOW_COUNT, SLOW_MAX, SLOW_CONFIDENCE } slow_by;

typedef struct slow {
    int64_t answer;
    size_t speaker; /* index of the candidate; SIZE_MAX = none */
    size_t groups;
} slow;

static inline double slow_weight(const toy *t, size_t k, slow_by by, int64_t class, size_t *count,
                                 size_t *first)
{
    double w = 0, best = -INFINITY;
    *count = 0;
    *first = SIZE_MAX;
    for (size_t i = 0; i < k; i++) {
        const rg_child c = toy_child(t, i);
        const double score = toy_score(t, i);
        if (c.answer_class != class || (by == SLOW_MAX && isnan(score)))
            continue;
        if (*first == SIZE_MAX)
            *first = i;
        ++*count;
        w += by == SLOW_CONFIDENCE ? exp(c.logp / (double)c.tokens) : 1;
        best = score > best ? score : best;
    }
    return by == SLOW_MAX ? best : w;
}

static inline bool slow_better(const toy *t, slow_by by, size_t a, size_t b)
{
    const rg_child x = toy_child(t, a), y = toy_child(t, b);
    if (by == SLOW_CONFIDENCE)
        return exp(x.logp / (double)x.tokens) > exp(y.logp / (double)y.tokens);
    return isnan(toy_score(t, b)) || toy_score(t, a) > toy_score(t, b);
}

static inline slow slow_vote(const toy *t, size_t k, slow_by by)
{
    slow s = { RG_NO_CLASS, SIZE_MAX, 0 };
    double top = -INFINITY;
    size_t top_first = SIZE_MAX;
    for (int64_t class = 0; class < (int64_t)t->classes; class ++) {
        size_t count, first;
        const double w = slow_weight(t, k, by, class, &count, &first);
        if (count == 0)
            continue;
        s.groups++;
        if (w > top || (w == top && first < top_first)) {
            top = w;
            top_first = first;
            s.answer = class;
        }
    }
    for (size_t i = 0; i < k && s.answer != RG_NO_CLASS; i++) {
        if (toy_child(t, i).answer_class != s.answer)
            continue;
        if (s.speaker == SIZE_MAX)
            s.speaker = i;
        if (by != SLOW_COUNT && slow_better(t, by, i, s.speaker))
            s.speaker = i;
    }
    return s;
}

#endif
