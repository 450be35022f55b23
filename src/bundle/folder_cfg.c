/* folder_cfg.c - config.json of a folder as a configuration of the model.
 *
 * Keys are transformers', of files written before and after its version 5.  Members that ask for
 * arithmetic which the architecture's block does not do are refused by name. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "files_int.h"

#define MAX_SIZE ((json_int_t)1 << 30)

/* ---- members ---- */

const json_t *rg__cfg_get(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    return json_is_null(v) ? NULL : v;
}

rg_status rg__cfg_size(size_t *out, const json_t *o, const char *key, size_t otherwise, rg_err *e)
{
    const json_t *v = rg__cfg_get(o, key);
    *out = otherwise;
    if (v == NULL)
        return RG_OK;
    if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > MAX_SIZE)
        RG_FAIL(e, RG_EFORMAT, "config.json: %s is no whole number from 0 to 2^30", key);
    *out = (size_t)json_integer_value(v);
    return RG_OK;
}

rg_status rg__cfg_need(size_t *out, const json_t *o, const char *key, rg_err *e)
{
    if (rg__cfg_get(o, key) == NULL)
        RG_FAIL(e, RG_EFORMAT, "config.json: %s is missing", key);
    return rg__cfg_size(out, o, key, 0, e);
}

rg_status rg__cfg_num(double *out, const json_t *o, const char *key, double otherwise, rg_err *e)
{
    const json_t *v = rg__cfg_get(o, key);
    *out = otherwise;
    if (v == NULL)
        return RG_OK;
    if (!json_is_number(v) || !isfinite(json_number_value(v)))
        RG_FAIL(e, RG_EFORMAT, "config.json: %s is no number", key);
    *out = json_number_value(v);
    return RG_OK;
}

rg_status rg__cfg_bool(bool *out, const json_t *o, const char *key, bool otherwise, rg_err *e)
{
    const json_t *v = rg__cfg_get(o, key);
    *out = otherwise;
    if (v == NULL)
        return RG_OK;
    if (!json_is_boolean(v))
        RG_FAIL(e, RG_EFORMAT, "config.json: %s is neither true nor false", key);
    *out = json_is_true(v);
    return RG_OK;
}

/* ---- the architecture ---- */

static const folder_arch arches[] = {
    { "llama", "llama", FAM_LLAMA, false },        { "mistral", "mistral", FAM_LLAMA, false },
    { "qwen2", "qwen2", FAM_QWEN2, false },        { "qwen3", "qwen3", FAM_QWEN3, false },
    { "gemma3_text", "gemma3", FAM_GEMMA3, true }, { "gemma3", "gemma3", FAM_GEMMA3, true },
    { "phi3", "phi3", FAM_PHI3, false },
};

static rg_status not_quantised(const json_t *config, rg_err *e)
{
    const json_t *q = rg__cfg_get(config, "quantization_config");
    const char *method = json_string_value(json_object_get(q, "quant_method"));
    if (q != NULL)
        RG_FAIL(e, RG_EFORMAT,
                "the weights are quantised by %.60s (quantization_config), which is not read here: take the "
                "original weights (F32, F16, BF16) or the model's GGUF form",
                method == NULL ? "an unnamed method" : method);
    return RG_OK;
}

rg_status rg__folder_arch(const folder_arch **out, const json_t *config, rg_err *e)
{
    const char *type = json_string_value(json_object_get(config, "model_type"));
    RG_TRY(not_quantised(config, e));
    if (type == NULL)
        RG_FAIL(e, RG_EFORMAT, "config.json: model_type is missing");
    for (size_t i = 0; i < RG_COUNT(arches); i++) {
        if (strcmp(arches[i].model_type, type) == 0) {
            *out = &arches[i];
            return RG_OK;
        }
    }
    rg_buf known = RG_BUF_MAX(256);
    for (size_t i = 0; i < RG_COUNT(arches); i++)
        rg_buf_printf(&known, "%s%s", i ? ", " : "", arches[i].model_type);
    (void)rg_err_set(e, RG_EFORMAT, __FILE__, __LINE__,
                     "config.json: model_type %.60s is not one this engine runs (%s)", type,
                     known.p ? known.p : "");
    rg_buf_free(&known);
    return RG_EFORMAT;
}

const folder_arch *rg__folder_arch_of(const char *arch)
{
    for (size_t i = 0; i < RG_COUNT(arches); i++)
        if (strcmp(arches[i].arch, arch) == 0)
            return &arches[i];
    return NULL;
}

const json_t *rg__folder_text_part(const json_t *config)
{
    const json_t *part = json_object_get(config, "text_config");
    return json_is_object(part) ? part : config;
}

