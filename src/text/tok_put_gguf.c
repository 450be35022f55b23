/* tok_put_gguf.c - the tokenizer.ggml.* keys of a tokenizer, where they can say what it does.
 *
 * Not said by any key, and left out: white space that added tokens take along, and NFC (the
 * texts of byte-level vocabularies are nearly always in that form already). */
#include <math.h>
#include <string.h>

#include "rung/base/mem.h"
#include "tok_put.h"

/* ---- what can be said ---- */

static rg_status refuse(const char *why, rg_err *e)
{
    RG_FAIL(e, RG_EARG, "GGUF cannot express this tokenizer: %s; keep the model as a folder", why);
}

static rg_status check_bytes(const rg_tokenizer *t, rg_err *e)
{
    if (t->pre[0] == '\0')
        return refuse("its pre_tokenizer is none that llama.cpp has a name for", e);
    for (size_t i = 0; i < t->steps.n_norm; i++)
        if (t->steps.norm[i].kind != NORM_NFC)
            return refuse("its normalizer is more than NFC", e);
    return RG_OK;
}

static bool only_escapes(const norm_step *s)
{
    return s->kind == NORM_PREPEND || (s->kind == NORM_REPLACE && rg_str_is(s->a, " "));
}

/* Prepend, Replace of spaces and Metaspace are what the SentencePiece model does by itself. */
static rg_status check_spaces(const rg_tokenizer *t, rg_err *e)
{
    if (t->spelling != SPELL_SPACE || !t->byte_fallback)
        return refuse("a BPE over characters needs U+2581 for spaces and byte_fallback", e);
    for (size_t i = 0; i < t->steps.n_norm; i++)
        if (!only_escapes(&t->steps.norm[i]))
            return refuse("its normalizer does more than to mark spaces", e);
    for (size_t i = 0; i < t->steps.n_pre; i++)
        if (t->steps.pre[i].kind != PRE_METASPACE)
            return refuse("its pre_tokenizer does more than to mark spaces", e);
    return RG_OK;
}

/* ---- SentencePiece scores from ranked merges ---- */

/* SentencePiece merges any two tokens that make a token, the best score first: so every way to
 * make a token must be a merge. */
static rg_status check_splits(const rg_tokenizer *t, int32_t id, rg_err *e)
{
    const rg_str text = rg__vocab_text(&t->vocab, id);
    const bool cuts_words = t->steps.n_pre > 0 && t->steps.pre[0].flags & PRE_CUT;
    if (cuts_words && text.n > 1 && memchr(text.p + 1, ' ', text.n - 1))
        return refuse("its words are cut at spaces but it has tokens with a space inside", e);
    for (size_t i = 1; i < text.n; i++) {
        if (((unsigned char)text.p[i] & 0xC0) == 0x80)
            continue;
        const int32_t left = rg__vocab_piece(&t->vocab, t->spelling, rg_str_n(text.p, i));
        const int32_t right = rg__vocab_piece(&t->vocab, t->spelling, rg_str_n(text.p + i, text.n - i));
        if (left >= 0 && right >= 0 && rg__merge_find(&t->merges, left, right) == NULL)
            RG_FAIL(
                e, RG_EARG,
                "GGUF cannot express this tokenizer: tokens %d and %d make token %d but no merge joins them; "
                "keep the model as a folder",
                (int)left, (int)right, (int)id);
    }
    return RG_OK;
}

/* All merges that make one token must follow each other: the token has one score. */
static rg_status scores_of_ranks(const rg_tokenizer *t, float *score, const ranked *all, size_t n, rg_err *e)
{
    size_t groups = 0, cost = 0;
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && all[i].made == all[i - 1].made)
            continue;
        if (score[all[i].made] < 0)
            return refuse("the merges that make one token are apart from each other", e);
        score[all[i].made] = -(float)++groups;
    }
    for (size_t i = 0; i < t->vocab.n; i++) {
        const size_t len = rg__vocab_text(&t->vocab, (int32_t)i).n;
        cost += len * len;
        if (cost > UINT32_MAX)
            return refuse("its tokens are too long to be pieces of words", e);
        if (t->vocab.kind[i] == TOK_NORMAL)
            RG_TRY(check_splits(t, (int32_t)i, e));
    }
    return RG_OK;
}

