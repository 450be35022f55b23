/* grade.c - the doors of the room: trim, clean, the rules that need no tree, then the tree. */
#include "grade_int.h"

#include <ctype.h>
#include <flint/flint.h>

#include "rung/base/mem.h"

static rg_grade_opt settings(const rg_grade_opt *o)
{
    rg_grade_opt s = o ? *o : (rg_grade_opt){ 0 };
    if (!(s.rtol > 0))
        s.rtol = 1e-4;
    if (s.digits <= 0)
        s.digits = 3;
    return s;
}

static rg_str digits_of(rg_str s, bool *minus)
{
    *minus = s.n > 1 && s.p[0] == '-';
    if (*minus)
        s = rg_str_n(s.p + 1, s.n - 1);
    for (size_t i = 0; i < s.n; i++)
        if (!isdigit((unsigned char)s.p[i]))
            return rg_str_n(NULL, 0);
    while (s.n > 1 && s.p[0] == '0')
        s = rg_str_n(s.p + 1, s.n - 1);
    return s;
}

/* Two plain integers: by their digits, the common case of GSM8K and AIME. */
static bool integers(rg_grading *r, rg_str g, rg_str p)
{
    bool mg, mp;
    const rg_str a = digits_of(g, &mg), b = digits_of(p, &mp);
    if (a.n == 0 || b.n == 0)
        return false;
    const bool zero = rg_str_is(a, "0") && rg_str_is(b, "0");
    *r = rg__say(rg_str_eq(a, b) && (mg == mp || zero) ? RG_EQUAL : RG_DIFFERENT, "integer");
    return true;
}

static bool choices(rg_grading *r, rg_str gold, rg_str pred)
{
    const char g = rg__choice_letter(gold, false), p = rg__choice_letter(pred, true);
    if (!g || (!p && gold.n == 1))
        return false;
    *r = rg__say(g == p ? RG_EQUAL : RG_DIFFERENT, "choice");
    return true;
}

/* A word that stands for a mathematical object, as the text to parse instead. */
static rg_str meaning(rg_str folded, bool is_words, rg_str clean, char buf[16])
{
    if (!is_words)
        return clean;
    if (rg__means_empty(folded))
        return rg_str_of("\\emptyset");
    if (rg__means_reals(folded))
        return rg_str_of("\\reals");
    const int n = rg__number_word(folded);
    if (n < 0)
        return clean;
    snprintf(buf, 16, "%d", n);
    return rg_str_of(buf);
}

static bool is_wrapped_or_long(rg_str clean)
{
    return rg_str_find(clean, rg_str_of("\\text{")) != SIZE_MAX || clean.n >= 4;
}

static rg_grading trees(rg_str g, rg_str p, const rg_grade_opt *o)
{
    rg__tree a = { 0 }, b = { 0 };
    rg__cmp c = { .opt = *o, .work = RG__WORK_MAX };
    rg_grading r;
    if (!rg__parse(&a, g) || !rg__parse(&b, p)) {
        r = a.limit || b.limit ? rg__say(RG_UNDECIDED, "limit") : rg__say(RG_DIFFERENT, "text");
    } else {
        const rg__elem x = { &a, a.root, 0 }, y = { &b, b.root, 0 };
        r = rg__compare(&c, x, y);
    }
    rg__tree_free(&a);
    rg__tree_free(&b);
    return r;
}

static rg_grading cleaned(rg_str g, rg_str p, const rg_grade_opt *o, rg_buf *fg, rg_buf *fp)
{
    rg_grading r;
    char ng[16], np[16];
    if (rg_str_eq(g, p) && g.n)
        return rg__say(RG_EQUAL, "identical");
    if (integers(&r, g, p) || choices(&r, g, p))
        return r;
    const bool wg = rg__fold_words(fg, g), wp = rg__fold_words(fp, p);
    if (fg->failed || fp->failed)
        return rg__say(RG_UNDECIDED, "limit");
    if (wg && wp && fg->n && rg_str_eq(rg_buf_view(fg), rg_buf_view(fp)))
        return rg__say(RG_EQUAL, "word");
    const rg_str mg = meaning(rg_buf_view(fg), wg, g, ng), mp = meaning(rg_buf_view(fp), wp, p, np);
    const bool same_meaning = mg.p == g.p && mp.p == p.p;
    const bool lists =
        rg_str_find(g, rg_str_of(",")) != SIZE_MAX && rg_str_find(p, rg_str_of(",")) != SIZE_MAX;
    if (wg && wp && same_meaning && !lists && (is_wrapped_or_long(g) || is_wrapped_or_long(p)))
        return rg__say(RG_DIFFERENT, "word");
    return trees(mg, mp, o);
}

