/* What `rung model info` and `--check-tensors` say of small files made here by hand. */
#include "test.h"

#include <unistd.h>

#include "rung/base/buf.h"
#include "rung/bundle/inspect.h"

static void put_u32(rg_buf *b, uint32_t v)
{
    rg_buf_put(b, &v, sizeof v);
}

static void put_u64(rg_buf *b, uint64_t v)
{
    rg_buf_put(b, &v, sizeof v);
}

static void put_str(rg_buf *b, const char *s)
{
    put_u64(b, strlen(s));
    rg_buf_puts(b, s);
}

static void put_key_u32(rg_buf *b, const char *key, uint32_t v)
{
    put_str(b, key);
    put_u32(b, RG_GGUF_U32);
    put_u32(b, v);
}

static void put_key_str(rg_buf *b, const char *key, const char *v)
{
    put_str(b, key);
    put_u32(b, RG_GGUF_STRING);
    put_str(b, v);
}

static void put_tensor(rg_buf *b, const char *name, uint32_t type, uint64_t n, uint64_t offset)
{
    put_str(b, name);
    put_u32(b, 1);
    put_u64(b, n);
    put_u32(b, type);
    put_u64(b, offset);
}

/* A llama-like header; tensor "q" of 512 elements of `type` in `bytes` zero bytes, and "f" of
 * 8 floats.  *q is where q's bytes begin. */
static void make_file(rg_buf *b, size_t *q, uint32_t type, size_t bytes)
{
    const size_t padded = (bytes + 31) / 32 * 32;
    rg_buf_puts(b, "GGUF");
    put_u32(b, 3);
    put_u64(b, 2);
    put_u64(b, 9);
    put_key_str(b, "general.architecture", "llama");
    put_key_str(b, "general.name", "toy");
    put_key_u32(b, "llama.block_count", 3);
    put_key_u32(b, "llama.embedding_length", 64);
    put_key_u32(b, "llama.context_length", 2048);
    put_key_u32(b, "llama.attention.head_count", 4);
    put_key_u32(b, "llama.attention.head_count_kv", 2);
    put_key_u32(b, "llama.vocab_size", 100);
    put_key_str(b, "tokenizer.chat_template", "{{ x }}");
    put_tensor(b, "q", type, 512, 0);
    put_tensor(b, "f", RG_F32, 8, padded);
    while (b->n % 32)
        rg_buf_putc(b, 0);
    *q = b->n;
    for (size_t i = 0; i < padded + 32; i++)
        rg_buf_putc(b, 0);
    CHECK(!b->failed);
}

/* The bytes as a file, opened: what a file holds is read when it is looked at. */
static rg_files *files_of(const rg_buf *b)
{
    char path[] = "/tmp/rung-test-inspect-XXXXXX.gguf";
    rg_err e = RG_ERR_INIT;
    rg_files *f;
    const int fd = mkstemps(path, 5);
    CHECK(fd >= 0 && write(fd, b->p, b->n) == (ssize_t)b->n && close(fd) == 0);
    OK(rg_files_open(&f, path, &e), e);
    remove(path);
    return f;
}

static void check_finite(const rg_buf *b, const char *says)
{
    rg_err e = RG_ERR_INIT;
    rg_files *f = files_of(b);
    const rg_status s = rg_model_check_finite(f, NULL, &e);
    if (says == NULL)
        OK(s, e);
    else
        CHECK(s == RG_EFORMAT && strstr(e.msg, says) != NULL);
    rg_files_close(f);
}

TEST(facts_are_those_of_the_header)
{
    rg_buf b = RG_BUF_MAX(1 << 16);
    rg_model_facts f;
    size_t q;
    make_file(&b, &q, RG_Q8_0, 512 / 32 * 34);
    rg_files *files = files_of(&b);
    rg_model_facts_read(&f, files);
    CHECK(rg_str_is(f.architecture, "llama") && rg_str_is(f.name, "toy"));
    CHECK(f.layers == 3 && f.width == 64 && f.heads == 4 && f.kv_heads == 2 && f.head_size == 16);
    CHECK(f.context == 2048 && f.vocabulary == 100 && f.parameters == 520 && f.has_template);
    CHECK(f.tokenizer.n == 0);
    CHECK(f.n_types == 2 && f.types[0].type == RG_Q8_0 && f.types[0].bytes == 544 &&
          f.types[1].type == RG_F32 && f.types[1].tensors == 1);
    CHECK(f.file_bytes == b.n);
    CHECK(f.bytes_per_token == 3 * 2 * (16 + 16) * 2); /* layers, heads, keys and values, 2 bytes */
    CHECK(rg_model_facts_memory(&f, 10) == f.weight_bytes + 3840);
    CHECK(rg_model_facts_memory(&f, UINT64_MAX) == UINT64_MAX);
    rg_model_facts_cache(&f, RG_CACHE_Q8);
    CHECK(f.bytes_per_token == 3 * 2 * (16 + 16 + 2 + 2)); /* a byte each, and a scale a head */
    f.layers = UINT64_MAX / 2;
    rg_model_facts_cache(&f, RG_CACHE_F32);
    CHECK(f.bytes_per_token == UINT64_MAX);
    rg_files_close(files);
    rg_buf_free(&b);
}

