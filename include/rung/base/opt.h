/* opt.h - one table per settings struct: it feeds the command line, the environment, the
 * config file, --help, --print-config and the JSON record.
 *
 * A group is a table plus the struct it fills.  A verb is parsed against several groups.
 * Precedence: flag > environment (RUNG_ + upper-case long name, - as _) > config file >
 * default.  `--flag value` and `--flag=value` both work, `--` ends flags, a boolean has a
 * `--no-` form, numbers refuse trailing garbage, overflow and NaN; an error names the flag,
 * the value and the accepted range; an unknown flag gets the nearest names. */
#ifndef RUNG_BASE_OPT_H
#define RUNG_BASE_OPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rung/base/api.h"
#include "rung/base/buf.h"
#include "rung/base/err.h"

RG_API_BEGIN

typedef enum rg_opt_kind {
    RG_OPT_FLAG,        /* bool            */
    RG_OPT_INT,         /* int64_t         */
    RG_OPT_FLOAT,       /* double          */
    RG_OPT_STR,         /* const char *: argv's, or owned by the rg_opts                      */
    RG_OPT_ENUM,        /* int: index into choices                                            */
    RG_OPT_LIST         /* rg_opt_list: the flag may be repeated                              */
} rg_opt_kind;

typedef struct rg_opt_list {
    const char **item;
    size_t       n;
} rg_opt_list;

typedef struct rg_opt {
    const char *name;       /* long name, without dashes; NULL ends a table                   */
    const char *aliases;    /* "n,predict,n-predict": one letter = -n, longer = --predict;
                             * "sys" style two-to-four letter ones also match with one dash;
                             * NULL = none                                                    */
    rg_opt_kind kind;
    size_t      offset;     /* of the field in the group's struct                             */
    const char *fallback;   /* default as text; NULL = zero, false, unset                     */
    double      min, max;   /* accepted range of numbers, both ends included; 0, 0 = any      */
    const char *choices;    /* RG_OPT_ENUM: "auto,always,never"; RG_OPT_STR: words that make
                             * sense among others, for completion                             */
    const char *unit;       /* shown after the name: "TEXT", "N", "SECONDS"                   */
    const char *help;       /* one line                                                       */
} rg_opt;

typedef struct rg_opt_group {
    const char   *title;    /* "Sampling" */
    const rg_opt *opts;
    void         *into;
} rg_opt_group;

typedef struct rg_opts rg_opts;     /* owns strings and lists it had to make */

/* Fills all groups: defaults, then --config FILE if given among args, then environment (an
 * empty variable counts as unset), then args.  argv[0] is the first argument, not a program or
 * verb.  Positional arguments come back in *pos (borrowed from argv; the array dies with *out).
 * "-" and what looks like a negative number are positional.  The groups' structs stay valid
 * until rg_opts_free; after a failure their contents mean nothing. */
rg_status rg_opts_parse(rg_opts **out, const rg_opt_group *groups, size_t n_groups,
                        int argc, char **argv, rg_opt_list *pos, rg_err *e);
void      rg_opts_free(rg_opts *o);

/* Was this long name given by flag, environment or file (not merely defaulted)? */
bool rg_opts_given(const rg_opts *o, const char *name);

/* Help text of the groups; the resolved settings as `name = value` lines that --config reads
 * back; the same as a JSON object whose names have _ for -.  No secrets: names ending in "key"
 * are left out of both, and so is "config" itself. */
void rg_opts_help(rg_buf *b, const rg_opt_group *groups, size_t n_groups);
void rg_opts_config(rg_buf *b, const rg_opt_group *groups, size_t n_groups);
void rg_opts_json(rg_buf *b, const rg_opt_group *groups, size_t n_groups);

/* The names out of `names` (n of them) nearest to `word`, as "a, b"; for "did you mean". */
void rg_nearest(rg_buf *b, const char *word, const char *const *names, size_t n);

/* Whole-string number parsers: false on garbage, overflow, NaN, infinity. */
bool rg_parse_i64(int64_t *out, const char *s);
bool rg_parse_f64(double *out, const char *s);      /* locale-independent */
/* The shortest text of at least 6 digits' precision that reads back as v; locale-independent. */
void rg_format_f64(char out[32], double v);

RG_API_END
#endif
