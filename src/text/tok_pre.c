/* tok_pre.c - the pre-tokenizers of tokenizer.json: each cuts every piece that the one before
 * made, as if it stood alone; Metaspace and ByteLevel may also write the text anew. */
#include <string.h>

#include <utf8proc.h>

#include "rung/base/mem.h"
#include "tokenizer_int.h"

rg_status rg__cuts_push(cuts *c, size_t begin, size_t end, rg_err *e)
{
    if (c->n == c->cap) {
        const size_t cap = RG_MAX(2 * c->cap, (size_t)64);
        cut *wide = rg_realloc(c->c, cap, sizeof *wide);
        if (wide == NULL)
            RG_FAIL(e, RG_ENOMEM, "no memory for %zu pieces of a text", cap);
        c->c = wide;
        c->cap = cap;
    }
    c->c[c->n++] = (cut){ begin, end };
    return RG_OK;
}

/* ---- what counts as a delimiter ---- */

static bool is_numeric(uint32_t cp)
{
    switch (utf8proc_category((utf8proc_int32_t)cp)) {
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO: return true;
    default: return false;
    }
}

static bool is_punctuation(uint32_t cp)
{
    if (cp < 0x80)
        return (cp >= 33 && cp <= 47) || (cp >= 58 && cp <= 64) || (cp >= 91 && cp <= 96) ||
               (cp >= 123 && cp <= 126);
    switch (utf8proc_category((utf8proc_int32_t)cp)) {
    case UTF8PROC_CATEGORY_PC:
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO: return true;
    default: return false;
    }
}

/* The delimiter at or behind `at` of a piece: begin == n when there is none. */
static rg_status delimiter(const pre_step *s, scratch *w, rg_str piece, size_t at, size_t *begin, size_t *end,
                           rg_err *e)
{
    if (s->re != NULL) {
        RG_TRY(rg__regex_find(s->re, &w->run, piece.p, piece.n, at, begin, end, e));
    } else if (s->kind == PRE_SPLIT || s->kind == PRE_SPLIT_MISS || s->kind == PRE_METASPACE) {
        const size_t found = rg_str_find(rg_str_n(piece.p + at, piece.n - at), s->a);
        *begin = found == SIZE_MAX ? SIZE_MAX : at + found;
        *end = *begin + s->a.n;
    } else {
        *begin = SIZE_MAX;
        for (size_t len; at < piece.n && *begin == SIZE_MAX; at += len) {
            uint32_t cp = 0;
            len = rg_utf8_decode(piece.p + at, piece.n - at, &cp);
            const bool yes = len > 0 && (s->kind == PRE_PUNCTUATION ? is_punctuation(cp)
                                         : s->kind == PRE_BLANKS    ? rg__is_white(cp)
                                                                    : is_numeric(cp));
            len = RG_MAX(len, (size_t)1);
            if (yes) {
                *begin = at;
                *end = at + len;
            }
        }
    }
    if (*begin == SIZE_MAX)
        *begin = *end = piece.n;
    return RG_OK;
}

/* ---- cutting at delimiters ---- */

/* What is being put together; delimiters and what is between them come in turn. */
typedef struct joiner {
    cuts *out;
    size_t base; /* of the piece in the text */
    cut held;
    bool holds, was_delimiter;
} joiner;

static rg_status flush(joiner *j, rg_err *e)
{
    if (j->holds && j->held.end > j->held.begin)
        RG_TRY(rg__cuts_push(j->out, j->base + j->held.begin, j->base + j->held.end, e));
    j->holds = false;
    return RG_OK;
}

