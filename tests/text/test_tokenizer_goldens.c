/* test_tokenizer_goldens.c - the ids that other programs give: the original tokenizers (.inp
 * and .out of llama.cpp's test data) and llama.cpp itself (tests/data/tokenizer, written by
 * oracle/tokenizer_goldens.py). */
#include "rung/base/file.h"
#include "tokenizer_open.h"

static char *slurp(const char *path, size_t *n)
{
    rg_err e = RG_ERR_INIT;
    char *p;
    OK(rg_read_all(&p, n, path, 1 << 28, &e), e);
    return p;
}

static char *slurp_golden(const char *name, size_t *n)
{
    char rel[128];
    snprintf(rel, sizeof rel, "tokenizer/%s", name);
    return slurp(test_file(rel), n);
}

/* FNV-1a-32 over the ids as little-endian words. */
static uint32_t hash_ids(const rg_ids *ids)
{
    uint32_t h = 0x811C9DC5;
    for (size_t i = 0; i < ids->n; i++)
        for (int k = 0; k < 4; k++)
            h = (h ^ ((uint32_t)ids->id[i] >> (8 * k) & 0xff)) * 0x01000193;
    return h;
}

/* Ids written as numbers, up to the end of the line. */
static bool same_ids(const rg_ids *ids, const char *line)
{
    size_t i = 0;
    for (;; i++) {
        line += strspn(line, " ");
        if (*line < '0' || *line > '9')
            return i == ids->n;
        char *end;
        const long want = strtol(line, &end, 10);
        if (i == ids->n || ids->id[i] != want)
            return false;
        line = end;
    }
}

/* The next text of `all`, which ends at `mark` (or at the end of all). */
static rg_str next_text(rg_str *all, const char *mark)
{
    const size_t at = rg_str_find(*all, rg_str_of(mark));
    const rg_str text = rg_str_n(all->p, at == SIZE_MAX ? all->n : at);
    const size_t gone = at == SIZE_MAX ? all->n : at + strlen(mark);
    *all = rg_str_n(all->p + gone, all->n - gone);
    return text;
}

static void check_inp_out(const char *name)
{
    char rel[128];
    size_t n_in, n_out, line = 0;
    rg_err e = RG_ERR_INIT;
    rg_tokenizer *t = open_tokenizer(name);
    if (t == NULL)
        skip();
    snprintf(rel, sizeof rel, "vocab/ggml-vocab-%s.gguf.inp", name);
    char *in = slurp(test_data(rel), &n_in);
    snprintf(rel, sizeof rel, "vocab/ggml-vocab-%s.gguf.out", name);
    char *out = slurp(test_data(rel), &n_out);
    rg_str all = rg_str_n(in, n_in), want = rg_str_n(out, n_out);

    for (; all.n > 0; line++) {
        const rg_str text = next_text(&all, "\n__ggml_vocab_test__\n");
        rg_ids ids = { 0 };
        OK(rg_tokenize(t, text, RG_SPECIAL_NONE, &ids, &e), e);
        if (!same_ids(&ids, next_text(&want, "\n").p))
            fail_msg("%s: text %zu, '%.*s'", name, line, (int)text.n, text.p);
        rg_ids_free(&ids);
    }
    CHECK(line >= 40);
    rg_free(in);
    rg_free(out);
    rg_tokenizer_free(t);
}

TEST(gpt2_gives_the_ids_of_the_original)
{
    check_inp_out("gpt-2");
}

TEST(llama3_gives_the_ids_of_the_original)
{
    check_inp_out("llama-bpe");
}

TEST(qwen2_gives_the_ids_of_the_original)
{
    check_inp_out("qwen2");
}

TEST(llama2_gives_the_ids_of_the_original)
{
    check_inp_out("llama-spm");
}

TEST(phi3_gives_the_ids_of_the_original)
{
    check_inp_out("phi-3");
}

