/* solve.h - the main job: a problem in, a record out.
 *
 * rg_solve_run is the composition without a modality: ports + strategy + budget -> a tree and
 * what it cost.  rg_solve_text puts text around it: prompt, answers as classes, grading.
 * Everything that answers problems (program, server, evaluation, rollouts) enters here.
 *
 * A record is a pure function of (model file, problem, rg_solve_opt): threads, batch, kernel
 * level and company never enter.  Only `timing`, `overshoot` and the computed/cached split
 * tell of the run. */
#ifndef RUNG_SOLVE_SOLVE_H
#define RUNG_SOLVE_SOLVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rung/base/api.h"
#include "rung/base/buf.h"
#include "rung/base/call.h"
#include "rung/base/err.h"
#include "rung/format/records.h"
#include "rung/lm/lm.h"
#include "rung/reward/verifier.h"
#include "rung/search/search.h"

RG_API_BEGIN

/* ---- without a modality ---- */

typedef struct rg_run {
    rg_tree  tree;
    double   wall_s;
    bool     complete;          /* false: cancelled or out of time, partial */
    /* of all nodes that count */
    size_t   gen_tokens, wasted_tokens;     /* wasted: on no path to an answer that votes */
    double   gen_flops;
} rg_run;
void rg_run_free(rg_run *r);

rg_status rg_solve_run(rg_run *r, const rg_strategy *strategy, const rg_search_opt *o, const rg_proposer *p,
                       const rg_scorer *sc, void *root_handle, uint64_t root_stream, const rg_call *call,
                       rg_err *e);

/* ---- text ---- */

typedef enum rg_score_kind { RG_SCORE_CONFIDENCE, RG_SCORE_LOGP, RG_SCORE_ORACLE } rg_score_kind;
#define RG_SCORE_NAMES "confidence,logp,oracle"

typedef enum rg_step_kind {
    RG_STEPS_BLANK,             /* a step ends at an empty line */
    RG_STEPS_HEADER,            /* ... where a line "Step k" begins */
    RG_STEPS_TOKENS             /* ... after step_tokens tokens */
} rg_step_kind;
#define RG_STEP_NAMES "blank,header,tokens"

typedef struct rg_solve_opt {
    const rg_strategy *method;
    rg_search_opt      search;          /* N, M, depth, ... */
    rg_step_kind       step;
    size_t             step_tokens;     /* of one step; one that grows longer is cut and pruned; 0 = max_tokens */
    uint64_t           seed;
    rg_sampling        sampling;
    size_t             max_tokens;      /* of one answer */
    rg_score_kind      score;           /* what steps and answers are valued by, without a verifier */
    rg_verifier       *verifier;        /* borrowed; NULL = none */
    const char        *prompt_style;    /* "auto" or a name of text/prompt.h */
    const char        *system;          /* replaces the style's system message; NULL = style's */
    const char *const *stop;
    size_t             n_stop;
    bool               last_number;     /* extraction rule 6 too */
    bool               exact;           /* the lm runs the f32 path (it goes into the config hash) */
    int64_t            now_unix;        /* the clock a template may ask for */
} rg_solve_opt;

typedef struct rg_candidate {           /* an answer that votes: a path of the tree */
    size_t      index;
    size_t      node;                   /* where it ends */
    char       *text;
    const char *answer, *canon;         /* NULL when there is none */
    const char *extract_rule;
    int         correct;                /* 1, 0, or -1: no reference */
    rg_finish   finish;
    size_t      tokens, steps;
    double      logp;                   /* sum, nats */
} rg_candidate;

