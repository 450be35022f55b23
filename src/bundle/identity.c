/* identity.c - one hash over the files of a model.
 *
 * The hash of half a gigabyte is kept beside the models: one small note per (device, inode,
 * size, time).  Without a cache we hash again. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "files_int.h"
#include "rung/base/rng.h"

static rg_status note_path(char **out, const char *path, rg_err *e)
{
    struct stat st;
    if (stat(path, &st) != 0)
        RG_FAIL(e, RG_EIO, "%s: cannot be looked at", path);
    char key[128];
    const int n = snprintf(key, sizeof key, "%llu|%llu|%lld|%lld.%09ld", (unsigned long long)st.st_dev,
                           (unsigned long long)st.st_ino, (long long)st.st_size, (long long)st.st_mtim.tv_sec,
                           st.st_mtim.tv_nsec);
    char sub[64];
    snprintf(sub, sizeof sub, "hashes/%016llx", (unsigned long long)rg_hash64(key, (size_t)n, 0));
    return rg_cache_path(out, sub, e);
}

static bool read_note(char out[65], const char *note)
{
    char *text = NULL;
    size_t n = 0;
    const bool good =
        rg_read_all(&text, &n, note, 64, NULL) == RG_OK && n == 64 && strspn(text, "0123456789abcdef") == 64;
    if (good)
        memcpy(out, text, 65);
    rg_free(text);
    return good;
}

static void write_note(char *note, const char *hash)
{
    char *slash = strrchr(note, '/');
    *slash = '\0';
    if (rg_mkdirs(note, NULL) == RG_OK) {
        *slash = '/';
        (void)rg_write_atomic(note, hash, 64, NULL);
    }
}

static rg_status hash_one(char out[65], const char *path, bool cached, rg_err *e)
{
    char *note = NULL;
    (void)note_path(&note, path, NULL);
    if (cached && note != NULL && read_note(out, note)) {
        rg_free(note);
        return RG_OK;
    }
    const rg_status s = rg_sha256_file(out, path, e);
    if (s == RG_OK && note != NULL)
        write_note(note, out);
    rg_free(note);
    return s;
}

static rg_status put_line(rg_buf *lines, const char *path, bool cached, rg_err *e)
{
    const char *slash = strrchr(path, '/');
    char one[65];
    RG_TRY(hash_one(one, path, cached, e));
    rg_buf_printf(lines, "%s  %s\n", one, slash == NULL ? path : slash + 1);
    return RG_OK;
}

rg_status rg_files_hash(char out[65], const rg_files *f, bool cached, rg_err *e)
{
    if (f->n_listed == 1 && f->n_gguf == 1)
        return hash_one(out, f->listed[0].path, cached, e);
    rg_buf lines = RG_BUF_MAX(16 << 20);
    rg_status s = RG_OK;
    for (size_t i = 0; i < f->n_listed && s == RG_OK; i++)
        s = put_line(&lines, f->listed[i].path, cached, e);
    if (s == RG_OK)
        s = rg_buf_check(&lines, "a list of hashes", e);
    if (s == RG_OK)
        s = rg_sha256(out, lines.p, lines.n, e);
    rg_buf_free(&lines);
    return s;
}
