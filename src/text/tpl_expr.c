/* tpl_expr.c - tokens to expressions, by Jinja's precedence, loosest first:
 *
 *     if-else   or   and   not   compare, in   + -   ~   * / // %   **   unary - +
 *     then on the tightest: .attr [item] (call), |filter, is test                          */
#include "rung/base/opt.h"
#include "tpl_int.h"

static rg_status parse_unary(tpl_parser *p, tpl_node **out, bool with_filter);
static rg_status parse_or(tpl_parser *p, tpl_node **out);
static rg_status parse_primary(tpl_parser *p, tpl_node **out);
static rg_status parse_postfix(tpl_parser *p, tpl_node **io);

static uint32_t here(const tpl_parser *p)
{
    return tpl_peek(p, 0)->begin;
}

static rg_str text_of(const tpl_parser *p, const tpl_tok *t)
{
    return rg_str_n(p->t->src.p + t->begin, t->end - t->begin);
}

/* ---- literals ---- */

static int hex_value(rg_str s, size_t at, size_t n)
{
    int v = 0;
    if (at + n > s.n)
        return -1;
    for (size_t i = at; i < at + n; i++) {
        const char c = s.p[i];
        const int d = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
        if (d < 0 || v > 0x110000)
            return -1;
        v = v * 16 + d;
    }
    return v;
}

static size_t octal_value(rg_str s, size_t at, int *v)
{
    size_t n = 0;
    for (*v = 0; n < 3 && at + n < s.n && s.p[at + n] >= '0' && s.p[at + n] <= '7'; n++)
        *v = *v * 8 + (s.p[at + n] - '0');
    return n;
}

/* One escape of Python's set, s.p[at] being the backslash.  Returns the bytes it took, 0 if it
 * is broken.  An unknown escape stays as it is written. */
static size_t unescape_one(rg_str s, size_t at, char out[4], size_t *n_out)
{
    static const char from[] = "\\'\"abfnrtv", to[] = "\\'\"\a\b\f\n\r\t\v";
    const char c = s.p[at + 1];
    const char *known = memchr(from, c, sizeof from - 1);
    int cp = -1;
    size_t took = 0;
    *n_out = 1;
    if (known) {
        out[0] = to[known - from];
        return 2;
    }
    if (c == '\n') {
        *n_out = 0;
        return 2;
    }
    if (c == 'x' || c == 'u' || c == 'U') {
        const size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : 8;
        cp = hex_value(s, at + 2, digits);
        took = 2 + digits;
    } else if (c >= '0' && c <= '7') {
        took = 1 + octal_value(s, at + 1, &cp);
    } else if (c == 'N') {
        return 0; /* names of characters are not known here */
    } else {
        out[0] = '\\';
        return 1;
    }
    *n_out = cp < 0 ? 0 : rg_utf8_encode((uint32_t)cp, out);
    return *n_out ? took : 0;
}

/* Appends the inside of one string token at dst; returns the bytes written, SIZE_MAX if broken. */
static size_t unescape(char *dst, rg_str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n;) {
        if (s.p[i] != '\\' || i + 1 >= s.n) {
            dst[n++] = s.p[i++];
            continue;
        }
        char buf[4];
        size_t k;
        const size_t took = unescape_one(s, i, buf, &k);
        if (took == 0)
            return SIZE_MAX;
        memcpy(dst + n, buf, k); /* no escape is longer than its text */
        n += k;
        i += took;
    }
    return n;
}

/* Neighbouring string tokens are one string. */
static rg_status parse_string(tpl_parser *p, tpl_node *n)
{
    size_t cap = 0, used = 0, count = 0;
    for (; tpl_peek(p, count)->kind == TPL_T_STR; count++)
        cap += text_of(p, tpl_peek(p, count)).n - 2;
    tpl_str *s = tpl_take(&p->t->pool, sizeof *s);
    char *text = tpl_take(&p->t->pool, cap + 1);
    if (s == NULL || text == NULL)
        return tpl_pool_fail(&p->t->pool, p->e);
    for (; count > 0; count--, p->i++) {
        const rg_str t = text_of(p, tpl_peek(p, 0));
        const size_t k = unescape(text + used, rg_str_n(t.p + 1, t.n - 2));
        if (k == SIZE_MAX)
            return tpl_parse_fail(p, "this string has an escape that names no character");
        used += k;
    }
    *s = (tpl_str){ text, used, NULL };
    n->val.kind = TPL_STR;
    n->val.as.s = s;
    return RG_OK;
}

