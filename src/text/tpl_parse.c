/* tpl_parse.c - tokens to statements.  Recursive descent with a depth limit; expressions are
 * in tpl_expr.c. */
#include <stdarg.h>

#include "tpl_int.h"

/* ---- the token stream ---- */

const tpl_tok *tpl_peek(const tpl_parser *p, size_t ahead)
{
    const size_t last = p->toks.n - 1;
    return &p->toks.v[RG_MIN(p->i + ahead, last)];
}

bool tpl_at(const tpl_parser *p, tpl_tok_kind kind)
{
    return tpl_peek(p, 0)->kind == (uint32_t)kind;
}

static rg_str tok_text(const tpl_parser *p, size_t ahead)
{
    const tpl_tok *t = tpl_peek(p, ahead);
    return rg_str_n(p->t->src.p + t->begin, t->end - t->begin);
}

bool tpl_at_name(const tpl_parser *p, const char *name)
{
    return tpl_at(p, TPL_T_NAME) && rg_str_is(tok_text(p, 0), name);
}

bool tpl_skip(tpl_parser *p, tpl_tok_kind kind)
{
    const bool yes = tpl_at(p, kind);
    p->i += yes;
    return yes;
}

bool tpl_skip_name(tpl_parser *p, const char *name)
{
    const bool yes = tpl_at_name(p, name);
    p->i += yes;
    return yes;
}

rg_status tpl_parse_fail(tpl_parser *p, const char *fmt, ...)
{
    char msg[300];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    return tpl_fail_at(p->t->src, tpl_peek(p, 0)->begin, p->e, RG_EFORMAT, "%s", msg);
}

static rg_status unexpected(tpl_parser *p, const char *wanted)
{
    if (tpl_at(p, TPL_T_EOF))
        return tpl_parse_fail(p, "the template ends where %s is expected", wanted);
    const rg_str t = tok_text(p, 0);
    return tpl_parse_fail(p, "expected %s, found '%.*s'", wanted, (int)RG_MIN(t.n, (size_t)40), t.p);
}

rg_status tpl_expect(tpl_parser *p, tpl_tok_kind kind, const char *what)
{
    return tpl_skip(p, kind) ? RG_OK : unexpected(p, what);
}

static rg_status expect_name(tpl_parser *p, const char *name)
{
    return tpl_skip_name(p, name) ? RG_OK : unexpected(p, name);
}

rg_status tpl_expect_sym(tpl_parser *p, uint32_t *sym)
{
    if (!tpl_at(p, TPL_T_NAME))
        return unexpected(p, "a name");
    RG_TRY(tpl_intern(p->t, sym, tok_text(p, 0), p->e));
    p->i++;
    return RG_OK;
}

/* ---- nodes ---- */

static rg_status raise_height(tpl_parser *p, tpl_node *n, const tpl_node *list)
{
    for (; list; list = list->next)
        if (list->height >= n->height)
            n->height = (uint16_t)(list->height + 1);
    return n->height > TPL_HEIGHT_MAX
               ? tpl_parse_fail(p, "this part is built from more than %d levels", TPL_HEIGHT_MAX)
               : RG_OK;
}

rg_status tpl_node_new(tpl_parser *p, tpl_node **out, tpl_node_kind kind, uint32_t at, tpl_node *a,
                       tpl_node *b, tpl_node *c)
{
    tpl_node *n = tpl_take(&p->t->pool, sizeof *n);
    if (n == NULL)
        return tpl_pool_fail(&p->t->pool, p->e);
    memset(n, 0, sizeof *n);
    n->kind = (uint8_t)kind;
    n->height = 1;
    n->at = at;
    n->a = a;
    n->b = b;
    n->c = c;
    RG_TRY(raise_height(p, n, a));
    RG_TRY(raise_height(p, n, b));
    RG_TRY(raise_height(p, n, c));
    *out = n;
    return RG_OK;
}

rg_status tpl_parse_enter(tpl_parser *p)
{
    if (p->depth >= TPL_NEST_MAX)
        return tpl_parse_fail(p, "nested deeper than %d", TPL_NEST_MAX);
    p->depth++;
    return RG_OK;
}

/* ---- statements ---- */

static rg_status parse_body(tpl_parser *p, tpl_node **out, const char *const *ends);
static rg_status parse_statement(tpl_parser *p, tpl_node **out);

static const char *const end_if[] = { "elif", "else", "endif", NULL };
static const char *const end_if_last[] = { "endif", NULL };
static const char *const end_for[] = { "else", "endfor", NULL };
static const char *const end_for_last[] = { "endfor", NULL };
static const char *const end_set[] = { "endset", NULL };
static const char *const end_macro[] = { "endmacro", NULL };
static const char *const end_call[] = { "endcall", NULL };
static const char *const end_filter[] = { "endfilter", NULL };
static const char *const end_with[] = { "endwith", NULL };
static const char *const end_generation[] = { "endgeneration", NULL };

