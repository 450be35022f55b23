/* solve_run.c - ports + strategy + budget -> a tree and what it cost. */
#include <string.h>

#include "rung/solve/solve.h"

void rg_run_free(rg_run *r)
{
    rg_tree_free(&r->tree);
}

static void count(rg_run *r)
{
    for (size_t i = 1; i < r->tree.n; i++) {
        const rg_node *v = &r->tree.node[i];
        r->gen_tokens += v->tokens;
        r->gen_flops += v->flops;
        if (!v->terminal || v->answer_class == RG_NO_CLASS)
            r->wasted_tokens += v->tokens;
    }
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
    count(r);
    return s;
}
