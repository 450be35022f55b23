/* numtype.h - the table of number formats that tensors are stored in.
 *
 * Ids are GGUF's.  A quantised format packs `block` consecutive elements of a row into
 * `bytes` bytes; a row's length is a multiple of `block`. */
#ifndef RUNG_BASE_NUMTYPE_H
#define RUNG_BASE_NUMTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rung/base/api.h"

RG_API_BEGIN

typedef enum rg_type {
    RG_F32 = 0, RG_F16 = 1, RG_Q4_0 = 2, RG_Q4_1 = 3, RG_Q5_0 = 6, RG_Q5_1 = 7, RG_Q8_0 = 8,
    RG_Q8_1 = 9, RG_Q2_K = 10, RG_Q3_K = 11, RG_Q4_K = 12, RG_Q5_K = 13, RG_Q6_K = 14,
    RG_Q8_K = 15, RG_IQ4_NL = 20, RG_IQ4_XS = 23, RG_I8 = 24, RG_I16 = 25, RG_I32 = 26, RG_I64 = 27, RG_F64 = 28, RG_BF16 = 30,
    RG_TYPE_END = 40
} rg_type;

typedef struct rg_type_info {
    const char *name;       /* "Q4_K"; NULL = no such id */
    uint32_t    block;      /* elements per block, 1 for plain formats; 0 = removed id */
    uint32_t    bytes;      /* bytes per block */
    bool        runs;       /* the engine can compute with it */
} rg_type_info;

/* Never NULL; for an id the table does not know, name is NULL. */
const rg_type_info *rg_type_info_of(uint32_t id);

/* Bytes of n elements in a row, or false when n is not a multiple of the block or it wraps. */
bool rg_type_row_bytes(uint64_t *out, uint32_t id, uint64_t n);

RG_API_END
#endif
