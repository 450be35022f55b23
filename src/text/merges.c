/* merges.c - the merges of a model file ("left right", best first) as a table from a pair of
 * ids to its rank and to the token that it makes.
 *
 * A SentencePiece file has scores instead.  There any two neighbours that make a token may
 * merge, the best score first; so its table holds every split of every token in two tokens. */
#include <math.h>
#include <string.h>

#include "rung/base/mem.h"
#include "tokenizer_int.h"

#define SHOW(s) (int)RG_MIN((s).n, (size_t)60), (s).p

/* Splits at the first space behind the first character. */
static rg_status split(rg_str *left, rg_str *right, rg_str line, size_t rank, rg_err *e)
{
    const char *space = line.n > 1 ? memchr(line.p + 1, ' ', line.n - 1) : NULL;
    if (space == NULL || space + 1 == line.p + line.n)
        RG_FAIL(e, RG_EFORMAT, "merge %zu is '%.*s'; it must be two tokens with a space between", rank,
                SHOW(line));
    *left = rg_str_n(line.p, (size_t)(space - line.p));
    *right = rg_str_n(space + 1, line.n - left->n - 1);
    return RG_OK;
}

/* The bytes of one half, written to `to`; a half outside the spelling is kept as it is. */
static rg_str half(char *to, tok_spelling spelling, rg_str text)
{
    size_t n = spelling == SPELL_BYTES ? rg__vocab_decode(to, text) : SIZE_MAX;
    if (n == SIZE_MAX) {
        memcpy(to, text.p, text.n);
        n = spelling == SPELL_SPACE ? rg__unescape_spaces(to, text.n) : text.n;
    }
    return rg_str_n(to, n);
}

typedef struct parsed {
    int32_t left, right, made;
} parsed;

static rg_status halves(rg_str *left, rg_str *right, const tok_decl *d, size_t rank, rg_err *e)
{
    const rg_str line = d->merge[d->merge_pairs ? 2 * rank : rank];
    if (d->merge_pairs) {
        *left = line;
        *right = d->merge[2 * rank + 1];
    } else {
        RG_TRY(split(left, right, line, rank, e));
    }
    if (left->n > TOK_MAX_TOKEN || right->n > TOK_MAX_TOKEN)
        RG_FAIL(e, RG_EFORMAT, "merge %zu is %zu bytes long; at most %d are accepted", rank,
                left->n + right->n, TOK_MAX_TOKEN);
    return RG_OK;
}

/* Files list the tokens in the order in which merging made them, so the next one is tried first:
 * that saves a search in a table larger than the cache. */
static int32_t made_token(const vocab *v, rg_str text, int32_t before)
{
    const int32_t next = before + 1;
    if (!v->twins && (size_t)next < v->n && v->kind[next] == TOK_NORMAL &&
        rg_str_eq(rg__vocab_text(v, next), text))
        return next;
    return rg__vocab_word(v, text);
}

/* `room` has 2 * TOK_MAX_TOKEN bytes: the halves stand there side by side, which is their join. */
static rg_status parse(parsed *x, char *room, const vocab *v, const tok_decl *d, size_t rank, rg_err *e)
{
    rg_str left = { 0 }, right = { 0 };
    RG_TRY(halves(&left, &right, d, rank, e));
    const rg_str l = half(room, d->spelling, left);
    const rg_str r = half(room + l.n, d->spelling, right);
    x->left = rg__vocab_word(v, l);
    x->right = rg__vocab_word(v, r);
    x->made = made_token(v, rg_str_n(room, l.n + r.n), x->made);
    if (x->left < 0 || x->right < 0)
        RG_FAIL(e, RG_EFORMAT, "merge %zu, '%.*s %.*s', has a half that is no token", rank, SHOW(left),
                SHOW(right));
    if (x->made < 0)
        RG_FAIL(e, RG_EFORMAT, "merge %zu, '%.*s %.*s', makes a text that is no token", rank, SHOW(left),
                SHOW(right));
    return RG_OK;
}

/* The first of two equal merges counts. */
static rg_status insert(merges *m, const parsed *x, size_t rank, rg_err *e)
{
    const uint64_t pair = (uint64_t)(uint32_t)x->left << 32 | (uint32_t)x->right;
    size_t at = rg__merge_home(m, pair);
    for (int probe = 0; probe < TOK_MAX_PROBES; probe++, at = (at + 1) & m->mask) {
        if (m->slot[at].pair == pair)
            return RG_OK;
        if (m->slot[at].pair == UINT64_MAX) {
            m->slot[at] = (merge){ pair, (uint32_t)rank, x->made };
            return RG_OK;
        }
    }
    RG_FAIL(e, RG_EFORMAT, "the merges are made to collide in a hash table; refused");
}

