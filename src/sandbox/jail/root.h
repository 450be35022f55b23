/* root.h - the jail's own root directory. */
#ifndef RUNG_SANDBOX_ROOT_H
#define RUNG_SANDBOX_ROOT_H

#include "jail.h"

/* Makes a root of memory with the config's places in it, read-only, and session.so at
 * ROOT_SESSION; leaves the old root behind.  Needs a mount namespace of our own.
 * 0, or an errno with what it was about in *about. */
int root_enter(const jail_config *c, const void *session_so, const char **about);

#define ROOT_SESSION "/rung/session.so"

#endif
