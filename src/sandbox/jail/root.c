/* root.c - see root.h.
 *
 * Two turns, so that no place of the host is hidden by where we build: a base of memory becomes
 * the root with the host's tree under /old; then /new is filled from /old and becomes the root,
 * and the rest is let go. */
#include "root.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

/* sys/mount.h and linux/mount.h cannot stand in one file in this C library */
int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data);
int umount2(const char *target, int flags);

enum { DETACH = 2, PATH = 2 * JAIL_PATH };

static int turn_root(const char *new_root, const char *put_old)
{
    return syscall(SYS_pivot_root, new_root, put_old) < 0 ? errno : 0;
}

/* Directories up to the last slash. */
static int make_parents(const char *path)
{
    char part[PATH];
    for (size_t i = 1; path[i] && i < sizeof part; i++)
        if (path[i] == '/') {
            memcpy(part, path, i);
            part[i] = '\0';
            if (mkdir(part, 0755) < 0 && errno != EEXIST)
                return errno;
        }
    return 0;
}

static int make_file(const char *path, const void *bytes, size_t n)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0555);
    if (fd < 0)
        return errno;
    const char *p = bytes;
    for (size_t done = 0; done < n;) {
        const ssize_t k = write(fd, p + done, n - done);
        if (k <= 0) {
            close(fd);
            return k < 0 ? errno : EIO;
        }
        done += (size_t)k;
    }
    close(fd);
    return 0;
}

/* Below a bind nothing may be written, no device opened, no setuid bit obeyed. */
static int make_read_only(const char *path)
{
    struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV };
    if (syscall(SYS_mount_setattr, AT_FDCWD, path, AT_RECURSIVE, &attr, sizeof attr) == 0)
        return 0;
    if (errno != ENOSYS)
        return errno;
    struct statvfs v; /* before Linux 5.12: flags that the host locked must be repeated */
    const unsigned long keep = MS_NOEXEC | MS_NOATIME | MS_NODIRATIME | MS_RELATIME;
    if (statvfs(path, &v) < 0)
        return errno;
    const unsigned long flags = (v.f_flag & keep) | MS_RDONLY | MS_NOSUID | MS_NODEV;
    return mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | flags, NULL) < 0 ? errno : 0;
}

static int place(const jail_place *p)
{
    char to[PATH], from[PATH];
    struct stat st;
    snprintf(to, sizeof to, "/new%s", p->at);
    snprintf(from, sizeof from, "/old%s", p->source);
    if (lstat(to, &st) == 0)
        return 0; /* a wider place holds it */
    if (stat(from, &st) < 0)
        return errno;
    int error = make_parents(to);
    if (error == 0 && S_ISDIR(st.st_mode))
        error = mkdir(to, 0755) < 0 ? errno : 0;
    else if (error == 0)
        error = make_file(to, "", 0);
    if (error == 0 && mount(from, to, NULL, MS_BIND | MS_REC, NULL) < 0)
        error = errno;
    return error ? error : make_read_only(to);
}

/* /lib64 -> usr/lib64 and its kin, where the host has them so. */
static int copy_links(void)
{
    static const char *const names[] = { "bin", "sbin", "lib", "lib32", "lib64", "libx32" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char from[32], to[32], target[256];
        snprintf(from, sizeof from, "/old/%s", names[i]);
        snprintf(to, sizeof to, "/new/%s", names[i]);
        const ssize_t n = readlink(from, target, sizeof target - 1);
        if (n <= 0)
            continue;
        target[n] = '\0';
        if (symlink(target, to) < 0)
            return errno;
    }
    return 0;
}

static int fill(const jail_config *c, const void *session_so, const char **about)
{
    int error = copy_links();
    for (uint32_t i = 0; i < c->n_places && error == 0; i++) {
        *about = c->place[i].at;
        error = place(&c->place[i]);
    }
    if (error)
        return error;
    *about = ROOT_SESSION;
    if (mkdir("/new/work", 0755) < 0 || mkdir("/new/rung", 0755) < 0)
        return errno;
    return make_file("/new" ROOT_SESSION, session_so, c->session_bytes);
}

int root_enter(const jail_config *c, const void *session_so, const char **about)
{
    struct stat st;
    const char *base = stat("/tmp", &st) == 0 && S_ISDIR(st.st_mode) ? "/tmp" : "/mnt";
    *about = "a private mount tree";
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return errno;
    *about = base;
    if (mount("rung", base, "tmpfs", MS_NOSUID | MS_NODEV, "size=64k,mode=0755") < 0 || chdir(base) < 0 ||
        mkdir("old", 0755) < 0 || mkdir("new", 0755) < 0)
        return errno;
    *about = "pivot_root";
    int error = turn_root(".", "old");
    if (error == 0 && (chdir("/") < 0 || mount("rung", "/new", "tmpfs", MS_NOSUID | MS_NODEV,
                                               "size=2m,nr_inodes=512,mode=0755") < 0))
        error = errno;
    if (error == 0)
        error = fill(c, session_so, about);
    if (error)
        return error;
    *about = "pivot_root";
    if (chdir("/new") < 0)
        return errno;
    error = turn_root(".", ".");
    if (error == 0 && (umount2(".", DETACH) < 0 || chdir("/") < 0))
        error = errno;
    return error ? error : make_read_only("/");
}
