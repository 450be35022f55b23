/* port.h - what an implementation of the language-model port is made of (lm.h says what each call
 * means).  Callers need lm.h only.
 *
 * An implementation's own struct begins with rg_lm, its nodes begin with rg_lm_node. */
#ifndef RUNG_LM_PORT_H
#define RUNG_LM_PORT_H

#include "rung/base/api.h"
#include "rung/lm/lm.h"

RG_API_BEGIN

typedef struct rg_lm_ops {
    void (*close)(rg_lm *lm);
    rg_status (*identity)(char out[65], const rg_lm *lm, rg_err *e);

    rg_lm_node *(*root)(rg_lm *lm);
    rg_lm_node *(*retain)(rg_lm_node *node);
    void (*release)(rg_lm_node *node);
    size_t (*node_len)(const rg_lm_node *node);
    uint64_t (*node_hash)(const rg_lm_node *node);

    /* By tokens; NULL where tokens are not known. */
    rg_status (*extend)(rg_lm_node **out, rg_lm_node *from, const int32_t *id, size_t n, rg_err *e);
    rg_status (*node_for)(rg_lm_node **out, rg_lm *lm, rg_lm_node *near, const int32_t *id, size_t n, rg_err *e);
    rg_status (*score)(rg_lm *lm, rg_score *jobs, size_t n, const rg_call *call, rg_err *e);

    /* By text; NULL: through the bundle's tokenizer and template, and extend and node_for. */
    rg_status (*chat)(rg_lm_node **out, rg_lm *lm, rg_lm_node *near, const json_t *messages,
                      const rg_chat_opt *o, rg_err *e);
    rg_status (*say)(rg_lm_node **out, rg_lm_node *from, rg_str text, rg_err *e);

    rg_status (*generate)(rg_lm *lm, const rg_gen *jobs, size_t n, rg_on_gen on, void *arg, const rg_call *call,
                          rg_err *e);

    /* Each may be NULL: nothing to tell. */
    void (*stats)(const rg_lm *lm, rg_lm_stats *out);
    double (*flops)(const rg_lm *lm, size_t past, size_t n, size_t k);
    size_t (*kv_bytes)(const rg_lm *lm);
    void (*set_kv_bytes)(rg_lm *lm, size_t bytes);
    size_t (*token_bytes)(const rg_lm *lm);
} rg_lm_ops;

struct rg_lm {
    const rg_lm_ops *ops;
    const rg_bundle *bundle;    /* borrowed; NULL where tokens are not known */
    const char      *name;      /* for records; lives as long as the lm */
    size_t           ctx;
    size_t           n_values;
};

struct rg_lm_node {
    rg_lm *lm;
};

/* Ids of the tokens that spell word i (see rg_words_new); none where tokens are not known. */
const int32_t *rg_words_ids(const rg_words *w, size_t i, size_t *n);

RG_API_END
#endif
