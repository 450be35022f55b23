/* gguf.c - GGUF files: header, tensor infos and the life of the handle.
 *
 *     magic "GGUF" | u32 version | u64 tensors | u64 keys
 *     key-values                                               gguf_kv.c
 *     tensor infos: name, u32 n_dims, u64 dims[n_dims], u32 type, u64 offset
 *     zeros up to the alignment
 *     tensor data; every offset is the padded sum of the sizes before it
 *
 * Everything is checked here once, so the getters (gguf_get.c) and the users of tensor bytes
 * need no checks of bounds. */
#include <string.h>

#include "gguf_int.h"
#include "rung/base/mem.h"

#define MAX_ELEMENTS (UINT64_C(1) << 40)

static rg_status read_header(rg_gguf *g, gguf_cursor *c, uint64_t *n_tensors, uint64_t *n_keys, rg_err *e)
{
    const uint8_t *magic;
    if (!rg__gguf_take(c, &magic, 4))
        RG_FAIL(e, RG_EFORMAT, "%zu bytes is too short for a GGUF file", c->left);
    if (memcmp(magic, "GGUF", 4) != 0)
        RG_FAIL(e, RG_EFORMAT,
                "not a GGUF file: it begins with bytes %02x %02x %02x %02x, not with 47 47 55 46", magic[0],
                magic[1], magic[2], magic[3]);
    if (!rg__gguf_u32(c, &g->version))
        RG_FAIL(e, RG_EFORMAT, "the file ends inside the GGUF version; fetch it again");
    if (g->version != 0 && (g->version & 0xffff) == 0)
        RG_FAIL(e, RG_EFORMAT,
                "the file is big-endian (version field 0x%08x); convert it again for a little-endian machine",
                g->version);
    if (g->version < 2 || g->version > 3)
        RG_FAIL(e, RG_EFORMAT, "GGUF version %u is not known; versions 2 and 3 are, convert the model again",
                g->version);
    if (!rg__gguf_u64(c, n_tensors) || !rg__gguf_u64(c, n_keys))
        RG_FAIL(e, RG_EFORMAT, "the file ends inside the counts of the GGUF header; fetch it again");
    return RG_OK;
}

static rg_status read_alignment(rg_gguf *g, rg_err *e)
{
    uint64_t a = 32;
    if (rg_gguf_has(g, "general.alignment")) {
        if (rg_gguf_wrong_type(g, "general.alignment", RG_GGUF_U32))
            RG_FAIL(e, RG_EFORMAT, "key 'general.alignment' is not a u32");
        rg_gguf_u64(g, "general.alignment", &a);
    }
    if (a < 8 || a > 4096 || (a & (a - 1)) != 0)
        RG_FAIL(e, RG_EFORMAT, "key 'general.alignment' is %llu; it must be a power of two from 8 to 4096",
                (unsigned long long)a);
    g->alignment = (size_t)a;
    return RG_OK;
}

#define NAME(t) (int)(t)->name.n, (t)->name.p

static rg_status read_tensor_name(rg_gguf_tensor *t, gguf_cursor *c, size_t i, rg_err *e)
{
    uint64_t n;
    const uint8_t *p;
    if (!rg__gguf_u64(c, &n))
        RG_FAIL(e, RG_EFORMAT, "the file ends before the name of tensor %zu; fetch it again", i);
    if (n == 0 || n > GGUF_MAX_NAME)
        RG_FAIL(e, RG_EFORMAT, "tensor %zu has a name of %llu bytes; 1 to %d are accepted", i,
                (unsigned long long)n, GGUF_MAX_NAME);
    if (!rg__gguf_take(c, &p, (size_t)n))
        RG_FAIL(e, RG_EFORMAT, "the file ends inside the name of tensor %zu; fetch it again", i);
    for (size_t k = 0; k < n; k++)
        if (p[k] <= ' ' || p[k] >= 0x7f)
            RG_FAIL(e, RG_EFORMAT, "the name of tensor %zu has byte 0x%02x; names are printable ASCII", i,
                    p[k]);
    t->name = rg_str_n((const char *)p, (size_t)n);
    return RG_OK;
}

