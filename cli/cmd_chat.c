/* cmd_chat.c - `rung chat`: a conversation in the terminal; what was computed for earlier turns
 * is not computed again. */
#include "engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "rung/base/mem.h"
#include "rung/base/rng.h"
#include "rung/bundle/chat.h"

typedef struct opts {
    const char *system;
} opts;

static const rg_opt table[] = {
    { "system", "sys,system-prompt", RG_OPT_STR, offsetof(opts, system), NULL, 0, 0, NULL, "TEXT",
      "system message" },
    { 0 },
};

typedef struct talk {
    cli_args *a;
    rg_engine *x;
    const cli_sampling *so;
    const rg_sampling *sampling;
    uint64_t stream;
    json_t *messages;
    rg_lm_node *node; /* the conversation so far */
    size_t turn;
    rg_err *e;
} talk;

static void on_event(void *arg, const rg_event *ev)
{
    talk *t = arg;
    rg_buf b = RG_BUF_MAX(1 << 24);
    if (ev->kind != RG_EV_NODE_TOKEN) {
        cli_sink(&t->a->view, ev);
        return;
    }
    cli_put_text(&b, ev->text);
    rg_err ignored = RG_ERR_INIT;
    (void)cli_print(&b, &ignored);
}

static rg_go on_reply(void *arg, size_t index, const rg_gen_out *out)
{
    (void)index;
    talk *t = arg;
    if (out->node != NULL) {
        rg_lm_release(t->node);
        t->node = out->node;
    }
    json_t *reply = rg_chat_message("assistant", rg_str_n(out->text.p, out->stop_at));
    if (reply != NULL)
        json_array_append_new(t->messages, reply);
    return RG_GO_ON;
}

static rg_status answer(talk *t, rg_str text)
{
    rg_lm *lm = rg_engine_lm(t->x);
    rg_lm_node *node = NULL;
    rg_ids ids = { 0 };
    json_t *m = rg_chat_message("user", text);
    if (m == NULL || json_array_append_new(t->messages, m) != 0)
        RG_FAIL(t->e, RG_EFORMAT, "the line is not UTF-8 text");
    const rg_chat_opt co = { .add_generation_prompt = true, .now_unix = time(NULL) };
    rg_call call = cli_call(t->a);
    call.sink = on_event;
    call.sink_arg = t;
    rg_status s = rg_chat_ids(&ids, rg_engine_bundle(t->x), t->messages, &co, t->e);
    if (s == RG_OK)
        s = rg_lm_node_for(&node, lm, t->node, ids.id, ids.n, t->e);
    rg_ids_free(&ids);
    if (s != RG_OK)
        return s;
    const rg_gen gen = { .from = node,
                         .sampling = t->sampling,
                         .max_tokens = (size_t)t->so->max_tokens,
                         .stream = rg_stream_child(t->stream, t->turn++),
                         .stop = t->so->stop.item,
                         .n_stop = t->so->stop.n,
                         .stream_text = true };
    s = rg_lm_generate(lm, &gen, 1, on_reply, t, &call, t->e);
    rg_lm_release(node);
    fputs("\n", stdout);
    fflush(stdout);
    return s;
}

static rg_status loop(talk *t)
{
    const bool ask = isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
    char *line = NULL;
    size_t cap = 0;
    rg_status s = RG_OK;
    if (ask)
        fputs("Type a message; /exit or Ctrl-D ends.\n", stderr);
    while (s == RG_OK && !atomic_load(cli_cancel())) {
        if (ask)
            fputs("> ", stderr);
        const ssize_t n = getline(&line, &cap, stdin);
        const rg_str text = n < 0 ? rg_str_of("") : rg_str_trim(rg_str_n(line, (size_t)n));
        if (n < 0 || rg_str_is(text, "/exit"))
            break;
        if (text.n > 0)
            s = answer(t, text);
    }
    free(line);
    return s;
}

static int run(const rg_cmd *cmd, int argc, char **argv)
{
    opts o;
    cli_model m;
    cli_sampling so;
    const rg_opt_group groups[] = { { "Chat", table, &o },
                                    { "Sampling", cli_sampling_table, &so },
                                    { "Model", cli_model_table, &m } };
    cli_args a;
    rg_err e = RG_ERR_INIT;
    rg_bias *bias = NULL;
    rg_sampling sampling;
    rg_status s;
    const int code = cli_open(&a, cmd, groups, RG_COUNT(groups), argc, argv);
    if (code >= 0)
        return code;

    const rg_call call = cli_call(&a);
    const uint64_t seed = cli_seed(&so);
    talk t = { .a = &a,
               .so = &so,
               .sampling = &sampling,
               .stream = rg_stream_root(seed, "chat", 4),
               .messages = json_array(),
               .e = &e };
    RG_GO(s, done, cli_want_pos(&a, 0, 0, "no arguments", &e));
    RG_GO(s, done, cli_sampling_of(&sampling, &bias, &so, &e));
    RG_GO(s, done, cli_engine(&t.x, &m, &call, &e));
    if (o.system != NULL)
        json_array_append_new(t.messages, rg_chat_message("system", rg_str_of(o.system)));
    cli_view_end(&a.view);
    cli_first_line(&a, t.x, seed, "");
    s = loop(&t);
done:
    json_decref(t.messages);
    rg_lm_release(t.node);
    rg_engine_close(t.x);
    rg_free(bias);
    return cli_close(&a, s, &e);
}

const rg_cmd rg_cmd_chat = { "chat", "talk with a model", "[flags]", run };