static bool parse_based(rg_str s, int64_t *v)
{
    const unsigned base = s.p[1] == 'x' || s.p[1] == 'X' ? 16 : s.p[1] == 'o' || s.p[1] == 'O' ? 8 : 2;
    uint64_t u = 0;
    size_t digits = 0;
    for (size_t i = 2; i < s.n; i++) {
        if (s.p[i] == '_')
            continue;
        const int d = hex_value(s, i, 1);
        if (d < 0 || (unsigned)d >= base || u > (uint64_t)INT64_MAX / base)
            return false;
        u = u * base + (unsigned)d;
        digits++;
    }
    *v = (int64_t)u;
    return digits > 0 && u <= INT64_MAX;
}

static rg_status parse_number(tpl_parser *p, tpl_node *n)
{
    const tpl_tok *t = tpl_peek(p, 0);
    const rg_str s = text_of(p, t);
    char buf[400];
    size_t k = 0;
    for (size_t i = 0; i < s.n && k + 1 < sizeof buf; i++)
        if (s.p[i] != '_')
            buf[k++] = s.p[i];
    buf[k] = 0;
    bool good = s.n < sizeof buf;
    if (t->kind == TPL_T_FLOAT) {
        n->val.kind = TPL_FLOAT;
        good = good && rg_parse_f64(&n->val.as.f, buf);
    } else {
        n->val.kind = TPL_INT;
        good = good &&
               (s.n > 2 && s.p[0] == '0' && s.p[1] > '9' && s.p[1] != '_' ? parse_based(s, &n->val.as.i)
                                                                          : rg_parse_i64(&n->val.as.i, buf));
    }
    if (!good)
        return tpl_parse_fail(p, "the number '%.*s' does not fit", (int)RG_MIN(s.n, (size_t)40), s.p);
    p->i++;
    return RG_OK;
}

static rg_status parse_name(tpl_parser *p, tpl_node *n)
{
    if (tpl_at_name(p, "true") || tpl_at_name(p, "True"))
        n->val = tpl_bool(true);
    else if (tpl_at_name(p, "false") || tpl_at_name(p, "False"))
        n->val = tpl_bool(false);
    else if (tpl_at_name(p, "none") || tpl_at_name(p, "None"))
        n->val = tpl_none();
    else {
        n->kind = TPL_N_NAME;
        if (p->macro)
            p->macro->op |= (uint8_t)((tpl_at_name(p, "varargs") ? TPL_USES_VARARGS : 0) |
                                      (tpl_at_name(p, "kwargs") ? TPL_USES_KWARGS : 0) |
                                      (tpl_at_name(p, "caller") ? TPL_USES_CALLER : 0));
        return tpl_expect_sym(p, &n->sym);
    }
    p->i++;
    return RG_OK;
}

/* ---- brackets ---- */

static rg_status parse_list(tpl_parser *p, tpl_node **out, uint32_t at)
{
    tpl_node *first = NULL, **tail = &first;
    while (!tpl_at(p, TPL_T_RBRACKET)) {
        if (first)
            RG_TRY(tpl_expect(p, TPL_T_COMMA, "',' or ']'"));
        if (tpl_at(p, TPL_T_RBRACKET))
            break;
        RG_TRY(tpl_parse_expr(p, tail, true));
        tail = &(*tail)->next;
    }
    p->i++;
    return tpl_node_new(p, out, TPL_N_LIST, at, first, NULL, NULL);
}

static rg_status parse_dict(tpl_parser *p, tpl_node **out, uint32_t at)
{
    tpl_node *first = NULL, **tail = &first;
    while (!tpl_at(p, TPL_T_RBRACE)) {
        tpl_node *key, *value;
        if (first)
            RG_TRY(tpl_expect(p, TPL_T_COMMA, "',' or '}'"));
        if (tpl_at(p, TPL_T_RBRACE))
            break;
        RG_TRY(tpl_parse_expr(p, &key, true));
        RG_TRY(tpl_expect(p, TPL_T_COLON, "':'"));
        RG_TRY(tpl_parse_expr(p, &value, true));
        RG_TRY(tpl_node_new(p, tail, TPL_N_PAIR, key->at, key, value, NULL));
        tail = &(*tail)->next;
    }
    p->i++;
    return tpl_node_new(p, out, TPL_N_DICT, at, first, NULL, NULL);
}

