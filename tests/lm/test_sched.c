/* The scheduler: who runs beside whom changes nothing; cancelled, failed and refused work
 * leaves nothing behind.  (rg_store_free asserts that no page is held when an engine closes.) */
#include <pthread.h>
#include <time.h>

#include "tiny.h"

enum { N = 6, TOKENS = 40, PROMPT = 40 };

static const rg_sampling SAMPLING = RG_SAMPLING_DEFAULTS;

static golden G;
static const char *path;

static rg_lm *open_lm(rg_engine **x, rg_lm_opt o)
{
    *x = tiny_engine(path, NULL, 2, o);
    return rg_engine_lm(*x);
}

static rg_gen job_of(rg_lm_node *from, uint64_t stream)
{
    return (rg_gen){
        .from = from, .sampling = &SAMPLING, .stream = stream, .max_tokens = TOKENS, .ignore_end = true
    };
}

static size_t pages_used(const rg_lm *lm)
{
    rg_lm_stats st;
    rg_lm_get_stats(lm, &st);
    return st.pages_used;
}

static uint64_t rows_done(const rg_lm *lm)
{
    rg_lm_stats st;
    rg_lm_get_stats(lm, &st);
    return st.rows;
}

static rg_go keep_but_node(void *arg, size_t job, const rg_gen_out *out)
{
    rg_lm_release(out->node);
    keep(arg, job, out);
    return RG_GO_ON;
}

/* n continuations of the first golden sequence, streams first..; nodes are released. */
static rg_status generate(rg_lm *lm, kept *k, size_t n, uint64_t first, const rg_call *call, rg_err *e)
{
    rg_lm_node *prompt = tiny_node(lm, G.seq[0].id, PROMPT);
    rg_gen *job = calloc(n, sizeof *job);
    memset(k, 0, n * sizeof *k);
    for (size_t i = 0; i < n; i++)
        job[i] = job_of(prompt, first + i);
    const rg_status s = rg_lm_generate(lm, job, n, keep_but_node, k, call, e);
    free(job);
    rg_lm_release(prompt);
    return s;
}

static bool same_kept(const kept *a, const kept *b)
{
    return a->n == b->n && a->finish == b->finish && a->n_text == b->n_text &&
           memcmp(a->id, b->id, a->n * sizeof *a->id) == 0 && same_floats(a->logp, b->logp, a->n) &&
           memcmp(a->text, b->text, a->n_text) == 0;
}

/* The continuations of streams 0..n-1, each computed alone. */
static void alone(kept *k, size_t n)
{
    rg_err e = RG_ERR_INIT;
    rg_engine *x;
    rg_lm *lm = open_lm(&x, (rg_lm_opt){ .slots = 1 });
    for (size_t i = 0; i < n; i++)
        OK(generate(lm, &k[i], 1, i, NULL, &e), e);
    rg_engine_close(x);
}

/* ---- company ---- */

TEST(slots_step_widths_and_page_shortage_change_no_bit)
{
    static const rg_lm_opt opts[] = {
        { .slots = 1, .max_rows = 1 }, { .slots = 3 },
        { .slots = 5, .max_rows = 7 }, { .slots = 64, .max_rows = 64 },
        { .kv_bytes = 12 * 8192 }, /* f16 pages of 8 KiB: room for two or three branches */
    };
    static kept want[20], got[20];
    alone(want, 20);
    for (size_t o = 0; o < COUNT(opts); o++) {
        rg_err e = RG_ERR_INIT;
        rg_engine *x;
        rg_lm *lm = open_lm(&x, opts[o]);
        OK(generate(lm, got, 20, 0, NULL, &e), e);
        for (size_t i = 0; i < 20; i++)
            CHECK(got[i].calls == 1 && same_kept(&got[i], &want[i]));
        rg_lm_stats st;
        rg_lm_get_stats(lm, &st);
        CHECK(st.pages_used == 0 && st.decode_rows == 20 * (TOKENS - 1) && st.sampled == 20 * TOKENS);
        CHECK(st.prompt_rows == PROMPT && st.rows == st.prompt_rows + st.decode_rows);
        CHECK(st.decode_rows <= st.decode_steps * st.slots && st.occupancy <= 1);
        CHECK(opts[o].kv_bytes == 0 || st.pages_peak <= 12);
        rg_engine_close(x);
    }
}

/* ---- many callers ---- */

typedef struct caller {
    rg_lm *lm;
    size_t number;
    const kept *want;
    bool bad;
} caller;

