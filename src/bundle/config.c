/* config.c - a model's configuration out of GGUF keys. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "rung/base/mem.h"
#include "rung/bundle/bundle.h"

typedef struct keys {
    const rg_gguf *g;
    const char *arch;
    char name[160];
} keys;

static const char *key(keys *k, const char *rest)
{
    snprintf(k->name, sizeof k->name, "%s.%s", k->arch, rest);
    return k->name;
}

static rg_status need(size_t *out, keys *k, const char *rest, rg_err *e)
{
    uint64_t v;
    if (!rg_gguf_u64(k->g, key(k, rest), &v))
        RG_FAIL(e, RG_EFORMAT, "key %s is %s: not a whole model file?", k->name,
                rg_gguf_has(k->g, k->name) ? "not a whole number" : "missing");
    if (v > 1u << 30)
        RG_FAIL(e, RG_EFORMAT, "key %s is %llu: no model is that large", k->name, (unsigned long long)v);
    *out = (size_t)v;
    return RG_OK;
}

static size_t want(keys *k, const char *rest, size_t otherwise)
{
    uint64_t v;
    return rg_gguf_u64(k->g, key(k, rest), &v) && v <= 1u << 30 ? (size_t)v : otherwise;
}

static double want_f(keys *k, const char *rest, double otherwise)
{
    double v;
    return rg_gguf_f64(k->g, key(k, rest), &v) ? v : otherwise;
}

/* YaRN's numbers; cos and sin grow with the logarithm of the factor unless the file says by how much. */
static void yarn(rg_model_config *c, keys *k)
{
    const double grown = c->rope_factor > 1 ? 1 + 0.1 * log(c->rope_factor) : 1;
    c->rope_beta_fast = want_f(k, "rope.scaling.yarn_beta_fast", 32);
    c->rope_beta_slow = want_f(k, "rope.scaling.yarn_beta_slow", 1);
    c->rope_ctx_orig = want(k, "rope.scaling.original_context_length", c->n_ctx);
    c->rope_attn_factor *= want_f(k, "rope.scaling.yarn_attn_factor", grown);
}

static rg_status rope(rg_model_config *c, keys *k, rg_err *e)
{
    rg_str type = rg_str_of("linear"); /* a factor without a type is that */
    c->rope_dim = want(k, "rope.dimension_count", c->head_dim);
    c->rope_base = want_f(k, "rope.freq_base", 10000.0);
    c->rope_ctx_orig = want(k, "rope.scaling.original_context_length", 0);
    c->rope_attn_factor = want_f(k, "rope.scaling.attn_factor", 1.0);
    c->rope_factor = 1.0;
    (void)rg_gguf_str(k->g, key(k, "rope.scaling.type"), &type);
    if (rg_str_is(type, "none") || rg_str_is(type, "longrope"))
        return RG_OK; /* LongRoPE's factors are tensors */
    if (!rg_str_is(type, "linear") && !rg_str_is(type, "yarn"))
        RG_FAIL(e, RG_EFORMAT,
                "rope scaling \"%.*s\" is not one this engine runs (none, linear, yarn, longrope, and Llama "
                "3's factors in rope_freqs.weight)",
                (int)RG_MIN(type.n, (size_t)40), type.p);
    c->rope_factor = want_f(k, "rope.scaling.factor", want_f(k, "rope.scale_linear", 1.0));
    if (rg_str_is(type, "yarn"))
        yarn(c, k);
    return RG_OK;
}

/* Flags per layer (true: it has the window) as a period: the first layer without one ends it. */
static rg_status period_of_flags(size_t *period, keys *k, size_t n, size_t layers, rg_err *e)
{
    int64_t has = 0;
    size_t p = 0;
    if (n != layers)
        RG_FAIL(e, RG_EFORMAT, "key %s has %zu flags for %zu layers", k->name, n, layers);
    while (p < n && rg_gguf_array_i64(k->g, k->name, p, &has) && has != 0)
        p++;
    *period = p == n ? 0 : p + 1;
    for (size_t i = 0; i < n && *period != 0; i++)
        if (!rg_gguf_array_i64(k->g, k->name, i, &has) || (has != 0) != ((i + 1) % *period != 0))
            RG_FAIL(e, RG_EFORMAT, "key %s: layer %zu breaks the period of %zu that the first layers have",
                    k->name, i, *period);
    return RG_OK;
}