static bool at_tuple_end(const tpl_parser *p, const char *end_name)
{
    return tpl_at(p, TPL_T_VAR_END) || tpl_at(p, TPL_T_BLOCK_END) || tpl_at(p, TPL_T_RPAREN) ||
           (end_name && tpl_at_name(p, end_name));
}

rg_status tpl_parse_tuple(tpl_parser *p, tpl_node **out, bool with_cond, const char *end_name)
{
    const uint32_t at = here(p);
    tpl_node *first, **tail;
    if (at_tuple_end(p, end_name))
        return tpl_parse_fail(p, "an expression is expected here");
    RG_TRY(tpl_parse_expr(p, &first, with_cond));
    *out = first;
    if (!tpl_at(p, TPL_T_COMMA))
        return RG_OK;
    for (tail = &first->next; tpl_skip(p, TPL_T_COMMA) && !at_tuple_end(p, end_name); tail = &(*tail)->next)
        RG_TRY(tpl_parse_expr(p, tail, with_cond));
    return tpl_node_new(p, out, TPL_N_TUPLE, at, first, NULL, NULL);
}

static rg_status parse_paren(tpl_parser *p, tpl_node **out, uint32_t at)
{
    if (tpl_skip(p, TPL_T_RPAREN))
        return tpl_node_new(p, out, TPL_N_TUPLE, at, NULL, NULL, NULL);
    RG_TRY(tpl_parse_tuple(p, out, true, NULL));
    RG_TRY(tpl_expect(p, TPL_T_RPAREN, "')'"));
    return RG_OK;
}

static rg_status parse_primary(tpl_parser *p, tpl_node **out)
{
    const uint32_t at = here(p);
    if (tpl_skip(p, TPL_T_LPAREN))
        return parse_paren(p, out, at);
    if (tpl_skip(p, TPL_T_LBRACKET))
        return parse_list(p, out, at);
    if (tpl_skip(p, TPL_T_LBRACE))
        return parse_dict(p, out, at);
    RG_TRY(tpl_node_new(p, out, TPL_N_CONST, at, NULL, NULL, NULL));
    if (tpl_at(p, TPL_T_NAME))
        return parse_name(p, *out);
    if (tpl_at(p, TPL_T_STR))
        return parse_string(p, *out);
    if (tpl_at(p, TPL_T_INT) || tpl_at(p, TPL_T_FLOAT))
        return parse_number(p, *out);
    return tpl_expect(p, TPL_T_NAME, "a value");
}

/* ---- what follows a value ---- */

static rg_status parse_arg(tpl_parser *p, tpl_node **out, bool *named)
{
    const uint32_t at = here(p);
    tpl_node *value;
    uint32_t sym = 0;
    uint8_t op = TPL_ARG_PLAIN;
    if (tpl_skip(p, TPL_T_MUL))
        op = TPL_ARG_STAR;
    else if (tpl_skip(p, TPL_T_POW))
        op = TPL_ARG_STAR2;
    else if (tpl_at(p, TPL_T_NAME) && tpl_peek(p, 1)->kind == TPL_T_ASSIGN) {
        RG_TRY(tpl_expect_sym(p, &sym));
        p->i++;
    } else if (*named) {
        return tpl_parse_fail(p, "a positional argument follows a named one");
    }
    *named = *named || op != TPL_ARG_PLAIN || sym != 0;
    RG_TRY(tpl_parse_expr(p, &value, true));
    RG_TRY(tpl_node_new(p, out, TPL_N_ARG, at, value, NULL, NULL));
    (*out)->op = op;
    (*out)->sym = sym;
    return RG_OK;
}

