/* bpe.c - byte-pair merging of one word: start from single bytes or characters, merge the
 * neighbours whose merge has the lowest rank (the leftmost of equals) until none merges.
 *
 * Source: Sennrich, Haddow & Birch 2016, "Neural Machine Translation of Rare Words with
 * Subword Units", section 3.2; over bytes as GPT-2 has it, over characters with byte tokens
 * for those that are none as SentencePiece has it. */
#include <string.h>

#include "rung/base/mem.h"
#include "tokenizer_int.h"

#define NO_RANK UINT32_MAX
#define NONE    UINT32_MAX

/* What becomes of a symbol and the one after it. */
typedef struct bpe_pair {
    uint32_t rank; /* NO_RANK: they stay two */
    int32_t made;
} bpe_pair;

static inline bpe_pair pair_of(const merges *m, int32_t left, int32_t right)
{
    const merge *x = rg__merge_find(m, left, right);
    return x ? (bpe_pair){ x->rank, x->id } : (bpe_pair){ NO_RANK, -1 };
}

/* O(n^2) moves over at most BPE_SHORT symbols: for ordinary words faster than any queue.
 * pair[i] belongs to (i, i+1); the last symbol has none. */
static rg_status merge_short(const merges *m, int32_t *id, size_t n, rg_ids *ids, rg_err *e)
{
    bpe_pair pair[BPE_SHORT];
    for (size_t i = 0; i + 1 < n; i++)
        pair[i] = pair_of(m, id[i], id[i + 1]);
    pair[n - 1] = (bpe_pair){ NO_RANK, -1 };

    for (;;) {
        size_t best = 0;
        for (size_t i = 1; i < n; i++)
            if (pair[i].rank < pair[best].rank)
                best = i;
        if (pair[best].rank == NO_RANK)
            break;
        id[best] = pair[best].made;
        const size_t after = n - best - 2; /* symbols behind the one that goes */
        memmove(id + best + 1, id + best + 2, after * sizeof *id);
        memmove(pair + best + 1, pair + best + 2, after * sizeof *pair);
        n--;
        if (best > 0)
            pair[best - 1] = pair_of(m, id[best - 1], id[best]);
        pair[best] = after > 0 ? pair_of(m, id[best], id[best + 1]) : (bpe_pair){ NO_RANK, -1 };
    }
    return rg_ids_append(ids, id, n, e);
}

/* A symbol stays where its first byte is; one that was merged away has rank NO_RANK. */
struct bpe_symbol {
    uint32_t prev, next;
    int32_t id;
    bpe_pair pair;
};

