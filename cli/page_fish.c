/* page_fish.c - completion for fish: one `complete` line per flag of each verb. */
#include "page.h"

#include <string.h>

/* Inside '...': fish knows \' and \\ there. */
static void put_quoted(rg_buf *b, const char *s)
{
    rg_buf_putc(b, '\'');
    cli_put_escaped(b, s, "'\\");
    rg_buf_putc(b, '\'');
}

static void put_line(rg_buf *b, const cli_verb *v)
{
    rg_buf_printf(b, "complete -c rung -n '__rung_at %s'", v->cmd->name);
}

static void put_words(rg_buf *b, cli_words w, const rg_opt *p)
{
    static const char *const words[] = { [CLI_ANY] = " -x",
                                         [CLI_FILES] = " -r -F",
                                         [CLI_MODELS] = " -r -F -a '(__rung_models here)'",
                                         [CLI_KNOWN_MODELS] = " -x -a '(__rung_models .)'",
                                         [CLI_CHOICES] = " -x -a '" };
    rg_buf_puts(b, words[w]);
    for (size_t i = 0; w == CLI_CHOICES && cli_item(p->choices, i).p; i++) {
        rg_buf_puts(b, i ? " " : "");
        rg_buf_str(b, cli_item(p->choices, i));
    }
    rg_buf_puts(b, w == CLI_CHOICES ? "'" : "");
}

static void put_option(rg_buf *b, const cli_verb *v, const rg_opt *p)
{
    char name[64];
    put_line(b, v);
    for (size_t i = 0; cli_flag_name(name, p, i); i++) {
        if (i == 0)
            rg_buf_printf(b, " -l %s", name + 2);
        else if (name[1] != '-')
            rg_buf_printf(b, " -%c %s", name[2] ? 'o' : 's', name + 1);
    }
    if (p->kind != RG_OPT_FLAG)
        put_words(b, cli_words_of(p), p);
    rg_buf_puts(b, " -d ");
    put_quoted(b, p->help);
    rg_buf_puts(b, "\n");
    if (cli_flag_negates(p)) {
        put_line(b, v);
        rg_buf_printf(b, " -l no-%s\n", p->name);
    }
}

static void head(rg_buf *b)
{
    rg_buf_puts(b, "# fish completion for rung, written by `rung help --completion fish`\n"
                   "\n"
                   "# The words so far are: rung, and these.\n"
                   "function __rung_at\n"
                   "    set -l words (commandline -opc)\n"
                   "    set -e words[1]\n"
                   "    test (count $words) -ge (count $argv); or return 1\n"
                   "    for i in (seq (count $argv))\n"
                   "        test \"$words[$i]\" = \"$argv[$i]\"; or return 1\n"
                   "    end\n"
                   "end\n"
                   "\n"
                   "# ... and no more.\n"
                   "function __rung_after\n"
                   "    set -l words (commandline -opc)\n"
                   "    test (count $words) -eq (math (count $argv) + 1); and __rung_at $argv\n"
                   "end\n"
                   "\n"
                   "function __rung_models\n"
                   "    set -l words (commandline -opc)\n"
                   "    $words[1] model ls 2>/dev/null | awk \"/ $argv[1]/{ print \\$1 }\"\n"
                   "end\n"
                   "\n"
                   "complete -c rung -f\n");
    for (size_t i = 0; cli_cmds[i]; i++) {
        rg_buf_printf(b, "complete -c rung -n '__rung_after' -a %s -d ", cli_cmds[i]->name);
        put_quoted(b, cli_cmds[i]->summary);
        rg_buf_printf(b, "\ncomplete -c rung -n '__rung_after help' -a %s\n", cli_cmds[i]->name);
    }
    rg_buf_puts(
        b, "complete -c rung -n '__rung_after' -a help -d 'what a verb takes'\n"
           "complete -c rung -n '__rung_after' -a version -d 'version, build and machine'\n"
           "complete -c rung -n '__rung_at help' -l man -d 'manual page of a verb'\n"
           "complete -c rung -n '__rung_at help' -l completion -x -a 'bash zsh fish' -d 'for a shell'\n");
}

static void verb(rg_buf *b, const cli_verb *v)
{
    rg_buf_puts(b, "\n");
    for (size_t g = 0; g < v->n; g++)
        for (const rg_opt *p = v->groups[g].opts; p->name; p++)
            put_option(b, v, p);
    for (size_t i = 0; cli_item(cli_notes_of(v->cmd->name)->inner, i).p; i++) {
        const rg_str sub = cli_item(cli_notes_of(v->cmd->name)->inner, i);
        rg_buf_printf(b, "complete -c rung -n '__rung_after %s' -a %.*s\n", v->cmd->name, (int)sub.n, sub.p);
    }
    const cli_words w = cli_arguments_of(v->cmd);
    if (w == CLI_ANY)
        return;
    put_line(b, v);
    rg_buf_puts(b, w == CLI_FILES    ? " -F"
                   : w == CLI_MODELS ? " -F -a '(__rung_models here)'"
                                     : " -a '(__rung_models .)'");
    rg_buf_puts(b, "\n");
}

const cli_format cli_fish = { "fish", head, verb, NULL };
