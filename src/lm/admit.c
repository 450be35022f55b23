/* admit.c - which jobs may run: slots, pages, cancellation; and taking them off again.
 *
 * A job is admitted when the pages it may take at worst are free: its own, and those of the
 * prompt nodes nobody has paid for yet.  Prompt pages are reserved at the node, once, however
 * many siblings wait for it.  What can never fit fails at once; what does not fit now waits for
 * memory that others give back.  With nothing running, only callers can give memory back: if
 * none does for STALL_NS, the job at the head fails rather than waiting for ever. */
#include <errno.h>
#include <time.h>

#include "rung/base/mem.h"

#include "lm_int.h"

static const int64_t STALL_NS = 5000000000, SWEEP_NS = 10000000;

static bool cancelled(const job *j)
{
    const rg_call *c = j->group->call;
    return j->group->enough || (c != NULL && c->cancel != NULL && atomic_load(c->cancel)) ||
           (c != NULL && c->deadline_ns != 0 && rg_now_ns() > c->deadline_ns);
}

/* ---- pages ---- */

static size_t pages_of(size_t tokens)
{
    return tokens / RG_PAGE + 2; /* a copied first page, a ragged last one */
}

/* Pages still to be reserved for nodes on the way to j's prompt, and those already there. */
static size_t node_pages(const job *j, size_t *held)
{
    size_t n = 0;
    *held = 0;
    for (const local_node *node = j->from; node != NULL; node = node->parent) {
        if (node->computed < node->len && node->reserved == 0)
            n += pages_of(node->len - node->computed);
        else
            *held += node->reserved;
    }
    *held += (j->from->len + RG_PAGE - 1) / RG_PAGE;
    return n;
}

static void reserve(local_lm *lm, job *j, size_t own)
{
    j->reserved = own;
    lm->reserved += own;
    for (local_node *node = j->from; node != NULL; node = node->parent) {
        if (node->computed == node->len || node->reserved > 0)
            continue;
        node->reserved = pages_of(node->len - node->computed);
        lm->reserved += node->reserved;
    }
}

void rg__node_unreserve(local_node *node)
{
    node->lm->reserved -= node->reserved;
    node->reserved = 0;
}

/* ---- the queue ---- */

static void push_active(local_lm *lm, job *j)
{
    job **at = &lm->active;
    while (*at != NULL)
        at = &(*at)->next;
    j->next = NULL;
    *at = j;
    lm->n_active++;
}

static void pop_queue(local_lm *lm)
{
    lm->queue_head = lm->queue_head->next;
    if (lm->queue_head == NULL)
        lm->queue_tail = NULL;
    lm->blocked_since = 0;
}

/* Cancelled jobs leave the queue wherever they stand; a long queue is not walked every step. */
static void sweep(local_lm *lm)
{
    if (rg_now_ns() - lm->swept_ns < SWEEP_NS)
        return;
    lm->swept_ns = rg_now_ns();
    job *last = NULL;
    for (job **at = &lm->queue_head; *at != NULL;) {
        job *j = *at;
        if (!cancelled(j)) {
            last = j;
            at = &j->next;
            continue;
        }
        *at = j->next;
        j->finish = RG_F_CANCELLED;
        rg__job_finish(j);
    }
    lm->queue_tail = last;
}

static void refuse(local_lm *lm, job *j, size_t need)
{
    rg_err e = RG_ERR_INIT;
    const size_t mib = lm->stats.page_bytes;
    const rg_status s = rg_err_set(
        &e, RG_ELIMIT, __FILE__, __LINE__,
        "a branch behind %zu tokens needs %.1f MiB of attention state, %.1f of %.1f MiB are in use: raise "
        "--kv-memory, or lower -n",
        j->from->len, (double)(need * mib) / 0x1p20, (double)(rg_store_pages_used(lm->store) * mib) / 0x1p20,
        (double)(rg_store_pages_max(lm->store) * mib) / 0x1p20);
    pop_queue(lm);
    rg__job_fail(j, s, &e);
    rg__job_finish(j);
}

static bool stalled(local_lm *lm)
{
    if (lm->n_active > 0)
        return false;
    if (lm->blocked_since == 0)
        lm->blocked_since = rg_now_ns();
    return rg_now_ns() - lm->blocked_since > STALL_NS;
}

void rg__admit(local_lm *lm)
{
    sweep(lm);
    while (lm->queue_head != NULL && lm->n_active < lm->opt.slots) {
        job *j = lm->queue_head;
        size_t held;
        const size_t own = pages_of(rg__job_tokens(j)), need = own + node_pages(j, &held);
        const size_t used = rg_store_pages_used(lm->store), max = rg_store_pages_max(lm->store);
        if (used + lm->reserved + need > max) {
            if (held + need <= max && !stalled(lm))
                return; /* memory comes free later */
            refuse(lm, j, need);
            continue;
        }
        pop_queue(lm);
        rg_err e = RG_ERR_INIT;
        const rg_status s = rg__job_start(j, &e);
        if (s != RG_OK) {
            rg__job_fail(j, s, &e);
            rg__job_finish(j);
            continue;
        }
        reserve(lm, j, own);
        push_active(lm, j);
    }
}

void rg__memory_freed(local_lm *lm)
{
    lm->blocked_since = 0;
    if (lm->queue_head != NULL)
        pthread_cond_signal(&lm->work);
}

/* Nothing runs: until a call comes, or memory that the head of the queue waits for. */
void rg__await_work(local_lm *lm)
{
    if (lm->queue_head == NULL) {
        pthread_cond_wait(&lm->work, &lm->lock);
        return;
    }
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_nsec += 50000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_nsec -= 1000000000;
        t.tv_sec++;
    }
    (void)pthread_cond_timedwait(&lm->work, &lm->lock, &t);
}

/* ---- taking off ---- */

/* What went through the model, kept or thrown away. */
static double flops_of(const local_lm *lm, const job *j)
{
    if (j->gen != NULL)
        return j->n == 0 ? 0 : rg_model_flops(lm->m, j->from->len, j->n - 1, j->n);
    return rg_model_flops(lm->m, j->from->len, j->done, j->n_logits);
}

void rg__reap(local_lm *lm)
{
    for (job **at = &lm->active; *at != NULL;) {
        job *j = *at;
        if (j->phase != PH_DONE && j->status == RG_OK && cancelled(j)) {
            j->finish = RG_F_CANCELLED;
            j->phase = PH_DONE;
        }
        if (j->phase != PH_DONE && j->status == RG_OK) {
            at = &j->next;
            continue;
        }
        *at = j->next;
        lm->n_active--;
        j->flops = flops_of(lm, j);
        if (j->finish == RG_F_CANCELLED)
            rg__job_flush(j);
        rg__job_finish(j);
    }
}
