/* gguf_get.c - typed access to what gguf.c and gguf_kv.c have checked. */
#include <string.h>

#include "gguf_int.h"

uint32_t rg_gguf_version(const rg_gguf *g)
{
    return g->version;
}

uint64_t rg_gguf_file_bytes(const rg_gguf *g)
{
    return g->map.size;
}

const rg_map *rg_gguf_map(const rg_gguf *g)
{
    return &g->map;
}

size_t rg_gguf_n_tensors(const rg_gguf *g)
{
    return g->n_tensors;
}

const rg_gguf_tensor *rg_gguf_tensor_at(const rg_gguf *g, size_t i)
{
    return i < g->n_tensors ? &g->tensors[i] : NULL;
}

const rg_gguf_tensor *rg_gguf_find(const rg_gguf *g, const char *name)
{
    return rg_gguf_tensor_at(g, rg__gguf_index_find(&g->by_tensor, rg_str_of(name)));
}

size_t rg_gguf_n_keys(const rg_gguf *g)
{
    return g->n_values;
}

void rg_gguf_key_at(const rg_gguf *g, size_t i, rg_str *key, rg_gguf_kind *kind)
{
    *key = g->values[i].name;
    *kind = g->values[i].kind;
}

static const gguf_value *value_of(const rg_gguf *g, const char *key)
{
    const size_t i = rg__gguf_index_find(&g->by_key, rg_str_of(key));
    return i == SIZE_MAX ? NULL : &g->values[i];
}

bool rg_gguf_has(const rg_gguf *g, const char *key)
{
    return value_of(g, key) != NULL;
}

bool rg_gguf_wrong_type(const rg_gguf *g, const char *key, rg_gguf_kind want)
{
    const gguf_value *v = value_of(g, key);
    return v != NULL && v->kind != want;
}

static uint64_t load_le(const uint8_t *p, size_t bytes)
{
    uint64_t v = 0;
    for (size_t i = bytes; i-- > 0;)
        v = v << 8 | p[i];
    return v;
}

/* Element i of v as a signed integer; *above says it is a u64 past INT64_MAX (then *out has
 * its bits).  False when v does not hold integers. */
static bool integer_at(const gguf_value *v, rg_gguf_kind kind, size_t i, int64_t *out, bool *above)
{
    const size_t bytes = rg__gguf_kind_bytes(kind);
    *above = false;
    switch (kind) {
    case RG_GGUF_U8:
    case RG_GGUF_U16:
    case RG_GGUF_U32: *out = (int64_t)load_le(v->raw + i * bytes, bytes); return true;
    case RG_GGUF_I8: *out = (int8_t)load_le(v->raw + i * bytes, bytes); return true;
    case RG_GGUF_I16: *out = (int16_t)load_le(v->raw + i * bytes, bytes); return true;
    case RG_GGUF_I32: *out = (int32_t)load_le(v->raw + i * bytes, bytes); return true;
    case RG_GGUF_U64:
    case RG_GGUF_I64:
        *out = (int64_t)load_le(v->raw + i * bytes, bytes);
        *above = kind == RG_GGUF_U64 && *out < 0;
        return true;
    case RG_GGUF_F32:
    case RG_GGUF_BOOL:
    case RG_GGUF_STRING:
    case RG_GGUF_ARRAY:
    case RG_GGUF_F64: return false;
    }
    return false;
}

static bool real_at(const gguf_value *v, rg_gguf_kind kind, size_t i, double *out)
{
    if (kind == RG_GGUF_F32) {
        const uint32_t bits = (uint32_t)load_le(v->raw + i * 4, 4);
        float f;
        memcpy(&f, &bits, sizeof f);
        *out = (double)f;
        return true;
    }
    if (kind == RG_GGUF_F64) {
        const uint64_t bits = load_le(v->raw + i * 8, 8);
        memcpy(out, &bits, sizeof *out);
        return true;
    }
    return false;
}

bool rg_gguf_u64(const rg_gguf *g, const char *key, uint64_t *out)
{
    const gguf_value *v = value_of(g, key);
    int64_t x;
    bool above;
    if (v == NULL || !integer_at(v, v->kind, 0, &x, &above) || (x < 0 && !above))
        return false;
    *out = (uint64_t)x;
    return true;
}

