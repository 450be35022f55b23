/* cmd_solve.c - `rung solve`: the main job. */
#include "page.h"
#include "verifier.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "rung/base/mem.h"
#include "rung/solve/solve.h"
#include "rung/text/prompt.h"

typedef struct opts {
    const char *prompt, *file, *problems, *fields, *gold, *method, *style, *system, *output;
    int64_t start, end, limit, together, step_tokens;
    int score, step;
    double max_time;
    bool tree, jsonl, last_number;
} opts;

#define O(field) offsetof(opts, field)
static const rg_opt table[] = {
    { "prompt", "p", RG_OPT_STR, O(prompt), NULL, 0, 0, NULL, "TEXT", "the problem" },
    { "file", "f", RG_OPT_STR, O(file), NULL, 0, 0, NULL, "PATH",
      "a file with one problem as text; - = stdin" },
    { "problems", NULL, RG_OPT_STR, O(problems), NULL, 0, 0, NULL, "FILE",
      "a file of problems: GSM8K, MATH-500, AIME or AMC records, one JSON object a line" },
    { "fields", NULL, RG_OPT_STR, O(fields), NULL, 0, 0, NULL, "MAP",
      "names of the fields, e.g. problem=question,answer=final_answer" },
    { "start", NULL, RG_OPT_INT, O(start), "0", 0, 1 << 30, NULL, "I", "first record (0-based)" },
    { "end", NULL, RG_OPT_INT, O(end), "-1", -1, 1 << 30, NULL, "J", "record to stop before; -1 = all" },
    { "limit", "L", RG_OPT_INT, O(limit), "-1", -1, 1 << 30, NULL, "N", "so many records; -1 = all" },
    { "gold", NULL, RG_OPT_STR, O(gold), NULL, 0, 0, NULL, "ANSWER", "the right answer of -p, to be graded" },
    { "method", "approach", RG_OPT_STR, O(method), "majority", 0, 0,
      "greedy,majority,best-of-n,confidence,adaptive,beam,dvts,lookahead,mcts,particle,reject,refine", "NAME",
      "strategy, see below" },
    { "score", NULL, RG_OPT_ENUM, O(score), "confidence", 0, 0, RG_SCORE_NAMES, NULL,
      "what steps and answers are valued by: mean token probability, its logarithm, or the right answer "
      "(an upper bound)" },
    { "step", NULL, RG_OPT_ENUM, O(step), "blank", 0, 0, RG_STEP_NAMES, NULL,
      "a step ends at an empty line, at a line 'Step k', or after --step-tokens tokens" },
    { "step-tokens", NULL, RG_OPT_INT, O(step_tokens), "2048", 1, 1e9, NULL, "N",
      "tokens of one step at most" },
    { "prompt-style", NULL, RG_OPT_STR, O(style), "auto", 0, 0, "auto,default,llama3,r1,none", "NAME",
      "how the policy is asked: auto, default, llama3, r1, none" },
    { "system", "sys,system-prompt", RG_OPT_STR, O(system), NULL, 0, 0, NULL, "TEXT",
      "system message instead of the style's" },
    { "last-number", NULL, RG_OPT_FLAG, O(last_number), NULL, 0, 0, NULL, NULL,
      "without any answer mark take the last number (as the Qwen evaluator does)" },
    { "tree", NULL, RG_OPT_FLAG, O(tree), NULL, 0, 0, NULL, NULL, "draw the search; with --json: its nodes" },
    { "output", "o,output-path", RG_OPT_STR, O(output), NULL, 0, 0, NULL, "FILE",
      "append records to FILE and skip those that stand there (with --problems)" },
    { "jsonl", NULL, RG_OPT_FLAG, O(jsonl), NULL, 0, 0, NULL, NULL, "one record a line, the summary last" },
    { "together", NULL, RG_OPT_INT, O(together), "0", 0, 128, NULL, "N",
      "problems at a time; 0 = as many as keep the engine full" },
    { "max-time", NULL, RG_OPT_FLOAT, O(max_time), "0", 0, 1e9, NULL, "S",
      "stop after so many seconds; 0 = never" },
    { 0 },
};

/* ---- the live line ---- */

enum { MAX_SEEN = 6 };

typedef struct live {
    cli_args *a;
    bool many;
    size_t total; /* answers, or problems */
    size_t done, right, graded;
    double tokens;
    int64_t t0;
    struct {
        char answer[24];
        size_t n;
    } seen[MAX_SEEN];
    atomic_flag busy;
} live;

