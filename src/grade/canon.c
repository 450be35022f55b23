/* canon.c - one text per answer, so that votes can be counted by comparing bytes (section 16.6).
 *
 *     q:7/20            integers and rationals, exactly
 *     r:1.73205080757   real constants, 12 digits;  c:re,im  complex ones
 *     e:v1,v2,v3        expressions with variables: their values at three fixed points
 *     eq:..             equations up to a factor, likewise
 *     [..] (..) {..}    intervals and tuples in order, sets and lists sorted
 *     w:east  l:C  t:.. words, choice letters, and whatever does not parse, normalised
 *
 * p% is the vote p, a degree sign is no vote of its own, x = 5 is the vote 5. */
#include "grade_int.h"

#include "rung/base/mem.h"

enum { CANON_MAX = 65536, CANON_DEPTH_MAX = 16, DIGITS = 12, EXACT_BITS = 40 };

typedef struct canon {
    long work;
    int depth;
} canon;

static bool put(rg_buf *b, rg__elem x, canon *c);

static void put_rational(rg_buf *b, const fmpq_t q)
{
    char *s = fmpq_get_str(NULL, 10, q);
    rg_buf_puts(b, "q:");
    rg_buf_puts(b, s);
    flint_free(s);
}

/* 12 digits of the middle, pushed up by 2^-90 of itself so that exact ties fall on one side. */
static void put_real(rg_buf *b, const arb_t x)
{
    arb_t t, bias;
    arb_init(t);
    arb_init(bias);
    if (arb_contains_zero(x)) {
        rg_buf_puts(b, "0");
    } else {
        arb_set_arf(t, arb_midref(x));
        arb_mul_2exp_si(bias, t, -90);
        arb_add(t, t, bias, 300);
        char *s = arb_get_str(t, DIGITS, ARB_STR_NO_RADIUS);
        rg_buf_puts(b, s);
        flint_free(s);
    }
    arb_clear(t);
    arb_clear(bias);
}

/* The simplest rational inside a narrow ball, if it is simple enough to be no accident. */
static bool as_rational(fmpq_t q, const arb_t x)
{
    if (arb_rel_accuracy_bits(x) < 180 && !arb_contains_zero(x))
        return false;
    if (!arf_is_zero(arb_midref(x)) && arf_cmpabs_2exp_si(arb_midref(x), 60) > 0)
        return false;
    arf_t lo, hi;
    arf_init(lo);
    arf_init(hi);
    arb_get_lbound_arf(lo, x, 300);
    arb_get_ubound_arf(hi, x, 300);
    fmpq_t l, h;
    fmpq_init(l);
    fmpq_init(h);
    arf_get_fmpq(l, lo);
    arf_get_fmpq(h, hi);
    fmpq_simplest_between(q, l, h);
    const bool yes = fmpz_bits(fmpq_denref(q)) <= EXACT_BITS;
    fmpq_clear(l);
    fmpq_clear(h);
    arf_clear(lo);
    arf_clear(hi);
    return yes;
}

static bool put_constant(rg_buf *b, rg__elem x, canon *c)
{
    const rg__point at = { .prec = 256 };
    acb_t z;
    fmpq_t q;
    acb_init(z);
    fmpq_init(q);
    const bool ok = rg__eval(z, x, &at, &c->work) == RG__EV_OK;
    /* An imaginary part that is only rounding is none. */
    const bool real = ok && arb_contains_zero(acb_imagref(z));
    if (ok && real && as_rational(q, acb_realref(z))) {
        put_rational(b, q);
    } else if (ok) {
        rg_buf_puts(b, real ? "r:" : "c:");
        put_real(b, acb_realref(z));
        if (!real) {
            rg_buf_putc(b, ',');
            put_real(b, acb_imagref(z));
        }
    }
    fmpq_clear(q);
    acb_clear(z);
    return ok;
}

static bool put_expression(rg_buf *b, rg__elem x, canon *c)
{
    acb_t z;
    bool ok = true;
    acb_init(z);
    rg_buf_puts(b, "e:");
    for (uint64_t i = 0; i < 3 && ok; i++) {
        const rg__point at = { .index = 5000 + i, .prec = 256 };
        ok = rg__eval(z, x, &at, &c->work) == RG__EV_OK;
        if (i)
            rg_buf_putc(b, ',');
        put_real(b, acb_realref(z));
        rg_buf_putc(b, ' ');
        put_real(b, acb_imagref(z));
    }
    acb_clear(z);
    return ok;
}

