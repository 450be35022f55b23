/* Settings from flags, the environment, a file and defaults; and as text again. */
#include "test.h"

#include <locale.h>
#include <unistd.h>

#include "rung/base/file.h"
#include "rung/base/mem.h"
#include "rung/base/opt.h"

typedef struct demo {
    int64_t budget;
    double temp;
    bool tree, color;
    const char *system;
    const char *api_key;
    int when;
    rg_opt_list stop;
} demo;

#define AT(field) offsetof(demo, field)
static const rg_opt demo_opts[] = {
    { "budget", "N,n-samples", RG_OPT_INT, AT(budget), "8", 1, 1000, NULL, "N", "how many candidates" },
    { "temp", "temperature", RG_OPT_FLOAT, AT(temp), "0.8", 0, 2, NULL, "F", "sampling temperature" },
    { "tree", "T", RG_OPT_FLAG, AT(tree), NULL, 0, 0, NULL, NULL, "draw the search" },
    { "color", NULL, RG_OPT_FLAG, AT(color), "true", 0, 0, NULL, NULL, "no colours" },
    { "system", "sys,system-prompt", RG_OPT_STR, AT(system), NULL, 0, 0, NULL, "TEXT", "system sentence" },
    { "api-key", NULL, RG_OPT_STR, AT(api_key), NULL, 0, 0, NULL, "TEXT", "secret" },
    { "when", NULL, RG_OPT_ENUM, AT(when), "auto", 0, 0, "auto,always,never", NULL, "when" },
    { "stop", "r", RG_OPT_LIST, AT(stop), NULL, 0, 0, NULL, "TEXT", "stop at this text" },
    { NULL, NULL, RG_OPT_FLAG, 0, NULL, 0, 0, NULL, NULL, NULL },
};

typedef struct fixture {
    demo d;
    rg_opt_group group;
    rg_opts *o;
    rg_opt_list pos;
    rg_err e;
} fixture;

static rg_status parse(fixture *f, int argc, const char **argv)
{
    *f = (fixture){ .e = RG_ERR_INIT };
    f->group = (rg_opt_group){ "Demo", demo_opts, &f->d };
    return rg_opts_parse(&f->o, &f->group, 1, argc, (char **)(uintptr_t)argv, &f->pos, &f->e);
}

#define PARSE(f, ...)                                                                                        \
    parse((f), (int)COUNT(((const char *[]){ __VA_ARGS__ })), (const char *[]){ __VA_ARGS__ })

/* The arguments are refused and the sentence holds `word`. */
#define REFUSED(word, ...)                                                                                   \
    do {                                                                                                     \
        fixture f_;                                                                                          \
        assert_int_equal(PARSE(&f_, __VA_ARGS__), RG_EARG);                                                  \
        CHECK(f_.o == NULL);                                                                                 \
        if (!strstr(f_.e.msg, word))                                                                         \
            fail_msg("no '%s' in: %s", word, f_.e.msg);                                                      \
    } while (0)

TEST(defaults_fill_every_field)
{
    fixture f;
    OK(parse(&f, 0, NULL), f.e);
    assert_int_equal(f.d.budget, 8);
    CHECK(f.d.temp == 0.8 && !f.d.tree && f.d.color && f.d.when == 0);
    CHECK(f.d.system == NULL && f.d.stop.n == 0 && f.pos.n == 0);
    CHECK(!rg_opts_given(f.o, "budget"));
    rg_opts_free(f.o);
}

