/* worker_run.c - one block in a worker: send it, collect what it prints, hold it to its limits.
 *
 * The worker stops itself at the CPU or wall limit and keeps its variables; one that does not is
 * killed GRACE_MS later.  Everything that comes from it is untrusted: a result counts only with
 * this block's nonce, and nothing in it can say more than the block could have printed. */
#include "sandbox_int.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "rung/base/mem.h"
#include "rung/base/pool.h"

enum { GRACE_MS = 250, TICK_MS = 50, MIN_TICK_MS = 2, MAX_CODE = 1 << 20, STATUS_MS = 1000 };

/* The first and last halves of what a stream carried. */
typedef struct stream {
    char *head, *tail; /* tail is a ring */
    size_t half, in_head;
    uint64_t total;
} stream;

typedef struct run {
    rg__worker *w;
    const rg_sandbox_opt *opt;
    rg_ran *r;
    stream out, err;
    uint8_t nonce[16];
    char *reply; /* a jail_result and its texts, as far as it has come */
    size_t in_reply;
    int64_t began_ns, cpu_began_ns;
    bool done, lost; /* the reply is whole; the worker ended or spoke nonsense */
} run;

enum { MAX_REPLY = sizeof(jail_result) + JAIL_MAX_TYPE + JAIL_MAX_MESSAGE };

/* ---- streams ---- */

static bool stream_new(stream *s, size_t keep)
{
    s->half = keep / 2;
    s->head = rg_alloc(keep + 1, 1);
    s->tail = s->head ? s->head + s->half : NULL;
    return s->head != NULL;
}

static void stream_put(stream *s, const char *p, size_t n)
{
    const size_t first = RG_MIN(n, s->half - s->in_head);
    memcpy(s->head + s->in_head, p, first);
    s->in_head += first;
    s->total += n;
    p += first;
    n -= first;
    const uint64_t after = s->total - s->half; /* bytes that went to the ring, these included */
    for (size_t i = n > s->half ? n - s->half : 0; i < n; i++)
        s->tail[(after - n + i) % s->half] = p[i];
}

/* The kept text, cleaned; rotates the ring so that it reads straight. */
static char *stream_text(const stream *s, bool *cut)
{
    const uint64_t behind = s->total - s->in_head;
    const size_t n = behind > s->half ? s->half : (size_t)behind;
    const size_t from = behind > s->half ? (size_t)(behind % s->half) : 0;
    char *line = rg_alloc(n + 1, 1);
    if (line == NULL)
        return NULL;
    memcpy(line, s->tail + from, n - from);
    memcpy(line + (n - from), s->tail, from);
    const bool lost = behind > s->half;
    *cut = *cut || lost;
    char *text = rg__clean_text(rg_str_n(s->head, s->in_head), rg_str_n(line, n), lost);
    rg_free(line);
    return text;
}

/* What is in the pipe right now; at most `most` bytes, so that a printer cannot hold us here. */
static void drain(int fd, stream *s, size_t most)
{
    char part[16384];
    while (most > 0) {
        const ssize_t n = read(fd, part, RG_MIN(sizeof part, most));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        if (s)
            stream_put(s, part, (size_t)n);
        most -= (size_t)n;
    }
}

/* ---- clocks ---- */

