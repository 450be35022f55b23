/* Manual pages and completions say what the option tables say, and tools can read them. */
#include "program.h"

#include "rung/search/search.h"
#include "rung/text/prompt.h"
#include "rung/text/template.h"

enum { MAX_VERBS = 64 };

typedef struct verbs {
    char name[MAX_VERBS][32]; /* "solve", "model pull" */
    size_t n;
} verbs;

static char man[1 << 19], bash_text[1 << 19], zsh_text[1 << 19], fish_text[1 << 19];

static void keep(char *to, size_t size, const char *args)
{
    const said s = program(args);
    if (s.code != 0 || s.err[0] != '\0')
        fail_msg("rung %s: exit %d, %s", args, s.code, s.err);
    snprintf(to, size, "%s", s.out);
}

/* The words after "say what to do:" are verbs of a verb. */
static void add_inner(verbs *v, const char *verb)
{
    static said s;
    s = program(verb);
    const char *p = strstr(s.err, "say what to do: ");
    if (!p)
        return;
    for (p += 16; *p && *p != '\n' && *p != ';';) {
        const size_t n = strspn(p, "abcdefghijklmnopqrstuvwxyz");
        char rest[16] = "";
        memcpy(rest, p, n < 15 ? n : 15);
        if (n > 0 && strncmp(p, "or ", 3) != 0 && v->n < MAX_VERBS)
            snprintf(v->name[v->n++], 32, "%.15s %.15s", verb, rest);
        p += n > 0 ? n : 1;
    }
}

static verbs all_verbs(void)
{
    verbs v = { .n = 0 };
    static said list;
    list = program("help");
    for (const char *p = strstr(list.out, "\n\n  "); p && *p; p = strchr(p + 1, '\n')) {
        char verb[32];
        if (sscanf(p, " %31[a-z]", verb) != 1 || strcmp(verb, "help") == 0)
            break;
        snprintf(v.name[v.n++], 32, "%s", verb);
        if (strcmp(verb, "model") == 0) /* others would go to work */
            add_inner(&v, verb);
        if (p[1] == '\n')
            p++;
    }
    CHECK(v.n >= 12);
    return v;
}

/* The part of a completion that speaks of one verb: from `begin` up to `end`. */
static const char *part(const char *text, const char *begin, const char *end)
{
    static char found[1 << 17];
    const char *from = strstr(text, begin), *to = from ? strstr(from + 1, end) : NULL;
    if (!from)
        fail_msg("nothing begins with %s", begin);
    snprintf(found, sizeof found, "%.*s", to ? (int)(to - from) : (int)strlen(from), from);
    return found;
}

/* Flag as roff has it: a backslash before every hyphen. */
static void check_man(const char *verb, const char *flag)
{
    char roff[128] = "\\fB";
    for (const char *p = flag; *p; p++)
        strcat(roff, (char[3]){ *p == '-' ? '\\' : *p, *p == '-' ? '-' : '\0' });
    strcat(roff, "\\fR");
    if (!strstr(man, roff))
        fail_msg("the manual page of %s has no %s", verb, flag);
}

static void check_bash(const char *verb, const char *flag)
{
    char begin[64], word[80];
    snprintf(begin, sizeof begin, "    '%s')\n", verb);
    snprintf(word, sizeof word, " %s ", flag);
    if (!strstr(part(bash_text, begin, ";;\n    '"), word))
        fail_msg("bash completion of %s has no %s", verb, flag);
}

static void check_zsh(const char *verb, const char *flag, bool longest)
{
    char begin[64], plain[80], valued[80];
    snprintf(begin, sizeof begin, "_rung-%s() {", verb);
    for (char *p = begin; *p != '('; p++)
        *p = *p == ' ' ? '-' : *p;
    snprintf(plain, sizeof plain, "%s[", flag);
    snprintf(valued, sizeof valued, "%s=[", flag);
    const char *text = part(zsh_text, begin, "\n}\n");
    if (!strstr(text, plain) && !(longest && strstr(text, valued)))
        fail_msg("zsh completion of %s has no %s", verb, flag);
}

static void check_fish(const char *verb, const char *flag)
{
    char begin[96], word[80];
    const char kind = flag[1] == '-' ? 'l' : flag[2] ? 'o' : 's';
    snprintf(word, sizeof word, " -%c %s ", kind, flag + (kind == 'l' ? 2 : 1));
    snprintf(begin, sizeof begin, "'__rung_at %s'", verb);
    for (const char *p = fish_text; (p = strstr(p, begin)); p++) {
        const char *found = strstr(p, word);
        if (found && found < strchr(p, '\n'))
            return;
    }
    fail_msg("fish completion of %s has no %s", verb, flag);
}

