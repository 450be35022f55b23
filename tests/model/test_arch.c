/* Architectures as choices of one block: which tensors they want, what a window hides, which
 * frequencies a context chooses, and that a fused matrix is its parts. */
#include <math.h>

#include "toy_model.h"

enum { MAX_C = 256 };

static const char *const ARCHES[] = { "llama", "mistral", "qwen2", "qwen3", "gemma3", "phi3" };

static void start(toy *t, size_t threads, bool exact, size_t ctx)
{
    rg_err e = RG_ERR_INIT;
    toy_add_all(t);
    OK(toy_start(t, threads, exact, ctx, &e), e);
}

/* n positions in steps of `chunk`; the last hidden row. */
static void run_all(toy *t, size_t n, size_t chunk, float *hidden)
{
    rg_state *st = rg_state_root(t->store);
    for (size_t at = 0; at < n; at += chunk)
        toy_run(t, st, RG_MIN(chunk, n - at), hidden);
    rg_state_release(st);
}

static bool same(const float *a, const float *b, size_t n)
{
    return memcmp(a, b, n * sizeof *a) == 0;
}

/* ---- configuration and tensors ---- */

static void refuse(const char *arch, const char *missing, const char *extra, const char *word)
{
    rg_err e = RG_ERR_INIT;
    toy t;
    toy_new(&t, arch);
    t.missing = missing;
    toy_add_all(&t);
    if (extra != NULL)
        toy_add(&t, extra, 16, 48);
    if (toy_start(&t, 1, false, 64, &e) != RG_EFORMAT)
        fail_msg("%s without %s, with %s: not refused", arch, missing ? missing : "-", extra ? extra : "-");
    if (strstr(e.msg, word) == NULL)
        fail_msg("no %s in: %s", word, e.msg);
    toy_free(&t);
}

TEST(every_tensor_is_wanted_and_no_other)
{
    for (size_t i = 0; i < COUNT(ARCHES); i++) {
        refuse(ARCHES[i], "blk.1.ffn_up.weight", NULL, "blk.1.ffn_up.weight");
        refuse(ARCHES[i], "blk.0.attn_output.weight", NULL, "blk.0.attn_output.weight");
        refuse(ARCHES[i], NULL, "blk.0.ffn_gate_inp.weight", "no place");
    }
    refuse("qwen3", "blk.1.attn_q_norm.weight", NULL, "blk.1.attn_q_norm.weight");
    refuse("gemma3", "blk.0.post_ffw_norm.weight", NULL, "blk.0.post_ffw_norm.weight");
    refuse("phi3", "blk.0.attn_qkv.weight", NULL, "blk.0.attn_qkv.weight");
    refuse("llama", NULL, "blk.0.attn_qkv.weight", "no place");
    refuse("phi3", NULL, "blk.0.attn_q.weight", "no place");
}

TEST(an_unknown_architecture_is_named_with_those_that_run)
{
    rg_err e = RG_ERR_INIT;
    rg_model_config c = { .n_layer = 0 };
    CHECK(rg_model_config_arch(&c, "gpt-j", &e) == RG_EFORMAT);
    CHECK(strstr(e.msg, "gpt-j") != NULL);
    for (size_t i = 0; i < COUNT(ARCHES); i++)
        CHECK(strstr(e.msg, ARCHES[i]) != NULL);
}

static void refuse_config(rg_model_config c, const char *word)
{
    rg_err e = RG_ERR_INIT;
    CHECK(rg_model_config_check(&c, &e) == RG_EFORMAT);
    if (strstr(e.msg, word) == NULL)
        fail_msg("no %s in: %s", word, e.msg);
}

TEST(numbers_that_make_no_sense_are_refused)
{
    rg_err e = RG_ERR_INIT;
    toy t;
    toy_new(&t, "gemma3");
    const rg_model_config good = t.c;
    OK(rg_model_config_check(&good, &e), e);
    rg_model_config c = good;
    c.rope_base_local = 0.5;
    refuse_config(c, "0.5 with a window");
    c = good;
    c.rope_attn_factor = INFINITY;
    refuse_config(c, "attention factor");
    c = good;
    c.rope_beta_fast = 32;
    refuse_config(c, "betas");
    c.rope_beta_slow = 1;
    refuse_config(c, "original context");
    c.rope_ctx_orig = 64;
    OK(rg_model_config_check(&c, &e), e);
    c.rope_beta_slow = 33;
    refuse_config(c, "betas");
    c = good;
    c.embd_scale = NAN;
    refuse_config(c, "embedding scale");
    c = good;
    c.attn_scale = -1;
    refuse_config(c, "attention scale");
    toy_free(&t);
}

