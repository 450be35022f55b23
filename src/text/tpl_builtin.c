/* tpl_builtin.c - the formats of well-known model families, for files that carry no template. */
#include "tpl_int.h"

static const struct builtin {
    const char *name, *source;
} builtins[] = {
    { "chatml", "{%- for m in messages -%}\n"
                "{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}\n"
                "{%- endfor -%}\n"
                "{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}" },
    { "llama3",
      "{{- bos_token }}\n"
      "{%- for m in messages -%}\n"
      "{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\\n\\n' + m.content|trim + '<|eot_id|>' }}\n"
      "{%- endfor -%}\n"
      "{%- if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif "
      "%}" },
    { "zephyr", "{%- for m in messages -%}\n"
                "{{ '<|' + m.role + '|>\\n' + m.content + eos_token + '\\n' }}\n"
                "{%- endfor -%}\n"
                "{%- if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}" },
    { "gemma", "{{- bos_token }}\n"
               "{%- set ns = namespace(system='') -%}\n"
               "{%- for m in messages -%}\n"
               "{%- if m.role == 'system' -%}{%- set ns.system = m.content|trim + '\\n\\n' -%}{%- continue "
               "-%}{%- endif -%}\n"
               "{{ '<start_of_turn>' + ('model' if m.role == 'assistant' else 'user') + '\\n' + ns.system + "
               "m.content|trim\n"
               "   + '<end_of_turn>\\n' }}\n"
               "{%- set ns.system = '' -%}\n"
               "{%- endfor -%}\n"
               "{%- if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}" },
    { "mistral",
      "{{- bos_token }}\n"
      "{%- set ns = namespace(system='') -%}\n"
      "{%- for m in messages -%}\n"
      "{%- if m.role == 'system' -%}{%- set ns.system = m.content + '\\n\\n' -%}\n"
      "{%- elif m.role == 'assistant' -%}{{ ' ' + m.content + eos_token }}\n"
      "{%- else -%}{{ '[INST] ' + ns.system + m.content + ' [/INST]' }}{%- set ns.system = '' -%}\n"
      "{%- endif -%}\n"
      "{%- endfor -%}" },
};

const char *rg_template_builtin(const char *name)
{
    for (size_t i = 0; name && i < RG_COUNT(builtins); i++)
        if (strcmp(name, builtins[i].name) == 0)
            return builtins[i].source;
    return NULL;
}
