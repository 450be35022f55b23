/* opt.c - fills settings structs from defaults, a config file, the environment and flags.
 *
 * Every setting of every group becomes one row.  The four layers are applied from the weakest
 * to the strongest; a row remembers which layer wrote it last, so a list starts afresh when a
 * stronger layer speaks. */
#include "opt_int.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rung/base/file.h"
#include "rung/base/mem.h"

enum { MAX_CONFIG = 1 << 20, MAX_NAME = 64 };

typedef enum layer { BY_DEFAULT, BY_FILE, BY_ENV, BY_FLAG } layer;

typedef struct row {
    const rg_opt *opt;
    void *field;
    layer by;
    const char **items; /* RG_OPT_LIST: the array the field points to */
} row;

struct rg_opts {
    row *rows;
    size_t n_rows;
    char **owned; /* strings that came from a file or the environment */
    size_t n_owned;
    rg_opt_list pos;
    const char *config; /* value of --config, borrowed from argv */
};

/* Where a value stands, for messages: `flag` "--budget", `value` as written. */
typedef struct setting {
    layer by;
    const char *flag;
    const char *value;
} setting;

static size_t count_opts(const rg_opt *opts)
{
    size_t n = 0;
    while (opts[n].name)
        n++;
    return n;
}

static rg_status make_rows(rg_opts *o, const rg_opt_group *groups, size_t n_groups, rg_err *e)
{
    size_t n = 0;
    for (size_t g = 0; g < n_groups; g++)
        n += count_opts(groups[g].opts);
    o->rows = rg_calloc(n + 1, sizeof *o->rows);
    if (!o->rows)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu settings", n);
    for (size_t g = 0; g < n_groups; g++)
        for (const rg_opt *p = groups[g].opts; p->name; p++)
            o->rows[o->n_rows++] = (row){ .opt = p, .field = rg__opt_field(&groups[g], p) };
    return RG_OK;
}

/* ---- finding a row by what the user typed ---- */

rg_str rg__opt_item(const char *csv, size_t i)
{
    const char *p = csv;
    while (p && i > 0) {
        p = strchr(p, ',');
        p = p ? p + 1 : NULL;
        i--;
    }
    return rg_str_n(p, p ? strcspn(p, ",") : 0);
}

/* `--name`: the long name, or an alias of two letters and more.  `-name`: an alias of one to
 * four letters. */
static bool row_answers_to(const row *r, rg_str name, size_t dashes)
{
    if (dashes == 2 && rg_str_is(name, r->opt->name))
        return true;
    const size_t shortest = dashes == 2 ? 2 : 1, longest = dashes == 2 ? MAX_NAME : 4;
    for (size_t i = 0;; i++) {
        const rg_str a = rg__opt_item(r->opt->aliases, i);
        if (!a.p)
            return false;
        if (a.n >= shortest && a.n <= longest && rg_str_eq(a, name))
            return true;
    }
}

static row *find_row(const rg_opts *o, rg_str name, size_t dashes)
{
    for (size_t i = 0; i < o->n_rows; i++)
        if (row_answers_to(&o->rows[i], name, dashes))
            return &o->rows[i];
    return NULL;
}

static rg_status unknown_name(const rg_opts *o, const char *what, rg_str name, const char *dashes, rg_err *e)
{
    char word[MAX_NAME + 1];
    snprintf(word, sizeof word, "%.*s", (int)RG_MIN(name.n, (size_t)MAX_NAME), name.p);
    const char **names = rg_calloc(o->n_rows + 1, sizeof *names);
    rg_buf near = RG_BUF_MAX(512), text = RG_BUF_MAX(1024);
    if (names) {
        for (size_t i = 0; i < o->n_rows; i++)
            names[i] = o->rows[i].opt->name;
        rg_nearest(&near, word, names, o->n_rows);
    }
    for (size_t i = 0; near.n > 0; i++) { /* "a, b" -> "--a, --b" */
        const rg_str a = rg_str_trim(rg__opt_item(near.p, i));
        if (!a.p)
            break;
        rg_buf_printf(&text, "%s%s%.*s", i ? ", " : "; did you mean ", dashes, (int)a.n, a.p);
    }
    const rg_status s = rg_err_set(e, RG_EARG, __FILE__, __LINE__, "unknown %s %s%s%s", what, dashes, word,
                                   text.n ? text.p : "");
    rg_buf_free(&text);
    rg_buf_free(&near);
    rg_free(names);
    return s;
}

