/* Any bytes as a template end in a prompt with well-formed spans or in one sentence. */
#include <stdint.h>
#include <stdlib.h>

#include <jansson.h>

#include "rung/text/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_spans(const rg_rendering *r)
{
    size_t at = 0;
    for (size_t i = 0; i < r->n_spans; i++) {
        if (r->spans[i].begin != at || r->spans[i].end <= at)
            abort();
        at = r->spans[i].end;
    }
    if (at != r->text.n)
        abort();
}

static void render(const rg_template *t, const rg_render_opt *o)
{
    rg_err e = RG_ERR_INIT;
    rg_rendering r;
    if (rg_template_render(t, o, &r, &e) == RG_OK)
        check_spans(&r);
    else if (e.msg[0] == 0 || r.text.p || r.spans)
        abort();
    rg_rendering_free(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rg_template *t;
    rg_err e = RG_ERR_INIT;
    if (rg_template_compile(&t, rg_str_n((const char *)data, size), &e) != RG_OK)
        return 0;
    json_t *m = json_pack("[{s:s,s:s},{s:s,s:s,s:[{s:{s:s,s:{s:i}}}]}]", "role", "user", "content",
                          "a <|x|> \xC3\xA9", "role", "assistant", "content", "b</think>c", "tool_calls",
                          "function", "name", "f", "arguments", "k", 1);
    rg_render_opt o = {
        .messages = m, .tools = m, .bos = "<s>", .eos = "</s>", .add_generation_prompt = true
    };
    render(t, &o);
    o.continue_final = true;
    o.add_generation_prompt = false;
    render(t, &o);
    json_decref(m);
    rg_template_free(t);
    return 0;
}
