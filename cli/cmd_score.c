/* cmd_score.c - `rung score`: step scores of given solutions by any verifier. */
#include "verifier.h"

#include <string.h>

#include "rung/base/mem.h"
#include "rung/reward/threshold.h"
#include "rung/solve/score.h"

typedef struct opts {
    const char *problem, *file, *solutions;
    int64_t limit, seed;
    int step;
    double threshold;
    bool explain, jsonl, tune;
} opts;

#define O(field) offsetof(opts, field)
static const rg_opt table[] = {
    { "problem", "p", RG_OPT_STR, O(problem), NULL, 0, 0, NULL, "TEXT",
      "the problem; its solution is the argument, -f, or stdin" },
    { "file", "f", RG_OPT_STR, O(file), NULL, 0, 0, NULL, "PATH",
      "a file with one solution as text; - = stdin" },
    { "solutions", NULL, RG_OPT_STR, O(solutions), NULL, 0, 0, NULL, "FILE",
      "solutions, one JSON object a line: problem, and steps or a text; ProcessBench records too" },
    { "limit", "L", RG_OPT_INT, O(limit), "-1", -1, 1 << 30, NULL, "N", "so many records; -1 = all" },
    { "step", NULL, RG_OPT_ENUM, O(step), "blank", 0, 0, "blank,header", NULL,
      "where a solution given as text is cut: at empty lines, at lines 'Step k'" },
    { "threshold", NULL, RG_OPT_FLOAT, O(threshold), "0.5", -1e9, 1e9, NULL, "F",
      "a step is right from it on" },
    { "tune-threshold", NULL, RG_OPT_FLAG, O(tune), NULL, 0, 0, NULL, NULL,
      "of labelled solutions: the threshold with the largest F1, told last" },
    { "explain", NULL, RG_OPT_FLAG, O(explain), NULL, 0, 0, NULL, NULL,
      "where each number was read, and what the verifier wrote" },
    { "jsonl", NULL, RG_OPT_FLAG, O(jsonl), NULL, 0, 0, NULL, NULL, "one object a line" },
    { "seed", "s", RG_OPT_INT, O(seed), "1", 0, 9007199254740991.0, NULL, "N", "of what the verifier draws" },
    { 0 },
};

typedef struct printing {
    cli_args *a;
    const opts *o;
    const rg_verifier *v;
    size_t n, labelled, match;
    rg_labelled *seen; /* the labelled ones, when a threshold is wanted */
} printing;

