/* Matrix products: the reference against sums in double, every level against the reference. */
#include "mm_case.h"

#include "../../src/kernel/mm_int.h"

#include <math.h>

static const size_t widths[] = { 1, 2, 3, 4, 5, 7, 8, 16, 17, 64, 130 };
static const size_t shapes[][2] = { { 1, 32 },   { 15, 64 },  { 16, 96 },   { 17, 256 },
                                    { 40, 512 }, { 33, 896 }, { 80, 1024 }, { 3, 2080 } };

static bool fits(uint32_t type, size_t K)
{
    return K % rg_type_info_of(type)->block == 0;
}

static size_t panels_of(const mm_case *m)
{
    return (m->R + 15) / 16;
}

/* y rows carry a guard behind the panels, which nobody may touch. */
#define GUARD 3

static float *new_y(size_t N, size_t ldy)
{
    float *y = rg_alloc(N, ldy * sizeof *y);
    CHECK(y != NULL);
    memset(y, 0x5a, N * ldy * sizeof *y);
    return y;
}

static void check_level(const rg_kernels *ref, const rg_kernels *k, const mm_case *m, size_t N, uint64_t seed)
{
    const size_t np = panels_of(m), ldy = 16 * np + GUARD, ldx = m->K + 5;
    float *x = case_floats(N * ldx, seed), *want = new_y(N, ldy), *got = new_y(N, ldy);

    case_mm(ref, want, ldy, m, x, ldx, N, 0, np);
    case_mm(k, got, ldy, m, x, ldx, N, 0, np);
    CHECK(memcmp(want, got, N * ldy * sizeof *got) == 0);

    case_mm_f32(ref, want, ldy, m, x, ldx, N, 0, np);
    case_mm_f32(k, got, ldy, m, x, ldx, N, 0, np);
    CHECK(memcmp(want, got, N * ldy * sizeof *got) == 0);

    rg_free(x);
    rg_free(want);
    rg_free(got);
}

static void check_types(const rg_kernels *ref, const rg_kernels *k)
{
    for (size_t t = 0; t < COUNT(all_types); t++)
        for (size_t s = 0; s < COUNT(shapes); s++) {
            if (!fits(all_types[t], shapes[s][1]))
                continue;
            mm_case m = case_new(all_types[t], shapes[s][0], shapes[s][1], 7 * t + s);
            for (size_t n = 0; n < COUNT(widths); n++)
                check_level(ref, k, &m, widths[n], 1000 * t + n);
            case_free(&m);
        }
}

static void check_isa(rg_isa isa, bool without_gfni)
{
    rg_kernels ref, k;
    if (!rg_isa_available(isa)) {
        print_message("[  NOTE    ] this machine has no %s\n", rg_isa_name(isa));
        skip();
    }
    rg_kernels_init(&ref, RG_ISA_REF);
    rg_kernels_init(&k, isa);
#if defined(__x86_64__)
    if (without_gfni)
        rg__mm_init_avx512_vnni(&k);
#endif
    check_types(&ref, &k);
}

TEST(avx2_equals_reference_bits)
{
    check_isa(RG_ISA_AVX2, false);
}

TEST(avx512_equals_reference_bits)
{
    check_isa(RG_ISA_AVX512, false);
}

/* Cascade Lake and Cooper Lake have VNNI but no GFNI. */
TEST(avx512_without_gfni_equals_reference_bits)
{
    check_isa(RG_ISA_AVX512, true);
}

/* One output in double, from the definition of the format. */
static double product(const mm_case *m, const float *x, size_t r)
{
    float *w = rg_alloc(m->K, sizeof *w);
    CHECK(w != NULL);
    rg_k_dequant_row(w, m->rows + r * m->row_bytes, m->type, m->K);
    double s = 0.0;
    for (size_t k = 0; k < m->K; k++)
        s += (double)w[k] * (double)x[k];
    rg_free(w);
    return s;
}

/* Root mean square error over that of the products, for mm (how = 0) or mm_f32. */
static double relative_error(const rg_kernels *k, const mm_case *m, bool exact)
{
    enum { N = 3 };
    const size_t ldy = 16 * panels_of(m);
    float *x = case_floats(N * m->K, 5), *y = new_y(N, ldy);
    double err = 0.0, all = 0.0;
    if (exact)
        case_mm_f32(k, y, ldy, m, x, m->K, N, 0, panels_of(m));
    else
        case_mm(k, y, ldy, m, x, m->K, N, 0, panels_of(m));
    for (size_t n = 0; n < N; n++)
        for (size_t r = 0; r < m->R; r++) {
            const double p = product(m, x + n * m->K, r), d = (double)y[n * ldy + r] - p;
            err += d * d;
            all += p * p;
        }
    rg_free(x);
    rg_free(y);
    return sqrt(err / all);
}

