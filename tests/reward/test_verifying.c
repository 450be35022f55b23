/* A verifier as a search's scorer: which paths it is given, from where, and what becomes of its
 * verdicts. */
#include <math.h>

#include "rung/base/mem.h"
#include "rung/reward/verifier.h"
#include "test.h"

/* ---- handles: what nodes say ---- */

typedef struct handle {
    const struct handle *up;
    rg_str step[3];
    size_t n;
} handle;

static rg_status steps(void *arg, const void *h, const rg_str **step, size_t *n, rg_err *e)
{
    (void)arg;
    (void)e;
    *step = ((const handle *)h)->step;
    *n = ((const handle *)h)->n;
    return RG_OK;
}

static const void *up(void *arg, const void *h)
{
    (void)arg;
    return ((const handle *)h)->up;
}

static const rg_step_reader READER = { .steps = steps, .up = up };

#define STEP(text)                                                                                           \
    {                                                                                                        \
        text, sizeof(text) - 1                                                                               \
    }
static const handle ROOT = { 0 };
static const handle A = { &ROOT, { STEP("a") }, 1 }, B = { &A, { STEP("bad") }, 1 },
                    C = { &B, { STEP("c") }, 1 }, D = { &C, { STEP("d") }, 1 },
                    WHOLE = { &ROOT, { STEP("x"), STEP("bad"), STEP("z") }, 3 },
                    EMPTY = { &A, { { "", 0 } }, 0 };

static rg_node node_of(const handle *h, bool terminal)
{
    return (rg_node){ .handle = (void *)(uintptr_t)h, .score = 99, .terminal = terminal, .stream = 7 };
}

/* ---- a verifier that remembers what it was asked ---- */

typedef struct asked {
    size_t n, first;
    uint64_t key, parent;
    bool whole;
} asked;

typedef struct mock {
    rg_verifier v;
    asked asked[16];
    size_t n, batches, sessions;
    uint64_t forgotten;
} mock;

typedef struct session {
    rg_judging j;
    char critique[64];
} session;

