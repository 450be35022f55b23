/* score_rows.c - rows are read, scored and printed some at a time, so a file may be longer than
 * memory; the engine sees those of one bunch together. */
#include "score_rows.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#include "rung/base/file.h"
#include "rung/base/mem.h"
#include "rung/bundle/chat.h"
#include "rung/lm/measure.h"

enum { TOGETHER = 32, MAX_LINE = 64 << 20, MAX_OUT = 1 << 30 };

typedef struct scoring {
    const cli_args *a;
    const rg_engine *x;
    const rg_call *call;
    const char *path;
    bool each;
    rg_ids row[TOGETHER];
    size_t n;      /* rows at hand */
    size_t rows;   /* rows printed */
    size_t tokens; /* tokens that were predicted, of all rows printed */
    double nll;    /* their sum */
} scoring;

/* ---- reading ---- */

static rg_status ids_of(rg_ids *ids, const json_t *list, size_t n_vocab, const char *path, size_t line,
                        rg_err *e)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *v = json_array_get(list, i);
        const json_int_t id = json_is_integer(v) ? json_integer_value(v) : -1;
        if (id < 0 || (size_t)id >= n_vocab)
            RG_FAIL(e, RG_EFORMAT, "%s:%zu: \"ids\" holds something at place %zu that is no id of 0..%zu",
                    path, line, i, n_vocab - 1);
        RG_TRY(rg_ids_push(ids, (int32_t)id, e));
    }
    return RG_OK;
}

static rg_status row_of(rg_ids *ids, const scoring *s, const json_t *j, size_t line, rg_err *e)
{
    const rg_bundle *b = rg_engine_bundle(s->x);
    const json_t *text = json_object_get(j, "text"), *list = json_object_get(j, "ids");
    if (json_is_string(text) == json_is_array(list))
        RG_FAIL(e, RG_EFORMAT, "%s:%zu: a row has either \"text\", a string, or \"ids\", a list", s->path,
                line);
    if (json_is_array(list))
        RG_TRY(ids_of(ids, list, rg_vocab_size(rg_bundle_tokenizer(b)), s->path, line, e));
    else
        RG_TRY(rg_text_ids(ids, b, rg_str_n(json_string_value(text), json_string_length(text)),
                           RG_SPECIAL_NONE, e));
    if (ids->n < 2 || ids->n > rg_lm_ctx(rg_engine_lm(s->x)))
        RG_FAIL(e, RG_EARG, "%s:%zu: the row has %zu tokens, and can be scored with 2 to %zu (-c)", s->path,
                line, ids->n, rg_lm_ctx(rg_engine_lm(s->x)));
    return RG_OK;
}

static rg_status take_line(scoring *s, rg_str text, size_t line, rg_err *e)
{
    json_error_t je;
    json_t *j = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &je);
    rg_ids *ids = &s->row[s->n++];
    ids->n = 0;
    const rg_status st =
        j == NULL ? rg_err_set(e, RG_EFORMAT, __FILE__, __LINE__, "%s:%zu: %s", s->path, line, je.text)
                  : row_of(ids, s, j, line, e);
    json_decref(j);
    return st;
}

/* ---- printing ---- */

static void put_each(rg_buf *b, const rg_ids *ids, const float *logp)
{
    rg_buf_puts(b, ",\"ids\":[");
    for (size_t i = 0; i < ids->n; i++)
        rg_buf_printf(b, "%s%d", i ? "," : "", ids->id[i]);
    rg_buf_puts(b, "],\"logprobs\":[");
    for (size_t i = 0; i < ids->n; i++)
        if (isnan(logp[i]))
            rg_buf_puts(b, i ? ",null" : "null");
        else
            rg_buf_printf(b, "%s%.9g", i ? "," : "", (double)logp[i]);
    rg_buf_puts(b, "]");
}

