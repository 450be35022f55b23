/* records_form.c - the forms of data-set records and how each gives a problem and its gold. */
#include "records_int.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "rung/base/mem.h"

/* Tried in this order; a form fits when all fields of its `needs` are there. */
static const struct {
    const char *needs[3];
    rg__form form;
} forms[] = {
    { { "Question", "Answer", "Body" },
      { "svamp", { "ID", "Question", "Answer", "Equation", "Type", NULL }, "Body", RG__GOLD_FIELD } },
    { { "problem", "extracted_groundtruth", NULL },
      { "aime",
        { "id", "problem", "extracted_groundtruth", "solution", NULL, NULL },
        NULL,
        RG__GOLD_FIELD } },
    { { "problem", "answer", "unique_id" },
      { "math",
        { "unique_id", "problem", "answer", "solution", "subject", "level" },
        NULL,
        RG__GOLD_FIELD } },
    { { "question", "final_answer", "answer_type" },
      { "olympiadbench",
        { "id", "question", "final_answer", "solution", "subfield", NULL },
        NULL,
        RG__GOLD_FIELD } },
    { { "problem", "final_answer", NULL },
      { "math-train",
        { "id", "problem", "final_answer", "solution", "subject", "level" },
        NULL,
        RG__GOLD_FIELD } },
    { { "problem", "answer", NULL },
      { "aime", { "id", "problem", "answer", "solution", "subject", "level" }, NULL, RG__GOLD_FIELD } },
    { { "problem", "solution", "type" },
      { "minerva", { "id", "problem", "solution", "solution", "type", NULL }, NULL, RG__GOLD_BOX } },
    { { "question", "answer", NULL },
      { "gsm8k", { "id", "question", "answer", "answer", NULL, NULL }, NULL, RG__GOLD_HASHES } },
    { { "problem", NULL, NULL },
      { "plain", { "id", "problem", "gold", "solution", "subject", "level" }, NULL, RG__GOLD_FIELD } },
    { { "question", NULL, NULL },
      { "plain", { "id", "question", "gold", "solution", "subject", "level" }, NULL, RG__GOLD_FIELD } },
};

/* A question with an answer that has no #### is not GSM8K: the answer is the gold itself. */
static const rg__form question_answer = {
    "question-answer", { "id", "question", "answer", "solution", "subject", "level" }, NULL, RG__GOLD_FIELD
};

const rg__form *rg__form_detect(const json_t *record)
{
    for (size_t i = 0; i < RG_COUNT(forms); i++) {
        bool fits = true;
        for (size_t k = 0; k < RG_COUNT(forms[i].needs) && forms[i].needs[k]; k++)
            fits = fits && json_object_get(record, forms[i].needs[k]) != NULL;
        if (!fits)
            continue;
        const char *answer = json_string_value(json_object_get(record, "answer"));
        if (forms[i].form.gold == RG__GOLD_HASHES && (!answer || !strstr(answer, "####")))
            return &question_answer;
        return &forms[i].form;
    }
    return NULL;
}

/* ---- overrides --------------------------------------------------------------------------- */

static int slot_of(rg_str name)
{
    static const char *const names[RG__N_SLOTS] = {
        "id", "problem", "answer", "solution", "subject", "level"
    };
    for (int i = 0; i < RG__N_SLOTS; i++)
        if (rg_str_is(name, names[i]))
            return i;
    return -1;
}

