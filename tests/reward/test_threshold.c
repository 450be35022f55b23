/* Labels out of scores: the sweep against every threshold tried one by one. */
#include <math.h>
#include <stdbool.h>

#include "rung/base/rng.h"
#include "rung/reward/threshold.h"
#include "test.h"

enum { N = 40, STEPS = 7 };

TEST(the_first_step_below_is_the_first_error)
{
    const double r[4] = { 0.9, 0.5, NAN, 0.4 };
    CHECK(rg_first_error(r, 4, 0.5) == 3);
    CHECK(rg_first_error(r, 4, 0.500001) == 1);
    CHECK(rg_first_error(r, 4, 0.4) == -1 && rg_first_error(r, 0, 0.5) == -1);
}

/* ProcessBench's example in the specification (section 20): 70.0 and 91.2 give 79.2. */
TEST(f1_is_the_harmonic_mean)
{
    static double good[1] = { 1 }, bad[1] = { 0 };
    rg_labelled s[1207];
    for (size_t i = 0; i < 207; i++)
        s[i] = (rg_labelled){ i < 145 ? bad : good, 1, 0 };
    for (size_t i = 0; i < 193; i++)
        s[207 + i] = (rg_labelled){ i < 176 ? good : bad, 1, -1 };
    const rg_threshold t = rg_threshold_at(0.5, s, 400);
    CHECK(t.n_error == 207 && t.n_correct == 193);
    CHECK(fabs(100 * t.acc_error - 70.0) < 0.05 && fabs(100 * t.acc_correct - 91.2) < 0.05);
    CHECK(fabs(100 * t.f1 - 79.2) < 0.05);
}

static double draw(uint64_t *state)
{
    *state = rg_hash64(state, sizeof *state, 7);
    return (double)(*state >> 40) / 0x1p24;
}

/* Scores in steps of 1/16, so that many are equal; some are missing. */
static void make(double r[N][STEPS], rg_labelled s[N], uint64_t seed)
{
    for (size_t i = 0; i < N; i++) {
        const size_t n = 1 + (size_t)(draw(&seed) * (STEPS - 1));
        const bool wrong = i < 2 ? i == 0 : draw(&seed) < 0.5;
        s[i] = (rg_labelled){ r[i], n, wrong ? (int64_t)(draw(&seed) * (double)n) : -1 };
        for (size_t k = 0; k < n; k++) {
            const bool good = !wrong || (int64_t)k < s[i].first_error;
            r[i][k] = draw(&seed) < 0.05 ? NAN : floor(16 * (draw(&seed) + (good ? 0.4 : 0))) / 16;
        }
    }
}

static rg_threshold one_by_one(const rg_labelled *s)
{
    rg_threshold best = { .theta = INFINITY, .f1 = -1 };
    for (size_t i = 0; i < N; i++)
        for (size_t k = 0; k < s[i].n; k++) {
            const rg_threshold t = rg_threshold_at(s[i].r[k], s, N);
            if (!isnan(t.theta) && (t.f1 > best.f1 || (t.f1 == best.f1 && t.theta < best.theta)))
                best = t;
        }
    return best;
}

TEST(the_sweep_finds_the_best_observed_score)
{
    rg_err e = RG_ERR_INIT;
    double spread = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        double r[N][STEPS];
        rg_labelled s[N];
        rg_threshold got;
        make(r, s, seed);
        OK(rg_threshold_tune(&got, s, N, &e), e);
        const rg_threshold want = one_by_one(s), half = rg_threshold_at(0.5, s, N);
        CHECK(got.theta == want.theta && got.f1 == want.f1);
        CHECK(got.acc_error == want.acc_error && got.acc_correct == want.acc_correct);
        CHECK(got.n_error == want.n_error && got.n_correct == want.n_correct);
        spread += got.f1 - half.f1;
    }
    CHECK(spread / 200 > 0.01); /* tuning is worth something here */
}

static void refuse(const rg_labelled *s, size_t n, const char *word)
{
    rg_err e = RG_ERR_INIT;
    rg_threshold t;
    CHECK(rg_threshold_tune(&t, s, n, &e) == RG_EARG);
    if (strstr(e.msg, word) == NULL)
        fail_msg("no %s in: %s", word, e.msg);
}

TEST(what_cannot_be_tuned_is_said)
{
    const double r[2] = { 0.5, 0.6 }, none[2] = { NAN, NAN };
    const rg_labelled right = { r, 2, -1 }, wrong = { r, 2, 1 };
    refuse(NULL, 0, "0 and 0");
    refuse((rg_labelled[]){ right, right }, 2, "0 and 2");
    refuse((rg_labelled[]){ wrong }, 1, "1 and 0");
    refuse((rg_labelled[]){ right, { r, 2, 2 } }, 2, "solution 1 has 2 steps");
    refuse((rg_labelled[]){ right, { r, 2, -2 } }, 2, "-1 for none");
    refuse((rg_labelled[]){ { none, 2, -1 }, { none, 2, 0 } }, 2, "0 scores");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_step_below_is_the_first_error),
        cmocka_unit_test(f1_is_the_harmonic_mean),
        cmocka_unit_test(the_sweep_finds_the_best_observed_score),
        cmocka_unit_test(what_cannot_be_tuned_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
