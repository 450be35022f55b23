/* exec and doctor: exit codes, the record, blocks of Markdown, refusals. */
#include <stdbool.h>

#include "json.h"

/* Level 3 and a Python with sympy are here; else a visible note. */
static bool can_exec(void)
{
    static int known = -1;
    if (known < 0) {
        const said s = program("exec -e 'print(1)'");
        known = s.code == 0;
        if (!known)
            print_message("[  NOTE    ] no sandbox here: %s\n", s.err);
    }
    return known == 1;
}

TEST(exec_prints_and_its_exit_code_tells)
{
    if (!can_exec())
        skip();
    said s = shell("echo 'print(6*7)' | '" RUNG_BIN "' exec");
    CHECK(s.code == 0 && strcmp(s.out, "42\n") == 0);
    s = program("exec -e 'print(1); 1/0'");
    CHECK(s.code == 1 && strcmp(s.out, "1\n") == 0 && strstr(s.err, "ZeroDivisionError"));
    s = program("exec --codeout genprm -e '1/0'");
    assert_string_equal(s.out, "Code execute Error: ZeroDivisionError: division by zero\n");
}

TEST(exec_json_is_the_record)
{
    if (!can_exec())
        skip();
    const said s = shell("printf 'print(\"\\303\\251\")\\nimport os' | '" RUNG_BIN "' exec --json");
    CHECK(s.code == 1 && program_lines(s.out) == 1);
    json_t *j = json_line(s.out, 0);
    assert_string_equal(json_string_value(json_object_get(j, "status")), "blocked");
    assert_string_equal(json_string_value(json_object_get(j, "stdout")), "é\n");
    assert_string_equal(json_string_value(json_object_get(j, "exception_type")), "ImportError");
    CHECK(json_num(j, "level") == 3 && json_num(j, "wall_ms") >= 0);
    json_decref(j);
}

TEST(exec_runs_the_blocks_of_a_text_in_one_session)
{
    if (!can_exec())
        skip();
    const said s =
        shell("printf 'a\\n```python\\nx = 3\\n```\\nb\\n```python\\nprint(x)\\n```\\n' | '" RUNG_BIN
              "' exec --blocks --json");
    json_t *j = json_line(s.out, 0);
    const json_t *blocks = json_list(j, "blocks");
    CHECK(s.code == 0 && json_array_size(blocks) == 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(blocks, 1), "stdout")), "3\n");
    json_decref(j);
}

TEST(exec_refuses_what_makes_no_sense)
{
    CHECK(program("exec --level L1 -e 1").code == 2);
    CHECK(program("exec --timeout 31 -e 1").code == 2);
    CHECK(program("exec --python /nonexistent -e 1").code == 2);
    const said s = program("exec --engine builtin --echo -e '1/3 + 1/6'");
    CHECK(s.code == 0 && strcmp(s.out, "1/2\n") == 0);
}

TEST(doctor_says_what_is_here)
{
    const said s = program("doctor --json");
    CHECK(s.code == 0 || s.code == 1); /* 1: no model here */
    json_t *j = json_line(s.out, 0);
    const json_t *box = json_object_get(j, "sandbox");
    CHECK(json_num(j, "threads") >= 1 && json_num(j, "memory_total") > 0);
    CHECK(json_array_size(json_object_get(box, "steps")) > 0);
    CHECK((s.code == 0) == json_is_true(json_object_get(j, "ok")));
    json_decref(j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exec_prints_and_its_exit_code_tells),
        cmocka_unit_test(exec_json_is_the_record),
        cmocka_unit_test(exec_runs_the_blocks_of_a_text_in_one_session),
        cmocka_unit_test(exec_refuses_what_makes_no_sense),
        cmocka_unit_test(doctor_says_what_is_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
