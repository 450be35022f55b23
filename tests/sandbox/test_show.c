/* Results as text and as a record, and code out of Markdown. */
#include "rung/base/mem.h"
#include "rung/sandbox/sandbox.h"
#include "sandbox_int.h"
#include "test.h"

static char out[] = " 42\n", err[] = "", none[] = "", message[] = "name 'x' is not defined",
            late[] = "5 s of CPU time are over";

static const char *shown(const rg_ran *r, rg_show how)
{
    static char text[512];
    rg_buf b = RG_BUF_MAX(4096);
    rg_ran_shown(&b, r, how);
    snprintf(text, sizeof text, "%s", b.p ? b.p : "");
    rg_buf_free(&b);
    return text;
}

TEST(genprm_has_its_three_prefixes)
{
    rg_ran r = { .status = RG_RAN_OK, .out = out, .err = err, .message = none };
    assert_string_equal(shown(&r, RG_SHOW_GENPRM), "42");
    r = (rg_ran){ .status = RG_RAN_ERROR, .out = out, .err = err, .type = "NameError", .message = message };
    assert_string_equal(shown(&r, RG_SHOW_GENPRM), "Code execute Error: NameError: name 'x' is not defined");
    r = (rg_ran){ .status = RG_RAN_TIMEOUT, .out = out, .err = err, .message = late };
    assert_string_equal(shown(&r, RG_SHOW_GENPRM), "Code execute time out: 5 s of CPU time are over");
    r = (rg_ran){ .status = RG_RAN_NO_CODE, .out = none, .err = err, .message = none };
    assert_string_equal(shown(&r, RG_SHOW_GENPRM), "Code format error: No code found.");
}

TEST(detailed_keeps_output_and_says_how_it_ended)
{
    const rg_ran r = {
        .status = RG_RAN_ERROR, .out = out, .err = err, .type = "NameError", .message = message, .cpu_ms = 3
    };
    assert_string_equal(shown(&r, RG_SHOW_DETAILED),
                        " 42\n[error: NameError: name 'x' is not defined] after 3 ms of CPU time\n");
}

TEST(the_record_is_one_line_of_json)
{
    rg_buf b = RG_BUF_MAX(4096);
    const rg_ran r = { .status = RG_RAN_OUTPUT_LIMIT,
                       .out = out,
                       .err = err,
                       .message = none,
                       .cpu_ms = 1,
                       .wall_ms = 2,
                       .level = 3,
                       .truncated = true };
    rg_ran_json(&b, &r);
    assert_string_equal(
        b.p, "{\"status\":\"output_limit\",\"stdout\":\" 42\\n\",\"stderr\":\"\",\"exception_type\":\"\","
             "\"message\":\"\",\"cpu_ms\":1,\"wall_ms\":2,\"level\":3,\"truncated\":true,"
             "\"fresh\":false,\"cached\":false}");
    rg_buf_free(&b);
}

TEST(blocks_are_found_in_markdown)
{
    const rg_str t = rg_str_of(
        "text\n```python\na = 1\n```\n```\nnot code\n```\n  ```py\nb = 2\n  ```\nmore\n```python\nc = 3");
    static const char *const want[] = { "a = 1\n", "b = 2\n", "c = 3" };
    size_t at = 0;
    rg_str code;
    for (size_t i = 0; i < COUNT(want); i++) {
        CHECK(rg_code_block_next(&code, t, &at));
        CHECK(rg_str_is(code, want[i]));
    }
    CHECK(!rg_code_block_next(&code, t, &at));
}

TEST(text_is_cleaned)
{
    static const struct {
        const char *head, *tail;
        bool cut;
        const char *want;
    } cases[] = {
        { "a\x1b[0mb\r\n\tc\x7f", "", false, "a[0mb\n\tc" },
        { "\xff\xfe", "", false, "\xEF\xBF\xBD\xEF\xBF\xBD" },
        { "\xe2\x82", "\xac!", false, "€!" }, /* one character over the seam */
        { "a\xe2\x82",
          "\x82\xac"
          "b",
          true, "a…[truncated]b" },
        { "", "", false, "" },
        { "\xc2\x9b"
          "1m",
          "", false, "1m" }, /* C1 */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *got = rg__clean_text(rg_str_of(cases[i].head), rg_str_of(cases[i].tail), cases[i].cut);
        assert_string_equal(got, cases[i].want);
        rg_free(got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(genprm_has_its_three_prefixes),
        cmocka_unit_test(detailed_keeps_output_and_says_how_it_ended),
        cmocka_unit_test(the_record_is_one_line_of_json),
        cmocka_unit_test(blocks_are_found_in_markdown),
        cmocka_unit_test(text_is_cleaned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
