/* Safetensors files made here by hand: what a good one gives back, what each kind of bad one
 * says, and that what we write reads back. */
#include "test.h"

#include <sys/stat.h>
#include <unistd.h>

#include "rung/base/mem.h"
#include "rung/format/safetensors.h"

/* Length, header, n bytes of data counting up. */
static void make_file(rg_buf *b, const char *header, size_t n)
{
    const uint64_t length = strlen(header);
    rg_buf_put(b, &length, 8);
    rg_buf_puts(b, header);
    for (size_t i = 0; i < n; i++)
        rg_buf_putc(b, (char)i);
    CHECK(!b->failed);
}

TEST(a_good_file_gives_its_tensors_in_order_of_their_bytes)
{
    static const char header[] = "{\"__metadata__\":{\"format\":\"pt\"},"
                                 "\"b\":{\"dtype\":\"BF16\",\"shape\":[2,3],\"data_offsets\":[4,16]},"
                                 "\"one\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]},"
                                 "\"none\":{\"dtype\":\"F16\",\"shape\":[0,7],\"data_offsets\":[4,4]},"
                                 "\"mask\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[16,19]}}   ";
    rg_buf b = RG_BUF_MAX(4096);
    rg_err e = RG_ERR_INIT;
    rg_safet *s;
    rg_str format;
    make_file(&b, header, 19);
    OK(rg_safet_open_memory(&s, b.p, b.n, &e), e);
    static const char *const names[] = { "one", "none", "b", "mask" };
    CHECK(rg_safet_n(s) == 4);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(rg_safet_at(s, i)->name.p, names[i]);
    CHECK(rg_safet_at(s, 4) == NULL && rg_safet_find(s, "two") == NULL);
    const rg_safet_tensor *t = rg_safet_find(s, "b");
    CHECK(t == rg_safet_at(s, 2) && t->type == RG_BF16 && t->n_dims == 2 && t->dims[0] == 2 &&
          t->dims[1] == 3);
    CHECK(t->bytes == 12 && ((const uint8_t *)t->data)[0] == 4 && t->offset == 8 + strlen(header) + 4);
    CHECK(rg_safet_find(s, "one")->n_dims == 0 && rg_safet_find(s, "none")->bytes == 0);
    CHECK(rg_safet_find(s, "mask")->type == RG_TYPE_END);
    assert_string_equal(rg_safet_find(s, "mask")->dtype, "U8");
    CHECK(rg_safet_meta(s, "format", &format) && rg_str_is(format, "pt") && !rg_safet_meta(s, "x", &format));
    rg_safet_close(s);
    rg_buf_free(&b);
}

#define F32(name, shape, begin, end)                                                                         \
    "\"" name "\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":[" #begin "," #end "]}"
#define OPEN10 "[[[[[[[[[["

