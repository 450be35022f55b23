/* test_compare.c - the table of section 16.5, row by row, and what must hold for all pairs. */
#include "test.h"

#include "rung/grade/grade.h"

#define NBSP " "

typedef struct row {
    int id;
    const char *gold, *pred;
    rg_verdict want;
} row;

static const row table[] = {
    { 1, "\\frac{7}{20}", "0.35", RG_EQUAL },
    { 2, "\\frac 59", "\\dfrac{5}{9}", RG_EQUAL },
    { 3, "\\frac{270}7\\text{ degrees}", "\\frac{270}{7}", RG_EQUAL },
    { 4, "1\\frac{4}{5}", "9/5", RG_EQUAL },
    { 5, "137 \\frac{1}{2}", "137.5", RG_EQUAL },
    { 6, "11,111,111,100", "11{,}111{,}111{,}100", RG_EQUAL },
    { 7, "58,500", "58 500", RG_EQUAL },
    { 8, "1,2", "1.2", RG_DIFFERENT },
    { 9, "025", "\\boxed{25}", RG_EQUAL },
    { 10, "27.0", "27", RG_EQUAL },
    { 11, "100000", "100001", RG_DIFFERENT },
    { 12, "90^\\circ", "90", RG_EQUAL },
    { 13, "90^\\circ", "\\frac{\\pi}{2}", RG_DIFFERENT },
    { 14, "15\\mbox{ cm}^2", "15", RG_EQUAL },
    { 15, "864 \\mbox{ inches}^2", "864 in^2", RG_EQUAL },
    { 16, "\\$18.90", "18.9", RG_EQUAL },
    { 17, "5.4 \\text{ cents}", "\\$0.054", RG_DIFFERENT },
    { 18, "28\\%", "0.28", RG_EQUAL },
    { 19, "28", "0.28", RG_DIFFERENT },
    { 20, "5", "500", RG_DIFFERENT },
    { 21, "\\text{(C)}", "C", RG_EQUAL },
    { 22, "\\text{Evelyn}", "evelyn.", RG_EQUAL },
    { 23, "\\text{even}", "odd", RG_DIFFERENT },
    { 24, "52_8", "52_{8}", RG_EQUAL },
    { 25, "52_8", "52", RG_DIFFERENT },
    { 26, "x=5", "5", RG_EQUAL },
    { 27, "2x+z=1", "1", RG_DIFFERENT },
    { 28, "y = 2x + 3", "2x+3", RG_EQUAL },
    { 29, "5x - 7y + 11z + 4 = 0", "-10x+14y-22z=8", RG_EQUAL },
    { 30, "3x-y+13=0", "3x+4y+14=0", RG_DIFFERENT },
    { 31, "\\left( 3, \\frac{\\pi}{2} \\right)", "(3, \\pi/2)", RG_EQUAL },
    { 32, "(3,\\frac{\\pi}{2})", "(\\frac{\\pi}{2},3)", RG_DIFFERENT },
    { 33, "[0,1)", "(0,1)", RG_DIFFERENT },
    { 34, "(-\\infty,-8)\\cup(8,\\infty)", "x<-8 \\text{ or } x>8", RG_EQUAL },
    { 35, "(1,2)", "x^2-3x+2<0", RG_DIFFERENT },
    { 36, "\\{1\\pm\\sqrt{5},-2\\}", "-2,\\;1-\\sqrt5,\\;1+\\sqrt5", RG_EQUAL },
    { 37, "1 \\pm \\sqrt{19}", "1+\\sqrt{19}", RG_DIFFERENT },
    { 38, "-2,1", "1,-2", RG_EQUAL },
    { 39, "\\begin{pmatrix}-1/3\\\\2/3\\\\5/3\\end{pmatrix}",
      "\\begin{bmatrix}-\\frac13\\\\ \\frac23\\\\ \\frac53\\end{bmatrix}", RG_EQUAL },
    { 40, "\\begin{pmatrix}1\\\\2\\end{pmatrix}", "\\begin{pmatrix}1&2\\end{pmatrix}", RG_DIFFERENT },
    { 41, "3\\sqrt{13}", "\\sqrt{117}", RG_EQUAL },
    { 42, "\\frac{\\sqrt3}{3}", "\\frac{1}{\\sqrt{3}}", RG_EQUAL },
    { 43, "\\sqrt{6+2\\sqrt5}", "1+\\sqrt5", RG_EQUAL },
    { 44, "\\frac{1}{3}", "0.333", RG_DIFFERENT },
    { 44, "\\frac{1}{3}", "0.33333", RG_EQUAL },
    { 45, "2", "\\frac{1+\\sqrt5}{2}", RG_DIFFERENT },
    { 46, "4", "4\\sqrt(2)", RG_DIFFERENT },
    { 47, "1-\\frac{1}{\\mathrm{e}}", "1+\\frac{1}{\\mathrm{e}}", RG_DIFFERENT },
    { 48, "\\sec^2(y)", "\\tan^2 y+1", RG_EQUAL },
    { 49, "\\sqrt{\\frac1n}", "\\frac{1}{\\sqrt n}", RG_EQUAL },
    { 50, "x^2+2x+1", "(x+1)^2", RG_EQUAL },
    { 51, "(a+5)(b+2)", "(+5)(b+2)", RG_DIFFERENT },
    { 52, "-2+7i", "7i-2", RG_EQUAL },
    { 53, "6.02\\times10^{23}", "6.02e23", RG_EQUAL },
    { 54, "\\frac67", "0.\\overline{857142}", RG_EQUAL },
    { 55, "\\binom{10}{3}", "120", RG_EQUAL },
    { 56, "\\emptyset", "no solution", RG_EQUAL },
    { 57, "\\mathbb{R}", "(-\\infty,\\infty)", RG_EQUAL },
    { 58, "x \\in [-2,7]", "[-2,7]", RG_EQUAL },
    { 59, "f(x)=x^2+1", "x^2+1", RG_EQUAL },
    { 60, "3:4", "6 : 8", RG_EQUAL },
    { 61, "5", "... so \\boxed{3}. Wait, that is wrong ... \\boxed{5}", RG_EQUAL },
    { 62, "840", "... \\boxed{840}., but ... **Final Answer** \\boxed{840}", RG_EQUAL },
    { 63, "\\frac{\\sqrt3}{2}", "\\boxed{\\frac{\\sqrt{3}}{2}}", RG_EQUAL },
    { 64, "\\frac34", "... \\boxed{\\frac{3}{4", RG_NO_ANSWER },
    { 65, "\\frac34", "The final answer is $\\frac{3}{4}$. I hope it is correct.", RG_EQUAL },
    { 66, "1234", "...= 1,234\n#### 1,234", RG_EQUAL },
    { 67, "9", "[Answer: 009] from 2003^{2002^{2001}}", RG_EQUAL },
    { 68, "\\sqrt2/2", "\u221a2/2", RG_EQUAL },
    { 69, "-5", "\u22125", RG_EQUAL },
    { 70, "5,-5", "\\boxed{x = 5 \\text{ or } x = -5}", RG_EQUAL },
    { 0 }
};

