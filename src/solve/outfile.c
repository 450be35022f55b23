/* outfile.c - a JSON Lines file of records that survives a kill at any moment.
 *
 * A record is one line, written with one write and followed by fsync.  Opening reads what is
 * there: lines of the same config are done; a last line without its newline, or one that does
 * not parse, was torn by a kill and is cut off.  A broken line in the middle is not ours to
 * repair: it is refused by number. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "rung/base/file.h"

#include "solve_int.h"

enum { LINE_MAX_BYTES = 1 << 28 };

struct rg_outfile {
    int fd;
    char *path;
    json_t *ids;    /* {"id": true}: done under this config */
    rg_summary sum; /* of those */
};

void rg_outfile_close(rg_outfile *f)
{
    if (f == NULL)
        return;
    if (f->fd >= 0)
        close(f->fd);
    json_decref(f->ids);
    rg_free(f->path);
    rg_free(f);
}

bool rg_outfile_has(const rg_outfile *f, const char *id)
{
    return json_object_get(f->ids, id) != NULL;
}

size_t rg_outfile_n(const rg_outfile *f)
{
    return json_object_size(f->ids);
}

static double number(const json_t *o, const char *in, const char *name)
{
    return json_number_value(json_object_get(json_object_get(o, in), name));
}

/* What rg__summary_add counts, read back from the record. */
static void add(rg_summary *s, const json_t *o)
{
    const json_t *correct = json_object_get(o, "correct"), *c = NULL;
    size_t i, right = 0, n = json_array_size(json_object_get(o, "candidates"));
    json_array_foreach(json_object_get(o, "candidates"), i, c) right +=
        json_is_true(json_object_get(c, "correct"));
    s->n++;
    s->tokens += number(o, "cost", "policy_gen");
    s->flops += number(o, "cost", "flops_policy");
    s->wall_s += number(o, "timing", "wall_s");
    s->prompt += number(o, "cost", "policy_prompt");
    s->prompt_computed += number(o, "computed", "prompt");
    if (!json_is_boolean(correct))
        return;
    s->graded++;
    s->correct += json_is_true(correct);
    s->majority += json_is_true(json_object_get(o, "majority_correct"));
    s->any += json_is_true(json_object_get(o, "any_correct"));
    s->pass_1 += n == 0 ? 0 : (double)right / (double)n;
}

void rg_outfile_add_to(const rg_outfile *f, rg_summary *s)
{
    const rg_summary *a = &f->sum;
    s->n += a->n;
    s->graded += a->graded;
    s->correct += a->correct;
    s->majority += a->majority;
    s->any += a->any;
    s->pass_1 += a->pass_1;
    s->tokens += a->tokens;
    s->flops += a->flops;
    s->wall_s += a->wall_s;
    s->prompt += a->prompt;
    s->prompt_computed += a->prompt_computed;
}

static void take(rg_outfile *f, const json_t *o, const char *config)
{
    const char *id = json_string_value(json_object_get(o, "id"));
    const char *have = json_string_value(json_object_get(o, "config"));
    if (id == NULL || have == NULL || strcmp(have, config) != 0 ||
        !json_is_true(json_object_get(o, "complete")) || rg_outfile_has(f, id))
        return;
    json_object_set_new(f->ids, id, json_true());
    add(&f->sum, o);
}

/* Sets *keep to the bytes that are whole lines. */
static rg_status read_lines(rg_outfile *f, const char *config, off_t *keep, rg_err *e)
{
    rg_lines *l;
    rg_str line;
    size_t number_of;
    bool whole = true;
    rg_status s = RG_OK;
    *keep = 0;
    RG_TRY(rg_lines_open(&l, f->path, LINE_MAX_BYTES, e));
    bool broken = false;
    while ((s = rg_lines_next(l, &line, &number_of, &whole, e)) == RG_OK && line.p != NULL) {
        if (broken) {
            s = rg_err_set(e, RG_EFORMAT, __FILE__, __LINE__,
                           "%s:%zu is not a record, and lines follow it: "
                           "repair the file, or write to another one",
                           f->path, number_of - 1);
            break;
        }
        json_error_t je;
        json_t *o = whole ? json_loadb(line.p, line.n, JSON_REJECT_DUPLICATES, &je) : NULL;
        broken = o == NULL;
        if (o != NULL) {
            take(f, o, config);
            *keep += (off_t)line.n + 1;
        }
        json_decref(o);
    }
    rg_lines_close(l);
    return s;
}

static rg_status fail(const rg_outfile *f, const char *what, rg_err *e)
{
    const int err = errno;
    return rg_err_set(e, err == ENOSPC || err == EROFS || err == EDQUOT || err == EFBIG ? RG_ELIMIT : RG_EIO,
                      __FILE__, __LINE__, "%s: %s: %s", f->path, what, strerror(err));
}

rg_status rg_outfile_open(rg_outfile **out, const char *path, const char *config, rg_err *e)
{
    rg_status s = RG_OK;
    off_t keep = 0;
    *out = NULL;
    rg_outfile *f = rg_calloc(1, sizeof *f);
    if (f == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for %s", path);
    f->fd = -1;
    f->path = rg_strdup(path);
    f->ids = json_object();
    if (f->path == NULL || f->ids == NULL)
        RG_FAIL_GO(s, bad, e, RG_ENOMEM, "no memory for %s", path);
    f->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (f->fd < 0) {
        s = fail(f, "cannot open it for writing", e);
        goto bad;
    }
    if (flock(f->fd, LOCK_EX | LOCK_NB) != 0)
        RG_FAIL_GO(s, bad, e, RG_EARG, "%s is being written by another process", path);
    RG_GO(s, bad, read_lines(f, config, &keep, e));
    if (ftruncate(f->fd, keep) != 0) {
        s = fail(f, "cannot cut off a torn line", e);
        goto bad;
    }
    *out = f;
    return RG_OK;
bad:
    rg_outfile_close(f);
    return s;
}

rg_status rg_outfile_append(rg_outfile *f, const rg_record *r, bool tree, rg_err *e)
{
    rg_buf b = RG_BUF_MAX(LINE_MAX_BYTES);
    rg_record_json(&b, r, tree);
    rg_buf_putc(&b, '\n');
    rg_status s = rg_buf_check(&b, "a record", e);
    if (s == RG_OK) {
        const ssize_t n = write(f->fd, b.p, b.n);
        if (n < 0 || fsync(f->fd) != 0)
            s = fail(f, "cannot write", e);
        else if ((size_t)n != b.n)
            s = rg_err_set(e, RG_ELIMIT, __FILE__, __LINE__,
                           "%s: only %zd of %zu bytes could be written: "
                           "is the disk full?",
                           f->path, n, b.n);
    }
    rg_buf_free(&b);
    return s;
}