static rg_status new_table(merges *m, size_t n, rg_err *e)
{
    size_t cap = 1024;
    m->shift = 64 - 10;
    while (cap < n + n / 2) {
        cap *= 2;
        m->shift--;
    }
    m->slot = rg_alloc(cap, sizeof *m->slot);
    if (m->slot == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu merges", n);
    memset(m->slot, 0xff, cap * sizeof *m->slot); /* pair = UINT64_MAX */
    m->mask = cap - 1;
    return RG_OK;
}

static rg_status from_lines(merges *m, const vocab *v, const tok_decl *d, rg_err *e)
{
    if (d->n_merges > TOK_MAX_MERGES)
        RG_FAIL(e, RG_EFORMAT, "the vocabulary has %zu merges; at most %d are accepted", d->n_merges,
                TOK_MAX_MERGES);
    RG_TRY(new_table(m, d->n_merges, e));
    char *room = rg_alloc(TOK_MAX_TOKEN, 2);
    if (room == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory to read the merges");
    rg_status s = RG_OK;
    parsed x = { -1, -1, -1 };
    for (size_t i = 0; i < d->n_merges; i++) {
        RG_GO(s, done, parse(&x, room, v, d, i, e));
        RG_GO(s, done, insert(m, &x, i, e));
    }
done:
    rg_free(room);
    return s;
}

/* ---- SentencePiece ---- */

/* A number that grows as the score falls: the bits of a float order like the floats. */
static uint32_t rank_of_score(double score)
{
    const float f = (float)score;
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    const uint32_t ordered = bits >> 31 ? ~bits : bits | UINT32_C(0x80000000);
    return ~ordered; /* not UINT32_MAX: that would be a NaN */
}

/* Doubles the table when it is half full. */
static rg_status grow(merges *m, size_t used, rg_err *e)
{
    if (2 * used < m->mask + 1)
        return RG_OK;
    merges wide = { 0 };
    RG_TRY(new_table(&wide, m->mask + 1 + m->mask / 4, e)); /* twice as wide */
    for (size_t i = 0; i <= m->mask; i++) {
        if (m->slot[i].pair == UINT64_MAX)
            continue;
        size_t at = rg__merge_home(&wide, m->slot[i].pair);
        while (wide.slot[at].pair != UINT64_MAX)
            at = (at + 1) & wide.mask;
        wide.slot[at] = m->slot[i];
    }
    rg_free(m->slot);
    *m = wide;
    return RG_OK;
}

static rg_status splits(merges *m, size_t *used, const vocab *v, int32_t id, uint32_t rank, rg_err *e)
{
    const rg_str text = rg__vocab_text(v, id);
    for (size_t i = 1; i < text.n; i++) {
        if (((unsigned char)text.p[i] & 0xC0) == 0x80)
            continue;
        const int32_t left = rg__vocab_piece(v, SPELL_SPACE, rg_str_n(text.p, i));
        const int32_t right =
            left < 0 ? -1 : rg__vocab_piece(v, SPELL_SPACE, rg_str_n(text.p + i, text.n - i));
        if (right < 0)
            continue;
        RG_TRY(grow(m, *used, e));
        RG_TRY(insert(m, &(parsed){ left, right, id }, rank, e));
        if (++*used > TOK_MAX_MERGES)
            RG_FAIL(e, RG_EFORMAT, "the tokens split in more than %d ways; refused", TOK_MAX_MERGES);
    }
    return RG_OK;
}

/* Splitting costs the square of a token's length, so long ones have a budget between them. */
static rg_status from_scores(merges *m, const vocab *v, const tok_decl *d, rg_err *e)
{
    size_t used = 0, cost = 0;
    RG_TRY(new_table(m, v->n, e));
    for (size_t i = 0; i < v->n; i++) {
        const rg_str text = rg__vocab_text(v, (int32_t)i);
        if (text.n < 2 || rg__vocab_piece(v, SPELL_SPACE, text) != (int32_t)i)
            continue;
        if (isnan(d->score[i]))
            RG_FAIL(e, RG_EFORMAT, "the score of token %zu is not a number", i);
        cost += text.n * text.n;
        if (cost > UINT32_MAX)
            RG_FAIL(e, RG_EFORMAT, "the tokens are too long to be pieces of words; refused");
        RG_TRY(splits(m, &used, v, (int32_t)i, rank_of_score(d->score[i]), e));
    }
    return RG_OK;
}

rg_status rg__merges_read(merges *m, const vocab *v, const tok_decl *d, rg_err *e)
{
    return d->model == TOK_SPM ? from_scores(m, v, d, e) : from_lines(m, v, d, e);
}

void rg__merges_free(merges *m)
{
    rg_free(m->slot);
}
