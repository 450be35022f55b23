/* A record is a function of model, problem and options: never of threads, batch, slots, kernel
 * level or company. */
#include "test.h"

#include "rung/base/mem.h"
#include "rung/base/rng.h"
#include "rung/bundle/chat.h"
#include "rung/lm/engine.h"
#include "rung/solve/solve.h"
#include "rung/text/prompt.h"

enum { PROBLEMS = 5, MAX_JSON = 1 << 20 };

static const rg_problem PROBLEM[PROBLEMS] = {
    { .id = "a", .text = "What is 17 + 25?", .gold = "42" },
    { .id = "b", .text = "Ann has 3 apples and buys 4 more. How many has she?", .gold = "7" },
    { .id = "c", .text = "Name a prime number between 20 and 25.", .gold = "23" },
    { .id = "d", .text = "What is half of 10?", .gold = "5" },
    { .id = "e", .text = "Compute $2^5$.", .gold = "32" },
};

typedef struct way {
    const char *cpu;
    size_t threads, slots, batch, together;
} way;

static const way WAYS[] = {
    { NULL, 1, 64, 512, 5 }, /* the reference */
    { NULL, 2, 64, 512, 5 }, { NULL, 2, 64, 512, 1 },     { NULL, 2, 4, 512, 5 },    { NULL, 2, 64, 32, 3 },
    { NULL, 1, 1, 1, 5 },    { "avx512", 2, 64, 512, 5 }, { "avx2", 2, 64, 512, 5 }, { "ref", 2, 64, 512, 5 },
};

/* Random weights rarely answer: "1", "2" and the space are made likelier, so that there is something
 * to vote on. */
static const rg_bias DIGITS[] = { { 16, 12 }, { 17, 10 }, { 220, 15 } };

static rg_solve_opt options(const char *method, size_t N, size_t tokens, uint64_t seed)
{
    rg_solve_opt o = { .method = rg_strategy_find(method),
                       .step_tokens = 64,
                       .seed = seed,
                       .sampling = RG_SAMPLING_DEFAULTS,
                       .max_tokens = tokens,
                       .prompt_style = "none",
                       .last_number = true };
    rg_search_defaults(&o.search);
    o.search.N = (int64_t)N;
    o.sampling.bias = DIGITS;
    o.sampling.n_bias = COUNT(DIGITS);
    return o;
}

/* ---- records as text, without what tells of the run ---- */

typedef struct texts {
    char *of[PROBLEMS];
} texts;

static void texts_free(texts *t)
{
    for (size_t i = 0; i < PROBLEMS; i++)
        rg_free(t->of[i]);
}

static char *lasting(const rg_record *r)
{
    rg_buf b = RG_BUF_MAX(MAX_JSON);
    rg_record_json(&b, r, true);
    CHECK(!b.failed);
    char *end = strstr(b.p, ",\"computed\":{"); /* it, cached, overshoot and timing come last */
    CHECK(end != NULL && strstr(end, "\"timing\""));
    *end = '\0';
    return rg_buf_take(&b);
}

static rg_status keep(void *arg, const rg_record *r, rg_err *e)
{
    (void)e;
    texts *t = arg;
    for (size_t i = 0; i < PROBLEMS; i++)
        if (strcmp(PROBLEM[i].id, r->id) == 0)
            t->of[i] = lasting(r);
    return RG_OK;
}

static rg_engine *engine(const char *model, const way *w)
{
    rg_err e = RG_ERR_INIT;
    rg_engine *x;
    const rg_engine_opt o = { .model = model,
                              .cpu = w->cpu,
                              .threads = w->threads,
                              .lm = { .slots = w->slots, .max_rows = w->batch } };
    const rg_status s = rg_engine_open(&x, &o, NULL, &e);
    if (s == RG_EARG && strstr(e.msg, "not available"))
        return NULL; /* this machine lacks the level */
    OK(s, e);
    return x;
}

