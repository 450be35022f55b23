/* tpl_filter_list.c - the filters that work on lists and dicts. */
#include "tpl_int.h"

static bool given(const tpl_val *v)
{
    return v->kind != TPL_MISSING && v->kind != TPL_NONE;
}

static rg_status items_of(tpl_run *R, tpl_call *c, const tpl_val **v, size_t *n)
{
    RG_TRY(tpl_iter(R, &c->self, v, n));
    return tpl_burn(R, *n / 4);
}

static rg_status copy_items(tpl_run *R, tpl_call *c, tpl_val **out, size_t *n)
{
    const tpl_val *v;
    RG_TRY(items_of(R, c, &v, n));
    RG_TRY(tpl_alloc(R, out, *n, sizeof **out));
    if (*n)
        memcpy(*out, v, *n * sizeof *v);
    return RG_OK;
}

/* ---- taking out ---- */

static rg_status f_first(tpl_run *R, tpl_call *c, tpl_val *out)
{
    const tpl_val *v;
    size_t n;
    RG_TRY(items_of(R, c, &v, &n));
    *out = n ? v[0] : tpl_undef(NULL, 0);
    return RG_OK;
}

static rg_status f_last(tpl_run *R, tpl_call *c, tpl_val *out)
{
    const tpl_val *v;
    size_t n;
    RG_TRY(items_of(R, c, &v, &n));
    *out = n ? v[n - 1] : tpl_undef(NULL, 0);
    return RG_OK;
}

static rg_status f_list(tpl_run *R, tpl_call *c, tpl_val *out)
{
    const tpl_val *v;
    size_t n;
    RG_TRY(items_of(R, c, &v, &n));
    return tpl_list_of(R, out, v, n, TPL_F_LIST);
}

static rg_status f_items(tpl_run *R, tpl_call *c, tpl_val *out)
{
    const tpl_val self = c->self;
    if (self.kind == TPL_UNDEF)
        return tpl_list_of(R, out, NULL, 0, TPL_F_GEN);
    if (self.kind != TPL_DICT)
        return tpl_fail(R, "Can only get item pairs from a mapping.");
    RG_TRY(tpl_method_find(&self, rg_str_of("items"))->fn(R, c, out));
    out->as.l->flavour = TPL_F_GEN;
    return RG_OK;
}

static rg_status f_reverse(tpl_run *R, tpl_call *c, tpl_val *out)
{
    tpl_val *v;
    size_t n;
    RG_TRY(copy_items(R, c, &v, &n));
    for (size_t i = 0; i < n / 2; i++) {
        const tpl_val x = v[i];
        v[i] = v[n - 1 - i];
        v[n - 1 - i] = x;
    }
    if (c->self.kind != TPL_STR)
        return tpl_list_of(R, out, v, n, TPL_F_GEN);
    tpl_out o = { 0 };
    for (size_t i = 0; i < n; i++)
        RG_TRY(tpl_put_val(R, &o, &v[i]));
    return tpl_finish(R, &o, out);
}

static rg_status f_join(tpl_run *R, tpl_call *c, tpl_val *out)
{
    const tpl_val *v;
    size_t n;
    tpl_val sep = { 0 };
    tpl_out o = { 0 };
    RG_TRY(items_of(R, c, &v, &n));
    if (given(&c->a[0]))
        RG_TRY(tpl_to_str(R, &c->a[0], &sep));
    for (size_t i = 0; i < n; i++) {
        tpl_val item = v[i], text;
        if (given(&c->a[1]))
            RG_TRY(tpl_path(R, &v[i], &c->a[1], &item));
        RG_TRY(tpl_to_str(R, &item, &text));
        if (i > 0 && sep.kind == TPL_STR)
            RG_TRY(tpl_put_val(R, &o, &sep));
        RG_TRY(tpl_put_val(R, &o, &text));
    }
    return tpl_finish(R, &o, out);
}

/* ---- choosing: select, reject, selectattr, rejectattr ---- */

static rg_status passes(tpl_run *R, const tpl_call *c, const tpl_val *v, size_t used, bool *yes)
{
    tpl_call t = { .self = *v, .scope = c->scope };
    tpl_val r = *v;
    if (c->n_pos > used) {
        const tpl_val *name = &c->pos[used];
        const tpl_builtin *f = name->kind == TPL_STR ? tpl_test_find(tpl_text(name)) : NULL;
        if (f == NULL)
            return tpl_fail(R, "select and reject need the name of a test");
        t.pos = c->pos + used + 1;
        t.n_pos = c->n_pos - used - 1;
        RG_TRY(tpl_apply(R, f, &t, &r));
    }
    *yes = tpl_truth(&r);
    return tpl_burn(R, 1);
}

