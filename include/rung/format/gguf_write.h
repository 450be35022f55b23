/* gguf_write.h - write a GGUF v3 file that llama.cpp loads.
 *
 * Order: keys and tensor declarations first, in any order; then the data of every tensor in
 * the order of declaration, in one or many pieces; then finish.  The file is written beside
 * its final name and renamed when it is whole and on disk: an abandoned or killed write leaves
 * nothing under that name.  Keys are copied; nothing is borrowed. */
#ifndef RUNG_FORMAT_GGUF_WRITE_H
#define RUNG_FORMAT_GGUF_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rung/base/api.h"
#include "rung/base/buf.h"
#include "rung/base/err.h"
#include "rung/format/gguf.h"

RG_API_BEGIN

typedef struct rg_gguf_writer rg_gguf_writer;

rg_status rg_gguf_create(rg_gguf_writer **out, const char *path, rg_err *e);

/* A key put twice is RG_EARG naming it. */
rg_status rg_gguf_put_u32(rg_gguf_writer *w, const char *key, uint32_t v, rg_err *e);
rg_status rg_gguf_put_u64(rg_gguf_writer *w, const char *key, uint64_t v, rg_err *e);
rg_status rg_gguf_put_f32(rg_gguf_writer *w, const char *key, float v, rg_err *e);
rg_status rg_gguf_put_bool(rg_gguf_writer *w, const char *key, bool v, rg_err *e);
rg_status rg_gguf_put_str(rg_gguf_writer *w, const char *key, rg_str v, rg_err *e);
rg_status rg_gguf_put_strs(rg_gguf_writer *w, const char *key, const rg_str *v, size_t n, rg_err *e);
rg_status rg_gguf_put_i32s(rg_gguf_writer *w, const char *key, const int32_t *v, size_t n, rg_err *e);
rg_status rg_gguf_put_f32s(rg_gguf_writer *w, const char *key, const float *v, size_t n, rg_err *e);
/* The key of another file as it stands there (any kind). */
rg_status rg_gguf_put_copy(rg_gguf_writer *w, const rg_gguf *from, const char *key, rg_err *e);

/* dims[0] is the contiguous one; a name over 64 bytes or declared twice is RG_EARG. */
rg_status rg_gguf_declare(rg_gguf_writer *w, const char *name, uint32_t type, size_t n_dims,
                          const uint64_t *dims, rg_err *e);
/* The next n bytes of tensor data; padding between tensors is the writer's work. */
rg_status rg_gguf_write(rg_gguf_writer *w, const void *p, size_t n, rg_err *e);

/* Checks that every declared byte was written, syncs, renames, frees w.  On an error nothing
 * stands under the final name; w is freed all the same. */
rg_status rg_gguf_finish(rg_gguf_writer *w, rg_err *e);
void      rg_gguf_abandon(rg_gguf_writer *w);           /* NULL is fine */

RG_API_END
#endif
