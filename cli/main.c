/* main.c - rung VERB: finds the verb, and answers for those who gave none. */
#include "page.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rung/base/mem.h"
#include "rung/base/pool.h"
#include "rung/base/version.h"
#include "version.h"

/* The one piece of process-wide state: signals have no other way in. */
static atomic_bool cancelled;
static volatile sig_atomic_t got_signal;

atomic_bool *cli_cancel(void)
{
    return &cancelled;
}

/* Tools like timeout(1) signal the process and its group: two signals in a moment are one. */
static void on_signal(int sig)
{
    static volatile int64_t first_ns;
    if (got_signal && rg_now_ns() - first_ns > 200000000)
        _exit(128 + sig);
    if (got_signal)
        return;
    first_ns = rg_now_ns();
    got_signal = sig;
    atomic_store(&cancelled, true);
}

static void catch_signals(void)
{
    struct sigaction stop = { .sa_handler = on_signal, .sa_flags = SA_RESTART },
                     ignore = { .sa_handler = SIG_IGN };
    sigemptyset(&stop.sa_mask);
    sigemptyset(&ignore.sa_mask);
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGXFSZ, &ignore, NULL); /* a full quota is an error like any other */
}

const rg_cmd *cli_find(const char *name)
{
    for (size_t i = 0; cli_cmds[i]; i++)
        if (strcmp(cli_cmds[i]->name, name) == 0)
            return cli_cmds[i];
    return NULL;
}

/* ---- help and version ---- */

static int print_help(void)
{
    printf("rung makes a language model better at hard problems by searching with a verifier\n"
           "while it answers: one verified step at a time.\n"
           "\n"
           "Usage: rung VERB [flags] [arguments]\n"
           "\n");
    for (size_t i = 0; cli_cmds[i]; i++)
        printf("  %-12s %s\n", cli_cmds[i]->name, cli_cmds[i]->summary);
    printf("\n"
           "  help VERB    what a verb takes\n"
           "  --version    version, build and machine\n"
           "\n"
           "Results go to stdout, progress and errors to stderr.  Exit codes: 0 done, 1 failed,\n"
           "2 wrong usage, 3 bad input, 4 out of a resource, 5 no sandbox, 6 remote failure,\n"
           "7 some items failed, 130 and 143 interrupted.\n");
    return 0;
}

static void print_cpu(void)
{
    printf("cpu      %zu threads;", rg_cpu_count());
#if defined(__x86_64__)
    __builtin_cpu_init();
    printf("%s%s%s%s%s%s\n", __builtin_cpu_supports("avx2") ? " avx2" : "",
           __builtin_cpu_supports("fma") ? " fma" : "", __builtin_cpu_supports("avx512f") ? " avx512f" : "",
           __builtin_cpu_supports("avx512bw") ? " avx512bw" : "",
           __builtin_cpu_supports("avx512vnni") ? " avx512vnni" : "",
           __builtin_cpu_supports("avx512bf16") ? " avx512bf16" : "");
#else
    printf(" no vector levels known for this architecture\n");
#endif
}

static int print_version(void)
{
    printf("rung     %s\n", rg_version());
    printf("commit   " RUNG_COMMIT "\n");
#if defined(__clang__)
    printf("compiler " __VERSION__ "\n");
#else
    printf("compiler gcc " __VERSION__ "\n");
#endif
    print_cpu();
    return 0;
}

static int unknown_verb(const char *word)
{
    const char *names[64];
    size_t n = 0;
    rg_buf near = RG_BUF_MAX(256);
    for (; n < RG_COUNT(names) && cli_cmds[n]; n++)
        names[n] = cli_cmds[n]->name;
    rg_nearest(&near, word, names, n);
    if (near.n > 0)
        cli_error(NULL, "no verb '%s'; did you mean %s?", word, near.p);
    else
        cli_error(NULL, "no verb '%s'; 'rung help' lists them", word);
    rg_buf_free(&near);
    return 2;
}

static int run_help(int argc, char **argv)
{
    static char flag[] = "--help";
    char *args[] = { flag, NULL };
    if (argc == 0)
        return print_help();
    if (strcmp(argv[0], "--man") == 0)
        return cli_man(argc - 1, argv + 1);
    if (strcmp(argv[0], "--completion") == 0)
        return cli_completion(argc - 1, argv + 1);
    const rg_cmd *cmd = cli_find(argv[0]);
    return cmd ? cmd->run(cmd, 1, args) : unknown_verb(argv[0]);
}

static bool is(const char *word, const char *a, const char *b)
{
    return strcmp(word, a) == 0 || strcmp(word, b) == 0;
}

static int dispatch(int argc, char **argv)
{
    if (argc == 0 || is(argv[0], "--help", "-h"))
        return print_help();
    if (is(argv[0], "--version", "version"))
        return print_version();
    if (strcmp(argv[0], "help") == 0)
        return run_help(argc - 1, argv + 1);
    const rg_cmd *cmd = cli_find(argv[0]);
    return cmd ? cmd->run(cmd, argc - 1, argv + 1) : unknown_verb(argv[0]);
}

/* Asked of the pipe itself: the errno of the write that failed is long gone. */
static bool reader_left(void)
{
    struct pollfd p = { .fd = STDOUT_FILENO };
    return poll(&p, 1, 0) > 0 && (p.revents & POLLERR);
}

/* A reader that went away is no error; a disk that is full is one. */
static int flush_output(int code)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    if (errno == EPIPE || code != 0 || reader_left())
        return code;
    cli_error(NULL, "cannot write the result: %s", strerror(errno ? errno : EIO));
    return errno == ENOSPC ? 4 : 1;
}

int main(int argc, char **argv)
{
    catch_signals();
    const int code = flush_output(dispatch(argc > 0 ? argc - 1 : 0, argv + 1));
    return code == 130 && got_signal == SIGTERM ? 143 : code;
}
