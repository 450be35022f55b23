/* Activations to 8 bits: by hand, over tile ranges, with NaN and tiny numbers, every level. */
#include "mm_case.h"

#include <math.h>

static const rg_act kinds[] = { RG_ACT_F32,        RG_ACT_Q32,         RG_ACT_Q256,     RG_ACT_Q256_16,
                                RG_ACT_Q256_16_O4, RG_ACT_Q256_16_MIN, RG_ACT_Q256_O128 };

static void *new_act(size_t bytes)
{
    void *p = rg_alloc_aligned(bytes);
    CHECK(p != NULL);
    memset(p, 0, bytes);
    return p;
}

/* 32 elements -31..0 have the scale 31/127; the middle ones round half to even. */
TEST(one_block_by_hand)
{
    rg_kernels k;
    float x[32], d;
    uint8_t *act = new_act(rg_act_bytes(RG_ACT_Q32, 1, 32));
    rg_kernels_init(&k, RG_ISA_REF);
    for (int i = 0; i < 32; i++)
        x[i] = (float)i - 31.0f;
    k.quantize(act, RG_ACT_Q32, x, 32, 1, 32, 0, 1);
    for (int i = 0; i < 32; i++)
        CHECK((int8_t)act[i] == (int)lrint((i - 31) * 127.0 / 31.0));
    memcpy(&d, act + 384, sizeof d);
    CHECK(d == 31.0f / 127.0f);

    for (int i = 0; i < 32; i++)
        x[i] = i == 0 ? 127.0f : (float)i - 15.5f; /* scale exactly 1 */
    k.quantize(act, RG_ACT_Q32, x, 32, 1, 32, 0, 1);
    CHECK((int8_t)act[1] == -14 && (int8_t)act[2] == -14 && (int8_t)act[3] == -12 && (int8_t)act[17] == 2);
    rg_free_aligned(act, rg_act_bytes(RG_ACT_Q32, 1, 32));
}

static void check_kind(const rg_kernels *ref, const rg_kernels *k, rg_act kind, size_t N, size_t K,
                       const float *x)
{
    const size_t bytes = rg_act_bytes(kind, N, K), tiles = rg_act_tiles(N);
    uint8_t *want = new_act(bytes), *got = new_act(bytes);
    ref->quantize(want, kind, x, K, N, K, 0, tiles);
    for (size_t t = 0; t < tiles; t++)
        k->quantize(got, kind, x, K, N, K, t, t + 1);
    CHECK(memcmp(want, got, bytes) == 0);
    rg_free_aligned(want, bytes);
    rg_free_aligned(got, bytes);
}

/* Zeros, a NaN, an infinity, denormals and huge numbers, each somewhere. */
static void spoil(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (i / 256 % 8 == 1)
            x[i] = 0.0f;
        else if (i / 256 % 8 == 2)
            x[i] *= 1e-40f;
        else if (i / 256 % 8 == 3)
            x[i] *= 3e37f;
    for (size_t i = 256 * 4 + 33; i < n; i += 256 * 8)
        x[i] = i % 3 ? NAN : -INFINITY;
}

TEST(every_level_and_tile_range_gives_the_same_record)
{
    static const size_t ns[] = { 1, 2, 4, 5, 9 }, ks[] = { 32, 96, 256, 896, 2304 };
    rg_kernels ref, k;
    rg_kernels_init(&ref, RG_ISA_REF);
    for (int isa = 0; isa < RG_N_ISA; isa++) {
        if (!rg_isa_available((rg_isa)isa))
            continue;
        rg_kernels_init(&k, (rg_isa)isa);
        for (size_t a = 0; a < COUNT(kinds); a++)
            for (size_t b = 0; b < COUNT(ns); b++)
                for (size_t c = 0; c < COUNT(ks); c++) {
                    if (a >= 2 && ks[c] % 256 != 0)
                        continue;
                    float *x = case_floats(ns[b] * ks[c], b + c);
                    check_kind(&ref, &k, kinds[a], ns[b], ks[c], x);
                    spoil(x, ns[b] * ks[c]);
                    check_kind(&ref, &k, kinds[a], ns[b], ks[c], x);
                    rg_free(x);
                }
    }
}

/* A NaN or infinity in the input shows in every output it takes part in, and in no other. */
TEST(nan_reaches_the_output)
{
    for (int isa = 0; isa < RG_N_ISA; isa++)
        for (size_t t = 0; t < COUNT(all_types); t++) {
            rg_kernels k;
            if (!rg_isa_available((rg_isa)isa))
                continue;
            rg_kernels_init(&k, (rg_isa)isa);
            mm_case m = case_new(all_types[t], 16, 512, 31);
            float *x = case_floats(6 * m.K, 32), y[6 * 16];
            x[2 * m.K + 300] = NAN;
            x[5 * m.K + 7] = INFINITY;
            case_mm(&k, y, 16, &m, x, m.K, 6, 0, 1);
            for (size_t i = 0; i < COUNT(y); i++)
                CHECK(isfinite(y[i]) == (i / 16 != 2 && i / 16 != 5));
            rg_free(x);
            case_free(&m);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_block_by_hand),
        cmocka_unit_test(every_level_and_tile_range_gives_the_same_record),
        cmocka_unit_test(nan_reaches_the_output),
    };
    return cmocka_run_group_tests_name("quant", tests, NULL, NULL);
}
