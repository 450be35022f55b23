/* version.h - which librung this is.  The library's soname follows RG_VERSION_MAJOR; while that
 * is 0 a minor version may change what a program was compiled against. */
#ifndef RUNG_BASE_VERSION_H
#define RUNG_BASE_VERSION_H

#include "rung/base/api.h"

RG_API_BEGIN

#define RG_VERSION_MAJOR 0
#define RG_VERSION_MINOR 1
#define RG_VERSION_PATCH 0
#define RG_VERSION "0.1.0"
#define RG_VERSION_DATE "2026-11-25"     /* of the release, in manual pages */

/* RG_VERSION of the library that is linked, which may be newer than the headers. */
const char *rg_version(void);

RG_API_END
#endif
