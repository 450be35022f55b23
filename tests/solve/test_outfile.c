/* The file of records: what stands there counts once, what was torn is redone, what is not ours
 * is left alone. */
#include "test.h"

#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rung/base/file.h"
#include "rung/base/mem.h"
#include "rung/solve/solve.h"

#include "../../src/solve/text_ports.h"

#define CONFIG "00000000000000aa"

static char path[64];

static int setup(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "/tmp/rung-outfile-%ld.jsonl", (long)getpid());
    unlink(path);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

/* ---- a record without a model ---- */

typedef struct made {
    rg_record r;
    rg_candidate c[2];
    text_node text[2];
    rg_node node[3];
    rg_vote vote[1];
} made;

static char *own(const char *text)
{
    return (char *)(uintptr_t)text; /* the record is never freed */
}

/* Candidate 0 says 7, candidate 1 nothing. */
static const rg_record *record(made *m, const rg_problem *p, const char *config)
{
    *m = (made){ .c = { { .index = 0,
                          .node = 1,
                          .text = own("so \\boxed{7}\n"),
                          .answer = own("7"),
                          .canon = own("q:7"),
                          .extract_rule = "boxed",
                          .correct = p->gold == NULL ? -1 : 1,
                          .finish = RG_F_END,
                          .tokens = 5,
                          .logp = -0.5 },
                        { .index = 1,
                          .node = 2,
                          .text = own("no \"idea\"\xff"),
                          .extract_rule = "none",
                          .correct = p->gold == NULL ? -1 : 0,
                          .finish = RG_F_LENGTH,
                          .tokens = 9,
                          .logp = -0.25 } },
                 .vote = { { .answer_class = 0, .count = 1, .weight = 1, .first = 1 } } };
    for (size_t i = 0; i < 2; i++)
        m->text[i] = (text_node){ .text = m->c[i].text,
                                  .n = strlen(m->c[i].text),
                                  .answer = m->c[i].answer == NULL ? NULL : own(m->c[i].answer),
                                  .correct = m->c[i].correct };
    m->node[0] = (rg_node){ .parent = RG_NO_NODE, .sampled = 2, .score = NAN, .reason = "root" };
    for (size_t i = 0; i < 2; i++)
        m->node[i + 1] = (rg_node){ .id = i + 1,
                                    .depth = 1,
                                    .index = i,
                                    .score = NAN,
                                    .value = NAN,
                                    .handle = &m->text[i],
                                    .answer_class = i == 0 ? 0 : RG_NO_CLASS,
                                    .reason = "candidate" };
    m->r = (rg_record){ .id = own(p->id),
                        .problem = own(p->text),
                        .gold = own(p->gold),
                        .policy = own("toy"),
                        .config = own(config),
                        .model_sha256 = "00",
                        .opt = { .method = rg_strategy_find("majority"), .search.N = 2, .seed = UINT64_MAX },
                        .candidate = m->c,
                        .n = 2,
                        .answer = "7",
                        .correct = p->gold == NULL ? -1 : 1,
                        .majority_correct = p->gold == NULL ? -1 : 1,
                        .any_correct = p->gold == NULL ? -1 : 1,
                        .prompt_tokens = 11,
                        .prompt_flops = 1e9,
                        .run = { .complete = true, .gen_tokens = 14, .gen_flops = 3e9, .wall_s = 0.25 } };
    m->r.run.tree = (rg_tree){
        .node = m->node, .n = 3, .vote = m->vote, .n_votes = 1, .chosen = 1, .used = 2, .stop = "done"
    };
    return &m->r;
}

static const rg_problem FIRST = { .id = "p-0", .text = "3 + 4", .gold = "7" },
                        SECOND = { .id = "p-1", .text = "4 + 3", .gold = "7" };

static void append(const rg_problem *p, const char *config)
{
    made m;
    rg_err e = RG_ERR_INIT;
    rg_outfile *f;
    OK(rg_outfile_open(&f, path, config, &e), e);
    OK(rg_outfile_append(f, record(&m, p, config), true, &e), e);
    rg_outfile_close(f);
}

static char *slurp(size_t *n)
{
    char *text;
    rg_err e = RG_ERR_INIT;
    OK(rg_read_all(&text, n, path, 1 << 20, &e), e);
    return text;
}

static void put(const char *text, size_t n)
{
    FILE *f = fopen(path, "wb");
    CHECK(f && fwrite(text, 1, n, f) == n && fclose(f) == 0);
}

/* Opens the file, expects so many records of CONFIG, closes it. */
static void expect(size_t n)
{
    rg_err e = RG_ERR_INIT;
    rg_outfile *f;
    OK(rg_outfile_open(&f, path, CONFIG, &e), e);
    assert_int_equal(rg_outfile_n(f), n);
    rg_outfile_close(f);
}

