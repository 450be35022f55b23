/* direct.h - a chat model says Yes or No to every step: r = P(Yes) / (P(Yes) + P(No)).
 *
 * The conversation (GenPRM, arXiv 2504.00891, eq. 3; spec of test-time scaling, section 10):
 *
 *     system     review the paragraphs, answer \boxed{Yes} or \boxed{No}
 *     user       problem, step 1          assistant  \boxed{Yes}
 *     user       step 2                   assistant  \boxed{Yes}
 *     ...
 *     user       step t                   assistant  \boxed{        <- read here
 *
 * Earlier turns are always answered Yes, so a verdict depends on its path alone and a step's
 * conversation is its parent's, gone on with: every token is computed once.  Steps beyond the model's
 * context get no number (NaN). */
#ifndef RUNG_REWARD_DIRECT_H
#define RUNG_REWARD_DIRECT_H

#include "rung/base/api.h"
#include "rung/base/opt.h"
#include "rung/lm/lm.h"
#include "rung/reward/verifier.h"

RG_API_BEGIN

typedef struct rg_direct_opt {
    const char *system;         /* the system message; NULL = rg_prompt_direct */
    bool        question;       /* "Question: " stands in front of the problem */
} rg_direct_opt;
extern const rg_opt rg_direct_table[];

/* Any chat model, here or elsewhere. */
rg_status rg_direct_new(rg_verifier **out, rg_lm *lm, const rg_direct_opt *o, rg_err *e);

RG_API_END
#endif
