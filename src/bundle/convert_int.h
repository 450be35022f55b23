/* convert_int.h - what the files behind convert.h share.
 *
 *     convert.c           a plan carried out: rows in, rows out, all threads
 *     convert_mix.c       mixes: which type a tensor gets
 *     importance.c        files of llama-imatrix
 *     convert_gguf.c      GGUF out: plan, keys;  convert_keys.c: the keys of a folder's configuration
 *     convert_folder.c    folder out;  convert_config.c: its config.json */
#ifndef RUNG_BUNDLE_CONVERT_INT_H
#define RUNG_BUNDLE_CONVERT_INT_H

#include "rung/bundle/convert.h"
#include "rung/bundle/files.h"
#include "rung/format/gguf_write.h"

/* ---- mixes ---- */

struct rg_mix {
    const char *name;
    uint32_t base;      /* an rg_type */
    uint32_t file_type; /* general.file_type of llama.cpp */
};

/* What the rules ask about the model. */
typedef struct rg__mix_model {
    size_t n_layer, gqa;    /* gqa: heads of q per head of k */
    bool tied, importance;  /* no output.weight; an importance file is used */
} rg__mix_model;

bool rg__type_is_plain(uint32_t type);      /* F32, F16, BF16 */
/* Matrices that products read are quantised; vectors, norms, tables of factors and value heads are not. */
bool rg__mix_applies(const rg_file_tensor *t);
/* *fell_back is set when the row length forced another type. */
uint32_t rg__mix_type(const rg_mix *m, const rg__mix_model *model, const rg_file_tensor *t, bool *fell_back);

/* ---- importance ---- */

typedef struct rg__importance rg__importance;
rg_status rg__importance_open(rg__importance **out, const char *path, rg_err *e);
void      rg__importance_close(rg__importance *im);         /* NULL is fine */
size_t    rg__importance_n(const rg__importance *im);
uint64_t  rg__importance_chunks(const rg__importance *im);
/* The K values for a tensor; NULL when the file has none.  Another number of values is an error
 * that names file, tensor and both numbers. */
rg_status rg__importance_find(const float **out, const rg__importance *im, const char *tensor, size_t K, rg_err *e);

/* ---- the plan ---- */

/* How rows of q and k move between the two ways to pair rotated dimensions (inside each head of D
 * rows): GGUF's llama turns rows (2i, 2i + 1), a folder's rows (i, i + D/2). */
typedef enum rg__rows { RG__ROWS_KEEP, RG__ROWS_TO_PAIRS, RG__ROWS_TO_HALVES } rg__rows;

typedef struct rg__out_tensor {
    const rg_file_tensor *from;
    uint32_t type;
    rg__rows rows;
    size_t head_rows;           /* D, when rows move */
    float add;                  /* to every element (Gemma's norms: -1 on the way to a folder) */
    const float *importance;    /* (K), or NULL */
    uint64_t bytes;
} rg__out_tensor;

typedef struct rg__plan {
    const rg_files *files;
    rg_model_config config;
    rg__out_tensor *t;
    size_t n;
    rg__importance *importance;
    rg_convert_result r;
} rg__plan;

/* Opens nothing; f is borrowed. */
rg_status rg__plan_new(rg__plan *p, const rg_files *f, const rg_convert_opt *o, rg_err *e);
void      rg__plan_free(rg__plan *p);
/* Types are final: sizes of every tensor and of all. */
rg_status rg__plan_count(rg__plan *p, rg_err *e);

/* Where the bytes go. */
typedef struct rg__sink {
    rg_status (*write)(void *to, const void *p, size_t n, rg_err *e);
    void *to;
} rg__sink;

rg_status rg__plan_write(const rg__plan *p, rg__sink sink, rg_pool *pool, const rg_call *call, rg_err *e);

/* src and dst are different files, dst may be written. */
rg_status rg__check_target(const char *src, const char *dst, bool force, rg_err *e);

/* config.json of a folder; model_type is a row's of folder_cfg.c. */
rg_status rg__config_json(rg_buf *b, const rg__plan *p, const char *model_type, const rg_tokenizer *t, rg_err *e);

/* The keys of config.json as llama.cpp's converter writes them, tokenizer and template included. */
rg_status rg__put_folder_keys(rg_gguf_writer *w, const rg_files *f, const rg_model_config *c, rg_err *e);

#endif
