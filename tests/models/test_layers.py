"""Layers against `lax.conv_general_dilated` and `flax.linen`: values, both derivatives, vmap, scan, NaN."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxcifar.models import layers

CASES = [  # image height, width, channels, features, kernel, stride, padding
    (8, 8, 3, 4, (3, 3), 1, 1),
    (5, 7, 3, 2, (3, 3), 1, 1),
    (2, 2, 4, 3, (3, 3), 1, 1),
    (1, 1, 2, 3, (3, 3), 1, 1),
    (6, 6, 2, 3, (3, 3), 2, 1),
    (5, 5, 2, 3, (3, 3), 2, 1),
    (6, 6, 2, 3, (1, 1), 2, 0),
    (4, 4, 2, 3, (1, 1), 1, 0),
    (7, 8, 2, 3, (5, 5), 1, 0),
    (9, 9, 2, 2, (7, 7), 2, 3),
    (6, 5, 2, 2, (2, 4), 1, 0),
    (7, 7, 2, 2, (2, 2), 3, 1),
]


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


def reference(x, kernel, stride, padding):
    return lax.conv_general_dilated(
        x, kernel, (stride, stride), [(padding, padding)] * 2, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def arrays(case, images=3, dtype=jnp.float64):
    h, w, channels, features, size, _, _ = case
    keys = jax.random.split(jax.random.key(0), 4)
    x, vx = (jax.random.normal(k, (images, h, w, channels), dtype) for k in keys[:2])
    kernel, vk = (jax.random.normal(k, (*size, channels, features), dtype) for k in keys[2:])
    return (x, kernel), (vx, vk)


def relative(a, b):
    a, b = (np.concatenate([np.ravel(np.asarray(v, np.float64)) for v in jax.tree.leaves(t)]) for t in (a, b))
    return np.linalg.norm(a - b) / np.linalg.norm(b)


def derivatives(conv):
    """Value, gradient and Hessian-vector product (reverse over reverse) of a function that is not quadratic."""

    def loss(pair):
        return jnp.sum(jnp.sin(conv(*pair)))

    def product(pair, vector):
        return jax.grad(lambda p: sum(jnp.vdot(g, v) for g, v in zip(jax.grad(loss)(p), vector, strict=True)))(pair)

    return jax.jit(lambda pair, vector: (conv(*pair), jax.grad(loss)(pair), product(pair, vector)))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_conv2d_equals_lax_to_second_order(case):
    pair, vector = arrays(case)
    stride, padding = case[-2:]
    ours = derivatives(lambda x, k: layers.conv2d(x, k, stride=stride, padding=padding, train=True))(pair, vector)
    theirs = derivatives(lambda x, k: reference(x, k, stride, padding))(pair, vector)
    for a, b in zip(ours, theirs, strict=True):
        assert relative(a, b) < 1e-12
