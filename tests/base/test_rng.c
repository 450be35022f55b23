/* Philox against the published vectors; draws and streams against their definitions. */
#include "test.h"

#include <math.h>

#include "rung/base/rng.h"

/* Source: Random123 1.14 (Salmon et al. 2011), file kat_vectors, "philox4x32 10". */
TEST(philox_known_answers)
{
    static const struct {
        uint32_t counter[4], key[2], want[4];
    } v[] = {
        { { 0, 0, 0, 0 }, { 0, 0 }, { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 } },
        { { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff },
          { 0xffffffff, 0xffffffff },
          { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd } },
        { { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344 },
          { 0xa4093822, 0x299f31d0 },
          { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 } },
    };
    for (size_t i = 0; i < COUNT(v); i++) {
        uint32_t got[4];
        rg_philox(got, v[i].counter, v[i].key);
        assert_memory_equal(got, v[i].want, sizeof got);
    }
}

TEST(a_draw_depends_on_stream_index_and_purpose_only)
{
    const uint64_t a = rg_draw_u64(1, 2, RG_DRAW_TOKEN);
    CHECK(a == rg_draw_u64(1, 2, RG_DRAW_TOKEN));
    CHECK(a != rg_draw_u64(2, 2, RG_DRAW_TOKEN) && a != rg_draw_u64(1, 3, RG_DRAW_TOKEN));
    CHECK(a != rg_draw_u64(1, 2, RG_DRAW_CHOICE));
    CHECK(rg_draw_u64(1, 1ull << 32, RG_DRAW_TOKEN) != rg_draw_u64(1, 0, RG_DRAW_TOKEN));
}

TEST(streams_of_a_tree)
{
    const uint64_t root = rg_stream_root(7, "gsm8k/3", 7);
    CHECK(root == rg_stream_root(7, "gsm8k/3", 7) && root != rg_stream_root(8, "gsm8k/3", 7));
    CHECK(root != rg_stream_root(7, "gsm8k/4", 7));
    const uint64_t first = rg_stream_child(root, 0), second = rg_stream_child(root, 1);
    CHECK(first != second && rg_stream_child(first, 1) != rg_stream_child(second, 0));
}

/* XXH3-64 with seed 0: the value of the empty input in the reference implementation. */
TEST(hash_is_xxh3)
{
    CHECK(rg_hash64("", 0, 0) == 0x2d06800538d394c2ull);
}

TEST(uniform_moments)
{
    enum { N = 100000 };
    double sum = 0, square = 0, low = 1, high = 0;
    for (uint64_t i = 0; i < N; i++) {
        const double u = rg_draw_uniform(99, i, RG_DRAW_TOKEN);
        sum += u;
        square += u * u;
        low = fmin(low, u);
        high = fmax(high, u);
    }
    CHECK(low >= 0 && high < 1 && low < 1e-3 && high > 1 - 1e-3);
    CHECK(fabs(sum / N - 0.5) < 3e-3);        /* standard error 9e-4 */
    CHECK(fabs(square / N - 1.0 / 3) < 3e-3); /* standard error 9e-4 */
}

TEST(normal_moments)
{
    enum { N = 100000 };
    double sum = 0, square = 0, fourth = 0;
    for (uint64_t i = 0; i < N; i++) {
        const double z = rg_draw_normal(5, i, RG_DRAW_INIT);
        sum += z;
        square += z * z;
        fourth += z * z * z * z;
    }
    CHECK(fabs(sum / N) < 1.2e-2);        /* standard error 3.2e-3 */
    CHECK(fabs(square / N - 1) < 1.5e-2); /* standard error 4.5e-3 */
    CHECK(fabs(fourth / N - 3) < 0.12);   /* standard error 3.1e-2 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_known_answers),
        cmocka_unit_test(a_draw_depends_on_stream_index_and_purpose_only),
        cmocka_unit_test(streams_of_a_tree),
        cmocka_unit_test(hash_is_xxh3),
        cmocka_unit_test(uniform_moments),
        cmocka_unit_test(normal_moments),
    };
    return cmocka_run_group_tests_name("base/rng", tests, NULL, NULL);
}
