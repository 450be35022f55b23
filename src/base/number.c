/* number.c - numbers as text and back, the same in every locale.
 *
 * strtod and printf follow the process's decimal comma; a host program may have set one, so
 * both run under the C locale here. */
#include "rung/base/opt.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool rg_parse_i64(int64_t *out, const char *s)
{
    if (s[0] == '\0' || s[strspn(s, "+-0123456789")] != '\0')
        return false;
    char *end;
    errno = 0;
    const long long v = strtoll(s, &end, 10);
    if (*end != '\0' || end == s || errno == ERANGE)
        return false;
    *out = v;
    return true;
}

bool rg_parse_f64(double *out, const char *s)
{
    if (s[0] == '\0' || s[strspn(s, "+-.0123456789eE")] != '\0')
        return false; /* leaves out "inf", "nan", hexadecimal and white space */
    const locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (c == (locale_t)0)
        return false;
    char *end;
    const double v = strtod_l(s, &end, c);
    freelocale(c);
    if (*end != '\0' || end == s || !isfinite(v))
        return false;
    *out = v;
    return true;
}

void rg_format_f64(char out[32], double v)
{
    const locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    const locale_t old = c != (locale_t)0 ? uselocale(c) : (locale_t)0;
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(out, 32, "%.*g", digits, v);
        if (strtod(out, NULL) == v)
            break;
    }
    if (c != (locale_t)0) {
        uselocale(old);
        freelocale(c);
    }
}
