/* Reading at positions, keeping what was read, and two models side by side: every token is computed
 * once, and what is read does not depend on how it came there. */
#include <math.h>
#include <pthread.h>

#include "tiny.h"

enum { N = 40, PARTS = 4, PART = N / PARTS };

static golden G;
static const char *path;
static const int32_t NAMED[] = { 3, 17, 5 };

static void read_whole(rg_lm *lm, float *named, float *logp)
{
    static size_t at[N];
    rg_err e = RG_ERR_INIT;
    rg_lm_node *root = rg_lm_root(lm);
    for (size_t i = 0; i < N; i++)
        at[i] = i;
    rg_score sc = { .from = root,
                    .id = G.seq[0].id,
                    .n = N,
                    .logp = logp,
                    .at = at,
                    .n_at = N,
                    .named = NAMED,
                    .n_named = COUNT(NAMED),
                    .at_named = named };
    OK(rg_lm_score(lm, &sc, 1, NULL, &e), e);
    CHECK(sc.node == NULL);
    rg_lm_release(root);
}

/* At position i stands what predicts token i + 1. */
TEST(positions_and_tokens_agree)
{
    float named[N * COUNT(NAMED)], logp[N];
    rg_engine *x = tiny_engine(path, NULL, 2, (rg_lm_opt){ 0 });
    read_whole(rg_engine_lm(x), named, logp);
    size_t hits = 0;
    for (size_t i = 0; i + 1 < N; i++)
        for (size_t k = 0; k < COUNT(NAMED); k++)
            if (G.seq[0].id[i + 1] == NAMED[k]) {
                CHECK(named[i * COUNT(NAMED) + k] == logp[i + 1]);
                hits++;
            }
    for (size_t i = 0; i < N; i++) { /* against the goldens' logits, whose bits are not ours */
        const float *row = G.seq[0].logits + i * G.V;
        const double got = (double)named[i * COUNT(NAMED)] - (double)named[i * COUNT(NAMED) + 1];
        CHECK(fabs(got - ((double)row[NAMED[0]] - (double)row[NAMED[1]])) < 0.5);
    }
    print_message("%zu named tokens came next\n", hits);
    rg_engine_close(x);
}

/* Part by part, each on the node that the one before left: same bits, each token computed once. */
TEST(kept_nodes_go_on)
{
    float whole[N * COUNT(NAMED)], logp[N], part[COUNT(NAMED)];
    rg_err e = RG_ERR_INIT;
    rg_lm_stats before, after;
    rg_engine *x = tiny_engine(path, NULL, 2, (rg_lm_opt){ 0 });
    rg_lm *lm = rg_engine_lm(x);
    read_whole(lm, whole, logp);
    rg_lm_get_stats(lm, &before);
    rg_ledger ledger = { 0 };
    const rg_call call = { .ledger = &ledger, .role = RG_VERIFIER };
    rg_lm_node *node = rg_lm_root(lm);
    for (size_t p = 0; p < PARTS; p++) {
        const size_t last = PART - 1;
        rg_score sc = { .from = node,
                        .id = G.seq[0].id + p * PART,
                        .n = PART,
                        .first = PART,
                        .at = &last,
                        .n_at = 1,
                        .named = NAMED,
                        .n_named = COUNT(NAMED),
                        .at_named = part,
                        .keep = true };
        OK(rg_lm_score(lm, &sc, 1, &call, &e), e);
        CHECK(sc.node != NULL && rg_lm_node_len(sc.node) == (p + 1) * PART);
        CHECK(same_floats(part, whole + ((p + 1) * PART - 1) * COUNT(NAMED), COUNT(NAMED)));
        rg_lm_release(node);
        node = sc.node;
    }
    rg_lm_get_stats(lm, &after);
    CHECK(after.rows - before.rows == N);
    CHECK(ledger.role[RG_VERIFIER].prompt_computed == N);
    CHECK(ledger.role[RG_VERIFIER].prompt_tokens == PART * (1 + 2 + 3 + 4));

    /* a kept node can be generated from */
    const rg_sampling greedy = { .temp = 0, .top_p = 1, .repeat_penalty = 1 };
    rg_lm_node *again = tiny_node(lm, G.seq[0].id, N);
    CHECK(rg_lm_node_hash(again) == rg_lm_node_hash(node));
    const rg_gen job[2] = { { .from = node, .sampling = &greedy, .max_tokens = 8, .ignore_end = true },
                            { .from = again, .sampling = &greedy, .max_tokens = 8, .ignore_end = true } };
    kept k[2] = { 0 };
    OK(rg_lm_generate(lm, job, 2, keep, k, NULL, &e), e);
    CHECK(k[0].n == 8 && same_floats(k[0].logp, k[1].logp, 8));
    for (int i = 0; i < 2; i++)
        rg_lm_release(k[i].node);
    rg_lm_release(again);
    rg_lm_release(node);
    rg_lm_get_stats(lm, &after);
    CHECK(after.pages_used == 0);
    rg_engine_close(x);
}

