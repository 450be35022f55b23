#include "rung/reward/scorers.h"

#include <math.h>

#include "rung/grade/grade.h"

static rg_status score_logp(void *self, rg_node **v, size_t n, const rg_call *call, rg_err *e)
{
    (void)self;
    (void)call;
    (void)e;
    for (size_t i = 0; i < n; i++)
        v[i]->score = v[i]->tokens == 0 ? NAN : v[i]->logp / (double)v[i]->tokens;
    return RG_OK;
}

rg_scorer rg_scorer_logp(void)
{
    const rg_scorer s = { .name = "logp", .scale = RG_RAW, .score = score_logp };
    return s;
}

static rg_status score_confidence(void *self, rg_node **v, size_t n, const rg_call *call, rg_err *e)
{
    RG_TRY(score_logp(self, v, n, call, e));
    for (size_t i = 0; i < n; i++)
        v[i]->score = exp(v[i]->score);
    return RG_OK;
}

rg_scorer rg_scorer_confidence(void)
{
    const rg_scorer s = { .name = "confidence", .scale = RG_PROBABILITY, .score = score_confidence };
    return s;
}

static rg_status score_oracle(void *self, rg_node **v, size_t n, const rg_call *call, rg_err *e)
{
    const rg_oracle *o = self;
    for (size_t i = 0; i < n; i++) {
        RG_TRY(rg_call_check(call, e));
        const rg_str answer = o->answer_of(o->arg, v[i]);
        if (!v[i]->terminal)
            continue; /* NaN: nothing to compare yet */
        v[i]->score = answer.n > 0 && rg_grade(o->gold, answer, NULL).verdict == RG_EQUAL ? 1.0 : 0.0;
    }
    return RG_OK;
}

rg_scorer rg_scorer_oracle(rg_oracle *o)
{
    const rg_scorer s = { .self = o, .name = "oracle", .scale = RG_PROBABILITY, .score = score_oracle };
    return s;
}
