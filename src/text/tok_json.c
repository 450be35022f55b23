/* tok_json.c - what a tokenizer.json (and the tokenizer_config.json beside it) declares: the
 * model with its tokens, the added tokens, which of them are BOS, EOS and their kin. */
#include <stdio.h>
#include <string.h>

#include "rung/base/mem.h"
#include "rung/format/json.h"
#include "tok_json.h"
#include "tokenizer_int.h"

#define SHOW(s) (int)RG_MIN((s).n, (size_t)60), ((s).p ? (s).p : "")

enum { MAX_VALUES = 4 * TOK_MAX_MERGES };

/* The declaration and what it borrows from. */
typedef struct reader {
    tok_decl d;
    json_t *root, *config;
    rg_str *token;
    rg_str *merge;
} reader;

/* ---- tokens ---- */

static rg_status put_token(reader *r, rg_str text, const json_t *id, size_t *n, rg_err *e)
{
    const json_int_t x = json_integer_value(id);
    if (!json_is_integer(id) || x < 0 || x >= TOK_MAX_VOCAB)
        RG_FAIL(e, RG_EFORMAT, "token '%.*s' of tokenizer.json has no id below %d", SHOW(text),
                TOK_MAX_VOCAB);
    if (r->token != NULL)
        r->token[x] = text;
    *n = RG_MAX(*n, (size_t)x + 1);
    return RG_OK;
}

/* { text: id, ... } or [[text, score], ...]; counts or, once there is room, fills. */
static rg_status put_vocab(reader *r, const json_t *words, size_t *n, rg_err *e)
{
    json_t *x;
    if (json_is_object(words)) {
        for (void *it = json_object_iter((json_t *)(uintptr_t)words); it;
             it = json_object_iter_next((json_t *)(uintptr_t)words, it))
            RG_TRY(put_token(r, rg_str_of(json_object_iter_key(it)), json_object_iter_value(it), n, e));
        return RG_OK;
    }
    size_t i;
    if (!json_is_array(words) || json_array_size(words) > TOK_MAX_VOCAB)
        RG_FAIL(e, RG_EFORMAT, "the model of tokenizer.json has no vocab, or one of more than %d tokens",
                TOK_MAX_VOCAB);
    json_array_foreach(words, i, x)
    {
        const json_t *text = json_array_get(x, 0), *score = json_array_get(x, 1);
        if (!json_is_string(text) || !json_is_number(score))
            RG_FAIL(e, RG_EFORMAT, "token %zu of tokenizer.json is not a text with a score", i);
        if (r->token != NULL) {
            r->token[i] = rg_str_n(json_string_value(text), json_string_length(text));
            r->d.score[i] = json_number_value(score);
        }
    }
    *n = RG_MAX(*n, i);
    return RG_OK;
}

static rg_status put_added(reader *r, size_t *n, rg_err *e)
{
    const json_t *x;
    size_t i;
    json_array_foreach(json_object_get(r->root, "added_tokens"), i, x)
    {
        const rg_str text = rg__tokjson_str(x, "content");
        const json_t *id = json_object_get(x, "id");
        RG_TRY(put_token(r, text, id, n, e));
        if (r->token == NULL)
            continue;
        const json_int_t at = json_integer_value(id);
        r->d.kind[at] = rg__tokjson_bool(x, "special", false) ? TOK_CONTROL : TOK_USER;
        r->d.added[at] = (uint8_t)((rg__tokjson_bool(x, "lstrip", false) ? ADDED_LSTRIP : 0) |
                                   (rg__tokjson_bool(x, "rstrip", false) ? ADDED_RSTRIP : 0) |
                                   (rg__tokjson_bool(x, "single_word", false) ? ADDED_WORD : 0) |
                                   (rg__tokjson_bool(x, "normalized", false) ? ADDED_NORMALIZED : 0));
    }
    return RG_OK;
}

static void read_kinds(reader *r)
{
    for (size_t i = 0; i < r->d.n; i++) {
        const bool byte = r->d.byte_fallback && r->token[i].p && rg__byte_token(r->token[i]) >= 0;
        r->d.kind[i] = r->token[i].p == NULL ? TOK_UNUSED : byte ? TOK_BYTE : TOK_NORMAL;
        if (r->token[i].p == NULL)
            r->token[i] = rg_str_of("");
    }
}

static rg_status read_tokens(reader *r, const json_t *words, rg_err *e)
{
    size_t n = 0;
    RG_TRY(put_vocab(r, words, &n, e));
    RG_TRY(put_added(r, &n, e));
    r->d.n = n;
    r->token = rg_calloc(n + 1, sizeof *r->token);
    r->d.token = r->token;
    r->d.kind = rg_calloc(n + 1, 1);
    r->d.added = rg_calloc(n + 1, 1);
    if (json_is_array(words))
        r->d.score = rg_calloc(n + 1, sizeof *r->d.score);
    if (r->token == NULL || r->d.kind == NULL || r->d.added == NULL || (json_is_array(words) && !r->d.score))
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu tokens", n);
    RG_TRY(put_vocab(r, words, &n, e));
    read_kinds(r);
    return put_added(r, &n, e);
}

