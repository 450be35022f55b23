/* safetensors.c - reading safetensors files.
 *
 *     u64 n | n bytes of JSON: {"NAME": {"dtype", "shape", "data_offsets": [begin, end]}, ...,
 *             "__metadata__": {string: string}}, padded with spaces | tensor bytes
 *
 * Sorted by offset the tensors begin at 0, touch each other and end with the file: there is no
 * room for a second file inside, and no tensor is larger than its bytes.
 * Source: the safetensors project's README.md. */
#include "rung/format/safetensors.h"

#include <stdlib.h>
#include <string.h>

#include "rung/base/mem.h"
#include "rung/format/json.h"

enum {
    MAX_HEADER = 100000000,
    MAX_TENSORS = 262144,
    VALUES_A_TENSOR = 16, /* dtype, a shape of up to 8, two offsets, and the brackets */
};

#define MAX_ELEMENTS (UINT64_C(1) << 40)

struct rg_safet {
    rg_map map;
    bool owns_map;
    json_t *header;           /* owns the names */
    size_t header_bytes;      /* data begin at 8 + this */
    rg_safet_tensor *tensors; /* by offset */
    size_t n;
    const rg_safet_tensor **by_name;
};

typedef struct dtype {
    const char *name;
    uint32_t bits, type;
} dtype;

static const dtype dtypes[] = {
    { "F32", 32, RG_F32 },         { "F16", 16, RG_F16 },
    { "BF16", 16, RG_BF16 },       { "F64", 64, RG_F64 },
    { "I64", 64, RG_I64 },         { "I32", 32, RG_I32 },
    { "I16", 16, RG_I16 },         { "I8", 8, RG_I8 },
    { "U64", 64, RG_TYPE_END },    { "U32", 32, RG_TYPE_END },
    { "U16", 16, RG_TYPE_END },    { "U8", 8, RG_TYPE_END },
    { "BOOL", 8, RG_TYPE_END },    { "F8_E4M3", 8, RG_TYPE_END },
    { "F8_E5M2", 8, RG_TYPE_END }, { "F8_E8M0", 8, RG_TYPE_END },
    { "F4", 4, RG_TYPE_END },      { "C64", 64, RG_TYPE_END },
};

static const dtype *dtype_of(const char *name)
{
    for (size_t i = 0; i < RG_COUNT(dtypes); i++)
        if (strcmp(dtypes[i].name, name) == 0)
            return &dtypes[i];
    return NULL;
}

/* ---- one entry ---- */

static bool size_at(uint64_t *out, const json_t *array, size_t i)
{
    const json_t *v = json_array_get(array, i);
    if (!json_is_integer(v) || json_integer_value(v) < 0)
        return false;
    *out = (uint64_t)json_integer_value(v);
    return true;
}

static rg_status read_name(rg_safet_tensor *t, const char *name, rg_err *e)
{
    t->name = rg_str_of(name);
    if (t->name.n == 0 || t->name.n > RG_SAFET_MAX_NAME)
        RG_FAIL(e, RG_EFORMAT, "a tensor has a name of %zu bytes (%.60s); 1 to %d are accepted", t->name.n,
                name, RG_SAFET_MAX_NAME);
    for (size_t i = 0; i < t->name.n; i++)
        if ((unsigned char)name[i] <= ' ' || name[i] == 0x7f)
            RG_FAIL(e, RG_EFORMAT,
                    "a tensor's name has byte 0x%02x at %zu: spaces and control bytes are none",
                    (unsigned)(unsigned char)name[i], i);
    return RG_OK;
}

static rg_status read_shape(uint64_t *elements, rg_safet_tensor *t, const json_t *shape, rg_err *e)
{
    *elements = 1;
    if (!json_is_array(shape))
        RG_FAIL(e, RG_EFORMAT, "tensor %s has no shape", t->name.p);
    if (json_array_size(shape) > RG_SAFET_MAX_DIMS)
        RG_FAIL(e, RG_EFORMAT, "tensor %s has %zu dimensions; %d is the limit", t->name.p,
                json_array_size(shape), RG_SAFET_MAX_DIMS);
    t->n_dims = (uint32_t)json_array_size(shape);
    for (uint32_t d = 0; d < t->n_dims; d++) {
        if (!size_at(&t->dims[d], shape, d))
            RG_FAIL(e, RG_EFORMAT, "dimension %u of tensor %s is not a whole number", d, t->name.p);
        if (t->dims[d] > MAX_ELEMENTS || !rg_mul_u64(elements, *elements, t->dims[d]) ||
            *elements > MAX_ELEMENTS)
            RG_FAIL(e, RG_EFORMAT, "tensor %s claims more than 2^40 elements", t->name.p);
    }
    return RG_OK;
}

