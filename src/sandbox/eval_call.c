/* eval_call.c - the evaluator's functions: of plain values from a table, and sums over ranges. */
#include "eval_int.h"

#include <stdio.h>

#include "rung/base/mem.h"

typedef bool (*ev_fn)(rg_eval *v, ev_val *x, ev_val *arg, size_t n);

static bool integers(rg_eval *v, const ev_val *arg, size_t n, const char *who)
{
    for (size_t i = 0; i < n; i++)
        if (!ev_need_integer(v, &arg[i], who) || !ev_charge(v, ev_bits(&arg[i])))
            return false;
    return true;
}

static bool take(ev_val *x, ev_val *from)
{
    ev_val_set(x, from);
    x->kind = EV_RATIONAL;
    return true;
}

static bool f_abs(rg_eval *v, ev_val *x, ev_val *arg, size_t n)
{
    (void)v, (void)n;
    mpq_abs(arg->q, arg->q);
    return take(x, arg);
}

static bool f_gcd(rg_eval *v, ev_val *x, ev_val *arg, size_t n)
{
    if (!integers(v, arg, n, "gcd"))
        return false;
    mpz_abs(mpq_numref(arg->q), mpq_numref(arg->q));
    for (size_t i = 1; i < n; i++)
        mpz_gcd(mpq_numref(arg->q), mpq_numref(arg->q), mpq_numref(arg[i].q));
    return take(x, arg);
}

static bool f_lcm(rg_eval *v, ev_val *x, ev_val *arg, size_t n)
{
    if (!integers(v, arg, n, "lcm"))
        return false;
    mpz_abs(mpq_numref(arg->q), mpq_numref(arg->q));
    for (size_t i = 1; i < n; i++) {
        if (!ev_charge(v, ev_bits(arg) + ev_bits(&arg[i])))
            return false;
        mpz_lcm(mpq_numref(arg->q), mpq_numref(arg->q), mpq_numref(arg[i].q));
    }
    if (ev_bits(arg) > EV_MAX_BITS)
        return ev_fail(v, "OverflowError", "a multiple of more than %d bits", EV_MAX_BITS);
    return take(x, arg);
}

static bool small(rg_eval *v, const ev_val *a, unsigned long max, unsigned long *out, const char *who)
{
    if (!ev_need_integer(v, a, who))
        return false;
    if (mpq_sgn(a->q) < 0 || mpz_cmp_ui(mpq_numref(a->q), max) > 0)
        return ev_fail(v, "ValueError", "%s takes 0 to %lu here", who, max);
    *out = mpz_get_ui(mpq_numref(a->q));
    return true;
}

static bool f_factorial(rg_eval *v, ev_val *x, ev_val *arg, size_t n)
{
    unsigned long k = 0;
    (void)n;
    if (!small(v, arg, 10000, &k, "factorial") || !ev_charge(v, 12 * k))
        return false;
    mpz_fac_ui(mpq_numref(arg->q), k);
    return take(x, arg);
}

static bool f_binomial(rg_eval *v, ev_val *x, ev_val *arg, size_t n)
{
    unsigned long a = 0, b = 0;
    (void)n;
    if (!small(v, &arg[0], 100000, &a, "binomial") || !small(v, &arg[1], 100000, &b, "binomial") ||
        !ev_charge(v, a))
        return false;
    mpz_bin_uiui(mpq_numref(arg->q), a, b);
    return take(x, arg);
}

static bool f_sqrt(rg_eval *v, ev_val *x, ev_val *arg, size_t n)
{
    (void)n;
    if (!ev_charge(v, ev_bits(arg)))
        return false;
    if (mpq_sgn(arg->q) < 0)
        return ev_fail(v, "ValueError", "sqrt of a negative number");
    if (!mpz_perfect_square_p(mpq_numref(arg->q)) || !mpz_perfect_square_p(mpq_denref(arg->q)))
        return ev_fail(v, "ValueError", "sqrt of a number that is no square: not rational");
    mpz_sqrt(mpq_numref(arg->q), mpq_numref(arg->q));
    mpz_sqrt(mpq_denref(arg->q), mpq_denref(arg->q));
    return take(x, arg);
}

