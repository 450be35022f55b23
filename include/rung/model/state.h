/* state.h - what a model remembers of a sequence, as a tree.
 *
 * A state is a node: fork is O(1), and a shared prefix is stored once.  Attention state lives
 * in pages of RG_PAGE positions that hold every layer's K and V; pages are reference-counted,
 * shared by all branches and copied when a branch writes into one that others hold.  (A
 * recurrent mixer will keep a snapshot per node beside the pages.)
 *
 * A store belongs to one (model, adapter).  It is not locked: one thread at a time. */
#ifndef RUNG_MODEL_STATE_H
#define RUNG_MODEL_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rung/base/api.h"
#include "rung/base/err.h"

RG_API_BEGIN

typedef struct rg_store rg_store;
typedef struct rg_state rg_state;

/* What attention state is kept as; AUTO is f16, and f32 on the exact path. */
typedef enum rg_cache { RG_CACHE_AUTO, RG_CACHE_F32, RG_CACHE_F16, RG_CACHE_BF16, RG_CACHE_Q8 } rg_cache;

/* "f32", "f16", "bf16", "q8" (or "q8_0"); NULL and "" are AUTO. */
rg_status rg_cache_parse(rg_cache *out, const char *name, rg_err *e);
uint32_t  rg_cache_type(rg_cache c, bool exact);        /* the page shape's kv_type */
/* Bytes of a head's keys (or values) of D numbers for one position; UINT64_MAX = more than fits. */
uint64_t  rg_cache_bytes(uint32_t kv_type, uint64_t D);

/* What one page holds: n_layer x n_head_kv x (K (head_dim, RG_PAGE), V (RG_PAGE, head_dim)). */
typedef struct rg_page_shape {
    size_t   n_layer, n_head_kv, head_dim;
    uint32_t kv_type;           /* RG_F32, RG_F16, RG_BF16 or RG_Q8_0: kernel.h, kv_put */
} rg_page_shape;

rg_status rg_store_new(rg_store **out, const rg_page_shape *shape, size_t max_bytes, rg_err *e);
void      rg_store_free(rg_store *s);                   /* all its states must be released */
/* From here on every page stays in memory (rg_memory_lock); makes one, so that a system that
 * refuses does so at once.  Later refusals come out of rg_state_extend. */
rg_status rg_store_lock(rg_store *s, rg_err *e);
size_t    rg_store_page_bytes(const rg_store *s);
size_t    rg_store_pages_max(const rg_store *s);
void      rg_store_set_max(rg_store *s, size_t max_bytes);  /* never below what is in use */
size_t    rg_store_pages_used(const rg_store *s);
size_t    rg_store_pages_peak(const rg_store *s);

rg_state *rg_state_root(rg_store *s);                   /* empty; NULL = no memory */
rg_state *rg_state_fork(rg_state *parent);              /* O(1); NULL = no memory */
void      rg_state_release(rg_state *st);               /* NULL is fine */
size_t    rg_state_len(const rg_state *st);             /* positions held */
uint32_t  rg_state_kv_type(const rg_state *st);         /* of its store's pages */

/* Makes positions [len, len + n) writable (new pages, or copies of shared ones) and counts
 * them as held: the caller writes them before anyone reads.  RG_ELIMIT when the store is
 * full, the state then unchanged. */
rg_status rg_state_extend(rg_state *st, size_t n, rg_err *e);
/* Drops positions from n on (a cancelled step). */
void      rg_state_truncate(rg_state *st, size_t n);

/* K (V follows it) of one layer and head in the page that holds position 32*page.. */
void *rg_state_k(const rg_state *st, size_t page, size_t layer, size_t head);
void *rg_state_v(const rg_state *st, size_t page, size_t layer, size_t head);

RG_API_END
#endif
