/* extract.c - the answer inside a response (section 16.1): the first rule that matches.
 *
 * Verifier step tags and everything up to the last </think> are put aside first.  Boxes are
 * matched by counting braces; an unclosed last box means a truncated response, so no answer. */
#include "grade_int.h"

#include <ctype.h>

#include "rung/base/mem.h"

enum { BOX_GAP_MAX = 70, BOXES_MAX = 64 };

static rg_str sub(rg_str s, size_t from, size_t to)
{
    return rg_str_n(s.p + from, to - from);
}

/* White space, one leading colon, trailing period and slash, math delimiters at both ends. */
static rg_str tidy(rg_str s)
{
    s = rg_str_trim(s);
    if (s.n && s.p[0] == ':')
        s = rg_str_trim(sub(s, 1, s.n));
    while (s.n && (s.p[s.n - 1] == '.' || s.p[s.n - 1] == '/') && !(s.n > 1 && s.p[s.n - 2] == '.'))
        s = rg_str_trim(sub(s, 0, s.n - 1));
    return s;
}

static void put_without_tags(rg_buf *b, rg_str s)
{
    static const char *const tags[] = { "\u043a\u0438", "<extra_0>" };
    const size_t think = rg_str_rfind(s, rg_str_of("</think>"));
    if (think != SIZE_MAX)
        s = sub(s, think + 8, s.n);
    for (size_t i = 0; i < s.n;) {
        size_t skip = 0;
        /* The first tag is also two letters of Russian words: only a free-standing one is a tag. */
        for (size_t k = 0; k < RG_COUNT(tags) && !skip; k++)
            if (rg_str_starts(sub(s, i, s.n), tags[k]))
                skip = strlen(tags[k]);
        if (skip == 4 &&
            ((i && (unsigned char)s.p[i - 1] >= 0x80) || (i + 4 < s.n && (unsigned char)s.p[i + 4] >= 0x80)))
            skip = 0;
        if (!skip)
            rg_buf_putc(b, s.p[i]);
        i += skip ? skip : 1;
    }
}

/* ---- rule 1 ---------------------------------------------------------------------------- */

static bool minerva(rg_str s, rg_str *a)
{
    const rg_str open = rg_str_of("final answer is $"), close = rg_str_of("$. I hope");
    const size_t end = rg_str_rfind(s, close);
    if (end == SIZE_MAX)
        return false;
    const size_t at = rg_str_rfind(sub(s, 0, end), open);
    if (at == SIZE_MAX)
        return false;
    *a = sub(s, at + open.n, end);
    return true;
}

/* ---- rule 2 ---------------------------------------------------------------------------- */

typedef struct box {
    size_t start, in, in_end, end; /* in == end: unclosed */
    bool closed;
} box;

static size_t matching_brace(rg_str s, size_t i)
{
    size_t depth = 0;
    for (; i < s.n; i++) {
        if (s.p[i] == '\\')
            i++;
        else if (s.p[i] == '{')
            depth++;
        else if (s.p[i] == '}' && --depth == 0)
            return i;
    }
    return SIZE_MAX;
}

/* The box whose command starts at `at`; false when no argument follows (the word alone). */
static bool read_box(rg_str s, size_t at, size_t command, box *b)
{
    size_t i = at + command;
    if (i < s.n && isalpha((unsigned char)s.p[i]))
        return false;
    while (i < s.n && isspace((unsigned char)s.p[i]))
        i++;
    *b = (box){ .start = at, .in = i, .in_end = s.n, .end = s.n };
    if (i < s.n && s.p[i] == '{') {
        const size_t close = matching_brace(s, i);
        b->in = i + 1;
        b->closed = close != SIZE_MAX;
        if (b->closed) {
            b->in_end = close;
            b->end = close + 1;
        }
        return true;
    }
    const size_t dollar = rg_str_find(sub(s, i, s.n), rg_str_of("$"));
    b->closed = dollar != SIZE_MAX || i < s.n;
    b->in_end = b->end = dollar != SIZE_MAX ? i + dollar : s.n;
    return i < s.n;
}

static bool last_box(rg_str s, box *b)
{
    for (size_t i = s.n; i-- > 0;) {
        if (s.p[i] != '\\')
            continue;
        const rg_str r = sub(s, i, s.n);
        const size_t n = rg_str_starts(r, "\\boxed") ? 6 : rg_str_starts(r, "\\fbox") ? 5 : 0;
        if (n && read_box(s, i, n, b))
            return true;
    }
    return false;
}

