/* world.h - the toy world of the spec of test-time scaling, section 20: a policy and a verifier
 * without a model, for the real strategies.
 *
 * A problem has H steps.  A step is right with probability p while the prefix is; after the
 * first wrong one the answer is one of six wrong ones, with weights 1 / k^1.2.  The verifier
 * says sigmoid(+-d + gauss), + for a right prefix, fresh noise for each prefix. */
#ifndef RUNG_TEST_SEARCH_WORLD_H
#define RUNG_TEST_SEARCH_WORLD_H

#include <math.h>

#include "rung/base/mem.h"
#include "rung/base/rng.h"
#include "rung/search/search.h"
#include "test.h"

enum { WORLD_STEPS = 8, WORLD_WRONG = 6 };

typedef struct world {
    double p, d;
    size_t tokens_in; /* steps that entered the verifier, each counted once */
    size_t batches;   /* calls of expand */
    size_t mute;      /* this child of each expansion says nothing (counted from 1; 0 = none) */
} world;

/* A node's handle: steps so far, and how many of them are right (from the first on). */
static inline void *world_handle(size_t depth, size_t right)
{
    return (void *)(uintptr_t)(1 + depth * 16 + right);
}

static inline size_t world_depth(const void *h)
{
    return h == NULL ? 0 : ((uintptr_t)h - 1) / 16;
}

static inline size_t world_right(const void *h)
{
    return h == NULL ? 0 : ((uintptr_t)h - 1) % 16;
}

static inline int64_t world_answer(uint64_t stream, bool right)
{
    double sum = 0, u = rg_draw_uniform(stream, 100, RG_DRAW_TOKEN);
    if (right)
        return 0;
    for (int k = 1; k <= WORLD_WRONG; k++)
        sum += pow(k, -1.2);
    u *= sum;
    for (int k = 1; k < WORLD_WRONG; k++)
        if ((u -= pow(k, -1.2)) < 0)
            return k;
    return WORLD_WRONG;
}

static inline rg_child world_child(const world *w, const rg_job *job, size_t index)
{
    rg_child c = { .index = index, .tokens = 1, .flops = 1, .answer_class = RG_NO_CLASS };
    size_t depth = world_depth(job->at->handle), right = world_right(job->at->handle);
    const size_t end = job->want == RG_WANT_STEP ? depth + 1 : WORLD_STEPS;
    c.stream = rg_stream_child(job->at->stream, index);
    for (size_t t = 0; depth < end; depth++, t++)
        right += right == depth && rg_draw_uniform(c.stream, t, RG_DRAW_TOKEN) < w->p;
    c.logp = -0.1;
    c.terminal = depth == WORLD_STEPS;
    c.finish = c.terminal ? RG_F_END : RG_F_STOP;
    if (c.terminal)
        c.answer_class = world_answer(c.stream, right == depth);
    c.handle = world_handle(depth, right);
    if (w->mute == index + 1 && !c.terminal)
        c.finish = RG_F_NO_CANDIDATE;
    return c;
}

static inline rg_status world_expand(void *self, const rg_job *jobs, size_t n, rg_on_child on, void *arg,
                                     const rg_call *call, rg_err *e)
{
    world *w = self;
    (void)call;
    (void)e;
    w->batches++;
    for (size_t j = n; j-- > 0;) /* jobs in any order: ids must not depend on it */
        for (size_t i = 0; i < jobs[j].n; i++) {
            const rg_child c = world_child(w, &jobs[j], jobs[j].first + i);
            on(arg, j, &c);
        }
    return RG_OK;
}

static inline double world_judge(const world *w, uint64_t stream, size_t t, bool right)
{
    const double x = (right ? w->d : -w->d) + rg_draw_normal(stream, t, RG_DRAW_NOISE);
    return 1 / (1 + exp(-x));
}

/* A step gets one score, a whole answer eight. */
static inline rg_status world_score(void *self, rg_node **v, size_t n, const rg_call *call, rg_err *e)
{
    world *w = self;
    (void)call;
    for (size_t i = 0; i < n; i++) {
        const size_t depth = world_depth(v[i]->handle), right = world_right(v[i]->handle);
        double r[WORLD_STEPS];
        if (v[i]->depth == depth) {
            v[i]->score = world_judge(w, v[i]->stream, 0, right == depth);
            w->tokens_in++;
            continue;
        }
        for (size_t t = 0; t < depth; t++)
            r[t] = world_judge(w, v[i]->stream, t, right > t);
        w->tokens_in += depth;
        RG_TRY(rg_node_set_steps(v[i], r, depth, e));
    }
    return RG_OK;
}

static inline void world_search(rg_tree *t, world *w, const char *method, const rg_search_opt *o,
                                uint64_t seed)
{
    const rg_proposer p = { .self = w, .expand = world_expand };
    const rg_scorer sc = { .self = w, .name = "toy verifier", .scale = RG_PROBABILITY, .score = world_score };
    rg_err e = RG_ERR_INIT;
    OK(rg_search_run(t, rg_strategy_find(method), o, &p, &sc, NULL, rg_stream_root(seed, "toy", 3), NULL, &e),
       e);
}

#endif
