/* Growing buffers with a ceiling, escapes, UTF-8. */
#include "test.h"

#include "rung/base/buf.h"
#include "rung/base/mem.h"

TEST(a_buffer_grows_to_its_ceiling_and_remembers_that_it_failed)
{
    rg_err e = RG_ERR_INIT;
    rg_buf b = RG_BUF_MAX(10);
    rg_buf_puts(&b, "12345");
    rg_buf_printf(&b, "%d", 678);
    rg_buf_putc(&b, '9');
    OK(rg_buf_check(&b, "the prompt", &e), e);
    assert_string_equal(b.p, "123456789");
    rg_buf_puts(&b, "ab");
    CHECK(b.failed && b.over);
    rg_buf_putc(&b, 'c'); /* would fit, but the flag is sticky */
    assert_int_equal(rg_buf_check(&b, "the prompt", &e), RG_ELIMIT);
    CHECK(strstr(e.msg, "the prompt") && strstr(e.msg, "10"));
    CHECK(rg_buf_take(&b) == NULL);
    rg_buf_clear(&b);
    rg_buf_puts(&b, "x");
    CHECK(!b.failed && b.n == 1);
    rg_buf_free(&b);
}

TEST(an_empty_buffer_gives_an_empty_string)
{
    rg_buf b = RG_BUF_MAX(10);
    char *s = rg_buf_take(&b);
    assert_string_equal(s, "");
    rg_free(s);
    CHECK(rg_buf_view(&b).n == 0);
}

TEST(long_formats_are_whole)
{
    rg_buf b = RG_BUF_MAX(1 << 20);
    char big[5000];
    memset(big, 'y', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    rg_buf_printf(&b, "%s|%s", big, big);
    CHECK(b.n == 2 * (sizeof big - 1) + 1 && b.p[b.n] == '\0');
    rg_buf_free(&b);
}

TEST(borrowed_strings)
{
    const rg_str s = rg_str_of("  a = b = c\n");
    CHECK(rg_str_is(rg_str_trim(s), "a = b = c"));
    CHECK(rg_str_find(s, rg_str_of("=")) == 4 && rg_str_rfind(s, rg_str_of("=")) == 8);
    CHECK(rg_str_find(s, rg_str_of("x")) == SIZE_MAX && rg_str_rfind(s, rg_str_of("x")) == SIZE_MAX);
    CHECK(rg_str_find(s, rg_str_of("")) == 0);
    CHECK(rg_str_starts(s, "  a") && rg_str_ends(s, "c\n") && !rg_str_starts(rg_str_of("a"), "ab"));
    CHECK(rg_str_eq(rg_str_n("a\0b", 3), rg_str_n("a\0b", 3)) &&
          !rg_str_eq(rg_str_n("a\0b", 3), rg_str_of("a")));
    CHECK(rg_str_trim(rg_str_of(" \t\n")).n == 0);
}

TEST(json_escapes)
{
    rg_buf b = RG_BUF_MAX(256);
    rg_buf_json_escape(&b, rg_str_n("q\"\\\n\t\x01\0é\xff\xc0\x80", 13));
    CHECK(strstr(b.p, "q\\\"\\\\\\n\\t\\u0001\\u0000é") == b.p);
    CHECK(strstr(b.p, "\xef\xbf\xbd") || strstr(b.p, "\\ufffd"));
    CHECK(!strchr(b.p, '\xff') && !strchr(b.p, '\xc0'));
    rg_buf_free(&b);
}

TEST(a_terminal_sees_only_text)
{
    rg_buf b = RG_BUF_MAX(256);
    rg_buf_terminal_safe(&b, rg_str_n("a\tb\n\x1b[2J\x7f\r\0\xc2\x9bü", 15));
    CHECK(strstr(b.p, "a\tb\n\\x1b[2J\\x7f\\x0d\\x00") == b.p ||
          strstr(b.p, "a\tb\n\\x1B[2J\\x7F\\x0D\\x00") == b.p);
    CHECK(!strchr(b.p, '\x1b') && !strstr(b.p, "\xc2\x9b") && rg_str_ends(rg_buf_view(&b), "ü"));
    rg_buf_free(&b);
}

/* Every scalar value goes out and comes back; everything else is refused. */
TEST(utf8_round_trip)
{
    for (uint32_t cp = 0; cp < 0x110100; cp++) {
        char s[4];
        const size_t n = rg_utf8_encode(cp, s);
        const bool scalar = cp < 0x110000 && (cp < 0xD800 || cp > 0xDFFF);
        uint32_t back = 1;
        if (scalar != (n > 0))
            fail_msg("U+%X", cp);
        if (n > 0 && (rg_utf8_decode(s, n, &back) != n || back != cp))
            fail_msg("U+%X came back as U+%X", cp, back);
        if (n > 1 && (rg_utf8_decode(s, n - 1, NULL) != 0 || rg_utf8_tail(rg_str_n(s, n - 1)) != n - 1))
            fail_msg("U+%X cut short", cp);
    }
}

TEST(utf8_refuses_what_is_not)
{
    static const char *const bad[] = {
        "\x80",         "\xc0\x80",         "\xc1\xbf",         "\xe0\x80\x80",
        "\xed\xa0\x80", "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80",
        "\xff"
    };
    for (size_t i = 0; i < COUNT(bad); i++)
        if (rg_utf8_decode(bad[i], strlen(bad[i]), NULL) != 0)
            fail_msg("case %zu", i);
    CHECK(rg_utf8_decode("", 0, NULL) == 0);
    CHECK(rg_utf8_tail(rg_str_of("abc")) == 0 && rg_utf8_tail(rg_str_of("é")) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buffer_grows_to_its_ceiling_and_remembers_that_it_failed),
        cmocka_unit_test(an_empty_buffer_gives_an_empty_string),
        cmocka_unit_test(long_formats_are_whole),
        cmocka_unit_test(borrowed_strings),
        cmocka_unit_test(json_escapes),
        cmocka_unit_test(a_terminal_sees_only_text),
        cmocka_unit_test(utf8_round_trip),
        cmocka_unit_test(utf8_refuses_what_is_not),
    };
    return cmocka_run_group_tests_name("base/buf", tests, NULL, NULL);
}
