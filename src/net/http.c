/* http.c - libcurl does the transfer; what may be fetched, followed and kept is decided here.
 *
 * Redirects are followed by hand, because curl can restrict their protocols but not their
 * hosts. */
#include "rung/net/http.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <curl/curl.h>

#include "rung/base/mem.h"

enum { MAX_HOPS = 5, CONNECT_MS = 5000, SLOW_BYTES_PER_S = 1024, SLOW_SECONDS = 30, MAX_URL = 8192 };

typedef struct download {
    CURL *curl;
    int fd;
    const char *path;
    uint64_t at; /* bytes in the file */
    uint64_t max;
    uint64_t range_from; /* first byte of a partial answer, from its Content-Range */
    bool started;        /* the answer's first body bytes were seen */
    const rg_call *call;
    rg_err *e;
    rg_status failed; /* what a callback raised */
    char shown[256];
} download;

/* ---- URLs ---- */

/* The URL without user part and query, for messages. */
static void show_url(char *out, size_t size, const char *url)
{
    const char *scheme = strstr(url, "://"), *host = scheme ? scheme + 3 : url;
    const char *user = memchr(host, '@', strcspn(host, "/?#"));
    const int before = scheme ? (int)(host - url) : 0;
    if (user)
        host = user + 1;
    snprintf(out, size, "%.*s%.*s", before, url, (int)RG_MIN(strcspn(host, "?#"), size), host);
}

static bool url_part_is(CURLU *u, CURLUPart part, const char *const *want, size_t n)
{
    char *text = NULL;
    bool found = false;
    if (curl_url_get(u, part, &text, 0) != CURLUE_OK)
        return false;
    for (size_t i = 0; i < n && !found; i++)
        found = strcasecmp(text, want[i]) == 0;
    curl_free(text);
    return found;
}

typedef enum url_kind { URL_REFUSED, URL_HTTPS, URL_LOOPBACK } url_kind;

static url_kind kind_of_url(const char *url)
{
    static const char *const https[] = { "https" }, *const http[] = { "http" };
    static const char *const loopback[] = { "localhost", "127.0.0.1", "[::1]" };
    url_kind kind = URL_REFUSED;
    CURLU *u = strlen(url) < MAX_URL ? curl_url() : NULL;
    if (u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK) {
        if (url_part_is(u, CURLUPART_SCHEME, https, 1))
            kind = URL_HTTPS;
        else if (url_part_is(u, CURLUPART_SCHEME, http, 1) && url_part_is(u, CURLUPART_HOST, loopback, 3))
            kind = URL_LOOPBACK;
    }
    curl_url_cleanup(u);
    return kind;
}

/* ---- what curl calls ---- */

static size_t raise_in_callback(download *d, rg_status s)
{
    d->failed = s;
    return 0; /* makes curl stop the transfer */
}

static size_t on_header(char *p, size_t one, size_t n, void *arg)
{
    static const char name[] = "content-range: bytes ";
    download *d = arg;
    if (n > sizeof name - 1 && strncasecmp(p, name, sizeof name - 1) == 0)
        d->range_from = strtoull(p + sizeof name - 1, NULL, 10); /* headers end with CR LF */
    return one * n;
}

static rg_status cut_file(download *d, uint64_t size)
{
    if (ftruncate(d->fd, (off_t)size) != 0 || lseek(d->fd, (off_t)size, SEEK_SET) < 0)
        RG_FAIL(d->e, RG_EIO, "%s: cannot cut it to %llu bytes: %s", d->path, (unsigned long long)size,
                strerror(errno));
    d->at = size;
    return RG_OK;
}

/* First bytes of a good answer: does it begin where the file ends? */
static rg_status begin_body(download *d, long code)
{
    d->started = true;
    if (code == 200 && d->at > 0) /* the server knows no ranges and sends everything */
        RG_TRY(cut_file(d, 0));
    if (code == 206 && d->range_from != d->at)
        RG_FAIL(d->e, RG_EREMOTE, "%s: asked for byte %llu, got %llu", d->shown, (unsigned long long)d->at,
                (unsigned long long)d->range_from);
    curl_off_t length = -1;
    curl_easy_getinfo(d->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    if (length > 0 && ((uint64_t)length > d->max || d->at > d->max - (uint64_t)length))
        RG_FAIL(d->e, RG_ELIMIT, "%s: %lld bytes more than the %llu allowed", d->shown, (long long)length,
                (unsigned long long)d->max);
    return RG_OK;
}

static rg_status write_bytes(download *d, const char *p, size_t n)
{
    if (n > d->max - d->at)
        RG_FAIL(d->e, RG_ELIMIT, "%s: longer than the %llu bytes allowed", d->shown,
                (unsigned long long)d->max);
    while (n > 0) {
        const ssize_t w = write(d->fd, p, n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            RG_FAIL(d->e, errno == ENOSPC || errno == EDQUOT ? RG_ELIMIT : RG_EIO, "%s: %s", d->path,
                    strerror(errno));
        p += w;
        n -= (size_t)w;
        d->at += (uint64_t)w;
    }
    return RG_OK;
}

static size_t on_body(char *p, size_t one, size_t n, void *arg)
{
    download *d = arg;
    long code = 0;
    curl_easy_getinfo(d->curl, CURLINFO_RESPONSE_CODE, &code);
    if (code != 200 && code != 206)
        return one * n; /* the words of an error or a redirect are not the file */
    rg_status s = d->started ? RG_OK : begin_body(d, code);
    if (s == RG_OK)
        s = write_bytes(d, p, one * n);
    return s == RG_OK ? one * n : raise_in_callback(d, s);
}

static int on_progress(void *arg, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up)
{
    (void)up_total;
    (void)up;
    download *d = arg;
    const rg_status s = rg_call_check(d->call, d->e);
    if (s != RG_OK) {
        d->failed = s;
        return 1;
    }
    if (d->started && total > 0) {
        const double before = (double)d->at - (double)now;
        rg_event ev = { .kind = RG_EV_PROGRESS, .room = "net", .subject = rg_str_of(d->shown) };
        ev.value = (double)d->at;
        ev.total = before + (double)total;
        rg_call_emit(d->call, &ev);
    }
    return 0;
}

/* ---- the transfer ---- */

static bool set_options(download *d, const char *url, const char *range)
{
    CURL *c = d->curl;
    CURLcode r = CURLE_OK;
    curl_easy_reset(c);
    r |= curl_easy_setopt(c, CURLOPT_URL, url);
    r |= curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    r |= curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    r |= curl_easy_setopt(c, CURLOPT_USERAGENT, "rung");
    r |= curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    r |= curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, (long)SLOW_BYTES_PER_S);
    r |= curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)SLOW_SECONDS);
    r |= curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    r |= curl_easy_setopt(c, CURLOPT_HEADERDATA, d);
    r |= curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    r |= curl_easy_setopt(c, CURLOPT_WRITEDATA, d);
    r |= curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
    r |= curl_easy_setopt(c, CURLOPT_XFERINFODATA, d);
    r |= curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    if (d->at > 0)
        r |= curl_easy_setopt(c, CURLOPT_RANGE, range);
    return r == CURLE_OK;
}

