/* mcts.c - Monte Carlo tree search with PUCT (spec of test-time scaling, section 6.6).
 *
 * A path: choose children by PUCT down to a node that was never extended; extend it by M scored
 * steps; from there always take the best valued child, extending on the way, until an answer.
 * Its value is added to every node of the path.  With rollouts the new node is valued by one
 * whole greedy answer instead.  A subtree whose ends have all been visited is closed.
 *
 * Source: Rosin, "Multi-armed bandits with episode context", 2011; constants of Silver et al.,
 * "A general reinforcement learning algorithm", 2018. */
#include <math.h>

#include "rung/base/mem.h"

#include "search_int.h"

typedef struct visit {
    size_t n;           /* paths through the node */
    double sum;         /* of the values they ended with */
    double prior;       /* share among its siblings */
    size_t first, kids; /* its usable children, in `kid` */
    bool extended, closed;
} visit;

typedef struct mcts {
    rg_search *s;
    visit *v; /* by node id */
    size_t n, cap;
    rg__list kid;
    rg__list path;
} mcts;

static rg_status know_all(mcts *m, rg_err *e)
{
    const size_t n = m->s->t->n;
    if (n > m->cap) {
        const size_t cap = RG_MAX(2 * m->cap, n + 64);
        visit *v = rg_realloc(m->v, cap, sizeof *v);
        if (v == NULL)
            RG_FAIL(e, RG_ENOMEM, "no memory for %zu nodes", cap);
        m->v = v;
        m->cap = cap;
    }
    for (; m->n < n; m->n++)
        m->v[m->n] = (visit){ 0 };
    return RG_OK;
}

/* Geometric mean of the token probabilities, normalised over the siblings. */
static void set_priors(mcts *m, size_t v)
{
    const visit *x = &m->v[v];
    double sum = 0;
    for (size_t i = 0; i < x->kids; i++) {
        const rg_node *c = &m->s->t->node[m->kid.v[x->first + i]];
        m->v[c->id].prior = c->tokens == 0 ? 1 : exp(c->logp / (double)c->tokens);
        sum += m->v[c->id].prior;
    }
    for (size_t i = 0; i < x->kids && sum > 0; i++)
        m->v[m->kid.v[x->first + i]].prior /= sum;
}

static rg_status extend(mcts *m, size_t v, rg_err *e)
{
    static const rg__growth steps = { .want = RG_WANT_STEP, .distinct = true };
    const size_t M = (size_t)m->s->o.M, first = m->kid.n;
    RG_TRY(rg__grow(m->s, &v, &M, 1, &steps, &m->kid, e));
    RG_TRY(know_all(m, e));
    RG_TRY(rg__score(m->s, m->kid.v + first, m->kid.n - first, e));
    m->v[v].extended = true;
    m->v[v].first = first;
    m->v[v].kids = m->kid.n - first;
    set_priors(m, v);
    return RG_OK;
}

static double worth(const mcts *m, size_t c)
{
    const visit *x = &m->v[c];
    const double value = m->s->t->node[c].value;
    return x->n > 0 ? x->sum / (double)x->n : isnan(value) ? 0 : value;
}

/* By PUCT, or by worth alone; RG_NO_NODE: all are closed. */
static size_t choose(const mcts *m, size_t v, bool puct)
{
    const visit *x = &m->v[v];
    const rg_search_opt *o = &m->s->o;
    const double n = (double)x->n, c = log((n + o->c_base + 1) / o->c_base) + o->c_init;
    size_t best = RG_NO_NODE;
    double most = -INFINITY;
    for (size_t i = 0; i < x->kids; i++) {
        const size_t k = m->kid.v[x->first + i];
        if (m->v[k].closed)
            continue;
        const double bonus = puct ? m->v[k].prior * c * sqrt(n) / (1 + (double)m->v[k].n) : 0;
        if (best == RG_NO_NODE || worth(m, k) + bonus > most) {
            most = worth(m, k) + bonus;
            best = k;
        }
    }
    return best;
}

/* A node whose children are all closed, or that can have none, is closed itself. */
static void close_up(mcts *m, size_t v)
{
    for (;; v = m->s->t->node[v].parent) {
        if (!m->s->t->node[v].terminal && choose(m, v, false) != RG_NO_NODE)
            return;
        m->v[v].closed = true;
        if (v == 0)
            return;
    }
}

