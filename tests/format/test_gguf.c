/* test_gguf.c - a small valid file read back; bad files of many kinds, each with a message of
 * its own; every truncation and every flipped bit of a small file. */

#include "format/gguf_build.h"
#include "rung/base/mem.h"
#include "test.h"

/* Every value type, two tensors, alignment 64. */
static void good_file(rg_buf *b, uint32_t version)
{
    gb_head(b, version, 2, 16);
    gb_key_str(b, "general.architecture", "toy");
    gb_key_u32(b, "general.alignment", 64);
    gb_key(b, "a.u8", RG_GGUF_U8), gb_int(b, 200, 1);
    gb_key(b, "a.i8", RG_GGUF_I8), gb_int(b, 0xff, 1);
    gb_key(b, "a.u16", RG_GGUF_U16), gb_int(b, 60000, 2);
    gb_key(b, "a.i16", RG_GGUF_I16), gb_int(b, 0xfffe, 2);
    gb_key(b, "a.i32", RG_GGUF_I32), gb_int(b, 0xfffffffd, 4);
    gb_key(b, "a.f32", RG_GGUF_F32), gb_int(b, 0x3fc00000, 4); /* 1.5 */
    gb_key(b, "a.bool", RG_GGUF_BOOL), gb_int(b, 1, 1);
    gb_key(b, "a.u64", RG_GGUF_U64), gb_int(b, UINT64_MAX, 8);
    gb_key(b, "a.i64", RG_GGUF_I64), gb_int(b, 7, 8);
    gb_key(b, "a.f64", RG_GGUF_F64), gb_int(b, UINT64_C(0xc000000000000000), 8); /* -2.0 */
    gb_key_array(b, "l.str", RG_GGUF_STRING, 3);
    gb_str(b, "x"), gb_str(b, ""), gb_str(b, "zz");
    gb_key_array(b, "l.i32", RG_GGUF_I32, 2);
    gb_int(b, 5, 4), gb_int(b, 0xffffffff, 4);
    gb_key_array(b, "l.f32", RG_GGUF_F32, 1);
    gb_int(b, 0x3f000000, 4); /* 0.5 */
    gb_key_array(b, "l.empty", RG_GGUF_STRING, 0);
    gb_tensor(b, "w", 32, 2, RG_Q8_0, 0);
    gb_tensor(b, "v", 3, 1, RG_F32, 128); /* 68 bytes, padded to 128 */
    gb_pad(b, 64);
    gb_zeros(b, 128 + 12);
}

static void check_scalars(const rg_gguf *g)
{
    uint64_t u;
    double d;
    bool t;
    rg_str s;
    CHECK(rg_gguf_u64(g, "a.u8", &u) && u == 200);
    CHECK(rg_gguf_u64(g, "a.u16", &u) && u == 60000);
    CHECK(rg_gguf_u64(g, "a.u64", &u) && u == UINT64_MAX);
    CHECK(rg_gguf_u64(g, "a.i64", &u) && u == 7);
    CHECK(!rg_gguf_u64(g, "a.i8", &u) && !rg_gguf_u64(g, "a.i16", &u) && !rg_gguf_u64(g, "a.i32", &u));
    CHECK(!rg_gguf_u64(g, "a.f32", &u) && !rg_gguf_u64(g, "absent", &u) && !rg_gguf_u64(g, "l.i32", &u));
    CHECK(rg_gguf_f64(g, "a.f32", &d) && d == 1.5);
    CHECK(rg_gguf_f64(g, "a.f64", &d) && d == -2.0);
    CHECK(!rg_gguf_f64(g, "a.u8", &d));
    CHECK(rg_gguf_bool(g, "a.bool", &t) && t && !rg_gguf_bool(g, "a.u8", &t));
    CHECK(rg_gguf_str(g, "general.architecture", &s) && rg_str_is(s, "toy"));
    CHECK(!rg_gguf_str(g, "a.u8", &s) && rg_gguf_wrong_type(g, "a.u8", RG_GGUF_STRING));
    CHECK(!rg_gguf_wrong_type(g, "a.u8", RG_GGUF_U8) && !rg_gguf_wrong_type(g, "absent", RG_GGUF_U8));
}

