"""A batch in blocks of images, one after another, so that intermediate arrays of a block fit in the cache."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

LOOP = 8
"""Most blocks of a loop that is there to keep its result in memory."""


def mapped(function: Callable[[jax.Array], jax.Array], x: jax.Array, blocks: int) -> jax.Array:
    """Return function(x) for images x [N, ...] and a function that treats each image separately."""
    if blocks == 1:
        return function(x)
    y = lax.map(function, x.reshape(blocks, -1, *x.shape[1:]))
    return y.reshape(-1, *y.shape[2:])


def computed_once(function: Callable[[jax.Array], jax.Array], x: jax.Array) -> jax.Array:
    """Return function(x) for images x [N, ...] and an elementwise function, as an array that is kept in memory.

    On a CPU XLA computes elementwise functions again in every operation that takes their result, back to the last
    array in memory. It cannot do so through a loop. A number of images that is not known yet, as in an export, has no
    blocks.
    """
    images = x.shape[0]
    loops = jax.default_backend() == "cpu" and isinstance(images, int)
    return mapped(function, x, math.gcd(images, LOOP)) if loops else function(x)


def summed(
    function: Callable[[jax.Array, jax.Array], list[jax.Array]], x: jax.Array, dy: jax.Array, blocks: int
) -> list[jax.Array]:
    """Return function(x, dy) for images x, dy [N, ...] and a function that is a sum over images."""
    if blocks == 1:
        return function(x, dy)

    def add(total: list[jax.Array], parts: tuple[jax.Array, jax.Array]) -> tuple[list[jax.Array], None]:
        return [a + b for a, b in zip(total, function(*parts), strict=True)], None

    # A scan with one running total: the sums of all blocks are never in memory together.
    parts = x.reshape(blocks, -1, *x.shape[1:]), dy.reshape(blocks, -1, *dy.shape[1:])
    shapes = jax.eval_shape(function, *(part[0] for part in parts))
    return lax.scan(add, [jnp.zeros(s.shape, s.dtype) for s in shapes], parts)[0]