static bool at_any(const tpl_parser *p, const char *const *names)
{
    for (; names && *names; names++)
        if (tpl_at_name(p, *names))
            return true;
    return false;
}

static rg_status block_end(tpl_parser *p)
{
    return tpl_expect(p, TPL_T_BLOCK_END, "the end of the tag");
}

/* From behind a tag's own words to the tag that ends the body; the ending name is current. */
static rg_status parse_block_body(tpl_parser *p, tpl_node **out, const char *const *ends)
{
    tpl_skip(p, TPL_T_COLON);
    RG_TRY(block_end(p));
    RG_TRY(tpl_parse_enter(p));
    RG_TRY(parse_body(p, out, ends));
    p->depth--;
    return RG_OK;
}

/* A body with one possible end: the end is consumed but for the tag's closing. */
static rg_status parse_whole_body(tpl_parser *p, tpl_node **out, const char *const *end)
{
    RG_TRY(parse_block_body(p, out, end));
    p->i++;
    return RG_OK;
}

/* name | ns.attr | (targets) | a, b */
static rg_status parse_target(tpl_parser *p, tpl_node **out, bool may_attr);

static rg_status parse_target_one(tpl_parser *p, tpl_node **out, bool may_attr)
{
    const uint32_t at = tpl_peek(p, 0)->begin;
    if (tpl_skip(p, TPL_T_LPAREN)) {
        RG_TRY(tpl_parse_enter(p));
        RG_TRY(parse_target(p, out, may_attr));
        p->depth--;
        return tpl_expect(p, TPL_T_RPAREN, "')'");
    }
    static const char *const fixed[] = { "true", "false", "none", "True", "False", "None", NULL };
    if (at_any(p, fixed))
        return tpl_parse_fail(p, "cannot assign to a constant");
    uint32_t sym;
    RG_TRY(tpl_expect_sym(p, &sym));
    RG_TRY(tpl_node_new(p, out, TPL_N_NAME, at, NULL, NULL, NULL));
    (*out)->sym = sym;
    if (may_attr && tpl_skip(p, TPL_T_DOT)) {
        RG_TRY(tpl_expect_sym(p, &sym));
        RG_TRY(tpl_node_new(p, out, TPL_N_ATTR, at, *out, NULL, NULL));
        (*out)->sym = sym;
    }
    return RG_OK;
}

static bool at_target_end(const tpl_parser *p)
{
    return tpl_at(p, TPL_T_ASSIGN) || tpl_at(p, TPL_T_RPAREN) || tpl_at(p, TPL_T_BLOCK_END) ||
           tpl_at_name(p, "in");
}

static rg_status parse_target(tpl_parser *p, tpl_node **out, bool may_attr)
{
    const uint32_t at = tpl_peek(p, 0)->begin;
    tpl_node *first, **tail;
    RG_TRY(parse_target_one(p, &first, may_attr));
    *out = first;
    if (!tpl_at(p, TPL_T_COMMA))
        return RG_OK;
    tail = &first->next;
    while (tpl_skip(p, TPL_T_COMMA) && !at_target_end(p)) {
        RG_TRY(parse_target_one(p, tail, may_attr));
        tail = &(*tail)->next;
    }
    return tpl_node_new(p, out, TPL_N_TUPLE, at, first, NULL, NULL);
}

static rg_status parse_set(tpl_parser *p, tpl_node **out, uint32_t at)
{
    tpl_node *target, *value = NULL, *body;
    RG_TRY(parse_target(p, &target, true));
    if (tpl_skip(p, TPL_T_ASSIGN)) {
        RG_TRY(tpl_parse_tuple(p, &value, true, NULL));
        return tpl_node_new(p, out, TPL_N_SET, at, target, value, NULL);
    }
    RG_TRY(tpl_parse_filters(p, &value));
    RG_TRY(parse_whole_body(p, &body, end_set));
    return tpl_node_new(p, out, TPL_N_SET_BLOCK, at, target, value, body);
}

static rg_status parse_if(tpl_parser *p, tpl_node **out, uint32_t at)
{
    tpl_node *first = NULL, **tail = &first;
    for (bool more = true; more; tail = &(*tail)->next) {
        tpl_node *test = NULL, *body;
        const bool last = first && tpl_skip_name(p, "else");
        if (first && !last)
            p->i++; /* "elif" */
        if (!last)
            RG_TRY(tpl_parse_tuple(p, &test, false, NULL));
        RG_TRY(parse_block_body(p, &body, last ? end_if_last : end_if));
        RG_TRY(tpl_node_new(p, tail, TPL_N_BRANCH, at, test, body, NULL));
        more = !tpl_skip_name(p, "endif");
    }
    return tpl_node_new(p, out, TPL_N_IF, at, first, NULL, NULL);
}

