/* The state store: a tree of shared pages behaves as if every sequence had its own array. */
#include "nolock.h"

#include "rung/base/mem.h"
#include "rung/base/rng.h"
#include "rung/kernel/kernel.h"
#include "rung/model/state.h"

static const rg_page_shape SHAPE = { 2, 2, 16, RG_F32 };

static rg_store *store_of(size_t pages)
{
    rg_err e = RG_ERR_INIT;
    rg_store *s;
    const size_t page_bytes = 2 * rg_kv_page_bytes(SHAPE.kv_type, SHAPE.head_dim) * 4;
    OK(rg_store_new(&s, &SHAPE, pages * page_bytes + 1, &e), e);
    CHECK(rg_store_page_bytes(s) == page_bytes && rg_store_pages_max(s) == pages);
    return s;
}

/* A position's content: V is (RG_PAGE, head_dim) floats, K (head_dim, RG_PAGE). */
static float *value_at(const rg_state *st, size_t pos, size_t layer, size_t head)
{
    float *v = rg_state_v(st, pos / RG_PAGE, layer, head);
    return v + pos % RG_PAGE * SHAPE.head_dim;
}

static float *key_at(const rg_state *st, size_t pos, size_t layer, size_t head)
{
    float *k = rg_state_k(st, pos / RG_PAGE, layer, head);
    return k + pos % RG_PAGE;
}

static void put(rg_state *st, size_t pos, float x)
{
    for (size_t i = 0; i < 4; i++) {
        *value_at(st, pos, i / 2, i % 2) = x + (float)i;
        *key_at(st, pos, i / 2, i % 2) = -x - (float)i;
    }
}

static bool holds(const rg_state *st, size_t pos, float x)
{
    for (size_t i = 0; i < 4; i++)
        if (*value_at(st, pos, i / 2, i % 2) != x + (float)i ||
            *key_at(st, pos, i / 2, i % 2) != -x - (float)i)
            return false;
    return true;
}

static void append(rg_state *st, size_t n, float x)
{
    rg_err e = RG_ERR_INIT;
    OK(rg_state_extend(st, n, &e), e);
    for (size_t i = 0; i < n; i++)
        put(st, rg_state_len(st) - n + i, x + (float)(8 * i));
}

TEST(a_fork_takes_no_page_and_a_write_copies_one)
{
    rg_store *s = store_of(16);
    rg_state *a = rg_state_root(s);
    append(a, 40, 100);
    CHECK(rg_store_pages_used(s) == 2);
    rg_state *b = rg_state_fork(a), *c = rg_state_fork(b);
    CHECK(rg_state_len(c) == 40 && rg_store_pages_used(s) == 2);
    CHECK(rg_state_k(c, 0, 1, 1) == rg_state_k(a, 0, 1, 1));
    append(c, 1, 7000); /* the torn page is copied, the whole one stays shared */
    CHECK(rg_store_pages_used(s) == 3);
    CHECK(rg_state_k(c, 0, 0, 0) == rg_state_k(a, 0, 0, 0) &&
          rg_state_k(c, 1, 0, 0) != rg_state_k(a, 1, 0, 0));
    append(a, 1, 8000); /* its last page is its own again: no copy */
    CHECK(rg_store_pages_used(s) == 3);
    CHECK(holds(c, 40, 7000) && holds(a, 40, 8000) && holds(c, 39, 100 + 8 * 39) &&
          holds(b, 39, 100 + 8 * 39));
    rg_state_release(a);
    CHECK(holds(b, 0, 100) && rg_state_len(b) == 40);
    append(b, 1, 9000);
    CHECK(holds(b, 40, 9000) && holds(c, 40, 7000));
    rg_state_release(b);
    CHECK(holds(c, 0, 100) && holds(c, 40, 7000));
    rg_state_release(c);
    CHECK(rg_store_pages_used(s) == 0);
    rg_store_free(s);
}

TEST(pages_on_a_border_need_no_copy)
{
    rg_store *s = store_of(8);
    rg_state *a = rg_state_root(s);
    append(a, RG_PAGE, 0);
    rg_state *b = rg_state_fork(a);
    append(b, 1, 500);
    CHECK(rg_store_pages_used(s) == 2 && rg_state_k(a, 0, 0, 0) == rg_state_k(b, 0, 0, 0));
    rg_state_release(a);
    rg_state_release(b);
    rg_store_free(s);
}

