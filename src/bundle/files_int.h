/* files_int.h - what the files behind files.h share: the handle, and how a form fills it.
 *
 *     files.c        life, queries, the index by name
 *     files_gguf.c   one GGUF file, or its shards
 *     folder.c       a folder: which files hold the weights, and their tensors
 *     folder_map.c   the table of a folder's tensors: names, shapes, architectures
 *     folder_cfg.c   config.json -> rg_model_config;  folder_rope.c its positions
 *     folder_text.c  tokenizer, chat template, tokens that end a turn
 *     identity.c     hashes */
#ifndef RUNG_BUNDLE_FILES_INT_H
#define RUNG_BUNDLE_FILES_INT_H

#include <stdbool.h>

#include "rung/base/file.h"
#include "rung/base/mem.h"
#include "rung/bundle/files.h"
#include "rung/format/json.h"
#include "rung/format/safetensors.h"

enum {
    FILES_MAX_SHARDS = 4096,
    FILES_MAX_ENDS = 64,          /* tokens of generation_config.json that end a turn */
    FILES_MAX_TEXT = 128 << 20,   /* tokenizer.json */
    FILES_MAX_CONFIG = 16 << 20,  /* each other text of a folder */
    FILES_MAX_VALUES = 1 << 20    /* values in such a text */
};

/* One file that counts for the identity. */
typedef struct listed_file {
    char *path;
    uint64_t bytes;
} listed_file;

struct rg_files {
    char *path, *name, *title, *note;
    rg_arena *own; /* names, and vectors that are made here */

    rg_file_tensor *t;
    size_t n, cap;
    const rg_file_tensor **by_name;

    listed_file *listed; /* weights first */
    size_t n_listed;
    uint64_t weight_bytes; /* of the files that hold weights */

    rg_gguf **gguf; /* the GGUF form */
    size_t n_gguf;

    rg_safet **safet; /* the folder form */
    size_t n_safet;
    json_t *config;       /* NULL: a vocabulary only */
    rg_model_config c;    /* valid when there are tensors */
    char *tokenizer_json; /* NULL = absent; the lengths are of the texts */
    size_t tokenizer_json_n;
    char *tokenizer_config;
    size_t tokenizer_config_n;
    char *template_text; /* NULL = none */
    int32_t end[FILES_MAX_ENDS];
    size_t n_end;
};

/* ---- filling the handle (files.c) ---- */

/* name is copied; data must outlive the handle. */
rg_status rg__files_add(rg_files *f, const rg_file_tensor *t, rg_err *e);
/* Counts the file for the identity, and its bytes when it holds weights. */
rg_status rg__files_list(rg_files *f, const char *path, bool weights, rg_err *e);
/* Memory that lives as long as the handle. */
rg_status rg__files_own(void **out, rg_files *f, size_t bytes, rg_err *e);
/* "a, b, c": which of n names are missing; a long run of neighbours is given by its ends. */
void rg__files_missing(rg_buf *b, const char *const *name, const bool *missing, size_t n);

rg_status rg__files_open_gguf(rg_files *f, rg_err *e);
rg_status rg__files_open_folder(rg_files *f, rg_err *e);

/* ---- a folder ---- */

/* The family of an architecture in the folder form: a row of the table in folder_cfg.c. */
enum {
    FAM_LLAMA = 1,
    FAM_QWEN2 = 2,
    FAM_QWEN3 = 4,
    FAM_GEMMA3 = 8,
    FAM_PHI3 = 16,
    FAM_ALL = 31
};

typedef struct folder_arch {
    const char *model_type; /* as config.json says it */
    const char *arch;       /* canonical */
    unsigned family;
    bool tied;              /* when config.json does not say */
} folder_arch;

rg_status rg__folder_arch(const folder_arch **out, const json_t *config, rg_err *e);
/* The row under which a model of this architecture is written; NULL = none. */
const folder_arch *rg__folder_arch_of(const char *arch);
/* The folder's name of a tensor of that canonical name; false: a folder has no such tensor. */
bool rg__folder_name(char *out, size_t cap, const char *ours, unsigned family);
/* The part of config.json that describes the text model. */
const json_t *rg__folder_text_part(const json_t *config);
/* *tied: the output matrix is the embedding. */
rg_status rg__folder_config(rg_model_config *c, bool *tied, const folder_arch *a, const json_t *config,
                            rg_err *e);
rg_status rg__folder_rope(rg_model_config *c, const folder_arch *a, const json_t *text, rg_err *e);
/* Tensors that the form keeps in config.json: divisors of the rotary frequencies. */
rg_status rg__folder_rope_tensors(rg_files *f, const json_t *text, rg_err *e);

/* Members of an object, each with its own sentence; null counts as absent. */
rg_status rg__cfg_size(size_t *out, const json_t *o, const char *key, size_t otherwise, rg_err *e);
rg_status rg__cfg_need(size_t *out, const json_t *o, const char *key, rg_err *e);
rg_status rg__cfg_num(double *out, const json_t *o, const char *key, double otherwise, rg_err *e);
rg_status rg__cfg_bool(bool *out, const json_t *o, const char *key, bool otherwise, rg_err *e);
const json_t *rg__cfg_get(const json_t *o, const char *key);

/* Adds every tensor of the open safetensors files under its canonical name, its shape compared
 * with the configuration. */
rg_status rg__folder_map(rg_files *f, const folder_arch *a, bool tied, rg_err *e);

/* *out: folder/name, NULL where there is no such file; yours to rg_free. */
rg_status rg__folder_read(char **out, size_t *n, const rg_files *f, const char *name, size_t max, rg_err *e);
rg_status rg__folder_text(rg_files *f, rg_err *e);

#endif
