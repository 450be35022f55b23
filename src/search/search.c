/* search.c - the tree that strategies grow, and the way into it. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "rung/base/mem.h"

#include "search_int.h"

/* ---- the table of strategies ---- */

static const rg_strategy *const STRATEGIES[] = { &rg__greedy,     &rg__majority, &rg__best_of_n,
                                                 &rg__confidence, &rg__adaptive, NULL };

const rg_strategy *const *rg_strategies(void)
{
    return STRATEGIES;
}

const rg_strategy *rg_strategy_find(const char *name)
{
    for (size_t i = 0; STRATEGIES[i] != NULL; i++)
        if (strcmp(STRATEGIES[i]->name, name) == 0)
            return STRATEGIES[i];
    return NULL;
}

/* ---- the tree ---- */

void rg_tree_free(rg_tree *t)
{
    rg_free(t->node);
    rg_free(t->vote);
    memset(t, 0, sizeof *t);
}

static rg_status push(rg_tree *t, rg_node v, rg_err *e)
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

static void emit(const rg_search *s, rg_event_kind kind, const rg_node *v, double value, const char *why)
{
    const rg_event ev = { .kind = kind,
                          .room = "search",
                          .node = v->id,
                          .parent = v->parent,
                          .value = value,
                          .text = rg_str_of(why) };
    rg_call_emit(s->call, &ev);
}

/* ---- expanding ---- */

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
    const rg_node v = { .parent = 0,
                        .depth = 1,
                        .index = c->index,
                        .stream = c->stream,
                        .tokens = c->tokens,
                        .logp = c->logp,
                        .flops = c->flops,
                        .finish = c->finish,
                        .terminal = c->terminal,
                        .answer_class = c->answer_class,
                        .score = NAN,
                        .handle = c->handle,
                        .kept = true,
                        .reason = "candidate" };
    k->status = push(t, v, k->e);
    if (k->status != RG_OK)
        return RG_ENOUGH;
    t->used = t->n - 1;
    emit(k->s, RG_EV_NODE_DONE, &t->node[t->n - 1], (double)c->tokens, rg_finish_name(c->finish));
    const char *why = k->enough == NULL ? NULL : k->enough(k->s);
    if (why == NULL)
        return RG_GO_ON;
    t->stop = why;
    k->over = true;
    emit(k->s, RG_EV_STOP, &t->node[t->n - 1], (double)t->used, why);
    return RG_ENOUGH;
}

rg_status rg__sample_answers(rg_search *s, size_t N, bool greedy, enough_fn enough, rg_err *e)
{
    taking k = { .s = s, .enough = enough, .e = e };
    rg_node root = s->t->node[0]; /* the table may move while children arrive */
    const rg_job want = { .at = &root, .first = 0, .n = N, .greedy = greedy };
    RG_TRY(s->p->expand(s->p->self, &want, 1, take, &k, s->call, e));
    return k.status;
}

rg_status rg__score_all(rg_search *s, rg_err *e)
{
    rg_tree *t = s->t;
    if (t->n < 2)
        return RG_OK;
    rg_node **v = rg_alloc(t->n - 1, sizeof(rg_node *));
    if (v == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory to score %zu nodes", t->n - 1);
    for (size_t i = 1; i < t->n; i++)
        v[i - 1] = &t->node[i];
    const rg_status st = s->sc->score(s->sc->self, v, t->n - 1, s->call, e);
    for (size_t i = 1; i < t->n && st == RG_OK; i++)
        emit(s, RG_EV_NODE_SCORE, &t->node[i], t->node[i].score, s->sc->name);
    rg_free(v);
    return st;
}

rg_status rg_search_run(rg_tree *t, const rg_strategy *strategy, const rg_search_opt *o, const rg_proposer *p,
                        const rg_scorer *sc, void *root_handle, uint64_t root_stream, const rg_call *call,
                        rg_err *e)
{
    memset(t, 0, sizeof *t);
    t->answer_class = RG_NO_CLASS;
    t->chosen = RG_NO_NODE;
    t->stop = "all candidates done";
    if (strategy->needs_scorer && sc == NULL)
        RG_FAIL(e, RG_EARG, "method %s needs a score to choose by", strategy->name);
    if (o->N == 0)
        RG_FAIL(e, RG_EARG, "-N must be at least 1");
    rg_search s = { .t = t, .o = *o, .p = p, .sc = sc, .call = call };
    const rg_node root = { .parent = RG_NO_NODE,
                           .stream = root_stream,
                           .handle = root_handle,
                           .kept = true,
                           .answer_class = RG_NO_CLASS,
                           .score = NAN,
                           .reason = "root" };
    RG_TRY(push(t, root, e));
    const rg_status ran = strategy->run(&s, e);
    if (ran != RG_OK)
        t->stop = ran == RG_ECANCEL ? "interrupted" : ran == RG_ELIMIT ? "out of time or room" : "failed";
    return ran;
}
