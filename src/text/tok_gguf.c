/* tok_gguf.c - what the tokenizer.ggml.* keys of a GGUF file declare, as llama.cpp reads them:
 *
 *   model "gpt2"   byte-level BPE; `pre` names the patterns that cut words (tok_table.c)
 *         "llama"  SentencePiece BPE: scores, byte tokens, a space in front
 *         "t5"     unigram with SentencePiece's normaliser
 *         "bert"   WordPiece; a token that begins a word has U+2581 in front, others nothing */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "rung/base/mem.h"
#include "tokenizer_int.h"

#define KEY_TOKENS   "tokenizer.ggml.tokens"
#define KEY_TYPES    "tokenizer.ggml.token_type"
#define KEY_SCORES   "tokenizer.ggml.scores"
#define KEY_MERGES   "tokenizer.ggml.merges"
#define KEY_CHARSMAP "tokenizer.ggml.precompiled_charsmap"

#define SHOW(s) (int)RG_MIN((s).n, (size_t)60), (s).p

enum { MAX_CHARSMAP = 16 << 20, LONGEST_WORD = 1024 };

/* ---- arrays ---- */

static rg_status read_kinds(tok_decl *d, const rg_gguf *g, rg_err *e)
{
    d->kind = rg_alloc(d->n, 1);
    int32_t *kind = rg_alloc(d->n, sizeof *kind);
    rg_status s = RG_OK;
    if (kind == NULL || d->kind == NULL)
        RG_FAIL_GO(s, done, e, RG_ENOMEM, "no memory for the kinds of %zu tokens", d->n);
    memset(d->kind, TOK_NORMAL, d->n);
    if (!rg_gguf_has(g, KEY_TYPES))
        goto done;
    if (!rg_gguf_array_i32s(g, KEY_TYPES, kind, d->n))
        RG_FAIL_GO(s, done, e, RG_EFORMAT, "key '" KEY_TYPES "' is not an array of %zu integers, one a token",
                   d->n);
    for (size_t i = 0; i < d->n; i++) {
        if (kind[i] < TOK_UNDEFINED || kind[i] > TOK_BYTE)
            RG_FAIL_GO(s, done, e, RG_EFORMAT, "token %zu has type %d; types are 0 to 6", i, (int)kind[i]);
        d->kind[i] = (uint8_t)kind[i];
    }
done:
    rg_free(kind);
    return s;
}

static rg_status read_scores(tok_decl *d, const rg_gguf *g, rg_err *e)
{
    rg_gguf_kind elem;
    size_t n;
    if (!rg_gguf_has(g, KEY_SCORES))
        return RG_OK;
    if (!rg_gguf_array(g, KEY_SCORES, &elem, &n) || elem != RG_GGUF_F32 || n != d->n)
        RG_FAIL(e, RG_EFORMAT, "key '" KEY_SCORES "' is not an array of %zu f32, one a token", d->n);
    if (d->model != TOK_SPM && d->model != TOK_UNIGRAM)
        return RG_OK;
    d->score = rg_alloc(n, sizeof *d->score);
    if (d->score == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for the scores of %zu tokens", n);
    for (size_t i = 0; i < n; i++)
        rg_gguf_array_f64(g, KEY_SCORES, i, &d->score[i]);
    return RG_OK;
}

static rg_status read_tokens(tok_decl *d, const rg_gguf *g, rg_err *e)
{
    d->token = rg_gguf_strings(g, KEY_TOKENS, &d->n);
    if (d->token == NULL || d->n == 0)
        RG_FAIL(e, RG_EFORMAT, "the file has no tokens: key '" KEY_TOKENS "' is not an array of strings");
    const rg_gguf_tensor *embd = rg_gguf_find(g, "token_embd.weight");
    if (embd != NULL && embd->dims[1] != d->n)
        RG_FAIL(e, RG_EFORMAT, "the vocabulary has %zu tokens but token_embd.weight has %llu rows", d->n,
                (unsigned long long)embd->dims[1]);
    RG_TRY(read_kinds(d, g, e));
    return read_scores(d, g, e);
}

/* ---- ids ---- */

/* Every key tokenizer.ggml.*_token_id names a token of the vocabulary, known to us or not. */
static rg_status check_id_keys(const tok_decl *d, const rg_gguf *g, rg_err *e)
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
        if (id >= d->n)
            RG_FAIL(e, RG_EFORMAT, "key '%s' is %llu but the vocabulary has %zu tokens", name,
                    (unsigned long long)id, d->n);
    }
    return RG_OK;
}

/* The declared id, or else the usual one of the kind of model. */
static rg_status read_ids(tok_decl *d, const rg_gguf *g, const int32_t usual[ID_COUNT], rg_err *e)
{
    RG_TRY(check_id_keys(d, g, e));
    for (size_t i = 0; i < ID_COUNT; i++) {
        uint64_t id;
        const int32_t other = usual && (size_t)usual[i] < d->n ? usual[i] : -1;
        d->id[i] = rg_gguf_u64(g, rg__special_keys[i], &id) ? (int32_t)id : other;
    }
    rg_gguf_bool(g, "tokenizer.ggml.add_bos_token", &d->adds_bos);
    rg_gguf_bool(g, "tokenizer.ggml.add_eos_token", &d->adds_eos);
    return RG_OK;
}

