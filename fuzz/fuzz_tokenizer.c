/* fuzz_tokenizer.c - hostile vocabularies and hostile texts.
 *
 * An input that begins with "GGUF" is a vocabulary file, one that begins with "{" a
 * tokenizer.json; both tokenise their own first bytes.  Any other is a text for a built-in toy
 * vocabulary, and must come back byte for byte. */
#include <stdlib.h>

#include "rung/base/buf.h"
#include "rung/format/gguf.h"
#include "rung/text/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_int(rg_buf *b, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        rg_buf_putc(b, (char)(v >> (8 * i) & 0xff));
}

static void put_str(rg_buf *b, const char *s)
{
    put_int(b, strlen(s), 8);
    rg_buf_puts(b, s);
}

static void put_key(rg_buf *b, const char *key, unsigned kind)
{
    put_str(b, key);
    put_int(b, kind, 4);
}

static void put_array(rg_buf *b, const char *key, unsigned kind, uint64_t n)
{
    put_key(b, key, RG_GGUF_ARRAY);
    put_int(b, kind, 4);
    put_int(b, n, 8);
}

/* GPT-2's character for a byte: those that do not print take U+0100.. in order. */
static void put_byte(rg_buf *b, unsigned byte)
{
    char utf8[5];
    uint32_t next = 0x100, cp = 0;
    for (unsigned i = 0; i <= byte; i++) {
        const bool prints = (i >= '!' && i <= '~') || (i >= 0xA1 && i <= 0xAC) || i >= 0xAE;
        cp = prints ? i : next++;
    }
    utf8[rg_utf8_encode(cp, utf8)] = '\0';
    put_str(b, utf8);
}

/* 256 bytes, a few merges, a control and two user-defined tokens that overlap. */
static void toy_file(rg_buf *b, const char *pre)
{
    rg_buf_puts(b, "GGUF");
    put_int(b, 3, 4), put_int(b, 0, 8), put_int(b, 5, 8);
    put_key(b, "tokenizer.ggml.model", RG_GGUF_STRING), put_str(b, "gpt2");
    put_key(b, "tokenizer.ggml.pre", RG_GGUF_STRING), put_str(b, pre);
    put_array(b, "tokenizer.ggml.tokens", RG_GGUF_STRING, 263);
    for (unsigned i = 0; i < 256; i++)
        put_byte(b, i);
    put_str(b, "aa"), put_str(b, "aaaa"), put_str(b, "ab"), put_str(b, "abab");
    put_str(b, "<|x|>"), put_str(b, "<<"), put_str(b, "<<>");
    put_array(b, "tokenizer.ggml.token_type", RG_GGUF_I32, 263);
    for (unsigned i = 0; i < 263; i++)
        put_int(b, i < 260 ? 1 : i == 260 ? 3 : 4, 4);
    put_array(b, "tokenizer.ggml.merges", RG_GGUF_STRING, 4);
    put_str(b, "a b"), put_str(b, "a a"), put_str(b, "aa aa"), put_str(b, "ab ab");
}

static rg_tokenizer *open_bytes(const void *p, size_t n)
{
    rg_gguf *g;
    rg_tokenizer *t = NULL;
    if (rg_gguf_open_memory(&g, p, n, NULL) == RG_OK)
        (void)rg_tokenizer_from_gguf(&t, g, NULL);
    rg_gguf_close(g);
    return t;
}

/* What is read can be written, or is refused. */
static rg_tokenizer *open_json(const void *p, size_t n)
{
    rg_tokenizer *t = NULL, *again = NULL;
    if (rg_tokenizer_from_json(&t, rg_str_n(p, n), rg_str_n(NULL, 0), NULL) != RG_OK)
        return NULL;
    rg_buf json = RG_BUF_MAX((size_t)1 << 24), config = RG_BUF_MAX((size_t)1 << 16);
    if (rg_tokenizer_put_json(t, &json, &config, NULL) == RG_OK)
        (void)rg_tokenizer_from_json(&again, rg_buf_view(&json), rg_buf_view(&config), NULL);
    rg_buf_free(&json);
    rg_buf_free(&config);
    rg_tokenizer_free(again);
    return t;
}

static void check_text(const rg_tokenizer *t, rg_str text, rg_special special, bool all_bytes)
{
    rg_ids ids = { 0 };
    rg_buf b = RG_BUF_MAX((size_t)1 << 26);
    const rg_status s = rg_tokenize(t, text, special, &ids, NULL);
    if (s != RG_OK && all_bytes)
        abort();
    for (size_t i = 0; i < ids.n; i++) {
        if (special == RG_SPECIAL_NONE && rg_token_is_control(t, ids.id[i]))
            abort();
        rg_detokenize(t, ids.id[i], true, &b);
    }
    if (all_bytes && !rg_str_eq(rg_buf_view(&b), text))
        abort();
    rg_buf_free(&b);
    rg_ids_free(&ids);
}

/* Built once each and kept: an input should cost its own work only. */
static rg_tokenizer *toy(unsigned which)
{
    static const char *const pres[] = { "gpt-2", "llama-bpe", "qwen2", "smollm" };
    static rg_tokenizer *made[4];
    if (made[which] == NULL) {
        rg_buf b = RG_BUF_MAX(1 << 20);
        toy_file(&b, pres[which]);
        made[which] = open_bytes(b.p, b.n);
        rg_buf_free(&b);
        if (made[which] == NULL)
            abort();
    }
    return made[which];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const bool is_gguf = size >= 4 && memcmp(data, "GGUF", 4) == 0, is_json = size > 0 && data[0] == '{';
    const bool is_file = is_gguf || is_json;
    rg_tokenizer *t = is_gguf   ? open_bytes(data, size)
                      : is_json ? open_json(data, size)
                                : toy(size > 0 ? data[0] % 4 : 0);
    if (t == NULL)
        return 0;
    const rg_str text = rg_str_n((const char *)data, is_file && size > 4096 ? 4096 : size);
    check_text(t, text, RG_SPECIAL_NONE, !is_file);
    check_text(t, text, RG_SPECIAL_ALL, !is_file);
    if (is_file)
        rg_tokenizer_free(t);
    return 0;
}
