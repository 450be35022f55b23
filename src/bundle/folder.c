/* folder.c - a Hugging Face folder: which of its files hold the weights, and opening them.
 *
 *     config.json, generation_config.json, tokenizer.json, tokenizer_config.json,
 *     chat_template.jinja
 *     model.safetensors, or shards that model.safetensors.index.json maps tensors to
 *
 * Names in the index are plain file names of the same folder: nothing else is followed. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files_int.h"
#include "source_int.h"

static const char weights_name[] = "model.safetensors", index_name[] = "model.safetensors.index.json";

static rg_status join(char **out, const rg_files *f, const char *name, rg_err *e)
{
    const size_t n = strlen(f->path);
    return rg__text(out, e, "%s%s%s", f->path, n > 0 && f->path[n - 1] == '/' ? "" : "/", name);
}

static bool has_file(const rg_files *f, const char *name)
{
    char *path = NULL;
    const bool there = join(&path, f, name, NULL) == RG_OK && rg_path_exists(path);
    rg_free(path);
    return there;
}

rg_status rg__folder_read(char **out, size_t *n, const rg_files *f, const char *name, size_t max, rg_err *e)
{
    char *path = NULL;
    *out = NULL;
    *n = 0;
    RG_TRY(join(&path, f, name, e));
    const rg_status s = rg_path_exists(path) ? rg_read_all(out, n, path, max, e) : RG_OK;
    rg_free(path);
    return s;
}

/* ---- what else lies there ---- */

static bool is_pickle(const char *name)
{
    const rg_str s = rg_str_of(name);
    return rg_str_ends(s, ".bin") || rg_str_ends(s, ".pt") || rg_str_ends(s, ".pth") ||
           rg_str_ends(s, ".ckpt");
}

typedef struct found {
    char pickle[256], gguf[256]; /* the first by name; "" = none */
    size_t n_gguf;
} found;

static void look_around(found *w, const char *folder)
{
    memset(w, 0, sizeof *w);
    DIR *d = opendir(folder);
    for (struct dirent *x; d != NULL && (x = readdir(d)) != NULL;) {
        const bool gguf = rg_str_ends(rg_str_of(x->d_name), ".gguf");
        char *best = gguf ? w->gguf : w->pickle;
        w->n_gguf += gguf;
        if ((gguf || is_pickle(x->d_name)) && (best[0] == '\0' || strcmp(x->d_name, best) < 0))
            snprintf(best, sizeof w->gguf, "%s", x->d_name);
    }
    if (d != NULL)
        closedir(d);
}

/* No safetensors: a vocabulary alone, or a folder in a form that is not read here. */
static rg_status no_weights(const rg_files *f, rg_err *e)
{
    found w;
    look_around(&w, f->path);
    if (w.pickle[0] != '\0')
        RG_FAIL(e, RG_EFORMAT,
                "the weights are there only as pickle files (%s), and reading one runs the code in it: save "
                "the model as safetensors where you trust it (transformers: model.save_pretrained(FOLDER)), "
                "or take its GGUF form",
                w.pickle);
    if (w.n_gguf > 0)
        RG_FAIL(e, RG_EFORMAT, "the folder holds GGUF files: name one of them, for example %s", w.gguf);
    if (has_file(f, "adapter_config.json"))
        RG_FAIL(e, RG_EFORMAT,
                "the folder holds an adapter (adapter_config.json), not a whole model: merge it "
                "into its base model first");
    if (!has_file(f, "tokenizer.json"))
        RG_FAIL(e, RG_EFORMAT, "no model: the folder holds neither %s nor config.json with weights beside it",
                weights_name);
    return RG_OK;
}

/* ---- weights ---- */

