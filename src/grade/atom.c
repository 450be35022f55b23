/* atom.c - primaries: numbers, variables, macros. */
#include "parse_int.h"

#include <ctype.h>

#include "rung/base/mem.h"

static uint32_t base_numeral(rg__parser *p, uint32_t id)
{
    rg__p_next(p);
    const bool brace = rg__p_eat(p, "{");
    if (p->tok.kind != RG__T_NUM || p->tok.point >= 0 || p->tok.text.n > 2 || rg__at(p->t, id)->a >= 0)
        return rg__p_fail(p);
    int base = 0;
    for (size_t i = 0; i < p->tok.text.n; i++)
        base = base * 10 + (p->tok.text.p[i] - '0');
    rg__p_next(p);
    if (brace && !rg__p_eat(p, "}"))
        return rg__p_fail(p);
    p->t->v[id].kind = RG__BASE;
    p->t->v[id].a = base;
    return id;
}

static uint32_t number(rg__parser *p)
{
    const rg__tok k = p->tok;
    const uint32_t id = rg__p_node(p, RG__NUM);
    if (!id)
        return 0;
    if (k.text.n + k.rep.n > RG__DIGITS_MAX || k.e10 > RG__EXP_MAX || k.e10 < -RG__EXP_MAX) {
        p->t->limit = true;
        return rg__p_fail(p);
    }
    rg__node *n = &p->t->v[id];
    n->text = k.text;
    n->rep = k.rep;
    n->a = k.point;
    n->b = k.e10;
    n->op = k.scientific ? 'e' : 0;
    rg__p_next(p);
    return rg__p_is(p, "_") ? base_numeral(p, id) : id;
}

/* x', y^{\prime}: a prime belongs to the name. */
static void primes(rg__parser *p, size_t *end)
{
    static const char *const forms[] = { "'", "^{\\prime}", "^\\prime", "^{\\prime\\prime}" };
    const rg_str s = p->lex.s;
    for (size_t k = 0; k < RG_COUNT(forms); k++)
        if (rg_str_starts(rg_str_n(s.p + *end, s.n - *end), forms[k])) {
            *end += strlen(forms[k]);
            p->lex.i = *end;
            return;
        }
}

/* A variable's name reaches to the end of its subscript: x_1, a_{max}, \theta_2. */
static uint32_t variable(rg__parser *p)
{
    const size_t from = p->tok.at;
    const uint32_t id = rg__p_node(p, RG__VAR);
    size_t end = from + p->tok.text.n + (p->tok.text.p != p->lex.s.p + from ? 1 : 0);
    primes(p, &end);
    rg__p_next(p);
    if (id && rg__p_eat(p, "_")) {
        if (rg__p_is(p, "{")) {
            size_t i = p->tok.at;
            while (i < p->lex.s.n && p->lex.s.p[i] != '}')
                i++;
            end = RG_MIN(i + 1, p->lex.s.n);
        } else if (p->tok.kind == RG__T_NUM || p->tok.kind == RG__T_LETTER || p->tok.kind == RG__T_CMD) {
            end = p->tok.kind == RG__T_NUM ? p->tok.at + p->tok.text.n : p->lex.i;
        } else {
            return rg__p_fail(p);
        }
        p->lex.i = end;
        rg__p_next(p);
    }
    if (id)
        p->t->v[id].text = rg_str_n(p->lex.s.p + from, end - from);
    return id;
}

/* f(x) before "=": the head of a definition. */
static bool heads_definition(const rg__parser *p)
{
    const rg_str s = p->lex.s;
    size_t i = p->lex.i;
    if (i >= s.n || s.p[i] != '(')
        return false;
    while (i < s.n && s.p[i] != ')')
        i++;
    i++;
    while (i < s.n && s.p[i] == ' ')
        i++;
    return i < s.n && s.p[i] == '=' && i - p->lex.i < 16;
}

static uint32_t call(rg__parser *p)
{
    const uint32_t id = rg__p_node(p, RG__CALL);
    if (!id)
        return 0;
    p->t->v[id].text = p->tok.text;
    rg__p_next(p);
    rg__p_next(p); /* ( */
    const uint32_t arg = rg__p_list(p);
    if (p->bad || !rg__p_eat(p, ")"))
        return rg__p_fail(p);
    rg__append(p->t, id, arg);
    return id;
}

static uint32_t letter(rg__parser *p)
{
    const char c = p->tok.text.p[0];
    const bool subscript = p->lex.i < p->lex.s.n && p->lex.s.p[p->lex.i] == '_';
    if (heads_definition(p))
        return call(p);
    if (p->lex.i < p->lex.s.n && p->lex.s.p[p->lex.i] == '(' && strchr("fgh", c))
        return rg__p_fail(p); /* f(x)+f(y) is not f*x + f*y */
    if (subscript || (c != 'e' && c != 'i'))
        return variable(p);
    rg__p_next(p);
    return rg__p_node(p, c == 'e' ? RG__E : RG__I);
}