/* A step of the scale is max|x| / 127, so its rounding error is max / 127 / sqrt(12) per
 * element: 0.5 % of the standard deviation for runs of 32 normals, 0.65 % for 256. */
TEST(reference_product_within_rounding)
{
    rg_kernels k;
    rg_kernels_init(&k, RG_ISA_REF);
    for (size_t t = 0; t < COUNT(all_types); t++) {
        mm_case m = case_new(all_types[t], 40, 1024, 3);
        const double exact = relative_error(&k, &m, true), quick = relative_error(&k, &m, false);
        const bool is_float = rg_act_of(m.type) == RG_ACT_F32;
        CHECK(exact < 2e-6);                      /* measured: at most 6.7e-7 */
        CHECK(quick < (is_float ? 2e-6 : 0.012)); /* measured: 0.0045 to 0.0082 */
        CHECK(is_float || quick > 1e-4);
        case_free(&m);
    }
}

/* Column n of a batch and the same column alone; a range of panels and the whole. */
static void check_invariance(const rg_kernels *k, uint32_t type)
{
    enum { N = 23, SPLIT = 2 };
    mm_case m = case_new(type, 70, 768, 11);
    const size_t np = panels_of(&m), ldy = 16 * np;
    float *x = case_floats(N * m.K, 12), *y = new_y(N, ldy), *part = new_y(N, ldy), *one = new_y(1, ldy);

    case_mm(k, y, ldy, &m, x, m.K, N, 0, np);
    case_mm(k, part, ldy, &m, x, m.K, N, 0, SPLIT);
    case_mm(k, part, ldy, &m, x, m.K, N, SPLIT, SPLIT);
    case_mm(k, part, ldy, &m, x, m.K, N, SPLIT, np);
    CHECK(memcmp(y, part, N * ldy * sizeof *y) == 0);
    for (size_t n = 0; n < N; n++) {
        case_mm(k, one, ldy, &m, x + n * m.K, m.K, 1, 0, np);
        CHECK(memcmp(y + n * ldy, one, ldy * sizeof *y) == 0);
    }
    case_mm_f32(k, y, ldy, &m, x, m.K, N, 0, np);
    case_mm_f32(k, one, ldy, &m, x + 22 * m.K, m.K, 1, 0, np);
    CHECK(memcmp(y + 22 * ldy, one, ldy * sizeof *y) == 0);

    rg_free(x);
    rg_free(y);
    rg_free(part);
    rg_free(one);
    case_free(&m);
}

TEST(batch_and_split_change_no_bit)
{
    for (int isa = 0; isa < RG_N_ISA; isa++) {
        rg_kernels k;
        if (!rg_isa_available((rg_isa)isa))
            continue;
        rg_kernels_init(&k, (rg_isa)isa);
        for (size_t t = 0; t < COUNT(all_types); t++)
            check_invariance(&k, all_types[t]);
    }
}

/* Plain halves and floats through mm are the same product as mm_f32. */
TEST(float_types_mm_equals_mm_f32)
{
    rg_kernels k;
    rg_kernels_init(&k, rg_isa_best());
    for (size_t t = 0; t < 3; t++) {
        mm_case m = case_new(all_types[t], 20, 300, 21);
        float *x = case_floats(9 * m.K, 22), a[9 * 32], b[9 * 32];
        case_mm(&k, a, 32, &m, x, m.K, 9, 0, 2);
        case_mm_f32(&k, b, 32, &m, x, m.K, 9, 0, 2);
        CHECK(memcmp(a, b, sizeof a) == 0);
        rg_free(x);
        case_free(&m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference_product_within_rounding),
        cmocka_unit_test(avx2_equals_reference_bits),
        cmocka_unit_test(avx512_equals_reference_bits),
        cmocka_unit_test(avx512_without_gfni_equals_reference_bits),
        cmocka_unit_test(batch_and_split_change_no_bit),
        cmocka_unit_test(float_types_mm_equals_mm_f32),
    };
    return cmocka_run_group_tests_name("mm", tests, NULL, NULL);
}
