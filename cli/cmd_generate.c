/* cmd_generate.c - `rung generate`: text goes on, as it is or as a chat turn. */
#include "engine.h"

#include <string.h>
#include <time.h>

#include "rung/base/mem.h"
#include "rung/base/rng.h"
#include "rung/bundle/chat.h"

typedef struct opts {
    const char *prompt, *file, *system, *assistant;
    bool chat, allow_special, prompt_logprobs, raw, ignore_eos;
    int64_t n, logprobs;
    rg_opt_list named;
} opts;

#define O(field) offsetof(opts, field)
static const rg_opt table[] = {
    { "prompt", "p", RG_OPT_STR, O(prompt), NULL, 0, 0, NULL, "TEXT", "the text to go on from" },
    { "file", "f", RG_OPT_STR, O(file), NULL, 0, 0, NULL, "PATH", "a file with it; - = stdin" },
    { "chat", NULL, RG_OPT_FLAG, O(chat), NULL, 0, 0, NULL, NULL,
      "as a user's turn through the model's chat template" },
    { "system", "sys,system-prompt", RG_OPT_STR, O(system), NULL, 0, 0, NULL, "TEXT",
      "system message (implies --chat)" },
    { "assistant", NULL, RG_OPT_STR, O(assistant), NULL, 0, 0, NULL, "TEXT",
      "the beginning of the answer: the turn stays open and goes on from there (implies --chat)" },
    { "budget", "N,n-samples,num-generations", RG_OPT_INT, O(n), "1", 1, 512, NULL, "N",
      "so many continuations, each with its own random stream" },
    { "logprobs", "top-logprobs", RG_OPT_INT, O(logprobs), "0", 0, 100, NULL, "K",
      "with --json: the K likeliest tokens at each place" },
    { "logprob-token", NULL, RG_OPT_LIST, O(named), NULL, 0, 0, NULL, "ID|TEXT",
      "with --json: log-probability of this token at each place; may be repeated" },
    { "prompt-logprobs", NULL, RG_OPT_FLAG, O(prompt_logprobs), NULL, 0, 0, NULL, NULL,
      "with --json: log-probabilities of the prompt's own tokens" },
    { "allow-special", NULL, RG_OPT_FLAG, O(allow_special), NULL, 0, 0, NULL, NULL,
      "text like <|im_end|> in the prompt becomes the control token" },
    { "ignore-eos", NULL, RG_OPT_FLAG, O(ignore_eos), NULL, 0, 0, NULL, NULL, "go on after an end token" },
    { "raw", NULL, RG_OPT_FLAG, O(raw), NULL, 0, 0, NULL, NULL, "print control bytes as they are" },
    { 0 },
};

/* ---- prompt ---- */

static rg_status chat_ids(rg_ids *ids, const rg_bundle *b, const opts *o, rg_str text, rg_err *e)
{
    json_t *m = json_array();
    const bool open = o->assistant != NULL;
    const bool ok =
        (o->system == NULL ||
         json_array_append_new(m, rg_chat_message("system", rg_str_of(o->system))) == 0) &&
        json_array_append_new(m, rg_chat_message("user", text)) == 0 &&
        (!open || json_array_append_new(m, rg_chat_message("assistant", rg_str_of(o->assistant))) == 0);
    const rg_chat_opt co = { .add_generation_prompt = !open, .continue_final = open, .now_unix = time(NULL) };
    const rg_status s = ok ? rg_chat_ids(ids, b, m, &co, e)
                           : rg_err_set(e, RG_EFORMAT, __FILE__, __LINE__, "the prompt is not UTF-8 text");
    json_decref(m);
    return s;
}

static rg_status prompt_ids(rg_ids *ids, const rg_bundle *b, const opts *o, rg_str text, rg_err *e)
{
    if (o->chat || o->system != NULL || o->assistant != NULL)
        return chat_ids(ids, b, o, text, e);
    return rg_text_ids(ids, b, text, o->allow_special ? RG_SPECIAL_ALL : RG_SPECIAL_NONE, e);
}

