/* prompt.h - what a policy is told, by family (spec of test-time scaling, section 3.1). */
#ifndef RUNG_TEXT_PROMPT_H
#define RUNG_TEXT_PROMPT_H

#include "rung/base/api.h"

RG_API_BEGIN

typedef struct rg_policy_prompt {
    const char *name;           /* "default", "llama3", "r1", "none" */
    const char *summary;        /* one line */
    const char *system;         /* NULL = no system message */
    const char *user_suffix;    /* goes behind the problem; NULL = nothing */
} rg_policy_prompt;

const rg_policy_prompt *rg_policy_prompt_find(const char *name);            /* NULL = unknown */
/* Refinement (section 13): what asks for a review of the solution just given, and what hands a
 * review back, before and after the review itself. */
extern const char rg_prompt_review[];
extern const char rg_prompt_revise_lead[];
extern const char rg_prompt_revise_end[];
/* Verifiers that answer Yes or No at once (section 10.2). */
extern const char rg_prompt_direct[];

/* The family a model's name speaks of; "default" when it speaks of none. */
const rg_policy_prompt *rg_policy_prompt_for_model(const char *model_name);

RG_API_END
#endif
