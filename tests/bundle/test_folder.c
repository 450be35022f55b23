/* Hugging Face folders: the tiny ones hold the same model as their GGUF form, whatever the
 * spelling; and what each kind of bad folder says. */
#include <math.h>

#include "folder_make.h"

static const edit none = { .name = "" };

static rg_files *opened(const char *path)
{
    rg_err e = RG_ERR_INIT;
    rg_files *f;
    OK(rg_files_open(&f, path, &e), e);
    return f;
}

/* ---- the same model ---- */

/* GGUF files of llama's architecture hold rows 0, 1, 2, ... of a head of q and k as 0, h/2, 1, h/2 + 1, ... */
static size_t row_in_gguf(size_t r, size_t head_dim)
{
    const size_t head = r / head_dim, i = r % head_dim, half = head_dim / 2;
    return head * head_dim + (i < half ? 2 * i : 2 * (i - half) + 1);
}

static void same_tensor(const rg_file_tensor *a, const rg_file_tensor *g, size_t permuted, float tolerance)
{
    CHECK(a->type == RG_F32 && g->type == RG_F32 && a->R == g->R && a->K == g->K && a->n_dims == g->n_dims);
    for (size_t r = 0; r < a->R; r++) {
        const float *x = (const float *)a->data + r * a->K;
        const float *y = (const float *)g->data + (permuted ? row_in_gguf(r, permuted) : r) * a->K;
        for (size_t k = 0; k < a->K; k++)
            if (fabsf(x[k] - y[k]) > tolerance * fabsf(y[k]))
                fail_msg("%s: row %zu, column %zu: %.9g, in the GGUF file %.9g", a->name, r, k, (double)x[k],
                         (double)y[k]);
    }
}

static void same_model(const char *path, const char *name, bool permuted)
{
    char gguf[64];
    rg_err e = RG_ERR_INIT;
    rg_model_config a, g;
    snprintf(gguf, sizeof gguf, "tiny/arch_%s.gguf", name);
    rg_files *folder = opened(path), *file = opened(test_file(gguf));
    OK(rg_files_config(&a, folder, &e), e);
    OK(rg_files_config(&g, file, &e), e);
    CHECK(rg_files_n(folder) == rg_files_n(file));
    for (size_t i = 0; i < rg_files_n(file); i++) {
        const rg_file_tensor *t = rg_files_at(file, i), *u = rg_files_find(folder, t->name);
        const bool qk = strstr(t->name, "attn_q.") != NULL || strstr(t->name, "attn_k.") != NULL;
        if (u == NULL)
            fail_msg("%s: no %s", name, t->name);
        /* the oracle computes Llama 3's divisors in double too: measured equal */
        same_tensor(u, t, permuted && qk ? a.head_dim : 0, 0.0f);
    }
    CHECK(a.n_layer == g.n_layer && a.n_embd == g.n_embd && a.n_head == g.n_head &&
          a.n_head_kv == g.n_head_kv);
    CHECK(a.head_dim == g.head_dim && a.n_ff == g.n_ff && a.n_vocab == g.n_vocab && a.n_ctx == g.n_ctx);
    CHECK(a.norm_eps == g.norm_eps && a.rope_dim == g.rope_dim && a.rope_base == g.rope_base);
    CHECK(a.rope_neox && g.rope_neox == !permuted && a.rope_factor == g.rope_factor);
    CHECK(a.rope_base_local == g.rope_base_local && a.window == g.window && a.window_every == g.window_every);
    CHECK(a.rope_ctx_orig == g.rope_ctx_orig && a.rope_beta_fast == g.rope_beta_fast);
    CHECK(a.rope_beta_slow == g.rope_beta_slow && a.qk_norm == g.qk_norm && a.post_norms == g.post_norms);
    const double fa = a.rope_attn_factor == 0 ? 1 : a.rope_attn_factor;
    const double fg = g.rope_attn_factor == 0 ? 1 : g.rope_attn_factor;
    CHECK(fabs(fa - fg) < 1e-7); /* the GGUF key is a float: measured 2e-8 */
    CHECK(a.fused == g.fused && a.mlp_act == g.mlp_act && a.embd_scale == g.embd_scale);
    CHECK(fabsf(a.attn_scale - g.attn_scale) < 1e-8f);
    rg_files_close(folder);
    rg_files_close(file);
}