static texts solve_all(rg_engine *x, const rg_solve_opt *o, size_t n, size_t together)
{
    const rg_problem *p[PROBLEMS];
    rg_err e = RG_ERR_INIT;
    rg_summary sum = { 0 };
    texts t = { 0 };
    for (size_t i = 0; i < n; i++)
        p[i] = &PROBLEM[i];
    OK(rg_solve_many(&sum, rg_engine_lm(x), p, n, o, together, keep, &t, NULL, &e), e);
    CHECK(sum.n == n && sum.failed == 0);
    return t;
}

static void expect_equal(const texts *a, const texts *b, size_t n, const char *what)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(a->of[i], b->of[i]) != 0)
            fail_msg("%s, problem %s\n%s\n%s", what, PROBLEM[i].id, a->of[i], b->of[i]);
}

/* Returns how many of the records stopped before N. */
static size_t check_ways(const char *model, const rg_solve_opt *o, size_t n, size_t n_ways)
{
    rg_engine *x = engine(model, &WAYS[0]);
    texts want = solve_all(x, o, n, WAYS[0].together);
    rg_engine_close(x);
    size_t i;
    for (i = 1; i < n_ways; i++) {
        char what[128];
        const way *w = &WAYS[i];
        x = engine(model, w);
        if (x == NULL)
            continue;
        snprintf(what, sizeof what, "%s: %s, %zu threads, %zu slots, batch %zu, %zu together",
                 o->method->name, w->cpu == NULL ? "best level" : w->cpu, w->threads, w->slots, w->batch,
                 w->together);
        texts got = solve_all(x, o, n, w->together);
        rg_engine_close(x);
        expect_equal(&want, &got, n, what);
        texts_free(&got);
    }
    size_t early = 0;
    for (i = 0; i < n; i++)
        early += strstr(want.of[i], "cannot be caught") != NULL;
    texts_free(&want);
    return early;
}

static const char *tiny(const char *name)
{
    static char path[4096];
    snprintf(path, sizeof path, "%s/tests/data/tiny/%s.gguf", RG_SOURCE_ROOT, name);
    return path;
}

/* ---- tests ---- */

TEST(every_way_gives_the_same_records)
{
    static const char *const models[] = { "qwen2_mixed", "llama_kquant", "llama3_rope" };
    static const char *const methods[] = { "greedy", "majority", "best-of-n", "confidence", "adaptive" };
    size_t early = 0;
    for (size_t m = 0; m < COUNT(models); m++)
        for (size_t k = 0; k < COUNT(methods); k++) {
            const rg_solve_opt o = options(methods[k], 6, 40, 11);
            early += check_ways(tiny(models[m]), &o, PROBLEMS, COUNT(WAYS));
        }
    CHECK(early > 0); /* adaptive did cancel branches: measured 4 of 15 */
}

TEST(every_way_gives_the_same_records_with_a_real_model)
{
    const char *found = test_model("smollm2-135m");
    if (found == NULL)
        skip();
    char model[4096];
    snprintf(model, sizeof model, "%s", found);
    const bool all = getenv("RUNG_TEST_LONG") != NULL; /* the reference level takes minutes */
    const rg_solve_opt o = options("majority", 3, all ? 40 : 10, 11);
    check_ways(model, &o, all ? PROBLEMS : 2, all ? COUNT(WAYS) : 5);
}

TEST(a_problem_alone_is_the_same_as_among_many)
{
    const rg_solve_opt o = options("majority", 6, 40, 11);
    rg_engine *x = engine(tiny("qwen2"), &WAYS[1]);
    texts many = solve_all(x, &o, PROBLEMS, 5);
    for (size_t i = 0; i < PROBLEMS; i++) {
        rg_record *r;
        rg_err e = RG_ERR_INIT;
        OK(rg_solve_text(&r, rg_engine_lm(x), &PROBLEM[i], &o, NULL, &e), e);
        char *alone = lasting(r);
        assert_string_equal(alone, many.of[i]);
        rg_free(alone);
        rg_record_free(r);
    }
    texts_free(&many);
    rg_engine_close(x);
}

