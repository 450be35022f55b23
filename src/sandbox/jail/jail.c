/* jail.c - the jail's first process: H0 leaves the host's users, namespaces and files behind one
 * by one and reports each step; H1 is PID 1 of what is left, starts the warm Python and ends
 * with it or with the supervisor.  A static program: it is started from memory with nothing but
 * descriptors 0 to 5. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "confine.h"
#include "root.h"

/* Says how a step went; true = go on. */
static int step(const char *name, int error, const char *detail)
{
    jail_step s = { .kind = JAIL_STEP, .ok = error == 0 };
    snprintf(s.name, sizeof s.name, "%s", name);
    if (error)
        snprintf(s.detail, sizeof s.detail, "%s%s%s", detail, *detail ? ": " : "", strerror(error));
    else
        snprintf(s.detail, sizeof s.detail, "%s", detail);
    return send(JAIL_CONTROL_FD, &s, sizeof s, MSG_NOSIGNAL) >= 0 && error == 0;
}

static const jail_config *read_config(void)
{
    struct stat st;
    if (fstat(JAIL_CONFIG_FD, &st) < 0 || (size_t)st.st_size < sizeof(jail_config))
        return NULL;
    const jail_config *c = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, JAIL_CONFIG_FD, 0);
    return c != MAP_FAILED && c->magic == JAIL_MAGIC ? c : NULL;
}

static const char *worker_py(const jail_config *c)
{
    return (const char *)(c + 1);
}

static const char *session_so(const jail_config *c)
{
    return worker_py(c) + c->worker_bytes;
}

/* ---- H0: leaving the host ---- */

/* In a user namespace that maps nobody but root, no other uid can be had; that is as good when
 * the root of that namespace is somebody ordinary outside. */
static int root_is_ordinary_outside(void)
{
    unsigned inside = 0, outside = 0;
    char line[64] = "";
    const int fd = openat(JAIL_PROC_FD, "self/uid_map", O_RDONLY | O_CLOEXEC);
    const ssize_t got = fd < 0 ? -1 : read(fd, line, sizeof line - 1);
    const int n = got > 0 ? sscanf(line, "%u %u", &inside, &outside) : 0;
    if (fd >= 0)
        close(fd);
    return n == 2 && outside != 0;
}

static int leave_root(const jail_config *c)
{
    char detail[64];
    if (geteuid() != 0) {
        snprintf(detail, sizeof detail, "%u, as started", geteuid());
        return step("uid", 0, detail);
    }
    if (setgroups(0, NULL) < 0 || setresgid(c->uid, c->uid, c->uid) < 0 ||
        setresuid(c->uid, c->uid, c->uid) < 0) {
        const int error = errno;
        if (error != EINVAL && error != EPERM)
            return step("uid", error, "cannot leave root");
        if (root_is_ordinary_outside())
            return step("uid", 0, "0 of a user namespace, ordinary outside");
        return step("uid", error, "cannot leave root: no other uid is mapped here");
    }
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); /* else our own /proc entries belong to root */
    snprintf(detail, sizeof detail, "%u, left root", c->uid);
    return step("uid", 0, detail);
}

static int leave_users(unsigned uid, unsigned gid)
{
    if (unshare(CLONE_NEWUSER) < 0)
        return step("user namespace", errno,
                    errno == ENOSPC ? "the limit user.max_user_namespaces is reached" : "not allowed here");
    const int error = confine_map_ids(JAIL_PROC_FD, uid, gid);
    return step("user namespace", error, error ? "cannot map ids" : "one uid mapped");
}

static int leave_namespaces(int mounts_too)
{
    const struct {
        const char *name;
        int flag;
    } spaces[] = { { "pid namespace", CLONE_NEWPID },       { "net namespace", CLONE_NEWNET },
                   { "ipc namespace", CLONE_NEWIPC },       { "uts namespace", CLONE_NEWUTS },
                   { "cgroup namespace", CLONE_NEWCGROUP }, { "mount namespace", CLONE_NEWNS } };
    for (size_t i = 0; i < sizeof spaces / sizeof spaces[0]; i++)
        if ((spaces[i].flag != CLONE_NEWNS || mounts_too) &&
            !step(spaces[i].name, unshare(spaces[i].flag) < 0 ? errno : 0, ""))
            return 0;
    return step("host name", sethostname("rung", 4) < 0 ? errno : 0, "rung");
}

static int leave_files(const jail_config *c)
{
    const char *about = "";
    const int error = root_enter(c, session_so(c), &about);
    return step("root directory", error, error ? about : "read-only, in memory");
}