static rg_status choose(tpl_run *R, tpl_call *c, bool by_attr, bool want, tpl_val *out)
{
    tpl_val *v;
    size_t n, kept = 0;
    RG_TRY(copy_items(R, c, &v, &n));
    for (size_t i = 0; i < n; i++) {
        const tpl_val item = v[i];
        tpl_val asked = item;
        bool yes = false;
        if (by_attr)
            RG_TRY(tpl_path(R, &item, &c->pos[0], &asked));
        RG_TRY(passes(R, c, &asked, by_attr, &yes));
        if (yes == want)
            v[kept++] = item;
    }
    return tpl_list_of(R, out, v, kept, TPL_F_GEN);
}

static rg_status f_select(tpl_run *R, tpl_call *c, tpl_val *out)
{
    return choose(R, c, false, true, out);
}

static rg_status f_reject(tpl_run *R, tpl_call *c, tpl_val *out)
{
    return choose(R, c, false, false, out);
}

static rg_status f_selectattr(tpl_run *R, tpl_call *c, tpl_val *out)
{
    return choose(R, c, true, true, out);
}

static rg_status f_rejectattr(tpl_run *R, tpl_call *c, tpl_val *out)
{
    return choose(R, c, true, false, out);
}

/* map("filter", args...) or map(attribute="path", default=x) */
static rg_status map_one(tpl_run *R, const tpl_call *c, const tpl_val *v, tpl_val *out)
{
    const tpl_val *fallback = NULL, *path = NULL;
    for (size_t i = 0; i < c->n_kw; i++) {
        const rg_str name = rg_str_n(c->kw[i].name->p, c->kw[i].name->n);
        if (rg_str_is(name, "attribute"))
            path = &c->kw[i].v;
        else if (rg_str_is(name, "default"))
            fallback = &c->kw[i].v;
    }
    if (c->n_pos == 0 && path) {
        RG_TRY(tpl_path(R, v, path, out));
        if (out->kind == TPL_UNDEF && fallback)
            *out = *fallback;
        return RG_OK;
    }
    const tpl_builtin *f =
        c->n_pos && c->pos[0].kind == TPL_STR ? tpl_filter_find(tpl_text(&c->pos[0])) : NULL;
    if (f == NULL)
        return tpl_fail(R, "map needs the name of a filter or an attribute");
    tpl_call t = {
        .self = *v, .scope = c->scope, .pos = c->pos + 1, .n_pos = c->n_pos - 1, .kw = c->kw, .n_kw = c->n_kw
    };
    return tpl_apply(R, f, &t, out);
}

static rg_status f_map(tpl_run *R, tpl_call *c, tpl_val *out)
{
    tpl_val *v;
    size_t n;
    RG_TRY(copy_items(R, c, &v, &n));
    if (R->calls >= TPL_NEST_MAX) /* map("map", "map", ...) calls itself */
        return tpl_fail(R, "calls nest deeper than %d", TPL_NEST_MAX);
    R->calls++;
    for (size_t i = 0; i < n; i++) {
        const tpl_val item = v[i];
        RG_TRY(tpl_burn(R, 1));
        RG_TRY(map_one(R, c, &item, &v[i]));
    }
    R->calls--;
    return tpl_list_of(R, out, v, n, TPL_F_GEN);
}

/* ---- order ---- */

typedef struct keyed {
    tpl_val key, val;
} keyed;

static rg_status fold(tpl_run *R, const tpl_val *v, bool fold_case, tpl_val *out)
{
    tpl_call c = { .self = *v };
    *out = *v;
    return fold_case && v->kind == TPL_STR ? tpl_str_method_find(rg_str_of("lower"))->fn(R, &c, out) : RG_OK;
}

/* Merge sort: stable, n log n comparisons. */
static rg_status merge_sort(tpl_run *R, keyed *v, keyed *tmp, size_t n, bool reverse)
{
    for (size_t w = 1; w < n; w *= 2) {
        for (size_t lo = 0; lo < n; lo += 2 * w) {
            const size_t mid = RG_MIN(lo + w, n), hi = RG_MIN(lo + 2 * w, n);
            size_t a = lo, b = mid;
            for (size_t k = lo; k < hi; k++) {
                int order = a == mid ? 1 : -1;
                if (a < mid && b < hi) {
                    RG_TRY(tpl_order(R, &v[a].key, &v[b].key, &order));
                    order = reverse ? -order : order;
                }
                tmp[k] = order <= 0 ? v[a++] : v[b++];
            }
        }
        memcpy(v, tmp, n * sizeof *v);
    }
    return RG_OK;
}

