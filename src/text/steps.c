/* steps.c - one question, "where does the step that begins here end?", asked until the text is
 * used up. */
#include "rung/text/steps.h"

#include "rung/base/mem.h"

static rg_str after(rg_str s, size_t n)
{
    return rg_str_n(s.p + n, s.n - n);
}

/* Is there a step header at the start of this line: "Step 3:" or "## Step 3"? */
static bool is_header(rg_str line)
{
    const bool hashes = rg_str_starts(line, "## Step ");
    if (!hashes && !rg_str_starts(line, "Step "))
        return false;
    const size_t first = hashes ? 8 : 5;
    size_t i = first;
    while (i < line.n && line.p[i] >= '0' && line.p[i] <= '9')
        i++;
    if (i == first)
        return false;
    return hashes || (i < line.n && line.p[i] == ':');
}

/* The next line that is a header, not counting the one the step begins with. */
static size_t header_end(rg_str s)
{
    for (size_t i = 0;;) {
        const size_t nl = rg_str_find(after(s, i), rg_str_of("\n"));
        if (nl == SIZE_MAX)
            return SIZE_MAX;
        i += nl + 1;
        if (is_header(after(s, i)))
            return i;
    }
}

static size_t stop_end(rg_str s, const rg_str *stop, size_t n)
{
    size_t at = SIZE_MAX, len = 0;
    for (size_t k = 0; k < n; k++) {
        const size_t found = rg_str_find(s, stop[k]);
        if (found < at || (found == at && found != SIZE_MAX && stop[k].n > len)) {
            at = found;
            len = stop[k].n;
        }
    }
    return at == SIZE_MAX ? SIZE_MAX : at + len;
}

size_t rg_step_end(rg_str text, const rg_step_rule *rule)
{
    const rg_str blank = rg_str_of("\n\n");
    switch (rule->style) {
    case RG_STEP_BLANK: return stop_end(text, &blank, 1);
    case RG_STEP_HEADER: return header_end(text);
    case RG_STEP_TAG: return stop_end(text, &rule->tag, 1);
    default: return stop_end(text, rule->stop, rule->n_stop);
    }
}

static rg_status check_rule(const rg_step_rule *rule, rg_err *e)
{
    if (rule->style == RG_STEP_TAG && rule->tag.n == 0)
        RG_FAIL(e, RG_EARG, "a step tag cannot be empty");
    if (rule->style != RG_STEP_CUSTOM)
        return RG_OK;
    if (rule->n_stop == 0)
        RG_FAIL(e, RG_EARG, "custom steps need at least one stop string");
    for (size_t i = 0; i < rule->n_stop; i++)
        if (rule->stop[i].n == 0)
            RG_FAIL(e, RG_EARG, "stop string %zu is empty", i);
    return RG_OK;
}

static rg_status push(rg_steps *s, size_t *cap, rg_str step, rg_err *e)
{
    if (s->n == *cap) {
        const size_t more = *cap ? 2 * *cap : 16;
        rg_str *grown = rg_realloc(s->step, more, sizeof *grown);
        if (grown == NULL)
            RG_FAIL(e, RG_ENOMEM, "%zu steps", more);
        s->step = grown;
        *cap = more;
    }
    s->step[s->n++] = step;
    return RG_OK;
}

rg_status rg_steps_split(rg_steps *out, rg_str text, const rg_step_rule *rule, rg_err *e)
{
    size_t cap = 0;
    *out = (rg_steps){ NULL, 0 };
    RG_TRY(check_rule(rule, e));
    while (text.n > 0) {
        const size_t end = rg_step_end(text, rule), n = end == SIZE_MAX ? text.n : end;
        RG_TRY(push(out, &cap, rg_str_n(text.p, n), e));
        text = after(text, n);
    }
    return RG_OK;
}

rg_status rg_steps_from_list(rg_steps *out, const json_t *list, rg_err *e)
{
    size_t cap = 0;
    *out = (rg_steps){ NULL, 0 };
    if (!json_is_array(list))
        RG_FAIL(e, RG_EFORMAT, "steps must be an array of strings");
    for (size_t i = 0, n = json_array_size(list); i < n; i++) {
        const json_t *j = json_array_get(list, i);
        if (!json_is_string(j))
            RG_FAIL(e, RG_EFORMAT, "step %zu is not a string", i);
        const rg_str step = rg_str_n(json_string_value(j), json_string_length(j));
        if (i + 1 < n || step.n > 0)
            RG_TRY(push(out, &cap, step, e));
    }
    return RG_OK;
}

void rg_steps_free(rg_steps *s)
{
    rg_free(s->step);
    *s = (rg_steps){ NULL, 0 };
}

static rg_str cut_end(rg_str s, rg_str end)
{
    if (end.n > 0 && s.n >= end.n && memcmp(s.p + s.n - end.n, end.p, end.n) == 0)
        s.n -= end.n;
    return s;
}

rg_str rg_step_trim(rg_str step, const rg_step_rule *rule)
{
    if (rule->style == RG_STEP_TAG)
        step = cut_end(step, rule->tag);
    if (rule->style == RG_STEP_CUSTOM) {
        rg_str best = step;
        for (size_t i = 0; i < rule->n_stop; i++) {
            const rg_str s = cut_end(step, rule->stop[i]);
            best = s.n < best.n ? s : best;
        }
        step = best;
    }
    return rg_str_trim(step);
}

rg_status rg_steps_trimmed(rg_steps *out, size_t *index, const rg_steps *s, const rg_step_rule *rule,
                           rg_err *e)
{
    size_t cap = 0;
    *out = (rg_steps){ NULL, 0 };
    for (size_t i = 0; i < s->n; i++) {
        const rg_str step = rg_step_trim(s->step[i], rule);
        if (step.n == 0)
            continue;
        if (index)
            index[out->n] = i;
        RG_TRY(push(out, &cap, step, e));
    }
    return RG_OK;
}
