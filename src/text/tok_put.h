/* tok_put.h - what the two writers of a tokenizer share. */
#ifndef RUNG_TEXT_TOK_PUT_H
#define RUNG_TEXT_TOK_PUT_H

#include "tokenizer_int.h"

/* Appends a token as files spell it (empty ones get a name of their own). */
void rg__put_token_text(const rg_tokenizer *t, size_t id, rg_buf *out);

/* The merges in order, the best first; yours to rg_free. */
typedef struct ranked {
    uint32_t rank;
    int32_t left, right, made;
} ranked;
rg_status rg__put_merges(const rg_tokenizer *t, ranked **out, size_t *n, rg_err *e);

/* Whether the text gets a space in front of its first word. */
bool rg__puts_space_in_front(const rg_tokenizer *t);

#endif
