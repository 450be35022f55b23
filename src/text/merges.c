/* merges.c - the merges of a model file ("left right", best first) as a table from a pair of
 * ids to its rank and to the token that it makes. */
#include <string.h>

#include "rung/base/mem.h"
#include "tokenizer_int.h"

#define KEY_MERGES "tokenizer.ggml.merges"

#define SHOW(s) (int)RG_MIN((s).n, (size_t)60), (s).p

/* Splits at the first space behind the first character. */
static rg_status split(rg_str *left, rg_str *right, rg_str line, size_t rank, rg_err *e)
{
    const char *space = line.n > 1 ? memchr(line.p + 1, ' ', line.n - 1) : NULL;
    if (space == NULL || space + 1 == line.p + line.n)
        RG_FAIL(e, RG_EFORMAT, "merge %zu is '%.*s'; it must be two tokens with a space between", rank,
                SHOW(line));
    *left = rg_str_n(line.p, (size_t)(space - line.p));
    *right = rg_str_n(space + 1, line.n - left->n - 1);
    return RG_OK;
}

/* The bytes of one half, written to `to`; a half outside the byte alphabet is kept as it is. */
static rg_str half(char *to, rg_str text)
{
    size_t n = rg__vocab_decode(to, text);
    if (n == SIZE_MAX) {
        memcpy(to, text.p, text.n);
        n = text.n;
    }
    return rg_str_n(to, n);
}

typedef struct parsed {
    int32_t left, right, made;
} parsed;

/* `room` has TOK_MAX_TOKEN bytes: the halves stand there side by side, which is their join. */
static rg_status parse(parsed *x, char *room, const vocab *v, rg_str line, size_t rank, rg_err *e)
{
    rg_str l, r;
    if (line.n > TOK_MAX_TOKEN)
        RG_FAIL(e, RG_EFORMAT, "merge %zu is %zu bytes long; at most %d are accepted", rank, line.n,
                TOK_MAX_TOKEN);
    RG_TRY(split(&l, &r, line, rank, e));
    l = half(room, l);
    r = half(room + l.n, r);
    x->left = rg__vocab_word(v, l);
    x->right = rg__vocab_word(v, r);
    x->made = rg__vocab_word(v, rg_str_n(room, l.n + r.n));
    if (x->left < 0 || x->right < 0)
        RG_FAIL(e, RG_EFORMAT, "merge %zu, '%.*s', has a half that is no token", rank, SHOW(line));
    if (x->made < 0)
        RG_FAIL(e, RG_EFORMAT, "merge %zu, '%.*s', makes a text that is no token", rank, SHOW(line));
    return RG_OK;
}

/* The first of two equal merges counts. */
static rg_status insert(merges *m, const parsed *x, size_t rank, rg_err *e)
{
    const uint64_t pair = (uint64_t)(uint32_t)x->left << 32 | (uint32_t)x->right;
    size_t at = rg__merge_home(m, pair);
    for (int probe = 0; probe < TOK_MAX_PROBES; probe++, at = (at + 1) & m->mask) {
        if (m->slot[at].pair == pair)
            return RG_OK;
        if (m->slot[at].pair == UINT64_MAX) {
            m->slot[at] = (merge){ pair, (uint32_t)rank, x->made };
            return RG_OK;
        }
    }
    RG_FAIL(e, RG_EFORMAT, "the merges are made to collide in a hash table; refused");
}

static rg_status new_table(merges *m, size_t n, rg_err *e)
{
    size_t cap = 1024;
    m->shift = 64 - 10;
    while (cap < n + n / 2) {
        cap *= 2;
        m->shift--;
    }
    m->slot = rg_alloc(cap, sizeof *m->slot);
    if (m->slot == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu merges", n);
    memset(m->slot, 0xff, cap * sizeof *m->slot); /* pair = UINT64_MAX */
    m->mask = cap - 1;
    return RG_OK;
}

rg_status rg__merges_read(merges *m, const vocab *v, const rg_gguf *g, rg_err *e)
{
    size_t n = 0;
    const rg_str *line = rg_gguf_strings(g, KEY_MERGES, &n);
    if (line == NULL)
        RG_FAIL(e, RG_EFORMAT, "the file has no merges: key '" KEY_MERGES "' is not an array of strings");
    if (n > TOK_MAX_MERGES)
        RG_FAIL(e, RG_EFORMAT, "the vocabulary has %zu merges; at most %d are accepted", n, TOK_MAX_MERGES);
    RG_TRY(new_table(m, n, e));
    char *room = rg_alloc(TOK_MAX_TOKEN, 1);
    if (room == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory to read the merges");
    rg_status s = RG_OK;
    parsed x = { -1, -1, -1 };
    for (size_t i = 0; i < n; i++) {
        RG_GO(s, done, parse(&x, room, v, line[i], i, e));
        RG_GO(s, done, insert(m, &x, i, e));
    }
done:
    rg_free(room);
    return s;
}

void rg__merges_free(merges *m)
{
    rg_free(m->slot);
}
