/* arch.c - the architectures, as choices of one block; and what a configuration must satisfy. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "rung/base/mem.h"

#include "model_int.h"

typedef struct arch {
    const char *name;
    bool rope_neox, qk_norm, post_norms, fused;
    rg_mlp_act mlp_act;
} arch;

static const arch ARCHES[] = {
    /* rows of q and k are permuted in GGUF files, so that pairs lie side by side; a folder's are not */
    { .name = "llama" },
    { .name = "mistral", .rope_neox = true },
    { .name = "qwen2", .rope_neox = true },
    { .name = "qwen3", .rope_neox = true, .qk_norm = true },
    { .name = "gemma3", .rope_neox = true, .qk_norm = true, .post_norms = true, .mlp_act = RG_MLP_GELU_TANH },
    { .name = "phi3", .rope_neox = true, .fused = true },
};

static rg_status unknown(const char *name, rg_err *e)
{
    char known[128] = "";
    for (size_t i = 0, at = 0; i < RG_COUNT(ARCHES); i++)
        at += (size_t)snprintf(known + at, sizeof known - at, "%s%s", i ? ", " : "", ARCHES[i].name);
    RG_FAIL(e, RG_EFORMAT, "architecture %.64s is not one this engine runs (%s)", name, known);
}

rg_status rg_model_config_arch(rg_model_config *c, const char *name, rg_err *e)
{
    for (size_t i = 0; i < RG_COUNT(ARCHES); i++) {
        const arch *a = &ARCHES[i];
        if (strcmp(a->name, name) != 0)
            continue;
        snprintf(c->arch, sizeof c->arch, "%s", name);
        c->rope_neox = a->rope_neox;
        c->qk_norm = a->qk_norm;
        c->post_norms = a->post_norms;
        c->fused = a->fused;
        c->mlp_act = a->mlp_act;
        return RG_OK;
    }
    return unknown(name, e);
}

typedef struct range {
    const char *what;
    size_t value, max;
} range;

static rg_status check_sizes(const rg_model_config *c, rg_err *e)
{
    const range ranges[] = {
        { "layers", c->n_layer, 1024 },
        { "embedding length", c->n_embd, 131072 },
        { "heads", c->n_head, 1024 },
        { "KV heads", c->n_head_kv, 1024 },
        { "head size", c->head_dim, 256 },
        { "feed-forward length", c->n_ff, 1048576 },
        { "vocabulary", c->n_vocab, 1048576 },
        { "context length", c->n_ctx, 16777216 },
        { "rope dimensions", c->rope_dim, c->head_dim },
    };
    for (size_t i = 0; i < RG_COUNT(ranges); i++)
        if (ranges[i].value == 0 || ranges[i].value > ranges[i].max)
            RG_FAIL(e, RG_EFORMAT, "%s: %zu is outside 1..%zu", ranges[i].what, ranges[i].value,
                    ranges[i].max);
    if (c->n_head % c->n_head_kv != 0)
        RG_FAIL(e, RG_EFORMAT, "%zu heads do not divide into %zu KV heads", c->n_head, c->n_head_kv);
    if (c->head_dim % 16 != 0 || c->rope_dim % 2 != 0)
        RG_FAIL(e, RG_EFORMAT, "head size %zu (rope %zu) is not a multiple of 16 (2), as the kernels need it",
                c->head_dim, c->rope_dim);
    return RG_OK;
}

static bool is_base(double base)
{
    return isfinite(base) && base >= 1;
}

static rg_status check_rope(const rg_model_config *c, rg_err *e)
{
    if (!is_base(c->rope_base) || (c->rope_base_local != 0 && !is_base(c->rope_base_local)) ||
        !isfinite(c->rope_factor) || c->rope_factor <= 0)
        RG_FAIL(e, RG_EFORMAT, "rope base %g (%g with a window) or rope factor %g makes no sense",
                c->rope_base, c->rope_base_local, c->rope_factor);
    if (!isfinite(c->rope_attn_factor) || c->rope_attn_factor < 0)
        RG_FAIL(e, RG_EFORMAT, "rope attention factor %g makes no sense", c->rope_attn_factor);
    if (!(c->rope_beta_fast >= 0) || !(c->rope_beta_slow >= 0) || c->rope_beta_fast < c->rope_beta_slow ||
        (c->rope_beta_fast > 0) != (c->rope_beta_slow > 0) || isinf(c->rope_beta_fast))
        RG_FAIL(e, RG_EFORMAT, "YaRN's betas %g and %g make no sense", c->rope_beta_fast, c->rope_beta_slow);
    if (c->rope_beta_fast > 0 && (c->rope_ctx_orig == 0 || c->rope_base == 1))
        RG_FAIL(e, RG_EFORMAT, "YaRN needs the original context length and a rope base above 1");
    return RG_OK;
}

rg_status rg_model_config_check(const rg_model_config *c, rg_err *e)
{
    RG_TRY(check_sizes(c, e));
    RG_TRY(check_rope(c, e));
    if (!isfinite(c->norm_eps) || c->norm_eps < 0)
        RG_FAIL(e, RG_EFORMAT, "norm epsilon %g makes no sense", (double)c->norm_eps);
    if (!isfinite(c->embd_scale) || c->embd_scale < 0 || !isfinite(c->attn_scale) || c->attn_scale < 0)
        RG_FAIL(e, RG_EFORMAT, "embedding scale %g or attention scale %g makes no sense",
                (double)c->embd_scale, (double)c->attn_scale);
    return RG_OK;
}
