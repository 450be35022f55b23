#!/usr/bin/env python3
"""Golden token ids for tests/text/test_tokenizer_goldens.c, written by llama.cpp.

Needs llama-cpp-python 0.3.36 (its bundled llama.cpp, libllama 0.5.0; LLAMA_CPP_LIB_PATH may
point at a build of it), the vocabulary files of RUNG_DATA/vocab and, for smollm and gemma, the
pulled models.  The text is drawn with seed 20251124; the same run gives the same files.

    python3 oracle/tokenizer_goldens.py RUNG_DATA MODELS_DIR tests/data/tokenizer

Writes lines.bin (texts that each end with a zero byte), specials.bin (texts with spelled-out
special tokens), <vocab>.lines (FNV-1a-32 of the ids of each line, "--------" where the
vocabulary lacks a byte), <vocab>.specials (without and with parsing of specials), full.txt (some
ids in full) and files.txt (whole data files: count and hash).
"""
import ctypes
import os
import random
import sys

import llama_cpp

SEED = 20251124
SCRIPTS = [  # assigned, by Unicode block; a line takes one or two of them
    (0x21, 0x7E), (0xA1, 0xFF), (0x100, 0x17F), (0x370, 0x3FF), (0x400, 0x4FF), (0x531, 0x556),
    (0x5D0, 0x5EA), (0x620, 0x669), (0x900, 0x97F), (0x985, 0x9B9), (0xB85, 0xBB9), (0xC05, 0xC39),
    (0xE01, 0xE3A), (0xE40, 0xE5B), (0xF40, 0xF6C), (0x10A0, 0x10FF), (0x1100, 0x11FF),
    (0x1200, 0x1248), (0x13A0, 0x13F5), (0x1780, 0x17DD), (0x1E00, 0x1EFF), (0x1F00, 0x1F15),
    (0x2010, 0x2027), (0x2030, 0x205E), (0x2070, 0x208E), (0x20A0, 0x20BF), (0x2100, 0x218B),
    (0x2190, 0x23FF), (0x2460, 0x24FF), (0x2500, 0x27BF), (0x3001, 0x303F), (0x3041, 0x3096),
    (0x30A0, 0x30FF), (0x3105, 0x312F), (0x3131, 0x318E), (0x4E00, 0x9FA5), (0xAC00, 0xD7A3),
    (0xFF01, 0xFF5E), (0x10330, 0x1034A), (0x1D400, 0x1D454), (0x1D7CE, 0x1D7FF), (0x1F300, 0x1F64F),
    (0x1F680, 0x1F6C5), (0x1F900, 0x1F9FF), (0x20000, 0x20200)]
SPACES = [" ", "  ", "    ", "\t", "\t\t", "\n", "\n\n", "\r\n", "\r", " \n", "\n ", "\v", "\f",
          "\u0085", "\u00a0", "\u1680", "\u2003", "\u2028", "\u202f", "\u3000", "\u200b", "\ufeff"]
WORDS = ["don't", "DON'T", "we'll", "WE'LL", "I'm", "they've", "'re", "'D", "it's", "'", "''s", "x's", "hello",
         "World", "the", "of", "HTTP", "naïve", "3", "42", "007", "1234567", "3.14", "1e-9", "0x1F", "²", "½", "Ⅷ", "!",
         "?!", "...", "--", "—", "#", "@user", "$x$", "\\frac{1}{2}", "a_b", "CamelCase", "snake_case", "日本", "привет"]
CODE = ["for (int i = 0; i < n; i++) {", "\tprintf(\"%d\\n\", x);", "    return a[i] + b[i];", "}",
        "def f(x: int) -> str:", "\treturn f'{x!r}'", "# comment", "// a note", "/* block */", "#include <stdio.h>",
        "x = [i**2 for i in range(10) if i % 2]", "SELECT * FROM t WHERE a >= 10;", "<div class=\"a b\">&nbsp;</div>",
        "let y = |z| z.iter().map(|&q| q as u64);", "\\begin{align} x &= 1 \\\\ y &= 2 \\end{align}",
        "{\"key\": [1, 2.5, null, true]}", "$ git log --oneline | head -3", "a<-b%>%c()", "::std::vector<T>&&"]
EMOJI = ["😀", "👍🏽", "👨‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪", "1️⃣", "❤️", "🧑🏿‍🚀", "☕", "✨", "🫠", "🦙"]


def script_line(r):
    picks = [r.choice(SCRIPTS) for _ in range(r.randint(1, 2))]
    words = []
    for _ in range(r.randint(1, 5)):
        lo, hi = r.choice(picks)
        words.append("".join(chr(r.randint(lo, hi)) for _ in range(r.randint(1, 6))))
    return r.choice([" ", "", "  ", ", "]).join(words)


def mixed_line(r):
    return "".join(r.choice(r.choice([SPACES, WORDS, WORDS, EMOJI])) for _ in range(r.randint(2, 14)))


def code_line(r):
    return "\n".join(" " * r.choice([0, 0, 2, 4, 8]) + r.choice(CODE) for _ in range(r.randint(1, 3)))


def space_line(r):
    return "".join(r.choice(SPACES) * r.randint(1, 4) + r.choice(["", "", "a", "9", ".", "é"])
                   for _ in range(r.randint(1, 8)))


