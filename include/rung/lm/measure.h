/* measure.h - how well a model predicts text, and how far one path is from another. */
#ifndef RUNG_LM_MEASURE_H
#define RUNG_LM_MEASURE_H

#include <stddef.h>

#include "rung/base/api.h"
#include "rung/lm/lm.h"

RG_API_BEGIN

/* Perplexity in llama.cpp's protocol: the text is tokenised once, cut into chunks of ctx
 * tokens; where the vocabulary wants a BOS the first id of each chunk is replaced by it; the
 * last ctx/2 - 1 tokens of each chunk are scored.
 *   ppl = exp( -(1/n) sum log p )                    se: standard error of the mean, in nats */
typedef struct rg_ppl {
    double ppl, nll, se;
    size_t tokens, chunks;
} rg_ppl;

/* chunks: at most so many (0 = all that are whole).  RG_EARG when the text is shorter than one. */
rg_status rg_perplexity(rg_ppl *out, rg_lm *lm, const int32_t *id, size_t n, size_t ctx, size_t chunks,
                        const rg_call *call, rg_err *e);

/* The same numbers of n log-probabilities; NaN marks a token that nothing predicted. */
rg_ppl rg_ppl_of(const float *logp, size_t n);

/* Mean over the same tokens of KL(p || q) in nats, p = `exact`, q = `fast`; and how often the
 * likeliest token is the same. */
typedef struct rg_kl {
    double mean, max, same_top;
    rg_ppl p, q;
} rg_kl;

rg_status rg_kl_divergence(rg_kl *out, rg_lm *exact, rg_lm *fast, const int32_t *id, size_t n, size_t ctx,
                           size_t chunks, const rg_call *call, rg_err *e);

RG_API_END
#endif
