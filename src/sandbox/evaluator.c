/* evaluator.c - statements and expressions of the evaluator, by recursive descent over tokens.
 *
 *   expr    := and ("or" and)*          and   := not ("and" not)*       not := "not" not | compare
 *   compare := sum (op sum)*            sum   := term (+|- term)*       term := unary (*|/|//|% unary)*
 *   unary   := (+|-) unary | power      power := atom ("**" unary)?
 *   atom    := number | text | name | name(...) | math.name(...) | (expr)                     */
#include "eval_int.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "rung/base/mem.h"

bool ev_fail(rg_eval *v, const char *type, const char *fmt, ...)
{
    va_list ap;
    if (v->fault->type[0])
        return false;
    snprintf(v->fault->type, sizeof v->fault->type, "%s", type);
    va_start(ap, fmt);
    vsnprintf(v->fault->message, sizeof v->fault->message, fmt, ap);
    va_end(ap);
    return false;
}

/* ---- tokens ---- */

bool ev_is(const rg_eval *v, const char *op)
{
    const ev_tok *t = &v->tok[v->at];
    return (t->kind == EV_OP || t->kind == EV_NAME) && rg_str_is(t->s, op);
}

bool ev_take(rg_eval *v, const char *op)
{
    const bool here = ev_is(v, op);
    v->at += here;
    return here;
}

bool ev_want(rg_eval *v, const char *op)
{
    if (ev_take(v, op))
        return true;
    const rg_str s = v->tok[v->at].s;
    return ev_fail(v, "SyntaxError", "'%s' expected, not '%.*s'", op, (int)RG_MIN(s.n, 40u), s.n ? s.p : "");
}

/* ---- names ---- */

ev_val *ev_name_get(rg_eval *v, rg_str name, bool make)
{
    for (size_t i = 0; i < v->n_names; i++)
        if (rg_str_is(name, v->names[i].name))
            return &v->names[i].v;
    if (!make || name.n > EV_MAX_NAME || v->n_names == EV_MAX_NAMES) {
        ev_fail(v, make ? "MemoryError" : "NameError",
                make ? "no room for the name '%.*s'" : "name '%.*s' is not defined", (int)RG_MIN(name.n, 40u),
                name.p);
        return NULL;
    }
    ev_name *new_name = &v->names[v->n_names++];
    memcpy(new_name->name, name.p, name.n);
    new_name->name[name.n] = '\0';
    ev_val_init(&new_name->v);
    return &new_name->v;
}

/* ---- calls ---- */

static bool call_plain(rg_eval *v, ev_val *x, rg_str name)
{
    ev_val arg[EV_MAX_ARGS];
    size_t n = 0;
    bool ok = true;
    if (!ev_is(v, ")"))
        do {
            if (n == EV_MAX_ARGS) {
                ok = ev_fail(v, "TypeError", "more than %d arguments", EV_MAX_ARGS);
                break;
            }
            ev_val_init(&arg[n++]);
            ok = ev_expr(v, &arg[n - 1]);
        } while (ok && ev_take(v, ","));
    ok = ok && ev_want(v, ")") && (v->dry || ev_function(v, x, name, arg, n));
    for (size_t i = 0; i < n; i++)
        ev_val_clear(&arg[i]);
    return ok;
}

static bool call_print(rg_eval *v)
{
    ev_val x;
    bool first = true, ok = true;
    ev_val_init(&x);
    while (ok && !ev_is(v, ")")) {
        ok = (first || ev_want(v, ",")) && ev_expr(v, &x);
        if (ok && v->dry == 0) {
            if (!first)
                rg_buf_putc(v->out, ' ');
            ev_print(v, &x);
            ok = v->fault->type[0] == '\0';
        }
        first = false;
    }
    ok = ok && ev_want(v, ")");
    if (ok && v->dry == 0)
        rg_buf_putc(v->out, '\n');
    ev_val_clear(&x);
    return ok;
}

static bool call(rg_eval *v, ev_val *x, rg_str name)
{
    x->kind = EV_NONE;
    if (rg_str_is(name, "print"))
        return call_print(v);
    if (rg_str_is(name, "sum") || rg_str_is(name, "prod"))
        return ev_over_range(v, x, name.p[0] == 'p');
    return call_plain(v, x, name);
}

/* ---- expressions ---- */

static bool named(rg_eval *v, ev_val *x, rg_str name)
{
    if ((rg_str_is(name, "math") || rg_str_is(name, "sympy")) && ev_take(v, ".")) {
        if (v->tok[v->at].kind != EV_NAME)
            return ev_fail(v, "SyntaxError", "a name must stand behind '.'");
        name = v->tok[v->at++].s;
    }
    if (ev_take(v, "("))
        return call(v, x, name);
    if (rg_str_is(name, "True") || rg_str_is(name, "False")) {
        x->kind = EV_BOOL;
        mpq_set_ui(x->q, name.p[0] == 'T', 1);
        return true;
    }
    if (v->dry)
        return true;
    const ev_val *known = ev_name_get(v, name, false);
    if (known == NULL || !ev_charge(v, 0))
        return false;
    ev_val_set(x, known);
    return true;
}