static void expect_refused(const char *words)
{
    rg_err e = RG_ERR_INIT;
    rg_outfile *f;
    size_t before, after;
    char *was = slurp(&before);
    CHECK(rg_outfile_open(&f, path, CONFIG, &e) == RG_EFORMAT && f == NULL);
    if (!strstr(e.msg, words))
        fail_msg("%s: no '%s'", e.msg, words);
    char *is = slurp(&after);
    CHECK(before == after && memcmp(was, is, after) == 0);
    rg_free(was);
    rg_free(is);
}

/* ---- tests ---- */

TEST(what_was_appended_is_found_and_counted)
{
    rg_err e = RG_ERR_INIT;
    rg_outfile *f;
    rg_summary s = { 0 };
    append(&FIRST, CONFIG);
    append(&SECOND, CONFIG);
    OK(rg_outfile_open(&f, path, CONFIG, &e), e);
    CHECK(rg_outfile_n(f) == 2 && rg_outfile_has(f, &FIRST) && rg_outfile_has(f, &SECOND));
    rg_outfile_add_to(f, &FIRST, &s);
    CHECK(s.n == 1 && s.graded == 1 && s.correct == 1 && s.majority == 1 && s.any == 1 && s.pass_1 == 0.5);
    CHECK(s.tokens == 14 && s.flops == 4e9 && s.prompt == 22 && s.prompt_computed == 11 && s.wall_s == 0);
    rg_outfile_add_to(f, &SECOND, &s);
    CHECK(s.n == 2 && s.tokens == 28);
    const rg_problem other = { .id = "p-2", .text = "?" };
    rg_outfile_add_to(f, &other, &s);
    CHECK(s.n == 2);
    rg_outfile_close(f);
}

/* "p-0" of an edited problem file is another problem. */
TEST(a_problem_is_its_id_and_its_text_and_its_answer)
{
    rg_err e = RG_ERR_INIT;
    rg_outfile *f;
    append(&FIRST, CONFIG);
    OK(rg_outfile_open(&f, path, CONFIG, &e), e);
    const rg_problem edited = { .id = "p-0", .text = "3 + 5", .gold = "7" },
                     regraded = { .id = "p-0", .text = "3 + 4", .gold = "8" },
                     ungraded = { .id = "p-0", .text = "3 + 4" },
                     moved = { .id = "p-1", .text = "3 + 4", .gold = "7" };
    CHECK(!rg_outfile_has(f, &edited) && !rg_outfile_has(f, &regraded) && !rg_outfile_has(f, &ungraded));
    CHECK(!rg_outfile_has(f, &moved) && rg_outfile_has(f, &FIRST));
    rg_outfile_close(f);
}

TEST(a_record_torn_at_any_byte_is_redone)
{
    size_t whole, first;
    append(&FIRST, CONFIG);
    char *one = slurp(&first);
    append(&SECOND, CONFIG);
    char *both = slurp(&whole);
    CHECK(whole > first + 1000);
    for (size_t n = first; n < whole; n++) {
        size_t now;
        put(both, n);
        expect(1);
        append(&SECOND, CONFIG);
        char *again = slurp(&now);
        if (now != whole || memcmp(again, both, whole) != 0)
            fail_msg("cut at byte %zu", n);
        rg_free(again);
    }
    rg_free(one);
    rg_free(both);
}

/* After a power cut a file system may have the length but not the bytes. */
TEST(a_last_line_of_zeros_is_redone)
{
    size_t n;
    append(&FIRST, CONFIG);
    char *one = slurp(&n);
    char padded[8192] = { 0 };
    CHECK(n + 100 < sizeof padded);
    memcpy(padded, one, n);
    put(padded, n + 100);
    expect(1);
    rg_free(one);
}

TEST(a_broken_line_in_the_middle_is_refused_by_number)
{
    size_t n;
    char text[16384];
    append(&FIRST, CONFIG);
    char *one = slurp(&n);
    const int whole = snprintf(text, sizeof text, "%s%.*s\n%s", one, (int)n / 2, one, one);
    put(text, (size_t)whole);
    expect_refused(".jsonl:2 is not a record");
    rg_free(one);
}

TEST(a_file_of_something_else_is_left_alone)
{
    static const char *const foreign[] = { "hello\n",
                                           "hello",
                                           "{\"question\":\"1+1\",\"answer\":\"2\"}\n",
                                           "{\"id\":\"a\"}\n",
                                           "[]\n",
                                           "{\"schema\":1,\"id\":\"a\"}\n",
                                           "7" };
    for (size_t i = 0; i < COUNT(foreign); i++) {
        put(foreign[i], strlen(foreign[i]));
        expect_refused(".jsonl:1 is not a record");
    }
}

