/* tpl_filter.c - the filters that work on single values; those on lists are in
 * tpl_filter_list.c.  A filter that takes text turns any value into text first. */
#include <math.h>

#include "rung/base/opt.h"
#include "tpl_int.h"

static bool given(const tpl_val *v)
{
    return v->kind != TPL_MISSING && v->kind != TPL_NONE;
}

static rg_status want_int(tpl_run *R, const tpl_val *v, int64_t fallback, int64_t *out)
{
    *out = fallback;
    return !given(v) || tpl_integer(v, out)
               ? RG_OK
               : tpl_fail(R, "a whole number is needed here, not %s", tpl_type_name(v));
}

/* ---- by the string method of the same name ---- */

static rg_status by_method(tpl_run *R, tpl_call *c, const char *method, tpl_val *out)
{
    tpl_val text;
    RG_TRY(tpl_to_str(R, &c->self, &text));
    c->self = text;
    return tpl_str_method_find(rg_str_of(method))->fn(R, c, out);
}

static rg_status f_upper(tpl_run *R, tpl_call *c, tpl_val *out)
{
    return by_method(R, c, "upper", out);
}

static rg_status f_lower(tpl_run *R, tpl_call *c, tpl_val *out)
{
    return by_method(R, c, "lower", out);
}

static rg_status f_capitalize(tpl_run *R, tpl_call *c, tpl_val *out)
{
    return by_method(R, c, "capitalize", out);
}

static rg_status f_trim(tpl_run *R, tpl_call *c, tpl_val *out)
{
    return by_method(R, c, "strip", out);
}

static rg_status f_center(tpl_run *R, tpl_call *c, tpl_val *out)
{
    if (!given(&c->a[0]))
        c->a[0] = tpl_int(80);
    return by_method(R, c, "center", out);
}

static rg_status f_replace(tpl_run *R, tpl_call *c, tpl_val *out)
{
    for (int i = 0; i < 2; i++) {
        tpl_val text;
        RG_TRY(tpl_to_str(R, &c->a[i], &text));
        c->a[i] = text;
    }
    return by_method(R, c, "replace", out);
}

/* Jinja's own title: a word begins at the start and after white space, "-", "(", "{", "[", "<". */
static rg_status f_title(tpl_run *R, tpl_call *c, tpl_val *out)
{
    tpl_out o = { 0 };
    tpl_val text;
    RG_TRY(tpl_to_str(R, &c->self, &text));
    const rg_str s = tpl_text(&text);
    RG_TRY(tpl_burn(R, s.n >> 4));
    for (size_t i = 0, end; i < s.n; i = end) {
        const bool edge = memchr("-({[<", s.p[i], 5) || tpl_space_at(rg_str_n(s.p + i, s.n - i));
        end = i + tpl_char_len(s.p + i, s.n - i);
        while (!edge && end < s.n && !memchr("-({[<", s.p[end], 5) &&
               tpl_space_at(rg_str_n(s.p + end, s.n - end)) == 0)
            end += tpl_char_len(s.p + end, s.n - end);
        tpl_call word = { .self = { 0 } };
        tpl_val v;
        RG_TRY(tpl_sub(R, &word.self, &text, i, end - i));
        RG_TRY(by_method(R, &word, "capitalize", &v));
        RG_TRY(tpl_put_val(R, &o, &v));
    }
    return tpl_finish(R, &o, out);
}

/* ---- text ---- */

static rg_status f_string(tpl_run *R, tpl_call *c, tpl_val *out)
{
    return tpl_to_str(R, &c->self, out);
}

static rg_status f_escape(tpl_run *R, tpl_call *c, tpl_val *out)
{
    static const char from[] = "&<>'\"";
    static const char *const to[] = { "&amp;", "&lt;", "&gt;", "&#39;", "&#34;" };
    tpl_val text;
    tpl_out o = { 0 };
    RG_TRY(tpl_to_str(R, &c->self, &text));
    const tpl_str *s = text.as.s;
    RG_TRY(tpl_burn(R, s->n >> 4));
    for (size_t i = 0; i < s->n; i++) {
        const char *hit = memchr(from, s->p[i], sizeof from - 1);
        const char *put = hit ? to[hit - from] : s->p + i;
        RG_TRY(tpl_put(R, &o, put, hit ? strlen(put) : 1, s->marks ? s->marks[i] : text.mark, NULL));
    }
    return tpl_finish(R, &o, out);
}

