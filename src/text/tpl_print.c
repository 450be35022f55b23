/* tpl_print.c - values as Python prints them (str and repr) and as JSON. */
#include <inttypes.h>
#include <math.h>

#include <utf8proc.h>

#include "tpl_int.h"

static rg_status puts_(tpl_run *R, tpl_out *o, const char *s, uint8_t mark)
{
    return tpl_put(R, o, s, strlen(s), mark, NULL);
}

/* ---- numbers ---- */

/* The digits of f > 0 to `digits` places and the decimal exponent of the first. */
static int decimal(double f, int digits, char *d)
{
    char buf[48];
    snprintf(buf, sizeof buf, "%.*e", digits - 1, f);
    size_t n = 0, i = 0;
    for (; buf[i] && buf[i] != 'e'; i++) /* skips the point, whatever the locale calls it */
        if (buf[i] >= '0' && buf[i] <= '9')
            d[n++] = buf[i];
    while (n > 1 && d[n - 1] == '0')
        n--;
    d[n] = 0;
    return buf[i] ? atoi(buf + i + 1) : 0;
}

static int shortest(double f, char *d)
{
    char buf[48];
    for (int digits = 1;; digits++) {
        snprintf(buf, sizeof buf, "%.*e", digits - 1, f);
        if (digits == 17 || strtod(buf, NULL) == f)
            return decimal(f, digits, d);
    }
}

/* Python's repr(float): the shortest digits that read back, scientific below 1e-4 and from 1e16. */
void tpl_float_repr(double f, char out[40])
{
    char d[24], *w = out;
    if (isnan(f) || isinf(f)) {
        strcpy(out, isnan(f) ? "nan" : f < 0 ? "-inf" : "inf");
        return;
    }
    if (signbit(f))
        *w++ = '-';
    const int x = f == 0.0 ? (d[0] = '0', d[1] = 0, 0) : shortest(fabs(f), d);
    const int n = (int)strlen(d);
    if (x < -4 || x >= 16) {
        w += sprintf(w, n > 1 ? "%c.%s" : "%c", d[0], d + 1);
        sprintf(w, "e%c%02d", x < 0 ? '-' : '+', x < 0 ? -x : x);
    } else if (x < 0) {
        w += sprintf(w, "0.");
        for (int i = -1; i > x; i--)
            *w++ = '0';
        strcpy(w, d);
    } else if (n <= x + 1) {
        w += sprintf(w, "%s", d);
        for (int i = n; i < x + 1; i++)
            *w++ = '0';
        strcpy(w, ".0");
    } else {
        sprintf(w, "%.*s.%s", x + 1, d, d + x + 1);
    }
}

static rg_status put_scalar(tpl_run *R, tpl_out *o, const tpl_val *v, bool json)
{
    char buf[40];
    switch (v->kind) {
    case TPL_NONE: return puts_(R, o, json ? "null" : "None", v->mark);
    case TPL_BOOL:
        return puts_(R, o, v->as.b ? (json ? "true" : "True") : (json ? "false" : "False"), v->mark);
    case TPL_INT: snprintf(buf, sizeof buf, "%" PRId64, v->as.i); break;
    default:
        tpl_float_repr(v->as.f, buf);
        if (json && (isnan(v->as.f) || isinf(v->as.f)))
            strcpy(buf, isnan(v->as.f) ? "NaN" : v->as.f < 0 ? "-Infinity" : "Infinity");
    }
    return puts_(R, o, buf, v->mark);
}

/* ---- repr ---- */

static bool printable(uint32_t cp)
{
    switch (utf8proc_category((utf8proc_int32_t)cp)) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP: return false;
    case UTF8PROC_CATEGORY_ZS: return cp == ' ';
    default: return true;
    }
}

