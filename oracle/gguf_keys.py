#!/usr/bin/env python3
"""A small GGUF file with every kind of key our writer puts, through the gguf package.

    python3 oracle/gguf_keys.py tests/data/gguf_keys.gguf

Written with gguf 0.19.0 and numpy 2.4.6; no randomness.
"""
import sys

import gguf
import numpy as np

w = gguf.GGUFWriter(sys.argv[1], "llama")
w.add_custom_alignment(64)
w.add_uint32("t.u32", 4294967295)
w.add_uint64("t.u64", 1 << 40)
w.add_float32("t.f32", 1e-6)
w.add_bool("t.yes", True)
w.add_bool("t.no", False)
w.add_array("t.words", ["a", "", "\u0120sch\u00f6n"])
w.add_array("t.ints", [-1, 0, 2147483647])
w.add_array("t.floats", [0.5, -1.25, 3e38])
w.add_tensor("matrix.weight", np.array([[1, 2, 3], [4, 5, 6]], np.float32))
w.add_tensor("vector.bias", np.array([1, 2, 3, 4, 5], np.float32))
w.write_header_to_file()
w.write_kv_data_to_file()
w.write_tensors_to_file()
w.close()
