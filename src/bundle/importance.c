/* importance.c - how much each input of a matrix matters: files of llama-imatrix.
 *
 *   GGUF   tensors NAME.in_sum2 (K sums of squared activations) and NAME.counts (1);
 *          imatrix.chunk_count; the value is sum / count
 *   older  i32 entries, then for each: i32 length, name, i32 calls, i32 values, f32 values;
 *          the value is sum / calls; at the end i32 chunks and the text's name
 *
 * Only ratios inside a row matter to the encoders, but a count of 0 (an input never seen)
 * means: all alike. */
#include <math.h>
#include <string.h>

#include "convert_int.h"
#include "rung/base/file.h"
#include "rung/base/mem.h"

enum { MAX_ENTRIES = 262144, MAX_NAME = 1024 };

typedef struct entry {
    char *name;
    float *v;
    size_t n;
} entry;

struct rg__importance {
    char *path;
    entry *entry;
    size_t n, cap;
    uint64_t chunks;
};

void rg__importance_close(rg__importance *im)
{
    if (im == NULL)
        return;
    for (size_t i = 0; i < im->n; i++) {
        rg_free(im->entry[i].name);
        rg_free(im->entry[i].v);
    }
    rg_free(im->entry);
    rg_free(im->path);
    rg_free(im);
}

