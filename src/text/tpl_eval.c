/* tpl_eval.c - expressions to values.  Each node costs one step of fuel; the depth counter
 * bounds the C stack, whatever a template's loops and macros do. */
#include "tpl_int.h"

static rg_status eval_name(tpl_run *R, const tpl_scope *s, const tpl_node *n, tpl_val *out)
{
    size_t probes = 0;
    for (; s; s = s->up)
        for (size_t i = s->n; i-- > 0; probes++)
            if (s->v[i].sym == n->sym) {
                *out = s->v[i].v;
                return tpl_burn(R, probes / 16);
            }
    const tpl_str *name = &R->t->syms[n->sym];
    const tpl_builtin *fn = tpl_global_find(rg_str_n(name->p, name->n));
    *out = fn ? (tpl_val){ .kind = TPL_BUILTIN, .as.fn = fn } : tpl_undef(name, 0);
    return tpl_burn(R, probes / 16);
}

static rg_status eval_list(tpl_run *R, tpl_scope *s, const tpl_node *n, tpl_val *out)
{
    size_t count = 0;
    tpl_val *v;
    for (const tpl_node *k = n->a; k; k = k->next)
        count++;
    RG_TRY(tpl_alloc(R, &v, count, sizeof *v));
    count = 0;
    for (const tpl_node *k = n->a; k; k = k->next)
        RG_TRY(tpl_eval(R, s, k, &v[count++]));
    return tpl_list_of(R, out, v, count, n->kind == TPL_N_TUPLE ? TPL_F_TUPLE : TPL_F_LIST);
}

static rg_status eval_dict(tpl_run *R, tpl_scope *s, const tpl_node *n, tpl_val *out)
{
    tpl_val d;
    RG_TRY(tpl_dict_new(R, &d, 4));
    for (const tpl_node *k = n->a; k; k = k->next) {
        tpl_val key, value;
        RG_TRY(tpl_eval(R, s, k->a, &key));
        RG_TRY(tpl_eval(R, s, k->b, &value));
        RG_TRY(tpl_dict_put(R, d.as.d, &key, &value));
    }
    *out = d;
    return RG_OK;
}

static rg_status eval_slice(tpl_run *R, tpl_scope *s, const tpl_val *obj, const tpl_node *n, tpl_val *out)
{
    tpl_val at[3] = { { 0 }, { 0 }, { 0 } };
    const tpl_node *const part[3] = { n->a, n->b, n->c };
    for (int i = 0; i < 3; i++)
        if (part[i])
            RG_TRY(tpl_eval(R, s, part[i], &at[i]));
    return tpl_slice(R, obj, at, out);
}

static rg_status eval_item(tpl_run *R, tpl_scope *s, const tpl_node *n, tpl_val *out)
{
    tpl_val obj, key;
    RG_TRY(tpl_eval(R, s, n->a, &obj));
    if (n->b->kind == TPL_N_SLICE)
        return eval_slice(R, s, &obj, n->b, out);
    RG_TRY(tpl_eval(R, s, n->b, &key));
    R->at = n->at;
    return tpl_item(R, &obj, &key, out);
}

static rg_status eval_math(tpl_run *R, tpl_scope *s, const tpl_node *n, tpl_val *out)
{
    tpl_val a, b;
    RG_TRY(tpl_eval(R, s, n->a, &a));
    RG_TRY(tpl_eval(R, s, n->b, &b));
    R->at = n->at;
    return tpl_math(R, n->op, &a, &b, out);
}

static rg_status eval_sign(tpl_run *R, tpl_scope *s, const tpl_node *n, tpl_val *out)
{
    const tpl_val zero = tpl_int(0);
    tpl_val a;
    RG_TRY(tpl_eval(R, s, n->a, &a));
    R->at = n->at;
    if (a.kind == TPL_FLOAT) {
        *out = a;
        out->as.f = n->kind == TPL_N_NEG ? -a.as.f : a.as.f; /* 0 - 0.0 would lose the sign */
        return RG_OK;
    }
    return tpl_math(R, n->kind == TPL_N_NEG ? TPL_T_SUB : TPL_T_ADD, &zero, &a, out);
}

