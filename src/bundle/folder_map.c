/* folder_map.c - the tensors of a folder by canonical name: one table says what each is called, what
 * shape the configuration gives it and which architectures have it.
 *
 * '#' is the number of a layer.  Shapes are (rows, columns); a vector has one row. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files_int.h"
#include "rung/kernel/kernel.h"

typedef enum dim { ONE, EMBD, FF, FF2, VOCAB, Q, KV, QKV, HEAD, ANY } dim; /* ANY: as many as the file has */

typedef struct row {
    const char *theirs, *ours;
    dim R, K;
    unsigned family; /* which have it */
    bool optional;
} row;

#define LAYER   "model.layers.#."
#define OTHERS  (FAM_ALL & ~FAM_GEMMA3)
#define UNFUSED (FAM_ALL & ~FAM_PHI3)
#define NORMED  (FAM_QWEN3 | FAM_GEMMA3)

static const row rows[] = {
    { "model.embed_tokens.weight", "token_embd.weight", VOCAB, EMBD, FAM_ALL, false },
    { "model.norm.weight", "output_norm.weight", ONE, EMBD, FAM_ALL, false },
    { "lm_head.weight", "output.weight", VOCAB, EMBD, FAM_ALL, false },
    { LAYER "input_layernorm.weight", "blk.#.attn_norm.weight", ONE, EMBD, FAM_ALL, false },
    { LAYER "self_attn.q_proj.weight", "blk.#.attn_q.weight", Q, EMBD, UNFUSED, false },
    { LAYER "self_attn.k_proj.weight", "blk.#.attn_k.weight", KV, EMBD, UNFUSED, false },
    { LAYER "self_attn.v_proj.weight", "blk.#.attn_v.weight", KV, EMBD, UNFUSED, false },
    { LAYER "self_attn.q_proj.bias", "blk.#.attn_q.bias", ONE, Q, FAM_QWEN2, false },
    { LAYER "self_attn.k_proj.bias", "blk.#.attn_k.bias", ONE, KV, FAM_QWEN2, false },
    { LAYER "self_attn.v_proj.bias", "blk.#.attn_v.bias", ONE, KV, FAM_QWEN2, false },
    { LAYER "self_attn.qkv_proj.weight", "blk.#.attn_qkv.weight", QKV, EMBD, FAM_PHI3, false },
    { LAYER "self_attn.q_norm.weight", "blk.#.attn_q_norm.weight", ONE, HEAD, NORMED, false },
    { LAYER "self_attn.k_norm.weight", "blk.#.attn_k_norm.weight", ONE, HEAD, NORMED, false },
    { LAYER "self_attn.o_proj.weight", "blk.#.attn_output.weight", EMBD, Q, FAM_ALL, false },
    { LAYER "post_attention_layernorm.weight", "blk.#.ffn_norm.weight", ONE, EMBD, OTHERS, false },
    { LAYER "post_attention_layernorm.weight", "blk.#.post_attention_norm.weight", ONE, EMBD, FAM_GEMMA3,
      false },
    { LAYER "pre_feedforward_layernorm.weight", "blk.#.ffn_norm.weight", ONE, EMBD, FAM_GEMMA3, false },
    { LAYER "post_feedforward_layernorm.weight", "blk.#.post_ffw_norm.weight", ONE, EMBD, FAM_GEMMA3, false },
    { LAYER "mlp.gate_proj.weight", "blk.#.ffn_gate.weight", FF, EMBD, UNFUSED, false },
    { LAYER "mlp.up_proj.weight", "blk.#.ffn_up.weight", FF, EMBD, UNFUSED, false },
    { LAYER "mlp.gate_up_proj.weight", "blk.#.ffn_up.weight", FF2, EMBD, FAM_PHI3, false },
    { LAYER "mlp.down_proj.weight", "blk.#.ffn_down.weight", EMBD, FF, FAM_ALL, false },
    /* value heads: of classifiers and reward models in transformers, of Qwen's two layers with a ReLU
     * between, of trl's AutoModelForCausalLMWithValueHead */
    { "score.weight", "cls.output.weight", ANY, EMBD, FAM_ALL, true },
    { "score.bias", "cls.output.bias", ONE, ANY, FAM_ALL, true },
    { "score.2.weight", "cls.output.weight", ANY, EMBD, FAM_ALL, true },
    { "score.2.bias", "cls.output.bias", ONE, ANY, FAM_ALL, true },
    { "score.0.weight", "cls.weight", EMBD, EMBD, FAM_ALL, true },
    { "score.0.bias", "cls.bias", ONE, EMBD, FAM_ALL, true },
    { "v_head.summary.weight", "cls.output.weight", ANY, EMBD, FAM_ALL, true },
    { "v_head.summary.bias", "cls.output.bias", ONE, ANY, FAM_ALL, true },
    { "v_head.weight", "cls.output.weight", ANY, EMBD, FAM_ALL, true },
    { "v_head.bias", "cls.output.bias", ONE, ANY, FAM_ALL, true },
    { "value_head.weight", "cls.output.weight", ANY, EMBD, FAM_ALL, true },
    { "value_head.bias", "cls.output.bias", ONE, ANY, FAM_ALL, true },
    { LAYER "self_attn.rotary_emb.inv_freq", NULL, ONE, HEAD, FAM_ALL, true }, /* follows from rope_theta */
};

