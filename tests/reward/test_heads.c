/* Value heads: one set of numbers whatever the form of the files, every name they have in folders, what is
 * kept in 32 bits, and models that judge without speaking. */
#include "../bundle/folder_make.h"
#include "prm_cases.h"
#include "rung/bundle/convert.h"

static void judge_with(const char *path, const char *format, rg_judgement *out)
{
    json_t *all = prm_goldens();
    const prm_case c = prm_longest(all, format);
    rg_engine *x = tiny_engine(path, NULL, 1, (rg_lm_opt){ .exact = true });
    prm_whole(x, &c, out);
    rg_engine_close(x);
    json_decref(all);
}

/* most = 0: the same bits.  A llama's rows of q and k lie in another order in a folder, so its sums round
 * otherwise there: measured 4.7e-6 at most. */
static void same_scores(const rg_judgement *a, const rg_judgement *b, double most)
{
    for (size_t i = 0; i < 6; i++)
        if (!(fabs(a[i].r - b[i].r) <= most))
            fail_msg("step %zu: %.9g, not %.9g", i, b[i].r, a[i].r);
}

static const char *gguf(const char *model)
{
    static char path[4096];
    char rel[64];
    snprintf(rel, sizeof rel, "prm/%s.gguf", model);
    snprintf(path, sizeof path, "%s", test_file(rel));
    return path;
}

static void to_folder(const char *from, const char *to)
{
    rg_err e = RG_ERR_INIT;
    rg_convert_result r;
    rg_pool *pool;
    OK(rg_pool_new(&pool, 1, &e), e);
    OK(rg_model_to_folder(&r, from, to, &(rg_convert_opt){ 0 }, pool, NULL, &e), e);
    rg_pool_free(pool);
}

static void to_gguf(const char *from, const char *to, const char *mix)
{
    rg_err e = RG_ERR_INIT;
    rg_convert_result r;
    rg_pool *pool;
    const rg_convert_opt o = { .mix = mix == NULL ? NULL : rg_mix_find(mix), .force = true };
    OK(rg_pool_new(&pool, 1, &e), e);
    OK(rg_model_to_gguf(&r, from, to, &o, pool, NULL, &e), e);
    rg_pool_free(pool);
}

/* ---- forms ---- */

static void there_and_back(const char *model, const char *format, double most)
{
    const scratch s = scratch_new();
    char folder[4096], back[4096];
    rg_judgement a[MAX_STEPS], b[MAX_STEPS], c[MAX_STEPS];
    snprintf(folder, sizeof folder, "%s", in(&s, "model"));
    snprintf(back, sizeof back, "%s", in(&s, "back.gguf"));
    to_folder(gguf(model), folder);
    to_gguf(folder, back, NULL);
    judge_with(gguf(model), format, a);
    judge_with(folder, format, b);
    judge_with(back, format, c);
    same_scores(a, b, most);
    same_scores(a, c, 0);
    drop(s.dir);
}

TEST(a_head_goes_from_form_to_form)
{
    there_and_back("head2", "qwen", 0);
    there_and_back("value", "pqm", 5e-5);
}

TEST(a_quantised_model_keeps_its_head)
{
    rg_err e = RG_ERR_INIT;
    const scratch s = scratch_new();
    rg_files *f;
    char path[4096];
    snprintf(path, sizeof path, "%s", in(&s, "q8.gguf"));
    to_gguf(gguf("head2"), path, "Q8_0");
    OK(rg_files_open(&f, path, &e), e);
    CHECK(rg_files_find(f, "cls.weight")->type == RG_F32);
    CHECK(rg_files_find(f, "cls.output.weight")->type == RG_F32);
    CHECK(rg_files_find(f, "blk.0.attn_q.weight")->type == RG_Q8_0);
    rg_files_close(f);
    drop(s.dir);
}

/* ---- names in folders ---- */

/* model.safetensors with every tensor that begins with `from` beginning with `to` instead. */
static void rename_head(const scratch *s, const char *from, const char *to)
{
    char a[64], b[64];
    static const char *const part[] = { "weight", "bias" };
    for (size_t i = 0; i < 2; i++) {
        snprintf(a, sizeof a, "%s.%s", from, part[i]);
        snprintf(b, sizeof b, "%s.%s", to, part[i]);
        edit_weights(s, &(edit){ a, RENAME, b });
    }
}

static scratch inside(const scratch *s)
{
    scratch inner;
    const int n = snprintf(inner.dir, sizeof inner.dir, "%.200s/model", s->dir);
    CHECK(n > 0 && (size_t)n < sizeof inner.dir);
    return inner;
}

