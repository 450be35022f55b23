/* test_extract.c - the six extraction rules (section 16.1) and canonical votes (16.6). */
#include "test.h"

#include "rung/grade/grade.h"

static void extracts(const char *response, const char *want, rg_extract_rule rule, const rg_extract_opt *o)
{
    rg_buf b = RG_BUF_MAX(1 << 20);
    const rg_extract_rule r = rg_extract(&b, rg_str_of(response), o);
    if (r != rule || strcmp(b.n ? b.p : "", want) != 0)
        fail_msg("%s\n  gives \"%s\" by %s, want \"%s\" by %s", response, b.n ? b.p : "",
                 rg_extract_rule_name(r), want, rg_extract_rule_name(rule));
    rg_buf_free(&b);
}

TEST(rule_1_minerva)
{
    extracts("The final answer is $\\frac{3}{4}$. I hope it is correct.", "\\frac{3}{4}", RG_X_MINERVA, NULL);
    extracts("The final answer is $1$. I hope so. No: final answer is $2$. I hope it is.", "2", RG_X_MINERVA,
             NULL);
}

TEST(rule_2_boxes)
{
    extracts("\\boxed{3} then \\boxed{5}", "5", RG_X_BOXED, NULL);
    extracts("\\boxed{\\frac{\\sqrt{3}}{2^{n_{1}}}}", "\\frac{\\sqrt{3}}{2^{n_{1}}}", RG_X_BOXED, NULL);
    extracts("\\boxed{\\{1,2\\}}.", "\\{1,2\\}", RG_X_BOXED, NULL);
    extracts("\\boxed{\\left\\{ x \\right\\}", "", RG_X_NONE, NULL);
    extracts("so \\boxed 7$ is it", "7", RG_X_BOXED, NULL);
    extracts("\\fbox{9}", "9", RG_X_BOXED, NULL);
    extracts("$\\boxed{1}$, $\\boxed{2}$ and $\\boxed{3}$", "1 , 2 , 3", RG_X_BOXED, NULL);
    extracts("\\boxed{1} \\text{ or } \\boxed{-1}", "1 , -1", RG_X_BOXED, NULL);
    extracts("\\boxed{840}., but **Final Answer** \\boxed{840}", "840", RG_X_BOXED, NULL);
    extracts("\\boxed{5}, checked; \\boxed{\\frac{3}{4", "", RG_X_NONE, NULL);
    extracts("\\boxed{ : 12. }", "12", RG_X_BOXED, NULL);
    extracts("#### 4\n\\boxed{5}", "5", RG_X_BOXED, NULL);
}

TEST(rule_3_hashes)
{
    extracts("a = <<1+1=2>>2\n#### 1,234", "1,234", RG_X_HASHES, NULL);
    extracts("#### 3\n#### 4 \nmore", "4", RG_X_HASHES, NULL);
}

TEST(rule_4_answer_is)
{
    extracts("So the answer is 3.5. Done.", "3.5", RG_X_ANSWER_IS, NULL);
    extracts("**Answer:** $\\frac12$", "$\\frac12$", RG_X_ANSWER_IS, NULL);
    extracts("The answer is: $x = 5$ or $x = -5$.", "$x = 5$ or $x = -5$", RG_X_ANSWER_IS, NULL);
    extracts("The Answer is $5$ because it is.", "$5$", RG_X_ANSWER_IS, NULL);
    extracts("[Answer: 009] from 2003^{2002}", "009", RG_X_ANSWER_IS, NULL);
    extracts("answer is 4\nnext line", "4", RG_X_ANSWER_IS, NULL);
    extracts("the answer is **42**.", "42", RG_X_ANSWER_IS, NULL);
}

TEST(rules_5_and_6_on_request)
{
    const rg_extract_opt five = { .choices = true }, ten = { .choices = true, .last_choice = 'J' },
                         six = { .last_number = true };
    extracts("I would pick B", "", RG_X_NONE, NULL);
    extracts("I would pick (B), not C", "C", RG_X_CHOICE, &five);
    extracts("It must be H.", "H", RG_X_CHOICE, &ten);
    extracts("It must be H.", "", RG_X_NONE, &five);
    extracts("We get 12 apples and 7 pears", "7", RG_X_LAST_NUMBER, &six);
    extracts("We get 12 apples and 7 pears", "", RG_X_NONE, NULL);
    extracts("It costs -3,250.75 in all", "-3,250.75", RG_X_LAST_NUMBER, &six);
    extracts("so $x^2$ and \\(y+1\\) it is 5", "y+1", RG_X_LAST_NUMBER, &six);
    extracts("no number", "", RG_X_NONE, &six);
}

