/* encode_int.h - what the encoders share: the searches for scale and min of one run.
 *
 * A run is 16 or 32 consecutive elements under one scale.  All sums have 8 lanes (lane i takes
 * elements i, i + 8, ...), joined by halving, each product rounded on its own: the bytes do not
 * depend on the compiler's choice of vectors. */
#ifndef RUNG_KERNEL_ENCODE_INT_H
#define RUNG_KERNEL_ENCODE_INT_H

#include <stddef.h>
#include <stdint.h>

#define RG__RUN_MAX 32

/* How much an element's squared error counts.
 *   with importance v:  v * sqrt(sigma2 + x^2)      (all modes but IMPORTANCE_ONLY: v)
 *   without:            x^2                          SQUARES, IMPORTANCE_ONLY
 *                       sqrt(sigma2) + |x|           AFFINE
 * sigma2 is the mean square of a longer stretch: without it zeros would not count at all. */
typedef enum rg__weighing { RG__W_SQUARES, RG__W_AFFINE, RG__W_IMPORTANCE_ONLY } rg__weighing;

/* w[0..n) and their sum; importance may be NULL. */
float rg__enc_weights(float *w, const float *x, const float *importance, size_t n, float sigma2,
                      rg__weighing how);
float rg__enc_mean_square(const float *x, size_t n);    /* n a multiple of 8 */

/* The scale s (of either sign) of x ~ s q, q in [-top, top - 1]; 0 when all x are 0. */
float rg__enc_symmetric(const float *x, const float *w, size_t n, float top);
/* x ~ s q + m, q in [0, top]; s >= 0.  below: m <= 0 is wanted (formats that subtract a min). */
void rg__enc_affine(float *s, float *m, const float *x, const float *w, size_t n, float top, int below);
/* x ~ s q over x >= 0, q in [0, top]: the scales of a super-block. */
float rg__enc_levels(const float *x, const float *w, size_t n, float top);
/* x ~ s * codebook, the 16 levels of IQ4. */
float rg__enc_iq4(const float *x, const float *w, size_t n);

/* The same two without a search: the scale that just spans the run. */
float rg__enc_span_symmetric(const float *x, size_t n, float top);
void rg__enc_span_affine(float *s, float *m, const float *x, size_t n, float top);

/* q = round half to even((x - m) / s), kept in [lo, hi], plus `add`; s == 0 gives q of 0. */
void rg__enc_round(uint8_t *q, const float *x, size_t n, float s, float m, float lo, float hi, float add);
void rg__enc_round_iq4(uint8_t *q, const float *x, size_t n, float s);

/* f16 bits of a scale; past the largest f16 it stays there. */
uint16_t rg__enc_half(float v);

/* One super-block of 256; importance (256) or NULL. */
void rg__enc_k(uint8_t *out, const float *x, const float *importance, uint32_t type);

#endif
