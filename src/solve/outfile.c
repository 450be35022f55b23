/* outfile.c - a JSON Lines file of records that survives a kill at any moment.
 *
 * A record is one line, written with one write and followed by fsync.  Opening reads what is
 * there: records of the same config are done; a last line that begins as a record does and has
 * no newline, or does not parse, was torn by a kill and is cut off.  Any other line that is not
 * a record is not ours to repair, nor is its file ours to write to: it is refused by number. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rung/base/file.h"
#include "rung/base/rng.h"

#include "solve_int.h"

enum { LINE_MAX_BYTES = 1 << 28 };

struct rg_outfile {
    int fd;
    char *path;
    json_t *place;    /* {key of a problem: index into part}: done under this config */
    rg_summary *part; /* what each of them adds to the summary */
    size_t n, cap;
};

void rg_outfile_close(rg_outfile *f)
{
    if (f == NULL)
        return;
    if (f->fd >= 0)
        close(f->fd);
    json_decref(f->place);
    rg_free(f->part);
    rg_free(f->path);
    rg_free(f);
}

/* ---- which problems are done ---- */

/* An id alone is not enough: "<file stem>-<index>" means another problem once the file was edited. */
static void key_of(char out[17], const char *id, const char *text, const char *gold)
{
    uint64_t h = rg_hash64(id, strlen(id), 0);
    h = rg_hash64(text, strlen(text), h);
    h = gold == NULL ? h : rg_hash64(gold, strlen(gold), h + 1);
    snprintf(out, 17, "%016llx", (unsigned long long)h);
}

static const rg_summary *find(const rg_outfile *f, const rg_problem *p)
{
    char key[17];
    key_of(key, p->id, p->text, p->gold);
    const json_t *at = json_object_get(f->place, key);
    return at == NULL ? NULL : &f->part[json_integer_value(at)];
}

bool rg_outfile_has(const rg_outfile *f, const rg_problem *p)
{
    return find(f, p) != NULL;
}

void rg_outfile_add_to(const rg_outfile *f, const rg_problem *p, rg_summary *s)
{
    const rg_summary *part = find(f, p);
    if (part != NULL)
        rg__summary_join(s, part);
}

size_t rg_outfile_n(const rg_outfile *f)
{
    return f->n;
}

/* ---- reading what stands there ---- */

static double number(const json_t *o, const char *in, const char *name)
{
    return json_number_value(json_object_get(json_object_get(o, in), name));
}

/* What rg__summary_add counts, read back from the record. */
static rg_summary part_of(const json_t *o)
{
    const json_t *correct = json_object_get(o, "correct"), *all = json_object_get(o, "candidates");
    const size_t n = json_array_size(all);
    size_t right = 0;
    for (size_t i = 0; i < n; i++)
        right += json_is_true(json_object_get(json_array_get(all, i), "correct"));
    rg_summary s = { .n = 1,
                     .tokens = number(o, "cost", "policy_gen"),
                     .flops = number(o, "cost", "flops_policy"),
                     .prompt = number(o, "cost", "policy_prompt"),
                     .prompt_computed = number(o, "computed", "prompt") };
    if (!json_is_boolean(correct))
        return s;
    s.graded = 1;
    s.correct = json_is_true(correct);
    s.majority = json_is_true(json_object_get(o, "majority_correct"));
    s.any = json_is_true(json_object_get(o, "any_correct"));
    s.pass_1 = n == 0 ? 0 : (double)right / (double)n;
    return s;
}

static rg_status keep_part(rg_outfile *f, const char *key, const json_t *o, rg_err *e)
{
    if (f->n == f->cap) {
        const size_t cap = f->cap ? 2 * f->cap : 64;
        rg_summary *part = rg_realloc(f->part, cap, sizeof *part);
        if (part == NULL)
            RG_FAIL(e, RG_ENOMEM, "%s: no memory for %zu records", f->path, cap);
        f->part = part;
        f->cap = cap;
    }
    if (json_object_set_new(f->place, key, json_integer((json_int_t)f->n)) != 0)
        RG_FAIL(e, RG_ENOMEM, "%s: no memory for %zu records", f->path, f->n);
    f->part[f->n++] = part_of(o);
    return RG_OK;
}

static const char *text_in(const json_t *o, const char *name)
{
    return json_string_value(json_object_get(o, name));
}

static rg_status take(rg_outfile *f, const json_t *o, const char *config, rg_err *e)
{
    const char *problem = text_in(o, "problem");
    char key[17];
    if (strcmp(text_in(o, "config"), config) != 0 || problem == NULL ||
        !json_is_true(json_object_get(o, "complete")))
        return RG_OK;
    key_of(key, text_in(o, "id"), problem, text_in(o, "gold"));
    return json_object_get(f->place, key) != NULL ? RG_OK : keep_part(f, key, o, e);
}