/* Every flag of a help page: "  -n, --max-tokens N   ..." */
static size_t check_flags(const char *verb)
{
    static said help;
    char args[64];
    const char *space = strchr(verb, ' ');
    size_t n = 0;
    snprintf(args, sizeof args, "%s --help", verb);
    help = program(args);
    snprintf(args, sizeof args, "help --man %.*s", space ? (int)(space - verb) : (int)strlen(verb), verb);
    keep(man, sizeof man, args);
    for (const char *line = help.out; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        const char *p = line + strspn(line, " ");
        if (p - line < 2 || *p != '-')
            continue;
        for (size_t i = 0; *p == '-' && i < 8; i++, n++) {
            char flag[64];
            const size_t len = strcspn(p, ", \n");
            snprintf(flag, sizeof flag, "%.*s", (int)len, p);
            if (!space ||
                !strstr("--json --quiet -q --verbose -v --color --config --print-config --help -h", flag))
                check_man(verb, flag);
            check_bash(verb, flag);
            check_zsh(verb, flag, flag[1] == '-');
            check_fish(verb, flag);
            p += len + (p[len] == ',') * 2u;
        }
    }
    return n;
}

TEST(every_verb_and_flag_is_in_the_manual_and_in_all_completions)
{
    const verbs v = all_verbs();
    size_t flags = 0;
    keep(bash_text, sizeof bash_text, "help --completion bash");
    keep(zsh_text, sizeof zsh_text, "help --completion zsh");
    keep(fish_text, sizeof fish_text, "help --completion fish");
    for (size_t i = 0; i < v.n; i++)
        flags += check_flags(v.name[i]);
    CHECK(flags > 200);
}

TEST(every_verb_is_in_the_program_s_manual)
{
    const verbs v = all_verbs();
    keep(man, sizeof man, "help --man");
    for (size_t i = 0; i < v.n; i++) {
        char want[64];
        snprintf(want, sizeof want, ".BR rung\\-%s (1)", v.name[i]);
        if (!strchr(v.name[i], ' ') && !strstr(man, want))
            fail_msg("rung.1 has no %s", v.name[i]);
    }
}

static bool have(const char *tool)
{
    char text[128];
    snprintf(text, sizeof text, "command -v %s", tool);
    if (shell(text).code == 0)
        return true;
    print_message("[  NOTE    ] %s is not installed here\n", tool);
    return false;
}

TEST(manual_pages_are_clean)
{
    const bool lint = have("mandoc");
    if (!have("groff"))
        skip();
    const verbs v = all_verbs();
    for (size_t i = 0; i <= v.n; i++) {
        char text[1024];
        const char *verb = i < v.n ? v.name[i] : "";
        if (strchr(verb, ' '))
            continue;
        snprintf(text, sizeof text, "'%s' help --man %s | groff -ww -man -Tutf8 2>&1 >/dev/null", RUNG_BIN,
                 verb);
        said s = shell(text);
        if (s.out[0] != '\0')
            fail_msg("groff, page of rung %s: %s", verb, s.out);
        snprintf(text, sizeof text, "'%s' help --man %s | mandoc -W warning -Tlint", RUNG_BIN, verb);
        s = lint ? shell(text) : s;
        if (s.out[0] != '\0')
            fail_msg("mandoc, page of rung %s: %s", verb, s.out);
    }
}

TEST(shells_can_read_their_completions)
{
    static const char *const shells[] = { "bash", "zsh", "fish" };
    size_t n = 0;
    for (size_t i = 0; i < COUNT(shells); i++) {
        char text[1024];
        if (!have(shells[i]))
            continue;
        snprintf(text, sizeof text,
                 "t=$(mktemp); '%s' help --completion %s >$t; %s -n $t; c=$?; rm -f $t; (exit $c)", RUNG_BIN,
                 shells[i], shells[i]);
        const said s = shell(text);
        if (s.code != 0 || s.err[0] != '\0')
            fail_msg("%s: %s", shells[i], s.err);
        n++;
    }
    if (n == 0)
        skip();
}

/* A store with one model of this name, so that what is here does not depend on the machine. */
#define STORE                                                                                                \
    "d=$(mktemp -d); mkdir -p $d/rung/models; : >$d/rung/models/mine.gguf; export XDG_CACHE_HOME=$d; "

static void check_words(const char *typed, const char *got, const char *want)
{
    if (strcmp(got, want) != 0)
        fail_msg("%s: offers '%s', not '%s'", typed, got, want);
}

