/* The encoders: no worse than ggml's on its own measure, sane on rows that are not. */
#include "test.h"

#include <math.h>

#include "rung/base/file.h"
#include "rung/base/mem.h"
#include "rung/kernel/kernel.h"

enum { MAX_K = 1024, MAX_BYTES = 4 * MAX_K };

/* Types whose blocks this build also reads back. */
static bool reads(uint32_t type)
{
    return rg_k_can_quantize(type) && rg_type_info_of(type)->runs;
}

/* root of sum w (x - stored)^2 / sum w x^2 over rows of K */
static double error_of(const float *x, const float *importance, size_t rows, size_t K, uint32_t type)
{
    static uint8_t bytes[MAX_BYTES];
    static float y[MAX_K];
    double err = 0, all = 0;
    for (size_t r = 0; r < rows; r++, x += K) {
        rg_k_quantize_row(bytes, x, importance, type, K);
        rg_k_dequant_row(y, bytes, type, K);
        for (size_t k = 0; k < K; k++) {
            const double w = importance ? (double)importance[k] : 1, d = (double)y[k] - (double)x[k];
            err += w * d * d;
            all += w * (double)x[k] * (double)x[k];
        }
    }
    return sqrt(err / all);
}

/* Measured, ours over ggml's: at most 1.013 (Q3_K) without importance and 1.010 (Q2_K) with it;
 * the blocks of 32 without importance are ggml's up to the rounding of the scale. */
TEST(errors_are_within_two_percent_of_ggml)
{
    rg_err e = RG_ERR_INIT;
    rg_map m;
    uint32_t rows, K, id, checked = 0;
    OK(rg_map_open(&m, test_file("encode.bin"), &e), e);
    memcpy(&rows, m.data, 4);
    memcpy(&K, m.data + 4, 4);
    CHECK(K == MAX_K);
    const float *x = (const float *)(const void *)(m.data + 8), *importance = x + rows * K;
    for (const uint8_t *p = (const uint8_t *)(importance + K); p < m.data + m.size; p += 12) {
        float want[2];
        memcpy(&id, p, 4);
        memcpy(want, p + 4, 8);
        CHECK(rg_k_can_quantize(id));
        if (!reads(id)) {
            print_message("[  NOTE    ] %s is not read back in this build\n", rg_type_info_of(id)->name);
            continue;
        }
        for (int i = 0; i < 2; i++) {
            const double got = error_of(x, i ? importance : NULL, rows, K, id);
            if (!(got <= 1.02 * (double)want[i]))
                fail_msg("%s%s: error %.6f, ggml has %.6f", rg_type_info_of(id)->name,
                         i ? " with importance" : "", got, (double)want[i]);
        }
        checked++;
    }
    rg_map_close(&m);
    CHECK(checked >= 9);
}

static void fill(float *x, size_t n, float v)
{
    for (size_t i = 0; i < n; i++)
        x[i] = v;
}

TEST(zeros_are_stored_as_zeros)
{
    static float x[MAX_K], y[MAX_K];
    static uint8_t bytes[MAX_BYTES];
    for (uint32_t type = 0; type < RG_TYPE_END; type++) {
        if (!reads(type))
            continue;
        rg_k_quantize_row(bytes, x, NULL, type, MAX_K);
        rg_k_dequant_row(y, bytes, type, MAX_K);
        for (size_t k = 0; k < MAX_K; k++)
            CHECK(y[k] == 0);
    }
}

/* A constant row has no spread to store: every type comes within its own step of it. */
TEST(constant_rows_come_back_close)
{
    static float x[MAX_K];
    for (int sign = -1; sign <= 1; sign += 2) {
        fill(x, MAX_K, 0.125f * (float)sign);
        for (uint32_t type = 0; type < RG_TYPE_END; type++)
            if (reads(type))
                CHECK(error_of(x, NULL, 1, MAX_K, type) < 0.01); /* measured: 0.0079 (Q4_K's 6-bit scales) */
    }
}

/* NaN, infinity, the largest and the smallest numbers: defined bytes, nothing read or written
 * out of place (under the sanitizers that is what this looks for), and the same every time. */
TEST(rows_of_anything_are_encoded_the_same_twice)
{
    static const float odd[] = { 0, NAN, INFINITY, -INFINITY, 3e38f, -3e38f, 1e-45f, 1e-38f, 65504, 1 };
    static float x[MAX_K], v[MAX_K];
    static uint8_t a[MAX_BYTES], b[MAX_BYTES];
    for (uint32_t seed = 1; seed < 200; seed++) {
        uint32_t r = seed;
        for (size_t k = 0; k < MAX_K; k++) {
            r = r * 1664525u + 1013904223u;
            const float plain = (float)(r >> 8) * 0x1p-24f - 0.5f;
            x[k] = (r >> 4) % (1 + seed % 64) == 0 ? odd[(r >> 12) % COUNT(odd)] : plain;
            v[k] = (r >> 5) % 7 == 0 ? 0 : fabsf(plain);
        }
        for (uint32_t type = 0; type < RG_TYPE_END; type++) {
            if (!rg_k_can_quantize(type))
                continue;
            memset(a, 0xaa, sizeof a);
            memset(b, 0xaa, sizeof b);
            rg_k_quantize_row(a, x, seed % 2 ? v : NULL, type, MAX_K);
            rg_k_quantize_row(b, x, seed % 2 ? v : NULL, type, MAX_K);
            assert_memory_equal(a, b, sizeof a);
            uint64_t n;
            CHECK(rg_type_row_bytes(&n, type, MAX_K));
            for (size_t i = (size_t)n; i < sizeof a; i++)
                CHECK(a[i] == 0xaa);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_are_within_two_percent_of_ggml),
        cmocka_unit_test(zeros_are_stored_as_zeros),
        cmocka_unit_test(constant_rows_come_back_close),
        cmocka_unit_test(rows_of_anything_are_encoded_the_same_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
