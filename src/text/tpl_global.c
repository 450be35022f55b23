/* tpl_global.c - the functions a template may call, and the tests behind "is". */
#include <time.h>

#include "tpl_int.h"

/* ---- functions ---- */

static rg_status range_bounds(tpl_run *R, const tpl_call *c, int64_t b[3])
{
    if (c->n_pos < 1 || c->n_pos > 3 || c->n_kw > 0)
        return tpl_fail(R, "range() takes one to three whole numbers");
    b[0] = 0;
    b[2] = 1;
    for (size_t i = 0; i < c->n_pos; i++)
        if (!tpl_integer(&c->pos[i], &b[c->n_pos == 1 ? 1 : i]))
            return tpl_fail(R, "range() takes whole numbers, not %s", tpl_type_name(&c->pos[i]));
    return b[2] == 0 ? tpl_fail(R, "range() arg 3 must not be zero") : RG_OK;
}

static rg_status g_range(tpl_run *R, tpl_call *c, tpl_val *out)
{
    int64_t b[3];
    tpl_val *v;
    RG_TRY(range_bounds(R, c, b));
    const bool up = b[2] > 0, any = up ? b[0] < b[1] : b[0] > b[1];
    const uint64_t span = !any ? 0 : up ? (uint64_t)b[1] - (uint64_t)b[0] : (uint64_t)b[0] - (uint64_t)b[1];
    const uint64_t step = up ? (uint64_t)b[2] : 0 - (uint64_t)b[2];
    const uint64_t n = any ? (span - 1) / step + 1 : 0;
    if (n > TPL_RANGE_MAX)
        return tpl_fail(R, "a range of %llu numbers is longer than %d", (unsigned long long)n, TPL_RANGE_MAX);
    RG_TRY(tpl_burn(R, n / 8));
    RG_TRY(tpl_alloc(R, &v, n, sizeof *v));
    for (size_t i = 0; i < n; i++)
        v[i] = tpl_int((int64_t)((uint64_t)b[0] + i * (uint64_t)b[2]));
    return tpl_list_of(R, out, v, n, TPL_F_RANGE);
}

/* dict(...) and namespace(...): a dict to begin with, then keywords. */
static rg_status collect(tpl_run *R, const tpl_call *c, tpl_val *out)
{
    if (c->n_pos > 1 || (c->n_pos == 1 && c->pos[0].kind != TPL_DICT))
        return tpl_fail(R, "a dict and keywords are what this takes");
    RG_TRY(tpl_dict_new(R, out, c->n_kw + 1));
    for (size_t i = 0; c->n_pos == 1 && i < c->pos[0].as.d->n; i++)
        RG_TRY(tpl_dict_put(R, out->as.d, &c->pos[0].as.d->v[i].key, &c->pos[0].as.d->v[i].val));
    for (size_t i = 0; i < c->n_kw; i++) {
        const tpl_val key = { .kind = TPL_STR, .as.s = c->kw[i].name };
        RG_TRY(tpl_dict_put(R, out->as.d, &key, &c->kw[i].v));
    }
    return RG_OK;
}

static rg_status g_dict(tpl_run *R, tpl_call *c, tpl_val *out)
{
    return collect(R, c, out);
}

static rg_status g_namespace(tpl_run *R, tpl_call *c, tpl_val *out)
{
    RG_TRY(collect(R, c, out));
    out->kind = TPL_SPACE;
    return RG_OK;
}

static rg_status g_joiner(tpl_run *R, tpl_call *c, tpl_val *out)
{
    tpl_joiner *j;
    RG_TRY(tpl_alloc(R, &j, 1, sizeof *j));
    j->sep = c->a[0];
    if (j->sep.kind == TPL_MISSING)
        RG_TRY(tpl_str_of(R, &j->sep, ", ", 2, 0, NULL));
    *out = (tpl_val){ .kind = TPL_JOINER, .as.joiner = j };
    return RG_OK;
}

static rg_status g_raise(tpl_run *R, tpl_call *c, tpl_val *out)
{
    tpl_val text;
    (void)out;
    RG_TRY(tpl_to_str(R, &c->a[0], &text));
    return tpl_fail(R, "%.*s", (int)RG_MIN(text.as.s->n, (size_t)800), text.as.s->p);
}

