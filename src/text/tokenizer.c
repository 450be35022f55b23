/* tokenizer.c - a tokenizer as a whole: what a model file declares, text to ids, ids to text. */
#include <stdio.h>
#include <string.h>

#include "rung/base/mem.h"
#include "tokenizer_int.h"

#define SHOW(s) (int)RG_MIN((s).n, (size_t)60), (s).p

/* The pre-tokenizers that are implemented, by the names that model files give them.  Their
 * meaning: llama.cpp's table of the same names. */
static const struct {
    const char *name;
    pretok_rule rule;
    bool whole_words;
    bool adds_bos; /* where the file does not say */
} pretoks[] = {
    { "gpt-2", PRETOK_GPT2, false, false },    { "llama-bpe", PRETOK_LLAMA3, true, true },
    { "llama3", PRETOK_LLAMA3, true, true },   { "llama-v3", PRETOK_LLAMA3, true, true },
    { "qwen2", PRETOK_QWEN2, false, false },   { "deepseek-r1-qwen", PRETOK_QWEN2, false, false },
    { "smollm", PRETOK_SMOLLM, false, false },
};

static rg_status read_model(rg_tokenizer *t, const rg_gguf *g, rg_err *e)
{
    rg_str model, pre;
    if (!rg_gguf_str(g, "tokenizer.ggml.model", &model))
        RG_FAIL(e, RG_EFORMAT, "the file has no tokenizer: key 'tokenizer.ggml.model' is not a string");
    if (!rg_str_is(model, "gpt2"))
        RG_FAIL(e, RG_EFORMAT, "tokenizer model '%.*s' is not implemented; 'gpt2' (byte-level BPE) is",
                SHOW(model));
    if (!rg_gguf_str(g, "tokenizer.ggml.pre", &pre))
        RG_FAIL(e, RG_EFORMAT,
                "the file names no pre-tokenizer (key 'tokenizer.ggml.pre'); convert the model again");
    for (size_t i = 0; i < RG_COUNT(pretoks); i++) {
        if (!rg_str_is(pre, pretoks[i].name))
            continue;
        t->rule = pretoks[i].rule;
        t->whole_words = pretoks[i].whole_words;
        t->adds_bos = pretoks[i].adds_bos;
        snprintf(t->kind, sizeof t->kind, "gpt2/%s", pretoks[i].name);
        return RG_OK;
    }
    RG_FAIL(
        e, RG_EFORMAT,
        "pre-tokenizer '%.*s' is not implemented; gpt-2, llama-bpe, qwen2, deepseek-r1-qwen and smollm are",
        SHOW(pre));
}

/* Every key tokenizer.ggml.*_token_id names a token of the vocabulary. */
static rg_status check_special_ids(const rg_tokenizer *t, const rg_gguf *g, rg_err *e)
{
    for (size_t i = 0; i < rg_gguf_n_keys(g); i++) {
        rg_str key;
        rg_gguf_kind kind;
        char name[128];
        uint64_t id;
        rg_gguf_key_at(g, i, &key, &kind);
        if (!rg_str_starts(key, "tokenizer.ggml.") || !rg_str_ends(key, "_token_id") || key.n >= sizeof name)
            continue;
        memcpy(name, key.p, key.n);
        name[key.n] = '\0';
        if (!rg_gguf_u64(g, name, &id))
            RG_FAIL(e, RG_EFORMAT, "key '%s' is not a token id", name);
        if (id >= t->vocab.n)
            RG_FAIL(e, RG_EFORMAT, "key '%s' is %llu but the vocabulary has %zu tokens", name,
                    (unsigned long long)id, t->vocab.n);
    }
    return RG_OK;
}

static int32_t declared_id(const rg_gguf *g, const char *key)
{
    uint64_t id;
    return rg_gguf_u64(g, key, &id) ? (int32_t)id : -1; /* below the vocabulary size: checked */
}

static rg_status build(rg_tokenizer *t, const rg_gguf *g, rg_err *e)
{
    RG_TRY(read_model(t, g, e));
    RG_TRY(rg__vocab_read(&t->vocab, g, e));
    RG_TRY(check_special_ids(t, g, e));
    RG_TRY(rg__merges_read(&t->merges, &t->vocab, g, e));
    RG_TRY(rg__specials_build(&t->specials, &t->vocab, e));
    RG_TRY(rg__ends_read(&t->ends, &t->vocab, g, e));
    t->bos = declared_id(g, "tokenizer.ggml.bos_token_id");
    t->eos = declared_id(g, "tokenizer.ggml.eos_token_id");
    rg_gguf_bool(g, "tokenizer.ggml.add_bos_token", &t->adds_bos);
    t->adds_bos = t->adds_bos && t->bos >= 0;
    return RG_OK;
}

