/* Downloads from a small server on the loopback address that behaves well or badly by path. */
#include "test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rung/base/file.h"
#include "rung/base/mem.h"
#include "rung/net/http.h"

enum { SIZE = 300000, NO_LIMIT = 1 << 30 };

static char body[SIZE], dir[64];
static pid_t server;
static int port;

/* ---- the server: one connection at a time ---- */

static void send_all(int c, const char *p, size_t n)
{
    while (n > 0) {
        const ssize_t w = send(c, p, n, MSG_NOSIGNAL);
        if (w <= 0)
            return;
        p += w;
        n -= (size_t)w;
    }
}

static void send_head(int c, const char *status, long length, const char *more)
{
    char head[512];
    int n = snprintf(head, sizeof head, "HTTP/1.1 %s\r\nConnection: close\r\n%s", status, more);
    if (length >= 0)
        n += snprintf(head + n, sizeof head - (size_t)n, "Content-Length: %ld\r\n", length);
    n += snprintf(head + n, sizeof head - (size_t)n, "\r\n");
    send_all(c, head, (size_t)n);
}

static void send_file(int c, const char *request, bool ranges)
{
    const char *range = ranges ? strstr(request, "Range: bytes=") : NULL;
    const long from = range ? atol(range + 13) : 0;
    char more[100] = "";
    if (from >= SIZE) {
        send_head(c, "416 Range Not Satisfiable", 0, "");
        return;
    }
    if (range)
        snprintf(more, sizeof more, "Content-Range: bytes %ld-%d/%d\r\n", from, SIZE - 1, SIZE);
    send_head(c, range ? "206 Partial Content" : "200 OK", SIZE - from, more);
    send_all(c, body + from, (size_t)(SIZE - from));
}

static bool asks(const char *request, const char *path)
{
    return strncmp(request + 4, path, strlen(path)) == 0 && request[4 + strlen(path)] == ' ';
}

static void answer(int c, const char *request)
{
    if (asks(request, "/file") || asks(request, "/file?token=hush")) {
        send_file(c, request, true);
    } else if (asks(request, "/no-ranges")) {
        send_file(c, request, false);
    } else if (asks(request, "/redirect")) {
        send_head(c, "302 Found", 4, "Location: /file\r\n");
        send_all(c, "gone", 4);
    } else if (asks(request, "/loop")) {
        send_head(c, "302 Found", 0, "Location: /loop\r\n");
    } else if (asks(request, "/away")) {
        send_head(c, "302 Found", 0, "Location: http://192.0.2.1/file\r\n");
    } else if (asks(request, "/local")) {
        send_head(c, "302 Found", 0, "Location: file:///etc/passwd\r\n");
    } else if (asks(request, "/short")) {
        send_head(c, "200 OK", SIZE, "");
        send_all(c, body, 1000);
    } else if (asks(request, "/other-range")) {
        send_head(c, "206 Partial Content", 10, "Content-Range: bytes 5-14/15\r\n");
        send_all(c, body, 10);
    } else if (asks(request, "/endless")) {
        send_head(c, "200 OK", -1, "");
        for (int i = 0; i < 100; i++)
            send_all(c, body, SIZE);
    } else if (asks(request, "/stuck")) {
        send_head(c, "200 OK", SIZE, "");
        send_all(c, body, 1000);
        sleep(4);
    } else if (asks(request, "/empty")) {
        send_head(c, "200 OK", 0, "");
    } else {
        send_head(c, "404 Not Found", 5, "");
        send_all(c, "sorry", 5);
    }
}

static void serve(int listener)
{
    for (;;) {
        const int c = accept(listener, NULL, NULL);
        char request[4096];
        size_t n = 0;
        while (n < sizeof request - 1) {
            const ssize_t r = recv(c, request + n, sizeof request - 1 - n, 0);
            if (r <= 0)
                break;
            n += (size_t)r;
            request[n] = '\0';
            if (strstr(request, "\r\n\r\n"))
                break;
        }
        if (n > 4)
            answer(c, request);
        shutdown(c, SHUT_WR);
        close(c);
    }
}

