/* mem.c - allocation with checked sizes; the chunked arena.
 *
 * An arena is a list of chunks, newest first.  A reservation larger than what is left in the
 * newest chunk opens a new one of exactly the size asked for (at least CHUNK_MIN), so that
 * the pushes that follow cannot fail.  Reset keeps the largest chunk and frees the others. */
#include "rung/base/mem.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define RG_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RG_ASAN 1
#endif
#endif
#ifdef RG_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, n)   __asan_poison_memory_region((p), (n))
#define UNPOISON(p, n) __asan_unpoison_memory_region((p), (n))
#else
#define POISON(p, n)   ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#endif

enum { ALIGN = 64, CHUNK_MIN = 4096, HUGE_FROM = 4 << 20 };

bool rg_mul_size(size_t *out, size_t a, size_t b)
{
    size_t r;
    if (__builtin_mul_overflow(a, b, &r))
        return false;
    *out = r;
    return true;
}

bool rg_add_size(size_t *out, size_t a, size_t b)
{
    size_t r;
    if (__builtin_add_overflow(a, b, &r))
        return false;
    *out = r;
    return true;
}

bool rg_mul_u64(uint64_t *out, uint64_t a, uint64_t b)
{
    uint64_t r;
    if (__builtin_mul_overflow(a, b, &r))
        return false;
    *out = r;
    return true;
}

bool rg_add_u64(uint64_t *out, uint64_t a, uint64_t b)
{
    uint64_t r;
    if (__builtin_add_overflow(a, b, &r))
        return false;
    *out = r;
    return true;
}

/* ---- the counter of the torture build ---- */

#ifdef RG_TORTURE
static atomic_long torture_left = -1, torture_count = 0;

static bool refused(void)
{
    atomic_fetch_add(&torture_count, 1);
    long left = atomic_load(&torture_left);
    if (left < 0)
        return false;
    return atomic_fetch_sub(&torture_left, 1) == 0;
}

long rg_alloc_fail_at(long k)
{
    atomic_store(&torture_left, k);
    return atomic_exchange(&torture_count, 0);
}
#else
static bool refused(void)
{
    return false;
}

long rg_alloc_fail_at(long k)
{
    (void)k;
    return 0;
}
#endif

/* ---- heap ---- */

void *rg_alloc(size_t n, size_t size)
{
    size_t bytes;
    if (!rg_mul_size(&bytes, n, size) || refused())
        return NULL;
    return malloc(bytes ? bytes : 1);
}

void *rg_calloc(size_t n, size_t size)
{
    size_t bytes;
    if (!rg_mul_size(&bytes, n, size) || refused())
        return NULL;
    return calloc(n ? n : 1, size ? size : 1);
}

void *rg_realloc(void *p, size_t n, size_t size)
{
    size_t bytes;
    if (!rg_mul_size(&bytes, n, size) || refused())
        return NULL;
    return realloc(p, bytes ? bytes : 1);
}

void rg_free(void *p)
{
    free(p);
}

char *rg_strndup(const char *s, size_t n)
{
    size_t bytes;
    if (!rg_add_size(&bytes, n, 1))
        return NULL;
    char *r = rg_alloc(bytes, 1);
    if (r == NULL)
        return NULL;
    if (n > 0)
        memcpy(r, s, n);
    r[n] = '\0';
    return r;
}

char *rg_strdup(const char *s)
{
    return rg_strndup(s, strlen(s));
}

/* Big blocks come straight from the system, so that they go straight back to it. */
void *rg_alloc_aligned(size_t size)
{
    if (refused())
        return NULL;
    size_t bytes;
    if (!rg_add_size(&bytes, size, HUGE_FROM))
        return NULL;
    if (size < HUGE_FROM) {
        void *p = NULL;
        return posix_memalign(&p, ALIGN, size ? RG_ROUND_UP(size, (size_t)ALIGN) : ALIGN) == 0 ? p : NULL;
    }
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    madvise(p, size, MADV_HUGEPAGE);
    return p;
}

void rg_free_aligned(void *p, size_t size)
{
    if (p == NULL)
        return;
    if (size < HUGE_FROM)
        free(p);
    else
        munmap(p, size);
}

/* ---- arena ---- */

typedef struct chunk {
    struct chunk *next; /* older */
    size_t size;        /* of data */
    size_t used;
    char *data; /* 64-byte aligned, from rg_alloc_aligned */
} chunk;

struct rg_arena {
    chunk *head;
    const char *lifetime;
    size_t max, total; /* bytes allowed, bytes held in chunks */
    size_t used, peak;
};

