/* node.c - the tree of token sequences. */
#include <assert.h>
#include <string.h>

#include "rung/base/mem.h"
#include "rung/base/rng.h"

#include "lm_int.h"

local_node *rg__node_new(local_lm *lm, local_node *parent, const int32_t *id, size_t n)
{
    local_node *node = rg_calloc(1, sizeof *node);
    if (node == NULL)
        return NULL;
    node->id = n == 0 ? NULL : rg_alloc(n, sizeof *id);
    if (n > 0 && node->id == NULL) {
        rg_free(node);
        return NULL;
    }
    if (n > 0)
        memcpy(node->id, id, n * sizeof *id);
    node->port.lm = &lm->port;
    node->lm = lm;
    node->refs = 1;
    node->n = n;
    node->parent = parent;
    node->len = n + (parent == NULL ? 0 : parent->len);
    node->computed = node->len - n;
    if (parent != NULL)
        parent->refs++;
    return node;
}

void rg__node_release(local_node *node)
{
    while (node != NULL && --node->refs == 0) {
        local_node *parent = node->parent;
        rg__node_unreserve(node);
        rg_state_release(node->state);
        rg_free(node->hidden);
        rg_free(node->id);
        rg_free(node);
        node = parent;
    }
}

void rg__node_tail(const local_node *node, int32_t *out, size_t n)
{
    assert(n <= node->len);
    while (n > 0) {
        const size_t here = RG_MIN(n, node->n);
        if (here > 0)
            memcpy(out + n - here, node->id + node->n - here, here * sizeof *out);
        n -= here;
        node = node->parent;
    }
}

local_node *rg__node_pending(local_node *node)
{
    local_node *first = NULL;
    for (; node != NULL; node = node->parent)
        if (node->computed < node->len)
            first = node;
    return first;
}

/* ---- of the port ---- */

rg_lm_node *rg__local_root(rg_lm *lm)
{
    local_lm *l = local_of(lm);
    pthread_mutex_lock(&l->lock);
    local_node *node = rg__node_new(l, NULL, NULL, 0);
    pthread_mutex_unlock(&l->lock);
    return node == NULL ? NULL : &node->port;
}

rg_status rg__local_extend(rg_lm_node **out, rg_lm_node *from_port, const int32_t *id, size_t n, rg_err *e)
{
    local_node *from = own_node(from_port);
    local_lm *lm = from->lm;
    *out = NULL;
    if (n == 0) {
        *out = rg__local_retain(from_port);
        return RG_OK;
    }
    for (size_t i = 0; i < n; i++)
        if (id[i] < 0 || (size_t)id[i] >= lm->n_vocab)
            RG_FAIL(e, RG_EARG, "token id %d is outside the vocabulary of %zu", id[i], lm->n_vocab);
    if (from->len + n > lm->opt.ctx)
        RG_FAIL(e, RG_ELIMIT, "%zu tokens do not fit a context of %zu: shorten the prompt or raise -c",
                from->len + n, lm->opt.ctx);
    pthread_mutex_lock(&lm->lock);
    local_node *node = rg__node_new(lm, from, id, n);
    pthread_mutex_unlock(&lm->lock);
    if (node == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu tokens", n);
    *out = &node->port;
    return RG_OK;
}

rg_lm_node *rg__local_retain(rg_lm_node *port)
{
    local_node *node = own_node(port);
    pthread_mutex_lock(&node->lm->lock);
    node->refs++;
    pthread_mutex_unlock(&node->lm->lock);
    return port;
}

void rg__local_release(rg_lm_node *port)
{
    local_node *node = own_node(port);
    local_lm *lm = node->lm;
    pthread_mutex_lock(&lm->lock);
    rg__node_release(node);
    rg__memory_freed(lm);
    pthread_mutex_unlock(&lm->lock);
}

size_t rg__local_node_len(const rg_lm_node *node)
{
    return ((const local_node *)node)->len;
}

/* Of the whole sequence, however it was cut into nodes. */
uint64_t rg__local_node_hash(const rg_lm_node *port)
{
    const local_node *node = (const local_node *)port;
    int32_t *id = rg_alloc(RG_MAX(node->len, (size_t)1), sizeof *id);
    if (id == NULL)
        return 0;
    rg__node_tail(node, id, node->len);
    const uint64_t h = rg_hash64(id, node->len * sizeof *id, 0);
    rg_free(id);
    return h;
}

static bool is_prefix(const local_node *node, const int32_t *id, size_t n)
{
    for (; node != NULL; node = node->parent) {
        if (node->len > n)
            return false;
        if (node->n > 0 && memcmp(node->id, id + node->len - node->n, node->n * sizeof *id) != 0)
            return false;
    }
    return true;
}

rg_status rg__local_node_for(rg_lm_node **out, rg_lm *lm, rg_lm_node *near_port, const int32_t *id, size_t n,
                             rg_err *e)
{
    local_node *near = own_node(near_port);
    *out = NULL;
    while (near != NULL && !is_prefix(near, id, n))
        near = near->parent;
    if (near != NULL)
        return rg__local_extend(out, &near->port, id + near->len, n - near->len, e);
    rg_lm_node *root = rg__local_root(lm);
    if (root == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for a sequence");
    const rg_status s = rg__local_extend(out, root, id, n, e);
    rg__local_release(root);
    return s;
}
