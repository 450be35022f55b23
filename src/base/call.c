#include "rung/base/call.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

void rg_cost_add(rg_cost *to, const rg_cost *c)
{
    to->prompt_tokens += c->prompt_tokens;
    to->prompt_computed += c->prompt_computed;
    to->prompt_cached += c->prompt_cached;
    to->gen_tokens += c->gen_tokens;
    to->calls += c->calls;
    to->flops += c->flops;
}

void rg_ledger_add(rg_ledger *to, const rg_ledger *l)
{
    for (int i = 0; i < RG_N_ROLES; i++)
        rg_cost_add(&to->role[i], &l->role[i]);
}

const char *rg_finish_name(rg_finish f)
{
    static const char *const names[] = { "stop_string", "end_token",    "length", "cancelled",
                                         "depth",       "no_candidate", "error",  "doubt" };
    return (size_t)f < sizeof names / sizeof names[0] ? names[f] : "unknown";
}

rg_status rg_call_check(const rg_call *c, rg_err *e)
{
    if (c == NULL)
        return RG_OK;
    if (c->cancel != NULL && atomic_load_explicit(c->cancel, memory_order_relaxed))
        RG_FAIL(e, RG_ECANCEL, "interrupted");
    if (c->deadline_ns != 0 && rg_now_ns() > c->deadline_ns)
        RG_FAIL(e, RG_ELIMIT, "the time budget is used up");
    return RG_OK;
}

void rg_call_emit(const rg_call *c, const rg_event *ev)
{
    if (c != NULL && c->sink != NULL)
        c->sink(c->sink_arg, ev);
}

void rg_call_log(const rg_call *c, rg_level level, const char *room, const char *fmt, ...)
{
    if (c == NULL || c->sink == NULL)
        return;
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    const rg_event ev = { .kind = RG_EV_LOG, .level = level, .room = room, .text = rg_str_of(text) };
    c->sink(c->sink_arg, &ev);
}

static int64_t clock_ns(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t rg_now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

int64_t rg_cpu_ns(void)
{
    return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}
