/* buf.h - borrowed strings and growing buffers with a ceiling.
 *
 * rg_str borrows bytes (not terminated, may hold zeros).  rg_buf owns bytes, has a hard
 * ceiling given at birth and a sticky failure flag that is read once at the end:
 *
 *     rg_buf b = RG_BUF_MAX(1 << 20);
 *     rg_buf_puts(&b, "n = "); rg_buf_printf(&b, "%zu", n);
 *     RG_TRY(rg_buf_check(&b, "the prompt", e));                                          */
#ifndef RUNG_BASE_BUF_H
#define RUNG_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "rung/base/api.h"
#include "rung/base/err.h"

RG_API_BEGIN

typedef struct rg_str {
    const char *p;
    size_t      n;
} rg_str;

static inline rg_str rg_str_of(const char *s)
{
    rg_str r;
    r.p = s;
    r.n = s ? strlen(s) : 0;
    return r;
}

static inline rg_str rg_str_n(const char *p, size_t n)
{
    rg_str r;
    r.p = p;
    r.n = n;
    return r;
}

bool   rg_str_eq(rg_str a, rg_str b);
bool   rg_str_is(rg_str a, const char *b);
bool   rg_str_starts(rg_str a, const char *prefix);
bool   rg_str_ends(rg_str a, const char *suffix);
rg_str rg_str_trim(rg_str a);                       /* ASCII white space at both ends */
size_t rg_str_find(rg_str hay, rg_str needle);      /* offset, or SIZE_MAX */
size_t rg_str_rfind(rg_str hay, rg_str needle);

typedef struct rg_buf {
    char  *p;           /* always terminated once anything was put; NULL before */
    size_t n, cap, max;
    bool   failed;      /* out of memory or over max: all later puts are ignored */
    bool   over;        /* it was the ceiling, not memory */
} rg_buf;

#define RG_BUF_MAX(m) { 0, 0, 0, (m), false, false }

void      rg_buf_put(rg_buf *b, const void *p, size_t n);
void      rg_buf_putc(rg_buf *b, char c);
void      rg_buf_puts(rg_buf *b, const char *s);
void      rg_buf_str(rg_buf *b, rg_str s);
void      rg_buf_printf(rg_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void      rg_buf_clear(rg_buf *b);                  /* n = 0, failure forgotten, memory kept */
void      rg_buf_free(rg_buf *b);
char     *rg_buf_take(rg_buf *b);                   /* yours to rg_free; "" rather than NULL; NULL if failed */
rg_str    rg_buf_view(const rg_buf *b);
/* RG_OK, or RG_ENOMEM / RG_ELIMIT naming `what` and the ceiling. */
rg_status rg_buf_check(const rg_buf *b, const char *what, rg_err *e);

/* Appends s as the inside of a JSON string (no quotes): escapes control bytes, quotes and
 * backslashes; bytes that are not UTF-8 become U+FFFD. */
void rg_buf_json_escape(rg_buf *b, rg_str s);

/* Appends s, each byte that is not UTF-8 as U+FFFD. */
void rg_buf_put_utf8(rg_buf *b, rg_str s);

/* Appends s so that a terminal only sees text: C0 except tab and newline, DEL, C1 and ESC
 * come out as \xNN (product conventions, section 1.3). */
void rg_buf_terminal_safe(rg_buf *b, rg_str s);

/* Length in bytes of the UTF-8 sequence that starts at p (1..4), 0 if it is not one.
 * Sets *cp when cp is not NULL.  Overlong forms and surrogates are refused. */
size_t rg_utf8_decode(const char *p, size_t n, uint32_t *cp);
/* Writes 1..4 bytes to out, returns how many; 0 if cp is not a scalar value. */
size_t rg_utf8_encode(uint32_t cp, char out[4]);
/* How many bytes at the end of s are the beginning of an unfinished sequence (0..3). */
size_t rg_utf8_tail(rg_str s);

RG_API_END
#endif
