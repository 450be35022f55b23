/* page_man.c - manual pages in the man macros: rung.1 and rung-VERB.1. */
#include "page.h"

#include <ctype.h>
#include <string.h>

#include "rung/base/mem.h"
#include "rung/base/version.h"

/* ---- roff ---- */

/* Text as it is: a hyphen that can be copied, no line that begins with a control character. */
static void put_roff(rg_buf *b, rg_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((i == 0 || s.p[i - 1] == '\n') && (s.p[i] == '.' || s.p[i] == '\''))
            rg_buf_puts(b, "\\&");
        if (s.p[i] == '-')
            rg_buf_puts(b, "\\-");
        else if (s.p[i] == '\\')
            rg_buf_puts(b, "\\e");
        else if (s.p[i] == '\'')
            rg_buf_puts(b, "\\(aq");
        else if (s.p[i] == '`')
            rg_buf_puts(b, "\\(ga");
        else if (s.p[i] == '^')
            rg_buf_puts(b, "\\(ha");
        else if (s.p[i] == '~')
            rg_buf_puts(b, "\\(ti");
        else
            rg_buf_putc(b, s.p[i]);
    }
}

/* Text to be filled: lines of the source end at a blank behind column 56. */
static void put_filled(rg_buf *b, rg_str s)
{
    for (size_t at = 0, end; at < s.n; at = end + 1) {
        end = RG_MIN(at + 56, s.n);
        while (end < s.n && s.p[end] != ' ')
            end++;
        put_roff(b, rg_str_n(s.p + at, end - at));
        rg_buf_putc(b, '\n');
    }
}

static void put_text(rg_buf *b, const char *s)
{
    put_roff(b, rg_str_of(s));
}

static void put_styled(rg_buf *b, char font, const char *s)
{
    rg_buf_printf(b, "\\f%c", font);
    put_text(b, s);
    rg_buf_puts(b, "\\fR");
}

/* "model pull" in capitals, blanks as given. */
static void put_upper(rg_buf *b, const char *s, char blank)
{
    for (; *s; s++)
        rg_buf_putc(b, *s == ' ' ? blank : (char)toupper((unsigned char)*s));
}

/* Paragraphs and examples of cli_about; the current section has just begun. */
static void put_about(rg_buf *b, const char *text)
{
    bool example = false;
    for (; *text; text += *text == '\n') {
        const rg_str line = rg_str_n(text, strcspn(text, "\n"));
        const bool is_example = rg_str_starts(line, "  ");
        text += line.n;
        if (line.n == 0) {
            rg_buf_puts(b, example ? ".EE\n" : "");
            example = false;
            rg_buf_puts(b, ".PP\n");
            continue;
        }
        if (is_example && !example)
            rg_buf_puts(b, ".EX\n");
        example = is_example;
        if (example) {
            put_roff(b, line);
            rg_buf_putc(b, '\n');
        } else
            put_filled(b, line);
    }
    rg_buf_puts(b, example ? ".EE\n" : "");
}

/* ---- options ---- */

/* -n, --max-tokens, --predict N */
static void put_names(rg_buf *b, const rg_opt *p)
{
    char name[64];
    const char *comma = "";
    for (int dashes = 1; dashes <= 2; dashes++)
        for (size_t i = 0; cli_flag_name(name, p, i); i++)
            if ((name[1] == '-') == (dashes == 2)) {
                rg_buf_puts(b, comma);
                put_styled(b, 'B', name);
                comma = ", ";
            }
}

static void put_option(rg_buf *b, const rg_opt *p)
{
    rg_buf_puts(b, ".TP\n");
    put_names(b, p);
    if (p->kind == RG_OPT_ENUM && !p->unit) {
        rg_buf_putc(b, ' ');
        for (size_t i = 0; cli_item(p->choices, i).p; i++) {
            rg_buf_puts(b, i ? "|\\fB" : "\\fB");
            put_roff(b, cli_item(p->choices, i));
            rg_buf_puts(b, "\\fR");
        }
    } else if (p->kind != RG_OPT_FLAG) {
        rg_buf_putc(b, ' ');
        put_styled(b, 'I', p->unit ? p->unit : "VALUE");
    }
    rg_buf_putc(b, '\n');
    put_filled(b, rg_str_of(p->help));
    if (p->fallback && p->kind != RG_OPT_FLAG) {
        rg_buf_putc(b, '[');
        put_text(b, p->fallback);
        rg_buf_puts(b, "]\n");
    }
    if (p->kind == RG_OPT_FLAG && p->fallback && strcmp(p->fallback, "true") == 0) {
        rg_buf_puts(b, "(on; \\fB\\-\\-no\\-");
        put_text(b, p->name);
        rg_buf_puts(b, "\\fR switches it off)\n");
    }
}

