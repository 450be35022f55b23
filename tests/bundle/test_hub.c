/* The hub cache that other programs keep: finding a model in it, and saying what is missing. */
#include "world.h"

static const char commit[] = "0123456789abcdef0123456789abcdef01234567";

static void make_hub(const world *w)
{
    char snapshot[512], link[600];
    rg_err e = RG_ERR_INIT;
    OK(rg_mkdirs(at(w, "hub/models--rung-org--fake-GGUF/blobs"), &e), e);
    OK(rg_mkdirs(at(w, "hub/models--rung-org--fake-GGUF/refs"), &e), e);
    snprintf(snapshot, sizeof snapshot, "%s/hub/models--rung-org--fake-GGUF/snapshots/%s", w->dir, commit);
    OK(rg_mkdirs(snapshot, &e), e);
    put_text(at(w, "hub/models--rung-org--fake-GGUF/refs/main"), commit);
    put_file(at(w, "hub/models--rung-org--fake-GGUF/blobs/aa"), w->bytes, WHOLE, 0600);
    put_text(at(w, "hub/models--rung-org--fake-GGUF/blobs/bb"), "another");
    snprintf(link, sizeof link, "%s/fake-q4_k_m.gguf", snapshot);
    CHECK(symlink("../../blobs/aa", link) == 0);
    snprintf(link, sizeof link, "%s/fake-q2_k.gguf", snapshot);
    CHECK(symlink("../../blobs/bb", link) == 0);
    snprintf(link, sizeof link, "%s/outside-q8_0.gguf", snapshot);
    CHECK(symlink("/etc/passwd", link) == 0);
    snprintf(link, sizeof link, "%s/big-q5_0-00001-of-00002.gguf", snapshot);
    CHECK(symlink("../../blobs/bb", link) == 0);
}

TEST(the_hub_cache_is_asked_before_any_network)
{
    world w;
    rg_err e = RG_ERR_INIT;
    make_world(&w);
    make_hub(&w);
    OK(pull(&w, NULL, &e), e);
    assert_string_equal(log_of(&w), "");
    drop(w.dir);
}

TEST(a_reference_finds_its_file_in_the_hub_cache)
{
    static const struct {
        const char *given, *file;
    } good[] = {
        { "rung-org/fake-GGUF", "fake-q4_k_m.gguf" },
        { "rung-org/fake-GGUF:Q4_K_M", "fake-q4_k_m.gguf" },
        { "rung-org/fake-GGUF:q2_K", "fake-q2_k.gguf" },
        { "rung-org/fake-GGUF@main:q2_k", "fake-q2_k.gguf" },
        { "rung-org/fake-GGUF@0123456789abcdef0123456789abcdef01234567", "fake-q4_k_m.gguf" },
    };
    static const struct {
        const char *given, *says;
    } bad[] = {
        { "rung-org/fake-GGUF:Q4_K", "no .gguf file of quantisation Q4_K" },
        { "rung-org/fake-GGUF:Q8_0", "leads out of the hub cache" },
        { "rung-org/fake-GGUF:Q5_0", "is not complete, it lacks big-q5_0-00002-of-00002.gguf" },
        { "rung-org/fake-GGUF@other", "no revision other" },
        { "rung-org/absent", "not in the hub cache" },
        { "../fake-GGUF", "not of the form" },
        { "rung-org/..", "not of the form" },
        { "rung-org/fake-GGUF@..", "not of the form" },
        { "rung-org/a/b", "not of the form" },
        { "/no/such/file.gguf", "no file /no/such/file.gguf" },
    };
    world w;
    make_world(&w);
    make_hub(&w);
    for (size_t i = 0; i < COUNT(good); i++) {
        rg_err e = RG_ERR_INIT;
        char *path = NULL;
        OK(rg_model_resolve(&path, good[i].given, &e), e);
        assert_string_equal(strrchr(path, '/') + 1, good[i].file);
        rg_free(path);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        rg_err e = RG_ERR_INIT;
        char *path = NULL;
        CHECK(rg_model_resolve(&path, bad[i].given, &e) == RG_EARG);
        CHECK(path == NULL);
        if (!strstr(e.msg, bad[i].says))
            fail_msg("%s: %s", bad[i].given, e.msg);
    }
    put_text(at(&w, "hub/models--rung-org--fake-GGUF/refs/main"), "../../../../../etc");
    rg_err e = RG_ERR_INIT;
    char *path = NULL;
    CHECK(rg_model_resolve(&path, "rung-org/fake-GGUF", &e) == RG_EARG);
    CHECK(strstr(e.msg, "does not hold a commit id") != NULL);
    drop(w.dir);
}

/* ---- what a snapshot holds ---- */

static const char *snap(const world *w, const char *rel)
{
    static char path[8][700];
    static int turn;
    char *p = path[turn++ % 8];
    snprintf(p, sizeof path[0], "%s/hub/models--rung-org--real/snapshots/%s%s%s", w->dir, commit,
             *rel ? "/" : "", rel);
    return p;
}

/* An empty snapshot of rung-org/real. */
static void make_snapshot(world *w)
{
    rg_err e = RG_ERR_INIT;
    make_world(w);
    OK(rg_mkdirs(snap(w, ""), &e), e);
    OK(rg_mkdirs(at(w, "hub/models--rung-org--real/refs"), &e), e);
    OK(rg_mkdirs(at(w, "hub/models--rung-org--real/trees"), &e), e);
    put_text(at(w, "hub/models--rung-org--real/refs/main"), commit);
}

