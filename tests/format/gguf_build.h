/* gguf_build.h - GGUF files written byte by byte in memory, good ones and bad ones. */
#ifndef RUNG_TEST_GGUF_BUILD_H
#define RUNG_TEST_GGUF_BUILD_H

#include "rung/base/buf.h"
#include "rung/format/gguf.h"

static inline void gb_int(rg_buf *b, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        rg_buf_putc(b, (char)(v >> (8 * i) & 0xff));
}

static inline void gb_str(rg_buf *b, const char *s)
{
    gb_int(b, strlen(s), 8);
    rg_buf_puts(b, s);
}

static inline void gb_head(rg_buf *b, uint32_t version, uint64_t n_tensors, uint64_t n_keys)
{
    rg_buf_puts(b, "GGUF");
    gb_int(b, version, 4);
    gb_int(b, n_tensors, 8);
    gb_int(b, n_keys, 8);
}

/* The key and its type; the value comes next. */
static inline void gb_key(rg_buf *b, const char *key, uint32_t kind)
{
    gb_str(b, key);
    gb_int(b, kind, 4);
}

static inline void gb_key_u32(rg_buf *b, const char *key, uint32_t v)
{
    gb_key(b, key, RG_GGUF_U32);
    gb_int(b, v, 4);
}

static inline void gb_key_str(rg_buf *b, const char *key, const char *v)
{
    gb_key(b, key, RG_GGUF_STRING);
    gb_str(b, v);
}

/* The head of an array; n elements come next. */
static inline void gb_key_array(rg_buf *b, const char *key, uint32_t elem, uint64_t n)
{
    gb_key(b, key, RG_GGUF_ARRAY);
    gb_int(b, elem, 4);
    gb_int(b, n, 8);
}

static inline void gb_tensor(rg_buf *b, const char *name, uint64_t cols, uint64_t rows, uint32_t type,
                             uint64_t offset)
{
    gb_str(b, name);
    gb_int(b, 2, 4);
    gb_int(b, cols, 8);
    gb_int(b, rows, 8);
    gb_int(b, type, 4);
    gb_int(b, offset, 8);
}

static inline void gb_pad(rg_buf *b, size_t to)
{
    while (b->n % to)
        rg_buf_putc(b, '\0');
}

static inline void gb_zeros(rg_buf *b, size_t n)
{
    while (n-- > 0)
        rg_buf_putc(b, '\0');
}

#endif