/* "(a, b=c, *d, **e)"; *out NULL when there are none. */
static rg_status parse_args(tpl_parser *p, tpl_node **out)
{
    tpl_node **tail = out;
    bool named = false;
    *out = NULL;
    RG_TRY(tpl_expect(p, TPL_T_LPAREN, "'('"));
    while (!tpl_at(p, TPL_T_RPAREN)) {
        if (*out)
            RG_TRY(tpl_expect(p, TPL_T_COMMA, "',' or ')'"));
        if (tpl_at(p, TPL_T_RPAREN))
            break;
        RG_TRY(parse_arg(p, tail, &named));
        tail = &(*tail)->next;
    }
    p->i++;
    return RG_OK;
}

static bool at_slice_end(const tpl_parser *p)
{
    return tpl_at(p, TPL_T_COLON) || tpl_at(p, TPL_T_RBRACKET);
}

static rg_status parse_index(tpl_parser *p, tpl_node **out)
{
    const uint32_t at = here(p);
    tpl_node *part[3] = { NULL, NULL, NULL };
    if (!tpl_at(p, TPL_T_COLON)) {
        RG_TRY(tpl_parse_expr(p, &part[0], true));
        if (!tpl_at(p, TPL_T_COLON)) {
            *out = part[0];
            return RG_OK;
        }
    }
    for (int i = 1; i < 3 && tpl_skip(p, TPL_T_COLON); i++)
        if (!at_slice_end(p))
            RG_TRY(tpl_parse_expr(p, &part[i], true));
    return tpl_node_new(p, out, TPL_N_SLICE, at, part[0], part[1], part[2]);
}

static rg_status parse_dot(tpl_parser *p, tpl_node **io, uint32_t at)
{
    uint32_t sym;
    if (tpl_at(p, TPL_T_INT)) {
        tpl_node *index;
        RG_TRY(parse_primary(p, &index));
        return tpl_node_new(p, io, TPL_N_ITEM, at, *io, index, NULL);
    }
    RG_TRY(tpl_expect_sym(p, &sym));
    RG_TRY(tpl_node_new(p, io, TPL_N_ATTR, at, *io, NULL, NULL));
    (*io)->sym = sym;
    return RG_OK;
}

static rg_status parse_call(tpl_parser *p, tpl_node **io)
{
    const uint32_t at = here(p);
    tpl_node *args;
    RG_TRY(parse_args(p, &args));
    return tpl_node_new(p, io, TPL_N_CALL, at, *io, args, NULL);
}

static rg_status parse_postfix(tpl_parser *p, tpl_node **io)
{
    for (;;) {
        const uint32_t at = here(p);
        if (tpl_skip(p, TPL_T_DOT)) {
            RG_TRY(parse_dot(p, io, at));
        } else if (tpl_skip(p, TPL_T_LBRACKET)) {
            tpl_node *index;
            RG_TRY(parse_index(p, &index));
            RG_TRY(tpl_expect(p, TPL_T_RBRACKET, "']'"));
            RG_TRY(tpl_node_new(p, io, TPL_N_ITEM, at, *io, index, NULL));
        } else if (tpl_at(p, TPL_T_LPAREN)) {
            RG_TRY(parse_call(p, io));
        } else {
            return RG_OK;
        }
    }
}

rg_status tpl_parse_filter_one(tpl_parser *p, tpl_node **io)
{
    const uint32_t at = here(p);
    uint32_t sym;
    tpl_node *args = NULL;
    RG_TRY(tpl_expect_sym(p, &sym));
    if (tpl_at(p, TPL_T_LPAREN))
        RG_TRY(parse_args(p, &args));
    RG_TRY(tpl_node_new(p, io, TPL_N_FILTER, at, *io, args, NULL));
    (*io)->sym = sym;
    return RG_OK;
}

rg_status tpl_parse_filters(tpl_parser *p, tpl_node **io)
{
    while (tpl_skip(p, TPL_T_PIPE))
        RG_TRY(tpl_parse_filter_one(p, io));
    return RG_OK;
}

/* May a test's argument without brackets begin here?  "x is divisibleby 3" */
static bool at_test_arg(const tpl_parser *p)
{
    if (tpl_at(p, TPL_T_NAME))
        return !tpl_at_name(p, "else") && !tpl_at_name(p, "or") && !tpl_at_name(p, "and");
    return tpl_at(p, TPL_T_STR) || tpl_at(p, TPL_T_INT) || tpl_at(p, TPL_T_FLOAT) ||
           tpl_at(p, TPL_T_LBRACKET) || tpl_at(p, TPL_T_LBRACE);
}

