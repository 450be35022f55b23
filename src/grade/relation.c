/* relation.c - equations and inequalities as wholes (rules 6 and 7): both sides go left, and
 * the two differences must be proportional. */
#include "grade_int.h"

typedef struct relations {
    rg__elem l1, r1, l2, r2;
    bool flip; /* the second inequality points the other way */
} relations;

static rg__ev side(acb_t d, rg__elem l, rg__elem r, const rg__point *at, long *work)
{
    acb_t t;
    acb_init(t);
    rg__ev ev = rg__eval(d, l, at, work);
    if (ev == RG__EV_OK)
        ev = rg__eval(t, r, at, work);
    if (ev == RG__EV_OK)
        acb_sub(d, d, t, at->prec);
    acb_clear(t);
    return ev;
}

static rg__point reference(const rg__point *at)
{
    rg__point q = *at;
    q.index = at->index + 1000;
    return q;
}

/* d1(x) d2(q) - d1(q) d2(x), q a second random point. */
static rg__ev cross(acb_t z, arb_t scale, void *arg, const rg__point *at, long *work)
{
    const relations *x = arg;
    const rg__point q = reference(at);
    acb_t a, b, c, d;
    acb_init(a);
    acb_init(b);
    acb_init(c);
    acb_init(d);
    rg__ev ev = side(a, x->l1, x->r1, at, work);
    if (ev == RG__EV_OK)
        ev = side(b, x->l2, x->r2, &q, work);
    if (ev == RG__EV_OK)
        ev = side(c, x->l1, x->r1, &q, work);
    if (ev == RG__EV_OK)
        ev = side(d, x->l2, x->r2, at, work);
    if (ev == RG__EV_OK && (acb_contains_zero(b) || acb_contains_zero(c)))
        ev = RG__EV_UNDEF;
    if (ev == RG__EV_OK) {
        acb_mul(a, a, b, at->prec);
        acb_mul(c, c, d, at->prec);
        acb_sub(z, a, c, at->prec);
        acb_abs(scale, a, at->prec);
    }
    acb_clear(a);
    acb_clear(b);
    acb_clear(c);
    acb_clear(d);
    return ev;
}

/* Inequalities: is the factor between the differences certainly positive (negative if flip)? */
static bool same_direction(const relations *x, long *work)
{
    bool yes = false;
    for (uint64_t i = 0; i < 16 && !yes; i++) {
        const rg__point at = { .index = i, .prec = 192, .strict = true };
        acb_t a, b;
        acb_init(a);
        acb_init(b);
        const bool ok = side(a, x->l1, x->r1, &at, work) == RG__EV_OK &&
                        side(b, x->l2, x->r2, &at, work) == RG__EV_OK && !acb_contains_zero(b);
        if (ok) {
            acb_div(a, a, b, at.prec);
            yes = x->flip ? arb_is_negative(acb_realref(a)) : arb_is_positive(acb_realref(a));
            i = 16;
        }
        acb_clear(a);
        acb_clear(b);
    }
    return yes;
}

static bool points_left(char op)
{
    return op == '>' || op == 'g';
}

static char direction(char op)
{
    return op == '>' ? '<' : op == 'g' ? 'l' : op;
}

/* The sides of an n-chain as one expression each are not compared: only two-sided relations. */
rg_grading rg__compare_relation(rg__cmp *c, rg__elem g, rg__elem p)
{
    const rg__node *a = rg__at(g.t, g.id), *b = rg__at(p.t, p.id);
    const char *rule = a->ops[0] == '=' ? "equation" : "inequality";
    if (a->n != b->n)
        return rg__say(RG_DIFFERENT, rule);
    if (a->n > 2) {
        rg_grading r = rg__say(RG_EQUAL, rule);
        for (uint32_t i = a->first, j = b->first; i && j && r.verdict == RG_EQUAL;
             i = rg__at(g.t, i)->next, j = rg__at(p.t, j)->next)
            r.verdict = rg__compare(c, rg__child(g, i), rg__child(p, j)).verdict;
        return memcmp(a->ops, b->ops, sizeof a->ops) == 0 ? r : rg__say(RG_DIFFERENT, rule);
    }
    relations x = { rg__child(g, a->first), rg__child(g, a->last), rg__child(p, b->first),
                    rg__child(p, b->last), points_left(a->ops[0]) != points_left(b->ops[0]) };
    if (direction(a->ops[0]) != direction(b->ops[0]))
        return rg__say(RG_DIFFERENT, rule);
    const rg_verdict v = rg__vanishes(cross, &x, g, p, &c->work);
    const bool signless = a->ops[0] == '=' || a->ops[0] == 'n';
    if (v == RG_EQUAL && !signless && !same_direction(&x, &c->work))
        return rg__say(RG_DIFFERENT, rule);
    return rg__say(v, rule);
}