static rg_status named_ids(int32_t **out, const rg_tokenizer *t, const rg_opt_list *names, rg_err *e)
{
    *out = rg_calloc(names->n, sizeof **out);
    if (*out == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu token names", names->n);
    for (size_t i = 0; i < names->n; i++) {
        int64_t id = rg_token_find(t, rg_str_of(names->item[i]));
        if (id < 0 && !rg_parse_i64(&id, names->item[i]))
            RG_FAIL(e, RG_EARG, "--logprob-token %s is no token of this vocabulary, nor an id",
                    names->item[i]);
        if (id < 0 || (size_t)id >= rg_vocab_size(t))
            RG_FAIL(e, RG_EARG, "--logprob-token %s: the vocabulary has ids 0..%zu", names->item[i],
                    rg_vocab_size(t) - 1);
        (*out)[i] = (int32_t)id;
    }
    return RG_OK;
}

/* ---- output ---- */

typedef struct printing {
    cli_args *a;
    const opts *o;
    const rg_tokenizer *t;
    const int32_t *named;
    size_t streamed;
    rg_buf json;
    const float *prompt_logp; /* of prompt ids, or NULL */
    const rg_ids *prompt;
    rg_status status;
    rg_err *e;
} printing;

static void put_text(printing *p, rg_str text)
{
    rg_buf b = RG_BUF_MAX(1 << 26);
    if (p->o->raw)
        rg_buf_str(&b, text);
    else
        cli_put_text(&b, text);
    const rg_status s = cli_print(&b, p->e);
    if (p->status == RG_OK)
        p->status = s;
}

static void on_event(void *arg, const rg_event *ev)
{
    printing *p = arg;
    if (ev->kind == RG_EV_NODE_TOKEN) {
        put_text(p, ev->text);
        p->streamed += ev->text.n;
    } else
        cli_sink(&p->a->view, ev);
}

static void put_token(rg_buf *b, const rg_tokenizer *t, int32_t id, double logp)
{
    rg_buf piece = RG_BUF_MAX(1 << 20);
    rg_detokenize(t, id, true, &piece);
    rg_buf_printf(b, "{\"id\":%d,\"token\":\"", id);
    rg_buf_json_escape(b, piece.p == NULL ? rg_str_of("") : rg_buf_view(&piece));
    if (logp == logp)
        rg_buf_printf(b, "\",\"logprob\":%.9g", logp);
    else
        rg_buf_puts(b, "\",\"logprob\":null");
    rg_buf_free(&piece);
}

static void put_top(printing *p, const rg_gen_out *out, size_t i)
{
    const size_t K = (size_t)p->o->logprobs;
    rg_buf_puts(&p->json, ",\"top_logprobs\":[");
    for (size_t k = 0; k < K; k++) {
        rg_buf_puts(&p->json, k ? "," : "");
        put_token(&p->json, p->t, out->top[i * K + k].id, (double)out->top[i * K + k].logp);
        rg_buf_puts(&p->json, "}");
    }
    rg_buf_puts(&p->json, "]");
}

static void put_named(printing *p, const rg_gen_out *out, size_t i)
{
    const size_t n = p->o->named.n;
    rg_buf_puts(&p->json, ",\"named_logprobs\":[");
    for (size_t k = 0; k < n; k++) {
        rg_buf_puts(&p->json, k ? "," : "");
        put_token(&p->json, p->t, p->named[k], (double)out->named[i * n + k]);
        rg_buf_puts(&p->json, "}");
    }
    rg_buf_puts(&p->json, "]");
}

static void put_json(printing *p, size_t index, const rg_gen_out *out)
{
    rg_buf *b = &p->json;
    rg_buf_printf(b, "%s{\"index\":%zu,\"text\":\"", index ? "," : "", index);
    rg_buf_json_escape(b, rg_str_n(out->text.p, out->stop_at));
    rg_buf_printf(b, "\",\"finish\":\"%s\",\"tokens\":%zu,\"logprob_sum\":%.17g,\"logprobs\":[",
                  rg_finish_name(out->finish), out->n, out->logp_sum);
    for (size_t i = 0; i < out->n; i++) {
        rg_buf_puts(b, i ? "," : "");
        put_token(b, p->t, out->id[i], (double)out->logp[i]);
        if (p->o->logprobs > 0)
            put_top(p, out, i);
        if (p->o->named.n > 0)
            put_named(p, out, i);
        rg_buf_puts(b, "}");
    }
    rg_buf_puts(b, "]}");
}

static rg_go on_done(void *arg, size_t index, const rg_gen_out *out)
{
    printing *p = arg;
    if (p->a->common.json)
        put_json(p, index, out);
    else if (p->o->n > 1) {
        rg_buf head = RG_BUF_MAX(256);
        rg_buf_printf(&head, "%s--- %zu (%zu tokens, %s)\n", index ? "\n" : "", index, out->n,
                      rg_finish_name(out->finish));
        (void)cli_print(&head, p->e);
        put_text(p, rg_str_n(out->text.p, out->stop_at));
    }
    rg_lm_release(out->node);
    return p->status == RG_OK ? RG_GO_ON : RG_ENOUGH;
}

static rg_status finish(printing *p, uint64_t seed)
{
    rg_buf b = RG_BUF_MAX((size_t)1 << 32);
    if (!p->a->common.json) {
        rg_buf_puts(&b, "\n");
        return cli_print(&b, p->e);
    }
    rg_buf_printf(&b, "{\"seed\":%llu,\"prompt_tokens\":%zu", (unsigned long long)seed, p->prompt->n);
    if (p->prompt_logp != NULL) {
        rg_buf_puts(&b, ",\"prompt_logprobs\":[");
        for (size_t i = 0; i < p->prompt->n; i++) {
            rg_buf_puts(&b, i ? "," : "");
            put_token(&b, p->t, p->prompt->id[i], (double)p->prompt_logp[i]);
            rg_buf_puts(&b, "}");
        }
        rg_buf_puts(&b, "]");
    }
    rg_buf_puts(&b, ",\"choices\":[");
    rg_buf_str(&b, rg_buf_view(&p->json));
    rg_buf_puts(&b, "]}\n");
    return cli_print(&b, p->e);
}

/* ---- the verb ---- */

static rg_status score_prompt(float **out, rg_lm *lm, const rg_ids *ids, const rg_call *call, rg_err *e)
{
    rg_lm_node *root = rg_lm_root(lm);
    *out = rg_calloc(ids->n, sizeof **out);
    rg_status s = root == NULL || *out == NULL
                      ? rg_err_set(e, RG_ENOMEM, __FILE__, __LINE__, "no memory to score the prompt")
                      : RG_OK;
    if (s == RG_OK) {
        rg_score one = { .from = root, .id = ids->id, .n = ids->n, .logp = *out };
        s = rg_lm_score(lm, &one, 1, call, e);
    }
    rg_lm_release(root);
    return s;
}

static rg_status generate(printing *p, rg_lm *lm, const cli_sampling *so, const rg_sampling *sampling,
                          uint64_t seed, rg_err *e)
{
    rg_call call = cli_call(p->a);
    rg_lm_node *node = NULL;
    float *logp = NULL;
    rg_gen *gen = rg_calloc((size_t)p->o->n, sizeof *gen);
    if (gen == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %lld branches", (long long)p->o->n);
    rg_status s = rg_lm_node_for(&node, lm, NULL, p->prompt->id, p->prompt->n, e);
    if (s == RG_OK && p->o->prompt_logprobs)
        s = score_prompt(&logp, lm, p->prompt, &call, e);
    const bool stream = !p->a->common.json && p->o->n == 1;
    for (size_t i = 0; i < (size_t)p->o->n; i++)
        gen[i] = (rg_gen){ .from = node,
                           .sampling = sampling,
                           .max_tokens = (size_t)so->max_tokens,
                           .stream = rg_stream_child(rg_stream_root(seed, "generate", 8), i),
                           .stop = so->stop.item,
                           .n_stop = so->stop.n,
                           .ignore_end = p->o->ignore_eos,
                           .n_top = (size_t)p->o->logprobs,
                           .named = p->named,
                           .n_named = p->o->named.n,
                           .stream_text = stream };
    call.sink = on_event;
    call.sink_arg = p;
    cli_view_end(&p->a->view);
    if (s == RG_OK)
        s = rg_lm_generate(lm, gen, (size_t)p->o->n, on_done, p, &call, e);
    p->prompt_logp = logp;
    if (s == RG_OK || s == RG_ECANCEL) {
        const rg_status printed = finish(p, seed);
        s = s == RG_OK ? printed : s;
    }
    rg_lm_release(node);
    rg_free(logp);
    rg_free(gen);
    return s == RG_OK ? p->status : s;
}

static int run(const rg_cmd *cmd, int argc, char **argv)
{
    opts o;
    cli_model m;
    cli_sampling so;
    const rg_opt_group groups[] = { { "Text", table, &o },
                                    { "Sampling", cli_sampling_table, &so },
                                    { "Model", cli_model_table, &m } };
    cli_args a;
    rg_err e = RG_ERR_INIT;
    rg_engine *x = NULL;
    rg_ids ids = { 0 };
    rg_sampling sampling;
    rg_bias *bias = NULL;
    int32_t *named = NULL;
    char *text = NULL;
    size_t n = 0;
    rg_status s;
    printing p = { .a = &a, .o = &o, .json = RG_BUF_MAX((size_t)1 << 31), .e = &e };
    const int code = cli_open(&a, cmd, groups, RG_COUNT(groups), argc, argv);
    if (code >= 0)
        return code;

    const rg_call call = cli_call(&a);
    const uint64_t seed = cli_seed(&so);
    RG_GO(s, done, cli_sampling_of(&sampling, &bias, &so, &e));
    RG_GO(s, done, cli_text(&text, &n, &a, o.prompt, o.file, &e));
    RG_GO(s, done, cli_engine(&x, &m, &call, &e));
    p.t = rg_bundle_tokenizer(rg_engine_bundle(x));
    RG_GO(s, done, named_ids(&named, p.t, &o.named, &e));
    RG_GO(s, done, prompt_ids(&ids, rg_engine_bundle(x), &o, rg_str_n(text, n), &e));
    p.named = named;
    p.prompt = &ids;
    cli_view_end(&a.view);
    cli_first_line(&a, x, seed, "");
    s = generate(&p, rg_engine_lm(x), &so, &sampling, seed, &e);
done:
    rg_buf_free(&p.json);
    rg_ids_free(&ids);
    rg_free(named);
    rg_free(bias);
    rg_engine_close(x);
    rg_free(text);
    return cli_close(&a, s, &e);
}

const rg_cmd rg_cmd_generate = { "generate", "go on from a text", "[flags] [TEXT]", run };
