/* pool.h - one pool of threads; work is cut by index, never by thread count.
 *
 * rg_parallel runs fn over [0, n) in pieces of `grain`; which thread takes which piece is
 * open, so fn must write only to places owned by its indices (or to scratch of `thread`).
 * Workers spin for some 50 us between regions, then sleep: a decode step has hundreds of
 * regions, and a futex wake costs more than most of them.  One caller at a time per pool:
 * those who share one take turns (rg_pool_enter). */
#ifndef RUNG_BASE_POOL_H
#define RUNG_BASE_POOL_H

#include <stddef.h>

#include "rung/base/api.h"
#include "rung/base/err.h"

RG_API_BEGIN

typedef struct rg_pool rg_pool;
typedef void (*rg_task_fn)(void *arg, size_t begin, size_t end, size_t thread);

/* n_threads counts the caller; 0 = as many as the process may use. */
rg_status rg_pool_new(rg_pool **out, size_t n_threads, rg_err *e);
void      rg_pool_free(rg_pool *p);                 /* NULL is fine */
size_t    rg_pool_threads(const rg_pool *p);
void      rg_parallel(rg_pool *p, size_t n, size_t grain, rg_task_fn fn, void *arg);
/* Waits until nobody who came earlier holds the pool, and holds it; the threads then work for this
 * caller alone.  NULL is fine. */
void      rg_pool_enter(rg_pool *p);
void      rg_pool_leave(rg_pool *p);
size_t    rg_cpu_count(void);                       /* what the process may run on */

RG_API_END
#endif
