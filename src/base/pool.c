/* pool.c - a region is opened, worked on by whoever comes, and closed.
 *
 * Threads take pieces of `grain` indices with one atomic add until none is left.  A worker
 * joins by counting itself in while the region is open; the caller, done with its own pieces,
 * closes it and waits only for those that joined: a worker that never woke (its core busy with
 * something else) costs nothing.
 *
 * Waiting is spin first (some 10 us), then give the core away between looks, and for a worker
 * at last sleep: where threads have cores of their own the first look mostly hits, where they
 * share them a spinning thread would keep the one it waits for from running.  The caller only
 * signals when somebody sleeps. */
#include "rung/base/pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "rung/base/mem.h"

enum { SPINS = 1000, YIELDS = 200, MAX_THREADS = 1024 };
#define OPEN ((size_t)1 << (8 * sizeof(size_t) - 1))

struct rg_pool {
    size_t n_threads;
    pthread_t *thread; /* n_threads - 1 workers */
    size_t started;

    /* the region in flight */
    rg_task_fn fn;
    void *arg;
    size_t n, grain;
    atomic_size_t next; /* first index nobody has taken */
    atomic_size_t gate; /* OPEN, and the number of workers inside */
    atomic_uint epoch;  /* counts regions; what workers look at */

    pthread_mutex_t turns;
    pthread_cond_t turn;
    unsigned long ticket, serving; /* of callers who share the pool */

    pthread_mutex_t lock;
    pthread_cond_t wake;
    atomic_uint sleepers;
    atomic_bool quit;
};

typedef struct worker {
    rg_pool *pool;
    size_t index;
} worker;

