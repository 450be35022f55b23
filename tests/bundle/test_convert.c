/* Models in other forms and in fewer bits: equal tensors, equal configuration, sizes of
 * llama-quantize, and sentences for what cannot be. */
#include "test.h"

#include <dirent.h>
#include <math.h>
#include <unistd.h>

#include "rung/base/file.h"
#include "rung/base/mem.h"
#include "rung/bundle/convert.h"
#include "rung/bundle/files.h"
#include "rung/format/gguf_write.h"

static const char *const archs[] = { "llama", "mistral", "qwen2", "qwen3", "gemma3", "phi3", "phi3_long" };

static char folder[64], at_room[4][160];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/rung-convert-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int drop_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

/* Four paths in the folder may be held at a time. */
static const char *at(const char *name)
{
    static size_t next;
    char *p = at_room[next++ % COUNT(at_room)];
    snprintf(p, sizeof at_room[0], "%s/%s", folder, name);
    return p;
}

static const char *tiny(const char *arch)
{
    static char rel[64];
    snprintf(rel, sizeof rel, "tiny/arch_%s.gguf", arch);
    return test_file(rel);
}

static size_t count_files(void)
{
    size_t n = 0;
    DIR *d = opendir(folder);
    for (const struct dirent *it; (it = readdir(d)) != NULL;)
        n += it->d_name[0] != '.';
    closedir(d);
    return n;
}

static rg_status to_gguf(const char *src, const char *dst, rg_convert_opt o, size_t threads,
                         rg_convert_result *r, rg_err *e)
{
    rg_pool *pool;
    rg_convert_result unused;
    RG_TRY(rg_pool_new(&pool, threads, e));
    const rg_status s = rg_model_to_gguf(r ? r : &unused, src, dst, &o, pool, NULL, e);
    rg_pool_free(pool);
    return s;
}

static rg_status to_folder(const char *src, const char *dst, const char *mix, rg_err *e)
{
    rg_pool *pool;
    rg_convert_result r;
    const rg_convert_opt o = { .mix = mix ? rg_mix_find(mix) : NULL };
    RG_TRY(rg_pool_new(&pool, 2, e));
    const rg_status s = rg_model_to_folder(&r, src, dst, &o, pool, NULL, e);
    rg_pool_free(pool);
    return s;
}

/* ---- forms ---- */

static bool near(double a, double b)
{
    return fabs(a - b) <= 1e-6 * fabs(b);
}

/* What decides the arithmetic, rounded as a file's f32 rounds it. */
static void same_config(const rg_files *a, const rg_files *b)
{
    rg_model_config x, y;
    rg_err e = RG_ERR_INIT;
    OK(rg_files_config(&x, a, &e), e);
    OK(rg_files_config(&y, b, &e), e);
    assert_string_equal(x.arch, y.arch);
    CHECK(x.n_layer == y.n_layer && x.n_embd == y.n_embd && x.n_head == y.n_head &&
          x.n_head_kv == y.n_head_kv);
    CHECK(x.head_dim == y.head_dim && x.n_ff == y.n_ff && x.n_vocab == y.n_vocab && x.n_ctx == y.n_ctx);
    CHECK(near((double)x.norm_eps, (double)y.norm_eps) && x.rope_dim == y.rope_dim &&
          x.rope_neox == y.rope_neox);
    CHECK(near(x.rope_base, y.rope_base) && near(x.rope_factor, y.rope_factor));
    CHECK(near(x.rope_base_local, y.rope_base_local) && x.rope_ctx_orig == y.rope_ctx_orig);
    CHECK(near(x.rope_attn_factor > 0 ? x.rope_attn_factor : 1,
               y.rope_attn_factor > 0 ? y.rope_attn_factor : 1));
    CHECK(near(x.rope_beta_fast, y.rope_beta_fast) && near(x.rope_beta_slow, y.rope_beta_slow));
    CHECK(x.window == y.window && x.window_every == y.window_every);
    CHECK(near((double)x.embd_scale, (double)y.embd_scale));
    const double usual = 1 / sqrt((double)x.head_dim);
    CHECK(near(x.attn_scale > 0 ? (double)x.attn_scale : usual,
               y.attn_scale > 0 ? (double)y.attn_scale : usual));
}

