/* tok_table.c - the pre-tokenizers that GGUF files name, as lists of patterns: each cuts the
 * pieces that the one before left.
 *
 * The patterns are those of the tokenizer.json of the models (what they were trained with);
 * llama.cpp knows them by the same names, some adapted to an engine without Unicode classes. */
#include <string.h>

#include "rung/base/mem.h"
#include "tokenizer_int.h"

#define ENDINGS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define REST    " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define WORDS   "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
#define GPT2    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define LLAMA3  ENDINGS "|" WORDS "|\\p{N}{1,3}|" REST
#define QWEN2   ENDINGS "|" WORDS "|\\p{N}|" REST
#define UPPER   "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER   "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define LEAD    "[^\\r\\n\\p{L}\\p{N}]?"
#define SLASHED " ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define TEKKEN  LEAD UPPER "*" LOWER "+|" LEAD UPPER "+" LOWER "*|\\p{N}|" SLASHED
#define GPT4O   LEAD UPPER "*" LOWER "+" ENDINGS "?|" LEAD UPPER "+" LOWER "*" ENDINGS "?|\\p{N}{1,3}|" SLASHED
#define QWEN35                                                                                               \
    ENDINGS "|" LEAD                                                                                         \
            "[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define HAN_KANA   "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"
#define HAN_HANGUL "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"
#define DEEPSEEK3                                                                                            \
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|"       \
    " ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"
#define BLOOM " ?[^(\\s|.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c)]+"
#define BAILING                                                                                              \
    "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}| "                                          \
    "?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|"                                                           \
    "\\s+(?!\\S)|\\s+"
#define SEED                                                                                                 \
    ENDINGS "|[^\r\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\r\n]+|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"

/* The letters of DeepSeek LLM: Latin, Greek, Cyrillic and their kin. */
#define EUROPEAN                                                                                             \
    "A-Za-z\\x{b5}\\x{c0}-\\x{d6}\\x{d8}-\\x{f6}\\x{f8}-\\x{1ba}\\x{1bc}-\\x{1bf}\\x{1c4}-\\x{293}"          \
    "\\x{295}-\\x{2af}\\x{370}-\\x{373}\\x{376}\\x{377}\\x{37b}-\\x{37d}\\x{37f}\\x{386}\\x{388}-"           \
    "\\x{38a}\\x{38c}\\x{38e}-\\x{3a1}\\x{3a3}-\\x{3f5}\\x{3f7}-\\x{481}\\x{48a}-\\x{52f}\\x{531}-"          \
    "\\x{556}\\x{10a0}-\\x{10c5}\\x{13a0}-\\x{13f5}\\x{13f8}-\\x{13fd}\\x{1c90}-\\x{1cba}\\x{1cbd}-"         \
    "\\x{1cbf}\\x{1d00}-\\x{1d2b}\\x{1d6b}-\\x{1d77}\\x{1d79}-\\x{1d9a}\\x{1e00}-\\x{1f15}\\x{1f18}-"        \
    "\\x{1f1d}\\x{1f20}-\\x{1f45}\\x{1f48}-\\x{1f4d}\\x{1f50}-\\x{1f57}\\x{1f59}\\x{1f5b}\\x{1f5d}"          \
    "\\x{1f5f}-\\x{1f7d}\\x{1f80}-\\x{1fb4}\\x{1fb6}-\\x{1fbc}\\x{1fbe}\\x{1fc2}-\\x{1fc4}\\x{1fc6}-"        \
    "\\x{1fcc}\\x{1fd0}-\\x{1fd3}\\x{1fd6}-\\x{1fdb}\\x{1fe0}-\\x{1fec}\\x{1ff2}-\\x{1ff4}\\x{1ff6}-"        \
    "\\x{1ffc}\\x{2102}\\x{2107}\\x{210a}-\\x{2113}\\x{2115}\\x{2119}-\\x{211d}\\x{2124}\\x{2126}"           \
    "\\x{2128}\\x{212a}-\\x{212d}\\x{212f}-\\x{2134}\\x{2139}\\x{213c}-\\x{213f}\\x{2145}-\\x{2149}"         \
    "\\x{214e}\\x{2183}\\x{2184}\\x{2c00}-\\x{2c7b}\\x{2c7e}-\\x{2ce4}\\x{2ceb}-\\x{2cee}\\x{2cf2}"          \
    "\\x{2cf3}\\x{a640}-\\x{a66d}\\x{a680}-\\x{a69b}\\x{a722}-\\x{a76f}\\x{a771}-\\x{a787}\\x{a78b}-"        \
    "\\x{a78e}\\x{ab70}-\\x{abbf}\\x{fb00}-\\x{fb06}\\x{fb13}-\\x{fb17}\\x{ff21}-\\x{ff3a}\\x{ff41}-"        \
    "\\x{ff5a}\\x{10400}-\\x{1044f}\\x{104b0}-\\x{104d3}\\x{104d8}-\\x{104fb}\\x{10c80}-\\x{10cb2}"          \
    "\\x{10cc0}-\\x{10cf2}\\x{118a0}-\\x{118df}\\x{1e900}-\\x{1e943}"