static bool f_isqrt(rg_eval *v, ev_val *x, ev_val *arg, size_t n)
{
    if (!integers(v, arg, n, "isqrt"))
        return false;
    if (mpq_sgn(arg->q) < 0)
        return ev_fail(v, "ValueError", "isqrt of a negative number");
    mpz_sqrt(mpq_numref(arg->q), mpq_numref(arg->q));
    return take(x, arg);
}

static bool extreme(rg_eval *v, ev_val *x, ev_val *arg, size_t n, int sign)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++) {
        if (!ev_charge(v, ev_bits(&arg[i])))
            return false;
        if (mpq_cmp(arg[i].q, arg[best].q) * sign > 0)
            best = i;
    }
    return take(x, &arg[best]);
}

static bool f_min(rg_eval *v, ev_val *x, ev_val *arg, size_t n)
{
    return extreme(v, x, arg, n, -1);
}

static bool f_max(rg_eval *v, ev_val *x, ev_val *arg, size_t n)
{
    return extreme(v, x, arg, n, 1);
}

static bool f_int(rg_eval *v, ev_val *x, ev_val *arg, size_t n)
{
    (void)n;
    if (!ev_charge(v, ev_bits(arg)))
        return false;
    mpz_tdiv_q(mpq_numref(arg->q), mpq_numref(arg->q), mpq_denref(arg->q));
    mpz_set_ui(mpq_denref(arg->q), 1);
    return take(x, arg);
}

static bool f_rational(rg_eval *v, ev_val *x, ev_val *arg, size_t n)
{
    return (n == 1 || ev_arith(v, &arg[0], rg_str_of("/"), &arg[1])) && take(x, arg);
}

static const struct {
    const char *name;
    size_t min, max;
    ev_fn run;
} FUNCTIONS[] = {
    { "abs", 1, 1, f_abs },           { "gcd", 1, EV_MAX_ARGS, f_gcd },
    { "lcm", 1, EV_MAX_ARGS, f_lcm }, { "factorial", 1, 1, f_factorial },
    { "binomial", 2, 2, f_binomial }, { "comb", 2, 2, f_binomial },
    { "sqrt", 1, 1, f_sqrt },         { "isqrt", 1, 1, f_isqrt },
    { "min", 1, EV_MAX_ARGS, f_min }, { "max", 1, EV_MAX_ARGS, f_max },
    { "int", 1, 1, f_int },           { "Integer", 1, 1, f_int },
    { "Rational", 1, 2, f_rational }, { "Fraction", 1, 2, f_rational },
};

bool ev_is_function(rg_str name)
{
    for (size_t i = 0; i < RG_COUNT(FUNCTIONS); i++)
        if (rg_str_is(name, FUNCTIONS[i].name))
            return true;
    return false;
}

bool ev_function(rg_eval *v, ev_val *x, rg_str name, ev_val *arg, size_t n)
{
    for (size_t i = 0; i < RG_COUNT(FUNCTIONS); i++) {
        if (!rg_str_is(name, FUNCTIONS[i].name))
            continue;
        if (n < FUNCTIONS[i].min || n > FUNCTIONS[i].max)
            return ev_fail(v, "TypeError", "%s does not take %zu arguments", FUNCTIONS[i].name, n);
        for (size_t k = 0; k < n; k++)
            if (arg[k].kind != EV_RATIONAL && arg[k].kind != EV_BOOL)
                return ev_fail(v, "TypeError", "%s takes numbers", FUNCTIONS[i].name);
        return FUNCTIONS[i].run(v, x, arg, n);
    }
    return ev_fail(v, "NameError", "there is no function '%.*s' here", (int)RG_MIN(name.n, 40u), name.p);
}

/* ---- sum(expr for name in range(a, b, c) if cond) ---- */