/* A binary heap of (rank << 32 | place): lowest rank first, leftmost of equals. */
static void heap_push(uint64_t *h, size_t *n, uint64_t x)
{
    size_t i = (*n)++;
    while (i > 0 && h[(i - 1) / 2] > x) {
        h[i] = h[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    h[i] = x;
}

static uint64_t heap_pop(uint64_t *h, size_t *n)
{
    const uint64_t top = h[0], x = h[--*n];
    size_t i = 0;
    for (size_t k; (k = 2 * i + 1) < *n; i = k) {
        if (k + 1 < *n && h[k + 1] < h[k])
            k++;
        if (h[k] >= x)
            break;
        h[i] = h[k];
    }
    h[i] = x;
    return top;
}

/* Every merge ends one pair and begins at most two, so a word of n symbols never has more
 * than 3n entries in the heap. */
static rg_status reserve(scratch *w, size_t n, rg_err *e)
{
    if (n <= w->cap)
        return RG_OK;
    rg_free(w->symbols);
    rg_free(w->heap);
    rg_free(w->start);
    w->cap = 0;
    w->symbols = rg_alloc(n, sizeof *w->symbols);
    w->heap = rg_alloc(n, 3 * sizeof *w->heap);
    w->start = rg_alloc(n, sizeof *w->start);
    if (w->symbols == NULL || w->heap == NULL || w->start == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory to tokenise a word of %zu bytes", n);
    w->cap = n;
    return RG_OK;
}

static void pair_up(const merges *m, struct bpe_symbol *s, uint32_t i, uint64_t *heap, size_t *n_heap)
{
    s[i].pair = s[i].next == NONE ? (bpe_pair){ NO_RANK, -1 } : pair_of(m, s[i].id, s[s[i].next].id);
    if (s[i].pair.rank != NO_RANK)
        heap_push(heap, n_heap, (uint64_t)s[i].pair.rank << 32 | i);
}

/* O(n log n).  An entry is stale unless the pair at its place still has its rank; where another
 * pair of the same rank has come to stand there, it has an equal entry. */
static rg_status merge_long(const merges *m, size_t n, scratch *w, rg_ids *ids, rg_err *e)
{
    struct bpe_symbol *s = w->symbols;
    size_t n_heap = 0;
    for (uint32_t i = 0; i < n; i++) {
        s[i].prev = i == 0 ? NONE : i - 1;
        s[i].next = i + 1 == n ? NONE : i + 1;
        s[i].id = w->start[i];
    }
    for (uint32_t i = 0; i < n; i++)
        pair_up(m, s, i, w->heap, &n_heap);

    while (n_heap > 0) {
        const uint64_t top = heap_pop(w->heap, &n_heap);
        const uint32_t i = (uint32_t)top, gone = s[i].next;
        if (s[i].pair.rank != (uint32_t)(top >> 32))
            continue;
        s[i].id = s[i].pair.made;
        s[i].next = s[gone].next;
        s[gone].pair.rank = NO_RANK;
        if (s[i].next != NONE)
            s[s[i].next].prev = i;
        pair_up(m, s, i, w->heap, &n_heap);
        if (s[i].prev != NONE)
            pair_up(m, s, s[i].prev, w->heap, &n_heap);
    }
    for (uint32_t i = 0; i != NONE; i = s[i].next)
        RG_TRY(rg_ids_push(ids, s[i].id, e));
    return RG_OK;
}

rg_status rg__push_unknown(const rg_tokenizer *t, const char *p, size_t n, const scratch *w, rg_ids *ids,
                           rg_err *e)
{
    if (t->unk < 0)
        RG_FAIL(e, RG_EFORMAT, "this vocabulary has no token for %s 0x%02x of the text; take it out",
                n > 1 ? "a character that begins with byte" : "byte", (unsigned char)p[0]);
    if (t->fuse_unk && ids->n > w->begun && ids->id[ids->n - 1] == t->unk)
        return RG_OK;
    return rg_ids_push(ids, t->unk, e);
}

rg_status rg__push_bytes(const rg_tokenizer *t, const char *p, size_t n, const scratch *w, rg_ids *ids,
                         rg_err *e)
{
    /* a space is kept in short: U+2581 is three bytes in the files that spell it so */
    const rg_str c = t->spelling == SPELL_SPACE && *p == ' ' ? rg_str_of("\xE2\x96\x81") : rg_str_n(p, n);
    bool all = t->byte_fallback;
    for (size_t i = 0; i < c.n && all; i++)
        all = t->vocab.fallback_id[(unsigned char)c.p[i]] >= 0;
    if (!all)
        return rg__push_unknown(t, p, n, w, ids, e);
    for (size_t i = 0; i < c.n; i++)
        RG_TRY(rg_ids_push(ids, t->vocab.fallback_id[(unsigned char)c.p[i]], e));
    return RG_OK;
}

/* The symbols that a word begins with, appended to ids.  Bytes that are not UTF-8 are characters
 * of their own. */
static rg_status begin(const rg_tokenizer *t, const char *p, size_t n, const scratch *w, rg_ids *ids,
                       rg_err *e)
{
    for (size_t i = 0, len; i < n; i += len) {
        const unsigned char b = (unsigned char)p[i];
        len = 1;
        if (t->spelling != SPELL_BYTES && b >= 0x80) {
            len = RG_MAX(rg_utf8_decode(p + i, n - i, NULL), (size_t)1);
            const int32_t id = len > 1 ? rg__vocab_word(&t->vocab, rg_str_n(p + i, len)) : -1;
            if (id >= 0)
                RG_TRY(rg_ids_push(ids, id, e));
            else
                RG_TRY(rg__push_bytes(t, p + i, len, w, ids, e));
        } else if (t->vocab.byte_id[b] >= 0) {
            RG_TRY(rg_ids_push(ids, t->vocab.byte_id[b], e));
        } else {
            RG_TRY(rg__push_bytes(t, p + i, 1, w, ids, e));
        }
    }
    return RG_OK;
}

/* The symbols are laid at the end of ids and merged there. */
rg_status rg__bpe_word(const rg_tokenizer *t, const char *p, size_t n, scratch *w, rg_ids *ids, rg_err *e)
{
    const size_t before = ids->n;
    if (n == 0)
        return RG_OK;
    RG_TRY(begin(t, p, n, w, ids, e));
    const size_t count = ids->n - before;
    if (count <= 1)
        return RG_OK;
    if (count > BPE_SHORT)
        RG_TRY(reserve(w, count, e));
    int32_t few[BPE_SHORT];
    int32_t *start = count > BPE_SHORT ? w->start : few;
    memcpy(start, ids->id + before, count * sizeof *start);
    ids->n = before;
    return count > BPE_SHORT ? merge_long(&t->merges, count, w, ids, e)
                             : merge_short(&t->merges, few, count, ids, e);
}