rg_status rg__form_override(rg__form *form, char **names, const char *fields, rg_err *e)
{
    char *copy = rg_strdup(fields);
    *names = copy;
    if (copy == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for the field names");
    form->name = "mapped";
    for (char *item = copy; item && *item;) {
        char *comma = strchr(item, ',');
        if (comma)
            *comma = '\0';
        char *eq = strchr(item, '=');
        const int slot = eq ? slot_of(rg_str_n(item, (size_t)(eq - item))) : -1;
        if (slot < 0 || eq[1] == '\0')
            RG_FAIL(e, RG_EARG,
                    "field mapping \"%s\" is not one of id, problem, answer, solution, subject, level "
                    "followed by = and a field name",
                    item);
        form->field[slot] = eq + 1;
        if (slot == RG__SLOT_GOLD && form->gold == RG__GOLD_BOX)
            form->gold = RG__GOLD_FIELD;
        if (slot == RG__SLOT_TEXT)
            form->body = NULL;
        item = comma ? comma + 1 : NULL;
    }
    return RG_OK;
}

/* ---- values to text ------------------------------------------------------------------------ */

/* 27.0 is "27"; others by the shortest digits that read back as the same number. */
static void put_real(rg_buf *b, double x)
{
    char s[40];
    if (x == floor(x) && fabs(x) < 1e15) {
        rg_buf_printf(b, "%.0f", x == 0 ? 0.0 : x);
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(s, sizeof s, "%.*g", digits, x);
        if (strtod(s, NULL) == x)
            break;
    }
    rg_buf_puts(b, s);
}

static bool put_value(rg_buf *b, const json_t *v, int depth)
{
    switch (json_typeof(v)) {
    case JSON_STRING: rg_buf_put(b, json_string_value(v), json_string_length(v)); return true;
    case JSON_INTEGER: rg_buf_printf(b, "%lld", (long long)json_integer_value(v)); return true;
    case JSON_REAL: put_real(b, json_real_value(v)); return true;
    case JSON_TRUE: rg_buf_puts(b, "true"); return true;
    case JSON_FALSE: rg_buf_puts(b, "false"); return true;
    case JSON_ARRAY:
        if (depth > 1)
            return false;
        for (size_t i = 0; i < json_array_size(v); i++) {
            if (i)
                rg_buf_puts(b, ", ");
            if (!put_value(b, json_array_get(v, i), depth + 1))
                return false;
        }
        return json_array_size(v) > 0;
    default: return false;
    }
}

/* The last closed \boxed{...} of a solution. */
static bool last_box(rg_str *out, const char *s)
{
    const char *at = NULL;
    for (const char *p = s; (p = strstr(p, "\\boxed")) != NULL; p += 6)
        at = p + 6;
    if (at == NULL)
        return false;
    while (*at == ' ')
        at++;
    if (*at != '{') {
        out->p = at;
        out->n = strcspn(at, "$\n");
        return out->n > 0;
    }
    size_t depth = 0;
    for (const char *p = at; *p; p++) {
        if (*p == '\\' && p[1])
            p++;
        else if (*p == '{')
            depth++;
        else if (*p == '}' && --depth == 0) {
            *out = rg_str_n(at + 1, (size_t)(p - at - 1));
            return true;
        }
    }
    return false;
}

static bool reduce_gold(rg_str *gold, const char *text, rg__gold_from from)
{
    *gold = rg_str_of(text);
    if (from == RG__GOLD_BOX)
        return last_box(gold, text);
    if (from == RG__GOLD_HASHES) {
        const size_t at = rg_str_rfind(*gold, rg_str_of("####"));
        if (at == SIZE_MAX)
            return false;
        *gold = rg_str_n(text + at + 4, gold->n - at - 4);
    }
    *gold = rg_str_trim(*gold);
    return true;
}

/* Calculator marks <<48/2=24>> are notes to a tool, not part of the solution. */
static void put_without_marks(rg_buf *b, const char *s)
{
    while (*s) {
        const char *end = s[0] == '<' && s[1] == '<' ? strstr(s, ">>") : NULL;
        if (end && (size_t)(end - s) < 200)
            s = end + 2;
        else
            rg_buf_putc(b, *s++);
    }
}

/* ---- a record ------------------------------------------------------------------------------ */

static rg_status take_text(char **out, rg_buf *b, const char *what, rg_err *e)
{
    rg_status s = rg_buf_check(b, what, e);
    if (s == RG_OK && (*out = rg_buf_take(b)) == NULL)
        s = rg_err_set(e, RG_ENOMEM, __FILE__, __LINE__, "no memory for %s", what);
    rg_buf_free(b);
    return s;
}

/* A slot as text; *out = NULL when the record has no such field or an empty one. */
static rg_status slot_text(char **out, const rg__form *f, rg__slot slot, const json_t *record, rg_err *e)
{
    const json_t *v = f->field[slot] ? json_object_get(record, f->field[slot]) : NULL;
    const json_t *body = slot == RG__SLOT_TEXT && f->body ? json_object_get(record, f->body) : NULL;
    rg_buf b = RG_BUF_MAX((size_t)16 << 20), plain = RG_BUF_MAX((size_t)16 << 20);
    *out = NULL;
    if (v == NULL || json_is_null(v))
        return RG_OK;
    if (body && json_is_string(body)) {
        const rg_str t = rg_str_trim(rg_str_of(json_string_value(body)));
        rg_buf_str(&b, t);
        rg_buf_puts(&b, t.n && !strchr(".?!", t.p[t.n - 1]) ? ". " : " ");
    }
    if (!put_value(&b, v, 0)) {
        rg_buf_free(&b);
        if (slot == RG__SLOT_TEXT || slot == RG__SLOT_GOLD)
            RG_FAIL(e, RG_EFORMAT, "field \"%s\" is neither text nor a number nor a list of them",
                    f->field[slot]);
        return RG_OK;
    }
    if (slot == RG__SLOT_SOLUTION && f->gold == RG__GOLD_HASHES && b.p) {
        put_without_marks(&plain, b.p);
        rg_buf_free(&b);
        return take_text(out, &plain, "a solution", e);
    }
    return take_text(out, &b, "a field", e);
}

static rg_status gold_text(char **out, const rg__form *f, const json_t *record, rg_err *e)
{
    char *text;
    rg_str gold;
    RG_TRY(slot_text(&text, f, RG__SLOT_GOLD, record, e));
    *out = NULL;
    if (text == NULL)
        return RG_OK;
    rg_status s = RG_OK;
    if (!reduce_gold(&gold, text, f->gold))
        s = rg_err_set(e, RG_EFORMAT, __FILE__, __LINE__, "field \"%s\" holds no %s", f->field[RG__SLOT_GOLD],
                       f->gold == RG__GOLD_BOX ? "\\boxed{answer}" : "#### answer");
    else if (gold.n && (*out = rg_strndup(gold.p, gold.n)) == NULL)
        s = rg_err_set(e, RG_ENOMEM, __FILE__, __LINE__, "no memory for an answer");
    rg_free(text);
    return s;
}

rg_status rg__form_read(rg_problem *p, const rg__form *form, const json_t *record, rg_err *e)
{
    char *s;
    RG_TRY(slot_text(&s, form, RG__SLOT_TEXT, record, e));
    p->text = s;
    if (s == NULL || rg_str_trim(rg_str_of(s)).n == 0)
        RG_FAIL(e, RG_EFORMAT, "field \"%s\" is missing or empty", form->field[RG__SLOT_TEXT]);
    RG_TRY(gold_text(&s, form, record, e));
    p->gold = s;
    RG_TRY(slot_text(&s, form, RG__SLOT_ID, record, e));
    p->id = s;
    RG_TRY(slot_text(&s, form, RG__SLOT_SOLUTION, record, e));
    p->solution = s;
    RG_TRY(slot_text(&s, form, RG__SLOT_SUBJECT, record, e));
    p->subject = s;
    RG_TRY(slot_text(&s, form, RG__SLOT_LEVEL, record, e));
    p->level = s;
    return RG_OK;
}
