/* jail_start.c - starting and stopping the jail: a helper out of memory, a config it maps, and a
 * conversation about how each step went. */
#include "sandbox_int.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rung/base/mem.h"

/* Of the range that systemd keeps for services without an account: no user of the host has it. */
enum { UID_FIRST = 61600, UID_COUNT = 512, START_MS = 30000, TICK_MS = 50 };

void rg__report_step(rg_sandbox_report *rep, const char *name, bool ok, const char *fmt, ...)
{
    va_list ap;
    if (rep->n == RG_SANDBOX_MAX_STEPS)
        return;
    rg_sandbox_step *s = &rep->step[rep->n++];
    snprintf(s->name, sizeof s->name, "%s", name);
    s->ok = ok;
    va_start(ap, fmt);
    vsnprintf(s->detail, sizeof s->detail, fmt, ap);
    va_end(ap);
}

/* ---- memory files ---- */

static bool write_whole(int fd, const void *p, size_t n)
{
    const char *at = p;
    while (n > 0) {
        const ssize_t k = write(fd, at, n);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return false;
        at += k;
        n -= (size_t)k;
    }
    return true;
}

/* -1 with errno. */
static int memory_file(const char *name, const rg__blob *parts, size_t n)
{
    const int fd = memfd_create(name, MFD_CLOEXEC);
    for (size_t i = 0; i < n && fd >= 0; i++)
        if (!write_whole(fd, parts[i].p, parts[i].n)) {
            const int error = errno;
            close(fd);
            errno = error;
            return -1;
        }
    return fd;
}

static uint32_t drop_uid(void)
{
    return UID_FIRST + (uint32_t)getpid() % UID_COUNT;
}

static int config_file(const rg__jail *j, const rg_sandbox_opt *opt, const rg__python *py, rg__blob filter)
{
    jail_config *c = rg_calloc(1, sizeof *c);
    if (c == NULL)
        return -1;
    const rg__blob worker = rg__blob_worker(), session = rg__blob_session();
    *c = (jail_config){ .magic = JAIL_MAGIC,
                        .level = (uint32_t)opt->level,
                        .uid = drop_uid(),
                        .any_import = opt->any_import,
                        .echo = opt->echo,
                        .n_places = (uint32_t)py->n_places,
                        .memory_bytes = opt->memory_bytes,
                        .worker_bytes = worker.n,
                        .session_bytes = session.n,
                        .filter_bytes = filter.n };
    memcpy(c->python, py->path, sizeof c->python);
    memcpy(c->work, j->work, sizeof c->work);
    memcpy(c->place, py->place, sizeof c->place);
    const rg__blob parts[] = { { (const unsigned char *)c, sizeof *c }, worker, session, filter };
    const int fd = memory_file("jail-config", parts, RG_COUNT(parts));
    rg_free(c);
    return fd;
}

/* ---- the helper ---- */

/* Above the numbers that the helper's are to have, so that no dup2 there closes one. */
static void lift(int *fd)
{
    if (*fd < 0 || *fd > JAIL_CONFIG_FD)
        return;
    const int high = fcntl(*fd, F_DUPFD_CLOEXEC, JAIL_CONFIG_FD + 1);
    if (high >= 0) {
        close(*fd);
        *fd = high;
    }
}

/* No signal reaches it from the terminal: the supervisor ends it when it is done. */
static int spawn_helper(pid_t *pid, int program, const int fd[4])
{
    char path[64];
    posix_spawn_file_actions_t acts;
    posix_spawnattr_t attr;
    sigset_t none, all;
    char *argv[] = { (char *)(uintptr_t) "rung-jail", NULL }, *env[] = { NULL };
    snprintf(path, sizeof path, "/proc/self/fd/%d", program);
    sigemptyset(&none);
    sigfillset(&all);
    if (posix_spawn_file_actions_init(&acts) != 0)
        return ENOMEM;
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawn_file_actions_addopen(&acts, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&acts, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&acts, fd[3], 2);
    for (int i = 0; i < 3; i++)
        posix_spawn_file_actions_adddup2(&acts, fd[i], JAIL_CONTROL_FD + i);
    const int error = posix_spawn(pid, path, &acts, &attr, argv, env);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&acts);
    return error;
}

/* ---- the conversation ---- */

/* What Python said last before it ended, for the sentence. */
static void last_words(int fd, char *out, size_t size)
{
    char text[2048];
    const ssize_t n = read(fd, text, sizeof text);
    const rg_str all = rg_str_trim(rg_str_n(text, n > 0 ? (size_t)n : 0));
    const size_t line = rg_str_rfind(all, rg_str_of("\n"));
    const size_t from = line == SIZE_MAX ? 0 : line + 1;
    snprintf(out, size, "%.*s", (int)RG_MIN(all.n - from, size - 1), all.n ? all.p + from : "");
}

static rg_status refuse(const rg_sandbox_report *rep, rg_err *e)
{
    const rg_sandbox_step *s = &rep->step[rep->n - 1];
    RG_FAIL(e, RG_ESANDBOX, "sandbox level %d cannot be had here: %s: %s", (int)rep->level, s->name,
            s->detail);
}