static int32_t find_token(const reader *r, rg_str text)
{
    for (size_t i = 0; text.p != NULL && i < r->d.n; i++)
        if (rg_str_eq(r->token[i], text))
            return (int32_t)i;
    return -1;
}

/* ---- the models ---- */

static rg_status read_merges(reader *r, const json_t *list, rg_err *e)
{
    const json_t *x;
    size_t i;
    const size_t n = json_array_size(list);
    if (!json_is_array(list) || n > TOK_MAX_MERGES)
        RG_FAIL(e, RG_EFORMAT, "the model of tokenizer.json has no merges, or more than %d", TOK_MAX_MERGES);
    r->d.n_merges = n;
    r->d.merge_pairs = json_is_array(json_array_get(list, 0));
    r->merge = rg_alloc(2 * n + 1, sizeof *r->merge);
    r->d.merge = r->merge;
    if (r->merge == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu merges", n);
    json_array_foreach(list, i, x)
    {
        const json_t *a = r->d.merge_pairs ? json_array_get(x, 0) : x, *b = json_array_get(x, 1);
        if (!json_is_string(a) || (r->d.merge_pairs && !json_is_string(b)))
            RG_FAIL(e, RG_EFORMAT, "merge %zu of tokenizer.json is no pair of texts", i);
        r->merge[r->d.merge_pairs ? 2 * i : i] = rg_str_n(json_string_value(a), json_string_length(a));
        if (r->d.merge_pairs)
            r->merge[2 * i + 1] = rg_str_n(json_string_value(b), json_string_length(b));
    }
    return RG_OK;
}

static rg_status read_bpe(reader *r, const json_t *m, rg_err *e)
{
    if (json_number_value(json_object_get(m, "dropout")) > 0)
        RG_FAIL(e, RG_EFORMAT,
                "BPE dropout of tokenizer.json is for training and not implemented; set it to null");
    if (rg__tokjson_str(m, "continuing_subword_prefix").n > 0 ||
        rg__tokjson_str(m, "end_of_word_suffix").n > 0)
        RG_FAIL(
            e, RG_EFORMAT,
            "continuing_subword_prefix and end_of_word_suffix of BPE (tokenizer.json) are not implemented");
    r->d.model = TOK_BPE;
    snprintf(r->d.name, sizeof r->d.name, "json/bpe");
    r->d.byte_fallback = rg__tokjson_bool(m, "byte_fallback", false);
    r->d.fuse_unk = rg__tokjson_bool(m, "fuse_unk", false);
    r->d.whole_words = rg__tokjson_bool(m, "ignore_merges", false);
    RG_TRY(read_tokens(r, json_object_get(m, "vocab"), e));
    r->d.unk = find_token(r, rg__tokjson_str(m, "unk_token"));
    return read_merges(r, json_object_get(m, "merges"), e);
}

static rg_status read_unigram(reader *r, const json_t *m, rg_err *e)
{
    const json_t *unk = json_object_get(m, "unk_id");
    r->d.model = TOK_UNIGRAM;
    snprintf(r->d.name, sizeof r->d.name, "json/unigram");
    r->d.byte_fallback = rg__tokjson_bool(m, "byte_fallback", false);
    r->d.fuse_unk = true;
    if (!json_is_array(json_object_get(m, "vocab")))
        RG_FAIL(e, RG_EFORMAT, "the Unigram model of tokenizer.json has no list of tokens with scores");
    RG_TRY(read_tokens(r, json_object_get(m, "vocab"), e));
    const json_int_t id = json_integer_value(unk);
    if (json_is_integer(unk) && (id < 0 || (uint64_t)id >= r->d.n))
        RG_FAIL(e, RG_EFORMAT, "unk_id of tokenizer.json is %lld but there are %zu tokens", (long long)id,
                r->d.n);
    r->d.unk = json_is_integer(unk) ? (int32_t)id : -1;
    return RG_OK;
}

static rg_status read_wordpiece(reader *r, const json_t *m, rg_err *e)
{
    const json_t *most = json_object_get(m, "max_input_chars_per_word");
    r->d.model = TOK_WORDPIECE;
    snprintf(r->d.name, sizeof r->d.name, "json/wordpiece");
    r->d.spelling = SPELL_WORDS;
    r->d.prefix = rg__tokjson_str(m, "continuing_subword_prefix");
    if (r->d.prefix.n == 0)
        r->d.prefix = rg_str_of("##");
    const json_int_t n = json_is_integer(most) ? json_integer_value(most) : 100;
    r->d.max_word = n < 0 ? 0 : RG_MIN((size_t)n, (size_t)1024);
    RG_TRY(read_tokens(r, json_object_get(m, "vocab"), e));
    r->d.unk = find_token(r, rg__tokjson_str(m, "unk_token"));
    return RG_OK;
}

static rg_status read_model(reader *r, rg_err *e)
{
    static const struct {
        const char *name;
        rg_status (*read)(reader *r, const json_t *m, rg_err *e);
    } models[] = { { "BPE", read_bpe }, { "Unigram", read_unigram }, { "WordPiece", read_wordpiece } };
    const json_t *m = json_object_get(r->root, "model");
    rg_str type = rg__tokjson_str(m, "type");
    if (type.p == NULL && json_object_get(m, "merges")) /* files of old do not say */
        type = rg_str_of("BPE");
    for (size_t i = 0; i < RG_COUNT(models); i++)
        if (rg_str_is(type, models[i].name))
            return models[i].read(r, m, e);
    RG_FAIL(e, RG_EFORMAT,
            "model '%.*s' of tokenizer.json is not implemented; BPE, Unigram and WordPiece are", SHOW(type));
}

/* ---- which tokens are what ---- */

/* A name of tokenizer_config.json: a text, or an object with its content. */
static rg_str config_token(const json_t *config, const char *key)
{
    const rg_str s = rg__tokjson_str(config, key);
    return s.p ? s : rg__tokjson_str(json_object_get(config, key), "content");
}

/* Without a config: the first special token with a name that ends texts. */
static int32_t usual_eos(const reader *r)
{
    for (size_t i = 0; i < r->d.n; i++)
        if (r->d.kind[i] == TOK_CONTROL && rg__is_end_name(r->token[i]))
            return (int32_t)i;
    return -1;
}

static void read_ids(reader *r)
{
    static const struct {
        const char *key;
        tok_special_id id;
    } names[] = { { "bos_token", ID_BOS }, { "eos_token", ID_EOS }, { "unk_token", ID_UNK },
                  { "sep_token", ID_SEP }, { "pad_token", ID_PAD }, { "mask_token", ID_MASK } };
    tok_decl *d = &r->d;
    for (size_t i = 0; i < RG_COUNT(names); i++) {
        const int32_t id = find_token(r, config_token(r->config, names[i].key));
        const bool fixed = (names[i].id == ID_BOS && d->adds_bos) || (names[i].id == ID_EOS && d->adds_eos);
        if (id >= 0 && !fixed)
            d->id[names[i].id] = id;
    }
    if (d->id[ID_EOS] < 0)
        d->id[ID_EOS] = usual_eos(r);
    if (d->id[ID_UNK] < 0)
        d->id[ID_UNK] = d->unk;
    if (d->unk >= 0 && d->kind[d->unk] != TOK_USER)
        d->kind[d->unk] = TOK_UNKNOWN;
    const json_t *post = json_object_get(r->root, "post_processor");
    if (post == NULL || json_is_null(post)) {
        d->adds_bos = rg__tokjson_bool(r->config, "add_bos_token", false);
        d->adds_eos = rg__tokjson_bool(r->config, "add_eos_token", false);
    }
}

static rg_status read_all(reader *r, rg_str text, rg_str config, rg_err *e)
{
    tok_decl *d = &r->d;
    RG_TRY(rg_json_parse(&r->root, text, MAX_VALUES, "tokenizer.json", e));
    if (config.p != NULL)
        RG_TRY(rg_json_parse(&r->config, config, MAX_VALUES, "tokenizer_config.json", e));
    RG_TRY(read_model(r, e));
    RG_TRY(rg__tokjson_normalizer(d, json_object_get(r->root, "normalizer"), e));
    RG_TRY(rg__tokjson_pre_tokenizer(d, json_object_get(r->root, "pre_tokenizer"), e));
    RG_TRY(rg__tokjson_decoder(d, json_object_get(r->root, "decoder"), e));
    RG_TRY(rg__tokjson_post_processor(d, json_object_get(r->root, "post_processor"), e));
    read_ids(r);
    return RG_OK;
}

rg_status rg_tokenizer_from_json(rg_tokenizer **out, rg_str tokenizer_json, rg_str tokenizer_config_json,
                                 rg_err *e)
{
    *out = NULL;
    reader r = { .d = { .unk = -1, .leftmost = true } };
    for (size_t i = 0; i < ID_COUNT; i++)
        r.d.id[i] = -1;
    rg_status s = read_all(&r, tokenizer_json, tokenizer_config_json, e);
    if (s == RG_OK)
        s = rg__tokenizer_build(out, &r.d, e);
    rg__decl_free(&r.d);
    json_decref(r.root);
    json_decref(r.config);
    rg_free(r.token);
    rg_free(r.merge);
    return s;
}
