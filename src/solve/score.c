/* score.c - given solutions through a verifier: cut, judged a batch at a time, told in order. */
#include "rung/solve/score.h"

#include <math.h>
#include <string.h>

#include "rung/base/rng.h"

#include "text_ports.h"

enum { TOGETHER = 16 };

typedef struct item {
    rg_scored s;
    rg_steps all, seen;
    rg_judgement *verdict;
} item;

static void item_free(item *x)
{
    rg_steps_free(&x->all);
    rg_steps_free(&x->seen);
    rg_free(x->verdict);
}

static rg_status prepare(item *x, const rg_solution *s, const rg_score_opt *o, rg_err *e)
{
    const rg_step_rule rule = { .style = o->step == RG_STEPS_HEADER ? RG_STEP_HEADER : RG_STEP_BLANK };
    x->s.solution = s;
    if (s->step != NULL) {
        x->s.step = s->step;
        x->s.n = s->n;
    } else {
        RG_TRY(rg_steps_split(&x->all, rg_str_of(s->text), &rule, e));
        RG_TRY(rg_steps_trimmed(&x->seen, NULL, &x->all, &rule, e));
        x->s.step = x->seen.step;
        x->s.n = x->seen.n;
    }
    if (x->s.n == 0)
        RG_FAIL(e, RG_EFORMAT, "%s: the solution is empty, there is no step to score", s->id);
    x->verdict = rg_calloc(x->s.n, sizeof *x->verdict);
    if (x->verdict == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu verdicts", x->s.n);
    for (size_t i = 0; i < x->s.n; i++)
        x->verdict[i] = (rg_judgement){ .r = NAN, .token = SIZE_MAX };
    x->s.verdict = x->verdict;
    return RG_OK;
}

static void conclude(rg_scored *s, double threshold, bool whole_only)
{
    s->first_error = -1;
    for (size_t i = 0; i < s->n; i++) {
        s->n_nan += isnan(s->verdict[i].r) && (!whole_only || i + 1 == s->n) ? 1 : 0;
        if (s->first_error < 0 && s->verdict[i].r < threshold)
            s->first_error = (int64_t)i;
    }
}

static rg_status judge(rg_verifier *v, item *x, size_t n, const rg_score_opt *o, const rg_call *call,
                       rg_err *e, rg_judging *session)
{
    rg_path path[TOGETHER];
    rg_judgement *out[TOGETHER];
    for (size_t i = 0; i < n; i++) {
        const rg_solution *s = x[i].s.solution;
        path[i] = (rg_path){ .problem = rg_str_of(s->problem),
                             .step = x[i].s.step,
                             .n = x[i].s.n,
                             .whole = true,
                             .stream = rg_stream_root(o->seed, s->id, strlen(s->id)) };
        out[i] = x[i].verdict;
    }
    return v->judge(session, path, n, out, call, e);
}

/* One session a batch: nothing grows with the number of solutions. */
static rg_status score_batch(rg_verifier *v, const rg_solution *const *solution, size_t n,
                             const rg_score_opt *o, rg_on_scored on, void *arg, const rg_call *call,
                             rg_err *e)
{
    item x[TOGETHER];
    rg_judging *session = NULL;
    rg_status s = RG_OK;
    memset(x, 0, sizeof x);
    for (size_t i = 0; i < n; i++)
        RG_GO(s, done, prepare(&x[i], solution[i], o, e));
    RG_GO(s, done, v->open(&session, v, e));
    RG_GO(s, done, judge(v, x, n, o, call, e, session));
    for (size_t i = 0; i < n; i++) {
        conclude(&x[i].s, o->threshold, v->whole_only);
        RG_GO(s, done, on(arg, &x[i].s, e));
    }
done:
    if (session != NULL)
        v->close(session);
    for (size_t i = 0; i < n; i++)
        item_free(&x[i]);
    return s;
}

rg_status rg_score_all(rg_verifier *v, const rg_solution *const *solution, size_t n, const rg_score_opt *o,
                       rg_on_scored on, void *arg, const rg_call *call, rg_err *e)
{
    const size_t each = o->together == 0 ? (size_t)TOGETHER : RG_MIN(o->together, (size_t)TOGETHER);
    rg_call mine = call == NULL ? (rg_call){ 0 } : *call;
    mine.role = RG_VERIFIER;
    for (size_t done = 0; done < n;) {
        const size_t some = RG_MIN(each, n - done);
        RG_TRY(score_batch(v, solution + done, some, o, on, arg, &mine, e));
        done += some;
        const rg_event ev = { .kind = RG_EV_PROGRESS,
                              .room = "solve",
                              .subject = rg_str_of("solutions"),
                              .value = (double)done,
                              .total = (double)n };
        rg_call_emit(call, &ev);
    }
    return RG_OK;
}

/* ---- as JSON ---- */

static void put_flags(rg_buf *b, unsigned flags)
{
    rg__put_open(b, "flags", '[');
    for (unsigned f = 1; rg_verdict_flag_name(f) != NULL; f <<= 1)
        if (flags & f)
            rg__put_str(b, NULL, rg_verdict_flag_name(f));
    rg_buf_putc(b, ']');
}

static void put_rationale(rg_buf *b, const rg_rationale *r)
{
    rg__put_open(b, NULL, '{');
    rg__put_str(b, "text", r->text);
    rg__put_num(b, "r", r->r);
    rg__put_str(b, "decision", r->decision < 0 ? NULL : r->decision ? "Yes" : "No");
    rg__put_open(b, "code", '[');
    for (size_t i = 0; i < r->n_code; i++) {
        rg__put_open(b, NULL, '{');
        rg__put_str(b, "source", r->code[i].source);
        rg__put_str(b, "status", r->code[i].status);
        rg__put_str(b, "stdout", r->code[i].output);
        rg_buf_putc(b, '}');
    }
    rg_buf_putc(b, ']');
    rg__put_int(b, "tokens", (long long)r->tokens);
    put_flags(b, r->flags);
    rg_buf_putc(b, '}');
}

static void put_verdict(rg_buf *b, const rg_judgement *v)
{
    rg__put_open(b, NULL, '{');
    rg__put_num(b, "r", v->r);
    rg__put_int(b, "token", v->token == SIZE_MAX ? -1 : (long long)v->token);
    rg__put_int(b, "n", (long long)RG_MAX(v->n_rationales, (size_t)1));
    put_flags(b, v->flags);
    rg__put_open(b, "rationales", '[');
    for (size_t i = 0; i < v->n_rationales; i++)
        put_rationale(b, &v->rationale[i]);
    rg_buf_puts(b, "]}");
}

void rg_scored_json(rg_buf *b, const rg_scored *s, const char *verifier)
{
    rg_buf_putc(b, '{');
    rg__put_str(b, "id", s->solution->id);
    rg__put_str(b, "verifier", verifier);
    rg__put_open(b, "step_scores", '[');
    for (size_t i = 0; i < s->n; i++)
        rg__put_num(b, NULL, s->verdict[i].r);
    rg_buf_putc(b, ']');
    rg__put_open(b, "steps", '[');
    for (size_t i = 0; i < s->n; i++)
        put_verdict(b, &s->verdict[i]);
    rg_buf_putc(b, ']');
    rg__put_int(b, "first_error", (long long)s->first_error);
    if (s->solution->labelled) {
        rg__put_int(b, "label", (long long)s->solution->label);
        rg__put_bool(b, "match", s->solution->label == s->first_error);
    }
    rg_buf_putc(b, '}');
}

/* ---- for people ---- */

static void put_indented(rg_buf *b, const char *text, const char *indent)
{
    for (rg_str s = rg_str_trim(rg_str_of(text)); s.n > 0;) {
        const char *end = memchr(s.p, '\n', s.n);
        const size_t n = end == NULL ? s.n : (size_t)(end - s.p);
        rg_buf_puts(b, indent);
        rg_buf_terminal_safe(b, rg_str_n(s.p, n));
        rg_buf_putc(b, '\n');
        s = rg_str_n(s.p + RG_MIN(n + 1, s.n), s.n - RG_MIN(n + 1, s.n));
    }
}

static void put_first_words(rg_buf *b, rg_str step, size_t width)
{
    rg_buf line = RG_BUF_MAX(1 << 16);
    size_t n = 0, chars = 0;
    while (n < step.n && chars < width)
        chars += ((unsigned char)step.p[n++] & 0xc0) != 0x80;
    while (n < step.n && ((unsigned char)step.p[n] & 0xc0) == 0x80)
        n++;
    for (size_t i = 0; i < n; i++)
        rg_buf_putc(&line, step.p[i] == '\n' || step.p[i] == '\t' ? ' ' : step.p[i]);
    if (line.p != NULL)
        rg_buf_terminal_safe(b, rg_buf_view(&line));
    rg_buf_puts(b, n < step.n ? "...\n" : "\n");
    rg_buf_free(&line);
}

static void put_words_of(rg_buf *b, const rg_judgement *v, bool color)
{
    for (size_t i = 0; i < v->n_rationales; i++) {
        const rg_rationale *r = &v->rationale[i];
        rg_buf_printf(b, "%s      chain %zu of %zu: %s, r = %.4f, %zu tokens%s\n", color ? "\033[2m" : "",
                      i + 1, v->n_rationales,
                      r->decision < 0 ? "no decision"
                      : r->decision   ? "Yes"
                                      : "No",
                      r->r, r->tokens, color ? "\033[0m" : "");
        put_indented(b, r->text, "      | ");
        for (size_t k = 0; k < r->n_code; k++)
            rg_buf_printf(b, "      code %zu: %s, %.3f s\n", k + 1, r->code[k].status, r->code[k].cpu_s);
    }
}

void rg_scored_text(rg_buf *b, const rg_scored *s, size_t width, bool explain, bool color)
{
    rg_buf_terminal_safe(b, rg_str_of(s->solution->id));
    rg_buf_printf(b, ": %zu step%s, ", s->n, s->n == 1 ? "" : "s");
    if (s->first_error < 0)
        rg_buf_puts(b, "no error found");
    else
        rg_buf_printf(b, "first error at step %lld", (long long)s->first_error);
    if (s->n_nan > 0)
        rg_buf_printf(b, ", %zu without a number", s->n_nan);
    if (s->solution->labelled)
        rg_buf_printf(b, " (label %lld: %s)", (long long)s->solution->label,
                      s->solution->label == s->first_error ? "match" : "no match");
    rg_buf_putc(b, '\n');
    for (size_t i = 0; i < s->n; i++) {
        const rg_judgement *v = &s->verdict[i];
        const bool bad = s->first_error == (int64_t)i;
        rg_buf_printf(b, "%s%4zu  ", color && bad ? "\033[31m" : "", i);
        rg_buf_printf(b, isnan(v->r) ? "      -  " : "%7.4f  ", v->r);
        put_first_words(b, s->step[i], width > 40 ? width - 20 : 20);
        for (unsigned f = 1; rg_verdict_flag_name(f) != NULL; f <<= 1)
            if (v->flags & f)
                rg_buf_printf(b, "      (%s)\n", rg_verdict_flag_name(f));
        rg_buf_puts(b, color && bad ? "\033[0m" : "");
        if (explain && v->token != SIZE_MAX)
            rg_buf_printf(b, "      read at token %zu of the verifier's input\n", v->token);
        if (explain)
            put_words_of(b, v, color);
    }
}