/* Could a kill, or a power cut that left zeros, have made this of one of our records? */
static bool looks_torn(rg_str line)
{
    static const char head[] = "{\"schema\":2,\"id\":\"";
    const size_t n = RG_MIN(line.n, sizeof head - 1);
    return n == 0 || memcmp(line.p, head, n) == 0 || line.p[0] == '\0';
}

static rg_status not_a_record(const rg_outfile *f, size_t number, rg_err *e)
{
    RG_FAIL(e, RG_EFORMAT, "%s:%zu is not a record: repair the file, or write to another one", f->path,
            number);
}

/* Adds a whole record's bytes to *keep; sets *torn when the line is one that a kill cut short. */
static rg_status read_line(rg_outfile *f, rg_str line, size_t number, bool whole, const char *config,
                           off_t *keep, bool *torn, rg_err *e)
{
    json_error_t je;
    rg_status s = RG_OK;
    /* as reals: a seed may need all 64 bits, more than the reader's integers have */
    const size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL;
    json_t *o = whole ? json_loadb(line.p, line.n, flags, &je) : NULL;
    if (text_in(o, "id") != NULL && text_in(o, "config") != NULL) {
        s = take(f, o, config, e);
        *keep += (off_t)line.n + 1;
    } else if (o == NULL && looks_torn(line))
        *torn = true;
    else
        s = not_a_record(f, number, e);
    json_decref(o);
    return s;
}

/* Sets *keep to the bytes that are whole records. */
static rg_status read_lines(rg_outfile *f, const char *config, off_t *keep, rg_err *e)
{
    rg_lines *l;
    rg_str line;
    size_t number = 0;
    bool whole = true, torn = false;
    rg_status s;
    *keep = 0;
    RG_TRY(rg_lines_open(&l, f->path, LINE_MAX_BYTES, e));
    while ((s = rg_lines_next(l, &line, &number, &whole, e)) == RG_OK && line.p != NULL) {
        if (torn) /* and yet a line follows it */
            s = not_a_record(f, number - 1, e);
        else
            s = read_line(f, line, number, whole, config, keep, &torn, e);
        if (s != RG_OK)
            break;
    }
    rg_lines_close(l);
    return s;
}

/* ---- opening and appending ---- */

static rg_status fail(const rg_outfile *f, const char *what, rg_err *e)
{
    const int err = errno;
    return rg_err_set(e, err == ENOSPC || err == EROFS || err == EDQUOT || err == EFBIG ? RG_ELIMIT : RG_EIO,
                      __FILE__, __LINE__, "%s: %s: %s", f->path, what, strerror(err));
}

static rg_status cut(const rg_outfile *f, off_t keep, rg_err *e)
{
    struct stat st;
    if (fstat(f->fd, &st) != 0 || (st.st_size > keep && ftruncate(f->fd, keep) != 0))
        return fail(f, "cannot cut off a torn line", e);
    return RG_OK;
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
    f->place = json_object();
    if (f->path == NULL || f->place == NULL)
        RG_FAIL_GO(s, bad, e, RG_ENOMEM, "no memory for %s", path);
    f->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (f->fd < 0) {
        s = fail(f, "cannot open it for writing", e);
        goto bad;
    }
    if (flock(f->fd, LOCK_EX | LOCK_NB) != 0)
        RG_FAIL_GO(s, bad, e, RG_EARG, "%s is being written by another process", path);
    RG_GO(s, bad, read_lines(f, config, &keep, e));
    RG_GO(s, bad, cut(f, keep, e));
    *out = f;
    return RG_OK;
bad:
    rg_outfile_close(f);
    return s;
}

/* The file grows by all of b or stays as it was. */
static rg_status append(const rg_outfile *f, const rg_buf *b, rg_err *e)
{
    struct stat st;
    if (fstat(f->fd, &st) != 0)
        return fail(f, "cannot write", e);
    errno = ENOSPC; /* what a short write means */
    const ssize_t n = write(f->fd, b->p, b->n);
    if (n >= 0 && (size_t)n == b->n && (fsync(f->fd) == 0 || errno == EINVAL)) /* no disk behind it */
        return RG_OK;
    const rg_status s = fail(f, "cannot write a record", e);
    if (n > 0 && ftruncate(f->fd, st.st_size) != 0)
        rg_err_prefix(e, "half a record was left behind, the next run will cut it off");
    return s;
}

rg_status rg_outfile_append(rg_outfile *f, const rg_record *r, bool tree, rg_err *e)
{
    rg_buf b = RG_BUF_MAX(LINE_MAX_BYTES);
    rg_record_json(&b, r, tree);
    rg_buf_putc(&b, '\n');
    rg_status s = rg_buf_check(&b, "a record", e);
    if (s == RG_OK)
        s = append(f, &b, e);
    rg_buf_free(&b);
    return s;
}
