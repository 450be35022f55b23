/* majority.c - the answer that most of N solutions give, within a budget of seconds.
 *
 *     majority MODEL N SECONDS PROBLEM */
#include <rung/rung.h>
#include <stdio.h>
#include <stdlib.h>

static void print_votes(const rg_record *r)
{
    for (size_t i = 0; i < r->run.tree.n_votes; i++)
        printf("%4zu x  %s\n", r->run.tree.vote[i].count, rg_record_vote(r, i)->answer);
    printf("answer  %s\n", r->answer != NULL ? r->answer : "none");
    printf("%zu of %lld solutions, %zu tokens%s\n", r->n, (long long)r->opt.search.N, r->run.gen_tokens,
           r->run.complete ? "" : ", out of time");
}

int main(int argc, char **argv)
{
    rg_err e = RG_ERR_INIT;
    rg_engine *x = NULL;
    rg_record *r = NULL;

    if (argc != 5) {
        fprintf(stderr, "usage: majority MODEL N SECONDS PROBLEM\n");
        return 2;
    }
    const rg_engine_opt eo = { .model = argv[1] };
    const rg_problem problem = { .id = "example", .text = argv[4] };
    rg_solve_opt so = { .method = rg_strategy_find("majority"),
                        .seed = 1,
                        .sampling = RG_SAMPLING_DEFAULTS,
                        .max_tokens = 200,
                        .prompt_style = "auto" };
    rg_search_defaults(&so.search);
    so.search.N = atoll(argv[2]);
    rg_status s = rg_engine_open(&x, &eo, NULL, &e);
    if (s == RG_OK) {
        const rg_call call = { .deadline_ns = rg_now_ns() + (int64_t)(atof(argv[3]) * 1e9) };
        s = rg_solve_text(&r, rg_engine_lm(x), &problem, &so, &call, &e);
    }
    if (r != NULL)
        print_votes(r); /* what was finished when the time ran out counts too */
    if (s != RG_OK)
        fprintf(stderr, "majority: %s\n", e.msg);
    rg_record_free(r);
    rg_engine_close(x);
    return rg_status_exit(s);
}
