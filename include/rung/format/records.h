/* records.h - problems read from data-set files: GSM8K, MATH-500, AIME and AMC record forms.
 *
 * One JSON object a line (or one JSON array of objects).  The form is recognised by its
 * fields (docs/formats/problems.md); `fields` overrides: "problem=question,answer=final_answer".
 * A line that does not parse is named by file and line.  Gold may be string, number or list. */
#ifndef RUNG_FORMAT_RECORDS_H
#define RUNG_FORMAT_RECORDS_H

#include <stddef.h>

#include "rung/base/api.h"
#include "rung/base/buf.h"
#include "rung/base/err.h"

RG_API_BEGIN

typedef struct rg_problem {
    const char *id;             /* the record's own, else "<file stem>-<0-based index>" */
    const char *text;           /* the problem itself */
    const char *gold;           /* reference answer, extracted (GSM8K: after ####); NULL = none */
    const char *solution;       /* reference solution; NULL = none */
    const char *subject;        /* NULL = none */
    const char *level;
    size_t      line;           /* 1-based */
} rg_problem;

typedef struct rg_problems rg_problems;

/* Reads records [start, end) (end = SIZE_MAX: all) of a file. */
rg_status rg_problems_read(rg_problems **out, const char *path, const char *fields,
                           size_t start, size_t end, rg_err *e);
size_t            rg_problems_n(const rg_problems *p);
const rg_problem *rg_problems_at(const rg_problems *p, size_t i);
const char       *rg_problems_form(const rg_problems *p);   /* "gsm8k", "math", "aime", ... */
void              rg_problems_free(rg_problems *p);

RG_API_END
#endif