/* ---- writing a value into its field ---- */

static rg_status own(rg_opts *o, const char **out, rg_str s, rg_err *e)
{
    char **more = rg_realloc(o->owned, o->n_owned + 1, sizeof *more);
    if (!more)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu strings", o->n_owned + 1);
    o->owned = more;
    char *copy = rg_strndup(s.p, s.n);
    if (!copy)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu bytes", s.n);
    o->owned[o->n_owned++] = copy;
    *out = copy;
    return RG_OK;
}

static rg_status check_range(const rg_opt *opt, const setting *v, double x, rg_err *e)
{
    if ((opt->min == 0 && opt->max == 0) || (x >= opt->min && x <= opt->max))
        return RG_OK;
    char lo[32], hi[32];
    rg_format_f64(lo, opt->min);
    rg_format_f64(hi, opt->max);
    if (opt->max >= 1e15)
        RG_FAIL(e, RG_EARG, "%s %s: must be at least %s", v->flag, v->value, lo);
    RG_FAIL(e, RG_EARG, "%s %s: must be between %s and %s", v->flag, v->value, lo, hi);
}

static rg_status set_int(row *r, const setting *v, rg_err *e)
{
    int64_t x;
    if (!rg_parse_i64(&x, v->value))
        RG_FAIL(e, RG_EARG, "%s '%s': not a whole number", v->flag, v->value);
    RG_TRY(check_range(r->opt, v, (double)x, e));
    *(int64_t *)r->field = x;
    return RG_OK;
}

static rg_status set_float(row *r, const setting *v, rg_err *e)
{
    double x;
    if (!rg_parse_f64(&x, v->value))
        RG_FAIL(e, RG_EARG, "%s '%s': not a number", v->flag, v->value);
    RG_TRY(check_range(r->opt, v, x, e));
    *(double *)r->field = x;
    return RG_OK;
}

static rg_status set_flag(row *r, const setting *v, rg_err *e)
{
    static const char *const yes[] = { "true", "1", "yes", "on" }, *const no[] = { "false", "0", "no",
                                                                                   "off" };
    for (size_t i = 0; i < RG_COUNT(yes); i++)
        if (strcmp(v->value, yes[i]) == 0 || strcmp(v->value, no[i]) == 0) {
            *(bool *)r->field = strcmp(v->value, yes[i]) == 0;
            return RG_OK;
        }
    RG_FAIL(e, RG_EARG, "%s '%s': must be true or false", v->flag, v->value);
}

static rg_status set_enum(row *r, const setting *v, rg_err *e)
{
    for (int i = 0;; i++) {
        const rg_str c = rg__opt_item(r->opt->choices, (size_t)i);
        if (!c.p)
            RG_FAIL(e, RG_EARG, "%s '%s': must be one of %s", v->flag, v->value, r->opt->choices);
        if (rg_str_is(c, v->value)) {
            *(int *)r->field = i;
            return RG_OK;
        }
    }
}

static rg_status add_item(row *r, const setting *v, rg_err *e)
{
    rg_opt_list *list = r->field;
    if (r->by != v->by)
        list->n = 0;
    const char **more = rg_realloc(r->items, list->n + 1, sizeof *more);
    if (!more)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu values of %s", list->n + 1, v->flag);
    r->items = more;
    list->item = more;
    more[list->n++] = v->value;
    return RG_OK;
}

static rg_status set_row(rg_opts *o, row *r, setting v, rg_err *e)
{
    const bool text = r->opt->kind == RG_OPT_STR || r->opt->kind == RG_OPT_LIST;
    if (text && (v.by == BY_FILE || v.by == BY_ENV))
        RG_TRY(own(o, &v.value, rg_str_of(v.value), e));
    switch (r->opt->kind) {
    case RG_OPT_FLAG: RG_TRY(set_flag(r, &v, e)); break;
    case RG_OPT_INT: RG_TRY(set_int(r, &v, e)); break;
    case RG_OPT_FLOAT: RG_TRY(set_float(r, &v, e)); break;
    case RG_OPT_STR: *(const char **)r->field = v.value; break;
    case RG_OPT_ENUM: RG_TRY(set_enum(r, &v, e)); break;
    case RG_OPT_LIST: RG_TRY(add_item(r, &v, e)); break;
    }
    r->by = v.by;
    return RG_OK;
}

