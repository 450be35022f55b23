/* funcall.c - functions by name and what they take as their argument. */
#include "parse_int.h"

static bool starts_function(const rg__parser *p)
{
    return p->tok.kind == RG__T_CMD && rg__fn_find(p->tok.text) != RG__F_NONE;
}

/* \sin 2x\cos y: the argument is the product up to the next function, sign or bracket. */
static uint32_t bare_argument(rg__parser *p)
{
    if (starts_function(p))
        return rg__p_primary(p);
    uint32_t id = rg__p_power(p);
    while (!p->bad && rg__p_starts_operand(p) && !starts_function(p) && !rg__p_is(p, "(")) {
        const uint32_t b = rg__p_power(p);
        if (p->bad || !rg__p_scalar(p, id) || !rg__p_scalar(p, b))
            return rg__p_fail(p);
        id = rg__p_op2(p, RG__MUL, id, b);
    }
    return !p->bad && rg__p_scalar(p, id) ? id : rg__p_fail(p);
}

static rg__fn inverse(rg__fn fn)
{
    return fn == RG__F_SIN   ? RG__F_ASIN
           : fn == RG__F_COS ? RG__F_ACOS
           : fn == RG__F_TAN ? RG__F_ATAN
                             : RG__F_NONE;
}

static bool is_minus_one(const rg__parser *p, uint32_t id)
{
    const rg__node *n = rg__at(p->t, id);
    return n->kind == RG__NEG && rg_str_is(rg__at(p->t, n->first)->text, "1");
}

/* Arguments into f: one scalar, or the elements of a list for gcd, lcm, max and min. */
static bool take_arguments(rg__parser *p, uint32_t f, uint32_t arg)
{
    const rg__node *n = rg__at(p->t, arg);
    if (rg__p_scalar(p, arg)) {
        rg__append(p->t, f, arg);
        return true;
    }
    if (n->kind != RG__TUPLE && n->kind != RG__SET)
        return false;
    for (uint32_t c = n->first; c;) {
        const uint32_t next = rg__at(p->t, c)->next;
        if (!rg__p_scalar(p, c))
            return false;
        p->t->v[c].next = 0;
        rg__append(p->t, f, c);
        c = next;
    }
    return p->t->v[f].a >= RG__F_GCD;
}

uint32_t rg__p_function(rg__parser *p)
{
    rg__fn fn = rg__fn_find(p->tok.text);
    uint32_t base = 0, power = 0;
    rg__p_next(p);
    if (fn == RG__F_LN && rg__p_eat(p, "_"))
        base = rg__p_group(p);
    if (!p->bad && rg__p_eat(p, "^"))
        power = rg__p_group(p);
    if (!p->bad && power && is_minus_one(p, power)) {
        fn = inverse(fn);
        power = 0;
    }
    if (p->bad || fn == RG__F_NONE)
        return rg__p_fail(p);
    const bool open = rg__p_is(p, "(") || rg__p_is(p, "{") || rg__p_is(p, "\\{");
    const uint32_t arg = open ? rg__p_primary(p) : bare_argument(p);
    const uint32_t id = p->bad ? 0 : rg__p_node(p, RG__FUNC);
    if (!id)
        return rg__p_fail(p);
    p->t->v[id].a = (int32_t)fn;
    if (!take_arguments(p, id, arg))
        return rg__p_fail(p);
    if (base)
        rg__append(p->t, id, base);
    return power ? rg__p_op2(p, RG__POW, id, power) : id;
}
