/* What is refused, and what is had, where the full level cannot be. */
#include "box.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>

static bool put(const char *path, const char *text)
{
    const int fd = open(path, O_WRONLY);
    const bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        close(fd);
    return ok;
}

/* Into a user namespace in which no further one may be made. */
static bool shut_in(void)
{
    char map[64];
    snprintf(map, sizeof map, "0 %d 1", ORDINARY_UID);
    if (geteuid() != ORDINARY_UID)
        snprintf(map, sizeof map, "0 %u 1", geteuid());
    return unshare(CLONE_NEWUSER) == 0 && put("/proc/self/setgroups", "deny") &&
           put("/proc/self/uid_map", map) && put("/proc/self/gid_map", map) &&
           put("/proc/sys/user/max_user_namespaces", "0");
}

/* 100: could not be arranged. */
static int refused_when_shut_in(void)
{
    rg_err e = RG_ERR_INIT;
    rg_sandbox *b = NULL;
    rg_sandbox_report report;
    const rg_sandbox_opt o = RG_SANDBOX_DEFAULTS;
    if (!shut_in())
        return 100;
    const rg_status s = rg_sandbox_open(&b, &o, NULL, &e);
    if (s != RG_ESANDBOX || b != NULL || !strstr(e.msg, "user namespace") || !strstr(e.msg, "level 3")) {
        print_message("status %d: %s\n", s, e.msg);
        return 1;
    }
    rg_sandbox_probe(&report, &o);
    return report.ok || report.n == 0 || report.step[report.n - 1].ok;
}

TEST(without_user_namespaces_it_refuses_and_says_so)
{
    const rg_sandbox_opt o = RG_SANDBOX_DEFAULTS;
    rg_sandbox *b = box_open(&o);
    if (b == NULL)
        skip();
    rg_sandbox_close(b);
    const int bad = box_as_user(refused_when_shut_in);
    if (bad == 100 || bad < 0) {
        print_message("[  NOTE    ] cannot shut a child in a namespace here\n");
        skip();
    }
    assert_int_equal(bad, 0);
}

static const char *const L2_HELD[] = {
    "import os\ntry:\n    os.fork()\nexcept OSError: print('HELD')",
    "try:\n    open('/etc/passwd')\nexcept OSError: print('HELD')",
    "import socket\ntry:\n    socket.socket()\nexcept OSError: print('HELD')",
    "import os, signal\ntry:\n    os.kill(os.getppid(), 9)\nexcept OSError: print('HELD')",
    "open('a', 'w').write('x')\nprint('HELD')",
};

TEST(level_2_on_request_holds_without_namespaces)
{
    rg_err e = RG_ERR_INIT;
    rg_sandbox_opt o = RG_SANDBOX_DEFAULTS;
    rg_sandbox *b = NULL;
    o.level = RG_SANDBOX_L2;
    o.any_import = true;
    o.cpu_ms = 500;
    const size_t none = box_processes();
    const char *why = "";
    const rg_status s = rg_sandbox_open(&b, &o, NULL, &e);
    if (s != RG_OK || !rg_sandbox_has_python(b, &why)) {
        print_message("[  NOTE    ] level 2 is not to be had here: %s\n", s == RG_OK ? why : e.msg);
        rg_sandbox_close(b);
        skip();
    }
    for (size_t i = 0; i < COUNT(L2_HELD); i++) {
        rg_ran r;
        box_run(b, L2_HELD[i], &r);
        if (strcmp(r.out, "HELD\n") != 0)
            fail_msg("%s: %s %s %s", L2_HELD[i], r.out, r.type, r.message);
        assert_int_equal(r.level, 2);
        rg_ran_free(&r);
    }
    rg_ran r;
    box_run(b, "while True:\n    try:\n        while True: pass\n    except BaseException: pass", &r);
    assert_int_equal(r.status, RG_RAN_TIMEOUT);
    rg_ran_free(&r);
    rg_sandbox_close(b);
    CHECK(box_back_to(none));
}

/* ---- a supervisor that is killed ---- */

/* Opens a sandbox, says so, and runs a block that would last for half a minute. */
static void run_for_long(int ready)
{
    rg_sandbox_opt o = RG_SANDBOX_DEFAULTS;
    rg_sandbox *b = NULL;
    rg_session *s = NULL;
    rg_ran r;
    o.cpu_ms = 30000;
    if (rg_sandbox_open(&b, &o, NULL, NULL) == RG_OK && rg_session_open(&s, b, 1, NULL) == RG_OK &&
        write(ready, "x", 1) == 1)
        (void)rg_session_run(s, rg_str_of("sum(range(10**12))"), &r, NULL, NULL);
    _exit(0);
}

/* Orphans become ours to count, and to reap. */
static bool all_gone(void)
{
    for (int i = 0; i < 500; i++) {
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
        if (box_processes() == 0)
            return true;
        usleep(10000);
    }
    return false;
}

TEST(when_the_program_is_killed_its_sandbox_goes_too)
{
    int ready[2];
    char byte;
    const rg_sandbox_opt o = RG_SANDBOX_DEFAULTS;
    rg_sandbox *b = box_open(&o);
    if (b == NULL)
        skip();
    rg_sandbox_close(b);
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
    assert_int_equal(pipe(ready), 0);
    const pid_t pid = fork();
    if (pid == 0)
        run_for_long(ready[1]);
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    CHECK(box_processes() >= 5); /* it, H0, H1, Python, S1, and the worker */
    kill(pid, SIGKILL);
    CHECK(all_gone());
    prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
}

TEST(without_python_blocks_are_unavailable_and_the_evaluator_works)
{
    rg_err e = RG_ERR_INIT;
    rg_sandbox_opt o = RG_SANDBOX_DEFAULTS;
    rg_sandbox *b;
    rg_ran r;
    const char *why = "";
    setenv("RUNG_PYTHON", "/nonexistent/python3", 1);
    OK(rg_sandbox_open(&b, &o, NULL, &e), e);
    CHECK(!rg_sandbox_has_python(b, &why) && strstr(why, "/nonexistent/python3"));
    box_run(b, "print(1)", &r);
    CHECK(r.status == RG_RAN_UNAVAILABLE && strstr(r.message, "/nonexistent/python3"));
    rg_ran_free(&r);
    rg_sandbox_close(b);
    unsetenv("RUNG_PYTHON");
    o.engine = RG_ENGINE_BUILTIN;
    OK(rg_sandbox_open(&b, &o, NULL, &e), e);
    box_run(b, "x = factorial(5)\nprint(x, 1/3)", &r);
    assert_string_equal(r.out, "120 1/3\n");
    assert_int_equal(r.level, 0);
    rg_ran_free(&r);
    box_run(b, "1/0", &r);
    CHECK(r.status == RG_RAN_ERROR && strcmp(r.type, "ZeroDivisionError") == 0);
    rg_ran_free(&r);
    rg_sandbox_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_user_namespaces_it_refuses_and_says_so),
        cmocka_unit_test(level_2_on_request_holds_without_namespaces),
        cmocka_unit_test(when_the_program_is_killed_its_sandbox_goes_too),
        cmocka_unit_test(without_python_blocks_are_unavailable_and_the_evaluator_works),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