/* ---- the four layers ---- */

static void zero_field(row *r)
{
    switch (r->opt->kind) {
    case RG_OPT_FLAG: *(bool *)r->field = false; break;
    case RG_OPT_INT: *(int64_t *)r->field = 0; break;
    case RG_OPT_FLOAT: *(double *)r->field = 0; break;
    case RG_OPT_STR: *(const char **)r->field = NULL; break;
    case RG_OPT_ENUM: *(int *)r->field = 0; break;
    case RG_OPT_LIST: *(rg_opt_list *)r->field = (rg_opt_list){ NULL, 0 }; break;
    }
}

static rg_status apply_defaults(rg_opts *o, rg_err *e)
{
    for (size_t i = 0; i < o->n_rows; i++) {
        row *r = &o->rows[i];
        zero_field(r);
        if (r->opt->fallback)
            RG_TRY(set_row(o, r, (setting){ BY_DEFAULT, r->opt->name, r->opt->fallback }, e));
    }
    return RG_OK;
}

static rg_status apply_line(rg_opts *o, rg_str line, const char *path, size_t number, rg_err *e)
{
    line = rg_str_trim(line);
    if (line.n == 0 || line.p[0] == '#')
        return RG_OK;
    const size_t eq = rg_str_find(line, rg_str_of("="));
    if (eq == SIZE_MAX)
        RG_FAIL(e, RG_EARG, "%s:%zu: expected name = value", path, number);
    const rg_str name = rg_str_trim(rg_str_n(line.p, eq));
    row *r = find_row(o, name, 2);
    char where[512];
    if (!r) {
        snprintf(where, sizeof where, "setting (%s:%zu)", path, number);
        return unknown_name(o, where, name, "", e);
    }
    rg_buf value = RG_BUF_MAX(MAX_CONFIG);
    rg_status s = RG_OK;
    if (!rg__opt_unquote(&value, rg_str_trim(rg_str_n(line.p + eq + 1, line.n - eq - 1))))
        s = rg_err_set(e, RG_EARG, __FILE__, __LINE__, "%s:%zu: broken quotes in the value of %s", path,
                       number, r->opt->name);
    if (s == RG_OK)
        s = rg_buf_check(&value, "a setting", e);
    snprintf(where, sizeof where, "%s:%zu: %s", path, number, r->opt->name);
    if (s == RG_OK)
        s = set_row(o, r, (setting){ BY_FILE, where, value.p ? value.p : "" }, e);
    rg_buf_free(&value);
    return s;
}

static rg_status apply_file(rg_opts *o, const char *path, rg_err *e)
{
    rg_lines *lines;
    rg_status s = rg_lines_open(&lines, path, MAX_CONFIG, e);
    while (s == RG_OK) {
        rg_str line;
        size_t number;
        bool newline;
        s = rg_lines_next(lines, &line, &number, &newline, e);
        if (s != RG_OK || !line.p)
            break;
        s = apply_line(o, line, path, number, e);
    }
    rg_lines_close(lines);
    return s;
}

static rg_status apply_env(rg_opts *o, rg_err *e)
{
    for (size_t i = 0; i < o->n_rows; i++) {
        char name[MAX_NAME + 8];
        snprintf(name, sizeof name, "RUNG_%s", o->rows[i].opt->name);
        for (char *p = name; *p; p++)
            *p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
        const char *value = getenv(name);
        if (value && *value)
            RG_TRY(set_row(o, &o->rows[i], (setting){ BY_ENV, name, value }, e));
    }
    return RG_OK;
}

/* "-" is standard input and "-5" a number: neither is a flag, unless -5 is somebody's alias. */
static bool looks_like_flag(const rg_opts *o, const char *s)
{
    if (s[0] != '-' || s[1] == '\0')
        return false;
    if (!isdigit((unsigned char)s[1]) && s[1] != '.')
        return true;
    return find_row(o, rg_str_n(s + 1, strcspn(s + 1, "=")), 1) != NULL;
}