/* ---- names ---- */

/* Does name match the pattern?  *layer: what '#' stands for, or SIZE_MAX where there is none. */
static bool matches(const char *pattern, const char *name, size_t *layer)
{
    *layer = SIZE_MAX;
    for (; *pattern != '\0'; pattern++) {
        if (*pattern != '#') {
            if (*name++ != *pattern)
                return false;
            continue;
        }
        size_t n = 0, digits = 0;
        for (; isdigit((unsigned char)*name) && digits < 6; name++, digits++)
            n = 10 * n + (size_t)(*name - '0');
        if (digits == 0 || (digits > 1 && name[-(ptrdiff_t)digits] == '0'))
            return false;
        *layer = n;
    }
    return *name == '\0';
}

static void spell(char *out, size_t cap, const char *pattern, size_t layer)
{
    const char *hash = strchr(pattern, '#');
    if (hash == NULL)
        snprintf(out, cap, "%s", pattern);
    else
        snprintf(out, cap, "%.*s%zu%s", (int)(hash - pattern), pattern, layer, hash + 1);
}

/* Gemma 3 with pictures keeps its text model under a prefix, which has been spelt in two ways;
 * NULL: a part of the picture side. */
static const char *without_prefix(const char *name, char *room, size_t cap)
{
    static const char *const skipped[] = { "vision_tower.", "multi_modal_projector.", "model.vision_tower.",
                                           "model.multi_modal_projector." };
    static const char old[] = "language_model.", now[] = "model.language_model.";
    for (size_t i = 0; i < RG_COUNT(skipped); i++)
        if (strncmp(name, skipped[i], strlen(skipped[i])) == 0)
            return NULL;
    if (strncmp(name, old, sizeof old - 1) == 0)
        return name + sizeof old - 1;
    if (strncmp(name, now, sizeof now - 1) != 0)
        return name;
    snprintf(room, cap, "model.%s", name + sizeof now - 1);
    return room;
}

static const row *row_of(const char *name, unsigned family, size_t *layer)
{
    for (size_t i = 0; i < RG_COUNT(rows); i++)
        if ((rows[i].family & family) != 0 && matches(rows[i].theirs, name, layer))
            return &rows[i];
    return NULL;
}

bool rg__folder_name(char *out, size_t cap, const char *ours, unsigned family)
{
    size_t layer;
    for (size_t i = 0; i < RG_COUNT(rows); i++)
        if ((rows[i].family & family) != 0 && rows[i].ours != NULL && matches(rows[i].ours, ours, &layer)) {
            spell(out, cap, rows[i].theirs, layer);
            return true;
        }
    return false;
}

/* ---- shapes ---- */

typedef struct size_named {
    size_t n;
    const char *by; /* the keys of config.json that say it */
} size_named;