static rg_status parse_test(tpl_parser *p, tpl_node **io, uint32_t at)
{
    const bool negated = tpl_skip_name(p, "not");
    uint32_t sym;
    tpl_node *args = NULL;
    RG_TRY(tpl_expect_sym(p, &sym));
    if (tpl_at(p, TPL_T_LPAREN)) {
        RG_TRY(parse_args(p, &args));
    } else if (at_test_arg(p)) {
        tpl_node *value;
        if (tpl_at_name(p, "is"))
            return tpl_parse_fail(p, "tests cannot be chained with 'is'");
        RG_TRY(parse_primary(p, &value));
        RG_TRY(parse_postfix(p, &value));
        RG_TRY(tpl_node_new(p, &args, TPL_N_ARG, at, value, NULL, NULL));
    }
    RG_TRY(tpl_node_new(p, io, TPL_N_TEST, at, *io, args, NULL));
    (*io)->sym = sym;
    return negated ? tpl_node_new(p, io, TPL_N_NOT, at, *io, NULL, NULL) : RG_OK;
}

static rg_status parse_filters_and_tests(tpl_parser *p, tpl_node **io)
{
    for (;;) {
        const uint32_t at = here(p);
        if (tpl_skip(p, TPL_T_PIPE))
            RG_TRY(tpl_parse_filter_one(p, io));
        else if (tpl_skip_name(p, "is"))
            RG_TRY(parse_test(p, io, at));
        else if (tpl_at(p, TPL_T_LPAREN))
            RG_TRY(parse_call(p, io));
        else
            return RG_OK;
    }
}

/* ---- operators ---- */

static rg_status parse_sign(tpl_parser *p, tpl_node **out, uint32_t at, bool minus)
{
    tpl_node *a;
    RG_TRY(tpl_parse_enter(p));
    RG_TRY(parse_unary(p, &a, false));
    p->depth--;
    return tpl_node_new(p, out, minus ? TPL_N_NEG : TPL_N_POS, at, a, NULL, NULL);
}

static rg_status parse_unary(tpl_parser *p, tpl_node **out, bool with_filter)
{
    const uint32_t at = here(p);
    if (tpl_skip(p, TPL_T_SUB))
        RG_TRY(parse_sign(p, out, at, true));
    else if (tpl_skip(p, TPL_T_ADD))
        RG_TRY(parse_sign(p, out, at, false));
    else
        RG_TRY(parse_primary(p, out));
    RG_TRY(parse_postfix(p, out));
    return with_filter ? parse_filters_and_tests(p, out) : RG_OK;
}

static rg_status math_node(tpl_parser *p, tpl_node **io, tpl_node *right, unsigned op, uint32_t at)
{
    RG_TRY(tpl_node_new(p, io, TPL_N_MATH, at, *io, right, NULL));
    (*io)->op = (uint8_t)op;
    return RG_OK;
}

static rg_status parse_pow(tpl_parser *p, tpl_node **out)
{
    RG_TRY(parse_unary(p, out, true));
    for (uint32_t at = here(p); tpl_skip(p, TPL_T_POW); at = here(p)) {
        tpl_node *right;
        RG_TRY(parse_unary(p, &right, true));
        RG_TRY(math_node(p, out, right, TPL_T_POW, at));
    }
    return RG_OK;
}

static rg_status parse_mul(tpl_parser *p, tpl_node **out)
{
    RG_TRY(parse_pow(p, out));
    for (;;) {
        const unsigned op = tpl_peek(p, 0)->kind;
        const uint32_t at = here(p);
        if (op != TPL_T_MUL && op != TPL_T_DIV && op != TPL_T_FLOORDIV && op != TPL_T_MOD)
            return RG_OK;
        p->i++;
        tpl_node *right;
        RG_TRY(parse_pow(p, &right));
        RG_TRY(math_node(p, out, right, op, at));
    }
}

