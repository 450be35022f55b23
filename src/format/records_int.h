/* records_int.h - one JSON object to one problem; shared by records.c and records_form.c. */
#ifndef RG_FORMAT_RECORDS_INT_H
#define RG_FORMAT_RECORDS_INT_H

#include <jansson.h>

#include "rung/format/records.h"

typedef enum rg__slot {
    RG__SLOT_ID,
    RG__SLOT_TEXT,
    RG__SLOT_GOLD,
    RG__SLOT_SOLUTION,
    RG__SLOT_SUBJECT,
    RG__SLOT_LEVEL,
    RG__N_SLOTS
} rg__slot;

typedef enum rg__gold_from { RG__GOLD_FIELD, RG__GOLD_HASHES, RG__GOLD_BOX } rg__gold_from;

/* Which field of a record fills which slot.  Names are borrowed. */
typedef struct rg__form {
    const char *name;
    const char *field[RG__N_SLOTS]; /* NULL = none */
    const char *body;               /* text that precedes the question (SVAMP) */
    rg__gold_from gold;
} rg__form;

/* The form that a record's fields say it has; NULL when there is no problem text in it. */
const rg__form *rg__form_detect(const json_t *record);

/* "problem=question,answer=final_answer": overrides *form; names are copied into *names. */
rg_status rg__form_override(rg__form *form, char **names, const char *fields, rg_err *e);

/* Fills *p with strings of its own (rg_free each); on failure *p holds what was made so far. */
rg_status rg__form_read(rg_problem *p, const rg__form *form, const json_t *record, rg_err *e);

#endif