/* ---- the kinds of model ---- */

static rg_status add_pattern(tok_decl *d, const char *pattern, rg_err *e)
{
    pre_step *p = &d->steps.pre[d->steps.n_pre++];
    *p = (pre_step){ .kind = PRE_SPLIT, .behaviour = CUT_ISOLATED };
    return rg__regex_new(&p->re, rg_str_of(pattern), e);
}

static rg_status read_bpe(tok_decl *d, const rg_gguf *g, rg_err *e)
{
    rg_str pre;
    if (!rg_gguf_str(g, "tokenizer.ggml.pre", &pre))
        RG_FAIL(e, RG_EFORMAT,
                "the file names no pre-tokenizer (key 'tokenizer.ggml.pre'); convert the model again");
    const pretok_entry *p = rg__pretok_named(pre);
    if (p == NULL)
        RG_FAIL(e, RG_EFORMAT, "pre-tokenizer '%.*s' is not implemented; %s are", SHOW(pre),
                rg__pretok_names());
    snprintf(d->name, sizeof d->name, "gpt2/%s", p->name);
    snprintf(d->pre, sizeof d->pre, "%s", p->name);
    d->spelling = SPELL_BYTES;
    d->whole_words = p->whole_words;
    d->adds_bos = p->adds_bos;
    if (p->rule != PRETOK_NONE)
        d->steps.pre[d->steps.n_pre++] = (pre_step){ .kind = PRE_RULE, .rule = p->rule };
    for (size_t i = 0; p->rule == PRETOK_NONE && i < RG_COUNT(p->pattern) && p->pattern[i]; i++)
        RG_TRY(add_pattern(d, p->pattern[i], e));
    RG_TRY(read_tokens(d, g, e));
    d->merge = rg_gguf_strings(g, KEY_MERGES, &d->n_merges);
    if (d->merge == NULL)
        RG_FAIL(e, RG_EFORMAT, "the file has no merges: key '" KEY_MERGES "' is not an array of strings");
    return read_ids(d, g, NULL, e);
}

