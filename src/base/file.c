#include "rung/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "rung/base/mem.h"

/* ---- mapping ---- */

static rg_status open_regular(int *fd, size_t *size, const char *path, rg_err *e)
{
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not make us wait */
    if (*fd < 0)
        RG_FAIL(e, RG_EIO, "%s: %s", path, strerror(errno));
    struct stat st;
    if (fstat(*fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(*fd);
        RG_FAIL(e, RG_EIO, "%s: not a regular file", path);
    }
    *size = (size_t)st.st_size;
    return RG_OK;
}

rg_status rg_map_open(rg_map *m, const char *path, rg_err *e)
{
    m->data = NULL;
    m->size = 0;
    int fd = -1;
    size_t size = 0;
    RG_TRY(open_regular(&fd, &size, path, e));
    if (size > 0) {
        void *p = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED) {
            const int err = errno;
            close(fd);
            RG_FAIL(e, RG_EIO, "%s: cannot map %zu bytes: %s", path, size, strerror(err));
        }
        m->data = p;
        m->size = size;
    }
    close(fd);
    return RG_OK;
}

void rg_map_close(rg_map *m)
{
    if (m->data != NULL)
        munmap((void *)(uintptr_t)m->data, m->size);
    m->data = NULL;
    m->size = 0;
}

void rg_map_release(const rg_map *m, size_t off, size_t n)
{
    if (m->data == NULL || off >= m->size)
        return;
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t end = RG_MIN(m->size - off, n) + off;
    const size_t from = RG_ROUND_UP(off, page), to = end / page * page;
    if (from < to)
        madvise((void *)(uintptr_t)(m->data + from), to - from, MADV_DONTNEED);
}

/* ---- reading ---- */

static rg_status read_fd(rg_buf *b, int fd, const char *path, rg_err *e)
{
    char chunk[1 << 16];
    for (;;) {
        const ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            RG_FAIL(e, RG_EIO, "%s: %s", path, strerror(errno));
        if (n == 0)
            return rg_buf_check(b, path, e);
        rg_buf_put(b, chunk, (size_t)n);
        RG_TRY(rg_buf_check(b, path, e));
    }
}

rg_status rg_read_all(char **out, size_t *n, const char *path, size_t max, rg_err *e)
{
    *out = NULL;
    *n = 0;
    const bool is_stdin = strcmp(path, "-") == 0;
    const int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        RG_FAIL(e, RG_EIO, "%s: %s", path, strerror(errno));
    rg_buf b = RG_BUF_MAX(max);
    rg_status s = read_fd(&b, fd, is_stdin ? "standard input" : path, e);
    if (!is_stdin)
        close(fd);
    if (s == RG_OK) {
        *n = b.n;
        *out = rg_buf_take(&b);
        if (*out == NULL)
            s = rg_err_set(e, RG_ENOMEM, __FILE__, __LINE__, "no memory for %s", path);
    }
    rg_buf_free(&b);
    return s;
}

struct rg_lines {
    FILE *f;
    char *line;
    size_t cap, max, number;
    char *path;
};

rg_status rg_lines_open(rg_lines **out, const char *path, size_t max, rg_err *e)
{
    *out = NULL;
    rg_lines *l = rg_calloc(1, sizeof *l);
    if (l == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory to read %s", path);
    l->max = max;
    l->path = rg_strdup(path);
    l->f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    if (l->path == NULL || l->f == NULL) {
        const rg_status s = rg_err_set(e, RG_EIO, __FILE__, __LINE__, "%s: %s", path, strerror(errno));
        rg_lines_close(l);
        return s;
    }
    *out = l;
    return RG_OK;
}

rg_status rg_lines_next(rg_lines *l, rg_str *line, size_t *number, bool *had_newline, rg_err *e)
{
    rg_buf b = { l->line, 0, l->cap, l->max, false, false };
    int c = 0;
    while ((c = getc_unlocked(l->f)) != EOF && c != '\n') {
        rg_buf_putc(&b, (char)c);
        if (b.failed)
            break;
    }
    l->line = b.p;
    l->cap = b.cap;
    l->number++;
    if (b.failed)
        RG_FAIL(e, RG_ELIMIT, "%s:%zu: the line is longer than %zu bytes", l->path, l->number, l->max);
    if (ferror(l->f))
        RG_FAIL(e, RG_EIO, "%s: %s", l->path, strerror(errno));
    *had_newline = c == '\n';
    *number = l->number;
    const bool at_end = c == EOF && b.n == 0;
    *line = at_end ? rg_str_n(NULL, 0) : rg_str_n(b.p ? b.p : "", b.n);
    return RG_OK;
}

void rg_lines_close(rg_lines *l)
{
    if (l == NULL)
        return;
    if (l->f != NULL && l->f != stdin)
        fclose(l->f);
    rg_free(l->line);
    rg_free(l->path);
    rg_free(l);
}

/* ---- writing ---- */

static rg_status io_fail(rg_err *e, const char *what, const char *path)
{
    const int err = errno;
    const rg_status code = err == ENOSPC || err == EDQUOT || err == EROFS ? RG_ELIMIT : RG_EIO;
    return rg_err_set(e, code, __FILE__, __LINE__, "%s: %s: %s", path, what, strerror(err));
}

static bool write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        const ssize_t w = write(fd, p, n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            return false;
        p += w;
        n -= (size_t)w;
    }
    return true;
}

