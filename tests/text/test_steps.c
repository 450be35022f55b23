/* Steps: every rule round-trips byte for byte, and cuts where its users cut. */
#include "../test.h"

#include "rung/base/mem.h"
#include "rung/base/rng.h"
#include "rung/text/steps.h"

static const rg_str stops[] = { { "\n\n##", 4 }, { "END", 3 }, { "\n\n", 2 } };
static const rg_step_rule blank = { .style = RG_STEP_BLANK }, header = { .style = RG_STEP_HEADER },
                          tag = { .style = RG_STEP_TAG, .tag = { " \xD0\xBA\xD0\xB8\n", 6 } },
                          custom = { .style = RG_STEP_CUSTOM, .stop = stops, .n_stop = 3 };

/* The steps and their trimmed views, "|" between them. */
static void check(const char *text, const rg_step_rule *rule, const char *want, const char *want_trimmed)
{
    rg_err e = RG_ERR_INIT;
    rg_steps s, t;
    rg_buf a = RG_BUF_MAX(4096), b = RG_BUF_MAX(4096);
    size_t index[64];
    OK(rg_steps_split(&s, rg_str_of(text), rule, &e), e);
    OK(rg_steps_trimmed(&t, index, &s, rule, &e), e);
    for (size_t i = 0; i < s.n; i++) {
        rg_buf_puts(&a, i ? "|" : "");
        rg_buf_str(&a, s.step[i]);
    }
    for (size_t i = 0; i < t.n; i++) {
        rg_buf_puts(&b, i ? "|" : "");
        rg_buf_str(&b, t.step[i]);
        CHECK(t.step[i].p >= s.step[index[i]].p);
        CHECK(t.step[i].p + t.step[i].n <= s.step[index[i]].p + s.step[index[i]].n);
    }
    assert_string_equal(a.p ? a.p : "", want);
    assert_string_equal(b.p ? b.p : "", want_trimmed);
    rg_buf_free(&a);
    rg_buf_free(&b);
    rg_steps_free(&s);
    rg_steps_free(&t);
}

TEST(each_rule_cuts_where_its_users_cut)
{
    check("", &blank, "", "");
    check("a\n\nb", &blank, "a\n\n|b", "a|b");
    check("a\n\n\nb\n\n", &blank, "a\n\n|\nb\n\n", "a|b");
    check("a\n\n\n\nb", &blank, "a\n\n|\n\n|b", "a|b");
    check("a\nb\n", &blank, "a\nb\n", "a\nb");
    check("Step 1: x\nStep 2: y\n", &header, "Step 1: x\n|Step 2: y\n", "Step 1: x|Step 2: y");
    check("So:\n## Step 1: x\nStep up\n## Step 2\ny", &header, "So:\n|## Step 1: x\nStep up\n|## Step 2\ny",
          "So:|## Step 1: x\nStep up|## Step 2\ny");
    check("a Step 1: no\nStep x: no\nStep 12 no\n##Step 1", &header,
          "a Step 1: no\nStep x: no\nStep 12 no\n##Step 1", "a Step 1: no\nStep x: no\nStep 12 no\n##Step 1");
    check("1+1 \xD0\xBA\xD0\xB8\n2 \xD0\xBA\xD0\xB8\n", &tag, "1+1 \xD0\xBA\xD0\xB8\n|2 \xD0\xBA\xD0\xB8\n",
          "1+1|2");
    check(" \xD0\xBA\xD0\xB8\nx", &tag, " \xD0\xBA\xD0\xB8\n|x", "x");
    check("aENDb\n\n## c\n\nd", &custom, "aEND|b\n\n##| c\n\n|d", "a|b|c|d");
}

/* Whatever the text, the steps joined are the text, and none is empty. */
TEST(steps_joined_are_the_text)
{
    static const char *const part[] = { "\n", "\n\n", "Step 1:", "## Step 2",          "END",
                                        "##", " ",    "x",       " \xD0\xBA\xD0\xB8\n" };
    const rg_step_rule *const rules[] = { &blank, &header, &tag, &custom };
    for (uint64_t seed = 0; seed < 2000; seed++) {
        rg_buf text = RG_BUF_MAX(4096);
        rg_err e = RG_ERR_INIT;
        for (uint64_t i = 0; i < seed % 40; i++)
            rg_buf_puts(&text, part[rg_draw_u64(seed, i, RG_DRAW_NOISE) % COUNT(part)]);
        for (size_t r = 0; r < COUNT(rules); r++) {
            rg_steps s;
            size_t at = 0;
            OK(rg_steps_split(&s, rg_buf_view(&text), rules[r], &e), e);
            for (size_t i = 0; i < s.n; i++) {
                CHECK(s.step[i].n > 0 && s.step[i].p == text.p + at);
                at += s.step[i].n;
            }
            CHECK(at == text.n);
            rg_steps_free(&s);
        }
        rg_buf_free(&text);
    }
}

TEST(a_list_of_steps_loses_only_an_empty_end)
{
    rg_err e = RG_ERR_INIT;
    rg_steps s;
    json_t *list = json_pack("[s,s,s,s]", "a", "", "b", ""), *bad = json_pack("[s,i]", "a", 1),
           *none = json_array();
    OK(rg_steps_from_list(&s, list, &e), e);
    CHECK(s.n == 3 && rg_str_is(s.step[0], "a") && s.step[1].n == 0 && rg_str_is(s.step[2], "b"));
    rg_steps_free(&s);
    OK(rg_steps_from_list(&s, none, &e), e);
    CHECK(s.n == 0);
    rg_steps_free(&s);
    CHECK(rg_steps_from_list(&s, bad, &e) == RG_EFORMAT);
    rg_steps_free(&s);
    rg_err_clear(&e);
    CHECK(rg_steps_from_list(&s, NULL, &e) == RG_EFORMAT);
    json_decref(list);
    json_decref(bad);
    json_decref(none);
}

TEST(a_rule_that_makes_no_sense_is_refused)
{
    static const rg_str empty_stop[] = { { "", 0 } };
    const rg_step_rule bad[] = { { .style = RG_STEP_TAG },
                                 { .style = RG_STEP_CUSTOM },
                                 { .style = RG_STEP_CUSTOM, .stop = empty_stop, .n_stop = 1 } };
    for (size_t i = 0; i < COUNT(bad); i++) {
        rg_err e = RG_ERR_INIT;
        rg_steps s;
        CHECK(rg_steps_split(&s, rg_str_of("x"), &bad[i], &e) == RG_EARG);
    }
}

TEST(the_end_of_an_open_step_is_not_known)
{
    CHECK(rg_step_end(rg_str_of("a\n"), &blank) == SIZE_MAX);
    CHECK(rg_step_end(rg_str_of("a\n\nb"), &blank) == 3);
    CHECK(rg_step_end(rg_str_of("Step 1: a\nStep 2"), &header) == SIZE_MAX);
    CHECK(rg_step_end(rg_str_of("Step 1: a\nStep 2:"), &header) == 10);
    CHECK(rg_step_end(rg_str_of("xEND"), &custom) == 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_rule_cuts_where_its_users_cut),
        cmocka_unit_test(steps_joined_are_the_text),
        cmocka_unit_test(a_list_of_steps_loses_only_an_empty_end),
        cmocka_unit_test(a_rule_that_makes_no_sense_is_refused),
        cmocka_unit_test(the_end_of_an_open_step_is_not_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
