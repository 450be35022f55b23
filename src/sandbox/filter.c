/* filter.c - the seccomp program of a worker: an allow-list.
 *
 * What is not listed fails with EPERM, so that Python raises an exception the model can read; a
 * call through another architecture's door (i386, x32) kills.  No call here makes a process, a
 * socket, a mount or a namespace, runs a program, sends a signal to another process, or touches
 * another process's memory.  The list is what CPython, NumPy, SciPy and SymPy use while they
 * compute and keep files in one directory. */
#include "sandbox_int.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "rung/base/mem.h"

static const char *const ALLOWED[] = {
    /* descriptors and bytes */
    "read",
    "write",
    "readv",
    "writev",
    "pread64",
    "pwrite64",
    "lseek",
    "close",
    "close_range",
    "dup",
    "dup2",
    "dup3",
    "pipe",
    "pipe2",
    "poll",
    "ppoll",
    "select",
    "pselect6",
    "fsync",
    "fdatasync",
    "fadvise64",
    "copy_file_range",
    "sendfile",
    /* files, which Landlock and the mounts bound */
    "open",
    "openat",
    "stat",
    "lstat",
    "fstat",
    "newfstatat",
    "statx",
    "statfs",
    "fstatfs",
    "access",
    "faccessat",
    "faccessat2",
    "readlink",
    "readlinkat",
    "getcwd",
    "chdir",
    "fchdir",
    "mkdir",
    "mkdirat",
    "rmdir",
    "unlink",
    "unlinkat",
    "rename",
    "renameat",
    "renameat2",
    "truncate",
    "ftruncate",
    "getdents64",
    "umask",
    /* memory */
    "mmap",
    "munmap",
    "mremap",
    "mprotect",
    "madvise",
    "brk",
    /* threads of one process */
    "futex",
    "set_robust_list",
    "get_robust_list",
    "rseq",
    "sched_yield",
    "sched_getaffinity",
    "gettid",
    "exit",
    "exit_group",
    "set_tid_address",
    "membarrier",
    /* own signals and timers */
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "rt_sigpending",
    "sigaltstack",
    "setitimer",
    "getitimer",
    "alarm",
    "pause",
    "restart_syscall",
    /* time and identity */
    "clock_gettime",
    "clock_getres",
    "clock_nanosleep",
    "nanosleep",
    "gettimeofday",
    "time",
    "times",
    "getrusage",
    "getrlimit",
    "getpid",
    "getppid",
    "getuid",
    "geteuid",
    "getgid",
    "getegid",
    "getresuid",
    "getresgid",
    "getpgrp",
    "getpgid",
    "getsid",
    "uname",
    "sysinfo",
    "getrandom",
    "getcpu",
};

static int allow(scmp_filter_ctx f, const char *name)
{
    const int nr = seccomp_syscall_resolve_name(name);
    if (nr == __NR_SCMP_ERROR || nr < 0)
        return 0; /* this architecture has no such call */
    return seccomp_rule_add(f, SCMP_ACT_ALLOW, nr, 0);
}

/* Argument number `arg`, as far as `mask` goes, is `value`. */
static struct scmp_arg_cmp is(unsigned arg, scmp_datum_t mask, scmp_datum_t value)
{
    return (struct scmp_arg_cmp){ .arg = arg, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value };
}

static int allow_if(scmp_filter_ctx f, int nr, struct scmp_arg_cmp condition)
{
    return seccomp_rule_add_array(f, SCMP_ACT_ALLOW, nr, 1, &condition);
}

#define ALL UINT64_C(0xffffffff) /* commands and flags are 32 bits wide */

/* fcntl without leases, owners, signals, seals and locks (which other sandboxes would see). */
static int allow_fcntl(scmp_filter_ctx f)
{
    static const unsigned ok[] = { F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL };
    int bad = 0;
    for (size_t i = 0; i < RG_COUNT(ok); i++)
        bad |= allow_if(f, SCMP_SYS(fcntl), is(1, ALL, ok[i]));
    return bad;
}

/* Is it a terminal, how much is there; no TIOCSTI. */
static int allow_ioctl(scmp_filter_ctx f)
{
    static const unsigned ok[] = { TCGETS, FIOCLEX, FIONCLEX, FIONREAD, TIOCGWINSZ };
    int bad = 0;
    for (size_t i = 0; i < RG_COUNT(ok); i++)
        bad |= allow_if(f, SCMP_SYS(ioctl), is(1, ALL, ok[i]));
    return bad;
}

/* Threads yes, processes and namespaces no.  clone3 hides its flags from a filter: ENOSYS makes
 * the C library use clone. */
static int allow_threads(scmp_filter_ctx f)
{
    const scmp_datum_t spaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                                CLONE_NEWPID | CLONE_NEWNET | CLONE_PTRACE | CLONE_PARENT;
    const int bad = allow_if(f, SCMP_SYS(clone), is(0, spaces | CLONE_THREAD, CLONE_THREAD));
    return bad | seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
}

/* Naming a thread; reading one's own limits, not setting any. */
static int allow_some(scmp_filter_ctx f, bool alone)
{
    const struct scmp_arg_cmp own_and_read[2] = { is(0, ALL, 0), is(2, UINT64_MAX, 0) };
    int bad = allow_if(f, SCMP_SYS(prctl), is(0, ALL, PR_SET_NAME));
    bad |= seccomp_rule_add_array(f, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2, own_and_read);
    if (alone) /* abort() and raise(); every process it can name is the session's own */
        bad |= seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 0);
    return bad;
}

static int fill(scmp_filter_ctx f, bool alone)
{
    int bad = seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    bad |= seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a binary tree: fewer steps a call */
    for (size_t i = 0; i < RG_COUNT(ALLOWED); i++)
        bad |= allow(f, ALLOWED[i]);
    return bad | allow_fcntl(f) | allow_ioctl(f) | allow_threads(f) | allow_some(f, alone);
}

/* libseccomp writes its program to a descriptor only. */
static rg_status export(scmp_filter_ctx f, void **out, size_t *bytes, rg_err *e)
{
    const int fd = memfd_create("filter", MFD_CLOEXEC);
    if (fd < 0)
        RG_FAIL(e, RG_EIO, "no memory file for the seccomp program: %s", strerror(errno));
    const int bad = seccomp_export_bpf(f, fd);
    const off_t n = lseek(fd, 0, SEEK_END);
    void *p = bad == 0 && n > 0 && n < (1 << 20) ? rg_alloc((size_t)n, 1) : NULL;
    const bool ok = p && pread(fd, p, (size_t)n, 0) == n;
    close(fd);
    if (!ok) {
        rg_free(p);
        RG_FAIL(e, RG_ESANDBOX, "libseccomp could not write its program: %s",
                bad ? strerror(-bad) : "out of memory");
    }
    *out = p;
    *bytes = (size_t)n;
    return RG_OK;
}

rg_status rg__filter_build(void **out, size_t *bytes, bool alone, rg_err *e)
{
    *out = NULL;
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (f == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for the seccomp program");
    rg_status s = RG_OK;
    if (fill(f, alone) != 0)
        s = rg_err_set(e, RG_ESANDBOX, __FILE__, __LINE__,
                       "libseccomp refused a rule of the worker's filter");
    else
        s = export(f, out, bytes, e);
    seccomp_release(f);
    return s;
}