static void check_arrays(const rg_gguf *g)
{
    rg_gguf_kind elem;
    size_t n;
    rg_str s;
    int64_t i;
    int32_t i32[2];
    double d;
    CHECK(rg_gguf_array(g, "l.str", &elem, &n) && elem == RG_GGUF_STRING && n == 3);
    CHECK(rg_gguf_array_str(g, "l.str", 1, &s) && s.n == 0);
    CHECK(rg_gguf_array_str(g, "l.str", 2, &s) && rg_str_is(s, "zz"));
    CHECK(!rg_gguf_array_str(g, "l.str", 3, &s) && !rg_gguf_array_str(g, "l.i32", 0, &s));
    CHECK(rg_gguf_strings(g, "l.empty", &n) != NULL && n == 0);
    CHECK(rg_gguf_strings(g, "l.i32", &n) == NULL && rg_gguf_strings(g, "absent", &n) == NULL);
    CHECK(rg_gguf_array_i64(g, "l.i32", 1, &i) && i == -1);
    CHECK(!rg_gguf_array_i64(g, "l.i32", 2, &i) && !rg_gguf_array_i64(g, "l.f32", 0, &i));
    CHECK(rg_gguf_array_i32s(g, "l.i32", i32, 2) && i32[0] == 5 && i32[1] == -1);
    CHECK(!rg_gguf_array_i32s(g, "l.i32", i32, 1) && !rg_gguf_array_i32s(g, "l.f32", i32, 1));
    CHECK(rg_gguf_array_f64(g, "l.f32", 0, &d) && d == 0.5 && !rg_gguf_array_f64(g, "l.f32", 1, &d));
    CHECK(!rg_gguf_array(g, "a.u8", &elem, &n));
}

static void check_tensors(const rg_gguf *g)
{
    const rg_gguf_tensor *w = rg_gguf_find(g, "w"), *v = rg_gguf_find(g, "v");
    CHECK(rg_gguf_n_tensors(g) == 2 && w == rg_gguf_tensor_at(g, 0) && v == rg_gguf_tensor_at(g, 1));
    CHECK(rg_gguf_find(g, "x") == NULL && rg_gguf_tensor_at(g, 2) == NULL);
    CHECK(w->type == RG_Q8_0 && w->dims[0] == 32 && w->dims[1] == 2 && w->dims[2] == 1 && w->bytes == 68);
    CHECK(v->bytes == 12 && v->offset == w->offset + 128 && w->offset % 64 == 0);
    CHECK((const char *)v->data - (const char *)w->data == 128);
    CHECK(v->offset + v->bytes == rg_gguf_file_bytes(g));
}

TEST(values_and_tensors_read_back)
{
    for (uint32_t version = 2; version <= 3; version++) {
        rg_err e = RG_ERR_INIT;
        rg_gguf *g;
        rg_buf b = RG_BUF_MAX(1 << 20);
        good_file(&b, version);
        OK(rg_gguf_open_memory(&g, b.p, b.n, &e), e);
        CHECK(rg_gguf_version(g) == version && rg_gguf_n_keys(g) == 16);
        check_scalars(g);
        check_arrays(g);
        check_tensors(g);
        rg_gguf_close(g);
        rg_buf_free(&b);
    }
}

TEST(values_render_for_people)
{
    static const char *const want[][2] = {
        { "a.u8", "200" },          { "a.i16", "-2" },      { "a.u64", "18446744073709551615" },
        { "a.f32", "1.5" },         { "a.bool", "true" },   { "general.architecture", "toy" },
        { "l.str", "[3 strings]" }, { "l.f32", "[1 f32]" }, { "absent", "" },
    };
    rg_err e = RG_ERR_INIT;
    rg_gguf *g;
    rg_buf file = RG_BUF_MAX(1 << 20);
    good_file(&file, 3);
    OK(rg_gguf_open_memory(&g, file.p, file.n, &e), e);
    for (size_t i = 0; i < COUNT(want); i++) {
        rg_buf b = RG_BUF_MAX(1000);
        rg_gguf_value_text(g, want[i][0], &b);
        if (!rg_str_is(rg_buf_view(&b), want[i][1]))
            fail_msg("%s: '%s', not '%s'", want[i][0], b.p, want[i][1]);
        rg_buf_free(&b);
    }
    rg_gguf_close(g);
    rg_buf_free(&file);
}

