/* template.c - compiling a template, and rendering one conversation with it. */
#include <stdarg.h>
#include <stdio.h>

#include "rung/base/rng.h"
#include "tpl_int.h"

/* ---- messages ---- */

/* Error sentences may quote a template or a message: control bytes become spaces. */
static void clean(char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7F)
            *s = ' ';
}

static rg_status vfail_at(rg_str src, uint32_t at, rg_err *e, rg_status code, const char *fmt, va_list ap)
{
    char msg[900];
    size_t line = 1, start = 0;
    vsnprintf(msg, sizeof msg, fmt, ap);
    clean(msg);
    for (size_t i = 0; i < at && i < src.n; i++)
        if (src.p[i] == '\n') {
            line++;
            start = i + 1;
        }
    const size_t column = tpl_count_chars(rg_str_n(src.p + start, RG_MIN((size_t)at, src.n) - start)) + 1;
    RG_FAIL(e, code, "chat template line %zu, column %zu: %s", line, column, msg);
}

rg_status tpl_fail_at(rg_str src, uint32_t at, rg_err *e, rg_status code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const rg_status s = vfail_at(src, at, e, code, fmt, ap);
    va_end(ap);
    return s;
}

rg_status tpl_fail(tpl_run *R, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const rg_status s = vfail_at(R->t->src, R->at, R->e, RG_EFORMAT, fmt, ap);
    va_end(ap);
    return s;
}

/* ---- names ---- */

static rg_status grow_names(rg_template *t, rg_err *e)
{
    const size_t cap = t->cap_syms ? 2 * t->cap_syms : 64;
    tpl_str *syms = tpl_take(&t->pool, cap * sizeof *syms);
    uint32_t *hash = tpl_take(&t->pool, 2 * cap * sizeof *hash);
    if (syms == NULL || hash == NULL)
        return tpl_pool_fail(&t->pool, e);
    memset(syms, 0, cap * sizeof *syms);
    memset(hash, 0, 2 * cap * sizeof *hash);
    if (t->syms)
        memcpy(syms, t->syms, t->n_syms * sizeof *syms);
    t->syms = syms;
    t->cap_syms = cap;
    t->hash = hash;
    t->n_hash = 2 * cap;
    for (size_t i = 1; i < t->n_syms; i++) {
        size_t h = (size_t)rg_hash64(syms[i].p, syms[i].n, 0) & (t->n_hash - 1);
        while (hash[h])
            h = (h + 1) & (t->n_hash - 1);
        hash[h] = (uint32_t)i;
    }
    return RG_OK;
}

rg_status tpl_intern(rg_template *t, uint32_t *sym, rg_str name, rg_err *e)
{
    if (t->n_syms == t->cap_syms)
        RG_TRY(grow_names(t, e));
    size_t h = (size_t)rg_hash64(name.p, name.n, 0) & (t->n_hash - 1);
    for (; t->hash[h]; h = (h + 1) & (t->n_hash - 1)) {
        const tpl_str *s = &t->syms[t->hash[h]];
        if (s->n == name.n && memcmp(s->p, name.p, name.n) == 0) {
            *sym = t->hash[h];
            return RG_OK;
        }
    }
    *sym = (uint32_t)t->n_syms++;
    t->syms[*sym] = (tpl_str){ name.p, name.n, NULL };
    t->hash[h] = *sym;
    return RG_OK;
}

static rg_status intern_fixed(rg_template *t, rg_err *e)
{
    static const char *const fixed[] = { "loop", "caller", "varargs", "kwargs" }; /* as TPL_SYM_* */
    t->n_syms = 1;
    RG_TRY(grow_names(t, e));
    for (size_t i = 0; i < RG_COUNT(fixed); i++) {
        uint32_t sym;
        RG_TRY(tpl_intern(t, &sym, rg_str_of(fixed[i]), e));
    }
    return RG_OK;
}

/* ---- compiling ---- */

