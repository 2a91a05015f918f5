"""A network with BatchNorm at ε = 0: scaling the weights before it changes the eigenvalue, not the measure."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxcifar import landscape

KEY = jax.random.key(0)


def _normalised_network(dtype):
    """Linear layer, BatchNorm with batch statistics and ε = 0, tanh and a fixed readout; mean squared error."""
    random = np.random.default_rng(0)
    x, y, readout = (jnp.asarray(random.normal(size=s), dtype) for s in ((16, 3), (16,), (4,)))

    def loss(weights):
        hidden = x @ weights
        hidden = (hidden - hidden.mean(0)) / jnp.std(hidden, axis=0)
        return jnp.mean((jnp.tanh(hidden) @ readout - y) ** 2)

    return loss, jnp.asarray(random.normal(size=(3, 4)), dtype)


def test_scale_invariance_leaves_the_measures_alone(precision):
    loss, weights = _normalised_network(precision.dtype)
    measure = jax.jit(lambda weights: landscape.block_sharpness(loss, weights, [""], KEY, iterations=12))
    small, large = measure(weights), measure(5 * weights)
    np.testing.assert_allclose(loss(5 * weights), loss(weights), rtol=precision.tolerance)
    np.testing.assert_allclose(large.eigenvalue, small.eigenvalue / 25, rtol=5 * precision.tolerance)
    np.testing.assert_allclose(large.sharpness, small.sharpness, rtol=5 * precision.tolerance)
    assert small.residual[0] < 5 * precision.tolerance * small.eigenvalue[0]
    gradient = jax.jit(jax.grad(loss))
    products = [landscape.weight_gradient_product(w, gradient(w)) for w in (weights, 5 * weights)]
    np.testing.assert_allclose(products[1], products[0], rtol=5 * precision.tolerance)


def test_each_block_has_the_eigenvalue_of_its_own_part(precision):
    params = {"a": jnp.array([1.0, 2.0], precision.dtype), "b": jnp.array([3.0], precision.dtype)}

    def loss(params):
        a, b = params["a"], params["b"][0]
        return 2 * a[0] ** 2 + 3 * a[1] ** 2 + 0.5 * b**2 + 10 * a[0] * b

    found = landscape.block_sharpness(loss, params, ["b", "a"], KEY, iterations=20)
    np.testing.assert_allclose(found.eigenvalue, [1, 6], rtol=precision.tolerance)
    np.testing.assert_allclose(found.squared_norm, [9, 5], rtol=precision.tolerance)
    np.testing.assert_allclose(found.sharpness, [9, 30], rtol=precision.tolerance)
    np.testing.assert_allclose(landscape.scale_free_sharpness(params["a"], 6), 30, rtol=precision.tolerance)
