#!/usr/bin/env python3
"""Exact perplexity of a GGUF file: its weights dequantised to float32, run by transformers.

This is the ruler that `rung perplexity --exact` is held against.  It shares nothing with the
library: the gguf package dequantises, transformers computes, llama.cpp's tokenizer cuts the text.

    perplexity_exact.py -m MODEL.gguf --ids IDS                  ids as `llama-tokenize --ids` prints them
    perplexity_exact.py -m MODEL.gguf -f TEXT --tokenizer /path/to/llama-tokenize

Protocol (llama.cpp's llama-perplexity): the text is tokenised once; chunk i is ids [i*c, (i+1)*c) with
its first id replaced by BOS where the vocabulary asks for one; positions c/2 .. c-2 of each chunk
predict the id that follows them, so c/2 - 1 ids are scored; the result is exp(mean of -ln p).

Written and checked with torch 2.15.0, transformers 5.24.0, gguf 0.19.0, numpy 2.4.6.  No randomness.
"""
import argparse
import json
import math
import re
import subprocess
import sys

import gguf
import numpy as np
import torch
from transformers import (Gemma3ForCausalLM, Gemma3TextConfig, LlamaConfig, LlamaForCausalLM, Qwen2Config,
                          Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM)

LAYER_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
HEAD_NORMS = {"attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm"}
OWN_NAMES = {
    "qwen3": HEAD_NORMS,
    "gemma3": HEAD_NORMS | {"post_attention_norm": "post_attention_layernorm", "ffn_norm": "pre_feedforward_layernorm",
                            "post_ffw_norm": "post_feedforward_layernorm"},
}
WHOLE_NAMES = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}


def hf_name(name, arch):
    """The transformers name of a GGUF tensor."""
    if name in WHOLE_NAMES:
        return WHOLE_NAMES[name]
    names = LAYER_NAMES | OWN_NAMES.get(arch, {})
    m = re.fullmatch(r"blk\.(\d+)\.(\w+)\.(weight|bias)", name)
    if not m or m[2] not in names:
        raise ValueError(f"tensor {name} has no place in a {arch} model")
    return f"model.layers.{m[1]}.{names[m[2]]}.{m[3]}"


