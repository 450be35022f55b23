/* prefix.c - what the sequences of a session begin with: a node whose tokens are computed once. */
#include "prm_int.h"
#include "rung/base/mem.h"

rg_status rg__prefix_set(rg__prefix *p, rg_lm *lm, const int32_t *id, size_t n, rg_err *e)
{
    rg_lm_node *node;
    RG_TRY(rg_lm_node_for(&node, lm, NULL, id, n, e));
    rg_lm_release(p->node);
    p->node = node;
    p->ids.n = 0;
    return n == 0 ? RG_OK : rg_ids_append(&p->ids, id, n, e);
}

size_t rg__common(const rg_ids *a, const rg_ids *b)
{
    const size_t most = RG_MIN(a->n, b->n);
    size_t n = 0;
    while (n < most && a->id[n] == b->id[n])
        n++;
    return n;
}

bool rg__prefix_begins(const rg__prefix *p, const rg_ids *ids)
{
    return p->node != NULL && rg__common(&p->ids, ids) == p->ids.n;
}

void rg__prefix_free(rg__prefix *p)
{
    rg_lm_release(p->node);
    rg_ids_free(&p->ids);
    *p = (rg__prefix){ 0 };
}
