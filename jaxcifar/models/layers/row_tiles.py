"""Convolution of stride 1 with few channels: neighbouring pixels of a row from one row of a matrix product.

A tile of b output pixels of one row sees kh x (b + kw - 1) pixels. With the kernel laid out once per pixel of the tile,
T [kh (b + kw - 1) C, b F], the convolution is tiles(x) T: more arithmetic than patches x matrix, by (b + kw - 1) / kw,
but fewer copies, by the same factor times b / (b + kw - 1), and matrices b times as wide.
"""

import jax
import jax.numpy as jnp
from jax import lax

from jaxcifar.models.layers.blocks import mapped, summed
from jaxcifar.models.layers.geometry import CONTRACT_ROWS


def forward(x: jax.Array, kernel: jax.Array, padding: tuple[int, int], blocks: int = 1) -> jax.Array:
    """Return the stride-1 convolution [N, H', W', F] of x [N, H, W, C] and kernel [kh, kw, C, F]."""
    kh, kw, _, features = kernel.shape
    columns = x.shape[2] + 2 * padding[1] - kw + 1
    # One copy of the kernel per pixel of the tile, each one pixel further to the right.
    width = tile_width(kw)
    shifts = [[(0, 0, 0), (b, width - 1 - b, 0), (0, 0, 0), (0, 0, 0)] for b in range(width)]
    shifted = [lax.pad(kernel, jnp.zeros((), kernel.dtype), shift) for shift in shifts]
    matrix = jnp.stack(shifted, axis=3).reshape(-1, width * features)

    def product(x: jax.Array) -> jax.Array:
        tiles = _tiles(x, (kh, kw), padding)
        n, rows, count, size = tiles.shape
        y = jnp.matmul(tiles.reshape(-1, size), matrix)
        # The last tile may reach beyond the row.
        return y.reshape(n, rows, count * width, features)[:, :, :columns]

    return mapped(product, x, blocks)


def kernel_gradient(
    x: jax.Array, dy: jax.Array, size: tuple[int, int], padding: tuple[int, int], blocks: int = 1
) -> jax.Array:
    """Return the gradient [kh, kw, C, F] of sum(dy * forward(x, kernel)) over the kernel."""
    kh, kw = size
    channels, features, width = x.shape[-1], dy.shape[-1], tile_width(kw)

    def product(x: jax.Array, dy: jax.Array) -> list[jax.Array]:
        tiles = _tiles(x, size, padding)
        n, rows, count, _ = tiles.shape
        beyond = count * width - dy.shape[2]
        dy = lax.pad(dy, jnp.zeros((), dy.dtype), [(0, 0, 0), (0, 0, 0), (0, beyond, 0), (0, 0, 0)])
        return [lax.dot_general(tiles.reshape(n * rows * count, -1), dy.reshape(n * rows * count, -1), CONTRACT_ROWS)]

    (matrix,) = summed(product, x, dy, blocks)
    # The kernel is in T once per pixel b of the tile, shifted by b columns: its gradient is the sum of these copies'.
    matrix = matrix.reshape(kh, width + kw - 1, channels, width, features)
    return sum((matrix[:, b : b + kw, :, b] for b in range(1, width)), start=matrix[:, :kw, :, 0])


def tile_width(kw: int) -> int:
    """Return the output pixels of a tile: wider ones multiply more zeros of T, narrower ones copy more pixels."""
    return max(kw - 1, 2)


def copies(kernel: tuple[int, int]) -> float:
    """Return how often the tiles hold a pixel."""
    kh, kw = kernel
    return kh * (tile_width(kw) + kw - 1) / tile_width(kw)


def _tiles(x: jax.Array, kernel: tuple[int, int], padding: tuple[int, int]) -> jax.Array:
    """What each tile sees: [N, H', ceil(W' / b), kh (b + kw - 1) C]."""
    n, h, w, channels = x.shape
    (kh, kw), (ph, pw) = kernel, padding
    rows, columns = h + 2 * ph - kh + 1, w + 2 * pw - kw + 1
    width = tile_width(kw)
    count, seen = -(-columns // width), width + kw - 1
    blocks = count - 1 + -(-seen // width)
    # At least pw columns of zeros, and as many more as make the row a whole number of blocks.
    right = blocks * width - w - pw
    x = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), (ph, ph, 0), (pw, right, 0), (0, 0, 0)])
    # Blocks of width pixels are adjacent in memory: slices of this array make the tiles, without strides or gathers.
    x = x.reshape(n, h + 2 * ph, blocks, width * channels)
    # A tile's pixels are whole blocks of width, then the beginning of one more.
    parts = [
        x[:, :, start // width : start // width + count, : min(width, seen - start) * channels]
        for start in range(0, seen, width)
    ]
    return jnp.concatenate([part[:, i : i + rows] for i in range(kh) for part in parts], axis=-1)