static rg_status put_repr_char(tpl_run *R, tpl_out *o, const char *p, size_t n, uint32_t cp, char quote,
                               uint8_t mark)
{
    char buf[16];
    if (cp == '\n' || cp == '\t' || cp == '\r')
        snprintf(buf, sizeof buf, "\\%c", cp == '\n' ? 'n' : cp == '\t' ? 't' : 'r');
    else if (cp == '\\' || cp == (unsigned char)quote)
        snprintf(buf, sizeof buf, "\\%c", (char)cp);
    else if (printable(cp))
        return tpl_put(R, o, p, n, mark, NULL);
    else
        snprintf(buf, sizeof buf, cp < 0x100 ? "\\x%02x" : cp < 0x10000 ? "\\u%04x" : "\\U%08x", cp);
    return puts_(R, o, buf, mark);
}

static rg_status put_repr_text(tpl_run *R, tpl_out *o, const tpl_val *v)
{
    const rg_str s = tpl_text(v);
    const bool dbl = memchr(s.p, '\'', s.n) && !memchr(s.p, '"', s.n);
    const char quote = dbl ? '"' : '\'';
    RG_TRY(tpl_put(R, o, &quote, 1, v->mark, NULL));
    for (size_t i = 0, k; i < s.n; i += k) {
        uint32_t cp = 0xFFFD;
        k = rg_utf8_decode(s.p + i, s.n - i, &cp);
        k = k ? k : 1;
        RG_TRY(put_repr_char(R, o, s.p + i, k, cp, quote, v->mark));
    }
    return tpl_put(R, o, &quote, 1, v->mark, NULL);
}

static rg_status put_repr_list(tpl_run *R, tpl_out *o, const tpl_list *l, unsigned depth)
{
    static const char *const open[] = { "[", "(", "[", "dict_view([", "[" };
    static const char *const close[] = { "]", ")", "]", "])", "]" };
    RG_TRY(puts_(R, o, open[l->flavour], 0));
    for (size_t i = 0; i < l->n; i++) {
        if (i > 0)
            RG_TRY(puts_(R, o, ", ", 0));
        RG_TRY(tpl_put_repr(R, o, &l->v[i], depth + 1));
    }
    if (l->n == 1 && l->flavour == TPL_F_TUPLE)
        RG_TRY(puts_(R, o, ",", 0));
    return puts_(R, o, close[l->flavour], 0);
}

static rg_status put_repr_dict(tpl_run *R, tpl_out *o, const tpl_val *v, unsigned depth)
{
    const tpl_dict *d = v->as.d;
    RG_TRY(puts_(R, o, v->kind == TPL_SPACE ? "<Namespace {" : "{", 0));
    for (size_t i = 0; i < d->n; i++) {
        if (i > 0)
            RG_TRY(puts_(R, o, ", ", 0));
        RG_TRY(tpl_put_repr(R, o, &d->v[i].key, depth + 1));
        RG_TRY(puts_(R, o, ": ", 0));
        RG_TRY(tpl_put_repr(R, o, &d->v[i].val, depth + 1));
    }
    return puts_(R, o, v->kind == TPL_SPACE ? "}>" : "}", 0);
}

rg_status tpl_put_repr(tpl_run *R, tpl_out *o, const tpl_val *v, unsigned depth)
{
    if (depth > TPL_NEST_MAX)
        return tpl_fail(R, "values nest deeper than %d", TPL_NEST_MAX);
    RG_TRY(tpl_burn(R, 1));
    switch (v->kind) {
    case TPL_UNDEF: return puts_(R, o, "Undefined", 0);
    case TPL_NONE:
    case TPL_BOOL:
    case TPL_INT:
    case TPL_FLOAT: return put_scalar(R, o, v, false);
    case TPL_STR: return put_repr_text(R, o, v);
    case TPL_LIST: return put_repr_list(R, o, v->as.l, depth);
    case TPL_DICT:
    case TPL_SPACE: return put_repr_dict(R, o, v, depth);
    default: return tpl_fail(R, "a %s cannot be printed", tpl_type_name(v));
    }
}

rg_status tpl_to_str(tpl_run *R, const tpl_val *v, tpl_val *out)
{
    tpl_out o = { 0 };
    if (v->kind == TPL_STR) {
        *out = *v;
        return RG_OK;
    }
    if (v->kind != TPL_UNDEF)
        RG_TRY(tpl_put_repr(R, &o, v, 0));
    return tpl_finish_flat(R, &o, out);
}

