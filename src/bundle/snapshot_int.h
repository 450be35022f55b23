/* snapshot_int.h - one snapshot of the hub cache: what lies in it, what should, what of it is
 * the model. */
#ifndef RUNG_BUNDLE_SNAPSHOT_INT_H
#define RUNG_BUNDLE_SNAPSHOT_INT_H

#include <jansson.h>

#include "source_int.h"

typedef struct rg__snapshot {
    const char *root; /* of the cache: nothing outside it is read */
    char *dir;
    json_t *tree;   /* "path": {"size", "lfs_size", ...}, or NULL: not known */
    char **name;    /* files, relative to dir, one folder deep; sorted */
    size_t n;
} rg__snapshot;

rg_status rg__snapshot_open(rg__snapshot *x, const char *repo_dir, const char *commit, rg_err *e);
void rg__snapshot_close(rg__snapshot *x);

/* The path to open: `file`, or the GGUF file that `quant` names (empty: Q4_K_M, else the first), or
 * where there is no GGUF file the folder itself.  All files that it needs are there, of the
 * right size, and inside the cache; else RG_EARG names what is missing. */
rg_status rg__snapshot_choose(char **path, const rg__snapshot *x, const char *file, rg_str quant, rg_err *e);

#endif
