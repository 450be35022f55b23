/* tpl_exec.c - statements: they write to R->out and bind names in scopes.
 *
 * Loops, macros, call, with, filter and set blocks open a scope; if does not.  A loop's scope
 * begins anew with every turn, which is why templates carry state in namespaces. */
#include "tpl_int.h"

rg_status tpl_scope_new(tpl_run *R, tpl_scope **out, tpl_scope *up)
{
    RG_TRY(tpl_alloc(R, out, 1, sizeof **out));
    (*out)->up = up;
    return RG_OK;
}

rg_status tpl_set(tpl_run *R, tpl_scope *s, uint32_t sym, const tpl_val *v)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->v[i].sym == sym) {
            s->v[i].v = *v;
            return tpl_burn(R, i / 16);
        }
    RG_TRY(tpl_burn(R, s->n / 16));
    if (s->n == s->cap) {
        tpl_bind *grown;
        const size_t cap = s->cap ? 2 * s->cap : 4;
        RG_TRY(tpl_alloc(R, &grown, cap, sizeof *grown));
        if (s->n)
            memcpy(grown, s->v, s->n * sizeof *grown);
        s->v = grown;
        s->cap = cap;
    }
    s->v[s->n++] = (tpl_bind){ sym, *v };
    return RG_OK;
}

/* ---- assignment ---- */

static rg_status assign_attr(tpl_run *R, tpl_scope *s, const tpl_node *target, const tpl_val *v)
{
    const tpl_str *name = &R->t->syms[target->sym];
    const tpl_val key = { .kind = TPL_STR, .as.s = name };
    tpl_val ns;
    RG_TRY(tpl_eval(R, s, target->a, &ns));
    R->at = target->at;
    if (ns.kind != TPL_SPACE)
        return tpl_fail(R, "cannot assign attribute on non-namespace object");
    if (name->p[0] == '_')
        return tpl_fail(R, "a namespace holds no names that begin with an underscore");
    return tpl_dict_put(R, ns.as.d, &key, v);
}

static rg_status assign_many(tpl_run *R, tpl_scope *s, const tpl_node *target, const tpl_val *v)
{
    const tpl_val *items;
    size_t n, want = 0;
    if (v->kind == TPL_UNDEF)
        return tpl_undefined_error(R, v);
    RG_TRY(tpl_iter(R, v, &items, &n));
    for (const tpl_node *k = target->a; k; k = k->next)
        want++;
    if (n != want)
        return tpl_fail(R, "cannot unpack %zu values to %zu names", n, want);
    for (const tpl_node *k = target->a; k; k = k->next)
        RG_TRY(tpl_assign(R, s, k, items++));
    return RG_OK;
}

rg_status tpl_assign(tpl_run *R, tpl_scope *s, const tpl_node *target, const tpl_val *v)
{
    R->at = target->at;
    if (target->kind == TPL_N_NAME)
        return tpl_set(R, s, target->sym, v);
    return target->kind == TPL_N_ATTR ? assign_attr(R, s, target, v) : assign_many(R, s, target, v);
}

/* ---- blocks that become text ---- */

static rg_status capture(tpl_run *R, tpl_scope *s, const tpl_node *body, tpl_val *out)
{
    tpl_out o = { 0 }, *const was = R->out;
    R->out = &o;
    const rg_status st = tpl_exec(R, s, body);
    R->out = was;
    RG_TRY(st);
    return tpl_finish(R, &o, out);
}

static rg_status exec_set_block(tpl_run *R, tpl_scope *s, const tpl_node *n)
{
    tpl_scope *inner;
    tpl_val v;
    RG_TRY(tpl_scope_new(R, &inner, s));
    RG_TRY(capture(R, inner, n->c, &v));
    if (n->b)
        RG_TRY(tpl_apply_filters(R, s, n->b, &v, &v));
    return tpl_assign(R, s, n->a, &v);
}

static rg_status put_result(tpl_run *R, const tpl_val *v)
{
    tpl_val text;
    RG_TRY(tpl_to_str(R, v, &text));
    return tpl_put_val(R, R->out, &text);
}

