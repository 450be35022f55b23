/* The table of weights: names, shapes, packing, rows as floats. */
#include "kernel/mm_case.h"

#include "rung/tensor/weights.h"

static rg_weights *table(void)
{
    rg_err e = RG_ERR_INIT;
    rg_weights *ws;
    OK(rg_weights_new(&ws, &e), e);
    return ws;
}

TEST(weights_are_found_by_name_and_shape)
{
    static const float data[64];
    rg_err e = RG_ERR_INIT;
    rg_weights *ws = table();
    rg_weight *w;
    const float *v;
    OK(rg_weights_add(ws, "a.weight", RG_F32, 4, 16, data, &e), e);
    OK(rg_weights_add(ws, "b.bias", RG_F32, 1, 64, data, &e), e);
    CHECK(rg_weights_n(ws) == 2 && strcmp(rg_weights_at(ws, 1)->name, "b.bias") == 0);
    CHECK(rg_weights_find(ws, "c") == NULL && rg_weights_find(ws, "a.weight")->src == data);
    OK(rg_weights_get(&w, ws, "a.weight", 4, 16, &e), e);
    OK(rg_weights_vector(&v, ws, "b.bias", 64, &e), e);
    CHECK(v == rg_weights_at(ws, 1)->vec && v != data);
    CHECK(rg_weights_get(&w, ws, "a.weight", 16, 4, &e) == RG_EFORMAT);
    CHECK(strstr(e.msg, "a.weight") && strstr(e.msg, "(4, 16)") && strstr(e.msg, "(16, 4)"));
    rg_err_clear(&e);
    CHECK(rg_weights_get(&w, ws, "c", 1, 1, &e) == RG_EFORMAT && strstr(e.msg, "c is missing"));
    rg_err_clear(&e);
    CHECK(rg_weights_vector(&v, ws, "a.weight", 16, &e) == RG_EFORMAT && v == NULL);
    rg_weights_free(ws);
    rg_weights_free(NULL);
}

TEST(types_and_rows_that_do_not_run_are_refused)
{
    static const float data[64];
    rg_err e = RG_ERR_INIT;
    rg_weights *ws = table();
    CHECK(rg_weights_add(ws, "x", RG_Q8_K, 1, 256, data, &e) == RG_EFORMAT && strstr(e.msg, "Q8_K"));
    rg_err_clear(&e);
    CHECK(rg_weights_add(ws, "x", 12345, 1, 256, data, &e) == RG_EFORMAT && strstr(e.msg, "unknown"));
    rg_err_clear(&e);
    CHECK(rg_weights_add(ws, "x", RG_Q8_0, 1, 33, data, &e) == RG_EFORMAT && strstr(e.msg, "32"));
    rg_err_clear(&e);
    CHECK(rg_weights_add(ws, "x", RG_F32, 0, 4, data, &e) == RG_EFORMAT);
    CHECK(rg_weights_n(ws) == 0);
    rg_weights_free(ws);
}

typedef struct packed {
    const rg_weight *order[8];
    size_t n;
} packed;

static void on_packed(void *arg, const rg_weight *w)
{
    packed *p = arg;
    p->order[p->n++] = w;
}

/* Panels made by several threads are those of the kernel, one panel after another. */
TEST(packing_with_threads_is_packing_panel_by_panel)
{
    static const size_t rows[] = { 1, 16, 277 };
    for (size_t t = 0; t < COUNT(all_types); t++) {
        rg_err e = RG_ERR_INIT;
        rg_weights *ws = table();
        rg_pool *pool;
        mm_case c[COUNT(rows)];
        rg_weight *list[COUNT(rows)];
        packed p = { .n = 0 };
        OK(rg_pool_new(&pool, 3, &e), e);
        for (size_t i = 0; i < COUNT(rows); i++) {
            char name[16];
            c[i] = case_new(all_types[t], rows[i], 512, t * 10 + i);
            snprintf(name, sizeof name, "w%zu", i);
            OK(rg_weights_add(ws, name, all_types[t], rows[i], 512, c[i].rows, &e), e);
        }
        for (size_t i = 0; i < COUNT(rows); i++)
            list[i] = rg_weights_at(ws, i);
        OK(rg_weights_pack(ws, list, COUNT(rows), pool, on_packed, &p, &e), e);
        for (size_t i = 0; i < COUNT(rows); i++) {
            const size_t bytes = (rows[i] + 15) / 16 * rg_panel_bytes(all_types[t], 512);
            CHECK(p.order[i] == list[i] && list[i]->panels_version == list[i]->version);
            CHECK((uintptr_t)list[i]->panels.data % 64 == 0);
            CHECK(memcmp(list[i]->panels.data, c[i].w.data, bytes) == 0);
            case_free(&c[i]);
        }
        rg_weights_free(ws);
        rg_pool_free(pool);
    }
}

TEST(a_row_is_what_its_format_says)
{
    rg_err e = RG_ERR_INIT;
    for (size_t t = 0; t < COUNT(all_types); t++) {
        float got[512], want[512];
        rg_weights *ws = table();
        mm_case c = case_new(all_types[t], 5, 512, 50 + t);
        OK(rg_weights_add(ws, "w", all_types[t], 5, 512, c.rows, &e), e);
        for (size_t r = 0; r < 5; r++) {
            rg_weight_row(got, rg_weights_at(ws, 0), r);
            rg_k_dequant_row(want, c.rows + r * c.row_bytes, all_types[t], 512);
            CHECK(memcmp(got, want, sizeof got) == 0);
        }
        case_free(&c);
        rg_weights_free(ws);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_are_found_by_name_and_shape),
        cmocka_unit_test(types_and_rows_that_do_not_run_are_refused),
        cmocka_unit_test(packing_with_threads_is_packing_panel_by_panel),
        cmocka_unit_test(a_row_is_what_its_format_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
