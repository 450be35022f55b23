/* grade.h - what a response answers, and whether two answers are the same.
 *
 * Three stages: extract, normalise and parse, compare.  It decides every vote, every label
 * and every reward, so a false positive is as harmful as a false negative: what it cannot
 * decide is `undecided`, and undecided is not equal.  Bounded in steps, digits and memory
 * (no timers), thread-safe.  Rules: spec of test-time scaling, section 16; rule names below. */
#ifndef RUNG_GRADE_GRADE_H
#define RUNG_GRADE_GRADE_H

#include <stdbool.h>
#include <stddef.h>

#include "rung/base/api.h"
#include "rung/base/buf.h"
#include "rung/base/err.h"

RG_API_BEGIN

/* ---- extraction (section 16.1), first rule that matches -------------------------------- */

typedef enum rg_extract_rule {
    RG_X_NONE,          /* nothing found, or an unclosed last box */
    RG_X_MINERVA,       /* 1: final answer is $...$. I hope */
    RG_X_BOXED,         /* 2: last \boxed{...} or \fbox{...}, joined lists */
    RG_X_HASHES,        /* 3: after the last #### */
    RG_X_ANSWER_IS,     /* 4: after the last "answer is" / "Answer:" */
    RG_X_CHOICE,        /* 5: last isolated letter (multiple choice only) */
    RG_X_LAST_NUMBER,   /* 6: last delimited maths span, else last number (on request only) */
    RG_X_WHOLE          /* the text was a bare answer already (rung grade A B only) */
} rg_extract_rule;

typedef struct rg_extract_opt {
    bool choices;       /* rule 5 */
    char last_choice;   /* 'E' unless set */
    bool last_number;   /* rule 6: off for votes and rewards */
} rg_extract_opt;

/* Appends the answer's bytes to b (nothing when RG_X_NONE) and says which rule matched. */
rg_extract_rule rg_extract(rg_buf *b, rg_str response, const rg_extract_opt *o);
const char     *rg_extract_rule_name(rg_extract_rule r);

/* ---- comparison (section 16.4) --------------------------------------------------------- */

typedef enum rg_verdict { RG_DIFFERENT = 0, RG_EQUAL = 1, RG_UNDECIDED = 2, RG_NO_ANSWER = 3 } rg_verdict;

typedef struct rg_grade_opt {
    double rtol;            /* relative tolerance of decimals; 0 = 1e-4 */
    int    digits;          /* significant digits a decimal must have to use it; 0 = 3 */
    bool   lenient_base;    /* 52 equals 52_8 */
} rg_grade_opt;

typedef struct rg_grading {
    rg_verdict  verdict;
    const char *rule;       /* which rule decided, e.g. "integer", "decimal", "percent"; static */
} rg_grading;

/* gold and pred are extracted answers.  o may be NULL. */
rg_grading  rg_grade(rg_str gold, rg_str pred, const rg_grade_opt *o);
const char *rg_verdict_name(rg_verdict v);

/* The answer of a text that may be a whole response or an answer already: extraction rules 1-5,
 * then rule 6 for prose, else the text itself.  RG_X_NONE for a response cut off in its box. */
rg_extract_rule rg_find_answer(rg_buf *b, rg_str text);

/* Both sides through rg_find_answer, then rg_grade (rung grade A B). */
rg_grading rg_grade_texts(rg_str gold, rg_str pred, const rg_grade_opt *o);

/* ---- canonical form for votes (section 16.6) -------------------------------------------- */

/* Two answers with equal canonical form are one vote.  Integers and rationals exactly, others
 * by a type tag and 12-digit values or a normalised text (docs/formats/answers.md).
 * Deterministic, < 5 ms, at most 64 KiB.  Returns false for an empty answer. */
bool rg_canon(rg_buf *b, rg_str answer);

/* Gives back what the arithmetic library cached for the calling thread; call it before a thread
 * that graded ends.  Grading afterwards is fine. */
void rg_grade_thread_end(void);

RG_API_END
#endif