static void *call_often(void *arg)
{
    caller *c = arg;
    static _Thread_local kept got[3];
    for (size_t round = 0; round < 4; round++) {
        rg_err e = RG_ERR_INIT;
        const size_t first = (c->number + round * 3) % (20 - 3);
        c->bad |= generate(c->lm, got, 3, first, NULL, &e) != RG_OK;
        for (size_t i = 0; i < 3; i++)
            c->bad |= !same_kept(&got[i], &c->want[first + i]);
        float logp[TOKENS];
        rg_lm_node *prompt = tiny_node(c->lm, G.seq[0].id, PROMPT);
        rg_score sc = { .from = prompt, .id = got[0].id, .n = TOKENS, .logp = logp };
        c->bad |= rg_lm_score(c->lm, &sc, 1, NULL, &e) != RG_OK;
        c->bad |= !same_floats(logp, got[0].logp, TOKENS);
        rg_lm_release(prompt);
    }
    return NULL;
}

TEST(many_threads_may_call_at_once)
{
    static kept want[20];
    pthread_t thread[8];
    caller c[8];
    rg_engine *x;
    alone(want, 20);
    rg_lm *lm = open_lm(&x, (rg_lm_opt){ .slots = 10, .max_rows = 40 });
    for (size_t i = 0; i < COUNT(c); i++) {
        c[i] = (caller){ lm, i, want, false };
        CHECK(pthread_create(&thread[i], NULL, call_often, &c[i]) == 0);
    }
    for (size_t i = 0; i < COUNT(c); i++) {
        pthread_join(thread[i], NULL);
        CHECK(!c[i].bad);
    }
    CHECK(pages_used(lm) == 0);
    rg_engine_close(x);
}

/* ---- cancelling ---- */

typedef struct trip {
    atomic_bool cancel;
    size_t tokens, after;
} trip;

static void trip_after(void *arg, const rg_event *ev)
{
    trip *t = arg;
    t->tokens += ev->kind == RG_EV_TOKENS ? (size_t)ev->value : 0;
    if (t->tokens >= t->after)
        atomic_store(&t->cancel, true);
}

static void *call_once(void *arg)
{
    caller *c = arg;
    static _Thread_local kept got[N];
    rg_err e = RG_ERR_INIT;
    c->bad = generate(c->lm, got, N, 0, NULL, &e) != RG_OK;
    for (size_t i = 0; i < N; i++)
        c->bad |= !same_kept(&got[i], &c->want[i]);
    return NULL;
}

TEST(a_cancelled_call_stops_and_the_one_beside_it_does_not_notice)
{
    static kept want[N], got[N];
    rg_engine *x;
    alone(want, N);
    rg_lm *lm = open_lm(&x, (rg_lm_opt){ 0 });
    for (size_t after = 0; after < 5 * N; after += N + 1) {
        rg_err e = RG_ERR_INIT;
        pthread_t thread;
        caller beside = { lm, 0, want, false };
        trip t = { .after = after };
        atomic_init(&t.cancel, after == 0);
        const rg_call call = { .cancel = &t.cancel, .sink = trip_after, .sink_arg = &t };
        CHECK(pthread_create(&thread, NULL, call_once, &beside) == 0);
        CHECK(generate(lm, got, N, 100, &call, &e) == RG_ECANCEL && e.msg[0] != '\0');
        for (size_t i = 0; i < N; i++)
            CHECK(got[i].calls == 1 && got[i].finish == RG_F_CANCELLED && got[i].node == NULL &&
                  got[i].n <= after / N + 1);
        pthread_join(thread, NULL);
        CHECK(!beside.bad && pages_used(lm) == 0);
    }
    rg_engine_close(x);
}

static rg_go enough_at_two(void *arg, size_t job, const rg_gen_out *out)
{
    keep(arg, job, out);
    return job == 2 ? RG_ENOUGH : RG_GO_ON;
}

TEST(enough_cancels_the_rest_which_are_still_reported)
{
    static kept want[N], got[N];
    rg_err e = RG_ERR_INIT;
    rg_engine *x;
    rg_gen job[N];
    alone(want, N);
    rg_lm *lm = open_lm(&x, (rg_lm_opt){ .slots = 3 }); /* the last three wait for a place */
    rg_lm_node *prompt = tiny_node(lm, G.seq[0].id, PROMPT);
    for (size_t i = 0; i < N; i++)
        job[i] = job_of(prompt, i);
    memset(got, 0, sizeof got);
    OK(rg_lm_generate(lm, job, N, enough_at_two, got, NULL, &e), e);
    for (size_t i = 0; i < N; i++) {
        CHECK(got[i].calls == 1);
        if (i <= 2)
            CHECK(same_kept(&got[i], &want[i]) && got[i].node != NULL);
        else
            CHECK(got[i].finish == RG_F_CANCELLED && got[i].node == NULL);
        rg_lm_release(got[i].node);
    }
    rg_lm_release(prompt);
    CHECK(pages_used(lm) == 0);
    rg_engine_close(x);
}