static const struct {
    const char *name;
    bool permuted;
} tiny[] = { { "llama", true },   { "mistral", true }, { "qwen2", false },    { "qwen3", false },
             { "gemma3", false }, { "phi3", false },   { "phi3_long", false } };

TEST(a_folder_and_its_gguf_form_hold_the_same_model)
{
    for (size_t i = 0; i < COUNT(tiny); i++)
        same_model(tiny_folder(tiny[i].name, ""), tiny[i].name, tiny[i].permuted);
}

TEST(shards_are_joined_by_their_index)
{
    for (size_t i = 0; i < COUNT(tiny); i++) {
        scratch s = folder_copy(tiny[i].name);
        split_weights(&s, 3);
        same_model(s.dir, tiny[i].name, tiny[i].permuted);
        drop(s.dir);
    }
}

/* Gemma 3 with pictures: the text model stands under a prefix, its configuration in a part. */
TEST(the_text_model_of_one_with_pictures_is_found)
{
    static const char *const prefix[] = { "language_model.model.", "model.language_model." };
    for (size_t p = 0; p < COUNT(prefix); p++) {
        scratch s = folder_copy("gemma3");
        rg_err e = RG_ERR_INIT;
        rg_safet *all;
        char *config, to[RG_SAFET_MAX_NAME];
        size_t n;
        OK(rg_safet_open(&all, tiny_folder("gemma3", "model.safetensors"), &e), e);
        for (size_t i = 0; i < rg_safet_n(all); i++) {
            const char *name = rg_safet_at(all, i)->name.p;
            snprintf(to, sizeof to, "%s%s", prefix[p], name + strlen("model."));
            edit_weights(&s, &(edit){ .name = name, .how = RENAME, .to = to });
        }
        rg_safet_close(all);
        OK(rg_read_all(&config, &n, in(&s, "config.json"), 1 << 16, &e), e);
        put_text(in(&s, "config.json"), "{\"model_type\":\"gemma3\",\"vision_config\":{}}");
        set_member(&s, "config.json", "text_config", config);
        rg_free(config);
        same_model(s.dir, "gemma3", false);
        drop(s.dir);
    }
}

TEST(the_new_spelling_of_positions_means_the_same)
{
    scratch s = folder_copy("gemma3");
    set_member(&s, "config.json", "rope_theta", NULL);
    set_member(&s, "config.json", "rope_scaling", NULL);
    set_member(&s, "config.json", "rope_local_base_freq", NULL);
    set_member(&s, "config.json", "sliding_window_pattern", NULL);
    set_member(&s, "config.json", "layer_types", "[\"sliding_attention\",\"full_attention\"]");
    set_member(&s, "config.json", "rope_parameters",
               "{\"full_attention\":{\"rope_type\":\"linear\",\"factor\":8.0,\"rope_theta\":1000000.0},"
               "\"sliding_attention\":{\"rope_type\":\"default\",\"rope_theta\":10000.0}}");
    same_model(s.dir, "gemma3", false);
    drop(s.dir);
    s = folder_copy("llama");
    set_member(&s, "config.json", "rope_theta", NULL);
    set_member(&s, "config.json", "rope_scaling", NULL);
    set_member(&s, "config.json", "rope_parameters",
               "{\"rope_type\":\"llama3\",\"factor\":8.0,\"rope_theta\":10000.0,\"low_freq_factor\":1.0,"
               "\"high_freq_factor\":4.0,\"original_max_position_embeddings\":32}");
    same_model(s.dir, "llama", true);
    drop(s.dir);
}

TEST(a_second_copy_of_a_tied_matrix_is_left_out)
{
    scratch s = folder_copy("phi3");
    set_member(&s, "config.json", "tie_word_embeddings", "true");
    rg_files *f = opened(s.dir);
    CHECK(rg_files_find(f, "output.weight") == NULL && rg_files_find(f, "token_embd.weight") != NULL);
    rg_files_close(f);
    drop(s.dir);
}

/* ---- texts ---- */

