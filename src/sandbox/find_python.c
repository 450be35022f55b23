/* find_python.c - which Python the sandbox uses, and which of the host's places it needs.
 *
 * The interpreter itself is asked (it is the user's, not a model's): where it is, what is on its
 * path, where its libraries and sympy stand.  Nothing is imported but the standard library, so
 * this costs one start of Python. */
#include "sandbox_int.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rung/base/mem.h"

enum { MAX_ANSWER = 64 << 10, PATIENCE_MS = 20000 };

/* Lines "key value"; a place is "place AT SOURCE" with tabs between. */
static const char QUESTION[] =
    "import sys, os, sysconfig, importlib.util\n"
    "exe, places = sys.executable, {}\n"
    "def add(p):\n"
    "    p = os.path.abspath(p)\n"
    "    if os.path.islink('/' + p.split('/')[1]): p = os.path.realpath(p)\n"
    "    if os.path.exists(p): places[p] = os.path.realpath(p)\n"
    "def hops(p):\n"
    "    for _ in range(16):\n"
    "        add(p)\n"
    "        if not os.path.islink(p): break\n"
    "        p = os.path.join(os.path.dirname(p), os.readlink(p))\n"
    "spec = importlib.util.find_spec('sympy')\n"
    "print('exe', exe, sep='\\t')\n"
    "print('version', '%d.%d' % sys.version_info[:2], sep='\\t')\n"
    "print('sympy', spec.origin if spec else '', sep='\\t')\n"
    "for p in sys.path: add(p)\n"
    "arch = sysconfig.get_config_var('MULTIARCH') or ''\n"
    "for p in {sys.prefix, sys.base_prefix, sys.exec_prefix}:\n"
    "    if p not in ('/', '/usr'): [add(os.path.join(p, d)) for d in ('lib', 'lib64', 'pyvenv.cfg')]\n"
    "for d in ('/lib', '/lib64', '/usr/lib', '/usr/lib64', '/usr/local/lib'):\n"
    "    add(os.path.join(d, arch) if arch and not d.endswith('64') else d)\n"
    "hops(exe)\n"
    "for p in ('/etc/ld.so.cache', '/etc/alternatives'): add(p)\n"
    "for real in set(places.values()):\n"
    "    if real.startswith('/'): places.setdefault(real, real)\n"
    "for at in sorted(places): print('place', at, places[at], sep='\\t')\n";

/* ---- asking ---- */

/* Reads until the end, for at most PATIENCE_MS. */
static bool read_answer(int fd, rg_buf *answer)
{
    const int64_t until = rg_now_ns() + PATIENCE_MS * INT64_C(1000000);
    char part[4096];
    for (;;) {
        struct pollfd p = { fd, POLLIN, 0 };
        const int64_t left = (until - rg_now_ns()) / 1000000;
        if (left <= 0 || poll(&p, 1, (int)left) == 0)
            return false;
        const ssize_t n = read(fd, part, sizeof part);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0;
        rg_buf_put(answer, part, (size_t)n);
    }
}

static int spawn_question(pid_t *pid, const char *python, int to)
{
    char *argv[] = { (char *)(uintptr_t)python, (char *)(uintptr_t) "-I", (char *)(uintptr_t) "-c",
                     (char *)(uintptr_t)QUESTION, NULL };
    posix_spawn_file_actions_t acts;
    if (posix_spawn_file_actions_init(&acts) != 0)
        return ENOMEM;
    posix_spawn_file_actions_addopen(&acts, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&acts, to, 1);
    posix_spawn_file_actions_addopen(&acts, 2, "/dev/null", O_WRONLY, 0);
    const int error = posix_spawnp(pid, python, &acts, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&acts);
    return error;
}

/* False: this program is no Python that answers. */
static bool ask(const char *python, rg_buf *answer)
{
    int fds[2], status = 0;
    pid_t pid = 0;
    if (pipe2(fds, O_CLOEXEC) < 0)
        return false;
    const int error = spawn_question(&pid, python, fds[1]);
    close(fds[1]);
    bool ok = error == 0 && read_answer(fds[0], answer);
    close(fds[0]);
    if (error == 0) {
        if (!ok)
            kill(pid, SIGKILL);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
    }
    return ok && WIFEXITED(status) && WEXITSTATUS(status) == 0 && !answer->failed;
}

