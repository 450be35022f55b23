/* job.c - what a job does: start, take a token, notice its end, report. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "rung/base/mem.h"
#include "rung/base/rng.h"

#include "lm_int.h"

enum { TEXT_MAX = 1 << 26 };

/* ---- life ---- */

size_t rg__job_tokens(const job *j)
{
    return j->gen != NULL ? RG_MIN(j->gen->max_tokens, j->group->lm->opt.ctx - j->from->len) : j->score->n;
}

static bool has_penalties(const rg_sampling *o)
{
    return o->repeat_penalty != 1.0 || o->presence_penalty != 0.0 || o->frequency_penalty != 0.0;
}

static rg_status window(job *j, rg_err *e)
{
    const rg_sampling *o = j->gen->sampling;
    if (!has_penalties(o) || o->repeat_last_n == 0)
        return RG_OK;
    const size_t ctx = j->group->lm->opt.ctx;
    const size_t w = o->repeat_last_n < 0 ? ctx : RG_MIN((size_t)o->repeat_last_n, ctx);
    j->history = rg_alloc(w + 1, sizeof *j->history);
    if (j->history == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for a window of %zu tokens", w);
    return RG_OK;
}

rg_status rg__job_start(job *j, rg_err *e)
{
    local_lm *lm = j->group->lm;
    j->text = (rg_buf)RG_BUF_MAX(TEXT_MAX);
    j->hidden = rg_alloc(lm->n_embd, sizeof *j->hidden);
    if (j->hidden == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for a branch");
    j->phase = PH_WAIT;
    return j->gen != NULL ? window(j, e) : RG_OK;
}

void rg__job_free(job *j)
{
    rg__memory_freed(j->group->lm);
    rg_state_release(j->state);
    j->state = NULL;
    rg__node_release(j->from);
    j->from = NULL;
    rg_free(j->hidden);
    rg_free(j->id);
    rg_free(j->logp);
    rg_free(j->top);
    rg_free(j->named);
    rg_free(j->word);
    rg_free(j->doubt);
    rg_free(j->history);
    rg_buf_free(&j->text);
}

void rg__job_fail(job *j, rg_status s, const rg_err *e)
{
    if (j->status != RG_OK)
        return;
    j->status = s;
    j->finish = RG_F_ERROR;
    if (e != NULL)
        j->err = *e;
}

void rg__job_finish(job *j)
{
    local_lm *lm = j->group->lm;
    lm->reserved -= j->reserved;
    j->reserved = 0;
    j->phase = PH_DONE;
    j->filed = true;
    pthread_cond_signal(&j->group->cond);
}

/* ---- taking a token ---- */

static bool room(job *j)
{
    if (j->n < j->cap)
        return true;
    const size_t cap = j->cap ? 2 * j->cap : 64;
    const size_t n_top = j->gen->n_top, n_named = j->gen->n_named, n_words = rg_words_n(j->gen->words);
    int32_t *id = rg_realloc(j->id, cap, sizeof *id);
    if (id != NULL)
        j->id = id;
    float *logp = rg_realloc(j->logp, cap, sizeof *logp);
    if (logp != NULL)
        j->logp = logp;
    rg_logprob *top = rg_realloc(j->top, cap * n_top + 1, sizeof *top);
    if (top != NULL)
        j->top = top;
    float *named = rg_realloc(j->named, cap * n_named + 1, sizeof *named);
    if (named != NULL)
        j->named = named;
    float *word = rg_realloc(j->word, cap * n_words + 1, sizeof *word);
    if (word != NULL)
        j->word = word;
    rg_doubt *doubt = rg_realloc(j->doubt, j->gen->uncertainty ? cap : 1, sizeof *doubt);
    if (doubt != NULL)
        j->doubt = doubt;
    if (id == NULL || logp == NULL || top == NULL || named == NULL || word == NULL || doubt == NULL)
        return false;
    j->cap = cap;
    return true;
}

/* The last tokens before the one to draw, at most the window. */
static size_t gather_history(job *j)
{
    if (j->history == NULL)
        return 0;
    const rg_sampling *o = j->gen->sampling;
    const size_t ctx = j->group->lm->opt.ctx;
    const size_t w = o->repeat_last_n < 0 ? ctx : RG_MIN((size_t)o->repeat_last_n, ctx);
    const size_t own = RG_MIN(j->n, w), before = RG_MIN(j->from->len, w - own);
    rg__node_tail(j->from, j->history, before);
    if (own > 0)
        memcpy(j->history + before, j->id + j->n - own, own * sizeof *j->id);
    return before + own;
}

/* First stop string that ends in the bytes just added; earliest begin wins. */
static bool find_stop(job *j, size_t had)
{
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < j->gen->n_stop; i++) {
        const rg_str stop = rg_str_of(j->gen->stop[i]);
        if (stop.n == 0)
            continue;
        const size_t from = had >= stop.n - 1 ? had - (stop.n - 1) : 0;
        const size_t at = rg_str_find(rg_str_n(j->text.p + from, j->text.n - from), stop);
        if (at != SIZE_MAX)
            best = RG_MIN(best, from + at);
    }
    if (best == SIZE_MAX)
        return false;
    j->stop_at = best;
    return true;
}

/* Sends what is complete: whole characters, nothing that could still become a stop string. */
static void stream_text(job *j, bool last)
{
    if (!j->gen->stream_text)
        return;
    size_t hold = rg_utf8_tail(rg_buf_view(&j->text));
    for (size_t i = 0; i < j->gen->n_stop && !last; i++) {
        const rg_str stop = rg_str_of(j->gen->stop[i]);
        for (size_t n = RG_MIN(stop.n, j->text.n); n > hold; n--)
            if (rg_str_ends(rg_buf_view(&j->text), "") && memcmp(j->text.p + j->text.n - n, stop.p, n) == 0) {
                hold = n;
                break;
            }
    }
    const size_t end = j->stopped ? j->stop_at : last ? j->text.n : j->text.n - hold;
    if (end <= j->sent)
        return;
    const rg_event ev = { .kind = RG_EV_NODE_TOKEN,
                          .room = "lm",
                          .node = j->index,
                          .text = rg_str_n(j->text.p + j->sent, end - j->sent) };
    rg_call_emit(j->group->call, &ev);
    j->sent = end;
}

void rg__job_flush(job *j)
{
    if (j->gen != NULL)
        stream_text(j, true);
}

static void append_text(job *j, int32_t id)
{
    const size_t had = j->text.n;
    rg_err e = RG_ERR_INIT;
    rg_detokenize(j->group->lm->tok, id, j->gen->ignore_end, &j->text);
    const rg_status s = rg_buf_check(&j->text, "the text of a branch", &e);
    if (s != RG_OK)
        rg__job_fail(j, s, &e);
    else if (j->gen->n_stop > 0 && j->text.n > had && find_stop(j, had))
        j->stopped = true;
}

/* The mean confidence of the window's tokens, once there are so many, is below the bound. */
static bool too_unsure(job *j)
{
    const size_t w = j->gen->doubt_window;
    if (w == 0)
        return false;
    j->surety += (double)j->doubt[j->n - 1].confidence;
    if (j->n > w)
        j->surety -= (double)j->doubt[j->n - 1 - w].confidence;
    return j->n >= w && j->surety / (double)w < j->gen->doubt_below;
}

static void decide(job *j, int32_t id)
{
    const local_lm *lm = j->group->lm;
    const bool end = !j->gen->ignore_end && rg_token_ends(lm->tok, id), unsure = too_unsure(j);
    if (!end)
        append_text(j, id);
    if (j->status != RG_OK)
        return;
    if (end)
        j->finish = RG_F_END;
    else if (j->stopped)
        j->finish = RG_F_STOP;
    else if (unsure)
        j->finish = RG_F_DOUBT;
    else if (j->n >= rg__job_tokens(j))
        j->finish = RG_F_LENGTH;
    else {
        j->phase = PH_STEP;
        stream_text(j, false);
        return;
    }
    stream_text(j, true);
    j->phase = PH_DONE; /* filed by rg__job_finish under the lock */
}

/* log of the total probability of the tokens that spell each word */
static void read_words(float *out, const rg_words *w, const float *logits, double log_z)
{
    for (size_t i = 0; i < rg_words_n(w); i++) {
        size_t n;
        const int32_t *id = rg_words_ids(w, i, &n);
        double sum = 0;
        for (size_t k = 0; k < n; k++)
            sum += exp((double)logits[id[k]] - log_z);
        out[i] = (float)log(sum);
    }
}

void rg__job_sample(job *j, const float *logits, sampler_scratch *s)
{
    const local_lm *lm = j->group->lm;
    if (!room(j)) {
        rg__job_fail(j, RG_ENOMEM, NULL);
        return;
    }
    const rg_gen *g = j->gen;
    const double log_z = g->uncertainty ? rg__doubt(&j->doubt[j->n], lm->k, s, logits, lm->n_vocab)
                                        : rg__log_z(lm->k, s, logits, lm->n_vocab);
    const double u = g->sampling->temp > 0 ? rg_draw_uniform(g->stream, j->n, RG_DRAW_TOKEN) : 0;
    const int32_t id =
        rg__sample(lm->k, s, logits, lm->n_vocab, g->sampling, j->history, gather_history(j), u);
    j->id[j->n] = id;
    j->logp[j->n] = (float)((double)logits[id] - log_z);
    if (g->n_top > 0)
        rg__top(lm->k, s, logits, lm->n_vocab, log_z, g->n_top, j->top + j->n * g->n_top);
    for (size_t i = 0; i < g->n_named; i++)
        j->named[j->n * g->n_named + i] = (float)((double)logits[g->named[i]] - log_z);
    read_words(j->word + j->n * rg_words_n(g->words), g->words, logits, log_z);
    j->n++;
    decide(j, id);
}

/* ---- scoring ---- */

bool rg__score_wants_value(const rg_score *sc, size_t i, size_t *k)
{
    size_t lo = 0, hi = sc->n_at;
    while (lo < hi) { /* the first position >= i - 1 */
        const size_t mid = lo + (hi - lo) / 2;
        if (sc->at[mid] + 1 < i)
            lo = mid + 1;
        else
            hi = mid;
    }
    *k = lo;
    return lo < sc->n_at && sc->at[lo] + 1 == i;
}

bool rg__score_wants_logits(const rg_score *sc, size_t i)
{
    size_t k;
    if (i >= sc->first && i < sc->n)
        return true;
    return (sc->at_named != NULL || sc->at_word != NULL) && rg__score_wants_value(sc, i, &k);
}

size_t rg__score_feed(const rg_score *sc)
{
    return sc->keep || (sc->n_at > 0 && sc->at[sc->n_at - 1] == sc->n - 1) ? sc->n : sc->n - 1;
}

static void score_token(rg_score *sc, size_t i, const local_lm *lm, const float *logits, double log_z,
                        sampler_scratch *s)
{
    if (sc->logp != NULL)
        sc->logp[i] = (float)((double)logits[sc->id[i]] - log_z);
    if (sc->top != NULL)
        rg__top(lm->k, s, logits, lm->n_vocab, log_z, sc->n_top, sc->top + i * sc->n_top);
    for (size_t n = 0; n < sc->n_named && sc->named_logp != NULL; n++)
        sc->named_logp[i * sc->n_named + n] = (float)((double)logits[sc->named[n]] - log_z);
}

static void score_at(rg_score *sc, size_t k, const float *logits, double log_z)
{
    for (size_t n = 0; n < sc->n_named && sc->at_named != NULL; n++)
        sc->at_named[k * sc->n_named + n] = (float)((double)logits[sc->named[n]] - log_z);
    if (sc->at_word != NULL)
        read_words(sc->at_word + k * rg_words_n(sc->words), sc->words, logits, log_z);
}

void rg__job_score(job *j, size_t i, const float *logits, sampler_scratch *s)
{
    const local_lm *lm = j->group->lm;
    rg_score *sc = j->score;
    const bool token = i >= sc->first && i < sc->n;
    size_t k;
    if (token && sc->on_logits != NULL)
        sc->on_logits(sc->arg, i, logits, lm->n_vocab);
    if (sc->logp == NULL && sc->top == NULL && sc->named_logp == NULL && sc->n_at == 0)
        return;
    const double log_z = rg__log_z(lm->k, s, logits, lm->n_vocab);
    if (token)
        score_token(sc, i, lm, logits, log_z, s);
    if (rg__score_wants_value(sc, i, &k))
        score_at(sc, k, logits, log_z);
}