static rg_status descend(mcts *m, size_t *leaf, rg_err *e)
{
    const rg_tree *t = m->s->t;
    bool puct = true;
    size_t v = 0;
    m->path.n = 0;
    RG_TRY(rg__list_add(&m->path, v, e));
    while (!t->node[v].terminal) {
        if (t->node[v].depth >= (size_t)m->s->o.depth) {
            rg__dead_end(m->s, v, RG_F_DEPTH, "the depth is used up");
            break;
        }
        if (!m->v[v].extended) {
            if (m->s->o.rollout && !puct)
                break; /* this one is valued by a whole answer */
            RG_TRY(extend(m, v, e));
            puct = false;
        }
        const size_t next = choose(m, v, puct);
        if (next == RG_NO_NODE)
            break; /* it became a dead end */
        v = next;
        RG_TRY(rg__list_add(&m->path, v, e));
    }
    *leaf = v;
    return RG_OK;
}

/* The answer that a greedy continuation of v comes to, as a child of v. */
static rg_status roll_out(mcts *m, size_t v, size_t *end, rg_err *e)
{
    static const rg__growth whole = { .want = RG_WANT_WHOLE, .greedy = true };
    const size_t one = 1;
    rg__list got = { 0 };
    *end = v;
    rg_status s = rg__grow(m->s, &v, &one, 1, &whole, &got, e);
    if (s == RG_OK)
        s = know_all(m, e);
    if (s == RG_OK)
        s = rg__score(m->s, got.v, got.n, e);
    if (s == RG_OK && got.n > 0)
        *end = got.v[0];
    rg__list_free(&got);
    return s;
}

static void back_up(mcts *m, double value)
{
    for (size_t i = 0; i < m->path.n; i++) {
        m->v[m->path.v[i]].n++;
        m->v[m->path.v[i]].sum += isnan(value) ? 0 : value;
    }
}

static rg_status one_path(mcts *m, rg_err *e)
{
    rg_search *s = m->s;
    size_t leaf = 0, end;
    RG_TRY(descend(m, &leaf, e));
    end = leaf;
    if (!s->t->node[leaf].terminal && m->path.n > 1)
        RG_TRY(roll_out(m, leaf, &end, e));
    back_up(m, s->t->node[end].value);
    if (s->t->node[leaf].terminal || end == leaf)
        close_up(m, leaf);
    if (end == 0)
        return RG_OK;
    rg__keep(s, end, end == leaf ? "the end of a path" : "a roll-out's answer");
    return rg__finalist(s, end, e);
}

static bool good_enough(rg_search *s)
{
    const rg_tree *t = s->t;
    if (s->o.stop_score <= 0 || t->n_final == 0)
        return false;
    const rg_node *v = &t->node[t->final[t->n_final - 1]];
    if (v->answer_class == RG_NO_CLASS || !(v->value >= s->o.stop_score))
        return false;
    rg__stop(s, v->id, "an answer is valued as high as --stop-score asks");
    return true;
}

static rg_status mcts_run(rg_search *s, rg_err *e)
{
    mcts m = { .s = s };
    rg_status st = know_all(&m, e);
    for (int64_t i = 0; i < s->o.N && st == RG_OK; i++) {
        st = one_path(&m, e);
        if (st == RG_OK && m.v[0].closed) {
            rg__stop(s, 0, "every path of the tree was taken");
            break;
        }
        if (good_enough(s))
            break;
    }
    rg__list_free(&m.kid);
    rg__list_free(&m.path);
    rg_free(m.v);
    return rg__then_vote(s, st, e);
}

const rg_strategy rg__mcts = {
    .name = "mcts",
    .summary = "N paths through one tree, chosen by PUCT from scores and visits",
    .budget = "N answers; at most N x M x --depth steps, far fewer as paths share them",
    .uses = "budget,width,depth,agg,vote,tau,c-base,c-init,rollout,stop-score",
    .needs_scorer = true,
    .by_steps = true,
    .vote = RG_VOTE_SUM,
    .run = mcts_run,
};