bool rg_gguf_f64(const rg_gguf *g, const char *key, double *out)
{
    const gguf_value *v = value_of(g, key);
    return v != NULL && real_at(v, v->kind, 0, out);
}

bool rg_gguf_bool(const rg_gguf *g, const char *key, bool *out)
{
    const gguf_value *v = value_of(g, key);
    if (v == NULL || v->kind != RG_GGUF_BOOL)
        return false;
    *out = v->raw[0] != 0;
    return true;
}

bool rg_gguf_str(const rg_gguf *g, const char *key, rg_str *out)
{
    const gguf_value *v = value_of(g, key);
    if (v == NULL || v->kind != RG_GGUF_STRING)
        return false;
    *out = v->str;
    return true;
}

static const gguf_value *array_of(const rg_gguf *g, const char *key)
{
    const gguf_value *v = value_of(g, key);
    return v != NULL && v->kind == RG_GGUF_ARRAY ? v : NULL;
}

bool rg_gguf_array(const rg_gguf *g, const char *key, rg_gguf_kind *elem, size_t *n)
{
    const gguf_value *v = array_of(g, key);
    if (v == NULL)
        return false;
    *elem = v->elem;
    *n = v->n;
    return true;
}

const rg_str *rg_gguf_strings(const rg_gguf *g, const char *key, size_t *n)
{
    const gguf_value *v = array_of(g, key);
    if (v == NULL || v->strings == NULL)
        return NULL;
    *n = v->n;
    return v->strings;
}

bool rg_gguf_array_str(const rg_gguf *g, const char *key, size_t i, rg_str *out)
{
    size_t n = 0;
    const rg_str *s = rg_gguf_strings(g, key, &n);
    if (s == NULL || i >= n)
        return false;
    *out = s[i];
    return true;
}

bool rg_gguf_array_i64(const rg_gguf *g, const char *key, size_t i, int64_t *out)
{
    const gguf_value *v = array_of(g, key);
    bool above;
    if (v != NULL && i < v->n && v->elem == RG_GGUF_BOOL) {
        *out = v->raw[i] != 0;
        return true;
    }
    return v != NULL && i < v->n && integer_at(v, v->elem, i, out, &above) && !above;
}

bool rg_gguf_array_i32s(const rg_gguf *g, const char *key, int32_t *out, size_t n)
{
    const gguf_value *v = array_of(g, key);
    if (v == NULL || v->n != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        int64_t x;
        bool above;
        if (!integer_at(v, v->elem, i, &x, &above) || above || x < INT32_MIN || x > INT32_MAX)
            return false;
        out[i] = (int32_t)x;
    }
    return true;
}

bool rg_gguf_array_f64(const rg_gguf *g, const char *key, size_t i, double *out)
{
    const gguf_value *v = array_of(g, key);
    return v != NULL && i < v->n && real_at(v, v->elem, i, out);
}

enum { SHOWN = 80 };

static void show_scalar(rg_buf *b, const gguf_value *v)
{
    int64_t x;
    double d;
    bool above;
    if (v->kind == RG_GGUF_BOOL)
        rg_buf_puts(b, v->raw[0] ? "true" : "false");
    else if (real_at(v, v->kind, 0, &d))
        rg_buf_printf(b, "%.9g", d);
    else if (integer_at(v, v->kind, 0, &x, &above) && above)
        rg_buf_printf(b, "%llu", (unsigned long long)x);
    else
        rg_buf_printf(b, "%lld", (long long)x);
}

void rg_gguf_value_text(const rg_gguf *g, const char *key, rg_buf *b)
{
    const gguf_value *v = value_of(g, key);
    if (v == NULL)
        return;
    if (v->kind == RG_GGUF_ARRAY) {
        rg_buf_printf(b, "[%zu %s%s]", v->n, rg__gguf_kind_name(v->elem), v->n == 1 ? "" : "s");
    } else if (v->kind == RG_GGUF_STRING) {
        const bool cut = v->str.n > SHOWN;
        size_t n = cut ? SHOWN - 3 : v->str.n;
        if (cut)
            n -= rg_utf8_tail(rg_str_n(v->str.p, n)); /* not in the middle of a character */
        rg_buf_str(b, rg_str_n(v->str.p, n));
        rg_buf_puts(b, cut ? "..." : "");
    } else {
        show_scalar(b, v);
    }
}
