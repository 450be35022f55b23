/* sample.c - does a difference vanish?  Certified "no"; "yes" to far beyond chance.
 *
 * A ball that excludes zero proves a difference: one point is enough.  A ball around zero that
 * is narrower than 2^-100 of its terms (and 2^-64 absolutely) agrees; at random points with 64
 * random bits a non-zero rational expression vanishes with negligible probability
 * (Schwartz 1980; Zippel 1979).  Constants need one point, expressions POINTS of them. */
#include "grade_int.h"

#include "rung/base/mem.h"

enum { POINTS = 8, POINTS_MIN = 4, TRIES = 40, COMPLEX_POINTS = 3 };

typedef enum look { SAME, OTHER, UNUSABLE, SPENT } look;

static bool narrow(const acb_t z, const arb_t scale)
{
    mag_t rad, size;
    mag_init(rad);
    mag_init(size);
    acb_get_mag(rad, z);
    arb_get_mag(size, scale);
    mag_mul_2exp_si(size, size, -100);
    const bool yes =
        mag_cmp_2exp_si(rad, -64) < 0 && (mag_cmp(rad, size) < 0 || mag_cmp_2exp_si(rad, -100) < 0);
    mag_clear(rad);
    mag_clear(size);
    return yes;
}

static look look_at(rg__zero_fn fn, void *arg, rg__point *at, long *work)
{
    static const long precisions[] = { 128, 384, 1536, 6144 };
    acb_t z;
    arb_t scale;
    look l = UNUSABLE;
    acb_init(z);
    arb_init(scale);
    for (size_t k = 0; k < RG_COUNT(precisions) && l == UNUSABLE; k++) {
        at->prec = precisions[k];
        const rg__ev ev = fn(z, scale, arg, at, work);
        if (ev == RG__EV_LIMIT || ev == RG__EV_TYPE)
            l = SPENT;
        else if (ev == RG__EV_OK && !acb_contains_zero(z))
            l = OTHER;
        else if (ev == RG__EV_OK && narrow(z, scale) && at->prec > 128)
            l = SAME;
        else if (ev == RG__EV_UNDEF && k > 0)
            break;
    }
    acb_clear(z);
    arb_clear(scale);
    return l;
}

/* Looks at up to `tries` points until `want` agree.  Counts the agreeing ones. */
static look scan(rg__zero_fn fn, void *arg, rg__point at, int want, int tries, int *agreed, long *work)
{
    *agreed = 0;
    for (int i = 0; i < tries && *agreed < want; i++) {
        at.index = (uint64_t)i;
        const look l = look_at(fn, arg, &at, work);
        if (l == OTHER || l == SPENT)
            return l;
        *agreed += l == SAME;
    }
    return SAME;
}

static bool is_discrete(const rg__node *n)
{
    return n->kind == RG__FUNC && (n->a == RG__F_FLOOR || n->a == RG__F_CEIL || n->a >= RG__F_GCD);
}

/* Roots, logarithms, moduli and the like: compared at positive reals only. */
static bool is_branched(const rg__node *n)
{
    return n->kind == RG__ROOT || n->kind == RG__POW || is_discrete(n) ||
           (n->kind == RG__FUNC &&
            (n->a == RG__F_LN || n->a == RG__F_LG || (n->a >= RG__F_ASIN && n->a <= RG__F_ATAN)));
}

static bool has_branches(rg__elem x)
{
    const rg__node *n = rg__at(x.t, x.id);
    /* An integer power has no branches. */
    if (n->kind == RG__POW && rg__at(x.t, n->last)->kind == RG__NUM && rg__at(x.t, n->last)->a < 0)
        return has_branches(rg__child(x, n->first));
    if (is_branched(n))
        return true;
    for (uint32_t c = n->first; c; c = rg__at(x.t, c)->next)
        if (has_branches(rg__child(x, c)))
            return true;
    return false;
}

static bool has(rg__elem x, bool (*is)(const rg__node *n))
{
    return rg__contains(x.t, x.id, is);
}

static rg_verdict verdict(look l, int agreed, int min)
{
    return l == OTHER ? RG_DIFFERENT : l == SPENT || agreed < min ? RG_UNDECIDED : RG_EQUAL;
}

rg_verdict rg__vanishes(rg__zero_fn fn, void *arg, rg__elem g, rg__elem p, long *work)
{
    rg__point at = { .domain = RG__D_REAL };
    int agreed;
    if (!has(g, rg__is_var) && !has(p, rg__is_var)) {
        const look l = scan(fn, arg, at, 1, 1, &agreed, work);
        return verdict(l, agreed, 1);
    }
    /* Both sides round: the variables count something, so whole numbers decide. */
    if (has(g, is_discrete) && has(p, is_discrete)) {
        at.domain = RG__D_INTEGER;
        const look l = scan(fn, arg, at, 24, TRIES, &agreed, work);
        return verdict(l, agreed, 12);
    }
    if (!has_branches(g) && !has_branches(p)) {
        at.domain = RG__D_COMPLEX;
        const look l = scan(fn, arg, at, COMPLEX_POINTS, COMPLEX_POINTS, &agreed, work);
        if (l != SAME)
            return verdict(l, agreed, 0);
        at.domain = RG__D_REAL;
    }
    at.strict = true;
    look l = scan(fn, arg, at, POINTS, TRIES, &agreed, work);
    if (l == SAME && agreed < POINTS_MIN) { /* defined almost nowhere: principal values */
        at.strict = false;
        l = scan(fn, arg, at, POINTS, TRIES, &agreed, work);
    }
    return verdict(l, agreed, POINTS_MIN);
}
