/* Work is cut by index: any number of threads gives the same bits. */
#include "test.h"

#include <stdatomic.h>
#include <time.h>

#include "rung/base/pool.h"

typedef struct job {
    double partial[64];
    atomic_size_t pieces, wrong;
    size_t grain, n, threads;
} job;

/* A piece starts on a multiple of the grain and sums 1/(1+i) in index order. */
static void sum_piece(void *arg, size_t begin, size_t end, size_t thread)
{
    job *j = arg;
    if (begin % j->grain != 0 || end <= begin || end > j->n || end - begin > j->grain || thread >= j->threads)
        atomic_fetch_add(&j->wrong, 1);
    double s = 0;
    for (size_t i = begin; i < end; i++)
        s += 1.0 / (double)(1 + i);
    j->partial[begin / j->grain] = s;
    atomic_fetch_add(&j->pieces, 1);
}

static double run_sum(rg_pool *p, size_t n, size_t grain)
{
    job j = { .grain = grain, .n = n, .threads = rg_pool_threads(p) };
    rg_parallel(p, n, grain, sum_piece, &j);
    assert_int_equal(atomic_load(&j.wrong), 0);
    assert_int_equal(atomic_load(&j.pieces), (n + grain - 1) / grain);
    double s = 0;
    for (size_t i = 0; i < COUNT(j.partial); i++)
        s += j.partial[i];
    return s;
}

TEST(one_two_and_seven_threads_give_the_same_bits)
{
    static const size_t threads[] = { 1, 2, 7 }, sizes[] = { 0, 1, 2, 63, 64, 1000 };
    rg_err e = RG_ERR_INIT;
    double want[COUNT(sizes)];
    for (size_t t = 0; t < COUNT(threads); t++) {
        rg_pool *p;
        OK(rg_pool_new(&p, threads[t], &e), e);
        assert_int_equal(rg_pool_threads(p), threads[t]);
        for (size_t i = 0; i < COUNT(sizes); i++) {
            const double got = run_sum(p, sizes[i], 17);
            if (t == 0)
                want[i] = got;
            assert_memory_equal(&got, &want[i], sizeof got);
        }
        rg_pool_free(p);
    }
    rg_pool_free(NULL);
}

/* Many regions one after the other, and some after a pause long enough for workers to sleep. */
TEST(regions_follow_each_other)
{
    rg_err e = RG_ERR_INIT;
    rg_pool *p;
    OK(rg_pool_new(&p, 3, &e), e);
    const double want = run_sum(p, 50, 1);
    for (int i = 0; i < 2000; i++) {
        if (i % 500 == 0) {
            const struct timespec nap = { 0, 3000000 };
            nanosleep(&nap, NULL);
        }
        const double got = run_sum(p, 50, 1);
        CHECK(got == want);
    }
    rg_pool_free(p);
}

TEST(zero_asks_for_every_cpu)
{
    rg_err e = RG_ERR_INIT;
    rg_pool *p;
    OK(rg_pool_new(&p, 0, &e), e);
    assert_int_equal(rg_pool_threads(p), rg_cpu_count());
    CHECK(rg_cpu_count() >= 1);
    rg_pool_free(p);
    CHECK(rg_pool_new(&p, (size_t)1 << 40, &e) == RG_EARG && p == NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_two_and_seven_threads_give_the_same_bits),
        cmocka_unit_test(regions_follow_each_other),
        cmocka_unit_test(zero_asks_for_every_cpu),
    };
    return cmocka_run_group_tests_name("base/pool", tests, NULL, NULL);
}