/* ---- sizes ---- */

/* Files of Gemma 3 with pictures leave out what equals the class's defaults. */
static rg_status read_gemma_sizes(rg_model_config *c, const json_t *t, rg_err *e)
{
    RG_TRY(rg__cfg_size(&c->n_vocab, t, "vocab_size", 262208, e));
    RG_TRY(rg__cfg_size(&c->n_embd, t, "hidden_size", 2304, e));
    RG_TRY(rg__cfg_size(&c->n_ff, t, "intermediate_size", 9216, e));
    RG_TRY(rg__cfg_size(&c->n_layer, t, "num_hidden_layers", 26, e));
    RG_TRY(rg__cfg_size(&c->n_head, t, "num_attention_heads", 8, e));
    RG_TRY(rg__cfg_size(&c->n_head_kv, t, "num_key_value_heads", 4, e));
    RG_TRY(rg__cfg_size(&c->head_dim, t, "head_dim", 256, e));
    return rg__cfg_size(&c->n_ctx, t, "max_position_embeddings", 131072, e);
}

static rg_status read_sizes(rg_model_config *c, const json_t *t, rg_err *e)
{
    RG_TRY(rg__cfg_need(&c->n_vocab, t, "vocab_size", e));
    RG_TRY(rg__cfg_need(&c->n_embd, t, "hidden_size", e));
    RG_TRY(rg__cfg_need(&c->n_ff, t, "intermediate_size", e));
    RG_TRY(rg__cfg_need(&c->n_layer, t, "num_hidden_layers", e));
    RG_TRY(rg__cfg_need(&c->n_head, t, "num_attention_heads", e));
    if (c->n_head == 0)
        RG_FAIL(e, RG_EFORMAT, "config.json: num_attention_heads is 0");
    RG_TRY(rg__cfg_size(&c->n_head_kv, t, "num_key_value_heads", c->n_head, e));
    RG_TRY(rg__cfg_size(&c->head_dim, t, "head_dim", c->n_embd / c->n_head, e));
    return rg__cfg_need(&c->n_ctx, t, "max_position_embeddings", e);
}

/* ---- windows ---- */

/* layer_types: every layer has a window, or each window_every-th has none. */
static rg_status read_layer_types(rg_model_config *c, const json_t *types, rg_err *e)
{
    size_t n_full = 0, every = 0;
    if (json_array_size(types) != c->n_layer)
        RG_FAIL(e, RG_EFORMAT, "config.json: layer_types has %zu entries for %zu layers",
                json_array_size(types), c->n_layer);
    for (size_t i = 0; i < c->n_layer; i++) {
        const char *type = json_string_value(json_array_get(types, i));
        const bool full = type != NULL && strcmp(type, "full_attention") == 0;
        if (!full && (type == NULL || strcmp(type, "sliding_attention") != 0))
            RG_FAIL(e, RG_EFORMAT,
                    "config.json: layer_types has \"%.40s\", which is not one this engine runs",
                    type == NULL ? "(no text)" : type);
        n_full += full;
        every = full && every == 0 ? i + 1 : every;
    }
    c->window_every = every;
    if (n_full == c->n_layer)
        c->window = c->window_every = 0;
    for (size_t i = 0; i < c->n_layer && c->window != 0 && every != 0; i++) {
        const char *type = json_string_value(json_array_get(types, i));
        if ((strcmp(type, "full_attention") == 0) != ((i + 1) % every == 0))
            RG_FAIL(e, RG_EFORMAT,
                    "config.json: layer_types do not repeat (layer %zu): such windows are not run here", i);
    }
    return RG_OK;
}

/* Qwen: layers from max_window_layers on have a window. */
static rg_status read_qwen_window(rg_model_config *c, const json_t *t, rg_err *e)
{
    bool uses;
    size_t from;
    RG_TRY(rg__cfg_bool(&uses, t, "use_sliding_window", false, e));
    RG_TRY(rg__cfg_size(&from, t, "max_window_layers", 28, e));
    if (!uses || from >= c->n_layer)
        c->window = 0;
    else if (from > 0 && c->window > 0)
        RG_FAIL(e, RG_EFORMAT, "config.json: windows from layer %zu on (max_window_layers) are not run here",
                from);
    return RG_OK;
}