/* Lines of tests/data/tokenizer/lines.bin; "--------" = a byte the vocabulary lacks (byte-level),
 * or a text that does not come back (SentencePiece: one with U+2581 in it). */
static void check_lines(const char *name)
{
    char file[64];
    size_t n, n_want, count = 0;
    rg_err e = RG_ERR_INIT;
    rg_tokenizer *t = open_tokenizer(name);
    if (t == NULL)
        skip();
    char *in = slurp_golden("lines.bin", &n);
    snprintf(file, sizeof file, "%s.lines", name);
    char *out = slurp_golden(file, &n_want);
    const char *want = out;

    for (const char *p = in; p < in + n; p += strlen(p) + 1, want += 9, count++) {
        rg_ids ids = { 0 };
        const rg_status s = rg_tokenize(t, rg_str_of(p), RG_SPECIAL_NONE, &ids, &e);
        if (want[0] == '-' && strstr(p, "\xE2\x96\x81")) {
            OK(s, e);
        } else if (want[0] == '-') {
            CHECK(s == RG_EFORMAT && ids.n == 0);
            rg_err_clear(&e);
        } else if (s != RG_OK || hash_ids(&ids) != strtoul(want, NULL, 16)) {
            fail_msg("%s: line %zu, '%s' %s", name, count, p, e.msg);
        } else {
            CHECK(round_trip(t, &ids, rg_str_of(p)));
        }
        rg_ids_free(&ids);
    }
    CHECK(count >= 2300 && want == out + n_want);
    rg_free(in);
    rg_free(out);
    rg_tokenizer_free(t);
}

TEST(gpt2_agrees_with_llama_cpp_on_2300_lines)
{
    check_lines("gpt-2");
}

TEST(llama3_agrees_with_llama_cpp_on_2300_lines)
{
    check_lines("llama-bpe");
}

TEST(qwen2_agrees_with_llama_cpp_on_2300_lines)
{
    check_lines("qwen2");
}

TEST(smollm_agrees_with_llama_cpp_on_2300_lines)
{
    check_lines("smollm2-135m");
}

TEST(llama2_agrees_with_llama_cpp_on_2300_lines)
{
    check_lines("llama-spm");
}

TEST(gemma3_agrees_with_llama_cpp_on_2300_lines)
{
    check_lines("gemma3-270m");
}

/* Texts with spelled-out special tokens, control tokens parsed and not. */
static void check_specials(const char *name)
{
    char file[64];
    size_t n, n_want, count = 0;
    rg_err e = RG_ERR_INIT;
    rg_tokenizer *t = open_tokenizer(name);
    if (t == NULL)
        return;
    char *in = slurp_golden("specials.bin", &n);
    snprintf(file, sizeof file, "%s.specials", name);
    char *out = slurp_golden(file, &n_want);
    const char *want = out;

    for (const char *p = in; p < in + n; p += strlen(p) + 1, want += 18, count++)
        for (int all = 0; all < 2; all++) {
            rg_ids ids = { 0 };
            OK(rg_tokenize(t, rg_str_of(p), all ? RG_SPECIAL_ALL : RG_SPECIAL_NONE, &ids, &e), e);
            if (hash_ids(&ids) != strtoul(want + 9 * all, NULL, 16))
                fail_msg("%s: text %zu, '%s', %s", name, count, p, all ? "all" : "none");
            rg_ids_free(&ids);
        }
    CHECK(count == 150 && want == out + n_want);
    rg_free(in);
    rg_free(out);
    rg_tokenizer_free(t);
}

TEST(special_tokens_agree_with_llama_cpp)
{
    if (test_data("vocab/ggml-vocab-qwen2.gguf") == NULL)
        skip();
    check_specials("gpt-2");
    check_specials("llama-bpe");
    check_specials("qwen2");
    check_specials("smollm2-135m");
    check_specials("llama-spm");
    check_specials("phi-3"); /* takes white space behind special tokens along */
    check_specials("gemma3-270m");
}

