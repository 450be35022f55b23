#include "rung/reward/direct.h"

#include <math.h>
#include <string.h>

#include "rung/base/mem.h"
#include "rung/bundle/chat.h"
#include "rung/text/prompt.h"

#define O(field) offsetof(rg_direct_opt, field)
const rg_opt rg_direct_table[] = {
    { "direct-system", NULL, RG_OPT_STR, O(system), NULL, 0, 0, NULL, "TEXT",
      "system message instead of the built-in one" },
    { "direct-question", NULL, RG_OPT_FLAG, O(question), NULL, 0, 0, NULL, NULL,
      "'Question: ' in front of the problem" },
    { 0 },
};

static const char OPENING[] = "\\boxed{", ANSWERED[] = "\\boxed{Yes}";

typedef struct direct {
    rg_verifier v;
    rg_lm *lm;
    rg_words *yes_no;
    char *system;
    bool question;
} direct;

/* A conversation up to the opening of its last verdict. */
typedef struct talk {
    uint64_t key;
    json_t *messages;
    rg_lm_node *node;
} talk;

typedef struct session {
    rg_judging j;
    rg_lm_node *base; /* what first turns have in common: system message and problem; may be NULL */
    talk *kept;
    size_t n, cap;
} session;

/* ---- conversations ---- */

static void talk_free(talk *t)
{
    json_decref(t->messages);
    rg_lm_release(t->node);
    *t = (talk){ 0 };
}

static rg_status begin(json_t *messages, const direct *d, const rg_path *p, rg_err *e)
{
    rg_buf first = RG_BUF_MAX(1 << 26);
    RG_TRY(rg_chat_say(messages, "system", rg_str_of(d->system), e));
    rg_buf_puts(&first, d->question ? "Question: " : "");
    rg_buf_str(&first, p->problem);
    rg_buf_puts(&first, d->question ? "\n\n" : "\n");
    rg_buf_str(&first, p->step[0]);
    rg_status s = rg_buf_check(&first, "a problem", e);
    if (s == RG_OK)
        s = rg_chat_say(messages, "user", rg_buf_view(&first), e);
    rg_buf_free(&first);
    return s;
}

static const rg_chat_opt OPEN = { .continue_final = true };

