/* vocab.c - the tokens of a model file: their bytes, their kinds, and finding one by its bytes.
 *
 * A byte-level vocabulary writes each byte as a printable character (GPT-2's alphabet: bytes
 * that print stand for themselves, the other 68 take U+0100 onwards in order).  That spelling
 * is undone once, here; control and user-defined tokens are spelled as they are. */
#include <string.h>

#include "rung/base/mem.h"
#include "rung/base/rng.h"
#include "tokenizer_int.h"

#define KEY_TOKENS "tokenizer.ggml.tokens"
#define KEY_TYPES  "tokenizer.ggml.token_type"
#define KEY_SCORES "tokenizer.ggml.scores"

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

/* "<0x0A>" -> 10, or -1. */
static int byte_token(rg_str s)
{
    if (s.n != 6 || memcmp(s.p, "<0x", 3) != 0 || s.p[5] != '>')
        return -1;
    const int hi = hex_digit(s.p[3]), lo = hex_digit(s.p[4]);
    return hi < 0 || lo < 0 ? -1 : hi * 16 + lo;
}

static rg_status read_kinds(vocab *v, const rg_gguf *g, rg_err *e)
{
    memset(v->kind, TOK_NORMAL, v->n);
    if (!rg_gguf_has(g, KEY_TYPES))
        return RG_OK;
    int32_t *kind = rg_alloc(v->n, sizeof *kind);
    if (kind == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for the kinds of %zu tokens", v->n);
    rg_status s = RG_OK;
    if (!rg_gguf_array_i32s(g, KEY_TYPES, kind, v->n))
        RG_FAIL_GO(s, done, e, RG_EFORMAT, "key '" KEY_TYPES "' is not an array of %zu integers, one a token",
                   v->n);
    for (size_t i = 0; i < v->n; i++) {
        if (kind[i] < TOK_UNDEFINED || kind[i] > TOK_BYTE)
            RG_FAIL_GO(s, done, e, RG_EFORMAT, "token %zu has type %d; types are 0 to 6", i, (int)kind[i]);
        v->kind[i] = (uint8_t)kind[i];
    }
done:
    rg_free(kind);
    return s;
}

static rg_status check_scores(const vocab *v, const rg_gguf *g, rg_err *e)
{
    rg_gguf_kind elem;
    size_t n;
    if (rg_gguf_has(g, KEY_SCORES) &&
        (!rg_gguf_array(g, KEY_SCORES, &elem, &n) || elem != RG_GGUF_F32 || n != v->n))
        RG_FAIL(e, RG_EFORMAT, "key '" KEY_SCORES "' is not an array of %zu f32, one a token", v->n);
    return RG_OK;
}

static bool becomes_words(tok_kind k)
{
    return k == TOK_NORMAL || k == TOK_USER || k == TOK_BYTE;
}

/* The slot whose token has this text and is (or is not) one that words become; else the free
 * slot where it belongs; SIZE_MAX after too many steps. */
static size_t slot_of(const vocab *v, rg_str text, bool word)
{
    const uint64_t hash = rg_hash64(text.p, text.n, 0);
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
    const size_t at = slot_of(v, text, word);
    return at == SIZE_MAX ? -1 : v->slot[at].id;
}

int32_t rg__vocab_word(const vocab *v, rg_str text)
{
    return find(v, text, true);
}

int32_t rg__vocab_special(const vocab *v, rg_str text)
{
    return find(v, text, false);
}

/* Of two tokens with the same bytes the normal one counts, then the later one (as llama.cpp). */
static rg_status index_token(vocab *v, int32_t id, rg_err *e)
{
    const rg_str text = rg__vocab_text(v, id);
    const size_t at = slot_of(v, text, becomes_words(v->kind[id]));
    if (at == SIZE_MAX)
        RG_FAIL(e, RG_EFORMAT, "the token texts are made to collide in a hash table; refused");
    const int32_t old = v->slot[at].id;
    if (old >= 0 && v->kind[old] == TOK_NORMAL && v->kind[id] != TOK_NORMAL)
        return RG_OK;
    v->slot[at] = (vocab_slot){ (uint32_t)(rg_hash64(text.p, text.n, 0) >> 32), id };
    return RG_OK;
}

static rg_status build_index(vocab *v, rg_err *e)
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
        if (v->at[i + 1] > v->at[i])
            RG_TRY(index_token(v, (int32_t)i, e));
    for (int b = 0; b < 256; b++) {
        const char c = (char)b;
        v->byte_id[b] = rg__vocab_word(v, rg_str_n(&c, 1));
    }
    return RG_OK;
}

