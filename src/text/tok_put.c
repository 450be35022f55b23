/* tok_put.c - tokens and merges as files spell them. */
#include <stdlib.h>

#include "rung/base/mem.h"
#include "tok_put.h"

void rg__put_token_text(const rg_tokenizer *t, size_t id, rg_buf *out)
{
    const vocab *v = &t->vocab;
    const rg_str text = rg__vocab_text(v, (int32_t)id);
    const tok_kind k = (tok_kind)v->kind[id];
    const bool spelled =
        (k == TOK_NORMAL || (k == TOK_USER && t->spelling == SPELL_SPACE)) && !rg__vocab_foreign(v, id);
    if (text.n == 0)
        rg_buf_printf(out, "[PAD%zu]", id);
    else if (k == TOK_BYTE)
        rg_buf_printf(out, "<0x%02X>", (unsigned)(unsigned char)text.p[0]);
    else if (spelled)
        rg__vocab_spell(out, t->spelling, text);
    else
        rg_buf_str(out, text);
}

static int by_rank(const void *pa, const void *pb)
{
    const ranked *a = pa, *b = pb;
    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    if (a->made != b->made)
        return a->made < b->made ? -1 : 1;
    if (a->left != b->left)
        return a->left < b->left ? -1 : 1;
    return a->right < b->right ? -1 : a->right > b->right;
}

rg_status rg__put_merges(const rg_tokenizer *t, ranked **out, size_t *n, rg_err *e)
{
    const merges *m = &t->merges;
    size_t count = 0;
    for (size_t i = 0; i <= m->mask; i++)
        count += m->slot[i].pair != UINT64_MAX;
    ranked *all = rg_alloc(count + 1, sizeof *all);
    if (all == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu merges", count);
    *n = 0;
    for (size_t i = 0; i <= m->mask; i++) {
        const merge *x = &m->slot[i];
        if (x->pair != UINT64_MAX)
            all[(*n)++] =
                (ranked){ x->rank, (int32_t)(x->pair >> 32), (int32_t)(x->pair & UINT32_MAX), x->id };
    }
    qsort(all, *n, sizeof *all, by_rank);
    *out = all;
    return RG_OK;
}

bool rg__puts_space_in_front(const rg_tokenizer *t)
{
    for (size_t i = 0; i < t->steps.n_norm; i++) {
        const norm_step *s = &t->steps.norm[i];
        if (s->kind == NORM_PREPEND || (s->kind == NORM_SPACES && s->flags & NORM_FRONT))
            return true;
    }
    for (size_t i = 0; i < t->steps.n_pre; i++)
        if (t->steps.pre[i].kind == PRE_METASPACE && t->steps.pre[i].flags & (PRE_FIRST | PRE_ALWAYS))
            return true;
    return false;
}
