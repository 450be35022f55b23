/* Attention over pages: against softmax(q K) V in double, bit for bit against the scalar
 * definition, and alone or in company with the same bits. */
#include "test.h"

#include <math.h>

#include "rung/kernel/kernel.h"

enum { MAX_D = 256, MAX_M = 112, MAX_PAGES = 5 };

/* Pages of one KV head, a crowd of queries and their running states. */
static float keys[MAX_PAGES][MAX_D * RG_PAGE], values[MAX_PAGES][RG_PAGE * MAX_D];
static float queries[MAX_M][MAX_D], states[RG_N_ISA][MAX_M][MAX_D + 2], spoilt[MAX_M][MAX_D + 2];
static uint8_t first[MAX_PAGES][MAX_M], seen[MAX_PAGES][MAX_M]; /* [first, seen) of each page */

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

static void fill_all(size_t D, float width, uint64_t seed)
{
    for (size_t p = 0; p < MAX_PAGES; p++) {
        fill(keys[p], D * RG_PAGE, 1.0f, seed + p);
        fill(values[p], D * RG_PAGE, 1.0f, seed + 10 + p);
    }
    for (size_t i = 0; i < MAX_M; i++)
        fill(queries[i], D, width, seed + 100 + i);
}

static size_t levels(rg_kernels k[RG_N_ISA])
{
    size_t n = 0;
    for (int isa = 0; isa < RG_N_ISA; isa++)
        if (rg_isa_available((rg_isa)isa))
            rg_kernels_init(&k[n++], (rg_isa)isa);
    return n;
}

static void start(float (*st)[MAX_D + 2], size_t M, size_t D)
{
    for (size_t i = 0; i < M; i++) {
        memset(st[i], 0, sizeof st[i]);
        st[i][D] = -INFINITY;
    }
}

/* Queries at..at+M over the pages in order. */
static void attend(const rg_kernels *k, float (*st)[MAX_D + 2], size_t at, size_t M, size_t pages, size_t D)
{
    float *s[MAX_M];
    const float *q[MAX_M];
    start(st + at, M, D);
    for (size_t i = 0; i < M; i++) {
        s[i] = st[at + i];
        q[i] = queries[at + i];
    }
    for (size_t p = 0; p < pages; p++)
        k->attn_page(s, q, &first[p][at], &seen[p][at], M, keys[p], values[p], D);
}

/* softmax(q K) V of query i, straight from the definition, in double. */
static void truth(double *out, size_t i, size_t pages, size_t D)
{
    double s[MAX_PAGES * RG_PAGE], top = -INFINITY, sum = 0.0;
    for (size_t p = 0; p < pages; p++)
        for (size_t t = first[p][i]; t < seen[p][i]; t++) {
            double dot = 0.0;
            for (size_t d = 0; d < D; d++)
                dot += (double)queries[i][d] * (double)keys[p][d * RG_PAGE + t];
            s[p * RG_PAGE + t] = dot;
            top = fmax(top, dot);
        }
    memset(out, 0, D * sizeof *out);
    for (size_t p = 0; p < pages; p++)
        for (size_t t = first[p][i]; t < seen[p][i]; t++) {
            const double w = exp(s[p * RG_PAGE + t] - top);
            sum += w;
            for (size_t d = 0; d < D; d++)
                out[d] += w * (double)values[p][t * D + d];
        }
    for (size_t d = 0; d < D; d++)
        out[d] /= sum;
}

static void see_full_but_last(size_t pages, size_t M, uint64_t seed)
{
    for (size_t p = 0; p < pages; p++)
        for (size_t i = 0; i < M; i++)
            seen[p][i] = p + 1 < pages ? RG_PAGE : (uint8_t)(1 + bits_of(&seed) % RG_PAGE);
}

