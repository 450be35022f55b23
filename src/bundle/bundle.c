#include "rung/bundle/bundle.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rung/base/mem.h"
#include "rung/base/rng.h"

struct rg_bundle {
    char *path, *name, *title;
    rg_gguf *g;
    rg_weights *ws;
    rg_model *m;
    rg_tokenizer *tok;
    rg_template *tpl;
    rg_err tpl_err; /* why the file's template does not compile */
};

static rg_status set_names(rg_bundle *b, const char *path, rg_err *e)
{
    const char *slash = strrchr(path, '/');
    const char *file = slash == NULL ? path : slash + 1;
    const size_t n = strlen(file);
    const bool ends = n > 5 && strcmp(file + n - 5, ".gguf") == 0;
    b->path = rg_strdup(path);
    b->name = rg_strndup(file, ends ? n - 5 : n);
    if (b->path == NULL || b->name == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for a path");
    return RG_OK;
}

static rg_status open_text(rg_bundle *b, rg_err *e)
{
    rg_str source;
    b->title = rg_gguf_str(b->g, "general.name", &source) ? rg_strndup(source.p, source.n) : rg_strdup("");
    if (b->title == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for a name");
    RG_TRY(rg_tokenizer_from_gguf(&b->tok, b->g, e));
    if (rg_gguf_str(b->g, "tokenizer.chat_template", &source))
        (void)rg_template_compile(&b->tpl, source, &b->tpl_err);
    return RG_OK;
}

/* ---- weights ---- */

static rg_status add_tensor(rg_weights *ws, const rg_gguf_tensor *t, rg_err *e)
{
    char name[65];
    snprintf(name, sizeof name, "%.*s", (int)RG_MIN(t->name.n, sizeof name - 1), t->name.p);
    if (t->n_dims > 2 && (t->dims[2] > 1 || t->dims[3] > 1))
        RG_FAIL(e, RG_EFORMAT, "tensor %s has %u dimensions, a matrix has 2", name, t->n_dims);
    return rg_weights_add(ws, name, t->type, (size_t)t->dims[1], (size_t)t->dims[0], t->data, e);
}

typedef struct loading {
    const rg_bundle *b;
    const rg_call *call;
    uint64_t done, total;
} loading;

/* A packed matrix's file pages may go: its panels are what runs. */
static void let_go(void *arg, const rg_weight *w)
{
    loading *l = arg;
    const rg_map *map = rg_gguf_map(l->b->g);
    if (map != NULL && map->data != NULL)
        rg_map_release(map, (size_t)((const uint8_t *)w->src - map->data), w->R * w->row_bytes);
    l->done += w->R * w->row_bytes;
    const rg_event ev = { .kind = RG_EV_PROGRESS,
                          .room = "bundle",
                          .subject = rg_str_of("loading"),
                          .value = (double)l->done,
                          .total = (double)l->total };
    rg_call_emit(l->call, &ev);
}

static rg_status fits(const rg_bundle *b, rg_err *e)
{
    uint64_t bytes;
    RG_TRY(rg_predict_memory(&bytes, b->g, e));
    const uint64_t free_bytes = rg_memory_available();
    if (free_bytes != 0 && bytes > free_bytes)
        RG_FAIL(e, RG_ENOMEM, "needs %.1f GiB, %.1f GiB are free: choose a smaller model or quantisation",
                (double)bytes / 0x1p30, (double)free_bytes / 0x1p30);
    return RG_OK;
}

static rg_status open_model(rg_bundle *b, rg_pool *pool, const rg_call *call, rg_err *e)
{
    rg_model_config c;
    RG_TRY(rg_config_from_gguf(&c, b->g, e));
    if (c.n_vocab != rg_vocab_size(b->tok))
        RG_FAIL(e, RG_EFORMAT, "the embedding has %zu rows, the vocabulary %zu tokens: they must agree",
                c.n_vocab, rg_vocab_size(b->tok));
    RG_TRY(fits(b, e));
    RG_TRY(rg_weights_new(&b->ws, e));
    for (size_t i = 0; i < rg_gguf_n_tensors(b->g); i++)
        RG_TRY(add_tensor(b->ws, rg_gguf_tensor_at(b->g, i), e));
    loading l = { b, call, 0, rg_gguf_file_bytes(b->g) };
    return rg_model_new(&b->m, &c, b->ws, pool, let_go, &l, e);
}

static rg_status open_file(rg_bundle **out, const char *path, rg_err *e)
{
    *out = NULL;
    rg_bundle *b = rg_calloc(1, sizeof *b);
    if (b == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for a model");
    rg_status s = set_names(b, path, e);
    if (s == RG_OK)
        s = rg_gguf_open(&b->g, path, e);
    if (s == RG_OK)
        s = open_text(b, e);
    if (s != RG_OK) {
        rg_bundle_close(b);
        return s;
    }
    *out = b;
    return RG_OK;
}

static rg_status finish(rg_bundle **out, rg_bundle *b, const char *path, rg_status s, rg_err *e)
{
    if (s != RG_OK) {
        rg_bundle_close(b);
        if (e != NULL && strstr(e->msg, path) == NULL)
            rg_err_prefix(e, "%s", path);
        return s;
    }
    *out = b;
    return RG_OK;
}

rg_status rg_bundle_open(rg_bundle **out, const char *path, rg_pool *pool, const rg_call *call, rg_err *e)
{
    *out = NULL;
    rg_bundle *b = NULL;
    rg_status s = open_file(&b, path, e);
    if (s == RG_OK)
        s = open_model(b, pool, call, e);
    return finish(out, b, path, s, e);
}

rg_status rg_bundle_open_text(rg_bundle **out, const char *path, rg_err *e)
{
    *out = NULL;
    rg_bundle *b = NULL;
    const rg_status s = open_file(&b, path, e);
    return finish(out, b, path, s, e);
}

void rg_bundle_close(rg_bundle *b)
{
    if (b == NULL)
        return;
    rg_model_free(b->m);
    rg_weights_free(b->ws);
    rg_template_free(b->tpl);
    rg_tokenizer_free(b->tok);
    rg_gguf_close(b->g);
    rg_free(b->path);
    rg_free(b->name);
    rg_free(b->title);
    rg_free(b);
}

const char *rg_bundle_path(const rg_bundle *b)
{
    return b->path;
}

const char *rg_bundle_name(const rg_bundle *b)
{
    return b->name;
}

const char *rg_bundle_title(const rg_bundle *b)
{
    return b->title;
}

uint64_t rg_bundle_file_bytes(const rg_bundle *b)
{
    return rg_gguf_file_bytes(b->g);
}

const rg_model *rg_bundle_model(const rg_bundle *b)
{
    return b->m;
}

const rg_tokenizer *rg_bundle_tokenizer(const rg_bundle *b)
{
    return b->tok;
}

rg_status rg_bundle_template(const rg_template **out, const rg_bundle *b, rg_err *e)
{
    *out = b->tpl;
    if (b->tpl == NULL && b->tpl_err.code != RG_OK)
        RG_FAIL(e, b->tpl_err.code, "the chat template of %s: %s", b->name, b->tpl_err.msg);
    return RG_OK;
}

rg_status rg_bundle_set_template(rg_bundle *b, rg_str source, rg_err *e)
{
    rg_template *t;
    RG_TRY(rg_template_compile(&t, source, e));
    rg_template_free(b->tpl);
    b->tpl = t;
    rg_err_clear(&b->tpl_err);
    return RG_OK;
}

void rg_bundle_trim(const rg_bundle *b)
{
    const rg_gguf_tensor *t = rg_gguf_find(b->g, "token_embd.weight");
    const rg_map *map = rg_gguf_map(b->g);
    if (t != NULL && map != NULL && map->data != NULL)
        rg_map_release(map, (size_t)t->offset, (size_t)t->bytes);
}

/* ---- identity ---- */

/* The hash of half a gigabyte is kept beside the models: one small file per (device,
 * inode, size, time). */
static rg_status hash_note_path(char **out, const char *path, rg_err *e)
{
    struct stat st;
    if (stat(path, &st) != 0)
        RG_FAIL(e, RG_EIO, "%s: cannot be looked at", path);
    char key[128];
    const int n = snprintf(key, sizeof key, "%llu|%llu|%lld|%lld.%09ld", (unsigned long long)st.st_dev,
                           (unsigned long long)st.st_ino, (long long)st.st_size, (long long)st.st_mtim.tv_sec,
                           st.st_mtim.tv_nsec);
    char sub[64];
    snprintf(sub, sizeof sub, "hashes/%016llx", (unsigned long long)rg_hash64(key, (size_t)n, 0));
    return rg_cache_path(out, sub, e);
}

rg_status rg_bundle_hash(char out[65], const rg_bundle *b, rg_err *e)
{
    char *note = NULL, *text = NULL;
    size_t n = 0;
    rg_err ignored = RG_ERR_INIT; /* without a cache we hash again */
    if (hash_note_path(&note, b->path, &ignored) == RG_OK &&
        rg_read_all(&text, &n, note, 64, &ignored) == RG_OK && n == 64 &&
        strspn(text, "0123456789abcdef") == 64) {
        memcpy(out, text, 65);
        rg_free(text);
        rg_free(note);
        return RG_OK;
    }
    rg_free(text);
    const rg_status s = rg_sha256_file(out, b->path, e);
    if (s == RG_OK && note != NULL) {
        char *slash = strrchr(note, '/');
        rg_err unwritten = RG_ERR_INIT;
        *slash = '\0';
        if (rg_mkdirs(note, &unwritten) == RG_OK) {
            *slash = '/';
            (void)rg_write_atomic(note, out, 64, &unwritten);
        }
    }
    rg_free(note);
    return s;
}
