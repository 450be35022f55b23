#!/usr/bin/env python3
"""Tiny random models of every architecture, as GGUF file and as Hugging Face folder, with one golden for both.

    tiny_archs.py [OUTPUT_FOLDER]           (default: tests/data beside this script's folder)

writes tiny/NAME.gguf, tiny/NAME.golden (layout: tiny_models.py) and folder/NAME/ with config.json,
model.safetensors (float32) and tokenizer.json.  Two layers, width 32, 67 ids, float32 throughout.  What each model
is there for stands in MODELS.  Half of the configurations are written as files on the hub have them (rope_theta,
rope_scaling), half as transformers 5 writes them (rope_parameters); each folder is read back by transformers.

Versions: torch 2.15.0, transformers 5.24.0, gguf 0.19.0, tokenizers 0.23.3, safetensors 0.8.0, numpy 2.4.6.
Seeds: SEED + index in MODELS.
"""
import json
import os
import pathlib
import sys

import gguf
import numpy as np
import safetensors.torch
import tokenizers
import torch
import transformers
from transformers import (Gemma3ForCausalLM, Gemma3TextConfig, LlamaConfig, LlamaForCausalLM, MistralConfig,
                          MistralForCausalLM, Phi3Config, Phi3ForCausalLM, Qwen2Config, Qwen2ForCausalLM,
                          Qwen3Config, Qwen3ForCausalLM)

from tiny_models import LENGTHS, choose, logits_of, paired_rows, write_golden

SEED = 20261125
CONTEXT = 256
V = 67                  # a prime, so that no row blocking of the output matrix comes out even
WIDTH, INNER = 32, 24

LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 32}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
# Pairs of the slow end are stretched more, as in files of Phi-3; 12 of 16 dimensions turn.  The 40 ids of the
# first sequence and their continuation end at the original context, the second one lies beyond it.
LONG = {"rope_type": "longrope", "original_max_position_embeddings": LENGTHS[0] + 16, "partial_rotary_factor": 0.75,
        "short_factor": [1.0, 1.1, 1.3, 1.6, 1.8, 2.1], "long_factor": [1.0, 1.5, 2.8, 5.1, 8.7, 13.0]}

CLASSES = {
    "llama": (LlamaConfig, LlamaForCausalLM), "qwen2": (Qwen2Config, Qwen2ForCausalLM),
    "qwen3": (Qwen3Config, Qwen3ForCausalLM), "mistral": (MistralConfig, MistralForCausalLM),
    "gemma3": (Gemma3TextConfig, Gemma3ForCausalLM), "phi3": (Phi3Config, Phi3ForCausalLM),
}
MODELS = (
    # paired rows in the GGUF file; Llama 3's factors, which the file carries as a tensor
    dict(name="llama", arch="llama", theta=1e4, heads=2, kv=1, rope=LLAMA3, tied=True, hub=True),
    # biases; YaRN
    dict(name="qwen2", arch="qwen2", theta=1e5, heads=2, kv=1, rope=YARN, tied=True),
    # norms of q and k; heads that together are wider than the model
    dict(name="qwen3", arch="qwen3", theta=1e6, heads=3, kv=1, inner=16, tied=True),
    # every layer has a window, shorter than the sequences and not a whole number of pages
    dict(name="mistral", arch="mistral", theta=1e4, heads=2, kv=2, window=23, tied=True, hub=True),
    # a layer with a window, a layer without; two rotary bases, one scaled; q has a scale of its own
    dict(name="gemma3", arch="gemma3", theta=1e6, heads=2, kv=1, tied=True, window=20, hub=True,
         rope={"rope_type": "linear", "factor": 8.0}, extra=dict(query_pre_attn_scalar=24, sliding_window_pattern=2)),
    # fused matrices
    dict(name="phi3", arch="phi3", theta=1e4, heads=2, kv=1, hub=True),
    # the same with LongRoPE, some dimensions of a head that do not turn, and a window
    dict(name="phi3_long", arch="phi3", theta=1e4, heads=2, kv=2, tied=True, rope=LONG, window=30, hub=True),
)

# ---------------------------------------------------------------------------------- vocabulary

LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrst=+-Ġ"
MERGES = ("1 2", "a n", "Ġ =", "an d")
CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
TOKENS = list(LETTERS) + [m.replace(" ", "") for m in MERGES] + list(CONTROL)
assert len(TOKENS) == V


