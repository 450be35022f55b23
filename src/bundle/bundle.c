#include "rung/bundle/bundle.h"

#include <string.h>

#include "rung/base/mem.h"

struct rg_bundle {
    char *path, *name, *title;
    rg_files *f;
    rg_weights *ws;
    rg_model *m;
    rg_tokenizer *tok;
    rg_template *tpl;
    rg_err tpl_err; /* why the files' template does not compile */
};

static rg_status keep(char **out, rg_str s, rg_err *e)
{
    *out = rg_strndup(s.n > 0 ? s.p : "", s.n);
    if (*out == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for a name");
    return RG_OK;
}

static rg_status open_text(rg_bundle *b, rg_err *e)
{
    RG_TRY(rg_files_tokenizer(&b->tok, b->f, e));
    const rg_str source = rg_files_template(b->f);
    if (source.n > 0)
        (void)rg_template_compile(&b->tpl, source, &b->tpl_err);
    return RG_OK;
}

/* ---- weights ---- */

static rg_status add_tensor(rg_weights *ws, const rg_file_tensor *t, rg_err *e)
{
    if (t->n_dims > 2)
        RG_FAIL(e, RG_EFORMAT, "tensor %s has %u dimensions, a matrix has 2", t->name, t->n_dims);
    return rg_weights_add(ws, t->name, t->type, t->R, t->K, t->data, e);
}

typedef struct loading {
    const rg_bundle *b;
    const rg_call *call;
    uint64_t done, total;
} loading;

/* A packed matrix's file pages may go: its panels are what runs. */
static void let_go(void *arg, const rg_weight *w)
{
    loading *l = arg;
    rg_files_release(l->b->f, w->src, w->R * w->row_bytes);
    l->done += w->R * w->row_bytes;
    const rg_event ev = { .kind = RG_EV_PROGRESS,
                          .room = "bundle",
                          .subject = rg_str_of("loading"),
                          .value = (double)l->done,
                          .total = (double)l->total };
    rg_call_emit(l->call, &ev);
}

rg_status rg_predict_memory(uint64_t *bytes, const rg_files *f, rg_err *e)
{
    uint64_t total = 16u << 20; /* tokenizer, tables, scratch */
    const bool values = rg_files_find(f, "cls.output.weight") != NULL;
    const bool tied = rg_files_find(f, "output.weight") == NULL && !values;
    for (size_t i = 0; i < rg_files_n(f); i++) {
        const rg_file_tensor *t = rg_files_at(f, i);
        if (!rg_type_info_of(t->type)->runs)
            RG_FAIL(e, RG_EFORMAT, "tensor %s has type %s, which this engine does not run", t->name,
                    rg_type_info_of(t->type)->name);
        if (strcmp(t->name, "token_embd.weight") == 0 && !tied)
            continue; /* read a row at a time from the mapped file */
        const bool floats = t->R == 1 || strncmp(t->name, "cls.", 4) == 0; /* a vector, a value head */
        const uint64_t mem = floats ? (uint64_t)t->R * t->K * sizeof(float)
                                    : rg_panels_of(t->R) * (uint64_t)rg_panel_bytes(t->type, t->K);
        if (!rg_add_u64(&total, total, mem))
            RG_FAIL(e, RG_EFORMAT, "the tensors' sizes do not add up");
    }
    *bytes = total;
    return RG_OK;
}

static rg_status fits(const rg_bundle *b, rg_err *e)
{
    uint64_t bytes;
    RG_TRY(rg_predict_memory(&bytes, b->f, e));
    const uint64_t free_bytes = rg_memory_available();
    if (free_bytes != 0 && bytes > free_bytes)
        RG_FAIL(e, RG_ENOMEM, "needs %.1f GiB, %.1f GiB are free: choose a smaller model or quantisation",
                (double)bytes / 0x1p30, (double)free_bytes / 0x1p30);
    return RG_OK;
}

static rg_status vocabulary_agrees(const rg_bundle *b, size_t rows, rg_err *e)
{
    const size_t tokens = rg_vocab_size(b->tok);
    if (rows == tokens)
        return RG_OK;
    RG_FAIL(e, RG_EFORMAT, "the embedding has %zu rows, the vocabulary %zu tokens: they must agree", rows,
            tokens);
}

static rg_status open_model(rg_bundle *b, rg_pool *pool, const rg_call *call, rg_err *e)
{
    rg_model_config c;
    const rg_str note = rg_files_note(b->f);
    if (note.n > 0)
        rg_call_log(call, RG_WARN, "bundle", "%s: %s", b->name, note.p);
    RG_TRY(rg_files_config(&c, b->f, e));
    RG_TRY(vocabulary_agrees(b, c.n_vocab, e));
    RG_TRY(fits(b, e));
    RG_TRY(rg_weights_new(&b->ws, e));
    for (size_t i = 0; i < rg_files_n(b->f); i++)
        RG_TRY(add_tensor(b->ws, rg_files_at(b->f, i), e));
    loading l = { b, call, 0, rg_files_bytes(b->f) };
    return rg_model_new(&b->m, &c, b->ws, pool, let_go, &l, e);
}

static rg_status open_files(rg_bundle **out, const char *path, rg_err *e)
{
    *out = NULL;
    rg_bundle *b = rg_calloc(1, sizeof *b);
    if (b == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for a model");
    rg_status s = rg_files_open(&b->f, path, e);
    if (s == RG_OK)
        s = keep(&b->path, rg_str_of(path), e);
    if (s == RG_OK)
        s = keep(&b->name, rg_files_name(b->f), e);
    if (s == RG_OK)
        s = keep(&b->title, rg_files_title(b->f), e);
    if (s == RG_OK)
        s = open_text(b, e);
    if (s != RG_OK) {
        rg_bundle_close(b);
        return s;
    }
    *out = b;
    return RG_OK;
}

static rg_status finish(rg_bundle **out, rg_bundle *b, const char *path, rg_status s, rg_err *e)
{
    if (s != RG_OK) {
        rg_bundle_close(b);
        if (e != NULL && strstr(e->msg, path) == NULL)
            rg_err_prefix(e, "%s", path);
        return s;
    }
    *out = b;
    return RG_OK;
}

rg_status rg_bundle_open(rg_bundle **out, const char *path, rg_pool *pool, const rg_call *call, rg_err *e)
{
    *out = NULL;
    rg_bundle *b = NULL;
    rg_status s = open_files(&b, path, e);
    if (s == RG_OK)
        s = open_model(b, pool, call, e);
    return finish(out, b, path, s, e);
}

rg_status rg_bundle_open_text(rg_bundle **out, const char *path, rg_err *e)
{
    *out = NULL;
    rg_bundle *b = NULL;
    const rg_status s = open_files(&b, path, e);
    return finish(out, b, path, s, e);
}

rg_status rg_bundle_lock(rg_bundle *b, rg_err *e)
{
    return b->ws == NULL ? RG_OK : rg_weights_lock(b->ws, e);
}

void rg_bundle_close(rg_bundle *b)
{
    if (b == NULL)
        return;
    rg_model_free(b->m);
    rg_weights_free(b->ws);
    rg_template_free(b->tpl);
    rg_tokenizer_free(b->tok);
    rg_files_close(b->f);
    rg_free(b->path);
    rg_free(b->name);
    rg_free(b->title);
    rg_free(b);
}

const char *rg_bundle_path(const rg_bundle *b)
{
    return b->path;
}

const char *rg_bundle_name(const rg_bundle *b)
{
    return b->name;
}

const char *rg_bundle_title(const rg_bundle *b)
{
    return b->title;
}

uint64_t rg_bundle_file_bytes(const rg_bundle *b)
{
    return rg_files_bytes(b->f);
}

const rg_model *rg_bundle_model(const rg_bundle *b)
{
    return b->m;
}

const rg_tokenizer *rg_bundle_tokenizer(const rg_bundle *b)
{
    return b->tok;
}

rg_status rg_bundle_template(const rg_template **out, const rg_bundle *b, rg_err *e)
{
    *out = b->tpl;
    if (b->tpl == NULL && b->tpl_err.code != RG_OK)
        RG_FAIL(e, b->tpl_err.code, "the chat template of %s: %s", b->name, b->tpl_err.msg);
    return RG_OK;
}

rg_status rg_bundle_set_template(rg_bundle *b, rg_str source, rg_err *e)
{
    rg_template *t;
    RG_TRY(rg_template_compile(&t, source, e));
    rg_template_free(b->tpl);
    b->tpl = t;
    rg_err_clear(&b->tpl_err);
    return RG_OK;
}

void rg_bundle_trim(const rg_bundle *b)
{
    const rg_file_tensor *t = rg_files_find(b->f, "token_embd.weight");
    if (t != NULL)
        rg_files_release(b->f, t->data, t->bytes);
}

rg_status rg_bundle_hash(char out[65], const rg_bundle *b, rg_err *e)
{
    return rg_files_hash(out, b->f, true, e);
}
