/* term.c - sums, terms, powers and units (grammar in parse_int.h). */
#include "parse_int.h"

#include "rung/base/mem.h"

/* The first digit of a number as a macro's argument: \frac12, \sqrt3. */
static uint32_t one_digit(rg__parser *p)
{
    const uint32_t id = rg__p_node(p, RG__NUM);
    if (!id)
        return 0;
    p->t->v[id].text = rg_str_n(p->tok.text.p, 1);
    p->lex.i = p->tok.at + 1;
    rg__p_next(p);
    return id;
}

uint32_t rg__p_group(rg__parser *p)
{
    if (rg__p_eat(p, "{")) {
        const int bars = p->bars;
        p->bars = 0;
        const uint32_t id = rg__p_list(p);
        p->bars = bars;
        if (p->bad || !rg__p_scalar(p, id) || !rg__p_eat(p, "}"))
            return rg__p_fail(p);
        p->unit_end = false;
        return id;
    }
    if (p->tok.kind == RG__T_NUM && p->tok.text.p[0] != '.')
        return one_digit(p);
    return rg__p_primary(p);
}

static uint32_t exponent(rg__parser *p)
{
    if (rg__p_is(p, "{"))
        return rg__p_group(p);
    if (rg__p_eat(p, "-"))
        return rg__p_op2(p, RG__NEG, rg__p_primary(p), 0);
    const uint32_t base = rg__p_primary(p);
    if (p->bad || !rg__p_is(p, "^"))
        return base;
    if (++p->depth > RG__DEPTH_MAX) { /* a^b^c, from the right */
        p->t->limit = true;
        return rg__p_fail(p);
    }
    rg__p_next(p);
    const uint32_t e = exponent(p);
    p->depth--;
    return rg__p_op2(p, RG__POW, base, e);
}

static uint32_t postfix(rg__parser *p, uint32_t id)
{
    while (!p->bad) {
        rg__kind k;
        if (rg__p_is(p, "!"))
            k = RG__FACT;
        else if (rg__p_is(p, "%"))
            k = RG__PCT;
        else if (rg__p_is_cmd(p, "deg"))
            k = RG__DEG;
        else
            return id;
        if (!rg__p_scalar(p, id) || (k == RG__FACT && rg__at(p->t, id)->kind == RG__FACT))
            return rg__p_fail(p);
        rg__p_next(p);
        const uint32_t outer = rg__p_node(p, k);
        if (!outer)
            return 0;
        rg__append(p->t, outer, id);
        id = outer;
    }
    return 0;
}

uint32_t rg__p_power(rg__parser *p)
{
    uint32_t id = rg__p_primary(p);
    if (p->bad)
        return 0;
    id = postfix(p, id);
    if (p->bad || !rg__p_is(p, "^"))
        return id;
    if (!rg__p_scalar(p, id))
        return rg__p_fail(p);
    rg__p_next(p);
    id = rg__p_op2(p, RG__POW, id, exponent(p));
    return p->bad ? 0 : postfix(p, id);
}

bool rg__p_starts_operand(const rg__parser *p)
{
    static const char *const not [] = { "cup", "cap", "or",   "and",      "in",    "le",  "ge",
                                        "ne",  "pm",  "mp",   "rfloor",   "rceil", "end", "deg",
                                        "to",  "mod", "pmod", "setminus", "mid" };
    if (p->tok.kind == RG__T_LETTER)
        return true;
    if (p->tok.kind == RG__T_CMD) {
        for (size_t i = 0; i < RG_COUNT(not ); i++)
            if (rg_str_is(p->tok.text, not [i]))
                return false;
        return true;
    }
    return rg__p_is(p, "(") || rg__p_is(p, "{") || (rg__p_is(p, "|") && p->bars == 0);
}

static bool is_integer_literal(const rg__parser *p, uint32_t id)
{
    const rg__node *n = rg__at(p->t, id);
    return n->kind == RG__NUM && n->a < 0 && n->b == 0;
}

static int cmp_digits(rg_str a, rg_str b)
{
    while (a.n && a.p[0] == '0')
        a = rg_str_n(a.p + 1, a.n - 1);
    while (b.n && b.p[0] == '0')
        b = rg_str_n(b.p + 1, b.n - 1);
    if (a.n != b.n)
        return a.n < b.n ? -1 : 1;
    return a.n ? memcmp(a.p, b.p, a.n) : 0;
}

/* 1\frac{4}{5} and 137 1/2: an integer, then a proper fraction of two integers. */
static bool is_proper_fraction(const rg__parser *p, uint32_t id)
{
    const rg__node *n = rg__at(p->t, id);
    if (n->kind != RG__DIV || !is_integer_literal(p, n->first) || !is_integer_literal(p, n->last))
        return false;
    return cmp_digits(rg__at(p->t, n->first)->text, rg__at(p->t, n->last)->text) < 0;
}