static rg_status g_strftime(tpl_run *R, tpl_call *c, tpl_val *out)
{
    char fmt[128], buf[512], *text;
    struct tm tm;
    const time_t now = (time_t)R->now;
    if (c->a[0].kind != TPL_STR || c->a[0].as.s->n >= sizeof fmt - 1)
        return tpl_fail(R, "strftime_now() takes a short format text");
    memcpy(fmt, c->a[0].as.s->p, c->a[0].as.s->n);
    fmt[c->a[0].as.s->n] = 0;
    if (gmtime_r(&now, &tm) == NULL)
        return tpl_fail(R, "the clock of this run is out of range");
    const size_t n = fmt[0] ? strftime(buf, sizeof buf, fmt, &tm) : 0;
    RG_TRY(tpl_alloc(R, &text, n + 1, 1));
    memcpy(text, buf, n);
    return tpl_str_of(R, out, text, n, c->a[0].mark, NULL);
}

static const tpl_builtin globals[] = {
    { "range", "*", 1, g_range },
    { "dict", "*", 0, g_dict },
    { "namespace", "*", 0, g_namespace },
    { "joiner", "sep", 0, g_joiner },
    { "raise_exception", "message", 1, g_raise },
    { "strftime_now", "format", 1, g_strftime },
};

const tpl_builtin *tpl_global_find(rg_str name)
{
    return tpl_table_find(globals, RG_COUNT(globals), name);
}

/* ---- tests ---- */

static rg_status yes_if(tpl_val *out, bool yes)
{
    *out = tpl_bool(yes);
    return RG_OK;
}

#define KIND_TEST(name, condition)                                                                           \
    static rg_status name(tpl_run *R, tpl_call *c, tpl_val *out)                                             \
    {                                                                                                        \
        const tpl_val *v = &c->self;                                                                         \
        (void)R;                                                                                             \
        return yes_if(out, (condition));                                                                     \
    }

KIND_TEST(t_defined, v->kind != TPL_UNDEF)
KIND_TEST(t_undefined, v->kind == TPL_UNDEF)
KIND_TEST(t_none, v->kind == TPL_NONE)
KIND_TEST(t_boolean, v->kind == TPL_BOOL)
KIND_TEST(t_true, v->kind == TPL_BOOL && v->as.b)
KIND_TEST(t_false, v->kind == TPL_BOOL && !v->as.b)
KIND_TEST(t_integer, v->kind == TPL_INT)
KIND_TEST(t_float, v->kind == TPL_FLOAT)
KIND_TEST(t_number, v->kind == TPL_BOOL || v->kind == TPL_INT || v->kind == TPL_FLOAT)
KIND_TEST(t_string, v->kind == TPL_STR)
KIND_TEST(t_mapping, v->kind == TPL_DICT)
KIND_TEST(t_iterable, v->kind == TPL_UNDEF || v->kind == TPL_STR || v->kind == TPL_LIST ||
                          v->kind == TPL_DICT || v->kind == TPL_LOOP)
KIND_TEST(t_sequence, v->kind == TPL_UNDEF || v->kind == TPL_STR || v->kind == TPL_DICT ||
                          (v->kind == TPL_LIST && v->as.l->flavour <= TPL_F_RANGE))
KIND_TEST(t_callable, v->kind == TPL_UNDEF || (v->kind >= TPL_BUILTIN && v->kind <= TPL_JOINER))
KIND_TEST(t_never, v == NULL)
KIND_TEST(t_filter, v->kind == TPL_STR && tpl_filter_find(tpl_text(v)) != NULL)
KIND_TEST(t_test, v->kind == TPL_STR && tpl_test_find(tpl_text(v)) != NULL)

static rg_status t_divisible(tpl_run *R, tpl_call *c, tpl_val *out)
{
    const tpl_val zero = tpl_int(0);
    tpl_val rest;
    bool yes;
    RG_TRY(tpl_math(R, TPL_T_MOD, &c->self, &c->a[0], &rest));
    RG_TRY(tpl_equal(R, &rest, &zero, &yes));
    return yes_if(out, yes);
}

