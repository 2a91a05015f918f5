"""Sends trees of arrays from one process of a run to the others, as bytes, so that no value changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils


def from_process_0(tree: Any) -> Any:
    """Return the arrays that process 0 has, on the host of each; the others give arrays of the same shapes."""
    # A sum over the processes sends them, which would make 0.0 of -0.0.
    return _unpacked(multihost_utils.broadcast_one_to_all(_packed(tree)), tree)


def from_each(own: Sequence[Any], size: int) -> list[Any]:
    """Return the results of all members, on the host of each process.

    Args:
        own: those of this process: members i, i + P, i + 2 P, ... for process i of P; all have the same shapes.
        size: number of members, at least P.
    """
    count = jax.process_count()
    found: list[Any] = []
    # One member of each process at a time, so that devices hold P results and not all.
    for turn in range(-(-size // count)):
        mine = own[min(turn, len(own) - 1)]
        found += [_unpacked(raw, mine) for raw in multihost_utils.process_allgather(_packed(mine))]
    return found[:size]


def _packed(tree: Any) -> np.ndarray:
    return np.frombuffer(b"".join(np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(tree)), np.uint8)


def _unpacked(raw: Any, like: Any) -> Any:
    """The arrays of a row of bytes, in the shapes and types of a tree."""
    leaves, structure = jax.tree.flatten(like)
    host = [np.asarray(leaf) for leaf in leaves]
    data, ends = np.asarray(raw).tobytes(), np.cumsum([leaf.nbytes for leaf in host])
    parts = [data[end - leaf.nbytes : end] for leaf, end in zip(host, ends, strict=True)]
    found = [np.frombuffer(part, leaf.dtype).reshape(leaf.shape) for part, leaf in zip(parts, host, strict=True)]
    return jax.tree.unflatten(structure, found)