static void put_tree(const world *w, const char *files)
{
    char path[700], text[1024];
    snprintf(path, sizeof path, "%s/hub/models--rung-org--real/trees/%s.json", w->dir, commit);
    snprintf(text, sizeof text, "{\"format_version\": 1, \"files\": {%s}}", files);
    put_text(path, text);
}

static void finds(const char *given, const char *want)
{
    rg_err e = RG_ERR_INIT;
    char *path = NULL;
    OK(rg_model_resolve(&path, given, &e), e);
    assert_string_equal(path, want);
    rg_free(path);
}

static void says(const char *given, const char *words)
{
    rg_err e = RG_ERR_INIT;
    char *path = NULL;
    CHECK(rg_model_resolve(&path, given, &e) == RG_EARG && path == NULL);
    if (strstr(e.msg, words) == NULL)
        fail_msg("\"%s\" is not in: %s", words, e.msg);
}

TEST(a_snapshot_with_a_configuration_is_a_folder)
{
    world w;
    make_snapshot(&w);
    put_text(snap(&w, "config.json"), "{}");
    put_text(snap(&w, "model.safetensors"), "12345");
    finds("rung-org/real", snap(&w, ""));
    put_tree(&w, "\"config.json\":{\"size\":2},\"model.safetensors\":{\"size\":130,\"lfs_size\":5},"
                 "\"README.md\":{\"size\":99},\"consolidated.safetensors\":{\"size\":7}");
    finds("rung-org/real", snap(&w, "")); /* what is not of the folder need not be there */
    says("rung-org/real:Q4_0", "no .gguf file of quantisation Q4_0");
    put_text(snap(&w, "model.safetensors"), "1234");
    says("rung-org/real", "is not complete, it lacks model.safetensors (4 of 5 bytes): download it again");
    put_tree(&w, "\"config.json\":{\"size\":2},\"model-1.safetensors\":{\"size\":5},"
                 "\"model-2.safetensors\":{\"size\":5},\"tokenizer.json\":{\"size\":5}");
    says("rung-org/real", "it lacks model-1.safetensors, model-2.safetensors, tokenizer.json");
    unlink(snap(&w, "model.safetensors"));
    CHECK(symlink("/etc/passwd", snap(&w, "model.safetensors")) == 0);
    put_tree(&w, "\"config.json\":{\"size\":2}");
    says("rung-org/real", "leads out of the hub cache");
    drop(w.dir);
}

TEST(a_listing_that_says_nothing_is_passed_over)
{
    world w;
    char path[700];
    make_snapshot(&w);
    put_text(snap(&w, "config.json"), "{}");
    snprintf(path, sizeof path, "%s/hub/models--rung-org--real/trees/%s.json", w.dir, commit);
    static const char *const texts[] = { "{", "[]",
                                         "{\"format_version\": 2, \"files\": {\"model.safetensors\": 1}}",
                                         "{\"format_version\": 1}" };
    for (size_t i = 0; i < COUNT(texts); i++) {
        put_text(path, texts[i]);
        finds("rung-org/real", snap(&w, ""));
    }
    drop(w.dir);
}

TEST(gguf_files_go_before_a_folder_and_shards_count_as_one)
{
    world w;
    rg_err e = RG_ERR_INIT;
    make_snapshot(&w);
    put_text(snap(&w, "config.json"), "{}");
    put_text(snap(&w, "mmproj-f16.gguf"), "x");
    put_text(snap(&w, "z-Q8_0.gguf"), "x");
    finds("rung-org/real", snap(&w, "z-Q8_0.gguf"));
    OK(rg_mkdirs(snap(&w, "big"), &e), e);
    put_text(snap(&w, "big/m-Q4_K_M-00001-of-00002.gguf"), "x");
    says("rung-org/real", "it lacks big/m-Q4_K_M-00002-of-00002.gguf");
    put_text(snap(&w, "big/m-Q4_K_M-00002-of-00002.gguf"), "x");
    finds("rung-org/real", snap(&w, "big/m-Q4_K_M-00001-of-00002.gguf"));
    finds("rung-org/real:q8_0", snap(&w, "z-Q8_0.gguf"));
    put_tree(&w, "\"m-Q2_K.gguf\":{\"size\":5},\"z-Q8_0.gguf\":{\"size\":1}");
    finds("rung-org/real:q8_0", snap(&w, "z-Q8_0.gguf"));
    says("rung-org/real:Q2_K", "it lacks m-Q2_K.gguf");
    drop(w.dir);
}

/* Every allocation refused in turn (in torture builds): an error, no leak, and then it works. */
TEST(running_out_of_memory_is_survived)
{
    world w;
    make_world(&w);
    make_hub(&w);
    for (long k = 0; k < 1000; k++) {
        rg_err e = RG_ERR_INIT;
        char *path = NULL;
        rg_alloc_fail_at(k);
        const rg_status s = rg_model_resolve(&path, "rung-org/fake-GGUF", &e);
        rg_alloc_fail_at(-1);
        CHECK((s == RG_OK) == (path != NULL) && (s == RG_OK || s == RG_ENOMEM));
        rg_free(path);
        if (s == RG_OK)
            break;
        CHECK(k < 999);
    }
    drop(w.dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hub_cache_is_asked_before_any_network),
        cmocka_unit_test(a_reference_finds_its_file_in_the_hub_cache),
        cmocka_unit_test(a_snapshot_with_a_configuration_is_a_folder),
        cmocka_unit_test(a_listing_that_says_nothing_is_passed_over),
        cmocka_unit_test(gguf_files_go_before_a_folder_and_shards_count_as_one),
        cmocka_unit_test(running_out_of_memory_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
