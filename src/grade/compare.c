/* compare.c - the rules of section 16.4 by the types of the two sides. */
#include "grade_int.h"

#include "rung/base/mem.h"

static const rg__node *node(rg__elem x)
{
    return rg__at(x.t, x.id);
}

rg__elem rg__bare(rg__elem x)
{
    for (;;) {
        const rg__node *n = node(x);
        if (n->kind == RG__DEG)
            x.id = n->first;
        else if (n->kind == RG__REL && n->n == 2 && n->ops[0] == 'i')
            x.id = n->last;
        else
            return x;
    }
}

bool rg__solved(rg__elem *rhs, rg__elem x)
{
    const rg__node *n = node(x);
    if (n->kind != RG__REL)
        return false;
    for (uint32_t i = 0; i + 1 < n->n; i++)
        if (n->ops[i] != '=')
            return false;
    const rg__kind left = rg__at(x.t, n->first)->kind;
    *rhs = rg__child(x, n->last);
    return left == RG__VAR || left == RG__CALL;
}

static bool is_listish(rg__elem x)
{
    const rg__kind k = node(x)->kind;
    return k == RG__LIST || k == RG__SET || (k < RG__BASE && rg__contains(x.t, x.id, rg__is_pm));
}

static size_t put(rg__elem *v, size_t n, rg__elem x)
{
    if (n == SIZE_MAX || n + 2 > RG__ELEMS_MAX)
        return SIZE_MAX;
    if (x.sign == 0 && rg__contains(x.t, x.id, rg__is_pm)) {
        x.sign = 1;
        v[n++] = x;
        x.sign = -1;
    }
    v[n++] = x;
    return n;
}

size_t rg__expand(rg__elem *v, rg__elem x)
{
    const rg__kind k = node(x)->kind;
    size_t n = 0;
    if (k != RG__LIST && k != RG__SET)
        return put(v, 0, x);
    for (uint32_t c = node(x)->first; c; c = rg__at(x.t, c)->next)
        n = put(v, n, rg__child(x, c));
    return n;
}

/* Element by element, in order. */
static rg_grading ordered(rg__cmp *c, rg__elem g, rg__elem p, const char *rule)
{
    rg_verdict all = RG_EQUAL;
    if (node(g)->n != node(p)->n)
        return rg__say(RG_DIFFERENT, rule);
    for (uint32_t i = node(g)->first, j = node(p)->first; i && j && all != RG_DIFFERENT;
         i = rg__at(g.t, i)->next, j = rg__at(p.t, j)->next) {
        const rg_verdict v = rg__compare(c, rg__child(g, i), rg__child(p, j)).verdict;
        all = v == RG_EQUAL ? all : v;
    }
    return rg__say(all, rule);
}

/* As multisets: each element of gold takes one equal element of pred. */
static rg_grading unordered(rg__cmp *c, rg__elem g, rg__elem p, const char *rule)
{
    rg__elem a[RG__ELEMS_MAX], b[RG__ELEMS_MAX];
    bool used[RG__ELEMS_MAX] = { false };
    const size_t n = rg__expand(a, g), m = rg__expand(b, p);
    if (n == SIZE_MAX || m == SIZE_MAX)
        return rg__say(RG_UNDECIDED, "limit");
    if (n != m)
        return rg__say(RG_DIFFERENT, rule);
    for (size_t i = 0; i < n; i++) {
        rg_verdict best = RG_DIFFERENT;
        for (size_t j = 0; j < m && best != RG_EQUAL; j++) {
            const rg_verdict v = used[j] ? RG_DIFFERENT : rg__compare(c, a[i], b[j]).verdict;
            used[j] = used[j] || v == RG_EQUAL;
            best = v == RG_DIFFERENT ? best : v;
        }
        if (best != RG_EQUAL)
            return rg__say(best, rule);
    }
    return rg__say(RG_EQUAL, rule);
}

