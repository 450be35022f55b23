/* Writing GGUF: equal bytes, refusals, and what a full disk or a kill leaves behind. */
#include "test.h"

#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "rung/base/file.h"
#include "rung/base/mem.h"
#include "rung/format/gguf.h"
#include "rung/format/gguf_write.h"

static char folder[64], dst[128];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/rung-gguf-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(dst, sizeof dst, "%s/model.gguf", folder);
    return 0;
}

/* Files in the folder; remove: and they are gone. */
static size_t count_files(bool remove)
{
    size_t n = 0;
    DIR *d = opendir(folder);
    CHECK(d != NULL);
    for (const struct dirent *it; (it = readdir(d)) != NULL;) {
        if (it->d_name[0] == '.')
            continue;
        n++;
        if (remove)
            unlinkat(dirfd(d), it->d_name, 0);
    }
    closedir(d);
    return n;
}

static int drop_folder(void **state)
{
    (void)state;
    count_files(true);
    return rmdir(folder);
}

static char *zero_ended(rg_str s)
{
    char *p = rg_strndup(s.p, s.n);
    CHECK(p != NULL);
    return p;
}

static rg_status rebuild(const rg_gguf *g, size_t piece, rg_err *e)
{
    rg_gguf_writer *w;
    OK(rg_gguf_create(&w, dst, e), *e);
    for (size_t i = 0; i < rg_gguf_n_keys(g); i++) {
        rg_str key;
        rg_gguf_kind kind;
        rg_gguf_key_at(g, i, &key, &kind);
        char *name = zero_ended(key);
        OK(rg_gguf_put_copy(w, g, name, e), *e);
        rg_free(name);
    }
    for (size_t i = 0; i < rg_gguf_n_tensors(g); i++) {
        const rg_gguf_tensor *t = rg_gguf_tensor_at(g, i);
        char *name = zero_ended(t->name);
        OK(rg_gguf_declare(w, name, t->type, t->n_dims, t->dims, e), *e);
        rg_free(name);
    }
    for (size_t i = 0; i < rg_gguf_n_tensors(g); i++) {
        const rg_gguf_tensor *t = rg_gguf_tensor_at(g, i);
        for (uint64_t at = 0; at < t->bytes; at += piece)
            OK(rg_gguf_write(w, (const char *)t->data + at, (size_t)RG_MIN(piece, t->bytes - at), e), *e);
    }
    return rg_gguf_finish(w, e);
}

/* The tiny files were written by the gguf package; ours must be theirs, byte for byte. */
TEST(rebuilt_file_is_byte_equal_to_gguf_py)
{
    static const char *const files[] = { "tiny/qwen2_mixed.gguf", "tiny/llama3_rope.gguf",
                                         "tiny/llama_kquant.gguf", "gguf_keys.gguf" };
    rg_err e = RG_ERR_INIT;
    for (size_t i = 0; i < COUNT(files); i++)
        for (size_t piece = 100; piece <= 1 << 20; piece *= 97) {
            rg_gguf *g;
            rg_map want, got;
            OK(rg_gguf_open(&g, test_file(files[i]), &e), e);
            OK(rebuild(g, piece, &e), e);
            rg_gguf_close(g);
            OK(rg_map_open(&want, test_file(files[i]), &e), e);
            OK(rg_map_open(&got, dst, &e), e);
            assert_int_equal(got.size, want.size);
            assert_memory_equal(got.data, want.data, want.size);
            rg_map_close(&want);
            rg_map_close(&got);
        }
    assert_int_equal(count_files(false), 1);
}

