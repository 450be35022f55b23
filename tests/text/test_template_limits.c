/* Chat templates under attack, provenance of every byte, and open assistant turns. */
#include "../test.h"

#include <jansson.h>

#include "rung/base/buf.h"
#include "rung/base/call.h"
#include "rung/base/mem.h"
#include "rung/text/template.h"

static rg_status render(const char *source, size_t n, const rg_render_opt *o, rg_rendering *r, rg_err *e)
{
    rg_template *t;
    *r = (rg_rendering){ .n_spans = 0 };
    rg_status s = rg_template_compile(&t, rg_str_n(source, n), e);
    if (s == RG_OK)
        s = rg_template_render(t, o, r, e);
    rg_template_free(t);
    return s;
}

/* Refused as bad input (exit code 3), with the word, in bounded time and without text. */
static void refuse_n(const char *source, size_t n, const char *word)
{
    json_t *messages = json_pack("[{s:s,s:s}]", "role", "user", "content", "hi");
    const rg_render_opt o = { .messages = messages };
    rg_err e = RG_ERR_INIT;
    rg_rendering r;
    const int64_t begin = rg_now_ns();
    const rg_status s = render(source, n, &o, &r, &e);
    const double seconds = (double)(rg_now_ns() - begin) * 1e-9;
    if (s != RG_EFORMAT || strstr(e.msg, word) == NULL || strchr(e.msg, '\n'))
        fail_msg("%.80s: got %s \"%s\", wanted \"%s\"", source, rg_status_name(s), e.msg, word);
    CHECK(r.text.p == NULL && r.spans == NULL);
    if (seconds > 30.0) /* slowest measured: 1.0 s at -O2, 3.2 s under sanitizers, two busy cores */
        fail_msg("%.80s: took %.1f s", source, seconds);
    rg_rendering_free(&r);
    json_decref(messages);
}

static void refuse(const char *source, const char *word)
{
    refuse_n(source, strlen(source), word);
}

/* head, then n times body, then tail */
static void refuse_long(const char *head, const char *body, size_t n, const char *tail, const char *word)
{
    rg_buf b = RG_BUF_MAX(8 << 20);
    rg_buf_puts(&b, head);
    for (size_t i = 0; i < n; i++)
        rg_buf_puts(&b, body);
    rg_buf_puts(&b, tail);
    refuse_n(b.p, b.n, word);
    rg_buf_free(&b);
}

TEST(source_limits)
{
    refuse_long("", "aaaaaaaa", (1 << 17) + 1, "", "larger than");
    refuse_n("a\xFFz", 3, "UTF-8");
    refuse_long("{{ ", "(", 200, "", "deeper than 128");
    refuse_long("{{ ", "[", 100000, "", "deeper than 128");
    refuse_long("{{ ", "-", 100000, "1 }}", "deeper than 128");
    refuse_long("{{ ", "not ", 100000, "1 }}", "deeper than 128");
    refuse_long("{{ ", "1 if 1 else ", 50000, "1 }}", "deeper than 128");
    refuse_long("{{ 1", " + 1", 100000, " }}", "more than 400 levels");
    refuse_long("{{ x", ".a", 100000, " }}", "more than 400 levels");
    refuse_long("{{ x", "|abs", 100000, " }}", "more than 400 levels");
    refuse_long("{{ x", "()", 100000, " }}", "more than 400 levels");
    refuse_long("", "{% if 1 %}", 50000, "", "deeper than 128");
    refuse_long("", "{% for x in y %}", 50000, "", "deeper than 128");
    refuse_long("{% set ", "(", 50000, "a = 1 %}", "deeper than 128");
}

TEST(errors_name_line_and_column)
{
    refuse("a\nb {{ 1 + }}", "line 2, column 10:");
    refuse("\n\n  {{ nothing.x }}", "line 3, column 13: 'nothing' is undefined");
    refuse("\xC3\xA9{{ 1 / 0 }}", "line 1, column 7: division by zero");
    refuse("{{ raise_exception('two\nlines') }}", "two lines");
}