static uint32_t mixed(rg__parser *p, uint32_t whole)
{
    if (p->tok.kind == RG__T_NUM && p->tok.blank) {
        const uint32_t num = rg__p_primary(p);
        if (p->bad || !rg__p_eat(p, "/") || p->tok.kind != RG__T_NUM)
            return rg__p_fail(p);
        const uint32_t q = rg__p_op2(p, RG__DIV, num, rg__p_primary(p));
        return !p->bad && is_proper_fraction(p, q) ? rg__p_op2(p, RG__ADD, whole, q) : rg__p_fail(p);
    }
    const bool power = rg__p_is_cmd(p, "frac");
    const uint32_t f = rg__p_power(p);
    if (p->bad || !rg__p_scalar(p, f))
        return rg__p_fail(p);
    return rg__p_op2(p, power && is_proper_fraction(p, f) ? RG__ADD : RG__MUL, whole, f);
}

/* A unit and its exponent go; behind it only a separator, a closing bracket or the end. */
static void unit(rg__parser *p)
{
    while (p->tok.kind == RG__T_WORD || p->tok.kind == RG__T_TEXT) {
        const bool ok = p->tok.kind == RG__T_WORD ? rg__is_unit(p->tok.text) : rg__is_unit_text(p->tok.text);
        if (!ok) {
            p->bad = true;
            return;
        }
        rg__p_next(p);
        if (rg__p_eat(p, "^") && !p->bad)
            exponent(p);
        if (rg__p_is(p, "/") || rg__p_is(p, "*"))
            rg__p_next(p);
        p->unit_end = true;
    }
}

static uint32_t term(rg__parser *p)
{
    uint32_t id = rg__p_power(p);
    if (!p->bad && is_integer_literal(p, id) &&
        (rg__p_is_cmd(p, "frac") || (p->tok.kind == RG__T_NUM && p->tok.blank)))
        id = mixed(p, id);
    while (!p->bad && !p->unit_end) {
        rg__kind kind = RG__MUL;
        if (rg__p_is(p, "/"))
            kind = RG__DIV;
        else if (!rg__p_is(p, "*") && !rg__p_starts_operand(p))
            break;
        if (kind == RG__DIV || rg__p_is(p, "*"))
            rg__p_next(p);
        const bool minus = rg__p_eat(p, "-");
        const uint32_t a = rg__p_power(p);
        if (p->bad || !rg__p_scalar(p, id) || !rg__p_scalar(p, a))
            return rg__p_fail(p);
        const uint32_t b = minus ? rg__p_op2(p, RG__NEG, a, 0) : a;
        if (kind == RG__MUL && rg__at(p->t, id)->kind == RG__MUL)
            rg__append(p->t, id, b);
        else
            id = rg__p_op2(p, kind, id, b);
    }
    if (!p->bad)
        unit(p);
    return p->bad ? 0 : id;
}

/* Reads signs; *pm is '+' for +-, '-' for -+, else 0.  Returns whether there was any sign. */
static bool signs(rg__parser *p, bool *minus, char *pm)
{
    bool any = false;
    *minus = false;
    *pm = 0;
    for (;; any = true) {
        if (rg__p_is(p, "-"))
            *minus = !*minus;
        else if (rg__p_is_cmd(p, "pm") || rg__p_is_cmd(p, "mp"))
            *pm = p->tok.text.p[0] == 'p' ? '+' : '-';
        else if (!rg__p_is(p, "+"))
            return any;
        rg__p_next(p);
    }
}

static uint32_t signed_term(rg__parser *p, bool minus, char pm)
{
    uint32_t id = term(p);
    if (p->bad || (!minus && !pm))
        return p->bad ? 0 : id;
    if (!rg__p_scalar(p, id))
        return rg__p_fail(p);
    if (minus)
        id = rg__p_op2(p, RG__NEG, id, 0);
    if (pm && !p->bad) {
        const uint32_t outer = rg__p_node(p, RG__PM);
        if (!outer)
            return 0;
        rg__append(p->t, outer, id);
        p->t->v[outer].op = pm;
        id = outer;
    }
    return id;
}

uint32_t rg__p_sum(rg__parser *p)
{
    bool minus;
    char pm;
    signs(p, &minus, &pm);
    uint32_t id = signed_term(p, minus, pm);
    if (p->bad || !(rg__p_is(p, "+") || rg__p_is(p, "-") || rg__p_is_cmd(p, "pm") || rg__p_is_cmd(p, "mp")))
        return id;
    const uint32_t sum = rg__p_node(p, RG__ADD);
    if (!sum || !rg__p_scalar(p, id) || p->unit_end)
        return rg__p_fail(p);
    rg__append(p->t, sum, id);
    while (!p->bad && signs(p, &minus, &pm)) {
        const uint32_t b = p->unit_end ? 0 : signed_term(p, minus, pm);
        if (p->bad || !b || !rg__p_scalar(p, b))
            return rg__p_fail(p);
        rg__append(p->t, sum, b);
    }
    return p->bad ? 0 : sum;
}