static bool put_scalar(rg_buf *b, rg__elem x, canon *c)
{
    const rg__node *n = rg__at(x.t, x.id);
    fmpq_t q;
    if (rg__infinite(x)) {
        rg_buf_puts(b, rg__infinite(x) > 0 ? "inf" : "-inf");
        return true;
    }
    if (n->kind == RG__PCT)
        x.id = n->first;
    c->work -= rg__weight(x);
    if (c->work < 0)
        return false;
    fmpq_init(q);
    const bool exact = rg__exact(q, x);
    if (exact)
        put_rational(b, q);
    fmpq_clear(q);
    if (exact)
        return true;
    return rg__contains(x.t, x.id, rg__is_var) ? put_expression(b, x, c) : put_constant(b, x, c);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* {..}: the elements' own forms, sorted. */
static bool put_sorted(rg_buf *b, rg__elem x, canon *c)
{
    rg__elem v[RG__ELEMS_MAX];
    char *s[RG__ELEMS_MAX] = { 0 };
    const size_t n = rg__expand(v, x);
    size_t m = 0;
    bool ok = n != SIZE_MAX;
    for (size_t i = 0; i < n && ok; i++) {
        rg_buf t = RG_BUF_MAX(CANON_MAX);
        ok = put(&t, v[i], c);
        s[m] = rg_buf_take(&t);
        ok = ok && s[m] != NULL;
        m += s[m] != NULL;
        rg_buf_free(&t);
    }
    qsort(s, m, sizeof *s, by_text);
    rg_buf_putc(b, '{');
    for (size_t i = 0; i < m; i++) {
        if (i)
            rg_buf_putc(b, ';');
        rg_buf_puts(b, s[i]);
        rg_free(s[i]);
    }
    rg_buf_putc(b, '}');
    return ok;
}

static bool put_ordered(rg_buf *b, rg__elem x, const char *open, const char *close, canon *c)
{
    bool ok = true;
    rg_buf_puts(b, open);
    const rg__node *n = rg__at(x.t, x.id);
    for (uint32_t i = n->first; i && ok; i = rg__at(x.t, i)->next) {
        if (i != n->first)
            rg_buf_putc(b, ';');
        ok = put(b, rg__child(x, i), c);
    }
    rg_buf_puts(b, close);
    return ok;
}

/* l = r up to a factor: (l - r) at two points over (l - r) at a third. */
static bool put_equation(rg_buf *b, rg__elem x, const rg__node *n, canon *c)
{
    acb_t v[3], t;
    bool ok = true;
    acb_init(t);
    for (size_t i = 0; i < 3; i++) {
        const rg__point at = { .index = 5000 + i, .prec = 256 };
        acb_init(v[i]);
        ok = ok && rg__eval(v[i], rg__child(x, n->first), &at, &c->work) == RG__EV_OK &&
             rg__eval(t, rg__child(x, n->last), &at, &c->work) == RG__EV_OK;
        acb_sub(v[i], v[i], t, at.prec);
    }
    ok = ok && !acb_contains_zero(v[0]);
    rg_buf_puts(b, "eq:");
    for (size_t i = 1; i < 3 && ok; i++) {
        acb_div(v[i], v[i], v[0], 256);
        put_real(b, acb_realref(v[i]));
        rg_buf_putc(b, ' ');
        put_real(b, acb_imagref(v[i]));
        rg_buf_putc(b, ' ');
    }
    for (size_t i = 0; i < 3; i++)
        acb_clear(v[i]);
    acb_clear(t);
    return ok;
}

/* A bound relation as the interval it says; others are left to the text. */
static bool put_relation(rg_buf *b, rg__elem x, const rg__node *n, canon *c)
{
    rg__elem rhs;
    if (rg__solved(&rhs, x))
        return put(b, rhs, c);
    if (n->n == 2 && n->ops[0] == '=')
        return put_equation(b, x, n, c);
    if (n->n != 2 || !strchr("<>lg", n->ops[0]) || rg__at(x.t, n->first)->kind != RG__VAR)
        return false;
    const bool closed = n->ops[0] == 'l' || n->ops[0] == 'g';
    const bool below = n->ops[0] == '<' || n->ops[0] == 'l';
    rg_buf_puts(b, below ? "(-inf;" : closed ? "[" : "(");
    const bool ok = put(b, rg__child(x, n->last), c);
    rg_buf_puts(b, !below ? ";inf)" : closed ? "]" : ")");
    return ok;
}

static bool put_kind(rg_buf *b, rg__elem x, canon *c)
{
    const rg__node *n = rg__at(x.t, x.id);
    char open[2] = { n->op, 0 }, close[2] = { n->ops[0], 0 };
    char shape[32];
    switch (n->kind) {
    case RG__LIST:
    case RG__SET: return put_sorted(b, x, c);
    case RG__UNION: rg_buf_putc(b, 'u'); return put_sorted(b, x, c);
    case RG__TUPLE: return put_ordered(b, x, open, close, c);
    case RG__MATRIX:
        snprintf(shape, sizeof shape, "m%dx%d(", (int)n->a, (int)n->b);
        return put_ordered(b, x, shape, ")", c);
    case RG__RATIO: return put_ordered(b, x, "ratio(", ")", c);
    case RG__BASE:
        rg_buf_puts(b, "b:");
        rg_buf_str(b, n->text);
        rg_buf_printf(b, "_%d", (int)n->a);
        return true;
    case RG__EMPTY: rg_buf_puts(b, "{}"); return true;
    case RG__REALS: rg_buf_puts(b, "(-inf;inf)"); return true;
    case RG__REL: return put_relation(b, x, n, c);
    default: break;
    }
    if (n->kind >= RG__BASE)
        return false;
    if (x.sign == 0 && rg__contains(x.t, x.id, rg__is_pm))
        return put_sorted(b, x, c);
    return put_scalar(b, x, c);
}

static bool put(rg_buf *b, rg__elem x, canon *c)
{
    if (c->depth >= CANON_DEPTH_MAX)
        return false;
    c->depth++;
    const bool ok = put_kind(b, rg__bare(x), c);
    c->depth--;
    return ok;
}

static bool canon_tree(rg_buf *b, rg_str text)
{
    rg__tree t = { 0 };
    canon c = { .work = 20000 };
    const size_t at = b->n;
    bool ok = rg__parse(&t, text) && put(b, (rg__elem){ &t, t.root, 0 }, &c);
    if (!ok && !b->failed)
        b->n = at;
    rg__tree_free(&t);
    return ok;
}

/* A form longer than the ceiling gives way to the normalised text; out of memory is the
 * caller's buffer's failure, so that no vote is counted for half a form. */
static void finish(rg_buf *b, const rg_buf *form, rg_str clean)
{
    if (form->failed && !form->over)
        b->failed = true;
    else if (form->failed || form->n > CANON_MAX)
        rg_buf_str(b, rg_str_n(clean.p, RG_MIN(clean.n, (size_t)CANON_MAX)));
    else
        rg_buf_str(b, rg_buf_view(form));
}

bool rg_canon(rg_buf *b, rg_str answer)
{
    const rg_str s = rg_str_trim(answer);
    if (s.n == 0)
        return false;
    rg_buf clean = RG_BUF_MAX(CANON_MAX), folded = RG_BUF_MAX(CANON_MAX), form = RG_BUF_MAX(CANON_MAX);
    rg__clean(&clean, rg_str_n(s.p, RG_MIN(s.n, (size_t)CANON_MAX / 8)));
    const rg_str t = rg_buf_view(&clean);
    const bool words = rg__fold_words(&folded, t);
    const rg_str f = rg_buf_view(&folded);
    const char letter = rg__choice_letter(t, true);
    if (letter) {
        rg_buf_printf(&form, "l:%c", letter);
    } else if (words && rg__means_empty(f)) {
        rg_buf_puts(&form, "{}");
    } else if (words && rg__means_reals(f)) {
        rg_buf_puts(&form, "(-inf;inf)");
    } else if (words && rg__number_word(f) >= 0) {
        rg_buf_printf(&form, "q:%d", rg__number_word(f));
    } else if (words && t.n && (t.n >= 4 || t.p[0] == '\\')) {
        rg_buf_puts(&form, "w:");
        rg_buf_str(&form, f);
    } else if (!canon_tree(&form, t)) {
        rg_buf_puts(&form, "t:");
        rg_buf_str(&form, t);
    }
    if ((clean.failed && !clean.over) || (folded.failed && !folded.over))
        b->failed = true;
    finish(b, &form, t);
    rg_buf_free(&clean);
    rg_buf_free(&folded);
    rg_buf_free(&form);
    return true;
}
