/* Yes or No to every step: the same verdicts however the paths come, and no token twice. */
#include <math.h>

#include "../lm/tiny.h"
#include "rung/base/rng.h"
#include "rung/reward/direct.h"
#include "rung/solve/solve.h"

enum { STEPS = 4 };

#define STEP(text)                                                                                           \
    {                                                                                                        \
        text, sizeof(text) - 1                                                                               \
    }
static const rg_str STEP[STEPS] = { STEP("2 * 3 = 6"), STEP("6 + 1"), STEP("$x$"), STEP("\\boxed{7}") };
static const rg_str PROBLEM = STEP("What is 2 * 3 + 1?");

static rg_engine *engine(size_t threads, size_t max_rows)
{
    static char path[4096];
    snprintf(path, sizeof path, "%s", tiny_path("qwen2", "gguf"));
    return tiny_engine(path, NULL, threads, (rg_lm_opt){ .max_rows = max_rows });
}

static rg_verifier *direct(rg_engine *x)
{
    rg_err e = RG_ERR_INIT;
    rg_verifier *v;
    OK(rg_direct_new(&v, rg_engine_lm(x), &(rg_direct_opt){ .system = "?" }, &e), e);
    CHECK(v->scale == RG_PROBABILITY && !v->whole_only);
    return v;
}

static uint64_t rows(const rg_engine *x)
{
    rg_lm_stats st;
    rg_lm_get_stats(rg_engine_lm(x), &st);
    return st.rows;
}

static rg_judging *session(rg_verifier *v)
{
    rg_err e = RG_ERR_INIT;
    rg_judging *j;
    OK(v->open(&j, v, &e), e);
    return j;
}

static void judge_whole(rg_engine *x, rg_judgement out[STEPS])
{
    rg_err e = RG_ERR_INIT;
    rg_verifier *v = direct(x);
    rg_judging *j = session(v);
    const rg_path p = { .problem = PROBLEM, .step = STEP, .n = STEPS, .whole = true };
    rg_ledger cost = { 0 };
    const rg_call call = { .ledger = &cost, .role = RG_VERIFIER };
    OK(v->judge(j, &p, 1, &out, &call, &e), e);
    CHECK(cost.role[RG_VERIFIER].prompt_computed == out[STEPS - 1].token + 1);
    CHECK(cost.role[RG_VERIFIER].gen_tokens == STEPS);
    v->close(j);
    rg_verifier_free(v);
}

TEST(a_whole_answer_and_its_steps_get_the_same_verdicts)
{
    rg_err e = RG_ERR_INIT;
    rg_judgement whole[STEPS] = { 0 }, one = { 0 }, *out = &one;
    rg_engine *x = engine(2, 512), *y = engine(1, 3);
    judge_whole(x, whole);
    rg_verifier *v = direct(y);
    rg_judging *j = session(v);
    const uint64_t before = rows(y);
    for (size_t i = 0; i < STEPS; i++) {
        const rg_path p = {
            .problem = PROBLEM, .step = STEP, .n = i + 1, .first = i, .key = i + 1, .parent = i
        };
        one = (rg_judgement){ 0 };
        OK(v->judge(j, &p, 1, &out, NULL, &e), e);
        CHECK(one.r == whole[i].r && one.token == whole[i].token && one.flags == 0);
        CHECK(one.r > 0 && one.r < 1 && (i == 0 || one.token > whole[i - 1].token));
    }
    CHECK(rows(y) - before == whole[STEPS - 1].token + 1); /* each token once */
    v->forget(j, 2);
    const rg_path again = { .problem = PROBLEM, .step = STEP, .n = 3, .first = 2, .parent = 2 };
    OK(v->judge(j, &again, 1, &out, NULL, &e), e); /* its parent is gone: all is read again */
    CHECK(one.r == whole[2].r);
    v->close(j);
    rg_verifier_free(v);
    rg_engine_close(y);
    rg_engine_close(x);
}

/* Sixteen first steps: the system message and the problem are read once. */
TEST(siblings_share_what_they_begin_with)
{
    enum { N = 16 };
    rg_err e = RG_ERR_INIT;
    rg_engine *x = engine(2, 512);
    rg_verifier *v = direct(x);
    rg_judging *j = session(v);
    rg_path p[N];
    rg_judgement verdict[N] = { 0 }, *out[N], alone = { 0 }, *out_alone = &alone;
    char text[N][16];
    rg_str step[N];
    for (size_t i = 0; i < N; i++) {
        snprintf(text[i], sizeof text[i], "%c = %zu.", (char)('a' + (int)i), i);
        step[i] = rg_str_of(text[i]);
        p[i] = (rg_path){ .problem = PROBLEM, .step = &step[i], .n = 1 };
        out[i] = &verdict[i];
    }
    const uint64_t before = rows(x);
    OK(v->judge(j, p, N, out, NULL, &e), e);
    size_t total = 0;
    for (size_t i = 0; i < N; i++)
        total += verdict[i].token + 1;
    const size_t saved = total - (size_t)(rows(x) - before); /* the shared part, for all but one of them */
    CHECK(saved % (N - 1) == 0 && saved / (N - 1) > PROBLEM.n);
    v->close(j);
    j = session(v);
    OK(v->judge(j, &p[7], 1, &out_alone, NULL, &e), e);
    CHECK(alone.r == verdict[7].r && alone.token == verdict[7].token);
    v->close(j);
    rg_verifier_free(v);
    rg_engine_close(x);
}