/* Cases of our own: what users write and what a careless grader would accept. */
static const row more[] = {
    { 101, "12", "12 \\text{ cm}", RG_EQUAL },
    { 102, "18", "18 dollars", RG_EQUAL },
    { 103, "18", "$18.00", RG_EQUAL },
    { 104, "1,000", "1000", RG_EQUAL },
    { 105, "(1,200)", "1200", RG_DIFFERENT },
    { 106, "\\{1,2,3\\}", "3,2,1", RG_EQUAL },
    { 107, "\\{1,2,3\\}", "1,2,2", RG_DIFFERENT },
    { 108, "2^{100000}", "2^{100000}+1", RG_DIFFERENT },
    { 109, "e^{\\pi\\sqrt{163}}", "262537412640768744", RG_DIFFERENT },
    { 110, "|x|", "x", RG_DIFFERENT },
    { 111, "\\lceil n/2\\rceil", "\\lfloor (n+1)/2\\rfloor", RG_EQUAL },
    { 112, "\\lfloor x\\rfloor", "x", RG_DIFFERENT },
    { 113, "x>3", "(3,\\infty)", RG_EQUAL },
    { 114, "x\\ge3", "(3,\\infty)", RG_DIFFERENT },
    { 115, "-2<x\\leq7", "(-2,7]", RG_EQUAL },
    { 116, "x > -2 \\text{ and } x < 7", "(-2,7)", RG_EQUAL },
    { 117, "x=2,y=3", "x=3,y=2", RG_DIFFERENT },
    { 118, "x=5", "y=5", RG_DIFFERENT },
    { 119, "2\\text{ hours and }30\\text{ minutes}", "2.5", RG_DIFFERENT },
    { 120, "3{:}30 \\text{ PM}", "3{:}30 \\text{ AM}", RG_DIFFERENT },
    { 121, "\\sin 30^\\circ", "\\frac12", RG_EQUAL },
    { 122, "\\log_2 8", "3", RG_EQUAL },
    { 123, "\\sqrt[3]{-8}", "-2", RG_EQUAL },
    { 124, "\\pi", "3.14159", RG_EQUAL },
    { 125, "\\pi", "3.14", RG_DIFFERENT },
    { 126, "A", "B", RG_DIFFERENT },
    { 127, "C", "(C) 12", RG_EQUAL },
    { 128, "C", "\\textbf{(C)}", RG_EQUAL },
    { 129, "7", "seven", RG_EQUAL },
    { 130, "f(x)+f(y)", "f(x+y)", RG_DIFFERENT },
    { 131, "1000000.4", "1000000", RG_DIFFERENT },
    { 132, "\\frac{1}{2}", "50\\%", RG_EQUAL },
    { 133, "x_{1}+x_2", "x_2+x_1", RG_EQUAL },
    { 134, "2x > 6", "x > 3", RG_EQUAL },
    { 135, "2x > 6", "x < 3", RG_DIFFERENT },
    { 136, "-x < -3", "x > 3", RG_EQUAL },
    { 137, "1/0", "5", RG_UNDECIDED },
    { 138, "3^{3^{3^{3^3}}}", "7", RG_UNDECIDED },
    { 139, "10!", "3628800", RG_EQUAL },
    { 140, "y=2x+3", "f(x)=2x+3", RG_EQUAL },
    { 141, "2\\sqrt{3}", "\u221a12", RG_EQUAL },
    { 142, "(1,2)", "1,2", RG_DIFFERENT },
    { 143, "(1,2),(3,4)", "(3,4),(1,2)", RG_EQUAL },
    { 144, "1\u00bd", "1.5", RG_EQUAL },
    { 145, "x^{10}", "x^10", RG_EQUAL },
    { 146, "4", "4 or 5", RG_DIFFERENT },
    { 147, "\\frac{x^2-1}{x-1}", "x+1", RG_EQUAL },
    { 148, "12\\pi", "12", RG_DIFFERENT },
    { 149, "10{,}080", "10,\\!080", RG_EQUAL },
    { 151, "0", "1.39e-10", RG_DIFFERENT },
    { 152, "1.39e-10", "0", RG_DIFFERENT },
    { 153, "x'+x", "x+x'", RG_EQUAL },
    { 154, "x'+x", "2x", RG_DIFFERENT },
    { 155, "\\dot{x}t", "xt", RG_DIFFERENT },
    { 156, "\\cos 60^\\circ", "0.5", RG_EQUAL },
    { 157, "7:30", "7:30 \\text{ AM}", RG_DIFFERENT },
    { 158, "A,B,C", "C,B,A", RG_EQUAL },
    { 159, "\\{x \\mid x > 0\\}", "(0,\\infty)", RG_EQUAL },
    { 160, "\\frac{\\sqrt2}{2}", "0.71", RG_DIFFERENT },
    { 161, "x=1", "x^2=1", RG_DIFFERENT },
    { 162, "y = -\\frac{1}{2}x + 3", "x+2y=6", RG_EQUAL },
    { 163, "n!", "n(n-1)!", RG_EQUAL },
    { 164, "\\frac{x}{|x|}", "1", RG_DIFFERENT },
    { 165, "\\frac{5}{2}", "\\frac{5}{2}\\text{ meters per second}", RG_EQUAL },
    { 166, "3\\sqrt{2}", "3\\sqrt{2} meters per second", RG_EQUAL },
    { 167, "2", "3\\sqrt{2} meters per second", RG_DIFFERENT },
    { 168, "\\begin{pmatrix}1\\\\2\\end{pmatrix},\\begin{pmatrix}3\\\\4\\end{pmatrix}",
      "\\begin{pmatrix}3\\\\4\\end{pmatrix},\\begin{pmatrix}1\\\\2\\end{pmatrix}", RG_EQUAL },
    { 169, "18", "She makes 18 dollars every day", RG_EQUAL },
    { 170, "12", "We get 12 apples and then 7 pears", RG_DIFFERENT },
    { 150, "\\text{A}", "\\text{a}", RG_DIFFERENT },
};

static int run(const row *v, size_t n)
{
    int bad = 0;
    for (size_t i = 0; i < n && v[i].gold; i++) {
        const rg_grading r = rg_grade_texts(rg_str_of(v[i].gold), rg_str_of(v[i].pred), NULL);
        if (r.verdict != v[i].want) {
            print_message("row %d: %s | %s: %s by %s, want %s\n", v[i].id, v[i].gold, v[i].pred,
                          rg_verdict_name(r.verdict), r.rule, rg_verdict_name(v[i].want));
            bad++;
        }
    }
    return bad;
}

TEST(the_table_of_the_specification)
{
    assert_int_equal(run(table, COUNT(table)), 0);
}

TEST(more_cases)
{
    assert_int_equal(run(more, COUNT(more)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_of_the_specification),
        cmocka_unit_test(more_cases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