/* ---- JSON ---- */

typedef struct json_style {
    rg_str indent; /* what one level adds; p NULL = all on one line */
    rg_str comma, colon;
    bool sort, ascii;
} json_style;

static rg_status put_json_char(tpl_run *R, tpl_out *o, const char *p, size_t n, uint32_t cp, bool ascii,
                               uint8_t mark)
{
    static const char from[] = "\"\\\n\r\t\b\f", to[] = "\"\\nrtbf";
    char buf[16];
    const char *known = cp && cp < 0x80 ? strchr(from, (int)cp) : NULL;
    if (known)
        snprintf(buf, sizeof buf, "\\%c", to[known - from]);
    else if (cp < 0x20 || (ascii && cp > 0x7E && cp < 0x10000))
        snprintf(buf, sizeof buf, "\\u%04x", cp);
    else if (ascii && cp >= 0x10000)
        snprintf(buf, sizeof buf, "\\u%04x\\u%04x", 0xD800 + ((cp - 0x10000) >> 10), 0xDC00 + (cp & 0x3FF));
    else
        return tpl_put(R, o, p, n, mark, NULL);
    return puts_(R, o, buf, mark);
}

static rg_status put_json_text(tpl_run *R, tpl_out *o, const tpl_val *v, bool ascii)
{
    const rg_str s = tpl_text(v);
    RG_TRY(puts_(R, o, "\"", v->mark));
    for (size_t i = 0, k; i < s.n; i += k) {
        uint32_t cp = 0xFFFD;
        k = rg_utf8_decode(s.p + i, s.n - i, &cp);
        k = k ? k : 1;
        RG_TRY(put_json_char(R, o, s.p + i, k, cp, ascii, v->mark));
    }
    return puts_(R, o, "\"", v->mark);
}

static rg_status put_json(tpl_run *R, tpl_out *o, const tpl_val *v, const json_style *st, unsigned depth);

static rg_status put_newline(tpl_run *R, tpl_out *o, const json_style *st, unsigned depth)
{
    if (st->indent.p == NULL)
        return RG_OK;
    RG_TRY(puts_(R, o, "\n", 0));
    for (unsigned i = 0; i < depth; i++)
        RG_TRY(tpl_put(R, o, st->indent.p, st->indent.n, 0, NULL));
    return RG_OK;
}

static rg_status put_comma(tpl_run *R, tpl_out *o, const json_style *st, size_t i, unsigned depth)
{
    if (i > 0)
        RG_TRY(tpl_put(R, o, st->comma.p, st->comma.n, 0, NULL));
    return put_newline(R, o, st, depth);
}

static rg_status put_json_list(tpl_run *R, tpl_out *o, const tpl_list *l, const json_style *st,
                               unsigned depth)
{
    RG_TRY(puts_(R, o, "[", 0));
    for (size_t i = 0; i < l->n; i++) {
        RG_TRY(put_comma(R, o, st, i, depth + 1));
        RG_TRY(put_json(R, o, &l->v[i], st, depth + 1));
    }
    if (l->n > 0)
        RG_TRY(put_newline(R, o, st, depth));
    return puts_(R, o, "]", 0);
}

/* A key is text; numbers, booleans and none become it. */
static rg_status put_json_key(tpl_run *R, tpl_out *o, const tpl_val *k, const json_style *st)
{
    if (k->kind == TPL_STR)
        return put_json_text(R, o, k, st->ascii);
    if (k->kind < TPL_NONE || k->kind > TPL_FLOAT)
        return tpl_fail(R, "a %s cannot be a JSON key", tpl_type_name(k));
    RG_TRY(puts_(R, o, "\"", 0));
    RG_TRY(put_scalar(R, o, k, true));
    return puts_(R, o, "\"", 0);
}

