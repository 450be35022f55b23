/* inspect.c - the facts of a model file, and the search for weights that are not numbers. */
#include "rung/bundle/inspect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rung/base/mem.h"
#include "rung/bundle/bundle.h"

/* "<architecture>.<leaf>" as a number; 0 when it is absent or the name does not fit. */
static uint64_t arch_u64(const rg_gguf *g, rg_str arch, const char *leaf)
{
    char key[128];
    uint64_t v = 0;
    const int n = snprintf(key, sizeof key, "%.*s.%s", (int)RG_MIN(arch.n, sizeof key), arch.p, leaf);
    return n > 0 && (size_t)n < sizeof key && rg_gguf_u64(g, key, &v) ? v : 0;
}

static int more_bytes(const void *a, const void *b)
{
    const uint64_t x = ((const rg_type_count *)a)->bytes, y = ((const rg_type_count *)b)->bytes;
    return (x < y) - (x > y);
}

static void count_types(rg_model_facts *m, const rg_files *f)
{
    for (size_t i = 0; i < m->tensors; i++) {
        const rg_file_tensor *t = rg_files_at(f, i);
        size_t k = 0;
        while (k < m->n_types && m->types[k].type != t->type)
            k++;
        if (k == RG_COUNT(m->types))
            continue;
        if (k == m->n_types)
            m->types[m->n_types++] = (rg_type_count){ .type = t->type };
        m->types[k].tensors++;
        m->types[k].bytes += t->bytes;
        m->parameters += (uint64_t)t->R * t->K;
    }
    qsort(m->types, m->n_types, sizeof m->types[0], more_bytes);
}

/* Keys and values of every layer; saturates, as the header may claim anything. */
void rg_model_facts_cache(rg_model_facts *f, rg_cache c)
{
    const uint32_t type = rg_cache_type(c, false);
    const uint64_t k = rg_cache_bytes(type, f->head_size), v = rg_cache_bytes(type, f->value_size);
    uint64_t n;
    if (!rg_add_u64(&n, k, v) || !rg_mul_u64(&n, n, f->kv_heads) || !rg_mul_u64(&n, n, f->layers))
        n = UINT64_MAX;
    f->bytes_per_token = n;
}

static void read_keys(rg_model_facts *f, const rg_gguf *g)
{
    rg_gguf_kind kind;
    size_t n = 0;
    rg_gguf_str(g, "general.architecture", &f->architecture);
    rg_gguf_str(g, "tokenizer.ggml.model", &f->tokenizer);
    rg_gguf_str(g, "tokenizer.ggml.pre", &f->pre_tokenizer);
    const rg_str a = f->architecture;
    f->layers = arch_u64(g, a, "block_count");
    f->width = arch_u64(g, a, "embedding_length");
    f->context = arch_u64(g, a, "context_length");
    f->heads = arch_u64(g, a, "attention.head_count");
    f->kv_heads = arch_u64(g, a, "attention.head_count_kv");
    if (f->kv_heads == 0)
        f->kv_heads = f->heads;
    f->head_size = arch_u64(g, a, "attention.key_length");
    if (f->head_size == 0 && f->heads > 0)
        f->head_size = f->width / f->heads;
    f->value_size = arch_u64(g, a, "attention.value_length");
    if (f->value_size == 0)
        f->value_size = f->head_size;
    rg_model_facts_cache(f, RG_CACHE_AUTO);
    if (rg_gguf_array(g, "tokenizer.ggml.tokens", &kind, &n))
        f->vocabulary = n;
    else
        f->vocabulary = arch_u64(g, a, "vocab_size");
}

/* A folder was read against its config.json when it was opened; one without weights says nothing. */
static void read_config(rg_model_facts *m, const rg_files *f)
{
    rg_model_config c;
    m->tokenizer = rg_str_of("tokenizer.json");
    if (rg_files_config(&c, f, NULL) != RG_OK)
        return;
    m->architecture = rg_files_architecture(f);
    m->layers = c.n_layer;
    m->width = c.n_embd;
    m->context = c.n_ctx;
    m->heads = c.n_head;
    m->kv_heads = c.n_head_kv;
    m->head_size = m->value_size = c.head_dim;
    m->vocabulary = c.n_vocab;
    rg_model_facts_cache(m, RG_CACHE_AUTO);
}

