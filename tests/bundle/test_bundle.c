/* Opening a model whole, and what damaged copies of a tiny one say: each its own sentence, with
 * the number, the name and the remedy. */
#include "rung/base/file.h"
#include "rung/base/mem.h"
#include "rung/bundle/bundle.h"
#include "test.h"

typedef struct copy { /* a file in memory, to be damaged */
    char *p;
    size_t n;
} copy;

static copy read_tiny(const char *name)
{
    rg_err e = RG_ERR_INIT;
    copy c;
    char rel[64];
    snprintf(rel, sizeof rel, "tiny/%s.gguf", name);
    OK(rg_read_all(&c.p, &c.n, test_file(rel), 1 << 20, &e), e);
    return c;
}

/* Where the bytes behind the length-prefixed string `s` begin: a tensor's shape, a key's value. */
static size_t behind(const copy *c, const char *s)
{
    const uint64_t n = strlen(s);
    for (size_t i = 0; i + 8 + n <= c->n; i++)
        if (memcmp(c->p + i, &n, 8) == 0 && memcmp(c->p + i + 8, s, n) == 0)
            return i + 8 + n;
    fail_msg("no string %s in the file", s);
    return 0;
}

static void rename_to(copy *c, const char *from, const char *to)
{
    CHECK(strlen(from) == strlen(to));
    memcpy(c->p + behind(c, from) - strlen(to), to, strlen(to));
}

/* The u32 value of a key, behind its type. */
static void set_u32(copy *c, const char *key, uint32_t v)
{
    memcpy(c->p + behind(c, key) + 4, &v, 4);
}

static void set_f32(copy *c, const char *key, float v)
{
    memcpy(c->p + behind(c, key) + 4, &v, 4);
}

/* A matrix's entry: u32 dimensions, u64 columns, u64 rows, u32 type, u64 offset. */
static void transpose(copy *c, const char *tensor)
{
    char *cols = c->p + behind(c, tensor) + 4, keep[8];
    memcpy(keep, cols, 8);
    memcpy(cols, cols + 8, 8);
    memcpy(cols + 8, keep, 8);
}

static void set_type(copy *c, const char *tensor, uint32_t type)
{
    memcpy(c->p + behind(c, tensor) + 20, &type, 4);
}

/* Shortens the string behind a key; the header shrinks by a few bytes, and the entry of the key
 * `pad` (a string too) grows by as many, so that the data stay where they are. */
static void shorten(copy *c, const char *key, const char *old, const char *now, const char *pad)
{
    const uint64_t n = strlen(now);
    const size_t gone = strlen(old) - strlen(now), at = behind(c, key) + 4, grown = behind(c, pad) + 4;
    uint64_t pad_n;
    CHECK(memcmp(c->p + at + 8, old, strlen(old)) == 0 && grown > at);
    memcpy(c->p + at, &n, 8);
    memcpy(c->p + at + 8, now, n);
    memcpy(&pad_n, c->p + grown, 8);
    const size_t from = at + 8 + strlen(old), to = grown + 8 + pad_n;
    memmove(c->p + from - gone, c->p + from, to - from);
    pad_n += gone;
    memcpy(c->p + grown - gone, &pad_n, 8);
    memset(c->p + to - gone, ' ', gone);
}

static rg_status open_copy(rg_bundle **b, const copy *c, rg_err *e)
{
    char path[] = "/tmp/rung-test-bundle-XXXXXX";
    const int fd = mkstemp(path);
    CHECK(fd >= 0);
    FILE *f = fdopen(fd, "wb");
    CHECK(f != NULL && fwrite(c->p, 1, c->n, f) == c->n && fclose(f) == 0);
    rg_pool *pool;
    OK(rg_pool_new(&pool, 1, e), *e);
    const rg_status s = rg_bundle_open(b, path, pool, NULL, e);
    rg_pool_free(pool);
    remove(path);
    return s;
}

/* The copy must be refused with a sentence that holds every word. */
static void refused(copy c, const char *const *word, size_t n)
{
    rg_err e = RG_ERR_INIT;
    rg_bundle *b;
    CHECK(open_copy(&b, &c, &e) == RG_EFORMAT && b == NULL);
    for (size_t i = 0; i < n; i++)
        if (strstr(e.msg, word[i]) == NULL)
            fail_msg("\"%s\" is not in: %s", word[i], e.msg);
    CHECK(strchr(e.msg, '\n') == NULL && strncmp(e.msg, "/tmp/rung-test-bundle-", 22) == 0);
    rg_free(c.p);
}

#define REFUSED(c, ...)                                                                                      \
    refused(c, (const char *const[]){ __VA_ARGS__ }, COUNT(((const char *const[]){ __VA_ARGS__ })))

TEST(a_tensor_that_is_missing_is_named)
{
    copy c = read_tiny("llama_norm");
    rename_to(&c, "blk.1.ffn_up.weight", "blk.1.ffn_uq.weight");
    REFUSED(c, "blk.1.ffn_up.weight", "missing", "whole");
    c = read_tiny("llama_norm");
    rename_to(&c, "token_embd.weight", "token_embb.weight");
    REFUSED(c, "token_embd.weight", "missing");
}

TEST(a_shape_that_does_not_fit_the_keys_is_shown_beside_the_right_one)
{
    copy c = read_tiny("llama_norm");
    transpose(&c, "blk.0.attn_k.weight");
    REFUSED(c, "blk.0.attn_k.weight", "(64, 32)", "(32, 64)");
    c = read_tiny("llama_norm");
    set_u32(&c, "llama.feed_forward_length", 128);
    REFUSED(c, "ffn_gate.weight", "(96, 64)", "(128, 64)");
}