static rg_status read_dtype(uint32_t *bits, rg_safet_tensor *t, const json_t *v, rg_err *e)
{
    const char *name = json_string_value(v);
    if (name == NULL)
        RG_FAIL(e, RG_EFORMAT, "tensor %s has no dtype", t->name.p);
    const dtype *d = dtype_of(name);
    if (d == NULL)
        RG_FAIL(e, RG_EFORMAT,
                "tensor %s has dtype %.40s, which is not known: is the file from a newer writer?", t->name.p,
                name);
    t->dtype = d->name;
    t->type = d->type;
    *bits = d->bits;
    return RG_OK;
}

/* The size in bytes comes from dtype and shape here, and the offsets must agree with it. */
static rg_status read_tensor(rg_safet_tensor *t, const char *name, const json_t *entry, rg_err *e)
{
    uint64_t elements, begin, end;
    uint32_t bits;
    RG_TRY(read_name(t, name, e));
    if (!json_is_object(entry))
        RG_FAIL(e, RG_EFORMAT, "the entry of tensor %s is not an object", name);
    RG_TRY(read_dtype(&bits, t, json_object_get(entry, "dtype"), e));
    RG_TRY(read_shape(&elements, t, json_object_get(entry, "shape"), e));
    const json_t *offsets = json_object_get(entry, "data_offsets");
    if (json_array_size(offsets) != 2 || !size_at(&begin, offsets, 0) || !size_at(&end, offsets, 1))
        RG_FAIL(e, RG_EFORMAT, "tensor %s has no data_offsets of two whole numbers", name);
    if (end < begin)
        RG_FAIL(e, RG_EFORMAT, "tensor %s ends at %llu, before its begin at %llu", name,
                (unsigned long long)end, (unsigned long long)begin);
    if (elements * bits % 8 != 0) /* at most 2^40 times 64 */
        RG_FAIL(e, RG_EFORMAT, "tensor %s of %llu elements of %s is no whole number of bytes", name,
                (unsigned long long)elements, t->dtype);
    t->bytes = elements * bits / 8;
    if (t->bytes != end - begin)
        RG_FAIL(e, RG_EFORMAT, "tensor %s spans %llu bytes, its shape and dtype %s ask for %llu", name,
                (unsigned long long)(end - begin), t->dtype, (unsigned long long)t->bytes);
    t->offset = begin;
    return RG_OK;
}

/* ---- the header ---- */

static rg_status read_header(rg_safet *s, rg_err *e)
{
    uint64_t n = 0;
    if (s->map.size < 8)
        RG_FAIL(e, RG_EFORMAT, "%zu bytes is too short for a safetensors file", s->map.size);
    for (size_t i = 8; i-- > 0;)
        n = n << 8 | s->map.data[i];
    if (n > MAX_HEADER)
        RG_FAIL(e, RG_EFORMAT, "not a safetensors file: its header would have %llu bytes, %d is the limit",
                (unsigned long long)n, MAX_HEADER);
    if (n > s->map.size - 8)
        RG_FAIL(e, RG_EFORMAT,
                "the header has %llu bytes, the file only %zu: it is cut short, fetch it again",
                (unsigned long long)n, s->map.size);
    s->header_bytes = (size_t)n;
    const rg_str text = rg_str_n((const char *)s->map.data + 8, s->header_bytes);
    if (n == 0 || text.p[0] != '{')
        RG_FAIL(e, RG_EFORMAT, "not a safetensors file: its header does not begin with '{'");
    return rg_json_parse(&s->header, text, (size_t)MAX_TENSORS * VALUES_A_TENSOR, "the header", e);
}

static rg_status check_metadata(const json_t *meta, rg_err *e)
{
    const char *key;
    json_t *v;
    if (!json_is_object(meta))
        RG_FAIL(e, RG_EFORMAT, "__metadata__ is not an object");
    json_object_foreach((json_t *)(uintptr_t)meta, key, v) if (!json_is_string(v))
        RG_FAIL(e, RG_EFORMAT, "__metadata__ holds something else than a string under %.80s", key);
    return RG_OK;
}

