/* verifier.c - what all kinds of verifiers share. */
#include "rung/reward/verifier.h"

#include "rung/base/mem.h"

static const char *const FLAGS[] = { "forced",  "no decision", "budget", "code failed",
                                     "no code", "bound",       "text",   "score missing" };

const char *rg_verdict_flag_name(unsigned flag)
{
    for (size_t i = 0; i < RG_COUNT(FLAGS); i++)
        if (flag == 1u << i)
            return FLAGS[i];
    return NULL;
}

rg_status rg_verdicts_set(rg_judgement *out, size_t want, const double *r, size_t got, rg_mismatch rule,
                          const char *verifier, rg_err *e)
{
    if (got != want && rule == RG_MISMATCH_ERROR)
        RG_FAIL(e, RG_EREMOTE,
                "%s gave %zu scores for %zu steps: the step delimiter is not the one it was trained with "
                "(--step), or say --score-mismatch zero or pad",
                verifier, got, want);
    for (size_t i = 0; i < want; i++) {
        out[i].r = got == want || (rule == RG_MISMATCH_PAD && i < got) ? r[i]
                   : rule == RG_MISMATCH_PAD && got > 0                ? r[got - 1]
                                                                       : 0;
        if (got != want)
            out[i].flags |= RG_VF_SCORE_MISSING;
    }
    return RG_OK;
}