static size_named size_of(dim d, const rg_model_config *c)
{
    switch (d) {
    case EMBD: return (size_named){ c->n_embd, "hidden_size" };
    case FF: return (size_named){ c->n_ff, "intermediate_size" };
    case FF2: return (size_named){ 2 * c->n_ff, "twice intermediate_size" };
    case VOCAB: return (size_named){ c->n_vocab, "vocab_size" };
    case Q: return (size_named){ c->n_head * c->head_dim, "num_attention_heads x head_dim" };
    case KV: return (size_named){ c->n_head_kv * c->head_dim, "num_key_value_heads x head_dim" };
    case QKV:
        return (size_named){ (c->n_head + 2 * c->n_head_kv) * c->head_dim,
                             "(num_attention_heads + 2 num_key_value_heads) x head_dim" };
    case HEAD: return (size_named){ c->head_dim, "head_dim" };
    case ONE:
    case ANY: break;
    }
    return (size_named){ 1, "1" };
}

static const char *likely_cause(size_t R, size_t K, size_t want_R, size_t want_K)
{
    if (R == want_K && K == want_R)
        return "it looks transposed";
    return "is config.json of another size of this model?";
}

static rg_status check_shape(const rg_safet_tensor *t, const row *r, const rg_model_config *c, size_t R,
                             size_t K, rg_err *e)
{
    const size_named want_R = size_of(r->R, c), want_K = size_of(r->K, c);
    if (t->n_dims != (r->R == ONE ? 1u : 2u))
        RG_FAIL(e, RG_EFORMAT, "tensor %s has %u dimensions, %s has %d", t->name.p, t->n_dims,
                r->R == ONE ? "a vector" : "a matrix", r->R == ONE ? 1 : 2);
    if ((R == want_R.n || r->R == ANY) && (K == want_K.n || r->K == ANY))
        return RG_OK;
    if (r->R == ANY)
        RG_FAIL(e, RG_EFORMAT, "tensor %s has rows of %zu, config.json says hidden_size %zu: %s", t->name.p,
                K, want_K.n, likely_cause(R, K, 1, want_K.n));
    if (r->R == ONE)
        RG_FAIL(e, RG_EFORMAT, "tensor %s is (%zu), config.json asks for (%zu) by %s: %s", t->name.p, K,
                want_K.n, want_K.by, likely_cause(R, K, 1, want_K.n));
    RG_FAIL(e, RG_EFORMAT, "tensor %s is (%zu, %zu), config.json asks for (%zu, %zu) by %s and %s: %s",
            t->name.p, R, K, want_R.n, want_K.n, want_R.by, want_K.by,
            likely_cause(R, K, want_R.n, want_K.n));
}

/* ---- one tensor ---- */

/* Gemma stores how far a gain is from one. */
static rg_status add_one(rg_file_tensor *x, rg_files *f, rg_err *e)
{
    void *own;
    RG_TRY(rg__files_own(&own, f, x->K * sizeof(float), e));
    float *w = own;
    rg_k_dequant_row(w, x->data, x->type, x->K);
    for (size_t i = 0; i < x->K; i++)
        w[i] += 1.0f;
    x->type = RG_F32;
    x->data = w;
    x->bytes = x->K * sizeof(float);
    return RG_OK;
}

static rg_status check_type(const rg_safet_tensor *t, rg_err *e)
{
    if (t->type == RG_F32 || t->type == RG_F16 || t->type == RG_BF16)
        return RG_OK;
    RG_FAIL(e, RG_EFORMAT,
            "tensor %s has dtype %s: of a folder F32, F16 and BF16 are read; take the model's "
            "original weights or its GGUF form",
            t->name.p, t->dtype);
}

static rg_status add_tensor(rg_files *f, const rg_safet_tensor *t, const row *r, size_t layer,
                            unsigned family, rg_err *e)
{
    char ours[128];
    const uint64_t last = t->n_dims > 0 ? t->dims[t->n_dims - 1] : 1;
    RG_TRY(check_type(t, e));
    spell(ours, sizeof ours, r->ours, layer);
    rg_file_tensor x = { .name = ours,
                         .type = t->type,
                         .n_dims = t->n_dims,
                         .R = t->n_dims == 2 ? (size_t)t->dims[0] : 1,
                         .K = (size_t)last,
                         .data = t->data,
                         .bytes = t->bytes };
    RG_TRY(check_shape(t, r, &f->c, x.R, x.K, e));
    if (family == FAM_GEMMA3 && rg_str_ends(rg_str_of(ours), "norm.weight"))
        RG_TRY(add_one(&x, f, e));
    return rg__files_add(f, &x, e);
}

