/* search_int.h - what strategies are written with. */
#ifndef RUNG_SEARCH_INT_H
#define RUNG_SEARCH_INT_H

#include "rung/search/search.h"

struct rg_search {
    rg_tree *t;
    rg_search_opt o;
    const rg_strategy *how;
    const rg_proposer *p;
    const rg_scorer *sc; /* NULL where the strategy needs none */
    const rg_call *call;
};

/* ---- the tree (tree.c) ---- */

rg_status rg__push(rg_tree *t, rg_node v, rg_err *e);
void rg__keep(rg_search *s, size_t v, const char *why);
void rg__prune(rg_search *s, size_t v, const char *why); /* the proposer may let it go */
void rg__stop(rg_search *s, size_t v, const char *why);
/* v is one of those that vote. */
rg_status rg__finalist(rg_search *s, size_t v, rg_err *e);
/* v can go no further: terminal without an answer. */
void rg__dead_end(rg_search *s, size_t v, rg_finish finish, const char *why);
/* A step that did not end as a step does (cut at its limit, or empty) is a dead end: was it one? */
bool rg__dead_if_cut(rg_search *s, size_t v);

/* ---- the ports (expand.c) ---- */

/* A growing list of node ids; zero-initialise, rg__list_free. */
typedef struct rg__list {
    size_t *v, n, cap;
} rg__list;
rg_status rg__list_add(rg__list *l, size_t v, rg_err *e);
void rg__list_free(rg__list *l);

typedef struct rg__growth {
    rg_want want;
    bool greedy;
    bool distinct; /* a step that repeats a sibling's is pruned, one cut short too;
                                 * a node left with none is asked again, then a dead end */
} rg__growth;

/* Children each[i] of at[i], in one batch; the usable ones are added to *out in order of (i,
 * index).  Nodes get their ids in that order, whatever finished first. */
rg_status rg__grow(rg_search *s, const size_t *at, const size_t *each, size_t n, const rg__growth *how,
                   rg__list *out, rg_err *e);

/* Asked after each whole answer; a reason in words ends the expansion there. */
typedef const char *(*enough_fn)(const rg_search *s);
/* N more whole answers from the root, finalists in index order, until enough says so. */
rg_status rg__sample_answers(rg_search *s, size_t N, bool greedy, enough_fn enough, rg_err *e);

/* Scores and values of nodes, in one batch. */
rg_status rg__score(rg_search *s, const size_t *v, size_t n, rg_err *e);

/* ---- choosing (vote.c) ---- */

/* Groups the finalists by class, weighs, sorts, and settles answer_class and chosen. */
rg_status rg__vote(rg_search *s, rg_err *e);
rg_status rg__vote_by(rg_tree *t, rg_vote_rule rule, double tau, rg_err *e);
/* A search that was cut short votes with what it has: its partial record is worth reading. */
rg_status rg__then_vote(rg_search *s, rg_status so_far, rg_err *e);
/* Do these rules make sense of scores on this scale?  RG_EARG names both otherwise. */
rg_status rg__scale_fits(rg_agg agg, rg_vote_rule vote, rg_scale scale, const char *scorer, rg_err *e);
/* Greater value first; NaN last; equal ones in order of creation. */
bool rg__better(const rg_node *a, const rg_node *b);
/* Sorts node ids, best first. */
void rg__rank(const rg_tree *t, size_t *v, size_t n);

extern const rg_strategy rg__greedy, rg__majority, rg__best_of_n, rg__confidence, rg__adaptive, rg__beam,
    rg__dvts, rg__lookahead, rg__mcts, rg__particle, rg__reject, rg__refine;

#endif
