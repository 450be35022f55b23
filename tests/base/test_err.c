/* The first error wins, context goes in front, and every status has an exit code. */
#include "test.h"

static rg_status inner(rg_err *e)
{
    RG_FAIL(e, RG_EFORMAT, "header claims %d bytes", 7);
}

static rg_status outer(rg_err *e)
{
    RG_TRY(inner(e));
    return RG_OK;
}

static rg_status cleaning(int *cleaned, rg_err *e)
{
    rg_status s;
    RG_GO(s, fail, outer(e));
    return RG_OK;
fail:
    (*cleaned)++;
    return s;
}

TEST(the_first_error_wins)
{
    rg_err e = RG_ERR_INIT;
    assert_int_equal(outer(&e), RG_EFORMAT);
    rg_err_set(&e, RG_EIO, "x.c", 1, "later");
    assert_int_equal(e.code, RG_EFORMAT);
    assert_string_equal(e.msg, "header claims 7 bytes");
    CHECK(e.line > 0 && strstr(e.file, "test_err.c"));
}

TEST(context_goes_in_front)
{
    rg_err e = RG_ERR_INIT;
    rg_err_prefix(&e, "nothing yet");
    assert_string_equal(e.msg, "");
    outer(&e);
    rg_err_prefix(&e, "%s", "a.gguf");
    rg_err_prefix(&e, "model %d", 2);
    assert_string_equal(e.msg, "model 2: a.gguf: header claims 7 bytes");
}

TEST(long_context_keeps_the_message_terminated)
{
    rg_err e = RG_ERR_INIT;
    char big[3000];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    rg_err_set(&e, RG_EARG, "x.c", 1, "%s", big);
    CHECK(strlen(e.msg) == sizeof e.msg - 1);
    rg_err_prefix(&e, "%s", big);
    CHECK(strlen(e.msg) == sizeof e.msg - 1);
}

TEST(no_error_struct_is_fine)
{
    assert_int_equal(outer(NULL), RG_EFORMAT);
    rg_err_prefix(NULL, "x");
    rg_err_clear(NULL);
}

TEST(a_failure_runs_the_clean_up)
{
    rg_err e = RG_ERR_INIT;
    int cleaned = 0;
    assert_int_equal(cleaning(&cleaned, &e), RG_EFORMAT);
    assert_int_equal(cleaned, 1);
    rg_err_clear(&e);
    CHECK(e.code == RG_OK && e.msg[0] == '\0');
}

TEST(exit_codes_are_the_documented_ones)
{
    static const struct {
        rg_status s;
        int code;
    } want[] = { { RG_OK, 0 },     { RG_ENOMEM, 4 },    { RG_EIO, 1 },     { RG_EFORMAT, 3 }, { RG_EARG, 2 },
                 { RG_ELIMIT, 4 }, { RG_ECANCEL, 130 }, { RG_EREMOTE, 6 }, { RG_ESANDBOX, 5 } };
    for (size_t i = 0; i < COUNT(want); i++) {
        assert_int_equal(rg_status_exit(want[i].s), want[i].code);
        CHECK(rg_status_name(want[i].s)[0] != '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_error_wins),
        cmocka_unit_test(context_goes_in_front),
        cmocka_unit_test(long_context_keeps_the_message_terminated),
        cmocka_unit_test(no_error_struct_is_fine),
        cmocka_unit_test(a_failure_runs_the_clean_up),
        cmocka_unit_test(exit_codes_are_the_documented_ones),
    };
    return cmocka_run_group_tests_name("base/err", tests, NULL, NULL);
}
