/* Sizes that wrap are refused; arenas keep their promises. */
#include "nolock.h"

#include "rung/base/mem.h"

TEST(a_size_that_wraps_is_refused)
{
    CHECK(rg_alloc(SIZE_MAX / 2, 3) == NULL);
    CHECK(rg_calloc(SIZE_MAX, 2) == NULL);
    char *p = rg_alloc(1, 8);
    CHECK(p != NULL);
    CHECK(rg_realloc(p, SIZE_MAX / 4, 8) == NULL);
    rg_free(p); /* a refused realloc left it alone */
    rg_free(NULL);
}

TEST(checked_arithmetic)
{
    size_t z = 42;
    uint64_t u = 42;
    CHECK(!rg_mul_size(&z, SIZE_MAX, 2) && z == 42);
    CHECK(!rg_add_size(&z, SIZE_MAX, 1) && z == 42);
    CHECK(!rg_mul_u64(&u, UINT64_MAX / 2, 3) && u == 42);
    CHECK(!rg_add_u64(&u, UINT64_MAX, 1) && u == 42);
    CHECK(rg_mul_size(&z, 6, 7) && z == 42 && rg_mul_size(&z, SIZE_MAX, 0) && z == 0);
    CHECK(rg_add_u64(&u, UINT64_MAX - 1, 1) && u == UINT64_MAX);
}

TEST(copies_of_strings)
{
    char *a = rg_strdup("rung"), *b = rg_strndup("rungs", 4);
    assert_string_equal(a, b);
    rg_free(a);
    rg_free(b);
}

TEST(aligned_memory_is_aligned)
{
    static const size_t sizes[] = { 1, 63, 4096, (5u << 20) + 1 };
    for (size_t i = 0; i < COUNT(sizes); i++) {
        char *p = rg_alloc_aligned(sizes[i]);
        CHECK(p != NULL && (uintptr_t)p % 64 == 0);
        p[0] = p[sizes[i] - 1] = 1;
        rg_free_aligned(p, sizes[i]);
    }
    rg_free_aligned(NULL, 0);
}

TEST(a_reserved_arena_never_fails_inside_its_reservation)
{
    rg_err e = RG_ERR_INIT;
    rg_arena *a;
    OK(rg_arena_new(&a, "step", 1 << 20, &e), e);
    OK(rg_arena_reserve(a, 10 * 64, &e), e);
    char *first = rg_arena_push(a, 1);
    for (int i = 1; i < 10; i++) {
        char *p = rg_arena_push(a, 64);
        CHECK((uintptr_t)p % 64 == 0);
        memset(p, i, 64);
    }
    *first = 7;
    CHECK(rg_arena_used(a) >= 9 * 64 + 1 && rg_arena_peak(a) >= rg_arena_used(a));
    const size_t peak = rg_arena_peak(a);
    rg_arena_reset(a);
    CHECK(rg_arena_used(a) == 0 && rg_arena_peak(a) == peak);
    rg_arena_free(a);
    rg_arena_free(NULL);
}

TEST(an_arena_has_a_ceiling)
{
    rg_err e = RG_ERR_INIT;
    rg_arena *a;
    OK(rg_arena_new(&a, "search", 4096, &e), e);
    CHECK(rg_arena_try(a, 5000) == NULL);
    size_t got = 0;
    while (got < 1000 && rg_arena_try(a, 64))
        got++;
    CHECK(got > 0 && got <= 4096 / 64);
    CHECK(rg_arena_reserve(a, 1 << 20, &e) != RG_OK);
    CHECK(strstr(e.msg, "search") != NULL);
    rg_arena_free(a);
}

TEST(an_arena_grows_and_keeps_what_it_gave)
{
    rg_err e = RG_ERR_INIT;
    rg_arena *a;
    char *kept[200];
    OK(rg_arena_new(&a, "search", 64 << 20, &e), e);
    for (size_t i = 0; i < COUNT(kept); i++) {
        char text[32];
        const int n = snprintf(text, sizeof text, "string %zu", i);
        CHECK(rg_arena_try(a, 30000) != NULL);
        kept[i] = rg_arena_strndup(a, text, (size_t)n);
        CHECK(kept[i] != NULL);
    }
    for (size_t i = 0; i < COUNT(kept); i++) {
        char text[32];
        snprintf(text, sizeof text, "string %zu", i);
        assert_string_equal(kept[i], text);
    }
    rg_arena_free(a);
}

/* In a torture build the asked-for allocation is refused and nothing else is. */
TEST(torture_refuses_one_allocation)
{
#ifdef RG_TORTURE
    rg_alloc_fail_at(1);
    void *a = rg_alloc(1, 1), *b = rg_alloc(1, 1), *c = rg_alloc(1, 1);
    CHECK(rg_alloc_fail_at(-1) == 3);
    CHECK(a != NULL && b == NULL && c != NULL);
    rg_free(a);
    rg_free(c);
#else
    print_message("[  NOTE    ] this build cannot refuse allocations: meson setup -Dtorture=true\n");
    skip();
#endif
}

TEST(memory_is_locked_or_the_remedy_named)
{
    nolock_or_skip();
    rg_err e = RG_ERR_INIT;
    const size_t size = 1 << 14;
    char *p = rg_alloc_aligned(size);
    CHECK(p != NULL);
    const struct rlimit was = nolock_begin();
    const rg_status s = rg_memory_lock(p, size, "a test", &e);
    nolock_end(was);
    CHECK(s == RG_ELIMIT && strstr(e.msg, "a test (16 KiB)") && strstr(e.msg, "ulimit -l"));
    rg_err_clear(&e);
    OK(rg_memory_lock(p, size, "a test", &e), e);
    rg_memory_unlock(p, size);
    rg_free_aligned(p, size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_size_that_wraps_is_refused),
        cmocka_unit_test(checked_arithmetic),
        cmocka_unit_test(copies_of_strings),
        cmocka_unit_test(aligned_memory_is_aligned),
        cmocka_unit_test(a_reserved_arena_never_fails_inside_its_reservation),
        cmocka_unit_test(an_arena_has_a_ceiling),
        cmocka_unit_test(an_arena_grows_and_keeps_what_it_gave),
        cmocka_unit_test(torture_refuses_one_allocation),
        cmocka_unit_test(memory_is_locked_or_the_remedy_named),
    };
    return cmocka_run_group_tests_name("base/mem", tests, NULL, NULL);
}
