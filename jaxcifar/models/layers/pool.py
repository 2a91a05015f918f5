"""Max-pooling whose gradient is fast on a CPU."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcifar.models.layers.geometry import interleave, tile_pixels


def max_pool_2x2(x: jax.Array) -> jax.Array:
    """Return max-pooling over 2x2 windows with stride 2: [N, H, W, C] -> [N, H // 2, W // 2, C], as in PyTorch.

    The gradient of a tie goes to the first pixel that reaches the maximum, row by row. On a CPU derivatives go reverse
    over reverse (`jax.grad`, not `jax.jvp`).

    Raises:
        ValueError: the window is larger than the image.
    """
    _, h, w, _ = x.shape
    if min(h, w) < 2:
        raise ValueError(f"a window of 2 x 2 pixels is larger than the image of {(h, w)}")
    if jax.default_backend() == "cpu":
        return _pool_pairs(x[:, : h // 2 * 2, : w // 2 * 2] if h % 2 or w % 2 else x)
    return nn.max_pool(x, window_shape=(2, 2), strides=(2, 2))


# Reading one pixel per window and writing to it are linear maps and each other's transpose, so these two rules are
# enough for derivatives of every order.


@jax.custom_vjp
def _pool_pairs(x: jax.Array) -> jax.Array:
    # By keyword, because jax2onnx's stand-in takes nothing else.
    return nn.max_pool(x, window_shape=(2, 2), strides=(2, 2))


@jax.custom_vjp
def _write_first_largest(x: jax.Array, g: jax.Array) -> jax.Array:
    """Zeros [N, H, W, C] with g [N, H / 2, W / 2, C] at the first largest pixel of each window of x."""
    top, left, right = _first_largest(x)
    zero = jnp.zeros((), g.dtype)
    upper, lower = jnp.where(top, g, zero), jnp.where(top, zero, g)
    return interleave(
        [
            [jnp.where(left, upper, zero), jnp.where(left, zero, upper)],
            [jnp.where(right, lower, zero), jnp.where(right, zero, lower)],
        ]
    )


@jax.custom_vjp
def _read_first_largest(x: jax.Array, t: jax.Array) -> jax.Array:
    """The pixels [N, H / 2, W / 2, C] of t [N, H, W, C] at the positions where x has its first largest value."""
    top, left, right = _first_largest(x)
    (a, b), (c, d) = tile_pixels(t)
    return jnp.where(top, jnp.where(left, a, b), jnp.where(right, c, d))


def _first_largest(x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Per window: does the upper row win, and in either row, does the left pixel? NaN is larger than any number."""
    (a, b), (c, d) = tile_pixels(x)
    left, right = _wins(a, b), _wins(c, d)
    return _wins(jnp.where(left, a, b), jnp.where(right, c, d)), left, right


def _wins(first: jax.Array, second: jax.Array) -> jax.Array:
    # `>=` gives a tie to the first; only NaN differs from itself.
    return (first >= second) | (first != first)


# The position of a maximum is piecewise constant in x, so reading and writing there have gradient zero for x.
_pool_pairs.defvjp(lambda x: (_pool_pairs(x), x), lambda x, g: (_write_first_largest(x, g),))
_write_first_largest.defvjp(
    lambda x, g: (_write_first_largest(x, g), x),
    lambda x, t: (jnp.zeros_like(x), _read_first_largest(x, t)),
)
_read_first_largest.defvjp(
    lambda x, t: (_read_first_largest(x, t), x),
    lambda x, g: (jnp.zeros_like(x), _write_first_largest(x, g)),
)
