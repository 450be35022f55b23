/* convert_config.c - config.json of a folder, out of a model's configuration.
 *
 * Members are those that transformers 4 and 5 both read (rope_theta and rope_scaling beside each
 * other); folder_cfg.c and folder_rope.c read them back. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "convert_int.h"
#include "files_int.h"
#include "rung/kernel/kernel.h"

/* ---- members ---- */

static void name(rg_buf *b, const char *key)
{
    rg_buf_printf(b, "%s\n  \"%s\": ", b->n > 1 ? "," : "", key);
}

static void put_size(rg_buf *b, const char *key, size_t v)
{
    name(b, key);
    rg_buf_printf(b, "%zu", v);
}

/* The shortest decimal that is this float again. */
static void put_value(rg_buf *b, float v)
{
    char s[32];
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(s, sizeof s, "%.*g", digits, (double)v);
        if (strtof(s, NULL) == v)
            break;
    }
    rg_buf_puts(b, s);
    if (strpbrk(s, ".e") == NULL)
        rg_buf_puts(b, ".0");
}

static void put_num(rg_buf *b, const char *key, double v)
{
    name(b, key);
    put_value(b, (float)v);
}

static void put_bool(rg_buf *b, const char *key, bool v)
{
    name(b, key);
    rg_buf_puts(b, v ? "true" : "false");
}

static void put_word(rg_buf *b, const char *key, const char *v)
{
    name(b, key);
    rg_buf_printf(b, "\"%s\"", v);
}

static void put_id(rg_buf *b, const char *key, int32_t id)
{
    if (id < 0)
        return;
    name(b, key);
    rg_buf_printf(b, "%d", id);
}

/* ---- positions ---- */

static float factor_at(const rg_file_tensor *t, size_t i)
{
    float v;
    memcpy(&v, (const char *)t->data + i * sizeof v, sizeof v);
    return v;
}

static void put_list(rg_buf *b, const rg_file_tensor *t)
{
    rg_buf_putc(b, '[');
    for (size_t i = 0; i < t->K; i++) {
        rg_buf_puts(b, i ? ", " : "");
        put_value(b, factor_at(t, i));
    }
    rg_buf_putc(b, ']');
}

/* Llama 3's divisors as folder_rope.c makes them from four numbers, which a GGUF file no longer
 * has.  In all its versions low_freq_factor is 1 and high_freq_factor 4, the greatest divisor is
 * the factor, and the context is a power of two: the one that gives this table. */
static bool gives_table(const rg_file_tensor *t, const rg_model_config *c, double factor, double context)
{
    const double low = 1, high = 4;
    for (size_t i = 0; i < t->K; i++) {
        const double wave = 2 * M_PI * pow(c->rope_base, 2 * (double)i / (double)c->rope_dim);
        const double keep = fmin(fmax((context / wave - low) / (high - low), 0), 1);
        const double want = 1 / ((1 - keep) / factor + keep);
        if (!(fabs((double)factor_at(t, i) / want - 1) < 1e-5))
            return false;
    }
    return true;
}

static rg_status put_llama3(rg_buf *b, const rg_file_tensor *t, const rg_model_config *c, rg_err *e)
{
    double factor = 1, context = 16;
    const bool sized = t->type == RG_F32 && t->K == c->rope_dim / 2;
    for (size_t i = 0; sized && i < t->K; i++)
        factor = fmax(factor, (double)factor_at(t, i));
    while (sized && context < 1e8 && !gives_table(t, c, factor, context))
        context *= 2;
    if (!sized || context >= 1e8)
        RG_FAIL(e, RG_EFORMAT,
                "rope_freqs.weight is not the table of a Llama 3 model: config.json has no words for it");
    name(b, "rope_scaling");
    rg_buf_puts(b, "{\"rope_type\": \"llama3\", \"factor\": ");
    put_value(b, (float)factor);
    rg_buf_printf(b,
                  ", \"low_freq_factor\": 1.0, \"high_freq_factor\": 4.0, "
                  "\"original_max_position_embeddings\": %.0f}",
                  context);
    return RG_OK;
}

