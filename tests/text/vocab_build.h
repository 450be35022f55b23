/* vocab_build.h - vocabulary-only GGUF files in memory: the 256 bytes as ids 0..255, then the
 * tokens that a test names. */
#ifndef RUNG_TEST_VOCAB_BUILD_H
#define RUNG_TEST_VOCAB_BUILD_H

#include "format/gguf_build.h"
#include "test.h"

typedef struct toy_token {
    const char *text;
    int32_t kind; /* tokenizer.ggml.token_type */
} toy_token;

/* What a toy vocabulary says; a field left 0 or NULL is the ordinary case. */
typedef struct toy_vocab {
    const char *model, *pre; /* "" = the key is missing; NULL = "gpt2", "gpt-2" */
    const toy_token *tokens; /* ids 256, 257, ... */
    size_t n_tokens;
    const char *const *merges;
    size_t n_merges;
    size_t extra_types;  /* so many more types than tokens */
    uint32_t score_kind; /* element type of scores + 1; 0 = none */
    int missing_byte;    /* spelled as an unused token; 0 = none */
    const char *id_key;  /* one more key, */
    int64_t id_value;    /* its value; below 0 it is a string */
    uint64_t embd_rows;  /* a tensor token_embd.weight with so many rows */
} toy_vocab;

/* GPT-2's character for a byte, as UTF-8: the bytes that do not print take U+0100.. in order. */
static inline void toy_byte_char(char out[5], int b)
{
    uint32_t next = 0x100, cp = (uint32_t)b;
    for (int i = 0; i <= b; i++) {
        const bool prints = (i >= '!' && i <= '~') || (i >= 0xA1 && i <= 0xAC) || i >= 0xAE;
        cp = prints ? (uint32_t)i : next;
        next += prints ? 0 : 1;
    }
    out[rg_utf8_encode(cp, out)] = '\0';
}

static inline void toy_tokens(rg_buf *b, const toy_vocab *v)
{
    const size_t n = 256 + v->n_tokens;
    gb_key_array(b, "tokenizer.ggml.tokens", RG_GGUF_STRING, n);
    for (int i = 0; i < 256; i++) {
        char text[5];
        toy_byte_char(text, i);
        gb_str(b, i && i == v->missing_byte ? "(gone)" : text);
    }
    for (size_t i = 0; i < v->n_tokens; i++)
        gb_str(b, v->tokens[i].text);
    gb_key_array(b, "tokenizer.ggml.token_type", RG_GGUF_I32, n + v->extra_types);
    for (int i = 0; i < 256; i++)
        gb_int(b, i && i == v->missing_byte ? 5 : 1, 4);
    for (size_t i = 0; i < v->n_tokens; i++)
        gb_int(b, (uint64_t)v->tokens[i].kind, 4);
    gb_zeros(b, 4 * v->extra_types);
    gb_key_array(b, "tokenizer.ggml.merges", RG_GGUF_STRING, v->n_merges);
    for (size_t i = 0; i < v->n_merges; i++)
        gb_str(b, v->merges[i]);
}

static inline void toy_file(rg_buf *b, const toy_vocab *v)
{
    const char *model = v->model ? v->model : "gpt2", *pre = v->pre ? v->pre : "gpt-2";
    const bool has_model = *model != '\0', has_pre = *pre != '\0';
    const uint64_t n_keys = 3u + has_model + has_pre + (v->score_kind > 0) + (v->id_key != NULL);
    gb_head(b, 3, v->embd_rows > 0, n_keys);
    if (has_model)
        gb_key_str(b, "tokenizer.ggml.model", model);
    if (has_pre)
        gb_key_str(b, "tokenizer.ggml.pre", pre);
    toy_tokens(b, v);
    if (v->score_kind) {
        gb_key_array(b, "tokenizer.ggml.scores", v->score_kind - 1, 256 + v->n_tokens);
        gb_zeros(b, 4 * (256 + v->n_tokens));
    }
    if (v->id_key && v->id_value < 0)
        gb_key_str(b, v->id_key, "none");
    else if (v->id_key)
        gb_key_u32(b, v->id_key, (uint32_t)v->id_value);
    if (v->embd_rows) {
        gb_tensor(b, "token_embd.weight", 1, v->embd_rows, RG_F32, 0);
        gb_pad(b, 32);
        gb_zeros(b, 4 * v->embd_rows);
    }
}

#endif
