/* fuzz_safetensors.c - any bytes as a safetensors file: every tensor of what opens is looked at,
 * and found by its name. */
#include <stdlib.h>

#include "rung/format/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rg_safet *s;
    volatile unsigned sum = 0;
    uint64_t end = 0;
    if (rg_safet_open_memory(&s, data, size, NULL) != RG_OK)
        return 0;
    for (size_t i = 0; i < rg_safet_n(s); i++) {
        const rg_safet_tensor *t = rg_safet_at(s, i);
        const uint8_t *p = t->data;
        if (t->bytes > 0)
            sum += p[0] + (unsigned)p[t->bytes - 1];
        if (rg_safet_find(s, t->name.p) != t || (i > 0 && t->offset != end))
            abort();
        end = t->offset + t->bytes;
    }
    if (rg_safet_n(s) > 0 && end != size)
        abort();
    rg_safet_close(s);
    return 0;
}
