/* The vector kernels: against numbers from paper and libm's double, and every instruction set
 * against the scalar definition, bit for bit, over lengths that straddle the lanes, pointers
 * off their alignment, and values that hurt. */
#include "test.h"

#include <math.h>

#include "rung/kernel/kernel.h"

enum { MAX_N = 4200 };

static const size_t lengths[] = { 0,  1,  2,  7,  8,   9,    15,   16,   17,   31,  32,
                                  33, 63, 64, 65, 100, 1000, 1023, 1024, 1025, 4099 };

static uint64_t bits_of(uint64_t *s)
{
    uint64_t z = *s += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void fill(float *x, size_t n, float width, uint64_t seed)
{
    for (size_t i = 0; i < n; i++)
        x[i] = width * ((float)(bits_of(&seed) >> 40) * 0x1p-23f - 1.0f);
}

/* Every so often a zero of either sign, a denormal, a giant or an infinity. */
static void fill_hurtful(float *x, size_t n, uint64_t seed)
{
    static const float hurt[] = { 0.0f,      -0.0f,           1e-40f, -1e-45f, 3e38f, -3e38f, INFINITY,
                                  -INFINITY, 1.17549435e-38f, 88.7f,  -87.3f,  88.8f, -87.4f };
    fill(x, n, 20.0f, seed);
    for (size_t i = 0; i < n; i++)
        if (bits_of(&seed) % 5 == 0)
            x[i] = hurt[bits_of(&seed) % COUNT(hurt)];
}

/* The same bits; any NaN equals any other. */
static bool same(const float *a, const float *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (memcmp(&a[i], &b[i], sizeof a[i]) != 0 && !(isnan(a[i]) && isnan(b[i]))) {
            print_message("differs at %zu of %zu: %a, want %a\n", i, n, (double)a[i], (double)b[i]);
            return false;
        }
    return true;
}

/* Tables of every level this machine has; [0] is the definition. */
static size_t levels(rg_kernels k[RG_N_ISA])
{
    size_t n = 0;
    for (int isa = 0; isa < RG_N_ISA; isa++)
        if (rg_isa_available((rg_isa)isa))
            rg_kernels_init(&k[n++], (rg_isa)isa);
    return n;
}

static float x0[MAX_N + 8], x1[MAX_N + 8], x2[MAX_N + 8], want[MAX_N + 8], got[MAX_N + 8];

/* Distance of got from the true value in units in the last place of a float. */
static double ulps(float y, double truth)
{
    int e;
    frexp(truth, &e);
    return fabs((double)y - truth) / ldexp(1.0, e - 24);
}

TEST(exp_is_within_two_ulp_of_libm)
{
    rg_kernels k[RG_N_ISA];
    const size_t n = levels(k);
    const rg_kernels *best = &k[n - 1];
    double worst = 0.0;
    size_t fill_n = 0;
    for (uint32_t u = 0; u < 0x42b20000u; u += 397) { /* up to 89, both signs */
        memcpy(&x0[fill_n], &u, sizeof u);
        x0[fill_n + 1] = -x0[fill_n];
        fill_n += 2;
        if (fill_n < 4096)
            continue;
        best->exp_shift(got, x0, fill_n, 0.0f, 1.0f);
        for (size_t i = 0; i < fill_n; i++) {
            if (x0[i] < -87.3f)
                CHECK(got[i] == 0.0f);
            else if (x0[i] > 88.7f)
                CHECK(got[i] == INFINITY);
            else
                worst = fmax(worst, ulps(got[i], exp((double)x0[i])));
        }
        fill_n = 0;
    }
    print_message("worst %.3f ulp\n", worst);
    CHECK(worst < 1.2); /* measured: 0.84 */
}

TEST(exp_keeps_its_promises_at_the_edges)
{
    rg_kernels k[RG_N_ISA];
    const size_t n = levels(k);
    for (size_t a = 0; a < n; a++) {
        float x[] = { 0.0f,     -0.0f,     -87.3f, -87.30001f, 88.7f,  88.70001f,
                      INFINITY, -INFINITY, NAN,    1e30f,      -1e30f, 1e-45f };
        uint32_t odd_nan = 0x7f800001u;
        memcpy(&x[9], &odd_nan, sizeof odd_nan);
        k[a].exp_shift(x, x, COUNT(x), 0.0f, 1.0f);
        CHECK(x[0] == 1.0f && x[1] == 1.0f && x[11] == 1.0f);
        CHECK(x[2] > 1.1e-38f && x[3] == 0.0f);
        CHECK(x[4] < INFINITY && x[4] > 3e38f && x[5] == INFINITY);
        CHECK(x[6] == INFINITY && x[7] == 0.0f && isnan(x[8]) && isnan(x[9]) && x[10] == 0.0f);
    }
}

TEST(exp_shift_agrees_with_the_definition)
{
    rg_kernels k[RG_N_ISA];
    const size_t n = levels(k);
    for (size_t a = 1; a < n; a++)
        for (size_t c = 0; c < COUNT(lengths); c++)
            for (size_t off = 0; off < 4; off++) {
                const size_t N = lengths[c];
                fill_hurtful(x0, MAX_N, 3 * c + off);
                k[0].exp_shift(want, x0 + off, N, 1.5f, 0.7f);
                got[N] = 7.0f;
                k[a].exp_shift(got, x0 + off, N, 1.5f, 0.7f);
                CHECK(same(got, want, N) && got[N] == 7.0f);
                k[a].exp_shift(x0 + off, x0 + off, N, 1.5f, 0.7f);
                CHECK(same(x0 + off, want, N));
            }
}

TEST(exp_sums_by_hand_and_by_definition)
{
    rg_kernels k[RG_N_ISA];
    const size_t n = levels(k);
    float sums[8];
    for (size_t i = 0; i < MAX_N; i++)
        x0[i] = 2.0f;
    for (size_t a = 0; a < n; a++) {
        sums[2] = -1.0f;
        k[a].exp_sums(sums, x0, 1500, 2.0f, 3.0f);
        CHECK(sums[0] == 1024.0f && sums[1] == 476.0f && sums[2] == -1.0f);
        for (size_t c = 0; c < COUNT(lengths); c++) {
            float ref[8] = { 0 }, mine[8] = { 0 };
            const size_t runs = (lengths[c] + 1023) / 1024;
            fill_hurtful(x1, MAX_N, c);
            k[0].exp_sums(ref, x1 + 1, lengths[c], 3.0f, 1.25f);
            k[a].exp_sums(mine, x1 + 1, lengths[c], 3.0f, 1.25f);
            CHECK(same(mine, ref, COUNT(ref)));
            fill(x1, MAX_N, 9.0f, c);
            k[0].exp_sums(ref, x1 + 1, lengths[c], 9.0f, 1.25f);
            k[a].exp_sums(mine, x1 + 1, lengths[c], 9.0f, 1.25f);
            CHECK(memcmp(mine, ref, runs * sizeof *ref) == 0);
        }
    }
}

TEST(doubt_sums_by_hand_and_by_definition)
{
    rg_kernels k[RG_N_ISA];
    const size_t n = levels(k);
    for (size_t i = 0; i < MAX_N; i++)
        x0[i] = i % 2 ? 2.0f : -98.0f; /* e is 1 and 0, d is 0 and -100 */
    for (size_t a = 0; a < n; a++) {
        float sums[7];
        sums[6] = -1.0f;
        k[a].doubt_sums(sums, x0, 1500, 2.0f);
        CHECK(sums[0] == 512.0f && sums[1] == 0.0f && sums[2] == -51200.0f);
        CHECK(sums[3] == 238.0f && sums[4] == 0.0f && sums[5] == -23800.0f && sums[6] == -1.0f);
        for (size_t c = 0; c < COUNT(lengths); c++) {
            float ref[24] = { 0 }, mine[24] = { 0 }, sum[8] = { 0 };
            fill(x1, MAX_N, 9.0f, c);
            k[0].doubt_sums(ref, x1 + 1, lengths[c], 9.0f);
            k[a].doubt_sums(mine, x1 + 1, lengths[c], 9.0f);
            CHECK(memcmp(mine, ref, sizeof ref) == 0);
            k[a].exp_sums(sum, x1 + 1, lengths[c], 9.0f, 1.0f);
            for (size_t r = 0; r < COUNT(sum); r++)
                CHECK(sum[r] == mine[3 * r]);
        }
    }
}

TEST(rmsnorm_by_hand)
{
    rg_kernels k[RG_N_ISA];
    const size_t n = levels(k);
    for (size_t a = 0; a < n; a++) {
        const float x[] = { 3.0f, -4.0f, 0.0f, 0.0f }, w[] = { 1.0f, 2.0f, 3.0f, 4.0f };
        float y[4];
        k[a].rmsnorm(y, x, w, 1, 4, 0.0f); /* ss = 25, mean 6.25, s = 0.4 */
        CHECK(y[0] == 3.0f * 0.4f && y[1] == 2.0f * (-4.0f * 0.4f) && y[2] == 0.0f && y[3] == 0.0f);
        k[a].rmsnorm(y, x + 2, w, 1, 2, 0.25f); /* nothing but eps: zeros, not NaN */
        CHECK(y[0] == 0.0f && y[1] == 0.0f);
    }
}

TEST(rmsnorm_agrees_with_the_definition)
{
    rg_kernels k[RG_N_ISA];
    const size_t n = levels(k);
    for (size_t a = 1; a < n; a++)
        for (size_t c = 0; c < COUNT(lengths); c++)
            for (size_t hurt = 0; hurt < 2; hurt++) {
                const size_t C = lengths[c], T = C <= 1025 ? 4 : 1;
                if (hurt)
                    fill_hurtful(x0, MAX_N, c);
                else
                    fill(x0, MAX_N, 2.0f, c);
                fill(x1, MAX_N, 1.0f, 99 + c);
                k[0].rmsnorm(want, x0 + 1, x1 + 3, T, C, 1e-5f);
                k[a].rmsnorm(got, x0 + 1, x1 + 3, T, C, 1e-5f);
                CHECK(same(got, want, T * C));
                k[a].rmsnorm(x0 + 1, x0 + 1, x1 + 3, T, C, 1e-5f);
                CHECK(same(x0 + 1, want, T * C));
            }
}

TEST(add_agrees_with_the_definition)
{
    rg_kernels k[RG_N_ISA];
    const size_t n = levels(k);
    for (size_t a = 1; a < n; a++)
        for (size_t c = 0; c < COUNT(lengths); c++) {
            const size_t N = lengths[c];
            fill_hurtful(x0, MAX_N, c);
            fill_hurtful(x1, MAX_N, 50 + c);
            k[0].add(want, x0, x1 + 1, N);
            k[a].add(got, x0, x1 + 1, N);
            CHECK(same(got, want, N));
            memcpy(x2, x1, sizeof x2);
            k[a].add(x2 + 1, x0, x2 + 1, N);
            CHECK(same(x2 + 1, want, N));
        }
}

typedef void gate_fn(float *y, const float *g, const float *u, size_t n);

static void check_gate(gate_fn *ref, gate_fn *fast, size_t N, uint64_t seed)
{
    fill_hurtful(x0, MAX_N, seed);
    fill_hurtful(x1, MAX_N, 50 + seed);
    ref(want, x0, x1 + 1, N);
    got[N] = 7.0f;
    fast(got, x0, x1 + 1, N);
    CHECK(same(got, want, N) && got[N] == 7.0f);
    fast(x0, x0, x1 + 1, N);
    CHECK(same(x0, want, N));
}

TEST(gates_agree_with_the_definition)
{
    rg_kernels k[RG_N_ISA];
    const size_t n = levels(k);
    for (size_t a = 1; a < n; a++)
        for (size_t c = 0; c < COUNT(lengths); c++) {
            check_gate(k[0].silu_mul, k[a].silu_mul, lengths[c], c);
            check_gate(k[0].gelu_mul, k[a].gelu_mul, lengths[c], c);
        }
}

TEST(add_row_leaves_what_lies_between_rows)
{
    rg_kernels k[RG_N_ISA];
    const size_t n = levels(k);
    for (size_t a = 0; a < n; a++)
        for (size_t C = 1; C < 40; C++) {
            const size_t T = 3, ld = C + 5;
            fill(x0, MAX_N, 1.0f, C);
            fill(x1, MAX_N, 1.0f, C + 1);
            memcpy(want, x0, sizeof want);
            for (size_t t = 0; t < T; t++)
                for (size_t i = 0; i < C; i++)
                    want[t * ld + i] += x1[i];
            k[a].add_row(x0, x0, x1, T, C, ld);
            CHECK(same(x0, want, T * ld));
        }
}

TEST(silu_against_double)
{
    rg_kernels k[RG_N_ISA];
    const size_t n = levels(k);
    double worst = 0.0;
    fill(x0, MAX_N, 30.0f, 5);
    for (size_t i = 0; i < MAX_N; i++)
        x1[i] = 1.0f;
    k[n - 1].silu_mul(got, x0, x1, MAX_N);
    for (size_t i = 0; i < MAX_N; i++) {
        const double g = (double)x0[i];
        worst = fmax(worst, ulps(got[i], g / (1.0 + exp(-g))));
    }
    print_message("worst %.3f ulp\n", worst);
    CHECK(worst < 4.0); /* measured: 1.69 */
}

static double gelu(double g)
{
    return 0.5 * g * (1.0 + tanh(sqrt(2.0 / M_PI) * (g + 0.044715 * g * g * g)));
}

/* Near zero in units of the last place; far out the small values matter by their size only. */
TEST(gelu_against_double)
{
    rg_kernels k[RG_N_ISA];
    const size_t n = levels(k);
    double near = 0.0, far = 0.0;
    for (size_t i = 0; i < MAX_N; i++)
        x1[i] = 1.0f;
    fill(x0, MAX_N, 2.0f, 6);
    k[n - 1].gelu_mul(got, x0, x1, MAX_N);
    for (size_t i = 0; i < MAX_N; i++)
        near = fmax(near, ulps(got[i], gelu((double)x0[i])));
    fill(x0, MAX_N, 30.0f, 7);
    k[n - 1].gelu_mul(got, x0, x1, MAX_N);
    for (size_t i = 0; i < MAX_N; i++)
        far = fmax(far, fabs((double)got[i] - gelu((double)x0[i])) / fabs((double)x0[i]));
    print_message("worst %.3f ulp, far out %.2e of |g|\n", near, far);
    CHECK(near < 12.0); /* measured: 4.99, where exp(-2z) grows what z was rounded by */
    CHECK(far < 3e-7);  /* measured: 1.0e-7 */
}

TEST(rope_turns_pairs)
{
    rg_kernels k[RG_N_ISA];
    const size_t n = levels(k);
    for (size_t a = 0; a < n; a++) {
        /* by 90 and by 0 degrees; the last two dimensions stay */
        const float cs[] = { 0.0f, 1.0f, 1.0f, 0.0f };
        float x[] = { 1, 2, 3, 4, 5, 6 }, y[] = { 1, 2, 3, 4, 5, 6 };
        const float neox[] = { -3, 2, 1, 4, 5, 6 }, pairs[] = { -2, 1, 3, 4, 5, 6 };
        k[a].rope(x, cs, 1, 6, 4, true);
        k[a].rope(y, cs, 1, 6, 4, false);
        CHECK(same(x, neox, 6) && same(y, pairs, 6));
    }
}

TEST(rope_agrees_with_the_definition)
{
    static const size_t shapes[][3] = { { 14, 64, 64 }, { 3, 128, 128 }, { 2, 80, 20 }, { 1, 64, 2 },
                                        { 5, 96, 66 },  { 2, 6, 6 },     { 3, 256, 0 }, { 0, 64, 64 } };
    rg_kernels k[RG_N_ISA];
    const size_t n = levels(k);
    for (size_t a = 1; a < n; a++)
        for (size_t c = 0; c < COUNT(shapes); c++)
            for (int neox = 0; neox < 2; neox++) {
                const size_t H = shapes[c][0], D = shapes[c][1], rot = shapes[c][2];
                fill(x0, H * D + 1, 4.0f, c);
                fill(x1, rot + 1, 1.0f, 40 + c);
                memcpy(want, x0, sizeof want);
                memcpy(got, x0, sizeof got);
                k[0].rope(want + 1, x1 + 1, H, D, rot, neox);
                k[a].rope(got + 1, x1 + 1, H, D, rot, neox);
                CHECK(same(got, want, H * D + 1));
            }
}

TEST(max_is_the_first_of_the_greatest)
{
    rg_kernels k[RG_N_ISA];
    const size_t n = levels(k);
    for (size_t a = 0; a < n; a++) {
        size_t at;
        const float zeros[] = { -1.0f, -0.0f, 0.0f }, none[] = { NAN, NAN }, low[] = { NAN, -INFINITY };
        CHECK(k[a].max(zeros, 3, &at) == 0.0f && at == 1);
        CHECK(signbit(k[a].max(zeros, 3, &at)));
        CHECK(k[a].max(none, 2, &at) == -INFINITY && at == 0);
        CHECK(k[a].max(low, 2, &at) == -INFINITY && at == 1);
        for (size_t c = 1; c < COUNT(lengths); c++)
            for (uint64_t seed = 0; seed < 30; seed++) {
                const size_t N = lengths[c], p = (size_t)(bits_of(&(uint64_t){ seed }) % N);
                fill(x0, N, 1.0f, seed);
                x0[N / 2] = NAN;
                x0[N - 1] = 2.0f;
                x0[p] = 2.0f;
                CHECK(k[a].max(x0, N, &at) == 2.0f && at == p);
            }
    }
}

TEST(at_least_lists_and_counts)
{
    rg_kernels k[RG_N_ISA];
    const size_t n = levels(k);
    static int32_t idx[MAX_N + 1];
    for (size_t a = 0; a < n; a++)
        for (size_t c = 0; c < COUNT(lengths); c++) {
            const size_t N = lengths[c];
            fill_hurtful(x0, MAX_N, c);
            x0[1 + N / 3] = NAN;
            size_t count = 0;
            for (size_t i = 0; i < N; i++)
                count += x0[1 + i] >= 0.5f;
            for (size_t cap = 0; cap <= N; cap += 1 + N / 3) {
                const size_t wrote = count < cap ? count : cap;
                idx[wrote] = -7;
                CHECK(k[a].at_least(idx, cap, x0 + 1, N, 0.5f) == count && idx[wrote] == -7);
                for (size_t j = 0, i = 0; j < wrote; j++, i++) {
                    while (!(x0[1 + i] >= 0.5f))
                        i++;
                    CHECK(idx[j] == (int32_t)i);
                }
            }
        }
}

TEST(nonfinite_finds_one_anywhere)
{
    rg_kernels k[RG_N_ISA];
    const size_t n = levels(k);
    for (size_t a = 0; a < n; a++)
        for (size_t N = 0; N < 150; N++) {
            fill(x0, N + 1, 3e38f, N);
            x0[N] = NAN; /* just behind the end */
            CHECK(!k[a].nonfinite(x0, N));
            for (size_t i = 0; i < N; i++) {
                const float keep = x0[i];
                x0[i] = i % 3 == 0 ? NAN : i % 3 == 1 ? INFINITY : -INFINITY;
                CHECK(k[a].nonfinite(x0, N));
                x0[i] = keep;
            }
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exp_is_within_two_ulp_of_libm),
        cmocka_unit_test(exp_keeps_its_promises_at_the_edges),
        cmocka_unit_test(exp_shift_agrees_with_the_definition),
        cmocka_unit_test(exp_sums_by_hand_and_by_definition),
        cmocka_unit_test(doubt_sums_by_hand_and_by_definition),
        cmocka_unit_test(rmsnorm_by_hand),
        cmocka_unit_test(rmsnorm_agrees_with_the_definition),
        cmocka_unit_test(add_agrees_with_the_definition),
        cmocka_unit_test(gates_agree_with_the_definition),
        cmocka_unit_test(add_row_leaves_what_lies_between_rows),
        cmocka_unit_test(silu_against_double),
        cmocka_unit_test(gelu_against_double),
        cmocka_unit_test(rope_turns_pairs),
        cmocka_unit_test(rope_agrees_with_the_definition),
        cmocka_unit_test(max_is_the_first_of_the_greatest),
        cmocka_unit_test(at_least_lists_and_counts),
        cmocka_unit_test(nonfinite_finds_one_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
