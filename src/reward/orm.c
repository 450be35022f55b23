#include "rung/reward/orm.h"

#include <math.h>
#include <string.h>

#include "prm_int.h"
#include "rung/base/mem.h"
#include "rung/base/rng.h"

#define O(field) offsetof(rg_orm_opt, field)
const rg_opt rg_orm_table[] = {
    { "orm-raw", NULL, RG_OPT_FLAG, O(raw), NULL, 0, 0, NULL, NULL,
      "the value itself, which only orders answers, instead of its sigmoid" },
    { "orm-system", NULL, RG_OPT_STR, O(system), NULL, 0, 0, NULL, "TEXT",
      "system message of the conversation that is judged" },
    { 0 },
};

enum { TEXT_MAX = 64 << 20, MOST_VALUES = 2 };

typedef struct orm {
    rg_verifier v;
    rg_lm *lm;
    const rg_bundle *b;
    bool raw, talks; /* talks: the model has a chat template */
    char *system;
} orm;

typedef struct session {
    rg_judging j;
    rg__prefix head;
    uint64_t problem;
} session;

typedef struct reading {
    rg_lm_node *from;
    rg_ids ids;
    size_t at;
    float value[MOST_VALUES];
    bool fits;
} reading;

/* ---- texts ---- */

/* answer NULL: the problem alone, as a conversation that is to go on. */
static rg_status put_talk(rg_ids *ids, const orm *m, rg_str problem, const rg_str *answer, rg_err *e)
{
    const rg_chat_opt o = { .add_generation_prompt = answer == NULL, .now_unix = RG__TEMPLATE_DAY };
    json_t *list = json_array();
    rg_status s = m->system == NULL ? RG_OK : rg_chat_say(list, "system", rg_str_of(m->system), e);
    if (s == RG_OK)
        s = rg_chat_say(list, "user", problem, e);
    if (s == RG_OK && answer != NULL)
        s = rg_chat_say(list, "assistant", *answer, e);
    if (s == RG_OK)
        s = rg_chat_ids(ids, m->b, list, &o, e);
    json_decref(list);
    return s;
}

static rg_status put_plain(rg_ids *ids, const orm *m, rg_str problem, const rg_str *answer, rg_err *e)
{
    const int32_t end = rg_token_eos(rg_bundle_tokenizer(m->b));
    rg_buf text = RG_BUF_MAX(TEXT_MAX);
    rg_buf_str(&text, problem);
    rg_buf_putc(&text, '\n');
    if (answer != NULL)
        rg_buf_str(&text, *answer);
    rg_status s = rg_buf_check(&text, "an answer", e);
    if (s == RG_OK)
        s = rg_text_ids(ids, m->b, rg_buf_view(&text), RG_SPECIAL_NONE, e);
    if (s == RG_OK && answer != NULL && end >= 0)
        s = rg_ids_push(ids, end, e);
    rg_buf_free(&text);
    return s;
}

static rg_status put_ids(rg_ids *ids, const orm *m, rg_str problem, const rg_str *answer, rg_err *e)
{
    return m->talks ? put_talk(ids, m, problem, answer, e) : put_plain(ids, m, problem, answer, e);
}

static rg_status answer_ids(rg_ids *ids, const orm *m, const rg_path *p, rg_err *e)
{
    rg_buf b = RG_BUF_MAX(TEXT_MAX);
    for (size_t i = 0; i < p->n; i++) {
        rg_buf_puts(&b, i == 0 ? "" : "\n\n");
        rg_buf_str(&b, p->step[i]);
    }
    rg_status s = rg_buf_check(&b, "an answer", e);
    if (s == RG_OK) {
        const rg_str answer = rg_buf_view(&b);
        s = put_ids(ids, m, p->problem, &answer, e);
    }
    rg_buf_free(&b);
    return s;
}

/* ---- judging ---- */

/* What answers to this problem begin with; at least one token stays to be read at. */
static rg_status set_head(session *s, const orm *m, const rg_path *p, const rg_ids *whole, rg_err *e)
{
    const uint64_t problem = rg_hash64(p->problem.p, p->problem.n, 1);
    rg_ids alone = { 0 };
    if (s->problem == problem && rg__prefix_begins(&s->head, whole) && s->head.ids.n < whole->n)
        return RG_OK;
    rg_status st = put_ids(&alone, m, p->problem, NULL, e);
    if (st == RG_OK)
        st = rg__prefix_set(&s->head, m->lm, whole->id, RG_MIN(rg__common(&alone, whole), whole->n - 1), e);
    s->problem = problem;
    rg_ids_free(&alone);
    return st;
}

static rg_status prepare(session *s, const orm *m, const rg_path *p, reading *r, rg_err *e)
{
    RG_TRY(answer_ids(&r->ids, m, p, e));
    r->fits = r->ids.n > 0 && r->ids.n <= rg_lm_ctx(m->lm);
    if (!r->fits)
        return RG_OK;
    RG_TRY(set_head(s, m, p, &r->ids, e));
    r->from = rg_lm_retain(s->head.node);
    r->at = r->ids.n - s->head.ids.n - 1;
    return RG_OK;
}

