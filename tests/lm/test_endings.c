/* How a continuation ends: stop strings, end tokens, limits; and what is streamed until then. */
#include "rung/base/rng.h"

#include "tiny.h"

enum { PROMPT = 30, LONG = 48 };

static rg_engine *engine;
static rg_lm_node *prompt;

static int open_all(void **state)
{
    (void)state;
    golden g = golden_open("llama_norm");
    engine = tiny_engine(tiny_path("llama_norm", "gguf"), NULL, 1, (rg_lm_opt){ .slots = 8 });
    prompt = tiny_node(rg_engine_lm(engine), g.seq[0].id, PROMPT);
    golden_close(&g);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    rg_lm_release(prompt);
    rg_engine_close(engine);
    return 0;
}

static const rg_tokenizer *tok(void)
{
    return rg_bundle_tokenizer(rg_engine_bundle(engine));
}

static kept run(const rg_gen *job, const rg_call *call)
{
    rg_err e = RG_ERR_INIT;
    kept k = { 0 };
    OK(rg_lm_generate(rg_engine_lm(engine), job, 1, keep, &k, call, &e), e);
    CHECK(k.calls == 1 && k.node != NULL && rg_lm_node_len(k.node) == rg_lm_node_len(job->from) + k.n);
    rg_lm_release(k.node);
    return k;
}

static const rg_sampling SAMPLING = RG_SAMPLING_DEFAULTS;

static rg_gen long_job(uint64_t stream)
{
    return (rg_gen){
        .from = prompt, .sampling = &SAMPLING, .stream = stream, .max_tokens = LONG, .ignore_end = true
    };
}

/* ---- stop strings ---- */

typedef struct streamed {
    char text[4096];
    size_t n;
    bool unfinished; /* an event that cut a character in two */
} streamed;

static void on_text(void *arg, const rg_event *ev)
{
    streamed *s = arg;
    if (ev->kind != RG_EV_NODE_TOKEN)
        return;
    CHECK(s->n + ev->text.n < sizeof s->text);
    memcpy(s->text + s->n, ev->text.p, ev->text.n);
    s->n += ev->text.n;
    s->unfinished |= rg_utf8_tail(ev->text) > 0;
}

/* What must happen, by searching the whole text anew after every token. */
typedef struct ending {
    size_t n, n_text, stop_at;
    bool stopped;
} ending;

static ending slow_ending(const kept *whole, const char *const *stop, size_t n_stop)
{
    rg_buf b = RG_BUF_MAX(4096);
    ending x = { .stop_at = SIZE_MAX };
    while (!x.stopped && x.n < whole->n) {
        rg_detokenize(tok(), whole->id[x.n++], true, &b);
        for (size_t i = 0; i < n_stop; i++) {
            const char *at = *stop[i] == '\0' ? NULL : memmem(b.p, b.n, stop[i], strlen(stop[i]));
            if (at != NULL)
                x.stop_at = RG_MIN(x.stop_at, (size_t)(at - b.p));
            x.stopped |= at != NULL;
        }
    }
    x.n_text = b.n;
    CHECK(memcmp(b.p, whole->text, b.n) == 0);
    if (!x.stopped)
        x.stop_at = b.n;
    rg_buf_free(&b);
    return x;
}

static bool check_stops(const kept *whole, uint64_t stream, const char *const *stop, size_t n_stop)
{
    streamed s = { 0 };
    rg_call call = { .sink = on_text, .sink_arg = &s };
    rg_gen job = long_job(stream);
    job.stop = stop;
    job.n_stop = n_stop;
    job.stream_text = true;
    const kept k = run(&job, &call);
    const ending x = slow_ending(whole, stop, n_stop);
    CHECK(k.finish == (x.stopped ? RG_F_STOP : RG_F_LENGTH));
    CHECK(k.n == x.n && k.n_text == x.n_text && k.stop_at == x.stop_at);
    CHECK(memcmp(k.id, whole->id, k.n * sizeof *k.id) == 0);
    CHECK(memcmp(k.logp, whole->logp, k.n * sizeof *k.logp) == 0);
    CHECK(s.n == x.stop_at && memcmp(s.text, k.text, s.n) == 0); /* the stop string is never sent */
    return x.stopped;
}

/* Stop strings cut out of the continuation itself, one to nine bytes from any place: inside a
 * token, over two or more, at the very start; single, in pairs that overlap, with an empty one. */
TEST(stop_strings_end_where_a_plain_search_says)
{
    size_t stopped = 0, runs = 0;
    for (uint64_t stream = 0; stream < 4; stream++) {
        const rg_gen job = long_job(stream);
        const kept whole = run(&job, NULL);
        CHECK(whole.finish == RG_F_LENGTH && whole.n == LONG && whole.stop_at == whole.n_text);
        for (size_t i = 0; i < 40; i++, runs++) {
            char a[16] = { 0 }, b[16] = { 0 };
            const size_t n = 1 + i % 9,
                         at = i < 9 ? 0 : rg_draw_u64(stream, i, RG_DRAW_NOISE) % (whole.n_text - n);
            memcpy(a, whole.text + at, n);
            memcpy(b, whole.text + at + n / 2, n - n / 2);
            const char *const stop[] = { a, "", b, "no such text" };
            stopped += check_stops(&whole, stream, stop, 1 + i % COUNT(stop));
        }
    }
    print_message("# %zu of %zu stopped\n", stopped, runs);
    CHECK(stopped > runs / 2); /* measured: 160 of 160 */
}