static rg_status t_even(tpl_run *R, tpl_call *c, tpl_val *out)
{
    c->a[0] = tpl_int(2);
    return t_divisible(R, c, out);
}

static rg_status t_odd(tpl_run *R, tpl_call *c, tpl_val *out)
{
    RG_TRY(t_even(R, c, out));
    out->as.b = !out->as.b;
    return RG_OK;
}

static rg_status t_same(tpl_run *R, tpl_call *c, tpl_val *out)
{
    const tpl_val *a = &c->self, *b = &c->a[0];
    bool yes = a->kind == b->kind;
    if (yes && a->kind >= TPL_LIST)
        yes = a->as.l == b->as.l;
    else if (yes)
        RG_TRY(tpl_equal(R, a, b, &yes));
    return yes_if(out, yes);
}

static rg_status t_in(tpl_run *R, tpl_call *c, tpl_val *out)
{
    bool yes;
    RG_TRY(tpl_contains(R, &c->a[0], &c->self, &yes));
    return yes_if(out, yes);
}

#define COMPARE_TEST(name, op)                                                                               \
    static rg_status name(tpl_run *R, tpl_call *c, tpl_val *out)                                             \
    {                                                                                                        \
        bool yes;                                                                                            \
        RG_TRY(tpl_compare(R, op, &c->self, &c->a[0], &yes));                                                \
        return yes_if(out, yes);                                                                             \
    }

COMPARE_TEST(t_eq, TPL_T_EQ)
COMPARE_TEST(t_ne, TPL_T_NE)
COMPARE_TEST(t_lt, TPL_T_LT)
COMPARE_TEST(t_le, TPL_T_LE)
COMPARE_TEST(t_gt, TPL_T_GT)
COMPARE_TEST(t_ge, TPL_T_GE)

static rg_status text_test(tpl_run *R, tpl_call *c, const char *method, tpl_val *out)
{
    tpl_val text;
    RG_TRY(tpl_to_str(R, &c->self, &text));
    c->self = text;
    return tpl_str_method_find(rg_str_of(method))->fn(R, c, out);
}

static rg_status t_lower(tpl_run *R, tpl_call *c, tpl_val *out)
{
    return text_test(R, c, "islower", out);
}

static rg_status t_upper(tpl_run *R, tpl_call *c, tpl_val *out)
{
    return text_test(R, c, "isupper", out);
}

static const tpl_builtin tests[] = {
    { "defined", "", 0, t_defined },   { "undefined", "", 0, t_undefined },
    { "none", "", 0, t_none },         { "boolean", "", 0, t_boolean },
    { "true", "", 0, t_true },         { "false", "", 0, t_false },
    { "integer", "", 0, t_integer },   { "float", "", 0, t_float },
    { "number", "", 0, t_number },     { "string", "", 0, t_string },
    { "mapping", "", 0, t_mapping },   { "iterable", "", 0, t_iterable },
    { "sequence", "", 0, t_sequence }, { "callable", "", 0, t_callable },
    { "escaped", "", 0, t_never },     { "filter", "", 0, t_filter },
    { "test", "", 0, t_test },         { "odd", "", 0, t_odd },
    { "even", "", 0, t_even },         { "divisibleby", "num", 1, t_divisible },
    { "sameas", "other", 1, t_same },  { "in", "seq", 1, t_in },
    { "lower", "", 0, t_lower },       { "upper", "", 0, t_upper },
    { "eq", "other", 1, t_eq },        { "equalto", "other", 1, t_eq },
    { "==", "other", 1, t_eq },        { "ne", "other", 1, t_ne },
    { "!=", "other", 1, t_ne },        { "lt", "other", 1, t_lt },
    { "lessthan", "other", 1, t_lt },  { "<", "other", 1, t_lt },
    { "le", "other", 1, t_le },        { "<=", "other", 1, t_le },
    { "gt", "other", 1, t_gt },        { "greaterthan", "other", 1, t_gt },
    { ">", "other", 1, t_gt },         { "ge", "other", 1, t_ge },
    { ">=", "other", 1, t_ge },
};

const tpl_builtin *tpl_test_find(rg_str name)
{
    return tpl_table_find(tests, RG_COUNT(tests), name);
}
