/* scorers.h - verifiers that need no second model: the policy's own certainty, and the answer key. */
#ifndef RUNG_REWARD_SCORERS_H
#define RUNG_REWARD_SCORERS_H

#include "rung/base/api.h"
#include "rung/base/buf.h"
#include "rung/search/search.h"

RG_API_BEGIN

/* Mean log-probability per token of the node's own tokens (nats, <= 0).  Free: the engine had
 * the logits anyway. */
rg_scorer rg_scorer_logp(void);
/* The same as a probability: the geometric mean of the own tokens' probabilities, in (0, 1]. */
rg_scorer rg_scorer_confidence(void);

/* 1 when the node's answer equals the reference, else 0; NaN where nothing is answered yet.  An
 * upper bound, never a method.
 * answer_of borrows the extracted answer of a node (n = 0: none). */
typedef struct rg_oracle {
    rg_str gold;
    rg_str (*answer_of)(void *arg, const rg_node *v);
    void   *arg;
} rg_oracle;
rg_scorer rg_scorer_oracle(rg_oracle *o);

RG_API_END
#endif
