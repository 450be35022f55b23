/* convert_mix.c - which type each tensor of a mix gets.
 *
 * A mix has a base type; what the model is most sensitive to gets more bits.  The rules are
 * those of llama-quantize, so that a file of one name has one size whoever made it:
 *
 *     output matrix            Q6_K (Q8_0 where rows do not divide by the base's block); of a model
 *                              without one, the embedding
 *     attn_v, ffn_down         one step up in a part of the layers ("more")
 *     attn_output              one step up in the mixes of 2 and 3 bits
 *
 * Source: llama.cpp, src/llama-quant.cpp (rules only). */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "convert_int.h"
#include "rung/base/mem.h"
#include "rung/base/numtype.h"
#include "rung/kernel/kernel.h"

/* file_type says which mix; the rules below go by it. */
enum {
    ALL_F32 = 0,
    F16 = 1,
    Q4_0 = 2,
    Q4_1 = 3,
    Q8_0 = 7,
    Q5_0 = 8,
    Q5_1 = 9,
    Q2_K = 10,
    Q3_K_S = 11,
    Q3_K_M = 12,
    Q3_K_L = 13,
    Q4_K_S = 14,
    Q4_K_M = 15,
    Q5_K_S = 16,
    Q5_K_M = 17,
    Q6_K = 18,
    IQ4_NL = 25,
    IQ4_XS = 30,
    BF16 = 32
};

static const rg_mix mixes[] = {
    { "F32", RG_F32, ALL_F32 },    { "F16", RG_F16, F16 },          { "BF16", RG_BF16, BF16 },
    { "Q8_0", RG_Q8_0, Q8_0 },     { "Q6_K", RG_Q6_K, Q6_K },       { "Q5_K_M", RG_Q5_K, Q5_K_M },
    { "Q5_K_S", RG_Q5_K, Q5_K_S }, { "Q5_1", RG_Q5_1, Q5_1 },       { "Q5_0", RG_Q5_0, Q5_0 },
    { "Q4_K_M", RG_Q4_K, Q4_K_M }, { "Q4_K_S", RG_Q4_K, Q4_K_S },   { "Q4_1", RG_Q4_1, Q4_1 },
    { "Q4_0", RG_Q4_0, Q4_0 },     { "IQ4_NL", RG_IQ4_NL, IQ4_NL }, { "IQ4_XS", RG_IQ4_XS, IQ4_XS },
    { "Q3_K_L", RG_Q3_K, Q3_K_L }, { "Q3_K_M", RG_Q3_K, Q3_K_M },   { "Q3_K_S", RG_Q3_K, Q3_K_S },
    { "Q2_K", RG_Q2_K, Q2_K },
};

const rg_mix *rg_mix_find(const char *name)
{
    static const char *const alias[][2] = { { "Q3_K", "Q3_K_M" },
                                            { "Q4_K", "Q4_K_M" },
                                            { "Q5_K", "Q5_K_M" } };
    for (size_t i = 0; i < RG_COUNT(alias); i++)
        if (strcasecmp(alias[i][0], name) == 0)
            name = alias[i][1];
    for (size_t i = 0; i < RG_COUNT(mixes); i++)
        if (strcasecmp(mixes[i].name, name) == 0)
            return &mixes[i];
    return NULL;
}

const char *rg_mix_name(const rg_mix *m)
{
    return m->name;
}

void rg_mix_names(char *out, size_t bytes)
{
    size_t n = 0;
    out[0] = '\0';
    for (size_t i = 0; i < RG_COUNT(mixes) && n < bytes; i++)
        n += (size_t)snprintf(out + n, bytes - n, "%s%s", i ? ", " : "", mixes[i].name);
}

bool rg__type_is_plain(uint32_t type)
{
    return type == RG_F32 || type == RG_F16 || type == RG_BF16;
}

static bool has(const char *name, const char *part)
{
    return strstr(name, part) != NULL;
}

bool rg__mix_applies(const rg_file_tensor *t)
{
    return t->n_dims >= 2 && rg_str_ends(rg_str_of(t->name), ".weight") && !has(t->name, "_norm.weight") &&
           strncmp(t->name, "cls.", 4) != 0;
}

