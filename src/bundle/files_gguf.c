/* files_gguf.c - one GGUF file, or its shards NAME-NNNNN-of-NNNNN.gguf in one directory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files_int.h"

enum { DIGITS = 5, TAIL = 20 }; /* "-00001-of-00003.gguf" */

/* no and n of a shard's file name, counted from 1; false for any other name. */
static bool shard_of(const char *path, size_t *no, size_t *n)
{
    const size_t len = strlen(path);
    if (len <= TAIL)
        return false;
    const char *tail = path + len - TAIL;
    unsigned a, b;
    char rest;
    if (strspn(tail + 1, "0123456789") != DIGITS || strspn(tail + 10, "0123456789") != DIGITS ||
        sscanf(tail, "-%5u-of-%5u.ggu%c", &a, &b, &rest) != 3 || rest != 'f')
        return false;
    *no = a;
    *n = b;
    return true;
}

static rg_status add_tensor(rg_files *f, const rg_gguf_tensor *t, rg_err *e)
{
    char name[65];
    snprintf(name, sizeof name, "%.*s", (int)RG_MIN(t->name.n, sizeof name - 1), t->name.p);
    const rg_file_tensor x = { .name = name,
                               .type = t->type,
                               .n_dims = t->n_dims,
                               .R = (size_t)(t->dims[1] * t->dims[2] * t->dims[3]), /* <= 2^40 */
                               .K = (size_t)t->dims[0],
                               .data = t->data,
                               .bytes = t->bytes };
    return rg__files_add(f, &x, e);
}

/* Opens one file as the next of f's. */
static rg_status open_one(rg_files *f, const char *path, rg_err *e)
{
    RG_TRY(rg_gguf_open(&f->gguf[f->n_gguf], path, e));
    const rg_gguf *g = f->gguf[f->n_gguf++];
    for (size_t i = 0; i < rg_gguf_n_tensors(g); i++)
        RG_TRY(add_tensor(f, rg_gguf_tensor_at(g, i), e));
    return rg__files_list(f, path, true, e);
}

/* ---- shards ---- */

static rg_status shard_paths(char **path, const rg_files *f, size_t n, rg_err *e)
{
    const size_t stem = strlen(f->path) - TAIL, cap = strlen(f->path) + 1;
    for (size_t i = 0; i < n; i++) {
        path[i] = rg_alloc(cap, 1);
        if (path[i] == NULL)
            RG_FAIL(e, RG_ENOMEM, "no memory for the names of %zu files", n);
        snprintf(path[i], cap, "%.*s-%05zu-of-%05zu.gguf", (int)stem, f->path, i + 1, n);
    }
    return RG_OK;
}

static rg_status all_there(char *const *path, size_t n, rg_err *e)
{
    rg_status s = RG_OK;
    size_t n_missing = 0;
    bool *missing = rg_calloc(n, sizeof *missing);
    const char **file = rg_calloc(n, sizeof *file);
    if (missing == NULL || file == NULL)
        s = rg_err_set(e, RG_ENOMEM, __FILE__, __LINE__, "no memory for %zu names", n);
    for (size_t i = 0; i < n && s == RG_OK; i++) {
        const char *slash = strrchr(path[i], '/');
        file[i] = slash == NULL ? path[i] : slash + 1;
        missing[i] = !rg_path_exists(path[i]);
        n_missing += missing[i];
    }
    if (s == RG_OK && n_missing > 0) {
        rg_buf list = RG_BUF_MAX(4096);
        rg__files_missing(&list, file, missing, n);
        s = rg_err_set(e, RG_EFORMAT, __FILE__, __LINE__,
                       "%zu of the model's %zu files are missing beside this one: %s", n_missing, n,
                       list.p ? list.p : "");
        rg_buf_free(&list);
    }
    rg_free(missing);
    rg_free(file);
    return s;
}

static rg_status want_key(const rg_gguf *g, const char *path, const char *key, uint64_t want, rg_err *e)
{
    uint64_t v;
    if (!rg_gguf_u64(g, key, &v))
        RG_FAIL(e, RG_EFORMAT, "%s: key %s is missing: the name says a shard, the file is none", path, key);
    if (v != want)
        RG_FAIL(e, RG_EFORMAT, "%s: key %s is %llu, the file's place says %llu: was it renamed?", path, key,
                (unsigned long long)v, (unsigned long long)want);
    return RG_OK;
}

