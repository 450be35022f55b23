/* tok_unigram.c - the split of a text in tokens whose scores have the largest sum, by Viterbi.
 *
 * Source: Kudo 2018, "Subword Regularization", section 3.2; the score of a character that is no
 * token (the worst score less 10) and the order of ties as SentencePiece has them. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rung/base/mem.h"
#include "tokenizer_int.h"

enum { UNKNOWN_PENALTY = 10 };

/* ---- the tree ---- */

typedef struct sorted {
    rg_str text;
    int32_t id;
} sorted;

static int by_bytes(const void *pa, const void *pb)
{
    const sorted *a = pa, *b = pb;
    const int c = memcmp(a->text.p, b->text.p, RG_MIN(a->text.n, b->text.n));
    if (c != 0)
        return c;
    return a->text.n < b->text.n ? -1 : a->text.n > b->text.n;
}

static size_t collect(sorted *all, const vocab *v, tok_spelling spelling)
{
    size_t n = 0;
    for (size_t i = 0; i < v->n; i++) {
        const rg_str text = rg__vocab_text(v, (int32_t)i);
        const bool word = v->kind[i] == TOK_NORMAL || v->kind[i] == TOK_USER;
        if (word && text.n > 0 && rg__vocab_piece(v, spelling, text) == (int32_t)i)
            all[n++] = (sorted){ text, (int32_t)i };
    }
    qsort(all, n, sizeof *all, by_bytes);
    return n;
}

/* What a node stands for while the tree is built: tokens [lo, hi) share its first depth bytes. */
typedef struct range {
    uint32_t lo, hi;
    uint32_t depth;
} range;

/* A new node a byte that may follow; the token that is the whole prefix was left out before. */
static size_t put_children(trie_node *node, range *of, size_t n, const sorted *all, range r)
{
    for (uint32_t lo = r.lo, hi; lo < r.hi; lo = hi) {
        const char byte = all[lo].text.p[r.depth];
        for (hi = lo + 1; hi < r.hi && all[hi].text.p[r.depth] == byte;)
            hi++;
        const bool whole = all[lo].text.n == r.depth + 1;
        node[n] = (trie_node){ 0, whole ? all[lo].id : -1, 0, (uint8_t)byte };
        of[n++] = (range){ lo + whole, hi, r.depth + 1 };
    }
    return n;
}

static void grow_tree(unigram *u, range *of, const sorted *all, size_t n_all)
{
    u->n = put_children(u->node, of, 0, all, (range){ 0, (uint32_t)n_all, 0 });
    const size_t first_level = u->n;
    for (size_t b = 0, i = 0; b < 256; b++) {
        u->root[b] = (uint32_t)i;
        i += i < first_level && u->node[i].byte == b;
        u->root[b + 1] = (uint32_t)i;
    }
    for (size_t i = 0; i < u->n; i++) {
        const size_t before = u->n;
        u->n = put_children(u->node, of, u->n, all, of[i]);
        u->node[i].child = (uint32_t)before;
        u->node[i].n_children = (uint16_t)(u->n - before);
    }
}

static rg_status build_tree(unigram *u, const vocab *v, tok_spelling spelling, rg_err *e)
{
    size_t total = 1;
    sorted *all = rg_alloc(v->n, sizeof *all);
    const size_t n = all == NULL ? 0 : collect(all, v, spelling);
    for (size_t i = 0; i < n; i++)
        total += all[i].text.n;
    if (total > UINT32_MAX) {
        rg_free(all);
        RG_FAIL(e, RG_EFORMAT, "the tokens have %zu bytes together; at most 4 GiB are accepted", total);
    }
    range *of = rg_alloc(total, sizeof *of);
    u->node = rg_alloc(total, sizeof *u->node);
    const bool have = all != NULL && of != NULL && u->node != NULL;
    if (have)
        grow_tree(u, of, all, n);
    rg_free(all);
    rg_free(of);
    if (!have)
        RG_FAIL(e, RG_ENOMEM, "no memory for a tree of %zu tokens", v->n);
    trie_node *fit = rg_realloc(u->node, RG_MAX(u->n, (size_t)1), sizeof *u->node);
    u->node = fit ? fit : u->node;
    return RG_OK;
}