static int open_proc(void)
{
    const int fd = open("/proc", O_PATH | O_DIRECTORY);
    if (fd < 0)
        return errno;
    if (fd == JAIL_PROC_FD)
        return 0;
    const int error = dup2(fd, JAIL_PROC_FD) < 0 ? errno : 0;
    close(fd);
    return error;
}

/* Root builds its root while it may read every place; another only where it is root of a
 * namespace of its own. */
static int leave_host(const jail_config *c)
{
    const int error = open_proc(), was_root = geteuid() == 0;
    if (error)
        return step("/proc", error, "");
    if (c->level < 3)
        return c->level < 2 || leave_root(c);
    if (was_root && (!step("mount namespace", unshare(CLONE_NEWNS) < 0 ? errno : 0, "") || !leave_files(c)))
        return 0;
    if (!leave_root(c) || !leave_users(geteuid(), getegid()) || !leave_namespaces(!was_root))
        return 0;
    return was_root || leave_files(c);
}

/* ---- H1 and the interpreter ---- */

static int start_python(const jail_config *c)
{
    char so[64] = ROOT_SESSION, any[2] = "0", echo[2] = "0";
    const char *home = c->level >= 3 ? "/work" : c->work;
    char at_home[JAIL_PATH + 8];
    snprintf(at_home, sizeof at_home, "HOME=%s", home);
    any[0] = c->any_import ? '1' : '0';
    echo[0] = c->echo ? '1' : '0';
    if (c->level < 3) {
        const int fd = (int)syscall(SYS_memfd_create, "session.so", 0U);
        if (fd < 0 || write(fd, session_so(c), c->session_bytes) != (ssize_t)c->session_bytes)
            return step("interpreter", errno, "session.so");
        snprintf(so, sizeof so, "/proc/self/fd/%d", fd);
    }
    /* Not -I: it would also ignore the hash seed, and the environment is ours alone anyway. */
    const char *argv[] = { c->python, "-s", "-B", "-X", "utf8", "-c", worker_py(c), so, any, echo, NULL };
    const char *env[] = { "PATH=/usr/bin:/bin",
                          at_home,
                          "LANG=C.UTF-8",
                          "LC_ALL=C.UTF-8",
                          "TZ=UTC",
                          "PYTHONHASHSEED=0",
                          "OMP_NUM_THREADS=1",
                          "OPENBLAS_NUM_THREADS=1",
                          "MKL_NUM_THREADS=1",
                          "MPLBACKEND=agg",
                          "SYMPY_USE_CACHE=yes",
                          NULL };
    execve(c->python, (char *const *)argv, (char *const *)env);
    return step("interpreter", errno, c->python);
}

static int run_python(const jail_config *c)
{
    const struct rlimit none = { 0, 0 };
    signal(SIGCHLD, SIG_DFL);
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    confine_drop_capabilities();
    close(JAIL_LIFELINE_FD);
    start_python(c);
    return 1;
}

/* Until the supervisor's end of the lifeline closes or Python ends: then so do we, and with PID 1
 * every process of the jail. */
static int keep(pid_t python)
{
    const int pidfd = (int)syscall(SYS_pidfd_open, python, 0U);
    struct pollfd p[2] = { { JAIL_LIFELINE_FD, POLLIN, 0 }, { pidfd, POLLIN, 0 } };
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    confine_drop_capabilities();
    close(JAIL_CONTROL_FD);
    close(JAIL_CONFIG_FD);
    close(JAIL_PROC_FD);
    if (pidfd < 0)
        return 1;
    while (poll(p, 2, -1) < 0 && errno == EINTR)
        ;
    kill(python, SIGKILL); /* where no namespace dies with us */
    return 0;
}

static int be_first(const jail_config *c)
{
    signal(SIGCHLD, SIG_IGN); /* orphans are reaped by nobody but us: let the kernel do it */
    const pid_t python = fork();
    if (python == 0)
        return run_python(c);
    if (python < 0)
        return !step("first process", errno, "fork");
    return keep(python);
}

int main(void)
{
    int status = 0;
    syscall(SYS_close_range, (unsigned)JAIL_CONFIG_FD + 1, ~0U, 0U);
    umask(022);
    const jail_config *c = read_config();
    if (c == NULL)
        return 2;
    if (!leave_host(c))
        return 1;
    const pid_t first = fork();
    if (first == 0)
        return be_first(c);
    if (first < 0)
        return !step("first process", errno, "fork");
    syscall(SYS_close_range, 0U, ~0U, 0U);
    while (waitpid(first, &status, 0) < 0 && errno == EINTR)
        ;
    return 0;
}
