/* scratch.h - a folder of a test's own under /tmp: paths in it, files put there, its removal. */
#ifndef RUNG_TEST_SCRATCH_H
#define RUNG_TEST_SCRATCH_H

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rung/base/file.h"
#include "rung/base/mem.h"
#include "test.h"

typedef struct scratch {
    char dir[256];
} scratch;

static inline scratch scratch_new(void)
{
    scratch s;
    snprintf(s.dir, sizeof s.dir, "/tmp/rung-test-XXXXXX");
    CHECK(mkdtemp(s.dir) != NULL);
    return s;
}

/* One of eight texts that take turns. */
static inline const char *in(const scratch *s, const char *rel)
{
    static char path[8][768];
    static int turn;
    char *p = path[turn++ % 8];
    snprintf(p, sizeof path[0], "%s%s%s", s->dir, *rel ? "/" : "", rel);
    return p;
}

static inline void put_file(const char *path, const void *p, size_t n, mode_t mode)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
    CHECK(fd >= 0);
    CHECK(write(fd, p, n) == (ssize_t)n);
    close(fd);
}

static inline void put_text(const char *path, const char *text)
{
    put_file(path, text, strlen(text), 0644);
}

static inline void copy_file(const char *to, const char *from)
{
    rg_err e = RG_ERR_INIT;
    char *p;
    size_t n;
    OK(rg_read_all(&p, &n, from, 1 << 20, &e), e);
    put_file(to, p, n, 0644);
    rg_free(p);
}

static inline void drop(const char *path)
{
    DIR *d = opendir(path);
    for (struct dirent *x; d && (x = readdir(d)) != NULL;) {
        char sub[1100];
        struct stat st;
        if (strcmp(x->d_name, ".") == 0 || strcmp(x->d_name, "..") == 0)
            continue;
        CHECK(snprintf(sub, sizeof sub, "%s/%s", path, x->d_name) < (int)sizeof sub);
        if (lstat(sub, &st) == 0 && S_ISDIR(st.st_mode))
            drop(sub);
        else
            unlink(sub);
    }
    if (d)
        closedir(d);
    rmdir(path);
}

#endif
