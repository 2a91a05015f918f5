"""A network's weights as a safetensors file: eight bytes with the length of a JSON header, the header, the arrays.

The format is that of huggingface/safetensors; it holds no code, and any framework reads it.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from jaxcifar import records

NAMES = {"float32": "F32", "float64": "F64", "float16": "F16", "bfloat16": "BF16", "int32": "I32", "uint32": "U32"}
NAMES |= {"int64": "I64", "uint8": "U8", "int8": "I8", "bool": "BOOL"}
ALIGNMENT = 8


def write(path: Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """Replace a file.

    Args:
        path: the file.
        arrays: by name, such as `params.conv1.kernel`.
        metadata: texts for readers.
    """
    header: dict[str, object] = {"__metadata__": dict(metadata)}
    end = 0
    for name, array in arrays.items():
        start, end = end, end + array.nbytes
        header[name] = {"dtype": NAMES[array.dtype.name], "shape": list(array.shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    # The arrays begin at a multiple of eight, as the format asks; spaces after JSON mean nothing.
    text += b" " * (-len(text) % ALIGNMENT)
    path.parent.mkdir(parents=True, exist_ok=True)
    with records.replacing(path) as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for array in arrays.values():
            # The format is little-endian, with the last axis varying fastest.
            file.write(np.asarray(array, order="C").astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
