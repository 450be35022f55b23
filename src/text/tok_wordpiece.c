/* tok_wordpiece.c - the longest token that the word begins with, then the longest that goes on
 * from there; a word that cannot be finished is unknown as a whole.
 *
 * Tokens that begin a word are kept with a space in front (vocab.c). */
#include <string.h>

#include "rung/base/mem.h"
#include "tokenizer_int.h"

static size_t characters(const char *p, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += ((unsigned char)p[i] & 0xC0) != 0x80;
    return count;
}

/* The longest token that p[at..n) begins with, and its length; -1 = none. */
static int32_t longest(const vocab *v, const char *p, size_t n, size_t at, size_t least, size_t *len)
{
    for (size_t k = RG_MIN(n - at, v->longest); k >= least; k--) {
        if (at + k < n && ((unsigned char)p[at + k] & 0xC0) == 0x80)
            continue;
        const int32_t id = rg__vocab_word(v, rg_str_n(p + at, k));
        if (id >= 0) {
            *len = k;
            return id;
        }
    }
    return -1;
}

rg_status rg__wordpiece_word(const rg_tokenizer *t, const char *p, size_t n, scratch *w, rg_ids *ids,
                             rg_err *e)
{
    const size_t before = ids->n;
    if (n == 0)
        return RG_OK;
    if (characters(p, n) > t->max_word)
        return rg__push_unknown(t, p, n, w, ids, e);
    rg_buf_clear(&w->other);
    rg_buf_putc(&w->other, ' ');
    rg_buf_put(&w->other, p, n);
    RG_TRY(rg_buf_check(&w->other, "a word", e));
    for (size_t at = 0, len = 0; at < w->other.n; at += len) {
        const int32_t id = longest(&t->vocab, w->other.p, w->other.n, at, at == 0 ? 2 : 1, &len);
        if (id < 0) {
            ids->n = before;
            return rg__push_unknown(t, p, n, w, ids, e);
        }
        RG_TRY(rg_ids_push(ids, id, e));
    }
    return RG_OK;
}