/* ---- windows ---- */

/* Position by position, layer by layer. */
static double slow_flops(const toy *t, size_t past, size_t n)
{
    double sum = 0;
    for (size_t layer = 0; layer < t->c.n_layer; layer++) {
        const bool whole = t->c.window == 0 ||
                           (t->c.window_every != 0 && layer % t->c.window_every == t->c.window_every - 1);
        for (size_t pos = past; pos < past + n; pos++)
            sum += (double)(whole ? pos + 1 : RG_MIN(pos + 1, t->c.window));
    }
    return 4 * (double)(t->c.n_head * t->c.head_dim) * sum;
}

TEST(arithmetic_is_counted_as_far_as_a_window_reaches)
{
    static const size_t windows[] = { 0, 1, 7, 64, 500 }, every[] = { 0, 1, 2, 3 };
    for (size_t i = 0; i < COUNT(windows); i++)
        for (size_t j = 0; j < COUNT(every); j++) {
            toy t;
            toy_new(&t, "gemma3");
            t.c.n_layer = 7;
            t.c.window = windows[i];
            t.c.window_every = every[j];
            start(&t, 1, false, 64);
            const double body = 2.0 * (double)rg_model_body_weights(t.m);
            for (size_t past = 0; past < 130; past += 13)
                CHECK(rg_model_flops(t.m, past, 10, 0) == 10 * body + slow_flops(&t, past, 10));
            toy_free(&t);
        }
}

/* What lies outside every window may be anything: nobody reads it. */
TEST(pages_outside_every_window_are_not_read)
{
    for (size_t window = 1; window <= 67; window += 11)
        for (int exact = 0; exact < 2; exact++) {
            toy t;
            float want[MAX_C], got[MAX_C];
            toy_new(&t, "mistral");
            t.c.window = window;
            start(&t, 2, exact, 256);
            rg_state *st = rg_state_root(t.store);
            toy_run(&t, st, 100, want);
            const size_t page_bytes = rg_kv_page_bytes(exact ? RG_F32 : RG_F16, t.c.head_dim);
            for (size_t page = 0; (page + 1) * RG_PAGE + window <= 101; page++)
                for (size_t i = 0; i < t.c.n_layer * t.c.n_head_kv; i++) {
                    memset(rg_state_k(st, page, i / 2, i % 2), 0xff, page_bytes); /* NaN */
                    memset(rg_state_v(st, page, i / 2, i % 2), 0xff, page_bytes);
                }
            toy_run(&t, st, 1, got);
            rg_state_release(st);
            run_all(&t, 101, 101, want);
            CHECK(same(got, want, t.c.n_embd));
            toy_free(&t);
        }
}

/* With a window as long as the sequence nothing is hidden; with a shorter one something is. */
TEST(a_window_hides_what_lies_before_it)
{
    float whole[MAX_C], window[MAX_C];
    for (size_t w = 0; w <= 80; w += 40) {
        toy t;
        toy_new(&t, "gemma3");
        t.c.window = w;
        start(&t, 1, true, 256);
        run_all(&t, 80, 80, w == 0 ? whole : window);
        CHECK(w == 0 || same(window, whole, t.c.n_embd) == (w == 80));
        toy_free(&t);
    }
}

/* ---- rotary positions ---- */

static void add_divisors(toy *t, const char *name, size_t at)
{
    static const float x[16] = { 1, 1.5f, 2, 3, 4, 6, 9, 13, 1, 1, 1.25f, 1.25f, 2, 2, 2.5f, 3 };
    toy_put(t, name, 1, 8, x + at);
}

/* Bits of a model whose only divisors are rope_freqs.weight, x[at..). */
static void with_divisors(float *hidden, size_t at)
{
    toy t;
    toy_new(&t, "phi3");
    add_divisors(&t, "rope_freqs.weight", at);
    start(&t, 1, true, 256);
    run_all(&t, 60, 60, hidden);
    toy_free(&t);
}

