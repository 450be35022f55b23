/* search.c - the table of strategies and of their settings, and the way in. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "rung/base/mem.h"

#include "search_int.h"

static const rg_strategy *const STRATEGIES[] = {
    &rg__greedy,    &rg__majority, &rg__best_of_n, &rg__confidence, &rg__adaptive, &rg__beam, &rg__dvts,
    &rg__lookahead, &rg__mcts,     &rg__particle,  &rg__reject,     &rg__refine,   NULL
};

const rg_strategy *const *rg_strategies(void)
{
    return STRATEGIES;
}

const rg_strategy *rg_strategy_find(const char *name)
{
    for (size_t i = 0; STRATEGIES[i] != NULL; i++)
        if (strcmp(STRATEGIES[i]->name, name) == 0)
            return STRATEGIES[i];
    return NULL;
}

bool rg_strategy_uses(const rg_strategy *s, const char *option)
{
    const size_t n = strlen(option);
    for (const char *p = s->uses; *p != '\0'; p += strcspn(p, ","), p += *p == ',')
        if (strcspn(p, ",") == n && strncmp(p, option, n) == 0)
            return true;
    return false;
}

/* ---- settings ---- */

#define O(field) offsetof(rg_search_opt, field)

const rg_opt rg_search_table[] = {
    { "budget", "N,n-samples,num-generations", RG_OPT_INT, O(N), "8", 1, 65536, NULL, "N",
      "answers at most" },
    { "width", "M", RG_OPT_INT, O(M), "4", 1, 4096, NULL, "M", "next steps of a kept prefix" },
    { "depth", NULL, RG_OPT_INT, O(depth), "40", 1, 10000, NULL, "N", "steps of one answer at most" },
    { "agg", "aggregate", RG_OPT_ENUM, O(agg), "last", 0, 0, RG_AGG_NAMES, NULL,
      "an answer's step scores as one number" },
    { "vote", NULL, RG_OPT_ENUM, O(vote), "auto", 0, 0, RG_VOTE_NAMES, NULL,
      "how answers and their values decide" },
    { "tau", NULL, RG_OPT_FLOAT, O(tau), "1", 1e-6, 1e6, NULL, "F",
      "temperature of softmax-vote and of drawing particles" },
    { "lookahead", NULL, RG_OPT_INT, O(lookahead), "1", 0, 100, NULL, "L", "greedy steps to look ahead" },
    { "beam-finish", NULL, RG_OPT_ENUM, O(beam_finish), "retire", 0, 0, RG_BEAM_FINISH_NAMES, NULL,
      "finished beams: retire with their slot, refill it, or compete for it" },
    { "dvts-all", NULL, RG_OPT_FLAG, O(dvts_all), NULL, 0, 0, NULL, NULL,
      "all finished candidates of a tree vote, not its best alone" },
    { "c-base", NULL, RG_OPT_FLOAT, O(c_base), "19652", 1, 1e12, NULL, "F", "PUCT: growth of exploration" },
    { "c-init", NULL, RG_OPT_FLOAT, O(c_init), "1.25", 0, 1e6, NULL, "F", "PUCT: exploration" },
    { "rollout", NULL, RG_OPT_FLAG, O(rollout), NULL, 0, 0, NULL, NULL,
      "MCTS: a new node is valued by one whole greedy answer" },
    { "rounds", NULL, RG_OPT_INT, O(rounds), "1", 1, 1000, NULL, "N",
      "particle Gibbs: rounds of the filter" },
    { "references", NULL, RG_OPT_INT, O(references), "1", 0, 4096, NULL, "N",
      "particle Gibbs: particles that outlive a round" },
    { "reject-below", NULL, RG_OPT_FLOAT, O(reject_below), "0.2", -1e9, 1e9, NULL, "F",
      "a step scored below this ends its answer" },
    { "turns", NULL, RG_OPT_INT, O(turns), "3", 0, 100, NULL, "R", "revisions of an answer at most" },
    { "select", NULL, RG_OPT_FLAG, O(select), NULL, 0, 0, NULL, NULL,
      "the best turn of a chain speaks for it, not the last" },
    { "good-enough", NULL, RG_OPT_FLOAT, O(good_enough), "0.5", -1e9, 1e9, NULL, "F",
      "an answer valued so is not revised" },
    { "stop-lead", NULL, RG_OPT_FLOAT, O(stop_lead), "0", 0, 1, NULL, "P",
      "stop when the leader is the likeliest answer with this probability; 0 = off" },
    { "stop-score", NULL, RG_OPT_FLOAT, O(stop_score), "0", 0, 1e9, NULL, "F",
      "stop at an answer valued so; 0 = off" },
    { 0 },
};

void rg_search_defaults(rg_search_opt *o)
{
    *o = (rg_search_opt){ .N = 8,
                          .M = 4,
                          .depth = 40,
                          .tau = 1,
                          .lookahead = 1,
                          .c_base = 19652,
                          .c_init = 1.25,
                          .rounds = 1,
                          .references = 1,
                          .reject_below = 0.2,
                          .turns = 3,
                          .good_enough = 0.5 };
}

/* ---- running ---- */

static rg_status fits(const rg_strategy *how, const rg_search_opt *o, const rg_scorer *sc, rg_err *e)
{
    if (o->N < 1 || o->M < 1 || o->depth < 1)
        RG_FAIL(e, RG_EARG, "-N, -M and --depth must be at least 1");
    const bool groups = how == &rg__beam || how == &rg__dvts || how == &rg__lookahead;
    if (groups && o->N % o->M != 0)
        RG_FAIL(e, RG_EARG, "-N %lld is not a multiple of -M %lld: method %s keeps N / M prefixes",
                (long long)o->N, (long long)o->M, how->name);
    if (!how->needs_scorer)
        return RG_OK;
    if (sc == NULL)
        RG_FAIL(e, RG_EARG, "method %s needs a score to choose by", how->name);
    if (how == &rg__particle && sc->scale == RG_RAW)
        RG_FAIL(e, RG_EARG, "method particle draws by probabilities, and scorer %s gives raw scores",
                sc->name);
    return rg__scale_fits((rg_agg)o->agg, o->vote == RG_VOTE_AUTO ? how->vote : (rg_vote_rule)o->vote,
                          sc->scale, sc->name, e);
}

rg_status rg_search_run(rg_tree *t, const rg_strategy *strategy, const rg_search_opt *o, const rg_proposer *p,
                        const rg_scorer *sc, void *root_handle, uint64_t root_stream, const rg_call *call,
                        rg_err *e)
{
    memset(t, 0, sizeof *t);
    t->answer_class = RG_NO_CLASS;
    t->chosen = RG_NO_NODE;
    t->stop = "all candidates done";
    RG_TRY(fits(strategy, o, sc, e));
    rg_search s = {
        .t = t, .o = *o, .how = strategy, .p = p, .sc = strategy->needs_scorer ? sc : NULL, .call = call
    };
    const rg_node root = { .parent = RG_NO_NODE,
                           .stream = root_stream,
                           .handle = root_handle,
                           .kept = true,
                           .answer_class = RG_NO_CLASS,
                           .score = NAN,
                           .value = NAN,
                           .reason = "root" };
    RG_TRY(rg__push(t, root, e));
    const rg_status ran = strategy->run(&s, e);
    if (ran != RG_OK)
        t->stop = ran == RG_ECANCEL ? "interrupted" : ran == RG_ELIMIT ? "out of time or room" : "failed";
    return ran;
}
