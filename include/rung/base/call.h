/* call.h - what every long call carries: a cancel flag, a deadline, a sink for events and a
 * ledger for costs.
 *
 * Events leave through the sink only; the live line, the record and the server are
 * subscribers.  Costs are collected per call, not per model: one model may be policy and
 * judge in the same search. */
#ifndef RUNG_BASE_CALL_H
#define RUNG_BASE_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rung/base/api.h"
#include "rung/base/buf.h"
#include "rung/base/err.h"

#ifdef __cplusplus          /* the same object by its C++ name; <stdatomic.h> is C++23 */
#include <atomic>
using std::atomic_bool;
#else
#include <stdatomic.h>
#endif

RG_API_BEGIN

typedef enum rg_role { RG_POLICY = 0, RG_VERIFIER = 1, RG_N_ROLES = 2 } rg_role;

/* Tokens and FLOPs of one role.  "computed" went through the model, "cached" was read from
 * state that another branch had computed.  FLOPs = 2 x weights in matrix products per token
 * + attention (4 x layers x heads x head size x context per token). */
typedef struct rg_cost {
    uint64_t prompt_tokens;     /* prompt tokens this call needed                  */
    uint64_t prompt_computed;   /* ... of which the model computed here            */
    uint64_t prompt_cached;     /* ... of which came from shared state             */
    uint64_t gen_tokens;        /* tokens generated (each is also computed once)   */
    uint64_t calls;
    double   flops;
} rg_cost;

typedef struct rg_ledger {
    rg_cost role[RG_N_ROLES];
} rg_ledger;

void rg_cost_add(rg_cost *to, const rg_cost *c);
void rg_ledger_add(rg_ledger *to, const rg_ledger *l);

/* How a piece of generation ended. */
typedef enum rg_finish {
    RG_F_STOP = 0,          /* a stop string was completed                    */
    RG_F_END,               /* the proposer ended by itself (end token)       */
    RG_F_LENGTH,            /* a limit on tokens                              */
    RG_F_CANCELLED,
    RG_F_DEPTH, RG_F_NO_CANDIDATE, RG_F_ERROR,
    RG_F_DOUBT              /* given up: it had grown too unsure of its words */
} rg_finish;
const char *rg_finish_name(rg_finish f);

/* What a callback says to the call that feeds it. */
typedef enum rg_go { RG_GO_ON, RG_ENOUGH } rg_go;

typedef enum rg_event_kind {
    RG_EV_LOG, RG_EV_PROGRESS,
    RG_EV_TOKENS,               /* `value` tokens were drawn for this call just now */
    RG_EV_NODE_OPEN, RG_EV_NODE_TOKEN, RG_EV_NODE_DONE, RG_EV_NODE_SCORE,
    RG_EV_NODE_KEEP, RG_EV_NODE_PRUNE, RG_EV_STOP
} rg_event_kind;

typedef enum rg_level { RG_ERROR = 1, RG_WARN = 2, RG_INFO = 3, RG_TRACE = 4, RG_DEBUG = 5 } rg_level;

typedef struct rg_event {
    rg_event_kind kind;
    rg_level      level;        /* RG_EV_LOG */
    const char   *room;         /* who speaks */
    rg_str        subject;      /* problem id, file name, ... */
    uint64_t      node, parent; /* node events */
    double        value;        /* score, or done so far */
    double        total;        /* RG_EV_PROGRESS */
    rg_str        text;         /* a reason in words, a message, a token; of RG_EV_PROGRESS: what to
                                 * show instead of the numbers */
} rg_event;

typedef void (*rg_sink_fn)(void *arg, const rg_event *ev);

typedef struct rg_call {
    atomic_bool *cancel;        /* may be NULL; raise it to stop at the next token */
    int64_t      deadline_ns;   /* rg_now_ns() clock; 0 = none */
    rg_sink_fn   sink;          /* may be NULL; called from any thread, several at once */
    void        *sink_arg;
    rg_ledger   *ledger;        /* may be NULL; written by the thread that made the call */
    rg_role      role;
} rg_call;

/* RG_ECANCEL, RG_ELIMIT (deadline) or RG_OK.  c may be NULL. */
rg_status rg_call_check(const rg_call *c, rg_err *e);
void      rg_call_emit(const rg_call *c, const rg_event *ev);
void      rg_call_log(const rg_call *c, rg_level level, const char *room, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

int64_t rg_now_ns(void);        /* monotonic */
int64_t rg_cpu_ns(void);        /* CPU time of the process */

RG_API_END
#endif
