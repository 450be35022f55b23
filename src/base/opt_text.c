/* opt_text.c - an option table as text: help, config lines, JSON; and the nearest names. */
#include "opt_int.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "rung/base/mem.h"

enum { FLAG_COLUMNS = 30, MAX_WORD = 48 };

/* ---- help ---- */

static void put_aliases(rg_buf *b, const rg_opt *p)
{
    bool first = true;
    for (size_t i = 0;; i++) {
        const rg_str a = rg__opt_item(p->aliases, i);
        if (!a.p)
            break;
        if (a.n > 4)
            continue; /* long aliases work, but would crowd the page */
        rg_buf_printf(b, "%s-%.*s", first ? "" : ", ", (int)a.n, a.p);
        first = false;
    }
    rg_buf_puts(b, first ? "    " : ", ");
}

static void put_choices(rg_buf *b, const rg_opt *p)
{
    for (size_t i = 0;; i++) {
        const rg_str c = rg__opt_item(p->choices, i);
        if (!c.p)
            return;
        rg_buf_putc(b, i ? '|' : ' ');
        rg_buf_str(b, c);
    }
}

static void put_flag(rg_buf *b, const rg_opt *p)
{
    rg_buf_puts(b, "  ");
    put_aliases(b, p);
    const bool on = p->kind == RG_OPT_FLAG && p->fallback && strcmp(p->fallback, "true") == 0;
    rg_buf_printf(b, "--%s%s", on ? "no-" : "", p->name);
    if (p->kind == RG_OPT_ENUM && !p->unit)
        put_choices(b, p);
    else if (p->kind != RG_OPT_FLAG)
        rg_buf_printf(b, " %s", p->unit ? p->unit : "VALUE");
}

void rg_opts_help(rg_buf *b, const rg_opt_group *groups, size_t n_groups)
{
    for (size_t g = 0; g < n_groups; g++) {
        rg_buf_printf(b, "%s%s:\n", g ? "\n" : "", groups[g].title);
        for (const rg_opt *p = groups[g].opts; p->name; p++) {
            const size_t start = b->n;
            put_flag(b, p);
            if (b->n - start >= FLAG_COLUMNS)
                rg_buf_printf(b, "\n%*s", FLAG_COLUMNS, "");
            else
                rg_buf_printf(b, "%*s", (int)(FLAG_COLUMNS - (b->n - start)), "");
            rg_buf_puts(b, p->help);
            if (p->fallback && p->kind != RG_OPT_FLAG)
                rg_buf_printf(b, " [%s]", p->fallback);
            rg_buf_putc(b, '\n');
        }
    }
}

/* ---- values ---- */

static bool is_secret(const rg_opt *p)
{
    return rg_str_ends(rg_str_of(p->name), "key") || strcmp(p->name, "config") == 0;
}

static bool needs_quotes(const char *s)
{
    if (s[0] == '\0' || s[0] == '"' || s[0] == '#')
        return true;
    if (!rg_str_eq(rg_str_trim(rg_str_of(s)), rg_str_of(s)))
        return true;
    return strpbrk(s, "\n\r\t") != NULL;
}

static void put_quoted(rg_buf *b, const char *s)
{
    if (!needs_quotes(s)) {
        rg_buf_puts(b, s);
        return;
    }
    static const char plain[] = "\n\t\r\\\"", escaped[] = "ntr\\\"";
    rg_buf_putc(b, '"');
    for (; *s; s++) {
        const char *at = strchr(plain, *s);
        if (at) {
            rg_buf_putc(b, '\\');
            rg_buf_putc(b, escaped[at - plain]);
        } else {
            rg_buf_putc(b, *s);
        }
    }
    rg_buf_putc(b, '"');
}

bool rg__opt_unquote(rg_buf *out, rg_str text)
{
    if (text.n == 0 || text.p[0] != '"') {
        rg_buf_str(out, text);
        return true;
    }
    for (size_t i = 1; i < text.n; i++) {
        char c = text.p[i];
        if (c == '"')
            return i + 1 == text.n;
        if (c == '\\') {
            static const char escaped[] = "ntr\\\"", plain[] = "\n\t\r\\\"";
            const char *at = ++i < text.n && text.p[i] ? strchr(escaped, text.p[i]) : NULL;
            if (!at)
                return false;
            c = plain[at - escaped];
        }
        rg_buf_putc(out, c);
    }
    return false;
}

/* A number or a choice, the same in both syntaxes. */
static void put_scalar(rg_buf *b, const rg_opt *p, const void *field)
{
    char text[32];
    if (p->kind == RG_OPT_FLAG) {
        rg_buf_puts(b, *(const bool *)field ? "true" : "false");
    } else if (p->kind == RG_OPT_INT) {
        rg_buf_printf(b, "%lld", (long long)*(const int64_t *)field);
    } else if (p->kind == RG_OPT_FLOAT) {
        rg_format_f64(text, *(const double *)field);
        rg_buf_puts(b, isfinite(*(const double *)field) ? text : "null");
    } else {
        rg_buf_str(b, rg__opt_item(p->choices, (size_t) * (const int *)field));
    }
}

