/* Strategies that search by steps: what they ask for, keep, prune and say. */
#include "world.h"

#include <string.h>

static rg_search_opt opt(int64_t N, int64_t M)
{
    rg_search_opt o;
    rg_search_defaults(&o);
    o.N = N;
    o.M = M;
    return o;
}

static size_t count_depth(const rg_tree *t, size_t depth, bool kept_only)
{
    size_t n = 0;
    for (size_t i = 1; i < t->n; i++)
        n += t->node[i].depth == depth && (t->node[i].kept || !kept_only);
    return n;
}

static void check_tree(const rg_tree *t)
{
    for (size_t i = 1; i < t->n; i++) {
        const rg_node *v = &t->node[i], *p = &t->node[v->parent];
        CHECK(v->id == i && v->parent < i && v->depth == p->depth + 1);
        CHECK(v->stream == rg_stream_child(p->stream, v->index));
        CHECK(v->reason != NULL && v->reason[0] != '\0');
        for (size_t k = i + 1; k < t->n; k++)
            CHECK(t->node[k].parent != v->parent || t->node[k].index != v->index);
    }
    for (size_t i = 0; i < t->n_final; i++)
        CHECK(t->node[t->final[i]].terminal);
}

/* N at the first level, then N / M nodes with M children each; a level is one batch. */
TEST(a_beam_expands_level_by_level)
{
    world w = { .p = 0.9, .d = 1 };
    const rg_search_opt o = opt(16, 4);
    rg_tree t;
    world_search(&t, &w, "beam", &o, 7);
    check_tree(&t);
    CHECK(w.batches == WORLD_STEPS && t.n == 1 + WORLD_STEPS * 16 && t.n_final == 4);
    for (size_t d = 1; d <= WORLD_STEPS; d++)
        CHECK(count_depth(&t, d, false) == 16 && count_depth(&t, d, true) == 4);
    CHECK(w.tokens_in == WORLD_STEPS * 16); /* each step is judged once, never a prefix again */
    rg_tree_free(&t);
}

/* The kept ones of a level are its best four by value, worked out slowly. */
TEST(a_beam_keeps_the_best)
{
    for (uint64_t seed = 0; seed < 50; seed++) {
        world w = { .p = 0.8, .d = 0.3 };
        rg_search_opt o = opt(16, 4);
        rg_tree t;
        o.agg = (int)(seed % RG_N_AGGS);
        world_search(&t, &w, "beam", &o, seed);
        for (size_t d = 1; d <= WORLD_STEPS; d++)
            for (size_t i = 1; i < t.n; i++) {
                size_t better = 0;
                for (size_t k = 1; k < t.n; k++)
                    better += t.node[k].depth == d && (t.node[k].value > t.node[i].value ||
                                                       (t.node[k].value == t.node[i].value && k < i));
                if (t.node[i].depth == d)
                    CHECK(t.node[i].kept == (better < 4));
            }
        rg_tree_free(&t);
    }
}

/* Trees never mix: a kept node's path stays in one tree, one kept node a level and tree. */
TEST(dvts_keeps_one_of_each_tree)
{
    world w = { .p = 0.8, .d = 0.3 };
    rg_search_opt o = opt(12, 3);
    rg_tree t;
    world_search(&t, &w, "dvts", &o, 3);
    check_tree(&t);
    CHECK(w.batches == WORLD_STEPS && t.n_final == 4);
    size_t of_tree[4] = { 0 };
    for (size_t i = 1; i < t.n; i++) {
        size_t v = i;
        while (t.node[v].depth > 1)
            v = t.node[v].parent;
        of_tree[t.node[v].index / 3] += t.node[i].kept;
    }
    for (size_t g = 0; g < 4; g++)
        CHECK(of_tree[g] == WORLD_STEPS);
    rg_tree_free(&t);
    o.dvts_all = true;
    world_search(&t, &w, "dvts", &o, 3);
    CHECK(t.n_final == 12);
    rg_tree_free(&t);
}

