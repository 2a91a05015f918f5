"""Winograd's minimal filtering F(2x2, 3x3): a 3x3 convolution of stride 1 in 16 products of tiles, not 36.

Each 2x2 tile of the output, Y = A^T [(G K G^T) * (B^T d B)] A, sees the 4x4 tile d of the padded image, with

    B^T = [1 0 -1 0; 0 1 1 0; 0 -1 1 0; 0 1 0 -1],  G = [1 0 0; .5 .5 .5; .5 -.5 .5; 0 0 1],
    A^T = [1 1 1 0; 0 1 -1 -1].

The sums over channels are 16 matrix products. The kernel's gradient is the transpose of the same sum,
dK = G^T [sum over tiles of (B^T d B) * (A dY A^T)] G.

References: Lavin and Gray, Fast algorithms for convolutional neural networks, CVPR 2016 (arXiv:1509.09308).
"""

import jax
import jax.numpy as jnp
from jax import lax

from jaxcifar.models.layers.blocks import mapped, summed
from jaxcifar.models.layers.geometry import CONTRACT_ROWS, interleave, tile_pixels


def forward(x: jax.Array, kernel: jax.Array, blocks: int = 1) -> jax.Array:
    """Return the convolution [N, H, W, F] of x [N, H, W, C] and kernel [3, 3, C, F] with stride 1 and padding 1.

    Args:
        x: images.
        kernel: weights.
        blocks: number of blocks of images that are computed one after another.
    """
    # Outside of the blocks, so that the kernel is transformed once for the whole batch.
    factors = kernel_factors(kernel)
    return mapped(lambda part: _convolve(part, factors, (1, 0)), x, blocks)


def input_gradient(dy: jax.Array, kernel: jax.Array, blocks: int = 1) -> jax.Array:
    """Return the gradient [N, H, W, C] of sum(dy * forward(x, kernel)) over x.

    It is the convolution of dy with the flipped, transposed kernel. Flipping only swaps the first and the last row of
    G K G^T, and the first and the last column: the forward factors serve again, contracted over their other axis.
    """
    factors = kernel_factors(kernel)
    mirrored = [factors[4 * i + j] for i in (3, 1, 2, 0) for j in (3, 1, 2, 0)]
    return mapped(lambda part: _convolve(part, mirrored, (1, 1)), dy, blocks)


def kernel_gradient(x: jax.Array, dy: jax.Array, blocks: int = 1) -> jax.Array:
    """Return the gradient [3, 3, C, F] of sum(dy * forward(x, kernel)) over the kernel."""
    return kernel_from_sums(summed(lambda x, dy: _sums(x, dy), x, dy, blocks))


def _convolve(x: jax.Array, factors: list[jax.Array], contract: tuple[int, int]) -> jax.Array:
    """Sum over the contracted axes, (1, 0) or (1, 1), of tiles [N th tw, C] and factors, back as pixels."""
    n, h, w, channels = x.shape
    # The elementwise product of tile and kernel, summed over channels, is one matrix product per position of the tile.
    dimensions = (((contract[0],), (contract[1],)), ((), ()))
    tiles = image_tiles(x)
    _, th, tw, _ = tiles[0].shape
    # Sixteen separate products are faster here than one batched product.
    products = [
        lax.dot_general(tile.reshape(-1, channels), factor, dimensions).reshape(n, th, tw, -1)
        for tile, factor in zip(tiles, factors, strict=True)
    ]
    # For an odd height or width the last tiles reach one pixel beyond the image.
    return output_pixels(products)[:, :h, :w]


def _sums(x: jax.Array, dy: jax.Array) -> list[jax.Array]:
    """Sum over tiles of (B^T d B) * (A dY A^T): 16 matrices [C, F]."""
    channels, features = x.shape[-1], dy.shape[-1]
    return [
        lax.dot_general(tile.reshape(-1, channels), part.reshape(-1, features), CONTRACT_ROWS)
        for tile, part in zip(image_tiles(x), gradient_tiles(dy), strict=True)
    ]


def image_tiles(x: jax.Array) -> list[jax.Array]:
    """Return B^T d B of every tile: 16 arrays [N, ceil(H / 2), ceil(W / 2), C]."""
    h, w = x.shape[1:3]
    th, tw = (h + 1) // 2, (w + 1) // 2
    # One row and column of zeros on each side is the padding; odd sizes get one more behind, to fill the last tile.
    x = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), (1, 2 * th + 1 - h, 0), (1, 2 * tw + 1 - w, 0), (0, 0, 0)])

    # B^T along an axis: its four rows are differences and sums of four pixels, so no product is needed. Tiles begin
    # every two pixels, so pixel i of all tiles is a slice with stride 2.
    def transform(part: jax.Array, axis: int, count: int) -> list[jax.Array]:
        d = [lax.slice_in_dim(part, i, i + 2 * count - 1, 2, axis) for i in range(4)]
        return [d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]]

    return [tile for row in transform(x, 1, th) for tile in transform(row, 2, tw)]


def kernel_factors(kernel: jax.Array) -> list[jax.Array]:
    """Return G K G^T as 16 matrices [C, F]."""

    def transform(a: jax.Array, b: jax.Array, c: jax.Array) -> list[jax.Array]:
        return [a, (a + b + c) * 0.5, (a - b + c) * 0.5, c]

    rows = transform(kernel[0], kernel[1], kernel[2])
    return [factor for row in rows for factor in transform(row[0], row[1], row[2])]


def output_pixels(products: list[jax.Array]) -> jax.Array:
    """Return A^T m A of every tile: 16 arrays [N, th, tw, F] -> [N, 2 th, 2 tw, F]."""

    def transform(a: jax.Array, b: jax.Array, c: jax.Array, d: jax.Array) -> tuple[jax.Array, jax.Array]:
        return a + b + c, b - c - d

    columns = [transform(*(products[4 * i + j] for i in range(4))) for j in range(4)]
    rows = [transform(*(column[r] for column in columns)) for r in range(2)]
    return interleave([list(row) for row in rows])


def gradient_tiles(dy: jax.Array) -> list[jax.Array]:
    """Return A dY A^T of every tile: 16 arrays [N, ceil(H / 2), ceil(W / 2), F]."""
    h, w = dy.shape[1:3]
    # Odd sizes: the missing pixels of the last tiles have gradient zero, so they add nothing to the sums.
    dy = lax.pad(dy, jnp.zeros((), dy.dtype), [(0, 0, 0), (0, h % 2, 0), (0, w % 2, 0), (0, 0, 0)])
    # Tiles of the output do not overlap; A has four rows for the two pixels along an axis.
    pixels = tile_pixels(dy)

    def transform(a: jax.Array, b: jax.Array) -> list[jax.Array]:
        return [a, a + b, a - b, -b]

    left, right = transform(pixels[0][0], pixels[1][0]), transform(pixels[0][1], pixels[1][1])
    return [tile for pair in zip(left, right, strict=True) for tile in transform(*pair)]


def kernel_from_sums(sums: list[jax.Array]) -> jax.Array:
    """Return G^T s G for 16 matrices s [C, F]: [3, 3, C, F]."""

    def transform(a: jax.Array, b: jax.Array, c: jax.Array, d: jax.Array) -> tuple[jax.Array, ...]:
        return a + (b + c) * 0.5, (b - c) * 0.5, (b + c) * 0.5 + d

    columns = [transform(*(sums[4 * i + j] for i in range(4))) for j in range(4)]
    rows = [transform(*(column[r] for column in columns)) for r in range(3)]
    return jnp.stack([jnp.stack(row) for row in rows])
