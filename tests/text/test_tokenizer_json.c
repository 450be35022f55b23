/* test_tokenizer_json.c - tokenizer.json against the `tokenizers` package (goldens written by
 * oracle/tokenizer_json_goldens.py), what is refused by name, and the ways back: to GGUF keys
 * and to tokenizer.json. */
#include <unistd.h>

#include "rung/base/file.h"
#include "../../src/text/tokenizer_int.h"
#include "tokenizer_open.h"

static char *slurp(const char *name, size_t *n)
{
    rg_err e = RG_ERR_INIT;
    char rel[128], *p;
    snprintf(rel, sizeof rel, "tokenizer/%s", name);
    OK(rg_read_all(&p, n, test_file(rel), 1 << 24, &e), e);
    return p;
}

static rg_tokenizer *open_json(const char *name)
{
    rg_err e = RG_ERR_INIT;
    rg_tokenizer *t;
    char file[64];
    size_t n;
    snprintf(file, sizeof file, "%s.json", name);
    char *text = slurp(file, &n);
    OK(rg_tokenizer_from_json(&t, rg_str_n(text, n), rg_str_n(NULL, 0), &e), e);
    rg_free(text);
    return t;
}

/* ---- goldens ---- */

static uint32_t fnv(const void *p, size_t n)
{
    uint32_t h = 0x811C9DC5;
    for (size_t i = 0; i < n; i++)
        h = (h ^ ((const unsigned char *)p)[i]) * 0x01000193;
    return h;
}

/* Little-endian ids, as the oracle hashes them. */
static uint32_t hash_ids(const rg_ids *ids)
{
    rg_buf b = RG_BUF_MAX(1 << 24);
    for (size_t i = 0; i < ids->n; i++)
        for (int k = 0; k < 4; k++)
            rg_buf_putc(&b, (char)((uint32_t)ids->id[i] >> (8 * k) & 0xff));
    const uint32_t h = fnv(b.p, b.n);
    rg_buf_free(&b);
    return h;
}

/* A hash of the golden file, "--------" = not compared. */
static bool agrees(const char *want, uint32_t hash)
{
    return *want == '-' || strtoul(want, NULL, 16) == hash;
}

static bool text_agrees(const rg_tokenizer *t, const rg_ids *ids, const char *want)
{
    rg_buf b = RG_BUF_MAX(1 << 24);
    rg_detok d = { 0 };
    for (size_t i = 0; i < ids->n; i++)
        rg_detokenize_next(t, &d, ids->id[i], false, &b);
    const bool same = agrees(want, fnv(b.p, b.n));
    rg_buf_free(&b);
    return same;
}

static void check_golden(const char *name)
{
    char file[64];
    size_t n, n_gold, count = 0, compared = 0;
    rg_err e = RG_ERR_INIT;
    rg_tokenizer *t = open_json(name);
    char *texts = slurp("json_lines.bin", &n);
    snprintf(file, sizeof file, "%s.gold", name);
    char *gold = slurp(file, &n_gold);
    const char *want = gold;

    for (const char *p = texts; p < texts + n; p += strlen(p) + 1, want += 27, count++) {
        rg_ids none = { 0 }, all = { 0 };
        OK(rg_tokenize(t, rg_str_of(p), RG_SPECIAL_NONE, &none, &e), e);
        OK(rg_tokenize(t, rg_str_of(p), RG_SPECIAL_ALL, &all, &e), e);
        if (!agrees(want, hash_ids(&none)) || !agrees(want + 9, hash_ids(&all)))
            fail_msg("%s: ids of text %zu, '%s'", name, count, p);
        if (!text_agrees(t, &none, want + 18))
            fail_msg("%s: the ids of text %zu, '%s', do not become its text", name, count, p);
        compared += *want != '-';
        rg_ids_free(&none);
        rg_ids_free(&all);
    }
    CHECK(count == 291 && want == gold + n_gold && compared >= 200);
    rg_free(texts);
    rg_free(gold);
    rg_tokenizer_free(t);
}

