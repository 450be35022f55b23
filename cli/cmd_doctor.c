/* cmd_doctor.c - `rung doctor`: what this machine can do, and what is missing for the rest. */
#include "cli.h"

#include <string.h>
#include <sys/statvfs.h>

#include "rung/base/file.h"
#include "rung/base/mem.h"
#include "rung/bundle/source.h"
#include "rung/lm/machine.h"
#include "rung/sandbox/sandbox.h"

enum { MAX_PAGE = 1 << 20 };

typedef struct doctor_opts {
    int level;
    const char *python;
} doctor_opts;

static const rg_opt doctor_table[] = {
    { "level", "sandbox", RG_OPT_ENUM, offsetof(doctor_opts, level), "L3", 0, 0, "L1,L2,L3", NULL,
      "the sandbox level to try" },
    { "python", NULL, RG_OPT_STR, offsetof(doctor_opts, python), NULL, 0, 0, NULL, "PATH",
      "the interpreter to try" },
    { 0 },
};

typedef struct findings {
    rg_machine machine;
    rg_sandbox_report box;
    char *store; /* folder of the models */
    rg_stored_model *models;
    size_t n_models;
    uint64_t disk_free;  /* bytes where the models lie; 0 = unknown */
    const char *missing; /* what the main job lacks, NULL = nothing */
} findings;

/* ---- looking ---- */

/* Free bytes at the nearest folder that exists; shortens path. */
static uint64_t free_at(char *path)
{
    struct statvfs v;
    while (statvfs(path, &v) != 0) {
        char *slash = strrchr(path, '/');
        if (slash == NULL || slash == path)
            return 0;
        *slash = '\0';
    }
    return (uint64_t)v.f_bavail * v.f_frsize;
}

static rg_status look(findings *f, const doctor_opts *o, rg_err *e)
{
    rg_sandbox_opt box = RG_SANDBOX_DEFAULTS;
    box.level = (rg_sandbox_level)(o->level + 1);
    box.python = o->python;
    rg_machine_look(&f->machine);
    rg_sandbox_probe(&f->box, &box);
    RG_TRY(rg_cache_path(&f->store, "models", e));
    RG_TRY(rg_stored_models(&f->models, &f->n_models, e));
    char *path = rg_strdup(f->store);
    f->disk_free = path ? free_at(path) : 0;
    rg_free(path);
    if (f->n_models == 0)
        f->missing = "no model is here: rung model pull smollm2-135m";
    return RG_OK;
}

/* ---- telling ---- */

static double gib(uint64_t bytes)
{
    return (double)bytes / (1 << 30);
}

static void tell_machine(rg_buf *b, const findings *f)
{
    const rg_machine *m = &f->machine;
    rg_buf_printf(b, "processor  %s\n", m->cpu[0] ? m->cpu : "unknown");
    rg_buf_printf(b, "kernels    %s%s%s%s, %zu threads\n", m->level, m->vnni ? " vnni" : "",
                  m->bf16 ? " bf16" : "", m->gfni ? " gfni" : "", m->threads);
    rg_buf_printf(b, "memory     %.1f GiB free of %.1f; huge pages: %s\n", gib(m->memory_free),
                  gib(m->memory_total), m->huge_pages[0] ? m->huge_pages : "unknown");
    rg_buf_printf(b, "models     %zu in %s, %.1f GiB free there\n", f->n_models, f->store, gib(f->disk_free));
    for (size_t i = 0; i < f->n_models; i++)
        rg_buf_printf(b, "           %-28s %8.2f GiB\n", f->models[i].name, gib(f->models[i].bytes));
    rg_buf_puts(b, "network    not used; rung model pull is the one verb that does\n");
}

static void tell_sandbox(rg_buf *b, const rg_sandbox_report *r)
{
    rg_buf_printf(b, "sandbox    L%d: %s\n", (int)r->level, r->ok ? "yes" : "no");
    for (size_t i = 0; i < r->n; i++)
        rg_buf_printf(b, "           %-3s %-18s %s\n", r->step[i].ok ? "ok" : "NO", r->step[i].name,
                      r->step[i].detail);
    if (r->python[0])
        rg_buf_printf(b, "python     %s\n", r->python);
}

