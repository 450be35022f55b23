/* Chat templates against Jinja2: the model makers' templates, our own small ones, and one
 * snippet for every feature.  tests/data/templates/goldens.json names its maker. */
#include "../test.h"

#include <jansson.h>

#include "rung/base/file.h"
#include "rung/base/mem.h"
#include "rung/text/template.h"

static json_t *goldens(void)
{
    json_error_t je;
    json_t *j = json_load_file(test_file("templates/goldens.json"), 0, &je);
    if (j == NULL)
        fail_msg("goldens.json: %s", je.text);
    return j;
}

static rg_status render_source(rg_str source, const rg_render_opt *o, rg_rendering *r, rg_err *e)
{
    rg_template *t;
    *r = (rg_rendering){ .n_spans = 0 };
    rg_status s = rg_template_compile(&t, source, e);
    if (s == RG_OK)
        s = rg_template_render(t, o, r, e);
    rg_template_free(t);
    return s;
}

/* Spans cover the text from 0 to its end, in order, and neighbours differ. */
static void check_spans(const rg_rendering *r)
{
    size_t at = 0;
    for (size_t i = 0; i < r->n_spans; i++) {
        CHECK(r->spans[i].begin == at && r->spans[i].end > at);
        CHECK(i == 0 || r->spans[i].scaffold != r->spans[i - 1].scaffold);
        at = r->spans[i].end;
    }
    CHECK(at == r->text.n);
}

/* What Jinja2 said and what we say; returns whether they agree. */
static bool agree(const char *what, const json_t *want, rg_status s, const rg_rendering *r, const rg_err *e)
{
    const char *text = json_string_value(json_object_get(want, "text"));
    const char *error = json_string_value(json_object_get(want, "error"));
    if (error) {
        /* Only raise_exception's words are the template's own; the others are Jinja2's. */
        const bool own_words = strncmp(what, "snippet", 7) != 0 || strstr(what, "raise_exception");
        if (s != RG_OK && (!own_words || strstr(e->msg, error)))
            return true;
        print_message("%s: wanted the error \"%s\", got %s \"%s\"\n", what, error, s ? "error" : "text",
                      s ? e->msg : r->text.p);
        return false;
    }
    const size_t n = json_string_length(json_object_get(want, "text"));
    if (s == RG_OK && r->text.n == n && memcmp(r->text.p ? r->text.p : "", text, n) == 0) {
        check_spans(r);
        return true;
    }
    const char *got = s ? e->msg : r->text.p ? r->text.p : "";
    size_t at = 0;
    while (text[at] && text[at] == got[at])
        at++;
    print_message("%s: differs at byte %zu\n--- wanted\n%.500s\n--- got\n%.500s\n", what, at, text + at,
                  got + at);
    return false;
}

static bool check_case(const json_t *doc, const json_t *c, const char *path, const char *name)
{
    char *source, what[300];
    size_t n;
    rg_err e = RG_ERR_INIT;
    rg_rendering r;
    const json_t *add = json_object_get(c, "add");
    const char *talk = json_string_value(json_object_get(c, "conversation"));
    const json_t *conv = json_object_get(json_object_get(doc, "conversations"), talk);
    const rg_render_opt o = {
        .messages = json_object_get(conv, "messages"),
        .tools = json_object_get(conv, "tools"),
        .documents = json_object_get(conv, "documents"),
        .kwargs = json_object_get(c, "kwargs"),
        .bos = "<s>",
        .eos = "</s>",
        .add_generation_prompt = json_is_true(add),
        .continue_final = json_is_string(add),
        .now_unix = json_integer_value(json_object_get(doc, "now")),
    };
    OK(rg_read_all(&source, &n, path, 1 << 20, &e), e);
    const rg_status s = render_source(rg_str_n(source, n), &o, &r, &e);
    snprintf(what, sizeof what, "%s on %s%s", name, talk, o.add_generation_prompt ? " +prompt" : "");
    const bool good = agree(what, c, s, &r, &e);
    rg_rendering_free(&r);
    rg_free(source);
    return good;
}

/* All renderings of one origin; returns how many were compared. */
static size_t check_origin(const char *origin, size_t *bad)
{
    json_t *doc = goldens(), *c;
    size_t i, n = 0;
    *bad = 0;
    json_array_foreach(json_object_get(doc, "cases"), i, c)
    {
        const char *name = json_string_value(json_object_get(c, "template"));
        char rel[300];
        if (strcmp(json_string_value(json_object_get(c, "where")), origin) != 0)
            continue;
        snprintf(rel, sizeof rel, "templates/%s", name);
        const char *path = strcmp(origin, "data") == 0 ? test_data(rel) : test_file(rel);
        if (path == NULL)
            break;
        *bad += !check_case(doc, c, path, name);
        n++;
    }
    json_decref(doc);
    return n;
}

TEST(own_templates_render_as_jinja_does)
{
    size_t bad;
    CHECK(check_origin("own", &bad) == 30);
    CHECK(bad == 0);
}

TEST(model_makers_templates_render_as_jinja_does)
{
    size_t bad;
    const size_t n = check_origin("data", &bad);
    if (n == 0)
        skip();
    CHECK(n == 140);
    CHECK(bad == 0);
}

TEST(every_feature_behaves_as_in_jinja)
{
    json_t *doc = goldens(), *c, *none = json_array();
    size_t i, bad = 0;
    json_array_foreach(json_object_get(doc, "snippets"), i, c)
    {
        const char *source = json_string_value(json_object_get(c, "source"));
        rg_err e = RG_ERR_INIT;
        rg_rendering r;
        char what[400];
        const rg_render_opt o = { .messages = none,
                                  .kwargs = json_object_get(doc, "vars"),
                                  .now_unix = json_integer_value(json_object_get(doc, "now")) };
        const rg_status s = render_source(rg_str_of(source), &o, &r, &e);
        snprintf(what, sizeof what, "snippet %s", source);
        bad += !agree(what, c, s, &r, &e);
        rg_rendering_free(&r);
    }
    print_message("%zu snippets\n", i);
    json_decref(none);
    json_decref(doc);
    CHECK(i > 130);
    CHECK(bad == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_templates_render_as_jinja_does),
        cmocka_unit_test(model_makers_templates_render_as_jinja_does),
        cmocka_unit_test(every_feature_behaves_as_in_jinja),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
