/* newfolder.c - PATH.new-xxxxxxxx/, locked while it is filled; then renamed. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rung/base/buf.h"
#include "rung/base/mem.h"
#include "rung/base/newfile.h"

#define SUFFIX ".new-"
enum { RANDOM_CHARS = 6, PATH_CAP = 4096 };

struct rg_newfolder {
    char *path, *tmp;
    int fd; /* of the folder; holds the lock */
};

static rg_status fail(rg_err *e, const char *what, const char *path)
{
    const int err = errno;
    RG_FAIL(e, err == ENOSPC || err == EDQUOT ? RG_ELIMIT : RG_EIO, "%s: %s: %s", path, what, strerror(err));
}

/* Its files (there are no folders in it), then itself. */
static void remove_folder(int parent, const char *name)
{
    const int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (d == NULL) {
        if (fd >= 0)
            close(fd);
        return;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
        for (const struct dirent *it; (it = readdir(d)) != NULL;)
            unlinkat(fd, it->d_name, 0); /* "." and ".." refuse */
        unlinkat(parent, name, AT_REMOVEDIR);
    }
    closedir(d);
}

static void remove_stale(const char *path)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    const size_t n = strlen(base), s = strlen(SUFFIX);
    char *parent =
        slash == NULL ? rg_strdup(".") : rg_strndup(path, slash == path ? 1 : (size_t)(slash - path));
    DIR *d = parent == NULL ? NULL : opendir(parent);
    for (const struct dirent *it; d != NULL && (it = readdir(d)) != NULL;)
        if (strncmp(it->d_name, base, n) == 0 && strncmp(it->d_name + n, SUFFIX, s) == 0 &&
            strlen(it->d_name + n + s) == RANDOM_CHARS)
            remove_folder(dirfd(d), it->d_name);
    if (d != NULL)
        closedir(d);
    rg_free(parent);
}

static rg_status create(rg_newfolder *f, const char *path, rg_err *e)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    f->path = rg_strndup(path, n);
    rg_buf tmp = RG_BUF_MAX(PATH_CAP);
    rg_buf_printf(&tmp, "%.*s" SUFFIX "XXXXXX", (int)n, path);
    f->tmp = rg_buf_take(&tmp);
    rg_buf_free(&tmp);
    if (f->path == NULL || f->tmp == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for a path");
    remove_stale(f->path);
    if (mkdtemp(f->tmp) == NULL) {
        rg_free(f->tmp);
        f->tmp = NULL;
        return fail(e, "cannot make a folder beside it", f->path);
    }
    f->fd = open(f->tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (f->fd < 0 || flock(f->fd, LOCK_EX | LOCK_NB) != 0 || fchmod(f->fd, 0755) != 0)
        return fail(e, "cannot lock the folder beside it", f->path);
    return RG_OK;
}

static void free_newfolder(rg_newfolder *f)
{
    if (f->fd >= 0)
        close(f->fd);
    rg_free(f->path);
    rg_free(f->tmp);
    rg_free(f);
}

void rg_newfolder_abandon(rg_newfolder *f)
{
    if (f == NULL)
        return;
    if (f->fd >= 0) { /* remove_folder takes the lock */
        close(f->fd);
        f->fd = -1;
    }
    if (f->tmp != NULL)
        remove_folder(AT_FDCWD, f->tmp);
    free_newfolder(f);
}

rg_status rg_newfolder_open(rg_newfolder **out, const char *path, rg_err *e)
{
    *out = NULL;
    rg_newfolder *f = rg_calloc(1, sizeof *f);
    if (f == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory to write %s", path);
    f->fd = -1;
    const rg_status s = create(f, path, e);
    if (s == RG_OK)
        *out = f;
    else
        rg_newfolder_abandon(f);
    return s;
}

const char *rg_newfolder_path(const rg_newfolder *f)
{
    return f->tmp;
}

/* An empty folder of that name is replaced by rename; any other one is not. */
rg_status rg_newfolder_commit(rg_newfolder *f, rg_err *e)
{
    rg_status s = RG_OK;
    if (fsync(f->fd) != 0)
        s = fail(e, "cannot bring it to disk", f->path);
    else if (rename(f->tmp, f->path) != 0)
        s = fail(e, "cannot rename to it", f->path);
    if (s != RG_OK) {
        rg_newfolder_abandon(f);
        return s;
    }
    const char *slash = strrchr(f->path, '/');
    char *parent = slash == NULL ? rg_strdup(".")
                                 : rg_strndup(f->path, slash == f->path ? 1 : (size_t)(slash - f->path));
    const int fd = parent == NULL ? -1 : open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    rg_free(parent);
    free_newfolder(f);
    return RG_OK;
}