static void template_is(const scratch *s, const char *want)
{
    rg_files *f = opened(s->dir);
    const rg_str t = rg_files_template(f);
    if (!rg_str_is(t, want))
        fail_msg("template is %.*s, not %s", (int)t.n, t.p, want);
    rg_files_close(f);
}

TEST(the_chat_template_is_the_files_else_the_default_one)
{
    scratch s = folder_copy("qwen2");
    template_is(&s, "");
    put_text(in(&s, "tokenizer_config.json"), "{\"chat_template\":\"A\"}");
    template_is(&s, "A");
    put_text(in(&s, "tokenizer_config.json"),
             "{\"chat_template\":[{\"name\":\"tool_use\",\"template\":\"T\"},"
             "{\"name\":\"default\",\"template\":\"D\"}]}");
    template_is(&s, "D");
    put_text(in(&s, "chat_template.jinja"), "J");
    template_is(&s, "J");
    drop(s.dir);
}

TEST(code_of_the_models_own_is_ignored_and_said)
{
    scratch s = folder_copy("qwen2");
    rg_files *f = opened(s.dir);
    CHECK(rg_files_note(f).n == 0);
    rg_files_close(f);
    set_member(&s, "config.json", "auto_map", "{\"AutoModel\":\"modeling.X\"}");
    f = opened(s.dir);
    CHECK(strstr(rg_files_note(f).p, "auto_map") != NULL);
    rg_files_close(f);
    drop(s.dir);
}

TEST(a_snapshot_is_called_by_its_repository)
{
    scratch s = scratch_new();
    rg_err e = RG_ERR_INIT;
    OK(rg_mkdirs(in(&s, "models--org--Tiny-1B/snapshots/0123456789abcdef0123456789abcdef01234567"), &e), e);
    const scratch snap = folder_copy("qwen2");
    const char *to = in(&s, "models--org--Tiny-1B/snapshots/0123456789abcdef0123456789abcdef01234567");
    CHECK(rename(snap.dir, to) == 0);
    rg_files *f = opened(to);
    CHECK(rg_str_is(rg_files_name(f), "Tiny-1B") && rg_str_is(rg_files_title(f), "Tiny-1B"));
    CHECK(rg_str_is(rg_files_architecture(f), "qwen2") && rg_files_gguf(f) == NULL);
    rg_files_close(f);
    drop(s.dir);
}

/* Any file that decides what the model does decides the hash; its place does not. */
TEST(the_hash_is_of_all_files)
{
    scratch a = folder_copy("qwen2"), b = folder_copy("qwen2");
    rg_err e = RG_ERR_INIT;
    char one[65], other[65];
    rg_files *f = opened(a.dir), *g = opened(b.dir);
    OK(rg_files_hash(one, f, false, &e), e);
    OK(rg_files_hash(other, g, false, &e), e);
    assert_string_equal(one, other);
    rg_files_close(g);
    put_text(in(&b, "generation_config.json"), "{\"eos_token_id\":[1,2]}");
    g = opened(b.dir);
    OK(rg_files_hash(other, g, false, &e), e);
    CHECK(strcmp(one, other) != 0);
    rg_files_close(f);
    rg_files_close(g);
    drop(a.dir);
    drop(b.dir);
}

/* ---- bad folders ---- */

static void refused(const scratch *s, const char *const *word, size_t n)
{
    rg_err e = RG_ERR_INIT;
    rg_files *f;
    const rg_status st = rg_files_open(&f, s->dir, &e);
    CHECK(st == RG_EFORMAT && f == NULL);
    for (size_t i = 0; i < n; i++)
        if (strstr(e.msg, word[i]) == NULL)
            fail_msg("\"%s\" is not in: %s", word[i], e.msg);
    CHECK(strchr(e.msg, '\n') == NULL && strstr(e.msg, s->dir) != NULL);
    drop(s->dir);
}

#define REFUSED(s, ...)                                                                                      \
    refused(&(s), (const char *const[]){ __VA_ARGS__ }, COUNT(((const char *const[]){ __VA_ARGS__ })))

