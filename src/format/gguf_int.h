/* gguf_int.h - what the three files of the GGUF reader share: the bounded cursor, the parsed
 * key-values, the name index.  Layout and checks: docs/formats/gguf.md. */
#ifndef RUNG_FORMAT_GGUF_INT_H
#define RUNG_FORMAT_GGUF_INT_H

#include "rung/format/gguf.h"

/* Caps (product conventions, section 11.2). */
enum {
    GGUF_MAX_KEYS = 65536,
    GGUF_MAX_TENSORS = 262144,
    GGUF_MAX_KEY = 65535,
    GGUF_MAX_NAME = 64,
    GGUF_MAX_STRING = 16 << 20,
    GGUF_MAX_ARRAY = 16777216,
    GGUF_MAX_DIMS = 4
};

/* The only way this reader touches the file's bytes.  A read that does not fit leaves the
 * cursor where it is and returns false. */
typedef struct gguf_cursor {
    const uint8_t *p;
    size_t left;
} gguf_cursor;

bool rg__gguf_take(gguf_cursor *c, const uint8_t **p, size_t n);
bool rg__gguf_u32(gguf_cursor *c, uint32_t *v);
bool rg__gguf_u64(gguf_cursor *c, uint64_t *v);

/* One key-value.  Numbers stay in the file (unaligned, little-endian) and are decoded by the
 * getters; the strings of an array are found once, so that access by index is O(1). */
typedef struct gguf_value {
    rg_str name; /* the key; first, because the index reads it there */
    rg_gguf_kind kind;
    rg_gguf_kind elem;  /* arrays */
    size_t n;           /* elements; 1 for scalars */
    const uint8_t *raw; /* numbers and bools: n elements */
    rg_str str;         /* RG_GGUF_STRING */
    rg_str *strings;    /* n of them, owned; arrays of strings only */
} gguf_value;

/* Open addressing from a name to its place in an array whose elements begin with an rg_str. */
typedef struct gguf_index {
    uint32_t *slot; /* place + 1; 0 = free */
    size_t mask;
    const void *items;
    size_t stride;
} gguf_index;

struct rg_gguf {
    rg_map map;
    bool owns_map;
    uint32_t version;
    size_t alignment;
    gguf_value *values;
    size_t n_values;
    rg_gguf_tensor *tensors;
    size_t n_tensors;
    gguf_index by_key, by_tensor;
};

/* Bytes of one element; 0 for strings and arrays. */
size_t rg__gguf_kind_bytes(rg_gguf_kind kind);
const char *rg__gguf_kind_name(uint32_t kind);

/* Reads n key-values into g->values and indexes them. */
rg_status rg__gguf_read_values(rg_gguf *g, gguf_cursor *c, uint64_t n, rg_err *e);

/* Indexes items[0..n); fails on a name that is there twice. `what` is "key" or "tensor". */
rg_status rg__gguf_index_build(gguf_index *ix, const void *items, size_t n, size_t stride, const char *what,
                               rg_err *e);
/* The place of a name, or SIZE_MAX. */
size_t rg__gguf_index_find(const gguf_index *ix, rg_str name);

#endif
