/* How sure a model was of a token: against double arithmetic over a full sort, the same bits at
 * every kernel level and with any threads, and the bound that ends a branch. */
#include <math.h>
#include <stdlib.h>

#include "rung/base/rng.h"
#include "tiny.h"

#include "lm_int.h"

enum { V_MAX = 30011, N_GEN = 40 };

/* Logits like a model's: normal, some from a coarse grid so that ties occur, one far ahead. */
static void fill(float *x, size_t V, uint64_t stream, double spread, double ahead)
{
    for (size_t i = 0; i < V; i++) {
        const double v = spread * rg_draw_normal(stream, i, RG_DRAW_NOISE);
        x[i] = (float)(i % 8 == 0 ? round(v) : v);
    }
    x[V / 3] += (float)ahead;
}

static int falling(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x > y ? -1 : x < y;
}

typedef struct slow {
    double entropy, margin, certainty, confidence;
} slow;

static slow slowly(const float *x, size_t V)
{
    static double logp[V_MAX];
    const size_t k = V < RG_DOUBT_TOP ? V : RG_DOUBT_TOP;
    double z = 0, max = -INFINITY;
    slow r = { 0 };
    for (size_t i = 0; i < V; i++)
        max = fmax(max, (double)x[i]);
    for (size_t i = 0; i < V; i++)
        z += exp((double)x[i] - max);
    for (size_t i = 0; i < V; i++) {
        logp[i] = (double)x[i] - max - log(z);
        r.entropy -= exp(logp[i]) * logp[i];
        r.certainty -= (logp[i] + log((double)V)) / (double)V;
    }
    qsort(logp, V, sizeof *logp, falling);
    r.margin = exp(logp[0]) - (V < 2 ? 0 : exp(logp[1]));
    for (size_t i = 0; i < k; i++)
        r.confidence -= logp[i] / (double)k;
    return r;
}

static double off(float got, double want)
{
    return fabs((double)got - want) / (1 + fabs(want));
}

TEST(doubt_is_what_double_says_and_the_same_bits_at_every_level)
{
    static const size_t vocab[] = { 1, 2, 19, 20, 277, 1024, 20480, 20481, V_MAX };
    static const double spread[] = { 0, 0.1, 3, 30 }, ahead[] = { 0, 12 };
    static float x[V_MAX];
    double worst = 0;
    for (size_t c = 0; c < COUNT(vocab); c++)
        for (size_t s = 0; s < COUNT(spread) * COUNT(ahead); s++) {
            const size_t V = vocab[c];
            rg_doubt first = { 0 };
            fill(x, V, c, spread[s / 2], ahead[s % 2]);
            const slow want = slowly(x, V);
            for (int isa = 0; isa < RG_N_ISA; isa++) {
                rg_err e = RG_ERR_INIT;
                rg_kernels k;
                sampler_scratch scratch;
                rg_doubt d;
                if (!rg_isa_available((rg_isa)isa))
                    continue;
                rg_kernels_init(&k, (rg_isa)isa);
                OK(rg__scratch_init(&scratch, V, 1, &e), e);
                const double z = rg__doubt(&d, &k, &scratch, x, V);
                CHECK(z == rg__log_z(&k, &scratch, x, V));
                if (isa == 0)
                    first = d;
                assert_memory_equal(&d, &first, sizeof d);
                rg__scratch_free(&scratch);
            }
            worst = fmax(worst, off(first.entropy, want.entropy));
            worst = fmax(worst, off(first.margin, want.margin));
            worst = fmax(worst, off(first.certainty, want.certainty));
            worst = fmax(worst, off(first.confidence, want.confidence));
        }
    print_message("# worst error %.2g\n", worst);
    CHECK(worst < 5e-6); /* measured: 1.9e-6 */
}

/* ---- in the engine ---- */

typedef struct said {
    int32_t id[N_GEN];
    rg_doubt doubt[N_GEN];
    size_t n;
    rg_finish finish;
} said;

