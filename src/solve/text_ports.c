#include "text_ports.h"

#include <string.h>

#include "rung/base/rng.h"
#include "rung/grade/grade.h"

enum { ANSWER_MAX = 1 << 16, PATH_MAX_BYTES = 1 << 26 };

/* ---- nodes ---- */

void rg__text_ports_init(text_ports *p, rg_lm *lm, const rg_solve_opt *o, const rg_problem *problem,
                         rg_lm_node *root, json_t *messages, const rg_call *call)
{
    *p = (text_ports){ .lm = lm,
                       .o = o,
                       .id = problem->id,
                       .gold = problem->gold,
                       .call = call,
                       .messages = messages,
                       .root = { .node = root } };
}

static void node_free(text_node *v)
{
    if (v == NULL)
        return;
    rg_lm_release(v->node);
    rg_free(v->text);
    rg_free(v->step);
    rg_free(v->answer);
    rg_free(v->canon);
    rg_free(v);
}

void rg__text_ports_close(text_ports *p)
{
    for (size_t i = 0; i < p->n; i++) {
        rg_lm_release(p->all[i]->node);
        p->all[i]->node = NULL;
    }
    rg_lm_release(p->root.node);
    p->root.node = NULL;
}

void rg__text_ports_free(text_ports *p)
{
    rg_verifying_close(p->verifying);
    for (size_t i = 0; i < p->n; i++)
        node_free(p->all[i]);
    rg_lm_release(p->root.node);
    json_decref(p->messages);
    rg_free(p->all);
    rg_free(p->class_of);
    memset(p, 0, sizeof *p);
}

static rg_status own(text_ports *p, text_node *v, rg_err *e)
{
    if (p->n == p->cap) {
        const size_t cap = p->cap ? 2 * p->cap : 64;
        text_node **all = rg_realloc(p->all, cap, sizeof(text_node *));
        if (all == NULL)
            RG_FAIL(e, RG_ENOMEM, "no memory for %zu steps", cap);
        p->all = all;
        p->cap = cap;
    }
    p->all[p->n++] = v;
    return RG_OK;
}

