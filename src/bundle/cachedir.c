/* cachedir.c - the local store: the folder of pulled models, and one pull's paths in it.
 *
 *     .../rung/CACHEDIR.TAG          tells backup programs to leave the folder out
 *     .../rung/models/NAME.gguf      complete and checked, or absent
 *                     NAME.gguf.part     grows from the front; kept for the next try
 *                     NAME.gguf.joined   which packages are already in .part
 *                     NAME.gguf.lock     one pull at a time (flock; an empty file stays behind)
 *                     NAME/              a folder put there by hand, with config.json in it */
#include "source_int.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "rung/base/file.h"
#include "rung/base/mem.h"

enum { MAX_STORED = 65536 }; /* names listed from the folder at most */

rg_status rg__text(char **out, rg_err *e, const char *fmt, ...)
{
    va_list ap;
    *out = NULL;
    va_start(ap, fmt);
    const int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *s = n < 0 ? NULL : rg_alloc((size_t)n + 1, 1);
    if (!s)
        RG_FAIL(e, RG_ENOMEM, "out of memory for a string of %d bytes", n);
    va_start(ap, fmt);
    vsnprintf(s, (size_t)n + 1, fmt, ap);
    va_end(ap);
    *out = s;
    return RG_OK;
}

rg_status rg__write_all(int fd, const void *p, size_t n, const char *path, rg_err *e)
{
    const char *at = p;
    while (n > 0) {
        const ssize_t k = write(fd, at, n);
        if (k >= 0) {
            at += k;
            n -= (size_t)k;
        } else if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG) {
            RG_FAIL(e, RG_ELIMIT, "no room left for %s: %s; free some disk and run the same command again",
                    path, strerror(errno));
        } else if (errno != EINTR) {
            RG_FAIL(e, RG_EIO, "cannot write %s: %s", path, strerror(errno));
        }
    }
    return RG_OK;
}

uint64_t rg__file_bytes(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
}

bool rg__name_is_plain(rg_str name)
{
    if (name.n == 0 || name.n > 128 || name.p[0] == '.' || name.p[0] == '-')
        return false;
    for (size_t i = 0; i < name.n; i++)
        if (!isalnum((unsigned char)name.p[i]) && !strchr("._-", name.p[i]))
            return false;
    return true;
}

rg_status rg_model_place(char **path, const char *name, rg_err *e)
{
    char *dir = NULL;
    *path = NULL;
    if (!rg__name_is_plain(rg_str_of(name)))
        RG_FAIL(e, RG_EARG, "\"%.80s\" is not a model name: letters, digits, '.', '_' and '-' only", name);
    RG_TRY(rg_cache_path(&dir, "models", e));
    const rg_status s = rg__text(path, e, "%s/%s.gguf", dir, name);
    rg_free(dir);
    return s;
}

static rg_status tag_cache(rg_err *e)
{
    static const char tag[] = "Signature: 8a477f597d28d172789f06886806bc55\n"
                              "# rung keeps here what it can make or fetch again.\n";
    char *path = NULL;
    rg_status s;
    RG_TRY(rg_cache_path(&path, "CACHEDIR.TAG", e));
    s = rg_path_exists(path) ? RG_OK : rg_write_atomic(path, tag, sizeof tag - 1, e);
    rg_free(path);
    return s;
}

/* Waits for another pull of the same model: what it fetches is what we want. */
static rg_status lock_name(rg__pull *p, rg_err *e)
{
    const struct timespec nap = { .tv_nsec = 100 * 1000 * 1000 };
    char *path = NULL;
    bool said = false;

    RG_TRY(rg__text(&path, e, "%s.lock", p->file));
    p->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    const int err = errno;
    rg_status s = RG_OK;
    if (p->lock < 0)
        s = rg_err_set(e, RG_EIO, __FILE__, __LINE__, "cannot open %s: %s", path, strerror(err));
    while (s == RG_OK && flock(p->lock, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR) {
            s = rg_err_set(e, RG_EIO, __FILE__, __LINE__, "cannot lock %s: %s", path, strerror(errno));
            break;
        }
        if (!said)
            rg_call_log(p->call, RG_INFO, "bundle", "another pull of %s is at work: waiting for it",
                        p->m->name);
        said = true;
        nanosleep(&nap, NULL);
        s = rg_call_check(p->call, e);
    }
    rg_free(path);
    return s;
}

rg_status rg__pull_open(rg__pull *p, rg_err *e)
{
    p->lock = -1;
    RG_TRY(rg_model_place(&p->file, p->m->name, e));
    RG_TRY(rg_cache_path(&p->dir, "models", e));
    RG_TRY(rg__text(&p->part, e, "%s.part", p->file));
    RG_TRY(rg__text(&p->joined, e, "%s.joined", p->file));
    RG_TRY(rg_mkdirs(p->dir, e));
    RG_TRY(tag_cache(e));
    return lock_name(p, e);
}

