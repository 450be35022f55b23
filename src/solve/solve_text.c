/* solve_text.c - text around the search: the prompt, whole answers from the lm, answers as
 * classes, grading against the reference. */
#include <stdio.h>
#include <string.h>

#include "rung/base/mem.h"
#include "rung/base/rng.h"
#include "rung/bundle/chat.h"
#include "rung/grade/grade.h"
#include "rung/reward/scorers.h"
#include "rung/text/prompt.h"

#include "solve_int.h"

enum { ANSWER_MAX = 1 << 16 };

/* ---- the record ---- */

void rg_record_free(rg_record *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->n; i++) {
        rg_free(r->candidate[i].text);
        rg_free(r->candidate[i].answer);
        rg_free(r->candidate[i].canon);
    }
    rg_free(r->candidate);
    rg_run_free(&r->run);
    rg_free(r->id);
    rg_free(r->problem);
    rg_free(r->gold);
    rg_free(r->policy);
    rg_free(r->config);
    rg_free(r);
}

static rg_status record_new(rg_record **out, rg_lm *lm, const rg_problem *p, const rg_solve_opt *o, rg_err *e)
{
    rg_record *r = rg_calloc(1, sizeof *r);
    *out = r;
    if (r == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for a record");
    char config[17];
    r->opt = *o;
    r->correct = r->majority_correct = r->any_correct = -1;
    RG_TRY(rg_solve_config(config, lm, o, e));
    RG_TRY(rg_bundle_hash(r->model_sha256, rg_lm_bundle(lm), e));
    r->config = rg_strdup(config);
    r->id = rg_strdup(p->id);
    r->problem = rg_strdup(p->text);
    r->gold = p->gold == NULL ? NULL : rg_strdup(p->gold);
    r->policy = rg_strdup(rg_bundle_name(rg_lm_bundle(lm)));
    r->candidate = rg_calloc(o->method->only_one ? 1 : o->N, sizeof *r->candidate);
    if (r->id == NULL || r->problem == NULL || (p->gold != NULL && r->gold == NULL) || r->policy == NULL ||
        r->config == NULL || r->candidate == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for a record");
    return RG_OK;
}

/* ---- the prompt ---- */

static rg_status messages_of(json_t **out, const rg_bundle *b, const rg_problem *p, const rg_solve_opt *o,
                             rg_err *e)
{
    const bool is_auto = o->prompt_style == NULL || strcmp(o->prompt_style, "auto") == 0;
    const rg_policy_prompt *style =
        is_auto ? rg_policy_prompt_for_model(rg_bundle_title(b)) : rg_policy_prompt_find(o->prompt_style);
    *out = NULL;
    if (style == NULL)
        RG_FAIL(e, RG_EARG, "prompt style %s is not one of auto, default, llama3, r1, none", o->prompt_style);
    const char *system = o->system != NULL ? o->system : style->system;
    rg_buf user = RG_BUF_MAX(1 << 24);
    rg_buf_puts(&user, p->text);
    if (style->user_suffix != NULL)
        rg_buf_puts(&user, style->user_suffix);
    json_t *m = json_array();
    const bool ok = (system == NULL || system[0] == '\0' ||
                     json_array_append_new(m, rg_chat_message("system", rg_str_of(system))) == 0) &&
                    !user.failed &&
                    json_array_append_new(m, rg_chat_message("user", rg_buf_view(&user))) == 0;
    rg_buf_free(&user);
    if (!ok) {
        json_decref(m);
        RG_FAIL(e, RG_EFORMAT, "problem %s is not UTF-8 text", p->id);
    }
    *out = m;
    return RG_OK;
}

static rg_status prompt_ids(rg_ids *ids, const rg_lm *lm, const rg_problem *p, const rg_solve_opt *o,
                            int64_t now_unix, rg_err *e)
{
    json_t *messages;
    RG_TRY(messages_of(&messages, rg_lm_bundle(lm), p, o, e));
    const rg_chat_opt co = { .add_generation_prompt = true, .now_unix = now_unix };
    const rg_status s = rg_chat_ids(ids, rg_lm_bundle(lm), messages, &co, e);
    json_decref(messages);
    return s;
}

static rg_status prompt_node(rg_lm_node **out, rg_lm *lm, const rg_problem *p, const rg_solve_opt *o,
                             rg_err *e)
{
    rg_ids ids = { 0 };
    *out = NULL;
    rg_status s = prompt_ids(&ids, lm, p, o, o->now_unix, e);
    if (s == RG_OK)
        s = rg_lm_node_for(out, lm, NULL, ids.id, ids.n, e);
    rg_ids_free(&ids);
    return s;
}

/* ---- configuration hash ---- */

/* The clock stands still here: the hash of a config is the same tomorrow. */
rg_status rg_solve_config(char out[17], const rg_lm *lm, const rg_solve_opt *o, rg_err *e)
{
    static const rg_problem probe = { .id = "probe", .text = "1 + 1" };
    char sha[65];
    rg_ids ids = { 0 };
    rg_buf b = RG_BUF_MAX(1 << 22);
    rg_status s;
    RG_GO(s, done, rg_bundle_hash(sha, rg_lm_bundle(lm), e));
    RG_GO(s, done, prompt_ids(&ids, lm, &probe, o, 0, e));
    rg_buf_printf(&b, "schema 1|%s|%zu|%016llx|", sha, rg_lm_ctx(lm),
                  (unsigned long long)rg_hash64(ids.id, ids.n * sizeof *ids.id, 0));
    rg__settings_json(&b, o);
    RG_GO(s, done, rg_buf_check(&b, "the settings", e));
    snprintf(out, 17, "%016llx", (unsigned long long)rg_hash64(b.p, b.n, 0));
done:
    rg_ids_free(&ids);
    rg_buf_free(&b);
    return s;
}

/* ---- the proposer: whole answers ---- */

typedef struct text_ports {
    rg_lm *lm;
    const rg_solve_opt *o;
    rg_record *r;
    const rg_call *call;
    rg_on_child on; /* of the expansion under way */
    void *arg;
    const rg_job *want;
    rg_status status;
    rg_err *e;
} text_ports;

/* Equal canonical form, equal class; a class is the index of the first candidate that gave it. */
static int64_t class_of(const rg_record *r, const rg_candidate *c)
{
    if (c->canon == NULL)
        return RG_NO_CLASS;
    for (size_t i = 0; i < r->n; i++)
        if (r->candidate[i].canon != NULL && strcmp(r->candidate[i].canon, c->canon) == 0)
            return (int64_t)i;
    return (int64_t)r->n;
}

static rg_status read_answer(rg_candidate *c, const rg_record *r, rg_err *e)
{
    rg_buf answer = RG_BUF_MAX(ANSWER_MAX), canon = RG_BUF_MAX(ANSWER_MAX);
    const rg_extract_opt xo = { .last_number = r->opt.last_number };
    const rg_extract_rule rule = rg_extract(&answer, rg_str_of(c->text), &xo);
    c->extract_rule = rg_extract_rule_name(rule);
    c->correct = r->gold == NULL ? -1 : 0;
    rg_status s = RG_OK;
    if (rule != RG_X_NONE && !answer.failed && rg_canon(&canon, rg_buf_view(&answer))) {
        if (r->gold != NULL)
            c->correct = rg_grade(rg_str_of(r->gold), rg_buf_view(&answer), NULL).verdict == RG_EQUAL;
        c->answer = rg_buf_take(&answer);
        c->canon = rg_buf_take(&canon);
        if (c->answer == NULL || c->canon == NULL)
            s = rg_err_set(e, RG_ENOMEM, __FILE__, __LINE__, "no memory for an answer");
    }
    rg_buf_free(&answer);
    rg_buf_free(&canon);
    return s;
}

static void tell(const text_ports *p, const rg_candidate *c)
{
    const rg_event ev = { .kind = RG_EV_NODE_DONE,
                          .room = "solve",
                          .subject = rg_str_of(p->r->id),
                          .node = c->index,
                          .value = (double)c->tokens,
                          .text = rg_str_of(c->answer == NULL ? "" : c->answer) };
    rg_call_emit(p->call, &ev);
}

static rg_go on_answer(void *arg, size_t job, const rg_gen_out *out)
{
    text_ports *p = arg;
    rg_child child = { .index = p->want->first + job,
                       .tokens = out->n,
                       .logp = out->logp_sum,
                       .flops = out->flops,
                       .finish = out->finish,
                       .terminal = true,
                       .answer_class = RG_NO_CLASS };
    child.stream = rg_stream_child(p->want->at->stream, child.index);
    rg_lm_release(out->node); /* a whole answer is not extended: its state may go */
    if (out->finish == RG_F_CANCELLED)
        return p->on(p->arg, 0, &child);
    rg_candidate *c = &p->r->candidate[p->r->n];
    *c = (rg_candidate){ .index = child.index,
                         .finish = out->finish,
                         .tokens = out->n,
                         .logp = out->logp_sum,
                         .text = rg_strndup(out->text.p, out->text.n) };
    p->status = c->text == NULL ? rg_err_set(p->e, RG_ENOMEM, __FILE__, __LINE__, "no memory for an answer")
                                : read_answer(c, p->r, p->e);
    if (p->status != RG_OK) {
        rg_free(c->text);
        c->text = NULL;
        return RG_ENOUGH;
    }
    child.answer_class = class_of(p->r, c);
    child.handle = c;
    p->r->n++;
    tell(p, c);
    return p->on(p->arg, 0, &child);
}

static rg_status expand(void *self, const rg_job *jobs, size_t n, rg_on_child on, void *arg,
                        const rg_call *call, rg_err *e)
{
    text_ports *p = self;
    if (n != 1)
        RG_FAIL(e, RG_EARG, "whole answers are expanded from one node, not from %zu", n);
    rg_sampling sampling = p->o->sampling;
    if (jobs->greedy)
        sampling.temp = 0;
    rg_gen *gen = rg_calloc(jobs->n, sizeof *gen);
    if (gen == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu branches", jobs->n);
    for (size_t i = 0; i < jobs->n; i++)
        gen[i] = (rg_gen){ .from = jobs->at->handle,
                           .sampling = &sampling,
                           .max_tokens = p->o->max_tokens,
                           .stream = rg_stream_child(jobs->at->stream, jobs->first + i),
                           .stop = p->o->stop,
                           .n_stop = p->o->n_stop };
    p->on = on;
    p->arg = arg;
    p->want = jobs;
    p->e = e;
    p->status = RG_OK;
    const rg_status s = rg_lm_generate(p->lm, gen, jobs->n, on_answer, p, call, e);
    rg_free(gen);
    return s != RG_OK ? s : p->status;
}

static rg_str answer_of(void *arg, const rg_node *v)
{
    (void)arg;
    const rg_candidate *c = v->handle;
    return c == NULL ? rg_str_of("") : rg_str_of(c->answer == NULL ? "" : c->answer);
}

/* ---- the whole ---- */

/* Majority over all candidates, whatever the method: the line every result is compared with. */
static void settle(rg_record *r)
{
    const rg_tree *t = &r->run.tree;
    if (t->chosen != RG_NO_NODE) {
        const rg_candidate *c = t->node[t->chosen].handle;
        r->answer = c->answer;
        r->correct = c->correct;
    } else if (r->gold != NULL)
        r->correct = 0;
    if (r->gold == NULL)
        return;
    size_t best = 0;
    r->majority_correct = r->any_correct = 0;
    for (size_t i = 0; i < r->n; i++) {
        const rg_candidate *c = &r->candidate[i];
        size_t votes = 0;
        for (size_t j = 0; j < r->n && c->canon != NULL; j++)
            votes += r->candidate[j].canon != NULL && strcmp(r->candidate[j].canon, c->canon) == 0;
        if (votes > best) {
            best = votes;
            r->majority_correct = c->correct;
        }
        r->any_correct |= c->correct == 1;
    }
}

rg_status rg_solve_text(rg_record **out, rg_lm *lm, const rg_problem *problem, const rg_solve_opt *o,
                        const rg_call *call, rg_err *e)
{
    rg_record *r = NULL;
    rg_lm_node *root = NULL;
    rg_status s = RG_OK;
    *out = NULL;
    if (rg_str_trim(rg_str_of(problem->text)).n == 0)
        RG_FAIL(e, RG_EARG, "%s is empty: there is nothing to solve", problem->id);
    if (o->score == RG_SCORE_ORACLE && problem->gold == NULL)
        RG_FAIL(e, RG_EARG, "%s has no right answer to go by: --score oracle needs one", problem->id);
    RG_GO(s, done, record_new(&r, lm, problem, o, e));
    RG_GO(s, done, prompt_node(&root, lm, problem, o, e));
    r->prompt_tokens = rg_lm_node_len(root);
    r->prompt_flops = rg_lm_flops(lm, 0, r->prompt_tokens, 0);

    text_ports ports = { .lm = lm, .o = o, .r = r, .call = call };
    rg_oracle oracle = { .gold = rg_str_of(r->gold), .answer_of = answer_of };
    const rg_scorer scorer = o->score == RG_SCORE_ORACLE ? rg_scorer_oracle(&oracle) : rg_scorer_logp();
    const rg_proposer proposer = { .self = &ports, .expand = expand };
    rg_search_opt so;
    rg_search_defaults(&so);
    so.N = (int64_t)o->N;
    s = rg_solve_run(&r->run, o->method, &so, &proposer, &scorer, root,
                     rg_stream_root(o->seed, problem->id, strlen(problem->id)), call, e);
    settle(r);
done:
    rg_lm_release(root);
    if (s != RG_OK && (r == NULL || r->run.tree.n < 2)) {
        rg_record_free(r);
        return s;
    }
    *out = r; /* a partial record comes with its error */
    return s;
}
