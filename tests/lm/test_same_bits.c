/* The promise of the house: a token's logits depend on its own sequence and on nothing else -
 * not on company, threads, chunks, shared pages or kernel level.  Compared are the bits. */
#include "tiny.h"

#include "rung/base/rng.h"

#include "lm_int.h"

enum { PREFIX = 43, SEQS = 16, LONGEST = 24, ROWS = SEQS * (PREFIX + LONGEST), EVERY = 5 };

typedef struct world { /* one model under one way of running it */
    const rg_model *m;
    rg_runner *r;
    rg_store *store;
    size_t C, V, ld;
} world;

typedef struct plan_opt {
    size_t n, chunk;
    bool shared;
} plan_opt;

/* A prefix of 43 ids (a whole page and a torn one), then 9 to 24 ids that differ. */
static size_t own_len(size_t seq)
{
    return 9 + 5 * seq % 16;
}

static int32_t id_at(const world *w, size_t seq, size_t pos)
{
    const uint64_t stream = pos < PREFIX ? 1000 : seq;
    return (int32_t)(rg_draw_u64(stream, pos, RG_DRAW_NOISE) % w->V);
}

/* The logits that are compared: every fifth position and the last. */
static bool watched(size_t seq, size_t pos)
{
    return pos % EVERY == 0 || pos + 1 == PREFIX + own_len(seq);
}

typedef struct results { /* (SEQS, positions / EVERY + 2, ld) */
    float *x;
    size_t per_seq, ld;
} results;

static float *row_of(const results *r, size_t seq, size_t pos)
{
    const size_t i = pos % EVERY == 0 ? pos / EVERY : r->per_seq - 1;
    return r->x + (seq * r->per_seq + i) * r->ld;
}

static results results_new(const world *w)
{
    results r = { .per_seq = (PREFIX + LONGEST) / EVERY + 2, .ld = w->ld };
    r.x = rg_alloc_aligned(SEQS * r.per_seq * r.ld * sizeof *r.x);
    CHECK(r.x != NULL);
    return r;
}

static void results_free(results *r)
{
    rg_free_aligned(r->x, SEQS * r->per_seq * r->ld * sizeof *r->x);
}

typedef struct part { /* tokens [pos, pos + n) of a sequence */
    size_t seq, pos, n;
} part;

static void some_logits(const world *w, const float *const *row, size_t n, float *const *to)
{
    rg_err e = RG_ERR_INIT;
    float *logits = rg_alloc_aligned(LOGIT_ROWS * w->ld * sizeof *logits);
    CHECK(logits != NULL);
    bool bad[LOGIT_ROWS];
    OK(rg_runner_logits(w->r, row, n, logits, w->ld, bad, &e), e);
    for (size_t i = 0; i < n; i++) {
        CHECK(!bad[i]);
        memcpy(to[i], logits + i * w->ld, w->V * sizeof *logits);
    }
    rg_free_aligned(logits, LOGIT_ROWS * w->ld * sizeof *logits);
}

static void take_logits(const world *w, const part *p, size_t n, const float *hidden, const results *out)
{
    const float *row[LOGIT_ROWS];
    float *to[LOGIT_ROWS];
    size_t some = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t pos = p[i].pos; pos < p[i].pos + p[i].n; pos++, hidden += w->C) {
            if (!watched(p[i].seq, pos))
                continue;
            row[some] = hidden;
            to[some++] = row_of(out, p[i].seq, pos);
            if (some == LOGIT_ROWS) {
                some_logits(w, row, some, to);
                some = 0;
            }
        }
    if (some > 0)
        some_logits(w, row, some, to);
}

