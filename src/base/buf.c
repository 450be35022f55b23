#include "rung/base/buf.h"

#include <stdarg.h>
#include <stdio.h>

#include "rung/base/mem.h"

/* ---- borrowed strings ---- */

bool rg_str_eq(rg_str a, rg_str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool rg_str_is(rg_str a, const char *b)
{
    return rg_str_eq(a, rg_str_of(b));
}

bool rg_str_starts(rg_str a, const char *prefix)
{
    const size_t n = strlen(prefix);
    return a.n >= n && memcmp(a.p, prefix, n) == 0;
}

bool rg_str_ends(rg_str a, const char *suffix)
{
    const size_t n = strlen(suffix);
    return a.n >= n && (n == 0 || memcmp(a.p + a.n - n, suffix, n) == 0);
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

rg_str rg_str_trim(rg_str a)
{
    while (a.n > 0 && is_space(a.p[0]))
        a.p++, a.n--;
    while (a.n > 0 && is_space(a.p[a.n - 1]))
        a.n--;
    return a;
}

size_t rg_str_find(rg_str hay, rg_str needle)
{
    if (needle.n == 0)
        return 0;
    const char *at = hay.n < needle.n ? NULL : memmem(hay.p, hay.n, needle.p, needle.n);
    return at == NULL ? SIZE_MAX : (size_t)(at - hay.p);
}

size_t rg_str_rfind(rg_str hay, rg_str needle)
{
    if (needle.n > hay.n)
        return SIZE_MAX;
    for (size_t i = hay.n - needle.n + 1; i-- > 0;)
        if (needle.n == 0 || memcmp(hay.p + i, needle.p, needle.n) == 0)
            return i;
    return SIZE_MAX;
}

/* ---- growing buffers ---- */

static bool grow(rg_buf *b, size_t n)
{
    if (b->failed)
        return false;
    const size_t max = RG_MIN(b->max, SIZE_MAX / 2);
    size_t want;
    if (!rg_add_size(&want, b->n, n) || want > max) {
        b->failed = b->over = true;
        return false;
    }
    if (b->p != NULL && want + 1 <= b->cap)
        return true;
    size_t cap = RG_MAX(want + 1, RG_MIN(b->cap * 2, max + 1));
    cap = RG_MAX(cap, (size_t)64);
    char *p = rg_realloc(b->p, cap, 1);
    if (p == NULL) {
        b->failed = true;
        return false;
    }
    b->p = p;
    b->cap = cap;
    return true;
}

void rg_buf_put(rg_buf *b, const void *p, size_t n)
{
    if (!grow(b, n))
        return;
    if (n > 0)
        memcpy(b->p + b->n, p, n);
    b->n += n;
    b->p[b->n] = '\0';
}

void rg_buf_putc(rg_buf *b, char c)
{
    rg_buf_put(b, &c, 1);
}

void rg_buf_puts(rg_buf *b, const char *s)
{
    rg_buf_put(b, s, strlen(s));
}

void rg_buf_str(rg_buf *b, rg_str s)
{
    rg_buf_put(b, s.p, s.n);
}

void rg_buf_printf(rg_buf *b, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    const int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        b->failed = true;
    else if (grow(b, (size_t)n)) {
        vsnprintf(b->p + b->n, (size_t)n + 1, fmt, again);
        b->n += (size_t)n;
    }
    va_end(again);
}

void rg_buf_clear(rg_buf *b)
{
    b->n = 0;
    b->failed = b->over = false;
    if (b->p != NULL)
        b->p[0] = '\0';
}

void rg_buf_free(rg_buf *b)
{
    rg_free(b->p);
    b->p = NULL;
    b->n = b->cap = 0;
    b->failed = b->over = false;
}

char *rg_buf_take(rg_buf *b)
{
    rg_buf_put(b, "", 0);
    if (b->failed) {
        rg_buf_free(b);
        return NULL;
    }
    char *p = b->p;
    b->p = NULL;
    b->n = b->cap = 0;
    return p;
}

rg_str rg_buf_view(const rg_buf *b)
{
    return rg_str_n(b->p, b->n);
}

rg_status rg_buf_check(const rg_buf *b, const char *what, rg_err *e)
{
    if (!b->failed)
        return RG_OK;
    if (b->over)
        RG_FAIL(e, RG_ELIMIT, "%s is larger than its limit of %zu bytes", what, b->max);
    RG_FAIL(e, RG_ENOMEM, "no memory for %s", what);
}

/* ---- text ---- */

size_t rg_utf8_decode(const char *s, size_t n, uint32_t *cp)
{
    static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
    const unsigned char *p = (const unsigned char *)s;
    if (n == 0)
        return 0;
    const size_t len = p[0] < 0x80   ? 1
                       : p[0] < 0xc2 ? 0
                       : p[0] < 0xe0 ? 2
                       : p[0] < 0xf0 ? 3
                       : p[0] < 0xf5 ? 4
                                     : 0;
    if (len == 0 || len > n)
        return 0;
    uint32_t c = len == 1 ? p[0] : p[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (p[i] & 0x3f);
    }
    if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return 0;
    if (cp != NULL)
        *cp = c;
    return len;
}

size_t rg_utf8_encode(uint32_t cp, char out[4])
{
    if (cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000))
        return 0;
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    if (cp < 0x800) {
        out[0] = (char)(0xc0 | cp >> 6);
        out[1] = (char)(0x80 | (cp & 0x3f));
        return 2;
    }
    if (cp < 0x10000) {
        out[0] = (char)(0xe0 | cp >> 12);
        out[1] = (char)(0x80 | (cp >> 6 & 0x3f));
        out[2] = (char)(0x80 | (cp & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | cp >> 18);
    out[1] = (char)(0x80 | (cp >> 12 & 0x3f));
    out[2] = (char)(0x80 | (cp >> 6 & 0x3f));
    out[3] = (char)(0x80 | (cp & 0x3f));
    return 4;
}

void rg_buf_put_utf8(rg_buf *b, rg_str s)
{
    for (size_t at = 0; at < s.n;) {
        uint32_t cp;
        const size_t n = rg_utf8_decode(s.p + at, s.n - at, &cp);
        if (n == 0)
            rg_buf_puts(b, "\xef\xbf\xbd");
        else
            rg_buf_put(b, s.p + at, n);
        at += n == 0 ? 1 : n;
    }
}

size_t rg_utf8_tail(rg_str s)
{
    for (size_t back = 1; back <= 3 && back <= s.n; back++) {
        const unsigned char c = (unsigned char)s.p[s.n - back];
        if ((c & 0xc0) == 0x80)
            continue;
        const size_t len = c >= 0xf0 && c < 0xf5   ? 4
                           : c >= 0xe0 && c < 0xf0 ? 3
                           : c >= 0xc2 && c < 0xe0 ? 2
                                                   : 1;
        return len > back ? back : 0;
    }
    return 0;
}

void rg_buf_json_escape(rg_buf *b, rg_str s)
{
    for (size_t i = 0; i < s.n;) {
        const size_t len = rg_utf8_decode(s.p + i, s.n - i, NULL);
        const unsigned char c = (unsigned char)s.p[i];
        if (len == 0) {
            rg_buf_puts(b, "\xef\xbf\xbd");
            i++;
            continue;
        }
        if (c == '"' || c == '\\')
            rg_buf_printf(b, "\\%c", c);
        else if (c == '\n')
            rg_buf_puts(b, "\\n");
        else if (c == '\r')
            rg_buf_puts(b, "\\r");
        else if (c == '\t')
            rg_buf_puts(b, "\\t");
        else if (c < 0x20 || c == 0x7f)
            rg_buf_printf(b, "\\u%04x", c);
        else
            rg_buf_put(b, s.p + i, len);
        i += len;
    }
}

void rg_buf_terminal_safe(rg_buf *b, rg_str s)
{
    for (size_t i = 0; i < s.n;) {
        uint32_t cp = 0;
        const size_t len = rg_utf8_decode(s.p + i, s.n - i, &cp);
        const bool control = (cp < 0x20 && cp != '\t' && cp != '\n') || (cp >= 0x7f && cp < 0xa0);
        if (len == 0 || control) {
            const size_t bad = len == 0 ? 1 : len;
            for (size_t j = 0; j < bad; j++)
                rg_buf_printf(b, "\\x%02x", (unsigned char)s.p[i + j]);
            i += bad;
        } else {
            rg_buf_put(b, s.p + i, len);
            i += len;
        }
    }
}
