/* test_tokenizer.c - toy vocabularies whose ids can be worked out on paper, files that are
 * refused, and what must hold for every text: round trip, no control ids from foreign text. */

#include "rung/base/call.h"
#include "text/vocab_build.h"
#include "tokenizer_open.h"

static const toy_token toy_tokens_[] = {
    { "he", 1 },        { "ll", 1 },           { "hell", 1 },       { "hello", 1 }, /* 256 .. 259 */
    { "\xC4\xA0h", 1 }, { "<|im_start|>", 3 }, { "<|im_end|>", 4 }, { "<t>", 4 },   /* 260 .. 263 */
    { "<t><t>x", 4 },   { "unused", 5 },       { "<|x|>", 3 },                      /* 264 .. 266 */
};
static const char *const toy_merges_[] = { "l l", "h e", "he ll", "hell o", "\xC4\xA0 h" };
static const toy_vocab toy_ = {
    .tokens = toy_tokens_,
    .n_tokens = COUNT(toy_tokens_),
    .merges = toy_merges_,
    .n_merges = COUNT(toy_merges_),
    .id_key = "tokenizer.ggml.eos_token_id",
    .id_value = 266,
};

static rg_status open_toy(rg_tokenizer **t, const toy_vocab *v, rg_err *e)
{
    rg_buf b = RG_BUF_MAX(1 << 24);
    rg_gguf *g;
    *t = NULL;
    toy_file(&b, v);
    rg_status s = rg_gguf_open_memory(&g, b.p, b.n, e);
    if (s == RG_OK)
        s = rg_tokenizer_from_gguf(t, g, e);
    rg_gguf_close(g);
    rg_buf_free(&b);
    return s;
}

static void check_ids(const rg_tokenizer *t, const char *text, rg_special special, const int32_t *want,
                      size_t n)
{
    rg_err e = RG_ERR_INIT;
    rg_ids ids = { 0 };
    OK(rg_tokenize(t, rg_str_of(text), special, &ids, &e), e);
    if (ids.n != n || memcmp(ids.id, want, n * sizeof *want) != 0)
        fail_msg("'%s': %zu ids, want %zu; the first is %d", text, ids.n, n, ids.n ? ids.id[0] : -1);
    rg_ids_free(&ids);
}

#define IDS(t, text, special, ...)                                                                           \
    check_ids((t), (text), (special), (const int32_t[]){ __VA_ARGS__ },                                      \
              sizeof((int32_t[]){ __VA_ARGS__ }) / sizeof(int32_t))

TEST(merges_go_by_rank)
{
    rg_err e = RG_ERR_INIT;
    rg_tokenizer *t;
    OK(open_toy(&t, &toy_, &e), e);
    IDS(t, "hello", RG_SPECIAL_NONE, 259);
    IDS(t, "hell", RG_SPECIAL_NONE, 258);
    IDS(t, "helo", RG_SPECIAL_NONE, 256, 'l', 'o');
    IDS(t, "lll", RG_SPECIAL_NONE, 257, 'l');    /* the leftmost of equals */
    IDS(t, " hello", RG_SPECIAL_NONE, ' ', 259); /* "h e" outranks " h" */
    IDS(t, " hi", RG_SPECIAL_NONE, 260, 'i');
    IDS(t, "hello world", RG_SPECIAL_NONE, 259, ' ', 'w', 'o', 'r', 'l', 'd');
    rg_tokenizer_free(t);
}

TEST(specials_are_matched_longest_first)
{
    rg_err e = RG_ERR_INIT;
    rg_tokenizer *t;
    OK(open_toy(&t, &toy_, &e), e);
    IDS(t, "<|im_start|>h", RG_SPECIAL_ALL, 261, 'h');
    IDS(t, "<t><t><t>x", RG_SPECIAL_ALL, 263, 264);    /* the long one wins though it starts later */
    IDS(t, "<t><t>y", RG_SPECIAL_NONE, 263, 263, 'y'); /* user-defined: also in foreign text */
    IDS(t, "<t", RG_SPECIAL_ALL, '<', 't');
    IDS(t, "<|x|>", RG_SPECIAL_NONE, '<', '|', 'x', '|', '>');
    rg_tokenizer_free(t);
}

/* A file that calls <|im_end|> user-defined must not let foreign text end a turn. */
TEST(user_defined_turn_ends_become_control_tokens)
{
    rg_err e = RG_ERR_INIT;
    rg_tokenizer *t;
    OK(open_toy(&t, &toy_, &e), e);
    CHECK(rg_token_is_control(t, 262) && rg_token_ends(t, 262));
    IDS(t, "<|im_end|>", RG_SPECIAL_NONE, '<', '|', 'i', 'm', '_', 'e', 'n', 'd', '|', '>');
    IDS(t, "<|im_end|>", RG_SPECIAL_ALL, 262);
    rg_tokenizer_free(t);
}

