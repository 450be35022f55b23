/* Scalar process reward models: the numbers of transformers in all seven formats, read where they
 * should be; the same bits step by step; no token twice; what a model lacks, said by name. */
#include <unistd.h>

#include "prm_cases.h"

/* ---- the numbers ---- */

/* Measured: 9.1e-6 at most on the exact path (pqm, whose values go to 2.2).  The fast path differs by its
 * 16-bit state: 4.5e-3 at most. */
static void compare(const prm_case *c, const rg_judgement *got, double *worst)
{
    for (size_t i = 0; i < c->n_scores; i++) {
        const rg_judgement *g = &got[c->n - c->n_scores + i];
        if (g->token != c->at[i])
            fail_msg("%s: step %zu read at token %zu, not %zu", c->format, i, g->token, c->at[i]);
        *worst = fmax(*worst, fabs(g->r - c->r[i]));
    }
}

static void all_cases(bool exact, double most)
{
    json_t *all = prm_goldens();
    double worst = 0;
    for (size_t i = 0; i < json_array_size(all); i++) {
        const prm_case c = prm_case_of(json_array_get(all, i));
        rg_engine *x = prm_engine(c.model, exact, 1, 0);
        rg_judgement got[MAX_STEPS];
        prm_whole(x, &c, got);
        compare(&c, got, &worst);
        CHECK(prm_rows(x) == got[c.n - 1].token + 1); /* and nothing behind the last mark */
        rg_engine_close(x);
    }
    print_message("# worst difference %.2e\n", worst);
    CHECK(worst <= most);
    json_decref(all);
}

TEST(the_exact_path_gives_transformers_numbers)
{
    all_cases(true, 1e-4);
}

TEST(the_fast_path_stays_near_them)
{
    all_cases(false, 0.02);
}

/* ---- the same bits, and no token twice ---- */

static const char *const FORMATS[] = {
    "math-shepherd", "rlhflow", "skywork", "qwen", "er-prm", "pqm", "openr"
};

static void same(const rg_judgement *a, const rg_judgement *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        CHECK(memcmp(&a[i].r, &b[i].r, sizeof a[i].r) == 0 && a[i].token == b[i].token);
}

TEST(step_by_step_gives_the_bits_of_the_whole)
{
    json_t *all = prm_goldens();
    for (size_t k = 0; k < COUNT(FORMATS); k++) {
        const prm_case c = prm_longest(all, FORMATS[k]);
        rg_judgement whole[MAX_STEPS], one[MAX_STEPS];
        rg_engine *x = prm_engine(c.model, false, 2, 0), *y = prm_engine(c.model, false, 1, 0);
        prm_whole(x, &c, whole);
        rg_verifier *v = prm_verifier(y, c.format);
        rg_judging *j = prm_session(v);
        for (size_t i = 0; i < c.n; i++) {
            prm_judge(
                j,
                &(rg_path){
                    .problem = c.problem, .step = c.step, .n = i + 1, .first = i, .key = i + 1, .parent = i },
                &one[i]);
            if (i > 0)
                v->forget(j, i);
        }
        same(whole, one, c.n);
        CHECK(prm_rows(y) == prm_rows(x) && prm_rows(x) == whole[c.n - 1].token + 1);
        v->close(j);
        rg_verifier_free(v);
        rg_engine_close(x);
        rg_engine_close(y);
    }
    json_decref(all);
}

/* 4 first steps, two seconds behind each: the problem once, each step once.  A path's tokens beyond the
 * problem's are those that its length, counted alone, adds to its parent's. */
static size_t tree_tokens(const prm_case *c, rg_engine *x, rg_judgement alone[4][3])
{
    size_t total = 0;
    for (size_t a = 0; a < 4; a++)
        for (size_t b = 0; b < 2; b++) {
            const rg_str step[2] = { c->step[a], c->step[4 + b] };
            rg_verifier *v = prm_verifier(x, c->format);
            rg_judging *j = prm_session(v);
            rg_judgement r[2];
            prm_judge(j, &(rg_path){ .problem = c->problem, .step = step, .n = 2 }, r);
            alone[a][0] = r[0];
            alone[a][1 + b] = r[1];
            total += r[1].token - r[0].token + (b == 0 ? r[0].token + 1 : 0);
            v->close(j);
            rg_verifier_free(v);
        }
    return total;
}

