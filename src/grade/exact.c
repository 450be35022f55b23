/* exact.c - rational values by plain arithmetic, bounded before FLINT is asked.
 *
 * GMP ends the process when a number cannot be allocated, so every operation first bounds the
 * size of its result: RG__BITS_MAX bits, RG__DIGITS_MAX digits. */
#include "grade_int.h"

#include "rung/base/mem.h"

static long bits(const fmpq_t q)
{
    return (long)(fmpz_bits(fmpq_numref(q)) + fmpz_bits(fmpq_denref(q)));
}

static bool set_digits(fmpz_t z, rg_str s)
{
    char buf[RG__DIGITS_MAX + 2];
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != '.') {
            if (n >= RG__DIGITS_MAX)
                return false;
            buf[n++] = s.p[i];
        }
    if (n <= 18) {
        ulong v = 0;
        for (size_t i = 0; i < n; i++)
            v = v * 10 + (ulong)(buf[i] - '0');
        fmpz_set_ui(z, v);
        return true;
    }
    buf[n] = '\0';
    return fmpz_set_str(z, buf, 10) == 0;
}

static void scale_by_ten(fmpq_t q, long e)
{
    fmpz_t ten;
    if (e == 0)
        return;
    fmpz_init_set_ui(ten, 10);
    fmpz_pow_ui(ten, ten, (ulong)(e < 0 ? -e : e));
    if (e > 0)
        fmpq_mul_fmpz(q, q, ten);
    else
        fmpq_div_fmpz(q, q, ten);
    fmpz_clear(ten);
}

/* d.ddd(rrr): digits / 10^a plus rep / (10^a (10^r - 1)), times 10^b. */
static bool number(fmpq_t q, const rg__node *n)
{
    fmpz_t d;
    fmpz_init(d);
    bool ok = set_digits(d, n->text);
    fmpq_set_fmpz(q, d);
    if (ok && n->rep.n) {
        fmpq_t r;
        fmpz_t nines;
        fmpq_init(r);
        fmpz_init_set_ui(nines, 10);
        fmpz_pow_ui(nines, nines, n->rep.n);
        fmpz_sub_ui(nines, nines, 1);
        ok = set_digits(d, n->rep);
        fmpq_set_fmpz(r, d);
        fmpq_div_fmpz(r, r, nines);
        fmpq_add(q, q, r);
        fmpz_clear(nines);
        fmpq_clear(r);
    }
    if (ok)
        scale_by_ten(q, (long)n->b - (n->a > 0 ? n->a : 0));
    fmpz_clear(d);
    return ok;
}

static bool power(fmpq_t q, const fmpq_t e)
{
    if (!fmpz_is_one(fmpq_denref(e)) || !fmpz_fits_si(fmpq_numref(e)))
        return false;
    const slong k = fmpz_get_si(fmpq_numref(e));
    if (k > RG__BITS_MAX || k < -RG__BITS_MAX || (k <= 0 && fmpq_is_zero(q)))
        return false;
    const long size = (long)RG_MAX(fmpz_bits(fmpq_numref(q)), fmpz_bits(fmpq_denref(q)));
    if (size > 1 && size * (k < 0 ? -k : k) > RG__BITS_MAX)
        return false;
    fmpq_pow_si(q, q, k);
    return true;
}

/* An exact k-th root of a non-negative rational, if it has one. */
static bool exact_root(fmpq_t q, long k)
{
    if (fmpq_sgn(q) < 0 && k % 2 == 0)
        return false;
    fmpz_t r;
    fmpz_init(r);
    bool ok = true;
    fmpz *parts[2] = { fmpq_numref(q), fmpq_denref(q) };
    for (int i = 0; i < 2 && ok; i++) {
        ok = fmpz_root(r, parts[i], k) != 0;
        if (ok)
            fmpz_set(parts[i], r);
    }
    fmpz_clear(r);
    return ok;
}

static bool small(long *out, const fmpq_t q, long max)
{
    if (!fmpz_is_one(fmpq_denref(q)) || fmpz_sgn(fmpq_numref(q)) < 0 || fmpz_cmp_si(fmpq_numref(q), max) > 0)
        return false;
    *out = fmpz_get_si(fmpq_numref(q));
    return true;
}

static bool binary(fmpq_t q, const fmpq_t r, rg__kind kind)
{
    long n, k;
    switch (kind) {
    case RG__ADD: fmpq_add(q, q, r); return true;
    case RG__MUL: fmpq_mul(q, q, r); return true;
    case RG__DIV:
        if (fmpq_is_zero(r))
            return false;
        fmpq_div(q, q, r);
        return true;
    case RG__POW: return power(q, r);
    case RG__ROOT: return small(&k, r, 64) && k >= 2 && exact_root(q, k);
    case RG__BINOM:
        if (!small(&n, q, RG__EXP_MAX) || !small(&k, r, RG__EXP_MAX))
            return false;
        fmpz_bin_uiui(fmpq_numref(q), (ulong)n, (ulong)k);
        return true;
    default: return false;
    }
}

static bool fold(fmpq_t q, rg__elem x, const rg__node *n)
{
    fmpq_t r;
    bool ok = rg__exact(q, rg__child(x, n->first));
    fmpq_init(r);
    for (uint32_t c = rg__at(x.t, n->first)->next; c && ok; c = rg__at(x.t, c)->next)
        ok = rg__exact(r, rg__child(x, c)) && bits(q) + bits(r) < RG__BITS_MAX && binary(q, r, n->kind);
    fmpq_clear(r);
    return ok;
}