TEST(an_almost_stop_string_is_sent_when_the_text_ends)
{
    const rg_gen job = long_job(3);
    const kept whole = run(&job, NULL);
    char stop[32];
    snprintf(stop, sizeof stop, "%.4sQZ", whole.text + whole.n_text - 4);
    const char *const stops[] = { stop };
    CHECK(!check_stops(&whole, 3, stops, 1));
}

/* ---- end tokens ---- */

TEST(an_end_token_is_the_last_id_and_not_part_of_the_text)
{
    size_t ended = 0;
    for (uint64_t stream = 0; stream < 60; stream++) {
        rg_gen job = long_job(stream);
        const kept whole = run(&job, NULL);
        job.ignore_end = false;
        const kept k = run(&job, NULL);
        size_t n = 0;
        while (n < whole.n && !rg_token_ends(tok(), whole.id[n]))
            n++;
        const bool ends = n < whole.n;
        CHECK(k.finish == (ends ? RG_F_END : RG_F_LENGTH) && k.n == n + ends);
        CHECK(memcmp(k.id, whole.id, k.n * sizeof *k.id) == 0 && k.stop_at == k.n_text);
        CHECK(!ends || strstr(k.text, "<|im_end|>") == NULL);
        ended += ends && n > 0;
    }
    print_message("# %zu ended\n", ended);
    CHECK(ended > 0); /* measured: 15 of 60 */
}

TEST(an_end_token_at_once_gives_an_empty_text)
{
    const rg_bias bias = { rg_token_eos(tok()), 1000 };
    rg_sampling o = SAMPLING;
    o.bias = &bias;
    o.n_bias = 1;
    rg_gen job = long_job(1);
    job.sampling = &o;
    job.ignore_end = false;
    const kept k = run(&job, NULL);
    CHECK(k.n == 1 && k.id[0] == bias.id && k.finish == RG_F_END && k.n_text == 0 && k.stop_at == 0);
    job.ignore_end = true;
    job.max_tokens = 2;
    CHECK(strcmp(run(&job, NULL).text, "<|im_end|><|im_end|>") == 0);
}

/* ---- limits ---- */

TEST(max_tokens_and_the_context_end_a_continuation)
{
    rg_err e = RG_ERR_INIT;
    rg_lm *lm = rg_engine_lm(engine);
    rg_gen job = long_job(2);
    job.max_tokens = 1;
    CHECK(run(&job, NULL).n == 1);
    int32_t id[256];
    for (size_t i = 0; i < COUNT(id); i++)
        id[i] = (int32_t)i % 200;
    CHECK(rg_lm_ctx(lm) == 256);
    rg_lm_node *near_end = tiny_node(lm, id, 250), *full = tiny_node(lm, id, 256);
    job.from = near_end;
    job.max_tokens = LONG;
    const kept k = run(&job, NULL);
    CHECK(k.n == 6 && k.finish == RG_F_LENGTH);
    job.from = full;
    CHECK(rg_lm_generate(lm, &job, 1, NULL, NULL, NULL, &e) == RG_ELIMIT && strstr(e.msg, "256") != NULL);
    rg_lm_node *more;
    rg_err_clear(&e);
    CHECK(rg_lm_extend(&more, full, id, 1, &e) == RG_ELIMIT && more == NULL && strstr(e.msg, "257") != NULL);
    rg_lm_release(near_end);
    rg_lm_release(full);
}

TEST(requests_that_make_no_sense_have_sentences)
{
    rg_err e = RG_ERR_INIT;
    rg_lm *lm = rg_engine_lm(engine);
    static const int32_t outside[] = { 277, -1 };
    rg_lm_node *more;
    for (size_t i = 0; i < COUNT(outside); i++) {
        rg_err_clear(&e);
        CHECK(rg_lm_extend(&more, prompt, &outside[i], 1, &e) == RG_EARG && strstr(e.msg, "277") != NULL);
        rg_gen named = long_job(0);
        named.named = &outside[i];
        named.n_named = 1;
        rg_err_clear(&e);
        CHECK(rg_lm_generate(lm, &named, 1, NULL, NULL, NULL, &e) == RG_EARG && strstr(e.msg, "277") != NULL);
        float logp;
        rg_score sc = { .from = prompt, .id = &outside[i], .n = 1, .logp = &logp };
        rg_err_clear(&e);
        CHECK(rg_lm_score(lm, &sc, 1, NULL, &e) == RG_EARG && strstr(e.msg, "277") != NULL);
        static const int32_t fine = 5;
        rg_score sn = {
            .from = prompt, .id = &fine, .n = 1, .named = &outside[i], .n_named = 1, .named_logp = &logp
        };
        rg_err_clear(&e);
        CHECK(rg_lm_score(lm, &sn, 1, NULL, &e) == RG_EARG && strstr(e.msg, "277") != NULL);
    }
    rg_gen none = long_job(0);
    none.max_tokens = 0;
    rg_err_clear(&e);
    CHECK(rg_lm_generate(lm, &none, 1, NULL, NULL, NULL, &e) == RG_EARG && strstr(e.msg, "max") != NULL);
    rg_score sc = { .from = prompt };
    rg_err_clear(&e);
    CHECK(rg_lm_score(lm, &sc, 1, NULL, &e) == RG_EARG && e.msg[0] != '\0');
    OK(rg_lm_generate(lm, NULL, 0, NULL, NULL, NULL, &e), e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stop_strings_end_where_a_plain_search_says),
        cmocka_unit_test(an_almost_stop_string_is_sent_when_the_text_ends),
        cmocka_unit_test(an_end_token_is_the_last_id_and_not_part_of_the_text),
        cmocka_unit_test(an_end_token_at_once_gives_an_empty_text),
        cmocka_unit_test(max_tokens_and_the_context_end_a_continuation),
        cmocka_unit_test(requests_that_make_no_sense_have_sentences),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
