/* What attention state is kept as: the choice reaches the pages, changes log-probabilities by as
 * much as its rounding and no more, and gives the same bits at every level. */
#include "tiny.h"

#include <math.h>

enum { N = 100 };
static const rg_cache caches[] = { RG_CACHE_F32, RG_CACHE_F16, RG_CACHE_BF16, RG_CACHE_Q8 };

/* Log-probabilities of N - 1 tokens behind the first. */
static void score(float logp[N], rg_cache cache, const char *cpu, bool exact, size_t *page_bytes)
{
    rg_err e = RG_ERR_INIT;
    int32_t id[N];
    rg_lm_stats stats;
    rg_engine *x =
        tiny_engine(tiny_path("qwen2", "gguf"), cpu, 2, (rg_lm_opt){ .cache = cache, .exact = exact });
    rg_lm *lm = rg_engine_lm(x);
    rg_lm_node *root = rg_lm_root(lm);
    CHECK(root != NULL);
    for (size_t i = 0; i < N; i++)
        id[i] = (int32_t)(i * i % 200);
    rg_score job = { .from = root, .id = id, .n = N, .first = 1, .logp = logp };
    OK(rg_lm_score(lm, &job, 1, NULL, &e), e);
    rg_lm_get_stats(lm, &stats);
    *page_bytes = stats.page_bytes;
    rg_lm_release(root);
    rg_engine_close(x);
}

TEST(every_level_gives_the_same_bits)
{
    const char *level[RG_N_ISA];
    const size_t n = tiny_levels(level);
    for (size_t c = 0; c < COUNT(caches); c++)
        for (size_t i = 1; i < n; i++) {
            float want[N], got[N];
            size_t bytes;
            score(want, caches[c], level[0], false, &bytes);
            score(got, caches[c], level[i], false, &bytes);
            CHECK(same_floats(want + 1, got + 1, N - 1));
        }
}

static double distance(const float *a, const float *b)
{
    double d = 0;
    for (size_t i = 1; i < N; i++)
        d = fmax(d, fabs((double)a[i] - (double)b[i]));
    return d;
}

TEST(a_narrower_cache_costs_its_rounding)
{
    static const double most[COUNT(caches)] = { 0, 0.006, 0.05, 0.15 }; /* measured: half of each */
    static const size_t head[COUNT(caches)] = { 64, 32, 32, 18 };       /* bytes of 16 numbers */
    float f32[N], got[N];
    size_t wide, bytes;
    score(f32, RG_CACHE_F32, NULL, false, &wide);
    for (size_t c = 0; c < COUNT(caches); c++) {
        score(got, caches[c], NULL, false, &bytes);
        CHECK(distance(f32, got) <= most[c] && (c == 0 || distance(f32, got) > 0));
        CHECK(bytes * head[0] == wide * head[c]);
    }
}

TEST(the_exact_path_keeps_floats_unless_told)
{
    float own[N], f32[N], f16[N];
    size_t own_bytes, bytes;
    score(own, RG_CACHE_AUTO, NULL, true, &own_bytes);
    score(f32, RG_CACHE_F32, NULL, true, &bytes);
    CHECK(same_floats(own + 1, f32 + 1, N - 1) && own_bytes == bytes);
    score(f16, RG_CACHE_F16, NULL, true, &bytes);
    CHECK(!same_floats(own + 1, f16 + 1, N - 1) && own_bytes == 2 * bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_level_gives_the_same_bits),
        cmocka_unit_test(a_narrower_cache_costs_its_rounding),
        cmocka_unit_test(the_exact_path_keeps_floats_unless_told),
    };
    return cmocka_run_group_tests_name("lm/cache", tests, NULL, NULL);
}
