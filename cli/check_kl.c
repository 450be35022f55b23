#include "check_kl.h"

#include "rung/base/file.h"
#include "rung/base/mem.h"
#include "rung/lm/engine.h"
#include "rung/lm/measure.h"

enum { TEXT_MAX = 1 << 28, KV_BYTES = 256 << 20 };

static void put(rg_buf *b, bool json, const rg_kl *kl)
{
    if (json)
        rg_buf_printf(
            b,
            ",\"kl\":{\"mean\":%.9g,\"max\":%.9g,\"same_top\":%.9g,\"tokens\":%zu,\"ppl_exact\":%.9g,"
            "\"ppl_fast\":%.9g}",
            kl->mean, kl->max, kl->same_top, kl->p.tokens, kl->p.ppl, kl->q.ppl);
    else
        rg_buf_printf(b,
                      "KL of the fast path from the exact one: mean %.6f, largest %.4f nats over %zu tokens\n"
                      "likeliest token the same at %.2f %%; perplexity %.4f exact, %.4f fast (%+.3f %%)\n",
                      kl->mean, kl->max, kl->p.tokens, 100 * kl->same_top, kl->p.ppl, kl->q.ppl,
                      100 * (kl->q.ppl / kl->p.ppl - 1));
}

static rg_status measure(rg_kl *kl, rg_engine *x, const rg_lm_opt *fast_opt, rg_str text, const cli_kl *o,
                         const rg_call *call, rg_err *e)
{
    rg_lm *fast = NULL;
    rg_ids ids = { 0 };
    rg_status s = rg_engine_second(&fast, x, fast_opt, e);
    if (s == RG_OK)
        s = rg_tokenize(rg_bundle_tokenizer(rg_engine_bundle(x)), text, RG_SPECIAL_NONE, &ids, e);
    if (s == RG_OK)
        s = rg_kl_divergence(kl, rg_engine_lm(x), fast, ids.id, ids.n, (size_t)o->ctx, (size_t)o->chunks,
                             call, e);
    rg_ids_free(&ids);
    rg_lm_close(fast);
    return s;
}

rg_status cli_check_kl(rg_buf *out, bool json, const char *model, const cli_kl *o, const rg_call *call,
                       rg_err *e)
{
    rg_engine *x = NULL;
    char *text = NULL;
    size_t n = 0;
    rg_kl kl;
    if (o->file == NULL)
        RG_FAIL(e, RG_EARG, "--kl measures on a text: name one with -f FILE");
    RG_TRY(rg_read_all(&text, &n, o->file, TEXT_MAX, e));
    rg_engine_opt eo = { .model = model,
                         .cpu = o->cpu,
                         .threads = (size_t)o->threads,
                         .lm = { .exact = true, .kv_bytes = KV_BYTES } };
    rg_status s = rg_engine_open(&x, &eo, call, e);
    if (s == RG_OK) {
        eo.lm.exact = false;
        s = measure(&kl, x, &eo.lm, rg_str_n(text, n), o, call, e);
    }
    if (s == RG_OK)
        put(out, json, &kl);
    rg_engine_close(x);
    rg_free(text);
    return s;
}

/* ---- two files ---- */

static void put_files(rg_buf *b, bool json, const rg_kl *kl)
{
    if (json)
        rg_buf_printf(b,
                      ",\"kl\":{\"mean\":%.9g,\"max\":%.9g,\"same_top\":%.9g,\"tokens\":%zu,"
                      "\"ppl_source\":%.9g,\"ppl\":%.9g}",
                      kl->mean, kl->max, kl->same_top, kl->p.tokens, kl->p.ppl, kl->q.ppl);
    else
        rg_buf_printf(b,
                      "KL from the source: mean %.6f, largest %.4f nats over %zu tokens\n"
                      "likeliest token the same at %.2f %%; perplexity %.4f, source %.4f (%+.3f %%)\n",
                      kl->mean, kl->max, kl->p.tokens, 100 * kl->same_top, kl->q.ppl, kl->p.ppl,
                      100 * (kl->q.ppl / kl->p.ppl - 1));
}

static rg_status measure_files(rg_kl *kl, rg_engine *from, rg_engine *to, rg_str text, const cli_kl *o,
                               const rg_call *call, rg_err *e)
{
    rg_ids ids = { 0 };
    rg_status s = rg_tokenize(rg_bundle_tokenizer(rg_engine_bundle(from)), text, RG_SPECIAL_NONE, &ids, e);
    if (s == RG_OK)
        s = rg_kl_divergence(kl, rg_engine_lm(from), rg_engine_lm(to), ids.id, ids.n, (size_t)o->ctx,
                             (size_t)o->chunks, call, e);
    rg_ids_free(&ids);
    return s;
}

rg_status cli_kl_of_files(rg_buf *out, bool json, const char *from, const char *to, const cli_kl *o,
                          const rg_call *call, rg_err *e)
{
    rg_engine *a = NULL, *b = NULL;
    char *text = NULL;
    size_t n = 0;
    rg_kl kl;
    RG_TRY(rg_read_all(&text, &n, o->file, TEXT_MAX, e));
    rg_engine_opt eo = {
        .model = from, .cpu = o->cpu, .threads = (size_t)o->threads, .lm = { .kv_bytes = KV_BYTES }
    };
    rg_status s = rg_engine_open(&a, &eo, call, e);
    eo.model = to;
    if (s == RG_OK)
        s = rg_engine_open(&b, &eo, call, e);
    if (s == RG_OK)
        s = measure_files(&kl, a, b, rg_str_n(text, n), o, call, e);
    if (s == RG_OK)
        put_files(out, json, &kl);
    rg_engine_close(b);
    rg_engine_close(a);
    rg_free(text);
    return s;
}
