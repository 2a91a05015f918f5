"""Trees of arrays as bytes, which go from one process of a run to another without a change of any value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils


def to_bytes(trees: Sequence[Any]) -> bytes:
    """Return the arrays of some trees, one after the other."""
    return b"".join(np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(trees))


def from_bytes(data: bytes, like: Any, number: int) -> list[Any]:
    """Return the trees that `to_bytes` wrote.

    Args:
        data: the bytes.
        like: a tree whose leaves have the shapes and types of each.
        number: how many trees there are.
    """
    leaves, structure = jax.tree.flatten(like)
    sizes = [np.dtype(leaf.dtype).itemsize * int(np.prod(leaf.shape)) for leaf in leaves]
    found, start = [], 0
    for _ in range(number):
        arrays = []
        for leaf, size in zip(leaves, sizes, strict=True):
            arrays.append(np.frombuffer(data[start : start + size], leaf.dtype).reshape(leaf.shape))
            start += size
        found.append(jax.tree.unflatten(structure, arrays))
    return found


def from_process_0(tree: Any) -> Any:
    """Return the arrays that process 0 has, on the host of each; the others give arrays of the same shapes."""
    # As bytes, because a sum over the processes sends them, which would make 0.0 of -0.0.
    sent = multihost_utils.broadcast_one_to_all(np.frombuffer(to_bytes([tree]), np.uint8))
    return from_bytes(np.asarray(sent).tobytes(), tree, 1)[0]
