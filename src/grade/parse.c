/* parse.c - lists, relations, unions, ratios; the tree itself (grammar in parse_int.h). */
#include "parse_int.h"

#include "rung/base/mem.h"

/* ---- the tree -------------------------------------------------------------------------- */

uint32_t rg__new(rg__tree *t, rg__kind kind)
{
    if (t->n >= RG__NODES_MAX) {
        t->limit = true;
        return 0;
    }
    if (t->n == t->cap) {
        const uint32_t cap = t->cap ? t->cap * 2 : 64;
        rg__node *v = rg_realloc(t->v, cap, sizeof *v);
        if (v == NULL) {
            t->limit = true;
            return 0;
        }
        t->v = v;
        t->cap = cap;
    }
    t->v[t->n] = (rg__node){ .kind = kind, .a = -1 };
    return t->n++;
}

void rg__append(rg__tree *t, uint32_t parent, uint32_t child)
{
    rg__node *p = &t->v[parent];
    if (p->last)
        t->v[p->last].next = child;
    else
        p->first = child;
    p->last = child;
    p->n++;
}

void rg__tree_free(rg__tree *t)
{
    rg_free(t->v);
    t->v = NULL;
}

bool rg__contains(const rg__tree *t, uint32_t id, bool (*is)(const rg__node *n))
{
    const rg__node *n = rg__at(t, id);
    if (is(n))
        return true;
    for (uint32_t c = n->first; c; c = rg__at(t, c)->next)
        if (rg__contains(t, c, is))
            return true;
    return false;
}

bool rg__is_var(const rg__node *n)
{
    return n->kind == RG__VAR || n->kind == RG__CALL;
}

bool rg__is_pm(const rg__node *n)
{
    return n->kind == RG__PM;
}

/* ---- parser basics --------------------------------------------------------------------- */

void rg__p_next(rg__parser *p)
{
    p->tok = rg__lex(&p->lex);
}

bool rg__p_is(const rg__parser *p, const char *punct)
{
    return p->tok.kind == RG__T_PUNCT && rg_str_is(p->tok.text, punct);
}

bool rg__p_is_cmd(const rg__parser *p, const char *name)
{
    return p->tok.kind == RG__T_CMD && rg_str_is(p->tok.text, name);
}

bool rg__p_eat(rg__parser *p, const char *punct)
{
    const bool yes = rg__p_is(p, punct);
    if (yes)
        rg__p_next(p);
    return yes;
}

uint32_t rg__p_fail(rg__parser *p)
{
    p->bad = true;
    return 0;
}

uint32_t rg__p_node(rg__parser *p, rg__kind kind)
{
    const uint32_t id = rg__new(p->t, kind);
    return id ? id : rg__p_fail(p);
}

uint32_t rg__p_op2(rg__parser *p, rg__kind kind, uint32_t a, uint32_t b)
{
    const uint32_t id = a && (b || kind == RG__NEG) ? rg__p_node(p, kind) : 0;
    if (!id)
        return rg__p_fail(p);
    rg__append(p->t, id, a);
    if (b)
        rg__append(p->t, id, b);
    return id;
}

bool rg__p_scalar(const rg__parser *p, uint32_t id)
{
    const rg__kind k = rg__at(p->t, id)->kind;
    return id != 0 && k < RG__BASE;
}

/* ---- structure --------------------------------------------------------------------------- */

static uint32_t ratio(rg__parser *p)
{
    const uint32_t a = rg__p_sum(p);
    if (p->bad || !rg__p_is(p, ":"))
        return a;
    const uint32_t r = rg__p_node(p, RG__RATIO);
    if (!r || !rg__p_scalar(p, a))
        return rg__p_fail(p);
    rg__append(p->t, r, a);
    while (!p->bad && rg__p_eat(p, ":")) {
        const uint32_t b = rg__p_sum(p);
        if (p->bad || !rg__p_scalar(p, b))
            return rg__p_fail(p);
        rg__append(p->t, r, b);
    }
    return r;
}