/* Undoes the rank of a score (merges.c). */
static float score_of_rank(uint32_t rank)
{
    const uint32_t ordered = ~rank, bits = ordered >> 31 ? ordered & UINT32_C(0x7fffffff) : ~ordered;
    float score;
    memcpy(&score, &bits, sizeof score);
    return score;
}

static rg_status fill_scores(const rg_tokenizer *t, float *score, rg_err *e)
{
    ranked *all = NULL;
    size_t n = 0;
    if (t->model == TOK_UNIGRAM) {
        for (size_t i = 0; i < t->vocab.n; i++)
            score[i] = (float)t->unigram.score[i];
        return RG_OK;
    }
    RG_TRY(rg__put_merges(t, &all, &n, e));
    rg_status s = RG_OK;
    for (size_t i = 0; t->model == TOK_SPM && i < n; i++)
        score[all[i].made] = score_of_rank(all[i].rank);
    if (t->model == TOK_BPE)
        s = scores_of_ranks(t, score, all, n, e);
    rg_free(all);
    return s;
}

static rg_status put_scores(const rg_tokenizer *t, rg_gguf_writer *w, rg_err *e)
{
    float *score = rg_calloc(t->vocab.n, sizeof *score);
    if (score == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for the scores of %zu tokens", t->vocab.n);
    rg_status s = fill_scores(t, score, e);
    if (s == RG_OK)
        s = rg_gguf_put_f32s(w, "tokenizer.ggml.scores", score, t->vocab.n, e);
    rg_free(score);
    return s;
}

/* ---- arrays of texts ---- */

/* n texts that were appended one after the other; ends[i] is where text i ends. */
static rg_status put_texts(rg_gguf_writer *w, const char *key, const rg_buf *all, const size_t *ends,
                           size_t n, rg_err *e)
{
    RG_TRY(rg_buf_check(all, key, e));
    rg_str *text = rg_alloc(n + 1, sizeof *text);
    if (text == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu texts", n);
    for (size_t i = 0; i < n; i++) {
        const size_t begin = i ? ends[i - 1] : 0;
        text[i] = rg_str_n(all->p + begin, ends[i] - begin);
    }
    const rg_status s = rg_gguf_put_strs(w, key, text, n, e);
    rg_free(text);
    return s;
}

static rg_status put_tokens(const rg_tokenizer *t, rg_gguf_writer *w, rg_err *e)
{
    const size_t n = t->vocab.n;
    rg_buf all = RG_BUF_MAX(TOK_MAX_WORK);
    size_t *ends = rg_alloc(n, sizeof *ends);
    int32_t *kind = rg_alloc(n, sizeof *kind);
    rg_status s = RG_OK;
    if (ends == NULL || kind == NULL)
        RG_FAIL_GO(s, done, e, RG_ENOMEM, "no memory for %zu tokens", n);
    for (size_t i = 0; i < n; i++) {
        rg__put_token_text(t, i, &all);
        ends[i] = all.n;
        kind[i] = t->vocab.kind[i];
    }
    RG_GO(s, done, put_texts(w, "tokenizer.ggml.tokens", &all, ends, n, e));
    RG_GO(s, done, rg_gguf_put_i32s(w, "tokenizer.ggml.token_type", kind, n, e));
done:
    rg_free(ends);
    rg_free(kind);
    rg_buf_free(&all);
    return s;
}

static rg_status put_merges(const rg_tokenizer *t, rg_gguf_writer *w, rg_err *e)
{
    ranked *all = NULL;
    size_t n = 0;
    RG_TRY(rg__put_merges(t, &all, &n, e));
    rg_buf texts = RG_BUF_MAX(TOK_MAX_WORK);
    size_t *ends = rg_alloc(n + 1, sizeof *ends);
    rg_status s = RG_OK;
    if (ends == NULL)
        RG_FAIL_GO(s, done, e, RG_ENOMEM, "no memory for %zu merges", n);
    for (size_t i = 0; i < n; i++) {
        rg__put_token_text(t, (size_t)all[i].left, &texts);
        rg_buf_putc(&texts, ' ');
        rg__put_token_text(t, (size_t)all[i].right, &texts);
        ends[i] = texts.n;
    }
    RG_GO(s, done, put_texts(w, "tokenizer.ggml.merges", &texts, ends, n, e));
done:
    rg_free(all);
    rg_free(ends);
    rg_buf_free(&texts);
    return s;
}

/* ---- the kinds ---- */

static rg_status put_model(rg_gguf_writer *w, const char *model, const char *pre, rg_err *e)
{
    RG_TRY(rg_gguf_put_str(w, "tokenizer.ggml.model", rg_str_of(model), e));
    return rg_gguf_put_str(w, "tokenizer.ggml.pre", rg_str_of(pre), e);
}

static rg_status put_bpe(const rg_tokenizer *t, rg_gguf_writer *w, rg_err *e)
{
    if (t->spelling == SPELL_BYTES) {
        RG_TRY(check_bytes(t, e));
        RG_TRY(put_model(w, "gpt2", t->pre, e));
        return put_merges(t, w, e);
    }
    RG_TRY(check_spaces(t, e));
    RG_TRY(put_scores(t, w, e));
    RG_TRY(rg_gguf_put_bool(w, "tokenizer.ggml.add_space_prefix", rg__puts_space_in_front(t), e));
    return put_model(w, "llama", "default", e);
}

static rg_status put_unigram(const rg_tokenizer *t, rg_gguf_writer *w, rg_err *e)
{
    bool squeezes = false;
    for (size_t i = 0; i < t->steps.n_norm; i++) {
        const norm_step *s = &t->steps.norm[i];
        if (s->kind == NORM_CHARSMAP && s->map != NULL)
            return refuse("its normaliser has a charsmap, which this program does not write", e);
        if (s->kind == NORM_SPACES)
            squeezes |= s->flags & NORM_MERGE;
        else if (s->kind == NORM_REPLACE && s->re && rg_str_is(rg__regex_pattern(s->re), " {2,}"))
            squeezes = true;
        else if (s->kind != NORM_CHARSMAP)
            return refuse("its normalizer does more than to mark spaces", e);
    }
    if (t->spelling != SPELL_SPACE || t->byte_fallback)
        return refuse("a unigram model needs U+2581 for spaces and no byte_fallback", e);
    RG_TRY(put_scores(t, w, e));
    RG_TRY(rg_gguf_put_bool(w, "tokenizer.ggml.add_space_prefix", rg__puts_space_in_front(t), e));
    RG_TRY(rg_gguf_put_bool(w, "tokenizer.ggml.remove_extra_whitespaces", squeezes, e));
    return put_model(w, "t5", "default", e);
}

static rg_status put_wordpiece(const rg_tokenizer *t, rg_gguf_writer *w, rg_err *e)
{
    const norm_step *s = &t->steps.norm[0];
    const unsigned always = NORM_CLEAN | NORM_CHINESE;
    if (t->steps.n_norm != 1 || s->kind != NORM_BERT || (s->flags & always) != always ||
        t->steps.n_pre != 1 || t->steps.pre[0].kind != PRE_BERT)
        return refuse("WordPiece needs BertNormalizer and BertPreTokenizer", e);
    RG_TRY(rg_gguf_put_bool(w, "tokenizer.ggml.normalizer.lowercase", s->flags & NORM_LOWERCASE, e));
    RG_TRY(rg_gguf_put_bool(w, "tokenizer.ggml.normalizer.strip_accents", s->flags & NORM_NO_ACCENTS, e));
    return put_model(w, "bert", "default", e);
}

static rg_status put_ids(const rg_tokenizer *t, rg_gguf_writer *w, rg_err *e)
{
    for (size_t i = 0; i < ID_COUNT; i++) {
        const int32_t id =
            i == ID_SEP && t->id[i] < 0 && t->model == TOK_WORDPIECE ? t->id[ID_EOS] : t->id[i];
        if (id >= 0)
            RG_TRY(rg_gguf_put_u32(w, rg__special_keys[i], (uint32_t)id, e));
    }
    RG_TRY(rg_gguf_put_bool(w, "tokenizer.ggml.add_bos_token", t->adds_bos, e));
    return rg_gguf_put_bool(w, "tokenizer.ggml.add_eos_token", t->adds_eos, e);
}

rg_status rg_tokenizer_put_gguf(const rg_tokenizer *t, rg_gguf_writer *w, rg_err *e)
{
    switch (t->model) {
    case TOK_BPE:
    case TOK_SPM: RG_TRY(put_bpe(t, w, e)); break;
    case TOK_UNIGRAM: RG_TRY(put_unigram(t, w, e)); break;
    case TOK_WORDPIECE: RG_TRY(put_wordpiece(t, w, e)); break;
    }
    RG_TRY(put_tokens(t, w, e));
    return put_ids(t, w, e);
}
