/* gguf_write.c - GGUF v3, written in one pass.
 *
 *     put, declare ...   collected in two buffers: key-values, tensor infos
 *     first write        sizes are known: header, both buffers, zeros up to the alignment
 *     write ...          tensor data; the zeros after each tensor come by themselves
 *     finish             every declared byte is there: to disk, renamed
 *
 * Layout and caps are those of the reader (gguf.c, gguf_int.h). */
#include "rung/format/gguf_write.h"

#include <string.h>

#include "gguf_int.h"
#include "rung/base/mem.h"
#include "rung/base/newfile.h"
#include "rung/base/rng.h"

#define META_MAX ((size_t)1 << 30)

/* Names already used: open addressing, at most half full. */
typedef struct names {
    char **slot;
    size_t n, cap;
} names;

struct rg_gguf_writer {
    rg_newfile *file;
    rg_buf keys, infos;
    names key_names, tensor_names;
    uint64_t *bytes; /* of each tensor */
    size_t n_tensors, cap_tensors;
    size_t alignment;
    uint64_t data_bytes; /* of all tensors so far, padded */
    bool begun;          /* the header is written */
    size_t at;           /* the tensor being written */
    uint64_t done;       /* bytes of it already written */
};

/* ---- names ---- */

static size_t slot_of(const names *s, const char *name)
{
    size_t at = (size_t)rg_hash64(name, strlen(name), 0) & (s->cap - 1);
    while (s->slot[at] != NULL && strcmp(s->slot[at], name) != 0)
        at = (at + 1) & (s->cap - 1);
    return at;
}

static bool names_grow(names *s)
{
    names to = { .cap = RG_MAX((size_t)64, 2 * s->cap) };
    to.slot = rg_calloc(to.cap, sizeof *to.slot);
    if (to.slot == NULL)
        return false;
    for (size_t i = 0; i < s->cap; i++)
        if (s->slot[i] != NULL)
            to.slot[slot_of(&to, s->slot[i])] = s->slot[i];
    rg_free(s->slot);
    s->slot = to.slot;
    s->cap = to.cap;
    return true;
}

