/* record_text.c - a record for people: the answer, the votes, the cost; the tree. */
#include <math.h>

#include "solve_int.h"

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

static void put_answer(rg_buf *b, const char *answer)
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
        const rg_candidate *c = t->node[t->vote[i].first].handle;
        rg_buf_puts(b, i == 0 ? "" : "  |  ");
        put_answer(b, c->answer);
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
    const size_t k = run->tree.used, prompt = k * r->prompt_tokens;
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
    if (run->tree.overshoot_tokens > 0)
        rg_buf_printf(b, "        %zu more tokens were on their way when it stopped\n",
                      run->tree.overshoot_tokens);
}

void rg_record_text(rg_buf *b, const rg_record *r, bool quiet)
{
    const rg_tree *t = &r->run.tree;
    if (quiet) {
        put_answer(b, r->answer);
        rg_buf_putc(b, '\n');
        return;
    }
    rg_buf_puts(b, "answer  ");
    put_answer(b, r->answer);
    rg_buf_puts(b, mark(r->correct));
    if (t->n_votes > 0 && r->n > 1)
        rg_buf_printf(b, "   %zu of %zu", t->vote[0].count, r->n);
    rg_buf_printf(b, "   %s, N = %zu%s\n", r->opt.method->name, r->opt.method->only_one ? 1 : r->opt.N,
                  r->run.complete ? "" : ", interrupted");
    put_votes(b, r);
    if (t->used < (r->opt.method->only_one ? 1 : r->opt.N) && r->run.complete)
        rg_buf_printf(b, "stop    after %zu: %s\n", t->used, t->stop);
    put_cost(b, r);
}

/* ---- the tree ---- */

/* The end of the text, where the answer stands, on one line of at most `width` characters. */
static void put_tail(rg_buf *b, const char *text, size_t width)
{
    rg_str s = rg_str_trim(rg_str_of(text));
    size_t chars = 0, from = s.n;
    while (from > 0 && chars < width) {
        from--;
        if (((unsigned char)s.p[from] & 0xc0) != 0x80)
            chars++;
    }
    rg_buf line = RG_BUF_MAX(1 << 16);
    for (size_t i = from; i < s.n; i++)
        rg_buf_putc(&line, s.p[i] == '\n' || s.p[i] == '\t' ? ' ' : s.p[i]);
    if (from > 0)
        rg_buf_puts(b, "...");
    if (line.p != NULL)
        rg_buf_terminal_safe(b, rg_buf_view(&line));
    rg_buf_free(&line);
}

static const char *colour_of(const rg_record *r, const rg_candidate *c, bool chosen)
{
    if (c->correct >= 0)
        return c->correct ? "\033[32m" : "\033[31m";
    return chosen ? "\033[32m" : r->answer == NULL || c->answer == NULL ? "\033[2m" : "";
}

void rg_record_tree(rg_buf *b, const rg_record *r, size_t width, bool color)
{
    const rg_tree *t = &r->run.tree;
    rg_buf_printf(b, "%s: %zu prompt tokens, shared by all branches\n", r->id, r->prompt_tokens);
    for (size_t i = 1; i < t->n; i++) {
        const rg_node *v = &t->node[i];
        const rg_candidate *c = v->handle;
        const bool winner = v->answer_class == t->answer_class && v->answer_class != RG_NO_CLASS;
        rg_buf_printf(b, "%s %s", i + 1 == t->n ? "└─" : "├─", i == t->chosen ? "*" : winner ? "+" : " ");
        if (color)
            rg_buf_puts(b, colour_of(r, c, winner));
        rg_buf_printf(b, "%2zu  ", c->index);
        const size_t had = b->n;
        put_answer(b, c->answer);
        rg_buf_printf(b, "%*s", (int)(b->n - had < 12 ? 12 - (b->n - had) : 0), "");
        if (color)
            rg_buf_puts(b, "\033[0m");
        rg_buf_printf(b, "%5zu tok  %6.3f  %-10s  ", c->tokens,
                      c->tokens == 0 ? 0.0 : c->logp / (double)c->tokens, rg_finish_name(c->finish));
        put_tail(b, c->text, width > 66 ? width - 56 : 20);
        rg_buf_putc(b, '\n');
    }
    rg_buf_puts(b,
                "   * chosen  + same answer   columns: candidate, answer, tokens, mean log-probability, end, "
                "last words\n");
}