static void put_row(rg_buf *b, scoring *s, const rg_ids *ids, const float *logp)
{
    const rg_ppl p = rg_ppl_of(logp, ids->n);
    if (s->a->common.json) {
        rg_buf_printf(b, "{\"row\":%zu,\"tokens\":%zu,\"nll\":%.17g,\"ppl\":%.17g", s->rows, p.tokens, p.nll,
                      p.ppl);
        if (s->each)
            put_each(b, ids, logp);
        rg_buf_puts(b, "}\n");
    } else
        rg_buf_printf(b, "%6zu  perplexity %.4f   %zu tokens\n", s->rows, p.ppl, p.tokens);
    s->rows++;
    s->tokens += p.tokens;
    s->nll += p.nll * (double)p.tokens;
}

static rg_status put_summary(const scoring *s, int64_t ns, rg_err *e)
{
    rg_buf b = RG_BUF_MAX(4096);
    const double nll = s->nll / (double)s->tokens, wall_s = (double)ns * 1e-9;
    if (s->a->common.json)
        rg_buf_printf(
            &b,
            "{\"summary\":true,\"rows\":%zu,\"tokens\":%zu,\"nll\":%.17g,\"ppl\":%.17g,\"wall_s\":%.6g,"
            "\"tokens_per_s\":%.6g}\n",
            s->rows, s->tokens, nll, exp(nll), wall_s, (double)s->tokens / wall_s);
    else
        rg_buf_printf(&b, "perplexity %.4f   %zu tokens in %zu rows, %.0f a second\n", exp(nll), s->tokens,
                      s->rows, (double)s->tokens / wall_s);
    return cli_print(&b, e);
}

/* ---- the work ---- */

static rg_status score_bunch(scoring *s, rg_err *e)
{
    rg_lm *lm = rg_engine_lm(s->x);
    rg_score job[TOGETHER];
    rg_buf out = RG_BUF_MAX(MAX_OUT);
    size_t total = 0, at = 0;
    for (size_t i = 0; i < s->n; i++)
        total += s->row[i].n;
    rg_lm_node *root = rg_lm_root(lm);
    float *logp = rg_alloc(total, sizeof *logp);
    rg_status st = RG_OK;
    if (root == NULL || logp == NULL)
        RG_FAIL_GO(st, done, e, RG_ENOMEM, "no memory to score %zu tokens", total);
    for (size_t i = 0; i < s->n; at += s->row[i++].n)
        job[i] = (rg_score){ .from = root, .id = s->row[i].id, .n = s->row[i].n, .logp = logp + at };
    RG_GO(st, done, rg_lm_score(lm, job, s->n, s->call, e));
    for (size_t i = 0; i < s->n; i++)
        put_row(&out, s, &s->row[i], job[i].logp);
    st = cli_print(&out, e);
    s->n = 0;
done:
    rg_lm_release(root);
    rg_free(logp);
    rg_buf_free(&out);
    return st;
}

static rg_status score_lines(scoring *s, rg_lines *l, rg_err *e)
{
    rg_str line;
    size_t number;
    bool newline;
    for (;;) {
        RG_TRY(rg_lines_next(l, &line, &number, &newline, e));
        if (line.p != NULL && rg_str_trim(line).n > 0)
            RG_TRY(take_line(s, line, number, e));
        if (s->n == TOGETHER || (line.p == NULL && s->n > 0))
            RG_TRY(score_bunch(s, e));
        if (line.p == NULL)
            break;
    }
    if (s->rows == 0)
        RG_FAIL(e, RG_EFORMAT, "%s holds no row", s->path);
    return RG_OK;
}

rg_status cli_score_rows(const cli_args *a, const rg_engine *x, const char *path, bool each,
                         const rg_call *call, rg_err *e)
{
    scoring s = { .a = a, .x = x, .call = call, .path = path, .each = each };
    rg_lines *l;
    RG_TRY(rg_lines_open(&l, path, MAX_LINE, e));
    const int64_t start = rg_now_ns();
    rg_status st = score_lines(&s, l, e);
    if (st == RG_OK)
        st = put_summary(&s, rg_now_ns() - start, e);
    for (size_t i = 0; i < TOGETHER; i++)
        rg_ids_free(&s.row[i]);
    rg_lines_close(l);
    return st;
}
