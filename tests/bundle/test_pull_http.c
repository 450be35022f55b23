/* Pulling over HTTP, from a server on the loopback interface. */
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>

#include "world.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_release_is_downloaded_before_the_index_is_asked),
        cmocka_unit_test(a_cut_download_goes_on_at_its_byte),
        cmocka_unit_test(a_server_without_ranges_is_read_from_the_start),
        cmocka_unit_test(one_source_goes_on_where_another_stopped),
        cmocka_unit_test(a_damaged_leftover_is_downloaded_afresh),
        cmocka_unit_test(a_server_that_fails_leaves_its_reason_and_the_index_goes_on),
        cmocka_unit_test(a_url_that_is_refused_does_not_show_its_password),
        cmocka_unit_test(an_address_where_nobody_listens_fails_fast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
