/* model.h - the sub-verbs of `rung model` that have files of their own. */
#ifndef RUNG_CLI_MODEL_H
#define RUNG_CLI_MODEL_H

#include "cli.h"

/* model_convert.c: `model convert SRC DST` and `model quantize SRC DST TYPE`. */
int cli_model_convert(const rg_cmd *cmd, int argc, char **argv);
int cli_model_quantize(const rg_cmd *cmd, int argc, char **argv);

#endif
