/* session.c - session.so: what the warm Python calls to fork a session and to wall it in.
 *
 * jail_spawn clones S1, PID 1 of namespaces of its own; S1 maps ids, mounts a private work
 * directory, forks the worker and stays behind as a reaper that holds one descriptor.  The
 * worker returns into Python, which finishes its own fork and calls jail_enter. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "confine.h"

static const jail_config *config; /* mapped; this file is a program's own, not the library's */
static const char *work = "/work";
static char own_work[JAIL_PATH + 32];
static jail_hello hello;

__attribute__((visibility("default"))) int jail_load(void);
__attribute__((visibility("default"))) int jail_spawn(int *pidfd, const int fd[4], uint64_t number);
__attribute__((visibility("default"))) int jail_enter(void);
__attribute__((visibility("default"))) const char *jail_work(void);

int jail_load(void)
{
    struct stat st;
    if (fstat(JAIL_CONFIG_FD, &st) < 0 || (size_t)st.st_size < sizeof *config)
        return EINVAL;
    void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, JAIL_CONFIG_FD, 0);
    if (p == MAP_FAILED)
        return errno;
    config = p;
    return config->magic == JAIL_MAGIC ? 0 : EINVAL;
}

const char *jail_work(void)
{
    return work;
}

static void failed(const char *step, int error)
{
    if (hello.error == 0 && error != 0) {
        hello.error = error;
        snprintf(hello.step, sizeof hello.step, "%s", step);
    }
}

static void end(int code)
{
    for (;;)
        syscall(SYS_exit_group, code);
}

/* ---- S1 ---- */

/* Waits for the worker; its status goes to the supervisor, which must not trust the worker for it. */
static void watch(pid_t worker, int status_fd)
{
    int status = 0;
    dup2(status_fd, 0);
    syscall(SYS_close_range, 1U, ~0U, 0U);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    confine_drop_capabilities();
    while (waitpid(worker, &status, 0) < 0 && errno == EINTR)
        ;
    if (write(0, &status, sizeof status) < 0)
        end(2); /* the supervisor is gone */
    end(0);
}

static void make_work(unsigned uid, unsigned gid, uint64_t number)
{
    char options[96];
    if (config->level >= 3) {
        failed("session ids", confine_map_ids(JAIL_PROC_FD, uid, gid));
        snprintf(options, sizeof options, "size=%d,nr_inodes=%d,mode=0700", JAIL_WORK_BYTES,
                 JAIL_WORK_INODES);
        if (mount("rung", work, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options) < 0)
            failed("work directory", errno);
        return;
    }
    snprintf(own_work, sizeof own_work, "%s/%llu", config->work, (unsigned long long)number);
    work = own_work;
    if (mkdir(work, 0700) < 0)
        failed("work directory", errno);
}

/* > 0: the parent, S1's pid; 0: the worker; < 0: -errno.  fd: control, stdout, stderr, status. */
int jail_spawn(int *pidfd, const int fd[4], uint64_t number)
{
    const unsigned uid = geteuid(), gid = getegid();
    unsigned long flags = SIGCHLD | CLONE_PIDFD;
    if (config->level >= 3)
        flags |= CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC;
    const long s1 = syscall(SYS_clone, flags, NULL, pidfd, NULL, 0UL);
    if (s1 != 0)
        return s1 > 0 ? (int)s1 : -errno;
    signal(SIGCHLD, SIG_DFL);
    make_work(uid, gid, number);
    const pid_t worker = fork();
    if (worker != 0)
        watch(worker, fd[3]);
    int moved[3]; /* above the numbers they are to have, so that no dup2 closes one */
    for (int i = 0; i < 3; i++)
        moved[i] = fcntl(fd[i], F_DUPFD, 40);
    dup2(moved[1], 1);
    dup2(moved[2], 2);
    dup2(moved[0], 3);
    return 0;
}

/* ---- the worker ---- */

/* Everything that is left to read from becomes an end of file. */
static void close_others(void)
{
    int empty[2];
    syscall(SYS_close_range, 4U, ~0U, 0U);
    if (pipe(empty) == 0) {
        dup2(empty[0], 0);
        close(empty[0]);
        close(empty[1]);
    }
}

static void wall_files(void)
{
    const char *paths[JAIL_MAX_PLACES];
    size_t n = 0;
    if (config->level >= 3)
        paths[n++] = "/"; /* our root holds nothing but the interpreter's trees */
    else
        for (; n < config->n_places; n++)
            paths[n] = config->place[n].at;
    failed("Landlock", confine_landlock(paths, n, work, &hello.landlock_abi));
}

int jail_enter(void)
{
    const char *filter = (const char *)config + sizeof *config + config->worker_bytes + config->session_bytes;
    close_others();
    if (chdir(work) < 0)
        failed("work directory", errno);
    umask(077);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    failed("limits", confine_limits(config->memory_bytes, config->level >= 3 ? JAIL_THREADS : 0));
    failed("capabilities", confine_drop_capabilities());
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0) /* where no namespace dies with S1 */
        failed("session", errno);
    if (config->level >= 2) {
        wall_files();
        failed("seccomp", confine_seccomp(filter, config->filter_bytes));
    }
    hello.magic = JAIL_MAGIC;
    if (write(3, &hello, sizeof hello) != (ssize_t)sizeof hello)
        end(3);
    return hello.error;
}