static rg_status sorted(tpl_run *R, const tpl_val *v, size_t n, const tpl_val *path, bool fold_case,
                        bool reverse, keyed **out)
{
    keyed *k, *tmp;
    RG_TRY(tpl_alloc(R, &k, n, sizeof *k));
    RG_TRY(tpl_alloc(R, &tmp, n, sizeof *tmp));
    for (size_t i = 0; i < n; i++) {
        tpl_val key = v[i];
        k[i].val = v[i];
        if (path && given(path))
            RG_TRY(tpl_path(R, &v[i], path, &key));
        RG_TRY(fold(R, &key, fold_case, &k[i].key));
    }
    *out = k;
    return merge_sort(R, k, tmp, n, reverse);
}

static rg_status unkey(tpl_run *R, const keyed *k, size_t n, tpl_val *out)
{
    tpl_val *v;
    RG_TRY(tpl_alloc(R, &v, n, sizeof *v));
    for (size_t i = 0; i < n; i++)
        v[i] = k[i].val;
    return tpl_list_of(R, out, v, n, TPL_F_LIST);
}

static rg_status f_sort(tpl_run *R, tpl_call *c, tpl_val *out)
{
    const tpl_val *v;
    size_t n;
    keyed *k;
    RG_TRY(items_of(R, c, &v, &n));
    RG_TRY(sorted(R, v, n, &c->a[2], !tpl_truth(&c->a[1]), tpl_truth(&c->a[0]), &k));
    return unkey(R, k, n, out);
}

static rg_status f_dictsort(tpl_run *R, tpl_call *c, tpl_val *out)
{
    const tpl_val *v, index = tpl_int(tpl_is_text(&c->a[1], "value"));
    size_t n;
    keyed *k;
    if (c->self.kind != TPL_DICT)
        return tpl_fail(R, "dictsort needs a dict, not %s", tpl_type_name(&c->self));
    RG_TRY(tpl_method_find(&c->self, rg_str_of("items"))->fn(R, c, out));
    RG_TRY(tpl_iter(R, out, &v, &n));
    RG_TRY(sorted(R, v, n, &index, !tpl_truth(&c->a[0]), tpl_truth(&c->a[2]), &k));
    return unkey(R, k, n, out);
}

static rg_status extreme(tpl_run *R, tpl_call *c, int sign, tpl_val *out)
{
    const tpl_val *v;
    size_t n;
    tpl_val best = { 0 };
    RG_TRY(items_of(R, c, &v, &n));
    *out = tpl_undef(NULL, 0);
    for (size_t i = 0; i < n; i++) {
        tpl_val key = v[i];
        int order = sign;
        if (given(&c->a[1]))
            RG_TRY(tpl_path(R, &v[i], &c->a[1], &key));
        RG_TRY(fold(R, &key, !tpl_truth(&c->a[0]), &key));
        if (i > 0)
            RG_TRY(tpl_order(R, &key, &best, &order));
        if (i == 0 || order * sign > 0) {
            best = key;
            *out = v[i];
        }
    }
    return RG_OK;
}

static rg_status f_min(tpl_run *R, tpl_call *c, tpl_val *out)
{
    return extreme(R, c, -1, out);
}

static rg_status f_max(tpl_run *R, tpl_call *c, tpl_val *out)
{
    return extreme(R, c, 1, out);
}

static rg_status f_sum(tpl_run *R, tpl_call *c, tpl_val *out)
{
    const tpl_val *v;
    size_t n;
    RG_TRY(items_of(R, c, &v, &n));
    *out = given(&c->a[1]) ? c->a[1] : tpl_int(0);
    for (size_t i = 0; i < n; i++) {
        tpl_val item = v[i], sum;
        if (given(&c->a[0]))
            RG_TRY(tpl_path(R, &v[i], &c->a[0], &item));
        RG_TRY(tpl_math(R, TPL_T_ADD, out, &item, &sum));
        *out = sum;
    }
    return RG_OK;
}

