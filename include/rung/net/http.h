/* http.h - one bounded download over HTTPS, or plain HTTP from a loopback address. */
#ifndef RUNG_NET_HTTP_H
#define RUNG_NET_HTTP_H

#include <stdint.h>

#include "rung/base/api.h"
#include "rung/base/call.h"
#include "rung/base/err.h"

RG_API_BEGIN

/* Writes what `url` answers to `path` and gives the file's final size in *size (may be NULL).
 *
 * resume_from   bytes at the start of path that are good already (0 = start afresh); the rest
 *               of the file is cut off, and a server that cannot resume sends all of it again
 * max_bytes     the file is never longer than this: RG_ELIMIT
 *
 * Plain http is accepted from loopback addresses only.  A redirect may lead to https, or from
 * loopback to loopback; five at most.  A connection must stand within 5 s; less than 1 KiB/s
 * for 30 s is a failure.  Progress goes to call's sink (value = bytes in the file, total = 0
 * when unknown), cancel and deadline are looked at once a second and more often under load.
 *
 * RG_EREMOTE (network, status, broken transfer), RG_EIO and RG_ELIMIT (disk), RG_EARG (URL),
 * RG_ECANCEL.  After a failure path holds the bytes so far, good for resume_from; messages
 * never carry a URL's user part or query. */
rg_status rg_http_get_to_file(uint64_t *size, const char *url, const char *path, uint64_t resume_from,
                              uint64_t max_bytes, const rg_call *call, rg_err *e);

RG_API_END
#endif
