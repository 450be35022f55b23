/* solve: the record, the lines of a file of problems, the summary, and a reader that leaves. */
#include "json.h"

#include <math.h>
#include <unistd.h>

/* Makes random weights answer: the digits 1, 2, 3 and the space are likelier. */
#define DIGITS "--last-number -l 16+6 -l 17+6 -l 18+6 -l 220+6 "
#define M      "-q -m " TINY("qwen2") " --prompt-style none -s 1 "

static char problems[64];

static int make_problems(void **state)
{
    (void)state;
    snprintf(problems, sizeof problems, "/tmp/rung-solve-%ld.jsonl", (long)getpid());
    FILE *f = fopen(problems, "w");
    for (int i = 0; f != NULL && i < 12; i++)
        fprintf(f, "{\"id\":\"p%d\",\"problem\":\"%d + %d\",\"answer\":\"%d\"}\n", i, i, i + 1, i % 3);
    return f == NULL || fclose(f) != 0;
}

static int remove_problems(void **state)
{
    (void)state;
    return unlink(problems);
}

static void check_types(const json_t *o, const char *names, json_type type)
{
    char text[512];
    snprintf(text, sizeof text, "%s", names);
    for (char *w = strtok(text, " "); w != NULL; w = strtok(NULL, " ")) {
        const json_t *v = json_object_get(o, w);
        if (v == NULL || (json_typeof(v) != type && !(type == JSON_REAL && json_is_integer(v)) &&
                          !(type == JSON_TRUE && json_is_boolean(v))))
            fail_msg("member %s is missing or of another type", w);
    }
}

static void check_record(const json_t *r, size_t N)
{
    const json_t *c, *list = json_list(r, "candidates");
    size_t i, tokens = 0;
    check_types(r, "id config method policy model_sha256 problem", JSON_STRING);
    check_types(r, "schema N seed n_finished chosen", JSON_INTEGER);
    check_types(r, "params stop cost computed cached overshoot timing", JSON_OBJECT);
    check_types(r, "complete", JSON_TRUE);
    CHECK(json_num(r, "schema") == 2 && strlen(json_text(r, "config")) == 16);
    CHECK(strlen(json_text(r, "model_sha256")) == 64 && json_array_size(list) == N);
    json_array_foreach((json_t *)(uintptr_t)list, i, c)
    {
        check_types(c, "text extracted_by finish", JSON_STRING);
        check_types(c, "i tokens", JSON_INTEGER);
        check_types(c, "logp", JSON_REAL);
        CHECK(json_num(c, "i") == (double)i && json_object_get(c, "answer") && json_object_get(c, "canon"));
        CHECK(json_array_size(json_list(json_object_get(c, "scores"), "logp")) == 1);
        tokens += (size_t)json_num(c, "tokens");
    }
    const json_t *cost = json_object_get(r, "cost");
    check_types(cost, "policy_prompt policy_gen policy_wasted verifier_prompt verifier_gen code_runs",
                JSON_INTEGER);
    check_types(cost, "code_cpu_s flops_policy flops_verifier", JSON_REAL);
    CHECK(json_num(cost, "policy_gen") == (double)tokens && json_num(cost, "flops_policy") > 0);
    CHECK(json_num(json_object_get(r, "timing"), "wall_s") > 0);
}

TEST(a_record_has_every_field)
{
    json_t *r = json_of("solve " M "-N 5 -n 20 --last-number --gold 3 --json '1 + 2'");
    check_record(r, 5);
    check_types(r, "correct majority_correct any_correct", JSON_TRUE);
    CHECK(json_object_get(r, "tree") == NULL);
    json_decref(r);
    r = json_of("solve " M "-N 5 -n 20 --json --tree '1 + 2'");
    check_record(r, 5);
    CHECK(json_array_size(json_list(r, "tree")) == 6 && json_is_null(json_object_get(r, "correct")));
    json_decref(r);
}

