/* cmd_bench.c - `rung bench`: tokens per second, and the share of what this machine could give. */
#include "engine.h"

#include "rung/base/mem.h"
#include "rung/lm/bench.h"

typedef struct opts {
    const char *tests;
    int64_t repeats;
    bool roofline;
} opts;

static const rg_opt table[] = {
    { "tests", NULL, RG_OPT_STR, offsetof(opts, tests), NULL, 0, 0, NULL, "LIST",
      "some of pp512,pp4096,tg64,tg64@2048,tg64x4,tg64x16; all unless given" },
    { "repeats", "repetitions", RG_OPT_INT, offsetof(opts, repeats), "5", 1, 1000, NULL, "N",
      "runs of each test" },
    { "roofline", NULL, RG_OPT_FLAG, offsetof(opts, roofline), NULL, 0, 0, NULL, NULL,
      "print the machine's own limits too" },
    { 0 },
};

typedef struct out {
    bool json;
    cli_args *a;
    rg_status status;
    rg_err *e;
} out;

static void put_row(void *arg, const rg_bench_row *r)
{
    out *o = arg;
    rg_buf b = RG_BUF_MAX(4096);
    cli_view_end(&o->a->view);
    if (o->json)
        rg_buf_printf(&b,
                      "{\"test\":\"%s\",\"tokens_per_s\":%.6g,\"sd\":%.4g,\"repeats\":%zu,"
                      "\"fraction_of_roofline\":%.4g,\"bound\":\"%s\"}\n",
                      r->test, r->tokens_per_s, r->sd, r->repeats, r->fraction, r->bound);
    else
        rg_buf_printf(&b, "%-10s %9.1f tokens/s  +- %5.1f   %3.0f %% of the %s limit\n", r->test,
                      r->tokens_per_s, r->sd, 100 * r->fraction, r->bound);
    o->status = cli_print(&b, o->e);
}

static rg_status put_roof(const out *o, const rg_roofline *r, rg_err *e)
{
    rg_buf b = RG_BUF_MAX(4096);
    if (o->json)
        rg_buf_printf(
            &b,
            "{\"roofline\":{\"read_bytes_per_s\":%.4g,\"int8_ops_per_s\":%.4g,"
            "\"bf16_flops_per_s\":%.4g,\"f32_flops_per_s\":%.4g,\"level\":\"%s\",\"threads\":%zu}}\n",
            r->read_bytes_s, r->i8_ops_s, r->bf16_flops_s, r->f32_flops_s, r->level, r->threads);
    else {
        rg_buf_printf(&b, "limits     read %.1f GB/s, int8 %.0f GOP/s", r->read_bytes_s * 1e-9,
                      r->i8_ops_s * 1e-9);
        if (r->bf16_flops_s > 0)
            rg_buf_printf(&b, ", bf16 %.0f GFLOP/s", r->bf16_flops_s * 1e-9);
        rg_buf_printf(&b, ", f32 %.0f GFLOP/s\n", r->f32_flops_s * 1e-9);
    }
    return cli_print(&b, e);
}

static int run(const rg_cmd *cmd, int argc, char **argv)
{
    opts o;
    cli_model m;
    const rg_opt_group groups[] = { { "Bench", table, &o }, { "Model", cli_model_table, &m } };
    cli_args a;
    rg_err e = RG_ERR_INIT;
    rg_engine *x = NULL;
    rg_roofline roof;
    rg_status s;
    const int code = cli_open(&a, cmd, groups, RG_COUNT(groups), argc, argv);
    if (code >= 0)
        return code;

    const rg_call call = cli_call(&a);
    out p = { .json = a.common.json, .a = &a, .e = &e };
    RG_GO(s, done, cli_want_pos(&a, 0, 0, "no arguments", &e));
    RG_GO(s, done, cli_engine(&x, &m, &call, &e));
    cli_view_end(&a.view);
    cli_first_line(&a, x, 7, "");
    RG_GO(s, done, rg_roofline_measure(&roof, x, &e));
    if (o.roofline)
        RG_GO(s, done, put_roof(&p, &roof, &e));
    s = rg_bench_run(x, o.tests, (size_t)o.repeats, &roof, put_row, &p, &call, &e);
    if (s == RG_OK)
        s = p.status;
done:
    rg_engine_close(x);
    return cli_close(&a, s, &e);
}

const rg_cmd rg_cmd_bench = { "bench", "tokens per second, beside this machine's limits", "[flags]", run };
