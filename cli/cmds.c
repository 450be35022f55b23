/* cmds.c - the table of verbs.  Their list, in the order that help shows them, is in
 * meson.build; a verb is one name there and one file cmd_NAME.c with `const rg_cmd rg_cmd_NAME`. */
#include "cli.h"

#include "verbs.h"

#define DECLARE(name) extern const rg_cmd rg_cmd_##name;
CLI_VERBS(DECLARE)

#define ENTRY(name) &rg_cmd_##name,
const rg_cmd *const cli_cmds[] = { CLI_VERBS(ENTRY) NULL };
