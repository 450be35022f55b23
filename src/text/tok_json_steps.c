/* tok_json_steps.c - the normalizer, pre_tokenizer, decoder and post_processor of a
 * tokenizer.json.  Each is { "type": NAME, ... }; a Sequence holds a list of others. */
#include <stdio.h>
#include <string.h>

#include "rung/base/mem.h"
#include "tok_json.h"
#include "tokenizer_int.h"

#define SPACE_CHAR "\xE2\x96\x81" /* U+2581 */
#define SHOW(s)    (int)RG_MIN((s).n, (size_t)60), ((s).p ? (s).p : "")

rg_str rg__tokjson_str(const json_t *o, const char *key)
{
    const json_t *x = json_object_get(o, key);
    return json_is_string(x) ? rg_str_n(json_string_value(x), json_string_length(x)) : rg_str_n(NULL, 0);
}

bool rg__tokjson_bool(const json_t *o, const char *key, bool otherwise)
{
    const json_t *x = json_object_get(o, key);
    return json_is_boolean(x) ? json_is_true(x) : otherwise;
}

static rg_status own(rg_str *out, rg_str s, rg_err *e)
{
    char *p = rg_strndup(s.p ? s.p : "", s.n);
    if (p == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for a tokenizer");
    *out = rg_str_n(p, s.n);
    return RG_OK;
}

/* "pattern": { "String": a } or { "Regex": re } */
static rg_status pattern(rg_str *a, regex **re, const json_t *o, rg_err *e)
{
    const json_t *p = json_object_get(o, "pattern");
    const rg_str text = rg__tokjson_str(p, "String"), expression = rg__tokjson_str(p, "Regex");
    if (expression.p != NULL)
        return rg__regex_new(re, expression, e);
    if (text.n == 0)
        RG_FAIL(e, RG_EFORMAT, "a pattern is neither a String nor a Regex");
    return own(a, text, e);
}

/* ---- the lists ---- */

typedef rg_status (*read_one)(tok_decl *d, const json_t *x, rg_str type, rg_err *e);

/* One element or, of a Sequence, all.  JSON nests 64 deep at most, so this does. */
static rg_status each(tok_decl *d, const json_t *x, const char *what, const char *list, read_one read,
                      rg_err *e)
{
    if (x == NULL || json_is_null(x))
        return RG_OK;
    const rg_str type = rg__tokjson_str(x, "type");
    if (type.p == NULL)
        RG_FAIL(e, RG_EFORMAT, "tokenizer.json has a %s without a type", what);
    if (!rg_str_is(type, "Sequence"))
        return read(d, x, type, e);
    const json_t *all = json_object_get(x, list), *item;
    size_t i;
    if (!json_is_array(all))
        RG_FAIL(e, RG_EFORMAT, "tokenizer.json has a %s Sequence without its list", what);
    json_array_foreach(all, i, item) RG_TRY(each(d, item, what, list, read, e));
    return RG_OK;
}

static rg_status unknown(const char *what, rg_str type, rg_err *e)
{
    RG_FAIL(e, RG_EFORMAT, "%s '%.*s' of tokenizer.json is not implemented", what, SHOW(type));
}

static rg_status room(size_t n, const char *what, rg_err *e)
{
    if (n >= TOK_MAX_STEPS)
        RG_FAIL(e, RG_EFORMAT, "tokenizer.json has more than %d steps of its %s", TOK_MAX_STEPS, what);
    return RG_OK;
}

/* ---- normalizers ---- */

static int base64_digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c == '\0' ? NULL : strchr(digits, c);
    return at ? (int)(at - digits) : -1;
}

