/* cmd_grade.c - `rung grade`: are two answers the same, and which rule says so. */
#include "cli.h"

#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "rung/base/file.h"
#include "rung/base/mem.h"
#include "rung/grade/grade.h"

enum { MAX_LINE = 16 << 20, MAX_OUT = 64 << 20 };

typedef struct grade_opts {
    const char *jsonl;
    bool explain, lenient_base;
    double rtol;
    int64_t digits;
} grade_opts;

static const rg_opt grade_table[] = {
    { "jsonl", NULL, RG_OPT_STR, offsetof(grade_opts, jsonl), NULL, 0, 0, NULL, "FILE",
      "grade every line {\"gold\":...,\"pred\":...} of FILE (- = standard input)" },
    { "explain", NULL, RG_OPT_FLAG, offsetof(grade_opts, explain), NULL, 0, 0, NULL, NULL,
      "also show what was taken as the answer and its form as a vote" },
    { "rtol", NULL, RG_OPT_FLOAT, offsetof(grade_opts, rtol), "1e-4", 1e-15, 1, NULL, NULL,
      "relative tolerance of decimals" },
    { "digits", NULL, RG_OPT_INT, offsetof(grade_opts, digits), "3", 1, 1000, NULL, "N",
      "significant digits a decimal must have to be tolerated" },
    { "lenient-base", NULL, RG_OPT_FLAG, offsetof(grade_opts, lenient_base), NULL, 0, 0, NULL, NULL,
      "52 equals 52_8" },
    { 0 },
};

/* Answers may begin with '-': only --word, -h, -q and -v are flags here. */
static bool is_flag(const char *s)
{
    if (s[0] != '-')
        return false;
    if (s[1] == '-')
        return isalpha((unsigned char)s[2]) != 0;
    return strchr("hqv", s[1]) && s[1] && s[2] == '\0';
}

static bool takes_value(const char *s)
{
    static const char *const names[] = { "--jsonl", "--rtol",       "--digits",
                                         "--color", "--log-colors", "--config" };
    for (size_t i = 0; i < RG_COUNT(names); i++)
        if (strcmp(s, names[i]) == 0)
            return true;
    return false;
}

/* Flags first, then "--", then the answers.  sorted has room for argc + 2. */
static int sort_arguments(char **sorted, int argc, char **argv)
{
    static char end[] = "--";
    int n = 0;
    bool flags = true;
    for (int pass = 0; pass < 2; pass++, flags = true) {
        if (pass == 1)
            sorted[n++] = end;
        for (int i = 0; i < argc; i++) {
            const bool stop = flags && strcmp(argv[i], "--") == 0;
            const bool flag = flags && !stop && is_flag(argv[i]);
            const bool value = flag && takes_value(argv[i]) && i + 1 < argc;
            if (stop)
                flags = false;
            else if (flag == (pass == 0))
                sorted[n++] = argv[i];
            if (value && pass == 0)
                sorted[n++] = argv[i + 1];
            i += value;
        }
    }
    sorted[n] = NULL;
    return n;
}

static void put_field(rg_buf *b, const char *name, rg_str value)
{
    rg_buf_printf(b, "\"%s\":\"", name);
    rg_buf_json_escape(b, value);
    rg_buf_putc(b, '"');
}

static void put_side(rg_buf *out, bool json, const char *name, rg_str text)
{
    rg_buf answer = RG_BUF_MAX(text.n + 4096), vote = RG_BUF_MAX(1 << 18);
    const char *rule = rg_extract_rule_name(rg_find_answer(&answer, text));
    const rg_str a = rg_buf_view(&answer);
    rg_canon(&vote, a);
    if (json) {
        rg_buf_printf(out, ",\"%s\":{", name);
        put_field(out, "answer", a);
        rg_buf_putc(out, ',');
        put_field(out, "found_by", rg_str_of(rule));
        rg_buf_putc(out, ',');
        put_field(out, "canon", rg_buf_view(&vote));
        rg_buf_putc(out, '}');
    } else {
        rg_buf_printf(out, "%s: ", name);
        cli_put_text(out, a);
        rg_buf_printf(out, "  (%s)  vote ", rule);
        cli_put_text(out, rg_buf_view(&vote));
        rg_buf_putc(out, '\n');
    }
    rg_buf_free(&answer);
    rg_buf_free(&vote);
}