/* One message: a step goes to the report, readiness ends the loop. */
static rg_status take_message(rg_sandbox_report *rep, const void *message, size_t n, bool *ready, rg_err *e)
{
    const jail_step *s = message;
    const jail_ready *r = message;
    if (n == sizeof *s && s->kind == JAIL_STEP) {
        rg__report_step(rep, s->name, s->ok, "%.200s", s->detail);
        return s->ok ? RG_OK : refuse(rep, e);
    }
    if (n != sizeof *r || r->kind != JAIL_READY)
        RG_FAIL(e, RG_ESANDBOX, "the sandbox's helper spoke nonsense (%zu bytes)", n);
    snprintf(rep->python_version, sizeof rep->python_version, "%.31s", r->python);
    snprintf(rep->sympy_version, sizeof rep->sympy_version, "%.31s", r->sympy);
    *ready = true;
    return RG_OK;
}

static rg_status await_ready(const rg__jail *j, int words, rg_sandbox_report *rep, rg_call *call, rg_err *e)
{
    _Alignas(8) char message[512];
    const int64_t until = rg_now_ns() + START_MS * INT64_C(1000000);
    for (bool ready = false; !ready;) {
        struct pollfd p = { j->control, POLLIN, 0 };
        RG_TRY(rg_call_check(call, e));
        if (rg_now_ns() > until) {
            rg__report_step(rep, "interpreter", false, "not warm after %d s", START_MS / 1000);
            return refuse(rep, e);
        }
        if (poll(&p, 1, TICK_MS) <= 0)
            continue;
        const ssize_t n = recv(j->control, message, sizeof message, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            char said[200];
            last_words(words, said, sizeof said);
            rg__report_step(rep, "interpreter", false, "ended while it started: %s", said);
            return refuse(rep, e);
        }
        RG_TRY(take_message(rep, message, (size_t)n, &ready, e));
    }
    rg__report_step(rep, "interpreter", true, "Python %s, sympy %s", rep->python_version, rep->sympy_version);
    return RG_OK;
}

/* ---- work directories of levels 1 and 2 ---- */

static rg_status make_work(rg__jail *j, const rg_sandbox_opt *opt, rg_err *e)
{
    const char *tmp = getenv("TMPDIR");
    j->work[0] = '\0';
    if (opt->level >= RG_SANDBOX_L3)
        return RG_OK;
    const int n = snprintf(j->work, sizeof j->work, "%s/rung-work-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (n >= (int)sizeof j->work || mkdtemp(j->work) == NULL) {
        j->work[0] = '\0';
        RG_FAIL(e, RG_EIO, "no work directory for the sandbox: %s", strerror(errno));
    }
    if (geteuid() == 0 && opt->level == RG_SANDBOX_L2 && chown(j->work, drop_uid(), drop_uid()) < 0)
        RG_FAIL(e, RG_EIO, "cannot give %s to the sandbox: %s", j->work, strerror(errno));
    return RG_OK;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st, (void)kind, (void)at;
    remove(path);
    return 0;
}

/* ---- start and stop ---- */

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static rg_status launch(rg__jail *j, const int *config, int *words, rg_err *e)
{
    int control[2], life[2] = { -1, -1 }, said[2] = { -1, -1 }, error = 0;
    const rg__blob program = rg__blob_jail();
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) < 0)
        RG_FAIL(e, RG_EIO, "no socket for the sandbox: %s", strerror(errno));
    int fd = -1;
    if (pipe2(life, O_CLOEXEC) < 0 || pipe2(said, O_CLOEXEC | O_NONBLOCK) < 0 ||
        (fd = memory_file("rung-jail", &program, 1)) < 0)
        error = errno;
    lift(&control[1]);
    lift(&life[0]);
    lift(&said[1]);
    lift(&fd);
    if (error == 0)
        error = spawn_helper(&j->helper, fd, (int[4]){ control[1], life[0], *config, said[1] });
    close_fd(&fd);
    close_fd(&control[1]);
    close_fd(&life[0]);
    close_fd(&said[1]);
    j->control = control[0];
    j->lifeline = life[1];
    *words = said[0];
    if (error) {
        j->helper = 0;
        RG_FAIL(e, RG_ESANDBOX, "the sandbox's helper cannot be started: %s", strerror(error));
    }
    return RG_OK;
}

rg_status rg__jail_start(rg__jail *j, const rg_sandbox_opt *opt, const rg__python *py, rg_sandbox_report *rep,
                         rg_call *call, rg_err *e)
{
    rg_status s;
    void *filter = NULL;
    size_t bytes = 0;
    int config = -1, words = -1;
    *j = (rg__jail){ .control = -1, .lifeline = -1 };
    RG_GO(s, done, rg__filter_build(&filter, &bytes, opt->level >= RG_SANDBOX_L3, e));
    RG_GO(s, done, make_work(j, opt, e));
    config = config_file(j, opt, py, (rg__blob){ filter, bytes });
    if (config < 0)
        RG_FAIL_GO(s, done, e, RG_EIO, "no memory file for the sandbox's settings: %s", strerror(errno));
    lift(&config);
    RG_GO(s, done, launch(j, &config, &words, e));
    s = await_ready(j, words, rep, call, e);
done:
    rg_free(filter);
    close_fd(&config);
    close_fd(&words);
    if (s != RG_OK)
        rg__jail_stop(j);
    return s;
}

void rg__jail_stop(rg__jail *j)
{
    close_fd(&j->lifeline);
    close_fd(&j->control);
    if (j->helper > 0)
        while (waitpid(j->helper, NULL, 0) < 0 && errno == EINTR)
            ;
    j->helper = 0;
    if (j->work[0])
        nftw(j->work, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    j->work[0] = '\0';
}