TEST(attention_by_hand)
{
    rg_kernels k[RG_N_ISA];
    const size_t n = levels(k), D = 16;
    for (size_t a = 0; a < n; a++) {
        memset(keys, 0, sizeof keys);
        memset(queries, 0, sizeof queries);
        memset(values, 0, sizeof values);
        /* equal scores: the mean of what is seen, 1 .. 4, then 10 on the next page */
        for (size_t t = 0; t < 4; t++)
            values[0][t * D + 3] = (float)(t + 1);
        values[1][3] = 10.0f;
        seen[0][0] = 4;
        seen[1][0] = 1;
        float out[16];
        attend(&k[a], states[a], 0, 1, 1, D);
        k[a].attn_end(out, states[a][0], D);
        CHECK(out[3] == 2.5f && out[2] == 0.0f);
        attend(&k[a], states[a], 0, 1, 2, D);
        k[a].attn_end(out, states[a][0], D);
        CHECK(out[3] == 4.0f);
        CHECK(states[a][0][D] == 0.0f && states[a][0][D + 1] == 5.0f);
        /* a score that drowns all others, on the second page */
        queries[0][0] = 1.0f;
        keys[1][0] = 100.0f;
        attend(&k[a], states[a], 0, 1, 2, D);
        k[a].attn_end(out, states[a][0], D);
        CHECK(out[3] == 10.0f && states[a][0][D] == 100.0f && states[a][0][D + 1] == 1.0f);
    }
}

TEST(attention_against_double)
{
    static const size_t dims[] = { 16, 48, 64, 80, 128, 256 };
    rg_kernels k[RG_N_ISA];
    const size_t n = levels(k), M = 29;
    double worst = 0.0;
    for (size_t c = 0; c < COUNT(dims); c++)
        for (size_t pages = 1; pages <= MAX_PAGES; pages++) {
            const size_t D = dims[c];
            fill_all(D, 0.5f, 1000 * c + pages);
            see_full_but_last(pages, M, c + pages);
            attend(&k[n - 1], states[0], 0, M, pages, D);
            for (size_t i = 0; i < M; i++) {
                double want[MAX_D];
                float out[MAX_D];
                truth(want, i, pages, D);
                k[n - 1].attn_end(out, states[0][i], D);
                for (size_t d = 0; d < D; d++)
                    worst = fmax(worst, fabs((double)out[d] - want[d]));
            }
        }
    print_message("worst error %.2e of values up to 1\n", worst);
    CHECK(worst < 3e-6); /* measured: 1.5e-6 at D = 256 */
}

TEST(attention_agrees_with_the_definition)
{
    static const size_t dims[] = { 16, 32, 48, 64, 112, 128, 256 },
                        crowds[] = { 0, 1, 2, 3, 5, 6, 7, 8, 9, 13, 28 };
    rg_kernels k[RG_N_ISA];
    const size_t n = levels(k);
    for (size_t c = 0; c < COUNT(dims); c++)
        for (size_t m = 0; m < COUNT(crowds); m++) {
            const size_t D = dims[c], M = crowds[m], pages = 3;
            fill_all(D, m % 2 ? 0.5f : 8.0f, 77 * c + m); /* wide scores: many weights are 0 */
            for (size_t p = 0; p < pages; p++)
                for (size_t i = 0; i < M; i++)
                    seen[p][i] = (uint8_t)(m % 3 ? 1 + (7 * i + 5 * p + c) % RG_PAGE : RG_PAGE);
            attend(&k[0], states[0], 0, M, pages, D);
            for (size_t a = 1; a < n; a++) {
                attend(&k[a], states[a], 0, M, pages, D);
                for (size_t i = 0; i < M; i++)
                    CHECK(memcmp(states[a][i], states[0][i], (D + 2) * sizeof(float)) == 0);
            }
        }
}

/* A crowd of rows with windows: ranges that overlap, touch or share nothing; NaN in what is not seen. */
static void see_windows(size_t pages, size_t M, uint64_t seed, bool close)
{
    for (size_t p = 0; p < pages; p++)
        for (size_t i = 0; i < M; i++) {
            const size_t a = close ? (seed + i / 2) % (RG_PAGE / 2) : bits_of(&seed) % RG_PAGE;
            first[p][i] = (uint8_t)a;
            seen[p][i] = (uint8_t)(a + 1 + bits_of(&seed) % (RG_PAGE - a));
            if (close)
                seen[p][i] = RG_PAGE;
        }
}

