/* worker.c - one confined worker: asked for, greeted, killed. */
#include "sandbox_int.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { GREET_MS = 10000 };

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static bool readable(int fd, int ms)
{
    struct pollfd p = { fd, POLLIN, 0 };
    int n;
    do
        n = poll(&p, 1, ms);
    while (n < 0 && errno == EINTR);
    return n > 0;
}

/* ---- descriptors ---- */

/* Ours go to w, the worker's ends to theirs: control, stdout, stderr, status. */
static int make_ends(rg__worker *w, int theirs[4])
{
    int pair[2], *const mine[] = { &w->control, &w->out, &w->err, &w->status };
    const int on = 1;
    for (int i = 0; i < 4; i++) {
        const int bad =
            i == 0 ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) : pipe2(pair, O_CLOEXEC);
        if (bad)
            return errno;
        *mine[i] = pair[0];
        theirs[i] = pair[1];
        if (fcntl(pair[0], F_SETFL, O_NONBLOCK) < 0)
            return errno;
    }
    /* messages then carry the sender's pid in our numbers */
    return setsockopt(w->control, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0 ? errno : 0;
}

static int send_request(int socket, const jail_open *ask, const int fds[4])
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(4 * sizeof(int))];
    } extra;
    jail_open copy = *ask;
    struct iovec data = { &copy, sizeof copy };
    struct msghdr m = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = &extra, .msg_controllen = sizeof extra
    };
    memset(&extra, 0, sizeof extra);
    extra.head = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
                                   .cmsg_type = SCM_RIGHTS,
                                   .cmsg_len = CMSG_LEN(4 * sizeof(int)) };
    memcpy(CMSG_DATA(&extra.head), fds, 4 * sizeof(int));
    return sendmsg(socket, &m, MSG_NOSIGNAL) < 0 ? errno : 0;
}

/* Bytes received, or -1; one thing that came along (a descriptor or credentials) goes to `with`. */
static ssize_t receive(int socket, void *to, size_t n, int type, void *with, size_t with_size)
{
    union {
        struct cmsghdr head;
        char room[256];
    } extra;
    struct iovec data = { to, n };
    struct msghdr m = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = &extra, .msg_controllen = sizeof extra
    };
    const ssize_t got = recvmsg(socket, &m, MSG_CMSG_CLOEXEC);
    for (struct cmsghdr *c = got < 0 ? NULL : CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == type && c->cmsg_len >= CMSG_LEN(with_size))
            memcpy(with, CMSG_DATA(c), with_size);
    return got;
}

/* ---- opening ---- */

static rg_status ask(rg__worker *w, rg__jail *j, uint64_t seed, uint64_t number, rg_err *e)
{
    int theirs[4] = { -1, -1, -1, -1 };
    const jail_open question = { seed, number };
    jail_opened answer = { 0 };
    int error = make_ends(w, theirs);
    if (error == 0)
        error = send_request(j->control, &question, theirs);
    for (int i = 0; i < 4; i++)
        close_fd(&theirs[i]);
    if (error)
        RG_FAIL(e, RG_ESANDBOX, "no new sandbox session: %s", strerror(error));
    if (!readable(j->control, GREET_MS) || receive(j->control, &answer, sizeof answer, SCM_RIGHTS, &w->pidfd,
                                                   sizeof(int)) != (ssize_t)sizeof answer)
        RG_FAIL(e, RG_ESANDBOX, "no new sandbox session: the warm Python does not answer");
    if (answer.error || w->pidfd < 0)
        RG_FAIL(e, RG_ESANDBOX, "no new sandbox session: %s", strerror(answer.error));
    return RG_OK;
}

static rg_status greet(rg__worker *w, rg_sandbox_report *rep, rg_err *e)
{
    jail_hello hello = { 0 };
    struct ucred who = { 0 };
    if (!readable(w->control, GREET_MS) ||
        receive(w->control, &hello, sizeof hello, SCM_CREDENTIALS, &who, sizeof who) !=
            (ssize_t)sizeof hello ||
        hello.magic != JAIL_MAGIC)
        RG_FAIL(e, RG_ESANDBOX, "a new sandbox session ended before its first block");
    hello.step[sizeof hello.step - 1] = '\0';
    if (rep) {
        rep->landlock_abi = hello.landlock_abi;
        rg__report_step(rep, hello.error ? hello.step : "session", hello.error == 0, "%s",
                        hello.error ? strerror(hello.error) : "walls stand");
    }
    if (hello.error)
        RG_FAIL(e, RG_ESANDBOX, "sandbox level cannot be had here: %s: %s", hello.step,
                strerror(hello.error));
    w->pid = who.pid;
    return RG_OK;
}

rg_status rg__worker_open(rg__worker *w, rg__jail *j, uint64_t seed, uint64_t number, rg_sandbox_report *rep,
                          rg_err *e)
{
    rg_status s;
    *w = (rg__worker)RG__WORKER_NONE;
    RG_GO(s, fail, ask(w, j, seed, number, e));
    RG_GO(s, fail, greet(w, rep, e));
    return RG_OK;
fail:
    rg__worker_kill(w);
    return s;
}

/* A pidfd is readable once its process has ended, and with S1 its whole namespace has. */
void rg__worker_kill(rg__worker *w)
{
    if (w->pidfd >= 0) {
        syscall(SYS_pidfd_send_signal, w->pidfd, SIGKILL, NULL, 0U);
        readable(w->pidfd, GREET_MS);
    }
    close_fd(&w->control);
    close_fd(&w->out);
    close_fd(&w->err);
    close_fd(&w->status);
    close_fd(&w->pidfd);
    w->pid = 0;
}
