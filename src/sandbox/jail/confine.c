/* confine.c - see confine.h.  Raw system calls where the C library of Debian 12 has no wrapper. */
#include "confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

int confine_write(int dir, const char *path, const char *text)
{
    const size_t n = strlen(text);
    const int fd = openat(dir, path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    const ssize_t done = write(fd, text, n);
    const int error = done == (ssize_t)n ? 0 : done < 0 ? errno : EIO;
    close(fd);
    return error;
}

int confine_map_ids(int proc, unsigned uid, unsigned gid)
{
    char line[64];
    int error = confine_write(proc, "self/setgroups", "deny");
    if (error && error != ENOENT && error != EPERM) /* EPERM: denied already, one namespace up */
        return error;
    snprintf(line, sizeof line, "%d %u 1", JAIL_INSIDE_ID, gid);
    error = confine_write(proc, "self/gid_map", line);
    if (error)
        return error;
    snprintf(line, sizeof line, "%d %u 1", JAIL_INSIDE_ID, uid);
    return confine_write(proc, "self/uid_map", line);
}

int confine_drop_capabilities(void)
{
    struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct none[2];
    memset(none, 0, sizeof none);
    for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 && errno != EPERM)
            return errno;
    if (syscall(SYS_capset, &head, none) < 0)
        return errno;
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? errno : 0;
}

int confine_limits(uint64_t memory_bytes, unsigned threads)
{
    const struct {
        int what;
        rlim_t most;
    } limits[] = {
        { RLIMIT_AS, memory_bytes }, { RLIMIT_DATA, memory_bytes }, { RLIMIT_STACK, 8 << 20 },
        { RLIMIT_FSIZE, 8 << 20 },   { RLIMIT_NOFILE, 64 },         { RLIMIT_CORE, 0 },
        { RLIMIT_MEMLOCK, 0 },       { RLIMIT_MSGQUEUE, 0 },        { RLIMIT_RTPRIO, 0 },
        { RLIMIT_NICE, 0 },          { RLIMIT_CPU, 3600 },
    };
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        struct rlimit l = { limits[i].most, limits[i].most }, now;
        if (getrlimit((__rlimit_resource_t)limits[i].what, &now) == 0 && now.rlim_max < l.rlim_max)
            l.rlim_cur = l.rlim_max = now.rlim_max; /* the host is stricter */
        if (setrlimit((__rlimit_resource_t)limits[i].what, &l) < 0)
            return errno;
    }
    const struct rlimit t = { threads, threads };
    return threads && setrlimit(RLIMIT_NPROC, &t) < 0 ? errno : 0;
}

int confine_seccomp(const void *filter, size_t bytes)
{
    struct sock_fprog program;
    memset(&program, 0, sizeof program);
    program.len = (unsigned short)(bytes / sizeof(struct sock_filter));
    memcpy(&program.filter, &filter, sizeof filter); /* the kernel only reads it */
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0 ? errno : 0;
}
