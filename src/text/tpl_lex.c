/* tpl_lex.c - template source to tokens.
 *
 * Outside of tags everything is data; "{{ }}" prints, "{% %}" commands, "{# #}" is a comment.
 * White space around tags follows the two switches that model makers' templates are written
 * for: trim_blocks (the newline after "%}" and "#}" goes) and lstrip_blocks (blanks between
 * the line's start and "{%" or "{#" go); "-" strips everything on its side, "+" nothing.
 * A "}}" inside of open brackets is two closing braces. */
#include "tpl_int.h"

typedef struct lexer {
    rg_str s;
    size_t pos;
    bool line_start; /* the last thing read ended a line */
    unsigned depth;
    char close[TPL_NEST_MAX]; /* brackets that are open inside the tag */
    tpl_toks *out;
    rg_err *e;
} lexer;

static rg_status emit(lexer *x, tpl_tok_kind kind, size_t begin, size_t end)
{
    tpl_toks *t = x->out;
    if (t->n == t->cap) {
        const size_t cap = t->cap ? 2 * t->cap : 256;
        tpl_tok *v = rg_realloc(t->v, cap, sizeof *v);
        if (v == NULL)
            RG_FAIL(x->e, RG_ENOMEM, "%zu template tokens", cap);
        t->v = v;
        t->cap = cap;
    }
    t->v[t->n++] = (tpl_tok){ (uint32_t)kind, (uint32_t)begin, (uint32_t)end };
    return RG_OK;
}

static rg_str rest(const lexer *x)
{
    return rg_str_n(x->s.p + x->pos, x->s.n - x->pos);
}

static bool starts(const lexer *x, const char *with)
{
    return rg_str_starts(rest(x), with);
}

static void skip_spaces(lexer *x)
{
    for (size_t k; (k = tpl_space_at(rest(x))) > 0;)
        x->pos += k;
}

static void note_line_start(lexer *x)
{
    x->line_start = x->pos > 0 && x->s.p[x->pos - 1] == '\n';
}

/* The next "{{", "{%" or "{#" at or after the position, or the end of the source. */
static size_t find_tag(const lexer *x)
{
    for (size_t i = x->pos; i + 1 < x->s.n; i++) {
        const char *q = memchr(x->s.p + i, '{', x->s.n - 1 - i);
        if (q == NULL)
            break;
        i = (size_t)(q - x->s.p);
        if (q[1] == '{' || q[1] == '%' || q[1] == '#')
            return i;
    }
    return x->s.n;
}

/* Where the data before a tag ends, once white space control has had its say. */
static size_t data_end(const lexer *x, size_t tag)
{
    const char sign = tag + 2 < x->s.n ? x->s.p[tag + 2] : 0;
    size_t end = tag;
    if (sign == '-') {
        for (size_t k; (k = tpl_space_before(rg_str_n(x->s.p + x->pos, end - x->pos))) > 0;)
            end -= k;
        return end;
    }
    if (sign == '+' || x->s.p[tag + 1] == '{')
        return tag;
    for (size_t k; end > x->pos && x->s.p[end - 1] != '\n'; end -= k)
        if ((k = tpl_space_before(rg_str_n(x->s.p + x->pos, end - x->pos))) == 0)
            return tag;
    return end > x->pos || x->line_start ? end : tag;
}

static rg_status skip_comment(lexer *x, size_t tag)
{
    const size_t body = x->pos;
    const size_t k = rg_str_find(rest(x), rg_str_of("#}"));
    if (k == SIZE_MAX)
        return tpl_fail_at(x->s, (uint32_t)tag, x->e, RG_EFORMAT, "this comment has no end");
    const char before = k > 0 ? x->s.p[body + k - 1] : 0;
    x->pos = body + k + 2;
    if (before == '-')
        skip_spaces(x);
    else if (before != '+' && starts(x, "\n"))
        x->pos++;
    note_line_start(x);
    return RG_OK;
}

