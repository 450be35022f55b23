/* tpl_text.c - strings of a rendering: characters, white space, and the builder that keeps a
 * mark for every byte. */
#include "tpl_int.h"

/* ---- characters ---- */

size_t tpl_char_len(const char *p, size_t n)
{
    const size_t k = rg_utf8_decode(p, n, NULL);
    return k ? k : 1;
}

size_t tpl_count_chars(rg_str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xC0) != 0x80;
    return n;
}

size_t tpl_char_offset(rg_str s, size_t chars)
{
    size_t i = 0;
    for (; i < s.n; i++)
        if (((unsigned char)s.p[i] & 0xC0) != 0x80 && chars-- == 0)
            break;
    return i;
}

bool tpl_is_space(uint32_t cp)
{
    return (cp >= 9 && cp <= 13) || (cp >= 0x1C && cp <= 0x20) || cp == 0x85 || cp == 0xA0 || cp == 0x1680 ||
           (cp >= 0x2000 && cp <= 0x200A) || cp == 0x2028 || cp == 0x2029 || cp == 0x202F || cp == 0x205F ||
           cp == 0x3000;
}

size_t tpl_space_at(rg_str s)
{
    uint32_t cp;
    const size_t k = rg_utf8_decode(s.p, s.n, &cp);
    return k && tpl_is_space(cp) ? k : 0;
}

/* Bytes of the last character. */
static size_t last_len(rg_str s)
{
    size_t k = 1;
    while (k < s.n && k < 4 && ((unsigned char)s.p[s.n - k] & 0xC0) == 0x80)
        k++;
    return k;
}

size_t tpl_space_before(rg_str s)
{
    if (s.n == 0)
        return 0;
    const size_t k = last_len(s);
    return tpl_space_at(rg_str_n(s.p + s.n - k, k)) ? k : 0;
}

static bool ends_line(uint32_t cp)
{
    return (cp >= 0x0A && cp <= 0x0D) || (cp >= 0x1C && cp <= 0x1E) || cp == 0x85 || cp == 0x2028 ||
           cp == 0x2029;
}

size_t tpl_line_end(rg_str s, size_t i, size_t *next)
{
    for (size_t k; i < s.n; i += k) {
        uint32_t cp = 0xFFFD;
        k = rg_utf8_decode(s.p + i, s.n - i, &cp);
        k = k ? k : 1;
        if (!ends_line(cp))
            continue;
        *next = i + k + (cp == '\r' && i + 1 < s.n && s.p[i + 1] == '\n');
        return i;
    }
    *next = s.n;
    return s.n;
}

static bool one_of(rg_str c, const rg_str *chars)
{
    if (chars == NULL)
        return tpl_space_at(c) > 0;
    for (size_t i = 0, k; i < chars->n; i += k) {
        k = tpl_char_len(chars->p + i, chars->n - i);
        if (k == c.n && memcmp(chars->p + i, c.p, k) == 0)
            return true;
    }
    return false;
}

rg_str tpl_strip(rg_str s, const rg_str *chars, bool left, bool right)
{
    while (left && s.n > 0) {
        const size_t k = tpl_char_len(s.p, s.n);
        if (!one_of(rg_str_n(s.p, k), chars))
            break;
        s = rg_str_n(s.p + k, s.n - k);
    }
    while (right && s.n > 0) {
        const size_t k = last_len(s);
        if (!one_of(rg_str_n(s.p + s.n - k, k), chars))
            break;
        s.n -= k;
    }
    return s;
}

/* ---- the builder ---- */

static rg_status out_grow(tpl_run *R, tpl_out *o, size_t need)
{
    size_t cap = RG_MAX(o->cap, (size_t)64);
    char *p;
    uint8_t *marks;
    while (cap < need)
        cap *= 2;
    RG_TRY(tpl_alloc(R, &p, cap, 1));
    if (o->n)
        memcpy(p, o->p, o->n);
    if (o->marks) {
        RG_TRY(tpl_alloc(R, &marks, cap, 1));
        memcpy(marks, o->marks, o->n);
        o->marks = marks;
    }
    o->p = p;
    o->cap = cap;
    return RG_OK;
}

/* From one mark for all to one mark for each. */
static rg_status out_split_marks(tpl_run *R, tpl_out *o)
{
    RG_TRY(tpl_alloc(R, &o->marks, o->cap, 1));
    memset(o->marks, o->mark, o->n);
    return RG_OK;
}

rg_status tpl_put(tpl_run *R, tpl_out *o, const char *p, size_t n, uint8_t mark, const uint8_t *marks)
{
    if (n == 0)
        return RG_OK;
    if (n > (size_t)TPL_TEXT_MAX - o->n)
        return tpl_fail(R, "a text grows past %d MiB", TPL_TEXT_MAX >> 20);
    RG_TRY(tpl_burn(R, n >> 6));
    if (o->n + n > o->cap)
        RG_TRY(out_grow(R, o, o->n + n));
    if (o->n == 0 && !marks)
        o->mark = mark;
    if (o->marks == NULL && (marks || mark != o->mark))
        RG_TRY(out_split_marks(R, o));
    memcpy(o->p + o->n, p, n);
    if (o->marks && marks)
        memcpy(o->marks + o->n, marks, n);
    else if (o->marks)
        memset(o->marks + o->n, mark, n);
    o->mark |= mark;
    o->n += n;
    return RG_OK;
}

rg_status tpl_put_val(tpl_run *R, tpl_out *o, const tpl_val *s)
{
    return tpl_put(R, o, s->as.s->p, s->as.s->n, s->mark, s->as.s->marks);
}

rg_status tpl_put_part(tpl_run *R, tpl_out *o, const tpl_val *s, size_t off, size_t n)
{
    return tpl_put(R, o, s->as.s->p + off, n, s->mark, s->as.s->marks ? s->as.s->marks + off : NULL);
}

rg_status tpl_finish(tpl_run *R, const tpl_out *o, tpl_val *out)
{
    return tpl_str_of(R, out, o->p ? o->p : "", o->n, o->mark, o->marks);
}

rg_status tpl_finish_flat(tpl_run *R, const tpl_out *o, tpl_val *out)
{
    return tpl_str_of(R, out, o->p ? o->p : "", o->n, o->mark, NULL);
}

rg_status tpl_concat(tpl_run *R, const tpl_val *a, const tpl_val *b, tpl_val *out)
{
    tpl_out o = { 0 };
    const size_t n = a->as.s->n + b->as.s->n;
    if (n > TPL_TEXT_MAX)
        return tpl_fail(R, "a text grows past %d MiB", TPL_TEXT_MAX >> 20);
    RG_TRY(out_grow(R, &o, n));
    RG_TRY(tpl_put_val(R, &o, a));
    RG_TRY(tpl_put_val(R, &o, b));
    return tpl_finish(R, &o, out);
}

rg_status tpl_repeat(tpl_run *R, const tpl_val *s, int64_t n, tpl_val *out)
{
    tpl_out o = { 0 };
    if (n > 0 && s->as.s->n > 0 && (uint64_t)n > (size_t)TPL_TEXT_MAX / s->as.s->n)
        return tpl_fail(R, "%lld copies of %zu bytes are more than %d MiB", (long long)n, s->as.s->n,
                        TPL_TEXT_MAX >> 20);
    RG_TRY(tpl_burn(R, n > 0 && s->as.s->n > 0 ? (size_t)n / 16 : 0));
    for (int64_t i = 0; i < n && s->as.s->n > 0; i++)
        RG_TRY(tpl_put_val(R, &o, s));
    return tpl_finish(R, &o, out);
}