/* A few lines in full, so that a failure of the hashes can be read. */
TEST(some_lines_in_full)
{
    size_t n, n_full, checked = 0;
    rg_err e = RG_ERR_INIT;
    char *in = slurp_golden("lines.bin", &n), *full = slurp_golden("full.txt", &n_full);
    rg_str rest = rg_str_n(full, n_full);
    rg_tokenizer *t = NULL;
    char open[32] = "";

    if (test_data("vocab/ggml-vocab-qwen2.gguf") == NULL) {
        rg_free(in);
        rg_free(full);
        skip();
    }
    while (rest.n > 0) {
        char name[32];
        int used, at;
        const rg_str line = next_text(&rest, "\n");
        CHECK(sscanf(line.p, "%31s %d%n", name, &at, &used) == 2);
        if (strcmp(name, open) != 0) {
            rg_tokenizer_free(t);
            t = open_tokenizer(name);
            snprintf(open, sizeof open, "%s", name);
        }
        if (t == NULL)
            continue;
        const char *p = in;
        while (at-- > 0)
            p += strlen(p) + 1;
        rg_ids ids = { 0 };
        OK(rg_tokenize(t, rg_str_of(p), RG_SPECIAL_NONE, &ids, &e), e);
        CHECK(same_ids(&ids, line.p + used));
        rg_ids_free(&ids);
        checked++;
    }
    CHECK(checked >= 30);
    rg_tokenizer_free(t);
    rg_free(in);
    rg_free(full);
}

/* Whole data files, megabytes at once. */
TEST(whole_files_agree_with_llama_cpp)
{
    size_t n_list;
    rg_err e = RG_ERR_INIT;
    if (test_data("text/wikitext2_test.txt") == NULL || test_data("vocab/ggml-vocab-qwen2.gguf") == NULL)
        skip();
    char *list = slurp_golden("files.txt", &n_list);
    rg_str rest = rg_str_n(list, n_list);
    while (rest.n > 0) {
        char name[32], file[64], rel[128];
        size_t count, n;
        unsigned hash;
        const rg_str line = next_text(&rest, "\n");
        CHECK(sscanf(line.p, "%31s %63s %zu %x", name, file, &count, &hash) == 4);
        rg_tokenizer *t = open_tokenizer(name);
        if (t == NULL)
            continue;
        snprintf(rel, sizeof rel, "text/%s", file);
        char *text = slurp(test_data(rel), &n);
        rg_ids ids = { 0 };
        OK(rg_tokenize(t, rg_str_n(text, n), RG_SPECIAL_NONE, &ids, &e), e);
        CHECK(ids.n == count && hash_ids(&ids) == hash);
        CHECK(round_trip(t, &ids, rg_str_n(text, n)));
        rg_ids_free(&ids);
        rg_free(text);
        rg_tokenizer_free(t);
    }
    rg_free(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gpt2_gives_the_ids_of_the_original),
        cmocka_unit_test(llama3_gives_the_ids_of_the_original),
        cmocka_unit_test(qwen2_gives_the_ids_of_the_original),
        cmocka_unit_test(llama2_gives_the_ids_of_the_original),
        cmocka_unit_test(phi3_gives_the_ids_of_the_original),
        cmocka_unit_test(llama2_agrees_with_llama_cpp_on_2300_lines),
        cmocka_unit_test(gemma3_agrees_with_llama_cpp_on_2300_lines),
        cmocka_unit_test(gpt2_agrees_with_llama_cpp_on_2300_lines),
        cmocka_unit_test(llama3_agrees_with_llama_cpp_on_2300_lines),
        cmocka_unit_test(qwen2_agrees_with_llama_cpp_on_2300_lines),
        cmocka_unit_test(smollm_agrees_with_llama_cpp_on_2300_lines),
        cmocka_unit_test(special_tokens_agree_with_llama_cpp),
        cmocka_unit_test(some_lines_in_full),
        cmocka_unit_test(whole_files_agree_with_llama_cpp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
