"""Shapes of a convolution, and the slices of an image that its kernel sees."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

DIMENSIONS = ("NHWC", "HWIO", "NHWC")
CONTRACT_ROWS = (((0,), (0,)), ((), ()))
"""Dimension numbers of a product of transpose(a) with b."""


class Geometry(NamedTuple):
    """Stride and symmetric padding, each (rows, columns), in pixels."""

    stride: tuple[int, int]
    padding: tuple[int, int]

    def output_size(self, image: tuple[int, int], kernel: tuple[int, int]) -> tuple[int, int]:
        """Return height and width of the output for an image and a kernel of these heights and widths."""
        rows, columns = (
            (n + 2 * p - k) // s + 1 for n, p, k, s in zip(image, self.padding, kernel, self.stride, strict=True)
        )
        return rows, columns


def pad(x: jax.Array, rows: tuple[int, int], columns: tuple[int, int]) -> jax.Array:
    """Return x [N, H, W, C] with zeros around its two image axes, or cut where a number is negative."""
    if rows == columns == (0, 0):
        return x
    return lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), (*rows, 0), (*columns, 0), (0, 0, 0)])


def taps(x: jax.Array, kernel: tuple[int, int], geometry: Geometry) -> list[jax.Array]:
    """Return the pixels [N, H', W', C] that each kernel position meets, positions row by row."""
    (kh, kw), (sh, sw), (ph, pw) = kernel, *geometry
    oh, ow = geometry.output_size((x.shape[1], x.shape[2]), kernel)
    x = pad(x, (ph, ph), (pw, pw))
    n, _, _, c = x.shape
    return [
        # A slice ends right behind the last pixel that is met, since a stride may leave rows and columns unused.
        lax.slice(x, (0, i, j, 0), (n, i + (oh - 1) * sh + 1, j + (ow - 1) * sw + 1, c), (1, sh, sw, 1))
        for i in range(kh)
        for j in range(kw)
    ]


def tile_pixels(x: jax.Array) -> list[list[jax.Array]]:
    """Return the four pixels of each 2x2 tile of x [N, 2h, 2w, C]: two rows of two arrays [N, h, w, C]."""
    return [[lax.slice(x, (0, i, j, 0), x.shape, (1, 2, 2, 1)) for j in (0, 1)] for i in (0, 1)]


def interleave(tiles: list[list[jax.Array]]) -> jax.Array:
    """Return the inverse of `tile_pixels`."""
    # One selection: concatenation is slower, and so is a sum of zero-padded arrays.
    n, h, w, channels = tiles[0][0].shape
    # Images and rows share an axis, so that no array has more than five axes.
    shape = n * h, 2, w, 2, channels
    (a, b), (c, d) = [
        [jnp.broadcast_to(part.reshape(n * h, 1, w, 1, channels), shape) for part in row] for row in tiles
    ]
    upper, left = (lax.broadcasted_iota(jnp.int32, shape, axis) == 0 for axis in (1, 3))
    pixels = jnp.where(upper, jnp.where(left, a, b), jnp.where(left, c, d))
    return pixels.reshape(n, 2 * h, 2 * w, channels)
