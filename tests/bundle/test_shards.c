/* A GGUF model in several files: the first one is named, the rest are found beside it, and their
 * keys must say the same as their names.  And single files that are not GGUF. */
#include "rung/bundle/files.h"
#include "rung/format/gguf_write.h"
#include "scratch.h"

/* One file with the tensor `name` of four floats. */
static void put_shard(const scratch *s, const char *file, const char *name, uint32_t no, uint32_t count,
                      uint32_t total)
{
    static const uint64_t dims[] = { 4 };
    static const float data[4] = { 1, 2, 3, 4 };
    rg_err e = RG_ERR_INIT;
    rg_gguf_writer *w;
    OK(rg_gguf_create(&w, in(s, file), &e), e);
    OK(rg_gguf_put_str(w, "general.name", rg_str_of("split"), &e), e);
    OK(rg_gguf_put_u32(w, "split.no", no, &e), e);
    OK(rg_gguf_put_u32(w, "split.count", count, &e), e);
    OK(rg_gguf_put_u32(w, "split.tensors.count", total, &e), e);
    OK(rg_gguf_declare(w, name, RG_F32, 1, dims, &e), e);
    OK(rg_gguf_write(w, data, sizeof data, &e), e);
    OK(rg_gguf_finish(w, &e), e);
}

static scratch three(uint32_t total)
{
    const scratch s = scratch_new();
    put_shard(&s, "m-00001-of-00003.gguf", "a", 0, 3, total);
    put_shard(&s, "m-00002-of-00003.gguf", "b", 1, 3, total);
    put_shard(&s, "m-00003-of-00003.gguf", "c", 2, 3, total);
    return s;
}

static void refused(const scratch *s, const char *file, const char *says)
{
    rg_err e = RG_ERR_INIT;
    rg_files *f;
    CHECK(rg_files_open(&f, in(s, file), &e) == RG_EFORMAT && f == NULL);
    if (strstr(e.msg, says) == NULL)
        fail_msg("\"%s\" is not in: %s", says, e.msg);
    drop(s->dir);
}

TEST(shards_are_one_model)
{
    scratch s = three(3);
    rg_err e = RG_ERR_INIT;
    rg_files *f;
    char hash[65];
    struct stat st;
    OK(rg_files_open(&f, in(&s, "m-00001-of-00003.gguf"), &e), e);
    CHECK(rg_files_n(f) == 3 && rg_files_find(f, "c") != NULL && rg_files_find(f, "d") == NULL);
    CHECK(((const float *)rg_files_find(f, "b")->data)[3] == 4.0f);
    CHECK(rg_str_is(rg_files_name(f), "m") && rg_str_is(rg_files_title(f), "split"));
    CHECK(stat(in(&s, "m-00002-of-00003.gguf"), &st) == 0 && rg_files_bytes(f) == 3 * (uint64_t)st.st_size);
    OK(rg_files_hash(hash, f, false, &e), e);
    CHECK(strlen(hash) == 64);
    rg_files_close(f);
    drop(s.dir);
}

TEST(every_missing_file_is_listed)
{
    scratch s = three(3);
    unlink(in(&s, "m-00002-of-00003.gguf"));
    unlink(in(&s, "m-00003-of-00003.gguf"));
    refused(
        &s, "m-00001-of-00003.gguf",
        "2 of the model's 3 files are missing beside this one: m-00002-of-00003.gguf, m-00003-of-00003.gguf");
}

TEST(names_and_keys_must_agree)
{
    scratch s = three(3);
    refused(&s, "m-00002-of-00003.gguf", "this is file 2 of 3: name the first one, ...-00001-of-00003.gguf");
    s = three(4);
    refused(&s, "m-00001-of-00003.gguf", "hold 3 tensors, key split.tensors.count says 4");
    s = three(3);
    put_shard(&s, "m-00002-of-00003.gguf", "b", 2, 3, 3);
    refused(&s, "m-00001-of-00003.gguf", "key split.no is 2, the file's place says 1: was it renamed?");
    s = three(3);
    put_shard(&s, "m-00003-of-00003.gguf", "c", 2, 4, 3);
    refused(&s, "m-00001-of-00003.gguf", "key split.count is 4, the file's place says 3");
    s = three(3);
    put_shard(&s, "m-00003-of-00003.gguf", "a", 2, 3, 3);
    refused(&s, "m-00001-of-00003.gguf", "tensor a is there twice");
    s = three(3);
    CHECK(rename(in(&s, "m-00001-of-00003.gguf"), in(&s, "mine.gguf")) == 0);
    refused(&s, "mine.gguf", "this is one of 3 files: give them back their names");
    s = scratch_new();
    put_text(in(&s, "m-00000-of-00003.gguf"), "GGUF");
    refused(&s, "m-00000-of-00003.gguf", "the name says file 0 of 3");
}

TEST(a_file_in_another_form_says_the_way_out)
{
    static const struct {
        const char *file, *bytes;
        size_t n;
        const char *says;
    } c[] = { { "pytorch_model.bin", "PK\3\4....", 8, "is a pickle file" },
              { "model", "\x80\x02}q\x00.", 6, "is a pickle file" },
              { "x.pth", "abcdefgh", 8, "is a pickle file" },
              { "model.safetensors", "\x02\0\0\0\0\0\0\0{}", 10, "holds weights only: name its folder" },
              { "weights", "\x02\0\0\0\0\0\0\0{}", 10, "holds weights only: name its folder" },
              { "x.gguf", "not at all", 10, "not a GGUF file" } };
    for (size_t i = 0; i < COUNT(c); i++) {
        scratch s = scratch_new();
        put_file(in(&s, c[i].file), c[i].bytes, c[i].n, 0600);
        refused(&s, c[i].file, c[i].says);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shards_are_one_model),
        cmocka_unit_test(every_missing_file_is_listed),
        cmocka_unit_test(names_and_keys_must_agree),
        cmocka_unit_test(a_file_in_another_form_says_the_way_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
