/* cache.c - results by the hash of (seed, blocks so far), shared by the sessions of a sandbox.
 *
 * Direct-mapped: a new result takes the place of the one that stood in its slot, so the memory is
 * bounded and nothing is ever searched. */
#include "sandbox_int.h"

#include <string.h>

#include "rung/base/mem.h"

enum { SLOTS = 1024 };

struct rg__cache {
    pthread_mutex_t lock;
    struct {
        uint64_t key;
        bool used;
        rg_ran r;
    } slot[SLOTS];
};

/* Texts of their own; false when memory is out (to is then empty). */
static bool copy_ran(rg_ran *to, const rg_ran *from)
{
    *to = *from;
    to->out = rg_strdup(from->out ? from->out : "");
    to->err = rg_strdup(from->err ? from->err : "");
    to->message = rg_strdup(from->message ? from->message : "");
    if (to->out && to->err && to->message)
        return true;
    rg_ran_free(to);
    return false;
}

rg_status rg__cache_new(rg__cache **out, rg_err *e)
{
    rg__cache *c = *out = rg_calloc(1, sizeof *c);
    if (c == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for the sandbox's cache (%zu bytes)", sizeof *c);
    pthread_mutex_init(&c->lock, NULL);
    return RG_OK;
}

void rg__cache_free(rg__cache *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < SLOTS; i++)
        rg_ran_free(&c->slot[i].r);
    pthread_mutex_destroy(&c->lock);
    rg_free(c);
}

bool rg__cache_get(rg__cache *c, uint64_t key, rg_ran *r)
{
    pthread_mutex_lock(&c->lock);
    const size_t i = key % SLOTS;
    const bool found = c->slot[i].used && c->slot[i].key == key && copy_ran(r, &c->slot[i].r);
    pthread_mutex_unlock(&c->lock);
    if (found)
        r->cached = true;
    return found;
}

void rg__cache_put(rg__cache *c, uint64_t key, const rg_ran *r)
{
    pthread_mutex_lock(&c->lock);
    const size_t i = key % SLOTS;
    rg_ran_free(&c->slot[i].r);
    c->slot[i].key = key;
    c->slot[i].used = copy_ran(&c->slot[i].r, r);
    pthread_mutex_unlock(&c->lock);
}