static void put_field(rg_buf *b, const char *name, const char *value)
{
    rg_buf_printf(b, "\"%s\":\"", name);
    rg_buf_json_escape(b, rg_str_of(value));
    rg_buf_puts(b, "\",");
}

static void json_sandbox(rg_buf *b, const rg_sandbox_report *r)
{
    rg_buf_printf(b, "\"sandbox\":{\"level\":%d,\"ok\":%s,\"landlock_abi\":%d,", (int)r->level,
                  r->ok ? "true" : "false", r->landlock_abi);
    put_field(b, "python", r->python);
    put_field(b, "python_version", r->python_version);
    put_field(b, "sympy_version", r->sympy_version);
    rg_buf_puts(b, "\"steps\":[");
    for (size_t i = 0; i < r->n; i++) {
        rg_buf_puts(b, i ? ",{" : "{");
        put_field(b, "name", r->step[i].name);
        put_field(b, "detail", r->step[i].detail);
        rg_buf_printf(b, "\"ok\":%s}", r->step[i].ok ? "true" : "false");
    }
    rg_buf_puts(b, "]}");
}

static const char *yes(bool b)
{
    return b ? "true" : "false";
}

static void json_all(rg_buf *b, const findings *f)
{
    const rg_machine *m = &f->machine;
    rg_buf_putc(b, '{');
    put_field(b, "cpu", m->cpu);
    put_field(b, "level", m->level);
    put_field(b, "huge_pages", m->huge_pages);
    put_field(b, "store", f->store);
    rg_buf_printf(b, "\"vnni\":%s,\"bf16\":%s,\"gfni\":%s,\"threads\":%zu,", yes(m->vnni), yes(m->bf16),
                  yes(m->gfni), m->threads);
    rg_buf_printf(b, "\"memory_total\":%llu,\"memory_free\":%llu,\"disk_free\":%llu,\"models\":[",
                  (unsigned long long)m->memory_total, (unsigned long long)m->memory_free,
                  (unsigned long long)f->disk_free);
    for (size_t i = 0; i < f->n_models; i++) {
        rg_buf_puts(b, i ? ",{" : "{");
        put_field(b, "name", f->models[i].name);
        rg_buf_printf(b, "\"bytes\":%llu}", (unsigned long long)f->models[i].bytes);
    }
    rg_buf_puts(b, "],");
    json_sandbox(b, &f->box);
    rg_buf_printf(b, ",\"network\":\"unused\",\"ok\":%s}\n", yes(f->missing == NULL));
}

static int run(const rg_cmd *cmd, int argc, char **argv)
{
    doctor_opts o = { 0 };
    const rg_opt_group groups[] = { { "Doctor", doctor_table, &o } };
    cli_args a;
    rg_err e = RG_ERR_INIT;
    findings f = { 0 };
    rg_buf b = RG_BUF_MAX(MAX_PAGE);
    rg_status s;
    const int code = cli_open(&a, cmd, groups, 1, argc, argv);
    if (code >= 0)
        return code;
    RG_GO(s, done, cli_want_pos(&a, 0, 0, "no arguments", &e));
    RG_GO(s, done, look(&f, &o, &e));
    if (a.common.json) {
        json_all(&b, &f);
    } else {
        tell_machine(&b, &f);
        tell_sandbox(&b, &f.box);
        rg_buf_printf(&b, "solve      %s\n", f.missing ? f.missing : "works here");
    }
    s = cli_print(&b, &e);
done:
    rg_free(f.store);
    rg_stored_models_free(f.models, f.n_models);
    rg_buf_free(&b);
    const int ours = cli_close(&a, s, &e);
    return ours == 0 && f.missing ? 1 : ours;
}

const rg_cmd rg_cmd_doctor = { "doctor", "say what this machine can do", "[--json]", run };
