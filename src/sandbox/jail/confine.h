/* confine.h - the walls that a process can put around itself, used by jail.c and session.c.
 * Each returns 0 or an errno. */
#ifndef RUNG_SANDBOX_CONFINE_H
#define RUNG_SANDBOX_CONFINE_H

#include <stddef.h>
#include <stdint.h>

#include "jail.h"

int confine_write(int dir, const char *path, const char *text);     /* one write; for files of /proc */
/* Maps our own uid and gid, and no other, to JAIL_INSIDE_ID in the user namespace we just made. */
int confine_map_ids(int proc, unsigned uid, unsigned gid);
int confine_drop_capabilities(void);
int confine_limits(uint64_t memory_bytes, unsigned threads);        /* threads 0 = not limited */
/* Read below each of paths, read and write below work, nothing else.  *abi = what the kernel has. */
int confine_landlock(const char *const *paths, size_t n, const char *work, int *abi);
int confine_seccomp(const void *filter, size_t bytes);              /* an array of struct sock_filter */

#endif