TEST(a_lookahead_scores_further_and_keeps_the_step)
{
    world w = { .p = 0.8, .d = 1 };
    rg_search_opt o = opt(8, 4);
    rg_tree t;
    o.lookahead = 2;
    world_search(&t, &w, "lookahead", &o, 3);
    check_tree(&t);
    size_t ahead = 0;
    for (size_t i = 1; i < t.n; i++)
        ahead += strcmp(t.node[i].reason, "only to look ahead") == 0;
    CHECK(ahead > 8 * 2 && t.n_final == 2);
    for (size_t i = 0; i < t.n_final; i++)
        for (size_t v = t.final[i]; v != 0; v = t.node[v].parent)
            CHECK(t.node[v].kept); /* the path is made of steps, not of looks ahead */
    rg_tree_free(&t);
    o.lookahead = 0; /* then it is beam search */
    rg_tree b;
    world_search(&t, &w, "lookahead", &o, 5);
    world_search(&b, &w, "beam", &o, 5);
    CHECK(t.n == b.n && t.answer_class == b.answer_class && t.chosen == b.chosen);
    rg_tree_free(&t);
    rg_tree_free(&b);
}

/* A long enough search visits every end of a small tree, then stops by itself. */
TEST(mcts_closes_what_it_has_visited)
{
    world w = { .p = 0.7, .d = 1 };
    rg_search_opt o = opt(600, 2);
    rg_tree t;
    world_search(&t, &w, "mcts", &o, 3);
    check_tree(&t);
    CHECK(t.n_final == 1 << WORLD_STEPS && t.n == (2 << WORLD_STEPS) - 1);
    assert_string_equal(t.stop, "every path of the tree was taken");
    for (size_t i = 0; i < t.n_final; i++)
        for (size_t k = 0; k < i; k++)
            CHECK(t.final[i] != t.final[k]);
    rg_tree_free(&t);
    o = opt(8, 4);
    o.rollout = true;
    world_search(&t, &w, "mcts", &o, 3);
    check_tree(&t);
    CHECK(t.n_final == 8);
    rg_tree_free(&t);
}

static double accuracy(const char *method, const rg_search_opt *o, double p, double d, size_t n)
{
    size_t right = 0;
    for (uint64_t seed = 0; seed < n; seed++) {
        world w = { .p = p, .d = d };
        rg_tree t;
        world_search(&t, &w, method, o, seed);
        right += t.answer_class == 0;
        rg_tree_free(&t);
    }
    return (double)right / (double)n;
}

/* Hard problems, good verifier: whoever searches finds them (pass@1 is 4.6 %). */
TEST(search_beats_sampling_where_it_is_hard)
{
    rg_search_opt o = opt(16, 4);
    const double sampled = accuracy("best-of-n", &o, 0.68, 1.5, 500); /* 0.492; the spec: 0.468 */
    CHECK(accuracy("mcts", &o, 0.68, 1.5, 500) > sampled + 0.3);      /* 0.988; particle 1.000 */
    CHECK(accuracy("particle", &o, 0.68, 1.5, 500) > sampled + 0.3);
    CHECK(accuracy("lookahead", &o, 0.68, 1.5, 200) > sampled + 0.3);
    print_message("# best-of-n %.3f mcts %.3f particle %.3f reject %.3f\n", sampled,
                  accuracy("mcts", &o, 0.68, 1.5, 500), accuracy("particle", &o, 0.68, 1.5, 500),
                  accuracy("reject", &o, 0.68, 1.5, 500));
}

/* Particles are drawn by weight: with one that cannot be beaten all end as its children. */
TEST(particles_follow_the_weight)
{
    world w = { .p = 0.9, .d = 3 };
    rg_search_opt o = opt(8, 4);
    rg_tree t;
    o.tau = 1e-3;
    world_search(&t, &w, "particle", &o, 9);
    check_tree(&t);
    CHECK(t.n_final == 8);
    for (size_t i = 1; i < t.n_final; i++)
        CHECK(t.node[t.final[i]].parent == t.node[t.final[0]].parent);
    rg_tree_free(&t);
    o.tau = 1;
    o.rounds = 3;
    o.references = 2;
    world_search(&t, &w, "particle", &o, 9);
    check_tree(&t);
    CHECK(t.n_final == 8 + 6 + 6); /* references vote in the round that made them */
    rg_tree_free(&t);
}

