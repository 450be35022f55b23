/* err.h - the one error scheme: a status plus one sentence, handed back through the call.
 *
 * A function that can fail for reasons outside the program returns rg_status and takes
 * rg_err *e last (NULL is fine).  The first error wins: outer layers may put context in
 * front of it (rg_err_prefix) but never overwrite it.  A message is one sentence with the
 * number, the name and the remedy; it carries no addresses and no newline. */
#ifndef RUNG_BASE_ERR_H
#define RUNG_BASE_ERR_H

#include "rung/base/api.h"

RG_API_BEGIN

typedef enum rg_status {
    RG_OK       = 0,
    RG_ENOMEM   = -1,       /* memory ran out                                    exit 4 */
    RG_EIO      = -2,       /* the system said no; errno's text is in the message exit 1 */
    RG_EFORMAT  = -3,       /* an input breaks its own format, or asks for what
                             * this build does not know                          exit 3 */
    RG_EARG     = -4,       /* the request makes no sense                        exit 2 */
    RG_ELIMIT   = -5,       /* a budget of tokens, seconds, bytes or disk ran out exit 4 */
    RG_ECANCEL  = -6,       /* the caller's cancel flag was raised             exit 130 */
    RG_EREMOTE  = -7,       /* a remote endpoint failed or answered nonsense     exit 6 */
    RG_ESANDBOX = -8        /* the sandbox is not available at the level asked   exit 5 */
} rg_status;

typedef struct rg_err {
    rg_status   code;
    int         line;
    const char *file;       /* where it was raised; static storage */
    char        msg[1024];  /* one sentence, always terminated */
} rg_err;

#define RG_ERR_INIT { RG_OK, 0, 0, { 0 } }

/* Records the first error and returns `code`.  Later calls on the same e change nothing. */
rg_status rg_err_set(rg_err *e, rg_status code, const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/* Puts "context: " in front of the recorded sentence; does nothing when there is none. */
void rg_err_prefix(rg_err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

void rg_err_clear(rg_err *e);

/* "out of memory", "bad format", ...; static storage. */
const char *rg_status_name(rg_status s);

/* The program's exit code for a status (product conventions, section 1.4). */
int rg_status_exit(rg_status s);

/* The macros return the code itself, not what rg_err_set returned, so that an analyser sees
 * that it is a failure. */
#define RG_FAIL(e, code, ...)                                                \
    do {                                                                     \
        (void)rg_err_set((e), (code), __FILE__, __LINE__, __VA_ARGS__);      \
        return (code);                                                       \
    } while (0)

/* Records a failure and jumps to the clean-up label with s set. */
#define RG_FAIL_GO(s, label, e, code, ...)                                   \
    do {                                                                     \
        (void)rg_err_set((e), (code), __FILE__, __LINE__, __VA_ARGS__);      \
        (s) = (code);                                                        \
        goto label;                                                          \
    } while (0)

#define RG_TRY(call)                          \
    do {                                      \
        const rg_status rg_try_s_ = (call);   \
        if (rg_try_s_ != RG_OK)               \
            return rg_try_s_;                 \
    } while (0)

#define RG_GO(s, label, call)    \
    do {                         \
        (s) = (call);            \
        if ((s) != RG_OK)        \
            goto label;          \
    } while (0)

RG_API_END
#endif
