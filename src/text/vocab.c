/* vocab.c - the tokens of a model file: their bytes, their kinds, and finding one by its bytes.
 *
 * Files spell tokens in four ways, which are undone once, here; control tokens are spelled as
 * they are:
 *   bytes   each byte as a printable character (GPT-2's alphabet: bytes that print stand for
 *           themselves, the other 68 take U+0100 onwards in order)
 *   space   a space as U+2581; the text that is tokenised has spaces too, so one byte does for
 *           three
 *   words   WordPiece: "##ing" goes on within a word and is kept as "ing", "walk" begins one
 *           and is kept as " walk"
 *   raw     as they are */
#include <string.h>

#include "rung/base/mem.h"
#include "rung/base/rng.h"
#include "tokenizer_int.h"

#define SPACE_CHAR "\xE2\x96\x81" /* U+2581 */

/* The byte a character of the alphabet stands for, or -1. */
static int byte_of(uint32_t cp)
{
    if ((cp >= 0x21 && cp <= 0x7E) || (cp >= 0xA1 && cp <= 0xAC) || (cp >= 0xAE && cp <= 0xFF))
        return (int)cp;
    if (cp >= 0x100 && cp <= 0x120)
        return (int)(cp - 0x100); /* 00 .. 20 */
    if (cp >= 0x121 && cp <= 0x142)
        return (int)(cp - 0x121 + 0x7F); /* 7F .. A0 */
    return cp == 0x143 ? 0xAD : -1;
}

size_t rg__vocab_decode(char *out, rg_str text)
{
    const unsigned char *p = (const unsigned char *)text.p;
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        uint32_t cp = p[i];
        if (cp >= 0x80) { /* the alphabet ends below U+0800: two bytes or nothing */
            if (cp < 0xC2 || cp > 0xDF || i + 1 == text.n || (p[i + 1] & 0xC0) != 0x80)
                return SIZE_MAX;
            cp = (cp & 0x1F) << 6 | (p[++i] & 0x3F);
        }
        const int b = byte_of(cp);
        if (b < 0)
            return SIZE_MAX;
        out[n++] = (char)b;
    }
    return n;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int rg__byte_token(rg_str s)
{
    if (s.n != 6 || memcmp(s.p, "<0x", 3) != 0 || s.p[5] != '>')
        return -1;
    const int hi = hex_digit(s.p[3]), lo = hex_digit(s.p[4]);
    return hi < 0 || lo < 0 ? -1 : hi * 16 + lo;
}

