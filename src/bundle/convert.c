/* convert.c - a plan carried out: for each tensor, blocks of rows are widened to floats, changed,
 * encoded by all threads, and written in order. */
#include <float.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "convert_int.h"
#include "rung/base/file.h"
#include "rung/base/mem.h"
#include "rung/kernel/kernel.h"

enum { BLOCK_BYTES = 4 << 20 };

/* ---- the plan ---- */

static rg_status read_importance(rg__plan *p, const char *path, rg_err *e)
{
    if (path == NULL)
        return RG_OK;
    return rg__importance_open(&p->importance, path, e);
}

rg_status rg__plan_new(rg__plan *p, const rg_files *f, const rg_convert_opt *o, rg_err *e)
{
    *p = (rg__plan){ .files = f, .n = rg_files_n(f) };
    p->t = rg_calloc(p->n + 1, sizeof *p->t);
    if (p->t == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for a plan of %zu tensors", p->n);
    RG_TRY(rg_files_config(&p->config, f, e));
    RG_TRY(read_importance(p, o->importance, e));
    for (size_t i = 0; i < p->n; i++) {
        const rg_file_tensor *t = rg_files_at(f, i);
        if (t->n_dims > 2)
            RG_FAIL(e, RG_EFORMAT, "tensor %s has %u dimensions; matrices and vectors can be converted",
                    t->name, t->n_dims);
        p->t[i] = (rg__out_tensor){ .from = t, .type = t->type };
    }
    return RG_OK;
}

void rg__plan_free(rg__plan *p)
{
    rg__importance_close(p->importance);
    rg_free(p->t);
}

static bool must_change(const rg__out_tensor *t)
{
    return t->type != t->from->type || t->rows != RG__ROWS_KEEP || t->add != 0;
}

static rg_status check_types(const rg__out_tensor *t, rg_err *e)
{
    const rg_type_info *from = rg_type_info_of(t->from->type);
    if (!must_change(t))
        return RG_OK;
    if (!from->runs)
        RG_FAIL(e, RG_EFORMAT, "tensor %s is stored as %s, which cannot be read here", t->from->name,
                from->name);
    if (!rg_k_can_quantize(t->type))
        RG_FAIL(e, RG_EFORMAT, "tensor %s should become %s, which cannot be written here", t->from->name,
                rg_type_info_of(t->type)->name);
    return RG_OK;
}

rg_status rg__plan_count(rg__plan *p, rg_err *e)
{
    rg_convert_result *r = &p->r;
    uint64_t bytes = 0;
    r->tensors = p->n;
    r->source_bytes = rg_files_bytes(p->files);
    for (size_t i = 0; i < p->n; i++) {
        rg__out_tensor *t = &p->t[i];
        uint64_t row;
        RG_TRY(check_types(t, e));
        if (!rg_type_row_bytes(&row, t->type, t->from->K) || !rg_mul_u64(&t->bytes, row, t->from->R))
            RG_FAIL(e, RG_EFORMAT, "tensor %s has rows of %zu elements, not a multiple of the block of %s",
                    t->from->name, t->from->K, rg_type_info_of(t->type)->name);
        const bool changes = t->type != t->from->type;
        r->changed += changes;
        r->requantized |= changes && !rg__type_is_plain(t->from->type) && !rg__type_is_plain(t->type);
        r->parameters += (uint64_t)t->from->R * t->from->K;
        bytes += t->bytes;
    }
    r->bytes = bytes;
    r->bits_per_weight = r->parameters > 0 ? 8.0 * (double)bytes / (double)r->parameters : 0;
    return RG_OK;
}

/* ---- rows ---- */

typedef struct block {
    const rg__out_tensor *t;
    size_t from_row_bytes, to_row_bytes;
    size_t first; /* row of the tensor at which the block begins */
    float *row;   /* K floats a thread */
    uint8_t *out;
    float limit; /* the largest finite number of the type */
    atomic_bool bad;
    _Atomic float worst;
} block;

/* The source row of row r. */
static size_t source_row(const rg__out_tensor *t, size_t r)
{
    const size_t D = t->head_rows, in = t->rows == RG__ROWS_KEEP ? 0 : r % D;
    switch (t->rows) {
    case RG__ROWS_TO_PAIRS: return r - in + in / 2 + in % 2 * (D / 2);
    case RG__ROWS_TO_HALVES: return r - in + in % (D / 2) * 2 + in / (D / 2);
    default: return r;
    }
}

static void check_row(block *b, const float *x, size_t K)
{
    for (size_t k = 0; k < K; k++)
        if (!(fabsf(x[k]) <= b->limit)) {
            atomic_store(&b->worst, x[k]);
            atomic_store(&b->bad, true);
            return;
        }
}

static void encode_rows(void *arg, size_t begin, size_t end, size_t thread)
{
    block *b = arg;
    const size_t K = b->t->from->K;
    float *x = b->row + thread * K;
    for (size_t i = begin; i < end; i++) {
        const uint8_t *from =
            (const uint8_t *)b->t->from->data + source_row(b->t, b->first + i) * b->from_row_bytes;
        rg_k_dequant_row(x, from, b->t->from->type, K);
        if (b->t->add != 0)
            for (size_t k = 0; k < K; k++)
                x[k] += b->t->add;
        check_row(b, x, K);
        rg_k_quantize_row(b->out + i * b->to_row_bytes, x, b->t->importance, b->t->type, K);
    }
}

static rg_status say_bad(const block *b, rg_err *e)
{
    const double v = (double)atomic_load(&b->worst);
    const char *name = b->t->from->name;
    if (isfinite(v))
        RG_FAIL(e, RG_EFORMAT, "tensor %s holds %g, more than F16 can: choose BF16 or F32", name, v);
    RG_FAIL(e, RG_EFORMAT, "tensor %s holds %s: the source is damaged (`rung model check --check-tensors`)",
            name, isnan(v) ? "NaN" : "an infinity");
}

static rg_status write_blocks(block *b, size_t rows, rg__sink sink, const rg__plan *p, rg_pool *pool,
                              const rg_call *call, rg_err *e)
{
    const size_t R = b->t->from->R;
    for (b->first = 0; b->first < R; b->first += rows) {
        const size_t n = RG_MIN(rows, R - b->first);
        RG_TRY(rg_call_check(call, e));
        rg_parallel(pool, n, 1 + n / 64, encode_rows, b);
        if (atomic_load(&b->bad))
            return say_bad(b, e);
        RG_TRY(sink.write(sink.to, b->out, n * b->to_row_bytes, e));
        if (b->t->rows == RG__ROWS_KEEP)
            rg_files_release(p->files, (const uint8_t *)b->t->from->data + b->first * b->from_row_bytes,
                             n * b->from_row_bytes);
    }
    return RG_OK;
}

static rg_status write_changed(const rg__out_tensor *t, rg__sink sink, const rg__plan *p, rg_pool *pool,
                               const rg_call *call, rg_err *e)
{
    block b = { .t = t, .limit = t->type == RG_F16 ? 65504.0f : FLT_MAX };
    const size_t R = t->from->R, K = t->from->K;
    b.from_row_bytes = (size_t)(t->from->bytes / R);
    b.to_row_bytes = (size_t)(t->bytes / R);
    const size_t rows = RG_MIN(R, 1 + BLOCK_BYTES / (b.to_row_bytes + 1));
    size_t floats = 0;
    rg_status s = RG_OK;
    if (rg_mul_size(&floats, rg_pool_threads(pool), K))
        b.row = rg_alloc(floats, sizeof *b.row);
    b.out = rg_alloc(rows, b.to_row_bytes);
    if (b.row == NULL || b.out == NULL)
        s = rg_err_set(e, RG_ENOMEM, __FILE__, __LINE__, "no memory to convert rows of %zu", K);
    else
        s = write_blocks(&b, rows, sink, p, pool, call, e);
    rg_free(b.row);
    rg_free(b.out);
    return s;
}

static rg_status write_same(const rg__out_tensor *t, rg__sink sink, const rg__plan *p, const rg_call *call,
                            rg_err *e)
{
    const uint8_t *data = t->from->data;
    for (uint64_t at = 0; at < t->bytes; at += BLOCK_BYTES) {
        const size_t n = (size_t)RG_MIN((uint64_t)BLOCK_BYTES, t->bytes - at);
        RG_TRY(rg_call_check(call, e));
        RG_TRY(sink.write(sink.to, data + at, n, e));
        rg_files_release(p->files, data + at, n);
    }
    return RG_OK;
}

static void tell(const rg__plan *p, size_t i, const rg_call *call)
{
    const rg__out_tensor *t = &p->t[i];
    char text[256];
    snprintf(text, sizeof text, "%4zu/%zu  %-32s %7zu x %-6zu %5s -> %s", i + 1, p->n, t->from->name,
             t->from->R, t->from->K, rg_type_info_of(t->from->type)->name, rg_type_info_of(t->type)->name);
    const rg_event ev = { .kind = RG_EV_PROGRESS,
                          .room = "bundle",
                          .subject = rg_str_of(t->from->name),
                          .value = (double)i,
                          .total = (double)p->n,
                          .text = rg_str_of(text) };
    rg_call_emit(call, &ev);
    rg_call_log(call, RG_TRACE, "bundle", "%s", text);
}

rg_status rg__plan_write(const rg__plan *p, rg__sink sink, rg_pool *pool, const rg_call *call, rg_err *e)
{
    for (size_t i = 0; i < p->n; i++) {
        tell(p, i, call);
        RG_TRY(must_change(&p->t[i]) ? write_changed(&p->t[i], sink, p, pool, call, e)
                                     : write_same(&p->t[i], sink, p, call, e));
    }
    return RG_OK;
}

/* ---- the target ---- */

rg_status rg__check_target(const char *src, const char *dst, bool force, rg_err *e)
{
    struct stat a, b;
    if (stat(dst, &b) != 0)
        return RG_OK;
    if (stat(src, &a) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino)
        RG_FAIL(e, RG_EARG, "%s is the source itself: name another file to write", dst);
    if (S_ISDIR(b.st_mode))
        RG_FAIL(e, RG_EARG, "%s is a folder: name a file to write", dst);
    if (!force)
        RG_FAIL(e, RG_EARG, "%s exists: add --force to replace it, or name another file", dst);
    return RG_OK;
}
