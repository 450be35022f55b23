/* file.h - whole files: mapped, read with a limit, or written so that no half file ever
 * stands under the final name. */
#ifndef RUNG_BASE_FILE_H
#define RUNG_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "rung/base/api.h"
#include "rung/base/buf.h"
#include "rung/base/err.h"

RG_API_BEGIN

typedef struct rg_map {
    const uint8_t *data;    /* NULL when size == 0 */
    size_t         size;    /* bytes, from fstat on the opened descriptor */
} rg_map;

rg_status rg_map_open(rg_map *m, const char *path, rg_err *e);     /* regular files only */
void      rg_map_close(rg_map *m);
/* The pages of [off, off+n) may leave memory; they come back from the file when touched. */
void      rg_map_release(const rg_map *m, size_t off, size_t n);

/* The whole of a file or stream, at most max bytes (RG_ELIMIT past it), terminated.  "-" = stdin. */
rg_status rg_read_all(char **out, size_t *n, const char *path, size_t max, rg_err *e);

/* Temporary file in the same directory, fsync, rename, fsync of the directory. */
rg_status rg_write_atomic(const char *path, const void *p, size_t n, rg_err *e);

/* Lines of any length up to max bytes.  *line is valid until the next call, without its
 * newline; *had_newline says whether there was one (a torn last line has none).
 * At the end: RG_OK with line->p == NULL. */
typedef struct rg_lines rg_lines;
rg_status rg_lines_open(rg_lines **out, const char *path, size_t max, rg_err *e);
rg_status rg_lines_next(rg_lines *l, rg_str *line, size_t *number, bool *had_newline, rg_err *e);
void      rg_lines_close(rg_lines *l);

bool      rg_path_exists(const char *path);
bool      rg_path_is_dir(const char *path);
rg_status rg_mkdirs(const char *path, rg_err *e);                   /* like mkdir -p, mode 0700 */
/* $XDG_CACHE_HOME/rung/<sub> (or ~/.cache/rung/<sub>); yours to rg_free. */
rg_status rg_cache_path(char **out, const char *sub, rg_err *e);

/* Hex SHA-256 (64 digits and a terminator). */
rg_status rg_sha256_file(char out[65], const char *path, rg_err *e);
rg_status rg_sha256(char out[65], const void *p, size_t n, rg_err *e);

RG_API_END
#endif
