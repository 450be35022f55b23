/* state.c - reference-counted pages under a tree of states.
 *
 * A forked state keeps only a pointer to its parent and the length at the fork; its page
 * table is made when it first grows (materialise).  Until then the parent may go on: it only
 * writes behind the child's length, so nothing the child can see changes.  A page is written
 * in place by a state that alone holds it; otherwise it is copied first. */
#include "rung/model/state.h"

#include <assert.h>
#include <string.h>

#include "rung/base/mem.h"
#include "rung/kernel/kernel.h"

typedef struct page {
    char *data;
    size_t refs;
    struct page *next_free;
} page;

struct rg_store {
    rg_page_shape shape;
    size_t half_bytes; /* K of one layer and head (= V) */
    size_t page_bytes;
    size_t max, used, peak;
    page *free_list;
    page **all; /* every page ever made, to free them at the end */
    size_t n_all, cap_all;
    bool lock;
    rg_err refused; /* why a page could not be locked */
};

struct rg_state {
    rg_store *store;
    rg_state *parent; /* until materialised */
    size_t refs;
    size_t len;
    page **table; /* n_pages of them, NULL until materialised */
    size_t n_pages, cap;
};

rg_status rg_store_new(rg_store **out, const rg_page_shape *shape, size_t max_bytes, rg_err *e)
{
    *out = NULL;
    rg_store *s = rg_calloc(1, sizeof *s);
    if (s == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for the state store");
    s->shape = *shape;
    s->half_bytes = rg_kv_page_bytes(shape->kv_type, shape->head_dim);
    s->page_bytes = 2 * s->half_bytes * shape->n_layer * shape->n_head_kv;
    s->max = max_bytes / s->page_bytes;
    if (s->max < 2) {
        const size_t page_bytes = s->page_bytes;
        rg_free(s);
        RG_FAIL(
            e, RG_ELIMIT,
            "%zu MiB of memory for attention state hold fewer than two pages of %zu KiB: raise --kv-memory",
            max_bytes >> 20, page_bytes >> 10);
    }
    *out = s;
    return RG_OK;
}

void rg_store_free(rg_store *s)
{
    if (s == NULL)
        return;
    assert(s->used == 0);
    for (size_t i = 0; i < s->n_all; i++) {
        if (s->lock)
            rg_memory_unlock(s->all[i]->data, s->page_bytes);
        rg_free_aligned(s->all[i]->data, s->page_bytes);
        rg_free(s->all[i]);
    }
    rg_free(s->all);
    rg_free(s);
}

size_t rg_store_page_bytes(const rg_store *s)
{
    return s->page_bytes;
}

void rg_store_set_max(rg_store *s, size_t max_bytes)
{
    s->max = RG_MAX(RG_MAX(max_bytes / s->page_bytes, s->used), (size_t)2);
}

size_t rg_store_pages_max(const rg_store *s)
{
    return s->max;
}

size_t rg_store_pages_used(const rg_store *s)
{
    return s->used;
}

size_t rg_store_pages_peak(const rg_store *s)
{
    return s->peak;
}

/* ---- pages ---- */

static page *page_make(rg_store *s)
{
    if (s->n_all == s->cap_all) {
        const size_t cap = s->cap_all ? 2 * s->cap_all : 64;
        page **all = rg_realloc(s->all, cap, sizeof *all);
        if (all == NULL)
            return NULL;
        s->all = all;
        s->cap_all = cap;
    }
    page *p = rg_calloc(1, sizeof *p);
    if (p == NULL)
        return NULL;
    p->data = rg_alloc_aligned(s->page_bytes);
    rg_err_clear(&s->refused);
    if (p->data == NULL || (s->lock && rg_memory_lock(p->data, s->page_bytes, "a page of attention state",
                                                      &s->refused) != RG_OK)) {
        rg_free_aligned(p->data, s->page_bytes);
        rg_free(p);
        return NULL;
    }
    s->all[s->n_all++] = p;
    return p;
}

static page *page_new(rg_store *s)
{
    if (s->used >= s->max)
        return NULL;
    page *p = s->free_list;
    if (p != NULL)
        s->free_list = p->next_free;
    else
        p = page_make(s);
    if (p == NULL)
        return NULL;
    p->refs = 1;
    s->used++;
    s->peak = RG_MAX(s->peak, s->used);
    return p;
}

/* Why page_new failed. */
static rg_status no_page(const rg_store *s, rg_err *e)
{
    if (s->used >= s->max)
        RG_FAIL(e, RG_ELIMIT,
                "attention state is full: %zu pages of %zu KiB; allow more with --kv-memory, "
                "or use fewer branches",
                s->max, s->page_bytes >> 10);
    if (s->refused.code != RG_OK)
        RG_FAIL(e, s->refused.code, "%s", s->refused.msg);
    RG_FAIL(e, RG_ENOMEM, "no memory for attention state");
}

static void page_release(rg_store *s, page *p)
{
    if (--p->refs > 0)
        return;
    p->next_free = s->free_list;
    s->free_list = p;
    s->used--;
}

rg_status rg_store_lock(rg_store *s, rg_err *e)
{
    s->lock = true;
    page *p = page_new(s);
    if (p == NULL)
        return no_page(s, e);
    page_release(s, p);
    return RG_OK;
}

/* ---- states ---- */

rg_state *rg_state_root(rg_store *s)
{
    rg_state *st = rg_calloc(1, sizeof *st);
    if (st == NULL)
        return NULL;
    st->store = s;
    st->refs = 1;
    return st;
}

rg_state *rg_state_fork(rg_state *parent)
{
    rg_state *st = rg_state_root(parent->store);
    if (st == NULL)
        return NULL;
    parent->refs++;
    st->parent = parent;
    st->len = parent->len;
    return st;
}

void rg_state_release(rg_state *st)
{
    while (st != NULL && --st->refs == 0) {
        rg_state *parent = st->parent;
        for (size_t i = 0; i < st->n_pages; i++)
            page_release(st->store, st->table[i]);
        rg_free(st->table);
        rg_free(st);
        st = parent;
    }
}

size_t rg_state_len(const rg_state *st)
{
    return st->len;
}

uint32_t rg_state_kv_type(const rg_state *st)
{
    return st->store->shape.kv_type;
}

static size_t pages_for(size_t len)
{
    return (len + RG_PAGE - 1) / RG_PAGE;
}

static bool table_room(rg_state *st, size_t n)
{
    if (n <= st->cap)
        return true;
    const size_t cap = RG_MAX(n, 2 * st->cap);
    page **t = rg_realloc(st->table, cap, sizeof(page *));
    if (t == NULL)
        return false;
    st->table = t;
    st->cap = cap;
    return true;
}

/* The nearest ancestor (or self) that has its page table. */
static const rg_state *holder(const rg_state *st)
{
    while (st->parent != NULL)
        st = st->parent;
    return st;
}

static bool materialise(rg_state *st)
{
    if (st->parent == NULL)
        return true;
    const rg_state *from = holder(st);
    const size_t n = pages_for(st->len);
    if (!table_room(st, n + 1))
        return false;
    for (size_t i = 0; i < n; i++) {
        st->table[i] = from->table[i];
        st->table[i]->refs++;
    }
    st->n_pages = n;
    rg_state *parent = st->parent;
    st->parent = NULL;
    rg_state_release(parent);
    return true;
}

/* The last page is about to be written: make it this state's own. */
static bool own_last(rg_state *st)
{
    page *shared = st->table[st->n_pages - 1];
    if (shared->refs == 1)
        return true;
    page *own = page_new(st->store);
    if (own == NULL)
        return false;
    memcpy(own->data, shared->data, st->store->page_bytes);
    page_release(st->store, shared);
    st->table[st->n_pages - 1] = own;
    return true;
}

rg_status rg_state_extend(rg_state *st, size_t n, rg_err *e)
{
    const size_t want = pages_for(st->len + n);
    if (!materialise(st) || !table_room(st, want))
        RG_FAIL(e, RG_ENOMEM, "no memory for a page table of %zu pages", want);
    if (n > 0 && st->len % RG_PAGE != 0 && !own_last(st))
        return no_page(st->store, e);
    const size_t had = st->n_pages;
    while (st->n_pages < want) {
        page *p = page_new(st->store);
        if (p == NULL) {
            const rg_status why = no_page(st->store, e); /* asked before the pages go back */
            while (st->n_pages > had)
                page_release(st->store, st->table[--st->n_pages]);
            return why;
        }
        st->table[st->n_pages++] = p;
    }
    st->len += n;
    return RG_OK;
}

void rg_state_truncate(rg_state *st, size_t n)
{
    assert(n <= st->len && st->parent == NULL);
    st->len = n;
    while (st->n_pages > pages_for(n))
        page_release(st->store, st->table[--st->n_pages]);
}

void *rg_state_k(const rg_state *st, size_t at, size_t layer, size_t head)
{
    const rg_state *from = holder(st);
    const rg_store *s = st->store;
    return from->table[at]->data + 2 * s->half_bytes * (layer * s->shape.n_head_kv + head);
}

void *rg_state_v(const rg_state *st, size_t at, size_t layer, size_t head)
{
    return (char *)rg_state_k(st, at, layer, head) + st->store->half_bytes;
}