static rg_status map_tensor(rg_files *f, const rg_safet_tensor *t, const folder_arch *a, bool tied, rg_err *e)
{
    char room[RG_SAFET_MAX_NAME + 16];
    size_t layer;
    const char *name = t->name.p;
    if (a->family == FAM_GEMMA3)
        name = without_prefix(name, room, sizeof room);
    if (name == NULL)
        return RG_OK;
    const row *r = row_of(name, a->family, &layer);
    if (r == NULL)
        RG_FAIL(e, RG_EFORMAT, "tensor %s has no place in architecture %s (model_type %s)", t->name.p,
                a->arch, a->model_type);
    if (layer != SIZE_MAX && layer >= f->c.n_layer)
        RG_FAIL(e, RG_EFORMAT,
                "tensor %s is of layer %zu, config.json says num_hidden_layers %zu: is it of another "
                "size of this model?",
                t->name.p, layer, f->c.n_layer);
    if (r->ours == NULL || (tied && strcmp(r->ours, "output.weight") == 0))
        return RG_OK; /* a tied output matrix is the embedding, whether or not it was stored again */
    return add_tensor(f, t, r, layer, a->family, e);
}

/* ---- all of them ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static rg_status want_all_of(const row *r, const char *const *have, const rg_files *f, bool tied, rg_err *e)
{
    const size_t layers = strchr(r->theirs, '#') != NULL ? f->c.n_layer : 1;
    char ours[128], theirs[128];
    const char *key = ours, *head = "cls.output.weight"; /* a model that judges need not speak */
    const bool silent = bsearch(&head, have, f->n, sizeof *have, by_name) != NULL;
    if (r->optional || ((tied || silent) && strcmp(r->ours, "output.weight") == 0))
        return RG_OK;
    for (size_t i = 0; i < layers; i++) {
        spell(ours, sizeof ours, r->ours, i);
        if (bsearch(&key, have, f->n, sizeof *have, by_name) != NULL)
            continue;
        spell(theirs, sizeof theirs, r->theirs, i);
        RG_FAIL(e, RG_EFORMAT, "tensor %s is missing (config.json says %zu layers%s): is the folder whole?",
                theirs, f->c.n_layer,
                strcmp(r->ours, "output.weight") == 0 ? " and tie_word_embeddings false" : "");
    }
    return RG_OK;
}

static rg_status want_all(const rg_files *f, unsigned family, bool tied, rg_err *e)
{
    rg_status s = RG_OK;
    const char **have = rg_calloc(f->n + 1, sizeof *have);
    if (have == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu names", f->n);
    for (size_t i = 0; i < f->n; i++)
        have[i] = f->t[i].name;
    qsort(have, f->n, sizeof *have, by_name);
    for (size_t i = 0; i < RG_COUNT(rows) && s == RG_OK; i++)
        if ((rows[i].family & family) != 0)
            s = want_all_of(&rows[i], have, f, tied, e);
    rg_free(have);
    return s;
}

/* A class of transformers that has a value head: its folder must hold one. */
static rg_status want_head(const rg_files *f, rg_err *e)
{
    static const char *const words[] = { "RewardModel", "PrmModel", "Classification", "ValueHead" };
    const char *name = json_string_value(json_array_get(json_object_get(f->config, "architectures"), 0));
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->t[i].name, "cls.output.weight") == 0)
            return RG_OK;
    for (size_t i = 0; i < RG_COUNT(words) && name != NULL; i++)
        if (strstr(name, words[i]) != NULL)
            RG_FAIL(e, RG_EFORMAT,
                    "config.json says %.80s, and no tensor is its head (score.weight, score.0 and score.2, "
                    "v_head.summary): is the folder whole?",
                    name);
    return RG_OK;
}

rg_status rg__folder_map(rg_files *f, const folder_arch *a, bool tied, rg_err *e)
{
    for (size_t k = 0; k < f->n_safet; k++)
        for (size_t i = 0; i < rg_safet_n(f->safet[k]); i++)
            RG_TRY(map_tensor(f, rg_safet_at(f->safet[k], i), a, tied, e));
    RG_TRY(want_head(f, e));
    return want_all(f, a->family, tied, e);
}
