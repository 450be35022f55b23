/* sandbox_int.h - what the files of the sandbox room share: the supervisor's side of the jail. */
#ifndef RUNG_SANDBOX_INT_H
#define RUNG_SANDBOX_INT_H

#include <pthread.h>
#include <sys/types.h>

#include "rung/sandbox/evaluator.h"
#include "rung/sandbox/sandbox.h"

#include "jail/jail.h"

/* The interpreter, and the places of the host without which it does not run. */
typedef struct rg__python {
    char path[JAIL_PATH];       /* as it is started; "" = none found */
    char why[256];              /* why none was found */
    size_t n_places;
    jail_place place[JAIL_MAX_PLACES];
} rg__python;

/* Looks at each candidate in turn; RG_OK with path "" when none has sympy. */
rg_status rg__python_find(rg__python *out, const char *wanted, rg_err *e);

/* The seccomp program that a worker runs under, as struct sock_filter[]; yours to rg_free.
 * `alone`: the worker has a pid namespace to itself, so signals to itself may pass. */
rg_status rg__filter_build(void **out, size_t *bytes, bool alone, rg_err *e);

/* The programs that go into the jail, embedded by the build. */
typedef struct rg__blob {
    const unsigned char *p;
    size_t n;
} rg__blob;
rg__blob rg__blob_jail(void);
rg__blob rg__blob_session(void);
rg__blob rg__blob_worker(void);         /* ends with a zero byte */

/* ---- the jail as the supervisor holds it ---- */

typedef struct rg__jail {
    pid_t helper;               /* H0; 0 = not running */
    int   control, lifeline;    /* -1 = closed */
    char  work[JAIL_PATH];      /* levels 1 and 2; "" = none */
} rg__jail;

/* Starts it and waits until the interpreter is warm; the steps go to the report. */
rg_status rg__jail_start(rg__jail *j, const rg_sandbox_opt *opt, const rg__python *py, rg_sandbox_report *rep,
                         rg_call *call, rg_err *e);
void      rg__jail_stop(rg__jail *j);       /* everything in it is gone when this returns */

/* ---- one confined worker ---- */

typedef struct rg__worker {
    int   control, out, err, status;    /* -1 = closed */
    int   pidfd;                        /* of S1: killing it kills the session */
    pid_t pid;                          /* of the worker, in our numbers; 0 = unknown */
} rg__worker;

#define RG__WORKER_NONE { -1, -1, -1, -1, -1, 0 }

/* One at a time per jail: the caller holds the sandbox's lock. */
rg_status rg__worker_open(rg__worker *w, rg__jail *j, uint64_t seed, uint64_t number, rg_sandbox_report *rep,
                          rg_err *e);
void      rg__worker_kill(rg__worker *w);   /* and closes; waits until S1 is dead */
/* Runs one block.  RG_OK: r tells.  The worker is dead afterwards when control is -1. */
rg_status rg__worker_run(rg__worker *w, rg_str code, rg_ran *r, const rg_sandbox_opt *opt, rg_call *call, rg_err *e);

/* Text that may be shown: UTF-8, no control characters but newline and tab; yours to rg_free. */
char *rg__clean_text(rg_str head, rg_str tail, bool cut);

/* ---- results of equal sessions ---- */

typedef struct rg__cache rg__cache;
rg_status rg__cache_new(rg__cache **out, rg_err *e);
void      rg__cache_free(rg__cache *c);
bool      rg__cache_get(rg__cache *c, uint64_t key, rg_ran *r);
void      rg__cache_put(rg__cache *c, uint64_t key, const rg_ran *r);      /* may forget; never fails */

/* ---- the report ---- */

void rg__report_step(rg_sandbox_report *rep, const char *name, bool ok, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#endif