rg_status rg_tokenizer_from_gguf(rg_tokenizer **out, const rg_gguf *g, rg_err *e)
{
    *out = NULL;
    rg_tokenizer *t = rg_calloc(1, sizeof *t);
    if (t == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for a tokenizer");
    const rg_status s = build(t, g, e);
    if (s != RG_OK)
        rg_tokenizer_free(t);
    else
        *out = t;
    return s;
}

void rg_tokenizer_free(rg_tokenizer *t)
{
    if (t == NULL)
        return;
    rg__vocab_free(&t->vocab);
    rg__merges_free(&t->merges);
    rg__specials_free(&t->specials);
    rg_free(t->ends);
    rg_free(t);
}

static rg_status plain(const rg_tokenizer *t, const char *p, size_t n, bpe_scratch *w, rg_ids *ids, rg_err *e)
{
    for (size_t at = 0, end; at < n; at = end) {
        end = rg__pretok_next(t->rule, p, n, at);
        const int32_t whole = t->whole_words ? rg__vocab_word(&t->vocab, rg_str_n(p + at, end - at)) : -1;
        if (whole >= 0)
            RG_TRY(rg_ids_push(ids, whole, e));
        else
            RG_TRY(rg__bpe_word(&t->vocab, &t->merges, p + at, end - at, w, ids, e));
    }
    return RG_OK;
}

static rg_status pieces(const rg_tokenizer *t, rg_str text, const special_matches *found, bpe_scratch *w,
                        rg_ids *ids, rg_err *e)
{
    size_t at = 0;
    for (size_t i = 0; i < found->n; i++) {
        const special_match *m = &found->m[i];
        RG_TRY(plain(t, text.p + at, m->at - at, w, ids, e));
        RG_TRY(rg_ids_push(ids, m->id, e));
        at = (size_t)m->at + m->len;
    }
    return plain(t, text.p + at, text.n - at, w, ids, e);
}

rg_status rg_tokenize(const rg_tokenizer *t, rg_str text, rg_special special, rg_ids *ids, rg_err *e)
{
    if (text.n == 0)
        return RG_OK;
    if (text.n > TOK_MAX_TEXT)
        RG_FAIL(e, RG_ELIMIT, "a text of %zu bytes is more than the %zu that are tokenised at once; split it",
                text.n, TOK_MAX_TEXT);
    special_matches found = { 0 };
    bpe_scratch w = { 0 };
    const size_t before = ids->n;
    rg_status s = rg__specials_match(&t->specials, &t->vocab, text, special == RG_SPECIAL_ALL, &found, e);
    if (s == RG_OK)
        s = pieces(t, text, &found, &w, ids, e);
    if (s != RG_OK)
        ids->n = before; /* all or nothing */
    rg__bpe_scratch_free(&w);
    rg_free(found.m);
    return s;
}

rg_status rg_tokenize_spans(const rg_tokenizer *t, rg_str text, const rg_span *spans, size_t n, rg_ids *ids,
                            rg_err *e)
{
    const size_t before = ids->n;
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        if (spans[i].begin != at || spans[i].end < at || spans[i].end > text.n) {
            ids->n = before;
            RG_FAIL(e, RG_EARG, "span %zu is [%zu, %zu) but the text of %zu bytes is covered up to %zu", i,
                    spans[i].begin, spans[i].end, text.n, at);
        }
        const rg_str part = rg_str_n(text.p + at, spans[i].end - at);
        const rg_status s =
            rg_tokenize(t, part, spans[i].scaffold ? RG_SPECIAL_ALL : RG_SPECIAL_NONE, ids, e);
        if (s != RG_OK) {
            ids->n = before;
            return s;
        }
        at = spans[i].end;
    }
    if (at != text.n) {
        ids->n = before;
        RG_FAIL(e, RG_EARG, "the spans cover %zu of the text's %zu bytes", at, text.n);
    }
    return RG_OK;
}

static bool is_id(const rg_tokenizer *t, int32_t id)
{
    return id >= 0 && (size_t)id < t->vocab.n;
}

void rg_detokenize(const rg_tokenizer *t, int32_t id, bool with_special, rg_buf *b)
{
    if (!is_id(t, id))
        return;
    const tok_kind k = (tok_kind)t->vocab.kind[id];
    if (with_special || k == TOK_NORMAL || k == TOK_USER || k == TOK_BYTE)
        rg_buf_str(b, rg__vocab_text(&t->vocab, id));
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
    return t->bos;
}

int32_t rg_token_eos(const rg_tokenizer *t)
{
    return t->eos;
}

bool rg_token_adds_bos(const rg_tokenizer *t)
{
    return t->adds_bos;
}

bool rg_token_ends(const rg_tokenizer *t, int32_t id)
{
    return is_id(t, id) && t->ends[id];
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
