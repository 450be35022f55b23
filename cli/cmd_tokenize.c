/* cmd_tokenize.c - `rung tokenize`: text to token ids. */
#include "engine.h"

#include "rung/base/mem.h"
#include "rung/bundle/bundle.h"

typedef struct opts {
    const char *prompt, *file;
    bool add_bos, allow_special;
} opts;

static const rg_opt table[] = {
    { "prompt", "p", RG_OPT_STR, offsetof(opts, prompt), NULL, 0, 0, NULL, "TEXT", "the text" },
    { "file", "f", RG_OPT_STR, offsetof(opts, file), NULL, 0, 0, NULL, "PATH", "a file with it; - = stdin" },
    { "add-bos", NULL, RG_OPT_FLAG, offsetof(opts, add_bos), NULL, 0, 0, NULL, NULL,
      "put the vocabulary's BOS in front" },
    { "allow-special", NULL, RG_OPT_FLAG, offsetof(opts, allow_special), NULL, 0, 0, NULL, NULL,
      "text like <|im_end|> becomes the control token" },
    { 0 },
};

static void put_ids(rg_buf *b, const rg_tokenizer *t, const rg_ids *ids, bool json)
{
    if (json) {
        rg_buf_puts(b, "{\"ids\":[");
        for (size_t i = 0; i < ids->n; i++)
            rg_buf_printf(b, "%s%d", i ? "," : "", ids->id[i]);
        rg_buf_puts(b, "]}\n");
        return;
    }
    for (size_t i = 0; i < ids->n; i++) {
        rg_buf piece = RG_BUF_MAX(1 << 20), shown = RG_BUF_MAX(1 << 22);
        rg_detokenize(t, ids->id[i], true, &piece);
        rg_buf_json_escape(&shown, piece.p == NULL ? rg_str_of("") : rg_buf_view(&piece));
        rg_buf_printf(b, "%8d  \"%s\"%s\n", ids->id[i], shown.p == NULL ? "" : shown.p,
                      rg_token_is_control(t, ids->id[i]) ? "  control" : "");
        rg_buf_free(&piece);
        rg_buf_free(&shown);
    }
}

static int run(const rg_cmd *cmd, int argc, char **argv)
{
    opts o;
    cli_model m = { 0 };
    const rg_opt_group groups[] = { { "Text", table, &o }, { "Model", cli_vocab_table, &m } };
    cli_args a;
    rg_err e = RG_ERR_INIT;
    rg_buf out = RG_BUF_MAX((size_t)1 << 32);
    rg_bundle *b = NULL;
    rg_ids ids = { 0 };
    char *text = NULL;
    size_t n = 0;
    rg_status s;
    const int code = cli_open(&a, cmd, groups, RG_COUNT(groups), argc, argv);
    if (code >= 0)
        return code;

    RG_GO(s, done, cli_text(&text, &n, &a, o.prompt, o.file, &e));
    RG_GO(s, done, rg_engine_open_text(&b, m.model, NULL, &e));
    const rg_tokenizer *t = rg_bundle_tokenizer(b);
    if (o.add_bos && rg_token_bos(t) >= 0)
        RG_GO(s, done, rg_ids_push(&ids, rg_token_bos(t), &e));
    RG_GO(s, done,
          rg_tokenize(t, rg_str_n(text, n), o.allow_special ? RG_SPECIAL_ALL : RG_SPECIAL_NONE, &ids, &e));
    put_ids(&out, t, &ids, a.common.json);
    s = cli_print(&out, &e);
done:
    rg_buf_free(&out);
    rg_ids_free(&ids);
    rg_bundle_close(b);
    rg_free(text);
    return cli_close(&a, s, &e);
}

const rg_cmd rg_cmd_tokenize = { "tokenize", "text to token ids", "[flags] [TEXT]", run };