/* Writes the bytes of token i at the end of v->bytes. */
static rg_status store_token(vocab *v, size_t i, rg_str text, rg_err *e)
{
    char *to = v->bytes + v->at[i];
    size_t n = SIZE_MAX;
    if (v->kind[i] == TOK_BYTE) {
        const int b = byte_token(text);
        if (b < 0)
            RG_FAIL(e, RG_EFORMAT, "byte token %zu is '%.*s'; it must be <0xNN> with two hex digits", i,
                    (int)RG_MIN(text.n, (size_t)20), text.p);
        *to = (char)b;
        n = 1;
    } else if (v->kind[i] == TOK_NORMAL) {
        n = rg__vocab_decode(to, text);
    }
    if (n == SIZE_MAX) {
        memcpy(to, text.p, text.n);
        n = text.n;
    }
    v->at[i + 1] = v->at[i] + (uint32_t)n;
    return RG_OK;
}

static rg_status store_tokens(vocab *v, const rg_str *text, rg_err *e)
{
    size_t total = 0;
    for (size_t i = 0; i < v->n; i++) {
        if (text[i].n > TOK_MAX_TOKEN)
            RG_FAIL(e, RG_EFORMAT, "token %zu is %zu bytes long; at most %d are accepted", i, text[i].n,
                    TOK_MAX_TOKEN);
        total += text[i].n; /* <= 2^20 * 2^16 */
    }
    if (total > UINT32_MAX)
        RG_FAIL(e, RG_EFORMAT, "the tokens have %zu bytes together; at most 4 GiB are accepted", total);
    v->bytes = rg_alloc(total + 1, 1);
    if (v->bytes == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu bytes of tokens", total);
    v->at[0] = 0;
    for (size_t i = 0; i < v->n; i++)
        RG_TRY(store_token(v, i, text[i], e));
    return RG_OK;
}

rg_status rg__vocab_read(vocab *v, const rg_gguf *g, rg_err *e)
{
    const rg_str *text = rg_gguf_strings(g, KEY_TOKENS, &v->n);
    if (text == NULL || v->n == 0)
        RG_FAIL(e, RG_EFORMAT, "the file has no tokens: key '" KEY_TOKENS "' is not an array of strings");
    if (v->n > TOK_MAX_VOCAB)
        RG_FAIL(e, RG_EFORMAT, "the vocabulary has %zu tokens; at most %d are accepted", v->n, TOK_MAX_VOCAB);
    const rg_gguf_tensor *embd = rg_gguf_find(g, "token_embd.weight");
    if (embd != NULL && embd->dims[1] != v->n)
        RG_FAIL(e, RG_EFORMAT, "the vocabulary has %zu tokens but token_embd.weight has %llu rows", v->n,
                (unsigned long long)embd->dims[1]);
    v->at = rg_alloc(v->n + 1, sizeof *v->at);
    v->kind = rg_alloc(v->n, 1);
    if (v->at == NULL || v->kind == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu tokens", v->n);
    RG_TRY(read_kinds(v, g, e));
    RG_TRY(check_scores(v, g, e));
    RG_TRY(store_tokens(v, text, e));
    rg__ends_retype(v);
    return build_index(v, e);
}

void rg__vocab_free(vocab *v)
{
    rg_free(v->bytes);
    rg_free(v->at);
    rg_free(v->kind);
    rg_free(v->slot);
}