void rg__pull_close(rg__pull *p)
{
    if (p->lock >= 0)
        close(p->lock);
    rg_free(p->dir);
    rg_free(p->file);
    rg_free(p->part);
    rg_free(p->joined);
}

void rg__pull_forget(rg__pull *p)
{
    unlink(p->part);
    unlink(p->joined);
}

rg_status rg__pull_room(const rg__pull *p, uint64_t bytes, rg_err *e)
{
    struct statvfs v;
    if (statvfs(p->dir, &v) != 0)
        RG_FAIL(e, RG_EIO, "cannot ask for the free space of %s: %s", p->dir, strerror(errno));
    const double free_bytes = (double)v.f_bavail * (double)v.f_frsize;
    if ((double)bytes > free_bytes)
        RG_FAIL(e, RG_ELIMIT,
                "%s needs %.1f MB more on disk and %s has %.1f MB free: make room, or point "
                "XDG_CACHE_HOME at a larger disk",
                p->m->name, (double)bytes / 1e6, p->dir, free_bytes / 1e6);
    return RG_OK;
}

void rg__pull_progress(const rg__pull *p, uint64_t done)
{
    rg_call_emit(p->call, &(rg_event){ .kind = RG_EV_PROGRESS,
                                       .level = RG_INFO,
                                       .room = "bundle",
                                       .subject = rg_str_of(p->m->name),
                                       .value = (double)done,
                                       .total = (double)p->m->bytes,
                                       .text = rg_str_of("bytes") });
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const rg_stored_model *)a)->name, ((const rg_stored_model *)b)->name);
}

static bool is_model_folder(const char *path)
{
    char *config = NULL;
    const bool is = rg_path_is_dir(path) && rg__text(&config, NULL, "%s/config.json", path) == RG_OK &&
                    rg_path_exists(config);
    rg_free(config);
    return is;
}

rg_status rg__stored_path(char **path, const char *name, rg_err *e)
{
    RG_TRY(rg_model_place(path, name, e));
    if (rg_path_exists(*path))
        return RG_OK;
    (*path)[strlen(*path) - strlen(".gguf")] = '\0';
    if (is_model_folder(*path))
        return RG_OK;
    rg_free(*path);
    *path = NULL;
    return RG_OK;
}

/* Bytes of the weights that lie in a folder. */
static uint64_t folder_weights(const char *path)
{
    uint64_t bytes = 0;
    DIR *d = opendir(path);
    for (struct dirent *at; d && (at = readdir(d)) != NULL;) {
        char *file = NULL;
        if (rg_str_ends(rg_str_of(at->d_name), ".safetensors") &&
            rg__text(&file, NULL, "%s/%s", path, at->d_name) == RG_OK)
            bytes += rg__file_bytes(file);
        rg_free(file);
    }
    if (d)
        closedir(d);
    return bytes;
}

/* NAME.gguf, or a folder NAME; whatever else lies there is passed over. */
static rg_status add_stored(rg_stored_model **list, size_t *n, const char *dir, const char *entry, rg_err *e)
{
    const rg_str all = rg_str_of(entry);
    const bool gguf = rg_str_ends(all, ".gguf");
    const rg_str stem = gguf ? rg_str_n(entry, all.n - strlen(".gguf")) : all;
    char *path = NULL;

    if (!rg__name_is_plain(stem))
        return RG_OK;
    RG_TRY(rg__text(&path, e, "%s/%s", dir, entry));
    const bool folder = !gguf && is_model_folder(path);
    const bool there = folder || (gguf && rg_path_exists(path) && !rg_path_is_dir(path));
    const uint64_t bytes = folder ? folder_weights(path) : rg__file_bytes(path);
    rg_free(path);
    if (!there)
        return RG_OK;

    rg_stored_model *more = rg_realloc(*list, *n + 1, sizeof **list);
    if (more)
        *list = more;
    char *name = more ? rg_strndup(stem.p, stem.n) : NULL;
    if (!name)
        RG_FAIL(e, RG_ENOMEM, "out of memory for the names of %zu models", *n + 1);
    more[(*n)++] = (rg_stored_model){ .name = name, .bytes = bytes };
    return RG_OK;
}

rg_status rg_stored_models(rg_stored_model **out, size_t *n, rg_err *e)
{
    char *dir = NULL;
    *out = NULL;
    *n = 0;
    RG_TRY(rg_cache_path(&dir, "models", e));
    DIR *d = opendir(dir);
    rg_status s = RG_OK;
    for (struct dirent *at; d && s == RG_OK && *n < MAX_STORED && (at = readdir(d)) != NULL;)
        s = add_stored(out, n, dir, at->d_name, e);
    if (d)
        closedir(d);
    rg_free(dir);
    if (s != RG_OK) {
        rg_stored_models_free(*out, *n);
        *out = NULL;
        *n = 0;
    } else if (*n > 1) {
        qsort(*out, *n, sizeof **out, by_name);
    }
    return s;
}

void rg_stored_models_free(rg_stored_model *m, size_t n)
{
    for (size_t i = 0; i < n; i++)
        rg_free(m[i].name);
    rg_free(m);
}
