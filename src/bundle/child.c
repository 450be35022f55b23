/* child.c - run `python3 -m pip download` as a child, and tidy up the folder it wrote to.
 *
 * The child has our environment, so pip's own settings (index, proxy, certificates) hold; only
 * TMPDIR is ours, so that everything it writes lies in one folder on the disk that was checked
 * for room.  Wheels only: a source package would run its own code while being fetched.  The
 * child works in the empty download folder, because `python3 -m` imports from where it stands. */
#include "source_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "rung/base/mem.h"

extern char **environ;

enum { KEPT_BYTES = 16384, TICK_MS = 200, GRACE_TICKS = 10 };

typedef struct child {
    pid_t pid;
    int err_fd;            /* read end of its stderr */
    char said[KEPT_BYTES]; /* the last of what it wrote there */
    size_t n_said;
} child;

/* Our environment with TMPDIR replaced: borrowed strings in an array of ours. */
static char **make_env(char *tmpdir)
{
    size_t n = 0, k = 0;
    while (environ[n])
        n++;
    char **env = rg_calloc(n + 2, sizeof *env);
    if (!env)
        return NULL;
    for (size_t i = 0; i < n; i++)
        if (strncmp(environ[i], "TMPDIR=", 7) != 0)
            env[k++] = environ[i];
    env[k] = tmpdir;
    return env;
}

static int spawn_attributes(posix_spawnattr_t *attr)
{
    sigset_t none, pipe_only;
    sigemptyset(&none);
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE); /* the program ignores it, the child must not */
    posix_spawnattr_setsigmask(attr, &none);
    posix_spawnattr_setsigdefault(attr, &pipe_only);
    posix_spawnattr_setpgroup(attr, 0); /* its own group: we stop it whole */
    return posix_spawnattr_setflags(attr,
                                    POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
}

static rg_status spawn(child *c, char *const argv[], char *const env[], const char *folder, rg_err *e)
{
    int fd[2];
    posix_spawn_file_actions_t fa;
    posix_spawnattr_t attr;

    if (pipe2(fd, O_CLOEXEC) != 0)
        RG_FAIL(e, RG_EIO, "cannot make a pipe: %s", strerror(errno));
    posix_spawn_file_actions_init(&fa);
    posix_spawnattr_init(&attr);
    int err = posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
    err = err ? err : posix_spawn_file_actions_addopen(&fa, 1, "/dev/null", O_WRONLY, 0);
    err = err ? err : posix_spawn_file_actions_adddup2(&fa, fd[1], 2);
    err = err ? err : posix_spawn_file_actions_addchdir_np(&fa, folder);
    err = err ? err : spawn_attributes(&attr);
    err = err ? err : posix_spawnp(&c->pid, argv[0], &fa, &attr, argv, env);
    posix_spawn_file_actions_destroy(&fa);
    posix_spawnattr_destroy(&attr);
    close(fd[1]);
    if (err != 0) {
        close(fd[0]);
        if (err == ENOENT)
            RG_FAIL(e, RG_EREMOTE, "%s is not installed; on Debian: apt install python3-pip", argv[0]);
        RG_FAIL(e, RG_EIO, "cannot start %s: %s", argv[0], strerror(err));
    }
    c->err_fd = fd[0];
    c->n_said = 0;
    return RG_OK;
}

/* Takes what the child wrote to stderr; false at the end of it.  Keeps the last half and more. */
static bool hear(child *c)
{
    if (c->n_said == KEPT_BYTES) {
        memmove(c->said, c->said + KEPT_BYTES / 2, KEPT_BYTES / 2);
        c->n_said = KEPT_BYTES / 2;
    }
    const ssize_t n = read(c->err_fd, c->said + c->n_said, KEPT_BYTES - c->n_said);
    if (n > 0)
        c->n_said += (size_t)n;
    return n > 0 || (n < 0 && errno == EINTR);
}

static void stop(child *c)
{
    const struct timespec tick = { .tv_nsec = 50 * 1000 * 1000 };
    kill(-c->pid, SIGTERM);
    for (int i = 0; i < GRACE_TICKS; i++) {
        if (waitpid(c->pid, NULL, WNOHANG) == c->pid) {
            kill(-c->pid, SIGKILL); /* what it may have started itself */
            return;
        }
        nanosleep(&tick, NULL);
    }
    kill(-c->pid, SIGKILL);
    while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}

/* Listens until the child has closed stderr and ended, or the call is over. */
static rg_status wait_for(child *c, int *wait_status, const rg_call *call, void (*on_tick)(void *arg),
                          void *arg, rg_err *e)
{
    const struct timespec nap = { .tv_nsec = TICK_MS * 1000000L };
    bool open = true;
    for (;;) {
        struct pollfd at = { .fd = c->err_fd, .events = POLLIN };
        const rg_status s = rg_call_check(call, e);
        if (s != RG_OK) {
            stop(c);
            return s;
        }
        if (open && poll(&at, 1, TICK_MS) > 0) {
            open = hear(c);
            continue;
        }
        const pid_t got = waitpid(c->pid, wait_status, WNOHANG);
        if (got == c->pid)
            return RG_OK;
        if (got < 0 && errno != EINTR)
            RG_FAIL(e, RG_EIO, "lost the child process: %s", strerror(errno));
        if (!open)
            nanosleep(&nap, NULL);
        if (on_tick)
            on_tick(arg);
    }
}

