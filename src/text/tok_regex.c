/* tok_regex.c - patterns written for Oniguruma (Ruby's syntax, Unicode), translated where
 * PCRE2 reads them otherwise:
 *
 *   \s \S    PCRE2 counts U+180E as a space; written out as White_Space here
 *   \w \W    Oniguruma: Alphabetic, M, Nd, Pc
 *   \h \H    Oniguruma: a hexadecimal digit
 *   \uHHHH   \x{HHHH}
 *   ^ $      at every line (PCRE2_MULTILINE)
 *   [a[b]] [a&&b]   sets within sets are not implemented, hence refused */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "rung/base/mem.h"
#include "tok_regex.h"

enum { MAX_PATTERN = 65536 };
enum { MATCH_LIMIT = 10000000, HEAP_LIMIT_KIB = 65536, JIT_STACK_MAX = 8 << 20 };

struct regex {
    pcre2_code *code;
    char *pattern;
    size_t n;
};

struct regex_run {
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
};

#define WHITE                                                                                                \
    "\\x09-\\x0d\\x20\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{"     \
    "3000}"
#define NOT_WHITE                                                                                            \
    "\\x00-\\x08\\x0e-\\x1f\\x21-\\x{84}\\x{86}-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}\\x{200b}-\\x{"   \
    "2027}"                                                                                                  \
    "\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{10ffff}"
#define WORD "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}"

static const struct {
    char letter;
    const char *inside, *alone; /* in a set and outside; NULL = not implemented there */
} escapes[] = {
    { 's', WHITE, "[" WHITE "]" }, { 'S', NOT_WHITE, "[^" WHITE "]" },  { 'w', WORD, "[" WORD "]" },
    { 'W', NULL, "[^" WORD "]" },  { 'h', "0-9a-fA-F", "[0-9a-fA-F]" }, { 'H', NULL, "[^0-9a-fA-F]" },
};

/* Copies the escape at p[0] (a backslash) and returns its length in the pattern. */
static size_t put_escape(rg_buf *out, rg_str p, bool inside, bool *refused)
{
    for (size_t i = 0; i < RG_COUNT(escapes); i++)
        if (p.n > 1 && p.p[1] == escapes[i].letter) {
            const char *s = inside ? escapes[i].inside : escapes[i].alone;
            *refused = s == NULL;
            rg_buf_puts(out, s ? s : "");
            return 2;
        }
    if (p.n >= 6 && p.p[1] == 'u') {
        rg_buf_printf(out, "\\x{%.4s}", p.p + 2);
        return 6;
    }
    rg_buf_put(out, p.p, RG_MIN(p.n, (size_t)2));
    return RG_MIN(p.n, (size_t)2);
}

static rg_status translate(rg_buf *out, rg_str p, rg_err *e)
{
    bool inside = false, named = false, refused = false; /* named: within [:punct:] */
    for (size_t i = 0, begun = 0; i < p.n;) {
        const char c = p.p[i];
        if (c == '\\') {
            i += put_escape(out, rg_str_n(p.p + i, p.n - i), inside, &refused);
        } else {
            const bool posix = c == '[' && i + 1 < p.n && p.p[i + 1] == ':';
            refused =
                inside && !named && ((c == '[' && !posix) || (c == '&' && i + 1 < p.n && p.p[i + 1] == '&'));
            if (!inside && c == '[') {
                inside = true;
                begun = i + 1 + (i + 1 < p.n && p.p[i + 1] == '^');
            } else if (named && c == ']') {
                named = false;
            } else if (inside && posix) {
                named = true;
            } else if (inside && c == ']' && i != begun) {
                inside = false;
            }
            rg_buf_putc(out, c);
            i++;
        }
        if (refused)
            RG_FAIL(e, RG_EFORMAT,
                    "pattern '%.*s' has a set within a set (at byte %zu); that is not implemented",
                    (int)RG_MIN(p.n, (size_t)200), p.p, i);
    }
    return rg_buf_check(out, "a pattern", e);
}