static const pretok_entry table[] = {
    { "gpt-2", PRETOK_GPT2, false, false, { GPT2 } },
    { "phi-2", PRETOK_GPT2, false, false, { GPT2 } },
    { "mpt", PRETOK_GPT2, false, false, { GPT2 } },
    { "olmo", PRETOK_GPT2, false, false, { GPT2 } },
    { "jais", PRETOK_GPT2, false, false, { GPT2 } },
    { "exaone4", PRETOK_GPT2, false, false, { GPT2 } },
    { "trillion", PRETOK_GPT2, false, false, { GPT2 } },
    { "granite-docling", PRETOK_GPT2, false, false, { GPT2 } },
    { "a.x-4.0", PRETOK_GPT2, false, false, { GPT2 } },
    { "mellum", PRETOK_GPT2, false, false, { GPT2 } },
    { "gigachat", PRETOK_GPT2, false, false, { GPT2 } },
    { "jina-es", PRETOK_GPT2, false, false, { GPT2 } },
    { "jina-de", PRETOK_GPT2, false, false, { GPT2 } },
    { "llama-bpe", PRETOK_LLAMA3, true, true, { LLAMA3 } },
    { "llama3", PRETOK_LLAMA3, true, true, { LLAMA3 } },
    { "llama-v3", PRETOK_LLAMA3, true, true, { LLAMA3 } },
    { "falcon3", PRETOK_LLAMA3, true, true, { LLAMA3 } },
    { "falcon-h1", PRETOK_LLAMA3, true, true, { LLAMA3 } },
    { "pixtral", PRETOK_LLAMA3, true, true, { LLAMA3 } },
    { "midm-2.0", PRETOK_LLAMA3, true, true, { LLAMA3 } },
    { "lfm2", PRETOK_LLAMA3, true, true, { LLAMA3 } },
    { "dbrx", PRETOK_LLAMA3, false, false, { LLAMA3 } },
    { "smaug-bpe", PRETOK_LLAMA3, false, false, { LLAMA3 } },
    { "chatglm-bpe", PRETOK_LLAMA3, false, false, { LLAMA3 } },
    { "glm4", PRETOK_LLAMA3, true, false, { LLAMA3 } },
    { "qwen2", PRETOK_QWEN2, false, false, { QWEN2 } },
    { "deepseek-r1-qwen", PRETOK_QWEN2, false, false, { QWEN2 } },
    { "stablelm2", PRETOK_QWEN2, false, false, { QWEN2 } },
    { "hunyuan", PRETOK_QWEN2, false, false, { QWEN2 } },
    { "megrez", PRETOK_QWEN2, false, false, { QWEN2 } },
    { "grok-2", PRETOK_QWEN2, false, false, { QWEN2 } },
    { "solar-open", PRETOK_QWEN2, false, false, { QWEN2 } },
    { "kormo", PRETOK_QWEN2, false, false, { QWEN2 } },
    { "smollm", PRETOK_SMOLLM, false, false, { "\\p{N}", GPT2 } },
    { "starcoder", PRETOK_SMOLLM, false, false, { "\\p{N}", GPT2 } },
    { "refact", PRETOK_SMOLLM, false, false, { "\\p{N}", GPT2 } },
    { "command-r", PRETOK_SMOLLM, false, false, { "\\p{N}", GPT2 } },
    { "codeshell", PRETOK_SMOLLM, false, false, { "\\p{N}", GPT2 } },
    { "exaone", PRETOK_SMOLLM, false, false, { "\\p{N}", GPT2 } },
    { "minerva-7b", PRETOK_SMOLLM, false, false, { "\\p{N}", GPT2 } },
    { "qwen35", PRETOK_NONE, false, false, { QWEN35 } },
    { "tekken", PRETOK_NONE, true, true, { TEKKEN } },
    { "gpt-4o", PRETOK_NONE, false, false, { GPT4O } },
    { "llama4", PRETOK_NONE, false, false, { GPT4O } },
    { "kanana2", PRETOK_NONE, false, false, { GPT4O } },
    { "minimax-m2", PRETOK_NONE, false, false, { GPT4O } },
    { "deepseek-llm",
      PRETOK_NONE,
      false,
      false,
      { "[\r\n]", "\\s?[" EUROPEAN "]+", "\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+",
        "\\s+$", HAN_HANGUL, "\\p{N}+" } },
    { "deepseek-coder",
      PRETOK_NONE,
      false,
      false,
      { "[\r\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", HAN_HANGUL, "\\p{N}" } },
    { "deepseek-v3", PRETOK_NONE, false, false, { "\\p{N}{1,3}", HAN_KANA, DEEPSEEK3 } },
    { "hunyuan-dense", PRETOK_NONE, false, false, { "\\p{N}{1,3}", HAN_KANA, DEEPSEEK3 } },
    { "joyai-llm", PRETOK_NONE, false, false, { "\\p{N}{1,3}", HAN_KANA, DEEPSEEK3 } },
    { "falcon", PRETOK_NONE, false, false, { "[\\p{P}\\$\\+<=>\\^~\\|`]+", GPT2, "[0-9][0-9][0-9]" } },
    { "bloom", PRETOK_NONE, false, false, { BLOOM } },
    { "poro-chat", PRETOK_NONE, false, false, { BLOOM } },
    { "gpt3-finnish", PRETOK_NONE, false, false, { BLOOM } },
    { "viking", PRETOK_NONE, false, false, { BLOOM, "\\p{N}" } },
    { "bailingmoe", PRETOK_NONE, false, false, { BAILING } },
    { "seed-coder", PRETOK_NONE, false, false, { SEED } },
    { "superbpe", PRETOK_NONE, false, false, { "\\p{N}+", "(?=(\\d{3})+(?!\\d))" } },
};

const pretok_entry *rg__pretok_named(rg_str name)
{
    for (size_t i = 0; i < RG_COUNT(table); i++)
        if (rg_str_is(name, table[i].name))
            return &table[i];
    return NULL;
}

static bool same_patterns(const pretok_entry *t, const rg_str *pattern, size_t n)
{
    for (size_t i = 0; i < RG_COUNT(t->pattern); i++) {
        const char *p = t->pattern[i];
        if ((p != NULL) != (i < n) || (p != NULL && !rg_str_is(pattern[i], p)))
            return false;
    }
    return true;
}

const pretok_entry *rg__pretok_with(const rg_str *pattern, size_t n, bool whole_words)
{
    for (size_t i = 0; i < RG_COUNT(table); i++)
        if (table[i].whole_words == whole_words && same_patterns(&table[i], pattern, n))
            return &table[i];
    return NULL;
}

const char *rg__pretok_names(void)
{
    return "gpt-2, llama-bpe, qwen2, smollm, starcoder, command-r, falcon, bloom, tekken, gpt-4o, "
           "deepseek-llm, "
           "deepseek-coder, deepseek-v3 and their kin";
}