static rg_status eval_concat(tpl_run *R, tpl_scope *s, const tpl_node *n, tpl_val *out)
{
    tpl_out o = { 0 };
    for (const tpl_node *k = n->a; k; k = k->next) {
        tpl_val v, text;
        RG_TRY(tpl_eval(R, s, k, &v));
        RG_TRY(tpl_to_str(R, &v, &text));
        RG_TRY(tpl_put_val(R, &o, &text));
    }
    return tpl_finish(R, &o, out);
}

static rg_status eval_compare(tpl_run *R, tpl_scope *s, const tpl_node *n, tpl_val *out)
{
    tpl_val a, b;
    bool yes = true;
    RG_TRY(tpl_eval(R, s, n->a, &a));
    for (const tpl_node *k = n->b; k && yes; k = k->next) {
        RG_TRY(tpl_eval(R, s, k->a, &b));
        R->at = k->at;
        RG_TRY(tpl_compare(R, k->op, &a, &b, &yes));
        a = b;
    }
    *out = tpl_bool(yes);
    return RG_OK;
}

static rg_status eval_choice(tpl_run *R, tpl_scope *s, const tpl_node *n, tpl_val *out)
{
    RG_TRY(tpl_eval(R, s, n->a, out));
    if (n->kind == TPL_N_AND)
        return tpl_truth(out) ? tpl_eval(R, s, n->b, out) : RG_OK;
    if (n->kind == TPL_N_OR)
        return tpl_truth(out) ? RG_OK : tpl_eval(R, s, n->b, out);
    const tpl_node *next = tpl_truth(out) ? n->b : n->c;
    if (next)
        return tpl_eval(R, s, next, out);
    *out = tpl_undef(NULL, 0);
    return RG_OK;
}

/* ---- calls ---- */

static rg_status count_args(tpl_run *R, tpl_scope *s, const tpl_node *args, size_t *n_pos, size_t *n_kw,
                            tpl_val *star)
{
    for (const tpl_node *k = args; k; k = k->next) {
        if (k->op == TPL_ARG_PLAIN) {
            *(k->sym ? n_kw : n_pos) += 1;
            continue;
        }
        tpl_val *v = &star[k->op == TPL_ARG_STAR2];
        if (v->kind != TPL_MISSING)
            return tpl_fail(R, "only one * and one ** argument are known here");
        RG_TRY(tpl_eval(R, s, k->a, v));
        const tpl_val *items;
        size_t n;
        if (k->op == TPL_ARG_STAR2 && v->kind != TPL_DICT)
            return tpl_fail(R, "the argument after ** must be a dict");
        if (k->op == TPL_ARG_STAR) {
            RG_TRY(tpl_iter(R, v, &items, &n));
            RG_TRY(tpl_list_of(R, v, items, n, TPL_F_TUPLE));
            *n_pos += n;
        } else {
            *n_kw += v->as.d->n;
        }
    }
    return RG_OK;
}

static rg_status spread(tpl_run *R, const tpl_val star[2], tpl_val *pos, size_t n_pos, tpl_kwarg *kw,
                        size_t n_kw)
{
    for (size_t i = 0; star[0].kind == TPL_LIST && i < star[0].as.l->n; i++)
        pos[n_pos + i] = star[0].as.l->v[i];
    for (size_t i = 0; star[1].kind == TPL_DICT && i < star[1].as.d->n; i++) {
        const tpl_pair *p = &star[1].as.d->v[i];
        if (p->key.kind != TPL_STR)
            return tpl_fail(R, "keywords must be strings");
        kw[n_kw + i] = (tpl_kwarg){ p->key.as.s, p->val };
    }
    return RG_OK;
}

