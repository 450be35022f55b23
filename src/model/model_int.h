/* model_int.h - what the files of the model room share. */
#ifndef RUNG_MODEL_INT_H
#define RUNG_MODEL_INT_H

#include "rung/model/model.h"

typedef struct attention {
    const rg_weight *qkv[3];    /* (H*D, C), (Hkv*D, C), (Hkv*D, C) */
    const float     *bias[3];   /* each NULL where the file has none */
    const rg_weight *out;       /* (C, H*D) */
    const float     *out_bias;
} attention;

typedef struct block {
    const float     *mixer_norm, *mlp_norm;     /* (C) */
    attention        attn;
    const rg_weight *gate_up[2];                /* (F, C) each */
    const rg_weight *down;                      /* (C, F) */
} block;

struct rg_model {
    rg_model_config  c;
    const rg_weight *embed;                     /* (V, C) */
    const rg_weight *head;                      /* (V, C); the embedding where tied */
    const float     *final_norm;                /* (C) */
    const float     *rope_factors;              /* (rope_dim/2) divisors of the frequencies, or NULL */
    block           *blk;                       /* n_layer */
};

/* One token of a forward. */
typedef struct row {
    rg_state *state;
    size_t    pos;
} row;

/* Causal grouped-query attention of one layer over the states' pages, after putting k and v
 * there.  q (T, H*D) is scaled in place by 1/sqrt(D); k, v (T, Hkv*D).       (T, H*D) */
rg_tensor rg__attention(rg_ops *o, const rg_model_config *c, const row *rows, uint32_t kv_type,
                        size_t layer, rg_tensor q, rg_tensor k, rg_tensor v);
size_t    rg__attention_scratch_bytes(const rg_model_config *c);

/* cos then sin of each pair for position pos: rope_dim floats.  Angles are formed in double. */
void rg__rope_angles(float *cs, const rg_model *m, size_t pos);

#endif