static rg_status f_indent(tpl_run *R, tpl_call *c, tpl_val *out)
{
    tpl_val text, pad;
    tpl_out o = { 0 };
    int64_t width;
    RG_TRY(tpl_to_str(R, &c->self, &text));
    if (c->a[0].kind == TPL_STR) {
        pad = c->a[0];
    } else {
        RG_TRY(want_int(R, &c->a[0], 4, &width));
        RG_TRY(tpl_str_of(R, &pad, " ", 1, 0, NULL));
        RG_TRY(tpl_repeat(R, &pad, width, &pad));
    }
    const rg_str s = tpl_text(&text);
    const bool first = tpl_truth(&c->a[1]), blank = tpl_truth(&c->a[2]);
    RG_TRY(tpl_burn(R, s.n >> 6));
    for (size_t i = 0, line = 0, next; i <= s.n; i = next, line++) {
        const size_t end = i < s.n ? tpl_line_end(s, i, &next) : (next = s.n + 1, s.n);
        if (line > 0)
            RG_TRY(
                tpl_put(R, &o, "\n", 1, s.n && text.as.s->marks ? text.as.s->marks[i - 1] : text.mark, NULL));
        if (line == 0 ? first : blank || end > i)
            RG_TRY(tpl_put_val(R, &o, &pad));
        RG_TRY(tpl_put_part(R, &o, &text, i, end - i));
        if (next == s.n && end == s.n)
            break;
    }
    return tpl_finish(R, &o, out);
}

static rg_status f_truncate(tpl_run *R, tpl_call *c, tpl_val *out)
{
    tpl_val text, end = c->a[2], part;
    tpl_out o = { 0 };
    int64_t length, leeway;
    RG_TRY(tpl_to_str(R, &c->self, &text));
    RG_TRY(want_int(R, &c->a[0], 255, &length));
    RG_TRY(want_int(R, &c->a[3], 5, &leeway));
    if (end.kind != TPL_STR)
        RG_TRY(tpl_str_of(R, &end, "...", 3, 0, NULL));
    const rg_str s = tpl_text(&text);
    const int64_t n = (int64_t)tpl_count_chars(s), n_end = (int64_t)tpl_count_chars(tpl_text(&end));
    RG_TRY(tpl_burn(R, s.n >> 6));
    if (length < n_end || leeway < 0)
        return tpl_fail(R, "truncate to %lld characters is too short for its end", (long long)length);
    *out = text;
    if (leeway >= n || n <= length + leeway)
        return RG_OK;
    rg_str keep = rg_str_n(s.p, tpl_char_offset(s, (size_t)(length - n_end)));
    const size_t space = tpl_truth(&c->a[1]) ? SIZE_MAX : rg_str_rfind(keep, rg_str_of(" "));
    if (space != SIZE_MAX)
        keep.n = space;
    RG_TRY(tpl_sub(R, &part, &text, 0, keep.n));
    RG_TRY(tpl_put_val(R, &o, &part));
    RG_TRY(tpl_put_val(R, &o, &end));
    return tpl_finish(R, &o, out);
}

static rg_status f_wordcount(tpl_run *R, tpl_call *c, tpl_val *out)
{
    tpl_val text;
    int64_t n = 0;
    RG_TRY(tpl_to_str(R, &c->self, &text));
    const rg_str s = tpl_text(&text);
    RG_TRY(tpl_burn(R, s.n >> 6));
    bool inside = false;
    for (size_t i = 0; i < s.n; i += tpl_char_len(s.p + i, s.n - i)) {
        const bool space = tpl_space_at(rg_str_n(s.p + i, s.n - i)) > 0;
        n += !space && !inside;
        inside = !space;
    }
    *out = tpl_int(n);
    return RG_OK;
}