TEST(flags_in_every_spelling)
{
    fixture f;
    OK(PARSE(&f, "-N", "3", "--temp=1.5", "-T", "--no-color", "-sys", "be brief", "--when", "never", "x",
             "-r", "a", "--stop=b", "--", "--tree", "-"),
       f.e);
    CHECK(f.d.budget == 3 && f.d.temp == 1.5 && f.d.tree && !f.d.color && f.d.when == 2);
    assert_string_equal(f.d.system, "be brief");
    assert_int_equal(f.d.stop.n, 2);
    assert_string_equal(f.d.stop.item[1], "b");
    assert_int_equal(f.pos.n, 3);
    assert_string_equal(f.pos.item[1], "--tree");
    CHECK(rg_opts_given(f.o, "budget") && !rg_opts_given(f.o, "api-key"));
    rg_opts_free(f.o);

    OK(PARSE(&f, "-N=4", "--temperature", "0", "--tree=false", "--system-prompt=", "--n-samples=5"), f.e);
    CHECK(f.d.budget == 5 && f.d.temp == 0 && !f.d.tree && f.d.system[0] == '\0');
    rg_opts_free(f.o);
}

TEST(a_dash_or_a_negative_number_is_positional)
{
    fixture f;
    OK(PARSE(&f, "-", "-5", "-.5", "-N", "7"), f.e);
    assert_int_equal(f.pos.n, 3);
    assert_string_equal(f.pos.item[1], "-5");
    rg_opts_free(f.o);
}

TEST(errors_name_flag_value_and_range)
{
    REFUSED("--budget 0: must be between 1 and 1000", "--budget", "0");
    REFUSED("'8x': not a whole number", "-N", "8x");
    REFUSED("'9223372036854775808'", "-N", "9223372036854775808");
    REFUSED("'nan': not a number", "--temp", "nan");
    REFUSED("'1e999'", "--temp=1e999");
    REFUSED("'0x1'", "--temp=0x1");
    REFUSED("between 0 and 2", "--temp=2.5");
    REFUSED("one of auto,always,never", "--when", "maybe");
    REFUSED("--tree 'perhaps': must be true or false", "--tree=perhaps");
    REFUSED("--stop needs a value: TEXT", "--stop");
    REFUSED("unknown flag --budgte; did you mean --budget", "--budgte", "3");
    REFUSED("unknown flag -x", "-x");
    REFUSED("unknown flag --no-budget", "--no-budget");
}

/* Writes a config file that the caller removes. */
static const char *config_file(const char *text)
{
    static char path[64];
    rg_err e = RG_ERR_INIT;
    snprintf(path, sizeof path, "/tmp/rung-test-opt-%ld.conf", (long)getpid());
    OK(rg_write_atomic(path, text, strlen(text), &e), e);
    return path;
}

TEST(flag_beats_environment_beats_file_beats_default)
{
    const char *path =
        config_file("# a comment\n\nbudget = 11\n temp=0.25\nstop = a\nstop = \" b\\n\"\nwhen = always");
    fixture f;
    setenv("RUNG_TEMP", "0.5", 1);
    setenv("RUNG_SYSTEM", "", 1);
    OK(PARSE(&f, "--config", path), f.e);
    CHECK(f.d.budget == 11 && f.d.temp == 0.5 && f.d.when == 1 && f.d.system == NULL);
    assert_int_equal(f.d.stop.n, 2);
    assert_string_equal(f.d.stop.item[1], " b\n");
    rg_opts_free(f.o);

    setenv("RUNG_STOP", "from the environment", 1);
    OK(PARSE(&f, "--temp", "1", "--config", path, "-N", "2"), f.e);
    CHECK(f.d.budget == 2 && f.d.temp == 1 && f.d.stop.n == 1);
    assert_string_equal(f.d.stop.item[0], "from the environment");
    rg_opts_free(f.o);

    setenv("RUNG_TEMP", "hot", 1);
    REFUSED("RUNG_TEMP 'hot': not a number", "-T");
    unsetenv("RUNG_TEMP");
    unsetenv("RUNG_STOP");
    unsetenv("RUNG_SYSTEM");
    unlink(path);
}

TEST(a_bad_config_line_is_named)
{
    const char *path = config_file("budget = 3\nbugdet = 4\n");
    REFUSED(":2) bugdet; did you mean budget", "--config", path);
    config_file("budget\n");
    REFUSED(":1: expected name = value", "--config", path);
    config_file("system = \"open\n");
    REFUSED(":1: broken quotes", "--config", path);
    config_file("budget = 0\n");
    REFUSED(":1: budget 0: must be between", "--config", path);
    unlink(path);
}

