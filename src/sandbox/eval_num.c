/* eval_num.c - numbers of the evaluator: rationals of GMP, every size checked before the work. */
#include "eval_int.h"

#include <string.h>

#include "rung/base/mem.h"

void ev_val_init(ev_val *x)
{
    x->kind = EV_NONE;
    x->s = rg_str_n("", 0);
    mpq_init(x->q);
}

void ev_val_clear(ev_val *x)
{
    mpq_clear(x->q);
}

void ev_val_set(ev_val *to, const ev_val *from)
{
    to->kind = from->kind;
    to->s = from->s;
    mpq_set(to->q, from->q);
}

size_t ev_bits(const ev_val *x)
{
    return mpz_sizeinbase(mpq_numref(x->q), 2) + mpz_sizeinbase(mpq_denref(x->q), 2);
}

/* Products and greatest divisors of n limbs take up to n^2 limb operations. */
bool ev_charge(rg_eval *v, size_t bits)
{
    const size_t limbs = bits / 64;
    if (bits > 2 * EV_MAX_BITS)
        return ev_fail(v, "OverflowError", "a number of more than %d bits", EV_MAX_BITS);
    const size_t cost = 1 + limbs * limbs / 64;
    if (cost > v->steps)
        return ev_fail(v, "TimeLimit", "the budget of operations is used up");
    v->steps -= cost;
    return true;
}

bool ev_truth(const ev_val *x)
{
    return x->kind == EV_STRING ? x->s.n > 0 : x->kind != EV_NONE && mpq_sgn(x->q) != 0;
}

void ev_print(rg_eval *v, const ev_val *x)
{
    if (x->kind == EV_STRING)
        rg_buf_str(v->out, x->s);
    else if (x->kind == EV_BOOL)
        rg_buf_puts(v->out, mpq_sgn(x->q) ? "True" : "False");
    else if (x->kind == EV_NONE)
        rg_buf_puts(v->out, "None");
    else if (ev_charge(v, ev_bits(x))) {
        const size_t room = mpz_sizeinbase(mpq_numref(x->q), 10) + mpz_sizeinbase(mpq_denref(x->q), 10) + 3;
        char *text = rg_alloc(room, 1);
        if (text)
            rg_buf_puts(v->out, mpq_get_str(text, 10, x->q));
        else
            ev_fail(v, "MemoryError", "no memory to print a number");
        rg_free(text);
    }
}

/* Digits with at most one point; underscores are skipped. */
bool ev_number(rg_eval *v, ev_val *x, rg_str text)
{
    size_t n = 0, behind = 0;
    bool point = false;
    if (text.n > EV_MAX_BITS / 4)
        return ev_fail(v, "OverflowError", "a number of %zu digits", text.n);
    char *digits = rg_alloc(text.n + 1, 1);
    if (digits == NULL)
        return ev_fail(v, "MemoryError", "no memory for a number");
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '.')
            point = true;
        else if (text.p[i] != '_') {
            digits[n++] = text.p[i];
            behind += point;
        }
    }
    digits[n] = '\0';
    x->kind = EV_RATIONAL;
    const bool ok = n > 0 && mpz_set_str(mpq_numref(x->q), digits, 10) == 0;
    rg_free(digits);
    if (!ok || !ev_charge(v, 4 * text.n))
        return ok ? false : ev_fail(v, "SyntaxError", "a number without digits");
    mpz_ui_pow_ui(mpq_denref(x->q), 10, behind);
    mpq_canonicalize(x->q);
    return true;
}

static bool both_numbers(rg_eval *v, const ev_val *x, const ev_val *y)
{
    if ((x->kind == EV_RATIONAL || x->kind == EV_BOOL) && (y->kind == EV_RATIONAL || y->kind == EV_BOOL))
        return true;
    return ev_fail(v, "TypeError", "only numbers can be computed with");
}

/* q = floor(x / y) */
static void floor_div(mpq_t x, const mpq_t y)
{
    mpq_div(x, x, y);
    mpz_fdiv_q(mpq_numref(x), mpq_numref(x), mpq_denref(x));
    mpz_set_ui(mpq_denref(x), 1);
}