/* The character that stands for a byte. */
static uint32_t char_of(unsigned char b)
{
    if ((b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE)
        return b;
    if (b <= 0x20)
        return 0x100u + b;
    return b == 0xAD ? 0x143 : 0x121u + (b - 0x7Fu);
}

void rg__vocab_spell(rg_buf *out, tok_spelling spelling, rg_str bytes)
{
    for (size_t i = 0; i < bytes.n; i++) {
        char utf8[4];
        if (spelling == SPELL_BYTES)
            rg_buf_put(out, utf8, rg_utf8_encode(char_of((unsigned char)bytes.p[i]), utf8));
        else if (spelling != SPELL_RAW && bytes.p[i] == ' ')
            rg_buf_puts(out, SPACE_CHAR);
        else
            rg_buf_putc(out, bytes.p[i]);
    }
}

size_t rg__unescape_spaces(char *p, size_t n)
{
    char *from = memchr(p, SPACE_CHAR[0], n), *to = from;
    const char *const end = p + n;
    if (from == NULL)
        return n;
    while (from < end) {
        if (end - from >= 3 && memcmp(from, SPACE_CHAR, 3) == 0) {
            *to++ = ' ';
            from += 3;
        } else {
            *to++ = *from++;
        }
    }
    return (size_t)(to - p);
}

static bool becomes_words(tok_kind k)
{
    return k == TOK_NORMAL || k == TOK_USER || k == TOK_BYTE;
}

/* The slot whose token has this text and is (or is not) one that words become; else the free
 * slot where it belongs; SIZE_MAX after too many steps. */
static size_t slot_of(const vocab *v, rg_str text, uint64_t hash, bool word)
{
    const uint32_t tag = (uint32_t)(hash >> 32);
    size_t at = (size_t)hash & v->mask;
    for (int probe = 0; probe < TOK_MAX_PROBES; probe++, at = (at + 1) & v->mask) {
        const vocab_slot *s = &v->slot[at];
        if (s->id < 0 || (s->tag == tag && becomes_words(v->kind[s->id]) == word &&
                          rg_str_eq(rg__vocab_text(v, s->id), text)))
            return at;
    }
    return SIZE_MAX;
}

static int32_t find(const vocab *v, rg_str text, bool word)
{
    const size_t at = slot_of(v, text, rg_hash64(text.p, text.n, 0), word);
    return at == SIZE_MAX ? -1 : v->slot[at].id;
}

int32_t rg__vocab_word(const vocab *v, rg_str text)
{
    return find(v, text, true);
}

int32_t rg__vocab_piece(const vocab *v, tok_spelling spelling, rg_str text)
{
    const int32_t id = find(v, text, true);
    const bool foreign =
        id >= 0 && spelling == SPELL_SPACE && v->kind[id] == TOK_USER && rg__vocab_foreign(v, (size_t)id);
    return foreign && memchr(text.p, ' ', text.n) ? -1 : id;
}

int32_t rg__vocab_special(const vocab *v, rg_str text)
{
    return find(v, text, false);
}

/* Of two tokens with the same bytes the normal one counts, then the user-defined one, then the
 * later one (as llama.cpp, which knows byte tokens by another text). */
static int weight(tok_kind k)
{
    return k == TOK_NORMAL ? 2 : k != TOK_BYTE;
}

static rg_status index_token(vocab *v, int32_t id, rg_err *e)
{
    const rg_str text = rg__vocab_text(v, id);
    const uint64_t hash = rg_hash64(text.p, text.n, 0);
    const size_t at = slot_of(v, text, hash, becomes_words(v->kind[id]));
    if (at == SIZE_MAX)
        RG_FAIL(e, RG_EFORMAT, "the token texts are made to collide in a hash table; refused");
    const int32_t old = v->slot[at].id;
    if (old >= 0 && weight(v->kind[old]) > weight(v->kind[id]))
        return RG_OK;
    v->twins |= old >= 0;
    v->slot[at] = (vocab_slot){ (uint32_t)(hash >> 32), id };
    return RG_OK;
}

/* A token that has a space where the spelling has none can be no word: the text that would
 * make it is spelled otherwise. */
static rg_status build_index(vocab *v, bool skip_foreign, rg_err *e)
{
    size_t cap = 1024;
    while (cap < v->n + v->n / 2)
        cap *= 2;
    v->slot = rg_alloc(cap, sizeof *v->slot);
    if (v->slot == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory to index %zu tokens", v->n);
    memset(v->slot, 0xff, cap * sizeof *v->slot); /* id = -1 */
    v->mask = cap - 1;
    for (size_t i = 0; i < v->n; i++)
        if (v->at[i + 1] > v->at[i] && !(v->kind[i] == TOK_NORMAL && rg__vocab_foreign(v, i) && skip_foreign))
            RG_TRY(index_token(v, (int32_t)i, e));
    for (int b = 0; b < 256; b++) {
        const char c = (char)b;
        v->byte_id[b] = rg__vocab_word(v, rg_str_n(&c, 1));
    }
    return RG_OK;
}

/* Writes what a token of ordinary spelling stands for; SIZE_MAX when it is spelled otherwise. */
static size_t unspell(char *to, const tok_decl *d, rg_str text)
{
    if (text.n == 0)
        return SIZE_MAX;
    if (d->spelling == SPELL_BYTES)
        return rg__vocab_decode(to, text);
    if (d->spelling == SPELL_RAW || (d->spelling == SPELL_SPACE && memchr(text.p, ' ', text.n)))
        return SIZE_MAX;
    if (d->spelling == SPELL_WORDS) {
        const bool inner = text.n > d->prefix.n && memcmp(text.p, d->prefix.p, d->prefix.n) == 0;
        *to = ' ';
        const rg_str rest = inner ? rg_str_n(text.p + d->prefix.n, text.n - d->prefix.n) : text;
        memcpy(to + !inner, rest.p, rest.n);
        return rest.n + !inner;
    }
    memcpy(to, text.p, text.n);
    return rg__unescape_spaces(to, text.n);
}

/* Writes the bytes of token i at the end of v->bytes. */
static rg_status store_token(vocab *v, size_t i, const tok_decl *d, rg_err *e)
{
    const rg_str text = d->token[i];
    const bool user = v->kind[i] == TOK_USER && d->spelling == SPELL_SPACE;
    char *to = v->bytes + v->at[i];
    size_t n = SIZE_MAX;
    if (v->kind[i] == TOK_BYTE) {
        const int b = rg__byte_token(text);
        if (b < 0)
            RG_FAIL(e, RG_EFORMAT, "byte token %zu is '%.*s'; it must be <0xNN> with two hex digits", i,
                    (int)RG_MIN(text.n, (size_t)20), text.p);
        v->fallback_id[b] = (int32_t)i;
        *to = (char)b;
        n = 1;
    } else if (v->kind[i] == TOK_NORMAL || user) {
        n = unspell(to, d, text);
    }
    if (n == SIZE_MAX) {
        if (text.n > 0)
            memcpy(to, text.p, text.n);
        n = text.n;
        v->foreign[i / 8] |= (uint8_t)(1u << i % 8);
    }
    v->at[i + 1] = v->at[i] + (uint32_t)n;
    v->longest = RG_MAX(v->longest, n);
    return RG_OK;
}

static rg_status store_tokens(vocab *v, const tok_decl *d, rg_err *e)
{
    size_t total = 0;
    for (size_t i = 0; i < v->n; i++) {
        if (d->token[i].n > TOK_MAX_TOKEN)
            RG_FAIL(e, RG_EFORMAT, "token %zu is %zu bytes long; at most %d are accepted", i, d->token[i].n,
                    TOK_MAX_TOKEN);
        total += d->token[i].n + (d->spelling == SPELL_WORDS); /* <= 2^20 * (2^16 + 1) */
    }
    if (total > UINT32_MAX)
        RG_FAIL(e, RG_EFORMAT, "the tokens have %zu bytes together; at most 4 GiB are accepted", total);
    v->bytes = rg_alloc(total + 1, 1);
    if (v->bytes == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu bytes of tokens", total);
    v->at[0] = 0;
    for (size_t i = 0; i < v->n; i++)
        RG_TRY(store_token(v, i, d, e));
    return RG_OK;
}

rg_status rg__vocab_read(vocab *v, const tok_decl *d, rg_err *e)
{
    v->n = d->n;
    if (v->n == 0 || v->n > TOK_MAX_VOCAB)
        RG_FAIL(e, RG_EFORMAT, "the vocabulary has %zu tokens; 1 to %d are accepted", v->n, TOK_MAX_VOCAB);
    v->at = rg_alloc(v->n + 1, sizeof *v->at);
    v->kind = rg_alloc(v->n, 1);
    v->foreign = rg_calloc(v->n / 8 + 1, 1);
    if (v->at == NULL || v->kind == NULL || v->foreign == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu tokens", v->n);
    memset(v->fallback_id, 0xff, sizeof v->fallback_id); /* -1 */
    if (d->kind != NULL)
        memcpy(v->kind, d->kind, v->n);
    else
        memset(v->kind, TOK_NORMAL, v->n);
    RG_TRY(store_tokens(v, d, e));
    rg__ends_retype(v);
    return build_index(v, d->spelling == SPELL_SPACE, e);
}

void rg__vocab_free(vocab *v)
{
    rg_free(v->bytes);
    rg_free(v->at);
    rg_free(v->kind);
    rg_free(v->foreign);
    rg_free(v->slot);
}
