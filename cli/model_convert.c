/* model_convert.c - `rung model convert` and `rung model quantize`: a model in another form, or
 * in fewer bits. */
#include "check_kl.h"
#include "model.h"

#include <string.h>

#include "rung/base/mem.h"
#include "rung/bundle/convert.h"
#include "rung/bundle/source.h"

typedef struct opts {
    const char *type, *importance, *kl;
    int64_t threads;
    bool force, dry_run;
    cli_kl measure;
} opts;

#define THREADS                                                                                              \
    {                                                                                                        \
        "threads", "t", RG_OPT_INT, offsetof(opts, threads), "0", 0, 1024, NULL, "N",                        \
            "threads; 0 = all there are"                                                                     \
    }
#define FORCE                                                                                                \
    {                                                                                                        \
        "force", "y,yes", RG_OPT_FLAG, offsetof(opts, force), NULL, 0, 0, NULL, NULL,                        \
            "replace an existing file"                                                                       \
    }
#define DRY_RUN                                                                                              \
    {                                                                                                        \
        "dry-run", NULL, RG_OPT_FLAG, offsetof(opts, dry_run), NULL, 0, 0, NULL, NULL,                       \
            "print sizes, write nothing"                                                                     \
    }

static const rg_opt convert_table[] = {
    { "type", NULL, RG_OPT_STR, offsetof(opts, type), NULL, 0, 0, NULL, "TYPE",
      "how numbers are stored: F16, BF16, F32, or for a .gguf any type of `model quantize`; "
      "default: as in the source" },
    THREADS,
    FORCE,
    DRY_RUN,
    { 0 },
};

static const rg_opt quantize_table[] = {
    { "importance", "imatrix", RG_OPT_STR, offsetof(opts, importance), NULL, 0, 0, NULL, "FILE",
      "weigh errors by this file of llama-imatrix" },
    { "kl", NULL, RG_OPT_STR, offsetof(opts, kl), NULL, 0, 0, NULL, "TEXT",
      "measure the KL divergence from the source on this text" },
    { "chunks", NULL, RG_OPT_INT, offsetof(opts, measure.chunks), "8", 1, 1 << 20, NULL, "N",
      "chunks of --ctx-size tokens for --kl" },
    { "ctx-size", "c", RG_OPT_INT, offsetof(opts, measure.ctx), "512", 8, 1 << 20, NULL, "N",
      "tokens in a chunk" },
    THREADS,
    FORCE,
    DRY_RUN,
    { 0 },
};

static rg_status find_mix(const rg_mix **out, const char *name, rg_err *e)
{
    char names[512];
    *out = name ? rg_mix_find(name) : NULL;
    if (name == NULL || *out != NULL)
        return RG_OK;
    rg_mix_names(names, sizeof names);
    RG_FAIL(e, RG_EARG, "'%.40s' is not a type; types are %s", name, names);
}

static void put_text(rg_buf *b, const char *dst, const rg_convert_result *r, bool dry_run)
{
    rg_buf_printf(b, "%s%s: %.1f MB (%.1f MB before), %.3f bits per weight\n", dry_run ? "would write " : "",
                  dst, (double)r->bytes / 1e6, (double)r->source_bytes / 1e6, r->bits_per_weight);
    rg_buf_printf(b, "%zu tensors, %zu in another type than before", r->tensors, r->changed);
    if (r->fell_back)
        rg_buf_printf(b, "; %zu with rows that 256 does not divide are stored in a larger type",
                      r->fell_back);
    rg_buf_putc(b, '\n');
}

static void put_json(rg_buf *b, const char *dst, const rg_convert_result *r, bool dry_run)
{
    rg_buf_puts(b, "{\"path\":\"");
    rg_buf_json_escape(b, rg_str_of(dst));
    rg_buf_printf(
        b,
        "\",\"written\":%s,\"bytes\":%llu,\"source_bytes\":%llu,\"parameters\":%llu,"
        "\"bits_per_weight\":%.9g,\"tensors\":%zu,\"changed\":%zu,\"fell_back\":%zu,\"requantized\":%s",
        dry_run ? "false" : "true", (unsigned long long)r->bytes, (unsigned long long)r->source_bytes,
        (unsigned long long)r->parameters, r->bits_per_weight, r->tensors, r->changed, r->fell_back,
        r->requantized ? "true" : "false");
}

