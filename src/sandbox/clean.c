/* clean.c - output of hostile code becomes text that may stand in a prompt or a record. */
#include "sandbox_int.h"

#include <string.h>

#include "rung/base/mem.h"

static const char CUT[] = "…[truncated]", BAD[] = "\xEF\xBF\xBD";

/* C0 but tab and newline, DEL and C1 go; \r\n becomes \n because \r goes. */
static bool is_control(uint32_t c)
{
    return (c < 0x20 && c != '\n' && c != '\t') || (c >= 0x7f && c < 0xa0);
}

static size_t clean_into(char *to, rg_str s)
{
    size_t n = 0;
    while (s.n > 0) {
        uint32_t c = 0;
        const size_t k = rg_utf8_decode(s.p, s.n, &c);
        if (k == 0) {
            memcpy(to + n, BAD, 3);
            n += 3;
        } else if (!is_control(c)) {
            memcpy(to + n, s.p, k);
            n += k;
        }
        s = rg_str_n(s.p + RG_MAX(k, 1u), s.n - RG_MAX(k, 1u));
    }
    return n;
}

/* A cut goes through the middle of a character as often as not: its pieces are left out. */
static rg_str without_pieces(rg_str s, bool at_start)
{
    if (!at_start)
        return rg_str_n(s.p, s.n - rg_utf8_tail(s));
    size_t skip = 0;
    while (skip < 3 && skip < s.n && ((unsigned char)s.p[skip] & 0xc0) == 0x80)
        skip++;
    return rg_str_n(s.p + skip, s.n - skip);
}

char *rg__clean_text(rg_str head, rg_str tail, bool cut)
{
    char *whole = NULL;
    if (cut) {
        head = without_pieces(head, false);
        tail = without_pieces(tail, true);
    } else if (tail.n > 0) { /* one text, in two places: join first, a character may span both */
        whole = rg_alloc(head.n + tail.n, 1);
        if (whole == NULL)
            return NULL;
        memcpy(whole, head.p, head.n);
        memcpy(whole + head.n, tail.p, tail.n);
        head = rg_str_n(whole, head.n + tail.n);
        tail.n = 0;
    }
    char *to = rg_alloc(3 * (head.n + tail.n) + sizeof CUT, 1);
    if (to) {
        size_t n = clean_into(to, head);
        if (cut) {
            memcpy(to + n, CUT, sizeof CUT - 1);
            n += sizeof CUT - 1;
        }
        n += clean_into(to + n, tail);
        to[n] = '\0';
        char *less = rg_realloc(to, n + 1, 1);
        to = less ? less : to;
    }
    rg_free(whole);
    return to;
}
