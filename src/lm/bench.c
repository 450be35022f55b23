/* bench.c - rates of the whole engine, each beside the limit of the machine that binds it. */
#include "rung/lm/bench.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "rung/base/mem.h"
#include "rung/base/rng.h"
#include "rung/kernel/peak.h"

#include "engine_int.h"
#include "lm_int.h"

/* ---- limits ---- */

enum { READ_BYTES = 256 << 20, READ_PIECE = 1 << 20, PEAK_ROUNDS = 1000000, BEST_OF = 15 };

typedef double (*peak_fn)(rg_isa isa, size_t rounds);

typedef struct peak_job {
    rg_isa isa;
    peak_fn fn;
    const char *p;
    double ops[64];
} peak_job;

static void peak_task(void *arg, size_t begin, size_t end, size_t thread)
{
    peak_job *j = arg;
    (void)thread;
    for (size_t i = begin; i < end; i++)
        j->ops[i % 64] = j->fn(j->isa, PEAK_ROUNDS);
}

static void read_task(void *arg, size_t begin, size_t end, size_t thread)
{
    peak_job *j = arg;
    uint64_t x = 0;
    for (size_t i = begin; i < end; i++)
        x ^= rg_k_peak_read(j->p + i * READ_PIECE, READ_PIECE);
    j->ops[thread % 64] = (double)(x & 1);
}

static double peak_rate(const rg_engine *x, peak_fn fn)
{
    const size_t n = rg_pool_threads(x->pool);
    double best = 0;
    for (int i = 0; i < BEST_OF; i++) {
        peak_job j = { .isa = x->k.isa, .fn = fn };
        const int64_t t = rg_now_ns();
        rg_parallel(x->pool, n, 1, peak_task, &j);
        best = fmax(best, (double)n * j.ops[0] / ((double)(rg_now_ns() - t) * 1e-9));
    }
    return best;
}

rg_status rg_roofline_measure(rg_roofline *out, const rg_engine *x, rg_err *e)
{
    char *p = rg_alloc_aligned(READ_BYTES);
    if (p == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %d MiB to read", READ_BYTES >> 20);
    memset(p, 1, READ_BYTES);
    *out = (rg_roofline){ .i8_ops_s = peak_rate(x, rg_k_peak_i8),
                          .f32_flops_s = peak_rate(x, rg_k_peak_f32),
                          .bf16_flops_s = peak_rate(x, rg_k_peak_bf16),
                          .level = rg_isa_name(x->k.isa),
                          .threads = rg_pool_threads(x->pool) };
    for (int i = 0; i < BEST_OF; i++) {
        peak_job j = { .p = p };
        const int64_t t = rg_now_ns();
        rg_parallel(x->pool, READ_BYTES / READ_PIECE, 4, read_task, &j);
        out->read_bytes_s = fmax(out->read_bytes_s, READ_BYTES / ((double)(rg_now_ns() - t) * 1e-9));
    }
    rg_free_aligned(p, READ_BYTES);
    return RG_OK;
}

/* ---- rows ---- */

typedef struct test {
    const char *name;
    size_t prompt, branches, tokens; /* branches 0: the prompt itself is timed */
} test;

static const test TESTS[] = {
    { "pp512", 512, 0, 0 },       { "pp4096", 4096, 0, 0 }, { "tg64", 1, 1, 64 },
    { "tg64@2048", 2048, 1, 64 }, { "tg64x4", 256, 4, 64 }, { "tg64x16", 256, 16, 64 },
};

typedef struct timing {
    int64_t first, last; /* first and last drawn token */
    size_t drawn;
} timing;

static void on_event(void *arg, const rg_event *ev)
{
    timing *t = arg;
    if (ev->kind != RG_EV_TOKENS)
        return;
    t->last = rg_now_ns();
    if (t->drawn == 0)
        t->first = t->last;
    t->drawn += (size_t)ev->value;
}

/* Any tokens do: the same ones each time, none of them control. */
static void fill_ids(const local_lm *lm, int32_t *id, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t draw = i << 20;
        do
            id[i] = (int32_t)(rg_draw_u64(1, draw++, RG_DRAW_NOISE) % lm->n_vocab);
        while (rg_token_is_control(lm->tok, id[i]) && draw % (1 << 10) != 0);
    }
}

static rg_go release(void *arg, size_t i, const rg_gen_out *out)
{
    (void)arg;
    (void)i;
    rg_lm_release(out->node);
    return RG_GO_ON;
}

/* Decode: from the first drawn token, which needs no step of its own, to the last one.
 * Prompt: from the call to the first drawn token. */
static rg_status run_once(double *seconds, rg_lm *lm, const test *t, rg_lm_node *node, const rg_call *outer,
                          rg_err *e)
{
    static const rg_sampling sampling = {
        .temp = 0.7, .top_p = 1.0, .repeat_penalty = 1.0, .repeat_last_n = 64
    };
    rg_gen gen[LOGIT_ROWS];
    timing tm = { 0 };
    const size_t n = RG_MAX(t->branches, (size_t)1);
    rg_call call = { .cancel = outer == NULL ? NULL : outer->cancel, .sink = on_event, .sink_arg = &tm };
    for (size_t i = 0; i < n; i++)
        gen[i] = (rg_gen){ .from = node,
                           .sampling = &sampling,
                           .max_tokens = t->branches ? t->tokens + 1 : 1,
                           .stream = rg_stream_child(7, i),
                           .ignore_end = true };
    const int64_t t0 = rg_now_ns();
    RG_TRY(rg_lm_generate(lm, gen, n, release, NULL, &call, e));
    *seconds = (double)(t->branches == 0 ? tm.first - t0 : tm.last - tm.first) * 1e-9;
    return RG_OK;
}

