/* newfile.h - a large file, or a folder of files, that appears whole or not at all.
 *
 * Bytes go to a temporary file beside the final name; commit brings them to disk and renames.
 * The writer holds a lock on its temporary file, so a later writer of the same name can tell
 * one that a killed process left (it removes it) from one that is being written. */
#ifndef RUNG_BASE_NEWFILE_H
#define RUNG_BASE_NEWFILE_H

#include <stddef.h>
#include <stdint.h>

#include "rung/base/api.h"
#include "rung/base/err.h"

RG_API_BEGIN

typedef struct rg_newfile rg_newfile;

rg_status rg_newfile_open(rg_newfile **out, const char *path, rg_err *e);
/* RG_ELIMIT with both numbers when the file system has no room for `bytes` more. */
rg_status rg_newfile_room(const rg_newfile *f, uint64_t bytes, rg_err *e);
rg_status rg_newfile_write(rg_newfile *f, const void *p, size_t n, rg_err *e);
/* File on disk, renamed, folder on disk.  f is freed, also on an error: then nothing new stands
 * under the final name. */
rg_status rg_newfile_commit(rg_newfile *f, rg_err *e);
void      rg_newfile_abandon(rg_newfile *f);            /* NULL is fine */

/* The same for a folder: files are written into rg_newfolder_path (no folders), then commit
 * renames it.  Where a folder of that name stands it must be empty. */
typedef struct rg_newfolder rg_newfolder;

rg_status   rg_newfolder_open(rg_newfolder **out, const char *path, rg_err *e);
const char *rg_newfolder_path(const rg_newfolder *f);
rg_status   rg_newfolder_commit(rg_newfolder *f, rg_err *e);        /* frees f, also on an error */
void        rg_newfolder_abandon(rg_newfolder *f);                  /* NULL is fine */

/* RG_ELIMIT with both numbers when the file system of this folder has no room for `bytes` more;
 * `what` begins the sentence. */
rg_status rg_room_in(const char *folder, uint64_t bytes, const char *what, rg_err *e);

RG_API_END

#endif
