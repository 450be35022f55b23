/* specials.c - finds control and user-defined tokens in a text by their spelling.
 *
 * llama.cpp takes the special tokens longest first and cuts every occurrence of one out of the
 * text before it looks for the next.  The same result in one pass: collect all occurrences
 * (at most TOK_MAX_SPECIAL at one place), sort them longest first, accept those that do not
 * overlap an accepted one.
 *
 * The `tokenizers` package goes from left to right and takes the longest at each place. */
#include <stdlib.h>
#include <string.h>

#include "rung/base/mem.h"
#include "tokenizer_int.h"

static bool is_special(tok_kind k)
{
    return k == TOK_CONTROL || k == TOK_USER || k == TOK_UNKNOWN;
}

/* A user-defined token that a SentencePiece file spells with U+2581 is made by merging: the text
 * has spaces there. */
static bool is_found(const rg_tokenizer *t, size_t i, bool late)
{
    const vocab *v = &t->vocab;
    const rg_str text = rg__vocab_text(v, (int32_t)i);
    const bool merged = v->kind[i] == TOK_USER && t->spelling == SPELL_SPACE && !rg__vocab_foreign(v, i) &&
                        text.n > 0 && memchr(text.p, ' ', text.n) != NULL;
    const bool is_late = t->added != NULL && t->added[i] & ADDED_NORMALIZED;
    return is_special(v->kind[i]) && text.n > 0 && is_late == late && !merged;
}

