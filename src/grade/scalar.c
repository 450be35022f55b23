/* scalar.c - two numbers or two expressions (rules 2 to 5). */
#include "grade_int.h"

typedef struct pair {
    rg__elem g, p;
} pair;

/* z = g - p; scale = |g| + |p| */
static rg__ev difference(acb_t z, arb_t scale, void *arg, const rg__point *at, long *work)
{
    const pair *x = arg;
    acb_t a, b;
    acb_init(a);
    acb_init(b);
    rg__ev ev = rg__eval(a, x->g, at, work);
    if (ev == RG__EV_OK)
        ev = rg__eval(b, x->p, at, work);
    if (ev == RG__EV_OK) {
        arb_t m;
        arb_init(m);
        acb_sub(z, a, b, at->prec);
        acb_abs(scale, a, at->prec);
        acb_abs(m, b, at->prec);
        arb_add(scale, scale, m, at->prec);
        arb_clear(m);
    }
    acb_clear(a);
    acb_clear(b);
    return ev;
}

int rg__infinite(rg__elem x)
{
    int sign = 1;
    const rg__node *n = rg__at(x.t, x.id);
    while (n->kind == RG__NEG || n->kind == RG__PM) {
        if (n->kind == RG__NEG || (x.sign < 0) != (n->op == '-'))
            sign = -sign;
        n = rg__at(x.t, n->first);
    }
    return n->kind == RG__INF ? sign : 0;
}

/* |a - b| <= rtol |g|, both exact. */
static bool close_exact(const fmpq_t a, const fmpq_t b, double rtol)
{
    arb_t d, m;
    arb_init(d);
    arb_init(m);
    fmpq_t diff;
    fmpq_init(diff);
    fmpq_sub(diff, a, b);
    fmpq_abs(diff, diff);
    arb_set_fmpq(d, diff, 192);
    fmpq_abs(diff, a);
    arb_set_fmpq(m, diff, 192);
    arf_t tol;
    arf_init(tol);
    arf_set_d(tol, rtol);
    arb_mul_arf(m, m, tol, 192);
    arb_sub(m, m, d, 192);
    const bool yes = !arb_is_negative(m);
    arf_clear(tol);
    fmpq_clear(diff);
    arb_clear(d);
    arb_clear(m);
    return yes;
}

static bool is_integer(const fmpq_t q)
{
    return fmpz_is_one(fmpq_denref(q));
}

/* A decimal may miss an integer by 1e-6, no more, whatever its size. */
static bool close_to_integer(const fmpq_t a, const fmpq_t b)
{
    fmpq_t d;
    fmpq_init(d);
    fmpq_sub(d, a, b);
    fmpq_abs(d, d);
    fmpz_mul_ui(fmpq_numref(d), fmpq_numref(d), 1000000);
    const bool yes = fmpz_cmp(fmpq_numref(d), fmpq_denref(d)) <= 0;
    fmpq_clear(d);
    return yes;
}

static int decimal_digits(rg__elem g, rg__elem p)
{
    const int a = rg__decimal_digits(g), b = rg__decimal_digits(p);
    return a && b ? (a < b ? a : b) : a + b;
}

static rg_grading rationals(const rg__cmp *c, const fmpq_t a, const fmpq_t b, int digits)
{
    const bool same = fmpq_equal(a, b) != 0;
    const char *rule = digits ? "decimal" : is_integer(a) && is_integer(b) ? "integer" : "rational";
    if (same || !digits || digits < c->opt.digits)
        return rg__say(same ? RG_EQUAL : RG_DIFFERENT, rule);
    const bool near =
        close_exact(a, b, c->opt.rtol) && (!(is_integer(a) || is_integer(b)) || close_to_integer(a, b));
    return rg__say(near ? RG_EQUAL : RG_DIFFERENT, rule);
}

/* A decimal against a constant that is not rational: |a - b| <= rtol |g|, certified. */
static rg_grading near_constant(rg__cmp *c, rg__elem g, rg__elem p)
{
    const rg__point at = { .prec = 256 };
    acb_t a, b;
    arb_t m, d;
    acb_init(a);
    acb_init(b);
    arb_init(m);
    arb_init(d);
    rg_verdict v = RG_UNDECIDED;
    if (rg__eval(a, g, &at, &c->work) == RG__EV_OK && rg__eval(b, p, &at, &c->work) == RG__EV_OK) {
        arf_t tol;
        arf_init(tol);
        arf_set_d(tol, c->opt.rtol);
        acb_sub(b, a, b, at.prec);
        acb_abs(d, b, at.prec);
        acb_abs(m, a, at.prec);
        arb_mul_arf(m, m, tol, at.prec);
        arb_sub(m, m, d, at.prec);
        v = arb_is_nonnegative(m) ? RG_EQUAL : arb_is_negative(m) ? RG_DIFFERENT : RG_UNDECIDED;
        arf_clear(tol);
    }
    arb_clear(d);
    arb_clear(m);
    acb_clear(b);
    acb_clear(a);
    return rg__say(v, "decimal");
}

static rg_grading values(rg__cmp *c, rg__elem g, rg__elem p)
{
    fmpq_t a, b;
    rg_grading r;
    const int digits = decimal_digits(g, p);
    c->work -= rg__weight(g) + rg__weight(p);
    if (c->work < 0)
        return rg__say(RG_UNDECIDED, "limit");
    fmpq_init(a);
    fmpq_init(b);
    if (rg__exact(a, g) && rg__exact(b, p)) {
        r = rationals(c, a, b, digits);
    } else if (digits >= c->opt.digits && !rg__contains(g.t, g.id, rg__is_var) &&
               !rg__contains(p.t, p.id, rg__is_var)) {
        r = near_constant(c, g, p);
    } else {
        pair x = { g, p };
        r = rg__say(rg__vanishes(difference, &x, g, p, &c->work), "expression");
    }
    fmpq_clear(a);
    fmpq_clear(b);
    return r;
}

static bool is_percent(rg__elem *x)
{
    const rg__node *n = rg__at(x->t, x->id);
    return n->kind == RG__PCT || (n->kind == RG__NEG && rg__at(x->t, n->first)->kind == RG__PCT);
}

/* p% is p/100 and also the bare p; without a sign on either side no factor is forgiven. */
static rg_grading percent(rg__cmp *c, rg__elem g, rg__elem p, bool g_has)
{
    const rg_grading as_value = values(c, g, p);
    if (as_value.verdict == RG_EQUAL)
        return rg__say(RG_EQUAL, "percent");
    rg__elem *x = g_has ? &g : &p;
    const rg__node *n = rg__at(x->t, x->id);
    if (n->kind == RG__NEG) /* -5%: only as a value */
        return rg__say(as_value.verdict, "percent");
    x->id = n->first;
    return rg__say(values(c, g, p).verdict, "percent");
}

rg_grading rg__compare_scalar(rg__cmp *c, rg__elem g, rg__elem p)
{
    const int ig = rg__infinite(g), ip = rg__infinite(p);
    if (ig || ip)
        return rg__say(ig == ip ? RG_EQUAL : RG_DIFFERENT, "infinity");
    const bool pg = is_percent(&g), pp = is_percent(&p);
    if (pg != pp)
        return percent(c, g, p, pg);
    rg_grading r = values(c, g, p);
    if (pg)
        r.rule = "percent";
    return r;
}
