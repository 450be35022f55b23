/* tpl_access.c - reaching into values: attributes, items, slices, iteration; JSON to values. */
#include "rung/base/opt.h"
#include "tpl_int.h"

static rg_status iter_text(tpl_run *R, const tpl_val *s, const tpl_val **items, size_t *n)
{
    const rg_str t = tpl_text(s);
    tpl_val *v;
    *n = tpl_count_chars(t);
    if (*n > TPL_ITEMS_MAX)
        return tpl_fail(R, "a text of %zu characters is too long to take apart", *n);
    RG_TRY(tpl_burn(R, *n / 8));
    RG_TRY(tpl_alloc(R, &v, *n, sizeof *v));
    for (size_t i = 0, at = 0; i < *n; i++) {
        const size_t k = tpl_char_len(t.p + at, t.n - at);
        RG_TRY(tpl_sub(R, &v[i], s, at, k));
        at += k;
    }
    *items = v;
    return RG_OK;
}

static rg_status iter_keys(tpl_run *R, const tpl_dict *d, const tpl_val **items, size_t *n)
{
    tpl_val *v;
    RG_TRY(tpl_burn(R, d->n / 8));
    RG_TRY(tpl_alloc(R, &v, d->n, sizeof *v));
    for (size_t i = 0; i < d->n; i++)
        v[i] = d->v[i].key;
    *n = d->n;
    *items = v;
    return RG_OK;
}

/* What a loop over v sees.  A generator is empty the second time. */
rg_status tpl_iter(tpl_run *R, const tpl_val *v, const tpl_val **items, size_t *n)
{
    *items = NULL;
    *n = 0;
    switch (v->kind) {
    case TPL_UNDEF: return RG_OK;
    case TPL_STR: return iter_text(R, v, items, n);
    case TPL_DICT: return iter_keys(R, v->as.d, items, n);
    case TPL_LIST:
        *items = v->as.l->v;
        *n = v->as.l->spent ? 0 : v->as.l->n;
        v->as.l->spent = v->as.l->flavour == TPL_F_GEN;
        return RG_OK;
    default: return tpl_fail(R, "'%s' object is not iterable", tpl_type_name(v));
    }
}

static rg_status bind_method(tpl_run *R, const tpl_val *obj, const tpl_builtin *fn, tpl_val *out)
{
    tpl_method *m;
    RG_TRY(tpl_alloc(R, &m, 1, sizeof *m));
    *m = (tpl_method){ *obj, fn };
    *out = (tpl_val){ .kind = TPL_METHOD, .as.method = m };
    return RG_OK;
}

static bool loop_attr(const tpl_loop *l, rg_str name, tpl_val *out)
{
    const struct {
        const char *name;
        tpl_val v;
    } table[] = {
        { "index", tpl_int((int64_t)l->i + 1) },
        { "index0", tpl_int((int64_t)l->i) },
        { "revindex", tpl_int((int64_t)(l->n - l->i)) },
        { "revindex0", tpl_int((int64_t)(l->n - l->i) - 1) },
        { "first", tpl_bool(l->i == 0) },
        { "last", tpl_bool(l->i + 1 == l->n) },
        { "length", tpl_int((int64_t)l->n) },
        { "depth", tpl_int((int64_t)l->depth0 + 1) },
        { "depth0", tpl_int((int64_t)l->depth0) },
        { "previtem", l->i > 0 ? l->v[l->i - 1] : tpl_undef(NULL, 0) },
        { "nextitem", l->i + 1 < l->n ? l->v[l->i + 1] : tpl_undef(NULL, 0) },
    };
    for (size_t i = 0; i < RG_COUNT(table); i++)
        if (rg_str_is(name, table[i].name)) {
            *out = table[i].v;
            return true;
        }
    return false;
}

/* A method or, for the few kinds that have them, a field. */
static rg_status own_attr(tpl_run *R, const tpl_val *obj, rg_str name, tpl_val *out, bool *found)
{
    const tpl_builtin *fn = tpl_method_find(obj, name);
    const tpl_val *v = obj->kind == TPL_SPACE ? tpl_dict_text(obj->as.d, name) : NULL;
    *found = true;
    if (v)
        *out = *v;
    else if (fn)
        return bind_method(R, obj, fn, out);
    else if (obj->kind == TPL_MACRO && rg_str_is(name, "name"))
        return tpl_str_of(R, out, R->t->syms[obj->as.macro->node->sym].p,
                          R->t->syms[obj->as.macro->node->sym].n, 0, NULL);
    else
        *found = obj->kind == TPL_LOOP && loop_attr(obj->as.loop, name, out);
    return RG_OK;
}

