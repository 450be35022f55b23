/* Every allocation refused in turn: opening a tiny model and generating from it ends in an
 * error with a sentence, leaves nothing behind, and works the next time. */
#include "tiny.h"

static const rg_sampling SAMPLING = {
    .temp = 0.8, .top_k = 20, .top_p = 0.9, .repeat_penalty = 1.1, .repeat_last_n = -1
};

static bool torture_build(void)
{
    (void)rg_alloc_fail_at(-1);
    rg_free(rg_alloc(1, 1));
    const bool yes = rg_alloc_fail_at(-1) > 0;
    if (!yes)
        print_message("[  NOTE    ] this build cannot refuse allocations: meson setup -Dtorture=true\n");
    return yes;
}

/* 4 tokens of 2 branches, with everything that allocates. */
static rg_status generate(rg_lm *lm, rg_err *e)
{
    static const int32_t id[] = { 5, 6, 7, 8, 9, 10, 11 }, named[] = { 3 };
    static const char *const stop[] = { "no such text" };
    rg_lm_node *node;
    kept k[2] = { 0 };
    float logp[COUNT(id)];
    RG_TRY(rg_lm_node_for(&node, lm, NULL, id, COUNT(id), e));
    rg_gen job[2];
    for (size_t i = 0; i < COUNT(job); i++)
        job[i] = (rg_gen){ .from = node,
                           .sampling = &SAMPLING,
                           .stream = i,
                           .max_tokens = 4,
                           .stop = stop,
                           .n_stop = 1,
                           .ignore_end = true,
                           .n_top = 3,
                           .named = named,
                           .n_named = 1 };
    rg_status s = rg_lm_generate(lm, job, COUNT(job), keep, k, NULL, e);
    if (s == RG_OK)
        CHECK(k[0].n == 4 && k[1].n == 4 && k[0].node != NULL && k[1].node != NULL);
    rg_score sc = { .from = node, .id = id, .n = COUNT(id), .logp = logp };
    if (s == RG_OK)
        s = rg_lm_score(lm, &sc, 1, NULL, e);
    if (s == RG_OK) { /* onward from a branch */
        rg_gen on = job[0];
        kept more = { 0 };
        on.from = k[1].node;
        s = rg_lm_generate(lm, &on, 1, keep, &more, NULL, e);
        rg_lm_release(more.node);
    }
    rg_lm_release(k[0].node);
    rg_lm_release(k[1].node);
    rg_lm_release(node);
    return s;
}

static rg_status open_it(rg_engine **x, rg_err *e)
{
    const rg_engine_opt o = { .model = tiny_path("qwen2_mixed", "gguf"),
                              .threads = 1,
                              .lm = { .kv_bytes = (size_t)4 << 20, .slots = 4, .max_rows = 8 } };
    return rg_engine_open(x, &o, NULL, e);
}

static rg_status open_and_generate(rg_err *e)
{
    rg_engine *x;
    RG_TRY(open_it(&x, e));
    const rg_status s = generate(rg_engine_lm(x), e);
    rg_lm_stats st;
    rg_lm_get_stats(rg_engine_lm(x), &st);
    CHECK(st.pages_used == 0);
    rg_engine_close(x);
    return s;
}

static void refuse_each(rg_status (*run)(rg_err *e))
{
    rg_err e = RG_ERR_INIT;
    (void)rg_alloc_fail_at(-1);
    OK(run(&e), e);
    const long n = rg_alloc_fail_at(-1);
    size_t failed = 0;
    for (long k = 0; k < n; k++) {
        rg_err_clear(&e);
        (void)rg_alloc_fail_at(k);
        const rg_status s = run(&e);
        (void)rg_alloc_fail_at(-1);
        if (s != RG_OK && (s != RG_ENOMEM || e.msg[0] == '\0'))
            fail_msg("allocation %ld of %ld refused: status %d, \"%s\"", k, n, (int)s, e.msg);
        failed += s != RG_OK;
    }
    print_message("# %ld allocations, %zu of them needed\n", n, failed);
    CHECK(failed > 0);
    rg_err_clear(&e);
    OK(run(&e), e);
}

TEST(opening_and_generating_survive_every_refusal)
{
    if (!torture_build())
        skip();
    refuse_each(open_and_generate);
}

/* One engine for all: after a refusal the very same scheduler and nodes go on. */
static rg_engine *lasting;

static rg_status generate_again(rg_err *e)
{
    return generate(rg_engine_lm(lasting), e);
}

TEST(a_scheduler_outlives_every_refusal)
{
    rg_err e = RG_ERR_INIT;
    if (!torture_build())
        skip();
    OK(open_it(&lasting, &e), e);
    refuse_each(generate_again);
    rg_lm_stats st;
    rg_lm_get_stats(rg_engine_lm(lasting), &st);
    CHECK(st.pages_used == 0);
    rg_engine_close(lasting);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opening_and_generating_survive_every_refusal),
        cmocka_unit_test(a_scheduler_outlives_every_refusal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
