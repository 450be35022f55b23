/* engine.h - everything a program needs to talk to one local model: kernels, threads, bundle
 * and scheduler, opened and closed together. */
#ifndef RUNG_LM_ENGINE_H
#define RUNG_LM_ENGINE_H

#include "rung/base/api.h"
#include "rung/lm/lm.h"

RG_API_BEGIN

typedef struct rg_engine rg_engine;

typedef struct rg_engine_opt {
    const char *model;          /* what the user gave to -m; NULL = the default model */
    const char *cpu;            /* "ref", "avx2", "avx512"; NULL = best available */
    size_t      threads;        /* 0 = all the process may use */
    const char *chat_template;  /* built-in name or file that replaces the model's; NULL = its own */
    rg_lm_opt   lm;
    rg_engine  *beside;         /* shares its threads, kernels and memory for attention state with this one,
                                 * which must be closed after it; NULL = alone.  cpu, threads and
                                 * lm.kv_bytes are then the other's. */
} rg_engine_opt;

rg_status rg_engine_open(rg_engine **out, const rg_engine_opt *o, const rg_call *call, rg_err *e);
void      rg_engine_close(rg_engine *x);                    /* NULL is fine */
rg_lm           *rg_engine_lm(const rg_engine *x);
const rg_bundle *rg_engine_bundle(const rg_engine *x);
/* A second scheduler over the same weights, for comparing paths; close it before the engine.
 * They share the threads and take turns. */
rg_status        rg_engine_second(rg_lm **out, rg_engine *x, const rg_lm_opt *o, rg_err *e);
/* "avx512, 2 threads" */
void             rg_engine_describe(const rg_engine *x, rg_buf *b);

/* Tokenizer and template of -m only (no weights are touched). */
rg_status rg_engine_open_text(rg_bundle **out, const char *model, const char *chat_template, rg_err *e);

RG_API_END
#endif