static rg_status add(joiner *j, cut_behaviour how, size_t begin, size_t end, bool is_delimiter, rg_err *e)
{
    if (begin == end)
        return RG_OK;
    bool join = false;
    switch (how) {
    case CUT_REMOVED:
        if (is_delimiter)
            return flush(j, e);
        break;
    case CUT_ISOLATED: break;
    case CUT_PREVIOUS: join = is_delimiter && !j->was_delimiter; break;
    case CUT_NEXT: join = j->was_delimiter && !is_delimiter; break;
    case CUT_CONTIGUOUS: join = is_delimiter == j->was_delimiter; break;
    }
    if (!join || !j->holds) {
        RG_TRY(flush(j, e));
        j->held.begin = begin;
    }
    j->held.end = end;
    j->holds = true;
    j->was_delimiter = is_delimiter;
    return RG_OK;
}

static rg_status split_piece(const pre_step *s, cut_behaviour how, scratch *w, cut c, cuts *out, rg_err *e)
{
    const rg_str piece = rg_str_n(w->text.p + c.begin, c.end - c.begin);
    const bool miss = s->kind == PRE_SPLIT_MISS;
    joiner j = { .out = out, .base = c.begin };
    size_t done = 0, at = 0;
    while (at < piece.n) {
        size_t begin, end;
        RG_TRY(delimiter(s, w, piece, at, &begin, &end, e));
        if (begin == piece.n)
            break;
        RG_TRY(add(&j, how, done, begin, miss, e));
        RG_TRY(add(&j, how, begin, end, !miss, e));
        done = end;
        at = end > begin ? end : end + RG_MAX(rg_utf8_decode(piece.p + end, piece.n - end, NULL), (size_t)1);
    }
    RG_TRY(add(&j, how, done, piece.n, miss, e));
    return flush(&j, e);
}

/* ---- the other kinds ---- */

bool rg__is_word(uint32_t cp)
{
    if (cp < 0x80)
        return (cp >= '0' && cp <= '9') || (cp >= 'A' && cp <= 'Z') || (cp >= 'a' && cp <= 'z') || cp == '_';
    switch (utf8proc_category((utf8proc_int32_t)cp)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC: return true;
    default: /* letters in circles and squares, joiners */
        return (cp >= 0x24B6 && cp <= 0x24E9) || (cp >= 0x1F130 && cp <= 0x1F149) ||
               (cp >= 0x1F150 && cp <= 0x1F169) || (cp >= 0x1F170 && cp <= 0x1F189) || cp == 0x200C ||
               cp == 0x200D;
    }
}

enum { CLASS_WHITE, CLASS_WORD, CLASS_OTHER };

/* Whitespace: runs of word characters, runs of others.  BERT: white space goes, punctuation
 * stands alone. */
static rg_status class_piece(const pre_step *s, scratch *w, cut c, cuts *out, rg_err *e)
{
    const char *p = w->text.p;
    size_t begun = c.begin;
    int before = CLASS_WHITE;
    for (size_t at = c.begin, len; at < c.end; at += len) {
        uint32_t cp = 0;
        len = rg_utf8_decode(p + at, c.end - at, &cp);
        const bool bert = s->kind == PRE_BERT;
        int class = bert ? CLASS_WORD : CLASS_OTHER;
        if (len > 0)
            class = rg__is_white(cp) ? CLASS_WHITE
                    : bert           ? (is_punctuation(cp) ? CLASS_OTHER : CLASS_WORD)
                                     : (rg__is_word(cp) ? CLASS_WORD : CLASS_OTHER);
        len = RG_MAX(len, (size_t)1);
        if (class != before || (bert && class == CLASS_OTHER)) {
            if (before != CLASS_WHITE)
                RG_TRY(rg__cuts_push(out, begun, at, e));
            begun = at;
            before = class;
        }
    }
    return before == CLASS_WHITE ? RG_OK : rg__cuts_push(out, begun, c.end, e);
}

static rg_status rule_piece(const pre_step *s, scratch *w, cut c, cuts *out, rg_err *e)
{
    const size_t n = c.end - c.begin;
    for (size_t at = 0, end; at < n; at = end) {
        end = rg__pretok_next(s->rule, w->text.p + c.begin, n, at);
        RG_TRY(rg__cuts_push(out, c.begin + at, c.begin + end, e));
    }
    return RG_OK;
}

