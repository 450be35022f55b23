/* convert_gguf.c - a model written as one GGUF file. */
#include <string.h>

#include "convert_int.h"
#include "rung/base/mem.h"

enum { QUANTIZATION_VERSION = 2 };

/* ---- which type each tensor gets ---- */

static rg_status find_importance(rg__plan *p, rg__out_tensor *t, size_t *missing, rg_err *e)
{
    const bool table = strcmp(t->from->name, "token_embd.weight") == 0; /* no product reads it row by row */
    if (p->importance == NULL || rg__type_is_plain(t->type) || table ||
        strcmp(t->from->name, "output.weight") == 0)
        return RG_OK;
    RG_TRY(rg__importance_find(&t->importance, p->importance, t->from->name, t->from->K, e));
    *missing += t->importance == NULL;
    return RG_OK;
}

static rg_status choose_types(rg__plan *p, const rg_mix *m, const rg_call *call, rg_err *e)
{
    const rg_model_config *c = &p->config;
    const rg__mix_model model = { .n_layer = c->n_layer,
                                  .gqa = c->n_head / RG_MAX(c->n_head_kv, (size_t)1),
                                  .tied = rg_files_find(p->files, "output.weight") == NULL,
                                  .importance = p->importance != NULL };
    size_t missing = 0;
    for (size_t i = 0; i < p->n; i++) {
        rg__out_tensor *t = &p->t[i];
        bool fell_back = false;
        if (!rg__mix_applies(t->from)) {
            t->type = rg__type_is_plain(t->type) ? RG_F32 : t->type; /* vectors and norms */
            continue;
        }
        if (m == NULL)
            continue;
        t->type = rg__mix_type(m, &model, t->from, &fell_back);
        p->r.fell_back += fell_back;
        const size_t before = missing;
        RG_TRY(find_importance(p, t, &missing, e));
        if (missing > before)
            rg_call_log(call, RG_WARN, "bundle",
                        "the importance file has nothing for %s: it is quantised without", t->from->name);
    }
    return RG_OK;
}

/* Rows of q and k of a folder whose family GGUF stores in pairs. */
static void move_rows(rg__plan *p)
{
    const rg_model_config *c = &p->config;
    if (rg_files_gguf(p->files) != NULL || !c->rope_neox ||
        (strcmp(c->arch, "llama") != 0 && strcmp(c->arch, "mistral") != 0))
        return;
    for (size_t i = 0; i < p->n; i++) {
        const char *name = p->t[i].from->name;
        if (strstr(name, ".attn_q.") == NULL && strstr(name, ".attn_k.") == NULL)
            continue;
        p->t[i].rows = RG__ROWS_TO_PAIRS;
        p->t[i].head_rows = c->head_dim;
    }
}

/* ---- keys ---- */

static bool is_rewritten(rg_str key, bool quantized)
{
    return rg_str_starts(key, "split.") || rg_str_is(key, "general.alignment") ||
           (quantized &&
            (rg_str_is(key, "general.file_type") || rg_str_is(key, "general.quantization_version") ||
             rg_str_starts(key, "quantize.imatrix.")));
}

static rg_status copy_keys(rg_gguf_writer *w, const rg_gguf *g, bool quantized, rg_err *e)
{
    for (size_t i = 0; i < rg_gguf_n_keys(g); i++) {
        rg_str key;
        rg_gguf_kind kind;
        rg_gguf_key_at(g, i, &key, &kind);
        if (is_rewritten(key, quantized))
            continue;
        char *name = rg_strndup(key.p, key.n);
        if (name == NULL)
            RG_FAIL(e, RG_ENOMEM, "no memory for a key");
        const rg_status s = rg_gguf_put_copy(w, g, name, e);
        rg_free(name);
        RG_TRY(s);
    }
    return RG_OK;
}