static void count_answer(live *v, rg_str answer)
{
    char text[24];
    if (answer.n == 0)
        answer = rg_str_of("no answer");
    snprintf(text, sizeof text, "%.*s", (int)RG_MIN(answer.n, sizeof text - 1), answer.p);
    for (size_t i = 0; i < MAX_SEEN; i++) {
        if (v->seen[i].n > 0 && strcmp(v->seen[i].answer, text) != 0)
            continue;
        memcpy(v->seen[i].answer, text, sizeof text);
        v->seen[i].n++;
        return;
    }
}

static void draw(live *v)
{
    rg_buf b = RG_BUF_MAX(4096);
    const double s = (double)(rg_now_ns() - v->t0) * 1e-9;
    rg_buf_printf(&b, "%zu of %zu %s", v->done, v->total, v->many ? "problems" : "answers");
    if (v->graded > 0)
        rg_buf_printf(&b, ", %zu right", v->right);
    for (size_t i = 0; i < MAX_SEEN && !v->many && v->seen[i].n > 0; i++)
        rg_buf_printf(&b, "%s %s x%zu", i ? " |" : ":", v->seen[i].answer, v->seen[i].n);
    rg_buf_printf(&b, "   %.0f tokens", v->tokens);
    if (s > 0.5)
        rg_buf_printf(&b, ", %.0f/s", v->tokens / s);
    if (v->many && v->done > 0 && v->done < v->total)
        rg_buf_printf(&b, ", %.0f s to go", s / (double)v->done * (double)(v->total - v->done));
    const rg_event ev = {
        .kind = RG_EV_PROGRESS, .text = rg_buf_view(&b), .value = (double)v->done, .total = (double)v->total
    };
    cli_sink(&v->a->view, &ev);
    rg_buf_free(&b);
}

static void on_event(void *arg, const rg_event *ev)
{
    live *v = arg;
    if (ev->kind == RG_EV_LOG || (ev->kind == RG_EV_PROGRESS && strcmp(ev->room, "solve") != 0)) {
        cli_sink(&v->a->view, ev);
        return;
    }
    const bool answer = ev->kind == RG_EV_NODE_DONE && strcmp(ev->room, "solve") == 0;
    if (ev->kind != RG_EV_TOKENS && ev->kind != RG_EV_PROGRESS && !answer)
        return;
    while (atomic_flag_test_and_set(&v->busy))
        ;
    if (ev->kind == RG_EV_TOKENS)
        v->tokens += ev->value;
    else if (ev->kind == RG_EV_PROGRESS)
        v->done = (size_t)ev->value;
    else if (!v->many) {
        v->done++;
        count_answer(v, ev->text);
    }
    draw(v);
    atomic_flag_clear(&v->busy);
}

/* ---- options ---- */

/* A method's line, what its budget means, and the flags of the search that it reads. */
static void put_method(rg_buf *b, const rg_strategy *s)
{
    rg_buf_printf(b, "%s  %-12s %s\n               %s", b->n > 0 ? "\n" : "", s->name, s->summary, s->budget);
    const char *before = "\n               flags: ";
    for (const rg_opt *x = rg_search_table; x->name != NULL; x++)
        if (rg_strategy_uses(s, x->name)) {
            const bool letter = x->aliases != NULL && strcspn(x->aliases, ",") == 1;
            rg_buf_printf(b, "%s%s%.*s", before, letter ? "-" : "--", letter ? 1 : 40,
                          letter ? x->aliases : x->name);
            before = ", ";
        }
    rg_buf_puts(b, s->by_steps ? ", --step, --step-tokens" : "");
}

static void put_methods(rg_buf *b)
{
    for (const rg_strategy *const *s = rg_strategies(); *s != NULL; s++)
        put_method(b, *s);
}

/* What --method may be, behind the flags of --help and of the manual. */
static void help_methods(bool manual)
{
    rg_buf b = RG_BUF_MAX(1 << 16), section = RG_BUF_MAX(1 << 16);
    put_methods(&b);
    if (manual)
        cli_man_section(&section, "METHODS", b.p != NULL ? b.p : "");
    else
        rg_buf_printf(&section, "\nMethods (--method):\n%s\n", b.p != NULL ? b.p : "");
    rg_buf_free(&b);
    (void)cli_put_page(&section);
}

