/* node.c - the tree of token sequences. */
#include <assert.h>
#include <string.h>

#include "rung/base/mem.h"

#include "lm_int.h"

rg_lm_node *rg__node_new(rg_lm *lm, rg_lm_node *parent, const int32_t *id, size_t n)
{
    rg_lm_node *node = rg_calloc(1, sizeof *node);
    if (node == NULL)
        return NULL;
    node->id = n == 0 ? NULL : rg_alloc(n, sizeof *id);
    if (n > 0 && node->id == NULL) {
        rg_free(node);
        return NULL;
    }
    if (n > 0)
        memcpy(node->id, id, n * sizeof *id);
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

void rg__node_release(rg_lm_node *node)
{
    while (node != NULL && --node->refs == 0) {
        rg_lm_node *parent = node->parent;
        rg__node_unreserve(node);
        rg_state_release(node->state);
        rg_free(node->hidden);
        rg_free(node->id);
        rg_free(node);
        node = parent;
    }
}

void rg__node_tail(const rg_lm_node *node, int32_t *out, size_t n)
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

rg_lm_node *rg__node_pending(rg_lm_node *node)
{
    rg_lm_node *first = NULL;
    for (; node != NULL; node = node->parent)
        if (node->computed < node->len)
            first = node;
    return first;
}

/* ---- public ---- */

rg_lm_node *rg_lm_root(rg_lm *lm)
{
    pthread_mutex_lock(&lm->lock);
    rg_lm_node *node = rg__node_new(lm, NULL, NULL, 0);
    pthread_mutex_unlock(&lm->lock);
    return node;
}

rg_status rg_lm_extend(rg_lm_node **out, rg_lm_node *from, const int32_t *id, size_t n, rg_err *e)
{
    *out = NULL;
    rg_lm *lm = from->lm;
    if (n == 0) {
        *out = rg_lm_retain(from);
        return RG_OK;
    }
    for (size_t i = 0; i < n; i++)
        if (id[i] < 0 || (size_t)id[i] >= lm->n_vocab)
            RG_FAIL(e, RG_EARG, "token id %d is outside the vocabulary of %zu", id[i], lm->n_vocab);
    if (from->len + n > lm->opt.ctx)
        RG_FAIL(e, RG_ELIMIT, "%zu tokens do not fit a context of %zu: shorten the prompt or raise -c",
                from->len + n, lm->opt.ctx);
    pthread_mutex_lock(&lm->lock);
    *out = rg__node_new(lm, from, id, n);
    pthread_mutex_unlock(&lm->lock);
    if (*out == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu tokens", n);
    return RG_OK;
}

rg_lm_node *rg_lm_retain(rg_lm_node *node)
{
    pthread_mutex_lock(&node->lm->lock);
    node->refs++;
    pthread_mutex_unlock(&node->lm->lock);
    return node;
}

void rg_lm_release(rg_lm_node *node)
{
    if (node == NULL)
        return;
    rg_lm *lm = node->lm;
    pthread_mutex_lock(&lm->lock);
    rg__node_release(node);
    rg__memory_freed(lm);
    pthread_mutex_unlock(&lm->lock);
}

size_t rg_lm_node_len(const rg_lm_node *node)
{
    return node->len;
}

static bool is_prefix(const rg_lm_node *node, const int32_t *id, size_t n)
{
    for (; node != NULL; node = node->parent) {
        if (node->len > n)
            return false;
        if (node->n > 0 && memcmp(node->id, id + node->len - node->n, node->n * sizeof *id) != 0)
            return false;
    }
    return true;
}

rg_status rg_lm_node_for(rg_lm_node **out, rg_lm *lm, rg_lm_node *near, const int32_t *id, size_t n,
                         rg_err *e)
{
    *out = NULL;
    while (near != NULL && !is_prefix(near, id, n))
        near = near->parent;
    if (near != NULL)
        return rg_lm_extend(out, near, id + near->len, n - near->len, e);
    rg_lm_node *root = rg_lm_root(lm);
    if (root == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for a sequence");
    const rg_status s = rg_lm_extend(out, root, id, n, e);
    rg_lm_release(root);
    return s;
}
