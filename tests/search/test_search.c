/* Strategies over a toy proposer, against slow definitions; stops, failures, cancelling. */
#include "toy.h"

#include "rung/base/mem.h"

enum { PROBLEMS = 2000 };

static toy toy_of(uint64_t seed)
{
    toy t = { .seed = seed, .die_at = SIZE_MAX, .cancel_at = SIZE_MAX };
    t.N = 1 + (size_t)(rg_draw_uniform(seed, 1 << 20, RG_DRAW_NOISE) * 24);
    t.classes = 1 + (size_t)(rg_draw_uniform(seed, 1 << 21, RG_DRAW_NOISE) * 6);
    t.silent = seed % 4 == 0 ? 0.5 : 0.1;
    t.scoreless = seed % 3 == 0 ? 0.4 : 0;
    t.coarse = seed % 2 == 0;
    return t;
}

static void check_votes(const rg_tree *t)
{
    size_t counted = 0;
    for (size_t i = 0; i < t->n_votes; i++) {
        const rg_vote *v = &t->vote[i];
        CHECK(v->count > 0 && t->node[v->first].answer_class == v->answer_class);
        if (i > 0)
            CHECK(v[-1].weight > v->weight || (v[-1].weight == v->weight && v[-1].first < v->first));
        counted += v->count;
    }
    CHECK(counted <= t->used);
}

static void check_method(const char *method, slow_by by)
{
    size_t ties = 0, silent = 0;
    for (uint64_t seed = 0; seed < PROBLEMS; seed++) {
        rg_err e = RG_ERR_INIT;
        rg_tree t;
        toy p = toy_of(seed);
        OK(toy_run(&t, &p, method, &e), e);
        const slow want = slow_vote(&p, p.N, by);
        if (t.answer_class != want.answer || t.n_votes != want.groups || t.used != p.N ||
            (want.speaker == SIZE_MAX ? t.chosen != RG_NO_NODE : t.node[t.chosen].index != want.speaker))
            fail_msg("%s, seed %llu: answer %lld, want %lld", method, (unsigned long long)seed,
                     (long long)t.answer_class, (long long)want.answer);
        check_votes(&t);
        ties += t.n_votes > 1 && t.vote[0].weight == t.vote[1].weight;
        silent += t.n_votes == 0;
        rg_tree_free(&t);
    }
    CHECK(silent > 0 && (ties > 0 || by == SLOW_CONFIDENCE)); /* the hard cases did occur */
}

TEST(majority_is_the_most_frequent_answer)
{
    check_method("majority", SLOW_COUNT);
}

TEST(best_of_n_is_the_best_scored_answer)
{
    check_method("best-of-n", SLOW_MAX);
}

TEST(confidence_weighs_each_vote)
{
    check_method("confidence", SLOW_CONFIDENCE);
}

TEST(greedy_asks_for_one_and_takes_it)
{
    for (uint64_t seed = 0; seed < 100; seed++) {
        rg_err e = RG_ERR_INIT;
        rg_tree t;
        toy p = toy_of(seed);
        OK(toy_run(&t, &p, "greedy", &e), e);
        CHECK(p.greedy && p.asked == 1 && p.scored == 0 && t.used == 1);
        CHECK(t.answer_class == toy_child(&p, 0).answer_class);
        rg_tree_free(&t);
    }
}

/* k is the least number of candidates after which the rest of N cannot change the answer. */
static bool could_change(const toy *p, size_t k, int64_t lead)
{
    size_t lead_count, lead_first;
    slow_weight(p, k, SLOW_COUNT, lead, &lead_count, &lead_first);
    const size_t left = p->N - k;
    if (left > lead_count)
        return true;
    for (int64_t c = 0; c < (int64_t)p->classes; c++) {
        size_t count, first;
        slow_weight(p, k, SLOW_COUNT, c, &count, &first);
        if (c == lead || count == 0)
            continue;
        if (count + left > lead_count || (count + left == lead_count && first < lead_first))
            return true;
    }
    return false;
}

static size_t slow_stop(const toy *p)
{
    for (size_t k = 1; k < p->N; k++) {
        const slow s = slow_vote(p, k, SLOW_COUNT);
        if (s.answer != RG_NO_CLASS && !could_change(p, k, s.answer))
            return k;
    }
    return p->N;
}