static void slow_sink(void *arg, const rg_event *ev)
{
    (void)arg;
    (void)ev;
    const struct timespec ms = { 0, 2000000 };
    nanosleep(&ms, NULL);
}

TEST(a_deadline_ends_a_call_between_tokens)
{
    static kept got[N];
    rg_err e = RG_ERR_INIT;
    rg_engine *x;
    rg_lm *lm = open_lm(&x, (rg_lm_opt){ 0 });
    const rg_call call = { .deadline_ns = rg_now_ns() + 20 * 1000000, .sink = slow_sink };
    CHECK(generate(lm, got, N, 0, &call, &e) == RG_ELIMIT && e.msg[0] != '\0');
    for (size_t i = 0; i < N; i++)
        CHECK(got[i].calls == 1 && got[i].finish == RG_F_CANCELLED && got[i].n < TOKENS);
    CHECK(pages_used(lm) == 0);
    rg_engine_close(x);
}

/* ---- failing ---- */

TEST(too_few_pages_are_one_sentence_and_leave_nothing_behind)
{
    static kept got[N];
    rg_engine *x;
    rg_lm *lm = open_lm(&x, (rg_lm_opt){ .kv_bytes = 5 * 8192 }); /* f16 pages of 8 KiB */
    for (int round = 0; round < 3; round++) {
        rg_err e = RG_ERR_INIT;
        CHECK(generate(lm, got, N, 0, NULL, &e) == RG_ELIMIT);
        CHECK(strstr(e.msg, "--kv-memory") != NULL && strchr(e.msg, '\n') == NULL);
        for (size_t i = 0; i < N; i++)
            CHECK(got[i].calls == 0);
        CHECK(pages_used(lm) == 0);
        rg_err_clear(&e);
        rg_lm_node *small = tiny_node(lm, G.seq[0].id, 8);
        rg_gen job = job_of(small, 0);
        job.max_tokens = 20;
        OK(rg_lm_generate(lm, &job, 1, keep, got, NULL, &e), e);
        CHECK(got[0].n == 20);
        rg_lm_release(got[0].node);
        rg_lm_release(small);
    }
    rg_engine_close(x);
}

TEST(a_failed_branch_fails_its_call_and_no_other)
{
    static kept want[N], got[3];
    rg_engine *x;
    alone(want, N);
    rg_lm *lm = open_lm(&x, (rg_lm_opt){ 0 });
    for (int round = 0; round < 5; round++) {
        rg_err e = RG_ERR_INIT;
        pthread_t thread;
        caller beside = { lm, 0, want, false };
        rg_lm_node *root = rg_lm_root(lm), *prompt = tiny_node(lm, G.seq[0].id, PROMPT);
        const rg_gen job[3] = { job_of(prompt, 0), job_of(root, 1), job_of(prompt, 2) };
        memset(got, 0, sizeof got);
        CHECK(pthread_create(&thread, NULL, call_once, &beside) == 0);
        CHECK(rg_lm_generate(lm, job, 3, keep, got, NULL, &e) == RG_EARG);
        CHECK(strstr(e.msg, "empty prompt") != NULL);
        CHECK(got[0].calls == 1 && got[1].calls == 0 && got[2].calls == 0);
        CHECK(same_kept(&got[0], &want[0]));
        rg_lm_release(got[0].node);
        rg_lm_release(root);
        rg_lm_release(prompt);
        pthread_join(thread, NULL);
        CHECK(!beside.bad && pages_used(lm) == 0);
    }
    rg_engine_close(x);
}

/* A copy of the model in which the embedding of one id is not a number. */
static void damage_id(char out[64], int32_t id)
{
    rg_err e = RG_ERR_INIT;
    rg_gguf *g;
    char *bytes;
    size_t n;
    OK(rg_gguf_open(&g, path, &e), e);
    OK(rg_read_all(&bytes, &n, path, 1 << 20, &e), e);
    const rg_gguf_tensor *t = rg_gguf_find(g, "token_embd.weight");
    CHECK(t->type == RG_F32);
    memset(bytes + t->offset + (size_t)id * t->dims[0] * 4, 0xff, 4);
    snprintf(out, 64, "/tmp/rung-test-sched-XXXXXX");
    FILE *f = fdopen(mkstemp(out), "wb");
    CHECK(f != NULL && fwrite(bytes, 1, n, f) == n && fclose(f) == 0);
    rg_gguf_close(g);
    rg_free(bytes);
}

