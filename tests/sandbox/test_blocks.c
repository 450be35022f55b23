/* Blocks as a verifier runs them: state, limits, output, seeds, threads, cancelling, the cache,
 * a thousand in a row, and how long one takes.  Every case of the specification's list that is
 * not an escape (test_escape.c) stands here. */
#include "box.h"

#include <pthread.h>

static rg_sandbox_opt quick(void)
{
    rg_sandbox_opt o = RG_SANDBOX_DEFAULTS;
    o.cpu_ms = 1000;
    return o;
}

/* ---- one block each ---- */

typedef struct one {
    const char *name, *code;
    rg_ran_status status;
    const char *out, *type, *message; /* NULL = any; message: contained */
} one;

static const one ONES[] = {
    { "arithmetic", "print(6*7)", RG_RAN_OK, "42\n", "", NULL },
    { "sympy is warm", "from sympy import *\nx = symbols('x')\nprint(integrate(x**2, (x, 0, 3)))", RG_RAN_OK,
      "9\n", "", NULL },
    { "a last expression is not printed", "1 + 1", RG_RAN_OK, "", "", NULL },
    { "exception after output", "print(1)\n1/0", RG_RAN_ERROR, "1\n", "ZeroDivisionError",
      "division by zero" },
    { "syntax error", "def f(:", RG_RAN_ERROR, "", "SyntaxError", "line 1" },
    { "no code", "  \n# only words\n", RG_RAN_NO_CODE, "", "", NULL },
    { "Unicode", "print('π ≈ 3, ∀x 😀')", RG_RAN_OK, "π ≈ 3, ∀x 😀\n", "", NULL },
    { "a lone surrogate", "print('a\\udc80b')", RG_RAN_OK, "a\\udc80b\n", "", NULL },
    { "control characters go", "print('a\\x1b[31mb\\x00c\\rd\\x07\\tE')", RG_RAN_OK, "a[31mbcd\tE\n", "",
      NULL },
    { "code that is not UTF-8", "print('\xff')", RG_RAN_ERROR, "", "UnicodeDecodeError", NULL },
    { "deep recursion", "def f(n): return f(n + 1)\nf(0)", RG_RAN_ERROR, "", "RecursionError", NULL },
    { "deep nesting", "eval('(' * 5000 + ')' * 5000)", RG_RAN_ERROR, "", NULL, NULL },
    { "memory", "x = [0] * 10**9", RG_RAN_OOM, "", "MemoryError", NULL },
    { "endless loop", "print('a')\nwhile True: pass", RG_RAN_TIMEOUT, "a\n", "", "time" },
    { "os is not on the list", "import os", RG_RAN_BLOCKED, "", "ImportError", "available are" },
    { "nor a module inside it", "import os.path as p", RG_RAN_BLOCKED, "", "ImportError", "'os'" },
    { "a refusal that was caught is none", "try:\n    import os\nexcept ImportError: print('no os')",
      RG_RAN_OK, "no os\n", "", NULL },
    { "a module that is not installed", "import networkx.no_such_part", RG_RAN_ERROR, "", NULL, NULL },
    { "reading a file of the system", "open('/etc/passwd')", RG_RAN_BLOCKED, "", "PermissionError",
      "work directory" },
    { "files of its own", "with open('a', 'w') as f: f.write('hi')\nprint(open('a').read())", RG_RAN_OK,
      "hi\n", "", NULL },
    { "input()", "input('?')", RG_RAN_BLOCKED, "", "EOFError", "nobody" },
    { "sleep", "import time\ntime.sleep(100)", RG_RAN_ERROR, "", "RuntimeError", "sleep" },
    { "dataclasses and typing",
      "from dataclasses import dataclass\nfrom typing import List\n@dataclass\nclass P:\n    x: "
      "int\nprint(P(3))",
      RG_RAN_OK, "P(x=3)\n", "", NULL },
    { "name of the module", "print(__name__)", RG_RAN_OK, "__main__\n", "", NULL },
    { "no arguments", "import sys", RG_RAN_BLOCKED, "", "ImportError", NULL },
    { "a huge message", "raise ValueError('x' * 10**6)", RG_RAN_ERROR, "", "ValueError", "xxx" },
};

