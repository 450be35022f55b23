/* model_int.h - what the files of the model room share. */
#ifndef RUNG_MODEL_INT_H
#define RUNG_MODEL_INT_H

#include "rung/model/model.h"

/* The tensors of a block; tensors.c has their names and shapes.  What an architecture does not
 * have is NULL.  Q = heads x head size, KV the same for keys, C width, F inner width. */
typedef enum matrix {
    M_Q,            /* (Q, C), (KV, C), (KV, C): one region of rg_op_linear */
    M_K,
    M_V,
    M_QKV,          /* (Q + 2 KV, C): the three in one */
    M_OUT,          /* (C, Q) */
    M_GATE,         /* (F, C) each */
    M_UP,
    M_GATE_UP,      /* (2 F, C): both in one */
    M_DOWN,         /* (C, F) */
    N_MATRICES
} matrix;

typedef enum vector {
    V_MIXER_NORM,   /* (C) */
    V_MIXER_POST,
    V_MLP_NORM,
    V_MLP_POST,
    V_Q_NORM,       /* (head size): one gain for all heads */
    V_K_NORM,
    V_Q_BIAS,       /* beside M_Q, M_K, M_V */
    V_K_BIAS,
    V_V_BIAS,
    V_OUT_BIAS,
    N_VECTORS
} vector;

typedef struct block {
    const rg_weight *m[N_MATRICES];
    const float     *v[N_VECTORS];
} block;

/* out[i] = b2[i] + sum_j w2[i,j] x_j, where x is the hidden state h, or relu(w1 h + b1). */
typedef struct value_head {
    size_t       n;             /* outputs; 0: the model has no such head */
    const float *w1, *b1;       /* (C, C), (C); w1 NULL: one layer; each bias may be NULL */
    const float *w2, *b2;       /* (n, C), (n) */
} value_head;

/* Which frequencies turn a layer: those of all layers, LongRoPE's for long contexts, or those of
 * layers with a window. */
typedef enum rope_set { ROPE_GLOBAL, ROPE_LONG, ROPE_LOCAL, N_ROPE_SETS } rope_set;

struct rg_model {
    rg_model_config  c;
    const rg_weight *embed;                     /* (V, C) */
    const rg_weight *head;                      /* (V, C); the embedding where tied; NULL: values only */
    value_head       value;
    const float     *final_norm;                /* (C) */
    double          *freq[N_ROPE_SETS];         /* (rope_dim/2) radians a position; NULL = no such set */
    block           *blk;                       /* n_layer */
};

/* ---- tensors.c ---- */

rg_status rg__find_ends(rg_model *m, rg_weights *ws, rg_err *e);
rg_status rg__find_block(block *b, const rg_model_config *c, rg_weights *ws, size_t layer, rg_err *e);

/* ---- heads.c ---- */

rg_status rg__find_values(value_head *v, const rg_model_config *c, rg_weights *ws, rg_err *e);

/* ---- rope.c ---- */

/* Fills m->freq; divisors come from ws (model.h). */
rg_status rg__rope_init(rg_model *m, rg_weights *ws, rg_err *e);
void      rg__rope_free(rg_model *m);
/* cos then sin of each pair for position pos: rope_dim floats.  Angles are formed in double. */
void      rg__rope_angles(float *cs, const rg_model *m, rope_set set, size_t pos);

/* ---- attention.c ---- */

/* One token of a forward. */
typedef struct row {
    rg_state *state;
    size_t    pos;
} row;

/* Positions a token sees in this layer, itself included; 0 = all. */
static inline size_t rg__window(const rg_model_config *c, size_t layer)
{
    const bool sees_all = c->window_every != 0 && (layer + 1) % c->window_every == 0;
    return sees_all ? 0 : c->window;
}

/* Causal grouped-query attention of one layer over the states' pages, after putting k and v
 * there.  q (T, H*D) is scaled in place; k, v (T, Hkv*D).                       (T, H*D) */
rg_tensor rg__attention(rg_ops *o, const rg_model_config *c, const row *rows, uint32_t kv_type,
                        size_t layer, rg_tensor q, rg_tensor k, rg_tensor v);
size_t    rg__attention_scratch_bytes(const rg_model_config *c);

#endif
