"""Time the largest Hessian eigenvalue in gradients, and a plane in seconds, on synthetic images.

    python scripts/bench_landscape.py

λ_max: VGG-A with and without BatchNorm, a batch of 128, 20 Lanczos iterations, in turn with single gradients of the
same loss; the ratio is of their times, compilation left out. Plane: VGG-A-light, 1,000 images, 25 x 25 points,
compilation counted. Prints the Markdown tables of docs/landscape.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcifar import landscape
from jaxcifar.config import VGG, Run
from jaxcifar.training import runtime, state
from jaxcifar.training.optimizers import numbers
from jaxcifar.training.step import loss_function

ITERATIONS, BATCH = 20, 128
POINTS, PLANE_IMAGES = 25, 1000
TURNS, GRADIENTS = 3, 5


def problem(model: VGG, images: int) -> tuple[Callable[[Any, Any], jax.Array], Any, Any]:
    """Loss of parameters and batch in training mode, parameters, and a random batch."""
    run = Run(model=model)
    values = numbers(run)
    initial = jax.jit(lambda: state.create(run, values))()
    rng = np.random.default_rng(0)
    batch = jnp.asarray(rng.normal(size=(images, 32, 32, 3)), jnp.float32), jnp.asarray(rng.integers(0, 10, images))
    loss = loss_function(run, values)
    return lambda p, b: loss(p, initial.batch_stats, b, jnp.int32(0))[0], initial.params, batch


def seconds(compute: Callable[[], Any]) -> float:
    start = time.perf_counter()
    jax.block_until_ready(compute())
    return time.perf_counter() - start


def eigenvalue(model: VGG) -> tuple[float, float]:
    """Seconds of λ_max and of a gradient, medians of turns."""
    loss, params, batch = problem(model, BATCH)

    @jax.jit
    def lanczos(params: Any, batch: Any) -> Any:
        at = lambda p: loss(p, batch)  # noqa: E731
        return landscape.extreme_eigenvalues(at, params, jax.random.key(0), iterations=ITERATIONS, top=1, bottom=0).top

    gradient = jax.jit(jax.grad(loss))
    jax.block_until_ready((lanczos(params, batch), gradient(params, batch)))
    turns = [
        (
            seconds(lambda: lanczos(params, batch)),
            seconds(lambda: [gradient(params, batch) for _ in range(GRADIENTS)]) / GRADIENTS,
        )
        for _ in range(TURNS)
    ]
    products, gradients = (median(times) for times in zip(*turns, strict=True))
    return products, gradients


def plane(model: VGG) -> float:
    """Seconds of a plane, compilation included."""
    loss, params, batch = problem(model, PLANE_IMAGES)
    axis = np.linspace(-1, 1, POINTS)
    directions = landscape.random_directions(params, jax.random.key(0))
    return seconds(lambda: landscape.plane(lambda p: loss(p, batch), params, directions, axis, axis).losses)


def main() -> None:
    runtime.configure()
    print(f"| λ_max, batch {BATCH}, {ITERATIONS} iterations | s | gradient s | gradients |\n|---|---:|---:|---:|")
    for name, batch_norm in (("VGG-A", False), ("VGG-A + BatchNorm", True)):
        products, gradient = eigenvalue(VGG(batch_norm=batch_norm))
        print(f"| {name} | {products:.1f} | {gradient:.3f} | {products / gradient:.1f} |", flush=True)
    print(f"\n| plane, {POINTS} x {POINTS}, {PLANE_IMAGES:,} images | s |\n|---|---:|")
    for name, batch_norm in (("VGG-A-light", False), ("VGG-A-light + BatchNorm", True)):
        print(f"| {name} | {plane(VGG(form='light', batch_norm=batch_norm)):.1f} |", flush=True)


if __name__ == "__main__":
    main()
