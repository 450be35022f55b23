/* Logits of the tiny models against transformers: every architecture, both rope layouts, every
 * rope scaling, windows, biases, tied heads, every quantised type. */
#include <math.h>

#include "tiny.h"

typedef struct tiny_case {
    const char *name;
    double exact_max; /* largest difference of any logit (their sd is 2.6 to 2.8) */
    double fast_max, fast_rms;
    size_t ctx;  /* of the engine; 0 = the model's */
    size_t only; /* 1 = the first sequence, 2 = the second; 0 = both */
} tiny_case;

/* Measured, the same at every level: exact 2.4e-5 at most; fast: max and rms behind each line.
 * The fast path of an F32 file differs by its f16 attention state alone. */
static const tiny_case CASES[] = {
    { "llama_norm", 1e-4, 0.04, 0.006, 0, 0 },      /* 0.0134, 0.0020 */
    { "llama3_rope", 1e-4, 0.04, 0.006, 0, 0 },     /* 0.0127, 0.0018 */
    { "qwen2", 1e-4, 0.025, 0.003, 0, 0 },          /* 0.0084, 0.0011 */
    { "llama_linear", 1e-4, 0.04, 0.006, 0, 0 },    /* 0.0140, 0.0022 */
    { "qwen2_mixed", 1e-4, 0.4, 0.06, 0, 0 },       /* 0.262, 0.048; llama.cpp: 0.30, 0.050 */
    { "llama_kquant", 1e-4, 0.7, 0.1, 0, 0 },       /* 0.537, 0.082; llama.cpp: 0.49, 0.082 */
    { "arch_llama", 1e-4, 0.06, 0.006, 0, 0 },      /* 0.0240, 0.0021 */
    { "arch_qwen2", 1e-4, 0.04, 0.004, 0, 0 },      /* 0.0156, 0.0015 */
    { "arch_qwen3", 1e-4, 0.08, 0.006, 0, 0 },      /* 0.0345, 0.0021 */
    { "arch_mistral", 1e-4, 0.04, 0.004, 0, 0 },    /* 0.0135, 0.0014 */
    { "arch_gemma3", 1e-4, 0.02, 0.002, 0, 0 },     /* 0.0070, 0.0006 */
    { "arch_phi3", 1e-4, 0.03, 0.005, 0, 0 },       /* 0.0113, 0.0017 */
    { "arch_phi3_long", 1e-4, 0.04, 0.006, 56, 1 }, /* 0.0128, 0.0020: the short factors */
    { "arch_phi3_long", 1e-4, 0.06, 0.006, 0, 2 },  /* 0.0219, 0.0022: the long ones */
};

typedef struct distance {
    const golden_seq *s;
    size_t V;
    double max, sum2;
    size_t n, greedy_wrong;
} distance;

/* Token i is predicted: row i - 1 of the golden; behind the sequence, a greedy choice. */
static void compare(void *arg, size_t i, const float *logits, size_t V)
{
    distance *d = arg;
    CHECK(V == d->V);
    size_t best = 0;
    for (size_t v = 0; v < V; v++)
        if (logits[v] > logits[best])
            best = v;
    if (i >= d->s->T)
        d->greedy_wrong += (int32_t)best != d->s->greedy[i - d->s->T];
    if (i > d->s->T)
        return;
    const float *want = d->s->logits + (i - 1) * V;
    for (size_t v = 0; v < V; v++) {
        const double diff = fabs((double)logits[v] - (double)want[v]);
        d->max = fmax(d->max, diff);
        d->sum2 += diff * diff;
    }
    d->n += V;
}

static bool wanted(const tiny_case *c, size_t seq)
{
    return c->only == 0 || c->only == seq + 1;
}