static rg_status put_longrope(rg_buf *b, const rg_files *f, const rg_model_config *c, rg_err *e)
{
    const rg_file_tensor *shorts = rg_files_find(f, "rope_factors_short.weight");
    const rg_file_tensor *longs = rg_files_find(f, "rope_factors_long.weight");
    if (shorts == NULL || longs == NULL || shorts->type != RG_F32 || longs->type != RG_F32)
        RG_FAIL(e, RG_EFORMAT,
                "rope_factors_short.weight and rope_factors_long.weight must both be there, as F32");
    put_size(b, "original_max_position_embeddings", c->rope_ctx_orig);
    name(b, "rope_scaling");
    rg_buf_puts(b, "{\"type\": \"longrope\", \"rope_type\": \"longrope\", ");
    if (c->rope_attn_factor > 0) {
        rg_buf_puts(b, "\"attention_factor\": ");
        put_value(b, (float)c->rope_attn_factor);
        rg_buf_puts(b, ", ");
    }
    rg_buf_puts(b, "\"short_factor\": ");
    put_list(b, shorts);
    rg_buf_puts(b, ", \"long_factor\": ");
    put_list(b, longs);
    rg_buf_putc(b, '}');
    return RG_OK;
}

static void put_factor(rg_buf *b, const rg_model_config *c)
{
    name(b, "rope_scaling");
    rg_buf_printf(b, "{\"rope_type\": \"%s\", \"factor\": ", c->rope_beta_fast > 0 ? "yarn" : "linear");
    put_value(b, (float)c->rope_factor);
    if (c->rope_beta_fast > 0) {
        rg_buf_printf(b, ", \"original_max_position_embeddings\": %zu, \"beta_fast\": ", c->rope_ctx_orig);
        put_value(b, (float)c->rope_beta_fast);
        rg_buf_puts(b, ", \"beta_slow\": ");
        put_value(b, (float)c->rope_beta_slow);
        rg_buf_puts(b, ", \"attention_factor\": ");
        put_value(b, (float)(c->rope_attn_factor > 0 ? c->rope_attn_factor : 1));
    }
    rg_buf_putc(b, '}');
}

static rg_status put_rope(rg_buf *b, const rg_files *f, const rg_model_config *c, rg_err *e)
{
    const rg_file_tensor *freqs = rg_files_find(f, "rope_freqs.weight");
    put_num(b, "rope_theta", c->rope_base);
    if (c->rope_dim != c->head_dim)
        put_num(b, "partial_rotary_factor", (double)c->rope_dim / (double)c->head_dim);
    if (c->rope_base_local > 0)
        put_num(b, "rope_local_base_freq", c->rope_base_local);
    if (freqs != NULL)
        return put_llama3(b, freqs, c, e);
    if (rg_files_find(f, "rope_factors_short.weight") != NULL)
        return put_longrope(b, f, c, e);
    if (c->rope_factor > 1)
        put_factor(b, c);
    return RG_OK;
}

/* ---- windows, and what one family has ---- */

static void put_window(rg_buf *b, const rg_model_config *c, unsigned family)
{
    if ((family & (FAM_QWEN2 | FAM_QWEN3)) != 0) {
        put_bool(b, "use_sliding_window", c->window > 0);
        put_size(b, "max_window_layers", c->window > 0 ? 0 : c->n_layer);
    }
    if (c->window > 0)
        put_size(b, "sliding_window", c->window);
    else if ((family & (FAM_QWEN2 | FAM_QWEN3 | FAM_PHI3)) != 0 || strcmp(c->arch, "mistral") == 0) {
        name(b, "sliding_window");
        rg_buf_puts(b, "null");
    }
    if (c->window == 0 || c->window_every == 0)
        return;
    name(b, "layer_types");
    for (size_t i = 0; i < c->n_layer; i++)
        rg_buf_printf(b, "%s\"%s\"", i ? ", " : "[",
                      (i + 1) % c->window_every == 0 ? "full_attention" : "sliding_attention");
    rg_buf_putc(b, ']');
}

