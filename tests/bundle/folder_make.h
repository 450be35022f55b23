/* folder_make.h - copies of the tiny folders (tests/data/folder), changed: members of config.json,
 * single tensors, several weight files. */
#ifndef RUNG_TEST_FOLDER_MAKE_H
#define RUNG_TEST_FOLDER_MAKE_H

#include <jansson.h>

#include "rung/bundle/files.h"
#include "rung/format/safetensors.h"
#include "scratch.h"

static inline const char *tiny_folder(const char *name, const char *file)
{
    char rel[128];
    snprintf(rel, sizeof rel, "folder/%s/%s", name, file);
    return test_file(rel);
}

static inline scratch folder_copy(const char *name)
{
    static const char *const files[] = { "config.json", "model.safetensors", "tokenizer.json" };
    const scratch s = scratch_new();
    for (size_t i = 0; i < COUNT(files); i++)
        copy_file(in(&s, files[i]), tiny_folder(name, files[i]));
    return s;
}

/* The member `key` of a JSON file becomes `value` (JSON text); NULL removes it. */
static inline void set_member(const scratch *s, const char *file, const char *key, const char *value)
{
    json_t *o = json_load_file(in(s, file), 0, NULL);
    CHECK(o != NULL);
    if (value == NULL)
        CHECK(json_object_del(o, key) == 0);
    else
        CHECK(json_object_set_new(o, key, json_loads(value, JSON_DECODE_ANY, NULL)) == 0);
    CHECK(json_dump_file(o, in(s, file), 0) == 0);
    json_decref(o);
}

/* What becomes of the tensor `name`. */
typedef struct edit {
    const char *name;
    enum { NOTHING, REMOVE, RENAME, TRANSPOSE, AS_VECTOR, AS_F64 } how;
    const char *to;
} edit;

static inline void put_tensor(rg_safet_writer *w, const rg_safet_tensor *t, const edit *x)
{
    rg_err e = RG_ERR_INIT;
    const bool hit = strcmp(t->name.p, x->name) == 0;
    uint64_t dims[RG_SAFET_MAX_DIMS];
    size_t n = t->n_dims;
    uint32_t type = t->type;
    memcpy(dims, t->dims, sizeof dims);
    if (hit && x->how == TRANSPOSE) {
        dims[0] = t->dims[1];
        dims[1] = t->dims[0];
    } else if (hit && x->how == AS_VECTOR) {
        n = 1;
        dims[0] = t->bytes / 4;
    } else if (hit && x->how == AS_F64) {
        type = RG_F64;
        dims[n - 1] /= 2;
    }
    if (!hit || x->how != REMOVE)
        OK(rg_safet_declare(w, hit && x->how == RENAME ? x->to : t->name.p, type, n, dims, &e), e);
}

/* Tensors [from, to) of the folder's weights (in order of their data) into `file`, edited. */
static inline void write_part(const scratch *s, const rg_safet *all, size_t from, size_t to, const char *file,
                              const edit *x)
{
    rg_err e = RG_ERR_INIT;
    rg_safet_writer *w;
    OK(rg_safet_create(&w, in(s, file), &e), e);
    for (size_t i = from; i < to; i++)
        put_tensor(w, rg_safet_at(all, i), x);
    for (size_t i = from; i < to; i++) {
        const rg_safet_tensor *t = rg_safet_at(all, i);
        if (x->how != REMOVE || strcmp(t->name.p, x->name) != 0)
            OK(rg_safet_write(w, t->data, t->bytes, &e), e);
    }
    OK(rg_safet_finish(w, &e), e);
}

static inline void edit_weights(const scratch *s, const edit *x)
{
    rg_err e = RG_ERR_INIT;
    rg_safet *all;
    OK(rg_safet_open(&all, in(s, "model.safetensors"), &e), e);
    write_part(s, all, 0, rg_safet_n(all), "model.safetensors", x);
    rg_safet_close(all);
}

/* model.safetensors becomes n files and an index. */
static inline void split_weights(const scratch *s, size_t n)
{
    static const edit none = { .name = "" };
    rg_err e = RG_ERR_INIT;
    rg_safet *all;
    json_t *map = json_object();
    OK(rg_safet_open(&all, in(s, "model.safetensors"), &e), e);
    for (size_t k = 0; k < n; k++) {
        const size_t from = rg_safet_n(all) * k / n, to = rg_safet_n(all) * (k + 1) / n;
        char file[64];
        snprintf(file, sizeof file, "model-%05zu-of-%05zu.safetensors", k + 1, n);
        write_part(s, all, from, to, file, &none);
        for (size_t i = from; i < to; i++)
            json_object_set_new(map, rg_safet_at(all, i)->name.p, json_string(file));
    }
    rg_safet_close(all);
    unlink(in(s, "model.safetensors"));
    json_t *index = json_pack("{s:{s:i}, s:o}", "metadata", "total_size", 1, "weight_map", map);
    CHECK(index != NULL && json_dump_file(index, in(s, "model.safetensors.index.json"), 0) == 0);
    json_decref(index);
}

#endif
