/* revise.c - a new whole answer after a critique (spec of test-time scaling, section 13).
 *
 *   problem, answer, "check it"            ->  review      (the policy's own; a verifier that says
 *                                                           what is wrong saves this step)
 *   problem, answer, the review            ->  new answer
 *
 * Both are one batch for all jobs.  The new answer's text stands alone: it is not joined to the
 * answer that it revises.  The review's tokens are counted with it. */
#include <string.h>

#include "rung/base/rng.h"
#include "rung/bundle/chat.h"
#include "rung/text/prompt.h"

#include "text_ports.h"

enum { REVIEW_TOKENS = 512, REVIEW_BYTES = 1 << 16 };

typedef struct revision {
    const rg_job *job;
    size_t index;
    char *review; /* zero-terminated text */
    size_t review_tokens;
    double review_logp, review_flops;
} revision;

/* Draws of the review and of the new answer come from streams of their own. */
static uint64_t stream_of(const revision *r, bool review)
{
    const uint64_t child = rg_stream_child(r->job->at->stream, r->index);
    return review ? rg_stream_child(child, 0) : child;
}

static rg_status request(char **out, const revision *r, rg_err *e)
{
    rg_buf b = RG_BUF_MAX((size_t)2 * REVIEW_BYTES);
    *out = NULL;
    if (r->review == NULL)
        rg_buf_puts(&b, rg_prompt_review);
    else {
        rg_buf_puts(&b, rg_prompt_revise_lead);
        rg_buf_puts(&b, r->review);
        rg_buf_puts(&b, rg_prompt_revise_end);
    }
    const rg_status s = rg_buf_check(&b, "a review", e);
    if (s == RG_OK)
        *out = rg_buf_take(&b);
    rg_buf_free(&b);
    return s;
}

/* The conversation so far and one more request, as a node. */
static rg_status node_of(rg_lm_node **out, const text_ports *p, const revision *r, rg_err *e)
{
    const text_node *v = r->job->at->handle;
    const rg_chat_opt co = { .add_generation_prompt = true, .now_unix = p->o->now_unix };
    char *ask = NULL;
    json_t *m = json_copy(p->messages);
    rg_status s = request(&ask, r, e);
    if (s == RG_OK)
        s = rg_chat_say(m, "assistant", rg_str_n(v->text, v->n), e);
    if (s == RG_OK)
        s = rg_chat_say(m, "user", rg_str_of(ask), e);
    if (s == RG_OK)
        s = rg_lm_chat(out, p->lm, p->root.node, m, &co, e);
    rg_free(ask);
    json_decref(m);
    return s;
}

static void release_all(rg_gen *gen, size_t n)
{
    for (size_t i = 0; i < n; i++)
        rg_lm_release(gen[i].from);
}