static rg_status solve_opt(rg_solve_opt *so, const opts *o, const rg_search_opt *search,
                           const cli_sampling *sm, const rg_sampling *sampling, const cli_model *m,
                           uint64_t seed, rg_err *e)
{
    const rg_strategy *method = rg_strategy_find(o->method);
    if (method == NULL) {
        const char *names[32];
        size_t n = 0;
        rg_buf near = RG_BUF_MAX(256);
        for (const rg_strategy *const *s = rg_strategies(); *s != NULL && n < RG_COUNT(names); s++)
            names[n++] = (*s)->name;
        rg_nearest(&near, o->method, names, n);
        (void)rg_err_set(e, RG_EARG, __FILE__, __LINE__,
                         "--method %s is not known; the nearest is %s, all are in 'rung help solve'",
                         o->method, near.p == NULL ? "majority" : near.p);
        rg_buf_free(&near);
        return RG_EARG;
    }
    *so = (rg_solve_opt){ .method = method,
                          .search = *search,
                          .step = (rg_step_kind)o->step,
                          .step_tokens = (size_t)o->step_tokens,
                          .seed = seed,
                          .sampling = *sampling,
                          .max_tokens = (size_t)sm->max_tokens,
                          .score = (rg_score_kind)o->score,
                          .prompt_style = o->style,
                          .system = o->system,
                          .stop = sm->stop.item,
                          .n_stop = sm->stop.n,
                          .last_number = o->last_number,
                          .exact = m->exact,
                          .now_unix = time(NULL) };
    return RG_OK;
}

/* A flag that the method does not read is a mistake worth a sentence, not silence. */
static rg_status check_used(const cli_args *a, const rg_strategy *method, rg_err *e)
{
    for (const rg_opt *x = rg_search_table; x->name != NULL; x++)
        if (rg_opts_given(a->opts, x->name) && !rg_strategy_uses(method, x->name) &&
            strcmp(x->name, "budget") != 0)
            RG_FAIL(e, RG_EARG, "--%s means nothing to method %s, which reads %s", x->name, method->name,
                    method->uses[0] == '\0' ? "none of the search flags" : method->uses);
    return RG_OK;
}

/* ---- one problem ---- */

static rg_status print_record(const cli_args *a, const opts *o, const rg_record *r, rg_err *e)
{
    rg_buf b = RG_BUF_MAX((size_t)1 << 30);
    if (a->common.json || o->jsonl) {
        rg_record_json(&b, r, o->tree);
        rg_buf_putc(&b, '\n');
    } else {
        if (o->tree)
            rg_record_tree(&b, r, (size_t)cli_width(stdout), cli_color(a, stdout));
        rg_record_text(&b, r, a->common.quiet);
    }
    return cli_print(&b, e);
}

static rg_status solve_one(cli_args *a, const opts *o, rg_engine *x, const rg_solve_opt *so,
                           const rg_call *call, const char *text, rg_err *e)
{
    const rg_problem p = { .id = "problem", .text = text, .gold = o->gold };
    rg_record *r = NULL;
    const rg_status s = rg_solve_text(&r, rg_engine_lm(x), &p, so, call, e);
    cli_view_end(&a->view);
    if (r == NULL)
        return s;
    rg_err print_err = RG_ERR_INIT;
    const rg_status printed = print_record(a, o, r, s == RG_OK ? e : &print_err);
    rg_record_free(r);
    return s != RG_OK ? s : printed;
}

/* ---- many ---- */

typedef struct filing {
    cli_args *a;
    const opts *o;
    live *v;
    rg_outfile *f;
    bool nobody_reads; /* stdout was closed, and there is no file */
} filing;

static rg_status print_line(cli_args *a, const rg_record *r, rg_err *e)
{
    rg_buf b = RG_BUF_MAX(1 << 20);
    cli_view_end(&a->view);
    cli_put_text(&b, rg_str_of(r->id));
    rg_buf_printf(&b, "%*s ", b.n < 20 ? (int)(20 - b.n) : 0, "");
    const size_t at = b.n;
    cli_put_text(&b, rg_str_of(r->answer == NULL ? "(none)" : r->answer));
    if (r->correct >= 0)
        rg_buf_printf(&b, "%*s %s", b.n - at < 16 ? (int)(16 - (b.n - at)) : 0, "",
                      r->correct ? "right" : "wrong");
    rg_buf_putc(&b, '\n');
    return cli_print(&b, e);
}

static rg_status on_record(void *arg, const rg_record *r, rg_err *e)
{
    filing *x = arg;
    while (atomic_flag_test_and_set(&x->v->busy))
        ;
    x->v->graded += r->correct >= 0;
    x->v->right += r->correct == 1;
    atomic_flag_clear(&x->v->busy);
    if (x->f != NULL)
        RG_TRY(rg_outfile_append(x->f, r, x->o->tree, e));
    if (x->o->jsonl)
        RG_TRY(print_record(x->a, x->o, r, e));
    else if (x->f == NULL && !x->a->common.json)
        RG_TRY(print_line(x->a, r, e));
    x->nobody_reads = x->f == NULL && ferror(stdout);
    return x->nobody_reads ? RG_ECANCEL : RG_OK;
}

