"""Convolution of stride 1 with few channels: several neighbouring pixels of a row from one row of a matrix product.

A tile of b output pixels of one row sees kh x (b + kw - 1) pixels. With the kernel laid out once per pixel of the tile,
T [kh (b + kw - 1) C, b F], the convolution is tiles(x) T: more arithmetic than patches x matrix, by (b + kw - 1) / kw,
but fewer copies, by the same factor times b / (b + kw - 1), and matrices b times as wide.
"""

import jax
import jax.numpy as jnp
from jax import lax

from jaxcifar.models.layers.geometry import CONTRACT_ROWS

# Wider tiles multiply more zeros of T, and narrower ones copy more pixels.
WIDTH = 4


def forward(x: jax.Array, kernel: jax.Array, padding: tuple[int, int]) -> jax.Array:
    """Return the stride-1 convolution [N, H', W', F] of x [N, H, W, C] and kernel [kh, kw, C, F]."""
    kh, kw, _, features = kernel.shape
    columns = x.shape[2] + 2 * padding[1] - kw + 1
    tiles = _tiles(x, (kh, kw), padding)
    n, rows, count, size = tiles.shape
    # One copy of the kernel per pixel of the tile, each one pixel further to the right.
    copies = [lax.pad(kernel, jnp.zeros((), kernel.dtype), _shift(b)) for b in range(WIDTH)]
    matrix = jnp.stack(copies, axis=3).reshape(size, WIDTH * features)
    y = jnp.matmul(tiles.reshape(-1, size), matrix)
    # The last tile may reach beyond the row.
    return y.reshape(n, rows, count * WIDTH, features)[:, :, :columns]


def kernel_gradient(x: jax.Array, dy: jax.Array, size: tuple[int, int], padding: tuple[int, int]) -> jax.Array:
    """Return the gradient [kh, kw, C, F] of sum(dy * forward(x, kernel)) over the kernel."""
    kh, kw = size
    channels, features = x.shape[-1], dy.shape[-1]
    tiles = _tiles(x, size, padding)
    n, rows, count, _ = tiles.shape
    dy = lax.pad(dy, jnp.zeros((), dy.dtype), [(0, 0, 0), (0, 0, 0), (0, count * WIDTH - dy.shape[2], 0), (0, 0, 0)])
    matrix = lax.dot_general(tiles.reshape(n * rows * count, -1), dy.reshape(n * rows * count, -1), CONTRACT_ROWS)
    # The kernel is in T once per pixel b of the tile, shifted by b columns: its gradient is the sum of these copies'.
    matrix = matrix.reshape(kh, WIDTH + kw - 1, channels, WIDTH, features)
    return sum((matrix[:, b : b + kw, :, b] for b in range(1, WIDTH)), start=matrix[:, :kw, :, 0])


def _shift(pixels: int) -> list[tuple[int, int, int]]:
    return [(0, 0, 0), (pixels, WIDTH - 1 - pixels, 0), (0, 0, 0), (0, 0, 0)]


def _tiles(x: jax.Array, kernel: tuple[int, int], padding: tuple[int, int]) -> jax.Array:
    """What each tile sees: [N, H', ceil(W' / WIDTH), kh (WIDTH + kw - 1) C]."""
    n, h, w, channels = x.shape
    (kh, kw), (ph, pw) = kernel, padding
    rows, columns = h + 2 * ph - kh + 1, w + 2 * pw - kw + 1
    count, seen = -(-columns // WIDTH), WIDTH + kw - 1
    blocks = count - 1 + -(-seen // WIDTH)
    # At least pw columns of zeros, and as many more as make the row a whole number of blocks.
    right = blocks * WIDTH - w - pw
    x = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), (ph, ph, 0), (pw, right, 0), (0, 0, 0)])
    # Blocks of WIDTH pixels are adjacent in memory: slices of this array make the tiles, without strides or gathers.
    x = x.reshape(n, h + 2 * ph, blocks, WIDTH * channels)
    # A tile's pixels are whole blocks of WIDTH, then the beginning of one more.
    parts = [
        x[:, :, start // WIDTH : start // WIDTH + count, : min(WIDTH, seen - start) * channels]
        for start in range(0, seen, WIDTH)
    ]
    return jnp.concatenate([part[:, i : i + rows] for i in range(kh) for part in parts], axis=-1)