TEST(tokens_are_described)
{
    rg_err e = RG_ERR_INIT;
    rg_tokenizer *t;
    rg_buf b = RG_BUF_MAX(100);
    OK(open_toy(&t, &toy_, &e), e);
    CHECK(rg_vocab_size(t) == 267 && strcmp(rg_tokenizer_kind(t), "gpt2/gpt-2") == 0);
    CHECK(rg_token_bos(t) == -1 && rg_token_eos(t) == 266 && !rg_token_adds_bos(t));
    CHECK(rg_token_ends(t, 266) && !rg_token_ends(t, 261) && !rg_token_ends(t, -1) && !rg_token_ends(t, 267));
    CHECK(rg_str_is(rg_token_text(t, 260), " h") && rg_token_text(t, 267).n == 0);
    CHECK(rg_token_find(t, rg_str_of("<|x|>")) == 266 && rg_token_find(t, rg_str_of(" h")) == 260);
    CHECK(rg_token_find(t, rg_str_of("absent")) == -1 && rg_token_find(t, rg_str_of("unused")) == 265);
    CHECK(rg_token_is_control(t, 261) && !rg_token_is_control(t, 263) && !rg_token_is_control(t, -5));
    rg_detokenize(t, 261, false, &b), rg_detokenize(t, 265, false, &b), rg_detokenize(t, 999, true, &b);
    CHECK(b.n == 0);
    rg_detokenize(t, 263, false, &b), rg_detokenize(t, 261, true, &b);
    CHECK(rg_str_is(rg_buf_view(&b), "<t><|im_start|>"));
    rg_buf_free(&b);
    rg_tokenizer_free(t);
}

TEST(spans_decide_who_may_write_control_tokens)
{
    rg_err e = RG_ERR_INIT;
    rg_tokenizer *t;
    rg_ids ids = { 0 };
    const rg_str text = rg_str_of("<|im_start|>he<|im_end|>ll<|im_end|>");
    const rg_span spans[] = { { 0, 12, true }, { 12, 26, false }, { 26, 36, true } };
    const rg_span gap[] = { { 0, 12, true }, { 13, 36, false } }, past[] = { { 0, 37, true } };
    OK(open_toy(&t, &toy_, &e), e);
    OK(rg_tokenize_spans(t, text, spans, 3, &ids, &e), e);
    CHECK(ids.n == 14 && ids.id[0] == 261 && ids.id[1] == 256 && ids.id[2] == '<' && ids.id[12] == 257);
    CHECK(ids.id[13] == 262);

    CHECK(rg_tokenize_spans(t, text, gap, 2, &ids, NULL) == RG_EARG && ids.n == 14);
    CHECK(rg_tokenize_spans(t, text, past, 1, &ids, NULL) == RG_EARG && ids.n == 14);
    CHECK(rg_tokenize_spans(t, text, spans, 2, &ids, NULL) == RG_EARG && ids.n == 14);
    OK(rg_tokenize_spans(t, rg_str_n("", 0), spans, 0, &ids, &e), e);
    rg_ids_free(&ids);
    rg_tokenizer_free(t);
}

TEST(a_byte_without_a_token_is_refused)
{
    rg_err e = RG_ERR_INIT;
    rg_tokenizer *t;
    rg_ids ids = { 0 };
    toy_vocab v = toy_;
    v.missing_byte = 'q';
    OK(open_toy(&t, &v, &e), e);
    OK(rg_tokenize(t, rg_str_of("hello"), RG_SPECIAL_NONE, &ids, &e), e);
    CHECK(rg_tokenize(t, rg_str_of("hello quick"), RG_SPECIAL_NONE, &ids, &e) == RG_EFORMAT);
    CHECK(strstr(e.msg, "0x71") && ids.n == 1); /* nothing half appended */
    rg_ids_free(&ids);
    rg_tokenizer_free(t);
}

/* ---- files that are refused ---- */

#define TOKENS(...)                                                                                          \
    .tokens = (const toy_token[]){ __VA_ARGS__ },                                                            \
    .n_tokens = sizeof((toy_token[]){ __VA_ARGS__ }) / sizeof(toy_token)
#define MERGES(...)                                                                                          \
    .merges = (const char *const[]){ __VA_ARGS__ },                                                          \
    .n_merges = sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *)

#define TEN     "0123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

