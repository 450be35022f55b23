/* json.h - JSON from outside, with limits: depth, number of values, no name twice. */
#ifndef RUNG_FORMAT_JSON_H
#define RUNG_FORMAT_JSON_H

#include <jansson.h>

#include "rung/base/api.h"
#include "rung/base/buf.h"
#include "rung/base/err.h"

RG_API_BEGIN

enum { RG_JSON_MAX_DEPTH = 64 };

/* Parses text; *out is a new reference.  Fails (RG_EFORMAT, the sentence begins with `what`)
 * where the text is no JSON, is nested deeper than 64, holds more than max_values values or
 * names something twice in one object: all before memory is spent on it. */
rg_status rg_json_parse(json_t **out, rg_str text, size_t max_values, const char *what, rg_err *e);

RG_API_END
#endif
