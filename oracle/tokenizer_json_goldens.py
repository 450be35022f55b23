#!/usr/bin/env python3
"""Tokenizers trained on a little text, with the ids and texts that the `tokenizers` package gives,
for tests/text/test_tokenizer_json.c.

Needs tokenizers 0.23.3 and sentencepiece 0.2.3 with protobuf (for one charsmap).  The lines with specials
are drawn with seed 20251125.  Training breaks ties in the order of a hash table: another run may give
other vocabularies, each with its own goldens.

    python3 oracle/tokenizer_json_goldens.py RUNG_DATA tests/data/tokenizer

Reads lines.bin; writes NAME.json, NAME.gold (per text: FNV-1a-32 of the ids without special tokens in
the text, of the ids with them, of the decoded text), json_lines.bin (the texts) and cuts.txt (patterns
of the GGUF pre-tokenizers: hash of where they cut each line).
"""
import base64
import json
import os
import random
import sys
import tempfile

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors,
                        trainers)

SEED = 20251125
QWEN2 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
         r"|\s+(?!\S)|\s+")
DEEPSEEK = [r"\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+",
            "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
            "| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"]
LOW = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
UP = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
LEAD = r"[^\r\n\p{L}\p{N}]?"
END = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
TAIL = r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
CUTS = {
    "gpt-2": [GPT2],
    "llama-bpe": [QWEN2.replace(r"\p{N}|", r"\p{N}{1,3}|", 1)],
    "qwen2": [QWEN2],
    "smollm": [r"\p{N}", GPT2],
    "tekken": [f"{LEAD}{UP}*{LOW}+|{LEAD}{UP}+{LOW}*|\\p{{N}}|{TAIL}"],
    "gpt-4o": [f"{LEAD}{UP}*{LOW}+{END}?|{LEAD}{UP}+{LOW}*{END}?|\\p{{N}}{{1,3}}|{TAIL}"],
    "deepseek-v3": DEEPSEEK,
    "deepseek-coder": ["[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-퟿]+", r"\p{N}"],
    "falcon": [r"[\p{P}\$\+<=>\^~\|`]+", GPT2, "[0-9][0-9][0-9]"],
    "bloom": [r" ?[^(\s|.,!?…。，、।۔،)]+"],
    "qwen35": [END + "|" + LEAD + r"[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"],
    "seed-coder": [END + "|[^\r\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\r\n]+|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"],
    "bailingmoe": [r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]"
                   r"|\s+(?!\S)|\s+"],
    "superbpe": [r"\p{N}+", r"(?=(\d{3})+(?!\d))"],
}
ALPHABET = pre_tokenizers.ByteLevel.alphabet()
SPECIAL = ["<s>", "</s>", "<unk>"]


def added(text, **flags):
    return AddedToken(text, **flags)


def train(tok, trainer, text):
    tok.train_from_iterator(text, trainer)
    return tok


def bytes_bpe(text):
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tok.decoder = decoders.ByteLevel()
    tok.post_processor = processors.ByteLevel(trim_offsets=False)
    train(tok, trainers.BpeTrainer(vocab_size=400, initial_alphabet=ALPHABET, special_tokens=["<|endoftext|>"]), text)
    tok.add_special_tokens([added("<mask>", lstrip=True, special=True), added("<|r|>", rstrip=True, special=True)])
    tok.add_tokens([added("the", single_word=True, normalized=False), added("<tab>", normalized=False),
                    added("<tab><tab>", normalized=True)])
    return tok


