/* pack.c - rows as GGUF stores them into a panel of 16: docs/formats/panels.md.
 *
 * Runs once a matrix at load time; pack_words.c does the same faster.  Missing rows and a missing
 * second half of the last unit become zeros; a zero scale makes whatever q says vanish. */
#include "mm_int.h"

/* Four k of one row are four bytes side by side, and no shift below leaves its byte: they
 * travel as one word. */
static uint32_t word_at(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static void put_word(uint8_t *p, uint32_t v)
{
    memcpy(p, &v, sizeof v);
}

/* `bits` bits from bit `from` up of every group of a block, side by side in as few vectors as
 * hold them: bits = 4 gives nibbles, less gives planes. */
static void put_bits(uint8_t *to, const uint8_t *q, unsigned from, unsigned bits)
{
    const uint32_t mask = 0x01010101u * ((1u << bits) - 1);
    const size_t per = 8 / bits; /* groups in one vector */
    for (size_t g = 0; g < 8; g += per, to += 64) {
        uint32_t v = 0;
        for (size_t i = 0; i < per; i++)
            v |= (word_at(q + 4 * (g + i)) >> from & mask) << bits * i;
        put_word(to, v);
    }
}

/* 32 elements of row r into block b of a unit. */
static void put_q(uint8_t *unit, rg__layout L, size_t b, size_t r, const uint8_t *q)
{
    uint8_t *low = unit + L.low + b * L.low_step + 4 * r, *high = unit + L.high + b * L.high_step + 4 * r;
    put_bits(low, q, 0, L.low_bits);
    if (L.high_bits)
        put_bits(high, q, L.low_bits, L.high_bits);
}

static void put_small_scales(uint8_t *unit, rg__layout L, size_t b, size_t r, const rg__raw *x)
{
    memcpy(unit + L.d + b * L.d_step + 2 * r, &x->d, 2);
    if (L.mins)
        memcpy(unit + L.dm + b * L.d_step + 2 * r, &x->m, 2);
}

void rg__pack_scales(uint8_t *unit, rg__layout L, size_t r, const rg__raw *x)
{
    memcpy(unit + L.d + 2 * r, &x->d, 2);
    for (size_t s = 0; s < (L.fold == RG__FOLD_256_16 ? 16 : 8); s++)
        unit[L.sc + 16 * s + r] = x->sc[s];
    if (L.mins)
        memcpy(unit + L.dm + 2 * r, &x->m, 2);
    for (size_t s = 0; L.m && s < 8; s++)
        unit[L.m + 16 * s + r] = x->ms[s];
}

void rg__pack_row(uint8_t *panel, const uint8_t *row, size_t r, uint32_t type, size_t K)
{
    const rg_type_info *info = rg_type_info_of(type);
    const rg__layout L = rg__layout_of(type);
    for (size_t k = 0; k < K; k += info->block, row += info->bytes) {
        rg__raw x;
        rg__raw_read(&x, row, type);
        uint8_t *unit = panel + k / L.k * L.bytes;
        if (info->block == 32) {
            put_q(unit, L, k % L.k / 32, r, x.q);
            put_small_scales(unit, L, k % L.k / 32, r, &x);
            continue;
        }
        for (size_t b = 0; b < 8; b++)
            put_q(unit, L, b, r, x.q + 32 * b);
        rg__pack_scales(unit, L, r, &x);
    }
}

static void pack_float_row(uint8_t *panel, const uint8_t *row, size_t r, size_t size, size_t K)
{
    for (size_t k = 0; k < K; k++)
        memcpy(panel + (RG_PANEL_ROWS * k + r) * size, row + k * size, size);
}

void rg_k_pack(void *panel, const void *rows, size_t row_bytes, size_t n_rows, uint32_t type, size_t K)
{
    assert(n_rows >= 1 && n_rows <= RG_PANEL_ROWS && K % rg_type_info_of(type)->block == 0);
    memset(panel, 0, rg_panel_bytes(type, K));
    for (size_t r = 0; r < n_rows; r++) {
        const uint8_t *row = (const uint8_t *)rows + r * row_bytes;
        if (rg__layout_of(type).fold == RG__FOLD_FLOAT)
            pack_float_row(panel, row, r, rg_type_info_of(type)->bytes, K);
        else if (!rg__pack_words(panel, row, r, type, K))
            rg__pack_row(panel, row, r, type, K);
    }
}