/* ---- in a search ---- */

static const rg_bias DIGITS[] = { { 16, 12 }, { 17, 10 }, { 220, 15 } };

static rg_solve_opt beam(rg_verifier *v)
{
    rg_solve_opt o = { .method = rg_strategy_find("beam"),
                       .step = RG_STEPS_TOKENS,
                       .step_tokens = 8,
                       .seed = 3,
                       .sampling = RG_SAMPLING_DEFAULTS,
                       .max_tokens = 24,
                       .prompt_style = "none",
                       .last_number = true,
                       .verifier = v };
    rg_search_defaults(&o.search);
    o.search.N = 16;
    o.search.M = 4;
    o.sampling.bias = DIGITS;
    o.sampling.n_bias = COUNT(DIGITS);
    return o;
}

/* Of a 4 x 4 beam the policy computes the prompt and every generated token that is gone on from once;
 * the verifier reads again and again, and computes what is new. */
TEST(a_beam_computes_every_token_once)
{
    rg_err e = RG_ERR_INIT;
    rg_engine *x = engine(2, 512), *y = engine(2, 512);
    rg_verifier *v = direct(y);
    const rg_solve_opt o = beam(v);
    const rg_problem p = { .id = "p", .text = "17 + 25" };
    const uint64_t before = rows(x), before_v = rows(y);
    rg_record *r;
    OK(rg_solve_text(&r, rg_engine_lm(x), &p, &o, NULL, &e), e);
    const rg_tree *t = &r->run.tree;
    /* a node's last token goes through the model only when something follows it */
    size_t policy = r->prompt_tokens, judged = 0, deepest = 0;
    for (size_t i = 1; i < t->n; i++) {
        bool parent = false;
        for (size_t k = i + 1; k < t->n; k++)
            parent |= t->node[k].parent == i;
        policy += t->node[i].tokens - (parent ? 0 : 1);
        judged += isnan(t->node[i].score) ? 0 : 1;
        deepest = RG_MAX(deepest, t->node[i].depth);
    }
    CHECK(deepest >= 3 && judged > 16);
    CHECK(rows(x) - before == policy + t->overshoot_tokens);
    const rg_cost *c = &r->judging.role[RG_VERIFIER];
    CHECK(c->prompt_computed == rows(y) - before_v && c->gen_tokens == judged);
    print_message("policy %zu tokens; verifier read %zu, computed %zu\n", policy, (size_t)c->prompt_tokens,
                  (size_t)c->prompt_computed);
    CHECK(c->prompt_tokens > 2 * c->prompt_computed); /* measured 2.75; longer answers share more */
    rg_record_free(r);
    rg_verifier_free(v);
    rg_engine_close(y);
    rg_engine_close(x);
}

static char *lasting(rg_engine *x, rg_engine *y)
{
    rg_err e = RG_ERR_INIT;
    rg_verifier *v = direct(y);
    const rg_solve_opt o = beam(v);
    const rg_problem p = { .id = "p", .text = "17 + 25", .gold = "42" };
    rg_record *r;
    rg_buf b = RG_BUF_MAX(1 << 20);
    OK(rg_solve_text(&r, rg_engine_lm(x), &p, &o, NULL, &e), e);
    rg_record_json(&b, r, true);
    CHECK(!b.failed && strstr(b.p, "\"verifier\":\"direct\"") != NULL);
    *strstr(b.p, ",\"computed\":{") = '\0';
    rg_record_free(r);
    rg_verifier_free(v);
    return rg_buf_take(&b);
}

TEST(a_verified_record_is_the_same_in_every_way)
{
    rg_engine *x = engine(2, 512), *y = engine(1, 7);
    char *two = lasting(x, x), *one = lasting(y, y), *apart = lasting(x, y);
    assert_string_equal(two, one);
    assert_string_equal(two, apart);
    rg_free(two);
    rg_free(one);
    rg_free(apart);
    rg_engine_close(y);
    rg_engine_close(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_answer_and_its_steps_get_the_same_verdicts),
        cmocka_unit_test(siblings_share_what_they_begin_with),
        cmocka_unit_test(a_beam_computes_every_token_once),
        cmocka_unit_test(a_verified_record_is_the_same_in_every_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
