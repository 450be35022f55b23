/* hub.c - look up a file in the hub cache that other programs keep; it is only read.
 *
 *     ROOT/models--ORG--NAME/refs/main            holds a commit id
 *                            snapshots/<commit>/FILE   a link into ../../blobs, or the file
 *
 * ROOT is HF_HUB_CACHE, else HF_HOME/hub, else ~/.cache/huggingface/hub.  A link that leads out
 * of ROOT is refused: a cache entry must not make us read somebody's private file.
 * Source: huggingface_hub, guide "Manage your cache". */
#include "source_int.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>

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

/* A regular file that, with every link followed, lies under root. */
static rg_status check_inside(const char *root, const char *path, rg_err *e)
{
    char real_root[PATH_MAX], real[PATH_MAX];
    struct stat st;

    if (!realpath(root, real_root))
        RG_FAIL(e, RG_EARG, "there is no hub cache at %s", root);
    if (!realpath(path, real) || stat(real, &st) != 0)
        RG_FAIL(e, RG_EARG, "%s is not in the hub cache (%s)", path, strerror(errno));
    const size_t n = strlen(real_root);
    if (strncmp(real, real_root, n) != 0 || real[n] != '/')
        RG_FAIL(e, RG_EARG, "%s leads out of the hub cache, to %s: refused", path, real);
    if (!S_ISREG(st.st_mode))
        RG_FAIL(e, RG_EARG, "%s is not a regular file", path);
    return RG_OK;
}

/* Does the name hold the quantisation as a word?  Q4_K is not in "x-q4_k_m.gguf". */
static bool has_quant(const char *name, rg_str quant)
{
    const size_t n = strlen(name);
    for (size_t i = 0; quant.n > 0 && i + quant.n <= n; i++) {
        const bool starts = i == 0 || !isalnum((unsigned char)name[i - 1]);
        const char after = name[i + quant.n];
        if (starts && strncasecmp(name + i, quant.p, quant.n) == 0 && !isalnum((unsigned char)after) &&
            after != '_')
            return true;
    }
    return false;
}

/* Is b the better find?  A preferred quantisation first, then the name. */
static bool is_better(const char *best, const char *b, bool any)
{
    if (!best)
        return true;
    if (any && has_quant(best, rg_str_of("Q4_K_M")) != has_quant(b, rg_str_of("Q4_K_M")))
        return has_quant(b, rg_str_of("Q4_K_M"));
    return strcmp(b, best) < 0;
}

static rg_status pick_gguf(char **name, const char *snapshot, rg_str quant, rg_err *e)
{
    DIR *d = opendir(snapshot);
    *name = NULL;
    if (!d)
        RG_FAIL(e, RG_EARG, "the hub cache has no snapshot %s", snapshot);
    rg_status s = RG_OK;
    for (struct dirent *at; s == RG_OK && (at = readdir(d)) != NULL;) {
        const size_t n = strlen(at->d_name);
        if (n < 6 || strcasecmp(at->d_name + n - 5, ".gguf") != 0 ||
            (quant.n > 0 && !has_quant(at->d_name, quant)) || !is_better(*name, at->d_name, quant.n == 0))
            continue;
        rg_free(*name);
        *name = rg_strdup(at->d_name);
        if (!*name)
            s = rg_err_set(e, RG_ENOMEM, __FILE__, __LINE__, "out of memory for a file name");
    }
    closedir(d);
    if (s == RG_OK && !*name)
        RG_FAIL(e, RG_EARG, "%s holds no .gguf file%s%.*s", snapshot, quant.n ? " of quantisation " : "",
                (int)quant.n, quant.n ? quant.p : "");
    return s;
}

static rg_status find_in(char **path, const char *root, const char *repo_dir, rg_str rev, const char *file,
                         rg_str quant, rg_err *e)
{
    char commit[COMMIT_DIGITS + 1];
    char *snapshot = NULL, *picked = NULL;
    rg_status s;

    RG_TRY(read_commit(commit, repo_dir, rev, e));
    RG_TRY(rg__text(&snapshot, e, "%s/snapshots/%s", repo_dir, commit));
    if (!file)
        RG_GO(s, done, pick_gguf(&picked, snapshot, quant, e));
    if (picked && strstr(picked, "-00001-of-"))
        RG_FAIL_GO(s, done, e, RG_EARG, "%s is split into several files; only single files can be opened",
                   picked);
    RG_GO(s, done, rg__text(path, e, "%s/%s", snapshot, file ? file : picked));
    s = check_inside(root, *path, e);
done:
    rg_free(snapshot);
    rg_free(picked);
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