static rg_status parse_concat(tpl_parser *p, tpl_node **out)
{
    const uint32_t at = here(p);
    tpl_node *first, **tail;
    RG_TRY(parse_mul(p, &first));
    *out = first;
    if (!tpl_at(p, TPL_T_TILDE))
        return RG_OK;
    for (tail = &first->next; tpl_skip(p, TPL_T_TILDE); tail = &(*tail)->next)
        RG_TRY(parse_mul(p, tail));
    return tpl_node_new(p, out, TPL_N_CONCAT, at, first, NULL, NULL);
}

static rg_status parse_add(tpl_parser *p, tpl_node **out)
{
    RG_TRY(parse_concat(p, out));
    for (;;) {
        const unsigned op = tpl_peek(p, 0)->kind;
        const uint32_t at = here(p);
        if (op != TPL_T_ADD && op != TPL_T_SUB)
            return RG_OK;
        p->i++;
        tpl_node *right;
        RG_TRY(parse_concat(p, &right));
        RG_TRY(math_node(p, out, right, op, at));
    }
}

/* The comparison that stands here, consumed, or EOF. */
static unsigned take_compare(tpl_parser *p)
{
    const tpl_tok *t = tpl_peek(p, 0), *u = tpl_peek(p, 1);
    if (t->kind >= TPL_T_EQ && t->kind <= TPL_T_GE) {
        p->i++;
        return t->kind;
    }
    if (tpl_skip_name(p, "in"))
        return TPL_T_IN;
    if (tpl_at_name(p, "not") && u->kind == TPL_T_NAME && rg_str_is(text_of(p, u), "in")) {
        p->i += 2;
        return TPL_T_NOT_IN;
    }
    return TPL_T_EOF;
}

static rg_status parse_compare(tpl_parser *p, tpl_node **out)
{
    const uint32_t at = here(p);
    tpl_node *chain = NULL, **tail = &chain;
    RG_TRY(parse_add(p, out));
    for (unsigned op; (op = take_compare(p)) != TPL_T_EOF; tail = &(*tail)->next) {
        tpl_node *right;
        RG_TRY(parse_add(p, &right));
        RG_TRY(tpl_node_new(p, tail, TPL_N_ARG, right->at, right, NULL, NULL));
        (*tail)->op = (uint8_t)op;
    }
    return chain ? tpl_node_new(p, out, TPL_N_COMPARE, at, *out, chain, NULL) : RG_OK;
}

static rg_status parse_not(tpl_parser *p, tpl_node **out)
{
    const uint32_t at = here(p);
    if (!tpl_skip_name(p, "not"))
        return parse_compare(p, out);
    tpl_node *a;
    RG_TRY(tpl_parse_enter(p));
    RG_TRY(parse_not(p, &a));
    p->depth--;
    return tpl_node_new(p, out, TPL_N_NOT, at, a, NULL, NULL);
}

static rg_status parse_and(tpl_parser *p, tpl_node **out)
{
    RG_TRY(parse_not(p, out));
    for (uint32_t at = here(p); tpl_skip_name(p, "and"); at = here(p)) {
        tpl_node *right;
        RG_TRY(parse_not(p, &right));
        RG_TRY(tpl_node_new(p, out, TPL_N_AND, at, *out, right, NULL));
    }
    return RG_OK;
}

static rg_status parse_or(tpl_parser *p, tpl_node **out)
{
    RG_TRY(parse_and(p, out));
    for (uint32_t at = here(p); tpl_skip_name(p, "or"); at = here(p)) {
        tpl_node *right;
        RG_TRY(parse_and(p, &right));
        RG_TRY(tpl_node_new(p, out, TPL_N_OR, at, *out, right, NULL));
    }
    return RG_OK;
}

rg_status tpl_parse_expr(tpl_parser *p, tpl_node **out, bool with_cond)
{
    RG_TRY(tpl_parse_enter(p));
    RG_TRY(parse_or(p, out));
    for (uint32_t at = here(p); with_cond && tpl_skip_name(p, "if"); at = here(p)) {
        tpl_node *test, *other = NULL;
        RG_TRY(parse_or(p, &test));
        if (tpl_skip_name(p, "else"))
            RG_TRY(tpl_parse_expr(p, &other, true));
        RG_TRY(tpl_node_new(p, out, TPL_N_COND, at, test, *out, other));
    }
    p->depth--;
    return RG_OK;
}
