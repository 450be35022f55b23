/* convert.h - write a model in another form or in fewer bits.
 *
 *     folder or GGUF -> GGUF       rg_model_to_gguf: as it is, or quantised
 *     GGUF or folder -> folder     rg_model_to_folder: config.json, model.safetensors, tokenizer.json
 *
 * Rows are read, changed and written a few megabytes at a time, whatever the size of the model;
 * the bytes do not depend on the number of threads.  Nothing stands under the final name before
 * all of it is on disk.  Progress (one event a tensor) goes to the call's sink. */
#ifndef RUNG_BUNDLE_CONVERT_H
#define RUNG_BUNDLE_CONVERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rung/base/api.h"
#include "rung/base/call.h"
#include "rung/base/err.h"
#include "rung/base/pool.h"

RG_API_BEGIN

/* What a whole file is stored in: one number format, or a mix in which tensors that matter more
 * get more bits (names and rules are llama-quantize's). */
typedef struct rg_mix rg_mix;
const rg_mix *rg_mix_find(const char *name);        /* without regard to case; NULL = unknown */
const char   *rg_mix_name(const rg_mix *m);
/* "F32, F16, BF16, Q8_0, ...": all names. */
void          rg_mix_names(char *out, size_t bytes);

typedef struct rg_convert_opt {
    const rg_mix *mix;          /* NULL = each tensor as the source stores it, where the target can */
    const char   *importance;   /* file of llama-imatrix (GGUF or the older form); NULL = none */
    bool force;                 /* replace an existing file */
    bool dry_run;               /* plan and count; write nothing */
} rg_convert_opt;

typedef struct rg_convert_result {
    uint64_t source_bytes, bytes;       /* of all files that hold weights; of what was (or would be) written */
    uint64_t parameters;
    double   bits_per_weight;           /* tensor bytes alone */
    size_t   tensors, changed;          /* changed: stored in another type than before */
    size_t   fell_back;                 /* rows do not divide by 256: stored in a type with blocks of 32 */
    bool     requantized;               /* the source was already quantised: errors add up */
} rg_convert_result;

/* src: a path that rg_model_resolve gave.  RG_EARG when dst exists (without force) or is src. */
rg_status rg_model_to_gguf(rg_convert_result *r, const char *src, const char *dst, const rg_convert_opt *o,
                           rg_pool *pool, const rg_call *call, rg_err *e);
/* The mix is F32, F16 or BF16; NULL = BF16 where the source is BF16, else F16.  dst must not
 * exist, or be an empty folder. */
rg_status rg_model_to_folder(rg_convert_result *r, const char *src, const char *dst, const rg_convert_opt *o,
                             rg_pool *pool, const rg_call *call, rg_err *e);

RG_API_END

#endif
