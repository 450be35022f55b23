/* tpl_val.c - the values of a rendering: making them, asking them, comparing them. */
#include "tpl_int.h"

/* Small pieces share blocks, because the arena rounds to cache lines.  Under the address
 * sanitizer each piece is the arena's own, so that its red zones watch it. */
#if defined(__SANITIZE_ADDRESS__)
#define TPL_BLOCK 0
#else
#define TPL_BLOCK ((size_t)32 << 10)
#endif

void *tpl_take(tpl_pool *m, size_t n)
{
    if (n > m->max)
        return NULL;
    n = RG_ROUND_UP(n ? n : 1, (size_t)16);
    if (n > TPL_BLOCK / 4)
        return rg_arena_try(m->arena, n);
    if (n > m->left) {
        m->p = rg_arena_try(m->arena, TPL_BLOCK);
        m->left = m->p ? TPL_BLOCK : 0;
        if (m->p == NULL)
            return NULL;
    }
    void *p = m->p;
    m->p += n;
    m->left -= n;
    return p;
}

rg_status tpl_pool_fail(const tpl_pool *m, rg_err *e)
{
    if (rg_arena_used(m->arena) > m->max / 2)
        RG_FAIL(e, RG_EFORMAT, "the template needs more than %zu MiB", m->max >> 20);
    RG_FAIL(e, RG_ENOMEM, "memory ran out at %zu bytes of a template", rg_arena_used(m->arena));
}

rg_status tpl_alloc(tpl_run *R, void *out, size_t n, size_t size)
{
    size_t bytes;
    void *p = rg_mul_size(&bytes, n, size) ? tpl_take(&R->mem, bytes) : NULL;
    if (p == NULL)
        return tpl_pool_fail(&R->mem, R->e);
    memset(p, 0, bytes);
    memcpy(out, &p, sizeof p);
    return RG_OK;
}

rg_status tpl_burn(tpl_run *R, size_t steps)
{
    if (steps > (size_t)TPL_FUEL || (R->fuel -= (int64_t)steps) < 0)
        return tpl_fail(R, "the template ran for more than %d steps", TPL_FUEL);
    return RG_OK;
}

/* ---- making ---- */

tpl_val tpl_none(void)
{
    return (tpl_val){ .kind = TPL_NONE };
}

tpl_val tpl_bool(bool b)
{
    return (tpl_val){ .kind = TPL_BOOL, .as.b = b };
}

tpl_val tpl_int(int64_t i)
{
    return (tpl_val){ .kind = TPL_INT, .as.i = i };
}

tpl_val tpl_float(double f)
{
    return (tpl_val){ .kind = TPL_FLOAT, .as.f = f };
}

tpl_val tpl_undef(const tpl_str *name, unsigned owner)
{
    return (tpl_val){ .kind = TPL_UNDEF, .owner = (uint8_t)owner, .as.s = name };
}

rg_status tpl_str_of(tpl_run *R, tpl_val *out, const char *p, size_t n, uint8_t mark, const uint8_t *marks)
{
    tpl_str *s;
    RG_TRY(tpl_alloc(R, &s, 1, sizeof *s));
    *s = (tpl_str){ p, n, marks };
    *out = (tpl_val){ .kind = TPL_STR, .mark = mark, .as.s = s };
    return RG_OK;
}

rg_status tpl_sub(tpl_run *R, tpl_val *out, const tpl_val *s, size_t off, size_t n)
{
    const tpl_str *t = s->as.s;
    uint8_t mark = s->mark;
    if (t->marks) {
        mark = 0;
        for (size_t i = 0; i < n; i++)
            mark |= t->marks[off + i];
    }
    return tpl_str_of(R, out, t->p + off, n, mark, t->marks ? t->marks + off : NULL);
}