static void sync_parent(const char *path)
{
    char *copy = rg_strdup(path);
    if (copy == NULL)
        return;
    const int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    rg_free(copy);
}

rg_status rg_write_atomic(const char *path, const void *p, size_t n, rg_err *e)
{
    rg_buf tmp = RG_BUF_MAX(8192);
    rg_buf_printf(&tmp, "%s.tmp-XXXXXX", path);
    RG_TRY(rg_buf_check(&tmp, "the path", e));
    rg_status s = RG_OK;
    const int fd = mkostemp(tmp.p, O_CLOEXEC);
    if (fd < 0) {
        s = io_fail(e, "cannot create", tmp.p);
    } else {
        bool ok = write_all(fd, p, n) && fsync(fd) == 0;
        if (!ok)
            s = io_fail(e, "cannot write", tmp.p);
        if (close(fd) != 0 && ok)
            s = io_fail(e, "cannot close", tmp.p);
        if (s == RG_OK && rename(tmp.p, path) != 0)
            s = io_fail(e, "cannot rename to it", path);
        if (s != RG_OK)
            unlink(tmp.p);
        else
            sync_parent(path);
    }
    rg_buf_free(&tmp);
    return s;
}

/* ---- paths ---- */

bool rg_path_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

bool rg_path_is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

rg_status rg_mkdirs(const char *path, rg_err *e)
{
    char *p = rg_strdup(path);
    if (p == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for a path");
    rg_status s = RG_OK;
    for (char *slash = p + 1;; slash++) {
        if (*slash != '/' && *slash != '\0')
            continue;
        const char keep = *slash;
        *slash = '\0';
        if (mkdir(p, 0700) != 0 && errno != EEXIST) {
            s = io_fail(e, "cannot make the folder", p);
            break;
        }
        *slash = keep;
        if (keep == '\0')
            break;
    }
    rg_free(p);
    return s;
}

rg_status rg_cache_path(char **out, const char *sub, rg_err *e)
{
    *out = NULL;
    const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    rg_buf b = RG_BUF_MAX(8192);
    if (xdg != NULL && xdg[0] == '/')
        rg_buf_printf(&b, "%s/rung/%s", xdg, sub);
    else if (home != NULL && home[0] != '\0')
        rg_buf_printf(&b, "%s/.cache/rung/%s", home, sub);
    else
        RG_FAIL(e, RG_EARG, "neither XDG_CACHE_HOME nor HOME is set: no place for the cache");
    const rg_status s = rg_buf_check(&b, "the cache path", e);
    if (s == RG_OK)
        *out = rg_buf_take(&b);
    rg_buf_free(&b);
    return s;
}

/* ---- SHA-256 ---- */

static void hex(char out[65], const unsigned char *d)
{
    for (size_t i = 0; i < 32; i++)
        snprintf(out + 2 * i, 3, "%02x", d[i]);
}

rg_status rg_sha256(char out[65], const void *p, size_t n, rg_err *e)
{
    unsigned char d[EVP_MAX_MD_SIZE];
    if (EVP_Digest(p, n, d, NULL, EVP_sha256(), NULL) != 1)
        RG_FAIL(e, RG_ENOMEM, "SHA-256 failed");
    hex(out, d);
    return RG_OK;
}

rg_status rg_sha256_file(char out[65], const char *path, rg_err *e)
{
    rg_map m;
    RG_TRY(rg_map_open(&m, path, e));
    if (m.data != NULL)
        madvise((void *)(uintptr_t)m.data, m.size, MADV_SEQUENTIAL);
    const rg_status s = rg_sha256(out, m.data ? (const void *)m.data : "", m.size, e);
    rg_map_close(&m);
    return s;
}
