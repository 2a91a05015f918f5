"""A convolution and its two gradients by matrix products, each in the form that `choice` names.

Operands below float32 are converted to float32: on a CPU narrow products are not faster, and Winograd's transforms
would lose digits.
"""

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

import jax
import jax.numpy as jnp

from jaxcifar.models.layers import choice, patches, row_tiles, small_image, winograd
from jaxcifar.models.layers.choice import Form, Size
from jaxcifar.models.layers.geometry import Geometry


def _at_least_float32(product: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    # Inlined, it changes no program, but layers of equal shapes are traced once, which a deep network waits for.
    @partial(jax.jit, static_argnums=2, inline=True)
    def widened(a: jax.Array, b: jax.Array, args: tuple[Any, ...]) -> jax.Array:
        dtype = jnp.promote_types(a.dtype, jnp.float32)
        return product(a.astype(dtype), b.astype(dtype), *args).astype(a.dtype)

    @wraps(product)
    def apply(a: jax.Array, b: jax.Array, *args: Any) -> jax.Array:
        return widened(a, b, args)

    return apply


@_at_least_float32
def convolve(x: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    """Return the convolution [N, H', W', F] of x [N, H, W, C] and kernel [kh, kw, C, F]."""
    n, h, w, channels = x.shape
    kh, kw, _, features = kernel.shape
    form = choice.form((h, w), (kh, kw), channels, features, geometry)
    blocks = choice.blocks(form, n, (h, w), (kh, kw), channels, features)
    match form:
        case Form.WINOGRAD:
            return winograd.forward(x, kernel, blocks)
        case Form.SMALL_IMAGE:
            return small_image.forward(x, kernel, geometry)
        case Form.ROW_TILES:
            return row_tiles.forward(x, kernel, geometry.padding, blocks)
        case Form.PATCHES:
            return patches.forward(x, kernel, geometry, blocks)


@_at_least_float32
def input_gradient(dy: jax.Array, kernel: jax.Array, image: Size, geometry: Geometry) -> jax.Array:
    """Return the gradient [N, H, W, C] of the images for dy [N, H', W', F] and kernel [kh, kw, C, F]."""
    kh, kw, channels, features = kernel.shape
    form = choice.form(image, (kh, kw), channels, features, geometry)
    blocks = choice.blocks(form, len(dy), image, (kh, kw), channels, features)
    match form:
        case Form.WINOGRAD:
            return winograd.input_gradient(dy, kernel, blocks)
        case Form.SMALL_IMAGE:
            return small_image.input_gradient(dy, kernel, image, geometry)
    # A convolution with the flipped, transposed kernel may have a faster form of its own.
    rest = kh - 1 - geometry.padding[0], kw - 1 - geometry.padding[1]
    # Padding larger than the kernel's side minus one would need negative padding here.
    if geometry.stride == (1, 1) and min(rest) >= 0:
        return convolve(dy, kernel[::-1, ::-1].swapaxes(2, 3), Geometry((1, 1), rest))
    return patches.input_gradient(dy, kernel, image, geometry, blocks)


@_at_least_float32
def kernel_gradient(x: jax.Array, dy: jax.Array, size: Size, geometry: Geometry) -> jax.Array:
    """Return the gradient [kh, kw, C, F] of the kernel for x [N, H, W, C] and dy [N, H', W', F]."""
    (n, h, w, channels), features = x.shape, dy.shape[-1]
    form = choice.form((h, w), size, channels, features, geometry, kernel_gradient=True)
    blocks = choice.blocks(form, n, (h, w), size, channels, features, kernel_gradient=True)
    match form:
        case Form.WINOGRAD:
            return winograd.kernel_gradient(x, dy, blocks)
        case Form.SMALL_IMAGE:
            return small_image.kernel_gradient(x, dy, size, geometry)
        case Form.ROW_TILES:
            return row_tiles.kernel_gradient(x, dy, size, geometry.padding, blocks)
        case Form.PATCHES:
            return patches.kernel_gradient(x, dy, size, geometry, blocks)
