/* safetensors_write.c - writing safetensors files: the header is complete before the first byte of
 * data, because all shapes are declared by then. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "rung/base/mem.h"
#include "rung/base/newfile.h"
#include "rung/format/json.h"
#include "rung/format/safetensors.h"

struct rg_safet_writer {
    rg_newfile *file;
    json_t *header;
    uint64_t declared, written; /* bytes of data */
    bool begun;                 /* the header is out */
};

rg_status rg_safet_create(rg_safet_writer **out, const char *path, rg_err *e)
{
    *out = NULL;
    rg_safet_writer *w = rg_calloc(1, sizeof *w);
    if (w == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for a safetensors writer");
    w->header = json_object();
    rg_status s = RG_OK;
    if (w->header == NULL)
        s = rg_err_set(e, RG_ENOMEM, __FILE__, __LINE__, "no memory for a safetensors header");
    if (s == RG_OK)
        s = rg_newfile_open(&w->file, path, e);
    if (s != RG_OK) {
        rg_safet_abandon(w);
        return s;
    }
    *out = w;
    return RG_OK;
}

rg_status rg_safet_put_meta(rg_safet_writer *w, const char *key, rg_str value, rg_err *e)
{
    json_t *meta = json_object_get(w->header, "__metadata__");
    if (w->begun)
        RG_FAIL(e, RG_EARG, "key %s comes after the first tensor data", key);
    if (meta == NULL) {
        meta = json_object();
        if (json_object_set_new(w->header, "__metadata__", meta) != 0)
            RG_FAIL(e, RG_ENOMEM, "no memory for metadata");
    }
    if (json_object_get(meta, key) != NULL)
        RG_FAIL(e, RG_EARG, "key %s is put twice", key);
    if (json_object_set_new(meta, key, json_stringn(value.p, value.n)) != 0)
        RG_FAIL(e, RG_EARG, "key %s or its value is not UTF-8", key);
    return RG_OK;
}

static const char *dtype_name(uint32_t type)
{
    switch (type) {
    case RG_F32:
    case RG_F16:
    case RG_BF16:
    case RG_F64:
    case RG_I8:
    case RG_I16:
    case RG_I32:
    case RG_I64: return rg_type_info_of(type)->name;
    default: return NULL;
    }
}

static json_t *shape_of(const uint64_t *dims, size_t n)
{
    json_t *shape = json_array();
    for (size_t d = 0; d < n && shape != NULL; d++)
        if (json_array_append_new(shape, json_integer((json_int_t)dims[d])) != 0) {
            json_decref(shape);
            return NULL;
        }
    return shape;
}

rg_status rg_safet_declare(rg_safet_writer *w, const char *name, uint32_t type, size_t n_dims,
                           const uint64_t *dims, rg_err *e)
{
    const char *dtype = dtype_name(type);
    uint64_t n = 1, bytes, end;
    if (dtype == NULL)
        RG_FAIL(e, RG_EARG, "tensor %s has type %s, which safetensors does not store", name,
                rg_type_info_of(type)->name ? rg_type_info_of(type)->name : "unknown");
    if (w->begun)
        RG_FAIL(e, RG_EARG, "tensor %s is declared after the first tensor data", name);
    if (name[0] == '\0' || strlen(name) > RG_SAFET_MAX_NAME || strcmp(name, "__metadata__") == 0)
        RG_FAIL(e, RG_EARG, "\"%.60s\" cannot be a tensor's name", name);
    if (json_object_get(w->header, name) != NULL)
        RG_FAIL(e, RG_EARG, "tensor %s is declared twice", name);
    bool fits = n_dims <= RG_SAFET_MAX_DIMS;
    for (size_t d = 0; d < n_dims && fits; d++)
        fits = dims[d] <= INT64_MAX && rg_mul_u64(&n, n, dims[d]);
    if (!fits || !rg_type_row_bytes(&bytes, type, n) || !rg_add_u64(&end, w->declared, bytes) ||
        end > INT64_MAX)
        RG_FAIL(e, RG_EARG, "the shape of tensor %s cannot be stored", name);
    json_t *entry = json_pack("{s:s, s:o, s:[I, I]}", "dtype", dtype, "shape", shape_of(dims, n_dims),
                              "data_offsets", (json_int_t)w->declared, (json_int_t)end);
    if (entry == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for tensor %s", name);
    if (json_object_set_new(w->header, name, entry) != 0)
        RG_FAIL(e, RG_EARG, "the name \"%.60s\" is not UTF-8", name);
    w->declared = end;
    return RG_OK;
}

/* The length counts the spaces that bring the data to a multiple of eight. */
static rg_status begin(rg_safet_writer *w, rg_err *e)
{
    w->begun = true;
    RG_TRY(rg_newfile_room(w->file, w->declared, e));
    char *text = json_dumps(w->header, JSON_COMPACT);
    if (text == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for the header");
    const size_t n = strlen(text), padded = RG_ROUND_UP(n, (size_t)8);
    uint8_t length[8];
    for (size_t i = 0; i < 8; i++)
        length[i] = (uint8_t)((uint64_t)padded >> 8 * i);
    rg_status s = rg_newfile_write(w->file, length, sizeof length, e);
    if (s == RG_OK)
        s = rg_newfile_write(w->file, text, n, e);
    if (s == RG_OK)
        s = rg_newfile_write(w->file, "        ", padded - n, e);
    free(text);
    return s;
}

rg_status rg_safet_write(rg_safet_writer *w, const void *p, size_t n, rg_err *e)
{
    if (!w->begun)
        RG_TRY(begin(w, e));
    if (n > w->declared - w->written)
        RG_FAIL(e, RG_EARG, "%zu bytes more than the %llu that the tensors declare",
                n - (size_t)(w->declared - w->written), (unsigned long long)w->declared);
    w->written += n;
    return rg_newfile_write(w->file, p, n, e);
}

rg_status rg_safet_finish(rg_safet_writer *w, rg_err *e)
{
    rg_status s = w->begun ? RG_OK : begin(w, e);
    if (s == RG_OK && w->written != w->declared)
        s = rg_err_set(e, RG_EARG, __FILE__, __LINE__, "%llu of %llu bytes of tensor data were written",
                       (unsigned long long)w->written, (unsigned long long)w->declared);
    if (s == RG_OK) {
        s = rg_newfile_commit(w->file, e);
        w->file = NULL;
    }
    rg_safet_abandon(w);
    return s;
}

void rg_safet_abandon(rg_safet_writer *w)
{
    if (w == NULL)
        return;
    rg_newfile_abandon(w->file);
    json_decref(w->header);
    rg_free(w);
}
