/* tok_norm.c - the normalisers of tokenizer.json, and what SentencePiece does about spaces.
 *
 * Each step reads w->text and writes w->other; then the two change places.  Bytes that are not
 * UTF-8 are kept as they are. */
#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "rung/base/mem.h"
#include "tokenizer_int.h"

bool rg__is_white(uint32_t cp)
{
    return cp == ' ' || (cp >= 9 && cp <= 13) || cp == 0x85 || cp == 0xA0 || cp == 0x1680 ||
           (cp >= 0x2000 && cp <= 0x200A) || cp == 0x2028 || cp == 0x2029 || cp == 0x202F || cp == 0x205F ||
           cp == 0x3000;
}

/* The next character and its length; a byte that is none counts as U+FFFFFFFF. */
static size_t next_char(rg_str s, size_t at, uint32_t *cp)
{
    const size_t n = rg_utf8_decode(s.p + at, s.n - at, cp);
    if (n == 0)
        *cp = UINT32_MAX;
    return RG_MAX(n, (size_t)1);
}

static void put_char(rg_buf *b, uint32_t cp)
{
    char utf8[4];
    rg_buf_put(b, utf8, rg_utf8_encode(cp, utf8));
}

/* ---- Unicode's normal forms ---- */

static rg_status form_of(rg_buf *out, rg_str in, utf8proc_option_t options, rg_err *e)
{
    utf8proc_uint8_t *made = NULL;
    const utf8proc_ssize_t n = utf8proc_map((const utf8proc_uint8_t *)in.p, (utf8proc_ssize_t)in.n, &made,
                                            options | UTF8PROC_STABLE);
    if (n < 0) {
        if (n == UTF8PROC_ERROR_NOMEM)
            RG_FAIL(e, RG_ENOMEM, "no memory to normalise %zu bytes", in.n);
        rg_buf_str(out, in);
        return RG_OK;
    }
    rg_buf_put(out, made, (size_t)n);
    free(made);
    return RG_OK;
}

static bool is_ascii(rg_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] >= 0x80)
            return false;
    return true;
}

/* Stretches between bytes that are no characters are normalised by themselves. */
static rg_status normal_form(rg_buf *out, rg_str in, norm_kind kind, rg_err *e)
{
    const int compose = kind == NORM_NFC || kind == NORM_NFKC ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE;
    const int compat = kind == NORM_NFKC || kind == NORM_NFKD ? UTF8PROC_COMPAT : 0;
    if (is_ascii(in)) {
        rg_buf_str(out, in);
        return RG_OK;
    }
    for (size_t at = 0, begun = 0, len; begun < in.n; at += len) {
        uint32_t cp = UINT32_MAX;
        len = at < in.n ? next_char(in, at, &cp) : 1;
        if (cp != UINT32_MAX)
            continue;
        if (at > begun)
            RG_TRY(
                form_of(out, rg_str_n(in.p + begun, at - begun), (utf8proc_option_t)(compose | compat), e));
        if (at < in.n)
            rg_buf_putc(out, in.p[at]);
        begun = at + 1;
    }
    return RG_OK;
}

/* ---- character by character ---- */

static bool is_mark(uint32_t cp)
{
    if (cp < 0x300 || cp == UINT32_MAX)
        return false;
    const utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
    return c == UTF8PROC_CATEGORY_MN || c == UTF8PROC_CATEGORY_MC || c == UTF8PROC_CATEGORY_ME;
}

static bool is_nonspacing(uint32_t cp)
{
    return cp >= 0x300 && cp != UINT32_MAX && utf8proc_category((utf8proc_int32_t)cp) == UTF8PROC_CATEGORY_MN;
}

static void lower(rg_buf *out, uint32_t cp)
{
    if (cp == 0x130) { /* dotted capital I: the one letter whose lower case is two characters */
        put_char(out, 'i');
        put_char(out, 0x307);
    } else {
        put_char(out, (uint32_t)utf8proc_tolower((utf8proc_int32_t)cp));
    }
}

static void lower_all(rg_buf *out, rg_str in)
{
    uint32_t cp;
    for (size_t at = 0, len; at < in.n; at += len) {
        len = next_char(in, at, &cp);
        if (cp == UINT32_MAX)
            rg_buf_putc(out, in.p[at]);
        else
            lower(out, cp);
    }
}

/* Keeps the characters that are not to be dropped. */
static void filter(rg_buf *out, rg_str in, bool (*drop)(uint32_t))
{
    uint32_t cp;
    for (size_t at = 0, len; at < in.n; at += len) {
        len = next_char(in, at, &cp);
        if (!drop(cp))
            rg_buf_put(out, in.p + at, len);
    }
}