/* The votes are the candidates' answers counted again. */
TEST(votes_agree_with_candidates)
{
    json_t *r = json_of("solve " M "-N 40 -n 20 " DIGITS " --json '1 + 2'");
    const json_t *votes = json_list(r, "votes"), *all = json_list(r, "candidates");
    size_t counted = 0, answered = 0;
    for (size_t i = 0; i < json_array_size(all); i++)
        answered += json_is_string(json_object_get(json_array_get(all, i), "answer"));
    CHECK(json_array_size(votes) > 1);
    for (size_t v = 0; v < json_array_size(votes); v++) {
        const json_t *vote = json_array_get(votes, v);
        const json_t *first = json_array_get(all, (size_t)json_num(vote, "first"));
        const char *canon = json_text(first, "canon");
        size_t n = 0;
        for (size_t i = 0; i < json_array_size(all); i++) {
            const char *c = json_string_value(json_object_get(json_array_get(all, i), "canon"));
            n += c != NULL && strcmp(c, canon) == 0;
        }
        CHECK(n == (size_t)json_num(vote, "count"));
        counted += n;
    }
    CHECK(counted == answered);
    assert_string_equal(json_text(r, "answer"), json_text(json_array_get(votes, 0), "answer"));
    json_decref(r);
}

TEST(the_summary_is_the_last_line_and_counts_the_records)
{
    char args[512];
    snprintf(args, sizeof args, "solve " M "-N 4 -n 8 " DIGITS " --problems %s --jsonl", problems);
    const said s = program(args);
    CHECK(s.code == 0 && s.err[0] == '\0' && program_lines(s.out) == 13);
    double correct = 0, majority = 0, any = 0, share = 0, tokens = 0;
    for (size_t i = 0; i < 12; i++) {
        json_t *r = json_line(s.out, i), *c;
        size_t k, right = 0;
        check_record(r, 4);
        correct += json_is_true(json_object_get(r, "correct"));
        majority += json_is_true(json_object_get(r, "majority_correct"));
        any += json_is_true(json_object_get(r, "any_correct"));
        json_array_foreach(json_object_get(r, "candidates"), k, c) right +=
            json_is_true(json_object_get(c, "correct"));
        share += (double)right / 4;
        tokens += json_num(json_object_get(r, "cost"), "policy_gen");
        json_decref(r);
    }
    json_t *sum = json_line(s.out, 12);
    CHECK(json_is_true(json_object_get(sum, "summary")) && json_num(sum, "n") == 12);
    CHECK(json_num(sum, "correct") == correct && fabs(json_num(sum, "accuracy") - correct / 12) < 1e-15);
    CHECK(fabs(json_num(sum, "majority") - majority / 12) < 1e-15);
    CHECK(fabs(json_num(sum, "pass_n") - any / 12) < 1e-15);
    CHECK(fabs(json_num(sum, "pass_1") - share / 12) < 1e-11 &&
          json_num(sum, "tokens") == tokens); /* 12 digits */
    static const char *const names[] = { "accuracy", "pass_1", "pass_n", "majority" };
    for (size_t i = 0; i < COUNT(names); i++) {
        const json_t *ci = json_list(json_object_get(sum, "ci95"), names[i]);
        const double low = json_number_value(json_array_get(ci, 0)),
                     high = json_number_value(json_array_get(ci, 1));
        CHECK(json_array_size(ci) == 2 && low <= json_num(sum, names[i]) && json_num(sum, names[i]) <= high);
        CHECK(low >= 0 && high <= 1 && low < high);
    }
    json_decref(sum);
}

TEST(json_of_a_file_is_the_summary_alone)
{
    char args[512];
    snprintf(args, sizeof args, "solve " M "-N 2 -n 4 --problems %s --json --limit 3", problems);
    json_t *sum = json_of(args);
    CHECK(json_num(sum, "n") == 3);
    json_decref(sum);
}

TEST(start_end_and_limit_choose_records)
{
    char args[512];
    snprintf(args, sizeof args,
             "solve " M "-N 1 -n 2 --together 1 --problems %s --jsonl --start 2 --end 9 -L 3", problems);
    const said s = program(args);
    CHECK(s.code == 0 && program_lines(s.out) == 4);
    static const char *const ids[] = { "p2", "p3", "p4" };
    for (size_t i = 0; i < 3; i++) {
        json_t *r = json_line(s.out, i);
        assert_string_equal(json_text(r, "id"), ids[i]);
        json_decref(r);
    }
}

