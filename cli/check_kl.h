/* check_kl.h - the measuring half of `rung model check --kl` and `rung model quantize --kl`. */
#ifndef RUNG_CLI_CHECK_KL_H
#define RUNG_CLI_CHECK_KL_H

#include "cli.h"

typedef struct cli_kl {
    const char *file;       /* the text */
    int64_t     chunks, ctx, threads;
    const char *cpu;
} cli_kl;

/* Divergence of the fast path from the exact one on a text, as members of a JSON object (a comma
 * in front) or as lines for people. */
rg_status cli_check_kl(rg_buf *out, bool json, const char *model, const cli_kl *o, const rg_call *call, rg_err *e);

/* Likewise of one file from another with the same vocabulary, both as they usually run. */
rg_status cli_kl_of_files(rg_buf *out, bool json, const char *from, const char *to, const cli_kl *o,
                          const rg_call *call, rg_err *e);

#endif
