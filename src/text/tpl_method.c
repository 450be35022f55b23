/* tpl_method.c - the string methods (and what dicts, lists and loops have), as Python's. */
#include <stdio.h>

#include <utf8proc.h>

#include "tpl_int.h"

const tpl_builtin *tpl_table_find(const tpl_builtin *t, size_t n, rg_str name)
{
    for (size_t i = 0; i < n; i++)
        if (rg_str_is(name, t[i].name))
            return &t[i];
    return NULL;
}

static bool given(const tpl_val *v)
{
    return v->kind != TPL_MISSING && v->kind != TPL_NONE;
}

static rg_status need_text(tpl_run *R, const tpl_val *v)
{
    if (v->kind == TPL_UNDEF)
        return tpl_undefined_error(R, v);
    return v->kind == TPL_STR ? RG_OK : tpl_fail(R, "a text is needed here, not %s", tpl_type_name(v));
}

static rg_status need_int(tpl_run *R, const tpl_val *v, int64_t fallback, int64_t *out)
{
    *out = fallback;
    if (!given(v) || tpl_integer(v, out))
        return RG_OK;
    return v->kind == TPL_UNDEF ? tpl_undefined_error(R, v)
                                : tpl_fail(R, "a whole number is needed here, not %s", tpl_type_name(v));
}

/* ---- strip, split, join ---- */

static rg_status strip(tpl_run *R, tpl_call *c, bool left, bool right, tpl_val *out)
{
    const rg_str s = tpl_text(&c->self);
    rg_str chars = { NULL, 0 };
    if (given(&c->a[0])) {
        RG_TRY(need_text(R, &c->a[0]));
        chars = tpl_text(&c->a[0]);
    }
    const rg_str t = tpl_strip(s, given(&c->a[0]) ? &chars : NULL, left, right);
    RG_TRY(tpl_burn(R, ((s.n - t.n) >> 6) * (chars.n + 1)));
    return tpl_sub(R, out, &c->self, (size_t)(t.p - s.p), t.n);
}

static rg_status m_strip(tpl_run *R, tpl_call *c, tpl_val *out)
{
    return strip(R, c, true, true, out);
}

static rg_status m_lstrip(tpl_run *R, tpl_call *c, tpl_val *out)
{
    return strip(R, c, true, false, out);
}

static rg_status m_rstrip(tpl_run *R, tpl_call *c, tpl_val *out)
{
    return strip(R, c, false, true, out);
}

/* A single byte is the common separator, and memchr never looks past its find. */
static size_t find_from(rg_str s, size_t i, rg_str what)
{
    const rg_str rest = rg_str_n(s.p + i, s.n - i);
    if (what.n != 1)
        return rg_str_find(rest, what);
    const char *hit = rest.n ? memchr(rest.p, what.p[0], rest.n) : NULL;
    return hit ? (size_t)(hit - rest.p) : SIZE_MAX;
}

typedef struct pieces { /* a growing list of values */
    tpl_val *v;
    size_t n, cap;
} pieces;

static rg_status add_piece(tpl_run *R, pieces *ps, const tpl_val *s, size_t off, size_t n)
{
    if (ps->n == ps->cap) {
        tpl_val *v;
        const size_t cap = ps->cap ? 2 * ps->cap : 8;
        RG_TRY(tpl_alloc(R, &v, cap, sizeof *v));
        if (ps->n)
            memcpy(v, ps->v, ps->n * sizeof *v);
        ps->v = v;
        ps->cap = cap;
    }
    RG_TRY(tpl_burn(R, 1));
    return tpl_sub(R, &ps->v[ps->n++], s, off, n);
}

static rg_status split_spaces(tpl_run *R, const tpl_val *s, int64_t max, pieces *ps)
{
    const rg_str t = tpl_text(s);
    size_t i = 0;
    for (;;) {
        for (size_t k; (k = tpl_space_at(rg_str_n(t.p + i, t.n - i))) > 0;)
            i += k;
        if (i == t.n)
            return RG_OK;
        size_t end = i;
        if (max >= 0 && ps->n == (size_t)max) {
            const rg_str last = tpl_strip(rg_str_n(t.p + i, t.n - i), NULL, false, true);
            return add_piece(R, ps, s, i, last.n);
        }
        while (end < t.n && tpl_space_at(rg_str_n(t.p + end, t.n - end)) == 0)
            end += tpl_char_len(t.p + end, t.n - end);
        RG_TRY(add_piece(R, ps, s, i, end - i));
        i = end;
    }
}

