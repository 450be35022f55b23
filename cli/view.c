/* view.c - events on stderr: log lines as they come, progress as one live line.
 *
 * Off a terminal the live line would only fill a log, so progress is silent there. */
#include "cli.h"

#include <sched.h>

enum { REDRAW_MS = 100 };

static void lock(cli_view *v)
{
    while (atomic_flag_test_and_set_explicit(&v->busy, memory_order_acquire))
        sched_yield();
}

static void unlock(cli_view *v)
{
    atomic_flag_clear_explicit(&v->busy, memory_order_release);
}

static void erase(cli_view *v)
{
    if (v->drawn_ns != 0)
        fputs("\r\033[K", stderr);
    v->drawn_ns = 0;
}

static void put_safe(rg_str s)
{
    if (s.n == 0)
        return;
    rg_buf b = RG_BUF_MAX(1 << 16);
    rg_buf_terminal_safe(&b, s);
    fputs(b.p && !b.failed ? b.p : "...", stderr);
    rg_buf_free(&b);
}

static void draw_log(cli_view *v, const rg_event *ev)
{
    const rg_level most = v->quiet ? RG_ERROR : v->verbose ? RG_DEBUG : RG_INFO;
    if (ev->level > most)
        return;
    erase(v);
    fprintf(stderr, "rung %s: ", v->verb);
    put_safe(ev->text);
    fputc('\n', stderr);
}

/* 12345678 as "12.3 M" when it is that big. */
static void put_amount(double x)
{
    if (x >= 1e9)
        fprintf(stderr, "%.2f G", x / 1e9);
    else if (x >= 1e6)
        fprintf(stderr, "%.1f M", x / 1e6);
    else
        fprintf(stderr, "%.0f", x);
}

static void put_numbers(const rg_event *ev)
{
    put_safe(ev->subject.n > 40 ? rg_str_n(ev->subject.p + ev->subject.n - 40, 40) : ev->subject);
    fputs(ev->subject.n > 0 ? " " : "", stderr);
    put_amount(ev->value);
    if (ev->total > 0) {
        fputs(" of ", stderr);
        put_amount(ev->total);
        fprintf(stderr, " (%.0f %%)", 100 * ev->value / ev->total);
    }
}

static void draw_progress(cli_view *v, const rg_event *ev)
{
    const int64_t now = rg_now_ns();
    const bool last = ev->total > 0 && ev->value >= ev->total;
    if (!v->live || (v->drawn_ns != 0 && !last && now - v->drawn_ns < REDRAW_MS * 1000000ll))
        return;
    erase(v);
    fprintf(stderr, "rung %s: ", v->verb);
    if (ev->text.n > 0)
        put_safe(ev->text);
    else
        put_numbers(ev);
    fflush(stderr);
    v->drawn_ns = now;
}

void cli_sink(void *view, const rg_event *ev)
{
    cli_view *v = view;
    if (ev->kind != RG_EV_LOG && ev->kind != RG_EV_PROGRESS)
        return;
    lock(v);
    if (ev->kind == RG_EV_LOG)
        draw_log(v, ev);
    else
        draw_progress(v, ev);
    unlock(v);
}

void cli_view_end(cli_view *v)
{
    lock(v);
    erase(v);
    unlock(v);
}