def qwen_bpe(text):
    tok = Tokenizer(models.BPE(ignore_merges=True))
    tok.normalizer = normalizers.NFC()
    tok.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(QWEN2), "isolated"),
                                                 pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tok.decoder = decoders.ByteLevel()
    train(tok, trainers.BpeTrainer(vocab_size=420, initial_alphabet=ALPHABET), text)
    tok.add_special_tokens(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    tok.post_processor = processors.TemplateProcessing(single="<|im_start|> $A <|im_end|>", special_tokens=[
        ("<|im_start|>", tok.token_to_id("<|im_start|>")), ("<|im_end|>", tok.token_to_id("<|im_end|>"))])
    return tok


def split_bpe(text):
    tok = Tokenizer(models.BPE())
    tok.normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents(), normalizers.Strip(),
                                           normalizers.Replace(Regex(r"\s{3,}"), " "), normalizers.Lowercase()])
    steps = [pre_tokenizers.Split(Regex(p), "isolated") for p in DEEPSEEK]
    tok.pre_tokenizer = pre_tokenizers.Sequence(
        steps + [pre_tokenizers.Punctuation("contiguous"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tok.decoder = decoders.ByteLevel()
    train(tok, trainers.BpeTrainer(vocab_size=380, initial_alphabet=ALPHABET, special_tokens=SPECIAL), text)
    tok.add_tokens([added("LOUD", normalized=True), added("Quiet", normalized=False)])
    return tok


def byte_tokens():
    return ["<0x%02X>" % b for b in range(256)]


def llama_bpe(text):
    tok = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tok.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tok.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                     decoders.Strip(" ", 1, 0)])
    train(tok, trainers.BpeTrainer(vocab_size=620, special_tokens=SPECIAL + byte_tokens(), limit_alphabet=120), text)
    spec = json.loads(tok.to_str())
    spec["added_tokens"] = [t for t in spec["added_tokens"] if not t["content"].startswith("<0x")]
    tok = Tokenizer.from_str(json.dumps(spec))
    tok.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", tok.token_to_id("<s>"))])
    return tok


def metaspace_bpe(text, scheme, split):
    tok = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=scheme == "first"))
    tok.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=split)
    tok.decoder = decoders.Metaspace(prepend_scheme=scheme, split=split)
    train(tok, trainers.BpeTrainer(vocab_size=260, special_tokens=SPECIAL, limit_alphabet=80), text)
    tok.add_tokens([added("(tag)", normalized=False), added("word word", normalized=False)])
    return tok


def charsmap():
    """A small one: the rules of a table of four."""
    with tempfile.TemporaryDirectory() as d:
        with open(f"{d}/rules.tsv", "w") as f:
            f.write("FF21\t0041\n00C4\t0041 0065\n2026\t002E 002E 002E\n0041 030A\t00C5\n3000\t0020\n200B\t\n")
        with open(f"{d}/text.txt", "w") as f:
            f.write("a b c d e f g h\n" * 50)
        sentencepiece.SentencePieceTrainer.train(input=f"{d}/text.txt", model_prefix=f"{d}/m", vocab_size=12,
                                                 normalization_rule_tsv=f"{d}/rules.tsv", minloglevel=2)
        proto = sentencepiece_model_pb2.ModelProto()
        proto.ParseFromString(open(f"{d}/m.model", "rb").read())
    return proto.normalizer_spec.precompiled_charsmap


def unigram(text, bytes_too):
    tok = Tokenizer(models.Unigram())
    tok.normalizer = normalizers.Sequence([normalizers.Precompiled(charsmap()), normalizers.Nmt(), normalizers.NFKC(),
                                           normalizers.Replace(Regex(" {2,}"), " ")])
    tok.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tok.decoder = decoders.Metaspace(prepend_scheme="always")
    latin = [x for x in text if x and max(x) < "\u00ff"]  # the trainer keeps every character it sees
    train(tok, trainers.UnigramTrainer(vocab_size=400, special_tokens=SPECIAL, unk_token="<unk>"), latin)
    if bytes_too:
        spec = json.loads(tok.to_str())
        spec["model"]["byte_fallback"] = True
        spec["model"]["vocab"] += [[b, -20.0] for b in byte_tokens()]
        spec["decoder"] = json.loads(decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()]).__getstate__())
        tok = Tokenizer.from_str(json.dumps(spec))
    tok.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", tok.token_to_id("</s>"))])
    return tok


def wordpiece(text, lower):
    tok = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=20))
    tok.normalizer = normalizers.BertNormalizer(lowercase=lower)
    tok.pre_tokenizer = pre_tokenizers.BertPreTokenizer() if lower else pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.Digits(individual_digits=False)])
    tok.decoder = decoders.WordPiece(cleanup=lower)
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    train(tok, trainers.WordPieceTrainer(vocab_size=320, special_tokens=names, limit_alphabet=120), text)
    tok.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return tok