/* One request; *code is its status, or the failure is raised. */
static rg_status ask(download *d, const char *url, long *code)
{
    char range[32];
    snprintf(range, sizeof range, "%llu-", (unsigned long long)d->at);
    show_url(d->shown, sizeof d->shown, url);
    d->started = false;
    d->range_from = 0;
    d->failed = RG_OK;
    if (!set_options(d, url, range))
        RG_FAIL(d->e, RG_ENOMEM, "%s: no memory for a request", d->shown);
    const CURLcode r = curl_easy_perform(d->curl);
    if (d->failed != RG_OK)
        return d->failed;
    if (r != CURLE_OK)
        RG_FAIL(d->e, RG_EREMOTE, "%s: %s", d->shown, curl_easy_strerror(r));
    curl_easy_getinfo(d->curl, CURLINFO_RESPONSE_CODE, code);
    return RG_OK;
}

/* Where a 3xx answer leads, in `url`; refused when it leaves https or loopback. */
static rg_status follow(download *d, char url[MAX_URL])
{
    const char *next = NULL;
    const url_kind from = kind_of_url(url);
    curl_easy_getinfo(d->curl, CURLINFO_REDIRECT_URL, &next);
    const url_kind to = next ? kind_of_url(next) : URL_REFUSED;
    if (to == URL_REFUSED || (to == URL_LOOPBACK && from != URL_LOOPBACK))
        RG_FAIL(d->e, RG_EREMOTE, "%s: refuses to follow its redirect, which does not lead to https",
                d->shown);
    snprintf(url, MAX_URL, "%s", next);
    return RG_OK;
}

static rg_status run_download(download *d, const char *first_url)
{
    char url[MAX_URL];
    snprintf(url, sizeof url, "%s", first_url);
    for (int hop = 0; hop <= MAX_HOPS; hop++) {
        long code = 0;
        RG_TRY(ask(d, url, &code));
        if (code == 200 || code == 206)
            return d->started || d->at == 0 ? RG_OK : cut_file(d, code == 200 ? 0 : d->at);
        if (code == 416 && d->at > 0)
            RG_TRY(cut_file(d, 0)); /* our beginning is longer than the file: not the same file */
        else if (code >= 300 && code < 400)
            RG_TRY(follow(d, url));
        else
            RG_FAIL(d->e, RG_EREMOTE, "%s: the server answered %ld", d->shown, code);
    }
    RG_FAIL(d->e, RG_EREMOTE, "%s: more than %d redirects", d->shown, MAX_HOPS);
}

static rg_status open_part(download *d, uint64_t resume_from)
{
    d->fd = open(d->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (d->fd < 0)
        RG_FAIL(d->e, RG_EIO, "%s: %s", d->path, strerror(errno));
    const off_t size = lseek(d->fd, 0, SEEK_END);
    return cut_file(d, size < 0 ? 0 : RG_MIN((uint64_t)size, resume_from));
}

rg_status rg_http_get_to_file(uint64_t *size, const char *url, const char *path, uint64_t resume_from,
                              uint64_t max_bytes, const rg_call *call, rg_err *e)
{
    download d = { .fd = -1, .path = path, .max = max_bytes, .call = call, .e = e };
    show_url(d.shown, sizeof d.shown, url);
    if (kind_of_url(url) == URL_REFUSED)
        RG_FAIL(e, RG_EARG, "%s: not an https URL (plain http is for loopback addresses only)", d.shown);
    if (resume_from > max_bytes)
        RG_FAIL(e, RG_EARG, "cannot resume at %llu of at most %llu bytes", (unsigned long long)resume_from,
                (unsigned long long)max_bytes);
    d.curl = curl_easy_init();
    if (!d.curl)
        RG_FAIL(e, RG_ENOMEM, "no memory for a request");
    rg_status s = open_part(&d, resume_from);
    if (s == RG_OK)
        s = run_download(&d, url);
    if (s == RG_OK && fsync(d.fd) != 0)
        s = rg_err_set(e, RG_EIO, __FILE__, __LINE__, "%s: %s", path, strerror(errno));
    if (d.fd >= 0)
        close(d.fd);
    curl_easy_cleanup(d.curl);
    if (size)
        *size = d.at;
    return s;
}