/* --print-config, fed back with --config, gives the same settings; secrets stay out. */
TEST(printed_config_reads_back)
{
    fixture f, g;
    OK(PARSE(&f, "-N", "77", "--temp", "0.1", "-T", "--no-color", "--system= two\nlines \"q\" \\ # x",
             "--stop", "# not a comment", "--stop", "", "--stop", "ünï", "--api-key", "hush", "--when=never"),
       f.e);
    rg_buf text = RG_BUF_MAX(1 << 16), again = RG_BUF_MAX(1 << 16);
    rg_opts_config(&text, &f.group, 1);
    CHECK(!text.failed && !strstr(text.p, "hush"));
    const char *path = config_file(text.p);
    OK(PARSE(&g, "--config", path), g.e);
    assert_string_equal(g.d.system, f.d.system);
    assert_int_equal(g.d.stop.n, 3);
    rg_opts_config(&again, &g.group, 1);
    assert_string_equal(text.p, again.p);
    rg_buf_free(&text);
    rg_buf_free(&again);
    rg_opts_free(f.o);
    rg_opts_free(g.o);
    unlink(path);
}

TEST(settings_as_json)
{
    fixture f;
    OK(PARSE(&f, "--system", "a\"b", "--stop", "\n", "--stop", "x", "--api-key=hush"), f.e);
    rg_buf b = RG_BUF_MAX(4096);
    rg_opts_json(&b, &f.group, 1);
    assert_string_equal(b.p, "{\"budget\":8,\"temp\":0.8,\"tree\":false,\"color\":true,\"system\":\"a\\\"b\","
                             "\"when\":\"auto\",\"stop\":[\"\\n\",\"x\"]}");
    rg_buf_free(&b);
    rg_opts_free(f.o);
}

TEST(help_has_a_line_for_every_flag)
{
    fixture f;
    OK(parse(&f, 0, NULL), f.e);
    rg_buf b = RG_BUF_MAX(4096);
    rg_opts_help(&b, &f.group, 1);
    static const char *const want[] = { "Demo:\n",        "-N, --budget N ",     "how many candidates [8]\n",
                                        "--no-color",     "-sys, --system TEXT", "--when auto|always|never",
                                        "-r, --stop TEXT" };
    for (size_t i = 0; i < COUNT(want); i++)
        if (!strstr(b.p, want[i]))
            fail_msg("no '%s' in\n%s", want[i], b.p);
    rg_buf_free(&b);
    rg_opts_free(f.o);
}

static void check_nearest(const char *word, const char *want)
{
    static const char *const names[] = {
        "solve", "score", "serve", "generate", "grade", "tokenize", "model"
    };
    rg_buf b = RG_BUF_MAX(256);
    rg_nearest(&b, word, names, COUNT(names));
    assert_string_equal(b.p ? b.p : "", want);
    rg_buf_free(&b);
}

TEST(nearest_names)
{
    check_nearest("slove", "solve");
    check_nearest("gen", "generate");
    check_nearest("sole", "solve");
    check_nearest("zzzzzz", "");
    check_nearest("tokenise", "tokenize");
    check_nearest("", "");
}

TEST(numbers_refuse_everything_but_numbers)
{
    static const char *const bad[] = { "",      " 1",  "1 ",  "+",    "1e",  "--1",
                                       "1.2.3", "nan", "inf", "0x10", "1,5", "1e400" };
    int64_t i;
    double x;
    for (size_t k = 0; k < COUNT(bad); k++)
        if (rg_parse_f64(&x, bad[k]) || rg_parse_i64(&i, bad[k]))
            fail_msg("accepted '%s'", bad[k]);
    CHECK(!rg_parse_i64(&i, "1.0"));
    CHECK(rg_parse_i64(&i, "-9223372036854775808") && i == INT64_MIN);
    CHECK(rg_parse_f64(&x, "-1.25e-3") && x == -1.25e-3);
}

