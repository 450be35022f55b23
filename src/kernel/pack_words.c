/* pack_words.c - every quantised format into panels four elements at a time.
 *
 * What pack.c does through rg__raw, element by element, done with words straight from the
 * file's block: packing is most of a start-up.  A word w holds four bytes of the file side by
 * side; lo(w) and hi(w) are its low and high nibbles as bytes.  tests/kernel/test_pack.c
 * compares every byte with pack.c's way. */
#include "mm_int.h"

static inline uint32_t word_at(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline void put_word(uint8_t *p, uint32_t v)
{
    memcpy(p, &v, sizeof v);
}

/* Groups 2j (low nibbles) and 2j + 1 (high) of a vector, out of the low or the high nibbles of
 * two words. */
static inline uint32_t join_lo(uint32_t a, uint32_t b)
{
    return (a & 0x0f0f0f0fu) | (b & 0x0f0f0f0fu) << 4;
}

static inline uint32_t join_hi(uint32_t a, uint32_t b)
{
    return (a >> 4 & 0x0f0f0f0fu) | (b & 0xf0f0f0f0u);
}

/* ---- blocks of 32: elements 0-15 are the low nibbles of 16 bytes, 16-31 the high ones ---- */

static inline void nibbles_32(uint8_t *to, const uint8_t *p)
{
    const uint32_t w0 = word_at(p), w1 = word_at(p + 4), w2 = word_at(p + 8), w3 = word_at(p + 12);
    put_word(to, join_lo(w0, w1));
    put_word(to + 64, join_lo(w2, w3));
    put_word(to + 128, join_hi(w0, w1));
    put_word(to + 192, join_hi(w2, w3));
}

/* Bit 4g + i of h to bit g of byte i. */
static inline uint32_t plane_32(uint32_t h)
{
    uint32_t v = 0;
    for (unsigned g = 0; g < 8; g++)
        v |= ((h >> 4 * g & 15u) * 0x00204081u & 0x01010101u) << g;
    return v;
}

static inline void bytes_32(uint8_t *to, const uint8_t *p)
{
    for (size_t g = 0; g < 8; g++)
        put_word(to + 64 * g, word_at(p + 4 * g) ^ 0x80808080u); /* s8 + 128 */
}

static inline __attribute__((always_inline)) void small_row(uint8_t *panel, const uint8_t *row, size_t r,
                                                            size_t K, uint32_t type)
{
    const rg__layout L = rg__layout_of(type);
    const size_t block = rg_type_info_of(type)->bytes, m = L.mins ? 4 : 2; /* d, and m, before the rest */
    for (size_t k = 0; k < K; k += 32, row += block) {
        uint8_t *u = panel + k / 64 * L.bytes;
        const size_t b = k / 32 % 2;
        memcpy(u + L.d + b * L.d_step + 2 * r, row, 2);
        if (type == RG_Q8_0) {
            bytes_32(u + L.low + b * L.low_step + 4 * r, row + 2);
            continue;
        }
        if (L.mins)
            memcpy(u + L.dm + b * L.d_step + 2 * r, row + 2, 2);
        if (L.high_bits)
            put_word(u + L.high + b * L.high_step + 4 * r, plane_32(word_at(row + m)));
        nibbles_32(u + L.low + b * L.low_step + 4 * r, row + block - 16);
    }
}

/* ---- blocks of 256 ---- */

/* 32 bytes: one block of 32 in the low nibbles, another in the high ones. */
static inline void nibbles_64(uint8_t *low, uint8_t *high, const uint8_t *p)
{
    for (size_t j = 0; j < 4; j++) {
        const uint32_t a = word_at(p + 8 * j), b = word_at(p + 8 * j + 4);
        put_word(low + 64 * j, join_lo(a, b));
        put_word(high + 64 * j, join_hi(a, b));
    }
}

/* Fifth bits: bit b of byte i belongs to element i of block b. */
static inline uint32_t plane_of(const uint8_t *p, unsigned b)
{
    uint32_t v = 0;
    for (unsigned g = 0; g < 8; g++)
        v |= (word_at(p + 4 * g) >> b & 0x01010101u) << g;
    return v;
}

/* 32 bytes hold two bits of 128 elements: those of element i of block b are bits 2b, 2b + 1 of
 * byte i.  `step` from a block's planes to the next one's. */
static inline void planes_128(uint8_t *to, size_t step, const uint8_t *p)
{
    for (size_t b = 0; b < 4; b++)
        for (size_t plane = 0; plane < 2; plane++) {
            uint32_t v = 0;
            for (size_t g = 0; g < 4; g++)
                v |= (word_at(p + 16 * plane + 4 * g) >> 2 * b & 0x03030303u) << 2 * g;
            put_word(to + b * step + 64 * plane, v);
        }
}

static inline void high_planes(uint8_t *high, rg__layout L, const uint8_t *p)
{
    for (unsigned b = 0; b < 8; b++)
        put_word(high + b * L.high_step, plane_of(p, b));
}

static inline void block_q4k_q5k(uint8_t *low, uint8_t *high, rg__layout L, const uint8_t *p, bool fifth)
{
    for (size_t c = 0; c < 4; c++)
        nibbles_64(low + 2 * c * L.low_step, low + (2 * c + 1) * L.low_step, p + (fifth ? 48 : 16) + 32 * c);
    if (fifth)
        high_planes(high, L, p + 16);
}

/* Halves of 128: 64 bytes hold blocks 0, 1 (low nibbles) and 2, 3 (high ones). */
static inline void block_q6k(uint8_t *low, uint8_t *high, rg__layout L, const uint8_t *p)
{
    for (size_t h = 0; h < 2; h++) {
        uint8_t *l = low + 4 * h * L.low_step;
        nibbles_64(l, l + 2 * L.low_step, p + 64 * h);
        nibbles_64(l + L.low_step, l + 3 * L.low_step, p + 64 * h + 32);
        planes_128(high + 4 * h * L.high_step, L.high_step, p + 128 + 32 * h);
    }
}

static inline void block_q2k_q3k(uint8_t *low, uint8_t *high, rg__layout L, const uint8_t *p, bool third)
{
    for (size_t h = 0; h < 2; h++)
        planes_128(low + 4 * h * L.low_step, L.low_step, p + (third ? 32 : 16) + 32 * h);
    if (third)
        high_planes(high, L, p);
}

static inline void block_iq4xs(uint8_t *low, rg__layout L, const uint8_t *p)
{
    for (size_t b = 0; b < 8; b++)
        nibbles_32(low + b * L.low_step, p + 8 + 16 * b);
}

static inline __attribute__((always_inline)) void k_row(uint8_t *panel, const uint8_t *row, size_t r,
                                                        size_t K, uint32_t type)
{
    const rg__layout L = rg__layout_of(type);
    const size_t bytes = rg_type_info_of(type)->bytes;
    for (size_t k = 0; k < K; k += 256, row += bytes) {
        uint8_t *u = panel + k / 256 * L.bytes, *low = u + L.low + 4 * r, *high = u + L.high + 4 * r;
        rg__raw x;
        rg__raw_scales(&x, row, type);
        rg__pack_scales(u, L, r, &x);
        switch (type) {
        case RG_Q2_K: block_q2k_q3k(low, high, L, row, false); break;
        case RG_Q3_K: block_q2k_q3k(low, high, L, row, true); break;
        case RG_Q4_K: block_q4k_q5k(low, high, L, row, false); break;
        case RG_Q5_K: block_q4k_q5k(low, high, L, row, true); break;
        case RG_Q6_K: block_q6k(low, high, L, row); break;
        default: block_iq4xs(low, L, row);
        }
    }
}

bool rg__pack_words(uint8_t *panel, const uint8_t *row, size_t r, uint32_t type, size_t K)
{
    switch (type) {
    case RG_Q4_0: small_row(panel, row, r, K, RG_Q4_0); return true;
    case RG_Q4_1: small_row(panel, row, r, K, RG_Q4_1); return true;
    case RG_Q5_0: small_row(panel, row, r, K, RG_Q5_0); return true;
    case RG_Q5_1: small_row(panel, row, r, K, RG_Q5_1); return true;
    case RG_Q8_0: small_row(panel, row, r, K, RG_Q8_0); return true;
    case RG_IQ4_NL: small_row(panel, row, r, K, RG_IQ4_NL); return true;
    case RG_Q2_K: k_row(panel, row, r, K, RG_Q2_K); return true;
    case RG_Q3_K: k_row(panel, row, r, K, RG_Q3_K); return true;
    case RG_Q4_K: k_row(panel, row, r, K, RG_Q4_K); return true;
    case RG_Q5_K: k_row(panel, row, r, K, RG_Q5_K); return true;
    case RG_Q6_K: k_row(panel, row, r, K, RG_Q6_K); return true;
    case RG_IQ4_XS: k_row(panel, row, r, K, RG_IQ4_XS); return true;
    default: return false;
    }
}
