#include "engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "rung/base/file.h"
#include "rung/base/mem.h"

#define M(field) offsetof(cli_model, field)
#define S(field) offsetof(cli_sampling, field)

const rg_opt cli_model_table[] = {
    { "model", "m,model-path", RG_OPT_STR, M(model), NULL, 0, 0, NULL, "NAME",
      "model: a file, ORG/NAME of the hub cache, or a name of `rung model ls`" },
    { "threads", "t", RG_OPT_INT, M(threads), "0", 0, 1024, NULL, "N", "threads; 0 = all there are" },
    { "ctx-size", "c,max-model-len", RG_OPT_INT, M(ctx), "0", 0, 16777216, NULL, "N",
      "longest sequence in tokens; 0 = the model's own" },
    { "slots", "np,parallel", RG_OPT_INT, M(slots), "64", 1, 512, NULL, "N", "branches that run at once" },
    { "batch-size", "b,ub,ubatch-size", RG_OPT_INT, M(batch), "512", 1, 4096, NULL, "N",
      "tokens in one step of the engine" },
    { "kv-memory", NULL, RG_OPT_INT, M(kv_mib), "0", 0, 1 << 24, NULL, "MIB",
      "memory for attention state; 0 = half of what is free" },
    { "cache-type", NULL, RG_OPT_STR, M(cache), NULL, 0, 0, NULL, "f16|bf16|q8|f32",
      "what attention state is kept as; f16, with --exact f32" },
    { "mlock", NULL, RG_OPT_FLAG, M(mlock), NULL, 0, 0, NULL, NULL,
      "keep packed weights and attention state from being swapped" },
    { "context-shift", NULL, RG_OPT_FLAG, M(shift), NULL, 0, 0, NULL, NULL,
      "refused, with the reason: a text that reaches --ctx-size ends" },
    { "exact", NULL, RG_OPT_FLAG, M(exact), NULL, 0, 0, NULL, NULL,
      "32-bit float arithmetic throughout: the definition, slower" },
    { "cpu", "isa", RG_OPT_STR, M(cpu), NULL, 0, 0, "ref,avx2,avx512", "LEVEL",
      "kernel level: ref, avx2, avx512" },
    { "template", "chat-template", RG_OPT_STR, M(chat_template), NULL, 0, 0,
      "chatml,llama3,zephyr,gemma,mistral", "NAME|FILE",
      "chat template instead of the model's own: chatml, llama3, or a file" },
    { 0 },
};

const rg_opt cli_vocab_table[] = {
    { "model", "m,model-path", RG_OPT_STR, M(model), NULL, 0, 0, NULL, "NAME",
      "model or vocabulary-only file" },
    { 0 },
};