static int start(void **state)
{
    (void)state;
    for (size_t i = 0; i < SIZE; i++)
        body[i] = (char)(i * 7 + i / 251);
    snprintf(dir, sizeof dir, "/tmp/rung-test-http-XXXXXX");
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof a;
    if (!mkdtemp(dir) || bind(listener, (struct sockaddr *)&a, size) != 0 || listen(listener, 8) != 0 ||
        getsockname(listener, (struct sockaddr *)&a, &size) != 0)
        return -1;
    port = ntohs(a.sin_port);
    setenv("no_proxy", "127.0.0.1,localhost", 1);
    server = fork();
    if (server == 0)
        serve(listener);
    close(listener);
    return server > 0 ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    char command[128];
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return system(command);
}

/* ---- the client ---- */

static char *target(void)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/got", dir);
    return path;
}

static rg_status get(const char *path, uint64_t from, uint64_t max, uint64_t *size, const rg_call *call,
                     rg_err *e)
{
    char url[256];
    snprintf(url, sizeof url, "http://127.0.0.1:%d%s", port, path);
    return rg_http_get_to_file(size, url, target(), from, max, call, e);
}

static void check_body(uint64_t size)
{
    rg_err e = RG_ERR_INIT;
    char *all;
    size_t n;
    OK(rg_read_all(&all, &n, target(), 2 * SIZE, &e), e);
    CHECK(size == SIZE && n == SIZE && memcmp(all, body, SIZE) == 0);
    rg_free(all);
}

static void put_file(size_t n, char fill)
{
    rg_err e = RG_ERR_INIT;
    char *p = rg_alloc(n, 1);
    memset(p, fill, n);
    memcpy(p, body, RG_MIN(n, (size_t)1000));
    OK(rg_write_atomic(target(), p, n, &e), e);
    rg_free(p);
}

TEST(a_file_arrives_whole)
{
    static const char *const paths[] = { "/file", "/redirect", "/no-ranges", "/file?token=hush" };
    for (size_t i = 0; i < COUNT(paths); i++) {
        rg_err e = RG_ERR_INIT;
        uint64_t size = 0;
        put_file(2000, 'x'); /* what stood there before does not matter */
        OK(get(paths[i], 0, SIZE, &size, NULL, &e), e);
        check_body(size);
    }
}

/* 1000 good bytes, then rubbish: the rest is fetched from byte 1000, or everything where the
 * server cannot; a beginning longer than the file starts afresh. */
TEST(a_download_resumes)
{
    static const char *const paths[] = { "/file", "/redirect", "/no-ranges" };
    for (size_t i = 0; i < COUNT(paths); i++) {
        rg_err e = RG_ERR_INIT;
        uint64_t size = 0;
        put_file(5000, 'x');
        OK(get(paths[i], 1000, SIZE, &size, NULL, &e), e);
        check_body(size);
    }
    rg_err e = RG_ERR_INIT;
    uint64_t size = 0;
    put_file(SIZE + 10, 'x');
    OK(get("/file", SIZE + 10, NO_LIMIT, &size, NULL, &e), e);
    check_body(size);
}

static void check_refused(const char *path, uint64_t from, uint64_t max, rg_status want, const char *word)
{
    rg_err e = RG_ERR_INIT;
    assert_int_equal(get(path, from, max, NULL, NULL, &e), want);
    if (!strstr(e.msg, word))
        fail_msg("no '%s' in: %s", word, e.msg);
}

TEST(bad_servers_are_named)
{
    check_refused("/nowhere", 0, SIZE, RG_EREMOTE, "answered 404");
    check_refused("/loop", 0, SIZE, RG_EREMOTE, "more than 5 redirects");
    check_refused("/away", 0, SIZE, RG_EREMOTE, "does not lead to https");
    check_refused("/local", 0, SIZE, RG_EREMOTE, "does not lead to https");
    check_refused("/short", 0, SIZE, RG_EREMOTE, "127.0.0.1");
    put_file(2000, 'x');
    check_refused("/other-range", 1000, SIZE, RG_EREMOTE, "asked for byte 1000, got 5");
}