static rg_grading base_numerals(const rg__cmp *c, rg__elem g, rg__elem p)
{
    const rg__node *a = node(g), *b = node(p);
    rg_str x = a->text, y = b->text;
    while (x.n > 1 && x.p[0] == '0')
        x = rg_str_n(x.p + 1, x.n - 1);
    while (y.n > 1 && y.p[0] == '0')
        y = rg_str_n(y.p + 1, y.n - 1);
    const bool based = a->kind == b->kind, bare = a->kind == RG__NUM || b->kind == RG__NUM;
    const bool same = rg_str_eq(x, y) && ((based && a->a == b->a) || (bare && c->opt.lenient_base));
    return rg__say(same ? RG_EQUAL : RG_DIFFERENT, "base");
}

/* a : b = c : d when ad = bc, neither side zero; longer ratios by each pair of neighbours. */
static rg_grading ratios(rg__cmp *c, rg__elem g, rg__elem p)
{
    fmpq_t a, b, x, y;
    rg_verdict v = RG_EQUAL;
    if (node(g)->n != node(p)->n)
        return rg__say(RG_DIFFERENT, "ratio");
    fmpq_init(a);
    fmpq_init(b);
    fmpq_init(x);
    fmpq_init(y);
    for (uint32_t i = node(g)->first, j = node(p)->first; rg__at(g.t, i)->next && v == RG_EQUAL;
         i = rg__at(g.t, i)->next, j = rg__at(p.t, j)->next) {
        c->work -= rg__weight(g) + rg__weight(p);
        if (c->work < 0) {
            v = RG_UNDECIDED;
            break;
        }
        if (!rg__exact(a, rg__child(g, i)) || !rg__exact(b, rg__child(g, rg__at(g.t, i)->next)) ||
            !rg__exact(x, rg__child(p, j)) || !rg__exact(y, rg__child(p, rg__at(p.t, j)->next))) {
            v = ordered(c, g, p, "ratio").verdict;
            break;
        }
        fmpq_mul(a, a, y);
        fmpq_mul(b, b, x);
        v = fmpq_equal(a, b) && !fmpq_is_zero(x) ? RG_EQUAL : RG_DIFFERENT;
    }
    fmpq_clear(a);
    fmpq_clear(b);
    fmpq_clear(x);
    fmpq_clear(y);
    return rg__say(v, "ratio");
}

/* [[1,2],[3,4]] is a matrix of so many rows and columns. */
static bool rows_of(rg__elem x, int32_t *rows, int32_t *columns)
{
    const rg__node *n = node(x);
    if (n->kind == RG__MATRIX) {
        *rows = n->a;
        *columns = n->b;
        return true;
    }
    if (n->kind != RG__TUPLE || n->op != '[' || n->ops[0] != ']')
        return false;
    *rows = (int32_t)n->n;
    *columns = -1;
    for (uint32_t c = n->first; c; c = rg__at(x.t, c)->next) {
        const rg__node *row = rg__at(x.t, c);
        if (row->kind != RG__TUPLE || row->op != '[' || (*columns >= 0 && *columns != (int32_t)row->n))
            return false;
        *columns = (int32_t)row->n;
    }
    return true;
}

static size_t cells(rg__elem *v, rg__elem x)
{
    size_t n = 0;
    for (uint32_t c = node(x)->first; c; c = rg__at(x.t, c)->next) {
        const bool row = rg__at(x.t, c)->kind == RG__TUPLE;
        for (uint32_t d = row ? rg__at(x.t, c)->first : c; d; d = row ? rg__at(x.t, d)->next : 0) {
            if (n == RG__ELEMS_MAX)
                return SIZE_MAX;
            v[n++] = rg__child(x, d);
        }
    }
    return n;
}

static rg_grading matrices(rg__cmp *c, rg__elem g, rg__elem p)
{
    rg__elem a[RG__ELEMS_MAX], b[RG__ELEMS_MAX];
    int32_t r1, c1, r2, c2;
    if (!rows_of(g, &r1, &c1) || !rows_of(p, &r2, &c2) || r1 != r2 || c1 != c2)
        return rg__say(RG_DIFFERENT, "matrix");
    const size_t n = cells(a, g), m = cells(b, p);
    if (n == SIZE_MAX || m == SIZE_MAX)
        return rg__say(RG_UNDECIDED, "limit");
    rg_verdict all = n == m ? RG_EQUAL : RG_DIFFERENT;
    for (size_t i = 0; i < n && all != RG_DIFFERENT; i++) {
        const rg_verdict v = rg__compare(c, a[i], b[i]).verdict;
        all = v == RG_EQUAL ? all : v;
    }
    return rg__say(all, "matrix");
}

