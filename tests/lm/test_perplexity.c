/* Perplexity in llama.cpp's protocol against the numbers of that program and of transformers
 * (oracle/perplexity_exact.py), chunks of 512 of WikiText-2's test split. */
#include <math.h>

#include "rung/lm/measure.h"

#include "tiny.h"

enum { CTX = 512 };

/* From a continuous text, and from a first part of it that holds the chunks. */
static rg_ppl measure(const char *model, bool exact, size_t chunks)
{
    rg_err e = RG_ERR_INIT;
    char *text;
    size_t n;
    rg_ids ids = { 0 };
    rg_ppl out;
    OK(rg_read_all(&text, &n, test_data("text/wikitext2_test.txt"), 1 << 24, &e), e);
    rg_engine *x = tiny_engine(model, NULL, 0, (rg_lm_opt){ .exact = exact, .kv_bytes = (size_t)1 << 30 });
    const rg_str whole = rg_str_n(text, n);
    OK(rg_tokenize(rg_bundle_tokenizer(rg_engine_bundle(x)), whole, RG_SPECIAL_NONE, &ids, &e), e);
    OK(rg_perplexity(&out, rg_engine_lm(x), ids.id, ids.n, CTX, chunks, NULL, &e), e);
    CHECK(out.chunks == chunks && out.tokens == chunks * (CTX / 2 - 1));
    print_message("# %s, %s, %zu chunks: %.5f\n", rg_bundle_name(rg_engine_bundle(x)),
                  exact ? "exact" : "fast", chunks, out.ppl);
    rg_engine_close(x);
    rg_ids_free(&ids);
    rg_free(text);
    return out;
}

static void within(const char *model, bool exact, size_t chunks, double want, double percent)
{
    const rg_ppl p = measure(model, exact, chunks);
    CHECK(fabs(p.ppl / want - 1) <= percent / 100);
}

TEST(a_real_model_is_as_perplexed_as_its_definition)
{
    const char *model = test_model("smollm2-135m");
    if (model == NULL || test_data("text/wikitext2_test.txt") == NULL)
        skip();
    within(model, true, 2, 14.3733, 0.02); /* measured 14.37286 */
}

TEST(the_fast_path_is_hardly_more_perplexed)
{
    const char *model = test_model("smollm2-135m");
    if (model == NULL || test_data("text/wikitext2_test.txt") == NULL)
        skip();
    within(model, false, 8, 21.5484, 0.5); /* measured 21.6156: 0.31 % */
}

typedef struct long_case {
    const char *model;
    double want, fast_percent;
} long_case;

TEST(three_models_over_eight_chunks)
{
    static const long_case cases[] = {
        { "smollm2-135m", 21.5484, 0.5 },
        { "qwen2.5-coder-0.5b", 29.1777, 0.3 },
        { "qwen2.5-coder-1.5b", 13.5493, 0.3 },
    };
    if (getenv("RUNG_TEST_LONG") == NULL || test_data("text/wikitext2_test.txt") == NULL) {
        print_message("[  NOTE    ] a long test: RUNG_TEST_LONG=1 runs it\n");
        skip();
    }
    size_t ran = 0;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *model = test_model(cases[i].model);
        if (model == NULL)
            continue;
        within(model, true, 8, cases[i].want, 0.02);
        within(model, false, 8, cases[i].want, cases[i].fast_percent);
        ran++;
    }
    if (ran == 0)
        skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_real_model_is_as_perplexed_as_its_definition),
        cmocka_unit_test(the_fast_path_is_hardly_more_perplexed),
        cmocka_unit_test(three_models_over_eight_chunks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
