/* cmd_exec.c - `rung exec`: runs code in the sandbox, as a verifier does with a model's. */
#include "cli.h"

#include <string.h>

#include "rung/base/file.h"
#include "rung/base/mem.h"
#include "rung/sandbox/sandbox.h"

enum { MAX_CODE = 1 << 20, MAX_OUT = 64 << 20 };

typedef struct exec_opts {
    const char *code, *python;
    bool blocks, any_import, echo, unsafe;
    int level, codeout, engine;
    double timeout;
    int64_t memory, seed;
} exec_opts;

static const rg_opt exec_table[] = {
    { "code", "e", RG_OPT_STR, offsetof(exec_opts, code), NULL, 0, 0, NULL, "CODE",
      "the code itself, instead of FILE or standard input" },
    { "blocks", NULL, RG_OPT_FLAG, offsetof(exec_opts, blocks), NULL, 0, 0, NULL, NULL,
      "the text is Markdown: run each ```python block of it, in one session" },
    { "timeout", NULL, RG_OPT_FLOAT, offsetof(exec_opts, timeout), "5", 0.1, 30, NULL, "SECONDS",
      "CPU time of a block; twice as much wall time" },
    { "memory", NULL, RG_OPT_INT, offsetof(exec_opts, memory), "1024", 128, 1 << 20, NULL, "MIB",
      "address space of the session" },
    { "level", "sandbox", RG_OPT_ENUM, offsetof(exec_opts, level), "L3", 0, 0, "L1,L2,L3", NULL,
      "L3 all walls, L2 without namespaces, L1 limits only; refused if it cannot be had" },
    { "i-accept-unsafe-code-execution", NULL, RG_OPT_FLAG, offsetof(exec_opts, unsafe), NULL, 0, 0, NULL,
      NULL, "needed for --level L1, which confines nothing" },
    { "any-import", NULL, RG_OPT_FLAG, offsetof(exec_opts, any_import), NULL, 0, 0, NULL, NULL,
      "every module may be imported; the walls stay" },
    { "echo", NULL, RG_OPT_FLAG, offsetof(exec_opts, echo), NULL, 0, 0, NULL, NULL,
      "print the value of a last line that is a bare expression" },
    { "codeout", NULL, RG_OPT_ENUM, offsetof(exec_opts, codeout), "plain", 0, 0, "plain,genprm,detailed",
      NULL, "plain: its output; genprm, detailed: what a verifier's model is shown" },
    { "engine", NULL, RG_OPT_ENUM, offsetof(exec_opts, engine), "python", 0, 0, "python,builtin", NULL,
      "builtin: the small exact evaluator, without Python" },
    { "python", NULL, RG_OPT_STR, offsetof(exec_opts, python), NULL, 0, 0, NULL, "PATH",
      "an interpreter that has sympy" },
    { "seed", "s", RG_OPT_INT, offsetof(exec_opts, seed), "0", 0, 0, NULL, "N",
      "of random and numpy.random" },
    { 0 },
};

typedef struct job {
    const cli_args *a;
    const exec_opts *o;
    rg_session *session;
    rg_call *call;
    rg_buf out;          /* what goes to stdout */
    size_t n;            /* blocks run */
    rg_ran_status worst; /* of the last block that did not end well */
} job;

/* ---- one block ---- */

static void put_plain(job *j, const rg_ran *r)
{
    cli_put_text(&j->out, rg_str_of(r->out));
    if (r->err[0] && !j->a->common.quiet)
        fputs(r->err, stderr);
    if (r->status != RG_RAN_OK)
        cli_error("exec", "%s%s%s: %s", rg_ran_status_name(r->status), r->type[0] ? ": " : "", r->type,
                  r->message);
}

static void put_shown(job *j, const rg_ran *r)
{
    rg_buf text = RG_BUF_MAX(MAX_OUT);
    rg_ran_shown(&text, r, j->o->codeout == 1 ? RG_SHOW_GENPRM : RG_SHOW_DETAILED);
    cli_put_text(&j->out, rg_buf_view(&text));
    if (text.n == 0 || text.p[text.n - 1] != '\n')
        rg_buf_putc(&j->out, '\n');
    rg_buf_free(&text);
}

static rg_status run_block(job *j, rg_str code, rg_err *e)
{
    rg_ran r;
    const rg_status s = rg_session_run(j->session, code, &r, j->call, e);
    if (s == RG_OK) {
        if (r.status != RG_RAN_OK)
            j->worst = r.status;
        if (j->a->common.json) {
            rg_buf_puts(&j->out, j->n ? "," : "");
            rg_ran_json(&j->out, &r);
        } else if (j->o->codeout == 0) {
            put_plain(j, &r);
        } else {
            put_shown(j, &r);
        }
        j->n++;
    }
    rg_ran_free(&r);
    return s;
}

