/* solutions.h - solutions to be judged, read from JSON Lines.
 *
 * The problem is "problem", "question" or "prompt"; the solution is a list of strings ("steps",
 * "completions") or a text ("solution", "response", "completion", "text", "answer"); "label" is the
 * index of the first wrong step, from 0, or -1 (ProcessBench).  docs/formats/problems.md. */
#ifndef RUNG_FORMAT_SOLUTIONS_H
#define RUNG_FORMAT_SOLUTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rung/base/api.h"
#include "rung/base/buf.h"
#include "rung/base/err.h"

RG_API_BEGIN

typedef struct rg_solution {
    const char *id;             /* the record's own, else "<file>:<line>" */
    const char *problem;
    const char *text;           /* NULL where the record holds steps */
    rg_str     *step;           /* n of them; NULL where it holds a text */
    size_t      n;
    bool        labelled;
    int64_t     label;
} rg_solution;

typedef struct rg_solutions rg_solutions;

/* At most `limit` records (SIZE_MAX: all).  A line that does not parse is named by file and line. */
rg_status          rg_solutions_read(rg_solutions **out, const char *path, size_t limit, rg_err *e);
size_t             rg_solutions_n(const rg_solutions *s);
const rg_solution *rg_solutions_at(const rg_solutions *s, size_t i);
void               rg_solutions_free(rg_solutions *s);      /* NULL is fine */

RG_API_END
#endif