/* The i-th look in vain. */
static inline void pause_at(int i)
{
    if (i >= SPINS) {
        sched_yield();
        return;
    }
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

size_t rg_cpu_count(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    const int n = CPU_COUNT(&set);
    return n < 1 ? 1 : (size_t)n;
}

static void work(rg_pool *p, size_t thread)
{
    for (;;) {
        const size_t begin = atomic_fetch_add_explicit(&p->next, p->grain, memory_order_relaxed);
        if (begin >= p->n)
            return;
        p->fn(p->arg, begin, RG_MIN(begin + p->grain, p->n), thread);
    }
}

/* Counts this worker in, unless the region is closed. */
static bool join(rg_pool *p)
{
    size_t g = atomic_load_explicit(&p->gate, memory_order_relaxed);
    while (g & OPEN)
        if (atomic_compare_exchange_weak_explicit(&p->gate, &g, g + 1, memory_order_acquire,
                                                  memory_order_relaxed))
            return true;
    return false;
}

static unsigned await_epoch(rg_pool *p, unsigned seen)
{
    for (int i = 0; i < SPINS + YIELDS; i++) {
        const unsigned now = atomic_load_explicit(&p->epoch, memory_order_acquire);
        if (now != seen || atomic_load_explicit(&p->quit, memory_order_relaxed))
            return now;
        pause_at(i);
    }
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add(&p->sleepers, 1);
    while (atomic_load(&p->epoch) == seen && !atomic_load(&p->quit))
        pthread_cond_wait(&p->wake, &p->lock);
    atomic_fetch_sub(&p->sleepers, 1);
    pthread_mutex_unlock(&p->lock);
    return atomic_load(&p->epoch);
}

static void *worker_main(void *arg)
{
    const worker w = *(worker *)arg;
    rg_free(arg);
    unsigned seen = 0;
    for (;;) {
        seen = await_epoch(w.pool, seen);
        if (atomic_load(&w.pool->quit))
            return NULL;
        if (!join(w.pool))
            continue;
        work(w.pool, w.index);
        atomic_fetch_sub_explicit(&w.pool->gate, 1, memory_order_release);
    }
}

void rg_pool_enter(rg_pool *p)
{
    if (p == NULL)
        return;
    pthread_mutex_lock(&p->turns);
    const unsigned long mine = p->ticket++;
    while (p->serving != mine)
        pthread_cond_wait(&p->turn, &p->turns);
    pthread_mutex_unlock(&p->turns);
}

void rg_pool_leave(rg_pool *p)
{
    if (p == NULL)
        return;
    pthread_mutex_lock(&p->turns);
    p->serving++;
    pthread_cond_broadcast(&p->turn);
    pthread_mutex_unlock(&p->turns);
}

void rg_parallel(rg_pool *p, size_t n, size_t grain, rg_task_fn fn, void *arg)
{
    if (n == 0)
        return;
    if (grain == 0)
        grain = 1;
    if (p == NULL || p->started == 0 || n <= grain) {
        for (size_t begin = 0; begin < n; begin += RG_MIN(grain, n - begin))
            fn(arg, begin, begin + RG_MIN(grain, n - begin), 0);
        return;
    }
    p->fn = fn;
    p->arg = arg;
    p->n = n;
    p->grain = grain;
    atomic_store_explicit(&p->next, 0, memory_order_relaxed);
    atomic_store_explicit(&p->gate, OPEN, memory_order_release);
    atomic_fetch_add(&p->epoch, 1);
    if (atomic_load(&p->sleepers) > 0) {
        pthread_mutex_lock(&p->lock);
        pthread_cond_broadcast(&p->wake);
        pthread_mutex_unlock(&p->lock);
    }
    work(p, 0);
    atomic_fetch_and_explicit(&p->gate, ~OPEN, memory_order_relaxed);
    for (int i = 0; atomic_load_explicit(&p->gate, memory_order_acquire) != 0; i += i < SPINS)
        pause_at(i);
}

static rg_status start(rg_pool *p, rg_err *e)
{
    for (size_t i = 1; i < p->n_threads; i++) {
        worker *w = rg_alloc(1, sizeof *w);
        if (w == NULL)
            RG_FAIL(e, RG_ENOMEM, "no memory for thread %zu", i);
        w->pool = p;
        w->index = i;
        const int r = pthread_create(&p->thread[i - 1], NULL, worker_main, w);
        if (r != 0) {
            rg_free(w);
            RG_FAIL(e, RG_EIO, "thread %zu of %zu cannot be started; try -t %zu", i + 1, p->n_threads, i);
        }
        p->started++;
    }
    return RG_OK;
}

rg_status rg_pool_new(rg_pool **out, size_t n_threads, rg_err *e)
{
    *out = NULL;
    if (n_threads == 0)
        n_threads = rg_cpu_count();
    if (n_threads > MAX_THREADS)
        RG_FAIL(e, RG_EARG, "%zu threads are more than %d", n_threads, MAX_THREADS);
    rg_pool *p = rg_calloc(1, sizeof *p);
    if (p == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for the thread pool");
    p->n_threads = n_threads;
    pthread_mutex_init(&p->turns, NULL);
    pthread_cond_init(&p->turn, NULL);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    p->thread = rg_calloc(n_threads, sizeof *p->thread);
    rg_status s = RG_OK;
    if (p->thread == NULL)
        s = rg_err_set(e, RG_ENOMEM, __FILE__, __LINE__, "no memory for the thread pool");
    else
        s = start(p, e);
    if (s != RG_OK) {
        rg_pool_free(p);
        return s;
    }
    *out = p;
    return RG_OK;
}

void rg_pool_free(rg_pool *p)
{
    if (p == NULL)
        return;
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->quit, true);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    for (size_t i = 0; i < p->started; i++)
        pthread_join(p->thread[i], NULL);
    pthread_cond_destroy(&p->turn);
    pthread_mutex_destroy(&p->turns);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    rg_free(p->thread);
    rg_free(p);
}

size_t rg_pool_threads(const rg_pool *p)
{
    return p == NULL ? 1 : p->n_threads;
}