def half_split_rows(w, n_head):
    """Undo the row order of llama files: (re, im) pairs side by side -> all re, then all im, per head."""
    return w.reshape(n_head, w.shape[0] // n_head // 2, 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)


class Keys:
    """Metadata of one file; keys of the architecture are asked for without its prefix."""

    def __init__(self, reader):
        self.fields = reader.fields
        self.arch = self.get("general.architecture")

    def get(self, key, default=None):
        f = self.fields.get(key)
        return default if f is None else f.contents()

    def own(self, key, default=None):
        return self.get(f"{self.arch}.{key}", default)


def rope_parameters(keys):
    """RoPE as transformers wants it.  Files with rope_freqs.weight get their divisors later (set_rope)."""
    rope = {"rope_type": "default", "rope_theta": float(keys.own("rope.freq_base", 10000.0))}
    kind = keys.own("rope.scaling.type", "none")
    if kind == "linear":
        rope |= {"rope_type": "linear", "factor": float(keys.own("rope.scaling.factor"))}
    elif kind != "none":
        raise ValueError(f"rope scaling {kind} is not handled here")
    return rope


def config_of(keys, reader):
    classes = {"llama": (LlamaConfig, LlamaForCausalLM), "qwen2": (Qwen2Config, Qwen2ForCausalLM),
               "qwen3": (Qwen3Config, Qwen3ForCausalLM), "gemma3": (Gemma3TextConfig, Gemma3ForCausalLM)}
    if keys.arch not in classes:
        raise ValueError(f"architecture {keys.arch} is not handled here ({', '.join(classes)} are)")
    make, model_class = classes[keys.arch]
    n_head, width = keys.own("attention.head_count"), keys.own("embedding_length")
    names = {t.name for t in reader.tensors}
    rope, more = rope_parameters(keys), {}
    if keys.arch == "gemma3":
        rope = {"full_attention": rope, "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0}}
        more = dict(sliding_window=keys.own("attention.sliding_window"), pad_token_id=0, sliding_window_pattern=6,
                    query_pre_attn_scalar=keys.own("attention.key_length"))
    config = make(
        vocab_size=len(keys.get("tokenizer.ggml.tokens")),
        hidden_size=width,
        intermediate_size=keys.own("feed_forward_length"),
        num_hidden_layers=keys.own("block_count"),
        num_attention_heads=n_head,
        num_key_value_heads=keys.own("attention.head_count_kv", n_head),
        head_dim=keys.own("attention.key_length", width // n_head),
        rms_norm_eps=keys.own("attention.layer_norm_rms_epsilon"),
        max_position_embeddings=keys.own("context_length"),
        tie_word_embeddings="output.weight" not in names,
        rope_parameters=rope,
        attn_implementation="eager",
        **more,
    )
    return config, model_class


def load(path):
    """(transformers model in float32, Keys) of a GGUF file of any gguf-py number format."""
    reader = gguf.GGUFReader(path)
    keys = Keys(reader)
    config, model_class = config_of(keys, reader)
    heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
    state, divisors = {}, None
    for t in reader.tensors:
        w = gguf.quants.dequantize(t.data, t.tensor_type).reshape(list(reversed(t.shape.tolist())))
        if t.name == "rope_freqs.weight":
            divisors = torch.from_numpy(np.array(w))
            continue
        kind = t.name.split(".")[2] if t.name.startswith("blk.") else ""
        if keys.arch == "llama" and kind in heads:
            w = half_split_rows(w, heads[kind])
        if keys.arch == "gemma3" and "norm" in t.name:
            w = w - np.float32(1)           # transformers adds it again
        state[hf_name(t.name, keys.arch)] = torch.from_numpy(np.array(w, dtype=np.float32))
    with torch.device("meta"):
        model = model_class(config)
    model = model.to_empty(device="cpu").float().eval()
    if keys.arch == "gemma3":               # buffers that meta left without content
        model.model.embed_tokens.embed_scale = torch.tensor(config.hidden_size ** 0.5)
        model.model.rotary_emb = type(model.model.rotary_emb)(config)
    missing, unexpected = model.load_state_dict(state, strict=False)
    if set(missing) - {"lm_head.weight"} or unexpected or ("lm_head.weight" in missing) != config.tie_word_embeddings:
        raise ValueError(f"tensors missing: {missing}; not wanted: {unexpected}")
    model.tie_weights()
    if keys.arch != "gemma3":
        set_rope(model, config, divisors)
    return model, keys


def set_rope(model, config, divisors):
    """Inverse frequencies from the file's own numbers: theta^(-2i/D), over the factor, over rope_freqs."""
    rope = config.rope_parameters
    d = config.head_dim if getattr(config, "head_dim", None) else config.hidden_size // config.num_attention_heads
    inv = 1.0 / (rope["rope_theta"] ** (torch.arange(0, d, 2, dtype=torch.float32) / d))
    inv = inv / rope.get("factor", 1.0)
    if divisors is not None:
        inv = inv / divisors
    model.model.rotary_emb.inv_freq = inv


def tokenise(tool, model, text):
    """Ids of llama.cpp's own tokenizer, which puts BOS first where the vocabulary asks for it.  Left to itself
    it would turn a backslash and an n into a line break, and the text of a control token into the token."""
    run = subprocess.run([tool, "-m", model, "-f", text, "--ids", "--no-escape", "--no-parse-special",
                          "--log-disable"], check=True, capture_output=True, text=True)
    return json.loads(run.stdout[run.stdout.index("["):])


@torch.no_grad()
def chunk_nats(model, ids):
    """Sum of -ln p over the scored half of one chunk; the logarithm in double."""
    first = len(ids) // 2
    hidden = model.model(torch.tensor([ids])).last_hidden_state[0, first:-1]
    logp = torch.log_softmax(model.lm_head(hidden).double(), dim=-1)
    return -logp[torch.arange(len(logp)), torch.tensor(ids[first + 1:])].sum().item()


def perplexity(model, ids, c, chunks, bos):
    """Yields (chunks so far, ids scored so far, perplexity so far)."""
    n = min(chunks, len(ids) // c) if chunks > 0 else len(ids) // c
    nats, count = 0.0, 0
    for i in range(n):
        part = list(ids[i * c:(i + 1) * c])
        if bos is not None:
            part[0] = bos
        nats += chunk_nats(model, part)
        count += c - c // 2 - 1
        yield i + 1, count, math.exp(nats / count)


def adds_bos(keys):
    """What llama.cpp decides: the file's word, else by pre-tokenizer."""
    default = keys.get("tokenizer.ggml.pre") in ("llama-bpe", "llama3", "llama-v3")
    return bool(keys.get("tokenizer.ggml.add_bos_token", default))


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("-m", required=True, metavar="GGUF")
    p.add_argument("--ids", metavar="FILE", help="a JSON list of ids")
    p.add_argument("-f", metavar="TEXT", help="a text file, with --tokenizer")
    p.add_argument("--tokenizer", metavar="PROGRAM", help="llama.cpp's llama-tokenize")
    p.add_argument("-c", type=int, default=512)
    p.add_argument("--chunks", type=int, default=-1)
    p.add_argument("--threads", type=int, default=2)
    a = p.parse_args()
    if bool(a.ids) == bool(a.f and a.tokenizer):
        p.error("give either --ids, or -f and --tokenizer")
    torch.set_num_threads(a.threads)
    ids = json.load(open(a.ids)) if a.ids else tokenise(a.tokenizer, a.m, a.f)
    if len(ids) < a.c:
        p.error(f"{len(ids)} ids are less than one chunk of {a.c}")
    model, keys = load(a.m)
    bos = keys.get("tokenizer.ggml.bos_token_id") if adds_bos(keys) else None
    for i, count, ppl in perplexity(model, ids, a.c, a.chunks, bos):
        print(f"[{i}] {ppl:.4f}", file=sys.stderr, flush=True)
    print(json.dumps({"ppl": ppl, "tokens": count}))


if __name__ == "__main__":
    main()