/* obj.name: methods first, then keys, as Jinja does it. */
rg_status tpl_attr(tpl_run *R, const tpl_val *obj, const tpl_str *name, tpl_val *out)
{
    bool found;
    const tpl_val key = { .kind = TPL_STR, .as.s = name }, *v = NULL;
    if (obj->kind == TPL_UNDEF)
        return tpl_undefined_error(R, obj);
    RG_TRY(own_attr(R, obj, rg_str_n(name->p, name->n), out, &found));
    if (found)
        return RG_OK;
    if (obj->kind == TPL_DICT)
        RG_TRY(tpl_dict_get(R, obj->as.d, &key, &v));
    *out = v ? *v : tpl_undef(name, obj->kind);
    return RG_OK;
}

static rg_status index_text(tpl_run *R, const tpl_val *obj, int64_t i, tpl_val *out)
{
    const rg_str t = tpl_text(obj);
    const int64_t n = (int64_t)tpl_count_chars(t);
    RG_TRY(tpl_burn(R, t.n >> 6));
    if (i < 0)
        i += n;
    if (i < 0 || i >= n) {
        *out = tpl_undef(NULL, 0);
        return RG_OK;
    }
    const size_t at = tpl_char_offset(t, (size_t)i);
    return tpl_sub(R, out, obj, at, tpl_char_len(t.p + at, t.n - at));
}

static void index_list(const tpl_list *l, int64_t i, tpl_val *out)
{
    const int64_t n = (int64_t)l->n;
    if (i < 0 && i >= -n)
        i += n;
    *out = i >= 0 && i < n ? l->v[i] : tpl_undef(NULL, 0);
}

/* obj[key]: keys first, then methods. */
rg_status tpl_item(tpl_run *R, const tpl_val *obj, const tpl_val *key, tpl_val *out)
{
    int64_t i;
    const tpl_val *v = NULL;
    if (obj->kind == TPL_UNDEF)
        return tpl_undefined_error(R, obj);
    if (obj->kind == TPL_DICT) {
        if (tpl_hashable(key))
            RG_TRY(tpl_dict_get(R, obj->as.d, key, &v));
        if (v) {
            *out = *v;
            return RG_OK;
        }
    } else if (tpl_integer(key, &i) && obj->kind == TPL_STR) {
        return index_text(R, obj, i, out);
    } else if (tpl_integer(key, &i) && obj->kind == TPL_LIST && obj->as.l->flavour <= TPL_F_RANGE) {
        index_list(obj->as.l, i, out);
        return RG_OK;
    }
    if (key->kind == TPL_STR) {
        bool found;
        RG_TRY(own_attr(R, obj, tpl_text(key), out, &found));
        if (found)
            return RG_OK;
    }
    *out = tpl_undef(key->kind == TPL_STR ? key->as.s : NULL, obj->kind);
    return RG_OK;
}

/* Python's slice.indices: start, stop and step made to fit n items. */
static rg_status slice_bounds(tpl_run *R, const tpl_val at[3], int64_t n, int64_t b[3])
{
    for (int i = 0; i < 3; i++) {
        b[i] = 0;
        if (at[i].kind == TPL_UNDEF)
            return tpl_undefined_error(R, &at[i]);
        if (at[i].kind != TPL_MISSING && at[i].kind != TPL_NONE && !tpl_integer(&at[i], &b[i]))
            return tpl_fail(R, "a slice needs integers, not %s", tpl_type_name(&at[i]));
    }
    const bool given[3] = { at[0].kind > TPL_NONE, at[1].kind > TPL_NONE, at[2].kind > TPL_NONE };
    if (!given[2])
        b[2] = 1;
    if (b[2] == 0)
        return tpl_fail(R, "slice step cannot be zero");
    b[2] = RG_MAX(b[2], -INT64_MAX); /* so that it can be negated */
    const int64_t low = b[2] > 0 ? 0 : -1, high = b[2] > 0 ? n : n - 1;
    for (int i = 0; i < 2; i++) {
        if (!given[i])
            b[i] = (i == 0) == (b[2] > 0) ? low : high;
        else if (b[i] < 0)
            b[i] = b[i] < -n ? low : b[i] + n;
        b[i] = RG_MAX(low, RG_MIN(b[i], high));
    }
    return RG_OK;
}

static size_t slice_count(const int64_t b[3])
{
    if (b[2] > 0)
        return b[0] < b[1] ? (size_t)((b[1] - b[0] - 1) / b[2]) + 1 : 0;
    return b[0] > b[1] ? (size_t)((b[0] - b[1] - 1) / -b[2]) + 1 : 0;
}

static rg_status slice_text(tpl_run *R, const tpl_val *obj, const tpl_val at[3], tpl_val *out)
{
    const rg_str t = tpl_text(obj);
    int64_t b[3];
    RG_TRY(tpl_burn(R, t.n >> 6));
    RG_TRY(slice_bounds(R, at, (int64_t)tpl_count_chars(t), b));
    if (b[2] == 1) {
        const size_t from = tpl_char_offset(t, (size_t)b[0]);
        const size_t to = b[1] > b[0] ? tpl_char_offset(t, (size_t)b[1]) : from;
        return tpl_sub(R, out, obj, from, to - from);
    }
    const tpl_val *chars;
    size_t n_chars;
    tpl_out o = { 0 };
    RG_TRY(iter_text(R, obj, &chars, &n_chars));
    const size_t n = slice_count(b);
    for (size_t i = 0; i < n; i++)
        RG_TRY(tpl_put_val(R, &o, &chars[b[0] + (int64_t)i * b[2]]));
    return tpl_finish(R, &o, out);
}

