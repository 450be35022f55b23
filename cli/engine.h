/* engine.h - the flags that every verb with a model shares, and their meaning. */
#ifndef RUNG_CLI_ENGINE_H
#define RUNG_CLI_ENGINE_H

#include "cli.h"
#include "rung/lm/engine.h"

typedef struct cli_model {
    const char *model, *cpu, *chat_template, *cache;
    int64_t     threads, ctx, slots, batch, kv_mib;
    bool        exact, mlock, shift;
} cli_model;
extern const rg_opt cli_model_table[];

/* Flags of verbs that only need the tokenizer. */
extern const rg_opt cli_vocab_table[];

rg_status cli_engine(rg_engine **out, const cli_model *o, const rg_call *call, rg_err *e);

typedef struct cli_sampling {
    double      temp, top_p, min_p, repeat_penalty, presence, frequency;
    int64_t     top_k, repeat_last_n, max_tokens, seed;
    rg_opt_list bias, stop;
} cli_sampling;
extern const rg_opt cli_sampling_table[];   /* of an engine verb: the defaults of llama.cpp */
extern const rg_opt cli_search_sampling_table[];    /* of a search: temperature 0.7, no filters */

/* The library's form of o; bias entries are parsed into *room (yours to rg_free). */
rg_status cli_sampling_of(rg_sampling *s, rg_bias **room, const cli_sampling *o, rg_err *e);
/* --seed, or a random one that fits 32 bits. */
uint64_t cli_seed(const cli_sampling *o);

/* The run's first line on stderr: model, hash, seed, kernel level, threads. */
void cli_first_line(const cli_args *a, const rg_engine *x, uint64_t seed, const char *what);

/* Text of -p, of -f FILE, of the positional arguments, or of stdin ("-", or none and not a
 * terminal).  Yours to rg_free. */
rg_status cli_text(char **out, size_t *n, const cli_args *a, const char *prompt, const char *file, rg_err *e);

#endif
