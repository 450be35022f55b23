/* cmd_model.c - `rung model`: the models that are known, here, or given as a file. */
#include "check_kl.h"
#include "model.h"

#include <string.h>

#include "rung/base/file.h"
#include "rung/base/mem.h"
#include "rung/bundle/inspect.h"
#include "rung/bundle/source.h"
#include "rung/format/gguf.h"

enum { INFO_TOKENS = 4096 }; /* context of the memory that `info` predicts */

typedef struct sub {
    const char *name;
    int (*run)(const rg_cmd *cmd, int argc, char **argv);
    rg_cmd cmd;
} sub;

/* ---- pull ------------------------------------------------------------------------------- */

typedef struct pull_opts {
    const char *from;
} pull_opts;

static const rg_opt pull_table[] = {
    { "from", NULL, RG_OPT_STR, offsetof(pull_opts, from), NULL, 0, 0, NULL, "FILE|URL",
      "take the bytes from here instead of the model's own sources" },
    { 0 },
};

static int run_pull(const rg_cmd *cmd, int argc, char **argv)
{
    pull_opts o;
    const rg_opt_group groups[] = { { "Pull", pull_table, &o } };
    cli_args a;
    rg_err e = RG_ERR_INIT;
    rg_buf out = RG_BUF_MAX(1 << 16);
    char *path = NULL;
    rg_status s;
    const int code = cli_open(&a, cmd, groups, 1, argc, argv);
    if (code >= 0)
        return code;

    RG_GO(s, done, cli_want_pos(&a, 1, 1, "one NAME", &e));
    const rg_call call = cli_call(&a);
    RG_GO(s, done, rg_model_pull(&path, a.pos.item[0], o.from, &call, &e));
    if (a.common.json) {
        rg_buf_puts(&out, "{\"name\":\"");
        rg_buf_json_escape(&out, rg_str_of(a.pos.item[0]));
        rg_buf_puts(&out, "\",\"path\":\"");
        rg_buf_json_escape(&out, rg_str_of(path));
        rg_buf_puts(&out, "\"}\n");
    } else {
        rg_buf_printf(&out, "%s\n", path);
    }
    cli_view_end(&a.view);
    s = cli_print(&out, &e);
done:
    rg_buf_free(&out);
    rg_free(path);
    return cli_close(&a, s, &e);
}

/* ---- ls --------------------------------------------------------------------------------- */

static bool is_stored(const rg_stored_model *m, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(m[i].name, name) == 0)
            return true;
    return false;
}

static void put_row(rg_buf *b, bool json, const char *name, const rg_known_model *k, bool here,
                    uint64_t bytes)
{
    if (!json) {
        rg_buf_printf(b, "%-20s %8.1f MB  %-8s %s%s\n", name, (double)bytes / 1e6, here ? "here" : "-",
                      k ? k->what : "put there by hand", k && k->is_default ? " (default)" : "");
        return;
    }
    rg_buf_printf(b, "{\"name\":\"%s\",\"bytes\":%llu,\"here\":%s,\"known\":%s,\"default\":%s", name,
                  (unsigned long long)bytes, here ? "true" : "false", k ? "true" : "false",
                  k && k->is_default ? "true" : "false");
    if (k)
        rg_buf_printf(b, ",\"licence\":\"%s\",\"what\":\"%s\",\"sha256\":\"%s\"", k->licence, k->what,
                      k->sha256);
    rg_buf_putc(b, '}');
}

static void put_list(rg_buf *b, bool json, const rg_stored_model *stored, size_t n_stored)
{
    const rg_known_model *known;
    const size_t n_known = rg_known_models(&known);
    const char *comma = "";

    rg_buf_puts(b, json ? "{\"models\":[" : "");
    for (size_t i = 0; i < n_known; i++, comma = ",") {
        rg_buf_puts(b, json ? comma : "");
        put_row(b, json, known[i].name, &known[i], is_stored(stored, n_stored, known[i].name),
                known[i].bytes);
    }
    for (size_t i = 0; i < n_stored; i++) {
        if (rg_known_model_find(stored[i].name))
            continue;
        rg_buf_puts(b, json ? comma : "");
        put_row(b, json, stored[i].name, NULL, true, stored[i].bytes);
    }
    rg_buf_puts(b, json ? "]}\n" : "");
}

