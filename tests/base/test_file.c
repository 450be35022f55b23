/* Files: mapped, read whole, written at once, line by line. */
#include "test.h"

#include <sys/stat.h>
#include <unistd.h>

#include "rung/base/file.h"
#include "rung/base/mem.h"

static char dir[64];

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/rung-test-file-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return system(command);
}

static const char *in_dir(const char *name)
{
    static char path[2][128];
    static int turn;
    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s", dir, name);
    return path[turn];
}

static const char *write_file(const char *name, const void *p, size_t n)
{
    rg_err e = RG_ERR_INIT;
    const char *path = in_dir(name);
    OK(rg_write_atomic(path, p, n, &e), e);
    return path;
}

TEST(written_read_and_mapped_bytes_agree)
{
    rg_err e = RG_ERR_INIT;
    const char *path = write_file("a b\xc3\xbc.bin", "one\0two", 7);
    char *all;
    size_t n;
    OK(rg_read_all(&all, &n, path, 100, &e), e);
    CHECK(n == 7 && memcmp(all, "one\0two", 8) == 0);
    rg_free(all);
    rg_map m;
    OK(rg_map_open(&m, path, &e), e);
    CHECK(m.size == 7 && memcmp(m.data, "one\0two", 7) == 0);
    rg_map_release(&m, 0, m.size);
    CHECK(m.data[4] == 't'); /* released pages come back */
    rg_map_close(&m);
    CHECK(rg_read_all(&all, &n, path, 6, &e) == RG_ELIMIT);
}

TEST(an_empty_file_is_a_file)
{
    rg_err e = RG_ERR_INIT;
    const char *path = write_file("empty", "", 0);
    rg_map m;
    OK(rg_map_open(&m, path, &e), e);
    CHECK(m.size == 0 && m.data == NULL);
    rg_map_close(&m);
    char *all;
    size_t n;
    OK(rg_read_all(&all, &n, path, 10, &e), e);
    CHECK(n == 0 && all[0] == '\0');
    rg_free(all);
}

TEST(only_regular_files_are_mapped)
{
    rg_map m;
    rg_err e = RG_ERR_INIT;
    CHECK(rg_map_open(&m, dir, &e) != RG_OK && strstr(e.msg, dir));
    rg_err_clear(&e);
    const char *fifo = in_dir("fifo");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    alarm(10); /* opening a pipe that nobody writes to would wait for ever */
    CHECK(rg_map_open(&m, fifo, &e) != RG_OK);
    alarm(0);
    rg_err_clear(&e);
    CHECK(rg_map_open(&m, in_dir("missing"), &e) == RG_EIO && strstr(e.msg, "missing"));
}

TEST(an_atomic_write_replaces_or_leaves_alone)
{
    rg_err e = RG_ERR_INIT;
    const char *path = write_file("x", "old", 3);
    write_file("x", "newer", 5);
    char *all;
    size_t n;
    OK(rg_read_all(&all, &n, path, 100, &e), e);
    assert_string_equal(all, "newer");
    rg_free(all);
    CHECK(rg_write_atomic(in_dir("no/such/place"), "x", 1, &e) == RG_EIO);
}

TEST(lines_of_every_kind)
{
    static const char text[] = "first\n\nthird \xff\nlast";
    rg_err e = RG_ERR_INIT;
    rg_lines *l;
    OK(rg_lines_open(&l, write_file("lines", text, sizeof text - 1), 100, &e), e);
    static const char *const want[] = { "first", "", "third \xff", "last" };
    for (size_t i = 0; i <= COUNT(want); i++) {
        rg_str line;
        size_t number;
        bool newline;
        OK(rg_lines_next(l, &line, &number, &newline, &e), e);
        if (i == COUNT(want)) {
            CHECK(line.p == NULL);
            break;
        }
        CHECK(rg_str_is(line, want[i]) && number == i + 1 && newline == (i < 3));
    }
    rg_lines_close(l);
    rg_lines_close(NULL);
}

TEST(a_line_that_is_too_long_is_refused)
{
    rg_err e = RG_ERR_INIT;
    rg_lines *l;
    rg_str line;
    size_t number;
    bool newline;
    OK(rg_lines_open(&l, write_file("long", "12345678901\n", 12), 10, &e), e);
    CHECK(rg_lines_next(l, &line, &number, &newline, &e) == RG_ELIMIT);
    rg_lines_close(l);
}

TEST(folders_are_made_private)
{
    rg_err e = RG_ERR_INIT;
    const char *path = in_dir("one/two/three");
    OK(rg_mkdirs(path, &e), e);
    OK(rg_mkdirs(path, &e), e);
    struct stat st;
    CHECK(rg_path_is_dir(path) && stat(path, &st) == 0 && (st.st_mode & 0777) == 0700);
    write_file("one/file", "x", 1);
    CHECK(rg_path_exists(in_dir("one/file")) && !rg_path_is_dir(in_dir("one/file")));
    CHECK(rg_mkdirs(in_dir("one/file/sub"), &e) == RG_EIO);
}

TEST(the_cache_follows_xdg)
{
    rg_err e = RG_ERR_INIT;
    char *path, want[128];
    setenv("XDG_CACHE_HOME", dir, 1);
    OK(rg_cache_path(&path, "models", &e), e);
    snprintf(want, sizeof want, "%s/rung/models", dir);
    assert_string_equal(path, want);
    rg_free(path);
}

/* FIPS 180-2, appendix B.1 and B.3. */
TEST(sha256_known_answers)
{
    rg_err e = RG_ERR_INIT;
    char hex[65], *a = rg_alloc(1000000, 1);
    OK(rg_sha256(hex, "abc", 3, &e), e);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    memset(a, 'a', 1000000);
    OK(rg_sha256_file(hex, write_file("a", a, 1000000), &e), e);
    assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    rg_free(a);
    CHECK(rg_sha256_file(hex, in_dir("missing"), &e) == RG_EIO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written_read_and_mapped_bytes_agree),
        cmocka_unit_test(an_empty_file_is_a_file),
        cmocka_unit_test(only_regular_files_are_mapped),
        cmocka_unit_test(an_atomic_write_replaces_or_leaves_alone),
        cmocka_unit_test(lines_of_every_kind),
        cmocka_unit_test(a_line_that_is_too_long_is_refused),
        cmocka_unit_test(folders_are_made_private),
        cmocka_unit_test(the_cache_follows_xdg),
        cmocka_unit_test(sha256_known_answers),
    };
    return cmocka_run_group_tests_name("base/file", tests, make_dir, remove_dir);
}
