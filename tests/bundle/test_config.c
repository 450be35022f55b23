/* GGUF keys to a configuration: every architecture's, and those that are refused. */
#include "test.h"

#include <math.h>

#include "../format/gguf_build.h"
#include "rung/base/mem.h"
#include "rung/bundle/bundle.h"

typedef struct file { /* keys of a model of 8 layers, (n_vocab 50, n_embd 64), 4 heads */
    rg_buf keys;
    size_t n;
    char arch[16];
} file;

static const char *own(const file *f, const char *rest)
{
    static char name[96];
    snprintf(name, sizeof name, "%s.%s", f->arch, rest);
    return name;
}

static void add_u32(file *f, const char *rest, uint32_t v)
{
    gb_key_u32(&f->keys, own(f, rest), v);
    f->n++;
}

static void add_f32(file *f, const char *rest, float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    gb_key(&f->keys, own(f, rest), RG_GGUF_F32);
    gb_int(&f->keys, bits, 4);
    f->n++;
}

static void add_str(file *f, const char *rest, const char *v)
{
    gb_key_str(&f->keys, own(f, rest), v);
    f->n++;
}

/* 'w' has the window, '.' sees all. */
static void add_pattern(file *f, const char *flags, uint32_t kind)
{
    gb_key_array(&f->keys, own(f, "attention.sliding_window_pattern"), kind, strlen(flags));
    for (const char *p = flags; *p; p++)
        gb_int(&f->keys, *p == 'w', kind == RG_GGUF_BOOL ? 1 : 4);
    f->n++;
}

static file file_of(const char *arch)
{
    file f = { .keys = RG_BUF_MAX(1 << 16), .n = 1 };
    snprintf(f.arch, sizeof f.arch, "%s", arch);
    gb_key_str(&f.keys, "general.architecture", arch);
    add_u32(&f, "block_count", 8);
    add_u32(&f, "context_length", 4096);
    add_u32(&f, "embedding_length", 64);
    add_u32(&f, "feed_forward_length", 128);
    add_u32(&f, "attention.head_count", 4);
    return f;
}

/* Takes the file. */
static rg_status read_file(rg_model_config *c, file *f, rg_err *e)
{
    rg_buf b = RG_BUF_MAX(1 << 20);
    rg_gguf *g;
    gb_head(&b, 3, 1, f->n);
    rg_buf_put(&b, f->keys.p, f->keys.n);
    gb_tensor(&b, "token_embd.weight", 64, 50, RG_F32, 0);
    gb_pad(&b, 32);
    gb_zeros(&b, (size_t)64 * 50 * 4);
    rg_buf_free(&f->keys);
    OK(rg_gguf_open_memory(&g, b.p, b.n, e), *e);
    const rg_status s = rg_config_from_gguf(c, g, 50, e);
    rg_gguf_close(g);
    rg_buf_free(&b);
    return s;
}

static rg_model_config config_of(file f)
{
    rg_err e = RG_ERR_INIT;
    rg_model_config c;
    OK(read_file(&c, &f, &e), e);
    return c;
}

static void refused(file f, const char *word)
{
    rg_err e = RG_ERR_INIT;
    rg_model_config c;
    CHECK(read_file(&c, &f, &e) == RG_EFORMAT);
    if (strstr(e.msg, word) == NULL)
        fail_msg("no %s in: %s", word, e.msg);
}

TEST(architectures_have_their_choices)
{
    rg_model_config c = config_of(file_of("llama"));
    CHECK(!c.rope_neox && !c.qk_norm && !c.post_norms && !c.fused && c.mlp_act == RG_MLP_SILU);
    CHECK(c.n_vocab == 50 && c.head_dim == 16 && c.rope_dim == 16 && c.n_head_kv == 4);
    CHECK(c.rope_base == 1e4 && c.rope_factor == 1 && c.embd_scale == 0 && c.window == 0);
    c = config_of(file_of("mistral"));
    CHECK(c.rope_neox && !c.qk_norm);
    c = config_of(file_of("qwen3"));
    CHECK(c.rope_neox && c.qk_norm && !c.post_norms);
    c = config_of(file_of("phi3"));
    CHECK(c.rope_neox && c.fused);
    c = config_of(file_of("gemma3"));
    CHECK(c.qk_norm && c.post_norms && c.mlp_act == RG_MLP_GELU_TANH && c.embd_scale == 8.0f);
}