static rg_status add(entry **out, rg__importance *im, rg_str name, size_t n, rg_err *e)
{
    if (im->n == im->cap) {
        const size_t cap = im->cap ? 2 * im->cap : 256;
        entry *more = rg_realloc(im->entry, cap, sizeof *more);
        if (more == NULL)
            RG_FAIL(e, RG_ENOMEM, "no memory for %zu importance entries", cap);
        im->entry = more;
        im->cap = cap;
    }
    entry *it = &im->entry[im->n];
    *it = (entry){ rg_strndup(name.p, name.n), rg_alloc(n, sizeof(float)), n };
    im->n++;
    if (it->name == NULL || it->v == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu importance values", n);
    *out = it;
    return RG_OK;
}

/* v = sum / count, checked. */
static rg_status fill(entry *it, const uint8_t *sums, double count, const rg__importance *im, rg_err *e)
{
    for (size_t i = 0; i < it->n; i++) {
        float sum;
        memcpy(&sum, sums + 4 * i, sizeof sum);
        it->v[i] = count > 0 ? (float)((double)sum / count) : 1.0f;
        if (!(it->v[i] >= 0 && isfinite(it->v[i])))
            RG_FAIL(e, RG_EFORMAT, "%s: value %zu of %s is %g; importance is finite and not negative",
                    im->path, i, it->name, (double)it->v[i]);
    }
    return RG_OK;
}

/* ---- GGUF ---- */

static rg_status read_entry(rg__importance *im, const rg_gguf *g, const rg_gguf_tensor *t, rg_err *e)
{
    const rg_str name = rg_str_n(t->name.p, t->name.n - strlen(".in_sum2"));
    char key[128];
    float count;
    entry *it;
    snprintf(key, sizeof key, "%.*s.counts", (int)name.n, name.p);
    const rg_gguf_tensor *c = rg_gguf_find(g, key);
    if (c == NULL || c->type != RG_F32 || t->type != RG_F32)
        RG_FAIL(e, RG_EFORMAT, "%s: %s has no counts as F32 beside it: not a file of llama-imatrix", im->path,
                key);
    if (c->bytes != 4)
        RG_FAIL(e, RG_EFORMAT, "%s: %s has %llu counts: models of several experts are not known here",
                im->path, key, (unsigned long long)c->bytes / 4);
    memcpy(&count, c->data, sizeof count);
    RG_TRY(add(&it, im, name, (size_t)(t->bytes / 4), e));
    return fill(it, t->data, (double)count, im, e);
}

static rg_status read_gguf(rg__importance *im, const rg_map *m, rg_err *e)
{
    rg_gguf *g;
    RG_TRY(rg_gguf_open_memory(&g, m->data, m->size, e));
    rg_status s = RG_OK;
    for (size_t i = 0; i < rg_gguf_n_tensors(g) && s == RG_OK; i++)
        if (rg_str_ends(rg_gguf_tensor_at(g, i)->name, ".in_sum2"))
            s = read_entry(im, g, rg_gguf_tensor_at(g, i), e);
    rg_gguf_u64(g, "imatrix.chunk_count", &im->chunks);
    rg_gguf_close(g);
    return s;
}

/* ---- the older form ---- */

typedef struct cursor {
    const uint8_t *p;
    size_t left;
} cursor;

static bool take(cursor *c, const uint8_t **p, size_t n)
{
    if (n > c->left)
        return false;
    *p = c->p;
    c->p += n;
    c->left -= n;
    return true;
}

/* A count that must be from 1 to max. */
static bool take_count(cursor *c, size_t *out, size_t max)
{
    const uint8_t *p;
    int32_t v;
    if (!take(c, &p, 4))
        return false;
    memcpy(&v, p, 4);
    *out = v < 0 ? 0 : (size_t)v;
    return v >= 1 && *out <= max;
}

static rg_status read_older(rg__importance *im, const rg_map *m, rg_err *e)
{
    cursor c = { m->data, m->size };
    size_t n, len, calls, values;
    const uint8_t *name, *sums;
    if (!take_count(&c, &n, MAX_ENTRIES))
        RG_FAIL(e, RG_EFORMAT, "%s: neither form of a llama-imatrix file", im->path);
    for (size_t i = 0; i < n; i++) {
        entry *it;
        if (!take_count(&c, &len, MAX_NAME) || !take(&c, &name, len) || !take_count(&c, &calls, INT32_MAX) ||
            !take_count(&c, &values, c.left / 4) || !take(&c, &sums, 4 * values))
            RG_FAIL(e, RG_EFORMAT, "%s: entry %zu of %zu is cut short or makes no sense", im->path, i, n);
        RG_TRY(add(&it, im, rg_str_n((const char *)name, len), values, e));
        RG_TRY(fill(it, sums, (double)calls, im, e));
    }
    im->chunks = take_count(&c, &n, INT32_MAX) ? n : 0;
    return RG_OK;
}

/* ---- */

rg_status rg__importance_open(rg__importance **out, const char *path, rg_err *e)
{
    rg_map m;
    *out = NULL;
    RG_TRY(rg_map_open(&m, path, e));
    rg_status s = RG_OK;
    rg__importance *im = rg_calloc(1, sizeof *im);
    if (im != NULL)
        im->path = rg_strdup(path);
    if (im == NULL || im->path == NULL)
        s = rg_err_set(e, RG_ENOMEM, __FILE__, __LINE__, "no memory to read %s", path);
    else if (m.size >= 4 && memcmp(m.data, "GGUF", 4) == 0)
        s = read_gguf(im, &m, e);
    else
        s = read_older(im, &m, e);
    if (s == RG_OK && im->n == 0)
        s = rg_err_set(e, RG_EFORMAT, __FILE__, __LINE__,
                       "%s: no tensor NAME.in_sum2: not a file of llama-imatrix", path);
    rg_map_close(&m);
    if (s == RG_OK)
        *out = im;
    else
        rg__importance_close(im);
    return s;
}

size_t rg__importance_n(const rg__importance *im)
{
    return im->n;
}

uint64_t rg__importance_chunks(const rg__importance *im)
{
    return im->chunks;
}

rg_status rg__importance_find(const float **out, const rg__importance *im, const char *tensor, size_t K,
                              rg_err *e)
{
    *out = NULL;
    for (size_t i = 0; i < im->n; i++) {
        if (strcmp(im->entry[i].name, tensor) != 0)
            continue;
        if (im->entry[i].n != K)
            RG_FAIL(e, RG_EFORMAT,
                    "%s has %zu values for %s, whose rows have %zu: it was made from another model", im->path,
                    im->entry[i].n, tensor, K);
        *out = im->entry[i].v;
        return RG_OK;
    }
    return RG_OK;
}
