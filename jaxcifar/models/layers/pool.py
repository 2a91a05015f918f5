"""Max-pooling whose gradient is fast on a CPU."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcifar.models.layers.geometry import Geometry, taps


def max_pool(x: jax.Array, window: int, stride: int) -> jax.Array:
    """Largest value of each window, without padding; a remainder of rows or columns is dropped, as in PyTorch.

    The gradient of a tie goes to the first such pixel, row by row, as in PyTorch. Windows that do not overlap
    (stride = window) are folded pairwise, which is fast on a CPU; others use `flax.linen.max_pool`.

    Args:
        x: images [N, H, W, C].
        window: side of the window in pixels.
        stride: step in pixels.

    Returns:
        Images [N, (H - window) // stride + 1, (W - window) // stride + 1, C].

    Raises:
        ValueError: the window is larger than the image.
    """
    if min(x.shape[1:3]) < window:
        raise ValueError(f"a window of {window} pixels is larger than the image of {x.shape[1:3]}")
    if window != stride:
        return nn.max_pool(x, (window, window), (stride, stride))
    pixels = taps(x, (window, window), Geometry((stride, stride), (0, 0)))
    while len(pixels) > 1:
        pairs = [_first_larger(a, b) for a, b in zip(pixels[::2], pixels[1::2], strict=False)]
        pixels = pairs + pixels[2 * len(pairs) :]
    return pixels[0]


def _first_larger(a: jax.Array, b: jax.Array) -> jax.Array:
    """Elementwise maximum; NaN if either is, and a tie takes (and differentiates) the first."""
    return jnp.where((a >= b) | (a != a), a, b)


def max_pool_2x2(x: jax.Array) -> jax.Array:
    """Max-pooling over 2x2 windows with stride 2: [N, H, W, C] -> [N, H // 2, W // 2, C]."""
    return max_pool(x, 2, 2)