rg_grading rg_grade(rg_str gold, rg_str pred, const rg_grade_opt *o)
{
    const rg_grade_opt opt = settings(o);
    const rg_str g = rg_str_trim(gold), p = rg_str_trim(pred);
    rg_grading r;
    if (g.n == 0 || p.n == 0)
        return rg__say(RG_NO_ANSWER, "empty");
    if (g.n > RG__ANSWER_MAX || p.n > RG__ANSWER_MAX)
        return rg_str_eq(g, p) ? rg__say(RG_EQUAL, "identical") : rg__say(RG_UNDECIDED, "limit");
    if (rg_str_eq(g, p))
        return rg__say(RG_EQUAL, "identical");
    rg_buf cg = RG_BUF_MAX(8 * RG__ANSWER_MAX), cp = RG_BUF_MAX(8 * RG__ANSWER_MAX);
    rg_buf fg = RG_BUF_MAX(RG__ANSWER_MAX * 8), fp = RG_BUF_MAX(RG__ANSWER_MAX * 8);
    rg__clean(&cg, g);
    rg__clean(&cp, p);
    if (cg.failed || cp.failed)
        r = rg__say(RG_UNDECIDED, "limit");
    else if (cg.n == 0 || cp.n == 0) /* nothing but layout */
        r = rg__say(RG_NO_ANSWER, "empty");
    else
        r = cleaned(rg_buf_view(&cg), rg_buf_view(&cp), &opt, &fg, &fp);
    rg_buf_free(&cg);
    rg_buf_free(&cp);
    rg_buf_free(&fg);
    rg_buf_free(&fp);
    return r;
}

/* Three plain words that are neither units nor joints make a sentence. */
static bool is_prose(rg_str s)
{
    size_t words = 0;
    for (size_t i = 0; i < s.n;) {
        if (s.p[i] == '\\') {
            i++;
            while (i < s.n && isalpha((unsigned char)s.p[i]))
                i++;
            continue;
        }
        size_t j = i;
        while (j < s.n && isalpha((unsigned char)s.p[j]))
            j++;
        const rg_str w = rg_str_n(s.p + i, j - i);
        if (w.n >= 2 && !rg_str_is(w, "and") && !rg_str_is(w, "or") && rg__fn_find(w) == RG__F_NONE)
            words++;
        i = j > i ? j : i + 1;
    }
    return words >= 3;
}

/* "3\sqrt2 meters per second" has three words and is an answer all the same. */
static bool is_answer(rg_str s)
{
    rg__tree t = { 0 };
    rg_buf b = RG_BUF_MAX(8 * RG__ANSWER_MAX);
    if (s.n > RG__ANSWER_MAX)
        return false;
    rg__clean(&b, s);
    const bool yes = !b.failed && rg__parse(&t, rg_buf_view(&b));
    rg__tree_free(&t);
    rg_buf_free(&b);
    return yes;
}

rg_extract_rule rg_find_answer(rg_buf *b, rg_str s)
{
    const rg_extract_opt strict = { false, 'E', false }, last = { false, 'E', true };
    rg_extract_rule rule = rg_extract(b, s, &strict);
    const bool box = rg_str_find(s, rg_str_of("\\boxed")) != SIZE_MAX;
    if (rule != RG_X_NONE || box)
        return rule;
    if (is_prose(s) && !is_answer(s))
        rule = rg_extract(b, s, &last);
    if (rule == RG_X_NONE) {
        rg_buf_str(b, s);
        rule = RG_X_WHOLE;
    }
    return rule;
}

rg_grading rg_grade_texts(rg_str gold, rg_str pred, const rg_grade_opt *o)
{
    rg_buf g = RG_BUF_MAX(gold.n + 4096), p = RG_BUF_MAX(pred.n + 4096);
    rg_grading r;
    const rg_extract_rule rg = rg_find_answer(&g, gold), rp = rg_find_answer(&p, pred);
    if (g.failed || p.failed)
        r = rg__say(RG_UNDECIDED, "limit");
    else if (rg == RG_X_NONE || rp == RG_X_NONE)
        r = rg__say(RG_NO_ANSWER, "empty");
    else
        r = rg_grade(rg_buf_view(&g), rg_buf_view(&p), o);
    rg_buf_free(&g);
    rg_buf_free(&p);
    return r;
}

const char *rg_verdict_name(rg_verdict v)
{
    static const char *const names[] = { "different", "equal", "undecided", "no_answer" };
    return (size_t)v < RG_COUNT(names) ? names[v] : "undecided";
}

void rg_grade_thread_end(void)
{
    flint_cleanup();
}
