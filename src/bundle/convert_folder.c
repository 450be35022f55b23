/* convert_folder.c - a model written as a Hugging Face folder: model.safetensors, config.json
 * (convert_config.c), tokenizer.json, tokenizer_config.json, generation_config.json and
 * chat_template.jinja. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "convert_int.h"
#include "files_int.h"
#include "rung/base/file.h"
#include "rung/base/mem.h"
#include "rung/base/newfile.h"

enum { NAME_CAP = 160, MAX_TEXT = 128 << 20 };

/* ---- what each tensor becomes ---- */

/* Tensors that a folder keeps in config.json. */
static bool is_in_config(const char *name)
{
    return strcmp(name, "rope_freqs.weight") == 0 || strncmp(name, "rope_factors_", 13) == 0;
}

static void drop_config_tensors(rg__plan *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n; i++)
        if (!is_in_config(p->t[i].from->name))
            p->t[n++] = p->t[i];
    p->n = n;
}

/* Vectors stay in 32 bits: they are few, and norms and biases may need them. */
static uint32_t folder_type(const rg__out_tensor *t, const rg_mix *m)
{
    if (!rg__mix_applies(t->from))
        return RG_F32;
    if (m != NULL)
        return m->base;
    return rg__type_is_plain(t->from->type) ? t->from->type : RG_F16;
}

/* GGUF keeps Gemma's gains, a folder how far they are from one; llama's rows of q and k lie in
 * pairs there, in halves here. */
static void prepare(rg__plan *p, const rg_mix *m)
{
    const bool gemma = strcmp(p->config.arch, "gemma3") == 0, pairs = !p->config.rope_neox;
    drop_config_tensors(p);
    for (size_t i = 0; i < p->n; i++) {
        rg__out_tensor *t = &p->t[i];
        const char *name = t->from->name;
        t->type = folder_type(t, m);
        if (gemma && rg_str_ends(rg_str_of(name), "norm.weight"))
            t->add = -1;
        if (pairs && (strstr(name, ".attn_q.") != NULL || strstr(name, ".attn_k.") != NULL)) {
            t->rows = RG__ROWS_TO_HALVES;
            t->head_rows = p->config.head_dim;
        }
    }
}

/* ---- model.safetensors ---- */

/* Of a value head in two layers the second is score.2, of one in one layer it is score. */
static bool name_of(char *out, size_t cap, const rg__plan *p, const char *name, unsigned family)
{
    const char *output = "cls.output.";
    if (strncmp(name, output, strlen(output)) != 0 || rg_files_find(p->files, "cls.weight") == NULL)
        return rg__folder_name(out, cap, name, family);
    snprintf(out, cap, "score.2.%s", name + strlen(output));
    return true;
}

static rg_status declare(rg_safet_writer *w, const rg__plan *p, unsigned family, rg_err *e)
{
    RG_TRY(rg_safet_put_meta(w, "format", rg_str_of("pt"), e));
    for (size_t i = 0; i < p->n; i++) {
        const rg_file_tensor *t = p->t[i].from;
        const uint64_t dims[2] = { t->R, t->K };
        char name[NAME_CAP];
        if (!name_of(name, sizeof name, p, t->name, family))
            RG_FAIL(e, RG_EFORMAT, "tensor %s has no name in a folder of architecture %s", t->name,
                    p->config.arch);
        RG_TRY(rg_safet_declare(w, name, p->t[i].type, t->n_dims, t->n_dims == 1 ? dims + 1 : dims, e));
    }
    return RG_OK;
}

static rg_status to_safet(void *to, const void *p, size_t n, rg_err *e)
{
    return rg_safet_write(to, p, n, e);
}

static rg_status write_weights(const rg__plan *p, const char *path, unsigned family, rg_pool *pool,
                               const rg_call *call, rg_err *e)
{
    rg_safet_writer *w;
    RG_TRY(rg_safet_create(&w, path, e));
    rg_status s = declare(w, p, family, e);
    if (s == RG_OK)
        s = rg__plan_write(p, (rg__sink){ to_safet, w }, pool, call, e);
    if (s == RG_OK)
        return rg_safet_finish(w, e);
    rg_safet_abandon(w);
    return s;
}

/* ---- the texts ---- */

static rg_status write_file(const char *path, const rg_buf *b, rg_err *e)
{
    rg_newfile *f;
    RG_TRY(rg_newfile_open(&f, path, e));
    const rg_status s = rg_newfile_write(f, b->p, b->n, e);
    if (s == RG_OK)
        return rg_newfile_commit(f, e);
    rg_newfile_abandon(f);
    return s;
}

static rg_status write_text(const char *folder, const char *name, const rg_buf *b, rg_err *e)
{
    rg_buf path = RG_BUF_MAX(8192);
    rg_buf_printf(&path, "%s/%s", folder, name);
    rg_status s = rg_buf_check(b, name, e);
    if (s == RG_OK)
        s = rg_buf_check(&path, "the path", e);
    if (s == RG_OK)
        s = write_file(path.p, b, e);
    rg_buf_free(&path);
    return s;
}

/* What begins a text and what ends a turn. */
static rg_status write_generation(const char *folder, const rg_tokenizer *t, rg_err *e)
{
    rg_buf b = RG_BUF_MAX(1 << 16);
    const int32_t bos = rg_token_bos(t), eos = rg_token_eos(t);
    rg_buf_puts(&b, "{\n");
    if (bos >= 0)
        rg_buf_printf(&b, "  \"bos_token_id\": %d,\n", bos);
    rg_buf_puts(&b, "  \"eos_token_id\": [");
    const char *comma = "";
    if (eos >= 0) {
        rg_buf_printf(&b, "%d", eos);
        comma = ", ";
    }
    for (size_t id = 0; id < rg_vocab_size(t); id++)
        if ((int32_t)id != eos && rg_token_ends(t, (int32_t)id)) {
            rg_buf_printf(&b, "%s%zu", comma, id);
            comma = ", ";
        }
    rg_buf_puts(&b, "]\n}\n");
    const rg_status s = write_text(folder, "generation_config.json", &b, e);
    rg_buf_free(&b);
    return s;
}

