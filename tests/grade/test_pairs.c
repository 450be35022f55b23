/* test_pairs.c - properties over the golds of the public data sets, the published flags of 480
 * responses, hostile inputs, speed and memory. */
#include "test.h"

#include <jansson.h>
#include <time.h>
#include <unistd.h>

#include "rung/base/mem.h"
#include "rung/base/rng.h"
#include "rung/format/records.h"
#include "rung/grade/grade.h"
#include "../../src/grade/grade_int.h"

static const char *const sets[] = { "math/gsm8k_test_first700.jsonl",
                                    "math/math500_first300.jsonl",
                                    "math/aime24.jsonl",
                                    "math/amc23.jsonl",
                                    "math/minerva_math.jsonl",
                                    "math/svamp.jsonl",
                                    "math/olympiadbench_first400.jsonl",
                                    "math/math_train_problems_answers.json" };

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static rg_problems *load(const char *rel)
{
    const char *path = test_data(rel);
    rg_problems *p = NULL;
    rg_err e = RG_ERR_INIT;
    if (path)
        OK(rg_problems_read(&p, path, NULL, 0, SIZE_MAX, &e), e);
    return p;
}

/* All golds of the data folder; NULL when there is none. */
static rg_str *golds(size_t *n, rg_problems **own)
{
    rg_str *v = calloc(16384, sizeof *v);
    *n = 0;
    for (size_t i = 0; i < COUNT(sets); i++) {
        own[i] = load(sets[i]);
        for (size_t k = 0; own[i] && k < rg_problems_n(own[i]); k++)
            if (rg_problems_at(own[i], k)->gold)
                v[(*n)++] = rg_str_of(rg_problems_at(own[i], k)->gold);
    }
    return v;
}

static void drop(rg_str *v, rg_problems **own)
{
    for (size_t i = 0; i < COUNT(sets); i++)
        rg_problems_free(own[i]);
    free(v);
}

/* The same answer behind another spelling that must not matter. */
static void respell(rg_buf *b, rg_str s)
{
    rg_buf_clear(b);
    rg_buf_puts(b, "\\displaystyle ");
    rg_buf_str(b, s);
    if (!rg_str_ends(s, "."))
        rg_buf_puts(b, ".");
}

TEST(every_gold_equals_itself)
{
    rg_problems *own[COUNT(sets)];
    size_t n, parsed = 0;
    rg_str *v = golds(&n, own);
    rg_buf b = RG_BUF_MAX(1 << 20), c1 = RG_BUF_MAX(1 << 20), c2 = RG_BUF_MAX(1 << 20);
    for (size_t i = 0; i < n; i++) {
        CHECK(rg_grade(v[i], v[i], NULL).verdict == RG_EQUAL);
        respell(&b, v[i]);
        const rg_grading r = rg_grade(v[i], rg_buf_view(&b), NULL);
        if (r.verdict != RG_EQUAL)
            fail_msg("%.*s: %s by %s", (int)v[i].n, v[i].p, rg_verdict_name(r.verdict), r.rule);
        rg_buf_clear(&c1);
        rg_buf_clear(&c2);
        CHECK(rg_canon(&c1, v[i]) && rg_canon(&c2, rg_buf_view(&b)));
        if (!rg_str_eq(rg_buf_view(&c1), rg_buf_view(&c2)))
            fail_msg("%s | %s", c1.p, c2.p);
        parsed += !rg_str_starts(rg_buf_view(&c1), "t:");
        if (getenv("RUNG_SHOW") && rg_str_starts(rg_buf_view(&c1), "t:"))
            print_message("unparsed: %.*s -> %s\n", (int)v[i].n, v[i].p, c1.p);
    }
    print_message("[  NOTE    ] %zu golds, %zu of a known type\n", n, parsed);
    rg_buf_free(&b);
    rg_buf_free(&c1);
    rg_buf_free(&c2);
    drop(v, own);
    if (n == 0)
        skip();
    CHECK(parsed >= n * 98 / 100);
}