static int run_ls(const rg_cmd *cmd, int argc, char **argv)
{
    cli_args a;
    rg_err e = RG_ERR_INIT;
    rg_buf out = RG_BUF_MAX(1 << 24);
    rg_stored_model *stored = NULL;
    size_t n = 0;
    rg_status s;
    const int code = cli_open(&a, cmd, NULL, 0, argc, argv);
    if (code >= 0)
        return code;

    RG_GO(s, done, cli_want_pos(&a, 0, 0, "no arguments", &e));
    RG_GO(s, done, rg_stored_models(&stored, &n, &e));
    put_list(&out, a.common.json, stored, n);
    s = cli_print(&out, &e);
done:
    rg_buf_free(&out);
    rg_stored_models_free(stored, n);
    return cli_close(&a, s, &e);
}

/* ---- info ------------------------------------------------------------------------------- */

static void put_line(rg_buf *b, const char *what, rg_str text)
{
    rg_buf_printf(b, "%-14s ", what);
    if (text.n)
        cli_put_text(b, text);
    else
        rg_buf_putc(b, '-');
    rg_buf_putc(b, '\n');
}

static void put_info(rg_buf *b, const char *path, const rg_model_facts *f)
{
    put_line(b, "file", rg_str_of(path));
    put_line(b, "name", f->name);
    put_line(b, "architecture", f->architecture);
    rg_buf_printf(b, "%-14s %.1f M in %zu tensors\n", "parameters", (double)f->parameters / 1e6, f->tensors);
    rg_buf_printf(b, "%-14s", "formats");
    for (size_t i = 0; i < f->n_types; i++)
        rg_buf_printf(b, "%s %s %zu (%.1f MB)", i ? "," : "", rg_type_info_of(f->types[i].type)->name,
                      f->types[i].tensors, (double)f->types[i].bytes / 1e6);
    rg_buf_printf(b, "\n%-14s %llu layers, width %llu, %llu heads of %llu, %llu for keys and values\n",
                  "shape", (unsigned long long)f->layers, (unsigned long long)f->width,
                  (unsigned long long)f->heads, (unsigned long long)f->head_size,
                  (unsigned long long)f->kv_heads);
    rg_buf_printf(b, "%-14s %llu tokens\n", "context", (unsigned long long)f->context);
    rg_buf_printf(b, "%-14s ", "tokenizer");
    cli_put_text(b, f->tokenizer);
    rg_buf_puts(b, f->pre_tokenizer.n ? " / " : "");
    cli_put_text(b, f->pre_tokenizer);
    rg_buf_printf(b, ", %llu tokens\n", (unsigned long long)f->vocabulary);
    put_line(b, "chat template", rg_str_of(f->has_template ? "yes" : "no"));
    rg_buf_printf(b, "%-14s %.1f MB\n", "size", (double)f->file_bytes / 1e6);
    rg_buf_printf(b, "%-14s at most %.1f MB for the weights, %.1f KB a token: %.1f MB at %d tokens\n",
                  "memory", (double)f->weight_bytes / 1e6, (double)f->bytes_per_token / 1e3,
                  (double)rg_model_facts_memory(f, INFO_TOKENS) / 1e6, INFO_TOKENS);
}

static void put_json_str(rg_buf *b, const char *key, rg_str text)
{
    rg_buf_printf(b, "\"%s\":\"", key);
    rg_buf_json_escape(b, text);
    rg_buf_puts(b, "\",");
}

static void put_json_u64(rg_buf *b, const char *key, uint64_t v)
{
    rg_buf_printf(b, "\"%s\":%llu,", key, (unsigned long long)v);
}

static void put_info_json(rg_buf *b, const char *path, const rg_model_facts *f)
{
    rg_buf_putc(b, '{');
    put_json_str(b, "path", rg_str_of(path));
    put_json_str(b, "name", f->name);
    put_json_str(b, "architecture", f->architecture);
    put_json_str(b, "tokenizer", f->tokenizer);
    put_json_str(b, "pre_tokenizer", f->pre_tokenizer);
    put_json_u64(b, "bytes", f->file_bytes);
    put_json_u64(b, "parameters", f->parameters);
    put_json_u64(b, "tensors", f->tensors);
    put_json_u64(b, "layers", f->layers);
    put_json_u64(b, "width", f->width);
    put_json_u64(b, "heads", f->heads);
    put_json_u64(b, "kv_heads", f->kv_heads);
    put_json_u64(b, "head_size", f->head_size);
    put_json_u64(b, "context", f->context);
    put_json_u64(b, "vocabulary", f->vocabulary);
    put_json_u64(b, "weight_bytes", f->weight_bytes);
    put_json_u64(b, "bytes_per_token", f->bytes_per_token);
    rg_buf_puts(b, "\"types\":{");
    for (size_t i = 0; i < f->n_types; i++)
        rg_buf_printf(b, "%s\"%s\":%zu", i ? "," : "", rg_type_info_of(f->types[i].type)->name,
                      f->types[i].tensors);
    rg_buf_printf(b, "},\"template\":%s}\n", f->has_template ? "true" : "false");
}

