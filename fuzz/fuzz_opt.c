/* Any arguments and any config file end in settings or one sentence. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rung/base/opt.h"

typedef struct any {
    int64_t i;
    double f;
    bool b;
    const char *s;
    int c;
    rg_opt_list l;
} any;

static const rg_opt any_opts[] = {
    { "int", "i", RG_OPT_INT, offsetof(any, i), "1", -9, 9, NULL, "N", "" },
    { "float", "f", RG_OPT_FLOAT, offsetof(any, f), NULL, 0, 0, NULL, "F", "" },
    { "bool", "b", RG_OPT_FLAG, offsetof(any, b), NULL, 0, 0, NULL, NULL, "" },
    { "str", "s,st", RG_OPT_STR, offsetof(any, s), NULL, 0, 0, NULL, NULL, "" },
    { "choice", "c", RG_OPT_ENUM, offsetof(any, c), "x", 0, 0, "x,yy", NULL, "" },
    { "list", "l", RG_OPT_LIST, offsetof(any, l), NULL, 0, 0, NULL, NULL, "" },
    { 0 },
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { MAX_ARGS = 16 };
    static char config[64], flag[] = "--config";
    any a;
    rg_opt_group g = { "Any", any_opts, &a };
    rg_opts *o = NULL;
    rg_opt_list pos;
    rg_err e = RG_ERR_INIT;
    char *argv[MAX_ARGS + 2];
    int argc = 0;
    if (size < 1)
        return 0;
    char *text = malloc(size);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    if (data[0] & 1) { /* a config file */
        snprintf(config, sizeof config, "/tmp/rung-fuzz-opt-%ld", (long)getpid());
        FILE *f = fopen(config, "wb");
        fwrite(text, 1, size - 1, f);
        fclose(f);
        argv[argc++] = flag;
        argv[argc++] = config;
    } else { /* arguments, one a line */
        for (char *p = strtok(text, "\n"); p && argc < MAX_ARGS; p = strtok(NULL, "\n"))
            if (strncmp(p, "--config", 8) != 0)
                argv[argc++] = p;
    }
    if (rg_opts_parse(&o, &g, 1, argc, argv, &pos, &e) == RG_OK) {
        rg_buf b = RG_BUF_MAX(1 << 16);
        rg_opts_config(&b, &g, 1);
        rg_opts_json(&b, &g, 1);
        rg_buf_free(&b);
    } else if (e.msg[0] == '\0') {
        abort(); /* a refusal without a sentence */
    }
    rg_opts_free(o);
    free(text);
    return 0;
}
