#!/usr/bin/env python3
"""Tiny random models and what transformers says about them: tests/data/tiny/*.gguf and *.golden.

    tiny_models.py [OUTPUT_FOLDER]          (default: tests/data/tiny beside this script's folder)

Each model is drawn from its own seed, written as a GGUF file in the layout of llama.cpp's converter and
run by transformers in float32, eager attention, one thread.  Quantised files hold blocks; their goldens
come from the float32 weights that gguf-py's dequantiser reads out of those very blocks.

Golden file, little-endian, no padding:

    u8[8]  "RGTINY1\\n"
    u32    S sequences, u32 V vocabulary, u32 G greedy length
    S times:
        u32  T
        i32  ids[T]
        f32  logits[T][V]       row t predicts the id at t+1
        i32  greedy[G]          argmax continuation after ids[T-1]; no id stops it
        f32  margin[G]          best logit minus second best at each of those choices

Versions: torch 2.15.0, transformers 5.24.0, gguf 0.19.0, numpy 2.4.6.  Seeds: SEED + index in MODELS.
"""
import os
import pathlib
import struct
import sys

import gguf
import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

from perplexity_exact import LAYER_NAMES, WHOLE_NAMES, half_split_rows, load

SEED = 20261124
LENGTHS = (40, 70)      # the second crosses two borders of 32 positions, the first one
N_GREEDY = 16
N_CANDIDATES = 256      # sequences drawn for each length; the one with the widest greedy margins is kept
MIN_DISTINCT = 8        # different ids that a continuation must have
CONTEXT = 256
THETA = {"llama": 1e4, "qwen2": 1e6}
EPS = {"llama": 1e-5, "qwen2": 1e-6}

Q = gguf.GGMLQuantizationType
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 32}
LINEAR = {"rope_type": "linear", "factor": 4.0}
# The seven matrices of a layer in the order of MATRICES; one tuple a layer.
MATRICES = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
MIXED = ((Q.Q8_0, Q.Q5_0, Q.Q4_0, Q.Q4_1, Q.F16, Q.BF16, Q.Q8_0),
         (Q.F16, Q.Q4_1, Q.BF16, Q.Q5_0, Q.Q4_1, Q.Q5_0, Q.Q4_0))
K_MIXED = ((Q.Q4_K, Q.Q5_K, Q.Q6_K, Q.Q5_K, Q.Q4_K, Q.Q5_K, Q.Q6_K),)

MODELS = (
    dict(name="llama_norm", arch="llama", pre="gpt-2"),
    dict(name="llama3_rope", arch="llama", pre="llama-bpe", rope=LLAMA3, tied=True),
    dict(name="qwen2", arch="qwen2", pre="qwen2", tied=True),
    dict(name="llama_linear", arch="llama", pre="gpt-2", rope=LINEAR),
    dict(name="qwen2_mixed", arch="qwen2", pre="qwen2", tied=True, embd=Q.Q8_0, layers=MIXED),
    dict(name="llama_kquant", arch="llama", pre="gpt-2", tied=True, width=256, inner=512,
         embd=Q.Q6_K, layers=K_MIXED),
)

# ---------------------------------------------------------------------------------- vocabulary

MERGES = ("Ġ t", "h e", "i n", "Ġ a", "Ġt he", "o n", "e r", "Ġ =", "r e", "Ġ in", "Ġ 1", "1 2", "n d",
          "Ġa nd", "Ċ Ċ", "in g", "Ġ Ġ", "Ã ©")
CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
CHATML = ("{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content']"
          " + '<|im_end|>' + '\\n' }}{% endfor %}"
          "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")


