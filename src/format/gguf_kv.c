/* gguf_kv.c - the metadata section: keys, typed values, and the index of names.
 *
 * A key-value is: string key, u32 kind, value.  A string is u64 length + bytes; an array is
 * u32 element kind, u64 count, elements; arrays do not nest.  Memory grows as data arrives,
 * so a short file that claims much costs little. */
#include <string.h>

#include "gguf_int.h"
#include "rung/base/mem.h"
#include "rung/base/rng.h"

bool rg__gguf_take(gguf_cursor *c, const uint8_t **p, size_t n)
{
    if (n > c->left)
        return false;
    *p = c->p;
    c->p += n;
    c->left -= n;
    return true;
}

bool rg__gguf_u32(gguf_cursor *c, uint32_t *v)
{
    const uint8_t *p;
    if (!rg__gguf_take(c, &p, 4))
        return false;
    *v = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    return true;
}

bool rg__gguf_u64(gguf_cursor *c, uint64_t *v)
{
    uint32_t lo, hi;
    if (c->left < 8 || !rg__gguf_u32(c, &lo) || !rg__gguf_u32(c, &hi))
        return false;
    *v = (uint64_t)hi << 32 | lo;
    return true;
}

static const struct {
    const char *name;
    size_t bytes;
} kinds[] = {
    { "u8", 1 },   { "i8", 1 },     { "u16", 2 },   { "i16", 2 }, { "u32", 4 }, { "i32", 4 }, { "f32", 4 },
    { "bool", 1 }, { "string", 0 }, { "array", 0 }, { "u64", 8 }, { "i64", 8 }, { "f64", 8 },
};

size_t rg__gguf_kind_bytes(rg_gguf_kind kind)
{
    return kinds[kind].bytes;
}

const char *rg__gguf_kind_name(uint32_t kind)
{
    return kind < RG_COUNT(kinds) ? kinds[kind].name : "unknown";
}

/* Where a message points: the key being read. */
#define KEY(v) (int)RG_MIN((v)->name.n, (size_t)80), (v)->name.p

static rg_status read_string(rg_str *s, gguf_cursor *c, const gguf_value *v, rg_err *e)
{
    uint64_t n;
    const uint8_t *p;
    if (!rg__gguf_u64(c, &n))
        RG_FAIL(e, RG_EFORMAT, "the file ends inside a string length of key '%.*s'; fetch it again", KEY(v));
    if (n > GGUF_MAX_STRING)
        RG_FAIL(e, RG_EFORMAT, "key '%.*s' has a string of %llu bytes; at most %d are accepted", KEY(v),
                (unsigned long long)n, GGUF_MAX_STRING);
    if (!rg__gguf_take(c, &p, (size_t)n))
        RG_FAIL(e, RG_EFORMAT, "key '%.*s' has a string of %llu bytes but the file has only %zu left", KEY(v),
                (unsigned long long)n, c->left);
    *s = rg_str_n((const char *)p, (size_t)n);
    return RG_OK;
}