def make():
    return {
        "bytes": bytes_bpe, "qwen": qwen_bpe, "split": split_bpe, "llama": llama_bpe,
        "meta-first": lambda t: metaspace_bpe(t, "first", False),
        "meta-never": lambda t: metaspace_bpe(t, "never", True),
        "unigram": lambda t: unigram(t, False), "unigram-bytes": lambda t: unigram(t, True),
        "wordpiece": lambda t: wordpiece(t, True), "wordpiece-cased": lambda t: wordpiece(t, False),
    }


def special_lines():
    r = random.Random(SEED)
    names = SPECIAL + ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<mask>", "<|r|>", "the", "<tab>", "<tab><tab>",
                       "LOUD", "loud", "Quiet", "(tag)", "word word", "[CLS]", "[SEP]", "[MASK]", "[UNK]", "<0x41>",
                       "<0x0A>", "Ａ…Ä", "A\u030a", "\u3000x\u200b", "ﬁ①", "naïve CAFÉ"]
    glue = ["", " ", "  ", "\n", "\u00a0", "\u3000", "x", ".", "_", "'s", " hello", "世界", "word", "é", "\t "]
    return ["".join(r.choice(names if r.random() < 0.6 else glue) for _ in range(r.randint(1, 9))) for _ in range(80)]


def fnv(raw):
    h = 0x811C9DC5
    for b in raw:
        h = (h ^ b) * 0x01000193 & 0xFFFFFFFF
    return "%08x" % h


def id_hash(ids):
    return fnv(b"".join(i.to_bytes(4, "little") for i in ids))


def golden(tok, text):
    """"--------" where we differ on purpose: the package lets plain text become the special and byte
    tokens that stand in a unigram vocabulary, and shows an added token that was found in normalised
    text in its normalised form."""
    added_tokens = tok.get_added_tokens_decoder()
    tok.encode_special_tokens = True
    none = tok.encode(text, add_special_tokens=False).ids
    tok.encode_special_tokens = False
    all_ids = tok.encode(text, add_special_tokens=False).ids
    back = fnv(tok.decode(none, skip_special_tokens=True).encode())
    hashes = [id_hash(none), id_hash(all_ids), back]
    if isinstance(tok.model, models.Unigram):
        if any(name in text for name in SPECIAL):
            hashes[0] = hashes[2] = "--------"
        if "<0x" in text:
            hashes = ["--------"] * 3
    if any(i in added_tokens and added_tokens[i].normalized and not added_tokens[i].special for i in none):
        hashes[2] = "--------"
    return " ".join(hashes) + "\n"


def cut_hash(patterns, line):
    """Where the pieces end, in bytes."""
    pre = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(p), "isolated") for p in patterns])
    ends = [len(line[:b].encode()) for _, (_, b) in pre.pre_tokenize_str(line)]
    return id_hash(ends)


def main():
    data, out = sys.argv[1:3]
    lines = [t.decode() for t in open(f"{out}/lines.bin", "rb").read().split(b"\0")[:-1]]
    text = [x for x in open(f"{data}/text/tinyshakespeare.txt", encoding="utf-8").read().split("\n")[:4000] if x]
    text += lines[::3]
    texts = [t for t in lines[1::11] + special_lines() if t]
    with open(f"{out}/json_lines.bin", "wb") as f:
        f.write(b"".join(t.encode() + b"\0" for t in texts))
    for name, build in make().items():
        tok = build(text)
        spec = json.loads(tok.to_str())
        with open(f"{out}/{name}.json", "w", encoding="utf-8") as f:
            json.dump(spec, f, ensure_ascii=False, separators=(",", ":"))
        tok = Tokenizer.from_file(f"{out}/{name}.json")
        with open(f"{out}/{name}.gold", "w") as f:
            f.writelines(golden(tok, t) for t in texts)
    with open(f"{out}/cuts.txt", "w") as f:
        for name, patterns in CUTS.items():
            f.write(name + " " + " ".join(cut_hash(patterns, t) for t in texts[::3]) + "\n")
    print(f"{len(texts)} texts, {len(make())} tokenizers, {len(CUTS)} pre-tokenizers")


if __name__ == "__main__":
    main()