static rg_status read_window(rg_model_config *c, const folder_arch *a, const json_t *t, rg_err *e)
{
    const json_t *types = rg__cfg_get(t, "layer_types");
    size_t otherwise = 0;
    if (json_object_get(t, "sliding_window") == NULL) /* absent; null says that there is none */
        otherwise = a->family == FAM_GEMMA3 || strcmp(a->model_type, "mistral") == 0 ? 4096 : 0;
    RG_TRY(rg__cfg_size(&c->window, t, "sliding_window", otherwise, e));
    if (a->family == FAM_LLAMA && strcmp(a->model_type, "llama") == 0)
        c->window = 0;
    if ((a->family & (FAM_QWEN2 | FAM_QWEN3)) != 0)
        RG_TRY(read_qwen_window(c, t, e));
    if (a->family == FAM_GEMMA3) {
        size_t pattern;
        RG_TRY(rg__cfg_size(&pattern, t, "_sliding_window_pattern", 6, e));
        RG_TRY(rg__cfg_size(&c->window_every, t, "sliding_window_pattern", pattern, e));
    }
    if (types != NULL)
        RG_TRY(read_layer_types(c, types, e));
    if (a->family == FAM_GEMMA3 && c->window == 0)
        RG_FAIL(e, RG_EFORMAT, "config.json: sliding_window is 0: which layers have a base of their own?");
    if (a->family != FAM_GEMMA3 && c->window >= c->n_ctx)
        c->window = 0; /* it sees everything that there can be */
    if (c->window == 0)
        c->window_every = 0;
    return RG_OK;
}

/* ---- what a block does ---- */

static rg_status read_activation(rg_model_config *c, const json_t *t, rg_err *e)
{
    const json_t *v = rg__cfg_get(t, "hidden_activation");
    if (v == NULL)
        v = rg__cfg_get(t, "hidden_act");
    const char *name = json_string_value(v);
    const char *want = c->mlp_act == RG_MLP_GELU_TANH ? "gelu_pytorch_tanh" : "silu";
    if (name != NULL && strcmp(name, want) != 0)
        RG_FAIL(e, RG_EFORMAT, "config.json: activation %.40s is not the one that %s runs with here (%s)",
                name, c->arch, want);
    return RG_OK;
}

static rg_status no_surprises(const json_t *t, rg_err *e)
{
    static const char *const truths[] = { "attention_bias", "mlp_bias", "use_bidirectional_attention" };
    static const char *const numbers[] = { "attn_logit_softcapping", "final_logit_softcapping",
                                           "num_local_experts", "num_experts" };
    for (size_t i = 0; i < RG_COUNT(truths); i++) {
        bool is;
        RG_TRY(rg__cfg_bool(&is, t, truths[i], false, e));
        if (is)
            RG_FAIL(e, RG_EFORMAT, "config.json: %s asks for something this engine does not do", truths[i]);
    }
    for (size_t i = 0; i < RG_COUNT(numbers); i++)
        if (rg__cfg_get(t, numbers[i]) != NULL)
            RG_FAIL(e, RG_EFORMAT, "config.json: %s asks for something this engine does not do", numbers[i]);
    return RG_OK;
}

static rg_status read_gemma(rg_model_config *c, const json_t *t, rg_err *e)
{
    double scalar;
    RG_TRY(rg__cfg_num(&scalar, t, "query_pre_attn_scalar", 256, e));
    if (scalar <= 0)
        RG_FAIL(e, RG_EFORMAT, "config.json: query_pre_attn_scalar is %g", scalar);
    c->attn_scale = (float)(1 / sqrt(scalar));
    c->embd_scale = sqrtf((float)c->n_embd);
    return RG_OK;
}

rg_status rg__folder_config(rg_model_config *c, bool *tied, const folder_arch *a, const json_t *config,
                            rg_err *e)
{
    const json_t *t = rg__folder_text_part(config);
    double eps;
    memset(c, 0, sizeof *c);
    RG_TRY(rg_model_config_arch(c, a->arch, e));
    c->rope_neox = true; /* rows of q and k are not permuted in this form */
    RG_TRY(a->family == FAM_GEMMA3 ? read_gemma_sizes(c, t, e) : read_sizes(c, t, e));
    RG_TRY(rg__cfg_num(&eps, t, "rms_norm_eps", a->family == FAM_PHI3 ? 1e-5 : 1e-6, e));
    c->norm_eps = (float)eps;
    RG_TRY(read_activation(c, t, e));
    RG_TRY(no_surprises(t, e));
    RG_TRY(read_window(c, a, t, e));
    if (a->family == FAM_GEMMA3)
        RG_TRY(read_gemma(c, t, e));
    RG_TRY(rg__folder_rope(c, a, t, e));
    RG_TRY(rg__cfg_bool(tied, config, "tie_word_embeddings", a->tied, e));
    RG_TRY(rg__cfg_bool(tied, t, "tie_word_embeddings", *tied, e));
    return rg_model_config_check(c, e);
}
