#include "rung/reward/kinds.h"

#include <string.h>

void rg_verifier_groups(rg_opt_group group[RG_N_VERIFIER_GROUPS], rg_verifier_opt *o)
{
    group[0] = (rg_opt_group){ "Verifier direct", rg_direct_table, &o->direct };
    group[1] = (rg_opt_group){ "Verifier prm", rg_prm_table, &o->prm };
    group[2] = (rg_opt_group){ "Verifier orm", rg_orm_table, &o->orm };
}

rg_status rg_verifier_new(rg_verifier **out, rg_verifier_kind kind, const rg_verifier_opt *o, rg_lm *lm,
                          rg_err *e)
{
    *out = NULL;
    switch (kind) {
    case RG_VERIFIER_DIRECT: return rg_direct_new(out, lm, &o->direct, e);
    case RG_VERIFIER_PRM: return rg_prm_new(out, lm, &o->prm, e);
    case RG_VERIFIER_ORM: return rg_orm_new(out, lm, &o->orm, e);
    case RG_VERIFIER_NONE: break;
    }
    RG_FAIL(e, RG_EARG, "no verifier is named: --verifier is one of %s", strchr(RG_VERIFIER_NAMES, ',') + 1);
}