static rg_status check_source(rg_str s, rg_err *e)
{
    if (s.n > TPL_SOURCE_MAX)
        RG_FAIL(e, RG_EFORMAT, "a chat template of %zu bytes is larger than %d", s.n, TPL_SOURCE_MAX);
    for (size_t i = 0, k; i < s.n; i += k) {
        k = rg_utf8_decode(s.p + i, s.n - i, NULL);
        if (k == 0)
            RG_FAIL(e, RG_EFORMAT, "the chat template is not UTF-8 at byte %zu", i);
    }
    return RG_OK;
}

/* Every kind of line end becomes a newline; one at the very end goes. */
static rg_status copy_source(rg_template *t, rg_str s, rg_err *e)
{
    char *p = tpl_take(&t->pool, s.n + 1);
    size_t n = 0;
    if (p == NULL)
        return tpl_pool_fail(&t->pool, e);
    for (size_t i = 0; i < s.n; i++) {
        p[n++] = s.p[i] == '\r' ? '\n' : s.p[i];
        i += s.p[i] == '\r' && i + 1 < s.n && s.p[i + 1] == '\n';
    }
    n -= n > 0 && p[n - 1] == '\n';
    t->src = rg_str_n(p, n);
    return RG_OK;
}

static rg_status compile(rg_template *t, rg_str source, rg_err *e)
{
    tpl_toks toks = { 0 };
    RG_TRY(check_source(source, e));
    RG_TRY(rg_arena_new(&t->arena, "template", TPL_COMPILE_BYTES, e));
    t->pool = (tpl_pool){ .arena = t->arena, .max = TPL_COMPILE_BYTES };
    RG_TRY(copy_source(t, source, e));
    RG_TRY(intern_fixed(t, e));
    rg_status s = tpl_lex(&toks, t->src, e);
    if (s == RG_OK)
        s = tpl_parse(t, &toks, e);
    rg_free(toks.v);
    return s;
}

rg_status rg_template_compile(rg_template **out, rg_str source, rg_err *e)
{
    *out = NULL;
    rg_template *t = rg_calloc(1, sizeof *t);
    if (t == NULL)
        RG_FAIL(e, RG_ENOMEM, "%zu bytes for a template", sizeof *t);
    const rg_status s = compile(t, source, e);
    if (s != RG_OK) {
        rg_template_free(t);
        return s;
    }
    *out = t;
    return RG_OK;
}

void rg_template_free(rg_template *t)
{
    if (t == NULL)
        return;
    rg_arena_free(t->arena);
    rg_free(t);
}

/* ---- the variables of a rendering ---- */

typedef struct conversation { /* what a template sees, and the text to continue */
    tpl_val messages, tools, documents, bos, eos;
    tpl_val final;    /* MISSING, or the last message's own text */
    bool placeholder; /* that text was blank and has one byte more */
} conversation;

/* A role of this list is part of the scaffolding: none of them is or begins a control token. */
static bool plain_role(const tpl_val *v)
{
    static const char *const roles[] = { "system",    "user",        "assistant", "tool",
                                         "developer", "ipython",     "function",  "tool_results",
                                         "model",     "environment", "document" };
    for (size_t i = 0; i < RG_COUNT(roles); i++)
        if (tpl_is_text(v, roles[i]))
            return true;
    return false;
}

static tpl_val *field(tpl_val *dict, const char *name)
{
    for (size_t i = 0; dict->kind == TPL_DICT && i < dict->as.d->n; i++)
        if (tpl_is_text(&dict->as.d->v[i].key, name))
            return &dict->as.d->v[i].val;
    return NULL;
}

/* The text of a message, or of its last part that has one. */
static tpl_val *message_text(tpl_val *message)
{
    tpl_val *content = field(message, "content");
    if (content == NULL || content->kind == TPL_STR)
        return content;
    for (size_t i = content->kind == TPL_LIST ? content->as.l->n : 0; i-- > 0;) {
        tpl_val part = content->as.l->v[i], *text = field(&part, "text");
        if (text && text->kind == TPL_STR)
            return text;
    }
    return NULL;
}