rg_status tpl_list_of(tpl_run *R, tpl_val *out, const tpl_val *v, size_t n, tpl_flavour f)
{
    tpl_list *l;
    if (n > TPL_ITEMS_MAX)
        return tpl_fail(R, "a list of %zu items is longer than %d", n, TPL_ITEMS_MAX);
    RG_TRY(tpl_alloc(R, &l, 1, sizeof *l));
    *l = (tpl_list){ v, n, (uint8_t)f, false };
    *out = (tpl_val){ .kind = TPL_LIST, .as.l = l };
    return RG_OK;
}

rg_status tpl_dict_new(tpl_run *R, tpl_val *out, size_t cap)
{
    tpl_dict *d;
    RG_TRY(tpl_alloc(R, &d, 1, sizeof *d));
    RG_TRY(tpl_alloc(R, &d->v, cap ? cap : 1, sizeof *d->v));
    d->cap = cap ? cap : 1;
    *out = (tpl_val){ .kind = TPL_DICT, .as.d = d };
    return RG_OK;
}

bool tpl_hashable(const tpl_val *v)
{
    return v->kind != TPL_DICT && v->kind != TPL_SPACE &&
           (v->kind != TPL_LIST || v->as.l->flavour == TPL_F_TUPLE);
}

rg_status tpl_dict_get(tpl_run *R, const tpl_dict *d, const tpl_val *key, const tpl_val **val)
{
    *val = NULL;
    if (!tpl_hashable(key))
        return tpl_fail(R, "a %s cannot be a key", tpl_type_name(key));
    for (size_t i = 0; i < d->n && *val == NULL; i++) {
        bool same;
        if (i % 16 == 15)
            RG_TRY(tpl_burn(R, 1));
        RG_TRY(tpl_equal(R, &d->v[i].key, key, &same));
        if (same)
            *val = &d->v[i].val;
    }
    return RG_OK;
}

const tpl_val *tpl_dict_text(const tpl_dict *d, rg_str key)
{
    for (size_t i = 0; i < d->n; i++)
        if (d->v[i].key.kind == TPL_STR && rg_str_eq(tpl_text(&d->v[i].key), key))
            return &d->v[i].val;
    return NULL;
}

static rg_status dict_grow(tpl_run *R, tpl_dict *d)
{
    tpl_pair *v;
    RG_TRY(tpl_alloc(R, &v, 2 * d->cap, sizeof *v));
    memcpy(v, d->v, d->n * sizeof *v);
    d->v = v;
    d->cap *= 2;
    return RG_OK;
}

rg_status tpl_dict_put(tpl_run *R, tpl_dict *d, const tpl_val *key, const tpl_val *val)
{
    const tpl_val *old;
    RG_TRY(tpl_dict_get(R, d, key, &old));
    if (old) {
        d->v[(size_t)((const char *)old - (const char *)&d->v->val) / sizeof *d->v].val = *val;
        return RG_OK;
    }
    if (d->n == d->cap)
        RG_TRY(dict_grow(R, d));
    d->v[d->n++] = (tpl_pair){ *key, *val };
    return RG_OK;
}

/* ---- asking ---- */

const char *tpl_type_name(const tpl_val *v)
{
    static const char *const lists[] = { "list", "tuple", "range", "view", "generator" };
    static const char *const names[] = { "missing",  "Undefined", "NoneType", "bool",        "int",
                                         "float",    "str",       "list",     "dict",        "Namespace",
                                         "function", "method",    "Macro",    "LoopContext", "Joiner" };
    return v->kind == TPL_LIST ? lists[v->as.l->flavour] : names[v->kind];
}

rg_str tpl_text(const tpl_val *v)
{
    return rg_str_n(v->as.s->p, v->as.s->n);
}

bool tpl_is_text(const tpl_val *v, const char *s)
{
    return v->kind == TPL_STR && rg_str_is(tpl_text(v), s);
}

