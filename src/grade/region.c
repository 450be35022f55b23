/* region.c - parts of the real line: intervals, unions, solved inequalities (rules 7 and 8).
 *
 * Both sides become lists of [lo, hi] pieces with open or closed ends; pieces must match one to
 * one.  An inequality that is not solved for its variable is no region. */
#include "grade_int.h"

#include "rung/base/mem.h"

enum { PIECES_MAX = 32 };

typedef struct end {
    rg__elem x;
    int infinite; /* -1, +1; 0: the value x */
    bool closed;
} end;

typedef struct piece {
    end lo, hi;
} piece;

typedef struct region {
    piece v[PIECES_MAX];
    size_t n;
    rg_str name; /* the variable of an inequality */
} region;

static end at_infinity(int sign)
{
    const end e = { { NULL, 0, 0 }, sign, false };
    return e;
}

static bool make_end(end *e, rg__elem x, bool closed)
{
    const rg__kind k = rg__at(x.t, x.id)->kind;
    e->x = x;
    e->infinite = rg__infinite(x);
    e->closed = closed && !e->infinite;
    return k != RG__BAD && k < RG__BASE;
}

static bool add(region *r, end lo, end hi)
{
    if (r->n == PIECES_MAX)
        return false;
    r->v[r->n].lo = lo;
    r->v[r->n].hi = hi;
    r->n++;
    return true;
}

static bool from_tuple(region *r, rg__elem x, const rg__node *n)
{
    end lo, hi;
    return n->n == 2 && make_end(&lo, rg__child(x, n->first), n->op == '[') &&
           make_end(&hi, rg__child(x, n->last), n->ops[0] == ']') && add(r, lo, hi);
}

static bool set_name(region *r, rg_str name)
{
    if (r->name.p && !rg_str_eq(r->name, name))
        return false;
    r->name = name;
    return true;
}

static bool is_up(char op)
{
    return op == '<' || op == 'l';
}

static bool is_down(char op)
{
    return op == '>' || op == 'g';
}

/* lo op x op hi, in the order written or backwards. */
static bool from_chain(region *r, rg__elem x, const rg__node *n)
{
    const rg__node *mid = rg__at(x.t, rg__at(x.t, n->first)->next);
    const bool up = is_up(n->ops[0]) && is_up(n->ops[1]), down = is_down(n->ops[0]) && is_down(n->ops[1]);
    const bool c0 = n->ops[0] == 'l' || n->ops[0] == 'g', c1 = n->ops[1] == 'l' || n->ops[1] == 'g';
    end a, b;
    if (mid->kind != RG__VAR || (!up && !down) || !set_name(r, mid->text))
        return false;
    if (!make_end(&a, rg__child(x, n->first), c0) || !make_end(&b, rg__child(x, n->last), c1))
        return false;
    return up ? add(r, a, b) : add(r, b, a);
}

static bool from_relation(region *r, rg__elem x, const rg__node *n)
{
    if (n->n == 3)
        return from_chain(r, x, n);
    const rg__node *left = rg__at(x.t, n->first), *right = rg__at(x.t, n->last);
    const bool closed = n->ops[0] == 'l' || n->ops[0] == 'g';
    const bool v_left = left->kind == RG__VAR, v_right = right->kind == RG__VAR;
    end e;
    if (n->n != 2 || v_left == v_right || (!is_up(n->ops[0]) && !is_down(n->ops[0])))
        return false;
    const uint32_t bound = v_left ? n->last : n->first;
    if (rg__contains(x.t, bound, rg__is_var) || !make_end(&e, rg__child(x, bound), closed) ||
        !set_name(r, v_left ? left->text : right->text))
        return false;
    const bool below = is_up(n->ops[0]) == v_left; /* x < e */
    return below ? add(r, at_infinity(-1), e) : add(r, e, at_infinity(1));
}

