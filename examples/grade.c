/* grade.c - are two answers the same, and which rule says so.
 *
 *     grade GOLD PRED
 *
 * Exit code: 0 equal, 1 different, 3 neither can be said. */
#include <rung/rung.h>
#include <stdio.h>

/* The answer that a text gives and the form in which it would vote. */
static void print_side(const char *name, const char *text)
{
    rg_buf answer = RG_BUF_MAX(1 << 20), vote = RG_BUF_MAX(1 << 17);
    const rg_extract_rule rule = rg_find_answer(&answer, rg_str_of(text));

    if (rule != RG_X_NONE && rg_canon(&vote, rg_buf_view(&answer)))
        printf("%s  %.*s  votes %.*s  (%s)\n", name, (int)answer.n, answer.p, (int)vote.n, vote.p,
               rg_extract_rule_name(rule));
    else
        printf("%s  no answer\n", name);
    rg_buf_free(&answer);
    rg_buf_free(&vote);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: grade GOLD PRED\n");
        return 2;
    }
    print_side("gold", argv[1]);
    print_side("pred", argv[2]);
    const rg_grading g = rg_grade_texts(rg_str_of(argv[1]), rg_str_of(argv[2]), NULL);
    printf("%s by %s\n", rg_verdict_name(g.verdict), g.rule);
    rg_grade_thread_end();
    return g.verdict == RG_EQUAL ? 0 : g.verdict == RG_DIFFERENT ? 1 : 3;
}