rg_status rg__path_text(rg_buf *b, const text_node *v, rg_err *e)
{
    size_t total = 0;
    for (const text_node *u = v; u != NULL; u = u->parent)
        total += u->n;
    char *text = total > PATH_MAX_BYTES ? NULL : rg_alloc(total + 1, 1);
    if (text == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for an answer of %zu bytes", total);
    size_t at = total;
    for (const text_node *u = v; u != NULL; u = u->parent) {
        at -= u->n;
        if (u->n > 0)
            memcpy(text + at, u->text, u->n);
    }
    rg_buf_put(b, text, total);
    rg_free(text);
    return rg_buf_check(b, "an answer", e);
}

/* ---- answers ---- */

/* Equal canonical form, equal class. */
static rg_status class_of(text_ports *p, const text_node *v, int64_t *class, rg_err *e)
{
    *class = RG_NO_CLASS;
    if (v->canon == NULL)
        return RG_OK;
    for (size_t i = 0; i < p->n_classes; i++)
        if (strcmp(p->class_of[i], v->canon) == 0) {
            *class = (int64_t)i;
            return RG_OK;
        }
    if (p->n_classes == p->classes_cap) {
        const size_t cap = p->classes_cap ? 2 * p->classes_cap : 16;
        const char **list = rg_realloc(p->class_of, cap, sizeof(const char *));
        if (list == NULL)
            RG_FAIL(e, RG_ENOMEM, "no memory for %zu different answers", cap);
        p->class_of = list;
        p->classes_cap = cap;
    }
    p->class_of[p->n_classes] = v->canon;
    *class = (int64_t)p->n_classes++;
    return RG_OK;
}

static rg_status read_answer(const text_ports *p, text_node *v, rg_err *e)
{
    rg_buf text = RG_BUF_MAX(PATH_MAX_BYTES), answer = RG_BUF_MAX(ANSWER_MAX), canon = RG_BUF_MAX(ANSWER_MAX);
    const rg_extract_opt xo = { .last_number = p->o->last_number };
    rg_status s = RG_OK;
    RG_GO(s, done, rg__path_text(&text, v, e));
    const rg_extract_rule rule = rg_extract(&answer, rg_buf_view(&text), &xo);
    v->extract_rule = rg_extract_rule_name(rule);
    v->correct = p->gold == NULL ? -1 : 0;
    if (rule != RG_X_NONE && !answer.failed && rg_canon(&canon, rg_buf_view(&answer))) {
        if (p->gold != NULL)
            v->correct = rg_grade(rg_str_of(p->gold), rg_buf_view(&answer), NULL).verdict == RG_EQUAL;
        v->answer = rg_buf_take(&answer);
        v->canon = rg_buf_take(&canon);
        if (v->answer == NULL || v->canon == NULL)
            s = rg_err_set(e, RG_ENOMEM, __FILE__, __LINE__, "no memory for an answer");
    }
done:
    rg_buf_free(&text);
    rg_buf_free(&answer);
    rg_buf_free(&canon);
    return s;
}

static void tell(const text_ports *p, const text_node *v, size_t index)
{
    const rg_event ev = { .kind = RG_EV_NODE_DONE,
                          .room = "solve",
                          .subject = rg_str_of(p->id),
                          .node = index,
                          .value = (double)v->path_tokens,
                          .text = rg_str_of(v->answer == NULL ? "" : v->answer) };
    rg_call_emit(p->call, &ev);
}

/* ---- steps ---- */

static const rg_str BLANK = { "\n\n", 2 };
static const char *const HEADERS[] = { "\nStep ", "\n## Step " };

rg_step_rule rg__step_rule(const rg_solve_opt *o)
{
    return (rg_step_rule){ .style = o->step == RG_STEPS_HEADER ? RG_STEP_HEADER : RG_STEP_BLANK };
}

/* The strings at which a step is over, before the user's own: how many. */
static size_t delimiters(const char **out, const rg_solve_opt *o)
{
    if (o->step == RG_STEPS_TOKENS)
        return 0;
    if (o->step == RG_STEPS_HEADER) {
        memcpy(out, HEADERS, sizeof HEADERS);
        return RG_COUNT(HEADERS);
    }
    out[0] = BLANK.p;
    return 1;
}

/* Did the text stop at one of the delimiters, and not at a stop string of the user's? */
static bool at_delimiter(const rg_gen_out *out, const char *const *stop, size_t n_delimiters)
{
    for (size_t i = 0; i < n_delimiters; i++) {
        const size_t n = strlen(stop[i]);
        if (out->text.n - out->stop_at >= n && memcmp(out->text.p + out->stop_at, stop[i], n) == 0)
            return true;
    }
    return false;
}

/* ---- as verifiers read it ---- */

static rg_status cut(text_node *v, const rg_step_rule *rule, rg_err *e)
{
    rg_steps all = { 0 }, seen = { 0 };
    rg_status s = rg_steps_split(&all, rg_str_n(v->text, v->n), rule, e);
    if (s == RG_OK)
        s = rg_steps_trimmed(&seen, NULL, &all, rule, e);
    if (s == RG_OK) {
        v->step = seen.step;
        v->n_steps = seen.n;
        seen.step = NULL;
    }
    rg_steps_free(&all);
    rg_steps_free(&seen);
    return s;
}

/* A step by itself is one, whatever delimiters stand inside; white space alone is none. */
static rg_status one(text_node *v, rg_err *e)
{
    const rg_str s = rg_str_trim(rg_str_n(v->text, v->n));
    v->step = rg_alloc(1, sizeof *v->step);
    if (v->step == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for a step");
    v->step[0] = s;
    v->n_steps = s.n > 0;
    return RG_OK;
}

static rg_status steps_of(void *arg, const void *handle, const rg_str **step, size_t *n, rg_err *e)
{
    const text_ports *p = arg;
    text_node *v = (text_node *)(uintptr_t)handle; /* its steps are made when first asked for */
    const rg_step_rule rule = rg__step_rule(p->o);
    if (v->parent != NULL && v->step == NULL)
        RG_TRY(v->whole && p->o->step != RG_STEPS_TOKENS ? cut(v, &rule, e) : one(v, e));
    *step = v->step;
    *n = v->n_steps;
    return RG_OK;
}

/* A revision stands alone: its parent is the root, not the answer that it revises. */
static const void *up(void *arg, const void *handle)
{
    (void)arg;
    return ((const text_node *)handle)->parent;
}

rg_step_reader rg__text_reader(text_ports *p)
{
    return (rg_step_reader){ .arg = p, .steps = steps_of, .up = up };
}

/* ---- expanding ---- */

/* One continuation that is wanted: which job's child it is. */
typedef struct want {
    size_t job, index;
    size_t max_tokens;
    bool whole, to_the_limit; /* max_tokens is all that the answer may still have */
} want;

typedef struct expansion {
    text_ports *p;
    const rg_job *job;
    const want *want;
    const char *const *stop;
    size_t n_delimiters;
    rg_on_child on;
    void *arg;
    rg_status status;
    rg_err *e;
} expansion;

static bool ends_here(const expansion *x, const want *w, const rg_gen_out *out, rg_finish *finish)
{
    *finish = out->finish;
    if (w->whole || out->finish == RG_F_END)
        return true;
    if (out->finish == RG_F_LENGTH) {
        if (x->p->o->step == RG_STEPS_TOKENS && !w->to_the_limit) {
            *finish = RG_F_STOP; /* a step of full length */
            return false;
        }
        return w->to_the_limit;
    }
    if (!at_delimiter(out, x->stop, x->n_delimiters))
        return true; /* a stop string of the user's */
    if (memmem(out->text.p, out->text.n, "\\boxed{", 7) != NULL)
        return true; /* it has answered */
    if (out->n < w->max_tokens || !w->to_the_limit)
        return false;
    *finish = RG_F_LENGTH;
    return true;
}

static rg_status make_node(text_node **v, text_ports *p, const text_node *up, const rg_gen_out *out,
                           rg_err *e)
{
    *v = rg_calloc(1, sizeof **v);
    char *text = rg_strndup(out->text.p, out->text.n);
    if (*v == NULL || text == NULL) {
        rg_free(*v);
        rg_free(text);
        *v = NULL;
        RG_FAIL(e, RG_ENOMEM, "no memory for a step");
    }
    **v = (text_node){ .parent = up,
                       .text = text,
                       .n = out->text.n,
                       .tokens = out->n,
                       .path_tokens = up->path_tokens + out->n,
                       .path_logp = up->path_logp + out->logp_sum,
                       .correct = -1 };
    const rg_status s = own(p, *v, e);
    if (s != RG_OK) {
        node_free(*v);
        *v = NULL;
    }
    return s;
}

static rg_status finish_answer(text_ports *p, text_node *v, rg_child *child, rg_err *e)
{
    RG_TRY(read_answer(p, v, e));
    RG_TRY(class_of(p, v, &child->answer_class, e));
    tell(p, v, child->index);
    return RG_OK;
}

static uint64_t content_of(const expansion *x, const text_node *v)
{
    const rg_step_rule rule = rg__step_rule(x->p->o);
    const rg_str s = x->p->o->step == RG_STEPS_TOKENS ? rg_str_n(v->text, v->n)
                                                      : rg_step_trim(rg_str_n(v->text, v->n), &rule);
    return s.n == 0 ? 0 : rg_hash64(s.p, s.n, 0) | 1;
}

static rg_status take(const expansion *x, const want *w, const rg_gen_out *out, rg_child *child, rg_err *e)
{
    text_node *v;
    RG_TRY(make_node(&v, x->p, x->job[w->job].at->handle, out, e));
    child->handle = v;
    v->whole = w->whole;
    child->terminal = ends_here(x, w, out, &child->finish);
    child->content = w->whole ? 0 : content_of(x, v);
    if (!w->whole && child->content == 0 && !child->terminal)
        child->finish = RG_F_NO_CANDIDATE; /* an empty step is none */
    x->p->context_tokens += rg_lm_node_len(x->p->root.node) + v->path_tokens;
    if (!child->terminal) {
        v->node = rg_lm_retain(out->node);
        return RG_OK;
    }
    return finish_answer(x->p, v, child, e);
}

rg_status rg__text_whole(text_ports *p, const rg_gen_out *out, rg_child *child, rg_err *e)
{
    text_node *v;
    RG_TRY(make_node(&v, p, &p->root, out, e));
    child->handle = v;
    v->whole = true;
    p->context_tokens += rg_lm_node_len(out->node);
    return finish_answer(p, v, child, e);
}

static rg_go on_gen(void *arg, size_t i, const rg_gen_out *out)
{
    expansion *x = arg;
    const want *w = &x->want[i];
    rg_child child = { .index = w->index,
                       .stream = rg_stream_child(x->job[w->job].at->stream, w->index),
                       .tokens = out->n,
                       .logp = out->logp_sum,
                       .flops = out->flops,
                       .finish = out->finish,
                       .answer_class = RG_NO_CLASS };
    if (out->finish != RG_F_CANCELLED)
        x->status = take(x, w, out, &child, x->e);
    rg_lm_release(out->node); /* its state goes, unless a step that may go on kept it */
    if (x->status != RG_OK)
        return RG_ENOUGH;
    return x->on(x->arg, w->job, &child);
}

static want want_of(const text_ports *p, const rg_job *job, size_t j, size_t i)
{
    const text_node *up = job->at->handle;
    const size_t left = p->o->max_tokens - RG_MIN(up->path_tokens, p->o->max_tokens);
    want w = { .job = j, .index = job->first + i, .whole = job->want == RG_WANT_WHOLE, .max_tokens = left };
    w.to_the_limit = w.whole || p->o->step_tokens == 0 || left <= p->o->step_tokens;
    if (!w.to_the_limit)
        w.max_tokens = p->o->step_tokens;
    return w;
}

static rg_gen gen_of(const expansion *x, const want *w, const rg_sampling *sampling, size_t n_stop)
{
    const rg_job *job = &x->job[w->job];
    const text_node *up = job->at->handle;
    const size_t skip = w->whole ? x->n_delimiters : 0;
    return (rg_gen){ .from = up->node,
                     .sampling = sampling,
                     .max_tokens = w->max_tokens,
                     .stream = rg_stream_child(job->at->stream, w->index),
                     .stop = x->stop + skip,
                     .n_stop = n_stop - skip };
}

static rg_status run(expansion *x, rg_gen *gen, want *w, size_t n_jobs, size_t n_stop, const rg_call *call,
                     rg_err *e)
{
    const rg_sampling sampled = x->p->o->sampling;
    rg_sampling greedy = sampled;
    size_t n = 0;
    greedy.temp = 0;
    for (size_t j = 0; j < n_jobs; j++)
        for (size_t i = 0; i < x->job[j].n; i++, n++) {
            w[n] = want_of(x->p, &x->job[j], j, i);
            gen[n] = gen_of(x, &w[n], x->job[j].greedy ? &greedy : &sampled, n_stop);
        }
    const rg_status s = rg_lm_generate(x->p->lm, gen, n, on_gen, x, call, e);
    return x->status != RG_OK ? x->status : s;
}

static rg_status expand(void *self, const rg_job *jobs, size_t n, rg_on_child on, void *arg,
                        const rg_call *call, rg_err *e)
{
    text_ports *p = self;
    size_t total = 0;
    if (n > 0 && jobs->want == RG_WANT_REVISION)
        return rg__text_revise(p, jobs, n, on, arg, call, e);
    for (size_t j = 0; j < n; j++)
        total += jobs[j].n;
    rg_gen *gen = rg_calloc(RG_MAX(total, (size_t)1), sizeof *gen);
    want *w = rg_calloc(RG_MAX(total, (size_t)1), sizeof *w);
    const char **stop = rg_calloc(p->o->n_stop + RG_COUNT(HEADERS), sizeof(const char *));
    rg_status s = RG_OK;
    if (gen == NULL || w == NULL || stop == NULL)
        RG_FAIL_GO(s, done, e, RG_ENOMEM, "no memory for %zu branches", total);
    expansion x = { .p = p, .job = jobs, .want = w, .stop = stop, .on = on, .arg = arg, .e = e };
    x.n_delimiters = delimiters(stop, p->o);
    for (size_t i = 0; i < p->o->n_stop; i++)
        stop[x.n_delimiters + i] = p->o->stop[i];
    s = run(&x, gen, w, n, x.n_delimiters + p->o->n_stop, call, e);
done:
    rg_free(gen);
    rg_free(w);
    rg_free(stop);
    return s;
}

/* Nobody will extend it: its state may go.  Its text stays for the record. */
static void release(void *self, rg_node *at)
{
    (void)self;
    text_node *v = at->handle;
    if (v == NULL || v->parent == NULL)
        return;
    rg_lm_release(v->node);
    v->node = NULL;
}

rg_proposer rg__text_proposer(text_ports *p)
{
    const rg_proposer port = { .self = p, .expand = expand, .release = release };
    return port;
}
