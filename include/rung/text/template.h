/* template.h - chat templates: an interpreter for the subset of Jinja that model makers use.
 *
 * Data-only values, no file, environment or attribute access; bounded (product conventions,
 * section 3.4): nesting 128, 5,000,000 steps a rendering, range <= 100,000, output <= 16 MiB,
 * source <= 1 MiB, 256 MiB of memory.  Over a limit, as for any fault of a template, the
 * error is RG_EFORMAT with line and column.  Compiled templates are immutable and safe to share.
 *
 * White space is trimmed as transformers does it (trim_blocks, lstrip_blocks).
 *
 * Every output byte knows whether it came from the template (scaffold) or from a message;
 * foreign text therefore never becomes a control token.  Foreign is what is reached from
 * messages, tools and documents: texts, keys and numbers; kwargs, bos, eos and the roles
 * everybody knows ("user", "assistant", ...) are scaffold.  Operations that move bytes
 * (concatenation, slices, trim, split, join, replace, case, %) keep this for each byte;
 * operations that re-encode a value (tojson, printing a list or dict) make the whole result
 * foreign if anything in it is.  Lengths and loop counters are scaffold.
 *
 * Where it differs from Jinja2: integers have 64 bits (an overflow is an error); a range is
 * printed and sliced as a list; a loop's "if" is decided for all items before the first turn;
 * "safe" does nothing and "escape" returns plain text; upper case is letter by letter but for
 * sharp s; an unknown filter or test is an error only when it is reached.  Not known: include,
 * extends, import, block, raw, autoescape, print, str.format, cycler, lipsum, and the filters
 * attr, filesizeformat, forceescape, pprint, random, slice, striptags, urlize, wordwrap,
 * xmlattr. */
#ifndef RUNG_TEXT_TEMPLATE_H
#define RUNG_TEXT_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "rung/base/api.h"
#include "rung/base/buf.h"
#include "rung/base/err.h"
#include "rung/text/tokenizer.h"

RG_API_BEGIN

typedef struct rg_template rg_template;

rg_status rg_template_compile(rg_template **out, rg_str source, rg_err *e);    /* names line and column */
void      rg_template_free(rg_template *t);                 /* NULL is fine */
/* "chatml", "llama3", "zephyr", "gemma", "mistral": sources built in for models that carry none; NULL = unknown. */
const char *rg_template_builtin(const char *name);

typedef struct rg_rendering {
    rg_buf   text;
    rg_span *spans;         /* cover text from 0 to its end, in order, neighbours differ */
    size_t   n_spans;
} rg_rendering;
void rg_rendering_free(rg_rendering *r);

typedef struct rg_render_opt {
    const json_t *messages;         /* array of {"role","content",...}: data, hence foreign */
    const json_t *tools;            /* array or NULL */
    const json_t *documents;        /* array or NULL */
    const json_t *kwargs;           /* object or NULL: chat_template_kwargs, e.g. enable_thinking */
    const char   *bos, *eos;        /* token texts, scaffold; NULL = "" */
    bool          add_generation_prompt;
    bool          continue_final;   /* render, then cut right after the last byte that came from
                                     * the last message's text (an open assistant turn), found by
                                     * origin, not by search; RG_EFORMAT unless the cut prompt ends
                                     * with that text (white space at its ends may be trimmed) */
    int64_t       now_unix;         /* strftime_now's clock: the run's recorded one, UTC */
} rg_render_opt;

/* *r is written first, so rg_rendering_free is safe after a failure; there is never a partial prompt.
 * RG_EARG if messages is not an array of objects, or kwargs redefines messages, tools, documents or
 * add_generation_prompt. */
rg_status rg_template_render(const rg_template *t, const rg_render_opt *o, rg_rendering *r, rg_err *e);

RG_API_END
#endif