static rg_status f_unique(tpl_run *R, tpl_call *c, tpl_val *out)
{
    tpl_val *v, *keys;
    size_t n, kept = 0;
    RG_TRY(copy_items(R, c, &v, &n));
    RG_TRY(tpl_alloc(R, &keys, n, sizeof *keys));
    for (size_t i = 0; i < n; i++) {
        tpl_val key = v[i];
        bool seen = false;
        if (given(&c->a[1]))
            RG_TRY(tpl_path(R, &v[i], &c->a[1], &key));
        RG_TRY(fold(R, &key, !tpl_truth(&c->a[0]), &key));
        RG_TRY(tpl_burn(R, kept / 16));
        for (size_t k = 0; k < kept && !seen; k++)
            RG_TRY(tpl_equal(R, &keys[k], &key, &seen));
        if (!seen) {
            keys[kept] = key;
            v[kept++] = v[i];
        }
    }
    return tpl_list_of(R, out, v, kept, TPL_F_GEN);
}

/* ---- grouping ---- */

static rg_status f_batch(tpl_run *R, tpl_call *c, tpl_val *out)
{
    const tpl_val *v;
    tpl_val *rows;
    size_t n;
    int64_t width;
    if (!tpl_integer(&c->a[0], &width) || width < 1 || width > TPL_ITEMS_MAX)
        return tpl_fail(R, "batch needs a positive count");
    RG_TRY(items_of(R, c, &v, &n));
    const size_t w = (size_t)width, n_rows = n / w + (n % w != 0);
    RG_TRY(tpl_alloc(R, &rows, n_rows, sizeof *rows));
    for (size_t i = 0; i < n_rows; i++) {
        const size_t have = RG_MIN(w, n - i * w), len = given(&c->a[1]) ? w : have;
        tpl_val *row;
        RG_TRY(tpl_alloc(R, &row, len, sizeof *row));
        for (size_t k = 0; k < len; k++)
            row[k] = k < have ? v[i * w + k] : c->a[1];
        RG_TRY(tpl_list_of(R, &rows[i], row, len, TPL_F_LIST));
    }
    return tpl_list_of(R, out, rows, n_rows, TPL_F_GEN);
}

/* One (grouper, list) pair as Jinja has it: a tuple. */
static rg_status make_group(tpl_run *R, const keyed *k, size_t n, tpl_val *out)
{
    tpl_val *pair;
    RG_TRY(tpl_alloc(R, &pair, 2, sizeof *pair));
    pair[0] = k[0].key;
    RG_TRY(unkey(R, k, n, &pair[1]));
    return tpl_list_of(R, out, pair, 2, TPL_F_TUPLE);
}

static rg_status f_groupby(tpl_run *R, tpl_call *c, tpl_val *out)
{
    const tpl_val *v;
    tpl_val *groups;
    size_t n, count = 0;
    keyed *k;
    RG_TRY(items_of(R, c, &v, &n));
    RG_TRY(sorted(R, v, n, &c->a[0], false, false, &k));
    RG_TRY(tpl_alloc(R, &groups, n, sizeof *groups));
    for (size_t i = 0, end; i < n; i = end) {
        bool same = true;
        for (end = i + 1; end < n; end++) {
            RG_TRY(tpl_equal(R, &k[i].key, &k[end].key, &same));
            if (!same)
                break;
        }
        RG_TRY(make_group(R, k + i, end - i, &groups[count++]));
    }
    return tpl_list_of(R, out, groups, count, TPL_F_LIST);
}

static const tpl_builtin filters[] = {
    { "batch", "linecount,fill_with", 1, f_batch },
    { "dictsort", "case_sensitive,by,reverse", 0, f_dictsort },
    { "first", "", 0, f_first },
    { "groupby", "attribute", 1, f_groupby },
    { "items", "", 0, f_items },
    { "join", "d,attribute", 0, f_join },
    { "last", "", 0, f_last },
    { "list", "", 0, f_list },
    { "map", "*", 0, f_map },
    { "max", "case_sensitive,attribute", 0, f_max },
    { "min", "case_sensitive,attribute", 0, f_min },
    { "reject", "*", 0, f_reject },
    { "rejectattr", "*", 1, f_rejectattr },
    { "reverse", "", 0, f_reverse },
    { "select", "*", 0, f_select },
    { "selectattr", "*", 1, f_selectattr },
    { "sort", "reverse,case_sensitive,attribute", 0, f_sort },
    { "sum", "attribute,start", 0, f_sum },
    { "unique", "case_sensitive,attribute", 0, f_unique },
};

const tpl_builtin *tpl_filter_list_find(rg_str name)
{
    return tpl_table_find(filters, RG_COUNT(filters), name);
}
