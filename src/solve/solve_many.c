/* solve_many.c - many problems over one scheduler.
 *
 * Each problem's search runs on a thread of its own and blocks in the lm; the scheduler sees
 * all their branches at once and keeps the batch full.  Threads take problems in order; a
 * mutex serialises what they report. */
#include <pthread.h>
#include <stdatomic.h>

#include "rung/grade/grade.h"

#include "solve_int.h"

typedef struct crew {
    rg_lm *lm;
    const rg_problem *const *problems;
    size_t n;
    const rg_solve_opt *o;
    rg_on_record on;
    void *arg;
    const rg_call *outer; /* the caller's */
    atomic_bool stop;
    pthread_mutex_t lock;
    size_t next, done;
    rg_status status;
    rg_err err;
    rg_summary sum;
} crew;

/* Would the next problem fail in the same way? */
static bool ends_all(const crew *c, rg_status s)
{
    return s == RG_ECANCEL || s == RG_ENOMEM || (s == RG_ELIMIT && rg_call_check(c->outer, NULL) != RG_OK);
}

/* Lock held.  A failed problem is reported and the others go on; out of memory, out of time, a
 * full disk or a cancelled call end the run. */
static void file_result(crew *c, const rg_problem *p, const rg_record *r, rg_status s, const rg_err *e)
{
    c->done++;
    if (s == RG_OK) {
        rg__summary_add(&c->sum, r);
        const rg_status filed = c->on == NULL ? RG_OK : c->on(c->arg, r, &c->err);
        if (filed != RG_OK) {
            c->status = filed;
            atomic_store(&c->stop, true);
        }
    } else if (ends_all(c, s)) {
        if (c->status == RG_OK) {
            c->status = s;
            c->err = *e;
        }
        atomic_store(&c->stop, true);
    } else {
        c->sum.failed++;
        rg_call_log(c->outer, RG_ERROR, "solve", "%s: %s", p->id, e->msg);
    }
    const rg_event ev = { .kind = RG_EV_PROGRESS,
                          .room = "solve",
                          .subject = rg_str_of("problems"),
                          .value = (double)c->done,
                          .total = (double)c->n };
    rg_call_emit(c->outer, &ev);
}

static void *solve_main(void *arg)
{
    crew *c = arg;
    pthread_mutex_lock(&c->lock);
    while (c->next < c->n && !atomic_load(&c->stop) && rg_call_check(c->outer, NULL) == RG_OK) {
        const rg_problem *p = c->problems[c->next++];
        pthread_mutex_unlock(&c->lock);
        rg_record *r = NULL;
        rg_err e = RG_ERR_INIT;
        const rg_status s = rg_solve_text(&r, c->lm, p, c->o, c->outer, &e);
        pthread_mutex_lock(&c->lock);
        file_result(c, p, r, s, &e);
        rg_record_free(r);
    }
    pthread_mutex_unlock(&c->lock);
    rg_grade_thread_end(); /* exact arithmetic keeps caches per thread */
    return NULL;
}

/* As many problems as fill the slots, and one more to take the places that come free. */
static size_t how_many(const crew *c, size_t together)
{
    rg_lm_stats st;
    rg_lm_get_stats(c->lm, &st);
    const size_t N = c->o->method->only_one ? 1 : (size_t)c->o->search.N;
    const size_t want = together > 0 ? together : st.slots / N + 2;
    return RG_MAX(RG_MIN(RG_MIN(want, c->n), (size_t)128), (size_t)1);
}

static rg_status run_threads(crew *c, size_t n, rg_err *e)
{
    pthread_t *t = rg_calloc(n, sizeof *t);
    if (t == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu searches", n);
    size_t started = 0;
    while (started < n && pthread_create(&t[started], NULL, solve_main, c) == 0)
        started++;
    if (started == 0)
        (void)solve_main(c);
    for (size_t i = 0; i < started; i++)
        pthread_join(t[i], NULL);
    rg_free(t);
    return RG_OK;
}

rg_status rg_solve_many(rg_summary *sum, rg_lm *lm, const rg_problem *const *problems, size_t n,
                        const rg_solve_opt *o, size_t together, rg_on_record on, void *arg,
                        const rg_call *call, rg_err *e)
{
    crew c = {
        .lm = lm, .problems = problems, .n = n, .o = o, .on = on, .arg = arg, .outer = call, .sum = *sum
    };
    pthread_mutex_init(&c.lock, NULL);
    const int64_t t0 = rg_now_ns();
    rg_status s = run_threads(&c, how_many(&c, together), e);
    if (s == RG_OK && c.status != RG_OK)
        s = rg_err_set(e, c.status, __FILE__, __LINE__, "%s", c.err.msg);
    if (s == RG_OK)
        s = rg_call_check(call, e);
    rg_lm_stats st;
    rg_lm_get_stats(lm, &st);
    c.sum.wall_s += (double)(rg_now_ns() - t0) * 1e-9;
    c.sum.occupancy = st.occupancy;
    *sum = c.sum;
    pthread_mutex_destroy(&c.lock);
    return s;
}
