/* tokenize.c - a text as token ids and pieces; only the vocabulary of the model is read.
 *
 *     tokenize MODEL TEXT */
#include <rung/rung.h>
#include <stdio.h>

static rg_status print_tokens(const rg_tokenizer *t, const char *text, rg_err *e)
{
    rg_ids ids = { 0 };
    rg_buf piece = RG_BUF_MAX(1 << 16);
    rg_status s;

    RG_GO(s, done, rg_tokenize(t, rg_str_of(text), RG_SPECIAL_NONE, &ids, e));
    for (size_t i = 0; i < ids.n; i++) {
        rg_buf_clear(&piece);
        rg_detokenize(t, ids.id[i], true, &piece);
        printf("%8d  \"%.*s\"\n", ids.id[i], (int)piece.n, piece.n > 0 ? piece.p : "");
    }
done:
    rg_buf_free(&piece);
    rg_ids_free(&ids);
    return s;
}

int main(int argc, char **argv)
{
    rg_err e = RG_ERR_INIT;
    rg_bundle *b = NULL;

    if (argc != 3) {
        fprintf(stderr, "usage: tokenize MODEL TEXT\n");
        return 2;
    }
    rg_status s = rg_engine_open_text(&b, argv[1], NULL, &e);
    if (s == RG_OK)
        s = print_tokens(rg_bundle_tokenizer(b), argv[2], &e);
    rg_bundle_close(b);
    if (s != RG_OK)
        fprintf(stderr, "tokenize: %s\n", e.msg);
    return rg_status_exit(s);
}
