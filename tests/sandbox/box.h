/* box.h - what the sandbox's tests share: a sandbox or a visible skip, one program run in a
 * session of its own, processes and descriptors counted, and the same again as an ordinary user. */
#ifndef RUNG_TEST_BOX_H
#define RUNG_TEST_BOX_H

#include <dirent.h>
#include <grp.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rung/base/mem.h"
#include "rung/sandbox/sandbox.h"
#include "test.h"

enum { ORDINARY_UID = 12345 };

/* NULL after saying why: this machine cannot have level 3, or has no Python with sympy. */
static inline rg_sandbox *box_open(const rg_sandbox_opt *o)
{
    rg_err e = RG_ERR_INIT;
    rg_sandbox *b = NULL;
    const char *why = "";
    const rg_status s = rg_sandbox_open(&b, o, NULL, &e);
    if (s != RG_OK && s != RG_ESANDBOX)
        fail_msg("%s", e.msg);
    if (s == RG_OK && rg_sandbox_has_python(b, &why))
        return b;
    print_message("[  NOTE    ] no sandbox here, its tests are skipped: %s\n", s == RG_OK ? why : e.msg);
    rg_sandbox_close(b);
    return NULL;
}

/* Parent of a process, from /proc/PID/stat; 0 = gone. */
static inline long box_parent(long pid)
{
    char path[64], line[512];
    long parent = 0;
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    FILE *f = fopen(path, "r");
    if (f && fgets(line, sizeof line, f)) {
        const char *behind = strrchr(line, ')');
        if (behind == NULL || sscanf(behind + 1, " %*c %ld", &parent) != 1)
            parent = 0;
    }
    if (f)
        fclose(f);
    return parent;
}

/* Living descendants of this process. */
static inline size_t box_processes(void)
{
    size_t n = 0;
    DIR *d = opendir("/proc");
    for (struct dirent *x = d ? readdir(d) : NULL; x; x = readdir(d)) {
        long at = strtol(x->d_name, NULL, 10);
        for (int hop = 0; hop < 16 && at > 1; hop++) {
            at = box_parent(at);
            if (at == getpid()) {
                n++;
                break;
            }
        }
    }
    if (d)
        closedir(d);
    return n;
}

static inline size_t box_descriptors(void)
{
    size_t n = 0;
    DIR *d = opendir("/proc/self/fd");
    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n;
}

/* Processes come to an end a moment after their namespace does. */
static inline bool box_back_to(size_t processes)
{
    for (int i = 0; i < 300 && box_processes() > processes; i++)
        usleep(10000);
    return box_processes() <= processes;
}

/* One program in a session of its own; r is the caller's to free. */
static inline void box_run(rg_sandbox *b, const char *code, rg_ran *r)
{
    rg_err e = RG_ERR_INIT;
    rg_session *s;
    OK(rg_session_open(&s, b, 1, &e), e);
    OK(rg_session_run(s, rg_str_of(code), r, NULL, &e), e);
    rg_session_close(s);
}

/* fn as an ordinary user, in a child; its return value is the number of failures.  -1 = cannot. */
static inline int box_as_user(int (*fn)(void))
{
    int status = 0;
    fflush(stdout);
    const pid_t pid = fork();
    if (pid == 0) {
        if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setresgid(ORDINARY_UID, ORDINARY_UID, ORDINARY_UID) < 0 ||
                               setresuid(ORDINARY_UID, ORDINARY_UID, ORDINARY_UID) < 0))
            _exit(255);
        prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);     /* else our own /proc entries belong to root */
        const int bad = fn();
        fflush(stdout);
        _exit(bad > 200 ? 200 : bad);
    }
    if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
        return 254;
    return WEXITSTATUS(status) == 255 ? -1 : WEXITSTATUS(status);
}

#endif
