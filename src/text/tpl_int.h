/* tpl_int.h - what the files of the template interpreter share.
 *
 *     source --tpl_lex--> tokens --tpl_parse, tpl_expr--> nodes --tpl_exec, tpl_eval--> text
 *
 * Nodes live in the compiled template's arena and never change.  Values live in the arena of
 * one rendering and are immutable, but for namespaces, joiners and generators (which can be
 * read once).  Every string is valid UTF-8, because source and JSON are.
 *
 * Provenance: a string has one mark for all its bytes, or one mark per byte.  Operations that
 * move bytes (slices, trim, split, join, replace, case, concatenation) move the marks with
 * them; operations that re-encode (tojson, printing a list or dict) mark the whole result
 * with everything that went in. */
#ifndef RUNG_TPL_INT_H
#define RUNG_TPL_INT_H

#include "rung/base/buf.h"
#include "rung/base/err.h"
#include "rung/base/mem.h"
#include "rung/text/template.h"

enum {
    TPL_SOURCE_MAX = 1 << 20,       /* bytes */
    TPL_TEXT_MAX = 16 << 20,        /* bytes of any string, the output included */
    TPL_ITEMS_MAX = 1000000,        /* of any list */
    TPL_RANGE_MAX = 100000,
    TPL_NEST_MAX = 128,             /* brackets and blocks; macro calls; values inside values */
    TPL_HEIGHT_MAX = 400,           /* of a syntax tree: a + b + c + ... grows it too */
    TPL_DEPTH_MAX = 2000,           /* nodes under evaluation at once: bounds the C stack */
    TPL_FUEL = 5000000,             /* evaluation steps of a rendering */
    TPL_COMPILE_BYTES = 128 << 20,
    TPL_RENDER_BYTES = 256 << 20
};

/* ---- memory: small pieces out of an arena ---- */

typedef struct tpl_pool {
    rg_arena *arena;
    char     *p;
    size_t    left, max;
} tpl_pool;

void     *tpl_take(tpl_pool *m, size_t n);          /* 16-byte aligned; NULL at the end */
rg_status tpl_pool_fail(const tpl_pool *m, rg_err *e);      /* says which end it was */

/* ---- values ---- */

typedef enum tpl_type {
    TPL_MISSING,                    /* an argument that was not given; never a value */
    TPL_UNDEF, TPL_NONE, TPL_BOOL, TPL_INT, TPL_FLOAT, TPL_STR,
    TPL_LIST, TPL_DICT, TPL_SPACE,  /* SPACE = namespace() */
    TPL_BUILTIN, TPL_METHOD, TPL_MACRO, TPL_LOOP, TPL_JOINER
} tpl_type;

/* Lists come in Python's flavours because they print and test differently. */
typedef enum tpl_flavour { TPL_F_LIST, TPL_F_TUPLE, TPL_F_RANGE, TPL_F_VIEW, TPL_F_GEN } tpl_flavour;

enum { TPL_FOREIGN = 1, TPL_FINAL = 2 };            /* marks; FINAL = the last message's text */

typedef struct tpl_str {
    const char    *p;
    size_t         n;
    const uint8_t *marks;           /* one per byte, or NULL: all have the value's mark */
} tpl_str;

typedef struct tpl_val {
    uint8_t  kind;                  /* tpl_type */
    uint8_t  mark;                  /* where it came from; of a string: all its marks or-ed */
    uint8_t  owner;                 /* UNDEF: kind of the thing that lacks the attribute, or 0 */
    union {
        bool                      b;
        int64_t                   i;
        double                    f;
        const tpl_str            *s;    /* STR; UNDEF: the name that was asked for */
        struct tpl_list          *l;
        struct tpl_dict          *d;    /* DICT, SPACE */
        const struct tpl_builtin *fn;
        struct tpl_method        *method;
        struct tpl_macro         *macro;
        struct tpl_loop          *loop;
        struct tpl_joiner        *joiner;
    } as;
} tpl_val;

typedef struct tpl_list {
    const tpl_val *v;
    size_t         n;
    uint8_t        flavour;
    bool           spent;           /* a generator that was read */
} tpl_list;

typedef struct tpl_pair {
    tpl_val key, val;
} tpl_pair;

