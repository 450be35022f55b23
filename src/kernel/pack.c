/* pack.c - rows as GGUF stores them into a panel of 16: docs/formats/panels.md.
 *
 * Runs once a matrix at load time; pack_words.c does the common formats faster.  Missing rows and a missing second half of the last unit
 * become zeros; a zero scale makes whatever q says vanish. */
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

/* Bits 4 and up of groups [g, g + n), `bits` of them each, side by side. */
static uint32_t high_word(const uint8_t *q, size_t g, size_t n, unsigned bits)
{
    const uint32_t mask = bits == 1 ? 0x01010101u : 0x03030303u;
    uint32_t v = 0;
    for (size_t i = 0; i < n; i++)
        v |= (word_at(q + 4 * (g + i)) >> 4 & mask) << bits * i;
    return v;
}

/* 32 elements of row r into block b of a unit. */
static void put_q(uint8_t *unit, rg__layout L, size_t b, size_t r, const uint8_t *q)
{
    uint8_t *low = unit + L.low + b * L.low_step + 4 * r, *high = unit + L.high + b * L.high_step + 4 * r;
    const uint32_t nibble = 0x0f0f0f0fu;
    if (L.low_bits == 8) {
        for (size_t g = 0; g < 8; g++)
            put_word(low + 64 * g, word_at(q + 4 * g));
        return;
    }
    for (size_t j = 0; j < 4; j++)
        put_word(low + 64 * j, (word_at(q + 8 * j) & nibble) | (word_at(q + 8 * j + 4) & nibble) << 4);
    const size_t per = L.high_bits ? 8u / L.high_bits : 8; /* groups in one plane */
    for (size_t g = 0; L.high_bits && g < 8; g += per)
        put_word(high + 64 * (g / per), high_word(q, g, per, L.high_bits));
}

static void put_small_scales(uint8_t *unit, rg__layout L, size_t b, size_t r, const rg__raw *x)
{
    memcpy(unit + L.d + b * L.d_step + 2 * r, &x->d, 2);
    if (L.fold == RG__FOLD_32_MIN)
        memcpy(unit + L.dm + b * L.d_step + 2 * r, &x->m, 2);
}

static void put_k_scales(uint8_t *unit, rg__layout L, size_t r, const rg__raw *x)
{
    memcpy(unit + L.d + 2 * r, &x->d, 2);
    if (L.fold == RG__FOLD_256_16) {
        for (size_t s = 0; s < 16; s++)
            unit[L.sc + 16 * s + r] = x->sc[s];
        return;
    }
    memcpy(unit + L.dm + 2 * r, &x->m, 2);
    for (size_t s = 0; s < 8; s++) {
        unit[L.sc + 16 * s + r] = x->sc[s];
        unit[L.m + 16 * s + r] = x->ms[s];
    }
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
        put_k_scales(unit, L, r, &x);
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
