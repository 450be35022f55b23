/* json.c - the limits are checked by one pass over the bytes, before the parser builds anything:
 * a value costs it up to a hundred bytes, so three bytes of text could cost as much. */
#include "rung/format/json.h"

typedef struct shape {
    size_t depth, values;
} shape;

/* Deepest nesting, and an upper bound of the values: one for each bracket and comma. */
static shape shape_of(rg_str text)
{
    shape s = { 0, 1 };
    size_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.n; i++) {
        const char c = text.p[i];
        if (in_string && c == '\\') {
            i++;
        } else if (c == '"') {
            in_string = !in_string;
        } else if (in_string) {
            continue;
        } else if (c == '[' || c == '{') {
            depth++;
            s.values++;
            s.depth = depth > s.depth ? depth : s.depth;
        } else if (c == ']' || c == '}') {
            depth -= depth > 0;
        } else if (c == ',') {
            s.values++;
        }
    }
    return s;
}

rg_status rg_json_parse(json_t **out, rg_str text, size_t max_values, const char *what, rg_err *e)
{
    *out = NULL;
    const shape s = shape_of(text);
    if (s.depth > RG_JSON_MAX_DEPTH)
        RG_FAIL(e, RG_EFORMAT, "%s is nested %zu deep; %d is the limit", what, s.depth, RG_JSON_MAX_DEPTH);
    if (s.values > max_values)
        RG_FAIL(e, RG_EFORMAT, "%s holds %zu values; %zu is the limit", what, s.values, max_values);
    json_error_t je;
    *out = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, &je);
    if (*out != NULL)
        return RG_OK;
    if (json_error_code(&je) == json_error_out_of_memory)
        RG_FAIL(e, RG_ENOMEM, "no memory for %s", what);
    RG_FAIL(e, RG_EFORMAT, "%s is not JSON: line %d: %.200s", what, je.line, je.text);
}
