/* The front door: help, versions, unknown words, streams, signals. */
#include "program.h"

#include <unistd.h>

#include "rung/base/call.h"

TEST(alone_it_prints_one_screen)
{
    const said s = program("");
    CHECK(s.code == 0 && s.err[0] == '\0');
    CHECK(strstr(s.out, "Usage: rung VERB") && program_lines(s.out) <= 24);
    const said h = program("--help");
    assert_string_equal(h.out, s.out);
}

TEST(an_unknown_verb_gets_the_nearest_names)
{
    said s = program("modle");
    CHECK(s.code == 2 && s.out[0] == '\0' && program_lines(s.err) == 1);
    CHECK(strstr(s.err, "rung: no verb 'modle'; did you mean model?"));
    s = program("zzzzzzzzz");
    CHECK(s.code == 2 && program_lines(s.err) == 1 && strstr(s.err, "rung help"));
    s = program("help zzzzzzzzz");
    CHECK(s.code == 2 && program_lines(s.err) == 1);
}

TEST(what_the_user_typed_cannot_drive_the_terminal)
{
    const said s = program("\"$(printf '\\033[2J')\"");
    CHECK(s.code == 2 && !strchr(s.err, '\033') && strstr(s.err, "\\x1"));
}

TEST(the_version_is_one_item_a_line)
{
    const said s = program("--version");
    CHECK(s.code == 0 && program_lines(s.out) == 4);
    CHECK(strstr(s.out, "rung     ") == s.out && strstr(s.out, "commit   ") && strstr(s.out, "compiler ") &&
          strstr(s.out, "cpu      "));
}

/* Every verb that help lists explains itself, both ways, with the same words. */
TEST(every_verb_has_help)
{
    const said list = program("help");
    size_t n = 0;
    for (const char *p = strstr(list.out, "\n\n  "); p && *p; p = strchr(p + 1, '\n')) {
        char verb[32], args[64];
        if (sscanf(p, " %31[a-z]", verb) != 1 || strcmp(verb, "help") == 0)
            break;
        snprintf(args, sizeof args, "help %s", verb);
        const said a = program(args);
        snprintf(args, sizeof args, "%s --help", verb);
        const said b = program(args);
        if (a.code != 0 || b.code != 0 || strcmp(a.out, b.out) != 0 || !strstr(a.out, verb))
            fail_msg("help of %s", verb);
        n++;
        if (p[1] == '\n')
            p++;
    }
    CHECK(n >= 1);
}

TEST(an_unknown_flag_is_one_line)
{
    const said s = program("model ls --jsno");
    CHECK(s.code == 2 && s.out[0] == '\0' && program_lines(s.err) == 1);
    CHECK(strstr(s.err, "--jsno") && strstr(s.err, "--json"));
}

TEST(help_beats_wrong_arguments)
{
    const said s = program("model ls --no-such-flag --help");
    CHECK(s.code == 0 && strstr(s.out, "Usage:"));
}

TEST(a_reader_that_leaves_is_no_error)
{
    const said s = program("| true");
    CHECK(s.err[0] == '\0');
}

TEST(a_full_disk_is_an_error)
{
    if (access("/dev/full", W_OK) != 0) {
        print_message("[  NOTE    ] no /dev/full here\n");
        skip();
    }
    const said s = program("help >/dev/full");
    CHECK(s.code == 4 && strstr(s.err, "cannot write the result"));
}

TEST(printed_settings_feed_back)
{
    const said s = program("model ls --print-config --quiet");
    CHECK(s.code == 0 && strstr(s.out, "quiet = true\n") && strstr(s.out, "print-config = false\n"));
}

/* The first signal ends the work at the next token, with its own exit code. */
TEST(a_signal_stops_the_work_in_time)
{
    static const struct {
        const char *name;
        int code;
    } signals[] = { { "INT", 130 }, { "TERM", 143 } };
    const char *model = test_model("smollm2-135m");
    if (!model)
        skip();
    for (size_t i = 0; i < COUNT(signals); i++) {
        char text[8192];
        snprintf(text, sizeof text,
                 "timeout --preserve-status -k 4 -s %s 2 '%s' generate -m '%s' -n 4000 --ignore-eos Once",
                 signals[i].name, RUNG_BIN, model);
        const int64_t t0 = rg_now_ns();
        const said s = shell(text);
        assert_int_equal(s.code, signals[i].code);
        CHECK(rg_now_ns() - t0 < 2000000000ll + 2000000000ll); /* 2 s of work, at most 2 s to stop */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alone_it_prints_one_screen),
        cmocka_unit_test(an_unknown_verb_gets_the_nearest_names),
        cmocka_unit_test(what_the_user_typed_cannot_drive_the_terminal),
        cmocka_unit_test(the_version_is_one_item_a_line),
        cmocka_unit_test(every_verb_has_help),
        cmocka_unit_test(an_unknown_flag_is_one_line),
        cmocka_unit_test(help_beats_wrong_arguments),
        cmocka_unit_test(a_reader_that_leaves_is_no_error),
        cmocka_unit_test(a_full_disk_is_an_error),
        cmocka_unit_test(printed_settings_feed_back),
        cmocka_unit_test(a_signal_stops_the_work_in_time),
    };
    return cmocka_run_group_tests_name("cli/front", tests, NULL, NULL);
}
