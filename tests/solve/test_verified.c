/* What a verifier says reaches people, records and the reviser: a verifier of our own. */
#include <math.h>

#include "../lm/tiny.h"
#include "rung/solve/score.h"

/* ---- a verifier that finds every second step wrong, and says why ---- */

typedef struct mock {
    rg_verifier v;
    bool silent; /* it gives no critique */
} mock;

static const rg_code_run CODE = { .source = "print(2)", .output = "2", .status = "ok", .cpu_s = 0.25 };
static const rg_rationale WORDS = { .text = "<analyze>\nit is not 3\n</analyze>",
                                    .r = 0.25,
                                    .decision = 0,
                                    .tokens = 9,
                                    .flags = RG_VF_FORCED,
                                    .code = &CODE,
                                    .n_code = 1 };

static rg_status mock_open(rg_judging **out, rg_verifier *v, rg_err *e)
{
    *out = rg_calloc(1, sizeof **out);
    if (*out == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory");
    (*out)->v = v;
    return RG_OK;
}

static void mock_close(rg_judging *j)
{
    rg_free(j);
}

static rg_status mock_judge(rg_judging *j, const rg_path *p, size_t n, rg_judgement *const *out,
                            const rg_call *call, rg_err *e)
{
    const mock *m = (const mock *)j->v;
    (void)call;
    (void)e;
    for (size_t i = 0; i < n; i++)
        for (size_t k = p[i].first; k < p[i].n; k++) {
            const bool wrong = k % 2 == 1 || p[i].n == 1;
            out[i][k - p[i].first] = (rg_judgement){ .r = wrong ? 0.25 : 0.75,
                                                     .token = 10 + k,
                                                     .flags = wrong ? RG_VF_FORCED : 0,
                                                     .rationale = wrong ? &WORDS : NULL,
                                                     .n_rationales = wrong,
                                                     .critique = wrong && !m->silent ? "it is 4" : NULL };
        }
    return RG_OK;
}

static rg_status mock_describe(rg_verifier *v, rg_buf *b, rg_err *e)
{
    (void)v;
    (void)e;
    rg_buf_puts(b, "|mock");
    return RG_OK;
}

static mock mock_new(bool silent)
{
    return (mock){ .v = { .name = "mock",
                          .scale = RG_PROBABILITY,
                          .describe = mock_describe,
                          .open = mock_open,
                          .judge = mock_judge,
                          .close = mock_close },
                   .silent = silent };
}

/* ---- given solutions ---- */

typedef struct shown {
    rg_buf json, text;
} shown;

static rg_status show(void *arg, const rg_scored *s, rg_err *e)
{
    shown *x = arg;
    (void)e;
    rg_scored_json(&x->json, s, "mock");
    rg_scored_text(&x->text, s, 80, true, false);
    return RG_OK;
}

TEST(rationales_and_code_are_told)
{
    rg_err e = RG_ERR_INIT;
    mock m = mock_new(false);
    shown x = { .json = RG_BUF_MAX(1 << 16), .text = RG_BUF_MAX(1 << 16) };
    const rg_solution one = {
        .id = "s", .problem = "2 + 2", .text = "2 + 2 is\n\nit is 3\n\nso 3", .labelled = true, .label = 1
    };
    const rg_solution *list[] = { &one };
    const rg_score_opt o = { .threshold = 0.5 };
    OK(rg_score_all(&m.v, list, 1, &o, show, &x, NULL, &e), e);
    CHECK(strstr(x.json.p, "\"step_scores\":[0.75,0.25,0.75]") != NULL);
    CHECK(strstr(x.json.p,
                 "\"token\":11,\"n\":1,\"flags\":[\"forced\"],\"rationales\":[{\"text\":\"<analyze>") !=
          NULL);
    CHECK(strstr(x.json.p,
                 "\"decision\":\"No\",\"code\":[{\"source\":\"print(2)\",\"status\":\"ok\",\"stdout\":"
                 "\"2\"}],\"tokens\":9") != NULL);
    CHECK(strstr(x.json.p, "\"first_error\":1,\"label\":1,\"match\":true}") != NULL);
    CHECK(strstr(x.text.p, "s: 3 steps, first error at step 1 (label 1: match)") == x.text.p);
    CHECK(strstr(x.text.p, "read at token 11") != NULL && strstr(x.text.p, "      | it is not 3\n") != NULL);
    CHECK(strstr(x.text.p, "chain 1 of 1: No, r = 0.2500, 9 tokens") != NULL);
    CHECK(strstr(x.text.p, "code 1: ok, 0.250 s") != NULL && strstr(x.text.p, "(forced)") != NULL);
    rg_buf_free(&x.json);
    rg_buf_free(&x.text);
}

TEST(a_solution_without_steps_is_named)
{
    rg_err e = RG_ERR_INIT;
    mock m = mock_new(false);
    const rg_solution one = { .id = "s7", .problem = "2 + 2", .text = " \n\n " };
    const rg_solution *list[] = { &one };
    const rg_score_opt o = { .threshold = 0.5 };
    CHECK(rg_score_all(&m.v, list, 1, &o, show, NULL, NULL, &e) == RG_EFORMAT);
    CHECK(strstr(e.msg, "s7: the solution is empty") != NULL);
}

/* ---- refinement ---- */

/* Tokens that the policy spent on one revision, and those of the new answer alone. */
static void refine(const char *model, bool silent, size_t *spent, size_t *answer)
{
    rg_err e = RG_ERR_INIT;
    mock m = mock_new(silent);
    rg_engine *x = tiny_engine(model, NULL, 2, (rg_lm_opt){ 0 });
    rg_solve_opt o = { .method = rg_strategy_find("refine"),
                       .seed = 5,
                       .sampling = RG_SAMPLING_DEFAULTS,
                       .step_tokens = 16,
                       .max_tokens = 6,
                       .prompt_style = "none",
                       .verifier = &m.v };
    rg_search_defaults(&o.search);
    o.search.N = 1;
    o.search.turns = 1;
    const rg_problem p = { .id = "p", .text = "2 + 2" };
    rg_record *r;
    OK(rg_solve_text(&r, rg_engine_lm(x), &p, &o, NULL, &e), e);
    const rg_tree *t = &r->run.tree;
    CHECK(t->n == 3 && r->n == 1 && t->node[2].parent == 1); /* root, answer, revision */
    *spent = t->node[2].tokens;
    *answer = r->candidate[0].tokens;
    rg_record_free(r);
    rg_engine_close(x);
}

TEST(a_critique_saves_the_review)
{
    char model[4096];
    size_t spent, answer;
    const char *found = test_model("smollm2-135m"); /* the tiny models' context is too short for a review */
    if (found == NULL)
        skip();
    snprintf(model, sizeof model, "%s", found);
    refine(model, false, &spent, &answer);
    CHECK(spent == answer && answer > 0);
    refine(model, true, &spent, &answer); /* nothing is said: the policy reviews itself */
    CHECK(spent > answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rationales_and_code_are_told),
        cmocka_unit_test(a_solution_without_steps_is_named),
        cmocka_unit_test(a_critique_saves_the_review),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
