/* bracket.c - what stands between brackets: groups, tuples, sets, |...|, floors, matrices. */
#include "parse_int.h"

#include "rung/base/mem.h"

/* One element is a group, or a matrix in brackets; several are a tuple or an interval. */
static uint32_t as_tuple(rg__parser *p, uint32_t id, char open, char close)
{
    rg__node *n = &p->t->v[id];
    if (n->kind != RG__LIST) {
        const bool round = open == '(' && close == ')';
        const bool square = open == '[' && close == ']' && (n->kind < RG__BASE || n->kind == RG__MATRIX);
        return round || square ? id : rg__p_fail(p);
    }
    if (n->op != ',')
        return rg__p_fail(p);
    n->kind = RG__TUPLE;
    n->op = open;
    n->ops[0] = close;
    return id;
}

uint32_t rg__p_bracket(rg__parser *p)
{
    const char open = p->tok.text.p[0];
    const int bars = p->bars;
    rg__p_next(p);
    p->bars = 0;
    const uint32_t id = rg__p_list(p);
    p->bars = bars;
    p->unit_end = false;
    const char close = rg__p_is(p, ")") ? ')' : rg__p_is(p, "]") ? ']' : 0;
    if (p->bad || !close)
        return rg__p_fail(p);
    rg__p_next(p);
    return as_tuple(p, id, open, close);
}

uint32_t rg__p_set(rg__parser *p, const char *close)
{
    rg__p_next(p);
    if (rg__p_eat(p, close))
        return rg__p_node(p, RG__EMPTY);
    const int bars = p->bars;
    p->bars = 0;
    uint32_t id = rg__p_list(p);
    /* { x \mid x > 0 } is its condition. */
    if (!p->bad && rg__p_is_cmd(p, "mid") && rg__at(p->t, id)->kind == RG__VAR) {
        rg__p_next(p);
        id = rg__p_list(p);
        p->bars = bars;
        return !p->bad && rg__at(p->t, id)->kind == RG__REL && rg__p_eat(p, close) ? id : rg__p_fail(p);
    }
    p->bars = bars;
    p->unit_end = false;
    if (p->bad || !rg__p_eat(p, close))
        return rg__p_fail(p);
    if (rg__at(p->t, id)->kind == RG__LIST) {
        p->t->v[id].kind = RG__SET;
        return id;
    }
    if (close[0] == '}') /* plain braces only group */
        return id;
    const uint32_t s = rg__p_node(p, RG__SET);
    if (s)
        rg__append(p->t, s, id);
    return s;
}

uint32_t rg__p_fenced(rg__parser *p, rg__fn fn, const char *close)
{
    const uint32_t id = rg__p_node(p, RG__FUNC);
    rg__p_next(p);
    const uint32_t arg = id ? rg__p_sum(p) : 0;
    if (p->bad || !rg__p_scalar(p, arg) || !(close[0] == '|' ? rg__p_is(p, close) : rg__p_is_cmd(p, close)))
        return rg__p_fail(p);
    rg__p_next(p);
    p->t->v[id].a = (int32_t)fn;
    rg__append(p->t, id, arg);
    return id;
}

uint32_t rg__p_bars(rg__parser *p)
{
    p->bars++;
    const uint32_t id = rg__p_fenced(p, RG__F_ABS, "|");
    p->bars--;
    return id;
}

uint32_t rg__p_matrix(rg__parser *p)
{
    if (!rg_str_starts(rg_str_n(p->lex.s.p + p->lex.i, p->lex.s.n - p->lex.i), "{matrix}"))
        return rg__p_fail(p);
    p->lex.i += 8;
    rg__p_next(p);
    const uint32_t id = rg__p_node(p, RG__MATRIX);
    int32_t rows = 1, in_row = 0, columns = 0;
    while (id && !p->bad) {
        const uint32_t x = rg__p_sum(p);
        if (p->bad || !rg__p_scalar(p, x))
            return rg__p_fail(p);
        rg__append(p->t, id, x);
        in_row++;
        p->unit_end = false;
        if (rg__p_eat(p, "&"))
            continue;
        if (columns && columns != in_row)
            return rg__p_fail(p);
        columns = in_row;
        in_row = 0;
        const bool more = rg__p_eat(p, "\\\\");
        if (rg__p_is_cmd(p, "end"))
            break;
        if (!more)
            return rg__p_fail(p);
        rows++;
    }
    if (p->bad || !id)
        return rg__p_fail(p);
    p->lex.i = RG_MIN(p->lex.i + 8, p->lex.s.n);
    rg__p_next(p);
    p->t->v[id].a = rows;
    p->t->v[id].b = columns;
    return id;
}