/* Candidate i is the same whatever N is: pools nest. */
TEST(a_larger_pool_begins_with_the_smaller_one)
{
    rg_engine *x = engine(tiny("qwen2"), &WAYS[1]);
    const rg_solve_opt small = options("majority", 3, 40, 11), large = options("majority", 7, 40, 11);
    rg_record *a, *b;
    rg_err e = RG_ERR_INIT;
    OK(rg_solve_text(&a, rg_engine_lm(x), &PROBLEM[0], &small, NULL, &e), e);
    OK(rg_solve_text(&b, rg_engine_lm(x), &PROBLEM[0], &large, NULL, &e), e);
    CHECK(a->n == 3 && b->n == 7);
    for (size_t i = 0; i < a->n; i++)
        assert_string_equal(a->candidate[i].text, b->candidate[i].text);
    rg_record_free(a);
    rg_record_free(b);
    rg_engine_close(x);
}

static bool same_candidates(const rg_record *a, const rg_record *b)
{
    for (size_t i = 0; i < a->n && i < b->n; i++)
        if (strcmp(a->candidate[i].text, b->candidate[i].text) != 0)
            return false;
    return a->n == b->n;
}

static void compare_seeds(const char *method, bool same)
{
    rg_engine *x = engine(tiny("qwen2"), &WAYS[1]);
    const rg_solve_opt one = options(method, 4, 40, 1), two = options(method, 4, 40, 2);
    rg_record *a, *b, *c;
    rg_err e = RG_ERR_INIT;
    OK(rg_solve_text(&a, rg_engine_lm(x), &PROBLEM[0], &one, NULL, &e), e);
    OK(rg_solve_text(&b, rg_engine_lm(x), &PROBLEM[0], &two, NULL, &e), e);
    OK(rg_solve_text(&c, rg_engine_lm(x), &PROBLEM[0], &one, NULL, &e), e);
    CHECK(same_candidates(a, b) == same && same_candidates(a, c));
    CHECK(strcmp(a->config, b->config) != 0 && strcmp(a->config, c->config) == 0);
    rg_record_free(a);
    rg_record_free(b);
    rg_record_free(c);
    rg_engine_close(x);
}

TEST(a_seed_decides_and_another_differs)
{
    compare_seeds("majority", false);
}

TEST(greedy_uses_no_randomness)
{
    compare_seeds("greedy", true);
}

static char *first_text;

static rg_go take_text(void *arg, size_t job, const rg_gen_out *out)
{
    (void)arg;
    (void)job;
    first_text = rg_strndup(out->text.p, out->text.n);
    rg_lm_release(out->node);
    return RG_GO_ON;
}

/* The engine fed by hand with the template's ids gives the record's first candidate. */
static void check_prompt(rg_engine *x, const char *style)
{
    rg_err e = RG_ERR_INIT;
    rg_solve_opt o = options("majority", 1, 40, 11);
    o.prompt_style = style;
    const rg_policy_prompt *s = rg_policy_prompt_find(style);
    char user[1024];
    snprintf(user, sizeof user, "%s%s", PROBLEM[1].text, s->user_suffix == NULL ? "" : s->user_suffix);
    json_t *m = json_array();
    if (s->system != NULL)
        json_array_append_new(m, rg_chat_message("system", rg_str_of(s->system)));
    json_array_append_new(m, rg_chat_message("user", rg_str_of(user)));
    rg_ids ids = { 0 };
    const rg_chat_opt co = { .add_generation_prompt = true };
    OK(rg_chat_ids(&ids, rg_engine_bundle(x), m, &co, &e), e);

    rg_lm_node *node;
    OK(rg_lm_node_for(&node, rg_engine_lm(x), NULL, ids.id, ids.n, &e), e);
    const rg_gen gen = { .from = node,
                         .sampling = &o.sampling,
                         .max_tokens = 40,
                         .stream = rg_stream_child(rg_stream_root(11, PROBLEM[1].id, 1), 0) };
    OK(rg_lm_generate(rg_engine_lm(x), &gen, 1, take_text, NULL, NULL, &e), e);
    rg_record *r;
    OK(rg_solve_text(&r, rg_engine_lm(x), &PROBLEM[1], &o, NULL, &e), e);
    assert_int_equal(r->prompt_tokens, ids.n);
    assert_string_equal(r->candidate[0].text, first_text);
    rg_record_free(r);
    rg_free(first_text);
    rg_lm_release(node);
    rg_ids_free(&ids);
    json_decref(m);
}

