/* eval_lex.c - tokens of the evaluator's language; inside brackets a line end is white space. */
#include "eval_int.h"

#include <string.h>

#include "rung/base/mem.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static size_t name_length(rg_str s)
{
    size_t n = 0;
    while (n < s.n && (is_letter(s.p[n]) || is_digit(s.p[n])))
        n++;
    return n;
}

/* 12, 1_000, 0.5, .5, 2. */
static size_t number_length(rg_str s)
{
    size_t n = 0;
    bool point = false;
    while (n < s.n && (is_digit(s.p[n]) || (s.p[n] == '_' && n > 0) || (s.p[n] == '.' && !point))) {
        point = point || s.p[n] == '.';
        n++;
    }
    return n;
}

/* The closing quote's offset, or SIZE_MAX: a text ends on its line. */
static size_t text_length(rg_str s)
{
    for (size_t i = 1; i < s.n && s.p[i] != '\n' && s.p[i] != '\\'; i++)
        if (s.p[i] == s.p[0])
            return i;
    return SIZE_MAX;
}

static size_t op_length(rg_str s)
{
    static const char *const ops[] = { "**=", "//=", "**", "//", "==", "!=", "<=", ">=", "+=",
                                       "-=",  "*=",  "/=", "%=", "+",  "-",  "*",  "/",  "%",
                                       "<",   ">",   "=",  "(",  ")",  ",",  ".",  "[",  "]" };
    for (size_t i = 0; i < RG_COUNT(ops); i++)
        if (rg_str_starts(s, ops[i]))
            return strlen(ops[i]);
    return 0;
}

static void push(rg_eval *v, ev_tok_kind kind, const char *p, size_t n)
{
    v->tok[v->n_tok++] = (ev_tok){ kind, rg_str_n(p, n) };
}

/* The token at the start of s; its length, 0 with a fault. */
static size_t lex_one(rg_eval *v, rg_str s, int *open)
{
    size_t n;
    if (is_letter(s.p[0])) {
        n = name_length(s);
        push(v, EV_NAME, s.p, n);
    } else if (is_digit(s.p[0]) || (s.p[0] == '.' && s.n > 1 && is_digit(s.p[1]))) {
        n = number_length(s);
        push(v, EV_NUM, s.p, n);
    } else if (s.p[0] == '"' || s.p[0] == '\'') {
        n = text_length(s);
        if (n == SIZE_MAX)
            return ev_fail(v, "SyntaxError", "a text without end, or with a backslash in it");
        push(v, EV_TEXT, s.p + 1, n - 1);
        n++;
    } else {
        n = op_length(s);
        if (n == 0)
            return ev_fail(v, "SyntaxError", "byte 0x%02x means nothing here", (unsigned char)s.p[0]);
        push(v, EV_OP, s.p, n);
        *open += s.p[0] == '(' || s.p[0] == '[' ? 1 : s.p[0] == ')' || s.p[0] == ']' ? -1 : 0;
    }
    return n;
}

bool ev_lex(rg_eval *v, rg_str code)
{
    int open = 0;
    v->n_tok = 0;
    for (size_t i = 0; i < code.n;) {
        const char c = code.p[i];
        size_t n = 1;
        if (c == '#') {
            n = RG_MIN(rg_str_find(rg_str_n(code.p + i, code.n - i), rg_str_of("\n")), code.n - i);
        } else if (c == ';' || c == '\n') {
            if (open <= 0)
                push(v, EV_LINE, code.p + i, 1);
            if (open <= 0 && c == '\n' && i + 1 < code.n && (code.p[i + 1] == ' ' || code.p[i + 1] == '\t')) {
                const rg_str rest = rg_str_n(code.p + i + 1, code.n - i - 1);
                const rg_str line = rg_str_n(rest.p, RG_MIN(rg_str_find(rest, rg_str_of("\n")), rest.n));
                if (rg_str_trim(line).n > 0 && rg_str_trim(line).p[0] != '#')
                    return ev_fail(v, "SyntaxError", "indented lines mean nothing here");
            }
        } else if (c != ' ' && c != '\t' && c != '\r') {
            n = lex_one(v, rg_str_n(code.p + i, code.n - i), &open);
        }
        if (n == 0)
            return false;
        i += n;
    }
    push(v, EV_LINE, code.p, 0);
    push(v, EV_END, code.p, 0);
    return true;
}