static rg_status compile(regex *r, rg_str text, rg_err *e)
{
    int code;
    PCRE2_SIZE at;
    pcre2_compile_context *c = pcre2_compile_context_create(NULL);
    if (c == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory to compile a pattern");
    pcre2_set_newline(c, PCRE2_NEWLINE_LF);
    r->code = pcre2_compile((PCRE2_SPTR)text.p, text.n,
                            PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_MATCH_INVALID_UTF |
                                PCRE2_NEVER_BACKSLASH_C,
                            &code, &at, c);
    pcre2_compile_context_free(c);
    if (r->code == NULL) {
        char why[128];
        pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof why);
        RG_FAIL(e, RG_EFORMAT, "pattern '%.*s' does not compile: %s", (int)RG_MIN(r->n, (size_t)200),
                r->pattern, why);
    }
    (void)pcre2_jit_compile(r->code, PCRE2_JIT_COMPLETE); /* where it cannot, the interpreter runs */
    return RG_OK;
}

rg_status rg__regex_new(regex **out, rg_str pattern, rg_err *e)
{
    *out = NULL;
    if (pattern.n > MAX_PATTERN)
        RG_FAIL(e, RG_EFORMAT, "a pattern of %zu bytes is longer than %d", pattern.n, MAX_PATTERN);
    rg_buf b = RG_BUF_MAX(64 * MAX_PATTERN);
    regex *r = rg_calloc(1, sizeof *r);
    if (r != NULL) {
        r->n = pattern.n;
        r->pattern = rg_strndup(pattern.p, pattern.n);
    }
    rg_status s = RG_OK;
    if (r == NULL || r->pattern == NULL)
        RG_FAIL_GO(s, done, e, RG_ENOMEM, "no memory for a pattern");
    RG_GO(s, done, translate(&b, pattern, e));
    RG_GO(s, done, compile(r, rg_buf_view(&b), e));
    *out = r;
    r = NULL;
done:
    rg_buf_free(&b);
    rg__regex_free(r);
    return s;
}

void rg__regex_free(regex *r)
{
    if (r == NULL)
        return;
    pcre2_code_free(r->code);
    rg_free(r->pattern);
    rg_free(r);
}

rg_str rg__regex_pattern(const regex *r)
{
    return rg_str_n(r->pattern, r->n);
}

void rg__regex_run_free(regex_run *run)
{
    if (run == NULL)
        return;
    pcre2_match_data_free(run->data);
    pcre2_match_context_free(run->context);
    pcre2_jit_stack_free(run->stack);
    rg_free(run);
}

static rg_status start(regex_run **out, rg_err *e)
{
    regex_run *run = *out = rg_calloc(1, sizeof *run);
    if (run != NULL) {
        run->data = pcre2_match_data_create(1, NULL); /* the whole match only */
        run->context = pcre2_match_context_create(NULL);
        run->stack = pcre2_jit_stack_create(32 << 10, JIT_STACK_MAX, NULL);
    }
    if (run == NULL || run->data == NULL || run->context == NULL || run->stack == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory to search with a pattern");
    pcre2_set_match_limit(run->context, MATCH_LIMIT);
    pcre2_set_heap_limit(run->context, HEAP_LIMIT_KIB);
    pcre2_jit_stack_assign(run->context, NULL, run->stack);
    return RG_OK;
}

rg_status rg__regex_find(const regex *r, regex_run **run, const char *p, size_t n, size_t at, size_t *begin,
                         size_t *end, rg_err *e)
{
    *begin = *end = SIZE_MAX;
    if (*run == NULL) {
        const rg_status s = start(run, e);
        if (s != RG_OK) {
            rg__regex_run_free(*run);
            *run = NULL;
            return s;
        }
    }
    const int found = pcre2_match(r->code, (PCRE2_SPTR)p, n, at, 0, (*run)->data, (*run)->context);
    if (found == PCRE2_ERROR_NOMATCH)
        return RG_OK;
    if (found == PCRE2_ERROR_NOMEMORY)
        RG_FAIL(e, RG_ENOMEM, "no memory to search with a pattern");
    if (found < 0)
        RG_FAIL(e, RG_ELIMIT, "pattern '%.*s' takes too many steps on a text of %zu bytes; split the text",
                (int)RG_MIN(r->n, (size_t)200), r->pattern, n);
    const PCRE2_SIZE *where = pcre2_get_ovector_pointer((*run)->data);
    *begin = where[0];
    *end = where[1];
    return RG_OK;
}
