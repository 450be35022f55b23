/* pretok.c - cuts text into the words that byte-pair merging never crosses.
 *
 * The rules are published as regular expressions (L letters, N numbers, s white space; all
 * by Unicode property).  Tried in order at each place:
 *
 *   gpt-2    's|'t|'re|'ve|'m|'ll|'d | ?L+ | ?N+ | ?[^sLN]+ | s+(?!S) | s+
 *   llama 3  (the same endings in either case) | [^\r\nLN]?L+ | N{1,3} | ?[^sLN]+[\r\n]*
 *            | s*[\r\n]+ | s+(?!S) | s+
 *   qwen2    llama 3 with N for N{1,3}
 *   smollm   every N by itself first; what lies between by gpt-2, where a number counts as
 *            the end of the text
 *
 * Written by hand rather than run by PCRE2: each rule needs one character of look-ahead, so
 * this is linear whatever the text, needs no match limits and no memory per thread, and
 * invalid UTF-8 has a place in it: a byte that is no character is a symbol of its own.
 *
 * Deviation: (?i) makes the long s U+017F an 's; like llama.cpp we fold ASCII only. */
#include <utf8proc.h>

#include "tokenizer_int.h"

enum { END = 0, LETTER = 1, NUMBER = 2, SPACE = 4, NEWLINE = 8, SYMBOL = 16, WHITE = SPACE | NEWLINE };

typedef struct cutter {
    const char *p;
    size_t n;
    bool numbers_end; /* smollm */
} cutter;

static unsigned class_of_ascii(unsigned char c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
        return LETTER;
    if (c >= '0' && c <= '9')
        return NUMBER;
    if (c == '\n' || c == '\r')
        return NEWLINE;
    return c == ' ' || (c >= '\t' && c <= '\r') ? SPACE : SYMBOL;
}

/* White_Space beyond ASCII (Unicode, PropList). */
static bool is_wide_space(uint32_t cp)
{
    return cp == 0x85 || cp == 0xA0 || cp == 0x1680 || (cp >= 0x2000 && cp <= 0x200A) || cp == 0x2028 ||
           cp == 0x2029 || cp == 0x202F || cp == 0x205F || cp == 0x3000;
}

static unsigned class_of_wide(uint32_t cp)
{
    switch (utf8proc_category((utf8proc_int32_t)cp)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO: return LETTER;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO: return NUMBER;
    default: return is_wide_space(cp) ? SPACE : SYMBOL;
    }
}

/* The class of the character at `at` and its length in bytes. */
static inline unsigned look(const cutter *c, size_t at, size_t *len)
{
    unsigned class;
    *len = 1;
    if (at >= c->n)
        return END;
    if ((unsigned char)c->p[at] < 0x80) {
        class = class_of_ascii((unsigned char)c->p[at]);
    } else {
        uint32_t cp;
        const size_t k = rg_utf8_decode(c->p + at, c->n - at, &cp);
        if (k == 0)
            return SYMBOL;
        *len = k;
        class = class_of_wide(cp);
    }
    return class == NUMBER && c->numbers_end ? END : class;
}

/* Past all characters of the classes. */
static size_t skip(const cutter *c, size_t at, unsigned classes)
{
    size_t len;
    while (look(c, at, &len) & classes)
        at += len;
    return at;
}

/* Past an English ending ('s, 'll, ...) that begins at `at`, or `at` itself. */
static size_t ending(const cutter *c, size_t at, bool fold)
{
    const size_t left = c->n - at;
    const char mask = fold ? 0x20 : 0; /* sets the lower-case bit: only letters meet it here */
    if (left < 2 || c->p[at] != '\'')
        return at;
    const char a = (char)(c->p[at + 1] | mask);
    if (a == 's' || a == 't' || a == 'm' || a == 'd')
        return at + 2;
    const char b = left < 3 ? '\0' : (char)(c->p[at + 2] | mask);
    return (a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l') ? at + 3 : at;
}

/* White space from `at`: s*[\r\n]+ where newlines count, then s+(?!S), then s+. */
static size_t blank(const cutter *c, size_t at, bool newlines)
{
    size_t end = at, last = at, after_newline = at, len;
    unsigned class;
    while ((class = look(c, end, &len)) & WHITE) {
        last = end;
        end += len;
        if (class == NEWLINE)
            after_newline = end;
    }
    if (newlines && after_newline > at)
        return after_newline;
    return class == END || last == at ? end : last; /* the last one goes with the next word */
}

static size_t next_gpt2(const cutter *c, size_t at)
{
    size_t len;
    const size_t e = ending(c, at, false);
    if (e > at)
        return e;
    const size_t body = c->p[at] == ' ' ? at + 1 : at;
    const unsigned class = look(c, body, &len);
    if (class & (LETTER | NUMBER | SYMBOL))
        return skip(c, body + len, class);
    return blank(c, at, false);
}

static size_t next_llama3(const cutter *c, size_t at, int max_numbers)
{
    size_t len, len2;
    const size_t e = ending(c, at, true);
    if (e > at)
        return e;
    unsigned class = look(c, at, &len);
    if (class == LETTER)
        return skip(c, at + len, LETTER);
    if (class & (SPACE | SYMBOL) && look(c, at + len, &len2) == LETTER)
        return skip(c, at + len + len2, LETTER);
    if (class == NUMBER) {
        for (int i = 0; i < max_numbers && look(c, at, &len) == NUMBER; i++)
            at += len;
        return at;
    }
    const size_t body = c->p[at] == ' ' ? at + 1 : at;
    if (look(c, body, &len) == SYMBOL)
        return skip(c, skip(c, body + len, SYMBOL), NEWLINE);
    return blank(c, at, true);
}

size_t rg__pretok_next(pretok_rule rule, const char *p, size_t n, size_t at)
{
    const cutter c = { p, n, rule == PRETOK_SMOLLM };
    size_t len;
    switch (rule) {
    case PRETOK_LLAMA3: return next_llama3(&c, at, 3);
    case PRETOK_QWEN2: return next_llama3(&c, at, 1);
    case PRETOK_SMOLLM:
        if (look(&c, at, &len) == END) /* a number */
            return at + len;
        return next_gpt2(&c, at);
    case PRETOK_NONE:
    case PRETOK_GPT2: break;
    }
    return next_gpt2(&c, at);
}
