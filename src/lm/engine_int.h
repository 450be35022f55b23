/* engine_int.h - the engine's parts, for the benchmark. */
#ifndef RUNG_ENGINE_INT_H
#define RUNG_ENGINE_INT_H

#include "rung/lm/engine.h"

struct rg_engine {
    rg_kernels k;
    rg_pool   *pool;
    bool       own_pool;
    rg_bundle *b;
    rg_lm     *lm;
};

#endif