TEST(tags_and_thoughts_are_put_aside)
{
    extracts("<think>\\boxed{1}</think> \\boxed{2}", "2", RG_X_BOXED, NULL);
    extracts("<think>\\boxed{1}</think> nothing", "", RG_X_NONE, NULL);
    extracts("Step 1 \u043a\u0438\nthe answer is 5 \u043a\u0438", "5", RG_X_ANSWER_IS, NULL);
    extracts("\\boxed{6}<extra_0>", "6", RG_X_BOXED, NULL);
}

static void vote(const char *a, const char *b, bool same)
{
    rg_buf x = RG_BUF_MAX(1 << 20), y = RG_BUF_MAX(1 << 20);
    CHECK(rg_canon(&x, rg_str_of(a)) && rg_canon(&y, rg_str_of(b)));
    if (rg_str_eq(rg_buf_view(&x), rg_buf_view(&y)) != same)
        fail_msg("%s -> %s\n%s -> %s", a, x.p, b, y.p);
    rg_buf_free(&x);
    rg_buf_free(&y);
}

TEST(equal_answers_are_one_vote)
{
    static const char *const same[][2] = {
        { "\\frac{7}{20}", "0.35" },
        { "1,234", "1234.0" },
        { "x=5", "5" },
        { "90^\\circ", "90" },
        { "\\sqrt{117}", "3\\sqrt{13}" },
        { "\\sqrt{6+2\\sqrt5}", "1+\\sqrt5" },
        { "(x+1)^2", "x^2+2x+1" },
        { "1\\pm\\sqrt2", "1+\\sqrt2,1-\\sqrt2" },
        { "\\{3,1,2\\}", "1,2,3" },
        { "x>3", "(3,\\infty)" },
        { "\\text{Evelyn}", "evelyn." },
        { "\\text{(C)}", "C" },
        { "C) 12", "(C)" },
        { "28\\%", "28" },
        { "(1+\\sqrt5)(1-\\sqrt5)", "-4" },
        { "52_8", "52_{8}" },
        { "no solution", "\\emptyset" },
        { "\\mathbb{R}", "(-\\infty,\\infty)" },
        { "7i-2", "-2+7i" },
        { "seven", "7" },
        { "5x - 7y + 11z + 4 = 0", "-10x+14y-22z=8" },
        { "\\cos^2 x+\\sin^2 x", "1\\cdot x^0" },
        { "\\begin{pmatrix}1\\\\2\\end{pmatrix}", "\\begin{bmatrix}1\\\\2\\end{bmatrix}" },
    };
    static const char *const other[][2] = {
        { "1,2", "1.2" },
        { "(1,2)", "(2,1)" },
        { "[0,1)", "(0,1)" },
        { "\\sqrt2", "1.41421356237" },
        { "A", "B" },
        { "52_8", "52" },
        { "x+1", "y+1" },
        { "x^2", "x^3" },
        { "\\text{even}", "odd" },
        { "100000", "100001" },
        { "\\begin{pmatrix}1\\\\2\\end{pmatrix}", "\\begin{pmatrix}1&2\\end{pmatrix}" },
        { "1+\\sqrt2", "1\\pm\\sqrt2" },
        { "2x+y=1", "2x+y=2" },
        { "x>3", "x\\ge3" },
        { "-5", "5" },
    };
    for (size_t i = 0; i < COUNT(same); i++)
        vote(same[i][0], same[i][1], true);
    for (size_t i = 0; i < COUNT(other); i++)
        vote(other[i][0], other[i][1], false);
    rg_buf b = RG_BUF_MAX(16);
    CHECK(!rg_canon(&b, rg_str_of("  ")));
}

TEST(canonical_forms_are_what_the_page_says)
{
    static const char *const want[][2] = {
        { "\\frac{14}{40}", "q:7/20" },
        { "-3", "q:-3" },
        { "\\sqrt{3}", "r:1.73205080757" },
        { "2+3i\\sqrt2", "c:2.00000000000,4.24264068712" },
        { "East", "w:east" },
        { "(B)", "l:B" },
        { "2,1", "{q:1;q:2}" },
        { "(1,2]", "(q:1;q:2]" },
        { "?!", "t:?!" },
    };
    for (size_t i = 0; i < COUNT(want); i++) {
        rg_buf b = RG_BUF_MAX(1 << 16);
        CHECK(rg_canon(&b, rg_str_of(want[i][0])));
        assert_string_equal(b.p, want[i][1]);
        rg_buf_free(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule_1_minerva),
        cmocka_unit_test(rule_2_boxes),
        cmocka_unit_test(rule_3_hashes),
        cmocka_unit_test(rule_4_answer_is),
        cmocka_unit_test(rules_5_and_6_on_request),
        cmocka_unit_test(tags_and_thoughts_are_put_aside),
        cmocka_unit_test(equal_answers_are_one_vote),
        cmocka_unit_test(canonical_forms_are_what_the_page_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