typedef struct info_opts {
    const char *cache;
} info_opts;

static const rg_opt info_table[] = {
    { "cache-type", NULL, RG_OPT_STR, offsetof(info_opts, cache), NULL, 0, 0, NULL, "f16|bf16|q8|f32",
      "what attention state is kept as, for the memory line" },
    { 0 },
};

static int run_info(const rg_cmd *cmd, int argc, char **argv)
{
    info_opts o;
    const rg_opt_group groups[] = { { "Info", info_table, &o } };
    rg_cache cache;
    cli_args a;
    rg_err e = RG_ERR_INIT;
    rg_buf out = RG_BUF_MAX(1 << 24);
    rg_files *files = NULL;
    char *path = NULL;
    rg_model_facts f;
    rg_status s;
    const int code = cli_open(&a, cmd, groups, 1, argc, argv);
    if (code >= 0)
        return code;

    RG_GO(s, done, cli_want_pos(&a, 0, 1, "one NAME, FILE or FOLDER", &e));
    RG_GO(s, done, rg_cache_parse(&cache, o.cache, &e));
    const rg_call call = cli_call(&a);
    RG_GO(s, done, rg_model_resolve(&path, a.pos.n ? a.pos.item[0] : NULL, &e));
    RG_GO(s, done, rg_files_open(&files, path, &e));
    rg_model_facts_read(&f, files);
    rg_model_facts_cache(&f, cache);
    if (rg_files_note(files).n > 0)
        rg_call_log(&call, RG_WARN, "bundle", "%s", rg_files_note(files).p);
    if (a.common.json)
        put_info_json(&out, path, &f);
    else
        put_info(&out, path, &f);
    s = cli_print(&out, &e);
done:
    rg_buf_free(&out);
    rg_files_close(files);
    rg_free(path);
    return cli_close(&a, s, &e);
}

/* ---- check ------------------------------------------------------------------------------ */

typedef struct check_opts {
    bool check_tensors, kl;
    cli_kl measure;
} check_opts;

static const rg_opt check_table[] = {
    { "check-tensors", NULL, RG_OPT_FLAG, offsetof(check_opts, check_tensors), NULL, 0, 0, NULL, NULL,
      "look at every weight for NaN and infinity" },
    { "kl", NULL, RG_OPT_FLAG, offsetof(check_opts, kl), NULL, 0, 0, NULL, NULL,
      "mean KL divergence of the fast path from the exact one, on the text of -f" },
    { "file", "f", RG_OPT_STR, offsetof(check_opts, measure.file), NULL, 0, 0, NULL, "PATH",
      "text for --kl" },
    { "chunks", NULL, RG_OPT_INT, offsetof(check_opts, measure.chunks), "8", 1, 1 << 20, NULL, "N",
      "chunks of --ctx-size tokens for --kl" },
    { "ctx-size", "c", RG_OPT_INT, offsetof(check_opts, measure.ctx), "512", 8, 1 << 20, NULL, "N",
      "tokens in a chunk" },
    { "threads", "t", RG_OPT_INT, offsetof(check_opts, measure.threads), "0", 0, 1024, NULL, "N",
      "threads; 0 = all there are" },
    { "cpu", "isa", RG_OPT_STR, offsetof(check_opts, measure.cpu), NULL, 0, 0, NULL, "LEVEL",
      "kernel level: ref, avx2, avx512" },
    { 0 },
};

/* A known name must have its known bytes, whatever they are; any other model may be what it is. */
static rg_status check_known(const char *given, const char *path, rg_err *e)
{
    const rg_known_model *named = rg_known_model_find(given);
    char sha[65];
    if (named == NULL || rg_path_is_dir(path))
        return RG_OK;
    RG_TRY(rg_sha256_file(sha, path, e));
    if (strcmp(sha, named->sha256) != 0)
        RG_FAIL(e, RG_EFORMAT, "%s has sha256 %s, %s has %s: remove it and `rung model pull %s`", path, sha,
                given, named->sha256, given);
    return RG_OK;
}

