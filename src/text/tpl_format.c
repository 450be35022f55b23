/* tpl_format.c - "%s and %5.1f" % values: Python's printf-like formatting. */
#include <inttypes.h>
#include <math.h>

#include "tpl_int.h"

typedef struct spec {
    char flags[8];
    int64_t width, precision; /* -1 = not given */
    char conv;
} spec;

static bool read_count(rg_str s, size_t *i, int64_t *out)
{
    if (*i >= s.n || s.p[*i] < '0' || s.p[*i] > '9')
        return false;
    for (*out = 0; *i < s.n && s.p[*i] >= '0' && s.p[*i] <= '9' && *out < 10000; ++*i)
        *out = *out * 10 + (s.p[*i] - '0');
    return true;
}

static bool read_spec(rg_str s, size_t *i, spec *sp)
{
    size_t n = 0;
    *sp = (spec){ .width = -1, .precision = -1 };
    while (*i < s.n && s.p[*i] && strchr("-+ 0#", s.p[*i]) && n < sizeof sp->flags - 1)
        sp->flags[n++] = s.p[(*i)++];
    read_count(s, i, &sp->width);
    if (*i < s.n && s.p[*i] == '.') {
        ++*i;
        sp->precision = 0;
        read_count(s, i, &sp->precision);
    }
    if (*i >= s.n || sp->width > 1000 || sp->precision > 100)
        return false;
    sp->conv = s.p[(*i)++];
    return true;
}

static rg_status format_number(tpl_run *R, tpl_out *o, const spec *sp, const tpl_val *v)
{
    char fmt[40], buf[1600];
    int64_t i = 0;
    double f = 0;
    const bool whole = strchr("dixXo", sp->conv) != NULL;
    if (whole ? !tpl_integer(v, &i) && v->kind != TPL_FLOAT : !tpl_number(v, &f))
        return tpl_fail(R, "%%%c needs a number, not %s", sp->conv, tpl_type_name(v));
    if (whole && v->kind == TPL_FLOAT) {
        if (!(fabs(v->as.f) < 9.2e18))
            return tpl_fail(R, "%%%c needs a number that fits 64 bits", sp->conv);
        i = (int64_t)v->as.f;
    }
    snprintf(fmt, sizeof fmt, "%%%s*.*%s", sp->flags, whole ? PRId64 : "f");
    fmt[strlen(fmt) - 1] = sp->conv;
    const int width = sp->width > 0 ? (int)sp->width : 0, precision = (int)sp->precision;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    const int n = whole ? snprintf(buf, sizeof buf, fmt, width, precision, i)
                        : snprintf(buf, sizeof buf, fmt, width, precision, f);
#pragma GCC diagnostic pop
    if (n < 0 || (size_t)n >= sizeof buf)
        return tpl_fail(R, "a formatted number is too long");
    return tpl_put(R, o, buf, (size_t)n, v->mark, NULL);
}

static rg_status format_text(tpl_run *R, tpl_out *o, const spec *sp, const tpl_val *v)
{
    tpl_val text;
    if (sp->conv == 'r') {
        tpl_out r = { 0 };
        RG_TRY(tpl_put_repr(R, &r, v, 0));
        RG_TRY(tpl_finish_flat(R, &r, &text));
    } else {
        RG_TRY(tpl_to_str(R, v, &text));
    }
    if (sp->precision >= 0)
        RG_TRY(tpl_sub(R, &text, &text, 0, tpl_char_offset(tpl_text(&text), (size_t)sp->precision)));
    const size_t n = tpl_count_chars(tpl_text(&text));
    const bool left = strchr(sp->flags, '-') != NULL;
    const size_t pad = sp->width > 0 && (size_t)sp->width > n ? (size_t)sp->width - n : 0;
    for (size_t i = 0; i < pad && !left; i++)
        RG_TRY(tpl_put(R, o, " ", 1, 0, NULL));
    RG_TRY(tpl_put_val(R, o, &text));
    for (size_t i = 0; i < pad && left; i++)
        RG_TRY(tpl_put(R, o, " ", 1, 0, NULL));
    return RG_OK;
}

static rg_status format_one(tpl_run *R, tpl_out *o, const spec *sp, const tpl_val *args, size_t n,
                            size_t *used)
{
    if (sp->conv == '%')
        return tpl_put(R, o, "%", 1, 0, NULL);
    if (sp->conv == 0 || strchr("sradixXofFeEgG", sp->conv) == NULL || sp->conv == 'a')
        return tpl_fail(R, "a format text has an unknown conversion");
    if (*used >= n)
        return tpl_fail(R, "not enough arguments for format string");
    const tpl_val *v = &args[(*used)++];
    return sp->conv == 's' || sp->conv == 'r' ? format_text(R, o, sp, v) : format_number(R, o, sp, v);
}

rg_status tpl_format(tpl_run *R, const tpl_val *fmt, const tpl_val *args, size_t n, tpl_val *out)
{
    const rg_str s = tpl_text(fmt);
    tpl_out o = { 0 };
    size_t used = 0;
    for (size_t i = 0; i < s.n;) {
        const char *pct = memchr(s.p + i, '%', s.n - i);
        const size_t end = pct ? (size_t)(pct - s.p) : s.n;
        RG_TRY(tpl_put_part(R, &o, fmt, i, end - i));
        i = end;
        if (pct == NULL)
            break;
        spec sp;
        i++;
        if (!read_spec(s, &i, &sp))
            return tpl_fail(R, "a format text is incomplete or too wide");
        RG_TRY(tpl_burn(R, 1));
        RG_TRY(format_one(R, &o, &sp, args, n, &used));
    }
    if (used < n)
        return tpl_fail(R, "not all arguments converted during string formatting");
    return tpl_finish(R, &o, out);
}