static const struct {
    const char *header;
    size_t data;
    const char *says;
} bad[] = {
    { "", 0, "does not begin with '{'" },
    { "[1]", 0, "does not begin with '{'" },
    { " {}", 0, "does not begin with '{'" },
    { "{", 0, "not JSON: line 1" },
    { "{} x", 0, "not JSON" },
    { "{\"a\":\"\xff\"}", 0, "not JSON" },
    { "{\"a\":3}", 0, "the entry of tensor a is not an object" },
    { "{" F32("a", "[1]", 0, 4) "," F32("a", "[1]", 4, 8) "}", 8, "duplicate" },
    { "{" F32("a", "[2]", 0, 8) "," F32("b", "[2]", 4, 12) "}", 12,
      "tensor b begins at 4, the one before it ends "
      "at 8: they overlap" },
    { "{" F32("a", "[2]", 0, 8) "," F32("b", "[1]", 12, 16) "}", 16, "they leave a gap" },
    { "{" F32("a", "[1]", 4, 8) "}", 8, "they leave a gap" },
    { "{" F32("a", "[2]", 0, 8) "}", 9, "1 bytes stand behind the last tensor" },
    { "{}", 1, "1 bytes stand behind" },
    { "{" F32("a", "[2]", 0, 8) "}", 7,
      "tensor a needs 8 bytes at 0, the file has 7 after its header: it is cut" },
    { "{" F32("a", "[3]", 0, 8) "}", 8, "tensor a spans 8 bytes, its shape and dtype F32 ask for 12" },
    { "{" F32("a", "[2]", 8, 0) "}", 8, "tensor a ends at 0, before its begin at 8" },
    { "{" F32("a", "[4294967296,4294967296]", 0, 0) "}", 0, "more than 2^40 elements" },
    { "{" F32("a", "[1099511627777]", 0, 4) "}", 4, "more than 2^40 elements" },
    { "{" F32("a", "[9223372036854775807,2,0]", 0, 0) "}", 0, "more than 2^40 elements" },
    { "{" F32("a", "[-1]", 0, 4) "}", 4, "dimension 0 of tensor a is not a whole number" },
    { "{" F32("a", "[1,2.5]", 0, 4) "}", 4, "dimension 1 of tensor a is not a whole number" },
    { "{" F32("a", "[1,1,1,1,1,1,1,1,1]", 0, 4) "}", 4, "tensor a has 9 dimensions; 8 is the limit" },
    { "{" F32("a", "7", 0, 4) "}", 4, "tensor a has no shape" },
    { "{" F32("a", "[1]", -4, 0) "}", 4, "tensor a has no data_offsets" },
    { "{" F32("a", "[1]", 0, 99999999999999999999) "}", 4, "not JSON" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "tensor a has no data_offsets" },
    { "{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "tensor a has no dtype" },
    { "{\"a\":{\"dtype\":\"Q7\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "tensor a has dtype Q7" },
    { "{\"a\":{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,1]}}", 1, "no whole number of bytes" },
    { "{" F32("", "[1]", 0, 4) "}", 4, "name of 0 bytes" },
    { "{" F32("a b", "[1]", 0, 4) "}", 4, "byte 0x20 at 1" },
    { "{\"__metadata__\":3}", 0, "__metadata__ is not an object" },
    { "{\"__metadata__\":{\"n\":3}}", 0, "something else than a string under n" },
    { "{\"a\":" OPEN10 OPEN10 OPEN10 OPEN10 OPEN10 OPEN10 OPEN10, 0, "nested 71 deep; 64 is the limit" },
};

TEST(every_kind_of_bad_file_has_its_own_sentence)
{
    for (size_t i = 0; i < COUNT(bad); i++) {
        rg_buf b = RG_BUF_MAX(4096);
        rg_err e = RG_ERR_INIT;
        rg_safet *s;
        make_file(&b, bad[i].header, bad[i].data);
        CHECK(rg_safet_open_memory(&s, b.p, b.n, &e) == RG_EFORMAT && s == NULL);
        if (strstr(e.msg, bad[i].says) == NULL)
            fail_msg("%s: \"%s\" is not in: %s", bad[i].header, bad[i].says, e.msg);
        rg_buf_free(&b);
    }
}

TEST(lengths_are_compared_with_the_file_before_anything)
{
    static const struct {
        uint64_t length;
        const char *says;
    } c[] = { { 3, "has 3 bytes, the file only 10" },
              { 100000001, "would have 100000001 bytes" },
              { UINT64_MAX, "would have 18446744073709551615 bytes" } };
    rg_safet *s;
    for (size_t i = 0; i < COUNT(c); i++) {
        unsigned char p[10] = { 0, 0, 0, 0, 0, 0, 0, 0, '{', '}' };
        rg_err e = RG_ERR_INIT;
        memcpy(p, &c[i].length, 8);
        CHECK(rg_safet_open_memory(&s, p, sizeof p, &e) == RG_EFORMAT);
        if (strstr(e.msg, c[i].says) == NULL)
            fail_msg("%s", e.msg);
    }
    rg_err e = RG_ERR_INIT;
    CHECK(rg_safet_open_memory(&s, "1234567", 7, &e) == RG_EFORMAT && strstr(e.msg, "7 bytes is too short"));
    rg_err_clear(&e);
    CHECK(rg_safet_open(&s, "/nonexistent/model.safetensors", &e) == RG_EIO && s == NULL);
}

/* Millions of tiny values cost a parser far more than their bytes. */
TEST(a_header_of_too_many_values_is_refused_before_it_is_parsed)
{
    enum { N = 5000000 };
    rg_buf b = RG_BUF_MAX(3 * N + 64);
    rg_err e = RG_ERR_INIT;
    rg_safet *s;
    const uint64_t length = 3 * (uint64_t)N + 8;
    rg_buf_put(&b, &length, 8);
    rg_buf_puts(&b, "{\"a\":[");
    for (size_t i = 0; i < N; i++)
        rg_buf_puts(&b, "[],");
    rg_buf_puts(&b, "]}");
    CHECK(!b.failed && rg_safet_open_memory(&s, b.p, b.n, &e) == RG_EFORMAT);
    CHECK(strstr(e.msg, "values; 4194304 is the limit") != NULL);
    rg_buf_free(&b);
}

TEST(every_cut_and_every_flipped_bit_ends_in_a_result_or_a_sentence)
{
    static const char header[] = "{" F32("a", "[2,2]", 0, 16) "," F32("b", "[1]", 16, 20) "}";
    rg_buf b = RG_BUF_MAX(4096);
    make_file(&b, header, 20);
    for (size_t cut = 0; cut < b.n; cut++) {
        rg_err e = RG_ERR_INIT;
        rg_safet *s;
        CHECK(rg_safet_open_memory(&s, b.p, cut, &e) == RG_EFORMAT && e.msg[0] != '\0');
    }
    size_t opened = 0;
    for (size_t bit = 0; bit < 8 * b.n; bit++) {
        rg_err e = RG_ERR_INIT;
        rg_safet *s;
        b.p[bit / 8] = (char)(b.p[bit / 8] ^ 1 << bit % 8);
        if (rg_safet_open_memory(&s, b.p, b.n, &e) == RG_OK)
            opened++;
        else
            CHECK(e.code == RG_EFORMAT && e.msg[0] != '\0');
        rg_safet_close(s);
        b.p[bit / 8] = (char)(b.p[bit / 8] ^ 1 << bit % 8);
    }
    CHECK(opened >= 8 * 20); /* the data may be anything */
    rg_buf_free(&b);
}

/* ---- writing ---- */

static char *scratch(void)
{
    static char dir[64];
    strcpy(dir, "/tmp/rung-test-safet-XXXXXX");
    CHECK(mkdtemp(dir) != NULL);
    return dir;
}

static const uint64_t shape_a[] = { 2, 3 }, shape_b[] = { 4 };

static void declare_two(rg_safet_writer *w)
{
    rg_err e = RG_ERR_INIT;
    OK(rg_safet_put_meta(w, "format", rg_str_of("pt"), &e), e);
    OK(rg_safet_declare(w, "a", RG_BF16, 2, shape_a, &e), e);
    OK(rg_safet_declare(w, "b", RG_F32, 1, shape_b, &e), e);
}

TEST(what_is_written_reads_back)
{
    rg_err e = RG_ERR_INIT;
    rg_safet_writer *w;
    rg_safet *s;
    char path[128], data[28];
    snprintf(path, sizeof path, "%s/m.safetensors", scratch());
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)(i * 7);
    OK(rg_safet_create(&w, path, &e), e);
    declare_two(w);
    OK(rg_safet_write(w, data, 5, &e), e); /* pieces need not end where tensors do */
    CHECK(access(path, F_OK) != 0);        /* nothing under the name until it is whole */
    OK(rg_safet_write(w, data + 5, sizeof data - 5, &e), e);
    OK(rg_safet_finish(w, &e), e);
    OK(rg_safet_open(&s, path, &e), e);
    const rg_safet_tensor *a = rg_safet_find(s, "a"), *b = rg_safet_find(s, "b");
    CHECK(a->type == RG_BF16 && a->dims[0] == 2 && a->dims[1] == 3 && memcmp(a->data, data, 12) == 0);
    CHECK(b->type == RG_F32 && b->dims[0] == 4 && memcmp(b->data, data + 12, 16) == 0);
    CHECK(a->offset % 8 == 0);
    rg_str format;
    CHECK(rg_safet_meta(s, "format", &format) && rg_str_is(format, "pt"));
    rg_safet_close(s);
    remove(path);
    *strrchr(path, '/') = '\0';
    CHECK(rmdir(path) == 0); /* and no temporary file is left */
}

TEST(a_write_that_is_not_finished_leaves_nothing)
{
    rg_err e = RG_ERR_INIT;
    rg_safet_writer *w;
    char path[128], data[64] = { 0 };
    snprintf(path, sizeof path, "%s/m.safetensors", scratch());
    OK(rg_safet_create(&w, path, &e), e);
    declare_two(w);
    OK(rg_safet_write(w, data, 27, &e), e);
    CHECK(rg_safet_finish(w, &e) == RG_EARG && strstr(e.msg, "27 of 28 bytes") != NULL);
    OK(rg_safet_create(&w, path, (rg_err_clear(&e), &e)), e);
    declare_two(w);
    CHECK(rg_safet_write(w, data, 29, &e) == RG_EARG && strstr(e.msg, "1 bytes more than the 28") != NULL);
    rg_safet_abandon(w);
    rg_safet_abandon(NULL);
    *strrchr(path, '/') = '\0';
    CHECK(rmdir(path) == 0);
    rg_err_clear(&e);
    CHECK(rg_safet_create(&w, "/nonexistent/m.safetensors", &e) == RG_EIO && w == NULL);
}

TEST(a_declaration_that_cannot_be_stored_is_refused)
{
    static const uint64_t huge[] = { UINT64_C(1) << 40, UINT64_C(1) << 40 };
    rg_err e = RG_ERR_INIT;
    rg_safet_writer *w;
    char path[128], long_name[600], zero[28] = { 0 };
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    snprintf(path, sizeof path, "%s/m.safetensors", scratch());
    OK(rg_safet_create(&w, path, &e), e);
    declare_two(w);
    CHECK(rg_safet_declare(w, "a", RG_F32, 1, shape_b, &e) == RG_EARG &&
          strstr(e.msg, "a is declared twice"));
    rg_err_clear(&e);
    CHECK(rg_safet_declare(w, "q", RG_Q4_K, 1, shape_b, &e) == RG_EARG && strstr(e.msg, "Q4_K"));
    CHECK(rg_safet_declare(w, "h", RG_F32, 2, huge, NULL) == RG_EARG);
    CHECK(rg_safet_declare(w, "", RG_F32, 1, shape_b, NULL) == RG_EARG);
    CHECK(rg_safet_declare(w, long_name, RG_F32, 1, shape_b, NULL) == RG_EARG);
    CHECK(rg_safet_declare(w, "\xff", RG_F32, 1, shape_b, NULL) == RG_EARG);
    CHECK(rg_safet_put_meta(w, "format", rg_str_of("np"), NULL) == RG_EARG);
    OK(rg_safet_write(w, zero, sizeof zero, (rg_err_clear(&e), &e)), e);
    CHECK(rg_safet_declare(w, "late", RG_F32, 1, shape_b, NULL) == RG_EARG);
    OK(rg_safet_finish(w, &e), e);
    remove(path);
    *strrchr(path, '/') = '\0';
    CHECK(rmdir(path) == 0);
}

TEST(running_out_of_memory_is_survived)
{
    static const char header[] = "{" F32("a", "[2,2]", 0, 16) "}";
    rg_buf b = RG_BUF_MAX(4096);
    make_file(&b, header, 16);
    for (long k = 0; k < 100; k++) {
        rg_err e = RG_ERR_INIT;
        rg_safet *s;
        rg_alloc_fail_at(k);
        const rg_status st = rg_safet_open_memory(&s, b.p, b.n, &e);
        rg_alloc_fail_at(-1);
        CHECK(st == RG_OK || st == RG_ENOMEM);
        rg_safet_close(s);
        if (st == RG_OK)
            break;
        CHECK(k < 99);
    }
    rg_buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_file_gives_its_tensors_in_order_of_their_bytes),
        cmocka_unit_test(every_kind_of_bad_file_has_its_own_sentence),
        cmocka_unit_test(lengths_are_compared_with_the_file_before_anything),
        cmocka_unit_test(a_header_of_too_many_values_is_refused_before_it_is_parsed),
        cmocka_unit_test(every_cut_and_every_flipped_bit_ends_in_a_result_or_a_sentence),
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(a_write_that_is_not_finished_leaves_nothing),
        cmocka_unit_test(a_declaration_that_cannot_be_stored_is_refused),
        cmocka_unit_test(running_out_of_memory_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
