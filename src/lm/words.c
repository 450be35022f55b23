/* words.c - which tokens spell a word that decides something. */
#include <ctype.h>
#include <string.h>

#include "rung/base/mem.h"
#include "rung/lm/port.h"

enum { MAX_WORDS = 64, MAX_WORD_BYTES = 32 };

typedef struct word {
    char text[MAX_WORD_BYTES], lower[MAX_WORD_BYTES], upper[MAX_WORD_BYTES];
    rg_ids ids;
} word;

struct rg_words {
    word *word;
    size_t n;
};

/* A letter by itself is a name (choice a is not choice A), a longer word is the same in any case. */
static void set_cases(word *w)
{
    const bool letter = w->text[1] == '\0';
    memcpy(w->lower, w->text, sizeof w->text);
    memcpy(w->upper, w->text, sizeof w->text);
    for (size_t i = 0; !letter && w->text[i] != '\0'; i++) {
        w->lower[i] = (char)tolower((unsigned char)w->text[i]);
        w->upper[i] = (char)toupper((unsigned char)w->text[i]);
    }
}

bool rg_words_spells(const rg_words *ws, size_t i, rg_str piece)
{
    const word *w = &ws->word[i];
    while (piece.n > 0 && piece.p[0] == ' ')
        piece = rg_str_n(piece.p + 1, piece.n - 1);
    return rg_str_eq(piece, rg_str_of(w->text)) || rg_str_eq(piece, rg_str_of(w->lower)) ||
           rg_str_eq(piece, rg_str_of(w->upper));
}

static rg_status find_whole(rg_words *ws, const rg_tokenizer *t, rg_err *e)
{
    const size_t n_vocab = rg_vocab_size(t);
    for (size_t id = 0; id < n_vocab; id++) {
        const rg_str piece = rg_token_text(t, (int32_t)id);
        if (piece.n == 0 || piece.n > MAX_WORD_BYTES || rg_token_is_control(t, (int32_t)id))
            continue;
        for (size_t i = 0; i < ws->n; i++)
            if (rg_words_spells(ws, i, piece))
                RG_TRY(rg_ids_push(&ws->word[i].ids, (int32_t)id, e));
    }
    return RG_OK;
}

/* No token is the whole word: its first one stands for it, unless another word has it too. */
static rg_status find_first(rg_words *ws, size_t i, const rg_tokenizer *t, rg_err *e)
{
    rg_ids ids = { 0 };
    rg_status s = rg_tokenize(t, rg_str_of(ws->word[i].text), RG_SPECIAL_NONE, &ids, e);
    if (s == RG_OK && ids.n == 0)
        s = rg_err_set(e, RG_EARG, __FILE__, __LINE__, "the vocabulary cannot spell \"%s\"",
                       ws->word[i].text);
    for (size_t k = 0; k < ws->n && s == RG_OK; k++)
        for (size_t m = 0; m < ws->word[k].ids.n; m++)
            if (k != i && ws->word[k].ids.id[m] == ids.id[0])
                s = rg_err_set(
                    e, RG_EARG, __FILE__, __LINE__,
                    "in this vocabulary \"%s\" and \"%s\" begin with the same token: they cannot be "
                    "told apart by one",
                    ws->word[i].text, ws->word[k].text);
    if (s == RG_OK)
        s = rg_ids_push(&ws->word[i].ids, ids.id[0], e);
    rg_ids_free(&ids);
    return s;
}

static rg_status find_tokens(rg_words *ws, const rg_tokenizer *t, rg_err *e)
{
    RG_TRY(find_whole(ws, t, e));
    for (size_t i = 0; i < ws->n; i++)
        if (ws->word[i].ids.n == 0)
            RG_TRY(find_first(ws, i, t, e));
    return RG_OK;
}

rg_status rg_words_new(rg_words **out, const rg_lm *lm, const char *const *text, size_t n, rg_err *e)
{
    *out = NULL;
    if (n == 0 || n > MAX_WORDS)
        RG_FAIL(e, RG_EARG, "%zu words to decide between: 1 to %d", n, MAX_WORDS);
    for (size_t i = 0; i < n; i++)
        if (text[i][0] == '\0' || strlen(text[i]) >= MAX_WORD_BYTES)
            RG_FAIL(e, RG_EARG, "a word to decide by has 1 to %d bytes: \"%.40s\"", MAX_WORD_BYTES - 1,
                    text[i]);
    rg_words *ws = rg_calloc(1, sizeof *ws);
    word *list = rg_calloc(n, sizeof *list);
    if (ws == NULL || list == NULL) {
        rg_free(ws);
        rg_free(list);
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu words", n);
    }
    *ws = (rg_words){ list, n };
    for (size_t i = 0; i < n; i++) {
        memcpy(list[i].text, text[i], strlen(text[i]) + 1);
        set_cases(&list[i]);
    }
    const rg_status s = lm->bundle == NULL ? RG_OK : find_tokens(ws, rg_bundle_tokenizer(lm->bundle), e);
    if (s != RG_OK) {
        rg_words_free(ws);
        return s;
    }
    *out = ws;
    return RG_OK;
}

void rg_words_free(rg_words *w)
{
    if (w == NULL)
        return;
    for (size_t i = 0; i < w->n; i++)
        rg_ids_free(&w->word[i].ids);
    rg_free(w->word);
    rg_free(w);
}

size_t rg_words_n(const rg_words *w)
{
    return w == NULL ? 0 : w->n;
}

const char *rg_words_text(const rg_words *w, size_t i)
{
    return w->word[i].text;
}

const int32_t *rg_words_ids(const rg_words *w, size_t i, size_t *n)
{
    *n = w->word[i].ids.n;
    return w->word[i].ids.id;
}