static rg_status split_by(tpl_run *R, const tpl_val *s, rg_str sep, int64_t max, pieces *ps)
{
    const rg_str t = tpl_text(s);
    size_t i = 0;
    for (size_t k; (max < 0 || ps->n < (size_t)max) && (k = find_from(t, i, sep)) != SIZE_MAX; i += k + sep.n)
        RG_TRY(add_piece(R, ps, s, i, k));
    return add_piece(R, ps, s, i, t.n - i);
}

/* From the right; the pieces come out last first. */
static rg_status rsplit_by(tpl_run *R, const tpl_val *s, rg_str sep, int64_t max, pieces *ps)
{
    const rg_str t = tpl_text(s);
    size_t end = t.n;
    for (size_t k;
         (max < 0 || ps->n < (size_t)max) && (k = rg_str_rfind(rg_str_n(t.p, end), sep)) != SIZE_MAX;
         end = k) {
        RG_TRY(tpl_burn(R, (end - k) >> 6));
        RG_TRY(add_piece(R, ps, s, k + sep.n, end - k - sep.n));
    }
    RG_TRY(add_piece(R, ps, s, 0, end));
    for (size_t i = 0; i < ps->n / 2; i++) {
        const tpl_val v = ps->v[i];
        ps->v[i] = ps->v[ps->n - 1 - i];
        ps->v[ps->n - 1 - i] = v;
    }
    return RG_OK;
}

static rg_status split(tpl_run *R, tpl_call *c, bool right, tpl_val *out)
{
    pieces ps = { 0 };
    int64_t max;
    RG_TRY(need_int(R, &c->a[1], -1, &max));
    RG_TRY(tpl_burn(R, c->self.as.s->n >> 6));
    if (!given(&c->a[0])) {
        if (right && max >= 0)
            return tpl_fail(R, "rsplit with a count needs a separator");
        RG_TRY(split_spaces(R, &c->self, max, &ps));
        return tpl_list_of(R, out, ps.v, ps.n, TPL_F_LIST);
    }
    RG_TRY(need_text(R, &c->a[0]));
    const rg_str sep = tpl_text(&c->a[0]);
    if (sep.n == 0)
        return tpl_fail(R, "empty separator");
    RG_TRY((right ? rsplit_by : split_by)(R, &c->self, sep, max, &ps));
    return tpl_list_of(R, out, ps.v, ps.n, TPL_F_LIST);
}

static rg_status m_split(tpl_run *R, tpl_call *c, tpl_val *out)
{
    return split(R, c, false, out);
}

static rg_status m_rsplit(tpl_run *R, tpl_call *c, tpl_val *out)
{
    return split(R, c, true, out);
}

static rg_status m_splitlines(tpl_run *R, tpl_call *c, tpl_val *out)
{
    const rg_str t = tpl_text(&c->self);
    const bool keep = tpl_truth(&c->a[0]);
    pieces ps = { 0 };
    RG_TRY(tpl_burn(R, t.n >> 6));
    for (size_t i = 0, next; i < t.n; i = next) {
        const size_t end = tpl_line_end(t, i, &next);
        RG_TRY(add_piece(R, &ps, &c->self, i, (keep ? next : end) - i));
    }
    return tpl_list_of(R, out, ps.v, ps.n, TPL_F_LIST);
}

static rg_status m_join(tpl_run *R, tpl_call *c, tpl_val *out)
{
    const tpl_val *v;
    size_t n;
    tpl_out o = { 0 };
    RG_TRY(tpl_iter(R, &c->a[0], &v, &n));
    for (size_t i = 0; i < n; i++) {
        RG_TRY(need_text(R, &v[i]));
        if (i > 0)
            RG_TRY(tpl_put_val(R, &o, &c->self));
        RG_TRY(tpl_put_val(R, &o, &v[i]));
    }
    return tpl_finish(R, &o, out);
}

