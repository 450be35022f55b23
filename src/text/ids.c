/* ids.c - a growing list of token ids. */
#include <string.h>

#include "rung/base/mem.h"
#include "rung/text/tokenizer.h"

static rg_status reserve(rg_ids *ids, size_t more, rg_err *e)
{
    if (more <= ids->cap - ids->n)
        return RG_OK;
    size_t need;
    if (!rg_add_size(&need, ids->n, more))
        RG_FAIL(e, RG_ENOMEM, "a list of %zu and %zu more token ids is too long", ids->n, more);
    const size_t cap = RG_MAX(need, RG_MAX(ids->cap + ids->cap / 2, (size_t)64));
    int32_t *id = rg_realloc(ids->id, cap, sizeof *id);
    if (id == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu token ids", cap);
    ids->id = id;
    ids->cap = cap;
    return RG_OK;
}

rg_status rg_ids_push(rg_ids *ids, int32_t id, rg_err *e)
{
    RG_TRY(reserve(ids, 1, e));
    ids->id[ids->n++] = id;
    return RG_OK;
}

rg_status rg_ids_append(rg_ids *ids, const int32_t *id, size_t n, rg_err *e)
{
    if (n == 0)
        return RG_OK;
    RG_TRY(reserve(ids, n, e));
    memcpy(ids->id + ids->n, id, n * sizeof *id);
    ids->n += n;
    return RG_OK;
}

void rg_ids_free(rg_ids *ids)
{
    rg_free(ids->id);
    memset(ids, 0, sizeof *ids);
}
