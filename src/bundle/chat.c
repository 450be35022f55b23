#include "rung/bundle/chat.h"

#include <string.h>

#include "rung/base/mem.h"

enum { TEXT_MAX = 16 << 20 };

json_t *rg_chat_message(const char *role, rg_str content)
{
    return json_pack("{s:s, s:s%}", "role", role, "content", content.p == NULL ? "" : content.p, content.n);
}

rg_status rg_chat_say(json_t *messages, const char *role, rg_str content, rg_err *e)
{
    rg_buf b = RG_BUF_MAX(TEXT_MAX);
    rg_buf_put_utf8(&b, content);
    rg_status s = rg_buf_check(&b, "a message", e);
    if (s == RG_OK && json_array_append_new(messages, rg_chat_message(role, rg_buf_view(&b))) != 0)
        s = rg_err_set(e, RG_ENOMEM, __FILE__, __LINE__, "no memory for a conversation");
    rg_buf_free(&b);
    return s;
}

static rg_status put_bos(rg_ids *ids, const rg_tokenizer *t, rg_err *e)
{
    const int32_t bos = rg_token_bos(t);
    return rg_token_adds_bos(t) && bos >= 0 ? rg_ids_push(ids, bos, e) : RG_OK;
}

rg_status rg_text_ids(rg_ids *ids, const rg_bundle *b, rg_str text, rg_special special, rg_err *e)
{
    const rg_tokenizer *t = rg_bundle_tokenizer(b);
    RG_TRY(put_bos(ids, t, e));
    return rg_tokenize(t, text, special, ids, e);
}

/* Many templates write the BOS themselves: then the vocabulary's wish is already met. */
static rg_status tokenise(rg_ids *ids, const rg_tokenizer *t, const rg_rendering *r, rg_err *e)
{
    rg_ids own = { 0 };
    rg_status s = rg_tokenize_spans(t, rg_buf_view(&r->text), r->spans, r->n_spans, &own, e);
    if (s == RG_OK && (own.n == 0 || own.id[0] != rg_token_bos(t)))
        s = put_bos(ids, t, e);
    if (s == RG_OK)
        s = rg_ids_append(ids, own.id, own.n, e);
    rg_ids_free(&own);
    return s;
}

static char *token_text(const rg_tokenizer *t, int32_t id)
{
    const rg_str s = id < 0 ? rg_str_of("") : rg_token_text(t, id);
    return rg_strndup(s.p, s.n);
}

static rg_status render(rg_rendering *r, const rg_bundle *b, const json_t *messages, const rg_chat_opt *o,
                        rg_err *e)
{
    const rg_template *tpl;
    RG_TRY(rg_bundle_template(&tpl, b, e));
    if (tpl == NULL)
        RG_FAIL(e, RG_EARG, "%s carries no chat template: give one with --template (chatml, llama3, a file)",
                rg_bundle_name(b));
    const rg_tokenizer *t = rg_bundle_tokenizer(b);
    char *bos = token_text(t, rg_token_bos(t)), *eos = token_text(t, rg_token_eos(t));
    const rg_render_opt ro = { .messages = messages,
                               .kwargs = o->kwargs,
                               .bos = bos,
                               .eos = eos,
                               .add_generation_prompt = o->add_generation_prompt,
                               .continue_final = o->continue_final,
                               .now_unix = o->now_unix };
    const rg_status s = bos == NULL || eos == NULL
                            ? rg_err_set(e, RG_ENOMEM, __FILE__, __LINE__, "no memory for a conversation")
                            : rg_template_render(tpl, &ro, r, e);
    rg_free(bos);
    rg_free(eos);
    return s;
}

rg_status rg_chat_ids(rg_ids *ids, const rg_bundle *b, const json_t *messages, const rg_chat_opt *o,
                      rg_err *e)
{
    rg_rendering r = { .text = RG_BUF_MAX(TEXT_MAX) };
    rg_status s = render(&r, b, messages, o, e);
    if (s == RG_OK)
        s = tokenise(ids, rg_bundle_tokenizer(b), &r, e);
    rg_rendering_free(&r);
    return s;
}

/* ---- going on with a conversation ---- */

static size_t trimmed(rg_str s)
{
    while (s.n > 0 && strchr(" \t\r\n", s.p[s.n - 1]) != NULL)
        s.n--;
    return s.n;
}

/* The spans of r from byte `begin` on, as a rendering of their own. */
static rg_status tokenise_from(rg_ids *ids, const rg_tokenizer *t, const rg_rendering *r, size_t begin,
                               rg_err *e)
{
    rg_span *cut = rg_alloc(r->n_spans + 1, sizeof *cut);
    size_t n = 0;
    if (cut == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for a conversation");
    for (size_t i = 0; i < r->n_spans; i++)
        if (r->spans[i].end > begin)
            cut[n++] = (rg_span){ RG_MAX(r->spans[i].begin, begin) - begin, r->spans[i].end - begin,
                                  r->spans[i].scaffold };
    const rg_status s = rg_tokenize_spans(t, rg_str_n(r->text.p + begin, r->text.n - begin), cut, n, ids, e);
    rg_free(cut);
    return s;
}

rg_status rg_chat_ids_on(rg_ids *ids, bool *fits, const rg_bundle *b, const json_t *before,
                         const json_t *after, const rg_chat_opt *o, rg_err *e)
{
    rg_rendering old = { .text = RG_BUF_MAX(TEXT_MAX) }, new = { .text = RG_BUF_MAX(TEXT_MAX) };
    rg_chat_opt open = *o;
    open.add_generation_prompt = false;
    open.continue_final = true;
    *fits = false;
    rg_status s = render(&old, b, before, &open, e);
    if (s == RG_OK)
        s = render(&new, b, after, o, e);
    if (s == RG_OK) {
        const size_t n = trimmed(rg_buf_view(&old.text));
        *fits = n > 0 && new.text.n >= n &&memcmp(old.text.p, new.text.p, n) == 0;
        if (*fits) {
            size_t at = n; /* blanks that both have stand in the node already */
            while (at < old.text.n && at < new.text.n &&old.text.p[at] == new.text.p[at])
                at++;
            s = tokenise_from(ids, rg_bundle_tokenizer(b), &new, at, e);
        }
    }
    rg_rendering_free(&old);
    rg_rendering_free(&new);
    return s;
}