/* ---- searching ---- */

static bool has_edge(rg_str s, rg_str edge, bool end)
{
    return edge.n <= s.n && memcmp(end ? s.p + s.n - edge.n : s.p, edge.p, edge.n) == 0;
}

static rg_status edge_is(tpl_run *R, tpl_call *c, bool end, tpl_val *out)
{
    const tpl_val *v = &c->a[0];
    size_t n = 1;
    bool yes = false;
    if (v->kind == TPL_LIST && v->as.l->flavour == TPL_F_TUPLE) {
        n = v->as.l->n;
        v = v->as.l->v;
    }
    for (size_t i = 0; i < n && !yes; i++) {
        RG_TRY(need_text(R, &v[i]));
        RG_TRY(tpl_burn(R, 1 + (v[i].as.s->n >> 6)));
        yes = has_edge(tpl_text(&c->self), tpl_text(&v[i]), end);
    }
    *out = tpl_bool(yes);
    return RG_OK;
}

static rg_status m_startswith(tpl_run *R, tpl_call *c, tpl_val *out)
{
    return edge_is(R, c, false, out);
}

static rg_status m_endswith(tpl_run *R, tpl_call *c, tpl_val *out)
{
    return edge_is(R, c, true, out);
}

static rg_status m_removeprefix(tpl_run *R, tpl_call *c, tpl_val *out)
{
    RG_TRY(need_text(R, &c->a[0]));
    const rg_str s = tpl_text(&c->self), edge = tpl_text(&c->a[0]);
    const size_t k = has_edge(s, edge, false) ? edge.n : 0;
    return tpl_sub(R, out, &c->self, k, s.n - k);
}

static rg_status m_removesuffix(tpl_run *R, tpl_call *c, tpl_val *out)
{
    RG_TRY(need_text(R, &c->a[0]));
    const rg_str s = tpl_text(&c->self), edge = tpl_text(&c->a[0]);
    return tpl_sub(R, out, &c->self, 0, s.n - (has_edge(s, edge, true) ? edge.n : 0));
}

static rg_status find(tpl_run *R, tpl_call *c, bool last, tpl_val *out)
{
    RG_TRY(need_text(R, &c->a[0]));
    const rg_str s = tpl_text(&c->self);
    RG_TRY(tpl_burn(R, s.n >> 6));
    const size_t at = (last ? rg_str_rfind : rg_str_find)(s, tpl_text(&c->a[0]));
    *out = tpl_int(at == SIZE_MAX ? -1 : (int64_t)tpl_count_chars(rg_str_n(s.p, at)));
    return RG_OK;
}

static rg_status m_find(tpl_run *R, tpl_call *c, tpl_val *out)
{
    return find(R, c, false, out);
}

static rg_status m_rfind(tpl_run *R, tpl_call *c, tpl_val *out)
{
    return find(R, c, true, out);
}

static rg_status m_index(tpl_run *R, tpl_call *c, tpl_val *out)
{
    RG_TRY(find(R, c, false, out));
    return out->as.i < 0 ? tpl_fail(R, "substring not found") : RG_OK;
}

static rg_status m_count(tpl_run *R, tpl_call *c, tpl_val *out)
{
    RG_TRY(need_text(R, &c->a[0]));
    const rg_str s = tpl_text(&c->self), what = tpl_text(&c->a[0]);
    int64_t n = 0;
    RG_TRY(tpl_burn(R, s.n >> 4));
    if (what.n == 0)
        n = (int64_t)tpl_count_chars(s) + 1;
    else
        for (size_t i = 0, k; (k = find_from(s, i, what)) != SIZE_MAX; i += k + what.n)
            n++;
    *out = tpl_int(n);
    return RG_OK;
}