static rg_status repeat(double *rate, rg_lm *lm, const test *t, const rg_call *call, rg_err *e)
{
    rg_lm_node *node = NULL;
    double seconds = 0;
    int32_t *id = rg_alloc(t->prompt, sizeof *id);
    if (id == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for a prompt of %zu tokens", t->prompt);
    fill_ids(local_of(lm), id, t->prompt);
    rg_status s = rg_lm_node_for(&node, lm, NULL, id, t->prompt, e);
    if (s == RG_OK)
        s = run_once(&seconds, lm, t, node, call, e);
    rg_lm_release(node);
    rg_free(id);
    if (s == RG_OK)
        *rate = (double)(t->branches == 0 ? t->prompt : t->branches * t->tokens) / seconds;
    return s;
}

/* ---- fractions ---- */

static double packed_bytes(const local_lm *lm, bool body_only)
{
    const double all = (double)rg_model_packed_bytes(lm->m), head = (double)rg_model_head_bytes(lm->m);
    return body_only ? all - head : all;
}

/* Share of the nearer limit.  A decode step reads the weights once, and each branch's
 * attention state once (a shared prefix once for all); a prompt of 512 tokens reads the blocks
 * once.  Operations: two per weight and token. */
static void fraction(rg_bench_row *row, const local_lm *lm, const test *t, const rg_roofline *roof)
{
    const rg_model_config *c = rg_model_get_config(lm->m);
    const double kv = 2.0 * (double)(c->n_layer * c->n_head_kv * c->head_dim) * (lm->opt.exact ? 4 : 2);
    const double per_s = row->tokens_per_s;
    double bytes, ops;
    if (t->branches == 0) {
        bytes = packed_bytes(lm, true) / (double)RG_MIN(t->prompt, lm->opt.max_rows);
        ops = 2.0 * (double)rg_model_body_weights(lm->m);
    } else {
        const double context = (double)t->prompt / (double)t->branches + (double)t->tokens / 2;
        bytes = packed_bytes(lm, false) / (double)t->branches + kv * context;
        ops = 2.0 * (double)(rg_model_body_weights(lm->m) + rg_model_head_weights(lm->m));
    }
    const double peak = lm->opt.exact ? roof->f32_flops_s : roof->i8_ops_s;
    const double by_read = bytes * per_s / roof->read_bytes_s, by_ops = peak > 0 ? ops * per_s / peak : 0;
    row->fraction = fmax(by_read, by_ops);
    row->bound = by_read >= by_ops ? "read" : "compute";
}

static bool wanted(const char *tests, const char *name)
{
    const size_t n = strlen(name);
    for (const char *p = tests; p != NULL && *p != '\0';) {
        const size_t len = strcspn(p, ",");
        if (len == n && memcmp(p, name, n) == 0)
            return true;
        p += len + (p[len] == ',');
    }
    return tests == NULL;
}

static rg_status bench_one(const rg_engine *x, const test *t, size_t repeats, const rg_roofline *roof,
                           rg_on_row on, void *arg, const rg_call *call, rg_err *e)
{
    double sum = 0, sum2 = 0, rate = 0;
    if (t->prompt + t->tokens + 1 > rg_lm_ctx(x->lm)) {
        rg_call_log(call, RG_WARN, "lm", "%s is left out: the context is %zu tokens", t->name,
                    rg_lm_ctx(x->lm));
        return RG_OK;
    }
    if (t->prompt < 1024)
        RG_TRY(repeat(&rate, x->lm, t, call, e)); /* warm-up */
    for (size_t i = 0; i < repeats; i++) {
        RG_TRY(repeat(&rate, x->lm, t, call, e));
        sum += rate;
        sum2 += rate * rate;
    }
    const double n = (double)repeats, mean = sum / n;
    rg_bench_row row = { .test = t->name,
                         .tokens_per_s = mean,
                         .repeats = repeats,
                         .sd = repeats > 1 ? sqrt(fmax(0, (sum2 - n * mean * mean) / (n - 1))) : 0 };
    fraction(&row, local_of(x->lm), t, roof);
    on(arg, &row);
    return RG_OK;
}

rg_status rg_bench_run(const rg_engine *x, const char *tests, size_t repeats, const rg_roofline *roof,
                       rg_on_row on, void *arg, const rg_call *call, rg_err *e)
{
    size_t ran = 0;
    for (size_t i = 0; i < RG_COUNT(TESTS); i++) {
        if (!wanted(tests, TESTS[i].name))
            continue;
        RG_TRY(bench_one(x, &TESTS[i], repeats, roof, on, arg, call, e));
        ran++;
    }
    if (ran == 0)
        RG_FAIL(e, RG_EARG, "no test is named %s; there are pp512, pp4096, tg64, tg64@2048, tg64x4, tg64x16",
                tests);
    return RG_OK;
}
