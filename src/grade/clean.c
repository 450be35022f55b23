/* clean.c - one spelling for what means the same (section 16.2).
 *
 * Three passes over the bytes:
 *   1. commands and Unicode: layout goes, synonyms become one command, \text keeps its content;
 *      digit-separator candidates become marks (1: explicit, 2: thin blank);
 *   2. digit groups: "11,111,100", "58 500" and marked groups lose their separators;
 *   3. blanks: kept only where they part two words or two numbers; final period off.
 * Nothing is deleted that could carry meaning: what is unknown stays as it is. */
#include "grade_int.h"

#include <ctype.h>

#include "rung/base/mem.h"

typedef struct spelling {
    const char *from, *to;
} spelling;

static const spelling commands[] = {
    { "displaystyle", "" },
    { "textstyle", "" },
    { "scriptstyle", "" },
    { "left", "" },
    { "right", "" },
    { "big", "" },
    { "Big", "" },
    { "bigg", "" },
    { "Bigg", "" },
    { "bigl", "" },
    { "bigr", "" },
    { "Bigl", "" },
    { "Bigr", "" },
    { "biggl", "" },
    { "biggr", "" },
    { "Biggl", "" },
    { "Biggr", "" },
    { "limits", "" },
    { "nolimits", "" },
    { "mathbf", "" },
    { "mathit", "" },
    { "mathsf", "" },
    { "boldsymbol", "" },
    { "bf", "" },
    { "rm", "" },
    { "quad", " " },
    { "qquad", " " },
    { "thinspace", "\002" },
    { "dfrac", "\\frac " },
    { "tfrac", "\\frac " },
    { "cfrac", "\\frac " },
    { "dbinom", "\\binom " },
    { "tbinom", "\\binom " },
    { "leq", "\\le " },
    { "leqslant", "\\le " },
    { "geq", "\\ge " },
    { "geqslant", "\\ge " },
    { "neq", "\\ne " },
    { "lt", "<" },
    { "gt", ">" },
    { "cdot", "*" },
    { "times", "*" },
    { "ast", "*" },
    { "div", "/" },
    { "infin", "\\infty " },
    { "varnothing", "\\emptyset " },
    { "R", "\\reals " },
    { "lbrace", "\\{" },
    { "rbrace", "\\}" },
    { "lvert", "|" },
    { "rvert", "|" },
    { "vert", "|" },
    { "lbrack", "[" },
    { "rbrack", "]" },
    { "lparen", "(" },
    { "rparen", ")" },
    { "degree", "\\deg " },
    { "lor", "\\or " },
    { "vee", "\\or " },
    { "land", "\\and " },
    { "wedge", "\\and " },
    { "colon", ":" },
    { "exponentialE", "e" },
};

