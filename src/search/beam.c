/* beam.c - search by steps over a frontier: beam search, DVTS, lookahead
 * (spec of test-time scaling, sections 6.3 to 6.5).
 *
 * One loop serves all: G groups of K slots that never compete with each other.
 *
 *   beam   1 group,  K = N / M   N candidates at the first level, then M from each kept node
 *   DVTS   N/M groups, K = 1     M candidates at every level of each tree
 *
 * Every level is one expansion and one scoring for all groups together. */
#include "rung/base/mem.h"

#include "search_int.h"

typedef struct beams {
    rg_search *s;
    size_t groups, slots; /* G, K */
    size_t want;          /* candidates of a group at the first level */
    size_t lookahead;
    rg_beam_finish finish;
    bool all;            /* DVTS: all candidates of a tree's last level vote */
    rg__list open, cand; /* nodes to extend; candidates of this level */
    rg__list group;      /* of every node of the tree, by id */
    rg__list *done;      /* [groups], finished ones that hold a slot */
    rg__list pool;       /* scratch: one group's candidates */
} beams;

static void beams_free(beams *b)
{
    for (size_t g = 0; b->done != NULL && g < b->groups; g++)
        rg__list_free(&b->done[g]);
    rg_free(b->done);
    rg__list_free(&b->open);
    rg__list_free(&b->cand);
    rg__list_free(&b->group);
    rg__list_free(&b->pool);
}

