/* json.c - members of JSON objects, in the order we write them: records must be equal to the byte. */
#include <math.h>

#include "rung/base/opt.h"

#include "solve_int.h"

static void name_of(rg_buf *b, const char *name)
{
    if (b->n > 0 && b->p[b->n - 1] != '{' && b->p[b->n - 1] != '[')
        rg_buf_putc(b, ',');
    if (name != NULL)
        rg_buf_printf(b, "\"%s\":", name);
}

void rg__put_str(rg_buf *b, const char *name, const char *text)
{
    name_of(b, name);
    if (text == NULL) {
        rg_buf_puts(b, "null");
        return;
    }
    rg_buf_putc(b, '"');
    rg_buf_json_escape(b, rg_str_of(text));
    rg_buf_putc(b, '"');
}

void rg__put_num(rg_buf *b, const char *name, double v)
{
    char text[32];
    name_of(b, name);
    if (!isfinite(v)) {
        rg_buf_puts(b, "null");
        return;
    }
    rg_format_f64(text, v);
    rg_buf_puts(b, text);
}

void rg__put_int(rg_buf *b, const char *name, long long v)
{
    name_of(b, name);
    rg_buf_printf(b, "%lld", v);
}

void rg__put_u64(rg_buf *b, const char *name, uint64_t v)
{
    name_of(b, name);
    rg_buf_printf(b, "%llu", (unsigned long long)v);
}

void rg__put_bool(rg_buf *b, const char *name, int v)
{
    name_of(b, name);
    rg_buf_puts(b, v < 0 ? "null" : v ? "true" : "false");
}

void rg__put_open(rg_buf *b, const char *name, char bracket)
{
    name_of(b, name);
    rg_buf_putc(b, bracket);
}
