/* sandbox.c - the room's front: a sandbox that holds one warm jail, sessions that hold a worker
 * each and start another when theirs was killed. */
#include "sandbox_int.h"

#include <stdio.h>
#include <string.h>

#include "rung/base/mem.h"
#include "rung/base/rng.h"

struct rg_sandbox {
    rg_sandbox_opt opt;
    rg_sandbox_report report;
    rg__python python;
    rg__jail jail;
    rg__cache *cache;     /* NULL = off */
    pthread_mutex_t lock; /* the jail's conversation */
    uint64_t sessions;    /* opened so far */
    char why[256];
};

/* A block that came out of the cache has not run here: before the next one that is not there,
 * it must. */
struct rg_session {
    rg_sandbox *box;
    rg__worker worker;
    rg_eval *eval;         /* RG_ENGINE_BUILTIN */
    uint64_t seed, so_far; /* hash of seed and blocks */
    rg_buf *pending;       /* blocks that only the cache has run */
    size_t n_pending;
};

enum { MAX_PENDING = 256, MAX_BLOCK = 1 << 20 };

/* ---- opening a sandbox ---- */

static rg_status check_options(const rg_sandbox_opt *o, rg_err *e)
{
    if (o->level < RG_SANDBOX_L1 || o->level > RG_SANDBOX_L3)
        RG_FAIL(e, RG_EARG, "sandbox level %d; there are 1, 2 and 3", (int)o->level);
    if (o->cpu_ms < 100 || o->cpu_ms > 30000)
        RG_FAIL(e, RG_EARG, "a block's CPU time of %lld ms; 100 to 30000 are accepted", (long long)o->cpu_ms);
    if (o->wall_ms < 0 || o->wall_ms > 600000)
        RG_FAIL(e, RG_EARG, "a block's wall time of %lld ms; at most 600000", (long long)o->wall_ms);
    if (o->memory_bytes < (UINT64_C(128) << 20) || o->memory_bytes > (UINT64_C(1) << 40))
        RG_FAIL(e, RG_EARG, "%llu bytes of memory for a session; 128 MiB to 1 TiB are accepted",
                (unsigned long long)o->memory_bytes);
    if (o->keep_bytes < 16 || o->keep_bytes > o->kill_bytes || o->kill_bytes > (64 << 20))
        RG_FAIL(e, RG_EARG, "%zu bytes of output kept, killed at %zu: 16 <= kept <= killed <= 64 MiB",
                o->keep_bytes, o->kill_bytes);
    return RG_OK;
}

static rg_status trial(rg_sandbox *b, rg_call *call, rg_err *e)
{
    rg__worker w;
    rg_ran r = { 0 };
    RG_TRY(rg__worker_open(&w, &b->jail, 0, b->sessions++, &b->report, e));
    rg_status s = rg__worker_run(&w, rg_str_of("print(6*7)"), &r, &b->opt, call, e);
    if (s == RG_OK && (r.status != RG_RAN_OK || strcmp(r.out, "42\n") != 0)) {
        rg__report_step(&b->report, "trial block", false, "%s: %s: %.150s", rg_ran_status_name(r.status),
                        r.type, r.message);
        s = rg_err_set(e, RG_ESANDBOX, __FILE__, __LINE__, "the sandbox cannot run a block: %s: %s: %s",
                       rg_ran_status_name(r.status), r.type, r.message);
    }
    rg__worker_kill(&w);
    rg_ran_free(&r);
    return s;
}

/* The caller holds the lock, or nobody else knows b yet. */
static rg_status start(rg_sandbox *b, rg_call *call, rg_err *e)
{
    b->report = (rg_sandbox_report){ .level = b->opt.level };
    snprintf(b->report.python, sizeof b->report.python, "%.255s", b->python.path);
    rg_status s = rg__jail_start(&b->jail, &b->opt, &b->python, &b->report, call, e);
    if (s != RG_OK)
        return s;
    s = trial(b, call, e);
    if (s != RG_OK) {
        rg__jail_stop(&b->jail);
        return s;
    }
    if (b->report.landlock_abi > 0)
        rg__report_step(&b->report, "Landlock", true, "ABI %d", b->report.landlock_abi);
    if (b->opt.level >= RG_SANDBOX_L2)
        rg__report_step(&b->report, "seccomp", true, "allow-list");
    rg__report_step(&b->report, "limits", true, "%llu MiB, %g s CPU a block, %d threads",
                    (unsigned long long)(b->opt.memory_bytes >> 20), (double)b->opt.cpu_ms / 1000,
                    JAIL_THREADS);
    b->report.ok = true;
    return RG_OK;
}