static rg_str strip(rg_str s, unsigned flags)
{
    uint32_t cp;
    while (flags & NORM_LEFT && s.n > 0) {
        const size_t len = next_char(s, 0, &cp);
        if (!rg__is_white(cp))
            break;
        s = rg_str_n(s.p + len, s.n - len);
    }
    while (flags & NORM_RIGHT && s.n > 0) {
        size_t at = s.n - 1;
        while (at > 0 && ((unsigned char)s.p[at] & 0xC0) == 0x80)
            at--;
        (void)next_char(s, at, &cp);
        if (!rg__is_white(cp))
            break;
        s.n = at;
    }
    return s;
}

/* ---- replacing ---- */

static rg_status replace(rg_buf *out, rg_str in, const norm_step *s, regex_run **run, rg_err *e)
{
    size_t at = 0;
    while (at <= in.n) {
        size_t begin, end;
        if (s->re != NULL) {
            RG_TRY(rg__regex_find(s->re, run, in.p, in.n, at, &begin, &end, e));
        } else {
            begin = rg_str_find(rg_str_n(in.p + at, in.n - at), s->a);
            begin = begin == SIZE_MAX ? SIZE_MAX : begin + at;
            end = begin + s->a.n;
        }
        if (begin == SIZE_MAX)
            break;
        rg_buf_put(out, in.p + at, begin - at);
        rg_buf_str(out, s->b);
        if (end == begin && end < in.n)
            rg_buf_putc(out, in.p[end]);
        at = end + (end == begin);
    }
    if (at < in.n)
        rg_buf_put(out, in.p + at, in.n - at);
    return RG_OK;
}

/* ---- Nmt, BERT ---- */

/* As SentencePiece's nmt rules: some controls go, others and odd spaces become a space. */
static void nmt(rg_buf *out, rg_str in)
{
    uint32_t cp;
    for (size_t at = 0, len; at < in.n; at += len) {
        len = next_char(in, at, &cp);
        if ((cp >= 1 && cp <= 8) || cp == 0xB || (cp >= 0xE && cp <= 0x1F) || cp == 0x7F || cp == 0x8F ||
            cp == 0x9F)
            continue;
        const bool space = cp == 9 || cp == 0xA || cp == 0xC || cp == 0xD || cp == 0x1680 ||
                           (cp >= 0x200B && cp <= 0x200F) || cp == 0x2028 || cp == 0x2029 || cp == 0x2581 ||
                           cp == 0xFEFF || cp == 0xFFFD;
        if (space)
            rg_buf_putc(out, ' ');
        else
            rg_buf_put(out, in.p + at, len);
    }
}

static bool is_ideograph(uint32_t cp)
{
    return (cp >= 0x4E00 && cp <= 0x9FFF) || (cp >= 0x3400 && cp <= 0x4DBF) ||
           (cp >= 0x20000 && cp <= 0x2A6DF) || (cp >= 0x2A700 && cp <= 0x2B73F) ||
           (cp >= 0x2B740 && cp <= 0x2B81F) || (cp >= 0x2B920 && cp <= 0x2CEAF) ||
           (cp >= 0xF900 && cp <= 0xFAFF) || (cp >= 0x2F800 && cp <= 0x2FA1F);
}

static bool is_other(uint32_t cp)
{
    switch (utf8proc_category((utf8proc_int32_t)cp)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CO: return true;
    default: return false;
    }
}

static void bert_clean(rg_buf *out, rg_str in, unsigned flags)
{
    uint32_t cp;
    for (size_t at = 0, len; at < in.n; at += len) {
        len = next_char(in, at, &cp);
        const bool blank = cp == '\t' || cp == '\n' || cp == '\r';
        if (flags & NORM_CLEAN && cp != UINT32_MAX) {
            if (cp == 0 || cp == 0xFFFD || (!blank && is_other(cp)))
                continue;
            if (rg__is_white(cp)) {
                rg_buf_putc(out, ' ');
                continue;
            }
        }
        const bool apart = flags & NORM_CHINESE && is_ideograph(cp);
        if (apart)
            rg_buf_putc(out, ' ');
        rg_buf_put(out, in.p + at, len);
        if (apart)
            rg_buf_putc(out, ' ');
    }
}

static void swap(scratch *w)
{
    const rg_buf t = w->text;
    w->text = w->other;
    w->other = t;
    rg_buf_clear(&w->other);
}

