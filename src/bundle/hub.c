/* hub.c - look up a model in the hub cache that other programs keep; it is only read.
 *
 *     ROOT/models--ORG--NAME/refs/main                 holds a commit id
 *                            snapshots/<commit>/FILE   a link into ../../blobs, or the file
 *                            trees/<commit>.json       what the snapshot should hold (may be absent)
 *
 * ROOT is HF_HUB_CACHE, else HF_HOME/hub, else ~/.cache/huggingface/hub.  What is chosen of a
 * snapshot, and whether it is whole, is snapshot.c's.
 * Source: huggingface_hub, guide "Manage your cache". */
#include "snapshot_int.h"

#include <ctype.h>
#include <stdlib.h>

#include "rung/base/file.h"
#include "rung/base/mem.h"

enum { COMMIT_DIGITS = 40 };

static rg_status hub_root(char **out, rg_err *e)
{
    const char *cache = getenv("HF_HUB_CACHE"), *hf = getenv("HF_HOME");
    const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (cache && *cache)
        return rg__text(out, e, "%s", cache);
    if (hf && *hf)
        return rg__text(out, e, "%s/hub", hf);
    if (xdg && *xdg)
        return rg__text(out, e, "%s/huggingface/hub", xdg);
    if (home && *home)
        return rg__text(out, e, "%s/.cache/huggingface/hub", home);
    *out = NULL;
    RG_FAIL(e, RG_EARG, "HOME is not set, so there is no hub cache to look into");
}

static bool is_commit(rg_str s)
{
    if (s.n != COMMIT_DIGITS)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!isxdigit((unsigned char)s.p[i]))
            return false;
    return true;
}

/* "refs/<rev>" gives the commit; a commit id stands for itself. */
static rg_status read_commit(char commit[COMMIT_DIGITS + 1], const char *repo_dir, rg_str rev, rg_err *e)
{
    char *path = NULL, *text = NULL;
    size_t n = 0;
    rg_str id = rev;

    if (!is_commit(rev)) {
        RG_TRY(rg__text(&path, e, "%s/refs/%.*s", repo_dir, (int)rev.n, rev.p));
        const rg_status s = rg_read_all(&text, &n, path, 256, NULL);
        rg_free(path);
        if (s == RG_ENOMEM)
            RG_FAIL(e, s, "out of memory for a commit id");
        if (s != RG_OK)
            RG_FAIL(e, RG_EARG, "%s has no revision %.*s", repo_dir, (int)rev.n, rev.p);
        id = rg_str_trim(rg_str_n(text, n));
    }
    const bool good = is_commit(id);
    if (good) {
        memcpy(commit, id.p, COMMIT_DIGITS);
        commit[COMMIT_DIGITS] = 0;
    }
    rg_free(text);
    if (!good)
        RG_FAIL(e, RG_EARG, "%s/refs/%.*s does not hold a commit id", repo_dir, (int)rev.n, rev.p);
    return RG_OK;
}

static rg_status find_in(char **path, const char *root, const char *repo_dir, rg_str rev, const char *file,
                         rg_str quant, rg_err *e)
{
    char commit[COMMIT_DIGITS + 1];
    rg__snapshot x = { .root = root };
    RG_TRY(read_commit(commit, repo_dir, rev, e));
    rg_status s = rg__snapshot_open(&x, repo_dir, commit, e);
    if (s == RG_OK)
        s = rg__snapshot_choose(path, &x, file, quant, e);
    rg__snapshot_close(&x);
    return s;
}

rg_status rg__hub_find(char **path, rg_str repo, rg_str rev, const char *file, rg_str quant, rg_err *e)
{
    const size_t slash = rg_str_find(repo, rg_str_of("/"));
    char *root = NULL, *repo_dir = NULL;
    rg_status s;

    *path = NULL;
    if (rev.n == 0)
        rev = rg_str_of("main");
    if (slash == SIZE_MAX)
        RG_FAIL(e, RG_EARG, "\"%.*s\" is not of the form ORG/NAME", (int)repo.n, repo.p);
    const rg_str org = rg_str_n(repo.p, slash), name = rg_str_n(repo.p + slash + 1, repo.n - slash - 1);
    if (!rg__name_is_plain(org) || !rg__name_is_plain(name) || !rg__name_is_plain(rev))
        RG_FAIL(e, RG_EARG, "\"%.*s\" is not of the form ORG/NAME[@rev][:quant]", (int)repo.n, repo.p);

    RG_TRY(hub_root(&root, e));
    RG_GO(s, done,
          rg__text(&repo_dir, e, "%s/models--%.*s--%.*s", root, (int)org.n, org.p, (int)name.n, name.p));
    if (!rg_path_is_dir(repo_dir))
        RG_FAIL_GO(s, done, e, RG_EARG, "%.*s is not in the hub cache %s", (int)repo.n, repo.p, root);
    s = find_in(path, root, repo_dir, rev, file, quant, e);
done:
    if (s != RG_OK) {
        rg_free(*path);
        *path = NULL;
    }
    rg_free(root);
    rg_free(repo_dir);
    return s;
}