static rg_status write_tokenizer(const char *folder, const rg_tokenizer *t, rg_err *e)
{
    rg_buf json = RG_BUF_MAX(MAX_TEXT), config = RG_BUF_MAX(MAX_TEXT);
    rg_status s = rg_tokenizer_put_json(t, &json, &config, e);
    if (s == RG_OK)
        s = write_text(folder, "tokenizer.json", &json, e);
    if (s == RG_OK)
        s = write_text(folder, "tokenizer_config.json", &config, e);
    rg_buf_free(&json);
    rg_buf_free(&config);
    return s;
}

static rg_status write_template(const char *folder, const rg_files *f, rg_err *e)
{
    const rg_str source = rg_files_template(f);
    rg_buf b = RG_BUF_MAX(MAX_TEXT);
    if (source.n == 0)
        return RG_OK;
    rg_buf_str(&b, source);
    const rg_status s = write_text(folder, "chat_template.jinja", &b, e);
    rg_buf_free(&b);
    return s;
}

static rg_status write_texts(const char *folder, const rg__plan *p, const folder_arch *a, rg_err *e)
{
    rg_tokenizer *t;
    rg_buf config = RG_BUF_MAX(MAX_TEXT);
    RG_TRY(rg_files_tokenizer(&t, p->files, e));
    rg_status s = rg__config_json(&config, p, a->model_type, t, e);
    if (s == RG_OK)
        s = write_text(folder, "config.json", &config, e);
    if (s == RG_OK)
        s = write_tokenizer(folder, t, e);
    if (s == RG_OK)
        s = write_generation(folder, t, e);
    if (s == RG_OK)
        s = write_template(folder, p->files, e);
    rg_buf_free(&config);
    rg_tokenizer_free(t);
    return s;
}

/* ---- */

static bool is_empty(const char *folder)
{
    DIR *d = opendir(folder);
    bool empty = d != NULL;
    for (const struct dirent *it; d != NULL && (it = readdir(d)) != NULL;)
        empty = empty && (strcmp(it->d_name, ".") == 0 || strcmp(it->d_name, "..") == 0);
    if (d != NULL)
        closedir(d);
    return empty;
}

static rg_status check_folder(const char *dst, rg_err *e)
{
    if (!rg_path_exists(dst))
        return RG_OK;
    if (!rg_path_is_dir(dst))
        RG_FAIL(e, RG_EARG, "%s is a file: name a folder, or a file that ends in .gguf", dst);
    if (!is_empty(dst))
        RG_FAIL(e, RG_EARG, "%s is a folder that holds files: name a new one or an empty one", dst);
    return RG_OK;
}

/* The texts first: what they refuse is told before a gigabyte is written. */
static rg_status fill(const char *folder, const rg__plan *p, const folder_arch *a, rg_pool *pool,
                      const rg_call *call, rg_err *e)
{
    rg_buf path = RG_BUF_MAX(8192);
    rg_buf_printf(&path, "%s/model.safetensors", folder);
    rg_status s = rg_buf_check(&path, "the path", e);
    if (s == RG_OK)
        s = write_texts(folder, p, a, e);
    if (s == RG_OK)
        s = rg_room_in(folder, p->r.bytes, "model.safetensors", e);
    if (s == RG_OK)
        s = write_weights(p, path.p, a->family, pool, call, e);
    rg_buf_free(&path);
    return s;
}

static rg_status plan_and_write(rg__plan *p, const rg_files *f, const char *dst, const rg_convert_opt *o,
                                rg_pool *pool, const rg_call *call, rg_err *e)
{
    rg_newfolder *folder;
    RG_TRY(rg__plan_new(p, f, o, e));
    prepare(p, o->mix);
    RG_TRY(rg__plan_count(p, e));
    /* GGUF calls Mistral a llama; only a window tells them apart */
    const bool mistral = strcmp(p->config.arch, "llama") == 0 && p->config.window > 0;
    const folder_arch *a = rg__folder_arch_of(mistral ? "mistral" : p->config.arch);
    if (a == NULL)
        RG_FAIL(e, RG_EFORMAT, "a folder of architecture %s is not written here", p->config.arch);
    if (o->dry_run)
        return RG_OK;
    RG_TRY(rg_newfolder_open(&folder, dst, e));
    const rg_status s = fill(rg_newfolder_path(folder), p, a, pool, call, e);
    if (s == RG_OK)
        return rg_newfolder_commit(folder, e);
    rg_newfolder_abandon(folder);
    return s;
}

rg_status rg_model_to_folder(rg_convert_result *r, const char *src, const char *dst, const rg_convert_opt *o,
                             rg_pool *pool, const rg_call *call, rg_err *e)
{
    rg_files *f;
    rg__plan p = { 0 };
    *r = (rg_convert_result){ 0 };
    if (o->mix != NULL && !rg__type_is_plain(o->mix->base))
        RG_FAIL(e, RG_EARG, "a folder holds F32, F16 or BF16, not %s: name a file that ends in .gguf",
                o->mix->name);
    if (!o->dry_run)
        RG_TRY(check_folder(dst, e));
    RG_TRY(rg_files_open(&f, src, e));
    const rg_status s = plan_and_write(&p, f, dst, o, pool, call, e);
    *r = p.r;
    rg__plan_free(&p);
    rg_files_close(f);
    return s;
}