static rg_status names_add(names *s, const char *name, const char *what, rg_err *e)
{
    if (2 * (s->n + 1) > s->cap && !names_grow(s))
        RG_FAIL(e, RG_ENOMEM, "no memory for the name of a %s", what);
    const size_t at = slot_of(s, name);
    if (s->slot[at] != NULL)
        RG_FAIL(e, RG_EARG, "%s '%s' is given twice", what, name);
    s->slot[at] = rg_strdup(name);
    if (s->slot[at] == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for the name of a %s", what);
    s->n++;
    return RG_OK;
}

static void names_free(names *s)
{
    for (size_t i = 0; i < s->cap; i++)
        rg_free(s->slot[i]);
    rg_free(s->slot);
}

/* ---- life ---- */

rg_status rg_gguf_create(rg_gguf_writer **out, const char *path, rg_err *e)
{
    *out = NULL;
    rg_gguf_writer *w = rg_calloc(1, sizeof *w);
    if (w == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory to write %s", path);
    w->alignment = 32;
    w->keys.max = w->infos.max = META_MAX;
    const rg_status s = rg_newfile_open(&w->file, path, e);
    if (s != RG_OK)
        rg_gguf_abandon(w);
    else
        *out = w;
    return s;
}

void rg_gguf_abandon(rg_gguf_writer *w)
{
    if (w == NULL)
        return;
    rg_newfile_abandon(w->file);
    rg_buf_free(&w->keys);
    rg_buf_free(&w->infos);
    names_free(&w->key_names);
    names_free(&w->tensor_names);
    rg_free(w->bytes);
    rg_free(w);
}

/* ---- bytes ---- */

static void put_le(rg_buf *b, uint64_t v, size_t bytes)
{
    char p[8];
    for (size_t i = 0; i < bytes; i++)
        p[i] = (char)(v >> 8 * i);
    rg_buf_put(b, p, bytes);
}

static void put_string(rg_buf *b, rg_str s)
{
    put_le(b, s.n, 8);
    rg_buf_str(b, s);
}

static void put_float(rg_buf *b, float v)
{
    uint32_t u;
    memcpy(&u, &v, sizeof u);
    put_le(b, u, 4);
}

/* ---- keys ---- */

static rg_status open_key(rg_gguf_writer *w, const char *key, rg_gguf_kind kind, rg_err *e)
{
    const size_t n = strlen(key);
    if (w->begun)
        RG_FAIL(e, RG_EARG, "key '%s' comes after tensor data; keys are put first", key);
    if (n == 0 || n > GGUF_MAX_KEY)
        RG_FAIL(e, RG_EARG, "a key of %zu bytes; 1 to %d are accepted", n, GGUF_MAX_KEY);
    for (size_t i = 0; i < n; i++)
        if (key[i] <= ' ' || key[i] >= 0x7f)
            RG_FAIL(e, RG_EARG, "a key has byte 0x%02x; keys are printable ASCII", (unsigned char)key[i]);
    if (w->key_names.n == GGUF_MAX_KEYS)
        RG_FAIL(e, RG_EARG, "more than %d keys", GGUF_MAX_KEYS);
    RG_TRY(names_add(&w->key_names, key, "key", e));
    put_string(&w->keys, rg_str_n(key, n));
    put_le(&w->keys, kind, 4);
    return RG_OK;
}

static rg_status open_array(rg_gguf_writer *w, const char *key, rg_gguf_kind elem, size_t n, rg_err *e)
{
    if (n > GGUF_MAX_ARRAY)
        RG_FAIL(e, RG_EARG, "key '%s' has an array of %zu elements; at most %d are accepted", key, n,
                GGUF_MAX_ARRAY);
    RG_TRY(open_key(w, key, RG_GGUF_ARRAY, e));
    put_le(&w->keys, elem, 4);
    put_le(&w->keys, n, 8);
    return RG_OK;
}

static rg_status close_key(rg_gguf_writer *w, rg_err *e)
{
    return rg_buf_check(&w->keys, "the metadata of a GGUF file", e);
}

static rg_status set_alignment(rg_gguf_writer *w, uint64_t a, rg_err *e)
{
    if (a < 8 || a > 4096 || (a & (a - 1)) != 0)
        RG_FAIL(e, RG_EARG, "general.alignment is %llu; it must be a power of two from 8 to 4096",
                (unsigned long long)a);
    if (w->n_tensors > 0)
        RG_FAIL(e, RG_EARG, "general.alignment comes after the first tensor; it decides their places");
    w->alignment = (size_t)a;
    return RG_OK;
}

rg_status rg_gguf_put_u32(rg_gguf_writer *w, const char *key, uint32_t v, rg_err *e)
{
    if (strcmp(key, "general.alignment") == 0)
        RG_TRY(set_alignment(w, v, e));
    RG_TRY(open_key(w, key, RG_GGUF_U32, e));
    put_le(&w->keys, v, 4);
    return close_key(w, e);
}

rg_status rg_gguf_put_u64(rg_gguf_writer *w, const char *key, uint64_t v, rg_err *e)
{
    RG_TRY(open_key(w, key, RG_GGUF_U64, e));
    put_le(&w->keys, v, 8);
    return close_key(w, e);
}

rg_status rg_gguf_put_f32(rg_gguf_writer *w, const char *key, float v, rg_err *e)
{
    RG_TRY(open_key(w, key, RG_GGUF_F32, e));
    put_float(&w->keys, v);
    return close_key(w, e);
}

rg_status rg_gguf_put_bool(rg_gguf_writer *w, const char *key, bool v, rg_err *e)
{
    RG_TRY(open_key(w, key, RG_GGUF_BOOL, e));
    put_le(&w->keys, v, 1);
    return close_key(w, e);
}

static rg_status check_string(const char *key, rg_str v, rg_err *e)
{
    if (v.n > GGUF_MAX_STRING)
        RG_FAIL(e, RG_EARG, "key '%s' has a string of %zu bytes; at most %d are accepted", key, v.n,
                GGUF_MAX_STRING);
    return RG_OK;
}

rg_status rg_gguf_put_str(rg_gguf_writer *w, const char *key, rg_str v, rg_err *e)
{
    RG_TRY(check_string(key, v, e));
    RG_TRY(open_key(w, key, RG_GGUF_STRING, e));
    put_string(&w->keys, v);
    return close_key(w, e);
}

rg_status rg_gguf_put_strs(rg_gguf_writer *w, const char *key, const rg_str *v, size_t n, rg_err *e)
{
    for (size_t i = 0; i < n; i++)
        RG_TRY(check_string(key, v[i], e));
    RG_TRY(open_array(w, key, RG_GGUF_STRING, n, e));
    for (size_t i = 0; i < n; i++)
        put_string(&w->keys, v[i]);
    return close_key(w, e);
}

rg_status rg_gguf_put_i32s(rg_gguf_writer *w, const char *key, const int32_t *v, size_t n, rg_err *e)
{
    RG_TRY(open_array(w, key, RG_GGUF_I32, n, e));
    for (size_t i = 0; i < n; i++)
        put_le(&w->keys, (uint32_t)v[i], 4);
    return close_key(w, e);
}

rg_status rg_gguf_put_f32s(rg_gguf_writer *w, const char *key, const float *v, size_t n, rg_err *e)
{
    RG_TRY(open_array(w, key, RG_GGUF_F32, n, e));
    for (size_t i = 0; i < n; i++)
        put_float(&w->keys, v[i]);
    return close_key(w, e);
}

rg_status rg_gguf_put_copy(rg_gguf_writer *w, const rg_gguf *from, const char *key, rg_err *e)
{
    const size_t at = rg__gguf_index_find(&from->by_key, rg_str_of(key));
    if (at == SIZE_MAX)
        RG_FAIL(e, RG_EARG, "key '%s' is not in the file it should be copied from", key);
    const gguf_value *v = &from->values[at];
    uint64_t u;
    if (strcmp(key, "general.alignment") == 0 && rg_gguf_u64(from, key, &u))
        RG_TRY(set_alignment(w, u, e));
    if (v->kind == RG_GGUF_STRING)
        return rg_gguf_put_str(w, key, v->str, e);
    if (v->kind == RG_GGUF_ARRAY && v->elem == RG_GGUF_STRING)
        return rg_gguf_put_strs(w, key, v->strings, v->n, e);
    const bool array = v->kind == RG_GGUF_ARRAY;
    RG_TRY(array ? open_array(w, key, v->elem, v->n, e) : open_key(w, key, v->kind, e));
    if (v->n > 0)
        rg_buf_put(&w->keys, v->raw, v->n * rg__gguf_kind_bytes(array ? v->elem : v->kind));
    return close_key(w, e);
}

/* ---- tensors ---- */

static rg_status tensor_bytes(uint64_t *out, const char *name, uint32_t type, size_t n_dims,
                              const uint64_t *dims, rg_err *e)
{
    const rg_type_info *info = rg_type_info_of(type);
    if (info->name == NULL || info->block == 0)
        RG_FAIL(e, RG_EARG, "tensor '%s' has type id %u, which cannot be written", name, type);
    if (n_dims == 0 || n_dims > GGUF_MAX_DIMS)
        RG_FAIL(e, RG_EARG, "tensor '%s' has %zu dimensions; 1 to %d are accepted", name, n_dims,
                GGUF_MAX_DIMS);
    if (!rg_type_row_bytes(out, type, dims[0]) || dims[0] == 0)
        RG_FAIL(e, RG_EARG, "tensor '%s' has rows of %llu elements, not a multiple of %s's block of %u", name,
                (unsigned long long)dims[0], info->name, info->block);
    for (size_t i = 1; i < n_dims; i++)
        if (dims[i] == 0 || !rg_mul_u64(out, *out, dims[i]) || *out > UINT64_C(1) << 50)
            RG_FAIL(e, RG_EARG, "tensor '%s' has a shape that no file holds", name);
    return RG_OK;
}

static rg_status check_tensor_name(const char *name, rg_err *e)
{
    const size_t n = strlen(name);
    if (n == 0 || n > GGUF_MAX_NAME)
        RG_FAIL(e, RG_EARG, "tensor '%.80s' has a name of %zu bytes; 1 to %d are accepted", name, n,
                GGUF_MAX_NAME);
    for (size_t i = 0; i < n; i++)
        if (name[i] <= ' ' || name[i] >= 0x7f)
            RG_FAIL(e, RG_EARG, "a tensor's name has byte 0x%02x; names are printable ASCII",
                    (unsigned char)name[i]);
    return RG_OK;
}

static rg_status remember_size(rg_gguf_writer *w, uint64_t bytes, rg_err *e)
{
    if (w->n_tensors == w->cap_tensors) {
        const size_t cap = RG_MAX((size_t)64, 2 * w->cap_tensors);
        uint64_t *p = rg_realloc(w->bytes, cap, sizeof *p);
        if (p == NULL)
            RG_FAIL(e, RG_ENOMEM, "no memory for %zu tensors", cap);
        w->bytes = p;
        w->cap_tensors = cap;
    }
    w->bytes[w->n_tensors++] = bytes;
    w->data_bytes += RG_ROUND_UP(bytes, w->alignment); /* 2^18 tensors of at most 2^50 */
    return RG_OK;
}

rg_status rg_gguf_declare(rg_gguf_writer *w, const char *name, uint32_t type, size_t n_dims,
                          const uint64_t *dims, rg_err *e)
{
    uint64_t bytes;
    if (w->begun)
        RG_FAIL(e, RG_EARG, "tensor '%s' is declared after tensor data; declarations come first", name);
    RG_TRY(check_tensor_name(name, e));
    RG_TRY(tensor_bytes(&bytes, name, type, n_dims, dims, e));
    if (w->n_tensors == GGUF_MAX_TENSORS || w->data_bytes > UINT64_C(1) << 62)
        RG_FAIL(e, RG_EARG, "more tensors than a file holds");
    RG_TRY(names_add(&w->tensor_names, name, "tensor", e));
    put_string(&w->infos, rg_str_of(name));
    put_le(&w->infos, n_dims, 4);
    for (size_t i = 0; i < n_dims; i++)
        put_le(&w->infos, dims[i], 8);
    put_le(&w->infos, type, 4);
    put_le(&w->infos, w->data_bytes, 8);
    RG_TRY(rg_buf_check(&w->infos, "the tensor infos of a GGUF file", e));
    return remember_size(w, bytes, e);
}

/* ---- data ---- */

static rg_status put_zeros(rg_gguf_writer *w, size_t n, rg_err *e)
{
    static const char zeros[4096];
    return rg_newfile_write(w->file, zeros, n, e); /* n is less than the alignment */
}

static rg_status begin(rg_gguf_writer *w, rg_err *e)
{
    rg_buf head = RG_BUF_MAX(64);
    rg_buf_puts(&head, "GGUF");
    put_le(&head, 3, 4);
    put_le(&head, w->n_tensors, 8);
    put_le(&head, w->key_names.n, 8);
    rg_status s = rg_buf_check(&head, "the header of a GGUF file", e);
    const size_t meta = head.n + w->keys.n + w->infos.n;
    w->begun = true;
    if (s == RG_OK)
        s = rg_newfile_room(w->file, meta + w->data_bytes, e);
    if (s == RG_OK)
        s = rg_newfile_write(w->file, head.p, head.n, e);
    if (s == RG_OK)
        s = rg_newfile_write(w->file, w->keys.p, w->keys.n, e);
    if (s == RG_OK)
        s = rg_newfile_write(w->file, w->infos.p, w->infos.n, e);
    if (s == RG_OK)
        s = put_zeros(w, RG_ROUND_UP(meta, w->alignment) - meta, e);
    rg_buf_free(&head);
    return s;
}

/* To the next tensor when this one is whole; shapes hold no zero, so no tensor is empty. */
static rg_status step(rg_gguf_writer *w, rg_err *e)
{
    if (w->at == w->n_tensors || w->done < w->bytes[w->at])
        return RG_OK;
    RG_TRY(put_zeros(w, (size_t)(RG_ROUND_UP(w->done, w->alignment) - w->done), e));
    w->at++;
    w->done = 0;
    return RG_OK;
}

rg_status rg_gguf_write(rg_gguf_writer *w, const void *p, size_t n, rg_err *e)
{
    const char *from = p;
    if (!w->begun)
        RG_TRY(begin(w, e));
    while (n > 0) {
        if (w->at == w->n_tensors)
            RG_FAIL(e, RG_EARG, "%zu bytes more than the %zu declared tensors hold", n, w->n_tensors);
        const uint64_t left = w->bytes[w->at] - w->done;
        const size_t now = left < n ? (size_t)left : n;
        RG_TRY(rg_newfile_write(w->file, from, now, e));
        w->done += now;
        from += now;
        n -= now;
        RG_TRY(step(w, e));
    }
    return RG_OK;
}

rg_status rg_gguf_finish(rg_gguf_writer *w, rg_err *e)
{
    rg_status s = w->begun ? RG_OK : begin(w, e);
    if (s == RG_OK && w->at < w->n_tensors)
        s = rg_err_set(e, RG_EARG, __FILE__, __LINE__,
                       "tensor %zu of %zu has %llu of its %llu bytes: the file is not whole", w->at,
                       w->n_tensors, (unsigned long long)w->done, (unsigned long long)w->bytes[w->at]);
    if (s == RG_OK) {
        s = rg_newfile_commit(w->file, e);
        w->file = NULL;
    }
    rg_gguf_abandon(w);
    return s;
}
