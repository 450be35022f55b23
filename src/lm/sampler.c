/* sampler.c - one token out of one row of logits.
 *
 * Never a full sort: without filters the draw walks sums of 1,024; with filters only the
 * candidates within a shrinking distance of the maximum are sorted.  All exps are the kernel
 * table's, so the draw is the same at every level. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rung/base/mem.h"

#include "lm_int.h"

enum { SUM_BLOCK = 1024 };          /* of exp_sums and doubt_sums */
static const double COLDEST = 1e-6; /* below it one over the temperature is no number to scale by */

struct by_logit {
    float logit;
    int32_t id;
};

rg_status rg__scratch_init(sampler_scratch *s, size_t n_vocab, size_t ctx, rg_err *e)
{
    s->work = rg_alloc(n_vocab, sizeof *s->work);
    s->sums = rg_alloc(3 * (n_vocab / SUM_BLOCK + 1), sizeof *s->sums);
    s->peaks = rg_alloc(n_vocab / SUM_BLOCK + 1, sizeof *s->peaks);
    s->idx = rg_alloc(n_vocab, sizeof *s->idx);
    s->weight = rg_alloc(n_vocab, sizeof *s->weight);
    s->sorted = rg_alloc(n_vocab, sizeof *s->sorted);
    s->history = rg_alloc(ctx, sizeof *s->history);
    if (s->work == NULL || s->sums == NULL || s->peaks == NULL || s->idx == NULL || s->weight == NULL ||
        s->sorted == NULL || s->history == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory to sample from %zu tokens", n_vocab);
    return RG_OK;
}

void rg__scratch_free(sampler_scratch *s)
{
    rg_free(s->work);
    rg_free(s->sums);
    rg_free(s->peaks);
    rg_free(s->idx);
    rg_free(s->weight);
    rg_free(s->sorted);
    rg_free(s->history);
}

static double total_of(const float *sums, size_t n_vocab)
{
    double total = 0;
    for (size_t i = 0; i * SUM_BLOCK < n_vocab; i++)
        total += (double)sums[i];
    return total;
}

double rg__log_z(const rg_kernels *k, sampler_scratch *s, const float *logits, size_t n_vocab)
{
    size_t at;
    const float max = k->max(logits, n_vocab, &at);
    k->exp_sums(s->sums, logits, n_vocab, max, 1.0f);
    return (double)max + log(total_of(s->sums, n_vocab));
}

/* ---- the whole vocabulary, no filters ---- */

static int32_t draw_all(const rg_kernels *k, sampler_scratch *s, const float *logits, size_t n_vocab,
                        float max, float scale, double u)
{
    k->exp_sums(s->sums, logits, n_vocab, max, scale);
    double left = u * total_of(s->sums, n_vocab);
    size_t block = 0, last = (n_vocab - 1) / SUM_BLOCK;
    while (block < last && left >= (double)s->sums[block])
        left -= (double)s->sums[block++];
    const size_t first = block * SUM_BLOCK, n = RG_MIN(n_vocab - first, (size_t)SUM_BLOCK);
    float e[SUM_BLOCK];
    k->exp_shift(e, logits + first, n, max, scale);
    size_t pick = 0;
    for (size_t i = 0; i < n; i++) {
        if (e[i] > 0)
            pick = i; /* rounding may leave a little over: the last possible one takes it */
        left -= (double)e[i];
        if (left < 0)
            break;
    }
    return (int32_t)(first + pick);
}

/* ---- sorted candidates ---- */

static int best_first(const void *pa, const void *pb)
{
    const struct by_logit *a = pa, *b = pb;
    if (a->logit != b->logit)
        return a->logit > b->logit ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

/* The `want` greatest logits at least (all with logit >= some bound), sorted best first, into
 * s->idx and s->weight (their logits).  Returns how many. */
static size_t sorted_at_least(const rg_kernels *k, sampler_scratch *s, const float *logits, size_t n_vocab,
                              float bound)
{
    const size_t n = k->at_least(s->idx, n_vocab, logits, n_vocab, bound);
    struct by_logit *c = s->sorted;
    for (size_t i = 0; i < n; i++)
        c[i] = (struct by_logit){ logits[s->idx[i]], s->idx[i] };
    qsort(c, n, sizeof *c, best_first);
    for (size_t i = 0; i < n; i++) {
        s->idx[i] = c[i].id;
        s->weight[i] = c[i].logit;
    }
    return n;
}

/* Distances from the maximum that are tried one after another; the last takes everything. */
static const float DISTANCE[] = { 4.0f, 8.0f, 16.0f, 32.0f, INFINITY };

static size_t top_n(const rg_kernels *k, sampler_scratch *s, const float *logits, size_t n_vocab, float max,
                    size_t n)
{
    n = RG_MIN(n, n_vocab);
    for (size_t d = 0; d < RG_COUNT(DISTANCE); d++)
        if (k->at_least(s->idx, 0, logits, n_vocab, max - DISTANCE[d]) >= n || d + 1 == RG_COUNT(DISTANCE))
            return RG_MIN(sorted_at_least(k, s, logits, n_vocab, max - DISTANCE[d]), n);
    return 0;
}

/* Sorted candidates that hold at least `mass` of the sum of exps over the whole vocabulary. */
static size_t with_mass(const rg_kernels *k, sampler_scratch *s, const float *logits, size_t n_vocab,
                        float max, double p)
{
    k->exp_sums(s->sums, logits, n_vocab, max, 1.0f);
    const double want = p * total_of(s->sums, n_vocab);
    for (size_t d = 0; d < RG_COUNT(DISTANCE); d++) {
        const size_t n = sorted_at_least(k, s, logits, n_vocab, max - DISTANCE[d]);
        double sum = 0;
        for (size_t i = 0; i < n; i++) {
            float w;
            k->exp_shift(&w, &s->weight[i], 1, max, 1.0f);
            sum += (double)w;
            if (sum >= want)
                return i + 1;
        }
        if (n == n_vocab || d + 1 == RG_COUNT(DISTANCE))
            return n;
    }
    return 0;
}

/* top-p among n sorted candidates, renormalised over them. */
static size_t cut_top_p(const rg_kernels *k, const sampler_scratch *s, size_t n, float max, double p)
{
    double total = 0, sum = 0;
    float w;
    for (size_t i = 0; i < n; i++) {
        k->exp_shift(&w, &s->weight[i], 1, max, 1.0f);
        total += (double)w;
    }
    for (size_t i = 0; i < n; i++) {
        k->exp_shift(&w, &s->weight[i], 1, max, 1.0f);
        sum += (double)w;
        if (sum >= p * total)
            return i + 1;
    }
    return n;
}

static size_t cut_min_p(const sampler_scratch *s, size_t n, float max, double min_p)
{
    const float bound = max + (float)log(min_p);
    while (n > 1 && s->weight[n - 1] < bound)
        n--;
    return n;
}

static int32_t draw_sorted(const rg_kernels *k, sampler_scratch *s, size_t n, float max, float scale,
                           double u)
{
    double total = 0;
    k->exp_shift(s->weight, s->weight, n, max, scale);
    for (size_t i = 0; i < n; i++)
        total += (double)s->weight[i];
    double left = u * total;
    for (size_t i = 0; i < n; i++) {
        left -= (double)s->weight[i];
        if (left < 0)
            return s->idx[i];
    }
    return s->idx[n - 1];
}

static int32_t draw_filtered(const rg_kernels *k, sampler_scratch *s, const float *logits, size_t n_vocab,
                             const rg_sampling *o, float max, double u)
{
    size_t n;
    if (o->top_k > 0 && (size_t)o->top_k < n_vocab) {
        n = top_n(k, s, logits, n_vocab, max, (size_t)o->top_k);
        if (o->top_p < 1)
            n = cut_top_p(k, s, n, max, o->top_p);
    } else if (o->top_p < 1) {
        n = with_mass(k, s, logits, n_vocab, max, o->top_p);
    } else {
        n = sorted_at_least(k, s, logits, n_vocab, max + (float)log(o->min_p));
    }
    if (o->min_p > 0)
        n = cut_min_p(s, n, max, o->min_p);
    return draw_sorted(k, s, RG_MAX(n, (size_t)1), max, (float)(1.0 / o->temp), u);
}

/* ---- penalties ---- */

static bool changes_logits(const rg_sampling *o)
{
    return o->n_bias > 0 || o->repeat_penalty != 1.0 || o->presence_penalty != 0.0 ||
           o->frequency_penalty != 0.0;
}

static int by_id(const void *a, const void *b)
{
    const int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return x < y ? -1 : x > y;
}

/* Keskar et al. 2019, "CTRL", section 4.1 (repeat); presence and frequency as in OpenAI's API. */
static void penalise(float *logits, size_t n_vocab, const rg_sampling *o, int32_t *history, size_t n)
{
    for (size_t i = 0; i < o->n_bias; i++)
        if (o->bias[i].id >= 0 && (size_t)o->bias[i].id < n_vocab)
            logits[o->bias[i].id] += o->bias[i].add;
    qsort(history, n, sizeof *history, by_id);
    for (size_t i = 0; i < n;) {
        size_t count = 1;
        while (i + count < n && history[i + count] == history[i])
            count++;
        float *l = &logits[history[i]];
        *l = *l > 0 ? (float)((double)*l / o->repeat_penalty) : (float)((double)*l * o->repeat_penalty);
        *l = (float)((double)*l - (double)count * o->frequency_penalty - o->presence_penalty);
        i += count;
    }
}

/* ---- entry points ---- */

int32_t rg__sample(const rg_kernels *k, sampler_scratch *s, const float *logits, size_t n_vocab,
                   const rg_sampling *o, const int32_t *history, size_t n_history, double u)
{
    if (changes_logits(o)) {
        memcpy(s->work, logits, n_vocab * sizeof *logits);
        if (n_history > 0)
            memcpy(s->history, history, n_history * sizeof *history);
        penalise(s->work, n_vocab, o, s->history, n_history);
        logits = s->work;
    }
    size_t at;
    const float max = k->max(logits, n_vocab, &at);
    if (o->temp < COLDEST)
        return (int32_t)at;
    const bool filters = (o->top_k > 0 && (size_t)o->top_k < n_vocab) || o->top_p < 1 || o->min_p > 0;
    return filters ? draw_filtered(k, s, logits, n_vocab, o, max, u)
                   : draw_all(k, s, logits, n_vocab, max, (float)(1.0 / o->temp), u);
}

void rg__top(const rg_kernels *k, sampler_scratch *s, const float *logits, size_t n_vocab, double log_z,
             size_t n, rg_logprob *out)
{
    size_t at;
    const float max = k->max(logits, n_vocab, &at);
    const size_t got = top_n(k, s, logits, n_vocab, max, n);
    for (size_t i = 0; i < n; i++)
        out[i] = i < got ? (rg_logprob){ s->idx[i], (float)((double)s->weight[i] - log_z) }
                         : (rg_logprob){ -1, -INFINITY };
}

/* ---- how sure it was ---- */

static double of_blocks(const float *sums, size_t which, size_t n_blocks)
{
    double total = 0;
    for (size_t i = 0; i < n_blocks; i++)
        total += (double)sums[3 * i + which];
    return total;
}

/* The RG_DOUBT_TOP-th greatest of n numbers, n at least as many. */
static float great_bound(const float *x, size_t n)
{
    float top[RG_DOUBT_TOP];
    size_t m = 0;
    for (size_t i = 0; i < n; i++) {
        if (m == RG_DOUBT_TOP && x[i] <= top[m - 1])
            continue;
        size_t at = m < RG_DOUBT_TOP ? m++ : m - 1;
        for (; at > 0 && top[at - 1] < x[i]; at--)
            top[at] = top[at - 1];
        top[at] = x[i];
    }
    return top[m - 1];
}

/* The greatest logits, best first, into s->weight: RG_DOUBT_TOP of them at least, where there are so
 * many.  As many blocks have a peak at or above the bound, so only these need a second look: one
 * block in seven of a vocabulary of 150,000. */
static size_t greatest(const rg_kernels *k, sampler_scratch *s, const float *logits, size_t n_vocab,
                       size_t n_blocks, float max)
{
    if (n_blocks < RG_DOUBT_TOP)
        return top_n(k, s, logits, n_vocab, max, RG_DOUBT_TOP);
    const float bound = great_bound(s->peaks, n_blocks);
    struct by_logit *c = s->sorted;
    size_t n = 0;
    for (size_t b = 0; b < n_blocks; b++) {
        const size_t first = b * SUM_BLOCK, len = RG_MIN(n_vocab - first, (size_t)SUM_BLOCK);
        const size_t got = s->peaks[b] < bound ? 0 : k->at_least(s->idx, len, logits + first, len, bound);
        for (size_t i = 0; i < got; i++, n++)
            c[n] = (struct by_logit){ logits[first + (size_t)s->idx[i]], (int32_t)first + s->idx[i] };
    }
    qsort(c, n, sizeof *c, best_first);
    for (size_t i = 0; i < RG_MIN(n, (size_t)RG_DOUBT_TOP); i++)
        s->weight[i] = c[i].logit;
    return RG_MIN(n, (size_t)RG_DOUBT_TOP);
}

/* With d = logit - max and S = sum exp d:  log p = d - log S. */
double rg__doubt(rg_doubt *out, const rg_kernels *k, sampler_scratch *s, const float *logits, size_t n_vocab)
{
    const size_t n_blocks = (n_vocab + SUM_BLOCK - 1) / SUM_BLOCK;
    float max = -INFINITY;
    for (size_t b = 0; b < n_blocks; b++) {
        size_t at;
        const size_t first = b * SUM_BLOCK;
        s->peaks[b] = k->max(logits + first, RG_MIN(n_vocab - first, (size_t)SUM_BLOCK), &at);
        max = s->peaks[b] > max ? s->peaks[b] : max;
    }
    k->doubt_sums(s->sums, logits, n_vocab, max);
    const double S = of_blocks(s->sums, 0, n_blocks), log_s = log(S), V = (double)n_vocab;
    const double entropy = log_s - of_blocks(s->sums, 1, n_blocks) / S;
    const double certainty = log_s - log(V) - of_blocks(s->sums, 2, n_blocks) / V;
    const size_t n = greatest(k, s, logits, n_vocab, n_blocks, max);
    double below = 0;
    for (size_t i = 0; i < n; i++)
        below += (double)max - (double)s->weight[i];
    const double second = n < 2 ? 0 : exp((double)s->weight[1] - (double)max);
    *out = (rg_doubt){ .entropy = (float)RG_MAX(entropy, 0.0),
                       .margin = (float)((1 - second) / S),
                       .certainty = (float)RG_MAX(certainty, 0.0),
                       .confidence = (float)(log_s + below / (double)n) };
    return (double)max + log_s;
}
