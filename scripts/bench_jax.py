"""JAX worker of the bench: the training program on synthetic images, and the limits of the device."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxcifar.config import Precision, Run, Vectorize
from jaxcifar.models import training_flops
from jaxcifar.training import runtime
from jaxcifar.training.chunk import LONGEST_CHUNK, ChunkLength
from jaxcifar.training.environment import environment
from jaxcifar.training.group import Group


class Side:
    """The compiled training program of one run, or of several runs as members, and its state."""

    def __init__(self, runs: list[Run], vectorize: Vectorize, images: int):
        runtime.configure()
        run = runs[0]
        # Programs that compile fast are stored too, because the second compilation needs all of them.
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        self.steps_per_epoch = images // run.batch_size
        self.flops = training_flops(run.model)
        self.step = 0
        split = synthetic_images(images)
        one = split[0][:1], split[1][:1]
        length = min(self.steps_per_epoch, LONGEST_CHUNK)

        def group() -> tuple[float, Group]:
            found = Group(runs, split, one, length, vectorize)
            found.create()
            start = time.perf_counter()
            found.compile()
            return time.perf_counter() - start, found

        self.compile_seconds, _ = group()
        # Without the programs in memory, the second compilation reads them from the cache's folder.
        jax.clear_caches()
        self.cached_compile_seconds, self.group = group()
        self.chunk = ChunkLength(length, self.group.programs)

    def hello(self) -> dict[str, Any]:
        return {
            "steps_per_epoch": self.steps_per_epoch,
            "flops_per_image": self.flops,
            "compile_seconds": self.compile_seconds,
            "cached_compile_seconds": self.cached_compile_seconds,
        }

    def answer(self, steps: int) -> dict[str, Any]:
        """Train a number of steps in chunks, as training does: about a second each, within one epoch."""
        start = time.perf_counter()
        while steps:
            left = self.steps_per_epoch - self.step % self.steps_per_epoch
            count, began = min(steps, left, self.chunk.steps), time.perf_counter()
            self.group.train(self.step, count, self.step // self.steps_per_epoch)
            self.chunk.took(count, time.perf_counter() - began)
            self.step += count
            steps -= count
        peak = runtime.peak_memory()
        return {"seconds": time.perf_counter() - start, "peak_bytes": peak["device_bytes"] or peak["host_bytes"]}


def synthetic_images(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return random images [N, 32, 32, 3] (uint8) and labels [N]; times do not depend on their values."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (number, 32, 32, 3), dtype=np.uint8)
    return images, rng.integers(0, 10, number, dtype=np.int32)


class Device:
    """The device and its limits."""

    def hello(self) -> dict[str, Any]:
        found = environment("", "")
        return {key: found[key] for key in ("versions", "device", "git_commit")}

    def answer(self, precision: Precision) -> dict[str, Any]:
        """Return FLOP/s of a large matrix product, and bytes per second that a large copy reads and writes."""
        return {"rate": matrix_product_rate(precision), "copy": copy_rate()}


def copy_rate() -> float:
    """Return bytes per second, read and written, of the fastest copy of an array larger than the caches."""
    source, repeats = jnp.zeros(2**26, jnp.float32), 8
    # In place, so that no memory is allocated; a different number each time, so that XLA cannot merge the passes.
    copies = jax.jit(lambda x: lax.fori_loop(0, repeats, lambda i, y: y + i, x))
    return 2 * source.nbytes * repeats / _least_seconds(lambda: copies(source))


def matrix_product_rate(precision: Precision) -> float:
    """Return FLOP/s of the fastest chain of square products at the default precision of JAX."""
    cpu = jax.default_backend() == "cpu"
    size, repeats = (2048, 4) if cpu else (8192, 32)
    dtype = jnp.bfloat16 if precision == "bfloat16" else jnp.float32
    # Scaled so that the entries of the products stay near 1 along the chain.
    factor = jax.random.normal(jax.random.key(0), (size, size), dtype) / np.sqrt(size).astype(dtype)
    chain = jax.jit(lambda x: lax.fori_loop(0, repeats, lambda _, y: y @ factor, x))
    return 2 * size**3 * repeats / _least_seconds(lambda: chain(factor))


def _least_seconds(compute: Callable[[], jax.Array]) -> float:
    """Return the least seconds of five calls after a first one that is not timed."""

    def seconds() -> float:
        start = time.perf_counter()
        compute().block_until_ready()
        return time.perf_counter() - start

    seconds()
    # Disturbances only add time, so the least value is nearest to the device's limit.
    return min(seconds() for _ in range(5))