typedef struct tpl_dict {
    tpl_pair *v;
    size_t    n, cap;
} tpl_dict;

typedef struct tpl_method {
    tpl_val                   self;
    const struct tpl_builtin *fn;
} tpl_method;

typedef struct tpl_joiner {
    tpl_val sep;
    bool    used;
} tpl_joiner;

/* ---- syntax ---- */

typedef enum tpl_tok_kind {
    TPL_T_EOF, TPL_T_DATA, TPL_T_VAR, TPL_T_VAR_END, TPL_T_BLOCK, TPL_T_BLOCK_END, TPL_T_NAME,
    TPL_T_STR, TPL_T_INT, TPL_T_FLOAT,
    TPL_T_ADD, TPL_T_SUB, TPL_T_MUL, TPL_T_DIV, TPL_T_FLOORDIV, TPL_T_MOD, TPL_T_POW, TPL_T_TILDE,
    TPL_T_EQ, TPL_T_NE, TPL_T_LT, TPL_T_LE, TPL_T_GT, TPL_T_GE, TPL_T_IN, TPL_T_NOT_IN,
    TPL_T_ASSIGN, TPL_T_DOT, TPL_T_COLON, TPL_T_PIPE, TPL_T_COMMA,
    TPL_T_LPAREN, TPL_T_RPAREN, TPL_T_LBRACKET, TPL_T_RBRACKET, TPL_T_LBRACE, TPL_T_RBRACE
} tpl_tok_kind;

typedef struct tpl_tok {
    uint32_t kind, begin, end;      /* bytes of the source */
} tpl_tok;

typedef struct tpl_toks {
    tpl_tok *v;
    size_t   n, cap;
} tpl_toks;

rg_status tpl_lex(tpl_toks *out, rg_str src, rg_err *e);

typedef enum tpl_node_kind {
    /* expressions */
    TPL_N_CONST, TPL_N_NAME, TPL_N_ATTR, TPL_N_ITEM, TPL_N_SLICE, TPL_N_CALL, TPL_N_ARG, TPL_N_FILTER,
    TPL_N_TEST, TPL_N_NOT, TPL_N_NEG, TPL_N_POS, TPL_N_MATH, TPL_N_CONCAT, TPL_N_COMPARE, TPL_N_AND,
    TPL_N_OR, TPL_N_COND, TPL_N_LIST, TPL_N_TUPLE, TPL_N_DICT, TPL_N_PAIR,
    /* statements */
    TPL_N_TEXT, TPL_N_PRINT, TPL_N_IF, TPL_N_BRANCH, TPL_N_FOR, TPL_N_SET, TPL_N_SET_BLOCK, TPL_N_MACRO,
    TPL_N_PARAM, TPL_N_CALL_BLOCK, TPL_N_FILTER_BLOCK, TPL_N_WITH, TPL_N_SCOPE, TPL_N_BREAK, TPL_N_CONTINUE
} tpl_node_kind;

enum { TPL_ARG_PLAIN, TPL_ARG_STAR, TPL_ARG_STAR2 };                /* op of an ARG */
enum { TPL_USES_VARARGS = 1, TPL_USES_KWARGS = 2, TPL_USES_CALLER = 4 };    /* op of a MACRO */

/*  kind          a            b               c          op / sym / val
 *  NAME                                                  sym
 *  ATTR          object                                  sym
 *  ITEM          object       index or SLICE
 *  SLICE         start        stop            step       any may be NULL
 *  CALL          callee       ARG list
 *  ARG           value                                   op; sym = keyword or 0
 *  FILTER, TEST  value        ARG list                   sym; FILTER's a may be NULL in blocks
 *  MATH          left         right                      op = token
 *  COMPARE       first        chain: NOT-like ARG nodes  op = token of each
 *  COND          test         then            else       c may be NULL
 *  LIST, TUPLE, CONCAT  items list;   DICT  PAIR list (a key, b value)
 *  IF            BRANCH list (a test or NULL, b body)
 *  FOR           target       items           body       else_; test; op = recursive
 *  SET           target       value
 *  SET_BLOCK     target       filter chain    body
 *  MACRO         PARAM list   body                       sym; op = uses
 *  CALL_BLOCK    CALL         MACRO
 *  FILTER_BLOCK  filter chain body
 *  WITH          SET list     body                       SCOPE: b body                    */
