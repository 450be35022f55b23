/* opt_int.h - what the parser (opt.c) and the printer (opt_text.c) share. */
#ifndef RUNG_BASE_OPT_INT_H
#define RUNG_BASE_OPT_INT_H

#include "rung/base/opt.h"

static inline void *rg__opt_field(const rg_opt_group *g, const rg_opt *opt)
{
    return (char *)g->into + opt->offset;
}

/* The i-th item of "a,b,c"; p == NULL past the end or when csv is NULL. */
rg_str rg__opt_item(const char *csv, size_t i);

/* Reads a value as rg_opts_config writes it: plain, or "quoted" with \n \t \r \\ \".  False
 * when a quote is not closed or an escape is unknown. */
bool rg__opt_unquote(rg_buf *out, rg_str text);

#endif
