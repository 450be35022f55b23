/* verifier.c - what all kinds of verifiers share. */
#include "rung/reward/verifier.h"

#include "rung/base/mem.h"

static const char *const FLAGS[] = { "forced",  "no decision", "budget", "code failed",
                                     "no code", "bound",       "text" };

const char *rg_verdict_flag_name(unsigned flag)
{
    for (size_t i = 0; i < RG_COUNT(FLAGS); i++)
        if (flag == 1u << i)
            return FLAGS[i];
    return NULL;
}