/* ---- bad files: one function each, in the order of the table below ---- */

static void empty(rg_buf *b)
{
    (void)b;
}
static void wrong_magic(rg_buf *b)
{
    rg_buf_puts(b, "PK\003\004 and more");
}
static void no_version(rg_buf *b)
{
    rg_buf_puts(b, "GGUF\003");
}
static void no_counts(rg_buf *b)
{
    rg_buf_puts(b, "GGUF");
    gb_int(b, 3, 4);
    gb_int(b, 0, 8);
}
static void swapped(rg_buf *b)
{
    gb_head(b, 0x03000000, 0, 0);
}
static void version_1(rg_buf *b)
{
    gb_head(b, 1, 0, 0);
}
static void version_4(rg_buf *b)
{
    gb_head(b, 4, 0, 0);
}
static void many_keys(rg_buf *b)
{
    gb_head(b, 3, 0, UINT64_MAX);
}
static void many_tensors(rg_buf *b)
{
    gb_head(b, 3, UINT64_MAX / 2, 0);
}
static void missing_keys(rg_buf *b)
{
    gb_head(b, 3, 0, 2);
    gb_key_u32(b, "a", 1);
}
static void empty_key(rg_buf *b)
{
    gb_head(b, 3, 0, 1);
    gb_key_u32(b, "", 1);
}
static void long_key(rg_buf *b)
{
    gb_head(b, 3, 0, 1);
    gb_int(b, 65536, 8);
    gb_zeros(b, 70000);
}
static void cut_key(rg_buf *b)
{
    gb_head(b, 3, 0, 1);
    gb_int(b, 100, 8);
    rg_buf_puts(b, "short");
}
static void control_byte_in_key(rg_buf *b)
{
    gb_head(b, 3, 0, 1);
    gb_key_u32(b, "a\nb", 1);
}
static void no_kind(rg_buf *b)
{
    gb_head(b, 3, 0, 1);
    gb_str(b, "a");
}
static void unknown_kind(rg_buf *b)
{
    gb_head(b, 3, 0, 1);
    gb_key(b, "a", 13);
    gb_int(b, 0, 8);
}
static void cut_number(rg_buf *b)
{
    gb_head(b, 3, 0, 1);
    gb_key(b, "a", RG_GGUF_U64);
    gb_int(b, 0, 7);
}
static void bool_of_2(rg_buf *b)
{
    gb_head(b, 3, 0, 1);
    gb_key(b, "a", RG_GGUF_BOOL);
    gb_int(b, 2, 1);
}
static void bool_of_3_in_array(rg_buf *b)
{
    gb_head(b, 3, 0, 1);
    gb_key_array(b, "a", RG_GGUF_BOOL, 3);
    gb_int(b, 0x030001, 3);
}
static void no_string_length(rg_buf *b)
{
    gb_head(b, 3, 0, 1);
    gb_key(b, "a", RG_GGUF_STRING);
    gb_int(b, 0, 4);
}
static void huge_string(rg_buf *b)
{
    gb_head(b, 3, 0, 1);
    gb_key(b, "a", RG_GGUF_STRING);
    gb_int(b, UINT64_MAX, 8);
}
static void cut_string(rg_buf *b)
{
    gb_head(b, 3, 0, 1);
    gb_key(b, "a", RG_GGUF_STRING);
    gb_int(b, 1000, 8);
    rg_buf_puts(b, "not as long");
}
static void cut_array_head(rg_buf *b)
{
    gb_head(b, 3, 0, 1);
    gb_key(b, "a", RG_GGUF_ARRAY);
    gb_int(b, RG_GGUF_U8, 4);
}
static void nested_array(rg_buf *b)
{
    gb_head(b, 3, 0, 1);
    gb_key_array(b, "a", RG_GGUF_ARRAY, 1);
    gb_zeros(b, 12);
}
static void unknown_element(rg_buf *b)
{
    gb_head(b, 3, 0, 1);
    gb_key_array(b, "a", 99, 1);
    gb_zeros(b, 8);
}
static void huge_array(rg_buf *b)
{
    gb_head(b, 3, 0, 1);
    gb_key_array(b, "a", RG_GGUF_U8, UINT64_C(1) << 60);
}
static void cut_array(rg_buf *b)
{
    gb_head(b, 3, 0, 1);
    gb_key_array(b, "a", RG_GGUF_F64, 10);
    gb_zeros(b, 79);
}
static void cut_strings(rg_buf *b)
{
    gb_head(b, 3, 0, 1);
    gb_key_array(b, "a", RG_GGUF_STRING, 16777216);
    gb_str(b, "one");
}
static void key_twice(rg_buf *b)
{
    gb_head(b, 3, 0, 2);
    gb_key_u32(b, "same.key", 1);
    gb_key_u32(b, "same.key", 2);
}
static void alignment(rg_buf *b, uint32_t a)
{
    gb_head(b, 3, 0, 1);
    gb_key_u32(b, "general.alignment", a);
}
static void alignment_0(rg_buf *b)
{
    alignment(b, 0);
}
static void alignment_24(rg_buf *b)
{
    alignment(b, 24);
}
static void alignment_huge(rg_buf *b)
{
    alignment(b, 0x80000000);
}
static void alignment_u64(rg_buf *b)
{
    gb_head(b, 3, 0, 1);
    gb_key(b, "general.alignment", RG_GGUF_U64);
    gb_int(b, 32, 8);
}
static void missing_tensor(rg_buf *b)
{
    gb_head(b, 3, 1, 0);
}
static void empty_name(rg_buf *b)
{
    gb_head(b, 3, 1, 0);
    gb_tensor(b, "", 1, 1, RG_F32, 0);
}
static void long_name(rg_buf *b)
{
    gb_head(b, 3, 1, 0);
    gb_tensor(b, "12345678901234567890123456789012345678901234567890123456789012345", 1, 1, RG_F32, 0);
}
static void control_byte_in_name(rg_buf *b)
{
    gb_head(b, 3, 1, 0);
    gb_tensor(b, "w\033[2J", 1, 1, RG_F32, 0);
}
static void cut_name(rg_buf *b)
{
    gb_head(b, 3, 1, 0);
    gb_int(b, 9, 8);
    rg_buf_puts(b, "blk");
}
static void no_dims(rg_buf *b)
{
    gb_head(b, 3, 1, 0);
    gb_str(b, "w");
    gb_int(b, 0, 4);
}
static void five_dims(rg_buf *b)
{
    gb_head(b, 3, 1, 0);
    gb_str(b, "w");
    gb_int(b, 5, 4);
    gb_zeros(b, 60);
}
static void cut_dims(rg_buf *b)
{
    gb_head(b, 3, 1, 0);
    gb_str(b, "w");
    gb_int(b, 2, 4);
    gb_int(b, 1, 8);
}
static void zero_dim(rg_buf *b)
{
    gb_head(b, 3, 1, 0);
    gb_tensor(b, "w", 32, 0, RG_F32, 0);
}
static void wrapping_dims(rg_buf *b)
{
    gb_head(b, 3, 1, 0);
    gb_tensor(b, "w", UINT64_C(1) << 33, UINT64_C(1) << 33, RG_F32, 0);
}
static void cut_type(rg_buf *b)
{
    gb_head(b, 3, 1, 0);
    gb_str(b, "w");
    gb_int(b, 1, 4);
    gb_int(b, 1, 8);
}
static void unknown_type(rg_buf *b)
{
    gb_head(b, 3, 1, 0);
    gb_tensor(b, "w", 32, 1, 1000, 0);
}
static void removed_type(rg_buf *b)
{
    gb_head(b, 3, 1, 0);
    gb_tensor(b, "w", 32, 1, 31, 0);
}
static void row_not_of_blocks(rg_buf *b)
{
    gb_head(b, 3, 1, 0);
    gb_tensor(b, "w", 33, 1, RG_Q8_0, 0);
}
static void cut_offset(rg_buf *b)
{
    gb_head(b, 3, 1, 0);
    gb_str(b, "w");
    gb_int(b, 1, 4);
    gb_int(b, 1, 8);
    gb_int(b, RG_F32, 4);
    gb_int(b, 0, 7);
}
static void tensor_twice(rg_buf *b)
{
    gb_head(b, 3, 2, 0);
    gb_tensor(b, "w", 8, 1, RG_F32, 0);
    gb_tensor(b, "w", 8, 1, RG_F32, 32);
    gb_pad(b, 32);
    gb_zeros(b, 64);
}
static void two_tensors(rg_buf *b, uint64_t second)
{
    gb_head(b, 3, 2, 0);
    gb_tensor(b, "first", 8, 1, RG_F32, 0);
    gb_tensor(b, "second", 8, 1, RG_F32, second);
    gb_pad(b, 32);
    gb_zeros(b, 128);
}
static void gap(rg_buf *b)
{
    two_tensors(b, 64);
}
static void overlap(rg_buf *b)
{
    two_tensors(b, 0);
}
static void offset_wraps(rg_buf *b)
{
    two_tensors(b, UINT64_MAX - 31);
}
static void no_data(rg_buf *b)
{
    gb_head(b, 3, 1, 0);
    gb_tensor(b, "w", 8, 1, RG_F32, 0);
}
static void cut_data(rg_buf *b)
{
    gb_head(b, 3, 1, 0);
    gb_tensor(b, "w", 1 << 20, 1 << 10, RG_F32, 0);
    gb_pad(b, 32);
    gb_zeros(b, 100);
}

