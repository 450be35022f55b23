/* --problems F -o OUT.jsonl: killed at any moment and run again, it ends as if nothing had been. */
#include "json.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

#include "rung/base/rng.h"

enum { MAX_PROBLEMS = 400, MAX_OUT = 32 << 20 };

static char dir[64], model[4096];
static size_t n_problems;
static const char *settings; /* of the search */

static int setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/rung-resume-XXXXXX");
    return mkdtemp(dir) == NULL;
}

static int teardown(void **state)
{
    (void)state;
    char text[128];
    snprintf(text, sizeof text, "rm -r '%s'", dir);
    return system(text);
}

static void write_problems(size_t n)
{
    char path[128];
    snprintf(path, sizeof path, "%s/problems.jsonl", dir);
    FILE *f = fopen(path, "w");
    CHECK(f != NULL);
    for (size_t i = 0; i < n; i++)
        fprintf(f, "{\"problem\":\"%zu + %zu\",\"answer\":\"%zu\"}\n", i, i + 1, i % 3);
    CHECK(fclose(f) == 0);
    n_problems = n;
}

/* ---- running ---- */

static void command(char *to, size_t size, const char *out)
{
    snprintf(to, size, "exec '%s' solve -q -m '%s' %s --problems %s/problems.jsonl -o %s/%s --json", RUNG_BIN,
             model, settings, dir, dir, out);
}

static json_t *run_to_the_end(const char *out)
{
    char text[8192];
    command(text, sizeof text, out);
    const said s = shell(text);
    if (s.code != 0 || program_lines(s.out) != 1)
        fail_msg("exit %d: %s", s.code, s.err);
    return json_line(s.out, 0);
}

static void sleep_ms(double ms)
{
    struct timespec t = { (time_t)(ms / 1000), 0 };
    t.tv_nsec = (long)((ms - 1000 * (double)t.tv_sec) * 1e6);
    while (nanosleep(&t, &t) != 0 && errno == EINTR)
        ;
}

/* True when the kill came while it worked. */
static bool run_and_kill(const char *out, double ms)
{
    char text[8192];
    int status;
    command(text, sizeof text, out);
    const pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        const int null = open("/dev/null", O_RDWR);
        dup2(null, 0);
        dup2(null, 1);
        execl("/bin/sh", "sh", "-c", text, (char *)NULL);
        _exit(127);
    }
    sleep_ms(ms);
    kill(pid, SIGKILL);
    CHECK(waitpid(pid, &status, 0) == pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
        fail_msg("%s: exit %d", text, WEXITSTATUS(status));
    return WIFSIGNALED(status);
}

/* ---- comparing ---- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The file's records without what tells of the run, sorted. */
static char *sorted_records(const char *out, size_t *n, bool torn_is_fine)
{
    char path[128], **line = calloc(MAX_PROBLEMS * 2, sizeof *line);
    snprintf(path, sizeof path, "%s/%s", dir, out);
    char *text = malloc(MAX_OUT), *all = calloc(1, MAX_OUT);
    CHECK(line && text && all);
    program_slurp(text, MAX_OUT, path);
    *n = 0;
    for (char *p = strtok(text, "\n"); p != NULL; p = strtok(NULL, "\n")) {
        char *end = strstr(p, ",\"computed\":{");
        if (torn_is_fine && p[strlen(p) - 1] != '}')
            break;
        CHECK(end != NULL && p[strlen(p) - 1] == '}' && *n < MAX_PROBLEMS * 2);
        *end = '\0';
        line[(*n)++] = p;
    }
    qsort(line, *n, sizeof *line, by_text);
    for (size_t i = 0, at = 0; i < *n; i++)
        at += (size_t)snprintf(all + at, MAX_OUT - at, "%s\n", line[i]);
    free(text);
    free(line);
    return all;
}

static void drop_times(json_t *summary)
{
    static const char *const names[] = { "wall_s", "tokens_per_s", "occupancy" };
    for (size_t i = 0; i < COUNT(names); i++)
        CHECK(json_object_del(summary, names[i]) == 0);
}

static void expect_same_end(json_t *want, json_t *got, const char *whole, const char *resumed)
{
    size_t n, m;
    char *a = sorted_records(whole, &n, false), *b = sorted_records(resumed, &m, false);
    assert_int_equal(n, n_problems);
    assert_int_equal(m, n_problems);
    CHECK(strcmp(a, b) == 0);
    drop_times(want);
    drop_times(got);
    char *wt = json_dumps(want, JSON_SORT_KEYS), *gt = json_dumps(got, JSON_SORT_KEYS);
    assert_string_equal(wt, gt);
    free(wt);
    free(gt);
    free(a);
    free(b);
    json_decref(want);
    json_decref(got);
}

/* Kills until `kills` came while it worked, each after about `share` of what a whole run takes; a
 * file that was finished meanwhile is begun again. */
