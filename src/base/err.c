#include "rung/base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

rg_status rg_err_set(rg_err *e, rg_status code, const char *file, int line, const char *fmt, ...)
{
    if (e == NULL || e->code != RG_OK)
        return code;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(e->msg, sizeof e->msg, fmt, ap);
    va_end(ap);
    e->code = code;
    e->file = file;
    e->line = line;
    return code;
}

void rg_err_prefix(rg_err *e, const char *fmt, ...)
{
    if (e == NULL || e->code == RG_OK)
        return;
    char context[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(context, sizeof context - 2, fmt, ap);
    va_end(ap);
    size_t n = strlen(context);
    context[n++] = ':';
    context[n++] = ' ';
    const size_t keep = strnlen(e->msg, sizeof e->msg - 1 - n);
    memmove(e->msg + n, e->msg, keep);
    memcpy(e->msg, context, n);
    e->msg[n + keep] = '\0';
}

void rg_err_clear(rg_err *e)
{
    if (e == NULL)
        return;
    e->code = RG_OK;
    e->line = 0;
    e->file = NULL;
    e->msg[0] = '\0';
}

const char *rg_status_name(rg_status s)
{
    switch (s) {
    case RG_OK: return "ok";
    case RG_ENOMEM: return "out of memory";
    case RG_EIO: return "input/output error";
    case RG_EFORMAT: return "bad format";
    case RG_EARG: return "bad request";
    case RG_ELIMIT: return "limit reached";
    case RG_ECANCEL: return "cancelled";
    case RG_EREMOTE: return "remote failure";
    case RG_ESANDBOX: return "sandbox not available";
    }
    return "unknown status";
}

int rg_status_exit(rg_status s)
{
    switch (s) {
    case RG_OK: return 0;
    case RG_EARG: return 2;
    case RG_EFORMAT: return 3;
    case RG_ENOMEM:
    case RG_ELIMIT: return 4;
    case RG_ESANDBOX: return 5;
    case RG_EREMOTE: return 6;
    case RG_ECANCEL: return 130;
    case RG_EIO: return 1;
    }
    return 1;
}
