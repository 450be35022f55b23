/* prm_cases.h - the goldens of tests/data/prm (oracle/prm.py): what transformers gives for the seven
 * formats, and engines over the tiny reward models. */
#ifndef RUNG_TEST_PRM_CASES_H
#define RUNG_TEST_PRM_CASES_H

#include <jansson.h>
#include <math.h>

#include "../lm/tiny.h"
#include "rung/reward/orm.h"
#include "rung/reward/prm.h"

enum { MAX_STEPS = 8 };

typedef struct prm_case {
    const char *format, *model;
    rg_str problem, step[MAX_STEPS];
    size_t n, head, n_scores; /* head: tokens in front of the first step, whatever it says */
    size_t at[MAX_STEPS];
    double r[MAX_STEPS];
} prm_case;

static inline rg_str text_of(const json_t *v)
{
    return rg_str_n(json_string_value(v), json_string_length(v));
}

static inline json_t *prm_goldens(void)
{
    json_error_t why;
    json_t *all = json_load_file(test_file("prm/goldens.json"), 0, &why);
    if (all == NULL)
        fail_msg("goldens.json: %s", why.text);
    CHECK(json_array_size(all) == 24);
    return all;
}

static inline prm_case prm_case_of(const json_t *v)
{
    const json_t *steps = json_object_get(v, "steps"), *at = json_object_get(v, "at");
    prm_case c = { .format = json_string_value(json_object_get(v, "format")),
                   .model = json_string_value(json_object_get(v, "model")),
                   .problem = text_of(json_object_get(v, "problem")),
                   .n = json_array_size(steps),
                   .head = (size_t)json_integer_value(json_object_get(v, "head")),
                   .n_scores = json_array_size(at) };
    CHECK(c.n <= MAX_STEPS);
    for (size_t i = 0; i < c.n; i++)
        c.step[i] = text_of(json_array_get(steps, i));
    for (size_t i = 0; i < c.n_scores; i++) {
        c.at[i] = (size_t)json_integer_value(json_array_get(at, i));
        c.r[i] = json_real_value(json_array_get(json_object_get(v, "scores"), i));
    }
    return c;
}

/* The longest solution in this format. */
static inline prm_case prm_longest(const json_t *all, const char *format)
{
    prm_case best = { 0 };
    for (size_t i = 0; i < json_array_size(all); i++) {
        const prm_case c = prm_case_of(json_array_get(all, i));
        if (strcmp(c.format, format) == 0 && c.n > best.n)
            best = c;
    }
    CHECK(best.n == 6);
    return best;
}

static inline rg_engine *prm_engine(const char *model, bool exact, size_t threads, size_t ctx)
{
    char rel[64], path[4096];
    snprintf(rel, sizeof rel, "prm/%s.gguf", model);
    snprintf(path, sizeof path, "%s", test_file(rel));
    return tiny_engine(path, NULL, threads, (rg_lm_opt){ .exact = exact, .ctx = ctx });
}

static inline int prm_kind_of(const char *format)
{
    static const char *const names[] = { "auto", "math-shepherd", "rlhflow", "skywork",
                                         "qwen", "er-prm",        "pqm",     "openr" };
    for (size_t i = 0; i < COUNT(names); i++)
        if (strcmp(names[i], format) == 0)
            return (int)i;
    fail_msg("format %s", format);
    return 0;
}

static inline rg_verifier *prm_verifier(rg_engine *x, const char *format)
{
    rg_err e = RG_ERR_INIT;
    rg_verifier *v;
    if (strcmp(format, "orm") == 0)
        OK(rg_orm_new(&v, rg_engine_lm(x), &(rg_orm_opt){ 0 }, &e), e);
    else
        OK(rg_prm_new(&v, rg_engine_lm(x), &(rg_prm_opt){ prm_kind_of(format) }, &e), e);
    return v;
}

static inline rg_judging *prm_session(rg_verifier *v)
{
    rg_err e = RG_ERR_INIT;
    rg_judging *j;
    OK(v->open(&j, v, &e), e);
    return j;
}

/* One path in a batch of its own. */
static inline void prm_judge(rg_judging *j, const rg_path *p, rg_judgement *out)
{
    rg_err e = RG_ERR_INIT;
    rg_ledger cost = { 0 };
    const rg_call call = { .ledger = &cost, .role = RG_VERIFIER };
    OK(j->v->judge(j, p, 1, &out, &call, &e), e);
}

static inline void prm_whole(rg_engine *x, const prm_case *c, rg_judgement *out)
{
    rg_verifier *v = prm_verifier(x, c->format);
    rg_judging *j = prm_session(v);
    prm_judge(j, &(rg_path){ .problem = c->problem, .step = c->step, .n = c->n, .whole = true }, out);
    v->close(j);
    rg_verifier_free(v);
}

static inline uint64_t prm_rows(const rg_engine *x)
{
    rg_lm_stats st;
    rg_lm_get_stats(rg_engine_lm(x), &st);
    return st.rows;
}

#endif