TEST(rejected_chains_cost_no_more_steps)
{
    world w = { .p = 0.8, .d = 3 };
    rg_search_opt o = opt(16, 4);
    rg_tree t;
    o.reject_below = 0.5;
    world_search(&t, &w, "reject", &o, 4);
    check_tree(&t);
    size_t dropped = 0;
    for (size_t i = 1; i < t.n; i++) {
        const rg_node *v = &t.node[i];
        const bool below = v->score < 0.5;
        CHECK(below == (strcmp(v->reason, "a step fell below --reject-below") == 0));
        for (size_t k = 1; k < t.n && below; k++)
            CHECK(t.node[k].parent != i);
        dropped += below;
    }
    CHECK(dropped > 4 && t.n_final == 16 && t.n < 1 + 16 * WORLD_STEPS);
    rg_tree_free(&t);
}

/* Turn by turn until good enough; select takes the best turn of each chain. */
TEST(refinement_revises_what_is_not_good)
{
    world w = { .p = 0.9, .d = 2 };
    rg_search_opt o = opt(4, 4);
    rg_tree t;
    o.turns = 3;
    world_search(&t, &w, "refine", &o, 4);
    check_tree(&t);
    CHECK(t.n_final == 4 && t.n > 5 && t.n <= 1 + 4 * 4);
    for (size_t i = 1; i < t.n; i++)
        for (size_t k = i + 1; k < t.n; k++)
            CHECK(t.node[k].parent != i || t.node[i].value < o.good_enough);
    rg_tree_free(&t);
    o.select = true;
    world_search(&t, &w, "refine", &o, 4);
    for (size_t i = 0; i < t.n_final; i++)
        for (size_t k = 1; k < t.n; k++)
            for (size_t v = k; v != 0; v = t.node[v].parent)
                CHECK(v != t.final[i] || t.node[k].value <= t.node[v].value || k < v);
    rg_tree_free(&t);
}

TEST(stop_rules_end_a_search_early)
{
    world w = { .p = 0.95, .d = 2 };
    rg_search_opt o = opt(64, 4);
    rg_tree t;
    o.stop_score = 0.9;
    world_search(&t, &w, "best-of-n", &o, 4);
    CHECK(t.n_final < 64 && t.n_final % 4 == 0 && t.node[t.chosen].value >= 0.9);
    rg_tree_free(&t);
    o.stop_score = 0;
    o.stop_lead = 0.95;
    world_search(&t, &w, "adaptive", &o, 4);
    CHECK(t.used < 16); /* with five equal answers: P = 1 - 2^-6 */
    assert_string_equal(t.stop, "the leading answer is probably the likeliest");
    rg_tree_free(&t);
}

/* A step that says nothing is never extended, whatever it would have scored. */
TEST(empty_steps_are_dead_ends)
{
    static const char *const methods[] = { "beam", "dvts", "mcts", "particle", "reject" };
    for (size_t m = 0; m < COUNT(methods); m++) {
        world w = { .p = 0.9, .d = 1, .mute = 2 };
        rg_search_opt o = opt(8, 4);
        rg_tree t;
        size_t mute = 0;
        world_search(&t, &w, methods[m], &o, 11);
        check_tree(&t);
        for (size_t i = 1; i < t.n; i++) {
            mute += strcmp(t.node[i].reason, "says nothing") == 0;
            CHECK(t.node[t.node[i].parent].finish != RG_F_NO_CANDIDATE);
        }
        CHECK(mute > 0);
        rg_tree_free(&t);
    }
}