/* Every format: zeros pass; an infinite and a NaN scale in the last block are found, at the byte
 * where the format keeps its scales; all-ones bits elsewhere in the block are fine. */
TEST(a_scale_that_is_no_number_is_found_in_every_format)
{
    static const struct {
        uint32_t type, at[2], n;
        const char *inf, *nan;
    } c[] = {
        { RG_F16, { 0, 0 }, 1, "\x00\x7c", "\x01\xfc" },
        { RG_BF16, { 0, 0 }, 1, "\x80\x7f", "\xc0\xff" },
        { RG_Q4_0, { 0, 0 }, 1, "\x00\x7c", "\x01\xfc" },
        { RG_Q4_1, { 0, 2 }, 2, "\x00\x7c", "\x01\xfc" },
        { RG_Q5_0, { 0, 0 }, 1, "\x00\x7c", "\x01\xfc" },
        { RG_Q5_1, { 0, 2 }, 2, "\x00\x7c", "\x01\xfc" },
        { RG_Q8_0, { 0, 0 }, 1, "\x00\x7c", "\x01\xfc" },
        { RG_Q2_K, { 80, 82 }, 2, "\x00\x7c", "\x01\xfc" },
        { RG_Q3_K, { 108, 108 }, 1, "\x00\x7c", "\x01\xfc" },
        { RG_Q4_K, { 0, 2 }, 2, "\x00\x7c", "\x01\xfc" },
        { RG_Q5_K, { 0, 2 }, 2, "\x00\x7c", "\x01\xfc" },
        { RG_Q6_K, { 208, 208 }, 1, "\x00\x7c", "\x01\xfc" },
        { RG_IQ4_NL, { 0, 0 }, 1, "\x00\x7c", "\x01\xfc" },
        { RG_IQ4_XS, { 0, 0 }, 1, "\x00\x7c", "\x01\xfc" },
        { RG_F32, { 2, 2 }, 1, "\x80\x7f", "\xc0\xff" }, /* the float's two top bytes */
    };
    for (size_t i = 0; i < COUNT(c); i++) {
        const rg_type_info *info = rg_type_info_of(c[i].type);
        const size_t bytes = 512 / info->block * info->bytes;
        rg_buf b = RG_BUF_MAX(1 << 16);
        size_t q;
        make_file(&b, &q, c[i].type, bytes);
        check_finite(&b, NULL);

        char *last = b.p + q + bytes - info->bytes;
        for (uint32_t k = 0; k < 2 * c[i].n; k++) {
            memcpy(last + c[i].at[k / 2], k % 2 ? c[i].nan : c[i].inf, 2);
            check_finite(&b, "tensor q");
            memset(last + c[i].at[k / 2], 0, 2);
        }
        if (info->block > 1) {
            memset(last, 0xff, info->bytes);
            for (uint32_t k = 0; k < c[i].n; k++)
                memset(last + c[i].at[k], 0, 2);
            check_finite(&b, NULL);
        }
        rg_buf_free(&b);
    }
}

TEST(the_pulled_model_is_what_the_table_says)
{
    const char *path = test_model("smollm2-135m");
    rg_err e = RG_ERR_INIT;
    rg_files *g = NULL;
    rg_model_facts f;
    if (!path)
        skip();
    OK(rg_files_open(&g, path, &e), e);
    rg_model_facts_read(&f, g);
    CHECK(rg_str_is(f.architecture, "llama") && f.layers == 30 && f.kv_heads == 3 && f.head_size == 64);
    CHECK(f.parameters == 134515008 && f.vocabulary == 49152 && f.has_template);
    OK(rg_model_check_finite(g, NULL, &e), e);
    rg_files_close(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(facts_are_those_of_the_header),
        cmocka_unit_test(a_scale_that_is_no_number_is_found_in_every_format),
        cmocka_unit_test(the_pulled_model_is_what_the_table_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
