#include "rung/lm/engine.h"

#include "rung/base/file.h"
#include "rung/base/mem.h"
#include "rung/bundle/source.h"

#include "engine_int.h"

enum { TEMPLATE_MAX = 1 << 20 };

static rg_status choose_isa(rg_isa *out, const char *name, rg_err *e)
{
    *out = rg_isa_best();
    if (name == NULL || name[0] == '\0')
        return RG_OK;
    if (!rg_isa_parse(out, name))
        RG_FAIL(e, RG_EARG, "kernel level %s is not one of ref, avx2, avx512", name);
    if (!rg_isa_available(*out))
        RG_FAIL(e, RG_EARG, "kernel level %s is not available on this machine (best: %s)", name,
                rg_isa_name(rg_isa_best()));
    return RG_OK;
}

static rg_status set_template(rg_bundle *b, const char *given, rg_err *e)
{
    if (given == NULL || given[0] == '\0')
        return RG_OK;
    const char *builtin = rg_template_builtin(given);
    if (builtin != NULL)
        return rg_bundle_set_template(b, rg_str_of(builtin), e);
    char *text;
    size_t n;
    RG_TRY(rg_read_all(&text, &n, given, TEMPLATE_MAX, e));
    const rg_status s = rg_bundle_set_template(b, rg_str_n(text, n), e);
    rg_free(text);
    return s;
}

/* Both can hold the same number of tokens. */
static void share_memory(rg_lm *a, rg_lm *b, size_t total)
{
    const double ta = (double)rg_lm_token_bytes(a), tb = (double)rg_lm_token_bytes(b);
    const size_t of_a = (size_t)((double)total * (ta / (ta + tb)));
    rg_lm_set_kv_bytes(a, of_a);
    rg_lm_set_kv_bytes(b, total - of_a);
}

static rg_status open_lm(rg_engine *x, const rg_engine_opt *o, rg_err *e)
{
    rg_lm_opt lo = o->lm;
    size_t total = 0;
    if (o->beside != NULL) {
        total = rg_lm_kv_bytes(o->beside->lm);
        if (o->lm.kv_bytes == 0) {
            const uint64_t half = rg_memory_available() / 2; /* this model's weights are in by now */
            total = half == 0 ? total : RG_MIN(total, (size_t)half);
        }
        lo.kv_bytes = total;
    }
    RG_TRY(rg_lm_open_local(&x->lm, x->b, &x->k, x->pool, &lo, e));
    if (o->beside != NULL)
        share_memory(o->beside->lm, x->lm, total);
    return RG_OK;
}

static rg_status open_pool(rg_engine *x, const rg_engine_opt *o, rg_err *e)
{
    rg_isa isa;
    if (o->beside != NULL) {
        x->k = o->beside->k;
        x->pool = o->beside->pool;
        return RG_OK;
    }
    RG_TRY(choose_isa(&isa, o->cpu, e));
    rg_kernels_init(&x->k, isa);
    x->own_pool = true;
    return rg_pool_new(&x->pool, o->threads, e);
}

rg_status rg_engine_open(rg_engine **out, const rg_engine_opt *o, const rg_call *call, rg_err *e)
{
    rg_status s = RG_OK;
    char *path = NULL;
    *out = NULL;
    rg_engine *x = rg_calloc(1, sizeof *x);
    if (x == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for the engine");
    RG_GO(s, done, open_pool(x, o, e));
    RG_GO(s, done, rg_model_resolve(&path, o->model, e));
    RG_GO(s, done, rg_bundle_open(&x->b, path, x->pool, call, e));
    if (o->lm.lock)
        RG_GO(s, done, rg_bundle_lock(x->b, e));
    RG_GO(s, done, set_template(x->b, o->chat_template, e));
    RG_GO(s, done, open_lm(x, o, e));
    *out = x;
done:
    rg_free(path);
    if (s != RG_OK)
        rg_engine_close(x);
    return s;
}

void rg_engine_close(rg_engine *x)
{
    if (x == NULL)
        return;
    rg_lm_close(x->lm);
    rg_bundle_close(x->b);
    if (x->own_pool)
        rg_pool_free(x->pool);
    rg_free(x);
}

rg_lm *rg_engine_lm(const rg_engine *x)
{
    return x->lm;
}

const rg_bundle *rg_engine_bundle(const rg_engine *x)
{
    return x->b;
}

rg_status rg_engine_second(rg_lm **out, rg_engine *x, const rg_lm_opt *o, rg_err *e)
{
    return rg_lm_open_local(out, x->b, &x->k, x->pool, o, e);
}

void rg_engine_describe(const rg_engine *x, rg_buf *b)
{
    const size_t n = rg_pool_threads(x->pool);
    rg_buf_printf(b, "%s, %zu thread%s", x->k.name, n, n == 1 ? "" : "s");
}

rg_status rg_engine_open_text(rg_bundle **out, const char *model, const char *chat_template, rg_err *e)
{
    char *path;
    *out = NULL;
    RG_TRY(rg_model_resolve(&path, model, e));
    rg_bundle *b;
    rg_status s = rg_bundle_open_text(&b, path, e);
    rg_free(path);
    if (s == RG_OK)
        s = set_template(b, chat_template, e);
    if (s == RG_OK)
        *out = b;
    else
        rg_bundle_close(b);
    return s;
}
