"""Convolution that is fast on the platform at hand, forwards and backwards."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from jaxcifar.models.layers import products
from jaxcifar.models.layers.geometry import DIMENSIONS, Geometry

Pair = int | tuple[int, int]


def conv2d(x: jax.Array, kernel: jax.Array, *, stride: Pair = 1, padding: Pair = 0) -> jax.Array:
    """Return the cross-correlation with symmetric zero padding, as PyTorch's conv2d without a bias.

    y[n, a, b, f] = sum over i, j, c of x[n, s a + i - p, s b + j - p, c] K[i, j, c, f]

    On a CPU the form is chosen by shape and has its own rule for each gradient, so that derivatives of every order go
    reverse over reverse (`jax.grad`, `jax.vjp`; not `jax.jvp`); elsewhere it is `lax.conv_general_dilated`.

    Args:
        x: images [N, H, W, C].
        kernel: weights [kh, kw, C, F].
        stride: step in pixels, one number or (rows, columns).
        padding: zeros on each side in pixels, one number or (rows, columns).

    Returns:
        Images [N, (H + 2p - kh) // s + 1, (W + 2p - kw) // s + 1, F] in the common dtype of x and kernel.

    Raises:
        ValueError: the channels of images and kernel differ, or the kernel is larger than the padded image.
    """
    geometry = Geometry(_pair(stride), _pair(padding))
    _check(x, kernel, geometry)
    dtype = jnp.result_type(x, kernel)
    x, kernel = x.astype(dtype), kernel.astype(dtype)
    if jax.default_backend() == "cpu":
        return _convolve(x, kernel, geometry)
    return _lax_conv(x, kernel, geometry)


def _pair(value: Pair) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


def _check(x: jax.Array, kernel: jax.Array, geometry: Geometry) -> None:
    if x.ndim != 4 or kernel.ndim != 4 or x.shape[-1] != kernel.shape[2]:
        raise ValueError(f"images {x.shape} and kernel {kernel.shape} do not fit: need [N, H, W, C] and [kh, kw, C, F]")
    (_, h, w, _), (kh, kw, _, _) = x.shape, kernel.shape
    if min(geometry.output_size((h, w), (kh, kw))) < 1:
        raise ValueError(f"a kernel of {kh} x {kw} pixels is larger than the padded image of {h} x {w}")


def _lax_conv(x: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    padding = [(p, p) for p in geometry.padding]
    return lax.conv_general_dilated(x, kernel, geometry.stride, padding, dimension_numbers=DIMENSIONS)


# Convolution, gradient of the input and gradient of the kernel are bilinear, and the derivative of each one is made of
# the other two. So three rules are enough for derivatives of every order, each in the form that is fastest on a CPU.


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _convolve(x, kernel, geometry):
    return products.convolve(x, kernel, geometry)


# The size of the result is an argument of both gradients: with a stride, several sizes belong to one size of dy.
@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _input_gradient(dy, kernel, image, geometry):
    return products.input_gradient(dy, kernel, image, geometry)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _kernel_gradient(x, dy, size, geometry):
    return products.kernel_gradient(x, dy, size, geometry)


# All rules call the functions above instead of the products, so that each result can be differentiated again.
def _convolve_forward(x, kernel, geometry):
    return _convolve(x, kernel, geometry), (x, kernel)


def _convolve_backward(geometry, saved, dy):
    x, kernel = saved
    dx = _input_gradient(dy, kernel, x.shape[1:3], geometry)
    return dx, _kernel_gradient(x, dy, kernel.shape[:2], geometry)


def _input_gradient_forward(dy, kernel, image, geometry):
    return _input_gradient(dy, kernel, image, geometry), (dy, kernel)


def _input_gradient_backward(image, geometry, saved, g):
    dy, kernel = saved
    ddy = _convolve(g, kernel, geometry)
    return ddy, _kernel_gradient(g, dy, kernel.shape[:2], geometry)


def _kernel_gradient_forward(x, dy, size, geometry):
    return _kernel_gradient(x, dy, size, geometry), (x, dy)


def _kernel_gradient_backward(size, geometry, saved, g):
    x, dy = saved
    return _input_gradient(dy, g, x.shape[1:3], geometry), _convolve(x, g, geometry)


_convolve.defvjp(_convolve_forward, _convolve_backward)
_input_gradient.defvjp(_input_gradient_forward, _input_gradient_backward)
_kernel_gradient.defvjp(_kernel_gradient_forward, _kernel_gradient_backward)
