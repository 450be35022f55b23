/* rng.h - randomness as a value: (stream, index, purpose) -> bits.
 *
 * Counter-based, so a draw does not depend on batch, threads, resumption or on which other
 * candidates exist.  A stream is a hash of (run seed, problem id, child indices from the
 * root); strategy, N, batch and threads never enter.
 * Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011 (Philox4x32-10). */
#ifndef RUNG_BASE_RNG_H
#define RUNG_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

#include "rung/base/api.h"

RG_API_BEGIN

typedef enum rg_purpose {
    RG_DRAW_TOKEN = 0,      /* which token is sampled */
    RG_DRAW_CHOICE = 1,     /* a strategy's own choice */
    RG_DRAW_NOISE = 2,      /* mocks and tests */
    RG_DRAW_INIT = 3        /* weights */
} rg_purpose;

void rg_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]);

uint64_t rg_draw_u64(uint64_t stream, uint64_t index, rg_purpose purpose);
double   rg_draw_uniform(uint64_t stream, uint64_t index, rg_purpose purpose);  /* [0, 1), 53 bits */
double   rg_draw_normal(uint64_t stream, uint64_t index, rg_purpose purpose);   /* mean 0, sd 1 */

/* The root stream of a problem, and the stream of a node's child. */
uint64_t rg_stream_root(uint64_t seed, const void *id, size_t id_bytes);
uint64_t rg_stream_child(uint64_t parent, uint64_t child_index);

/* XXH3-64 of bytes; stable across machines and versions. */
uint64_t rg_hash64(const void *p, size_t n, uint64_t seed);

RG_API_END
#endif