static rg_status exec_filter_block(tpl_run *R, tpl_scope *s, const tpl_node *n)
{
    tpl_scope *inner;
    tpl_val v;
    RG_TRY(tpl_scope_new(R, &inner, s));
    RG_TRY(capture(R, inner, n->b, &v));
    RG_TRY(tpl_apply_filters(R, s, n->a, &v, &v));
    return put_result(R, &v);
}

/* ---- macros ---- */

static rg_status make_macro(tpl_run *R, tpl_scope *s, const tpl_node *n, tpl_val *out)
{
    tpl_macro *m;
    RG_TRY(tpl_alloc(R, &m, 1, sizeof *m));
    *m = (tpl_macro){ n, s };
    for (; s && !s->kept; s = s->up)
        s->kept = true;
    *out = (tpl_val){ .kind = TPL_MACRO, .as.macro = m };
    return RG_OK;
}

static const tpl_kwarg *find_kw(const tpl_call *c, const tpl_str *name)
{
    for (size_t i = 0; i < c->n_kw; i++)
        if (c->kw[i].name->n == name->n && memcmp(c->kw[i].name->p, name->p, name->n) == 0)
            return &c->kw[i];
    return NULL;
}

static rg_status bind_params(tpl_run *R, tpl_scope *s, const tpl_node *m, const tpl_call *c, size_t *n_kw)
{
    size_t i = 0;
    for (const tpl_node *k = m->a; k; k = k->next, i++) {
        const tpl_kwarg *kw = find_kw(c, &R->t->syms[k->sym]);
        tpl_val v = tpl_undef(&R->t->syms[k->sym], 0);
        if (i < c->n_pos && kw)
            return tpl_fail(R, "a macro got two values for '%.*s'", (int)kw->name->n, kw->name->p);
        if (i < c->n_pos)
            v = c->pos[i];
        else if (kw)
            v = kw->v;
        else if (k->a)
            RG_TRY(tpl_eval(R, s, k->a, &v));
        *n_kw += kw != NULL;
        RG_TRY(tpl_set(R, s, k->sym, &v));
    }
    return RG_OK;
}

static bool is_param(const tpl_run *R, const tpl_node *m, const tpl_str *name)
{
    for (const tpl_node *k = m->a; k; k = k->next)
        if (R->t->syms[k->sym].n == name->n && memcmp(R->t->syms[k->sym].p, name->p, name->n) == 0)
            return true;
    return false;
}

/* What the parameters did not take: varargs, kwargs, caller, or an error. */
static rg_status bind_rest(tpl_run *R, tpl_scope *s, const tpl_node *m, const tpl_call *c, size_t n_kw)
{
    size_t want = 0;
    tpl_val v;
    for (const tpl_node *k = m->a; k; k = k->next)
        want++;
    const size_t extra = c->n_pos > want ? c->n_pos - want : 0;
    if (extra > 0 && !(m->op & TPL_USES_VARARGS))
        return tpl_fail(R, "a macro takes not more than %zu argument(s)", want);
    RG_TRY(tpl_list_of(R, &v, extra ? c->pos + want : NULL, extra, TPL_F_TUPLE));
    RG_TRY(tpl_set(R, s, TPL_SYM_VARARGS, &v));
    const tpl_str *caller = &R->t->syms[TPL_SYM_CALLER];
    const tpl_kwarg *kw = (m->op & TPL_USES_CALLER) && !is_param(R, m, caller) ? find_kw(c, caller) : NULL;
    if (kw) {
        RG_TRY(tpl_set(R, s, TPL_SYM_CALLER, &kw->v));
        n_kw++;
    }
    if (n_kw < c->n_kw && !(m->op & TPL_USES_KWARGS))
        return tpl_fail(R, "a macro was given a keyword argument it does not take");
    if (!(m->op & TPL_USES_KWARGS))
        return RG_OK;
    RG_TRY(tpl_dict_new(R, &v, c->n_kw));
    for (size_t i = 0; i < c->n_kw; i++) {
        const tpl_val key = { .kind = TPL_STR, .as.s = c->kw[i].name };
        if (&c->kw[i] != kw && !is_param(R, m, c->kw[i].name))
            RG_TRY(tpl_dict_put(R, v.as.d, &key, &c->kw[i].v));
    }
    return tpl_set(R, s, TPL_SYM_KWARGS, &v);
}