static const struct {
    const char *folder, *key, *value, *says;
} bad_config[] = {
    { "llama", "model_type", "\"mamba\"",
      "model_type mamba is not one this engine runs (llama, mistral, qwen2" },
    { "llama", "model_type", NULL, "model_type is missing" },
    { "llama", "hidden_size", NULL, "hidden_size is missing" },
    { "llama", "hidden_size", "\"32\"", "hidden_size is no whole number" },
    { "llama", "hidden_size", "-1", "hidden_size is no whole number" },
    { "llama", "num_attention_heads", "0", "num_attention_heads is 0" },
    { "llama", "num_key_value_heads", "0", "KV heads: 0 is outside" },
    { "llama", "max_position_embeddings", "1073741824", "context length: 1073741824 is outside" },
    { "llama", "head_dim", "24", "head size 24" },
    { "llama", "rms_norm_eps", "\"small\"", "rms_norm_eps is no number" },
    { "llama", "attention_bias", "true", "attention_bias asks for something" },
    { "llama", "attention_bias", "1", "attention_bias is neither true nor false" },
    { "llama", "hidden_act", "\"gelu\"", "activation gelu is not the one" },
    { "llama", "quantization_config", "{\"quant_method\":\"gptq\",\"bits\":4}", "quantised by gptq" },
    { "llama", "quantization_config", "{\"bits\":4}", "quantised by an unnamed method" },
    { "llama", "rope_scaling", "{\"type\":\"dynamic\",\"factor\":2.0}", "rope scaling dynamic is not one" },
    { "llama", "rope_scaling", "{\"rope_type\":\"llama3\"}", "rope scaling llama3 has factor 0" },
    { "llama", "rope_scaling", "{\"type\":\"linear\",\"factor\":0.5}", "factor 0.5; it must be 1 or more" },
    { "llama", "rope_scaling", "3", "rope parameters are no object" },
    { "llama", "partial_rotary_factor", "3", "partial_rotary_factor is 3" },
    { "llama", "vocab_size", "68",
      "tensor model.embed_tokens.weight is (67, 32), config.json asks for (68, 32)" },
    { "llama", "intermediate_size", "48",
      "asks for (32, 48) by hidden_size and intermediate_size: is config.json of another size" },
    { "llama", "num_hidden_layers", "3",
      "tensor model.layers.2.input_layernorm.weight is missing (config.json says "
      "3 layers)" },
    { "llama", "num_hidden_layers", "1", "is of layer 1, config.json says num_hidden_layers 1" },
    { "llama", "tie_word_embeddings", "false",
      "lm_head.weight is missing (config.json says 2 layers and "
      "tie_word_embeddings false)" },
    { "qwen2", "model_type", "\"qwen3\"", "has no place in architecture qwen3" },
    { "qwen3", "layer_types", "[\"full_attention\"]", "layer_types has 1 entries for 2 layers" },
    { "qwen3", "layer_types", "[\"full_attention\",\"chunked_attention\"]",
      "\"chunked_attention\", which is not" },
    { "gemma3", "final_logit_softcapping", "30.0", "final_logit_softcapping asks for something" },
    { "gemma3", "query_pre_attn_scalar", "0", "query_pre_attn_scalar is 0" },
    { "phi3_long", "partial_rotary_factor", "1.0",
      "long_factor has 6 numbers, half the rotary dimensions are 8" },
    { "phi3_long", "rope_scaling",
      "{\"type\":\"longrope\",\"short_factor\":[1,1,1,1,1,0],\"long_factor\":[1,1,1,1,1,1]}",
      "short_factor has something else than a positive number at 5" },
};

TEST(a_senseless_configuration_names_its_member)
{
    for (size_t i = 0; i < COUNT(bad_config); i++) {
        scratch s = folder_copy(bad_config[i].folder);
        set_member(&s, "config.json", bad_config[i].key, bad_config[i].value);
        REFUSED(s, bad_config[i].says);
    }
}