/* Fills c->pos and c->kw; there is room for one keyword more than is counted (caller). */
rg_status tpl_eval_args(tpl_run *R, tpl_scope *s, const tpl_node *args, tpl_call *c)
{
    size_t n_pos = 0, n_kw = 0;
    tpl_val star[2] = { { 0 }, { 0 } }, *pos = NULL;
    tpl_kwarg *kw = NULL;
    RG_TRY(count_args(R, s, args, &n_pos, &n_kw, star));
    if (n_pos > 0)
        RG_TRY(tpl_alloc(R, &pos, n_pos, sizeof *pos));
    RG_TRY(tpl_alloc(R, &kw, n_kw + 1, sizeof *kw));
    c->pos = pos;
    c->n_pos = n_pos;
    c->kw = kw;
    c->n_kw = n_kw;
    n_pos = n_kw = 0;
    for (const tpl_node *k = args; k; k = k->next) {
        if (k->op != TPL_ARG_PLAIN)
            continue;
        tpl_val *v = k->sym ? &kw[n_kw].v : &pos[n_pos++];
        if (k->sym)
            kw[n_kw++].name = &R->t->syms[k->sym];
        RG_TRY(tpl_eval(R, s, k->a, v));
    }
    return spread(R, star, pos, n_pos, kw, n_kw);
}

/* The next name of "a,b,c"; false at the end. */
static bool next_param(const char **at, rg_str *name)
{
    const char *p = *at;
    if (*p == 0)
        return false;
    *name = rg_str_n(p, strcspn(p, ","));
    *at = p + name->n + (p[name->n] == ',');
    return true;
}

static rg_status bind_keywords(tpl_run *R, const tpl_builtin *f, tpl_call *c)
{
    for (size_t k = 0; k < c->n_kw; k++) {
        const char *at = f->params;
        const rg_str want = rg_str_n(c->kw[k].name->p, c->kw[k].name->n);
        rg_str name = { NULL, 0 };
        size_t i = 0;
        while (next_param(&at, &name) && !rg_str_eq(name, want))
            i++;
        if (!rg_str_eq(name, want) || c->a[i].kind != TPL_MISSING)
            return tpl_fail(R, "%s() takes no argument '%.*s' here", f->name, (int)RG_MIN(want.n, (size_t)60),
                            want.p);
        c->a[i] = c->kw[k].v;
    }
    return RG_OK;
}

/* Binds what was given to the builtin's parameters, then runs it. */
rg_status tpl_apply(tpl_run *R, const tpl_builtin *f, tpl_call *c, tpl_val *out)
{
    if (f->params[0] != '*') {
        const char *at = f->params;
        rg_str name;
        size_t n = 0;
        while (next_param(&at, &name))
            n++;
        if (c->n_pos > n)
            return tpl_fail(R, "%s() takes at most %zu arguments, not %zu", f->name, n, c->n_pos);
        if (c->n_pos > 0)
            memcpy(c->a, c->pos, c->n_pos * sizeof *c->pos);
        RG_TRY(bind_keywords(R, f, c));
        for (size_t i = 0; i < f->need; i++)
            if (c->a[i].kind == TPL_MISSING)
                return tpl_fail(R, "%s() needs %zu arguments", f->name, f->need);
    } else if (c->n_pos < f->need) {
        return tpl_fail(R, "%s() needs %zu arguments", f->name, f->need);
    }
    return f->fn(R, c, out);
}

rg_status tpl_invoke(tpl_run *R, const tpl_val *callee, tpl_call *c, tpl_val *out)
{
    switch (callee->kind) {
    case TPL_BUILTIN: return tpl_apply(R, callee->as.fn, c, out);
    case TPL_METHOD: c->self = callee->as.method->self; return tpl_apply(R, callee->as.method->fn, c, out);
    case TPL_MACRO: return tpl_call_macro(R, callee->as.macro, c, out);
    case TPL_LOOP: return tpl_loop_again(R, callee->as.loop, c, out);
    case TPL_UNDEF: return tpl_undefined_error(R, callee);
    case TPL_JOINER:
        if (callee->as.joiner->used)
            *out = callee->as.joiner->sep;
        else
            RG_TRY(tpl_str_of(R, out, "", 0, 0, NULL));
        callee->as.joiner->used = true;
        return RG_OK;
    default: return tpl_fail(R, "'%s' object is not callable", tpl_type_name(callee));
    }
}

rg_status tpl_eval_call(tpl_run *R, tpl_scope *s, const tpl_node *n, const tpl_val *caller, tpl_val *out)
{
    tpl_call c = { .scope = s };
    tpl_val callee;
    RG_TRY(tpl_eval(R, s, n->a, &callee));
    RG_TRY(tpl_eval_args(R, s, n->b, &c));
    if (caller) {
        tpl_kwarg *kw = (tpl_kwarg *)(uintptr_t)c.kw; /* eval_args left room for it */
        kw[c.n_kw++] = (tpl_kwarg){ &R->t->syms[TPL_SYM_CALLER], *caller };
    }
    R->at = n->at;
    return tpl_invoke(R, &callee, &c, out);
}