bool tpl_truth(const tpl_val *v)
{
    switch (v->kind) {
    case TPL_MISSING:
    case TPL_UNDEF:
    case TPL_NONE: return false;
    case TPL_BOOL: return v->as.b;
    case TPL_INT: return v->as.i != 0;
    case TPL_FLOAT: return v->as.f != 0.0;
    case TPL_STR: return v->as.s->n > 0;
    case TPL_LIST: return v->as.l->n > 0 || v->as.l->flavour == TPL_F_GEN;
    case TPL_DICT: return v->as.d->n > 0;
    default: return true;
    }
}

bool tpl_integer(const tpl_val *v, int64_t *i)
{
    if (v->kind == TPL_BOOL)
        *i = v->as.b;
    else if (v->kind == TPL_INT)
        *i = v->as.i;
    else
        return false;
    return true;
}

bool tpl_number(const tpl_val *v, double *f)
{
    int64_t i;
    if (v->kind == TPL_FLOAT)
        *f = v->as.f;
    else if (tpl_integer(v, &i))
        *f = (double)i;
    else
        return false;
    return true;
}

rg_status tpl_undefined_error(tpl_run *R, const tpl_val *v)
{
    const rg_str name = v->as.s ? tpl_text(v) : rg_str_of("value");
    const tpl_val owner = { .kind = v->owner };
    const int n = (int)RG_MIN(name.n, (size_t)100);
    if (v->owner == 0)
        return tpl_fail(R, "'%.*s' is undefined", n, name.p);
    return tpl_fail(R, "'%s object' has no attribute '%.*s'",
                    v->owner == TPL_LIST ? "list" : tpl_type_name(&owner), n, name.p);
}

/* ---- comparing ---- */

static rg_status lists_equal(tpl_run *R, const tpl_list *a, const tpl_list *b, bool *out)
{
    *out = a->n == b->n && a->flavour == b->flavour && a->flavour != TPL_F_GEN;
    for (size_t i = 0; i < a->n && *out; i++)
        RG_TRY(tpl_equal(R, &a->v[i], &b->v[i], out));
    return RG_OK;
}

static rg_status dicts_equal(tpl_run *R, const tpl_dict *a, const tpl_dict *b, bool *out)
{
    *out = a->n == b->n;
    for (size_t i = 0; i < a->n && *out; i++) {
        const tpl_val *other;
        RG_TRY(tpl_dict_get(R, b, &a->v[i].key, &other));
        *out = other != NULL;
        if (other)
            RG_TRY(tpl_equal(R, &a->v[i].val, other, out));
    }
    return RG_OK;
}

static rg_status same_kind_equal(tpl_run *R, const tpl_val *a, const tpl_val *b, bool *out)
{
    switch (a->kind) {
    case TPL_UNDEF:
    case TPL_NONE: *out = true; return RG_OK;
    case TPL_STR:
        RG_TRY(tpl_burn(R, a->as.s->n == b->as.s->n ? a->as.s->n >> 8 : 0));
        *out = rg_str_eq(tpl_text(a), tpl_text(b));
        return RG_OK;
    case TPL_LIST: return a->as.l == b->as.l ? (*out = true, RG_OK) : lists_equal(R, a->as.l, b->as.l, out);
    case TPL_DICT: return a->as.d == b->as.d ? (*out = true, RG_OK) : dicts_equal(R, a->as.d, b->as.d, out);
    default: *out = a->as.d == b->as.d; return RG_OK; /* the rest is itself or nothing */
    }
}

rg_status tpl_equal(tpl_run *R, const tpl_val *a, const tpl_val *b, bool *out)
{
    double x, y;
    int64_t i, k;
    rg_status s = RG_OK;
    *out = false;
    if (a->kind == TPL_STR && b->kind == TPL_STR && a->as.s->n != b->as.s->n)
        return RG_OK; /* the common case of a dict's look-up */
    RG_TRY(tpl_burn(R, 1));
    if (tpl_integer(a, &i) && tpl_integer(b, &k)) {
        *out = i == k;
    } else if (tpl_number(a, &x) && tpl_number(b, &y)) {
        *out = x == y;
    } else if (a->kind == b->kind) {
        if (R->depth >= TPL_DEPTH_MAX)
            return tpl_fail(R, "values nest too deeply to compare");
        R->depth++;
        s = same_kind_equal(R, a, b, out);
        R->depth--;
    }
    return s;
}