static void put_grading(rg_buf *out, rg_str gold, rg_str pred, const grade_opts *o, bool json)
{
    const rg_grade_opt g = { o->rtol, (int)o->digits, o->lenient_base };
    const rg_grading r = rg_grade_texts(gold, pred, &g);
    if (json)
        rg_buf_printf(out, "{\"equal\":%s,\"verdict\":\"%s\",\"rule\":\"%s\"",
                      r.verdict == RG_EQUAL ? "true" : "false", rg_verdict_name(r.verdict), r.rule);
    else
        rg_buf_printf(out, "%s by %s\n", rg_verdict_name(r.verdict), r.rule);
    if (o->explain) {
        put_side(out, json, "gold", gold);
        put_side(out, json, "pred", pred);
    }
    if (json)
        rg_buf_puts(out, "}\n");
}

/* A string as it is, a number as it would be written; yours to free(). */
static char *member_text(const json_t *object, const char *name)
{
    const json_t *v = json_object_get(object, name);
    if (json_is_string(v))
        return strdup(json_string_value(v));
    return json_is_number(v) ? json_dumps(v, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15)) : NULL;
}

static rg_status grade_line(rg_str line, size_t number, const grade_opts *o, rg_err *e)
{
    rg_buf out = RG_BUF_MAX(MAX_OUT);
    json_error_t je;
    json_t *j = json_loadb(line.p, line.n, 0, &je);
    char *gold = member_text(j, "gold"), *pred = member_text(j, "pred");
    rg_status s = RG_OK;
    if (gold == NULL || pred == NULL)
        s = rg_err_set(e, RG_EFORMAT, __FILE__, __LINE__, "%s:%zu: %s", o->jsonl, number,
                       j ? "no \"gold\" and \"pred\" of text or number" : je.text);
    else
        put_grading(&out, rg_str_of(gold), rg_str_of(pred), o, true);
    free(gold);
    free(pred);
    json_decref(j);
    if (s == RG_OK)
        s = cli_print(&out, e);
    rg_buf_free(&out);
    return s;
}

static rg_status grade_file(const grade_opts *o, rg_err *e)
{
    rg_lines *l;
    rg_str line;
    size_t number;
    bool newline;
    rg_status s;
    RG_TRY(rg_lines_open(&l, o->jsonl, MAX_LINE, e));
    for (;;) {
        RG_GO(s, done, rg_lines_next(l, &line, &number, &newline, e));
        if (line.p == NULL)
            break;
        if (rg_str_trim(line).n > 0)
            RG_GO(s, done, grade_line(line, number, o, e));
    }
done:
    rg_lines_close(l);
    return s;
}

static rg_status grade_pair(const cli_args *a, const grade_opts *o, rg_err *e)
{
    rg_buf out = RG_BUF_MAX(MAX_OUT);
    RG_TRY(cli_want_pos(a, 2, 2, "two answers, GOLD and PRED", e));
    put_grading(&out, rg_str_of(a->pos.item[0]), rg_str_of(a->pos.item[1]), o, a->common.json);
    return cli_print(&out, e);
}

static int run(const rg_cmd *cmd, int argc, char **argv)
{
    grade_opts o = { 0 };
    const rg_opt_group groups[] = { { "Grade", grade_table, &o } };
    cli_args a;
    rg_err e = RG_ERR_INIT;
    char **sorted = rg_alloc((size_t)argc + 2, sizeof *sorted);
    if (sorted == NULL)
        return rg_status_exit(RG_ENOMEM);
    const int n = sort_arguments(sorted, argc, argv);
    int code = cli_open(&a, cmd, groups, 1, n, sorted);
    if (code < 0) {
        const rg_status s = o.jsonl ? grade_file(&o, &e) : grade_pair(&a, &o, &e);
        code = cli_close(&a, s, &e);
    }
    rg_free(sorted);
    return code;
}

const rg_cmd rg_cmd_grade = {
    .name = "grade",
    .summary = "compare two answers and say which rule decided",
    .usage = "[flags] GOLD PRED | --jsonl FILE",
    .run = run,
};