/* One generation for each revision at[0..n), from the node that its state of work asks for. */
static rg_status generate(text_ports *p, const revision *r, const size_t *at, size_t n, size_t max_tokens,
                          bool review, rg_on_gen on, void *arg, const rg_call *call, rg_err *e)
{
    rg_gen *gen = rg_calloc(RG_MAX(n, (size_t)1), sizeof *gen);
    rg_status s = RG_OK;
    if (gen == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu revisions", n);
    for (size_t i = 0; i < n && s == RG_OK; i++) {
        gen[i] = (rg_gen){ .sampling = &p->o->sampling,
                           .max_tokens = max_tokens,
                           .stream = stream_of(&r[at[i]], review),
                           .stop = review ? NULL : p->o->stop,
                           .n_stop = review ? 0 : p->o->n_stop };
        s = node_of(&gen[i].from, p, &r[at[i]], e);
    }
    if (s == RG_OK)
        s = rg_lm_generate(p->lm, gen, n, on, arg, call, e);
    release_all(gen, n);
    rg_free(gen);
    return s;
}

/* ---- reviews ---- */

typedef struct reviewing {
    revision *r;
    const size_t *at;
} reviewing;

static rg_go keep_review(void *arg, size_t i, const rg_gen_out *out)
{
    const reviewing *x = arg;
    revision *r = &x->r[x->at[i]];
    r->review = rg_strndup(out->text.p, out->text.n);
    r->review_tokens = out->n;
    r->review_logp = out->logp_sum;
    r->review_flops = out->flops;
    rg_lm_release(out->node);
    return RG_GO_ON;
}

/* The step that did not pass, quoted, and the verifier's words on it. */
static char *from_critique(const rg_critique *c)
{
    rg_buf b = RG_BUF_MAX(REVIEW_BYTES);
    rg_buf_put(&b, c->step.p, c->step.n);
    rg_buf_puts(&b, "\n\n");
    rg_buf_puts(&b, c->text);
    char *text = b.failed ? NULL : rg_buf_take(&b);
    rg_buf_free(&b);
    return text;
}

static rg_status review_all(text_ports *p, revision *r, size_t *at, size_t total, const rg_call *call,
                            rg_err *e)
{
    const reviewing x = { r, at };
    size_t n = 0;
    for (size_t i = 0; i < total; i++) {
        if (r[i].job->at->note != NULL)
            r[i].review = from_critique(r[i].job->at->note);
        if (r[i].review == NULL)
            at[n++] = i;
    }
    RG_TRY(generate(p, r, at, n, REVIEW_TOKENS, true, keep_review, (void *)(uintptr_t)&x, call, e));
    for (size_t i = 0; i < total; i++)
        if (r[i].review == NULL)
            RG_FAIL(e, RG_ENOMEM, "no memory for a review");
    return RG_OK;
}

/* ---- the new answers ---- */

typedef struct revising {
    text_ports *p;
    revision *r;
    rg_on_child on;
    void *arg;
    const rg_job *jobs;
    rg_status status;
    rg_err *e;
} revising;

static rg_go hand_over(void *arg, size_t i, const rg_gen_out *out)
{
    revising *x = arg;
    const revision *r = &x->r[i];
    rg_child child = { .index = r->index,
                       .stream = stream_of(r, false),
                       .tokens = out->n + r->review_tokens,
                       .logp = out->logp_sum + r->review_logp,
                       .flops = out->flops + r->review_flops,
                       .finish = out->finish,
                       .terminal = true,
                       .answer_class = RG_NO_CLASS };
    if (out->finish != RG_F_CANCELLED)
        x->status = rg__text_whole(x->p, out, &child, x->e);
    rg_lm_release(out->node);
    return x->status != RG_OK ? RG_ENOUGH : x->on(x->arg, (size_t)(r->job - x->jobs), &child);
}

static revision *list(const rg_job *jobs, size_t n, size_t *total)
{
    *total = 0;
    for (size_t j = 0; j < n; j++)
        *total += jobs[j].n;
    revision *r = rg_calloc(RG_MAX(*total, (size_t)1), sizeof *r);
    for (size_t j = 0, at = 0; j < n && r != NULL; j++)
        for (size_t i = 0; i < jobs[j].n; i++)
            r[at++] = (revision){ .job = &jobs[j], .index = jobs[j].first + i };
    return r;
}

rg_status rg__text_revise(text_ports *p, const rg_job *jobs, size_t n, rg_on_child on, void *arg,
                          const rg_call *call, rg_err *e)
{
    size_t total;
    rg_status s = RG_OK;
    revision *r = list(jobs, n, &total);
    size_t *at = rg_alloc(RG_MAX(total, (size_t)1), sizeof *at);
    revising x = { .p = p, .r = r, .on = on, .arg = arg, .jobs = jobs, .e = e };
    if (r == NULL || at == NULL)
        RG_FAIL_GO(s, done, e, RG_ENOMEM, "no memory for %zu revisions", total);
    RG_GO(s, done, review_all(p, r, at, total, call, e));
    for (size_t i = 0; i < total; i++)
        at[i] = i;
    RG_GO(s, done, generate(p, r, at, total, p->o->max_tokens, false, hand_over, &x, call, e));
    s = x.status;
done:
    for (size_t i = 0; i < total && r != NULL; i++)
        rg_free(r[i].review);
    rg_free(r);
    rg_free(at);
    return s;
}
