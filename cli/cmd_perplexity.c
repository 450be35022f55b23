/* cmd_perplexity.c - `rung perplexity`: how well a model predicts a text. */
#include "engine.h"

#include "rung/bundle/chat.h"

#include "rung/base/mem.h"
#include "rung/lm/measure.h"

#include "score_rows.h"

typedef struct opts {
    const char *prompt, *file, *rows;
    int64_t chunks;
    bool logprobs;
} opts;

static const rg_opt table[] = {
    { "file", "f", RG_OPT_STR, offsetof(opts, file), NULL, 0, 0, NULL, "PATH", "the text; - = stdin" },
    { "prompt", "p", RG_OPT_STR, offsetof(opts, prompt), NULL, 0, 0, NULL, "TEXT", "the text itself" },
    { "chunks", NULL, RG_OPT_INT, offsetof(opts, chunks), "0", 0, 1 << 24, NULL, "N",
      "so many chunks of --ctx-size tokens (512 unless given); 0 = all" },
    { "rows", NULL, RG_OPT_STR, offsetof(opts, rows), NULL, 0, 0, NULL, "FILE",
      "score every row {\"text\":...} or {\"ids\":[...]} of FILE by itself, from its first token; - = "
      "stdin" },
    { "logprobs", NULL, RG_OPT_FLAG, offsetof(opts, logprobs), NULL, 0, 0, NULL, NULL,
      "with --rows and --json: the log-probability of every token" },
    { 0 },
};

static void put_result(rg_buf *b, const rg_ppl *p, bool json)
{
    if (json)
        rg_buf_printf(b, "{\"ppl\":%.17g,\"tokens\":%zu,\"chunks\":%zu,\"nll\":%.17g,\"nll_se\":%.17g}\n",
                      p->ppl, p->tokens, p->chunks, p->nll, p->se);
    else
        rg_buf_printf(b, "perplexity %.4f +- %.4f   %zu tokens in %zu chunks\n", p->ppl, p->ppl * p->se,
                      p->tokens, p->chunks);
}

static rg_status text_perplexity(const cli_args *a, const opts *o, const cli_model *m, const rg_engine *x,
                                 const rg_call *call, rg_str text, rg_err *e)
{
    const size_t ctx = m->ctx == 0 ? 512 : (size_t)m->ctx;
    rg_buf out = RG_BUF_MAX(4096);
    rg_ids ids = { 0 };
    rg_ppl ppl;
    /* BOS in front where the vocabulary wants one, as llama.cpp has it: it moves the chunks by a token */
    rg_status s = rg_text_ids(&ids, rg_engine_bundle(x), text, RG_SPECIAL_NONE, e);
    if (s == RG_OK)
        s = rg_perplexity(&ppl, rg_engine_lm(x), ids.id, ids.n, ctx, (size_t)o->chunks, call, e);
    rg_ids_free(&ids);
    RG_TRY(s);
    put_result(&out, &ppl, a->common.json);
    return cli_print(&out, e);
}

static int run(const rg_cmd *cmd, int argc, char **argv)
{
    opts o;
    cli_model m;
    const rg_opt_group groups[] = { { "Text", table, &o }, { "Model", cli_model_table, &m } };
    cli_args a;
    rg_err e = RG_ERR_INIT;
    rg_engine *x = NULL;
    char *text = NULL;
    size_t n = 0;
    rg_status s;
    const int code = cli_open(&a, cmd, groups, RG_COUNT(groups), argc, argv);
    if (code >= 0)
        return code;

    const rg_call call = cli_call(&a);
    if (o.rows != NULL && (o.prompt != NULL || o.file != NULL || a.pos.n > 0))
        RG_FAIL_GO(s, done, &e, RG_EARG, "--rows names the texts: give no other one");
    if (o.logprobs && (o.rows == NULL || !a.common.json))
        RG_FAIL_GO(s, done, &e, RG_EARG, "--logprobs goes with --rows and --json");
    if (o.rows == NULL)
        RG_GO(s, done, cli_text(&text, &n, &a, o.prompt, o.file, &e));
    RG_GO(s, done, cli_engine(&x, &m, &call, &e));
    cli_view_end(&a.view);
    s = o.rows != NULL ? cli_score_rows(&a, x, o.rows, o.logprobs, &call, &e)
                       : text_perplexity(&a, &o, &m, x, &call, rg_str_n(text, n), &e);
done:
    rg_engine_close(x);
    rg_free(text);
    return cli_close(&a, s, &e);
}

const rg_cmd rg_cmd_perplexity = { "perplexity", "how well a model predicts a text",
                                   "[flags] -f FILE | --rows FILE", run };
