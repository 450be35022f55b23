/* bench: one row a line, with the fields of the docs. */
#include "json.h"

TEST(a_row_has_speed_and_share_of_the_limit)
{
    json_t *j = json_of("bench -q -m " TINY("qwen2") " --tests tg64 --repeats 2 --json");
    assert_string_equal(json_text(j, "test"), "tg64");
    CHECK(json_num(j, "tokens_per_s") > 0 && json_num(j, "repeats") == 2 && json_num(j, "sd") >= 0);
    CHECK(json_num(j, "fraction_of_roofline") > 0 && json_text(j, "bound")[0] != '\0');
    json_decref(j);
}

TEST(the_machines_own_limits_on_request)
{
    const said s = program("bench -q -m " TINY("qwen2") " --tests tg64 --repeats 1 --json --roofline");
    CHECK(s.code == 0 && program_lines(s.out) == 2);
    json_t *j = json_line(s.out, 0);
    const json_t *roof = json_object_get(j, "roofline");
    CHECK(json_num(roof, "read_bytes_per_s") > 1e8 && json_num(roof, "int8_ops_per_s") > 1e8 &&
          json_num(roof, "f32_flops_per_s") > 1e8 && json_num(roof, "threads") >= 1 &&
          json_text(roof, "level")[0] != '\0' && json_num(roof, "bf16_flops_per_s") >= 0);
    json_decref(j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_has_speed_and_share_of_the_limit),
        cmocka_unit_test(the_machines_own_limits_on_request),
    };
    return cmocka_run_group_tests_name("cli/bench", tests, NULL, NULL);
}