TEST(windows_agree_with_the_definition_and_with_double)
{
    static const size_t dims[] = { 16, 48, 80, 128 }, crowds[] = { 1, 3, 6, 8, 13, 28 };
    rg_kernels k[RG_N_ISA];
    const size_t n = levels(k), pages = 2;
    double worst = 0.0;
    for (size_t c = 0; c < COUNT(dims); c++)
        for (size_t m = 0; m < 2 * COUNT(crowds); m++) {
            const size_t D = dims[c], M = crowds[m / 2];
            fill_all(D, 0.5f, 99 * c + m);
            see_windows(pages, M, 7 * c + m, m % 2);
            attend(&k[0], states[0], 0, M, pages, D);
            for (size_t i = 0; i < M; i++) {
                double want[MAX_D];
                float out[MAX_D];
                truth(want, i, pages, D);
                k[0].attn_end(out, states[0][i], D);
                for (size_t d = 0; d < D; d++)
                    worst = fmax(worst, fabs((double)out[d] - want[d]));
            }
            for (size_t a = 1; a < n; a++) {
                attend(&k[a], states[a], 0, M, pages, D);
                for (size_t i = 0; i < M; i++)
                    CHECK(memcmp(states[a][i], states[0][i], (D + 2) * sizeof(float)) == 0);
            }
        }
    memset(first, 0, sizeof first);
    print_message("worst error %.2e of values up to 1\n", worst);
    CHECK(worst < 2e-6); /* measured: 9.2e-7 */
}

TEST(slots_before_a_window_may_hold_nan)
{
    rg_kernels k[RG_N_ISA];
    const size_t n = levels(k), M = 20, D = 48;
    for (size_t a = 0; a < n; a++)
        for (size_t from = 1; from < RG_PAGE; from++) {
            fill_all(D, 0.5f, from);
            for (size_t i = 0; i < M; i++) {
                first[0][i] = (uint8_t)(from + i % (RG_PAGE - from));
                seen[0][i] = RG_PAGE;
            }
            attend(&k[a], states[0], 0, M, 1, D);
            for (size_t t = 0; t < from; t++)
                for (size_t d = 0; d < D; d++) {
                    keys[0][d * RG_PAGE + t] = d % 2 ? NAN : INFINITY;
                    values[0][t * D + d] = d % 3 ? NAN : -INFINITY;
                }
            attend(&k[a], states[1], 0, M, 1, D);
            for (size_t i = 0; i < M; i++)
                CHECK(memcmp(states[1][i], states[0][i], (D + 2) * sizeof(float)) == 0);
        }
    memset(first, 0, sizeof first);
}

/* The first and last query, and one in the middle, alone or among all the others. */
TEST(a_query_does_not_notice_its_neighbours)
{
    rg_kernels k[RG_N_ISA];
    const size_t n = levels(k), D = 64, pages = 3;
    fill_all(D, 0.5f, 4711);
    for (size_t p = 0; p < pages; p++)
        for (size_t i = 0; i < MAX_M; i++)
            seen[p][i] = (uint8_t)(1 + (3 * i + p) % RG_PAGE);
    for (size_t a = 0; a < n; a++) {
        attend(&k[a], states[0], 0, MAX_M, pages, D);
        for (size_t i = 0; i < MAX_M; i++) {
            attend(&k[a], states[1], i, 1, pages, D);
            CHECK(memcmp(states[1][i], states[0][i], (D + 2) * sizeof(float)) == 0);
        }
        for (size_t at = 0; at + 11 <= MAX_M; at += 13) {
            attend(&k[a], states[1], at, 11, pages, D);
            for (size_t i = at; i < at + 11; i++)
                CHECK(memcmp(states[1][i], states[0][i], (D + 2) * sizeof(float)) == 0);
        }
    }
}

