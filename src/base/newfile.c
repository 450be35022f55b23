/* newfile.c - PATH.new-xxxxxxxx, locked while it is written; then fsync, rename, fsync. */
#include "rung/base/newfile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "rung/base/buf.h"
#include "rung/base/mem.h"

#define SUFFIX ".new-"
enum { RANDOM_CHARS = 8, TRIES = 16, PATH_CAP = 8192 };

struct rg_newfile {
    char *path, *tmp, *folder;
    int fd;
};

static rg_status fail(rg_err *e, const char *what, const char *path)
{
    const int err = errno;
    const bool limit = err == ENOSPC || err == EDQUOT || err == EFBIG;
    RG_FAIL(e, limit ? RG_ELIMIT : RG_EIO, "%s: %s: %s", path, what, strerror(err));
}

/* ---- what a killed writer left ---- */

static void remove_if_stale(int folder, const char *name)
{
    const int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return;
    struct stat st;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && flock(fd, LOCK_EX | LOCK_NB) == 0)
        unlinkat(folder, name, 0);
    close(fd);
}

static bool is_temporary_of(const char *name, const char *base)
{
    const size_t n = strlen(base), s = strlen(SUFFIX);
    return strncmp(name, base, n) == 0 && strncmp(name + n, SUFFIX, s) == 0 &&
           strlen(name + n + s) == RANDOM_CHARS;
}

static void remove_stale(const char *folder, const char *base)
{
    DIR *d = opendir(folder);
    if (d == NULL)
        return;
    for (const struct dirent *it; (it = readdir(d)) != NULL;)
        if (is_temporary_of(it->d_name, base))
            remove_if_stale(dirfd(d), it->d_name);
    closedir(d);
}

/* ---- life ---- */

static void free_newfile(rg_newfile *f)
{
    if (f->fd >= 0)
        close(f->fd);
    rg_free(f->path);
    rg_free(f->tmp);
    rg_free(f->folder);
    rg_free(f);
}

static rg_status name_parts(rg_newfile *f, const char **base, const char *path, rg_err *e)
{
    const char *slash = strrchr(path, '/');
    *base = slash ? slash + 1 : path;
    if (**base == '\0')
        RG_FAIL(e, RG_EARG, "'%s' names a folder, not a file to write", path);
    f->path = rg_strdup(path);
    f->folder = slash == NULL ? rg_strdup(".") : rg_strndup(path, slash == path ? 1 : (size_t)(slash - path));
    if (f->path == NULL || f->folder == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for a path");
    return RG_OK;
}

static int try_name(rg_buf *tmp, const char *path)
{
    uint32_t r = 0;
    (void)!getrandom(&r, sizeof r, GRND_NONBLOCK); /* O_EXCL decides; the number only spreads names */
    rg_buf_clear(tmp);
    rg_buf_printf(tmp, "%s" SUFFIX "%08x", path, (unsigned)r);
    return tmp->failed ? -1 : open(tmp->p, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
}

/* A file without a lock may be taken for a dead one between open and flock: then its name is
 * gone, and we try again. */
static rg_status create(rg_newfile *f, rg_err *e)
{
    rg_buf tmp = RG_BUF_MAX(PATH_CAP);
    rg_status s = RG_OK;
    for (int i = 0; i < TRIES && f->tmp == NULL && s == RG_OK; i++) {
        struct stat st;
        f->fd = try_name(&tmp, f->path);
        if (tmp.failed)
            s = rg_buf_check(&tmp, "the path", e);
        else if (f->fd < 0 && errno == EEXIST)
            continue;
        else if (f->fd < 0)
            s = fail(e, "cannot create a file beside it", f->path);
        else if (flock(f->fd, LOCK_EX | LOCK_NB) == 0 && fstat(f->fd, &st) == 0 && st.st_nlink == 1)
            f->tmp = rg_buf_take(&tmp);
        else {
            close(f->fd);
            f->fd = -1;
        }
    }
    rg_buf_free(&tmp);
    if (s == RG_OK && f->tmp == NULL)
        RG_FAIL(e, RG_EIO, "%s: cannot create a file beside it: every name tried is taken", f->path);
    return s;
}

rg_status rg_newfile_open(rg_newfile **out, const char *path, rg_err *e)
{
    const char *base;
    rg_status s;
    *out = NULL;
    rg_newfile *f = rg_calloc(1, sizeof *f);
    if (f == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory to write %s", path);
    f->fd = -1;
    RG_GO(s, failed, name_parts(f, &base, path, e));
    remove_stale(f->folder, base);
    RG_GO(s, failed, create(f, e));
    *out = f;
    return RG_OK;
failed:
    free_newfile(f);
    return s;
}

void rg_newfile_abandon(rg_newfile *f)
{
    if (f == NULL)
        return;
    if (f->tmp != NULL)
        unlink(f->tmp);
    free_newfile(f);
}

/* ---- writing ---- */

rg_status rg_room_in(const char *folder, uint64_t bytes, const char *what, rg_err *e)
{
    struct statvfs v;
    if (statvfs(folder, &v) != 0)
        return RG_OK; /* not known; the write itself will tell */
    const uint64_t have = (uint64_t)v.f_bavail * v.f_frsize;
    if (have < bytes)
        RG_FAIL(e, RG_ELIMIT,
                "%s: it needs %.1f MB, the file system has %.1f MB left: make room or write elsewhere", what,
                (double)bytes / 1e6, (double)have / 1e6);
    return RG_OK;
}

rg_status rg_newfile_room(const rg_newfile *f, uint64_t bytes, rg_err *e)
{
    return rg_room_in(f->folder, bytes, f->path, e);
}

rg_status rg_newfile_write(rg_newfile *f, const void *p, size_t n, rg_err *e)
{
    const char *at = p;
    while (n > 0) {
        const ssize_t w = write(f->fd, at, n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            return fail(e, "cannot write", f->path);
        at += w;
        n -= (size_t)w;
    }
    return RG_OK;
}

static void sync_folder(const char *folder)
{
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}

rg_status rg_newfile_commit(rg_newfile *f, rg_err *e)
{
    rg_status s = RG_OK;
    if (fsync(f->fd) != 0)
        s = fail(e, "cannot bring it to disk", f->path);
    else if (rename(f->tmp, f->path) != 0)
        s = fail(e, "cannot rename to it", f->path);
    if (s != RG_OK) {
        rg_newfile_abandon(f);
        return s;
    }
    sync_folder(f->folder);
    free_newfile(f);
    return RG_OK;
}