/* Takes the flag at argv[*i] and, when it needs one, its value at argv[*i + 1]. */
static rg_status take_flag(rg_opts *o, int argc, char **argv, int *i, bool apply, rg_err *e)
{
    const char *s = argv[*i];
    const size_t dashes = s[1] == '-' ? 2 : 1;
    const rg_str name = rg_str_n(s + dashes, strcspn(s + dashes, "="));
    const char *eq = name.p[name.n] == '=' ? name.p + name.n + 1 : NULL;
    char flag[MAX_NAME + 4];
    snprintf(flag, sizeof flag, "%.*s", (int)RG_MIN(name.n + dashes, (size_t)MAX_NAME), s);

    row *r = find_row(o, name, dashes);
    if (!r && dashes == 2 && !eq && rg_str_starts(name, "no-")) {
        r = find_row(o, rg_str_n(name.p + 3, name.n - 3), 2);
        if (r && r->opt->kind == RG_OPT_FLAG)
            return apply ? set_row(o, r, (setting){ BY_FLAG, flag, "false" }, e) : RG_OK;
        r = NULL;
    }
    const bool is_config = dashes == 2 && rg_str_is(name, "config");
    if (!r && !is_config)
        return unknown_name(o, "flag", name, dashes == 2 ? "--" : "-", e);

    const char *value = eq;
    if (!value && r && r->opt->kind == RG_OPT_FLAG)
        value = "true";
    if (!value && *i + 1 < argc)
        value = argv[++*i];
    if (!value)
        RG_FAIL(e, RG_EARG, "%s needs a value%s%s", flag, r && r->opt->unit ? ": " : "",
                r && r->opt->unit ? r->opt->unit : "");
    if (is_config)
        o->config = value;
    return apply && r ? set_row(o, r, (setting){ BY_FLAG, flag, value }, e) : RG_OK;
}

/* First without, then with `apply`: --config must be known before the flags are applied. */
static rg_status walk_args(rg_opts *o, int argc, char **argv, bool apply, rg_err *e)
{
    bool flags = true;
    for (int i = 0; i < argc; i++) {
        if (flags && strcmp(argv[i], "--") == 0)
            flags = false;
        else if (flags && looks_like_flag(o, argv[i]))
            RG_TRY(take_flag(o, argc, argv, &i, apply, e));
        else if (apply)
            o->pos.item[o->pos.n++] = argv[i];
    }
    return RG_OK;
}

rg_status rg_opts_parse(rg_opts **out, const rg_opt_group *groups, size_t n_groups, int argc, char **argv,
                        rg_opt_list *pos, rg_err *e)
{
    rg_status s;
    *out = NULL;
    rg_opts *o = rg_calloc(1, sizeof *o);
    if (!o)
        RG_FAIL(e, RG_ENOMEM, "no memory for settings");
    o->pos.item = rg_calloc((size_t)argc + 1, sizeof *o->pos.item);
    if (!o->pos.item)
        RG_FAIL_GO(s, fail, e, RG_ENOMEM, "no memory for %d arguments", argc);
    RG_GO(s, fail, make_rows(o, groups, n_groups, e));
    RG_GO(s, fail, apply_defaults(o, e));
    RG_GO(s, fail, walk_args(o, argc, argv, false, e));
    if (o->config)
        RG_GO(s, fail, apply_file(o, o->config, e));
    RG_GO(s, fail, apply_env(o, e));
    RG_GO(s, fail, walk_args(o, argc, argv, true, e));
    *pos = o->pos;
    *out = o;
    return RG_OK;
fail:
    rg_opts_free(o);
    return s;
}

void rg_opts_free(rg_opts *o)
{
    if (!o)
        return;
    for (size_t i = 0; i < o->n_rows; i++)
        rg_free(o->rows[i].items);
    for (size_t i = 0; i < o->n_owned; i++)
        rg_free(o->owned[i]);
    rg_free(o->rows);
    rg_free(o->owned);
    rg_free(o->pos.item);
    rg_free(o);
}

bool rg_opts_given(const rg_opts *o, const char *name)
{
    for (size_t i = 0; i < o->n_rows; i++)
        if (strcmp(o->rows[i].opt->name, name) == 0)
            return o->rows[i].by != BY_DEFAULT;
    return false;
}
