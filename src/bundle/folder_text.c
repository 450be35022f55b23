/* folder_text.c - the texts of a folder that say what tokens mean: tokenizer.json with
 * tokenizer_config.json, the chat template, the tokens that end a turn. */
#include <string.h>

#include "files_int.h"

static rg_status keep(char **out, const json_t *text, rg_err *e)
{
    *out = rg_strndup(json_string_value(text), json_string_length(text));
    if (*out == NULL)
        RG_FAIL(e, RG_ENOMEM, "no memory for a chat template");
    return RG_OK;
}

/* tokenizer_config.json's chat_template: a text, or a list of {"name", "template"}; of a list
 * the one called default. */
static rg_status template_of(char **out, const json_t *config, rg_err *e)
{
    const json_t *t = rg__cfg_get(config, "chat_template");
    size_t i;
    json_t *one;
    if (t == NULL)
        return RG_OK;
    if (json_is_string(t))
        return keep(out, t, e);
    json_array_foreach((json_t *)(uintptr_t)t, i, one)
    {
        const char *name = json_string_value(json_object_get(one, "name"));
        const json_t *source = json_object_get(one, "template");
        if (name != NULL && strcmp(name, "default") == 0 && json_is_string(source))
            return keep(out, source, e);
    }
    RG_FAIL(e, RG_EFORMAT,
            "tokenizer_config.json: chat_template is neither a text nor a list with a default one");
}

static rg_status read_template(rg_files *f, rg_err *e)
{
    size_t n;
    json_t *config = NULL;
    RG_TRY(rg__folder_read(&f->template_text, &n, f, "chat_template.jinja", FILES_MAX_CONFIG, e));
    if (f->template_text != NULL || f->tokenizer_config == NULL)
        return RG_OK;
    RG_TRY(rg_json_parse(&config, rg_str_n(f->tokenizer_config, f->tokenizer_config_n), FILES_MAX_VALUES,
                         "tokenizer_config.json", e));
    const rg_status s = template_of(&f->template_text, config, e);
    json_decref(config);
    return s;
}

/* eos_token_id: an id or a list of them. */
static rg_status add_ends(rg_files *f, const json_t *v, const char *where, rg_err *e)
{
    const size_t n = json_is_array(v) ? json_array_size(v) : v != NULL;
    for (size_t i = 0; i < n; i++) {
        const json_t *id = json_is_array(v) ? json_array_get(v, i) : v;
        if (!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) > INT32_MAX)
            RG_FAIL(e, RG_EFORMAT, "%s: eos_token_id is no token id", where);
        if (f->n_end == FILES_MAX_ENDS)
            RG_FAIL(e, RG_EFORMAT, "%s: eos_token_id lists more than %d ids", where, FILES_MAX_ENDS);
        f->end[f->n_end++] = (int32_t)json_integer_value(id);
    }
    return RG_OK;
}

/* generation_config.json knows best what ends a turn; config.json is asked where there is none. */
static rg_status read_ends(rg_files *f, rg_err *e)
{
    static const char name[] = "generation_config.json";
    char *text = NULL;
    size_t n;
    json_t *g = NULL;
    RG_TRY(rg__folder_read(&text, &n, f, name, FILES_MAX_CONFIG, e));
    if (text == NULL)
        return add_ends(f, rg__cfg_get(f->config, "eos_token_id"), "config.json", e);
    rg_status s = rg_json_parse(&g, rg_str_n(text, n), FILES_MAX_VALUES, name, e);
    rg_free(text);
    if (s == RG_OK)
        s = add_ends(f, rg__cfg_get(g, "eos_token_id"), name, e);
    json_decref(g);
    return s;
}

rg_status rg__folder_text(rg_files *f, rg_err *e)
{
    RG_TRY(rg__folder_read(&f->tokenizer_json, &f->tokenizer_json_n, f, "tokenizer.json", FILES_MAX_TEXT, e));
    RG_TRY(rg__folder_read(&f->tokenizer_config, &f->tokenizer_config_n, f, "tokenizer_config.json",
                           FILES_MAX_CONFIG, e));
    RG_TRY(read_template(f, e));
    return read_ends(f, e);
}

static rg_status tokenizer_of_folder(rg_tokenizer **out, const rg_files *f, rg_err *e)
{
    if (f->tokenizer_json == NULL)
        RG_FAIL(e, RG_EFORMAT,
                "tokenizer.json is missing: fetch the whole folder (tokenizer.model alone is not read)");
    RG_TRY(rg_tokenizer_from_json(out, rg_str_n(f->tokenizer_json, f->tokenizer_json_n),
                                  rg_str_n(f->tokenizer_config, f->tokenizer_config_n), e));
    for (size_t i = 0; i < f->n_end; i++)
        rg_token_add_end(*out, f->end[i]);
    /* matrices are often rounded up to more rows than there are tokens */
    const rg_file_tensor *embd = rg_files_find(f, "token_embd.weight");
    return embd != NULL && embd->R > rg_vocab_size(*out) ? rg_tokenizer_pad(*out, embd->R, e) : RG_OK;
}

rg_status rg_files_tokenizer(rg_tokenizer **out, const rg_files *f, rg_err *e)
{
    *out = NULL;
    return f->n_gguf > 0 ? rg_tokenizer_from_gguf(out, f->gguf[0], e) : tokenizer_of_folder(out, f, e);
}
