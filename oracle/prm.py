#!/usr/bin/env python3
"""Tiny random reward models and their scores in the seven public wire formats (docs/formats/verifiers.md).

    prm.py [OUTPUT_FOLDER]           (default: tests/data/prm beside this script's folder)

writes head2.gguf (qwen2, two classes behind a ReLU, with an output matrix), value.gguf (llama, one value, no output
matrix), labels.gguf (llama, a SentencePiece vocabulary, no head) and goldens.json: per case a model, a format, a
problem, its steps, the ids that enter the model, the positions that are read and the scores.  Two layers, width 32,
matrices in float16, everything else and all arithmetic in float32.

Ids come from whole texts wherever the format is plain text (the position of a mark is then found by its place in the
text, not by its id), and from pieces where a mark is a control token, which a text must not be able to spell.

Versions: torch 2.15.0, transformers 5.24.0, gguf 0.19.0, tokenizers 0.23.3, sentencepiece 0.2.3, numpy 2.4.6.
Seeds: SEED + index of the model.
"""
import json
import os
import pathlib
import sys
import tempfile

import gguf
import numpy as np
import sentencepiece
import tokenizers
import torch
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

from tiny_archs import LAYER, draw, gguf_name
from tiny_models import CHATML, byte_letters, paired_rows
from tokenizer_json_goldens import QWEN2

SEED = 20261202
WIDTH, INNER, HEADS, KV, CONTEXT = 32, 24, 2, 1, 1024
SYSTEM = "Please reason step by step, and put your final answer within \\boxed{}."

MERGES = ("Ġ t", "h e", "i n", "Ġ a", "Ġt he", "o n", "e r", "Ġ =", "r e", "Ġ +", "Ġ -", "s t", "e p", "Ð º", "Ð ¸",
          "Ġ Ðº", "ĠÐº Ð¸", "Ċ Ċ", "ĊĊ ĊĊ", "ĊĊĊĊ Ċ", "Ġ ĊĊĊĊĊ", "Ã ©", ". Ċ", "? Ċ")
CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<extra_0>", "[PRM]")
TOKENS = byte_letters() + [m.replace(" ", "") for m in MERGES] + list(CONTROL)
ID = {t: i for i, t in enumerate(TOKENS)}

PROBLEM = "What is 2 + 3 * 4?"
SOLUTIONS = (
    ["The answer is 14."],
    ["First 3 * 4 = 12.", "Then 2 + 12 = 14, as a + b = b + a", "step - by - step: \\boxed{14}"],
    # marks of every format, new lines, other alphabets
    ["We mark ки this <extra_0> step [PRM] + -", "Two lines:\n2 + 12\n= 14", "café, 日本, ² and 𝔸",
     "<|im_end|>\n<|im_start|>assistant\n+", "12 + 2 ки\n+ 14", "So \\boxed{14} \n\n\n\n\n!"],
)

# ---------------------------------------------------------------------------------- vocabularies


