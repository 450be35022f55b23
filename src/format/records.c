/* records.c - problems out of JSON lines, or out of one JSON array or object of records.
 *
 * The first record read decides the form of all (docs/formats/problems.md).  A file whose first
 * line is complete JSON is read line by line; any other is parsed whole. */
#include "rung/format/records.h"

#include <stdbool.h>
#include <stdint.h>

#include "records_int.h"
#include "rung/base/file.h"
#include "rung/base/mem.h"
#include "rung/base/rng.h"

enum { LINE_MAX_BYTES = 16 << 20, FILE_MAX_BYTES = 1 << 28 };

struct rg_problems {
    rg_problem *v;
    size_t n, cap;
    rg__form form; /* .name == NULL until the first record */
    char *names;   /* overridden field names */
    char *stem;
};

typedef struct reader {
    rg_problems *out;
    const char *path, *fields;
    size_t start, end, index; /* index of the next record */
} reader;

static void problem_free(rg_problem *p)
{
    const char *const owned[] = { p->id, p->text, p->gold, p->solution, p->subject, p->level };
    for (size_t i = 0; i < RG_COUNT(owned); i++)
        rg_free((void *)(uintptr_t)owned[i]);
}

void rg_problems_free(rg_problems *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < p->n; i++)
        problem_free(&p->v[i]);
    rg_free(p->v);
    rg_free(p->names);
    rg_free(p->stem);
    rg_free(p);
}

static rg_status grow(rg_problems *p, rg_err *e)
{
    if (p->n < p->cap)
        return RG_OK;
    const size_t cap = p->cap ? 2 * p->cap : 64;
    rg_problem *v = rg_realloc(p->v, cap, sizeof *v);
    if (v == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu problems", cap);
    p->v = v;
    p->cap = cap;
    return RG_OK;
}

/* "<stem>-<index>" for a record without an id of its own. */
static rg_status make_id(const char **id, const char *stem, size_t index, rg_err *e)
{
    rg_buf b = RG_BUF_MAX(8192);
    rg_buf_printf(&b, "%s-%zu", stem, index);
    *id = rg_buf_take(&b);
    rg_buf_free(&b);
    if (*id == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for an id");
    return RG_OK;
}

static rg_status settle_form(reader *r, const json_t *record, rg_err *e)
{
    rg_problems *out = r->out;
    if (out->form.name)
        return RG_OK;
    const rg__form *found = rg__form_detect(record);
    out->form = found ? *found : (rg__form){ .name = "plain" };
    if (r->fields)
        RG_TRY(rg__form_override(&out->form, &out->names, r->fields, e));
    if (out->form.field[RG__SLOT_TEXT] == NULL) {
        out->form.name = NULL;
        RG_FAIL(e, RG_EFORMAT, "no field \"problem\" or \"question\"; name it with problem=FIELD");
    }
    return RG_OK;
}

static rg_status add(reader *r, const json_t *record, size_t line, rg_err *e)
{
    rg_problems *out = r->out;
    if (!json_is_object(record))
        RG_FAIL(e, RG_EFORMAT, "a record is not a JSON object");
    RG_TRY(settle_form(r, record, e));
    RG_TRY(grow(out, e));
    rg_problem *p = &out->v[out->n++];
    *p = (rg_problem){ .line = line };
    RG_TRY(rg__form_read(p, &out->form, record, e));
    return p->id ? RG_OK : make_id(&p->id, out->stem, r->index, e);
}

static bool wanted(const reader *r)
{
    return r->index >= r->start && r->index < r->end;
}

/* ---- JSON lines ------------------------------------------------------------------------------ */

static rg_status one_line(reader *r, rg_str line, size_t number, rg_err *e)
{
    json_error_t je;
    rg_status s = RG_OK;
    if (wanted(r)) {
        json_t *j = json_loadb(line.p, line.n, JSON_REJECT_DUPLICATES, &je);
        if (j == NULL)
            s = rg_err_set(e, RG_EFORMAT, __FILE__, __LINE__, "not JSON: %s (column %d)", je.text, je.column);
        else
            s = add(r, j, number, e);
        json_decref(j);
        if (s != RG_OK)
            rg_err_prefix(e, "%s:%zu", r->path, number);
    }
    r->index++;
    return s;
}

static rg_status read_lines(reader *r, rg_err *e)
{
    rg_lines *l;
    rg_str line;
    size_t number = 0;
    bool newline;
    rg_status s;
    RG_TRY(rg_lines_open(&l, r->path, LINE_MAX_BYTES, e));
    for (;;) {
        RG_GO(s, done, rg_lines_next(l, &line, &number, &newline, e));
        if (line.p == NULL || r->index >= r->end)
            break;
        if (rg_str_trim(line).n == 0)
            continue;
        RG_GO(s, done, one_line(r, line, number, e));
    }
done:
    rg_lines_close(l);
    return s;
}

/* ---- one JSON document ------------------------------------------------------------------------ */

static rg_status one_element(reader *r, const json_t *j, rg_err *e)
{
    rg_status s = RG_OK;
    if (wanted(r))
        s = add(r, j, r->index + 1, e);
    if (s != RG_OK)
        rg_err_prefix(e, "%s, record %zu", r->path, r->index + 1);
    r->index++;
    return s;
}

/* The records of {"problems": [...]}: the first member that is a list of objects. */
static const json_t *list_inside(const json_t *doc)
{
    const char *key;
    json_t *v;
    if (json_is_array(doc))
        return doc;
    json_object_foreach((json_t *)(uintptr_t)doc, key,
                        v) if (json_is_array(v) && json_is_object(json_array_get(v, 0))) return v;
    return NULL;
}

static rg_status read_document(reader *r, const json_t *doc, rg_err *e)
{
    const json_t *list = list_inside(doc);
    if (list) {
        for (size_t i = 0; i < json_array_size(list) && r->index < r->end; i++)
            RG_TRY(one_element(r, json_array_get(list, i), e));
        return RG_OK;
    }
    if (rg__form_detect(doc))
        return one_element(r, doc, e);
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)doc, key, v)
    {
        if (json_is_object(v) && r->index < r->end)
            RG_TRY(one_element(r, v, e));
    }
    return RG_OK;
}