/* value|name(args), or value is name(args) */
static rg_status eval_named(tpl_run *R, tpl_scope *s, const tpl_node *n, const tpl_val *self, tpl_val *out)
{
    const tpl_str *sym = &R->t->syms[n->sym];
    const rg_str name = rg_str_n(sym->p, sym->n);
    const tpl_builtin *f = n->kind == TPL_N_TEST ? tpl_test_find(name) : tpl_filter_find(name);
    tpl_call c = { .self = *self, .scope = s };
    R->at = n->at;
    if (f == NULL)
        return tpl_fail(R, "No %s named '%.*s'.", n->kind == TPL_N_TEST ? "test" : "filter",
                        (int)RG_MIN(name.n, (size_t)60), name.p);
    RG_TRY(tpl_eval_args(R, s, n->b, &c));
    R->at = n->at;
    return tpl_apply(R, f, &c, out);
}

rg_status tpl_apply_filters(tpl_run *R, tpl_scope *s, const tpl_node *chain, const tpl_val *in, tpl_val *out)
{
    tpl_val v = *in;
    if (chain->a)
        RG_TRY(tpl_apply_filters(R, s, chain->a, in, &v)); /* as deep as the tree is high */
    return eval_named(R, s, chain, &v, out);
}

static rg_status eval_filter(tpl_run *R, tpl_scope *s, const tpl_node *n, tpl_val *out)
{
    tpl_val self;
    RG_TRY(tpl_eval(R, s, n->a, &self));
    return eval_named(R, s, n, &self, out);
}

static rg_status eval_attr(tpl_run *R, tpl_scope *s, const tpl_node *n, tpl_val *out)
{
    tpl_val obj;
    RG_TRY(tpl_eval(R, s, n->a, &obj));
    R->at = n->at;
    return tpl_attr(R, &obj, &R->t->syms[n->sym], out);
}

static rg_status eval_not(tpl_run *R, tpl_scope *s, const tpl_node *n, tpl_val *out)
{
    tpl_val v;
    RG_TRY(tpl_eval(R, s, n->a, &v));
    *out = tpl_bool(!tpl_truth(&v));
    return RG_OK;
}

static rg_status dispatch(tpl_run *R, tpl_scope *s, const tpl_node *n, tpl_val *out)
{
    switch (n->kind) {
    case TPL_N_CONST: *out = n->val; return RG_OK;
    case TPL_N_NAME: return eval_name(R, s, n, out);
    case TPL_N_ATTR: return eval_attr(R, s, n, out);
    case TPL_N_ITEM: return eval_item(R, s, n, out);
    case TPL_N_CALL: return tpl_eval_call(R, s, n, NULL, out);
    case TPL_N_FILTER:
    case TPL_N_TEST: return eval_filter(R, s, n, out);
    case TPL_N_NOT: return eval_not(R, s, n, out);
    case TPL_N_NEG:
    case TPL_N_POS: return eval_sign(R, s, n, out);
    case TPL_N_MATH: return eval_math(R, s, n, out);
    case TPL_N_CONCAT: return eval_concat(R, s, n, out);
    case TPL_N_COMPARE: return eval_compare(R, s, n, out);
    case TPL_N_AND:
    case TPL_N_OR:
    case TPL_N_COND: return eval_choice(R, s, n, out);
    case TPL_N_LIST:
    case TPL_N_TUPLE: return eval_list(R, s, n, out);
    case TPL_N_DICT: return eval_dict(R, s, n, out);
    default: return tpl_fail(R, "a slice stands only inside of brackets");
    }
}

rg_status tpl_eval(tpl_run *R, tpl_scope *s, const tpl_node *n, tpl_val *out)
{
    R->at = n->at;
    RG_TRY(tpl_burn(R, 1));
    if (R->depth >= TPL_DEPTH_MAX)
        return tpl_fail(R, "the template nests too deeply while it runs");
    R->depth++;
    const rg_status st = dispatch(R, s, n, out);
    R->depth--;
    return st;
}
