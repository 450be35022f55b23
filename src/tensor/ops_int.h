/* ops_int.h - what the files of the tensor room share. */
#ifndef RUNG_OPS_INT_H
#define RUNG_OPS_INT_H

#include "rung/tensor/ops.h"

struct rg_ops {
    const rg_kernels *k;
    rg_pool          *pool;
    rg_arena         *step;
    bool              exact;
    char             *scratch;          /* n_scratch pieces of scratch_bytes */
    size_t            n_scratch, scratch_bytes;
};

#endif
