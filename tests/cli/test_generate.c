/* generate: what it prints, and that its log-probabilities are perplexity's. */
#include <math.h>

#include "json.h"

#define M "-q -m " TINY("qwen2")

static void check_token(const json_t *t)
{
    CHECK(json_is_integer(json_object_get(t, "id")) && json_text(t, "token") != NULL);
    CHECK(json_num(t, "logprob") <= 0);
}

TEST(a_document_with_log_probabilities)
{
    json_t *j = json_of("generate " M
                        " --json -n 6 -N 2 -s 3 --logprobs 3 --logprob-token 5 --logprob-token a 'ab cd'");
    CHECK(json_num(j, "seed") == 3 && json_num(j, "prompt_tokens") == 5);
    const json_t *choices = json_list(j, "choices");
    CHECK(json_array_size(choices) == 2 && json_object_get(j, "prompt_logprobs") == NULL);
    for (size_t i = 0; i < 2; i++) {
        const json_t *c = json_array_get(choices, i), *lp = json_list(c, "logprobs");
        double sum = 0;
        CHECK(json_num(c, "index") == (double)i && json_text(c, "text") && json_text(c, "finish"));
        CHECK(json_array_size(lp) == (size_t)json_num(c, "tokens") && json_array_size(lp) <= 6);
        for (size_t t = 0; t < json_array_size(lp); t++) {
            const json_t *at = json_array_get(lp, t), *top = json_list(at, "top_logprobs"),
                         *named = json_list(at, "named_logprobs");
            check_token(at);
            sum += json_num(at, "logprob");
            CHECK(json_array_size(top) == 3 && json_array_size(named) == 2);
            for (size_t k = 0; k < 3; k++) {
                check_token(json_array_get(top, k));
                CHECK(k == 0 || json_num(json_array_get(top, k - 1), "logprob") >=
                                    json_num(json_array_get(top, k), "logprob"));
            }
            CHECK(json_num(json_array_get(top, 0), "logprob") >= json_num(at, "logprob"));
            CHECK(json_num(json_array_get(named, 0), "id") == 64 ||
                  json_num(json_array_get(named, 1), "id") == 64);
        }
        CHECK(fabs(sum - json_num(c, "logprob_sum")) < 1e-6); /* nine digits are printed */
    }
    json_decref(j);
}

TEST(greedy_takes_the_likeliest)
{
    json_t *j = json_of("generate " M " --json -n 8 --temp 0 --logprobs 1 'ab cd'");
    const json_t *lp = json_list(json_array_get(json_list(j, "choices"), 0), "logprobs");
    for (size_t t = 0; t < json_array_size(lp); t++) {
        const json_t *at = json_array_get(lp, t), *best = json_array_get(json_list(at, "top_logprobs"), 0);
        CHECK(json_num(at, "id") == json_num(best, "id") &&
              json_num(at, "logprob") == json_num(best, "logprob"));
    }
    json_decref(j);
}

TEST(the_end_of_the_context_ends_a_text)
{
    json_t *j = json_of("generate " M " --json -c 16 -n 100 -s 1 --ignore-eos 'ab cd'");
    const json_t *c = json_array_get(json_list(j, "choices"), 0);
    CHECK(strcmp(json_text(c, "finish"), "length") == 0);
    CHECK(json_num(j, "prompt_tokens") + json_num(c, "tokens") == 16);
    json_decref(j);
}

/* One chunk of perplexity scores its last c/2 - 1 tokens: the same tokens by hand. */
static void check_prompt_logprobs(const char *model)
{
    enum { C = 32 };
    char args[4096];
    snprintf(args, sizeof args, "generate -q -m %s --json -n 1 --prompt-logprobs \"$(yes hello | head -30)\"",
             model);
    json_t *g = json_of(args);
    snprintf(args, sizeof args, "perplexity -q -m %s --json -c %d --chunks 1 -p \"$(yes hello | head -30)\"",
             model, C);
    json_t *p = json_of(args);
    const json_t *lp = json_list(g, "prompt_logprobs");
    double nll = 0;
    CHECK(json_array_size(lp) > C && json_is_null(json_object_get(json_array_get(lp, 0), "logprob")));
    for (size_t i = C / 2 + 1; i < C; i++)
        nll -= json_num(json_array_get(lp, i), "logprob");
    CHECK(fabs(nll / (C / 2 - 1) - json_num(p, "nll")) < 1e-6); /* nine digits are printed; measured 3e-9 */
    json_decref(g);
    json_decref(p);
}

TEST(log_probabilities_are_perplexitys)
{
    check_prompt_logprobs(TINY("qwen2"));
    check_prompt_logprobs(TINY("qwen2_mixed"));
}

TEST(text_goes_to_stdout_as_it_is)
{
    const said a = program("generate " M " -n 8 -s 3 'ab cd'");
    CHECK(a.code == 0 && a.err[0] == '\0' && a.out[0] != '\0');
    const said b = program("generate " M " -n 8 -s 3 'ab cd'");
    CHECK(b.code == 0 && strcmp(a.out, b.out) == 0);
    const said c = program("generate " M " -n 8 -s 4 'ab cd'");
    CHECK(c.code == 0 && strcmp(a.out, c.out) != 0);
}

TEST(several_continuations_are_told_apart)
{
    const said s = program("generate " M " -n 4 -N 3 -s 3 'ab cd'");
    CHECK(s.code == 0 && strstr(s.out, "--- 0 (") && strstr(s.out, "--- 1 (") && strstr(s.out, "--- 2 ("));
}

TEST(a_stop_string_ends_the_text_and_is_not_shown)
{
    json_t *j = json_of("generate " M " --json -n 40 --temp 0 'ab cd'");
    const char *text = json_text(json_array_get(json_list(j, "choices"), 0), "text");
    char stop[2] = { 0 };
    for (size_t i = 1; text[i] != '\0' && stop[0] == '\0'; i++)
        if ((text[i] >= 'a' && text[i] <= 'z') || (text[i] >= 'A' && text[i] <= 'Z'))
            stop[0] = text[i];
    CHECK(stop[0] != '\0');
    char args[256];
    snprintf(args, sizeof args, "generate " M " --json -n 40 --temp 0 --stop %s 'ab cd'", stop);
    json_t *k = json_of(args);
    const json_t *c = json_array_get(json_list(k, "choices"), 0);
    assert_string_equal(json_text(c, "finish"), "stop_string");
    CHECK(strchr(json_text(c, "text"), stop[0]) == NULL);
    CHECK(strncmp(text, json_text(c, "text"), strlen(json_text(c, "text"))) == 0);
    json_decref(j);
    json_decref(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_with_log_probabilities),
        cmocka_unit_test(greedy_takes_the_likeliest),
        cmocka_unit_test(the_end_of_the_context_ends_a_text),
        cmocka_unit_test(log_probabilities_are_perplexitys),
        cmocka_unit_test(text_goes_to_stdout_as_it_is),
        cmocka_unit_test(several_continuations_are_told_apart),
        cmocka_unit_test(a_stop_string_ends_the_text_and_is_not_shown),
    };
    return cmocka_run_group_tests_name("cli/generate", tests, NULL, NULL);
}
