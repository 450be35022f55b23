/* prm_format.c - the wire formats of public process reward models.
 *
 * A format is a head (the problem), then for each step a lead, the step, perhaps a blank, and the mark.
 * Pieces are tokenised apart where the whole text would be cut as well: at a new line, at a blank in
 * front of a word, at a control token.  So the ids of a plain text are those of its makers' code.
 *
 * Sources: spec of test-time scaling, section 4.2 (from the study's own inference code); for math-shepherd
 * (Wang et al. 2024), pqm (Li and Li 2024), openr and qwen also the makers' code or model card.  rlhflow,
 * skywork and er-prm follow the section alone. */
#include <ctype.h>
#include <string.h>

#include "prm_int.h"
#include "rung/base/mem.h"

enum { TEXT_MAX = 16 << 20 };

typedef enum head { PLAIN, PLAIN_LINE, TALK } head; /* the problem; a new line behind it; a conversation */
typedef enum bos { AS_VOCABULARY, ALWAYS, NEVER } bos;

struct rg__prm_row {
    const char *name;
    head head;
    bos bos;
    const char *first;      /* in front of the first step */
    bool line_between;      /* a new line in front of the others */
    const char *behind;     /* between step and mark */
    const char *mark;       /* NULL: what is read is the prediction of the assistant's turn */
    const char *mark_named; /* for people */
    const char *good, *bad; /* words; NULL: a value head */
    rg__prm_read read;
    bool one_line; /* new lines in steps become blanks */
};

static const struct rg__prm_row ROWS[] = {
    [RG_PRM_MATH_SHEPHERD] = { "math-shepherd", PLAIN, AS_VOCABULARY, " ", true, "", " ки", "\" ки\"", " +",
                               " -", RG__LABELS, false },
    [RG_PRM_RLHFLOW] = { "rlhflow", TALK, AS_VOCABULARY, " ", false, "", NULL, NULL, "+", "-", RG__LABELS,
                         false },
    [RG_PRM_SKYWORK] = { "skywork", PLAIN_LINE, ALWAYS, "", false, "", "\n", "a new line", NULL, NULL,
                         RG__SIGMOID, true },
    [RG_PRM_QWEN] = { "qwen", TALK, AS_VOCABULARY, "", false, "", "<extra_0>", "<extra_0>", NULL, NULL,
                      RG__CLASSES, false },
    [RG_PRM_ER] = { "er-prm", PLAIN, AS_VOCABULARY, " ", true, "", " ки", "\" ки\"", " +", " -", RG__LABELS,
                    false },
    [RG_PRM_PQM] = { "pqm", PLAIN_LINE, NEVER, "", true, " ", "[PRM]", "[PRM]", NULL, NULL, RG__RAW, false },
    [RG_PRM_OPENR] = { "openr", PLAIN, AS_VOCABULARY, " ", false, "", " \n\n\n\n\n",
                       "a blank and five new lines", " +", " -", RG__LABELS, false },
};

static const char SYSTEM[] = "Please reason step by step, and put your final answer within \\boxed{}.";

const char *rg__prm_name(const rg__prm *f)
{
    return f->row->name;
}

bool rg__prm_talks(const rg__prm *f)
{
    return f->row->mark == NULL;
}

/* ---- which format ---- */

static bool speaks_of(rg_str name, const char *word)
{
    const size_t n = strlen(word);
    for (size_t i = 0; i + n <= name.n; i++) {
        size_t k = 0;
        while (k < n && tolower((unsigned char)name.p[i + k]) == word[k])
            k++;
        if (k == n)
            return true;
    }
    return false;
}

static rg_prm_kind by_name(rg_str name)
{
    static const struct {
        const char *word, *too;
        rg_prm_kind kind;
    } names[] = {
        { "math-shepherd", "", RG_PRM_MATH_SHEPHERD },
        { "mistral-data", "", RG_PRM_RLHFLOW },
        { "deepseek-data", "", RG_PRM_RLHFLOW },
        { "skywork", "prm", RG_PRM_SKYWORK },
        { "qwen2.5-math-prm", "", RG_PRM_QWEN },
        { "llama3.1-math-prm", "", RG_PRM_ER },
        { "er-prm", "", RG_PRM_ER },
        { "pqm", "", RG_PRM_PQM },
        { "math-psa", "", RG_PRM_OPENR },
        { "openr", "prm", RG_PRM_OPENR },
    };
    for (size_t i = 0; i < RG_COUNT(names); i++)
        if (speaks_of(name, names[i].word) && speaks_of(name, names[i].too))
            return names[i].kind;
    return RG_PRM_AUTO;
}