TEST(the_prompt_is_the_templates)
{
    static const char *const styles[] = { "none", "default", "llama3", "r1" };
    rg_engine *x = engine(tiny("qwen2"), &WAYS[1]);
    size_t fit = 0;
    for (size_t i = 0; i < COUNT(styles); i++) {
        const rg_policy_prompt *s = rg_policy_prompt_find(styles[i]);
        const size_t chars =
            (s->system ? strlen(s->system) : 0) + (s->user_suffix ? strlen(s->user_suffix) : 0);
        if (chars > 100) /* the tiny context holds 256 tokens, nearly one a byte */
            continue;
        check_prompt(x, styles[i]);
        fit++;
    }
    CHECK(fit > 0);
    rg_engine_close(x);
}

/* The hash knows everything that decides a record. */
static void config_of(char out[17], rg_engine *x, const rg_solve_opt *o)
{
    rg_err e = RG_ERR_INIT;
    OK(rg_solve_config(out, rg_engine_lm(x), o, &e), e);
}

TEST(the_config_hash_sees_every_setting)
{
    static const char *const stop[] = { "x" };
    static const rg_bias bias[] = { { 5, 1.0f } };
    const rg_solve_opt base = options("majority", 4, 40, 1);
    rg_solve_opt o[18];
    for (size_t i = 0; i < COUNT(o); i++)
        o[i] = base;
    o[1].search.N = 5;
    o[2].seed = 2;
    o[3].max_tokens = 41;
    o[4].method = rg_strategy_find("adaptive");
    o[5].sampling.temp = 0.5;
    o[6].sampling.top_k = 3;
    o[7].sampling.top_p = 0.5;
    o[8].sampling.min_p = 0.5;
    o[9].sampling.repeat_penalty = 1.5;
    o[10].sampling.repeat_last_n = 3;
    o[11].sampling.bias = bias;
    o[11].sampling.n_bias = 1;
    o[12].prompt_style = "default";
    o[13].system = "be brief";
    o[14].stop = stop;
    o[14].n_stop = 1;
    o[15].last_number = false;
    o[16].exact = true;
    o[17].method = rg_strategy_find("best-of-n");
    rg_engine *x = engine(tiny("qwen2"), &WAYS[1]);
    char hash[COUNT(o)][17];
    for (size_t i = 0; i < COUNT(o); i++) {
        config_of(hash[i], x, &o[i]);
        for (size_t j = 0; j < i; j++)
            if (strcmp(hash[i], hash[j]) == 0)
                fail_msg("settings %zu and %zu share %s", i, j, hash[i]);
    }
    rg_solve_opt later = base;
    later.now_unix = 1 << 30; /* the clock is not a setting */
    char same[17];
    config_of(same, x, &later);
    assert_string_equal(same, hash[0]);
    rg_engine_close(x);
}

/* --template and -c change records without changing the model file. */
TEST(the_config_hash_sees_the_template_and_the_context)
{
    rg_err e = RG_ERR_INIT;
    const rg_engine_opt ways[] = { { .model = tiny("qwen2") },
                                   { .model = tiny("qwen2"), .chat_template = "llama3" },
                                   { .model = tiny("qwen2"), .lm.ctx = 100 },
                                   { .model = tiny("llama_norm") } };
    const rg_solve_opt o = options("majority", 4, 40, 1);
    char hash[COUNT(ways)][17];
    for (size_t i = 0; i < COUNT(ways); i++) {
        rg_engine *x;
        rg_engine_opt w = ways[i];
        w.model = tiny(i < 3 ? "qwen2" : "llama_norm");
        OK(rg_engine_open(&x, &w, NULL, &e), e);
        config_of(hash[i], x, &o);
        rg_engine_close(x);
        for (size_t j = 0; j < i; j++)
            CHECK(strcmp(hash[i], hash[j]) != 0);
    }
}