static const struct {
    void (*build)(rg_buf *b);
    const char *says;
} bad[] = {
    { empty, "0 bytes is too short" },
    { wrong_magic, "it begins with bytes 50 4b 03 04" },
    { no_version, "ends inside the GGUF version" },
    { no_counts, "ends inside the counts" },
    { swapped, "big-endian" },
    { version_1, "version 1 is not known" },
    { version_4, "version 4 is not known" },
    { many_keys, "claims 18446744073709551615 keys" },
    { many_tensors, "claims 9223372036854775807 tensors" },
    { missing_keys, "ends before key 1" },
    { empty_key, "key 0 has a name of 0 bytes" },
    { long_key, "key 0 has a name of 65536 bytes; 1 to 65535" },
    { cut_key, "a name of 100 bytes but the file has only 5 left" },
    { control_byte_in_key, "name of key 0 has byte 0x0a" },
    { no_kind, "before the type of key 'a'" },
    { unknown_kind, "unknown value type 13" },
    { cut_number, "claims 1 values of type u64 but the file has only 7 bytes" },
    { bool_of_2, "bool byte of value 2" },
    { bool_of_3_in_array, "bool byte of value 3" },
    { no_string_length, "inside a string length of key 'a'" },
    { huge_string, "string of 18446744073709551615 bytes; at most" },
    { cut_string, "string of 1000 bytes but the file has only 11 left" },
    { cut_array_head, "array header of key 'a'" },
    { nested_array, "array of arrays" },
    { unknown_element, "array of unknown value type 99" },
    { huge_array, "array of 1152921504606846976 elements" },
    { cut_array, "claims 10 values of type f64 but the file has only 79 bytes" },
    { cut_strings, "claims 16777216 strings but the file has only 11 bytes" },
    { key_twice, "key 'same.key' is there twice, as number 0 and 1" },
    { alignment_0, "'general.alignment' is 0" },
    { alignment_24, "'general.alignment' is 24" },
    { alignment_huge, "'general.alignment' is 2147483648" },
    { alignment_u64, "'general.alignment' is not a u32" },
    { missing_tensor, "before the name of tensor 0" },
    { empty_name, "tensor 0 has a name of 0 bytes" },
    { long_name, "tensor 0 has a name of 65 bytes" },
    { control_byte_in_name, "name of tensor 0 has byte 0x1b" },
    { cut_name, "inside the name of tensor 0" },
    { no_dims, "tensor 'w' has 0 dimensions" },
    { five_dims, "tensor 'w' has 5 dimensions" },
    { cut_dims, "inside the shape of tensor 'w'" },
    { zero_dim, "dimension 1 of tensor 'w' is 0" },
    { wrapping_dims, "more than 2^40 elements" },
    { cut_type, "before the type of tensor 'w'" },
    { unknown_type, "unknown type id 1000" },
    { removed_type, "removed quantisation id 31" },
    { row_not_of_blocks, "rows of 33 elements, not a multiple of Q8_0's block of 32" },
    { cut_offset, "before the offset of tensor 'w'" },
    { tensor_twice, "tensor 'w' is there twice" },
    { gap, "'second' is at offset 64, the tensors before it end at 32" },
    { overlap, "'second' is at offset 0, the tensors before it end at 32" },
    { offset_wraps, "'second' is at offset 18446744073709551584" },
    { no_data, "tensor 'w' needs 32 bytes" },
    { cut_data, "needs 4294967296 bytes" },
};

