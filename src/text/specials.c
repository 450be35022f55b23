/* specials.c - finds control and user-defined tokens in a text by their spelling.
 *
 * llama.cpp takes the special tokens longest first and cuts every occurrence of one out of the
 * text before it looks for the next.  The same result in one pass: collect all occurrences
 * (at most TOK_MAX_SPECIAL at one place), sort them longest first, accept those that do not
 * overlap an accepted one. */
#include <stdlib.h>
#include <string.h>

#include "rung/base/mem.h"
#include "tokenizer_int.h"

static bool is_special(tok_kind k)
{
    return k == TOK_CONTROL || k == TOK_USER || k == TOK_UNKNOWN;
}

typedef struct spelled {
    rg_str text;
    int32_t id;
} spelled;

static int by_spelling(const void *pa, const void *pb)
{
    const spelled *a = pa, *b = pb;
    const int c = memcmp(a->text.p, b->text.p, RG_MIN(a->text.n, b->text.n));
    if (c != 0)
        return c;
    if (a->text.n != b->text.n)
        return a->text.n < b->text.n ? -1 : 1;
    return a->id < b->id ? -1 : 1;
}

static rg_status collect(spelled *all, size_t *n, const vocab *v, rg_err *e)
{
    *n = 0;
    for (size_t i = 0; i < v->n; i++) {
        const rg_str text = rg__vocab_text(v, (int32_t)i);
        if (!is_special(v->kind[i]) || text.n == 0)
            continue;
        if (text.n > TOK_MAX_SPECIAL)
            RG_FAIL(e, RG_EFORMAT, "special token %zu is %zu bytes long; at most %d are accepted", i, text.n,
                    TOK_MAX_SPECIAL);
        all[(*n)++] = (spelled){ text, (int32_t)i };
    }
    return RG_OK;
}

static rg_status keep_sorted(specials *s, const vocab *v, spelled *all, rg_err *e)
{
    RG_TRY(collect(all, &s->n, v, e));
    s->id = rg_alloc(s->n + 1, sizeof *s->id);
    if (s->id == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu special tokens", s->n);
    qsort(all, s->n, sizeof *all, by_spelling);
    uint32_t count[257] = { 0 };
    for (size_t i = 0; i < s->n; i++) {
        s->id[i] = all[i].id;
        s->any_user |= v->kind[all[i].id] == TOK_USER;
        count[(unsigned char)all[i].text.p[0] + 1]++;
    }
    for (size_t b = 0; b < 256; b++)
        s->first[b + 1] = s->first[b] + count[b + 1];
    return RG_OK;
}

rg_status rg__specials_build(specials *s, const vocab *v, rg_err *e)
{
    size_t n = 0;
    for (size_t i = 0; i < v->n; i++)
        n += is_special(v->kind[i]);
    spelled *all = rg_alloc(n + 1, sizeof *all);
    if (all == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu special tokens", n);
    const rg_status st = keep_sorted(s, v, all, e);
    rg_free(all);
    return st;
}

void rg__specials_free(specials *s)
{
    rg_free(s->id);
}

static rg_status add(special_matches *out, special_match x, rg_err *e)
{
    if (out->n == out->cap) {
        const size_t cap = RG_MAX(2 * out->cap, (size_t)32);
        special_match *m = rg_realloc(out->m, cap, sizeof *m);
        if (m == NULL)
            RG_FAIL(e, RG_ENOMEM, "no memory for %zu special tokens of a text", cap);
        out->m = m;
        out->cap = cap;
    }
    out->m[out->n++] = x;
    return RG_OK;
}

static unsigned char byte_at(const specials *s, const vocab *v, size_t i, size_t depth)
{
    return (unsigned char)rg__vocab_text(v, s->id[i]).p[depth];
}

/* The first of [lo, hi), all longer than depth, whose byte at depth is at least b. */
static size_t lower_bound(const specials *s, const vocab *v, size_t lo, size_t hi, size_t depth, unsigned b)
{
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (byte_at(s, v, mid, depth) < b)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* All specials that begin at text[at]. */
static rg_status match_at(const specials *s, const vocab *v, rg_str text, size_t at, bool control,
                          special_matches *out, rg_err *e)
{
    const unsigned char b = (unsigned char)text.p[at];
    size_t lo = s->first[b], hi = s->first[b + 1u];
    for (size_t depth = 1; lo < hi; depth++) {
        for (; lo < hi && rg__vocab_text(v, s->id[lo]).n == depth; lo++)
            if (control || v->kind[s->id[lo]] == TOK_USER)
                RG_TRY(add(out, (special_match){ (uint32_t)at, (uint32_t)depth, s->id[lo] }, e));
        if (at + depth >= text.n)
            break;
        const unsigned next = (unsigned char)text.p[at + depth];
        lo = lower_bound(s, v, lo, hi, depth, next);
        hi = lower_bound(s, v, lo, hi, depth, next + 1);
    }
    return RG_OK;
}

static int longest_first(const void *pa, const void *pb)
{
    const special_match *a = pa, *b = pb;
    if (a->len != b->len)
        return a->len > b->len ? -1 : 1;
    if (a->id != b->id)
        return a->id < b->id ? -1 : 1;
    return a->at < b->at ? -1 : 1;
}

static int by_place(const void *pa, const void *pb)
{
    const special_match *a = pa, *b = pb;
    return a->at < b->at ? -1 : a->at > b->at;
}

/* An accepted match is at least as long as a later candidate, so if the two overlap it covers
 * the candidate's first or last byte. */
static rg_status drop_overlaps(special_matches *out, size_t n, rg_err *e)
{
    uint8_t *taken = rg_calloc(n, 1);
    if (taken == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory to place the special tokens of %zu bytes of text", n);
    qsort(out->m, out->n, sizeof *out->m, longest_first);
    size_t kept = 0;
    for (size_t i = 0; i < out->n; i++) {
        const special_match x = out->m[i];
        if (taken[x.at] || taken[x.at + x.len - 1])
            continue;
        memset(taken + x.at, 1, x.len);
        out->m[kept++] = x;
    }
    out->n = kept;
    qsort(out->m, out->n, sizeof *out->m, by_place);
    rg_free(taken);
    return RG_OK;
}

rg_status rg__specials_match(const specials *s, const vocab *v, rg_str text, bool control,
                             special_matches *out, rg_err *e)
{
    if (s->n == 0 || (!control && !s->any_user))
        return RG_OK;
    for (size_t at = 0; at < text.n; at++) {
        const unsigned char b = (unsigned char)text.p[at];
        if (s->first[b] != s->first[b + 1u])
            RG_TRY(match_at(s, v, text, at, control, out, e));
    }
    return out->n > 1 ? drop_overlaps(out, text.n, e) : RG_OK;
}