def add_vocabulary(w):
    normal, control = gguf.TokenType.NORMAL, gguf.TokenType.CONTROL
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("gpt-2")
    w.add_token_list(TOKENS)
    w.add_token_types([normal] * (V - len(CONTROL)) + [control] * len(CONTROL))
    w.add_token_merges(list(MERGES))
    w.add_bos_token_id(TOKENS.index("<|endoftext|>"))
    w.add_eos_token_id(TOKENS.index("<|im_end|>"))
    w.add_add_bos_token(False)


def write_tokenizer(path):
    vocab = {t: i for i, t in enumerate(TOKENS[:V - len(CONTROL)])}
    t = tokenizers.Tokenizer(tokenizers.models.BPE(vocab, [tuple(m.split()) for m in MERGES]))
    t.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = tokenizers.decoders.ByteLevel()
    t.add_special_tokens(list(CONTROL))
    assert [t.id_to_token(i) for i in range(V)] == TOKENS
    t.save(str(path), pretty=False)


# ---------------------------------------------------------------------------------- models


def config_of(m):
    make, model = CLASSES[m["arch"]]
    rope = {"rope_type": "default"} | m.get("rope", {}) | {"rope_theta": m["theta"]}
    if m["arch"] == "gemma3":
        rope = {"full_attention": rope, "sliding_attention": {"rope_type": "default", "rope_theta": 1e4}}
    more = dict(m.get("extra", {}))
    if m["arch"] != "phi3":
        more["head_dim"] = 16
    elif "rope" in m:
        more["original_max_position_embeddings"] = m["rope"]["original_max_position_embeddings"]
        more["partial_rotary_factor"] = m["rope"]["partial_rotary_factor"]
    if "window" in m or m["arch"] == "mistral":
        more["sliding_window"] = m.get("window")
    return model, make(
        vocab_size=V, hidden_size=WIDTH, intermediate_size=m.get("inner", INNER), num_hidden_layers=2,
        num_attention_heads=m["heads"], num_key_value_heads=m["kv"], rms_norm_eps=1e-6, max_position_embeddings=CONTEXT,
        tie_word_embeddings=m.get("tied", False), rope_parameters=rope, bos_token_id=TOKENS.index("<|endoftext|>"),
        eos_token_id=TOKENS.index("<|im_end|>"), pad_token_id=None, attn_implementation="eager", **more)


def draw(model, rng):
    """As tiny_models.draw: a unit input stays near unit size, attention has favourites, what a layer adds is felt,
    and a forgotten gain or bias shows.  Gemma's gain is 1 + w; its embedding is scaled up, and so are the norms behind
    its two halves."""
    gain = {"q_proj": 1.5, "k_proj": 1.5, "qkv_proj": 1.5, "o_proj": 3.0, "down_proj": 3.0}
    less = 1.0 if model.config.model_type == "gemma3_text" else 0.0
    for name, p in model.named_parameters():
        shape = tuple(p.shape)
        if "norm" in name:
            x = rng.uniform(0.5, 1.5, shape) * (4 if less and name.split(".")[-2].startswith("post") else 1) - less
        elif name.endswith("bias"):
            x = rng.normal(0, 0.5, shape)
        elif "embed" in name or "lm_head" in name:
            x = rng.normal(0, (1.5 if less else 2.5) / shape[-1] ** 0.5, shape)
        else:
            x = rng.normal(0, gain.get(name.split(".")[-2], 1.0) / shape[-1] ** 0.5, shape)
        p.data = torch.from_numpy(x.astype(np.float32))
    model.tie_weights()


# ---------------------------------------------------------------------------------- the folder form


def hub_style(config):
    """The keys of rope_parameters where files of the hub have them."""
    rope = config.pop("rope_parameters")
    if "full_attention" in rope:
        config["rope_local_base_freq"] = rope["sliding_attention"]["rope_theta"]
        rope = rope["full_attention"]
        config["sliding_window_pattern"] = config.pop("_sliding_window_pattern", 2)
        config.pop("layer_types")
    rope = dict(rope)
    config["rope_theta"] = rope.pop("rope_theta")
    partial = rope.pop("partial_rotary_factor", 1.0)
    if partial != 1.0:
        config["partial_rotary_factor"] = partial
    kind = rope.pop("rope_type")
    config["rope_scaling"] = None
    if kind == "longrope":
        config["original_max_position_embeddings"] = rope.pop("original_max_position_embeddings")
        config["rope_scaling"] = {"type": kind} | rope
    elif kind != "default":
        config["rope_scaling"] = {"rope_type": kind} | rope


