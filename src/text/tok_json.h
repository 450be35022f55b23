/* tok_json.h - reading tokenizer.json: what its two halves share. */
#ifndef RUNG_TEXT_TOK_JSON_H
#define RUNG_TEXT_TOK_JSON_H

#include <jansson.h>

#include "tok_decl.h"

/* A member of an object: a text ({ NULL, 0 } when it is absent or no string), a flag. */
rg_str rg__tokjson_str(const json_t *o, const char *key);
bool rg__tokjson_bool(const json_t *o, const char *key, bool otherwise);

/* normalizer, pre_tokenizer and decoder into d->steps; the spelling of the tokens follows from
 * them.  What is not implemented is RG_EFORMAT with its name. */
rg_status rg__tokjson_normalizer(tok_decl *d, const json_t *n, rg_err *e);
rg_status rg__tokjson_pre_tokenizer(tok_decl *d, const json_t *p, rg_err *e);
rg_status rg__tokjson_decoder(tok_decl *d, const json_t *x, rg_err *e);
/* post_processor: which token goes in front and behind. */
rg_status rg__tokjson_post_processor(tok_decl *d, const json_t *p, rg_err *e);

#endif
