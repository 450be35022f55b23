/* ends.c - which tokens end a turn or a text. */
#include <string.h>

#include "rung/base/mem.h"
#include "tokenizer_int.h"

/* As the families we know spell them. */
static const char *const end_names[] = {
    "<|im_end|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|end|>",
    "<|end_of_turn|>",
    "<|return|>",
    "<|call|>",
    "<end_of_turn>",
    "<end_of_utterance>",
    "</s>",
    "<eos>",
    "<EOT>",
    "<\357\275\234end\342\226\201of\342\226\201sentence\357\275\234>", /* DeepSeek: wide bars, in UTF-8 */
};

bool rg__is_end_name(rg_str text)
{
    for (size_t k = 0; k < RG_COUNT(end_names); k++)
        if (rg_str_is(text, end_names[k]))
            return true;
    return false;
}

void rg__ends_retype(vocab *v)
{
    for (size_t i = 0; i < v->n; i++)
        if (v->kind[i] == TOK_USER && rg__is_end_name(rg__vocab_text(v, (int32_t)i)))
            v->kind[i] = TOK_CONTROL;
}

rg_status rg__ends_read(uint8_t **out, const vocab *v, const tok_decl *d, rg_err *e)
{
    static const tok_special_id which[] = { ID_EOS, ID_EOT, ID_EOM };
    uint8_t *ends = rg_calloc(v->n, 1);
    if (ends == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu tokens", v->n);
    for (size_t k = 0; k < RG_COUNT(which); k++)
        if (d->id[which[k]] >= 0)
            ends[d->id[which[k]]] = 1;
    for (size_t i = 0; i < v->n; i++)
        if (v->kind[i] == TOK_CONTROL && rg__is_end_name(rg__vocab_text(v, (int32_t)i)))
            ends[i] = 1;
    *out = ends;
    return RG_OK;
}
