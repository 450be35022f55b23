/* chat.h - a conversation as token ids: template, control-token safety and BOS in one place. */
#ifndef RUNG_BUNDLE_CHAT_H
#define RUNG_BUNDLE_CHAT_H

#include "rung/base/api.h"
#include "rung/bundle/bundle.h"

RG_API_BEGIN

typedef struct rg_chat_opt {
    bool          add_generation_prompt;
    bool          continue_final;       /* the last assistant message stays open */
    const json_t *kwargs;               /* chat_template_kwargs or NULL */
    int64_t       now_unix;
} rg_chat_opt;

/* Appends the ids of messages (an array of {"role","content"}).  Text of the messages never
 * becomes a control token.  BOS stands in front exactly once where the vocabulary asks for it.
 * RG_EARG when the model has no template. */
rg_status rg_chat_ids(rg_ids *ids, const rg_bundle *b, const json_t *messages, const rg_chat_opt *o, rg_err *e);

/* The ids that `after` adds behind `before`, whose last message is an open assistant message: what
 * stands between that message's end and the end of after's rendering.  *fits is false (and nothing
 * is appended) when after's rendering does not begin with before's, blanks at the message's end
 * left aside: a template may rewrite older turns. */
rg_status rg_chat_ids_on(rg_ids *ids, bool *fits, const rg_bundle *b, const json_t *before, const json_t *after,
                         const rg_chat_opt *o, rg_err *e);

/* Plain text in front of which the vocabulary may want a BOS. */
rg_status rg_text_ids(rg_ids *ids, const rg_bundle *b, rg_str text, rg_special special, rg_err *e);

/* {"role","content"} as a new reference; NULL when text is not UTF-8 or memory is out. */
json_t *rg_chat_message(const char *role, rg_str content);
/* Appends one to messages; bytes that are no UTF-8 (what a model wrote may end inside a character) read
 * as U+FFFD. */
rg_status rg_chat_say(json_t *messages, const char *role, rg_str content, rg_err *e);

RG_API_END
#endif
