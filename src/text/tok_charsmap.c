/* tok_charsmap.c - the precompiled normaliser of SentencePiece: the longest known prefix of a
 * text becomes another text.
 *
 *   u32 n, little-endian; n bytes: u32 units of a double array; the rest: replacements, each
 *   ended by a zero byte
 *
 * A unit holds, by bit: 31 it is a value (bits 0-30: where the replacement begins) and no node;
 * 0-7 the byte that leads to the node; 8 the node has a value; 9 the offset is shifted by 8;
 * 10-30 the offset that leads, xor a byte, to the children and, without one, to the value.
 *
 * Source: the darts-clone double array (Yata), as SentencePiece's normalizer stores it. */
#include <string.h>

#include "rung/base/mem.h"
#include "tokenizer_int.h"

struct charsmap {
    char *bytes;
    size_t n;
    size_t n_units;
    const char *texts;
    size_t n_texts;
};

static uint32_t u32_at(const char *p)
{
    const unsigned char *b = (const unsigned char *)p;
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

rg_status rg__charsmap_new(charsmap **out, const void *p, size_t n, rg_err *e)
{
    *out = NULL;
    const size_t units = n < 4 ? 0 : u32_at(p);
    if (n < 4 || units > n - 4 || units % 4 != 0 || units == 0)
        RG_FAIL(e, RG_EFORMAT, "the charsmap says %zu bytes of units but has %zu bytes in all", units, n);
    if (units + 4 == n || ((const char *)p)[n - 1] != '\0')
        RG_FAIL(e, RG_EFORMAT, "the charsmap's last replacement has no end");
    charsmap *m = rg_calloc(1, sizeof *m);
    char *bytes = rg_alloc(n, 1);
    if (m == NULL || bytes == NULL) {
        rg_free(m);
        rg_free(bytes);
        RG_FAIL(e, RG_ENOMEM, "no memory for a charsmap of %zu bytes", n);
    }
    memcpy(bytes, p, n);
    *m = (charsmap){ bytes, n, units / 4, bytes + 4 + units, n - 4 - units };
    *out = m;
    return RG_OK;
}

void rg__charsmap_free(charsmap *m)
{
    if (m == NULL)
        return;
    rg_free(m->bytes);
    rg_free(m);
}

rg_str rg__charsmap_bytes(const charsmap *m)
{
    return rg_str_n(m->bytes, m->n);
}

/* A unit behind the end is as one that no byte leads to. */
static uint32_t unit(const charsmap *m, size_t i)
{
    return i < m->n_units ? u32_at(m->bytes + 4 + 4 * i) : UINT32_C(0x80000000);
}

static uint32_t offset(uint32_t u)
{
    return u >> 10 << (u >> 6 & 8);
}

size_t rg__charsmap_find(const charsmap *m, const char *p, size_t n, bool shortest, rg_str *becomes)
{
    size_t best = 0, value = 0;
    uint32_t at = offset(unit(m, 0));
    for (size_t i = 0; i < n && p[i] != '\0'; i++) {
        const unsigned char b = (unsigned char)p[i];
        at ^= b;
        const uint32_t u = unit(m, at);
        if ((u & UINT32_C(0x800000ff)) != b)
            break;
        at ^= offset(u);
        if (u >> 8 & 1) {
            best = i + 1;
            value = unit(m, at) & UINT32_C(0x7fffffff);
            if (shortest)
                break;
        }
    }
    if (best == 0 || value >= m->n_texts)
        return 0;
    *becomes = rg_str_of(m->texts + value); /* the last byte of all is zero */
    return best;
}
