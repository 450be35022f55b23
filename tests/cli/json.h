/* json.h - what the program printed, as jansson values; every line must be one document. */
#ifndef RUNG_TEST_CLI_JSON_H
#define RUNG_TEST_CLI_JSON_H

#include <jansson.h>

#include "program.h"

/* The n-th line (from 0) of text, parsed; fails the test when it is none. */
static inline json_t *json_line(const char *text, size_t n)
{
    json_error_t e;
    for (; n > 0 && text != NULL; n--) {
        text = strchr(text, '\n');
        text += text != NULL;
    }
    const char *end = text == NULL ? NULL : strchr(text, '\n');
    json_t *j = end == NULL ? NULL : json_loadb(text, (size_t)(end - text), JSON_REJECT_DUPLICATES, &e);
    if (j == NULL)
        fail_msg("no JSON on line %zu of: %.300s", n, text == NULL ? "(nothing)" : text);
    return j;
}

/* The one line of the program's output. */
static inline json_t *json_of(const char *args)
{
    const said s = program(args);
    if (s.code != 0 || program_lines(s.out) != 1)
        fail_msg("%s: exit %d, %zu lines: %s", args, s.code, program_lines(s.out), s.err);
    return json_line(s.out, 0);
}

static inline double json_num(const json_t *o, const char *name)
{
    const json_t *v = json_object_get(o, name);
    if (!json_is_number(v))
        fail_msg("no number \"%s\"", name);
    return json_number_value(v);
}

static inline const char *json_text(const json_t *o, const char *name)
{
    const json_t *v = json_object_get(o, name);
    if (!json_is_string(v))
        fail_msg("no text \"%s\"", name);
    return json_string_value(v);
}

static inline const json_t *json_list(const json_t *o, const char *name)
{
    const json_t *v = json_object_get(o, name);
    if (!json_is_array(v))
        fail_msg("no list \"%s\"", name);
    return v;
}

/* A committed model of a few hundred kilobytes: real files, random weights. */
#define TINY(name) RG_SOURCE_ROOT "/tests/data/tiny/" name ".gguf"

#endif
