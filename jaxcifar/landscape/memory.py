"""The memory that Lanczos needs, the memory that is free, and the refusal where the first exceeds the second."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from jaxcifar.landscape.arguments import as_count
from jaxcifar.landscape.checks import PyTree, dtype_of
from jaxcifar.landscape.trees import tree_size


def lanczos_memory(params: PyTree, iterations: int) -> int:
    """Return the bytes that the Lanczos basis takes.

    $$ \\text{iterations} \\times \\text{parameters} \\times \\text{bytes per number} $$

    The activations that one gradient keeps come on top.

    Args:
        params: pytree of parameters, or of `jax.ShapeDtypeStruct`.
        iterations: number of Lanczos iterations, at least 1.

    Returns:
        Bytes, as int.

    Raises:
        ValueError: parameters without a number or with a leaf that is not floating point, or a wrong `iterations`.

    Examples:
        >>> lanczos_memory({"w": jnp.zeros((1000, 250), jnp.float32)}, 20)
        20000000
    """
    dtypes = [dtype_of(leaf) for leaf in jax.tree.leaves(params)]
    if not tree_size(params) or not all(dtype is not None and jnp.issubdtype(dtype, jnp.floating) for dtype in dtypes):
        found = ", ".join(sorted({str(dtype) for dtype in dtypes})) or "no leaf"
        raise ValueError(f"params has {tree_size(params)} numbers ({found}), but needs floating leaves, not empty.")
    # Measures compute in float32 at least, and the flat basis takes the widest dtype of all leaves.
    bytes_per_number = max(4, *(jnp.finfo(dtype).bits // 8 for dtype in dtypes))
    return as_count(iterations, "iterations", 1) * tree_size(params) * bytes_per_number


def available_memory() -> int | None:
    """Return the free bytes of the default device, or None where they are not known."""
    device = jax.local_devices()[0]
    # A CPU device has no memory of its own, so there the free memory of the system counts.
    if device.platform != "cpu":
        stats = device.memory_stats() or {}
        known = "bytes_limit" in stats and "bytes_in_use" in stats
        return stats["bytes_limit"] - stats["bytes_in_use"] if known else None
    try:
        import psutil
    except ImportError:
        return None
    return psutil.virtual_memory().available


def require_memory(params: PyTree, iterations: int, memory_limit: int | None) -> None:
    """Refuse a Lanczos basis larger than `memory_limit` bytes, or than the free memory where that is None."""
    limit = available_memory() if memory_limit is None else as_count(memory_limit, "memory_limit", 1)
    needed = lanczos_memory(params, iterations)
    if limit is not None and needed > limit:
        raise ValueError(
            f"{iterations} Lanczos iterations on {tree_size(params):,} parameters keep {needed / 1e9:.3g} GB, but "
            f"{limit / 1e9:.3g} GB are allowed: take fewer iterations or raise memory_limit."
        )