typedef struct rg_record {
    char       *id, *problem, *gold;    /* gold NULL when unknown */
    char       *policy, *config;        /* model name; config hash, 16 hex digits */
    char        model_sha256[65];
    rg_solve_opt opt;                   /* borrowed strings: valid while the caller's are */
    rg_run      run;
    rg_candidate *candidate;            /* n of them, in index order */
    size_t      n;
    const char *answer;                 /* chosen, borrowed from a candidate; NULL = none */
    int         correct;                /* 1, 0, -1 */
    int         majority_correct, any_correct;  /* over all n; -1 without a reference */
    size_t      prompt_tokens;
    double      prompt_flops;
    uint64_t    context_tokens;         /* had the whole context been read again for every step */
    rg_ledger   judging;                /* what the verifier cost */
    struct text_ports *text;            /* what the tree's handles point to */
} rg_record;
void rg_record_free(rg_record *r);              /* NULL is fine */
/* The candidate that gave the answer of run.tree.vote[i] first; borrowed. */
const rg_candidate *rg_record_vote(const rg_record *r, size_t i);

/* Hash of everything that decides a record but the problem: 16 hex digits.  The prompt enters as
 * the ids of a fixed problem's, so the template, the style and the system message are in it. */
rg_status rg_solve_config(char out[17], rg_lm *lm, const rg_solve_opt *o, rg_err *e);

rg_status rg_solve_text(rg_record **out, rg_lm *lm, const rg_problem *problem, const rg_solve_opt *o,
                        const rg_call *call, rg_err *e);

/* One JSON object, no newline (docs/formats/records.md).  tree adds the nodes. */
void rg_record_json(rg_buf *b, const rg_record *r, bool tree);
/* For people: the answer, the votes, the cost; the tree with one line a candidate. */
void rg_record_text(rg_buf *b, const rg_record *r, bool quiet);
void rg_record_tree(rg_buf *b, const rg_record *r, size_t width, bool color);

/* ---- many ---- */

typedef struct rg_summary {
    size_t n, graded, correct, majority, any, failed;
    double pass_1;              /* mean share of right candidates; a sum while it is collected */
    double tokens, flops;
    double wall_s, fresh_tokens;    /* of this process: what an earlier one did took no time here */
    double occupancy;           /* mean share of slots that decode */
    double prompt, prompt_computed;     /* prompt tokens needed, and computed */
} rg_summary;

/* Called in the order of finishing, never two at once. */
typedef rg_status (*rg_on_record)(void *arg, const rg_record *r, rg_err *e);

/* Solves problems[0..n) with up to `together` at a time over one scheduler (0: enough to keep
 * it full) and adds them to *sum (zeroed, or what an earlier part left).  A problem that fails
 * is counted and reported through call's sink; an error of `on`, or a cancelled call, ends the
 * rest.  Call rg_summary_finish at the end. */
rg_status rg_solve_many(rg_summary *sum, rg_lm *lm, const rg_problem *const *problems, size_t n,
                        const rg_solve_opt *o, size_t together, rg_on_record on, void *arg,
                        const rg_call *call, rg_err *e);

void rg_summary_finish(rg_summary *s);          /* sums become means */

/* The summary as one JSON object with Wilson 95 % intervals, and for people. */
void rg_summary_json(rg_buf *b, const rg_summary *s);
void rg_summary_text(rg_buf *b, const rg_summary *s);

/* ---- a file of records that survives ---- */

/* Opens path for appending, alone (a second process gets RG_EARG).  Records of this config that
 * stand there count as done; a torn last line is cut off; a file that holds anything else is
 * refused by line number. */
typedef struct rg_outfile rg_outfile;
rg_status rg_outfile_open(rg_outfile **out, const char *path, const char *config, rg_err *e);
/* The same id, text and reference answer, done under this config. */
bool      rg_outfile_has(const rg_outfile *f, const rg_problem *p);
void      rg_outfile_add_to(const rg_outfile *f, const rg_problem *p, rg_summary *s);   /* if it has p */
size_t    rg_outfile_n(const rg_outfile *f);                /* records of this config found there */
/* One write and fsync; a disk that is full leaves the file as it was. */
rg_status rg_outfile_append(rg_outfile *f, const rg_record *r, bool tree, rg_err *e);
void      rg_outfile_close(rg_outfile *f);                  /* NULL is fine */

RG_API_END
#endif
