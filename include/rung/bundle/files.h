/* files.h - the files of a model, whatever their form: tensors by canonical name, and the
 * texts that say what they mean.  No weights are packed here; bundle.h does that.
 *
 *     one GGUF file | shards NNNNN-of-NNNNN.gguf | a Hugging Face folder (config.json,
 *     tokenizer.json, model.safetensors or shards with an index)
 *
 * Canonical names are GGUF's (docs/formats/gguf.md).  Data is as the form stores it, with two
 * differences taken out: small vectors whose meaning differs (Gemma's norms: 1 + w) are given
 * as GGUF has them, in memory of their own.  Rows of q and k of the llama architecture stay in
 * the form's own order, and the configuration's rope_neox says which it is. */
#ifndef RUNG_BUNDLE_FILES_H
#define RUNG_BUNDLE_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rung/base/api.h"
#include "rung/base/buf.h"
#include "rung/base/err.h"
#include "rung/format/gguf.h"
#include "rung/model/model.h"
#include "rung/text/tokenizer.h"

RG_API_BEGIN

typedef struct rg_files rg_files;

typedef struct rg_file_tensor {
    const char *name;           /* canonical; borrowed */
    uint32_t    type;           /* an rg_type (not necessarily one that runs) */
    uint32_t    n_dims;         /* as the form says; with more than 2, R counts all but the last */
    size_t      R, K;           /* a vector is (1, K) */
    const void *data;
    uint64_t    bytes;
} rg_file_tensor;

/* path: what rg_model_resolve gave.  RG_EFORMAT lists every missing shard; pickle files are
 * refused with the way out.  Of a folder all shapes are compared with config.json here; a folder
 * without any weights opens too, as a vocabulary. */
rg_status rg_files_open(rg_files **out, const char *path, rg_err *e);
void      rg_files_close(rg_files *f);                          /* NULL is fine */

size_t                rg_files_n(const rg_files *f);
const rg_file_tensor *rg_files_at(const rg_files *f, size_t i);
const rg_file_tensor *rg_files_find(const rg_files *f, const char *name);   /* NULL = absent */
uint64_t              rg_files_bytes(const rg_files *f);        /* of all files that hold weights */
/* The file's pages behind these bytes may go: whoever needs them again reads them again. */
void                  rg_files_release(const rg_files *f, const void *data, uint64_t bytes);

rg_status rg_files_config(rg_model_config *c, const rg_files *f, rg_err *e);
rg_status rg_files_tokenizer(rg_tokenizer **out, const rg_files *f, rg_err *e);
rg_str    rg_files_template(const rg_files *f);                 /* source; empty = none */
rg_str    rg_files_title(const rg_files *f);                    /* general.name or the folder's name */
rg_str    rg_files_architecture(const rg_files *f);             /* general.architecture, or as that would be */
rg_str    rg_files_name(const rg_files *f);     /* file name without .gguf, the folder's or repository's */
/* What was ignored and the user should know (code of the model's own, auto_map); empty = nothing. */
rg_str    rg_files_note(const rg_files *f);
const rg_gguf *rg_files_gguf(const rg_files *f);                /* the (first) GGUF file; NULL for a folder */
/* One hash over all files that decide the model's arithmetic and text; of a single GGUF file
 * its SHA-256, else the SHA-256 of the lines "<hash>  <file name>\n", each file's in order.
 * Every byte is read, except with `cached` where device, inode, size and time of a file agree
 * with what was hashed before. */
rg_status rg_files_hash(char out[65], const rg_files *f, bool cached, rg_err *e);

RG_API_END
#endif
