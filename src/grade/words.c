/* words.c - what a run of letters means: function, unit, number word, choice, plain word. */
#include "grade_int.h"

#include <ctype.h>

#include "rung/base/mem.h"

static const struct {
    const char *name;
    rg__fn fn;
} fns[] = {
    { "sin", RG__F_SIN },     { "cos", RG__F_COS },     { "tan", RG__F_TAN },     { "tg", RG__F_TAN },
    { "cot", RG__F_COT },     { "ctg", RG__F_COT },     { "sec", RG__F_SEC },     { "csc", RG__F_CSC },
    { "arcsin", RG__F_ASIN }, { "arccos", RG__F_ACOS }, { "arctan", RG__F_ATAN }, { "asin", RG__F_ASIN },
    { "acos", RG__F_ACOS },   { "atan", RG__F_ATAN },   { "arctg", RG__F_ATAN },  { "sinh", RG__F_SINH },
    { "cosh", RG__F_COSH },   { "tanh", RG__F_TANH },   { "ln", RG__F_LN },       { "log", RG__F_LN },
    { "lg", RG__F_LG },       { "exp", RG__F_EXP },     { "abs", RG__F_ABS },     { "floor", RG__F_FLOOR },
    { "ceil", RG__F_CEIL },   { "gcd", RG__F_GCD },     { "lcm", RG__F_LCM },     { "max", RG__F_MAX },
    { "min", RG__F_MIN },
};

rg__fn rg__fn_find(rg_str name)
{
    for (size_t i = 0; i < RG_COUNT(fns); i++)
        if (rg_str_is(name, fns[i].name))
            return fns[i].fn;
    return RG__F_NONE;
}

/* Is the word one of a list written as " one two three "? */
static bool listed(const char *list, rg_str word)
{
    char key[40];
    if (word.n == 0 || word.n + 3 > sizeof key)
        return false;
    key[0] = ' ';
    for (size_t i = 0; i < word.n; i++) {
        if (isspace((unsigned char)word.p[i]))
            return false;
        key[i + 1] = word.p[i];
    }
    key[word.n + 1] = ' ';
    key[word.n + 2] = '\0';
    return strstr(list, key) != NULL;
}

bool rg__is_greek(rg_str name)
{
    return listed(" alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda "
                  "mu nu xi rho varrho sigma tau upsilon phi varphi chi psi omega Gamma Delta Theta "
                  "Lambda Xi Sigma Upsilon Phi Psi Omega ell hbar ",
                  name);
}

static const char units[] =
    " cm mm km dm nm in ft yd mi kg mg lb lbs oz ml mL kL hr hrs sec secs mins mph kph Hz kHz MHz GHz "
    "eV keV MeV kJ kW Pa kPa mol rad rads sq cu cents cent dollar dollars usd USD euro euros pound "
    "pounds degree degrees radian radians inch inches foot feet yard yards mile miles meter meters "
    "metre metres centimeter centimeters kilometer kilometers millimeter millimeters gram grams "
    "kilogram kilograms ton tons ounce ounces liter liters litre litres gallon gallons quart quarts "
    "pint pints cup cups second seconds minute minutes hour hours day days week weeks month months "
    "year years square cubic unit units per point points people students ways times each total "
    "more less old long apart left rpm bits bytes box boxes pcs men boy boys egg eggs book "
    "books cows pens toy toys hot dogs cats cars ";

/* Words that change what a number says; they never pass for a unit. */
static const char not_units[] = " am pm AM PM if when where for mod modulo base is are not or and with "
                                "then else otherwise even odd all any no none integer million billion "
                                "thousand hundred trillion dozen percent than ";

bool rg__is_unit(rg_str word)
{
    if (listed(not_units, word))
        return false;
    return listed(units, word) || word.n >= 4;
}

static bool is_one_letter_unit(char c)
{
    return strchr("mgshJNKWVACFLlT", c) != NULL;
}

bool rg__is_unit_text(rg_str s)
{
    size_t words = 0;
    for (size_t i = 0; i < s.n;) {
        if (s.p[i] == ' ' || s.p[i] == '/' || s.p[i] == '.' || s.p[i] == '-' || s.p[i] == '^' ||
            isdigit((unsigned char)s.p[i])) {
            i++;
            continue;
        }
        size_t j = i;
        while (j < s.n && isalpha((unsigned char)s.p[j]))
            j++;
        if (j == i || listed(not_units, rg_str_n(s.p + i, j - i)))
            return false;
        if (j - i == 1 && !is_one_letter_unit(s.p[i]))
            return false;
        words++;
        i = j;
    }
    return words >= 1 && words <= 4 && !isdigit((unsigned char)s.p[0]);
}

