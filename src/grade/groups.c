/* groups.c - digit groups and blanks: passes 2 and 3 of clean.c. */
#include "grade_int.h"

#include <ctype.h>

/* ---- pass 2: digit groups ---------------------------------------------------------------- */

static size_t digits_at(rg_str s, size_t i)
{
    size_t n = 0;
    while (i + n < s.n && isdigit((unsigned char)s.p[i + n]))
        n++;
    return n;
}

/* The separator at s[i]: its kind (',', ' ', RG__MARK_SEP) and length. */
static char separator(rg_str s, size_t i, size_t *len)
{
    *len = 1;
    if (i >= s.n)
        return 0;
    if (s.p[i] == RG__MARK_SEP) {
        while (i + *len < s.n && (s.p[i + *len] == ' ' || s.p[i + *len] == RG__MARK_THIN))
            (*len)++;
        return RG__MARK_SEP;
    }
    return s.p[i] == ',' ? ',' : s.p[i] == ' ' || s.p[i] == RG__MARK_THIN ? ' ' : 0;
}

/* If a grouped number starts at i: its length in s, else 0. */
static size_t grouped(rg_str s, size_t i, bool in_brackets)
{
    const size_t head = digits_at(s, i);
    size_t len, end = i + head;
    const char kind = separator(s, end, &len);
    if (head == 0 || head > 3 || kind == 0 || (kind == ',' && (in_brackets || s.p[i] == '0')))
        return 0;
    size_t groups = 0;
    while (separator(s, end, &len) == kind && digits_at(s, end + len) == 3) {
        end += len + 3;
        groups++;
    }
    /* A further separator with digits behind it means that these were elements of a list. */
    if (kind == ',' && separator(s, end, &len) == ',' && end + len < s.n)
        return 0;
    if (kind == ' ' && separator(s, end, &len) == ' ' && digits_at(s, end + len))
        return 0;
    return groups ? end - i : 0;
}

static bool starts_number(rg_str s, size_t i)
{
    if (!isdigit((unsigned char)s.p[i]))
        return false;
    if (i == 0)
        return true;
    const char b = s.p[i - 1];
    if (isdigit((unsigned char)b) || b == '.' || b == '_' || b == '^' || b == ',')
        return false;
    size_t k = i;
    while (k > 0 && s.p[k - 1] == ' ')
        k--;
    return k == 0 || s.p[k - 1] != ',';
}

void rg__join_groups(rg_buf *out, rg_str s)
{
    size_t depth = 0;
    for (size_t i = 0; i < s.n;) {
        const char ch = s.p[i];
        const size_t n = starts_number(s, i) ? grouped(s, i, depth > 0) : 0;
        if (n) {
            for (size_t k = i; k < i + n; k++)
                if (isdigit((unsigned char)s.p[k]))
                    rg_buf_putc(out, s.p[k]);
            i += n;
            continue;
        }
        const bool brace = i > 0 && s.p[i - 1] == '\\';
        if (ch == '(' || ch == '[' || (ch == '{' && brace))
            depth++;
        else if ((ch == ')' || ch == ']' || (ch == '}' && brace)) && depth > 0)
            depth--;
        rg_buf_putc(out, ch == RG__MARK_SEP ? ',' : ch == RG__MARK_THIN ? ' ' : ch);
        i++;
    }
}

/* ---- pass 3: blanks ------------------------------------------------------------------------ */

void rg__squeeze(rg_buf *out, rg_str s)
{
    const size_t at = out->n;
    s = rg_str_trim(s);
    while (s.n && s.p[s.n - 1] == '.' && !(s.n > 1 && s.p[s.n - 2] == '.'))
        s = rg_str_trim(rg_str_n(s.p, s.n - 1));
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != ' ') {
            rg_buf_putc(out, s.p[i]);
            continue;
        }
        while (i + 1 < s.n && s.p[i + 1] == ' ')
            i++;
        const char a = out->n > at ? out->p[out->n - 1] : ' ', b = i + 1 < s.n ? s.p[i + 1] : ' ';
        /* A blank after a digit also keeps "137 .5" and "5 e" apart. */
        const bool word_a = isalnum((unsigned char)a) || a == '.',
                   word_b = isalnum((unsigned char)b) || b == '.';
        if ((word_a && word_b) || a == '\\')
            rg_buf_putc(out, ' ');
    }
}