static rg_status put_importance_keys(rg_gguf_writer *w, const rg__plan *p, const char *path, rg_err *e)
{
    if (p->importance == NULL)
        return RG_OK;
    RG_TRY(rg_gguf_put_str(w, "quantize.imatrix.file", rg_str_of(path), e));
    RG_TRY(
        rg_gguf_put_u32(w, "quantize.imatrix.entries_count", (uint32_t)rg__importance_n(p->importance), e));
    return rg_gguf_put_u32(w, "quantize.imatrix.chunks_count", (uint32_t)rg__importance_chunks(p->importance),
                           e);
}

/* The file type of a folder converted as it is. */
static uint32_t plain_file_type(const rg__plan *p)
{
    const rg_file_tensor *t = rg_files_find(p->files, "token_embd.weight");
    return t == NULL || t->type == RG_F32 ? 0 : t->type == RG_BF16 ? 32 : 1;
}

static rg_status put_keys(rg_gguf_writer *w, const rg__plan *p, const rg_convert_opt *o, rg_err *e)
{
    const rg_gguf *g = rg_files_gguf(p->files);
    if (g != NULL)
        RG_TRY(copy_keys(w, g, o->mix != NULL, e));
    else
        RG_TRY(rg__put_folder_keys(w, p->files, &p->config, e));
    if (g != NULL && o->mix == NULL)
        return RG_OK;
    RG_TRY(rg_gguf_put_u32(w, "general.quantization_version", QUANTIZATION_VERSION, e));
    RG_TRY(rg_gguf_put_u32(w, "general.file_type", o->mix ? o->mix->file_type : plain_file_type(p), e));
    return put_importance_keys(w, p, o->importance, e);
}

/* ---- */

static rg_status declare(rg_gguf_writer *w, const rg__plan *p, rg_err *e)
{
    for (size_t i = 0; i < p->n; i++) {
        const rg__out_tensor *t = &p->t[i];
        const uint64_t dims[2] = { t->from->K, t->from->R };
        RG_TRY(rg_gguf_declare(w, t->from->name, t->type, t->from->n_dims < 2 ? 1 : 2, dims, e));
    }
    return RG_OK;
}

static rg_status to_gguf(void *to, const void *p, size_t n, rg_err *e)
{
    return rg_gguf_write(to, p, n, e);
}

static rg_status write_file(const rg__plan *p, const char *dst, const rg_convert_opt *o, rg_pool *pool,
                            const rg_call *call, rg_err *e)
{
    rg_gguf_writer *w;
    RG_TRY(rg_gguf_create(&w, dst, e));
    rg_status s = put_keys(w, p, o, e);
    if (s == RG_OK)
        s = declare(w, p, e);
    if (s == RG_OK)
        s = rg__plan_write(p, (rg__sink){ to_gguf, w }, pool, call, e);
    if (s == RG_OK)
        return rg_gguf_finish(w, e);
    rg_gguf_abandon(w);
    return s;
}

static rg_status plan_and_write(rg__plan *p, const rg_files *f, const char *dst, const rg_convert_opt *o,
                                rg_pool *pool, const rg_call *call, rg_err *e)
{
    RG_TRY(rg__plan_new(p, f, o, e));
    RG_TRY(choose_types(p, o->mix, call, e));
    move_rows(p);
    RG_TRY(rg__plan_count(p, e));
    if (p->r.requantized)
        rg_call_log(call, RG_WARN, "bundle",
                    "the source is already quantised: errors of both add up; a file of F16 or BF16 is a "
                    "better source");
    return o->dry_run ? RG_OK : write_file(p, dst, o, pool, call, e);
}

rg_status rg_model_to_gguf(rg_convert_result *r, const char *src, const char *dst, const rg_convert_opt *o,
                           rg_pool *pool, const rg_call *call, rg_err *e)
{
    rg_files *f;
    rg__plan p = { 0 };
    *r = (rg_convert_result){ 0 };
    if (!o->dry_run)
        RG_TRY(rg__check_target(src, dst, o->force, e));
    RG_TRY(rg_files_open(&f, src, e));
    const rg_status s = plan_and_write(&p, f, dst, o, pool, call, e);
    *r = p.r;
    rg__plan_free(&p);
    rg_files_close(f);
    return s;
}
