/* record.c - a record as JSON (docs/formats/records.md). */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "text_ports.h"

const char *rg__score_name(const rg_solve_opt *o)
{
    static const char *const names[] = { "confidence", "logp", "oracle" };
    return !o->method->needs_scorer ? NULL : o->verifier != NULL ? o->verifier->name : names[o->score];
}

/* The settings of the search that its method reads, by the names of its table. */
static void search_settings(rg_buf *b, const rg_solve_opt *o)
{
    rg_search_opt copy = o->search;
    const rg_opt_group group = { "search", rg_search_table, &copy };
    rg_buf all = RG_BUF_MAX(1 << 14);
    rg_opts_json(&all, &group, 1);
    json_t *j = all.p == NULL ? NULL : json_loadb(all.p, all.n, 0, NULL);
    rg__put_open(b, "search", '{');
    for (const rg_opt *x = rg_search_table; x->name != NULL; x++) {
        char name[32];
        snprintf(name, sizeof name, "%s", x->name);
        for (char *p = name; *p != '\0'; p++)
            *p = *p == '-' ? '_' : *p;
        const json_t *v = json_object_get(j, name);
        if (!rg_strategy_uses(o->method, x->name) || strcmp(x->name, "budget") == 0 || v == NULL)
            continue;
        if (json_is_string(v))
            rg__put_str(b, name, json_string_value(v));
        else if (json_is_boolean(v))
            rg__put_bool(b, name, json_is_true(v));
        else
            rg__put_num(b, name, json_number_value(v));
    }
    if (o->method->by_steps) {
        static const char *const kinds[] = { "blank", "header", "tokens" };
        rg__put_str(b, "step", kinds[o->step]);
        rg__put_int(b, "step_tokens", (long long)o->step_tokens);
    }
    rg_buf_putc(b, '}');
    json_decref(j);
    rg_buf_free(&all);
}

void rg__settings_json(rg_buf *b, const rg_solve_opt *o)
{
    const rg_sampling *s = &o->sampling;
    rg__put_str(b, "method", o->method->name);
    rg__put_int(b, "N", o->method->only_one ? 1 : o->search.N);
    rg__put_str(b, "verifier", rg__score_name(o));
    search_settings(b, o);
    rg__put_open(b, "params", '{');
    rg__put_int(b, "max_tokens", (long long)o->max_tokens);
    rg__put_num(b, "temp", s->temp);
    rg__put_int(b, "top_k", s->top_k);
    rg__put_num(b, "top_p", s->top_p);
    rg__put_num(b, "min_p", s->min_p);
    rg__put_num(b, "repeat_penalty", s->repeat_penalty);
    rg__put_num(b, "presence_penalty", s->presence_penalty);
    rg__put_num(b, "frequency_penalty", s->frequency_penalty);
    rg__put_int(b, "repeat_last_n", s->repeat_last_n);
    rg__put_open(b, "logit_bias", '{');
    for (size_t i = 0; i < s->n_bias; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", s->bias[i].id);
        rg__put_num(b, id, (double)s->bias[i].add);
    }
    rg_buf_putc(b, '}');
    rg__put_str(b, "prompt", o->prompt_style == NULL ? "auto" : o->prompt_style);
    rg__put_str(b, "system", o->system);
    rg__put_open(b, "stop", '[');
    for (size_t i = 0; i < o->n_stop; i++)
        rg__put_str(b, NULL, o->stop[i]);
    rg_buf_putc(b, ']');
    rg__put_bool(b, "last_number", o->last_number);
    rg__put_bool(b, "exact", o->exact);
    rg_buf_putc(b, '}');
    rg__put_u64(b, "seed", o->seed);
}

/* One number a step: the policy's own mean log-probability of the whole, the scorer's of each step. */
static void scores(rg_buf *b, const rg_record *r, const rg_candidate *c)
{
    rg__put_open(b, "scores", '{');
    rg__put_open(b, "logp", '[');
    rg__put_num(b, NULL, c->tokens == 0 ? NAN : c->logp / (double)c->tokens);
    rg_buf_putc(b, ']');
    const char *name = rg__score_name(&r->opt);
    if (name != NULL && strcmp(name, "logp") != 0) {
        double few[64];
        const size_t n =
            RG_MIN(rg_tree_path_scores(&r->run.tree, c->node, few, RG_COUNT(few)), RG_COUNT(few));
        rg__put_open(b, name, '[');
        for (size_t i = 0; i < n; i++)
            rg__put_num(b, NULL, few[i]);
        rg_buf_putc(b, ']');
    }
    rg_buf_putc(b, '}');
    rg__put_num(b, "value", r->run.tree.node[c->node].value);
}

static void candidates(rg_buf *b, const rg_record *r)
{
    rg__put_open(b, "candidates", '[');
    for (size_t i = 0; i < r->n; i++) {
        const rg_candidate *c = &r->candidate[i];
        rg__put_open(b, NULL, '{');
        rg__put_int(b, "i", (long long)c->index);
        rg__put_str(b, "text", c->text);
        rg__put_str(b, "answer", c->answer);
        rg__put_str(b, "canon", c->canon);
        rg__put_str(b, "extracted_by", c->extract_rule);
        rg__put_bool(b, "correct", c->correct);
        rg__put_str(b, "finish", rg_finish_name(c->finish));
        rg__put_int(b, "tokens", (long long)c->tokens);
        rg__put_num(b, "logp", c->logp);
        scores(b, r, c);
        rg_buf_putc(b, '}');
    }
    rg_buf_putc(b, ']');
}