static rg_status bert(scratch *w, unsigned flags, rg_err *e)
{
    bert_clean(&w->other, rg_buf_view(&w->text), flags);
    if (flags & NORM_NO_ACCENTS) {
        swap(w);
        RG_TRY(normal_form(&w->other, rg_buf_view(&w->text), NORM_NFD, e));
        swap(w);
        filter(&w->other, rg_buf_view(&w->text), is_nonspacing);
    }
    if (flags & NORM_LOWERCASE) {
        swap(w);
        lower_all(&w->other, rg_buf_view(&w->text));
    }
    return RG_OK;
}

/* ---- SentencePiece ---- */

/* As the package does it: the map is tried on each short grapheme, then on each character of
 * it; the shortest known prefix decides, and what it becomes stands for the whole. */
static void charsmap_package(rg_buf *out, rg_str in, const charsmap *m)
{
    for (size_t at = 0, end; at < in.n; at = end) {
        uint32_t cp, next;
        utf8proc_int32_t state = 0;
        end = at + next_char(in, at, &cp);
        while (end < in.n && cp != UINT32_MAX) {
            const size_t len = next_char(in, end, &next);
            if (next == UINT32_MAX ||
                utf8proc_grapheme_break_stateful((utf8proc_int32_t)cp, (utf8proc_int32_t)next, &state))
                break;
            end += len;
            cp = next;
        }
        rg_str becomes;
        if (end - at < 6 && rg__charsmap_find(m, in.p + at, end - at, true, &becomes)) {
            rg_buf_str(out, becomes);
            continue;
        }
        for (size_t i = at, len; i < end; i += len) {
            len = next_char(in, i, &cp);
            if (rg__charsmap_find(m, in.p + i, len, true, &becomes))
                rg_buf_str(out, becomes);
            else
                rg_buf_put(out, in.p + i, len);
        }
    }
}

/* The longest prefix wherever it ends, as SentencePiece and llama.cpp do; a byte that is no
 * character becomes U+FFFD. */
static void charsmap_longest(rg_buf *out, rg_str in, const charsmap *m)
{
    for (size_t at = 0, len; at < in.n; at += len) {
        uint32_t cp;
        rg_str becomes = rg_str_n("\xEF\xBF\xBD", 3);
        len = m == NULL ? 0 : rg__charsmap_find(m, in.p + at, in.n - at, false, &becomes);
        if (len == 0) {
            len = next_char(in, at, &cp);
            if (cp != UINT32_MAX)
                becomes = rg_str_n(in.p + at, len);
        }
        rg_buf_str(out, becomes);
    }
}

/* The space in front is put before the first character that is none. */
static void spaces(rg_buf *out, rg_str in, unsigned flags)
{
    bool in_word = false, front = flags & NORM_FRONT;
    for (size_t i = 0; i < in.n; i++) {
        const bool space = in.p[i] == ' ';
        if (!space && !in_word && (front || flags & NORM_MERGE)) {
            rg_buf_putc(out, ' ');
            front = false;
        }
        in_word = !space;
        if (!space || !(flags & NORM_MERGE))
            rg_buf_putc(out, in.p[i]);
    }
    if (flags & NORM_BACK)
        rg_buf_putc(out, ' ');
}

static rg_status step(const norm_step *s, scratch *w, rg_err *e)
{
    const rg_str in = rg_buf_view(&w->text);
    rg_buf *out = &w->other;
    switch (s->kind) {
    case NORM_NFC:
    case NORM_NFD:
    case NORM_NFKC:
    case NORM_NFKD: return normal_form(out, in, s->kind, e);
    case NORM_LOWER: lower_all(out, in); break;
    case NORM_STRIP: rg_buf_str(out, strip(in, s->flags)); break;
    case NORM_ACCENTS: filter(out, in, is_mark); break;
    case NORM_REPLACE: return replace(out, in, s, &w->run, e);
    case NORM_PREPEND:
        if (in.n > 0)
            rg_buf_str(out, s->a);
        rg_buf_str(out, in);
        break;
    case NORM_NMT: nmt(out, in); break;
    case NORM_BERT: return bert(w, s->flags, e);
    case NORM_CHARSMAP:
        if (s->flags & NORM_MERGE)
            charsmap_longest(out, in, s->map);
        else
            charsmap_package(out, in, s->map);
        break;
    case NORM_SPACES: spaces(out, in, s->flags); break;
    }
    return RG_OK;
}

rg_status rg__norm_run(const tok_steps *steps, scratch *w, rg_err *e)
{
    for (size_t i = 0; i < steps->n_norm; i++) {
        rg_buf_clear(&w->other);
        RG_TRY(step(&steps->norm[i], w, e));
        RG_TRY(rg_buf_check(&w->other, "a normalised text", e));
        swap(w);
    }
    return RG_OK;
}