rg_status rg_arena_new(rg_arena **out, const char *lifetime, size_t max_bytes, rg_err *e)
{
    *out = NULL;
    rg_arena *a = rg_calloc(1, sizeof *a);
    if (a == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for the %s arena", lifetime);
    a->lifetime = lifetime;
    a->max = max_bytes;
    *out = a;
    return RG_OK;
}

static void chunk_free(rg_arena *a, chunk *c)
{
    a->total -= c->size;
    UNPOISON(c->data, c->size);
    rg_free_aligned(c->data, c->size);
    rg_free(c);
}

void rg_arena_free(rg_arena *a)
{
    if (a == NULL)
        return;
    while (a->head != NULL) {
        chunk *c = a->head;
        a->head = c->next;
        chunk_free(a, c);
    }
    rg_free(a);
}

static bool add_chunk(rg_arena *a, size_t bytes)
{
    size_t size = RG_MAX(bytes, (size_t)CHUNK_MIN);
    size_t total;
    if (!rg_add_size(&total, a->total, size) || total > a->max)
        return false;
    chunk *c = rg_calloc(1, sizeof *c);
    if (c == NULL)
        return false;
    c->data = rg_alloc_aligned(size);
    if (c->data == NULL) {
        rg_free(c);
        return false;
    }
    c->size = size;
    c->next = a->head;
    a->head = c;
    a->total = total;
    POISON(c->data, c->size);
    return true;
}

static size_t room(const rg_arena *a)
{
    return a->head == NULL ? 0 : a->head->size - a->head->used;
}

rg_status rg_arena_reserve(rg_arena *a, size_t bytes, rg_err *e)
{
    if (room(a) >= bytes || add_chunk(a, bytes))
        return RG_OK;
    RG_FAIL(e, RG_ENOMEM, "the %s arena needs %zu more bytes than the %zu it holds, its ceiling is %zu",
            a->lifetime, bytes, a->total, a->max);
}

static void *take(rg_arena *a, size_t bytes)
{
    chunk *c = a->head;
    char *p = c->data + c->used;
    UNPOISON(p, bytes);
    c->used += RG_ROUND_UP(bytes, (size_t)ALIGN) <= room(a) ? RG_ROUND_UP(bytes, (size_t)ALIGN) : room(a);
    a->used += bytes;
    a->peak = RG_MAX(a->peak, a->used);
    return p;
}

void *rg_arena_push(rg_arena *a, size_t bytes)
{
    assert(room(a) >= bytes && "a push outside the reservation");
    return take(a, bytes);
}

void *rg_arena_try(rg_arena *a, size_t bytes)
{
    if (room(a) < bytes) {
        const size_t grow = a->head == NULL ? CHUNK_MIN : RG_MIN(a->head->size * 2, (size_t)1 << 24);
        if (!add_chunk(a, RG_MAX(bytes, grow)) && !add_chunk(a, bytes))
            return NULL;
    }
    return take(a, bytes);
}

char *rg_arena_strndup(rg_arena *a, const char *s, size_t n)
{
    char *r = n == SIZE_MAX ? NULL : rg_arena_try(a, n + 1);
    if (r == NULL)
        return NULL;
    if (n > 0)
        memcpy(r, s, n);
    r[n] = '\0';
    return r;
}

void rg_arena_reset(rg_arena *a)
{
    chunk *keep = NULL;
    while (a->head != NULL) {
        chunk *c = a->head;
        a->head = c->next;
        if (keep == NULL || c->size > keep->size) {
            chunk *old = keep;
            keep = c;
            c = old;
        }
        if (c != NULL)
            chunk_free(a, c);
    }
    if (keep != NULL) {
        keep->next = NULL;
        keep->used = 0;
        POISON(keep->data, keep->size);
    }
    a->head = keep;
    a->used = 0;
}

size_t rg_arena_mark(const rg_arena *a)
{
    return a->head == NULL ? 0 : a->head->used;
}

void rg_arena_rewind(rg_arena *a, size_t mark)
{
    chunk *c = a->head;
    if (c == NULL)
        return;
    assert(mark <= c->used);
    a->used -= RG_MIN(a->used, c->used - mark);
    POISON(c->data + mark, c->size - mark);
    c->used = mark;
}

size_t rg_arena_used(const rg_arena *a)
{
    return a->used;
}

size_t rg_arena_peak(const rg_arena *a)
{
    return a->peak;
}