static rg_status sorted_pairs(tpl_run *R, const tpl_dict *d, const tpl_pair **out)
{
    tpl_pair *v;
    RG_TRY(tpl_alloc(R, &v, d->n, sizeof *v));
    for (size_t i = 0; i < d->n; i++) {
        size_t k = i;
        int order = -1;
        for (; k > 0; k--) {
            RG_TRY(tpl_order(R, &v[k - 1].key, &d->v[i].key, &order));
            if (order <= 0)
                break;
            v[k] = v[k - 1];
        }
        v[k] = d->v[i];
    }
    *out = v;
    return RG_OK;
}

static rg_status put_json_dict(tpl_run *R, tpl_out *o, const tpl_dict *d, const json_style *st,
                               unsigned depth)
{
    const tpl_pair *v = d->v;
    if (st->sort)
        RG_TRY(sorted_pairs(R, d, &v));
    RG_TRY(puts_(R, o, "{", 0));
    for (size_t i = 0; i < d->n; i++) {
        RG_TRY(put_comma(R, o, st, i, depth + 1));
        RG_TRY(put_json_key(R, o, &v[i].key, st));
        RG_TRY(tpl_put(R, o, st->colon.p, st->colon.n, 0, NULL));
        RG_TRY(put_json(R, o, &v[i].val, st, depth + 1));
    }
    if (d->n > 0)
        RG_TRY(put_newline(R, o, st, depth));
    return puts_(R, o, "}", 0);
}

static rg_status put_json(tpl_run *R, tpl_out *o, const tpl_val *v, const json_style *st, unsigned depth)
{
    if (depth > TPL_NEST_MAX)
        return tpl_fail(R, "values nest deeper than %d", TPL_NEST_MAX);
    RG_TRY(tpl_burn(R, 1));
    switch (v->kind) {
    case TPL_NONE:
    case TPL_BOOL:
    case TPL_INT:
    case TPL_FLOAT: return put_scalar(R, o, v, true);
    case TPL_STR: return put_json_text(R, o, v, st->ascii);
    case TPL_DICT: return put_json_dict(R, o, v->as.d, st, depth);
    case TPL_LIST:
        if (v->as.l->flavour <= TPL_F_TUPLE)
            return put_json_list(R, o, v->as.l, st, depth);
        break;
    default: break;
    }
    return tpl_fail(R, "Object of type %s is not JSON serializable", tpl_type_name(v));
}

static rg_status read_indent(tpl_run *R, json_style *st, const tpl_val *indent)
{
    static const char blanks[] = "                                ";
    int64_t n;
    if (tpl_integer(indent, &n)) {
        if (n > (int64_t)sizeof blanks - 1)
            return tpl_fail(R, "an indent of %lld is more than %zu", (long long)n, sizeof blanks - 1);
        st->indent = rg_str_n(blanks, n > 0 ? (size_t)n : 0);
    } else if (indent->kind == TPL_STR) {
        st->indent = tpl_text(indent);
    } else if (indent->kind > TPL_NONE) {
        return tpl_fail(R, "an indent is a number or a text, not %s", tpl_type_name(indent));
    }
    if (st->indent.p)
        st->comma = rg_str_of(",");
    return RG_OK;
}

/* Python's json.dumps.  Its brackets belong to whoever owns the data: one mark for all. */
rg_status tpl_to_json(tpl_run *R, const tpl_val *v, const tpl_val *indent, const tpl_val *seps,
                      bool sort_keys, bool ascii, tpl_val *out)
{
    json_style st = { { NULL, 0 }, rg_str_of(", "), rg_str_of(": "), sort_keys, ascii };
    tpl_out o = { 0 };
    RG_TRY(read_indent(R, &st, indent));
    if (seps->kind == TPL_LIST && seps->as.l->n == 2 && seps->as.l->v[0].kind == TPL_STR &&
        seps->as.l->v[1].kind == TPL_STR) {
        st.comma = tpl_text(&seps->as.l->v[0]);
        st.colon = tpl_text(&seps->as.l->v[1]);
    } else if (seps->kind > TPL_NONE) {
        return tpl_fail(R, "separators are two texts");
    }
    RG_TRY(put_json(R, &o, v, &st, 0));
    return tpl_finish_flat(R, &o, out);
}
