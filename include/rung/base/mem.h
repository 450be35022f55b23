/* mem.h - allocation with checked sizes, and arenas named after lifetimes.
 *
 * Every allocation of the library goes through rg_alloc and its kin, so that tests can
 * refuse the k-th one (RG_TORTURE builds) and so that sizes from files are multiplied with
 * overflow checks in one place. */
#ifndef RUNG_BASE_MEM_H
#define RUNG_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rung/base/api.h"
#include "rung/base/err.h"

RG_API_BEGIN

/* All return NULL on failure or when n * size wraps; rg_free(NULL) is fine.
 * rg_alloc's memory is not initialised; rg_calloc's is zero. */
void *rg_alloc(size_t n, size_t size);
void *rg_calloc(size_t n, size_t size);
void *rg_realloc(void *p, size_t n, size_t size);
void  rg_free(void *p);
char *rg_strdup(const char *s);
char *rg_strndup(const char *s, size_t n);              /* n bytes and a terminator */

/* 64-byte aligned, for vectors; ask for huge pages above 4 MiB.  Free with rg_free_aligned. */
void *rg_alloc_aligned(size_t size);
void  rg_free_aligned(void *p, size_t size);

/* Bytes this process could still get: the least of the system's MemAvailable and what its
 * control group (v2 or v1) leaves; 0 = unknown. */
uint64_t rg_memory_available(void);

/* Keeps these bytes in memory, away from swap (mlock).  RG_ELIMIT, with the limit and how to raise
 * it, when the system refuses; `what` names them.  Whole pages of the system are locked, so bytes
 * beside these may come along. */
rg_status rg_memory_lock(const void *p, size_t size, const char *what, rg_err *e);
void      rg_memory_unlock(const void *p, size_t size);

/* In RG_TORTURE builds the k-th allocation from now on fails (0 = the next one); -1 = never.
 * Returns how many were asked for since the last call.  Elsewhere it does nothing. */
long rg_alloc_fail_at(long k);

/* Checked size arithmetic: false on wrap, *out untouched. */
bool rg_mul_size(size_t *out, size_t a, size_t b);
bool rg_add_size(size_t *out, size_t a, size_t b);
bool rg_mul_u64(uint64_t *out, uint64_t a, uint64_t b);
bool rg_add_u64(uint64_t *out, uint64_t a, uint64_t b);

/* A chunked bump allocator.  Pushes are 64-byte aligned.  Two ways to use it:
 *   plan:  rg_arena_reserve once (can fail), then rg_arena_push (never fails inside it; count
 *          each push as RG_ROUND_UP(bytes, 64));
 *   grow:  rg_arena_try, which may add a chunk and returns NULL when memory or `max` ends.
 * Not safe to share between threads. */
typedef struct rg_arena rg_arena;

rg_status rg_arena_new(rg_arena **out, const char *lifetime, size_t max_bytes, rg_err *e);
void      rg_arena_free(rg_arena *a);                   /* NULL is fine */
rg_status rg_arena_reserve(rg_arena *a, size_t bytes, rg_err *e);
void     *rg_arena_push(rg_arena *a, size_t bytes);     /* asserts it is inside the reservation */
void     *rg_arena_try(rg_arena *a, size_t bytes);      /* NULL when it does not fit */
char     *rg_arena_strndup(rg_arena *a, const char *s, size_t n);   /* NULL likewise */
void      rg_arena_reset(rg_arena *a);                  /* keeps the memory, drops the contents */
/* Drops what was pushed since the mark; only inside one reservation (no chunk in between). */
size_t    rg_arena_mark(const rg_arena *a);
void      rg_arena_rewind(rg_arena *a, size_t mark);
size_t    rg_arena_used(const rg_arena *a);
size_t    rg_arena_peak(const rg_arena *a);

#define RG_ROUND_UP(x, to) (((x) + (to) - 1) / (to) * (to))
#define RG_COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define RG_MIN(a, b) ((a) < (b) ? (a) : (b))
#define RG_MAX(a, b) ((a) > (b) ? (a) : (b))

RG_API_END
#endif