/* One forward over the parts, then the logits of the watched tokens, 64 rows a call. */
static void forward(const world *w, rg_state *const *st, const part *p, size_t n, const results *out)
{
    rg_err e = RG_ERR_INIT;
    rg_span_in span[SEQS];
    int32_t id[ROWS];
    rg_tensor h;
    size_t T = 0;
    for (size_t i = 0; i < n; i++) {
        span[i] = (rg_span_in){ st[p[i].seq], id + T, p[i].n, p[i].n };
        for (size_t t = 0; t < p[i].n; t++)
            id[T++] = id_at(w, p[i].seq, p[i].pos + t);
        OK(rg_state_extend(st[p[i].seq], p[i].n, &e), e);
    }
    OK(rg_runner_forward(w->r, span, n, &h, &e), e);
    CHECK(h.T == T && h.C == w->C);
    float *hidden = rg_alloc(T * w->C, sizeof *hidden);
    for (size_t t = 0; t < T; t++)
        memcpy(hidden + t * w->C, h.x + t * h.ld, w->C * sizeof *hidden);
    take_logits(w, p, n, hidden, out);
    rg_free(hidden);
}

/* Runs n sequences from position `from` to `to` or their ends, together, `chunk` tokens each a step. */
static void run_together(const world *w, rg_state *const *st, size_t n, size_t from, size_t to, size_t chunk,
                         results *out)
{
    for (size_t pos = from; pos < to; pos += chunk) {
        part p[SEQS];
        size_t n_parts = 0;
        for (size_t s = 0; s < n; s++) {
            const size_t end = RG_MIN(to, PREFIX + own_len(s));
            if (pos < end)
                p[n_parts++] = (part){ s, pos, RG_MIN(chunk, end - pos) };
        }
        if (n_parts > 0)
            forward(w, st, p, n_parts, out);
    }
}

static void run_plan(const world *w, const plan_opt *o, results *out)
{
    rg_state *st[SEQS], *prefix = rg_state_root(w->store);
    if (o->shared)
        run_together(w, &prefix, 1, 0, PREFIX, o->chunk, out);
    for (size_t s = 0; s < o->n; s++)
        st[s] = rg_state_fork(prefix);
    for (size_t s = 1; s < o->n && o->shared; s++) /* the prefix rows of sequence 0 are everyone's */
        for (size_t pos = 0; pos < PREFIX; pos += EVERY)
            memcpy(row_of(out, s, pos), row_of(out, 0, pos), w->V * sizeof(float));
    run_together(w, st, o->n, o->shared ? PREFIX : 0, PREFIX + LONGEST, o->chunk, out);
    for (size_t s = 0; s < o->n; s++)
        rg_state_release(st[s]);
    rg_state_release(prefix);
    CHECK(rg_store_pages_used(w->store) == 0);
}

static void check_same(const world *w, const results *a, const results *b, const plan_opt *o)
{
    for (size_t s = 0; s < o->n; s++)
        for (size_t pos = 0; pos < PREFIX + own_len(s); pos++)
            if (watched(s, pos) && !same_floats(row_of(a, s, pos), row_of(b, s, pos), w->V))
                fail_msg("sequence %zu position %zu: n %zu, chunk %zu, shared %d", s, pos, o->n, o->chunk,
                         o->shared);
}

/* ---- the matrix ---- */

typedef struct matrix {
    size_t n[5], n_n, chunk[3], n_chunk, threads[3], n_threads;
    rg_isa lowest; /* level */
} matrix;

static const matrix FULL = { { 1, 2, 3, 7, 16 }, 5, { 1, 64, 512 }, 3, { 1, 2, 3 }, 3, RG_ISA_REF };
static const matrix LOWER = { { 1, 3 }, 2, { 1, 64 }, 2, { 1, 2 }, 2, RG_ISA_REF }; /* ref is slow */
static const matrix REAL = { { 2, 3 }, 2, { 64 }, 1, { 1, 2 }, 2, RG_ISA_AVX2 };

static world world_open(const rg_bundle *b, const rg_kernels *k, rg_pool *pool, bool exact)
{
    rg_err e = RG_ERR_INIT;
    world w = { .m = rg_bundle_model(b) };
    const rg_model_config *c = rg_model_get_config(w.m);
    const rg_page_shape shape = rg_model_page_shape(w.m, exact ? RG_F32 : RG_F16);
    w.C = c->n_embd;
    w.V = c->n_vocab;
    w.ld = RG_ROUND_UP(w.V, (size_t)RG_PANEL_ROWS);
    OK(rg_runner_new(&w.r, w.m, k, pool, exact, c->n_ctx, ROWS, &e), e);
    OK(rg_store_new(&w.store, &shape, (size_t)256 << 20, &e), e);
    return w;
}