static bool matches(const one *c, const rg_ran *r)
{
    return r->status == c->status && (!c->out || strcmp(r->out, c->out) == 0) &&
           (!c->type || strcmp(r->type, c->type) == 0) && (!c->message || strstr(r->message, c->message));
}

TEST(one_block_each)
{
    const rg_sandbox_opt o = quick();
    rg_sandbox *b = box_open(&o);
    if (b == NULL)
        skip();
    int bad = 0;
    for (size_t i = 0; i < COUNT(ONES); i++) {
        rg_ran r;
        box_run(b, ONES[i].code, &r);
        if (!matches(&ONES[i], &r)) {
            print_message("%s: %s %s: %.200s: %.200s\n", ONES[i].name, rg_ran_status_name(r.status), r.type,
                          r.message, r.out);
            bad++;
        }
        CHECK(strlen(r.message) <= 9000);
        CHECK(r.level == 3);
        rg_ran_free(&r);
    }
    rg_sandbox_close(b);
    assert_int_equal(bad, 0);
}

/* ---- sessions ---- */

static char *said(rg_session *s, const char *code)
{
    static char text[256];
    rg_err e = RG_ERR_INIT;
    rg_ran r;
    OK(rg_session_run(s, rg_str_of(code), &r, NULL, &e), e);
    snprintf(text, sizeof text, "%s|%s|%s%s", rg_ran_status_name(r.status), r.type, r.out,
             r.fresh ? "|fresh" : "");
    rg_ran_free(&r);
    return text;
}

TEST(variables_live_from_block_to_block_and_not_beyond)
{
    rg_err e = RG_ERR_INIT;
    const rg_sandbox_opt o = quick();
    rg_sandbox *b = box_open(&o);
    if (b == NULL)
        skip();
    rg_session *s, *t;
    OK(rg_session_open(&s, b, 1, &e), e);
    OK(rg_session_open(&t, b, 1, &e), e);
    assert_string_equal(said(s, "x = 5\ndef f(): return x + 1"), "ok||");
    assert_string_equal(said(s, "1/0"), "error|ZeroDivisionError|");
    assert_string_equal(said(s, "print(f())"), "ok||6\n");
    assert_string_equal(said(s, "while True: pass"), "timeout||");
    assert_string_equal(said(s, "print(f())"), "ok||6\n"); /* the worker stopped itself */
    assert_string_equal(said(t, "print('x' in globals())"), "ok||False\n");
    assert_string_equal(said(t, "open('note', 'w').close()\nprint(1)"), "ok||1\n");
    assert_string_equal(said(s, "open('note')"), "error|FileNotFoundError|");
    assert_string_equal(said(s, "sum(range(10**12))"), "timeout||"); /* only a kill stops that */
    assert_string_equal(said(s, "print('x' in globals())"), "ok||False\n|fresh");
    rg_session_close(s);
    rg_session_close(t);
    rg_sandbox_close(b);
}

TEST(output_is_kept_from_both_ends)
{
    rg_sandbox_opt o = quick();
    o.keep_bytes = 1000;
    rg_sandbox *b = box_open(&o);
    if (b == NULL)
        skip();
    rg_ran r;
    box_run(b, "print('a' * 500 + 'm' * 5000 + 'z' * 499)", &r);
    CHECK(r.status == RG_RAN_OK && r.truncated);
    assert_int_equal(strlen(r.out), 1000 + strlen("…[truncated]"));
    CHECK(strspn(r.out, "a") == 500);
    CHECK(strstr(r.out, "a…[truncated]z") != NULL);
    rg_ran_free(&r);
    box_run(b, "for i in range(1000): print('€' * 7)", &r); /* cuts fall inside characters */
    CHECK(r.truncated && strstr(r.out, "\xEF\xBF\xBD") == NULL);
    rg_ran_free(&r);
    box_run(b, "print('x' * 999)", &r);
    CHECK(!r.truncated && strlen(r.out) == 1000);
    rg_ran_free(&r);
    box_run(b, "print('x' * 3 * 10**6)", &r);
    CHECK(r.status == RG_RAN_OUTPUT_LIMIT && r.truncated);
    rg_ran_free(&r);
    rg_sandbox_close(b);
}

