/* eval.c - values as Arb balls: every result contains the true value.
 *
 * Magnitudes are bounded before a function is called, so that no argument can make Arb work
 * for long or ask for absurd memory.  Powers and logarithms take principal values; an odd root
 * of a negative real is the negative real one. */
#include "grade_int.h"

#include "rung/base/rng.h"

enum { EXPONENT_MAX = 1 << 20, VALUE_BITS_MAX = 1 << 21, GAMMA_BITS_MAX = 12 };

typedef struct evaluation {
    const rg__point *at;
    long *work;
    bool angle; /* inside a trigonometric function: degrees convert */
} evaluation;

static rg__ev eval(acb_t z, rg__elem x, evaluation *e);

/* Is |z| certainly below 2^bits? */
static bool below(const acb_t z, long bits)
{
    mag_t m;
    mag_init(m);
    acb_get_mag(m, z);
    const bool yes = mag_cmp_2exp_si(m, bits) < 0;
    mag_clear(m);
    return yes;
}

static bool real_negative(const acb_t z)
{
    return acb_is_real(z) && arb_is_negative(acb_realref(z));
}

static bool tiny_integer(long *k, const acb_t z, long max)
{
    if (!acb_is_int(z) || !below(z, 40))
        return false;
    *k = arf_get_si(arb_midref(acb_realref(z)), ARF_RND_DOWN);
    return *k <= max && *k >= -max;
}

/* ---- variables --------------------------------------------------------------------------- */

/* Braces and blanks do not make another name: x_{1} is x_1. */
static uint64_t name_stream(rg_str s)
{
    char name[64];
    size_t n = 0;
    for (size_t i = 0; i < s.n && n < sizeof name; i++)
        if (!strchr("{} \\", s.p[i]))
            name[n++] = s.p[i];
    return rg_hash64(name, n, 0x6772616465);
}

/* 0.5 + 2.5 u / 2^64 */
static void draw(arb_t r, uint64_t stream, uint64_t index, long prec)
{
    arb_set_ui(r, rg_draw_u64(stream, index, RG_DRAW_NOISE));
    arb_mul_ui(r, r, 5, prec + 80);
    arb_mul_2exp_si(r, r, -65);
    arf_t half;
    arf_init(half);
    arf_set_d(half, 0.5);
    arb_add_arf(r, r, half, prec + 80);
    arf_clear(half);
}

static void variable(acb_t z, const rg__node *n, const evaluation *e)
{
    const uint64_t s = name_stream(n->text);
    acb_zero(z);
    if (e->at->domain == RG__D_INTEGER) {
        acb_set_ui(z, 1 + rg_draw_u64(s, e->at->index, RG_DRAW_NOISE) % 60);
        return;
    }
    draw(acb_realref(z), s, e->at->index, e->at->prec);
    if (e->at->domain == RG__D_COMPLEX) {
        draw(acb_imagref(z), s, e->at->index + (1ULL << 40), e->at->prec);
        if (rg_draw_u64(s, e->at->index + (2ULL << 40), RG_DRAW_NOISE) & 1)
            acb_neg(z, z);
    }
}

/* ---- powers and roots ---------------------------------------------------------------------- */

static rg__ev power(acb_t z, const acb_t b, const acb_t y, const evaluation *e)
{
    if (!below(y, 20) || !below(b, VALUE_BITS_MAX))
        return RG__EV_LIMIT;
    if (acb_contains_zero(b) && !(acb_is_int(y) && arb_is_positive(acb_realref(y))))
        return acb_is_zero(b) && acb_is_real(y) && arb_is_positive(acb_realref(y)) ? (acb_zero(z), RG__EV_OK)
                                                                                   : RG__EV_UNDEF;
    if (e->at->strict && real_negative(b) && !acb_is_int(y))
        return RG__EV_UNDEF;
    acb_pow(z, b, y, e->at->prec);
    return RG__EV_OK;
}

