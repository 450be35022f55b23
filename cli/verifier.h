/* verifier.h - the flags that name a verifier, and what they open. */
#ifndef RUNG_CLI_VERIFIER_H
#define RUNG_CLI_VERIFIER_H

#include "engine.h"
#include "rung/reward/kinds.h"

typedef struct cli_verifier {
    int         kind;           /* rg_verifier_kind */
    const char *model;
    rg_verifier_opt opt;        /* of all kinds */
    /* what was opened */
    rg_engine   *x;             /* NULL: the policy's own model */
    rg_verifier *v;
} cli_verifier;
extern const rg_opt cli_verifier_table[];

enum { CLI_VERIFIER_GROUPS = 1 + RG_N_VERIFIER_GROUPS };
void cli_verifier_groups(rg_opt_group group[CLI_VERIFIER_GROUPS], cli_verifier *o);

/* Opens what o names beside the policy's engine: its models share the threads and one limit on
 * memory.  Nothing for --verifier none. */
rg_status cli_verifier_open(cli_verifier *o, rg_engine *policy, const cli_model *m, const rg_call *call, rg_err *e);
void      cli_verifier_close(cli_verifier *o);      /* before the policy's engine */

#endif