static rg_status parse_for(tpl_parser *p, tpl_node **out, uint32_t at)
{
    tpl_node *target, *items, *test = NULL, *body, *other = NULL;
    RG_TRY(parse_target(p, &target, false));
    RG_TRY(expect_name(p, "in"));
    RG_TRY(tpl_parse_tuple(p, &items, false, "recursive"));
    if (tpl_skip_name(p, "if"))
        RG_TRY(tpl_parse_expr(p, &test, true));
    const bool recursive = tpl_skip_name(p, "recursive");
    p->loops++;
    RG_TRY(parse_block_body(p, &body, end_for));
    p->loops--;
    if (tpl_skip_name(p, "else"))
        RG_TRY(parse_block_body(p, &other, end_for_last));
    p->i++;
    RG_TRY(tpl_node_new(p, out, TPL_N_FOR, at, target, items, body));
    (*out)->test = test;
    (*out)->other = other;
    (*out)->op = recursive;
    RG_TRY(raise_height(p, *out, test));
    return raise_height(p, *out, other);
}

/* "(a, b=1)" to PARAM nodes. */
static rg_status parse_params(tpl_parser *p, tpl_node **out)
{
    tpl_node **tail = out;
    bool defaults = false;
    RG_TRY(tpl_expect(p, TPL_T_LPAREN, "'('"));
    while (!tpl_at(p, TPL_T_RPAREN)) {
        if (*out)
            RG_TRY(tpl_expect(p, TPL_T_COMMA, "','"));
        const uint32_t at = tpl_peek(p, 0)->begin;
        uint32_t sym;
        tpl_node *value = NULL;
        RG_TRY(tpl_expect_sym(p, &sym));
        if (tpl_skip(p, TPL_T_ASSIGN)) {
            RG_TRY(tpl_parse_expr(p, &value, true));
            defaults = true;
        } else if (defaults) {
            return tpl_parse_fail(p, "a parameter without default follows one with a default");
        }
        RG_TRY(tpl_node_new(p, tail, TPL_N_PARAM, at, value, NULL, NULL));
        (*tail)->sym = sym;
        tail = &(*tail)->next;
    }
    p->i++;
    return RG_OK;
}

/* The body of a macro or of a call block; *m has its parameters. */
static rg_status parse_macro_body(tpl_parser *p, tpl_node *m, const char *const *end)
{
    tpl_node *const outer = p->macro;
    const unsigned loops = p->loops;
    p->macro = m;
    p->loops = 0;
    RG_TRY(parse_whole_body(p, &m->b, end));
    p->macro = outer;
    p->loops = loops;
    return raise_height(p, m, m->b);
}

static rg_status parse_macro(tpl_parser *p, tpl_node **out, uint32_t at)
{
    uint32_t sym;
    tpl_node *params = NULL;
    RG_TRY(tpl_expect_sym(p, &sym));
    RG_TRY(parse_params(p, &params));
    RG_TRY(tpl_node_new(p, out, TPL_N_MACRO, at, params, NULL, NULL));
    (*out)->sym = sym;
    return parse_macro_body(p, *out, end_macro);
}

static rg_status parse_call_block(tpl_parser *p, tpl_node **out, uint32_t at)
{
    tpl_node *params = NULL, *call, *m;
    if (tpl_at(p, TPL_T_LPAREN))
        RG_TRY(parse_params(p, &params));
    RG_TRY(tpl_parse_expr(p, &call, true));
    if (call->kind != TPL_N_CALL)
        return tpl_parse_fail(p, "a call block needs a call");
    RG_TRY(tpl_node_new(p, &m, TPL_N_MACRO, at, params, NULL, NULL));
    RG_TRY(parse_macro_body(p, m, end_call));
    return tpl_node_new(p, out, TPL_N_CALL_BLOCK, at, call, m, NULL);
}

static rg_status parse_filter_block(tpl_parser *p, tpl_node **out, uint32_t at)
{
    tpl_node *chain = NULL, *body;
    RG_TRY(tpl_parse_filter_one(p, &chain));
    RG_TRY(tpl_parse_filters(p, &chain));
    RG_TRY(parse_whole_body(p, &body, end_filter));
    return tpl_node_new(p, out, TPL_N_FILTER_BLOCK, at, chain, body, NULL);
}

