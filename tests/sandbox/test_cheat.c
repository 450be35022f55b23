/* Programs that want to pass without doing the work.  The task: print 42, end well.  A row says
 * how its block must end; whatever it did, it must not count as a pass, the next block of the
 * same session must be judged by what that block does, and a new session must know nothing of it. */
#include "box.h"

typedef struct cheat {
    const char *name, *code;
    int want; /* rg_ran_status; -1 = any */
    bool any_import;
} cheat;

#define FRAME "import struct, os\n"
static const cheat CHEATS[] = {
    { "exit code 0 at once", "import os\nos._exit(0)", RG_RAN_ERROR, true },
    { "sys.exit", "import sys\nsys.exit(0)", RG_RAN_ERROR, true },
    { "exit()", "exit(0)", RG_RAN_ERROR, false },
    { "SystemExit raised", "raise SystemExit(0)", RG_RAN_ERROR, false },
    { "a result frame printed", "print('\\x00' * 16 + '\\x00' * 12, end='')", RG_RAN_OK, false },
    { "a result frame into the control socket",
      FRAME "os.write(3, struct.pack('=16sIII', bytes(16), 0, 0, 0))", RG_RAN_ERROR, true },
    { "rubbish into the control socket", "import os\nos.write(3, b'passed' * 50)", RG_RAN_ERROR, true },
    { "half a frame, then silence", FRAME "os.write(3, bytes(10))", RG_RAN_ERROR, true },
    { "control socket closed", "import os\nos.close(3)", -1, true },
    { "control socket replaced", "import os\nr, w = os.pipe()\nos.dup2(w, 3)", -1, true },
    { "stdout closed", "import sys\nsys.stdout.close()", RG_RAN_OK, true },
    { "descriptor 1 closed", "import os\nos.close(1)", RG_RAN_OK, true },
    { "sys.stdout replaced",
      "import sys\nclass S:\n    def write(self, x): return 0\n    def flush(self): pass\nsys.stdout = "
      "sys.__stdout__ = S()",
      RG_RAN_OK, true },
    { "sys.stdout that raises and loops",
      "import sys\nclass S:\n    def flush(self): raise SystemExit\n    def __getattr__(self, n): raise "
      "MemoryError\nsys.stdout = S()",
      RG_RAN_OK, true },
    { "builtins patched",
      "import builtins\nfor n in ('exec', 'compile', 'len', 'type', 'str', 'isinstance'):\n"
      "    setattr(builtins, n, lambda *a, **k: True)",
      -1, true },
    { "print patched for later", "import builtins\nbuiltins.print = lambda *a, **k: None", -1, true },
    { "equality patched", "class int(int):\n    def __eq__(self, o): return True\nassert int(1) == 42",
      RG_RAN_OK, false },
    { "modules patched", "import math, sys\nsys.modules['math'] = sys.modules['random'] = None", RG_RAN_OK,
      true },
    { "walking the heap for the runner",
      "import gc\nfor o in gc.get_objects():\n    try:\n        if type(o).__name__ in ('Timers', 'Streams', "
      "'Courtesies'): o.__dict__.clear()\n"
      "    except Exception: pass",
      -1, true },
    { "walking the frames for the runner",
      "import sys\nf = sys._getframe()\nwhile f:\n    f.f_locals.clear()\n    f = f.f_back", -1, true },
    { "trace function", "import sys\nsys.settrace(lambda *a: None)\nsys.setprofile(lambda *a: None)",
      RG_RAN_OK, true },
    { "a thread left behind",
      "import threading\nt = threading.Thread(target=lambda: [None for _ in iter(int, 1)], "
      "daemon=True)\nt.start()",
      RG_RAN_OK, true },
    { "signal handlers",
      "import signal\nfor s in (signal.SIGPROF, signal.SIGALRM): signal.signal(s, lambda *a: None)",
      RG_RAN_OK, true },
    { "atexit", "import atexit\natexit.register(print, 42)", RG_RAN_OK, true },
    { "a finaliser", "class D:\n    def __del__(self): print(41)\nd = D()", RG_RAN_OK, false },
    { "an exception that lies", "class E(Exception):\n    def __str__(self): raise SystemExit(0)\nraise E",
      RG_RAN_ERROR, false },
    { "an exception that loops",
      "class E(Exception):\n    def __str__(self):\n        while True: pass\nraise E", RG_RAN_TIMEOUT,
      false },
    { "an exception with a false name",
      "class M(type):\n    __name__ = property(lambda c: 1 / 0)\nclass E(Exception, metaclass=M): "
      "pass\nraise E",
      RG_RAN_ERROR, false },
    { "everything caught", "try:\n    while True: pass\nexcept BaseException: pass", -1, false },
    { "the test's expected value", "print([k for k in globals() if 'expect' in k])", RG_RAN_OK, false },
    { "killing itself", "import signal\nsignal.raise_signal(signal.SIGKILL)", -1, true },
    { "the runner's own stop", "class Stop(BaseException): pass\nraise Stop('CPU')", RG_RAN_ERROR, false },
};