typedef struct tpl_node {
    uint8_t          kind, op;
    uint16_t         height;
    uint32_t         at;            /* offset in the source */
    uint32_t         sym;
    struct tpl_node *a, *b, *c, *next;
    struct tpl_node *test, *other;  /* FOR: condition and else body */
    tpl_val          val;
} tpl_node;

struct rg_template {
    rg_arena *arena;
    tpl_pool  pool;
    rg_str    src;                  /* newlines normalised */
    tpl_str  *syms;                 /* names by number; 0 is no name */
    size_t    n_syms, cap_syms;
    uint32_t *hash;                 /* open addressing over syms; 0 = empty */
    size_t    n_hash;
    tpl_node *body;
};

typedef struct tpl_parser {
    rg_template *t;
    tpl_toks     toks;
    size_t       i;
    unsigned     depth, loops;
    tpl_node    *macro;             /* innermost one being parsed */
    rg_err      *e;
} tpl_parser;

rg_status tpl_parse(rg_template *t, const tpl_toks *toks, rg_err *e);
enum { TPL_SYM_LOOP = 1, TPL_SYM_CALLER, TPL_SYM_VARARGS, TPL_SYM_KWARGS };     /* interned first */
rg_status tpl_intern(rg_template *t, uint32_t *sym, rg_str name, rg_err *e);

/* Shared by the two parser files. */
const tpl_tok *tpl_peek(const tpl_parser *p, size_t ahead);
bool      tpl_at(const tpl_parser *p, tpl_tok_kind kind);
bool      tpl_at_name(const tpl_parser *p, const char *name);
bool      tpl_skip(tpl_parser *p, tpl_tok_kind kind);
bool      tpl_skip_name(tpl_parser *p, const char *name);
rg_status tpl_expect(tpl_parser *p, tpl_tok_kind kind, const char *what);
rg_status tpl_expect_sym(tpl_parser *p, uint32_t *sym);
rg_status tpl_node_new(tpl_parser *p, tpl_node **out, tpl_node_kind kind, uint32_t at, tpl_node *a,
                       tpl_node *b, tpl_node *c);