/* Layers at both ends and every third between. */
static bool more(size_t layer, size_t n)
{
    return layer < n / 8 || layer >= 7 * n / 8 || (layer - n / 8) % 3 == 2;
}

static uint32_t attn_v(const rg_mix *m, const rg__mix_model *model, size_t layer)
{
    const bool few_heads = model->gqa >= 4; /* the matrix is small: more bits cost little */
    switch (m->file_type) {
    case Q2_K: return few_heads ? RG_Q4_K : RG_Q3_K;
    case Q3_K_M: return layer < 2 ? RG_Q5_K : RG_Q4_K;
    case Q3_K_L: return RG_Q5_K;
    case IQ4_NL:
    case IQ4_XS: return few_heads ? RG_Q5_K : m->base;
    case Q4_K_M:
    case Q5_K_M: return more(layer, model->n_layer) ? RG_Q6_K : m->base;
    case Q4_K_S: return layer < 4 ? RG_Q5_K : m->base;
    default: return m->base;
    }
}

static uint32_t ffn_down(const rg_mix *m, const rg__mix_model *model, size_t layer)
{
    const bool first = layer < model->n_layer / 8;
    switch (m->file_type) {
    case Q2_K: return RG_Q3_K;
    case Q3_K_M: return layer < model->n_layer / 16 ? RG_Q5_K : RG_Q4_K;
    case Q3_K_L: return RG_Q5_K;
    case Q4_K_M:
    case Q5_K_M: return more(layer, model->n_layer) ? RG_Q6_K : m->base;
    case Q4_K_S: return first ? RG_Q5_K : m->base;
    case IQ4_NL:
    case IQ4_XS: return first && !model->importance ? RG_Q5_K : m->base;
    case Q4_0: return first && model->importance ? RG_Q4_1 : m->base;
    case Q5_0: return first && model->importance ? RG_Q5_1 : m->base;
    default: return m->base;
    }
}

static uint32_t attn_output(const rg_mix *m)
{
    switch (m->file_type) {
    case Q2_K: return RG_Q3_K;
    case Q3_K_M: return RG_Q4_K;
    case Q3_K_L: return RG_Q5_K;
    default: return m->base;
    }
}

static uint32_t output(const rg_mix *m, size_t K)
{
    if (K % rg_type_info_of(m->base)->block != 0 || m->base == RG_Q8_0)
        return RG_Q8_0;
    return RG_Q6_K;
}

static uint32_t by_rule(const rg_mix *m, const rg__mix_model *model, const rg_file_tensor *t)
{
    size_t layer = 0;
    if (strcmp(t->name, "output.weight") == 0 || (model->tied && strcmp(t->name, "token_embd.weight") == 0))
        return output(m, t->K);
    if (sscanf(t->name, "blk.%zu.", &layer) != 1)
        return m->base;
    if (has(t->name, "attn_v.weight") || has(t->name, "attn_qkv.weight"))
        return attn_v(m, model, layer);
    if (has(t->name, "ffn_down"))
        return ffn_down(m, model, layer);
    return has(t->name, "attn_output.weight") ? attn_output(m) : m->base;
}

/* Rows that a super-block of 256 does not divide. */
static uint32_t in_blocks_of_32(uint32_t type)
{
    switch (type) {
    case RG_Q2_K:
    case RG_Q3_K: return RG_Q4_0;
    case RG_Q4_K: return RG_Q5_0;
    case RG_Q5_K: return RG_Q5_1;
    case RG_Q6_K: return RG_Q8_0;
    case RG_IQ4_XS: return RG_IQ4_NL;
    default: return type;
    }
}

uint32_t rg__mix_type(const rg_mix *m, const rg__mix_model *model, const rg_file_tensor *t, bool *fell_back)
{
    *fell_back = false;
    if (rg__type_is_plain(m->base))
        return m->base;
    uint32_t type = by_rule(m, model, t);
    if (t->K % rg_type_info_of(type)->block == 0)
        return type;
    *fell_back = true;
    type = in_blocks_of_32(type);
    return t->K % rg_type_info_of(type)->block == 0 ? type : RG_F16;
}