static double score_of(const orm *m, const float *x)
{
    if (rg_lm_n_values(m->lm) == 2)
        return 1 / (1 + exp((double)x[0] - (double)x[1]));
    return m->raw ? (double)x[0] : 1 / (1 + exp(-(double)x[0]));
}

static rg_score job_of(reading *r)
{
    const size_t known = rg_lm_node_len(r->from), n = r->ids.n - known;
    return (rg_score){ .from = r->from,
                       .id = r->ids.id + known,
                       .n = n,
                       .first = n,
                       .at = &r->at,
                       .n_at = 1,
                       .at_value = r->value };
}

static rg_status read_all(const orm *m, reading *r, size_t n, const rg_call *call, rg_err *e)
{
    size_t n_jobs = 0;
    rg_score *job = rg_calloc(n, sizeof *job);
    if (job == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu answers", n);
    for (size_t i = 0; i < n; i++)
        if (r[i].fits)
            job[n_jobs++] = job_of(&r[i]);
    const rg_status s = n_jobs == 0 ? RG_OK : rg_lm_score(m->lm, job, n_jobs, call, e);
    rg_free(job);
    return s;
}

static void set_out(const orm *m, const rg_path *p, const reading *r, rg_judgement *out)
{
    const size_t n = p->n - p->first;
    for (size_t i = 0; i < n; i++)
        out[i] = (rg_judgement){ .r = (double)NAN, .token = SIZE_MAX };
    if (!r->fits)
        return;
    out[n - 1].r = score_of(m, r->value);
    out[n - 1].token = r->ids.n - 1;
}

static rg_status judge(rg_judging *j, const rg_path *p, size_t n, rg_judgement *const *out,
                       const rg_call *call, rg_err *e)
{
    session *s = (session *)j;
    const orm *m = (const orm *)j->v;
    rg_status st = RG_OK;
    reading *r = rg_calloc(n, sizeof *r);
    if (r == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu answers", n);
    for (size_t i = 0; i < n; i++)
        if (p[i].whole)
            RG_GO(st, done, prepare(s, m, &p[i], &r[i], e));
    RG_GO(st, done, read_all(m, r, n, call, e));
    for (size_t i = 0; i < n; i++)
        set_out(m, &p[i], &r[i], out[i]);
done:
    for (size_t i = 0; i < n; i++) {
        rg_lm_release(r[i].from);
        rg_ids_free(&r[i].ids);
    }
    rg_free(r);
    return st;
}

/* ---- life ---- */

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
    rg__prefix_free(&((session *)j)->head);
    rg_free(j);
}

static rg_status describe(rg_verifier *v, rg_buf *b, rg_err *e)
{
    const orm *m = (const orm *)v;
    char sha[65];
    RG_TRY(rg_lm_identity(sha, m->lm, e));
    rg_buf_printf(b, "|orm|%s|%d|%s", sha, m->raw, m->system == NULL ? "" : m->system);
    return RG_OK;
}

static void orm_free(rg_verifier *v)
{
    rg_free(((orm *)v)->system);
    rg_free(v);
}

static rg_status check_model(const rg_lm *lm, rg_err *e)
{
    const size_t n = rg_lm_n_values(lm);
    if (rg_lm_bundle(lm) == NULL)
        RG_FAIL(e, RG_EARG,
                "%s runs elsewhere, and values are not told from there: give verifier orm a model file",
                rg_lm_name(lm));
    if (n != 1 && n != 2)
        RG_FAIL(
            e, RG_EARG,
            "verifier orm reads a value head of 1 or 2 outputs, %s has %zu: is it a reward model, converted "
            "with its head (cls.output.weight)? A chat model can be a verifier by --verifier direct",
            rg_lm_name(lm), n);
    return RG_OK;
}

rg_status rg_orm_new(rg_verifier **out, rg_lm *lm, const rg_orm_opt *o, rg_err *e)
{
    const rg_template *template;
    *out = NULL;
    RG_TRY(check_model(lm, e));
    RG_TRY(rg_bundle_template(&template, rg_lm_bundle(lm), e));
    orm *m = rg_calloc(1, sizeof *m);
    if (m == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for a verifier");
    const bool raw = o->raw && rg_lm_n_values(lm) == 1;
    *m = (orm){ .v = { .name = "orm",
                       .scale = raw ? RG_RAW : RG_PROBABILITY,
                       .whole_only = true,
                       .describe = describe,
                       .open = open_session,
                       .judge = judge,
                       .close = close_session,
                       .free = orm_free },
                .lm = lm,
                .b = rg_lm_bundle(lm),
                .raw = raw,
                .talks = template != NULL };
    if (o->system != NULL && (m->system = rg_strdup(o->system)) == NULL) {
        orm_free(&m->v);
        RG_FAIL(e, RG_ENOMEM, "no memory for a verifier");
    }
    *out = &m->v;
    return RG_OK;
}
