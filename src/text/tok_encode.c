/* tok_encode.c - leads a text through the tokenizer: specials out, the rest normalised, cut into
 * words, and each word handed to the model. */
#include <string.h>

#include "rung/base/mem.h"
#include "rung/base/rng.h"
#include "tokenizer_int.h"

enum { SEEN_FROM = 4096 }; /* bytes of text from which it pays to remember words */

void rg__tok_scratch_free(scratch *w)
{
    rg_free(w->symbols);
    rg_free(w->heap);
    rg_free(w->start);
    rg_free(w->seen);
    rg_free(w->cells);
    rg_free(w->words.c);
    rg_free(w->pieces.c);
    rg_buf_free(&w->text);
    rg_buf_free(&w->other);
    rg_buf_free(&w->late);
    rg__regex_run_free(w->run);
}

/* ---- one word ---- */

static rg_status model_word(const rg_tokenizer *t, const char *p, size_t n, scratch *w, rg_ids *ids,
                            rg_err *e)
{
    switch (t->model) {
    case TOK_BPE:
    case TOK_SPM: return rg__bpe_word(t, p, n, w, ids, e);
    case TOK_UNIGRAM: return rg__unigram_word(t, p, n, w, ids, e);
    case TOK_WORDPIECE: break;
    }
    return rg__wordpiece_word(t, p, n, w, ids, e);
}

/* Texts repeat their words: what a word became the first time is copied.  An unknown token is
 * not, for it may melt into the one before it. */
static rg_status seen_word_ids(const rg_tokenizer *t, const char *p, size_t n, scratch *w, rg_ids *ids,
                               rg_err *e)
{
    if (!w->remembers || n > SEEN_LONGEST || n < 2)
        return model_word(t, p, n, w, ids, e);
    seen_word *s = &w->seen[rg_hash64(p, n, 0) % SEEN_WORDS];
    if (s->n == n && memcmp(s->p, p, n) == 0) {
        for (uint32_t i = 0; i < s->n_ids; i++)
            RG_TRY(rg_ids_push(ids, ids->id[s->id_at + i], e));
        return RG_OK;
    }
    const size_t before = ids->n;
    RG_TRY(model_word(t, p, n, w, ids, e));
    if (ids->n > before && ids->id[before] != t->unk)
        *s = (seen_word){ p, before, (uint32_t)n, (uint32_t)(ids->n - before) };
    return RG_OK;
}

static bool is_inner(const byte_pairs *b, char left, char right)
{
    const unsigned x = (unsigned)(unsigned char)left << 8 | (unsigned char)right;
    return ((unsigned char)right & 0xC0) == 0x80 || b->bit[x / 8] >> x % 8 & 1;
}

/* A word as the pre-tokenizer has it (for SentencePiece: a whole text).  Where two bytes meet
 * that no token has side by side, nothing merges across: the parts are words of their own. */
static rg_status word(const rg_tokenizer *t, const char *p, size_t n, scratch *w, rg_ids *ids, rg_err *e)
{
    w->begun = ids->n;
    const int32_t whole = t->whole_words ? rg__vocab_word(&t->vocab, rg_str_n(p, n)) : -1;
    if (whole >= 0)
        return rg_ids_push(ids, whole, e);
    if (t->inner == NULL)
        return seen_word_ids(t, p, n, w, ids, e);
    for (size_t at = 0, end; at < n; at = end) {
        for (end = at + 1; end < n && is_inner(t->inner, p[end - 1], p[end]);)
            end++;
        RG_TRY(seen_word_ids(t, p + at, end - at, w, ids, e));
    }
    return RG_OK;
}

/* ---- a stretch between specials ---- */

