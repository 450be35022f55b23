/* Every verb answers bad input with its exit code and one line that names what was wrong. */
#include "program.h"

#define TINY RG_SOURCE_ROOT "/tests/data/tiny/qwen2.gguf"
#define M    "-q -m " TINY " "

static char dir[64];

static int make_files(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/rung-bad-XXXXXX");
    if (mkdtemp(dir) == NULL)
        return 1;
    static const struct {
        const char *name, *text;
    } files[] = {
        { "json", "{\"problem\":\"1+1\",\"answer\":\"2\"}\n{\"problem\":oops}\n" },
        { "fields", "{\"problem\":\"1+1\",\"answer\":\"2\"}\n{\"answer\":\"2\"}\n" },
        { "none", "{\"foo\":1}\n" },
        { "good", "{\"problem\":\"1+1\",\"answer\":\"2\"}\n" },
        { "empty", "" },
        { "list", "[1,2]\n" },
        { "template", "{% if %}" },
        { "pairs", "{\"gold\":\"1\",\"pred\":\"1\"}\n{\"gold\":\"1\"}\n" },
        { "model.gguf", "GGUF but not really" },
        { "utf8", "caf\xe9" },
        { "row_id", "{\"ids\":[1,9999]}\n" },
        { "row_both", "\n{\"ids\":[1],\"text\":\"a b\"}\n" },
        { "row_short", "{\"ids\":[1]}" },
    };
    for (size_t i = 0; i < COUNT(files); i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", dir, files[i].name);
        FILE *f = fopen(path, "wb");
        if (f == NULL || fputs(files[i].text, f) == EOF || fclose(f) != 0)
            return 1;
    }
    char zero[256];
    snprintf(zero, sizeof zero, "printf 'a\\000b' >%s/zero", dir);
    return system(zero);
}

static int remove_files(void **state)
{
    (void)state;
    char text[128];
    snprintf(text, sizeof text, "rm -r '%s'", dir);
    return system(text);
}

/* args: a % stands for the folder of files.  words: must stand in the line, "|" between them. */
typedef struct bad {
    const char *verb, *args;
    int code;
    const char *words;
} bad;