typedef struct job {
    const char *given; /* the source as the user wrote it */
    const char *dst;
    bool folder; /* dst becomes a folder */
    rg_convert_opt o;
} job;

static rg_status carry_out(rg_buf *out, const job *j, const opts *o, cli_args *a, rg_err *e)
{
    const rg_call call = cli_call(a);
    const bool json = a->common.json;
    rg_convert_result r;
    rg_pool *pool;
    char *src;
    RG_TRY(rg_model_resolve(&src, j->given, e));
    rg_status s = rg_pool_new(&pool, (size_t)o->threads, e);
    if (s == RG_OK) {
        s = j->folder ? rg_model_to_folder(&r, src, j->dst, &j->o, pool, &call, e)
                      : rg_model_to_gguf(&r, src, j->dst, &j->o, pool, &call, e);
        rg_pool_free(pool);
    }
    if (s == RG_OK)
        (json ? put_json : put_text)(out, j->dst, &r, o->dry_run);
    if (s == RG_OK && o->kl != NULL && !o->dry_run)
        s = cli_kl_of_files(out, json, src, j->dst, &o->measure, &call, e);
    rg_buf_puts(out, json ? "}\n" : "");
    rg_free(src);
    return s;
}

static int finish(cli_args *a, const job *j, const opts *o, rg_status s, rg_err *e)
{
    rg_buf out = RG_BUF_MAX(1 << 16);
    if (s == RG_OK)
        s = carry_out(&out, j, o, a, e);
    cli_view_end(&a->view);
    if (s == RG_OK)
        s = cli_print(&out, e);
    rg_buf_free(&out);
    return cli_close(a, s, e);
}

static bool names_gguf(const char *dst)
{
    return rg_str_ends(rg_str_of(dst), ".gguf");
}

int cli_model_convert(const rg_cmd *cmd, int argc, char **argv)
{
    opts o = { 0 };
    const rg_opt_group groups[] = { { "Convert", convert_table, &o } };
    cli_args a;
    rg_err e = RG_ERR_INIT;
    job j = { 0 };
    const int code = cli_open(&a, cmd, groups, 1, argc, argv);
    if (code >= 0)
        return code;
    rg_status s = cli_want_pos(&a, 2, 2, "SRC and DST", &e);
    if (s == RG_OK)
        s = find_mix(&j.o.mix, o.type, &e);
    if (s == RG_OK) {
        j.given = a.pos.item[0];
        j.dst = a.pos.item[1];
        j.folder = !names_gguf(j.dst);
        j.o.force = o.force;
        j.o.dry_run = o.dry_run;
    }
    return finish(&a, &j, &o, s, &e);
}

int cli_model_quantize(const rg_cmd *cmd, int argc, char **argv)
{
    opts o = { 0 };
    const rg_opt_group groups[] = { { "Quantize", quantize_table, &o } };
    cli_args a;
    rg_err e = RG_ERR_INIT;
    job j = { 0 };
    const int code = cli_open(&a, cmd, groups, 1, argc, argv);
    if (code >= 0)
        return code;
    rg_status s = cli_want_pos(&a, 3, 3, "SRC, DST.gguf and TYPE", &e);
    if (s == RG_OK)
        s = find_mix(&j.o.mix, a.pos.item[2], &e);
    if (s == RG_OK && !names_gguf(a.pos.item[1]))
        s = rg_err_set(&e, RG_EARG, __FILE__, __LINE__,
                       "quantised models are GGUF files: '%s' should end in .gguf", a.pos.item[1]);
    if (s == RG_OK) {
        j.given = a.pos.item[0];
        j.dst = a.pos.item[1];
        j.o.importance = o.importance;
        j.o.force = o.force;
        j.o.dry_run = o.dry_run;
        o.measure.file = o.kl;
        o.measure.threads = o.threads;
    }
    return finish(&a, &j, &o, s, &e);
}