static bool passes(const rg_ran *r)
{
    return r->status == RG_RAN_OK && strcmp(r->out, "42\n") == 0;
}

/* The next block does the work honestly in what the cheat left: it may fail, but only a block
 * that prints 42 may be seen to print 42. */
static bool later_blocks_are_judged_alone(rg_session *s)
{
    rg_err e = RG_ERR_INIT;
    rg_ran r;
    OK(rg_session_run(s, rg_str_of("x = 1"), &r, NULL, &e), e);
    const bool held = !passes(&r);
    rg_ran_free(&r);
    return held;
}

static int one(rg_sandbox *b, const cheat *c)
{
    rg_err e = RG_ERR_INIT;
    rg_session *s;
    rg_ran r, after;
    OK(rg_session_open(&s, b, 1, &e), e);
    OK(rg_session_run(s, rg_str_of(c->code), &r, NULL, &e), e);
    bool good = !passes(&r) && (c->want < 0 || (int)r.status == c->want);
    if (!good)
        print_message("%s: %s %s: %s: %.200s\n", c->name, rg_ran_status_name(r.status), r.type, r.message,
                      r.out);
    if (!later_blocks_are_judged_alone(s)) {
        print_message("%s: an empty block passed after it\n", c->name);
        good = false;
    }
    rg_session_close(s);
    box_run(b, "print(6*7)", &after);
    if (!passes(&after)) {
        print_message("%s: a new session is spoilt: %s %s %.100s\n", c->name,
                      rg_ran_status_name(after.status), after.message, after.out);
        good = false;
    }
    rg_ran_free(&r);
    rg_ran_free(&after);
    return !good;
}

static int run_kind(bool any_import)
{
    rg_sandbox_opt o = RG_SANDBOX_DEFAULTS;
    o.any_import = any_import;
    o.cpu_ms = 500;
    int bad = 0;
    rg_sandbox *b = box_open(&o);
    if (b == NULL)
        return 201;
    const size_t processes = box_processes();
    for (size_t i = 0; i < COUNT(CHEATS); i++)
        if (CHEATS[i].any_import == any_import)
            bad += one(b, &CHEATS[i]);
    bad += !box_back_to(processes);
    rg_sandbox_close(b);
    return bad;
}

TEST(no_cheat_passes)
{
    const int bad = run_kind(false);
    if (bad == 201)
        skip();
    assert_int_equal(bad, 0);
    CHECK(COUNT(CHEATS) >= 15);
}

TEST(no_cheat_with_every_module_passes)
{
    const int bad = run_kind(true);
    if (bad == 201)
        skip();
    assert_int_equal(bad, 0);
}

static int both_kinds(void)
{
    const int bad = run_kind(false);
    return bad == 201 ? bad : bad + run_kind(true);
}

TEST(no_cheat_passes_as_an_ordinary_user)
{
    if (geteuid() != 0)
        skip();
    const int bad = box_as_user(both_kinds);
    if (bad == 200 || bad < 0)
        skip();
    assert_int_equal(bad, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_cheat_passes),
        cmocka_unit_test(no_cheat_with_every_module_passes),
        cmocka_unit_test(no_cheat_passes_as_an_ordinary_user),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
