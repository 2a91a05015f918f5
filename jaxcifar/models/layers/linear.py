"""The product of a fully-connected layer, with a kernel gradient that small batches need not write to memory."""

import jax
import jax.numpy as jnp
from jax import lax

FEW_EXAMPLES = 8
"""With at most this many examples, the kernel's gradient is a sum of outer products."""


def matmul(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Return the product [N, inputs] x [inputs, F] -> [N, F], or with any axes [..., inputs] before the last.

    For a small batch on a CPU, the kernel's gradient is written as the sum over n of x[n] dy[n]^T: the compiler
    computes it inside the optimizer's update instead of writing and reading a matrix as large as the kernel, which
    would cost more than the products. Derivatives of every order go reverse over reverse there, as in `conv2d`.
    """
    if jax.default_backend() == "cpu" and x.ndim == 2 and len(x) <= FEW_EXAMPLES:
        return _matmul(x, kernel)
    return jnp.matmul(x, kernel)


@jax.custom_vjp
def _matmul(x, kernel):
    return jnp.matmul(x, kernel)


def _forward(x, kernel):
    return _matmul(x, kernel), (x, kernel)


def _backward(saved, dy):
    x, kernel = saved
    dx = lax.dot_general(dy, kernel, (((1,), (1,)), ((), ())))
    # Elementwise products have no wider accumulator, unlike a matrix product of bfloat16.
    wide = jnp.promote_types(x.dtype, jnp.float32)
    outer = [column[:, None] * row[None, :] for column, row in zip(x.astype(wide), dy.astype(wide), strict=True)]
    return dx, sum(outer[1:], start=outer[0]).astype(kernel.dtype)


_matmul.defvjp(_forward, _backward)