def write_folder(path, m, model):
    path.mkdir(parents=True, exist_ok=True)
    config = json.loads(model.config.to_json_string(use_diff=False))
    keep = {k: v for k, v in config.items() if k in (
        "architectures", "model_type", "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers",
        "num_attention_heads", "num_key_value_heads", "head_dim", "rms_norm_eps", "max_position_embeddings",
        "original_max_position_embeddings", "tie_word_embeddings", "rope_parameters", "hidden_act",
        "hidden_activation", "sliding_window", "use_sliding_window", "max_window_layers", "layer_types",
        "query_pre_attn_scalar", "attention_bias", "attn_logit_softcapping", "final_logit_softcapping",
        "partial_rotary_factor", "bos_token_id", "eos_token_id", "pad_token_id", "_sliding_window_pattern")}
    keep["architectures"] = [type(model).__name__]
    keep["dtype" if not m.get("hub") else "torch_dtype"] = "float32"
    if m.get("hub"):
        hub_style(keep)
    keep.pop("_sliding_window_pattern", None)
    with open(path / "config.json", "w") as f:
        json.dump(keep, f, indent=2)
        f.write("\n")
    state = {k: v.contiguous() for k, v in model.state_dict().items()}
    if model.config.tie_word_embeddings:
        state.pop("lm_head.weight")
    safetensors.torch.save_file(state, str(path / "model.safetensors"), metadata={"format": "pt"})
    write_tokenizer(path / "tokenizer.json")


# ---------------------------------------------------------------------------------- the GGUF form

LAYER = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.qkv_proj": "attn_qkv", "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.gate_up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
GEMMA = LAYER | {"post_attention_layernorm": "post_attention_norm", "pre_feedforward_layernorm": "ffn_norm",
                 "post_feedforward_layernorm": "post_ffw_norm"}
WHOLE = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}


def gguf_name(name, layer_names):
    stem, kind = name.rsplit(".", 1)
    if stem in WHOLE:
        return f"{WHOLE[stem]}.{kind}"
    _, _, i, rest = stem.split(".", 3)
    return f"blk.{i}.{layer_names[rest]}.{kind}"


def llama3_divisors(rope):
    """By how much each pair's frequency is divided: short waves keep theirs, long ones are divided by the factor,
    those between slide from one to the other."""
    turns = rope["original_max_position_embeddings"] / (2 * np.pi * rope["rope_theta"] ** (np.arange(0, 16, 2) / 16))
    keep = np.clip((turns - rope["low_freq_factor"]) / (rope["high_freq_factor"] - rope["low_freq_factor"]), 0, 1)
    return (1 / ((1 - keep) / rope["factor"] + keep)).astype(np.float32)


def gguf_tensors(m, model):
    out = {}
    for name, x in model.state_dict().items():
        if name == "lm_head.weight" and m.get("tied"):
            continue
        x = x.numpy()
        ours = gguf_name(name, GEMMA if m["arch"] == "gemma3" else LAYER)
        if m["arch"] == "gemma3" and "norm" in name:
            x = np.float32(1) + x
        if m["arch"] in ("llama", "mistral") and ours.split(".")[-2] in ("attn_q", "attn_k"):
            x = paired_rows(x, m["heads"] if "attn_q" in ours else m["kv"])
        out[ours] = np.ascontiguousarray(x)
    rope = model.config.rope_parameters
    if rope.get("rope_type") == "llama3":
        out["rope_freqs.weight"] = llama3_divisors(rope)
    if rope.get("rope_type") == "longrope":
        out["rope_factors_long.weight"] = np.array(rope["long_factor"], dtype=np.float32)
        out["rope_factors_short.weight"] = np.array(rope["short_factor"], dtype=np.float32)
    return out


def add_rope(w, m, config):
    rope = m.get("rope", {})
    kind = rope.get("rope_type")
    w.add_rope_freq_base(m["theta"])
    if kind == "linear":
        w.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        w.add_rope_scaling_factor(rope["factor"])
    elif kind == "yarn":
        w.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        w.add_rope_scaling_factor(rope["factor"])
        w.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
    elif kind == "longrope":
        old = rope["original_max_position_embeddings"]
        w.add_rope_scaling_orig_ctx_len(old)
        w.add_rope_scaling_attn_factors((1 + np.log(CONTEXT / old) / np.log(old)) ** 0.5)
        w.add_rope_dimension_count(int(16 * rope["partial_rotary_factor"]))