static rg_status read_dims(rg_gguf_tensor *t, gguf_cursor *c, rg_err *e)
{
    uint64_t elements = 1;
    if (!rg__gguf_u32(c, &t->n_dims))
        RG_FAIL(e, RG_EFORMAT, "the file ends before the shape of tensor '%.*s'; fetch it again", NAME(t));
    if (t->n_dims == 0 || t->n_dims > GGUF_MAX_DIMS)
        RG_FAIL(e, RG_EFORMAT, "tensor '%.*s' has %u dimensions; 1 to %d are accepted", NAME(t), t->n_dims,
                GGUF_MAX_DIMS);
    for (uint32_t d = 0; d < GGUF_MAX_DIMS; d++) {
        t->dims[d] = 1;
        if (d >= t->n_dims)
            continue;
        if (!rg__gguf_u64(c, &t->dims[d]))
            RG_FAIL(e, RG_EFORMAT, "the file ends inside the shape of tensor '%.*s'; fetch it again",
                    NAME(t));
        if (t->dims[d] == 0)
            RG_FAIL(e, RG_EFORMAT, "dimension %u of tensor '%.*s' is 0", d, NAME(t));
        if (!rg_mul_u64(&elements, elements, t->dims[d]) || elements > MAX_ELEMENTS)
            RG_FAIL(e, RG_EFORMAT, "tensor '%.*s' claims more than 2^40 elements", NAME(t));
    }
    return RG_OK;
}

/* The size in bytes comes from type and shape here, and nowhere else. */
static rg_status read_type(rg_gguf_tensor *t, gguf_cursor *c, rg_err *e)
{
    uint64_t row;
    if (!rg__gguf_u32(c, &t->type))
        RG_FAIL(e, RG_EFORMAT, "the file ends before the type of tensor '%.*s'; fetch it again", NAME(t));
    const rg_type_info *info = rg_type_info_of(t->type);
    if (info->name == NULL)
        RG_FAIL(e, RG_EFORMAT, "tensor '%.*s' has unknown type id %u; is the file from a newer writer?",
                NAME(t), t->type);
    if (info->block == 0)
        RG_FAIL(e, RG_EFORMAT, "tensor '%.*s' has the removed quantisation id %u; quantise the model again",
                NAME(t), t->type);
    if (!rg_type_row_bytes(&row, t->type, t->dims[0]))
        RG_FAIL(e, RG_EFORMAT, "tensor '%.*s' has rows of %llu elements, not a multiple of %s's block of %u",
                NAME(t), (unsigned long long)t->dims[0], info->name, info->block);
    if (!rg_mul_u64(&t->bytes, row, t->dims[1] * t->dims[2] * t->dims[3])) /* each <= 2^40 together */
        RG_FAIL(e, RG_EFORMAT, "the size of tensor '%.*s' does not fit 64 bits", NAME(t));
    return RG_OK;
}

static rg_status read_tensor(rg_gguf_tensor *t, gguf_cursor *c, size_t i, rg_err *e)
{
    RG_TRY(read_tensor_name(t, c, i, e));
    RG_TRY(read_dims(t, c, e));
    RG_TRY(read_type(t, c, e));
    if (!rg__gguf_u64(c, &t->offset))
        RG_FAIL(e, RG_EFORMAT, "the file ends before the offset of tensor '%.*s'; fetch it again", NAME(t));
    return RG_OK;
}