static rg_status mock_open(rg_judging **out, rg_verifier *v, rg_err *e)
{
    session *s = rg_calloc(1, sizeof *s);
    if (s == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory");
    s->j.v = v;
    ((mock *)v)->sessions++;
    *out = &s->j;
    return RG_OK;
}

static void mock_close(rg_judging *j)
{
    ((mock *)j->v)->sessions--;
    rg_free(j);
}

static rg_status mock_judge(rg_judging *j, const rg_path *p, size_t n, rg_judgement *const *out,
                            const rg_call *call, rg_err *e)
{
    mock *m = (mock *)j->v;
    session *s = (session *)j;
    (void)e;
    CHECK(call->role == RG_VERIFIER && call->ledger != NULL);
    call->ledger->role[RG_VERIFIER].prompt_tokens += n;
    m->batches++;
    snprintf(s->critique, sizeof s->critique, "this is bad");
    for (size_t i = 0; i < n; i++) {
        CHECK(m->n < COUNT(m->asked) && p[i].first < p[i].n);
        m->asked[m->n++] = (asked){ p[i].n, p[i].first, p[i].key, p[i].parent, p[i].whole };
        for (size_t k = p[i].first; k < p[i].n; k++) {
            const bool bad = rg_str_eq(p[i].step[k], rg_str_of("bad"));
            out[i][k - p[i].first] =
                (rg_judgement){ .r = bad ? 0.25 : 0.75, .token = k, .critique = bad ? s->critique : NULL };
        }
    }
    return RG_OK;
}

static void mock_forget(rg_judging *j, uint64_t key)
{
    ((mock *)j->v)->forgotten = key;
}

static mock mock_new(void)
{
    return (mock){ .v = { .name = "mock",
                          .scale = RG_PROBABILITY,
                          .open = mock_open,
                          .judge = mock_judge,
                          .forget = mock_forget,
                          .close = mock_close } };
}

static rg_verifying *open_mock(mock *m)
{
    rg_verifying *y;
    rg_err e = RG_ERR_INIT;
    OK(rg_verifying_open(&y, &m->v, rg_str_of("1 + 1"), &READER, &e), e);
    CHECK(m->sessions == 1);
    return y;
}

static void score(rg_verifying *y, rg_node **v, size_t n)
{
    rg_err e = RG_ERR_INIT;
    const rg_scorer sc = rg_verifying_scorer(y);
    OK(sc.score(sc.self, v, n, NULL, &e), e);
}

TEST(a_path_goes_on_from_its_judged_ancestor)
{
    mock m = mock_new();
    rg_verifying *y = open_mock(&m);
    rg_node a = node_of(&A, false), b = node_of(&B, false), d = node_of(&D, true);
    size_t n;
    score(y, &(rg_node *){ &a }, 1);
    score(y, &(rg_node *){ &b }, 1);
    score(y, &(rg_node *){ &d }, 1); /* c was never scored */
    CHECK(m.n == 3);
    CHECK(m.asked[0].n == 1 && m.asked[0].first == 0 && m.asked[0].parent == 0 && m.asked[0].key != 0);
    CHECK(m.asked[1].n == 2 && m.asked[1].first == 1 && m.asked[1].parent == m.asked[0].key);
    CHECK(m.asked[2].n == 4 && m.asked[2].first == 2 && m.asked[2].parent == m.asked[1].key);
    CHECK(m.asked[2].key == 0 && m.asked[2].whole && !m.asked[1].whole);
    CHECK(a.score == 0.75 && b.score == 0.25 && d.score == 0.75 && d.n_steps == 0);
    CHECK(rg_verifying_of(y, &D, &n) != NULL && n == 1 && rg_verifying_of(y, &D, &n)->token == 3);
    CHECK(rg_verifying_of(y, &C, &n) == NULL && n == 0);
    CHECK(a.note == NULL && b.note != NULL && d.note == NULL);
    const rg_critique *c = b.note;
    CHECK(c->index == 1 && rg_str_eq(c->step, rg_str_of("bad")) && strcmp(c->text, "this is bad") == 0);
    CHECK(rg_verifying_cost(y)->role[RG_VERIFIER].prompt_tokens == 3);
    rg_verifying_close(y);
    CHECK(m.sessions == 0);
}

TEST(a_path_and_its_extension_come_in_two_batches)
{
    mock m = mock_new();
    rg_verifying *y = open_mock(&m);
    rg_node a = node_of(&A, false), b = node_of(&B, false), w = node_of(&WHOLE, true);
    rg_node *v[] = { &b, &w, &a };
    score(y, v, COUNT(v));
    CHECK(m.batches == 2 && m.n == 3);
    CHECK(m.asked[0].n == 3 && m.asked[1].n == 1 && m.asked[2].n == 2);
    CHECK(m.asked[2].first == 1 && m.asked[2].parent == m.asked[1].key && m.asked[2].parent != 0);
    CHECK(w.n_steps == 3 && w.step[1] == 0.25 && w.score == 0.75);
    rg_free(w.step);
    rg_verifying_close(y);
}

TEST(forgotten_states_are_not_named_again)
{
    mock m = mock_new();
    rg_verifying *y = open_mock(&m);
    rg_node a = node_of(&A, false), b = node_of(&B, false);
    score(y, &(rg_node *){ &a }, 1);
    const rg_scorer sc = rg_verifying_scorer(y);
    sc.release(sc.self, &a);
    CHECK(m.forgotten == m.asked[0].key);
    m.forgotten = 0;
    sc.release(sc.self, &a);
    CHECK(m.forgotten == 0);
    score(y, &(rg_node *){ &b }, 1);
    CHECK(m.asked[1].first == 1 && m.asked[1].n == 2 && m.asked[1].parent == 0);
    rg_verifying_close(y);
}

TEST(what_says_nothing_is_not_asked_about)
{
    mock m = mock_new();
    rg_verifying *y = open_mock(&m);
    rg_node a = node_of(&A, false), none = node_of(&EMPTY, true);
    rg_node *v[] = { &none, &a };
    score(y, v, COUNT(v));
    CHECK(m.n == 1 && a.score == 0.75 && isnan(none.score));
    rg_verifying_close(y);
}

TEST(flags_have_names)
{
    CHECK(strcmp(rg_verdict_flag_name(RG_VF_FORCED), "forced") == 0);
    CHECK(strcmp(rg_verdict_flag_name(RG_VF_TEXT), "text") == 0);
    CHECK(rg_verdict_flag_name(0) == NULL && rg_verdict_flag_name(RG_VF_TEXT << 1) == NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_goes_on_from_its_judged_ancestor),
        cmocka_unit_test(a_path_and_its_extension_come_in_two_batches),
        cmocka_unit_test(forgotten_states_are_not_named_again),
        cmocka_unit_test(what_says_nothing_is_not_asked_about),
        cmocka_unit_test(flags_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