/* gold_i against gold_j: only true coincidences may be equal. */
TEST(different_golds_differ)
{
    rg_problems *own[COUNT(sets)];
    size_t n, equal = 0, undecided = 0, pairs = 0, votes = 0;
    rg_str *v = golds(&n, own);
    if (n == 0) {
        drop(v, own);
        skip();
        return;
    }
    rg_buf a = RG_BUF_MAX(1 << 20), b = RG_BUF_MAX(1 << 20);
    for (uint64_t k = 0; pairs < 20000; k++) {
        const rg_str g = v[rg_draw_u64(1, 2 * k, RG_DRAW_NOISE) % n];
        const rg_str p = v[rg_draw_u64(1, 2 * k + 1, RG_DRAW_NOISE) % n];
        rg_buf_clear(&a);
        rg_buf_clear(&b);
        rg__clean(&a, g);
        rg__clean(&b, p);
        if (rg_str_eq(rg_buf_view(&a), rg_buf_view(&b)))
            continue;
        pairs++;
        const rg_grading r = rg_grade(g, p, NULL);
        undecided += r.verdict == RG_UNDECIDED;
        equal += r.verdict == RG_EQUAL;
        if (r.verdict == RG_EQUAL)
            print_message("[  NOTE    ] equal by %s: %s | %s\n", r.rule, a.p, b.p);
        if (r.verdict == RG_UNDECIDED)
            print_message("[  NOTE    ] undecided by %s: %s | %s\n", r.rule, a.p, b.p);
        rg_buf_clear(&a);
        rg_buf_clear(&b);
        rg_canon(&a, g);
        rg_canon(&b, p);
        votes += rg_str_eq(rg_buf_view(&a), rg_buf_view(&b)) && r.verdict != RG_EQUAL;
    }
    print_message("[  NOTE    ] %zu pairs, %zu equal, %zu undecided, %zu joint votes of unequal answers\n",
                  pairs, equal, undecided, votes);
    rg_buf_free(&a);
    rg_buf_free(&b);
    drop(v, own);
    CHECK(equal <= 10);
    CHECK(votes == 0);
}

static bool is_integer_text(const char *s)
{
    rg_buf b = RG_BUF_MAX(1 << 16);
    rg__clean(&b, rg_str_of(s));
    size_t i = b.n && b.p[0] == '-' ? 1 : 0;
    bool ok = b.n > i;
    for (; i < b.n; i++)
        ok = ok && b.p[i] >= '0' && b.p[i] <= '9';
    rg_buf_free(&b);
    return ok;
}

TEST(gsm8k_golds_are_integers)
{
    rg_problems *p = load("math/gsm8k_train.jsonl"), *q = load("math/gsm8k_test_first700.jsonl");
    if (p == NULL || q == NULL) {
        skip();
        return;
    }
    for (size_t i = 0; i < rg_problems_n(p); i++)
        if (!is_integer_text(rg_problems_at(p, i)->gold))
            fail_msg("%s", rg_problems_at(p, i)->gold);
    for (size_t i = 0; i < rg_problems_n(q); i++)
        CHECK(is_integer_text(rg_problems_at(q, i)->gold));
    rg_problems_free(p);
    rg_problems_free(q);
}

/* Section 16.7: 60 problems with 8 responses each and the flags of the published evaluation. */
TEST(published_flags_of_480_responses)
{
    const char *path = test_data("math/math_cot_first60.jsonl");
    FILE *f = path ? fopen(path, "r") : NULL;
    if (!f) {
        skip();
        return;
    }
    size_t n = 0, agree = 0;
    rg_buf b = RG_BUF_MAX(1 << 20);
    for (json_t *j; (j = json_loadf(f, JSON_DISABLE_EOF_CHECK, NULL)) != NULL; json_decref(j)) {
        const char *gold = json_string_value(json_object_get(j, "gt"));
        const json_t *responses = json_object_get(j, "response"), *flags = json_object_get(j, "score");
        for (size_t i = 0; i < json_array_size(responses); i++, n++) {
            rg_buf_clear(&b);
            rg_extract(&b, rg_str_of(json_string_value(json_array_get(responses, i))), NULL);
            const rg_grading r = rg_grade(rg_str_of(gold), rg_buf_view(&b), NULL);
            const bool want = json_is_true(json_array_get(flags, i));
            agree += want == (r.verdict == RG_EQUAL);
            if (want != (r.verdict == RG_EQUAL))
                print_message("[  NOTE    ] gold %s, answer %s: %s by %s, published %s\n", gold,
                              b.n ? b.p : "(none)", rg_verdict_name(r.verdict), r.rule,
                              want ? "right" : "wrong");
        }
    }
    fclose(f);
    rg_buf_free(&b);
    print_message("[  NOTE    ] %zu of %zu flags agree\n", agree, n);
    assert_int_equal(n, 480);
    CHECK(agree * 100 >= n * 97); /* measured: 480 of 480 */
}