static rg_status parse_with(tpl_parser *p, tpl_node **out, uint32_t at)
{
    tpl_node *first = NULL, **tail = &first, *body;
    while (!tpl_at(p, TPL_T_BLOCK_END)) {
        tpl_node *target, *value;
        if (first)
            RG_TRY(tpl_expect(p, TPL_T_COMMA, "','"));
        RG_TRY(parse_target_one(p, &target, false));
        RG_TRY(tpl_expect(p, TPL_T_ASSIGN, "'='"));
        RG_TRY(tpl_parse_expr(p, &value, true));
        RG_TRY(tpl_node_new(p, tail, TPL_N_SET, at, target, value, NULL));
        tail = &(*tail)->next;
    }
    RG_TRY(parse_whole_body(p, &body, end_with));
    return tpl_node_new(p, out, TPL_N_WITH, at, first, body, NULL);
}

/* "generation" marks the assistant's own text for trainers; here it only groups. */
static rg_status parse_generation(tpl_parser *p, tpl_node **out, uint32_t at)
{
    tpl_node *body;
    RG_TRY(parse_whole_body(p, &body, end_generation));
    return tpl_node_new(p, out, TPL_N_SCOPE, at, NULL, body, NULL);
}

static rg_status parse_jump(tpl_parser *p, tpl_node **out, uint32_t at)
{
    const bool leave = rg_str_is(tok_text(p, (size_t)-1), "break");
    if (p->loops == 0)
        return tpl_parse_fail(p, "'%s' stands outside of a loop", leave ? "break" : "continue");
    return tpl_node_new(p, out, leave ? TPL_N_BREAK : TPL_N_CONTINUE, at, NULL, NULL, NULL);
}

static const struct tag {
    const char *name;
    rg_status (*parse)(tpl_parser *p, tpl_node **out, uint32_t at);
} tags[] = {
    { "set", parse_set },
    { "if", parse_if },
    { "for", parse_for },
    { "macro", parse_macro },
    { "with", parse_with },
    { "call", parse_call_block },
    { "break", parse_jump },
    { "continue", parse_jump },
    { "filter", parse_filter_block },
    { "generation", parse_generation },
};

static rg_status parse_statement(tpl_parser *p, tpl_node **out)
{
    const uint32_t at = tpl_peek(p, 0)->begin;
    for (size_t i = 0; i < RG_COUNT(tags); i++)
        if (tpl_skip_name(p, tags[i].name)) {
            RG_TRY(tags[i].parse(p, out, at));
            return block_end(p);
        }
    static const char *const never[] = { "include",    "extends", "import", "from",  "block", "raw",
                                         "autoescape", "do",      "trans",  "print", NULL };
    if (at_any(p, never))
        return tpl_parse_fail(p, "chat templates may not use '%.*s'", (int)tok_text(p, 0).n,
                              tok_text(p, 0).p);
    return unexpected(p, "a tag that this place allows");
}

static rg_status parse_text(tpl_parser *p, tpl_node **out)
{
    const tpl_tok *t = tpl_peek(p, 0);
    tpl_str *s = tpl_take(&p->t->pool, sizeof *s);
    if (s == NULL)
        return tpl_pool_fail(&p->t->pool, p->e);
    *s = (tpl_str){ p->t->src.p + t->begin, t->end - t->begin, NULL };
    RG_TRY(tpl_node_new(p, out, TPL_N_TEXT, t->begin, NULL, NULL, NULL));
    (*out)->val.kind = TPL_STR;
    (*out)->val.as.s = s;
    p->i++;
    return RG_OK;
}

static rg_status parse_print(tpl_parser *p, tpl_node **out)
{
    const uint32_t at = tpl_peek(p, 0)->begin;
    tpl_node *value;
    p->i++;
    RG_TRY(tpl_parse_tuple(p, &value, true, NULL));
    RG_TRY(tpl_expect(p, TPL_T_VAR_END, "'}}'"));
    return tpl_node_new(p, out, TPL_N_PRINT, at, value, NULL, NULL);
}

static rg_status parse_body(tpl_parser *p, tpl_node **out, const char *const *ends)
{
    tpl_node **tail = out;
    *out = NULL;
    for (; !tpl_at(p, TPL_T_EOF); tail = &(*tail)->next) {
        if (tpl_at(p, TPL_T_DATA)) {
            RG_TRY(parse_text(p, tail));
        } else if (tpl_at(p, TPL_T_VAR)) {
            RG_TRY(parse_print(p, tail));
        } else {
            p->i++; /* "{%" */
            if (at_any(p, ends))
                return RG_OK;
            RG_TRY(parse_statement(p, tail));
        }
    }
    return ends ? tpl_parse_fail(p, "the template ends where '%s' is expected", *ends) : RG_OK;
}

rg_status tpl_parse(rg_template *t, const tpl_toks *toks, rg_err *e)
{
    tpl_parser p = { .t = t, .toks = *toks, .e = e };
    return parse_body(&p, &t->body, NULL);
}