static rg_status mark_final(tpl_run *R, conversation *v, tpl_val *message)
{
    tpl_val *text = message_text(message);
    if (text == NULL || text->kind != TPL_STR)
        RG_FAIL(R->e, RG_EARG, "the last message has no text to continue");
    text->mark |= TPL_FINAL;
    v->final = *text;
    v->placeholder = tpl_strip(tpl_text(text), NULL, true, true).n == 0;
    if (!v->placeholder)
        return RG_OK;
    tpl_val byte;
    RG_TRY(tpl_str_of(R, &byte, "x", 1, TPL_FOREIGN | TPL_FINAL, NULL));
    return tpl_concat(R, text, &byte, text);
}

static rg_status load_messages(tpl_run *R, conversation *v, const rg_render_opt *o)
{
    if (!json_is_array(o->messages))
        RG_FAIL(R->e, RG_EARG, "messages must be an array");
    RG_TRY(tpl_from_json(R, &v->messages, o->messages, TPL_FOREIGN, 0));
    const tpl_list *l = v->messages.as.l;
    for (size_t i = 0; i < l->n; i++) {
        tpl_val m = l->v[i], *role = field(&m, "role");
        if (m.kind != TPL_DICT)
            RG_FAIL(R->e, RG_EARG, "message %zu is not an object", i);
        if (role && plain_role(role))
            role->mark = 0;
    }
    if (!o->continue_final)
        return RG_OK;
    if (l->n == 0)
        RG_FAIL(R->e, RG_EARG, "there is no last message to continue");
    tpl_val last = l->v[l->n - 1];
    return mark_final(R, v, &last);
}

static rg_status load(tpl_run *R, conversation *v, const rg_render_opt *o)
{
    const char *bos = o->bos ? o->bos : "", *eos = o->eos ? o->eos : "";
    static const char *const own[] = { "messages", "tools", "documents", "add_generation_prompt" };
    for (size_t i = 0; i < RG_COUNT(own); i++)
        if (json_object_get(o->kwargs, own[i]))
            RG_FAIL(R->e, RG_EARG, "'%s' cannot be a template argument of its own", own[i]);
    v->tools = v->documents = tpl_none();
    RG_TRY(load_messages(R, v, o));
    if (o->tools)
        RG_TRY(tpl_from_json(R, &v->tools, o->tools, TPL_FOREIGN, 0));
    if (o->documents)
        RG_TRY(tpl_from_json(R, &v->documents, o->documents, TPL_FOREIGN, 0));
    RG_TRY(tpl_str_of(R, &v->bos, bos, strlen(bos), 0, NULL));
    return tpl_str_of(R, &v->eos, eos, strlen(eos), 0, NULL);
}

/* Binds each name the template mentions and the caller defines. */
static rg_status bind_names(tpl_run *R, tpl_scope *s, const conversation *v, const rg_render_opt *o)
{
    const struct {
        const char *name;
        tpl_val v;
    } table[] = {
        { "messages", v->messages },   { "tools", v->tools },
        { "documents", v->documents }, { "add_generation_prompt", tpl_bool(o->add_generation_prompt) },
        { "bos_token", v->bos },       { "eos_token", v->eos },
    };
    for (size_t i = 1; i < R->t->n_syms; i++) {
        const tpl_str *name = &R->t->syms[i];
        const json_t *kw = json_object_getn(o->kwargs, name->p, name->n);
        tpl_val value = { 0 };
        for (size_t k = 0; k < RG_COUNT(table); k++)
            if (rg_str_is(rg_str_n(name->p, name->n), table[k].name))
                value = table[k].v;
        if (kw)
            RG_TRY(tpl_from_json(R, &value, kw, 0, 0));
        if (value.kind != TPL_MISSING)
            RG_TRY(tpl_set(R, s, (uint32_t)i, &value));
    }
    return RG_OK;
}