static bool pick(fmpq_t q, const fmpq_t r, rg__fn fn)
{
    const bool integers = fmpz_is_one(fmpq_denref(q)) && fmpz_is_one(fmpq_denref(r));
    const int order = fmpq_cmp(q, r);
    if ((fn == RG__F_MAX && order < 0) || (fn == RG__F_MIN && order > 0))
        fmpq_set(q, r);
    else if (fn == RG__F_GCD && integers)
        fmpz_gcd(fmpq_numref(q), fmpq_numref(q), fmpq_numref(r));
    else if (fn == RG__F_LCM && integers)
        fmpz_lcm(fmpq_numref(q), fmpq_numref(q), fmpq_numref(r));
    else
        return fn == RG__F_MAX || fn == RG__F_MIN;
    return true;
}

static bool function(fmpq_t q, rg__elem x, const rg__node *n)
{
    const rg__fn fn = (rg__fn)n->a;
    if (fn != RG__F_ABS && fn != RG__F_FLOOR && fn != RG__F_CEIL && fn < RG__F_GCD)
        return false;
    bool ok = rg__exact(q, rg__child(x, n->first));
    if (ok && fn == RG__F_ABS)
        fmpq_abs(q, q);
    if (ok && (fn == RG__F_FLOOR || fn == RG__F_CEIL)) {
        (fn == RG__F_FLOOR ? fmpz_fdiv_q : fmpz_cdiv_q)(fmpq_numref(q), fmpq_numref(q), fmpq_denref(q));
        fmpz_one(fmpq_denref(q));
    }
    fmpq_t r;
    fmpq_init(r);
    for (uint32_t c = rg__at(x.t, n->first)->next; c && ok && fn >= RG__F_GCD; c = rg__at(x.t, c)->next)
        ok = rg__exact(r, rg__child(x, c)) && bits(q) + bits(r) < RG__BITS_MAX && pick(q, r, fn);
    fmpq_clear(r);
    return ok;
}

bool rg__exact(fmpq_t q, rg__elem x)
{
    const rg__node *n = rg__at(x.t, x.id);
    long k;
    switch (n->kind) {
    case RG__NUM: return number(q, n);
    case RG__NEG:
        if (!rg__exact(q, rg__child(x, n->first)))
            return false;
        fmpq_neg(q, q);
        return true;
    case RG__ADD:
    case RG__MUL:
    case RG__DIV:
    case RG__POW:
    case RG__BINOM: return fold(q, x, n);
    case RG__ROOT:
        if (n->n == 2)
            return fold(q, x, n);
        return rg__exact(q, rg__child(x, n->first)) && exact_root(q, 2);
    case RG__FUNC: return function(q, x, n);
    case RG__FACT:
        if (!rg__exact(q, rg__child(x, n->first)) || !small(&k, q, RG__EXP_MAX))
            return false;
        fmpz_fac_ui(fmpq_numref(q), (ulong)k);
        return true;
    case RG__DEG: return rg__exact(q, rg__child(x, n->first));
    case RG__PCT:
        if (!rg__exact(q, rg__child(x, n->first)))
            return false;
        scale_by_ten(q, -2);
        return true;
    case RG__PM:
        if (x.sign == 0 || !rg__exact(q, rg__child(x, n->first)))
            return false;
        if ((x.sign < 0) != (n->op == '-'))
            fmpq_neg(q, q);
        return true;
    default: return false;
    }
}

static long power_weight(const rg__node *exponent)
{
    if (exponent->kind != RG__NUM)
        return 2000;
    return exponent->text.n <= 2 ? 4 : exponent->text.n <= 4 ? 2000 : 10000;
}

long rg__weight(rg__elem x)
{
    const rg__node *n = rg__at(x.t, x.id);
    long w = 1;
    if (n->kind == RG__NUM)
        w += (long)((n->text.n + n->rep.n) / 16) + (n->b ? 8 : 0);
    else if (n->kind == RG__FACT || n->kind == RG__BINOM)
        w = rg__at(x.t, n->first)->text.n <= 2 ? 8 : 4000;
    else if (n->kind == RG__POW)
        w = power_weight(rg__at(x.t, n->last));
    for (uint32_t c = n->first; c; c = rg__at(x.t, c)->next)
        w += rg__weight(rg__child(x, c));
    return w;
}

static bool is_power_of_ten(rg__elem x)
{
    const rg__node *n = rg__at(x.t, x.id);
    return n->kind == RG__POW && rg_str_is(rg__at(x.t, n->first)->text, "10") &&
           rg__at(x.t, n->first)->kind == RG__NUM && rg__at(x.t, n->first)->a < 0;
}

int rg__decimal_digits(rg__elem x)
{
    const rg__node *n = rg__at(x.t, x.id);
    while (n->kind == RG__NEG || n->kind == RG__DEG || n->kind == RG__PCT)
        n = rg__at(x.t, n->first);
    if (n->kind == RG__MUL && n->n == 2 && is_power_of_ten(rg__child(x, n->last)))
        n = rg__at(x.t, n->first);
    if (n->kind != RG__NUM || n->rep.n || (n->a <= 0 && n->op != 'e'))
        return 0;
    int digits = 0;
    for (size_t i = 0; i < n->text.n; i++)
        if (n->text.p[i] != '.' && (digits || n->text.p[i] != '0'))
            digits++;
    return digits ? digits : 1;
}
