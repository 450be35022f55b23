/* tokenizer.c - a tokenizer as a whole: what a model file declares, text to ids, ids to text. */
#include <stdio.h>
#include <string.h>

#include "rung/base/mem.h"
#include "tokenizer_int.h"

const char *const rg__special_keys[ID_COUNT] = {
    [ID_BOS] = "tokenizer.ggml.bos_token_id",     [ID_EOS] = "tokenizer.ggml.eos_token_id",
    [ID_EOT] = "tokenizer.ggml.eot_token_id",     [ID_EOM] = "tokenizer.ggml.eom_token_id",
    [ID_UNK] = "tokenizer.ggml.unknown_token_id", [ID_SEP] = "tokenizer.ggml.seperator_token_id",
    [ID_PAD] = "tokenizer.ggml.padding_token_id", [ID_MASK] = "tokenizer.ggml.mask_token_id",
};

void rg__steps_free(tok_steps *s)
{
    for (size_t i = 0; i < s->n_norm; i++) {
        norm_step *x = &s->norm[i];
        rg_free((char *)(uintptr_t)x->a.p);
        rg_free((char *)(uintptr_t)x->b.p);
        rg__regex_free(x->re);
        rg__charsmap_free(x->map);
    }
    for (size_t i = 0; i < s->n_pre; i++) {
        rg_free((char *)(uintptr_t)s->pre[i].a.p);
        rg__regex_free(s->pre[i].re);
    }
    memset(s, 0, sizeof *s);
}

void rg__decl_free(tok_decl *d)
{
    rg_free(d->kind);
    rg_free(d->added);
    rg_free(d->score);
    rg__steps_free(&d->steps);
}

static rg_status check_ids(const tok_decl *d, rg_err *e)
{
    for (size_t i = 0; i < ID_COUNT; i++)
        if (d->id[i] >= 0 && (size_t)d->id[i] >= d->n)
            RG_FAIL(e, RG_EFORMAT, "key '%s' is %d but the vocabulary has %zu tokens", rg__special_keys[i],
                    (int)d->id[i], d->n);
    return RG_OK;
}