/* ---- rendering ---- */

/* Cuts the output right behind the last byte that came from the last message's text. */
static rg_status cut_final(tpl_run *R, const conversation *v, tpl_out *o)
{
    size_t end = o->mark & TPL_FINAL ? o->n : 0;
    while (o->marks && end > 0 && !(o->marks[end - 1] & TPL_FINAL))
        end--;
    const rg_str want = tpl_strip(tpl_text(&v->final), NULL, true, true);
    const rg_str have = tpl_strip(rg_str_n(o->p, end), NULL, false, true);
    const bool whole =
        v->placeholder || (have.n >= want.n && memcmp(have.p + have.n - want.n, want.p, want.n) == 0);
    if (end == 0 || !whole)
        RG_FAIL(R->e, RG_EFORMAT,
                "the template does not keep the last message's text, so it cannot be continued");
    o->n = end - v->placeholder;
    return RG_OK;
}

static rg_status add_span(rg_rendering *r, size_t *cap, size_t begin, size_t end, bool scaffold, rg_err *e)
{
    if (r->n_spans == *cap) {
        const size_t more = *cap ? 2 * *cap : 16;
        rg_span *grown = rg_realloc(r->spans, more, sizeof *grown);
        if (grown == NULL)
            RG_FAIL(e, RG_ENOMEM, "%zu spans of a prompt", more);
        r->spans = grown;
        *cap = more;
    }
    r->spans[r->n_spans++] = (rg_span){ begin, end, scaffold };
    return RG_OK;
}

static rg_status deliver(rg_rendering *r, const tpl_out *o, rg_err *e)
{
    size_t cap = 0;
    rg_buf_put(&r->text, o->n ? o->p : "", o->n);
    RG_TRY(rg_buf_check(&r->text, "the prompt", e));
    for (size_t i = 0, end; i < o->n; i = end) {
        const uint8_t foreign = (o->marks ? o->marks[i] : o->mark) & TPL_FOREIGN;
        for (end = o->marks ? i + 1 : o->n; end < o->n && (o->marks[end] & TPL_FOREIGN) == foreign; end++)
            ;
        RG_TRY(add_span(r, &cap, i, end, !foreign, e));
    }
    return RG_OK;
}

static rg_status render(tpl_run *R, const rg_render_opt *o, tpl_out *out)
{
    conversation v = { 0 };
    tpl_scope *root;
    RG_TRY(load(R, &v, o));
    RG_TRY(tpl_scope_new(R, &root, NULL));
    RG_TRY(bind_names(R, root, &v, o));
    RG_TRY(tpl_exec(R, root, R->t->body));
    return o->continue_final ? cut_final(R, &v, out) : RG_OK;
}

rg_status rg_template_render(const rg_template *t, const rg_render_opt *o, rg_rendering *r, rg_err *e)
{
    tpl_out out = { 0 };
    tpl_run R = { .t = t, .e = e, .fuel = TPL_FUEL, .now = o->now_unix, .out = &out };
    *r = (rg_rendering){ .text = RG_BUF_MAX(TPL_TEXT_MAX) };
    RG_TRY(rg_arena_new(&R.mem.arena, "rendering", TPL_RENDER_BYTES, e));
    R.mem.max = TPL_RENDER_BYTES;
    rg_status s = render(&R, o, &out);
    if (s == RG_OK)
        s = deliver(r, &out, e);
    rg_arena_free(R.mem.arena);
    if (s != RG_OK)
        rg_rendering_free(r); /* never a partial prompt */
    return s;
}

void rg_rendering_free(rg_rendering *r)
{
    rg_buf_free(&r->text);
    rg_free(r->spans);
    *r = (rg_rendering){ .text = RG_BUF_MAX(TPL_TEXT_MAX) };
}