TEST(a_full_store_refuses_and_leaves_the_state_alone)
{
    rg_err e = RG_ERR_INIT;
    rg_store *s = store_of(3);
    rg_state *a = rg_state_root(s);
    append(a, 2 * RG_PAGE + 5, 0);
    rg_state *b = rg_state_fork(a);
    CHECK(rg_state_extend(b, 1, &e) == RG_ELIMIT); /* no page for the copy */
    CHECK(strstr(e.msg, "3 pages") != NULL && strstr(e.msg, "--kv-memory") != NULL);
    CHECK(rg_state_len(b) == 2 * RG_PAGE + 5 && holds(b, 68, 8 * 68));
    CHECK(rg_state_extend(a, RG_PAGE, NULL) == RG_ELIMIT);
    CHECK(rg_state_len(a) == 2 * RG_PAGE + 5 && rg_store_pages_used(s) == 3 && holds(a, 68, 8 * 68));
    rg_state_release(b);
    append(a, RG_PAGE - 5, 4000);
    CHECK(rg_store_pages_used(s) == 3 && rg_store_pages_peak(s) == 3);
    rg_state_release(a);
    rg_store_free(s);
}

TEST(a_request_of_which_a_part_would_fit_is_refused_whole)
{
    rg_err e = RG_ERR_INIT;
    rg_store *s = store_of(4);
    rg_state *a = rg_state_root(s), *b = rg_state_root(s);
    append(a, RG_PAGE + 1, 0);
    CHECK(rg_state_extend(b, 3 * RG_PAGE, &e) == RG_ELIMIT && strstr(e.msg, "4 pages") != NULL);
    CHECK(rg_state_len(b) == 0 && rg_store_pages_used(s) == 2);
    append(b, 2 * RG_PAGE, 700);
    CHECK(holds(b, 63, 700 + 8 * 63) && holds(a, 32, 8 * 32));
    rg_state_release(a);
    rg_state_release(b);
    rg_store_free(s);
}

TEST(too_little_memory_for_two_pages_is_refused)
{
    rg_err e = RG_ERR_INIT;
    rg_store *s;
    CHECK(rg_store_new(&s, &SHAPE, 100, &e) == RG_ELIMIT && s == NULL && e.msg[0] != '\0');
    rg_store_free(NULL);
    rg_state_release(NULL);
}

TEST(truncation_gives_pages_back_and_they_are_used_again)
{
    rg_store *s = store_of(4);
    rg_state *a = rg_state_root(s);
    append(a, 4 * RG_PAGE, 0);
    const void *third = rg_state_k(a, 2, 0, 0), *fourth = rg_state_k(a, 3, 0, 0);
    rg_state_truncate(a, 2 * RG_PAGE);
    CHECK(rg_state_len(a) == 64 && rg_store_pages_used(s) == 2 && rg_store_pages_peak(s) == 4);
    append(a, RG_PAGE, 9000);
    const void *again = rg_state_k(a, 2, 0, 0);
    CHECK(again == third || again == fourth);
    rg_state_truncate(a, 0);
    CHECK(rg_store_pages_used(s) == 0);
    append(a, 1, 3);
    CHECK(holds(a, 0, 3));
    rg_state_release(a);
    rg_store_free(s);
}

/* ---- against a naive model: every sequence is an array of its own ---- */

enum { STATES = 24, LONGEST = 200, ROUNDS = 6000 };

typedef struct naive {
    rg_state *st; /* NULL = free place */
    size_t len;
    float x[LONGEST];
} naive;

static uint64_t draw(size_t round, size_t what, size_t n)
{
    return rg_draw_u64(77 + what, round, RG_DRAW_NOISE) % n;
}

static void naive_check(const naive *m)
{
    CHECK(rg_state_len(m->st) == m->len);
    for (size_t i = 0; i < m->len; i++)
        if (!holds(m->st, i, m->x[i]))
            fail_msg("position %zu of %zu is not %g", i, m->len, (double)m->x[i]);
}

static void naive_extend(naive *m, rg_store *s, size_t round)
{
    rg_err e = RG_ERR_INIT;
    const size_t n = 1 + draw(round, 2, 50), len = m->len;
    if (len + n > LONGEST)
        return;
    const rg_status st = rg_state_extend(m->st, n, &e);
    if (st != RG_OK) {
        CHECK(st == RG_ELIMIT && rg_store_pages_used(s) + (len + n) / RG_PAGE + 2 > rg_store_pages_max(s));
        return;
    }
    for (size_t i = 0; i < n; i++, m->len++) {
        m->x[m->len] = (float)(round * 64 + i);
        put(m->st, m->len, m->x[m->len]);
    }
}

static void naive_step(naive *all, rg_store *s, size_t round)
{
    naive *m = &all[draw(round, 0, STATES)], *from = &all[draw(round, 1, STATES)];
    const size_t what = draw(round, 3, 10);
    if (m->st == NULL) {
        m->len = from->st == NULL ? 0 : from->len;
        memcpy(m->x, from->x, m->len * sizeof *m->x);
        m->st = from->st == NULL ? rg_state_root(s) : rg_state_fork(from->st);
    } else if (what < 7) {
        naive_extend(m, s, round);
    } else {
        naive_check(m);
        rg_state_release(m->st);
        m->st = NULL;
    }
}