/* Between all characters, and at both ends. */
static rg_status replace_empty(tpl_run *R, const tpl_val *s, const tpl_val *to, int64_t max, tpl_out *o)
{
    const rg_str t = tpl_text(s);
    size_t i = 0;
    for (int64_t n = 0; max < 0 || n < max; n++) {
        RG_TRY(tpl_put_val(R, o, to));
        if (i == t.n)
            return RG_OK;
        const size_t k = tpl_char_len(t.p + i, t.n - i);
        RG_TRY(tpl_burn(R, 1));
        RG_TRY(tpl_put_part(R, o, s, i, k));
        i += k;
    }
    return tpl_put_part(R, o, s, i, t.n - i);
}

static rg_status m_replace(tpl_run *R, tpl_call *c, tpl_val *out)
{
    tpl_out o = { 0 };
    int64_t max;
    RG_TRY(need_text(R, &c->a[0]));
    RG_TRY(need_text(R, &c->a[1]));
    RG_TRY(need_int(R, &c->a[2], -1, &max));
    const rg_str t = tpl_text(&c->self), from = tpl_text(&c->a[0]);
    size_t i = 0;
    RG_TRY(tpl_burn(R, t.n >> 6));
    if (from.n == 0) {
        RG_TRY(replace_empty(R, &c->self, &c->a[1], max, &o));
        return tpl_finish(R, &o, out);
    }
    for (size_t k; max != 0 && (k = find_from(t, i, from)) != SIZE_MAX; max--) {
        RG_TRY(tpl_burn(R, 1));
        RG_TRY(tpl_put_part(R, &o, &c->self, i, k));
        RG_TRY(tpl_put_val(R, &o, &c->a[1]));
        i += k + from.n;
    }
    RG_TRY(tpl_put_part(R, &o, &c->self, i, t.n - i));
    return tpl_finish(R, &o, out);
}

/* ---- case; one character to one character ---- */

typedef enum case_rule { CASE_UPPER, CASE_LOWER, CASE_TITLE, CASE_CAPITAL, CASE_SWAP } case_rule;

static bool is_cased(uint32_t cp)
{
    const utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)cp);
    return k == UTF8PROC_CATEGORY_LU || k == UTF8PROC_CATEGORY_LL || k == UTF8PROC_CATEGORY_LT;
}

static uint32_t map_case(uint32_t cp, case_rule rule, bool first, bool inside)
{
    const utf8proc_int32_t c = (utf8proc_int32_t)cp;
    const bool upper = utf8proc_category(c) == UTF8PROC_CATEGORY_LU;
    switch (rule) {
    case CASE_UPPER: return (uint32_t)utf8proc_toupper(c);
    case CASE_LOWER: return (uint32_t)utf8proc_tolower(c);
    case CASE_TITLE: return (uint32_t)(inside ? utf8proc_tolower(c) : utf8proc_totitle(c));
    case CASE_CAPITAL: return (uint32_t)(first ? utf8proc_totitle(c) : utf8proc_tolower(c));
    default: return (uint32_t)(upper ? utf8proc_tolower(c) : utf8proc_toupper(c));
    }
}

static rg_status change_case(tpl_run *R, tpl_call *c, case_rule rule, tpl_val *out)
{
    const tpl_str *s = c->self.as.s;
    tpl_out o = { 0 };
    bool inside = false;
    RG_TRY(tpl_burn(R, s->n >> 4));
    for (size_t i = 0, k; i < s->n; i += k) {
        uint32_t cp = 0xFFFD;
        char buf[4];
        k = rg_utf8_decode(s->p + i, s->n - i, &cp);
        k = k ? k : 1;
        const uint32_t mapped = map_case(cp, rule, i == 0, inside);
        size_t n = rg_utf8_encode(mapped, buf);
        if (cp == 0xDF && mapped != cp) /* the one common letter that becomes two */
            n = (size_t)snprintf(buf, sizeof buf, rule == CASE_UPPER || rule == CASE_SWAP ? "SS" : "Ss");
        inside = is_cased(cp);
        RG_TRY(tpl_put(R, &o, buf, n, s->marks ? s->marks[i] : c->self.mark, NULL));
    }
    return tpl_finish(R, &o, out);
}

static rg_status m_upper(tpl_run *R, tpl_call *c, tpl_val *out)
{
    return change_case(R, c, CASE_UPPER, out);
}

