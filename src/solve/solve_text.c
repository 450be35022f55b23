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

#include "text_ports.h"

/* ---- the record ---- */

const rg_candidate *rg__candidate_of(const rg_record *r, size_t node)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->candidate[i].node == node)
            return &r->candidate[i];
    return NULL;
}

const rg_candidate *rg_record_vote(const rg_record *r, size_t i)
{
    return rg__candidate_of(r, r->run.tree.vote[i].first);
}

void rg_record_free(rg_record *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->n; i++)
        rg_free(r->candidate[i].text);
    rg_free(r->candidate);
    rg_run_free(&r->run);
    if (r->text != NULL)
        rg__text_ports_free(r->text);
    rg_free(r->text);
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
    RG_TRY(rg_lm_identity(r->model_sha256, lm, e));
    r->config = rg_strdup(config);
    r->id = rg_strdup(p->id);
    r->problem = rg_strdup(p->text);
    r->gold = p->gold == NULL ? NULL : rg_strdup(p->gold);
    r->policy = rg_strdup(rg_lm_name(lm));
    r->text = rg_calloc(1, sizeof *r->text);
    if (r->id == NULL || r->problem == NULL || (p->gold != NULL && r->gold == NULL) || r->policy == NULL ||
        r->config == NULL || r->text == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for a record");
    return RG_OK;
}

/* ---- the prompt ---- */

static const char *title_of(const rg_lm *lm)
{
    const rg_bundle *b = rg_lm_bundle(lm);
    return b == NULL ? rg_lm_name(lm) : rg_bundle_title(b);
}