static void put_variable(rg_buf *b, const char *name)
{
    rg_buf_puts(b, "\\fBRUNG_");
    for (; *name; name++)
        rg_buf_putc(b, *name == '-' ? '_' : (char)toupper((unsigned char)*name));
    rg_buf_puts(b, "\\fR");
}

static void put_variables(rg_buf *b, const cli_verb *v, size_t n)
{
    const char *comma = "";
    if (n == 0)
        return;
    rg_buf_puts(b, ".PP\nIn the environment:\n");
    for (size_t g = 0; g < n; g++)
        for (const rg_opt *p = v->groups[g].opts; p->name; p++)
            if (strcmp(p->name, "help") != 0) {
                rg_buf_puts(b, comma);
                put_variable(b, p->name);
                comma = ",\n";
            }
    rg_buf_puts(b, ".\n");
}

/* ---- a verb ---- */

static void put_usage(rg_buf *b, const rg_cmd *cmd)
{
    rg_buf_puts(b, ".B rung ");
    put_text(b, cmd->name);
    rg_buf_puts(b, "\n");
    put_filled(b, rg_str_of(cmd->usage ? cmd->usage : "[flags]"));
}

/* A verb of a verb is a section of its verb's page, without the common flags (the last group). */
void cli_man_verb(rg_buf *b, const cli_verb *v)
{
    const bool inner = strchr(v->cmd->name, ' ') != NULL;
    const size_t n = inner ? v->n - 1 : v->n;
    const char *about = cli_notes_of(v->cmd->name)->about;
    if (inner) {
        rg_buf_puts(b, ".SH \"RUNG ");
        put_upper(b, v->cmd->name, ' ');
        rg_buf_puts(b, "\"\n");
    } else {
        rg_buf_puts(b, ".SH SYNOPSIS\n");
    }
    put_usage(b, v->cmd);
    rg_buf_puts(b, inner ? ".PP\n" : ".SH DESCRIPTION\n");
    if (about) {
        put_about(b, about);
    } else {
        rg_buf_putc(b, (char)toupper((unsigned char)v->cmd->summary[0]));
        put_text(b, v->cmd->summary + 1);
        rg_buf_puts(b, ".\n");
    }
    rg_buf_puts(b, inner ? "" : ".SH OPTIONS\n");
    for (size_t g = 0; g < n; g++) {
        rg_buf_puts(b, ".SS \"");
        put_text(b, v->groups[g].title);
        rg_buf_puts(b, "\"\n");
        for (const rg_opt *p = v->groups[g].opts; p->name; p++)
            put_option(b, p);
    }
    put_variables(b, v, n);
}

void cli_man_section(rg_buf *b, const char *title, const char *text)
{
    rg_buf_printf(b, ".SH %s\n.EX\n", title);
    put_text(b, text);
    rg_buf_puts(b, "\n.EE\n");
}

/* ---- whole pages ---- */

static void put_head(rg_buf *b, const char *name, const char *summary)
{
    rg_buf_puts(b, ".\\\" Written by `rung help --man`.\n.TH RUNG");
    if (name) {
        rg_buf_puts(b, "\\-");
        put_upper(b, name, '-');
    }
    rg_buf_puts(b, " 1 \"" RG_VERSION_DATE "\" \"rung " RG_VERSION "\" \"rung manual\"\n.SH NAME\nrung");
    if (name) {
        rg_buf_puts(b, "\\-");
        put_text(b, name);
    }
    rg_buf_puts(b, " \\- ");
    put_text(b, summary);
    rg_buf_puts(b, "\n");
}

static void put_settings(rg_buf *b)
{
    rg_buf_puts(b, ".SH SETTINGS\n"
                   "A flag may be set in three places; the first that sets it wins:\n"
                   "the command line, the environment\n"
                   "(\\fBRUNG_\\fR and the long name in capitals, \\- as _),\n"
                   "a file given by \\fB\\-\\-config\\fR with lines\n"
                   "\\fIname\\fR = \\fIvalue\\fR.\n"
                   "\\fB\\-\\-print\\-config\\fR prints such a file.\n"
                   "A flag without a value has a \\fB\\-\\-no\\-\\fR form;\n"
                   "\\fB\\-\\-\\fR ends flags.\n");
}