static const struct {
    toy_vocab v;
    const char *says;
} bad[] = {
    { { .model = "" }, "the file has no tokenizer" },
    { { .model = "rwkv" }, "tokenizer model 'rwkv' is not implemented" },
    { { .model = "llama" }, "the file has no scores" },
    { { .model = "t5" }, "the file has no scores" },
    { { .model = "llama", .score_kind = RG_GGUF_U32 + 1 }, "scores' is not an array of 256 f32" },
    { { .pre = "" }, "names no pre-tokenizer" },
    { { .pre = "default" }, "pre-tokenizer 'default' is not implemented" },
    { { .pre = "chameleon" }, "pre-tokenizer 'chameleon' is not implemented" },
    { { .extra_types = 1 }, "token_type' is not an array of 256 integers" },
    { { TOKENS({ "x1", 7 }) }, "token 256 has type 7" },
    { { TOKENS({ "x1", -1 }) }, "token 256 has type -1" },
    { { TOKENS({ "<0x-1>", 6 }) }, "byte token 256 is '<0x-1>'" },
    { { TOKENS({ "<0x001>", 6 }) }, "byte token 256 is '<0x001>'" },
    { { TOKENS({ HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED TEN "123", 3 }) },
      "special token 256 is 513 bytes" },
    { { .score_kind = RG_GGUF_I32 + 1 }, "scores' is not an array of 256 f32" },
    { { MERGES("ab") }, "merge 0 is 'ab'" },
    { { MERGES("a ") }, "merge 0 is 'a '" },
    { { MERGES("") }, "merge 0 is ''" },
    { { MERGES("a b"), TOKENS({ "cd", 1 }) }, "makes a text that is no token" },
    { { MERGES("ab c"), TOKENS({ "abc", 1 }) }, "has a half that is no token" },
    { { MERGES("a b"), TOKENS({ "ab", 3 }) }, "makes a text that is no token" }, /* only a control token */
    { { .id_key = "tokenizer.ggml.bos_token_id", .id_value = 256 },
      "bos_token_id' is 256 but the vocabulary has 256" },
    { { .id_key = "tokenizer.ggml.fim_pad_token_id", .id_value = -1 },
      "fim_pad_token_id' is not a token id" },
    { { .embd_rows = 300 }, "256 tokens but token_embd.weight has 300 rows" },
};

TEST(bad_vocabularies_are_refused_by_name)
{
    for (size_t i = 0; i < COUNT(bad); i++) {
        rg_err e = RG_ERR_INIT;
        rg_tokenizer *t;
        const rg_status s = open_toy(&t, &bad[i].v, &e);
        if (s != RG_EFORMAT || t != NULL || strstr(e.msg, bad[i].says) == NULL)
            fail_msg("%s: status %d, '%s'", bad[i].says, s, e.msg);
    }
    rg_tokenizer_free(NULL);
}

/* Scores are all zero in the toy: every merge is as good as any, the leftmost goes first. */
TEST(sentencepiece_merges_what_makes_a_token)
{
    static const toy_token tokens[] = {
        { "\xE2\x96\x81", 1 }, { "\xE2\x96\x81h", 1 }, { "\xE2\x96\x81he", 1 },          { "<0x0A>", 6 },
        { "<s>", 3 },          { "<u>", 4 },           { "\xE2\x96\x81\xE2\x96\x81", 1 }
    };
    const toy_vocab v = {
        .model = "llama", .tokens = tokens, .n_tokens = COUNT(tokens), .score_kind = RG_GGUF_F32 + 1
    };
    rg_err e = RG_ERR_INIT;
    rg_tokenizer *t;
    rg_ids ids = { 0 };
    rg_buf b = RG_BUF_MAX(100);
    rg_detok d = { 0 };
    OK(open_toy(&t, &v, &e), e);
    IDS(t, "he", RG_SPECIAL_NONE, 258); /* with the space in front */
    IDS(t, "e h", RG_SPECIAL_NONE, 256, 'e', 257);
    IDS(t, " h", RG_SPECIAL_NONE, 262, 'h');
    IDS(t, "x\n", RG_SPECIAL_NONE, 256, 'x', 259);
    IDS(t, "<s>he<u>h", RG_SPECIAL_ALL, 260, 258, 261, 257);
    IDS(t, "h<s>", RG_SPECIAL_NONE, 257, '<', 's', '>');
    CHECK(rg_tokenize(t, rg_str_of("h\t"), RG_SPECIAL_NONE, &ids, &e) == RG_OK); /* the unknown token, 0 */

    /* neighbours that are plain text are one text; control tokens come from scaffolding only */
    const rg_span spans[] = { { 0, 4, true }, { 4, 8, false } };
    ids.n = 0;
    OK(rg_tokenize_spans(t, rg_str_of("<s>he<s>"), spans, 2, &ids, &e), e);
    CHECK(ids.n == 5 && ids.id[0] == 260 && ids.id[1] == 258 && ids.id[2] == '<');
    rg_detokenize_next(t, &d, 260, false, &b);
    rg_detokenize_next(t, &d, 258, false, &b);
    rg_detokenize_next(t, &d, 258, false, &b);
    rg_detokenize_next(t, &d, 259, false, &b);
    CHECK(rg_str_is(rg_buf_view(&b), "he he\n"));
    rg_buf_free(&b);
    rg_ids_free(&ids);
    rg_tokenizer_free(t);
}