static bool end_block(lexer *x)
{
    const size_t was = x->pos;
    if (starts(x, "+%}")) {
        x->pos += 3;
    } else if (starts(x, "-%}")) {
        x->pos += 3;
        skip_spaces(x);
    } else if (starts(x, "%}")) {
        x->pos += starts(x, "%}\n") ? 3 : 2;
    }
    return x->pos > was;
}

static bool end_var(lexer *x)
{
    const size_t was = x->pos;
    if (starts(x, "-}}")) {
        x->pos += 3;
        skip_spaces(x);
    } else if (starts(x, "}}")) {
        x->pos += 2;
    }
    return x->pos > was;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80);
}

/* Digits with single underscores between them; returns the end. */
static size_t digits(const lexer *x, size_t i)
{
    while (i < x->s.n &&
           (is_digit(x->s.p[i]) || (x->s.p[i] == '_' && i + 1 < x->s.n && is_digit(x->s.p[i + 1]))))
        i++;
    return i;
}

static rg_status lex_number(lexer *x)
{
    const size_t begin = x->pos;
    tpl_tok_kind kind = TPL_T_INT;
    size_t i = digits(x, begin);
    if (i == begin + 1 && x->s.p[begin] == '0' && i < x->s.n && strchr("xXoObB", x->s.p[i]) && x->s.p[i]) {
        i++;
        while (i < x->s.n && is_word(x->s.p[i]))
            i++;
        x->pos = i;
        return emit(x, TPL_T_INT, begin, i);
    }
    if (i + 1 < x->s.n && x->s.p[i] == '.' && is_digit(x->s.p[i + 1])) {
        kind = TPL_T_FLOAT;
        i = digits(x, i + 1);
    }
    if (i < x->s.n && (x->s.p[i] == 'e' || x->s.p[i] == 'E')) {
        size_t k = i + 1;
        if (k < x->s.n && (x->s.p[k] == '+' || x->s.p[k] == '-'))
            k++;
        if (k < x->s.n && is_digit(x->s.p[k])) {
            kind = TPL_T_FLOAT;
            i = digits(x, k);
        }
    }
    x->pos = i;
    return emit(x, kind, begin, i);
}

static rg_status lex_string(lexer *x)
{
    const size_t begin = x->pos;
    const char quote = x->s.p[begin];
    size_t i = begin + 1;
    while (i < x->s.n && x->s.p[i] != quote)
        i += x->s.p[i] == '\\' ? 2 : 1;
    if (i >= x->s.n)
        return tpl_fail_at(x->s, (uint32_t)begin, x->e, RG_EFORMAT, "this string has no end");
    x->pos = i + 1;
    return emit(x, TPL_T_STR, begin, i + 1);
}

static const struct op {
    const char *text;
    tpl_tok_kind kind;
} ops[] = {
    { "//", TPL_T_FLOORDIV }, { "**", TPL_T_POW },     { "==", TPL_T_EQ },      { "!=", TPL_T_NE },
    { "<=", TPL_T_LE },       { ">=", TPL_T_GE },      { "+", TPL_T_ADD },      { "-", TPL_T_SUB },
    { "*", TPL_T_MUL },       { "/", TPL_T_DIV },      { "%", TPL_T_MOD },      { "~", TPL_T_TILDE },
    { "<", TPL_T_LT },        { ">", TPL_T_GT },       { "=", TPL_T_ASSIGN },   { ".", TPL_T_DOT },
    { ":", TPL_T_COLON },     { "|", TPL_T_PIPE },     { ",", TPL_T_COMMA },    { "(", TPL_T_LPAREN },
    { ")", TPL_T_RPAREN },    { "[", TPL_T_LBRACKET }, { "]", TPL_T_RBRACKET }, { "{", TPL_T_LBRACE },
    { "}", TPL_T_RBRACE },
};

