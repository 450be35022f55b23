/* test_records.c - every form of record that the data folder holds, and every way to be wrong. */
#include "test.h"

#include <unistd.h>

#include "rung/base/mem.h"
#include "rung/format/records.h"

static rg_problems *read_text(const char *text, const char *fields, rg_status want, rg_err *e)
{
    char path[] = "/tmp/rung-records-XXXXXX";
    rg_problems *p = NULL;
    const int fd = mkstemp(path);
    FILE *f = fdopen(fd, "w");
    fputs(text, f);
    fclose(f);
    const rg_status s = rg_problems_read(&p, path, fields, 0, SIZE_MAX, e);
    unlink(path);
    if (s != want)
        fail_msg("status %d, want %d: %s", s, want, e->msg);
    return p;
}

/* One record of the form: its text and gold. */
static void one(const char *json, const char *form, const char *text, const char *gold)
{
    rg_err e = RG_ERR_INIT;
    rg_problems *p = read_text(json, NULL, RG_OK, &e);
    assert_int_equal(rg_problems_n(p), 1);
    assert_string_equal(rg_problems_form(p), form);
    assert_string_equal(rg_problems_at(p, 0)->text, text);
    if (gold)
        assert_string_equal(rg_problems_at(p, 0)->gold, gold);
    else
        assert_null(rg_problems_at(p, 0)->gold);
    rg_problems_free(p);
}

TEST(forms_are_recognised_by_their_fields)
{
    one("{\"question\":\"q\",\"answer\":\"1+1 = <<1+1=2>>2.\\n#### 1,002\"}", "gsm8k", "q", "1,002");
    one("{\"problem\":\"p\",\"answer\":\"\\\\pi\",\"unique_id\":\"a/1\",\"level\":\"Level 2\"}", "math", "p",
        "\\pi");
    one("{\"problem\":\"p\",\"solution\":27.0,\"extracted_groundtruth\":27.0,\"url\":\"u\"}", "aime", "p",
        "27");
    one("{\"id\":60,\"problem\":\"p\",\"answer\":\"204\",\"url\":\"u\"}", "aime", "p", "204");
    one("{\"problem\":\"p\",\"solution\":\"so \\\\boxed{\\\\frac{1}{2}} cm\",\"type\":\"t\",\"idx\":0}",
        "minerva", "p", "\\frac{1}{2}");
    one("{\"Answer\":0.5,\"Question\":\"How many?\",\"Body\":\"Five boxes\",\"ID\":\"c-1\"}", "svamp",
        "Five boxes. How many?", "0.5");
    one("{\"id\":1,\"question\":\"q\",\"final_answer\":[\"$2$\",\"$3$\"],\"answer_type\":\"Numerical\"}",
        "olympiadbench", "q", "$2$, $3$");
    one("[\n{\"problem\":\"p\",\n\"final_answer\":\"3003\"}\n]\n", "math-train", "p", "3003");
    one("{\n\"problems\": [{\"problem\":\"p\",\"final_answer\":\"1\"}]\n}\n", "math-train", "p", "1");
    one("{\"question\":\"q\",\"answer\":[1, 2.5]}", "question-answer", "q", "1, 2.5");
    one("{\"problem\":\"p\"}", "plain", "p", NULL);
}

TEST(calculator_marks_leave_the_solution)
{
    rg_err e = RG_ERR_INIT;
    rg_problems *p =
        read_text("{\"question\":\"q\",\"answer\":\"48/2 = <<48/2=24>>24\\n#### 24\"}\n\n", NULL, RG_OK, &e);
    assert_string_equal(rg_problems_at(p, 0)->solution, "48/2 = 24\n#### 24");
    assert_int_equal(rg_problems_at(p, 0)->line, 1);
    CHECK(strstr(rg_problems_at(p, 0)->id, "-0") != NULL);
    rg_problems_free(p);
}

TEST(fields_override_the_form)
{
    rg_err e = RG_ERR_INIT;
    rg_problems *p =
        read_text("{\"q\":\"text\",\"a\":7,\"key\":\"k1\"}", "problem=q,answer=a,id=key", RG_OK, &e);
    assert_string_equal(rg_problems_at(p, 0)->text, "text");
    assert_string_equal(rg_problems_at(p, 0)->gold, "7");
    assert_string_equal(rg_problems_at(p, 0)->id, "k1");
    assert_string_equal(rg_problems_form(p), "mapped");
    rg_problems_free(p);
    CHECK(read_text("{\"q\":1}", "text=q", RG_EARG, &e) == NULL);
}