static void votes(rg_buf *b, const rg_record *r)
{
    const rg_tree *t = &r->run.tree;
    rg__put_open(b, "votes", '[');
    for (size_t i = 0; i < t->n_votes; i++) {
        const rg_candidate *c = rg_record_vote(r, i);
        rg__put_open(b, NULL, '{');
        rg__put_str(b, "answer", c->answer);
        rg__put_int(b, "count", (long long)t->vote[i].count);
        rg__put_num(b, "weight", t->vote[i].weight);
        rg__put_int(b, "first", (long long)c->index);
        rg__put_bool(b, "correct", c->correct);
        rg_buf_putc(b, '}');
    }
    rg_buf_putc(b, ']');
}

/* Logical cost of what was asked of the root: each needs the prompt, the prompt is computed
 * once.  whole_context is what a program pays that reads everything again at each step.  The
 * split and the overshoot tell of the run, not of the method. */
static void cost(rg_buf *b, const rg_record *r)
{
    const rg_run *run = &r->run;
    const rg_cost *v = &r->judging.role[RG_VERIFIER];
    const size_t k = run->tree.n == 0 ? 0 : run->tree.node[0].sampled, prompt = k * r->prompt_tokens;
    rg__put_open(b, "cost", '{');
    rg__put_int(b, "policy_prompt", (long long)prompt);
    rg__put_int(b, "policy_gen", (long long)run->gen_tokens);
    rg__put_int(b, "policy_wasted", (long long)run->wasted_tokens);
    rg__put_int(b, "whole_context", (long long)r->context_tokens);
    rg__put_int(b, "verifier_prompt", (long long)v->prompt_tokens);
    rg__put_int(b, "verifier_gen", (long long)v->gen_tokens);
    rg__put_int(b, "code_runs", 0);
    rg__put_num(b, "code_cpu_s", 0);
    rg__put_num(b, "flops_policy", run->gen_flops + r->prompt_flops);
    rg__put_num(b, "flops_verifier", v->flops);
    rg_buf_putc(b, '}');
    rg__put_open(b, "computed", '{');
    rg__put_int(b, "prompt", (long long)RG_MIN(prompt, r->prompt_tokens));
    rg__put_int(b, "gen", (long long)run->gen_tokens);
    rg__put_int(b, "verifier_prompt", (long long)v->prompt_computed);
    rg_buf_putc(b, '}');
    rg__put_open(b, "cached", '{');
    rg__put_int(b, "prompt", (long long)(prompt - RG_MIN(prompt, r->prompt_tokens)));
    rg__put_int(b, "verifier_prompt", (long long)v->prompt_cached);
    rg_buf_putc(b, '}');
    rg__put_open(b, "overshoot", '{');
    rg__put_int(b, "tokens", (long long)run->tree.overshoot_tokens);
    rg__put_num(b, "flops", run->tree.overshoot_flops);
    rg_buf_putc(b, '}');
    rg__put_open(b, "timing", '{');
    rg__put_num(b, "wall_s", run->wall_s);
    rg_buf_putc(b, '}');
}

static void nodes(rg_buf *b, const rg_record *r)
{
    rg__put_open(b, "tree", '[');
    for (size_t i = 0; i < r->run.tree.n; i++) {
        const rg_node *v = &r->run.tree.node[i];
        const text_node *x = v->depth == 0 ? NULL : v->handle;
        rg__put_open(b, NULL, '{');
        rg__put_int(b, "id", (long long)v->id);
        rg__put_int(b, "parent", v->parent == RG_NO_NODE ? -1 : (long long)v->parent);
        rg__put_int(b, "depth", (long long)v->depth);
        rg__put_str(b, "text", x == NULL ? NULL : x->text);
        rg__put_int(b, "tokens", (long long)v->tokens);
        rg__put_num(b, "logp", v->logp);
        rg__put_num(b, "score", v->score);
        rg__put_num(b, "value", v->value);
        rg__put_bool(b, "kept", v->kept);
        rg__put_str(b, "reason", i == r->run.tree.chosen ? "chosen" : v->reason);
        rg__put_str(b, "finish", x == NULL ? NULL : rg_finish_name(v->finish));
        rg__put_str(b, "answer", x == NULL ? NULL : x->answer);
        rg_buf_putc(b, '}');
    }
    rg_buf_putc(b, ']');
}

void rg_record_json(rg_buf *b, const rg_record *r, bool tree)
{
    const rg_tree *t = &r->run.tree;
    const rg_candidate *chosen = t->chosen == RG_NO_NODE ? NULL : rg__candidate_of(r, t->chosen);
    rg_buf_putc(b, '{');
    rg__put_int(b, "schema", 2);
    rg__put_str(b, "id", r->id);
    rg__put_str(b, "config", r->config);
    rg__settings_json(b, &r->opt);
    rg__put_str(b, "policy", r->policy);
    rg__put_str(b, "model_sha256", r->model_sha256);
    rg__put_str(b, "problem", r->problem);
    rg__put_str(b, "gold", r->gold);
    rg__put_str(b, "answer", r->answer);
    rg__put_bool(b, "correct", r->correct);
    rg__put_bool(b, "majority_correct", r->majority_correct);
    rg__put_bool(b, "any_correct", r->any_correct);
    rg__put_bool(b, "complete", r->run.complete);
    rg__put_int(b, "n_finished", (long long)r->n);
    rg__put_int(b, "chosen", chosen == NULL ? -1 : (long long)chosen->index);
    rg__put_open(b, "stop", '{');
    rg__put_int(b, "at", (long long)t->used);
    rg__put_str(b, "reason", t->stop);
    rg_buf_putc(b, '}');
    votes(b, r);
    candidates(b, r);
    if (tree)
        nodes(b, r);
    cost(b, r);
    rg_buf_putc(b, '}');
}
