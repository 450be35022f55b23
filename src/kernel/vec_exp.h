/* vec_exp.h - the numbers behind every level's exp, so that all of them round alike.
 *
 *   n = round(x / ln 2)        by adding 1.5 * 2^23: n is then in the low bits of the sum
 *   r = x - n*ln2              Cody-Waite in two steps; the first fma is exact
 *   e^r = 1 + r + r^2 (E2 + E3 r + E4 r^2 + E5 r^3 + E6 r^4)       |r| <= ln 2 / 2
 *   e^x = 2^n e^r              by adding n to the exponent: never leaves the normal numbers,
 *                              because x below RG_EXP_LO gives 0 and above RG_EXP_HI infinity
 *
 * E2..E6 are the minimax polynomial of relative error for the interval (Remez exchange, the
 * first two coefficients held at 1 so that exp(0) is 1); 3.1e-9 before rounding.
 * Source: Cody & Waite, "Software Manual for the Elementary Functions", 1980, ch. 6. */
#ifndef RUNG_KERNEL_VEC_EXP_H
#define RUNG_KERNEL_VEC_EXP_H

#define RG_EXP_LO    (-87.3f)
#define RG_EXP_HI    88.7f
#define RG_EXP_LOG2E 0x1.715476p+0f
#define RG_EXP_ROUND 0x1.8p+23f
#define RG_EXP_LN2   0x1.62e43p-1f     /* ln 2 to 24 bits ... */
#define RG_EXP_LN2_2 (-0x1.05c61p-29f) /* ... and what is left of it */
#define RG_EXP_E2    0x1.fffffcp-2f
#define RG_EXP_E3    0x1.55549p-3f
#define RG_EXP_E4    0x1.5558f8p-5f
#define RG_EXP_E5    0x1.123b02p-7f
#define RG_EXP_E6    0x1.6a2256p-10f

/* The tanh form of GELU (kernel.h): a = 2 sqrt(2/pi), b = 0.044715 a. */
#define RG_GELU_A 1.5957691216f
#define RG_GELU_B 0.0713548163f

#endif