TEST(a_broken_transfer_can_go_on)
{
    rg_err e = RG_ERR_INIT;
    uint64_t size = 0;
    CHECK(get("/short", 0, SIZE, &size, NULL, &e) == RG_EREMOTE && size == 1000);
    rg_err_clear(&e);
    OK(get("/file", size, SIZE, &size, NULL, &e), e);
    check_body(size);
}

TEST(the_ceiling_holds)
{
    check_refused("/file", 0, SIZE - 1, RG_ELIMIT, "299999 allowed"); /* told by its length */
    check_refused("/endless", 0, SIZE - 1, RG_ELIMIT, "longer than"); /* told by counting */
    char *all;
    size_t n;
    rg_err e = RG_ERR_INIT;
    OK(rg_read_all(&all, &n, target(), SIZE, &e), e);
    CHECK(n <= SIZE - 1);
    rg_free(all);
}

TEST(an_empty_answer_is_an_empty_file)
{
    rg_err e = RG_ERR_INIT;
    uint64_t size = 1;
    put_file(2000, 'x');
    OK(get("/empty", 1000, SIZE, &size, NULL, &e), e);
    assert_int_equal(size, 0);
}

TEST(only_https_or_loopback)
{
    static const char *const urls[] = { "http://192.0.2.1/x",
                                        "ftp://127.0.0.1/x",
                                        "file:///etc/passwd",
                                        "http://127.0.0.1.example.com/x",
                                        "not a url",
                                        "",
                                        "http://user:hush@192.0.2.1/x?key=hush" };
    for (size_t i = 0; i < COUNT(urls); i++) {
        rg_err e = RG_ERR_INIT;
        assert_int_equal(rg_http_get_to_file(NULL, urls[i], target(), 0, SIZE, NULL, &e), RG_EARG);
        CHECK(strstr(e.msg, "not an https URL") && !strstr(e.msg, "hush"));
    }
}

TEST(a_server_that_is_not_there_fails_fast)
{
    rg_err e = RG_ERR_INIT;
    const int64_t t0 = rg_now_ns();
    CHECK(rg_http_get_to_file(NULL, "http://127.0.0.1:1/x?key=hush", target(), 0, SIZE, NULL, &e) ==
          RG_EREMOTE);
    CHECK(rg_now_ns() - t0 < 6000000000ll && !strstr(e.msg, "hush"));
}

static void count_progress(void *arg, const rg_event *ev)
{
    double *most = arg;
    if (ev->kind == RG_EV_PROGRESS && ev->total == SIZE && ev->value > *most)
        *most = ev->value;
}

TEST(progress_counts_the_whole_file)
{
    rg_err e = RG_ERR_INIT;
    double most = 0;
    const rg_call call = { .sink = count_progress, .sink_arg = &most };
    put_file(1000, 'x');
    OK(get("/file", 1000, SIZE, NULL, &call, &e), e);
    CHECK(most == SIZE);
}

TEST(cancel_and_deadline_end_a_transfer_that_hangs)
{
    rg_err e = RG_ERR_INIT;
    atomic_bool cancel = true;
    const rg_call raised = { .cancel = &cancel }, late = { .deadline_ns = rg_now_ns() + 300000000ll };
    CHECK(get("/file", 0, SIZE, NULL, &raised, &e) == RG_ECANCEL);
    rg_err_clear(&e);
    const int64_t t0 = rg_now_ns();
    CHECK(get("/stuck", 0, SIZE, NULL, &late, &e) == RG_ELIMIT);
    CHECK(rg_now_ns() - t0 < 3000000000ll);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_arrives_whole),
        cmocka_unit_test(a_download_resumes),
        cmocka_unit_test(bad_servers_are_named),
        cmocka_unit_test(a_broken_transfer_can_go_on),
        cmocka_unit_test(the_ceiling_holds),
        cmocka_unit_test(an_empty_answer_is_an_empty_file),
        cmocka_unit_test(only_https_or_loopback),
        cmocka_unit_test(a_server_that_is_not_there_fails_fast),
        cmocka_unit_test(progress_counts_the_whole_file),
        cmocka_unit_test(cancel_and_deadline_end_a_transfer_that_hangs),
    };
    return cmocka_run_group_tests_name("net/http", tests, start, stop);
}