/* Is the text between two boxes only commas, dollars, "and" and "or"? */
static bool is_joint(rg_str g)
{
    static const char *const parts[] = {
        "\\text{and}", "\\text{or}", "\\text{ and }", "\\text{ or }", "\\quad",
        "and",         "or",         "\\(",           "\\)",          ",",
        "$",           ";"
    };
    bool any = false;
    if (g.n > BOX_GAP_MAX)
        return false;
    for (size_t i = 0; i < g.n;) {
        size_t n = isspace((unsigned char)g.p[i]) ? 1 : 0;
        for (size_t k = 0; k < RG_COUNT(parts) && !n; k++)
            if (rg_str_starts(sub(g, i, g.n), parts[k])) {
                n = strlen(parts[k]);
                any = any || strchr(",;ao", parts[k][0]) || parts[k][1] == 't';
            }
        if (!n)
            return false;
        i += n;
    }
    return any;
}

static rg_extract_rule boxed(rg_buf *out, rg_str s, bool *found)
{
    box v[BOXES_MAX];
    size_t n = 0;
    *found = last_box(s, &v[0]);
    if (!*found || !v[0].closed)
        return RG_X_NONE;
    n = 1;
    while (n < BOXES_MAX && last_box(sub(s, 0, v[n - 1].start), &v[n]) && v[n].closed &&
           is_joint(sub(s, v[n].end, v[n - 1].start)))
        n++;
    for (size_t i = n; i-- > 0;) {
        rg_buf_str(out, tidy(sub(s, v[i].in, v[i].in_end)));
        if (i)
            rg_buf_puts(out, " , ");
    }
    return RG_X_BOXED;
}

/* ---- rules 3 and 4 --------------------------------------------------------------------- */

static bool hashes(rg_str s, rg_str *a)
{
    const size_t at = rg_str_rfind(s, rg_str_of("####"));
    if (at == SIZE_MAX)
        return false;
    size_t end = at + 4;
    while (end < s.n && s.p[end] != '\n')
        end++;
    *a = sub(s, at + 4, end);
    return true;
}

static bool same_word(rg_str s, size_t i, const char *word)
{
    for (; *word; word++, i++)
        if (i >= s.n || tolower((unsigned char)s.p[i]) != *word)
            return false;
    return true;
}

static size_t answer_mark(rg_str s, size_t i)
{
    static const char *const marks[] = { "answer is", "answer:", "answer**:", "answer:**", "answer*:" };
    for (size_t k = 0; k < RG_COUNT(marks); k++)
        if (same_word(s, i, marks[k]))
            return strlen(marks[k]);
    return 0;
}

/* A period ends a sentence when white space or the end follows; "3.5" and "..." go on. */
static size_t sentence_end(rg_str s)
{
    bool maths = false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\n')
            return i;
        if (s.p[i] == '$')
            maths = !maths;
        if (!maths && s.p[i] == '.' && (i + 1 == s.n || isspace((unsigned char)s.p[i + 1])))
            return i;
    }
    return s.n;
}

/* If s begins with a maths span: the spans that follow each other by commas, "and", "or". */
static rg_str leading_spans(rg_str s)
{
    static const char *const open[] = { "$$", "$", "\\(", "\\[" }, *const close[] = { "$$", "$", "\\)",
                                                                                      "\\]" };
    size_t end = 0;
    for (size_t i = 0; i < s.n;) {
        size_t k = 0;
        while (k < RG_COUNT(open) && !rg_str_starts(sub(s, i, s.n), open[k]))
            k++;
        if (k == RG_COUNT(open) || (i > end && end && !is_joint(sub(s, end, i)))) {
            if (end == 0)
                return s;
            i++;
            if (i > end + BOX_GAP_MAX)
                break;
            continue;
        }
        const size_t from = i + strlen(open[k]);
        const size_t len = rg_str_find(sub(s, from, s.n), rg_str_of(close[k]));
        if (len == SIZE_MAX)
            return end ? sub(s, 0, end) : s;
        i = end = from + len + strlen(close[k]);
    }
    return end ? sub(s, 0, end) : s;
}

/* "[Answer: 009] ..." ends with its own bracket. */
static rg_str inside_bracket(rg_str s, char before)
{
    const char close = before == '[' ? ']' : before == '(' ? ')' : 0;
    for (size_t i = 0, depth = 0; close && i < s.n; i++) {
        if (s.p[i] == before)
            depth++;
        else if (s.p[i] == close && depth-- == 0)
            return sub(s, 0, i);
    }
    return s;
}

static rg_str strip_marks(rg_str s)
{
    s = rg_str_trim(s);
    while (s.n && (s.p[0] == '*' || s.p[0] == ':' || s.p[0] == '`'))
        s = rg_str_trim(sub(s, 1, s.n));
    while (s.n && (s.p[s.n - 1] == '*' || s.p[s.n - 1] == '`'))
        s = rg_str_trim(sub(s, 0, s.n - 1));
    return s;
}

