#!/usr/bin/env python3
"""How well ggml's own quantisers store some rows, as a measure for ours.

    python3 oracle/encode.py libggml-base.so tests/data/encode.bin

Written with ggml 0.25.3 (of llama-cpp-python 0.3.36), gguf 0.19.0 and numpy 2.4.6, seed 7.
Little endian: u32 rows, u32 K, rows x K f32 (normal, a few large ones), K f32 importance, then for
each type u32 id, f32 e, f32 e_importance: root of sum w (x - stored)^2 / sum w x^2, with w = 1 and
no importance, or w = importance.
"""
import ctypes
import struct
import sys

import gguf
import numpy as np

ROWS, K = 4, 1024
TYPES = ["F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K",
         "Q6_K", "IQ4_NL", "IQ4_XS"]


def floats(a):
    return a.ctypes.data_as(ctypes.POINTER(ctypes.c_float)) if a is not None else None


def error(ggml, x, importance, qtype):
    block, size = gguf.GGML_QUANT_SIZES[qtype]
    out = np.zeros((ROWS, K // block * size), np.uint8)
    ggml.ggml_quantize_chunk(ctypes.c_int(qtype.value), floats(x), ctypes.c_void_p(out.ctypes.data),
                             ctypes.c_int64(0), ctypes.c_int64(ROWS), ctypes.c_int64(K), floats(importance))
    w = np.float64(1) if importance is None else importance.astype(np.float64)
    d = gguf.quants.dequantize(out, qtype).astype(np.float64) - x
    return np.sqrt((w * d * d).sum() / (w * x.astype(np.float64) ** 2).sum())


def main():
    ggml = ctypes.CDLL(sys.argv[1])
    rng = np.random.default_rng(7)
    x = rng.normal(scale=0.02, size=(ROWS, K)).astype(np.float32)
    x[rng.random((ROWS, K)) < 0.01] *= 5
    importance = rng.gamma(0.5, size=K).astype(np.float32)
    with open(sys.argv[2], "wb") as out:
        out.write(struct.pack("<II", ROWS, K) + x.tobytes() + importance.tobytes())
        for name in TYPES:
            qtype = gguf.GGMLQuantizationType[name]
            out.write(struct.pack("<Iff", qtype.value, error(ggml, x, None, qtype),
                                  error(ggml, x, importance, qtype)))


main()