static const spelling symbols[] = {
    { "\u2212", "-" },
    { "\u2013", "-" },
    { "\u2014", "-" },
    { "\u00d7", "*" },
    { "\u00b7", "*" },
    { "\u22c5", "*" },
    { "\u2217", "*" },
    { "\u00f7", "/" },
    { "\u2215", "/" },
    { "\u2044", "/" },
    { "\u03c0", "\\pi " },
    { "\u221a", "\\sqrt " },
    { "\u221e", "\\infty " },
    { "\u222a", "\\cup " },
    { "\u2229", "\\cap " },
    { "\u2208", "\\in " },
    { "\u2264", "\\le " },
    { "\u2a7d", "\\le " },
    { "\u2265", "\\ge " },
    { "\u2a7e", "\\ge " },
    { "\u2260", "\\ne " },
    { "\u00b1", "\\pm " },
    { "\u2213", "\\mp " },
    { "\u00b0", "\\deg " },
    { "\u2205", "\\emptyset " },
    { "\u211d", "\\reals " },
    { "\u03b8", "\\theta " },
    { "\u03b1", "\\alpha " },
    { "\u03b2", "\\beta " },
    { "\u03bb", "\\lambda " },
    { "\u03c6", "\\phi " },
    { "\u221b", "\\sqrt[3]" },
    { "\u00bd", "\\frac{1}{2}" },
    { "\u2153", "\\frac{1}{3}" },
    { "\u2154", "\\frac{2}{3}" },
    { "\u00bc", "\\frac{1}{4}" },
    { "\u00be", "\\frac{3}{4}" },
    { "\u2155", "\\frac{1}{5}" },
    { "\u2156", "\\frac{2}{5}" },
    { "\u2157", "\\frac{3}{5}" },
    { "\u2158", "\\frac{4}{5}" },
    { "\u2159", "\\frac{1}{6}" },
    { "\u215a", "\\frac{5}{6}" },
    { "\u215b", "\\frac{1}{8}" },
    { "\u215c", "\\frac{3}{8}" },
    { "\u215d", "\\frac{5}{8}" },
    { "\u215e", "\\frac{7}{8}" },
    { "\u00a0", " " },
    { "\u202f", "\002" },
    { "\u2009", "\002" },
    { "\u20ac", "" },
    { "\u00a3", "" },
    { "\u00a5", "" },
    { "\u2019", "'" },
    { "\uff05", "%" },
    { "\u2220", "\\angle " },
    { "\u230a", "\\lfloor " },
    { "\u230b", "\\rfloor " },
    { "\u2308", "\\lceil " },
    { "\u2309", "\\rceil " },
    { "\uff0c", "," },
    { "\uff08", "(" },
    { "\uff09", ")" },
};

static const char *const superscripts[] = { "\u2070", "\u00b9", "\u00b2", "\u00b3", "\u2074",
                                            "\u2075", "\u2076", "\u2077", "\u2078", "\u2079" };

typedef struct scan {
    rg_str s;
    size_t i;
    rg_buf *out;
} scan;

static rg_str rest(const scan *c)
{
    return rg_str_n(c->s.p + c->i, c->s.n - c->i);
}

/* Length of "{...}" at offset at, braces balanced; 0 when there is none. */
static size_t braced(rg_str s, size_t at)
{
    size_t depth = 0;
    for (size_t i = at; i < s.n; i++) {
        if (s.p[i] == '\\') {
            i++;
        } else if (s.p[i] == '{') {
            depth++;
        } else if (s.p[i] == '}') {
            if (depth <= 1)
                return depth == 1 && s.p[at] == '{' ? i + 1 - at : 0;
            depth--;
        }
        if (depth == 0)
            return 0;
    }
    return 0;
}

static bool is_text_command(rg_str name)
{
    static const char *const names[] = { "text",   "mbox",         "mathrm", "textbf",     "textit", "textrm",
                                         "textsf", "operatorname", "hbox",   "textnormal", "emph" };
    for (size_t i = 0; i < RG_COUNT(names); i++)
        if (rg_str_is(name, names[i]))
            return true;
    return false;
}

/* Text without a meaning of its own: digits and signs in it are mathematics again. */
static bool is_plain_maths(rg_str s)
{
    bool digit = false;
    for (size_t i = 0; i < s.n; i++) {
        if (isalpha((unsigned char)s.p[i]))
            return false;
        digit = digit || isdigit((unsigned char)s.p[i]);
    }
    return digit;
}

