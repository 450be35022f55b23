/* folder_rope.c - rotary positions of a folder's config.json.
 *
 *     before transformers 5:  rope_theta, rope_scaling {type or rope_type, factor, ...},
 *                             rope_local_base_freq, partial_rotary_factor
 *     since:                  rope_parameters {rope_theta, rope_type, factor, ...}, or one such
 *                             object each for full_attention and sliding_attention
 *
 * Sources: transformers, modeling_rope_utils.py; for Llama 3's divisors also llama.cpp's converter,
 * whose rope_freqs.weight these are. */
#include <math.h>
#include <string.h>

#include "files_int.h"

/* The object that says how positions scale (of layers without a window), or NULL. */
static const json_t *scaling_of(const json_t *t)
{
    const json_t *p = rg__cfg_get(t, "rope_parameters");
    const json_t *full = rg__cfg_get(p, "full_attention");
    return full != NULL ? full : p != NULL ? p : rg__cfg_get(t, "rope_scaling");
}

static const char *kind_of(const json_t *scaling)
{
    const json_t *kind = rg__cfg_get(scaling, "rope_type");
    if (kind == NULL)
        kind = rg__cfg_get(scaling, "type");
    if (scaling == NULL || kind == NULL)
        return "default";
    if (!json_is_string(kind))
        return "(no text)";
    /* Phi-3's files have had three names for it */
    return rg__cfg_get(scaling, "short_factor") != NULL ? "longrope" : json_string_value(kind);
}

/* A number that is in the scaling object, else beside it. */
static rg_status num_in_either(double *out, const json_t *scaling, const json_t *t, const char *key,
                               double otherwise, rg_err *e)
{
    return rg__cfg_num(out, rg__cfg_get(scaling, key) != NULL ? scaling : t, key, otherwise, e);
}

/* The context that the model was first trained with: beside the scaling object (Phi-3) before in it. */
static rg_status context_before(size_t *out, const rg_model_config *c, const json_t *s, const json_t *t,
                                rg_err *e)
{
    static const char key[] = "original_max_position_embeddings";
    RG_TRY(rg__cfg_size(out, rg__cfg_get(t, key) != NULL ? t : s, key, c->n_ctx, e));
    if (*out == 0)
        RG_FAIL(e, RG_EFORMAT, "config.json: %s is 0", key);
    return RG_OK;
}

static rg_status factor_of(double *out, const json_t *scaling, const char *kind, rg_err *e)
{
    RG_TRY(rg__cfg_num(out, scaling, "factor", 0, e));
    if (!(*out >= 1))
        RG_FAIL(e, RG_EFORMAT, "config.json: rope scaling %s has factor %g; it must be 1 or more", kind,
                *out);
    return RG_OK;
}

static double yarn_scale(double factor, double by)
{
    return factor <= 1 ? 1 : 0.1 * by * log(factor) + 1;
}

static rg_status read_yarn(rg_model_config *c, const json_t *s, const json_t *t, rg_err *e)
{
    double factor, m, m_all;
    bool truncate;
    RG_TRY(factor_of(&factor, s, "yarn", e));
    RG_TRY(context_before(&c->rope_ctx_orig, c, s, t, e));
    RG_TRY(rg__cfg_num(&m, s, "mscale", 0, e));
    RG_TRY(rg__cfg_num(&m_all, s, "mscale_all_dim", 0, e));
    const double implied =
        m != 0 && m_all != 0 ? yarn_scale(factor, m) / yarn_scale(factor, m_all) : yarn_scale(factor, 1);
    RG_TRY(rg__cfg_num(&c->rope_attn_factor, s, "attention_factor", implied, e));
    RG_TRY(rg__cfg_num(&c->rope_beta_fast, s, "beta_fast", 32, e));
    RG_TRY(rg__cfg_num(&c->rope_beta_slow, s, "beta_slow", 1, e));
    RG_TRY(rg__cfg_bool(&truncate, s, "truncate", true, e));
    if (!truncate)
        RG_FAIL(e, RG_EFORMAT, "config.json: YaRN without truncate is not run here");
    c->rope_factor = factor;
    return RG_OK;
}

static rg_status read_longrope(rg_model_config *c, const json_t *s, const json_t *t, rg_err *e)
{
    double ratio;
    RG_TRY(context_before(&c->rope_ctx_orig, c, s, t, e));
    const double orig = (double)c->rope_ctx_orig;
    RG_TRY(rg__cfg_num(&ratio, s, "factor", (double)c->n_ctx / orig, e));
    const double implied = ratio <= 1 || orig <= 1 ? 1 : sqrt(1 + log(ratio) / log(orig));
    return rg__cfg_num(&c->rope_attn_factor, s, "attention_factor", implied, e);
}

static rg_status read_scaling(rg_model_config *c, const json_t *s, const json_t *t, rg_err *e)
{
    const char *kind = kind_of(s);
    c->rope_factor = 1;
    if (strcmp(kind, "default") == 0 || strcmp(kind, "llama3") == 0) /* llama3: by a tensor, below */
        return RG_OK;
    if (strcmp(kind, "linear") == 0)
        return factor_of(&c->rope_factor, s, kind, e);
    if (strcmp(kind, "yarn") == 0)
        return read_yarn(c, s, t, e);
    if (strcmp(kind, "longrope") == 0)
        return read_longrope(c, s, t, e);
    RG_FAIL(e, RG_EFORMAT,
            "config.json: rope scaling %.40s is not one this engine runs (default, linear, llama3, "
            "yarn, longrope)",
            kind);
}