static void same_tensors(const rg_files *a, const rg_files *b)
{
    assert_int_equal(rg_files_n(a), rg_files_n(b));
    for (size_t i = 0; i < rg_files_n(a); i++) {
        const rg_file_tensor *x = rg_files_at(a, i), *y = rg_files_find(b, x->name);
        if (y == NULL || y->type != x->type || y->R != x->R || y->K != x->K || y->bytes != x->bytes)
            fail_msg("tensor %s differs in type or shape", x->name);
        if (strncmp(x->name, "rope_f", 6) == 0) /* went through decimal numbers */
            for (size_t k = 0; k < x->K; k++)
                CHECK(near((double)((const float *)x->data)[k], (double)((const float *)y->data)[k]));
        else if (memcmp(x->data, y->data, (size_t)x->bytes) != 0)
            fail_msg("the bytes of tensor %s differ", x->name);
    }
}

static void same_model(const char *got, const char *want)
{
    rg_err e = RG_ERR_INIT;
    rg_files *a, *b;
    OK(rg_files_open(&a, got, &e), e);
    OK(rg_files_open(&b, want, &e), e);
    same_config(a, b);
    same_tensors(a, b);
    rg_files_close(a);
    rg_files_close(b);
}

/* The folders of tests/data/folder and the files of tests/data/tiny were written side by side by
 * oracle/tiny_archs.py; ours must be its GGUF files. */
TEST(folders_become_the_same_gguf_files)
{
    rg_err e = RG_ERR_INIT;
    for (size_t i = 0; i < COUNT(archs); i++) {
        char rel[64];
        snprintf(rel, sizeof rel, "folder/%s", archs[i]);
        OK(to_gguf(test_file(rel), at("x.gguf"), (rg_convert_opt){ .force = true }, 2, NULL, &e), e);
        same_model(at("x.gguf"), tiny(archs[i]));
    }
}

TEST(gguf_files_come_back_from_folders)
{
    rg_err e = RG_ERR_INIT;
    for (size_t i = 0; i < COUNT(archs); i++) {
        OK(to_folder(tiny(archs[i]), at(archs[i]), NULL, &e), e);
        OK(to_gguf(at(archs[i]), at("x.gguf"), (rg_convert_opt){ .force = true }, 2, NULL, &e), e);
        same_model(at("x.gguf"), tiny(archs[i]));
        rg_files *f;
        OK(rg_files_open(&f, at(archs[i]), &e), e);
        rg_tokenizer *t;
        OK(rg_files_tokenizer(&t, f, &e), e);
        rg_tokenizer_free(t);
        rg_files_close(f);
    }
}

/* Quantised weights widen to F16 exactly where the scale is one (all of these files are so: the
 * second file would differ otherwise). */
TEST(a_folder_in_f16_keeps_its_numbers)
{
    rg_err e = RG_ERR_INIT;
    const rg_convert_opt f16 = { .mix = rg_mix_find("f16"), .force = true };
    OK(to_gguf(test_file("tiny/qwen2_mixed.gguf"), at("a.gguf"), f16, 2, NULL, &e), e);
    OK(to_folder(test_file("tiny/qwen2_mixed.gguf"), at("mixed"), "F16", &e), e);
    OK(to_gguf(at("mixed"), at("b.gguf"), f16, 2, NULL, &e), e);
    same_model(at("b.gguf"), at("a.gguf"));
}

/* ---- mixes ---- */

/* "quant size" of llama-quantize --dry-run (llama.cpp of llama-cpp-python 0.3.36), in MiB. */
static const struct {
    const char *mix;
    double smollm, qwen;
} sizes[] = {
    { "Q2_K", 82.41, 712.33 },    { "Q3_K_S", 82.41, 815.65 },   { "Q3_K_M", 87.48, 875.96 },
    { "Q3_K_L", 91.31, 929.35 },  { "Q4_0", 85.77, 1011.16 },    { "Q4_1", 92.10, 1103.16 },
    { "Q4_K_S", 95.61, 1016.27 }, { "Q4_K_M", 98.87, 1059.89 },  { "Q5_0", 98.43, 1195.17 },
    { "Q5_1", 104.76, 1287.17 },  { "Q5_K_S", 103.18, 1195.17 }, { "Q5_K_M", 105.21, 1220.27 },
    { "Q6_K", 130.27, 1390.67 },  { "Q8_0", 136.40, 1801.09 },   { "IQ4_NL", 86.09, 1017.39 },
    { "IQ4_XS", 85.38, 972.95 },  { "F16", 256.63, 3389.80 },
};