static void put_exit_codes(rg_buf *b)
{
    static const char *const codes[][2] = {
        { "0", "done" },
        { "1", "failed at run time" },
        { "2", "wrong usage or settings" },
        { "3", "an input was rejected: it breaks its own format" },
        { "4", "out of memory, disk, or the time that was given" },
        { "5", "the sandbox is not there" },
        { "6", "a remote endpoint failed" },
        { "7", "finished, but some problems failed" },
        { "130, 143", "interrupted, terminated; what was finished is kept" },
    };
    rg_buf_puts(b, ".SH \"EXIT STATUS\"\n");
    for (size_t i = 0; i < RG_COUNT(codes); i++)
        rg_buf_printf(b, ".TP\n.B %s\n%s\n", codes[i][0], codes[i][1]);
}

static void put_see_also(rg_buf *b, const char *but)
{
    rg_buf_puts(b, ".SH \"SEE ALSO\"\n");
    if (but)
        rg_buf_puts(b, ".BR rung (1),\n");
    for (size_t i = 0; cli_cmds[i]; i++)
        if (!but || strcmp(cli_cmds[i]->name, but) != 0) {
            rg_buf_puts(b, ".BR rung\\-");
            put_text(b, cli_cmds[i]->name);
            rg_buf_puts(b, " (1),\n");
        }
    rg_buf_puts(b, ".BR rung\\-formats (5),\n.BR librung (3)\n");
}

static void put_program(rg_buf *b)
{
    put_head(b, NULL, "language models that search with a verifier while they answer");
    rg_buf_puts(b, ".SH SYNOPSIS\n.B rung\n.I VERB\n[flags] [arguments]\n.br\n"
                   ".B rung help\n[\\fIVERB\\fR | \\fB\\-\\-man\\fR [\\fIVERB\\fR] | "
                   "\\fB\\-\\-completion\\fR bash|zsh|fish]\n.br\n"
                   ".B rung \\-\\-version\n.SH DESCRIPTION\n");
    put_about(b, cli_notes_of("")->about);
    rg_buf_puts(b, ".SH VERBS\n");
    for (size_t i = 0; cli_cmds[i]; i++) {
        rg_buf_puts(b, ".TP\n.BR rung\\-");
        put_text(b, cli_cmds[i]->name);
        rg_buf_puts(b, " (1)\n");
        put_text(b, cli_cmds[i]->summary);
        rg_buf_puts(b, "\n");
    }
    put_settings(b);
    put_exit_codes(b);
    rg_buf_puts(b, ".SH ENVIRONMENT\n.TP\n.B XDG_CACHE_HOME\n"
                   "models are kept in its folder \\fIrung/models\\fR [\\fI\\(ti/.cache\\fR]\n"
                   ".TP\n.BR NO_COLOR \", \" TERM\n"
                   "no colours where the first is set, or the second is \\fIdumb\\fR\n"
                   ".TP\n.BR HF_HUB_CACHE \", \" HF_HOME \", \" HF_ENDPOINT \", \" HF_HUB_OFFLINE\n"
                   "where the hub's cache is, which host has the files, and whether to ask it\n"
                   ".SH FILES\n.TP\n.I \\(ti/.cache/rung/models/NAME.gguf\n"
                   "a pulled model, complete and checked\n");
    put_see_also(b, NULL);
}

int cli_man(int argc, char **argv)
{
    rg_buf b = RG_BUF_MAX(CLI_MAX_PAGE);
    if (argc == 0) {
        put_program(&b);
        return cli_put_page(&b);
    }
    const rg_cmd *cmd = argc == 1 ? cli_find(argv[0]) : NULL;
    if (!cmd) {
        cli_error("help", "--man takes one verb; 'rung help' lists them");
        return 2;
    }
    put_head(&b, cmd->name, cmd->summary);
    int code = cli_put_page(&b);
    if (code == 0)
        code = cli_ask(cmd, "man");
    if (code == 0) {
        put_settings(&b);
        put_exit_codes(&b);
        put_see_also(&b, cmd->name);
        code = cli_put_page(&b);
    }
    return code;
}
