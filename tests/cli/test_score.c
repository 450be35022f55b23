/* score, and solve with a verifier: one number a step, the cost in both countings, refusals. */
#include "json.h"

static const char *tiny(void)
{
    static char flags[4096];
    snprintf(flags, sizeof flags, "-m %s/tests/data/tiny/qwen2.gguf -q --verifier direct --direct-system '?'",
             RG_SOURCE_ROOT);
    return flags;
}

static said run(const char *verb, const char *rest)
{
    static char args[8192];
    snprintf(args, sizeof args, "%s %s %s", verb, tiny(), rest);
    return program(args);
}

TEST(one_number_a_step)
{
    said s = run("score", "--json -p '1 + 1' \"$(printf 'a = 1\\n\\nb = 2\\n\\n')\"");
    CHECK(s.code == 0 && program_lines(s.out) == 1);
    json_t *j = json_line(s.out, 0);
    const json_t *scores = json_object_get(j, "step_scores"), *steps = json_object_get(j, "steps");
    CHECK(json_array_size(scores) == 2 && json_array_size(steps) == 2);
    for (size_t i = 0; i < 2; i++) {
        const double r = json_number_value(json_array_get(scores, i));
        CHECK(r > 0 && r < 1);
        CHECK(r == json_number_value(json_object_get(json_array_get(steps, i), "r")));
    }
    const json_int_t first = json_integer_value(json_object_get(json_array_get(steps, 0), "token"));
    CHECK(first > 0 && json_integer_value(json_object_get(json_array_get(steps, 1), "token")) > first);
    json_decref(j);
    s = run("score", "-p '1 + 1' 'a = 1'");
    CHECK(s.code == 0 && strstr(s.out, "solution: 1 step, ") != NULL);
}

TEST(a_file_of_solutions_with_labels)
{
    said s = shell(
        "printf '{\"id\":\"x\",\"problem\":\"1+1\",\"steps\":[\"a\",\"b\"],\"label\":-1}\\n"
        "{\"problem\":\"2\",\"text\":\"c\"}\\n' >/tmp/rung-score-$$.jsonl; echo /tmp/rung-score-$$.jsonl");
    char path[256], rest[512];
    snprintf(path, sizeof path, "%.*s", (int)strcspn(s.out, "\n"), s.out);
    snprintf(rest, sizeof rest, "--threshold 0 --jsonl --solutions %s", path);
    s = run("score", rest);
    CHECK(s.code == 0 && program_lines(s.out) == 2);
    json_t *j = json_line(s.out, 0);
    CHECK(json_is_true(json_object_get(j, "match")) && json_num(j, "first_error") == -1);
    json_decref(j);
    snprintf(rest, sizeof rest, "--threshold 1 --solutions %s", path);
    s = run("score", rest);
    CHECK(s.code == 0 && strstr(s.out, "first error at step 0 (label -1: no match)") != NULL);
    remove(path);
}

TEST(a_threshold_is_tuned_on_labels)
{
    said s = shell("printf '{\"problem\":\"1\",\"steps\":[\"a\",\"b\"],\"label\":-1}\n"
                   "{\"problem\":\"2\",\"steps\":[\"c\"],\"label\":0}\n' >/tmp/rung-tune-$$.jsonl; "
                   "echo /tmp/rung-tune-$$.jsonl");
    char path[256], rest[512];
    snprintf(path, sizeof path, "%.*s", (int)strcspn(s.out, "\n"), s.out);
    snprintf(rest, sizeof rest, "--tune-threshold --jsonl --solutions %s", path);
    s = run("score", rest);
    CHECK(s.code == 0 && program_lines(s.out) == 3);
    json_t *j = json_line(s.out, 2);
    CHECK(json_num(j, "n_error") == 1 && json_num(j, "n_correct") == 1);
    CHECK(json_num(j, "threshold") > 0 && json_num(j, "threshold") < 1);
    json_decref(j);
    snprintf(rest, sizeof rest, "--tune-threshold -L 1 --solutions %s", path);
    s = run("score", rest);
    CHECK(s.code == 2 && strstr(s.err, "a threshold needs solutions with an error and without one") != NULL);
    remove(path);
}

TEST(what_does_not_fit_gets_no_number)
{
    const said s = run("score", "--json -p '1 + 1' \"$(printf 'a\\n\\n%400s\\n\\nc' x)\"");
    CHECK(s.code == 0);
    json_t *j = json_line(s.out, 0);
    const json_t *r = json_object_get(j, "step_scores");
    CHECK(json_array_size(r) == 3 && json_is_number(json_array_get(r, 0)) == 1);
    json_decref(j);
    const said t = run("score", "-p '1 + 1' \"$(printf 'a\\n\\n%0400d\\n\\nc' 7)\"");
    CHECK(t.code == 0 && strstr(t.out, "2 without a number") != NULL);
}

TEST(a_search_counts_its_verifier)
{
    const said s =
        run("solve", "--method beam -N 4 -M 2 --step tokens --step-tokens 6 -n 12 -s 1 --prompt-style none "
                     "--json -p '1 + 1'");
    CHECK(s.code == 0);
    json_t *j = json_line(s.out, 0);
    const json_t *cost = json_object_get(j, "cost"), *computed = json_object_get(j, "computed"),
                 *cached = json_object_get(j, "cached");
    CHECK(strcmp(json_string_value(json_object_get(j, "verifier")), "direct") == 0);
    CHECK(json_num(cost, "verifier_gen") > 0 && json_num(cost, "flops_verifier") > 0);
    CHECK(json_num(cost, "verifier_prompt") ==
          json_num(computed, "verifier_prompt") + json_num(cached, "verifier_prompt"));
    CHECK(json_num(cached, "verifier_prompt") > 0);
    json_decref(j);
}

TEST(what_cannot_be_is_one_sentence)
{
    said s = program("score -p x y");
    CHECK(s.code == 2 && strstr(s.err, "which verifier?") != NULL && program_lines(s.err) == 1);
    s = run("score", "y");
    CHECK(s.code == 2 && strstr(s.err, "which problem?") != NULL);
    s = run("score", "-p x ' '");
    CHECK(s.code == 3 && strstr(s.err, "no step to score") != NULL);
    s = run("solve", "--method majority -p x");
    CHECK(s.code == 2 && strstr(s.err, "method majority asks no verifier") != NULL);
    s = run("solve", "--method best-of-n -N 2 -n 4 --score logp -p x");
    CHECK(s.code == 2 && strstr(s.err, "--score and --verifier both") != NULL);
    s = program("solve --verifier-model x -p y");
    CHECK(s.code != 0 && program_lines(s.err) >= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_number_a_step),
        cmocka_unit_test(a_file_of_solutions_with_labels),
        cmocka_unit_test(a_threshold_is_tuned_on_labels),
        cmocka_unit_test(what_does_not_fit_gets_no_number),
        cmocka_unit_test(a_search_counts_its_verifier),
        cmocka_unit_test(what_cannot_be_is_one_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
