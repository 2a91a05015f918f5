"""Precisions and small problems with known answers, for the tests of the landscape library."""

from typing import NamedTuple

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import pytest


class Precision(NamedTuple):
    """A dtype and the relative error that an exact test allows in it."""

    dtype: str
    tolerance: float


@pytest.fixture
def float64():
    """Double precision for one test, and for no other."""
    with jax.enable_x64(True):
        yield


@pytest.fixture(params=[Precision("float64", 1e-6), Precision("float32", 2e-4)], ids=lambda p: p.dtype)
def precision(request):
    """Each exact test twice: float64 to 1e-6 relative, float32 to 2e-4."""
    with jax.enable_x64(request.param.dtype == "float64"):
        yield request.param


@pytest.fixture
def quadratic():
    """½ wᵀAw for the matrix A."""

    def make(matrix):
        return lambda w: 0.5 * jnp.vdot(w, jnp.asarray(matrix, w.dtype) @ w)

    return make


@pytest.fixture
def mlp():
    """A small tanh network, its parameters, and its mean cross-entropy on eight points."""

    def make(dtype):
        random = np.random.default_rng(0)
        x, labels = jnp.asarray(random.normal(size=(8, 3)), dtype), jnp.arange(8) % 3
        shapes = {"first": {"kernel": (3, 4), "bias": (4,)}, "last": {"kernel": (4, 3), "bias": (3,)}}
        params = jax.tree.map(
            lambda shape: jnp.asarray(random.normal(size=shape), dtype), shapes, is_leaf=lambda s: isinstance(s, tuple)
        )

        def loss(params):
            hidden = jnp.tanh(x @ params["first"]["kernel"] + params["first"]["bias"])
            logits = hidden @ params["last"]["kernel"] + params["last"]["bias"]
            return -jnp.mean(jax.nn.log_softmax(logits)[jnp.arange(8), labels])

        return loss, params

    return make


@pytest.fixture
def dense_hessian():
    """The whole Hessian [n, n] of a loss on a pytree, by autodiff."""

    def make(loss, params):
        flat, unravel = jax.flatten_util.ravel_pytree(params)
        return np.asarray(jax.jit(jax.hessian(lambda w: loss(unravel(w))))(flat))

    return make