static void world_close(world *w)
{
    rg_runner_free(w->r);
    rg_store_free(w->store);
}

/* Every plan of the matrix at one level and number of threads, against `want`. */
static size_t run_matrix(const world *w, const matrix *x, const results *want)
{
    size_t runs = 0;
    results got = results_new(w);
    for (size_t i = 0; i < x->n_n; i++)
        for (size_t j = 0; j < x->n_chunk; j++)
            for (int shared = 0; shared < 2; shared++) {
                const plan_opt o = { x->n[i], x->chunk[j], shared };
                memset(got.x, 0xff, SEQS * got.per_seq * got.ld * sizeof(float));
                run_plan(w, &o, &got);
                check_same(w, want, &got, &o);
                runs++;
            }
    results_free(&got);
    return runs;
}

/* The definition: each sequence alone, one token at a time, highest level. */
static void run_alone(const world *w, results *out, size_t n)
{
    rg_state *st[SEQS];
    for (size_t s = 0; s < n; s++) {
        st[s] = rg_state_root(w->store);
        for (size_t pos = 0; pos < PREFIX + own_len(s); pos++) {
            const part p = { s, pos, 1 };
            forward(w, st, &p, 1, out);
        }
        rg_state_release(st[s]);
    }
}

/* Levels with vectors run the whole matrix, the plain one that of LOWER. */
static void check_path(const char *path, const matrix *all, bool exact)
{
    rg_err e = RG_ERR_INIT;
    rg_bundle *b;
    rg_pool *pool[3];
    size_t runs = 0;
    for (size_t t = 0; t < COUNT(pool); t++)
        OK(rg_pool_new(&pool[t], t + 1, &e), e);
    OK(rg_bundle_open(&b, path, pool[1], NULL, &e), e);
    results want = { 0 };
    for (int i = (int)rg_isa_best(); i >= (int)all->lowest; i--) {
        rg_kernels k;
        if (!rg_isa_available((rg_isa)i))
            continue;
        rg_kernels_init(&k, (rg_isa)i);
        const matrix *x = i == RG_ISA_REF && want.x != NULL ? &LOWER : all;
        for (size_t t = 0; t < x->n_threads; t++) {
            world w = world_open(b, &k, pool[x->threads[t] - 1], exact);
            if (want.x == NULL) {
                want = results_new(&w);
                run_alone(&w, &want, all->n[all->n_n - 1]);
            }
            runs += run_matrix(&w, x, &want);
            world_close(&w);
        }
    }
    print_message("# %s %s: %zu runs of one set of bits\n", rg_bundle_name(b), exact ? "exact" : "fast",
                  runs);
    results_free(&want);
    rg_bundle_close(b);
    for (size_t t = 0; t < COUNT(pool); t++)
        rg_pool_free(pool[t]);
}

TEST(mixed_types_have_one_set_of_bits)
{
    char path[4096];
    snprintf(path, sizeof path, "%s", tiny_path("qwen2_mixed", "gguf"));
    check_path(path, &FULL, false);
    check_path(path, &FULL, true);
}

TEST(every_tiny_model_has_one_set_of_bits)
{
    static const char *const names[] = { "llama_norm",   "llama3_rope",   "qwen2",        "llama_linear",
                                         "llama_kquant", "arch_qwen3",    "arch_mistral", "arch_gemma3",
                                         "arch_phi3",    "arch_phi3_long" };
    for (size_t i = 0; i < COUNT(names); i++) {
        check_path(tiny_path(names[i], "gguf"), &FULL, false);
        check_path(tiny_path(names[i], "gguf"), &FULL, true);
    }
}

TEST(a_real_model_has_one_set_of_bits)
{
    const char *path = test_model("smollm2-135m");
    if (path == NULL)
        skip();
    check_path(path, &REAL, false);
    check_path(path, &REAL, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mixed_types_have_one_set_of_bits),
        cmocka_unit_test(every_tiny_model_has_one_set_of_bits),
        cmocka_unit_test(a_real_model_has_one_set_of_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
