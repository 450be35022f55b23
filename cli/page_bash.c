/* page_bash.c - completion for bash: one case per verb, written from its tables; the rest is the
 * same for all.  Model names are asked for when they are wanted. */
#include "page.h"

#include <string.h>

static void head(rg_buf *b)
{
    rg_buf_puts(b, "# bash completion for rung, written by `rung help --completion bash`\n"
                   "\n"
                   "# _rung_models PROGRAM here|known\n"
                   "_rung_models()\n"
                   "{\n"
                   "    if [[ $2 == here ]]; then\n"
                   "        \"$1\" model ls 2>/dev/null | awk '/ here /{ print $1 }'\n"
                   "    else\n"
                   "        \"$1\" model ls 2>/dev/null | awk '{ print $1 }'\n"
                   "    fi\n"
                   "}\n"
                   "\n"
                   "# Sets flags (what the verb takes), kind and words (what may follow $flag), rest (what\n"
                   "# its arguments are).\n"
                   "_rung_table()\n"
                   "{\n"
                   "    local verb=$1 flag=$2\n"
                   "    case $verb in\n");
}

static void put_flags(rg_buf *b, const cli_verb *v)
{
    char name[64];
    for (size_t g = 0; g < v->n; g++)
        for (const rg_opt *p = v->groups[g].opts; p->name; p++) {
            for (size_t i = 0; cli_flag_name(name, p, i); i++)
                if (i == 0 || name[1] != '-') /* long aliases work, but would crowd the list */
                    rg_buf_printf(b, " %s", name);
            if (cli_flag_negates(p))
                rg_buf_printf(b, " --no-%s", p->name);
        }
}

static const char *word_of(cli_words w)
{
    static const char *const words[] = { [CLI_ANY] = "text",
                                         [CLI_CHOICES] = "words",
                                         [CLI_FILES] = "files",
                                         [CLI_MODELS] = "models",
                                         [CLI_KNOWN_MODELS] = "known" };
    return words[w];
}

/* --method|--approach) kind=words words='...' ;; */
static void put_value(rg_buf *b, const rg_opt *p)
{
    char name[64];
    if (p->kind == RG_OPT_FLAG)
        return;
    rg_buf_puts(b, "        ");
    for (size_t i = 0; cli_flag_name(name, p, i); i++)
        rg_buf_printf(b, "%s%s", i ? "|" : "", name);
    rg_buf_printf(b, ") kind=%s", word_of(cli_words_of(p)));
    if (p->choices) {
        rg_buf_puts(b, " words='");
        for (size_t i = 0; cli_item(p->choices, i).p; i++) {
            rg_buf_puts(b, i ? " " : "");
            cli_put_quoted(b, cli_item(p->choices, i));
        }
        rg_buf_puts(b, "'");
    }
    rg_buf_puts(b, " ;;\n");
}

static void verb(rg_buf *b, const cli_verb *v)
{
    rg_buf_printf(b, "    '%s')\n        flags='", v->cmd->name);
    put_flags(b, v);
    rg_buf_puts(b, " '\n        inner='");
    for (size_t i = 0; cli_item(cli_notes_of(v->cmd->name)->inner, i).p; i++) {
        rg_buf_puts(b, i ? " " : "");
        rg_buf_str(b, cli_item(cli_notes_of(v->cmd->name)->inner, i));
    }
    rg_buf_printf(b, "'\n        rest=%s\n        case $flag in\n", word_of(cli_arguments_of(v->cmd)));
    for (size_t g = 0; g < v->n; g++)
        for (const rg_opt *p = v->groups[g].opts; p->name; p++)
            put_value(b, p);
    rg_buf_puts(b, "        esac\n        ;;\n");
}

static void tail(rg_buf *b)
{
    rg_buf_puts(
        b, "    esac\n"
           "}\n"
           "\n"
           "_rung_offer()\n"
           "{\n"
           "    case $1 in\n"
           "    words) mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\") ;;\n"
           "    known) mapfile -t COMPREPLY < <(compgen -W \"$(_rung_models \"$program\" known)\" -- "
           "\"$cur\") ;;\n"
           "    files|models)\n"
           "        compopt -o filenames 2>/dev/null\n"
           "        mapfile -t COMPREPLY < <(\n"
           "            [[ $1 == files ]] || compgen -W \"$(_rung_models \"$program\" here)\" -- \"$cur\"\n"
           "            compgen -f -- \"$cur\")\n"
           "        ;;\n"
           "    esac\n"
           "}\n"
           "\n"
           "_rung()\n"
           "{\n"
           "    local program=$1 cur=${COMP_WORDS[COMP_CWORD]} flag=${COMP_WORDS[COMP_CWORD-1]}\n"
           "    local verb=${COMP_WORDS[1]} flags='' inner='' kind='' words='' rest=text\n"
           "    COMPREPLY=()\n"
           "    # --flag=value comes as three words\n"
           "    if [[ $cur == = ]]; then\n"
           "        cur=''\n"
           "    elif [[ $flag == = ]]; then\n"
           "        flag=${COMP_WORDS[COMP_CWORD-2]}\n"
           "    fi\n"
           "    if (( COMP_CWORD == 1 )); then\n"
           "        words='help version --help --version ");
    for (size_t i = 0; cli_cmds[i]; i++)
        rg_buf_printf(b, "%s%s", i ? " " : "", cli_cmds[i]->name);
    rg_buf_puts(b, "'\n"
                   "        _rung_offer words\n"
                   "        return\n"
                   "    fi\n"
                   "    if [[ $verb == help ]]; then\n"
                   "        words='--man --completion ");
    for (size_t i = 0; cli_cmds[i]; i++)
        rg_buf_printf(b, "%s%s", i ? " " : "", cli_cmds[i]->name);
    rg_buf_puts(b, "'\n"
                   "        [[ $flag != --completion ]] || words='bash zsh fish'\n"
                   "        _rung_offer words\n"
                   "        return\n"
                   "    fi\n"
                   "    _rung_table \"$verb\" \"$flag\"\n"
                   "    if [[ -n $inner ]]; then\n"
                   "        if (( COMP_CWORD == 2 )); then\n"
                   "            words=\"$inner $flags\"\n"
                   "            _rung_offer words\n"
                   "            return\n"
                   "        fi\n"
                   "        _rung_table \"$verb ${COMP_WORDS[2]}\" \"$flag\"\n"
                   "    fi\n"
                   "    if [[ -n $kind && $flag == -* ]]; then\n"
                   "        _rung_offer \"$kind\"\n"
                   "    elif [[ $cur == -* ]]; then\n"
                   "        words=$flags\n"
                   "        _rung_offer words\n"
                   "    else\n"
                   "        _rung_offer \"$rest\"\n"
                   "    fi\n"
                   "}\n"
                   "\n"
                   "complete -F _rung rung\n");
}

const cli_format cli_bash = { "bash", head, verb, tail };