static rg_status read_tensors(rg_safet *s, rg_err *e)
{
    const size_t n = json_object_size(s->header);
    const char *name;
    json_t *entry;
    if (n > MAX_TENSORS)
        RG_FAIL(e, RG_EFORMAT, "%zu tensors are more than the %d accepted", n, MAX_TENSORS);
    s->tensors = rg_calloc(n + 1, sizeof *s->tensors);
    s->by_name = rg_calloc(n + 1, sizeof *s->by_name);
    if (s->tensors == NULL || s->by_name == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu tensors", n);
    json_object_foreach(s->header, name, entry)
    {
        if (strcmp(name, "__metadata__") == 0)
            RG_TRY(check_metadata(entry, e));
        else
            RG_TRY(read_tensor(&s->tensors[s->n++], name, entry, e));
    }
    return RG_OK;
}

/* ---- where the data lie ---- */

static int by_offset(const void *a, const void *b)
{
    const rg_safet_tensor *x = a, *y = b;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? -1 : 1; /* empty ones in front */
    return strcmp(x->name.p, y->name.p);
}

static int by_name(const void *a, const void *b)
{
    const rg_safet_tensor *const *x = a, *const *y = b;
    return strcmp((*x)->name.p, (*y)->name.p);
}

static rg_status place_tensors(rg_safet *s, rg_err *e)
{
    const uint64_t start = 8 + (uint64_t)s->header_bytes, size = s->map.size - start;
    uint64_t at = 0;
    qsort(s->tensors, s->n, sizeof *s->tensors, by_offset);
    for (size_t i = 0; i < s->n; i++) {
        rg_safet_tensor *t = &s->tensors[i];
        if (t->offset != at)
            RG_FAIL(e, RG_EFORMAT, "tensor %s begins at %llu, the one before it ends at %llu: they %s",
                    t->name.p, (unsigned long long)t->offset, (unsigned long long)at,
                    t->offset < at ? "overlap" : "leave a gap");
        if (t->bytes > size - at)
            RG_FAIL(
                e, RG_EFORMAT,
                "tensor %s needs %llu bytes at %llu, the file has %llu after its header: it is cut short, "
                "fetch it again",
                t->name.p, (unsigned long long)t->bytes, (unsigned long long)at, (unsigned long long)size);
        t->offset = start + at;
        t->data = s->map.data + t->offset;
        at += t->bytes;
        s->by_name[i] = t;
    }
    if (at != size)
        RG_FAIL(e, RG_EFORMAT, "%llu bytes stand behind the last tensor: nothing may",
                (unsigned long long)(size - at));
    qsort(s->by_name, s->n, sizeof *s->by_name, by_name);
    return RG_OK;
}

/* ---- life and queries ---- */

static rg_status open_map(rg_safet **out, rg_map map, bool owns, rg_err *e)
{
    rg_safet *s = rg_calloc(1, sizeof *s);
    if (s == NULL) {
        if (owns)
            rg_map_close(&map);
        RG_FAIL(e, RG_ENOMEM, "no memory for a safetensors handle");
    }
    s->map = map;
    s->owns_map = owns;
    rg_status st = read_header(s, e);
    if (st == RG_OK)
        st = read_tensors(s, e);
    if (st == RG_OK)
        st = place_tensors(s, e);
    if (st != RG_OK)
        rg_safet_close(s);
    else
        *out = s;
    return st;
}

rg_status rg_safet_open(rg_safet **out, const char *path, rg_err *e)
{
    rg_map map;
    *out = NULL;
    RG_TRY(rg_map_open(&map, path, e));
    const rg_status s = open_map(out, map, true, e);
    if (s != RG_OK)
        rg_err_prefix(e, "%s", path);
    return s;
}

rg_status rg_safet_open_memory(rg_safet **out, const void *p, size_t n, rg_err *e)
{
    *out = NULL;
    const rg_map map = { p, n };
    return open_map(out, map, false, e);
}

void rg_safet_close(rg_safet *s)
{
    if (s == NULL)
        return;
    json_decref(s->header);
    rg_free(s->tensors);
    rg_free(s->by_name);
    if (s->owns_map)
        rg_map_close(&s->map);
    rg_free(s);
}

const rg_map *rg_safet_map(const rg_safet *s)
{
    return &s->map;
}

size_t rg_safet_n(const rg_safet *s)
{
    return s->n;
}

const rg_safet_tensor *rg_safet_at(const rg_safet *s, size_t i)
{
    return i < s->n ? &s->tensors[i] : NULL;
}

const rg_safet_tensor *rg_safet_find(const rg_safet *s, const char *name)
{
    const rg_safet_tensor key = { .name = rg_str_of(name) }, *p = &key;
    const rg_safet_tensor *const *hit = bsearch(&p, s->by_name, s->n, sizeof *s->by_name, by_name);
    return hit == NULL ? NULL : *hit;
}

bool rg_safet_meta(const rg_safet *s, const char *key, rg_str *out)
{
    const json_t *v = json_object_get(json_object_get(s->header, "__metadata__"), key);
    if (v == NULL)
        return false;
    *out = rg_str_n(json_string_value(v), json_string_length(v));
    return true;
}
