/* page_zsh.c - completion for zsh: a function per verb with the specifications of _arguments. */
#include "page.h"

#include <string.h>

/* Inside '...[here]...' of a specification. */
static void put_description(rg_buf *b, const char *s)
{
    for (; *s; s++)
        if (*s == '\'')
            rg_buf_puts(b, "'\\''");
        else if (strchr("[]:\\", *s))
            rg_buf_printf(b, "\\%c", *s);
        else
            rg_buf_putc(b, *s);
}

static void put_action(rg_buf *b, cli_words w, const rg_opt *p)
{
    static const char *const actions[] = {
        [CLI_ANY] = "",
        [CLI_FILES] = "_files",
        [CLI_MODELS] = "_rung_models",
        [CLI_KNOWN_MODELS] = "_rung_known",
        [CLI_CHOICES] = "(",
    };
    rg_buf_puts(b, actions[w]);
    for (size_t i = 0; w == CLI_CHOICES && cli_item(p->choices, i).p; i++) {
        rg_buf_puts(b, i ? " " : "");
        cli_put_quoted(b, cli_item(p->choices, i));
    }
    rg_buf_puts(b, w == CLI_CHOICES ? ")" : "");
}

/* '(-n --max-tokens)'{--max-tokens=,-n}'[help]:N:action' */
static void put_option(rg_buf *b, const rg_opt *p)
{
    char name[64];
    const bool flag = p->kind == RG_OPT_FLAG, many = p->kind == RG_OPT_LIST;
    for (size_t i = 0; cli_flag_name(name, p, i); i++) {
        if (i > 0 && name[1] == '-')
            continue;
        rg_buf_printf(b, "        '%s%s%s[", many ? "*" : "", name, !flag && i == 0 ? "=" : "");
        put_description(b, p->help);
        rg_buf_puts(b, "]");
        if (!flag) {
            rg_buf_puts(b, ":");
            put_description(b, p->unit ? p->unit : "value");
            rg_buf_puts(b, ":");
            put_action(b, cli_words_of(p), p);
        }
        rg_buf_puts(b, "' \\\n");
    }
    if (cli_flag_negates(p)) {
        rg_buf_printf(b, "        '--no-%s[not: ", p->name);
        put_description(b, p->help);
        rg_buf_puts(b, "]' \\\n");
    }
}

static void put_function_name(rg_buf *b, const char *name)
{
    for (; *name; name++)
        rg_buf_putc(b, *name == ' ' ? '-' : *name);
}

static void head(rg_buf *b)
{
    rg_buf_puts(b,
                "#compdef rung\n"
                "# zsh completion for rung, written by `rung help --completion zsh`\n"
                "\n"
                "_rung_models() {\n"
                "    local -a names\n"
                "    names=(${(f)\"$($_rung_program model ls 2>/dev/null | awk '/ here /{ print $1 }')\"})\n"
                "    compadd -a names\n"
                "    _files\n"
                "}\n"
                "\n"
                "_rung_known() {\n"
                "    local -a names\n"
                "    names=(${(f)\"$($_rung_program model ls 2>/dev/null | awk '{ print $1 }')\"})\n"
                "    compadd -a names\n"
                "}\n");
}

static void verb(rg_buf *b, const cli_verb *v)
{
    rg_buf_puts(b, "\n_rung-");
    put_function_name(b, v->cmd->name);
    rg_buf_puts(b, "() {\n");
    if (cli_notes_of(v->cmd->name)->inner) {
        rg_buf_puts(b, "    if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then\n        compadd");
        for (size_t i = 0; cli_item(cli_notes_of(v->cmd->name)->inner, i).p; i++) {
            rg_buf_puts(b, " ");
            rg_buf_str(b, cli_item(cli_notes_of(v->cmd->name)->inner, i));
        }
        rg_buf_printf(b, "\n        return\n    fi\n    if (( $+functions[_rung-%s-$words[2]] )); then\n",
                      v->cmd->name);
        rg_buf_printf(b, "        local inner=_rung-%s-$words[2]\n", v->cmd->name);
        rg_buf_puts(b,
                    "        shift words\n        (( CURRENT-- ))\n        $inner\n        return\n    fi\n");
    }
    rg_buf_puts(b, "    _arguments -S : \\\n");
    for (size_t g = 0; g < v->n; g++)
        for (const rg_opt *p = v->groups[g].opts; p->name; p++)
            put_option(b, p);
    rg_buf_puts(b, "        '*:argument:");
    put_action(b, cli_arguments_of(v->cmd), NULL);
    rg_buf_puts(b, "'\n}\n");
}

static void tail(rg_buf *b)
{
    rg_buf_puts(b, "\n"
                   "_rung() {\n"
                   "    local -a verbs\n"
                   "    local _rung_program=$words[1]\n"
                   "    verbs=(\n");
    for (size_t i = 0; cli_cmds[i]; i++) {
        rg_buf_printf(b, "        '%s:", cli_cmds[i]->name);
        put_description(b, cli_cmds[i]->summary);
        rg_buf_puts(b, "'\n");
    }
    rg_buf_puts(b, "        'help:what a verb takes'\n"
                   "        'version:version, build and machine'\n"
                   "    )\n"
                   "    if (( CURRENT == 2 )); then\n"
                   "        _describe verb verbs\n"
                   "        return\n"
                   "    fi\n"
                   "    shift words\n"
                   "    (( CURRENT-- ))\n"
                   "    if [[ $words[1] == help ]]; then\n"
                   "        if [[ $words[CURRENT-1] == --completion ]]; then\n"
                   "            compadd bash zsh fish\n"
                   "        else\n"
                   "            compadd -- --man --completion\n"
                   "            _describe verb verbs\n"
                   "        fi\n"
                   "    elif (( $+functions[_rung-$words[1]] )); then\n"
                   "        _rung-$words[1]\n"
                   "    fi\n"
                   "}\n"
                   "\n"
                   "if [[ $funcstack[1] == _rung ]]; then\n"
                   "    _rung \"$@\"\n"
                   "else\n"
                   "    compdef _rung rung\n"
                   "fi\n");
}

const cli_format cli_zsh = { "zsh", head, verb, tail };
