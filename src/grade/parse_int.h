/* parse_int.h - the parser's state, shared by parse.c (structure) and term.c (arithmetic).
 *
 *   answer   item (sep item)*             sep  , ; and or
 *   item     union (relop union)*         relop = < > <= >= != in
 *   union    ratio (cup ratio)*
 *   ratio    sum (: sum)?
 *   sum      [sign] term (sign term)*     sign + - +- -+
 *   term     power ((* | / | nothing) power)* [unit]
 *   power    primary postfix* [^ argument]
 *
 * Every function returns a node or 0; 0 means that p->bad is set.  Depth is counted in
 * primary(), the only door to a deeper level. */
#ifndef RG_GRADE_PARSE_INT_H
#define RG_GRADE_PARSE_INT_H

#include "lex.h"

typedef struct rg__parser {
    rg__tree *t;
    rg__lexer lex;
    rg__tok tok;
    int depth;
    int bars;      /* open |...| */
    bool unit_end; /* a unit was read: only a separator or the end may follow */
    bool bad;
} rg__parser;

void rg__p_next(rg__parser *p);
bool rg__p_is(const rg__parser *p, const char *punct);
bool rg__p_is_cmd(const rg__parser *p, const char *name);
bool rg__p_eat(rg__parser *p, const char *punct);
uint32_t rg__p_fail(rg__parser *p);
uint32_t rg__p_node(rg__parser *p, rg__kind kind);
uint32_t rg__p_op2(rg__parser *p, rg__kind kind, uint32_t a, uint32_t b);
bool rg__p_scalar(const rg__parser *p, uint32_t id);

uint32_t rg__p_list(rg__parser *p); /* structure, used for the inside of brackets */
uint32_t rg__p_sum(rg__parser *p);
uint32_t rg__p_primary(rg__parser *p);
uint32_t rg__p_power(rg__parser *p);
uint32_t rg__p_group(rg__parser *p); /* {...} with one scalar inside */
bool rg__p_starts_operand(const rg__parser *p);

/* bracket.c, funcall.c: called with the opening sign or the name as the current token. */
uint32_t rg__p_bracket(rg__parser *p);
uint32_t rg__p_set(rg__parser *p, const char *close);
uint32_t rg__p_fenced(rg__parser *p, rg__fn fn, const char *close);
uint32_t rg__p_bars(rg__parser *p);
uint32_t rg__p_matrix(rg__parser *p);
uint32_t rg__p_function(rg__parser *p);

#endif