static void judge_tree(const prm_case *c, rg_engine *x, rg_judgement got[4][3])
{
    rg_err e = RG_ERR_INIT;
    rg_verifier *v = prm_verifier(x, c->format);
    rg_judging *j = prm_session(v);
    rg_path p[8];
    rg_str step[8][2];
    rg_judgement *out[8];
    for (size_t a = 0; a < 4; a++) {
        p[a] = (rg_path){ .problem = c->problem, .step = &c->step[a], .n = 1, .key = 10 + a };
        out[a] = &got[a][0];
    }
    OK(v->judge(j, p, 4, out, NULL, &e), e);
    for (size_t i = 0; i < 8; i++) {
        step[i][0] = c->step[i / 2];
        step[i][1] = c->step[4 + i % 2];
        p[i] = (rg_path){ .problem = c->problem, .step = step[i], .n = 2, .first = 1, .parent = 10 + i / 2 };
        out[i] = &got[i / 2][1 + i % 2];
    }
    OK(v->judge(j, p, 8, out, NULL, &e), e);
    v->close(j);
    rg_verifier_free(v);
}

TEST(a_tree_computes_each_token_once)
{
    json_t *all = prm_goldens();
    for (size_t k = 0; k < COUNT(FORMATS); k++) {
        const prm_case c = prm_longest(all, FORMATS[k]);
        rg_judgement alone[4][3], got[4][3];
        rg_engine *x = prm_engine(c.model, false, 1, 0), *y = prm_engine(c.model, false, 2, 0);
        const size_t total = tree_tokens(&c, x, alone);
        judge_tree(&c, y, got);
        for (size_t a = 0; a < 4; a++)
            same(alone[a], got[a], 3);
        CHECK(prm_rows(y) == total - 3 * c.head);
        rg_engine_close(x);
        rg_engine_close(y);
    }
    json_decref(all);
}

/* A path whose parent was forgotten, or never judged, is read from its beginning. */
TEST(steps_before_the_first_are_read_and_not_judged)
{
    json_t *all = prm_goldens();
    const prm_case c = prm_longest(all, "qwen");
    rg_engine *x = prm_engine(c.model, true, 1, 0);
    rg_judgement whole[MAX_STEPS], last[2];
    prm_whole(x, &c, whole);
    rg_verifier *v = prm_verifier(x, "qwen");
    rg_judging *j = prm_session(v);
    prm_judge(j, &(rg_path){ .problem = c.problem, .step = c.step, .n = 6, .first = 4 }, last);
    same(whole + 4, last, 2);
    prm_judge(j, &(rg_path){ .problem = c.problem, .step = c.step, .n = 6, .first = 4, .parent = 77 }, last);
    same(whole + 4, last, 2);
    v->close(j);
    rg_verifier_free(v);
    rg_engine_close(x);
    json_decref(all);
}

TEST(steps_beyond_the_context_are_not_a_number)
{
    json_t *all = prm_goldens();
    for (size_t k = 0; k < COUNT(FORMATS); k++) {
        const prm_case c = prm_longest(all, FORMATS[k]);
        rg_engine *x = prm_engine(c.model, true, 1, 0), *y = prm_engine(c.model, true, 1, c.at[3] + 1);
        rg_judgement whole[MAX_STEPS], cut[MAX_STEPS];
        prm_whole(x, &c, whole);
        rg_verifier *v = prm_verifier(y, c.format);
        rg_judging *j = prm_session(v);
        prm_judge(j, &(rg_path){ .problem = c.problem, .step = c.step, .n = 5, .key = 1 }, cut);
        same(whole, cut, 4);
        CHECK(isnan(cut[4].r) && cut[4].token == SIZE_MAX);
        prm_judge(j, &(rg_path){ .problem = c.problem, .step = c.step, .n = 6, .first = 5, .parent = 1 },
                  cut);
        CHECK(isnan(cut[0].r));
        v->close(j);
        rg_verifier_free(v);
        rg_engine_close(x);
        rg_engine_close(y);
    }
    json_decref(all);
}

/* ---- which format, and what is missing ---- */

static void refuse(const char *model, const char *format, const char *word, const char *too)
{
    rg_err e = RG_ERR_INIT;
    rg_verifier *v;
    rg_engine *x = prm_engine(model, false, 1, 0);
    CHECK(rg_prm_new(&v, rg_engine_lm(x), &(rg_prm_opt){ prm_kind_of(format) }, &e) == RG_EARG && v == NULL);
    if (strstr(e.msg, word) == NULL || strstr(e.msg, too) == NULL)
        fail_msg("no %s, %s in: %s", word, too, e.msg);
    rg_engine_close(x);
}

TEST(what_a_model_lacks_is_named)
{
    refuse("labels", "openr", "a blank and five new lines", "--prm-format");
    refuse("labels", "qwen", "2 outputs", "has 0");
    refuse("value", "qwen", "2 outputs", "has 1");
    refuse("head2", "skywork", "1 outputs", "has 2");
    refuse("labels", "pqm", "cls.output.weight", "--prm-format");
    refuse("value", "rlhflow", "no output matrix", "--prm-format");
    refuse("labels", "auto", "math-shepherd,rlhflow,skywork", "--prm-format");
}

