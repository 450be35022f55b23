/* pack_words.c - the common formats into panels four elements at a time.
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
    const size_t block = type == RG_Q8_0 ? 34 : type == RG_Q4_0 ? 18 : type == RG_Q4_1 ? 20 : 22;
    for (size_t k = 0; k < K; k += 32, row += block) {
        uint8_t *u = panel + k / 64 * L.bytes;
        const size_t b = k / 32 % 2;
        memcpy(u + L.d + b * L.d_step + 2 * r, row, 2);
        if (type == RG_Q8_0) {
            bytes_32(u + L.low + b * L.low_step + 4 * r, row + 2);
            continue;
        }
        if (type == RG_Q4_1)
            memcpy(u + L.dm + b * L.d_step + 2 * r, row + 2, 2);
        if (type == RG_Q5_0)
            put_word(u + L.high + b * L.high_step + 4 * r, plane_32(word_at(row + 2)));
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

static inline void k_scales(uint8_t *u, rg__layout L, size_t r, const uint8_t *block)
{
    rg__raw x;
    rg__raw_scales(&x, block);
    memcpy(u + L.d + 2 * r, &x.d, 2);
    memcpy(u + L.dm + 2 * r, &x.m, 2);
    for (size_t s = 0; s < 8; s++) {
        u[L.sc + 16 * s + r] = x.sc[s];
        u[L.m + 16 * s + r] = x.ms[s];
    }
}

static inline __attribute__((always_inline)) void k_row(uint8_t *panel, const uint8_t *row, size_t r,
                                                        size_t K, uint32_t type)
{
    const rg__layout L = rg__layout_of(type);
    const size_t block = type == RG_Q4_K ? 144 : 176;
    for (size_t k = 0; k < K; k += 256, row += block) {
        uint8_t *u = panel + k / 256 * L.bytes;
        for (size_t c = 0; c < 4; c++) {
            uint8_t *low = u + L.low + 2 * c * L.low_step + 4 * r;
            nibbles_64(low, low + L.low_step, row + block - 128 + 32 * c);
        }
        for (unsigned b = 0; type == RG_Q5_K && b < 8; b++)
            put_word(u + L.high + b * L.high_step + 4 * r, plane_of(row + 16, b));
        k_scales(u, L, r, row);
    }
}

/* Halves of 128: 64 bytes hold blocks 0, 1 (low nibbles) and 2, 3 (high ones); the top two bits
 * of element i of block b are bits 2b, 2b + 1 of byte i of 32 more. */
static void q6k_half(uint8_t *u, rg__layout L, size_t r, const uint8_t *low, const uint8_t *high, size_t half)
{
    uint8_t *l = u + L.low + 4 * half * L.low_step + 4 * r, *h = u + L.high + 4 * half * L.high_step + 4 * r;
    nibbles_64(l, l + 2 * L.low_step, low);
    nibbles_64(l + L.low_step, l + 3 * L.low_step, low + 32);
    for (size_t b = 0; b < 4; b++)
        for (size_t plane = 0; plane < 2; plane++) {
            uint32_t v = 0;
            for (size_t g = 0; g < 4; g++)
                v |= (word_at(high + 16 * plane + 4 * g) >> 2 * b & 0x03030303u) << 2 * g;
            put_word(h + b * L.high_step + 64 * plane, v);
        }
}

static void q6k_row(uint8_t *panel, const uint8_t *row, size_t r, size_t K)
{
    const rg__layout L = rg__layout_of(RG_Q6_K);
    for (size_t k = 0; k < K; k += 256, row += 210) {
        uint8_t *u = panel + k / 256 * L.bytes;
        for (size_t half = 0; half < 2; half++)
            q6k_half(u, L, r, row + 64 * half, row + 128 + 32 * half, half);
        for (size_t s = 0; s < 16; s++)
            u[L.sc + 16 * s + r] = row[192 + s];
        memcpy(u + L.d + 2 * r, row + 208, 2);
    }
}

bool rg__pack_words(uint8_t *panel, const uint8_t *row, size_t r, uint32_t type, size_t K)
{
    switch (type) {
    case RG_Q4_0: small_row(panel, row, r, K, RG_Q4_0); return true;
    case RG_Q4_1: small_row(panel, row, r, K, RG_Q4_1); return true;
    case RG_Q5_0: small_row(panel, row, r, K, RG_Q5_0); return true;
    case RG_Q8_0: small_row(panel, row, r, K, RG_Q8_0); return true;
    case RG_Q4_K: k_row(panel, row, r, K, RG_Q4_K); return true;
    case RG_Q5_K: k_row(panel, row, r, K, RG_Q5_K); return true;
    case RG_Q6_K: q6k_row(panel, row, r, K); return true;
    default: return false;
    }
}