TEST(a_branch_of_nonsense_logits_fails_beside_good_ones)
{
    enum { BAD = 275 }; /* not in the golden prompt, nor drawn below */
    static kept want[N];
    char damaged[64];
    alone(want, N);
    for (size_t i = 0; i < PROMPT; i++)
        CHECK(G.seq[0].id[i] != BAD);
    damage_id(damaged, BAD);
    rg_engine *x = tiny_engine(damaged, NULL, 2, (rg_lm_opt){ 0 });
    rg_lm *lm = rg_engine_lm(x);
    for (int round = 0; round < 5; round++) {
        rg_err e = RG_ERR_INIT;
        pthread_t thread;
        caller beside = { lm, 0, want, false };
        int32_t id[PROMPT];
        float logp[PROMPT];
        memcpy(id, G.seq[0].id, sizeof id);
        id[PROMPT / 2] = BAD;
        rg_lm_node *root = rg_lm_root(lm), *prompt = tiny_node(lm, id, PROMPT);
        const rg_gen job = job_of(prompt, 0);
        rg_score sc = { .from = root, .id = id, .n = PROMPT, .logp = logp };
        CHECK(pthread_create(&thread, NULL, call_once, &beside) == 0);
        CHECK(rg_lm_generate(lm, &job, 1, NULL, NULL, NULL, &e) == RG_EFORMAT);
        CHECK(strstr(e.msg, "not finite") != NULL && strstr(e.msg, "--check-tensors") != NULL);
        rg_err_clear(&e);
        CHECK(rg_lm_score(lm, &sc, 1, NULL, &e) == RG_EFORMAT && strstr(e.msg, "not finite") != NULL);
        rg_lm_release(root);
        rg_lm_release(prompt);
        pthread_join(thread, NULL);
        CHECK(!beside.bad && pages_used(lm) == 0);
    }
    rg_engine_close(x);
    remove(damaged);
}

/* ---- what is computed once ---- */

TEST(a_shared_prompt_is_computed_once_and_a_kept_prefix_never_again)
{
    static kept k[4];
    rg_err e = RG_ERR_INIT;
    rg_engine *x;
    rg_gen job[4];
    rg_ledger ledger = { 0 };
    const rg_call call = { .ledger = &ledger, .role = RG_VERIFIER };
    rg_lm *lm = open_lm(&x, (rg_lm_opt){ 0 });
    rg_lm_node *prompt = tiny_node(lm, G.seq[1].id, 70);
    for (size_t i = 0; i < 4; i++)
        job[i] = job_of(prompt, i);
    OK(rg_lm_generate(lm, job, 4, keep, k, &call, &e), e);
    uint64_t want = 70 + 4 * (TOKENS - 1); /* the last token of a branch is not run */
    CHECK(rows_done(lm) == want);
    const rg_cost *c = &ledger.role[RG_VERIFIER];
    CHECK(c->prompt_tokens == 280 && c->prompt_computed == 70 && c->prompt_cached == 210);
    CHECK(c->gen_tokens == 4 * TOKENS && c->calls == 1 && c->flops > 0);

    /* a second call from the same node computes no prompt */
    job[0].max_tokens = 1;
    kept one = { 0 };
    OK(rg_lm_generate(lm, job, 1, keep, &one, NULL, &e), e);
    CHECK(rows_done(lm) == want && one.id[0] == k[0].id[0]);

    /* prompt + continuation + 3 more ids: only the last generated id and the new ones */
    int32_t id[70 + TOKENS + 3];
    memcpy(id, G.seq[1].id, 70 * sizeof *id);
    memcpy(id + 70, k[1].id, TOKENS * sizeof *id);
    memcpy(id + 70 + TOKENS, G.seq[0].id, 3 * sizeof *id);
    rg_lm_node *on, *same, *other;
    OK(rg_lm_node_for(&on, lm, k[1].node, id, COUNT(id), &e), e);
    OK(rg_lm_node_for(&same, lm, k[1].node, id, 70 + TOKENS, &e), e);
    CHECK(same == k[1].node && rg_lm_node_len(on) == COUNT(id));
    job[0] = job_of(on, 9);
    job[0].max_tokens = 1;
    kept two = { 0 };
    OK(rg_lm_generate(lm, job, 1, keep, &two, NULL, &e), e);
    CHECK(rows_done(lm) == (want += 4));

    /* from another branch, only the common ancestor serves; the bits are the same */
    OK(rg_lm_node_for(&other, lm, k[2].node, id, COUNT(id), &e), e);
    job[0].from = other;
    kept three = { 0 };
    OK(rg_lm_generate(lm, job, 1, keep, &three, NULL, &e), e);
    CHECK(rows_done(lm) == (want += TOKENS + 3) && same_kept(&two, &three));

    rg_lm_node *const all[] = { prompt,    on,        same,     other,    k[0].node, k[1].node,
                                k[2].node, k[3].node, one.node, two.node, three.node };
    for (size_t i = 0; i < COUNT(all); i++)
        rg_lm_release(all[i]);
    CHECK(pages_used(lm) == 0);
    rg_engine_close(x);
}