static int64_t cpu_of(const rg__worker *w)
{
    clockid_t clock;
    struct timespec t;
    if (w->pid <= 0 || clock_getcpuclockid(w->pid, &clock) != 0 || clock_gettime(clock, &t) != 0)
        return 0;
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void measure(run *x)
{
    const int64_t cpu = cpu_of(x->w);
    x->r->wall_ms = (rg_now_ns() - x->began_ns) / 1000000;
    if (cpu > x->cpu_began_ns)
        x->r->cpu_ms = (cpu - x->cpu_began_ns) / 1000000;
}

static int64_t wall_limit(const rg_sandbox_opt *o)
{
    return o->wall_ms ? o->wall_ms : 2 * o->cpu_ms;
}

/* Sets status and message; the worker is done for. */
static void give_up(run *x, rg_ran_status status, const char *why)
{
    rg_free(x->r->message);
    x->r->status = status;
    x->r->message = rg_strdup(why);
    x->r->type[0] = '\0';
    x->lost = true;
}

/* Past a limit and its grace? */
static bool over_limit(run *x)
{
    const rg_sandbox_opt *o = x->opt;
    char why[96];
    measure(x);
    if (x->out.total + x->err.total > o->kill_bytes) {
        snprintf(why, sizeof why, "more than %zu bytes of output", o->kill_bytes);
        give_up(x, RG_RAN_OUTPUT_LIMIT, why);
    } else if (x->r->cpu_ms > o->cpu_ms + GRACE_MS) {
        snprintf(why, sizeof why, "%g s of CPU time are over", (double)o->cpu_ms / 1000);
        give_up(x, RG_RAN_TIMEOUT, why);
    } else if (x->r->wall_ms > wall_limit(o) + GRACE_MS) {
        snprintf(why, sizeof why, "%g s of wall time are over", (double)wall_limit(o) / 1000);
        give_up(x, RG_RAN_TIMEOUT, why);
    }
    return x->lost;
}

/* How long nothing can happen that poll would not tell: n threads use n seconds of CPU a second. */
static int patience_ms(const run *x)
{
    const int64_t cpu = (x->opt->cpu_ms + GRACE_MS - x->r->cpu_ms) / (int64_t)RG_MAX(rg_cpu_count(), 1u);
    const int64_t wall = wall_limit(x->opt) + GRACE_MS - x->r->wall_ms;
    return (int)RG_MAX(RG_MIN(RG_MIN(cpu, wall), TICK_MS), MIN_TICK_MS);
}

/* ---- the reply ---- */

static void nonsense(run *x)
{
    give_up(x, RG_RAN_ERROR, "the code wrote into the channel of its own result");
}

static void read_reply(run *x)
{
    const ssize_t n = recv(x->w->control, x->reply + x->in_reply, MAX_REPLY - x->in_reply, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        x->lost = true;
        return;
    }
    x->in_reply += n > 0 ? (size_t)n : 0;
    jail_result head;
    if (x->in_reply < sizeof head)
        return;
    memcpy(&head, x->reply, sizeof head);
    if (memcmp(head.nonce, x->nonce, sizeof x->nonce) != 0 || head.status > RG_RAN_NO_CODE ||
        head.type_bytes > JAIL_MAX_TYPE || head.message_bytes > JAIL_MAX_MESSAGE) {
        nonsense(x);
        return;
    }
    const size_t whole = sizeof head + head.type_bytes + head.message_bytes;
    if (x->in_reply > whole)
        nonsense(x);
    x->done = x->in_reply == whole;
}

static void take_reply(run *x)
{
    jail_result head;
    memcpy(&head, x->reply, sizeof head);
    const char *type = x->reply + sizeof head;
    x->r->status = (rg_ran_status)head.status;
    char *clean = rg__clean_text(rg_str_n(type, head.type_bytes), rg_str_n(NULL, 0), false);
    snprintf(x->r->type, sizeof x->r->type, "%s", clean ? clean : "");
    rg_free(clean);
    rg_free(x->r->message);
    x->r->message =
        rg__clean_text(rg_str_n(type + head.type_bytes, head.message_bytes), rg_str_n(NULL, 0), false);
}

/* The worker is gone without a result: S1 says how. */
static void explain_death(run *x)
{
    int status = 0;
    char why[128];
    struct pollfd p = { x->w->status, POLLIN, 0 };
    const bool known =
        poll(&p, 1, STATUS_MS) > 0 && read(x->w->status, &status, sizeof status) == sizeof status;
    if (!known)
        snprintf(why, sizeof why, "the process was ended from outside");
    else if (WIFSIGNALED(status))
        snprintf(why, sizeof why, "the process was ended by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        snprintf(why, sizeof why, "the process ended itself with exit code %d before the code was done",
                 WEXITSTATUS(status));
    const bool oom = !known || (WIFSIGNALED(status) && WTERMSIG(status) == 9);
    give_up(x, oom ? RG_RAN_OOM : RG_RAN_ERROR, why);
    snprintf(x->r->type, sizeof x->r->type, "ProcessEnded");
}

/* ---- the loop ---- */

static rg_status send_block(run *x, rg_str code, rg_err *e)
{
    const jail_block head = { .cpu_ms = (uint32_t)x->opt->cpu_ms,
                              .wall_ms = (uint32_t)wall_limit(x->opt),
                              .bytes = code.n };
    jail_block copy = head;
    if (getrandom(x->nonce, sizeof x->nonce, 0) != (ssize_t)sizeof x->nonce)
        RG_FAIL(e, RG_EIO, "no random bytes: %s", strerror(errno));
    memcpy(copy.nonce, x->nonce, sizeof copy.nonce);
    rg_buf b = RG_BUF_MAX(sizeof copy + MAX_CODE);
    rg_buf_put(&b, &copy, sizeof copy);
    rg_buf_str(&b, code);
    rg_status s = rg_buf_check(&b, "a block of code", e);
    for (size_t done = 0; s == RG_OK && done < b.n;) {
        struct pollfd p = { x->w->control, POLLOUT, 0 };
        const ssize_t n = send(x->w->control, b.p + done, b.n - done, MSG_NOSIGNAL | MSG_DONTWAIT);
        done += n > 0 ? (size_t)n : 0;
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            break; /* it ended: the loop will see why */
        if (n < 0 && poll(&p, 1, (int)wall_limit(x->opt)) == 0)
            break;
    }
    rg_buf_free(&b);
    return s;
}

static void hear(run *x)
{
    struct pollfd p[3] = { { x->w->control, POLLIN, 0 }, { x->w->out, POLLIN, 0 }, { x->w->err, POLLIN, 0 } };
    /* an end that closed would wake us for ever: only control's end matters */
    if (poll(p, 3, patience_ms(x)) < 0)
        return;
    if (p[1].revents & POLLIN)
        drain(x->w->out, &x->out, x->opt->kill_bytes);
    if (p[2].revents & POLLIN)
        drain(x->w->err, &x->err, x->opt->kill_bytes);
    if (p[0].revents)
        read_reply(x);
    else if ((p[1].revents | p[2].revents) & POLLHUP && !((p[1].revents | p[2].revents) & POLLIN))
        poll(p, 1, MIN_TICK_MS);
}

static rg_status listen_to(run *x, rg_call *call, rg_err *e)
{
    while (!x->done && !x->lost) {
        hear(x);
        if (!x->done && !x->lost && !over_limit(x))
            RG_TRY(rg_call_check(call, e));
    }
    return RG_OK;
}

static rg_status finish(run *x, rg_err *e)
{
    bool cut = false;
    if (x->done)
        measure(x);
    drain(x->w->out, &x->out, 4 * x->opt->kill_bytes); /* all of it was written before the reply */
    drain(x->w->err, &x->err, 4 * x->opt->kill_bytes);
    if (x->done)
        take_reply(x);
    else if (x->r->message == NULL)
        explain_death(x);
    if (!x->lost && x->out.total + x->err.total > x->opt->kill_bytes)
        over_limit(x);
    if (x->lost)
        rg__worker_kill(x->w);
    x->r->out = stream_text(&x->out, &cut);
    x->r->err = stream_text(&x->err, &cut);
    x->r->truncated = cut || x->r->status == RG_RAN_OUTPUT_LIMIT;
    if (x->r->out == NULL || x->r->err == NULL || x->r->message == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for the output of a block");
    return RG_OK;
}

rg_status rg__worker_run(rg__worker *w, rg_str code, rg_ran *r, const rg_sandbox_opt *opt, rg_call *call,
                         rg_err *e)
{
    rg_status s;
    run x = { .w = w, .opt = opt, .r = r };
    if (code.n > MAX_CODE)
        RG_FAIL(e, RG_ELIMIT, "a block of %zu bytes of code; at most %d are taken", code.n, MAX_CODE);
    x.reply = rg_alloc(MAX_REPLY, 1);
    if (x.reply == NULL || !stream_new(&x.out, opt->keep_bytes) || !stream_new(&x.err, opt->keep_bytes))
        RG_FAIL_GO(s, done, e, RG_ENOMEM, "no memory for the output of a block");
    drain(w->out, NULL, opt->kill_bytes); /* what a leftover thread said between blocks */
    drain(w->err, NULL, opt->kill_bytes);
    x.began_ns = rg_now_ns();
    x.cpu_began_ns = cpu_of(w);
    RG_GO(s, done, send_block(&x, code, e));
    RG_GO(s, done, listen_to(&x, call, e));
    s = finish(&x, e);
done:
    if (s != RG_OK)
        rg__worker_kill(w);
    rg_free(x.out.head);
    rg_free(x.err.head);
    rg_free(x.reply);
    return s;
}