static rg_status enter_call(tpl_run *R)
{
    if (R->calls >= TPL_NEST_MAX)
        return tpl_fail(R, "calls nest deeper than %d", TPL_NEST_MAX);
    R->calls++;
    return RG_OK;
}

rg_status tpl_call_macro(tpl_run *R, const tpl_macro *m, const tpl_call *c, tpl_val *out)
{
    tpl_scope *s;
    size_t n_kw = 0;
    RG_TRY(enter_call(R));
    RG_TRY(tpl_scope_new(R, &s, m->home));
    RG_TRY(bind_params(R, s, m->node, c, &n_kw));
    RG_TRY(bind_rest(R, s, m->node, c, n_kw));
    RG_TRY(capture(R, s, m->node->b, out));
    R->calls--;
    return RG_OK;
}

static rg_status exec_macro(tpl_run *R, tpl_scope *s, const tpl_node *n)
{
    tpl_val m;
    RG_TRY(make_macro(R, s, n, &m));
    return tpl_set(R, s, n->sym, &m);
}

static rg_status exec_call_block(tpl_run *R, tpl_scope *s, const tpl_node *n)
{
    tpl_val caller, v;
    RG_TRY(make_macro(R, s, n->b, &caller));
    RG_TRY(tpl_eval_call(R, s, n->a, &caller, &v));
    return put_result(R, &v);
}

/* ---- loops ---- */

/* The items that pass the loop's own condition. */
static rg_status select_items(tpl_run *R, tpl_scope *home, const tpl_node *n, const tpl_val **items,
                              size_t *count)
{
    tpl_val *kept;
    tpl_scope *s;
    size_t k = 0;
    RG_TRY(tpl_alloc(R, &kept, *count, sizeof *kept));
    RG_TRY(tpl_scope_new(R, &s, home));
    for (size_t i = 0; i < *count; i++) {
        tpl_val yes;
        RG_TRY(tpl_assign(R, s, n->a, &(*items)[i]));
        RG_TRY(tpl_eval(R, s, n->test, &yes));
        if (tpl_truth(&yes))
            kept[k++] = (*items)[i];
    }
    *items = kept;
    *count = k;
    return RG_OK;
}

static rg_status loop_turn(tpl_run *R, tpl_scope *s, const tpl_node *n, tpl_loop *l)
{
    const tpl_val self = { .kind = TPL_LOOP, .as.loop = l };
    RG_TRY(tpl_set(R, s, TPL_SYM_LOOP, &self));
    RG_TRY(tpl_assign(R, s, n->a, &l->v[l->i]));
    return tpl_exec(R, s, n->c);
}

static rg_status run_for(tpl_run *R, tpl_scope *home, const tpl_node *n, const tpl_val *over, size_t depth0)
{
    tpl_scope *s;
    tpl_loop *l;
    RG_TRY(tpl_alloc(R, &l, 1, sizeof *l));
    *l = (tpl_loop){ .node = n, .home = home, .depth0 = depth0 };
    RG_TRY(tpl_iter(R, over, &l->v, &l->n));
    if (n->test)
        RG_TRY(select_items(R, home, n, &l->v, &l->n));
    RG_TRY(tpl_scope_new(R, &s, home));
    if (l->n == 0)
        return tpl_exec(R, s, n->other);
    for (; l->i < l->n && R->flow != TPL_BREAK; l->i++) {
        R->flow = TPL_GO;
        if (s->kept)
            RG_TRY(tpl_scope_new(R, &s, home));
        s->n = 0;
        RG_TRY(loop_turn(R, s, n, l));
    }
    l->i = l->n - 1; /* whoever kept the loop sees its last turn */
    R->flow = TPL_GO;
    return RG_OK;
}

