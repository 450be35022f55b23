/* What a loaded model and its work hold in memory: the resident set of a process of its own. */
#include <sys/wait.h>
#include <unistd.h>

#include "tiny.h"

static double status_mib(const char *line_format)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[256];
    long kib = -1;
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, line_format, &kib) == 1)
            break;
    if (f != NULL)
        fclose(f);
    return (double)kib / 1024;
}

static double resident_mib(void)
{
    return status_mib("VmRSS: %ld kB");
}

/* Without pages of the mapped file: rows of the embedding come in as they are looked up and go
 * again every few steps. */
static double own_mib(void)
{
    return status_mib("RssAnon: %ld kB");
}

typedef struct report {          /* MiB */
    double file, before, loaded; /* resident */
    double warm, after;          /* own, behind some and behind all of the work */
    double most;                 /* resident, behind any round after the warm ones */
} report;

/* 4 continuations of 16 tokens of one prompt, all released. */
static bool generate_once(rg_lm *lm, uint64_t round)
{
    static const rg_sampling sampling = RG_SAMPLING_DEFAULTS;
    rg_err e = RG_ERR_INIT;
    int32_t id[48];
    rg_gen job[4];
    kept k[4] = { 0 };
    for (size_t i = 0; i < COUNT(id); i++)
        id[i] = (int32_t)(10 + (i * 7 + round) % 240);
    rg_lm_node *node;
    if (rg_lm_node_for(&node, lm, NULL, id, COUNT(id), &e) != RG_OK)
        return false;
    for (size_t i = 0; i < COUNT(job); i++)
        job[i] = (rg_gen){
            .from = node, .sampling = &sampling, .stream = 4 * round + i, .max_tokens = 16, .ignore_end = true
        };
    const rg_status s = rg_lm_generate(lm, job, COUNT(job), keep, k, NULL, &e);
    for (size_t i = 0; i < COUNT(k); i++)
        rg_lm_release(k[i].node);
    rg_lm_release(node);
    return s == RG_OK;
}

static bool work(report *r, const char *path, size_t threads, size_t rounds)
{
    enum { WARM = 20 };
    rg_err e = RG_ERR_INIT;
    rg_engine *x;
    const rg_engine_opt o = { .model = path, .threads = threads };
    r->before = resident_mib();
    if (rg_engine_open(&x, &o, NULL, &e) != RG_OK)
        return false;
    r->loaded = resident_mib();
    r->file = (double)rg_bundle_file_bytes(rg_engine_bundle(x)) / 0x1p20;
    bool ok = true;
    for (size_t i = 0; i < rounds && ok; i++) {
        ok = generate_once(rg_engine_lm(x), i);
        if (i + 1 == WARM)
            r->warm = own_mib();
        if (i + 1 >= WARM && resident_mib() > r->most)
            r->most = resident_mib();
    }
    r->after = own_mib();
    rg_engine_close(x);
    return ok;
}

/* In a child of its own, so that nothing else in this program counts. */
static report in_child(const char *path, size_t threads, size_t rounds)
{
    report r = { 0 };
    int fd[2];
    CHECK(pipe(fd) == 0);
    const pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        const bool ok = work(&r, path, threads, rounds);
        _exit(ok && write(fd[1], &r, sizeof r) == sizeof r ? 0 : 1);
    }
    close(fd[1]);
    CHECK(read(fd[0], &r, sizeof r) == sizeof r);
    close(fd[0]);
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    print_message("# file %.1f MiB, resident: %.1f before, %.1f loaded, %.1f most; own: %.1f warm, %.1f "
                  "after %zu rounds\n",
                  r.file, r.before, r.loaded, r.most, r.warm, r.after, rounds);
    return r;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

static bool sanitized(void)
{
    if (SANITIZED)
        print_message("[  NOTE    ] a sanitizer's shadow would be counted too\n");
    return SANITIZED;
}

TEST(a_small_model_loaded_is_its_file_and_little_more)
{
    const char *path = test_model("smollm2-135m");
    if (path == NULL || sanitized())
        skip();
    const size_t rounds = getenv("RUNG_TEST_LONG") != NULL ? 1000 : 200;
    const report r = in_child(path, 2, rounds);
    CHECK(r.loaded <= r.file + 24);
    CHECK(r.after <= r.warm + 0.5); /* nothing grows with the work done */
    CHECK(r.most <= r.warm + 12);   /* libraries, the header, rows looked up lately: measured 6.7 */
}

TEST(a_larger_model_loaded_is_its_file_and_fifteen_percent)
{
    const char *path = test_model("qwen2.5-coder-0.5b");
    if (path == NULL || sanitized())
        skip();
    const report r = in_child(path, 2, 0);
    CHECK(r.loaded <= r.file * 1.15);
}

TEST(ten_thousand_tiny_generations_leave_nothing)
{
    if (sanitized())
        skip();
    const report r = in_child(tiny_path("llama_norm", "gguf"), 1, 2500);
    CHECK(r.after <= r.warm + 0.5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_model_loaded_is_its_file_and_little_more),
        cmocka_unit_test(a_larger_model_loaded_is_its_file_and_fifteen_percent),
        cmocka_unit_test(ten_thousand_tiny_generations_leave_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