/* Step k behind the conversation t (empty before the first), up to the opening of its verdict. */
static rg_status add_step(talk *t, const direct *d, rg_lm_node *base, const rg_path *p, size_t k, rg_err *e)
{
    json_t *after = t->messages == NULL ? json_array() : json_deep_copy(t->messages);
    rg_lm_node *node = NULL;
    rg_status s = RG_OK;
    if (after == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for a conversation");
    if (t->messages == NULL)
        s = begin(after, d, p, e);
    else {
        json_object_set_new(json_array_get(after, json_array_size(after) - 1), "content",
                            json_string(ANSWERED));
        s = rg_chat_say(after, "user", p->step[k], e);
    }
    if (s == RG_OK)
        s = rg_chat_say(after, "assistant", rg_str_of(OPENING), e);
    if (s == RG_OK)
        s = t->node == NULL ? rg_lm_chat(&node, d->lm, base, after, &OPEN, e)
                            : rg_lm_chat_on(&node, t->node, t->messages, after, &OPEN, e);
    if (s != RG_OK) {
        json_decref(after);
        return s;
    }
    json_decref(t->messages);
    rg_lm_release(t->node);
    t->messages = after;
    t->node = node;
    return RG_OK;
}

/* ---- a session ---- */

static talk *find(session *s, uint64_t key)
{
    for (size_t i = 0; i < s->n && key != 0; i++)
        if (s->kept[i].key == key)
            return &s->kept[i];
    return NULL;
}

static rg_status keep(session *s, const talk *t, uint64_t key, rg_err *e)
{
    if (s->n == s->cap) {
        const size_t cap = s->cap ? 2 * s->cap : 16;
        talk *kept = rg_realloc(s->kept, cap, sizeof *kept);
        if (kept == NULL)
            RG_FAIL(e, RG_ENOMEM, "no memory for %zu conversations", cap);
        s->kept = kept;
        s->cap = cap;
    }
    s->kept[s->n++] = (talk){ key, json_incref(t->messages), rg_lm_retain(t->node) };
    return RG_OK;
}

static void forget(rg_judging *j, uint64_t key)
{
    session *s = (session *)j;
    talk *t = find(s, key);
    if (t == NULL)
        return;
    talk_free(t);
    *t = s->kept[--s->n];
}

static rg_status open_session(rg_judging **out, rg_verifier *v, rg_err *e)
{
    session *s = rg_calloc(1, sizeof *s);
    *out = NULL;
    if (s == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for a verifier");
    s->j.v = v;
    *out = &s->j;
    return RG_OK;
}

static void close_session(rg_judging *j)
{
    session *s = (session *)j;
    for (size_t i = 0; i < s->n; i++)
        talk_free(&s->kept[i]);
    rg_lm_release(s->base);
    rg_free(s->kept);
    rg_free(s);
}

/* ---- judging ---- */

/* Too long for the context is an answer, not a failure: the step gets no number. */
static rg_status unless_too_long(rg_status s, bool *fits, const rg_err *why, rg_err *e)
{
    *fits = s != RG_ELIMIT;
    if (s == RG_OK || s == RG_ELIMIT)
        return RG_OK;
    return rg_err_set(e, s, why->file, why->line, "%s", why->msg);
}

/* Several first turns in one batch: what they share is computed once, now and for later ones. */
static rg_status find_base(session *s, const direct *d, const rg_path *p, size_t n, rg_err *e)
{
    json_t **first = rg_calloc(n, sizeof(json_t *));
    rg_lm_node *base = NULL;
    rg_status st = RG_OK;
    size_t m = 0;
    if (first == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu conversations", n);
    for (size_t i = 0; i < n && st == RG_OK; i++) {
        if (find(s, p[i].parent) != NULL)
            continue;
        first[m++] = json_array();
        st = begin(first[m - 1], d, &p[i], e);
        if (st == RG_OK)
            st = rg_chat_say(first[m - 1], "assistant", rg_str_of(OPENING), e);
    }
    rg_err too_long = RG_ERR_INIT;
    bool fits;
    if (st == RG_OK)
        st = unless_too_long(
            rg_lm_chat_common(&base, d->lm, s->base, (const json_t *const *)first, m, &OPEN, &too_long),
            &fits, &too_long, e);
    if (base != NULL) {
        rg_lm_release(s->base);
        s->base = base;
    }
    for (size_t i = 0; i < m; i++)
        json_decref(first[i]);
    rg_free(first);
    return st;
}

typedef struct reading {
    rg_judgement **at; /* whose verdict each job reads */
    rg_gen *gen;
    size_t n;
} reading;

static rg_go read_verdict(void *arg, size_t i, const rg_gen_out *out)
{
    const reading *r = arg;
    rg_judgement *v = r->at[i];
    if (out->finish != RG_F_CANCELLED && out->word != NULL && !isnan(out->word[0]) && !isnan(out->word[1])) {
        v->r = 1 / (1 + exp((double)out->word[1] - (double)out->word[0]));
        v->flags |= out->word_bound ? RG_VF_BOUND : 0;
    } else if (out->finish != RG_F_CANCELLED) { /* no log-probabilities there: what it says */
        const bool yes = rg_words_spells(r->gen[i].words, 0, out->text),
                   no = rg_words_spells(r->gen[i].words, 1, out->text);
        v->r = yes ? 1 : no ? 0 : 0.5;
        v->flags |= RG_VF_TEXT | (yes || no ? 0 : RG_VF_NO_DECISION);
    }
    rg_lm_release(out->node);
    return RG_GO_ON;
}

/* One job a step, each from the end of its own conversation. */
static void add_job(reading *r, const direct *d, const talk *t, rg_judgement *out)
{
    static const rg_sampling GREEDY = { .temp = 0, .top_p = 1, .repeat_penalty = 1 };
    out->token = rg_lm_node_len(t->node) - 1;
    r->at[r->n] = out;
    r->gen[r->n++] = (rg_gen){ .from = rg_lm_retain(t->node),
                               .sampling = &GREEDY,
                               .max_tokens = 1,
                               .ignore_end = true,
                               .words = d->yes_no };
}

static rg_status prepare(session *s, const direct *d, const rg_path *p, rg_judgement *out, reading *r,
                         rg_err *e)
{
    const talk *from = find(s, p->parent);
    talk t = { 0 };
    rg_status st = RG_OK;
    bool fits = true;
    if (from != NULL)
        t = (talk){ 0, json_incref(from->messages), rg_lm_retain(from->node) };
    for (size_t k = p->first; k < p->n; k++)
        out[k - p->first] = (rg_judgement){ .r = NAN, .token = SIZE_MAX };
    for (size_t k = from != NULL ? p->first : 0; k < p->n && st == RG_OK && fits; k++) {
        rg_err too_long = RG_ERR_INIT;
        st = unless_too_long(add_step(&t, d, s->base, p, k, &too_long), &fits, &too_long, e);
        fits = fits && (st != RG_OK || rg_lm_node_len(t.node) < rg_lm_ctx(d->lm));
        if (st == RG_OK && fits && k >= p->first)
            add_job(r, d, &t, &out[k - p->first]);
    }
    if (st == RG_OK && fits && p->key != 0)
        st = keep(s, &t, p->key, e);
    talk_free(&t);
    return st;
}

static rg_status judge(rg_judging *j, const rg_path *p, size_t n, rg_judgement *const *out,
                       const rg_call *call, rg_err *e)
{
    const direct *d = (const direct *)j->v;
    size_t total = 0;
    for (size_t i = 0; i < n; i++)
        total += p[i].n - p[i].first;
    reading r = { rg_calloc(total, sizeof(rg_judgement *)), rg_calloc(total, sizeof(rg_gen)), 0 };
    rg_status s = RG_OK;
    if (r.at == NULL || r.gen == NULL)
        RG_FAIL_GO(s, done, e, RG_ENOMEM, "no memory for %zu verdicts", total);
    RG_GO(s, done, find_base((session *)j, d, p, n, e));
    for (size_t i = 0; i < n; i++)
        RG_GO(s, done, prepare((session *)j, d, &p[i], out[i], &r, e));
    s = rg_lm_generate(d->lm, r.gen, r.n, read_verdict, &r, call, e);
done:
    for (size_t i = 0; i < r.n; i++)
        rg_lm_release(r.gen[i].from);
    rg_free(r.at);
    rg_free(r.gen);
    return s;
}

/* ---- the verifier ---- */

static rg_status describe(rg_verifier *v, rg_buf *b, rg_err *e)
{
    const direct *d = (const direct *)v;
    char sha[65];
    RG_TRY(rg_lm_identity(sha, d->lm, e));
    rg_buf_printf(b, "|direct|%s|%d|%s", sha, d->question, d->system);
    return RG_OK;
}

static void direct_free(rg_verifier *v)
{
    direct *d = (direct *)v;
    rg_words_free(d->yes_no);
    rg_free(d->system);
    rg_free(d);
}

rg_status rg_direct_new(rg_verifier **out, rg_lm *lm, const rg_direct_opt *o, rg_err *e)
{
    static const char *const WORDS[] = { "Yes", "No" };
    *out = NULL;
    direct *d = rg_calloc(1, sizeof *d);
    if (d == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for a verifier");
    *d = (direct){ .v = { .name = "direct",
                          .scale = RG_PROBABILITY,
                          .describe = describe,
                          .open = open_session,
                          .judge = judge,
                          .forget = forget,
                          .close = close_session,
                          .free = direct_free },
                   .lm = lm,
                   .question = o->question };
    d->system = rg_strdup(o->system != NULL ? o->system : rg_prompt_direct);
    rg_status s = d->system == NULL ? rg_err_set(e, RG_ENOMEM, __FILE__, __LINE__, "no memory for a verifier")
                                    : rg_words_new(&d->yes_no, lm, WORDS, 2, e);
    if (s != RG_OK) {
        direct_free(&d->v);
        return s;
    }
    *out = &d->v;
    return RG_OK;
}
