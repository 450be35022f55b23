/* `rung model convert` and `rung model quantize` as a user types them. */
#include "program.h"

#include "json.h"

static said on(const char *args)
{
    char text[16384];
    snprintf(text, sizeof text,
             "T=$(mktemp -d /tmp/rung-convert-XXXXXX); SRC='%s'; RUNG='%s'; trap 'rm -rf \"$T\"' EXIT; %s",
             test_file("tiny/llama_norm.gguf"), RUNG_BIN, args);
    return shell(text);
}

static void says(const char *args, int code, const char *part)
{
    const said s = on(args);
    if (s.code != code || strstr(s.err, part) == NULL || s.out[0] != '\0')
        fail_msg("%s: exit %d, '%s'", args, s.code, s.err);
    CHECK(program_lines(s.err) == 1);
}

TEST(wrong_usage_is_one_sentence)
{
    says("\"$RUNG\" model quantize \"$SRC\" $T/x.gguf Q9", 2,
         "'Q9' is not a type; types are F32, F16, BF16, Q8_0");
    says("\"$RUNG\" model quantize \"$SRC\" $T/x.gguf", 2, "SRC, DST.gguf and TYPE");
    says("\"$RUNG\" model quantize \"$SRC\" $T/x Q8_0", 2, "should end in .gguf");
    says("\"$RUNG\" model convert \"$SRC\"", 2, "SRC and DST");
    says("\"$RUNG\" model convert \"$SRC\" $T/x --type Q4_0", 2, "a folder holds F32, F16 or BF16");
    says("touch $T/x.gguf; \"$RUNG\" model quantize \"$SRC\" $T/x.gguf Q8_0", 2, "add --force");
    says("mkdir $T/x; touch $T/x/y; \"$RUNG\" model convert \"$SRC\" $T/x", 2, "holds files");
    says("touch $T/im; \"$RUNG\" model quantize \"$SRC\" $T/x.gguf Q4_0 --importance $T/im", 3,
         "llama-imatrix");
}

TEST(a_dry_run_writes_nothing)
{
    const said s = on("\"$RUNG\" model quantize --dry-run \"$SRC\" $T/x.gguf Q4_0; ls $T");
    CHECK(s.code == 0 && strncmp(s.out, "would write", 11) == 0 && program_lines(s.out) == 2);
}

TEST(the_result_is_one_object)
{
    said s = on("\"$RUNG\" model quantize --json \"$SRC\" $T/x.gguf Q8_0");
    CHECK(s.code == 0 && program_lines(s.out) == 1);
    json_t *o = json_line(s.out, 0);
    CHECK(json_is_true(json_object_get(o, "written")));
    CHECK(json_number_value(json_object_get(o, "bits_per_weight")) > 8.4);
    CHECK(json_integer_value(json_object_get(o, "changed")) > 0);
    json_decref(o);
}

/* The file is one that runs, the folder too, and -v tells of every tensor. */
TEST(what_was_written_runs)
{
    const said s =
        on("\"$RUNG\" model quantize -v \"$SRC\" $T/x.gguf Q4_K_M && \"$RUNG\" model convert $T/x.gguf $T/y "
           "&& \"$RUNG\" generate -m $T/x.gguf -p a -n 2 --temp 0 >$T/1 && \"$RUNG\" generate -m $T/y -p a "
           "-n 2 --temp 0 >$T/2 && ls -l $T/y/config.json");
    if (s.code != 0)
        fail_msg("%s", s.err);
    CHECK(strstr(s.err, "blk.0.attn_v.weight") != NULL && strstr(s.out, "-rw-r--r--") != NULL);
}

/* The source measured against a copy of itself. */
TEST(divergence_from_itself_is_nothing)
{
    const said s =
        on("\"$RUNG\" model quantize --json --kl \"$SRC\" --chunks 1 -c 16 \"$SRC\" $T/x.gguf F32");
    CHECK(s.code == 0);
    json_t *o = json_line(s.out, 0);
    CHECK(json_num(json_object_get(o, "kl"), "mean") < 1e-6); /* measured: 1.6e-8, rounding of the logs */
    json_decref(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_usage_is_one_sentence),       cmocka_unit_test(a_dry_run_writes_nothing),
        cmocka_unit_test(the_result_is_one_object),          cmocka_unit_test(what_was_written_runs),
        cmocka_unit_test(divergence_from_itself_is_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
