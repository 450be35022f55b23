/* Any two texts end in a verdict; an answer equals itself; a vote is the same twice. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "rung/grade/grade.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same_vote_twice(rg_str s)
{
    rg_buf a = RG_BUF_MAX(1 << 20), b = RG_BUF_MAX(1 << 20);
    if (rg_canon(&a, s) != rg_canon(&b, s) || !rg_str_eq(rg_buf_view(&a), rg_buf_view(&b)))
        abort();
    rg_buf_free(&a);
    rg_buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const rg_str text = { (const char *)data, size };
    const char *cut = size ? memchr(data, '\n', size) : NULL;
    const size_t n = cut ? (size_t)(cut - text.p) : size / 2;
    const rg_str gold = { text.p, n }, pred = { text.p + n + (cut != NULL), size - n - (cut != NULL) };
    if (size == 0)
        return 0;
    rg_grade_texts(gold, pred, NULL);
    const rg_verdict self = rg_grade(gold, gold, NULL).verdict;
    if (self != RG_EQUAL && self != RG_NO_ANSWER)
        abort();
    same_vote_twice(gold);
    const rg_extract_opt all = { .choices = true, .last_number = true };
    rg_buf b = RG_BUF_MAX(size + 4096);
    rg_extract(&b, text, &all);
    rg_buf_free(&b);
    return 0;
}