TEST(adaptive_gives_majoritys_answer_and_stops_as_soon_as_it_can)
{
    size_t early = 0;
    for (uint64_t seed = 0; seed < 5000; seed++) {
        rg_err e = RG_ERR_INIT;
        rg_tree t;
        toy p = toy_of(seed);
        OK(toy_run(&t, &p, "adaptive", &e), e);
        if (t.answer_class != slow_vote(&p, p.N, SLOW_COUNT).answer || t.used != slow_stop(&p))
            fail_msg("seed %llu: stopped at %zu of %zu, want %zu", (unsigned long long)seed, t.used, p.N,
                     slow_stop(&p));
        CHECK(t.n == t.used + 1 && p.expanded == p.N && p.told == p.N - t.used);
        early += t.used < p.N;
        if (t.used < p.N)
            assert_string_equal(t.stop, "the leading answer cannot be caught");
        rg_tree_free(&t);
    }
    CHECK(early > 1000); /* measured: 3074 */
}

/* What it decided at k is the same whatever the children behind k are. */
TEST(adaptive_never_looks_past_its_last_candidate)
{
    for (uint64_t seed = 0; seed < 500; seed++) {
        rg_err e = RG_ERR_INIT;
        rg_tree a, b;
        toy p = toy_of(seed), q = p;
        OK(toy_run(&a, &p, "adaptive", &e), e);
        q.cancel_at = a.used < q.N ? a.used : SIZE_MAX; /* now they never come */
        const rg_status s = toy_run(&b, &q, "adaptive", &e);
        CHECK(s == (q.cancel_at == SIZE_MAX ? RG_OK : RG_ECANCEL));
        CHECK(a.answer_class == b.answer_class && a.used == b.used && a.n_votes == b.n_votes);
        rg_tree_free(&a);
        rg_tree_free(&b);
    }
}

TEST(children_behind_the_stop_only_add_to_overshoot)
{
    rg_err e = RG_ERR_INIT;
    rg_tree t;
    toy p = { .seed = 1, .N = 10, .classes = 1, .die_at = SIZE_MAX, .cancel_at = SIZE_MAX };
    OK(toy_run(&t, &p, "adaptive", &e), e); /* one class: decided at 5 of 10 */
    size_t tokens = 0;
    double flops = 0;
    for (size_t i = 5; i < 10; i++) {
        tokens += toy_child(&p, i).tokens;
        flops += toy_child(&p, i).flops;
    }
    CHECK(t.used == 5 && t.n == 6 && t.overshoot_tokens == tokens && t.overshoot_flops == flops);
    rg_tree_free(&t);
}

/* Interrupted from outside: what had finished is there, and has voted. */
TEST(a_cancelled_search_votes_with_what_it_has)
{
    static const char *const methods[] = { "majority", "best-of-n", "confidence" };
    for (size_t m = 0; m < COUNT(methods); m++)
        for (size_t k = 0; k < 8; k++) {
            rg_err e = RG_ERR_INIT;
            rg_tree t;
            toy p = { .seed = 3, .N = 8, .classes = 2, .die_at = SIZE_MAX, .cancel_at = k };
            CHECK(toy_run(&t, &p, methods[m], &e) == RG_ECANCEL);
            assert_string_equal(e.msg, "interrupted");
            CHECK(t.used == k && t.n == k + 1 && t.overshoot_tokens > 0);
            CHECK((t.answer_class != RG_NO_CLASS) == (k > 0));
            rg_tree_free(&t);
        }
}

TEST(all_silent_is_no_answer)
{
    static const char *const methods[] = { "greedy", "majority", "best-of-n", "confidence", "adaptive" };
    for (size_t m = 0; m < COUNT(methods); m++) {
        rg_err e = RG_ERR_INIT;
        rg_tree t;
        toy p = { .seed = 1, .N = 6, .classes = 2, .silent = 1, .die_at = SIZE_MAX, .cancel_at = SIZE_MAX };
        OK(toy_run(&t, &p, methods[m], &e), e);
        CHECK(t.answer_class == RG_NO_CLASS && t.chosen == RG_NO_NODE && t.n_votes == 0);
        CHECK(t.used == p.asked);
        rg_tree_free(&t);
    }
}

TEST(without_one_score_best_of_n_has_no_answer)
{
    rg_err e = RG_ERR_INIT;
    rg_tree t;
    toy p = { .seed = 1, .N = 6, .classes = 2, .scoreless = 1, .die_at = SIZE_MAX, .cancel_at = SIZE_MAX };
    OK(toy_run(&t, &p, "best-of-n", &e), e);
    CHECK(t.answer_class == RG_NO_CLASS && t.n_votes == 0 && p.scored == 6);
    rg_tree_free(&t);
}

TEST(a_failing_port_ends_the_search_with_its_own_words)
{
    for (size_t at = 0; at < 4; at++) {
        rg_err e = RG_ERR_INIT;
        rg_tree t;
        toy p = { .seed = 1, .N = 4, .classes = 2, .die_at = at, .cancel_at = SIZE_MAX };
        CHECK(toy_run(&t, &p, "majority", &e) == RG_EREMOTE && strstr(e.msg, "was lost"));
        CHECK(t.n == at + 1);
        rg_tree_free(&t);
    }
}

