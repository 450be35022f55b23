/* lex.c - cleaned text into tokens. */
#include "lex.h"

#include <ctype.h>

#include "rung/base/mem.h"

static rg_str span(const rg__lexer *l, size_t from, size_t to)
{
    return rg_str_n(l->s.p + from, to - from);
}

static size_t digits(const rg__lexer *l, size_t i)
{
    while (i < l->s.n && isdigit((unsigned char)l->s.p[i]))
        i++;
    return i;
}

/* digits [. digits] [\overline{digits}] [e [sign] digits] */
static void number(rg__lexer *l, rg__tok *t)
{
    size_t i = digits(l, l->i);
    t->kind = RG__T_NUM;
    t->point = -1;
    if (i < l->s.n && l->s.p[i] == '.' && (i + 1 == l->s.n || l->s.p[i + 1] != '.')) {
        const size_t end = digits(l, i + 1);
        t->point = (int32_t)(end - i - 1);
        i = end;
    }
    t->text = span(l, l->i, i);
    if (t->point >= 0 && rg_str_starts(span(l, i, l->s.n), "\\overline{")) {
        const size_t from = i + 10, end = digits(l, from);
        if (end > from && end < l->s.n && l->s.p[end] == '}') {
            t->rep = span(l, from, end);
            i = end + 1;
        }
    } else if (i + 1 < l->s.n && (l->s.p[i] == 'e' || l->s.p[i] == 'E')) {
        const bool sign = l->s.p[i + 1] == '-' || l->s.p[i + 1] == '+';
        const size_t from = i + 1 + (sign ? 1 : 0), end = digits(l, from);
        if (end > from && end - from <= 9) {
            int32_t e = 0;
            for (size_t k = from; k < end; k++)
                e = e * 10 + (l->s.p[k] - '0');
            t->e10 = l->s.p[i + 1] == '-' ? -e : e;
            t->scientific = true;
            i = end;
        }
    }
    l->i = i;
}

static bool plain_constant(rg_str w)
{
    static const char *const names[] = {
        "pi", "inf", "infinity", "sqrt", "infty", "and", "or", "pm", "cbrt"
    };
    for (size_t k = 0; k < RG_COUNT(names); k++)
        if (rg_str_is(w, names[k]))
            return true;
    return false;
}

/* "sinx", "pir": a name with one variable glued to it. */
static size_t glued_prefix(rg_str w)
{
    static const char *const names[] = { "sin", "cos", "tan", "cot", "log", "ln", "pi", "sqrt" };
    for (size_t k = 0; k < RG_COUNT(names); k++)
        if (rg_str_starts(w, names[k]) && w.n == strlen(names[k]) + 1)
            return w.n - 1;
    return 0;
}

static void letters(rg__lexer *l, rg__tok *t)
{
    size_t end = l->i;
    while (end < l->s.n && isalpha((unsigned char)l->s.p[end]))
        end++;
    const rg_str w = span(l, l->i, end);
    if (w.n == 1) {
        t->kind = RG__T_LETTER;
    } else if (rg__fn_find(w) != RG__F_NONE || plain_constant(w)) {
        t->kind = RG__T_CMD;
    } else if (rg_str_is(w, "percent")) {
        t->kind = RG__T_PUNCT;
        t->text = rg_str_of("%");
        l->i = end;
        return;
    } else if (rg__is_unit(w) && (l->after_value || w.n >= 4) && !glued_prefix(w)) {
        t->kind = RG__T_WORD;
    } else if (glued_prefix(w)) {
        t->kind = RG__T_CMD;
        end = l->i + glued_prefix(w);
    } else {
        t->kind = RG__T_LETTER; /* a short run is a product of variables */
        end = l->i + 1;
    }
    t->text = span(l, l->i, end);
    l->i = end;
}

static void command(rg__lexer *l, rg__tok *t)
{
    size_t end = l->i + 1;
    while (end < l->s.n && isalpha((unsigned char)l->s.p[end]))
        end++;
    if (end == l->i + 1) { /* \{ \} \\ and what else has no letters */
        t->kind = RG__T_PUNCT;
        end = RG_MIN(end + 1, l->s.n);
        t->text = span(l, l->i, end);
        l->i = end;
        return;
    }
    t->kind = RG__T_CMD;
    t->text = span(l, l->i + 1, end);
    if (rg_str_is(t->text, "text") && end < l->s.n && l->s.p[end] == '{') {
        size_t close = end;
        while (close < l->s.n && l->s.p[close] != '}')
            close++;
        t->kind = RG__T_TEXT;
        t->text = span(l, end + 1, close);
        end = RG_MIN(close + 1, l->s.n);
    }
    l->i = end;
}

rg__tok rg__lex(rg__lexer *l)
{
    rg__tok t = { .kind = RG__T_END, .point = -1 };
    t.blank = l->i < l->s.n && l->s.p[l->i] == ' ';
    while (l->i < l->s.n && l->s.p[l->i] == ' ')
        l->i++;
    t.at = l->i;
    t.text = span(l, l->i, l->i);
    if (l->i == l->s.n)
        return t;
    const unsigned char c = (unsigned char)l->s.p[l->i];
    if (isdigit(c) || (c == '.' && l->i + 1 < l->s.n && isdigit((unsigned char)l->s.p[l->i + 1]))) {
        number(l, &t);
    } else if (isalpha(c)) {
        letters(l, &t);
    } else if (c == '\\') {
        command(l, &t);
    } else {
        t.kind = RG__T_PUNCT;
        /* "<=", ">=", "!=" as two bytes */
        const size_t n = l->i + 1 < l->s.n && l->s.p[l->i + 1] == '=' && strchr("<>!", c) && c ? 2 : 1;
        t.text = span(l, l->i, l->i + n);
        l->i += n;
    }
    l->after_value = t.kind == RG__T_NUM || t.kind == RG__T_WORD ||
                     (t.kind == RG__T_PUNCT && strchr(")}]%/", t.text.p[0]) != NULL);
    return t;
}