/* ---- macros ------------------------------------------------------------------------------ */

static uint32_t root(rg__parser *p)
{
    const bool cube = rg__p_is_cmd(p, "cbrt");
    uint32_t index = 0;
    rg__p_next(p);
    if (cube) {
        index = rg__p_node(p, RG__NUM);
        if (index)
            p->t->v[index].text = rg_str_of("3");
    } else if (rg__p_eat(p, "[")) {
        index = rg__p_sum(p);
        if (p->bad || !rg__p_scalar(p, index) || !rg__p_eat(p, "]"))
            return rg__p_fail(p);
    }

    const uint32_t x = rg__p_group(p);
    if (p->bad || !rg__p_scalar(p, x))
        return rg__p_fail(p);
    const uint32_t id = rg__p_node(p, RG__ROOT);
    if (!id)
        return 0;
    rg__append(p->t, id, x);
    if (index)
        rg__append(p->t, id, index);
    return id;
}

static uint32_t two_arguments(rg__parser *p, rg__kind kind)
{
    rg__p_next(p);
    const uint32_t a = rg__p_group(p);
    const uint32_t b = p->bad ? 0 : rg__p_group(p);
    if (p->bad || !rg__p_scalar(p, a) || !rg__p_scalar(p, b))
        return rg__p_fail(p);
    return rg__p_op2(p, kind, a, b);
}

static uint32_t constant(rg__parser *p, rg__kind kind)
{
    rg__p_next(p);
    return rg__p_node(p, kind);
}

/* \dot{x}, \bar{x}, \vec v ...: another variable than the bare letter. */
static uint32_t decorated(rg__parser *p)
{
    const size_t from = p->tok.at;
    const rg_str s = p->lex.s;
    const uint32_t id = rg__p_node(p, RG__VAR);
    size_t end = p->lex.i;
    if (end < s.n && s.p[end] == '{')
        while (end < s.n && s.p[end] != '}')
            end++;
    end = RG_MIN(end + 1, s.n);
    if (end + 1 < s.n && s.p[end] == '_' && isalnum((unsigned char)s.p[end + 1]))
        end += 2;
    p->lex.i = end;
    rg__p_next(p);
    if (id)
        p->t->v[id].text = rg_str_n(s.p + from, end - from);
    return id;
}

static bool decorates(rg_str name)
{
    static const char *const names[] = { "dot", "ddot", "bar", "hat", "vec", "tilde", "overline", "mathcal" };
    for (size_t i = 0; i < RG_COUNT(names); i++)
        if (rg_str_is(name, names[i]))
            return true;
    return false;
}

static uint32_t command(rg__parser *p)
{
    const rg_str name = p->tok.text;
    if (rg_str_is(name, "frac"))
        return two_arguments(p, RG__DIV);
    if (rg_str_is(name, "binom"))
        return two_arguments(p, RG__BINOM);
    if (rg_str_is(name, "sqrt") || rg_str_is(name, "cbrt"))
        return root(p);
    if (rg_str_is(name, "pi"))
        return constant(p, RG__PI);
    if (rg_str_is(name, "infty") || rg_str_is(name, "inf") || rg_str_is(name, "infinity"))
        return constant(p, RG__INF);
    if (rg_str_is(name, "emptyset"))
        return constant(p, RG__EMPTY);
    if (rg_str_is(name, "reals"))
        return constant(p, RG__REALS);
    if (rg_str_is(name, "lfloor"))
        return rg__p_fenced(p, RG__F_FLOOR, "rfloor");
    if (rg_str_is(name, "lceil"))
        return rg__p_fenced(p, RG__F_CEIL, "rceil");
    if (rg_str_is(name, "begin"))
        return rg__p_matrix(p);
    if (rg__fn_find(name) != RG__F_NONE)
        return rg__p_function(p);
    if (decorates(name))
        return decorated(p);
    return rg__is_greek(name) ? variable(p) : rg__p_fail(p);
}

static uint32_t atom(rg__parser *p)
{
    switch (p->tok.kind) {
    case RG__T_NUM: return number(p);
    case RG__T_LETTER: return letter(p);
    case RG__T_CMD: return command(p);
    case RG__T_PUNCT:
        if (rg__p_is(p, "(") || rg__p_is(p, "["))
            return rg__p_bracket(p);
        if (rg__p_is(p, "\\{"))
            return rg__p_set(p, "\\}");
        if (rg__p_is(p, "{"))
            return rg__p_set(p, "}");
        if (rg__p_is(p, "|"))
            return rg__p_bars(p);
        return rg__p_fail(p);
    default: return rg__p_fail(p);
    }
}

uint32_t rg__p_primary(rg__parser *p)
{
    if (p->depth >= RG__DEPTH_MAX) {
        p->t->limit = true;
        return rg__p_fail(p);
    }
    p->depth++;
    const uint32_t id = atom(p);
    p->depth--;
    return p->bad ? 0 : id;
}