static rg_status m_lower(tpl_run *R, tpl_call *c, tpl_val *out)
{
    return change_case(R, c, CASE_LOWER, out);
}

static rg_status m_title(tpl_run *R, tpl_call *c, tpl_val *out)
{
    return change_case(R, c, CASE_TITLE, out);
}

static rg_status m_capitalize(tpl_run *R, tpl_call *c, tpl_val *out)
{
    return change_case(R, c, CASE_CAPITAL, out);
}

static rg_status m_swapcase(tpl_run *R, tpl_call *c, tpl_val *out)
{
    return change_case(R, c, CASE_SWAP, out);
}

/* ---- what a text is made of ---- */

typedef bool (*char_test)(uint32_t cp);

static bool is_alpha(uint32_t cp)
{
    const utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)cp);
    return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO;
}

static bool is_digit(uint32_t cp)
{
    return utf8proc_category((utf8proc_int32_t)cp) == UTF8PROC_CATEGORY_ND;
}

static bool is_alnum(uint32_t cp)
{
    const utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)cp);
    return is_alpha(cp) || (k >= UTF8PROC_CATEGORY_ND && k <= UTF8PROC_CATEGORY_NO);
}

static rg_status all_chars(tpl_run *R, tpl_call *c, char_test test, tpl_val *out)
{
    const rg_str s = tpl_text(&c->self);
    bool yes = s.n > 0;
    RG_TRY(tpl_burn(R, s.n >> 6));
    for (size_t i = 0, k; i < s.n && yes; i += k) {
        uint32_t cp = 0xFFFD;
        k = rg_utf8_decode(s.p + i, s.n - i, &cp);
        k = k ? k : 1;
        yes = test(cp);
    }
    *out = tpl_bool(yes);
    return RG_OK;
}

static rg_status m_isalpha(tpl_run *R, tpl_call *c, tpl_val *out)
{
    return all_chars(R, c, is_alpha, out);
}

static rg_status m_isdigit(tpl_run *R, tpl_call *c, tpl_val *out)
{
    return all_chars(R, c, is_digit, out);
}

static rg_status m_isalnum(tpl_run *R, tpl_call *c, tpl_val *out)
{
    return all_chars(R, c, is_alnum, out);
}

static rg_status m_isspace(tpl_run *R, tpl_call *c, tpl_val *out)
{
    return all_chars(R, c, tpl_is_space, out);
}

/* At least one cased character and none of the other case. */
static rg_status one_case(tpl_run *R, tpl_call *c, bool upper, tpl_val *out)
{
    const rg_str s = tpl_text(&c->self);
    bool any = false, good = true;
    RG_TRY(tpl_burn(R, s.n >> 6));
    for (size_t i = 0, k; i < s.n && good; i += k) {
        uint32_t cp = 0xFFFD;
        k = rg_utf8_decode(s.p + i, s.n - i, &cp);
        k = k ? k : 1;
        const utf8proc_category_t cat = utf8proc_category((utf8proc_int32_t)cp);
        any = any || cat == UTF8PROC_CATEGORY_LU || cat == UTF8PROC_CATEGORY_LL;
        good = cat != UTF8PROC_CATEGORY_LT && cat != (upper ? UTF8PROC_CATEGORY_LL : UTF8PROC_CATEGORY_LU);
    }
    *out = tpl_bool(any && good);
    return RG_OK;
}

static rg_status m_isupper(tpl_run *R, tpl_call *c, tpl_val *out)
{
    return one_case(R, c, true, out);
}

static rg_status m_islower(tpl_run *R, tpl_call *c, tpl_val *out)
{
    return one_case(R, c, false, out);
}

/* ---- padding ---- */