static rg_status pick(const rg_problem ***out, size_t *n, const rg_problems *all, const rg_outfile *f,
                      rg_err *e)
{
    *n = 0;
    *out = rg_calloc(rg_problems_n(all), sizeof(rg_problem *));
    if (*out == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu problems", rg_problems_n(all));
    for (size_t i = 0; i < rg_problems_n(all); i++)
        if (f == NULL || !rg_outfile_has(f, rg_problems_at(all, i)))
            (*out)[(*n)++] = rg_problems_at(all, i);
    return RG_OK;
}

static rg_status print_summary(const cli_args *a, const opts *o, const rg_summary *sum, rg_err *e)
{
    rg_buf b = RG_BUF_MAX(1 << 16);
    if (a->common.json || o->jsonl) {
        rg_summary_json(&b, sum);
        rg_buf_putc(&b, '\n');
    } else
        rg_summary_text(&b, sum);
    return cli_print(&b, e);
}

/* Those that stand in the file already count in the summary. */
static void add_done(const filing *fl, rg_summary *sum, const rg_problems *all, size_t todo,
                     const rg_call *call)
{
    const size_t n = rg_problems_n(all);
    if (fl->f == NULL || todo == n)
        return;
    rg_call_log(call, RG_INFO, "solve", "%zu of %zu problems stand in %s already", n - todo, n,
                fl->o->output);
    for (size_t i = 0; i < n; i++)
        rg_outfile_add_to(fl->f, rg_problems_at(all, i), sum);
}

static rg_status solve_file(cli_args *a, const opts *o, rg_engine *x, const rg_solve_opt *so,
                            const rg_call *call, live *v, const rg_problems *all, size_t *failed, rg_err *e)
{
    char config[17];
    const rg_problem **todo = NULL;
    filing fl = { .a = a, .o = o, .v = v };
    rg_summary sum = { 0 };
    rg_status s = RG_OK;
    size_t n = 0;
    if (o->output != NULL) {
        RG_GO(s, done, rg_solve_config(config, rg_engine_lm(x), so, e));
        RG_GO(s, done, rg_outfile_open(&fl.f, o->output, config, e));
    }
    RG_GO(s, done, pick(&todo, &n, all, fl.f, e));
    add_done(&fl, &sum, all, n, call);
    v->total = n;
    s = rg_solve_many(&sum, rg_engine_lm(x), todo, n, so, (size_t)o->together, on_record, &fl, call, e);
    cli_view_end(&a->view);
    rg_summary_finish(&sum);
    *failed = sum.failed;
    if (fl.nobody_reads) {
        s = RG_OK;
        goto done;
    }
    rg_err print_err = RG_ERR_INIT;
    const rg_status printed = print_summary(a, o, &sum, s == RG_OK ? e : &print_err);
    s = s != RG_OK ? s : printed;
done:
    rg_outfile_close(fl.f);
    rg_free(todo);
    return s;
}

/* ---- the verb ---- */

/* What can be said before a model is loaded. */
static rg_status check(const opts *o, rg_err *e)
{
    if (o->output != NULL && o->problems == NULL)
        RG_FAIL(e, RG_EARG, "-o goes with --problems; one record goes to stdout with --json");
    if (o->output != NULL && strcmp(o->output, "-") == 0)
        RG_FAIL(e, RG_EARG, "-o wants a file; --jsonl puts the records on stdout");
    if (o->problems != NULL && (o->prompt != NULL || o->file != NULL))
        RG_FAIL(e, RG_EARG, "give one problem (-p, -f) or a file of them (--problems), not both");
    if (o->problems == NULL && o->score == RG_SCORE_ORACLE && o->gold == NULL)
        RG_FAIL(e, RG_EARG, "--score oracle needs the right answer: give it with --gold");
    if (strcmp(o->style, "auto") != 0 && rg_policy_prompt_find(o->style) == NULL)
        RG_FAIL(e, RG_EARG, "--prompt-style %s is not one of auto, default, llama3, r1, none", o->style);
    return RG_OK;
}

/* The problem, or the file of them. */
static rg_status read_input(char **text, rg_problems **all, const cli_args *a, const opts *o, rg_err *e)
{
    size_t n = 0, end = o->end < 0 ? SIZE_MAX : (size_t)o->end;
    if (o->problems != NULL) {
        if (o->limit >= 0)
            end = RG_MIN(end, (size_t)o->start + (size_t)o->limit);
        RG_TRY(cli_want_pos(a, 0, 0, "no problem beside --problems", e));
        RG_TRY(rg_problems_read(all, o->problems, o->fields, (size_t)o->start, end, e));
        if (rg_problems_n(*all) == 0)
            RG_FAIL(e, RG_EARG, "%s has no record from --start %lld on", o->problems, (long long)o->start);
        return RG_OK;
    }
    RG_TRY(cli_text(text, &n, a, o->prompt, o->file, e));
    if (memchr(*text, '\0', n) != NULL)
        RG_FAIL(e, RG_EFORMAT, "the problem holds a zero byte: it is not text");
    if (rg_str_trim(rg_str_n(*text, n)).n == 0)
        RG_FAIL(e, RG_EARG, "the problem is empty: there is nothing to solve");
    return RG_OK;
}

static rg_status solve(cli_args *a, const opts *o, const rg_search_opt *search, const cli_model *m,
                       const cli_sampling *sm, cli_verifier *cv, live *v, size_t *failed, rg_err *e)
{
    rg_engine *x = NULL;
    rg_sampling sampling;
    rg_bias *bias = NULL;
    rg_solve_opt so;
    rg_problems *all = NULL;
    char *text = NULL, what[128];
    rg_status s = RG_OK;
    const uint64_t seed = cli_seed(sm);
    rg_call call = cli_call(a);
    RG_GO(s, done, check(o, e));
    RG_GO(s, done, cli_sampling_of(&sampling, &bias, sm, e));
    RG_GO(s, done, solve_opt(&so, o, search, sm, &sampling, m, seed, e));
    RG_GO(s, done, read_input(&text, &all, a, o, e));
    RG_GO(s, done, cli_engine(&x, m, &call, e));
    RG_GO(s, done, cli_verifier_open(cv, x, m, &call, e));
    so.verifier = cv->v;
    v->total = so.method->only_one ? 1 : (size_t)so.search.N;
    RG_GO(s, done, check_used(a, so.method, e));
    if (cv->v != NULL && !so.method->needs_scorer)
        RG_FAIL_GO(s, done, e, RG_EARG, "method %s asks no verifier; best-of-n, beam, dvts and others do",
                   so.method->name);
    if (cv->v != NULL && rg_opts_given(a->opts, "score"))
        RG_FAIL_GO(s, done, e, RG_EARG,
                   "--score and --verifier both say what values steps: give one of them");
    snprintf(what, sizeof what, "%s, N = %zu", so.method->name, v->total);
    cli_view_end(&a->view);
    cli_first_line(a, x, seed, what);
    v->t0 = rg_now_ns();
    call.sink = on_event;
    call.sink_arg = v;
    if (o->max_time > 0)
        call.deadline_ns = rg_now_ns() + (int64_t)(o->max_time * 1e9);
    s = all != NULL ? solve_file(a, o, x, &so, &call, v, all, failed, e)
                    : solve_one(a, o, x, &so, &call, text, e);
done:
    rg_free(text);
    rg_problems_free(all);
    rg_free(bias);
    cli_verifier_close(cv);
    rg_engine_close(x);
    return s;
}

static int run(const rg_cmd *cmd, int argc, char **argv)
{
    opts o;
    rg_search_opt search;
    cli_model m;
    cli_sampling sm;
    cli_verifier cv = { 0 };
    rg_opt_group groups[4 + CLI_VERIFIER_GROUPS] = { { "Problem", table, &o },
                                                     { "Search", rg_search_table, &search },
                                                     { "Sampling", cli_search_sampling_table, &sm },
                                                     { "Model", cli_model_table, &m } };
    cli_verifier_groups(groups + 4, &cv);
    cli_args a;
    rg_err e = RG_ERR_INIT;
    size_t failed = 0;
    const int code = cli_open(&a, cmd, groups, RG_COUNT(groups), argc, argv);
    const char *format = cli_asked_format(argc, argv);
    if (code == 0 && (cli_asks_for_help(argc, argv) || (format != NULL && strcmp(format, "man") == 0)))
        help_methods(format != NULL);
    if (code >= 0)
        return code;
    live v = { .a = &a, .many = o.problems != NULL, .busy = ATOMIC_FLAG_INIT };
    const rg_status s = solve(&a, &o, &search, &m, &sm, &cv, &v, &failed, &e);
    const int rc = cli_close(&a, s, &e);
    return rc == 0 && failed > 0 ? 7 : rc;
}

const rg_cmd rg_cmd_solve = { "solve", "answer a problem, or a file of them, by search",
                              "[flags] [PROBLEM] | --problems FILE", run };