static rg_status open_all(rg_files *f, char *const *path, size_t n, rg_err *e)
{
    uint64_t total;
    for (size_t i = 0; i < n; i++) {
        RG_TRY(open_one(f, path[i], e));
        RG_TRY(want_key(f->gguf[i], path[i], "split.no", i, e));
        RG_TRY(want_key(f->gguf[i], path[i], "split.count", n, e));
    }
    if (rg_gguf_u64(f->gguf[0], "split.tensors.count", &total) && total != f->n)
        RG_FAIL(e, RG_EFORMAT, "the %zu files hold %zu tensors, key split.tensors.count says %llu", n, f->n,
                (unsigned long long)total);
    return RG_OK;
}

static rg_status open_shards(rg_files *f, size_t no, size_t n, rg_err *e)
{
    if (n == 0 || n > FILES_MAX_SHARDS || no == 0 || no > n)
        RG_FAIL(e, RG_EFORMAT, "the name says file %zu of %zu", no, n);
    if (no != 1)
        RG_FAIL(e, RG_EFORMAT, "this is file %zu of %zu: name the first one, ...-00001-of-%05zu.gguf", no, n,
                n);
    char **path = rg_calloc(n, sizeof *path);
    f->gguf = rg_calloc(n, sizeof(rg_gguf *));
    rg_status s = RG_OK;
    if (path == NULL || f->gguf == NULL)
        s = rg_err_set(e, RG_ENOMEM, __FILE__, __LINE__, "no memory for %zu files", n);
    if (s == RG_OK)
        s = shard_paths(path, f, n, e);
    if (s == RG_OK)
        s = all_there(path, n, e);
    if (s == RG_OK)
        s = open_all(f, path, n, e);
    for (size_t i = 0; path != NULL && i < n; i++)
        rg_free(path[i]);
    rg_free(path);
    return s;
}

/* ---- one file ---- */

/* Bytes that begin a file which is no GGUF but may be meant as a model. */
static rg_status not_another_form(const char *path, rg_err *e)
{
    unsigned char head[16] = { 0 };
    const rg_str p = rg_str_of(path);
    FILE *file = fopen(path, "rbe");
    const size_t n = file == NULL ? 0 : fread(head, 1, sizeof head, file);
    if (file != NULL)
        fclose(file);
    if (n < 4 || memcmp(head, "GGUF", 4) == 0)
        return RG_OK;
    if (rg_str_ends(p, ".safetensors") || (n >= 9 && head[8] == '{' && head[7] == 0))
        RG_FAIL(e, RG_EFORMAT,
                "%s holds weights only: name its folder, which must hold config.json and tokenizer.json too",
                path);
    if (rg_str_ends(p, ".bin") || rg_str_ends(p, ".pt") || rg_str_ends(p, ".pth") ||
        rg_str_ends(p, ".ckpt") || memcmp(head, "PK\3\4", 4) == 0 ||
        (head[0] == 0x80 && head[1] >= 2 && head[1] <= 5))
        RG_FAIL(e, RG_EFORMAT,
                "%s is a pickle file, and reading one runs the code in it: save the model as safetensors "
                "where you trust it (transformers: model.save_pretrained(FOLDER)), or take its GGUF form",
                path);
    return RG_OK;
}

static rg_status open_single(rg_files *f, rg_err *e)
{
    uint64_t count;
    RG_TRY(not_another_form(f->path, e));
    f->gguf = rg_calloc(1, sizeof(rg_gguf *));
    if (f->gguf == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for a file");
    RG_TRY(open_one(f, f->path, e));
    if (rg_gguf_u64(f->gguf[0], "split.count", &count) && count > 1)
        RG_FAIL(e, RG_EFORMAT,
                "this is one of %llu files: give them back their names, ...-00001-of-%05llu.gguf",
                (unsigned long long)count, (unsigned long long)count);
    return RG_OK;
}

rg_status rg__files_open_gguf(rg_files *f, rg_err *e)
{
    size_t no, n;
    rg_str title = rg_str_of("");
    if (shard_of(f->path, &no, &n) && n != 1) {
        RG_TRY(open_shards(f, no, n, e));
        if (strlen(f->name) > TAIL - 5)
            f->name[strlen(f->name) - (TAIL - 5)] = '\0'; /* without "-00001-of-00003" */
    } else {
        RG_TRY(open_single(f, e));
    }
    rg_gguf_str(f->gguf[0], "general.name", &title);
    f->title = rg_strndup(title.p, title.n);
    if (f->title == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for a name");
    return RG_OK;
}
