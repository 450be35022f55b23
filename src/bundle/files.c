/* files.c - the handle over a model's files, whatever their form. */
#include "files_int.h"

#include <stdlib.h>
#include <string.h>

#include "rung/bundle/bundle.h"
#include "source_int.h"

enum { OWN_MAX = 64 << 20 };

/* ---- filling ---- */

rg_status rg__files_own(void **out, rg_files *f, size_t bytes, rg_err *e)
{
    *out = rg_arena_try(f->own, bytes);
    if (*out == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu bytes of names and vectors", bytes);
    return RG_OK;
}

rg_status rg__files_add(rg_files *f, const rg_file_tensor *t, rg_err *e)
{
    if (f->n == f->cap) {
        const size_t cap = f->cap ? 2 * f->cap : 256;
        rg_file_tensor *more = rg_realloc(f->t, cap, sizeof *more);
        if (more == NULL)
            RG_FAIL(e, RG_ENOMEM, "no memory for %zu tensors", cap);
        f->t = more;
        f->cap = cap;
    }
    const char *name = rg_arena_strndup(f->own, t->name, strlen(t->name));
    if (name == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for the name of %s", t->name);
    f->t[f->n] = *t;
    f->t[f->n++].name = name;
    return RG_OK;
}

rg_status rg__files_list(rg_files *f, const char *path, bool weights, rg_err *e)
{
    listed_file *more = rg_realloc(f->listed, f->n_listed + 1, sizeof *more);
    if (more != NULL)
        f->listed = more;
    char *copy = more == NULL ? NULL : rg_strdup(path);
    if (copy == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for a path");
    more[f->n_listed] = (listed_file){ copy, rg__file_bytes(path) };
    f->weight_bytes += weights ? more[f->n_listed].bytes : 0;
    f->n_listed++;
    return RG_OK;
}

void rg__files_missing(rg_buf *b, const char *const *name, const bool *missing, size_t n)
{
    enum { RUN = 4, ROOM = 700 }; /* what a message holds */
    size_t unsaid = 0;
    for (size_t i = 0; i < n; i++) {
        size_t end = i;
        while (end < n && missing[end])
            end++;
        if (end == i)
            continue;
        if (b->n > ROOM) {
            unsaid += end - i;
            i = end - 1;
            continue;
        }
        rg_buf_puts(b, b->n > 0 ? ", " : "");
        rg_buf_puts(b, name[i]);
        if (end - i >= RUN) {
            rg_buf_printf(b, " to %s (%zu files)", name[end - 1], end - i);
            i = end - 1;
        }
    }
    if (unsaid > 0)
        rg_buf_printf(b, " and %zu more", unsaid);
}

static int by_name(const void *a, const void *b)
{
    const rg_file_tensor *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static rg_status index_names(rg_files *f, rg_err *e)
{
    f->by_name = rg_calloc(f->n + 1, sizeof *f->by_name);
    if (f->by_name == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu names", f->n);
    for (size_t i = 0; i < f->n; i++)
        f->by_name[i] = &f->t[i];
    qsort(f->by_name, f->n, sizeof *f->by_name, by_name);
    for (size_t i = 1; i < f->n; i++)
        if (strcmp(f->by_name[i - 1]->name, f->by_name[i]->name) == 0)
            RG_FAIL(e, RG_EFORMAT, "tensor %s is there twice, in two files: which one is meant?",
                    f->by_name[i]->name);
    return RG_OK;
}

/* ---- names ---- */

/* A snapshot of the hub cache is called by a commit; its repository's name says more:
 * .../models--ORG--NAME/snapshots/COMMIT */
static rg_str repository_of(rg_str path)
{
    const size_t snap = rg_str_rfind(path, rg_str_of("/snapshots/"));
    if (snap == SIZE_MAX)
        return rg_str_n(NULL, 0);
    const rg_str before = rg_str_n(path.p, snap);
    const size_t repo = rg_str_rfind(before, rg_str_of("/models--"));
    const size_t dash = rg_str_rfind(before, rg_str_of("--"));
    if (repo == SIZE_MAX || dash <= repo + 7)
        return rg_str_n(NULL, 0);
    return rg_str_n(before.p + dash + 2, before.n - dash - 2);
}

static rg_str base_name(const char *path, bool is_folder)
{
    rg_str s = rg_str_of(path);
    while (s.n > 1 && s.p[s.n - 1] == '/')
        s.n--;
    const rg_str repository = is_folder ? repository_of(s) : rg_str_n(NULL, 0);
    if (repository.n > 0)
        return repository;
    const size_t slash = rg_str_rfind(s, rg_str_of("/"));
    if (slash != SIZE_MAX && slash + 1 < s.n)
        s = rg_str_n(s.p + slash + 1, s.n - slash - 1);
    if (rg_str_ends(s, ".gguf") && s.n > 5)
        s.n -= 5;
    return s;
}

/* ---- life ---- */

static rg_status open_form(rg_files *f, bool is_folder, rg_err *e)
{
    RG_TRY(rg_arena_new(&f->own, "files", OWN_MAX, e));
    const rg_str name = base_name(f->path, is_folder);
    f->name = rg_strndup(name.p, name.n);
    if (f->name == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for a name");
    RG_TRY(is_folder ? rg__files_open_folder(f, e) : rg__files_open_gguf(f, e));
    return index_names(f, e);
}

rg_status rg_files_open(rg_files **out, const char *path, rg_err *e)
{
    *out = NULL;
    rg_files *f = rg_calloc(1, sizeof *f);
    if (f == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for a model's files");
    f->path = rg_strdup(path);
    rg_status s = RG_OK;
    if (f->path == NULL)
        s = rg_err_set(e, RG_ENOMEM, __FILE__, __LINE__, "no memory for a path");
    if (s == RG_OK)
        s = open_form(f, rg_path_is_dir(path), e);
    if (s == RG_OK) {
        *out = f;
        return RG_OK;
    }
    rg_files_close(f);
    if (e != NULL && strstr(e->msg, path) == NULL)
        rg_err_prefix(e, "%s", path);
    return s;
}

void rg_files_close(rg_files *f)
{
    if (f == NULL)
        return;
    for (size_t i = 0; i < f->n_gguf; i++)
        rg_gguf_close(f->gguf[i]);
    for (size_t i = 0; i < f->n_safet; i++)
        rg_safet_close(f->safet[i]);
    for (size_t i = 0; i < f->n_listed; i++)
        rg_free(f->listed[i].path);
    char *const texts[] = { f->path,         f->name,           f->title,
                            f->note,         f->tokenizer_json, f->tokenizer_config,
                            f->template_text };
    for (size_t i = 0; i < RG_COUNT(texts); i++)
        rg_free(texts[i]);
    json_decref(f->config);
    rg_free(f->gguf);
    rg_free(f->safet);
    rg_free(f->listed);
    rg_free(f->t);
    rg_free(f->by_name);
    rg_arena_free(f->own);
    rg_free(f);
}

/* ---- queries ---- */

size_t rg_files_n(const rg_files *f)
{
    return f->n;
}

const rg_file_tensor *rg_files_at(const rg_files *f, size_t i)
{
    return i < f->n ? &f->t[i] : NULL;
}

const rg_file_tensor *rg_files_find(const rg_files *f, const char *name)
{
    const rg_file_tensor key = { .name = name }, *p = &key;
    const rg_file_tensor *const *hit =
        f->n == 0 ? NULL : bsearch(&p, f->by_name, f->n, sizeof *f->by_name, by_name);
    return hit == NULL ? NULL : *hit;
}

uint64_t rg_files_bytes(const rg_files *f)
{
    return f->weight_bytes;
}

static bool release_in(const rg_map *map, const uint8_t *data, uint64_t bytes)
{
    if (map->data == NULL || data < map->data || data >= map->data + map->size)
        return false;
    rg_map_release(map, (size_t)(data - map->data), (size_t)bytes);
    return true;
}

void rg_files_release(const rg_files *f, const void *data, uint64_t bytes)
{
    for (size_t i = 0; i < f->n_gguf; i++)
        if (release_in(rg_gguf_map(f->gguf[i]), data, bytes))
            return;
    for (size_t i = 0; i < f->n_safet; i++)
        if (release_in(rg_safet_map(f->safet[i]), data, bytes))
            return;
}

/* The keys are the first shard's, the embedding may be in any. */
static rg_status config_of_gguf(rg_model_config *c, const rg_files *f, rg_err *e)
{
    const rg_file_tensor *embd = rg_files_find(f, "token_embd.weight");
    if (embd == NULL || embd->n_dims != 2)
        RG_FAIL(e, RG_EFORMAT, "tensor token_embd.weight is missing: this file holds no model%s",
                f->n == 0 ? ", only a vocabulary" : "");
    return rg_config_from_gguf(c, f->gguf[0], embd->R, e);
}

rg_status rg_files_config(rg_model_config *c, const rg_files *f, rg_err *e)
{
    if (f->n_gguf > 0)
        return config_of_gguf(c, f, e);
    if (f->config == NULL)
        RG_FAIL(e, RG_EFORMAT, "%s holds no config.json: only a vocabulary, no model", f->path);
    if (f->n == 0)
        RG_FAIL(e, RG_EFORMAT, "%s holds no weights: model.safetensors is missing", f->path);
    *c = f->c;
    return RG_OK;
}

rg_str rg_files_template(const rg_files *f)
{
    rg_str source = rg_str_of(f->template_text);
    if (f->n_gguf > 0)
        rg_gguf_str(f->gguf[0], "tokenizer.chat_template", &source);
    return source;
}

rg_str rg_files_title(const rg_files *f)
{
    return rg_str_of(f->title);
}

rg_str rg_files_architecture(const rg_files *f)
{
    rg_str arch = rg_str_of(f->c.arch);
    if (f->n_gguf > 0)
        rg_gguf_str(f->gguf[0], "general.architecture", &arch);
    return arch;
}

rg_str rg_files_name(const rg_files *f)
{
    return rg_str_of(f->name);
}

rg_str rg_files_note(const rg_files *f)
{
    return rg_str_of(f->note);
}

const rg_gguf *rg_files_gguf(const rg_files *f)
{
    return f->n_gguf > 0 ? f->gguf[0] : NULL;
}
