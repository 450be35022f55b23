/* generate.c - a prompt in, a text out, as it is written.
 *
 *     generate MODEL PROMPT [SEED] */
#include <rung/rung.h>
#include <stdio.h>
#include <stdlib.h>

/* Pieces of text arrive as events; they are whole characters. */
static void on_event(void *arg, const rg_event *ev)
{
    (void)arg;
    if (ev->kind == RG_EV_NODE_TOKEN) {
        fwrite(ev->text.p, 1, ev->text.n, stdout);
        fflush(stdout);
    }
}

static rg_go on_done(void *arg, size_t job, const rg_gen_out *out)
{
    (void)job;
    *(size_t *)arg = out->n;
    rg_lm_release(out->node); /* nothing goes on from it */
    return RG_GO_ON;
}

static rg_status generate(rg_engine *x, const char *prompt, uint64_t seed, size_t *n, rg_err *e)
{
    const rg_call call = { .sink = on_event };
    const rg_sampling sampling = RG_SAMPLING_DEFAULTS;
    rg_lm *lm = rg_engine_lm(x);
    rg_lm_node *node = NULL;
    rg_ids ids = { 0 };
    rg_status s;

    RG_GO(s, done, rg_text_ids(&ids, rg_engine_bundle(x), rg_str_of(prompt), RG_SPECIAL_NONE, e));
    RG_GO(s, done, rg_lm_node_for(&node, lm, NULL, ids.id, ids.n, e));
    const rg_gen job = { .from = node,
                         .sampling = &sampling,
                         .max_tokens = 64,
                         .stream = rg_stream_root(seed, "example", 7),
                         .stream_text = true };
    s = rg_lm_generate(lm, &job, 1, on_done, n, &call, e);
done:
    rg_lm_release(node);
    rg_ids_free(&ids);
    return s;
}

int main(int argc, char **argv)
{
    rg_err e = RG_ERR_INIT;
    rg_engine *x = NULL;
    size_t n = 0;

    if (argc < 3) {
        fprintf(stderr, "usage: generate MODEL PROMPT [SEED]\n");
        return 2;
    }
    const rg_engine_opt o = { .model = argv[1], .lm = { .slots = 1 } };
    rg_status s = rg_engine_open(&x, &o, NULL, &e);
    if (s == RG_OK)
        s = generate(x, argv[2], argc > 3 ? strtoull(argv[3], NULL, 10) : 1, &n, &e);
    rg_engine_close(x);
    if (s != RG_OK)
        fprintf(stderr, "generate: %s\n", e.msg);
    else
        fprintf(stderr, "\n%zu tokens\n", n);
    return rg_status_exit(s);
}
