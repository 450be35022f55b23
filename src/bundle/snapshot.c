/* snapshot.c - choosing the model's files in a snapshot of the hub cache, and checking that they are
 * all there.  A link that leads out of the cache is refused: an entry must not make us read
 * somebody's private file. */
#include "snapshot_int.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>

#include "files_int.h"
#include "rung/base/file.h"
#include "rung/base/mem.h"
#include "rung/format/json.h"

enum { MAX_NAMES = 65536, MAX_TREE_BYTES = 64 << 20, MAX_SHARDS = 99999 };

/* ---- what lies there ---- */

static rg_status add_name(rg__snapshot *x, const char *folder, const char *entry, rg_err *e)
{
    if (x->n == MAX_NAMES)
        RG_FAIL(e, RG_EARG, "%s holds more than %d files", x->dir, MAX_NAMES);
    char **more = rg_realloc(x->name, x->n + 1, sizeof *more);
    if (more == NULL)
        RG_FAIL(e, RG_ENOMEM, "out of memory for %zu names", x->n + 1);
    x->name = more;
    RG_TRY(rg__text(&x->name[x->n], e, "%s%s%s", folder, folder[0] ? "/" : "", entry));
    x->n++;
    return RG_OK;
}

/* The files of dir/folder, and of its folders when it is dir itself. */
static rg_status list(rg__snapshot *x, const char *folder, rg_err *e)
{
    char *path = NULL;
    RG_TRY(rg__text(&path, e, "%s%s%s", x->dir, folder[0] ? "/" : "", folder));
    DIR *d = opendir(path);
    rg_status s = RG_OK;
    for (struct dirent *at; d != NULL && s == RG_OK && (at = readdir(d)) != NULL;) {
        struct stat st;
        if (at->d_name[0] == '.' || fstatat(dirfd(d), at->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        if (!S_ISDIR(st.st_mode))
            s = add_name(x, folder, at->d_name, e);
        else if (folder[0] == '\0')
            s = list(x, at->d_name, e); /* one folder deep: this does not come here again */
    }
    if (d != NULL)
        closedir(d);
    rg_free(path);
    return s;
}

/* A listing that is absent, damaged or of a later form says nothing. */
static rg_status read_tree(rg__snapshot *x, const char *repo_dir, const char *commit, rg_err *e)
{
    char *path = NULL, *text = NULL;
    size_t n = 0;
    json_t *whole = NULL;
    RG_TRY(rg__text(&path, e, "%s/trees/%s.json", repo_dir, commit));
    rg_status s = rg_path_exists(path) ? rg_read_all(&text, &n, path, MAX_TREE_BYTES, NULL) : RG_EIO;
    rg_free(path);
    if (s == RG_OK)
        s = rg_json_parse(&whole, rg_str_n(text, n), FILES_MAX_VALUES, "the listing", NULL);
    rg_free(text);
    if (s == RG_OK && json_integer_value(json_object_get(whole, "format_version")) == 1 &&
        json_is_object(json_object_get(whole, "files")))
        x->tree = json_incref(json_object_get(whole, "files"));
    json_decref(whole);
    if (s == RG_ENOMEM)
        RG_FAIL(e, s, "out of memory for the listing of a snapshot");
    return RG_OK;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

rg_status rg__snapshot_open(rg__snapshot *x, const char *repo_dir, const char *commit, rg_err *e)
{
    RG_TRY(rg__text(&x->dir, e, "%s/snapshots/%s", repo_dir, commit));
    if (!rg_path_is_dir(x->dir))
        RG_FAIL(e, RG_EARG, "the hub cache has no snapshot %s", x->dir);
    RG_TRY(list(x, "", e));
    if (x->n > 1)
        qsort(x->name, x->n, sizeof *x->name, by_text);
    return read_tree(x, repo_dir, commit, e);
}

void rg__snapshot_close(rg__snapshot *x)
{
    for (size_t i = 0; i < x->n; i++)
        rg_free(x->name[i]);
    rg_free(x->name);
    rg_free(x->dir);
    json_decref(x->tree);
}

/* ---- is it all there? ---- */

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

/* Bytes that the listing gives a file; false when it does not say. */
static bool listed_bytes(const rg__snapshot *x, const char *name, uint64_t *bytes)
{
    const json_t *f = json_object_get(x->tree, name);
    const json_t *size = json_object_get(f, "lfs_size");
    if (!json_is_integer(size))
        size = json_object_get(f, "size");
    if (!json_is_integer(size) || json_integer_value(size) < 0)
        return false;
    *bytes = (uint64_t)json_integer_value(size);
    return true;
}

/* Puts into `missing` (of which a message holds 700 bytes) what is wrong with a needed file; fails
 * only on one that is not the cache's own. */
static rg_status need_file(rg_buf *missing, const rg__snapshot *x, const char *name, rg_err *e)
{
    const char *comma = missing->n > 0 ? ", " : "";
    char *path = NULL;
    uint64_t want;
    rg_status s = RG_OK;
    if (missing->n > 700)
        return RG_OK;
    RG_TRY(rg__text(&path, e, "%s/%s", x->dir, name));
    const uint64_t have = rg__file_bytes(path);
    if (!rg_path_exists(path))
        rg_buf_printf(missing, "%s%s", comma, name);
    else
        s = check_inside(x->root, path, e);
    if (s == RG_OK && rg_path_exists(path) && listed_bytes(x, name, &want) && have != want)
        rg_buf_printf(missing, "%s%s (%llu of %llu bytes)", comma, name, (unsigned long long)have,
                      (unsigned long long)want);
    rg_free(path);
    return s;
}

static rg_status complete(const rg_buf *missing, const rg__snapshot *x, rg_err *e)
{
    RG_TRY(rg_buf_check(missing, "a list of names", e));
    if (missing->n > 0)
        RG_FAIL(e, RG_EARG, "the snapshot %s is not complete, it lacks %s: download it again", x->dir,
                missing->p);
    return RG_OK;
}

/* ---- GGUF files ---- */

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

/* "...-00001-of-00003.gguf": where its number begins; NULL for a file that is whole. */
static const char *shard_number(const char *name)
{
    enum { TAIL = 19 }; /* 00001-of-00003.gguf */
    const size_t n = strlen(name);
    if (n <= TAIL || name[n - TAIL - 1] != '-' || strncmp(name + n - TAIL + 5, "-of-", 4) != 0)
        return NULL;
    const char *p = name + n - TAIL;
    return strspn(p, "0123456789") == 5 && strspn(p + 9, "0123456789") == 5 ? p : NULL;
}

/* A file that -m may name: not a later shard, not the picture side of a model. */
static bool is_candidate(const char *name)
{
    const size_t n = strlen(name);
    const char *slash = strrchr(name, '/'), *file = slash == NULL ? name : slash + 1;
    const char *number = shard_number(name);
    return n > 5 && strcasecmp(name + n - 5, ".gguf") == 0 && strncasecmp(file, "mmproj", 6) != 0 &&
           (number == NULL || strncmp(number, "00001", 5) == 0);
}

static const char *pick_gguf(const rg__snapshot *x, rg_str quant)
{
    const char *first = NULL;
    const rg_str best = quant.n > 0 ? quant : rg_str_of("Q4_K_M");
    for (size_t i = 0; i < x->n; i++) {
        if (!is_candidate(x->name[i]))
            continue;
        if (has_quant(x->name[i], best))
            return x->name[i];
        if (first == NULL && quant.n == 0)
            first = x->name[i];
    }
    return first;
}

/* One that was not downloaded but is in the listing; NULL = none. */
static const char *pick_listed(const rg__snapshot *x, rg_str quant)
{
    const char *name;
    json_t *v;
    json_object_foreach(x->tree, name,
                        v) if (is_candidate(name) && (quant.n == 0 || has_quant(name, quant))) return name;
    return NULL;
}

static rg_status need_shards(rg_buf *missing, const rg__snapshot *x, const char *name, rg_err *e)
{
    const char *number = shard_number(name);
    const long n = number == NULL ? 1 : strtol(number + 9, NULL, 10);
    if (number == NULL)
        return need_file(missing, x, name, e);
    for (long i = 1; i <= n && i <= MAX_SHARDS; i++) {
        char *one = NULL;
        RG_TRY(rg__text(&one, e, "%.*s%05ld%s", (int)(number - name), name, i, number + 5));
        const rg_status s = need_file(missing, x, one, e);
        rg_free(one);
        RG_TRY(s);
    }
    return RG_OK;
}

/* ---- a folder ---- */

static bool is_of_folder(const char *name)
{
    static const char *const texts[] = { "config.json",         "generation_config.json",
                                         "tokenizer.json",      "tokenizer_config.json",
                                         "chat_template.jinja", "model.safetensors.index.json" };
    for (size_t i = 0; i < RG_COUNT(texts); i++)
        if (strcmp(name, texts[i]) == 0)
            return true;
    return strncmp(name, "model", 5) == 0 && rg_str_ends(rg_str_of(name), ".safetensors") &&
           strchr(name, '/') == NULL;
}

/* Is there, or should there be, a config.json? */
static bool is_folder(const rg__snapshot *x)
{
    bool there = json_object_get(x->tree, "config.json") != NULL;
    for (size_t i = 0; i < x->n && !there; i++)
        there = strcmp(x->name[i], "config.json") == 0;
    return there;
}

/* What the listing says belongs to it; without one, what lies there. */
static rg_status need_folder(rg_buf *missing, const rg__snapshot *x, rg_err *e)
{
    const char *name;
    json_t *v;
    json_object_foreach(x->tree, name, v) if (is_of_folder(name)) RG_TRY(need_file(missing, x, name, e));
    for (size_t i = 0; i < x->n; i++)
        if (is_of_folder(x->name[i]) && json_object_get(x->tree, x->name[i]) == NULL)
            RG_TRY(need_file(missing, x, x->name[i], e));
    return RG_OK;
}

/* ---- the choice ---- */

rg_status rg__snapshot_choose(char **path, const rg__snapshot *x, const char *file, rg_str quant, rg_err *e)
{
    rg_buf missing = RG_BUF_MAX(8192);
    const char *name = file != NULL ? file : pick_gguf(x, quant);
    const bool folder = name == NULL && quant.n == 0 && is_folder(x);
    if (name == NULL && !folder)
        name = pick_listed(x, quant);
    if (name == NULL && !folder)
        RG_FAIL(e, RG_EARG, "%s holds no .gguf file%s%.*s", x->dir,
                quant.n ? " of quantisation " : ", and no config.json of a folder", (int)quant.n,
                quant.n ? quant.p : "");
    rg_status s = folder ? need_folder(&missing, x, e) : need_shards(&missing, x, name, e);
    if (s == RG_OK)
        s = complete(&missing, x, e);
    rg_buf_free(&missing);
    return s != RG_OK ? s : rg__text(path, e, "%s%s%s", x->dir, folder ? "" : "/", folder ? "" : name);
}
