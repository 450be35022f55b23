/* sandbox.h - runs code that a model wrote: hostile by assumption, confined by the kernel.
 *
 *     rg_sandbox *box; rg_session *s; rg_ran r;
 *     rg_sandbox_open(&box, &(rg_sandbox_opt)RG_SANDBOX_DEFAULTS, NULL, &e);     once a program
 *     rg_session_open(&s, box, seed, &e);                                        once a solution
 *     rg_session_run(s, rg_str_of("print(6*7)"), &r, call, &e);                  once a block
 *     rg_ran_shown(&text, &r, RG_SHOW_GENPRM);                                   what the model reads
 *
 * A sandbox holds one warm Python with sympy imported; a session is a fork of it, alone in
 * namespaces of its own, whose variables live from block to block.  Sessions of one sandbox may
 * be opened and used from different threads at the same time; one session by one thread at a
 * time.  Whatever the code does, rg_session_run comes back within its limits, and nothing of the
 * session is left after rg_session_close.  Threat model and levels: docs/sandbox.md */
#ifndef RUNG_SANDBOX_SANDBOX_H
#define RUNG_SANDBOX_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rung/base/api.h"
#include "rung/base/buf.h"
#include "rung/base/call.h"
#include "rung/base/err.h"

RG_API_BEGIN

/* What stands between the code and the host.  The level asked for is had in full or
 * rg_sandbox_open refuses with RG_ESANDBOX, naming the step that failed and why. */
typedef enum rg_sandbox_level {
    RG_SANDBOX_L1 = 1,      /* resource limits only: for tests of the program itself, never for models' code */
    RG_SANDBOX_L2 = 2,      /* + seccomp + Landlock + another uid where started as root; the host's
                             *   process numbers and network namespace stay */
    RG_SANDBOX_L3 = 3       /* + namespaces: user, pid, mount, net, ipc, uts, cgroup; own root */
} rg_sandbox_level;

typedef enum rg_engine {
    RG_ENGINE_PYTHON,       /* a Python with sympy, confined */
    RG_ENGINE_BUILTIN       /* the evaluator of evaluator.h: needs no Python, runs no foreign code */
} rg_engine;

typedef struct rg_sandbox_opt {
    rg_sandbox_level level;
    rg_engine   engine;
    const char *python;         /* interpreter; NULL = $RUNG_PYTHON, /usr/bin/python3, the PATH's: the
                                 * first of them that has sympy */
    bool        any_import;     /* no courtesy list: every module, open() and sleep() as they are */
    bool        echo;           /* a block's last line that is a bare expression is printed */
    bool        cache;          /* sessions with equal seed and equal blocks so far share results */
    int64_t     cpu_ms;         /* a block's CPU time, 100 to 30000 */
    int64_t     wall_ms;        /* 0 = 2 x cpu_ms */
    uint64_t    memory_bytes;   /* address space of a session */
    size_t      keep_bytes;     /* of each stream: first and last halves are kept ... */
    size_t      kill_bytes;     /* ... and past this many, both together, the block is killed */
} rg_sandbox_opt;

#define RG_SANDBOX_DEFAULTS                                                                            \
    { RG_SANDBOX_L3, RG_ENGINE_PYTHON, NULL, false, false, false, 5000, 0, UINT64_C(1) << 30, 64 << 10, 1 << 20 }

/* ---- what the machine allows ---- */

/* One step of setting up, in the order they are taken. */
typedef struct rg_sandbox_step {
    char name[24];              /* "user namespace", "seccomp", ... */
    bool ok;
    char detail[232];           /* "Landlock ABI 7"; or why it failed */
} rg_sandbox_step;

enum { RG_SANDBOX_MAX_STEPS = 24 };

typedef struct rg_sandbox_report {
    rg_sandbox_level level;     /* what was asked for */
    bool   ok;                  /* ... and is had */
    char   python[256], python_version[32], sympy_version[32];    /* "" = none */
    int    landlock_abi;        /* 0 = none */
    size_t n;
    rg_sandbox_step step[RG_SANDBOX_MAX_STEPS];
} rg_sandbox_report;

typedef struct rg_sandbox rg_sandbox;