static rg_status read_tensors(rg_gguf *g, gguf_cursor *c, uint64_t n, rg_err *e)
{
    if (n > GGUF_MAX_TENSORS)
        RG_FAIL(e, RG_EFORMAT, "the header claims %llu tensors; at most %d are accepted",
                (unsigned long long)n, GGUF_MAX_TENSORS);
    size_t cap = 0;
    for (size_t i = 0; i < n; i++) {
        if (i == cap) {
            cap = RG_MIN(RG_MAX(2 * cap, (size_t)16), (size_t)n);
            rg_gguf_tensor *t = rg_realloc(g->tensors, cap, sizeof *t);
            if (t == NULL)
                RG_FAIL(e, RG_ENOMEM, "no memory for %zu tensor infos", cap);
            g->tensors = t;
        }
        memset(&g->tensors[i], 0, sizeof g->tensors[i]);
        RG_TRY(read_tensor(&g->tensors[i], c, i, e));
        g->n_tensors = i + 1;
    }
    return rg__gguf_index_build(&g->by_tensor, g->tensors, g->n_tensors, sizeof *g->tensors, "tensor", e);
}

/* Offsets in the file count from the data section; after this they count from the start of
 * the file.  No gaps, no overlap, nothing past the end. */
static rg_status place_tensors(rg_gguf *g, size_t info_end, rg_err *e)
{
    const uint64_t size = g->map.size;
    const uint64_t start = RG_ROUND_UP((uint64_t)info_end, g->alignment);
    uint64_t at = 0;
    for (size_t i = 0; i < g->n_tensors; i++) {
        rg_gguf_tensor *t = &g->tensors[i];
        if (t->offset != at)
            RG_FAIL(e, RG_EFORMAT, "tensor '%.*s' is at offset %llu, the tensors before it end at %llu",
                    NAME(t), (unsigned long long)t->offset, (unsigned long long)at);
        if (start > size || at > size - start || t->bytes > size - start - at)
            RG_FAIL(
                e, RG_EFORMAT,
                "tensor '%.*s' needs %llu bytes at %llu, the file has %llu: it is cut short, fetch it again",
                NAME(t), (unsigned long long)t->bytes, (unsigned long long)(start + at),
                (unsigned long long)size);
        t->offset = start + at;
        t->data = g->map.data + t->offset;
        at += RG_ROUND_UP(t->bytes, g->alignment); /* both <= the file size, plus 4095 */
    }
    return RG_OK;
}

static rg_status parse(rg_gguf *g, rg_err *e)
{
    gguf_cursor c = { g->map.data, g->map.size };
    uint64_t n_tensors, n_keys;
    RG_TRY(read_header(g, &c, &n_tensors, &n_keys, e));
    RG_TRY(rg__gguf_read_values(g, &c, n_keys, e));
    RG_TRY(read_alignment(g, e));
    RG_TRY(read_tensors(g, &c, n_tensors, e));
    return place_tensors(g, g->map.size - c.left, e);
}

static rg_status open_map(rg_gguf **out, rg_map map, bool owns, rg_err *e)
{
    rg_gguf *g = rg_calloc(1, sizeof *g);
    if (g == NULL) {
        if (owns)
            rg_map_close(&map);
        RG_FAIL(e, RG_ENOMEM, "no memory for a GGUF handle");
    }
    g->map = map;
    g->owns_map = owns;
    const rg_status s = parse(g, e);
    if (s != RG_OK)
        rg_gguf_close(g);
    else
        *out = g;
    return s;
}

rg_status rg_gguf_open(rg_gguf **out, const char *path, rg_err *e)
{
    rg_map map;
    *out = NULL;
    RG_TRY(rg_map_open(&map, path, e));
    const rg_status s = open_map(out, map, true, e);
    if (s != RG_OK)
        rg_err_prefix(e, "%s", path);
    return s;
}

rg_status rg_gguf_open_memory(rg_gguf **out, const void *p, size_t n, rg_err *e)
{
    *out = NULL;
    const rg_map map = { p, n };
    return open_map(out, map, false, e);
}

void rg_gguf_close(rg_gguf *g)
{
    if (g == NULL)
        return;
    for (size_t i = 0; i < g->n_values; i++)
        rg_free(g->values[i].strings);
    rg_free(g->values);
    rg_free(g->tensors);
    rg_free(g->by_key.slot);
    rg_free(g->by_tensor.slot);
    if (g->owns_map)
        rg_map_close(&g->map);
    rg_free(g);
}