static rg_status exec_for(tpl_run *R, tpl_scope *s, const tpl_node *n)
{
    tpl_val over;
    RG_TRY(tpl_eval(R, s, n->b, &over));
    R->at = n->at;
    return run_for(R, s, n, &over, 0);
}

/* loop(items) inside of a recursive loop: the loop's text over other items. */
rg_status tpl_loop_again(tpl_run *R, const tpl_loop *l, const tpl_call *c, tpl_val *out)
{
    tpl_out o = { 0 }, *const was = R->out;
    if (!l->node->op)
        return tpl_fail(R, "The loop must have the 'recursive' marker to be called recursively.");
    if (c->n_pos != 1 || c->n_kw != 0)
        return tpl_fail(R, "loop() needs the items to go over");
    RG_TRY(enter_call(R));
    R->out = &o;
    const rg_status st = run_for(R, l->home, l->node, c->pos, l->depth0 + 1);
    R->out = was;
    RG_TRY(st);
    R->calls--;
    return tpl_finish(R, &o, out);
}

/* ---- the rest ---- */

static rg_status exec_if(tpl_run *R, tpl_scope *s, const tpl_node *n)
{
    for (const tpl_node *k = n->a; k; k = k->next) {
        tpl_val yes = tpl_bool(true);
        if (k->a)
            RG_TRY(tpl_eval(R, s, k->a, &yes));
        if (tpl_truth(&yes))
            return tpl_exec(R, s, k->b);
    }
    return RG_OK;
}

static rg_status exec_set(tpl_run *R, tpl_scope *from, tpl_scope *to, const tpl_node *n)
{
    tpl_val v;
    RG_TRY(tpl_eval(R, from, n->b, &v));
    return tpl_assign(R, to, n->a, &v);
}

static rg_status exec_with(tpl_run *R, tpl_scope *s, const tpl_node *n)
{
    tpl_scope *inner;
    RG_TRY(tpl_scope_new(R, &inner, s));
    for (const tpl_node *k = n->a; k; k = k->next)
        RG_TRY(exec_set(R, s, inner, k));
    return tpl_exec(R, inner, n->b);
}

static rg_status exec_print(tpl_run *R, tpl_scope *s, const tpl_node *n)
{
    tpl_val v;
    RG_TRY(tpl_eval(R, s, n->a, &v));
    R->at = n->at;
    return put_result(R, &v);
}

static rg_status exec_one(tpl_run *R, tpl_scope *s, const tpl_node *n)
{
    switch (n->kind) {
    case TPL_N_TEXT: return tpl_put_val(R, R->out, &n->val);
    case TPL_N_PRINT: return exec_print(R, s, n);
    case TPL_N_IF: return exec_if(R, s, n);
    case TPL_N_FOR: return exec_for(R, s, n);
    case TPL_N_SET: return exec_set(R, s, s, n);
    case TPL_N_SET_BLOCK: return exec_set_block(R, s, n);
    case TPL_N_MACRO: return exec_macro(R, s, n);
    case TPL_N_CALL_BLOCK: return exec_call_block(R, s, n);
    case TPL_N_FILTER_BLOCK: return exec_filter_block(R, s, n);
    case TPL_N_WITH:
    case TPL_N_SCOPE: return exec_with(R, s, n);
    default: R->flow = n->kind == TPL_N_BREAK ? TPL_BREAK : TPL_CONTINUE; return RG_OK;
    }
}

rg_status tpl_exec(tpl_run *R, tpl_scope *s, const tpl_node *body)
{
    rg_status st = RG_OK;
    if (R->depth >= TPL_DEPTH_MAX)
        return tpl_fail(R, "the template nests too deeply while it runs");
    R->depth++;
    for (const tpl_node *n = body; n && st == RG_OK && R->flow == TPL_GO; n = n->next) {
        R->at = n->at;
        st = tpl_burn(R, 1);
        if (st == RG_OK)
            st = exec_one(R, s, n);
    }
    R->depth--;
    return st;
}
