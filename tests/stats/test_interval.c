/* Intervals and pass@k against hand numbers and against enumeration. */
#include "test.h"

#include <math.h>

#include "rung/stats/interval.h"

/* 109/244: 38.56 to 50.94 %.  The others by hand: for c = 0 the bounds are 0 and z^2/(n + z^2). */
TEST(wilson_known_values)
{
    rg_interval i = rg_wilson(109, 244, RG_Z95);
    CHECK(fabs(i.low - 0.3856) < 5e-5 && fabs(i.high - 0.5094) < 5e-5);
    const double zz = RG_Z95 * RG_Z95;
    i = rg_wilson(0, 16, RG_Z95);
    CHECK(i.low == 0 && fabs(i.high - zz / (16 + zz)) < 1e-15); /* measured: 0 */
    i = rg_wilson(16, 16, RG_Z95);
    CHECK(i.high == 1 && fabs(i.low - 16 / (16 + zz)) < 1e-15); /* measured: 1.1e-16 */
    i = rg_wilson(0, 0, RG_Z95);
    CHECK(i.low == 0 && i.high == 1);
}

/* The bounds are the two p at which the score test is exactly z standard errors away. */
TEST(wilson_bounds_solve_their_equation)
{
    for (size_t n = 1; n <= 200; n++)
        for (size_t c = 1; c < n; c++) {
            const rg_interval i = rg_wilson((double)c, n, RG_Z95);
            const double p = (double)c / (double)n, bound[2] = { i.low, i.high };
            CHECK(i.low > 0 && i.low < p && p < i.high && i.high < 1);
            for (int k = 0; k < 2; k++) {
                const double se = sqrt(bound[k] * (1 - bound[k]) / (double)n);
                CHECK(fabs(fabs(p - bound[k]) / se - RG_Z95) < 1e-12); /* measured: 3.5e-13 */
            }
        }
}

static double choose(size_t n, size_t k)
{
    double r = 1;
    for (size_t i = 1; i <= k; i++)
        r = r * (double)(n - k + i) / (double)i;
    return r;
}

TEST(pass_at_k_is_the_share_of_subsets_with_a_right_one)
{
    for (size_t n = 1; n <= 20; n++)
        for (size_t c = 0; c <= n; c++)
            for (size_t k = 1; k <= n; k++) {
                const double want = n - c < k ? 1 : 1 - choose(n - c, k) / choose(n, k);
                CHECK(fabs(rg_pass_at_k(n, c, k) - want) < 2e-15); /* measured: 2.2e-16 */
            }
    CHECK(rg_pass_at_k(16, 0, 16) == 0 && rg_pass_at_k(16, 1, 16) == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wilson_known_values),
        cmocka_unit_test(wilson_bounds_solve_their_equation),
        cmocka_unit_test(pass_at_k_is_the_share_of_subsets_with_a_right_one),
    };
    return cmocka_run_group_tests_name("stats/interval", tests, NULL, NULL);
}