static rg_status remember(printing *p, const rg_scored *s, rg_err *e)
{
    double *r = rg_alloc(s->n, sizeof *r);
    if (r == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu scores", s->n);
    for (size_t i = 0; i < s->n; i++)
        r[i] = s->verdict[i].r;
    p->seen[p->labelled] = (rg_labelled){ .r = r, .n = s->n, .first_error = s->solution->label };
    return RG_OK;
}

static rg_status on_scored(void *arg, const rg_scored *s, rg_err *e)
{
    printing *p = arg;
    rg_buf b = RG_BUF_MAX((size_t)1 << 30);
    cli_view_end(&p->a->view);
    if (p->a->common.json || p->o->jsonl) {
        rg_scored_json(&b, s, p->v->name);
        rg_buf_putc(&b, '\n');
    } else
        rg_scored_text(&b, s, (size_t)cli_width(stdout), p->o->explain, cli_color(p->a, stdout));
    if (p->seen != NULL && s->solution->labelled)
        RG_TRY(remember(p, s, e));
    p->n++;
    p->labelled += s->solution->labelled;
    p->match += s->solution->labelled && s->solution->label == s->first_error;
    return cli_print(&b, e);
}

static rg_status print_summary(const printing *p, const rg_ledger *cost, rg_err *e)
{
    if (p->a->common.json || p->o->jsonl || p->a->common.quiet)
        return RG_OK;
    rg_buf b = RG_BUF_MAX(1 << 12);
    const rg_cost *c = &cost->role[RG_VERIFIER];
    if (p->labelled > 0)
        rg_buf_printf(&b, "%zu of %zu labels matched\n", p->match, p->labelled);
    rg_buf_printf(&b, "%llu tokens read (%llu computed), %llu written, %.3g FLOP\n",
                  (unsigned long long)c->prompt_tokens, (unsigned long long)c->prompt_computed,
                  (unsigned long long)c->gen_tokens, c->flops);
    return cli_print(&b, e);
}

static rg_status print_threshold(const printing *p, rg_err *e)
{
    rg_threshold t;
    rg_buf b = RG_BUF_MAX(1 << 12);
    RG_TRY(rg_threshold_tune(&t, p->seen, p->labelled, e));
    rg_buf_printf(&b,
                  p->a->common.json || p->o->jsonl
                      ? "{\"threshold\":%.9g,\"f1\":%.9g,\"acc_error\":%.9g,\"acc_correct\":%.9g,"
                        "\"n_error\":%zu,\"n_correct\":%zu}\n"
                      : "--threshold %.9g: F1 %.4f, first errors found %.4f, right ones left alone %.4f "
                        "(%zu and %zu solutions)\n",
                  t.theta, t.f1, t.acc_error, t.acc_correct, t.n_error, t.n_correct);
    return cli_print(&b, e);
}

static void forget_all(printing *p)
{
    for (size_t i = 0; i < p->labelled && p->seen != NULL; i++)
        rg_free((void *)(uintptr_t)p->seen[i].r);
    rg_free(p->seen);
}

/* One solution out of the flags, or the file of them. */
static rg_status read_input(rg_solution *one, char **text, rg_solutions **all, const cli_args *a,
                            const opts *o, rg_err *e)
{
    size_t n;
    if (o->solutions != NULL) {
        if (o->problem != NULL || o->file != NULL)
            RG_FAIL(e, RG_EARG, "give one solution (-p, -f) or a file of them (--solutions), not both");
        RG_TRY(cli_want_pos(a, 0, 0, "no solution beside --solutions", e));
        RG_TRY(rg_solutions_read(all, o->solutions, o->limit < 0 ? SIZE_MAX : (size_t)o->limit, e));
        if (rg_solutions_n(*all) == 0)
            RG_FAIL(e, RG_EARG, "%s holds no solution", o->solutions);
        return RG_OK;
    }
    if (o->problem == NULL)
        RG_FAIL(e, RG_EARG, "which problem? -p TEXT and a solution, or --solutions FILE");
    RG_TRY(cli_text(text, &n, a, NULL, o->file, e));
    *one = (rg_solution){ .id = "solution", .problem = o->problem, .text = *text };
    return RG_OK;
}

static rg_status score(cli_args *a, const opts *o, const cli_model *m, cli_verifier *cv, rg_err *e)
{
    rg_engine *x = NULL;
    rg_solution one;
    rg_solutions *all = NULL;
    const rg_solution **list = NULL;
    char *text = NULL;
    rg_ledger cost = { 0 };
    printing p = { .a = a, .o = o };
    rg_call call = cli_call(a);
    rg_status s = RG_OK;
    if (cv->kind == RG_VERIFIER_NONE)
        RG_FAIL(e, RG_EARG, "which verifier? --verifier is one of %s", strchr(RG_VERIFIER_NAMES, ',') + 1);
    RG_GO(s, done, read_input(&one, &text, &all, a, o, e));
    const size_t n = all == NULL ? 1 : rg_solutions_n(all);
    list = rg_calloc(n, sizeof(const rg_solution *));
    if (list == NULL)
        RG_FAIL_GO(s, done, e, RG_ENOMEM, "no memory for %zu solutions", n);
    for (size_t i = 0; i < n; i++)
        list[i] = all == NULL ? &one : rg_solutions_at(all, i);
    cli_model own = *m;
    if (cv->model != NULL) { /* there is no policy here: the verifier's model is the model */
        own.model = cv->model;
        cv->model = NULL;
    }
    RG_GO(s, done, cli_engine(&x, &own, &call, e));
    RG_GO(s, done, cli_verifier_open(cv, x, m, &call, e));
    cli_first_line(a, x, (uint64_t)o->seed, cv->v->name);
    call.ledger = &cost;
    const rg_score_opt so = { .step = (rg_step_kind)o->step,
                              .threshold = o->threshold,
                              .seed = (uint64_t)o->seed };
    p.v = cv->v;
    if (o->tune && (p.seen = rg_calloc(n, sizeof *p.seen)) == NULL)
        RG_FAIL_GO(s, done, e, RG_ENOMEM, "no memory for %zu solutions", n);
    RG_GO(s, done, rg_score_all(cv->v, list, n, &so, on_scored, &p, &call, e));
    RG_GO(s, done, print_summary(&p, &cost, e));
    if (o->tune)
        s = print_threshold(&p, e);
done:
    forget_all(&p);
    cli_verifier_close(cv);
    rg_engine_close(x);
    rg_solutions_free(all);
    rg_free(list);
    rg_free(text);
    return s;
}

static int run(const rg_cmd *cmd, int argc, char **argv)
{
    opts o;
    cli_model m;
    cli_verifier cv = { 0 };
    rg_opt_group groups[2 + CLI_VERIFIER_GROUPS] = { { "Solutions", table, &o },
                                                     { "Model", cli_model_table, &m } };
    cli_args a;
    rg_err e = RG_ERR_INIT;
    cli_verifier_groups(groups + 2, &cv);
    const int code = cli_open(&a, cmd, groups, RG_COUNT(groups), argc, argv);
    if (code >= 0)
        return code;
    return cli_close(&a, score(&a, &o, &m, &cv, &e), &e);
}

const rg_cmd rg_cmd_score = { "score", "judge the steps of solutions with a verifier",
                              "[flags] -p PROBLEM [SOLUTION] | --solutions FILE", run };
