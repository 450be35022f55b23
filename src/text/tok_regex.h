/* tok_regex.h - regular expressions of tokenizers, run by PCRE2 with the meaning that
 * Oniguruma, which the `tokenizers` package uses, gives them. */
#ifndef RUNG_TEXT_TOK_REGEX_H
#define RUNG_TEXT_TOK_REGEX_H

#include "rung/base/buf.h"
#include "rung/base/err.h"

typedef struct regex regex;
typedef struct regex_run regex_run; /* working memory of one thread */

rg_status rg__regex_new(regex **out, rg_str pattern, rg_err *e);
void rg__regex_free(regex *r); /* NULL is fine */
rg_str rg__regex_pattern(const regex *r);

/* A running needs no memory until the first match; NULL is a start. */
void rg__regex_run_free(regex_run *run);

/* The first match in p[0..n) at or behind `at`: *begin == SIZE_MAX when there is none.
 * Bytes that are not UTF-8 match nothing.  RG_ELIMIT when the search takes too many steps. */
rg_status rg__regex_find(const regex *r, regex_run **run, const char *p, size_t n, size_t at, size_t *begin,
                         size_t *end, rg_err *e);

#endif
