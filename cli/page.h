/* page.h - the option tables as documents: manual pages and shell completions.
 *
 * Only a verb's run() has its tables in hand, so a verb is asked: `rung VERB --help=FORMAT` prints
 * its part of the document, and `rung help --man [VERB]` and `rung help --completion SHELL` put the
 * parts together.  The build writes the installed files with these two. */
#ifndef RUNG_CLI_PAGE_H
#define RUNG_CLI_PAGE_H

#include "cli.h"

typedef struct cli_verb {       /* what a verb's part is made of */
    const rg_cmd       *cmd;
    const rg_opt_group *groups;
    size_t              n;
} cli_verb;

typedef struct cli_format {
    const char *name;                           /* "bash" */
    void (*head)(rg_buf *b);
    void (*verb)(rg_buf *b, const cli_verb *v); /* the part of one verb, or of "model pull" */
    void (*tail)(rg_buf *b);                    /* may be NULL */
} cli_format;

extern const cli_format cli_bash, cli_zsh, cli_fish;

/* The format of `--help=FORMAT` if that is the first argument, else NULL. */
const char *cli_asked_format(int argc, char **argv);

/* One verb's part in a format; false: there is no such format. */
bool cli_put_part(rg_buf *b, const char *format, const cli_verb *v);

/* `rung help --man [VERB]`, `rung help --completion SHELL`: exit code. */
int cli_man(int argc, char **argv);
int cli_completion(int argc, char **argv);

/* Has a verb and its own verbs print their parts; 0, or the exit code of the first that failed. */
int cli_ask(const rg_cmd *cmd, const char *format);

void cli_man_verb(rg_buf *b, const cli_verb *v);
/* A section of lines as they are, behind a verb's options. */
void cli_man_section(rg_buf *b, const char *title, const char *text);

/* ---- for the formats ---- */

/* The verb that is run by `rung NAME`, NULL = none. */
const rg_cmd *cli_find(const char *name);

/* The i-th of "a,b,c"; p == NULL past the end or when csv is NULL. */
rg_str cli_item(const char *csv, size_t i);

/* The i-th name of a flag with its dashes: "--max-tokens", then "-n", "--predict", ...; false past
 * the end.  Four letters or fewer take one dash. */
bool cli_flag_name(char out[64], const rg_opt *p, size_t i);
/* Also the --no- form. */
bool cli_flag_negates(const rg_opt *p);

typedef enum cli_words {        /* what may follow a flag or a verb */
    CLI_ANY,                    /* text, a number: nothing to offer */
    CLI_CHOICES,                /* the table's own words */
    CLI_FILES,
    CLI_MODELS,                 /* models that are here, and files */
    CLI_KNOWN_MODELS            /* models that can be pulled */
} cli_words;

cli_words cli_words_of(const rg_opt *p);
cli_words cli_arguments_of(const rg_cmd *cmd);

/* Appends s, and a backslash before every letter that is among `special`. */
void cli_put_escaped(rg_buf *b, const char *s, const char *special);
/* Inside '...' of a POSIX shell or zsh. */
void cli_put_quoted(rg_buf *b, rg_str s);

/* What no table says of a verb (about.c). */
typedef struct cli_notes {
    const char *verb;   /* "solve"; "" = the program */
    const char *inner;  /* its own verbs, "pull,ls,info,check"; NULL = none */
    const char *about;  /* for the manual: paragraphs, a blank line between them; a line that begins
                         * with two blanks is an example */
} cli_notes;
const cli_notes *cli_notes_of(const char *verb);        /* all NULL but the name if there are none */

/* Writes b to stdout and frees it: exit code. */
int cli_put_page(rg_buf *b);

enum { CLI_MAX_PAGE = 1 << 20 };        /* of a buffer with a whole document */

#endif
