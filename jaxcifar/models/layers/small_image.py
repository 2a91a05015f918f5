"""Convolution of stride 1 on an image no larger than its kernel's reach, as one dense matrix.

Every output pixel sees every input pixel, so padding needs no multiplications: y [H' W' F] = D x [H W C], where the
matrix D holds the part of the kernel that overlaps the image.
"""

import jax
import jax.numpy as jnp
from jax import lax

from jaxcifar.models.layers.geometry import CONTRACT_ROWS, Geometry


def forward(x: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    """Return the stride-1 convolution [N, H', W', F] of x [N, H, W, C] and kernel [kh, kw, C, F]."""
    n, h, w, channels = x.shape
    kh, kw, _, features = kernel.shape
    rows, columns = geometry.output_size((h, w), (kh, kw))
    pixels = x.reshape(n, h * w * channels)
    parts = [jnp.matmul(pixels, part) for part in _parts(kernel, (h, w), geometry)]
    return jnp.stack(parts, axis=1).reshape(n, rows, columns, features)


def input_gradient(dy: jax.Array, kernel: jax.Array, image: tuple[int, int], geometry: Geometry) -> jax.Array:
    """Return the gradient [N, H, W, C] of sum(dy * forward(x, kernel)) over x."""
    n, rows, columns, _ = dy.shape
    pixels = [dy[:, a, b] for a in range(rows) for b in range(columns)]
    parts = [
        lax.dot_general(pixel, part, (((1,), (1,)), ((), ())))
        for pixel, part in zip(pixels, _parts(kernel, image, geometry), strict=True)
    ]
    return sum(parts[1:], start=parts[0]).reshape(n, *image, kernel.shape[2])


def _corners(geometry: Geometry, rows: int, columns: int) -> list[tuple[int, int]]:
    """For each output pixel, the kernel position that meets the image's first pixel."""
    ph, pw = geometry.padding
    # Never negative where `fits` holds; a negative start of a slice would count from the kernel's end.
    return [(ph - a, pw - b) for a in range(rows) for b in range(columns)]


def _parts(kernel: jax.Array, image: tuple[int, int], geometry: Geometry) -> list[jax.Array]:
    """For each output pixel, the part of the kernel on the image: [H W C, F]."""
    (h, w), (kh, kw, channels, features) = image, kernel.shape
    rows, columns = geometry.output_size(image, (kh, kw))
    return [
        kernel[i : i + h, j : j + w].reshape(h * w * channels, features) for i, j in _corners(geometry, rows, columns)
    ]


def kernel_gradient(x: jax.Array, dy: jax.Array, size: tuple[int, int], geometry: Geometry) -> jax.Array:
    """Return the gradient [kh, kw, C, F] of sum(dy * forward(x, kernel)) over the kernel."""
    n, h, w, channels = x.shape
    _, rows, columns, features = dy.shape
    pixels = x.reshape(n, h * w * channels)
    # Each output pixel adds to the part of the kernel that it sees; the parts overlap.
    total = jnp.zeros((*size, channels, features), x.dtype)
    for index, (i, j) in enumerate(_corners(geometry, rows, columns)):
        part = dy[:, index // columns, index % columns]
        product = lax.dot_general(pixels, part, CONTRACT_ROWS)
        total = total.at[i : i + h, j : j + w].add(product.reshape(h, w, channels, features))
    return total


def fits(image: tuple[int, int], size: tuple[int, int], geometry: Geometry) -> bool:
    """Return whether each output pixel sees the whole image."""
    rows, columns = geometry.output_size(image, size)
    axes = zip(image, size, geometry.padding, (rows, columns), strict=True)
    return geometry.stride == (1, 1) and all(p >= count - 1 and p + n <= k for n, k, p, count in axes)
