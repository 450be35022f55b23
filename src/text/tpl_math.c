/* tpl_math.c - the binary operators, with Python's rules and checked 64-bit integers. */
#include <math.h>

#include "tpl_int.h"

static const char *op_name(unsigned op)
{
    static const char *const names[] = { "+", "-", "*", "/", "//", "%", "**" };
    return names[op - TPL_T_ADD];
}

static rg_status too_big(tpl_run *R, unsigned op)
{
    return tpl_fail(R, "the result of '%s' does not fit 64 bits", op_name(op));
}

/* Rounds towards minus infinity, as Python does; b != 0 and not MIN / -1. */
static int64_t floor_div(int64_t a, int64_t b)
{
    const int64_t q = a / b;
    return q - (a % b != 0 && (a < 0) != (b < 0));
}

static bool int_pow(int64_t base, int64_t n, int64_t *out)
{
    int64_t r = 1;
    for (; n > 0; n >>= 1) {
        if ((n & 1) && __builtin_mul_overflow(r, base, &r))
            return false;
        if (n > 1 && __builtin_mul_overflow(base, base, &base))
            return false;
    }
    *out = r;
    return true;
}

static rg_status int_math(tpl_run *R, unsigned op, int64_t a, int64_t b, tpl_val *out)
{
    int64_t r = 0;
    bool good = true;
    if ((op == TPL_T_FLOORDIV || op == TPL_T_MOD) && b == 0)
        return tpl_fail(R, "integer division or modulo by zero");
    switch (op) {
    case TPL_T_ADD: good = !__builtin_add_overflow(a, b, &r); break;
    case TPL_T_SUB: good = !__builtin_sub_overflow(a, b, &r); break;
    case TPL_T_MUL: good = !__builtin_mul_overflow(a, b, &r); break;
    case TPL_T_POW: good = int_pow(a, b, &r); break;
    default:
        if (b == -1) {
            good = op == TPL_T_MOD || !__builtin_sub_overflow((int64_t)0, a, &r);
        } else {
            const int64_t q = floor_div(a, b);
            r = op == TPL_T_FLOORDIV ? q : a - q * b;
        }
    }
    *out = tpl_int(r);
    return good ? RG_OK : too_big(R, op);
}

static double float_mod(double a, double b)
{
    const double m = fmod(a, b);
    return m != 0.0 && (m < 0.0) != (b < 0.0) ? m + b : m;
}

static rg_status float_math(tpl_run *R, unsigned op, double a, double b, tpl_val *out)
{
    if ((op == TPL_T_DIV || op == TPL_T_FLOORDIV || op == TPL_T_MOD) && b == 0.0)
        return tpl_fail(R, "division by zero");
    switch (op) {
    case TPL_T_ADD: *out = tpl_float(a + b); break;
    case TPL_T_SUB: *out = tpl_float(a - b); break;
    case TPL_T_MUL: *out = tpl_float(a * b); break;
    case TPL_T_DIV: *out = tpl_float(a / b); break;
    case TPL_T_FLOORDIV: *out = tpl_float(floor(a / b)); break;
    case TPL_T_MOD: *out = tpl_float(float_mod(a, b)); break;
    default:
        if (a == 0.0 && b < 0.0)
            return tpl_fail(R, "0.0 cannot be raised to a negative power");
        *out = tpl_float(pow(a, b));
    }
    return RG_OK;
}

static rg_status list_add(tpl_run *R, const tpl_list *a, const tpl_list *b, tpl_val *out)
{
    tpl_val *v;
    const size_t n = a->n + b->n;
    RG_TRY(tpl_burn(R, n / 8));
    RG_TRY(tpl_alloc(R, &v, n, sizeof *v));
    if (a->n)
        memcpy(v, a->v, a->n * sizeof *v);
    if (b->n)
        memcpy(v + a->n, b->v, b->n * sizeof *v);
    return tpl_list_of(R, out, v, n, a->flavour);
}