static void put_text(scan *c, rg_str body)
{
    char word[128];
    size_t n = 0;
    for (size_t i = 0; i < body.n && n < sizeof word; i++) {
        const char ch = body.p[i];
        if (ch == '\\' && i + 1 < body.n && strchr(" ,;:!", body.p[i + 1])) {
            word[n++] = ' ';
            i++;
        } else if (ch != '$') {
            word[n++] = ch == '~' || ch == '\n' ? ' ' : ch;
        }
    }
    const rg_str t = rg_str_trim(rg_str_n(word, n));
    rg_buf *b = c->out;
    if (rg_str_is(t, "or"))
        rg_buf_puts(b, "\\or ");
    else if (rg_str_is(t, "and") || rg_str_is(t, ", and"))
        rg_buf_puts(b, "\\and ");
    else if (t.n == 1 && strchr("eiRx", t.p[0]))
        rg_buf_putc(b, t.p[0]);
    else if (rg__fn_find(t) != RG__F_NONE) {
        rg_buf_putc(b, '\\');
        rg_buf_str(b, t);
        rg_buf_putc(b, ' ');
    } else if (is_plain_maths(t)) {
        rg_buf_str(b, t);
    } else if (t.n) {
        rg_buf_puts(b, "\\text{");
        rg_buf_str(b, t);
        rg_buf_puts(b, "}");
    }
}

/* \begin{pmatrix}, \begin{array}{cc} ... all become \begin{matrix}. */
static bool environment(scan *c, rg_str name)
{
    static const char *const names[] = { "{pmatrix}", "{bmatrix}", "{matrix}", "{smallmatrix}", "{array}" };
    if (!rg_str_is(name, "begin") && !rg_str_is(name, "end"))
        return false;
    for (size_t i = 0; i < RG_COUNT(names); i++)
        if (rg_str_starts(rest(c), names[i])) {
            c->i += strlen(names[i]);
            if (i == 4 && name.p[0] == 'b')
                c->i += braced(c->s, c->i);
            rg_buf_putc(c->out, '\\');
            rg_buf_str(c->out, name);
            rg_buf_puts(c->out, "{matrix}");
            return true;
        }
    return false;
}

static void word_command(scan *c, rg_str name)
{
    while (c->i < c->s.n && c->s.p[c->i] == ' ')
        c->i++;
    const size_t group = c->i < c->s.n ? braced(c->s, c->i) : 0;
    if (is_text_command(name) && group) {
        const rg_str body = rg_str_n(c->s.p + c->i + 1, group - 2);
        c->i += group;
        put_text(c, body);
        return;
    }
    if (rg_str_is(name, "mathbb") && c->i < c->s.n) {
        if (rg_str_starts(rest(c), "{R}") || c->s.p[c->i] == 'R') {
            c->i += c->s.p[c->i] == 'R' ? 1 : 3;
            rg_buf_puts(c->out, "\\reals ");
            return;
        }
    }
    if (environment(c, name))
        return;
    if ((rg_str_is(name, "left") || rg_str_is(name, "right")) && c->i < c->s.n && c->s.p[c->i] == '.')
        c->i++;
    for (size_t k = 0; k < RG_COUNT(commands); k++)
        if (rg_str_is(name, commands[k].from)) {
            rg_buf_puts(c->out, commands[k].to);
            return;
        }
    rg_buf_putc(c->out, '\\');
    rg_buf_str(c->out, name);
    rg_buf_putc(c->out, ' ');
}

static void command(scan *c)
{
    const size_t start = ++c->i;
    while (c->i < c->s.n && isalpha((unsigned char)c->s.p[c->i]))
        c->i++;
    if (c->i > start) {
        word_command(c, rg_str_n(c->s.p + start, c->i - start));
        return;
    }
    if (start == c->s.n)
        return;
    const char ch = c->s.p[c->i++];
    switch (ch) {
    case ',':
    case ';':
    case ':': rg_buf_putc(c->out, RG__MARK_THIN); break;
    case '!':
        if (c->out->n && c->out->p[c->out->n - 1] == ',')
            c->out->p[c->out->n - 1] = RG__MARK_SEP;
        break;
    case ' ':
    case '\n': rg_buf_putc(c->out, ' '); break;
    case '$': break;
    case '(':
    case ')':
    case '[':
    case ']': rg_buf_putc(c->out, ' '); break; /* math delimiters */
    case '%': rg_buf_putc(c->out, '%'); break;
    case '_': rg_buf_putc(c->out, '_'); break;
    case '|': rg_buf_putc(c->out, '|'); break;
    default: rg_buf_putc(c->out, '\\'); rg_buf_putc(c->out, ch);
    }
}