TEST(byte_level_bpe_agrees_with_the_package)
{
    check_golden("bytes"); /* added tokens with lstrip, rstrip, single_word, normalized */
    check_golden("qwen");  /* NFC, a pattern, ignore_merges */
    check_golden("split"); /* a chain of normalizers, three patterns, Punctuation */
}

TEST(character_bpe_agrees_with_the_package)
{
    check_golden("llama"); /* Prepend, Replace, byte_fallback */
    check_golden("meta-first");
    check_golden("meta-never");
}

TEST(unigram_agrees_with_the_package)
{
    check_golden("unigram"); /* a charsmap, Nmt, NFKC, a Regex */
    check_golden("unigram-bytes");
}

TEST(wordpiece_agrees_with_the_package)
{
    check_golden("wordpiece");
    check_golden("wordpiece-cased");
}

/* Where each named pre-tokenizer cuts, by its own patterns and by hand. */
static void check_cuts(const pretok_entry *p, bool by_hand, const char *texts, size_t n, const char *want)
{
    rg_err e = RG_ERR_INIT;
    tok_steps steps = { 0 };
    size_t count = 0;
    for (size_t i = 0; !by_hand && i < COUNT(p->pattern) && p->pattern[i]; i++) {
        steps.pre[steps.n_pre] = (pre_step){ .kind = PRE_SPLIT, .behaviour = CUT_ISOLATED };
        OK(rg__regex_new(&steps.pre[steps.n_pre++].re, rg_str_of(p->pattern[i]), &e), e);
    }
    if (by_hand)
        steps.pre[steps.n_pre++] = (pre_step){ .kind = PRE_RULE, .rule = p->rule };
    for (const char *q = texts; q < texts + n; q += strlen(q) + 1, count++) {
        if (count % 3 != 0)
            continue;
        scratch w = SCRATCH_INIT;
        rg_ids ends = { 0 };
        rg_buf_puts(&w.text, q);
        OK(rg__pre_run(&steps, &w, true, &e), e);
        for (size_t i = 0; i < w.words.n; i++)
            OK(rg_ids_push(&ends, (int32_t)w.words.c[i].end, &e), e);
        if (strtoul(want, NULL, 16) != hash_ids(&ends))
            fail_msg("%s%s: text %zu, '%s'", p->name, by_hand ? " by hand" : "", count, q);
        want += 9;
        rg_ids_free(&ends);
        rg__tok_scratch_free(&w);
    }
    CHECK(count == 291);
    rg__steps_free(&steps);
}

TEST(named_pre_tokenizers_cut_as_the_package_does)
{
    size_t n, n_cuts, lines = 0;
    char *texts = slurp("json_lines.bin", &n), *cuts_text = slurp("cuts.txt", &n_cuts);
    for (char *line = cuts_text; *line; lines++) {
        char *space = strchr(line, ' '), *end = strchr(line, '\n');
        const pretok_entry *p = rg__pretok_named(rg_str_n(line, (size_t)(space - line)));
        CHECK(p != NULL);
        check_cuts(p, false, texts, n, space + 1);
        if (p->rule != PRETOK_NONE)
            check_cuts(p, true, texts, n, space + 1);
        line = end + 1;
    }
    CHECK(lines == 14);
    rg_free(texts);
    rg_free(cuts_text);
}

/* ---- what is refused ---- */

#define BPE(rest)                                                                                            \
    "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[\"a b\"]" rest "}"
#define STEP(s)    "{" s ",\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]}}"
#define TYPE(k, t) "\"" k "\":{\"type\":\"" t "\"}"