TEST(the_seed_and_nothing_else_decides)
{
    rg_err e = RG_ERR_INIT;
    const rg_sandbox_opt o = quick();
    static const char code[] = "import random\nprint(random.random(), sorted({'a', 'b', 'c'}, key=hash))";
    rg_sandbox *b = box_open(&o), *c = box_open(&o);
    if (b == NULL || c == NULL)
        skip();
    char first[256];
    rg_session *s;
    OK(rg_session_open(&s, b, 7, &e), e);
    snprintf(first, sizeof first, "%s", said(s, code));
    rg_session_close(s);
    OK(rg_session_open(&s, c, 7, &e), e);
    assert_string_equal(said(s, code), first);
    rg_session_close(s);
    OK(rg_session_open(&s, c, 8, &e), e);
    assert_string_not_equal(said(s, code), first);
    rg_session_close(s);
    rg_sandbox_close(b);
    rg_sandbox_close(c);
}

TEST(a_last_expression_is_printed_on_request)
{
    rg_sandbox_opt o = quick();
    o.echo = true;
    rg_sandbox *b = box_open(&o);
    if (b == NULL)
        skip();
    rg_ran r;
    box_run(b, "from sympy import *\nx = symbols('x')\nexpand((x + 1)**2)", &r);
    assert_string_equal(r.out, "x**2 + 2*x + 1\n");
    rg_ran_free(&r);
    box_run(b, "print(1)", &r); /* None is not shown */
    assert_string_equal(r.out, "1\n");
    rg_ran_free(&r);
    rg_sandbox_close(b);
}

/* ---- the caller ---- */

TEST(the_callers_deadline_and_cancel_flag_are_kept)
{
    rg_err e = RG_ERR_INIT;
    const rg_sandbox_opt o = quick();
    rg_sandbox *b = box_open(&o);
    if (b == NULL)
        skip();
    rg_session *s;
    rg_ran r;
    OK(rg_session_open(&s, b, 1, &e), e);
    atomic_bool cancel = true;
    rg_call call = { .cancel = &cancel };
    assert_int_equal(rg_session_run(s, rg_str_of("x = 1"), &r, &call, &e), RG_ECANCEL);
    rg_err_clear(&e);
    call = (rg_call){ .deadline_ns = rg_now_ns() + 200000000 };
    const int64_t began = rg_now_ns();
    assert_int_equal(rg_session_run(s, rg_str_of("while True: pass"), &r, &call, &e), RG_ELIMIT);
    CHECK(rg_now_ns() - began < INT64_C(900000000)); /* measured: 0.25-0.3 s; the block's own limit is 1 s */
    rg_ran_free(&r);
    assert_string_equal(said(s, "print(1)"), "ok||1\n|fresh");
    rg_session_close(s);
    rg_sandbox_close(b);
}

typedef struct thread_arg {
    rg_sandbox *box;
    int number, bad;
} thread_arg;

static void *use_sessions(void *p)
{
    thread_arg *a = p;
    for (int round = 0; round < 3; round++) {
        rg_session *s;
        rg_ran r;
        char code[64], want[32];
        a->bad += rg_session_open(&s, a->box, 1, NULL) != RG_OK;
        for (int i = 0; s && i < 5; i++) {
            snprintf(code, sizeof code, "print(%d * 1000 + %d)", a->number, i);
            snprintf(want, sizeof want, "%d\n", a->number * 1000 + i);
            a->bad += rg_session_run(s, rg_str_of(code), &r, NULL, NULL) != RG_OK || strcmp(r.out, want) != 0;
            rg_ran_free(&r);
        }
        rg_session_close(s);
    }
    return NULL;
}

TEST(sessions_are_used_from_many_threads_at_once)
{
    const rg_sandbox_opt o = quick();
    rg_sandbox *b = box_open(&o);
    if (b == NULL)
        skip();
    pthread_t t[6];
    thread_arg a[6];
    for (int i = 0; i < 6; i++) {
        a[i] = (thread_arg){ b, i, 0 };
        assert_int_equal(pthread_create(&t[i], NULL, use_sessions, &a[i]), 0);
    }
    for (int i = 0; i < 6; i++) {
        pthread_join(t[i], NULL);
        assert_int_equal(a[i].bad, 0);
    }
    rg_sandbox_close(b);
}