typedef struct range {
    ev_val bound[3]; /* start, stop, step */
    rg_str name;
    size_t body, cond; /* where they begin; cond 0 = none */
    size_t end;        /* behind the closing parenthesis */
} range;

static bool read_range(rg_eval *v, range *r)
{
    size_t n = 0;
    if (!ev_want(v, "range") || !ev_want(v, "("))
        return false;
    do {
        if (n == 3)
            return ev_fail(v, "TypeError", "range takes 1 to 3 arguments");
        if (!ev_expr(v, &r->bound[n++]))
            return false;
    } while (ev_take(v, ","));
    if (n == 1) {
        mpq_swap(r->bound[0].q, r->bound[1].q);
        r->bound[1].kind = r->bound[0].kind;
    }
    for (size_t i = 0; i < 3; i++)
        if ((i == 0 && n == 1) || (i == 2 && n < 3)) {
            r->bound[i].kind = EV_RATIONAL;
            mpq_set_ui(r->bound[i].q, i == 2, 1);
        }
    for (size_t i = 0; i < 3 && v->dry == 0; i++)
        if (!ev_need_integer(v, &r->bound[i], "range"))
            return false;
    if (v->dry == 0 && mpq_sgn(r->bound[2].q) == 0)
        return ev_fail(v, "ValueError", "range's step is zero");
    return ev_want(v, ")");
}

static bool dry_expr(rg_eval *v)
{
    ev_val unused;
    ev_val_init(&unused);
    v->dry++;
    const bool ok = ev_expr(v, &unused);
    v->dry--;
    ev_val_clear(&unused);
    return ok;
}

/* Reads it all once, computing only the range. */
static bool read_shape(rg_eval *v, range *r)
{
    r->body = v->at;
    if (!dry_expr(v) || !ev_want(v, "for"))
        return false;
    if (v->tok[v->at].kind != EV_NAME)
        return ev_fail(v, "SyntaxError", "a name must stand behind 'for'");
    r->name = v->tok[v->at++].s;
    if (!ev_want(v, "in") || !read_range(v, r))
        return false;
    if (ev_take(v, "if")) {
        r->cond = v->at;
        if (!dry_expr(v))
            return false;
    }
    if (!ev_want(v, ")"))
        return false;
    r->end = v->at;
    return true;
}

static bool one_term(rg_eval *v, ev_val *x, const range *r, bool product, ev_val *term)
{
    if (r->cond) {
        v->at = r->cond;
        if (!ev_expr(v, term))
            return false;
        if (!ev_truth(term))
            return true;
    }
    v->at = r->body;
    return ev_expr(v, term) && ev_arith(v, x, rg_str_of(product ? "*" : "+"), term);
}

static bool loop(rg_eval *v, ev_val *x, range *r, bool product, ev_val *term)
{
    ev_val *i = ev_name_get(v, r->name, true);
    if (i == NULL)
        return false;
    const int up = mpq_sgn(r->bound[2].q);
    ev_val_set(i, &r->bound[0]);
    while (mpq_cmp(i->q, r->bound[1].q) * up < 0) {
        if (!ev_charge(v, ev_bits(i)) || !one_term(v, x, r, product, term))
            return false;
        i = ev_name_get(v, r->name, true); /* the table may have moved */
        if (i == NULL || !ev_arith(v, i, rg_str_of("+"), &r->bound[2]))
            return false;
    }
    return true;
}

bool ev_over_range(rg_eval *v, ev_val *x, bool product)
{
    range r = { .end = 0 };
    ev_val term;
    ev_val_init(&term);
    for (size_t i = 0; i < 3; i++)
        ev_val_init(&r.bound[i]);
    bool ok = read_shape(v, &r);
    if (ok && v->dry == 0) {
        x->kind = EV_RATIONAL;
        mpq_set_ui(x->q, product, 1);
        ok = loop(v, x, &r, product, &term);
        v->at = r.end;
    }
    ev_val_clear(&term);
    for (size_t i = 0; i < 3; i++)
        ev_val_clear(&r.bound[i]);
    return ok;
}