/* Spaces become the replacement, which may go in front; pieces keep their order. */
static void rewrite_piece(const pre_step *s, rg_buf *to, rg_str piece, bool first)
{
    const bool spaced = s->kind == PRE_METASPACE;
    const rg_str mark = spaced ? s->a : rg_str_of(" ");
    const bool has = (piece.n >= mark.n && memcmp(piece.p, mark.p, mark.n) == 0) ||
                     (spaced && piece.n > 0 && piece.p[0] == ' ');
    if (piece.n > 0 && !has && (s->flags & PRE_ALWAYS || (s->flags & PRE_FIRST && first)))
        rg_buf_str(to, mark);
    if (!spaced) {
        rg_buf_str(to, piece);
        return;
    }
    while (piece.n > 0) {
        const char *space = memchr(piece.p, ' ', piece.n);
        const size_t n = space ? (size_t)(space - piece.p) : piece.n;
        rg_buf_put(to, piece.p, n);
        if (space)
            rg_buf_str(to, mark);
        piece = rg_str_n(piece.p + n + (space != NULL), piece.n - n - (space != NULL));
    }
}

static rg_status rewrite(const pre_step *s, scratch *w, bool first, rg_err *e)
{
    rg_buf_clear(&w->other);
    for (size_t i = 0; i < w->words.n; i++) {
        cut *c = &w->words.c[i];
        const size_t begin = w->other.n;
        rewrite_piece(s, &w->other, rg_str_n(w->text.p + c->begin, c->end - c->begin),
                      first && c->begin == 0);
        *c = (cut){ begin, w->other.n };
    }
    RG_TRY(rg_buf_check(&w->other, "a text", e));
    const rg_buf t = w->text;
    w->text = w->other;
    w->other = t;
    return RG_OK;
}

static rg_status cut_piece(const pre_step *s, scratch *w, cut c, cuts *out, rg_err *e)
{
    switch (s->kind) {
    case PRE_RULE: return rule_piece(s, w, c, out, e);
    case PRE_WORDS:
    case PRE_BERT: return class_piece(s, w, c, out, e);
    case PRE_BLANKS: return split_piece(s, CUT_REMOVED, w, c, out, e);
    case PRE_METASPACE: return split_piece(s, CUT_NEXT, w, c, out, e);
    case PRE_DIGITS: return split_piece(s, CUT_CONTIGUOUS, w, c, out, e);
    case PRE_DIGIT: return split_piece(s, CUT_ISOLATED, w, c, out, e);
    case PRE_SPLIT:
    case PRE_SPLIT_MISS:
    case PRE_PUNCTUATION: return split_piece(s, s->behaviour, w, c, out, e);
    case PRE_PREFIX: break;
    }
    return rg__cuts_push(out, c.begin, c.end, e);
}

rg_status rg__pre_run(const tok_steps *steps, scratch *w, bool first, rg_err *e)
{
    w->words.n = 0;
    if (w->text.n > 0)
        RG_TRY(rg__cuts_push(&w->words, 0, w->text.n, e));
    for (size_t i = 0; i < steps->n_pre; i++) {
        const pre_step *s = &steps->pre[i];
        if (s->kind == PRE_METASPACE || s->kind == PRE_PREFIX)
            RG_TRY(rewrite(s, w, first, e));
        if (s->kind == PRE_PREFIX || (s->kind == PRE_METASPACE && !(s->flags & PRE_CUT)))
            continue;
        w->pieces.n = 0;
        for (size_t k = 0; k < w->words.n; k++)
            RG_TRY(cut_piece(s, w, w->words.c[k], &w->pieces, e));
        const cuts t = w->words;
        w->words = w->pieces;
        w->pieces = t;
    }
    return RG_OK;
}