static rg_status read_strings(gguf_value *v, gguf_cursor *c, rg_err *e)
{
    if (v->n > c->left / 8)
        RG_FAIL(e, RG_EFORMAT, "key '%.*s' claims %zu strings but the file has only %zu bytes left", KEY(v),
                v->n, c->left);
    v->strings = rg_alloc(RG_MAX(v->n, (size_t)1), sizeof *v->strings);
    if (v->strings == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for the %zu strings of key '%.*s'", v->n, KEY(v));
    for (size_t i = 0; i < v->n; i++)
        RG_TRY(read_string(&v->strings[i], c, v, e));
    return RG_OK;
}

/* n numbers or bools, left where they are. */
static rg_status read_numbers(gguf_value *v, gguf_cursor *c, rg_gguf_kind kind, rg_err *e)
{
    const size_t size = rg__gguf_kind_bytes(kind);
    if (v->n > c->left / size || !rg__gguf_take(c, &v->raw, v->n * size))
        RG_FAIL(e, RG_EFORMAT, "key '%.*s' claims %zu values of type %s but the file has only %zu bytes left",
                KEY(v), v->n, rg__gguf_kind_name(kind), c->left);
    if (kind == RG_GGUF_BOOL)
        for (size_t i = 0; i < v->n; i++)
            if (v->raw[i] > 1)
                RG_FAIL(e, RG_EFORMAT, "key '%.*s' has a bool byte of value %u; only 0 and 1 exist", KEY(v),
                        v->raw[i]);
    return RG_OK;
}

static rg_status read_array(gguf_value *v, gguf_cursor *c, rg_err *e)
{
    uint32_t elem;
    uint64_t n;
    if (!rg__gguf_u32(c, &elem) || !rg__gguf_u64(c, &n))
        RG_FAIL(e, RG_EFORMAT, "the file ends inside the array header of key '%.*s'; fetch it again", KEY(v));
    if (elem == RG_GGUF_ARRAY)
        RG_FAIL(e, RG_EFORMAT, "key '%.*s' is an array of arrays; GGUF arrays do not nest", KEY(v));
    if (elem >= RG_COUNT(kinds))
        RG_FAIL(e, RG_EFORMAT, "key '%.*s' is an array of unknown value type %u; types are 0 to 12", KEY(v),
                elem);
    if (n > GGUF_MAX_ARRAY)
        RG_FAIL(e, RG_EFORMAT, "key '%.*s' has an array of %llu elements; at most %d are accepted", KEY(v),
                (unsigned long long)n, GGUF_MAX_ARRAY);
    v->elem = (rg_gguf_kind)elem;
    v->n = (size_t)n;
    return elem == RG_GGUF_STRING ? read_strings(v, c, e) : read_numbers(v, c, v->elem, e);
}

static rg_status read_key(gguf_value *v, gguf_cursor *c, size_t i, rg_err *e)
{
    uint64_t n;
    const uint8_t *p;
    if (!rg__gguf_u64(c, &n))
        RG_FAIL(e, RG_EFORMAT, "the file ends before key %zu; fetch it again", i);
    if (n == 0 || n > GGUF_MAX_KEY)
        RG_FAIL(e, RG_EFORMAT, "key %zu has a name of %llu bytes; 1 to %d are accepted", i,
                (unsigned long long)n, GGUF_MAX_KEY);
    if (!rg__gguf_take(c, &p, (size_t)n))
        RG_FAIL(e, RG_EFORMAT, "key %zu has a name of %llu bytes but the file has only %zu left", i,
                (unsigned long long)n, c->left);
    for (size_t k = 0; k < n; k++)
        if (p[k] <= ' ' || p[k] >= 0x7f)
            RG_FAIL(e, RG_EFORMAT, "the name of key %zu has byte 0x%02x; names are printable ASCII", i, p[k]);
    v->name = rg_str_n((const char *)p, (size_t)n);
    return RG_OK;
}

static rg_status read_value(gguf_value *v, gguf_cursor *c, size_t i, rg_err *e)
{
    uint32_t kind;
    RG_TRY(read_key(v, c, i, e));
    if (!rg__gguf_u32(c, &kind))
        RG_FAIL(e, RG_EFORMAT, "the file ends before the type of key '%.*s'; fetch it again", KEY(v));
    if (kind >= RG_COUNT(kinds))
        RG_FAIL(e, RG_EFORMAT, "key '%.*s' has unknown value type %u; types are 0 to 12", KEY(v), kind);
    v->kind = (rg_gguf_kind)kind;
    v->n = 1;
    switch (v->kind) {
    case RG_GGUF_STRING: return read_string(&v->str, c, v, e);
    case RG_GGUF_ARRAY: return read_array(v, c, e);
    default: return read_numbers(v, c, v->kind, e);
    }
}

rg_status rg__gguf_read_values(rg_gguf *g, gguf_cursor *c, uint64_t n, rg_err *e)
{
    if (n > GGUF_MAX_KEYS)
        RG_FAIL(e, RG_EFORMAT, "the header claims %llu keys; at most %d are accepted", (unsigned long long)n,
                GGUF_MAX_KEYS);
    size_t cap = 0;
    for (size_t i = 0; i < n; i++) {
        if (i == cap) {
            cap = RG_MIN(RG_MAX(2 * cap, (size_t)16), (size_t)n);
            gguf_value *v = rg_realloc(g->values, cap, sizeof *v);
            if (v == NULL)
                RG_FAIL(e, RG_ENOMEM, "no memory for %zu keys", cap);
            g->values = v;
        }
        memset(&g->values[i], 0, sizeof g->values[i]);
        g->n_values = i + 1; /* counted first: a half-read value may own strings */
        RG_TRY(read_value(&g->values[i], c, i, e));
    }
    return rg__gguf_index_build(&g->by_key, g->values, g->n_values, sizeof *g->values, "key", e);
}

static rg_str name_at(const gguf_index *ix, size_t i)
{
    rg_str s;
    memcpy(&s, (const char *)ix->items + i * ix->stride, sizeof s);
    return s;
}

/* The slot that holds the name, or the free one where it belongs.  Names by chance are found
 * in a few steps (the table is at most half full); a file made so that they collide would cost
 * quadratic time, so the walk ends after MAX_PROBES with SIZE_MAX. */
enum { MAX_PROBES = 1024 };

static size_t slot_of(const gguf_index *ix, rg_str name)
{
    size_t at = (size_t)rg_hash64(name.p, name.n, 0) & ix->mask;
    for (int probe = 0; probe < MAX_PROBES; probe++) {
        if (ix->slot[at] == 0 || rg_str_eq(name_at(ix, ix->slot[at] - 1), name))
            return at;
        at = (at + 1) & ix->mask;
    }
    return SIZE_MAX;
}

rg_status rg__gguf_index_build(gguf_index *ix, const void *items, size_t n, size_t stride, const char *what,
                               rg_err *e)
{
    size_t cap = 16;
    while (cap < 2 * n)
        cap *= 2;
    ix->slot = rg_calloc(cap, sizeof *ix->slot);
    if (ix->slot == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory to index %zu names", n);
    ix->mask = cap - 1;
    ix->items = items;
    ix->stride = stride;
    for (size_t i = 0; i < n; i++) {
        const rg_str name = name_at(ix, i);
        const size_t at = slot_of(ix, name);
        if (at == SIZE_MAX)
            RG_FAIL(e, RG_EFORMAT, "the %s names are made to collide in a hash table; refused", what);
        if (ix->slot[at] != 0)
            RG_FAIL(e, RG_EFORMAT, "%s '%.*s' is there twice, as number %u and %zu", what,
                    (int)RG_MIN(name.n, (size_t)80), name.p, ix->slot[at] - 1, i);
        ix->slot[at] = (uint32_t)i + 1;
    }
    return RG_OK;
}

size_t rg__gguf_index_find(const gguf_index *ix, rg_str name)
{
    if (ix->slot == NULL)
        return SIZE_MAX;
    const size_t at = slot_of(ix, name);
    return at == SIZE_MAX || ix->slot[at] == 0 ? SIZE_MAX : ix->slot[at] - 1;
}