rg_status tpl_slice(tpl_run *R, const tpl_val *obj, const tpl_val at[3], tpl_val *out)
{
    int64_t b[3];
    tpl_val *v;
    if (obj->kind == TPL_STR)
        return slice_text(R, obj, at, out);
    if (obj->kind == TPL_UNDEF)
        return tpl_undefined_error(R, obj);
    if (obj->kind != TPL_LIST || obj->as.l->flavour > TPL_F_RANGE) {
        *out = tpl_undef(NULL, obj->kind);
        return RG_OK;
    }
    RG_TRY(slice_bounds(R, at, (int64_t)obj->as.l->n, b));
    const size_t n = slice_count(b);
    RG_TRY(tpl_burn(R, n / 8));
    RG_TRY(tpl_alloc(R, &v, n, sizeof *v));
    for (size_t i = 0; i < n; i++)
        v[i] = obj->as.l->v[b[0] + (int64_t)i * b[2]];
    return tpl_list_of(R, out, v, n, obj->as.l->flavour == TPL_F_RANGE ? TPL_F_LIST : obj->as.l->flavour);
}

/* obj at "a.b.0", the way selectattr and map(attribute=) name things. */
rg_status tpl_path(tpl_run *R, const tpl_val *obj, const tpl_val *path, tpl_val *out)
{
    *out = *obj;
    if (path->kind != TPL_STR)
        return tpl_item(R, obj, path, out);
    rg_str rest = tpl_text(path);
    for (bool more = true; more;) {
        const size_t dot = rg_str_find(rest, rg_str_of("."));
        const rg_str part = dot == SIZE_MAX ? rest : rg_str_n(rest.p, dot);
        tpl_val key, from = *out;
        char digits[24] = { 0 };
        int64_t i;
        if (part.n > 0 && part.n < sizeof digits)
            memcpy(digits, part.p, part.n);
        if (part.n > 0 && digits[0] >= '0' && digits[0] <= '9' && rg_parse_i64(&i, digits))
            key = tpl_int(i);
        else
            RG_TRY(tpl_str_of(R, &key, part.p, part.n, path->mark, NULL));
        RG_TRY(tpl_item(R, &from, &key, out));
        more = dot != SIZE_MAX;
        if (more)
            rest = rg_str_n(rest.p + dot + 1, rest.n - dot - 1);
    }
    return RG_OK;
}

/* ---- JSON ---- */

static rg_status from_array(tpl_run *R, tpl_val *out, const json_t *j, uint8_t mark, unsigned depth)
{
    tpl_val *v;
    const size_t n = json_array_size(j);
    RG_TRY(tpl_alloc(R, &v, n, sizeof *v));
    for (size_t i = 0; i < n; i++)
        RG_TRY(tpl_from_json(R, &v[i], json_array_get(j, i), mark, depth + 1));
    return tpl_list_of(R, out, v, n, TPL_F_LIST);
}

static rg_status from_object(tpl_run *R, tpl_val *out, const json_t *j, uint8_t mark, unsigned depth)
{
    const char *key;
    json_t *value;
    RG_TRY(tpl_dict_new(R, out, json_object_size(j)));
    tpl_dict *d = out->as.d;
    json_object_foreach((json_t *)(uintptr_t)j, key, value)
    {
        tpl_pair *p = &d->v[d->n];
        RG_TRY(tpl_str_of(R, &p->key, key, strlen(key), mark, NULL));
        RG_TRY(tpl_from_json(R, &p->val, value, mark, depth + 1));
        d->n++;
    }
    return RG_OK;
}

rg_status tpl_from_json(tpl_run *R, tpl_val *out, const json_t *j, uint8_t mark, unsigned depth)
{
    if (depth > TPL_NEST_MAX)
        return tpl_fail(R, "data nests deeper than %d", TPL_NEST_MAX);
    switch (json_typeof(j)) {
    case JSON_OBJECT: return from_object(R, out, j, mark, depth);
    case JSON_ARRAY: return from_array(R, out, j, mark, depth);
    case JSON_STRING: return tpl_str_of(R, out, json_string_value(j), json_string_length(j), mark, NULL);
    case JSON_INTEGER: *out = tpl_int(json_integer_value(j)); break;
    case JSON_REAL: *out = tpl_float(json_real_value(j)); break;
    case JSON_TRUE: *out = tpl_bool(true); break;
    case JSON_FALSE: *out = tpl_bool(false); break;
    case JSON_NULL: *out = tpl_none(); break;
    }
    out->mark = mark;
    return RG_OK;
}