static char *repeat(const char *s, size_t times, const char *end)
{
    rg_buf b = RG_BUF_MAX(1 << 24);
    for (size_t i = 0; i < times; i++)
        rg_buf_puts(&b, s);
    rg_buf_puts(&b, end);
    return rg_buf_take(&b);
}

static double slowest;

static void quick(const char *gold, const char *pred)
{
    rg_buf b = RG_BUF_MAX(1 << 24);
    const double t = seconds();
    rg_grade_texts(rg_str_of(gold), rg_str_of(pred), NULL);
    rg_canon(&b, rg_str_of(pred));
    rg_buf_free(&b);
    const double dt = seconds() - t;
    slowest = dt > slowest ? dt : slowest;
    if (dt > 1.0)
        fail_msg("%.2f s for %.40s | %.40s", dt, gold, pred);
}

TEST(hostile_answers_end_quickly)
{
    static const char *const fixed[] = {
        "2003^{2002^{2001}}",
        "9^{9^{9^{9^{9^{9}}}}}",
        "10^{10^{10}}",
        "1e999999999",
        "1e10000",
        "0.1^{-10^{9}}",
        "10000!",
        "9999!!!",
        "(10000!)!",
        "\\binom{10000}{5000}",
        "\\binom{n}{10000}",
        "99999999999!",
        "\\sqrt[1000000000]{2}",
        "e^{e^{e^{e^{e}}}}",
        "\\sin(10^{300})",
        "\\sin(10^{10^{300}})",
        "1/0",
        "0/0",
        "0^0",
        "\\lfloor 10^{5000} \\rfloor",
        "\\ln(0)",
        "\\tan(\\pi/2)",
        "x^{x^{x^{x^{x}}}}",
        "((((((((((",
        "\\frac{\\frac{\\frac{1}{2}",
        "\\boxed{\\boxed{\\boxed{",
        "\\text{",
        "\\begin{pmatrix}1&2\\\\3",
        "$$$$$",
        "\\left\\left\\right",
        "\\overline{",
        "0.\\overline{}",
        "1_{",
        "x_{",
        "x_",
        "^",
        "_",
        "\\",
        "\\\\",
        "{,}",
        "1{,}",
        ",,,",
        "-",
        "+-+-",
        "|||||",
        "\xff\xfe\xc3",
        "5!5",
        "a^",
        "\\sqrt[",
        "\\sqrt[]{}",
        "\\log_{}{}",
        "\\frac{1}{3}^{10000}",
        "(1+\\sqrt2)^{100000}",
        "\\gcd(10^{4000},10^{4001})",
        "3\\pm\\pm\\pm1",
        "\\cos(\\cos(\\cos(\\cos(x))))",
        "1\\le x\\le y\\le z\\le w\\le v",
        "f(",
        "f(x)=",
        "=",
        "<",
        "x<",
        "\\in",
        "\\,",
        "$$",
        "\001",
        "\\displaystyle",
        "a</think>",
        " ",
    };
    for (size_t i = 0; i < COUNT(fixed); i++) {
        quick(fixed[i], "7");
        quick("\\sqrt{2}", fixed[i]);
        quick("x+1", fixed[i]);
        quick(fixed[i], fixed[(i + 1) % COUNT(fixed)]);
    }
    static const char *const parts[] = { "(",
                                         "{",
                                         "[",
                                         "\\frac{1}{",
                                         "\\sqrt{",
                                         "-",
                                         "1+",
                                         "x^",
                                         "\\sin ",
                                         "|",
                                         "\\{",
                                         "9",
                                         "1,",
                                         "\\boxed{",
                                         "x!",
                                         "2^{",
                                         "\\begin{pmatrix}",
                                         "\\text{",
                                         "a ",
                                         "$",
                                         "\\pm1",
                                         "10000!+\\sqrt2,",
                                         "9^{80000}+",
                                         "9999^{9999}+\\pi,",
                                         "\\frac{1}{9^{9999}}+",
                                         "\\binom{9999}{5000},",
                                         "\\sin x,",
                                         "\\binom{",
                                         "1/",
                                         "x\\cup",
                                         "\\left(",
                                         "answer is ",
                                         "</think>" };
    for (size_t i = 0; i < COUNT(parts); i++)
        for (size_t bytes = 1000; bytes <= 1000000; bytes *= 10) {
            char *s = repeat(parts[i], bytes / strlen(parts[i]), "1");
            char *t = repeat(parts[i], bytes / strlen(parts[i]), "2");
            quick("x+1", s);
            quick(s, t);
            rg_free(s);
            rg_free(t);
        }
    print_message("[  NOTE    ] slowest hostile pair: %.0f ms\n", 1e3 * slowest);
}

