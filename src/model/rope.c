/* rope.c - rotary positions: how fast each pair of dimensions turns, and the angles of a place.
 *
 *   pair i turns by pos * f_i,  f_i = base^(-2i / d)            (Su et al. 2021, eq. 15)
 *   linear scaling, YaRN        f_i over a factor, for YaRN only where the pair turns slowly
 *   Llama 3, LongRoPE           f_i over a divisor of its own, a tensor of the file
 *
 * Sources: Peng et al., "YaRN", 2023, section 3.2; Ding et al., "LongRoPE", 2024. */
#include <math.h>

#include "rung/base/mem.h"

#include "model_int.h"

/* The pair, as a real number, that turns `turns` times within the original context. */
static double pair_of(const rg_model_config *c, double turns)
{
    const double d = (double)c->rope_dim;
    return d * log((double)c->rope_ctx_orig / (turns * 2 * M_PI)) / (2 * log(c->rope_base));
}

/* Share of the scaled frequency in pair i: 0 where it turns fast, 1 where it turns slowly. */
static double yarn_ramp(const rg_model_config *c, size_t i)
{
    const double low = fmax(floor(pair_of(c, c->rope_beta_fast)), 0);
    const double high = fmin(ceil(pair_of(c, c->rope_beta_slow)), (double)c->rope_dim - 1);
    const double x = ((double)i - low) / (high == low ? 0.001 : high - low);
    return fmin(fmax(x, 0), 1);
}

static double frequency(const rg_model_config *c, rope_set set, const float *divisors, size_t i)
{
    const bool local = set == ROPE_LOCAL;
    const double base = local ? c->rope_base_local : c->rope_base;
    const double whole = pow(base, -2.0 * (double)i / (double)c->rope_dim);
    double f = local ? whole : whole / c->rope_factor;
    if (!local && c->rope_beta_fast > 0) {
        const double share = yarn_ramp(c, i);
        f = f * share + whole * (1 - share);
    }
    return divisors == NULL ? f : f / (double)divisors[i];
}

static rg_status add_set(rg_model *m, rope_set set, const float *divisors, rg_err *e)
{
    const size_t half = m->c.rope_dim / 2;
    m->freq[set] = rg_alloc(half, sizeof(double));
    if (m->freq[set] == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu rope frequencies", half);
    for (size_t i = 0; i < half; i++) {
        m->freq[set][i] = frequency(&m->c, set, divisors, i);
        if (!isfinite(m->freq[set][i]))
            RG_FAIL(e, RG_EFORMAT, "rope frequency %zu is not finite: is a divisor 0?", i);
    }
    return RG_OK;
}

rg_status rg__rope_init(rg_model *m, rg_weights *ws, rg_err *e)
{
    static const char all[] = "rope_freqs.weight", near[] = "rope_factors_short.weight",
                      far[] = "rope_factors_long.weight";
    const size_t half = m->c.rope_dim / 2;
    const float *divisors = NULL, *long_divisors = NULL;
    if (rg_weights_find(ws, all) != NULL)
        RG_TRY(rg_weights_vector(&divisors, ws, all, half, e));
    if (rg_weights_find(ws, near) != NULL || rg_weights_find(ws, far) != NULL) {
        if (divisors != NULL || m->c.rope_ctx_orig == 0)
            RG_FAIL(e, RG_EFORMAT, "%s needs the original context length, and no %s beside it", near, all);
        RG_TRY(rg_weights_vector(&divisors, ws, near, half, e));
        RG_TRY(rg_weights_vector(&long_divisors, ws, far, half, e));
        RG_TRY(add_set(m, ROPE_LONG, long_divisors, e));
    }
    if (m->c.rope_base_local != 0)
        RG_TRY(add_set(m, ROPE_LOCAL, NULL, e));
    return add_set(m, ROPE_GLOBAL, divisors, e);
}

void rg__rope_free(rg_model *m)
{
    for (size_t i = 0; i < N_ROPE_SETS; i++)
        rg_free(m->freq[i]);
}

void rg__rope_angles(float *cs, const rg_model *m, rope_set set, size_t pos)
{
    const size_t half = m->c.rope_dim / 2;
    const double by = set == ROPE_LOCAL || m->c.rope_attn_factor == 0 ? 1 : m->c.rope_attn_factor;
    for (size_t i = 0; i < half; i++) {
        const double angle = (double)pos * m->freq[set][i];
        cs[i] = (float)(cos(angle) * by);
        cs[half + i] = (float)(sin(angle) * by);
    }
}