static bool superscript(scan *c)
{
    bool any = false;
    for (bool more = true; more;) {
        more = false;
        for (size_t d = 0; d < 10; d++)
            if (rg_str_starts(rest(c), superscripts[d])) {
                if (!any)
                    rg_buf_puts(c->out, "^{");
                rg_buf_putc(c->out, (char)('0' + d));
                c->i += strlen(superscripts[d]);
                any = more = true;
            }
    }
    if (any)
        rg_buf_putc(c->out, '}');
    return any;
}

/* The sign takes a whole number, the macro one digit. */
static void root_digits(scan *c)
{
    size_t n = 0;
    while (c->i + n < c->s.n && isdigit((unsigned char)c->s.p[c->i + n]))
        n++;
    if (n == 0)
        return;
    rg_buf_putc(c->out, '{');
    rg_buf_put(c->out, c->s.p + c->i, n);
    rg_buf_putc(c->out, '}');
    c->i += n;
}

static void unicode(scan *c)
{
    uint32_t cp = 0;
    const size_t n = rg_utf8_decode(c->s.p + c->i, c->s.n - c->i, &cp);
    if (superscript(c))
        return;
    for (size_t k = 0; k < RG_COUNT(symbols); k++)
        if (rg_str_starts(rest(c), symbols[k].from)) {
            rg_buf_puts(c->out, symbols[k].to);
            c->i += strlen(symbols[k].from);
            if (cp == 0x221a || cp == 0x221b)
                root_digits(c);
            return;
        }
    if (n && cp >= 0xff10 && cp <= 0xff19)
        rg_buf_putc(c->out, (char)('0' + (cp - 0xff10)));
    else
        rg_buf_put(c->out, c->s.p + c->i, n ? n : 1);
    c->i += n ? n : 1;
}

/* ^\circ, ^{\circ}, ^\degree: degrees, not a power. */
static bool degrees(scan *c)
{
    static const char *const forms[] = { "^\\circ",    "^{\\circ}", "^{\\circ }",  "^ \\circ",
                                         "^{ \\circ}", "^\\degree", "^{\\degree}", "^{\\circ\\circ}" };
    for (size_t k = 0; k < RG_COUNT(forms); k++)
        if (rg_str_starts(rest(c), forms[k])) {
            rg_buf_puts(c->out, "\\deg ");
            c->i += strlen(forms[k]);
            return true;
        }
    return false;
}

static void spell(rg_buf *out, rg_str s)
{
    scan c = { s, 0, out };
    while (c.i < s.n && !out->failed) {
        const char ch = s.p[c.i];
        if (ch == '\\') {
            command(&c);
        } else if ((unsigned char)ch >= 0x80) {
            unicode(&c);
        } else if (ch == '^' && degrees(&c)) {
            continue;
        } else if (ch == '{' && rg_str_starts(rest(&c), "{,}")) {
            rg_buf_putc(out, RG__MARK_SEP);
            c.i += 3;
        } else {
            if (ch == '$' || ch == '~' || isspace((unsigned char)ch))
                rg_buf_putc(out, ' ');
            else if ((unsigned char)ch >= 0x20 && ch != 0x7f)
                rg_buf_putc(out, ch);
            c.i++;
        }
    }
}

void rg__clean(rg_buf *out, rg_str s)
{
    rg_buf a = RG_BUF_MAX(out->max), b = RG_BUF_MAX(out->max);
    spell(&a, s);
    rg__join_groups(&b, rg_buf_view(&a));
    rg__squeeze(out, rg_buf_view(&b));
    if (a.failed || b.failed) {
        out->failed = true;
        out->over = a.over || b.over;
    }
    rg_buf_free(&a);
    rg_buf_free(&b);
}