static rg_status open_python(rg_sandbox *b, rg_call *call, rg_err *e)
{
    RG_TRY(rg__python_find(&b->python, b->opt.python, e));
    if (b->python.path[0] == '\0') {
        snprintf(b->why, sizeof b->why, "%s", b->python.why);
        b->report = (rg_sandbox_report){ .level = b->opt.level };
        rg__report_step(&b->report, "interpreter", false, "%s", b->why);
        return RG_OK;
    }
    return start(b, call, e);
}

/* out is set even when the level cannot be had, so that a probe can read the report. */
static rg_status open_box(rg_sandbox **out, const rg_sandbox_opt *opt, rg_call *call, rg_err *e)
{
    *out = NULL;
    RG_TRY(check_options(opt, e));
    rg_sandbox *b = rg_calloc(1, sizeof *b);
    if (b == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for a sandbox");
    b->opt = *opt;
    b->jail.control = b->jail.lifeline = -1;
    pthread_mutex_init(&b->lock, NULL);
    *out = b;
    if (opt->cache)
        RG_TRY(rg__cache_new(&b->cache, e));
    return opt->engine == RG_ENGINE_PYTHON ? open_python(b, call, e) : RG_OK;
}

rg_status rg_sandbox_open(rg_sandbox **out, const rg_sandbox_opt *opt, rg_call *call, rg_err *e)
{
    const rg_status s = open_box(out, opt, call, e);
    if (s != RG_OK) {
        rg_sandbox_close(*out);
        *out = NULL;
    }
    return s;
}

void rg_sandbox_close(rg_sandbox *b)
{
    if (b == NULL)
        return;
    rg__jail_stop(&b->jail);
    rg__cache_free(b->cache);
    pthread_mutex_destroy(&b->lock);
    rg_free(b);
}

const rg_sandbox_report *rg_sandbox_get_report(const rg_sandbox *b)
{
    return &b->report;
}

bool rg_sandbox_has_python(const rg_sandbox *b, const char **why)
{
    if (why)
        *why = b->why;
    return b->python.path[0] != '\0';
}

void rg_sandbox_probe(rg_sandbox_report *report, const rg_sandbox_opt *opt)
{
    rg_err e = RG_ERR_INIT;
    rg_sandbox *b = NULL;
    const rg_status s = open_box(&b, opt, NULL, &e);
    *report = b ? b->report : (rg_sandbox_report){ .level = opt->level };
    if (s != RG_OK && (report->n == 0 || report->step[report->n - 1].ok))
        rg__report_step(report, "start", false, "%.230s", e.msg);
    rg_sandbox_close(b);
}

/* ---- sessions ---- */

/* A warm Python that died (the host ran out of memory) is started once more. */
static rg_status open_worker(rg_session *s, rg_call *call, rg_err *e)
{
    rg_sandbox *b = s->box;
    rg_err first = RG_ERR_INIT;
    pthread_mutex_lock(&b->lock);
    rg_status st = rg__worker_open(&s->worker, &b->jail, s->seed, b->sessions++, NULL, &first);
    if (st == RG_ESANDBOX) {
        rg__jail_stop(&b->jail);
        st = start(b, call, e);
        if (st == RG_OK)
            st = rg__worker_open(&s->worker, &b->jail, s->seed, b->sessions++, NULL, e);
    }
    pthread_mutex_unlock(&b->lock);
    return st;
}

rg_status rg_session_open(rg_session **out, rg_sandbox *box, uint64_t seed, rg_err *e)
{
    rg_session *s = *out = rg_calloc(1, sizeof *s);
    if (s == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for a sandbox session");
    s->box = box;
    s->worker = (rg__worker)RG__WORKER_NONE;
    s->seed = s->so_far = seed;
    rg_status st = RG_OK;
    if (box->opt.engine == RG_ENGINE_BUILTIN)
        st = rg_eval_new(&s->eval, e);
    else if (box->python.path[0])
        st = open_worker(s, NULL, e);
    if (st != RG_OK) {
        rg_session_close(s);
        *out = NULL;
    }
    return st;
}

static void forget_pending(rg_session *s)
{
    for (size_t i = 0; i < s->n_pending; i++)
        rg_buf_free(&s->pending[i]);
    rg_free(s->pending);
    s->pending = NULL;
    s->n_pending = 0;
}

void rg_session_close(rg_session *s)
{
    if (s == NULL)
        return;
    rg__worker_kill(&s->worker);
    rg_eval_free(s->eval);
    forget_pending(s);
    rg_free(s);
}

/* ---- running ---- */

static rg_status without_interpreter(rg_ran *r, const char *why, rg_err *e)
{
    r->status = RG_RAN_UNAVAILABLE;
    r->out = rg_strdup("");
    r->err = rg_strdup("");
    r->message = rg_strdup(why);
    if (r->out == NULL || r->err == NULL || r->message == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for a result");
    return RG_OK;
}

static bool is_blank(rg_str code)
{
    return rg_str_trim(code).n == 0;
}

static rg_status run_builtin(rg_session *s, rg_str code, rg_ran *r, rg_err *e)
{
    const rg_sandbox_opt *o = &s->box->opt;
    rg_buf out = RG_BUF_MAX(o->kill_bytes);
    rg_eval_fault fault = { 0 };
    const int64_t began = rg_now_ns();
    rg_status st = rg_eval_run(s->eval, code, o->echo, 0, &out, &fault, e);
    r->wall_ms = r->cpu_ms = (rg_now_ns() - began) / 1000000;
    r->status = fault.type[0] ? RG_RAN_ERROR : is_blank(code) ? RG_RAN_NO_CODE : RG_RAN_OK;
    if (out.over)
        r->status = RG_RAN_OUTPUT_LIMIT;
    if (strcmp(fault.type, "TimeLimit") == 0)
        r->status = RG_RAN_TIMEOUT;
    snprintf(r->type, sizeof r->type, "%s", fault.type);
    r->truncated = out.n > o->keep_bytes;
    const rg_str all = rg_buf_view(&out);
    const size_t half = r->truncated ? o->keep_bytes / 2 : all.n;
    const rg_str tail = r->truncated ? rg_str_n(all.p + all.n - half, half) : rg_str_n(NULL, 0);
    r->out = rg__clean_text(rg_str_n(all.p, half), tail, r->truncated);
    r->err = rg_strdup("");
    r->message = rg_strdup(fault.message);
    rg_buf_free(&out);
    if (st == RG_OK && (r->out == NULL || r->err == NULL || r->message == NULL))
        RG_FAIL(e, RG_ENOMEM, "no memory for a result");
    return st;
}

static rg_status run_worker(rg_session *s, rg_str code, rg_ran *r, rg_call *call, rg_err *e)
{
    bool fresh = false;
    if (s->worker.control < 0) {
        RG_TRY(open_worker(s, call, e));
        fresh = true;
    }
    const rg_status st = rg__worker_run(&s->worker, code, r, &s->box->opt, call, e);
    r->fresh = fresh;
    r->level = (int)s->box->opt.level;
    return st;
}

static rg_status keep_pending(rg_session *s, rg_str code, rg_err *e)
{
    if (s->n_pending == MAX_PENDING)
        RG_FAIL(e, RG_ELIMIT, "%d cached blocks in one session; at most as many are replayed", MAX_PENDING);
    rg_buf *more = rg_realloc(s->pending, s->n_pending + 1, sizeof *more);
    if (more == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for a cached block");
    s->pending = more;
    rg_buf *b = &s->pending[s->n_pending];
    *b = (rg_buf)RG_BUF_MAX(MAX_BLOCK);
    rg_buf_str(b, code);
    s->n_pending++;
    return rg_buf_check(b, "a block of code", e);
}

/* Runs for their variables what the cache has answered. */
static rg_status catch_up(rg_session *s, rg_call *call, rg_err *e)
{
    rg_status st = RG_OK;
    for (size_t i = 0; i < s->n_pending && st == RG_OK; i++) {
        rg_ran r = { 0 };
        st = run_worker(s, rg_buf_view(&s->pending[i]), &r, call, e);
        rg_ran_free(&r);
    }
    forget_pending(s);
    return st;
}

static rg_status run_cached(rg_session *s, rg_str code, rg_ran *r, rg_call *call, rg_err *e)
{
    s->so_far = rg_hash64(code.p, code.n, s->so_far ^ UINT64_C(0x9e3779b97f4a7c15));
    if (rg__cache_get(s->box->cache, s->so_far, r))
        return keep_pending(s, code, e);
    RG_TRY(catch_up(s, call, e));
    RG_TRY(run_worker(s, code, r, call, e));
    if (r->status != RG_RAN_TIMEOUT && r->status != RG_RAN_OOM && !r->fresh) /* these depend on the moment */
        rg__cache_put(s->box->cache, s->so_far, r);
    return RG_OK;
}

rg_status rg_session_run(rg_session *s, rg_str code, rg_ran *r, rg_call *call, rg_err *e)
{
    *r = (rg_ran){ 0 };
    RG_TRY(rg_call_check(call, e));
    if (s->eval)
        return run_builtin(s, code, r, e);
    if (s->box->python.path[0] == '\0')
        return without_interpreter(r, s->box->why, e);
    return s->box->cache ? run_cached(s, code, r, call, e) : run_worker(s, code, r, call, e);
}
