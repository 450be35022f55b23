/* solve_int.h - what the files of the solve room share. */
#ifndef RUNG_SOLVE_INT_H
#define RUNG_SOLVE_INT_H

#include "rung/base/mem.h"
#include "rung/solve/solve.h"

/* The settings that decide a record, as members of a JSON object (no braces). */
void rg__settings_json(rg_buf *b, const rg_solve_opt *o);

/* The candidate that ends at this node of the tree; NULL = none. */
const rg_candidate *rg__candidate_of(const rg_record *r, size_t node);

/* NULL where the method scores nothing. */
const char *rg__score_name(const rg_solve_opt *o);

void rg__put_answer(rg_buf *b, const char *answer); /* or "(none)" */

/* Adds one record; pass_1 is a sum until rg_summary_finish. */
void rg__summary_add(rg_summary *s, const rg_record *r);
void rg__summary_join(rg_summary *s, const rg_summary *a); /* both unfinished */

/* ---- json.c: "name":value, a comma in front unless first; name NULL: the value alone ---- */
/* text with escapes; NULL gives null. */
void rg__put_str(rg_buf *b, const char *name, const char *text);
void rg__put_num(rg_buf *b, const char *name, double v); /* as short as it reads back; not finite: null */
void rg__put_int(rg_buf *b, const char *name, long long v);
void rg__put_u64(rg_buf *b, const char *name, uint64_t v);
void rg__put_bool(rg_buf *b, const char *name, int v);        /* -1 gives null */
void rg__put_open(rg_buf *b, const char *name, char bracket); /* "name":{ ; close with rg_buf_putc */

#endif