static rg_status f_urlencode(tpl_run *R, tpl_call *c, tpl_val *out)
{
    tpl_val text;
    tpl_out o = { 0 };
    RG_TRY(tpl_to_str(R, &c->self, &text));
    const tpl_str *s = text.as.s;
    for (size_t i = 0; i < s->n; i++) {
        const unsigned char b = (unsigned char)s->p[i];
        char hex[4];
        const bool plain = (b >= '0' && b <= '9') || (b >= 'A' && b <= 'Z') || (b >= 'a' && b <= 'z') ||
                           (b != 0 && strchr("_.-~/", b));
        snprintf(hex, sizeof hex, "%%%02X", b);
        RG_TRY(
            tpl_put(R, &o, plain ? s->p + i : hex, plain ? 1 : 3, s->marks ? s->marks[i] : text.mark, NULL));
    }
    return tpl_finish(R, &o, out);
}

static rg_status f_tojson(tpl_run *R, tpl_call *c, tpl_val *out)
{
    return tpl_to_json(R, &c->self, &c->a[1], &c->a[2], tpl_truth(&c->a[3]), tpl_truth(&c->a[0]), out);
}

static rg_status f_format(tpl_run *R, tpl_call *c, tpl_val *out)
{
    tpl_val text;
    RG_TRY(tpl_to_str(R, &c->self, &text));
    return tpl_format(R, &text, c->pos, c->n_pos, out);
}

/* ---- numbers ---- */

static rg_status f_abs(tpl_run *R, tpl_call *c, tpl_val *out)
{
    const tpl_val zero = tpl_int(0);
    *out = c->self;
    if (c->self.kind == TPL_FLOAT)
        out->as.f = fabs(c->self.as.f);
    else if (c->self.kind != TPL_INT && c->self.kind != TPL_BOOL)
        return tpl_fail(R, "abs needs a number, not %s", tpl_type_name(&c->self));
    else if (c->self.kind == TPL_INT && c->self.as.i < 0)
        return tpl_math(R, TPL_T_SUB, &zero, &c->self, out);
    return RG_OK;
}

static rg_status f_int(tpl_run *R, tpl_call *c, tpl_val *out)
{
    int64_t i, base;
    double f;
    char buf[64];
    RG_TRY(want_int(R, &c->a[1], 10, &base));
    if (base != 10)
        return tpl_fail(R, "int reads base 10 only");
    *out = given(&c->a[0]) ? c->a[0] : tpl_int(0);
    if (tpl_integer(&c->self, &i)) {
        *out = tpl_int(i);
    } else if (c->self.kind == TPL_FLOAT || c->self.kind == TPL_STR) {
        bool good = false;
        if (c->self.kind == TPL_STR) {
            const rg_str t = tpl_strip(tpl_text(&c->self), NULL, true, true);
            snprintf(buf, sizeof buf, "%.*s", (int)RG_MIN(t.n, sizeof buf - 1), t.p);
            if (t.n < sizeof buf && rg_parse_i64(&i, buf)) {
                *out = tpl_int(i);
                out->mark = c->self.mark;
                return RG_OK;
            }
            good = t.n < sizeof buf && rg_parse_f64(&f, buf);
        } else {
            f = c->self.as.f;
            good = isfinite(f);
        }
        if (good && fabs(f) < 9.2e18)
            *out = tpl_int((int64_t)f);
    }
    out->mark |= c->self.mark;
    return RG_OK;
}

static rg_status f_float(tpl_run *R, tpl_call *c, tpl_val *out)
{
    double f;
    char buf[64];
    (void)R;
    *out = given(&c->a[0]) ? c->a[0] : tpl_float(0.0);
    if (tpl_number(&c->self, &f)) {
        *out = tpl_float(f);
    } else if (c->self.kind == TPL_STR) {
        const rg_str t = tpl_strip(tpl_text(&c->self), NULL, true, true);
        snprintf(buf, sizeof buf, "%.*s", (int)RG_MIN(t.n, sizeof buf - 1), t.p);
        if (t.n < sizeof buf && rg_parse_f64(&f, buf))
            *out = tpl_float(f);
    }
    out->mark |= c->self.mark;
    return RG_OK;
}