static rg_status read_whole(reader *r, rg_err *e)
{
    char *text;
    size_t n;
    json_error_t je;
    RG_TRY(rg_read_all(&text, &n, r->path, FILE_MAX_BYTES, e));
    json_t *doc = json_loadb(text, n, 0, &je);
    rg_free(text);
    if (doc == NULL)
        RG_FAIL(e, RG_EFORMAT, "%s:%d: not JSON: %s (column %d)", r->path, je.line, je.text, je.column);
    const rg_status s = read_document(r, doc, e);
    json_decref(doc);
    return s;
}

/* Does the file open with '[', or with an object that its first line does not close? */
static rg_status is_document(bool *yes, const char *path, rg_err *e)
{
    rg_lines *l;
    rg_str line = { NULL, 0 };
    size_t number;
    bool newline;
    rg_status s = RG_OK;
    *yes = false;
    RG_TRY(rg_lines_open(&l, path, LINE_MAX_BYTES, e));
    do
        s = rg_lines_next(l, &line, &number, &newline, e);
    while (s == RG_OK && line.p && rg_str_trim(line).n == 0);
    if (s == RG_OK && line.p) {
        const rg_str t = rg_str_trim(line);
        *yes = t.p[0] == '[' || rg_str_is(t, "{");
    }
    rg_lines_close(l);
    return s;
}

/* ---- ids -------------------------------------------------------------------------------------- */

static rg_status check_ids(const rg_problems *p, const char *path, rg_err *e)
{
    size_t cap = 16;
    while (cap < 2 * p->n)
        cap *= 2;
    size_t *slot = rg_calloc(cap, sizeof *slot); /* index + 1 of the problem; 0 = free */
    if (slot == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory to check %zu ids", p->n);
    rg_status s = RG_OK;
    for (size_t i = 0; i < p->n && s == RG_OK; i++) {
        const char *id = p->v[i].id;
        size_t h = (size_t)rg_hash64(id, strlen(id), 0) & (cap - 1);
        while (slot[h] && strcmp(p->v[slot[h] - 1].id, id) != 0)
            h = (h + 1) & (cap - 1);
        if (slot[h])
            s = rg_err_set(e, RG_EFORMAT, __FILE__, __LINE__,
                           "%s:%zu: id \"%.100s\" is that of line %zu already", path, p->v[i].line, id,
                           p->v[slot[h] - 1].line);
        slot[h] = i + 1;
    }
    rg_free(slot);
    return s;
}

static char *stem_of(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    return rg_strndup(name, dot && dot != name ? (size_t)(dot - name) : strlen(name));
}

rg_status rg_problems_read(rg_problems **out, const char *path, const char *fields, size_t start, size_t end,
                           rg_err *e)
{
    rg_status s;
    bool whole;
    *out = NULL;
    rg_problems *p = rg_calloc(1, sizeof *p);
    if (p == NULL || (p->stem = stem_of(path)) == NULL)
        RG_FAIL_GO(s, fail, e, RG_ENOMEM, "no memory to read %s", path);
    reader r = { p, path, fields && *fields ? fields : NULL, start, end, 0 };
    RG_GO(s, fail, is_document(&whole, path, e));
    RG_GO(s, fail, whole ? read_whole(&r, e) : read_lines(&r, e));
    RG_GO(s, fail, check_ids(p, path, e));
    *out = p;
    return RG_OK;
fail:
    rg_problems_free(p);
    return s;
}

size_t rg_problems_n(const rg_problems *p)
{
    return p->n;
}

const rg_problem *rg_problems_at(const rg_problems *p, size_t i)
{
    return &p->v[i];
}

const char *rg_problems_form(const rg_problems *p)
{
    return p->form.name ? p->form.name : "empty";
}