/* Phi-3's special tokens take the white space behind them along, which no key says. */
static rg_status phi3_strips(tok_decl *d, const rg_gguf *g, rg_err *e)
{
    static const char *const not_these[] = { "<unk>", "<s>", "<|endoftext|>" };
    rg_str name;
    char low[64] = "";
    if (!rg_gguf_str(g, "general.name", &name))
        return RG_OK;
    for (size_t i = 0; i < name.n && i + 1 < sizeof low; i++)
        low[i] = (char)tolower((unsigned char)name.p[i]);
    if (strstr(low, "phi-3") == NULL && strstr(low, "phi3") == NULL)
        return RG_OK;
    d->added = rg_calloc(d->n, 1);
    if (d->added == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu tokens", d->n);
    for (size_t i = 0; i < d->n; i++) {
        const uint8_t k = d->kind[i];
        bool strips = k == TOK_CONTROL || k == TOK_USER || k == TOK_UNKNOWN;
        for (size_t j = 0; j < RG_COUNT(not_these); j++)
            strips = strips && !rg_str_is(d->token[i], not_these[j]);
        d->added[i] = strips ? ADDED_RSTRIP : 0;
    }
    return RG_OK;
}

static rg_status put_space_in_front(tok_decl *d, rg_err *e)
{
    char *space = rg_strdup(" ");
    if (space == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for a tokenizer");
    d->steps.norm[d->steps.n_norm++] = (norm_step){ .kind = NORM_PREPEND, .a = rg_str_n(space, 1) };
    d->steps.detok.strip = 1;
    return RG_OK;
}

static rg_status read_spm(tok_decl *d, const rg_gguf *g, rg_err *e)
{
    static const int32_t usual[ID_COUNT] = { 1, 2, -1, -1, 0, -1, -1, -1 };
    bool front = true;
    snprintf(d->name, sizeof d->name, "llama");
    d->spelling = SPELL_SPACE;
    d->byte_fallback = true;
    d->adds_bos = true;
    RG_TRY(read_tokens(d, g, e));
    RG_TRY(read_ids(d, g, usual, e));
    d->unk = d->id[ID_UNK];
    rg_gguf_bool(g, "tokenizer.ggml.add_space_prefix", &front);
    if (front)
        RG_TRY(put_space_in_front(d, e));
    return phi3_strips(d, g, e);
}

static rg_status read_charsmap(tok_decl *d, const rg_gguf *g, rg_err *e)
{
    rg_gguf_kind elem;
    size_t n;
    norm_step *step = &d->steps.norm[d->steps.n_norm++];
    *step = (norm_step){ .kind = NORM_CHARSMAP, .flags = NORM_MERGE };
    if (!rg_gguf_has(g, KEY_CHARSMAP))
        return RG_OK;
    if (!rg_gguf_array(g, KEY_CHARSMAP, &elem, &n) || (elem != RG_GGUF_U8 && elem != RG_GGUF_I8) ||
        n > MAX_CHARSMAP)
        RG_FAIL(e, RG_EFORMAT, "key '" KEY_CHARSMAP "' is not an array of bytes, at most %d", MAX_CHARSMAP);
    if (n == 0)
        return RG_OK;
    char *bytes = rg_alloc(n, 1);
    if (bytes == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for a charsmap of %zu bytes", n);
    for (size_t i = 0; i < n; i++) {
        int64_t x = 0;
        rg_gguf_array_i64(g, KEY_CHARSMAP, i, &x);
        bytes[i] = (char)x;
    }
    const rg_status s = rg__charsmap_new(&step->map, bytes, n, e);
    rg_free(bytes);
    return s;
}

static rg_status read_unigram(tok_decl *d, const rg_gguf *g, rg_err *e)
{
    static const int32_t usual[ID_COUNT] = { -1, 1, -1, -1, 2, -1, 0, -1 };
    bool front = false, squeeze = false, suffix = false;
    snprintf(d->name, sizeof d->name, "t5");
    d->spelling = SPELL_SPACE;
    d->fuse_unk = true;
    d->adds_eos = true;
    RG_TRY(read_tokens(d, g, e));
    RG_TRY(read_ids(d, g, usual, e));
    d->unk = d->id[ID_UNK];
    RG_TRY(read_charsmap(d, g, e));
    rg_gguf_bool(g, "tokenizer.ggml.add_space_prefix", &front);
    rg_gguf_bool(g, "tokenizer.ggml.remove_extra_whitespaces", &squeeze);
    rg_gguf_bool(g, "tokenizer.ggml.treat_whitespace_as_suffix", &suffix);
    const unsigned where = !front ? 0u : suffix ? NORM_BACK : NORM_FRONT;
    d->steps.norm[d->steps.n_norm++] =
        (norm_step){ .kind = NORM_SPACES, .flags = where | (squeeze ? NORM_MERGE : 0u) };
    d->steps.detok.strip = front && !suffix;
    return RG_OK;
}

static rg_status read_wordpiece(tok_decl *d, const rg_gguf *g, rg_err *e)
{
    static const int32_t usual[ID_COUNT] = { 101, -1, -1, -1, 100, 102, 0, 103 };
    bool lowercase = true;
    snprintf(d->name, sizeof d->name, "bert");
    d->spelling = SPELL_SPACE;
    d->max_word = LONGEST_WORD;
    d->adds_bos = d->adds_eos = true;
    RG_TRY(read_tokens(d, g, e));
    RG_TRY(read_ids(d, g, usual, e));
    d->unk = d->id[ID_UNK];
    d->id[ID_EOS] = d->id[ID_EOS] < 0 ? d->id[ID_SEP] : d->id[ID_EOS];
    rg_gguf_bool(g, "tokenizer.ggml.normalizer.lowercase", &lowercase);
    bool accents = lowercase;
    rg_gguf_bool(g, "tokenizer.ggml.normalizer.strip_accents", &accents);
    d->steps.norm[d->steps.n_norm++] =
        (norm_step){ .kind = NORM_BERT,
                     .flags = NORM_CLEAN | NORM_CHINESE | (accents ? NORM_NO_ACCENTS : 0u) |
                              (lowercase ? NORM_LOWERCASE : 0u) };
    d->steps.pre[d->steps.n_pre++] = (pre_step){ .kind = PRE_BERT };
    d->steps.detok = (detok_rule){ .words = true, .cleanup = true };
    return RG_OK;
}

static rg_status read_decl(tok_decl *d, const rg_gguf *g, rg_err *e)
{
    static const struct {
        const char *name;
        tok_model model;
        rg_status (*read)(tok_decl *d, const rg_gguf *g, rg_err *e);
    } models[] = {
        { "gpt2", TOK_BPE, read_bpe },
        { "llama", TOK_SPM, read_spm },
        { "t5", TOK_UNIGRAM, read_unigram },
        { "bert", TOK_WORDPIECE, read_wordpiece },
    };
    rg_str model;
    if (!rg_gguf_str(g, "tokenizer.ggml.model", &model))
        RG_FAIL(e, RG_EFORMAT, "the file has no tokenizer: key 'tokenizer.ggml.model' is not a string");
    for (size_t i = 0; i < RG_COUNT(models); i++)
        if (rg_str_is(model, models[i].name)) {
            d->model = models[i].model;
            return models[i].read(d, g, e);
        }
    RG_FAIL(e, RG_EFORMAT,
            "tokenizer model '%.*s' is not implemented; gpt2 (byte-level BPE), llama (SentencePiece), t5 "
            "(unigram) and bert (WordPiece) are",
            SHOW(model));
}

rg_status rg_tokenizer_from_gguf(rg_tokenizer **out, const rg_gguf *g, rg_err *e)
{
    *out = NULL;
    tok_decl d = { .unk = -1 };
    rg_status s = read_decl(&d, g, e);
    if (s == RG_OK)
        s = rg__tokenizer_build(out, &d, e);
    rg__decl_free(&d);
    return s;
}
