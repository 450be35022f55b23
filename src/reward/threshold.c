/* threshold.c - all thresholds at once.
 *
 * A solution is labelled rightly for the thresholds of one interval (lo, hi]: without an error,
 * (-inf, its smallest score]; with its first error at step e, (r_e, the smallest score before e].  So
 * the number labelled rightly at a threshold is that of the intervals begun below it less those ended. */
#include "rung/reward/threshold.h"

#include <math.h>
#include <stdlib.h>

#include "rung/base/mem.h"

int64_t rg_first_error(const double *r, size_t n, double theta)
{
    for (size_t i = 0; i < n; i++)
        if (r[i] < theta)
            return (int64_t)i;
    return -1;
}

static void set_shares(rg_threshold *t, size_t right_error, size_t right_correct)
{
    t->acc_error = t->n_error == 0 ? 0 : (double)right_error / (double)t->n_error;
    t->acc_correct = t->n_correct == 0 ? 0 : (double)right_correct / (double)t->n_correct;
    const double sum = t->acc_error + t->acc_correct;
    t->f1 = sum > 0 ? 2 * t->acc_error * t->acc_correct / sum : 0;
}

rg_threshold rg_threshold_at(double theta, const rg_labelled *s, size_t n)
{
    rg_threshold t = { .theta = theta };
    size_t right[2] = { 0 };
    for (size_t i = 0; i < n; i++) {
        const bool has_error = s[i].first_error >= 0;
        right[has_error] += rg_first_error(s[i].r, s[i].n, theta) == s[i].first_error;
        t.n_error += has_error;
        t.n_correct += !has_error;
    }
    set_shares(&t, right[1], right[0]);
    return t;
}

/* ---- the sweep ---- */

typedef struct ends { /* of the intervals of one kind of solution */
    double *lo, *hi;
    size_t n, begun, ended;
} ends;

static double smallest(const double *r, size_t n)
{
    double least = INFINITY;
    for (size_t i = 0; i < n; i++)
        least = r[i] < least ? r[i] : least;
    return least;
}

static void add_interval(ends *x, double lo, double hi)
{
    if (!(lo < hi))
        return; /* no threshold labels it rightly */
    x->lo[x->n] = lo;
    x->hi[x->n++] = hi;
}

static void add_solution(ends x[2], const rg_labelled *s)
{
    const size_t e = s->first_error < 0 ? s->n : (size_t)s->first_error;
    if (s->first_error < 0)
        add_interval(&x[0], -INFINITY, smallest(s->r, s->n));
    else
        add_interval(&x[1], s->r[e], smallest(s->r, e));
}

static int rising(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static size_t right_at(ends *x, double theta)
{
    while (x->begun < x->n && x->lo[x->begun] < theta)
        x->begun++;
    while (x->ended < x->n && x->hi[x->ended] < theta)
        x->ended++;
    return x->begun - x->ended;
}

static void sweep(rg_threshold *best, ends x[2], double *theta, size_t n)
{
    for (size_t k = 0; k < 2; k++) {
        qsort(x[k].lo, x[k].n, sizeof(double), rising);
        qsort(x[k].hi, x[k].n, sizeof(double), rising);
    }
    qsort(theta, n, sizeof(double), rising);
    for (size_t i = 0; i < n; i++) {
        rg_threshold t = *best;
        t.theta = theta[i];
        set_shares(&t, right_at(&x[1], theta[i]), right_at(&x[0], theta[i]));
        if (i == 0 || t.f1 > best->f1)
            *best = t;
    }
}

static rg_status check(rg_threshold *t, size_t *scores, const rg_labelled *s, size_t n, rg_err *e)
{
    *t = (rg_threshold){ 0 };
    *scores = 0;
    for (size_t i = 0; i < n; i++) {
        if (s[i].first_error < -1 || s[i].first_error >= (int64_t)s[i].n)
            RG_FAIL(e, RG_EARG,
                    "solution %zu has %zu steps, its first error is number %lld: from 0, or -1 for none", i,
                    s[i].n, (long long)s[i].first_error);
        t->n_error += s[i].first_error >= 0;
        t->n_correct += s[i].first_error < 0;
        for (size_t k = 0; k < s[i].n; k++)
            *scores += isfinite(s[i].r[k]) != 0;
    }
    if (t->n_error == 0 || t->n_correct == 0 || *scores == 0)
        RG_FAIL(e, RG_EARG,
                "a threshold needs solutions with an error and without one: here are %zu and %zu, with %zu "
                "scores",
                t->n_error, t->n_correct, *scores);
    return RG_OK;
}

rg_status rg_threshold_tune(rg_threshold *out, const rg_labelled *s, size_t n, rg_err *e)
{
    size_t n_scores, at = 0;
    RG_TRY(check(out, &n_scores, s, n, e));
    double *room = rg_alloc(n, 4 * sizeof *room), *theta = rg_alloc(n_scores, sizeof *theta);
    rg_status st = RG_OK;
    if (room == NULL || theta == NULL)
        RG_FAIL_GO(st, done, e, RG_ENOMEM, "no memory for %zu scores", n_scores);
    ends x[2] = { { .lo = room, .hi = room + n }, { .lo = room + 2 * n, .hi = room + 3 * n } };
    for (size_t i = 0; i < n; i++) {
        add_solution(x, &s[i]);
        for (size_t k = 0; k < s[i].n; k++)
            if (isfinite(s[i].r[k]))
                theta[at++] = s[i].r[k];
    }
    sweep(out, x, theta, n_scores);
done:
    rg_free(room);
    rg_free(theta);
    return st;
}
