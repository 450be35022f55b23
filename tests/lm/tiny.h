/* tiny.h - the tiny models of tests/data/tiny, their goldens (README.md there has the layout),
 * and engines over them. */
#ifndef RUNG_TEST_TINY_H
#define RUNG_TEST_TINY_H

#include "rung/base/file.h"
#include "rung/base/mem.h"
#include "rung/lm/engine.h"
#include "test.h"

typedef struct golden_seq {
    size_t T;
    const int32_t *id;     /* (T) */
    const float *logits;   /* (T, V): row t predicts token t + 1 */
    const int32_t *greedy; /* (G) */
    const float *margin;   /* (G) */
} golden_seq;

typedef struct golden {
    char *bytes;
    size_t S, V, G;
    golden_seq seq[2];
} golden;

static inline const char *tiny_path(const char *name, const char *ending)
{
    char rel[64];
    snprintf(rel, sizeof rel, "tiny/%s.%s", name, ending);
    return test_file(rel);
}

static inline golden golden_open(const char *name)
{
    rg_err e = RG_ERR_INIT;
    golden g = { 0 };
    size_t n;
    OK(rg_read_all(&g.bytes, &n, tiny_path(name, "golden"), 1 << 20, &e), e);
    CHECK(n > 20 && memcmp(g.bytes, "RGTINY1\n", 8) == 0);
    const uint32_t *at = (const uint32_t *)(const void *)(g.bytes + 8);
    g.S = *at++;
    g.V = *at++;
    g.G = *at++;
    CHECK(g.S == COUNT(g.seq));
    for (size_t i = 0; i < g.S; i++) {
        golden_seq *s = &g.seq[i];
        s->T = *at++;
        s->id = (const int32_t *)at;
        s->logits = (const float *)(s->id + s->T);
        s->greedy = (const int32_t *)(s->logits + s->T * g.V);
        s->margin = (const float *)(s->greedy + g.G);
        at = (const uint32_t *)(s->margin + g.G);
    }
    CHECK((const char *)at == g.bytes + n);
    return g;
}

static inline void golden_close(golden *g)
{
    rg_free(g->bytes);
}

/* Levels this machine has, lowest first. */
static inline size_t tiny_levels(const char *name[RG_N_ISA])
{
    size_t n = 0;
    for (int i = 0; i < RG_N_ISA; i++)
        if (rg_isa_available((rg_isa)i))
            name[n++] = rg_isa_name((rg_isa)i);
    return n;
}

static inline rg_engine *tiny_engine(const char *path, const char *cpu, size_t threads, rg_lm_opt lm)
{
    rg_err e = RG_ERR_INIT;
    rg_engine *x;
    if (lm.kv_bytes == 0)
        lm.kv_bytes = (size_t)64 << 20;
    const rg_engine_opt o = { .model = path, .cpu = cpu, .threads = threads, .lm = lm };
    OK(rg_engine_open(&x, &o, NULL, &e), e);
    return x;
}

/* The node that holds n ids, from an empty root. */
static inline rg_lm_node *tiny_node(rg_lm *lm, const int32_t *id, size_t n)
{
    rg_err e = RG_ERR_INIT;
    rg_lm_node *node;
    OK(rg_lm_node_for(&node, lm, NULL, id, n, &e), e);
    return node;
}

/* What one continuation said, kept beyond the callback. */
typedef struct kept {
    int32_t id[256];
    float logp[256];
    size_t n, stop_at, n_text;
    char text[4096];
    rg_finish finish;
    rg_lm_node *node;
    int calls;
} kept;

/* on_gen of an array of kept, one per job; the nodes are kept too. */
static inline rg_go keep(void *arg, size_t job, const rg_gen_out *out)
{
    kept *k = (kept *)arg + job;
    CHECK(out->n <= COUNT(k->id) && out->text.n < sizeof k->text);
    k->n = out->n;
    if (out->n > 0) {
        memcpy(k->id, out->id, out->n * sizeof *out->id);
        memcpy(k->logp, out->logp, out->n * sizeof *out->logp);
    }
    k->n_text = out->text.n;
    memcpy(k->text, out->text.p, out->text.n);
    k->text[out->text.n] = '\0';
    k->stop_at = out->stop_at;
    k->finish = out->finish;
    k->node = out->node;
    k->calls++;
    return RG_GO_ON;
}

static inline bool same_floats(const float *a, const float *b, size_t n)
{
    return memcmp(a, b, n * sizeof *a) == 0;
}

#endif