/* ---- where the code comes from ---- */

static rg_status run_text(job *j, rg_str text, const char *name, rg_err *e)
{
    size_t at = 0, n = 0;
    rg_str code;
    if (!j->o->blocks)
        return run_block(j, text, e);
    while (rg_code_block_next(&code, text, &at)) {
        n++;
        RG_TRY(run_block(j, code, e));
    }
    if (n == 0)
        return run_block(j, rg_str_of(""), e);
    rg_call_log(j->call, RG_DEBUG, "exec", "%s: %zu blocks", name, n);
    return RG_OK;
}

static rg_status run_file(job *j, const char *path, rg_err *e)
{
    char *text = NULL;
    size_t n = 0;
    RG_TRY(rg_read_all(&text, &n, path, MAX_CODE, e));
    const rg_status s = run_text(j, rg_str_n(text, n), path, e);
    rg_free(text);
    return s;
}

static rg_status run_all(job *j, rg_err *e)
{
    if (j->o->code && j->a->pos.n > 0)
        RG_FAIL(e, RG_EARG, "both -e and %s: give the code in one way", j->a->pos.item[0]);
    if (j->o->code)
        return run_text(j, rg_str_of(j->o->code), "-e", e);
    if (j->a->pos.n == 0)
        return run_file(j, "-", e);
    for (size_t i = 0; i < j->a->pos.n; i++)
        RG_TRY(run_file(j, j->a->pos.item[i], e));
    return RG_OK;
}

/* ---- the verb ---- */

static rg_status open_box(rg_sandbox **box, const exec_opts *o, rg_call *call, rg_err *e)
{
    rg_sandbox_opt s = RG_SANDBOX_DEFAULTS;
    s.level = (rg_sandbox_level)(o->level + 1);
    s.engine = o->engine == 1 ? RG_ENGINE_BUILTIN : RG_ENGINE_PYTHON;
    s.python = o->python;
    s.any_import = o->any_import;
    s.echo = o->echo;
    s.cpu_ms = (int64_t)(o->timeout * 1000);
    s.memory_bytes = (uint64_t)o->memory << 20;
    if (s.level == RG_SANDBOX_L1 && !o->unsafe)
        RG_FAIL(e, RG_EARG,
                "--level L1 confines nothing: add --i-accept-unsafe-code-execution if that is what you want");
    if (s.level == RG_SANDBOX_L1)
        cli_error("exec", "warning: level L1, the code may do whatever you may");
    return rg_sandbox_open(box, &s, call, e);
}

/* One record, or {"blocks":[...]} when there may be several. */
static rg_status print_all(job *j, rg_err *e)
{
    if (!j->a->common.json)
        return cli_print(&j->out, e);
    const bool many = j->o->blocks || j->a->pos.n > 1;
    rg_buf doc = RG_BUF_MAX(MAX_OUT + 64);
    rg_buf_puts(&doc, many ? "{\"blocks\":[" : "");
    rg_buf_str(&doc, rg_buf_view(&j->out));
    rg_buf_puts(&doc, many ? "]}\n" : "\n");
    rg_buf_free(&j->out);
    return cli_print(&doc, e);
}

/* Ours and the code's own failure are kept apart: 1 is the code's. */
static int exit_code(int ours, rg_ran_status worst)
{
    if (ours != 0 || worst == RG_RAN_OK)
        return ours;
    return worst == RG_RAN_UNAVAILABLE ? rg_status_exit(RG_ESANDBOX) : 1;
}

static int run(const rg_cmd *cmd, int argc, char **argv)
{
    exec_opts o = { 0 };
    const rg_opt_group groups[] = { { "Sandbox", exec_table, &o } };
    cli_args a;
    rg_err e = RG_ERR_INIT;
    rg_sandbox *box = NULL;
    rg_status s;
    const int code = cli_open(&a, cmd, groups, 1, argc, argv);
    if (code >= 0)
        return code;
    rg_call call = cli_call(&a);
    job j = { .a = &a, .o = &o, .call = &call, .out = RG_BUF_MAX(MAX_OUT), .worst = RG_RAN_OK };
    RG_GO(s, done, open_box(&box, &o, &call, &e));
    RG_GO(s, done, rg_session_open(&j.session, box, (uint64_t)o.seed, &e));
    RG_GO(s, done, run_all(&j, &e));
    s = print_all(&j, &e);
done:
    rg_session_close(j.session);
    rg_sandbox_close(box);
    rg_buf_free(&j.out);
    return exit_code(cli_close(&a, s, &e), j.worst);
}

const rg_cmd rg_cmd_exec = { "exec", "run code in the sandbox", "[flags] [FILE ...] | -e CODE", run };
