/* solve_run.c - ports + strategy + budget -> a tree and what it cost. */
#include <string.h>

#include "rung/base/mem.h"
#include "rung/solve/solve.h"

void rg_run_free(rg_run *r)
{
    rg_tree_free(&r->tree);
}

/* A token is wasted unless a finalist's path with an answer goes through it. */
static rg_status count(rg_run *r, rg_err *e)
{
    const rg_tree *t = &r->tree;
    bool *useful = rg_calloc(RG_MAX(t->n, (size_t)1), sizeof *useful);
    if (useful == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory to count %zu nodes", t->n);
    for (size_t i = 0; i < t->n_final; i++) {
        if (t->node[t->final[i]].answer_class == RG_NO_CLASS)
            continue;
        for (size_t v = t->final[i]; v != 0 && !useful[v]; v = t->node[v].parent)
            useful[v] = true;
    }
    for (size_t i = 1; i < t->n; i++) {
        r->gen_tokens += t->node[i].tokens;
        r->gen_flops += t->node[i].flops;
        r->wasted_tokens += useful[i] ? 0 : t->node[i].tokens;
    }
    rg_free(useful);
    return RG_OK;
}

rg_status rg_solve_run(rg_run *r, const rg_strategy *strategy, const rg_search_opt *o, const rg_proposer *p,
                       const rg_scorer *sc, void *root_handle, uint64_t root_stream, const rg_call *call,
                       rg_err *e)
{
    memset(r, 0, sizeof *r);
    const int64_t t0 = rg_now_ns();
    rg_search_opt opt = *o;
    if (strategy->only_one)
        opt.N = 1;
    const rg_status s = rg_search_run(&r->tree, strategy, &opt, p, sc, root_handle, root_stream, call, e);
    r->wall_s = (double)(rg_now_ns() - t0) * 1e-9;
    r->complete = s == RG_OK;
    const rg_status counted = count(r, s == RG_OK ? e : NULL);
    return s == RG_OK ? counted : s;
}
