/* source.c - from what the user wrote after -m to the path to open.  Nothing here uses the
 * network or writes. */
#include "source_int.h"

#include "rung/base/file.h"
#include "rung/base/mem.h"
#include "rung/base/opt.h"

/* ORG/NAME[@rev][:quant] -> three strings; an absent one is empty. */
static void split_reference(rg_str given, rg_str *repo, rg_str *rev, rg_str *quant)
{
    const size_t colon = rg_str_rfind(given, rg_str_of(":"));
    *repo = given;
    *rev = *quant = rg_str_of("");
    if (colon != SIZE_MAX) {
        *quant = rg_str_n(given.p + colon + 1, given.n - colon - 1);
        *repo = rg_str_n(given.p, colon);
    }
    const size_t at = rg_str_find(*repo, rg_str_of("@"));
    if (at != SIZE_MAX) {
        *rev = rg_str_n(repo->p + at + 1, repo->n - at - 1);
        *repo = rg_str_n(repo->p, at);
    }
}

static rg_status find_reference(char **path, const char *given, rg_err *e)
{
    rg_str repo, rev, quant;
    split_reference(rg_str_of(given), &repo, &rev, &quant);
    const rg_status s = rg__hub_find(path, repo, rev, NULL, quant, e);
    rg_err_prefix(e, "there is no file %.200s", given);
    return s;
}

/* The names a user may have meant: all known ones, then all stored ones. */
static rg_status fail_unknown(const char *given, rg_err *e)
{
    const rg_known_model *known;
    rg_stored_model *stored = NULL;
    size_t n_stored = 0;
    const size_t n_known = rg_known_models(&known);
    rg_buf near = RG_BUF_MAX(512);

    RG_TRY(rg_stored_models(&stored, &n_stored, e));
    const char **names = rg_calloc(n_known + n_stored, sizeof *names);
    if (names) {
        for (size_t i = 0; i < n_known; i++)
            names[i] = known[i].name;
        for (size_t i = 0; i < n_stored; i++)
            names[n_known + i] = stored[i].name;
        rg_nearest(&near, given, names, n_known + n_stored);
    }
    rg_free(names);
    rg_stored_models_free(stored, n_stored);
    const rg_str near_text = rg_buf_view(&near);
    rg_err_set(e, RG_EARG, __FILE__, __LINE__,
               "there is no file and no model \"%.200s\"%s%.*s: `rung model ls` lists the names, "
               "`rung model pull NAME` gets one",
               given, near_text.n ? "; nearest: " : "", (int)near_text.n, near_text.n ? near_text.p : "");
    rg_buf_free(&near);
    return RG_EARG;
}

rg_status rg_model_resolve(char **path, const char *given, rg_err *e)
{
    *path = NULL;
    if (!given || !*given)
        given = rg_known_model_default()->name;
    if (rg_path_exists(given))
        return rg__text(path, e, "%s", given);
    if (strchr(given, '/'))
        return find_reference(path, given, e);
    if (!rg__name_is_plain(rg_str_of(given)))
        return fail_unknown(given, e);

    RG_TRY(rg__stored_path(path, given, e));
    if (*path != NULL)
        return RG_OK;
    if (rg_known_model_find(given))
        RG_FAIL(e, RG_EARG, "model %s is not on this machine yet: `rung model pull %s` gets it", given,
                given);
    return fail_unknown(given, e);
}
