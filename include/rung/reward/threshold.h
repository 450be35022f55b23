/* threshold.h - step scores to a label, and the threshold that labels best.
 *
 * A step is right iff its score is at least the threshold; the first step that is not is the first
 * error.  Of the solutions with an error the share whose first error is found exactly, of those without
 * the share in which none is found: F1 is the harmonic mean of the two shares.
 * Source: Zheng et al. 2024, "ProcessBench" (arXiv 2412.06559), section 2. */
#ifndef RUNG_REWARD_THRESHOLD_H
#define RUNG_REWARD_THRESHOLD_H

#include <stddef.h>
#include <stdint.h>

#include "rung/base/api.h"
#include "rung/base/err.h"

RG_API_BEGIN

typedef struct rg_labelled {    /* a solution with its scores and the truth */
    const double *r;            /* n; NaN: the verifier could not tell, which is no error */
    size_t        n;
    int64_t       first_error;  /* -1 = none */
} rg_labelled;

typedef struct rg_threshold {
    double theta;
    double acc_error, acc_correct, f1;  /* 0 to 1; F1 is 0 when both shares are */
    size_t n_error, n_correct;
} rg_threshold;

int64_t rg_first_error(const double *r, size_t n, double theta);        /* -1 = none */
rg_threshold rg_threshold_at(double theta, const rg_labelled *s, size_t n);

/* The observed score that makes F1 largest as a threshold; the smallest of those that do.  RG_EARG when
 * solutions with or without an error are missing, or a label lies outside its solution. */
rg_status rg_threshold_tune(rg_threshold *out, const rg_labelled *s, size_t n, rg_err *e);

RG_API_END
#endif