/* Gemma 3's layers with a window turn by another base, unscaled. */
static rg_status read_local(rg_model_config *c, const json_t *t, rg_err *e)
{
    const json_t *local = rg__cfg_get(rg__cfg_get(t, "rope_parameters"), "sliding_attention");
    if (local == NULL)
        return rg__cfg_num(&c->rope_base_local, t, "rope_local_base_freq", 10000, e);
    if (strcmp(kind_of(local), "default") != 0)
        RG_FAIL(e, RG_EFORMAT, "config.json: rope scaling %.40s of layers with a window is not run here",
                kind_of(local));
    return rg__cfg_num(&c->rope_base_local, local, "rope_theta", 10000, e);
}

rg_status rg__folder_rope(rg_model_config *c, const folder_arch *a, const json_t *t, rg_err *e)
{
    const json_t *s = scaling_of(t);
    double part;
    if (s != NULL && !json_is_object(s))
        RG_FAIL(e, RG_EFORMAT, "config.json: the rope parameters are no object");
    RG_TRY(num_in_either(&c->rope_base, s, t, "rope_theta", a->family == FAM_GEMMA3 ? 1e6 : 1e4, e));
    RG_TRY(num_in_either(&part, s, t, "partial_rotary_factor", 1, e));
    if (!(part > 0 && part <= 1))
        RG_FAIL(e, RG_EFORMAT, "config.json: partial_rotary_factor is %g", part);
    c->rope_dim = (size_t)((double)c->head_dim * part);
    if (a->family == FAM_GEMMA3)
        RG_TRY(read_local(c, t, e));
    return read_scaling(c, s, t, e);
}

/* ---- divisors of the frequencies, as tensors ---- */

static rg_status add_vector(rg_files *f, const char *name, float **w, rg_err *e)
{
    void *own;
    const size_t K = f->c.rope_dim / 2;
    RG_TRY(rg__files_own(&own, f, K * sizeof(float), e));
    *w = own;
    const rg_file_tensor x = {
        .name = name, .type = RG_F32, .n_dims = 1, .R = 1, .K = K, .data = own, .bytes = K * sizeof(float)
    };
    return rg__files_add(f, &x, e);
}

/* Short waves keep their frequency, long ones are divided by factor, between them it slides:
 * with turns = context / wave length, keep = (turns - low) / (high - low) clamped to 0..1,
 * divisor = 1 / ((1 - keep) / factor + keep). */
static rg_status add_llama3(rg_files *f, const json_t *s, const json_t *t, rg_err *e)
{
    double factor, low, high;
    size_t context;
    float *w;
    RG_TRY(factor_of(&factor, s, "llama3", e));
    RG_TRY(context_before(&context, &f->c, s, t, e));
    RG_TRY(rg__cfg_num(&low, s, "low_freq_factor", 1, e));
    RG_TRY(rg__cfg_num(&high, s, "high_freq_factor", 4, e));
    if (!(low > 0 && high > low))
        RG_FAIL(e, RG_EFORMAT, "config.json: low_freq_factor %g and high_freq_factor %g make no sense", low,
                high);
    RG_TRY(add_vector(f, "rope_freqs.weight", &w, e));
    for (size_t i = 0; i < f->c.rope_dim / 2; i++) {
        const double wave = 2 * M_PI * pow(f->c.rope_base, 2 * (double)i / (double)f->c.rope_dim);
        const double keep = fmin(fmax(((double)context / wave - low) / (high - low), 0), 1);
        w[i] = (float)(1 / ((1 - keep) / factor + keep));
    }
    return RG_OK;
}

static rg_status add_factors(rg_files *f, const json_t *s, const char *key, const char *name, rg_err *e)
{
    const json_t *list = rg__cfg_get(s, key);
    const size_t n = f->c.rope_dim / 2;
    float *w;
    if (json_array_size(list) != n)
        RG_FAIL(e, RG_EFORMAT, "config.json: %s has %zu numbers, half the rotary dimensions are %zu", key,
                json_array_size(list), n);
    RG_TRY(add_vector(f, name, &w, e));
    for (size_t i = 0; i < n; i++) {
        const double v = json_number_value(json_array_get(list, i));
        if (!(v > 0) || !isfinite(v))
            RG_FAIL(e, RG_EFORMAT, "config.json: %s has something else than a positive number at %zu", key,
                    i);
        w[i] = (float)v;
    }
    return RG_OK;
}

rg_status rg__folder_rope_tensors(rg_files *f, const json_t *t, rg_err *e)
{
    const json_t *s = scaling_of(t);
    const char *kind = kind_of(s);
    if (strcmp(kind, "llama3") == 0)
        return add_llama3(f, s, t, e);
    if (strcmp(kind, "longrope") != 0)
        return RG_OK;
    RG_TRY(add_factors(f, s, "long_factor", "rope_factors_long.weight", e));
    return add_factors(f, s, "short_factor", "rope_factors_short.weight", e);
}