/* The nearest double to f with `digits` decimals, halves as the exact binary value says. */
static double round_common(double f, int digits)
{
    char buf[400];
    double r;
    if (digits < 0) {
        const double p = pow(10.0, -digits);
        return nearbyint(f / p) * p;
    }
    snprintf(buf, sizeof buf, "%.*f", digits, f);
    for (char *p = buf; *p; p++)
        if (*p == ',')
            *p = '.';
    return rg_parse_f64(&r, buf) ? r : f;
}

static rg_status f_round(tpl_run *R, tpl_call *c, tpl_val *out)
{
    double f;
    int64_t digits;
    RG_TRY(want_int(R, &c->a[0], 0, &digits));
    if (!tpl_number(&c->self, &f) || digits < -20 || digits > 20)
        return tpl_fail(R, "round needs a number and at most 20 digits");
    const double p = pow(10.0, (double)digits);
    if (c->a[1].kind == TPL_MISSING || tpl_is_text(&c->a[1], "common"))
        *out = c->self.kind == TPL_FLOAT ? tpl_float(round_common(f, (int)digits)) : c->self;
    else if (tpl_is_text(&c->a[1], "ceil"))
        *out = tpl_float(ceil(f * p) / p);
    else if (tpl_is_text(&c->a[1], "floor"))
        *out = tpl_float(floor(f * p) / p);
    else
        return tpl_fail(R, "method must be common, ceil or floor");
    return RG_OK;
}

/* ---- the rest ---- */

static rg_status f_default(tpl_run *R, tpl_call *c, tpl_val *out)
{
    const bool use = c->self.kind == TPL_UNDEF || (tpl_truth(&c->a[1]) && !tpl_truth(&c->self));
    *out = use ? c->a[0] : c->self;
    return use && c->a[0].kind == TPL_MISSING ? tpl_str_of(R, out, "", 0, 0, NULL) : RG_OK;
}

static rg_status f_length(tpl_run *R, tpl_call *c, tpl_val *out)
{
    const tpl_val *v = &c->self;
    size_t n = 0;
    if (v->kind == TPL_STR) {
        RG_TRY(tpl_burn(R, v->as.s->n >> 6));
        n = tpl_count_chars(tpl_text(v));
    } else if (v->kind == TPL_LIST && v->as.l->flavour != TPL_F_GEN) {
        n = v->as.l->n;
    } else if (v->kind == TPL_DICT) {
        n = v->as.d->n;
    } else if (v->kind != TPL_UNDEF) {
        return tpl_fail(R, "object of type '%s' has no len()", tpl_type_name(v));
    }
    *out = tpl_int((int64_t)n);
    return RG_OK;
}

static const tpl_builtin filters[] = {
    { "abs", "", 0, f_abs },
    { "capitalize", "", 0, f_capitalize },
    { "center", "width", 0, f_center },
    { "count", "", 0, f_length },
    { "d", "default_value,boolean", 0, f_default },
    { "default", "default_value,boolean", 0, f_default },
    { "e", "", 0, f_escape },
    { "escape", "", 0, f_escape },
    { "float", "default", 0, f_float },
    { "format", "*", 0, f_format },
    { "indent", "width,first,blank", 0, f_indent },
    { "int", "default,base", 0, f_int },
    { "length", "", 0, f_length },
    { "lower", "", 0, f_lower },
    { "replace", "old,new,count", 2, f_replace },
    { "round", "precision,method", 0, f_round },
    { "safe", "", 0, f_string },
    { "string", "", 0, f_string },
    { "title", "", 0, f_title },
    { "tojson", "ensure_ascii,indent,separators,sort_keys", 0, f_tojson },
    { "trim", "chars", 0, f_trim },
    { "truncate", "length,killwords,end,leeway", 0, f_truncate },
    { "upper", "", 0, f_upper },
    { "urlencode", "", 0, f_urlencode },
    { "wordcount", "", 0, f_wordcount },
};

const tpl_builtin *tpl_filter_find(rg_str name)
{
    const tpl_builtin *f = tpl_table_find(filters, RG_COUNT(filters), name);
    return f ? f : tpl_filter_list_find(name);
}
