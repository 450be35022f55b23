/* heads.c - what is read off a hidden state besides logits: a reward, or the logits of a few
 * labels.  The weights stay in 32 bits and the sums run in one order, so that a value's bits
 * depend on its hidden row alone. */
#include "rung/model/model.h"

#include "model_int.h"

enum { MAX_VALUES = 64, LANES = 16 };

/* ---- its tensors ---- */

static rg_status find_bias(const float **out, rg_weights *ws, const char *name, size_t n, rg_err *e)
{
    return rg_weights_find(ws, name) == NULL ? RG_OK : rg_weights_vector(out, ws, name, n, e);
}

rg_status rg__find_values(value_head *v, const rg_model_config *c, rg_weights *ws, rg_err *e)
{
    const size_t C = c->n_embd;
    const rg_weight *w = rg_weights_find(ws, "cls.output.weight");
    if (w == NULL)
        return RG_OK; /* cls.weight alone has no place: the table of tensors says so */
    if (w->R > MAX_VALUES)
        RG_FAIL(e, RG_EFORMAT, "tensor cls.output.weight has %zu outputs: a value head has 1 to %d", w->R,
                MAX_VALUES);
    v->n = w->R;
    RG_TRY(rg_weights_floats(&v->w2, ws, w->name, v->n, C, e));
    RG_TRY(find_bias(&v->b2, ws, "cls.output.bias", v->n, e));
    if (rg_weights_find(ws, "cls.weight") == NULL)
        return RG_OK;
    RG_TRY(rg_weights_floats(&v->w1, ws, "cls.weight", C, C, e));
    return find_bias(&v->b1, ws, "cls.bias", C, e);
}

/* ---- its values ---- */

/* Lanes of their own, added up in order: the compiler may use vectors, the bits stay. */
static float dot(const float *a, const float *b, size_t n)
{
    float lane[LANES] = { 0 };
    double sum = 0;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t k = 0; k < LANES; k++)
            lane[k] += a[i + k] * b[i + k];
    for (size_t k = 0; k < LANES; k++)
        sum += (double)lane[k];
    for (; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return (float)sum;
}

static void one_layer(const value_head *v, const float *h, size_t C, float *out)
{
    for (size_t i = 0; i < v->n; i++)
        out[i] = dot(v->w2 + i * C, h, C) + (v->b2 == NULL ? 0 : v->b2[i]);
}

/* The inner layer is never stored: each of its units goes into all outputs at once. */
static void two_layers(const value_head *v, const float *h, size_t C, float *out)
{
    double sum[MAX_VALUES] = { 0 };
    for (size_t j = 0; j < C; j++) {
        const float x = dot(v->w1 + j * C, h, C) + (v->b1 == NULL ? 0 : v->b1[j]);
        for (size_t i = 0; i < v->n && x > 0; i++)
            sum[i] += (double)x * (double)v->w2[i * C + j];
    }
    for (size_t i = 0; i < v->n; i++)
        out[i] = (float)(sum[i] + (v->b2 == NULL ? 0.0 : (double)v->b2[i]));
}

size_t rg_model_n_values(const rg_model *m)
{
    return m->value.n;
}

void rg_model_values(const rg_model *m, const float *hidden, float *out)
{
    if (m->value.w1 == NULL)
        one_layer(&m->value, hidden, m->c.n_embd, out);
    else
        two_layers(&m->value, hidden, m->c.n_embd, out);
}