static bool collect(region *r, rg__elem x)
{
    x = rg__bare(x);
    const rg__node *n = rg__at(x.t, x.id);
    end e;
    switch (n->kind) {
    case RG__TUPLE: return from_tuple(r, x, n);
    case RG__REL: return from_relation(r, x, n);
    case RG__REALS: return add(r, at_infinity(-1), at_infinity(1));
    case RG__UNION:
    case RG__LIST:
    case RG__SET:
        for (uint32_t c = n->first; c; c = rg__at(x.t, c)->next) {
            const rg__kind k = rg__at(x.t, c)->kind;
            if (n->kind == RG__SET ? !(make_end(&e, rg__child(x, c), true) && add(r, e, e))
                                   : k < RG__BASE || !collect(r, rg__child(x, c)))
                return false;
        }
        return true;
    default: return false;
    }
}

/* x > -2 and x < 7 is one piece. */
static void intersect(region *r)
{
    piece *a = &r->v[0], *b = &r->v[1];
    if (a->lo.infinite == -1 && b->hi.infinite == 1) {
        a->lo = b->lo;
        r->n = 1;
    } else if (a->hi.infinite == 1 && b->lo.infinite == -1) {
        a->hi = b->hi;
        r->n = 1;
    }
}

static bool make(region *r, rg__elem x)
{
    r->n = 0;
    r->name = rg_str_n(NULL, 0);
    if (!collect(r, x))
        return false;
    const rg__node *n = rg__at(x.t, x.id);
    if (n->kind == RG__LIST && n->op == '&') {
        if (r->n != 2)
            return false;
        intersect(r);
        return r->n == 1;
    }
    return r->n > 0;
}

/* Does x speak of a region by its form alone?  (a,b) alone does not: it may be a point. */
bool rg__is_region(rg__elem x)
{
    x = rg__bare(x);
    const rg__node *n = rg__at(x.t, x.id);
    if (n->kind == RG__LIST) {
        for (uint32_t c = n->first; c; c = rg__at(x.t, c)->next)
            if (rg__at(x.t, c)->kind != RG__REL || !rg__is_region(rg__child(x, c)))
                return false;
        return true;
    }
    return n->kind == RG__UNION || n->kind == RG__REALS ||
           (n->kind == RG__REL && n->ops[0] != '=' && n->ops[0] != 'n') ||
           (n->kind == RG__TUPLE && n->n == 2 && (n->op == '(') != (n->ops[0] == ')'));
}

static rg_verdict same_end(rg__cmp *c, const end *a, const end *b)
{
    if (a->infinite || b->infinite)
        return a->infinite == b->infinite ? RG_EQUAL : RG_DIFFERENT;
    return a->closed != b->closed ? RG_DIFFERENT : rg__compare_scalar(c, a->x, b->x).verdict;
}

static rg_verdict same_piece(rg__cmp *c, const piece *a, const piece *b)
{
    const rg_verdict lo = same_end(c, &a->lo, &b->lo);
    return lo == RG_EQUAL ? same_end(c, &a->hi, &b->hi) : lo;
}

rg_grading rg__compare_region(rg__cmp *c, rg__elem g, rg__elem p)
{
    region a, b;
    bool used[PIECES_MAX] = { false };
    if (!make(&a, g) || !make(&b, p)) {
        const bool both = rg__at(g.t, g.id)->kind == RG__REL && rg__at(p.t, p.id)->kind == RG__REL;
        return both ? rg__compare_relation(c, g, p) : rg__say(RG_DIFFERENT, "interval");
    }
    if (a.n != b.n || (a.name.p && b.name.p && !rg_str_eq(a.name, b.name)))
        return rg__say(RG_DIFFERENT, "interval");
    for (size_t i = 0; i < a.n; i++) {
        rg_verdict best = RG_DIFFERENT;
        for (size_t j = 0; j < b.n && best != RG_EQUAL; j++) {
            const rg_verdict v = used[j] ? RG_DIFFERENT : same_piece(c, &a.v[i], &b.v[j]);
            used[j] = used[j] || v == RG_EQUAL;
            best = v == RG_DIFFERENT ? best : v;
        }
        if (best != RG_EQUAL)
            return rg__say(best, "interval");
    }
    return rg__say(RG_EQUAL, "interval");
}