static void put_check(rg_buf *b, bool json, const char *path, const char *sha, const rg_known_model *is,
                      bool tensors)
{
    if (!json) {
        rg_buf_printf(b, "%s\nsha256 %s (%s)\nheader good%s\n", path, sha, is ? is->name : "not in the table",
                      tensors ? ", all weights finite" : "");
        return;
    }
    rg_buf_puts(b, "{\"path\":\"");
    rg_buf_json_escape(b, rg_str_of(path));
    rg_buf_printf(b, "\",\"sha256\":\"%s\",\"known_as\":", sha);
    if (is)
        rg_buf_printf(b, "\"%s\"", is->name);
    else
        rg_buf_puts(b, "null");
    rg_buf_printf(b, ",\"header\":true,\"tensors_finite\":%s", tensors ? "true" : "null");
}

static int run_check(const rg_cmd *cmd, int argc, char **argv)
{
    check_opts o;
    const rg_opt_group groups[] = { { "Check", check_table, &o } };
    cli_args a;
    rg_err e = RG_ERR_INIT;
    rg_buf out = RG_BUF_MAX(1 << 16);
    rg_files *files = NULL;
    char *path = NULL, sha[65];
    rg_status s;
    const int code = cli_open(&a, cmd, groups, 1, argc, argv);
    if (code >= 0)
        return code;

    RG_GO(s, done, cli_want_pos(&a, 1, 1, "one NAME, FILE or FOLDER", &e));
    const rg_call call = cli_call(&a);
    RG_GO(s, done, rg_model_resolve(&path, a.pos.item[0], &e));
    RG_GO(s, done, check_known(a.pos.item[0], path, &e));
    RG_GO(s, done, rg_files_open(&files, path, &e));
    RG_GO(s, done, rg_files_hash(sha, files, rg_known_model_find(a.pos.item[0]) != NULL, &e));
    if (o.check_tensors)
        RG_GO(s, done, rg_model_check_finite(files, &call, &e));
    put_check(&out, a.common.json, path, sha, rg_known_model_by_sha256(sha), o.check_tensors);
    if (o.kl)
        RG_GO(s, done, cli_check_kl(&out, a.common.json, path, &o.measure, &call, &e));
    rg_buf_puts(&out, a.common.json ? "}\n" : "");
    cli_view_end(&a.view);
    s = cli_print(&out, &e);
done:
    rg_buf_free(&out);
    rg_files_close(files);
    rg_free(path);
    return cli_close(&a, s, &e);
}

/* ---- the verb --------------------------------------------------------------------------- */

static const sub subs[] = {
    { "pull",
      run_pull,
      { "model pull", "make a known model available and print its path", "[--from FILE|URL] NAME", NULL } },
    { "ls", run_ls, { "model ls", "list the models that are known or here", "[--json]", NULL } },
    { "info",
      run_info,
      { "model info", "say what a model is", "[--json] [--cache-type TYPE] [NAME|FILE|FOLDER]", NULL } },
    { "check",
      run_check,
      { "model check", "check a model's hash, header and weights",
        "[--check-tensors] [--kl -f TEXT] NAME|FILE|FOLDER", NULL } },
    { "convert",
      cli_model_convert,
      { "model convert", "write a model as a GGUF file (DST ends in .gguf) or as a Hugging Face folder",
        "[--type TYPE] [--dry-run] SRC DST", NULL } },
    { "quantize",
      cli_model_quantize,
      { "model quantize", "write a model in fewer bits",
        "[--importance FILE] [--kl TEXT] [--dry-run] SRC DST.gguf TYPE", NULL } },
};

static int run(const rg_cmd *cmd, int argc, char **argv)
{
    const char *names[RG_COUNT(subs)];
    rg_buf near = RG_BUF_MAX(256);
    cli_args a;
    rg_err e = RG_ERR_INIT;

    for (size_t i = 0; i < RG_COUNT(subs); i++) {
        names[i] = subs[i].name;
        if (argc > 0 && strcmp(argv[0], subs[i].name) == 0)
            return subs[i].run(&subs[i].cmd, argc - 1, argv + 1);
    }
    const int code = cli_open(&a, cmd, NULL, 0, argc, argv);
    if (code >= 0)
        return code;
    rg_nearest(&near, argc > 0 ? argv[0] : "", names, RG_COUNT(names));
    rg_err_set(&e, RG_EARG, __FILE__, __LINE__,
               "say what to do: pull, ls, info, check, convert or quantize%s%s", near.n ? "; nearest: " : "",
               near.n ? near.p : "");
    rg_buf_free(&near);
    return cli_close(&a, RG_EARG, &e);
}

const rg_cmd rg_cmd_model = {
    .name = "model",
    .summary = "list, pull, describe, check, convert and quantise models",
    .usage = "pull [--from FILE|URL] NAME | ls | info [MODEL] | check [--check-tensors] MODEL | "
             "convert MODEL DST | quantize MODEL DST.gguf TYPE",
    .run = run,
};