static rg_str text_of(const specials *s, const vocab *v, size_t k)
{
    return s->bytes ? rg_str_n(s->bytes + s->at[k], s->at[k + 1] - s->at[k]) : rg__vocab_text(v, s->id[k]);
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

/* The spelling of the late ones once it is normalised, one after the other in w->pieces' order. */
static rg_status normalise(const rg_tokenizer *t, spelled *x, rg_buf *all, scratch *w, rg_err *e)
{
    rg_buf_clear(&w->text);
    rg_buf_str(&w->text, x->text);
    RG_TRY(rg__norm_run(&t->steps, w, e));
    x->text = rg_str_n(NULL, w->text.n); /* the place is set when `all` no longer grows */
    rg_buf_str(all, rg_buf_view(&w->text));
    return rg_buf_check(all, "special tokens", e);
}

static rg_status collect(spelled *all, size_t *n, const rg_tokenizer *t, bool late, rg_buf *bytes, scratch *w,
                         rg_err *e)
{
    *n = 0;
    for (size_t i = 0; i < t->vocab.n; i++) {
        if (!is_found(t, i, late))
            continue;
        spelled x = { rg__vocab_text(&t->vocab, (int32_t)i), (int32_t)i };
        if (x.text.n > TOK_MAX_SPECIAL)
            RG_FAIL(e, RG_EFORMAT, "special token %zu is %zu bytes long; at most %d are accepted", i,
                    x.text.n, TOK_MAX_SPECIAL);
        if (late)
            RG_TRY(normalise(t, &x, bytes, w, e));
        if (x.text.n > 0)
            all[(*n)++] = x;
    }
    const char *p = bytes->p;
    for (size_t i = 0; late && i < *n; i++) {
        all[i].text.p = p;
        p += all[i].text.n;
    }
    return RG_OK;
}

static rg_status keep_sorted(specials *s, const rg_tokenizer *t, spelled *all, bool late, rg_err *e)
{
    qsort(all, s->n, sizeof *all, by_spelling);
    uint32_t count[257] = { 0 };
    size_t total = 0;
    for (size_t i = 0; i < s->n; i++)
        total += all[i].text.n;
    s->id = rg_alloc(s->n + 1, sizeof *s->id);
    s->bytes = late ? rg_alloc(total + 1, 1) : NULL;
    s->at = late ? rg_calloc(s->n + 1, sizeof *s->at) : NULL;
    if (s->id == NULL || (late && (s->bytes == NULL || s->at == NULL)))
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu special tokens", s->n);
    for (size_t i = 0; i < s->n; i++) {
        s->id[i] = all[i].id;
        s->any_user |= t->vocab.kind[all[i].id] == TOK_USER;
        count[(unsigned char)all[i].text.p[0] + 1]++;
        if (late) {
            memcpy(s->bytes + s->at[i], all[i].text.p, all[i].text.n);
            s->at[i + 1] = s->at[i] + (uint32_t)all[i].text.n;
        }
    }
    for (size_t b = 0; b < 256; b++)
        s->first[b + 1] = s->first[b] + count[b + 1];
    return RG_OK;
}

rg_status rg__specials_build(specials *s, const rg_tokenizer *t, bool late, rg_err *e)
{
    size_t n = 0;
    for (size_t i = 0; i < t->vocab.n; i++)
        n += is_special(t->vocab.kind[i]);
    scratch w = SCRATCH_INIT;
    rg_buf bytes = RG_BUF_MAX(TOK_MAX_WORK);
    spelled *all = rg_alloc(n + 1, sizeof *all);
    rg_status st = RG_OK;
    if (all == NULL)
        RG_FAIL_GO(st, done, e, RG_ENOMEM, "no memory for %zu special tokens", n);
    s->added = t->added;
    RG_GO(st, done, collect(all, &s->n, t, late, &bytes, &w, e));
    RG_GO(st, done, keep_sorted(s, t, all, late, e));
done:
    rg_free(all);
    rg_buf_free(&bytes);
    rg__tok_scratch_free(&w);
    return st;
}

void rg__specials_free(specials *s)
{
    rg_free(s->id);
    rg_free(s->bytes);
    rg_free(s->at);
}

rg_status rg__special_add(special_matches *out, special_match x, rg_err *e)
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
    return (unsigned char)text_of(s, v, i).p[depth];
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
        for (; lo < hi && text_of(s, v, lo).n == depth; lo++)
            if (control || v->kind[s->id[lo]] == TOK_USER)
                RG_TRY(rg__special_add(out, (special_match){ (uint32_t)at, (uint32_t)depth, s->id[lo] }, e));
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

static uint8_t flags_of(const specials *s, int32_t id)
{
    return s->added ? s->added[id] : 0;
}

static uint32_t char_before(rg_str text, size_t at)
{
    uint32_t cp = 0;
    size_t begin = at;
    while (begin > 0 && at - begin < 4 && ((unsigned char)text.p[--begin] & 0xC0) == 0x80) {
    }
    return at > 0 && rg_utf8_decode(text.p + begin, at - begin, &cp) > 0 ? cp : 0;
}

static uint32_t char_at(rg_str text, size_t at)
{
    uint32_t cp = 0;
    return rg_utf8_decode(text.p + at, text.n - at, &cp) > 0 ? cp : 0;
}

/* The first place, the longest there; one that may not be is passed over whole. */
static rg_status match_leftmost(const specials *s, const vocab *v, rg_str text, bool control,
                                special_matches *out, rg_err *e)
{
    for (size_t at = 0; at < text.n;) {
        const unsigned char b = (unsigned char)text.p[at];
        const size_t before = out->n;
        if (s->first[b] != s->first[b + 1u])
            RG_TRY(match_at(s, v, text, at, true, out, e));
        if (out->n == before) {
            at++;
            continue;
        }
        const special_match x = out->m[out->n - 1]; /* the longest comes last */
        const size_t end = at + x.len;
        const bool word = flags_of(s, x.id) & ADDED_WORD;
        const bool may = (control || v->kind[x.id] == TOK_USER) &&
                         !(word && (rg__is_word(char_before(text, at)) || rg__is_word(char_at(text, end))));
        out->n = before;
        if (may)
            out->m[out->n++] = x;
        at = end;
    }
    return RG_OK;
}

static bool is_blank(uint32_t cp, bool ascii)
{
    return ascii ? cp == ' ' || (cp >= 9 && cp <= 13) : rg__is_white(cp);
}

/* Lets tokens take the white space at their sides along, up to their neighbours. */
static void take_blanks(const specials *s, rg_str text, special_matches *out)
{
    for (size_t i = 0; i < out->n; i++) {
        special_match *x = &out->m[i];
        const uint8_t flags = flags_of(s, x->id);
        const size_t least = i == 0 ? 0 : (size_t)out->m[i - 1].at + out->m[i - 1].len;
        const size_t most = i + 1 == out->n ? text.n : out->m[i + 1].at;
        size_t begin = x->at, end = begin + x->len;
        while (flags & ADDED_LSTRIP && begin > least && is_blank(char_before(text, begin), !s->leftmost))
            for (begin--; begin > least && ((unsigned char)text.p[begin] & 0xC0) == 0x80;)
                begin--;
        while (flags & ADDED_RSTRIP && end < most && is_blank(char_at(text, end), !s->leftmost))
            end += RG_MAX(rg_utf8_decode(text.p + end, text.n - end, NULL), (size_t)1);
        x->at = (uint32_t)begin;
        x->len = (uint32_t)(end - begin);
    }
}

rg_status rg__specials_match(const specials *s, const vocab *v, rg_str text, bool control,
                             special_matches *out, rg_err *e)
{
    if (s->n == 0 || (!control && !s->any_user))
        return RG_OK;
    if (s->leftmost) {
        RG_TRY(match_leftmost(s, v, text, control, out, e));
    } else {
        for (size_t at = 0; at < text.n; at++) {
            const unsigned char b = (unsigned char)text.p[at];
            if (s->first[b] != s->first[b + 1u])
                RG_TRY(match_at(s, v, text, at, control, out, e));
        }
        if (out->n > 1)
            RG_TRY(drop_overlaps(out, text.n, e));
    }
    if (s->added != NULL)
        take_blanks(s, text, out);
    return RG_OK;
}