static rg_status tell_kind(rg_prm_kind *kind, const rg__prm *f, const rg_lm *lm, rg_err *e)
{
    const size_t values = rg_lm_n_values(lm);
    *kind = by_name(rg_str_of(rg_bundle_name(f->b)));
    if (*kind == RG_PRM_AUTO)
        *kind = by_name(rg_str_of(rg_bundle_title(f->b)));
    if (*kind == RG_PRM_AUTO && values == 2 && rg_token_find(f->t, rg_str_of("<extra_0>")) >= 0)
        *kind = RG_PRM_QWEN;
    if (*kind == RG_PRM_AUTO && values == 1 && rg_token_find(f->t, rg_str_of("[PRM]")) >= 0)
        *kind = RG_PRM_PQM;
    if (*kind == RG_PRM_AUTO)
        RG_FAIL(e, RG_EARG,
                "neither its name nor its head says what kind of process reward model %s is: name the format "
                "it was trained with, --prm-format %s",
                rg_lm_name(lm), strchr(RG_PRM_NAMES, ',') + 1);
    return RG_OK;
}

/* ---- what it needs of the model ---- */

static rg_status check_head(const rg__prm *f, const rg_lm *lm, rg_err *e)
{
    const size_t want = f->read == RG__LABELS ? 0 : f->read == RG__CLASSES ? 2 : 1, has = rg_lm_n_values(lm);
    if (want == 0 && rg_model_head_weights(rg_bundle_model(f->b)) == 0)
        RG_FAIL(
            e, RG_EARG,
            "format %s reads the model's words for good and bad, and %s has a value head of %zu outputs and "
            "no output matrix: --prm-format names another",
            f->row->name, rg_lm_name(lm), has);
    if (want == 0 || want == has)
        return RG_OK;
    RG_FAIL(e, RG_EARG,
            "format %s reads a value head of %zu outputs, %s has %zu: is it a reward model of this kind, "
            "converted with its head (cls.output.weight)? --prm-format names another",
            f->row->name, want, rg_lm_name(lm), has);
}

static rg_status no_token(const rg__prm *f, const char *what, const char *for_what, rg_err *e)
{
    RG_FAIL(e, RG_EARG,
            "the vocabulary of %s has no token %s, which format %s %s: it is another kind of model, "
            "--prm-format names its own",
            rg_bundle_name(f->b), what, f->row->name, for_what);
}

/* The one token that a text is by itself; -1 when it is several. */
static rg_status alone(int32_t *id, const rg__prm *f, const char *text, rg_err *e)
{
    rg_ids ids = { 0 };
    const rg_status s = rg_tokenize(f->t, rg_str_of(text), RG_SPECIAL_NONE, &ids, e);
    *id = s == RG_OK && ids.n == 1 ? ids.id[0] : -1;
    rg_ids_free(&ids);
    return s;
}

/* A word of a conversation is tokenised as its whole turn, a word in a text has a blank in front. */
static rg_status find_word(int32_t *id, const rg__prm *f, const char *word, rg_err *e)
{
    if (rg__prm_talks(f))
        RG_TRY(alone(id, f, word, e));
    else
        *id = rg_token_find(f->t, rg_str_of(word));
    return *id >= 0 ? RG_OK : no_token(f, word, "reads", e);
}

/* The last token of a new line: a vocabulary may put a blank in front of every text. */
static rg_status find_line(rg__prm *f, rg_err *e)
{
    rg_ids ids = { 0 };
    const rg_status s = rg_tokenize(f->t, rg_str_of("\n"), RG_SPECIAL_NONE, &ids, e);
    f->line = s == RG_OK && ids.n > 0 ? ids.id[ids.n - 1] : -1;
    rg_ids_free(&ids);
    RG_TRY(s);
    return f->line >= 0 ? RG_OK : no_token(f, "for a new line", "needs", e);
}

