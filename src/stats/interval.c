#include "rung/stats/interval.h"

#include <assert.h>
#include <math.h>

rg_interval rg_wilson(double c, size_t n, double z)
{
    assert(c >= 0 && c <= (double)n);
    if (n == 0)
        return (rg_interval){ 0, 1 };
    const double N = (double)n, p = c / N, zz = z * z;
    const double centre = (p + zz / (2 * N)) / (1 + zz / N);
    const double half = z / (1 + zz / N) * sqrt(p * (1 - p) / N + zz / (4 * N * N));
    /* at the ends the bound is 0 or 1 exactly; rounding must not say otherwise */
    return (rg_interval){ c <= 0 ? 0 : centre - half, c >= N ? 1 : centre + half };
}

double rg_pass_at_k(size_t n, size_t c, size_t k)
{
    assert(k >= 1 && k <= n && c <= n);
    if (n - c < k)
        return 1;
    double none = 1;
    for (size_t j = n - c + 1; j <= n; j++)
        none *= 1 - (double)k / (double)j;
    return 1 - none;
}