static rg__ev nth_root(acb_t z, const acb_t b, const acb_t index, const evaluation *e)
{
    long k;
    if (!tiny_integer(&k, index, 10000) || k < 2)
        return RG__EV_UNDEF;
    if (real_negative(b) && k % 2 == 0 && e->at->strict)
        return RG__EV_UNDEF;
    if (real_negative(b) && k % 2 == 1) {
        acb_neg(z, b);
        acb_root_ui(z, z, (ulong)k, e->at->prec);
        acb_neg(z, z);
    } else {
        acb_root_ui(z, b, (ulong)k, e->at->prec);
    }
    return RG__EV_OK;
}

/* ---- functions ------------------------------------------------------------------------------ */

static rg__ev logarithm(acb_t z, const acb_t a, const evaluation *e)
{
    if (acb_contains_zero(a) || (e->at->strict && real_negative(a)))
        return RG__EV_UNDEF;
    acb_log(z, a, e->at->prec);
    return RG__EV_OK;
}

static rg__ev to_integer(acb_t z, const acb_t a, rg__fn fn, const evaluation *e)
{
    if (!acb_is_real(a) || !below(a, 4096))
        return RG__EV_UNDEF;
    (fn == RG__F_FLOOR ? arb_floor : arb_ceil)(acb_realref(z), acb_realref(a), e->at->prec + 4096);
    arb_zero(acb_imagref(z));
    return RG__EV_OK;
}

static rg__ev apply(acb_t z, rg__fn fn, const acb_t a, const evaluation *e)
{
    const long prec = e->at->prec;
    if (!below(a, fn == RG__F_FLOOR || fn == RG__F_CEIL || fn == RG__F_ABS || fn == RG__F_LN || fn == RG__F_LG
                      ? VALUE_BITS_MAX
                      : 20))
        return RG__EV_LIMIT;
    switch (fn) {
    case RG__F_SIN: acb_sin(z, a, prec); break;
    case RG__F_COS: acb_cos(z, a, prec); break;
    case RG__F_TAN: acb_tan(z, a, prec); break;
    case RG__F_COT: acb_cot(z, a, prec); break;
    case RG__F_SEC: acb_sec(z, a, prec); break;
    case RG__F_CSC: acb_csc(z, a, prec); break;
    case RG__F_ASIN: acb_asin(z, a, prec); break;
    case RG__F_ACOS: acb_acos(z, a, prec); break;
    case RG__F_ATAN: acb_atan(z, a, prec); break;
    case RG__F_SINH: acb_sinh(z, a, prec); break;
    case RG__F_COSH: acb_cosh(z, a, prec); break;
    case RG__F_TANH: acb_tanh(z, a, prec); break;
    case RG__F_EXP: acb_exp(z, a, prec); break;
    case RG__F_LN:
    case RG__F_LG: return logarithm(z, a, e);
    case RG__F_ABS:
        acb_abs(acb_realref(z), a, prec);
        arb_zero(acb_imagref(z));
        break;
    case RG__F_FLOOR:
    case RG__F_CEIL: return to_integer(z, a, fn, e);
    default: return RG__EV_TYPE;
    }
    return RG__EV_OK;
}

static bool is_trigonometric(rg__fn fn)
{
    return fn >= RG__F_SIN && fn <= RG__F_CSC;
}

/* max and min of reals; gcd and lcm only where exact.c could not: undefined. */
static rg__ev extreme(acb_t z, rg__elem x, const rg__node *n, evaluation *e)
{
    acb_t a;
    rg__ev ev = eval(z, rg__child(x, n->first), e);
    acb_init(a);
    for (uint32_t c = rg__at(x.t, n->first)->next; c && ev == RG__EV_OK; c = rg__at(x.t, c)->next) {
        ev = eval(a, rg__child(x, c), e);
        if (ev == RG__EV_OK && (!acb_is_real(z) || !acb_is_real(a) || n->a < RG__F_MAX))
            ev = RG__EV_UNDEF;
        if (ev == RG__EV_OK)
            (n->a == RG__F_MAX ? arb_max : arb_min)(acb_realref(z), acb_realref(z), acb_realref(a),
                                                    e->at->prec);
    }
    acb_clear(a);
    return ev;
}

