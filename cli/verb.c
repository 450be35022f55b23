/* verb.c - opening and closing a verb: common flags, help, settings, errors, output. */
#include "page.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "rung/base/mem.h"

enum { MAX_GROUPS = 16, MAX_PAGE = 1 << 20 };

static const rg_opt common_opts[] = {
    { "json", NULL, RG_OPT_FLAG, offsetof(cli_common, json), NULL, 0, 0, NULL, NULL,
      "one JSON document on stdout" },
    { "quiet", "q", RG_OPT_FLAG, offsetof(cli_common, quiet), NULL, 0, 0, NULL, NULL,
      "errors only on stderr" },
    { "verbose", "v", RG_OPT_FLAG, offsetof(cli_common, verbose), NULL, 0, 0, NULL, NULL,
      "more words on stderr, and where an error was raised" },
    { "color", "log-colors", RG_OPT_ENUM, offsetof(cli_common, color), "auto", 0, 0, "auto,always,never",
      NULL, "colours" },
    { "config", NULL, RG_OPT_STR, offsetof(cli_common, config), NULL, 0, 0, NULL, "FILE",
      "read settings from name = value lines" },
    { "print-config", NULL, RG_OPT_FLAG, offsetof(cli_common, print_config), NULL, 0, 0, NULL, NULL,
      "print the resolved settings in --config's syntax and stop" },
    { "help", "h", RG_OPT_FLAG, offsetof(cli_common, help), NULL, 0, 0, NULL, NULL, "this page" },
    { 0 },
};

/* ---- open and close ---- */

static void put_help(rg_buf *b, const rg_cmd *cmd, const rg_opt_group *groups, size_t n)
{
    rg_buf_printf(b, "rung %s - %s\n\nUsage: rung %s %s\n\n", cmd->name, cmd->summary, cmd->name,
                  cmd->usage ? cmd->usage : "[flags]");
    rg_opts_help(b, groups, n);
    rg_buf_puts(b, "\nEvery flag may also be set by RUNG_NAME in the environment or in a --config file.\n");
}

/* Exit code of a page printed instead of the verb's work. */
static int print_page(cli_args *a, rg_buf *page)
{
    rg_err e = RG_ERR_INIT;
    const rg_status s = cli_print(page, &e);
    return cli_close(a, s, &e);
}

/* --help must work even beside arguments that are wrong. */
bool cli_asks_for_help(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

int cli_open(cli_args *a, const rg_cmd *cmd, const rg_opt_group *groups, size_t n_groups, int argc,
             char **argv)
{
    rg_opt_group all[MAX_GROUPS];
    rg_err e = RG_ERR_INIT;
    rg_buf page = RG_BUF_MAX(MAX_PAGE);
    const size_t n = RG_MIN(n_groups, (size_t)MAX_GROUPS - 1);
    *a = (cli_args){ .cmd = cmd, .view = { .verb = cmd->name, .busy = ATOMIC_FLAG_INIT } };
    for (size_t i = 0; i < n; i++)
        all[i] = groups[i];
    all[n] = (rg_opt_group){ "Common", common_opts, &a->common };

    if (cli_asks_for_help(argc, argv)) {
        put_help(&page, cmd, all, n + 1);
        return print_page(a, &page);
    }
    const char *format = cli_asked_format(argc, argv);
    if (format && cli_put_part(&page, format, &(cli_verb){ cmd, all, n + 1 }))
        return print_page(a, &page);
    const rg_status s = rg_opts_parse(&a->opts, all, n + 1, argc, argv, &a->pos, &e);
    if (s != RG_OK)
        return cli_close(a, s, &e);
    a->view.quiet = a->common.quiet;
    a->view.verbose = a->common.verbose;
    a->view.live = !a->common.quiet && isatty(STDERR_FILENO);
    if (a->common.print_config) {
        a->common.print_config = false; /* fed back, the lines must run the verb */
        rg_opts_config(&page, all, n + 1);
        return print_page(a, &page);
    }
    return -1;
}

int cli_close(cli_args *a, rg_status s, const rg_err *e)
{
    cli_view_end(&a->view);
    if (s != RG_OK && e && a->common.verbose && e->file)
        cli_error(a->cmd->name, "%s (%s, %s:%d)", e->msg, rg_status_name(s), e->file, e->line);
    else if (s != RG_OK)
        cli_error(a->cmd->name, "%s", e && e->msg[0] ? e->msg : rg_status_name(s));
    rg_opts_free(a->opts);
    a->opts = NULL;
    a->pos = (rg_opt_list){ NULL, 0 };
    return rg_status_exit(s);
}

rg_call cli_call(cli_args *a)
{
    return (rg_call){ .cancel = cli_cancel(), .sink = cli_sink, .sink_arg = &a->view };
}

rg_status cli_want_pos(const cli_args *a, size_t min, size_t max, const char *what, rg_err *e)
{
    if (a->pos.n >= min && a->pos.n <= max)
        return RG_OK;
    RG_FAIL(e, RG_EARG, "takes %s, not %zu argument%s; see 'rung help %s'", what, a->pos.n,
            a->pos.n == 1 ? "" : "s", a->cmd->name);
}

/* ---- output ---- */

void cli_error(const char *verb, const char *fmt, ...)
{
    rg_buf b = RG_BUF_MAX(8192), safe = RG_BUF_MAX(32768);
    char text[4096];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    rg_buf_printf(&b, "rung%s%s: %s", verb ? " " : "", verb ? verb : "", text);
    rg_buf_terminal_safe(&safe, rg_buf_view(&b)); /* file names and values come from outside */
    fprintf(stderr, "%s\n", safe.p && !safe.failed ? safe.p : text);
    rg_buf_free(&b);
    rg_buf_free(&safe);
}

rg_status cli_print(rg_buf *b, rg_err *e)
{
    rg_status s = rg_buf_check(b, "the output", e);
    errno = 0;
    if (s == RG_OK && b->n > 0 && (fwrite(b->p, 1, b->n, stdout) != b->n || fflush(stdout) != 0) &&
        errno != EPIPE)
        s = rg_err_set(e, errno == ENOSPC ? RG_ELIMIT : RG_EIO, __FILE__, __LINE__,
                       "cannot write the result: %s", strerror(errno));
    rg_buf_free(b);
    return s;
}

void cli_put_text(rg_buf *b, rg_str text)
{
    if (isatty(STDOUT_FILENO))
        rg_buf_terminal_safe(b, text);
    else
        rg_buf_str(b, text);
}

bool cli_color(const cli_args *a, FILE *f)
{
    if (a->common.color != CLI_COLOR_AUTO)
        return a->common.color == CLI_COLOR_ALWAYS;
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    if ((no && *no) || (term && strcmp(term, "dumb") == 0))
        return false;
    return isatty(fileno(f));
}

int cli_width(FILE *f)
{
    struct winsize w;
    return ioctl(fileno(f), TIOCGWINSZ, &w) == 0 && w.ws_col > 0 ? w.ws_col : 80;
}