static void tells(const char *model, const char *file, rg_scale scale, const char *name)
{
    rg_err e = RG_ERR_INIT;
    char to[256], from[4096], rel[64];
    rg_verifier *v;
    rg_buf b = RG_BUF_MAX(4096);
    snprintf(rel, sizeof rel, "prm/%s.gguf", model);
    snprintf(from, sizeof from, "%s", test_file(rel));
    snprintf(to, sizeof to, "/tmp/%s.%ld.gguf", file, (long)getpid());
    CHECK(symlink(from, to) == 0);
    rg_engine *x = tiny_engine(to, NULL, 1, (rg_lm_opt){ 0 });
    OK(rg_prm_new(&v, rg_engine_lm(x), &(rg_prm_opt){ RG_PRM_AUTO }, &e), e);
    OK(v->describe(v, &b, &e), e);
    rg_buf_putc(&b, '\0');
    if (v->scale != scale || strstr(b.p, name) == NULL)
        fail_msg("%s is %s, not %s", file, b.p, name);
    rg_buf_free(&b);
    rg_verifier_free(v);
    rg_engine_close(x);
    unlink(to);
}

TEST(a_name_or_a_head_tells_the_format)
{
    tells("head2", "x", RG_PROBABILITY, "|qwen");
    tells("value", "x", RG_RAW, "|pqm");
    tells("value", "Skywork-o1-Open-PRM-Qwen-2.5-1.5B", RG_PROBABILITY, "|skywork");
    tells("labels", "math-shepherd-mistral-7b-prm", RG_PROBABILITY, "|math-shepherd");
    tells("head2", "Llama3.1-8B-PRM-Deepseek-Data", RG_PROBABILITY, "|rlhflow");
    tells("head2", "Llama3.1-Math-PRM", RG_PROBABILITY, "|er-prm");
    tells("head2", "openr-math-psa-prm", RG_PROBABILITY, "|openr");
}

/* ---- outcome reward models ---- */

TEST(an_outcome_model_judges_whole_answers_only)
{
    rg_err e = RG_ERR_INIT;
    json_t *all = prm_goldens();
    const prm_case c = prm_longest(all, "orm");
    rg_engine *x = prm_engine(c.model, true, 1, 0);
    rg_verifier *v = prm_verifier(x, "orm");
    rg_judging *j = prm_session(v);
    rg_judgement a[MAX_STEPS], b[MAX_STEPS], *out[2] = { a, b };
    CHECK(v->whole_only && v->scale == RG_PROBABILITY);
    const rg_path p[2] = { { .problem = c.problem, .step = c.step, .n = 6, .whole = true },
                           { .problem = c.problem, .step = c.step, .n = 2 } };
    OK(v->judge(j, p, 2, out, NULL, &e), e);
    for (size_t i = 0; i < 5; i++)
        CHECK(isnan(a[i].r) && isnan(b[i % 2].r));
    CHECK(fabs(a[5].r - c.r[0]) <= 1e-4 && a[5].token == c.at[0]);
    const uint64_t before = prm_rows(x);
    const rg_path shorter = { .problem = c.problem, .step = c.step, .n = 2, .whole = true };
    prm_judge(j, &shorter, b);
    CHECK(prm_rows(x) - before < b[1].token + 1); /* the problem is not computed again */
    v->close(j);
    rg_verifier_free(v);
    OK(rg_orm_new(&v, rg_engine_lm(x), &(rg_orm_opt){ .raw = true }, &e), e);
    CHECK(v->scale == RG_RAW);
    rg_verifier_free(v);
    rg_engine_close(x);
    x = prm_engine("labels", true, 1, 0);
    CHECK(rg_orm_new(&v, rg_engine_lm(x), &(rg_orm_opt){ 0 }, &e) == RG_EARG);
    CHECK(strstr(e.msg, "cls.output.weight") != NULL && strstr(e.msg, "direct") != NULL);
    rg_engine_close(x);
    json_decref(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_exact_path_gives_transformers_numbers),
        cmocka_unit_test(the_fast_path_stays_near_them),
        cmocka_unit_test(step_by_step_gives_the_bits_of_the_whole),
        cmocka_unit_test(a_tree_computes_each_token_once),
        cmocka_unit_test(steps_before_the_first_are_read_and_not_judged),
        cmocka_unit_test(steps_beyond_the_context_are_not_a_number),
        cmocka_unit_test(what_a_model_lacks_is_named),
        cmocka_unit_test(a_name_or_a_head_tells_the_format),
        cmocka_unit_test(an_outcome_model_judges_whole_answers_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
