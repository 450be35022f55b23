/* Weight formats: values against the original implementation, halves, panels. */
#include "mm_case.h"

#include "rung/base/rng.h"

#include "../../src/kernel/mm_int.h"

#include <math.h>

/* Every type, K = 256: gguf's own dequantisation, bit for bit (oracle/dequant.py). */
TEST(dequant_equals_gguf_bits)
{
    FILE *f = fopen(test_file("dequant.bin"), "rb");
    uint32_t head[3];
    size_t n = 0;
    CHECK(f != NULL);
    for (; fread(head, sizeof head, 1, f) == 1; n++) {
        uint8_t row[1024];
        float want[256], got[256];
        CHECK(head[1] == 256 && head[2] <= sizeof row);
        CHECK(fread(row, head[2], 1, f) == 1 && fread(want, sizeof want, 1, f) == 1);
        rg_k_dequant_row(got, row, head[0], 256);
        CHECK(memcmp(got, want, sizeof want) == 0);
    }
    CHECK(n == COUNT(all_types));
    fclose(f);
}

static uint32_t bits_of(float f)
{
    uint32_t u;
    memcpy(&u, &f, 4);
    return u;
}

/* Worked by hand from the formats' definitions. */
TEST(half_precision_by_hand)
{
    static const struct {
        uint16_t h;
        float f;
    } f16[] = { { 0x3c00, 1.0f },     { 0xc000, -2.0f },      { 0x7bff, 65504.0f }, { 0x0001, 0x1p-24f },
                { 0x0400, 0x1p-14f }, { 0x03ff, 0x3ffp-24f }, { 0x7c00, INFINITY }, { 0x8000, -0.0f } };
    for (size_t i = 0; i < COUNT(f16); i++) {
        CHECK(bits_of(rg_f16_to_f32(f16[i].h)) == bits_of(f16[i].f));
        CHECK(rg_f16_from_f32(f16[i].f) == f16[i].h);
    }
    CHECK(rg_f16_from_f32(1.0f + 0x1p-11f) == 0x3c00); /* half way: to even */
    CHECK(rg_f16_from_f32(1.0f + 0x3p-11f) == 0x3c02);
    CHECK(rg_f16_from_f32(65519.996f) == 0x7bff && rg_f16_from_f32(65520.0f) == 0x7c00);
    CHECK(rg_f16_from_f32(0x1p-25f) == 0 && rg_f16_from_f32(0x1.002p-25f) == 1);
    CHECK(rg_f16_from_f32(0x1.ffep-15f) == 0x0400); /* up into the normal numbers */
    CHECK(rg_bf16_from_f32(1.0f) == 0x3f80 && rg_bf16_from_f32(1.0f + 0x1p-8f) == 0x3f80);
    CHECK(rg_bf16_from_f32(1.0f + 0x3p-8f) == 0x3f82);
    CHECK(isnan(rg_f16_to_f32(rg_f16_from_f32(NAN))) && isnan(rg_bf16_to_f32(rg_bf16_from_f32(NAN))));
}

/* Every f16 that is not NaN survives the way to f32 and back. */
TEST(f16_round_trip)
{
    for (uint32_t h = 0; h < 65536; h++)
        if ((h & 0x7fffu) <= 0x7c00u)
            CHECK(rg_f16_from_f32(rg_f16_to_f32((uint16_t)h)) == h);
}

/* The value of one weight, read out of a panel through an activation of one. */
static void row_values(float *y, const mm_case *m, const rg_kernels *k, size_t at)
{
    float *x = rg_calloc(m->K, sizeof *x);
    CHECK(x != NULL);
    x[at] = 1.0f;
    case_mm_f32(k, y, 0, m, x, m->K, 1, 0, (m->R + 15) / 16);
    rg_free(x);
}