/* The same keys through the typed putters, as oracle/gguf_keys.py gave them to the package. */
TEST(typed_keys_are_byte_equal_to_gguf_py)
{
    static const float floats[] = { 0.5f, -1.25f, 3e38f }, cells[] = { 1, 2, 3, 4, 5, 6 };
    static const int32_t ints[] = { -1, 0, 2147483647 };
    const rg_str words[] = { rg_str_of("a"), rg_str_of(""), rg_str_of("\xc4\xa0sch\xc3\xb6n") };
    const uint64_t dims[] = { 3, 2 }, one[] = { 5 };
    rg_err e = RG_ERR_INIT;
    rg_gguf_writer *w;
    rg_map want, got;
    OK(rg_gguf_create(&w, dst, &e), e);
    OK(rg_gguf_put_str(w, "general.architecture", rg_str_of("llama"), &e), e);
    OK(rg_gguf_put_u32(w, "general.alignment", 64, &e), e);
    OK(rg_gguf_put_u32(w, "t.u32", 4294967295u, &e), e);
    OK(rg_gguf_put_u64(w, "t.u64", UINT64_C(1) << 40, &e), e);
    OK(rg_gguf_put_f32(w, "t.f32", 1e-6f, &e), e);
    OK(rg_gguf_put_bool(w, "t.yes", true, &e), e);
    OK(rg_gguf_put_bool(w, "t.no", false, &e), e);
    OK(rg_gguf_put_strs(w, "t.words", words, 3, &e), e);
    OK(rg_gguf_put_i32s(w, "t.ints", ints, 3, &e), e);
    OK(rg_gguf_put_f32s(w, "t.floats", floats, 3, &e), e);
    OK(rg_gguf_declare(w, "matrix.weight", RG_F32, 2, dims, &e), e);
    OK(rg_gguf_declare(w, "vector.bias", RG_F32, 1, one, &e), e);
    OK(rg_gguf_write(w, cells, 6 * sizeof *cells, &e), e);
    OK(rg_gguf_write(w, cells, 5 * sizeof *cells, &e), e);
    OK(rg_gguf_finish(w, &e), e);
    OK(rg_map_open(&want, test_file("gguf_keys.gguf"), &e), e);
    OK(rg_map_open(&got, dst, &e), e);
    assert_int_equal(got.size, want.size);
    assert_memory_equal(got.data, want.data, want.size);
    rg_map_close(&want);
    rg_map_close(&got);
}

static rg_gguf_writer *two_tensors(void)
{
    const uint64_t dims[] = { 32, 4 };
    rg_err e = RG_ERR_INIT;
    rg_gguf_writer *w;
    OK(rg_gguf_create(&w, dst, &e), e);
    OK(rg_gguf_put_str(w, "general.architecture", rg_str_of("llama"), &e), e);
    OK(rg_gguf_declare(w, "a", RG_F32, 2, dims, &e), e);
    OK(rg_gguf_declare(w, "b", RG_Q8_0, 2, dims, &e), e);
    return w;
}

#define REFUSED(call, part)                                                                                  \
    do {                                                                                                     \
        rg_err re = RG_ERR_INIT;                                                                             \
        assert_int_equal((call)(&re), RG_EARG);                                                              \
        CHECK(strstr(re.msg, (part)) != NULL);                                                               \
    } while (0)

static rg_gguf_writer *now;
static rg_status key_twice(rg_err *e)
{
    return rg_gguf_put_u32(now, "general.architecture", 1, e);
}
static rg_status tensor_twice(rg_err *e)
{
    return rg_gguf_declare(now, "a", RG_F32, 1, (const uint64_t[]){ 8 }, e);
}
static rg_status long_name(rg_err *e)
{
    char name[66];
    memset(name, 'x', 65);
    name[65] = '\0';
    return rg_gguf_declare(now, name, RG_F32, 1, (const uint64_t[]){ 8 }, e);
}
static rg_status odd_row(rg_err *e)
{
    return rg_gguf_declare(now, "c", RG_Q4_K, 1, (const uint64_t[]){ 896 }, e);
}
static rg_status removed_type(rg_err *e)
{
    return rg_gguf_declare(now, "c", 4, 1, (const uint64_t[]){ 32 }, e);
}
static rg_status late_key(rg_err *e)
{
    return rg_gguf_put_bool(now, "late", true, e);
}

TEST(senseless_requests_are_refused_by_name)
{
    rg_err e = RG_ERR_INIT;
    now = two_tensors();
    REFUSED(key_twice, "general.architecture");
    REFUSED(tensor_twice, "'a'");
    REFUSED(long_name, "65 bytes");
    REFUSED(odd_row, "896");
    REFUSED(removed_type, "type id 4");
    OK(rg_gguf_write(now, "1234", 4, &e), e);
    REFUSED(late_key, "late");
    rg_gguf_abandon(now);
    assert_int_equal(count_files(false), 0);
}

TEST(too_little_and_too_much_data_leave_nothing)
{
    static const char zeros[1024];
    rg_err e = RG_ERR_INIT;
    assert_int_equal(rg_gguf_finish(two_tensors(), &e), RG_EARG);
    CHECK(strstr(e.msg, "0 of its 512 bytes") != NULL);
    rg_err_clear(&e);
    rg_gguf_writer *w = two_tensors();
    OK(rg_gguf_write(w, zeros, 512 + 136, &e), e);
    assert_int_equal(rg_gguf_write(w, zeros, 1, &e), RG_EARG);
    rg_gguf_abandon(w);
    assert_int_equal(count_files(false), 0);
}