static rg_grading tuples(rg__cmp *c, rg__elem g, rg__elem p)
{
    const rg__node *a = node(g), *b = node(p);
    const bool brackets = a->op == b->op && a->ops[0] == b->ops[0];
    /* Three or more elements are no interval, whatever encloses them. */
    if (!brackets && (a->n == 2 || b->n == 2))
        return rg__say(RG_DIFFERENT, "interval");
    return ordered(c, g, p,
                   brackets && a->n == 2 && (a->op == '[' || a->ops[0] == ']') ? "interval" : "tuple");
}

static rg_grading relations(rg__cmp *c, rg__elem g, rg__elem p, bool gs, bool ps, rg__elem rg, rg__elem rp)
{
    const bool both = node(g)->kind == RG__REL && node(p)->kind == RG__REL;
    if (!both) {
        if (gs)
            return rg__compare(c, rg, p);
        return ps ? rg__compare(c, g, rp) : rg__say(RG_DIFFERENT, "equation");
    }
    if (gs && ps) {
        const rg__node *a = rg__at(g.t, node(g)->first), *b = rg__at(p.t, node(p)->first);
        const bool same = a->kind == b->kind && rg_str_eq(a->text, b->text);
        /* f(x) = ... and y = ... define the same function. */
        const bool defines = (a->kind == RG__CALL && rg_str_is(b->text, "y")) ||
                             (b->kind == RG__CALL && rg_str_is(a->text, "y"));
        if (same || defines)
            return rg__compare(c, rg, rp);
    }
    return rg__compare_relation(c, g, p);
}

static rg_grading by_kind(rg__cmp *c, rg__elem g, rg__elem p)
{
    const rg__kind a = node(g)->kind, b = node(p)->kind;
    rg__elem rg = g, rp = p;
    const bool gs = rg__solved(&rg, g), ps = rg__solved(&rp, p);
    int32_t r, k;
    if (rg__is_region(g) || rg__is_region(p))
        return rg__compare_region(c, g, p);
    if (a == RG__REL || b == RG__REL)
        return relations(c, g, p, gs, ps, rg, rp);
    if (a == RG__LIST && b == RG__TUPLE)
        return ordered(c, g, p, "list");
    if (is_listish(g) && g.sign == 0)
        return is_listish(p) || b < RG__BASE ? unordered(c, g, p, a == RG__SET ? "set" : "list")
                                             : rg__say(RG_DIFFERENT, "list");
    if (is_listish(p) && p.sign == 0)
        return rg__say(RG_DIFFERENT, "list");
    if (a == RG__MATRIX || b == RG__MATRIX || (rows_of(g, &r, &k) && rows_of(p, &r, &k)))
        return matrices(c, g, p);
    if (a == RG__TUPLE && b == RG__TUPLE)
        return tuples(c, g, p);
    if (a == RG__BASE || b == RG__BASE)
        return base_numerals(c, g, p);
    if (a == RG__RATIO && b == RG__RATIO)
        return ratios(c, g, p);
    if (a == RG__EMPTY || b == RG__EMPTY)
        return rg__say(a == b ? RG_EQUAL : RG_DIFFERENT, "empty set");
    if (a < RG__BASE && b < RG__BASE)
        return rg__compare_scalar(c, g, p);
    return rg__say(RG_DIFFERENT, "type");
}

rg_grading rg__compare(rg__cmp *c, rg__elem g, rg__elem p)
{
    if (c->depth >= RG__DEPTH_MAX || c->work < 0)
        return rg__say(RG_UNDECIDED, "limit");
    c->depth++;
    c->work--;
    rg_grading r = by_kind(c, rg__bare(g), rg__bare(p));
    c->depth--;
    if (c->work < 0)
        r = rg__say(RG_UNDECIDED, "limit");
    return r;
}