static const bad TABLE[] = {
    /* models */
    { "solve", "-q -m nosuch x", 2, "nosuch|model pull" },
    { "generate", "-q -m nosuch x", 2, "nosuch|model pull" },
    { "tokenize", "-q -m nosuch x", 2, "nosuch|model pull" },
    { "perplexity", "-q -m nosuch -p x", 2, "nosuch|model pull" },
    { "chat", "-q -m nosuch", 2, "nosuch|model pull" },
    { "bench", "-q -m nosuch", 2, "nosuch|model pull" },
    { "solve", "-q -m /tmp x", 3, "/tmp|no model" },
    { "generate", "-q -m /tmp x", 3, "/tmp" },
    { "tokenize", "-q -m /tmp x", 3, "/tmp" },
    { "solve", "-q -m %/model.gguf x", 3, "model.gguf" },
    { "generate", "-q -m %/zero x", 3, "zero" },
    { "bench", "-q -m %/model.gguf", 3, "model.gguf" },
    /* texts */
    { "solve", M "-f /no/such", 1, "/no/such|No such file" },
    { "generate", M "-f /no/such", 1, "/no/such" },
    { "tokenize", M "-f /no/such", 1, "/no/such" },
    { "perplexity", M "-f /no/such", 1, "/no/such" },
    { "perplexity", M "-f /tmp", 1, "/tmp" },
    { "perplexity", M "-p hello", 2, "512|-c" },
    { "solve", M "''", 2, "empty" },
    { "solve", M "' '", 2, "empty" },
    { "generate", M "''", 2, "empty" },
    { "solve", M "-f %/zero", 3, "zero byte" },
    { "generate", M "--chat -f %/utf8", 3, "UTF-8" },
    { "solve", M "-f %/utf8", 3, "UTF-8" },
    { "solve", M "-n 4 -N 1 $(printf '%0300d' 7)", 4, "256|-c" },
    { "generate", M "-n 4 $(printf '%0300d' 7)", 4, "256|-c" },
    { "generate", M "-c 8 $(printf '%020d' 7)", 4, " 8|-c" },
    { "solve", M "a b", 2, "quotes" },
    { "solve", M "-p a -f b", 2, "once" },
    { "tokenize", M "-p a b", 2, "once" },
    /* numbers */
    { "solve", M "-N 0 x", 2, "-N 0|1" },
    { "solve", M "-N 2x x", 2, "-N|2x" },
    { "solve", M "-n 0 x", 2, "-n 0" },
    { "solve", M "-n 99999999999999999999 x", 2, "-n" },
    { "solve", M "--temp nan x", 2, "--temp|nan" },
    { "solve", M "--temp -1 x", 2, "--temp" },
    { "solve", M "--top-p 2 x", 2, "--top-p|1" },
    { "solve", M "-t -5 x", 2, "-t -5" },
    { "solve", M "-s -2 x", 2, "-s -2" },
    { "solve", M "-c 1 x", 4, "-c" },
    { "solve", M "-b 0 x", 2, "-b 0" },
    { "solve", M "--slots 0 x", 2, "--slots 0" },
    { "generate", M "--logprobs 101 x", 2, "--logprobs 101|100" },
    { "generate", M "--logprob-token 999 x", 2, "999|276" },
    { "generate", M "--logprob-token no-such x", 2, "no-such" },
    { "generate", M "--logit-bias foo x", 2, "foo|ID+X" },
    { "perplexity", M "--chunks -1 -p x", 2, "--chunks -1" },
    { "perplexity", M "--rows /no/such", 1, "/no/such" },
    { "perplexity", M "--rows %/zero", 3, "zero:1" },
    { "perplexity", M "--rows %/empty", 3, "empty|no row" },
    { "perplexity", M "--rows %/row_id", 3, "row_id:1|place 1|276" },
    { "perplexity", M "--rows %/row_both", 3, "row_both:2|text|ids" },
    { "perplexity", M "--rows %/row_short", 2, "row_short:1|1 tokens" },
    { "perplexity", M "--rows x -p y", 2, "--rows" },
    { "perplexity", M "--logprobs -p y", 2, "--logprobs|--rows" },
    { "bench", M "--repeats 0", 2, "--repeats 0" },
    { "grade", "--rtol 0 1 2", 2, "--rtol" },
    /* names */
    { "solve", M "--method bst x", 2, "bst|nearest" },
    { "solve", M "--score luck x", 2, "luck" },
    { "solve", M "--score oracle x", 2, "oracle|--gold" },
    { "solve", M "--prompt-style foo x", 2, "foo|llama3" },
    { "solve", M "--cpu sse9 x", 2, "sse9|avx2" },
    { "generate", M "--cache-type q4 x", 2, "q4|f16|bf16|q8|f32" },
    { "model info", "--cache-type 8 " TINY, 2, "8|f16|bf16|q8|f32" },
    { "generate", M "--context-shift -c 64 x", 2, "qwen2.gguf|rotary|-c (now 64)" },
    { "generate", M "--context-shift x", 2, "rotary|longer context" },
    { "solve", M "--template /no/such x", 1, "/no/such" },
    { "solve", M "--template %/template x", 3, "1" },
    { "solve", M "--no-such x", 2, "--no-such" },
    { "bench", M "--tests foo", 2, "foo|tg64" },
    { "bench", M "x", 2, "no arguments" },
    { "solve", "-q -m " RG_SOURCE_ROOT "/tests/data/tiny/llama_norm.gguf --kv-memory 1 -c 99999999 x", 2,
      "-c" },
    /* files of problems */
    { "solve", M "--problems /no/such", 1, "/no/such" },
    { "solve", M "--problems %/json", 3, "/json:2" },
    { "solve", M "--problems %/fields", 3, "/fields:2" },
    { "solve", M "--problems %/none", 3, "/none:1|problem" },
    { "solve", M "--problems %/list", 3, "/list" },
    { "solve", M "--problems %/empty", 2, "/empty" },
    { "solve", M "--problems %/good --start 1", 2, "--start 1" },
    { "solve", M "--problems %/good --fields problem", 2, "problem" },
    { "solve", M "--problems %/good --fields problem=nope", 3, "nope" },
    { "solve", M "--problems %/good x", 2, "--problems" },
    { "solve", M "--problems %/good -p x", 2, "--problems" },
    { "solve", M "--problems %/good -n 2 -o %/no/such/x", 1, "/no/such/x" },
    { "solve", M "--problems %/good -n 2 -o %/good", 3, "/good:1|not a record" },
    { "solve", M "--problems %/good -n 2 -o -", 2, "-o|--jsonl" },
    { "solve", M "-o %/x x", 2, "-o|--problems" },
    /* grade */
    { "grade", "1", 2, "two answers|1 argument" },
    { "grade", "", 2, "two answers" },
    { "grade", "1 2 3", 2, "3" },
    { "grade", "--jsonl /no/such", 1, "/no/such" },
    { "grade", "--jsonl %/json", 3, "/json:1" },
};

