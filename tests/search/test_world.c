/* The accuracies of the real strategies in the toy world against the spec's table. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>

/* Per cent; the spec simulated 1,500 problems a cell (its own noise: 1.3 points at 50 %). */
enum { MAJORITY, LAST, MIN, AVG, VOTE_LAST, VOTE_MIN, BEAM, DVTS, N_COLUMNS };

typedef struct cell_row {
    double p, d;
    int64_t N;
    double want[N_COLUMNS];
} cell_row;

static const cell_row ROWS[] = {
    { 0.68, 1.5, 16, { 0.1, 46.8, 51.0, 50.2, 10.1, 33.0, 100, 99.8 } },
    { 0.68, 0.35, 16, { 0.1, 13.6, 16.7, 22.9, 1.7, 1.7, 67.4, 26.7 } },
    { 0.83, 1.5, 16, { 18.8, 96.3, 96.7, 95.4, 81.3, 91.6, 100, 100 } },
    { 0.83, 0.35, 64, { 7.9, 57.5, 67.1, 73.9, 28.9, 41.5, 100, 92.1 } },
    { 0.83, -0.35, 16, { 19.7, 7.2, 4.7, 0.9, 10.6, 10.1, 0.2, 2.9 } },
    { 0.95, 0.35, 4, { 85.8, 80.5, 82.1, 85.1, 87.3, 88.5, 82.7, 82.9 } },
    { 0.95, 0.35, 64, { 100, 91.3, 92.6, 94.7, 100, 100, 100, 100 } },
    { 0.95, -0.35, 16, { 99.1, 38.9, 34.5, 17.9, 95.4, 95.4, 13.7, 56.8 } },
};

static size_t problems(void)
{
    return getenv("RUNG_TEST_LONG") != NULL ? 20000 : 3000;
}

/* One pool, six ways to choose from it: what a replay without a model does. */
static void choose_all(size_t right[N_COLUMNS], rg_tree *t)
{
    static const struct {
        rg_agg agg;
        rg_vote_rule vote;
    } HOW[6] = {
        { RG_AGG_LAST, RG_VOTE_MAJORITY }, { RG_AGG_LAST, RG_VOTE_MAX }, { RG_AGG_MIN, RG_VOTE_MAX },
        { RG_AGG_MEAN, RG_VOTE_MAX },      { RG_AGG_LAST, RG_VOTE_SUM }, { RG_AGG_MIN, RG_VOTE_SUM }
    };
    rg_err e = RG_ERR_INIT;
    for (size_t i = 0; i < 6; i++) {
        OK(rg_tree_choose(t, HOW[i].agg, HOW[i].vote, 1, RG_PROBABILITY, &e), e);
        right[i] += t->answer_class == 0;
    }
}

static void run_row(double got[N_COLUMNS], const cell_row *row)
{
    size_t right[N_COLUMNS] = { 0 };
    const size_t n = problems();
    rg_search_opt o;
    rg_search_defaults(&o);
    o.N = row->N;
    for (size_t i = 0; i < n; i++) {
        world w = { .p = row->p, .d = row->d };
        rg_tree t;
        world_search(&t, &w, "best-of-n", &o, i);
        choose_all(right, &t);
        rg_tree_free(&t);
        world_search(&t, &w, "beam", &o, i);
        right[BEAM] += t.answer_class == 0;
        rg_tree_free(&t);
        world_search(&t, &w, "dvts", &o, i);
        right[DVTS] += t.answer_class == 0;
        rg_tree_free(&t);
    }
    for (size_t c = 0; c < N_COLUMNS; c++)
        got[c] = 100.0 * (double)right[c] / (double)n;
}

TEST(accuracies_are_those_of_the_table)
{
    double got[COUNT(ROWS)][N_COLUMNS], off = 0;
    for (size_t r = 0; r < COUNT(ROWS); r++) {
        run_row(got[r], &ROWS[r]);
        for (size_t c = 0; c < N_COLUMNS; c++) {
            const double d = fabs(got[r][c] - ROWS[r].want[c]);
            printf("# p %.2f d %5.2f N %2d column %zu: %5.1f, table %5.1f%s\n", ROWS[r].p, ROWS[r].d,
                   (int)ROWS[r].N, c, got[r][c], ROWS[r].want[c], d > 3 ? "  <-- far" : "");
            if (d > 4.5)
                fail_msg("row %zu column %zu: %.1f %%, the table says %.1f", r, c, got[r][c],
                         ROWS[r].want[c]);
            off += d;
        }
    }
    off /= (double)(COUNT(ROWS) * N_COLUMNS);
    printf("# mean absolute difference %.2f points over %zu problems a cell\n", off, problems());
    CHECK(off <= 1.5);
    CHECK(got[3][MAJORITY] < got[2][MAJORITY] && got[6][MAJORITY] > got[5][MAJORITY]); /* with N: down, up */
    CHECK(got[0][BEAM] > got[0][LAST] && got[1][BEAM] > got[1][AVG]); /* search helps where it is hard */
    CHECK(got[4][BEAM] < got[4][MAJORITY] &&
          got[7][BEAM] < got[7][MAJORITY] - 50); /* and harms when misled */
    CHECK(got[5][VOTE_LAST] >= got[5][BEAM]);    /* voting is enough where it is easy */
}

/* A weak verifier, N = 16: no method wins everywhere (same section). */
TEST(no_method_wins_everywhere)
{
    static const double P[3] = { 0.95, 0.83, 0.68 };
    double got[3][N_COLUMNS];
    for (size_t i = 0; i < 3; i++)
        run_row(got[i], &(cell_row){ .p = P[i], .d = 0.1, .N = 16 });
    CHECK(got[0][MAJORITY] > got[0][BEAM] && got[0][MAJORITY] > got[0][AVG]);
    CHECK(got[1][BEAM] > got[1][MAJORITY] && got[2][BEAM] > got[2][MAJORITY]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accuracies_are_those_of_the_table),
        cmocka_unit_test(no_method_wins_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