/* Finds Python, builds the jail, warms the interpreter and runs one trial block in it.
 * Without a Python that has sympy the sandbox opens all the same and every block's status is
 * RG_RAN_UNAVAILABLE.  RG_EARG: a limit out of range; RG_ESANDBOX: the level cannot be had. */
rg_status rg_sandbox_open(rg_sandbox **out, const rg_sandbox_opt *opt, rg_call *call, rg_err *e);
/* Its sessions must be closed before.  NULL is fine. */
void      rg_sandbox_close(rg_sandbox *box);
const rg_sandbox_report *rg_sandbox_get_report(const rg_sandbox *box);
/* Is there a Python that can run blocks?  If not, why, in *why (static or the sandbox's). */
bool      rg_sandbox_has_python(const rg_sandbox *box, const char **why);

/* Tries a level and says how each step went; never fails (report->ok and the steps tell). */
void      rg_sandbox_probe(rg_sandbox_report *report, const rg_sandbox_opt *opt);

/* ---- a solution's blocks ---- */

typedef enum rg_ran_status {
    RG_RAN_OK = 0,
    RG_RAN_ERROR,               /* an exception, a crash, or a process that ended itself */
    RG_RAN_TIMEOUT,             /* CPU or wall time */
    RG_RAN_OOM,
    RG_RAN_BLOCKED,             /* the code asked for what it may not have, and gave up over it */
    RG_RAN_NO_CODE,             /* nothing but white space and comments */
    RG_RAN_UNAVAILABLE,         /* no interpreter here */
    RG_RAN_OUTPUT_LIMIT,        /* killed at kill_bytes of output */
    RG_RAN_N
} rg_ran_status;
const char *rg_ran_status_name(rg_ran_status s);        /* "ok", "output_limit", ... */

/* What became of one block.  Text is UTF-8 without control characters but newline and tab. */
typedef struct rg_ran {
    rg_ran_status status;
    char   *out, *err;          /* what it printed; "" rather than NULL */
    char    type[64];           /* exception type, "" = none */
    char   *message;            /* exception message, or why the status; "" rather than NULL */
    int64_t cpu_ms, wall_ms;
    bool    truncated;          /* out or err are not all that was printed */
    bool    fresh;              /* the session had to start anew for this block: earlier variables are gone */
    int     level;              /* of the sandbox it ran in; 0 = nothing foreign ran */
    bool    cached;             /* taken from an equal session; times are those of the first run */
} rg_ran;

void rg_ran_free(rg_ran *r);            /* the texts; r is zero afterwards */

typedef struct rg_session rg_session;

/* `seed` seeds random and numpy.random: derive it from run seed, problem and candidate
 * (rg_stream_child). */
rg_status rg_session_open(rg_session **out, rg_sandbox *box, uint64_t seed, rg_err *e);

/* Runs one block and waits for its end.  What the code does wrong is in r; a failure of the
 * call itself is RG_ECANCEL or RG_ELIMIT (the caller's deadline), RG_ENOMEM, RG_ESANDBOX.
 * r is written in either case and must be freed. */
rg_status rg_session_run(rg_session *s, rg_str code, rg_ran *r, rg_call *call, rg_err *e);

/* Kills whatever is left of it.  NULL is fine. */
void rg_session_close(rg_session *s);

/* ---- text to and from the model ---- */

/* GenPRM's literal strings, which its checkpoints were trained on, or what a person wants. */
typedef enum rg_show { RG_SHOW_GENPRM, RG_SHOW_DETAILED } rg_show;

/* genprm:   trimmed stdout; or "Code execute Error: Type: message" (what was printed before is
 *           lost), "Code execute time out: ...", "Code format error: No code found."
 * detailed: stdout, then one line that says how it ended unless it ended well. */
void rg_ran_shown(rg_buf *b, const rg_ran *r, rg_show how);

/* The next fenced ```python block at or after *at; false when there is none.  Moves *at behind
 * it.  A fence that is never closed runs to the end of the text. */
bool rg_code_block_next(rg_str *code, rg_str text, size_t *at);

/* The result record: {"status":...,"stdout":...,...}, one line without a newline. */
void rg_ran_json(rg_buf *b, const rg_ran *r);

RG_API_END
#endif