void rg_model_facts_read(rg_model_facts *m, const rg_files *f)
{
    *m = (rg_model_facts){ .file_bytes = rg_files_bytes(f), .tensors = rg_files_n(f) };
    m->name = rg_files_title(f);
    m->has_template = rg_files_template(f).n > 0;
    if (rg_predict_memory(&m->weight_bytes, f, NULL) != RG_OK)
        m->weight_bytes = m->file_bytes + m->file_bytes / 100 * 15;
    count_types(m, f);
    if (rg_files_gguf(f) != NULL)
        read_keys(m, rg_files_gguf(f));
    else
        read_config(m, f);
}

uint64_t rg_model_facts_memory(const rg_model_facts *f, uint64_t n_tokens)
{
    uint64_t state, all;
    if (!rg_mul_u64(&state, f->bytes_per_token, n_tokens) || !rg_add_u64(&all, state, f->weight_bytes))
        return UINT64_MAX;
    return all;
}

/* Where a format keeps its floating-point numbers: `n` of them, `width` bytes each, from byte
 * `at` of a block on.  exponent is the bits that are all ones in an infinity or a NaN, in the
 * number's top two bytes.
 * Source: the block layouts of ggml (docs/formats/gguf.md). */
typedef struct floats_of {
    uint32_t type, at, n, width;
    uint16_t exponent;
} floats_of;

static const floats_of float_places[] = {
    { RG_F32, 0, 1, 4, 0x7f80 },  { RG_F16, 0, 1, 2, 0x7c00 },    { RG_BF16, 0, 1, 2, 0x7f80 },
    { RG_F64, 0, 1, 8, 0x7ff0 },  { RG_Q4_0, 0, 1, 2, 0x7c00 },   { RG_Q4_1, 0, 2, 2, 0x7c00 },
    { RG_Q5_0, 0, 1, 2, 0x7c00 }, { RG_Q5_1, 0, 2, 2, 0x7c00 },   { RG_Q8_0, 0, 1, 2, 0x7c00 },
    { RG_Q8_1, 0, 2, 2, 0x7c00 }, { RG_Q2_K, 80, 2, 2, 0x7c00 },  { RG_Q3_K, 108, 1, 2, 0x7c00 },
    { RG_Q4_K, 0, 2, 2, 0x7c00 }, { RG_Q5_K, 0, 2, 2, 0x7c00 },   { RG_Q6_K, 208, 1, 2, 0x7c00 },
    { RG_Q8_K, 0, 1, 4, 0x7f80 }, { RG_IQ4_NL, 0, 1, 2, 0x7c00 }, { RG_IQ4_XS, 0, 1, 2, 0x7c00 },
};

static const floats_of *places_of(uint32_t type)
{
    for (size_t i = 0; i < RG_COUNT(float_places); i++)
        if (float_places[i].type == type)
            return &float_places[i];
    return NULL; /* integers have none */
}

static bool block_is_finite(const uint8_t *block, const floats_of *w)
{
    for (uint32_t k = 0; k < w->n; k++) {
        const uint8_t *top = block + w->at + (k + 1) * w->width - 2; /* little-endian */
        if (((unsigned)(top[0] | top[1] << 8) & w->exponent) == w->exponent)
            return false;
    }
    return true;
}

static rg_status check_tensor(const rg_file_tensor *t, const rg_call *call, rg_err *e)
{
    const rg_type_info *info = rg_type_info_of(t->type);
    const floats_of *w = places_of(t->type);
    const uint64_t blocks = info->bytes ? t->bytes / info->bytes : 0;

    for (uint64_t b = 0; w && b < blocks; b++) {
        if (b % (1 << 20) == 0)
            RG_TRY(rg_call_check(call, e));
        if (!block_is_finite((const uint8_t *)t->data + b * info->bytes, w))
            RG_FAIL(e, RG_EFORMAT, "tensor %s (%s) holds a weight that is no finite number, at element %llu",
                    t->name, info->name, (unsigned long long)(b * info->block));
    }
    return RG_OK;
}

rg_status rg_model_check_finite(const rg_files *f, const rg_call *call, rg_err *e)
{
    for (size_t i = 0; i < rg_files_n(f); i++) {
        const rg_file_tensor *t = rg_files_at(f, i);
        RG_TRY(check_tensor(t, call, e));
        rg_files_release(f, t->data, t->bytes);
    }
    return RG_OK;
}