TEST(bad_files_are_refused_each_with_its_own_sentence)
{
    for (size_t i = 0; i < COUNT(bad); i++) {
        rg_err e = RG_ERR_INIT;
        rg_gguf *g;
        rg_buf b = RG_BUF_MAX(1 << 20);
        bad[i].build(&b);
        const rg_status s = rg_gguf_open_memory(&g, b.p, b.n, &e);
        if (s != RG_EFORMAT || g != NULL || strstr(e.msg, bad[i].says) == NULL)
            fail_msg("%s: status %d, '%s'", bad[i].says, s, e.msg);
        rg_buf_free(&b);
    }
}

/* A copy of exactly n bytes, so that the sanitizer sees a read past the end. */
static rg_status open_copy(const char *p, size_t n)
{
    rg_gguf *g;
    char *copy = malloc(n ? n : 1);
    assert_non_null(copy);
    memcpy(copy, p, n);
    const rg_status s = rg_gguf_open_memory(&g, copy, n, NULL);
    rg_gguf_close(g);
    free(copy);
    return s;
}

TEST(every_truncation_is_refused)
{
    rg_buf b = RG_BUF_MAX(1 << 20);
    good_file(&b, 3);
    for (size_t n = 0; n < b.n; n++)
        if (open_copy(b.p ? b.p : "", n) != RG_EFORMAT)
            fail_msg("the first %zu bytes were accepted", n);
    CHECK(open_copy(b.p, b.n) == RG_OK);
    rg_buf_free(&b);
}

