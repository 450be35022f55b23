/* show.c - results as the model, a person and a record read them; blocks of code out of a text. */
#include <string.h>

#include "rung/base/mem.h"
#include "rung/sandbox/sandbox.h"

static const char *const NAMES[RG_RAN_N] = { "ok",      "error",   "timeout",     "oom",
                                             "blocked", "no_code", "unavailable", "output_limit" };

const char *rg_ran_status_name(rg_ran_status s)
{
    return (unsigned)s < RG_RAN_N ? NAMES[s] : "?";
}

void rg_ran_free(rg_ran *r)
{
    rg_free(r->out);
    rg_free(r->err);
    rg_free(r->message);
    memset(r, 0, sizeof *r);
}

static const char *text(const char *s)
{
    return s ? s : "";
}

static void put_fault(rg_buf *b, const rg_ran *r, const char *before)
{
    rg_buf_printf(b, "%s%s: %s", before, r->type[0] ? r->type : rg_ran_status_name(r->status),
                  text(r->message));
}

static void show_genprm(rg_buf *b, const rg_ran *r)
{
    switch (r->status) {
    case RG_RAN_OK: rg_buf_str(b, rg_str_trim(rg_str_of(text(r->out)))); break;
    case RG_RAN_TIMEOUT: rg_buf_printf(b, "Code execute time out: %s", text(r->message)); break;
    case RG_RAN_NO_CODE: rg_buf_puts(b, "Code format error: No code found."); break;
    default: put_fault(b, r, "Code execute Error: ");
    }
}

static void show_detailed(rg_buf *b, const rg_ran *r)
{
    rg_buf_puts(b, text(r->out));
    if (b->n > 0 && b->p && b->p[b->n - 1] != '\n')
        rg_buf_putc(b, '\n');
    if (r->fresh)
        rg_buf_puts(b, "[the session started anew: earlier variables are gone]\n");
    if (r->status == RG_RAN_OK)
        return;
    rg_buf_printf(b, "[%s", rg_ran_status_name(r->status));
    if (r->type[0])
        rg_buf_printf(b, ": %s", r->type);
    if (text(r->message)[0])
        rg_buf_printf(b, ": %s", r->message);
    rg_buf_printf(b, "] after %lld ms of CPU time\n", (long long)r->cpu_ms);
}

void rg_ran_shown(rg_buf *b, const rg_ran *r, rg_show how)
{
    if (how == RG_SHOW_GENPRM)
        show_genprm(b, r);
    else
        show_detailed(b, r);
}

static void put_text(rg_buf *b, const char *name, const char *value)
{
    rg_buf_printf(b, "\"%s\":\"", name);
    rg_buf_json_escape(b, rg_str_of(text(value)));
    rg_buf_puts(b, "\",");
}

void rg_ran_json(rg_buf *b, const rg_ran *r)
{
    rg_buf_printf(b, "{\"status\":\"%s\",", rg_ran_status_name(r->status));
    put_text(b, "stdout", r->out);
    put_text(b, "stderr", r->err);
    put_text(b, "exception_type", r->type);
    put_text(b, "message", r->message);
    rg_buf_printf(
        b, "\"cpu_ms\":%lld,\"wall_ms\":%lld,\"level\":%d,\"truncated\":%s,\"fresh\":%s,\"cached\":%s}",
        (long long)r->cpu_ms, (long long)r->wall_ms, r->level, r->truncated ? "true" : "false",
        r->fresh ? "true" : "false", r->cached ? "true" : "false");
}

/* ---- fences ---- */

/* The line that starts at `at`, without its end. */
static rg_str line_at(rg_str t, size_t at)
{
    const rg_str rest = rg_str_n(t.p + at, t.n - at);
    return rg_str_n(rest.p, RG_MIN(rg_str_find(rest, rg_str_of("\n")), rest.n));
}

static bool opens(rg_str line)
{
    line = rg_str_trim(line);
    if (!rg_str_starts(line, "```"))
        return false;
    const rg_str word = rg_str_trim(rg_str_n(line.p + 3, line.n - 3));
    return rg_str_is(word, "python") || rg_str_is(word, "py") || rg_str_is(word, "python3");
}

bool rg_code_block_next(rg_str *code, rg_str t, size_t *at)
{
    size_t from = SIZE_MAX, i = *at;
    while (i < t.n) {
        const rg_str line = line_at(t, i);
        const size_t next = RG_MIN(i + line.n + 1, t.n);
        if (from == SIZE_MAX && opens(line)) {
            from = next;
        } else if (from != SIZE_MAX && rg_str_is(rg_str_trim(line), "```")) {
            *code = rg_str_n(t.p + from, i - from);
            *at = next;
            return true;
        }
        i = next;
    }
    *at = t.n;
    if (from == SIZE_MAX)
        return false;
    *code = rg_str_n(t.p + from, t.n - from);
    return true;
}
