/* bench.h - how fast the engine is here, and how fast this machine could be. */
#ifndef RUNG_LM_BENCH_H
#define RUNG_LM_BENCH_H

#include "rung/base/api.h"
#include "rung/lm/engine.h"

RG_API_BEGIN

/* Limits of the machine with the engine's threads and kernel level, each the best of several. */
typedef struct rg_roofline {
    double read_bytes_s;        /* memory */
    double i8_ops_s;            /* 8-bit dots, a multiplication and an addition count as two */
    double f32_flops_s;
    double bf16_flops_s;        /* 0: this level has no bf16 arithmetic */
    const char *level;          /* kernel level and threads they were measured with */
    size_t threads;
} rg_roofline;
rg_status rg_roofline_measure(rg_roofline *out, const rg_engine *x, rg_err *e);

typedef struct rg_bench_row {
    const char *test;           /* "pp512", "tg64", "tg64@2048", "tg64x16", ... */
    double      tokens_per_s, sd;       /* mean and standard deviation over repeats */
    size_t      repeats;
    double      fraction;       /* of the limit that binds: bytes of weights and attention state
                                 * read, or operations of the matrices, whichever is nearer */
    const char *bound;          /* "read" or "compute" */
} rg_bench_row;

/* All rows, or those whose name is in `tests` ("pp512,tg64x16"; NULL = all).  Whole-program
 * rates through the scheduler: attention, sampling at temperature 0.7 and the ledger included.
 *   ppN       a prompt of N tokens
 *   tg64@C    64 tokens of one sequence after C others (no C: an empty context)
 *   tg64xN    N branches of one 256-token prompt, 64 tokens each: their sum per decode second */
typedef void (*rg_on_row)(void *arg, const rg_bench_row *row);
rg_status rg_bench_run(const rg_engine *x, const char *tests, size_t repeats, const rg_roofline *roof,
                       rg_on_row on, void *arg, const rg_call *call, rg_err *e);

RG_API_END
#endif
