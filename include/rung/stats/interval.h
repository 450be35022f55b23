/* interval.h - what n answers of which c are right tell about a rate. */
#ifndef RUNG_STATS_INTERVAL_H
#define RUNG_STATS_INTERVAL_H

#include <stddef.h>

#include "rung/base/api.h"

RG_API_BEGIN

#define RG_Z95 1.959963984540054    /* two-sided 95 % of the normal distribution */

typedef struct rg_interval {
    double low, high;
} rg_interval;

/* Wilson's score interval of c right out of n at z standard deviations (RG_Z95); always inside
 * [0, 1], never empty; n == 0 gives [0, 1].  c <= n; a mean of shares gives a c that is not whole.
 * Source: Wilson, "Probable inference, the law of succession, ...", 1927. */
rg_interval rg_wilson(double c, size_t n, double z);

/* Unbiased estimate of P(at least one of k samples is right) from n samples with c right:
 *
 *     1 - C(n-c, k) / C(n, k)  =  1 - prod_{j = n-c+1 .. n} (1 - k/j)
 *
 * 1 when n - c < k.  1 <= k <= n, c <= n.
 * Source: Chen et al., "Evaluating large language models trained on code", 2021, section 2.1. */
double rg_pass_at_k(size_t n, size_t c, size_t k);

RG_API_END
#endif
