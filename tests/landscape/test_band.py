"""The band of scalar gradient descent over learning rates, in closed form, and the rates at which it works."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxcifar import landscape

RATES = np.array([0.1, 0.5, 0.9, 1.1])
CURVATURE, START, STEPS = 2.0, 3.0, 6


def _descend(rates):
    """Losses [rates, steps] of gradient descent on ½ λ w²."""

    def loss(w):
        return 0.5 * CURVATURE * w**2

    def run(rate):
        return lax.scan(lambda w, _: (w - rate * jax.grad(loss)(w), loss(w)), START, length=STEPS)[1]

    return jax.vmap(run)(rates)


def test_band_of_scalar_gradient_descent(precision):
    losses = _descend(jnp.asarray(RATES, precision.dtype))
    exact = 0.5 * CURVATURE * START**2 * (1 - RATES[:, None] * CURVATURE) ** (2 * np.arange(STEPS))
    band = landscape.loss_band(losses)
    np.testing.assert_allclose(band.lower, exact.min(0), rtol=precision.tolerance, atol=1e-12)
    np.testing.assert_allclose(band.upper, exact.max(0), rtol=precision.tolerance)


def test_rates_below_the_stability_line_are_usable():
    rates = jnp.array([0.1, 0.9, 0.999, 1.001, 1.5])
    found = landscape.usable_rates(rates, _descend(rates))
    expected = rates < landscape.gradient_descent_threshold(1.0) / CURVATURE
    np.testing.assert_array_equal(found.usable, expected)
    np.testing.assert_allclose([found.lowest, found.highest, found.ratio], [0.1, 0.999, 9.99], rtol=1e-5)
    strict = landscape.usable_rates(rates, _descend(rates), ceiling=1.0)
    np.testing.assert_array_equal(strict.usable, [True, True, False, False, False])


def test_a_diverged_member_lifts_the_upper_edge_only():
    losses = jnp.array([[1.0, 2.0, 3.0], [2.0, jnp.nan, jnp.inf]])
    band = landscape.loss_band(losses)
    np.testing.assert_array_equal(band.lower, [1, 2, 3])
    np.testing.assert_array_equal(band.upper, [2, np.inf, np.inf])
    found = landscape.usable_rates(jnp.array([0.1, 0.2]), losses)
    assert not found.usable.any()
    assert np.isnan([found.lowest, found.highest, found.ratio]).all()


def test_shapes_are_checked():
    with pytest.raises(ValueError, match=r"losses have shape \(0, 3\)"):
        landscape.loss_band(jnp.ones((0, 3)))
    with pytest.raises(ValueError, match=r"learning_rates have shape \(3,\) and losses \(2, 4\)"):
        landscape.usable_rates(jnp.ones(3), jnp.ones((2, 4)))
