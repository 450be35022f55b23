/* score.c - log-probability of every token of a text, and the text's perplexity.
 *
 *     score MODEL TEXT */
#include <math.h>
#include <rung/rung.h>
#include <stdio.h>

static void print_scores(const rg_tokenizer *t, const rg_ids *ids, const float *logp)
{
    double sum = 0;
    size_t n = 0;

    for (size_t i = 0; i < ids->n; i++) {
        const rg_str piece = rg_token_text(t, ids->id[i]);
        printf("%9.4f  \"%.*s\"\n", (double)logp[i], (int)piece.n, piece.p);
        if (!isnan(logp[i])) { /* nothing predicts the first token */
            sum += (double)logp[i];
            n++;
        }
    }
    if (n > 0)
        printf("perplexity %.4f over %zu tokens\n", exp(-sum / (double)n), n);
}

static rg_status score(rg_engine *x, const char *text, rg_err *e)
{
    const rg_tokenizer *t = rg_bundle_tokenizer(rg_engine_bundle(x));
    rg_lm_node *root = rg_lm_root(rg_engine_lm(x));
    rg_ids ids = { 0 };
    float *logp = NULL;
    rg_status s;

    RG_GO(s, done, rg_tokenize(t, rg_str_of(text), RG_SPECIAL_NONE, &ids, e));
    logp = rg_calloc(ids.n, sizeof *logp);
    if (root == NULL || logp == NULL)
        RG_FAIL_GO(s, done, e, RG_ENOMEM, "no memory for %zu tokens", ids.n);
    rg_score job = { .from = root, .id = ids.id, .n = ids.n, .logp = logp };
    RG_GO(s, done, rg_lm_score(rg_engine_lm(x), &job, 1, NULL, e));
    print_scores(t, &ids, logp);
done:
    rg_free(logp);
    rg_ids_free(&ids);
    rg_lm_release(root);
    return s;
}

int main(int argc, char **argv)
{
    rg_err e = RG_ERR_INIT;
    rg_engine *x = NULL;

    if (argc != 3) {
        fprintf(stderr, "usage: score MODEL TEXT\n");
        return 2;
    }
    const rg_engine_opt o = { .model = argv[1] };
    rg_status s = rg_engine_open(&x, &o, NULL, &e);
    if (s == RG_OK)
        s = score(x, argv[2], &e);
    rg_engine_close(x);
    if (s != RG_OK)
        fprintf(stderr, "score: %s\n", e.msg);
    return rg_status_exit(s);
}
