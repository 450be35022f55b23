#include "rung/lm/measure.h"

#include <math.h>
#include <string.h>

#include "rung/base/mem.h"

#include "lm_int.h"

/* The chunks of a text, ready to be scored: (n, ctx) ids, the first of each a BOS if wanted. */
typedef struct chunks {
    int32_t *id;
    size_t n, ctx, first; /* first scored token of each */
} chunks;

static rg_status cut(chunks *c, const rg_lm *lm, const int32_t *id, size_t n, size_t ctx, size_t max,
                     rg_err *e)
{
    const rg_tokenizer *tok = rg_bundle_tokenizer(rg_lm_bundle(lm));
    c->ctx = ctx;
    c->first = ctx / 2 + 1;
    c->n = n / ctx;
    if (max > 0)
        c->n = RG_MIN(c->n, max);
    if (ctx < 8 || ctx > rg_lm_ctx(lm))
        RG_FAIL(e, RG_EARG, "chunks of %zu tokens: give -c between 8 and %zu", ctx, rg_lm_ctx(lm));
    if (c->n == 0)
        RG_FAIL(e, RG_EARG, "the text has %zu tokens, fewer than one chunk of %zu: lower -c", n, ctx);
    c->id = rg_alloc(c->n * ctx, sizeof *c->id);
    if (c->id == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu tokens", c->n * ctx);
    memcpy(c->id, id, c->n * ctx * sizeof *id);
    for (size_t i = 0; i < c->n && rg_token_adds_bos(tok); i++)
        c->id[i * ctx] = rg_token_bos(tok);
    return RG_OK;
}

typedef struct sums {
    double nll, nll2;
    size_t n;
} sums;

static void add(sums *s, double logp)
{
    s->nll -= logp;
    s->nll2 += logp * logp;
    s->n++;
}

static rg_ppl summary(const sums *s, size_t n_chunks)
{
    const double n = (double)s->n, mean = s->nll / n;
    const double var = s->n > 1 ? (s->nll2 / n - mean * mean) * n / (n - 1) : 0;
    const rg_ppl p = {
        .nll = mean, .ppl = exp(mean), .se = sqrt(var > 0 ? var / n : 0), .tokens = s->n, .chunks = n_chunks
    };
    return p;
}

rg_ppl rg_ppl_of(const float *logp, size_t n)
{
    sums s = { 0 };
    for (size_t i = 0; i < n; i++)
        if (!isnan(logp[i]))
            add(&s, (double)logp[i]);
    return summary(&s, 1);
}

static void progress(const rg_call *call, size_t done, size_t total)
{
    const rg_event ev = { .kind = RG_EV_PROGRESS,
                          .room = "lm",
                          .subject = rg_str_of("chunks"),
                          .value = (double)done,
                          .total = (double)total };
    rg_call_emit(call, &ev);
}

/* ---- perplexity ---- */

enum { TOGETHER = 8 }; /* chunks scored in one call */

rg_status rg_perplexity(rg_ppl *out, rg_lm *lm, const int32_t *id, size_t n, size_t ctx, size_t max,
                        const rg_call *call, rg_err *e)
{
    chunks c;
    rg_status s = RG_OK;
    sums sum = { 0 };
    rg_score jobs[TOGETHER];
    RG_TRY(cut(&c, lm, id, n, ctx, max, e));
    rg_lm_node *root = rg_lm_root(lm);
    float *logp = rg_alloc(TOGETHER * ctx, sizeof *logp);
    if (root == NULL || logp == NULL)
        RG_FAIL_GO(s, done, e, RG_ENOMEM, "no memory to score %zu tokens", ctx);
    for (size_t at = 0; at < c.n; at += TOGETHER) {
        const size_t some = RG_MIN(c.n - at, (size_t)TOGETHER);
        for (size_t i = 0; i < some; i++)
            jobs[i] = (rg_score){
                .from = root, .id = c.id + (at + i) * ctx, .n = ctx, .first = c.first, .logp = logp + i * ctx
            };
        RG_GO(s, done, rg_lm_score(lm, jobs, some, call, e));
        for (size_t i = 0; i < some; i++)
            for (size_t t = c.first; t < ctx; t++)
                add(&sum, (double)logp[i * ctx + t]);
        progress(call, at + some, c.n);
    }
    *out = summary(&sum, c.n);
done:
    rg_lm_release(root);
    rg_free(logp);
    rg_free(c.id);
    return s;
}

/* ---- Kullback-Leibler ---- */

typedef struct kl_state {
    const rg_kernels *k;
    const int32_t *id;
    float *p; /* (ctx, V): the exact path's log-probabilities */
    size_t V;
    double kl, max;
    size_t same, n;
    sums sp, sq;
    sampler_scratch scratch;
} kl_state;

static void keep_exact(void *arg, size_t i, const float *logits, size_t V)
{
    kl_state *s = arg;
    const double z = rg__log_z(s->k, &s->scratch, logits, V);
    float *p = s->p + i * V;
    for (size_t v = 0; v < V; v++)
        p[v] = (float)((double)logits[v] - z);
    add(&s->sp, (double)p[s->id[i]]);
}

static void against_fast(void *arg, size_t i, const float *logits, size_t V)
{
    kl_state *s = arg;
    const float *p = s->p + i * V;
    const double z = rg__log_z(s->k, &s->scratch, logits, V);
    double kl = 0;
    size_t top_p, top_q;
    for (size_t v = 0; v < V; v++)
        kl += exp((double)p[v]) * ((double)p[v] - ((double)logits[v] - z));
    s->k->max(p, V, &top_p);
    s->k->max(logits, V, &top_q);
    s->same += top_p == top_q;
    s->kl += kl;
    s->max = kl > s->max ? kl : s->max;
    s->n++;
    add(&s->sq, (double)logits[s->id[i]] - z);
}

static rg_status kl_chunk(kl_state *s, rg_lm *exact, rg_lm *fast, const chunks *c, size_t at,
                          const rg_call *call, rg_err *e)
{
    rg_lm *const lm[2] = { exact, fast };
    s->id = c->id + at * c->ctx;
    for (int i = 0; i < 2; i++) {
        rg_lm_node *root = rg_lm_root(lm[i]);
        if (root == NULL)
            RG_FAIL(e, RG_ENOMEM, "no memory for a sequence");
        rg_score one = { .from = root,
                         .id = s->id,
                         .n = c->ctx,
                         .first = c->first,
                         .arg = s,
                         .on_logits = i == 0 ? keep_exact : against_fast };
        const rg_status st = rg_lm_score(lm[i], &one, 1, call, e);
        rg_lm_release(root);
        RG_TRY(st);
    }
    return RG_OK;
}

rg_status rg_kl_divergence(rg_kl *out, rg_lm *exact, rg_lm *fast, const int32_t *id, size_t n, size_t ctx,
                           size_t max, const rg_call *call, rg_err *e)
{
    chunks c;
    kl_state st = { .k = local_of(exact)->k, .V = local_of(exact)->n_vocab };
    rg_status s = RG_OK;
    RG_TRY(cut(&c, exact, id, n, ctx, max, e));
    RG_GO(s, done, rg__scratch_init(&st.scratch, st.V, 1, e));
    st.p = rg_alloc_aligned(ctx * st.V * sizeof *st.p);
    if (st.p == NULL)
        RG_FAIL_GO(s, done, e, RG_ENOMEM, "no memory for %zu distributions", ctx);
    for (size_t i = 0; i < c.n; i++) {
        RG_GO(s, done, kl_chunk(&st, exact, fast, &c, i, call, e));
        progress(call, i + 1, c.n);
    }
    *out = (rg_kl){ .mean = st.kl / (double)st.n,
                    .max = st.max,
                    .same_top = (double)st.same / (double)st.n,
                    .p = summary(&st.sp, c.n),
                    .q = summary(&st.sq, c.n) };
done:
    rg_free_aligned(st.p, ctx * st.V * sizeof *st.p);
    rg__scratch_free(&st.scratch);
    rg_free(c.id);
    return s;
}
