"""The stability lines against the optimizers themselves, run on a quadratic just below and just above them."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxcifar import landscape

RATE = 0.1


def _grows(curvature, beta1=0.0, share=1.0, preconditioner=1.0, nesterov=False, steps=4000):
    """Whether |w| grows under m ← β₁ m + share g, w ← w - η m / P (Nesterov: g + β₁ m for m) on ½ curvature w²."""
    w, m = 1.0, 0.0
    for _ in range(steps):
        m = beta1 * m + share * curvature * w
        w -= RATE * (curvature * w + beta1 * m if nesterov else m) / preconditioner
    return abs(w) + abs(m) > 1


@pytest.mark.parametrize(
    ("threshold", "update"),
    [
        (landscape.gradient_descent_threshold(RATE), {}),
        (landscape.momentum_threshold(RATE, 0.9), {"beta1": 0.9}),
        (landscape.nesterov_threshold(RATE, 0.9), {"beta1": 0.9, "nesterov": True}),
        (landscape.adam_threshold(RATE), {"beta1": 0.9, "share": 0.1}),
        (landscape.adam_threshold(RATE) * 0.02, {"beta1": 0.9, "share": 0.1, "preconditioner": 0.02}),
    ],
    ids=["gradient_descent", "momentum", "nesterov", "adam", "adam_preconditioned"],
)
def test_thresholds_part_the_stable_from_the_unstable(threshold, update):
    assert not _grows(0.99 * threshold, **update)
    assert _grows(1.01 * threshold, **update)


def test_thresholds_in_closed_form():
    np.testing.assert_allclose(landscape.gradient_descent_threshold(0.1), 20)
    np.testing.assert_allclose(landscape.momentum_threshold(0.1, 0.9), 38)
    np.testing.assert_allclose(landscape.nesterov_threshold(0.1, 0.9), 38 / 2.8)
    np.testing.assert_allclose(landscape.adam_threshold(0.1), 380)


def test_adam_preconditioner_is_what_adam_divides_its_first_moment_by(precision):
    gradients = [np.array([1.0, -2.0]), np.array([0.5, 3.0]), np.array([-1.0, 0.1])]
    mu, nu = np.zeros(2), np.zeros(2)
    for step, gradient in enumerate(gradients, 1):
        mu, nu = 0.9 * mu + 0.1 * gradient, 0.999 * nu + 0.001 * gradient**2
        update = (mu / (1 - 0.9**step)) / (np.sqrt(nu / (1 - 0.999**step)) + 1e-8)
    diagonal = landscape.adam_preconditioner({"w": jnp.asarray(nu, precision.dtype)}, 3)["w"]
    assert diagonal.dtype == precision.dtype
    np.testing.assert_allclose(mu / np.asarray(diagonal), update, rtol=precision.tolerance)