TEST(equal_sessions_share_results_and_catch_up)
{
    rg_err e = RG_ERR_INIT;
    rg_sandbox_opt o = quick();
    o.cache = true;
    rg_sandbox *b = box_open(&o);
    if (b == NULL)
        skip();
    rg_session *s;
    rg_ran r;
    for (int round = 0; round < 2; round++) {
        OK(rg_session_open(&s, b, 1, &e), e);
        OK(rg_session_run(s, rg_str_of("x = 20"), &r, NULL, &e), e);
        CHECK(r.status == RG_RAN_OK && r.cached == (round > 0));
        rg_ran_free(&r);
        OK(rg_session_run(s, rg_str_of("x += 1; print(x)"), &r, NULL, &e), e);
        assert_string_equal(r.out, "21\n");
        CHECK(r.cached == (round > 0));
        rg_ran_free(&r);
        if (round == 1)
            assert_string_equal(said(s, "print(2 * x)"), "ok||42\n");
        rg_session_close(s);
    }
    rg_sandbox_close(b);
}

/* ---- endurance and speed ---- */

static int by_size(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* 1,000 blocks over 50 sessions: nothing is left, and a warm block is quick. */
TEST(a_thousand_blocks_in_a_row)
{
    enum { SESSIONS = 50, BLOCKS = 20 };
    rg_err e = RG_ERR_INIT;
    const rg_sandbox_opt o = quick();
    static int64_t took[SESSIONS * BLOCKS];
    const size_t none = box_processes(), descriptors = box_descriptors();
    rg_sandbox *b = box_open(&o);
    if (b == NULL)
        skip();
    const size_t processes = box_processes(), open_files = box_descriptors();
    for (size_t i = 0; i < SESSIONS; i++) {
        rg_session *s;
        OK(rg_session_open(&s, b, i, &e), e);
        for (size_t k = 0; k < BLOCKS; k++) {
            rg_ran r;
            const int64_t began = rg_now_ns();
            OK(rg_session_run(s, rg_str_of("import sympy\nprint(sympy.factorint(2**31 - 1))"), &r, NULL, &e),
               e);
            took[i * BLOCKS + k] = rg_now_ns() - began;
            assert_string_equal(r.out, "{2147483647: 1}\n");
            rg_ran_free(&r);
        }
        rg_session_close(s);
    }
    CHECK(box_back_to(processes));
    assert_int_equal(box_descriptors(), open_files);
    rg_sandbox_close(b);
    CHECK(box_back_to(none));
    assert_int_equal(box_descriptors(), descriptors);
    qsort(took, COUNT(took), sizeof took[0], by_size);
    const double median_ms = (double)took[COUNT(took) / 2] / 1e6;
    print_message("[  NOTE    ] a warm block: median %.2f ms\n", median_ms);
    CHECK(median_ms <= 30); /* measured: 0.3 ms alone, 0.5 ms on two cores with load 12 */
}

TEST(a_limit_out_of_range_is_refused)
{
    rg_err e = RG_ERR_INIT;
    rg_sandbox *b;
    rg_sandbox_opt o = RG_SANDBOX_DEFAULTS;
    o.cpu_ms = 31000;
    assert_int_equal(rg_sandbox_open(&b, &o, NULL, &e), RG_EARG);
    CHECK(strstr(e.msg, "31000") && b == NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_block_each),
        cmocka_unit_test(variables_live_from_block_to_block_and_not_beyond),
        cmocka_unit_test(output_is_kept_from_both_ends),
        cmocka_unit_test(the_seed_and_nothing_else_decides),
        cmocka_unit_test(a_last_expression_is_printed_on_request),
        cmocka_unit_test(the_callers_deadline_and_cancel_flag_are_kept),
        cmocka_unit_test(sessions_are_used_from_many_threads_at_once),
        cmocka_unit_test(equal_sessions_share_results_and_catch_up),
        cmocka_unit_test(a_thousand_blocks_in_a_row),
        cmocka_unit_test(a_limit_out_of_range_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