static rg_status pad(tpl_run *R, tpl_call *c, int where, tpl_val *out)
{
    int64_t width;
    tpl_val fill = c->a[1], left, right;
    tpl_out o = { 0 };
    RG_TRY(need_int(R, &c->a[0], 0, &width));
    if (!given(&fill))
        RG_TRY(tpl_str_of(R, &fill, " ", 1, 0, NULL));
    RG_TRY(need_text(R, &fill));
    const int64_t have = (int64_t)tpl_count_chars(tpl_text(&c->self));
    const int64_t need = width > have ? width - have : 0;
    const int64_t half = need / 2 + (need & width & 1); /* the odd one goes where CPython puts it */
    const int64_t n_left = where < 0 ? 0 : where > 0 ? need : half;
    RG_TRY(tpl_repeat(R, &fill, n_left, &left));
    RG_TRY(tpl_repeat(R, &fill, need - n_left, &right));
    RG_TRY(tpl_put_val(R, &o, &left));
    RG_TRY(tpl_put_val(R, &o, &c->self));
    RG_TRY(tpl_put_val(R, &o, &right));
    return tpl_finish(R, &o, out);
}

static rg_status m_ljust(tpl_run *R, tpl_call *c, tpl_val *out)
{
    return pad(R, c, -1, out);
}

static rg_status m_rjust(tpl_run *R, tpl_call *c, tpl_val *out)
{
    return pad(R, c, 1, out);
}

static rg_status m_center(tpl_run *R, tpl_call *c, tpl_val *out)
{
    return pad(R, c, 0, out);
}

static const tpl_builtin str_methods[] = {
    { "strip", "chars", 0, m_strip },
    { "lstrip", "chars", 0, m_lstrip },
    { "rstrip", "chars", 0, m_rstrip },
    { "split", "sep,maxsplit", 0, m_split },
    { "rsplit", "sep,maxsplit", 0, m_rsplit },
    { "splitlines", "keepends", 0, m_splitlines },
    { "join", "iterable", 1, m_join },
    { "startswith", "prefix", 1, m_startswith },
    { "endswith", "suffix", 1, m_endswith },
    { "removeprefix", "prefix", 1, m_removeprefix },
    { "removesuffix", "suffix", 1, m_removesuffix },
    { "find", "sub", 1, m_find },
    { "rfind", "sub", 1, m_rfind },
    { "index", "sub", 1, m_index },
    { "count", "sub", 1, m_count },
    { "replace", "old,new,count", 2, m_replace },
    { "upper", "", 0, m_upper },
    { "lower", "", 0, m_lower },
    { "title", "", 0, m_title },
    { "capitalize", "", 0, m_capitalize },
    { "swapcase", "", 0, m_swapcase },
    { "isalpha", "", 0, m_isalpha },
    { "isdigit", "", 0, m_isdigit },
    { "isalnum", "", 0, m_isalnum },
    { "isspace", "", 0, m_isspace },
    { "isupper", "", 0, m_isupper },
    { "islower", "", 0, m_islower },
    { "ljust", "width,fillchar", 1, m_ljust },
    { "rjust", "width,fillchar", 1, m_rjust },
    { "center", "width,fillchar", 1, m_center },
};

const tpl_builtin *tpl_str_method_find(rg_str name)
{
    return tpl_table_find(str_methods, RG_COUNT(str_methods), name);
}

/* ---- dict, list, loop ---- */

static rg_status dict_view(tpl_run *R, tpl_call *c, int what, tpl_val *out)
{
    const tpl_dict *d = c->self.as.d;
    tpl_val *v;
    RG_TRY(tpl_burn(R, d->n / 4));
    RG_TRY(tpl_alloc(R, &v, d->n, sizeof *v));
    for (size_t i = 0; i < d->n; i++) {
        tpl_val *pair;
        if (what < 2) {
            v[i] = what ? d->v[i].val : d->v[i].key;
            continue;
        }
        RG_TRY(tpl_alloc(R, &pair, 2, sizeof *pair));
        pair[0] = d->v[i].key;
        pair[1] = d->v[i].val;
        RG_TRY(tpl_list_of(R, &v[i], pair, 2, TPL_F_TUPLE));
    }
    return tpl_list_of(R, out, v, d->n, TPL_F_VIEW);
}

static rg_status d_keys(tpl_run *R, tpl_call *c, tpl_val *out)
{
    return dict_view(R, c, 0, out);
}