static void check_resume(size_t kills, double share, uint64_t seed)
{
    struct timespec a, b;
    char path[128];
    snprintf(path, sizeof path, "%s/killed.jsonl", dir);
    clock_gettime(CLOCK_MONOTONIC, &a);
    json_t *want = run_to_the_end("whole.jsonl");
    clock_gettime(CLOCK_MONOTONIC, &b);
    const double ms = (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) * 1e-6;
    size_t hit = 0, left = 0;
    for (size_t i = 0; i < 20 * kills && hit < kills; i++) {
        if (run_and_kill("killed.jsonl", ms * share * (0.4 + 1.2 * rg_draw_uniform(seed, i, RG_DRAW_NOISE))))
            hit++;
        else
            CHECK(unlink(path) == 0);
    }
    CHECK(hit == kills);
    free(sorted_records("killed.jsonl", &left, true));
    print_message("# killed %zu times, %zu of %zu records stood there then\n", hit, left, n_problems);
    expect_same_end(want, run_to_the_end("killed.jsonl"), "whole.jsonl", "killed.jsonl");
}

/* ---- tests ---- */

TEST(killed_at_any_moment_it_goes_on)
{
    snprintf(model, sizeof model, "%s", TINY("qwen2"));
    settings = "--prompt-style none --last-number -s 1 -N 4 -n 60";
    write_problems(MAX_PROBLEMS);
    check_resume(getenv("RUNG_TEST_LONG") ? 40 : 10, 0.1, 1);
}

TEST(killed_at_any_moment_it_goes_on_with_a_real_model)
{
    const char *found = test_model("smollm2-135m");
    if (found == NULL)
        skip();
    if (getenv("RUNG_TEST_LONG") == NULL) {
        print_message("[  NOTE    ] resuming with smollm2-135m is left to RUNG_TEST_LONG=1\n");
        skip();
    }
    snprintf(model, sizeof model, "%s", found);
    settings = "--last-number -s 1 -N 4 -n 24 --together 2"; /* so that records come one by one */
    write_problems(12);
    check_resume(40, 0.5, 2);
}

static void small(void)
{
    snprintf(model, sizeof model, "%s", TINY("qwen2"));
    settings = "--prompt-style none --last-number -s 1 -N 3 -n 10";
    write_problems(6);
}

TEST(a_second_run_computes_nothing)
{
    size_t n, m;
    small();
    json_t *first = run_to_the_end("out.jsonl");
    char *a = sorted_records("out.jsonl", &n, false);
    json_t *second = run_to_the_end("out.jsonl");
    char *b = sorted_records("out.jsonl", &m, false);
    CHECK(n == 6 && m == 6 && strcmp(a, b) == 0);
    CHECK(json_num(first, "tokens") == json_num(second, "tokens") && json_num(second, "n") == 6);
    json_decref(first);
    json_decref(second);
    free(a);
    free(b);
}

/* Two parts in one file: the summary is of the part that was asked for. */
TEST(parts_of_a_file_may_share_an_output)
{
    size_t n;
    small();
    settings = "--prompt-style none -s 1 -N 3 -n 10 --end 4";
    json_t *a = run_to_the_end("out.jsonl");
    settings = "--prompt-style none -s 1 -N 3 -n 10 --start 3";
    json_t *b = run_to_the_end("out.jsonl");
    CHECK(json_num(a, "n") == 4 && json_num(b, "n") == 3);
    free(sorted_records("out.jsonl", &n, false));
    CHECK(n == 6);
    json_decref(a);
    json_decref(b);
}

TEST(another_config_adds_its_own_records)
{
    size_t n;
    small();
    json_decref(run_to_the_end("out.jsonl"));
    settings = "--prompt-style none --last-number -s 2 -N 3 -n 10";
    json_t *b = run_to_the_end("out.jsonl");
    CHECK(json_num(b, "n") == 6);
    free(sorted_records("out.jsonl", &n, false));
    CHECK(n == 12);
    json_decref(b);
}

TEST(a_second_process_is_refused_while_the_first_writes)
{
    char text[16384], run[8192];
    small();
    command(run, sizeof run, "out.jsonl");
    snprintf(text, sizeof text, "flock %s/out.jsonl sh -c \"%s\"", dir, run);
    const said s = shell(text);
    CHECK(s.code == 2 && program_lines(s.err) == 1 && strstr(s.err, "another process"));
}

/* A disk that fills up: exit 4, whole records, and the next run goes on. */
TEST(a_full_disk_is_exit_4_and_leaves_whole_records)
{
    char text[16384], run[8192];
    size_t n;
    small();
    json_t *want = run_to_the_end("whole.jsonl");
    command(run, sizeof run, "out.jsonl");
    snprintf(text, sizeof text, "trap '' XFSZ; ulimit -f 6; %s",
             run); /* blocks of 512 bytes: one record or two */
    const said s = shell(text);
    CHECK(s.code == 4 && program_lines(s.err) == 1 && strstr(s.err, "out.jsonl"));
    free(sorted_records("out.jsonl", &n, false));
    CHECK(n > 0 && n < 6);
    expect_same_end(want, run_to_the_end("out.jsonl"), "whole.jsonl", "out.jsonl");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(killed_at_any_moment_it_goes_on),
        CASE(killed_at_any_moment_it_goes_on_with_a_real_model),
        CASE(a_second_run_computes_nothing),
        CASE(parts_of_a_file_may_share_an_output),
        CASE(another_config_adds_its_own_records),
        CASE(a_second_process_is_refused_while_the_first_writes),
        CASE(a_full_disk_is_exit_4_and_leaves_whole_records),
    };
    return cmocka_run_group_tests_name("cli/resume", tests, NULL, NULL);
}
