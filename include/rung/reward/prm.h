/* prm.h - scalar process reward models: one number a step, read at marked tokens of one forward pass.
 *
 * Seven public models agree on the idea and differ in the text around the steps, in the mark and in
 * what is read there (docs/formats/verifiers.md has the table):
 *
 *     math-shepherd, er-prm, openr   the model's own words for good and bad, at a mark in plain text
 *     rlhflow                        the same in a conversation, where each turn is answered +
 *     qwen                           a head of two classes at <extra_0>
 *     skywork, pqm                   a head of one value, at a new line or at [PRM]
 *
 * Ids are made of tokenised pieces with the mark's id between them; a mark that a text spells is text.
 * A path that extends one judged before feeds the tokens of its new steps alone. */
#ifndef RUNG_REWARD_PRM_H
#define RUNG_REWARD_PRM_H

#include "rung/base/api.h"
#include "rung/base/opt.h"
#include "rung/lm/lm.h"
#include "rung/reward/verifier.h"

RG_API_BEGIN

typedef enum rg_prm_kind {
    RG_PRM_AUTO,                /* by the model's name, its head and its vocabulary */
    RG_PRM_MATH_SHEPHERD, RG_PRM_RLHFLOW, RG_PRM_SKYWORK, RG_PRM_QWEN, RG_PRM_ER, RG_PRM_PQM, RG_PRM_OPENR
} rg_prm_kind;
#define RG_PRM_NAMES "auto,math-shepherd,rlhflow,skywork,qwen,er-prm,pqm,openr"

typedef struct rg_prm_opt {
    int format;                 /* an rg_prm_kind */
} rg_prm_opt;
extern const rg_opt rg_prm_table[];

/* A model in this process.  RG_EARG when the format cannot be told, or when the model lacks what the
 * format reads: its head, its mark or its words. */
rg_status rg_prm_new(rg_verifier **out, rg_lm *lm, const rg_prm_opt *o, rg_err *e);

RG_API_END
#endif
