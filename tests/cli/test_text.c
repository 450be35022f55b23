/* tokenize, perplexity and grade: the shapes that scripts rely on. */
#include <math.h>

#include "json.h"

#define M "-q -m " TINY("qwen2")

TEST(tokenize_prints_ids)
{
    json_t *j = json_of("tokenize --json -m " TINY("qwen2") " 'ab cd'");
    const json_t *ids = json_list(j, "ids");
    CHECK(json_object_size(j) == 1 && json_array_size(ids) == 5);
    CHECK(json_integer_value(json_array_get(ids, 0)) == 64); /* "a" in GPT-2's byte order */
    json_decref(j);
}

TEST(control_tokens_only_on_request)
{
    json_t *plain = json_of("tokenize --json -m " TINY("qwen2") " '<|im_end|>'");
    json_t *special = json_of("tokenize --json --allow-special -m " TINY("qwen2") " '<|im_end|>'");
    CHECK(json_array_size(json_list(plain, "ids")) > 1);
    CHECK(json_array_size(json_list(special, "ids")) == 1);
    json_decref(plain);
    json_decref(special);
}

TEST(bos_only_on_request)
{
    json_t *plain = json_of("tokenize --json -m " TINY("llama3_rope") " a");
    json_t *bos = json_of("tokenize --json --add-bos -m " TINY("llama3_rope") " a");
    CHECK(json_array_size(json_list(plain, "ids")) == 1 && json_array_size(json_list(bos, "ids")) == 2);
    json_decref(plain);
    json_decref(bos);
}

TEST(tokenize_takes_bytes_as_they_are)
{
    const said s = shell("printf 'a\\000b\\377' | '" RUNG_BIN "' tokenize --json -m " TINY("qwen2"));
    CHECK(s.code == 0 && program_lines(s.out) == 1);
    json_t *j = json_line(s.out, 0);
    assert_int_equal(json_array_size(json_list(j, "ids")), 4);
    json_decref(j);
    j = json_of("tokenize --json -m " TINY("qwen2") " ''");
    assert_int_equal(json_array_size(json_list(j, "ids")), 0);
    json_decref(j);
}

TEST(tokenize_for_people_is_one_token_a_line)
{
    const said s = program("tokenize -m " TINY("qwen2") " 'ab\"'");
    CHECK(s.code == 0 && program_lines(s.out) == 3 && strstr(s.out, "64  \"a\"\n") &&
          strstr(s.out, "\"\\\"\""));
}

TEST(perplexity_prints_its_numbers)
{
    json_t *j = json_of("perplexity " M " --json -c 32 -p \"$(yes hello | head -60)\"");
    CHECK(json_num(j, "ppl") > 1 && json_num(j, "tokens") == 15 * json_num(j, "chunks"));
    CHECK(fabs(log(json_num(j, "ppl")) - json_num(j, "nll")) < 1e-12 && json_num(j, "nll_se") > 0);
    json_t *one = json_of("perplexity " M " --json -c 32 --chunks 1 -p \"$(yes hello | head -60)\"");
    CHECK(json_num(one, "chunks") == 1 && json_num(one, "tokens") == 15);
    json_decref(j);
    json_decref(one);
}

TEST(perplexity_of_a_file_is_that_of_its_text)
{
    const said s = shell("yes hello | head -60 >t.$$ && '" RUNG_BIN "' perplexity " M
                         " --json -c 32 -f t.$$; yes hello | head -60 | '" RUNG_BIN "' perplexity " M
                         " --json -c 32; rm t.$$");
    CHECK(s.code == 0 && program_lines(s.out) == 2);
    const char *second = strchr(s.out, '\n') + 1;
    CHECK(strncmp(s.out, second, strlen(second)) == 0);
}

