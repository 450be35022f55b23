/* machine.h - what the engine finds on this machine: the part of `rung doctor` that is about
 * speed and room. */
#ifndef RUNG_LM_MACHINE_H
#define RUNG_LM_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rung/base/api.h"

RG_API_BEGIN

typedef struct rg_machine {
    char        cpu[96];            /* the processor's name; "" = unknown */
    const char *level;              /* of the kernels: "ref", "avx2", "avx512" */
    bool        vnni, bf16, gfni;
    size_t      threads;            /* that the process may run on */
    uint64_t    memory_total, memory_free;      /* bytes; 0 = unknown */
    char        huge_pages[16];     /* "always", "madvise", "never"; "" = unknown */
} rg_machine;

void rg_machine_look(rg_machine *m);        /* never fails; what cannot be known stays empty */

RG_API_END
#endif