static rg_status no_score(void *self, rg_node **v, size_t n, const rg_call *call, rg_err *e)
{
    (void)self;
    (void)v;
    (void)call;
    RG_FAIL(e, RG_EREMOTE, "no score for %zu", n);
}

TEST(a_failing_scorer_too)
{
    rg_err e = RG_ERR_INIT;
    rg_tree t;
    toy p = { .seed = 1, .N = 4, .classes = 2, .die_at = SIZE_MAX, .cancel_at = SIZE_MAX };
    const rg_proposer proposer = { .self = &p, .expand = toy_expand };
    const rg_scorer sc = { .name = "broken", .score = no_score };
    const rg_search_opt o = { .N = 4, .M = 1, .depth = 1 };
    CHECK(rg_search_run(&t, rg_strategy_find("best-of-n"), &o, &proposer, &sc, NULL, 1, NULL, &e) ==
          RG_EREMOTE);
    assert_string_equal(e.msg, "no score for 4");
    CHECK(t.answer_class == RG_NO_CLASS); /* a lost score is never a zero */
    rg_tree_free(&t);
}

TEST(senseless_requests_are_refused)
{
    rg_err e = RG_ERR_INIT;
    rg_tree t;
    toy p = { .seed = 1, .N = 0, .classes = 2, .die_at = SIZE_MAX, .cancel_at = SIZE_MAX };
    CHECK(toy_run(&t, &p, "majority", &e) == RG_EARG && strstr(e.msg, "-N"));
    rg_tree_free(&t);
    rg_err_clear(&e);
    const rg_proposer proposer = { .self = &p, .expand = toy_expand };
    const rg_search_opt o = { .N = 2, .M = 1, .depth = 1 };
    CHECK(rg_search_run(&t, rg_strategy_find("best-of-n"), &o, &proposer, NULL, NULL, 1, NULL, &e) ==
          RG_EARG);
    CHECK(strstr(e.msg, "best-of-n") && p.expanded == 0);
    rg_tree_free(&t);
    CHECK(rg_strategy_find("best") == NULL);
}

/* Each allocation of a search fails once; it ends in RG_ENOMEM or the full answer. */
TEST(any_allocation_may_fail)
{
    static const char *const methods[] = { "majority", "best-of-n", "adaptive" };
    rg_alloc_fail_at(-1);
    void *probe = rg_alloc(1, 1);
    const bool counts = rg_alloc_fail_at(-1) > 0;
    rg_free(probe);
    if (!counts) {
        print_message("[  NOTE    ] not a torture build: no allocation can be refused\n");
        skip();
    }
    for (size_t m = 0; m < COUNT(methods); m++)
        for (long k = 0;; k++) {
            rg_err e = RG_ERR_INIT;
            rg_tree t;
            toy p = { .seed = 5, .N = 60, .classes = 3, .die_at = SIZE_MAX, .cancel_at = SIZE_MAX };
            rg_alloc_fail_at(k);
            const rg_status s = toy_run(&t, &p, methods[m], &e);
            const long asked = rg_alloc_fail_at(-1);
            if (s == RG_OK)
                CHECK(t.answer_class == slow_vote(&p, 60, m == 1 ? SLOW_MAX : SLOW_COUNT).answer);
            else
                CHECK(s == RG_ENOMEM && e.msg[0] != '\0');
            rg_tree_free(&t);
            if (asked <= k)
                break;
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(majority_is_the_most_frequent_answer),
        cmocka_unit_test(best_of_n_is_the_best_scored_answer),
        cmocka_unit_test(confidence_weighs_each_vote),
        cmocka_unit_test(greedy_asks_for_one_and_takes_it),
        cmocka_unit_test(adaptive_gives_majoritys_answer_and_stops_as_soon_as_it_can),
        cmocka_unit_test(adaptive_never_looks_past_its_last_candidate),
        cmocka_unit_test(children_behind_the_stop_only_add_to_overshoot),
        cmocka_unit_test(a_cancelled_search_votes_with_what_it_has),
        cmocka_unit_test(all_silent_is_no_answer),
        cmocka_unit_test(without_one_score_best_of_n_has_no_answer),
        cmocka_unit_test(a_failing_port_ends_the_search_with_its_own_words),
        cmocka_unit_test(a_failing_scorer_too),
        cmocka_unit_test(senseless_requests_are_refused),
        cmocka_unit_test(any_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("search", tests, NULL, NULL);
}
