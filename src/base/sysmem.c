/* sysmem.c - how much memory is left for us, by the system's books and the control group's; and
 * keeping some of it from being swapped. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "rung/base/mem.h"

static uint64_t meminfo(void)
{
    FILE *f = fopen("/proc/meminfo", "re");
    if (f == NULL)
        return 0;
    char line[256];
    uint64_t kib = 0;
    while (fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "MemAvailable: %" SCNu64 " kB", &kib) == 1)
            break;
    fclose(f);
    return kib << 10;
}

/* A file with one number; false for "max", for a missing file and for anything else. */
static bool read_number(const char *path, uint64_t *out)
{
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return false;
    const bool ok = fscanf(f, "%" SCNu64, out) == 1;
    fclose(f);
    return ok;
}

/* The group's own path under its controller's mount; a container sees itself at the root. */
static uint64_t group_left(const char *root, const char *group, const char *limit, const char *usage)
{
    char path[1024];
    uint64_t max, used;
    snprintf(path, sizeof path, "%s%s/%s", root, group, limit);
    if (!read_number(path, &max))
        return UINT64_MAX;
    snprintf(path, sizeof path, "%s%s/%s", root, group, usage);
    if (!read_number(path, &used))
        return UINT64_MAX;
    return max > used ? max - used : 1;
}

static uint64_t cgroup(void)
{
    uint64_t left = UINT64_MAX;
    FILE *f = fopen("/proc/self/cgroup", "re");
    if (f == NULL)
        return left;
    char line[512];
    while (fgets(line, sizeof line, f) != NULL) {
        char *names = strchr(line, ':'), *group = names == NULL ? NULL : strchr(names + 1, ':');
        if (group == NULL)
            continue;
        *group++ = '\0';
        group[strcspn(group, "\n")] = '\0';
        const char *where[2] = { strcmp(group, "/") == 0 ? "" : group, "" };
        for (int i = 0; i < 2; i++) {
            const uint64_t n = names[1] == '\0'
                                   ? group_left("/sys/fs/cgroup", where[i], "memory.max", "memory.current")
                               : strcmp(names + 1, "memory") == 0
                                   ? group_left("/sys/fs/cgroup/memory", where[i], "memory.limit_in_bytes",
                                                "memory.usage_in_bytes")
                                   : UINT64_MAX;
            left = RG_MIN(left, n);
        }
    }
    fclose(f);
    return left;
}

uint64_t rg_memory_available(void)
{
    const uint64_t system = meminfo(), group = cgroup();
    return system == 0 ? (group == UINT64_MAX ? 0 : group) : RG_MIN(system, group);
}

rg_status rg_memory_lock(const void *p, size_t size, const char *what, rg_err *e)
{
    char limit[64] = "unlimited";
    struct rlimit r;
    if (mlock(p, size) == 0)
        return RG_OK;
    const int why = errno;
    if (getrlimit(RLIMIT_MEMLOCK, &r) == 0 && r.rlim_cur != RLIM_INFINITY)
        snprintf(limit, sizeof limit, "%" PRIu64 " KiB", (uint64_t)r.rlim_cur >> 10);
    RG_FAIL(e, RG_ELIMIT,
            "%s (%zu KiB) cannot be locked into memory (%s): the limit is %s; raise it with "
            "`ulimit -l unlimited` (of a service: LimitMEMLOCK=infinity) or leave --mlock away",
            what, size >> 10, strerror(why), limit);
}

void rg_memory_unlock(const void *p, size_t size)
{
    if (size > 0)
        munlock(p, size);
}
