/* orm.h - an outcome reward model: a value head read at the last token of a whole conversation, one
 * number an answer.
 *
 * The conversation is [system,] problem, answer, as the model's chat template writes it; without a
 * template, the problem, a new line, the answer and the end token.  The steps of an answer are joined by
 * blank lines.  Of a head with two outputs the second one's probability is the number. */
#ifndef RUNG_REWARD_ORM_H
#define RUNG_REWARD_ORM_H

#include "rung/base/api.h"
#include "rung/base/opt.h"
#include "rung/lm/lm.h"
#include "rung/reward/verifier.h"

RG_API_BEGIN

typedef struct rg_orm_opt {
    bool        raw;            /* a head of one value: the value itself, not its sigmoid */
    const char *system;         /* the system message; NULL = none */
} rg_orm_opt;
extern const rg_opt rg_orm_table[];

/* A model in this process, with a value head of one or two outputs. */
rg_status rg_orm_new(rg_verifier **out, rg_lm *lm, const rg_orm_opt *o, rg_err *e);

RG_API_END
#endif