static rg_go keep_doubt(void *arg, size_t i, const rg_gen_out *out)
{
    said *s = (said *)arg + i;
    CHECK(out->n <= N_GEN && out->doubt != NULL);
    memcpy(s->id, out->id, out->n * sizeof *out->id);
    memcpy(s->doubt, out->doubt, out->n * sizeof *out->doubt);
    s->n = out->n;
    s->finish = out->finish;
    rg_lm_release(out->node);
    return RG_GO_ON;
}

enum { BRANCHES = 4 };

static void run(said *out, const char *cpu, size_t threads, size_t window, double below)
{
    static const int32_t prompt[] = { 5, 9, 2, 31 };
    rg_err e = RG_ERR_INIT;
    rg_engine *x = tiny_engine(tiny_path("arch_qwen2", "gguf"), cpu, threads, (rg_lm_opt){ 0 });
    rg_lm *lm = rg_engine_lm(x);
    rg_lm_node *root = tiny_node(lm, prompt, COUNT(prompt));
    rg_sampling sampling = RG_SAMPLING_DEFAULTS;
    rg_gen g[BRANCHES];
    sampling.temp = 1.3;
    for (size_t i = 0; i < BRANCHES; i++)
        g[i] = (rg_gen){ .from = root,
                         .sampling = &sampling,
                         .stream = i + 1,
                         .max_tokens = N_GEN,
                         .ignore_end = true,
                         .uncertainty = true,
                         .doubt_window = window,
                         .doubt_below = below };
    memset(out, 0, BRANCHES * sizeof *out);
    OK(rg_lm_generate(lm, g, BRANCHES, keep_doubt, out, NULL, &e), e);
    rg_lm_release(root);
    rg_engine_close(x);
}

TEST(a_branch_tells_the_same_at_every_level_and_with_any_threads)
{
    static said first[BRANCHES], other[BRANCHES];
    const char *level[RG_N_ISA];
    const size_t n = tiny_levels(level);
    run(first, level[0], 1, 0, 0);
    for (size_t i = 0; i < BRANCHES; i++)
        CHECK(first[i].n == N_GEN && first[i].doubt[0].entropy == first[0].doubt[0].entropy &&
              first[i].doubt[0].entropy > 0 && first[i].doubt[3].confidence > 0);
    for (size_t a = 0; a < n; a++) {
        run(other, level[a], 1 + a % 3, 0, 0);
        assert_memory_equal(other, first, sizeof first);
    }
}

/* Where the window's mean first falls below a bound, by plain sums over what an unbounded run said. */
static size_t first_below(const said *s, size_t window, double below)
{
    for (size_t end = window; end <= s->n; end++) {
        double sum = 0;
        for (size_t i = end - window; i < end; i++)
            sum += (double)s->doubt[i].confidence;
        if (sum / (double)window < below)
            return end;
    }
    return 0;
}

TEST(a_branch_that_grows_unsure_ends_there)
{
    enum { WINDOW = 6 };
    static said free_run[BRANCHES], cut[BRANCHES];
    size_t ended = 0;
    run(free_run, NULL, 2, 0, 0);
    double sum = 0;
    for (size_t i = 0; i < N_GEN; i++)
        sum += (double)free_run[0].doubt[i].confidence;
    const double bound = sum / N_GEN * 0.995;
    run(cut, NULL, 2, WINDOW, bound);
    for (size_t i = 0; i < BRANCHES; i++) {
        const size_t at = first_below(&free_run[i], WINDOW, bound);
        CHECK(cut[i].n == (at > 0 ? at : N_GEN));
        CHECK(cut[i].finish == (at > 0 ? RG_F_DOUBT : RG_F_LENGTH));
        assert_memory_equal(cut[i].id, free_run[i].id, cut[i].n * sizeof cut[i].id[0]);
        ended += at > 0;
    }
    print_message("# %zu of %d ended early\n", ended, BRANCHES);
    CHECK(ended > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubt_is_what_double_says_and_the_same_bits_at_every_level),
        cmocka_unit_test(a_branch_tells_the_same_at_every_level_and_with_any_threads),
        cmocka_unit_test(a_branch_that_grows_unsure_ends_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
