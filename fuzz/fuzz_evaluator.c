/* Any bytes given as code end in output or a fault with a sentence, within the budget. */
#include <stdint.h>
#include <stdlib.h>

#include "rung/sandbox/evaluator.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rg_eval *v = NULL;
    rg_buf out = RG_BUF_MAX(1 << 16);
    rg_eval_fault fault;
    if (rg_eval_new(&v, NULL) != RG_OK)
        return 0;
    for (int round = 0; round < 2; round++) { /* the second time with the variables of the first */
        const rg_str code = rg_str_n((const char *)data, size);
        if (rg_eval_run(v, code, round > 0, 20000, &out, &fault, NULL) == RG_OK && fault.type[0] &&
            fault.message[0] == '\0')
            abort();
    }
    rg_buf_free(&out);
    rg_eval_free(v);
    return 0;
}