static bool atom(rg_eval *v, ev_val *x)
{
    const ev_tok t = v->tok[v->at];
    if (t.kind == EV_NUM) {
        v->at++;
        return ev_number(v, x, t.s);
    }
    if (t.kind == EV_TEXT) {
        v->at++;
        x->kind = EV_STRING;
        x->s = t.s;
        return true;
    }
    if (t.kind == EV_NAME) {
        v->at++;
        return named(v, x, t.s);
    }
    if (ev_take(v, "("))
        return ev_expr(v, x) && ev_want(v, ")");
    return ev_fail(v, "SyntaxError", "an expression expected, not '%.*s'", (int)RG_MIN(t.s.n, 40u),
                   t.s.n ? t.s.p : "");
}

static bool unary(rg_eval *v, ev_val *x);

static bool power(rg_eval *v, ev_val *x)
{
    ev_val y;
    if (!atom(v, x))
        return false;
    if (!ev_take(v, "**"))
        return true;
    if (v->depth == EV_MAX_DEPTH)
        return ev_fail(v, "RecursionError", "more than %d levels of powers", EV_MAX_DEPTH);
    ev_val_init(&y);
    v->depth++;
    const bool ok = unary(v, &y) && (v->dry || ev_power(v, x, &y));
    v->depth--;
    ev_val_clear(&y);
    return ok;
}

static bool unary(rg_eval *v, ev_val *x)
{
    size_t minus = 0, signs = 0;
    for (; ev_is(v, "-") || ev_is(v, "+"); signs++)
        minus += ev_take(v, "-") || (v->at++, false);
    if (!power(v, x) || (signs && !v->dry && x->kind != EV_RATIONAL && x->kind != EV_BOOL))
        return ev_fail(v, "TypeError", "only numbers have signs");
    if (minus % 2)
        mpq_neg(x->q, x->q);
    return true;
}

typedef bool (*level_fn)(rg_eval *v, ev_val *x);

/* next (op next)*, from the left. */
static bool chain(rg_eval *v, ev_val *x, level_fn next, const char *const *ops)
{
    ev_val y;
    bool ok = next(v, x);
    ev_val_init(&y);
    for (bool more = ok; more;) {
        more = false;
        for (size_t i = 0; ops[i] && !more; i++)
            more = ev_take(v, ops[i]);
        if (more) {
            const rg_str op = v->tok[v->at - 1].s;
            ok = next(v, &y) && (v->dry || ev_arith(v, x, op, &y));
            more = ok;
        }
    }
    ev_val_clear(&y);
    return ok;
}

static bool term(rg_eval *v, ev_val *x)
{
    static const char *const ops[] = { "*", "/", "//", "%", NULL };
    return chain(v, x, unary, ops);
}

static bool sum(rg_eval *v, ev_val *x)
{
    static const char *const ops[] = { "+", "-", NULL };
    return chain(v, x, term, ops);
}

static bool is_comparison(const rg_eval *v)
{
    return ev_is(v, "==") || ev_is(v, "!=") || ev_is(v, "<") || ev_is(v, "<=") || ev_is(v, ">") ||
           ev_is(v, ">=");
}

/* a < b < c is a < b and b < c. */
static bool compare(rg_eval *v, ev_val *x)
{
    ev_val y;
    bool all = true, ok = sum(v, x);
    const size_t from = v->at;
    ev_val_init(&y);
    while (ok && is_comparison(v)) {
        const rg_str op = v->tok[v->at++].s;
        bool holds = false;
        ok = sum(v, &y) && (v->dry || ev_compare(v, x, op, &y, &holds));
        all = all && holds;
        ev_val_set(x, &y);
    }
    ev_val_clear(&y);
    if (ok && v->at != from) {
        x->kind = EV_BOOL;
        mpq_set_ui(x->q, all, 1);
    }
    return ok;
}

static bool negation(rg_eval *v, ev_val *x)
{
    bool flips = false, any = false;
    while (ev_take(v, "not")) {
        flips = !flips;
        any = true;
    }
    if (!compare(v, x))
        return false;
    if (any) {
        const bool truth = ev_truth(x) != flips;
        x->kind = EV_BOOL;
        mpq_set_ui(x->q, truth, 1);
    }
    return true;
}

/* The side that does not matter is read dry. */
static bool logic(rg_eval *v, ev_val *x, level_fn next, const char *word, bool stops_at)
{
    ev_val y;
    bool ok = next(v, x);
    ev_val_init(&y);
    while (ok && ev_take(v, word)) {
        const bool settled = v->dry > 0 || ev_truth(x) == stops_at;
        v->dry += settled;
        ok = next(v, &y);
        v->dry -= settled;
        if (ok && !settled)
            ev_val_set(x, &y);
    }
    ev_val_clear(&y);
    return ok;
}