/* Slots not yet written may hold anything; so may a neighbour's view of them. */
TEST(unseen_slots_may_hold_nan)
{
    static const size_t dims[] = { 48, 64, 128 };
    rg_kernels k[RG_N_ISA];
    const size_t n = levels(k), M = 20;
    for (size_t a = 0; a < n; a++)
        for (size_t c = 0; c < COUNT(dims); c++)
            for (size_t most = 1; most <= RG_PAGE; most++) {
                const size_t D = dims[c];
                fill_all(D, 0.5f, most);
                for (size_t i = 0; i < M; i++)
                    seen[0][i] = (uint8_t)(1 + i % most);
                attend(&k[a], states[0], 0, M, 1, D);
                for (size_t t = most; t < RG_PAGE; t++)
                    for (size_t d = 0; d < D; d++) {
                        keys[0][d * RG_PAGE + t] = d % 2 ? NAN : INFINITY;
                        values[0][t * D + d] = d % 3 ? NAN : -INFINITY;
                    }
                attend(&k[a], states[1], 0, M, 1, D);
                for (size_t i = 0; i < M; i++)
                    CHECK(memcmp(states[1][i], states[0][i], (D + 2) * sizeof(float)) == 0);
            }
}

/* A zero keeps the sign that the definition gives it, in the maximum too: the old one wins a tie. */
TEST(zero_scores_keep_their_sign)
{
    rg_kernels k[RG_N_ISA];
    const size_t n = levels(k), D = 16;
    memset(queries, 0, sizeof queries);
    memset(keys, 0, sizeof keys);
    fill(values[0], D * RG_PAGE, 1.0f, 3);
    const float *q = queries[0];
    for (size_t a = 0; a < n; a++)
        for (int minus = 0; minus < 2; minus++) {
            float *st = states[a][minus];
            memset(st, 0, (D + 2) * sizeof *st);
            st[D] = minus ? -0.0f : 0.0f;
            k[a].attn_page(&st, &q, &(uint8_t){ 0 }, &(uint8_t){ 20 }, 1, keys[0], values[0], D);
            CHECK(signbit(st[D]) == signbit(minus ? -0.0f : 0.0f) && st[D + 1] == 20.0f);
            CHECK(memcmp(st, states[0][minus], (D + 2) * sizeof *st) == 0);
        }
}

/* Extremes: a row of -infinity scores beside finite ones, and a NaN that must not get lost. */
TEST(infinities_and_nan_of_seen_slots)
{
    rg_kernels k[RG_N_ISA];
    const size_t n = levels(k), D = 32, M = 7;
    for (size_t a = 0; a < n; a++) {
        fill_all(D, 0.5f, 9);
        for (size_t i = 0; i < M; i++) {
            queries[i][0] = 1.0f;
            seen[0][i] = seen[1][i] = RG_PAGE;
        }
        for (size_t t = 0; t < RG_PAGE; t += 2)
            keys[0][t] = -INFINITY; /* weight 0 */
        attend(&k[a], states[a], 0, M, 2, D);
        for (size_t i = 0; i < M; i++)
            CHECK(memcmp(states[a][i], states[0][i], (D + 2) * sizeof(float)) == 0 &&
                  isfinite(states[a][i][5]));
        keys[1][17] = NAN;
        float out[32];
        attend(&k[a], spoilt, 0, M, 2, D);
        k[a].attn_end(out, spoilt[M - 1], D);
        CHECK(isnan(out[0]) && isnan(out[D - 1]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attention_by_hand),
        cmocka_unit_test(attention_against_double),
        cmocka_unit_test(attention_agrees_with_the_definition),
        cmocka_unit_test(windows_agree_with_the_definition_and_with_double),
        cmocka_unit_test(slots_before_a_window_may_hold_nan),
        cmocka_unit_test(a_query_does_not_notice_its_neighbours),
        cmocka_unit_test(unseen_slots_may_hold_nan),
        cmocka_unit_test(zero_scores_keep_their_sign),
        cmocka_unit_test(infinities_and_nan_of_seen_slots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
