/* Any file of records ends in problems or one sentence. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "rung/format/records.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_all(const char *path, const char *fields)
{
    rg_problems *p = NULL;
    rg_err e = RG_ERR_INIT;
    if (rg_problems_read(&p, path, fields, 0, SIZE_MAX, &e) != RG_OK) {
        if (p != NULL || e.msg[0] == '\0')
            abort();
        return;
    }
    for (size_t i = 0; i < rg_problems_n(p); i++)
        if (!rg_problems_at(p, i)->id || !rg_problems_at(p, i)->text)
            abort();
    rg_problems_free(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/tmp/rung-fuzz-records-%ld", (long)getpid());
    FILE *f = fopen(path, "wb");
    if (!f)
        return 0;
    fwrite(data, 1, size, f);
    fclose(f);
    read_all(path, NULL);
    read_all(path, "problem=a,answer=b");
    unlink(path);
    return 0;
}
