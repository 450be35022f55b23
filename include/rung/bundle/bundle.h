/* bundle.h - a model as a whole: weights, tokenizer, chat template, identity.
 *
 * Opened from files of any form (files.h).  Memory is predicted before anything is packed.
 * Everything a bundle hands out is borrowed from it and immutable: safe to share between
 * threads. */
#ifndef RUNG_BUNDLE_BUNDLE_H
#define RUNG_BUNDLE_BUNDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rung/base/api.h"
#include "rung/base/call.h"
#include "rung/base/err.h"
#include "rung/base/pool.h"
#include "rung/bundle/files.h"
#include "rung/model/model.h"
#include "rung/text/template.h"
#include "rung/text/tokenizer.h"

RG_API_BEGIN

typedef struct rg_bundle rg_bundle;

/* The whole model.  path is what rg_model_resolve gave.  Progress goes to call's sink. */
rg_status rg_bundle_open(rg_bundle **out, const char *path, rg_pool *pool, const rg_call *call, rg_err *e);
/* Tokenizer and template only: a vocabulary is enough; the model is NULL. */
rg_status rg_bundle_open_text(rg_bundle **out, const char *path, rg_err *e);
void      rg_bundle_close(rg_bundle *b);                    /* NULL is fine */

const char         *rg_bundle_path(const rg_bundle *b);
const char         *rg_bundle_name(const rg_bundle *b);     /* rg_files_name */
const char         *rg_bundle_title(const rg_bundle *b);    /* rg_files_title, or "" */
uint64_t            rg_bundle_file_bytes(const rg_bundle *b);    /* of all files that hold weights */
const rg_model     *rg_bundle_model(const rg_bundle *b);
const rg_tokenizer *rg_bundle_tokenizer(const rg_bundle *b);
/* NULL when the file carries none; a template that does not compile is an error when asked for:
 * RG_EFORMAT with its own sentence. */
rg_status           rg_bundle_template(const rg_template **out, const rg_bundle *b, rg_err *e);
/* Uses this source instead of the file's (--template). */
rg_status           rg_bundle_set_template(rg_bundle *b, rg_str source, rg_err *e);

/* Lets go of the mapped pages that embedding look-ups brought in; they come back when needed.
 * Without it the resident set creeps up to the whole matrix as a run meets its vocabulary. */
void rg_bundle_trim(const rg_bundle *b);

/* Keeps the packed weights in memory (--mlock); the file's own pages still come and go. */
rg_status rg_bundle_lock(rg_bundle *b, rg_err *e);

/* rg_files_hash, from the cache where device, inode, size and time agree. */
rg_status rg_bundle_hash(char out[65], const rg_bundle *b, rg_err *e);

/* Configuration a GGUF file declares; every missing or senseless key has its own sentence.
 * n_vocab: rows of the embedding, which another shard may hold. */
rg_status rg_config_from_gguf(rg_model_config *c, const rg_gguf *g, size_t n_vocab, rg_err *e);
/* Bytes a loaded model will hold: panels, vectors, and what stays of the files. */
rg_status rg_predict_memory(uint64_t *bytes, const rg_files *f, rg_err *e);

RG_API_END
#endif
