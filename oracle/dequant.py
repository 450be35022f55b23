#!/usr/bin/env python3
"""Golden values of every weight format: random blocks through the gguf package.

    python3 oracle/dequant.py tests/data/dequant.bin

Written with gguf 0.19.0 and numpy 2.4.6, seed 20261124.  One record a type, little endian:
u32 type, u32 K, u32 row bytes, the row, K f32 values.
"""
import struct
import sys

import gguf
import numpy as np

K = 256
TYPES = ["F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q8_0", "Q4_K", "Q5_K", "Q6_K",
         "Q5_1", "Q2_K", "Q3_K", "IQ4_NL", "IQ4_XS"]
# Where each block keeps f16 numbers; there NaN and infinity are redrawn.
HALVES = {"F16": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q8_0": [0], "Q4_K": [0, 2],
          "Q5_K": [0, 2], "Q6_K": [208], "Q5_1": [0, 2], "Q2_K": [80, 82], "Q3_K": [108],
          "IQ4_NL": [0], "IQ4_XS": [0]}


def finite_half(rng):
    while True:
        h = rng.integers(0, 1 << 16, dtype=np.uint16)
        if (h >> 10) & 31 != 31:
            return h


def random_row(rng, name, block_k, block_bytes):
    if name in ("F32", "BF16"):
        x = rng.normal(size=K).astype(np.float32).view(np.uint32)
        return x.view(np.uint8) if name == "F32" else (x >> 16).astype(np.uint16).view(np.uint8)
    blocks = rng.integers(0, 256, size=(K // block_k, block_bytes), dtype=np.uint8)
    for b in blocks:
        for at in HALVES[name]:
            b[at:at + 2] = np.array([finite_half(rng)]).view(np.uint8)
    return blocks.reshape(-1)


def values(row, qtype, name):
    if name == "F32":
        return row.view(np.float32)
    if name == "F16":
        return row.view(np.float16).astype(np.float32)
    return gguf.quants.dequantize(row, qtype)


def main():
    rng = np.random.default_rng(20261124)
    with open(sys.argv[1], "wb") as out:
        for name in TYPES:
            qtype = gguf.GGMLQuantizationType[name]
            block_k, block_bytes = gguf.GGML_QUANT_SIZES[qtype]
            row = random_row(rng, name, block_k, block_bytes)
            y = values(row, qtype, name).astype("<f4")
            assert y.size == K
            out.write(struct.pack("<III", qtype.value, K, row.size) + row.tobytes() + y.tobytes())


main()
