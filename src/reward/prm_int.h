/* prm_int.h - what the files of the scalar reward models share.
 *
 *     prm_format.c   the seven formats: what a step's tokens are, and which of them is read
 *     prm.c          sessions: which tokens are new, one batch, the numbers
 *     orm.c          the whole answer's number
 *     prefix.c       what the sequences of a session begin with, computed once */
#ifndef RUNG_REWARD_PRM_INT_H
#define RUNG_REWARD_PRM_INT_H

#include "rung/bundle/chat.h"
#include "rung/reward/prm.h"

/* The day that a template which writes today's date is told (2024-07-26, what Llama 3.1's writes when it
 * is told none): a score must not depend on when it was made. */
#define RG__TEMPLATE_DAY ((int64_t)1721952000)

/* ---- prefix.c ---- */

typedef struct rg__prefix {
    rg_lm_node *node;
    rg_ids      ids;            /* all of the node's */
} rg__prefix;

/* The prefix becomes id[0..n). */
rg_status rg__prefix_set(rg__prefix *p, rg_lm *lm, const int32_t *id, size_t n, rg_err *e);
bool      rg__prefix_begins(const rg__prefix *p, const rg_ids *ids);    /* false when it is not set */
void      rg__prefix_free(rg__prefix *p);
size_t    rg__common(const rg_ids *a, const rg_ids *b);                 /* tokens that both begin with */

/* ---- prm_format.c ---- */

typedef enum rg__prm_read { RG__LABELS, RG__CLASSES, RG__SIGMOID, RG__RAW } rg__prm_read;

typedef struct rg__prm {        /* a format, with a model's ids */
    const struct rg__prm_row *row;
    const rg_bundle *b;
    const rg_tokenizer *t;
    rg__prm_read read;
    int32_t mark;               /* < 0: the conversation of rlhflow */
    int32_t good, bad;          /* the words' ids */
    int32_t line;               /* a new line in the middle of a text */
} rg__prm;

rg_status   rg__prm_format(rg__prm *f, const rg_lm *lm, rg_prm_kind kind, rg_err *e);
const char *rg__prm_name(const rg__prm *f);
/* What stands in front of the first step, as far as it does not depend on it. */
rg_status   rg__prm_head(rg_ids *ids, const rg__prm *f, rg_str problem, rg_err *e);
/* Appends step k of the path; the last id appended is where it is read.  In a conversation step 0 begins
 * with the head. */
rg_status   rg__prm_step(rg_ids *ids, const rg__prm *f, const rg_path *p, size_t k, rg_err *e);
bool        rg__prm_talks(const rg__prm *f);

#endif
