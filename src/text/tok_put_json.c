/* tok_put_json.c - a tokenizer.json and a tokenizer_config.json of a BPE tokenizer.
 *
 * SentencePiece becomes a BPE with byte_fallback whose merges are every way to make a token,
 * the best score first, which is how the package itself converts such models. */
#include <stdio.h>
#include <string.h>

#include "rung/base/mem.h"
#include "tok_put.h"

#define SPACE_CHAR "\xE2\x96\x81" /* U+2581 */

static void put_quoted(rg_buf *b, rg_str s)
{
    rg_buf_putc(b, '"');
    rg_buf_json_escape(b, s);
    rg_buf_putc(b, '"');
}

static void put_token(const rg_tokenizer *t, size_t id, rg_buf *b, rg_buf *room)
{
    rg_buf_clear(room);
    rg__put_token_text(t, id, room);
    put_quoted(b, rg_buf_view(room));
}

static const char *truth(bool x)
{
    return x ? "true" : "false";
}

/* A token that the text is searched for; what merging makes is none. */
static bool is_added(const rg_tokenizer *t, size_t id)
{
    const rg_str text = rg__vocab_text(&t->vocab, (int32_t)id);
    const tok_kind k = (tok_kind)t->vocab.kind[id];
    const bool merged = t->spelling == SPELL_SPACE && !rg__vocab_foreign(&t->vocab, id) && text.n > 0 &&
                        memchr(text.p, ' ', text.n);
    return k == TOK_CONTROL || k == TOK_UNKNOWN || (k == TOK_USER && !merged);
}

static void put_added(const rg_tokenizer *t, rg_buf *b, rg_buf *room)
{
    bool any = false;
    rg_buf_puts(b, "\"added_tokens\":[");
    for (size_t i = 0; i < t->vocab.n; i++) {
        if (!is_added(t, i))
            continue;
        const uint8_t flags = t->added ? t->added[i] : 0;
        rg_buf_printf(b, "%s{\"id\":%zu,\"content\":", any ? "," : "", i);
        put_token(t, i, b, room);
        rg_buf_printf(b, ",\"single_word\":%s,\"lstrip\":%s,\"rstrip\":%s,\"normalized\":%s,\"special\":%s}",
                      truth(flags & ADDED_WORD), truth(flags & ADDED_LSTRIP), truth(flags & ADDED_RSTRIP),
                      truth(flags & ADDED_NORMALIZED), truth(t->vocab.kind[i] != TOK_USER));
        any = true;
    }
    rg_buf_puts(b, "],");
}

static void put_byte_steps(const rg_tokenizer *t, rg_buf *b)
{
    const pretok_entry *p = rg__pretok_named(rg_str_of(t->pre));
    rg_buf_puts(b, t->steps.n_norm ? "\"normalizer\":{\"type\":\"NFC\"}," : "\"normalizer\":null,");
    rg_buf_puts(b, "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[");
    for (size_t i = 0; p && i < RG_COUNT(p->pattern) && p->pattern[i]; i++) {
        rg_buf_puts(b, "{\"type\":\"Split\",\"pattern\":{\"Regex\":");
        put_quoted(b, rg_str_of(p->pattern[i]));
        rg_buf_puts(b, "},\"behavior\":\"Isolated\",\"invert\":false},");
    }
    rg_buf_puts(
        b, "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":false,\"use_regex\":false}]},"
           "\"decoder\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":false,"
           "\"use_regex\":false},");
}

static void put_space_steps(const rg_tokenizer *t, rg_buf *b)
{
    const bool front = rg__puts_space_in_front(t);
    rg_buf_printf(
        b,
        "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[%s{\"type\":\"Replace\",\"pattern\":"
        "{\"String\":\" \"},\"content\":\"" SPACE_CHAR "\"}]},\"pre_tokenizer\":null,",
        front ? "{\"type\":\"Prepend\",\"prepend\":\"" SPACE_CHAR "\"}," : "");
    rg_buf_printf(
        b,
        "\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\",\"pattern\":{\"String\":"
        "\"" SPACE_CHAR "\"},\"content\":\" \"},{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"}%s]},",
        front ? ",{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}" : "");
}

static void put_special(const rg_tokenizer *t, tok_special_id which, rg_buf *b, rg_buf *room)
{
    rg_buf_puts(b, "{\"SpecialToken\":{\"id\":");
    put_token(t, (size_t)t->id[which], b, room);
    rg_buf_puts(b, ",\"type_id\":0}}");
}

static void put_sides(const rg_tokenizer *t, const char *sequence, rg_buf *b, rg_buf *room)
{
    if (t->adds_bos)
        put_special(t, ID_BOS, b, room);
    rg_buf_printf(b, "%s{\"Sequence\":{\"id\":\"%s\",\"type_id\":0}}", t->adds_bos ? "," : "", sequence);
    if (t->adds_eos)
        rg_buf_putc(b, ',');
    if (t->adds_eos)
        put_special(t, ID_EOS, b, room);
}

