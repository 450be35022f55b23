/* test_solutions.c - every form of a solution, and every way to be wrong. */
#include "test.h"

#include <unistd.h>

#include "rung/format/solutions.h"

static rg_solutions *read_text(const char *text, size_t limit, rg_status want, rg_err *e)
{
    char path[] = "/tmp/rung-solutions-XXXXXX";
    rg_solutions *s = NULL;
    FILE *f = fdopen(mkstemp(path), "w");
    fputs(text, f);
    fclose(f);
    const rg_status st = rg_solutions_read(&s, path, limit, e);
    unlink(path);
    if (st != want)
        fail_msg("status %d, want %d: %s", st, want, e->msg);
    return s;
}

TEST(steps_and_texts_are_read)
{
    rg_err e = RG_ERR_INIT;
    rg_solutions *s =
        read_text("{\"id\":\"gsm8k-0\",\"problem\":\"p\",\"steps\":[\"a\",\"b\",\" \"],\"label\":1}\n"
                  "\n"
                  "{\"question\":\"q\",\"response\":\"one\\n\\ntwo\"}\n"
                  "{\"prompt\":\"r\",\"completions\":[\"c\"],\"label\":\"x\"}\n",
                  SIZE_MAX, RG_OK, &e);
    assert_int_equal(rg_solutions_n(s), 3);
    const rg_solution *v = rg_solutions_at(s, 0);
    CHECK(strcmp(v->id, "gsm8k-0") == 0 && v->n == 2 && v->text == NULL && v->labelled && v->label == 1);
    CHECK(rg_str_eq(v->step[1], rg_str_of("b")));
    v = rg_solutions_at(s, 1);
    CHECK(strstr(v->id, ":3") != NULL && v->step == NULL && strcmp(v->text, "one\n\ntwo") == 0 &&
          !v->labelled);
    v = rg_solutions_at(s, 2);
    CHECK(strcmp(v->problem, "r") == 0 && v->n == 1 && !v->labelled && v->label == -1);
    rg_solutions_free(s);
    s = read_text("{\"problem\":\"p\",\"text\":\"x\"}\n{\"problem\":\"p\",\"text\":\"y\"}\n", 1, RG_OK, &e);
    CHECK(rg_solutions_n(s) == 1);
    rg_solutions_free(s);
}

static void refused(const char *text, const char *words)
{
    rg_err e = RG_ERR_INIT;
    CHECK(read_text(text, SIZE_MAX, RG_EFORMAT, &e) == NULL);
    if (strstr(e.msg, words) == NULL || strstr(e.msg, ":1") == NULL)
        fail_msg("%s: %s", text, e.msg);
}

TEST(what_is_wrong_is_named_by_line)
{
    refused("[1]\n", "not a JSON object");
    refused("{\"steps\":[\"a\"]}\n", "no \"problem\"");
    refused("{\"problem\":\"p\"}\n", "no solution");
    refused("{\"problem\":\"p\",\"steps\":[]}\n", "no steps");
    refused("{\"problem\":\"p\",\"steps\":[\" \"]}\n", "no steps");
    refused("{\"problem\":\"p\",\"steps\":[\"a\",3]}\n", "step 1 is not a string");
    refused("{\"problem\":\"p\",\n", "the record");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_and_texts_are_read),
        cmocka_unit_test(what_is_wrong_is_named_by_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