TEST(another_configs_records_stay_and_do_not_count)
{
    size_t before, after;
    append(&FIRST, "00000000000000bb");
    char *was = slurp(&before);
    expect(0);
    append(&FIRST, CONFIG);
    expect(1);
    char *is = slurp(&after);
    CHECK(after > before && memcmp(was, is, before) == 0);
    rg_free(was);
    rg_free(is);
}

TEST(a_record_counts_once_and_only_when_complete)
{
    made m;
    rg_err e = RG_ERR_INIT;
    rg_outfile *f;
    append(&FIRST, CONFIG);
    append(&FIRST, CONFIG);
    OK(rg_outfile_open(&f, path, CONFIG, &e), e);
    record(&m, &SECOND, CONFIG);
    m.r.run.complete = false;
    OK(rg_outfile_append(f, &m.r, false, &e), e);
    rg_outfile_close(f);
    expect(1);
}

TEST(one_writer_at_a_time)
{
    rg_err e = RG_ERR_INIT;
    rg_outfile *a, *b;
    OK(rg_outfile_open(&a, path, CONFIG, &e), e);
    CHECK(rg_outfile_open(&b, path, CONFIG, &e) == RG_EARG && b == NULL && strstr(e.msg, "another process"));
    rg_outfile_close(a);
    expect(0);
}

TEST(a_full_disk_leaves_whole_records)
{
    size_t n, after;
    made m;
    rg_err e = RG_ERR_INIT;
    rg_outfile *f;
    struct rlimit was, small;
    append(&FIRST, CONFIG);
    char *one = slurp(&n);
    CHECK(getrlimit(RLIMIT_FSIZE, &was) == 0);
    small = was;
    small.rlim_cur = n + 100; /* a part of the next record fits */
    signal(SIGXFSZ, SIG_IGN);
    OK(rg_outfile_open(&f, path, CONFIG, &e), e);
    CHECK(setrlimit(RLIMIT_FSIZE, &small) == 0);
    const rg_status s = rg_outfile_append(f, record(&m, &SECOND, CONFIG), false, &e);
    CHECK(setrlimit(RLIMIT_FSIZE, &was) == 0);
    signal(SIGXFSZ, SIG_DFL);
    CHECK(s == RG_ELIMIT && strstr(e.msg, path));
    rg_outfile_close(f);
    char *is = slurp(&after);
    CHECK(after == n && memcmp(one, is, n) == 0);
    rg_free(one);
    rg_free(is);
}

TEST(places_that_cannot_be_written)
{
    rg_err e = RG_ERR_INIT;
    rg_outfile *f;
    made m;
    CHECK(rg_outfile_open(&f, "/no/such/folder/x.jsonl", CONFIG, &e) == RG_EIO && strstr(e.msg, "/no/such"));
    rg_err_clear(&e);
    CHECK(rg_outfile_open(&f, "/tmp", CONFIG, &e) == RG_EIO);
    rg_err_clear(&e);
    OK(rg_outfile_open(&f, "/dev/null", CONFIG, &e), e); /* a way to see the summary only */
    OK(rg_outfile_append(f, record(&m, &FIRST, CONFIG), false, &e), e);
    rg_outfile_close(f);
}

/* Each allocation fails once: one error, and the file is what it was. */
TEST(any_allocation_may_fail)
{
    rg_alloc_fail_at(-1);
    rg_free(rg_alloc(1, 1));
    if (rg_alloc_fail_at(-1) == 0) {
        print_message("[  NOTE    ] not a torture build: no allocation can be refused\n");
        skip();
    }
    size_t n;
    append(&FIRST, CONFIG);
    char *one = slurp(&n);
    for (long k = 0;; k++) {
        rg_err e = RG_ERR_INIT;
        rg_outfile *f;
        made m;
        rg_alloc_fail_at(k);
        rg_status s = rg_outfile_open(&f, path, CONFIG, &e);
        if (s == RG_OK)
            s = rg_outfile_append(f, record(&m, &SECOND, CONFIG), true, &e);
        const long asked = rg_alloc_fail_at(-1);
        rg_outfile_close(f);
        CHECK((s == RG_OK) == (e.msg[0] == '\0'));
        expect(s == RG_OK ? 2 : 1);
        put(one, n);
        if (asked <= k)
            break;
    }
    rg_free(one);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_was_appended_is_found_and_counted),
        CASE(a_problem_is_its_id_and_its_text_and_its_answer),
        CASE(a_record_torn_at_any_byte_is_redone),
        CASE(a_last_line_of_zeros_is_redone),
        CASE(a_broken_line_in_the_middle_is_refused_by_number),
        CASE(a_file_of_something_else_is_left_alone),
        CASE(another_configs_records_stay_and_do_not_count),
        CASE(a_record_counts_once_and_only_when_complete),
        CASE(one_writer_at_a_time),
        CASE(a_full_disk_leaves_whole_records),
        CASE(places_that_cannot_be_written),
        CASE(any_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("solve/outfile", tests, NULL, NULL);
}