TEST(windows_and_their_layers)
{
    file f = file_of("gemma3");
    add_u32(&f, "attention.sliding_window", 512);
    rg_model_config c = config_of(f);
    CHECK(c.window == 512 && c.window_every == 6 && c.rope_base_local == 1e4);
    f = file_of("gemma3");
    add_u32(&f, "attention.sliding_window", 512);
    add_u32(&f, "attention.sliding_window_pattern", 4);
    add_f32(&f, "rope.freq_base_swa", 5000);
    c = config_of(f);
    CHECK(c.window_every == 4 && c.rope_base_local == 5000);
    f = file_of("llama");
    add_u32(&f, "attention.sliding_window", 100);
    c = config_of(f);
    CHECK(c.window == 100 && c.window_every == 0 && c.rope_base_local == 0);
    f = file_of("phi3");
    add_u32(&f, "attention.sliding_window", 0);
    CHECK(config_of(f).window == 0);
    f = file_of("qwen3");
    add_u32(&f, "attention.sliding_window", 100);
    refused(f, "sliding_window");
}

static file with_pattern(const char *flags, uint32_t kind)
{
    file f = file_of("gemma3");
    add_u32(&f, "attention.sliding_window", 512);
    add_pattern(&f, flags, kind);
    return f;
}

TEST(flags_per_layer_are_read_as_a_period)
{
    CHECK(config_of(with_pattern("ww.ww.ww", RG_GGUF_BOOL)).window_every == 3);
    CHECK(config_of(with_pattern("wwwww.ww", RG_GGUF_U32)).window_every == 6);
    CHECK(config_of(with_pattern("wwwwwwww", RG_GGUF_BOOL)).window_every == 0);
    CHECK(config_of(with_pattern("........", RG_GGUF_BOOL)).window_every == 1);
    refused(with_pattern("ww.w.www", RG_GGUF_BOOL), "layer 4");
    refused(with_pattern("ww.www.w", RG_GGUF_U32), "layer 5");
    refused(with_pattern("ww.ww.w", RG_GGUF_BOOL), "7 flags for 8 layers");
}

TEST(rope_scalings)
{
    file f = file_of("llama");
    add_f32(&f, "rope.scaling.factor", 4); /* without a type: linear */
    CHECK(config_of(f).rope_factor == 4);
    f = file_of("llama");
    add_str(&f, "rope.scaling.type", "none");
    add_f32(&f, "rope.scaling.factor", 4);
    CHECK(config_of(f).rope_factor == 1);
    f = file_of("phi3");
    add_f32(&f, "rope.scaling.attn_factor", 1.25f);
    add_u32(&f, "rope.scaling.original_context_length", 2048);
    rg_model_config c = config_of(f);
    CHECK(c.rope_attn_factor == 1.25 && c.rope_ctx_orig == 2048 && c.rope_factor == 1 &&
          c.rope_beta_fast == 0);
    f = file_of("qwen2");
    add_str(&f, "rope.scaling.type", "yarn");
    add_f32(&f, "rope.scaling.factor", 4);
    add_u32(&f, "rope.scaling.original_context_length", 1024);
    c = config_of(f);
    CHECK(c.rope_beta_fast == 32 && c.rope_beta_slow == 1 && c.rope_factor == 4 && c.rope_ctx_orig == 1024);
    CHECK(fabs(c.rope_attn_factor - 1.1386294) < 1e-6); /* 1 + 0.1 ln 4 */
    f = file_of("qwen2");
    add_str(&f, "rope.scaling.type", "yarn");
    add_f32(&f, "rope.scaling.factor", 4);
    add_f32(&f, "rope.scaling.yarn_attn_factor", 1);
    add_f32(&f, "rope.scaling.yarn_beta_fast", 16);
    c = config_of(f);
    CHECK(c.rope_attn_factor == 1 && c.rope_beta_fast == 16 && c.rope_ctx_orig == 4096);
    f = file_of("llama");
    add_str(&f, "rope.scaling.type", "dynamic");
    refused(f, "dynamic");
}

TEST(scales_of_gemma)
{
    file f = file_of("gemma3");
    add_f32(&f, "attention.scale", 0.125f);
    CHECK(config_of(f).attn_scale == 0.125f);
    f = file_of("gemma3");
    add_f32(&f, "final_logit_softcapping", 30);
    refused(f, "final_logit_softcapping");
    f = file_of("llama");
    add_u32(&f, "expert_count", 8);
    refused(f, "expert_count");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(architectures_have_their_choices),
        cmocka_unit_test(windows_and_their_layers),
        cmocka_unit_test(flags_per_layer_are_read_as_a_period),
        cmocka_unit_test(rope_scalings),
        cmocka_unit_test(scales_of_gemma),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