/* Keeps count of the brackets, so that the tag's end is known from a dict's. */
static rg_status balance(lexer *x, tpl_tok_kind kind)
{
    const uint32_t at = (uint32_t)x->pos;
    if (kind == TPL_T_LPAREN || kind == TPL_T_LBRACKET || kind == TPL_T_LBRACE) {
        if (x->depth == TPL_NEST_MAX)
            return tpl_fail_at(x->s, at, x->e, RG_EFORMAT, "brackets nest deeper than %d", TPL_NEST_MAX);
        x->close[x->depth++] = kind == TPL_T_LPAREN ? ')' : kind == TPL_T_LBRACKET ? ']' : '}';
    } else if (kind == TPL_T_RPAREN || kind == TPL_T_RBRACKET || kind == TPL_T_RBRACE) {
        const char c = x->s.p[x->pos];
        if (x->depth == 0)
            return tpl_fail_at(x->s, at, x->e, RG_EFORMAT, "unexpected '%c'", c);
        if (x->close[--x->depth] != c)
            return tpl_fail_at(x->s, at, x->e, RG_EFORMAT, "unexpected '%c', expected '%c'", c,
                               x->close[x->depth]);
    }
    return RG_OK;
}

static rg_status lex_op(lexer *x)
{
    for (size_t i = 0; i < RG_COUNT(ops); i++)
        if (starts(x, ops[i].text)) {
            const size_t begin = x->pos;
            RG_TRY(balance(x, ops[i].kind));
            x->pos += strlen(ops[i].text);
            return emit(x, ops[i].kind, begin, x->pos);
        }
    return tpl_fail_at(x->s, (uint32_t)x->pos, x->e, RG_EFORMAT, "unexpected character '%.*s'",
                       (int)tpl_char_len(x->s.p + x->pos, x->s.n - x->pos), x->s.p + x->pos);
}

static rg_status lex_word(lexer *x)
{
    const size_t begin = x->pos;
    while (x->pos < x->s.n && is_word(x->s.p[x->pos]))
        x->pos++;
    return emit(x, TPL_T_NAME, begin, x->pos);
}

/* The inside of one tag, its end included. */
static rg_status lex_tag(lexer *x, bool block, size_t tag)
{
    x->depth = 0;
    while (x->pos < x->s.n) {
        const size_t begin = x->pos;
        if (x->depth == 0 && (block ? end_block(x) : end_var(x))) {
            note_line_start(x);
            return emit(x, block ? TPL_T_BLOCK_END : TPL_T_VAR_END, begin, x->pos);
        }
        const size_t space = tpl_space_at(rest(x));
        const char c = x->s.p[x->pos];
        if (space > 0)
            x->pos += space;
        else if (is_digit(c))
            RG_TRY(lex_number(x));
        else if (is_word(c))
            RG_TRY(lex_word(x));
        else if (c == '\'' || c == '"')
            RG_TRY(lex_string(x));
        else
            RG_TRY(lex_op(x));
    }
    return tpl_fail_at(x->s, (uint32_t)tag, x->e, RG_EFORMAT, "this tag has no end");
}

rg_status tpl_lex(tpl_toks *out, rg_str src, rg_err *e)
{
    lexer x = { .s = src, .line_start = true, .out = out, .e = e };
    while (x.pos < src.n) {
        const size_t tag = find_tag(&x), end = tag < src.n ? data_end(&x, tag) : tag;
        if (end > x.pos)
            RG_TRY(emit(&x, TPL_T_DATA, x.pos, end));
        x.pos = tag;
        if (tag == src.n)
            break;
        const char kind = src.p[tag + 1];
        x.pos += tag + 2 < src.n && (src.p[tag + 2] == '-' || src.p[tag + 2] == '+') ? 3 : 2;
        if (kind == '#') {
            RG_TRY(skip_comment(&x, tag));
            continue;
        }
        RG_TRY(emit(&x, kind == '{' ? TPL_T_VAR : TPL_T_BLOCK, tag, x.pos));
        RG_TRY(lex_tag(&x, kind == '%', tag));
    }
    return emit(&x, TPL_T_EOF, src.n, src.n);
}
