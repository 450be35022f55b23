/* convert_keys.c - the keys of a GGUF file out of a folder's configuration, as llama.cpp's own
 * converter names them.
 *
 * Source: llama.cpp, conversion/ (names and which architecture has which). */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "convert_int.h"
#include "rung/base/mem.h"

typedef struct keys {
    rg_gguf_writer *w;
    const char *arch;
    char name[128];
} keys;

static const char *key(keys *k, const char *leaf)
{
    snprintf(k->name, sizeof k->name, "%s.%s", k->arch, leaf);
    return k->name;
}

static rg_status put_u(keys *k, const char *leaf, size_t v, rg_err *e)
{
    return rg_gguf_put_u32(k->w, key(k, leaf), (uint32_t)v, e);
}

static rg_status put_f(keys *k, const char *leaf, double v, rg_err *e)
{
    return rg_gguf_put_f32(k->w, key(k, leaf), (float)v, e);
}

/* Keys that every architecture has. */
static rg_status put_shape(keys *k, const rg_model_config *c, rg_err *e)
{
    RG_TRY(put_u(k, "block_count", c->n_layer, e));
    RG_TRY(put_u(k, "context_length", c->n_ctx, e));
    RG_TRY(put_u(k, "embedding_length", c->n_embd, e));
    RG_TRY(put_u(k, "feed_forward_length", c->n_ff, e));
    RG_TRY(put_u(k, "attention.head_count", c->n_head, e));
    RG_TRY(put_u(k, "attention.head_count_kv", c->n_head_kv, e));
    RG_TRY(put_f(k, "attention.layer_norm_rms_epsilon", (double)c->norm_eps, e));
    if (strcmp(k->arch, "llama") == 0)
        RG_TRY(put_u(k, "vocab_size", c->n_vocab, e));
    if (c->head_dim * c->n_head != c->n_embd || c->qk_norm) {
        RG_TRY(put_u(k, "attention.key_length", c->head_dim, e));
        RG_TRY(put_u(k, "attention.value_length", c->head_dim, e));
    }
    return RG_OK;
}

/* Divisors of the frequencies are tensors (rope_freqs.weight, rope_factors_*.weight). */
static rg_status put_rope(keys *k, const rg_model_config *c, rg_err *e)
{
    if (strcmp(k->arch, "llama") == 0 || strcmp(k->arch, "phi3") == 0 || c->rope_dim != c->head_dim)
        RG_TRY(put_u(k, "rope.dimension_count", c->rope_dim, e));
    RG_TRY(put_f(k, "rope.freq_base", c->rope_base, e));
    if (c->rope_beta_fast > 0) {
        RG_TRY(rg_gguf_put_str(k->w, key(k, "rope.scaling.type"), rg_str_of("yarn"), e));
        RG_TRY(put_f(k, "rope.scaling.yarn_beta_fast", c->rope_beta_fast, e));
        RG_TRY(put_f(k, "rope.scaling.yarn_beta_slow", c->rope_beta_slow, e));
    } else if (c->rope_factor > 1) {
        RG_TRY(rg_gguf_put_str(k->w, key(k, "rope.scaling.type"), rg_str_of("linear"), e));
    }
    if (c->rope_factor > 1)
        RG_TRY(put_f(k, "rope.scaling.factor", c->rope_factor, e));
    if (c->rope_ctx_orig > 0)
        RG_TRY(put_u(k, "rope.scaling.original_context_length", c->rope_ctx_orig, e));
    return RG_OK;
}

static rg_status put_family(keys *k, const rg_model_config *c, rg_err *e)
{
    const bool phi3 = strcmp(k->arch, "phi3") == 0, gemma = strcmp(k->arch, "gemma3") == 0;
    const float usual = 1 / sqrtf((float)c->head_dim);
    if (c->window > 0 || phi3) /* phi3: 0 says that there is none */
        RG_TRY(put_u(k, "attention.sliding_window", c->window, e));
    if (c->window > 0 && c->window_every != (gemma ? 6u : 0u))
        RG_TRY(put_u(k, "attention.sliding_window_pattern", c->window_every, e));
    if (gemma && c->rope_base_local > 0 && c->rope_base_local != 10000)
        RG_TRY(put_f(k, "rope.freq_base_swa", c->rope_base_local, e));
    if (c->attn_scale > 0 && fabsf(c->attn_scale / usual - 1) > 1e-6f)
        RG_TRY(put_f(k, "attention.scale", (double)c->attn_scale, e));
    if (phi3 && c->rope_attn_factor > 0)
        RG_TRY(put_f(k, "rope.scaling.attn_factor", c->rope_attn_factor, e));
    return RG_OK;
}

static rg_status put_texts(rg_gguf_writer *w, const rg_files *f, rg_err *e)
{
    rg_tokenizer *t;
    const rg_str template = rg_files_template(f);
    RG_TRY(rg_files_tokenizer(&t, f, e));
    rg_status s = rg_tokenizer_put_gguf(t, w, e);
    rg_tokenizer_free(t);
    if (s == RG_OK && template.n > 0)
        s = rg_gguf_put_str(w, "tokenizer.chat_template", template, e);
    return s;
}

rg_status rg__put_folder_keys(rg_gguf_writer *w, const rg_files *f, const rg_model_config *c, rg_err *e)
{
    /* llama.cpp knows Mistral as a llama */
    keys k = { .w = w, .arch = strcmp(c->arch, "mistral") == 0 ? "llama" : c->arch };
    const rg_str title = rg_files_title(f);
    RG_TRY(rg_gguf_put_str(w, "general.architecture", rg_str_of(k.arch), e));
    RG_TRY(rg_gguf_put_str(w, "general.type", rg_str_of("model"), e));
    if (title.n > 0)
        RG_TRY(rg_gguf_put_str(w, "general.name", title, e));
    RG_TRY(put_shape(&k, c, e));
    RG_TRY(put_rope(&k, c, e));
    RG_TRY(put_family(&k, c, e));
    return put_texts(w, f, e);
}
