/* program.h - runs the program under test and keeps what it said. */
#ifndef RUNG_TEST_PROGRAM_H
#define RUNG_TEST_PROGRAM_H

#include <sys/wait.h>

#include "test.h"

typedef struct said {
    int  code;          /* exit code; 128 + signal when it was killed */
    char out[1 << 19], err[65536];
} said;

static inline void program_slurp(char *to, size_t size, const char *path)
{
    FILE  *f = fopen(path, "rb");
    size_t n = f ? fread(to, 1, size - 1, f) : 0;
    to[n] = '\0';
    if (f)
        fclose(f);
}

/* Shell text; redirections in it win over ours. */
static inline said shell(const char *text)
{
    static said s;
    char        dir[] = "/tmp/rung-test-cli-XXXXXX", command[20000], path[64];
    if (!mkdtemp(dir))
        fail_msg("no folder in /tmp");
    snprintf(command, sizeof command, "{ %s; } >%s/out 2>%s/err </dev/null", text, dir, dir);
    const int status = system(command);
    s.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    snprintf(path, sizeof path, "%s/out", dir);
    program_slurp(s.out, sizeof s.out, path);
    snprintf(path, sizeof path, "%s/err", dir);
    program_slurp(s.err, sizeof s.err, path);
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    if (system(command) != 0)
        fail_msg("cannot remove %s", dir);
    return s;
}

/* The program with these arguments. */
static inline said program(const char *args)
{
    char text[16384];
    snprintf(text, sizeof text, "'%s' %s", RUNG_BIN, args);
    return shell(text);
}

static inline size_t program_lines(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += *text == '\n';
    return n;
}

#endif
