/* steps.h - cutting a solution's text into steps.
 *
 * The delimiter belongs to the step that it ends (a header line to the step that it begins),
 * so the steps, joined, are the text byte for byte.  Steps of a fixed number of tokens are
 * cut where tokens are known, not here.
 * Source: the conventions of search-and-learn, GenPRM, Math-Shepherd and Qwen's PRMs. */
#ifndef RUNG_TEXT_STEPS_H
#define RUNG_TEXT_STEPS_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "rung/base/api.h"
#include "rung/base/buf.h"
#include "rung/base/err.h"

RG_API_BEGIN

typedef enum rg_step_style {
    RG_STEP_BLANK,      /* ends at "\n\n", white space that follows included in the next step   */
    RG_STEP_HEADER,     /* begins at a line "Step k:" or "## Step k" (k a number); what stands
                         * before the first header is a step of its own                         */
    RG_STEP_TAG,        /* ends at `tag`: " ки\n", "<extra_0>", ...                             */
    RG_STEP_CUSTOM      /* ends at any of `stop`: the earliest wins, then the longest           */
} rg_step_style;

typedef struct rg_step_rule {
    rg_step_style style;
    rg_str        tag;          /* RG_STEP_TAG; not empty */
    const rg_str *stop;         /* RG_STEP_CUSTOM; none empty */
    size_t        n_stop;
} rg_step_rule;

typedef struct rg_steps {
    rg_str *step;               /* borrowed from the text */
    size_t  n;
} rg_steps;

/* An empty text has no steps.  RG_EARG if the rule lacks its tag or stop strings.  *out is
 * written first, so rg_steps_free is safe after a failure. */
rg_status rg_steps_split(rg_steps *out, rg_str text, const rg_step_rule *rule, rg_err *e);
/* A record that already holds its steps: a JSON array of strings, borrowed.  A last step that
 * is empty is left out. */
rg_status rg_steps_from_list(rg_steps *out, const json_t *list, rg_err *e);
void      rg_steps_free(rg_steps *s);

/* A step without its delimiter and without white space at both ends: how verifiers see it.
 * Empty for a step that is nothing else. */
rg_str    rg_step_trim(rg_str step, const rg_step_rule *rule);
/* The steps as rg_step_trim sees them, those that are empty left out.  index[i], if index is
 * not NULL, is the number of the step in s: it must have room for s->n. */
rg_status rg_steps_trimmed(rg_steps *out, size_t *index, const rg_steps *s, const rg_step_rule *rule, rg_err *e);

/* Where the first step of the text ends: the offset behind its delimiter (before the next
 * header), or SIZE_MAX while it may still go on.  For stopping a generation. */
size_t    rg_step_end(rg_str text, const rg_step_rule *rule);

RG_API_END
#endif