TEST(an_answer_alone_when_quiet)
{
    json_t *r = json_of("solve " M "-N 9 -n 20 " DIGITS " --json '1 + 2'");
    const said s = program("solve " M "-N 9 -n 20 " DIGITS " '1 + 2'");
    char want[256];
    snprintf(want, sizeof want, "%s\n", json_text(r, "answer"));
    CHECK(s.code == 0);
    assert_string_equal(s.out, want);
    json_decref(r);
}

TEST(a_failed_problem_is_exit_7)
{
    char text[1024];
    snprintf(text, sizeof text,
             "printf '{\"problem\":\"%%0300d\"}\\n{\"problem\":\"1\"}\\n' 7 >%s.2; '%s' solve " M
             "-N 1 -n 2 --problems %s.2 --jsonl; rc=$?; rm %s.2; exit $rc",
             problems, RUNG_BIN, problems, problems);
    const said s = shell(text);
    CHECK(s.code == 7 && program_lines(s.out) == 2 && program_lines(s.err) == 1);
    json_t *sum = json_line(s.out, 1);
    CHECK(json_num(sum, "n") == 1 && json_num(sum, "failed") == 1);
    json_decref(sum);
}

/* A reader that has seen enough ends the work, quietly and soon. */
TEST(head_is_no_error)
{
    char text[1024];
    snprintf(text, sizeof text,
             "{ timeout 60 '%s' solve " M
             "-N 64 -n 200 --together 1 --problems %s --jsonl; echo $? >&2; } | head -1",
             RUNG_BIN, problems);
    const said s = shell(text);
    CHECK(program_lines(s.out) == 1);
    assert_string_equal(s.err, "0\n");
    json_decref(json_line(s.out, 0));
}

TEST(out_of_time_is_a_partial_record_and_exit_4)
{
    const said s = program("solve " M "-N 3000 -n 200 --slots 1 --max-time 1 --json '1 + 2'");
    CHECK(s.code == 4 && program_lines(s.out) == 1 && program_lines(s.err) == 1);
    json_t *r = json_line(s.out, 0);
    CHECK(json_is_false(json_object_get(r, "complete")) && json_num(r, "n_finished") < 3000);
    CHECK(json_array_size(json_list(r, "candidates")) == (size_t)json_num(r, "n_finished"));
    json_decref(r);
}

TEST(an_interrupt_is_a_partial_record_and_exit_130)
{
    char text[1024];
    snprintf(text, sizeof text,
             "timeout --preserve-status -s INT 1 '%s' solve " M "-N 60000 -n 200 --slots 1 --json '1 + 2'",
             RUNG_BIN);
    const said s = shell(text);
    CHECK(s.code == 130 && program_lines(s.err) == 1);
    CHECK(strstr(s.out, "\"complete\":false") && strstr(s.out, "\"answer\":"));
}

TEST(help_ends_with_the_methods)
{
    const said s = program("solve --help");
    const char *usage = strstr(s.out, "Usage:"), *methods = strstr(s.out, "Methods");
    CHECK(s.code == 0 && usage != NULL && methods > usage);
    static const char *const names[] = { "greedy", "majority", "best-of-n", "confidence", "adaptive" };
    for (size_t i = 0; i < COUNT(names); i++)
        CHECK(strstr(methods, names[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_has_every_field),
        cmocka_unit_test(votes_agree_with_candidates),
        cmocka_unit_test(the_summary_is_the_last_line_and_counts_the_records),
        cmocka_unit_test(json_of_a_file_is_the_summary_alone),
        cmocka_unit_test(start_end_and_limit_choose_records),
        cmocka_unit_test(an_answer_alone_when_quiet),
        cmocka_unit_test(a_failed_problem_is_exit_7),
        cmocka_unit_test(head_is_no_error),
        cmocka_unit_test(out_of_time_is_a_partial_record_and_exit_4),
        cmocka_unit_test(an_interrupt_is_a_partial_record_and_exit_130),
        cmocka_unit_test(help_ends_with_the_methods),
    };
    return cmocka_run_group_tests_name("cli/solve", tests, make_problems, remove_problems);
}