TEST(a_tensor_without_a_place_is_not_ignored)
{
    copy c = read_tiny("llama3_rope");
    rename_to(&c, "rope_freqs.weight", "rope_freqz.weight");
    REFUSED(c, "rope_freqz.weight", "no place", "llama");
    c = read_tiny("qwen2");
    rename_to(&c, "blk.1.attn_k.bias", "blk.9.attn_k.bias");
    REFUSED(c, "blk.9.attn_k.bias", "no place", "qwen2");
}

TEST(a_vocabulary_of_another_size_is_refused)
{
    copy c = read_tiny("llama3_rope");
    transpose(&c, "token_embd.weight");
    REFUSED(c, "64 rows", "277 tokens");
}

TEST(an_unknown_architecture_lists_the_known_ones)
{
    copy c = read_tiny("llama_norm");
    const size_t at = behind(&c, "general.architecture") + 4 + 8;
    CHECK(memcmp(c.p + at, "llama", 5) == 0);
    memcpy(c.p + at, "mamba", 5);
    REFUSED(c, "mamba", "llama", "phi3");
}

TEST(a_type_that_does_not_run_is_named)
{
    copy c = read_tiny("llama_norm");
    set_type(&c, "blk.0.ffn_down.weight", 26);
    REFUSED(c, "blk.0.ffn_down.weight", "I32", "does not run");
    c = read_tiny("llama_norm");
    set_type(&c, "blk.0.ffn_down.weight", 4242);
    REFUSED(c, "blk.0.ffn_down.weight", "4242", "newer");
}

TEST(a_rope_scaling_that_is_not_done_is_refused)
{
    copy c = read_tiny("llama_linear");
    shorten(&c, "llama.rope.scaling.type", "linear", "su", "tokenizer.chat_template");
    REFUSED(c, "\"su\"", "longrope", "Llama 3");
}

TEST(keys_that_make_no_sense_have_their_own_sentences)
{
    copy c = read_tiny("llama_norm");
    rename_to(&c, "llama.block_count", "llama.block_counx");
    REFUSED(c, "llama.block_count", "missing");
    c = read_tiny("llama_norm");
    set_u32(&c, "llama.attention.head_count_kv", 3);
    REFUSED(c, "4 heads", "3 KV heads");
    c = read_tiny("llama_norm");
    set_u32(&c, "llama.attention.head_count", 0);
    REFUSED(c, "head_count", "0");
    c = read_tiny("llama_norm");
    set_u32(&c, "llama.attention.head_count", 16);
    set_u32(&c, "llama.rope.dimension_count", 4);
    REFUSED(c, "head size 4", "16");
    c = read_tiny("llama_norm");
    set_u32(&c, "llama.block_count", 2000000000);
    REFUSED(c, "llama.block_count", "2000000000");
    c = read_tiny("llama_norm");
    set_u32(&c, "llama.rope.dimension_count", 64);
    REFUSED(c, "rope dimensions", "64", "16");
    c = read_tiny("llama_linear");
    set_f32(&c, "llama.rope.scaling.factor", 0);
    REFUSED(c, "rope factor 0");
    c = read_tiny("llama_norm");
    set_f32(&c, "llama.rope.freq_base", -1);
    REFUSED(c, "rope base -1");
}

TEST(a_file_cut_short_is_refused)
{
    for (size_t cut = 1; cut < 400000; cut = cut * 3 + 1) {
        copy c = read_tiny("llama_norm");
        c.n -= RG_MIN(cut, c.n);
        REFUSED(c, "/tmp/");
    }
}

TEST(a_whole_model_says_what_it_is)
{
    rg_err e = RG_ERR_INIT;
    rg_bundle *b;
    copy c = read_tiny("qwen2_mixed");
    OK(open_copy(&b, &c, &e), e);
    const rg_model_config *m = rg_model_get_config(rg_bundle_model(b));
    CHECK(strcmp(m->arch, "qwen2") == 0 && m->rope_neox && m->n_layer == 2 && m->n_embd == 64);
    CHECK(m->n_head == 4 && m->n_head_kv == 2 && m->head_dim == 16 && m->n_ff == 96);
    CHECK(m->n_vocab == 277 && m->n_ctx == 256 && m->rope_base == 1e6 && m->rope_factor == 1);
    CHECK(rg_bundle_file_bytes(b) == c.n);
    const rg_template *t;
    OK(rg_bundle_template(&t, b, &e), e);
    CHECK(t != NULL);
    rg_bundle_close(b);
    rg_bundle_close(NULL);
    rg_free(c.p);
}

TEST(a_text_bundle_has_no_model)
{
    rg_err e = RG_ERR_INIT;
    rg_bundle *b;
    OK(rg_bundle_open_text(&b, test_file("tiny/llama_norm.gguf"), &e), e);
    CHECK(rg_bundle_model(b) == NULL && rg_vocab_size(rg_bundle_tokenizer(b)) == 277);
    assert_string_equal(rg_bundle_name(b), "llama_norm");
    rg_bundle_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tensor_that_is_missing_is_named),
        cmocka_unit_test(a_shape_that_does_not_fit_the_keys_is_shown_beside_the_right_one),
        cmocka_unit_test(a_tensor_without_a_place_is_not_ignored),
        cmocka_unit_test(a_vocabulary_of_another_size_is_refused),
        cmocka_unit_test(an_unknown_architecture_lists_the_known_ones),
        cmocka_unit_test(a_type_that_does_not_run_is_named),
        cmocka_unit_test(a_rope_scaling_that_is_not_done_is_refused),
        cmocka_unit_test(keys_that_make_no_sense_have_their_own_sentences),
        cmocka_unit_test(a_file_cut_short_is_refused),
        cmocka_unit_test(a_whole_model_says_what_it_is),
        cmocka_unit_test(a_text_bundle_has_no_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