static rg_status open_weights(rg_files *f, const char *name, rg_err *e)
{
    char *path = NULL;
    RG_TRY(join(&path, f, name, e));
    rg_status s = rg_safet_open(&f->safet[f->n_safet], path, e);
    if (s == RG_OK) {
        f->n_safet++;
        s = rg__files_list(f, path, true, e);
    }
    rg_free(path);
    return s;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_plain(const char *name)
{
    return name[0] != '\0' && name[0] != '.' && strchr(name, '/') == NULL && strlen(name) < 256 &&
           rg_str_ends(rg_str_of(name), ".safetensors");
}

/* The distinct file names of a weight_map, sorted. */
static rg_status shard_names(const char ***out, size_t *n, const json_t *map, rg_err *e)
{
    const char *tensor;
    json_t *v;
    size_t k = 0;
    const char **name = rg_calloc(json_object_size(map) + 1, sizeof *name);
    *out = name; /* the caller frees it whatever comes */
    *n = 0;
    if (name == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu names", json_object_size(map));
    json_object_foreach((json_t *)(uintptr_t)map, tensor, v)
    {
        const char *file = json_string_value(v);
        if (file == NULL || !is_plain(file))
            RG_FAIL(e, RG_EFORMAT,
                    "%s puts tensor %.100s into \"%.100s\", which is no plain name of a "
                    ".safetensors file",
                    index_name, tensor, file == NULL ? "(no text)" : file);
        name[k++] = file;
    }
    qsort(name, k, sizeof *name, by_text);
    for (size_t i = 0; i < k; i++)
        if (i == 0 || strcmp(name[i], name[i - 1]) != 0)
            name[(*n)++] = name[i];
    if (*n == 0 || *n > FILES_MAX_SHARDS)
        RG_FAIL(e, RG_EFORMAT, "%s names %zu files; 1 to %d are accepted", index_name, *n, FILES_MAX_SHARDS);
    return RG_OK;
}

static rg_status all_there(const rg_files *f, const char *const *name, size_t n, rg_err *e)
{
    bool *missing = rg_calloc(n, sizeof *missing);
    size_t n_missing = 0;
    rg_status s = RG_OK;
    if (missing == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu names", n);
    for (size_t i = 0; i < n; i++) {
        missing[i] = !has_file(f, name[i]);
        n_missing += missing[i];
    }
    if (n_missing > 0) {
        rg_buf list = RG_BUF_MAX(4096);
        rg__files_missing(&list, name, missing, n);
        s = rg_err_set(e, RG_EFORMAT, __FILE__, __LINE__,
                       "%zu of the %zu files that %s names are missing: %s", n_missing, n, index_name,
                       list.p ? list.p : "");
        rg_buf_free(&list);
    }
    rg_free(missing);
    return s;
}

/* Every tensor of the index is in the file that it says. */
static rg_status index_is_true(const rg_files *f, const json_t *map, const char *const *name, rg_err *e)
{
    const char *tensor;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)map, tensor, v)
    {
        const char *file = json_string_value(v);
        const char *const *at = bsearch(&file, name, f->n_safet, sizeof *name, by_text);
        if (at == NULL || rg_safet_find(f->safet[at - name], tensor) == NULL)
            RG_FAIL(e, RG_EFORMAT, "%s has no tensor %.200s, %s says it has: do the files belong together?",
                    file, tensor, index_name);
    }
    return RG_OK;
}

static rg_status open_shards(rg_files *f, const json_t *index, rg_err *e)
{
    const json_t *map = json_object_get(index, "weight_map");
    const char **name = NULL;
    size_t n = 0;
    if (!json_is_object(map))
        RG_FAIL(e, RG_EFORMAT, "%s has no weight_map", index_name);
    rg_status s = shard_names(&name, &n, map, e);
    if (s == RG_OK)
        s = all_there(f, name, n, e);
    if (s == RG_OK) {
        f->safet = rg_calloc(n, sizeof(rg_safet *));
        if (f->safet == NULL)
            s = rg_err_set(e, RG_ENOMEM, __FILE__, __LINE__, "no memory for %zu files", n);
    }
    for (size_t i = 0; i < n && s == RG_OK; i++)
        s = open_weights(f, name[i], e);
    if (s == RG_OK)
        s = index_is_true(f, map, name, e);
    rg_free(name);
    return s;
}

static rg_status open_all(rg_files *f, rg_err *e)
{
    if (has_file(f, weights_name)) {
        f->safet = rg_calloc(1, sizeof(rg_safet *));
        if (f->safet == NULL)
            RG_FAIL(e, RG_ENOMEM, "no memory for a file");
        return open_weights(f, weights_name, e);
    }
    char *text = NULL;
    size_t n;
    json_t *index = NULL;
    RG_TRY(rg__folder_read(&text, &n, f, index_name, FILES_MAX_TEXT, e));
    if (text == NULL)
        return no_weights(f, e);
    rg_status s = rg_json_parse(&index, rg_str_n(text, n), FILES_MAX_VALUES, index_name, e);
    rg_free(text);
    if (s == RG_OK)
        s = open_shards(f, index, e);
    json_decref(index);
    return s;
}

/* ---- the whole ---- */

static rg_status read_config(rg_files *f, rg_err *e)
{
    char *text = NULL;
    size_t n;
    RG_TRY(rg__folder_read(&text, &n, f, "config.json", FILES_MAX_CONFIG, e));
    if (text == NULL)
        return RG_OK;
    rg_status s = rg_json_parse(&f->config, rg_str_n(text, n), FILES_MAX_VALUES, "config.json", e);
    rg_free(text);
    if (s == RG_OK && !json_is_object(f->config))
        s = rg_err_set(e, RG_EFORMAT, __FILE__, __LINE__, "config.json is not an object");
    return s;
}

static rg_status read_model(rg_files *f, rg_err *e)
{
    const folder_arch *a;
    bool tied;
    if (f->config == NULL)
        RG_FAIL(e, RG_EFORMAT, "config.json is missing beside the weights: fetch the whole folder");
    RG_TRY(rg__folder_arch(&a, f->config, e));
    RG_TRY(rg__folder_config(&f->c, &tied, a, f->config, e));
    if (json_object_get(f->config, "auto_map") != NULL) {
        f->note = rg_strdup("config.json asks for code of its own (auto_map): it is ignored, the built-in "
                            "architecture is used");
        if (f->note == NULL)
            RG_FAIL(e, RG_ENOMEM, "no memory for a note");
    }
    RG_TRY(rg__folder_map(f, a, tied, e));
    return rg__folder_rope_tensors(f, rg__folder_text_part(f->config), e);
}

rg_status rg__files_open_folder(rg_files *f, rg_err *e)
{
    static const char *const identity[] = { "config.json", "generation_config.json", "tokenizer.json",
                                            "tokenizer_config.json", "chat_template.jinja" };
    f->title = rg_strdup(f->name);
    if (f->title == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for a name");
    RG_TRY(read_config(f, e));
    RG_TRY(open_all(f, e));
    if (f->n_safet > 0)
        RG_TRY(read_model(f, e));
    for (size_t i = 0; i < RG_COUNT(identity); i++) {
        char *path = NULL;
        RG_TRY(join(&path, f, identity[i], e));
        const rg_status s = rg_path_exists(path) ? rg__files_list(f, path, false, e) : RG_OK;
        rg_free(path);
        RG_TRY(s);
    }
    return rg__folder_text(f, e);
}