static rg__ev function(acb_t z, rg__elem x, const rg__node *n, evaluation *e)
{
    const rg__fn fn = (rg__fn)n->a;
    if (fn >= RG__F_GCD)
        return extreme(z, x, n, e);
    acb_t a;
    const bool angle = e->angle;
    acb_init(a);
    e->angle = angle || is_trigonometric(fn);
    rg__ev ev = eval(a, rg__child(x, n->first), e);
    e->angle = angle;
    if (ev == RG__EV_OK)
        ev = apply(z, fn, a, e);
    if (ev == RG__EV_OK && (fn == RG__F_LG || n->n == 2)) { /* another base */
        acb_set_ui(a, 10);
        if (n->n == 2)
            ev = eval(a, rg__child(x, n->last), e);
        if (ev == RG__EV_OK)
            ev = logarithm(a, a, e);
        if (ev == RG__EV_OK && acb_contains_zero(a))
            ev = RG__EV_UNDEF;
        if (ev == RG__EV_OK)
            acb_div(z, z, a, e->at->prec);
    }
    acb_clear(a);
    return ev;
}

/* x! = Gamma(x + 1) */
static rg__ev factorial(acb_t z, const evaluation *e)
{
    if (!below(z, GAMMA_BITS_MAX))
        return RG__EV_LIMIT;
    acb_add_ui(z, z, 1, e->at->prec);
    acb_gamma(z, z, e->at->prec);
    return RG__EV_OK;
}

/* C(n,k) = Gamma(n+1) / (Gamma(k+1) Gamma(n-k+1)) */
static rg__ev binomial(acb_t z, const acb_t n, const acb_t k, const evaluation *e)
{
    const long prec = e->at->prec;
    if (!below(n, GAMMA_BITS_MAX) || !below(k, GAMMA_BITS_MAX))
        return RG__EV_LIMIT;
    acb_t t;
    acb_init(t);
    acb_sub(t, n, k, prec);
    acb_add_ui(t, t, 1, prec);
    acb_rgamma(t, t, prec);
    acb_add_ui(z, n, 1, prec);
    acb_gamma(z, z, prec);
    acb_mul(z, z, t, prec);
    acb_add_ui(t, k, 1, prec);
    acb_rgamma(t, t, prec);
    acb_mul(z, z, t, prec);
    acb_clear(t);
    return RG__EV_OK;
}

/* ---- the tree -------------------------------------------------------------------------------- */

static rg__ev join(acb_t z, const acb_t a, const acb_t b, rg__kind kind, const evaluation *e)
{
    switch (kind) {
    case RG__ADD: acb_add(z, a, b, e->at->prec); return RG__EV_OK;
    case RG__MUL: acb_mul(z, a, b, e->at->prec); return RG__EV_OK;
    case RG__DIV:
        if (acb_contains_zero(b))
            return RG__EV_UNDEF;
        acb_div(z, a, b, e->at->prec);
        return RG__EV_OK;
    case RG__POW: return power(z, a, b, e);
    case RG__ROOT: return nth_root(z, a, b, e);
    case RG__BINOM: return binomial(z, a, b, e);
    default: return RG__EV_TYPE;
    }
}