/* A file-size limit stands in for a full disk: the write fails in the middle of the data. */
TEST(full_disk_leaves_nothing)
{
    static char data[1 << 20];
    rg_err e = RG_ERR_INIT;
    struct rlimit old, small;
    getrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, SIG_IGN);
    for (rlim_t limit = 0; limit <= 1 << 20; limit = 4 * limit + 100) {
        rg_gguf_writer *w;
        small = (struct rlimit){ limit, old.rlim_max };
        setrlimit(RLIMIT_FSIZE, &small);
        rg_err_clear(&e);
        OK(rg_gguf_create(&w, dst, &e), e);
        OK(rg_gguf_declare(w, "a", RG_I8, 1, (const uint64_t[]){ sizeof data }, &e), e);
        assert_int_equal(rg_gguf_write(w, data, sizeof data, &e), RG_ELIMIT);
        rg_gguf_abandon(w);
        setrlimit(RLIMIT_FSIZE, &old);
        assert_int_equal(count_files(false), 0);
    }
}

TEST(a_file_larger_than_the_disk_is_refused_before_writing)
{
    rg_err e = RG_ERR_INIT;
    rg_gguf_writer *w;
    OK(rg_gguf_create(&w, dst, &e), e);
    OK(rg_gguf_declare(w, "a", RG_I8, 1, (const uint64_t[]){ UINT64_C(1) << 49 }, &e), e);
    assert_int_equal(rg_gguf_write(w, "x", 1, &e), RG_ELIMIT);
    CHECK(strstr(e.msg, "MB left") != NULL);
    rg_gguf_abandon(w);
    assert_int_equal(count_files(false), 0);
}

static void write_for_ever(void)
{
    static char data[1 << 16];
    for (;;) {
        rg_err e = RG_ERR_INIT;
        rg_gguf_writer *w;
        if (rg_gguf_create(&w, dst, &e) != RG_OK ||
            rg_gguf_declare(w, "a", RG_I8, 1, (const uint64_t[]){ 8 * sizeof data }, &e) != RG_OK)
            _exit(1);
        for (int i = 0; i < 8; i++)
            if (rg_gguf_write(w, data, sizeof data, &e) != RG_OK)
                _exit(1);
        if (rg_gguf_finish(w, &e) != RG_OK)
            _exit(1);
    }
}

/* Whatever stands under the final name after a kill is whole, and the next writer removes what
 * the dead one left beside it, but not what a living one is writing. */
TEST(kill_at_any_moment_leaves_nothing_half)
{
    rg_err e = RG_ERR_INIT;
    for (int round = 0; round < 40; round++) {
        const pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0)
            write_for_ever();
        nanosleep(&(struct timespec){ .tv_nsec = 300000L * (round % 20) }, NULL);
        int status;
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        CHECK(WIFSIGNALED(status));
        if (rg_path_exists(dst)) {
            rg_gguf *g;
            OK(rg_gguf_open(&g, dst, &e), e);
            rg_gguf_close(g);
            unlink(dst);
        }
        CHECK(count_files(false) <= 1);
        rg_gguf_writer *living = two_tensors(), *other = two_tensors();
        assert_int_equal(count_files(false), 2);
        rg_gguf_abandon(living);
        rg_gguf_abandon(other);
        assert_int_equal(count_files(false), 0);
    }
}

TEST(allocation_failure_leaves_nothing)
{
#ifndef RG_TORTURE
    print_message("[  NOTE    ] this build cannot refuse allocations: meson setup -Dtorture=true\n");
    skip();
#endif
    rg_err e = RG_ERR_INIT;
    rg_gguf *g;
    OK(rg_gguf_open(&g, test_file("gguf_keys.gguf"), &e), e);
    for (long k = 0; k < 60; k++) {
        rg_gguf_writer *w = NULL;
        rg_err_clear(&e);
        rg_alloc_fail_at(k);
        rg_status s = rg_gguf_create(&w, dst, &e);
        if (s == RG_OK)
            s = rg_gguf_put_copy(w, g, "t.words", &e);
        if (s == RG_OK)
            s = rg_gguf_declare(w, "a", RG_I8, 1, (const uint64_t[]){ 1 }, &e);
        if (s == RG_OK)
            s = rg_gguf_write(w, "x", 1, &e);
        if (s == RG_OK)
            s = rg_gguf_finish(w, &e);
        else
            rg_gguf_abandon(w);
        rg_alloc_fail_at(-1);
        CHECK(s == RG_OK || s == RG_ENOMEM);
        CHECK(s != RG_ENOMEM || count_files(false) == 0);
        count_files(true);
    }
    rg_gguf_close(g);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, make_folder, drop_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(rebuilt_file_is_byte_equal_to_gguf_py),
        CASE(typed_keys_are_byte_equal_to_gguf_py),
        CASE(senseless_requests_are_refused_by_name),
        CASE(too_little_and_too_much_data_leave_nothing),
        CASE(full_disk_leaves_nothing),
        CASE(a_file_larger_than_the_disk_is_refused_before_writing),
        CASE(kill_at_any_moment_leaves_nothing_half),
        CASE(allocation_failure_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
