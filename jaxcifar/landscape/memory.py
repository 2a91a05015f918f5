"""What Lanczos keeps in memory, what the machine has left, and the refusal where the one exceeds the other."""

import os
from pathlib import Path

import jax
import jax.numpy as jnp

from jaxcifar.landscape.checks import PyTree
from jaxcifar.landscape.trees import tree_size


def lanczos_memory(params: PyTree, iterations: int) -> int:
    """Bytes that the Lanczos basis takes.

    $$ \\text{iterations} \\times \\text{parameters} \\times \\text{bytes a number} $$

    The activations that one gradient keeps come on top.

    Args:
        params: pytree of parameters, or of `jax.ShapeDtypeStruct`.
        iterations: number of Lanczos iterations.

    Returns:
        Bytes, as int.

    Examples:
        >>> lanczos_memory({"w": jnp.zeros((1000, 250), jnp.float32)}, 20)
        20000000
    """
    dtype = jnp.result_type(jnp.float32, *(leaf.dtype for leaf in jax.tree.leaves(params)))
    return iterations * tree_size(params) * dtype.itemsize


def available_memory() -> int | None:
    """Bytes free on the default device, or None where the platform does not say."""
    device = jax.local_devices()[0]
    if device.platform != "cpu":
        stats = device.memory_stats() or {}
        known = "bytes_limit" in stats and "bytes_in_use" in stats
        return stats["bytes_limit"] - stats["bytes_in_use"] if known else None
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        if "MemAvailable" in lines:
            return int(lines["MemAvailable"].split()[0]) * 1024
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else None


def require_memory(params: PyTree, iterations: int, memory_limit: int | None) -> None:
    """Refuse a Lanczos basis larger than `memory_limit` bytes, or than what is free where that is None."""
    limit = available_memory() if memory_limit is None else memory_limit
    needed = lanczos_memory(params, iterations)
    if limit is not None and needed > limit:
        raise ValueError(
            f"{iterations} Lanczos iterations on {tree_size(params):,} parameters keep {needed / 1e9:.3g} GB, but "
            f"{limit / 1e9:.3g} GB are allowed: take fewer iterations or raise memory_limit."
        )