/* Of the scale 1 / sqrt(scalar), which was rounded to float: most scalars are whole numbers. */
static double attn_scalar(const rg_model_config *c)
{
    if (c->attn_scale == 0)
        return (double)c->head_dim;
    const double v = 1 / ((double)c->attn_scale * (double)c->attn_scale), whole = round(v);
    return fabs(v / whole - 1) < 1e-6 ? whole : v;
}

static void put_family(rg_buf *b, const rg_model_config *c, unsigned family)
{
    const bool gemma = (family & FAM_GEMMA3) != 0;
    put_word(b, gemma ? "hidden_activation" : "hidden_act",
             c->mlp_act == RG_MLP_GELU_TANH ? "gelu_pytorch_tanh" : "silu");
    if (gemma)
        put_num(b, "query_pre_attn_scalar", attn_scalar(c));
    if ((family & (FAM_LLAMA | FAM_QWEN3 | FAM_GEMMA3)) != 0)
        put_bool(b, "attention_bias", false);
}

static const char *class_of(const char *model_type)
{
    static const char *const classes[][2] = {
        { "llama", "Llama" }, { "mistral", "Mistral" },    { "qwen2", "Qwen2" },
        { "qwen3", "Qwen3" }, { "gemma3_text", "Gemma3" }, { "phi3", "Phi3" },
    };
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
        if (strcmp(classes[i][0], model_type) == 0)
            return classes[i][1];
    return "AutoModel";
}

/* What the model was made for: transformers' classes, and Qwen's own for a head in two layers. */
static const char *purpose_of(const rg_files *f)
{
    if (rg_files_find(f, "cls.output.weight") == NULL)
        return "ForCausalLM";
    if (rg_files_find(f, "cls.weight") != NULL)
        return "ForProcessRewardModel";
    return rg_files_find(f, "cls.output.bias") != NULL ? "ForTokenClassification"
                                                       : "ForSequenceClassification";
}

static const char *dtype_of(const rg__plan *p)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->t[i].type != RG_F32)
            return p->t[i].type == RG_BF16 ? "bfloat16" : "float16";
    return "float32";
}

rg_status rg__config_json(rg_buf *b, const rg__plan *p, const char *model_type, const rg_tokenizer *t,
                          rg_err *e)
{
    const rg_model_config *c = &p->config;
    const unsigned family = rg__folder_arch_of(c->arch)->family;
    const rg_file_tensor *values = rg_files_find(p->files, "cls.output.weight");
    rg_buf_putc(b, '{');
    name(b, "architectures");
    rg_buf_printf(b, "[\"%s%s\"]", class_of(model_type), purpose_of(p->files));
    if (values != NULL)
        put_size(b, "num_labels", values->R);
    put_word(b, "model_type", model_type);
    put_word(b, "torch_dtype", dtype_of(p));
    put_size(b, "vocab_size", c->n_vocab);
    put_size(b, "hidden_size", c->n_embd);
    put_size(b, "intermediate_size", c->n_ff);
    put_size(b, "num_hidden_layers", c->n_layer);
    put_size(b, "num_attention_heads", c->n_head);
    put_size(b, "num_key_value_heads", c->n_head_kv);
    put_size(b, "head_dim", c->head_dim);
    put_size(b, "max_position_embeddings", c->n_ctx);
    put_num(b, "rms_norm_eps", (double)c->norm_eps);
    put_bool(b, "tie_word_embeddings", rg_files_find(p->files, "output.weight") == NULL);
    put_family(b, c, family);
    put_window(b, c, family);
    RG_TRY(put_rope(b, p->files, c, e));
    put_id(b, "bos_token_id", rg_token_bos(t));
    put_id(b, "eos_token_id", rg_token_eos(t));
    rg_buf_puts(b, "\n}\n");
    return rg_buf_check(b, "config.json", e);
}
