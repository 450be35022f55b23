/* weights.h - weights by name: as the file stores them, and packed for the matrix kernels.
 *
 * A weight borrows its source bytes (a mapped file).  Panels are a cache of the source and
 * carry its version; whoever changes a source bumps the version and packs again.  Matrices
 * are (R, K): R outputs, K inputs, rows contiguous; vectors are (1, K). */
#ifndef RUNG_TENSOR_WEIGHTS_H
#define RUNG_TENSOR_WEIGHTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rung/base/api.h"
#include "rung/base/err.h"
#include "rung/base/pool.h"
#include "rung/kernel/kernel.h"

RG_API_BEGIN

typedef struct rg_weight {
    char       *name;
    uint32_t    type;           /* an rg_type */
    size_t      R, K;
    size_t      row_bytes;
    const void *src;            /* borrowed */
    uint64_t    version;        /* of src */
    rg_panels   panels;         /* .data NULL until packed */
    uint64_t    panels_version; /* of src when it was packed */
    float      *vec;            /* (R, K) floats of a vector or a small matrix, or NULL */
} rg_weight;

typedef struct rg_weights rg_weights;

rg_status rg_weights_new(rg_weights **out, rg_err *e);
void      rg_weights_free(rg_weights *ws);              /* NULL is fine */

/* type must run and K be a multiple of its block (RG_EFORMAT names the tensor otherwise). */
rg_status rg_weights_add(rg_weights *ws, const char *name, uint32_t type, size_t R, size_t K,
                         const void *src, rg_err *e);
size_t     rg_weights_n(const rg_weights *ws);
rg_weight *rg_weights_at(rg_weights *ws, size_t i);
rg_weight *rg_weights_find(rg_weights *ws, const char *name);       /* NULL = absent */

/* The weight called name with exactly this shape, or RG_EFORMAT with both shapes. */
rg_status rg_weights_get(rg_weight **out, rg_weights *ws, const char *name, size_t R, size_t K, rg_err *e);
/* The same as R x K floats, kept in w->vec: what no panel kernel reads (a small head). */
rg_status rg_weights_floats(const float **out, rg_weights *ws, const char *name, size_t R, size_t K, rg_err *e);
/* The same for a vector. */
rg_status rg_weights_vector(const float **out, rg_weights *ws, const char *name, size_t K, rg_err *e);

/* Packs n weights with all threads into one block.  After each, packed(arg, w) is called, so
 * that the owner of the source can let its pages go. */
rg_status rg_weights_pack(rg_weights *ws, rg_weight *const *list, size_t n, rg_pool *pool,
                          void (*packed)(void *arg, const rg_weight *w), void *arg, rg_err *e);

/* Keeps the packed weights in memory (rg_memory_lock). */
rg_status rg_weights_lock(rg_weights *ws, rg_err *e);

/* One row as floats (embedding look-up). */
void rg_weight_row(float *y, const rg_weight *w, size_t row);

RG_API_END
#endif