/* ---- scoring ---- */

TEST(scoring_says_what_generating_said_bit_for_bit)
{
    enum { TOP = 5 };
    static const int32_t named[] = { 7, 270 };
    for (int exact = 0; exact < 2; exact++) {
        rg_err e = RG_ERR_INIT;
        rg_engine *x;
        kept k = { 0 };
        rg_lm *lm = open_lm(&x, (rg_lm_opt){ .exact = exact, .max_rows = 16, .slots = 4 });
        rg_lm_node *root = rg_lm_root(lm), *prompt = tiny_node(lm, G.seq[0].id, PROMPT);
        const rg_gen job = job_of(prompt, 5);
        OK(rg_lm_generate(lm, &job, 1, keep, &k, NULL, &e), e);
        float after[TOKENS], whole[PROMPT + TOKENS], named_logp[2 * (PROMPT + TOKENS)];
        rg_logprob top[TOP * (PROMPT + TOKENS)];
        int32_t id[PROMPT + TOKENS];
        memcpy(id, G.seq[0].id, PROMPT * sizeof *id);
        memcpy(id + PROMPT, k.id, TOKENS * sizeof *id);
        rg_score sc[] = {
            { .from = prompt, .id = k.id, .n = TOKENS, .logp = after },
            { .from = root,
              .id = id,
              .n = PROMPT + TOKENS,
              .logp = whole,
              .top = top,
              .n_top = TOP,
              .named = named,
              .n_named = 2,
              .named_logp = named_logp },
        };
        OK(rg_lm_score(lm, sc, COUNT(sc), NULL, &e), e);
        CHECK(same_floats(after, k.logp, TOKENS) && same_floats(whole + PROMPT, k.logp, TOKENS));
        CHECK(whole[0] != whole[0]); /* nothing predicts the first token */
        for (size_t i = 1; i < PROMPT + TOKENS; i++) {
            for (size_t t = 0; t < TOP; t++)
                CHECK(top[i * TOP + t].id != id[i] || top[i * TOP + t].logp == whole[i]);
            CHECK(id[i] != named[0] || named_logp[2 * i] == whole[i]);
            CHECK(whole[i] <= top[i * TOP].logp && named_logp[2 * i + 1] <= top[i * TOP].logp);
        }
        rg_lm_release(k.node);
        rg_lm_release(prompt);
        rg_lm_release(root);
        CHECK(pages_used(lm) == 0);
        rg_engine_close(x);
    }
}

static int open_all(void **state)
{
    static char name[4096];
    (void)state;
    G = golden_open("llama_norm");
    snprintf(name, sizeof name, "%s", tiny_path("llama_norm", "gguf"));
    path = name;
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    golden_close(&G);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_step_widths_and_page_shortage_change_no_bit),
        cmocka_unit_test(many_threads_may_call_at_once),
        cmocka_unit_test(a_cancelled_call_stops_and_the_one_beside_it_does_not_notice),
        cmocka_unit_test(enough_cancels_the_rest_which_are_still_reported),
        cmocka_unit_test(a_deadline_ends_a_call_between_tokens),
        cmocka_unit_test(too_few_pages_are_one_sentence_and_leave_nothing_behind),
        cmocka_unit_test(a_failed_branch_fails_its_call_and_no_other),
        cmocka_unit_test(a_branch_of_nonsense_logits_fails_beside_good_ones),
        cmocka_unit_test(a_shared_prompt_is_computed_once_and_a_kept_prefix_never_again),
        cmocka_unit_test(scoring_says_what_generating_said_bit_for_bit),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
