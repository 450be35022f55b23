/* test.h - what every test file needs: cmocka, and the data folder that may be missing. */
#ifndef RUNG_TEST_H
#define RUNG_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rung/base/err.h"

#define TEST(name) static void name(void **state __attribute__((unused)))
#define CHECK(x) assert_true(x)
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* The call succeeded, or the test fails with the library's own sentence. */
#define OK(call, e)                                                   \
    do {                                                              \
        if ((call) != RG_OK)                                          \
            fail_msg("%s: %s", #call, (e).msg);                       \
    } while (0)

/* Path under RUNG_DATA (default ../shared/data from the repository root); NULL and a visible
 * note when it is not there: then call skip(). */
static inline const char *test_data(const char *rel)
{
    static char path[4096];
    const char *root = getenv("RUNG_DATA");
    if (root && *root)
        snprintf(path, sizeof path, "%s/%s", root, rel);
    else
        snprintf(path, sizeof path, "%s/../shared/data/%s", RG_SOURCE_ROOT, rel);
    FILE *f = fopen(path, "rb");
    if (!f) {
        print_message("[  NOTE    ] no %s: set RUNG_DATA\n", path);
        return NULL;
    }
    fclose(f);
    return path;
}

/* Path of a committed test file: tests/data/... */
static inline const char *test_file(const char *rel)
{
    static char path[4096];
    snprintf(path, sizeof path, "%s/tests/data/%s", RG_SOURCE_ROOT, rel);
    return path;
}

/* Path of a pulled model, or NULL and a visible note. */
static inline const char *test_model(const char *name)
{
    static char path[4096];
    const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (xdg && *xdg)
        snprintf(path, sizeof path, "%s/rung/models/%s.gguf", xdg, name);
    else
        snprintf(path, sizeof path, "%s/.cache/rung/models/%s.gguf", home ? home : "/root", name);
    FILE *f = fopen(path, "rb");
    if (!f) {
        print_message("[  NOTE    ] model %s is not here: rung model pull %s\n", name, name);
        return NULL;
    }
    fclose(f);
    return path;
}

#endif