static rg__ev fold(acb_t z, rg__elem x, const rg__node *n, evaluation *e)
{
    acb_t a, b;
    acb_init(a);
    acb_init(b);
    rg__ev ev = eval(a, rg__child(x, n->first), e);
    if (n->kind == RG__ROOT && n->n == 1 && ev == RG__EV_OK) {
        acb_set_ui(b, 2);
        ev = nth_root(a, a, b, e);
    }
    for (uint32_t c = rg__at(x.t, n->first)->next; c && ev == RG__EV_OK; c = rg__at(x.t, c)->next) {
        ev = eval(b, rg__child(x, c), e);
        if (ev == RG__EV_OK)
            ev = join(z, a, b, n->kind, e);
        acb_set(a, z);
    }
    if (ev == RG__EV_OK)
        acb_set(z, a);
    acb_clear(a);
    acb_clear(b);
    return ev;
}

static rg__ev numeral(acb_t z, rg__elem x, const evaluation *e)
{
    fmpq_t q;
    fmpq_init(q);
    const bool ok = rg__exact(q, x);
    acb_set_fmpq(z, q, e->at->prec);
    fmpq_clear(q);
    return ok ? RG__EV_OK : RG__EV_LIMIT;
}

static rg__ev unary(acb_t z, rg__elem x, const rg__node *n, evaluation *e)
{
    const rg__ev ev = eval(z, rg__child(x, n->first), e);
    if (ev != RG__EV_OK)
        return ev;
    if (n->kind == RG__NEG || (n->kind == RG__PM && (x.sign < 0) != (n->op == '-')))
        acb_neg(z, z);
    if (n->kind == RG__PM && x.sign == 0)
        return RG__EV_TYPE;
    if (n->kind == RG__PCT)
        acb_div_ui(z, z, 100, e->at->prec);
    if (n->kind == RG__FACT)
        return factorial(z, e);
    if (n->kind == RG__DEG && e->angle) {
        acb_t pi;
        acb_init(pi);
        acb_const_pi(pi, e->at->prec);
        acb_mul(z, z, pi, e->at->prec);
        acb_div_ui(z, z, 180, e->at->prec);
        acb_clear(pi);
    }
    return RG__EV_OK;
}

static long cost(const rg__node *n, long prec)
{
    const long heavy = n->kind == RG__FUNC || n->kind == RG__POW || n->kind == RG__ROOT ? 8
                       : n->kind == RG__FACT || n->kind == RG__BINOM                    ? 40
                                                                                        : 1;
    return heavy * (1 + prec / 256);
}

static rg__ev eval(acb_t z, rg__elem x, evaluation *e)
{
    const rg__node *n = rg__at(x.t, x.id);
    rg__ev ev = RG__EV_OK;
    *e->work -= cost(n, e->at->prec);
    if (*e->work < 0)
        return RG__EV_LIMIT;
    switch (n->kind) {
    case RG__NUM: return numeral(z, x, e);
    case RG__PI: acb_const_pi(z, e->at->prec); return RG__EV_OK;
    case RG__E:
        arb_const_e(acb_realref(z), e->at->prec);
        arb_zero(acb_imagref(z));
        return RG__EV_OK;
    case RG__I: acb_onei(z); return RG__EV_OK;
    case RG__VAR: variable(z, n, e); return RG__EV_OK;
    case RG__NEG:
    case RG__PCT:
    case RG__DEG:
    case RG__PM:
    case RG__FACT: ev = unary(z, x, n, e); break;
    case RG__FUNC: ev = function(z, x, n, e); break;
    case RG__ADD:
    case RG__MUL:
    case RG__DIV:
    case RG__POW:
    case RG__ROOT:
    case RG__BINOM: ev = fold(z, x, n, e); break;
    default: return RG__EV_TYPE;
    }
    if (ev == RG__EV_OK && !acb_is_finite(z))
        return RG__EV_UNDEF;
    return ev == RG__EV_OK && !below(z, VALUE_BITS_MAX) ? RG__EV_LIMIT : ev;
}

rg__ev rg__eval(acb_t z, rg__elem x, const rg__point *at, long *work)
{
    evaluation e = { at, work, false };
    return eval(z, x, &e);
}