static bool is_set_like(const rg__parser *p, uint32_t id)
{
    const rg__kind k = rg__at(p->t, id)->kind;
    return k == RG__TUPLE || k == RG__SET || k == RG__EMPTY || k == RG__REALS;
}

static uint32_t set_union(rg__parser *p)
{
    const uint32_t a = ratio(p);
    if (p->bad || !rg__p_is_cmd(p, "cup"))
        return a;
    const uint32_t u = rg__p_node(p, RG__UNION);
    if (!u || !is_set_like(p, a))
        return rg__p_fail(p);
    rg__append(p->t, u, a);
    while (!p->bad && rg__p_is_cmd(p, "cup")) {
        rg__p_next(p);
        const uint32_t b = ratio(p);
        if (p->bad || !is_set_like(p, b))
            return rg__p_fail(p);
        rg__append(p->t, u, b);
    }
    return u;
}

static char relation(const rg__parser *p)
{
    static const struct {
        const char *name;
        char op;
    } puncts[] = { { "=", '=' }, { "<", '<' }, { ">", '>' }, { "<=", 'l' }, { ">=", 'g' }, { "!=", 'n' } },
      cmds[] = { { "le", 'l' }, { "ge", 'g' }, { "ne", 'n' }, { "in", 'i' } };
    for (size_t i = 0; i < RG_COUNT(puncts); i++)
        if (rg__p_is(p, puncts[i].name))
            return puncts[i].op;
    for (size_t i = 0; i < RG_COUNT(cmds); i++)
        if (rg__p_is_cmd(p, cmds[i].name))
            return cmds[i].op;
    return 0;
}

static uint32_t item(rg__parser *p)
{
    p->unit_end = false;
    const uint32_t a = set_union(p);
    if (p->bad || !relation(p))
        return a;
    const uint32_t r = rg__p_node(p, RG__REL);
    if (!r)
        return 0;
    rg__append(p->t, r, a);
    char op;
    while (!p->bad && (op = relation(p)) != 0) {
        rg__node *n = &p->t->v[r];
        if (n->n > 3)
            return rg__p_fail(p);
        n->ops[n->n - 1] = op;
        rg__p_next(p);
        p->unit_end = false;
        const uint32_t b = set_union(p);
        if (p->bad)
            return 0;
        rg__append(p->t, r, b);
    }
    return r;
}

static char separator(const rg__parser *p)
{
    if (rg__p_is(p, ",") || rg__p_is(p, ";"))
        return ',';
    if (rg__p_is_cmd(p, "or"))
        return '|';
    return rg__p_is_cmd(p, "and") ? '&' : 0;
}

uint32_t rg__p_list(rg__parser *p)
{
    const uint32_t a = item(p);
    if (p->bad || !separator(p))
        return a;
    const uint32_t l = rg__p_node(p, RG__LIST);
    if (!l)
        return 0;
    p->t->v[l].op = ',';
    rg__append(p->t, l, a);
    while (!p->bad && separator(p)) {
        const char sep = separator(p);
        rg__p_next(p);
        if (sep == ',' && separator(p)) /* ", and" */
            continue;
        if (sep != ',')
            p->t->v[l].op = sep;
        const uint32_t b = item(p);
        if (p->bad)
            return 0;
        rg__append(p->t, l, b);
    }
    return p->bad ? 0 : l;
}

bool rg__parse(rg__tree *t, rg_str clean)
{
    *t = (rg__tree){ 0 };
    if (clean.n == 0)
        return false;
    if (rg__new(t, RG__BAD) != 0 || t->limit) /* index 0 stays "none" */
        return false;
    rg__parser p = { .t = t, .lex = { clean, 0, false } };
    rg__p_next(&p);
    t->root = rg__p_list(&p);
    return !p.bad && t->root != 0 && p.tok.kind == RG__T_END;
}