static rg_status remember(scratch *w, size_t n, rg_err *e)
{
    w->remembers = n >= SEEN_FROM;
    if (!w->remembers)
        return RG_OK;
    if (w->seen == NULL)
        w->seen = rg_alloc(SEEN_WORDS, sizeof *w->seen);
    if (w->seen == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory to tokenise %zu bytes", n);
    memset(w->seen, 0, SEEN_WORDS * sizeof *w->seen);
    return RG_OK;
}

static rg_status by_rule(const rg_tokenizer *t, pretok_rule rule, rg_str text, scratch *w, rg_ids *ids,
                         rg_err *e)
{
    RG_TRY(remember(w, text.n, e));
    for (size_t at = 0, end; at < text.n; at = end) {
        end = rg__pretok_next(rule, text.p, text.n, at);
        RG_TRY(word(t, text.p + at, end - at, w, ids, e));
    }
    return RG_OK;
}

static pretok_rule only_rule(const rg_tokenizer *t)
{
    return t->steps.n_pre == 1 ? t->steps.pre[0].rule : PRETOK_NONE;
}

/* The words of w->text. */
static rg_status cut_text(const rg_tokenizer *t, bool first, scratch *w, rg_ids *ids, rg_err *e)
{
    if (only_rule(t) != PRETOK_NONE)
        return by_rule(t, only_rule(t), rg_buf_view(&w->text), w, ids, e);
    RG_TRY(rg__pre_run(&t->steps, w, first, e));
    RG_TRY(remember(w, w->text.n, e));
    for (size_t i = 0; i < w->words.n; i++) {
        char *p = w->text.p + w->words.c[i].begin;
        size_t n = w->words.c[i].end - w->words.c[i].begin;
        if (t->spelling == SPELL_SPACE)
            n = rg__unescape_spaces(p, n);
        RG_TRY(word(t, p, n, w, ids, e));
    }
    return RG_OK;
}

static rg_status put_text(scratch *w, const char *p, size_t n, rg_err *e)
{
    rg_buf_clear(&w->text);
    rg_buf_put(&w->text, p, n);
    return rg_buf_check(&w->text, "a text", e);
}

/* Normalised text may hold special tokens of its own. */
static rg_status with_late(const rg_tokenizer *t, bool control, bool first, scratch *w, rg_ids *ids,
                           rg_err *e)
{
    special_matches found = { 0 };
    size_t at = 0;
    const rg_buf spare = w->late;
    w->late = w->text;
    w->text = spare;
    const rg_str all = rg_buf_view(&w->late);
    rg_status s = rg__specials_match(&t->late, &t->vocab, all, control, &found, e);
    for (size_t i = 0; s == RG_OK && i <= found.n; i++) {
        const size_t end = i < found.n ? found.m[i].at : all.n;
        if (end > at)
            RG_GO(s, done, put_text(w, all.p + at, end - at, e));
        if (end > at)
            RG_GO(s, done, cut_text(t, first && at == 0, w, ids, e));
        if (i < found.n) {
            RG_GO(s, done, rg_ids_push(ids, found.m[i].id, e));
            at = end + found.m[i].len;
        }
    }
done:
    rg_free(found.m);
    return s;
}

static rg_status stretch(const rg_tokenizer *t, rg_str text, bool control, bool first, scratch *w,
                         rg_ids *ids, rg_err *e)
{
    if (text.n == 0)
        return RG_OK;
    if (t->steps.n_norm == 0 && t->late.n == 0 && only_rule(t) != PRETOK_NONE)
        return by_rule(t, only_rule(t), text, w, ids, e);
    RG_TRY(put_text(w, text.p, text.n, e));
    RG_TRY(rg__norm_run(&t->steps, w, e));
    if (t->late.n > 0)
        return with_late(t, control, first, w, ids, e);
    return cut_text(t, first, w, ids, e);
}

/* ---- a text ---- */

static rg_status find_specials(const rg_tokenizer *t, rg_str text, const rg_span *span,
                               special_matches *found, rg_err *e)
{
    const size_t before = found->n;
    special_matches here = { 0 };
    const rg_str part = rg_str_n(text.p + span->begin, span->end - span->begin);
    rg_status s = rg__specials_match(&t->specials, &t->vocab, part, span->scaffold, &here, e);
    if (s == RG_OK && before == 0) {
        *found = here;
        here.m = NULL;
    }
    for (size_t i = 0; s == RG_OK && before > 0 && i < here.n; i++)
        s = rg__special_add(found, here.m[i], e);
    for (size_t i = before; s == RG_OK && i < found->n; i++)
        found->m[i].at += (uint32_t)span->begin;
    rg_free(here.m);
    return s;
}

/* Late specials are looked for in what is scaffolding from end to end only. */
static bool all_scaffold(const rg_span *spans, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!spans[i].scaffold)
            return false;
    return true;
}

static rg_status stretches(const rg_tokenizer *t, rg_str text, const special_matches *found, bool control,
                           scratch *w, rg_ids *ids, rg_err *e)
{
    size_t at = 0;
    for (size_t i = 0; i < found->n; i++) {
        const special_match *m = &found->m[i];
        RG_TRY(stretch(t, rg_str_n(text.p + at, m->at - at), control, at == 0, w, ids, e));
        RG_TRY(rg_ids_push(ids, m->id, e));
        at = (size_t)m->at + m->len;
    }
    return stretch(t, rg_str_n(text.p + at, text.n - at), control, at == 0, w, ids, e);
}

rg_status rg__encode(const rg_tokenizer *t, rg_str text, const rg_span *spans, size_t n, rg_ids *ids,
                     rg_err *e)
{
    special_matches found = { 0 };
    scratch w = SCRATCH_INIT;
    const size_t before = ids->n;
    rg_status s = RG_OK;
    if (text.n == 0)
        return RG_OK;
    if (text.n > TOK_MAX_TEXT)
        RG_FAIL(e, RG_ELIMIT, "a text of %zu bytes is more than the %zu that are tokenised at once; split it",
                text.n, TOK_MAX_TEXT);
    for (size_t i = 0; i < n; i++)
        RG_GO(s, done, find_specials(t, text, &spans[i], &found, e));
    RG_GO(s, done, stretches(t, text, &found, all_scaffold(spans, n), &w, ids, e));
done:
    if (s != RG_OK)
        ids->n = before; /* all or nothing */
    rg__tok_scratch_free(&w);
    rg_free(found.m);
    return s;
}