static rg_status d_values(tpl_run *R, tpl_call *c, tpl_val *out)
{
    return dict_view(R, c, 1, out);
}

static rg_status d_items(tpl_run *R, tpl_call *c, tpl_val *out)
{
    return dict_view(R, c, 2, out);
}

static rg_status d_get(tpl_run *R, tpl_call *c, tpl_val *out)
{
    const tpl_val *v;
    RG_TRY(tpl_dict_get(R, c->self.as.d, &c->a[0], &v));
    *out = v ? *v : c->a[1].kind == TPL_MISSING ? tpl_none() : c->a[1];
    return RG_OK;
}

static rg_status refuse_change(tpl_run *R, tpl_call *c, tpl_val *out)
{
    (void)c;
    (void)out;
    return tpl_fail(R, "a template may not change a list or a dict");
}

static const tpl_builtin dict_methods[] = {
    { "items", "", 0, d_items },          { "keys", "", 0, d_keys },
    { "values", "", 0, d_values },        { "get", "key,default", 1, d_get },
    { "pop", "*", 0, refuse_change },     { "update", "*", 0, refuse_change },
    { "clear", "*", 0, refuse_change },   { "setdefault", "*", 0, refuse_change },
    { "popitem", "*", 0, refuse_change },
};

static rg_status l_index(tpl_run *R, tpl_call *c, tpl_val *out)
{
    for (size_t i = 0; i < c->self.as.l->n; i++) {
        bool same;
        RG_TRY(tpl_equal(R, &c->self.as.l->v[i], &c->a[0], &same));
        if (same) {
            *out = tpl_int((int64_t)i);
            return RG_OK;
        }
    }
    return tpl_fail(R, "the value is not in the list");
}

static rg_status l_count(tpl_run *R, tpl_call *c, tpl_val *out)
{
    int64_t n = 0;
    for (size_t i = 0; i < c->self.as.l->n; i++) {
        bool same;
        RG_TRY(tpl_equal(R, &c->self.as.l->v[i], &c->a[0], &same));
        n += same;
    }
    *out = tpl_int(n);
    return RG_OK;
}

static const tpl_builtin list_methods[] = {
    { "index", "value", 1, l_index },    { "count", "value", 1, l_count },
    { "append", "*", 0, refuse_change }, { "extend", "*", 0, refuse_change },
    { "insert", "*", 0, refuse_change }, { "pop", "*", 0, refuse_change },
    { "remove", "*", 0, refuse_change }, { "reverse", "*", 0, refuse_change },
    { "sort", "*", 0, refuse_change },   { "clear", "*", 0, refuse_change },
};

static rg_status loop_cycle(tpl_run *R, tpl_call *c, tpl_val *out)
{
    (void)R;
    *out = c->pos[c->self.as.loop->i % c->n_pos];
    return RG_OK;
}

static rg_status loop_changed(tpl_run *R, tpl_call *c, tpl_val *out)
{
    tpl_loop *l = c->self.as.loop;
    tpl_val now;
    bool same = false;
    RG_TRY(tpl_list_of(R, &now, c->pos, c->n_pos, TPL_F_TUPLE));
    if (l->changed.kind != TPL_MISSING)
        RG_TRY(tpl_equal(R, &l->changed, &now, &same));
    l->changed = now;
    *out = tpl_bool(!same);
    return RG_OK;
}

static const tpl_builtin loop_methods[] = {
    { "cycle", "*", 1, loop_cycle },
    { "changed", "*", 0, loop_changed },
};

const tpl_builtin *tpl_method_find(const tpl_val *self, rg_str name)
{
    switch (self->kind) {
    case TPL_STR: return tpl_str_method_find(name);
    case TPL_DICT: return tpl_table_find(dict_methods, RG_COUNT(dict_methods), name);
    case TPL_LIST:
        return self->as.l->flavour <= TPL_F_RANGE ? tpl_table_find(list_methods, RG_COUNT(list_methods), name)
                                                  : NULL;
    case TPL_LOOP: return tpl_table_find(loop_methods, RG_COUNT(loop_methods), name);
    default: return NULL;
    }
}
