/* gguf.h - read GGUF files: typed metadata plus named tensors, mapped not copied.
 *
 * v2 and v3, little-endian.  Everything a file claims is checked before anything is
 * allocated for it (docs/formats/gguf.md lists the checks and caps); a file that breaks a
 * rule is RG_EFORMAT with one sentence.  Strings and tensor bytes stay valid until
 * rg_gguf_close.  Safe to share read-only between threads. */
#ifndef RUNG_FORMAT_GGUF_H
#define RUNG_FORMAT_GGUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rung/base/api.h"
#include "rung/base/buf.h"
#include "rung/base/err.h"
#include "rung/base/file.h"
#include "rung/base/numtype.h"

RG_API_BEGIN

typedef struct rg_gguf rg_gguf;

typedef enum rg_gguf_kind {     /* GGUF's own value types */
    RG_GGUF_U8 = 0, RG_GGUF_I8, RG_GGUF_U16, RG_GGUF_I16, RG_GGUF_U32, RG_GGUF_I32, RG_GGUF_F32,
    RG_GGUF_BOOL, RG_GGUF_STRING, RG_GGUF_ARRAY, RG_GGUF_U64, RG_GGUF_I64, RG_GGUF_F64
} rg_gguf_kind;

/* One tensor: dims[0] is the contiguous one (GGUF order: columns first). */
typedef struct rg_gguf_tensor {
    rg_str      name;
    uint32_t    type;           /* an rg_type this table knows (not necessarily one that runs) */
    uint32_t    n_dims;         /* 1..4 */
    uint64_t    dims[4];        /* unused ones are 1 */
    uint64_t    bytes;
    const void *data;
    uint64_t    offset;         /* from the start of the file */
} rg_gguf_tensor;

rg_status rg_gguf_open(rg_gguf **out, const char *path, rg_err *e);
/* The same over bytes that outlive the handle (fuzzing, tests). */
rg_status rg_gguf_open_memory(rg_gguf **out, const void *p, size_t n, rg_err *e);
void      rg_gguf_close(rg_gguf *g);                            /* NULL is fine */

uint32_t      rg_gguf_version(const rg_gguf *g);
uint64_t      rg_gguf_file_bytes(const rg_gguf *g);
const rg_map *rg_gguf_map(const rg_gguf *g);                    /* to release pages already packed */
size_t        rg_gguf_n_tensors(const rg_gguf *g);
const rg_gguf_tensor *rg_gguf_tensor_at(const rg_gguf *g, size_t i);
const rg_gguf_tensor *rg_gguf_find(const rg_gguf *g, const char *name);     /* NULL = absent */

size_t rg_gguf_n_keys(const rg_gguf *g);
void   rg_gguf_key_at(const rg_gguf *g, size_t i, rg_str *key, rg_gguf_kind *kind);
bool   rg_gguf_has(const rg_gguf *g, const char *key);

/* Typed getters: true and *out set when the key is there with that type; false when it is
 * absent.  A key of another type is false too, and rg_gguf_wrong_type tells.  Integers of any
 * width and sign are accepted for u64 if not negative (writers differ). */
bool rg_gguf_wrong_type(const rg_gguf *g, const char *key, rg_gguf_kind want);  /* there, but not that */
bool rg_gguf_u64(const rg_gguf *g, const char *key, uint64_t *out);
bool rg_gguf_f64(const rg_gguf *g, const char *key, double *out);           /* f32 or f64 */
bool rg_gguf_bool(const rg_gguf *g, const char *key, bool *out);
bool rg_gguf_str(const rg_gguf *g, const char *key, rg_str *out);
/* Arrays: element kind and count; then by index. */
bool rg_gguf_array(const rg_gguf *g, const char *key, rg_gguf_kind *elem, size_t *n);
bool rg_gguf_array_str(const rg_gguf *g, const char *key, size_t i, rg_str *out);    /* O(1) */
bool rg_gguf_array_i64(const rg_gguf *g, const char *key, size_t i, int64_t *out);      /* bools: 0, 1 */
bool rg_gguf_array_f64(const rg_gguf *g, const char *key, size_t i, double *out);
/* A whole array at once: borrowed strings (NULL when absent or of another type), or n integers
 * copied out (false unless it holds exactly n that fit). */
const rg_str *rg_gguf_strings(const rg_gguf *g, const char *key, size_t *n);
bool rg_gguf_array_i32s(const rg_gguf *g, const char *key, int32_t *out, size_t n);
/* Renders a value for people ("32", "[151936 strings]"), at most 80 bytes of it. */
void rg_gguf_value_text(const rg_gguf *g, const char *key, rg_buf *b);

RG_API_END
#endif