TEST(bash_completes)
{
    static const char *const cases[][2] = {
        { "rung|so", "solve" },
        { "rung|solve|--me", "--method" },
        { "rung|solve|--method|maj", "majority" },
        { "rung|solve|--method|=|maj", "majority" },
        { "rung|solve|--color|=", "auto always never" },
        { "rung|model|pu", "pull" },
        { "rung|model|pull|gemma", "gemma3-270m" },
        { "rung|model|pull|--fr", "--from" },
        { "rung|model|info|mi", "mine" },
        { "rung|solve|-m|mi", "mine" },
        { "rung|solve|-n|", "" },
        { "rung|solve|--problems|fi", "file one" },
        { "rung|solve|--quiet|--tr", "--tree" },
        { "rung|help|gen", "generate" },
        { "rung|help|--completion|f", "fish" },
        { "rung|nosuch|", "" },
    };
    if (!have("bash"))
        skip();
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[4096];
        snprintf(text, sizeof text,
                 STORE
                 "cd $d; : >'file one'; '%s' help --completion bash >c; printf %%s '"
                 "source c; IFS=\"|\"; COMP_WORDS=(%s); unset IFS; [[ $1 != *\"|\" ]] || COMP_WORDS+=(\"\"); "
                 "COMP_CWORD=$((${#COMP_WORDS[@]}-1)); "
                 "_rung %s \"${COMP_WORDS[COMP_CWORD]}\" \"\"; printf %%s \"${COMPREPLY[*]}\"' >t; "
                 "bash t '%s'; rm -rf $d",
                 RUNG_BIN, "$1", RUNG_BIN, cases[i][0]);
        const said s = shell(text);
        if (s.err[0] != '\0')
            fail_msg("%s: %s", cases[i][0], s.err);
        check_words(cases[i][0], s.out, cases[i][1]);
    }
}

TEST(fish_completes)
{
    static const char *const cases[][2] = {
        { "rung so", "solve" },
        { "rung solve --met", "--method" },
        { "rung solve --method maj", "majority" },
        { "rung model pu", "pull" },
        { "rung help --completion f", "fish" },
    };
    if (!have("fish"))
        skip();
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[4096];
        snprintf(
            text, sizeof text,
            STORE
            "export HOME=$d; '%s' help --completion fish >$d/c; fish -c \"source $d/c; complete -C '%s'\" | "
            "cut -f 1 | tr -d '\\n'; rm -rf $d",
            RUNG_BIN, cases[i][0]);
        check_words(cases[i][0], shell(text).out, cases[i][1]);
    }
}

/* Words that a table offers are the words that the library knows. */
TEST(offered_words_are_known)
{
    char words[2048], *end;
    keep(bash_text, sizeof bash_text, "help --completion bash");
    const char *solve = part(bash_text, "    'solve')\n", ";;\n    '");
    char want[512] = "--method|--approach) kind=words words='";
    for (const rg_strategy *const *s = rg_strategies(); *s; s++)
        snprintf(want + strlen(want), sizeof want - strlen(want), "%s%s", s == rg_strategies() ? "" : " ",
                 (*s)->name);
    strcat(want, "'");
    if (!strstr(solve, want))
        fail_msg("--method does not offer the strategies there are: %s", want);
    const char *templates = strstr(solve, "--template|--chat-template) kind=words words='");
    const char *styles = strstr(solve, "--prompt-style) kind=words words='auto ");
    CHECK(templates && styles);
    snprintf(words, sizeof words, "%s", strchr(templates, '\'') + 1);
    *strchr(words, '\'') = '\0';
    for (char *w = strtok_r(words, " ", &end); w; w = strtok_r(NULL, " ", &end))
        CHECK(rg_template_builtin(w));
    snprintf(words, sizeof words, "%s", strstr(styles, "auto ") + 5);
    *strchr(words, '\'') = '\0';
    for (char *w = strtok_r(words, " ", &end); w; w = strtok_r(NULL, " ", &end))
        CHECK(rg_policy_prompt_find(w));
}

TEST(wrong_questions_are_one_line)
{
    static const char *const wrong[] = { "help --man nosuch", "help --man solve grade",
                                         "help --completion csh", "help --completion",
                                         "solve --help=nosuch" };
    for (size_t i = 0; i < COUNT(wrong); i++) {
        const said s = program(wrong[i]);
        if (s.code != 2 || s.out[0] != '\0' || program_lines(s.err) != 1)
            fail_msg("rung %s: exit %d, %s%s", wrong[i], s.code, s.out, s.err);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_verb_and_flag_is_in_the_manual_and_in_all_completions),
        cmocka_unit_test(every_verb_is_in_the_program_s_manual),
        cmocka_unit_test(manual_pages_are_clean),
        cmocka_unit_test(shells_can_read_their_completions),
        cmocka_unit_test(bash_completes),
        cmocka_unit_test(fish_completes),
        cmocka_unit_test(offered_words_are_known),
        cmocka_unit_test(wrong_questions_are_one_line),
    };
    return cmocka_run_group_tests_name("cli/pages", tests, NULL, NULL);
}