static rg_status beams_new(beams *b, rg_err *e)
{
    b->done = rg_calloc(b->groups, sizeof *b->done);
    if (b->done == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu trees", b->groups);
    RG_TRY(rg__list_add(&b->open, 0, e));
    return rg__list_add(&b->group, 0, e);
}

/* Candidates of the root are dealt to the groups in order; others stay in their parent's. */
static rg_status set_groups(beams *b, rg_err *e)
{
    const rg_tree *t = b->s->t;
    while (b->group.n < t->n) {
        const rg_node *v = &t->node[b->group.n];
        const size_t g = v->parent == 0 ? RG_MIN(v->index / b->want, b->groups - 1) : b->group.v[v->parent];
        RG_TRY(rg__list_add(&b->group, g, e));
    }
    return RG_OK;
}

static rg_status next_level(beams *b, size_t depth, rg_err *e)
{
    static const rg__growth steps = { .want = RG_WANT_STEP, .distinct = true };
    rg__list each = { 0 };
    rg_status s = RG_OK;
    b->cand.n = 0;
    for (size_t i = 0; i < b->open.n; i++)
        RG_GO(s, done, rg__list_add(&each, depth == 1 ? b->groups * b->want : (size_t)b->s->o.M, e));
    RG_GO(s, done, rg__grow(b->s, b->open.v, each.v, b->open.n, &steps, &b->cand, e));
    RG_GO(s, done, set_groups(b, e));
done:
    rg__list_free(&each);
    return s;
}

/* ---- scoring, with or without a look ahead ---- */

typedef struct tips {
    rg__list tip; /* of each candidate: the end of its greedy extension so far */
    rg__list at;  /* the open tips */
    rg__list one, grown;
} tips;

static void tips_free(tips *t)
{
    rg__list_free(&t->tip);
    rg__list_free(&t->at);
    rg__list_free(&t->one);
    rg__list_free(&t->grown);
}

static rg_status extend_tips(beams *b, tips *x, rg_err *e)
{
    static const rg__growth greedy = { .want = RG_WANT_STEP, .greedy = true };
    const rg_tree *t = b->s->t;
    x->at.n = x->one.n = x->grown.n = 0;
    for (size_t i = 0; i < x->tip.n; i++)
        if (!t->node[x->tip.v[i]].terminal) {
            RG_TRY(rg__list_add(&x->at, x->tip.v[i], e));
            RG_TRY(rg__list_add(&x->one, 1, e));
        }
    RG_TRY(rg__grow(b->s, x->at.v, x->one.v, x->at.n, &greedy, &x->grown, e));
    RG_TRY(rg__score(b->s, x->grown.v, x->grown.n, e));
    for (size_t k = 0; k < x->grown.n; k++)
        for (size_t i = 0; i < x->tip.n; i++)
            if (x->tip.v[i] == t->node[x->grown.v[k]].parent)
                x->tip.v[i] = x->grown.v[k];
    return RG_OK;
}

/* A candidate is worth what the end of its extension is worth; the extension itself goes. */
static rg_status look_ahead(beams *b, rg_err *e)
{
    tips x = { 0 };
    rg_status s = RG_OK;
    const size_t first = b->s->t->n;
    for (size_t i = 0; i < b->cand.n; i++)
        RG_GO(s, done, rg__list_add(&x.tip, b->cand.v[i], e));
    for (size_t l = 0; l < b->lookahead; l++)
        RG_GO(s, done, extend_tips(b, &x, e));
    for (size_t i = 0; i < b->cand.n; i++)
        b->s->t->node[b->cand.v[i]].value = b->s->t->node[x.tip.v[i]].value;
    for (size_t v = first; v < b->s->t->n; v++)
        rg__prune(b->s, v, "only to look ahead");
    RG_GO(s, done, set_groups(b, e));
done:
    tips_free(&x);
    return s;
}

/* ---- who goes on ---- */

static rg_status gather(beams *b, size_t g, rg_err *e)
{
    b->pool.n = 0;
    for (size_t i = 0; i < b->cand.n; i++)
        if (b->group.v[b->cand.v[i]] == g)
            RG_TRY(rg__list_add(&b->pool, b->cand.v[i], e));
    if (b->finish != RG_FINISH_COMPETE)
        return RG_OK;
    for (size_t i = 0; i < b->done[g].n; i++)
        RG_TRY(rg__list_add(&b->pool, b->done[g].v[i], e));
    b->done[g].n = 0;
    return RG_OK;
}

/* The best of a group, by rank, into its slots.  Those that finish leave the frontier. */
static rg_status select_group(beams *b, size_t g, rg_err *e)
{
    rg_search *s = b->s;
    rg__list *done = &b->done[g];
    RG_TRY(gather(b, g, e));
    rg__rank(s->t, b->pool.v, b->pool.n);
    const size_t held = b->finish == RG_FINISH_RETIRE ? done->n : 0;
    size_t left = b->slots - RG_MIN(held, b->slots);
    for (size_t i = 0; i < b->pool.n; i++) {
        const size_t v = b->pool.v[i];
        const bool terminal = s->t->node[v].terminal;
        if (left == 0) {
            rg__prune(s, v,
                      terminal && s->t->node[v].answer_class != RG_NO_CLASS ? "finished, but outranked"
                                                                            : "outranked at its level");
            continue;
        }
        rg__keep(s, v, b->slots == 1 ? "the best of its tree's level" : "among the best of its level");
        RG_TRY(rg__list_add(terminal ? done : &b->open, v, e));
        if (!terminal || b->finish != RG_FINISH_REFILL)
            left--;
    }
    return RG_OK;
}

/* DVTS with all: where a tree ends, its finished siblings vote too. */
static rg_status add_siblings(beams *b, size_t g, rg_err *e)
{
    const rg_tree *t = b->s->t;
    for (size_t i = 0; i < b->cand.n; i++) {
        const rg_node *v = &t->node[b->cand.v[i]];
        if (b->group.v[v->id] != g || !v->terminal || v->id == b->done[g].v[0])
            continue;
        rg__keep(b->s, v->id, "votes beside the best of its tree");
        RG_TRY(rg__list_add(&b->done[g], v->id, e));
    }
    return RG_OK;
}

static bool full(const beams *b, size_t g)
{
    return b->done[g].n >= b->slots && b->finish != RG_FINISH_COMPETE;
}

static rg_status select_all(beams *b, rg_err *e)
{
    b->open.n = 0;
    for (size_t g = 0; g < b->groups; g++) {
        const size_t from = b->open.n;
        RG_TRY(select_group(b, g, e));
        if (!full(b, g))
            continue;
        while (b->open.n > from) /* refill: enough have finished */
            rg__prune(b->s, b->open.v[--b->open.n], "enough answers are finished");
        if (b->all)
            RG_TRY(add_siblings(b, g, e));
    }
    return RG_OK;
}

/* ---- the end ---- */

static bool good_enough(beams *b)
{
    rg_search *s = b->s;
    for (size_t g = 0; g < b->groups && s->o.stop_score > 0; g++)
        for (size_t i = 0; i < b->done[g].n; i++) {
            const rg_node *v = &s->t->node[b->done[g].v[i]];
            if (v->answer_class != RG_NO_CLASS && v->value >= s->o.stop_score) {
                rg__stop(s, v->id, "an answer is valued as high as --stop-score asks");
                return true;
            }
        }
    return false;
}

static rg_status finish(beams *b, const char *why, rg_err *e)
{
    for (size_t i = 0; i < b->open.n; i++)
        if (b->open.v[i] != 0)
            rg__dead_end(b->s, b->open.v[i], RG_F_DEPTH, why);
    for (size_t g = 0; g < b->groups; g++)
        for (size_t i = 0; i < b->done[g].n; i++)
            RG_TRY(rg__finalist(b->s, b->done[g].v[i], e));
    return RG_OK;
}

static rg_status run(beams *b, rg_err *e)
{
    rg_status s = RG_OK;
    const char *why = "the depth is used up";
    RG_GO(s, done, beams_new(b, e));
    for (size_t depth = 1; depth <= (size_t)b->s->o.depth && b->open.n > 0; depth++) {
        RG_GO(s, done, next_level(b, depth, e));
        RG_GO(s, done, rg__score(b->s, b->cand.v, b->cand.n, e));
        if (b->lookahead > 0)
            RG_GO(s, done, look_ahead(b, e));
        RG_GO(s, done, select_all(b, e));
        if (good_enough(b)) {
            why = "the search was over";
            break;
        }
    }
done:;
    const rg_status ended = finish(b, s == RG_OK ? why : "the search was cut short", s == RG_OK ? e : NULL);
    beams_free(b);
    return rg__then_vote(b->s, s == RG_OK ? ended : s, e);
}

static rg_status beam_run(rg_search *s, rg_err *e)
{
    beams b = { .s = s,
                .groups = 1,
                .slots = (size_t)(s->o.N / s->o.M),
                .want = (size_t)s->o.N,
                .finish = (rg_beam_finish)s->o.beam_finish };
    return run(&b, e);
}

static rg_status lookahead_run(rg_search *s, rg_err *e)
{
    beams b = { .s = s,
                .groups = 1,
                .slots = (size_t)(s->o.N / s->o.M),
                .want = (size_t)s->o.N,
                .lookahead = (size_t)s->o.lookahead,
                .finish = (rg_beam_finish)s->o.beam_finish };
    return run(&b, e);
}

static rg_status dvts_run(rg_search *s, rg_err *e)
{
    beams b = {
        .s = s, .groups = (size_t)(s->o.N / s->o.M), .slots = 1, .want = (size_t)s->o.M, .all = s->o.dvts_all
    };
    return run(&b, e);
}

const rg_strategy rg__beam = {
    .name = "beam",
    .summary = "N first steps; the best N/M prefixes are kept and get M next steps each",
    .budget = "N steps a level, --depth levels: tokens <= N answers' worth; N/M answers vote",
    .uses = "budget,width,depth,agg,vote,tau,beam-finish,stop-score",
    .needs_scorer = true,
    .by_steps = true,
    .vote = RG_VOTE_SUM,
    .run = beam_run,
};

const rg_strategy rg__dvts = {
    .name = "dvts",
    .summary = "N/M separate trees, each keeps the best of M steps at every level",
    .budget = "N steps a level, --depth levels; N/M answers vote (--dvts-all: N)",
    .uses = "budget,width,depth,agg,vote,tau,dvts-all,stop-score",
    .needs_scorer = true,
    .by_steps = true,
    .vote = RG_VOTE_SUM,
    .run = dvts_run,
};

const rg_strategy rg__lookahead = {
    .name = "lookahead",
    .summary = "beam search whose candidates are scored after --lookahead further greedy steps",
    .budget = "beam's, times (1 + lookahead); N/M answers vote",
    .uses = "budget,width,depth,agg,vote,tau,beam-finish,lookahead,stop-score",
    .needs_scorer = true,
    .by_steps = true,
    .vote = RG_VOTE_SUM,
    .run = lookahead_run,
};