TEST(what_cannot_be_read_is_refused)
{
    rg_err e = RG_ERR_INIT;
    const size_t falling[] = { 4, 4 }, outside[] = { 9 }, zero = 0;
    float value;
    rg_engine *x = tiny_engine(path, NULL, 1, (rg_lm_opt){ 0 });
    rg_lm *lm = rg_engine_lm(x);
    rg_lm_node *root = rg_lm_root(lm);
    rg_score sc = { .from = root, .id = G.seq[0].id, .n = 8, .first = 8 };
    CHECK(rg_lm_score(lm, &sc, 1, NULL, &e) == RG_EARG && strstr(e.msg, "nothing to score") != NULL);
    e = (rg_err)RG_ERR_INIT;
    sc.at = falling;
    sc.n_at = 2;
    CHECK(rg_lm_score(lm, &sc, 1, NULL, &e) == RG_EARG && strstr(e.msg, "position 1 is token 4") != NULL);
    e = (rg_err)RG_ERR_INIT;
    sc.at = outside;
    sc.n_at = 1;
    CHECK(rg_lm_score(lm, &sc, 1, NULL, &e) == RG_EARG && strstr(e.msg, "token 9 of 8") != NULL);
    e = (rg_err)RG_ERR_INIT;
    sc.at = &zero;
    sc.at_value = &value;
    CHECK(rg_lm_n_values(lm) == 0);
    CHECK(rg_lm_score(lm, &sc, 1, NULL, &e) == RG_EARG && strstr(e.msg, "has no value head") != NULL);
    rg_lm_release(root);
    rg_engine_close(x);
}

/* ---- side by side ---- */

typedef struct loop {
    rg_lm *lm;
    float named[N * COUNT(NAMED)], logp[N];
} loop;

static void *read_often(void *arg)
{
    loop *l = arg;
    for (int i = 0; i < 20; i++)
        read_whole(l->lm, l->named, l->logp);
    return NULL;
}

TEST(two_models_share_threads_and_memory)
{
    static loop l[2];
    float named[N * COUNT(NAMED)], logp[N];
    rg_err e = RG_ERR_INIT;
    pthread_t thread[2];
    rg_engine *x = tiny_engine(path, NULL, 2, (rg_lm_opt){ 0 }), *y;
    const size_t total = rg_lm_kv_bytes(rg_engine_lm(x));
    const rg_engine_opt o = { .model = tiny_path("qwen2", "gguf"), .beside = x };
    OK(rg_engine_open(&y, &o, NULL, &e), e);
    const size_t kx = rg_lm_kv_bytes(rg_engine_lm(x)), ky = rg_lm_kv_bytes(rg_engine_lm(y));
    CHECK(kx + ky <= total && kx > 0 && ky > 0);
    const double tx = (double)(kx / rg_lm_token_bytes(rg_engine_lm(x))),
                 ty = (double)(ky / rg_lm_token_bytes(rg_engine_lm(y)));
    CHECK(fabs(tx / ty - 1) < 0.1); /* a page more or less */
    read_whole(rg_engine_lm(x), named, logp);
    for (int i = 0; i < 2; i++) {
        l[i].lm = rg_engine_lm(i == 0 ? x : y);
        CHECK(pthread_create(&thread[i], NULL, read_often, &l[i]) == 0);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    CHECK(same_floats(named, l[0].named, COUNT(named)) && !same_floats(named, l[1].named, COUNT(named)));
    rg_engine_close(y);
    rg_engine_close(x);
}

/* ---- words ---- */

TEST(words_are_found_in_the_vocabulary)
{
    rg_err e = RG_ERR_INIT;
    rg_engine *x = tiny_engine(path, NULL, 1, (rg_lm_opt){ 0 });
    const char *const yes_no[] = { "Yes", "No" };
    rg_words *w;
    OK(rg_words_new(&w, rg_engine_lm(x), yes_no, 2, &e), e);
    CHECK(rg_words_n(w) == 2 && strcmp(rg_words_text(w, 1), "No") == 0);
    rg_words_free(w);
    const char *const none[] = { "" };
    CHECK(rg_words_new(&w, rg_engine_lm(x), none, 1, &e) == RG_EARG && w == NULL);
    CHECK(rg_words_new(&w, rg_engine_lm(x), NULL, 0, &e) == RG_EARG);
    rg_engine_close(x);
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
        cmocka_unit_test(positions_and_tokens_agree),
        cmocka_unit_test(kept_nodes_go_on),
        cmocka_unit_test(what_cannot_be_read_is_refused),
        cmocka_unit_test(two_models_share_threads_and_memory),
        cmocka_unit_test(words_are_found_in_the_vocabulary),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