static long resident_pages(void)
{
    long size, pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f) {
        if (fscanf(f, "%ld %ld", &size, &pages) != 2)
            pages = 0;
        fclose(f);
    }
    return pages;
}

#if defined(__SANITIZE_ADDRESS__)
enum { GROWTH_MAX = 1 << 20 }; /* the sanitizer keeps freed memory */
#else
enum { GROWTH_MAX = 256 }; /* pages; measured: 16 */
#endif

/* 100,000 comparisons of all types: no growth, and how fast. */
TEST(a_hundred_thousand_comparisons)
{
    static const char *const v[] = { "\\frac{7}{20}",
                                     "0.35",
                                     "3\\sqrt{13}",
                                     "\\sqrt{117}",
                                     "x^2+2x+1",
                                     "(x+1)^2",
                                     "(-\\infty,-8)\\cup(8,\\infty)",
                                     "\\{1\\pm\\sqrt5,-2\\}",
                                     "18",
                                     "1,234",
                                     "\\begin{pmatrix}1\\\\2\\end{pmatrix}",
                                     "x=5",
                                     "\\text{east}",
                                     "28\\%" };
    const double t = seconds();
    long before = 0;
    for (size_t i = 0; i < 100000; i++) {
        if (i == 20000)
            before = resident_pages();
        rg_grade(rg_str_of(v[i % COUNT(v)]), rg_str_of(v[(i / COUNT(v)) % COUNT(v)]), NULL);
    }
    const double dt = seconds() - t;
    const long grown = resident_pages() - before;
    print_message("[  NOTE    ] %.0f mixed comparisons/s, resident pages grown by %ld\n", 100000 / dt, grown);
    CHECK(grown < GROWTH_MAX);
    rg_grade_thread_end();
}

/* Memory that runs out anywhere may cost the verdict, never turn it into another one. */
TEST(every_allocation_may_fail)
{
#ifndef RG_TORTURE
    print_message("[  NOTE    ] this build cannot refuse allocations: meson setup -Dtorture=true\n");
    skip();
#endif
    static const char *const pairs[][2] = {
        { "\\{1\\pm\\sqrt5,-2\\}", "-2,1-\\sqrt5,1+\\sqrt5" },
        { "\\text{even}", "odd" },
        { "(-\\infty,-8)\\cup(8,\\infty)", "x<-8 \\text{ or } x>8" },
        { "18", "\\boxed{19}" },
    };
    for (size_t i = 0; i < COUNT(pairs); i++) {
        const rg_str g = rg_str_of(pairs[i][0]), p = rg_str_of(pairs[i][1]);
        const rg_verdict want = rg_grade_texts(g, p, NULL).verdict;
        rg_alloc_fail_at(-1);
        for (long k = 0, asked = 1; asked > k; k++) {
            rg_buf b = RG_BUF_MAX(1 << 20);
            rg_alloc_fail_at(k);
            const rg_verdict v = rg_grade_texts(g, p, NULL).verdict;
            rg_canon(&b, p);
            asked = rg_alloc_fail_at(-1);
            CHECK(v == want || v == RG_UNDECIDED || v == RG_NO_ANSWER);
            rg_buf_free(&b);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_gold_equals_itself),    cmocka_unit_test(different_golds_differ),
        cmocka_unit_test(gsm8k_golds_are_integers),    cmocka_unit_test(published_flags_of_480_responses),
        cmocka_unit_test(hostile_answers_end_quickly), cmocka_unit_test(a_hundred_thousand_comparisons),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