/* ---- what goes wrong ---- */

TEST(a_problem_that_cannot_be_solved_is_counted_and_the_rest_go_on)
{
    char lengthy[2000];
    memset(lengthy, 'y', sizeof lengthy - 1);
    lengthy[sizeof lengthy - 1] = '\0';
    const rg_problem bad = { .id = "bad", .text = lengthy }, empty = { .id = "empty", .text = " \n" };
    const rg_problem *p[] = { &PROBLEM[0], &bad, &empty, &PROBLEM[1] };
    rg_engine *x = engine(tiny("qwen2"), &WAYS[1]);
    const rg_solve_opt o = options("majority", 2, 10, 1);
    const rg_call calls[] = { { 0 }, { .deadline_ns = rg_now_ns() + 600000000000ll } };
    for (size_t i = 0; i < COUNT(calls); i++) { /* a far deadline does not change what a failure is */
        rg_summary sum = { 0 };
        rg_err e = RG_ERR_INIT;
        texts t = { 0 };
        OK(rg_solve_many(&sum, rg_engine_lm(x), p, 4, &o, 1, keep, &t, &calls[i], &e), e);
        CHECK(sum.n == 2 && sum.failed == 2 && t.of[0] && t.of[1]);
        texts_free(&t);
    }
    rg_engine_close(x);
}

TEST(the_oracle_needs_an_answer)
{
    rg_engine *x = engine(tiny("qwen2"), &WAYS[1]);
    rg_solve_opt o = options("best-of-n", 2, 10, 1);
    const rg_problem p = { .id = "q", .text = "1 + 1" };
    rg_record *r;
    rg_err e = RG_ERR_INIT;
    o.score = RG_SCORE_ORACLE;
    CHECK(rg_solve_text(&r, rg_engine_lm(x), &p, &o, NULL, &e) == RG_EARG && r == NULL &&
          strstr(e.msg, "oracle"));
    rg_engine_close(x);
}

/* A cancelled call gives back what it had, marked. */
TEST(an_interrupted_solve_leaves_a_partial_record)
{
    rg_engine *x = engine(tiny("qwen2"), &(way){ NULL, 1, 1, 64, 1 }); /* one slot: one after the other */
    const rg_solve_opt o = options("majority", 200, 100, 1);
    const rg_call call = { .deadline_ns = rg_now_ns() + 100000000 };
    rg_record *r;
    rg_err e = RG_ERR_INIT;
    const rg_status s = rg_solve_text(&r, rg_engine_lm(x), &PROBLEM[0], &o, &call, &e);
    CHECK(s == RG_ELIMIT && r != NULL && !r->run.complete && r->n < 200);
    rg_buf b = RG_BUF_MAX(MAX_JSON);
    rg_record_json(&b, r, false);
    CHECK(strstr(b.p, "\"complete\":false"));
    rg_buf_free(&b);
    rg_record_free(r);
    rg_engine_close(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_gives_the_same_records),
        cmocka_unit_test(every_way_gives_the_same_records_with_a_real_model),
        cmocka_unit_test(a_problem_alone_is_the_same_as_among_many),
        cmocka_unit_test(a_larger_pool_begins_with_the_smaller_one),
        cmocka_unit_test(a_seed_decides_and_another_differs),
        cmocka_unit_test(greedy_uses_no_randomness),
        cmocka_unit_test(the_prompt_is_the_templates),
        cmocka_unit_test(the_config_hash_sees_every_setting),
        cmocka_unit_test(the_config_hash_sees_the_template_and_the_context),
        cmocka_unit_test(a_problem_that_cannot_be_solved_is_counted_and_the_rest_go_on),
        cmocka_unit_test(the_oracle_needs_an_answer),
        cmocka_unit_test(an_interrupted_solve_leaves_a_partial_record),
    };
    return cmocka_run_group_tests_name("solve/same", tests, NULL, NULL);
}