static rg_status charsmap_from(charsmap **out, rg_str s, rg_err *e)
{
    char *bytes = rg_alloc(s.n + 1, 1);
    size_t n = 0;
    unsigned bits = 0, have = 0;
    if (bytes == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for a charsmap");
    while (s.n > 0 && s.p[s.n - 1] == '=')
        s.n--;
    for (size_t i = 0; i < s.n; i++) {
        const int digit = base64_digit(s.p[i]);
        if (digit < 0) {
            rg_free(bytes);
            RG_FAIL(e, RG_EFORMAT, "precompiled_charsmap is not base64 (at byte %zu)", i);
        }
        bits = (bits << 6 | (unsigned)digit) & 0xffff;
        have += 6;
        if (have >= 8) {
            have -= 8;
            bytes[n++] = (char)(bits >> have & 0xff);
        }
    }
    const rg_status st = rg__charsmap_new(out, bytes, n, e);
    rg_free(bytes);
    return st;
}

static rg_status normalizer(tok_decl *d, const json_t *x, rg_str type, rg_err *e)
{
    static const struct {
        const char *name;
        norm_kind kind;
    } plain[] = { { "NFC", NORM_NFC },   { "NFD", NORM_NFD },         { "NFKC", NORM_NFKC },
                  { "NFKD", NORM_NFKD }, { "Lowercase", NORM_LOWER }, { "StripAccents", NORM_ACCENTS },
                  { "Nmt", NORM_NMT } };
    RG_TRY(room(d->steps.n_norm, "normalizer", e));
    norm_step *s = &d->steps.norm[d->steps.n_norm++];
    *s = (norm_step){ .kind = NORM_NFC };
    for (size_t i = 0; i < RG_COUNT(plain); i++)
        if (rg_str_is(type, plain[i].name)) {
            s->kind = plain[i].kind;
            return RG_OK;
        }
    if (rg_str_is(type, "Strip")) {
        s->kind = NORM_STRIP;
        s->flags = (rg__tokjson_bool(x, "strip_left", true) ? NORM_LEFT : 0u) |
                   (rg__tokjson_bool(x, "strip_right", true) ? NORM_RIGHT : 0u);
        return RG_OK;
    }
    if (rg_str_is(type, "Replace")) {
        s->kind = NORM_REPLACE;
        RG_TRY(pattern(&s->a, &s->re, x, e));
        return own(&s->b, rg__tokjson_str(x, "content"), e);
    }
    if (rg_str_is(type, "Prepend")) {
        s->kind = NORM_PREPEND;
        return own(&s->a, rg__tokjson_str(x, "prepend"), e);
    }
    if (rg_str_is(type, "BertNormalizer")) {
        const bool lower = rg__tokjson_bool(x, "lowercase", true);
        s->kind = NORM_BERT;
        s->flags = (rg__tokjson_bool(x, "clean_text", true) ? NORM_CLEAN : 0u) |
                   (rg__tokjson_bool(x, "handle_chinese_chars", true) ? NORM_CHINESE : 0u) |
                   (rg__tokjson_bool(x, "strip_accents", lower) ? NORM_NO_ACCENTS : 0u) |
                   (lower ? NORM_LOWERCASE : 0u);
        return RG_OK;
    }
    if (rg_str_is(type, "Precompiled")) {
        const rg_str map = rg__tokjson_str(x, "precompiled_charsmap");
        s->kind = NORM_CHARSMAP;
        if (map.n > 0)
            return charsmap_from(&s->map, map, e);
        d->steps.n_norm--;
        return RG_OK;
    }
    return unknown("normalizer", type, e);
}

rg_status rg__tokjson_normalizer(tok_decl *d, const json_t *n, rg_err *e)
{
    RG_TRY(each(d, n, "normalizer", "normalizers", normalizer, e));
    for (size_t i = 0; i < d->steps.n_norm; i++) {
        const norm_step *s = &d->steps.norm[i];
        if (s->kind == NORM_REPLACE && rg_str_is(s->a, " ") && rg_str_is(s->b, SPACE_CHAR))
            d->spelling = SPELL_SPACE;
    }
    return RG_OK;
}

/* ---- pre-tokenizers ---- */

static rg_status behaviour(cut_behaviour *out, rg_str name, rg_err *e)
{
    static const char *const names[] = { "Removed", "Isolated", "MergedWithPrevious", "MergedWithNext",
                                         "Contiguous" };
    for (size_t i = 0; i < RG_COUNT(names); i++)
        if (rg_str_is(name, names[i])) {
            *out = (cut_behaviour)i;
            return RG_OK;
        }
    return unknown("split behavior", name, e);
}

static rg_status split(pre_step *s, const json_t *x, rg_err *e)
{
    s->kind = rg__tokjson_bool(x, "invert", false) ? PRE_SPLIT_MISS : PRE_SPLIT;
    RG_TRY(behaviour(&s->behaviour, rg__tokjson_str(x, "behavior"), e));
    return pattern(&s->a, &s->re, x, e);
}

static rg_status metaspace(tok_decl *d, pre_step *s, const json_t *x, rg_err *e)
{
    const rg_str mark = rg__tokjson_str(x, "replacement"), scheme = rg__tokjson_str(x, "prepend_scheme");
    s->kind = PRE_METASPACE;
    if (mark.n == 0)
        RG_FAIL(e, RG_EFORMAT, "pre_tokenizer 'Metaspace' of tokenizer.json has no replacement");
    if (scheme.p == NULL)
        s->flags = rg__tokjson_bool(x, "add_prefix_space", true) ? PRE_ALWAYS : 0u;
    else if (rg_str_is(scheme, "always") || rg_str_is(scheme, "first"))
        s->flags = rg_str_is(scheme, "first") ? PRE_FIRST : PRE_ALWAYS;
    else if (!rg_str_is(scheme, "never"))
        return unknown("prepend_scheme", scheme, e);
    s->flags |= rg__tokjson_bool(x, "split", true) ? PRE_CUT : 0u;
    if (rg_str_is(mark, SPACE_CHAR))
        d->spelling = SPELL_SPACE;
    return own(&s->a, mark, e);
}

/* ByteLevel spells bytes as characters; here the vocabulary is unspelled instead, so only its
 * prefix and its pattern are steps. */
static rg_status byte_level(tok_decl *d, const json_t *x, rg_err *e)
{
    pre_step *s = &d->steps.pre[--d->steps.n_pre];
    if (rg__tokjson_bool(x, "add_prefix_space", true)) {
        *s++ = (pre_step){ .kind = PRE_PREFIX, .flags = PRE_ALWAYS };
        d->steps.n_pre++;
    }
    if (rg__tokjson_bool(x, "use_regex", true)) {
        RG_TRY(room(d->steps.n_pre, "pre_tokenizer", e));
        *s = (pre_step){ .kind = PRE_RULE, .rule = PRETOK_GPT2 };
        d->steps.n_pre++;
    }
    d->spelling = SPELL_BYTES;
    return RG_OK;
}

static rg_status pre_tokenizer(tok_decl *d, const json_t *x, rg_str type, rg_err *e)
{
    static const struct {
        const char *name;
        pre_kind kind;
    } plain[] = { { "Whitespace", PRE_WORDS },
                  { "WhitespaceSplit", PRE_BLANKS },
                  { "BertPreTokenizer", PRE_BERT } };
    RG_TRY(room(d->steps.n_pre, "pre_tokenizer", e));
    if (d->spelling == SPELL_BYTES)
        RG_FAIL(e, RG_EFORMAT,
                "pre_tokenizer '%.*s' of tokenizer.json comes behind ByteLevel; that is not implemented",
                SHOW(type));
    pre_step *s = &d->steps.pre[d->steps.n_pre++];
    *s = (pre_step){ .kind = PRE_BLANKS };
    for (size_t i = 0; i < RG_COUNT(plain); i++)
        if (rg_str_is(type, plain[i].name)) {
            s->kind = plain[i].kind;
            return RG_OK;
        }
    if (rg_str_is(type, "ByteLevel"))
        return byte_level(d, x, e);
    if (rg_str_is(type, "Split"))
        return split(s, x, e);
    if (rg_str_is(type, "Metaspace"))
        return metaspace(d, s, x, e);
    if (rg_str_is(type, "Digits")) {
        s->kind = rg__tokjson_bool(x, "individual_digits", false) ? PRE_DIGIT : PRE_DIGITS;
        return RG_OK;
    }
    if (rg_str_is(type, "Punctuation")) {
        const rg_str how = rg__tokjson_str(x, "behavior");
        s->kind = PRE_PUNCTUATION;
        return behaviour(&s->behaviour, how.p ? how : rg_str_of("Isolated"), e);
    }
    return unknown("pre_tokenizer", type, e);
}

/* The steps as the patterns of tok_table.c, where all of them are such; else 0. */
static size_t as_patterns(rg_str *out, const tok_steps *s)
{
    const pretok_entry *gpt2 = rg__pretok_named(rg_str_of("gpt-2"));
    for (size_t i = 0; i < s->n_pre; i++) {
        const pre_step *p = &s->pre[i];
        if (p->kind == PRE_SPLIT && p->re != NULL && p->behaviour == CUT_ISOLATED)
            out[i] = rg__regex_pattern(p->re);
        else if (p->kind == PRE_RULE)
            out[i] = rg_str_of(gpt2->pattern[0]);
        else if (p->kind == PRE_DIGIT || p->kind == PRE_DIGITS)
            out[i] = rg_str_of(p->kind == PRE_DIGIT ? "\\p{N}" : "\\p{N}+");
        else
            return 0;
    }
    return s->n_pre;
}

rg_status rg__tokjson_pre_tokenizer(tok_decl *d, const json_t *p, rg_err *e)
{
    rg_str patterns[TOK_MAX_STEPS];
    RG_TRY(each(d, p, "pre_tokenizer", "pretokenizers", pre_tokenizer, e));
    const size_t n = as_patterns(patterns, &d->steps);
    if (n == 0)
        return RG_OK;
    const pretok_entry *known = rg__pretok_with(patterns, n, d->whole_words);
    if (known != NULL)
        snprintf(d->pre, sizeof d->pre, "%s", known->name);
    else
        known = rg__pretok_with(patterns, n, !d->whole_words);
    if (known == NULL || known->rule == PRETOK_NONE)
        return RG_OK;
    for (size_t i = 0; i < n; i++)
        rg__regex_free(d->steps.pre[i].re);
    d->steps.pre[0] = (pre_step){ .kind = PRE_RULE, .rule = known->rule };
    d->steps.n_pre = 1;
    return RG_OK;
}

/* ---- decoders ---- */

static rg_status replace_decoder(tok_decl *d, const json_t *x, rg_err *e)
{
    const rg_str from = rg__tokjson_str(json_object_get(x, "pattern"), "String"),
                 to = rg__tokjson_str(x, "content");
    if (!rg_str_is(from, SPACE_CHAR) || !rg_str_is(to, " ") || d->spelling != SPELL_SPACE)
        RG_FAIL(
            e, RG_EFORMAT,
            "decoder 'Replace' of tokenizer.json is implemented where it makes U+2581, which stands for a "
            "space, a space again");
    return RG_OK;
}

static rg_status strip_decoder(tok_decl *d, const json_t *x, rg_err *e)
{
    const json_int_t start = json_integer_value(json_object_get(x, "start")),
                     stop = json_integer_value(json_object_get(x, "stop"));
    if (!rg_str_is(rg__tokjson_str(x, "content"), " ") || start < 0 || start > 1 || stop != 0)
        RG_FAIL(e, RG_EFORMAT, "decoder 'Strip' of tokenizer.json is implemented for one space at the start");
    d->steps.detok.strip = (size_t)start;
    return RG_OK;
}

static rg_status metaspace_decoder(tok_decl *d, const json_t *x, rg_err *e)
{
    const rg_str scheme = rg__tokjson_str(x, "prepend_scheme");
    if (!rg_str_is(rg__tokjson_str(x, "replacement"), SPACE_CHAR) || d->spelling != SPELL_SPACE)
        RG_FAIL(e, RG_EFORMAT, "decoder 'Metaspace' of tokenizer.json does not fit its pre_tokenizer");
    d->steps.detok.first_bare =
        scheme.p ? !rg_str_is(scheme, "never") : rg__tokjson_bool(x, "add_prefix_space", true);
    return RG_OK;
}

static rg_status decoder(tok_decl *d, const json_t *x, rg_str type, rg_err *e)
{
    if (rg_str_is(type, "ByteFallback") || rg_str_is(type, "Fuse"))
        return RG_OK;
    if (rg_str_is(type, "ByteLevel")) {
        if (d->spelling != SPELL_BYTES)
            RG_FAIL(e, RG_EFORMAT, "decoder 'ByteLevel' of tokenizer.json does not fit its pre_tokenizer");
        return RG_OK;
    }
    if (rg_str_is(type, "Replace"))
        return replace_decoder(d, x, e);
    if (rg_str_is(type, "Strip"))
        return strip_decoder(d, x, e);
    if (rg_str_is(type, "Metaspace"))
        return metaspace_decoder(d, x, e);
    if (rg_str_is(type, "WordPiece") && d->model == TOK_WORDPIECE) {
        d->steps.detok.words = true;
        d->steps.detok.cleanup = rg__tokjson_bool(x, "cleanup", true);
        return RG_OK;
    }
    return unknown("decoder", type, e);
}

rg_status rg__tokjson_decoder(tok_decl *d, const json_t *x, rg_err *e)
{
    if (x == NULL || json_is_null(x)) {
        d->steps.detok.words = d->model == TOK_WORDPIECE;
        d->steps.detok.joined = d->spelling == SPELL_RAW;
        return RG_OK;
    }
    return each(d, x, "decoder", "decoders", decoder, e);
}

/* ---- post-processors ---- */

static rg_status put_special(tok_decl *d, bool front, const json_t *id, rg_err *e)
{
    bool *adds = front ? &d->adds_bos : &d->adds_eos;
    const json_int_t x = json_integer_value(id);
    if (!json_is_integer(id) || x < 0 || (uint64_t)x >= d->n)
        RG_FAIL(e, RG_EFORMAT, "post_processor of tokenizer.json names a token that is none of the %zu",
                d->n);
    if (*adds)
        RG_FAIL(e, RG_EFORMAT,
                "post_processor of tokenizer.json puts more than one token %s a text; one is implemented",
                front ? "in front of" : "behind");
    *adds = true;
    d->id[front ? ID_BOS : ID_EOS] = (int32_t)x;
    return RG_OK;
}

static rg_status template(tok_decl *d, const json_t *x, rg_err *e)
{
    const json_t *item, *table = json_object_get(x, "special_tokens");
    size_t i;
    bool front = true;
    json_array_foreach(json_object_get(x, "single"), i, item)
    {
        const json_t *special = json_object_get(item, "SpecialToken");
        if (special == NULL) {
            front = false;
            continue;
        }
        const rg_str name = rg__tokjson_str(special, "id");
        const json_t *ids = name.p ? json_object_get(json_object_get(table, name.p), "ids") : NULL, *id;
        size_t k;
        json_array_foreach(ids, k, id) RG_TRY(put_special(d, front, id, e));
    }
    return RG_OK;
}

static rg_status post_processor(tok_decl *d, const json_t *x, rg_str type, rg_err *e)
{
    if (rg_str_is(type, "ByteLevel"))
        return RG_OK;
    if (rg_str_is(type, "TemplateProcessing"))
        return template(d, x, e);
    if (rg_str_is(type, "BertProcessing") || rg_str_is(type, "RobertaProcessing")) {
        RG_TRY(put_special(d, true, json_array_get(json_object_get(x, "cls"), 1), e));
        return put_special(d, false, json_array_get(json_object_get(x, "sep"), 1), e);
    }
    return unknown("post_processor", type, e);
}

rg_status rg__tokjson_post_processor(tok_decl *d, const json_t *p, rg_err *e)
{
    return each(d, p, "post_processor", "processors", post_processor, e);
}