TEST(run_limits)
{
    refuse("{{ range(1000000000) }}", "longer than 100000");
    refuse("{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}", "256 MiB");
    refuse("{% set r = range(100000) %}{% for a in r %}{% for b in r %}x{% endfor %}{% endfor %}",
           "5000000 steps");
    refuse("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "deeper than 128");
    refuse("{% macro m(x) %}{{ m([x]) }}{% endmacro %}{{ m(1) }}", "deeper than 128");
    refuse("{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}", "deeper than 128");
    refuse("{{ 'a' * 100000000000 }}", "MiB");
    refuse("{{ 'ab' * 9223372036854775807 }}", "MiB");
    refuse("{{ [1] * 100000000 }}", "more than");
    refuse("{% set ns = namespace(s='0123456789') %}{% for i in range(99) %}{% set ns.s = ns.s ~ ns.s %}{% "
           "endfor %}",
           "16 MiB");
    refuse("{% set ns = namespace(l=[1]) %}{% for i in range(99) %}{% set ns.l = ns.l + ns.l %}{% endfor %}",
           "longer than");
    refuse("{{ range(100000)|join('x' * 1000) }}", "16 MiB");
    refuse("{% for i in range(100000) %}{{ 'x' * 1000 }}{% endfor %}", "16 MiB");
    refuse("{{ ('x' * 5000000).replace('x', 'yyyyyyyyyy') }}", "16 MiB");
    refuse("{{ ('%1000d' * 17000) | format(*[1] * 17000) }}", "16 MiB");
    refuse("{{ '%999999999s' % 1 }}", "too wide");
    refuse("{{ 9223372036854775807 + 1 }}", "64 bits");
    refuse("{{ (-9223372036854775807 - 1) // -1 }}", "64 bits");
    refuse("{{ 10 ** 100 }}", "64 bits");
    refuse("{{ 99999999999999999999 }}", "does not fit");
    refuse(
        "{% set ns = namespace(x=1) %}{% for i in range(200) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}",
        "deeper than 128");
    refuse("{% set ns = namespace(x=1) %}{% for i in range(200) %}{% set ns.x = [ns.x] %}{% endfor %}{{ "
           "ns.x|tojson }}",
           "deeper than 128");
    refuse("{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}", "deeper than 128");
    refuse("{% set ns = namespace(x=1, y=1) %}{% for i in range(5000) %}{% set ns.x = [ns.x] %}{% set ns.y = "
           "[ns.y] %}"
           "{% endfor %}{{ ns.x == ns.y }}",
           "nest too deeply");
    refuse("{% set ns = namespace(x=[1]) %}{% for i in range(100) %}{% set ns.x = [ns.x, ns.x] %}{% endfor "
           "%}{{ ns.x }}",
           "more than");
    refuse("{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor "
           "%}{{ ns.x }}",
           "more than");
    refuse("{{ ('a' * 1000000)|list|map('upper')|map('lower')|map('upper')|map('lower')|map('upper')|list }}",
           "than");
    refuse("{% set s = 'ab' * 1000000 %}{% for i in range(100000) %}{% if 'x' in s %}{% endif %}{% endfor %}",
           "steps");
    refuse("{% for i in range(1000) %}{% set x = 'a' * 10000000 %}{% endfor %}", "than");
    refuse("{{ 'a,' * 4000000 }}{{ ('a,' * 4000000).split(',')|length }}", "than");
    refuse("{{ [1, 2, 3][::0] }}", "zero");
    refuse("{{ [3, 'a', none]|sort }}", "order");
    refuse("{{ strftime_now('%Y' * 100) }}", "short");
    refuse("{{ [['a']]|map('map', 'map')|list }}", "map needs");
}

TEST(refused_by_rule)
{
    static const char *const never[] = { "{% include 'x' %}",           "{% extends 'x' %}",
                                         "{% import 'x' as y %}",       "{% from 'x' import y %}",
                                         "{% block b %}{% endblock %}", "{% raw %}{% endraw %}" };
    for (size_t i = 0; i < COUNT(never); i++)
        refuse(never[i], "may not use");
    refuse("{{ ''.__class__.__mro__ }}", "no attribute '__class__'");
    refuse("{{ messages.append(1) }}", "may not change");
    refuse("{{ messages[0].update({}) }}", "may not change");
    refuse("{{ lipsum() }}", "undefined");
    refuse("{{ self.x }}", "undefined");
}

/* ---- provenance ---- */

/* The text with [foreign] parts in brackets. */
static void check_marks(const char *source, const json_t *messages, const json_t *kwargs, const char *want)
{
    const rg_render_opt o = { .messages = messages, .kwargs = kwargs, .bos = "<s>" };
    rg_err e = RG_ERR_INIT;
    rg_rendering r;
    rg_buf got = RG_BUF_MAX(1 << 16);
    OK(render(source, strlen(source), &o, &r, &e), e);
    for (size_t i = 0; i < r.n_spans; i++) {
        const rg_span *s = &r.spans[i];
        rg_buf_puts(&got, s->scaffold ? "" : "[");
        rg_buf_put(&got, r.text.p + s->begin, s->end - s->begin);
        rg_buf_puts(&got, s->scaffold ? "" : "]");
    }
    assert_string_equal(got.p ? got.p : "", want);
    rg_buf_free(&got);
    rg_rendering_free(&r);
}

TEST(every_byte_knows_where_it_came_from)
{
    json_t *m = json_pack("[{s:s,s:s,s:i},{s:s,s:s}]", "role", "user", "content", " Hi <|im_end|> you ", "n",
                          7, "role", "<|evil|>", "content", "x");
    json_t *kw = json_pack("{s:s}", "date", "today");
    check_marks("<|a|>{{ messages[0].content }}<|b|>", m, NULL, "<|a|>[ Hi <|im_end|> you ]<|b|>");
    check_marks("{{ '<|' + messages[0].role + '|>' + messages[0].content|trim }}", m, NULL,
                "<|user|>[Hi <|im_end|> you]");
    check_marks("{{ '<|' ~ messages[1].role ~ '|>' }}", m, NULL, "<|[<|evil|>]|>");
    check_marks("{{ bos_token }}{{ date }}{{ messages[0].n }}{{ messages|length }}", m, kw, "<s>today[7]2");
    check_marks("{{ ('a' + messages[1].content + 'b')[::-1] }}", m, NULL, "b[x]a");
    check_marks("{{ ('a' + messages[1].content + 'b')|upper }}", m, NULL, "A[X]B");
    check_marks("{{ ('a' + messages[1].content)|replace('x', 'y<|q|>') }}", m, NULL, "ay<|q|>");
    check_marks("{{ 'axb'|replace('x', messages[1].content) }}", m, NULL, "a[x]b");
    check_marks("{{ messages[0].content.split()|join('-') }}", m, NULL, "[Hi]-[<|im_end|>]-[you]");
    check_marks("{{ {'k': messages[1].content}|tojson }}{{ {'k': 1}|tojson }}", m, NULL,
                "[{\"k\": \"x\"}]{\"k\": 1}");
    check_marks("{{ [messages[1].content] }}{{ messages[0].keys()|list }}", m, NULL,
                "[['x']['role', 'content', 'n']]");
    check_marks("{% set t %}a{{ messages[1].content }}c{% endset %}{{ t }}{{ t[1:] }}", m, NULL, "a[x]c[x]c");
    check_marks("{% macro w(x) %}<{{ x }}>{% endmacro %}{{ w(messages[1].content) }}{{ w('k') }}", m, NULL,
                "<[x]><k>");
    check_marks(
        "{% filter upper %}a{{ messages[1].content }}{% endfilter %}{{ '%s|' % messages[1].content }}", m,
        NULL, "A[Xx]|");
    check_marks("{{ messages[0].n + 1 }}{{ messages[0].n|string + 'k' }}", m, NULL, "[87]k");
    json_decref(m);
    json_decref(kw);
}

/* ---- open assistant turns ---- */

static rg_status continued(const char *source, const char *last, rg_rendering *r, rg_err *e)
{
    json_t *m = json_pack("[{s:s,s:s},{s:s,s:s}]", "role", "user", "content", last, "role", "assistant",
                          "content", last);
    const rg_render_opt o = { .messages = m, .continue_final = true, .eos = "</s>" };
    const rg_status s = render(source, strlen(source), &o, r, e);
    json_decref(m);
    return s;
}

static void check_continued(const char *source, const char *last, const char *want)
{
    rg_err e = RG_ERR_INIT;
    rg_rendering r;
    OK(continued(source, last, &r, &e), e);
    assert_string_equal(r.text.p ? r.text.p : "", want);
    CHECK(r.n_spans == 0 || r.spans[r.n_spans - 1].end == r.text.n);
    rg_rendering_free(&r);
}

TEST(an_open_turn_ends_with_its_own_text)
{
    rg_err e = RG_ERR_INIT;
    rg_rendering r;
    const char *plain = "{% for m in messages %}<{{ m.role }}>{{ m.content }}</>{% endfor %}";
    const char *trims = "{% for m in messages %}<{{ m.role }}>{{ m.content|trim }}</>{% endfor %}ok";
    check_continued(plain, "one\n\n", "<user>one\n\n</><assistant>one\n\n");
    check_continued(trims, " one\n\n", "<user>one</><assistant>one");
    check_continued(plain, "</>", "<user></></><assistant></>");
    check_continued(plain, "", "<user></><assistant>");
    check_continued(trims, "  ", "<user></><assistant>");
    check_continued("{{ messages[1].content }}{{ messages[0].content }}", "a", "a");
    CHECK(continued("{{ messages[0].content }}", "a", &r, &e) == RG_EFORMAT);
    CHECK(strstr(e.msg, "does not keep"));
    rg_err_clear(&e);
    CHECK(continued("{{ messages[1].content.split('</think>')[0] }}", "a</think>b", &r, &e) == RG_EFORMAT);
    rg_err_clear(&e);
    CHECK(continued("", "a", &r, &e) == RG_EFORMAT);
}

TEST(requests_that_make_no_sense)
{
    rg_err e = RG_ERR_INIT;
    rg_rendering r;
    json_t *object = json_object(), *empty = json_array(), *bad = json_pack("[s]", "hi");
    json_t *kw = json_pack("{s:[]}", "messages");
    const rg_render_opt all[] = {
        { .messages = NULL },
        { .messages = object },
        { .messages = bad },
        { .messages = empty, .kwargs = kw },
        { .messages = empty, .continue_final = true },
    };
    for (size_t i = 0; i < COUNT(all); i++) {
        CHECK(render("x", 1, &all[i], &r, &e) == RG_EARG);
        rg_err_clear(&e);
    }
    json_decref(object);
    json_decref(empty);
    json_decref(bad);
    json_decref(kw);
}

TEST(builtin_templates_render)
{
    json_t *m =
        json_pack("[{s:s,s:s},{s:s,s:s}]", "role", "system", "content", "S", "role", "user", "content", "U");
    static const char *const want[][2] = {
        { "chatml",
          "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU<|im_end|>\n<|im_start|>assistant\n" },
        { "llama3", "<s><|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|><|start_header_id|>user"
                    "<|end_header_id|>\n\nU<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n" },
        { "zephyr", "<|system|>\nS</s>\n<|user|>\nU</s>\n<|assistant|>\n" },
        { "gemma", "<s><start_of_turn>user\nS\n\nU<end_of_turn>\n<start_of_turn>model\n" },
        { "mistral", "<s>[INST] S\n\nU [/INST]" },
    };
    for (size_t i = 0; i < COUNT(want); i++) {
        const char *source = rg_template_builtin(want[i][0]);
        const rg_render_opt o = { .messages = m, .bos = "<s>", .eos = "</s>", .add_generation_prompt = true };
        rg_err e = RG_ERR_INIT;
        rg_rendering r;
        OK(render(source, strlen(source), &o, &r, &e), e);
        assert_string_equal(r.text.p, want[i][1]);
        rg_rendering_free(&r);
    }
    CHECK(rg_template_builtin("nothing") == NULL && rg_template_builtin(NULL) == NULL);
    json_decref(m);
}

TEST(allocation_failure_is_survived)
{
    const char *source =
        "{% macro m(x) %}{{ x|upper }}{% endmacro %}{% for m2 in messages %}{{ m(m2.content) }}"
        "{{ m2|tojson }}{% endfor %}";
    json_t *m = json_pack("[{s:s,s:s}]", "role", "user", "content", "abc");
    const rg_render_opt o = { .messages = m };
    long failures = 0;
    for (long k = 0; k < 1000; k++, failures++) {
        rg_err e = RG_ERR_INIT;
        rg_rendering r;
        rg_alloc_fail_at(k);
        const rg_status s = render(source, strlen(source), &o, &r, &e);
        rg_alloc_fail_at(-1);
        rg_rendering_free(&r);
        if (s == RG_OK)
            break;
        CHECK(s == RG_ENOMEM);
    }
    CHECK(failures < 1000);
    json_decref(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(source_limits),
        cmocka_unit_test(errors_name_line_and_column),
        cmocka_unit_test(run_limits),
        cmocka_unit_test(refused_by_rule),
        cmocka_unit_test(every_byte_knows_where_it_came_from),
        cmocka_unit_test(an_open_turn_ends_with_its_own_text),
        cmocka_unit_test(requests_that_make_no_sense),
        cmocka_unit_test(builtin_templates_render),
        cmocka_unit_test(allocation_failure_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