static rg_status find_mark(rg__prm *f, rg_err *e)
{
    const char *mark = f->row->mark;
    f->mark = mark == NULL ? -1 : strcmp(mark, "\n") == 0 ? f->line : rg_token_find(f->t, rg_str_of(mark));
    if (mark == NULL || f->mark >= 0)
        return RG_OK;
    return no_token(f, f->row->mark_named, "marks the end of a step with", e);
}

rg_status rg__prm_format(rg__prm *f, const rg_lm *lm, rg_prm_kind kind, rg_err *e)
{
    *f = (rg__prm){ .b = rg_lm_bundle(lm) };
    if (f->b == NULL)
        RG_FAIL(e, RG_EARG,
                "%s runs elsewhere, and what verifier prm reads at its tokens is not told from there: give a "
                "model file, or take --verifier direct or judge",
                rg_lm_name(lm));
    f->t = rg_bundle_tokenizer(f->b);
    if (kind == RG_PRM_AUTO)
        RG_TRY(tell_kind(&kind, f, lm, e));
    f->row = &ROWS[kind];
    f->read = f->row->read;
    RG_TRY(check_head(f, lm, e));
    RG_TRY(find_line(f, e));
    RG_TRY(find_mark(f, e));
    if (f->read != RG__LABELS)
        return RG_OK;
    RG_TRY(find_word(&f->good, f, f->row->good, e));
    return find_word(&f->bad, f, f->row->bad, e);
}

/* ---- pieces ---- */

static rg_str trimmed(rg_str s)
{
    while (s.n > 0 && isspace((unsigned char)s.p[s.n - 1]))
        s.n--;
    while (s.n > 0 && isspace((unsigned char)s.p[0]))
        s = rg_str_n(s.p + 1, s.n - 1);
    return s;
}

/* Ids of a text that stands in the middle of another: what follows a new line.  So a vocabulary that
 * puts a blank in front of a text puts none here. */
static rg_status put_inner(rg_ids *ids, const rg__prm *f, rg_buf *text, rg_err *e)
{
    rg_ids lead = { 0 }, all = { 0 };
    rg_buf with_line = RG_BUF_MAX(TEXT_MAX);
    rg_buf_putc(&with_line, '\n');
    rg_buf_str(&with_line, rg_buf_view(text));
    rg_status s = rg_buf_check(&with_line, "a step", e);
    if (s == RG_OK)
        s = rg_tokenize(f->t, rg_str_of("\n"), RG_SPECIAL_NONE, &lead, e);
    if (s == RG_OK)
        s = rg_tokenize(f->t, rg_buf_view(&with_line), RG_SPECIAL_NONE, &all, e);
    const bool apart = s == RG_OK && rg__common(&lead, &all) == lead.n;
    if (s == RG_OK && apart)
        s = rg_ids_append(ids, all.id + lead.n, all.n - lead.n, e);
    else if (s == RG_OK)
        s = rg_tokenize(f->t, rg_buf_view(text), RG_SPECIAL_NONE, ids, e);
    rg_buf_free(&with_line);
    rg_ids_free(&lead);
    rg_ids_free(&all);
    return s;
}

static rg_status put_marked(rg_ids *ids, const rg__prm *f, rg_str step, bool first, rg_err *e)
{
    rg_buf text = RG_BUF_MAX(TEXT_MAX);
    if (!first && f->row->line_between)
        RG_TRY(rg_ids_push(ids, f->line, e));
    rg_buf_puts(&text, first ? f->row->first : "");
    for (size_t i = 0; i < step.n; i++)
        rg_buf_putc(&text, f->row->one_line && step.p[i] == '\n' ? ' ' : step.p[i]);
    rg_buf_puts(&text, f->row->behind);
    rg_status s = rg_buf_check(&text, "a step", e);
    if (s == RG_OK && text.n > 0)
        s = put_inner(ids, f, &text, e);
    if (s == RG_OK)
        s = rg_ids_push(ids, f->mark, e);
    rg_buf_free(&text);
    return s;
}

/* ---- conversations ---- */