rg_status rg__unigram_build(unigram *u, const vocab *v, const tok_decl *d, rg_err *e)
{
    double least = DBL_MAX;
    u->score = rg_alloc(v->n, sizeof *u->score);
    if (u->score == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for the scores of %zu tokens", v->n);
    for (size_t i = 0; i < v->n; i++) {
        if (!isfinite(d->score[i]))
            RG_FAIL(e, RG_EFORMAT, "the score of token %zu is not a finite number", i);
        u->score[i] = v->kind[i] == TOK_USER && !d->leftmost ? 0.0 : d->score[i];
        if (v->kind[i] == TOK_NORMAL || d->leftmost)
            least = RG_MIN(least, d->score[i]);
    }
    u->unknown = (least == DBL_MAX ? 0.0 : least) - UNKNOWN_PENALTY;
    return build_tree(u, v, d->spelling, e);
}

void rg__unigram_free(unigram *u)
{
    rg_free(u->node);
    rg_free(u->score);
}

/* ---- Viterbi ---- */

/* The best way to write the text up to a place: its last token, and where that begins. */
struct unigram_cell {
    double score;
    size_t from;
    int32_t id; /* -1 = a character that is no token */
};

static rg_status reserve(scratch *w, size_t n, rg_err *e)
{
    if (n <= w->n_cells)
        return RG_OK;
    struct unigram_cell *cells = rg_realloc(w->cells, n, sizeof *cells);
    if (cells == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory to tokenise %zu bytes", n);
    w->cells = cells;
    w->n_cells = n;
    return RG_OK;
}

static const trie_node *child(const unigram *u, const trie_node *node, unsigned char byte)
{
    size_t lo = node->child, hi = lo + node->n_children;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (u->node[mid].byte < byte)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < (size_t)node->child + node->n_children && u->node[lo].byte == byte ? &u->node[lo] : NULL;
}

static void better(struct unigram_cell *c, double score, size_t from, int32_t id)
{
    if (score > c->score)
        *c = (struct unigram_cell){ score, from, id };
}

/* All tokens that begin at `at`, whose character is len bytes long. */
static void forward(const unigram *u, struct unigram_cell *cell, const char *p, size_t n, size_t at,
                    size_t len)
{
    const unsigned char b = (unsigned char)p[at];
    const double here = cell[at].score;
    const trie_node *node = u->root[b] < u->root[b + 1u] ? &u->node[u->root[b]] : NULL;
    bool alone = false;
    for (size_t end = at + 1; node != NULL; end++) {
        if (node->id >= 0) {
            alone |= end - at == len;
            better(&cell[end], here + u->score[node->id], at, node->id);
        }
        node = end < n ? child(u, node, (unsigned char)p[end]) : NULL;
    }
    if (!alone)
        better(&cell[at + len], here + u->unknown, at, -1);
}

/* The cells from the last to the first are the answer backwards: each notes where it ends. */
static void turn_round(struct unigram_cell *cell, size_t n)
{
    for (size_t at = n, next = SIZE_MAX; at != 0;) {
        const size_t from = cell[at].from;
        cell[at].from = next;
        next = at;
        at = from;
        if (at == 0)
            cell[0].from = next;
    }
}

rg_status rg__unigram_word(const rg_tokenizer *t, const char *p, size_t n, scratch *w, rg_ids *ids, rg_err *e)
{
    if (n == 0)
        return RG_OK;
    RG_TRY(reserve(w, n + 1, e));
    struct unigram_cell *cell = w->cells;
    for (size_t i = 1; i <= n; i++)
        cell[i].score = -DBL_MAX;
    cell[0] = (struct unigram_cell){ 0, 0, -1 };
    for (size_t at = 0, len; at < n; at += len) {
        len = RG_MAX(rg_utf8_decode(p + at, n - at, NULL), (size_t)1);
        forward(&t->unigram, cell, p, n, at, len);
    }
    turn_round(cell, n);
    for (size_t at = 0; at != n;) {
        const size_t end = cell[at].from;
        if (cell[end].id >= 0)
            RG_TRY(rg_ids_push(ids, cell[end].id, e));
        else
            RG_TRY(rg__push_bytes(t, p + at, end - at, w, ids, e));
        at = end;
    }
    return RG_OK;
}
