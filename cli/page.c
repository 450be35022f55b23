/* page.c - what all documents made of option tables share, and the two commands that print them. */
#include "page.h"

#include <string.h>

#include "rung/base/mem.h"

enum { MAX_NAME = 48 };

static const char ASK[] = "--help=";

/* ---- tables ---- */

rg_str cli_item(const char *csv, size_t i)
{
    while (csv && i-- > 0) {
        csv = strchr(csv, ',');
        csv += csv != NULL;
    }
    return csv ? rg_str_n(csv, strcspn(csv, ",")) : rg_str_n(NULL, 0);
}

bool cli_flag_name(char out[64], const rg_opt *p, size_t i)
{
    const rg_str name = i == 0 ? rg_str_of(p->name) : cli_item(p->aliases, i - 1);
    if (!name.p || name.n > MAX_NAME)
        return false;
    snprintf(out, 64, "%s%.*s", i > 0 && name.n <= 4 ? "-" : "--", (int)name.n, name.p);
    return true;
}

bool cli_flag_negates(const rg_opt *p)
{
    return p->kind == RG_OPT_FLAG && strcmp(p->name, "help") != 0;
}

cli_words cli_words_of(const rg_opt *p)
{
    if (p->choices)
        return CLI_CHOICES;
    if (p->unit && strstr(p->unit, "NAME") && rg_str_ends(rg_str_of(p->name), "model"))
        return CLI_MODELS;
    if (p->unit && (strstr(p->unit, "FILE") || strstr(p->unit, "PATH") || strstr(p->unit, "FOLDER")))
        return CLI_FILES;
    return CLI_ANY;
}

/* Reads the usage line: words that are neither flags nor their values are arguments. */
cli_words cli_arguments_of(const rg_cmd *cmd)
{
    bool value = false;
    for (const char *s = cmd->usage ? cmd->usage : ""; *s;) {
        s += strspn(s, " ");
        const rg_str word = rg_str_n(s, strcspn(s, " "));
        const bool flag = rg_str_starts(word, "-") || rg_str_starts(word, "[-");
        const bool closed = word.n > 0 && word.p[word.n - 1] == ']';
        if (!flag && !value && rg_str_find(word, rg_str_of("NAME")) != SIZE_MAX)
            return rg_str_find(word, rg_str_of("|")) == SIZE_MAX ? CLI_KNOWN_MODELS : CLI_MODELS;
        if (!flag && !value && rg_str_find(word, rg_str_of("MODEL")) != SIZE_MAX)
            return CLI_MODELS;
        if (!flag && !value &&
            (rg_str_find(word, rg_str_of("FILE")) != SIZE_MAX ||
             rg_str_find(word, rg_str_of("FOLDER")) != SIZE_MAX))
            return CLI_FILES;
        value = flag && !closed;
        s += word.n;
    }
    return CLI_ANY;
}

/* ---- text ---- */

void cli_put_escaped(rg_buf *b, const char *s, const char *special)
{
    for (; *s; s++) {
        if (strchr(special, *s))
            rg_buf_putc(b, '\\');
        rg_buf_putc(b, *s);
    }
}

void cli_put_quoted(rg_buf *b, rg_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '\'')
            rg_buf_puts(b, "'\\''");
        else
            rg_buf_putc(b, s.p[i]);
}

/* ---- one verb's part ---- */

static const cli_format *const formats[] = { &cli_bash, &cli_zsh, &cli_fish };

static const cli_format *find_format(const char *name)
{
    for (size_t i = 0; i < RG_COUNT(formats); i++)
        if (strcmp(formats[i]->name, name) == 0)
            return formats[i];
    return NULL;
}

const char *cli_asked_format(int argc, char **argv)
{
    return argc > 0 && strncmp(argv[0], ASK, sizeof ASK - 1) == 0 ? argv[0] + sizeof ASK - 1 : NULL;
}

bool cli_put_part(rg_buf *b, const char *format, const cli_verb *v)
{
    if (strcmp(format, "man") == 0) {
        cli_man_verb(b, v);
        return true;
    }
    const cli_format *f = find_format(format);
    if (f)
        f->verb(b, v);
    return f != NULL;
}

/* ---- whole documents ---- */

int cli_ask(const rg_cmd *cmd, const char *format)
{
    char flag[32], name[MAX_NAME];
    char *args[] = { flag, NULL, NULL };
    snprintf(flag, sizeof flag, "%s%s", ASK, format);
    const char *inner = cli_notes_of(cmd->name)->inner;
    int code = cmd->run(cmd, 1, args);
    for (size_t i = 0; code == 0 && cli_item(inner, i).p; i++) {
        const rg_str verb = cli_item(inner, i);
        snprintf(name, sizeof name, "%.*s", (int)verb.n, verb.p);
        args[0] = name;
        args[1] = flag;
        code = cmd->run(cmd, 2, args);
    }
    return code;
}

int cli_put_page(rg_buf *b)
{
    rg_err e = RG_ERR_INIT;
    const rg_status s = cli_print(b, &e);
    if (s != RG_OK)
        cli_error("help", "%s", e.msg);
    return rg_status_exit(s);
}

int cli_completion(int argc, char **argv)
{
    const cli_format *f = argc == 1 ? find_format(argv[0]) : NULL;
    rg_buf b = RG_BUF_MAX(CLI_MAX_PAGE);
    if (!f) {
        cli_error("help", "--completion takes one of bash, zsh, fish");
        return 2;
    }
    f->head(&b);
    int code = cli_put_page(&b);
    for (size_t i = 0; code == 0 && cli_cmds[i]; i++)
        code = cli_ask(cli_cmds[i], f->name);
    if (code == 0 && f->tail) {
        f->tail(&b);
        code = cli_put_page(&b);
    }
    return code;
}