/* Gemma 3 has six layers in a period and a rotary base of its own where there is a window. */
static rg_status windows(rg_model_config *c, keys *k, rg_err *e)
{
    const bool gemma = strcmp(c->arch, "gemma3") == 0, qwen = strncmp(c->arch, "qwen", 4) == 0;
    rg_gguf_kind elem;
    size_t n;
    c->window = want(k, "attention.sliding_window", 0);
    if (c->window == 0)
        return RG_OK;
    if (qwen)
        RG_FAIL(e, RG_EFORMAT, "key %s.attention.sliding_window: which layers of %s have it is not known",
                c->arch, c->arch);
    if (gemma)
        c->rope_base_local = want_f(k, "rope.freq_base_swa", 10000.0);
    if (rg_gguf_array(k->g, key(k, "attention.sliding_window_pattern"), &elem, &n))
        return period_of_flags(&c->window_every, k, n, c->n_layer, e);
    c->window_every = want(k, "attention.sliding_window_pattern", gemma ? 6 : 0);
    return RG_OK;
}

/* The 27B model of Gemma 3 scales q by its width over its heads; the files do not say so. */
static void scales(rg_model_config *c, keys *k)
{
    c->attn_scale = (float)want_f(k, "attention.scale", 0);
    if (strcmp(c->arch, "gemma3") != 0)
        return;
    c->embd_scale = (float)sqrt((double)c->n_embd);
    if (c->attn_scale == 0 && c->n_layer == 62)
        c->attn_scale = (float)(1 / sqrt((double)(c->n_embd / c->n_head)));
}

/* Keys whose presence means arithmetic that the block does not do. */
static rg_status no_surprises(keys *k, rg_err *e)
{
    static const char *const refused[] = {
        "expert_count",        "attn_logit_softcapping",   "final_logit_softcapping",
        "logit_scale",         "embedding_scale",          "residual_scale",
        "attention.clamp_kqv", "attention.max_alibi_bias", "rope.scaling.yarn_log_multiplier"
    };
    for (size_t i = 0; i < RG_COUNT(refused); i++) {
        uint64_t u = 0;
        double f = 0;
        key(k, refused[i]);
        if ((rg_gguf_u64(k->g, k->name, &u) && u != 0) || (rg_gguf_f64(k->g, k->name, &f) && f != 0))
            RG_FAIL(e, RG_EFORMAT, "key %s asks for something this engine does not do", k->name);
    }
    return RG_OK;
}

rg_status rg_config_from_gguf(rg_model_config *c, const rg_gguf *g, size_t n_vocab, rg_err *e)
{
    memset(c, 0, sizeof *c);
    rg_str arch;
    if (!rg_gguf_str(g, "general.architecture", &arch))
        RG_FAIL(e, RG_EFORMAT, "key general.architecture is missing: not a model file");
    char name[65];
    snprintf(name, sizeof name, "%.*s", (int)RG_MIN(arch.n, sizeof name - 1), arch.p);
    RG_TRY(rg_model_config_arch(c, name, e));
    keys k = { .g = g, .arch = c->arch };
    RG_TRY(need(&c->n_layer, &k, "block_count", e));
    RG_TRY(need(&c->n_embd, &k, "embedding_length", e));
    RG_TRY(need(&c->n_head, &k, "attention.head_count", e));
    RG_TRY(need(&c->n_ff, &k, "feed_forward_length", e));
    c->n_head_kv = want(&k, "attention.head_count_kv", c->n_head);
    c->n_ctx = want(&k, "context_length", 4096);
    if (c->n_head == 0)
        RG_FAIL(e, RG_EFORMAT, "key %s is 0", key(&k, "attention.head_count"));
    c->head_dim = want(&k, "attention.key_length", c->n_embd / c->n_head);
    if (want(&k, "attention.value_length", c->head_dim) != c->head_dim)
        RG_FAIL(e, RG_EFORMAT, "heads whose keys and values differ in size are not supported");
    c->norm_eps = (float)want_f(&k, "attention.layer_norm_rms_epsilon", 1e-5);
    c->n_vocab = n_vocab;
    RG_TRY(rope(c, &k, e));
    RG_TRY(windows(c, &k, e));
    scales(c, &k);
    RG_TRY(no_surprises(&k, e));
    return rg_model_config_check(c, e);
}
