/* search_int.h - what strategies are written with. */
#ifndef RUNG_SEARCH_INT_H
#define RUNG_SEARCH_INT_H

#include "rung/search/search.h"

struct rg_search {
    rg_tree           *t;
    rg_search_opt      o;
    const rg_proposer *p;
    const rg_scorer   *sc;
    const rg_call     *call;
};

/* Asked after each candidate that counts; a reason in words ends the expansion there. */
typedef const char *(*enough_fn)(const rg_search *s);

/* N whole answers from the root as children of it, in index order, until enough says so. */
rg_status rg__sample_answers(rg_search *s, size_t N, bool greedy, enough_fn enough, rg_err *e);
rg_status rg__score_all(rg_search *s, rg_err *e);

typedef double (*weight_fn)(const rg_node *v);
typedef enum vote_by { BY_SUM, BY_MAX } vote_by;

/* Groups the terminal nodes by class, weighs, sorts, and settles answer_class and chosen. */
rg_status rg__vote(rg_search *s, vote_by by, weight_fn weight, rg_err *e);

extern const rg_strategy rg__greedy, rg__majority, rg__best_of_n, rg__confidence, rg__adaptive;

#endif
