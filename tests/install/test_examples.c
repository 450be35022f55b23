/* The programs of examples/, as the build made them over librung.so. */
#include "../cli/program.h"

static said example(const char *name, const char *args)
{
    char text[16384];
    snprintf(text, sizeof text, "'%s/examples/example-%s' %s", RG_BUILD_ROOT, name, args);
    return shell(text);
}

static said with_model(const char *name, const char *args)
{
    char all[8192];
    const char *model = test_model("smollm2-135m");
    if (!model)
        skip();
    snprintf(all, sizeof all, "'%s' %s", model, args);
    const said s = example(name, all);
    if (s.code != 0)
        fail_msg("%s: exit %d, %s", name, s.code, s.err);
    return s;
}

TEST(grade_says_which_rule)
{
    said s = example("grade", "1/2 'So the answer is $0.5$.'");
    CHECK(s.code == 0 && strstr(s.out, "equal by decimal"));
    s = example("grade", "3 4");
    CHECK(s.code == 1 && strstr(s.out, "different by integer"));
}

TEST(each_says_how_it_is_called)
{
    static const char *const names[] = { "generate", "majority", "score", "grade", "tokenize" };
    for (size_t i = 0; i < COUNT(names); i++) {
        const said s = example(names[i], "");
        if (s.code != 2 || !strstr(s.err, "usage: "))
            fail_msg("%s: exit %d, %s", names[i], s.code, s.err);
    }
}

TEST(each_says_what_is_wrong)
{
    static const char *const calls[][2] = { { "generate", "nosuch x" },
                                            { "majority", "nosuch 2 1 x" },
                                            { "score", "nosuch x" },
                                            { "tokenize", "nosuch x" } };
    for (size_t i = 0; i < COUNT(calls); i++) {
        const said s = example(calls[i][0], calls[i][1]);
        if (s.code == 0 || !strstr(s.err, "no model \"nosuch\""))
            fail_msg("%s: exit %d, %s", calls[i][0], s.code, s.err);
    }
}

TEST(tokenize_prints_pieces)
{
    const said s = with_model("tokenize", "'Hello, world'");
    CHECK(strstr(s.out, "19556  \"Hello\"") && strstr(s.out, "905  \" world\""));
}

TEST(generate_is_the_same_for_the_same_seed)
{
    static said a;
    a = with_model("generate", "'Once upon a time' 5");
    const said b = with_model("generate", "'Once upon a time' 5");
    CHECK(a.out[0] != '\0' && strcmp(a.out, b.out) == 0);
}

TEST(score_tells_likely_from_unlikely)
{
    double likely = 0, odd = 0;
    said s = with_model("score", "'The capital of France is Paris'");
    CHECK(sscanf(strstr(s.out, "perplexity"), "perplexity %lf", &likely) == 1);
    s = with_model("score", "'The capital of France is spoon'");
    CHECK(sscanf(strstr(s.out, "perplexity"), "perplexity %lf", &odd) == 1);
    CHECK(likely > 1 && likely < odd);
}

TEST(majority_votes_and_keeps_its_time)
{
    said s = with_model("majority", "2 60 'What is 2+3?'");
    CHECK(strstr(s.out, "answer  ") && strstr(s.out, "2 of 2 solutions"));
    const char *model = test_model("smollm2-135m");
    char args[4200];
    snprintf(args, sizeof args, "'%s' 64 0.2 'What is 2+3?'", model);
    s = example("majority", args); /* out of time: partial, or nothing finished */
    CHECK(s.code == 4 && strstr(s.err, "majority: "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grade_says_which_rule),
        cmocka_unit_test(each_says_how_it_is_called),
        cmocka_unit_test(each_says_what_is_wrong),
        cmocka_unit_test(tokenize_prints_pieces),
        cmocka_unit_test(generate_is_the_same_for_the_same_seed),
        cmocka_unit_test(score_tells_likely_from_unlikely),
        cmocka_unit_test(majority_votes_and_keeps_its_time),
    };
    return cmocka_run_group_tests_name("install/examples", tests, NULL, NULL);
}