#define SAMPLING(temp_, top_k_, top_p_, min_p_, n_)                                                              \
    { "temp", "temperature", RG_OPT_FLOAT, S(temp), temp_,                                                       \
      0,      100,           NULL,         "F",     "temperature; 0 = the likeliest token" },                    \
        { "top-k", NULL, RG_OPT_INT, S(top_k), top_k_, 0, 1 << 24, NULL, "N", "keep the N likeliest; 0 = off" }, \
        { "top-p", NULL, RG_OPT_FLOAT, S(top_p), top_p_,                                                         \
          1e-6,    1,    NULL,         "F",      "keep the likeliest that hold this mass; 1 = off" },            \
        { "min-p",                                                                                               \
          NULL,                                                                                                  \
          RG_OPT_FLOAT,                                                                                          \
          S(min_p),                                                                                              \
          min_p_,                                                                                                \
          0,                                                                                                     \
          1,                                                                                                     \
          NULL,                                                                                                  \
          "F",                                                                                                   \
          "keep tokens at least so likely relative to the first; 0 = off" },                                     \
        { "repeat-penalty",                                                                                      \
          "repetition-penalty",                                                                                  \
          RG_OPT_FLOAT,                                                                                          \
          S(repeat_penalty),                                                                                     \
          "1",                                                                                                   \
          0.01,                                                                                                  \
          100,                                                                                                   \
          NULL,                                                                                                  \
          "F",                                                                                                   \
          "divides logits of tokens seen before; 1 = off" },                                                     \
        { "repeat-last-n",                                                                                       \
          NULL,                                                                                                  \
          RG_OPT_INT,                                                                                            \
          S(repeat_last_n),                                                                                      \
          "64",                                                                                                  \
          -1,                                                                                                    \
          1 << 24,                                                                                               \
          NULL,                                                                                                  \
          "N",                                                                                                   \
          "how far back penalties look; -1 = everything" },                                                      \
        { "presence-penalty",                                                                                    \
          NULL,                                                                                                  \
          RG_OPT_FLOAT,                                                                                          \
          S(presence),                                                                                           \
          "0",                                                                                                   \
          -100,                                                                                                  \
          100,                                                                                                   \
          NULL,                                                                                                  \
          "F",                                                                                                   \
          "subtracted from logits of tokens seen before" },                                                      \
        { "frequency-penalty",                                                                                   \
          NULL,                                                                                                  \
          RG_OPT_FLOAT,                                                                                          \
          S(frequency),                                                                                          \
          "0",                                                                                                   \
          -100,                                                                                                  \
          100,                                                                                                   \
          NULL,                                                                                                  \
          "F",                                                                                                   \
          "the same, for each time it was seen" },                                                               \
        { "logit-bias",                                                                                          \
          "l",                                                                                                   \
          RG_OPT_LIST,                                                                                           \
          S(bias),                                                                                               \
          NULL,                                                                                                  \
          0,                                                                                                     \
          0,                                                                                                     \
          NULL,                                                                                                  \
          "ID+X|ID-X",                                                                                           \
          "added to one token's logit; may be repeated" },                                                       \
        { "stop",      "r,reverse-prompt",                                                                       \
          RG_OPT_LIST, S(stop),                                                                                  \
          NULL,        0,                                                                                        \
          0,           NULL,                                                                                     \
          "TEXT",      "end the text where this appears; may be repeated" },                                     \
        { "max-tokens", "n,predict,n-predict,max-new-tokens",                                                    \
          RG_OPT_INT,   S(max_tokens),                                                                           \
          n_,           1,                                                                                       \
          16777216,     NULL,                                                                                    \
          "N",          "tokens of one answer at most" },                                                        \
        { "seed",                                                                                                \
          "s",                                                                                                   \
          RG_OPT_INT,                                                                                            \
          S(seed),                                                                                               \
          "-1",                                                                                                  \
          -1,                                                                                                    \
          9007199254740991.0,                                                                                    \
          NULL,                                                                                                  \
          "N",                                                                                                   \
          "the run's seed; -1 = a random one, printed" },                                                        \
    {                                                                                                            \
        0                                                                                                        \
    }

const rg_opt cli_sampling_table[] = { SAMPLING("0.8", "40", "0.95", "0.05", "512") };
const rg_opt cli_search_sampling_table[] = { SAMPLING("0.7", "0", "1", "0", "1024") };

/* Dropping the oldest tokens would leave keys behind that were turned for their old positions. */
static rg_status refuse_shift(const char *model, int64_t ctx, rg_err *e)
{
    char remedy[64] = "choose a model with a longer context";
    if (ctx > 0)
        snprintf(remedy, sizeof remedy, "raise -c (now %lld)", (long long)ctx);
    RG_FAIL(e, RG_EARG,
            "--context-shift: %s keeps keys that are turned for their positions (rotary), so tokens that "
            "move would need other keys; leave the flag away, and for longer texts %s",
            model == NULL ? "the default model" : model, remedy);
}

rg_status cli_engine(rg_engine **out, const cli_model *o, const rg_call *call, rg_err *e)
{
    rg_cache cache;
    *out = NULL;
    RG_TRY(rg_cache_parse(&cache, o->cache, e));
    if (o->shift)
        return refuse_shift(o->model, o->ctx, e);
    const rg_engine_opt x = {
        .model = o->model,
        .cpu = o->cpu,
        .threads = (size_t)o->threads,
        .chat_template = o->chat_template,
        .lm = { .exact = o->exact,
                .slots = (size_t)o->slots,
                .max_rows = (size_t)o->batch,
                .kv_bytes = (size_t)o->kv_mib << 20,
                .ctx = (size_t)o->ctx,
                .cache = cache,
                .lock = o->mlock },
    };
    return rg_engine_open(out, &x, call, e);
}

