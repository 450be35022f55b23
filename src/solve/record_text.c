/* record_text.c - a record for people: the answer, the votes, the cost. */
#include <math.h>
#include <string.h>

#include "text_ports.h"

static const char *mark(int correct)
{
    return correct < 0 ? "" : correct ? " (right)" : " (wrong)";
}

/* 1.2 G, 35 T: FLOPs for people. */
static void put_si(rg_buf *b, double v)
{
    static const char *const unit[] = { "", " k", " M", " G", " T", " P", " E" };
    size_t i = 0;
    while (v >= 1000 && i + 1 < sizeof unit / sizeof unit[0]) {
        v /= 1000;
        i++;
    }
    rg_buf_printf(b, v < 10 && i > 0 ? "%.1f%s" : "%.0f%s", v, unit[i]);
}

void rg__put_answer(rg_buf *b, const char *answer)
{
    if (answer == NULL)
        rg_buf_puts(b, "(none)");
    else
        rg_buf_terminal_safe(b, rg_str_of(answer));
}

static void put_votes(rg_buf *b, const rg_record *r)
{
    const rg_tree *t = &r->run.tree;
    size_t silent = r->n;
    rg_buf_puts(b, "votes   ");
    for (size_t i = 0; i < t->n_votes; i++) {
        const rg_candidate *c = rg_record_vote(r, i);
        rg_buf_puts(b, i == 0 ? "" : "  |  ");
        rg__put_answer(b, c->answer);
        rg_buf_printf(b, " x%zu", t->vote[i].count);
        if (t->vote[i].weight != (double)t->vote[i].count)
            rg_buf_printf(b, " (%.3f)", t->vote[i].weight);
        silent -= t->vote[i].count;
    }
    if (silent > 0)
        rg_buf_printf(b, "%sno answer x%zu", t->n_votes == 0 ? "" : "  |  ", silent);
    rg_buf_putc(b, '\n');
}

static void put_cost(rg_buf *b, const rg_record *r)
{
    const rg_run *run = &r->run;
    const size_t k = run->tree.n == 0 ? 0 : run->tree.node[0].sampled, prompt = k * r->prompt_tokens;
    rg_buf_printf(
        b, "cost    %zu prompt tokens (%zu computed, %zu reused), %zu generated (%zu gave no answer), ",
        prompt, k == 0 ? 0 : r->prompt_tokens, k == 0 ? 0 : prompt - r->prompt_tokens, run->gen_tokens,
        run->wasted_tokens);
    put_si(b, run->gen_flops + r->prompt_flops);
    rg_buf_printf(b, "FLOP, %.1f s", run->wall_s);
    if (run->wall_s > 0)
        rg_buf_printf(b, ", %.0f tokens/s",
                      (double)(run->gen_tokens + run->tree.overshoot_tokens) / run->wall_s);
    rg_buf_putc(b, '\n');
    const rg_cost *v = &r->judging.role[RG_VERIFIER];
    if (v->calls > 0) {
        rg_buf_printf(b, "        %s: %llu tokens read (%llu computed), %llu written, ",
                      rg__score_name(&r->opt), (unsigned long long)v->prompt_tokens,
                      (unsigned long long)v->prompt_computed, (unsigned long long)v->gen_tokens);
        put_si(b, v->flops);
        rg_buf_puts(b, "FLOP\n");
    }
    if (run->tree.overshoot_tokens > 0)
        rg_buf_printf(b, "        %zu more tokens were on their way when it stopped\n",
                      run->tree.overshoot_tokens);
}

void rg_record_text(rg_buf *b, const rg_record *r, bool quiet)
{
    const rg_tree *t = &r->run.tree;
    if (quiet) {
        rg__put_answer(b, r->answer);
        rg_buf_putc(b, '\n');
        return;
    }
    rg_buf_puts(b, "answer  ");
    rg__put_answer(b, r->answer);
    rg_buf_puts(b, mark(r->correct));
    if (t->n_votes > 0 && r->n > 1)
        rg_buf_printf(b, "   %zu of %zu", t->vote[0].count, r->n);
    rg_buf_printf(b, "   %s, N = %zu%s\n", r->opt.method->name,
                  r->opt.method->only_one ? (size_t)1 : (size_t)r->opt.search.N,
                  r->run.complete ? "" : ", interrupted");
    put_votes(b, r);
    if (strcmp(t->stop, "all candidates done") != 0 && r->run.complete)
        rg_buf_printf(b, "stop    after %zu: %s\n", t->used, t->stop);
    put_cost(b, r);
}