static void floor_mod(mpq_t x, const mpq_t y)
{
    mpq_t q;
    mpq_init(q);
    mpq_set(q, x);
    floor_div(q, y);
    mpq_mul(q, q, y);
    mpq_sub(x, x, q);
    mpq_clear(q);
}

bool ev_arith(rg_eval *v, ev_val *x, rg_str op, const ev_val *y)
{
    if (rg_str_is(op, "**"))
        return ev_power(v, x, y);
    if (!both_numbers(v, x, y) || !ev_charge(v, ev_bits(x) + ev_bits(y)))
        return false;
    x->kind = EV_RATIONAL;
    if (rg_str_is(op, "+"))
        mpq_add(x->q, x->q, y->q);
    else if (rg_str_is(op, "-"))
        mpq_sub(x->q, x->q, y->q);
    else if (rg_str_is(op, "*"))
        mpq_mul(x->q, x->q, y->q);
    else if (mpq_sgn(y->q) == 0)
        return ev_fail(v, "ZeroDivisionError", "division by zero");
    else if (rg_str_is(op, "/"))
        mpq_div(x->q, x->q, y->q);
    else if (rg_str_is(op, "//"))
        floor_div(x->q, y->q);
    else
        floor_mod(x->q, y->q);
    if (ev_bits(x) > EV_MAX_BITS)
        return ev_fail(v, "OverflowError", "a number of more than %d bits", EV_MAX_BITS);
    return true;
}

bool ev_need_integer(rg_eval *v, const ev_val *x, const char *who)
{
    if ((x->kind == EV_RATIONAL || x->kind == EV_BOOL) && mpz_cmp_ui(mpq_denref(x->q), 1) == 0)
        return true;
    return ev_fail(v, "TypeError", "%s takes integers", who);
}

bool ev_power(rg_eval *v, ev_val *x, const ev_val *y)
{
    if (!both_numbers(v, x, y) || !ev_need_integer(v, y, "an exponent"))
        return false;
    if (!mpz_fits_slong_p(mpq_numref(y->q)))
        return ev_fail(v, "OverflowError", "an exponent of more than 63 bits");
    const long k = mpz_get_si(mpq_numref(y->q));
    const unsigned long n = k < 0 ? 0 - (unsigned long)k : (unsigned long)k;
    const bool unit = mpz_cmpabs_ui(mpq_numref(x->q), 1) <= 0 && mpz_cmp_ui(mpq_denref(x->q), 1) == 0;
    const size_t bits = ev_bits(x);
    if (!unit && (n > EV_MAX_BITS || bits * n > EV_MAX_BITS + bits))
        return ev_fail(v, "OverflowError", "a power of more than %d bits", EV_MAX_BITS);
    if (k < 0 && mpq_sgn(x->q) == 0)
        return ev_fail(v, "ZeroDivisionError", "0 cannot be raised to a negative power");
    if (!ev_charge(v, unit ? 1 : bits * n))
        return false;
    mpz_pow_ui(mpq_numref(x->q), mpq_numref(x->q), unit ? 2 - (n & 1) : n);
    mpz_pow_ui(mpq_denref(x->q), mpq_denref(x->q), unit ? 1 : n);
    if (n == 0)
        mpq_set_ui(x->q, 1, 1);
    if (k < 0)
        mpq_inv(x->q, x->q);
    x->kind = EV_RATIONAL;
    return true;
}

bool ev_compare(rg_eval *v, const ev_val *x, rg_str op, const ev_val *y, bool *out)
{
    if (!both_numbers(v, x, y) || !ev_charge(v, ev_bits(x) + ev_bits(y)))
        return false;
    const int c = mpq_cmp(x->q, y->q);
    *out = rg_str_is(op, "==")   ? c == 0
           : rg_str_is(op, "!=") ? c != 0
           : rg_str_is(op, "<")  ? c < 0
           : rg_str_is(op, "<=") ? c <= 0
           : rg_str_is(op, ">")  ? c > 0
                                 : c >= 0;
    return true;
}
