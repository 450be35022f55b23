/* inspect.h - what a model is, read from its files' headers: no weights are loaded. */
#ifndef RUNG_BUNDLE_INSPECT_H
#define RUNG_BUNDLE_INSPECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rung/base/api.h"
#include "rung/base/call.h"
#include "rung/base/err.h"
#include "rung/base/numtype.h"
#include "rung/bundle/files.h"
#include "rung/model/state.h"

RG_API_BEGIN

typedef struct rg_type_count {
    uint32_t type;
    size_t tensors;
    uint64_t bytes;
} rg_type_count;

/* Strings borrow from the files; a number that they do not state is 0. */
typedef struct rg_model_facts {
    rg_str architecture, name;
    uint64_t file_bytes, parameters;
    uint64_t layers, width, heads, kv_heads, head_size, value_size, context, vocabulary;
    rg_str tokenizer, pre_tokenizer;
    bool has_template;
    size_t tensors;
    rg_type_count types[RG_TYPE_END]; /* the formats that occur, most bytes first */
    size_t n_types;
    uint64_t weight_bytes;    /* loaded (rg_predict_memory); of a file that cannot run: itself and 15 % */
    uint64_t bytes_per_token; /* of attention state: keys and values of all layers, f16 unless set */
} rg_model_facts;

void rg_model_facts_read(rg_model_facts *m, const rg_files *f);

/* bytes_per_token for attention state kept as c. */
void rg_model_facts_cache(rg_model_facts *f, rg_cache c);

/* Memory for the weights and n_tokens of attention state. */
uint64_t rg_model_facts_memory(const rg_model_facts *f, uint64_t n_tokens);

/* Looks at every weight: RG_EFORMAT naming the tensor and the element if one is NaN or infinite.
 * In a quantised block that is so exactly when one of its scales is. */
rg_status rg_model_check_finite(const rg_files *f, const rg_call *call, rg_err *e);

RG_API_END
#endif
