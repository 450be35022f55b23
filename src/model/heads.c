/* heads.c - what is read off a hidden state besides logits: values and labels. */
#include "rung/model/model.h"

#include "model_int.h"

size_t rg_model_n_values(const rg_model *m)
{
    (void)m;
    return 0;
}

void rg_model_values(const rg_model *m, const float *hidden, float *out)
{
    (void)m;
    (void)hidden;
    (void)out;
}