/* Does something only in builds that can refuse an allocation (-Dtorture=true). */
TEST(every_failed_allocation_is_survived)
{
    const rg_str text =
        rg_str_of("<t><|x|>hello hello aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa<t>");
    rg_buf b = RG_BUF_MAX(1 << 20);
    rg_gguf *g;
    toy_file(&b, &toy_);
    CHECK(rg_gguf_open_memory(&g, b.p, b.n, NULL) == RG_OK);
    for (long k = 0;; k++) {
        rg_tokenizer *t;
        rg_ids ids = { 0 };
        rg_alloc_fail_at(k);
        rg_status s = rg_tokenizer_from_gguf(&t, g, NULL);
        if (s == RG_OK)
            s = rg_tokenize(t, text, RG_SPECIAL_ALL, &ids, NULL);
        rg_alloc_fail_at(-1);
        CHECK(s == RG_OK || (s == RG_ENOMEM && ids.n == 0));
        rg_ids_free(&ids);
        rg_tokenizer_free(t);
        if (s == RG_OK)
            break;
        CHECK(k < 100);
    }
    rg_gguf_close(g);
    rg_buf_free(&b);
}

/* ---- what must hold for all texts, on real vocabularies ---- */

static const char *const real[] = { "gpt-2",     "llama-bpe",  "qwen2", "smollm2-135m", "qwen2.5-coder-0.5b",
                                    "llama-spm", "gemma3-270m" };

static uint32_t next_random(uint32_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 17;
    return *x ^= *x << 5;
}

/* Bytes of every kind: any, ASCII, or sequences that are almost UTF-8. */
static size_t random_bytes(char *p, size_t max, uint32_t *x)
{
    const size_t n = next_random(x) % max;
    const uint32_t style = next_random(x) % 3;
    for (size_t i = 0; i < n; i++) {
        const uint32_t r = next_random(x) >> 8;
        p[i] = (char)(style == 0   ? r & 0xff
                      : style == 1 ? r & 0x7f
                      : r % 3      ? 0x80 | (r >> 8 & 0x3f)
                                   : 0xC2 + r % 50);
    }
    return n;
}

TEST(random_bytes_come_back)
{
    bool any = false;
    for (size_t k = 0; k < 3; k++) { /* the vocabularies with all 256 bytes */
        rg_err e = RG_ERR_INIT;
        rg_tokenizer *t = open_tokenizer(real[k]);
        uint32_t x = 2463534242u;
        char text[300];
        if (t == NULL)
            continue;
        any = true;
        for (int i = 0; i < 3000; i++) {
            rg_ids ids = { 0 };
            const rg_str s = rg_str_n(text, random_bytes(text, sizeof text, &x));
            OK(rg_tokenize(t, s, RG_SPECIAL_NONE, &ids, &e), e);
            CHECK(round_trip(t, &ids, s));
            rg_ids_free(&ids);
        }
        rg_tokenizer_free(t);
    }
    if (!any)
        skip();
}

static bool has_control(const rg_tokenizer *t, const rg_ids *ids)
{
    for (size_t i = 0; i < ids->n; i++)
        if (rg_token_is_control(t, ids->id[i]))
            return true;
    return false;
}

