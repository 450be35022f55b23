/* score_rows.h - log-probabilities of many given texts, each by itself: `perplexity --rows`. */
#ifndef RUNG_CLI_SCORE_ROWS_H
#define RUNG_CLI_SCORE_ROWS_H

#include "engine.h"

/* Reads path (JSON Lines: {"text":...} or {"ids":[...]}; "-" = stdin) and prints one line a row
 * in order, with the log-probability of every token if `each`, and a summary last. */
rg_status cli_score_rows(const cli_args *a, const rg_engine *x, const char *path, bool each,
                         const rg_call *call, rg_err *e);

#endif