static int sign_of(double d)
{
    return (d > 0) - (d < 0);
}

static int order_text(rg_str a, rg_str b)
{
    const int c = memcmp(a.p, b.p, RG_MIN(a.n, b.n)); /* UTF-8 sorts as its characters do */
    return c ? (c > 0) - (c < 0) : (a.n > b.n) - (a.n < b.n);
}

static rg_status order_lists(tpl_run *R, const tpl_list *a, const tpl_list *b, int *out)
{
    for (size_t i = 0; i < a->n && i < b->n; i++) {
        bool same;
        RG_TRY(tpl_equal(R, &a->v[i], &b->v[i], &same));
        if (!same)
            return tpl_order(R, &a->v[i], &b->v[i], out);
    }
    *out = (a->n > b->n) - (a->n < b->n);
    return RG_OK;
}

rg_status tpl_order(tpl_run *R, const tpl_val *a, const tpl_val *b, int *out)
{
    double x, y;
    int64_t i, k;
    RG_TRY(tpl_burn(R, 1));
    if (tpl_integer(a, &i) && tpl_integer(b, &k)) {
        *out = (i > k) - (i < k);
    } else if (tpl_number(a, &x) && tpl_number(b, &y)) {
        *out = sign_of(x - y);
    } else if (a->kind == TPL_STR && b->kind == TPL_STR) {
        RG_TRY(tpl_burn(R, RG_MIN(a->as.s->n, b->as.s->n) >> 8));
        *out = order_text(tpl_text(a), tpl_text(b));
    } else if (a->kind == TPL_LIST && b->kind == TPL_LIST && a->as.l->flavour == b->as.l->flavour) {
        if (R->depth >= TPL_DEPTH_MAX)
            return tpl_fail(R, "values nest too deeply to compare");
        R->depth++;
        const rg_status s = order_lists(R, a->as.l, b->as.l, out);
        R->depth--;
        return s;
    } else if (a->kind == TPL_UNDEF || b->kind == TPL_UNDEF) {
        return tpl_undefined_error(R, a->kind == TPL_UNDEF ? a : b);
    } else {
        return tpl_fail(R, "'%s' and '%s' have no order", tpl_type_name(a), tpl_type_name(b));
    }
    return RG_OK;
}

static rg_status find_item(tpl_run *R, const tpl_val *in, const tpl_val *x, bool *out)
{
    const tpl_val *v;
    size_t n;
    *out = false;
    RG_TRY(tpl_iter(R, in, &v, &n));
    for (size_t i = 0; i < n && !*out; i++)
        RG_TRY(tpl_equal(R, &v[i], x, out));
    return RG_OK;
}

rg_status tpl_contains(tpl_run *R, const tpl_val *in, const tpl_val *x, bool *out)
{
    const tpl_val *found;
    if (in->kind == TPL_STR) {
        if (x->kind == TPL_UNDEF)
            return tpl_undefined_error(R, x);
        if (x->kind != TPL_STR)
            return tpl_fail(R, "'in <string>' requires string as left operand, not %s", tpl_type_name(x));
        RG_TRY(tpl_burn(R, in->as.s->n >> 6));
        *out = rg_str_find(tpl_text(in), tpl_text(x)) != SIZE_MAX;
        return RG_OK;
    }
    if (in->kind == TPL_DICT) {
        RG_TRY(tpl_dict_get(R, in->as.d, x, &found));
        *out = found != NULL;
        return RG_OK;
    }
    return find_item(R, in, x, out);
}
