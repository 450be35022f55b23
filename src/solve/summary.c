/* summary.c - the last line of a run over many problems. */
#include <math.h>

#include "rung/stats/interval.h"

#include "solve_int.h"

void rg__summary_join(rg_summary *s, const rg_summary *a)
{
    s->n += a->n;
    s->graded += a->graded;
    s->correct += a->correct;
    s->majority += a->majority;
    s->any += a->any;
    s->failed += a->failed;
    s->pass_1 += a->pass_1;
    s->tokens += a->tokens;
    s->flops += a->flops;
    s->wall_s += a->wall_s;
    s->fresh_tokens += a->fresh_tokens;
    s->prompt += a->prompt;
    s->prompt_computed += a->prompt_computed;
}

void rg__summary_add(rg_summary *s, const rg_record *r)
{
    size_t right = 0;
    for (size_t i = 0; i < r->n; i++)
        right += r->candidate[i].correct == 1;
    s->n++;
    s->tokens += (double)r->run.gen_tokens;
    s->fresh_tokens += (double)(r->run.gen_tokens + r->run.tree.overshoot_tokens);
    s->flops += r->run.gen_flops + r->prompt_flops;
    s->prompt += (double)((r->run.tree.n == 0 ? 0 : r->run.tree.node[0].sampled) * r->prompt_tokens);
    s->prompt_computed += (double)r->prompt_tokens;
    if (r->gold == NULL)
        return;
    s->graded++;
    s->correct += r->correct == 1;
    s->majority += r->majority_correct == 1;
    s->any += r->any_correct == 1;
    s->pass_1 += r->n == 0 ? 0 : (double)right / (double)r->n;
}

/* Twelve digits: the order in which shares were added, which differs from run to run, drops out. */
void rg_summary_finish(rg_summary *s)
{
    if (s->graded > 0)
        s->pass_1 = round(s->pass_1 / (double)s->graded * 1e12) / 1e12;
}

static void interval(rg_buf *b, const char *name, double successes, size_t n)
{
    const rg_interval i = rg_wilson(successes, n, RG_Z95);
    rg__put_open(b, name, '[');
    rg__put_num(b, NULL, i.low);
    rg__put_num(b, NULL, i.high);
    rg_buf_putc(b, ']');
}

static double share(size_t c, size_t n)
{
    return n == 0 ? __builtin_nan("") : (double)c / (double)n;
}

/* pass_1 is a mean of shares: its interval is Wilson's for so many problems, a little wide. */
void rg_summary_json(rg_buf *b, const rg_summary *s)
{
    const size_t n = s->graded;
    rg_buf_putc(b, '{');
    rg__put_bool(b, "summary", 1);
    rg__put_int(b, "n", (long long)s->n);
    rg__put_int(b, "graded", (long long)n);
    rg__put_int(b, "failed", (long long)s->failed);
    rg__put_int(b, "correct", (long long)s->correct);
    rg__put_num(b, "accuracy", share(s->correct, n));
    rg__put_num(b, "pass_1", n == 0 ? __builtin_nan("") : s->pass_1);
    rg__put_num(b, "pass_n", share(s->any, n));
    rg__put_num(b, "majority", share(s->majority, n));
    rg__put_open(b, "ci95", '{');
    if (n > 0) {
        interval(b, "accuracy", (double)s->correct, n);
        interval(b, "pass_1", s->pass_1 * (double)n, n);
        interval(b, "pass_n", (double)s->any, n);
        interval(b, "majority", (double)s->majority, n);
    }
    rg_buf_putc(b, '}');
    rg__put_num(b, "tokens", s->tokens);
    rg__put_num(b, "flops", s->flops);
    rg__put_num(b, "wall_s", s->wall_s);
    rg__put_num(b, "tokens_per_s", s->wall_s > 0 ? s->fresh_tokens / s->wall_s : 0);
    rg__put_num(b, "occupancy", s->occupancy);
    rg__put_num(b, "cached_prompt", s->prompt > 0 ? 1 - s->prompt_computed / s->prompt : 0);
    rg_buf_putc(b, '}');
}

static void line(rg_buf *b, const char *name, double successes, size_t n)
{
    const rg_interval i = rg_wilson(successes, n, RG_Z95);
    rg_buf_printf(b, "%s %5.1f %%  (95 %%: %.1f to %.1f)\n", name, 100 * successes / (double)n, 100 * i.low,
                  100 * i.high);
}

void rg_summary_text(rg_buf *b, const rg_summary *s)
{
    rg_buf_printf(b, "problems  %zu", s->n);
    if (s->failed > 0)
        rg_buf_printf(b, ", and %zu that failed", s->failed);
    rg_buf_putc(b, '\n');
    if (s->graded > 0) {
        line(b, "accuracy ", (double)s->correct, s->graded);
        line(b, "pass@1   ", s->pass_1 * (double)s->graded, s->graded);
        line(b, "majority ", (double)s->majority, s->graded);
        line(b, "pass@N   ", (double)s->any, s->graded);
    }
    rg_buf_printf(b,
                  "cost      %.0f tokens generated, %.3g FLOP, %.1f s (%.0f tokens/s), slots %.0f %% busy, "
                  "%.0f %% of the prompt tokens reused\n",
                  s->tokens, s->flops, s->wall_s, s->wall_s > 0 ? s->fresh_tokens / s->wall_s : 0,
                  100 * s->occupancy, s->prompt > 0 ? 100 * (1 - s->prompt_computed / s->prompt) : 0);
}