int rg__number_word(rg_str f)
{
    static const char *const small[] = { "zero",    "one",     "two",       "three",    "four",
                                         "five",    "six",     "seven",     "eight",    "nine",
                                         "ten",     "eleven",  "twelve",    "thirteen", "fourteen",
                                         "fifteen", "sixteen", "seventeen", "eighteen", "nineteen" };
    static const char *const tens[] = { "twenty", "thirty",  "forty",  "fifty",
                                        "sixty",  "seventy", "eighty", "ninety" };
    for (int i = 0; i < 20; i++)
        if (rg_str_is(f, small[i]))
            return i;
    for (int i = 0; i < 8; i++)
        if (rg_str_is(f, tens[i]))
            return 20 + 10 * i;
    return rg_str_is(f, "hundred") || rg_str_is(f, "one hundred") ? 100 : -1;
}

static void put_word(rg_buf *out, rg_str w)
{
    static const char articles[] = " a an the ";
    char low[40];
    if (w.n < sizeof low) {
        for (size_t i = 0; i < w.n; i++)
            low[i] = (char)tolower((unsigned char)w.p[i]);
        if (w.n <= 3 && listed(articles, rg_str_n(low, w.n)))
            return;
    }
    if (out->n)
        rg_buf_putc(out, ' ');
    for (size_t i = 0; i < w.n; i++)
        rg_buf_putc(out, (char)tolower((unsigned char)w.p[i]));
}

static size_t wrapper(rg_str s)
{
    static const char *const names[] = { "\\text{", "\\textbf{", "\\textit{", "\\mathrm{", "\\mbox{" };
    for (size_t i = 0; i < RG_COUNT(names); i++)
        if (rg_str_starts(s, names[i]))
            return strlen(names[i]);
    return 0;
}

bool rg__fold_words(rg_buf *out, rg_str s)
{
    size_t letters = 0;
    bool wrapped = false;
    rg_str one = { NULL, 0 };
    for (size_t i = 0; i < s.n;) {
        const unsigned char c = (unsigned char)s.p[i];
        const size_t w = wrapper(rg_str_n(s.p + i, s.n - i));
        if (w) {
            wrapped = true;
            i += w;
        } else if (isalpha(c) || c >= 0x80) {
            size_t j = i;
            while (j < s.n && (isalpha((unsigned char)s.p[j]) || (unsigned char)s.p[j] >= 0x80))
                j++;
            one = rg_str_n(s.p + i, j - i);
            put_word(out, one);
            letters += j - i;
            i = j;
        } else if (strchr(" {}.,;:!?'\"-`*_", c)) {
            i++;
        } else {
            return false;
        }
    }
    /* Two letters may be a product of variables; "no" is the one short word that answers use. */
    return letters >= 3 || (wrapped && letters >= 1) || rg_str_is(rg_buf_view(out), "no");
}

bool rg__means_empty(rg_str f)
{
    static const char *const say[] = {
        "no solution", "no solutions", "no real solution",       "no real solutions", "empty set",
        "none",        "emptyset",     "there are no solutions", "no such values"
    };
    for (size_t i = 0; i < RG_COUNT(say); i++)
        if (rg_str_is(f, say[i]))
            return true;
    return false;
}

bool rg__means_reals(rg_str f)
{
    static const char *const say[] = { "all real numbers", "all reals", "reals", "real numbers",
                                       "all real values" };
    for (size_t i = 0; i < RG_COUNT(say); i++)
        if (rg_str_is(f, say[i]))
            return true;
    return false;
}

char rg__choice_letter(rg_str s, bool loose)
{
    s = rg_str_trim(s);
    if (s.n == 0)
        return 0;
    bool paren = false;
    size_t i = 0, w;
    while ((w = wrapper(rg_str_n(s.p + i, s.n - i))) > 0 || (i < s.n && s.p[i] == '*'))
        i += w ? w : 1;
    if (i < s.n && s.p[i] == '(') {
        paren = true;
        i++;
    }
    if (i >= s.n || s.p[i] < 'A' || s.p[i] > 'J')
        return 0;
    const char letter = s.p[i++];
    if (i == s.n)
        return paren ? 0 : letter;
    if (paren != (s.p[i] == ')') && !(loose && (s.p[i] == ')' || s.p[i] == '.' || s.p[i] == ':')))
        if (s.p[i] != '}' && s.p[i] != '*')
            return 0;
    const bool closed = s.p[i] == ')' || s.p[i] == '.' || s.p[i] == ':';
    while (i < s.n && strchr(")}*. ", s.p[i]))
        i++;
    if (i == s.n)
        return letter;
    return loose && closed ? letter : 0;
}