static rg_status list_repeat(tpl_run *R, const tpl_list *a, int64_t times, tpl_val *out)
{
    tpl_val *v;
    const size_t k = times > 0 && a->n > 0 ? (size_t)times : 0;
    if (k > 0 && k > (size_t)TPL_ITEMS_MAX / a->n)
        return tpl_fail(R, "%zu copies of %zu items are more than %d", k, a->n, TPL_ITEMS_MAX);
    RG_TRY(tpl_burn(R, k * a->n / 8));
    RG_TRY(tpl_alloc(R, &v, k * a->n, sizeof *v));
    for (size_t i = 0; i < k; i++)
        memcpy(v + i * a->n, a->v, a->n * sizeof *v);
    return tpl_list_of(R, out, v, k * a->n, a->flavour);
}

static bool is_sequence(const tpl_val *v)
{
    return v->kind == TPL_LIST && v->as.l->flavour <= TPL_F_TUPLE;
}

static rg_status no_operator(tpl_run *R, unsigned op, const tpl_val *a, const tpl_val *b)
{
    if (a->kind == TPL_UNDEF || b->kind == TPL_UNDEF)
        return tpl_undefined_error(R, a->kind == TPL_UNDEF ? a : b);
    return tpl_fail(R, "unsupported operand types for %s: '%s' and '%s'", op_name(op), tpl_type_name(a),
                    tpl_type_name(b));
}

static rg_status other_math(tpl_run *R, unsigned op, const tpl_val *a, const tpl_val *b, tpl_val *out)
{
    int64_t n;
    if (op == TPL_T_ADD && a->kind == TPL_STR && b->kind == TPL_STR)
        return tpl_concat(R, a, b, out);
    if (op == TPL_T_ADD && is_sequence(a) && is_sequence(b) && a->as.l->flavour == b->as.l->flavour)
        return list_add(R, a->as.l, b->as.l, out);
    if (op == TPL_T_MOD && a->kind == TPL_STR) {
        const bool many = b->kind == TPL_LIST && b->as.l->flavour == TPL_F_TUPLE;
        return tpl_format(R, a, many ? b->as.l->v : b, many ? b->as.l->n : 1, out);
    }
    if (op == TPL_T_MUL && tpl_integer(a, &n)) {
        const tpl_val *swap = a;
        a = b;
        b = swap;
    }
    if (op == TPL_T_MUL && tpl_integer(b, &n) && a->kind == TPL_STR)
        return tpl_repeat(R, a, n, out);
    if (op == TPL_T_MUL && tpl_integer(b, &n) && is_sequence(a))
        return list_repeat(R, a->as.l, n, out);
    return no_operator(R, op, a, b);
}

rg_status tpl_math(tpl_run *R, unsigned op, const tpl_val *a, const tpl_val *b, tpl_val *out)
{
    int64_t i, k;
    double x, y;
    tpl_val r;
    if (tpl_integer(a, &i) && tpl_integer(b, &k) && op != TPL_T_DIV && !(op == TPL_T_POW && k < 0))
        RG_TRY(int_math(R, op, i, k, &r));
    else if (tpl_number(a, &x) && tpl_number(b, &y))
        RG_TRY(float_math(R, op, x, y, &r));
    else
        return other_math(R, op, a, b, out);
    r.mark = a->mark | b->mark;
    *out = r;
    return RG_OK;
}

rg_status tpl_compare(tpl_run *R, unsigned op, const tpl_val *a, const tpl_val *b, bool *out)
{
    int order = 0;
    switch (op) {
    case TPL_T_EQ: return tpl_equal(R, a, b, out);
    case TPL_T_NE: RG_TRY(tpl_equal(R, a, b, out)); break;
    case TPL_T_IN: return tpl_contains(R, b, a, out);
    case TPL_T_NOT_IN: RG_TRY(tpl_contains(R, b, a, out)); break;
    case TPL_T_LT:
        RG_TRY(tpl_order(R, a, b, &order));
        *out = order < 0;
        return RG_OK;
    case TPL_T_LE:
        RG_TRY(tpl_order(R, a, b, &order));
        *out = order <= 0;
        return RG_OK;
    case TPL_T_GT:
        RG_TRY(tpl_order(R, a, b, &order));
        *out = order > 0;
        return RG_OK;
    default:
        RG_TRY(tpl_order(R, a, b, &order));
        *out = order >= 0;
        return RG_OK;
    }
    *out = !*out;
    return RG_OK;
}
