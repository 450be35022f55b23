/* fetch.c - the sources that have the model as one file: the user's file or URL, the hub cache,
 * the maker's release. */
#include "source_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rung/base/file.h"
#include "rung/base/mem.h"
#include "rung/net/http.h"

enum { COPY_BYTES = 1 << 20 };

static rg_status copy_bytes(rg__pull *p, int to, int from, const char *path, rg_err *e)
{
    char *block = rg_alloc(COPY_BYTES, 1);
    rg_status s = RG_OK;
    uint64_t done = 0;

    if (!block)
        RG_FAIL(e, RG_ENOMEM, "out of memory for a copy buffer of %d bytes", COPY_BYTES);
    while (s == RG_OK && done <= p->m->bytes) {
        const ssize_t n = read(from, block, COPY_BYTES);
        if (n == 0)
            break;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            s = rg_err_set(e, RG_EIO, __FILE__, __LINE__, "cannot read %s: %s", path, strerror(errno));
            break;
        }
        RG_GO(s, done, rg__write_all(to, block, (size_t)n, p->part, e));
        done += (uint64_t)n;
        rg__pull_progress(p, done);
        s = rg_call_check(p->call, e);
    }
done:
    rg_free(block);
    return s;
}

/* A file of another size is refused before a gigabyte is copied. */
static rg_status check_size(const rg__pull *p, const char *path, int fd, rg_err *e)
{
    struct stat st;
    char got[65];
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        RG_FAIL(e, RG_EARG, "%s is not a regular file", path);
    if ((uint64_t)st.st_size == p->m->bytes)
        return RG_OK;
    RG_TRY(rg_sha256_file(got, path, e));
    RG_FAIL(e, RG_EFORMAT, "%s has the wrong bytes: sha256 %s (%lld bytes) instead of %s (%llu bytes)", path,
            got, (long long)st.st_size, p->m->sha256, (unsigned long long)p->m->bytes);
}

rg_status rg__from_file(rg__pull *p, const char *path, rg_err *e)
{
    int to = -1;
    rg_status s;
    const int from = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not hang us */
    if (from < 0)
        RG_FAIL(e, RG_EIO, "cannot open %s: %s", path, strerror(errno));
    RG_GO(s, done, check_size(p, path, from, e));
    rg__pull_forget(p);
    RG_GO(s, done, rg__pull_room(p, p->m->bytes, e));
    to = open(p->part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (to < 0)
        RG_FAIL_GO(s, done, e, RG_EIO, "cannot create %s: %s", p->part, strerror(errno));
    s = copy_bytes(p, to, from, path, e);
done:
    if (to >= 0)
        close(to);
    close(from);
    return s;
}

/* The download knows a URL; the user knows the model's name. */
static void tell_progress(void *arg, const rg_event *ev)
{
    const rg__pull *p = arg;
    if (ev->kind == RG_EV_PROGRESS)
        rg__pull_progress(p, RG_MIN((uint64_t)ev->value, p->m->bytes));
    else
        rg_call_emit(p->call, ev);
}

/* The download's limit is the model's size: an answer past it is another file, no full disk. */
static rg_status judge_download(const rg__pull *p, rg_status s, const rg_err *why, rg_err *e)
{
    const uint64_t have = rg__file_bytes(p->part);
    if (s == RG_ELIMIT) {
        RG_TRY(rg_call_check(p->call, e));
        RG_TRY(rg__pull_room(p, p->m->bytes - RG_MIN(have, p->m->bytes), e));
        s = RG_EREMOTE;
    }
    if (s != RG_OK)
        RG_FAIL(e, s, "%s", why->msg);
    return RG_OK;
}

rg_status rg__from_url(rg__pull *p, const char *url, rg_err *e)
{
    rg_call call = p->call ? *p->call : (rg_call){ 0 };
    rg_err why = RG_ERR_INIT;
    const uint64_t have = rg__file_bytes(p->part);
    const uint64_t from = have <= p->m->bytes ? have : 0;

    p->resumed = from > 0;
    if (from == p->m->bytes) /* all there, but a kill came before it was checked */
        return RG_OK;
    call.sink = tell_progress;
    call.sink_arg = p;
    RG_TRY(rg__pull_room(p, p->m->bytes - from, e));
    const rg_status s = rg_http_get_to_file(NULL, url, p->part, from, p->m->bytes, &call, &why);
    return judge_download(p, s, &why, e);
}

rg_status rg__from_hub_cache(rg__pull *p, rg_err *e)
{
    char *path = NULL;
    RG_TRY(rg__hub_find(&path, rg_str_of(p->m->hub), rg_str_of(""), p->m->hub_file, rg_str_of(""), e));
    const rg_status s = rg__from_file(p, path, e);
    rg_free(path);
    return s;
}

rg_status rg__from_release(rg__pull *p, rg_err *e)
{
    const char *base = getenv("HF_ENDPOINT"), *offline = getenv("HF_HUB_OFFLINE");
    char *url = NULL;

    if (offline && *offline && strcmp(offline, "0") != 0)
        RG_FAIL(e, RG_EARG, "not asked, because HF_HUB_OFFLINE is set");
    if (!base || !*base)
        base = "https://huggingface.co";
    const size_t n = strlen(base) - (rg_str_ends(rg_str_of(base), "/") ? 1 : 0);
    RG_TRY(rg__text(&url, e, "%.*s/%s/resolve/main/%s", (int)n, base, p->m->hub, p->m->hub_file));
    const rg_status s = rg__from_url(p, url, e);
    rg_free(url);
    return s;
}
