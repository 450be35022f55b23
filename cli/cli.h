/* cli.h - what every verb of the program shares: its table entry, the common flags, and how
 * things reach the user.
 *
 * A verb is one file cmd_NAME.c with one `const rg_cmd`.  Its run() gets the arguments after
 * the verb, and is ten lines of flow: parse, call the library, print.
 *
 *     static int run(const rg_cmd *cmd, int argc, char **argv)
 *     {
 *         solve_opts o;
 *         const rg_opt_group groups[] = { { "Search", search_opts, &o } };
 *         cli_args a;
 *         int code = cli_open(&a, cmd, groups, 1, argc, argv);
 *         if (code >= 0)
 *             return code;                    (help was printed, or the usage was wrong)
 *         ...
 *         return cli_close(&a, status, &e);
 *     }
 */
#ifndef RUNG_CLI_H
#define RUNG_CLI_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "rung/base/buf.h"
#include "rung/base/call.h"
#include "rung/base/err.h"
#include "rung/base/opt.h"

typedef struct rg_cmd rg_cmd;
struct rg_cmd {
    const char *name;       /* "solve" */
    const char *summary;    /* one line: what it does */
    const char *usage;      /* what follows the verb: "[flags] PROBLEM | --problems FILE" */
    int (*run)(const rg_cmd *cmd, int argc, char **argv);      /* returns the exit code */
};

extern const rg_cmd *const cli_cmds[];      /* NULL ends it (cmds.c) */

/* Flags that every verb understands. */
typedef struct cli_common {
    bool        help, json, quiet, verbose, print_config;
    int         color;          /* cli_color_when */
    const char *config;
} cli_common;

typedef enum cli_color_when { CLI_COLOR_AUTO, CLI_COLOR_ALWAYS, CLI_COLOR_NEVER } cli_color_when;

/* The stderr side of one verb: log lines, and a live line when it is a terminal. */
typedef struct cli_view {
    const char *verb;
    bool        quiet, verbose, live;
    atomic_flag busy;           /* events come from any thread of the call */
    int64_t     drawn_ns;       /* when the live line was last drawn; 0 = no line stands */
} cli_view;

typedef struct cli_args {
    const rg_cmd *cmd;
    rg_opts      *opts;
    rg_opt_list   pos;          /* positional arguments */
    cli_common    common;
    cli_view      view;
} cli_args;

/* Parses the arguments against `groups` and the common flags.  -1: go on (and cli_close at the
 * end).  Otherwise nothing is left to do and it is the exit code: help or the settings were
 * printed, or the usage was wrong and one line said so. */
int cli_open(cli_args *a, const rg_cmd *cmd, const rg_opt_group *groups, size_t n_groups, int argc,
             char **argv);

/* --help or -h stands among the flags. */
bool cli_asks_for_help(int argc, char **argv);

/* Releases a, prints e's sentence when s is a failure, returns the exit code of s. */
int cli_close(cli_args *a, rg_status s, const rg_err *e);

/* A call that stops on signals and shows its events on stderr; no deadline, no ledger. */
rg_call cli_call(cli_args *a);

/* "rung VERB: sentence" on stderr; verb NULL = "rung: sentence". */
void cli_error(const char *verb, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* RG_EARG with the sentence "VERB takes ..., not N arguments" unless min <= pos.n <= max. */
rg_status cli_want_pos(const cli_args *a, size_t min, size_t max, const char *what, rg_err *e);

/* Raised by the first SIGINT or SIGTERM; the second one leaves at once. */
atomic_bool *cli_cancel(void);

/* --color, then NO_COLOR, TERM=dumb and whether f is a terminal. */
bool cli_color(const cli_args *a, FILE *f);
int  cli_width(FILE *f);        /* columns of the terminal, 80 when it is none */

/* Writes b to stdout, then frees it; one write, so that a reader sees whole lines.  Text that
 * came from a model goes through rg_buf_terminal_safe first when stdout is a terminal. */
rg_status cli_print(rg_buf *b, rg_err *e);

/* Appends text from a model: made safe when stdout is a terminal, as it is when it is a pipe. */
void cli_put_text(rg_buf *b, rg_str text);

void cli_sink(void *view, const rg_event *ev);      /* a cli_view; the sink of cli_call */
void cli_view_end(cli_view *v);                     /* erases the live line */

#endif
