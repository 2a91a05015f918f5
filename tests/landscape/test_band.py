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


def test_rates_whose_run_ends_near_the_best_are_usable():
    rates = jnp.array([0.1, 0.45, 0.999, 1.001, 1.5])
    losses = _descend(rates)
    last = 9 * (1 - 2 * np.asarray(rates, np.float64)) ** 10
    np.testing.assert_allclose(losses[:, -1], last, rtol=1e-3)
    found = landscape.usable_rates(rates, losses)
    np.testing.assert_array_equal(found.usable, last <= last.min() + 0.1)
    np.testing.assert_array_equal(found.usable, [False, True, False, False, False])
    np.testing.assert_allclose([found.lowest, found.highest, found.decades], [0.45, 0.45, 0], rtol=1e-6, atol=0)
    loose = landscape.usable_rates(rates, losses, tolerance=1.0)
    np.testing.assert_array_equal(loose.usable, [True, True, False, False, False])
    np.testing.assert_allclose(loose.decades, np.log10(4.5), rtol=1e-5)


def test_the_best_run_of_all_networks_decides():
    rates, losses = jnp.array([1e-4, 1e-3, 1e-2]), jnp.array([1.0, 0.9375, 1.25])
    alone = landscape.usable_rates(rates, losses, tolerance=0.0625)
    np.testing.assert_array_equal(alone.usable, [True, True, False])
    np.testing.assert_allclose(alone.decades, 1, rtol=1e-6)
    beside_a_better = landscape.usable_rates(rates, losses, best=0.875, tolerance=0.0625)
    np.testing.assert_array_equal(beside_a_better.usable, [False, True, False])
    beside_a_far_better = landscape.usable_rates(rates, losses, best=0.25)
    assert not beside_a_far_better.usable.any()
    assert np.isnan(beside_a_far_better[1:]).all()
    for worse in (1.0, np.inf):
        np.testing.assert_array_equal(landscape.usable_rates(rates, losses, worse, 0.0625).usable, alone.usable)


def test_the_tolerance_is_a_tenth_of_a_nat_by_default():
    found = landscape.usable_rates(jnp.array([1.0, 2.0, 3.0]), jnp.array([0.0, 0.0999, 0.1001]))
    np.testing.assert_array_equal(found.usable, [True, True, False])


def test_a_diverged_run_is_never_usable():
    rates = jnp.array([0.1, 0.2, 0.4])
    steps = jnp.array([[1.0, 0.5], [jnp.nan, 0.5], [1.0, jnp.inf]])
    np.testing.assert_array_equal(landscape.usable_rates(rates, steps).usable, [True, False, False])
    for losses in (jnp.full(3, jnp.nan), jnp.full(3, jnp.inf), jnp.full((3, 2), jnp.nan)):
        for best in (None, 0.5, jnp.inf):
            none = landscape.usable_rates(rates, losses, best)
            assert not none.usable.any()
            assert np.isnan(none[1:]).all()


def test_usable_rates_under_jit():
    found = jax.jit(landscape.usable_rates)(jnp.array([0.1, 1.0]), jnp.array([0.5, 0.5]))
    np.testing.assert_allclose(found.decades, 1, rtol=1e-6)


def test_a_diverged_member_lifts_the_upper_edge_only():
    losses = jnp.array([[1.0, 2.0, 3.0], [2.0, jnp.nan, jnp.inf]])
    band = landscape.loss_band(losses)
    np.testing.assert_array_equal(band.lower, [1, 2, 3])
    np.testing.assert_array_equal(band.upper, [2, np.inf, np.inf])


def test_shapes_are_checked():
    with pytest.raises(ValueError, match=r"losses have shape \(0, 3\)"):
        landscape.loss_band(jnp.ones((0, 3)))
    with pytest.raises(ValueError, match=r"rates have shape \(3,\) and losses \(2, 4\)"):
        landscape.usable_rates(jnp.ones(3), jnp.ones((2, 4)))