TEST(what_is_wrong_is_named_by_line)
{
    static const struct {
        const char *text, *says;
    } bad[] = {
        { "{\"problem\":\"p\",\"answer\":\"1\"}\n{\"problem\":", ":2: not JSON" },
        { "{\"problem\":\"p\",\"answer\":\"1\"}\n\n[1]\n", ":3: a record is not a JSON object" },
        { "{\"id\":1,\"problem\":\"p\",\"answer\":\"1\"}\n{\"id\":1,\"problem\":\"q\",\"answer\":\"2\"}\n",
          ":2: id \"1\" is that of line 1 already" },
        { "{\"problem\":\"p\",\"answer\":\"1\"}\n{\"answer\":\"1\"}\n", ":2: field \"problem\" is missing" },
        { "{\"problem\":\"p\",\"answer\":{}}\n", ":1: field \"answer\" is neither" },
        { "{\"x\":1}\n", ":1: no field \"problem\"" },
        { "[{\"problem\":\"p\",\"final_answer\":\"1\"}, 3]", "record 2" },
        { "[{\"problem\":\n\"p\" 1}]", ":2: not JSON" },
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        rg_err e = RG_ERR_INIT;
        CHECK(read_text(bad[i].text, NULL, RG_EFORMAT, &e) == NULL);
        if (!strstr(e.msg, bad[i].says))
            fail_msg("\"%s\" does not say \"%s\"", e.msg, bad[i].says);
    }
}

TEST(a_slice_and_an_empty_file)
{
    char path[] = "/tmp/rung-records-XXXXXX";
    FILE *f = fdopen(mkstemp(path), "w");
    for (int i = 0; i < 10; i++)
        fprintf(f, "{\"problem\":\"p%d\",\"answer\":%d}\n", i, i);
    fclose(f);
    rg_err e = RG_ERR_INIT;
    rg_problems *p;
    OK(rg_problems_read(&p, path, NULL, 3, 5, &e), e);
    assert_int_equal(rg_problems_n(p), 2);
    assert_string_equal(rg_problems_at(p, 0)->text, "p3");
    assert_int_equal(rg_problems_at(p, 1)->line, 5);
    rg_problems_free(p);
    unlink(path);
    p = read_text("\n\n", NULL, RG_OK, &e);
    assert_int_equal(rg_problems_n(p), 0);
    rg_problems_free(p);
    CHECK(rg_problems_read(&p, "/nonexistent/x.jsonl", NULL, 0, SIZE_MAX, &e) == RG_EIO);
}

TEST(every_allocation_may_fail)
{
#ifndef RG_TORTURE
    print_message("[  NOTE    ] this build cannot refuse allocations: meson setup -Dtorture=true\n");
    skip();
#endif
    char path[] = "/tmp/rung-records-XXXXXX";
    FILE *f = fdopen(mkstemp(path), "w");
    fputs("{\"question\":\"q\",\"answer\":\"<<1+1=2>>2\\n#### 2\"}\n{\"question\":\"r\",\"answer\":\"#### "
          "3\"}\n",
          f);
    fclose(f);
    rg_alloc_fail_at(-1);
    for (long k = 0, asked = 1; asked > k; k++) {
        rg_problems *p = NULL;
        rg_err e = RG_ERR_INIT;
        rg_alloc_fail_at(k);
        const rg_status s = rg_problems_read(&p, path, NULL, 0, SIZE_MAX, &e);
        asked = rg_alloc_fail_at(-1);
        CHECK(s == RG_OK || (s == RG_ENOMEM && p == NULL && e.msg[0]));
        rg_problems_free(p);
    }
    unlink(path);
}

TEST(the_data_folder)
{
    static const struct {
        const char *file, *form;
        size_t n;
        const char *first_gold;
        size_t without; /* records whose answer field is empty */
    } sets[] = {
        { "math/gsm8k_test_first700.jsonl", "gsm8k", 700, "18", 0 },
        { "math/gsm8k_train.jsonl", "gsm8k", 7473, "72", 0 },
        { "math/math500_first300.jsonl", "math", 300, "\\left( 3, \\frac{\\pi}{2} \\right)", 0 },
        { "math/aime24.jsonl", "aime", 30, "204", 0 },
        { "math/amc23.jsonl", "aime", 40, "27", 0 },
        { "math/minerva_math.jsonl", "minerva", 272, "1.6", 0 },
        { "math/svamp.jsonl", "svamp", 1000, "145", 0 },
        { "math/olympiadbench_first400.jsonl", "olympiadbench", 400, "2", 0 },
        { "math/math_train_problems_answers.json", "math-train", 7500, "\\frac{1}{4}", 2 },
        { "math/math_cot_first60.jsonl", "question-answer", 60, "420", 0 },
    };
    size_t read = 0;
    for (size_t i = 0; i < COUNT(sets); i++) {
        const char *path = test_data(sets[i].file);
        rg_err e = RG_ERR_INIT;
        rg_problems *p;
        if (path == NULL)
            continue;
        OK(rg_problems_read(&p, path, NULL, 0, SIZE_MAX, &e), e);
        assert_int_equal(rg_problems_n(p), sets[i].n);
        assert_string_equal(rg_problems_form(p), sets[i].form);
        assert_string_equal(rg_problems_at(p, 0)->gold, sets[i].first_gold);
        size_t without = 0;
        for (size_t k = 0; k < sets[i].n; k++)
            without += rg_problems_at(p, k)->gold == NULL;
        assert_int_equal(without, sets[i].without);
        rg_problems_free(p);
        read++;
    }
    if (read == 0)
        skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_are_recognised_by_their_fields),
        cmocka_unit_test(calculator_marks_leave_the_solution),
        cmocka_unit_test(fields_override_the_form),
        cmocka_unit_test(what_is_wrong_is_named_by_line),
        cmocka_unit_test(a_slice_and_an_empty_file),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(the_data_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
