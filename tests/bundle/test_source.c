/* What -m may say, and the table of known models. */
#include "world.h"

TEST(names_resolve_to_the_store_or_say_what_to_type)
{
    world w;
    rg_err e = RG_ERR_INIT;
    char *path = NULL;
    make_world(&w);
    CHECK(rg_model_resolve(&path, "smollm2-135m", &e) == RG_EARG);
    CHECK(strstr(e.msg, "`rung model pull smollm2-135m`") != NULL);
    rg_err_clear(&e);
    CHECK(rg_model_resolve(&path, NULL, &e) == RG_EARG);
    CHECK(strstr(e.msg, "`rung model pull qwen2.5-coder-0.5b`") != NULL);
    rg_err_clear(&e);
    CHECK(rg_model_resolve(&path, "smolm2-135m", &e) == RG_EARG);
    CHECK(strstr(e.msg, "smollm2-135m") && strstr(e.msg, "rung model pull"));
    rg_err_clear(&e);

    OK(rg_mkdirs(at(&w, "cache/rung/models"), &e), e);
    put_text(at(&w, "cache/rung/models/mine.gguf"), "GGUF");
    put_text(at(&w, "cache/rung/models/smollm2-135m.gguf.part"), "GG");
    OK(rg_model_resolve(&path, "mine", &e), e);
    assert_string_equal(path, at(&w, "cache/rung/models/mine.gguf"));
    rg_free(path);
    OK(rg_model_resolve(&path, at(&w, "cache/rung/models/mine.gguf"), &e), e);
    rg_free(path);
    CHECK(rg_model_resolve(&path, "smollm2-135m", &e) == RG_EARG); /* half a file is no file */

    OK(rg_mkdirs(at(&w, "cache/rung/models/ours"), (rg_err_clear(&e), &e)), e);
    CHECK(rg_model_resolve(&path, "ours", &e) == RG_EARG); /* an empty folder is no model */
    put_text(at(&w, "cache/rung/models/ours/config.json"), "{}");
    put_text(at(&w, "cache/rung/models/ours/model.safetensors"), "12345");
    OK(rg_model_resolve(&path, "ours", (rg_err_clear(&e), &e)), e);
    assert_string_equal(path, at(&w, "cache/rung/models/ours"));
    rg_free(path);

    rg_stored_model *list = NULL;
    size_t n = 0;
    rg_err_clear(&e);
    OK(rg_stored_models(&list, &n, &e), e);
    CHECK(n == 2 && strcmp(list[0].name, "mine") == 0 && list[0].bytes == 4);
    CHECK(strcmp(list[1].name, "ours") == 0 && list[1].bytes == 5);
    rg_stored_models_free(list, n);
    drop(w.dir);
}

TEST(the_table_of_known_models_is_sound)
{
    const rg_known_model *m;
    const size_t n = rg_known_models(&m);
    size_t defaults = 0;
    for (size_t i = 0; i < n; i++) {
        CHECK(rg__name_is_plain(rg_str_of(m[i].name)));
        CHECK(rg_known_model_find(m[i].name) == &m[i]);
        CHECK(rg_known_model_by_sha256(m[i].sha256) == &m[i]);
        CHECK(strlen(m[i].sha256) == 64 && strspn(m[i].sha256, "0123456789abcdef") == 64);
        CHECK((m[i].hub == NULL) == (m[i].hub_file == NULL));
        CHECK(m[i].n_parts == 1 || strstr(m[i].package, "%d"));
        defaults += m[i].is_default;
    }
    CHECK(defaults == 1);
    CHECK(rg_known_model_find("no such model") == NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_of_known_models_is_sound),
        cmocka_unit_test(names_resolve_to_the_store_or_say_what_to_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
