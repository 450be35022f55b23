/* mm_common.h - what the unpackers of both vector levels share. */
#ifndef RUNG_MM_COMMON_H
#define RUNG_MM_COMMON_H

#include <immintrin.h>

#include "mm_int.h"

#define RG__INLINE inline __attribute__((always_inline))

/* Bytes ahead of the line in use: past a 4 KB page the hardware streamer does not look. */
#define RG__AHEAD 4096

static RG__INLINE void prefetch(const uint8_t *p)
{
    _mm_prefetch((const char *)p, _MM_HINT_T0);
}

/* The lines of block b that pair() does not prefetch: scales in front of the unit, bit planes. */
static RG__INLINE void prefetch_head(const uint8_t *unit, rg__layout L, size_t b)
{
    const size_t head = L.high_bits ? L.high : L.low;
    if (b == 0)
        for (size_t at = 0; at < head; at += 64)
            prefetch(unit + at + RG__AHEAD);
    for (size_t at = 0; L.high_bits && at < (size_t)(L.low - L.high); at += 64)
        prefetch(unit + L.high + b * L.high_step + at + RG__AHEAD);
}

/* Every quantised type but Q8_0, whose panels are whole bytes already. */
#define RG__PACKED_TYPES(X)                                                                                  \
    X(Q4_0)                                                                                                  \
    X(Q4_1)                                                                                                  \
    X(Q5_0) X(Q5_1) X(Q2_K) X(Q3_K) X(Q4_K) X(Q5_K) X(Q6_K) X(IQ4_NL) X(IQ4_XS)

/* How a tile reads a run of rg__block: as whole bytes, scales ready. */
static RG__INLINE rg__layout expanded(rg__layout L)
{
    L.k = 256;
    L.bytes = 8 * sizeof(rg__block);
    L.low = 0;
    L.low_step = sizeof(rg__block);
    L.d_step = sizeof(rg__block);
    L.low_bits = 8;
    L.high_bits = 0;
    L.codebook = false;
    return L;
}

#endif