def plain_bpe():
    """No control tokens: a text cannot become one."""
    n = len(TOKENS) - len(CONTROL)
    t = tokenizers.Tokenizer(tokenizers.models.BPE({x: i for i, x in enumerate(TOKENS[:n])},
                                                   [tuple(m.split()) for m in MERGES]))
    split = tokenizers.pre_tokenizers.Split(tokenizers.Regex(QWEN2), "isolated")
    t.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(
        [split, tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    return t


BPE = plain_bpe()


def bpe(text):
    return BPE.encode(text, add_special_tokens=False).ids


def add_bpe(w, template):
    normal, control = gguf.TokenType.NORMAL, gguf.TokenType.CONTROL
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("qwen2")
    w.add_token_list(TOKENS)
    w.add_token_types([normal] * (len(TOKENS) - len(CONTROL)) + [control] * len(CONTROL))
    w.add_token_merges(list(MERGES))
    w.add_bos_token_id(ID["<|endoftext|>"])
    w.add_eos_token_id(ID["<|im_end|>"])
    w.add_add_bos_token(False)
    if template:
        w.add_chat_template(CHATML)


def sentencepiece_model():
    """Words of the marks are pieces, as in Mistral's vocabulary; bytes for the rest."""
    text = ["step one ки", "step two ки", "a + b ки", "a - b ки", "What is the answer ки", "2 + 3 = 5 ки",
            "so - it is + this ки", "the first step is ки"] * 40
    with tempfile.TemporaryDirectory() as d:
        with open(f"{d}/text.txt", "w") as f:
            f.write("\n".join(text))
        sentencepiece.SentencePieceTrainer.train(
            input=f"{d}/text.txt", model_prefix=f"{d}/m", vocab_size=310, model_type="bpe", byte_fallback=True,
            normalization_rule_name="identity", remove_extra_whitespaces=False, split_digits=True,
            hard_vocab_limit=False, minloglevel=2)
        return sentencepiece.SentencePieceProcessor(model_file=f"{d}/m.model")


def add_spm(w, sp):
    kind = []
    for i in range(sp.vocab_size()):
        kind.append(gguf.TokenType.UNKNOWN if sp.IsUnknown(i) else gguf.TokenType.CONTROL if sp.IsControl(i)
                    else gguf.TokenType.BYTE if sp.IsByte(i) else gguf.TokenType.NORMAL)
    w.add_tokenizer_model("llama")
    w.add_token_list([sp.IdToPiece(i) for i in range(sp.vocab_size())])
    w.add_token_scores([sp.GetScore(i) for i in range(sp.vocab_size())])
    w.add_token_types(kind)
    w.add_bos_token_id(sp.bos_id())
    w.add_eos_token_id(sp.eos_id())
    w.add_unk_token_id(sp.unk_id())
    w.add_add_bos_token(True)


# ---------------------------------------------------------------------------------- models


def make(arch, vocab, rng):
    config, model = {"llama": (LlamaConfig, LlamaForCausalLM), "qwen2": (Qwen2Config, Qwen2ForCausalLM)}[arch]
    c = config(vocab_size=vocab, hidden_size=WIDTH, intermediate_size=INNER, num_hidden_layers=2,
               num_attention_heads=HEADS, num_key_value_heads=KV, head_dim=16, rms_norm_eps=1e-6,
               max_position_embeddings=CONTEXT, tie_word_embeddings=False, attn_implementation="eager",
               rope_parameters={"rope_type": "default", "rope_theta": 1e4})
    m = model(c).float().eval()
    draw(m, rng)
    for name, p in m.named_parameters():
        if p.dim() == 2:
            p.data = p.data.half().float()
    return m


def linear(rng, rows, cols, gain):
    x = torch.nn.Linear(cols, rows)
    x.weight.data = torch.from_numpy(rng.normal(0, gain / cols ** 0.5, (rows, cols)).astype(np.float32))
    x.bias.data = torch.from_numpy(rng.normal(0, 0.5, rows).astype(np.float32))
    return x


def write(path, arch, name, model, head, speaks, vocabulary):
    w = gguf.GGUFWriter(path, arch)
    w.add_name(name)
    w.add_block_count(2)
    w.add_context_length(CONTEXT)
    w.add_embedding_length(WIDTH)
    w.add_feed_forward_length(INNER)
    w.add_head_count(HEADS)
    w.add_head_count_kv(KV)
    w.add_key_length(16)
    w.add_value_length(16)
    w.add_layer_norm_rms_eps(1e-6)
    w.add_rope_freq_base(1e4)
    w.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    if arch == "llama":
        w.add_vocab_size(model.config.vocab_size)
        w.add_rope_dimension_count(16)
    vocabulary(w)
    for theirs, x in model.state_dict().items():
        ours = gguf_name(theirs, LAYER)
        if ours == "output.weight" and not speaks:
            continue
        x = x.numpy()
        if arch == "llama" and ours.split(".")[-2] in ("attn_q", "attn_k"):
            x = paired_rows(x, HEADS if "attn_q" in ours else KV)
        w.add_tensor(ours, np.ascontiguousarray(x.astype(np.float16) if x.ndim == 2 else x))
    for layer, x in head.items():
        w.add_tensor(f"{layer}.weight", x.weight.detach().numpy())
        w.add_tensor(f"{layer}.bias", x.bias.detach().numpy())
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


@torch.no_grad()
def run(model, head, ids):
    """(logits, values or None), a row a token."""
    out = model(torch.tensor([ids]), output_hidden_states=True, use_cache=False)
    h = out.hidden_states[-1][0]
    if "cls" in head:
        h = torch.relu(head["cls"](h))
    return out.logits[0], head["cls.output"](h) if head else None


# ---------------------------------------------------------------------------------- formats


def at_text(text, marks, encode):
    """Ids of a text, and which token each mark (a begin in the text) is."""
    ids, begins = encode(text)
    return ids, [begins.index(m) for m in marks]


def joined(problem, steps, mark, between):
    """A plain text and where the marks begin: the blank in front of each belongs to it."""
    text, marks = problem, []
    for i, s in enumerate(steps):
        text += (" " if i == 0 else between) + s
        marks.append(len(text))
        text += mark
    return text, marks


def bpe_text(text):
    e = BPE.encode(text, add_special_tokens=False)
    return e.ids, [a for a, _ in e.offsets]


def spm_text(sp):
    def encode(text):
        pieces = sp.encode(text, return_type="proto").pieces
        chars = [len(text.encode()[:p.begin].decode(errors="ignore")) for p in pieces]      # begins are in bytes
        return [sp.bos_id()] + [p.id for p in pieces], [-1] + chars
    return encode


def softmax2(logits, good, bad):
    return torch.softmax(torch.stack([logits[good], logits[bad]]), 0)[0].item()


def turn(role, text):
    return [ID["<|im_start|>"]] + bpe(role + "\n") + bpe(text) + [ID["<|im_end|>"]] + bpe("\n")


def qwen(problem, steps):
    ids = turn("system", SYSTEM) + turn("user", problem) + [ID["<|im_start|>"]] + bpe("assistant\n")
    marks = []
    for s in steps:
        ids += bpe(s) + [ID["<extra_0>"]]
        marks.append(len(ids) - 1)
    return ids, marks


def rlhflow(problem, steps):
    ids, marks = [], []
    for i, s in enumerate(steps):
        ids += turn("user", problem + " " + s if i == 0 else s) + [ID["<|im_start|>"]] + bpe("assistant\n")
        marks.append(len(ids) - 1)
        if i + 1 < len(steps):
            ids += bpe("+") + [ID["<|im_end|>"]] + bpe("\n")
    return ids, marks


def skywork(problem, steps):
    ids, marks = [ID["<|endoftext|>"]] + bpe(problem + "\n"), []
    for s in steps:
        ids += bpe(s.replace("\n", " ")) + bpe("\n")
        marks.append(len(ids) - 1)
    return ids, marks


def pqm(problem, steps):
    ids, marks = bpe(problem + "\n"), []
    for i, s in enumerate(steps):
        ids += bpe(("\n" if i else "") + s + " ") + [ID["[PRM]"]]
        marks.append(len(ids) - 1)
    return ids, marks


def orm(problem, steps):
    ids = turn("user", problem) + turn("assistant", "\n\n".join(steps))
    return ids, [len(ids) - 1]


def head_of(encode):
    """Tokens in front of the first step that are the same whatever it says."""
    a, b = (encode(PROBLEM, [s])[0] for s in ("a", "0"))
    return next(i for i, (x, y) in enumerate(zip(a, b)) if x != y)


def main():
    here = pathlib.Path(__file__).resolve().parent
    out = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else here.parent / "tests/data/prm"
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    rng = [np.random.default_rng(SEED + i) for i in range(3)]
    sp = sentencepiece_model()

    head2 = make("qwen2", len(TOKENS), rng[0])
    classes = {"cls": linear(rng[0], WIDTH, WIDTH, 1.0), "cls.output": linear(rng[0], 2, WIDTH, 2.0)}
    value = make("llama", len(TOKENS), rng[1])
    reward = {"cls.output": linear(rng[1], 1, WIDTH, 1.0)}
    labels = make("llama", sp.vocab_size(), rng[2])
    write(out / "head2.gguf", "qwen2", "tiny head2", head2, classes, True, lambda w: add_bpe(w, True))
    write(out / "value.gguf", "llama", "tiny value", value, reward, False, lambda w: add_bpe(w, True))
    write(out / "labels.gguf", "llama", "tiny labels", labels, {}, True, lambda w: add_spm(w, sp))

    def two_classes(logits, values):
        return torch.softmax(values, 0)[1].item()

    def label(good, bad):
        return lambda logits, values: softmax2(logits, good, bad)

    blank = label(ID["Ġ+"], ID["Ġ-"])
    sp_blank = label(sp.PieceToId("▁+"), sp.PieceToId("▁-"))
    ki = lambda encode: lambda p, s: at_text(*joined(p, s, " ки", "\n"), encode)  # noqa: E731
    tag = " \n\n\n\n\n"
    kinds = (
        ("qwen", "head2", head2, classes, qwen, two_classes),
        ("rlhflow", "head2", head2, classes, rlhflow, label(ID["+"], ID["-"])),
        ("er-prm", "head2", head2, classes, ki(bpe_text), blank),
        ("openr", "head2", head2, classes, lambda p, s: at_text(*joined(p, s, tag, ""), bpe_text), blank),
        ("skywork", "value", value, reward, skywork, lambda logits, v: torch.sigmoid(v[0]).item()),
        ("pqm", "value", value, reward, pqm, lambda logits, v: v[0].item()),
        ("orm", "value", value, reward, orm, lambda logits, v: torch.sigmoid(v[0]).item()),
        ("math-shepherd", "labels", labels, {}, ki(spm_text(sp)), sp_blank),
    )
    cases = []
    for kind, name, model, head, encode, score in kinds:
        for steps in SOLUTIONS:
            ids, marks = encode(PROBLEM, steps)
            logits, values = run(model, head, ids)
            r = [score(logits[m], values[m] if head else None) for m in marks]
            cases.append(dict(format=kind, model=name, head=head_of(encode), problem=PROBLEM, steps=steps, ids=ids, at=marks, scores=r))
        print(f"{kind:14s} {len(ids):4d} tokens, last scores {[round(x, 4) for x in r]}")
    with open(out / "goldens.json", "w", encoding="utf-8") as f:
        f.write("[\n" + ",\n".join(json.dumps(c, ensure_ascii=False) for c in cases) + "\n]\n")
    for f in sorted(os.listdir(out)):
        print(f"{f:14s} {os.path.getsize(out / f):7d} bytes")


if __name__ == "__main__":
    main()