static void check_size(const char *path, const char *mix, double want)
{
    rg_err e = RG_ERR_INIT;
    rg_convert_result r;
    OK(to_gguf(path, "unused", (rg_convert_opt){ .mix = rg_mix_find(mix), .dry_run = true }, 1, &r, &e), e);
    if (fabs((double)r.bytes / 1048576 - want) > 0.0051)
        fail_msg("%s: %.3f MiB, llama-quantize makes %.2f", mix, (double)r.bytes / 1048576, want);
}

TEST(every_mix_has_the_size_of_llama_quantize)
{
    char smollm[4096];
    const char *path = test_model("smollm2-135m");
    if (path == NULL)
        skip();
    snprintf(smollm, sizeof smollm, "%s", path);
    path = test_model("qwen2.5-coder-1.5b");
    for (size_t i = 0; i < COUNT(sizes); i++) {
        check_size(smollm, sizes[i].mix, sizes[i].smollm);
        if (path != NULL)
            check_size(path, sizes[i].mix, sizes[i].qwen);
    }
}

TEST(mixes_are_found_by_any_spelling)
{
    char names[512];
    rg_mix_names(names, sizeof names);
    CHECK(strstr(names, "Q4_K_M") != NULL && strstr(names, "BF16") != NULL);
    assert_string_equal(rg_mix_name(rg_mix_find("q4_k_m")), "Q4_K_M");
    assert_string_equal(rg_mix_name(rg_mix_find("Q5_K")), "Q5_K_M");
    CHECK(rg_mix_find("Q4_2") == NULL && rg_mix_find("") == NULL);
}

static void same_bytes(const char *a, const char *b)
{
    rg_err e = RG_ERR_INIT;
    rg_map x, y;
    OK(rg_map_open(&x, a, &e), e);
    OK(rg_map_open(&y, b, &e), e);
    assert_int_equal(x.size, y.size);
    assert_memory_equal(x.data, y.data, x.size);
    rg_map_close(&x);
    rg_map_close(&y);
}

TEST(bytes_do_not_depend_on_threads)
{
    rg_err e = RG_ERR_INIT;
    static const char *const mix[] = { "Q4_K_M", "Q6_K", "Q4_0", "Q3_K_M", "BF16" };
    for (size_t i = 0; i < COUNT(mix); i++) {
        const rg_convert_opt o = { .mix = rg_mix_find(mix[i]), .force = true };
        rg_convert_result r;
        OK(to_gguf(test_file("tiny/llama_norm.gguf"), at("one.gguf"), o, 1, &r, &e), e);
        OK(to_gguf(test_file("tiny/llama_norm.gguf"), at("seven.gguf"), o, 7, NULL, &e), e);
        same_bytes(at("one.gguf"), at("seven.gguf"));
        CHECK(r.changed > 0 && !r.requantized);
    }
}

TEST(a_quantised_source_is_allowed_and_told)
{
    rg_err e = RG_ERR_INIT;
    rg_convert_result r;
    const rg_convert_opt o = { .mix = rg_mix_find("Q4_0") };
    OK(to_gguf(test_file("tiny/llama_kquant.gguf"), at("x.gguf"), o, 1, &r, &e), e);
    CHECK(r.requantized);
}

/* ---- importance ---- */