static rg_status messages_of(json_t **out, const rg_lm *lm, const rg_problem *p, const rg_solve_opt *o,
                             rg_err *e)
{
    const bool is_auto = o->prompt_style == NULL || strcmp(o->prompt_style, "auto") == 0;
    const rg_policy_prompt *style =
        is_auto ? rg_policy_prompt_for_model(title_of(lm)) : rg_policy_prompt_find(o->prompt_style);
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

/* *messages is yours to json_decref. */
static rg_status prompt_node(rg_lm_node **out, json_t **messages, rg_lm *lm, const rg_problem *p,
                             const rg_solve_opt *o, int64_t now_unix, rg_err *e)
{
    const rg_chat_opt co = { .add_generation_prompt = true, .now_unix = now_unix };
    *out = NULL;
    RG_TRY(messages_of(messages, lm, p, o, e));
    return rg_lm_chat(out, lm, NULL, *messages, &co, e);
}

/* ---- configuration hash ---- */

/* The clock stands still here: the hash of a config is the same tomorrow. */
rg_status rg_solve_config(char out[17], rg_lm *lm, const rg_solve_opt *o, rg_err *e)
{
    static const rg_problem probe = { .id = "probe", .text = "1 + 1" };
    char sha[65];
    rg_lm_node *node = NULL;
    rg_buf b = RG_BUF_MAX(1 << 22);
    json_t *messages = NULL;
    rg_status s;
    RG_GO(s, done, rg_lm_identity(sha, lm, e));
    RG_GO(s, done, prompt_node(&node, &messages, lm, &probe, o, 0, e));
    rg_buf_printf(&b, "schema 2|%s|%zu|%016llx|", sha, rg_lm_ctx(lm),
                  (unsigned long long)rg_lm_node_hash(node));
    rg__settings_json(&b, o);
    if (o->verifier != NULL && o->method->needs_scorer)
        RG_GO(s, done, o->verifier->describe(o->verifier, &b, e));
    RG_GO(s, done, rg_buf_check(&b, "the settings", e));
    snprintf(out, 17, "%016llx", (unsigned long long)rg_hash64(b.p, b.n, 0));
done:
    json_decref(messages);
    rg_lm_release(node);
    rg_buf_free(&b);
    return s;
}

/* ---- what search gave ---- */

static rg_status fill_candidate(rg_record *r, size_t i, rg_err *e)
{
    const rg_node *v = &r->run.tree.node[r->run.tree.final[i]];
    const text_node *x = v->handle;
    rg_candidate *c = &r->candidate[i];
    rg_buf text = RG_BUF_MAX((size_t)1 << 26);
    const rg_status s = rg__path_text(&text, x, e);
    *c = (rg_candidate){ .index = i,
                         .node = v->id,
                         .text = s == RG_OK ? rg_buf_take(&text) : NULL,
                         .answer = x->answer,
                         .canon = x->canon,
                         .extract_rule =
                             x->extract_rule == NULL ? rg_extract_rule_name(RG_X_NONE) : x->extract_rule,
                         .correct = r->gold == NULL ? -1 : RG_MAX(x->correct, 0),
                         .finish = v->finish,
                         .tokens = x->path_tokens,
                         .steps = v->depth,
                         .logp = x->path_logp };
    rg_buf_free(&text);
    if (s == RG_OK && c->text == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for an answer");
    return s;
}

static rg_status fill_candidates(rg_record *r, rg_err *e)
{
    const size_t n = r->run.tree.n_final;
    r->candidate = rg_calloc(RG_MAX(n, (size_t)1), sizeof *r->candidate);
    if (r->candidate == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu answers", n);
    for (; r->n < n; r->n++) {
        const rg_status s = fill_candidate(r, r->n, e);
        if (s != RG_OK) {
            rg_free(r->candidate[r->n].text);
            return s;
        }
    }
    return RG_OK;
}

static rg_str answer_of(void *arg, const rg_node *v)
{
    (void)arg;
    const text_node *x = v->handle;
    return rg_str_of(x == NULL || x->answer == NULL ? "" : x->answer);
}

static rg_status open_verifier(text_ports *p, const rg_solve_opt *o, const char *problem, rg_err *e)
{
    const rg_step_reader reader = rg__text_reader(p);
    if (o->verifier == NULL || !o->method->needs_scorer)
        return RG_OK;
    if (o->verifier->whole_only && o->method->by_steps)
        RG_FAIL(e, RG_EARG, "verifier %s judges whole answers: method %s wants a score at every step",
                o->verifier->name, o->method->name);
    return rg_verifying_open(&p->verifying, o->verifier, rg_str_of(problem), &reader, e);
}

static rg_scorer scorer_of(const rg_solve_opt *o, const text_ports *p, rg_oracle *oracle)
{
    if (p->verifying != NULL)
        return rg_verifying_scorer(p->verifying);
    return o->score == RG_SCORE_ORACLE ? rg_scorer_oracle(oracle)
           : o->score == RG_SCORE_LOGP ? rg_scorer_logp()
                                       : rg_scorer_confidence();
}

/* ---- the whole ---- */

/* Majority over all candidates, whatever the method: the line every result is compared with. */
static void settle(rg_record *r)
{
    const rg_tree *t = &r->run.tree;
    if (t->chosen != RG_NO_NODE) {
        const text_node *x = t->node[t->chosen].handle;
        r->answer = x->answer;
        r->correct = x->correct;
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
    json_t *messages = NULL;
    rg_status s = RG_OK;
    *out = NULL;
    if (rg_str_trim(rg_str_of(problem->text)).n == 0)
        RG_FAIL(e, RG_EARG, "%s is empty: there is nothing to solve", problem->id);
    if (o->score == RG_SCORE_ORACLE && problem->gold == NULL)
        RG_FAIL(e, RG_EARG, "%s has no right answer to go by: --score oracle needs one", problem->id);
    RG_GO(s, done, record_new(&r, lm, problem, o, e));
    RG_GO(s, done, prompt_node(&root, &messages, lm, problem, o, o->now_unix, e));
    r->prompt_tokens = rg_lm_node_len(root);
    r->prompt_flops = rg_lm_flops(lm, 0, r->prompt_tokens, 0);

    rg__text_ports_init(r->text, lm, o, problem, root, messages, call);
    root = NULL;
    messages = NULL;
    rg_oracle oracle = { .gold = rg_str_of(r->gold), .answer_of = answer_of };
    RG_GO(s, done, open_verifier(r->text, o, r->problem, e));
    const rg_scorer scorer = scorer_of(o, r->text, &oracle);
    const rg_proposer proposer = rg__text_proposer(r->text);
    s = rg_solve_run(&r->run, o->method, &o->search, &proposer, &scorer, &r->text->root,
                     rg_stream_root(o->seed, problem->id, strlen(problem->id)), call, e);
    rg__text_ports_close(r->text);
    if (r->text->verifying != NULL)
        r->judging = *rg_verifying_cost(r->text->verifying);
    r->context_tokens = r->text->context_tokens;
    const rg_status filled = fill_candidates(r, s == RG_OK ? e : NULL);
    s = s == RG_OK ? filled : s;
    settle(r);
done:
    rg_lm_release(root);
    json_decref(messages);
    if (s != RG_OK && (r == NULL || r->run.tree.n < 2)) {
        rg_record_free(r);
        return s;
    }
    *out = r; /* a partial record comes with its error */
    return s;
}
