/* nolock.h - a while in which the system locks no memory for this process, whoever runs it. */
#ifndef RUNG_TEST_NOLOCK_H
#define RUNG_TEST_NOLOCK_H

#include <sys/resource.h>
#include <unistd.h>

#include "test.h"

enum { NOBODY = 65534 };

/* Sanitizers put a mlock that does nothing in the place of the system's: nothing to test then. */
static inline void nolock_or_skip(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    print_message("[  NOTE    ] a sanitizer stands before mlock\n");
    skip();
#endif
}

/* The limit is 0; the superuser, whom no limit binds, steps down. */
static inline struct rlimit nolock_begin(void)
{
    struct rlimit was, none;
    CHECK(getrlimit(RLIMIT_MEMLOCK, &was) == 0);
    none = was;
    none.rlim_cur = 0;
    CHECK(setrlimit(RLIMIT_MEMLOCK, &none) == 0);
    CHECK(geteuid() != 0 || seteuid(NOBODY) == 0);
    return was;
}

static inline void nolock_end(struct rlimit was)
{
    CHECK(getuid() != 0 || seteuid(0) == 0);
    CHECK(setrlimit(RLIMIT_MEMLOCK, &was) == 0);
}

#endif
