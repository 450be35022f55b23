/* tok_detok.c - the text of ids, one by one.  What the decoders of tokenizer.json do to a token
 * was done when the vocabulary was read (vocab.c); left is what depends on the place in the text. */
#include <string.h>

#include "rung/base/mem.h"
#include "tokenizer_int.h"

static bool shows(const rg_tokenizer *t, int32_t id, bool with_special)
{
    if (id < 0 || (size_t)id >= t->vocab.n)
        return false;
    const tok_kind k = (tok_kind)t->vocab.kind[id];
    return with_special || k == TOK_NORMAL || k == TOK_USER || k == TOK_BYTE;
}

/* WordPiece: no space before punctuation and English endings. */
static bool clings(rg_str text)
{
    static const char *const begins[] = { ".", "?", "!", ",", "n't", "'m", "'s", "'ve", "'re" };
    for (size_t i = 0; i < RG_COUNT(begins); i++)
        if (rg_str_starts(text, begins[i]))
            return true;
    return false;
}

static rg_str without_space(rg_str text)
{
    return text.n > 0 && text.p[0] == ' ' ? rg_str_n(text.p + 1, text.n - 1) : text;
}

static void middle(const rg_tokenizer *t, int32_t id, rg_buf *b)
{
    rg_str text = rg__vocab_text(&t->vocab, id);
    if (t->steps.detok.words && t->vocab.kind[id] != TOK_NORMAL)
        rg_buf_putc(b, ' '); /* a special token is a word of its own */
    if (t->steps.detok.joined)
        rg_buf_putc(b, ' ');
    if (t->steps.detok.cleanup && clings(without_space(text)))
        text = without_space(text);
    rg_buf_str(b, text);
}

void rg_detokenize(const rg_tokenizer *t, int32_t id, bool with_special, rg_buf *b)
{
    if (shows(t, id, with_special))
        middle(t, id, b);
}

static void beginning(const rg_tokenizer *t, int32_t id, rg_buf *b)
{
    const detok_rule *r = &t->steps.detok;
    rg_str text = rg__vocab_text(&t->vocab, id);
    const bool word = (t->vocab.kind[id] == TOK_NORMAL || t->vocab.kind[id] == TOK_USER) &&
                      !(t->spelling == SPELL_SPACE && rg__vocab_foreign(&t->vocab, (size_t)id));
    if (r->first_bare && word) {
        for (size_t i = 0; i < text.n; i++)
            if (text.p[i] != ' ')
                rg_buf_putc(b, text.p[i]);
        return;
    }
    if (word && (r->strip > 0 || r->words))
        text = without_space(text);
    rg_buf_str(b, text);
}

void rg_detokenize_next(const rg_tokenizer *t, rg_detok *d, int32_t id, bool with_special, rg_buf *b)
{
    if (!shows(t, id, with_special))
        return;
    if (d->begun)
        middle(t, id, b);
    else
        beginning(t, id, b);
    d->begun = true;
}
