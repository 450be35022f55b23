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

static bool is_end_name(rg_str text)
{
    for (size_t k = 0; k < RG_COUNT(end_names); k++)
        if (rg_str_is(text, end_names[k]))
            return true;
    return false;
}

void rg__ends_retype(vocab *v)
{
    for (size_t i = 0; i < v->n; i++)
        if (v->kind[i] == TOK_USER && is_end_name(rg__vocab_text(v, (int32_t)i)))
            v->kind[i] = TOK_CONTROL;
}

rg_status rg__ends_read(uint8_t **out, const vocab *v, const rg_gguf *g, rg_err *e)
{
    static const char *const keys[] = { "tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
                                        "tokenizer.ggml.eom_token_id" };
    uint8_t *ends = rg_calloc(v->n, 1);
    if (ends == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu tokens", v->n);
    for (size_t k = 0; k < RG_COUNT(keys); k++) {
        uint64_t id;
        if (rg_gguf_u64(g, keys[k], &id) && id < v->n)
            ends[id] = 1;
    }
    for (size_t i = 0; i < v->n; i++)
        if (v->kind[i] == TOK_CONTROL && is_end_name(rg__vocab_text(v, (int32_t)i)))
            ends[i] = 1;
    *out = ends;
    return RG_OK;
}