static rg_status put_gguf_importance(const char *path, size_t scale, float bad, rg_err *e)
{
    rg_files *f;
    rg_gguf_writer *w;
    const float count = 4;
    float v[1024];
    OK(rg_files_open(&f, test_file("tiny/llama_norm.gguf"), e), *e);
    OK(rg_gguf_create(&w, path, e), *e);
    OK(rg_gguf_put_u32(w, "imatrix.chunk_count", 3, e), *e);
    for (int data = 0; data < 2; data++)
        for (size_t i = 0; i < rg_files_n(f); i++) {
            const rg_file_tensor *t = rg_files_at(f, i);
            if (strncmp(t->name, "blk.", 4) != 0 || t->n_dims != 2)
                continue;
            const uint64_t one[1] = { 1 }, K[1] = { t->K * scale };
            char name[96];
            if (!data) {
                snprintf(name, sizeof name, "%s.in_sum2", t->name);
                OK(rg_gguf_declare(w, name, RG_F32, 1, K, e), *e);
                snprintf(name, sizeof name, "%s.counts", t->name);
                OK(rg_gguf_declare(w, name, RG_F32, 1, one, e), *e);
                continue;
            }
            for (size_t k = 0; k < K[0]; k++)
                v[k] = k == 5 ? bad : (float)(1 + (k * 37) % 101);
            OK(rg_gguf_write(w, v, K[0] * sizeof *v, e), *e);
            OK(rg_gguf_write(w, &count, sizeof count, e), *e);
        }
    rg_files_close(f);
    return rg_gguf_finish(w, e);
}

static void put_i32(rg_buf *b, int32_t v)
{
    rg_buf_put(b, &v, sizeof v);
}

/* The same values in the older form. */
static void put_older_importance(const char *path)
{
    rg_err e = RG_ERR_INIT;
    rg_gguf *g;
    rg_buf b = RG_BUF_MAX(1 << 20);
    OK(rg_gguf_open(&g, at("im.gguf"), &e), e);
    put_i32(&b, (int32_t)rg_gguf_n_tensors(g) / 2);
    for (size_t i = 0; i < rg_gguf_n_tensors(g); i += 2) {
        const rg_gguf_tensor *t = rg_gguf_tensor_at(g, i);
        put_i32(&b, (int32_t)t->name.n - 8);
        rg_buf_put(&b, t->name.p, t->name.n - 8);
        put_i32(&b, 4);
        put_i32(&b, (int32_t)t->dims[0]);
        rg_buf_put(&b, t->data, (size_t)t->bytes);
    }
    put_i32(&b, 3);
    put_i32(&b, 0);
    rg_gguf_close(g);
    OK(rg_write_atomic(path, b.p, b.n, &e), e);
    rg_buf_free(&b);
}

TEST(both_forms_of_importance_say_the_same)
{
    rg_err e = RG_ERR_INIT;
    const rg_mix *m = rg_mix_find("Q4_K_M");
    const char *src = test_file("tiny/llama_norm.gguf");
    OK(put_gguf_importance(at("im.gguf"), 1, 1, &e), e);
    put_older_importance(at("im.dat"));
    OK(to_gguf(src, at("a.gguf"), (rg_convert_opt){ .mix = m, .importance = at("im.gguf") }, 1, NULL, &e), e);
    OK(to_gguf(src, at("b.gguf"), (rg_convert_opt){ .mix = m, .importance = at("im.dat") }, 1, NULL, &e), e);
    OK(to_gguf(src, at("c.gguf"), (rg_convert_opt){ .mix = m }, 1, NULL, &e), e);
    same_model(at("a.gguf"), at("b.gguf"));
    rg_gguf *a, *c;
    uint64_t chunks = 0;
    OK(rg_gguf_open(&a, at("a.gguf"), &e), e);
    OK(rg_gguf_open(&c, at("c.gguf"), &e), e);
    CHECK(rg_gguf_u64(a, "quantize.imatrix.chunks_count", &chunks) && chunks == 3);
    const rg_gguf_tensor *x = rg_gguf_find(a, "blk.0.ffn_up.weight"),
                         *y = rg_gguf_find(c, "blk.0.ffn_up.weight");
    CHECK(x->bytes == y->bytes && memcmp(x->data, y->data, (size_t)x->bytes) != 0); /* it has an effect */
    rg_gguf_close(a);
    rg_gguf_close(c);
}

static void refused_importance(const char *file, const char *part)
{
    rg_err e = RG_ERR_INIT;
    const rg_convert_opt o = { .mix = rg_mix_find("Q4_0"), .importance = file };
    assert_int_equal(to_gguf(test_file("tiny/llama_norm.gguf"), at("no.gguf"), o, 1, NULL, &e), RG_EFORMAT);
    if (strstr(e.msg, part) == NULL)
        fail_msg("'%s' does not say '%s'", e.msg, part);
    CHECK(!rg_path_exists(at("no.gguf")));
}