/* A panel holds exactly the values of its rows, whatever R and K; missing rows are zero. */
TEST(panels_hold_the_rows)
{
    static const size_t shapes[][2] = { { 1, 32 }, { 17, 96 }, { 15, 256 }, { 40, 320 } };
    rg_kernels k;
    rg_kernels_init(&k, RG_ISA_REF);
    for (size_t t = 0; t < COUNT(all_types); t++)
        for (size_t s = 0; s < COUNT(shapes); s++) {
            const size_t R = shapes[s][0], K = shapes[s][1];
            if (K % rg_type_info_of(all_types[t])->block != 0)
                continue;
            mm_case m = case_new(all_types[t], R, K, 100 + s);
            float y[48], want[320];
            CHECK(m.w.panel_bytes % 64 == 0);
            for (size_t at = 0; at < K; at += 7) {
                row_values(y, &m, &k, at);
                for (size_t r = 0; r < (R + 15) / 16 * 16; r++) {
                    if (r < R)
                        rg_k_dequant_row(want, m.rows + r * m.row_bytes, m.type, K);
                    CHECK(y[r] == (r < R ? want[at] : 0.0f));
                }
            }
            case_free(&m);
        }
}

/* Words give the bytes that elements give, for any bits; K of an odd number of blocks too. */
TEST(words_pack_what_elements_pack)
{
    size_t fast = 0;
    for (size_t t = 0; t < COUNT(all_types); t++) {
        const rg_type_info *info = rg_type_info_of(all_types[t]);
        const size_t K = info->block == 32 ? 96 : 512, bytes = rg_panel_bytes(all_types[t], K);
        uint8_t *row = rg_calloc(16 * K, 4), *a = rg_calloc(bytes, 1), *b = rg_calloc(bytes, 1);
        CHECK(row != NULL && a != NULL && b != NULL);
        for (size_t i = 0; i < 64 * K; i++)
            row[i] = (uint8_t)rg_draw_u64(5, i, RG_DRAW_NOISE);
        for (size_t r = 0; r < 16; r++)
            if (info->block > 1 && rg__pack_words(a, row + 4 * r * K, r, all_types[t], K)) {
                rg__pack_row(b, row + 4 * r * K, r, all_types[t], K);
                fast++;
            }
        CHECK(memcmp(a, b, bytes) == 0);
        rg_free(row);
        rg_free(a);
        rg_free(b);
    }
    CHECK(fast == 16 * 12);
}

/* Bytes a panel takes, from docs/formats/panels.md. */
TEST(panel_sizes)
{
    CHECK(rg_panel_bytes(RG_Q8_0, 896) == 14 * 1088 && rg_panel_bytes(RG_Q5_0, 96) == 2 * 704);
    CHECK(rg_panel_bytes(RG_Q4_K, 512) == 2 * 2368 && rg_panel_bytes(RG_Q6_K, 256) == 3392);
    CHECK(rg_panel_bytes(RG_Q5_1, 64) == 768 && rg_panel_bytes(RG_IQ4_NL, 128) == 2 * 576);
    CHECK(rg_panel_bytes(RG_Q2_K, 256) == 1344 && rg_panel_bytes(RG_Q3_K, 256) == 1856);
    CHECK(rg_panel_bytes(RG_IQ4_XS, 512) == 2 * 2240);
    CHECK(rg_panel_bytes(RG_F16, 3) == 128 && rg_panel_bytes(RG_F32, 3) == 192);
}

TEST(isa_names)
{
    rg_isa isa = RG_ISA_REF;
    for (int i = 0; i < RG_N_ISA; i++)
        CHECK(rg_isa_parse(&isa, rg_isa_name((rg_isa)i)) && isa == (rg_isa)i);
    CHECK(!rg_isa_parse(&isa, "sse9") && rg_isa_available(RG_ISA_REF) && rg_isa_available(rg_isa_best()));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dequant_equals_gguf_bits),
        cmocka_unit_test(half_precision_by_hand),
        cmocka_unit_test(f16_round_trip),
        cmocka_unit_test(panels_hold_the_rows),
        cmocka_unit_test(words_pack_what_elements_pack),
        cmocka_unit_test(panel_sizes),
        cmocka_unit_test(isa_names),
    };
    return cmocka_run_group_tests_name("pack", tests, NULL, NULL);
}