static scratch value_folder(void)
{
    scratch s = scratch_new();
    to_folder(gguf("value"), in(&s, "model"));
    return s;
}

TEST(every_name_of_a_head_is_known)
{
    static const char *const names[] = { "score", "v_head.summary", "v_head", "value_head" };
    rg_judgement want[MAX_STEPS], got[MAX_STEPS];
    scratch s = value_folder();
    const scratch inner = inside(&s);
    const char *folder = inner.dir;
    judge_with(folder, "pqm", want);
    for (size_t i = 1; i < COUNT(names); i++) {
        rename_head(&inner, names[i - 1], names[i]);
        judge_with(folder, "pqm", got);
        same_scores(want, got, 0);
    }
    drop(s.dir);
}

static void refuse(const char *path, const char *word, const char *too)
{
    rg_err e = RG_ERR_INIT;
    rg_engine *x;
    CHECK(rg_engine_open(&x, &(rg_engine_opt){ .model = path, .threads = 1 }, NULL, &e) == RG_EFORMAT);
    if (strstr(e.msg, word) == NULL || strstr(e.msg, too) == NULL)
        fail_msg("no %s, %s in: %s", word, too, e.msg);
}

TEST(a_class_with_a_head_wants_one)
{
    scratch s = value_folder();
    const scratch inner = inside(&s);
    const char *folder = inner.dir;
    edit_weights(&inner, &(edit){ "score.weight", TRANSPOSE, NULL });
    refuse(folder, "score.weight", "transposed");
    edit_weights(&inner, &(edit){ "score.weight", REMOVE, NULL });
    refuse(folder, "LlamaForTokenClassification", "v_head.summary");
    drop(s.dir);
}

/* ---- memory, and speaking ---- */

TEST(a_head_is_counted_and_its_embedding_stays_in_the_file)
{
    rg_err e = RG_ERR_INIT;
    rg_files *f;
    uint64_t with, labels;
    OK(rg_files_open(&f, gguf("value"), &e), e);
    OK(rg_predict_memory(&with, f, &e), e);
    rg_files_close(f);
    OK(rg_files_open(&f, gguf("labels"), &e), e);
    OK(rg_predict_memory(&labels, f, &e), e);
    rg_files_close(f);
    /* the same blocks; an output matrix of 310 x 32 in 16 bits, in panels of 16 rows, against 33 floats */
    CHECK(labels - with == 320 * 32 * 2 - 33 * 4);
}

TEST(a_model_without_an_output_matrix_judges_and_does_not_speak)
{
    rg_err e = RG_ERR_INIT;
    rg_engine *x = tiny_engine(gguf("value"), NULL, 1, (rg_lm_opt){ 0 });
    rg_lm *lm = rg_engine_lm(x);
    const int32_t id[3] = { 5, 6, 7 };
    const size_t at = 2;
    float value = NAN, logp[3];
    CHECK(rg_lm_n_values(lm) == 1);
    rg_lm_node *root = rg_lm_root(lm);
    rg_score sc = { .from = root, .id = id, .n = 3, .first = 3, .at = &at, .n_at = 1, .at_value = &value };
    OK(rg_lm_score(lm, &sc, 1, NULL, &e), e);
    CHECK(isfinite(value));
    sc = (rg_score){ .from = root, .id = id, .n = 3, .first = 1, .logp = logp };
    CHECK(rg_lm_score(lm, &sc, 1, NULL, &e) == RG_EARG);
    CHECK(strstr(e.msg, "no output matrix") != NULL && strstr(e.msg, "prm, orm") != NULL);
    rg_lm_node *node = tiny_node(lm, id, 3);
    const rg_sampling greedy = { .temp = 0, .top_p = 1, .repeat_penalty = 1 };
    kept k = { 0 };
    const rg_gen g = { .from = node, .sampling = &greedy, .max_tokens = 2 };
    rg_err_clear(&e);
    CHECK(rg_lm_generate(lm, &g, 1, keep, &k, NULL, &e) == RG_EARG);
    CHECK(strstr(e.msg, "no output matrix") != NULL);
    rg_lm_release(k.node);
    rg_lm_release(node);
    rg_lm_release(root);
    rg_engine_close(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_goes_from_form_to_form),
        cmocka_unit_test(a_quantised_model_keeps_its_head),
        cmocka_unit_test(every_name_of_a_head_is_known),
        cmocka_unit_test(a_class_with_a_head_wants_one),
        cmocka_unit_test(a_head_is_counted_and_its_embedding_stays_in_the_file),
        cmocka_unit_test(a_model_without_an_output_matrix_judges_and_does_not_speak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