def write_gguf(path, m, model):
    """Mistral files have llama's architecture and its order of rows."""
    config = model.config
    w = gguf.GGUFWriter(path, "llama" if m["arch"] == "mistral" else m["arch"])
    w.add_name(f"rung tiny {m['name']}")
    w.add_block_count(2)
    w.add_context_length(CONTEXT)
    w.add_embedding_length(WIDTH)
    w.add_feed_forward_length(config.intermediate_size)
    w.add_head_count(m["heads"])
    w.add_head_count_kv(m["kv"])
    w.add_key_length(16)
    w.add_value_length(16)
    w.add_layer_norm_rms_eps(config.rms_norm_eps)
    w.add_file_type(gguf.LlamaFileType.ALL_F32)
    if m["arch"] in ("llama", "mistral"):
        w.add_vocab_size(V)
        w.add_rope_dimension_count(16)
    add_rope(w, m, config)
    if "window" in m:
        w.add_sliding_window(m["window"])
    if m["arch"] == "gemma3":
        w.add_uint32("gemma3.attention.sliding_window_pattern", m["extra"]["sliding_window_pattern"])
        w.add_attention_scale(m["extra"]["query_pre_attn_scalar"] ** -0.5)
    add_vocabulary(w)
    for name, data in gguf_tensors(m, model).items():
        w.add_tensor(name, data)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


# ---------------------------------------------------------------------------------- checks


def read_back(m, folder, model, sequences):
    """The folder says what the model is."""
    again = transformers.AutoModelForCausalLM.from_pretrained(
        folder, attn_implementation="eager", dtype=torch.float32).eval()
    worst = max(np.abs(logits_of(again, ids) - logits_of(model, ids)).max() for ids in sequences)
    assert worst == 0, f"{folder} read back differs by {worst}"


def felt(m, model, sequences):
    """How far the logits move when one thing that the model is there for is left out."""
    out = {}

    def without(what, **change):
        other_m = m | {k: v for k, v in change.items() if k != "config"}
        other_class, config = config_of(other_m)
        for k, v in change.get("config", {}).items():
            setattr(config, k, v)
        other = other_class(config).float().eval()
        other.load_state_dict(model.state_dict())
        out[what] = float(np.abs(logits_of(other, sequences[1]) - logits_of(model, sequences[1])).max())
        assert out[what] > 0.3, f"{m['name']}: {what} moves the logits by {out[what]} only"

    if "window" in m:
        without("window", window=CONTEXT)
    if "rope" in m and m["name"] != "phi3_long":
        without("rope scaling", rope={})
    if m["arch"] == "gemma3":
        without("q scale", extra=m["extra"] | {"query_pre_attn_scalar": 16})
    if m["name"] == "phi3_long":
        without("long factors", rope=LONG | {"long_factor": LONG["short_factor"]})
        without("attention factor", rope=LONG | {"attention_factor": 1.0})
    return out


@torch.no_grad()
def double_error(m, model, sequences):
    """The float32 error of the goldens: against the same model in double (angles and norms stay float32)."""
    want = [logits_of(model, ids) for ids in sequences]
    model.double()
    error = max(np.abs(logits_of(model, ids) - x).max() for ids, x in zip(sequences, want))
    model.float()
    return float(error)


def main():
    here = pathlib.Path(__file__).resolve().parent
    out = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else here.parent / "tests/data"
    (out / "tiny").mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    for i, m in enumerate(MODELS):
        rng = np.random.default_rng(SEED + i)
        model_class, config = config_of(m)
        model = model_class(config).float().eval()
        draw(model, rng)
        sequences = [choose(model, rng, n) for n in LENGTHS]
        write_folder(out / "folder" / m["name"], m, model)
        golden = out / "tiny" / f"arch_{m['name']}"
        write_gguf(golden.with_suffix(".gguf"), m, model)
        spread, margin = write_golden(golden.with_suffix(".golden"), model, sequences)
        read_back(m, out / "folder" / m["name"], model, sequences)
        moved = felt(m, model, sequences)
        sizes = [os.path.getsize(out / "folder" / m["name"] / "model.safetensors"),
                 os.path.getsize(golden.with_suffix(".gguf")), os.path.getsize(golden.with_suffix(".golden"))]
        error = double_error(m, model, sequences)
        print(f"{m['name']:10s} {sizes} bytes  logit std {spread:.2f}  least greedy margin {margin:.4f}  "
              f"float32 error {error:.1e}  " + "  ".join(f"without {k} {v:.2f}" for k, v in moved.items()))


if __name__ == "__main__":
    main()
