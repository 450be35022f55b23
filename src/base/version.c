/* version.c - the version as text; tests compare it with the build's and the package's. */
#include "rung/base/version.h"

const char *rg_version(void)
{
    return RG_VERSION;
}