/* A row's numbers are those that generate gives for the same text; the order is the file's. */
TEST(rows_are_scored_one_by_one)
{
    const said s = shell("printf '{\"text\":\"ab cd ef\"}\\n\\n{\"ids\":[64,65,66]}\\n' | '" RUNG_BIN
                         "' perplexity " M " --rows - --json --logprobs");
    CHECK(s.code == 0 && program_lines(s.out) == 3);
    json_t *a = json_line(s.out, 0), *b = json_line(s.out, 1), *sum = json_line(s.out, 2);
    json_t *g = json_of("generate " M " --json -n 1 --prompt-logprobs 'ab cd ef'");
    const json_t *want = json_list(g, "prompt_logprobs"), *got = json_list(a, "logprobs");
    double nll = 0;
    CHECK(json_array_size(got) == json_array_size(want) && json_is_null(json_array_get(got, 0)));
    for (size_t i = 1; i < json_array_size(got); i++) {
        CHECK(json_real_value(json_array_get(got, i)) == json_num(json_array_get(want, i), "logprob"));
        nll -= json_real_value(json_array_get(got, i));
    }
    CHECK(fabs(nll / json_num(a, "tokens") - json_num(a, "nll")) < 1e-7); /* nine digits; measured 2e-9 */
    CHECK(json_num(b, "row") == 1 && json_num(b, "tokens") == 2 && json_array_size(json_list(b, "ids")) == 3);
    CHECK(json_num(sum, "rows") == 2 && json_num(sum, "tokens") == json_num(a, "tokens") + 2);
    CHECK(fabs(json_num(sum, "nll") * json_num(sum, "tokens") - json_num(a, "nll") * json_num(a, "tokens") -
               json_num(b, "nll") * 2) < 1e-10);
    json_decref(a);
    json_decref(b);
    json_decref(sum);
    json_decref(g);
}

TEST(more_rows_than_one_bunch_in_order)
{
    const said s = shell("for i in $(seq 64 132); do echo \"{\\\"ids\\\":[$i,65,66,67]}\"; done | '" RUNG_BIN
                         "' perplexity " M " --rows - --json");
    CHECK(s.code == 0 && program_lines(s.out) == 70);
    json_t *j = json_line(s.out, 68);
    const said one =
        shell("echo '{\"ids\":[132,65,66,67]}' | '" RUNG_BIN "' perplexity " M " --rows - --json");
    json_t *k = json_line(one.out, 0);
    CHECK(json_num(j, "row") == 68 &&
          json_num(j, "nll") == json_num(k, "nll")); /* the same bits in any company */
    json_decref(j);
    json_decref(k);
}

TEST(grade_prints_verdict_and_rule)
{
    json_t *j = json_of("grade --json 1/2 0.5");
    CHECK(json_is_true(json_object_get(j, "equal")) && strcmp(json_text(j, "verdict"), "equal") == 0);
    CHECK(json_text(j, "rule")[0] != '\0');
    json_decref(j);
    j = json_of("grade --json -- -3 3");
    CHECK(json_is_false(json_object_get(j, "equal")));
    json_decref(j);
    j = json_of("grade --json -3 -3"); /* answers may begin with a minus */
    CHECK(json_is_true(json_object_get(j, "equal")));
    json_decref(j);
}

TEST(grade_of_lines)
{
    const said s =
        shell("printf '{\"gold\":\"2\",\"pred\":\"2\"}\\n\\n{\"gold\":3,\"pred\":\"4\"}\\n' | '" RUNG_BIN
              "' grade --jsonl -");
    CHECK(s.code == 0 && program_lines(s.out) == 2);
    json_t *a = json_line(s.out, 0), *b = json_line(s.out, 1);
    CHECK(json_is_true(json_object_get(a, "equal")) && json_is_false(json_object_get(b, "equal")));
    json_decref(a);
    json_decref(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokenize_prints_ids),
        cmocka_unit_test(control_tokens_only_on_request),
        cmocka_unit_test(bos_only_on_request),
        cmocka_unit_test(tokenize_takes_bytes_as_they_are),
        cmocka_unit_test(tokenize_for_people_is_one_token_a_line),
        cmocka_unit_test(perplexity_prints_its_numbers),
        cmocka_unit_test(perplexity_of_a_file_is_that_of_its_text),
        cmocka_unit_test(rows_are_scored_one_by_one),
        cmocka_unit_test(more_rows_than_one_bunch_in_order),
        cmocka_unit_test(grade_prints_verdict_and_rule),
        cmocka_unit_test(grade_of_lines),
    };
    return cmocka_run_group_tests_name("cli/text", tests, NULL, NULL);
}