TEST(random_trees_are_what_private_arrays_are)
{
    static naive all[STATES];
    rg_store *s = store_of(60);
    size_t full = 0;
    for (size_t round = 0; round < ROUNDS; round++) {
        naive_step(all, s, round);
        full += rg_store_pages_used(s) == rg_store_pages_max(s);
        for (size_t i = 0; i < STATES && round % 50 == 0; i++)
            if (all[i].st != NULL)
                naive_check(&all[i]);
    }
    CHECK(full > 0); /* the store was exhausted at times */
    for (size_t i = 0; i < STATES; i++) {
        if (all[i].st != NULL)
            naive_check(&all[i]);
        rg_state_release(all[i].st);
        all[i].st = NULL;
    }
    CHECK(rg_store_pages_used(s) == 0);
    rg_store_free(s);
}

TEST(a_long_chain_of_forks_is_released_without_recursion)
{
    rg_store *s = store_of(4);
    rg_state *at = rg_state_root(s);
    append(at, 3, 1);
    for (size_t i = 0; i < 300000; i++) {
        rg_state *child = rg_state_fork(at);
        CHECK(child != NULL);
        rg_state_release(at);
        at = child;
    }
    CHECK(holds(at, 2, 17) && rg_store_pages_used(s) == 1);
    rg_state_release(at);
    CHECK(rg_store_pages_used(s) == 0);
    rg_store_free(s);
}

TEST(a_locked_store_says_at_once_and_later_what_the_system_refuses)
{
    nolock_or_skip();
    rg_err e = RG_ERR_INIT;
    rg_store *s = store_of(4), *refused = store_of(4);
    OK(rg_store_lock(s, &e), e);
    CHECK(rg_store_pages_used(s) == 0);
    rg_state *st = rg_state_root(s);
    append(st, 3, 1); /* the page that is there */

    const struct rlimit was = nolock_begin();
    CHECK(rg_store_lock(refused, &e) == RG_ELIMIT && strstr(e.msg, "ulimit -l"));
    rg_err_clear(&e);
    CHECK(rg_state_extend(st, RG_PAGE, &e) == RG_ELIMIT && strstr(e.msg, "ulimit -l"));
    nolock_end(was);

    CHECK(rg_state_len(st) == 3 && holds(st, 2, 17));
    append(st, RG_PAGE, 5);
    rg_state_release(st);
    rg_store_free(s);
    rg_store_free(refused);
}

TEST(caches_by_name)
{
    static const struct {
        const char *name;
        rg_cache is;
        uint32_t type, exact;
        uint64_t bytes; /* of 80 numbers */
    } c[] = {
        { NULL, RG_CACHE_AUTO, RG_F16, RG_F32, 160 },   { "", RG_CACHE_AUTO, RG_F16, RG_F32, 160 },
        { "f16", RG_CACHE_F16, RG_F16, RG_F16, 160 },   { "bf16", RG_CACHE_BF16, RG_BF16, RG_BF16, 160 },
        { "q8", RG_CACHE_Q8, RG_Q8_0, RG_Q8_0, 86 },    { "q8_0", RG_CACHE_Q8, RG_Q8_0, RG_Q8_0, 86 },
        { "f32", RG_CACHE_F32, RG_F32, RG_F32, 4 * 80 }
    };
    rg_err e = RG_ERR_INIT;
    rg_cache got;
    for (size_t i = 0; i < COUNT(c); i++) {
        OK(rg_cache_parse(&got, c[i].name, &e), e);
        CHECK(got == c[i].is && rg_cache_type(got, false) == c[i].type &&
              rg_cache_type(got, true) == c[i].exact);
        CHECK(rg_cache_bytes(c[i].type, 80) == c[i].bytes);
        CHECK(rg_cache_bytes(c[i].type, 80) * RG_PAGE == rg_kv_page_bytes(c[i].type, 80));
        CHECK(rg_cache_bytes(c[i].type, UINT64_MAX) == UINT64_MAX);
    }
    CHECK(rg_cache_parse(&got, "q4", &e) == RG_EARG && strstr(e.msg, "q4") && strstr(e.msg, "bf16"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fork_takes_no_page_and_a_write_copies_one),
        cmocka_unit_test(pages_on_a_border_need_no_copy),
        cmocka_unit_test(a_full_store_refuses_and_leaves_the_state_alone),
        cmocka_unit_test(a_request_of_which_a_part_would_fit_is_refused_whole),
        cmocka_unit_test(too_little_memory_for_two_pages_is_refused),
        cmocka_unit_test(truncation_gives_pages_back_and_they_are_used_again),
        cmocka_unit_test(random_trees_are_what_private_arrays_are),
        cmocka_unit_test(a_long_chain_of_forks_is_released_without_recursion),
        cmocka_unit_test(a_locked_store_says_at_once_and_later_what_the_system_refuses),
        cmocka_unit_test(caches_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
