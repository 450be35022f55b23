/* tokenizer_open.h - a tokenizer for a test, from a vocabulary file or a pulled model. */
#ifndef RUNG_TEST_TOKENIZER_OPEN_H
#define RUNG_TEST_TOKENIZER_OPEN_H

#include "rung/base/mem.h"
#include "rung/text/tokenizer.h"
#include "test.h"

/* "gpt-2" is RUNG_DATA/vocab/ggml-vocab-gpt-2.gguf, "smollm2-135m" is a pulled model.  NULL,
 * after a note, when the file is not here. */
static inline rg_tokenizer *open_tokenizer(const char *name)
{
    char rel[128];
    snprintf(rel, sizeof rel, "vocab/ggml-vocab-%s.gguf", name);
    const bool pulled = strstr(name, "0.5b") || strstr(name, "135m") || strstr(name, "270m");
    const char *path = pulled ? test_model(name) : test_data(rel);
    if (path == NULL)
        return NULL;
    rg_err e = RG_ERR_INIT;
    rg_gguf *g;
    rg_tokenizer *t;
    OK(rg_gguf_open(&g, path, &e), e);
    OK(rg_tokenizer_from_gguf(&t, g, &e), e);
    rg_gguf_close(g); /* the tokenizer keeps nothing of it */
    return t;
}

/* detok(ids) is the text, byte for byte. */
static inline bool round_trip(const rg_tokenizer *t, const rg_ids *ids, rg_str text)
{
    rg_buf b = RG_BUF_MAX((size_t)1 << 28);
    rg_detok d = { 0 };
    for (size_t i = 0; i < ids->n; i++)
        rg_detokenize_next(t, &d, ids->id[i], false, &b);
    const bool same = rg_str_eq(rg_buf_view(&b), text);
    rg_buf_free(&b);
    return same;
}

#endif