/* The numbers by hand. */
TEST(sums_of_scores_over_paths)
{
    const double r[4] = { 0.5, NAN, 0.8, 0.2 };
    CHECK(rg_aggregate(RG_AGG_LAST, r, 4) == 0.2 && rg_aggregate(RG_AGG_MIN, r, 4) == 0.2);
    CHECK(rg_aggregate(RG_AGG_MAX, r, 4) == 0.8 && fabs(rg_aggregate(RG_AGG_MEAN, r, 4) - 0.5) < 1e-15);
    CHECK(fabs(rg_aggregate(RG_AGG_PROD, r, 4) - 0.08) < 1e-15 && rg_aggregate(RG_AGG_SUM, r, 4) == 1.5);
    CHECK(fabs(rg_aggregate(RG_AGG_LOGIT_MEAN, r, 4)) < 1e-12); /* log 1 + log 4 - log 4 */
    CHECK(isnan(rg_aggregate(RG_AGG_MEAN, r + 1, 1)) && isnan(rg_aggregate(RG_AGG_LAST, r, 0)));
}

TEST(settings_that_do_not_fit_are_refused)
{
    const rg_proposer p = { .expand = world_expand };
    const rg_scorer raw = { .name = "logp", .scale = RG_RAW, .score = world_score };
    rg_err e = RG_ERR_INIT;
    rg_search_opt o = opt(10, 4);
    rg_tree t;
    CHECK(rg_search_run(&t, rg_strategy_find("beam"), &o, &p, &raw, NULL, 1, NULL, &e) == RG_EARG);
    CHECK(strstr(e.msg, "-N 10 is not a multiple of -M 4"));
    rg_err_clear(&e);
    o.N = 8;
    CHECK(rg_search_run(&t, rg_strategy_find("beam"), &o, &p, &raw, NULL, 1, NULL, &e) == RG_EARG);
    CHECK(strstr(e.msg, "vote needs probabilities, and scorer logp gives raw scores"));
    for (const rg_strategy *const *s = rg_strategies(); *s != NULL; s++)
        for (const rg_opt *x = rg_search_table; x->name != NULL; x++)
            CHECK(!rg_strategy_uses(*s, "nothing") && (rg_strategy_uses(*s, "budget") || (*s)->only_one));
}

/* The defaults of the table and of the struct are one. */
TEST(defaults_agree)
{
    rg_search_opt a, b = { 0 };
    rg_opts *parsed = NULL;
    rg_opt_list pos;
    rg_err e = RG_ERR_INIT;
    const rg_opt_group g = { "Search", rg_search_table, &b };
    rg_search_defaults(&a);
    OK(rg_opts_parse(&parsed, &g, 1, 0, NULL, &pos, &e), e);
    CHECK(a.N == b.N && a.M == b.M && a.depth == b.depth && a.agg == b.agg && a.vote == b.vote &&
          a.tau == b.tau);
    CHECK(a.lookahead == b.lookahead && a.beam_finish == b.beam_finish && a.dvts_all == b.dvts_all);
    CHECK(a.c_base == b.c_base && a.c_init == b.c_init && a.rollout == b.rollout && a.rounds == b.rounds);
    CHECK(a.references == b.references && a.reject_below == b.reject_below && a.turns == b.turns);
    CHECK(a.select == b.select && a.good_enough == b.good_enough && a.stop_lead == b.stop_lead);
    CHECK(a.stop_score == b.stop_score);
    rg_opts_free(parsed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_beam_expands_level_by_level),
        cmocka_unit_test(a_beam_keeps_the_best),
        cmocka_unit_test(dvts_keeps_one_of_each_tree),
        cmocka_unit_test(a_lookahead_scores_further_and_keeps_the_step),
        cmocka_unit_test(mcts_closes_what_it_has_visited),
        cmocka_unit_test(search_beats_sampling_where_it_is_hard),
        cmocka_unit_test(particles_follow_the_weight),
        cmocka_unit_test(rejected_chains_cost_no_more_steps),
        cmocka_unit_test(refinement_revises_what_is_not_good),
        cmocka_unit_test(stop_rules_end_a_search_early),
        cmocka_unit_test(empty_steps_are_dead_ends),
        cmocka_unit_test(sums_of_scores_over_paths),
        cmocka_unit_test(settings_that_do_not_fit_are_refused),
        cmocka_unit_test(defaults_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
