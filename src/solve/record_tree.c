/* record_tree.c - the search as a drawing: one line a node, children under their parent. */
#include <math.h>
#include <string.h>

#include "text_ports.h"

enum { DEEPEST = 24 }; /* levels that are indented; deeper ones stay in that column */

typedef struct drawing {
    rg_buf *b;
    const rg_record *r;
    size_t width;
    bool color;
    size_t *child, *next; /* first child, next sibling; RG_NO_NODE = none */
    bool *on_path;        /* of the chosen answer */
} drawing;

static rg_status link_nodes(drawing *d, rg_err *e)
{
    const rg_tree *t = &d->r->run.tree;
    d->child = rg_alloc(t->n, sizeof *d->child);
    d->next = rg_alloc(t->n, sizeof *d->next);
    d->on_path = rg_calloc(t->n, sizeof *d->on_path);
    if (d->child == NULL || d->next == NULL || d->on_path == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory to draw %zu nodes", t->n);
    for (size_t i = 0; i < t->n; i++)
        d->child[i] = d->next[i] = RG_NO_NODE;
    for (size_t i = t->n; i-- > 1;) { /* from the end, so that lists are in order */
        d->next[i] = d->child[t->node[i].parent];
        d->child[t->node[i].parent] = i;
    }
    for (size_t v = t->chosen; v != RG_NO_NODE; v = t->node[v].parent)
        d->on_path[v] = true;
    return RG_OK;
}

/* One end of a text on one line of at most `width` characters: of a whole answer the last words,
 * where the answer stands; of a step the first ones. */
static void put_words(rg_buf *b, const char *text, size_t width, bool tail)
{
    rg_str s = rg_str_trim(rg_str_of(text));
    size_t chars = 0, from = tail ? s.n : 0, to = tail ? s.n : 0;
    while (tail ? from > 0 && chars < width : to < s.n && chars < width)
        chars += (tail ? (unsigned char)s.p[--from] : (unsigned char)s.p[to++]) >> 6 != 2;
    while (!tail && to < s.n && ((unsigned char)s.p[to] & 0xc0) == 0x80)
        to++;
    rg_buf line = RG_BUF_MAX(1 << 16);
    for (size_t i = from; i < to; i++)
        rg_buf_putc(&line, s.p[i] == '\n' || s.p[i] == '\t' ? ' ' : s.p[i]);
    if (from > 0)
        rg_buf_puts(b, "...");
    if (line.p != NULL)
        rg_buf_terminal_safe(b, rg_buf_view(&line));
    if (to < s.n)
        rg_buf_puts(b, "...");
    rg_buf_free(&line);
}

static const char *colour_of(const drawing *d, const rg_node *v, const text_node *x)
{
    if (v->terminal && x->answer != NULL && d->r->gold != NULL)
        return x->correct == 1 ? "\033[32m" : "\033[31m";
    if (d->on_path[v->id])
        return "\033[32m";
    return !v->kept || (v->terminal && x->answer == NULL) ? "\033[2m" : "";
}

static void put_branch(const drawing *d, size_t v)
{
    const rg_tree *t = &d->r->run.tree;
    size_t path[DEEPEST], n = 0;
    for (size_t u = v; t->node[u].depth > 1; u = t->node[u].parent)
        if (t->node[u].depth <= DEEPEST)
            path[n++] = t->node[u].parent;
    while (n-- > 0)
        rg_buf_puts(d->b, d->next[path[n]] == RG_NO_NODE ? "   " : "│  ");
    rg_buf_puts(d->b, d->next[v] == RG_NO_NODE ? "└─ " : "├─ ");
}

/* What it was scored, else its mean log-probability. */
static double worth(const rg_node *v)
{
    return !isnan(v->score) ? v->score : v->tokens == 0 ? 0 : v->logp / (double)v->tokens;
}

static char mark_of(const drawing *d, const rg_node *v)
{
    const rg_tree *t = &d->r->run.tree;
    const bool winner = v->terminal && v->answer_class == t->answer_class && v->answer_class != RG_NO_CLASS;
    return v->id == t->chosen ? '*' : winner ? '+' : d->on_path[v->id] ? '|' : !v->kept ? 'x' : ' ';
}

/* An answer: what it says, its tokens, its worth, how it ended, its last words. */
static void put_end(const drawing *d, const rg_node *v, const text_node *x, size_t width)
{
    const size_t had = d->b->n;
    rg__put_answer(d->b, x->answer);
    rg_buf_printf(d->b, "%*s", (int)(d->b->n - had < 12 ? 12 - (d->b->n - had) : 0), "");
    if (d->color)
        rg_buf_puts(d->b, "\033[0m");
    rg_buf_printf(d->b, "%5zu tok  %6.3f  %-10s  ", v->tokens, worth(v), rg_finish_name(v->finish));
    put_words(d->b, x->text, width, true);
}

static void put_step(const drawing *d, const rg_node *v, const text_node *x, size_t width)
{
    rg_buf_printf(d->b, "%5zu tok  %6.3f  ", v->tokens, worth(v));
    put_words(d->b, x->text, width, false);
}

static void put_node(const drawing *d, size_t at)
{
    const rg_node *v = &d->r->run.tree.node[at];
    const text_node *x = v->handle;
    const size_t used = 3 * RG_MIN(v->depth, (size_t)DEEPEST) + (v->terminal ? 53 : 25);
    put_branch(d, at);
    if (d->color)
        rg_buf_puts(d->b, colour_of(d, v, x));
    rg_buf_printf(d->b, "%c%2zu  ", mark_of(d, v), v->index);
    (v->terminal ? put_end : put_step)(d, v, x, d->width > used + 20 ? d->width - used : 20);
    if (!v->kept)
        rg_buf_printf(d->b, "  - %s", v->reason);
    if (d->color)
        rg_buf_puts(d->b, "\033[0m");
    rg_buf_putc(d->b, '\n');
}

/* Depth first, without recursion: down, else sideways, else up and sideways. */
static void put_all(const drawing *d)
{
    const rg_tree *t = &d->r->run.tree;
    size_t v = d->child[0];
    while (v != RG_NO_NODE) {
        put_node(d, v);
        if (d->child[v] != RG_NO_NODE) {
            v = d->child[v];
            continue;
        }
        while (v != 0 && d->next[v] == RG_NO_NODE)
            v = t->node[v].parent;
        v = v == 0 ? RG_NO_NODE : d->next[v];
    }
}

void rg_record_tree(rg_buf *b, const rg_record *r, size_t width, bool color)
{
    drawing d = { .b = b, .r = r, .width = width, .color = color };
    rg_err e = RG_ERR_INIT;
    rg_buf_printf(b, "%s: %zu prompt tokens, shared by all branches\n", r->id, r->prompt_tokens);
    if (link_nodes(&d, &e) == RG_OK)
        put_all(&d);
    rg_buf_puts(
        b, r->opt.method->by_steps
               ? "   * chosen  | its path  + same answer  x pruned   columns: child, tokens, score, words\n"
               : "   * chosen  + same answer   columns: candidate, answer, tokens, ");
    if (!r->opt.method->by_steps)
        rg_buf_printf(b, "%s, end, last words\n",
                      r->opt.method->needs_scorer ? "score" : "mean log-probability");
    rg_free(d.child);
    rg_free(d.next);
    rg_free(d.on_path);
}
