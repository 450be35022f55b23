/* ops.h - eager operations over the step arena: one op after another, each a call of the
 * kernel table with the work cut over the pool.
 *
 * A tensor here is (T, C): T rows (tokens), C columns, rows ld floats apart.  Results live in
 * the step arena until the next rg_ops_reset.  rg_ops_reserve makes room once per step; the
 * ops themselves cannot fail.  Shapes are checked when the model is built; ops assert them.
 *
 * Two paths give a linear its values: the quantised one (activations in 8 bits, integer dots)
 * and `exact` (every weight as its f32 value, float activations), which defines the model. */
#ifndef RUNG_TENSOR_OPS_H
#define RUNG_TENSOR_OPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rung/base/api.h"
#include "rung/base/mem.h"
#include "rung/base/pool.h"
#include "rung/kernel/kernel.h"
#include "rung/tensor/weights.h"

RG_API_BEGIN

typedef struct rg_tensor {
    float *x;
    size_t T, C, ld;
} rg_tensor;

typedef struct rg_ops rg_ops;

/* k and pool are borrowed.  scratch_bytes: what the largest op needs per thread
 * (rg_ops_scratch_bytes and the caller's own kernels). */
rg_status rg_ops_new(rg_ops **out, const rg_kernels *k, rg_pool *pool, bool exact,
                  size_t scratch_bytes, rg_err *e);
void      rg_ops_free(rg_ops *o);
void      rg_ops_reset(rg_ops *o);
/* What was made since the mark is dropped; a layer's temporaries live one layer. */
size_t    rg_ops_mark(const rg_ops *o);
void      rg_ops_rewind(rg_ops *o, size_t mark);
rg_status rg_ops_reserve(rg_ops *o, size_t bytes, rg_err *e);
const rg_kernels *rg_ops_kernels(const rg_ops *o);
rg_pool          *rg_ops_pool(const rg_ops *o);
bool              rg_ops_exact(const rg_ops *o);
void             *rg_ops_scratch(const rg_ops *o, size_t thread);
size_t            rg_ops_peak(const rg_ops *o);     /* bytes of the step arena */

/* Upper bounds for planning: a (T, C) result; the activations of a linear with K inputs. */
size_t rg_ops_tensor_bytes(size_t T, size_t C);
size_t rg_ops_linear_bytes(size_t T, size_t K);
size_t rg_ops_scratch_bytes(size_t K);

rg_tensor rg_op_new(rg_ops *o, size_t T, size_t C);     /* ld = C rounded up to 16; not initialised */

/* Columns [from, from + C) of x, in place.                                         (T, C) */
rg_tensor rg_tensor_columns(rg_tensor x, size_t from, size_t C);

/* y[t] = E[id[t]]                                                                  (T, C) */
rg_tensor rg_op_embed(rg_ops *o, const rg_weight *E, const int32_t *id, size_t T);
/* y[i] = x[row[i]]                                                                 (n, C) */
rg_tensor rg_op_rows(rg_ops *o, rg_tensor x, const uint32_t *row, size_t n);
/* Root mean square norm over each row, gain w (C).                                 (T, C) */
rg_tensor rg_op_rmsnorm(rg_ops *o, rg_tensor x, const float *w, float eps);
/* x <- x + y, in place. */
void rg_op_add(rg_ops *o, rg_tensor x, rg_tensor y);
/* x <- x * s, in place. */
void rg_op_scale(rg_ops *o, rg_tensor x, float s);
/* y = silu(g) * u                                                                  (T, C) */
rg_tensor rg_op_silu_mul(rg_ops *o, rg_tensor g, rg_tensor u);
/* y = gelu(g) * u, the tanh form                                                   (T, C) */
rg_tensor rg_op_gelu_mul(rg_ops *o, rg_tensor g, rg_tensor u);
/* y[j] = x W[j]^T + b[j] for n matrices over one input, in one region; b[j] (R) may be NULL.
 * x (T, K), W[j] (R[j], K), y[j] (T, R[j]). */
void rg_op_linear(rg_ops *o, rg_tensor *y, rg_tensor x, const rg_weight *const *W,
                  const float *const *b, size_t n);

RG_API_END
#endif
