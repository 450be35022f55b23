/* kinds.h - verifiers by name: what `--verifier` may be, and all their settings. */
#ifndef RUNG_REWARD_KINDS_H
#define RUNG_REWARD_KINDS_H

#include "rung/base/api.h"
#include "rung/base/opt.h"
#include "rung/reward/direct.h"
#include "rung/reward/orm.h"
#include "rung/reward/prm.h"
#include "rung/reward/verifier.h"

RG_API_BEGIN

typedef enum rg_verifier_kind {
    RG_VERIFIER_NONE, RG_VERIFIER_DIRECT, RG_VERIFIER_PRM, RG_VERIFIER_ORM
} rg_verifier_kind;
#define RG_VERIFIER_NAMES "none,direct,prm,orm"

typedef struct rg_verifier_opt {
    rg_direct_opt direct;
    rg_prm_opt prm;
    rg_orm_opt orm;
} rg_verifier_opt;

enum { RG_N_VERIFIER_GROUPS = 3 };
/* The option groups of all kinds, over o. */
void rg_verifier_groups(rg_opt_group group[RG_N_VERIFIER_GROUPS], rg_verifier_opt *o);

/* lm is borrowed.  RG_EARG for RG_VERIFIER_NONE. */
rg_status rg_verifier_new(rg_verifier **out, rg_verifier_kind kind, const rg_verifier_opt *o, rg_lm *lm,
                          rg_err *e);

RG_API_END
#endif
