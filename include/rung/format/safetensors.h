/* safetensors.h - read and write safetensors files: named tensors, mapped not copied.
 *
 *     u64 length of the header | JSON header | tensor bytes, touching, to the end of the file
 *
 * Everything a file claims is checked before anything is allocated for it
 * (docs/formats/safetensors.md lists the checks and caps); a file that breaks a rule is
 * RG_EFORMAT with one sentence.  Tensor bytes stay valid until rg_safet_close.  Safe to share
 * read-only between threads. */
#ifndef RUNG_FORMAT_SAFETENSORS_H
#define RUNG_FORMAT_SAFETENSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rung/base/api.h"
#include "rung/base/buf.h"
#include "rung/base/err.h"
#include "rung/base/file.h"
#include "rung/base/numtype.h"

RG_API_BEGIN

enum { RG_SAFET_MAX_DIMS = 8, RG_SAFET_MAX_NAME = 512 };

typedef struct rg_safet rg_safet;

/* One tensor: the last dimension is the contiguous one (safetensors order: rows first). */
typedef struct rg_safet_tensor {
    rg_str      name;           /* terminated too */
    const char *dtype;          /* as the file spells it: "BF16" */
    uint32_t    type;           /* its rg_type, or RG_TYPE_END where there is none (U8, BOOL, F8_E4M3) */
    uint32_t    n_dims;         /* 0..8; 0 is one element */
    uint64_t    dims[RG_SAFET_MAX_DIMS];    /* a dimension may be 0: then there are no bytes */
    uint64_t    bytes;
    const void *data;
    uint64_t    offset;         /* from the start of the file */
} rg_safet_tensor;

rg_status rg_safet_open(rg_safet **out, const char *path, rg_err *e);
/* The same over bytes that outlive the handle (fuzzing, tests). */
rg_status rg_safet_open_memory(rg_safet **out, const void *p, size_t n, rg_err *e);
void      rg_safet_close(rg_safet *s);                              /* NULL is fine */

const rg_map *rg_safet_map(const rg_safet *s);
size_t        rg_safet_n(const rg_safet *s);
const rg_safet_tensor *rg_safet_at(const rg_safet *s, size_t i);    /* in order of their data */
const rg_safet_tensor *rg_safet_find(const rg_safet *s, const char *name);  /* NULL = absent */
/* The value of a key of __metadata__; false when it is absent. */
bool rg_safet_meta(const rg_safet *s, const char *key, rg_str *out);

/* ---- writing ----
 *
 * Metadata and tensor declarations first; then the data of every tensor in the order of
 * declaration, in one or many pieces; then finish.  The file is written beside its final name
 * and renamed when it is whole and on disk: an abandoned or killed write leaves nothing under
 * that name.  Names and values are copied; nothing is borrowed. */

typedef struct rg_safet_writer rg_safet_writer;

rg_status rg_safet_create(rg_safet_writer **out, const char *path, rg_err *e);
/* {"format": "pt"} is what transformers wants to see.  A key put twice is RG_EARG naming it. */
rg_status rg_safet_put_meta(rg_safet_writer *w, const char *key, rg_str value, rg_err *e);
/* dims[n_dims - 1] is the contiguous one; type is F32, F16, BF16, F64 or a signed integer.  A
 * name over 512 bytes, not UTF-8 or declared twice is RG_EARG. */
rg_status rg_safet_declare(rg_safet_writer *w, const char *name, uint32_t type, size_t n_dims,
                           const uint64_t *dims, rg_err *e);
/* The next n bytes of tensor data. */
rg_status rg_safet_write(rg_safet_writer *w, const void *p, size_t n, rg_err *e);

/* Checks that every declared byte was written, syncs, renames, frees w.  On an error nothing
 * stands under the final name; w is freed all the same. */
rg_status rg_safet_finish(rg_safet_writer *w, rg_err *e);
void      rg_safet_abandon(rg_safet_writer *w);                     /* NULL is fine */

RG_API_END
#endif