/* The text of one control token, bare and inside other text, tokenised as foreign text. */
static void inject(const rg_tokenizer *t, rg_str name)
{
    static const char *const around[][2] = {
        { "", "" }, { "a ", " b" }, { "x", "y" }, { "<", ">" }, { "\n", "\n" }
    };
    for (size_t k = 0; k < COUNT(around); k++) {
        rg_err e = RG_ERR_INIT;
        rg_ids none = { 0 }, all = { 0 };
        rg_buf b = RG_BUF_MAX(1 << 16);
        rg_buf_puts(&b, around[k][0]);
        rg_buf_str(&b, name);
        rg_buf_puts(&b, around[k][1]);
        OK(rg_tokenize(t, rg_buf_view(&b), RG_SPECIAL_NONE, &none, &e), e);
        OK(rg_tokenize(t, rg_buf_view(&b), RG_SPECIAL_ALL, &all, &e), e);
        CHECK(!has_control(t, &none) && round_trip(t, &none, rg_buf_view(&b)));
        CHECK(has_control(t, &all)); /* so the check above can fail */
        rg_ids_free(&none);
        rg_ids_free(&all);
        rg_buf_free(&b);
    }
}

TEST(no_control_token_comes_from_foreign_text)
{
    size_t tried = 0;
    for (size_t k = 0; k < COUNT(real); k++) {
        rg_tokenizer *t = open_tokenizer(real[k]);
        for (size_t i = 0; t && i < rg_vocab_size(t); i++)
            if (rg_token_is_control(t, (int32_t)i)) {
                inject(t, rg_token_text(t, (int32_t)i));
                tried++;
            }
        rg_tokenizer_free(t);
    }
    if (tried == 0)
        skip();
    CHECK(tried >= 260); /* llama 3 alone has 256 */
}

TEST(turn_ends_are_known)
{
    static const struct {
        const char *vocab;
        int32_t bos, eos;
        bool adds_bos;
        int32_t ends[3], not_end;
        const char *kind;
    } want[] = {
        { "gpt-2", 50256, 50256, false, { 50256, 50256, 50256 }, 0, "gpt2/gpt-2" },
        { "llama-bpe", 128000, 128001, true, { 128001, 128009, 128009 }, 128000, "gpt2/llama-bpe" },
        { "qwen2", 151643, 151643, false, { 151643, 151645, 151645 }, 151644, "gpt2/qwen2" },
        { "smollm2-135m", 1, 2, false, { 0, 2, 2 }, 1, "gpt2/smollm" },
        { "qwen2.5-coder-0.5b", 151643, 151645, false, { 151643, 151645, 151645 }, 151644, "gpt2/qwen2" },
    };
    bool any = false;
    for (size_t k = 0; k < COUNT(want); k++) {
        rg_tokenizer *t = open_tokenizer(want[k].vocab);
        if (t == NULL)
            continue;
        any = true;
        CHECK(rg_token_bos(t) == want[k].bos && rg_token_eos(t) == want[k].eos);
        CHECK(rg_token_adds_bos(t) == want[k].adds_bos && strcmp(rg_tokenizer_kind(t), want[k].kind) == 0);
        for (size_t i = 0; i < 3; i++)
            CHECK(rg_token_ends(t, want[k].ends[i]));
        CHECK(!rg_token_ends(t, want[k].not_end));
        rg_tokenizer_free(t);
    }
    if (!any)
        skip();
}

/* A word of a megabyte: quadratic merging would take minutes. */
TEST(a_megabyte_of_one_letter_is_quick)
{
    enum { N = 1000000 };
    rg_err e = RG_ERR_INIT;
    rg_tokenizer *t = open_tokenizer("qwen2");
    rg_ids ids = { 0 };
    if (t == NULL)
        skip();
    char *text = malloc(N);
    assert_non_null(text);
    memset(text, 'a', N);
    const int64_t start = rg_cpu_ns();
    OK(rg_tokenize(t, rg_str_n(text, N), RG_SPECIAL_NONE, &ids, &e), e);
    CHECK(rg_cpu_ns() - start < 20 * INT64_C(1000000000)); /* measured: 0.3 to 0.5 s */
    CHECK(round_trip(t, &ids, rg_str_n(text, N)));
    free(text);
    rg_ids_free(&ids);
    rg_tokenizer_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merges_go_by_rank),
        cmocka_unit_test(specials_are_matched_longest_first),
        cmocka_unit_test(user_defined_turn_ends_become_control_tokens),
        cmocka_unit_test(tokens_are_described),
        cmocka_unit_test(spans_decide_who_may_write_control_tokens),
        cmocka_unit_test(a_byte_without_a_token_is_refused),
        cmocka_unit_test(bad_vocabularies_are_refused_by_name),
        cmocka_unit_test(sentencepiece_merges_what_makes_a_token),
        cmocka_unit_test(every_failed_allocation_is_survived),
        cmocka_unit_test(random_bytes_come_back),
        cmocka_unit_test(no_control_token_comes_from_foreign_text),
        cmocka_unit_test(turn_ends_are_known),
        cmocka_unit_test(a_megabyte_of_one_letter_is_quick),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