TEST(the_context_chooses_the_factors_of_longrope)
{
    float near[MAX_C], far[MAX_C], got[MAX_C];
    with_divisors(far, 0);
    with_divisors(near, 8);
    CHECK(!same(near, far, 48));
    for (size_t ctx = 63; ctx <= 65; ctx++) {
        toy t;
        toy_new(&t, "phi3");
        t.c.rope_ctx_orig = 64;
        add_divisors(&t, "rope_factors_long.weight", 0);
        add_divisors(&t, "rope_factors_short.weight", 8);
        start(&t, 1, true, ctx);
        run_all(&t, 60, 60, got);
        CHECK(same(got, ctx <= 64 ? near : far, 48));
        toy_free(&t);
    }
}

static void refuse_divisors(const char *a, const char *b, size_t ctx_orig, const char *word)
{
    rg_err e = RG_ERR_INIT;
    toy t;
    toy_new(&t, "llama");
    t.c.rope_ctx_orig = ctx_orig;
    toy_add_all(&t);
    add_divisors(&t, a, 0);
    if (b != NULL)
        add_divisors(&t, b, 0);
    CHECK(toy_start(&t, 1, false, 64, &e) == RG_EFORMAT);
    if (strstr(e.msg, word) == NULL)
        fail_msg("no %s in: %s", word, e.msg);
    toy_free(&t);
}

TEST(half_a_longrope_is_refused)
{
    refuse_divisors("rope_factors_long.weight", NULL, 64, "rope_factors_short.weight");
    refuse_divisors("rope_factors_short.weight", NULL, 64, "rope_factors_long.weight");
    refuse_divisors("rope_factors_short.weight", "rope_factors_long.weight", 0, "original context");
    refuse_divisors("rope_factors_short.weight", "rope_freqs.weight", 64, "rope_freqs.weight");
}

/* ---- shapes ---- */

TEST(a_fused_matrix_is_its_parts)
{
    float want[MAX_C], got[MAX_C];
    for (int exact = 0; exact < 2; exact++)
        for (int fused = 0; fused < 2; fused++) {
            toy t;
            toy_new(&t, "phi3"); /* inner width 40: the border of gate and up lies inside a panel */
            t.c.fused = fused;
            start(&t, 2, exact, 256);
            run_all(&t, 50, 50, fused ? got : want);
            if (fused)
                CHECK(same(got, want, t.c.n_embd));
            toy_free(&t);
        }
}

TEST(heads_of_every_size_give_one_set_of_bits)
{
    static const size_t dims[] = { 16, 64, 80, 96, 128, 256 };
    for (size_t i = 0; i < COUNT(ARCHES); i++)
        for (size_t d = 0; d < COUNT(dims); d++) {
            float want[MAX_C] = { 0 }, got[MAX_C];
            for (size_t threads = 1; threads <= 3; threads++) {
                toy t;
                toy_new(&t, ARCHES[i]);
                t.c.n_layer = 1;
                t.c.head_dim = dims[d];
                t.c.rope_dim = d % 2 ? dims[d] : dims[d] / 2;
                t.c.window = i % 2 ? 21 : 0;
                start(&t, threads, false, 256);
                run_all(&t, 71, threads == 2 ? 1 : 71, threads == 1 ? want : got);
                CHECK(isfinite(want[0]) && (threads == 1 || same(got, want, t.c.n_embd)));
                toy_free(&t);
            }
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_tensor_is_wanted_and_no_other),
        cmocka_unit_test(an_unknown_architecture_is_named_with_those_that_run),
        cmocka_unit_test(numbers_that_make_no_sense_are_refused),
        cmocka_unit_test(arithmetic_is_counted_as_far_as_a_window_reaches),
        cmocka_unit_test(pages_outside_every_window_are_not_read),
        cmocka_unit_test(a_window_hides_what_lies_before_it),
        cmocka_unit_test(the_context_chooses_the_factors_of_longrope),
        cmocka_unit_test(half_a_longrope_is_refused),
        cmocka_unit_test(a_fused_matrix_is_its_parts),
        cmocka_unit_test(heads_of_every_size_give_one_set_of_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