static const struct {
    const char *json, *says;
} bad[] = {
    { "[", "tokenizer.json" },
    { "{}", "model '' of tokenizer.json is not implemented" },
    { "{\"model\":{\"type\":\"WordLevel\",\"vocab\":{}}}",
      "model 'WordLevel' of tokenizer.json is not implemented" },
    { BPE(",\"dropout\":0.1") "}", "dropout" },
    { BPE(",\"end_of_word_suffix\":\"</w>\"") "}", "end_of_word_suffix" },
    { "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":-1},\"merges\":[]}}",
      "token 'a' of tokenizer.json has no id" },
    { "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":1048576},\"merges\":[]}}", "has no id below 1048576" },
    { "{\"model\":{\"type\":\"BPE\",\"vocab\":{},\"merges\":[]}}", "0 tokens" },
    { "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a b\"]}}",
      "has a half that is no token" },
    { "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[[\"a\"]]}}",
      "merge 0 of tokenizer.json is no pair" },
    { "{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\"]]}}", "is not a text with a score" },
    { "{\"model\":{\"type\":\"Unigram\",\"unk_id\":7,\"vocab\":[[\"a\",0]]}}",
      "unk_id of tokenizer.json is 7" },
    { STEP(TYPE("normalizer", "ByteLevel")), "normalizer 'ByteLevel' of tokenizer.json is not implemented" },
    { STEP(TYPE("pre_tokenizer", "UnicodeScripts")), "pre_tokenizer 'UnicodeScripts' of tokenizer.json" },
    { STEP(TYPE("decoder", "CTC")), "decoder 'CTC' of tokenizer.json is not implemented" },
    { STEP(TYPE("decoder", "ByteLevel")), "decoder 'ByteLevel' of tokenizer.json does not fit" },
    { STEP(TYPE("post_processor", "X")), "post_processor 'X' of tokenizer.json is not implemented" },
    { STEP("\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"!\"}"), "not base64" },
    { STEP("\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"////fw==\"}"),
      "charsmap says" },
    { STEP("\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"(\"},\"content\":\"\"}"),
      "pattern '(' does not compile" },
    { STEP("\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"[a&&[b]]\"},\"content\":\"\"}"),
      "a set within a set" },
    { STEP("\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"String\":\"a\"},\"behavior\":\"Odd\"}"),
      "split behavior 'Odd'" },
    { STEP("\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"ByteLevel\"},{\"type\":"
           "\"Digits\"}]}"),
      "'Digits' of tokenizer.json comes behind ByteLevel" },
};

TEST(bad_files_are_refused_by_name)
{
    for (size_t i = 0; i < COUNT(bad); i++) {
        rg_err e = RG_ERR_INIT;
        rg_tokenizer *t;
        const rg_status s = rg_tokenizer_from_json(&t, rg_str_of(bad[i].json), rg_str_n(NULL, 0), &e);
        if (s != RG_EFORMAT || t != NULL || strstr(e.msg, bad[i].says) == NULL)
            fail_msg("%s: status %d, '%s'", bad[i].says, s, e.msg);
    }
}

/* (a|aa)+b over a run of a takes exponential time: an error, not a hang. */
TEST(a_pattern_that_explodes_is_stopped)
{
    static const char json[] =
        "{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(?:a|aa)+$b\"},"
        "\"behavior\":\"Isolated\"},\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]}}";
    rg_err e = RG_ERR_INIT;
    rg_tokenizer *t;
    rg_ids ids = { 0 };
    char text[4001];
    memset(text, 'a', sizeof text);
    memcpy(text + sizeof text - 3, "\nb", 3); /* a b, so that the search is not over before it begins */
    OK(rg_tokenizer_from_json(&t, rg_str_of(json), rg_str_n(NULL, 0), &e), e);
    CHECK(rg_tokenize(t, rg_str_of(text), RG_SPECIAL_NONE, &ids, &e) == RG_ELIMIT);
    CHECK(strstr(e.msg, "takes too many steps") && ids.n == 0);
    rg_ids_free(&ids);
    rg_tokenizer_free(t);
}

TEST(the_config_names_bos_and_eos)
{
    static const char config[] =
        "{\"bos_token\":{\"content\":\"b\"},\"eos_token\":\"ab\",\"add_bos_token\":true}";
    rg_err e = RG_ERR_INIT;
    rg_tokenizer *t;
    OK(rg_tokenizer_from_json(&t, rg_str_of(BPE("") "}"), rg_str_of(config), &e), e);
    CHECK(rg_token_bos(t) == 1 && rg_token_eos(t) == 2 && rg_token_adds_bos(t) && !rg_token_adds_eos(t));
    CHECK(rg_token_ends(t, 2) && strcmp(rg_tokenizer_kind(t), "json/bpe") == 0);
    OK(rg_tokenizer_pad(t, 20, &e), e);
    CHECK(rg_vocab_size(t) == 20 && rg_token_text(t, 19).n == 0 && rg_token_ends(t, 2) &&
          !rg_token_ends(t, 19));
    CHECK(rg_tokenizer_pad(t, 19, NULL) == RG_EFORMAT);
    rg_tokenizer_free(t);

    t = open_json("wordpiece"); /* BertProcessing decides */
    CHECK(rg_token_adds_bos(t) && rg_token_adds_eos(t) && rg_token_bos(t) == 2 && rg_token_eos(t) == 3);
    rg_tokenizer_free(t);
}

/* ---- the ways back ---- */

/* Both give the same ids for every text. */
static void check_same(const rg_tokenizer *a, const rg_tokenizer *b, const char *what)
{
    size_t n;
    rg_err e = RG_ERR_INIT;
    char *texts = slurp("json_lines.bin", &n);
    for (const char *p = texts; p < texts + n; p += strlen(p) + 1)
        for (int all = 0; all < 2; all++) {
            rg_ids x = { 0 }, y = { 0 };
            OK(rg_tokenize(a, rg_str_of(p), all ? RG_SPECIAL_ALL : RG_SPECIAL_NONE, &x, &e), e);
            OK(rg_tokenize(b, rg_str_of(p), all ? RG_SPECIAL_ALL : RG_SPECIAL_NONE, &y, &e), e);
            if (hash_ids(&x) != hash_ids(&y))
                fail_msg("%s: '%s'", what, p);
            rg_ids_free(&x);
            rg_ids_free(&y);
        }
    CHECK(rg_token_bos(a) == rg_token_bos(b) && rg_token_eos(a) == rg_token_eos(b));
    CHECK(rg_token_adds_bos(a) == rg_token_adds_bos(b) && rg_vocab_size(a) == rg_vocab_size(b));
    rg_free(texts);
}

static rg_tokenizer *through_json(const rg_tokenizer *t)
{
    rg_err e = RG_ERR_INIT;
    rg_buf json = RG_BUF_MAX((size_t)1 << 28), config = RG_BUF_MAX(1 << 16);
    rg_tokenizer *back;
    OK(rg_tokenizer_put_json(t, &json, &config, &e), e);
    OK(rg_tokenizer_from_json(&back, rg_buf_view(&json), rg_buf_view(&config), &e), e);
    rg_buf_free(&json);
    rg_buf_free(&config);
    return back;
}

static rg_tokenizer *through_gguf(const rg_tokenizer *t)
{
    char path[] = "/tmp/rung-test-tokenizer-XXXXXX";
    rg_err e = RG_ERR_INIT;
    rg_gguf_writer *w;
    rg_gguf *g;
    rg_tokenizer *back;
    const int fd = mkstemp(path);
    CHECK(fd >= 0);
    close(fd);
    OK(rg_gguf_create(&w, path, &e), e);
    OK(rg_tokenizer_put_gguf(t, w, &e), e);
    OK(rg_gguf_finish(w, &e), e);
    OK(rg_gguf_open(&g, path, &e), e);
    OK(rg_tokenizer_from_gguf(&back, g, &e), e);
    rg_gguf_close(g);
    unlink(path);
    return back;
}

/* That llama.cpp and the package read what is written as we do is measured by hand, for the
 * vocabularies here and two models: 0 of 3,812 texts differ. */
TEST(a_vocabulary_goes_to_a_folder_and_back)
{
    static const char *const names[] = { "gpt-2", "qwen2", "llama-spm" };
    bool any = false;
    for (size_t i = 0; i < COUNT(names); i++) {
        rg_tokenizer *t = open_tokenizer(names[i]);
        if (t == NULL)
            continue;
        any = true;
        rg_tokenizer *folder = through_json(t), *file = through_gguf(folder);
        check_same(t, folder, names[i]);
        check_same(t, file, names[i]);
        rg_tokenizer_free(t);
        rg_tokenizer_free(folder);
        rg_tokenizer_free(file);
    }
    if (!any)
        skip();
}

TEST(what_gguf_cannot_say_is_refused)
{
    static const struct {
        const char *name, *why;
    } want[] = { { "bytes", "none that llama.cpp has a name for" }, /* add_prefix_space */
                 { "llama", "but no merge joins them" },            /* trained merges are fewer than splits */
                 { "meta-first", "byte_fallback" },
                 { "unigram", "charsmap" },
                 { "wordpiece-cased", "WordPiece needs" } };
    for (size_t i = 0; i < COUNT(want); i++) {
        rg_err e = RG_ERR_INIT;
        rg_gguf_writer *w;
        rg_tokenizer *t = open_json(want[i].name);
        OK(rg_gguf_create(&w, "/tmp/rung-test-tokenizer-refused.gguf", &e), e);
        if (rg_tokenizer_put_gguf(t, w, &e) != RG_EARG || !strstr(e.msg, want[i].why))
            fail_msg("%s: '%s'", want[i].name, e.msg);
        rg_gguf_abandon(w);
        rg_tokenizer_free(t);
    }
    rg_tokenizer *t = open_json("wordpiece"), *back = through_gguf(t);
    CHECK(rg_vocab_size(t) == rg_vocab_size(back) && rg_token_find(back, rg_str_of("[CLS]")) == 2);
    rg_tokenizer_free(t);
    rg_tokenizer_free(back);
}

/* Does something only in builds that can refuse an allocation (-Dtorture=true).  What PCRE2,
 * utf8proc and jansson ask for is not refused. */
TEST(every_failed_allocation_is_survived)
{
    static const char *const names[] = { "bytes", "split", "unigram-bytes", "wordpiece" };
    for (size_t i = 0; i < COUNT(names); i++) {
        char file[64];
        size_t n;
        snprintf(file, sizeof file, "%s.json", names[i]);
        char *json = slurp(file, &n);
        for (long k = 0;; k++) {
            rg_tokenizer *t;
            rg_ids ids = { 0 };
            rg_alloc_fail_at(k);
            rg_status s = rg_tokenizer_from_json(&t, rg_str_n(json, n), rg_str_n(NULL, 0), NULL);
            if (s == RG_OK)
                s = rg_tokenize(t, rg_str_of("the LOUD  Å 1234 [CLS] ﬁ"), RG_SPECIAL_ALL, &ids, NULL);
            rg_alloc_fail_at(-1);
            CHECK(s == RG_OK || (s == RG_ENOMEM && ids.n == 0));
            rg_ids_free(&ids);
            rg_tokenizer_free(t);
            if (s == RG_OK)
                break;
            CHECK(k < 400);
        }
        rg_free(json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(byte_level_bpe_agrees_with_the_package),
        cmocka_unit_test(character_bpe_agrees_with_the_package),
        cmocka_unit_test(unigram_agrees_with_the_package),
        cmocka_unit_test(wordpiece_agrees_with_the_package),
        cmocka_unit_test(named_pre_tokenizers_cut_as_the_package_does),
        cmocka_unit_test(bad_files_are_refused_by_name),
        cmocka_unit_test(a_pattern_that_explodes_is_stopped),
        cmocka_unit_test(the_config_names_bos_and_eos),
        cmocka_unit_test(a_vocabulary_goes_to_a_folder_and_back),
        cmocka_unit_test(what_gguf_cannot_say_is_refused),
        cmocka_unit_test(every_failed_allocation_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