static rg_status parse_bias(rg_bias *b, const char *text, rg_err *e)
{
    const size_t digits = strspn(text, "0123456789");
    char id[16];
    int64_t n = 0;
    double x = 0;
    const bool inf = strcmp(text + digits, "-inf") == 0;
    if (digits > 0 && digits < sizeof id) {
        memcpy(id, text, digits);
        id[digits] = '\0';
    }
    const char *sign = text + digits;
    if (digits == 0 || digits >= sizeof id || !rg_parse_i64(&n, id) || n > INT32_MAX ||
        (*sign != '+' && *sign != '-') || (!inf && !rg_parse_f64(&x, *sign == '+' ? sign + 1 : sign)))
        RG_FAIL(e, RG_EARG, "--logit-bias %s is not of the form ID+X or ID-X, like 15043+1 or 15043-inf",
                text);
    b->id = (int32_t)n;
    b->add = inf ? -1e30f : (float)x;
    return RG_OK;
}

rg_status cli_sampling_of(rg_sampling *s, rg_bias **room, const cli_sampling *o, rg_err *e)
{
    *room = rg_calloc(o->bias.n, sizeof **room);
    if (*room == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %zu logit biases", o->bias.n);
    for (size_t i = 0; i < o->bias.n; i++)
        RG_TRY(parse_bias(&(*room)[i], o->bias.item[i], e));
    *s = (rg_sampling){ .temp = o->temp,
                        .top_k = o->top_k,
                        .top_p = o->top_p,
                        .min_p = o->min_p,
                        .repeat_penalty = o->repeat_penalty,
                        .presence_penalty = o->presence,
                        .frequency_penalty = o->frequency,
                        .repeat_last_n = o->repeat_last_n,
                        .bias = *room,
                        .n_bias = o->bias.n };
    return RG_OK;
}

uint64_t cli_seed(const cli_sampling *o)
{
    uint32_t r = 0;
    if (o->seed >= 0)
        return (uint64_t)o->seed;
    if (getrandom(&r, sizeof r, 0) != sizeof r)
        r = (uint32_t)rg_now_ns();
    return r;
}

void cli_first_line(const cli_args *a, const rg_engine *x, uint64_t seed, const char *what)
{
    char sha[65];
    rg_err ignored = RG_ERR_INIT;
    rg_buf b = RG_BUF_MAX(4096);
    if (a->common.quiet)
        return;
    if (rg_bundle_hash(sha, rg_engine_bundle(x), &ignored) != RG_OK)
        memcpy(sha, "unknown", 8);
    rg_engine_describe(x, &b);
    fprintf(stderr, "rung %s: %s (sha256 %.12s), %s, seed %llu%s%s\n", a->view.verb,
            rg_bundle_name(rg_engine_bundle(x)), sha, b.p == NULL ? "" : b.p, (unsigned long long)seed,
            what[0] ? ", " : "", what);
    rg_buf_free(&b);
}

enum { TEXT_MAX = 1 << 28 };

rg_status cli_text(char **out, size_t *n, const cli_args *a, const char *prompt, const char *file, rg_err *e)
{
    *out = NULL;
    *n = 0;
    if ((prompt != NULL) + (file != NULL) + (a->pos.n > 0) > 1)
        RG_FAIL(e, RG_EARG, "give the text once: with -p, with -f, or as an argument");
    if (prompt == NULL && a->pos.n > 1)
        RG_FAIL(e, RG_EARG, "%zu arguments where one text is wanted: put it in quotes", a->pos.n);
    if (prompt == NULL && a->pos.n == 1 && strcmp(a->pos.item[0], "-") != 0)
        prompt = a->pos.item[0];
    if (prompt != NULL && strcmp(prompt, "-") != 0) {
        *out = rg_strdup(prompt);
        *n = strlen(prompt);
        if (*out == NULL)
            RG_FAIL(e, RG_ENOMEM, "no memory for the text");
        return RG_OK;
    }
    if (file == NULL && prompt == NULL && a->pos.n == 0 && isatty(STDIN_FILENO))
        RG_FAIL(e, RG_EARG, "nothing to work on: give a text with -p, a file with -f, or pipe one in");
    return rg_read_all(out, n, file != NULL ? file : "-", TEXT_MAX, e);
}