/* Which bytes stand side by side in the tokens that words become. */
static rg_status read_inner(rg_tokenizer *t, rg_err *e)
{
    const vocab *v = &t->vocab;
    t->inner = rg_calloc(1, sizeof *t->inner);
    if (t->inner == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for a tokenizer");
    for (size_t i = 0; i < v->n; i++) {
        const rg_str text = rg__vocab_text(v, (int32_t)i);
        for (size_t k = 1; k < text.n && (v->kind[i] == TOK_NORMAL || v->kind[i] == TOK_USER); k++) {
            const unsigned x = (unsigned)(unsigned char)text.p[k - 1] << 8 | (unsigned char)text.p[k];
            t->inner->bit[x / 8] |= (uint8_t)(1u << x % 8);
        }
    }
    return RG_OK;
}

static rg_status build_model(rg_tokenizer *t, const tok_decl *d, rg_err *e)
{
    const bool looks_ahead = d->model == TOK_UNIGRAM || d->model == TOK_WORDPIECE;
    if (looks_ahead && t->vocab.longest > TOK_MAX_PIECE)
        RG_FAIL(e, RG_EFORMAT, "a token is %zu bytes long; at most %d are accepted in such a vocabulary",
                t->vocab.longest, TOK_MAX_PIECE);
    switch (d->model) {
    case TOK_BPE:
    case TOK_SPM:
        if (d->model == TOK_SPM && d->score == NULL)
            RG_FAIL(e, RG_EFORMAT, "the file has no scores: key 'tokenizer.ggml.scores' is missing");
        if (d->spelling != SPELL_BYTES)
            RG_TRY(read_inner(t, e));
        return rg__merges_read(&t->merges, &t->vocab, d, e);
    case TOK_UNIGRAM:
        if (d->score == NULL)
            RG_FAIL(e, RG_EFORMAT, "the file has no scores: key 'tokenizer.ggml.scores' is missing");
        return rg__unigram_build(&t->unigram, &t->vocab, d, e);
    case TOK_WORDPIECE: break;
    }
    return RG_OK;
}

static rg_status build(rg_tokenizer *t, tok_decl *d, rg_err *e)
{
    snprintf(t->kind, sizeof t->kind, "%s", d->name);
    snprintf(t->pre, sizeof t->pre, "%s", d->pre);
    t->model = d->model;
    t->spelling = d->spelling;
    t->steps = d->steps;
    memset(&d->steps, 0, sizeof d->steps);
    t->added = d->added;
    d->added = NULL;
    t->max_word = d->max_word;
    t->whole_words = d->whole_words;
    t->byte_fallback = d->byte_fallback;
    t->fuse_unk = d->fuse_unk;
    RG_TRY(check_ids(d, e));
    memcpy(t->id, d->id, sizeof t->id);
    t->unk = d->unk;
    t->adds_bos = d->adds_bos && t->id[ID_BOS] >= 0;
    t->adds_eos = d->adds_eos && t->id[ID_EOS] >= 0;
    RG_TRY(rg__vocab_read(&t->vocab, d, e));
    RG_TRY(build_model(t, d, e));
    t->specials.leftmost = t->late.leftmost = d->leftmost;
    RG_TRY(rg__specials_build(&t->specials, t, false, e));
    RG_TRY(rg__specials_build(&t->late, t, true, e));
    return rg__ends_read(&t->ends, &t->vocab, d, e);
}

rg_status rg__tokenizer_build(rg_tokenizer **out, tok_decl *d, rg_err *e)
{
    *out = NULL;
    rg_tokenizer *t = rg_calloc(1, sizeof *t);
    if (t == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for a tokenizer");
    const rg_status s = build(t, d, e);
    if (s != RG_OK)
        rg_tokenizer_free(t);
    else
        *out = t;
    return s;
}

/* *p grows from n to rows elements, the new ones zero; an array that is not there stays so. */
static rg_status widen(void *array, size_t n, size_t rows, size_t size, rg_err *e)
{
    void *p;
    memcpy(&p, array, sizeof p);
    if (p == NULL)
        return RG_OK;
    char *wide = rg_realloc(p, rows, size);
    if (wide == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu tokens", rows);
    memset(wide + n * size, 0, (rows - n) * size);
    memcpy(array, &wide, sizeof wide);
    return RG_OK;
}

rg_status rg_tokenizer_pad(rg_tokenizer *t, size_t rows, rg_err *e)
{
    vocab *v = &t->vocab;
    const size_t n = v->n;
    if (rows < n || rows > TOK_MAX_VOCAB)
        RG_FAIL(e, RG_EFORMAT, "the vocabulary has %zu tokens but the embedding has %zu rows", n, rows);
    if (rows == n)
        return RG_OK;
    RG_TRY(widen(&v->at, n + 1, rows + 1, sizeof *v->at, e));
    RG_TRY(widen(&v->kind, n, rows, 1, e));
    RG_TRY(widen(&v->foreign, n / 8 + 1, rows / 8 + 1, 1, e));
    RG_TRY(widen(&t->ends, n, rows, 1, e));
    RG_TRY(widen(&t->added, n, rows, 1, e));
    RG_TRY(widen(&t->unigram.score, n, rows, sizeof *t->unigram.score, e));
    for (size_t i = n; i < rows; i++) {
        v->kind[i] = TOK_UNUSED;
        v->at[i + 1] = v->at[n];
    }
    v->n = rows;
    t->specials.added = t->late.added = t->added;
    return RG_OK;
}

void rg_tokenizer_free(rg_tokenizer *t)
{
    if (t == NULL)
        return;
    rg__vocab_free(&t->vocab);
    rg__merges_free(&t->merges);
    rg__unigram_free(&t->unigram);
    rg__specials_free(&t->specials);
    rg__specials_free(&t->late);
    rg__steps_free(&t->steps);
    rg_free(t->inner);
    rg_free(t->added);
    rg_free(t->ends);
    rg_free(t);
}

rg_status rg_tokenize(const rg_tokenizer *t, rg_str text, rg_special special, rg_ids *ids, rg_err *e)
{
    const rg_span all = { 0, text.n, special == RG_SPECIAL_ALL };
    return rg__encode(t, text, &all, 1, ids, e);
}

static rg_status check_spans(rg_str text, const rg_span *spans, size_t n, rg_err *e)
{
    size_t at = 0;
    for (size_t i = 0; i < n; at = spans[i].end, i++)
        if (spans[i].begin != at || spans[i].end < at || spans[i].end > text.n)
            RG_FAIL(e, RG_EARG, "span %zu is [%zu, %zu) but the text of %zu bytes is covered up to %zu", i,
                    spans[i].begin, spans[i].end, text.n, at);
    if (at != text.n)
        RG_FAIL(e, RG_EARG, "the spans cover %zu of the text's %zu bytes", at, text.n);
    return RG_OK;
}

rg_status rg_tokenize_spans(const rg_tokenizer *t, rg_str text, const rg_span *spans, size_t n, rg_ids *ids,
                            rg_err *e)
{
    const size_t before = ids->n;
    RG_TRY(check_spans(text, spans, n, e));
    if (t->spelling == SPELL_SPACE)
        return rg__encode(t, text, spans, n, ids, e);
    for (size_t i = 0; i < n; i++) {
        const rg_str part = rg_str_n(text.p + spans[i].begin, spans[i].end - spans[i].begin);
        const rg_status s =
            rg_tokenize(t, part, spans[i].scaffold ? RG_SPECIAL_ALL : RG_SPECIAL_NONE, ids, e);
        if (s != RG_OK) {
            ids->n = before;
            return s;
        }
    }
    return RG_OK;
}

static bool is_id(const rg_tokenizer *t, int32_t id)
{
    return id >= 0 && (size_t)id < t->vocab.n;
}

size_t rg_vocab_size(const rg_tokenizer *t)
{
    return t->vocab.n;
}

rg_str rg_token_text(const rg_tokenizer *t, int32_t id)
{
    return is_id(t, id) ? rg__vocab_text(&t->vocab, id) : rg_str_n("", 0);
}

bool rg_token_is_control(const rg_tokenizer *t, int32_t id)
{
    return is_id(t, id) && t->vocab.kind[id] == TOK_CONTROL;
}

int32_t rg_token_bos(const rg_tokenizer *t)
{
    return t->id[ID_BOS];
}

int32_t rg_token_eos(const rg_tokenizer *t)
{
    return t->id[ID_EOS];
}

bool rg_token_adds_bos(const rg_tokenizer *t)
{
    return t->adds_bos;
}

bool rg_token_adds_eos(const rg_tokenizer *t)
{
    return t->adds_eos;
}

bool rg_token_ends(const rg_tokenizer *t, int32_t id)
{
    return is_id(t, id) && t->ends[id];
}

void rg_token_add_end(rg_tokenizer *t, int32_t id)
{
    if (is_id(t, id))
        t->ends[id] = 1;
}

int32_t rg_token_find(const rg_tokenizer *t, rg_str s)
{
    const int32_t special = rg__vocab_special(&t->vocab, s);
    return special >= 0 ? special : rg__vocab_word(&t->vocab, s);
}

const char *rg_tokenizer_kind(const rg_tokenizer *t)
{
    return t->kind;
}