/* The last line that pip marks as an error, else the last line of all, as plain text. */
static void last_words(const child *c, char *out, size_t out_bytes)
{
    rg_str rest = rg_str_trim(rg_str_n(c->said, c->n_said));
    rg_str best = { NULL, 0 };
    while (rest.n > 0) {
        const size_t nl = rg_str_rfind(rest, rg_str_of("\n"));
        const size_t from = nl == SIZE_MAX ? 0 : nl + 1;
        const rg_str line = rg_str_trim(rg_str_n(rest.p + from, rest.n - from));
        const bool is_error = rg_str_starts(line, "ERROR: ");
        if (is_error || !best.p)
            best = is_error ? rg_str_n(line.p + 7, line.n - 7) : line;
        if (is_error || from == 0)
            break;
        rest.n = from - 1;
    }
    const size_t n = RG_MIN(best.n, out_bytes - 1);
    for (size_t i = 0; i < n; i++)
        out[i] = (unsigned char)best.p[i] < 0x20 || best.p[i] == 0x7f ? ' ' : best.p[i];
    out[n] = 0;
}

static rg_status judge(const child *c, int wait_status, const char *wanted, rg_err *e)
{
    char words[512];
    const rg_str said = rg_str_n(c->said, c->n_said);
    if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0)
        return RG_OK;
    if (rg_str_find(said, rg_str_of("No module named pip")) != SIZE_MAX)
        RG_FAIL(e, RG_EREMOTE, "python3 has no pip; on Debian: apt install python3-pip");
    if (rg_str_find(said, rg_str_of("No space left on device")) != SIZE_MAX)
        RG_FAIL(e, RG_ELIMIT, "the disk is full while pip downloads %s", wanted);
    last_words(c, words, sizeof words);
    const bool retried = rg_str_find(said, rg_str_of("Retrying (")) != SIZE_MAX;
    RG_FAIL(e, RG_EREMOTE, "pip download %s failed%s: %s", wanted,
            retried ? " (the index could not be reached)" : "", *words ? words : "it said nothing");
}

static rg_status run_pip(char *wanted, char *folder, char *const env[], const rg_call *call,
                         void (*on_tick)(void *arg), void *arg, rg_err *e)
{
    char args[][40] = { "python3",    "-m",
                        "pip",        "download",
                        "--no-deps",  "--no-cache-dir",
                        "--no-input", "--only-binary",
                        ":all:",      "--progress-bar",
                        "off",        "-d" };
    char *argv[RG_COUNT(args) + 3] = { 0 };
    child c = { .pid = -1 };
    int wait_status = 0;

    for (size_t i = 0; i < RG_COUNT(args); i++)
        argv[i] = args[i];
    argv[RG_COUNT(args)] = folder;
    argv[RG_COUNT(args) + 1] = wanted;
    RG_TRY(spawn(&c, argv, env, folder, e));
    const rg_status s = wait_for(&c, &wait_status, call, on_tick, arg, e);
    close(c.err_fd);
    RG_TRY(s);
    return judge(&c, wait_status, wanted, e);
}

rg_status rg__pip_download(const char *package, const char *version, const char *folder, const rg_call *call,
                           void (*on_tick)(void *arg), void *arg, rg_err *e)
{
    char into[PATH_MAX]; /* absolute: the child stands elsewhere */
    char *wanted = NULL, *tmpdir = NULL, **env = NULL;
    rg_status s;

    if (!realpath(folder, into))
        RG_FAIL(e, RG_EIO, "cannot use the folder %s: %s", folder, strerror(errno));
    RG_GO(s, done, rg__text(&wanted, e, "%s==%s", package, version));
    RG_GO(s, done, rg__text(&tmpdir, e, "TMPDIR=%s", into));
    env = make_env(tmpdir);
    if (!env)
        RG_FAIL_GO(s, done, e, RG_ENOMEM, "out of memory for the child's environment");
    s = run_pip(wanted, into, env, call, on_tick, arg, e);
done:
    rg_free(wanted);
    rg_free(tmpdir);
    rg_free(env);
    return s;
}

/* Visits the plain files below path, `depth` folders deep; links are never followed. */
static uint64_t walk(const char *path, int depth, bool remove)
{
    DIR *d = opendir(path);
    uint64_t bytes = 0;
    for (struct dirent *at; d && (at = readdir(d)) != NULL;) {
        char *sub = NULL;
        struct stat st;
        if (strcmp(at->d_name, ".") == 0 || strcmp(at->d_name, "..") == 0 ||
            rg__text(&sub, NULL, "%s/%s", path, at->d_name) != RG_OK)
            continue;
        if (lstat(sub, &st) == 0 && S_ISDIR(st.st_mode))
            bytes += depth > 0 ? walk(sub, depth - 1, remove) : 0;
        else if (remove)
            unlink(sub);
        else
            bytes += (uint64_t)st.st_size;
        rg_free(sub);
    }
    if (d)
        closedir(d);
    if (remove)
        rmdir(path);
    return bytes;
}

uint64_t rg__folder_bytes(const char *path)
{
    return walk(path, 3, false);
}

void rg__folder_remove(const char *path)
{
    walk(path, 3, true);
}