/* A flipped bit gives a valid file (another number) or a refusal; the sanitizers watch. */
TEST(every_flipped_bit_is_survived)
{
    rg_buf b = RG_BUF_MAX(1 << 20);
    size_t refused = 0;
    good_file(&b, 3);
    for (size_t bit = 0; bit < 8 * b.n; bit++) {
        b.p[bit / 8] = (char)(b.p[bit / 8] ^ 1 << bit % 8);
        const rg_status s = open_copy(b.p, b.n);
        CHECK(s == RG_OK || s == RG_EFORMAT);
        refused += s != RG_OK;
        b.p[bit / 8] = (char)(b.p[bit / 8] ^ 1 << bit % 8);
    }
    CHECK(refused > 2000); /* measured: 3296 of 5728 */
    rg_buf_free(&b);
}

TEST(a_missing_file_is_an_io_error)
{
    rg_err e = RG_ERR_INIT;
    rg_gguf *g;
    CHECK(rg_gguf_open(&g, "/nonexistent/model.gguf", &e) == RG_EIO && g == NULL);
    CHECK(strstr(e.msg, "/nonexistent/model.gguf") != NULL);
    rg_gguf_close(NULL);
}

/* Does something only in builds that can refuse an allocation (-Dtorture=true). */
TEST(every_failed_allocation_is_survived)
{
    rg_buf b = RG_BUF_MAX(1 << 20);
    good_file(&b, 3);
    for (long k = 0; k < 100; k++) {
        rg_gguf *g;
        rg_alloc_fail_at(k);
        const rg_status s = rg_gguf_open_memory(&g, b.p, b.n, NULL);
        rg_alloc_fail_at(-1);
        CHECK((s == RG_OK) == (g != NULL) && (s == RG_OK || s == RG_ENOMEM));
        rg_gguf_close(g);
        if (s == RG_OK)
            break;
        CHECK(k < 50);
    }
    rg_buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_and_tensors_read_back),
        cmocka_unit_test(values_render_for_people),
        cmocka_unit_test(bad_files_are_refused_each_with_its_own_sentence),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(every_flipped_bit_is_survived),
        cmocka_unit_test(a_missing_file_is_an_io_error),
        cmocka_unit_test(every_failed_allocation_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