/* A locale with a decimal comma: an installed one, or one compiled for this test. */
static bool set_comma_locale(void)
{
    if (setlocale(LC_ALL, "de_DE.UTF-8"))
        return true;
    static char dir[] = "/tmp/rung-test-locale-XXXXXX";
    char command[256];
    if (!mkdtemp(dir))
        return false;
    snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 >/dev/null 2>&1", dir);
    const int made = system(command);
    setenv("LOCPATH", dir, 1);
    const bool set = made == 0 && setlocale(LC_ALL, "de_DE.UTF-8");
    unsetenv("LOCPATH");
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command) == 0 && set;
}

/* A host program with a decimal comma changes nothing. */
TEST(numbers_do_not_follow_the_locale)
{
    if (!set_comma_locale()) {
        print_message(
            "[  NOTE    ] no locale with a decimal comma, and none could be made (package locales)\n");
        skip();
    }
    double x;
    char text[32];
    snprintf(text, sizeof text, "%.1f", 0.5);
    assert_string_equal(text, "0,5"); /* the comma is there */
    CHECK(rg_parse_f64(&x, "0.5") && x == 0.5);
    CHECK(!rg_parse_f64(&x, "0,5"));
    rg_format_f64(text, 0.1);
    assert_string_equal(text, "0.1");
    setlocale(LC_ALL, "C");
}

TEST(formatted_numbers_read_back)
{
    static const double v[] = { 0, -0.1, 1.0 / 3, 1e300, 5e-324, 123456789.0, 0.30000000000000004 };
    for (size_t i = 0; i < COUNT(v); i++) {
        char text[32];
        double x;
        rg_format_f64(text, v[i]);
        CHECK(rg_parse_f64(&x, text) && x == v[i]);
    }
}

/* Every allocation of a parse is refused once: a clean error each time, nothing leaks. */
TEST(a_parse_survives_every_refused_allocation)
{
#ifdef RG_TORTURE
    const char *path = config_file("stop = a\nsystem = \"b\\n\"\n");
    setenv("RUNG_STOP", "c", 1);
    rg_status s = RG_ENOMEM;
    long k = 0;
    fixture f;
    for (; s != RG_OK && k < 1000; k++) {
        rg_alloc_fail_at(k);
        s = PARSE(&f, "--config", path, "--stop", "d", "--stop", "e", "x");
        rg_alloc_fail_at(-1);
        if (s != RG_OK && (f.o != NULL || f.e.msg[0] == '\0'))
            fail_msg("allocation %ld: status %d, '%s'", k, s, f.e.msg);
    }
    CHECK(s == RG_OK && k > 5);
    rg_opts_free(f.o);
    unsetenv("RUNG_STOP");
    unlink(path);
#else
    print_message("[  NOTE    ] this build cannot refuse allocations: meson setup -Dtorture=true\n");
    skip();
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_fill_every_field),
        cmocka_unit_test(flags_in_every_spelling),
        cmocka_unit_test(a_dash_or_a_negative_number_is_positional),
        cmocka_unit_test(errors_name_flag_value_and_range),
        cmocka_unit_test(flag_beats_environment_beats_file_beats_default),
        cmocka_unit_test(a_bad_config_line_is_named),
        cmocka_unit_test(printed_config_reads_back),
        cmocka_unit_test(settings_as_json),
        cmocka_unit_test(help_has_a_line_for_every_flag),
        cmocka_unit_test(nearest_names),
        cmocka_unit_test(numbers_refuse_everything_but_numbers),
        cmocka_unit_test(numbers_do_not_follow_the_locale),
        cmocka_unit_test(formatted_numbers_read_back),
        cmocka_unit_test(a_parse_survives_every_refused_allocation),
    };
    return cmocka_run_group_tests_name("base/opt", tests, NULL, NULL);
}
