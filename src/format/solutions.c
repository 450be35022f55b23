#include "rung/format/solutions.h"

#include <string.h>

#include "rung/base/file.h"
#include "rung/base/mem.h"
#include "rung/format/json.h"

enum { LINE_MAX_BYTES = 16 << 20, MAX_VALUES = 1 << 20 };

typedef struct entry {
    rg_solution v;
    json_t *record; /* what v's strings are borrowed from */
    char *made_id;
} entry;

struct rg_solutions {
    entry *v;
    size_t n, cap;
};

static const char *const PROBLEM[] = { "problem", "question", "prompt" };
static const char *const STEPS[] = { "steps", "completions" };
static const char *const TEXT[] = { "solution", "response", "completion", "text", "answer" };

static const char *string_in(const json_t *record, const char *const *name, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_object_get(record, name[i]);
        if (json_is_string(v))
            return json_string_value(v);
    }
    return NULL;
}

static const json_t *list_in(const json_t *record)
{
    for (size_t i = 0; i < RG_COUNT(STEPS); i++) {
        const json_t *v = json_object_get(record, STEPS[i]);
        if (json_is_array(v))
            return v;
    }
    return NULL;
}

static rg_status read_steps(rg_solution *s, const json_t *list, rg_err *e)
{
    size_t n = json_array_size(list);
    s->step = rg_calloc(RG_MAX(n, (size_t)1), sizeof *s->step);
    if (s->step == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu steps", n);
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_array_get(list, i);
        if (!json_is_string(v))
            RG_FAIL(e, RG_EFORMAT, "step %zu is not a string", i);
        s->step[i] = rg_str_n(json_string_value(v), json_string_length(v));
    }
    while (n > 0 && rg_str_trim(s->step[n - 1]).n == 0) /* the empty last step of some records */
        n--;
    s->n = n;
    return RG_OK;
}

static rg_status read_record(entry *x, rg_err *e)
{
    rg_solution *s = &x->v;
    const json_t *id = json_object_get(x->record, "id"), *label = json_object_get(x->record, "label");
    const json_t *list = list_in(x->record);
    if (!json_is_object(x->record))
        RG_FAIL(e, RG_EFORMAT, "a record is not a JSON object");
    s->id = json_is_string(id) ? json_string_value(id) : x->made_id;
    s->problem = string_in(x->record, PROBLEM, RG_COUNT(PROBLEM));
    s->text = list != NULL ? NULL : string_in(x->record, TEXT, RG_COUNT(TEXT));
    if (s->problem == NULL)
        RG_FAIL(e, RG_EFORMAT, "no \"problem\", \"question\" or \"prompt\"");
    if (list == NULL && s->text == NULL)
        RG_FAIL(e, RG_EFORMAT,
                "no solution: a list \"steps\" or \"completions\", or a text \"solution\", \"response\", "
                "\"completion\", \"text\" or \"answer\"");
    s->labelled = json_is_integer(label);
    s->label = s->labelled ? json_integer_value(label) : -1;
    if (list != NULL)
        RG_TRY(read_steps(s, list, e));
    if (list != NULL && s->n == 0)
        RG_FAIL(e, RG_EFORMAT, "the solution has no steps");
    return RG_OK;
}

static rg_status add_line(rg_solutions *out, rg_str line, const char *path, size_t number, rg_err *e)
{
    if (out->n == out->cap) {
        const size_t cap = out->cap ? 2 * out->cap : 64;
        entry *v = rg_realloc(out->v, cap, sizeof *v);
        if (v == NULL)
            RG_FAIL(e, RG_ENOMEM, "no memory for %zu solutions", cap);
        out->v = v;
        out->cap = cap;
    }
    entry *x = &out->v[out->n++];
    memset(x, 0, sizeof *x);
    rg_buf name = RG_BUF_MAX(8192);
    rg_buf_printf(&name, "%s:%zu", path, number);
    x->made_id = rg_buf_take(&name);
    rg_buf_free(&name);
    if (x->made_id == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for an id");
    RG_TRY(rg_json_parse(&x->record, line, MAX_VALUES, "the record", e));
    return read_record(x, e);
}

static rg_status read_lines(rg_solutions *out, const char *path, size_t limit, rg_err *e)
{
    rg_lines *l;
    rg_str line;
    size_t number = 0;
    bool newline;
    rg_status s = RG_OK;
    RG_TRY(rg_lines_open(&l, path, LINE_MAX_BYTES, e));
    while (out->n < limit) {
        RG_GO(s, done, rg_lines_next(l, &line, &number, &newline, e));
        if (line.p == NULL)
            break;
        if (rg_str_trim(line).n == 0)
            continue;
        s = add_line(out, line, path, number, e);
        if (s != RG_OK) {
            rg_err_prefix(e, "%s:%zu", path, number);
            break;
        }
    }
done:
    rg_lines_close(l);
    return s;
}

rg_status rg_solutions_read(rg_solutions **out, const char *path, size_t limit, rg_err *e)
{
    *out = NULL;
    rg_solutions *s = rg_calloc(1, sizeof *s);
    if (s == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for solutions");
    const rg_status st = read_lines(s, path, limit, e);
    if (st != RG_OK) {
        rg_solutions_free(s);
        return st;
    }
    *out = s;
    return RG_OK;
}

size_t rg_solutions_n(const rg_solutions *s)
{
    return s->n;
}

const rg_solution *rg_solutions_at(const rg_solutions *s, size_t i)
{
    return &s->v[i].v;
}

void rg_solutions_free(rg_solutions *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->n; i++) {
        json_decref(s->v[i].record);
        rg_free(s->v[i].made_id);
        rg_free(s->v[i].v.step);
    }
    rg_free(s->v);
    rg_free(s);
}