def byte_letters():
    """GPT-2's printable letter for each byte, in its order: bytes that print stand for themselves, then the
    others (in byte order) take the code points from 256 up."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [b for b in range(256) if b not in plain]
    return [chr(b) for b in plain] + [chr(256 + i) for i in range(len(rest))]


TOKENS = byte_letters() + [m.replace(" ", "") for m in MERGES] + list(CONTROL)
V = len(TOKENS)         # 277: a prime, so that no row blocking of the output matrix comes out even
END_OF_TEXT, IM_END = TOKENS.index("<|endoftext|>"), TOKENS.index("<|im_end|>")


def add_vocabulary(w, pre):
    normal, control = gguf.TokenType.NORMAL, gguf.TokenType.CONTROL
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre(pre)
    w.add_token_list(TOKENS)
    w.add_token_types([normal] * (V - len(CONTROL)) + [control] * len(CONTROL))
    w.add_token_merges(list(MERGES))
    w.add_bos_token_id(END_OF_TEXT)
    w.add_eos_token_id(IM_END)
    w.add_pad_token_id(END_OF_TEXT)
    w.add_add_bos_token(pre == "llama-bpe")
    w.add_chat_template(CHATML)


# ---------------------------------------------------------------------------------- weights


def config_of(m):
    config, model = {"llama": (LlamaConfig, LlamaForCausalLM), "qwen2": (Qwen2Config, Qwen2ForCausalLM)}[m["arch"]]
    rope = {"rope_type": "default"} | m.get("rope", {}) | {"rope_theta": THETA[m["arch"]]}
    return model, config(
        vocab_size=V, hidden_size=m.get("width", 64), intermediate_size=m.get("inner", 96),
        num_hidden_layers=len(m.get("layers", (0, 0))), num_attention_heads=4, num_key_value_heads=2,
        head_dim=m.get("width", 64) // 4, rms_norm_eps=EPS[m["arch"]], max_position_embeddings=CONTEXT,
        tie_word_embeddings=m.get("tied", False), rope_parameters=rope, attn_implementation="eager")


def draw(model, rng):
    """Fill every parameter.  Matrices keep a unit input near unit size; q and k lie a little above, so that
    attention has favourites, and what a layer adds lies well above, so that a model with tied embeddings
    does not just say its input again.  Norm gains lie around one, biases are far from zero."""
    for name, p in model.named_parameters():
        shape = tuple(p.shape)
        if "norm" in name:
            x = rng.uniform(0.5, 1.5, shape)
        elif name.endswith("bias"):
            x = rng.normal(0, 0.5, shape)
        elif "embed" in name or "lm_head" in name:
            x = rng.normal(0, 2.5 / shape[-1] ** 0.5, shape)
        else:
            gain = {"q_proj": 1.5, "k_proj": 1.5, "o_proj": 3.0, "down_proj": 3.0}
            x = rng.normal(0, gain.get(name.split(".")[-2], 1.0) / shape[-1] ** 0.5, shape)
        p.data = torch.from_numpy(x.astype(np.float32))
    model.tie_weights()


def paired_rows(w, n_head):
    """The row order of llama files: all re, all im -> (re, im) pairs side by side, per head."""
    return w.reshape(n_head, 2, w.shape[0] // n_head // 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)


def gguf_names(config):
    """(GGUF name, transformers name) of every parameter of the file, in file order."""
    out = [n for n in WHOLE_NAMES.items() if not (config.tie_word_embeddings and n[0] == "output.weight")]
    for i in range(config.num_hidden_layers):
        for ours, theirs in LAYER_NAMES.items():
            out.append((f"blk.{i}.{ours}.weight", f"model.layers.{i}.{theirs}.weight"))
            if config.model_type == "qwen2" and ours in ("attn_q", "attn_k", "attn_v"):
                out.append((f"blk.{i}.{ours}.bias", f"model.layers.{i}.{theirs}.bias"))
    return out


def rope_divisors(config):
    """rope_freqs.weight of a llama3 file: by how much each pair's frequency is divided.  Short waves keep
    theirs, long ones are divided by the factor, those between slide from one to the other."""
    r = config.rope_parameters
    d = config.head_dim
    old, low, high = r["original_max_position_embeddings"], r["low_freq_factor"], r["high_freq_factor"]
    out = []
    for i in range(0, d, 2):
        turns = old / (2 * np.pi * r["rope_theta"] ** (i / d))      # in the original context
        keep = np.clip((turns - low) / (high - low), 0, 1)
        out.append(1 / ((1 - keep) / r["factor"] + keep))
    return np.array(out, dtype=np.float32)


# ---------------------------------------------------------------------------------- number formats


def packed_scales(rng, n):
    """Eight 6-bit scales and eight 6-bit minimums in 12 bytes, as Q4_K and Q5_K keep them.  The minimum
    stays near the scale, so that the weights of a block lie on both sides of zero."""
    sc = rng.integers(8, 64, (n, 8), dtype=np.int64)
    mn = np.clip(sc + rng.integers(-6, 7, (n, 8)), 0, 63)
    lo = (sc[:, :4] | (sc[:, 4:] >> 4) << 6, mn[:, :4] | (mn[:, 4:] >> 4) << 6)
    hi = (sc[:, 4:] & 15) | (mn[:, 4:] & 15) << 4
    return np.concatenate([*lo, hi], axis=1).astype(np.uint8)


def half(x):
    return np.asarray(x, dtype=np.float16).view(np.uint8)


def k_blocks(rng, rows, cols, kind, std):
    """Random but valid blocks of a K format (gguf-py reads them and cannot make them), with weights of about
    the wanted standard deviation: every bit of the quants is random, the block scale varies by half."""
    n = rows * cols // 256
    spread = rng.uniform(0.7, 1.3, (n, 1))

    def bits(width):
        return rng.integers(0, 256, (n, width), dtype=np.uint8)

    if kind in (Q.Q4_K, Q.Q5_K):
        levels = 16 if kind == Q.Q4_K else 32
        d = std * spread / (36 * levels / 12 ** 0.5)
        head = [half(d), half(d * (levels - 1) / 2), packed_scales(rng, n)]
        body = [bits(128)] if kind == Q.Q4_K else [bits(32), bits(128)]
        blocks = np.concatenate(head + body, axis=1)
    else:
        scales = rng.integers(-128, 128, (n, 16)).astype(np.int8).view(np.uint8)
        d = std * spread / (74 * 64 / 12 ** 0.5)
        blocks = np.concatenate([bits(128), bits(64), scales, half(d)], axis=1)
    return blocks.reshape(rows, -1)


def store(x, kind, rng):
    """x in the given number format, as the bytes or numbers that the file holds."""
    if kind in (Q.Q4_K, Q.Q5_K, Q.Q6_K):
        return k_blocks(rng, *x.shape, kind, x.std())
    return gguf.quants.quantize(x, kind)


def kind_of(m, name):
    if name == "token_embd.weight":
        return m.get("embd", Q.F32)
    part = name.split(".")
    if "layers" in m and part[-1] == "weight" and len(part) == 4 and part[2] in MATRICES:
        return m["layers"][int(part[1])][MATRICES.index(part[2])]
    return Q.F32


def settle(m, model, rng):
    """Returns {name: (stored, kind)}, and leaves in the model exactly the weights that were stored."""
    config, state, out = model.config, model.state_dict(), {}
    heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
    for ours, theirs in gguf_names(config):
        kind, x = kind_of(m, ours), state[theirs].numpy()
        n_head = heads.get(ours.split(".")[2]) if m["arch"] == "llama" and ours.startswith("blk.") else None
        if n_head:
            x = paired_rows(x, n_head)
        stored = store(np.ascontiguousarray(x), kind, rng)
        out[ours] = (stored, kind)
        x = gguf.quants.dequantize(stored, kind)
        if n_head:
            x = half_split_rows(x, n_head)
        state[theirs].copy_(torch.from_numpy(np.array(x)))
    if config.rope_parameters["rope_type"] == "llama3":
        out["rope_freqs.weight"] = (rope_divisors(config), Q.F32)
    return out


# ---------------------------------------------------------------------------------- files


def write_gguf(path, m, config, tensors):
    w = gguf.GGUFWriter(path, m["arch"])
    w.add_name(f"rung tiny {m['name']}")
    w.add_block_count(config.num_hidden_layers)
    w.add_context_length(CONTEXT)
    w.add_embedding_length(config.hidden_size)
    w.add_feed_forward_length(config.intermediate_size)
    w.add_head_count(config.num_attention_heads)
    w.add_head_count_kv(config.num_key_value_heads)
    w.add_layer_norm_rms_eps(config.rms_norm_eps)
    w.add_rope_freq_base(config.rope_parameters["rope_theta"])
    w.add_file_type(gguf.LlamaFileType.ALL_F32 if "layers" not in m else gguf.LlamaFileType.GUESSED)
    if "layers" in m:
        w.add_quantization_version(gguf.GGML_QUANT_VERSION)
    if m["arch"] == "llama":
        w.add_vocab_size(V)
        w.add_rope_dimension_count(config.head_dim)
    if config.rope_parameters["rope_type"] == "linear":
        w.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        w.add_rope_scaling_factor(config.rope_parameters["factor"])
    add_vocabulary(w, m["pre"])
    for name, (data, kind) in tensors.items():
        w.add_tensor(name, data, raw_dtype=kind)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


@torch.no_grad()
def logits_of(model, ids):
    return model(torch.tensor([ids]), use_cache=False).logits[0].numpy()


def greedy(model, ids):
    """Continuation and margins, every step from the whole text: no cache that could be wrong."""
    text, margins = list(ids), []
    for _ in range(N_GREEDY):
        row = logits_of(model, text)[-1]
        second, best = np.argsort(row)[-2:]
        margins.append(row[best] - row[second])
        text.append(int(best))
    return text[len(ids):], margins


@torch.no_grad()
def choose(model, rng, n):
    """Of N_CANDIDATES random sequences the one whose closest greedy choice is the least close, so that
    rounding, and as far as it can be had 8-bit activations, leave the continuation alone.  One that says the
    same few ids again and again proves little and is passed over."""
    text = torch.from_numpy(rng.integers(0, model.config.vocab_size, (N_CANDIDATES, n)))
    margin = torch.full((N_CANDIDATES,), torch.inf)
    for _ in range(N_GREEDY):
        best = model(text, use_cache=False, logits_to_keep=1).logits[:, -1].topk(2)
        margin = torch.minimum(margin, best.values[:, 0] - best.values[:, 1])
        text = torch.cat((text, best.indices[:, :1]), dim=1)
    distinct = torch.tensor([len(set(t[n:])) for t in text.tolist()])
    margin[distinct < MIN_DISTINCT] = -1
    assert margin.max() > 0.02, "no sequence with a varied and clear continuation"
    return text[margin.argmax(), :n].tolist()


def write_golden(path, model, sequences):
    """Returns (spread of the logits, smallest greedy margin)."""
    spread, margin = [], []
    with open(path, "wb") as f:
        f.write(b"RGTINY1\n" + struct.pack("<3I", len(sequences), model.config.vocab_size, N_GREEDY))
        for ids in sequences:
            logits = logits_of(model, ids)
            tail, margins = greedy(model, ids)
            f.write(struct.pack("<I", len(ids)))
            for x, kind in ((ids, "<i4"), (logits, "<f4"), (tail, "<i4"), (margins, "<f4")):
                f.write(np.asarray(x, dtype=kind).tobytes())
            spread.append(logits.std())
            margin.append(min(margins))
    return float(np.mean(spread)), float(min(margin))


# ---------------------------------------------------------------------------------- checks


def check(m, model, path, sequences):
    """The file says what the model is, and the goldens would notice the mistakes one makes here.  Returns
    the float32 error of the goldens: against the same model in double (norms and angles stay float32)."""
    want = [logits_of(model, ids) for ids in sequences]
    again, _ = load(path)
    worst = max(np.abs(logits_of(again, ids) - x).max() for ids, x in zip(sequences, want))
    assert worst < 1e-4, f"{path} read back differs by {worst}"

    plain = model.model.rotary_emb.inv_freq
    if m.get("rope"):
        d, base = model.config.head_dim, THETA[m["arch"]]
        model.model.rotary_emb.inv_freq = 1.0 / base ** (torch.arange(0, d, 2, dtype=torch.float32) / d)
        off = np.abs(logits_of(model, sequences[1]) - want[1]).max()
        assert off > 0.5, f"{m['name']}: rope scaling moves the logits by {off} only"
        model.model.rotary_emb.inv_freq = plain

    model.double()
    model.model.rotary_emb.inv_freq = plain
    error = max(np.abs(logits_of(model, ids) - x).max() for ids, x in zip(sequences, want))
    model.float()
    return float(error), float(worst)


def main():
    here = pathlib.Path(__file__).resolve().parent
    out = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else here.parent / "tests/data/tiny"
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    for i, m in enumerate(MODELS):
        rng = np.random.default_rng(SEED + i)
        model_class, config = config_of(m)
        model = model_class(config).float().eval()
        draw(model, rng)
        tensors = settle(m, model, rng)
        sequences = [choose(model, rng, n) for n in LENGTHS]
        path = out / f"{m['name']}.gguf"
        write_gguf(path, m, config, tensors)
        spread, margin = write_golden(out / f"{m['name']}.golden", model, sequences)
        error, reread = check(m, model, path, sequences)
        print(f"{m['name']:13s} {os.path.getsize(path):7d} bytes  logit std {spread:.2f}  "
              f"least greedy margin {margin:.4f}  float32 error {error:.1e}  read back {reread:.1e}")


if __name__ == "__main__":
    main()
