/* jail.h - what the supervisor (librung), the jail's first process (jail.c) and the confined
 * Python (worker.py with session.c beneath it) say to each other.
 *
 *   rung ──spawn──► H0 ──fork──► H1 = PID 1 ──fork+exec──► warm Python ──clone──► S1 = PID 1 ──fork──► worker
 *         control socket (fd 3), lifeline (fd 4), config (fd 5)                  a session each
 *
 * H0 and H1 are a static program of their own, so that no memory of the supervisor is in the
 * jail.  H1 ends when the lifeline's other end does, and everything below it with it.  S1 ends
 * with its worker, and tells how that ended.  All numbers are the machine's own: both ends are one host. */
#ifndef RUNG_SANDBOX_JAIL_H
#define RUNG_SANDBOX_JAIL_H

#include <stdint.h>

enum {
    JAIL_MAGIC = 0x6c69616a,
    JAIL_CONTROL_FD = 3,
    JAIL_LIFELINE_FD = 4,
    JAIL_CONFIG_FD = 5,
    JAIL_PROC_FD = 6,           /* /proc of the outside, to map a session's ids; closed in the worker */
    JAIL_MAX_PLACES = 48,
    JAIL_PATH = 512,
    JAIL_INSIDE_ID = 1000,      /* uid and gid as the code sees them */
    JAIL_THREADS = 16,
    JAIL_WORK_BYTES = 16 << 20,
    JAIL_WORK_INODES = 1024
};

/* A tree or file that the interpreter needs: `source` of the host stands at `at` in the jail. */
typedef struct jail_place {
    char at[JAIL_PATH], source[JAIL_PATH];
} jail_place;

/* The memfd at JAIL_CONFIG_FD: this, then the blobs one after the other. */
typedef struct jail_config {
    uint32_t magic, level;              /* 1, 2, 3 */
    uint32_t uid;                       /* to become when started as root */
    uint32_t any_import, echo;
    uint32_t n_places;
    uint64_t memory_bytes;
    uint64_t worker_bytes, session_bytes, filter_bytes;     /* worker.py, session.so, seccomp program */
    char python[JAIL_PATH];
    char work[JAIL_PATH];               /* levels 1 and 2: directory for the sessions' own; level 3: "" */
    jail_place place[JAIL_MAX_PLACES];
} jail_config;

/* ---- the control socket: sequenced packets ---- */

enum { JAIL_STEP = 1, JAIL_READY = 2, JAIL_OPENED = 3 };

typedef struct jail_step {              /* jail -> supervisor */
    uint32_t kind, ok;
    char name[24], detail[232];
} jail_step;

typedef struct jail_ready {             /* jail -> supervisor */
    uint32_t kind;
    char python[32], sympy[32];         /* versions */
} jail_ready;

typedef struct jail_open {              /* supervisor -> jail, with 4 descriptors: control, stdout, stderr, status */
    uint64_t seed, number;
} jail_open;

typedef struct jail_opened {            /* jail -> supervisor, with the pidfd of S1 unless error != 0 */
    uint32_t kind;
    int32_t  error;                     /* errno */
} jail_opened;

/* ---- a session's socket: a stream ---- */

typedef struct jail_hello {             /* worker -> supervisor, once */
    uint32_t magic;
    int32_t  error;                     /* errno of the step that failed, or 0 */
    int32_t  landlock_abi;
    char     step[24];
} jail_hello;

typedef struct jail_block {             /* supervisor -> worker, then `bytes` of code */
    uint8_t  nonce[16];
    uint32_t cpu_ms, wall_ms;
    uint64_t bytes;
} jail_block;

enum { JAIL_MAX_TYPE = 63, JAIL_MAX_MESSAGE = 8000 };

typedef struct jail_result {            /* worker -> supervisor, then type and message in UTF-8 */
    uint8_t  nonce[16];
    uint32_t status;                    /* rg_ran_status */
    uint32_t type_bytes, message_bytes;
} jail_result;

#endif