static void put_post_processor(const rg_tokenizer *t, rg_buf *b, rg_buf *room)
{
    static const tok_special_id sides[] = { ID_BOS, ID_EOS };
    const bool adds[] = { t->adds_bos, t->adds_eos && !(t->adds_bos && t->id[ID_BOS] == t->id[ID_EOS]) };
    bool any = false;
    if (!t->adds_bos && !t->adds_eos) {
        rg_buf_puts(b, "\"post_processor\":null,");
        return;
    }
    rg_buf_puts(b, "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[");
    put_sides(t, "A", b, room);
    rg_buf_puts(b, "],\"pair\":[");
    put_sides(t, "A", b, room);
    rg_buf_putc(b, ',');
    put_sides(t, "B", b, room);
    rg_buf_puts(b, "],\"special_tokens\":{");
    for (size_t i = 0; i < RG_COUNT(sides); i++) {
        if (!adds[i])
            continue;
        const size_t id = (size_t)t->id[sides[i]];
        rg_buf_puts(b, any ? "," : "");
        put_token(t, id, b, room);
        rg_buf_puts(b, ":{\"id\":");
        put_token(t, id, b, room);
        rg_buf_printf(b, ",\"ids\":[%zu],\"tokens\":[", id);
        put_token(t, id, b, room);
        rg_buf_puts(b, "]}");
        any = true;
    }
    rg_buf_puts(b, "}},");
}

static rg_status put_model(const rg_tokenizer *t, rg_buf *b, rg_buf *room, rg_err *e)
{
    ranked *all = NULL;
    size_t n = 0;
    RG_TRY(rg__put_merges(t, &all, &n, e));
    rg_buf_puts(b, "\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":");
    if (t->unk >= 0)
        put_token(t, (size_t)t->unk, b, room);
    else
        rg_buf_puts(b, "null");
    rg_buf_printf(b,
                  ",\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null,\"fuse_unk\":%s,"
                  "\"byte_fallback\":%s,\"ignore_merges\":%s,\"vocab\":{",
                  truth(t->fuse_unk || t->model == TOK_SPM), truth(t->byte_fallback), truth(t->whole_words));
    for (size_t i = 0; i < t->vocab.n; i++) {
        rg_buf_puts(b, i ? "," : "");
        put_token(t, i, b, room);
        rg_buf_printf(b, ":%zu", i);
    }
    rg_buf_puts(b, "},\"merges\":[");
    const uint8_t *kind = t->vocab.kind;
    for (size_t i = 0, put = 0; i < n; i++) {
        if (kind[all[i].left] == TOK_BYTE || kind[all[i].right] == TOK_BYTE)
            continue; /* the package would look for the join of their spellings */
        rg_buf_puts(b, put++ ? ",[" : "[");
        put_token(t, (size_t)all[i].left, b, room);
        rg_buf_putc(b, ',');
        put_token(t, (size_t)all[i].right, b, room);
        rg_buf_putc(b, ']');
    }
    rg_buf_puts(b, "]}}");
    rg_free(all);
    return rg_buf_check(b, "tokenizer.json", e);
}

static void put_config(const rg_tokenizer *t, rg_buf *b, rg_buf *room)
{
    static const struct {
        const char *key;
        tok_special_id id;
    } names[] = {
        { "bos_token", ID_BOS }, { "eos_token", ID_EOS }, { "unk_token", ID_UNK }, { "pad_token", ID_PAD }
    };
    rg_buf_printf(b, "{\"add_bos_token\":%s,\"add_eos_token\":%s", truth(t->adds_bos), truth(t->adds_eos));
    for (size_t i = 0; i < RG_COUNT(names); i++) {
        if (t->id[names[i].id] < 0)
            continue;
        rg_buf_printf(b, ",\"%s\":", names[i].key);
        put_token(t, (size_t)t->id[names[i].id], b, room);
    }
    rg_buf_puts(b,
                ",\"clean_up_tokenization_spaces\":false,\"tokenizer_class\":\"PreTrainedTokenizerFast\"}");
}

static rg_status check(const rg_tokenizer *t, rg_err *e)
{
    if (t->model != TOK_BPE && t->model != TOK_SPM)
        RG_FAIL(e, RG_EARG, "tokenizer.json is written for BPE and SentencePiece BPE; this one is %s",
                t->kind);
    if (t->spelling == SPELL_BYTES ? t->pre[0] == '\0' : t->spelling != SPELL_SPACE)
        RG_FAIL(e, RG_EARG,
                "tokenizer.json is written for known pre-tokenizers; that of this one (%s) is none", t->kind);
    bool known = t->spelling == SPELL_BYTES || t->steps.n_pre == 0;
    for (size_t i = 0; i < t->steps.n_norm; i++) {
        const norm_step *x = &t->steps.norm[i];
        const bool marks = x->kind == NORM_PREPEND || (x->kind == NORM_REPLACE && rg_str_is(x->a, " "));
        known = known && (t->spelling == SPELL_BYTES ? x->kind == NORM_NFC : marks);
    }
    if (!known)
        RG_FAIL(e, RG_EARG,
                "tokenizer.json is written where NFC or the marking of spaces is all that is done to a text");
    return RG_OK;
}

rg_status rg_tokenizer_put_json(const rg_tokenizer *t, rg_buf *tokenizer_json, rg_buf *tokenizer_config_json,
                                rg_err *e)
{
    RG_TRY(check(t, e));
    rg_buf room = RG_BUF_MAX(TOK_MAX_WORK);
    rg_buf *b = tokenizer_json;
    rg_buf_puts(b, "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,");
    put_added(t, b, &room);
    if (t->spelling == SPELL_BYTES)
        put_byte_steps(t, b);
    else
        put_space_steps(t, b);
    put_post_processor(t, b, &room);
    rg_status s = put_model(t, b, &room, e);
    put_config(t, tokenizer_config_json, &room);
    if (s == RG_OK)
        s = rg_buf_check(tokenizer_config_json, "tokenizer_config.json", e);
    if (s == RG_OK)
        s = rg_buf_check(&room, "a token", e);
    rg_buf_free(&room);
    return s;
}