/* ---- config lines ---- */

static void put_config(rg_buf *b, const rg_opt *p, const void *field)
{
    if (p->kind == RG_OPT_LIST) {
        const rg_opt_list *list = field;
        if (list->n == 0)
            rg_buf_printf(b, "# %s =\n", p->name);
        for (size_t i = 0; i < list->n; i++) {
            rg_buf_printf(b, "%s = ", p->name);
            put_quoted(b, list->item[i]);
            rg_buf_putc(b, '\n');
        }
        return;
    }
    const char *text = p->kind == RG_OPT_STR ? *(const char *const *)field : "";
    rg_buf_printf(b, "%s%s =%s", text ? "" : "# ", p->name, text ? " " : "");
    if (p->kind != RG_OPT_STR)
        put_scalar(b, p, field);
    else if (text)
        put_quoted(b, text);
    rg_buf_putc(b, '\n');
}

void rg_opts_config(rg_buf *b, const rg_opt_group *groups, size_t n_groups)
{
    for (size_t g = 0; g < n_groups; g++) {
        rg_buf_printf(b, "%s# %s\n", g ? "\n" : "", groups[g].title);
        for (const rg_opt *p = groups[g].opts; p->name; p++)
            if (!is_secret(p))
                put_config(b, p, rg__opt_field(&groups[g], p));
    }
}

/* ---- JSON ---- */

static void put_json_text(rg_buf *b, const char *s)
{
    if (!s) {
        rg_buf_puts(b, "null");
        return;
    }
    rg_buf_putc(b, '"');
    rg_buf_json_escape(b, rg_str_of(s));
    rg_buf_putc(b, '"');
}

static void put_json(rg_buf *b, const rg_opt *p, const void *field)
{
    if (p->kind == RG_OPT_STR) {
        put_json_text(b, *(const char *const *)field);
    } else if (p->kind == RG_OPT_ENUM) {
        rg_buf_putc(b, '"');
        put_scalar(b, p, field);
        rg_buf_putc(b, '"');
    } else if (p->kind == RG_OPT_LIST) {
        const rg_opt_list *list = field;
        rg_buf_putc(b, '[');
        for (size_t i = 0; i < list->n; i++) {
            rg_buf_puts(b, i ? "," : "");
            put_json_text(b, list->item[i]);
        }
        rg_buf_putc(b, ']');
    } else {
        put_scalar(b, p, field);
    }
}

void rg_opts_json(rg_buf *b, const rg_opt_group *groups, size_t n_groups)
{
    const char *comma = "";
    rg_buf_putc(b, '{');
    for (size_t g = 0; g < n_groups; g++)
        for (const rg_opt *p = groups[g].opts; p->name; p++) {
            if (is_secret(p))
                continue;
            rg_buf_printf(b, "%s\"", comma);
            for (const char *c = p->name; *c; c++)
                rg_buf_putc(b, *c == '-' ? '_' : *c);
            rg_buf_puts(b, "\":");
            put_json(b, p, rg__opt_field(&groups[g], p));
            comma = ",";
        }
    rg_buf_putc(b, '}');
}

/* ---- did you mean ---- */

/* Edit distance in letters (insert, delete, replace, swap of neighbours); SIZE_MAX for words
 * over MAX_WORD.  Wagner & Fischer 1974, with the swap of Damerau 1964. */
static size_t distance(const char *a, const char *b)
{
    const size_t n = strlen(a), m = strlen(b);
    size_t d[3][MAX_WORD + 1]; /* rows i-2, i-1, i of the table, by i modulo 3 */
    if (n > MAX_WORD || m > MAX_WORD)
        return SIZE_MAX;
    for (size_t j = 0; j <= m; j++)
        d[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        const size_t *up = d[(i - 1) % 3], *up2 = d[(i + 1) % 3];
        size_t *row = d[i % 3];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            const size_t edit = up[j - 1] + (a[i - 1] != b[j - 1]);
            row[j] = RG_MIN(edit, 1 + RG_MIN(up[j], row[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = RG_MIN(row[j], up2[j - 2] + 1);
        }
    }
    return d[n % 3][m];
}

/* A word that starts a name is as near as one wrong letter. */
static size_t farness(const char *word, const char *name)
{
    const size_t n = strlen(word), d = distance(word, name);
    if (n >= 2 && strncmp(word, name, n) == 0)
        return RG_MIN(d, (size_t)1);
    return d;
}

void rg_nearest(rg_buf *b, const char *word, const char *const *names, size_t n)
{
    const size_t limit = RG_MIN((size_t)3, strlen(word) / 3 + 1);
    size_t best = SIZE_MAX, shown = 0;
    for (size_t i = 0; i < n; i++)
        best = RG_MIN(best, farness(word, names[i]));
    for (size_t i = 0; i < n && best <= limit && shown < 3; i++)
        if (farness(word, names[i]) == best)
            rg_buf_printf(b, "%s%s", shown++ ? ", " : "", names[i]);
}
