/* machine.c - see machine.h. */
#include "rung/lm/machine.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "rung/base/mem.h"
#include "rung/base/pool.h"
#include "rung/kernel/kernel.h"

/* The text behind ": " of the first line that begins with key. */
static void cpu_name(char *out, size_t size)
{
    char line[256];
    FILE *f = fopen("/proc/cpuinfo", "r");
    out[0] = '\0';
    while (f && out[0] == '\0' && fgets(line, sizeof line, f)) {
        const char *value = strncmp(line, "model name", 10) == 0 ? strchr(line, ':') : NULL;
        if (value)
            snprintf(out, size, "%.*s", (int)strcspn(value + 1, "\n"), value + 1 + (value[1] == ' '));
    }
    if (f)
        fclose(f);
    out[strcspn(out, "\n")] = '\0';
}

/* The word in brackets: always [madvise] never. */
static void huge_pages(char *out, size_t size)
{
    char line[128] = "";
    FILE *f = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "r");
    const char *from = f && fgets(line, sizeof line, f) ? strchr(line, '[') : NULL;
    if (from)
        snprintf(out, size, "%.*s", (int)strcspn(from + 1, "]"), from + 1);
    if (f)
        fclose(f);
}

void rg_machine_look(rg_machine *m)
{
    *m = (rg_machine){ .level = rg_isa_name(rg_isa_best()), .threads = rg_cpu_count() };
    const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    cpu_name(m->cpu, sizeof m->cpu);
    huge_pages(m->huge_pages, sizeof m->huge_pages);
    m->memory_total = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
    m->memory_free = rg_memory_available();
#if defined(__x86_64__)
    __builtin_cpu_init();
    m->vnni = __builtin_cpu_supports("avx512vnni");
    m->bf16 = __builtin_cpu_supports("avx512bf16");
    m->gfni = __builtin_cpu_supports("gfni");
#endif
}