/* ---- reading the answer ---- */

static bool copy_path(char to[JAIL_PATH], rg_str from)
{
    if (from.n == 0 || from.n >= JAIL_PATH)
        return false;
    memcpy(to, from.p, from.n);
    to[from.n] = '\0';
    return true;
}

static rg_str next_cell(rg_str *line)
{
    const size_t tab = rg_str_find(*line, rg_str_of("\t"));
    const rg_str cell = rg_str_n(line->p, RG_MIN(tab, line->n));
    const size_t skip = RG_MIN(cell.n + 1, line->n);
    *line = rg_str_n(line->p + skip, line->n - skip);
    return cell;
}

/* Is `path` in a place that stands already?  They come sorted, so wider ones come first. */
static bool covered(const rg__python *py, const char *path)
{
    for (size_t i = 0; i < py->n_places; i++) {
        const size_t n = strlen(py->place[i].at);
        if (strncmp(path, py->place[i].at, n) == 0 && (path[n] == '/' || path[n] == '\0'))
            return true;
    }
    return false;
}

static bool read_place(rg__python *py, rg_str rest)
{
    jail_place p;
    const rg_str at = next_cell(&rest);
    if (!copy_path(p.at, at) || !copy_path(p.source, rest))
        return false;
    if (strcmp(p.at, p.source) == 0 && covered(py, p.at))
        return true;
    if (py->n_places == JAIL_MAX_PLACES)
        return false;
    py->place[py->n_places++] = p;
    return true;
}

/* True: it has sympy and everything about it was understood. */
static bool understand(rg__python *py, rg_str text, bool *has_sympy)
{
    *has_sympy = false;
    while (text.n > 0) {
        const size_t end = RG_MIN(rg_str_find(text, rg_str_of("\n")), text.n);
        rg_str line = rg_str_n(text.p, end);
        text = rg_str_n(text.p + RG_MIN(end + 1, text.n), text.n - RG_MIN(end + 1, text.n));
        const rg_str key = next_cell(&line);
        if (rg_str_is(key, "exe") && !copy_path(py->path, line))
            return false;
        if (rg_str_is(key, "sympy"))
            *has_sympy = line.n > 0;
        if (rg_str_is(key, "place") && !read_place(py, line))
            return false;
    }
    return py->path[0] == '/';
}

/* ---- choosing ---- */

static bool try_one(rg__python *out, const char *candidate)
{
    rg__python *py = rg_calloc(1, sizeof *py);
    rg_buf answer = RG_BUF_MAX(MAX_ANSWER);
    bool has_sympy = false, good = false;
    if (py && ask(candidate, &answer)) {
        good = understand(py, rg_buf_view(&answer), &has_sympy) && has_sympy;
        snprintf(out->why, sizeof out->why,
                 has_sympy ? "%.100s: its paths could not be understood"
                           : "%.100s has no sympy: install python3-sympy, or sympy into that Python",
                 candidate);
    }
    if (good)
        *out = *py;
    rg_buf_free(&answer);
    rg_free(py);
    return good;
}

rg_status rg__python_find(rg__python *out, const char *wanted, rg_err *e)
{
    const char *env = getenv("RUNG_PYTHON");
    const char *named = wanted ? wanted : env && *env ? env : NULL;
    const char *const known[] = { "/usr/bin/python3", "python3" };
    *out = (rg__python){ .why = "no python3 here: install python3 and python3-sympy" };
    if (named) {
        snprintf(out->why, sizeof out->why, "%.200s is no Python that can be started", named);
        if (!try_one(out, named) && wanted)
            RG_FAIL(e, RG_EARG, "--python: %s", out->why);
        return RG_OK;
    }
    for (size_t i = 0; i < RG_COUNT(known); i++)
        if (try_one(out, known[i]))
            break;
    return RG_OK;
}