static void score_golden(const tiny_case *c, rg_lm *lm, const golden *g, distance *d)
{
    rg_err e = RG_ERR_INIT;
    rg_lm_node *root = rg_lm_root(lm);
    int32_t id[256];
    for (size_t i = 0; i < g->S; i++) {
        const golden_seq *s = &g->seq[i];
        if (!wanted(c, i))
            continue;
        memcpy(id, s->id, s->T * sizeof *id);
        memcpy(id + s->T, s->greedy, g->G * sizeof *id);
        d->s = s;
        rg_score sc = { .from = root, .id = id, .n = s->T + g->G, .on_logits = compare, .arg = d };
        OK(rg_lm_score(lm, &sc, 1, NULL, &e), e);
    }
    rg_lm_release(root);
}

/* Greedy generation gives the golden continuation, token by token through the decode path. */
static void continue_golden(const tiny_case *c, rg_lm *lm, const golden *g)
{
    rg_err e = RG_ERR_INIT;
    rg_sampling greedy = RG_SAMPLING_DEFAULTS;
    greedy.temp = 0;
    for (size_t i = 0; i < g->S; i++) {
        const golden_seq *s = &g->seq[i];
        if (!wanted(c, i))
            continue;
        kept k = { 0 };
        rg_lm_node *node = tiny_node(lm, s->id, s->T);
        const rg_gen job = { .from = node, .sampling = &greedy, .max_tokens = g->G, .ignore_end = true };
        OK(rg_lm_generate(lm, &job, 1, keep, &k, NULL, &e), e);
        assert_memory_equal(k.id, s->greedy, g->G * sizeof *k.id);
        rg_lm_release(k.node);
        rg_lm_release(node);
    }
}

typedef enum form { GGUF_FORM, FOLDER_FORM } form;

/* Models of every architecture (arch_NAME) are there as folders too. */
static const char *path_of(const tiny_case *c, form f)
{
    char rel[64];
    if (f == GGUF_FORM)
        return tiny_path(c->name, "gguf");
    snprintf(rel, sizeof rel, "folder/%s", c->name + strlen("arch_"));
    return test_file(rel);
}

static void run_case(const tiny_case *c, bool exact, form f)
{
    const char *level[RG_N_ISA];
    const size_t n_levels = tiny_levels(level);
    golden g = golden_open(c->name);
    for (size_t l = 0; l < n_levels; l++) {
        const rg_lm_opt o = { .exact = exact, .ctx = c->ctx };
        rg_engine *x = tiny_engine(path_of(c, f), level[l], 1, o);
        distance d = { .V = g.V };
        score_golden(c, rg_engine_lm(x), &g, &d);
        const double rms = sqrt(d.sum2 / (double)d.n);
        print_message("# %s %s %s: max %.3g, rms %.3g\n", c->name, exact ? "exact" : "fast", level[l], d.max,
                      rms);
        CHECK(d.max <= (exact ? c->exact_max : c->fast_max));
        CHECK(exact || rms <= c->fast_rms);
        CHECK(d.greedy_wrong == 0);
        continue_golden(c, rg_engine_lm(x), &g);
        rg_engine_close(x);
    }
    golden_close(&g);
}

TEST(the_exact_path_gives_the_golden_logits_at_every_level)
{
    for (size_t i = 0; i < COUNT(CASES); i++)
        run_case(&CASES[i], true, GGUF_FORM);
}

TEST(a_folder_gives_the_golden_logits_too)
{
    for (size_t i = 0; i < COUNT(CASES); i++)
        if (strncmp(CASES[i].name, "arch_", 5) == 0)
            run_case(&CASES[i], true, FOLDER_FORM);
}

TEST(the_fast_path_stays_within_its_quantisation_error)
{
    for (size_t i = 0; i < COUNT(CASES); i++)
        run_case(&CASES[i], false, GGUF_FORM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_exact_path_gives_the_golden_logits_at_every_level),
        cmocka_unit_test(a_folder_gives_the_golden_logits_too),
        cmocka_unit_test(the_fast_path_stays_within_its_quantisation_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
