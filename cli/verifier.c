#include "verifier.h"

#define O(field) offsetof(cli_verifier, field)
const rg_opt cli_verifier_table[] = {
    { "verifier", "V", RG_OPT_ENUM, O(kind), "none", 0, 0, RG_VERIFIER_NAMES, NULL,
      "a model judges steps and answers: Yes or No to each step (direct), a reward at each step "
      "(prm), or one for the whole answer (orm)" },
    { "verifier-model", NULL, RG_OPT_STR, O(model), NULL, 0, 0, NULL, "MODEL",
      "the verifier's model, as for -m; without it the policy judges itself" },
    { 0 },
};

void cli_verifier_groups(rg_opt_group group[CLI_VERIFIER_GROUPS], cli_verifier *o)
{
    group[0] = (rg_opt_group){ "Verifier", cli_verifier_table, o };
    rg_verifier_groups(group + 1, &o->opt);
}

static rg_status open_beside(rg_engine **out, const char *model, rg_engine *policy, const cli_model *m,
                             const rg_call *call, rg_err *e)
{
    if (model == NULL)
        return RG_OK;
    const rg_engine_opt o = { .model = model,
                              .beside = policy,
                              .lm = { .exact = m->exact, .lock = m->mlock } };
    return rg_engine_open(out, &o, call, e);
}

rg_status cli_verifier_open(cli_verifier *o, rg_engine *policy, const cli_model *m, const rg_call *call,
                            rg_err *e)
{
    if (o->kind == RG_VERIFIER_NONE) {
        if (o->model != NULL)
            RG_FAIL(e, RG_EARG, "--verifier-model goes with --verifier: say which kind of verifier it is");
        return RG_OK;
    }
    RG_TRY(open_beside(&o->x, o->model, policy, m, call, e));
    return rg_verifier_new(&o->v, (rg_verifier_kind)o->kind, &o->opt,
                           rg_engine_lm(o->x != NULL ? o->x : policy), e);
}

void cli_verifier_close(cli_verifier *o)
{
    rg_verifier_free(o->v);
    rg_engine_close(o->x);
    o->v = NULL;
    o->x = NULL;
}