TEST(texts_that_are_not_what_they_should_be_are_named)
{
    static const struct {
        const char *file, *text, *says;
    } c[] = { { "config.json", "{", "config.json is not JSON: line 1" },
              { "config.json", "[]", "config.json is not an object" },
              { "tokenizer_config.json", "{\"chat_template\":3}",
                "chat_template is neither a text nor a list" },
              { "tokenizer_config.json", "{\"a\":1,\"a\":2}", "tokenizer_config.json is not JSON" },
              { "generation_config.json", "{\"eos_token_id\":\"x\"}", "eos_token_id is no token id" },
              { "generation_config.json", "{\"eos_token_id\":[1,-1]}", "eos_token_id is no token id" } };
    for (size_t i = 0; i < COUNT(c); i++) {
        scratch s = folder_copy("qwen2");
        put_text(in(&s, c[i].file), c[i].text);
        REFUSED(s, c[i].says);
    }
}

TEST(a_tensor_that_does_not_fit_names_both_shapes_and_the_cause)
{
    static const struct {
        edit x;
        const char *says;
    } c[] = {
        { { "model.layers.1.mlp.up_proj.weight", REMOVE, NULL },
          "model.layers.1.mlp.up_proj.weight is missing" },
        { { "model.layers.0.self_attn.k_proj.weight", TRANSPOSE, NULL },
          "model.layers.0.self_attn.k_proj.weight is (32, 16), config.json asks for (16, 32) by "
          "num_key_value_heads x head_dim and hidden_size: it looks transposed" },
        { { "model.layers.0.mlp.up_proj.weight", AS_VECTOR, NULL }, "has 1 dimensions, a matrix has 2" },
        { { "model.layers.0.mlp.up_proj.weight", AS_F64, NULL },
          "has dtype F64: of a folder F32, F16 and BF16" },
        { { "model.norm.weight", RENAME, "model.norm.gain" },
          "model.norm.gain has no place in architecture llama" },
        { { "model.norm.weight", RENAME, "model.layers.01.input_layernorm.weight" }, "has no place" },
        { { "model.norm.weight", RENAME, "model.layers.9.input_layernorm.weight" }, "is of layer 9" },
    };
    for (size_t i = 0; i < COUNT(c); i++) {
        scratch s = folder_copy("llama");
        edit_weights(&s, &c[i].x);
        REFUSED(s, c[i].says);
    }
}

TEST(missing_shards_are_all_listed)
{
    scratch s = folder_copy("llama");
    split_weights(&s, 6);
    unlink(in(&s, "model-00002-of-00006.safetensors"));
    unlink(in(&s, "model-00005-of-00006.safetensors"));
    REFUSED(s, "2 of the 6 files that model.safetensors.index.json names are missing: "
               "model-00002-of-00006.safetensors, model-00005-of-00006.safetensors");
    s = folder_copy("llama");
    split_weights(&s, 9);
    for (int i = 3; i <= 8; i++) {
        char file[64];
        snprintf(file, sizeof file, "model-%05d-of-00009.safetensors", i);
        unlink(in(&s, file));
    }
    REFUSED(s, "6 of the 9 files",
            "model-00003-of-00009.safetensors to model-00008-of-00009.safetensors (6 files)");
}

TEST(an_index_leads_to_plain_files_that_hold_what_it_says)
{
    static const struct {
        const char *index, *says;
    } c[] = { { "{}", "has no weight_map" },
              { "{\"weight_map\":{}}", "names 0 files" },
              { "{\"weight_map\":{\"a\":\"../x.safetensors\"}}", "which is no plain name" },
              { "{\"weight_map\":{\"a\":\"/etc/x.safetensors\"}}", "which is no plain name" },
              { "{\"weight_map\":{\"a\":\"sub/x.safetensors\"}}", "which is no plain name" },
              { "{\"weight_map\":{\"a\":\"x.bin\"}}", "which is no plain name" },
              { "{\"weight_map\":{\"a\":3}}", "which is no plain name" },
              { "{\"weight_map\":{\"a\":\"model-00001-of-00002.safetensors\"}}",
                "model-00001-of-00002.safetensors has no tensor a" } };
    for (size_t i = 0; i < COUNT(c); i++) {
        scratch s = folder_copy("llama");
        split_weights(&s, 2);
        put_text(in(&s, "model.safetensors.index.json"), c[i].index);
        REFUSED(s, c[i].says);
    }
}