/* rlhflow: the turns up to step k's, earlier ones answered +. */
static rg_status turns(json_t **out, const rg_path *p, size_t k, rg_err *e)
{
    rg_buf first = RG_BUF_MAX(TEXT_MAX);
    *out = json_array();
    rg_buf_str(&first, trimmed(p->problem));
    rg_buf_putc(&first, ' ');
    rg_buf_str(&first, p->step[0]);
    rg_status s = rg_buf_check(&first, "a problem", e);
    for (size_t i = 0; i <= k && s == RG_OK; i++) {
        s = rg_chat_say(*out, "user", i == 0 ? rg_buf_view(&first) : p->step[i], e);
        if (s == RG_OK && i < k)
            s = rg_chat_say(*out, "assistant", rg_str_of("+"), e);
    }
    rg_buf_free(&first);
    if (s != RG_OK)
        json_decref(*out);
    return s;
}

static const rg_chat_opt OPEN = { .add_generation_prompt = true, .now_unix = RG__TEMPLATE_DAY };

/* The answer to the turn before, then this turn. */
static rg_status put_turn(rg_ids *ids, const rg__prm *f, const rg_path *p, size_t k, rg_err *e)
{
    json_t *after, *before;
    bool fits = true;
    RG_TRY(turns(&after, p, k, e));
    rg_status s = RG_OK;
    if (k == 0)
        s = rg_chat_ids(ids, f->b, after, &OPEN, e);
    else {
        before = json_copy(after);
        if (before == NULL)
            s = rg_err_set(e, RG_ENOMEM, __FILE__, __LINE__, "no memory for a conversation");
        else
            json_array_remove(before, json_array_size(before) - 1);
        if (s == RG_OK)
            s = rg_ids_push(ids, f->good, e);
        if (s == RG_OK)
            s = rg_chat_ids_on(ids, &fits, f->b, before, after, &OPEN, e);
        json_decref(before);
    }
    json_decref(after);
    if (s == RG_OK && !fits)
        RG_FAIL(e, RG_EARG,
                "the chat template of %s writes earlier turns anew, and format %s goes on with them: give "
                "the template it was trained with (--template)",
                rg_bundle_name(f->b), f->row->name);
    return s;
}

static rg_status put_talk_head(rg_ids *ids, const rg__prm *f, rg_str problem, rg_err *e)
{
    json_t *m = json_array();
    rg_status s = rg__prm_talks(f) ? RG_OK : rg_chat_say(m, "system", rg_str_of(SYSTEM), e);
    if (s == RG_OK)
        s = rg_chat_say(m, "user", problem, e);
    if (s == RG_OK)
        s = rg_chat_ids(ids, f->b, m, &OPEN, e);
    json_decref(m);
    return s;
}

/* ---- head and steps ---- */

static int32_t bos_of(const rg__prm *f)
{
    const int32_t id = rg_token_bos(f->t);
    if (f->row->bos == NEVER || (f->row->bos == AS_VOCABULARY && !rg_token_adds_bos(f->t)))
        return -1;
    return id >= 0 ? id : rg_token_find(f->t, rg_str_of("<|endoftext|>"));
}

rg_status rg__prm_head(rg_ids *ids, const rg__prm *f, rg_str problem, rg_err *e)
{
    rg_buf text = RG_BUF_MAX(TEXT_MAX);
    problem = trimmed(problem);
    if (f->row->head == TALK)
        return put_talk_head(ids, f, problem, e);
    if (bos_of(f) >= 0)
        RG_TRY(rg_ids_push(ids, bos_of(f), e));
    rg_buf_str(&text, problem);
    rg_buf_puts(&text, f->row->head == PLAIN_LINE ? "\n" : "");
    rg_status s = rg_buf_check(&text, "a problem", e);
    if (s == RG_OK && text.n > 0)
        s = rg_tokenize(f->t, rg_buf_view(&text), RG_SPECIAL_NONE, ids, e);
    rg_buf_free(&text);
    return s;
}

rg_status rg__prm_step(rg_ids *ids, const rg__prm *f, const rg_path *p, size_t k, rg_err *e)
{
    return rg__prm_talks(f) ? put_turn(ids, f, p, k, e) : put_marked(ids, f, p->step[k], k == 0, e);
}