TEST(bad_importance_is_named)
{
    rg_err e = RG_ERR_INIT;
    rg_map m;
    OK(put_gguf_importance(at("im.gguf"), 1, 1, &e), e);
    put_older_importance(at("im.dat"));
    OK(rg_map_open(&m, at("im.dat"), &e), e);
    const size_t whole = m.size - 8; /* without the two optional numbers at the end */
    for (size_t n = 0; n < whole; n += 1 + whole / 97) {
        OK(rg_write_atomic(at("cut.dat"), m.data, n, &e), e);
        refused_importance(at("cut.dat"), "cut.dat");
    }
    rg_map_close(&m);
    refused_importance(test_file("tiny/llama_norm.gguf"), "not a file of llama-imatrix");
    OK(put_gguf_importance(at("im.gguf"), 2, 1, &e), e);
    refused_importance(at("im.gguf"), "another model");
    OK(put_gguf_importance(at("im.gguf"), 1, NAN, &e), e);
    refused_importance(at("im.gguf"), "nan");
    OK(put_gguf_importance(at("im.gguf"), 1, -1, &e), e);
    refused_importance(at("im.gguf"), "not negative");
}

/* ---- refusals ---- */

static void spoil(const char *path, float v)
{
    rg_err e = RG_ERR_INIT;
    rg_gguf *g;
    OK(rg_gguf_open(&g, path, &e), e);
    const rg_gguf_tensor *t = rg_gguf_find(g, "blk.0.ffn_up.weight");
    CHECK(t != NULL && t->type == RG_F32);
    FILE *f = fopen(path, "r+b");
    CHECK(f != NULL && fseek(f, (long)t->offset + 40, SEEK_SET) == 0 && fwrite(&v, sizeof v, 1, f) == 1);
    CHECK(fclose(f) == 0);
    rg_gguf_close(g);
}

static void refused(const char *src, const char *dst, const char *mix, const char *part)
{
    rg_err e = RG_ERR_INIT;
    const size_t before = count_files();
    const rg_status s = strstr(dst, ".gguf")
                            ? to_gguf(src, dst, (rg_convert_opt){ .mix = rg_mix_find(mix) }, 2, NULL, &e)
                            : to_folder(src, dst, mix, &e);
    CHECK(s != RG_OK);
    if (strstr(e.msg, part) == NULL)
        fail_msg("'%s' does not say '%s'", e.msg, part);
    assert_int_equal(count_files(), before);
}

TEST(what_cannot_be_is_said_and_leaves_nothing)
{
    rg_err e = RG_ERR_INIT;
    OK(to_gguf(tiny("llama"), at("x.gguf"), (rg_convert_opt){ 0 }, 1, NULL, &e), e);
    refused(tiny("llama"), at("x.gguf"), "F16", "--force");
    refused(at("x.gguf"), at("x.gguf"), "F16", "the source itself");
    refused(at("x.gguf"), folder, "Q8_0", "ends in .gguf");
    refused(at("x.gguf"), folder, "F16", "holds files");
    refused(at("x.gguf"), at("nowhere/y.gguf"), "F16", "nowhere");
    spoil(at("x.gguf"), 1e5f);
    refused(at("x.gguf"), at("y.gguf"), "F16", "more than F16 can");
    refused(at("x.gguf"), at("y"), "F16", "more than F16 can");
    spoil(at("x.gguf"), NAN);
    refused(at("x.gguf"), at("y.gguf"), "Q8_0", "blk.0.ffn_up.weight holds NaN");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, make_folder, drop_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(folders_become_the_same_gguf_files),
        CASE(gguf_files_come_back_from_folders),
        CASE(a_folder_in_f16_keeps_its_numbers),
        CASE(every_mix_has_the_size_of_llama_quantize),
        CASE(mixes_are_found_by_any_spelling),
        CASE(bytes_do_not_depend_on_threads),
        CASE(a_quantised_source_is_allowed_and_told),
        CASE(both_forms_of_importance_say_the_same),
        CASE(bad_importance_is_named),
        CASE(what_cannot_be_is_said_and_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