def ascii_line(r):
    return "".join(chr(r.choice([r.randint(32, 126), r.randint(32, 126), 32, 39, 10]))
                   for _ in range(r.randint(1, 60)))


def long_line(r):  # words beyond the short merging path
    return r.choice(["a", "ab", "=", "-", "  ", "\n", "ha", "日", "é", "1", "x'"]) * r.randint(20, 120)


def make_lines(shakespeare):
    r = random.Random(SEED)
    lines = []
    for n, make in ((700, script_line), (500, mixed_line), (250, code_line), (300, space_line), (300, ascii_line),
                    (60, long_line)):
        lines += [make(r) for _ in range(n)]
    with open(shakespeare, encoding="utf-8") as f:
        verse = [x for x in f.read().split("\n") if x]
    lines += r.sample(verse, 200)
    return lines + ["a\x04b", "\U00050000 x"]  # bytes that smollm lacks


def make_specials(names):
    r = random.Random(SEED + 1)
    out = []
    for _ in range(150):
        parts = []
        for _ in range(r.randint(1, 7)):
            name = r.choice(names)
            parts.append(r.choice([name, name, name[:-1], name[1:], name + name, "<" + name, " " + name + "\n",
                                   r.choice(WORDS), r.choice(SPACES), r.choice(EMOJI)]))
        out.append("".join(parts))
    return out


class Vocab:
    def __init__(self, path):
        params = llama_cpp.llama_model_default_params()
        params.vocab_only = True
        self.model = llama_cpp.llama_model_load_from_file(path.encode(), params)
        assert self.model, path
        self.vocab = llama_cpp.llama_model_get_vocab(self.model)

    def ids(self, text, special=False):
        raw = text.encode()
        room = (ctypes.c_int32 * (len(raw) + 16))()
        n = llama_cpp.llama_tokenize(self.vocab, raw, len(raw), room, len(raw) + 16, False, special)
        assert n >= 0
        return room[:n]

    def text(self, ids):
        buf = ctypes.create_string_buffer(1024)
        out = b""
        for i in ids:
            n = llama_cpp.llama_token_to_piece(self.vocab, i, buf, 1024, 0, True)
            out += buf.raw[:n]
        return out


def fnv(ids):
    h = 0x811C9DC5
    for b in b"".join((i & 0xFFFFFFFF).to_bytes(4, "little") for i in ids):
        h = (h ^ b) * 0x01000193 & 0xFFFFFFFF
    return "%08x" % h


def golden(vocab, text):
    ids = vocab.ids(text)
    same = vocab.text(ids) in (text.encode(), b" " + text.encode())  # SentencePiece puts a space in front
    return fnv(ids) if same else "--------"


def main():
    data, models, out = sys.argv[1:4]
    os.makedirs(out, exist_ok=True)
    quiet = llama_cpp.llama_log_callback(lambda level, text, arg: None)
    llama_cpp.llama_log_set(quiet, None)
    paths = {n: f"{data}/vocab/ggml-vocab-{n}.gguf" for n in ("gpt-2", "llama-bpe", "qwen2", "llama-spm", "phi-3")}
    paths |= {n: f"{models}/{n}.gguf" for n in ("smollm2-135m", "gemma3-270m")}
    lines = make_lines(f"{data}/text/tinyshakespeare.txt")
    names = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|begin_of_text|>", "<|eot_id|>", "<|start_header_id|>",
             "<|reserved_special_token_1|>", "<|reserved_special_token_10|>", "[PAD151646]", "[PAD151700]",
             "<repo_name>", "<file_sep>", "<filename>", "<gh_stars>", "<s>", "<unk>", "<bos>", "<eos>",
             "<start_of_turn>", "<end_of_turn>", "<|end|>", "<|user|>", "<0x0A>", "<unused5>"]
    specials = make_specials(names)
    for name, texts in (("lines.bin", lines), ("specials.bin", specials)):
        assert not any("\0" in t for t in texts)
        with open(f"{out}/{name}", "wb") as f:
            f.write(b"".join(t.encode() + b"\0" for t in texts))
    full, files = [], []
    for name, path in paths.items():
        v = Vocab(path)
        if name != "phi-3":  # Llama 2's vocabulary but for its special tokens
            with open(f"{out}/{name}.lines", "w") as f:
                f.writelines(golden(v, t) + "\n" for t in lines)
        with open(f"{out}/{name}.specials", "w") as f:
            f.writelines(fnv(v.ids(t)) + " " + fnv(v.ids(t, True)) + "\n" for t in specials)
        for i in range(0, len(lines), 211):
            full.append(f"{name} {i} " + " ".join(map(str, v.ids(lines[i]))) + "\n")
        for file in ("wikitext2_test.txt", "tinyshakespeare.txt"):
            with open(f"{data}/text/{file}", encoding="utf-8", newline="") as f:
                ids = v.ids(f.read())
            files.append(f"{name} {file} {len(ids)} {fnv(ids)}\n")
    open(f"{out}/full.txt", "w").writelines(full)
    open(f"{out}/files.txt", "w").writelines(files)
    print(f"{len(lines)} lines, {len(specials)} with specials, {len(paths)} vocabularies")


if __name__ == "__main__":
    main()