static bool conjunction(rg_eval *v, ev_val *x)
{
    return logic(v, x, negation, "and", false);
}

bool ev_expr(rg_eval *v, ev_val *x)
{
    if (v->depth == EV_MAX_DEPTH)
        return ev_fail(v, "RecursionError", "more than %d levels of brackets", EV_MAX_DEPTH);
    v->depth++;
    const bool ok = logic(v, x, conjunction, "or", true);
    v->depth--;
    return ok;
}

/* ---- statements ---- */

static void skip_line(rg_eval *v)
{
    while (v->tok[v->at].kind != EV_LINE)
        v->at++;
}

/* name = expr, name += expr; the name and the sign stand at v->at. */
static bool assign(rg_eval *v)
{
    const rg_str name = v->tok[v->at].s, sign = v->tok[v->at + 1].s;
    ev_val y;
    ev_val_init(&y);
    v->at += 2;
    bool ok = ev_expr(v, &y);
    if (ok && y.kind == EV_STRING)
        ok = ev_fail(v, "TypeError", "only numbers can be kept under a name");
    ev_val *to = ok ? ev_name_get(v, name, sign.n == 1) : NULL;
    ok = to != NULL;
    if (ok && sign.n > 1)
        ok = ev_arith(v, to, rg_str_n(sign.p, sign.n - 1), &y);
    else if (ok)
        ev_val_set(to, &y);
    ev_val_clear(&y);
    return ok;
}

static bool is_assignment(const rg_eval *v)
{
    static const char *const signs[] = { "=", "+=", "-=", "*=", "/=", "//=", "%=", "**=" };
    if (v->tok[v->at].kind != EV_NAME || v->tok[v->at + 1].kind != EV_OP)
        return false;
    for (size_t i = 0; i < RG_COUNT(signs); i++)
        if (rg_str_is(v->tok[v->at + 1].s, signs[i]))
            return true;
    return false;
}

static bool statement(rg_eval *v, ev_val *x)
{
    x->kind = EV_NONE;
    if (ev_is(v, "import") || ev_is(v, "from")) {
        skip_line(v);
        return true;
    }
    return is_assignment(v) ? assign(v) : ev_expr(v, x);
}

static bool statements(rg_eval *v, bool echo)
{
    ev_val x;
    bool ok = true;
    ev_val_init(&x);
    while (ok && v->tok[v->at].kind != EV_END) {
        if (v->tok[v->at].kind == EV_LINE) {
            v->at++;
            continue;
        }
        ok = statement(v, &x);
        if (ok && v->tok[v->at].kind != EV_LINE)
            ok = ev_want(v, "the end of the line");
    }
    if (ok && echo && x.kind != EV_NONE) {
        ev_print(v, &x);
        rg_buf_putc(v->out, '\n');
    }
    ev_val_clear(&x);
    return ok;
}

/* ---- front ---- */

rg_status rg_eval_new(rg_eval **out, rg_err *e)
{
    rg_eval *v = *out = rg_calloc(1, sizeof *v);
    if (v)
        v->names = rg_calloc(EV_MAX_NAMES, sizeof *v->names);
    if (v == NULL || v->names == NULL) {
        rg_free(v);
        *out = NULL;
        RG_FAIL(e, RG_ENOMEM, "no memory for the evaluator");
    }
    return RG_OK;
}

void rg_eval_free(rg_eval *v)
{
    if (v == NULL)
        return;
    for (size_t i = 0; i < v->n_names; i++)
        ev_val_clear(&v->names[i].v);
    rg_free(v->names);
    rg_free(v);
}

rg_status rg_eval_run(rg_eval *v, rg_str code, bool echo, size_t steps, rg_buf *out, rg_eval_fault *fault,
                      rg_err *e)
{
    *fault = (rg_eval_fault){ .type = "" };
    v->fault = fault;
    v->out = out;
    v->at = 0;
    v->depth = v->dry = 0;
    v->steps = steps ? steps : EV_STEPS;
    if (code.n > EV_MAX_CODE) {
        ev_fail(v, "MemoryError", "%zu bytes of code; at most %d are taken", code.n, EV_MAX_CODE);
        return RG_OK;
    }
    v->tok = rg_alloc(code.n + 2, sizeof *v->tok);
    if (v->tok == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu bytes of code", code.n);
    if (ev_lex(v, code))
        statements(v, echo);
    rg_free(v->tok);
    v->tok = NULL;
    if (out->failed && !out->over)
        RG_FAIL(e, RG_ENOMEM, "no memory for what the code prints");
    return RG_OK;
}