static bool answer_is(rg_str s, rg_str *a)
{
    for (size_t i = s.n; i-- > 0;) {
        const size_t n = answer_mark(s, i);
        if (!n || (i && isalpha((unsigned char)s.p[i - 1])))
            continue;
        rg_str r = sub(s, i + n, s.n);
        while (r.n && (isspace((unsigned char)r.p[0]) || r.p[0] == '*' || r.p[0] == ':'))
            r = sub(r, 1, r.n);
        r = sub(r, 0, sentence_end(r));
        if (i)
            r = inside_bracket(r, s.p[i - 1]);
        *a = leading_spans(strip_marks(r));
        return tidy(*a).n > 0;
    }
    return false;
}

/* ---- rules 5 and 6 --------------------------------------------------------------------- */

static bool choice(rg_str s, char last, rg_str *a)
{
    for (size_t i = s.n; i-- > 0;) {
        const bool free_before = i == 0 || !isalnum((unsigned char)s.p[i - 1]);
        const bool free_after = i + 1 == s.n || !isalnum((unsigned char)s.p[i + 1]);
        if (s.p[i] >= 'A' && s.p[i] <= last && free_before && free_after && !(i && s.p[i - 1] == '\'') &&
            !(i + 1 < s.n && s.p[i + 1] == '\'')) {
            *a = sub(s, i, i + 1);
            return true;
        }
    }
    return false;
}

static bool last_span(rg_str s, rg_str *a)
{
    static const char *const open[] = { "$", "\\(", "\\[" }, *const close[] = { "$", "\\)", "\\]" };
    size_t best = 0;
    for (size_t k = 0; k < RG_COUNT(open); k++) {
        const size_t end = rg_str_rfind(s, rg_str_of(close[k]));
        if (end == SIZE_MAX || end == 0 || end < best)
            continue;
        const rg_str before = sub(s, 0, s.p[end - 1] == '$' ? end - 1 : end);
        const size_t at = rg_str_rfind(before, rg_str_of(open[k]));
        if (at == SIZE_MAX)
            continue;
        *a = sub(before, at + strlen(open[k]), before.n);
        best = end;
    }
    return best > 0 && tidy(*a).n > 0;
}

static bool last_number(rg_str s, rg_str *a)
{
    size_t end = s.n;
    while (end && !isdigit((unsigned char)s.p[end - 1]))
        end--;
    size_t i = end;
    while (i && (isdigit((unsigned char)s.p[i - 1]) ||
                 (i > 1 && (s.p[i - 1] == ',' || s.p[i - 1] == '.' || s.p[i - 1] == '/') &&
                  isdigit((unsigned char)s.p[i - 2]))))
        i--;
    if (i && i < end && s.p[i - 1] == '.')
        i--;
    if (i && s.p[i - 1] == '-' && (i == 1 || !isalnum((unsigned char)s.p[i - 2])))
        i--;
    if (end < s.n && s.p[end] == '%')
        end++;
    *a = sub(s, i, end);
    return end > i;
}

static rg_extract_rule by_text(rg_str s, const rg_extract_opt *o, rg_str *a)
{
    const char last = o && o->last_choice ? o->last_choice : 'E';
    if (hashes(s, a) && tidy(*a).n)
        return RG_X_HASHES;
    if (answer_is(s, a))
        return RG_X_ANSWER_IS;
    if (o && o->choices && choice(s, last, a))
        return RG_X_CHOICE;
    if (o && o->last_number && (last_span(s, a) || last_number(s, a)))
        return RG_X_LAST_NUMBER;
    return RG_X_NONE;
}

rg_extract_rule rg_extract(rg_buf *b, rg_str response, const rg_extract_opt *o)
{
    rg_buf kept = RG_BUF_MAX(response.n + 1);
    rg_str a = { NULL, 0 };
    rg_extract_rule rule;
    bool box_found = false;

    put_without_tags(&kept, response);
    const rg_str s = rg_buf_view(&kept);
    if (s.n == 0) {
        rule = RG_X_NONE;
    } else if (minerva(s, &a)) {
        rule = RG_X_MINERVA;
    } else {
        rule = boxed(b, s, &box_found);
        if (!box_found)
            rule = by_text(s, o, &a);
    }
    if (kept.failed)
        rule = RG_X_NONE;
    if (rule != RG_X_NONE && rule != RG_X_BOXED)
        rg_buf_str(b, tidy(a));
    rg_buf_free(&kept);
    return rule;
}

const char *rg_extract_rule_name(rg_extract_rule r)
{
    static const char *const names[] = { "none",      "minerva", "boxed",       "hashes",
                                         "answer is", "choice",  "last number", "whole" };
    return (size_t)r < RG_COUNT(names) ? names[r] : "none";
}