rg_status tpl_parse_fail(tpl_parser *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
rg_status tpl_parse_enter(tpl_parser *p);           /* one level deeper, or the nesting error */
rg_status tpl_parse_expr(tpl_parser *p, tpl_node **out, bool with_cond);
rg_status tpl_parse_tuple(tpl_parser *p, tpl_node **out, bool with_cond, const char *end_name);
rg_status tpl_parse_filters(tpl_parser *p, tpl_node **io);          /* "| f | g(x)" */
rg_status tpl_parse_filter_one(tpl_parser *p, tpl_node **io);       /* "f(x)" */

/* "line L, column C: ..."; the sentence is cleaned of control bytes. */
rg_status tpl_fail_at(rg_str src, uint32_t at, rg_err *e, rg_status code, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/* ---- rendering ---- */

typedef struct tpl_out {            /* a growing string with marks */
    char    *p;
    uint8_t *marks;                 /* NULL while all bytes have the same mark */
    size_t   n, cap;
    uint8_t  mark;                  /* of all bytes; or-ed once marks is there */
} tpl_out;

typedef struct tpl_bind {
    uint32_t sym;
    tpl_val  v;
} tpl_bind;

typedef struct tpl_scope {
    struct tpl_scope *up;
    tpl_bind         *v;
    size_t            n, cap;
    bool              kept;         /* a macro remembers it: not to be used again */
} tpl_scope;

typedef struct tpl_macro {
    const tpl_node *node;
    tpl_scope      *home;           /* where it was defined */
} tpl_macro;

typedef struct tpl_loop {
    const tpl_node *node;
    tpl_scope      *home;
    const tpl_val  *v;
    size_t          n, i, depth0;
    tpl_val         changed;        /* what loop.changed saw last */
} tpl_loop;

typedef enum tpl_flow { TPL_GO, TPL_BREAK, TPL_CONTINUE } tpl_flow;

typedef struct tpl_run {
    const rg_template *t;
    rg_err            *e;
    tpl_pool           mem;
    int64_t            fuel;
    unsigned           depth, calls;
    uint32_t           at;          /* where in the source we are, for messages */
    tpl_flow           flow;
    tpl_out           *out;
    int64_t            now;
} tpl_run;

typedef struct tpl_kwarg {
    const tpl_str *name;
    tpl_val        v;
} tpl_kwarg;

enum { TPL_MAX_PARAMS = 5 };

typedef struct tpl_call {
    tpl_val          self;                  /* what stands left of "." or "|" */
    tpl_val          a[TPL_MAX_PARAMS];     /* bound to the parameter names; MISSING if not given */
    const tpl_val   *pos;
    size_t           n_pos;
    const tpl_kwarg *kw;
    size_t           n_kw;
    tpl_scope       *scope;
} tpl_call;

/* params "old,new,count" are bound by position or name; "*" = the function reads pos and kw. */
typedef rg_status (*tpl_fn)(tpl_run *R, tpl_call *c, tpl_val *out);
typedef struct tpl_builtin {
    const char *name, *params;
    size_t      need;               /* how many must be given */
    tpl_fn      fn;
} tpl_builtin;

const tpl_builtin *tpl_filter_find(rg_str name);
const tpl_builtin *tpl_filter_list_find(rg_str name);       /* the half that works on lists */
const tpl_builtin *tpl_test_find(rg_str name);
const tpl_builtin *tpl_global_find(rg_str name);
const tpl_builtin *tpl_method_find(const tpl_val *self, rg_str name);
const tpl_builtin *tpl_str_method_find(rg_str name);
const tpl_builtin *tpl_table_find(const tpl_builtin *t, size_t n, rg_str name);

rg_status tpl_fail(tpl_run *R, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
rg_status tpl_burn(tpl_run *R, size_t steps);       /* takes fuel */
rg_status tpl_alloc(tpl_run *R, void *out, size_t n, size_t size);  /* *(void **)out, zeroed */

rg_status tpl_exec(tpl_run *R, tpl_scope *s, const tpl_node *body);
rg_status tpl_eval(tpl_run *R, tpl_scope *s, const tpl_node *n, tpl_val *out);
rg_status tpl_invoke(tpl_run *R, const tpl_val *callee, tpl_call *c, tpl_val *out);
rg_status tpl_apply(tpl_run *R, const tpl_builtin *f, tpl_call *c, tpl_val *out);
rg_status tpl_eval_args(tpl_run *R, tpl_scope *s, const tpl_node *args, tpl_call *c);
rg_status tpl_apply_filters(tpl_run *R, tpl_scope *s, const tpl_node *chain, const tpl_val *in, tpl_val *out);
rg_status tpl_call_macro(tpl_run *R, const tpl_macro *m, const tpl_call *c, tpl_val *out);
rg_status tpl_loop_again(tpl_run *R, const tpl_loop *l, const tpl_call *c, tpl_val *out);
rg_status tpl_assign(tpl_run *R, tpl_scope *s, const tpl_node *target, const tpl_val *v);
rg_status tpl_eval_call(tpl_run *R, tpl_scope *s, const tpl_node *n, const tpl_val *caller, tpl_val *out);
rg_status tpl_set(tpl_run *R, tpl_scope *s, uint32_t sym, const tpl_val *v);
rg_status tpl_scope_new(tpl_run *R, tpl_scope **out, tpl_scope *up);
rg_status tpl_math(tpl_run *R, unsigned op, const tpl_val *a, const tpl_val *b, tpl_val *out);
rg_status tpl_compare(tpl_run *R, unsigned op, const tpl_val *a, const tpl_val *b, bool *out);

/* ---- values: making, asking ---- */

tpl_val   tpl_none(void);
tpl_val   tpl_bool(bool b);
tpl_val   tpl_int(int64_t i);
tpl_val   tpl_float(double f);
tpl_val   tpl_undef(const tpl_str *name, unsigned owner);
rg_status tpl_str_of(tpl_run *R, tpl_val *out, const char *p, size_t n, uint8_t mark,
                     const uint8_t *marks);         /* borrows p and marks */
rg_status tpl_sub(tpl_run *R, tpl_val *out, const tpl_val *s, size_t off, size_t n);
rg_status tpl_list_of(tpl_run *R, tpl_val *out, const tpl_val *v, size_t n, tpl_flavour f);   /* borrows v */
bool      tpl_hashable(const tpl_val *v);           /* may it be a dict's key? */
rg_status tpl_dict_new(tpl_run *R, tpl_val *out, size_t cap);
rg_status tpl_dict_put(tpl_run *R, tpl_dict *d, const tpl_val *key, const tpl_val *val);
rg_status tpl_dict_get(tpl_run *R, const tpl_dict *d, const tpl_val *key, const tpl_val **val);
const tpl_val *tpl_dict_text(const tpl_dict *d, rg_str key);        /* NULL = not there */

const char *tpl_type_name(const tpl_val *v);
rg_str    tpl_text(const tpl_val *v);               /* of a STR */
bool      tpl_is_text(const tpl_val *v, const char *s);
bool      tpl_truth(const tpl_val *v);
bool      tpl_number(const tpl_val *v, double *f);  /* bool, int or float */
bool      tpl_integer(const tpl_val *v, int64_t *i);        /* bool or int */
rg_status tpl_equal(tpl_run *R, const tpl_val *a, const tpl_val *b, bool *out);
rg_status tpl_order(tpl_run *R, const tpl_val *a, const tpl_val *b, int *out);
rg_status tpl_contains(tpl_run *R, const tpl_val *in, const tpl_val *x, bool *out);
rg_status tpl_iter(tpl_run *R, const tpl_val *v, const tpl_val **items, size_t *n);
rg_status tpl_undefined_error(tpl_run *R, const tpl_val *v);
rg_status tpl_attr(tpl_run *R, const tpl_val *obj, const tpl_str *name, tpl_val *out);
rg_status tpl_item(tpl_run *R, const tpl_val *obj, const tpl_val *key, tpl_val *out);
rg_status tpl_slice(tpl_run *R, const tpl_val *obj, const tpl_val at[3], tpl_val *out);
rg_status tpl_path(tpl_run *R, const tpl_val *obj, const tpl_val *path, tpl_val *out);  /* "a.b.0" */
rg_status tpl_from_json(tpl_run *R, tpl_val *out, const json_t *j, uint8_t mark, unsigned depth);

/* ---- text ---- */

rg_status tpl_put(tpl_run *R, tpl_out *o, const char *p, size_t n, uint8_t mark, const uint8_t *marks);
rg_status tpl_put_val(tpl_run *R, tpl_out *o, const tpl_val *s);            /* of a STR */
rg_status tpl_put_part(tpl_run *R, tpl_out *o, const tpl_val *s, size_t off, size_t n);
rg_status tpl_put_repr(tpl_run *R, tpl_out *o, const tpl_val *v, unsigned depth);
rg_status tpl_finish(tpl_run *R, const tpl_out *o, tpl_val *out);
rg_status tpl_finish_flat(tpl_run *R, const tpl_out *o, tpl_val *out);      /* one mark for all */
rg_status tpl_to_str(tpl_run *R, const tpl_val *v, tpl_val *out);           /* Python's str() */
rg_status tpl_concat(tpl_run *R, const tpl_val *a, const tpl_val *b, tpl_val *out);
rg_status tpl_repeat(tpl_run *R, const tpl_val *s, int64_t n, tpl_val *out);
rg_status tpl_format(tpl_run *R, const tpl_val *fmt, const tpl_val *args, size_t n, tpl_val *out);
rg_status tpl_to_json(tpl_run *R, const tpl_val *v, const tpl_val *indent, const tpl_val *seps,
                      bool sort_keys, bool ascii, tpl_val *out);
void      tpl_float_repr(double f, char out[40]);

bool      tpl_is_space(uint32_t cp);                /* as Python's str.isspace */
size_t    tpl_space_at(rg_str s);                   /* bytes of the white space s begins with, 0 = none */
size_t    tpl_space_before(rg_str s);               /* ... that s ends with (one character) */
size_t    tpl_char_len(const char *p, size_t n);    /* bytes of the first character, >= 1 */
size_t    tpl_count_chars(rg_str s);
size_t    tpl_char_offset(rg_str s, size_t chars);  /* byte offset of the n-th character */
size_t    tpl_line_end(rg_str s, size_t i, size_t *next);  /* of the line at i, as str.splitlines cuts */
rg_str    tpl_strip(rg_str s, const rg_str *chars, bool left, bool right);  /* chars NULL = white space */

#endif
