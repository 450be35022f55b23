/* port.c - the language-model port: each call goes to the implementation; what text asks for goes
 * through the bundle where the implementation speaks tokens. */
#include "rung/lm/port.h"

#include "rung/base/mem.h"

void rg_lm_close(rg_lm *lm)
{
    if (lm != NULL)
        lm->ops->close(lm);
}

const rg_bundle *rg_lm_bundle(const rg_lm *lm)
{
    return lm->bundle;
}

size_t rg_lm_ctx(const rg_lm *lm)
{
    return lm->ctx;
}

const char *rg_lm_name(const rg_lm *lm)
{
    return lm->name;
}

size_t rg_lm_n_values(const rg_lm *lm)
{
    return lm->n_values;
}

rg_status rg_lm_identity(char out[65], const rg_lm *lm, rg_err *e)
{
    return lm->ops->identity(out, lm, e);
}

size_t rg_lm_kv_bytes(const rg_lm *lm)
{
    return lm->ops->kv_bytes == NULL ? 0 : lm->ops->kv_bytes(lm);
}

void rg_lm_set_kv_bytes(rg_lm *lm, size_t bytes)
{
    if (lm->ops->set_kv_bytes != NULL)
        lm->ops->set_kv_bytes(lm, bytes);
}

size_t rg_lm_token_bytes(const rg_lm *lm)
{
    return lm->ops->token_bytes == NULL ? 0 : lm->ops->token_bytes(lm);
}

void rg_lm_get_stats(const rg_lm *lm, rg_lm_stats *out)
{
    *out = (rg_lm_stats){ 0 };
    if (lm->ops->stats != NULL)
        lm->ops->stats(lm, out);
}

double rg_lm_flops(const rg_lm *lm, size_t past, size_t n, size_t k)
{
    return lm->ops->flops == NULL ? 0 : lm->ops->flops(lm, past, n, k);
}

/* ---- nodes ---- */

rg_lm_node *rg_lm_root(rg_lm *lm)
{
    return lm->ops->root(lm);
}

rg_lm_node *rg_lm_retain(rg_lm_node *node)
{
    return node->lm->ops->retain(node);
}

void rg_lm_release(rg_lm_node *node)
{
    if (node != NULL)
        node->lm->ops->release(node);
}

size_t rg_lm_node_len(const rg_lm_node *node)
{
    return node->lm->ops->node_len(node);
}

uint64_t rg_lm_node_hash(const rg_lm_node *node)
{
    return node->lm->ops->node_hash(node);
}

static rg_status no_tokens(const rg_lm *lm, rg_err *e)
{
    RG_FAIL(e, RG_EARG,
            "%s is served elsewhere: its tokens are not known here, so only text can be given to it",
            lm->name);
}

rg_status rg_lm_extend(rg_lm_node **out, rg_lm_node *from, const int32_t *id, size_t n, rg_err *e)
{
    *out = NULL;
    return from->lm->ops->extend == NULL ? no_tokens(from->lm, e)
                                         : from->lm->ops->extend(out, from, id, n, e);
}

rg_status rg_lm_node_for(rg_lm_node **out, rg_lm *lm, rg_lm_node *near, const int32_t *id, size_t n,
                         rg_err *e)
{
    *out = NULL;
    return lm->ops->node_for == NULL ? no_tokens(lm, e) : lm->ops->node_for(out, lm, near, id, n, e);
}

/* ---- nodes by what they say ---- */

rg_status rg_lm_chat(rg_lm_node **out, rg_lm *lm, rg_lm_node *near, const json_t *messages,
                     const rg_chat_opt *o, rg_err *e)
{
    *out = NULL;
    if (lm->ops->chat != NULL)
        return lm->ops->chat(out, lm, near, messages, o, e);
    rg_ids ids = { 0 };
    rg_status s = rg_chat_ids(&ids, lm->bundle, messages, o, e);
    if (s == RG_OK)
        s = rg_lm_node_for(out, lm, near, ids.id, ids.n, e);
    rg_ids_free(&ids);
    return s;
}

rg_status rg_lm_chat_common(rg_lm_node **out, rg_lm *lm, rg_lm_node *near, const json_t *const *messages,
                            size_t n, const rg_chat_opt *o, rg_err *e)
{
    rg_ids common = { 0 }, ids = { 0 };
    rg_status s = RG_OK;
    *out = NULL;
    if (n < 2 || lm->ops->chat != NULL)
        return RG_OK;
    s = rg_chat_ids(&common, lm->bundle, messages[0], o, e);
    size_t len = s == RG_OK ? common.n : 0;
    for (size_t i = 1; i < n && s == RG_OK; i++) {
        size_t same = 0;
        ids.n = 0;
        s = rg_chat_ids(&ids, lm->bundle, messages[i], o, e);
        while (s == RG_OK && same < len && same < ids.n && common.id[same] == ids.id[same])
            same++;
        len = same;
    }
    if (s == RG_OK && len > 0)
        s = rg_lm_node_for(out, lm, near, common.id, len, e);
    rg_ids_free(&common);
    rg_ids_free(&ids);
    return s;
}

rg_status rg_lm_say(rg_lm_node **out, rg_lm_node *from, rg_str text, rg_err *e)
{
    const rg_lm *lm = from->lm;
    *out = NULL;
    if (lm->ops->say != NULL)
        return lm->ops->say(out, from, text, e);
    rg_ids ids = { 0 };
    rg_status s = rg_tokenize(rg_bundle_tokenizer(lm->bundle), text, RG_SPECIAL_NONE, &ids, e);
    if (s == RG_OK)
        s = rg_lm_extend(out, from, ids.id, ids.n, e);
    rg_ids_free(&ids);
    return s;
}

rg_status rg_lm_chat_on(rg_lm_node **out, rg_lm_node *node, const json_t *before, const json_t *after,
                        const rg_chat_opt *o, rg_err *e)
{
    rg_lm *lm = node->lm;
    rg_ids ids = { 0 };
    bool fits = false;
    *out = NULL;
    if (lm->ops->chat != NULL)
        return lm->ops->chat(out, lm, node, after, o, e);
    rg_status s = rg_chat_ids_on(&ids, &fits, lm->bundle, before, after, o, e);
    if (s == RG_OK)
        s = fits ? rg_lm_extend(out, node, ids.id, ids.n, e) : rg_lm_chat(out, lm, node, after, o, e);
    rg_ids_free(&ids);
    return s;
}

/* ---- calls ---- */

rg_status rg_lm_generate(rg_lm *lm, const rg_gen *jobs, size_t n, rg_on_gen on, void *arg,
                         const rg_call *call, rg_err *e)
{
    return n == 0 ? RG_OK : lm->ops->generate(lm, jobs, n, on, arg, call, e);
}

rg_status rg_lm_score(rg_lm *lm, rg_score *jobs, size_t n, const rg_call *call, rg_err *e)
{
    if (n == 0)
        return RG_OK;
    return lm->ops->score == NULL ? no_tokens(lm, e) : lm->ops->score(lm, jobs, n, call, e);
}