/* The folder for every % that is followed by a slash. */
static void expand(char *to, size_t size, const char *args)
{
    size_t n = 0;
    for (const char *p = args; *p != '\0' && n + sizeof dir < size; p++)
        if (p[0] == '%' && p[1] == '/')
            n += (size_t)snprintf(to + n, size - n, "%s", dir);
        else
            to[n++] = *p;
    to[n] = '\0';
}

static const char *complaint(const bad *b, const said *s)
{
    char head[64], words[256];
    snprintf(head, sizeof head, "rung %s: ", b->verb);
    snprintf(words, sizeof words, "%s", b->words);
    if (s->code != b->code)
        return "exit code";
    if (program_lines(s->err) != 1 || strncmp(s->err, head, strlen(head)) != 0)
        return "not one line of its own";
    for (char *w = strtok(words, "|"); w != NULL; w = strtok(NULL, "|"))
        if (strstr(s->err, w) == NULL)
            return "missing word";
    return NULL;
}

TEST(one_line_and_the_right_code)
{
    size_t failed = 0;
    for (size_t i = 0; i < COUNT(TABLE); i++) {
        char args[2048], text[4096];
        expand(args, sizeof args, TABLE[i].args);
        snprintf(text, sizeof text, "timeout 60 '%s' %s %s", RUNG_BIN, TABLE[i].verb, args);
        const said s = shell(text);
        const char *what = complaint(&TABLE[i], &s);
        if (what == NULL)
            continue;
        failed++;
        print_message("# %s: rung %s %s\n#   exit %d, want %d with %s\n#   %s\n", what, TABLE[i].verb, args,
                      s.code, TABLE[i].code, TABLE[i].words, s.err);
    }
    assert_int_equal(failed, 0);
}

/* A line of a file that fails after others were graded leaves the others on stdout. */
TEST(lines_before_the_bad_one_are_graded)
{
    char text[512];
    snprintf(text, sizeof text, "'%s' grade --jsonl %s/pairs", RUNG_BIN, dir);
    const said s = shell(text);
    CHECK(s.code == 3 && program_lines(s.out) == 1 && strstr(s.err, "/pairs:2"));
}

TEST(too_little_memory_for_the_state)
{
    const char *model = test_model("smollm2-135m");
    if (model == NULL)
        skip();
    char args[8192];
    snprintf(args, sizeof args, "solve -q -m '%s' --kv-memory 1 -N 1 -n 1 x", model);
    const said s = program(args);
    CHECK(s.code == 4 && program_lines(s.err) == 1 && strstr(s.err, "1 MiB"));
}

TEST(quiet_is_quiet)
{
    const said s = program("solve " M "-N 2 -n 4 -s 1 --prompt-style none 1+1");
    CHECK(s.code == 0 && s.err[0] == '\0' && program_lines(s.out) == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_line_and_the_right_code),
        cmocka_unit_test(lines_before_the_bad_one_are_graded),
        cmocka_unit_test(too_little_memory_for_the_state),
        cmocka_unit_test(quiet_is_quiet),
    };
    return cmocka_run_group_tests_name("cli/bad_input", tests, make_files, remove_files);
}