TEST(a_tensor_in_two_shards_is_refused)
{
    scratch s = folder_copy("llama");
    rg_err e = RG_ERR_INIT;
    rg_safet *all;
    OK(rg_safet_open(&all, in(&s, "model.safetensors"), &e), e);
    split_weights(&s, 2);
    write_part(&s, all, 0, rg_safet_n(all), "model-00002-of-00002.safetensors", &none);
    rg_safet_close(all);
    REFUSED(s, "is there twice, in two files");
}

TEST(a_folder_in_another_form_says_the_way_out)
{
    scratch s = folder_copy("llama");
    unlink(in(&s, "config.json"));
    REFUSED(s, "config.json is missing beside the weights");
    s = folder_copy("llama");
    CHECK(rename(in(&s, "model.safetensors"), in(&s, "pytorch_model.bin")) == 0);
    REFUSED(s, "pickle files (pytorch_model.bin)", "runs the code in it", "save_pretrained", "GGUF");
    s = scratch_new();
    put_text(in(&s, "b.gguf"), "GGUF");
    put_text(in(&s, "a.gguf"), "GGUF");
    REFUSED(s, "holds GGUF files", "a.gguf");
    s = scratch_new();
    put_text(in(&s, "adapter_config.json"), "{}");
    REFUSED(s, "adapter", "merge");
    s = scratch_new();
    REFUSED(s, "no model");
    s = folder_copy("llama");
    CHECK(truncate(in(&s, "model.safetensors"), 20000) == 0);
    REFUSED(s, "model.safetensors", "cut short");
}

TEST(a_folder_without_weights_is_a_vocabulary)
{
    scratch s = folder_copy("llama");
    rg_err e = RG_ERR_INIT;
    rg_model_config c;
    unlink(in(&s, "model.safetensors"));
    rg_files *f = opened(s.dir);
    CHECK(rg_files_n(f) == 0 && rg_files_config(&c, f, &e) == RG_EFORMAT &&
          strstr(e.msg, "no weights") != NULL);
    rg_files_close(f);
    unlink(in(&s, "config.json"));
    f = opened(s.dir);
    rg_err_clear(&e);
    CHECK(rg_files_config(&c, f, &e) == RG_EFORMAT && strstr(e.msg, "no config.json") != NULL);
    rg_files_close(f);
    drop(s.dir);
}

/* Every allocation refused in turn (in torture builds): an error, no leak, and then it works. */
TEST(running_out_of_memory_is_survived)
{
    scratch s = folder_copy("gemma3");
    split_weights(&s, 2);
    for (long k = 0; k < 2000; k++) {
        rg_err e = RG_ERR_INIT;
        rg_files *f;
        rg_alloc_fail_at(k);
        const rg_status st = rg_files_open(&f, s.dir, &e);
        rg_alloc_fail_at(-1);
        if (st != RG_OK && st != RG_ENOMEM)
            fail_msg("%s", e.msg);
        rg_files_close(f);
        if (st == RG_OK)
            break;
        CHECK(k < 1999);
    }
    drop(s.dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_folder_and_its_gguf_form_hold_the_same_model),
        cmocka_unit_test(shards_are_joined_by_their_index),
        cmocka_unit_test(the_text_model_of_one_with_pictures_is_found),
        cmocka_unit_test(the_new_spelling_of_positions_means_the_same),
        cmocka_unit_test(a_second_copy_of_a_tied_matrix_is_left_out),
        cmocka_unit_test(the_chat_template_is_the_files_else_the_default_one),
        cmocka_unit_test(code_of_the_models_own_is_ignored_and_said),
        cmocka_unit_test(a_snapshot_is_called_by_its_repository),
        cmocka_unit_test(the_hash_is_of_all_files),
        cmocka_unit_test(a_senseless_configuration_names_its_member),
        cmocka_unit_test(texts_that_are_not_what_they_should_be_are_named),
        cmocka_unit_test(a_tensor_that_does_not_fit_names_both_shapes_and_the_cause),
        cmocka_unit_test(missing_shards_are_all_listed),
        cmocka_unit_test(an_index_leads_to_plain_files_that_hold_what_it_says),
        cmocka_unit_test(a_tensor_in_two_shards_is_refused),
        cmocka_unit_test(a_folder_in_another_form_says_the_way_out),
        cmocka_unit_test(a_folder_without_weights_is_a_vocabulary),
        cmocka_unit_test(running_out_of_memory_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
