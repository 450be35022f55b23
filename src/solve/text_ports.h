/* text_ports.h - text as a proposer for search: steps and whole answers out of the lm.
 *
 * A text node is what a search node's handle points to: its own tokens as text, its lm node
 * (state that can be extended), and at a terminal node the answer read from the whole path.
 * A step ends with the token that completes the delimiter and is kept whole. */
#ifndef RUNG_SOLVE_TEXT_PORTS_H
#define RUNG_SOLVE_TEXT_PORTS_H

#include <jansson.h>

#include "rung/reward/verifier.h"
#include "rung/text/steps.h"

#include "solve_int.h"

typedef struct text_node text_node;
struct text_node {
    const text_node *parent; /* NULL at the root, whose text is empty */
    rg_lm_node *node;        /* NULL when nobody may extend it any more */
    char *text;              /* its own, n bytes and a zero */
    size_t n;
    size_t tokens, path_tokens; /* own; of the whole answer so far */
    double path_logp;
    bool whole;     /* an answer of many steps, not one */
    rg_str *step;   /* its steps as verifiers see them, once somebody asked; views of text */
    size_t n_steps;
    /* terminal ones */
    char *answer, *canon; /* NULL: none */
    const char *extract_rule;
    int correct; /* 1, 0, -1: no reference */
};

typedef struct text_ports {
    rg_lm *lm;
    const rg_solve_opt *o;
    const char *id, *gold; /* of the problem */
    const rg_call *call;
    json_t *messages; /* of the prompt: what a revision's conversation begins with */
    text_node root;
    text_node **all; /* every node handed out, to be freed */
    size_t n, cap;
    const char **class_of; /* canonical form of each answer class, borrowed */
    size_t n_classes, classes_cap;
    rg_verifying *verifying; /* NULL: the method's scores are the policy's own */
    uint64_t context_tokens; /* what reading the whole context again at each step would have cost */
} text_ports;

/* root: the prompt's node, and its messages: it takes both over. */
void rg__text_ports_init(text_ports *p, rg_lm *lm, const rg_solve_opt *o, const rg_problem *problem,
                         rg_lm_node *root, json_t *messages, const rg_call *call);
/* Lets the lm's state go; texts and answers stay. */
void rg__text_ports_close(text_ports *p);
void rg__text_ports_free(text_ports *p);
rg_proposer rg__text_proposer(text_ports *p);

/* A whole answer that stands alone: its node, its answer and the class of it, put into child. */
rg_status rg__text_whole(text_ports *p, const rg_gen_out *out, rg_child *child, rg_err *e);
/* Children of RG_WANT_REVISION. */
rg_status rg__text_revise(text_ports *p, const rg_job *jobs, size_t n, rg_on_child on, void *arg,
                          const rg_call *call, rg_err *e);

/* The text from the first step to v, with a zero behind it. */
rg_status rg__path_text(rg_buf *b, const text_node *v, rg_err *e);
/* How its nodes read to a verifier. */
rg_step_reader rg__text_reader(text_ports *p);
/* The delimiter rule as the splitter wants it. */
rg_step_rule rg__step_rule(const rg_solve_opt *o);

#endif
